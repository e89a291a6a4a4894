from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from vendor import Doorway, Vendor

from inspire_auth import SYSTEM, CreatedKey, HashParameters, InspireAuth

FAST = HashParameters(memory_kib=64, iterations=1, parallelism=1)
"""Argon2's least, for tests that are not about its cost."""


def bearer(key: CreatedKey) -> list[tuple[str, str]]:
    """The headers of a request that presents this key."""
    return [("Authorization", f"Bearer {key.credential}")]


@pytest.fixture
def auth() -> Iterator[InspireAuth]:
    with InspireAuth.open(hash=FAST) as auth:
        yield auth


@pytest.fixture
def key(auth: InspireAuth) -> CreatedKey:
    return auth.keys.create("reporting", levels=["Authenticated/Ops/Write"], require_secure=False, actor=SYSTEM)


@pytest.fixture
def vendor(tmp_path: Path) -> Iterator[Vendor]:
    vendor = Vendor(tmp_path)
    vendor.start()
    yield vendor
    vendor.close()


@pytest.fixture
def doorway(vendor: Vendor) -> Iterator[Doorway]:
    doorway = Doorway(vendor.host)
    yield doorway
    doorway.close()
