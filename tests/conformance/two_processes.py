#!/usr/bin/env python3
"""Two drivers of different languages, each a process of its own, on one store file.

    tests/conformance/two_processes.py --driver rust=PROGRAM --driver c=PROGRAM ...

For each two of the drivers: what one process changes, the other's very next check obeys. And a store that is rolled
back under running processes is noticed within two seconds, and revives nothing.
The last line is `N passed, N failed, N skipped`.
"""

import argparse
import itertools
import os
import shutil
import sqlite3
import sys
import tempfile
import time

import protocol
from protocol import Driver, DriverError, clip

KEYS = 400
NOTICED_WITHIN_SECONDS = 2.0
LEVELS = ["Authenticated/Ops/Write"]
# Argon2's own minimum: what is tested here is not the hash.
HASH = {"m": 64, "t": 1, "p": 1}


class Wrong(Exception):
    """What is promised does not hold."""


class Process:
    """A driver with one store open, and the few operations that the tests below are told in."""

    def __init__(self, name, command, store):
        self.name = name
        self.driver = Driver(name, command)
        answer = self.ask("open", store=store, trusted_keys=[], hash=HASH)
        self.handle = answer["handle"]

    def ask(self, op, expected="OK", **arguments):
        if op != "open":
            arguments["handle"] = self.handle
        answer = self.driver.ask({"op": op, **arguments})
        if answer["result"] != expected:
            told = {name: value for name, value in arguments.items() if name != "headers"}
            raise Wrong(f"{self.name}: {op} {told}: expected {expected}, got {clip(str(answer))}")
        return answer

    def create(self, name):
        return self.ask("keys.create", name=name, levels=LEVELS)["key"]

    def check(self, name, key, expected="OK", require=None):
        return self.result(name, key, require, expected)

    def result(self, name, key, require=None, expected=None):
        """The answer to a check, whatever it is unless something is expected."""
        arguments = {"headers": [["Authorization", f"Bearer {name}:{key}"]], "channel": "secure"}
        if require:
            arguments["require"] = {"any": [require]}
        if expected:
            return self.ask("authenticate", expected, **arguments)
        return self.driver.ask({"op": "authenticate", "handle": self.handle, **arguments})

    def record(self, name):
        return self.ask("keys.get", name=name)["record"]

    def close(self):
        self.ask("close")
        code = self.driver.close()
        if code != 0:
            raise Wrong(f"{self.name}: the driver ended with {code}")


def created_keys_are_known_at_once(one, two, _folder):
    """400 keys, made in turns: each is known to the other process before anything else happens."""
    for number in range(KEYS):
        maker, user = (one, two) if number % 2 == 0 else (two, one)
        name = f"key-{number:03}"
        key = maker.create(name)
        answer = user.check(name, key, require=LEVELS[0])
        if answer["principal"]["name"] != name or answer["http"] != 200:
            raise Wrong(f"{user.name}: {clip(str(answer))}")
    for process in (one, two):
        names = [record["name"] for record in process.ask("keys.list")["records"]]
        if names != [f"key-{number:03}" for number in range(KEYS)]:
            raise Wrong(f"{process.name}: the list has {len(names)} keys, not the {KEYS} in order")


def unknown_and_then_created(one, two, _folder):
    """T6: a name that was refused as unknown is accepted as soon as a key of that name is made elsewhere."""
    two.check("late", "isk_nothing", "INVALID_CREDENTIAL")
    key = one.create("late")
    two.check("late", key)


def changes_are_obeyed_by_the_next_check(one, two, _folder):
    """T5, T7, T40: each mutator, in both directions, with the other process's memory of the key warm."""
    for number, (actor, other) in enumerate([(one, two), (two, one)]):
        def fresh(what):
            name = f"{what}-{number}"
            key = actor.create(name)
            other.check(name, key)
            other.check(name, key)
            return name, key

        def rotated(name, overlap):
            return actor.ask("keys.rotate", name=name, overlap_seconds=overlap)["key"]

        name, key = fresh("delete")
        actor.ask("keys.delete", name=name)
        other.check(name, key, "INVALID_CREDENTIAL")
        other.ask("keys.get", "NOT_FOUND", name=name)

        name, key = fresh("disable")
        record = actor.ask("keys.update", name=name, revision=1, enabled=False)["record"]
        other.check(name, key, "INVALID_CREDENTIAL")
        actor.ask("keys.update", name=name, revision=record["revision"], enabled=True)
        other.check(name, key)

        name, key = fresh("levels")
        other.check(name, key, require="Authenticated/Ops")
        actor.ask("keys.update", name=name, revision=1, levels=["Authenticated/Read"])
        other.check(name, key, "INSUFFICIENT_LEVEL", require="Authenticated/Ops")
        other.check(name, key, require="Authenticated/Read")
        # The stale revision is refused in the other process, too.
        other.ask("keys.update", "CONFLICT", name=name, revision=1, description="late")

        name, key = fresh("rename")
        actor.ask("keys.rename", name=name, new_name=f"{name}-new")
        other.check(name, key, "INVALID_CREDENTIAL")
        other.check(f"{name}-new", key)

        name, key = fresh("rotate")
        new = rotated(name, 0)
        other.check(name, key, "INVALID_CREDENTIAL")
        other.check(name, new)

        name, key = fresh("overlap")
        new = rotated(name, 3600)
        other.check(name, key)
        other.check(name, new)
        newest = rotated(name, 0)
        other.check(name, key, "INVALID_CREDENTIAL")
        other.check(name, new, "INVALID_CREDENTIAL")
        other.check(name, newest)

        name, key = fresh("overlap-deleted")
        new = rotated(name, 3600)
        other.check(name, key)
        other.check(name, new)
        actor.ask("keys.delete", name=name)
        other.check(name, key, "INVALID_CREDENTIAL")
        other.check(name, new, "INVALID_CREDENTIAL")

        name, key = fresh("expire")
        actor.ask("keys.update", name=name, revision=1, expires_at=1_600_000_000)
        other.check(name, key, "INVALID_CREDENTIAL")

        name, key = fresh("remade")
        actor.ask("keys.delete", name=name)
        new = actor.create(name)
        other.check(name, key, "INVALID_CREDENTIAL")
        other.check(name, new)


