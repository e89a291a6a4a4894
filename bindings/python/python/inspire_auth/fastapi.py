"""API keys as FastAPI security dependencies, shown in its OpenAPI document.

Example:
    >>> from typing import Annotated
    >>> from fastapi import FastAPI, Security
    >>> from inspire_auth import InspireAuth, Principal
    >>> from inspire_auth.fastapi import ApiKey, Refused, refused
    >>> auth = InspireAuth.open("service.db")
    >>> app = FastAPI()
    >>> app.add_exception_handler(Refused, refused)
    >>> operator = ApiKey(auth, any_of=["Authenticated/Ops/Write"], channel="secure")
    >>> @app.post("/sync")
    ... async def sync(caller: Annotated[Principal, Security(operator)]):
    ...     return {"started_by": caller.name}

``Security(operator, scopes=["Authenticated/Ops/Admin"])`` asks for these levels as well, all of them. In a test,
replace who is calling by ``app.dependency_overrides[operator]``, or create a key in an `InspireAuth` on ``":memory:"``.

A whole application is guarded by a table with the middleware of `inspire_auth.asgi`, its documentation and mounted
applications included; `caller` then says who is calling:

    >>> from fastapi import Depends
    >>> from inspire_auth.asgi import ApiKeyMiddleware
    >>> from inspire_auth.fastapi import caller
    >>> routes = {"routes": [{"prefix": "/data", "methods": ["GET"], "require": {"any": ["Authenticated/Ops/Read"]}}]}
    >>> app.add_middleware(ApiKeyMiddleware, auth=auth, routes=routes, channel="secure")
    >>> @app.get("/data/who")
    ... async def who(principal: Annotated[Principal, Depends(caller)]):
    ...     return principal.name
"""

# No `from __future__ import annotations`: FastAPI could not resolve the annotations of an instance's __call__.

from collections.abc import Sequence
from typing import Annotated, Any, Optional, Union

from . import InspireAuth, InspireAuthError, Principal, Requirement
from ._extras import needs
from ._http import ChannelSource, Refusal, channel_reader, compiled, refuse
from .asgi import PRINCIPAL

with needs("FastAPI", "fastapi"):
    from fastapi import Depends, HTTPException, WebSocketException
    from fastapi.openapi.models import APIKey, APIKeyIn, HTTPBearer
    from fastapi.security import SecurityScopes
    from fastapi.security.base import SecurityBase
    from starlette.requests import HTTPConnection, Request
    from starlette.responses import Response

__all__ = ["ApiKey", "Entitled", "Refused", "caller", "refused"]

_EVERYONE = Requirement("Public")


class Refused(HTTPException):
    """A refused request. `error` is the library's reason, for the host; `detail` is what the caller is told.

    With the handler `refused` the answer's body is exactly ``{"error": CODE, "message": ...}``, as in every door of the
    library; without it FastAPI puts that under ``"detail"``. Status and headers are the same.
    """

    def __init__(self, error: InspireAuthError, refusal: Refusal) -> None:
        super().__init__(refusal.status, refusal.document, refusal.headers)
        self.error = error
        self.refusal = refusal


async def refused(request: Request, exc: Exception) -> Response:
    """Answers `Refused`: ``app.add_exception_handler(Refused, refused)``."""
    if not isinstance(exc, Refused):
        raise exc
    return Response(exc.refusal.body, exc.refusal.status, exc.refusal.all_headers)


class _Token(SecurityBase):
    """The older header, for the OpenAPI document only: `ApiKey` reads both."""

    def __init__(self) -> None:
        # The field is an alias that is a word of Python.
        where: dict[str, Any] = {"in": APIKeyIn.header}
        self.model = APIKey(**where, name="X-Ignition-API-Token", description="<name>:<key>")
        self.scheme_name = "ApiKeyToken"

    async def __call__(self) -> None:
        return None


_token = _Token()


