"""What a WSGI environ does to headers, on four servers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from inspire_auth import InspireAuth
from inspire_auth.wsgi import PRINCIPAL, ApiKeyMiddleware

from .sample import READ
from .servers import gunicorn_process, werkzeug_thread, wsgiref_thread
from .wire import ask, bearer, token

HERE = Path(__file__).parent


def name(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ[PRINCIPAL].name.encode()]


def test_an_underscore_is_a_hyphen_where_the_server_lets_it_be(auth: InspireAuth, keys: SimpleNamespace) -> None:
    alias = ("X_Ignition_API_Token", keys.reader)
    app = ApiKeyMiddleware(name, auth, require=READ)
    with wsgiref_thread(app) as at:
        assert ask(at, "GET", "/", alias).status == 200
        # One in each spelling is still two.
        assert ask(at, "GET", "/", alias, token(keys.reader)).code == "400 MALFORMED_CREDENTIAL"
        assert ask(at, "GET", "/", alias, bearer(keys.reader)).code == "400 MALFORMED_CREDENTIAL"
    with werkzeug_thread(app) as at:
        assert ask(at, "GET", "/", alias).code == "401 NO_CREDENTIAL"
        assert ask(at, "GET", "/", alias, token(keys.reader)).status == 200


@pytest.mark.parametrize("worker", ["sync", "gthread"])
def test_gunicorn_joins_repeated_headers(worker: str, store: str, keys: SimpleNamespace) -> None:
    environment = {"INSPIRE_STORE": store, "INSPIRE_CREDENTIAL": keys.reader}
    with gunicorn_process("django_site:preloaded()", "-k", worker, cwd=HERE, **environment) as running:
        [at] = running.addresses()
        assert ask(at, "GET", "/read", bearer(keys.reader)).code == "200"
        for lines in (
            [bearer(keys.reader), bearer(keys.reader)],
            [token(keys.reader), token(keys.writer)],
            [token(keys.reader), bearer(keys.reader)],
            [("Authorization", "Basic cDpx"), bearer(keys.reader)],
        ):
            assert ask(at, "GET", "/read", *lines).code == "400 MALFORMED_CREDENTIAL"
        # Names with an underscore are dropped.
        assert ask(at, "GET", "/read", ("X_Ignition_API_Token", keys.reader)).code == "401 NO_CREDENTIAL"


def test_an_environ_that_no_server_would_make_is_refused(auth: InspireAuth) -> None:
    answered: list[str] = []
    app = ApiKeyMiddleware(name, auth)
    for value in ("Bearer r:\ud800", "Bearer r:\x00", "Bearer \u4f60:k"):
        environ = {"REQUEST_METHOD": "GET", "HTTP_AUTHORIZATION": value}
        body = app(environ, lambda status, headers: answered.append(status))
        assert b"MALFORMED_CREDENTIAL" in b"".join(body)
    assert answered == ["400 Bad Request"] * 3
