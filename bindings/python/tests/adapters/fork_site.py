"""A WSGI service whose workers are forked in the middle of things, by gunicorn or uWSGI, before or after it is loaded.

    /check             is the credential good
    /make?name=x       a new key: its credential and its id
    /revoke?name=x     deletes a key
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import threading
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs

from inspire_auth import SYSTEM, AuthenticationError, HashParameters, InspireAuth, NotFoundError

# gunicorn ends a worker that hangs with SIGABRT: then its threads are shown.
faulthandler.enable()

auth = InspireAuth.open(os.environ["INSPIRE_STORE"], hash=HashParameters(64, 1, 1))
# Used before any fork of a preloading server, so that what a use starts is there.
auth.authenticate(f"Bearer {os.environ['INSPIRE_CREDENTIAL']}")


def keep_busy(name: str) -> None:
    """What the master's threads are in the middle of when a worker is forked: hashing, writing, checking."""
    while True:
        with contextlib.suppress(NotFoundError):
            auth.keys.delete(name, actor=SYSTEM)
        created = auth.keys.create(name, require_secure=False, actor=SYSTEM)
        auth.authenticate(f"Bearer {created.credential}")


if os.environ.get("INSPIRE_BUSY"):
    for thread in range(2):
        threading.Thread(target=keep_busy, args=(f"busy{thread}",), daemon=True).start()


def answer(environ: Any) -> Any:
    name = parse_qs(environ["QUERY_STRING"]).get("name", [""])[0]
    if environ["PATH_INFO"] == "/make":
        created = auth.keys.create(name, require_secure=False, actor=SYSTEM)
        return {"credential": created.credential, "id": created.record.id}
    if environ["PATH_INFO"] == "/revoke":
        auth.keys.delete(name, actor=SYSTEM)
        return {}
    return {"name": auth.authenticate(environ.get("HTTP_AUTHORIZATION", "")).name}


def app(environ: Any, start_response: Any) -> Iterable[bytes]:
    try:
        status, said = "200 OK", answer(environ)
    except AuthenticationError as error:
        status, said = "401 Unauthorized", {"error": error.code}
    body = json.dumps(said).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("X-Pid", str(os.getpid()))]
    start_response(status, headers)
    return [body]
