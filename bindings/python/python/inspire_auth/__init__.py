"""API keys and licensing, decided in-process.

One handle answers two questions: who is calling, and may they (`InspireAuth.authenticate`, `InspireAuth.keys`), and
what is this installation licensed for (`InspireAuth.license`).

    >>> from inspire_auth import SYSTEM, InspireAuth
    >>> auth = InspireAuth.open("service.db")
    >>> created = auth.keys.create("reporting", levels=["Authenticated/Ops/Write"], actor=SYSTEM)
    >>> headers = [("Authorization", f"Bearer {created.credential}")]
    >>> auth.authenticate(headers, channel="secure", require="Authenticated/Ops").name
    'reporting'
    >>> "VIDEO_WALL_SYNC" in auth.license.entitlements
    False

A refusal is always an exception (`InspireAuthError`), never a falsy answer. Times are Unix seconds. Vendors sign
license files with `inspire_auth.issue`; frameworks have their own modules: `inspire_auth.fastapi`, `.starlette`,
`.django`, `.flask`, `.asgi`, `.wsgi`, `.openfeature`.
"""

from ._asyncio import (
    activate_online_async,
    authenticate_async,
    deactivate_async,
    release_pending_async,
    revalidate_async,
    tick_async,
)
from ._errors import (
    ERRORS,
    ArgumentError,
    AuditUnavailableError,
    AuthenticationError,
    BusyError,
    ConflictError,
    InspireAuthError,
    InternalError,
    LicenseError,
    LicenseExpiredError,
    LicenseSuspendedError,
    LicensingServerError,
    LimitExceededError,
    NameTakenError,
    NotEntitledError,
    NotFoundError,
    OperationCancelledError,
    PathNotCanonicalError,
    PermissionDeniedError,
    RouteDeniedError,
    StoreError,
    UnlicensedError,
)
from ._inspire_auth import (
    ABI_VERSION,
    CATALOGUE,
    SYSTEM,
    Cancel,
    Entitlements,
    InspireAuth,
    Keys,
    License,
    Principal,
    Requirement,
    Routes,
    System,
    TrustedProxies,
    __version__,
    backup_store,
    explain_machine,
    inspect,
    inspect_license_key,
    machine_identity,
    restore_store,
    verify_audit,
)
from ._records import (
    AuditEvent,
    AuditFile,
    CreatedKey,
    CreditBalance,
    Deactivation,
    Entitlement,
    ErrorEntry,
    Explanation,
    HashParameters,
    HttpAnswer,
    HttpRequest,
    HttpResponse,
    ImportedKey,
    Inspection,
    KeyRecord,
    LicenseAttempt,
    LicenseStatus,
    LicenseTick,
    LicenseView,
    LicenseWarning,
    MachineIdentity,
    MachinePart,
    Pepper,
    RestoreReport,
    RouteRule,
    Server,
    SignedLicenseKey,
    Tenant,
    TrustedKey,
    VerifiedAudit,
)
from ._types import Channel, Headers

__all__ = [
    "ABI_VERSION",
    "CATALOGUE",
    "ERRORS",
    "SYSTEM",
    "ArgumentError",
    "AuditEvent",
    "AuditFile",
    "AuditUnavailableError",
    "AuthenticationError",
    "BusyError",
    "Cancel",
    "Channel",
    "ConflictError",
    "CreatedKey",
    "CreditBalance",
    "Deactivation",
    "Entitlement",
    "Entitlements",
    "ErrorEntry",
    "Explanation",
    "HashParameters",
    "Headers",
    "HttpAnswer",
    "HttpRequest",
    "HttpResponse",
    "ImportedKey",
    "Inspection",
    "InspireAuth",
    "InspireAuthError",
    "InternalError",
    "KeyRecord",
    "Keys",
    "License",
    "LicenseAttempt",
    "LicenseError",
    "LicenseExpiredError",
    "LicenseStatus",
    "LicenseSuspendedError",
    "LicenseTick",
    "LicenseView",
    "LicenseWarning",
    "LicensingServerError",
    "LimitExceededError",
    "MachineIdentity",
    "MachinePart",
    "NameTakenError",
    "NotEntitledError",
    "NotFoundError",
    "OperationCancelledError",
    "PathNotCanonicalError",
    "Pepper",
    "PermissionDeniedError",
    "Principal",
    "Requirement",
    "RestoreReport",
    "RouteDeniedError",
    "RouteRule",
    "Routes",
    "Server",
    "SignedLicenseKey",
    "StoreError",
    "System",
    "Tenant",
    "TrustedKey",
    "TrustedProxies",
    "UnlicensedError",
    "VerifiedAudit",
    "__version__",
    "backup_store",
    "explain_machine",
    "inspect",
    "inspect_license_key",
    "machine_identity",
    "restore_store",
    "verify_audit",
]

# A coroutine function of Python's own: tracebacks, `inspect` and "was never awaited" work as for any other.
authenticate_async.__qualname__ = "InspireAuth.authenticate_async"
setattr(InspireAuth, "authenticate_async", authenticate_async)
del authenticate_async
for _method in (activate_online_async, revalidate_async, deactivate_async, release_pending_async, tick_async):
    _method.__qualname__ = f"License.{_method.__name__}"
    setattr(License, _method.__name__, _method)
del _method, activate_online_async, revalidate_async, deactivate_async, release_pending_async, tick_async