def snapshot(store, to):
    """A copy of the store as it is now, whole in one file, taken through SQLite."""
    source = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    copy = sqlite3.connect(to)
    source.backup(copy)
    copy.execute("PRAGMA journal_mode=DELETE")
    copy.close()
    source.close()


def renamed_over(copy, store):
    """What an operator does who does not know better: the old file put in place of the live one."""
    for suffix in ("-wal", "-shm"):
        try:
            os.unlink(store + suffix)
        except FileNotFoundError:
            pass
    os.chmod(copy, 0o600)
    os.rename(copy, store)


def written_into(copy, store):
    """The old content written through SQLite by a program that knows nothing of histories."""
    source = sqlite3.connect(copy)
    live = sqlite3.connect(store, timeout=10)
    source.backup(live)
    live.close()
    source.close()


def rolled_back(put_back):
    def test(one, two, folder):
        store = os.path.join(folder, "store.db")
        copy = os.path.join(folder, "copy.db")
        victim, bystander = one.create("victim"), one.create("bystander")
        for process in (one, two):
            process.check("victim", victim)
            process.check("bystander", bystander)
        snapshot(store, copy)
        two.ask("keys.delete", name="victim")
        # More changes than one, so that the copy is behind by a good deal.
        for number in range(3):
            one.create(f"later-{number}")
        for process in (one, two):
            process.check("victim", victim, "INVALID_CREDENTIAL")
        put_back(copy, store)
        since = time.monotonic()
        unaware = {one, two}
        while unaware:
            waited = time.monotonic() - since
            for process in list(unaware):
                # Whatever it answers meanwhile, it is never that the deleted key is good.
                answer = process.result("victim", victim)["result"]
                if answer == "OK":
                    raise Wrong(f"{process.name}: the deleted key is good again after {waited:.2f} s")
                if answer == "STORE_HISTORY_CHANGED":
                    unaware.discard(process)
                elif waited > NOTICED_WITHIN_SECONDS:
                    raise Wrong(f"{process.name}: still answers {answer} after {waited:.2f} s")
            time.sleep(0.01)
        for process in (one, two):
            for name, key in (("victim", victim), ("bystander", bystander)):
                answer = process.check(name, key, "STORE_HISTORY_CHANGED")
                if answer["http"] != 503:
                    raise Wrong(f"{process.name}: HTTP {answer['http']} instead of 503")

    test.__name__ = f"a_store_rolled_back_is_noticed ({put_back.__name__})"
    return test


TESTS = [
    created_keys_are_known_at_once,
    unknown_and_then_created,
    changes_are_obeyed_by_the_next_check,
    rolled_back(renamed_over),
    rolled_back(written_into),
]


def run(test, first, second):
    """One test on a store of its own; returns what is wrong, or None."""
    folder = tempfile.mkdtemp(prefix="inspire-two-")
    processes = []
    try:
        for name, command in (first, second):
            processes.append(Process(name, command, os.path.join(folder, "store.db")))
        test(*processes, folder)
        for process in processes:
            process.close()
        return None
    except (Wrong, DriverError) as error:
        for process in processes:
            process.driver.close()
        return str(error)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    protocol.add_driver_arguments(parser)
    arguments = parser.parse_args()
    pairs = list(itertools.combinations(arguments.driver, 2))
    if not pairs:
        parser.error("give two drivers or more")
    passed = failed = 0
    for first, second in pairs:
        for test in TESTS:
            problem = run(test, first, second)
            if problem:
                failed += 1
                print(f"FAIL {first[0]} and {second[0]}: {test.__name__}: {problem}")
            else:
                passed += 1
                print(f"ok   {first[0]} and {second[0]}: {test.__name__}")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
