"""The license as OpenFeature flags, through the SDK."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.event import EventDetails, ProviderEvent
from openfeature.exception import ErrorCode, GeneralError, ProviderNotReadyError
from openfeature.flag_evaluation import Reason
from openfeature.hook import Hook
from openfeature.provider import ProviderStatus

from inspire_auth import CATALOGUE, SYSTEM, InspireAuth, LicenseStatus, LicenseWarning, TrustedKey
from inspire_auth.issue import SigningKey, sign
from inspire_auth.openfeature import LicenseProvider

from .sample import FAST

KEY = "DEMO-1111-2222-3333"
ISSUED = 1_800_000_000
EXPIRES = ISSUED + 1_000_000

Install = Callable[..., LicenseStatus]


class Clock:
    """A handle whose license is asked at a time of the test's choosing, or says what the test wants."""

    def __init__(self, auth: InspireAuth) -> None:
        self._auth = auth
        self.now = ISSUED + 60
        self.change: dict[str, Any] = {}
        self.license = SimpleNamespace(status=self._status)

    def _status(self) -> LicenseStatus:
        return replace(self._auth.license.status(self.now), **self.change)


@pytest.fixture
def signing_key() -> SigningKey:
    return SigningKey.generate()


@pytest.fixture
def licensed(store: str, signing_key: SigningKey) -> Iterator[InspireAuth]:
    trusted = [TrustedKey("vendor", signing_key.public_key)]
    with InspireAuth.open(store, hash=FAST, trusted_keys=trusted, machine_id="this machine") as auth:
        yield auth


@pytest.fixture
def clock(licensed: InspireAuth) -> Clock:
    return Clock(licensed)


@pytest.fixture
def install(licensed: InspireAuth, signing_key: SigningKey) -> Install:
    """Installs a license, each newer than the one before."""
    issued = iter(range(ISSUED, ISSUED + 60))

    def install(*entitlements: str, **members: Any) -> LicenseStatus:
        now = next(issued)
        description = {
            "id": "l1",
            "key": KEY,
            "name": "Demonstration",
            "fingerprint": licensed.license.machine().fingerprint,
            "entitlements": ["OFFLINE_LICENSING", *entitlements],
            "limits": {"MAX_DISPLAYS": 16, "MAX_AGILES": -1},
            **members,
        }
        file = sign(signing_key, description, now=now)
        return licensed.license.activate_offline(KEY, file, actor=SYSTEM, now=now)

    return install


@pytest.fixture
def client() -> Iterator[OpenFeatureClient]:
    yield api.get_client()
    api.shutdown()


@pytest.fixture
def events(client: OpenFeatureClient) -> Iterator[queue.Queue[tuple[str, EventDetails]]]:
    """What is emitted once the provider is there."""
    seen: queue.Queue[tuple[str, EventDetails]] = queue.Queue()
    for event in ProviderEvent:
        client.add_handler(event, lambda details, event=event: seen.put((event.value, details)))
    # The SDK's own provider is ready from the start.
    assert seen.get(timeout=10)[0] == "PROVIDER_READY"
    yield seen
    assert seen.empty()


def start(auth: Any) -> LicenseProvider:
    provider = LicenseProvider(auth)
    api.set_provider_and_wait(provider)
    return provider


def test_entitlements_are_booleans(client: OpenFeatureClient, clock: Clock, install: Install) -> None:
    install("SSO_SAML", "PRIVATE_BETA", expiry="2027-02-01T00:00:00Z")
    start(clock)
    details = client.get_boolean_details("SSO_SAML", False)
    assert (details.value, details.reason, details.error_code) == (True, Reason.STATIC, None)
    assert details.flag_metadata == {
        "licenseStatus": "active",
        "mode": "offline",
        "expiresAt": 1_801_440_000,
        "version": str(ISSUED),
    }
    absent = client.get_boolean_details("MFA", True)
    assert (absent.value, absent.reason, absent.error_code) == (False, Reason.DISABLED, None)
    assert client.get_boolean_value("sso_saml", False), "as everywhere, a code counts in any case"
    assert client.get_boolean_value("PRIVATE_BETA", False), "the license's own codes are known as well"


def test_every_known_entitlement_is_off_without_a_license(client: OpenFeatureClient, licensed: InspireAuth) -> None:
    start(licensed)
    assert client.get_provider_status() == ProviderStatus.READY, "no license is no error"
    for code in CATALOGUE:
        details = client.get_boolean_details(code, True)
        assert (details.value, details.reason) == (False, Reason.DISABLED)
        assert details.flag_metadata == {"licenseStatus": "unlicensed"}
    limit = client.get_integer_details("limits.max_displays", 5)
    assert (limit.value, limit.reason) == (0, Reason.DISABLED)


