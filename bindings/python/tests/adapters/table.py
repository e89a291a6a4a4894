"""One small application behind each adapter, guarded as a whole by one table."""

# No `from __future__ import annotations`: FastAPI could not resolve the names inside of a function.

import contextlib
import functools
import json
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import flask
from django.test.utils import override_settings
from django.urls import re_path
from fastapi import Depends, FastAPI, Request
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from inspire_auth import InspireAuth, Principal
from inspire_auth.asgi import ApiKeyMiddleware as AsgiMiddleware
from inspire_auth.fastapi import caller
from inspire_auth.flask import ApiKeys
from inspire_auth.starlette import ApiKeyBackend, on_error
from inspire_auth.wsgi import ApiKeyMiddleware as WsgiMiddleware

from . import django_site
from .sample import FAST, READ, WRITE
from .servers import uvicorn_thread, werkzeug_thread, wsgiref_thread
from .wire import Address

METHODS = ["GET", "HEAD", "POST", "DELETE"]
TABLE: dict[str, Any] = {
    "routes": [
        {"prefix": "/", "methods": ["GET"], "require": {"any": ["Public"]}},
        {"prefix": "/data", "methods": ["GET", "HEAD"], "require": {"any": [READ]}},
        {"prefix": "/data", "methods": ["POST"], "require": {"any": [WRITE]}},
        {"prefix": "/data/walls", "methods": ["GET"], "require": {"any": [READ]}, "entitlement": "VIDEO_WALL_SYNC"},
        {"prefix": "/shut", "methods": ["GET"], "require": {"any": []}},
    ]
}
"""Everyone may read, but for /data and /shut."""


def told(path: str, name: str | None) -> dict[str, Any]:
    """What the application answers: the path that it has seen, and who is calling."""
    return {"path": path, "name": name}


def asgi(auth: InspireAuth, **options: Any) -> Any:
    async def inner(scope: Any, receive: Any, send: Any) -> None:
        body = json.dumps(told(scope["path"], scope["inspire_auth.principal"].name)).encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    return AsgiMiddleware(inner, auth, **options)


def wsgi(auth: InspireAuth, **options: Any) -> Any:
    def inner(environ: Any, start_response: Any) -> list[bytes]:
        body = json.dumps(told(environ["PATH_INFO"], environ["inspire_auth.principal"].name)).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    return WsgiMiddleware(inner, auth, **options)


def starlette(auth: InspireAuth, **options: Any) -> Any:
    async def view(request: Any) -> JSONResponse:
        return JSONResponse(told(request.url.path, request.user.display_name or None))

    backend = ApiKeyBackend(auth, **options)
    guard = Middleware(AuthenticationMiddleware, backend=backend, on_error=on_error)
    return Starlette(routes=[Route("/{path:path}", view, methods=METHODS)], middleware=[guard])


def fastapi(auth: InspireAuth, **options: Any) -> Any:
    app = FastAPI()
    app.add_middleware(AsgiMiddleware, auth=auth, **options)

    async def view(request: Request, principal: Annotated[Principal, Depends(caller)]) -> dict[str, Any]:
        return told(request.scope["path"], principal.name)

    app.api_route("/{path:path}", methods=METHODS)(view)
    return app


def flask_app(auth: InspireAuth, *, routes: Any, channel: Any) -> Any:
    app = flask.Flask(__name__)
    app.before_request(ApiKeys(auth, app, channel=channel).guard(routes=routes))

    def view(path: str) -> dict[str, Any]:
        return told(flask.request.path, flask.g.principal.name)

    app.add_url_rule("/", "root", view, defaults={"path": ""}, methods=METHODS)
    app.add_url_rule("/<path:path>", "view", view, methods=METHODS)
    return app


def django_view(request: Any) -> Any:
    from django.http import JsonResponse

    return JsonResponse(told(request.path_info, request.principal.name))


async def django_async_view(request: Any) -> Any:
    return django_view(request)


class Views:
    """A module of URLs."""

    def __init__(self, view: Any) -> None:
        self.urlpatterns = [re_path("", view)]


@contextlib.contextmanager
def django(store: str, routes: Any, channel: Any, *, is_async: bool = False) -> Iterator[Any]:
    site: dict[str, Any] = {
        "INSPIRE_AUTH": {
            "STORE": store,
            "CHANNEL": channel,
            "OPTIONS": {"hash": FAST},
            "ROUTES": routes,
            "WHOLE_SEGMENTS": True,
        },
        "MIDDLEWARE": ["inspire_auth.django.RouteMiddleware"],
        "ROOT_URLCONF": Views(django_async_view if is_async else django_view),
    }
    with override_settings(**site):
        yield django_site.get_asgi_application() if is_async else django_site.get_wsgi_application()


def with_handle(build: Callable[..., Any]) -> Callable[..., contextlib.AbstractContextManager[Any]]:
    @contextlib.contextmanager
    def make(store: str, routes: Any, channel: Any) -> Iterator[Any]:
        with InspireAuth.open(store, hash=FAST) as auth:
            yield build(auth, routes=routes, channel=channel)

    return make


uvicorn = functools.partial(uvicorn_thread, lifespan="off")

# The adapter and its usual server; the last says whether that server tells the path as it was received.
DOORS: dict[str, tuple[Any, Any, bool]] = {
    "asgi": (with_handle(asgi), uvicorn, True),
    "wsgi": (with_handle(wsgi), wsgiref_thread, False),
    "wsgi-werkzeug": (with_handle(wsgi), werkzeug_thread, True),
    "starlette": (with_handle(starlette), uvicorn, True),
    "fastapi": (with_handle(fastapi), uvicorn, True),
    "flask": (with_handle(flask_app), werkzeug_thread, True),
    "django": (django, wsgiref_thread, False),
    "django-werkzeug": (django, werkzeug_thread, True),
    "django-asgi": (functools.partial(django, is_async=True), uvicorn, True),
}


@contextlib.contextmanager
def open_door(name: str, store: str, routes: Any = TABLE, channel: Any = "plain") -> Iterator[Address]:
    """Serves the application behind an adapter, on a handle of its own."""
    make, serve, _ = DOORS[name]
    with make(store, routes, channel) as app, serve(app) as address:
        yield address
