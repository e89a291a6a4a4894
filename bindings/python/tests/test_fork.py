"""Forked processes go on with their parent's handle."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from conftest import FAST, bearer
from vendor import PATIENCE, Doorway, Vendor, carry

from inspire_auth import (
    SYSTEM,
    AuthenticationError,
    CreatedKey,
    HttpRequest,
    HttpResponse,
    InspireAuth,
    LicenseStatus,
    Server,
    UnlicensedError,
)

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


@pytest.fixture(autouse=True)
def forking_with_threads_is_what_is_tested() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def in_child(body: Callable[[], None]) -> None:
    """Runs `body` in a forked process; fails when it does, or when it has not ended within 30 seconds."""
    child = os.fork()
    if child == 0:
        try:
            body()
            sys.stderr.flush()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    pytest.fail("the child hangs")


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[InspireAuth]:
    with InspireAuth.open(tmp_path / "keys.db", hash=FAST) as auth:
        yield auth


def use(auth: InspireAuth, known: CreatedKey, name: str) -> None:
    """What a worker does: a warm check, a cold one, a refusal, a change."""
    assert auth.authenticate(bearer(known)) is auth.authenticate(bearer(known))
    created = auth.keys.create(name, require_secure=False, actor=SYSTEM)
    assert auth.authenticate(bearer(created)).name == name
    with pytest.raises(AuthenticationError):
        auth.authenticate("Bearer nobody:x")


def test_parent_and_child_see_each_others_changes(shared: InspireAuth) -> None:
    known = shared.keys.create("known", require_secure=False, actor=SYSTEM)
    shared.authenticate(bearer(known))

    def child() -> None:
        use(shared, known, "of-the-child")
        shared.keys.delete("known", actor=SYSTEM)

    in_child(child)
    assert shared.keys.get("of-the-child").enabled
    with pytest.raises(AuthenticationError):
        shared.authenticate(bearer(known))


def test_a_fork_in_the_middle_of_everything(tmp_path: Path) -> None:
    events: list[object] = []
    with InspireAuth.open(tmp_path / "keys.db", hash=FAST, audit=events.append) as auth:
        known = auth.keys.create("known", require_secure=False, actor=SYSTEM)
        done = threading.Event()

        def keep_busy(n: int) -> None:
            at = 0
            while not done.is_set():
                at += 1
                created = auth.keys.create(f"t{n}-{at}", require_secure=False, actor=SYSTEM)
                auth.authenticate(bearer(created))
                with pytest.raises(AuthenticationError):
                    auth.authenticate("Bearer nobody:x")

        threads = [threading.Thread(target=keep_busy, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        try:
            for n in range(15):

                def child(n: int = n) -> None:
                    told = len(events)
                    use(auth, known, f"c{n}")
                    assert len(events) > told

                in_child(child)
        finally:
            done.set()
            for thread in threads:
                thread.join()


def test_a_child_exits_as_usual(shared: InspireAuth) -> None:
    """Through Python's own end, `atexit` and all: not by `os._exit` as above."""
    known = shared.keys.create("known", require_secure=False, actor=SYSTEM)
    context = multiprocessing.get_context("fork")
    for n in range(3):
        process = context.Process(target=use, args=(shared, known, f"m{n}"))
        process.start()
        process.join(30)
        assert process.exitcode == 0
    with ProcessPoolExecutor(2, mp_context=context, initializer=_inherit, initargs=(shared, known)) as pool:
        assert list(pool.map(_check, range(8))) == ["known"] * 8


_inherited: list[tuple[InspireAuth, CreatedKey]] = []


def _inherit(auth: InspireAuth, known: CreatedKey) -> None:
    _inherited.append((auth, known))


def _check(_: int) -> str | None:
    auth, known = _inherited[0]
    return auth.authenticate(bearer(known)).name


def test_a_fork_while_a_call_waits_for_the_licensing_server(vendor: Vendor, doorway: Doorway, tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    _, key = vendor.create("--entitle", "MFA")
    with vendor.open(store, server=Server(doorway.url, proxy="", timeout=PATIENCE)) as auth:
        answers: list[LicenseStatus] = []
        call = threading.Thread(target=lambda: answers.append(auth.license.activate_online(key, actor=SYSTEM)))
        call.start()
        doorway.wait_for_one()

        def child() -> None:
            known = auth.keys.create("known", require_secure=False, actor=SYSTEM)
            use(auth, known, "of-the-child")
            with pytest.raises(UnlicensedError):
                auth.license.check_entitlement("MFA")
            with vendor.open(store) as direct:
                direct.license.activate_online(key, actor=SYSTEM)
            auth.license.check_entitlement("MFA")

        in_child(child)
        auth.license.check_entitlement("MFA")
        assert auth.keys.get("of-the-child").enabled and not answers
        doorway.open()
        call.join()
        assert [answer.state for answer in answers] == ["active"]


def test_a_child_asks_the_licensing_server_by_its_parents_handle(vendor: Vendor, tmp_path: Path) -> None:
    parent, arrived, opened = os.getpid(), threading.Event(), threading.Event()

    def transport(request: HttpRequest) -> HttpResponse:
        if os.getpid() == parent:
            arrived.set()
            assert opened.wait(PATIENCE)
        return carry(request)

    _, key = vendor.create("--entitle", "MFA")
    with vendor.open(tmp_path / "store.db", server=Server(vendor.url, timeout=PATIENCE, transport=transport)) as auth:
        call = threading.Thread(target=auth.license.activate_online, args=(key,), kwargs={"actor": SYSTEM})
        call.start()
        assert arrived.wait(PATIENCE)

        def child() -> None:
            assert auth.license.activate_online(key, actor=SYSTEM).active
            assert auth.license.revalidate(actor=SYSTEM).entitlements == ("MFA",)

        in_child(child)
        auth.license.check_entitlement("MFA")
        opened.set()
        call.join()
        assert auth.license.status().active
