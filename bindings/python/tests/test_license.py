"""The license, from the vendor's signature to the host's question."""

from __future__ import annotations

import dataclasses
import json
import pickle
from datetime import timedelta

import pytest
from conftest import FAST

import inspire_auth
from inspire_auth import (
    CATALOGUE,
    SYSTEM,
    ArgumentError,
    InspireAuth,
    LicenseError,
    LicenseExpiredError,
    LimitExceededError,
    NotEntitledError,
    TrustedKey,
    UnlicensedError,
    explain_machine,
    machine_identity,
)
from inspire_auth.issue import SigningKey, sign

NOW = 1_800_000_000
SEED = "ab" * 32
DESCRIPTION = {
    "id": "l1",
    "key": "ABCD-EFGH",
    "name": "Plant 3",
    "expiry": "2028-01-01T00:00:00Z",
    "limits": {"MAX_DISPLAYS": 25, "AI_CREDITS_MONTHLY": -1},
    "metadata": {"plan": "gold"},
    "entitlements": ["MFA", "OFFLINE_LICENSING", "CUSTOM"],
    "fingerprint": "m1",
}


@pytest.fixture(scope="module")
def signer() -> SigningKey:
    return SigningKey.from_seed_file(SEED)


@pytest.fixture(scope="module")
def file(signer: SigningKey) -> str:
    return sign(signer, DESCRIPTION, encrypted=True, now=NOW)


@pytest.fixture
def licensed(signer: SigningKey, file: str) -> InspireAuth:
    auth = InspireAuth.open(hash=FAST, trusted_keys=[TrustedKey("vendor", signer.public_key)], machine_id="m1")
    auth.license.activate_offline("ABCD-EFGH", file, actor=SYSTEM, now=NOW)
    return auth


def test_what_memory_answers_is_what_is_installed_now(signer: SigningKey) -> None:
    auth = InspireAuth.open(hash=FAST, trusted_keys=[TrustedKey("vendor", signer.public_key)], machine_id="m1")
    license, entitlements = auth.license, auth.license.entitlements
    assert not license.has_entitlement("MFA") and "MFA" not in entitlements and license.limit("MAX_DISPLAYS") == 0
    description = {**DESCRIPTION, "expiry": None, "entitlements": ["MFA", "OFFLINE_LICENSING", "ANOTHER_" * 8]}
    license.activate_offline("ABCD-EFGH", sign(signer, description), actor=SYSTEM)
    for code in ("MFA", "mfa", "ANOTHER_" * 8, "another_" * 8):
        assert license.has_entitlement(code) and code in entitlements
    for code in ("CUSTOM", "MF", "MFAA", "", "\u00df", "MFA\0"):
        assert not license.has_entitlement(code) and code not in entitlements
    for name in ("MAX_DISPLAYS", "max_displays", "maxDisplays"):
        assert license.limit(name) == 25
    assert license.limit("AI_CREDITS_MONTHLY") == -1 and license.limit("SEATS") == 0
    license.deactivate(actor=SYSTEM)
    assert not license.has_entitlement("MFA") and "MFA" not in entitlements and license.limit("MAX_DISPLAYS") == 0
    auth.close()
    for question in (lambda: license.has_entitlement("MFA"), lambda: "MFA" in entitlements, lambda: license.limit("X")):
        with pytest.raises(ArgumentError, match="closed"):
            question()


def test_a_signing_key_shows_its_public_half_only(signer: SigningKey) -> None:
    pem = signer.to_pem()
    assert pem.startswith("-----BEGIN PRIVATE KEY-----\n")
    assert SigningKey.from_seed_file(pem).public_key == signer.public_key != SigningKey.generate().public_key
    assert len(signer.public_key) == 64 and signer.public_key in repr(signer) and SEED not in repr(signer)
    with pytest.raises(TypeError):
        pickle.dumps(signer)
    with pytest.raises(ArgumentError) as caught:
        SigningKey.from_seed_file("cd" * 31)
    assert "cdcd" not in str(caught.value)


