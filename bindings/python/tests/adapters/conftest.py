from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from inspire_auth import InspireAuth

# Its settings come before whatever a test imports of Django.
from . import django_site as django_site
from .sample import FAST, make_keys


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Where the keys are: what stands behind an adapter has a handle of its own on it."""
    return str(tmp_path / "keys.db")


@pytest.fixture
def database() -> Iterator[str]:
    """The URL of a new store on the PostgreSQL server that the environment names."""
    server, command = os.environ.get("INSPIRE_AUTH_TEST_POSTGRES"), os.environ.get("INSPIRE_AUTH_CLI")
    if server is None or command is None:
        pytest.skip("INSPIRE_AUTH_TEST_POSTGRES or INSPIRE_AUTH_CLI is not set: no database to test with")
    url = f"{server}?schema=py_{uuid.uuid4().hex}"
    subprocess.run([command, "store", "migrate", "--store", url], check=True, capture_output=True)
    yield url


@pytest.fixture
def auth(store: str) -> Iterator[InspireAuth]:
    with InspireAuth.open(store, hash=FAST) as auth:
        yield auth


@pytest.fixture
def keys(auth: InspireAuth) -> SimpleNamespace:
    return make_keys(auth)
