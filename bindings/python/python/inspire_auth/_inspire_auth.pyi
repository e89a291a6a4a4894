"""The native half of `inspire_auth`: private."""

import builtins
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from os import PathLike
from types import TracebackType
from typing import Any, Literal, final

from ._errors import InspireAuthError
from ._records import (
    AuditEvent,
    AuditFile,
    CreatedKey,
    CreditBalance,
    Deactivation,
    Entitlement,
    Explanation,
    HashParameters,
    HttpAnswer,
    ImportedKey,
    Inspection,
    KeyRecord,
    LicenseStatus,
    LicenseTick,
    MachineIdentity,
    MachinePart,
    Pepper,
    RestoreReport,
    RouteRule,
    Server,
    SignedLicenseKey,
    Tenant,
    TrustedKey,
    VerifiedAudit,
)
from ._types import Channel, Headers

__version__: str
ABI_VERSION: int
CATALOGUE: Mapping[str, str]
SYSTEM: System

@final
class InspireAuth:
    """API keys and licensing on one store: the handle that everything hangs off. Any number of threads, and of asyncio
    tasks, use one at once; a forked process goes on using its parent's. `InspireAuth.open` makes one.

    Example:
        >>> auth = InspireAuth.open("service.db")
        >>> operators = Requirement("any(Authenticated/Ops/Write)")
        >>> caller = auth.authenticate(request_headers, channel="secure", require=operators)
        >>> caller.name
        'reporting'
    """

    @classmethod
    def open(
        cls,
        store: str | PathLike[str] | bytes = ":memory:",
        *,
        realm: str = "inspire",
        extra_headers: Sequence[str] = (),
        mode: Literal["default", "ignition"] = "default",
        local_is_secure: bool = False,
        hash: HashParameters | None = None,
        scheme: Literal["argon2", "hmac-sha256"] = "argon2",
        max_hash_memory: int = 67108864,
        peppers: Sequence[Pepper] = (),
        write_requirement: Requirement | str | None = None,
        admin_requirement: Requirement | str | None = None,
        memo_chosen: bool = False,
        chosen_failures_per_minute: int = 10,
        trusted_keys: Sequence[TrustedKey] = (),
        product: str | None = None,
        machine_id: str | None = None,
        allow_unbound: bool = False,
        max_lease: int | timedelta = 2592000,
        enforcement: Literal["strict", "warn", "report-only"] = "strict",
        payment_required: bool = False,
        audit: Callable[[AuditEvent], object] | None = None,
        audit_file: AuditFile | None = None,
        server: Server | None = None,
    ) -> InspireAuth:
        r"""Opens the store, and reads every key into memory. Starts no thread, opens no socket, reads no environment
        variable; but with a `server` it reads those that name a proxy, and `Server.auto_refresh` starts a thread.

        Args:
            store: `":memory:"`; the path of an SQLite file, which is made if it is not there, with mode 0600; or the
                URL of a PostgreSQL database, `"postgresql://..."`.
            realm: the realm in challenges: 1 to 200 printable ASCII characters without `"` and `\`.
            extra_headers: header names, besides `Authorization` and `X-Ignition-API-Token`, that carry `<name>:<key>`.
            mode: `"default"`: every grant counts; `"ignition"`: grants under `Authenticated/Roles` and `SecurityZones`
                are ignored, as Ignition does.
            local_is_secure: whether the channel `"local"` satisfies a key's `require_secure`.
            hash: Argon2id parameters for new hashes; None is 19456 KiB, 2 passes, 1 lane.
            scheme: how generated keys are hashed: `"argon2"`, or `"hmac-sha256"`, which needs a pepper.
            max_hash_memory: bytes that all hashing of this handle may take together; at least one hash's.
            peppers: secrets mixed into hashes: the first is current, the others are retired and only read.
            write_requirement: what an actor needs to change keys; None: no principal may, only `SYSTEM`.
            admin_requirement: what an actor needs to change the license; None: no principal may, only `SYSTEM`.
            memo_chosen: whether human-chosen imported secrets are remembered in memory after their first success.
            chosen_failures_per_minute: wrong secrets a minute, for each human-chosen imported key, before it answers
                `BUSY`.
            trusted_keys: public keys whose signatures on license files are believed.
            product: the product id that the license must be for; None: any.
            machine_id: this machine's fingerprint, when the host knows better; None: from the operating system.
            allow_unbound: whether a license file, which names no machine, may be installed.
            max_lease: how long a file may be used after it was issued, when its license does not hold
                `OFFLINE_LICENSING`: seconds, or a `timedelta`. The default is 30 days.
            enforcement: what a gate does when the license does not allow something: `"strict"` refuses, `"warn"` grants
                with a `warning` on the principal, `"report-only"` grants with an audit event.
            payment_required: whether license refusals answer HTTP 402 instead of 403.
            audit: called with each audit event, besides the store: on a thread that is calling the handle, after what
                it did there is decided; the calls of one thread come in order. It may call the handle. What it raises
                goes to `sys.unraisablehook`, and changes nothing.
            audit_file: an `AuditFile` that every change and every denial is written to as well, one JSON object a line.
            server: the licensing `Server`; None: licenses are installed from files, and nothing ever connects anywhere.

        Raises:
            ArgumentError: an option is out of range.
            StoreError: the store can't be opened.

        Example:
            >>> with InspireAuth.open("service.db", write_requirement="Authenticated/Admin") as auth:
            ...     auth.keys.create("reporting", levels=["Authenticated/Ops"], actor=SYSTEM)
        """

    def authenticate(
        self,
        headers: Headers,
        channel: Channel = "plain",
        require: Requirement | str | None = None,
        *,
        entitlement: str | None = None,
        now: int | None = None,
        routes: Routes | None = None,
        method: str | None = None,
        path: str | bytes | None = None,
    ) -> Principal:
        """Decides one request: returns who is calling, or raises. There is no falsy answer.

        A key that has been seen before, or a wrong one, is decided in well under a microsecond, with the GIL kept. A
        key that is seen for the first time takes a slow hash (Argon2, some 20 ms), and blocks this thread with the GIL
        let go; an event loop awaits `authenticate_async` instead.

        Args:
            headers: all (name, value) pairs of the request, str or bytes, as received (a list or tuple is fastest;
                ASGI's `scope["headers"]` as it is), or a mapping, or, as str or bytes, the value of the one
                `Authorization` header. Only the headers that carry credentials are looked at; a repeated one is
                refused.
            channel: how the request came, as the host knows it (never from a header that anybody can send): `"plain"`,
                `"secure"` for TLS that ended here or at a trusted proxy, `"local"` for loopback or a Unix socket.
            require: what the caller must hold: a `Requirement`, or its text, which is compiled once and then found by
                its text (a `Requirement` saves that search); None is any valid key.
            entitlement: an entitlement that the license must hold as well.
            now: Unix seconds; None or 0 is the system's clock.
            routes: a table that says what is required, instead of `require` and `entitlement`; with `method` and
                `path`.
            method: the request's method, such as `"GET"`.
            path: the path of the request target, as it was received: percent-encoded, str or bytes; what follows the
                first `?` is not looked at. It must be what the application's own router goes by: see `Routes`.

        Raises:
            PathNotCanonicalError: the path could be read in two ways. Before the credential is read.
            RouteDeniedError: the table has nothing for this path and method. Before the credential is read.
            AuthenticationError: `NO_CREDENTIAL`, `MALFORMED_CREDENTIAL`, `INVALID_CREDENTIAL`.
            PermissionDeniedError: `SECURE_CHANNEL_REQUIRED`, `INSUFFICIENT_LEVEL`.
            LicenseError: why the license does not allow `entitlement`.
            BusyError: too many keys are being checked for the first time.
            StoreError: the store can't be read, or believed.
            ArgumentError: the channel or the requirement can't be read, or both a table and a requirement are given, or
                the handle is closed.

        Example:
            >>> auth.authenticate([("Authorization", "Bearer reporting:isk_...")], channel="secure").name
            'reporting'
        """

    async def authenticate_async(
        self,
        headers: Headers,
        channel: Channel = "plain",
        require: Requirement | str | None = None,
        *,
        entitlement: str | None = None,
        now: int | None = None,
        routes: Routes | None = None,
        method: str | None = None,
        path: str | bytes | None = None,
    ) -> Principal:
        """As `authenticate`, for asyncio: never blocks the event loop on a slow hash.

        What `authenticate` decides at once is decided at once here, without a suspension. A key that is seen for the first
        time is hashed on the library's own threads meanwhile. A task that is cancelled gives its decision up.

        Args:
            headers: as for `authenticate`.
            channel: as for `authenticate`.
            require: as for `authenticate`.
            entitlement: as for `authenticate`.
            now: as for `authenticate`.
            routes: as for `authenticate`.
            method: as for `authenticate`.
            path: as for `authenticate`.

        Raises:
            InspireAuthError: as `authenticate`.
            RuntimeError: a slow decision needs a running asyncio event loop.

        Example:
            >>> caller = await auth.authenticate_async(scope["headers"], channel="secure", require=operators)
        """

    def _attempt(
        self,
        headers: Headers,
        channel: Channel,
        require: Requirement | str | None,
        entitlement: str | None,
        now: int | None,
        routes: Routes | None = None,
        method: str | None = None,
        path: str | bytes | None = None,
    ) -> Principal | Ticket:
        """Decides at once, or begins to: a `Principal`, or a `Ticket` to be awaited. For `authenticate_async`."""

    def principal_levels(self, principal: Principal) -> list[str]:
        """What a principal's key holds now: `Authenticated` and the grants in force, byte-sorted, without their ancestors.

        Args:
            principal: who.

        Returns:
            The levels; none when it is anonymous.

        Raises:
            AuthenticationError: `INVALID_CREDENTIAL`: the key is gone.
            StoreError: the store can't be read, or believed.

        Example:
            >>> auth.principal_levels(caller)
            ['Authenticated', 'Authenticated/Ops/Write']
        """

    def recheck(self, principal: Principal, require: Requirement | str | None = None, now: int | None = None) -> None:
        """Judges a principal again, as it stands now: for connections that live longer than a request. Returns if it may,
        and raises if not.

        Args:
            principal: who.
            require: as for `authenticate`; None is any valid key.
            now: Unix seconds; None or 0 is the system's clock.

        Raises:
            InspireAuthError: what a new request with the same credential would get.

        Example:
            >>> auth.recheck(caller, operators)  # before each message of a websocket, say
        """

    def explain(self, principal: Principal, require: Requirement | str | None = None) -> list[str]:
        """The levels for want of which a principal fails a requirement.

        Args:
            principal: who.
            require: as for `authenticate`; None is any valid key.

        Returns:
            The missing levels; none when the requirement is satisfied.

        Raises:
            AuthenticationError: `INVALID_CREDENTIAL`: the key is gone.
            StoreError: the store can't be read, or believed.

        Example:
            >>> auth.explain(caller, Requirement("all(Authenticated/Ops, Authenticated/Admin)"))
            ['Authenticated/Admin']
        """

    def would_allow(
        self,
        routes: Routes,
        key: str | None,
        method: str,
        path: str | bytes,
        *,
        channel: Channel = "plain",
        now: int | None = None,
    ) -> Explanation:
        """What a request would get, and why: a dry run, which is noted nowhere.

        Args:
            routes: the table.
            key: the name of the key that the request would carry, with its right secret; None is a request without one.
            method: its method, such as `"GET"`.
            path: its path, as for `authenticate`.
            channel: how it would come.
            now: Unix seconds; None or 0 is the system's clock.

        Raises:
            NotFoundError: there is no such key.
            StoreError: the store can't be read, or believed.

        Example:
            >>> auth.would_allow(routes, "reporting", "DELETE", "/data/api/v1/resources", channel="secure").code
            'ROUTE_DENIED'
        """

    def explain_route(
        self, routes: Routes, principal: Principal, method: str, path: str | bytes, *, now: int | None = None
    ) -> Explanation:
        """What a further request of a principal, over the same channel, would get, and why: noted nowhere.

        Args:
            routes: the table.
            principal: who.
            method: the request's method, such as `"GET"`.
            path: its path, as for `authenticate`.
            now: Unix seconds; None or 0 is the system's clock.

        Raises:
            StoreError: the store can't be read, or believed.

        Example:
            >>> auth.explain_route(routes, caller, "POST", "/data/api/v1/sync").missing
            ('Authenticated/Ops/Write',)
        """

    @property
    def keys(self) -> Keys:
        """The API keys: creating, changing, listing, deleting."""

    @property
    def license(self) -> License:
        """The license: what this installation is licensed for."""

    def http(self, error: InspireAuthError | str) -> HttpAnswer:
        """How a host answers a request that got this code.

        Args:
            error: an `InspireAuthError`, or its `code`.

        Raises:
            ArgumentError: there is no such code.

        Example:
            >>> auth.http("NO_CREDENTIAL")
            HttpAnswer(status=401, challenge='Bearer realm="inspire"', retry_after=None)
        """

    def credential_headers(self) -> list[str]:
        """The names of all headers that may carry a credential: a host that forwards requests strips every one of them.

        Returns:
            `Authorization`, `X-Ignition-API-Token`, then `extra_headers`.

        Example:
            >>> auth.credential_headers()
            ['Authorization', 'X-Ignition-API-Token']
        """

    def audit(self, limit: int = 100) -> list[AuditEvent]:
        """The newest audit events, newest first.

        Args:
            limit: at most so many.

        Raises:
            StoreError: the store can't be read.

        Example:
            >>> [event.event for event in auth.audit(2)]
            ['key.refused', 'key.created']
        """

    def metrics_text(self) -> str:
        r"""Counters and gauges of this handle in this process, as OpenMetrics 1.0 text, for a service to answer at
        `/metrics` with the content type `application/openmetrics-text; version=1.0.0; charset=utf-8`. They hold no key's
        name, no secret and no license key. Who may read them is for the service to say.

        Raises:
            ArgumentError: the handle is closed.

        Example:
            >>> auth.metrics_text().endswith("# EOF\n")
            True
        """

    def generation(self) -> int:
        """The store's generation: it rises with every change of a key or of the license, by any process.

        Raises:
            StoreError: the store can't be read, or believed.

        Example:
            >>> before = auth.generation()
            >>> auth.keys.delete("reporting", actor=SYSTEM)
            >>> auth.generation() > before
            True
        """

    def flush(self) -> None:
        """Writes what was noted on the side (last use, audit) to the store now. It is written from time to time anyway,
        and when the handle is closed.

        Raises:
            AuditUnavailableError: the audit file can't be written.
            StoreError: the store can't be written.

        Example:
            >>> auth.flush()  # before a backup, say
        """

    def adopt_store(self) -> None:
        """Accepts what the store holds now as its history, after `STORE_HISTORY_CHANGED`: in every process. For an
        operator who meant the change.

        Raises:
            AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
            StoreError: the store can't be read or written.

        Example:
            >>> auth.adopt_store()  # an operator has said that the store was replaced on purpose
        """

    def close(self) -> None:
        """Closes the handle: writes what was noted on the side, and closes the store when the last call on another thread
        is done. Afterwards every call raises `ArgumentError`; closing again does nothing.

        Example:
            >>> auth.close()  # or: with InspireAuth.open("service.db") as auth: ...
        """

    def __enter__(self) -> InspireAuth:
        """The handle itself: `with InspireAuth.open(...) as auth:` closes it at the end."""

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """Closes the handle."""

