"""One small application behind each adapter, all with the same routes, on its usual server.

`GET /read` needs Gateway/Read; `POST /write` needs Gateway/Write and reads its body; `GET /wall` needs Gateway/Read and
VIDEO_WALL_SYNC; `GET /public` is for everyone; `GET /broken` needs Gateway/Read and fails. Each answers who is calling.
"""

# No `from __future__ import annotations`: FastAPI could not resolve the names inside of a function.

import contextlib
import functools
import json
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import flask
from fastapi import FastAPI, Request, Security

from inspire_auth import InspireAuth, Principal
from inspire_auth.asgi import ApiKeyMiddleware as AsgiMiddleware
from inspire_auth.fastapi import ApiKey, Refused, refused
from inspire_auth.flask import ApiKeys
from inspire_auth.wsgi import ApiKeyMiddleware as WsgiMiddleware

from . import django_site
from .sample import FAST, READ, WRITE
from .servers import uvicorn_thread, werkzeug_thread, wsgiref_thread
from .wire import Address

WALL = "VIDEO_WALL_SYNC"
ROUTES: dict[str, dict[str, Any]] = {
    "/read": {"require": READ},
    "/write": {"require": WRITE},
    "/wall": {"require": READ, "entitlement": WALL},
    "/public": {"require": "Public"},
    "/broken": {"require": READ},
}


def answer(principal: Principal, body: bytes = b"") -> dict[str, Any]:
    return {"name": principal.name, "anonymous": principal.is_anonymous, "received": len(body)}


def asgi(auth: InspireAuth, **options: Any) -> Any:
    async def inner(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/broken":
            raise django_site.broken()
        body, more = b"", True
        while more:
            event = await receive()
            body, more = body + event.get("body", b""), event.get("more_body", False)
        text = json.dumps(answer(scope["inspire_auth.principal"], body)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(text)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": text})

    routes = {path: AsgiMiddleware(inner, auth, **rule, **options) for path, rule in ROUTES.items()}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await routes[scope["path"]](scope, receive, send)

    return app


def wsgi(auth: InspireAuth, **options: Any) -> Any:
    def inner(environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/broken":
            raise django_site.broken()
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        text = json.dumps(answer(environ["inspire_auth.principal"], body)).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(text)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [text]

    routes = {path: WsgiMiddleware(inner, auth, **rule, **options) for path, rule in ROUTES.items()}
    return lambda environ, start_response: routes[environ["PATH_INFO"]](environ, start_response)


def fastapi(auth: InspireAuth, **options: Any) -> Any:
    app = FastAPI()
    app.add_exception_handler(Refused, refused)

    def add(path: str, rule: dict[str, Any]) -> None:
        key = ApiKey(auth, **rule, **options)

        async def route(caller: Annotated[Principal, Security(key)], request: Request) -> dict[str, Any]:
            if path == "/broken":
                raise django_site.broken()
            return answer(caller, await request.body())

        app.api_route(path, methods=["GET", "HEAD", "POST"])(route)

    for path, rule in ROUTES.items():
        add(path, rule)
    return app


def flask_app(auth: InspireAuth, **options: Any) -> Any:
    app = flask.Flask(__name__)
    keys = ApiKeys(auth, app, **options)

    def add(path: str, rule: dict[str, Any]) -> None:
        @keys.require(rule["require"], entitlement=rule.get("entitlement"))
        def route() -> dict[str, Any]:
            if path == "/broken":
                raise django_site.broken()
            return answer(flask.g.principal, flask.request.get_data())

        app.add_url_rule(path, path, route, methods=["GET", "POST"])

    for path, rule in ROUTES.items():
        add(path, rule)
    return app


Make = Callable[..., contextlib.AbstractContextManager[Any]]


def with_handle(build: Callable[..., Any]) -> Make:
    """An adapter that is given a handle."""

    @contextlib.contextmanager
    def make(store: str, channel: Any, **options: Any) -> Iterator[Any]:
        with InspireAuth.open(store, **options) as auth:
            yield build(auth, channel=channel)

    return make


DOORS: dict[str, tuple[Make, Callable[[Any], contextlib.AbstractContextManager[Address]]]] = {
    "asgi": (with_handle(asgi), uvicorn_thread),
    "wsgi": (with_handle(wsgi), wsgiref_thread),
    "wsgi-werkzeug": (with_handle(wsgi), werkzeug_thread),
    "fastapi": (with_handle(fastapi), uvicorn_thread),
    "flask": (with_handle(flask_app), werkzeug_thread),
    "drf": (django_site.serving, wsgiref_thread),
    "drf-asgi": (django_site.serving_asgi, functools.partial(uvicorn_thread, lifespan="off")),
}


@contextlib.contextmanager
def open_door(name: str, store: str, channel: Any = "plain", **options: Any) -> Iterator[Address]:
    """Serves the application behind an adapter, on a handle of its own.

    Args:
        name: which of `DOORS`.
        store: where the keys are.
        channel: as the adapter takes it.
        options: of `InspireAuth.open`.
    """
    make, serve = DOORS[name]
    with make(store, channel, **{"hash": FAST, **options}) as app, serve(app) as address:
        yield address
