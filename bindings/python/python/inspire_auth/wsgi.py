"""A whole WSGI application behind API keys.

Works with every WSGI server and framework; Flask and Django REST Framework have adapters of their own, which know about
routes.

Example:
    >>> from inspire_auth import InspireAuth
    >>> from inspire_auth.wsgi import ApiKeyMiddleware
    >>> auth = InspireAuth.open("service.db")
    >>> app = ApiKeyMiddleware(app, auth, require="any(Authenticated/Ops/Read)", channel="secure")

or by a table, which says what each path and method needs and denies the rest:

    >>> routes = {"routes": [{"prefix": "/data", "methods": ["GET"], "require": {"any": ["Authenticated/Ops/Read"]}}]}
    >>> app = ApiKeyMiddleware(app, auth, routes=routes, channel="secure")

The application finds who is calling at ``environ["inspire_auth.principal"]``. A refused request never reaches it, and
none of its body is read.

A WSGI environ has no list of header lines, and its names know no difference between ``-`` and ``_``:

* A repeated header is one value there, joined with a comma. The library refuses that, as it refuses repeated lines. A
  server that keeps one of the two silently would hide the other (Apache's mod_wsgi also hides ``Authorization``
  altogether without ``WSGIPassAuthorization On``).
* ``X_Ignition_API_Token`` is the same as ``X-Ignition-API-Token``, unless the server drops names with an underscore
  (gunicorn does by default). A proxy that strips credentials must know both spellings.

Nor has it, by itself, the path that was received: ``PATH_INFO`` is decoded. A table judges ``RAW_URI`` (gunicorn,
werkzeug) or ``REQUEST_URI`` (uWSGI, mod_wsgi, cheroot), whole, with ``SCRIPT_NAME``; and refuses a path that does not say
the same as ``SCRIPT_NAME`` and ``PATH_INFO``, by which routers go. It stands behind whatever changes the method
(``X-HTTP-Method-Override``); nothing behind the guard may change method or path; a path changed before it is refused.
(werkzeug's ``ProxyFix(x_prefix=1)``, which adds to ``SCRIPT_NAME`` and leaves what is routed, may stand behind it.) Under a
server that has neither (wsgiref), the decoded path is all that anything behind can know, and is judged: there an escape such
as ``%2F`` or ``%61`` is what it stands for, instead of being refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from . import InspireAuthError
from ._http import ChannelSource, EnvironReader, channel_reader, compiled, refuse
from ._paths import RoutesLike, Terms, wsgi_target

if TYPE_CHECKING:
    from . import InspireAuth, Requirement

__all__ = ["PRINCIPAL", "ApiKeyMiddleware"]

Environ = MutableMapping[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

PRINCIPAL = "inspire_auth.principal"
"""The key in the environ of a granted request."""


class ApiKeyMiddleware:
    """Lets only granted requests through.

    A refused request is answered ``{"error": CODE, "message": ...}`` with the status and the challenge of
    `InspireAuth.http`.

    Args:
        app: the application behind.
        auth: the handle.
        require: what every request needs: a `Requirement` or its text; None is any valid key. With ``"Public"`` a
            request without a credential passes, as an anonymous principal; a wrong one is still refused.
        entitlement: a code that the license must hold as well.
        routes: a table that says both for each path and method, instead of the two: `Routes`, or what `Routes.parse`
            takes.
        channel: how requests come: ``"plain"``, ``"secure"`` (TLS ends in front of this service), ``"local"``,
            `TrustedProxies`, or a function of the environ.

    Raises:
        ArgumentError: `require`, `routes` or `channel` can't be read, or a table is given with one of the others.
    """

    def __init__(
        self,
        app: Application,
        auth: InspireAuth,
        *,
        require: Requirement | str | None = None,
        entitlement: str | None = None,
        routes: RoutesLike | None = None,
        channel: ChannelSource[Environ] = "plain",
    ) -> None:
        self._app = app
        self._auth = auth
        self._terms = Terms(compiled(require), entitlement, routes, wsgi_target)
        self._channel = channel_reader(channel)
        self._headers = EnvironReader(auth)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        headers = self._headers(environ)
        try:
            channel = self._channel(environ, environ.get("REMOTE_ADDR"), headers)
            principal = self._auth.authenticate(headers, channel, **self._terms.of(environ))
        except InspireAuthError as error:
            method = environ["REQUEST_METHOD"]
            refusal = refuse(self._auth, error, environ.get("PATH_INFO", ""))
            start_response(f"{refusal.status} {HTTPStatus(refusal.status).phrase}", list(refusal.all_headers.items()))
            return [] if method == "HEAD" else [refusal.body]
        environ[PRINCIPAL] = principal
        return self._app(environ, start_response)