def test_what_nobody_knows_is_not_found(client: OpenFeatureClient, clock: Clock, install: Install) -> None:
    install("MFA")
    start(clock)
    for details in (
        client.get_boolean_details("FOO", False),
        client.get_integer_details("limits.foo", 0),
        client.get_integer_details("max_displays", 0),
        client.get_string_details("license.foo", ""),
        client.get_object_details("foo", {}),
    ):
        assert (details.error_code, details.reason) == (ErrorCode.FLAG_NOT_FOUND, Reason.ERROR), details
        assert not details.value
    assert client.get_boolean_value("FOO", True), "so a default is always False: the SDK gives it back"


def test_a_flag_of_another_type_is_a_mismatch(client: OpenFeatureClient, clock: Clock, install: Install) -> None:
    install("MFA")
    start(clock)
    for details in (
        client.get_boolean_details("limits.max_displays", False),
        client.get_boolean_details("license", False),
        client.get_boolean_details("license.status", False),
        client.get_string_details("MFA", ""),
        client.get_integer_details("MFA", 0),
        client.get_float_details("license.mode", 0.0),
        client.get_object_details("MFA", {}),
    ):
        assert details.error_code == ErrorCode.TYPE_MISMATCH, details


def test_limits_are_numbers(client: OpenFeatureClient, clock: Clock, install: Install) -> None:
    install()
    start(clock)
    displays = client.get_integer_details("limits.max_displays", 0)
    assert (displays.value, displays.reason) == (16, Reason.STATIC)
    assert "unlimited" not in displays.flag_metadata
    agiles = client.get_integer_details("limits.max_agiles", 0)
    assert (agiles.value, agiles.flag_metadata["unlimited"]) == (-1, True)
    assert client.get_float_value("limits.max_displays", 0.0) == 16.0
    assert isinstance(client.get_float_value("limits.max_agiles", 0.0), float)
    assert client.get_integer_value("limits.ai_credits_monthly", 9) == 0


def test_what_the_license_is(client: OpenFeatureClient, clock: Clock, install: Install) -> None:
    start(clock)
    assert client.get_string_value("license.status", "") == "unlicensed"
    nothing = client.get_string_details("license.mode", "none")
    assert (nothing.value, nothing.reason, nothing.error_code) == ("none", Reason.DEFAULT, None)
    install("MFA")
    status = client.get_string_details("license.status", "")
    assert (status.value, status.variant) == ("active", "active")
    assert client.get_string_value("license.mode", "") == "offline"
    assert client.get_string_value("license.name", "") == "Demonstration"
    whole = client.get_object_value("license", {})
    assert isinstance(whole, dict)
    assert whole["limits"]["MAX_DISPLAYS"] == 16
    assert whole["entitlements"] == ["MFA", "OFFLINE_LICENSING"]
    assert KEY not in repr(whole)


def test_time_and_other_handles_change_it(
    client: OpenFeatureClient, clock: Clock, install: Install, events: queue.Queue[tuple[str, EventDetails]]
) -> None:
    start(clock)
    assert events.get(timeout=10)[0] == "PROVIDER_READY"

    install("MFA", "SSO_SAML", expiry="2027-02-01T00:00:00Z")
    assert client.get_boolean_value("MFA", False)
    event, details = events.get(timeout=10)
    assert event == "PROVIDER_CONFIGURATION_CHANGED"
    assert details.provider_name == "inspire-auth"
    assert details.flags_changed == [
        "MFA",
        "OFFLINE_LICENSING",
        "SSO_SAML",
        "limits.max_agiles",
        "limits.max_displays",
        "license.status",
        "license.mode",
        "license.name",
        "license",
    ]

    install("MFA", "PRIVATE_BETA", expiry="2027-02-01T00:00:00Z")
    assert not client.get_boolean_value("SSO_SAML", True)
    event, details = events.get(timeout=10)
    assert details.flags_changed == ["PRIVATE_BETA", "SSO_SAML", "license"]

    clock.now = 1_801_440_000
    expired = client.get_boolean_details("PRIVATE_BETA", True)
    assert (expired.value, expired.reason) == (False, Reason.DISABLED), "known from before"
    assert expired.flag_metadata["licenseStatus"] == "expired"
    event, details = events.get(timeout=10)
    assert event == "PROVIDER_CONFIGURATION_CHANGED"
    assert "license.status" in (details.flags_changed or [])
    assert client.get_provider_status() == ProviderStatus.READY, "an expired license is no error"


