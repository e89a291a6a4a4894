"""Licensing online, against a licensing server in a process of its own."""

from __future__ import annotations

import base64
import dataclasses
import gc
import json
import pickle
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import FAST
from vendor import PATIENCE, Doorway, Vendor, carry

import inspire_auth
from inspire_auth import (
    SYSTEM,
    ArgumentError,
    Cancel,
    ConflictError,
    HttpRequest,
    HttpResponse,
    InspireAuth,
    LicenseError,
    LicenseExpiredError,
    LicenseStatus,
    LicenseSuspendedError,
    LicensingServerError,
    OperationCancelledError,
    PermissionDeniedError,
    Server,
    TrustedKey,
    UnlicensedError,
)
from inspire_auth.issue import SigningKey, sign


DAY = 24 * 3600


def refusal(call: Callable[[], object]) -> str:
    """The code that a call fails with."""
    with pytest.raises(inspire_auth.InspireAuthError) as caught:
        call()
    return caught.value.code


def test_a_license_is_activated_and_a_new_entitlement_arrives_with_the_next_validation(vendor: Vendor) -> None:
    id, key = vendor.create("--entitle", "MFA", "--limit", "MAX_DISPLAYS=25", "--max-machines", "1")
    with vendor.open() as auth:
        status = auth.license.activate_online(key, actor=SYSTEM)
        assert (status.state, status.mode, status.name) == ("active", "online", "Plant 3")
        assert (status.entitlements, status.limits["MAX_DISPLAYS"]) == (("MFA",), 25)
        assert status.lease_expires_at is not None and status.last_validated_at is not None
        assert 13 * DAY < status.lease_expires_at - status.last_validated_at < 15 * DAY
        assert status.last_attempt is None and status == auth.license.status()
        assert vendor.machines(id) == 1

        vendor.change("entitle", id, "--add", "VIDEO_WALL_SYNC")
        assert "VIDEO_WALL_SYNC" not in auth.license.entitlements
        assert auth.license.revalidate(actor=SYSTEM).entitlements == ("MFA", "VIDEO_WALL_SYNC")
        assert "VIDEO_WALL_SYNC" in auth.license.entitlements and vendor.machines(id) == 1

        assert refusal(lambda: auth.license.activate_online("NO-SUCH-KEY", actor=SYSTEM)) == "LICENSE_UNKNOWN"
        assert refusal(lambda: auth.license.activate_online("", actor=SYSTEM)) == "LICENSE_KEY_REQUIRED"
        assert auth.license.status().active


def test_a_suspension_refuses_at_once_and_a_renewal_lifts_it(vendor: Vendor, tmp_path: Path) -> None:
    id, key = vendor.create("--entitle", "MFA")
    store = tmp_path / "store.db"
    with vendor.open(store) as auth, vendor.open(store) as other:
        auth.license.activate_online(key, actor=SYSTEM)
        vendor.change("suspend", id)
        assert other.license.has_entitlement("MFA")
        with pytest.raises(LicenseSuspendedError):
            auth.license.revalidate(actor=SYSTEM)
        assert auth.license.status().state == "suspended"
        with pytest.raises(LicenseSuspendedError):
            other.license.check_entitlement("MFA")

        vendor.change("reinstate", id)
        vendor.change("renew", id, "--expires", "2020-01-01T00:00:00Z")
        with pytest.raises(LicenseExpiredError):
            auth.license.revalidate(actor=SYSTEM)
        assert other.license.status().state == "expired"

        vendor.change("renew", id, "--expires", "2099-01-01T00:00:00Z")
        assert auth.license.revalidate(actor=SYSTEM).expires_at == 4_070_908_800
        other.license.check_entitlement("MFA")


