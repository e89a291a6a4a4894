"""A whole application behind a table: each adapter over real HTTP, with targets that no client library would send."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.test.utils import override_settings
from django.urls import include
from django.urls import path as django_path
from fastapi import FastAPI, Request
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter
from rest_framework.viewsets import ViewSet
from starlette.applications import Starlette
from starlette.routing import Mount
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from inspire_auth import ArgumentError, InspireAuth, Routes
from inspire_auth._paths import asgi_target, wsgi_target
from inspire_auth.asgi import PRINCIPAL, ApiKeyMiddleware
from inspire_auth.django import RouteMiddleware
from inspire_auth.fastapi import caller
from inspire_auth.flask import ApiKeys
from inspire_auth.starlette import ApiKeyBackend
from inspire_auth.wsgi import ApiKeyMiddleware as WsgiMiddleware

from . import table
from .sample import READ
from .servers import gunicorn_process, uvicorn_thread, werkzeug_thread, wsgiref_thread
from .table import DOORS, TABLE, open_door
from .wire import Answer, ask, bearer

HERE = Path(__file__).parent

every_door = pytest.mark.parametrize("door", DOORS)

NOT_CANONICAL = (
    "//data", "/data//x", "/./data", "/x/../data", "/data/..", "/%64ata", "/dat%61", "/data%2Fwalls", "/data%2fwalls",
    "/%2Fdata", "/data;x=1", "/data%3Bx", "/data/%2e%2e/shut", "/data/%2E", "/data%5Cx", "/data%00", "/data%0A",
    "/%2564ata", "/data%7F", "/data%", "/data%zz", "/data%C0%AF", "/data#x",
)  # fmt: skip
"""Targets with more than one reading."""


@every_door
def test_the_table_decides(door: str, store: str, keys: SimpleNamespace) -> None:
    with open_door(door, store) as at:
        for path in ("/", "/database", "/dat", "/x/data", "/DATA", "/caf%C3%A9%20x", "/?data=//../"):
            answer = ask(at, "GET", path)
            assert (answer.code, answer.json.get("name")) == ("200", None), path
        assert ask(at, "GET", "/x", bearer(keys.reader)).json["name"] == "reader"
        assert ask(at, "GET", "/x", bearer("reader:no")).code == "401 INVALID_CREDENTIAL"
        for path in ("/data", "/data/", "/data/x", "/data?x=//"):
            assert ask(at, "GET", path).code == "401 NO_CREDENTIAL", path
            assert ask(at, "GET", path, bearer(keys.bare)).code == "403 INSUFFICIENT_LEVEL", path
            assert ask(at, "GET", path, bearer(keys.reader)).json["name"] == "reader", path
        assert ask(at, "HEAD", "/data", bearer(keys.reader)).status == 200
        assert ask(at, "HEAD", "/data").status == 401
        assert ask(at, "POST", "/data", bearer(keys.reader)).code == "403 INSUFFICIENT_LEVEL"
        assert ask(at, "POST", "/data", bearer(keys.writer)).json["name"] == "writer"
        assert ask(at, "GET", "/data/walls", bearer(keys.reader)).code == "403 UNLICENSED"
        assert ask(at, "GET", "/shut", bearer(keys.writer)).code == "403 INSUFFICIENT_LEVEL"
        for method, path in (("DELETE", "/data"), ("POST", "/data/walls"), ("POST", "/"), ("OPTIONS", "/data")):
            # Whoever is calling.
            assert ask(at, method, path, bearer(keys.writer)).code == "403 ROUTE_DENIED", path
            assert ask(at, method, path).code == "403 ROUTE_DENIED", path


@every_door
def test_a_target_with_two_readings_is_refused(door: str, store: str, keys: SimpleNamespace) -> None:
    _, serve, tells = DOORS[door]
    with open_door(door, store) as at:
        for path in NOT_CANONICAL:
            for lines in ([], [bearer(keys.writer)]):
                answer = ask(at, "GET", path, *lines)
                # http.server, below wsgiref and werkzeug, takes a second slash away at the beginning before anybody sees it.
                if tells and not (path.startswith("//") and serve is not table.uvicorn):
                    assert answer.status == 400, path
                    # uvicorn refuses some of them itself.
                    assert not answer.body.startswith(b"{") or answer.code == "400 PATH_NOT_CANONICAL", path
                elif answer.status == 200:
                    # What the escapes stand for is what was judged: nobody reaches /data without a key, and /shut at all.
                    first = answer.json["path"].split("/")[1]
                    assert first not in ("", "shut"), path
                    assert lines or first != "data", path
                else:
                    assert answer.status in (400, 401, 403), path
        for target in ("http://localhost/data", "*", "data"):
            assert ask(at, "GET", target).status in (400, 401), target


@every_door
def test_a_method_in_other_letters_is_none(door: str, store: str, keys: SimpleNamespace) -> None:
    with open_door(door, store) as at:
        for method in ("get", "Get", "pOST"):
            answer = ask(at, method, "/data", bearer(keys.writer))
            assert answer.status in (400, 403, 405, 501), (method, answer)


@every_door
def test_a_table_for_routers_that_ignore_case(door: str, store: str, keys: SimpleNamespace) -> None:
    with open_door(door, store, {**TABLE, "ignore_case": True}) as at:
        assert ask(at, "GET", "/DATA").code == ask(at, "GET", "/dAta/Walls").code == "401 NO_CREDENTIAL"
        assert ask(at, "GET", "/DATA", bearer(keys.reader)).json["name"] == "reader"


@every_door
def test_the_channel_counts(door: str, store: str, keys: SimpleNamespace) -> None:
    with open_door(door, store) as at:
        assert ask(at, "GET", "/data", bearer(keys.secure)).code == "403 SECURE_CHANNEL_REQUIRED"
    with open_door(door, store, Routes.parse(TABLE), "secure") as at:
        assert ask(at, "GET", "/data", bearer(keys.secure)).json["name"] == "secure"


def get(app: Any, environ: dict[str, Any]) -> str:
    """The code that a WSGI application answers."""
    answered: list[str] = []
    body = b"".join(app(environ, lambda status, headers: answered.append(status)))
    return Answer(int(answered[0][:3]), (), body).code


def environ(path: str, *, method: str = "GET", script: str = "", **more: str) -> dict[str, Any]:
    return {"REQUEST_METHOD": method, "SCRIPT_NAME": script, "PATH_INFO": path, **more}


def test_what_was_rewritten_on_the_way_is_refused(auth: InspireAuth, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "inspire_auth")
    app = table.wsgi(auth, routes=TABLE)
    assert get(app, environ("/x", RAW_URI="/x?y")) == get(app, environ("/x", REQUEST_URI="/x")) == "200"
    assert get(app, environ("/é".encode().decode("latin-1"), RAW_URI="/%C3%A9")) == "200"
    for raw, path in (
        ("/x", "/data"), ("/data", "/x"), ("/x", "/x/"), ("/x", ""), ("/X", "/x"), ("", "/data"), ("/%C3", "/\xc3"),
        ("/%c3%a9", "/\u00e9"), ("/x", "/\u4f60"), ("/\u4f60", "/x"), ("/x%20y", "/x%20y"),
    ):  # fmt: skip
        # An empty RAW_URI is none, and the path is judged as it is seen.
        expected = "401 NO_CREDENTIAL" if raw == "" else "400 PATH_NOT_CANONICAL"
        assert get(app, environ(path, RAW_URI=raw)) == expected, (raw, path)
        if raw:
            assert get(app, environ(path, REQUEST_URI=raw)) == expected, (raw, path)
    # The first is the one, also when the other says what is seen.
    assert get(app, environ("/x", RAW_URI="/data", REQUEST_URI="/x")) == "400 PATH_NOT_CANONICAL"
    told = [each.getMessage() for each in caplog.records]
    assert "a path was received, of 2 bytes, that is not the one that the application sees, of 5" in told
    assert not any("/data" in line for line in told), "a key may stand in a path by mistake"


def test_an_escape_is_what_it_stands_for_where_nobody_tells_it(auth: InspireAuth) -> None:
    app = table.wsgi(auth, routes=TABLE)
    for path, code in {
        "": "200", "/": "200", "/x y": "200", "/x?y": "200", "/x#y": "200", "/\xc3\xa9": "200", "/data": "401 NO_CREDENTIAL",
        "/data/x?": "401 NO_CREDENTIAL", "/data%2Fx": "400 PATH_NOT_CANONICAL", "//data": "400 PATH_NOT_CANONICAL",
        "/x/../data": "400 PATH_NOT_CANONICAL", "/data\\x": "400 PATH_NOT_CANONICAL", "/data;x": "400 PATH_NOT_CANONICAL",
        "/data\x00": "400 PATH_NOT_CANONICAL", "/\xff": "400 PATH_NOT_CANONICAL", "x": "400 PATH_NOT_CANONICAL",
    }.items():  # fmt: skip
        assert get(app, environ(path)) == code, path


def test_the_script_name_is_part_of_the_path(auth: InspireAuth) -> None:
    app = table.wsgi(auth, routes=TABLE)
    for raw in ({}, {"RAW_URI": "/data/x"}):
        assert get(app, environ("/x", script="/data", **raw)) == "401 NO_CREDENTIAL"
    assert get(app, environ("", script="/data", RAW_URI="/data")) == "401 NO_CREDENTIAL"
    # Outside of what moves a prefix from one into the other, or puts one in front; inside, it is refused.
    mounted = DispatcherMiddleware(app, {"/data": app})
    assert get(mounted, environ("/data/x", RAW_URI="/data/x")) == "401 NO_CREDENTIAL"
    fixed = ProxyFix(app, x_prefix=1)
    prefixed = {"HTTP_X_FORWARDED_PREFIX": "/data", "RAW_URI": "/x"}
    assert get(fixed, environ("/x", **prefixed)) == "400 PATH_NOT_CANONICAL"
    assert get(table.wsgi(auth, routes=TABLE), environ("/x", **prefixed)) == "200"


def test_targets_of_asgi() -> None:
    def target(path: str, raw: bytes | None = None, **more: Any) -> tuple[str, bytes]:
        return asgi_target({"type": "http", "method": "GET", "path": path, "raw_path": raw, **more})

    assert target("/a é", b"/a%20%C3%A9") == ("GET", b"/a%20%C3%A9")
    assert target("/a", b"/a?b") == target("/a") == ("GET", b"/a")
    assert target("/a é%2F?") == ("GET", b"/a%20%C3%A9%252F%3F")
    assert target("/a", b"/b") == ("GET", b"/b//")
    assert target("/\ufffd", b"/%FF") == ("GET", b"/%FF//")
    assert target("/\ud800") == ("GET", b"//")
    assert target("/a", method="get") == ("get ", b"/a")
    assert asgi_target({"type": "websocket", "path": "/a"}) == ("GET", b"/a")
    assert wsgi_target(environ("/a", method="Post")) == ("Post ", b"/a")


def test_the_root_path_is_part_of_the_path(auth: InspireAuth, keys: SimpleNamespace) -> None:
    with uvicorn_thread(table.asgi(auth, routes=TABLE), lifespan="off", root_path="/data") as at:
        assert ask(at, "GET", "/x").code == "401 NO_CREDENTIAL"
        assert ask(at, "GET", "/x", bearer(keys.reader)).json == table.told("/data/x", "reader")
    guarded = ApiKeyMiddleware(table.starlette(auth), auth, routes=TABLE)
    mounted = Starlette(routes=[Mount("/data", guarded), Mount("/", guarded)])
    with uvicorn_thread(mounted, lifespan="off") as at:
        assert ask(at, "GET", "/data/x").code == "401 NO_CREDENTIAL"
        assert ask(at, "GET", "/data/x", bearer(keys.reader)).json["name"] == "reader"
        assert ask(at, "GET", "/x").json["name"] is None


def prefixed(*rules: tuple[str, str]) -> dict[str, Any]:
    """A table of (prefix, level) for GET."""
    routes = [{"prefix": prefix, "methods": ["GET"], "require": {"any": [level]}} for prefix, level in rules]
    return {"ignore_suffix": True, "routes": routes}


@pytest.mark.filterwarnings("ignore:The `root_path` parameter")
def test_a_path_without_the_root_path_is_the_one_with_it(auth: InspireAuth, keys: SimpleNamespace) -> None:
    """Starlette takes the root path off what begins with it, and goes by the rest as it stands: both reach one handler."""
    for rules, denied in (((("/api/data", READ), ("/", "Public")), True), ((("/data", READ), ("/", "Public")), False)):
        app = FastAPI(root_path="/api")
        app.add_middleware(ApiKeyMiddleware, auth=auth, routes=prefixed(*rules))

        @app.get("/data/x")
        async def handler(request: Request) -> str:
            return str(request.scope[PRINCIPAL].name)

        with uvicorn_thread(app, lifespan="off") as at:
            answers = [ask(at, "GET", path) for path in ("/data/x", "/api/data/x")]
            assert [answer.status for answer in answers] == ([401, 401] if denied else [200, 200])
            for path in ("/data/x", "/api/data/x"):
                assert ask(at, "GET", path, bearer(keys.reader)).body == b'"reader"', path
            assert ask(at, "GET", "/apidata/x").status == 404
            assert ask(at, "GET", "/%61pi/data/x").status == 400


def test_targets_below_a_root_path() -> None:
    def target(root: str, path: str) -> bytes:
        scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "root_path": root}
        return asgi_target(scope)[1]

    for path, whole in {"/x": b"/a b/x", "/": b"/a b/", "/a bc": b"/a b/a bc"}.items():
        scope = {"type": "http", "method": "GET", "path": path, "root_path": "/a b"}
        assert asgi_target(scope)[1] == whole.replace(b" ", b"%20")
    for path, whole in {"/api": b"/api", "/api/x": b"/api/x", "/apix": b"/api/apix", "/x": b"/api/x"}.items():
        assert target("/api", path) == whole
    # Routers differ about what such a one is taken off.
    for root in ("/api/", "api", "/"):
        for path in ("/api/x", "/x", "/api", "/"):
            assert target(root, path).endswith(b"//"), (root, path)


@pytest.mark.parametrize("is_async", [False, True])
def test_django_puts_its_script_name_in_front(is_async: bool, store: str, keys: SimpleNamespace) -> None:
    routes = prefixed(("/api/data", READ), ("/", "Public"))
    serves: list[Any] = [table.uvicorn] if is_async else [wsgiref_thread, werkzeug_thread]
    for serve in serves:
        with table.django(store, routes, "plain", is_async=is_async), override_settings(FORCE_SCRIPT_NAME="/api"):
            site = table.django_site
            with serve(site.get_asgi_application() if is_async else site.get_wsgi_application()) as at:
                # Under WSGI a server takes its own script name off; what is left is below Django's.
                paths = ("/data/x", "/api/data/x") if is_async else ("/data/x",)
                for path in paths:
                    assert ask(at, "GET", path).code == "401 NO_CREDENTIAL", path
                    assert ask(at, "GET", path, bearer(keys.reader)).json == table.told("/data/x", "reader")
                assert ask(at, "GET", "/x").status == 200
                if serve is not wsgiref_thread:
                    assert ask(at, "GET", "/%64ata/x").code == "400 PATH_NOT_CANONICAL"


def test_wsgi_targets_below_djangos_script_name() -> None:
    def target(path: str, raw: str | None, forced: str = "/api") -> bytes:
        more = {} if raw is None else {"RAW_URI": raw}
        return wsgi_target(environ(path, script=forced, **more), "utf-8", forced)[1]

    for path, raw, whole in (
        ("/x", "/x?y", b"/api/x"), ("/x", "/api/x", b"/api/x"), ("/api/x", "/api/x", b"/api/api/x"), ("/x", None, b"/api/x"),
        ("/x", "/y", b"/y//"), ("/x", "/other/x", b"/other/x//"), ("/a b", "/a%20b", b"/api/a%20b"),
    ):  # fmt: skip
        assert target(path, raw) == whole
    for raw in ("/x", "/api/x", None):
        assert target("/x", raw, "/api/").endswith(b"//")


def test_a_table_of_django_leaves_suffixes_out_of_account(store: str, keys: SimpleNamespace) -> None:
    rules = prefixed(("/api/users", READ), ("/api", "Public"))
    careful = {**rules, "ignore_suffix": False}
    for routes in (careful, Routes.parse(careful)):
        for more in ({}, {"WHOLE_SEGMENTS": False}, {"WHOLE_SEGMENTS": 1}):
            with override_settings(INSPIRE_AUTH={"STORE": store, "ROUTES": routes, **more}):
                with pytest.raises(ImproperlyConfigured, match="ignore_suffix"):
                    RouteMiddleware(lambda request: None)
                assert [check.id for check in run_checks() if "ignore_suffix" in check.msg] == ["inspire_auth.E001"]
    for accepted in ({"ROUTES": careful, "WHOLE_SEGMENTS": True}, {"ROUTES": rules}):
        with override_settings(INSPIRE_AUTH={"STORE": store, **accepted}):
            RouteMiddleware(lambda request: None)

    class Users(ViewSet):  # type: ignore[misc]
        authentication_classes = permission_classes = ()

        def list(self, request: Any, format: str | None = None) -> Response:
            return Response("in")

    router = DefaultRouter()
    router.register("users", Users, basename="user")
    urls = table.Views(table.django_view)
    urls.urlpatterns = [django_path("api/", include(router.urls))]
    with table.django(store, rules, "plain"), override_settings(ROOT_URLCONF=urls):
        with wsgiref_thread(table.django_site.get_wsgi_application()) as at:
            for path in ("/api/users/", "/api/users.json", "/api/users.json/"):
                assert ask(at, "GET", path).code == "401 NO_CREDENTIAL", path
                assert ask(at, "GET", path, bearer(keys.reader)).body == b'"in"', path
            assert ask(at, "GET", "/api/none").status == 404


def test_a_middleware_that_rewrites_stands_outside(auth: InspireAuth) -> None:
    def rewriting(app: Any) -> Any:
        async def rewrite(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "path": "/data/x"}, receive, send)

        return rewrite

    with uvicorn_thread(rewriting(table.asgi(auth, routes=TABLE)), lifespan="off") as at:
        assert ask(at, "GET", "/x").code == "400 PATH_NOT_CANONICAL"
        assert ask(at, "GET", "/data/x").code == "401 NO_CREDENTIAL"


class Rewrite:
    """A middleware of a Django site that shows the router another path."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        if request.path_info.startswith("/as/"):
            request.path_info = request.path_info[3:]
        return self.get_response(request)