@final
class Principal:
    """Who a granted request comes from. Immutable and hashable; the same key granted over the same channel is the same
    object again until the key changes, so that a warm check makes no new one.

    It says what was true when the request was decided. It is no lasting authority: whatever is done in its name later
    (see `actor`) is judged again.
    """

    @property
    def id(self) -> str | None:
        """The key's identity, a UUID that a rename keeps; None when anonymous."""

    @property
    def name(self) -> str | None:
        """The key's name; None when anonymous."""

    @property
    def revision(self) -> int:
        """The key's revision when the request was decided; 0 when anonymous."""

    @property
    def channel(self) -> Channel:
        """The channel that the request came through: `plain`, `secure` or `local`."""

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody in particular was granted: the requirement was `Public`, and no credential was sent."""

    @property
    def warning(self) -> str | None:
        """The code of the license reason for which a stricter `enforcement` would have refused; None for none."""

    def __eq__(self, value: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class System:
    """The host itself, as an actor: it may do everything. There is one, `SYSTEM`, and it is never implied."""

@final
class Requirement:
    """What a request requires, compiled: for any handle, any thread, any number of requests.

    Args:
        text: `any(A/B, C)`, `all(A, B)`, or one level, which means any of it. Spaces around a level are trimmed. An
            empty list is satisfied by nobody. "Any valid key" is `Authenticated`, "everyone" is `Public`.

    Raises:
        ArgumentError: `INVALID_LEVEL`.

    Example:
        >>> operators = Requirement("any(Authenticated/Ops/Write)")
        >>> caller = auth.authenticate(headers, channel="secure", require=operators)
    """

    def __new__(cls, text: str) -> Requirement: ...
    @staticmethod
    def any_of(levels: Sequence[str]) -> Requirement:
        """At least one of these levels; none at all is satisfied by nobody.

        Args:
            levels: paths such as `Authenticated/Ops/Write`.

        Raises:
            ArgumentError: `INVALID_LEVEL`.

        Example:
            >>> str(Requirement.any_of(["Authenticated/Ops", "Authenticated/Admin"]))
            'any(Authenticated/Ops, Authenticated/Admin)'
        """

    @staticmethod
    def all_of(levels: Sequence[str]) -> Requirement:
        """All of these levels; none at all is satisfied by nobody.

        Args:
            levels: paths such as `Authenticated/Ops/Write`.

        Raises:
            ArgumentError: `INVALID_LEVEL`.

        Example:
            >>> str(Requirement.all_of(["Authenticated/Ops", "Authenticated/Admin"]))
            'all(Authenticated/Ops, Authenticated/Admin)'
        """

    def __eq__(self, value: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Routes:
    """A table that says what guards each path and method of a service. Immutable: any handle and any number of threads use
    one. `Routes.parse` makes one; iteration gives its rules, as `RouteRule`.

    The longest prefix of whole segments decides, and denies every method that it does not list; a path outside the
    table is denied. Paths are compared as they were received, and never rewritten: one that could be read in two ways
    (`//`, `..`, `%2F`, `%61` for `a`, `;`, ...) is refused with `PATH_NOT_CANONICAL`.

    Example:
        >>> routes = Routes.parse(Path("routes.json").read_bytes())
        >>> caller = auth.authenticate(headers, "secure", routes=routes, method="GET", path="/data/resources?all")
    """

    @staticmethod
    def parse(table: str | bytes | dict[str, Any]) -> Routes:
        """Compiles a table.

        Args:
            table: JSON, as str or bytes, or the same as a dict: `{"routes": [{"prefix": "/data", "methods": ["GET"],
                "require": {"any": ["Authenticated/Ops"]}, "entitlement": "MFA"}]}`. `methods` lists at least one, and
                `["*"]` is every one that no other rule of the prefix lists; `require` has `any` or `all`, and an empty
                list denies everyone; `entitlement` may be left out. A prefix has no trailing slash. With
                `"ignore_case": true` ASCII letters of either case are the same, for services whose own router has it
                so; with `"ignore_suffix": true` `/users.json` is what `/users` is, as in Django REST Framework.

        Raises:
            ArgumentError: it can't be read; the detail says which route, and what is wrong. `INVALID_LEVEL`.

        Example:
            >>> rule = {"prefix": "/", "methods": ["GET"], "require": {"any": ["Authenticated"]}}
            >>> len(Routes.parse({"routes": [rule]}))
            1
        """

    @property
    def ignores_case(self) -> bool:
        """Whether paths are compared without regard to ASCII case."""

    @property
    def ignores_suffix(self) -> bool:
        """Whether what follows a dot in a segment of a path is left out of account."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[RouteRule]: ...

