"""The license as OpenFeature flags.

Example:
    >>> from openfeature import api
    >>> from inspire_auth import InspireAuth
    >>> from inspire_auth.openfeature import LicenseProvider
    >>> api.set_provider_and_wait(LicenseProvider(InspireAuth.open("service.db")))
    >>> client = api.get_client()
    >>> client.get_boolean_value("VIDEO_WALL_SYNC", False)      # until a license holds it
    False
    >>> client.get_integer_value("limits.max_displays", 0)
    0

| flag | type | value |
|---|---|---|
| an entitlement's code, such as ``SSO_SAML`` | boolean | whether the license is active and holds it |
| ``limits.max_displays`` and so on | integer, float | -1 is unlimited (metadata ``unlimited``); 0 unless active |
| ``license.status`` | string | ``unlicensed``, ``active``, ``expired``, ``suspended`` or ``invalid`` |
| ``license.mode`` | string | ``online`` or ``offline``; the default when there is none |
| ``license.name`` | string | the license's name; the default when there is none |
| ``license`` | object | the whole status, its key masked |

Always give False, 0 or the least as the default: it is what a flag that nobody knows (``FLAG_NOT_FOUND``) comes to.
The reason is ``STATIC`` for an offline license, ``CACHED`` for the copy of an online one, ``STALE`` when that copy's
lease is near its end, and ``DISABLED`` for what the license does not give. Each evaluation judges the license as it is
then.

Credits are no flags: using some needs an atomic answer.
"""

# pyright: reportMissingTypeStubs=false
# The SDK has a py.typed, but as a namespace package, where it does not count for packages inside.

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, TypeVar, Union

from . import CATALOGUE
from ._extras import needs

with needs("the OpenFeature SDK", "openfeature"):
    from openfeature.event import ProviderEventDetails
    from openfeature.exception import ErrorCode, FlagNotFoundError, GeneralError, TypeMismatchError
    from openfeature.flag_evaluation import FlagResolutionDetails, Reason
    from openfeature.provider import AbstractProvider, Metadata

if TYPE_CHECKING:
    from openfeature.evaluation_context import EvaluationContext
    from openfeature.flag_evaluation import FlagValueType

    from . import InspireAuth, LicenseStatus

__all__ = ["LicenseProvider"]

Value = TypeVar("Value")
Metadatum = Union[bool, int, float, str]

_LIMIT = "limits."
_TEXTS = {"license.status": "state", "license.mode": "mode", "license.name": "name"}
_WHOLE = "license"