def test_a_deactivation_frees_the_seat_and_gives_a_receipt(vendor: Vendor) -> None:
    id, key = vendor.create("--max-machines", "1")
    with vendor.open() as auth, vendor.open(machine_id="m2") as spare:
        auth.license.activate_online(key, actor=SYSTEM)
        with pytest.raises(LicenseError) as caught:
            spare.license.activate_online(key, actor=SYSTEM)
        assert caught.value.code == "MACHINE_LIMIT_REACHED"

        before = int(time.time())
        done = auth.license.deactivate(actor=SYSTEM)
        assert (done.status.state, done.release, done.problem) == ("unlicensed", "server", None)
        assert vendor.machines(id) == 0
        assert spare.license.activate_online(key, actor=SYSTEM).active

        assert done.receipt is not None
        lines = done.receipt.splitlines()
        assert lines[0] == "-----BEGIN DEACTIVATION RECEIPT-----"
        said = json.loads(base64.b64decode(json.loads(base64.b64decode("".join(lines[1:-1])))["enc"]))
        assert (said["license"], said["fingerprint"]) == (id, "m1")
        moment = time.strptime(said["deactivated"][:19], "%Y-%m-%dT%H:%M:%S")
        assert before <= int(time.mktime(moment) - time.timezone) <= int(time.time())

        # The second machine goes without a word: its seat stays taken.
        silent = spare.license.deactivate(local_only=True, actor=SYSTEM)
        assert (silent.release, silent.problem, silent.receipt is None) == ("none", None, False)
        assert vendor.machines(id) == 1 and spare.license.release_pending(actor=SYSTEM) == 0
        for missing in (spare.license.deactivate, spare.license.revalidate):
            with pytest.raises(UnlicensedError):
                missing(actor=SYSTEM)


def test_a_machine_that_the_vendor_removes_is_not_activated(vendor: Vendor) -> None:
    id, key = vendor.create()
    with vendor.open() as auth:
        auth.license.activate_online(key, actor=SYSTEM)
        vendor.change("remove-machine", id, "m1")
        assert refusal(lambda: auth.license.revalidate(actor=SYSTEM)) == "NOT_ACTIVATED"
        assert auth.license.status().reason == "NOT_ACTIVATED"
        assert auth.license.activate_online(key, actor=SYSTEM).active and vendor.machines(id) == 1


def test_an_outage_is_noted_and_changes_nothing(vendor: Vendor) -> None:
    _, key = vendor.create("--entitle", "MFA")
    with vendor.open() as auth:
        active = auth.license.activate_online(key, actor=SYSTEM)
        vendor.stop()
        now = int(time.time()) + 5
        with pytest.raises(LicensingServerError) as caught:
            auth.license.revalidate(actor=SYSTEM, now=now)
        assert caught.value.code == "NETWORK_CONNECT" and caught.value.retry
        status = auth.license.status()
        assert status.last_attempt is not None
        assert (status.last_attempt.code, status.last_attempt.at) == ("NETWORK_CONNECT", now)
        assert dataclasses.replace(status, last_attempt=None) == active
        assert "MFA" in auth.license.entitlements

        vendor.start()
        assert auth.license.revalidate(actor=SYSTEM).last_attempt is None


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        ("signature=bad", "SERVER_SIGNATURE_INVALID"),
        ("signature=none", "SERVER_SIGNATURE_INVALID"),
        ("body=changed", "SERVER_SIGNATURE_INVALID"),
        ("date=-600", "CLOCK_SKEW"),
        ("status=500", "SERVER_STATUS"),
        ("status=429,retry-after=3600", "SERVER_RATE_LIMITED"),
        ("redirect=https://a.example/", "SERVER_STATUS"),
        ("truncate", "SERVER_ANSWER_MALFORMED"),
    ],
)
def test_what_a_server_gets_wrong_changes_nothing(vendor: Vendor, failure: str, code: str) -> None:
    _, key = vendor.create("--entitle", "MFA")
    with vendor.open() as auth:
        active = auth.license.activate_online(key, actor=SYSTEM)
        vendor.stop()
        vendor.start(failure)
        with pytest.raises(LicensingServerError) as caught:
            auth.license.revalidate(actor=SYSTEM)
        assert caught.value.code == code
        status = auth.license.status()
        assert status.last_attempt is not None and status.last_attempt.code == code
        assert dataclasses.replace(status, last_attempt=None) == active
        assert auth.license.revalidate(actor=SYSTEM).last_attempt is None