@final
class Keys:
    """The API keys of a handle.

    Every change names its `actor`: `SYSTEM`, or a `Principal`, which is judged again inside the write transaction (it
    needs `write_requirement`, and to hold every level itself that it hands out or takes over). Every change is seen by
    the next check of every process. A `revision` that is given must still be the key's. A `now` is in Unix seconds;
    None or 0 is the system's clock.
    """

    def create(
        self,
        name: str,
        *,
        description: str = "",
        levels: Sequence[str] = (),
        require_secure: bool = True,
        enabled: bool = True,
        expires_at: int | datetime | None = None,
        actor: Principal | System,
        now: int | None = None,
    ) -> CreatedKey:
        """Makes a key. Its secret is in the answer, and nowhere else, ever again.

        Args:
            name: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`, unique.
            description: free text, at most 4096 bytes in UTF-8, without NUL.
            levels: granted security levels, at most 1024, such as `Authenticated/Ops/Write`.
            require_secure: whether the key may only be used over a secure channel.
            enabled: whether the key may be used at all.
            expires_at: Unix seconds above 0, or a `datetime` with a time zone, from which the key is expired; None is
                never.
            actor: `SYSTEM` or a `Principal`.
            now: Unix seconds; None or 0 is the system's clock.

        Raises:
            ArgumentError: `INVALID_NAME`, `INVALID_LEVEL`, `INVALID_ARGUMENT`.
            NameTakenError: a key of this name exists.
            PermissionDeniedError: the actor may not.
            BusyError: too much is being hashed.
            AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
            StoreError: the store can't be written.

        Example:
            >>> created = auth.keys.create("reporting", levels=["Authenticated/Ops"], actor=SYSTEM)
            >>> created.credential
            'reporting:isk_...'
        """

    def import_(
        self,
        name: str,
        *,
        format: Literal["phc", "ignition"] = "phc",
        hash: str,
        strength: Literal["chosen", "random"] = "chosen",
        description: str = "",
        levels: Sequence[str] = (),
        require_secure: bool = True,
        enabled: bool = True,
        expires_at: int | datetime | None = None,
        actor: Principal | System,
        now: int | None = None,
    ) -> KeyRecord:
        """Adds a key whose secret was made elsewhere; only its hash is known.

        Args:
            name: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`, unique.
            format: what `hash` is: `"phc"` for a PHC string of Argon2id, Argon2i or Argon2d, `"ignition"` for the token
                hash of an Ignition token file.
            hash: the hash.
            strength: how strong the secret is said to be: `"random"`, from at least 128 random bits, or `"chosen"` by a
                person, which is not remembered in memory and has a budget of failures.
            description: free text, at most 4096 bytes in UTF-8, without NUL.
            levels: granted security levels, at most 1024.
            require_secure: whether the key may only be used over a secure channel.
            enabled: whether the key may be used at all.
            expires_at: Unix seconds above 0, or a `datetime` with a time zone, from which the key is expired; None is
                never.
            actor: `SYSTEM` or a `Principal`.
            now: Unix seconds; None or 0 is the system's clock.

        Raises:
            ArgumentError: as `create`, and `INVALID_HASH`.
            InspireAuthError: as `create`.

        Example:
            >>> auth.keys.import_("old", format="phc", hash="$argon2id$v=19$m=19456,t=2,p=1$...", actor=SYSTEM).origin
            'imported'
        """

    def import_all(
        self, imports: Sequence[ImportedKey], *, actor: Principal | System, now: int | None = None
    ) -> int:
        """Adds many keys whose secrets were made elsewhere, in one transaction: all of them, or none.

        Args:
            imports: the keys and their hashes. None of them is no error: nothing is written.
            actor: `SYSTEM` or a `Principal`.
            now: Unix seconds; None or 0 is the system's clock.

        Returns:
            How many keys.

        Raises:
            ArgumentError: as `import_`, of the first that can't be added: the message says which one that is, counted
                from 0, and its name.
            NameTakenError: a key of this name exists, or two of these have it.
            InspireAuthError: as `import_`.

        Example:
            >>> auth.keys.import_all([ImportedKey(name=name, hash=hash) for name, hash in rows], actor=SYSTEM)
            100000
        """

    def get(self, name: str) -> KeyRecord:
        """One key.

        Args:
            name: its name; case counts.

        Raises:
            NotFoundError: there is no such key.
            StoreError: the store can't be read.

        Example:
            >>> auth.keys.get("reporting").levels
            ('Authenticated/Ops',)
        """

    def list(
        self, *, after: str | None = None, limit: int | None = None, level: str | None = None
    ) -> builtins.list[KeyRecord]:
        """Keys, sorted by name in byte order.

        Args:
            after: only names after this one: the last of the page before.
            limit: at most so many; None is all.
            level: only keys whose grants satisfy this level.

        Raises:
            ArgumentError: `INVALID_LEVEL`.
            StoreError: the store can't be read.

        Example:
            >>> [record.name for record in auth.keys.list(level="Authenticated/Ops", limit=100)]
            ['reporting']
        """

    def export(self) -> builtins.list[KeyRecord]:
        """All keys, as records: what can be kept elsewhere without keeping a secret.

        Raises:
            StoreError: the store can't be read.

        Example:
            >>> json.dumps([dataclasses.asdict(record) for record in auth.keys.export()])
        """

    def update(
        self,
        name: str,
        revision: int,
        *,
        description: str = ...,
        levels: Sequence[str] = ...,
        require_secure: bool = ...,
        enabled: bool = ...,
        expires_at: int | datetime | None = ...,
        actor: Principal | System,
        now: int | None = None,
    ) -> KeyRecord:
        """Changes a key that still has this revision. What is not given stays as it is.

        Args:
            name: its name.
            revision: the revision of the record that the change was decided on.
            description: free text, at most 4096 bytes in UTF-8, without NUL.
            levels: granted security levels, at most 1024: all of them, not only new ones.
            require_secure: whether the key may only be used over a secure channel.
            enabled: whether the key may be used at all.
            expires_at: Unix seconds above 0, or a `datetime` with a time zone; None clears it.
            actor: `SYSTEM` or a `Principal`.
            now: Unix seconds; None or 0 is the system's clock.

        Returns:
            The record after the change.

        Raises:
            ArgumentError: `INVALID_LEVEL`, `INVALID_ARGUMENT`.
            NotFoundError: there is no such key.
            ConflictError: the key has another revision.
            PermissionDeniedError: the actor may not.
            AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
            StoreError: the store can't be written.

        Example:
            >>> record = auth.keys.get("reporting")
            >>> auth.keys.update(record.name, record.revision, expires_at=None, actor=SYSTEM)
        """

    def rename(
        self,
        name: str,
        new_name: str,
        *,
        revision: int | None = None,
        actor: Principal | System,
        now: int | None = None,
    ) -> KeyRecord:
        """Gives a key another name. Its secret and identity stay; the old name is unknown from then on.

        Args:
            name: its name.
            new_name: the new one: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`, unique.
            revision: the revision that the key must still have; None is any.
            actor: `SYSTEM` or a `Principal`.
            now: Unix seconds; None or 0 is the system's clock.

        Returns:
            The record after the change.

        Raises:
            ArgumentError: `INVALID_NAME`.
            NameTakenError: a key of the new name exists.
            NotFoundError: there is no such key.
            ConflictError: the key has another revision.
            PermissionDeniedError: the actor may not.
            AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
            StoreError: the store can't be written.

        Example:
            >>> auth.keys.rename("reporting", "reports", actor=SYSTEM).name
            'reports'
        """

    def set_enabled(
        self,
        name: str,
        enabled: bool,
        *,
        revision: int | None = None,
        actor: Principal | System,
        now: int | None = None,
    ) -> KeyRecord:
        """Enables or disables a key. A disabled one is refused from then on.

        Args:
            name: its name.
            enabled: whether it may be used.
            revision: the revision that the key must still have; None is any.
            actor: `SYSTEM` or a `Principal`.
            now: Unix seconds; None or 0 is the system's clock.

        Returns:
            The record after the change.

        Raises:
            NotFoundError: there is no such key.
            ConflictError: the key has another revision.
            PermissionDeniedError: the actor may not.
            AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
            StoreError: the store can't be written.

        Example:
            >>> auth.keys.set_enabled("reporting", False, actor=SYSTEM).enabled
            False
        """

    def duplicate(
        self,
        name: str,
        new_name: str,
        *,
        revision: int | None = None,
        actor: Principal | System,
        now: int | None = None,
    ) -> CreatedKey:
        """Makes a key with all the settings of another, a new name and a new secret.

        Args:
            name: the name of the original.
            new_name: the new one: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`, unique.
            revision: the revision that the original must still have; None is any.
            actor: `SYSTEM` or a `Principal`.
            now: Unix seconds; None or 0 is the system's clock.

        Raises:
            InspireAuthError: as `create`, and `NOT_FOUND`, `CONFLICT`.

        Example:
            >>> auth.keys.duplicate("reporting", "reporting-2", actor=SYSTEM).credential
            'reporting-2:isk_...'
        """

    def rotate(
        self,
        name: str,
        *,
        overlap: int | timedelta = 0,
        revision: int | None = None,
        actor: Principal | System,
        now: int | None = None,
    ) -> CreatedKey:
        """Gives a key a new secret. The old one is refused from then on, or, with an overlap, from the overlap's end on,
        so that clients can be given the new one meanwhile; secrets older than that one end now.

        Args:
            name: its name.
            overlap: how long the old secret stays good: seconds, or a `timedelta`; at most a year (31,536,000 seconds),
                and never beyond the key's own expiry. 0 is not at all. Until when it is, `record.overlap_ends_at` says.
            revision: the revision that the key must still have; None is any.
            actor: `SYSTEM` or a `Principal`.
            now: Unix seconds; None or 0 is the system's clock.

        Raises:
            ArgumentError: an overlap of more than a year.
            NotFoundError: there is no such key.
            ConflictError: the key has another revision.
            PermissionDeniedError: the actor may not.
            BusyError: too much is being hashed.
            AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
            StoreError: the store can't be written.

        Example:
            >>> auth.keys.rotate("reporting", overlap=timedelta(hours=24), actor=SYSTEM).credential
            'reporting:isk_...'
        """

    def delete(
        self, name: str, *, revision: int | None = None, actor: Principal | System, now: int | None = None
    ) -> None:
        """Deletes a key: revokes it at once, and can't be undone.

        Args:
            name: its name.
            revision: the revision that the key must still have; None is any.
            actor: `SYSTEM` or a `Principal`.
            now: Unix seconds; None or 0 is the system's clock.

        Raises:
            NotFoundError: there is no such key.
            ConflictError: the key has another revision.
            PermissionDeniedError: the actor may not.
            AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
            StoreError: the store can't be written.

        Example:
            >>> auth.keys.delete("reporting", actor=caller)
        """

    def seal_all(self, *, actor: Principal | System, now: int | None = None) -> int:
        """Seals every key anew under the current pepper, whatever its seal says: after a first pepper was configured, or
        after a look at the store.

        Args:
            actor: `SYSTEM`: only the host itself may vouch for every key.
            now: Unix seconds; None or 0 is the system's clock.

        Returns:
            How many keys.

        Raises:
            ArgumentError: there is no pepper.
            PermissionDeniedError: the actor is not `SYSTEM`.
            AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
            StoreError: the store can't be written.

        Example:
            >>> auth.keys.seal_all(actor=SYSTEM)
        """

