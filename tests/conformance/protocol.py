"""The drivers' contract, as data: which operations there are, and what an answer to each must hold.

The prose is in CONFORMANCE.md. Nothing here knows about a language or about a vector.
"""

import json
import os
import selectors
import shlex
import subprocess
import time

RECORD = {
    "id", "type", "name", "description", "levels", "require_secure", "enabled", "created_at", "updated_at",
    "expires_at", "last_used_at", "revision", "origin", "overlap_ends_at",
}
STATUS = {
    "state", "name", "key", "mode", "expires_at", "lease_expires_at", "last_validated_at", "limits", "entitlements",
    "warnings",
}
PRINCIPAL = {"name", "levels", "handle"}
LICENSE = {"id", "key", "name", "status", "expires_at", "limits", "entitlements", "metadata"}
ERROR = {"code", "number", "http", "vector"}
RULE = {"prefix", "methods"}
ATTEMPT = {"code", "at"}
BALANCE = {"limit", "used", "left", "period", "resets_at"}
EVENT = {"at", "event", "actor", "subject", "detail", "code"}

# The members of an answer whose result is OK, besides `id` and `result`, and the members of what they hold.
FIELDS = {
    "version": {"version": None, "abi": None},
    "errors": {"errors": ERROR},
    "open": {"handle": None},
    "close": {},
    "keys.create": {"record": RECORD, "key": None},
    "keys.get": {"record": RECORD},
    "keys.list": {"records": RECORD},
    "keys.update": {"record": RECORD},
    "keys.rename": {"record": RECORD},
    "keys.duplicate": {"record": RECORD, "key": None},
    "keys.rotate": {"record": RECORD, "key": None},
    "keys.delete": {},
    "keys.import": {"record": RECORD},
    "keys.import_all": {"count": None},
    "authenticate": {"http": None, "challenge": None, "principal": PRINCIPAL},
    "channel": {"channel": None},
    "routes.parse": {"routes": None, "count": None},
    "routes.would_allow": {"code": None, "rule": RULE, "missing": None},
    "audit": {"events": EVENT},
    "metrics": {"families": None, "verifications": None},
    "license.inspect": {
        "failures": None, "kind": None, "license": LICENSE, "issued_at": None, "file_expires_at": None,
        "machine_fingerprint": None,
    },
    "license.activate_offline": {"status": STATUS},
    "license.status": {"status": STATUS},
    "license.has": {"value": None},
    "license.limit": {"value": None},
    "license.revalidate": {"status": STATUS},
    "license.deactivate": {"status": STATUS},
    "license.activate": {"status": STATUS},
    "license.refresh": {"status": STATUS},
    "license.request": {"value": None},
    "license.reveal_key": {"value": None},
    "license.deactivate_with": {"status": STATUS, "release": None, "problem": None, "receipt": None},
    "license.release_pending": {"value": None},
    "license.tick": {"next": None, "problem": None},
    "license.last_attempt": {"attempt": ATTEMPT},
    "license.consume": {"balance": BALANCE},
    "license.refund": {"balance": BALANCE},
    "license.balance": {"balance": BALANCE},
    "license.tenant_limit": {},
    "license.inspect_key": {
        "key_id": None, "dataset": None, "license": None, "product": None, "created_at": None, "expires_at": None,
    },
}

# These answer with all their fields when they refuse, too: the fields say how.
ALWAYS_WHOLE = {"authenticate", "license.inspect"}

# Unless the request itself was no good.
NOT_DECIDED = {"INVALID_ARGUMENT", "INVALID_LEVEL", "WEAK_TRUSTED_KEY", "UNKNOWN_OP"}

# Not in the error table: the driver's own.
UNKNOWN_OP = "UNKNOWN_OP"


class DriverError(Exception):
    """The driver broke the protocol: it died, hung, or wrote something that is no answer."""


