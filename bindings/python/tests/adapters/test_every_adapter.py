"""What all adapters answer alike, each over real HTTP on its usual server."""

from __future__ import annotations

import logging
import time
from types import SimpleNamespace
from typing import Any

import pytest

from inspire_auth import ERRORS, SYSTEM, ArgumentError, InspireAuth, TrustedProxies

from .doors import DOORS, open_door
from .sample import FAST, READ
from .wire import Address, Answer, ask, bearer, connect, read_answer, send_head, token

CHALLENGES = {
    "NO_CREDENTIAL": 'Bearer realm="inspire"',
    "MALFORMED_CREDENTIAL": 'Bearer realm="inspire", error="invalid_request"',
    "INVALID_CREDENTIAL": 'Bearer realm="inspire", error="invalid_token"',
    "INSUFFICIENT_LEVEL": 'Bearer realm="inspire", error="insufficient_scope"',
}

every_door = pytest.mark.parametrize("door", DOORS)


def refused(answer: Answer, status: int, code: str) -> bool:
    """The common refusal: nothing but the code and its general message, with the right challenge."""
    assert answer.code == f"{status} {code}"
    assert answer.json == {"error": code, "message": ERRORS[code].message}
    assert answer.header("content-type") == "application/json"
    assert answer.header("www-authenticate") == CHALLENGES.get(code)
    assert answer.header("retry-after") == ("1" if status == 503 else None)
    return True


def granted(answer: Answer, name: str | None) -> bool:
    assert answer.code == "200", answer
    assert answer.json["name"] == name
    assert answer.json["anonymous"] == (name is None)
    return True


@every_door
def test_a_key_is_known_in_each_of_its_spellings(door: str, store: str, keys: SimpleNamespace) -> None:
    with open_door(door, store) as at:
        assert granted(ask(at, "GET", "/read", bearer(keys.reader)), "reader")
        assert granted(ask(at, "GET", "/read", bearer(keys.reader.replace(":", "~"))), "reader")
        assert granted(ask(at, "GET", "/read", ("authorization", f"bearer  {keys.reader} ")), "reader")
        assert granted(ask(at, "GET", "/read", token(keys.reader)), "reader")
        assert granted(ask(at, "GET", "/read", ("Authorization", "Basic cDpx"), token(keys.reader)), "reader")
        assert granted(ask(at, "GET", "/read?a=b&c", bearer(keys.reader)), "reader")


@every_door
def test_what_is_no_key_is_refused(door: str, store: str, keys: SimpleNamespace) -> None:
    with open_door(door, store) as at:
        assert refused(ask(at, "GET", "/read"), 401, "NO_CREDENTIAL")
        assert refused(ask(at, "GET", "/read", ("Authorization", "Basic cDpx")), 401, "NO_CREDENTIAL")
        for wrong in (keys.reader[:-1] + "!", keys.reader.split(":")[1], "", "a b", "Jos\xe9:key"):
            assert refused(ask(at, "GET", "/read", bearer(wrong)), 400, "MALFORMED_CREDENTIAL"), wrong
        other = keys.reader.split(":")[0] + ":" + keys.writer.split(":")[1]
        for wrong in (other, "nobody:" + keys.reader.split(":")[1], "reader:short"):
            assert refused(ask(at, "GET", "/read", bearer(wrong)), 401, "INVALID_CREDENTIAL"), wrong


@every_door
def test_two_credentials_are_refused_however_they_are_sent(door: str, store: str, keys: SimpleNamespace) -> None:
    reader, writer = keys.reader, keys.writer
    twice: list[list[tuple[str, str]]] = [
        [bearer(reader), bearer(writer)],
        [bearer(reader), bearer(reader)],
        [bearer(reader), ("AUTHORIZATION", "")],
        [("Authorization", "Basic cDpx"), bearer(reader)],
        [bearer(reader), ("Authorization", "Basic cDpx")],
        [token(reader), token(writer)],
        [bearer(reader), token(reader)],
        [bearer(f"{reader}, Bearer {writer}")],
        [token(f"{reader},{writer}")],
    ]
    with open_door(door, store) as at:
        for lines in twice:
            assert refused(ask(at, "GET", "/read", *lines), 400, "MALFORMED_CREDENTIAL"), lines


