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

from ._asyncio import authenticate_async
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
    machine_identity,
    restore_store,
    verify_audit,
)
from ._records import (
    AuditEvent,
    AuditFile,
    CreatedKey,
    Entitlement,
    ErrorEntry,
    Explanation,
    HashParameters,
    HttpAnswer,
    Inspection,
    KeyRecord,
    LicenseStatus,
    LicenseView,
    LicenseWarning,
    MachineIdentity,
    MachinePart,
    Pepper,
    RestoreReport,
    RouteRule,
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
    "Channel",
    "ConflictError",
    "CreatedKey",
    "Entitlement",
    "Entitlements",
    "ErrorEntry",
    "Explanation",
    "HashParameters",
    "Headers",
    "HttpAnswer",
    "Inspection",
    "InspireAuth",
    "InspireAuthError",
    "InternalError",
    "KeyRecord",
    "Keys",
    "License",
    "LicenseError",
    "LicenseExpiredError",
    "LicenseStatus",
    "LicenseSuspendedError",
    "LicenseView",
    "LicenseWarning",
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
    "StoreError",
    "System",
    "TrustedKey",
    "TrustedProxies",
    "UnlicensedError",
    "VerifiedAudit",
    "__version__",
    "backup_store",
    "explain_machine",
    "inspect",
    "machine_identity",
    "restore_store",
    "verify_audit",
]

# A coroutine function of Python's own: tracebacks, `inspect` and "was never awaited" work as for any other.
authenticate_async.__qualname__ = "InspireAuth.authenticate_async"
setattr(InspireAuth, "authenticate_async", authenticate_async)
del authenticate_async
