"""The operations: each is a thin shell over the package's public API.

What an operation returns are the fields of its answer; a refusal is the package's own exception.
"""

import base64
import dataclasses
import os
import re

import inspire_auth
from inspire_auth import (
    SYSTEM,
    AuditFile,
    HashParameters,
    ImportedKey,
    InspireAuth,
    InspireAuthError,
    Principal,
    Routes,
    Server,
    Tenant,
    TrustedKey,
    TrustedProxies,
)

from arguments import Arguments, Unreadable, flag, integer, items, octets, one_of, text, texts

CHANNEL = one_of("plain", "secure", "local")


class Refusal(Exception):
    """A refusal whose answer has more to say than its code."""

    def __init__(self, code, fields):
        self.code, self.fields = code, fields


class State:
    """Handles, principals and tables, numbered from one counter so that none is taken for another."""

    def __init__(self):
        self._last = 0
        self._open, self._principals, self._routes = {}, {}, {}

    def keep(self, thing):
        self._last += 1
        kept = {InspireAuth: self._open, Principal: self._principals, Routes: self._routes}[type(thing)]
        kept[self._last] = thing
        return self._last

    def auth(self, arguments):
        return self._known(self._open, arguments.required("handle", integer))

    def close(self, arguments):
        number = arguments.required("handle", integer)
        arguments.end()
        self._known(self._open, number).close()
        del self._open[number]
        return {}

    def routes(self, arguments):
        """The table that `routes` names; None when absent."""
        number = arguments.optional("routes", integer)
        return None if number is None else self._known(self._routes, number)

    def caller(self, arguments):
        """`actor` and `now`, as keyword arguments. An absent actor is the host itself, said explicitly."""
        number = arguments.optional("actor", integer)
        actor = SYSTEM if number is None else self._known(self._principals, number)
        return {"actor": actor, "now": arguments.optional("now", integer)}

    @staticmethod
    def _known(things, number):
        if number not in things:
            raise Unreadable
        return things[number]


def version(_, arguments):
    arguments.end()
    return {"version": inspire_auth.__version__, "abi": inspire_auth.ABI_VERSION}


def errors(_, arguments):
    arguments.end()
    table = [
        {"code": entry.code, "number": entry.number, "http": entry.http_status, "vector": entry.has_vector}
        for entry in inspire_auth.ERRORS.values()
    ]
    return {"errors": table}


def open_(state, arguments):
    store = arguments.required("store", octets)
    options = {
        "trusted_keys": trusted_keys(arguments),
        "product": arguments.optional("product", text),
        "machine_id": arguments.optional("machine_id", text),
        "write_requirement": arguments.requirement("write_requirement"),
        "admin_requirement": arguments.requirement("admin_requirement"),
        "hash": arguments.optional("hash", hash_parameters),
        "max_hash_memory": arguments.optional("max_hash_memory", integer),
        "mode": arguments.optional("mode", one_of("default", "ignition")),
        "local_is_secure": arguments.optional("local_is_secure", flag),
        "allow_unbound": arguments.optional("allow_unbound", flag),
        "max_lease": arguments.optional("max_lease", integer),
        "audit_file": arguments.optional("audit_file", audit_file),
        "server": arguments.optional("server", server),
    }
    arguments.end()
    given = {name: value for name, value in options.items() if value is not None}
    return {"handle": state.keep(InspireAuth.open(store, **given))}


def hash_parameters(value):
    members = Arguments(value)
    m, t, p = (members.required(name, integer) for name in "mtp")
    members.end()
    return HashParameters(memory_kib=m, iterations=t, parallelism=p)


def audit_file(value):
    members = Arguments(value)
    path = os.fsdecode(members.required("path", octets))
    options = {
        "max_bytes": members.optional("max_bytes", integer),
        "keep": members.optional("keep", integer),
        "chain": members.optional("chain", flag),
        "on_failure": members.optional("on_failure", one_of("warn", "deny_mutations")),
    }
    members.end()
    return AuditFile(path, **{name: value for name, value in options.items() if value is not None})


