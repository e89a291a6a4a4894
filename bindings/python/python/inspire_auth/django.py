"""API keys for Django REST Framework.

Example:
    >>> # settings.py
    >>> INSTALLED_APPS = [..., "inspire_auth.django.InspireAuthConfig"]
    >>> INSPIRE_AUTH = {"STORE": "service.db", "CHANNEL": "secure"}
    >>> REST_FRAMEWORK = {
    ...     "DEFAULT_AUTHENTICATION_CLASSES": ["inspire_auth.django.ApiKeyAuthentication"],
    ...     "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    ... }
    >>> # views.py
    >>> class Sync(APIView):
    ...     permission_classes = [RequiresLevel("any(Authenticated/Ops/Write)"), Entitled("VIDEO_WALL_SYNC")]
    ...     def post(self, request):
    ...         return Response({"started_by": request.auth.name})

``request.auth`` is the `Principal`, ``request.user`` an `ApiKeyUser`.

``INSPIRE_AUTH`` holds:

* ``STORE``: as the first argument of `InspireAuth.open`. Required.
* ``CHANNEL``: how requests come: ``"plain"`` (the default), ``"secure"`` (TLS ends in front of this service),
  ``"local"``, `TrustedProxies`, or a function of the ``HttpRequest`` such as
  ``lambda request: "secure" if request.is_secure() else "plain"``, which trusts ``SECURE_PROXY_SSL_HEADER``.
* ``OPTIONS``: keyword arguments of `InspireAuth.open`.

The handle is opened once a process, at its first use: `get_auth`. ``manage.py check`` looks at the settings, and
``manage.py check --deploy`` at the store and the license as well.

`inspire_auth.wsgi` tells what repeated and oddly spelled headers become; Django's ``META`` is the same under ASGI.
"""

# pyright: basic
# mypy: disable-error-code="import-untyped, misc"
# Neither Django nor Django REST Framework says its types.

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from . import InspireAuth, InspireAuthError, Principal, Requirement
from ._extras import needs
from ._http import EnvironReader, Refusal, channel_reader, compiled, refuse

with needs("Django REST Framework", "django"):
    from django.apps import AppConfig
    from django.conf import settings
    from django.core import checks
    from django.core.exceptions import ImproperlyConfigured
    from django.core.signals import setting_changed
    from rest_framework.authentication import BaseAuthentication
    from rest_framework.exceptions import APIException
    from rest_framework.permissions import BasePermission, OperationHolderMixin

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "ApiKeyAuthentication",
    "ApiKeyUser",
    "Entitled",
    "InspireAuthConfig",
    "Refused",
    "RequiresLevel",
    "get_auth",
]

_EVERYONE = Requirement("Public")
_KNOWN = {"STORE", "CHANNEL", "OPTIONS"}


class _Site:
    """What the settings make: the handle, and how a request is read."""

    def __init__(self) -> None:
        configured = _settings()
        self.channel: Callable[..., Any] = channel_reader(configured.get("CHANNEL", "plain"))
        self.auth = InspireAuth.open(configured["STORE"], **configured.get("OPTIONS", {}))
        self.headers = EnvironReader(self.auth)

    def authenticate(self, request: Any, require: Requirement | None, entitlement: str | None = None) -> Principal:
        headers = self.headers(request.META)
        # Django REST Framework's request keeps Django's.
        channel = self.channel(getattr(request, "_request", request), request.META.get("REMOTE_ADDR"), headers)
        return self.auth.authenticate(headers, channel, require, entitlement=entitlement)


_lock = threading.Lock()


def _renew_lock() -> None:
    global _lock
    _lock = threading.Lock()


# Another thread may be opening the handle while this one forks: the child's lock would stay held.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
_site: _Site | None = None


def _opened() -> _Site:
    global _site
    site = _site
    if site is None:
        with _lock:
            site = _site
            if site is None:
                site = _site = _Site()
    return site


def get_auth() -> InspireAuth:
    """The handle that the settings describe: opened at the first call, one for the process.

    Raises:
        ImproperlyConfigured: ``INSPIRE_AUTH`` is missing, or is not what it should be.
        InspireAuthError: the store can't be opened, or an option can't be used.
    """
    return _opened().auth


def _settings() -> dict[str, Any]:
    configured = getattr(settings, "INSPIRE_AUTH", None)
    if not isinstance(configured, dict) or "STORE" not in configured:
        raise ImproperlyConfigured('INSPIRE_AUTH is a dict with at least "STORE"')
    unknown = sorted(set(configured) - _KNOWN)
    if unknown:
        raise ImproperlyConfigured(f"INSPIRE_AUTH knows no {', '.join(unknown)}")
    return configured


def _forget(*, setting: str, **_: Any) -> None:
    """``override_settings`` in a test: the next use opens anew."""
    global _site
    if setting == "INSPIRE_AUTH":
        with _lock:
            _site = None


setting_changed.connect(_forget, dispatch_uid="inspire_auth.django")


