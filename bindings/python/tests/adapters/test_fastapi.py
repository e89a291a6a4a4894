"""FastAPI's own: the OpenAPI document, scopes, overrides, sync and async routes, websockets."""

# No `from __future__ import annotations`: FastAPI could not resolve names of a function's inside.

import asyncio
import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Annotated, Any, Optional

import pytest
import websockets.sync.client
from fastapi import APIRouter, Depends, FastAPI, Security, WebSocket
from websockets.exceptions import InvalidStatus

from inspire_auth import ArgumentError, InspireAuth, Principal, Requirement
from inspire_auth.fastapi import ApiKey, Entitled, Refused, refused

from .sample import READ, WRITE
from .servers import uvicorn_thread
from .wire import Address, ask, bearer

with warnings.catch_warnings():
    # It would rather have another HTTP client than httpx.
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient


class Service(FastAPI):
    """Routes of each kind."""

    def __init__(self, auth: InspireAuth, **options: Any) -> None:
        super().__init__(**options)
        self.add_exception_handler(Refused, refused)
        self.reader = ApiKey(auth, any_of=[READ], description="A key of the gateway")
        self.anyone = ApiKey(auth, require="Public")
        self.maybe = ApiKey(auth, auto_error=False)
        both = ApiKey(auth, all_of=[READ, WRITE])
        reader = Annotated[Principal, Security(self.reader)]

        @self.get("/read")
        async def read(caller: reader) -> Any:
            return caller.name

        @self.get("/read-in-a-thread")
        def read_in_a_thread(caller: reader) -> Any:
            return caller.name

        @self.get("/read-by-depends")
        async def read_by_depends(caller: Annotated[Principal, Depends(self.reader)]) -> Any:
            return caller.name

        @self.get("/scoped")
        async def scoped(caller: Annotated[Principal, Security(self.reader, scopes=[WRITE])]) -> Any:
            return caller.name

        @self.get("/scoped-public")
        async def scoped_public(caller: Annotated[Principal, Security(self.anyone, scopes=[WRITE, READ])]) -> Any:
            return caller.name

        @self.get("/public")
        async def public(caller: Annotated[Principal, Security(self.anyone)]) -> Any:
            return caller.name

        @self.get("/maybe")
        async def maybe(caller: Annotated[Optional[Principal], Security(self.maybe)]) -> Any:
            return caller.name if caller else "nobody"

        @self.get("/wall", dependencies=[Depends(Entitled(auth, "VIDEO_WALL_SYNC"))])
        async def wall(caller: reader) -> Any:
            return caller.name

        @self.get("/two-keys", dependencies=[Security(both)])
        async def two_keys(caller: reader) -> Any:
            return caller.name

        router = APIRouter(prefix="/admin", dependencies=[Security(self.reader, scopes=[WRITE])])

        @router.get("/status")
        async def status() -> Any:
            return "behind a router"

        self.include_router(router)

        @self.websocket("/socket")
        async def socket(websocket: WebSocket, caller: reader) -> None:
            await websocket.accept()
            await websocket.send_text(caller.name or "")
            await websocket.close()

        @self.get("/healthy")
        async def healthy() -> Any:
            return "yes"


@pytest.fixture
def at(auth: InspireAuth) -> Iterator[Address]:
    with uvicorn_thread(Service(auth), ws="websockets-sansio") as at:
        yield at


def told(at: Address, path: str, credential: Optional[str] = None) -> str:
    answer = ask(at, "GET", path, *([bearer(credential)] if credential else []))
    return answer.json if answer.status == 200 else answer.code


def test_routes_of_each_kind(at: Address, keys: SimpleNamespace) -> None:
    for path in ("/read", "/read-in-a-thread", "/read-by-depends"):
        assert told(at, path, keys.reader) == "reader"
        assert told(at, path, keys.bare) == "403 INSUFFICIENT_LEVEL"
        assert told(at, path) == "401 NO_CREDENTIAL"
    assert told(at, "/healthy") == "yes"


def test_scopes_are_levels_and_all_are_needed(at: Address, keys: SimpleNamespace) -> None:
    for path in ("/scoped", "/scoped-public", "/two-keys"):
        assert told(at, path, keys.writer) == "writer"
        assert told(at, path, keys.reader) == "403 INSUFFICIENT_LEVEL", path
        assert told(at, path) == "401 NO_CREDENTIAL"
    assert told(at, "/admin/status", keys.writer) == "behind a router"
    assert told(at, "/admin/status", keys.reader) == "403 INSUFFICIENT_LEVEL"


def test_scopes_do_not_replace_what_the_key_needs_anyway(auth: InspireAuth, keys: SimpleNamespace) -> None:
    app = FastAPI()
    key = ApiKey(auth, any_of=[WRITE])

    @app.get("/")
    async def route(caller: Annotated[Principal, Security(key, scopes=[READ])]) -> None: ...

    with uvicorn_thread(app) as at:
        assert ask(at, "GET", "/", bearer(keys.reader)).status == 403
        assert ask(at, "GET", "/", bearer(keys.writer)).status == 200


