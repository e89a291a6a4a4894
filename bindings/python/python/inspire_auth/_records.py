"""What the library tells: immutable records. Times are Unix seconds, or None."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from ._inspire_auth import effective_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, timedelta
    from os import PathLike
    from pathlib import Path

    from ._inspire_auth import Requirement


class _Secret:
    """A record that holds a secret: it does not go into a pickle, a cache or another process by accident."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} holds a secret, and can't be pickled or copied")


@dataclass(frozen=True, slots=True)
class ErrorEntry:
    """One row of the table of errors.

    Attributes:
        number: stable number, the same as in C; grouped (1xx arguments, 2xx keys, 3xx licensing, 4xx the store, 9xx
            internal).
        code: stable identifier, such as ``LICENSE_EXPIRED``.
        message: what happened, in lower case and without a full stop. Never holds the caller's data.
        admin: what an administrator should do.
        developer: what a developer should do.
        retry: whether the same call may succeed later without anything being changed.
        http_status: the HTTP status of a request refused by this code; None where no request is.
        has_vector: whether the conformance vectors of this library reach the code through every language; the others
            have a test of their own.
    """

    number: int
    code: str
    message: str
    admin: str
    developer: str
    retry: bool
    http_status: int | None
    has_vector: bool


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """How a host answers a request that got a code.

    Attributes:
        status: the HTTP status; 500 for a code that answers no request.
        challenge: the value of ``WWW-Authenticate``, if the answer has one.
        retry_after: the value of ``Retry-After`` in seconds, if the answer has one.
    """

    status: int
    challenge: str | None
    retry_after: int | None


@dataclass(frozen=True, slots=True)
class HashParameters:
    """Argon2id parameters for new hashes. The defaults are OWASP's.

    Attributes:
        memory_kib: memory in KiB: at least ``8 * parallelism``, at most 1 GiB.
        iterations: passes: 1 to 64.
        parallelism: lanes: 1 to 16.
    """

    memory_kib: int = 19_456
    iterations: int = 2
    parallelism: int = 1


@dataclass(frozen=True, slots=True)
class Pepper(_Secret):
    """A secret of the host's that is mixed into hashes and seals, and kept outside the store.

    Attributes:
        id: its name, kept with each hash: 1 to 32 characters of ``[A-Za-z0-9._-]``.
        secret: at least 16 bytes. Not shown by ``repr``.
    """

    id: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key whose signatures on license files are believed.

    Attributes:
        id: its name: 1 to 64 characters, unique among the configured keys.
        public_key: 64 hexadecimal digits, or the base64 of an Ed25519 SubjectPublicKeyInfo.
        not_after: Unix seconds from which it is no longer believed, whatever it signed; None is never.
    """

    id: str
    public_key: str
    not_after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedKey:
    """A key whose secret was made elsewhere, for `Keys.import_all`; only its hash is known. ``repr`` does not show it.

    Attributes:
        name: ``[A-Za-z0-9][A-Za-z0-9._-]{0,63}``, unique.
        hash: the hash.
        format: what ``hash`` is: ``"phc"`` for a PHC string of Argon2id, Argon2i or Argon2d, ``"ignition"`` for the token
            hash of an Ignition token file.
        strength: how strong the secret is said to be: ``"random"``, from at least 128 random bits, or ``"chosen"`` by a
            person, which is not remembered in memory and has a budget of failures.
        description: free text, at most 4096 bytes in UTF-8, without NUL.
        levels: granted security levels, at most 1024.
        require_secure: whether the key may only be used over a secure channel.
        enabled: whether the key may be used at all.
        expires_at: Unix seconds above 0, or a `datetime` with a time zone, from which the key is expired; None is never.
    """

    name: str
    hash: str = field(repr=False)
    format: Literal["phc", "ignition"] = "phc"
    strength: Literal["chosen", "random"] = "chosen"
    description: str = ""
    levels: Sequence[str] = ()
    require_secure: bool = True
    enabled: bool = True
    expires_at: int | datetime | None = None


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key, as it is shown: no secret, no hash.

    Attributes:
        id: random identity (a UUID); a rename keeps it.
        type: ``basic-token``.
        name: unique name.
        description: free text.
        levels: granted security levels, byte-sorted, without repeats.
        require_secure: whether the key may only be used over a secure channel.
        enabled: whether the key may be used at all.
        created_at: Unix seconds.
        updated_at: Unix seconds.
        expires_at: Unix seconds from which the key is expired; None is never.
        last_used_at: Unix seconds of the last use that was noted (at most once a minute); None is never.
        revision: begins at 1; each change adds one.
        origin: who made the newest secret.
        overlap_ends_at: Unix seconds from which the secret before the newest is refused, while a rotation overlaps; None
            when there is only one.
    """

    id: str
    type: str
    name: str
    description: str
    levels: tuple[str, ...]
    require_secure: bool
    enabled: bool
    created_at: int
    updated_at: int
    expires_at: int | None
    last_used_at: int | None
    revision: int
    origin: Literal["generated", "imported"]
    overlap_ends_at: int | None


