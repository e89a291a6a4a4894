"""What a warm check costs, beside what one would write by hand: one run, one table.

    PYTHONPATH=python python bench/warm.py [--store PATH]

Compare the ratios, not the nanoseconds: those depend on the machine and on who else uses it.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import timeit
from collections.abc import Callable

from inspire_auth import SYSTEM, InspireAuth, Requirement, Routes

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


def best(call: Callable[[], object], number: int, rounds: int) -> float:
    """Nanoseconds a call: the best round, as timeit advises."""
    return min(timeit.repeat(call, number=number, repeat=rounds)) / number * 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", default=":memory:", help="the store to check against (default: %(default)s)")
    parser.add_argument("--number", type=int, default=20_000, help="calls a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=25, help="rounds (default: %(default)s)")
    args = parser.parse_args()

    auth = InspireAuth.open(args.store)
    names = {record.name for record in auth.keys.list()}
    if "bench" in names:
        auth.keys.delete("bench", actor=SYSTEM)
    created = auth.keys.create("bench", levels=["Authenticated/Ops/Write"], actor=SYSTEM)
    operators = Requirement("any(Authenticated/Ops)")
    value = f"Bearer {created.credential}"
    secrets = {f"key{n}": b"" for n in range(100)} | {"bench": hashlib.sha256(created.key.encode()).digest()}
    levels = {"bench": {"Authenticated", "Authenticated/Ops", "Authenticated/Ops/Write"}}
    handmade, least = by_hand(secrets, levels), bare(secrets)
    check = auth.authenticate
    rule = {"methods": ["GET"], "require": {"any": ["Authenticated/Ops"]}}
    routes = Routes.parse({"routes": [{"prefix": f"/data/api/v1/thing{n}", **rule} for n in range(100)]})
    path = "/data/api/v1/thing42/7?page=2"
    own = [(b"authorization", value.encode())]
    shapes: list[tuple[str, Callable[[], object]]] = [
        ("an empty native call (the floor)", operators.__str__),
        ("hashlib.sha256 and a dict, hand-rolled", lambda: handmade(value, "Authenticated/Ops")),
        ("the same, name and key already split", lambda: least("bench", created.key)),
        ("ours: the header's value", lambda: check(value, "secure", operators)),
        ("ours: the same, level as text", lambda: check(value, "secure", "any(Authenticated/Ops)")),
        ("ours: the same, by keywords", lambda: check(value, channel="secure", require=operators)),
        ("ours: by a table of 100 prefixes", lambda: check(value, "secure", routes=routes, method="GET", path=path)),
        ("ours: 1 pair of bytes", lambda: check(own, "secure", operators)),
        ("ours: 7 pairs of bytes (ASGI)", lambda: check(pairs, "secure", operators)),
        ("ours: 7 pairs of str", lambda: check(texts, "secure", operators)),
        ("ours: a dict of 7", lambda: check(mapping, "secure", operators)),
    ]
    pairs = OTHERS[:3] + own + OTHERS[3:]
    texts = [(name.decode(), text.decode()) for name, text in pairs]
    mapping = dict(texts)
    assert check(pairs, "secure", operators) is check(mapping, "secure", operators)

    empty = best(lambda: None, args.number, args.rounds)
    # Round by round through all, so that a busy moment of the machine does not hit one of them alone.
    times = {name: float("inf") for name, _ in shapes}
    for _ in range(args.rounds):
        for name, call in shapes:
            times[name] = min(times[name], best(call, args.number // 4, 1) - empty)
    reference = times[shapes[1][0]]
    print(f"store {args.store}; nanoseconds a call without the {empty:.0f} of timeit's own; the best of {args.rounds}")
    for name, _ in shapes:
        print(f"{name:42} {times[name]:8.0f} ns   {reference / times[name]:5.2f} times as fast as hand-rolled")
    auth.keys.delete("bench", actor=SYSTEM)
    auth.close()


if __name__ == "__main__":
    main()
