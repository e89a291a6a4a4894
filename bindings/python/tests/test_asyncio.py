"""Checks in an event loop."""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
import weakref
from collections.abc import Iterator

import pytest
from conftest import FAST, bearer

from inspire_auth import (
    SYSTEM,
    AuditEvent,
    AuthenticationError,
    CreatedKey,
    HashParameters,
    InspireAuth,
    PermissionDeniedError,
)

SLOW = HashParameters(memory_kib=8192, iterations=8)


@pytest.fixture
def slow() -> Iterator[InspireAuth]:
    """Whose hashes take some 30 ms."""
    with InspireAuth.open(hash=SLOW) as auth:
        yield auth


def create(auth: InspireAuth, name: str) -> CreatedKey:
    return auth.keys.create(name, require_secure=False, actor=SYSTEM)


def test_it_is_a_coroutine_function() -> None:
    assert inspect.iscoroutinefunction(InspireAuth.authenticate_async)
    assert InspireAuth.authenticate_async.__qualname__ == "InspireAuth.authenticate_async"


def test_a_warm_check_does_not_suspend(auth: InspireAuth, key: CreatedKey) -> None:
    principal = auth.authenticate(bearer(key))
    # No loop runs here, so that a future could not even be made.
    with pytest.raises(StopIteration) as answer:
        auth.authenticate_async(bearer(key)).send(None)
    assert answer.value.value is principal


def test_a_refusal_does_not_suspend(auth: InspireAuth, key: CreatedKey) -> None:
    auth.authenticate(bearer(key))
    with pytest.raises(AuthenticationError):
        auth.authenticate_async("Bearer nobody:x").send(None)
    with pytest.raises(PermissionDeniedError):
        auth.authenticate_async(bearer(key), require="Site/A").send(None)


def test_a_cold_check_lets_the_loop_go_on(slow: InspireAuth) -> None:
    key = create(slow, "slow")

    async def main() -> None:
        task = asyncio.create_task(slow.authenticate_async(bearer(key), entitlement=None, now=None))
        turns = 0
        while not task.done():
            await asyncio.sleep(0)
            turns += 1
        principal = await task
        assert principal.name == "slow" and turns > 10
        assert slow.authenticate(bearer(key)) is principal

    asyncio.run(main())


def test_many_at_once(auth: InspireAuth) -> None:
    keys = [create(auth, f"k{n}") for n in range(40)]

    async def main() -> None:
        checks = [auth.authenticate_async(bearer(key)) for key in keys for _ in range(3)]
        wrong = [auth.authenticate_async("Bearer nobody:x") for _ in range(20)]
        answers = await asyncio.gather(*checks, *wrong, return_exceptions=True)
        names = [answer.name for answer in answers[: len(checks)] if not isinstance(answer, BaseException)]
        assert names == [f"k{n}" for n in range(40) for _ in range(3)]
        assert all(isinstance(answer, AuthenticationError) for answer in answers[len(checks) :])

    asyncio.run(main())


def test_a_key_that_is_deleted_meanwhile_is_refused(slow: InspireAuth) -> None:
    key = create(slow, "slow")

    async def main() -> None:
        task = asyncio.create_task(slow.authenticate_async(bearer(key)))
        await asyncio.sleep(0)
        await asyncio.to_thread(slow.keys.delete, "slow", actor=SYSTEM)
        with pytest.raises(AuthenticationError):
            await task

    asyncio.run(main())


def test_cancelling_gives_up_at_once(slow: InspireAuth) -> None:
    key = create(slow, "slow")

    async def main() -> None:
        for _ in range(20):
            task = asyncio.create_task(slow.authenticate_async(bearer(key)))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(slow.authenticate_async(bearer(key)), 0.001)
        assert (await slow.authenticate_async(bearer(key))).name == "slow"

    asyncio.run(main())


def test_a_loop_that_is_closed_is_not_disturbed(slow: InspireAuth) -> None:
    for n in range(10):
        key = create(slow, f"slow{n}")

        async def begin(key: CreatedKey = key) -> None:
            task = asyncio.ensure_future(slow.authenticate_async(bearer(key)))
            await asyncio.sleep(0)
            assert not task.done()
            tasks.append(task)

        tasks: list[asyncio.Task[object]] = []
        loop = asyncio.new_event_loop()
        loop.run_until_complete(begin())
        loop.close()
        # The hash answers to a loop that is closed: nobody is told, and nothing is printed.
        assert slow.authenticate(bearer(key)).name == f"slow{n}"
        (task,) = tasks
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        task.get_coro().close()  # type: ignore[union-attr]


def test_a_cold_check_needs_a_loop(auth: InspireAuth) -> None:
    key = create(auth, "k")
    with pytest.raises(RuntimeError, match="loop"):
        auth.authenticate_async(bearer(key)).send(None)
    assert auth.authenticate(bearer(key)).name == "k"


def test_several_loops_share_a_handle(auth: InspireAuth) -> None:
    keys = [create(auth, f"k{n}") for n in range(24)]
    names: list[str | None] = []

    def run(part: list[CreatedKey]) -> None:
        async def main() -> None:
            answers = await asyncio.gather(*(auth.authenticate_async(bearer(key)) for key in part))
            names.extend(answer.name for answer in answers)

        asyncio.run(main())

    threads = [threading.Thread(target=run, args=(keys[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, names)) == sorted(f"k{n}" for n in range(24))


def test_audit_events_of_a_slow_check_are_told_on_the_loop() -> None:
    told: list[tuple[str, threading.Thread]] = []

    def note(event: AuditEvent) -> None:
        told.append((event.event, threading.current_thread()))

    with InspireAuth.open(hash=FAST, audit=note) as auth:
        created = auth.keys.create("k", actor=SYSTEM)

        async def main() -> None:
            with pytest.raises(PermissionDeniedError):
                await auth.authenticate_async(bearer(created))

        asyncio.run(main())
        assert told == [("key.created", threading.main_thread()), ("key.exposed", threading.main_thread())]


def test_nothing_is_kept_behind(auth: InspireAuth) -> None:
    class Waiter:
        async def wait(self, key: CreatedKey) -> None:
            await auth.authenticate_async(bearer(key))

    waiter = Waiter()
    asyncio.run(waiter.wait(create(auth, "k")))
    gone = weakref.ref(waiter)
    del waiter
    gc.collect()
    assert gone() is None
