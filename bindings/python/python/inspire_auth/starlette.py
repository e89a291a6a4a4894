"""API keys as Starlette's authentication: ``request.user``, ``request.auth.scopes``, ``@requires``.

Example:
    >>> from starlette.applications import Starlette
    >>> from starlette.authentication import requires
    >>> from starlette.middleware import Middleware
    >>> from starlette.middleware.authentication import AuthenticationMiddleware
    >>> from starlette.responses import PlainTextResponse
    >>> from starlette.routing import Route
    >>> from inspire_auth import InspireAuth
    >>> from inspire_auth.starlette import ApiKeyBackend, on_error
    >>> @requires("Authenticated/Ops/Read")
    ... async def who(request):
    ...     return PlainTextResponse(request.user.display_name)
    >>> backend = ApiKeyBackend(InspireAuth.open("service.db"), channel="secure")
    >>> app = Starlette(
    ...     routes=[Route("/who", who)],
    ...     middleware=[Middleware(AuthenticationMiddleware, backend=backend, on_error=on_error)],
    ... )

As Starlette has it, a request without a credential goes on as nobody, and each route says with ``@requires`` what it
needs: a route without it is open to everyone. What is sent and wrong is refused. ``@requires`` answers 403, also to
nobody; `inspire_auth.asgi.ApiKeyMiddleware` around a whole application, or a mount, answers 401 with a challenge.

With a table (``ApiKeyBackend(auth, routes=...)``) the backend guards the whole application itself: what the table does not
allow is refused, with or without a credential, before any route is looked for. `inspire_auth.asgi` tells which path is
judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import InspireAuthError, Principal, Requirement
from ._extras import needs
from ._http import ChannelSource, Refusal, channel_reader, refuse
from ._paths import RoutesLike, Terms, asgi_target

with needs("Starlette", "starlette"):
    from starlette.authentication import AuthCredentials, AuthenticationBackend, AuthenticationError, BaseUser
    from starlette.requests import HTTPConnection
    from starlette.responses import Response

if TYPE_CHECKING:
    from . import InspireAuth

__all__ = ["ApiKeyBackend", "ApiKeyUser", "Refused", "on_error"]

_EVERYONE = Requirement("Public")


class ApiKeyUser(BaseUser):
    """Who is calling, as Starlette knows users. `principal` is the library's own."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal

    @property
    def is_authenticated(self) -> bool:
        """True."""
        return True

    @property
    def display_name(self) -> str:
        """The key's name."""
        return self.principal.name or ""

    @property
    def identity(self) -> str:
        """The key's id, which a rename keeps."""
        return self.principal.id or ""


class Refused(AuthenticationError):
    """The request is refused: the credential that was sent, or what a table has for it. `error` is the library's reason; the text is fit for the caller."""

    def __init__(self, error: InspireAuthError, refusal: Refusal) -> None:
        super().__init__(error.message)
        self.error = error
        self.refusal = refusal


class ApiKeyBackend(AuthenticationBackend):
    """Finds out who is calling.

    ``request.auth.scopes`` are all the levels that the key satisfies: those that it was granted, and their ancestors up
    to ``Authenticated``.

    Args:
        auth: the handle.
        channel: how requests come: ``"plain"``, ``"secure"`` (TLS ends in front of this service), ``"local"``,
            `TrustedProxies`, or a function of the `HTTPConnection`.
        routes: a table that says what each path and method needs, and denies the rest: `Routes`, or what
            `Routes.parse` takes. Without one, everyone passes whose credential is good, or who sends none.

    Raises:
        ArgumentError: `channel` or `routes` can't be read.
    """

    def __init__(
        self,
        auth: InspireAuth,
        *,
        channel: ChannelSource[HTTPConnection] = "plain",
        routes: RoutesLike | None = None,
    ) -> None:
        self._auth = auth
        self._channel = channel_reader(channel)
        self._terms = Terms(_EVERYONE if routes is None else None, None, routes, asgi_target)

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        """Who is calling; None without a credential, where none is needed.

        Raises:
            Refused: the credential, or by a table the request, is refused.
        """
        headers = conn.scope["headers"]
        try:
            channel = self._channel(conn, conn.client.host if conn.client else None, headers)
            principal = await self._auth.authenticate_async(headers, channel, **self._terms.of(conn.scope))
            if principal.is_anonymous:
                return None
            levels = self._auth.principal_levels(principal)
        except InspireAuthError as error:
            refusal = refuse(self._auth, error, conn.scope["path"])
            raise Refused(error, refusal) from None
        return AuthCredentials(_with_ancestors(levels)), ApiKeyUser(principal)


def on_error(conn: HTTPConnection, exc: AuthenticationError) -> Response:
    """What `AuthenticationMiddleware` answers to a refused credential: the status, the challenge and the body that
    every adapter of this package answers. Its own default is 400 for everything.
    """
    if not isinstance(exc, Refused):
        raise exc
    return Response(exc.refusal.body, exc.refusal.status, exc.refusal.all_headers)


def _with_ancestors(levels: list[str]) -> list[str]:
    found: dict[str, None] = {}
    for level in levels:
        segments = level.split("/")
        found.update((("/".join(segments[:depth]), None) for depth in range(1, len(segments) + 1)))
    return list(found)
