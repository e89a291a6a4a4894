"""HTTP as it is written: header lines go out one by one, as no client library would send them."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import Any

Address = tuple[str, int]
PATIENCE = 20.0
"""Seconds: longer than any answer takes on a busy machine."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        found = [value for known, value in self.headers if known == name.lower()]
        assert len(found) < 2, f"{name} came {len(found)} times"
        return found[0] if found else None

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """`200`, or `401 NO_CREDENTIAL`."""
        return str(self.status) if self.status == 200 else f"{self.status} {self.json['error']}"


def bearer(credential: str) -> tuple[str, str]:
    return ("Authorization", f"Bearer {credential}")


def token(credential: str) -> tuple[str, str]:
    return ("X-Ignition-API-Token", credential)


def connect(address: Address) -> socket.socket:
    return socket.create_connection(address, PATIENCE)


def send_head(connection: socket.socket, method: str, path: str, *lines: tuple[str, str]) -> None:
    head = "".join(f"{name}: {value}\r\n" for name, value in [("Host", "localhost"), *lines])
    connection.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1"))


def read_answer(connection: socket.socket, *, to_the_end: bool = False) -> Answer:
    """Reads one answer, to its length, or to the connection's end whatever it says."""
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(65536)
        assert more, f"the connection ended within {received!r}"
        received += more
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = tuple((name.strip().lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
    answer = Answer(int(first.split()[1]), headers, b"")
    length = None if to_the_end else answer.header("content-length")
    chunked = answer.header("transfer-encoding") == "chunked" and not to_the_end
    while chunked or length is None or len(body) < int(length):
        more = connection.recv(65536)
        if not more:
            break
        body += more
        if chunked and body.endswith(b"0\r\n\r\n"):
            break
    return Answer(answer.status, headers, dechunked(body) if chunked else body)


def dechunked(body: bytes) -> bytes:
    text = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        text += rest[: int(size, 16)]
        body = rest[int(size, 16) + 2 :]
    return text


def ask(address: Address, method: str, path: str, *lines: tuple[str, str], body: bytes = b"") -> Answer:
    """Sends a request on a connection of its own."""
    with connect(address) as connection:
        extra = [("Content-Length", str(len(body)))] if body or method not in ("GET", "HEAD", "OPTIONS") else []
        send_head(connection, method, path, *lines, *extra, ("Connection", "close"))
        connection.sendall(body)
        return read_answer(connection, to_the_end=method == "HEAD")