def test_a_registration_whose_answer_is_lost_is_found_again(vendor: Vendor) -> None:
    id, key = vendor.create("--max-machines", "1")
    vendor.stop()
    vendor.start("lose,path=/machines")
    with vendor.open() as auth:
        with pytest.raises(LicensingServerError):
            auth.license.activate_online(key, actor=SYSTEM)
        assert auth.license.status().state == "unlicensed" and vendor.machines(id) == 1
        assert auth.license.activate_online(key, actor=SYSTEM).active and vendor.machines(id) == 1


def test_a_release_waits_for_the_server(vendor: Vendor) -> None:
    id, key = vendor.create()
    with vendor.open() as auth:
        auth.license.activate_online(key, actor=SYSTEM)
        vendor.stop()
        done = auth.license.deactivate(actor=SYSTEM)
        assert (done.status.state, done.release, done.problem) == ("unlicensed", "pending", "NETWORK_CONNECT")
        assert refusal(lambda: auth.license.release_pending(actor=SYSTEM)) == "NETWORK_CONNECT"
        vendor.start()
        assert vendor.machines(id) == 1
        assert auth.license.release_pending(actor=SYSTEM) == 1
        assert vendor.machines(id) == 0 and auth.license.release_pending(actor=SYSTEM) == 0


def test_a_tick_does_what_is_due(vendor: Vendor) -> None:
    id, key = vendor.create()
    with vendor.open() as auth:
        assert (auth.license.tick().next, auth.license.tick().problem) == (None, None)
        status = auth.license.activate_online(key, actor=SYSTEM)
        assert status.last_validated_at is not None
        tick = auth.license.tick()
        assert tick.next is not None and tick.problem is None
        assert status.last_validated_at < tick.next < status.last_validated_at + 14 * DAY
        vendor.stop()
        due = auth.license.tick(now=tick.next)
        assert due.problem == "NETWORK_CONNECT" and due.next is not None and due.next > tick.next
        last = auth.license.status(tick.next).last_attempt
        assert last is not None and (last.code, last.at) == ("NETWORK_CONNECT", tick.next)

        auth.license.deactivate(actor=SYSTEM)
        vendor.start()
        # A release that has failed is due again within a minute.
        due = auth.license.tick(now=int(time.time()) + 120)
        assert (due.problem, due.next) == (None, None) and vendor.machines(id) == 0


def still_to_be_released(auth: InspireAuth, key: str) -> None:
    """Activates and deactivates, and loses interest before the server is asked."""
    auth.license.activate_online(key, actor=SYSTEM)
    given_up = Cancel()
    given_up.cancel()
    assert auth.license.deactivate(actor=SYSTEM, cancel=given_up).release == "pending"


def test_what_is_due_is_done_by_itself(vendor: Vendor, tmp_path: Path) -> None:
    id, key = vendor.create()
    with vendor.open(tmp_path / "site.db") as silent:
        still_to_be_released(silent, key)
        assert vendor.machines(id) == 1
        deadline = time.monotonic() + PATIENCE
        with vendor.open(tmp_path / "site.db", server=Server(vendor.url, proxy="", auto_refresh=True)):
            while vendor.machines(id) > 0:
                assert time.monotonic() < deadline
        assert silent.license.tick().next is None


