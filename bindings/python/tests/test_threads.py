"""Threads, and the interpreter's lock."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import FAST, bearer

from inspire_auth import SYSTEM, AuditEvent, AuthenticationError, HashParameters, InspireAuth


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_eight_threads_check_while_keys_change(kind: str, tmp_path: Path) -> None:
    events: list[AuditEvent] = []
    store = ":memory:" if kind == "memory" else tmp_path / "keys.db"
    with InspireAuth.open(store, hash=FAST, audit=events.append) as auth:
        lasting = auth.keys.create("lasting", require_secure=False, actor=SYSTEM)
        done = threading.Event()

        def check(n: int) -> int:
            checks = 0
            while not done.is_set() or checks == 0:
                assert auth.authenticate(bearer(lasting)).name == "lasting"
                with pytest.raises(AuthenticationError):
                    auth.authenticate(f"Bearer nobody{n}:x")
                checks += 1
            return checks

        with ThreadPoolExecutor(8) as threads:
            running = [threads.submit(check, n) for n in range(8)]
            for round in range(20):
                created = auth.keys.create(f"k{round}", require_secure=False, actor=SYSTEM)
                principal = auth.authenticate(bearer(created))
                assert principal.name == f"k{round}" and auth.authenticate(bearer(created)) is principal
                auth.keys.delete(f"k{round}", actor=SYSTEM)
                with pytest.raises(AuthenticationError):
                    auth.authenticate(bearer(created))
            done.set()
            assert all(future.result(60) > 0 for future in running)
    assert sum(event.event == "key.deleted" for event in events) == 20


def test_another_thread_goes_on_during_a_slow_hash() -> None:
    with InspireAuth.open(hash=HashParameters(memory_kib=8192, iterations=8)) as auth:
        created = auth.keys.create("slow", require_secure=False, actor=SYSTEM)
        began, ended = threading.Event(), threading.Event()
        steps = 0

        def step() -> None:
            nonlocal steps
            began.set()
            while not ended.is_set():
                steps += 1
                time.sleep(0)

        other = threading.Thread(target=step)
        other.start()
        began.wait()
        before = steps
        auth.authenticate(bearer(created))
        during = steps - before
        ended.set()
        other.join()
    # With the lock held throughout, it could not have taken more than the one step it was in.
    assert during > 10


def test_closing_waits_for_no_other_thread() -> None:
    auth = InspireAuth.open(hash=HashParameters(memory_kib=8192, iterations=8))
    created = auth.keys.create("slow", require_secure=False, actor=SYSTEM)
    answers: list[object] = []

    def check() -> None:
        answers.append(auth.authenticate(bearer(created)).name)

    other = threading.Thread(target=check)
    other.start()
    while not threading.active_count() > 1:
        time.sleep(0)
    time.sleep(0.005)
    auth.close()
    other.join(30)
    assert answers == ["slow"]
