"""What a refusal or a failure raises: one class for each reaction of the caller."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from ._inspire_auth import error_table
from ._records import ErrorEntry

if TYPE_CHECKING:
    from collections.abc import Mapping

ERRORS: Mapping[str, ErrorEntry] = MappingProxyType({row[1]: ErrorEntry(*row) for row in error_table()})
"""Every answer the library can give, by its stable identifier, in the order of the numbers."""


class InspireAuthError(Exception):
    """A refusal or a failure: what every function of this package raises, in one of the classes below.

    The text never holds a key, a hash, license bytes or a machine id.

    Args:
        code: a stable identifier of `ERRORS`, such as ``LICENSE_EXPIRED``.
        detail: what the code does not say, if anything.

    Example:
        >>> try:
        ...     caller = auth.authenticate(headers, channel="secure")
        ... except InspireAuthError as error:
        ...     answer = auth.http(error)      # status, challenge, retry_after
    """

    def __init__(self, code: str, detail: str | None = None) -> None:
        super().__init__(code, detail)
        self._entry = ERRORS[code]

    @property
    def code(self) -> str:
        """The stable identifier, such as ``LICENSE_EXPIRED``; the same in every language."""
        return self._entry.code

    @property
    def number(self) -> int:
        """The stable number, the same as in C."""
        return self._entry.number

    @property
    def message(self) -> str:
        """What happened, in general: fit to be shown to anybody."""
        return self._entry.message

    @property
    def detail(self) -> str | None:
        """What the code does not say: for logs, not for the caller of a service. Never a secret."""
        detail: str | None = self.args[1]
        return detail

    @property
    def retry(self) -> bool:
        """Whether the same call may succeed later without anything being changed."""
        return self._entry.retry

    @property
    def admin(self) -> str:
        """What an administrator should do."""
        return self._entry.admin

    @property
    def developer(self) -> str:
        """What a developer should do."""
        return self._entry.developer

    @property
    def http_status(self) -> int | None:
        """The HTTP status of a request refused by this code; None where no request is.

        `InspireAuth.http` knows the options of the handle as well, and the headers that go with it.
        """
        return self._entry.http_status

    def __str__(self) -> str:
        return self.message if self.detail is None else f"{self.message}: {self.detail}"


class ArgumentError(InspireAuthError, ValueError):
    """An argument can't be used, or the handle is closed: a mistake of the program, or of who configured it."""


class NameTakenError(InspireAuthError):
    """A key of this name exists (``NAME_TAKEN``)."""


class NotFoundError(InspireAuthError, LookupError):
    """There is no such key (``NOT_FOUND``)."""


class ConflictError(InspireAuthError):
    """The record was changed by someone else (``CONFLICT``): read it again, and repeat the change."""


class OperationCancelledError(InspireAuthError):
    """It was given up (``CANCELLED``): a decision whose ticket was cancelled, or inherited by a forked process; a call to
    the licensing server that was cancelled."""


class AuthenticationError(InspireAuthError):
    """Nobody in particular: no credential, a malformed one, or one that is not valid."""


class PermissionDeniedError(InspireAuthError):
    """Not allowed: a level is missing, the channel is not secure, or (`RouteDeniedError`) nobody may."""


class RouteDeniedError(PermissionDeniedError):
    """The route table has no rule for this path and method (``ROUTE_DENIED``); who is calling was not looked at."""


class PathNotCanonicalError(InspireAuthError):
    """The path could be read in two ways (``PATH_NOT_CANONICAL``): the request itself is no good, whoever sent it."""


class BusyError(InspireAuthError):
    """Too many credentials are being checked for the first time (``BUSY``): retry shortly; never a wrong credential."""


class LicenseError(InspireAuthError):
    """The license does not allow it, or can't be used; the classes below it are the common reasons."""


class UnlicensedError(LicenseError):
    """No license is installed (``UNLICENSED``)."""


class NotEntitledError(LicenseError):
    """The license does not include this feature (``NOT_ENTITLED``)."""


class LicenseExpiredError(LicenseError):
    """The license, or its file, has expired (``LICENSE_EXPIRED``, ``LICENSE_FILE_EXPIRED``)."""


class LicenseSuspendedError(LicenseError):
    """The vendor has suspended the license (``LICENSE_SUSPENDED``)."""


class LimitExceededError(LicenseError):
    """A limit of the license is reached (``LIMIT_EXCEEDED``)."""


class LicensingServerError(InspireAuthError):
    """The licensing server was not reached, or did not answer as it should (``NETWORK_...``, ``SERVER_...``,
    ``CLOCK_SKEW``): it says nothing about the license."""


class StoreError(InspireAuthError):
    """The store can't be opened, read, written, or believed. A check that meets it denies."""


class AuditUnavailableError(StoreError):
    """The audit file can't be written, and `AuditFile.on_failure` denies changes then (``AUDIT_UNAVAILABLE``): nothing was
    changed."""


class InternalError(InspireAuthError):
    """A mistake of the library, or no randomness from the operating system (``INTERNAL``)."""


_NAMED: dict[str, type[InspireAuthError]] = {
    "NAME_TAKEN": NameTakenError,
    "NOT_FOUND": NotFoundError,
    "CONFLICT": ConflictError,
    "PERMISSION_DENIED": PermissionDeniedError,
    "CANCELLED": OperationCancelledError,
    "SECURE_CHANNEL_REQUIRED": PermissionDeniedError,
    "INSUFFICIENT_LEVEL": PermissionDeniedError,
    "BUSY": BusyError,
    "PATH_NOT_CANONICAL": PathNotCanonicalError,
    "ROUTE_DENIED": RouteDeniedError,
    "UNLICENSED": UnlicensedError,
    "NOT_ENTITLED": NotEntitledError,
    "LICENSE_EXPIRED": LicenseExpiredError,
    "LICENSE_FILE_EXPIRED": LicenseExpiredError,
    "LICENSE_SUSPENDED": LicenseSuspendedError,
    "LIMIT_EXCEEDED": LimitExceededError,
    "WEAK_TRUSTED_KEY": ArgumentError,
    "AUDIT_UNAVAILABLE": AuditUnavailableError,
}
"""The codes whose reaction is not that of their whole group."""

_GROUPS: dict[int, type[InspireAuthError]] = {
    1: ArgumentError,
    2: AuthenticationError,
    3: LicenseError,
    4: StoreError,
    5: LicensingServerError,
    9: InternalError,
}
"""The reactions to the groups of numbers: 1xx, 2xx, ..."""


def error_class(code: str) -> type[InspireAuthError]:
    """The class that a code raises."""
    return _NAMED.get(code) or _GROUPS.get(ERRORS[code].number // 100, InspireAuthError)


def error(code: str, detail: str | None) -> InspireAuthError:
    """The exception for a code: what the native half raises."""
    return error_class(code)(code, detail)
