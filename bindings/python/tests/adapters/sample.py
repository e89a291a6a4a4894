"""Keys to ask with."""

from __future__ import annotations

from types import SimpleNamespace

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