def test_signing(signer: SigningKey) -> None:
    assert sign(signer, DESCRIPTION, now=NOW) == sign(signer, json.dumps(DESCRIPTION), kind="machine", now=NOW)
    assert "LICENSE FILE" in sign(signer, {"id": "l", "key": "K"}, kind="license")
    unbound = {"id": "l", "key": "K"}
    for wrong in ({"id": "l"}, unbound | {"expirey": "x"}, "not json", '{"id": 1}', unbound):
        with pytest.raises(ArgumentError) as caught:
            sign(signer, wrong)
        assert "ABCD" not in str(caught.value)
    with pytest.raises(ArgumentError):
        sign(signer, DESCRIPTION, kind="both")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        sign(signer, ["id"])  # type: ignore[arg-type]


def test_inspecting(signer: SigningKey, file: str) -> None:
    trusted = [TrustedKey("vendor", signer.public_key)]
    found = inspire_auth.inspect(
        file.encode(), trusted_keys=trusted, license_key="ABCD-EFGH", machine_id="m1", now=NOW, offline=True
    )
    assert found.ok and found.result == "OK" and found.failures == ()
    assert (found.kind, found.issued_at, found.machine_fingerprint) == ("machine", NOW, "m1")
    license = found.license
    assert license is not None and (license.id, license.key, license.name) == ("l1", "ABCD-EFGH", "Plant 3")
    assert license.entitlements == ("CUSTOM", "MFA", "OFFLINE_LICENSING")
    assert license.limits == {"MAX_DISPLAYS": 25, "AI_CREDITS_MONTHLY": -1, "MAX_AGILES": 0}
    assert license.metadata["plan"] == "gold" and license.expires_at == 1_830_297_600
    assert "ABCD" not in repr(found) and "m1" not in repr(found).replace("metadata", "")
    with pytest.raises(TypeError, match="secret"):
        pickle.dumps(found)
    assert json.loads(json.dumps(dataclasses.asdict(license)))["limits"] == license.limits
    with pytest.raises(dataclasses.FrozenInstanceError):
        license.limits = {"MAX_DISPLAYS": 9}  # type: ignore[misc]

    late = inspire_auth.inspect(file, trusted_keys=trusted, license_key="ABCD-EFGH", machine_id="m1", now=1 << 40)
    assert not late.ok and late.result == "LICENSE_EXPIRED" and "LICENSE_EXPIRED" in late.failures


@pytest.mark.parametrize("bad", ["", b"\xff\xfe", "-----BEGIN LICENSE FILE-----", "x" * 500_000, b"\0" * 9])
def test_a_bad_file_is_reported_and_not_raised(bad: str | bytes) -> None:
    found = inspire_auth.inspect(bad)
    assert found.result == "LICENSE_MALFORMED" and not found.ok and found.license is None


def test_an_untrusted_signature_and_a_bad_trusted_key(signer: SigningKey, file: str) -> None:
    other = TrustedKey("vendor", SigningKey.generate().public_key)
    assert inspire_auth.inspect(file, trusted_keys=[other]).result == "LICENSE_SIGNATURE_INVALID"
    ended = TrustedKey("vendor", signer.public_key, not_after=NOW)
    assert inspire_auth.inspect(file, trusted_keys=[ended], now=NOW).result == "LICENSE_SIGNATURE_INVALID"
    for key, code in [("00" * 32, "WEAK_TRUSTED_KEY"), ("xyz", "INVALID_ARGUMENT")]:
        trusted = [TrustedKey("vendor", key)]
        opened, inspected = InspireAuth.open, inspire_auth.inspect
        for use in (lambda: inspected(file, trusted_keys=trusted), lambda: opened(trusted_keys=trusted)):
            with pytest.raises(ArgumentError) as caught:
                use()
            assert caught.value.code == code


def test_without_a_license_nothing_is_granted(auth: InspireAuth) -> None:
    status = auth.license.status()
    assert (status.state, status.reason, status.active, status.mode) == ("unlicensed", "UNLICENSED", False, None)
    assert set(status.limits.values()) == {0} and status.entitlements == ()
    assert not auth.license.has_entitlement("MFA") and auth.license.limit("MAX_DISPLAYS") == 0
    assert "MFA" not in auth.license.entitlements and list(auth.license.entitlements) == []
    with pytest.raises(LimitExceededError, match="UNLICENSED"):
        auth.license.check_limit("MAX_DISPLAYS", 1)
    for missing in (auth.license.deactivate, auth.license.revalidate):
        with pytest.raises(UnlicensedError):
            missing(actor=SYSTEM)