def server(value):
    members = Arguments(value)
    url = members.required("url", text)
    options = {
        "account": members.optional("account", text),
        "account_id": members.optional("account_id", text),
        "signing_host": members.optional("signing_host", text),
        "allowed_hosts": members.optional("allowed_hosts", texts),
        "proxy": members.optional("proxy", text),
        "ca_file": members.optional("ca_file", octets),
        "connect_timeout": members.optional("connect_timeout_ms", milliseconds),
        "timeout": members.optional("timeout_ms", milliseconds),
        "lease": members.optional("lease", integer),
        "auto_refresh": members.optional("auto_refresh", flag),
    }
    members.end()
    return Server(url, **{name: value for name, value in options.items() if value is not None})


def milliseconds(value):
    return integer(value) / 1000


def trusted_keys(arguments):
    def one(value):
        members = Arguments(value)
        key_id, public_key = members.required("id", text), members.required("public_key", text)
        members.end()
        return TrustedKey(key_id, public_key)

    return [one(value) for value in arguments.required("trusted_keys", items)]


def create(state, arguments):
    auth, name, settings = state.auth(arguments), arguments.required("name", text), new_key(arguments)
    caller = state.caller(arguments)
    arguments.end()
    return created(auth.keys.create(name, **settings, **caller))


def get(state, arguments):
    auth, name = state.auth(arguments), arguments.required("name", text)
    arguments.optional("now", integer)
    arguments.end()
    return {"record": record(auth.keys.get(name))}


def list_(state, arguments):
    auth = state.auth(arguments)
    arguments.optional("now", integer)
    arguments.end()
    return {"records": [record(each) for each in auth.keys.list()]}


def update(state, arguments):
    auth = state.auth(arguments)
    name, revision = arguments.required("name", text), arguments.required("revision", integer)
    changes = {
        "description": arguments.optional("description", text),
        "levels": arguments.optional("levels", texts),
        "require_secure": arguments.optional("require_secure", flag),
        "enabled": arguments.optional("enabled", flag),
    }
    changes = {member: value for member, value in changes.items() if value is not None}
    if arguments.has("expires_at"):  # here alone null says something: it clears
        changes["expires_at"] = arguments.optional("expires_at", integer)
    caller = state.caller(arguments)
    arguments.end()
    return {"record": record(auth.keys.update(name, revision, **changes, **caller))}


def rename(state, arguments):
    auth, name, new_name = named_twice(state, arguments)
    settings = revised(state, arguments)
    return {"record": record(auth.keys.rename(name, new_name, **settings))}


def duplicate(state, arguments):
    auth, name, new_name = named_twice(state, arguments)
    settings = revised(state, arguments)
    return created(auth.keys.duplicate(name, new_name, **settings))


def rotate(state, arguments):
    auth, name = state.auth(arguments), arguments.required("name", text)
    overlap = arguments.required("overlap_seconds", integer)
    settings = revised(state, arguments)
    return created(auth.keys.rotate(name, overlap=overlap, **settings))


def delete(state, arguments):
    auth, name = state.auth(arguments), arguments.required("name", text)
    settings = revised(state, arguments)
    auth.keys.delete(name, **settings)
    return {}


def import_(state, arguments):
    auth, name = state.auth(arguments), arguments.required("name", text)
    settings, caller = imported(arguments), state.caller(arguments)
    arguments.end()
    return {"record": record(auth.keys.import_(name, **settings, **caller))}


def import_all(state, arguments):
    def one(value):
        members = Arguments(value)
        key = ImportedKey(name=members.required("name", text), **imported(members))
        members.end()
        return key

    auth, imports = state.auth(arguments), [one(value) for value in arguments.required("imports", items)]
    caller = state.caller(arguments)
    arguments.end()
    return {"count": auth.keys.import_all(imports, **caller)}