def test_a_handle_that_goes_waits_for_its_transport_and_keeps_nobody_waiting(vendor: Vendor, tmp_path: Path) -> None:
    _, key = vendor.create()
    with vendor.open(tmp_path / "site.db") as silent:
        still_to_be_released(silent, key)
    asked, go_on = threading.Event(), threading.Event()

    def transport(request: HttpRequest) -> HttpResponse:
        asked.set()
        assert go_on.wait(PATIENCE)
        raise TimeoutError

    auth = vendor.open(tmp_path / "site.db", server=Server(vendor.url, auto_refresh=True, transport=transport))
    assert asked.wait(PATIENCE)
    closing = threading.Thread(target=auth.close, daemon=True)
    closing.start()
    # The lock of the interpreter is not the one that waits.
    go_on.set()
    closing.join(PATIENCE)
    assert not closing.is_alive()


def test_a_request_and_a_newer_file_for_an_installation_without_a_connection(tmp_path: Path) -> None:
    signer = SigningKey.from_seed_file("ab" * 32)
    trusted = [TrustedKey("vendor", signer.public_key)]
    now = 1_800_000_000

    def file(id: str, at: int, *entitlements: str) -> str:
        described = {"id": id, "key": "KEY", "fingerprint": "m1", "entitlements": [*entitlements, "OFFLINE_LICENSING"]}
        return sign(signer, described, now=at)

    with InspireAuth.open(hash=FAST, trusted_keys=trusted, machine_id="m1") as auth:
        asked = auth.license.request("KEY", actor=SYSTEM, now=now)
        lines = asked.splitlines()
        assert lines[0] == "-----BEGIN LICENSE REQUEST-----"
        said = json.loads(base64.b64decode(json.loads(base64.b64decode("".join(lines[1:-1])))["enc"]))
        assert (said["fingerprint"], said["license_key"], said["created"]) == ("m1", "KEY", "2027-01-15T08:00:00.000Z")
        assert auth.license.request(actor=SYSTEM) != auth.license.request(actor=SYSTEM), "each has its nonce"

        newer = file("l1", now + 60, "MFA")
        with pytest.raises(UnlicensedError):
            auth.license.refresh(newer, actor=SYSTEM, now=now)
        with pytest.raises(UnlicensedError):
            auth.license.reveal_key(actor=SYSTEM)
        auth.license.activate_offline("KEY", file("l1", now), actor=SYSTEM, now=now)
        assert (auth.license.reveal_key(actor=SYSTEM), auth.license.status(now=now).key) == ("KEY", "********")
        refreshed = auth.license.refresh(newer.encode(), actor=SYSTEM, now=now + 60)
        assert refreshed.entitlements == ("MFA", "OFFLINE_LICENSING") and refreshed.mode == "offline"
        assert refusal(lambda: auth.license.refresh(file("l1", now), actor=SYSTEM, now=now)) == "LICENSE_FILE_OLDER"
        with pytest.raises(ConflictError):
            auth.license.refresh(file("l2", now + 60), actor=SYSTEM, now=now + 60)
        assert refusal(lambda: auth.license.revalidate(actor=SYSTEM, now=now)) == "NOT_AVAILABLE_OFFLINE"


def test_without_a_server_there_is_nothing_to_ask(auth: InspireAuth) -> None:
    with pytest.raises(ArgumentError) as caught:
        auth.license.activate_online("KEY", actor=SYSTEM)
    assert caught.value.code == "UNSUPPORTED_OPTION"
    assert auth.license.tick() == inspire_auth.LicenseTick(None, None)


@pytest.mark.parametrize(
    ("server", "code"),
    [
        (Server("https://licensing.example", allowed_hosts=["other.example"]), "NETWORK_POLICY"),
        (Server("https://licensing.example", allowed_hosts=()), "NETWORK_POLICY"),
        (Server("https://a.example", allowed_hosts=["a.example"], proxy="http://proxy.example:3128"), "NETWORK_POLICY"),
        (Server("http://licensing.example"), "INVALID_ARGUMENT"),
        (Server("licensing.example"), "INVALID_ARGUMENT"),
        (Server("https://a.example", account=""), "INVALID_ARGUMENT"),
        (Server("https://a.example", proxy="nonsense://"), "INVALID_ARGUMENT"),
        (Server("https://a.example", timeout=-1), "INVALID_ARGUMENT"),
        (Server("https://a.example", connect_timeout=float("nan")), "INVALID_ARGUMENT"),
        (Server("https://a.example", lease=-1), "INVALID_ARGUMENT"),
    ],
)
def test_a_server_that_can_not_be_is_refused_when_the_handle_is_opened(server: Server, code: str) -> None:
    assert refusal(lambda: InspireAuth.open(server=server)) == code


