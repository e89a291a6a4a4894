"""The fork matrix: whatever other threads and processes do at that moment, a fork hangs nobody, parent and children
decide and change keys as before, see each other's revocations at the next check, and never make the same secret.

    python -m test_fork_matrix --list         the cells
    python -m test_fork_matrix FORKS CELL     so many forks in one

Each cell is a process of its own, so that its children can end as any Python process does.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import faulthandler
import multiprocessing
import multiprocessing.connection
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from inspire_auth import SYSTEM, AuthenticationError, HashParameters, InspireAuth

FORKS = 200 if os.environ.get("INSPIRE_SOAK") else 8
PATIENCE = 10 if os.environ.get("INSPIRE_SOAK") else 60
"""Seconds without a step, after which a process hangs: in the sweep, and on a machine that may be busy."""
THREADS = 3
SIBLINGS = 2
CHOSEN = "Bearer chosen:chosen-by-a-person"
CHOSEN_HASH = (
    "$argon2id$v=19$m=4096,t=2,p=1$Zm9ya2Zvcmtmb3JrZm9yaw$oumIuATJgd+vZkWGv9Gom7+KmOjNHp+f969jdQZpC4M"
)
"""Slow enough to be in the air when a fork comes; and a chosen secret is never remembered: each check is an Argon2."""

Line = Any
"""One end of a `multiprocessing.Pipe`."""


@dataclass(frozen=True)
class Cell:
    busy: Callable[[Path, InspireAuth, str, int], None] | None = None
    """What other threads do, again and again."""
    start: str = "os.fork"
    """How children are made: so, or by a start method of `multiprocessing`."""
    from_a_thread: bool = False
    grandchild: bool = False
    lazy: bool = False
    """The store is opened after the fork, on both sides."""
    writer: bool = False
    """Another process changes keys all the time, so that each check has a change to follow."""
    loop: bool = False
    """An event loop runs, with checks in the air."""


@dataclass(frozen=True)
class Birth:
    """What a child is born with."""

    number: int
    path: Path
    warm: str
    cold: str
    """Not yet used."""
    doomed: str
    """Revoked by the parent, after the fork."""
    victim: str
    """Revoked by the child."""


def step() -> None:
    """Says that this process got here. If it gets no further, its threads are shown, and it is ended."""
    signal.alarm(PATIENCE)


def open_store(path: Path) -> InspireAuth:
    return InspireAuth.open(path, hash=HashParameters(64, 1, 1))


def make(auth: InspireAuth, name: str) -> tuple[str, list[str]]:
    """A new key: what its requests present; what is random in it."""
    created = auth.keys.create(name, require_secure=False, actor=SYSTEM)
    return f"Bearer {created.credential}", [created.credential.split(":")[1], created.record.id]


def refused(auth: InspireAuth, credential: str) -> None:
    try:
        auth.authenticate(credential)
    except AuthenticationError as error:
        assert error.code == "INVALID_CREDENTIAL", error.code
    else:
        raise AssertionError(f"{credential.split(':')[0]} was granted")


# What other threads do.


def check(_: Path, auth: InspireAuth, warm: str, thread: int) -> None:
    auth.authenticate(warm)
    refused(auth, "Bearer nobody:x")


def revoke(_: Path, auth: InspireAuth, warm: str, thread: int) -> None:
    credential, _random = make(auth, f"busy{thread}")
    auth.authenticate(credential)
    auth.keys.set_enabled(f"busy{thread}", False, actor=SYSTEM)
    refused(auth, credential)
    auth.keys.delete(f"busy{thread}", actor=SYSTEM)
    refused(auth, credential)


def hash_(_: Path, auth: InspireAuth, warm: str, thread: int) -> None:
    auth.authenticate(CHOSEN)


def open_and_close(path: Path, _: InspireAuth, warm: str, thread: int) -> None:
    with open_store(path) as auth:
        auth.authenticate(warm)


CELLS = {
    "plain": Cell(),
    "thread": Cell(check, from_a_thread=True),
    "revoke": Cell(revoke),
    "argon2": Cell(hash_),
    "reload": Cell(check, writer=True),
    "open": Cell(open_and_close),
    "asyncio": Cell(loop=True),
    "double": Cell(grandchild=True),
    "double-revoke": Cell(revoke, from_a_thread=True, grandchild=True, writer=True),
    "lazy": Cell(lazy=True),
    "multiprocessing-fork": Cell(start="fork"),
    "multiprocessing-fork-revoke": Cell(revoke, start="fork"),
    "multiprocessing-fork-argon2": Cell(hash_, start="fork"),
    "multiprocessing-forkserver": Cell(revoke, start="forkserver"),
    "multiprocessing-spawn": Cell(revoke, start="spawn"),
}


# A child.


def live(auth: InspireAuth, birth: Birth, line: Line, loop: bool = False) -> None:
    """What each child does."""
    auth.authenticate(birth.warm)
    auth.authenticate(birth.doomed)
    if loop:
        # A loop of its own, beside the parent's, of which it inherited a picture.
        asyncio.run(both_async(auth, birth))
    auth.authenticate(birth.cold)
    auth.authenticate(CHOSEN)
    refused(auth, "Bearer warm:isk_wrong")
    refused(auth, "Bearer nobody:isk_wrong")
    line.send("ready")
    assert line.recv() == "revoked"
    step()
    refused(auth, birth.doomed)
    auth.keys.delete(f"victim-{birth.number}", actor=SYSTEM)
    refused(auth, birth.victim)
    credential, random = make(auth, f"made-{birth.number}")
    auth.authenticate(credential)
    line.send((credential, random))
    assert line.recv() == "go"


async def both_async(auth: InspireAuth, birth: Birth) -> None:
    await asyncio.gather(auth.authenticate_async(birth.cold), auth.authenticate_async(birth.warm))


_at_exit: list[Line] = []


@atexit.register
def tell_of_exit() -> None:
    for line in _at_exit:
        line.send("exit handlers ran")


_inherited: InspireAuth | None = None
"""For children of `multiprocessing`, which give what they inherited no other way."""


def live_as_a_process(birth: Birth, line: Line) -> None:
    """The whole of a child that `multiprocessing` made."""
    watch()
    step()
    if _inherited is not None:
        live(_inherited, birth, line)
    else:
        with open_store(birth.path) as auth:
            live(auth, birth, line)


@dataclass
class Child:
    line: Line
    ended: Callable[[], int]
    """Waits; returns its status."""
    tells: bool
    """Whether it ends through its exit handlers, and says so."""


class Leaves(SystemExit):
    """A child on its way out: through everything that its parent is in the middle of."""


def bear(cell: Cell, birth: Birth, auth: InspireAuth | None, siblings: list[Child]) -> Child:
    mine, its = multiprocessing.Pipe()
    if cell.start != "os.fork":
        global _inherited
        _inherited = auth
        process: Any = multiprocessing.get_context(cell.start).Process(target=live_as_a_process, args=(birth, its))
        process.start()
        its.close()

        def joined() -> int:
            process.join()
            status: int = process.exitcode
            process.close()
            return status

        return Child(mine, joined, tells=False)
    # As every Python process ends, or at once. A loop can't be left in a child, since its selector is the parent's.
    unwinds = birth.number % 2 == 0 and not cell.from_a_thread and not cell.loop
    pid = os.fork()
    if pid:
        its.close()
        return Child(mine, lambda: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), tells=unwinds)
    step()
    mine.close()
    for sibling in siblings:
        sibling.line.close()
    try:
        if cell.grandchild and (pid := os.fork()):
            its.close()
            os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        step()
        with open_store(birth.path) if auth is None else contextlib.nullcontext(auth) as handle:
            live(handle, birth, its, cell.loop)
        if unwinds:
            _at_exit.append(its)
            raise Leaves(0)
        os._exit(0)
    except BaseException as error:
        if isinstance(error, Leaves):
            raise
        traceback.print_exc()
        os._exit(1)


# The parent.


class Matrix:
    def __init__(self, cell: Cell, path: Path) -> None:
        self.cell, self.path = cell, path
        self.done = threading.Event()
        self.failed: list[BaseException] = []
        self.random: list[str] = []

    def run(self, forks: int) -> None:
        with open_store(self.path) as auth:
            self.warm, _ = make(auth, "warm")
            auth.keys.import_("chosen", hash=CHOSEN_HASH, require_secure=False, actor=SYSTEM)
            auth.authenticate(self.warm)
        with contextlib.ExitStack() as stack:
            if self.cell.lazy:
                self.rounds(None, forks)
            else:
                auth = stack.enter_context(open_store(self.path))
                auth.authenticate(self.warm)
                if self.cell.writer:
                    stack.enter_context(self.another_writes(auth))
                stack.enter_context(self.others(auth))
                self.among(auth, forks)
        assert not self.failed, self.failed
        self.look_back(forks)

    def among(self, auth: InspireAuth, forks: int) -> None:
        if self.cell.loop:
            asyncio.run(self.in_a_loop(auth, forks))
        elif self.cell.from_a_thread:
            forker = threading.Thread(target=self.guarded(lambda: self.rounds(auth, forks)))
            forker.start()
            forker.join()
        else:
            self.rounds(auth, forks)

    async def in_a_loop(self, auth: InspireAuth, forks: int) -> None:
        for number in range(0, forks, SIBLINGS):
            pending = [asyncio.ensure_future(auth.authenticate_async(CHOSEN)) for _ in range(3)]
            await asyncio.sleep(0)
            self.round(auth, range(number, min(number + SIBLINGS, forks)))
            assert [principal.name for principal in await asyncio.gather(*pending)] == ["chosen"] * 3

    def guarded(self, body: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            try:
                body()
            except BaseException as error:
                self.failed.append(error)

        return run

    @contextlib.contextmanager
    def others(self, auth: InspireAuth) -> Iterator[None]:
        """Other threads, at work."""
        busy = self.cell.busy
        if busy is None:
            yield
            return

        def work(thread: int) -> None:
            while not self.done.is_set():
                busy(self.path, auth, self.warm, thread)

        threads = [threading.Thread(target=self.guarded(lambda n=n: work(n))) for n in range(THREADS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.done.set()
            for thread in threads:
                thread.join()

    @contextlib.contextmanager
    def another_writes(self, auth: InspireAuth) -> Iterator[None]:
        """A process that changes a key until it is told to end."""
        flips, _ = make(auth, "flips")
        mine, its = multiprocessing.Pipe()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                mine.close()
                # Others may write, too: SQLite's lock is not fair.
                while not its.poll(0.01):
                    step()
                    auth.keys.set_enabled("flips", False, actor=SYSTEM)
                    refused(auth, flips)
                    auth.keys.set_enabled("flips", True, actor=SYSTEM)
                    auth.authenticate(flips)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        its.close()
        try:
            yield
        finally:
            if os.getpid() == parent:
                mine.close()
                assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

    def rounds(self, auth: InspireAuth | None, forks: int) -> None:
        for number in range(0, forks, SIBLINGS):
            self.round(auth, range(number, min(number + SIBLINGS, forks)))

    def round(self, auth: InspireAuth | None, numbers: range) -> None:
        step()
        with contextlib.ExitStack() as opened:
            if auth is None:
                with open_store(self.path) as before:
                    births = [self.prepare(before, number) for number in numbers]
            else:
                births = [self.prepare(auth, number) for number in numbers]
            children: list[Child] = []
            for birth in births:
                children.append(bear(self.cell, birth, auth, children))
            here = auth or opened.enter_context(open_store(self.path))
            for birth, child in zip(births, children, strict=True):
                self.see_through(here, birth, child)
            for child in children:
                step()
                child.line.send("go")
                if child.tells:
                    assert child.line.recv() == "exit handlers ran"
                assert child.ended() == 0
                child.line.close()

    def prepare(self, auth: InspireAuth, number: int) -> Birth:
        cold, doomed, victim = (make(auth, f"{what}-{number}")[0] for what in ("cold", "doomed", "victim"))
        auth.authenticate(doomed)
        auth.authenticate(victim)
        return Birth(number, self.path, self.warm, cold, doomed, victim)

    def see_through(self, auth: InspireAuth, birth: Birth, child: Child) -> None:
        step()
        # At the very time at which the child makes its own.
        own, random = make(auth, f"own-{birth.number}")
        self.random += random
        auth.keys.delete(f"own-{birth.number}", actor=SYSTEM)
        refused(auth, own)
        assert child.line.recv() == "ready"
        step()
        auth.keys.delete(f"doomed-{birth.number}", actor=SYSTEM)
        refused(auth, birth.doomed)
        child.line.send("revoked")
        made, random = child.line.recv()
        step()
        self.random += random
        refused(auth, birth.victim)
        auth.authenticate(made)
        auth.authenticate(self.warm)
        auth.authenticate(birth.cold)
        auth.keys.delete(f"cold-{birth.number}", actor=SYSTEM)

    def look_back(self, forks: int) -> None:
        """What was acknowledged is there and works, for a handle that knows nothing yet; what was revoked is not."""
        step()
        with open_store(self.path) as auth:
            names = [key.name for key in auth.keys.list()]
            assert sum(name.startswith("made-") for name in names) == forks, names
            assert {name for name in names if not name.startswith("made-")} <= {"warm", "chosen", "flips"}, names
            auth.authenticate(self.warm)
            auth.authenticate(CHOSEN)
        assert len(self.random) == len(set(self.random)) == 4 * forks
        with contextlib.suppress(ChildProcessError):
            pid, _ = os.waitpid(-1, os.WNOHANG)
            # The fork server and the resource tracker live on; a child of ours does not, dead or alive.
            assert pid == 0 and "forkserver" in self.cell.start or self.cell.start == "spawn", "a zombie"


def watch() -> None:
    faulthandler.register(signal.SIGALRM, all_threads=True, chain=True)


def main(arguments: list[str]) -> None:
    if arguments == ["--list"]:
        print("\n".join(CELLS))
        return
    forks, name = arguments
    warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads: that is what this is about
    # A warm check keeps the interpreter's lock: at the default every step would wait 5 ms for each busy thread.
    sys.setswitchinterval(0.0005)
    watch()
    step()
    path = Path(tempfile.gettempdir()) / f"fork-{name}.db"
    Matrix(CELLS[name], path).run(int(forks))
    signal.alarm(0)


@pytest.mark.parametrize("cell", CELLS)
def test_every_kind_of_fork(cell: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "test_fork_matrix", str(FORKS), cell]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, cwd=Path(__file__).parent, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    with contextlib.closing(sqlite3.connect(tmp_path / f"fork-{cell}.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


if __name__ == "__main__":
    main(sys.argv[1:])
