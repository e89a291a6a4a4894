"""A vendor for tests: `inspire-auth issuer serve` on this machine, and what stands between it and a product."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import threading
import urllib.parse
from pathlib import Path
from typing import Any

import pytest

from inspire_auth import HashParameters, HttpRequest, HttpResponse, InspireAuth, Server, TrustedKey

CLI = os.environ.get("INSPIRE_AUTH_CLI")
PATIENCE = 60
"""Seconds after which what does not come never will."""


class Vendor:
    """Its licenses are in a folder; its server runs from `start` to `stop`, at one address."""

    def __init__(self, folder: Path) -> None:
        if CLI is None:
            pytest.skip("INSPIRE_AUTH_CLI does not say where the inspire-auth program is")
        self.folder = folder
        # Bound and never listened to: nobody else gets this address while the server is away.
        self._place = socket.socket()
        self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._place.bind(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._place.getsockname()[1]}"
        self._server: subprocess.Popen[str] | None = None
        self._run("issuer", "keygen", "--out-dir", str(folder), "--id", "vendor")
        key_id, public_key = (folder / "vendor.pub").read_text().split()
        self.trusted = TrustedKey(key_id, public_key)

    @property
    def url(self) -> str:
        return f"http://{self.host}/v1"

    def start(self, *failures: str) -> None:
        """Starts the server; each of `failures` spoils an answer, as `--fail` has it."""
        spoiled = [word for failure in failures for word in ("--fail", failure)]
        key = str(self.folder / "vendor.key")
        command = self._command("issuer", "serve", "--key", key, "--listen", self.host, *spoiled)
        self._server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._server.stdout is not None
        assert json.loads(self._server.stdout.readline())["url"] == self.url

    def stop(self) -> None:
        if self._server is not None:
            with self._server as server:
                server.kill()
            self._server = None

    def close(self) -> None:
        self.stop()
        self._place.close()

    def create(self, *arguments: str) -> tuple[str, str]:
        """Makes a license: its id, and its key."""
        license = self._licenses("create", "--name", "Plant 3", *arguments)["license"]
        return license["id"], license["key"]

    def change(self, verb: str, id: str, *arguments: str) -> None:
        self._licenses(verb, id, *arguments)

    def machines(self, id: str) -> int:
        """How many machines use a license."""
        return len(self._licenses("show", id)["license"]["machines"])

    def open(self, store: str | Path = ":memory:", *, machine_id: str = "m1", **options: Any) -> InspireAuth:
        """A product of this vendor's: its server is this one, unless `server` is another."""
        options.setdefault("server", Server(self.url, proxy=""))
        hash = HashParameters(memory_kib=64, iterations=1, parallelism=1)
        return InspireAuth.open(store, hash=hash, trusted_keys=[self.trusted], machine_id=machine_id, **options)

    def _licenses(self, *arguments: str) -> Any:
        return json.loads(self._run("issuer", "license", *arguments))

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(self._command(*arguments), capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _command(self, *arguments: str) -> list[str]:
        db = ["--db", str(self.folder / "licenses.db")] if "keygen" not in arguments else []
        return [str(CLI), *arguments, *db, "--json"]


class Doorway:
    """What a product connects to instead of the server: whoever comes waits in it until it is opened, or closed."""

    def __init__(self, to: str | None = None) -> None:
        self._to = to
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        self._arrivals = threading.Semaphore(0)
        self._decided = threading.Event()
        self._is_open = False
        threading.Thread(target=self._receive, daemon=True).start()

    def wait_for_one(self) -> None:
        """Returns when somebody has come."""
        assert self._arrivals.acquire(timeout=PATIENCE)

    def open(self) -> None:
        """Lets everybody through to the server, now and later."""
        self._is_open = True
        self._decided.set()

    def close(self) -> None:
        """Shuts the door in everybody's face."""
        self._decided.set()
        # A thread that waits in `accept` does not hear of `close`.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _receive(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._arrivals.release()
            threading.Thread(target=self._pass_on, args=(connection,), daemon=True).start()

    def _pass_on(self, connection: socket.socket) -> None:
        with connection:
            self._decided.wait()
            if not self._is_open or self._to is None:
                return
            host, port = self._to.split(":")
            with socket.create_connection((host, int(port))) as server:
                back = threading.Thread(target=_copy, args=(server, connection), daemon=True)
                back.start()
                _copy(connection, server)
                back.join()


def _copy(source: socket.socket, to: socket.socket) -> None:
    try:
        while piece := source.recv(65536):
            to.sendall(piece)
        to.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def carry(request: HttpRequest) -> HttpResponse:
    """A transport, as a host would write one."""
    url = urllib.parse.urlsplit(request.url)
    connection = http.client.HTTPConnection(url.netloc, timeout=request.timeout)
    try:
        target = url.path + ("?" + url.query if url.query else "")
        connection.request(request.method, target, request.body, dict(request.headers))
        answer = connection.getresponse()
        return HttpResponse(answer.status, answer.getheaders(), answer.read())
    finally:
        connection.close()
