"""Flask's own: async views, blueprints, several applications, the test client."""

from __future__ import annotations

from types import SimpleNamespace

import flask
import pytest

from inspire_auth import ArgumentError, InspireAuth, PermissionDeniedError
from inspire_auth.flask import ApiKeys

from .sample import READ, WRITE


def asking(credential: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential}"}


def test_views_keep_their_names_and_arguments(auth: InspireAuth, keys: SimpleNamespace) -> None:
    app = flask.Flask("a")
    guard = ApiKeys(auth, app)
    assert app.extensions["inspire_auth"] is guard

    @app.get("/things/<int:number>")
    @guard.require(READ)
    def thing(number: int) -> dict[str, object]:
        """A thing."""
        return {"number": number, "name": flask.g.principal.name}

    assert (thing.__name__, thing.__doc__) == ("thing", "A thing.")
    client = app.test_client()
    assert client.get("/things/7", headers=asking(keys.reader)).json == {"number": 7, "name": "reader"}
    assert client.get("/things/7").status_code == 401
    assert client.get("/things/7", headers=asking(keys.bare)).status_code == 403


def test_async_views(auth: InspireAuth, keys: SimpleNamespace) -> None:
    app = flask.Flask("a")
    guard = ApiKeys(auth, app)

    @app.get("/")
    @guard.require(READ)
    async def view() -> str:
        return f"{flask.g.principal.name}, {request_of()}"

    def request_of() -> str:
        return flask.request.path

    client = app.test_client()
    assert client.get("/", headers=asking(keys.reader)).text == "reader, /"
    assert client.get("/").status_code == 401


def test_a_blueprint_is_guarded_as_a_whole(auth: InspireAuth, keys: SimpleNamespace) -> None:
    guard = ApiKeys(auth)
    admin = flask.Blueprint("admin", "admin", url_prefix="/admin")
    admin.before_request(guard.guard(WRITE))
    admin.get("/name")(lambda: flask.g.principal.name)
    app = flask.Flask("a")
    guard.init_app(app)
    app.register_blueprint(admin)
    app.get("/healthy")(lambda: "yes")
    client = app.test_client()
    assert client.get("/healthy").text == "yes"
    assert client.get("/admin/name", headers=asking(keys.writer)).text == "writer"
    refusal = client.get("/admin/name", headers=asking(keys.reader))
    assert (refusal.status_code, refusal.json["error"]) == (403, "INSUFFICIENT_LEVEL")


def test_one_extension_for_several_applications(auth: InspireAuth, keys: SimpleNamespace) -> None:
    guard = ApiKeys(auth)
    for name in ("one", "two"):
        app = flask.Flask(name)
        guard.init_app(app)
        app.get("/")(guard.require()(lambda: flask.g.principal.name))
        assert app.test_client().get("/", headers=asking(keys.bare)).text == "bare"


def test_a_view_may_ask_by_itself(auth: InspireAuth, keys: SimpleNamespace) -> None:
    app = flask.Flask("a")
    guard = ApiKeys(auth, app)

    @app.get("/")
    def view() -> str:
        guard.authenticate()
        try:
            guard.authenticate(WRITE)
        except PermissionDeniedError as error:
            return error.code
        return "writer"

    client = app.test_client()
    assert client.get("/", headers=asking(keys.writer)).text == "writer"
    assert client.get("/", headers=asking(keys.reader)).text == "INSUFFICIENT_LEVEL"


def test_mistakes_are_told_at_the_start(auth: InspireAuth) -> None:
    guard = ApiKeys(auth)
    with pytest.raises(ArgumentError):
        guard.require("any(a//b)")
    with pytest.raises(ArgumentError, match="channel"):
        ApiKeys(auth, channel="https")  # type: ignore[arg-type]