def test_a_license_is_installed_asked_and_taken_out(licensed: InspireAuth, file: str) -> None:
    license = licensed.license
    status = license.status(NOW)
    assert (status.state, status.active, status.reason, status.mode) == ("active", True, None, "offline")
    assert (status.name, status.key, status.expires_at) == ("Plant 3", "********EFGH", 1_830_297_600)
    assert status.entitlements == ("CUSTOM", "MFA", "OFFLINE_LICENSING") and status.warnings == ()
    assert license.limit("max_displays", NOW) == 25 and license.limit("AI_CREDITS_MONTHLY", NOW) == -1
    license.check_limit("MAX_DISPLAYS", 25, NOW)
    with pytest.raises(LimitExceededError):
        license.check_limit("MAX_DISPLAYS", 26, NOW)
    with pytest.raises(ArgumentError):
        license.check_limit("MAX_DISPLAYS", -1, NOW)
    assert license.has_entitlement("mfa", NOW)
    license.check_entitlement("MFA", NOW)
    with pytest.raises(NotEntitledError):
        license.check_entitlement("SSO_SAML", NOW)
    table = license.list_entitlements(NOW)
    assert [row.code for row in table[:10]] == list(CATALOGUE) and table[10].code == "CUSTOM"
    assert {row.code for row in table if row.granted} == set(status.entitlements)
    assert table[0].feature == CATALOGUE[table[0].code]

    (soon,) = license.status(1_830_297_600 - 86_400).warnings
    assert (soon.code, soon.days) == ("EXPIRES_SOON", 1)
    assert license.status(1_830_297_600).state == "expired"
    with pytest.raises(LicenseExpiredError):
        license.check_entitlement("MFA", 1_830_297_600)
    with pytest.raises(LicenseError) as caught:
        license.revalidate(actor=SYSTEM, now=NOW)
    assert caught.value.code == "NOT_AVAILABLE_OFFLINE"

    assert license.deactivate(actor=SYSTEM, now=NOW).status.state == "unlicensed"
    with pytest.raises(LicenseError) as caught:
        license.activate_offline("ABCD-EFGH", file, actor=SYSTEM, force=True, now=NOW)
    assert caught.value.code == "LICENSE_FILE_OLDER"


def test_the_entitlements_are_a_live_view(signer: SigningKey) -> None:
    import time

    now = int(time.time())
    lasting = {key: value for key, value in DESCRIPTION.items() if key != "expiry"}
    with InspireAuth.open(trusted_keys=[TrustedKey("v", signer.public_key)], machine_id="m1") as auth:
        view = auth.license.entitlements
        assert len(view) == 0 and "MFA" not in view
        auth.license.activate_offline("ABCD-EFGH", sign(signer, lasting, now=now), actor=SYSTEM)
        assert len(view) == 3 and "mfa" in view and "SSO_SAML" not in view and 7 not in view
        assert list(view) == ["CUSTOM", "MFA", "OFFLINE_LICENSING"]
        assert repr(view) == '<Entitlements ["CUSTOM", "MFA", "OFFLINE_LICENSING"]>'


def test_a_wrong_key_or_machine_is_refused(signer: SigningKey, file: str) -> None:
    trusted = [TrustedKey("vendor", signer.public_key)]
    for machine, key, code in [
        ("m2", "ABCD-EFGH", "LICENSE_KEY_OR_MACHINE_MISMATCH"),
        ("m1", "WRONG", "LICENSE_KEY_OR_MACHINE_MISMATCH"),
        ("m1", "", "LICENSE_KEY_REQUIRED"),
    ]:
        with InspireAuth.open(trusted_keys=trusted, machine_id=machine) as auth:
            with pytest.raises(LicenseError) as caught:
                auth.license.activate_offline(key, file, actor=SYSTEM, now=NOW)
            assert caught.value.code == code and "WRONG" not in str(caught.value)


