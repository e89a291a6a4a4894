"""What a warm check costs, and a question about the license, beside what one would write by hand: one run, one table.

    PYTHONPATH=python python bench/warm.py [--store PATH] [--json]

CPU time of this thread, in many short rounds through all rows, so that a busy moment of the machine hits all of them; the
least and the median. Compare the ratios, not the nanoseconds: those depend on the machine and on who else uses it.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import statistics
import time
import timeit
from collections.abc import Callable
from typing import Any

from inspire_auth import SYSTEM, InspireAuth, Requirement, Routes, TrustedKey
from inspire_auth.issue import SigningKey, sign

OTHERS = [
    (b"host", b"gateway.example"),
    (b"user-agent", b"python-httpx/0.28.1"),
    (b"accept", b"*/*"),
    (b"accept-encoding", b"gzip, deflate"),
    (b"connection", b"keep-alive"),
    (b"content-type", b"application/json"),
]


def by_hand(secrets: dict[str, bytes], levels: dict[str, set[str]]) -> Callable[[str, str], str]:
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


def bare(secrets: dict[str, bytes]) -> Callable[[str, str], str]:
    """The least that could be called a check."""
    sha256 = hashlib.sha256

    def authenticate(name: str, key: str) -> str:
        if secrets.get(name) != sha256(key.encode()).digest():
            raise PermissionError
        return name

    return authenticate


LICENSE = {
    "id": "bench",
    "key": "BENCH-0000",
    "entitlements": ["DEVICE_GROUPS", "VIDEO_WALL_SYNC", "SSO_SAML", "MFA", "OBSERVABILITY", "OFFLINE_LICENSING"],
    "limits": {"MAX_DISPLAYS": 25, "MAX_AGILES": -1},
    "fingerprint": "bench",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", default=":memory:", help="the store to check against (default: %(default)s)")
    parser.add_argument("--number", type=int, default=1_000, help="calls a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=300, help="rounds (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    args = parser.parse_args()

    signer = SigningKey.generate()
    trusted = [TrustedKey("bench", signer.public_key)]
    auth = InspireAuth.open(args.store, trusted_keys=trusted, machine_id="bench")
    auth.license.activate_offline(LICENSE["key"], sign(signer, LICENSE), force=True, actor=SYSTEM)
    names = {record.name for record in auth.keys.list()}
    if "bench" in names:
        auth.keys.delete("bench", actor=SYSTEM)
    created = auth.keys.create("bench", levels=["Authenticated/Ops/Write"], actor=SYSTEM)
    value = f"Bearer {created.credential}"
    secrets = {f"key{n}": b"" for n in range(100)} | {"bench": hashlib.sha256(created.key.encode()).digest()}
    levels = {"bench": {"Authenticated", "Authenticated/Ops", "Authenticated/Ops/Write"}}
    rule = {"methods": ["GET"], "require": {"any": ["Authenticated/Ops"]}}
    own = [(b"authorization", value.encode())]
    pairs = OTHERS[:3] + own + OTHERS[3:]
    texts = [(name.decode(), text.decode()) for name, text in pairs]
    operators = Requirement("any(Authenticated/Ops)")
    license = auth.license
    scope: dict[str, Any] = {
        "check": auth.authenticate,
        "empty": operators.__str__,
        "entitlements": license.entitlements,
        "granted": license.has_entitlement,
        "handmade": by_hand(secrets, levels),
        "key": created.key,
        "least": bare(secrets),
        "license": license,
        "limit": license.limit,
        "mapping": dict(texts),
        "operators": operators,
        "own": own,
        "pairs": pairs,
        "path": "/data/api/v1/thing42/7?page=2",
        "routes": Routes.parse({"routes": [{"prefix": f"/data/api/v1/thing{n}", **rule} for n in range(100)]}),
        "texts": texts,
        "value": value,
    }
    # (measure, who) for those that stand in other tables too.
    ours = "libinspire_auth"
    shapes: list[tuple[str, str, tuple[str, str] | None]] = [
        ("an empty native call (the floor)", "empty()", ("empty", ours)),
        ("hashlib.sha256 and a dict, hand-rolled", "handmade(value, 'Authenticated/Ops')", ("authenticate", "hand-rolled")),
        ("the same, name and key already split", "least('bench', key)", None),
        ("ours: the header's value", "check(value, 'secure', operators)", ("authenticate", ours)),
        ("ours: the same, level as text", "check(value, 'secure', 'any(Authenticated/Ops)')", None),
        ("ours: the same, by keywords", "check(value, channel='secure', require=operators)", ("authenticate_keywords", ours)),
        ("ours: by a table of 100 prefixes", "check(value, 'secure', routes=routes, method='GET', path=path)", None),
        ("ours: 1 pair of bytes", "check(own, 'secure', operators)", None),
        ("ours: 7 pairs of bytes (ASGI)", "check(pairs, 'secure', operators)", ("authenticate_asgi", ours)),
        ("ours: 7 pairs of str", "check(texts, 'secure', operators)", None),
        ("ours: a dict of 7", "check(mapping, 'secure', operators)", None),
        ("license.has_entitlement(code)", "granted('VIDEO_WALL_SYNC')", ("has_entitlement", ours)),
        ("code in license.entitlements, the view kept", "'VIDEO_WALL_SYNC' in entitlements", ("contains", ours)),
        ("code in license.entitlements", "'VIDEO_WALL_SYNC' in license.entitlements", None),
        ("license.limit(name)", "limit('MAX_DISPLAYS')", ("limit", ours)),
    ]
    check: Callable[..., object] = auth.authenticate
    assert check(pairs, "secure", operators) is check(scope["mapping"], "secure", operators)
    assert license.has_entitlement("VIDEO_WALL_SYNC") and license.limit("MAX_DISPLAYS") == 25

    timers = [timeit.Timer(statement, timer=time.thread_time, globals=scope) for _, statement, _ in shapes]
    loop = timeit.Timer("pass", timer=time.thread_time)
    samples: list[list[float]] = [[] for _ in shapes]
    for _ in range(args.rounds):
        # What the loop itself costs is not the call's.
        empty = loop.timeit(args.number)
        for timer, times in zip(timers, samples, strict=True):
            times.append((timer.timeit(args.number) - empty) / args.number * 1e9)
    rival = statistics.median(samples[1])
    if not args.json:
        print(f"store {args.store}; ns a call, without the loop's: least and median of {args.rounds} rounds")
    for (name, _, listed), times in zip(shapes, samples, strict=True):
        median = statistics.median(times)
        if not args.json:
            print(f"{name:44} {min(times):7.0f} {median:7.0f}   {rival / median:6.2f} times as fast as hand-rolled")
        elif listed is not None:
            row = {"suite": "python", "measure": listed[0], "who": listed[1]}
            row |= {"ns": round(median, 1), "least": round(min(times), 1), "rounds": args.rounds}
            print(json.dumps(row))
    auth.keys.delete("bench", actor=SYSTEM)
    auth.close()


if __name__ == "__main__":
    main()
