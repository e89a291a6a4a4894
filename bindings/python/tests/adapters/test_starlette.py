"""Starlette's own authentication, with keys behind it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from inspire_auth import ERRORS, SYSTEM, InspireAuth, TrustedProxies
from inspire_auth.starlette import ApiKeyBackend, on_error

from .sample import READ
from .servers import uvicorn_thread
from .wire import Address, ask, bearer, token


def who(request: Request) -> JSONResponse:
    user = request.user
    told = {"authenticated": user.is_authenticated, "name": user.display_name, "scopes": request.auth.scopes}
    if user.is_authenticated:
        told |= {"id": user.identity, "principal": user.principal.name}
    return JSONResponse(told)


@requires(READ)
async def read(request: Request) -> JSONResponse:
    return JSONResponse({"name": request.user.display_name})


@requires("Authenticated")
def authenticated(request: Request) -> JSONResponse:
    return JSONResponse({"name": request.user.display_name})


@requires(["Authenticated/Gateway", "Authenticated/Gateway/Write"], status_code=404)
async def hidden(request: Request) -> JSONResponse:
    return JSONResponse({})


def application(auth: InspireAuth, **options: Any) -> Starlette:
    middleware = Middleware(AuthenticationMiddleware, backend=ApiKeyBackend(auth, **options), on_error=on_error)
    routes = [Route(f"/{view.__name__}", view) for view in (who, read, authenticated, hidden)]
    return Starlette(routes=routes, middleware=[middleware])


@contextmanager
def served(auth: InspireAuth, **options: Any) -> Iterator[Address]:
    with uvicorn_thread(application(auth, **options)) as at:
        yield at


def test_a_key_is_a_user_with_scopes(auth: InspireAuth, keys: SimpleNamespace) -> None:
    with served(auth) as at:
        told = ask(at, "GET", "/who", bearer(keys.writer)).json
        assert told["scopes"] == [
            "Authenticated",
            "Authenticated/Gateway",
            "Authenticated/Gateway/Read",
            "Authenticated/Gateway/Write",
        ]
        assert (told["authenticated"], told["name"], told["principal"]) == (True, "writer", "writer")
        assert told["id"] == auth.keys.get("writer").id
        assert ask(at, "GET", "/who", bearer(keys.bare)).json["scopes"] == ["Authenticated"]


def test_nobody_goes_on_as_nobody(auth: InspireAuth, keys: SimpleNamespace) -> None:
    with served(auth) as at:
        nobody = {"authenticated": False, "name": "", "scopes": []}
        assert ask(at, "GET", "/who").json == nobody
        assert ask(at, "GET", "/who", ("Authorization", "Basic cDpx")).json == nobody


def test_requires_means_levels(auth: InspireAuth, keys: SimpleNamespace) -> None:
    with served(auth) as at:
        assert ask(at, "GET", "/read", bearer(keys.reader)).json == {"name": "reader"}
        assert ask(at, "GET", "/read", bearer(keys.bare)).status == 403
        assert ask(at, "GET", "/read").status == 403
        assert ask(at, "GET", "/authenticated", bearer(keys.bare)).json == {"name": "bare"}
        assert ask(at, "GET", "/hidden", bearer(keys.writer)).status == 200
        assert ask(at, "GET", "/hidden", bearer(keys.reader)).status == 404


def test_what_is_sent_and_wrong_is_refused(auth: InspireAuth, keys: SimpleNamespace) -> None:
    with served(auth) as at:
        for status, code, error, lines in [
            (400, "MALFORMED_CREDENTIAL", "invalid_request", [bearer(keys.reader), bearer(keys.writer)]),
            (400, "MALFORMED_CREDENTIAL", "invalid_request", [bearer(keys.reader), token(keys.reader)]),
            (401, "INVALID_CREDENTIAL", "invalid_token", [bearer(keys.reader[:-1])]),
            (403, "SECURE_CHANNEL_REQUIRED", None, [bearer(keys.secure)]),
        ]:
            answer = ask(at, "GET", "/who", *lines)
            assert answer.code == f"{status} {code}"
            assert answer.json == {"error": code, "message": ERRORS[code].message}
            challenge = f'Bearer realm="inspire", error="{error}"' if error else None
            assert answer.header("www-authenticate") == challenge


def test_the_next_request_sees_other_levels(auth: InspireAuth, keys: SimpleNamespace) -> None:
    with served(auth) as at:
        assert ask(at, "GET", "/read", bearer(keys.reader)).status == 200
        auth.keys.update("reader", auth.keys.get("reader").revision, levels=[], actor=SYSTEM)
        assert ask(at, "GET", "/read", bearer(keys.reader)).status == 403


def test_the_channel(auth: InspireAuth, keys: SimpleNamespace) -> None:
    for channel in ("secure", TrustedProxies("127.0.0.1"), lambda connection: "secure"):
        with served(auth, channel=channel) as at:
            answer = ask(at, "GET", "/read", bearer(keys.secure), ("X-Forwarded-Proto", "https"))
            assert answer.status == 200, channel


def test_a_server_that_believes_headers_does_not_open_the_door(auth: InspireAuth, keys: SimpleNamespace) -> None:
    """uvicorn puts what `X-Forwarded-For` says in place of the peer, unless told not to."""
    app = application(auth, channel=TrustedProxies("127.0.0.1"))
    spoofed = [("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "203.0.113.9")]
    with uvicorn_thread(app, proxy_headers=True) as at:
        assert ask(at, "GET", "/read", bearer(keys.secure), *spoofed).code == "403 SECURE_CHANNEL_REQUIRED"
    with uvicorn_thread(app, proxy_headers=False) as at:
        assert ask(at, "GET", "/read", bearer(keys.secure), *spoofed).status == 200


def test_without_the_handler_no_detail_is_told(auth: InspireAuth, keys: SimpleNamespace) -> None:
    app = Starlette(
        routes=[Route("/who", who)], middleware=[Middleware(AuthenticationMiddleware, backend=ApiKeyBackend(auth))]
    )
    with uvicorn_thread(app) as at:
        answer = ask(at, "GET", "/who", bearer(keys.reader[:-1]))
        assert (answer.status, answer.body) == (400, b"the credential is not valid")


def test_the_handler_is_for_its_own_errors_only() -> None:
    from starlette.authentication import AuthenticationError

    with pytest.raises(AuthenticationError):
        on_error(None, AuthenticationError("of another backend"))  # type: ignore[arg-type]