def test_a_timer_may_look(
    client: OpenFeatureClient, clock: Clock, install: Install, events: queue.Queue[tuple[str, EventDetails]]
) -> None:
    provider = start(clock)
    assert events.get(timeout=10)[0] == "PROVIDER_READY"
    provider.refresh()
    install("MFA")
    provider.refresh()
    provider.refresh()
    assert events.get(timeout=10)[0] == "PROVIDER_CONFIGURATION_CHANGED"


def test_a_lease_near_its_end_is_stale(
    client: OpenFeatureClient, clock: Clock, install: Install, events: queue.Queue[tuple[str, EventDetails]]
) -> None:
    install("MFA")
    clock.change = {"mode": "online"}
    start(clock)
    assert events.get(timeout=10)[0] == "PROVIDER_READY"
    assert client.get_boolean_details("MFA", False).reason == Reason.CACHED

    clock.change = {"mode": "online", "warnings": (LicenseWarning("LEASE_ENDS_SOON", None),)}
    stale = client.get_boolean_details("MFA", False)
    assert (stale.value, stale.reason) == (True, Reason.STALE)
    assert client.get_boolean_details("SSO_SAML", False).reason == Reason.DISABLED
    assert {events.get(timeout=10)[0] for _ in range(2)} == {"PROVIDER_STALE", "PROVIDER_CONFIGURATION_CHANGED"}
    assert client.get_provider_status() == ProviderStatus.STALE

    clock.change = {"mode": "online"}
    assert client.get_boolean_details("MFA", False).reason == Reason.CACHED
    assert {events.get(timeout=10)[0] for _ in range(2)} == {"PROVIDER_READY", "PROVIDER_CONFIGURATION_CHANGED"}
    assert client.get_provider_status() == ProviderStatus.READY


def test_a_license_that_can_not_be_used_is_an_error(
    client: OpenFeatureClient, store: str, clock: Clock, install: Install
) -> None:
    install("MFA")
    other = SigningKey.generate()
    trusted = [TrustedKey("other", other.public_key)]
    with InspireAuth.open(store, hash=FAST, trusted_keys=trusted, machine_id="this machine") as stranger:
        with pytest.raises(GeneralError, match="LICENSE_SIGNATURE_INVALID") as failure:
            start(stranger)
        assert KEY not in str(failure.value.error_message)
        assert client.get_provider_status() == ProviderStatus.ERROR
        details = client.get_boolean_details("MFA", True)
        assert (details.value, details.reason) == (False, Reason.DISABLED)
        assert details.flag_metadata["licenseStatus"] == "invalid"


def test_it_may_become_unusable_and_good_again(
    client: OpenFeatureClient, clock: Clock, install: Install, events: queue.Queue[tuple[str, EventDetails]]
) -> None:
    install("MFA")
    start(clock)
    assert events.get(timeout=10)[0] == "PROVIDER_READY"
    clock.now = ISSUED - 10_000  # the clock was set back
    assert not client.get_boolean_value("MFA", True)
    assert {events.get(timeout=10)[0] for _ in range(2)} == {"PROVIDER_ERROR", "PROVIDER_CONFIGURATION_CHANGED"}
    assert client.get_provider_status() == ProviderStatus.ERROR
    clock.now = ISSUED + 60
    assert client.get_boolean_value("MFA", False)
    assert {events.get(timeout=10)[0] for _ in range(2)} == {"PROVIDER_READY", "PROVIDER_CONFIGURATION_CHANGED"}
    assert client.get_provider_status() == ProviderStatus.READY


def test_before_it_is_there(client: OpenFeatureClient, licensed: InspireAuth) -> None:
    class Slow(LicenseProvider):
        def initialize(self, evaluation_context: Any) -> None:
            asked.append(client.get_boolean_details("MFA", False).error_code)
            super().initialize(evaluation_context)

    asked: list[Any] = []
    api.set_provider_and_wait(Slow(licensed))
    assert asked == [ProviderNotReadyError().error_code]


def test_hooks_and_async_see_the_same(client: OpenFeatureClient, clock: Clock, install: Install) -> None:
    class Remember(Hook):
        def after(self, hook_context: Any, details: Any, hints: Any) -> None:
            seen.append((details.flag_key, details.value, details.reason))

    seen: list[Any] = []
    install("MFA")
    start(clock)
    client.add_hooks([Remember()])
    assert asyncio.run(client.get_boolean_value_async("MFA", False))
    assert seen == [("MFA", True, Reason.STATIC)]


def test_the_handle_outlives_the_provider(client: OpenFeatureClient, licensed: InspireAuth) -> None:
    start(licensed)
    api.clear_providers()
    assert licensed.license.status().state == "unlicensed"