@final
class License:
    """The license of a handle. Every query sees each change, by any process, that returned before it. A `now` is in Unix
    seconds; None or 0 is the system's clock.
    """

    def status(self, now: int | None = None) -> LicenseStatus:
        """What is installed, and whether it is good.

        Args:
            now: Unix seconds; None or 0 is the system's clock.

        Raises:
            StoreError: the store can't be read, or believed.

        Example:
            >>> auth.license.status().state
            'active'
        """

    @property
    def entitlements(self) -> Entitlements:
        """What is granted, as a live view: `in` asks at that moment, iteration gives the granted codes in byte order.

        Example:
            >>> if "VIDEO_WALL_SYNC" in auth.license.entitlements:
            ...     start_video_walls()
        """

    def list_entitlements(self, now: int | None = None) -> list[Entitlement]:
        """The catalogue of ten, then what else is granted.

        Args:
            now: Unix seconds; None or 0 is the system's clock.

        Raises:
            StoreError: the store can't be read, or believed.

        Example:
            >>> [each.code for each in auth.license.list_entitlements() if each.granted]
            ['VIDEO_WALL_SYNC', 'MFA']
        """

    def has_entitlement(self, code: str, now: int | None = None) -> bool:
        """Whether an entitlement is granted. Without an active license nothing is.

        Args:
            code: its code, in any case.
            now: Unix seconds; None or 0 is the system's clock.

        Raises:
            StoreError: the store can't be read, or believed.

        Example:
            >>> auth.license.has_entitlement("MFA")
            True
        """

    def check_entitlement(self, code: str, now: int | None = None) -> None:
        """As `has_entitlement`, for a gate: returns when it is granted, and raises why not otherwise.

        Args:
            code: its code, in any case.
            now: Unix seconds; None or 0 is the system's clock.

        Raises:
            NotEntitledError: the license is active without it.
            UnlicensedError: there is no license.
            LicenseError: the license's first failure.
            StoreError: the store can't be read, or believed.

        Example:
            >>> auth.license.check_entitlement("SSO_SAML")
            Traceback (most recent call last):
            inspire_auth.NotEntitledError: the license does not include this feature
        """

    def limit(self, name: str, now: int | None = None) -> int:
        """A limit by name.

        Args:
            name: such as `MAX_DISPLAYS`, in any case.
            now: Unix seconds; None or 0 is the system's clock.

        Returns:
            -1 for unlimited; 0 when the license is not active, or does not name the limit.

        Raises:
            StoreError: the store can't be read, or believed.

        Example:
            >>> auth.license.limit("MAX_DISPLAYS")
            25
        """

    def check_limit(self, name: str, in_use: int, now: int | None = None) -> None:
        """Whether so many of something are within their limit: returns when they are, and raises otherwise.

        Args:
            name: such as `MAX_DISPLAYS`, in any case.
            in_use: how many, the new one included; not negative.
            now: Unix seconds; None or 0 is the system's clock.

        Raises:
            LimitExceededError: they are not; the detail names the reason when the license is not active.
            ArgumentError: a negative number.
            StoreError: the store can't be read, or believed.

        Example:
            >>> auth.license.check_limit("MAX_DISPLAYS", len(displays) + 1)
        """

    def activate_offline(
        self,
        license_key: str,
        file: str | bytes,
        *,
        force: bool = False,
        actor: Principal | System,
        now: int | None = None,
    ) -> LicenseStatus:
        """Installs a file with its license key, for offline use, in the place of what is installed. A failure changes
        nothing.

        Args:
            license_key: the license key that belongs to the file.
            file: the contents of the license or machine file.
            force: installs a file that is older than the installed one of the same license; never one that was
                deactivated.
            actor: `SYSTEM`, or a `Principal` that satisfies `admin_requirement`.
            now: Unix seconds; None or 0 is the system's clock.

        Returns:
            The status afterwards.

        Raises:
            LicenseError: the first check that fails; the detail lists all.
            PermissionDeniedError: the actor may not.
            AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
            StoreError: the store can't be written.

        Example:
            >>> auth.license.activate_offline("ABCD-EFGH", Path("site.lic").read_bytes(), actor=SYSTEM).state
            'active'
        """

    def activate_online(
        self, license_key: str, *, actor: System | Principal, cancel: Cancel | None = None, now: int | None = None
    ) -> LicenseStatus:
        """Activates this installation: registers this machine for the license at the licensing server, and installs the machine
        file that it issues, in the place of what is installed. A failure changes nothing, but for a refusal that the server
        has signed of the license that is installed. Waits for the network; an event loop awaits `activate_online_async`.

        Args:
            license_key: the license key.
            actor: `SYSTEM`, or a `Principal` that satisfies `admin_requirement`.
            cancel: ends the call from another thread.
            now: Unix seconds; None or 0 is the system's clock.

        Returns:
            The status afterwards.

        Raises:
            LicenseError: what the server refuses with, or the first check that the issued file fails.
            LicensingServerError: the server was not reached, or did not answer as it should.
            ArgumentError: `UNSUPPORTED_OPTION`: the handle was opened without a server.
            OperationCancelledError: it was cancelled.
            PermissionDeniedError: the actor may not.
            AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
            StoreError: the store can't be written.

        Example:
            >>> auth.license.activate_online("ABCD-EFGH", actor=SYSTEM).mode
            'online'
        """

    def revalidate(
        self, *, actor: System | Principal, cancel: Cancel | None = None, now: int | None = None
    ) -> LicenseStatus:
        """Asks the licensing server again, and installs the fresh machine file that it issues: only for a license that was
        activated online. A failure changes nothing but `LicenseStatus.last_attempt`; a refusal that the server has signed
        acts at once. Waits for the network; an event loop awaits `revalidate_async`.

        Args:
            actor: `SYSTEM`, or a `Principal` that satisfies `admin_requirement`.
            cancel: ends the call from another thread.
            now: Unix seconds; None or 0 is the system's clock.

        Returns:
            The status afterwards.

        Raises:
            UnlicensedError: there is none.
            LicenseError: `NOT_AVAILABLE_OFFLINE`: it was installed from a file; `NOT_ACTIVATED`: somebody has taken this
                machine off the license; what else the server refuses with.
            LicensingServerError: the server was not reached, or did not answer as it should.
            ConflictError: the license was taken out, or changed for another, meanwhile.
            ArgumentError: `UNSUPPORTED_OPTION`: the handle was opened without a server.
            OperationCancelledError: it was cancelled.
            PermissionDeniedError: the actor may not.
            AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
            StoreError: the store can't be read or written.

        Example:
            >>> auth.license.revalidate(actor=SYSTEM).lease_expires_at
        """

    def refresh(self, file: str | bytes, *, actor: System | Principal, now: int | None = None) -> LicenseStatus:
        """Installs a newer file of the license that is installed, with the license key that it was installed with. A failure
        changes nothing.

        Args:
            file: the contents of the license or machine file.
            actor: `SYSTEM`, or a `Principal` that satisfies `admin_requirement`.
            now: Unix seconds; None or 0 is the system's clock.

        Returns:
            The status afterwards.

        Raises:
            UnlicensedError: there is none.
            ConflictError: the file is of another license.
            LicenseError: the first check that fails; the detail lists all.
            PermissionDeniedError: the actor may not.
            AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
            StoreError: the store can't be written.

        Example:
            >>> auth.license.refresh(Path("site-2028.lic").read_bytes(), actor=SYSTEM).state
            'active'
        """

    def request(self, license_key: str | None = None, *, actor: System | Principal, now: int | None = None) -> str:
        """A request for a machine file, for the vendor: this machine's fingerprint, the product, a nonce, and the public key of
        this installation, which signs it. Nothing is sent anywhere.

        Args:
            license_key: the license key, to be sent along; None leaves it out.
            actor: `SYSTEM`, or a `Principal` that satisfies `admin_requirement`.
            now: Unix seconds; None or 0 is the system's clock.

        Raises:
            LicenseError: `FINGERPRINT_UNAVAILABLE`.
            PermissionDeniedError: the actor may not.
            AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
            StoreError: the store can't be written.

        Example:
            >>> Path("site.req").write_text(auth.license.request("ABCD-EFGH", actor=SYSTEM))
        """

    def reveal_key(self, *, actor: System | Principal, now: int | None = None) -> str:
        """The license key as it was entered, for an administrator who has to see it: `status().key` is masked. Who saw it is
        recorded (`license.key_revealed`).

        Args:
            actor: `SYSTEM`, or a `Principal` that satisfies `admin_requirement`.
            now: Unix seconds; None or 0 is the system's clock.

        Raises:
            LicenseError: `UNLICENSED`.
            PermissionDeniedError: the actor may not.
            AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
            StoreError: the store can't be read.

        Example:
            >>> auth.license.reveal_key(actor=SYSTEM)
            'ABCD-EFGH'
        """

    def deactivate(
        self,
        *,
        local_only: bool = False,
        actor: System | Principal,
        cancel: Cancel | None = None,
        now: int | None = None,
    ) -> Deactivation:
        """Takes the license out, and buries its file: it can't be installed here again, only a newer one. What was activated
        online is then released at the licensing server; should that fail, it stays noted, and can be tried again. An event
        loop awaits `deactivate_async`.

        Args:
            local_only: says nothing to the licensing server, now or later.
            actor: `SYSTEM`, or a `Principal` that satisfies `admin_requirement`.
            cancel: ends the wait for the server from another thread: the license is out, and its release may be pending.
            now: Unix seconds; None or 0 is the system's clock.

        Returns:
            What it came to: a `Deactivation`.

        Raises:
            UnlicensedError: there is none.
            PermissionDeniedError: the actor may not.
            AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
            StoreError: the store can't be written.

        Example:
            >>> auth.license.deactivate(actor=SYSTEM).status.state
            'unlicensed'
        """

    def release_pending(
        self, *, actor: System | Principal, cancel: Cancel | None = None, now: int | None = None
    ) -> int:
        """Tries again to release the machines that are still to be released at the licensing server.

        Args:
            actor: `SYSTEM`, or a `Principal` that satisfies `admin_requirement`.
            cancel: ends the call from another thread.
            now: Unix seconds; None or 0 is the system's clock.

        Returns:
            How many were.

        Raises:
            LicensingServerError: what the first that could not be released failed with.
            ConflictError: the server does not confirm it.
            ArgumentError: `UNSUPPORTED_OPTION`: the handle was opened without a server.
            OperationCancelledError: it was cancelled.
            PermissionDeniedError: the actor may not.
            StoreError: the store can't be read or written.

        Example:
            >>> auth.license.release_pending(actor=SYSTEM)
            1
        """

    def tick(self, *, cancel: Cancel | None = None, now: int | None = None) -> LicenseTick:
        """Does what is due at the licensing server, as the system: refreshes a lease of which two thirds are over, and releases
        what is still to be released. When that fails, it is due again after a minute, then at distances that double up to
        six hours.

        Args:
            cancel: ends the call from another thread.
            now: Unix seconds; None or 0 is the system's clock.

        Returns:
            When there will be something to do, and what failed: a `LicenseTick`.

        Raises:
            StoreError: the store can't be read or written.

        Example:
            >>> auth.license.tick().next
        """

    def consume(
        self, amount: int, operation: str, *, tenant: Tenant | None = None, now: int | None = None
    ) -> CreditBalance:
        """Consumes credits (`AI_CREDITS_MONTHLY`), if so many are left: of the tenant, and of the whole installation.

        Args:
            amount: how many, at least 1.
            operation: your own name of what they are for, 1 to 255 bytes: it is kept this month and the next, and whoever
                asks again with it gets the same answer and consumes nothing.
            tenant: whose; None is the whole installation's.
            now: Unix seconds; None or 0 is the system's clock.

        Returns:
            What is left: a `CreditBalance`.

        Raises:
            LimitExceededError: fewer are left, or the license is not active.
            ConflictError: the operation was for another amount or tenant, or was refunded.
            ArgumentError: an amount below 1, or a name that is too short or long.
            StoreError: it is not known whether they were consumed; the same call says.

        Example:
            >>> auth.license.consume(10, "image-4711").left
            90
        """

    def refund(self, operation: str, *, tenant: Tenant | None = None, now: int | None = None) -> CreditBalance:
        """Gives back what an operation consumed, once: again, it changes nothing.

        Args:
            operation: the operation that consumed them.
            tenant: whose; None is the whole installation's.
            now: Unix seconds; None or 0 is the system's clock.

        Returns:
            What is left: a `CreditBalance`.

        Raises:
            NotFoundError: the operation is not known (any more).
            ConflictError: it was for another tenant.
            StoreError: the store can't be written.

        Example:
            >>> auth.license.refund("image-4711").left
            100
        """

    def balance(self, *, tenant: Tenant | None = None, now: int | None = None) -> CreditBalance:
        """What is left of this month's credits.

        Args:
            tenant: whose; None is the whole installation's.
            now: Unix seconds; None or 0 is the system's clock.

        Raises:
            StoreError: the store can't be read.

        Example:
            >>> auth.license.balance().left
            100
        """

    def check_tenant_limit(
        self, name: str, tenant: Tenant, *, in_use: int, in_use_by_all: int, now: int | None = None
    ) -> None:
        """Whether so many of something are within a tenant's limit, and those of all tenants within the license's: returns when
        they are, and raises otherwise.

        Args:
            name: such as `MAX_DISPLAYS`, in any case.
            tenant: whose.
            in_use: how many the tenant would have, the new one included; not negative.
            in_use_by_all: how many the whole installation would have; not negative.
            now: Unix seconds; None or 0 is the system's clock.

        Raises:
            LimitExceededError: they are not; the detail names the reason when the license is not active.
            ArgumentError: a negative number.
            StoreError: the store can't be read, or believed.

        Example:
            >>> auth.license.check_tenant_limit("MAX_DISPLAYS", Tenant("north", 10), in_use=4, in_use_by_all=19)
        """

    async def activate_online_async(
        self, license_key: str, *, actor: System | Principal, now: int | None = None
    ) -> LicenseStatus:
        """As `activate_online`, for asyncio: on a thread. A task that is cancelled ends the call.

        Args:
            license_key: as for `activate_online`.
            actor: as for `activate_online`.
            now: as for `activate_online`.

        Raises:
            InspireAuthError: as `activate_online`.

        Example:
            >>> status = await auth.license.activate_online_async("ABCD-EFGH", actor=SYSTEM)
        """

    async def revalidate_async(self, *, actor: System | Principal, now: int | None = None) -> LicenseStatus:
        """As `revalidate`, for asyncio: on a thread. A task that is cancelled ends the call.

        Args:
            actor: as for `revalidate`.
            now: as for `revalidate`.

        Raises:
            InspireAuthError: as `revalidate`.

        Example:
            >>> status = await auth.license.revalidate_async(actor=SYSTEM)
        """

    async def deactivate_async(
        self, *, local_only: bool = False, actor: System | Principal, now: int | None = None
    ) -> Deactivation:
        """As `deactivate`, for asyncio: on a thread. A task that is cancelled ends the wait for the server: the license is out,
        and its release may be pending.

        Args:
            local_only: as for `deactivate`.
            actor: as for `deactivate`.
            now: as for `deactivate`.

        Raises:
            InspireAuthError: as `deactivate`.

        Example:
            >>> done = await auth.license.deactivate_async(actor=SYSTEM)
        """

    async def release_pending_async(self, *, actor: System | Principal, now: int | None = None) -> int:
        """As `release_pending`, for asyncio: on a thread. A task that is cancelled ends the call.

        Args:
            actor: as for `release_pending`.
            now: as for `release_pending`.

        Raises:
            InspireAuthError: as `release_pending`.

        Example:
            >>> await auth.license.release_pending_async(actor=SYSTEM)
            1
        """

    async def tick_async(self, *, now: int | None = None) -> LicenseTick:
        """As `tick`, for asyncio: on a thread. A task that is cancelled ends the call.

        Args:
            now: as for `tick`.

        Raises:
            InspireAuthError: as `tick`.

        Example:
            >>> (await auth.license.tick_async()).next
        """

    def machine(self) -> MachineIdentity:
        """This machine, as the options of the handle identify it.

        Raises:
            LicenseError: `FINGERPRINT_UNAVAILABLE`.

        Example:
            >>> auth.license.machine().fingerprint  # what a vendor makes a machine file for
        """