def test_wrong_types_are_refused() -> None:
    for wrong in (
        Server(7), Server("https://a.example", allowed_hosts="a"), Server("https://a.example", transport=7),  # type: ignore[arg-type]
        Server("https://a.example", timeout="1"), Server("https://a.example", auto_refresh=1),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError):
            InspireAuth.open(server=wrong)


def test_who_may_not_does_not_even_ask(vendor: Vendor) -> None:
    asked: list[HttpRequest] = []

    def note(request: HttpRequest) -> HttpResponse:
        asked.append(request)
        return carry(request)

    _, key = vendor.create()
    server = Server(vendor.url, transport=note)
    with vendor.open(server=server, admin_requirement="Authenticated/Admin") as auth:
        created = auth.keys.create("operator", levels=["Authenticated/Ops"], require_secure=False, actor=SYSTEM)
        operator = auth.authenticate([("Authorization", f"Bearer {created.credential}")])
        for call in (
            lambda: auth.license.activate_online(key, actor=operator),
            lambda: auth.license.revalidate(actor=operator),
            lambda: auth.license.release_pending(actor=operator),
            lambda: auth.license.request(actor=operator),
            lambda: auth.license.reveal_key(actor=operator),
            lambda: auth.license.refresh("", actor=operator),
            lambda: auth.license.deactivate(actor=operator),
        ):
            with pytest.raises(PermissionDeniedError):
                call()
        assert asked == []


# A transport of the host's.


def test_a_transport_of_the_hosts_own_carries_every_request(vendor: Vendor) -> None:
    asked: list[HttpRequest] = []
    states: list[str] = []

    def transport(request: HttpRequest) -> HttpResponse:
        asked.append(request)
        # It may use the handle: nothing is held meanwhile.
        states.append(auth.license.status().state)
        auth.keys.create(f"k{len(asked)}", actor=SYSTEM)
        return carry(request)

    id, key = vendor.create()
    auth = vendor.open(server=Server(vendor.url, timeout=7.5, transport=transport))
    assert auth.license.activate_online(key, actor=SYSTEM).active
    assert auth.license.deactivate(actor=SYSTEM).release == "server" and vendor.machines(id) == 0
    assert states[0] == "unlicensed" and len(auth.keys.list()) == len(asked) > 3
    for request in asked:
        assert isinstance(request, HttpRequest) and 0 < request.timeout <= 7.5
        assert request.url.startswith(vendor.url) and key not in repr(request)
        with pytest.raises(TypeError, match="secret"):
            pickle.dumps(request)
    assert {request.method for request in asked} == {"POST", "DELETE"}
    auth.close()


def raising(error: BaseException) -> Callable[[HttpRequest], HttpResponse]:
    def transport(_: HttpRequest) -> HttpResponse:
        raise error

    return transport


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConnectionRefusedError(), "NETWORK_CONNECT"),
        (TimeoutError(), "NETWORK_TIMEOUT"),
        (LicensingServerError("NETWORK_TLS", "an unknown authority"), "NETWORK_TLS"),
        (LicensingServerError("NETWORK_PROXY"), "NETWORK_PROXY"),
        (LicensingServerError("SERVER_ANSWER_MALFORMED"), "SERVER_ANSWER_MALFORMED"),
    ],
)
def test_what_a_transport_raises_is_what_the_call_fails_with(vendor: Vendor, error: Exception, code: str) -> None:
    _, key = vendor.create()
    store = vendor.folder / "store.db"
    with vendor.open(store) as auth:
        active = auth.license.activate_online(key, actor=SYSTEM)
    with vendor.open(store, server=Server(vendor.url, transport=raising(error))) as auth:
        with pytest.raises(LicensingServerError) as caught:
            auth.license.revalidate(actor=SYSTEM)
        assert (caught.value.code, caught.value.detail) == (code, getattr(error, "detail", None))
        status = auth.license.status()
        assert status.last_attempt is not None and status.last_attempt.code == code
        assert dataclasses.replace(status, last_attempt=None) == active