class Driver:
    """One driver process, spoken to in lines."""

    # Long enough for a driver under valgrind; a driver that is silent for so long hangs.
    TIMEOUT_SECONDS = 120

    def __init__(self, name, command):
        self.name = name
        self.process = subprocess.Popen(
            shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
        )
        self.buffer = b""
        self.sent = 0
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)

    def ask(self, request):
        """Sends one request (without `id`) and returns the answer."""
        self.sent += 1
        line = json.dumps({**request, "id": self.sent}, separators=(",", ":"))
        answer = self.ask_raw(line.encode())
        if answer.get("id") != self.sent:
            raise DriverError(f"{self.name}: asked {self.sent}, answered {answer.get('id')!r}")
        return answer

    def ask_raw(self, line):
        """Sends one line as it is and returns the answer."""
        try:
            self.process.stdin.write(line + b"\n")
        except (BrokenPipeError, OSError) as error:
            raise DriverError(f"{self.name}: gone before `{clip(line)}`: {error} ({self._exit()})") from None
        text = self._line(line)
        try:
            answer = json.loads(text)
        except ValueError as error:
            raise DriverError(f"{self.name}: no JSON: {clip(text)}: {error}") from None
        if not isinstance(answer, dict) or not isinstance(answer.get("result"), str):
            raise DriverError(f"{self.name}: no answer: {clip(text)}")
        return answer

    def _line(self, request):
        deadline = time.monotonic() + self.TIMEOUT_SECONDS
        while b"\n" not in self.buffer:
            if not self.selector.select(max(0.0, deadline - time.monotonic())):
                raise DriverError(f"{self.name}: silent for {self.TIMEOUT_SECONDS} s after `{clip(request)}`")
            read = os.read(self.process.stdout.fileno(), 1 << 16)
            if not read:
                raise DriverError(f"{self.name}: ended at `{clip(request)}` ({self._exit()})")
            self.buffer += read
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    def _exit(self):
        try:
            return f"exit {self.process.wait(timeout=10)}"
        except subprocess.TimeoutExpired:
            return "still running"

    def close(self):
        """Ends the input and returns the exit code: a sanitizer or valgrind speaks through it."""
        try:
            self.process.stdin.close()
        except OSError:
            pass
        try:
            return self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return "killed: it did not end with its input"
        finally:
            self.process.stdout.close()
            self.selector.close()


def clip(text):
    """Enough of a line for a person."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return text if len(text) <= 300 else text[:300] + "..."


def shape_problems(op, answer):
    """What is wrong with the members of an answer, whatever their values."""
    fields = FIELDS.get(op)
    if fields is None:
        return []
    whole = answer["result"] == "OK" or (op in ALWAYS_WHOLE and answer["result"] not in NOT_DECIDED)
    problems = []
    if whole:
        missing = fields.keys() - answer.keys()
        if missing:
            problems.append(f"members missing: {sorted(missing)} (absent values are null)")
    extra = answer.keys() - fields.keys() - {"id", "result"}
    if extra:
        problems.append(f"members that are not in the contract: {sorted(extra)}")
    for field, members in fields.items():
        values = answer.get(field)
        for value in values if isinstance(values, list) else [values]:
            if members is not None and isinstance(value, dict) and value.keys() != members:
                difference = sorted(value.keys() ^ members)
                problems.append(f"`{field}` has other members than the contract: {difference}")
                break
    return problems


def codes_of(answer):
    """Every code that an answer uses."""
    failures = answer.get("failures")
    foreseen = answer.get("code")
    return [
        answer["result"],
        *(failures if isinstance(failures, list) else []),
        *([foreseen] if isinstance(foreseen, str) else []),
    ]


def add_driver_arguments(parser):
    parser.add_argument(
        "--driver", action="append", default=[], metavar="NAME=COMMAND", type=_driver_argument,
        help="a driver and the command that starts it; may be given several times",
    )


def _driver_argument(text):
    name, separator, command = text.partition("=")
    if not (name and separator and command):
        raise ValueError(text)
    return name, command
