"""What the adapters share."""

from __future__ import annotations

from typing import Any

import pytest

from inspire_auth import ERRORS, ArgumentError, AuthenticationError, InspireAuth, InspireAuthError, TrustedProxies
from inspire_auth._http import EnvironReader, channel_reader, refuse

HTTPS = [("X-Forwarded-Proto", "https")]


@pytest.mark.parametrize("peer", [None, "", "testclient", "fe80::1%eth0", "10.0.0.1:80", "unix:"])
def test_who_has_no_address_is_no_trusted_proxy(peer: str | None) -> None:
    assert channel_reader(TrustedProxies("0.0.0.0/0, ::/0"))(None, peer, HTTPS) == "plain"


def test_who_is_trusted_is_believed() -> None:
    channel = channel_reader(TrustedProxies("10.0.0.0/8, ::1"))
    assert channel(None, "10.1.2.3", HTTPS) == "secure"
    assert channel(None, "::1", [(b"x-forwarded-proto", b"HTTPS")]) == "secure"
    assert channel(None, "::1", []) == "plain"
    assert channel(None, "11.1.2.3", HTTPS) == "plain"


@pytest.mark.parametrize("channel", ["", "Secure", "https", None, 1, True, ["secure"]])
def test_a_channel_is_one_of_three(channel: Any) -> None:
    with pytest.raises(ArgumentError, match="channel"):
        channel_reader(channel)


def test_a_mistake_of_the_host_is_no_answer(auth: InspireAuth) -> None:
    for entry in ERRORS.values():
        error = InspireAuthError(entry.code, "a detail")
        if entry.http_status is None:
            with pytest.raises(InspireAuthError) as raised:
                refuse(auth, error, "/")
            assert raised.value is error
        elif entry.code != "OK":
            refusal = refuse(auth, error, "/")
            assert refusal.status >= 400
            assert b"a detail" not in refusal.body


def test_an_answer_is_complete(auth: InspireAuth) -> None:
    refusal = refuse(auth, AuthenticationError("NO_CREDENTIAL"), "/")
    assert refusal.body == b'{"error":"NO_CREDENTIAL","message":"no credential was sent"}'
    assert refusal.all_headers == {
        "Content-Type": "application/json",
        "Content-Length": str(len(refusal.body)),
        "WWW-Authenticate": 'Bearer realm="inspire"',
    }


def test_only_what_matters_is_read_of_an_environ(auth: InspireAuth) -> None:
    environ = {"HTTP_HOST": "a", "HTTP_AUTHORIZATION": "b", "HTTP_X_IGNITION_API_TOKEN": "c", "HTTP_COOKIE": "d"}
    assert EnvironReader(auth)(environ) == [("Authorization", "b"), ("X-Ignition-API-Token", "c")]