@final
class Entitlements:
    """What the license grants, as a live view: each question is answered as things stand then."""

    def __contains__(self, key: object, /) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...

@final
class TrustedProxies:
    """The addresses of proxies whose `X-Forwarded-Proto` is believed. Anybody can send that header, so it counts only from
    a peer that the host trusts.

    Args:
        text: addresses and CIDR blocks, separated by commas: `10.0.0.0/8, ::1`.

    Raises:
        ArgumentError: it can't be read.

    Example:
        >>> proxies = TrustedProxies("10.0.0.0/8")
        >>> proxies.channel("10.1.2.3", "plain", [("X-Forwarded-Proto", "https")])
        'secure'
    """

    def __new__(cls, text: str) -> TrustedProxies: ...
    def channel(self, peer: str | None, direct: Channel, headers: Headers) -> Channel:
        """The channel of a request.

        Args:
            peer: the address of the connection itself, such as `10.1.2.3`; None, as of a Unix socket, is not trusted.
            direct: the channel that the host saw: what a peer that is not trusted has.
            headers: as for `InspireAuth.authenticate`, but never one value alone.

        Returns:
            From a trusted peer `"secure"` when there is exactly one `X-Forwarded-Proto` and it is `https`, and
            `"plain"` for anything else; from any other peer `direct`.

        Raises:
            ArgumentError: `peer` is no IP address, or `direct` no channel.

        Example:
            >>> TrustedProxies("10.0.0.0/8").channel("10.1.2.3", "plain", request_headers)
            'secure'
        """

