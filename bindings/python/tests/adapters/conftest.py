from __future__ import annotations

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
def auth(store: str) -> Iterator[InspireAuth]:
    with InspireAuth.open(store, hash=FAST) as auth:
        yield auth


@pytest.fixture
def keys(auth: InspireAuth) -> SimpleNamespace:
    return make_keys(auth)
