"""Real servers on the loopback interface: on a thread of this process, or in processes of their own."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import socketserver
import subprocess
import sys
import threading
import time
import wsgiref.simple_server
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
import werkzeug.serving

import inspire_auth

from .wire import PATIENCE, Address

PACKAGE = Path(inspire_auth.__file__).parents[1]
"""Where the package under test is: here, or where it was installed."""


@contextlib.contextmanager
def uvicorn_thread(app: Any, **options: Any) -> Iterator[Address]:
    """uvicorn with h11, as it runs without further packages."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, http="h11", log_config=None, timeout_graceful_shutdown=1, **options)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
            assert not thread.is_alive()


class _ThreadingServer(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True


class _QuietHandler(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextlib.contextmanager
def _serving(server: Any) -> Iterator[Address]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_address
    finally:
        server.shutdown()
        thread.join(PATIENCE)
        server.server_close()
        assert not thread.is_alive()


def wsgiref_thread(app: Any) -> contextlib.AbstractContextManager[Address]:
    """The standard library's server."""
    server = wsgiref.simple_server.make_server(
        "127.0.0.1", 0, app, server_class=_ThreadingServer, handler_class=_QuietHandler
    )
    return _serving(server)


def werkzeug_thread(app: Any) -> contextlib.AbstractContextManager[Address]:
    """Flask's development server."""

    class Quiet(werkzeug.serving.WSGIRequestHandler):
        def log(self, type: str, message: str, *args: Any) -> None:
            pass

    return _serving(werkzeug.serving.make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet))


def _accepts(address: Address) -> bool:
    try:
        socket.create_connection(address, PATIENCE).close()
    except ConnectionRefusedError:
        return False
    return True


class Process:
    """A server in a process of its own; it says on stderr or stdout where it listens."""

    def __init__(self, arguments: list[str], *, cwd: Path, environment: dict[str, str], listening: str) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("INSPIRE_")}
        path = os.pathsep.join([str(PACKAGE), *filter(None, [inherited.get("PYTHONPATH")])])
        self.child = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=cwd,
            env={**inherited, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self._listening = re.compile(listening)

    def _read(self) -> None:
        assert self.child.stdout is not None
        for line in self.child.stdout:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    @property
    def output(self) -> str:
        with self._changed:
            return "".join(self._lines)

    def addresses(self, count: int = 1) -> list[Address]:
        """Where it listens, once it does."""

        def found() -> list[re.Match[str]]:
            return [match for line in self._lines if (match := self._listening.search(line))]

        self.wait_for(lambda: len(found()) >= count)
        addresses = [(match[1], int(match[2])) for match in found()]
        # uvicorn says so before its workers do.
        self.wait_for(lambda: all(_accepts(address) for address in addresses))
        return addresses

    def wait_for(self, condition: Any) -> None:
        """Waits until its output fulfils a condition."""
        deadline = time.monotonic() + PATIENCE
        with self._changed:
            while not condition():
                assert self._reader.is_alive(), f"it ended:\n{''.join(self._lines)}"
                assert time.monotonic() < deadline, f"it says only:\n{''.join(self._lines)}"
                self._changed.wait(0.1)

    def end(self) -> int:
        """Ends it as a service manager would; returns its status. It must not hang."""
        self.child.terminate()
        try:
            return self.child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait(PATIENCE)
            raise AssertionError(f"it did not end:\n{self.output}") from None
        finally:
            self._reader.join(PATIENCE)
            assert self.child.stdout is not None
            self.child.stdout.close()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        if self.child.returncode is None:
            self.end()


def uvicorn_process(app: str, *options: str, cwd: Path, **environment: str) -> Process:
    arguments = ["-m", "uvicorn", app, "--port", "0", *options]
    return Process(arguments, cwd=cwd, environment=environment, listening=r"running on http://([\d.]+):(\d+)")


def gunicorn_process(app: str, *options: str, cwd: Path, **environment: str) -> Process:
    # No control socket: it would be one file for all servers of this user.
    arguments = ["-m", "gunicorn", app, "-b", "127.0.0.1:0", "--graceful-timeout", "5", "--no-control-socket", *options]
    return Process(arguments, cwd=cwd, environment=environment, listening=r"Listening at: http://([\d.]+):(\d+)")


def uwsgi_process(module: str, *options: str, cwd: Path, **environment: str) -> Process:
    arguments = ["-c", "import sys, pyuwsgi; pyuwsgi.run(sys.argv[1:])", "--http-socket", "127.0.0.1:0", "--need-app"]
    # SIGTERM ends it; else it means a reload.
    arguments += ["--master", "--enable-threads", "--single-interpreter", "--die-on-term", "--module", module, *options]
    return Process(arguments, cwd=cwd, environment=environment, listening=r"bound to TCP address ([\d.]+):(\d+)")