def imported(arguments):
    return {
        "format": arguments.required("format", one_of("phc", "ignition")),
        "hash": arguments.required("hash", text),
        "strength": arguments.optional("strength", one_of("random", "chosen"), "chosen"),
        **new_key(arguments),
    }


def named_twice(state, arguments):
    return state.auth(arguments), arguments.required("name", text), arguments.required("new_name", text)


def revised(state, arguments):
    settings = {"revision": arguments.optional("revision", integer), **state.caller(arguments)}
    arguments.end()
    return settings


def new_key(arguments):
    return {
        "description": arguments.optional("description", text, ""),
        "levels": arguments.required("levels", texts),
        "require_secure": arguments.optional("require_secure", flag, True),
        "expires_at": arguments.optional("expires_at", integer),
    }


def created(made):
    return {"record": record(made.record), "key": made.key}


def record(key):
    """The record's fields, under the names of the protocol: they are the dataclass's own."""
    return dataclasses.asdict(key)


def authenticate(state, arguments):
    auth, lines = state.auth(arguments), headers(arguments)
    channel, require = arguments.required("channel", CHANNEL), arguments.requirement("require")
    entitlement, now = arguments.optional("entitlement", text), arguments.optional("now", integer)
    table = {
        "routes": state.routes(arguments),
        "method": arguments.optional("method", text),
        "path": arguments.optional("path", octets),
    }
    arguments.end()
    try:
        principal = auth.authenticate(lines, channel, require, entitlement=entitlement, now=now, **table)
    except InspireAuthError as error:
        answer = auth.http(error)
        # A code that answers no request has no status.
        status = None if error.http_status is None else answer.status
        raise Refusal(error.code, {"http": status, "challenge": answer.challenge}) from None
    levels = auth.principal_levels(principal)
    handle = None if principal.is_anonymous else state.keep(principal)
    return {"http": 200, "principal": {"name": principal.name, "levels": levels, "handle": handle}}


def channel(_, arguments):
    proxies = TrustedProxies(arguments.required("proxies", text))
    peer, direct = arguments.required("peer", text), arguments.required("direct", CHANNEL)
    lines = headers(arguments)
    arguments.end()
    return {"channel": proxies.channel(peer, direct, lines)}


def parse_routes(state, arguments):
    table = arguments.required("json", text)
    arguments.end()
    routes = Routes.parse(table)
    return {"routes": state.keep(routes), "count": len(routes)}


def would_allow(state, arguments):
    auth, routes = state.auth(arguments), state.routes(arguments)
    key = arguments.optional("key", text)
    method, path = arguments.required("method", text), arguments.required("path", octets)
    how, now = arguments.optional("channel", CHANNEL, "plain"), arguments.optional("now", integer)
    arguments.end()
    if routes is None:
        raise Unreadable
    found = auth.would_allow(routes, key, method, path, channel=how, now=now)
    rule = found.rule and {"prefix": found.rule.prefix, "methods": found.rule.methods}
    return {"code": found.code, "rule": rule, "missing": found.missing}


def audit(state, arguments):
    auth, limit = state.auth(arguments), arguments.required("limit", integer)
    arguments.end()
    return {"events": [dataclasses.asdict(event) for event in auth.audit(limit)]}


def metrics(state, arguments):
    auth = state.auth(arguments)
    arguments.end()
    said = auth.metrics_text()
    counts = re.findall(r'^inspire_apikey_verifications_total\{result="([A-Z_]+)"\} (\d+)$', said, re.MULTILINE)
    families = re.findall(r"^# TYPE (\S+) ", said, re.MULTILINE)
    return {"families": sorted(set(families)), "verifications": {result: int(count) for result, count in counts}}


def headers(arguments):
    def line(value):
        if len(items(value)) != 2:
            raise Unreadable
        return octets(value[0]), octets(value[1])

    return [line(value) for value in arguments.required("headers", items)]


