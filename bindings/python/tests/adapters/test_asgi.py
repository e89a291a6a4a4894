"""The plain ASGI middleware: websockets, the lifespan, and what stands around it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import websockets.sync.client
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from websockets.exceptions import InvalidStatus

from inspire_auth import ArgumentError, InspireAuth, Requirement
from inspire_auth.asgi import PRINCIPAL, ApiKeyMiddleware

from .sample import READ
from .servers import uvicorn_thread
from .wire import Address, ask, bearer


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """A websocket that says who is calling."""
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] != "websocket.disconnect":
        await send({"type": "websocket.send", "text": f"{scope[PRINCIPAL].name}: {event['text']}"})


@pytest.fixture
def at(auth: InspireAuth) -> Iterator[Address]:
    with uvicorn_thread(ApiKeyMiddleware(echo, auth, require=READ), ws="websockets-sansio", lifespan="off") as at:
        yield at


def open_socket(at: Address, *lines: tuple[str, str]) -> websockets.sync.client.ClientConnection:
    return websockets.sync.client.connect(f"ws://{at[0]}:{at[1]}/", additional_headers=list(lines), proxy=None)


def test_a_websocket_is_granted(at: Address, keys: SimpleNamespace) -> None:
    with open_socket(at, bearer(keys.reader)) as socket:
        socket.send("hello")
        assert socket.recv(5) == "reader: hello"


def test_a_websocket_is_refused_before_it_is_accepted(at: Address, keys: SimpleNamespace) -> None:
    for lines in ([], [bearer(keys.bare)], [bearer(keys.reader), bearer(keys.reader)], [bearer("reader:no")]):
        with pytest.raises(InvalidStatus) as refusal:
            open_socket(at, *lines)
        assert refusal.value.response.status_code == 403


def test_a_refused_websocket_is_closed_with_1008(auth: InspireAuth) -> None:
    sent: list[Any] = []

    async def send(event: Any) -> None:
        sent.append(event)

    async def ask_once() -> None:
        scope = {"type": "websocket", "path": "/", "headers": [], "client": None}
        await ApiKeyMiddleware(echo, auth)(scope, lambda: None, send)  # type: ignore[arg-type]

    asyncio.run(ask_once())
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": "NO_CREDENTIAL"}]


def test_the_lifespan_passes(auth: InspireAuth) -> None:
    seen: list[str] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])
        assert (await receive())["type"] == "lifespan.startup"
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        await send({"type": "lifespan.shutdown.complete"})

    with uvicorn_thread(ApiKeyMiddleware(inner, auth), lifespan="on") as at:
        assert ask(at, "GET", "/").code == "401 NO_CREDENTIAL"
    assert seen == ["lifespan"]


def test_a_path_does_not_reach_the_log(at: Address, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "inspire_auth")
    assert ask(at, "GET", "/a%0Arefused%20GET%20b").code == "401 NO_CREDENTIAL"
    told = [record.getMessage() for record in caplog.records if record.name == "inspire_auth"]
    assert told == ["refused a request for a path of 16 characters: NO_CREDENTIAL"]


def test_what_nobody_knows_is_not_let_through(auth: InspireAuth) -> None:
    with pytest.raises(NotImplementedError, match="webtransport"):
        asyncio.run(ApiKeyMiddleware(echo, auth)({"type": "webtransport"}, None, None))  # type: ignore[arg-type]


def test_a_preflight_is_answered_by_what_stands_outside(auth: InspireAuth, keys: SimpleNamespace) -> None:
    inner = Starlette(routes=[Route("/", lambda request: PlainTextResponse(request.scope[PRINCIPAL].name))])
    app = CORSMiddleware(ApiKeyMiddleware(inner, auth), allow_origins=["http://a"], allow_headers=["Authorization"])
    asking = [("Origin", "http://a"), ("Access-Control-Request-Method", "GET")]
    with uvicorn_thread(app, lifespan="off") as at:
        assert ask(at, "OPTIONS", "/", *asking).status == 200
        assert ask(at, "GET", "/", ("Origin", "http://a")).code == "401 NO_CREDENTIAL"
        assert ask(at, "GET", "/", bearer(keys.reader)).body == b"reader"
    with uvicorn_thread(ApiKeyMiddleware(inner, auth), lifespan="off") as at:
        assert ask(at, "OPTIONS", "/", *asking).code == "401 NO_CREDENTIAL"


def test_mistakes_are_told_at_the_start(auth: InspireAuth) -> None:
    with pytest.raises(ArgumentError):
        ApiKeyMiddleware(echo, auth, require="any(Authenticated//Read)")
    with pytest.raises(ArgumentError, match="channel"):
        ApiKeyMiddleware(echo, auth, channel="https")  # type: ignore[arg-type]
    ApiKeyMiddleware(echo, auth, require=Requirement.any_of([READ]))