class ApiKeyUser:
    """Who is calling, as Django REST Framework knows users: authenticated, and without any of Django's permissions.

    Attributes:
        principal: the library's own.
        pk: the key's id, which a rename keeps.
        username: the key's name.
    """

    is_authenticated = True
    is_active = True
    is_anonymous = is_staff = is_superuser = False

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.pk = self.id = principal.id
        self.username = principal.name

    def get_username(self) -> str:
        """The key's name."""
        return self.username or ""

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """False: what a key may do is said by its levels."""
        return False

    def has_perms(self, perms: Any, obj: Any = None) -> bool:
        """False, as `has_perm`."""
        return False

    def __str__(self) -> str:
        return self.get_username()


class Refused(APIException):
    """A refused request: ``{"error": CODE, "message": ...}`` with its status and challenge. `error` is the library's
    reason, for the host."""

    def __init__(self, error: InspireAuthError, refusal: Refusal) -> None:
        super().__init__(refusal.document)
        self.error = error
        self.status_code = refusal.status
        # What Django REST Framework's exception handler makes headers of.
        self.auth_header = refusal.headers.get("WWW-Authenticate")
        self.wait = int(refusal.headers.get("Retry-After", 0)) or None


def _check(request: Any, require: Requirement | None, entitlement: str | None = None) -> Principal:
    site = _opened()
    try:
        return site.authenticate(request, require, entitlement)
    except InspireAuthError as error:
        raise Refused(error, refuse(site.auth, error, request.method, request.path)) from None


class ApiKeyAuthentication(BaseAuthentication):
    """Finds out who is calling. A request without a credential goes on as nobody, for the permissions to judge; what is
    sent and wrong is refused."""

    def authenticate(self, request: Any) -> tuple[ApiKeyUser, Principal] | None:
        """(user, principal), or None without a credential.

        Raises:
            Refused: the credential is refused.
        """
        principal = _check(request, _EVERYONE)
        return None if principal.is_anonymous else (ApiKeyUser(principal), principal)

    def authenticate_header(self, request: Any) -> str:
        """The challenge to a request without a credential; with it Django REST Framework answers 401 and not 403."""
        auth = _opened().auth
        return auth.http("NO_CREDENTIAL").challenge or "Bearer"


class _Gate(OperationHolderMixin, BasePermission):
    """A permission that is made with arguments: Django REST Framework calls what stands in ``permission_classes``."""

    def __call__(self) -> _Gate:
        return self


class RequiresLevel(_Gate):
    """What a key must be allowed, in ``permission_classes``. It is judged by the request's own credential.

    A refusal is raised, with the code that says why, so in ``IsAdminUser | RequiresLevel(...)`` it stands last.

    Args:
        require: a `Requirement` or its text, such as ``any(Authenticated/Ops/Write)``.

    Raises:
        ArgumentError: `require` can't be read.
    """

    def __init__(self, require: Requirement | str) -> None:
        self._require = compiled(require)

    def has_permission(self, request: Any, view: Any) -> bool:
        """True; a refusal is raised as `Refused`."""
        _check(request, self._require)
        return True


class Entitled(_Gate):
    """What the license must hold, in ``permission_classes``. The ``enforcement`` of the handle applies.

    Args:
        code: the entitlement, such as ``VIDEO_WALL_SYNC``.
    """

    def __init__(self, code: str) -> None:
        self._code = code

    def has_permission(self, request: Any, view: Any) -> bool:
        """True; a refusal is raised as `Refused`."""
        site = _opened()
        try:
            # Nobody in particular, whatever the request carries.
            site.auth.authenticate((), "plain", _EVERYONE, entitlement=self._code)
        except InspireAuthError as error:
            raise Refused(error, refuse(site.auth, error, request.method, request.path)) from None
        return True


class InspireAuthConfig(AppConfig):
    """Adds the system checks."""

    name = "inspire_auth.django"
    label = "inspire_auth"
    verbose_name = "inspire_auth"

    def ready(self) -> None:
        """Registers the checks."""
        checks.register(check_settings, checks.Tags.security)
        checks.register(check_license, checks.Tags.security, deploy=True)


def check_settings(app_configs: Any, **_: Any) -> list[checks.CheckMessage]:
    """E001: ``INSPIRE_AUTH`` can't be used."""
    try:
        channel_reader(_settings().get("CHANNEL", "plain"))
    except (ImproperlyConfigured, InspireAuthError) as error:
        return [checks.Error(str(error), id="inspire_auth.E001")]
    return []


def check_license(app_configs: Any, **_: Any) -> list[checks.CheckMessage]:
    """E002: the store can't be opened. W001: the license is not active. W002: it will need attention."""
    if check_settings(app_configs):
        return []
    try:
        status = get_auth().license.status()
    except (InspireAuthError, TypeError) as error:
        return [checks.Error(f"the store can't be opened: {error}", id="inspire_auth.E002")]
    if not status.active:
        return [checks.Warning(f"the license is not active: {status.reason}", id="inspire_auth.W001")]
    return [checks.Warning(f"the license: {warning.code}", id="inspire_auth.W002") for warning in status.warnings]
