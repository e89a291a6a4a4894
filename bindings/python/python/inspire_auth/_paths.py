"""Which path and method a route table judges: those that the application's own router goes by.

A server gives an application the decoded path, by which routers go, and most servers the received one beside it. The
table judges the received one, in which ``%2F`` is no ``/``; but only when it says the same as the decoded one. Otherwise
something has rewritten one of the two on the way (a module of the server, a middleware further out), and what was judged
would not be what is served.

Where there is only the decoded path, nothing behind the guard can know another, so that one is judged, encoded anew. An
escape that stood for a ``/`` or a letter can't be told from it then: it is the same to the router as well.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Union
from urllib.parse import quote_from_bytes, unquote_to_bytes

from . import ArgumentError, Routes

if TYPE_CHECKING:
    from . import Requirement

RoutesLike = Union[Routes, str, bytes, "dict[str, Any]"]
"""What an adapter's ``routes`` may be: a table, or what `Routes.parse` makes one of."""

Target = tuple[str, bytes]
"""A method and a path, as `InspireAuth.authenticate` takes them."""

_log = logging.getLogger("inspire_auth")

# What may stand in a path unescaped (RFC 3986, section 3.3), besides letters, digits and "_.-~".
_PATH = "/:@!$&'()*+,;="


def _target(method: str, received: bytes | None, decoded: bytes | None) -> Target:
    """What is judged.

    Args:
        method: as it was received.
        received: the received target, or the path of it; None when the server does not tell.
        decoded: the path by which the router goes.
    """
    if received is None:
        path = quote_from_bytes(decoded or b"", safe=_PATH).encode()
    else:
        path = received.partition(b"?")[0]
    if decoded is None or not _is_utf8(decoded) or unquote_to_bytes(path) != decoded:
        seen = 0 if decoded is None else len(decoded)
        _log.info("a path was received, of %d bytes, that is not the one that the application sees, of %d", len(path), seen)
        path = refused(path)
    return judged_method(method), path


def judged_method(method: str) -> str:
    """A method as a table judges it. Some routers take ``get`` for GET, and others do not; a text with a space is none."""
    return method if method == method.upper() else f"{method} "


def _is_utf8(decoded: bytes) -> bool:
    """Whether routers read it alike: what is not UTF-8 they replace, drop, or take for something else."""
    try:
        decoded.decode()
    except UnicodeDecodeError:
        return False
    return True


def refused(path: bytes) -> bytes:
    """A path that no table allows, by which an audit log still says which one it was: it has an empty segment."""
    return path + b"//"


def asgi_target(scope: Mapping[str, Any]) -> Target:
    """The target of an ASGI scope: whole, with the ``root_path``, whether it stands in ``path`` or not."""
    received: bytes | None = scope.get("raw_path")
    # A websocket begins as a GET.
    target = _target(scope.get("method", "GET"), received, _bytes(scope["path"], "utf-8"))
    return under(scope.get("root_path") or "", scope["path"], target)


def under(prefix: str, seen: str, target: Target) -> Target:
    """The target with the prefix in front that the router takes off a path, if it is not there already.

    Routers take it off what begins with it, and go by the rest as it stands: ``/api/x`` and ``/x`` reach one handler. With
    the prefix in front of both there is one path for the two.

    Args:
        prefix: ``root_path``, or Django's ``FORCE_SCRIPT_NAME``.
        seen: the decoded path.
        target: what was received.
    """
    method, path = target
    if not prefix or seen == prefix or seen.startswith(prefix + "/"):
        # With a slash at its end, or none at its beginning, routers differ about what it is taken off.
        return target if not prefix or _is_whole(prefix) else (method, refused(path))
    return method, quoted(prefix) + path if _is_whole(prefix) else refused(path)


def _is_whole(prefix: str) -> bool:
    return prefix.startswith("/") and not prefix.endswith("/")


def quoted(path: str) -> bytes:
    """A decoded path, encoded."""
    return quote_from_bytes(path.encode("utf-8", "surrogateescape"), safe=_PATH).encode()


def wsgi_target(environ: Mapping[str, Any], encoding: str = "latin-1", forced: str | None = None) -> Target:
    """The target of a WSGI environ: whole, with ``SCRIPT_NAME``.

    Args:
        environ: of a server; or Django's ``META``, in which the path is a text.
        encoding: what the bytes of the path were read as.
        forced: Django's ``FORCE_SCRIPT_NAME``, which stands in ``SCRIPT_NAME`` instead of the server's own. The received
            path then is ``PATH_INFO``, or has this in front of it.
    """
    # gunicorn and werkzeug have both, uWSGI, mod_wsgi and cheroot the second. A client can't set them: its headers
    # are called HTTP_*.
    received: str | None = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    path: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "") or "/"
    raw = None if received is None else _bytes(received, "latin-1") or b""
    if forced and raw is not None:
        inside: str = environ["PATH_INFO"]
        if unquote_to_bytes(raw.partition(b"?")[0]) == _bytes(inside, encoding):
            method, bare = _target(environ["REQUEST_METHOD"], raw, _bytes(inside, encoding))
            return method, quoted(forced) + bare if _is_whole(forced) else refused(bare)
    method, bare = _target(environ["REQUEST_METHOD"], raw, _bytes(path, encoding))
    return method, bare if not forced or _is_whole(forced) else refused(bare)


def _bytes(text: str, encoding: str) -> bytes | None:
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return None


def compiled_routes(routes: RoutesLike) -> Routes:
    """A table, read once.

    Raises:
        ArgumentError: it can't be read. Now, not at the first request.
    """
    return routes if isinstance(routes, Routes) else Routes.parse(routes)


class Terms:
    """What a guard asks of each request: a requirement and an entitlement, or what a table says.

    Args:
        require: as `InspireAuth.authenticate` takes it.
        entitlement: as `InspireAuth.authenticate` takes it.
        routes: a table instead of the two.
        target: finds the method and the path of a request.

    Raises:
        ArgumentError: `routes` can't be read, or is given with one of the others.
    """

    def __init__(
        self,
        require: Requirement | None,
        entitlement: str | None,
        routes: RoutesLike | None,
        target: Callable[[Any], Target],
    ) -> None:
        self._target = target
        self._said: dict[str, Any] = {"require": require, "entitlement": entitlement}
        self._routes = None
        if routes is not None:
            if require is not None or entitlement is not None:
                raise ArgumentError("INVALID_ARGUMENT", "give routes, or require and entitlement")
            self._routes = compiled_routes(routes)

    def of(self, request: Any) -> dict[str, Any]:
        """The arguments of `InspireAuth.authenticate` for one request."""
        if self._routes is None:
            return self._said
        method, path = self._target(request)
        return {"routes": self._routes, "method": method, "path": path}