@final
class SigningKey:
    """An issuer's Ed25519 signing key: the secret behind license files. Wiped when it is dropped; `repr` shows the public
    half only, and it can't be pickled.

    Example:
        >>> key = SigningKey.generate()
        >>> file = sign(key, {"id": "l1", "key": "ABCD-EFGH", "fingerprint": "9c1f..."})
    """

    @staticmethod
    def generate() -> SigningKey:
        """A new key, from the operating system's randomness.

        Raises:
            InternalError: the operating system refuses randomness.

        Example:
            >>> Path("vendor.key").write_text(SigningKey.generate().to_pem())
        """

    @staticmethod
    def from_seed_file(text: str) -> SigningKey:
        """Reads what a key file holds.

        Args:
            text: PEM PKCS#8, as `to_pem` and `openssl genpkey -algorithm ed25519` write it, or the seed as 64
                hexadecimal digits. White space around either is ignored.

        Raises:
            ArgumentError: it is neither. The text is not shown.

        Example:
            >>> signer = SigningKey.from_seed_file(Path("vendor.key").read_text())
        """

    def to_pem(self) -> str:
        """The secret, as PEM PKCS#8 with a final newline: to be kept in a file that only the issuer can read.

        Example:
            >>> SigningKey.generate().to_pem()
            '-----BEGIN PRIVATE KEY-----...'
        """

    @property
    def public_key(self) -> str:
        """The public half, as 64 hexadecimal digits: what products trust (see `TrustedKey`)."""

