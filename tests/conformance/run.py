#!/usr/bin/env python3
"""Feeds every vector to every driver and compares.

    tests/conformance/run.py --driver rust=PROGRAM --driver c=PROGRAM ...

A vector is a list of steps; each step is a request and what the answer must hold. Each vector runs in handles of its
own, which are closed behind it. It fails when a driver answers otherwise than expected, when two drivers answer
differently, when an operation of the contract or a code marked `vector` is reached by no vector, and when a driver's
answer has other members than the contract says. The last line is `N passed, N failed, N skipped`.

What a vector can say:

    {"$bind": "k"}       takes whatever value stands there (not null) under the name k
    {"$any": "integer"}  any value of this kind: string, integer, number, bool, object, array, null, any
    "${k}"               the value taken as k, of its own type when it is the whole string, else as text
    "${tmp}"             an empty folder of this vector's own
    {"$join": [...]}     these texts, one after the other, for a text that is too long to write down;
                         {"$repeat": "x", "times": 9} is one of them

An expected object is a subset: members that it does not name are free. A list is compared whole.
"""

import argparse
import concurrent.futures
import glob
import json
import os
import re
import shutil
import sys
import tempfile

import protocol
from databases import Databases
from protocol import Driver, DriverError, clip

HERE = os.path.dirname(os.path.abspath(__file__))
VECTORS = os.path.join(os.path.dirname(HERE), "vectors")
SCHEMA = "inspire-auth-vectors-1"

KINDS = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "bool": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "null": lambda value: value is None,
    "any": lambda value: True,
}

# Members whose values are random, counted by the driver, or read from a clock: of these two drivers need to agree on
# the kind only. Their exact values are checked by the vectors that give a `now`.
VOLATILE = {
    "keys.": {"key", "id", "created_at", "updated_at", "last_used_at"},
    "authenticate": {"handle"},
    "open": {"handle"},
    "routes.parse": {"routes"},
    "audit": {"at"},
    "license.": {"last_validated_at"},
    # Signed by a key of the installation, with a number that is used once.
    "license.request": {"value"},
    "license.deactivate_with": {"receipt"},
}

# Up to here, every integer is a double.
EXACT = 2**53 - 1
VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class VectorError(Exception):
    """The vector itself is wrong."""


def substitute(value, variables):
    """The value with every `${name}` replaced."""
    if isinstance(value, dict) and value.keys() == {"$join"}:
        return "".join(joined(part, variables) for part in value["$join"])
    if isinstance(value, dict):
        return {name: substitute(member, variables) for name, member in value.items()}
    if isinstance(value, list):
        return [substitute(member, variables) for member in value]
    if not isinstance(value, str):
        return value

    def look_up(match):
        if match.group(1) not in variables:
            raise VectorError(f"nothing was bound to {match.group(0)}")
        return variables[match.group(1)]

    whole = VARIABLE.fullmatch(value)
    return look_up(whole) if whole else VARIABLE.sub(lambda match: str(look_up(match)), value)


def joined(part, variables):
    if isinstance(part, dict):
        return part["$repeat"] * part["times"]
    return str(substitute(part, variables))


def interoperable(value):
    """An integer that is exact in every language's JSON, or what a double makes of it (RFC 8259, section 6)."""
    return float(value) if isinstance(value, int) and abs(value) > EXACT else value


def match(expected, got, variables, path=""):
    """Compares, binds, and returns the differences as lines."""
    where = path or "answer"
    if isinstance(expected, dict) and expected.keys() == {"$bind"}:
        if got is None:
            return [f"{where}: expected a value to take as {expected['$bind']}, got null"]
        variables[expected["$bind"]] = got
        return []
    if isinstance(expected, dict) and expected.keys() == {"$any"}:
        kind = expected["$any"]
        if kind not in KINDS:
            raise VectorError(f"there is no kind `{kind}`")
        return [] if KINDS[kind](got) else [f"{where}: expected any {kind}, got {shown(got)}"]
    if isinstance(expected, dict):
        if not isinstance(got, dict):
            return [f"{where}: expected an object, got {shown(got)}"]
        lines = []
        for name, member in expected.items():
            if name not in got:
                lines.append(f"{path}.{name}: expected {shown(member)}, got nothing")
            else:
                lines += match(member, got[name], variables, f"{path}.{name}")
        return lines
    if isinstance(expected, list):
        if not isinstance(got, list) or len(got) != len(expected):
            return [f"{where}: expected {shown(expected)}, got {shown(got)}"]
        pairs = enumerate(zip(expected, got))
        return [line for at, (one, other) in pairs for line in match(one, other, variables, f"{path}[{at}]")]
    expected, got = interoperable(substitute(expected, variables)), interoperable(got)
    # True is 1 in Python, but not in JSON.
    if type(expected) is not type(got) or expected != got:
        return [f"{where}: expected {shown(expected)}, got {shown(got)}"]
    return []


def shown(value):
    return clip(json.dumps(value, ensure_ascii=False))