def inspect(_, arguments):
    file = arguments.required("lic", octets)
    options = {
        "trusted_keys": trusted_keys(arguments),
        "license_key": arguments.optional("license_key", text),
        "machine_id": arguments.optional("machine_id", text),
        "product": arguments.optional("product", text),
        "now": arguments.optional("now", integer),
        "offline": arguments.optional("offline", flag, False),
    }
    arguments.end()
    found = inspire_auth.inspect(file, **options)
    fields = {
        "failures": list(found.failures),
        "kind": found.kind,
        "license": None if found.license is None else dataclasses.asdict(found.license),
        "issued_at": found.issued_at,
        "file_expires_at": found.file_expires_at,
        "machine_fingerprint": found.machine_fingerprint,
    }
    if found.result != "OK":
        raise Refusal(found.result, fields)
    return fields


def activate_offline(state, arguments):
    auth = state.auth(arguments)
    key, file = arguments.required("license_key", text), arguments.required("lic", octets)
    force, caller = arguments.optional("force", flag, False), state.caller(arguments)
    arguments.end()
    return status_of(auth.license.activate_offline(key, file, force=force, **caller))


def status(state, arguments):
    auth, now = state.auth(arguments), arguments.optional("now", integer)
    arguments.end()
    return status_of(auth.license.status(now))


def has(state, arguments):
    auth, code = state.auth(arguments), arguments.required("entitlement", text)
    now = arguments.optional("now", integer)
    arguments.end()
    return {"value": auth.license.has_entitlement(code, now)}


def limit(state, arguments):
    auth, name = state.auth(arguments), arguments.required("name", text)
    now = arguments.optional("now", integer)
    arguments.end()
    return {"value": auth.license.limit(name, now)}


def revalidate(state, arguments):
    auth, caller = state.auth(arguments), state.caller(arguments)
    arguments.end()
    return status_of(auth.license.revalidate(**caller))


def deactivate(state, arguments):
    auth, caller = state.auth(arguments), state.caller(arguments)
    arguments.end()
    return status_of(auth.license.deactivate(**caller).status)


def deactivate_with(state, arguments):
    auth, local_only = state.auth(arguments), arguments.optional("local_only", flag, False)
    caller = state.caller(arguments)
    arguments.end()
    done = auth.license.deactivate(local_only=local_only, **caller)
    told = {"release": done.release, "problem": done.problem, "receipt": done.receipt}
    return {**status_of(done.status), **told}


def activate(state, arguments):
    auth, key = state.auth(arguments), arguments.required("license_key", text)
    caller = state.caller(arguments)
    arguments.end()
    return status_of(auth.license.activate_online(key, **caller))


def refresh(state, arguments):
    auth, file = state.auth(arguments), arguments.required("lic", octets)
    caller = state.caller(arguments)
    arguments.end()
    return status_of(auth.license.refresh(file, **caller))


def request(state, arguments):
    auth, key = state.auth(arguments), arguments.optional("license_key", text)
    caller = state.caller(arguments)
    arguments.end()
    return {"value": auth.license.request(key, **caller)}


def reveal_key(state, arguments):
    auth, caller = state.auth(arguments), state.caller(arguments)
    arguments.end()
    return {"value": auth.license.reveal_key(**caller)}


def release_pending(state, arguments):
    auth, caller = state.auth(arguments), state.caller(arguments)
    arguments.end()
    return {"value": auth.license.release_pending(**caller)}


def tick(state, arguments):
    auth, now = state.auth(arguments), arguments.optional("now", integer)
    arguments.end()
    return dataclasses.asdict(auth.license.tick(now=now))


def last_attempt(state, arguments):
    auth, now = state.auth(arguments), arguments.optional("now", integer)
    arguments.end()
    attempt = auth.license.status(now).last_attempt
    return {"attempt": None if attempt is None else dataclasses.asdict(attempt)}


def consume(state, arguments):
    auth, amount = state.auth(arguments), arguments.required("amount", integer)
    operation, whose = arguments.required("operation", text), of_tenant(arguments)
    arguments.end()
    return balance_of(auth.license.consume(amount, operation, **whose))


