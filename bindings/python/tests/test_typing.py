"""What type checkers say: pyright reads this file, and complains of every ignored line that is no error."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import assert_type

from inspire_auth import (
    CATALOGUE,
    ERRORS,
    SYSTEM,
    ArgumentError,
    AuditEvent,
    AuditFile,
    Cancel,
    Channel,
    CreatedKey,
    CreditBalance,
    Deactivation,
    Entitlement,
    ErrorEntry,
    Explanation,
    HashParameters,
    Headers,
    HttpAnswer,
    HttpRequest,
    HttpResponse,
    ImportedKey,
    Inspection,
    InspireAuth,
    InspireAuthError,
    KeyRecord,
    LicenseAttempt,
    LicenseError,
    LicenseStatus,
    LicenseTick,
    MachineIdentity,
    NotEntitledError,
    Pepper,
    Principal,
    Requirement,
    RestoreReport,
    RouteRule,
    Routes,
    Server,
    SignedLicenseKey,
    Tenant,
    TrustedKey,
    TrustedProxies,
    VerifiedAudit,
    backup_store,
    inspect,
    inspect_license_key,
    restore_store,
    verify_audit,
)
from inspire_auth.issue import SigningKey, sign

if TYPE_CHECKING:
    # Read by type checkers, and never run.

    def opening(path: os.PathLike[str]) -> InspireAuth:
        InspireAuth.open()
        InspireAuth.open(b"service.db", hash=HashParameters(iterations=3), peppers=[Pepper("p", b"x" * 16)])
        InspireAuth.open(path, max_lease=timedelta(days=3), write_requirement="A", admin_requirement=Requirement("B"))
        InspireAuth.open("service.db", mode="strange")  # pyright: ignore[reportArgumentType]
        InspireAuth.open("service.db", "realm")  # pyright: ignore[reportCallIssue]
        InspireAuth.open(trusted_keys=["00"])  # pyright: ignore[reportArgumentType]
        with InspireAuth.open(Path("service.db"), audit=lambda event: print(event.at)) as auth:
            assert_type(auth, InspireAuth)
        return auth

    def deciding(auth: InspireAuth, headers: Headers, channel: Channel) -> None:
        principal = auth.authenticate(headers, channel, Requirement("A"), entitlement="MFA", now=7)
        assert_type(principal, Principal)
        assert_type(principal.name, str | None)
        assert_type(principal.channel, Channel)
        auth.authenticate([("Authorization", "x")])
        auth.authenticate([(b"authorization", b"x")], "secure")
        auth.authenticate({"Authorization": "x"}, require="any(A)")
        auth.authenticate("Bearer x")
        auth.authenticate(b"Bearer x")
        auth.authenticate(None)  # pyright: ignore[reportArgumentType]
        auth.authenticate(["Authorization"])  # pyright: ignore[reportArgumentType]
        auth.authenticate(headers, "https")  # pyright: ignore[reportArgumentType]
        auth.authenticate(headers, require=["A"])  # pyright: ignore[reportArgumentType]
        auth.authenticate(headers, "plain", None, "MFA")  # pyright: ignore[reportCallIssue]
        principal.name = "x"  # pyright: ignore[reportAttributeAccessIssue]
        assert_type(auth.principal_levels(principal), list[str])
        assert_type(auth.explain(principal, "A"), list[str])
        assert_type(TrustedProxies("::1").channel("::1", "plain", headers), Channel)

    def routing(auth: InspireAuth, headers: Headers, principal: Principal) -> None:
        routes = Routes.parse({"routes": []})
        assert_type(routes, Routes)
        Routes.parse(["routes"])  # pyright: ignore[reportArgumentType]
        assert_type(list(routes), list[RouteRule])
        assert_type(auth.authenticate(headers, routes=routes, method="GET", path=b"/"), Principal)
        auth.authenticate(headers, routes={"routes": []}, method="GET", path="/")  # pyright: ignore[reportArgumentType]
        auth.authenticate(headers, routes=routes, method=b"GET", path="/")  # pyright: ignore[reportArgumentType]
        told = auth.would_allow(routes, None, "GET", "/", channel="secure", now=7)
        assert_type(told, Explanation)
        assert_type(told.allowed, bool)
        assert_type(told.rule, RouteRule | None)
        assert_type(told.missing, tuple[str, ...])
        auth.would_allow(routes, "k", "GET", "/", "secure")  # pyright: ignore[reportCallIssue]
        assert_type(auth.explain_route(routes, principal, "GET", "/"), Explanation)

    def auditing(path: Path) -> None:
        auth = InspireAuth.open(audit_file=AuditFile(path, on_failure="deny_mutations"))
        AuditFile(path, on_failure="deny")  # pyright: ignore[reportArgumentType]
        InspireAuth.open(audit_file=path)  # pyright: ignore[reportArgumentType]
        assert_type(auth.metrics_text(), str)
        assert_type(verify_audit(path, head="00"), VerifiedAudit)
        assert_type(verify_audit(path).first_torn, tuple[Path, int] | None)

    async def awaiting(auth: InspireAuth, headers: Headers) -> None:
        assert_type(await auth.authenticate_async(headers, channel="secure"), Principal)
        routes = Routes.parse("{}")
        assert_type(await auth.authenticate_async(headers, routes=routes, method="GET", path="/"), Principal)
        auth.authenticate_async(headers).name  # pyright: ignore

    def managing(auth: InspireAuth, principal: Principal, at: datetime) -> None:
        created = auth.keys.create("k", levels=["A"], expires_at=at, actor=SYSTEM)
        assert_type(created, CreatedKey)
        assert_type(created.credential, str)
        auth.keys.create("k")  # pyright: ignore[reportCallIssue]
        auth.keys.create("k", actor=None)  # pyright: ignore[reportArgumentType]
        auth.keys.create("k", actor="system")  # pyright: ignore[reportArgumentType]
        record = auth.keys.update("k", 1, expires_at=None, levels=(), actor=principal)
        assert_type(record, KeyRecord)
        record.name = "x"  # pyright: ignore[reportAttributeAccessIssue]
        auth.keys.update("k", 1, description=None, actor=SYSTEM)  # pyright: ignore[reportArgumentType]
        assert_type(auth.keys.list(limit=3), list[KeyRecord])
        assert_type(auth.keys.rotate("k", actor=SYSTEM), CreatedKey)
        assert_type(auth.keys.rotate("k", overlap=timedelta(hours=24), actor=SYSTEM).record.overlap_ends_at, int | None)
        auth.keys.rotate("k", overlap="24h", actor=SYSTEM)  # pyright: ignore[reportArgumentType]
        auth.keys.import_("k", actor=SYSTEM)  # pyright: ignore[reportCallIssue]
        many = [ImportedKey(name="k", hash="h", expires_at=at, levels=("A",))]
        assert_type(auth.keys.import_all(many, actor=principal), int)
        auth.keys.import_all([{"name": "k", "hash": "h"}], actor=SYSTEM)  # pyright: ignore[reportArgumentType]
        ImportedKey("k", "h")  # pyright: ignore[reportCallIssue]
        assert_type(auth.keys.seal_all(actor=SYSTEM), int)
        assert_type(auth.audit(), list[AuditEvent])

    def licensing(auth: InspireAuth, file: bytes) -> None:
        assert_type("MFA" in auth.license.entitlements, bool)
        assert_type([code for code in auth.license.entitlements], list[str])
        assert_type(auth.license.status(), LicenseStatus)
        assert_type(auth.license.status().limits, Mapping[str, int])
        assert_type(auth.license.list_entitlements(), list[Entitlement])
        assert_type(auth.license.activate_offline("KEY", file, actor=SYSTEM), LicenseStatus)
        auth.license.activate_offline("KEY", file)  # pyright: ignore[reportCallIssue]
        assert_type(auth.license.machine(), MachineIdentity)
        found = inspect(file, trusted_keys=[TrustedKey("v", "00")])
        assert_type(found, Inspection)
        if found.license is not None:
            assert_type(found.license.key, str | None)
        found.license.key  # pyright: ignore[reportOptionalMemberAccess]
        assert_type(sign(SigningKey.generate(), {"id": "l", "key": "K"}), str)
        assert_type(CATALOGUE, Mapping[str, str])
        assert_type(restore_store("a", Path("b")), RestoreReport)
        backup_store("a", 7)  # pyright: ignore[reportArgumentType]

    def licensing_online(auth: InspireAuth, file: bytes) -> None:
        def carry(request: HttpRequest) -> HttpResponse:
            assert_type(request.headers, tuple[tuple[str, str], ...])
            return HttpResponse(200, [("Date", "")], b"")

        server = Server("https://a.example", lease=timedelta(days=3), allowed_hosts=("*.example",), transport=carry)
        InspireAuth.open(server=server)
        InspireAuth.open(server="https://a.example")  # pyright: ignore[reportArgumentType]
        Server("https://a.example", transport=print)  # pyright: ignore[reportArgumentType]
        license, cancel = auth.license, Cancel()
        assert_type(license.activate_online("KEY", actor=SYSTEM, cancel=cancel), LicenseStatus)
        license.activate_online("KEY")  # pyright: ignore[reportCallIssue]
        assert_type(license.revalidate(actor=SYSTEM).last_attempt, LicenseAttempt | None)
        assert_type(license.refresh(file, actor=SYSTEM), LicenseStatus)
        assert_type(license.request(actor=SYSTEM), str)
        assert_type(license.reveal_key(actor=SYSTEM), str)
        assert_type(license.deactivate(local_only=True, actor=SYSTEM), Deactivation)
        assert_type(license.release_pending(actor=SYSTEM), int)
        assert_type(license.tick(cancel=cancel), LicenseTick)
        license.tick(actor=SYSTEM)  # pyright: ignore[reportCallIssue]
        assert_type(license.consume(1, "x", tenant=Tenant("north")), CreditBalance)
        license.consume(1, "x", tenant="north")  # pyright: ignore[reportArgumentType]
        assert_type(license.refund("x"), CreditBalance)
        assert_type(license.balance().left, int)
        license.check_tenant_limit("MAX_DISPLAYS", Tenant("north", 3), in_use=1, in_use_by_all=2)
        assert_type(Tenant("north").effective(3), int)
        signed = inspect_license_key("key/x.y", trusted_keys=[TrustedKey("v", "00")])
        assert_type(signed, SignedLicenseKey)
        assert_type(signed.dataset, bytes)

    async def awaiting_the_server(auth: InspireAuth) -> None:
        license = auth.license
        assert_type(await license.activate_online_async("KEY", actor=SYSTEM), LicenseStatus)
        assert_type(await license.revalidate_async(actor=SYSTEM), LicenseStatus)
        assert_type(await license.deactivate_async(actor=SYSTEM), Deactivation)
        assert_type(await license.release_pending_async(actor=SYSTEM), int)
        assert_type(await license.tick_async(now=7), LicenseTick)

    def failing(auth: InspireAuth) -> None:
        try:
            auth.flush()
        except NotEntitledError as error:
            refused: LicenseError = error
            assert_type(auth.http(refused), HttpAnswer)
        except ArgumentError as error:
            wrong: ValueError = error
            print(wrong)
        except InspireAuthError as error:
            assert_type(error.code, str)
            assert_type(error.http_status, int | None)
        assert_type(ERRORS["BUSY"], ErrorEntry)
        auth.http(7)  # pyright: ignore[reportArgumentType]


def test_the_checkers_read_this_file() -> None:
    """There is nothing to run: `pyright` in bindings/python is the test."""
    assert not TYPE_CHECKING
