"""Servers with many processes: each knows a key, and forgets it, at the next request; none hangs."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from .sample import READ
from .servers import PACKAGE, Process, gunicorn_process, uvicorn_process
from .wire import PATIENCE, Address, Answer, ask, bearer

HERE = Path(__file__).parent

SERVERS = {
    "uvicorn": lambda **env: uvicorn_process("fastapi_site:app", cwd=HERE, **env),
    "uvicorn, 4 workers": lambda **env: uvicorn_process("fastapi_site:app", "--workers", "4", cwd=HERE, **env),
    "gunicorn --preload, uvicorn workers": lambda **env: gunicorn_process(
        "fastapi_site:app", "-w", "4", "--preload", "-k", "uvicorn_worker.UvicornWorker", cwd=HERE, **env
    ),
    "gunicorn --preload, its own ASGI workers": lambda **env: gunicorn_process(
        "fastapi_site:app", "-w", "4", "--preload", "-k", "asgi", cwd=HERE, **env
    ),
    "gunicorn --preload, Django": lambda **env: gunicorn_process(
        "django_site:preloaded()", "-w", "4", "--preload", cwd=HERE, **env
    ),
    "gunicorn --preload, Django in threads": lambda **env: gunicorn_process(
        "django_site:preloaded()", "-w", "4", "--preload", "--threads", "4", cwd=HERE, **env
    ),
}


def elsewhere(store: str, statement: str) -> str:
    """Does something to the store in a process of its own; returns what it prints."""
    program = (
        "from inspire_auth import SYSTEM, HashParameters, InspireAuth\n"
        f"with InspireAuth.open({store!r}, hash=HashParameters(64, 1, 1)) as auth:\n    {statement}"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env={"PYTHONPATH": str(PACKAGE)}, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def all_answer(at: Address, processes: int, credential: str, expected: str) -> None:
    """Asks until every process has answered; each answer is as expected, the first as well as the last."""

    def one(_: int) -> Answer:
        return ask(at, "GET", "/read", bearer(credential))

    pids: set[str | None] = set()
    deadline = time.monotonic() + PATIENCE
    with ThreadPoolExecutor(16) as pool:
        while len(pids) < processes:
            assert time.monotonic() < deadline, f"only {len(pids)} of {processes} processes answered"
            for answer in pool.map(one, range(32)):
                assert answer.code == expected
                pids.add(answer.header("x-pid"))
    assert len(pids) == processes


PREFORKED = ["gunicorn --preload, its own ASGI workers", "gunicorn --preload, Django in threads"]


@pytest.mark.parametrize("server", PREFORKED)
def test_preforked_processes_follow_a_database(server: str, database: str) -> None:
    """A handle that was opened before the fork goes on in each worker, with a connection of its own."""
    create = f"levels=[{READ!r}], require_secure=False, actor=SYSTEM).credential)"
    first, second = (elsewhere(database, f"print(auth.keys.create({name!r}, {create}") for name in ("first", "second"))
    with SERVERS[server](INSPIRE_STORE=database, INSPIRE_CREDENTIAL=first) as running:
        [at] = running.addresses()
        for credential in (first, second):
            all_answer(at, 4, credential, "200")
        elsewhere(database, "auth.keys.delete('second', actor=SYSTEM)")
        deadline = time.monotonic() + PATIENCE
        while any(ask(at, "GET", "/read", bearer(second)).code == "200" for _ in range(64)):
            assert time.monotonic() < deadline, "a worker goes on as before"
        all_answer(at, 4, second, "401 INVALID_CREDENTIAL")
        all_answer(at, 4, first, "200")
        assert running.end() in (0, -15), running.output
        for sign in ("Traceback", "panicked", "CRITICAL", "SIGKILL", "SIGSEGV", "SIGABRT"):
            assert sign not in running.output, running.output


@pytest.mark.parametrize("server", SERVERS)
def test_all_processes_see_each_change_at_once(server: str, store: str, keys: SimpleNamespace) -> None:
    running: Process
    with SERVERS[server](INSPIRE_STORE=store, INSPIRE_CREDENTIAL=keys.reader) as running:
        [at] = running.addresses()
        processes = 1 if server == "uvicorn" else 4
        all_answer(at, processes, keys.reader, "200")
        all_answer(at, processes, "late:" + keys.reader.split(":")[1], "401 INVALID_CREDENTIAL")
        late = elsewhere(
            store,
            f"print(auth.keys.create('late', levels=[{READ!r}], require_secure=False, actor=SYSTEM).credential)",
        )
        all_answer(at, processes, late, "200")
        elsewhere(store, "auth.keys.delete('late', actor=SYSTEM)")
        all_answer(at, processes, late, "401 INVALID_CREDENTIAL")
        all_answer(at, processes, keys.reader, "200")
        elsewhere(store, "auth.keys.update('reader', auth.keys.get('reader').revision, levels=[], actor=SYSTEM)")
        all_answer(at, processes, keys.reader, "403 INSUFFICIENT_LEVEL")
        assert running.end() in (0, -15), running.output
        for sign in ("Traceback", "panicked", "Exception ignored", "CRITICAL", "SIGKILL", "SIGSEGV", "SIGABRT"):
            assert sign not in running.output, running.output
        assert keys.reader.split(":")[1] not in running.output


def test_many_cold_keys_at_once_are_all_answered(store: str, auth: object, keys: SimpleNamespace) -> None:
    made = elsewhere(
        store,
        "for n in range(12): print(auth.keys.create(f'k{n}', levels=['Authenticated/Gateway/Read'],"
        " require_secure=False, actor=SYSTEM).credential)",
    ).split()
    options = ["-w", "4", "--preload", "-k", "uvicorn_worker.UvicornWorker"]
    environment = {"INSPIRE_STORE": store, "INSPIRE_CREDENTIAL": keys.reader}
    with gunicorn_process("fastapi_site:app", *options, cwd=HERE, **environment) as running:
        [at] = running.addresses()
        with ThreadPoolExecutor(16) as pool:
            for path in ("/read", "/read-in-a-thread"):
                codes = pool.map(lambda credential, path=path: ask(at, "GET", path, bearer(credential)).code, made * 4)
                assert set(codes) == {"200"}