def test_a_lease_is_seconds_or_a_timedelta(signer: SigningKey) -> None:
    text = sign(signer, {"id": "l", "key": "K", "entitlements": ["MFA"], "fingerprint": "m1"}, now=NOW)
    for lease in (3600, timedelta(hours=1)):
        found = InspireAuth.open(trusted_keys=[TrustedKey("v", signer.public_key)], machine_id="m1", max_lease=lease)
        with pytest.raises(LicenseError) as caught:
            found.license.activate_offline("K", text, actor=SYSTEM, now=NOW + 3600)
        assert caught.value.code == "LICENSE_FILE_EXPIRED"


SIGNED_KEY = (
    "key/eyJwcm9kdWN0Ijp7ImlkIjoiZ2F0ZXdheSJ9LCJsaWNlbnNlIjp7ImlkIjoibDEiLCJjcmVhdGVkIjoiMjAyNy0wMS0xNVQwODowMDowMC4wMDBa"
    "IiwiZXhwaXJ5IjoiMjAyOC0wMS0wMVQwMDowMDowMC4wMDBaIn19.mN1gc0hg01Kt8YP9VpMrw8l1MnKUCiz4pxhiwjD-zfRZzP8RbUOjrwQHiFl9WMst"
    "jxsfIZUDyLQEjk-CQSqtAw=="
)
"""Made with `SEED`, in Keygen's format."""


def test_a_signed_license_key_is_read(signer: SigningKey) -> None:
    trusted = TrustedKey("vendor", signer.public_key)
    signed = inspire_auth.inspect_license_key(SIGNED_KEY, trusted_keys=[trusted])
    assert (signed.key_id, signed.license, signed.product) == ("vendor", "l1", "gateway")
    assert (signed.created_at, signed.expires_at) == (NOW, 1_830_297_600)
    assert json.loads(signed.dataset)["license"]["id"] == "l1"
    assert "gateway" in repr(signed) and "dataset" not in repr(signed)
    with pytest.raises(TypeError, match="secret"):
        pickle.dumps(signed)
    # What a vendor signs need not be JSON.
    text = (
        "key/emVrZUBrZXlnZW4uZXhhbXBsZQ==.7xuEln0gIsBc8djj6464ocGn2hOfn0EcMmi6Ofdyvn-dzWV76acdAlTWfatAluSq_wAKeIw1l82VLcX6"
        "mby0Cw=="
    )
    plain = inspire_auth.inspect_license_key(text, trusted_keys=[trusted])
    assert (plain.dataset, plain.license, plain.expires_at) == (b"zeke@keygen.example", None, None)

    ended = dataclasses.replace(trusted, not_after=NOW)
    assert inspire_auth.inspect_license_key(SIGNED_KEY, trusted_keys=[ended], now=NOW - 1) == signed
    for key, keys, code in [
        (SIGNED_KEY, [ended], "LICENSE_SIGNATURE_INVALID"),
        (SIGNED_KEY, [], "LICENSE_SIGNATURE_INVALID"),
        (SIGNED_KEY.replace("key/ey", "key/fy"), [trusted], "LICENSE_SIGNATURE_INVALID"),
        ("key/e30.e30", [trusted], "LICENSE_UNSUPPORTED_ALGORITHM"),
        ("ABCD-EFGH", [trusted], "LICENSE_MALFORMED"),
    ]:
        with pytest.raises(LicenseError) as caught:
            inspire_auth.inspect_license_key(key, trusted_keys=keys, now=NOW)
        assert caught.value.code == code
    with pytest.raises(ArgumentError):
        inspire_auth.inspect_license_key(SIGNED_KEY, trusted_keys=[TrustedKey("vendor", "xyz")])


def test_this_machine(licensed: InspireAuth) -> None:
    machine = licensed.license.machine()
    assert (machine.fingerprint, machine.source) == ("m1", "machine_id option") and "m1" not in repr(machine)
    assert machine_identity("given", "gateway").fingerprint == "given"
    parts = {part.name: part.found for part in explain_machine("given")}
    assert parts["machine_id option"] == "given" and parts["fingerprint"] == "given"
