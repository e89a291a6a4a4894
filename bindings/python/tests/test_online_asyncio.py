"""Licensing online in an event loop."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import threading
import weakref

import pytest
from vendor import PATIENCE, Doorway, Vendor, carry

from inspire_auth import (
    SYSTEM,
    HttpRequest,
    HttpResponse,
    License,
    LicenseSuspendedError,
    LicensingServerError,
    Server,
    UnlicensedError,
)

WAITING = ("activate_online", "revalidate", "deactivate", "release_pending", "tick")
"""What may wait for the network."""


def waiting_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "inspire_auth"]


@pytest.mark.parametrize("name", WAITING)
def test_what_may_wait_can_be_awaited_with_the_same_arguments(name: str) -> None:
    awaited = getattr(License, f"{name}_async")
    assert inspect.iscoroutinefunction(awaited) and awaited.__qualname__ == f"License.{name}_async"
    # A task is cancelled by itself.
    own = set(inspect.signature(getattr(License, name)).parameters) - {"cancel"}
    assert set(inspect.signature(awaited).parameters) == own


def test_a_license_lives_in_a_loop(vendor: Vendor) -> None:
    id, key = vendor.create("--entitle", "MFA")

    async def main() -> None:
        with vendor.open() as auth:
            license = auth.license
            assert (await license.activate_online_async(key, actor=SYSTEM)).entitlements == ("MFA",)
            assert (await license.tick_async()).problem is None
            statuses = await asyncio.gather(*(license.revalidate_async(actor=SYSTEM) for _ in range(4)))
            assert all(status.active for status in statuses)
            vendor.change("suspend", id)
            with pytest.raises(LicenseSuspendedError):
                await license.revalidate_async(actor=SYSTEM)
            vendor.change("reinstate", id)
            vendor.stop()
            done = await license.deactivate_async(actor=SYSTEM)
            assert (done.release, done.problem) == ("pending", "NETWORK_CONNECT")
            with pytest.raises(LicensingServerError):
                await license.release_pending_async(actor=SYSTEM)
            vendor.start()
            assert await license.release_pending_async(actor=SYSTEM) == 1
            with pytest.raises(UnlicensedError):
                await license.deactivate_async(local_only=True, actor=SYSTEM)

    asyncio.run(main())
    assert vendor.machines(id) == 0


def test_the_loop_goes_on_meanwhile(vendor: Vendor, doorway: Doorway) -> None:
    _, key = vendor.create()

    async def main() -> None:
        with vendor.open(server=Server(doorway.url, proxy="", timeout=PATIENCE)) as auth:
            task = asyncio.create_task(auth.license.activate_online_async(key, actor=SYSTEM))
            await asyncio.to_thread(doorway.wait_for_one)
            for _ in range(10):
                await asyncio.sleep(0)
            assert not task.done()
            doorway.open()
            assert (await task).active

    asyncio.run(main())


def test_a_task_that_is_cancelled_ends_its_call(vendor: Vendor, doorway: Doorway) -> None:
    _, key = vendor.create()
    with vendor.open(server=Server(doorway.url, proxy="", timeout=PATIENCE)) as auth:

        async def main() -> None:
            task = asyncio.create_task(auth.license.activate_online_async(key, actor=SYSTEM))
            await asyncio.to_thread(doorway.wait_for_one)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(main())
        # The call is interrupted, though the server has not answered; and nothing of it is left.
        for thread in waiting_threads():
            thread.join(PATIENCE)
            assert not thread.is_alive()
        assert auth.license.status().state == "unlicensed"
        doorway.open()
        assert auth.license.activate_online(key, actor=SYSTEM).active


def test_a_transport_sees_the_context_of_the_task(vendor: Vendor) -> None:
    request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id")
    seen: list[str] = []

    def transport(request: HttpRequest) -> HttpResponse:
        seen.append(request_id.get())
        return carry(request)

    _, key = vendor.create()

    async def main() -> None:
        request_id.set("r1")
        with vendor.open(server=Server(vendor.url, transport=transport)) as auth:
            await auth.license.activate_online_async(key, actor=SYSTEM)

    asyncio.run(main())
    assert set(seen) == {"r1"}


def test_nothing_is_kept_behind(vendor: Vendor) -> None:
    class Waiter:
        async def wait(self) -> None:
            with vendor.open() as auth, pytest.raises(UnlicensedError):
                await auth.license.revalidate_async(actor=SYSTEM)

    waiter = Waiter()
    asyncio.run(waiter.wait())
    for thread in waiting_threads():
        thread.join(PATIENCE)
    gone = weakref.ref(waiter)
    del waiter
    gc.collect()
    assert gone() is None