@dataclass(frozen=True, slots=True)
class CreatedKey(_Secret):
    """A new key with its secret: the only time it is seen. ``repr`` does not show it.

    Attributes:
        record: the record.
        key: the key, ``isk_...``.
        ignored_levels: levels that were granted but are ignored in this mode (see ``mode`` of `InspireAuth.open`).
    """

    record: KeyRecord
    key: str = field(repr=False)
    ignored_levels: tuple[str, ...]

    @property
    def credential(self) -> str:
        """``<name>:<key>``, as it stands after ``Authorization: Bearer`` or in ``X-Ignition-API-Token``."""
        return f"{self.record.name}:{self.key}"

    @property
    def rfc6750_credential(self) -> str:
        """``<name>~<key>``, for middleboxes that allow only RFC 6750's alphabet after ``Bearer``."""
        return f"{self.record.name}~{self.key}"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One line of the audit log. Holds no secret.

    Attributes:
        at: Unix seconds.
        event: what happened, such as ``key.created`` or ``key.refused``.
        actor: who did it: ``system``, ``key:<name>``, or empty where nobody is known.
        subject: the name of the key, or the id of the license, that it happened to.
        detail: the exact reason, or what was changed.
        code: ``OK`` for what was done, else the code of `ERRORS` with which it was refused.
    """

    at: int
    event: str
    actor: str
    subject: str
    detail: str
    code: str


@dataclass(frozen=True, slots=True)
class AuditFile:
    """A file that every change and every denial is written to, one JSON object a line, besides the store.

    Any number of processes may write one file. It holds no secret.

    Attributes:
        path: the file; made with mode 0600 when it is not there.
        max_bytes: it is renamed to ``<path>.1`` (and that one to ``.2``, and so on) before it would grow past so many
            bytes; at least 64 KiB.
        keep: how many renamed files are kept: 1 to 1000.
        chain: whether each line holds the SHA-256 of the one before it, so that `verify_audit` shows what was changed,
            removed or inserted.
        on_failure: what happens to a change that can't be recorded: with ``"warn"`` it is made all the same, and counted
            in ``inspire_audit_failures_total``; with ``"deny_mutations"`` it is refused (`AuditUnavailableError`), and
            nothing is changed. Requests are decided either way.
    """

    path: str | bytes | PathLike[str] | PathLike[bytes]
    max_bytes: int = 64 << 20
    keep: int = 10
    chain: bool = False
    on_failure: Literal["warn", "deny_mutations"] = "warn"


@dataclass(frozen=True, slots=True)
class VerifiedAudit:
    """What the chain of an audit file comes to.

    Attributes:
        lines: how many were read.
        files: those that they are in, oldest first.
        head: the SHA-256 of the last line, in hexadecimal. Kept elsewhere, it shows later that nothing was cut off.
        from_the_beginning: whether the first line is the first that was ever written; else older files are gone, as
            `AuditFile.keep` has it.
        unchained: lines at the beginning from before there was a chain, which nothing vouches for.
        torn: pieces of lines that a crash has left; the chain goes on after them.
        first_torn: the file and the line of the first of them.
    """

    lines: int
    files: tuple[Path, ...]
    head: str
    from_the_beginning: bool
    unchained: int
    torn: int
    first_torn: tuple[Path, int] | None


@dataclass(frozen=True, slots=True)
class RouteRule:
    """What guards one prefix of a table of `Routes`, for some methods.

    Attributes:
        prefix: whole segments of a path, such as ``/data/api/v1``.
        methods: as written in the table; ``*`` is every one that no other rule of the prefix lists.
        require: what the caller must hold.
        entitlement: what the license must hold as well, or None.
    """

    prefix: str
    methods: tuple[str, ...]
    require: Requirement
    entitlement: str | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a request would get, and why. For administrators, never for the caller of a service.

    Attributes:
        code: ``OK``, or the code of `ERRORS` with which it would be refused.
        rule: the rule that decides; None when the path or the method found none.
        missing: the levels for want of which it is refused, in byte order.
        reason: a sentence that says why.
    """

    code: str
    rule: RouteRule | None
    missing: tuple[str, ...]
    reason: str

    @property
    def allowed(self) -> bool:
        """Whether it would be granted."""
        return self.code == "OK"