@every_door
def test_levels_decide(door: str, store: str, keys: SimpleNamespace) -> None:
    with open_door(door, store) as at:
        assert granted(ask(at, "POST", "/write", bearer(keys.writer), body=b"abc"), "writer")
        for credential in (keys.reader, keys.bare):
            assert refused(ask(at, "POST", "/write", bearer(credential), body=b"abc"), 403, "INSUFFICIENT_LEVEL")


@every_door
def test_public_is_for_everyone_but_a_wrong_key_is_refused(door: str, store: str, keys: SimpleNamespace) -> None:
    with open_door(door, store) as at:
        assert granted(ask(at, "GET", "/public"), None)
        assert granted(ask(at, "GET", "/public", bearer(keys.reader)), "reader")
        assert refused(ask(at, "GET", "/public", bearer(keys.reader[:-1])), 401, "INVALID_CREDENTIAL")


@every_door
def test_the_channel_is_plain_unless_the_host_says_otherwise(door: str, store: str, keys: SimpleNamespace) -> None:
    said = [("X-Forwarded-Proto", "https"), ("Forwarded", "proto=https"), ("X-Forwarded-For", "127.0.0.1")]
    with open_door(door, store) as at:
        assert refused(ask(at, "GET", "/read", bearer(keys.secure), *said), 403, "SECURE_CHANNEL_REQUIRED")
    with open_door(door, store, "secure") as at:
        assert granted(ask(at, "GET", "/read", bearer(keys.secure)), "secure")
    with open_door(door, store, "local") as at:
        assert refused(ask(at, "GET", "/read", bearer(keys.secure)), 403, "SECURE_CHANNEL_REQUIRED")
    with open_door(door, store, "local", local_is_secure=True) as at:
        assert granted(ask(at, "GET", "/read", bearer(keys.secure)), "secure")