ANSWERS: list[Any] = [
    None,
    HttpResponse(70_000, [], b""),
    HttpResponse(200, [], "text"),  # type: ignore[arg-type]
    HttpResponse(200, [("Date",)], b""),  # type: ignore[list-item]
    ZeroDivisionError(),
    inspire_auth.NotFoundError("NOT_FOUND"),
]


@pytest.mark.parametrize("answer", ANSWERS, ids=repr)
def test_what_is_wrong_with_a_transport_is_shown(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    shown: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", lambda unraisable: shown.append(unraisable.exc_type))
    transport = raising(answer) if isinstance(answer, Exception) else lambda _: answer
    with InspireAuth.open(machine_id="m1", server=Server("https://a.example", transport=transport)) as auth:
        assert refusal(lambda: auth.license.activate_online("KEY", actor=SYSTEM)) == "NETWORK_CONNECT"
    # As often as it was asked: what looks like no connection is tried once more.
    assert len(shown) == 2 and all(issubclass(each, Exception) for each in shown)


def test_an_answer_without_end_is_refused() -> None:
    def transport(_: HttpRequest) -> HttpResponse:
        return HttpResponse(200, [], b"x" * ((1 << 20) + 1))

    with InspireAuth.open(machine_id="m1", server=Server("https://a.example", transport=transport)) as auth:
        code = refusal(lambda: auth.license.activate_online("KEY", actor=SYSTEM))
    assert code == "SERVER_ANSWER_MALFORMED"


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_an_interruption_comes_through_a_transport(vendor: Vendor, interruption: type[BaseException]) -> None:
    _, key = vendor.create()
    asked: list[HttpRequest] = []

    def transport(request: HttpRequest) -> HttpResponse:
        asked.append(request)
        raise interruption("enough")

    store = vendor.folder / "store.db"
    with vendor.open(store) as auth:
        auth.license.activate_online(key, actor=SYSTEM)
    with vendor.open(store, server=Server(vendor.url, transport=transport)) as auth:
        for call in (auth.license.revalidate, auth.license.deactivate, auth.license.release_pending):
            asked.clear()
            with pytest.raises(interruption, match="enough"):
                call(actor=SYSTEM)
            assert len(asked) == 1
        # What it belonged to is over: the next call has its own outcome.
        with pytest.raises(UnlicensedError):
            auth.license.revalidate(actor=SYSTEM)


def test_a_transport_and_its_handle_are_not_kept_by_each_other() -> None:
    class Client:
        def __init__(self) -> None:
            server = Server("https://a.example", transport=self.carry)
            self.auth = InspireAuth.open(server=server)

        def carry(self, request: HttpRequest) -> HttpResponse:
            raise TimeoutError

    client = Client()
    gone = weakref.ref(client)
    del client
    gc.collect()
    assert gone() is None


# Others meanwhile.


def test_others_run_while_a_call_waits_for_the_network(vendor: Vendor, doorway: Doorway) -> None:
    _, key = vendor.create()
    with vendor.open(server=Server(doorway.url, proxy="", timeout=PATIENCE)) as auth:
        answers: list[LicenseStatus] = []
        call = threading.Thread(target=lambda: answers.append(auth.license.activate_online(key, actor=SYSTEM)))
        call.start()
        # This thread runs Python, and uses the handle, while that one waits. If it could not, the other's time would
        # be over before the door is opened.
        doorway.wait_for_one()
        auth.keys.create("k", actor=SYSTEM)
        assert auth.license.status().state == "unlicensed" and not answers
        doorway.open()
        call.join()
        assert [answer.state for answer in answers] == ["active"]


def test_another_thread_ends_a_call(vendor: Vendor, doorway: Doorway) -> None:
    _, key = vendor.create()
    with vendor.open(server=Server(doorway.url, proxy="", timeout=PATIENCE)) as auth:
        cancel, codes = Cancel(), []

        def activate() -> None:
            codes.append(refusal(lambda: auth.license.activate_online(key, actor=SYSTEM, cancel=cancel)))

        call = threading.Thread(target=activate)
        call.start()
        doorway.wait_for_one()
        cancel.cancel()
        # Even what the server answers now is dropped.
        doorway.open()
        call.join()
        assert codes == ["CANCELLED"] and auth.license.status().state == "unlicensed"
        with pytest.raises(OperationCancelledError):
            auth.license.activate_online(key, actor=SYSTEM, cancel=cancel)
        assert auth.license.activate_online(key, actor=SYSTEM, cancel=Cancel()).active

        done = auth.license.deactivate(actor=SYSTEM, cancel=cancel)
        assert (done.status.state, done.release, done.problem) == ("unlicensed", "pending", "CANCELLED")
        assert auth.license.release_pending(actor=SYSTEM) == 1


def test_a_license_that_is_taken_out_meanwhile_stays_out(vendor: Vendor, doorway: Doorway) -> None:
    _, key = vendor.create()
    store = vendor.folder / "store.db"
    server = Server(doorway.url, proxy="", timeout=PATIENCE)
    with vendor.open(store) as here, vendor.open(store, server=server) as there:
        here.license.activate_online(key, actor=SYSTEM)
        codes: list[str] = []
        call = threading.Thread(target=lambda: codes.append(refusal(lambda: there.license.revalidate(actor=SYSTEM))))
        call.start()
        doorway.wait_for_one()
        here.license.deactivate(local_only=True, actor=SYSTEM)
        doorway.open()
        call.join()
        assert codes == ["CONFLICT"] and there.license.status().state == "unlicensed"


def test_closing_a_handle_does_not_end_a_call(vendor: Vendor, doorway: Doorway) -> None:
    _, key = vendor.create()
    auth = vendor.open(server=Server(doorway.url, proxy="", timeout=PATIENCE))
    states: list[str] = []
    call = threading.Thread(target=lambda: states.append(auth.license.activate_online(key, actor=SYSTEM).state))
    call.start()
    doorway.wait_for_one()
    auth.close()
    doorway.open()
    call.join()
    assert states == ["active"]


README = Path(__file__).parent.parent / "README.md"


@pytest.mark.parametrize("outage", [False, True])
def test_the_readmes_example_runs(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], outage: bool
) -> None:
    _, section = README.read_text().split("## Online licensing\n")
    example = section.split("```")[1].removeprefix("python\n")
    assert example.count("https://licensing.acme.example/v1") == 1
    example = example.replace("https://licensing.acme.example/v1", vendor.url)
    id, key = vendor.create("--limit", "AI_CREDITS_MONTHLY=100")
    if outage:
        example = example.replace("# now and then", "vendor.stop()\n# now and then")
    monkeypatch.chdir(vendor.folder)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    names: dict[str, Any] = {"PUBLIC_KEY": vendor.trusted.public_key, "LICENSE_KEY": key, "vendor": vendor}
    exec(compile(example, str(README), "exec"), names)
    told = capsys.readouterr().out
    assert ("NETWORK_CONNECT LicenseAttempt(" in told) == outage and "90 " in told
    assert ("pending" if outage else "server") + " -----BEGIN DEACTIVATION RECEIPT-----" in told
    assert names["status"].active and vendor.machines(id) == (1 if outage else 0)
    names["auth"].close()
