"""Deciding in an event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ._inspire_auth import Principal

if TYPE_CHECKING:
    from ._inspire_auth import InspireAuth, Requirement, Routes
    from ._types import Channel, Headers


async def authenticate_async(
    self: InspireAuth,
    headers: Headers,
    channel: Channel = "plain",
    require: Requirement | str | None = None,
    *,
    entitlement: str | None = None,
    now: int | None = None,
    routes: Routes | None = None,
    method: str | None = None,
    path: str | bytes | None = None,
) -> Principal:
    """As `authenticate`, for asyncio: never blocks the event loop on a slow hash.

    What `authenticate` decides at once is decided at once here, without a suspension. A key that is seen for the first
    time is hashed on the library's own threads meanwhile. A task that is cancelled gives its decision up.

    Args:
        headers: as for `authenticate`.
        channel: as for `authenticate`.
        require: as for `authenticate`.
        entitlement: as for `authenticate`.
        now: as for `authenticate`.
        routes: as for `authenticate`.
        method: as for `authenticate`.
        path: as for `authenticate`.

    Raises:
        InspireAuthError: as `authenticate`.
        RuntimeError: a slow decision needs a running asyncio event loop.

    Example:
        >>> caller = await auth.authenticate_async(scope["headers"], channel="secure", require=operators)
    """
    answer = self._attempt(headers, channel, require, entitlement, now, routes, method, path)
    if type(answer) is Principal:
        return answer
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    answer.call_when_ready(loop, _wake, ready)
    try:
        await ready
    except BaseException:
        answer.cancel()
        raise
    return answer.result()


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