@every_door
def test_a_trusted_proxy_is_believed_and_nobody_else(door: str, store: str, keys: SimpleNamespace) -> None:
    https, http = ("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "http")
    with open_door(door, store, TrustedProxies("127.0.0.0/8")) as at:
        assert granted(ask(at, "GET", "/read", bearer(keys.secure), https), "secure")
        for lines in ([], [http], [https, http], [https, https], [("X_Forwarded_Proto", "https"), http]):
            answer = ask(at, "GET", "/read", bearer(keys.secure), *lines)
            assert refused(answer, 403, "SECURE_CHANNEL_REQUIRED"), lines
    with open_door(door, store, TrustedProxies("10.0.0.0/8")) as at:
        assert refused(ask(at, "GET", "/read", bearer(keys.secure), https), 403, "SECURE_CHANNEL_REQUIRED")


@every_door
def test_a_function_says_the_channel(door: str, store: str, keys: SimpleNamespace) -> None:
    seen: list[Any] = []

    def channel(connection: Any) -> str:
        seen.append(connection)
        return "secure"

    with open_door(door, store, channel) as at:
        assert granted(ask(at, "GET", "/read", bearer(keys.secure)), "secure")
    assert seen


@every_door
def test_a_channel_that_does_not_exist_denies(door: str, store: str, keys: SimpleNamespace) -> None:
    if door.startswith("drf"):  # Django reads its settings at the first request
        with open_door(door, store, "secured") as at:
            assert ask(at, "GET", "/read", bearer(keys.reader)).status == 500
    else:
        with pytest.raises(ArgumentError, match="channel"), open_door(door, store, "secured"):
            pass
    # A function's answer is seen only then.
    with open_door(door, store, lambda connection: "secured") as at:
        assert ask(at, "GET", "/read", bearer(keys.reader)).status == 500


@every_door
def test_the_license_is_asked_after_the_key(door: str, store: str, keys: SimpleNamespace) -> None:
    with open_door(door, store) as at:
        assert refused(ask(at, "GET", "/wall", bearer(keys.bare)), 403, "INSUFFICIENT_LEVEL")
        assert refused(ask(at, "GET", "/wall", bearer(keys.reader)), 403, "UNLICENSED")
    with open_door(door, store, payment_required=True) as at:
        assert refused(ask(at, "GET", "/wall", bearer(keys.reader)), 402, "UNLICENSED")
    with open_door(door, store, enforcement="warn") as at:
        assert granted(ask(at, "GET", "/wall", bearer(keys.reader)), "reader")


@every_door
def test_busy_is_answered_with_retry_after(door: str, store: str, auth: InspireAuth) -> None:
    # The hash of `chosen`, under Argon2's least parameters.
    phc = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43
    auth.keys.import_("chosen", hash=phc, levels=[READ], require_secure=False, actor=SYSTEM)
    with open_door(door, store, chosen_failures_per_minute=1) as at:
        assert refused(ask(at, "GET", "/read", bearer("chosen:wrong-1")), 401, "INVALID_CREDENTIAL")
        assert refused(ask(at, "GET", "/read", bearer("chosen:wrong-2")), 503, "BUSY")


@every_door
def test_another_realm_is_in_the_challenge(door: str, store: str, keys: SimpleNamespace) -> None:
    with open_door(door, store, realm="gateway 7") as at:
        assert ask(at, "GET", "/read").header("www-authenticate") == 'Bearer realm="gateway 7"'


@every_door
def test_other_configured_headers_count(door: str, store: str, keys: SimpleNamespace) -> None:
    with open_door(door, store, extra_headers=["X-Gateway-Key"]) as at:
        assert granted(ask(at, "GET", "/read", ("X-Gateway-Key", keys.reader)), "reader")
        answer = ask(at, "GET", "/read", ("x-gateway-key", keys.reader), bearer(keys.reader))
        assert refused(answer, 400, "MALFORMED_CREDENTIAL")


@every_door
def test_the_next_request_sees_a_change(door: str, store: str, auth: InspireAuth, keys: SimpleNamespace) -> None:
    with open_door(door, store) as at:
        assert granted(ask(at, "GET", "/read", bearer(keys.reader)), "reader")
        late = auth.keys.create("late", levels=[READ], require_secure=False, actor=SYSTEM).credential
        assert granted(ask(at, "GET", "/read", bearer(late)), "late")
        auth.keys.delete("late", actor=SYSTEM)
        assert refused(ask(at, "GET", "/read", bearer(late)), 401, "INVALID_CREDENTIAL")
        auth.keys.set_enabled("reader", False, actor=SYSTEM)
        assert refused(ask(at, "GET", "/read", bearer(keys.reader)), 401, "INVALID_CREDENTIAL")


@every_door
def test_head_and_options_are_guarded_as_well(door: str, store: str, keys: SimpleNamespace) -> None:
    with open_door(door, store) as at:
        answer = ask(at, "HEAD", "/read")
        assert answer.status == 401
        assert answer.header("www-authenticate") == CHALLENGES["NO_CREDENTIAL"]
        if door != "drf":  # Django leaves that to servers, and wsgiref does not do it
            assert answer.body == b"", "an answer to HEAD has no body"
        assert ask(at, "HEAD", "/read", bearer(keys.reader)).status in (200, 405)
        preflight = ask(at, "OPTIONS", "/read", ("Origin", "http://a"), ("Access-Control-Request-Method", "GET"))
        # Flask and FastAPI answer what a route allows without calling it.
        assert preflight.status in (401, 200, 405)
        assert b"reader" not in preflight.body


# Under ASGI, Django reads a body before it calls anything.
@pytest.mark.parametrize("door", sorted(set(DOORS) - {"drf-asgi"}))
def test_the_refused_are_answered_before_their_body_is_there(door: str, store: str, keys: SimpleNamespace) -> None:
    with open_door(door, store) as at, connect(at) as connection:
        send_head(connection, "POST", "/write", bearer(keys.reader), ("Content-Length", "1000000"))
        assert refused(read_answer(connection), 403, "INSUFFICIENT_LEVEL")


@pytest.mark.parametrize("door", ["asgi", "fastapi"])
def test_a_body_streams_to_the_granted(door: str, store: str, keys: SimpleNamespace) -> None:
    with open_door(door, store) as at, connect(at) as connection:
        lines = [bearer(keys.writer), ("Transfer-Encoding", "chunked"), ("Connection", "close")]
        send_head(connection, "POST", "/write", *lines)
        for _ in range(5):
            connection.sendall(b"3\r\nabc\r\n")
            time.sleep(0.01)
        connection.sendall(b"0\r\n\r\n")
        assert read_answer(connection).json == {"name": "writer", "anonymous": False, "received": 15}


@every_door
def test_nothing_secret_is_answered_or_logged(
    door: str, store: str, keys: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = [credential.split(":")[1] for credential in vars(keys).values()]
    asked: list[Answer] = []
    with open_door(door, store) as at:
        for path in ("/read", "/write", "/wall"):
            for lines in (
                [bearer(keys.reader)],
                [bearer(keys.secure)],
                [bearer(keys.bare)],
                [bearer(keys.reader), bearer(keys.writer)],
                [bearer("reader:" + secrets[1])],
                [token(keys.reader + "!")],
            ):
                asked.append(ask(at, "POST", path + "?token=in-the-query", *lines))
    logged = "\n".join(f"{record.getMessage()} {record.exc_text or ''}" for record in caplog.records)
    for secret in secrets:
        assert secret not in logged
        assert not any(secret.encode() in answer.body for answer in asked)
    ours = [record for record in caplog.records if record.name == "inspire_auth"]
    assert {record.levelno for record in ours} == {logging.INFO}
    told = "\n".join(record.getMessage() for record in ours)
    assert "refused a request for a path of 6 characters: INSUFFICIENT_LEVEL: it lacks Authenticated/Gateway/Write" in told
    # A key may stand in the path by mistake.
    assert "/write" not in told and "in-the-query" not in told
    assert not any(b"lacks" in answer.body for answer in asked), "details are for the log"


@every_door
def test_the_applications_own_errors_are_its_own(
    door: str, store: str, keys: SimpleNamespace, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_door(door, store) as at:
        answer = ask(at, "GET", "/broken", bearer(keys.reader))
        assert answer.status == 500
        assert answer.header("www-authenticate") is None
        assert refused(ask(at, "GET", "/broken"), 401, "NO_CREDENTIAL")
    shown = caplog.text + "".join(capsys.readouterr())
    assert "AuthenticationError" in shown, "the traceback is the server's to show"
    assert keys.reader.split(":")[1] not in shown


def test_two_applications_in_one_process_are_apart(tmp_path: Any) -> None:
    stores = [str(tmp_path / "one.db"), str(tmp_path / "two.db")]
    credentials: list[str] = []
    for store in stores:
        with InspireAuth.open(store, hash=FAST) as auth:
            credentials.append(auth.keys.create("k", levels=[READ], require_secure=False, actor=SYSTEM).credential)
    with open_door("asgi", stores[0]) as one, open_door("flask", stores[1]) as two:
        addresses: list[Address] = [one, two]
        for at, own, other in zip(addresses, credentials, reversed(credentials), strict=True):
            assert granted(ask(at, "GET", "/read", bearer(own)), "k")
            assert refused(ask(at, "GET", "/read", bearer(other)), 401, "INVALID_CREDENTIAL")
