#!/usr/bin/env python3
"""The runner fails when it should: a runner that passes everything would prove nothing."""

import contextlib
import io
import json
import os
import shlex
import sys
import tempfile
import unittest

import run
from protocol import RECORD

FAKE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fake_driver.py")
TABLE = [
    {"code": code, "number": number, "http": None, "vector": True}
    for number, code in enumerate(["OK", "NOT_FOUND", "INVALID_ARGUMENT"])
]
VERSION = {"result": "OK", "version": "1", "abi": 1}
GOOD = {"errors": {"result": "OK", "errors": TABLE}, "version": VERSION, "close": {"result": "OK"}}


def vectors(*steps):
    test = {"tcId": 1, "comment": "c", "flags": ["F"], "steps": [{"request": r, "expect": e} for r, e in steps]}
    return {"schema": run.SCHEMA, "notes": {"F": "n"}, "testGroups": [{"note": "g", "tests": [test]}]}


class Runner(unittest.TestCase):
    def go(self, data, *scripts):
        """Runs scripted drivers on vectors; returns the exit code and what was written."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "v.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump(data, file)
            arguments = ["run.py", path]
            for number, script in enumerate(scripts):
                command = shlex.join([sys.executable, FAKE, json.dumps({**GOOD, **script})])
                arguments += ["--driver", f"d{number}={command}"]
            wrote = io.StringIO()
            before, sys.argv = sys.argv, arguments
            try:
                with contextlib.redirect_stdout(wrote):
                    code = run.main()
            finally:
                sys.argv = before
            return code, wrote.getvalue()

    def fails(self, text, data, *scripts):
        code, wrote = self.go(data, *scripts)
        self.assertEqual(code, 1, wrote)
        self.assertIn(text, wrote)

    ASK = ({"op": "version"}, {"result": "OK", "version": "1"})

    def test_what_is_expected_passes(self):
        code, wrote = self.go(vectors(self.ASK), {}, {})
        self.assertEqual(code, 0, wrote)
        self.assertTrue(wrote.endswith("4 passed, 0 failed, 0 skipped\n"), wrote)

    def test_another_value(self):
        self.fails('expected "1", got "2"', vectors(self.ASK), {"version": {**VERSION, "version": "2"}})

    def test_true_is_not_one(self):
        self.fails("expected true, got 1", vectors(({"op": "version"}, {"abi": True})), {})

    def test_a_member_missing_or_too_many(self):
        self.fails("members missing: ['abi']", vectors(self.ASK), {"version": {"result": "OK", "version": "1"}})
        self.fails("not in the contract: ['x']", vectors(self.ASK), {"version": {**VERSION, "x": 1}})
        record = {"result": "OK", "record": {name: None for name in RECORD - {"origin"}}}
        self.fails("['origin']", vectors(({"op": "keys.get"}, {"result": "OK"})), {"keys.get": record})

    def test_an_operation_that_the_driver_does_not_know(self):
        self.fails("does not know `keys.list`", vectors(({"op": "keys.list"}, {"result": "UNKNOWN_OP"})), {})

    def test_a_code_outside_the_table(self):
        self.fails("not in the driver's error table", vectors(({"op": "version"}, {})), {"version": {"result": "NEW"}})

    def test_two_drivers_that_differ_where_nothing_was_expected(self):
        self.fails("DIFFER", vectors(({"op": "version"}, {"result": "OK"})), {}, {"version": {**VERSION, "abi": 2}})

    def test_two_error_tables_that_differ(self):
        other = [{**entry, "http": 500} for entry in TABLE]
        self.fails("their error tables", vectors(self.ASK), {}, {"errors": {"result": "OK", "errors": other}})

    def test_a_driver_that_dies_or_ends_badly(self):
        self.fails("ended at", vectors(self.ASK), {"version": "die"})
        self.fails("the driver ended with 99", vectors(self.ASK), {"exit": 99})

    def test_a_flag_without_a_note(self):
        data = vectors(self.ASK)
        data["notes"] = {}
        with self.assertRaises(SystemExit):
            self.go(data, {})

    def test_values_are_taken_and_used(self):
        take = ({"op": "version"}, {"abi": {"$bind": "n"}, "version": {"$any": "string"}})
        use = ({"op": "version", "x": "${n}", "y": "<${n}>"}, {"abi": "${n}"})
        self.assertEqual(self.go(vectors(take, use), {})[0], 0)
        self.fails("nothing was bound", vectors(use), {})
        self.fails("expected any integer", vectors(({"op": "version"}, {"version": {"$any": "integer"}})), {})

    def test_what_no_vector_reaches(self):
        class Reached:
            ops = {"version", "authenticate"}
            codes = {"OK"}
            table = {entry["code"]: entry for entry in TABLE}

        problems = run.completeness(Reached)
        self.assertIn("`NOT_FOUND` is marked `vector` and no vector reaches it", problems)
        self.assertIn("no vector uses `keys.list`", problems)
        self.assertNotIn("no vector uses `version`", problems)


class Values(unittest.TestCase):
    def test_long_texts_are_joined(self):
        value = {"lic": {"$join": ["a", {"$repeat": "-", "times": 3}, "${k}"]}}
        self.assertEqual(run.substitute(value, {"k": 7}), {"lic": "a---7"})

    def test_a_whole_variable_keeps_its_type(self):
        self.assertEqual(run.substitute(["${k}", "x${k}"], {"k": 7}), [7, "x7"])

    def test_integers_that_are_no_double_are_compared_as_what_a_double_makes_of_them(self):
        self.assertEqual(run.match(2**63 - 1, 2**63, {}), [])
        self.assertEqual(run.match(2**53 - 1, 2**53 - 1, {}), [])
        self.assertNotEqual(run.match(2**53 - 1, 2**53 - 2, {}), [])
        self.assertNotEqual(run.match(2**53 - 1, float(2**53 - 1), {}), [])


if __name__ == "__main__":
    unittest.main()
