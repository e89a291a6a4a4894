"""Django REST Framework: users, permissions, settings and system checks."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.test.utils import override_settings
from rest_framework.test import APIClient, APIRequestFactory

from inspire_auth import SYSTEM, InspireAuth
from inspire_auth.django import ApiKeyAuthentication, ApiKeyUser, Refused, RequiresLevel, get_auth

from . import django_site
from .doors import open_door
from .sample import FAST, READ, WRITE
from .wire import ask, bearer


def test_default_permissions_answer_401_with_a_challenge(store: str, keys: SimpleNamespace) -> None:
    with open_door("drf", store) as at:
        answer = ask(at, "GET", "/default")
        assert (answer.status, answer.header("www-authenticate")) == (401, 'Bearer realm="inspire"')
        assert ask(at, "GET", "/default", bearer(keys.bare)).json["name"] == "bare"


def test_permissions_combine(store: str, keys: SimpleNamespace) -> None:
    with open_door("drf", store) as at:
        assert ask(at, "GET", "/both", bearer(keys.writer)).code == "200"
        assert ask(at, "GET", "/both", bearer(keys.reader)).code == "403 INSUFFICIENT_LEVEL"
        assert ask(at, "GET", "/either", bearer(keys.reader)).code == "200"
        assert ask(at, "GET", "/either", bearer(keys.bare)).code == "403 INSUFFICIENT_LEVEL"
        assert ask(at, "GET", "/either").code == "401 NO_CREDENTIAL"
        # Whatever stands in a "not", nobody gets in who would not without it.
        assert ask(at, "GET", "/not", bearer(keys.reader)).status == 403
        assert ask(at, "GET", "/not", bearer(keys.bare)).status == 403


def test_a_key_is_a_user_without_djangos_permissions(auth: InspireAuth, keys: SimpleNamespace) -> None:
    principal = auth.authenticate(f"Bearer {keys.reader}")
    user = ApiKeyUser(principal)
    assert user.is_authenticated
    assert not (user.is_anonymous or user.is_staff or user.is_superuser)
    assert (user.pk, user.username, str(user)) == (principal.id, "reader", "reader")
    assert not user.has_perm("app.view_thing")
    assert not user.has_perms([])


def test_authenticate_gives_user_and_principal(store: str, keys: SimpleNamespace) -> None:
    make = APIRequestFactory()
    with django_site.serving(store, "plain", hash=FAST):
        user, principal = ApiKeyAuthentication().authenticate(make.get("/", headers=dict([bearer(keys.reader)])))
        assert user.principal is principal
        assert principal.name == "reader"
        assert ApiKeyAuthentication().authenticate(make.get("/")) is None
        with pytest.raises(Refused) as refusal:
            ApiKeyAuthentication().authenticate(make.get("/", headers=dict([bearer("reader:no")])))
        assert refusal.value.status_code == 401
        assert refusal.value.error.code == "INVALID_CREDENTIAL"
        assert keys.reader.split(":")[1] not in repr(refusal.value)


def test_the_frameworks_own_client_works(store: str, keys: SimpleNamespace) -> None:
    with django_site.serving(store, "secure", hash=FAST):
        client = APIClient()
        assert client.get("/read").status_code == 401
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {keys.secure}")
        assert client.get("/read").json()["name"] == "secure"


def test_the_handle_is_opened_once_and_again_after_other_settings(tmp_path: Path) -> None:
    with django_site.serving(str(tmp_path / "a.db"), "plain"):
        first = get_auth()
        assert get_auth() is first
        first.keys.create("here", actor=SYSTEM)
        with django_site.serving(str(tmp_path / "b.db"), "plain"):
            assert get_auth() is not first
            assert get_auth().keys.list() == []
        assert [key.name for key in get_auth().keys.list()] == ["here"]


@pytest.mark.parametrize(
    "configured",
    [None, {}, {"CHANNEL": "secure"}, {"STORE": ":memory:", "CHANEL": "secure"}, {"STORE": "x", "CHANNEL": "tls"}],
)
def test_wrong_settings_fail_the_check(configured: Any) -> None:
    with override_settings(INSPIRE_AUTH=configured):
        assert [message.id for message in run_checks() if (message.id or "").startswith("inspire_auth")] == [
            "inspire_auth.E001"
        ]
        with pytest.raises(Exception, match="INSPIRE_AUTH|channel"):
            get_auth()


def test_the_deployment_check_looks_at_the_license(tmp_path: Path) -> None:
    def ids() -> list[str]:
        found = run_checks(include_deployment_checks=True)
        return [str(message.id) for message in found if (message.id or "").startswith("inspire_auth")]

    with django_site.serving(str(tmp_path / "keys.db"), "plain"):
        assert [m.id for m in run_checks()] == [], "the store is looked at by --deploy only"
        assert ids() == ["inspire_auth.W001"]
    with django_site.serving(str(tmp_path / "no" / "such" / "folder.db"), "plain"):
        assert ids() == ["inspire_auth.E002"]
    with django_site.serving(":memory:", "plain", no_such_option=1):
        assert ids() == ["inspire_auth.E002"]


def test_manage_py_shows_it(tmp_path: Path) -> None:
    shown = io.StringIO()
    with django_site.serving(str(tmp_path / "keys.db"), "plain"):
        call_command("check", "--deploy", stdout=shown, stderr=shown)
    assert "(inspire_auth.W001) the license is not active: UNLICENSED" in shown.getvalue()


def test_a_requirement_is_read_when_it_is_written() -> None:
    with pytest.raises(ValueError, match="level"):
        RequiresLevel("any(a//b)")
    RequiresLevel(f"all({READ}, {WRITE})")
