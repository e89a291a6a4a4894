"""Servers fork worker after worker: each knows every key, and every revocation, by its next request; none hangs.

    python -m adapters.test_server_forks --list         the cells
    python -m adapters.test_server_forks FORKS CELL     so many workers in one
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from inspire_auth import SYSTEM, AuthenticationError, InspireAuth

from .sample import FAST
from .servers import Process, gunicorn_process, uwsgi_process
from .wire import Address, Answer, ask, bearer

HERE = Path(__file__).parent
FORKS = 200 if os.environ.get("INSPIRE_SOAK") else 8
WORKERS = 2
PATIENCE = "10" if os.environ.get("INSPIRE_SOAK") else "60"
"""Seconds after which a worker that answers nothing is ended, and the test fails."""
REQUESTS = 3
"""Requests to a worker before the master forks another in its place."""

COMMON = {
    "gunicorn": ["-w", str(WORKERS), "--max-requests", str(REQUESTS), "--timeout", PATIENCE],
    # A worker is replaced however young it is; one that hangs is ended, and said to be.
    "uwsgi": [
        *("--processes", str(WORKERS), "--max-requests", str(REQUESTS), "--min-worker-lifetime", "0"),
        *("--harakiri", PATIENCE, "--disable-logging"),
    ],
}
SERVERS = {
    "gunicorn-sync": [*COMMON["gunicorn"], "--worker-class", "sync"],
    "gunicorn-gthread": [*COMMON["gunicorn"], "--worker-class", "gthread", "--threads", "3"],
    "gunicorn-gevent": [*COMMON["gunicorn"], "--worker-class", "gevent"],
    "uwsgi": COMMON["uwsgi"],
}
# Whether the application is loaded, and the store used, before the forks; or whether each worker opens the store. When
# the parent is busy, threads of its own hash and write while it forks.
LOADS = ["preload", "preload-busy", "lazy"]
# uWSGI does not bear Python threads in its master: a worker that it makes meanwhile waits for ever, in
# `uwsgi_python_master_fixup`, for the interpreter's lock, which one of them held.
CELLS = [f"{server}-{load}" for server in SERVERS for load in LOADS if (server, load) != ("uwsgi", "preload-busy")]


def serve(cell: str, store: Path, credential: str) -> Process:
    server = next(server for server in SERVERS if cell.startswith(server))
    load = cell.removeprefix(server + "-")
    environment = {"INSPIRE_STORE": str(store), "INSPIRE_CREDENTIAL": credential}
    if load == "preload-busy":
        environment["INSPIRE_BUSY"] = "1"
    if server == "uwsgi":
        options = ["--lazy-apps"] if load == "lazy" else []
        return uwsgi_process("fork_site:app", *SERVERS[server], *options, cwd=HERE, **environment)
    options = [] if load == "lazy" else ["--preload"]
    return gunicorn_process("fork_site:app", *SERVERS[server], *options, cwd=HERE, **environment)


class Matrix:
    def __init__(self, auth: InspireAuth, at: Address, known: str) -> None:
        self.auth, self.at, self.known = auth, at, known
        self.pids: set[str | None] = set()
        self.random: list[str] = []

    def ask(self, path: str, credential: str) -> Answer:
        answer = ask(self.at, "GET", path, bearer(credential))
        self.pids.add(answer.header("x-pid"))
        return answer

    def all(self, credential: str, expected: str) -> None:
        """Whichever worker is asked."""
        for _ in range(WORKERS):
            assert self.ask("/check", credential).code == expected

    def refused(self, credential: str) -> None:
        with pytest.raises(AuthenticationError):
            self.auth.authenticate(f"Bearer {credential}")

    def round(self, number: int) -> None:
        self.all(self.known, "200")
        # Made and revoked here, checked there.
        ours = self.auth.keys.create(f"ours-{number}", require_secure=False, actor=SYSTEM)
        self.random += [ours.credential.split(":")[1], ours.record.id]
        self.all(ours.credential, "200")
        self.auth.keys.delete(f"ours-{number}", actor=SYSTEM)
        self.all(ours.credential, "401 INVALID_CREDENTIAL")
        # Made and revoked there, checked here and by the other workers.
        theirs = self.ask(f"/make?name=theirs-{number}", self.known).json
        self.random += [theirs["credential"].split(":")[1], theirs["id"]]
        assert self.auth.authenticate(f"Bearer {theirs['credential']}").name == f"theirs-{number}"
        self.all(theirs["credential"], "200")
        assert self.ask(f"/revoke?name=theirs-{number}", self.known).code == "200"
        self.refused(theirs["credential"])
        self.all(theirs["credential"], "401 INVALID_CREDENTIAL")


def settle(running: Process, *, is_lazy: bool) -> None:
    """Waits until every worker of uWSGI's is up. One that has just been forked still has its master's handlers, takes a
    signal for the master, and lives on; a lazy one for as long as it loads the application."""

    def is_settled() -> bool:
        begun = running.output.count("Respawned uWSGI worker")
        is_up = not is_lazy or running.output.count("WSGI app 0") == WORKERS + begun
        return is_up and running.output.count("is done. Seeya!") == begun

    # Whoever has answered often enough goes away now; and its successor needs a moment to be one of its own.
    said = None
    while said != running.output:
        running.wait_for(is_settled)
        said = running.output
        time.sleep(1)


def run(cell: str, forks: int, folder: Path) -> None:
    store = folder / f"fork-{cell}.db"
    with InspireAuth.open(store, hash=FAST) as auth:
        known = auth.keys.create("known", require_secure=False, actor=SYSTEM).credential
        with serve(cell, store, known) as running:
            [at] = running.addresses()
            matrix = Matrix(auth, at, known)
            number = 0
            while len(matrix.pids) < forks:
                number += 1
                matrix.round(number)
                if number == 2 and cell.startswith("gunicorn"):
                    # All at once; with a preloaded application the new workers are forked from the same master.
                    running.child.send_signal(signal.SIGHUP)
            if cell.startswith("uwsgi"):
                settle(running, is_lazy=cell.endswith("lazy"))
            status = running.end()
            for sign in ("Traceback", "panicked", "Exception ignored", "TIMEOUT", "HARAKIRI", "SIGSEGV", "Fatal"):
                assert sign not in running.output, running.output
            # uWSGI's says whether a worker was just starting.
            assert status in (0, -15) or cell.startswith("uwsgi"), running.output
        assert len(matrix.random) == len(set(matrix.random)) == 4 * number
        assert {key.name for key in auth.keys.list()} <= {"known", "busy0", "busy1"}
    with contextlib.closing(sqlite3.connect(store)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize("cell", CELLS)
def test_every_worker_of_a_server(cell: str, tmp_path: Path) -> None:
    run(cell, FORKS, tmp_path)


def main(arguments: list[str]) -> Any:
    if arguments == ["--list"]:
        print("\n".join(CELLS))
        return
    forks, cell = arguments
    run(cell, int(forks), Path(tempfile.gettempdir()))


if __name__ == "__main__":
    main(sys.argv[1:])