@pytest.mark.parametrize("serve", [wsgiref_thread, werkzeug_thread])
def test_django_routes_by_what_was_judged(serve: Any, store: str, keys: SimpleNamespace) -> None:
    with table.django(store, TABLE, "plain") as _:
        both = [f"{__name__}.Rewrite", "inspire_auth.django.RouteMiddleware"]
        with override_settings(MIDDLEWARE=both), serve(table.django_site.get_wsgi_application()) as at:
            assert ask(at, "GET", "/as/data").code == "400 PATH_NOT_CANONICAL"
            assert ask(at, "GET", "/data").code == "401 NO_CREDENTIAL"
            assert ask(at, "GET", "/x").json == table.told("/x", None)


class Override:
    """A middleware of a Django site by which a form can ask for any method."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        request.method = request.headers.get("X-HTTP-Method-Override", request.method)
        return self.get_response(request)


@pytest.mark.parametrize("is_async", [False, True])
def test_django_is_judged_by_the_method_that_its_views_go_by(
    is_async: bool, store: str, keys: SimpleNamespace
) -> None:
    both = [f"{__name__}.Override", "inspire_auth.django.RouteMiddleware"]
    with table.django(store, TABLE, "plain", is_async=is_async), override_settings(MIDDLEWARE=both):
        site = table.django_site
        serve, app = (
            (table.uvicorn, site.get_asgi_application()) if is_async else (werkzeug_thread, site.get_wsgi_application())
        )
        with serve(app) as at:

            def asked(received: str, override: str) -> str:
                return ask(at, received, "/data", bearer(keys.reader), ("X-HTTP-Method-Override", override)).code

            for override, answer in (
                ("GET", "200"), ("POST", "403 INSUFFICIENT_LEVEL"), ("DELETE", "403 ROUTE_DENIED"),
                ("get", "403 ROUTE_DENIED"), ("delete", "403 ROUTE_DENIED"),
            ):  # fmt: skip
                for received in ("GET", "POST", "DELETE"):
                    assert asked(received, override) == answer, (received, override)


def test_django_needs_a_table(store: str) -> None:
    configured: dict[str, Any] = {"STORE": store}
    for routes in (None, {"routes": [{}]}, 7, "x"):
        configured["ROUTES"] = routes
        with override_settings(INSPIRE_AUTH=configured), pytest.raises(ImproperlyConfigured, match="ROUTES"):
            RouteMiddleware(lambda request: None)
        with override_settings(INSPIRE_AUTH=configured):
            assert [check.id for check in run_checks() if "ROUTES" in check.msg] == ["inspire_auth.E001"]
    with override_settings(INSPIRE_AUTH={"STORE": store}):
        assert [check for check in run_checks() if check.id == "inspire_auth.E001"] == []
        with pytest.raises(ImproperlyConfigured, match="ROUTES"):
            RouteMiddleware(lambda request: None)


def test_under_gunicorn(store: str, keys: SimpleNamespace) -> None:
    environment = {"INSPIRE_STORE": store, "INSPIRE_TABLE": json.dumps(TABLE)}
    for prefix, script in (("", {}), ("/data", {"SCRIPT_NAME": "/data"})):
        with gunicorn_process("guarded_site:app", cwd=HERE, **environment, **script) as running:
            [at] = running.addresses()
            assert ask(at, "GET", "/data/x").code == "401 NO_CREDENTIAL"
            answer = ask(at, "GET", "/data/x", bearer(keys.reader))
            assert (answer.status, answer.body) == (200, b"/data/x"[len(prefix) :] + b" reader")
            # What does not begin with the prefix gunicorn refuses itself.
            escaped = ["/data/%61", *([] if prefix else ["/%64ata/x"])]
            for path in (*escaped, "/data%2Fx", "/data//x", "/data/../data/x"):
                assert ask(at, "GET", path).code == "400 PATH_NOT_CANONICAL", path
            assert ask(at, "get", "/data/x", bearer(keys.reader)).status in (400, 403)


def test_a_websocket_is_a_get(auth: InspireAuth, keys: SimpleNamespace) -> None:
    seen: list[Any] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope[PRINCIPAL].name)

    async def send(event: Any) -> None:
        seen.append(event["reason"])

    def knock(path: str, *lines: tuple[str, str]) -> Any:
        headers = [(name.lower().encode(), value.encode()) for name, value in lines]
        scope = {"type": "websocket", "path": path, "raw_path": path.encode(), "headers": headers, "client": None}
        asyncio.run(ApiKeyMiddleware(inner, auth, routes=TABLE)(scope, None, send))  # type: ignore[arg-type]
        return seen.pop()

    assert knock("/data", bearer(keys.reader)) == "reader"
    assert knock("/data") == "NO_CREDENTIAL"
    assert knock("/data//") == "PATH_NOT_CANONICAL"
    assert knock("/") is None


def test_mistakes_are_told_at_the_start(auth: InspireAuth) -> None:
    def nothing(*_: Any) -> Any:
        raise AssertionError

    for make in (ApiKeyMiddleware, WsgiMiddleware):
        for more in ({"require": READ}, {"entitlement": "MFA"}):
            with pytest.raises(ArgumentError, match="give routes, or"):
                make(nothing, auth, routes=TABLE, **more)  # type: ignore[arg-type]
        with pytest.raises(ArgumentError):
            make(nothing, auth, routes={"routes": [{}]})
    with pytest.raises(ArgumentError, match="give routes, or"):
        ApiKeys(auth).guard(READ, routes=TABLE)
    with pytest.raises(ArgumentError):
        ApiKeyBackend(auth, routes="{}")
    with pytest.raises(TypeError):
        ApiKeyBackend(auth, routes=7)  # type: ignore[arg-type]


def test_a_caller_needs_the_middleware() -> None:
    with pytest.raises(RuntimeError, match="ApiKeyMiddleware"):
        asyncio.run(caller(SimpleNamespace(scope={})))  # type: ignore[arg-type]


