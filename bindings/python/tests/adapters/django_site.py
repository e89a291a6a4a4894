"""A Django site with Django REST Framework: for a thread of the tests, or `gunicorn "django_site:preloaded()"`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import django
from django.conf import settings

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "inspire_auth.django.InspireAuthConfig"],
        INSPIRE_AUTH={"STORE": os.environ.get("INSPIRE_STORE", ":memory:")},
        REST_FRAMEWORK={
            "DEFAULT_AUTHENTICATION_CLASSES": ["inspire_auth.django.ApiKeyAuthentication"],
            "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        },
        ROOT_URLCONF=__name__,
        SECRET_KEY="not a secret: nothing is signed",
        USE_TZ=True,
    )
    django.setup()

# Settings come first.
from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.test.utils import override_settings  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework.permissions import AllowAny, IsAdminUser  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

from inspire_auth import AuthenticationError  # noqa: E402
from inspire_auth.django import Entitled, RequiresLevel, get_auth  # noqa: E402

READ = "Authenticated/Gateway/Read"
WRITE = "Authenticated/Gateway/Write"


def broken() -> Exception:
    """The application's own failure, in the library's words: no answer to the request."""
    return AuthenticationError("INVALID_CREDENTIAL", "of something else")


class View(APIView):
    fails = False

    def get(self, request: Any) -> Response:
        if self.fails:
            raise broken()
        name = request.auth.name if request.auth else None
        return Response({"name": name, "anonymous": request.auth is None, "received": len(request.body)})

    post = get


def view(*permissions: Any, fails: bool = False) -> Any:
    return View.as_view(permission_classes=list(permissions), fails=fails)


urlpatterns = [
    path("read", view(RequiresLevel(READ))),
    path("write", view(RequiresLevel(WRITE))),
    path("wall", view(RequiresLevel(READ), Entitled("VIDEO_WALL_SYNC"))),
    path("public", view(AllowAny)),
    path("broken", view(RequiresLevel(READ), fails=True)),
    path("default", View.as_view()),
    path("both", view(RequiresLevel(READ) & RequiresLevel(WRITE))),
    path("either", view(IsAdminUser | RequiresLevel(READ))),
    path("not", view(~RequiresLevel(READ))),
]

app = get_wsgi_application()


def preloaded() -> Any:
    """For `gunicorn --preload`: the handle is opened, and used, before the workers are forked."""
    auth = get_auth()
    auth.authenticate(f"Bearer {os.environ['INSPIRE_CREDENTIAL']}")

    def with_pid(environ: Any, start_response: Any) -> Any:
        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            return start_response(status, [*headers, ("X-Pid", str(os.getpid()))], *rest)

        return app(environ, start)

    return with_pid


@contextlib.contextmanager
def serving(store: str, channel: Any, **options: Any) -> Iterator[Any]:
    """The WSGI application, with these settings."""
    configured = {"STORE": store, "CHANNEL": channel, "OPTIONS": options}
    with override_settings(INSPIRE_AUTH=configured):
        yield app


@contextlib.contextmanager
def serving_asgi(store: str, channel: Any, **options: Any) -> Iterator[Any]:
    """The ASGI application, with these settings."""
    with serving(store, channel, **options):
        yield get_asgi_application()