@dataclass(frozen=True, slots=True)
class Entitlement:
    """An entitlement, and whether it is granted now.

    Attributes:
        code: its code, such as ``VIDEO_WALL_SYNC``.
        feature: what it gives, for those of `CATALOGUE`; None for others.
        granted: whether the license grants it, and is active.
    """

    code: str
    feature: str | None
    granted: bool


@dataclass(frozen=True, slots=True)
class LicenseWarning:
    """Something about the license that will need attention.

    Attributes:
        code: ``EXPIRES_SOON``, ``LEASE_ENDS_SOON``, ``CLOCK_SUSPECT`` or ``NOT_MACHINE_BOUND``.
        days: with ``EXPIRES_SOON``, the license ends within so many days: 30, 14, 7 or 1; else None.
    """

    code: str
    days: int | None


@dataclass(frozen=True, slots=True)
class LicenseAttempt:
    """A try to reach the licensing server that failed. It changes nothing else.

    Attributes:
        code: why, such as ``NETWORK_TIMEOUT``.
        at: Unix seconds.
    """

    code: str
    at: int


@dataclass(frozen=True, slots=True)
class LicenseStatus:
    """The license as it is at one moment.

    Attributes:
        state: whether it may be used.
        reason: why not: the code of the first check that fails, or ``UNLICENSED``; None when it is active.
        name: the license's name.
        key: the license key, masked: ``********`` and its last 4 characters.
        mode: how it was activated; None when there is none.
        expires_at: Unix seconds at which the license ends; None is never.
        lease_expires_at: Unix seconds at which the installed file ends, for whatever reason; None is never.
        last_validated_at: Unix seconds of the last installation or successful validation.
        limits: effective limits by name, the three known ones always among them: all 0 unless active; -1 is unlimited.
        entitlements: granted codes in byte order; empty unless active.
        warnings: what will need attention.
        last_attempt: the last try to reach the licensing server, if it failed; else None.
    """

    state: Literal["unlicensed", "active", "expired", "suspended", "invalid"]
    reason: str | None
    name: str | None
    key: str | None
    mode: Literal["online", "offline"] | None
    expires_at: int | None
    lease_expires_at: int | None
    last_validated_at: int | None
    limits: Mapping[str, int]
    entitlements: tuple[str, ...]
    warnings: tuple[LicenseWarning, ...]
    last_attempt: LicenseAttempt | None

    @property
    def active(self) -> bool:
        """Whether the license is good now."""
        return self.state == "active"


@dataclass(frozen=True, slots=True)
class Deactivation:
    """What a deactivation came to. The license is out, whatever it was.

    Attributes:
        status: what is installed now: nothing.
        release: what became of this machine's place on the license at the licensing server: ``server`` has signed that
            it is free, it is ``pending`` (`License.release_pending` tries again), or there was ``none``.
        problem: why it is pending, where the server was asked: a code such as ``NETWORK_TIMEOUT``; else None.
        receipt: for the vendor: signed by this installation that the license was taken out here, and when; None where the
            license's file could not be read on this machine.
    """

    status: LicenseStatus
    release: Literal["server", "pending", "none"]
    problem: str | None
    receipt: str | None


