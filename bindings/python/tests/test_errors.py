"""Every code has one class, and says all that its row of the table says."""

from __future__ import annotations

import pickle

import pytest

import inspire_auth
from inspire_auth import (
    ERRORS,
    SYSTEM,
    ArgumentError,
    AuditUnavailableError,
    AuthenticationError,
    BusyError,
    ConflictError,
    InspireAuth,
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
from inspire_auth._errors import error, error_class

CLASSES: dict[type[InspireAuthError], set[str]] = {
    ArgumentError: {
        "INVALID_ARGUMENT", "NULL_PARAMETER", "UNSUPPORTED_OPTION", "INVALID_NAME", "INVALID_LEVEL", "INVALID_HASH",
        "WEAK_TRUSTED_KEY",
    },
    NameTakenError: {"NAME_TAKEN"},
    NotFoundError: {"NOT_FOUND"},
    ConflictError: {"CONFLICT"},
    OperationCancelledError: {"CANCELLED"},
    AuthenticationError: {"NO_CREDENTIAL", "MALFORMED_CREDENTIAL", "INVALID_CREDENTIAL"},
    PermissionDeniedError: {"PERMISSION_DENIED", "SECURE_CHANNEL_REQUIRED", "INSUFFICIENT_LEVEL"},
    BusyError: {"BUSY"},
    PathNotCanonicalError: {"PATH_NOT_CANONICAL"},
    RouteDeniedError: {"ROUTE_DENIED"},
    AuditUnavailableError: {"AUDIT_UNAVAILABLE"},
    UnlicensedError: {"UNLICENSED"},
    NotEntitledError: {"NOT_ENTITLED"},
    LicenseExpiredError: {"LICENSE_EXPIRED", "LICENSE_FILE_EXPIRED"},
    LicenseSuspendedError: {"LICENSE_SUSPENDED"},
    LimitExceededError: {"LIMIT_EXCEEDED"},
    LicenseError: {
        "LICENSE_MALFORMED", "LICENSE_UNSUPPORTED_ALGORITHM", "LICENSE_SIGNATURE_INVALID", "LICENSE_KEY_REQUIRED",
        "LICENSE_KEY_OR_MACHINE_MISMATCH", "LICENSE_NOT_INCLUDED", "LICENSE_PRODUCT_MISMATCH", "CLOCK_ROLLBACK",
        "LICENSE_KEY_MISMATCH", "MACHINE_MISMATCH", "OFFLINE_NOT_ENTITLED", "ENTITLEMENTS_NOT_INCLUDED",
        "NOT_MACHINE_BOUND", "LICENSE_FILE_OLDER", "NOT_AVAILABLE_OFFLINE", "FINGERPRINT_UNAVAILABLE",
        "NOT_ACTIVATED", "LICENSE_UNKNOWN", "MACHINE_LIMIT_REACHED", "LICENSE_REFUSED",
    },
    LicensingServerError: {
        "NETWORK_DNS", "NETWORK_CONNECT", "NETWORK_TLS", "NETWORK_PROXY", "NETWORK_TIMEOUT", "NETWORK_POLICY",
        "SERVER_STATUS", "SERVER_RATE_LIMITED", "SERVER_ANSWER_MALFORMED", "SERVER_SIGNATURE_INVALID", "CLOCK_SKEW",
    },
    StoreError: {
        "STORE_UNAVAILABLE", "STORE_CORRUPT", "STORE_LOCKED", "STORE_READ_ONLY", "STORE_FULL",
        "STORE_NETWORK_FILESYSTEM", "STORE_VERSION", "STORE_STALE", "STORE_HISTORY_CHANGED",
    },
    InternalError: {"INTERNAL"},
}

CODES = sorted(set(ERRORS) - {"OK", "PENDING"})


def test_the_whole_table_is_in_exactly_one_class() -> None:
    named = [code for codes in CLASSES.values() for code in codes]
    assert sorted(named) == CODES


@pytest.mark.parametrize("code", CODES)
def test_a_code_raises_its_class_and_shows_its_row(code: str) -> None:
    (expected,) = [cls for cls, codes in CLASSES.items() if code in codes]
    made = error(code, "more")
    assert type(made) is expected is error_class(code)
    row = ERRORS[code]
    assert (made.code, made.number, made.message, made.detail) == (code, row.number, row.message, "more")
    assert (made.retry, made.admin, made.developer) == (row.retry, row.admin, row.developer)
    assert made.http_status == row.http_status
    assert str(made) == f"{row.message}: more"
    assert str(error(code, None)) == row.message


@pytest.mark.parametrize("code", CODES)
def test_an_error_goes_through_a_pickle(code: str) -> None:
    for detail in (None, "more"):
        again = pickle.loads(pickle.dumps(error(code, detail)))
        assert (type(again), again.code, again.detail) == (error_class(code), code, detail)


def test_classes_are_what_python_would_call_them() -> None:
    assert issubclass(ArgumentError, ValueError)
    assert issubclass(NotFoundError, LookupError)
    for name in inspire_auth.__all__:
        thing = getattr(inspire_auth, name)
        if isinstance(thing, type) and issubclass(thing, Exception):
            assert issubclass(thing, InspireAuthError)


def test_a_code_that_is_none_is_refused() -> None:
    with pytest.raises(KeyError):
        InspireAuthError("NO_SUCH_CODE")


def test_how_a_host_answers(auth: InspireAuth) -> None:
    answer = auth.http("NO_CREDENTIAL")
    assert (answer.status, answer.challenge, answer.retry_after) == (401, 'Bearer realm="inspire"', None)
    assert auth.http("BUSY").retry_after == 1
    assert auth.http("NOT_FOUND").status == 500
    with pytest.raises(NotFoundError) as caught:
        auth.keys.get("nobody")
    assert auth.http(caught.value).status == 500
    with pytest.raises(ArgumentError):
        auth.http("NO_SUCH_CODE")
    with InspireAuth.open(payment_required=True, realm="plant") as paying:
        assert paying.http("NOT_ENTITLED").status == 402
        assert paying.http("INVALID_CREDENTIAL").challenge == 'Bearer realm="plant", error="invalid_token"'


def test_one_real_refusal_of_each_group(auth: InspireAuth) -> None:
    auth.keys.create("taken", actor=SYSTEM)
    with pytest.raises(NameTakenError):
        auth.keys.create("taken", actor=SYSTEM)
    with pytest.raises(ArgumentError, match="name"):
        auth.keys.create("not a name", actor=SYSTEM)
    with pytest.raises(ConflictError):
        auth.keys.update("taken", 7, enabled=False, actor=SYSTEM)
    with pytest.raises(AuthenticationError):
        auth.authenticate([])
    with pytest.raises(UnlicensedError):
        auth.license.check_entitlement("MFA")
    with pytest.raises(StoreError):
        InspireAuth.open("/nowhere/at/all.db")
