"""API keys for Flask: a decorator for views, and ``flask.g.principal``.

Example:
    >>> from flask import Flask, g
    >>> from inspire_auth import InspireAuth
    >>> from inspire_auth.flask import ApiKeys
    >>> app = Flask(__name__)
    >>> keys = ApiKeys(InspireAuth.open("service.db"), app, channel="secure")
    >>> @app.post("/sync")
    ... @keys.require("any(Authenticated/Ops/Write)")
    ... def sync():
    ...     return {"started_by": g.principal.name}

A whole application or blueprint: ``blueprint.before_request(keys.guard("Authenticated/Ops/Read"))``; or by a table, which
says what each path and method needs, and denies the rest, static files and unknown paths included:
``app.before_request(keys.guard(routes=json.loads(...)))``.

`inspire_auth.wsgi` tells what a WSGI environ does to repeated and oddly spelled headers, and which path a table judges.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from . import InspireAuthError
from ._extras import needs
from ._http import ChannelSource, EnvironReader, channel_reader, compiled, refuse
from ._paths import RoutesLike, Terms, wsgi_target

with needs("Flask", "flask"):
    import flask

if TYPE_CHECKING:
    from . import InspireAuth, Principal, Requirement

__all__ = ["ApiKeys"]

View = TypeVar("View", bound=Callable[..., Any])


class ApiKeys:
    """The extension. It is found again as ``app.extensions["inspire_auth"]``.

    A refused request is answered ``{"error": CODE, "message": ...}`` with the status and the challenge of
    `InspireAuth.http`; the view is not called.

    Args:
        auth: the handle.
        app: the application; or call `init_app` later, for as many as there are.
        channel: how requests come: ``"plain"``, ``"secure"`` (TLS ends in front of this service), ``"local"``,
            `TrustedProxies`, or a function of the ``flask.Request``.

    Raises:
        ArgumentError: `channel` can't be read.
    """

    def __init__(
        self, auth: InspireAuth, app: flask.Flask | None = None, *, channel: ChannelSource[flask.Request] = "plain"
    ) -> None:
        self.auth = auth
        self._channel = channel_reader(channel)
        self._headers = EnvironReader(auth)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: flask.Flask) -> None:
        """Makes this extension known to an application. It guards nothing by itself."""
        app.extensions["inspire_auth"] = self

    def authenticate(self, require: Requirement | str | None = None, *, entitlement: str | None = None) -> Principal:
        """Who sent the present request; also left in ``flask.g.principal``.

        Args:
            require: what the request needs: a `Requirement` or its text; None is any valid key.
            entitlement: a code that the license must hold as well.

        Raises:
            InspireAuthError: the request is refused. It is for the view to answer: `InspireAuth.http`.
        """
        return self._authenticate({"require": require, "entitlement": entitlement})

    def _authenticate(self, terms: dict[str, Any]) -> Principal:
        environ = flask.request.environ
        headers = self._headers(environ)
        channel = self._channel(flask.request, environ.get("REMOTE_ADDR"), headers)
        principal = self.auth.authenticate(headers, channel, **terms)
        flask.g.principal = principal
        return principal

    def guard(
        self,
        require: Requirement | str | None = None,
        *,
        entitlement: str | None = None,
        routes: RoutesLike | None = None,
    ) -> Callable[[], flask.Response | None]:
        """A function for ``before_request`` of an application or a blueprint: lets only granted requests through.

        Args:
            require: what a request needs: a `Requirement` or its text; None is any valid key. With ``"Public"`` a
                request without a credential passes, as an anonymous principal; a wrong one is still refused.
            entitlement: a code that the license must hold as well.
            routes: a table that says both for each path and method, instead of the two: `Routes`, or what
                `Routes.parse` takes. It names whole paths, with ``SCRIPT_NAME`` and a blueprint's prefix.

        Raises:
            ArgumentError: `require` or `routes` can't be read, or a table is given with one of the others.
        """
        terms = Terms(compiled(require), entitlement, routes, wsgi_target)

        def check() -> flask.Response | None:
            try:
                self._authenticate(terms.of(flask.request.environ))
            except InspireAuthError as error:
                refusal = refuse(self.auth, error, flask.request.path)
                return flask.Response(refusal.body, refusal.status, refusal.all_headers)
            return None

        return check

    def require(
        self, require: Requirement | str | None = None, *, entitlement: str | None = None
    ) -> Callable[[View], View]:
        """A decorator for views, below the route: only granted requests reach them. `require` and
        `entitlement` as for `guard`."""
        check = self.guard(require, entitlement=entitlement)

        def decorate(view: View) -> View:
            @wraps(view)
            def guarded(*args: Any, **kwargs: Any) -> Any:
                refusal = check()
                return refusal if refusal is not None else flask.current_app.ensure_sync(view)(*args, **kwargs)

            return cast("View", guarded)

        return decorate