@dataclass(frozen=True, slots=True)
class LicenseTick:
    """What `License.tick` came to.

    Attributes:
        next: Unix seconds at which there will be something to do; None as long as nothing is activated online.
        problem: what was due and failed, and is tried again: a code such as ``NETWORK_TIMEOUT``; else None.
    """

    next: int | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class Tenant:
    """A part of an installation, with a limit of its own.

    Attributes:
        name: its name: 1 to 255 bytes.
        limit: its limit; -1 is the license's.
    """

    name: str
    limit: int = -1

    def effective(self, license_limit: int) -> int:
        """The limit that holds: the smaller of the license's and the tenant's own, where -1 is none.

        Args:
            license_limit: the license's, as `License.limit` tells it.

        Example:
            >>> Tenant("north", 10).effective(auth.license.limit("MAX_DISPLAYS"))
            10
        """
        return effective_limit(self.limit, license_limit)


@dataclass(frozen=True, slots=True)
class CreditBalance:
    """What is left of an allocation of credits.

    Attributes:
        limit: the allocation a month; -1 is unlimited. 0 without an active license.
        used: consumed this month.
        left: what can still be consumed; -1 is without a bound.
        period: the month, in UTC: ``2027-01``.
        resets_at: Unix seconds of the next month's beginning.
    """

    limit: int
    used: int
    left: int
    period: str
    resets_at: int


@dataclass(frozen=True, slots=True)
class HttpRequest(_Secret):
    """A request to the licensing server, for a host that carries it.

    Attributes:
        method: ``POST`` or ``DELETE``.
        url: absolute; to be sent byte for byte, since the answer's signature covers path and query.
        headers: (name, value) pairs; ``authorization`` has the license key. Not shown by ``repr``.
        body: JSON, or empty. Not shown by ``repr``.
        timeout: how long the whole call may take, in seconds.
    """

    method: str
    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
    timeout: float


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What the licensing server answered, whatever its status.

    Attributes:
        status: the status.
        headers: (name, value) pairs as they arrived, repeated ones as often.
        body: after any transfer coding; at most 1 MiB.
    """

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


@dataclass(frozen=True, slots=True)
class Server:
    """The licensing server.

    Attributes:
        url: where its API begins: ``https://host[:port][/path]``; ``http`` for this machine's own addresses alone.
        account: the account's id or slug, when it belongs into every path.
        account_id: the account's id, when answers must say that they were signed for it; None: any that a trusted key
            signed.
        signing_host: the host name that the server signs, where a proxy in front of it shows it another one.
        allowed_hosts: hosts that may be connected to: exact names, or ``*.domain`` for every name below one; None: wherever
            ``url`` and the proxy are.
        proxy: ``http://[user:password@]host:port``, or ``""`` for none; None: as ``HTTPS_PROXY``, ``ALL_PROXY`` and
            ``NO_PROXY`` say. Not shown by ``repr``.
        ca_file: a file of certificates (PEM) of authorities that are trusted besides the platform's.
        connect_timeout: for a connection to be there, in seconds.
        timeout: for a call until its answer is whole, retries included, in seconds.
        lease: how long a machine file is asked for: seconds, or a `timedelta`. The server may have its own idea.
        auto_refresh: the library does by itself, on a thread of its own, what `License.tick` does; else nothing connects
            anywhere but in a call of yours.
        transport: carries requests, when the host brings its own: called with a `HttpRequest` on the thread that asks,
            returns a `HttpResponse` of any status. It follows no redirect and gives up in time. `OSError` counts as
            ``NETWORK_CONNECT``, `TimeoutError` as ``NETWORK_TIMEOUT``; an error of this package (`LicensingServerError`)
            as itself.
    """

    url: str
    account: str | None = None
    account_id: str | None = None
    signing_host: str | None = None
    allowed_hosts: Sequence[str] | None = None
    proxy: str | None = field(default=None, repr=False)
    ca_file: str | bytes | PathLike[str] | PathLike[bytes] | None = None
    connect_timeout: float = 5.0
    timeout: float = 10.0
    lease: int | timedelta = 14 * 24 * 3600
    auto_refresh: bool = False
    transport: Callable[[HttpRequest], HttpResponse] | None = None


@dataclass(frozen=True, slots=True)
class LicenseView(_Secret):
    """The license in a file that was inspected.

    Attributes:
        id: the license's id at its issuer.
        key: the license key, not masked. Not shown by ``repr``.
        name: the license's name.
        status: the status that the issuer wrote, such as ``ACTIVE``.
        expires_at: Unix seconds; None is never.
        limits: each limit, the three known names always among them; -1 is unlimited.
        entitlements: codes in byte order; empty also when they were not included.
        metadata: the metadata as it stands in the file.
    """

    id: str
    key: str | None = field(repr=False)
    name: str | None
    status: str | None
    expires_at: int | None
    limits: Mapping[str, int]
    entitlements: tuple[str, ...]
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a license file says, and what is wrong with it.

    Attributes:
        failures: the code of every check that failed, in the order of checking, each once.
        kind: known once header and footer are read; else None.
        license: known once the payload is read, if the file includes its license; else None.
        issued_at: Unix seconds at which the file was issued; None when the payload was not read.
        file_expires_at: Unix seconds at which the file ends; None is never, or when the payload was not read.
        machine_fingerprint: the fingerprint of the machine that a machine file was made for.
    """

    failures: tuple[str, ...]
    kind: Literal["license", "machine"] | None
    license: LicenseView | None
    issued_at: int | None
    file_expires_at: int | None
    machine_fingerprint: str | None = field(repr=False)

    @property
    def result(self) -> str:
        """The code of the first failure, or ``OK``."""
        return self.failures[0] if self.failures else "OK"

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return not self.failures


