"""A WSGI application behind a table, for `gunicorn guarded_site:app`."""

import os
from typing import Any

from inspire_auth import InspireAuth
from inspire_auth.wsgi import PRINCIPAL, ApiKeyMiddleware


def inner(environ: Any, start_response: Any) -> list[bytes]:
    """Says which path it sees, and who is calling."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['PATH_INFO']} {environ[PRINCIPAL].name}".encode()]


app = ApiKeyMiddleware(inner, InspireAuth.open(os.environ["INSPIRE_STORE"]), routes=os.environ["INSPIRE_TABLE"])
