"""API keys for Django REST Framework, and for a whole Django site.

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
* ``ROUTES``: the table of `RouteMiddleware`: `Routes`, or what `Routes.parse` takes. It says ``"ignore_suffix": true``,
  since Django REST Framework's routers, and ``format_suffix_patterns``, add ``users.<format>`` to ``users``.
* ``WHOLE_SEGMENTS``: True says that no URL of this site has such a suffix; then the table need not say it.

A whole site, whatever its views are made with, is guarded by a table, which says what each path and method needs, and
denies the rest:

    >>> MIDDLEWARE = ["inspire_auth.django.RouteMiddleware", ...]
    >>> INSPIRE_AUTH = {
    ...     "STORE": "service.db",
    ...     "CHANNEL": "secure",
    ...     "ROUTES": {
    ...         "ignore_suffix": True,
    ...         "routes": [{"prefix": "/data", "methods": ["GET"], "require": {"any": ["Authenticated/Ops"]}}],
    ...     },
    ... }

The handle is opened once a process, at its first use: `get_auth`. ``manage.py check`` looks at the settings, and
``manage.py check --deploy`` at the store and the license as well.

`inspire_auth.wsgi` tells what repeated and oddly spelled headers become; Django's ``META`` is the same under ASGI. It
tells which path a table judges as well, and under ASGI `inspire_auth.asgi` does. With ``FORCE_SCRIPT_NAME`` every path of
the table begins with it, whether the received one does or not. Where ``format_suffix_patterns`` are in use, the table says
``"ignore_suffix": true``.
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
from ._paths import Target, Terms, asgi_target, compiled_routes, judged_method, refused, wsgi_target

with needs("Django REST Framework", "django"):
    from asgiref.sync import iscoroutinefunction, markcoroutinefunction
    from django.apps import AppConfig
    from django.conf import settings
    from django.core import checks
    from django.core.exceptions import ImproperlyConfigured
    from django.core.signals import setting_changed
    from django.http import HttpResponse
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
    "RouteMiddleware",
    "get_auth",
]

_EVERYONE = Requirement("Public")
_KNOWN = {"STORE", "CHANNEL", "OPTIONS", "ROUTES", "WHOLE_SEGMENTS"}


class _Site:
    """What the settings make: the handle, and how a request is read."""

    def __init__(self) -> None:
        configured = _settings()
        self.channel: Callable[..., Any] = channel_reader(configured.get("CHANNEL", "plain"))
        self.auth = InspireAuth.open(configured["STORE"], **configured.get("OPTIONS", {}))
        self.headers = EnvironReader(self.auth)
        routes = configured.get("ROUTES")
        self.terms = None if routes is None else Terms(None, None, routes, _target)

    def asked(self, request: Any) -> tuple[list[tuple[str, str]], Any]:
        """The headers and the channel of a request."""
        headers = self.headers(request.META)
        # Django REST Framework's request keeps Django's.
        return headers, self.channel(getattr(request, "_request", request), request.META.get("REMOTE_ADDR"), headers)

    def authenticate(self, request: Any, require: Requirement | None, entitlement: str | None = None) -> Principal:
        return self.auth.authenticate(*self.asked(request), require, entitlement=entitlement)


def _target(request: Any) -> Target:
    """The method and the path of one of Django's requests, if Django's own router goes by them."""
    scope = getattr(request, "scope", None)
    if scope is None:
        (method, path), seen = wsgi_target(request.META, "utf-8", settings.FORCE_SCRIPT_NAME), request.META["PATH_INFO"]
    else:
        # As Django has it: the setting goes before the server's word.
        prefix = settings.FORCE_SCRIPT_NAME or scope.get("root_path") or ""
        (method, path), seen = asgi_target({**scope, "root_path": prefix}), scope["path"].removeprefix(prefix)
    # Views go by `request.method`, which another middleware may have changed.
    if request.method != method.strip().upper():
        method = judged_method(request.method)
    # The router goes by `path_info`, which another middleware may have changed.
    # What is taken off without regard to segments leaves a path without a slash.
    return method, path if seen == request.path_info and seen[:1] in ("", "/") else refused(path)


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
        raise Refused(error, refuse(site.auth, error, request.path)) from None


class RouteMiddleware:
    """Lets only requests through that the table ``INSPIRE_AUTH["ROUTES"]`` allows, to whatever view; ``request.principal``
    says who is calling. It stands first in ``MIDDLEWARE``, or behind what answers browsers' preflights;
    behind whatever changes the method; nothing behind the guard may change method or path; a path changed before it is
    refused.

    A refused request is answered ``{"error": CODE, "message": ...}`` with the status and the challenge of
    `InspireAuth.http`. The table names whole paths, with ``SCRIPT_NAME``.

    Args:
        get_response: what comes next; Django gives it.

    Raises:
        ImproperlyConfigured: there is no table, or it can't be read.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self._get_response = get_response
        _table()
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:
        """The answer: a refusal, or what comes next."""
        if self._is_async:
            return self._answer(request)
        site, terms = self._terms(request)
        try:
            request.principal = site.auth.authenticate(*site.asked(request), **terms)
        except InspireAuthError as error:
            return self._refuse(site, error, request)
        return self._get_response(request)

    async def _answer(self, request: Any) -> Any:
        site, terms = self._terms(request)
        try:
            request.principal = await site.auth.authenticate_async(*site.asked(request), **terms)
        except InspireAuthError as error:
            return self._refuse(site, error, request)
        return await self._get_response(request)

    @staticmethod
    def _terms(request: Any) -> tuple[_Site, dict[str, Any]]:
        site = _opened()
        if site.terms is None:  # settings that a test has changed meanwhile
            raise ImproperlyConfigured(_NO_TABLE)
        return site, site.terms.of(request)

    @staticmethod
    def _refuse(site: _Site, error: InspireAuthError, request: Any) -> HttpResponse:
        refusal = refuse(site.auth, error, request.path)
        body = b"" if request.method == "HEAD" else refusal.body
        return HttpResponse(body, status=refusal.status, headers=refusal.all_headers)


_NO_SUFFIX = (
    'INSPIRE_AUTH["ROUTES"]: routers of Django REST Framework add users.<format> to users: say "ignore_suffix": true in the '
    'table; or INSPIRE_AUTH["WHOLE_SEGMENTS"] = True, when no URL of this site has such a suffix'
)
_NO_TABLE = 'RouteMiddleware needs a table: INSPIRE_AUTH["ROUTES"]'


def _table() -> None:
    """Raises ImproperlyConfigured unless there is a table that can be read."""
    routes = _settings().get("ROUTES")
    if routes is None:
        raise ImproperlyConfigured(_NO_TABLE)
    try:
        table = compiled_routes(routes)
    except (InspireAuthError, TypeError) as error:
        raise ImproperlyConfigured(f'INSPIRE_AUTH["ROUTES"]: {error}') from None
    if not table.ignores_suffix and _settings().get("WHOLE_SEGMENTS") is not True:
        raise ImproperlyConfigured(_NO_SUFFIX)


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
            raise Refused(error, refuse(site.auth, error, request.path)) from None
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
        if "ROUTES" in _settings():
            _table()
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