@dataclass(frozen=True, slots=True)
class SignedLicenseKey(_Secret):
    """What a license key says that is signed itself. It was so when the key was made; a renewal comes later.

    Attributes:
        key_id: the trusted key that signed it.
        dataset: everything that was signed, as the vendor put it in. Not shown by ``repr``: it is most of the key.
        license: the license's id, where the dataset is the one that Keygen writes by itself; else None.
        product: the product's id, in such a dataset.
        created_at: Unix seconds of the license's creation, in such a dataset.
        expires_at: Unix seconds of the license's end, in such a dataset; None is never, or not told.
    """

    key_id: str
    dataset: bytes = field(repr=False)
    license: str | None
    product: str | None
    created_at: int | None
    expires_at: int | None


@dataclass(frozen=True, slots=True)
class MachineIdentity:
    """This machine, as a machine file names it.

    Attributes:
        fingerprint: what a machine file for this machine must hold. Not shown by ``repr``.
        source: ``machine_id option`` or ``operating system's machine id``.
        container: the kind of container that this process seems to run in, or None. In one, the operating system's
            machine id may be gone with the next start: give ``machine_id``, from a file in a volume.
    """

    fingerprint: str = field(repr=False)
    source: str
    container: str | None


@dataclass(frozen=True, slots=True)
class MachinePart:
    """One thing that goes into a fingerprint, or says something about it.

    Attributes:
        name: what it is.
        found: what was found; never the machine id itself.
    """

    name: str
    found: str


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What a restore did, in numbers of keys.

    Attributes:
        kept: in both stores, and the live one at least as new: untouched.
        updated: older in the live store: taken from the backup.
        revived: unknown to the live store: inserted as they were (``accept_revived``).
        disabled: those that the restore disabled, to be enabled by an operator.
        stayed_deleted: deleted in the live store since the backup: stay deleted.
        name_taken: left out, since another live key has the name.
        deleted: names of those in the live store only: deleted.
        license: what became of the license.
        generation: the store's generation after it.
    """

    kept: int
    updated: int
    revived: int
    disabled: int
    stayed_deleted: int
    name_taken: int
    deleted: tuple[str, ...]
    license: Literal["none", "kept", "restored", "left_out"]
    generation: int