class LicenseProvider(AbstractProvider):
    """Answers flags from the license of a handle. In memory, without network I/O, whatever the evaluation context.

    Events come when an evaluation, or `refresh`, finds the license different from before, whichever process changed it:
    ``PROVIDER_CONFIGURATION_CHANGED`` with the flags that changed, ``PROVIDER_STALE``, ``PROVIDER_ERROR`` for a license
    that can't be used at all, and ``PROVIDER_READY`` when either is over. An expired, suspended or missing license is
    no error: it disables flags.

    Args:
        auth: the handle. It must stay open as long as the provider is in use, and is not closed with it.
    """

    def __init__(self, auth: InspireAuth) -> None:
        super().__init__()
        self._auth = auth
        self._known = set(CATALOGUE)
        self._last: LicenseStatus | None = None
        self._noticing = threading.Lock()

    def get_metadata(self) -> Metadata:
        """The provider's name: ``inspire-auth``."""
        return Metadata("inspire-auth")

    def initialize(self, evaluation_context: EvaluationContext) -> None:
        """Looks at the license.

        Raises:
            GeneralError: it can't be used at all (a damaged file, another machine's, one signed by no trusted key).
                Flags are then disabled; a new file is noticed.
            StoreError: the store can't be read.
        """
        status = self._auth.license.status()
        self._known.update(status.entitlements)
        self._last = status
        if status.state == "invalid":
            raise GeneralError(f"the license can't be used: {status.reason}")

    def refresh(self) -> None:
        """Looks at the license again, and emits what has changed: for a timer, where flags are seldom evaluated.

        Raises:
            StoreError: the store can't be read.
        """
        self._status()

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """An entitlement."""
        status = self._status()
        code = flag_key.upper()
        if code not in self._known:
            raise self._unknown(flag_key, status)
        return _details(status, code in status.entitlements, on=code in status.entitlements)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """A limit."""
        status = self._status()
        limit = self._limit(flag_key, status)
        return _details(status, limit, on=status.active, **_unlimited(limit))

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """A limit, for who asks for a float."""
        status = self._status()
        limit = self._limit(flag_key, status)
        return _details(status, float(limit), on=status.active, **_unlimited(limit))

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """What the license is."""
        status = self._status()
        if flag_key not in _TEXTS:
            raise self._unknown(flag_key, status)
        text: str | None = getattr(status, _TEXTS[flag_key])
        if text is None:
            return FlagResolutionDetails(default_value, reason=Reason.DEFAULT, flag_metadata=_metadata(status))
        details = _details(status, text, on=True)
        details.variant = text
        return details

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        """The whole status."""
        status = self._status()
        if flag_key != _WHOLE:
            raise self._unknown(flag_key, status)
        return _details(status, _document(status), on=True)

    def _status(self) -> LicenseStatus:
        """The license now. Emits what has changed, unless another thread is at it."""
        status = self._auth.license.status()
        if status != self._last and self._noticing.acquire(blocking=False):
            try:
                self._notice(status)
            finally:
                self._noticing.release()
        return status

    def _notice(self, status: LicenseStatus) -> None:
        before, self._last = self._last, status
        self._known.update(status.entitlements)
        if before is None:
            return
        changed = _changed(before, status)
        if changed:
            self.emit_provider_configuration_changed(ProviderEventDetails(flags_changed=changed))
        was, now = _condition(before), _condition(status)
        if now == was:
            return
        if now == "invalid":
            message = f"the license can't be used: {status.reason}"
            self.emit_provider_error(ProviderEventDetails(message=message, error_code=ErrorCode.GENERAL))
        elif now == "stale":
            self.emit_provider_stale(ProviderEventDetails(message="the licensing server was not reached for long"))
        else:
            self.emit_provider_ready(ProviderEventDetails())

    def _limit(self, flag_key: str, status: LicenseStatus) -> int:
        name = flag_key[len(_LIMIT) :].upper()
        if not flag_key.startswith(_LIMIT) or name not in status.limits:
            raise self._unknown(flag_key, status)
        return status.limits[name]

    def _unknown(self, flag_key: str, status: LicenseStatus) -> FlagNotFoundError | TypeMismatchError:
        """Why a flag is not answered: it is of another type, or nobody's."""
        names = {*_TEXTS, _WHOLE, *(_LIMIT + limit.lower() for limit in status.limits)}
        if flag_key.lower() in names or flag_key.upper() in self._known:
            return TypeMismatchError(f"{flag_key} is of another type")
        return FlagNotFoundError(f"the license knows no {flag_key}")


def _condition(status: LicenseStatus) -> str:
    """How a provider is: ``ready``, ``stale`` or ``invalid``."""
    if status.state == "invalid":
        return "invalid"
    return "stale" if _stale(status) else "ready"


def _stale(status: LicenseStatus) -> bool:
    return status.mode == "online" and any(warning.code == "LEASE_ENDS_SOON" for warning in status.warnings)


def _details(status: LicenseStatus, value: Value, *, on: bool, **more: Metadatum) -> FlagResolutionDetails[Value]:
    if not on:
        reason = Reason.DISABLED
    elif _stale(status):
        reason = Reason.STALE
    else:
        reason = Reason.CACHED if status.mode == "online" else Reason.STATIC
    return FlagResolutionDetails(value, reason=reason, flag_metadata={**_metadata(status), **more})


def _unlimited(limit: int) -> dict[str, Metadatum]:
    return {"unlimited": True} if limit == -1 else {}


def _metadata(status: LicenseStatus) -> dict[str, Metadatum]:
    """What is known of the license, as OpenTelemetry's feature-flag events want it. `version` changes with each
    installed file."""
    known: dict[str, Metadatum | None] = {
        "licenseStatus": status.state,
        "mode": status.mode,
        "expiresAt": status.expires_at,
        "version": None if status.last_validated_at is None else str(status.last_validated_at),
    }
    return {name: value for name, value in known.items() if value is not None}


def _document(status: LicenseStatus) -> dict[str, Any]:
    document = {field.name: getattr(status, field.name) for field in fields(status)}
    document["limits"] = dict(status.limits)
    document["entitlements"] = list(status.entitlements)
    document["warnings"] = [asdict(warning) for warning in status.warnings]
    return document


def _changed(before: LicenseStatus, now: LicenseStatus) -> list[str]:
    """The flags whose value is another one."""
    limits = {name for name in {*before.limits, *now.limits} if before.limits.get(name) != now.limits.get(name)}
    texts = [flag for flag, field in _TEXTS.items() if getattr(before, field) != getattr(now, field)]
    changed = sorted({*before.entitlements} ^ {*now.entitlements})
    changed += sorted(_LIMIT + name.lower() for name in limits)
    changed += texts
    return [*changed, _WHOLE] if before != now else changed
