"""What a request may look like, and what a check gives."""

from __future__ import annotations

import pickle
from collections import ChainMap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from conftest import FAST, bearer

from inspire_auth import (
    SYSTEM,
    ArgumentError,
    AuthenticationError,
    CreatedKey,
    InspireAuth,
    InspireAuthError,
    LicenseError,
    PermissionDeniedError,
    Principal,
    Requirement,
    TrustedProxies,
    backup_store,
)


class Pair(tuple[str, str]):
    """A tuple of a framework's own."""


SHAPES: dict[str, Callable[[str], Any]] = {
    "one value": lambda value: value,
    "one value in bytes": lambda value: value.encode(),
    "a list of pairs": lambda value: [("Host", "x"), ("Authorization", value)],
    "a tuple of pairs": lambda value: (("Host", "x"), ("AUTHORIZATION", value)),
    "ASGI's": lambda value: [(b"host", b"x"), (b"authorization", value.encode())],
    "lists in a list": lambda value: [[b"host", b"x"], [b"authorization", value.encode()]],
    "tuples of a framework's own": lambda value: [Pair(("authorization", value))],
    "a dict": lambda value: {"Host": "x", "Authorization": value},
    "a dict of bytes": lambda value: {b"host": b"x", b"authorization": value.encode()},
    "another mapping": lambda value: ChainMap({"Host": "x"}, {"Authorization": value}),
    "a generator": lambda value: (pair for pair in [("Authorization", value)]),
    "dict items": lambda value: {"Authorization": value}.items(),
    "the legacy header": lambda value: [("X-Ignition-API-Token", value.removeprefix("Bearer "))],
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_headers_come_in_any_shape(auth: InspireAuth, key: CreatedKey, shape: Callable[[str], Any]) -> None:
    assert auth.authenticate(shape(f"Bearer {key.credential}")).name == "reporting"
    with pytest.raises(AuthenticationError):
        auth.authenticate(shape(f"Bearer {key.credential}x"))


@pytest.mark.parametrize(
    "wrong",
    [None, 7, ["Authorization"], [("Authorization",)], [("Authorization", "a", "b")], [("Authorization", 7)], [()],
     [(7, "x")], {"Authorization": None}, {"Authorization": ["a"]}, ["ab"], [b"ab"]],
    ids=repr,
)
def test_what_is_no_headers_is_refused(auth: InspireAuth, wrong: Any) -> None:
    with pytest.raises(TypeError):
        auth.authenticate(wrong)


def test_bytes_that_nobody_meant_are_malformed_and_nothing_worse(auth: InspireAuth, key: CreatedKey) -> None:
    for value in ("Bearer \ud800:x", "Bearer é:x", "Bearer \0", "Bearer " + "x" * 100_000, ""):
        with pytest.raises(AuthenticationError) as caught:
            auth.authenticate([("Authorization", value)])
        assert caught.value.code == "MALFORMED_CREDENTIAL"
    for value in (b"Bearer \xff\xfe:x", b"\xff" * 1000):
        with pytest.raises(AuthenticationError):
            auth.authenticate([(b"authorization", value)])
    assert auth.authenticate([("\ud800", "x"), ("X-\xff", "\ud800"), *bearer(key)]).name == "reporting"


def test_repeated_credentials_are_refused(auth: InspireAuth, key: CreatedKey) -> None:
    one = bearer(key)[0]
    legacy = ("X-Ignition-API-Token", key.credential)
    for headers in ([one, one], [one, legacy], [legacy, legacy], [one] * 5, [("a", "b"), one, ("c", "d"), legacy]):
        with pytest.raises(AuthenticationError) as caught:
            auth.authenticate(headers)
        assert caught.value.code == "MALFORMED_CREDENTIAL"
    # Another layer's credential beside ours is nobody's business.
    assert auth.authenticate([("Authorization", "Basic eDp5"), legacy]).name == "reporting"


def test_further_headers_can_carry_a_credential(key: CreatedKey) -> None:
    with InspireAuth.open(extra_headers=["X-Api-Key"]) as auth:
        created = auth.keys.create("k", require_secure=False, actor=SYSTEM)
        assert auth.authenticate([("x-api-key", created.credential)]).name == "k"
        assert auth.credential_headers() == ["Authorization", "X-Ignition-API-Token", "X-Api-Key"]
        with pytest.raises(AuthenticationError):
            auth.authenticate([("x-api-key", created.credential), *bearer(created)])
    with pytest.raises(ArgumentError):
        InspireAuth.open(extra_headers=["Authorization"])


def test_a_warm_answer_is_the_same_object(auth: InspireAuth, key: CreatedKey) -> None:
    first = auth.authenticate(bearer(key))
    assert auth.authenticate(bearer(key)) is first
    assert auth.authenticate(bearer(key), require="any(Authenticated/Ops)") is first
    local = auth.authenticate(bearer(key), "local")
    assert local is not first and local != first and (local.channel, first.channel) == ("local", "plain")
    assert auth.authenticate(bearer(key), "local") is local
    assert auth.authenticate(bearer(key)) is first

    changed = auth.keys.update("reporting", 1, description="other", actor=SYSTEM)
    second = auth.authenticate(bearer(key))
    assert second is not first and (first.revision, second.revision) == (1, changed.revision)
    auth.keys.rename("reporting", "metering", actor=SYSTEM)
    third = auth.authenticate([("Authorization", f"Bearer metering:{key.key}")])
    assert third.name == "metering" and third.id == first.id and third is not second
    assert first.name == "reporting"


def test_a_principal_is_a_value(auth: InspireAuth, key: CreatedKey) -> None:
    principal = auth.authenticate(bearer(key))
    assert (principal.name, principal.id, principal.revision) == ("reporting", key.record.id, 1)
    assert not principal.is_anonymous and principal.warning is None
    assert {principal: 1}[auth.authenticate(bearer(key))] == 1
    assert principal != "reporting" and principal != object()
    assert repr(principal) == '<Principal "reporting", revision 1, plain>'
    with pytest.raises(AttributeError):
        principal.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Principal()
    nobody = auth.authenticate([], require="Public")
    assert nobody.is_anonymous and (nobody.id, nobody.name, nobody.revision) == (None, None, 0)
    assert auth.authenticate([], require="Public") is nobody
    assert auth.principal_levels(nobody) == []


def test_levels_now(auth: InspireAuth, key: CreatedKey) -> None:
    principal = auth.authenticate(bearer(key))
    assert auth.principal_levels(principal) == ["Authenticated", "Authenticated/Ops/Write"]
    assert auth.explain(principal, "all(Authenticated/Ops, Site/A, Site/B)") == ["Site/A", "Site/B"]
    assert auth.explain(principal) == []
    auth.recheck(principal)
    with pytest.raises(PermissionDeniedError):
        auth.recheck(principal, "Site/A")
    auth.keys.delete("reporting", actor=SYSTEM)
    for gone in (lambda: auth.recheck(principal), lambda: auth.principal_levels(principal)):
        with pytest.raises(AuthenticationError):
            gone()


def test_requirements() -> None:
    for text, same in [("any(A/B, C)", "any( A/B ,C )"), ("all(A)", "all(A)"), ("any(A)", "A"), ("any()", "any()")]:
        requirement = Requirement(text)
        assert str(requirement) == text and repr(requirement) == f'Requirement("{text}")'
        assert requirement == Requirement(same) and hash(requirement) == hash(Requirement(same))
        assert pickle.loads(pickle.dumps(requirement)) == requirement
    assert Requirement.any_of(["A", "B"]) == Requirement("any(A, B)")
    assert Requirement.all_of(("A", "B")) == Requirement("all(A, B)") != Requirement("any(A, B)")
    assert Requirement("A") != "A"
    for bad in ("", "any(", "A//B", "Public/X"):
        with pytest.raises(ArgumentError):
            Requirement(bad)


def test_what_is_required(auth: InspireAuth, key: CreatedKey) -> None:
    for fine in (None, "Authenticated/Ops", "all(Authenticated, Authenticated/Ops/Write)", Requirement("Public")):
        assert auth.authenticate(bearer(key), require=fine).name == "reporting"
    for lacking in ("Site/A", Requirement("all(Authenticated, Site/A)"), "any()", Requirement.all_of([])):
        with pytest.raises(PermissionDeniedError) as caught:
            auth.authenticate(bearer(key), require=lacking)
        assert caught.value.code == "INSUFFICIENT_LEVEL"
    for unreadable in ("", "any(", "A//B"):
        with pytest.raises(ArgumentError):
            auth.authenticate(bearer(key), require=unreadable)
    with pytest.raises(TypeError):
        auth.authenticate(bearer(key), require=["Authenticated"])  # type: ignore[arg-type]


def test_channels(auth: InspireAuth) -> None:
    created = auth.keys.create("secure", actor=SYSTEM)
    assert auth.authenticate(bearer(created), "secure").channel == "secure"
    for channel in ("plain", "local"):
        with pytest.raises(PermissionDeniedError) as caught:
            auth.authenticate(bearer(created), channel)
        assert caught.value.code == "SECURE_CHANNEL_REQUIRED"
    for wrong in ("", "SECURE", "https"):
        with pytest.raises(ArgumentError):
            auth.authenticate(bearer(created), wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        auth.authenticate(bearer(created), True)  # type: ignore[arg-type]


def test_now_decides_expiry(auth: InspireAuth) -> None:
    created = auth.keys.create("k", require_secure=False, expires_at=2_000_000_000, actor=SYSTEM)
    assert auth.authenticate(bearer(created), now=1_999_999_999).name == "k"
    with pytest.raises(AuthenticationError):
        auth.authenticate(bearer(created), now=2_000_000_000)
    for clock in (None, 0):
        assert auth.authenticate(bearer(created), now=clock).name == "k"


def test_an_entitlement_is_asked_for_as_well(auth: InspireAuth, key: CreatedKey) -> None:
    with pytest.raises(LicenseError):
        auth.authenticate(bearer(key), entitlement="MFA")
    with InspireAuth.open(enforcement="warn") as warning:
        created = warning.keys.create("k", require_secure=False, actor=SYSTEM)
        principal = warning.authenticate(bearer(created), entitlement="MFA")
        assert principal.warning == "UNLICENSED"
        assert warning.authenticate(bearer(created), entitlement="MFA") is principal
        assert warning.authenticate(bearer(created)).warning is None


def test_a_closed_handle_refuses(key: CreatedKey) -> None:
    with InspireAuth.open() as auth:
        created = auth.keys.create("k", actor=SYSTEM)
        keys, license = auth.keys, auth.license
    calls: Iterable[Callable[[], object]] = [
        lambda: auth.authenticate(bearer(created), "secure"),
        lambda: auth.keys.get("k"),
        lambda: keys.list(),
        lambda: license.status(),
        lambda: "MFA" in license.entitlements,
        auth.flush,
        auth.generation,
        auth.audit,
        lambda: auth.http("BUSY"),
        auth.credential_headers,
        auth.__enter__,
    ]
    for call in calls:
        with pytest.raises(ArgumentError, match="closed"):
            call()
    auth.close()
    assert repr(auth) == "<InspireAuth, closed>"


def test_no_text_shows_a_secret(auth: InspireAuth, key: CreatedKey) -> None:
    wrong = key.key[:-1] + ("A" if key.key[-1] != "A" else "B")
    texts = [repr(auth), repr(auth.keys.get("reporting")), repr(key), str(key), repr(auth.authenticate(bearer(key)))]
    for credential in (f"reporting:{wrong}", f"nobody:{key.key}", f"{key.credential}:x"):
        with pytest.raises(InspireAuthError) as caught:
            auth.authenticate([("Authorization", f"Bearer {credential}")])
        error = caught.value
        texts += [str(error), repr(error), repr(error.args), str(pickle.dumps(error))]
    texts += [repr(event) for event in auth.audit()]
    for text in texts:
        assert key.key not in text and wrong not in text


def test_a_name_of_a_history_that_was_given_up_is_forgotten(tmp_path: Path) -> None:
    store, copy = tmp_path / "keys.db", tmp_path / "copy.db"
    with InspireAuth.open(store, hash=FAST) as auth:
        key = auth.keys.create("a", require_secure=False, actor=SYSTEM).key
        backup_store(store, copy)
        auth.keys.rename("a", "b", actor=SYSTEM)
        assert auth.authenticate(f"Bearer b:{key}").name == "b"
        for beside in ("-wal", "-shm"):
            store.with_name(store.name + beside).unlink(missing_ok=True)
        copy.replace(store)
        auth.adopt_store()
        auth.keys.rename("a", "c", actor=SYSTEM)
        assert auth.authenticate(f"Bearer c:{key}").name == "c"


def test_the_word_for_the_store_in_memory_may_be_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for word in (":memory:", b":memory:", Path(":memory:")):
        InspireAuth.open(word).close()
    assert not list(tmp_path.iterdir())


def test_proxies_say_how_a_request_came() -> None:
    proxies = TrustedProxies("10.0.0.0/8, ::1")
    claim = [("X-Forwarded-Proto", "https")]
    assert proxies.channel("10.1.2.3", "plain", claim) == "secure"
    assert proxies.channel("10.1.2.3", "local", {}) == "plain"
    assert proxies.channel("10.1.2.3", "plain", [(b"x-forwarded-proto", b"https")] * 2) == "plain"
    assert proxies.channel("10.1.2.3", "plain", [(b"x-forwarded-proto", b"https")] * 9) == "plain"
    for stranger in ("11.1.2.3", None):
        assert proxies.channel(stranger, "local", claim) == "local"
    for unreadable in ("not an address", "", "10.1.2.3:443"):
        with pytest.raises(ArgumentError):
            proxies.channel(unreadable, "local", claim)
    with pytest.raises(ArgumentError):
        proxies.channel("10.1.2.3", "https", claim)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError):
        TrustedProxies("10.0.0.0/33")
    with pytest.raises(TypeError):
        proxies.channel("10.1.2.3", "plain", "https")
