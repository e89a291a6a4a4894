"""Deciding, and licensing online, in an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from typing import TYPE_CHECKING

from ._inspire_auth import Cancel, Principal

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from ._inspire_auth import InspireAuth, License, Requirement, Routes, System
    from ._records import Deactivation, LicenseStatus, LicenseTick
    from ._types import Channel, Headers

    _T = TypeVar("_T")


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


async def activate_online_async(
    self: License, license_key: str, *, actor: System | Principal, now: int | None = None
) -> LicenseStatus:
    """As `activate_online`, for asyncio: on a thread. A task that is cancelled ends the call.

    Args:
        license_key: as for `activate_online`.
        actor: as for `activate_online`.
        now: as for `activate_online`.

    Raises:
        InspireAuthError: as `activate_online`.

    Example:
        >>> status = await auth.license.activate_online_async("ABCD-EFGH", actor=SYSTEM)
    """
    return await _on_a_thread(lambda cancel: self.activate_online(license_key, actor=actor, cancel=cancel, now=now))


async def revalidate_async(self: License, *, actor: System | Principal, now: int | None = None) -> LicenseStatus:
    """As `revalidate`, for asyncio: on a thread. A task that is cancelled ends the call.

    Args:
        actor: as for `revalidate`.
        now: as for `revalidate`.

    Raises:
        InspireAuthError: as `revalidate`.

    Example:
        >>> status = await auth.license.revalidate_async(actor=SYSTEM)
    """
    return await _on_a_thread(lambda cancel: self.revalidate(actor=actor, cancel=cancel, now=now))


async def deactivate_async(
    self: License, *, local_only: bool = False, actor: System | Principal, now: int | None = None
) -> Deactivation:
    """As `deactivate`, for asyncio: on a thread. A task that is cancelled ends the wait for the server: the license is out,
    and its release may be pending.

    Args:
        local_only: as for `deactivate`.
        actor: as for `deactivate`.
        now: as for `deactivate`.

    Raises:
        InspireAuthError: as `deactivate`.

    Example:
        >>> done = await auth.license.deactivate_async(actor=SYSTEM)
    """
    return await _on_a_thread(
        lambda cancel: self.deactivate(local_only=local_only, actor=actor, cancel=cancel, now=now)
    )


async def release_pending_async(self: License, *, actor: System | Principal, now: int | None = None) -> int:
    """As `release_pending`, for asyncio: on a thread. A task that is cancelled ends the call.

    Args:
        actor: as for `release_pending`.
        now: as for `release_pending`.

    Raises:
        InspireAuthError: as `release_pending`.

    Example:
        >>> await auth.license.release_pending_async(actor=SYSTEM)
        1
    """
    return await _on_a_thread(lambda cancel: self.release_pending(actor=actor, cancel=cancel, now=now))


async def tick_async(self: License, *, now: int | None = None) -> LicenseTick:
    """As `tick`, for asyncio: on a thread. A task that is cancelled ends the call.

    Args:
        now: as for `tick`.

    Raises:
        InspireAuthError: as `tick`.

    Example:
        >>> (await auth.license.tick_async()).next
    """
    return await _on_a_thread(lambda cancel: self.tick(cancel=cancel, now=now))


async def _on_a_thread(call: Callable[[Cancel], _T]) -> _T:
    """What a call that may wait for the network answers. Its thread holds up neither the end of the loop nor that of the
    program: those of `asyncio.to_thread` would, until the server has answered."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[_T] = loop.create_future()
    cancel = Cancel()

    def tell(result: _T | None, raised: BaseException | None) -> None:
        # The loop may be closed by now: then nobody waits.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, answer, result, raised)

    def run() -> None:
        try:
            result = call(cancel)
        except BaseException as raised:
            tell(None, raised)
        else:
            tell(result, None)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="inspire_auth", daemon=True).start()
    try:
        return await answer
    except BaseException:
        cancel.cancel()
        raise


def _settle(answer: asyncio.Future[Any], result: object, raised: BaseException | None) -> None:
    if answer.done():
        return
    if raised is None:
        answer.set_result(result)
    else:
        answer.set_exception(raised)
