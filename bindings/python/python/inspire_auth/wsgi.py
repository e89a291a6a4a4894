"""A whole WSGI application behind API keys.

Works with every WSGI server and framework; Flask and Django REST Framework have adapters of their own, which know about
routes.

Example:
    >>> from inspire_auth import InspireAuth
    >>> from inspire_auth.wsgi import ApiKeyMiddleware
    >>> auth = InspireAuth.open("service.db")
    >>> app = ApiKeyMiddleware(app, auth, require="any(Authenticated/Ops/Read)", channel="secure")

The application finds who is calling at ``environ["inspire_auth.principal"]``. A refused request never reaches it, and
none of its body is read.

A WSGI environ has no list of header lines, and its names know no difference between ``-`` and ``_``:

* A repeated header is one value there, joined with a comma. The library refuses that, as it refuses repeated lines. A
  server that keeps one of the two silently would hide the other (Apache's mod_wsgi also hides ``Authorization``
  altogether without ``WSGIPassAuthorization On``).
* ``X_Ignition_API_Token`` is the same as ``X-Ignition-API-Token``, unless the server drops names with an underscore
  (gunicorn does by default). A proxy that strips credentials must know both spellings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from . import InspireAuthError
from ._http import ChannelSource, EnvironReader, channel_reader, compiled, refuse

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
        channel: how requests come: ``"plain"``, ``"secure"`` (TLS ends in front of this service), ``"local"``,
            `TrustedProxies`, or a function of the environ.

    Raises:
        ArgumentError: `require` or `channel` can't be read.
    """

    def __init__(
        self,
        app: Application,
        auth: InspireAuth,
        *,
        require: Requirement | str | None = None,
        entitlement: str | None = None,
        channel: ChannelSource[Environ] = "plain",
    ) -> None:
        self._app = app
        self._auth = auth
        self._require = compiled(require)
        self._entitlement = entitlement
        self._channel = channel_reader(channel)
        self._headers = EnvironReader(auth)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        headers = self._headers(environ)
        try:
            channel = self._channel(environ, environ.get("REMOTE_ADDR"), headers)
            principal = self._auth.authenticate(headers, channel, self._require, entitlement=self._entitlement)
        except InspireAuthError as error:
            method = environ["REQUEST_METHOD"]
            refusal = refuse(self._auth, error, method, environ.get("PATH_INFO", ""))
            start_response(f"{refusal.status} {HTTPStatus(refusal.status).phrase}", list(refusal.all_headers.items()))
            return [] if method == "HEAD" else [refusal.body]
        environ[PRINCIPAL] = principal
        return self._app(environ, start_response)