def comparable(op, answer, temporary):
    """The answer with what may differ between drivers reduced to its kind."""
    volatile = set()
    # An inspected file is the same in every driver, to the last member.
    if op != "license.inspect":
        volatile = set().union(*(members for prefix, members in VOLATILE.items() if op.startswith(prefix)))

    def reduce(value, name=None):
        if name in volatile and value is not None:
            return f"<{type(value).__name__}>"
        if isinstance(value, dict):
            return {member: reduce(inner, member) for member, inner in value.items()}
        if isinstance(value, list):
            return [reduce(inner) for inner in value]
        return value.replace(temporary, "<tmp>") if isinstance(value, str) else interoperable(value)

    # A refusal may write its absent members as null or not at all.
    refused = answer["result"] != "OK"
    return reduce({name: value for name, value in answer.items() if name != "id" and not (refused and value is None)})


class Run:
    """Everything that happens with one driver."""

    def __init__(self, name, command, temporary, databases=None):
        self.driver = Driver(name, command)
        self.databases = databases
        self.name = name
        self.temporary = temporary
        self.passed = 0
        self.failed = 0
        self.ops = set()
        self.codes = set()
        self.answers = {}
        self.problems = []
        self.table = None

    def read_table(self):
        answer = self.driver.ask({"op": "errors"})
        table = answer.get("errors")
        if answer["result"] != "OK" or not isinstance(table, list):
            raise DriverError(f"{self.name}: `errors` answers {shown(answer)}")
        self.table = {entry["code"]: entry for entry in table}

    def test(self, key, test, store):
        """Runs one vector; returns the lines that say what went wrong."""
        folder = tempfile.mkdtemp(dir=self.temporary)
        variables = {"tmp": folder}
        handles = []
        answers = self.answers[key] = []
        lines = []
        try:
            for number, step in enumerate(test["steps"], 1):
                request = substitute(step["request"], variables)
                if request.get("op") == "open" and request.get("store") == ":memory:":
                    if store == "sqlite":
                        request["store"] = os.path.join(folder, f"memory-{number}.db")
                    elif store == "postgres":
                        request["store"] = self.databases.url()
                op = request.get("op")
                answer = self.driver.ask(request)
                self.ops.add(op)
                self.codes.update(protocol.codes_of(answer))
                if op == "open" and answer["result"] == "OK":
                    handles.append(answer.get("handle"))
                answers.append(comparable(op if isinstance(op, str) else "", answer, folder))
                problems = match(step["expect"], answer, variables)
                problems += protocol.shape_problems(op, answer)
                problems += self.code_problems(op, answer)
                if problems:
                    lines.append(f"step {number}: {shown(request)}")
                    lines += [f"    {problem}" for problem in problems]
                    lines.append(f"    the answer: {shown(answer)}")
                    break
        except VectorError as error:
            lines.append(f"step {number}: the vector is wrong: {error}")
        finally:
            for handle in handles:
                self.driver.ask({"op": "close", "handle": handle})
            shutil.rmtree(folder, ignore_errors=True)
            if self.databases:
                self.databases.clean()
        if lines:
            self.failed += 1
        else:
            self.passed += 1
        return lines

    def code_problems(self, op, answer):
        """A code that the driver's own table does not have; UNKNOWN_OP for what the contract names."""
        if answer["result"] == protocol.UNKNOWN_OP:
            return [f"the driver does not know `{op}`"] if op in protocol.FIELDS else []
        return [f"`{code}` is not in the driver's error table" for code in protocol.codes_of(answer)
                if code not in self.table]


def load(paths):
    """Every test, as (file, group note, test); ids are unique and flags are explained."""
    tests = []
    seen = {}
    for path in paths:
        name = os.path.basename(path)
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        if data.get("schema") != SCHEMA:
            raise SystemExit(f"{path}: schema {data.get('schema')!r}, expected {SCHEMA!r}")
        used = set()
        for group in data["testGroups"]:
            for test in group["tests"]:
                key = (name, test["tcId"])
                if key in seen:
                    raise SystemExit(f"{path}: tcId {test['tcId']} stands twice")
                seen[key] = True
                used.update(test["flags"])
                tests.append((name, group["note"], test))
        unexplained = used - data["notes"].keys()
        if unexplained:
            raise SystemExit(f"{path}: flags without a note: {sorted(unexplained)}")
    return tests


def uses_memory(test):
    """Whether a vector opens a store that could as well be another one."""
    return any(step["request"].get("store") == ":memory:" for step in test["steps"])