class ApiKey(SecurityBase):
    """Who is calling: a dependency for ``Security`` or ``Depends``.

    What is required is said by one of `any_of`, `all_of` and `require`; by none, it is any valid key. In the OpenAPI
    document it is an HTTP bearer scheme, or the header ``X-Ignition-API-Token``. A refused websocket is closed with
    1008.

    Args:
        auth: the handle.
        any_of: levels of which the key needs one.
        all_of: levels that the key needs all.
        require: a `Requirement` or its text. With ``"Public"`` a request without a credential gives an anonymous
            principal; a wrong one is still refused.
        entitlement: a code that the license must hold as well. Judged last: whoever lacks the level is told that.
        channel: how requests come: ``"plain"``, ``"secure"`` (TLS ends in front of this service), ``"local"``,
            `TrustedProxies`, or a function of the `HTTPConnection`.
        scheme_name: the scheme's name in the OpenAPI document.
        description: its description there.
        auto_error: False gives None to a request without a credential, for routes that know another way to
            authenticate. What is sent and wrong is refused all the same.

    Raises:
        ArgumentError: a level, `require` or `channel` can't be read.
        TypeError: more than one of `any_of`, `all_of` and `require`.
    """

    def __init__(
        self,
        auth: InspireAuth,
        *,
        any_of: Optional[Sequence[str]] = None,
        all_of: Optional[Sequence[str]] = None,
        require: Union[Requirement, str, None] = None,
        entitlement: Optional[str] = None,
        channel: ChannelSource[HTTPConnection] = "plain",
        scheme_name: str = "ApiKey",
        description: Optional[str] = None,
        auto_error: bool = True,
    ) -> None:
        if sum(given is not None for given in (any_of, all_of, require)) > 1:
            raise TypeError("give one of any_of, all_of and require")
        self.model = HTTPBearer(bearerFormat="<name>:<key>", description=description)
        self.scheme_name = scheme_name
        self.auto_error = auto_error
        self._auth = auth
        self._entitlement = entitlement
        self._channel = channel_reader(channel)
        self._scopes: dict[tuple[str, ...], Requirement] = {}
        if any_of is not None:
            self._require: Optional[Requirement] = Requirement.any_of(any_of)
        elif all_of is not None:
            self._require = Requirement.all_of(all_of)
        else:
            self._require = compiled(require)

    async def __call__(
        self,
        connection: HTTPConnection,
        scopes: SecurityScopes,
        _: Annotated[None, Depends(_token)] = None,
    ) -> Optional[Principal]:
        """Who is calling.

        Raises:
            Refused: the request is refused.
        """
        headers = connection.scope["headers"]
        try:
            channel = self._channel(connection, connection.client.host if connection.client else None, headers)
            if scopes.scopes:
                await self._auth.authenticate_async(headers, channel, self._all_of(tuple(scopes.scopes)))
            return await self._auth.authenticate_async(headers, channel, self._require, entitlement=self._entitlement)
        except InspireAuthError as error:
            if error.code == "NO_CREDENTIAL" and not self.auto_error:
                return None
            raise _refused(self._auth, error, connection) from None

    def _all_of(self, scopes: tuple[str, ...]) -> Requirement:
        """The scopes as levels. There are as many as the program has sets of them."""
        found = self._scopes.get(scopes)
        if found is None:
            found = self._scopes[scopes] = Requirement.all_of(scopes)
        return found


async def caller(connection: HTTPConnection) -> Principal:
    """Who is calling, as `inspire_auth.asgi.ApiKeyMiddleware` around the application has found: a dependency.

    Args:
        connection: the request; FastAPI gives it.

    Raises:
        RuntimeError: the application is not behind that middleware.

    Example:
        >>> @app.get("/data/who")
        ... async def who(principal: Annotated[Principal, Depends(caller)]): ...
    """
    principal = connection.scope.get(PRINCIPAL)
    if not isinstance(principal, Principal):
        raise RuntimeError("nobody has decided about this request: put inspire_auth.asgi.ApiKeyMiddleware around it")
    return principal


class Entitled:
    """What the license must hold: a dependency for routes whose caller is authenticated otherwise, or not at all.

    The license alone is looked at, perhaps before the caller is: `ApiKey` has `entitlement` for routes with a key. The
    ``enforcement`` of the handle applies.

    Args:
        auth: the handle.
        code: the entitlement, such as ``VIDEO_WALL_SYNC``.

    Example:
        >>> @app.post("/video-walls", dependencies=[Depends(Entitled(auth, "VIDEO_WALL_SYNC"))])
        ... def create(caller: Annotated[Principal, Security(operator)]): ...
    """

    def __init__(self, auth: InspireAuth, code: str) -> None:
        self._auth = auth
        self._code = code

    async def __call__(self, connection: HTTPConnection) -> None:
        """Raises `Refused` when the license does not hold it."""
        try:
            # Nobody in particular, whatever the request carries.
            await self._auth.authenticate_async((), "plain", _EVERYONE, entitlement=self._code)
        except InspireAuthError as error:
            raise _refused(self._auth, error, connection) from None


def _refused(auth: InspireAuth, error: InspireAuthError, connection: HTTPConnection) -> Exception:
    scope = connection.scope
    refusal = refuse(auth, error, scope["path"])
    if scope["type"] == "websocket":
        return WebSocketException(1008, refusal.document["error"])
    return Refused(error, refusal)
