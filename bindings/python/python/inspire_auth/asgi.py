"""A whole ASGI application behind API keys.

Works with every ASGI server and framework; Starlette and FastAPI have adapters of their own, which know about routes.

Example:
    >>> from inspire_auth import InspireAuth
    >>> from inspire_auth.asgi import ApiKeyMiddleware
    >>> auth = InspireAuth.open("service.db")
    >>> app = ApiKeyMiddleware(app, auth, require="any(Authenticated/Ops/Read)", channel="secure")

or by a table, which says what each path and method needs and denies the rest:

    >>> routes = {"routes": [{"prefix": "/data", "methods": ["GET"], "require": {"any": ["Authenticated/Ops/Read"]}}]}
    >>> app = ApiKeyMiddleware(app, auth, routes=routes, channel="secure")

The table names whole paths: with the ``root_path`` (uvicorn's ``--root-path``, ``FastAPI(root_path=...)``) or a mount in
front. Routers take the root path off what begins with it and go by the rest as it stands, so a path without it reaches the
same handler, and is judged as if it had it. The guard must know it for that: with ``FastAPI(root_path=...)`` it goes inside,
by ``app.add_middleware(ApiKeyMiddleware, ...)``, and not around the application.

It judges ``scope["raw_path"]``, the path as it was received, and refuses one that does not say the same as
``scope["path"]``, by which routers go. It stands behind whatever changes the method; nothing behind the guard may change
method or path; a path changed before it is refused. A server without ``raw_path`` shows only the decoded path, and that is
judged.

The application finds who is calling at ``scope["inspire_auth.principal"]``. A refused request never reaches it, and
none of its body is read. That is true of a browser's preflight (``OPTIONS``, without a credential) as well: put the
middleware that answers those outside of this one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from . import InspireAuthError
from ._http import ChannelSource, channel_reader, compiled, refuse
from ._paths import RoutesLike, Terms, asgi_target

if TYPE_CHECKING:
    from . import InspireAuth, Requirement

__all__ = ["PRINCIPAL", "ApiKeyMiddleware"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

PRINCIPAL = "inspire_auth.principal"
"""The key in the scope of a granted request."""


class ApiKeyMiddleware:
    """Lets only granted requests through: HTTP requests and websockets; the lifespan passes.

    A refused request is answered ``{"error": CODE, "message": ...}`` with the status and the challenge of
    `InspireAuth.http`; a refused websocket is closed with 1008 before it is accepted (servers answer 403).

    Args:
        app: the application behind.
        auth: the handle.
        require: what every request needs: a `Requirement` or its text; None is any valid key. With ``"Public"`` a
            request without a credential passes, as an anonymous principal; a wrong one is still refused.
        entitlement: a code that the license must hold as well.
        routes: a table that says both for each path and method, instead of the two: `Routes`, or what `Routes.parse`
            takes. A websocket counts as a GET.
        channel: how requests come: ``"plain"``, ``"secure"`` (TLS ends in front of this service), ``"local"``,
            `TrustedProxies`, or a function of the scope.

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
        channel: ChannelSource[Scope] = "plain",
    ) -> None:
        self._app = app
        self._auth = auth
        self._terms = Terms(compiled(require), entitlement, routes, asgi_target)
        self._channel = channel_reader(channel)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] not in ("http", "websocket"):
            raise NotImplementedError(f"nothing is known about how to guard {scope['type']!r}")
        headers = scope["headers"]
        peer = scope.get("client")
        try:
            channel = self._channel(scope, peer[0] if peer else None, headers)
            principal = await self._auth.authenticate_async(headers, channel, **self._terms.of(scope))
        except InspireAuthError as error:
            refusal = refuse(self._auth, error, scope["path"])
        else:
            scope[PRINCIPAL] = principal
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": refusal.document["error"]})
            return
        lines = [(name.lower().encode(), value.encode()) for name, value in refusal.all_headers.items()]
        await send({"type": "http.response.start", "status": refusal.status, "headers": lines})
        await send({"type": "http.response.body", "body": refusal.body})
