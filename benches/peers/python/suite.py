"""What a Python program pays for a request, an entitlement and a first use, beside what it would otherwise take.

    python suite.py [keys | argon2] [ROUNDS]

All in turn, round by round, by the processor time of the process. Each call stands in timeit's loop, whose 5 to 10 ns are in
every figure. One JSON line a figure; `cargo xtask bench` runs it where everything is installed.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import pathlib
import sys
import time
import timeit
from collections.abc import Callable
from typing import Any

from inspire_auth import SYSTEM, AuthenticationError, HashParameters, InspireAuth, Requirement, TrustedKey, inspect
from inspire_auth.issue import SigningKey, sign

SAMPLE_NS = 1_000_000
SLOW_NS = 5_000_000
JWT_KEY = "a secret that has 32 bytes in it"


class Candidate:
    """A statement, and what it may name; or a coroutine function, which is called and awaited."""

    def __init__(self, who: str, call: str | Callable[[], Any], **names: Any) -> None:
        self.who, self.samples, self.number = who, list[float](), 1
        if isinstance(call, str):
            self.total = timeit.Timer(call, timer=time.process_time_ns, globals=names).timeit
        else:
            self.total = lambda number: LOOP.run_until_complete(awaited(call, number))
        self.total(1)
        while (took := self.total(self.number)) < SAMPLE_NS:
            self.number *= 2
        self.each = took / self.number


LOOP = asyncio.new_event_loop()


async def awaited(call: Callable[[], Any], number: int) -> int:
    begun = time.process_time_ns()
    for _ in range(number):
        await call()
    return time.process_time_ns() - begun


def interleaved(suite: str, measure: str, rounds: int, candidates: list[Candidate]) -> None:
    mixed = any(candidate.each <= SLOW_NS for candidate in candidates)
    for round in range(rounds):
        for candidate in candidates:
            # Its figure is no closer for more samples, and the others need the rounds.
            if not mixed or candidate.each <= SLOW_NS or round % 8 == 0:
                candidate.samples.append(candidate.total(candidate.number) / candidate.number)
    for candidate in candidates:
        samples = sorted(candidate.samples)
        figure = {"suite": suite, "measure": measure, "who": candidate.who, "ns": round_(samples[len(samples) // 2])}
        print(json.dumps(figure | {"least": round_(samples[0]), "rounds": len(samples)}), flush=True)


def round_(nanoseconds: float) -> float:
    return round(nanoseconds, 2)


def handmade(secrets: dict[str, bytes], levels: dict[str, set[str]]) -> Callable[[str, str], str]:
    """What is usually written: the name finds a digest, the digests are compared, a level is looked up."""

    def authenticate(header: str, level: str) -> str:
        scheme, _, credential = header.partition(" ")
        name, _, key = credential.partition(":")
        expected = secrets.get(name)
        if scheme.lower() != "bearer" or expected is None:
            raise PermissionError
        if not hmac.compare_digest(hashlib.sha256(key.encode()).digest(), expected):
            raise PermissionError
        if level not in levels[name]:
            raise PermissionError
        return name

    return authenticate


def rest_framework() -> tuple[Any, Any, str, str]:
    """djangorestframework-api-key in a Django whose database is SQLite in memory."""
    import django
    from django.conf import settings

    settings.configure(
        INSTALLED_APPS=["rest_framework_api_key"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    )
    django.setup()
    from django.core.management import call_command
    from rest_framework_api_key.crypto import KeyGenerator
    from rest_framework_api_key.models import APIKey

    call_command("migrate", verbosity=0)
    _, key = APIKey.objects.create_key(name="gateway-client-7")
    generator = KeyGenerator()
    return generator.verify, APIKey.objects.is_valid, key, generator.hash(key)


def keyshield() -> Callable[[], Any]:
    """keyshield with its cache, and without the 100 to 300 ms that it sleeps by default."""
    from keyshield.hasher.argon2 import Argon2ApiKeyHasher
    from keyshield.repositories.in_memory import InMemoryApiKeyRepository
    from keyshield.services.cached import CachedApiKeyService

    hasher = Argon2ApiKeyHasher(pepper="a pepper that is long enough for its check")
    service = CachedApiKeyService(InMemoryApiKeyRepository(), hasher, min_delay=0, max_delay=0)
    _, key = LOOP.run_until_complete(service.create(name="gateway-client-7"))
    return lambda: service.verify_key(key)


def keys(rounds: int) -> None:
    import jwt

    signer = SigningKey.generate()
    license = {
        "id": "5d1f0c2e-3a44-4c7e-9a57-0d6f5a3b9e01",
        "key": "KEY-1",
        "limits": {"MAX_DISPLAYS": 25},
        "entitlements": ["MFA", "OFFLINE_LICENSING", "VIDEO_WALL_SYNC", "AI"],
    }
    trusted = [TrustedKey("vendor", signer.public_key)]
    # What a secret is hashed with says how long the first use of a key takes, not those that follow.
    auth = InspireAuth.open(
        hash=HashParameters(memory_kib=8, iterations=1), trusted_keys=trusted, allow_unbound=True
    )
    auth.license.activate_offline("KEY-1", sign(signer, license, kind="license"), actor=SYSTEM)
    created = auth.keys.create("gateway-client-7", levels=["Authenticated/Ops/Write"], actor=SYSTEM)
    other = auth.keys.create("gateway-client-8", actor=SYSTEM)
    operators = Requirement("any(Authenticated/Ops/Write)")
    value = f"Bearer {created.credential}"
    auth.authenticate(value, "secure", operators)
    pairs = [
        (b"host", b"gateway.example"),
        (b"user-agent", b"python-httpx/0.28.1"),
        (b"accept", b"*/*"),
        (b"authorization", value.encode()),
        (b"accept-encoding", b"gzip, deflate"),
        (b"connection", b"keep-alive"),
        (b"content-type", b"application/json"),
    ]
    ours = {"check": auth.authenticate, "operators": operators, "AuthenticationError": AuthenticationError}

    secrets = {f"key{n}": b"" for n in range(100)}
    secrets["gateway-client-7"] = hashlib.sha256(created.key.encode()).digest()
    levels = {"gateway-client-7": {"Authenticated", "Authenticated/Ops", "Authenticated/Ops/Write"}}
    by_hand = handmade(secrets, levels)
    verify, is_valid, django_key, django_hash = rest_framework()
    claims = {"sub": "gateway-client-7", "exp": 4_000_000_000, "levels": ["Authenticated/Ops/Write"]}
    token = jwt.encode(claims, JWT_KEY, algorithm="HS256")
    interleaved(
        "python",
        "warm",
        rounds,
        [
            Candidate("ours", "check(value, 'secure', operators)", value=value, **ours),
            Candidate("ours, seven header lines", "check(pairs, 'secure', operators)", pairs=pairs, **ours),
            Candidate("hand-rolled", "f(value, 'Authenticated/Ops/Write')", f=by_hand, value=value),
            Candidate("djangorestframework-api-key, digest alone", "f(key, h)", f=verify, key=django_key, h=django_hash),
            Candidate("PyJWT HS256", "f(token, key, algorithms=['HS256'])", f=jwt.decode, token=token, key=JWT_KEY),
            Candidate("keyshield", keyshield()),
            Candidate("djangorestframework-api-key", "f(key)", f=is_valid, key=django_key),
        ],
    )
    refused = "try:\n check(value, 'secure', operators)\nexcept AuthenticationError: pass"
    refused_by_hand = "try:\n f(value, 'Authenticated/Ops/Write')\nexcept PermissionError: pass"
    wrong, unknown = f"Bearer gateway-client-7:{other.key}", f"Bearer gateway-client-9:{other.key}"
    cold = f"Bearer gateway-client-8:{created.key}"
    interleaved(
        "python",
        "refused",
        rounds,
        [
            Candidate("ours, wrong secret, key in use", refused, value=wrong, **ours),
            Candidate("ours, wrong secret, key not used yet", refused, value=cold, **ours),
            Candidate("ours, unknown name", refused, value=unknown, **ours),
            Candidate("hand-rolled, wrong secret", refused_by_hand, f=by_hand, value=wrong),
        ],
    )
    interleaved(
        "python",
        "entitled",
        rounds,
        [
            Candidate("ours, has_entitlement", "f('MFA')", f=auth.license.has_entitlement),
            Candidate("ours, not entitled", "f('NOBODY_HAS_IT')", f=auth.license.has_entitlement),
            Candidate("ours, limit", "f('MAX_DISPLAYS')", f=auth.license.limit),
            Candidate("a set of Python's, in a function", "f('MFA')", f=function_of({"MFA", "AI"})),
        ],
    )
    file = pathlib.Path(os.environ["PEER_FILE"]).read_bytes()
    trusted = [TrustedKey("vendor", pathlib.Path(os.environ["PEER_PUBLIC_KEY"]).read_text())]
    key = "C1B6DE-39A6E3-DE1529-8559A0-4AF593-V3"
    interleaved(
        "python",
        "file",
        rounds,
        [Candidate("ours", "f(file, trusted_keys=t, license_key=k)", f=inspect, file=file, t=trusted, k=key)],
    )
    auth.close()


def function_of(held: set[str]) -> Callable[[str], bool]:
    def has_entitlement(code: str) -> bool:
        return code in held

    return has_entitlement


def argon2(rounds: int) -> None:
    """One Argon2id of 19456 KiB and 2 passes."""
    import argon2
    import nacl.pwhash.argon2id
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    secret = "a-secret-of-sixty-bytes-as-long-as-a-generated-key-would-be-"
    hasher = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
    phc = hasher.hash(secret)
    auth = InspireAuth.open()
    # A secret that a person chose is hashed at every use: each is a cold one.
    auth.keys.import_("imported", hash=phc, strength="chosen", actor=SYSTEM)
    value = f"Bearer imported:{secret}"
    salt = b"sixteen bytes 16"

    def openssl() -> bytes:
        return Argon2id(salt=salt, length=32, iterations=2, lanes=1, memory_cost=19_456).derive(secret.encode())

    def sodium() -> bytes:
        return nacl.pwhash.argon2id.kdf(32, secret.encode(), salt, opslimit=2, memlimit=19_456 * 1024)

    assert openssl() == sodium()
    interleaved(
        "python",
        "cold",
        rounds,
        [
            Candidate("ours", "check(value, 'secure')", check=auth.authenticate, value=value),
            Candidate("argon2-cffi", "f(phc, secret)", f=hasher.verify, phc=phc, secret=secret),
            Candidate("cryptography (OpenSSL)", "f()", f=openssl),
            Candidate("PyNaCl (libsodium)", "f()", f=sodium),
        ],
    )
    auth.close()


def main() -> None:
    suite = sys.argv[1] if len(sys.argv) > 1 else "keys"
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else None
    if suite == "argon2":
        argon2(rounds or 41)
    else:
        keys(rounds or 201)


if __name__ == "__main__":
    main()