@final
class Cancel:
    """Ends calls to the licensing server from another thread: what they would have brought back is dropped. The library's
    own transport is interrupted, but for an attempt to connect, which lasts as long as `connect_timeout`; a host's is
    waited for.

    Example:
        >>> cancel = Cancel()
        >>> threading.Timer(2, cancel.cancel).start()
        >>> auth.license.revalidate(actor=SYSTEM, cancel=cancel)
    """

    def __new__(cls) -> Cancel: ...
    def cancel(self) -> None:
        """Ends the calls that this was given to, now or before they begin: they raise `OperationCancelledError`.

        Example:
            >>> cancel.cancel()
        """

@final
class Ticket:
    """A decision that is still being hashed; what `authenticate_async` awaits."""

    def call_when_ready(self, loop: object, callback: Callable[[Any], object], argument: object) -> None:
        """Has `callback` called with `argument` by `loop`, once, when `result` will answer. Nothing is called when the
        loop is closed by then, or the interpreter is gone.
        """

    def cancel(self) -> None:
        """Gives up: the answer is `CANCELLED` from now on. A hash that already runs goes on, and keeps its memory until it
        ends.
        """

    def result(self) -> Principal:
        """The decision."""

def sign(
    key: SigningKey,
    description: Mapping[str, Any] | str,
    *,
    kind: Literal["machine", "license"] = "machine",
    encrypted: bool = False,
    now: int | None = None,
) -> str:
    """Signs a license or machine file.

    Args:
        key: the signing key.
        description: the license, as a mapping or as the text of a JSON object: `id` and `key`, and where they are
            needed `name`, `expiry` and `issued` (RFC 3339), `status`, `suspended`, `product`, `policy`, `limits`,
            `metadata`, `entitlements`, `fingerprint`, `ttl` (seconds). A member that is not known is refused.
        kind: `"machine"` for a file that is good on one machine (`fingerprint` names it), `"license"` for one that is
            good on any.
        encrypted: whether the contents are hidden from whoever does not have the license key (and, for a machine file,
            the fingerprint).
        now: Unix seconds; None or 0 is the system's clock. The time of issue, unless the description names one.

    Returns:
        The text of the file.

    Raises:
        ArgumentError: the description can't make such a file.

    Example:
        >>> file = sign(key, {"id": "l1", "key": "ABCD-EFGH", "entitlements": ["MFA", "OFFLINE_LICENSING"],
        ...                   "fingerprint": machine_identity().fingerprint}, encrypted=True)
    """

