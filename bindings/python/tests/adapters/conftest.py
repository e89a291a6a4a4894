from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from inspire_auth import SYSTEM, HashParameters, InspireAuth

READ = "Authenticated/Gateway/Read"
WRITE = "Authenticated/Gateway/Write"
FAST = HashParameters(memory_kib=64, iterations=1, parallelism=1)
"""Argon2's least: these tests are not about its cost."""


def make_keys(auth: InspireAuth) -> SimpleNamespace:
    """Credentials: `reader` and `writer` for any channel, `secure` for a secure one only, `bare` without levels."""

    def create(name: str, *levels: str, require_secure: bool = False) -> str:
        return auth.keys.create(name, levels=levels, require_secure=require_secure, actor=SYSTEM).credential

    return SimpleNamespace(
        reader=create("reader", READ),
        writer=create("writer", READ, WRITE),
        bare=create("bare"),
        secure=create("secure", READ, require_secure=True),
    )


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