def refund(state, arguments):
    auth, operation = state.auth(arguments), arguments.required("operation", text)
    whose = of_tenant(arguments)
    arguments.end()
    return balance_of(auth.license.refund(operation, **whose))


def balance(state, arguments):
    auth, whose = state.auth(arguments), of_tenant(arguments)
    arguments.end()
    return balance_of(auth.license.balance(**whose))


def tenant_limit(state, arguments):
    auth, name = state.auth(arguments), arguments.required("name", text)
    whose = arguments.required("tenant", tenant)
    counts = {each: arguments.required(each, integer) for each in ("in_use", "in_use_by_all")}
    now = arguments.optional("now", integer)
    arguments.end()
    auth.license.check_tenant_limit(name, whose, **counts, now=now)
    return {}


def of_tenant(arguments):
    return {"tenant": arguments.optional("tenant", tenant), "now": arguments.optional("now", integer)}


def tenant(value):
    members = Arguments(value)
    name, its_limit = members.required("name", text), members.optional("limit", integer, -1)
    members.end()
    return Tenant(name, its_limit)


def balance_of(found):
    return {"balance": dataclasses.asdict(found)}


def inspect_key(_, arguments):
    key, trusted = arguments.required("license_key", text), trusted_keys(arguments)
    now = arguments.optional("now", integer)
    arguments.end()
    fields = dataclasses.asdict(inspire_auth.inspect_license_key(key, trusted_keys=trusted, now=now))
    return {**fields, "dataset": base64.b64encode(fields["dataset"]).decode("ascii")}


def status_of(found):
    fields = dataclasses.asdict(found)
    # Told by operations of their own, or by none.
    del fields["reason"], fields["last_attempt"]
    return {"status": {**fields, "warnings": [warning.code for warning in found.warnings]}}


# Name: the fields of its answer, and what it does.
OPERATIONS = {
    "version": (["version", "abi"], version),
    "errors": (["errors"], errors),
    "open": (["handle"], open_),
    "close": ([], State.close),
    "keys.create": (["record", "key"], create),
    "keys.get": (["record"], get),
    "keys.list": (["records"], list_),
    "keys.update": (["record"], update),
    "keys.rename": (["record"], rename),
    "keys.duplicate": (["record", "key"], duplicate),
    "keys.rotate": (["record", "key"], rotate),
    "keys.delete": ([], delete),
    "keys.import": (["record"], import_),
    "keys.import_all": (["count"], import_all),
    "authenticate": (["http", "challenge", "principal"], authenticate),
    "channel": (["channel"], channel),
    "routes.parse": (["routes", "count"], parse_routes),
    "routes.would_allow": (["code", "rule", "missing"], would_allow),
    "audit": (["events"], audit),
    "metrics": (["families", "verifications"], metrics),
    "license.inspect": (
        ["failures", "kind", "license", "issued_at", "file_expires_at", "machine_fingerprint"],
        inspect,
    ),
    "license.activate_offline": (["status"], activate_offline),
    "license.status": (["status"], status),
    "license.has": (["value"], has),
    "license.limit": (["value"], limit),
    "license.revalidate": (["status"], revalidate),
    "license.deactivate": (["status"], deactivate),
    "license.deactivate_with": (["status", "release", "problem", "receipt"], deactivate_with),
    "license.activate": (["status"], activate),
    "license.refresh": (["status"], refresh),
    "license.request": (["value"], request),
    "license.reveal_key": (["value"], reveal_key),
    "license.release_pending": (["value"], release_pending),
    "license.tick": (["next", "problem"], tick),
    "license.last_attempt": (["attempt"], last_attempt),
    "license.consume": (["balance"], consume),
    "license.refund": (["balance"], refund),
    "license.balance": (["balance"], balance),
    "license.tenant_limit": ([], tenant_limit),
    "license.inspect_key": (
        ["key_id", "dataset", "license", "product", "created_at", "expires_at"],
        inspect_key,
    ),
}