def test_nobody_where_the_route_may_do_without(at: Address, keys: SimpleNamespace) -> None:
    assert told(at, "/public") is None
    assert told(at, "/maybe") == "nobody"
    assert told(at, "/maybe", keys.bare) == "bare"
    for path in ("/public", "/maybe"):
        assert told(at, path, keys.reader[:-1]) == "401 INVALID_CREDENTIAL", "a wrong key is refused all the same"
        assert told(at, path, keys.secure) == "403 SECURE_CHANNEL_REQUIRED"


def test_the_license(at: Address, keys: SimpleNamespace) -> None:
    assert told(at, "/wall", keys.reader) == "403 UNLICENSED"


def test_websockets(at: Address, keys: SimpleNamespace) -> None:
    url = f"ws://{at[0]}:{at[1]}/socket"
    with websockets.sync.client.connect(url, additional_headers=[bearer(keys.reader)], proxy=None) as socket:
        assert socket.recv(5) == "reader"
    for lines in ([], [bearer(keys.bare)]):
        with pytest.raises(InvalidStatus) as refusal:
            websockets.sync.client.connect(url, additional_headers=lines, proxy=None)
        assert refusal.value.response.status_code == 403


def test_the_document_names_the_schemes_and_the_scopes(auth: InspireAuth) -> None:
    document = Service(auth).openapi()
    assert document["components"]["securitySchemes"] == {
        "ApiKey": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "<name>:<key>",
            "description": "A key of the gateway",
        },
        "ApiKeyToken": {
            "type": "apiKey",
            "in": "header",
            "name": "X-Ignition-API-Token",
            "description": "<name>:<key>",
        },
    }
    security = {path: operations["get"].get("security") for path, operations in document["paths"].items()}
    assert security["/read"] == [{"ApiKey": []}, {"ApiKeyToken": []}], "one of the two, not both"
    assert security["/scoped"] == [{"ApiKey": [WRITE]}, {"ApiKeyToken": [WRITE]}]
    assert security["/admin/status"] == [{"ApiKey": [WRITE]}, {"ApiKeyToken": [WRITE]}]
    assert security["/healthy"] is None
    assert not document["paths"]["/read"]["get"].get("parameters"), "a credential is no parameter"


def test_schemes_may_have_other_names(auth: InspireAuth) -> None:
    app = FastAPI()
    key = ApiKey(auth, scheme_name="Operators")

    @app.get("/")
    async def route(caller: Annotated[Principal, Security(key)]) -> None: ...

    assert "Operators" in app.openapi()["components"]["securitySchemes"]


def test_a_test_replaces_who_is_calling(auth: InspireAuth, keys: SimpleNamespace) -> None:
    app = Service(auth)
    principal = auth.authenticate(f"Bearer {keys.writer}")
    app.dependency_overrides[app.reader] = lambda: principal
    with uvicorn_thread(app) as at:
        assert told(at, "/read") == "writer"
        app.dependency_overrides.clear()
        assert told(at, "/read") == "401 NO_CREDENTIAL"


def test_the_frameworks_own_client_works(auth: InspireAuth, keys: SimpleNamespace) -> None:
    client = TestClient(Service(auth))
    assert client.get("/read", headers=[bearer(keys.reader)]).json() == "reader"
    assert client.get("/read").status_code == 401
    with client.websocket_connect("/socket", headers=dict([bearer(keys.reader)])) as socket:
        assert socket.receive_text() == "reader"


def test_without_the_handler_status_and_challenge_are_the_same(auth: InspireAuth) -> None:
    app = Service(auth)
    del app.exception_handlers[Refused]
    with uvicorn_thread(app) as at:
        answer = ask(at, "GET", "/read")
        assert answer.status == 401
        assert answer.header("www-authenticate") == 'Bearer realm="inspire"'
        assert answer.json == {"detail": {"error": "NO_CREDENTIAL", "message": "no credential was sent"}}


def test_two_services_in_one_process(auth: InspireAuth, keys: SimpleNamespace) -> None:
    with InspireAuth.open() as other, uvicorn_thread(Service(auth)) as one, uvicorn_thread(Service(other)) as two:
        assert told(one, "/read", keys.reader) == "reader"
        assert told(two, "/read", keys.reader) == "401 INVALID_CREDENTIAL"


def test_mistakes_are_told_at_the_start(auth: InspireAuth) -> None:
    with pytest.raises(ArgumentError):
        ApiKey(auth, any_of=["a//b"])
    with pytest.raises(TypeError, match="one of"):
        ApiKey(auth, any_of=[READ], require="Public")
    with pytest.raises(ArgumentError, match="channel"):
        ApiKey(auth, channel="tls")  # type: ignore[arg-type]


def test_an_empty_list_denies(auth: InspireAuth, keys: SimpleNamespace) -> None:
    for key in (ApiKey(auth, any_of=[]), ApiKey(auth, all_of=[])):
        app = FastAPI()

        @app.get("/")
        async def route(caller: Annotated[Principal, Security(key)]) -> None: ...

        with uvicorn_thread(app) as at:
            assert ask(at, "GET", "/", bearer(keys.writer)).status == 403


def test_the_handler_is_for_its_own_errors_only() -> None:
    with pytest.raises(KeyError):
        asyncio.run(refused(None, KeyError()))  # type: ignore[arg-type]


def test_a_requirement_object_will_do(auth: InspireAuth) -> None:
    ApiKey(auth, require=Requirement.all_of([READ, WRITE]))