def run_driver(name, command, tests, stores, whole, temporary, postgres):
    """All vectors through one driver. Returns the run, whether it came to its end, and lines to show."""
    databases = Databases(*postgres, name) if "postgres" in stores else None
    run = Run(name, command, temporary, databases)
    lines = []
    complete = True
    try:
        run.read_table()
        for store in stores:
            for file, note, test in tests:
                # What has no store to be put elsewhere has been run.
                if store == "postgres" and not uses_memory(test):
                    continue
                wrong = run.test((store, file, test["tcId"]), test, store)
                if wrong:
                    lines.append(f"\nFAIL {name}, {store}, {file} {test['tcId']}: {test['comment']}")
                    lines.append(f"     {note}; flags: {', '.join(test['flags']) or 'none'}")
                    lines += [f"  {line}" for line in wrong]
        problems = completeness(run) if whole and stores != ["postgres"] else []
    except DriverError as error:
        # The driver's remaining vectors did not run: that is one failure, and it says where.
        problems = [str(error)]
        complete = False
    code = run.driver.close()
    if databases:
        databases.close()
    if code != 0:
        problems.append(f"the driver ended with {code}")
    lines += [f"\nFAIL {name}: {problem}" for problem in problems]
    run.failed += len(problems)
    lines.append(f"{name}: {run.passed} passed, {run.failed} failed")
    return run, complete, lines


def compare(first, other, tests):
    """Where two drivers answer differently; returns (passed, failed)."""
    comments = {(name, test["tcId"]): test for name, _, test in tests}
    passed = failed = 0
    for key, answers in first.answers.items():
        others = other.answers.get(key)
        if others == answers:
            passed += 1
            continue
        failed += 1
        store, name, number = key
        print(f"\nDIFFER {first.name} and {other.name}, {store}, {name} {number}: {comments[name, number]['comment']}")
        for at, (one, two) in enumerate(zip(answers, others or []), 1):
            if one != two:
                print(f"  step {at}: {shown(comments[name, number]['steps'][at - 1]['request'])}")
                for member in sorted(one.keys() | two.keys()):
                    if one.get(member) != two.get(member):
                        print(f"    {member}: {first.name} {shown(one.get(member))}")
                        print(f"    {' ' * len(member)}  {other.name} {shown(two.get(member))}")
                break
        else:
            print(f"  {first.name} took {len(answers)} steps, {other.name} {len(others or [])}")
    return passed, failed


def completeness(run):
    """What the vectors leave out, as lines."""
    problems = [f"no vector uses `{op}`" for op in sorted(protocol.FIELDS.keys() - run.ops - {"errors"})]
    for code, entry in sorted(run.table.items()):
        if entry["vector"] and code not in run.codes:
            problems.append(f"`{code}` is marked `vector` and no vector reaches it")
    return problems


def quick_folder():
    """A folder in memory, where there is one: what is tested here is not that a disk keeps its promise."""
    shared = "/dev/shm"
    return shared if os.path.isdir(shared) and os.access(shared, os.W_OK) else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    protocol.add_driver_arguments(parser)
    parser.add_argument("--stores", default="memory", help="memory, sqlite, postgres, with commas: what `:memory:` opens")
    parser.add_argument("--postgres", metavar="URL", help="the server for that: its owner, without parameters")
    parser.add_argument("--cli", default="inspire-auth", metavar="PROGRAM", help="what makes the tables there")
    parser.add_argument("--only", default="", metavar="ID,ID", help="only the vectors with these ids")
    parser.add_argument("vectors", nargs="*", help="files of vectors; default all of tests/vectors")
    arguments = parser.parse_args()
    if not arguments.driver:
        parser.error("give at least one --driver NAME=COMMAND")
    stores = arguments.stores.split(",")
    if not set(stores) <= {"memory", "sqlite", "postgres"}:
        parser.error("--stores takes memory, sqlite and postgres")
    if "postgres" in stores and not arguments.postgres:
        parser.error("--stores postgres needs --postgres URL")
    only = {int(number) for number in arguments.only.split(",") if number}
    paths = arguments.vectors or sorted(glob.glob(os.path.join(VECTORS, "*.json")))
    tests = load(paths)
    if not tests:
        raise SystemExit("there are no vectors")

    tests = [entry for entry in tests if not only or entry[2]["tcId"] in only]
    whole = not arguments.vectors and not only
    postgres = (arguments.postgres, arguments.cli)
    with tempfile.TemporaryDirectory(prefix="inspire-conformance-", dir=quick_folder()) as temporary:
        # Each driver is a process of its own, and most of its time is spent waiting for it.
        with concurrent.futures.ThreadPoolExecutor(len(arguments.driver)) as pool:
            started = [
                pool.submit(run_driver, name, command, tests, stores, whole, temporary, postgres)
                for name, command in arguments.driver
            ]
            outcomes = [future.result() for future in started]
    for _, _, lines in outcomes:
        print("\n".join(lines))
    passed = sum(run.passed for run, _, _ in outcomes)
    failed = sum(run.failed for run, _, _ in outcomes)
    runs = [run for run, complete, _ in outcomes if complete]

    for other in runs[1:]:
        first = runs[0]
        if first.table != other.table:
            failed += 1
            codes = sorted(first.table.keys() | other.table.keys())
            different = [code for code in codes if first.table.get(code) != other.table.get(code)]
            print(f"\nDIFFER {first.name} and {other.name}: their error tables at {different}")
        else:
            passed += 1
        agree, disagree = compare(first, other, tests)
        print(f"{first.name} and {other.name}: {agree} alike, {disagree} different")
        passed += agree
        failed += disagree

    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