def inspect(
    file: str | bytes,
    *,
    trusted_keys: Sequence[TrustedKey] = (),
    license_key: str | None = None,
    machine_id: str | None = None,
    product: str | None = None,
    now: int | None = None,
    offline: bool = False,
) -> Inspection:
    """Reads a license or machine file, and reports everything that is wrong with it. Installs nothing, needs no handle,
    assumes no machine, and never raises for a bad file.

    Args:
        file: the contents of the file.
        trusted_keys: keys whose signatures are believed. With none, no file verifies.
        license_key: decrypts the file, and must be the one in it. None: not judged.
        machine_id: a machine's fingerprint: decrypts a machine file, and must be the one in it. None: not judged; never
            that of this machine unless it is given.
        product: the product id that the license must be for. None: not judged.
        now: Unix seconds; None or 0 is the system's clock.
        offline: whether the file must be fit for an offline installation.

    Raises:
        ArgumentError: a trusted key can't be read (`INVALID_ARGUMENT`), or is not sound (`WEAK_TRUSTED_KEY`).

    Example:
        >>> found = inspire_auth.inspect(open("plant3.lic").read(), trusted_keys=[TrustedKey("vendor", "9c1f...")])
        >>> found.failures
        ('LICENSE_EXPIRED',)
    """

def inspect_license_key(
    license_key: str, *, trusted_keys: Sequence[TrustedKey] = (), now: int | None = None
) -> SignedLicenseKey:
    """Reads a license key that is signed itself (`key/DATASET.SIGNATURE`, Keygen's `ED25519_SIGN`), and verifies it before its
    dataset is looked at. Such a key shows that a vendor made it, and says what was so then; it activates nothing by itself.

    Args:
        license_key: the license key.
        trusted_keys: keys whose signatures are believed. With none, no key verifies.
        now: Unix seconds; None or 0 is the system's clock. Judges which trusted keys are in force.

    Raises:
        LicenseError: `LICENSE_MALFORMED`: it is no signed key; `LICENSE_UNSUPPORTED_ALGORITHM`: its signature has another
            length than Ed25519's; `LICENSE_SIGNATURE_INVALID`: no trusted key has signed it.
        ArgumentError: a trusted key can't be read (`INVALID_ARGUMENT`), or is not sound (`WEAK_TRUSTED_KEY`).

    Example:
        >>> signed = inspire_auth.inspect_license_key("key/eyJ...", trusted_keys=[TrustedKey("vendor", "9c1f...")])
        >>> signed.license, signed.expires_at
        ('f3d657de-2b50-4adf-867b-ef03dc86a3fe', 1634256000)
    """

def machine_identity(machine_id: str | None = None, product: str | None = None) -> MachineIdentity:
    """This machine, as a machine file names it. Needs no handle.

    Args:
        machine_id: its fingerprint, when the host knows better; None: from the operating system and the product id.
        product: the product id: two products see two fingerprints.

    Raises:
        LicenseError: `FINGERPRINT_UNAVAILABLE`: nothing is given, and the operating system has no readable machine id.

    Example:
        >>> inspire_auth.machine_identity(product="gateway").fingerprint
        '9c1f...'
    """

def explain_machine(machine_id: str | None = None, product: str | None = None) -> list[MachinePart]:
    """What is looked at for a fingerprint: for people who wonder why it changed, or is not there. Needs no handle.

    Args:
        machine_id: as for `machine_identity`.
        product: as for `machine_identity`.

    Returns:
        `MachinePart` records: what, and what was found; never the machine id itself.

    Example:
        >>> for part in explain_machine(product="gateway"):
        ...     print(part.name, part.found)
    """

def verify_audit(path: str | PathLike[str] | bytes, *, head: str | None = None) -> VerifiedAudit:
    """Checks the chain of an audit file (`AuditFile.chain`), and of the files that it was renamed to, oldest first. Needs no
    handle, and may run while others write.

    Args:
        path: the file.
        head: the `head` of an earlier verification, which must still be there: only so does anybody notice that the
            newest lines were cut off. None is not asked for.

    Returns:
        What was read: a `VerifiedAudit`.

    Raises:
        ConflictError: something was changed, removed or inserted; the detail says in which file and line.
        ArgumentError: the file has no chain, or `head` is no SHA-256 in hexadecimal.
        AuditUnavailableError: it can't be read.

    Example:
        >>> verify_audit("/var/log/service/audit.jsonl").lines
        1204
    """

def backup_store(store: str | PathLike[str] | bytes, to: str | PathLike[str] | bytes) -> None:
    """Copies a store to a new file, while it is in use. The copy holds hashes and the license key: it needs the same care
    as the store.

    Args:
        store: the path of the store.
        to: the path of the copy, which must not exist.

    Raises:
        ArgumentError: there is something at `to`.
        StoreError: the store can't be read, or the copy not be written.

    Example:
        >>> backup_store("service.db", "service-2026-11-22.db")
    """

def restore_store(
    store: str | PathLike[str] | bytes, backup: str | PathLike[str] | bytes, *, accept_revived: bool = False
) -> RestoreReport:
    """Brings a backup back into a store: it revives nothing that was revoked since, and what nothing is known of comes
    back disabled.

    Args:
        store: the path of the store.
        backup: the path of the backup.
        accept_revived: lets keys that the live store has no history of come back as they were: for a new machine, when
            the operator knows that none of them was revoked since.

    Returns:
        What was done: a `RestoreReport`.

    Raises:
        StoreError: the backup is damaged or not one, or the store can't be written. Nothing is changed then.
        ArgumentError: the backup is the store's own file.

    Example:
        >>> restore_store("service.db", "service-2026-11-22.db")
    """

def error_table() -> list[tuple[int, str, str, str, str, bool, int | None, bool]]:
    """The table of errors: the fields of each `ErrorEntry`, by number."""

def effective_limit(limit: int, license_limit: int) -> int:
    """The limit that holds for a tenant: what `Tenant.effective` asks."""

def close_gate() -> None:
    """Closes the way in at exit, and waits for those who are in it."""
