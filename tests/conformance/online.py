#!/usr/bin/env python3
"""Lets every driver live a license's life at a real licensing server, one of its own each.

    tests/conformance/online.py --cli inspire-auth --driver rust=PROGRAM --driver c=PROGRAM ...

Activated, renewed, out of reach, lied to, suspended, taken off, moved to another machine: each step is a request and what
the answer must hold, as in the vectors, or something that the vendor does. The last line is
`N passed, N failed, N skipped`.
"""

import argparse
import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile

import protocol
from protocol import Driver, DriverError
from run import match, shown

FORGED = [
    ("signature=bad", "SERVER_SIGNATURE_INVALID"),
    ("signature=none", "SERVER_SIGNATURE_INVALID"),
    ("body=changed", "SERVER_SIGNATURE_INVALID"),
    ("date=-600", "CLOCK_SKEW"),
    ("date=600", "CLOCK_SKEW"),
    ("status=500", "SERVER_STATUS"),
    ("status=429", "SERVER_RATE_LIMITED"),
    ("redirect=https://elsewhere.example/v1", "SERVER_STATUS"),
    ("truncate", "SERVER_ANSWER_MALFORMED"),
]


class Vendor:
    """A licensing server, and a license on it for one machine."""

    def __init__(self, cli, folder):
        self.cli = cli
        self.folder = folder
        self.database = os.path.join(folder, "licenses.db")
        self.server = None
        self.listen = "127.0.0.1:0"
        self.url = None
        self.ask("issuer", "keygen", "--out-dir", folder, "--id", "acme")
        with open(os.path.join(folder, "acme.pub"), encoding="utf-8") as file:
            self.public_key = file.read().split()[-1]
        made = self.ask("issuer", "license", "create", "--db", self.database, "--name", "Plant 3", "--max-machines", "1",
                        "--entitle", "MFA", "--expires", "90d")
        made = made.get("license", made)
        self.id, self.key = made["id"], made["key"]

    def ask(self, *words):
        done = subprocess.run([self.cli, "--json", *words], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise DriverError(f"the vendor's `{' '.join(words)}` ended with {done.returncode}: {done.stderr}{done.stdout}")
        return json.loads(done.stdout or "null")

    def change(self, verb, *more):
        self.ask("issuer", "license", verb, "--db", self.database, self.id, *more)

    def start(self, *failures):
        command = [self.cli, "--json", "issuer", "serve", "--db", self.database, "--key",
                   os.path.join(self.folder, "acme.key"), "--listen", self.listen]
        for failure in failures:
            command += ["--fail", failure]
        with open(os.path.join(self.folder, "server.log"), "ab") as log:
            self.server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.server.stdout.readline()
        if not line:
            raise DriverError(f"the licensing server did not start: {open(log.name, encoding='utf-8').read()}")
        self.url = json.loads(line)["url"]
        self.listen = self.url.removeprefix("http://").split("/")[0]

    def stop(self):
        if self.server:
            self.server.terminate()
            self.server.wait(30)
            self.server.stdout.close()
            self.server = None

    def restart(self, *failures):
        self.stop()
        self.start(*failures)


class Life:
    """What one driver answers."""

    def __init__(self, name, command, cli, folder):
        self.name = name
        self.vendor = Vendor(cli, folder)
        self.folder = folder
        self.driver = Driver(name, command)
        self.passed = 0
        self.problems = []

    def ask(self, what, op, arguments, expected):
        answer = self.driver.ask({"op": op, **arguments})
        problems = match(expected, answer, {}) + protocol.shape_problems(op, answer)
        if problems:
            self.problems.append(f"{what}: {shown({'op': op, **arguments})}")
            self.problems += [f"    {problem}" for problem in problems]
            self.problems.append(f"    the answer: {shown(answer)}")
        else:
            self.passed += 1
        return answer

    def open(self, machine, **more):
        options = {
            "store": os.path.join(self.folder, f"{machine}.db"), "machine_id": machine,
            "trusted_keys": [{"id": "acme", "public_key": self.vendor.public_key}], "hash": {"m": 64, "t": 1, "p": 1},
            "server": {"url": self.vendor.url, "proxy": "", **more},
        }
        return self.ask(f"{machine} opens its store", "open", options, {"result": "OK"})["handle"]

    def state(self, what, handle, state, mode="online", granted=()):
        expected = {"result": "OK", "status": {"state": state, "mode": mode, "entitlements": list(granted)}}
        self.ask(what, "license.status", {"handle": handle}, expected)

    def live(self):
        vendor = self.vendor
        vendor.start()
        one, other = self.open("machine-1"), self.open("machine-2")
        at = {"handle": one}
        key = {"license_key": vendor.key}

        self.ask("a key that nobody knows", "license.activate", {**at, "license_key": "NO-SUCH-KEY"}, {"result": "LICENSE_UNKNOWN"})
        active = {"result": "OK", "status": {"state": "active", "mode": "online", "entitlements": ["MFA"], "warnings": []}}
        self.ask("activation", "license.activate", {**at, **key}, active)
        self.ask("once more", "license.activate", {**at, **key}, active)
        self.ask("a second machine, of one", "license.activate", {"handle": other, **key}, {"result": "MACHINE_LIMIT_REACHED"})
        self.ask("nothing is due", "license.tick", at, {"result": "OK", "next": {"$any": "integer"}, "problem": None})

        vendor.change("entitle", "--add", "VIDEO_WALL_SYNC")
        self.state("not heard of yet", one, "active", granted=["MFA"])
        self.ask("re-validation", "license.revalidate", at, {"result": "OK"})
        self.state("a renewal arrived", one, "active", granted=["MFA", "VIDEO_WALL_SYNC"])
        granted = ["MFA", "VIDEO_WALL_SYNC"]

        for failure, code in FORGED:
            vendor.restart(f"{failure},times=always")
            self.ask(failure, "license.revalidate", at, {"result": code})
            self.ask(failure, "license.last_attempt", at, {"result": "OK", "attempt": {"code": code, "at": {"$any": "integer"}}})
            self.state(f"{failure} changes nothing", one, "active", granted=granted)
        vendor.stop()
        self.ask("out of reach", "license.revalidate", at, {"result": "NETWORK_CONNECT"})
        self.state("the lease holds", one, "active", granted=granted)
        vendor.start()
        self.ask("back again", "license.revalidate", at, {"result": "OK"})
        self.ask("nothing failed since", "license.last_attempt", at, {"result": "OK", "attempt": None})

        vendor.change("suspend")
        self.ask("suspended", "license.revalidate", at, {"result": "LICENSE_SUSPENDED"})
        self.state("refused at once", one, "suspended")
        vendor.change("reinstate")
        vendor.change("renew", "--expires", "365d")
        self.ask("renewed", "license.revalidate", at, {"result": "OK"})
        self.state("granted again", one, "active", granted=granted)

        vendor.change("remove-machine", "machine-1")
        self.ask("somebody took the machine off", "license.revalidate", at, {"result": "NOT_ACTIVATED"})
        self.state("refused at once", one, "invalid")
        self.ask("activated again", "license.activate", {**at, **key}, {"result": "OK"})

        vendor.stop()
        pending = {"result": "OK", "status": {"state": "unlicensed"}, "release": "pending", "problem": "NETWORK_CONNECT",
                   "receipt": {"$any": "string"}}
        self.ask("a deactivation while the server is away", "license.deactivate_with", at, pending)
        self.ask("it still is", "license.release_pending", at, {"result": "NETWORK_CONNECT"})
        vendor.start()
        self.ask("the seat is not free yet", "license.activate", {"handle": other, **key}, {"result": "MACHINE_LIMIT_REACHED"})
        self.ask("the release is tried again", "license.release_pending", at, {"result": "OK", "value": 1})
        self.ask("the other machine takes the seat", "license.activate", {"handle": other, **key}, {"result": "OK"})
        self.ask("it leaves", "license.deactivate_with", {"handle": other}, {"result": "OK", "release": "server", "problem": None})
        for handle in (one, other):
            self.ask("it closes its store", "close", {"handle": handle}, {"result": "OK"})

    def end(self):
        self.vendor.stop()
        code = self.driver.close()
        if code != 0:
            self.problems.append(f"the driver ended with {code}")


def run(name, command, cli, folder):
    os.makedirs(folder)
    try:
        life = Life(name, command, cli, folder)
    except DriverError as error:
        return 0, [str(error)]
    try:
        life.live()
    except DriverError as error:
        life.problems.append(str(error))
    finally:
        life.end()
    return life.passed, life.problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    protocol.add_driver_arguments(parser)
    parser.add_argument("--cli", required=True, help="the program `inspire-auth`")
    arguments = parser.parse_args()
    if not arguments.driver:
        parser.error("give at least one --driver NAME=COMMAND")
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="inspire-online-") as temporary:
        with concurrent.futures.ThreadPoolExecutor(len(arguments.driver)) as pool:
            lives = [
                (name, pool.submit(run, name, command, arguments.cli, os.path.join(temporary, name)))
                for name, command in arguments.driver
            ]
            for name, life in lives:
                good, problems = life.result()
                passed += good
                failed += sum(not line.startswith(" ") for line in problems)
                print("\n".join([f"FAIL {name}: {line}" if not line.startswith(" ") else line for line in problems]
                                + [f"{name}: {good} passed"]))
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
