"""What the adapters share: which channel a request came through, and what the refused are told."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, Union

from . import ArgumentError, Requirement, TrustedProxies
from ._types import Channel, Headers

if TYPE_CHECKING:
    from . import InspireAuth, InspireAuthError

Connection = TypeVar("Connection")

ChannelSource = Union[Channel, TrustedProxies, Callable[[Connection], Channel]]
"""What an adapter's ``channel`` may be.

* ``"plain"``, the default: a key that requires a secure connection is refused.
* ``"secure"``: TLS ends in front of this service, and nothing else reaches its port.
* ``"local"``: loopback or a Unix socket; secure only with ``InspireAuth.open(..., local_is_secure=True)``.
* `TrustedProxies`: what a proxy of these addresses says in ``X-Forwarded-Proto`` is believed; everyone else is plain.
  The address must be that of the connection itself, so nothing may have replaced it (uvicorn: ``--no-proxy-headers``;
  no werkzeug ``ProxyFix``): a replaced address is one that the client may have chosen.
* a function of the framework's request, for everything else.
"""

_log = logging.getLogger("inspire_auth")


def channel_reader(
    channel: ChannelSource[Any],
) -> Callable[[Any, str | None, Headers], Channel]:
    """How the channel of one request is found, from (the framework's request, the peer's address, its headers).

    Raises:
        ArgumentError: `channel` is none of what it may be. Now, not at the first request.
    """
    if isinstance(channel, TrustedProxies):

        def said(connection: Any, peer: str | None, headers: Headers) -> Channel:
            try:
                return channel.channel(peer, "plain", headers)
            except ArgumentError:
                return "plain"  # a server's word for a peer without an address, such as a test client

        return said
    if callable(channel):
        return lambda connection, peer, headers: channel(connection)
    if channel not in ("plain", "secure", "local"):
        raise ArgumentError("INVALID_ARGUMENT", "channel is 'plain', 'secure', 'local', a TrustedProxies or a function")
    return lambda connection, peer, headers: channel


def compiled(require: Requirement | str | None) -> Requirement | None:
    """A requirement, read once.

    Raises:
        ArgumentError: it can't be read. Now, not at the first request.
    """
    return Requirement(require) if isinstance(require, str) else require


class Refusal(NamedTuple):
    """What a refused request is answered."""

    status: int
    headers: dict[str, str]
    """``WWW-Authenticate`` and ``Retry-After``, where they belong."""
    document: dict[str, str]
    """The body: the code and its general message. Why exactly is in the log only."""

    @property
    def body(self) -> bytes:
        """The document as JSON."""
        return json.dumps(self.document, separators=(",", ":")).encode()

    @property
    def all_headers(self) -> dict[str, str]:
        """The headers, with those of the body."""
        return {"Content-Type": "application/json", "Content-Length": str(len(self.body)), **self.headers}


def refuse(auth: InspireAuth, error: InspireAuthError, path: str) -> Refusal:
    """The answer to a refused request. Logs the reason, and of the path the length only: a key may stand in it by mistake.

    Raises:
        InspireAuthError: `error` itself, when it is no answer to a request but a mistake of the host.
    """
    if error.http_status is None:
        raise error
    reason = error.code if error.detail is None else f"{error.code}: {error.detail}"
    _log.info("refused a request for a path of %d characters: %s", len(path), reason)
    answer = auth.http(error)
    headers: dict[str, str] = {}
    if answer.challenge is not None:
        headers["WWW-Authenticate"] = answer.challenge
    if answer.retry_after is not None:
        headers["Retry-After"] = str(answer.retry_after)
    return Refusal(answer.status, headers, {"error": error.code, "message": error.message})


class EnvironReader:
    """The header lines that matter, out of a WSGI environ or Django's ``META``.

    Only those: an environ has no list of lines. A repeated header stands there as one value, joined with a comma (PEP
    3333 servers do that), which is in no credential's alphabet, so the library refuses it.
    """

    def __init__(self, auth: InspireAuth) -> None:
        names = [*auth.credential_headers(), "X-Forwarded-Proto"]
        self._variables = [("HTTP_" + name.upper().replace("-", "_"), name) for name in names]

    def __call__(self, environ: Mapping[str, Any]) -> list[tuple[str, str]]:
        return [(name, environ[variable]) for variable, name in self._variables if variable in environ]
