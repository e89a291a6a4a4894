"""Managing keys: every operation once, and what Python adds to them."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from conftest import FAST, bearer

from inspire_auth import (
    SYSTEM,
    ArgumentError,
    AuditEvent,
    AuthenticationError,
    BusyError,
    ConflictError,
    CreatedKey,
    HashParameters,
    ImportedKey,
    InspireAuth,
    InspireAuthError,
    NotFoundError,
    Pepper,
    PermissionDeniedError,
    backup_store,
    restore_store,
)



def test_a_key_is_created_and_read(auth: InspireAuth) -> None:
    created = auth.keys.create(
        "k", description="é", levels=("B", "A", "B"), enabled=False, expires_at=4_000_000_000, actor=SYSTEM, now=77
    )
    record = created.record
    assert created.key.startswith("isk_") and created.credential == f"k:{created.key}"
    assert created.rfc6750_credential == f"k~{created.key}" and created.ignored_levels == ()
    assert (record.name, record.description, record.levels) == ("k", "é", ("A", "B"))
    assert (record.require_secure, record.enabled, record.expires_at) == (True, False, 4_000_000_000)
    assert (record.created_at, record.updated_at, record.last_used_at, record.revision) == (77, 77, None, 1)
    assert (record.type, record.origin) == ("basic-token", "generated")
    assert auth.keys.get("k") == record and hash(record)
    with pytest.raises(NotFoundError):
        auth.keys.get("K")


def test_a_secret_is_not_kept_by_accident(key: CreatedKey) -> None:
    assert key.key not in repr(key)
    for keep in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="secret"):
            keep(key)
    pepper = Pepper("p", b"0123456789abcdef")
    assert "0123" not in repr(pepper)
    with pytest.raises(TypeError, match="secret"):
        pickle.dumps(pepper)
    assert pickle.loads(pickle.dumps(key.record)) == key.record


def test_times_are_seconds_or_say_their_zone(auth: InspireAuth) -> None:
    at = datetime(2030, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert auth.keys.create("a", expires_at=at, actor=SYSTEM).record.expires_at == 1_893_456_000
    fraction = at + timedelta(microseconds=999_999)
    assert auth.keys.create("b", expires_at=fraction, actor=SYSTEM).record.expires_at == 1_893_456_000
    for wrong in (datetime(2030, 1, 1), 0, -1, 1 << 64):
        with pytest.raises(ArgumentError):
            auth.keys.create("c", expires_at=wrong, actor=SYSTEM)
    for other in (True, 1.5, "2030", timedelta(1)):
        with pytest.raises(TypeError):
            auth.keys.create("c", expires_at=other, actor=SYSTEM)  # type: ignore[arg-type]


def test_an_actor_is_always_said(auth: InspireAuth) -> None:
    for call in (
        lambda: auth.keys.create("k"),  # type: ignore[call-arg]
        lambda: auth.keys.create("k", actor=None),  # type: ignore[arg-type]
        lambda: auth.keys.create("k", actor="system"),  # type: ignore[arg-type]
        lambda: auth.keys.delete("k"),  # type: ignore[call-arg]
    ):
        with pytest.raises(TypeError):
            call()
    assert repr(SYSTEM) == "SYSTEM" and pickle.loads(pickle.dumps(SYSTEM)) is SYSTEM
    with pytest.raises(TypeError):
        type(SYSTEM)()


def test_a_principal_acts_within_its_rights() -> None:
    with InspireAuth.open(hash=FAST, write_requirement="Ops/Admin", admin_requirement="Nobody") as auth:
        admin = auth.keys.create("admin", levels=["Ops/Admin"], actor=SYSTEM)
        reader = auth.keys.create("reader", levels=["Ops/Read"], actor=SYSTEM)
        boss, user = (auth.authenticate(bearer(key), "secure") for key in (admin, reader))
        assert auth.keys.create("made", levels=["Ops"], actor=boss).record.levels == ("Ops",)
        with pytest.raises(PermissionDeniedError):
            auth.keys.create("no", actor=user)
        with pytest.raises(PermissionDeniedError):
            auth.keys.create("no", levels=["Site/A"], actor=boss)
        with pytest.raises(PermissionDeniedError):
            auth.license.deactivate(actor=boss)
        auth.keys.set_enabled("admin", False, actor=SYSTEM)
        with pytest.raises(PermissionDeniedError):
            auth.keys.delete("made", actor=boss)


def test_an_update_keeps_what_is_not_given(auth: InspireAuth, key: CreatedKey) -> None:
    first = auth.keys.update("reporting", 1, expires_at=4_000_000_000, description="d", actor=SYSTEM)
    assert (first.revision, first.expires_at, first.description) == (2, 4_000_000_000, "d")
    second = auth.keys.update("reporting", 2, levels=[], require_secure=True, enabled=False, actor=SYSTEM)
    assert (second.levels, second.require_secure, second.enabled) == ((), True, False)
    assert (second.expires_at, second.description) == (4_000_000_000, "d")
    assert auth.keys.update("reporting", 3, expires_at=None, actor=SYSTEM).expires_at is None
    with pytest.raises(ConflictError):
        auth.keys.update("reporting", 3, enabled=True, actor=SYSTEM)
    with pytest.raises(TypeError, match="'level'"):
        auth.keys.update("reporting", 4, level=[], actor=SYSTEM)  # type: ignore[call-arg]
    for wrong in ({"levels": "A"}, {"enabled": None}, {"description": None}, {"levels": None}):
        with pytest.raises(TypeError):
            auth.keys.update("reporting", 4, actor=SYSTEM, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError):
        auth.keys.update("reporting", -1, actor=SYSTEM)


def test_every_other_change(auth: InspireAuth, key: CreatedKey) -> None:
    assert auth.keys.rename("reporting", "metering", revision=1, actor=SYSTEM).name == "metering"
    assert auth.keys.set_enabled("metering", False, actor=SYSTEM).enabled is False
    assert auth.keys.set_enabled("metering", True, revision=3, actor=SYSTEM).enabled is True
    copied = auth.keys.duplicate("metering", "copy", actor=SYSTEM)
    assert copied.record.levels == key.record.levels and copied.key != key.key
    rotated = auth.keys.rotate("metering", revision=4, actor=SYSTEM)
    assert rotated.record.id == key.record.id and rotated.key != key.key
    with pytest.raises(AuthenticationError):
        auth.authenticate(f"Bearer metering:{key.key}")
    assert auth.authenticate(bearer(rotated)).name == "metering"
    with pytest.raises(ConflictError):
        auth.keys.delete("metering", revision=1, actor=SYSTEM)
    auth.keys.delete("metering", actor=SYSTEM)
    with pytest.raises(AuthenticationError):
        auth.authenticate(bearer(rotated))


def test_listing(auth: InspireAuth) -> None:
    for name in ("c", "a", "b"):
        auth.keys.create(name, levels=[f"Site/{name}"], actor=SYSTEM)
    assert [record.name for record in auth.keys.list()] == ["a", "b", "c"]
    assert [record.name for record in auth.keys.list(after="a", limit=1)] == ["b"]
    assert [record.name for record in auth.keys.list(level="Site/c")] == ["c"]
    assert auth.keys.export() == auth.keys.list()
    with pytest.raises(ArgumentError):
        auth.keys.list(limit=-1)
    with pytest.raises(ArgumentError):
        auth.keys.list(level="//")


def test_importing(auth: InspireAuth) -> None:
    # Ignition: the base64url of SHA-256 over 32 bytes; see the conformance vectors for every format.
    with pytest.raises(ArgumentError) as caught:
        auth.keys.import_("old", hash="no hash", actor=SYSTEM)
    assert caught.value.code == "INVALID_HASH"
    for wrong in ({"format": "md5"}, {"strength": "weak"}):
        with pytest.raises(ArgumentError):
            auth.keys.import_("old", hash="x", actor=SYSTEM, **wrong)  # type: ignore[arg-type]


IGNITION = "Zmh6rfhivXdsj8GLjp-OIAiXFIVu4jOzkCpZHQ1fKSU"  # SHA-256 of 32 zero bytes


def test_importing_many(auth: InspireAuth) -> None:
    phc = "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    end = datetime(2100, 1, 1, tzinfo=timezone.utc)
    token = ImportedKey(
        name="token", hash=IGNITION, format="ignition", strength="random", levels=["B", "A"], expires_at=end,
        require_secure=False, description="d",
    )
    assert IGNITION not in repr(token)
    assert auth.keys.import_all([], actor=SYSTEM) == 0
    assert auth.keys.import_all((token, ImportedKey(name="old", hash=phc, enabled=False)), actor=SYSTEM, now=7) == 2
    record = auth.keys.get("token")
    assert (record.origin, record.levels, record.require_secure) == ("imported", ("A", "B"), False)
    assert (record.description, record.created_at, record.expires_at) == ("d", 7, int(end.timestamp()))
    assert auth.keys.get("old").enabled is False
    assert auth.authenticate([("Authorization", "Bearer token:" + 43 * "A")], "plain").name == "token"


def test_of_many_all_are_imported_or_none(auth: InspireAuth) -> None:
    auth.keys.create("taken", actor=SYSTEM)
    good = ImportedKey(name="good", hash=IGNITION, format="ignition")
    for bad, code, told in (
        (replace(good, name="taken"), "NAME_TAKEN", "import 1 (taken)"),
        (good, "NAME_TAKEN", "import 1 (good): import 0 has it too"),
        (replace(good, name="x", hash="no hash"), "INVALID_HASH", "import 1 (x)"),
        (replace(good, name="a/b"), "INVALID_NAME", "import 1"),
        (replace(good, name="x", levels=["//"]), "INVALID_LEVEL", "import 1 (x)"),
        (replace(good, name="x", format="md5"), "INVALID_ARGUMENT", "imports[1].format is one of"),  # type: ignore[arg-type]
        (replace(good, name="x", strength="weak"), "INVALID_ARGUMENT", "imports[1].strength is one of"),  # type: ignore[arg-type]
        (replace(good, name="x", expires_at=0), "INVALID_ARGUMENT", "import 1 (x)"),
    ):
        with pytest.raises(InspireAuthError) as caught:
            auth.keys.import_all([good, bad], actor=SYSTEM)
        assert caught.value.code == code
        assert told in str(caught.value)
        assert [record.name for record in auth.keys.list()] == ["taken"]
    for wrong in (good, [{"name": "x", "hash": IGNITION}], [None], None):
        with pytest.raises(TypeError):
            auth.keys.import_all(wrong, actor=SYSTEM)  # type: ignore[arg-type]


def test_peppers_and_seals(tmp_path: Path) -> None:
    store = tmp_path / "keys.db"
    pepper = Pepper("p1", b"0123456789abcdef")
    with InspireAuth.open(store, hash=FAST) as auth:
        created = auth.keys.create("k", actor=SYSTEM)
        with pytest.raises(ArgumentError):
            auth.keys.seal_all(actor=SYSTEM)
    with InspireAuth.open(store, peppers=[pepper], scheme="hmac-sha256") as auth:
        with pytest.raises(AuthenticationError):
            auth.authenticate(bearer(created), "secure")
        assert auth.keys.seal_all(actor=SYSTEM) == 1
        assert auth.authenticate(bearer(created), "secure").name == "k"
    for short in (Pepper("p1", b"short"), Pepper("no good name!", b"0123456789abcdef")):
        with pytest.raises(ArgumentError):
            InspireAuth.open(peppers=[short])


def test_options_out_of_range_are_refused() -> None:
    for wrong in (
        {"realm": 'a"b'}, {"mode": "strict"}, {"scheme": "md5"}, {"scheme": "hmac-sha256"}, {"enforcement": "no"},
        {"max_hash_memory": -1}, {"max_hash_memory": 1}, {"hash": HashParameters(1, 1, 1)},
        {"hash": HashParameters(memory_kib=-1)}, {"write_requirement": "//"}, {"max_lease": -1},
        {"chosen_failures_per_minute": -1}, {"product": ""},
    ):
        with pytest.raises(ArgumentError):
            InspireAuth.open(**wrong)  # type: ignore[arg-type]
    for wrong in ({"audit": 7}, {"max_lease": "30 days"}, {"peppers": ["x"]}, {"extra_headers": "X-Api-Key"}):
        with pytest.raises((TypeError, AttributeError)):
            InspireAuth.open(**wrong)  # type: ignore[arg-type]


def test_hashing_has_a_ceiling() -> None:
    with InspireAuth.open(hash=FAST, max_hash_memory=64 << 10) as auth:
        phc = "$argon2id$v=19$m=128,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$aGFzaGhhc2hoYXNoaGFzaA"
        with pytest.raises((ArgumentError, BusyError)):
            auth.keys.import_("large", hash=phc, actor=SYSTEM)


def test_stores_are_paths(tmp_path: Path) -> None:
    store = tmp_path / "keys.db"
    with InspireAuth.open(store, hash=FAST) as auth:
        generation = auth.generation()
        created = auth.keys.create("k", actor=SYSTEM)
        assert auth.generation() > generation
        for other in (str(store), bytes(store)):
            with InspireAuth.open(other) as second:
                assert second.authenticate(bearer(created), "secure").name == "k"
        auth.flush()
        auth.adopt_store()
        backup = tmp_path / "backup.db"
        backup_store(store, backup)
        with pytest.raises(ArgumentError):
            backup_store(store, backup)
        auth.keys.delete("k", actor=SYSTEM)
        report = restore_store(str(store), str(backup))
        assert (report.stayed_deleted, report.kept, report.deleted, report.license) == (1, 0, (), "none")
        with pytest.raises(NotFoundError):
            auth.keys.get("k")
    with InspireAuth.open(tmp_path / "new.db") as fresh:
        assert restore_store(tmp_path / "new.db", backup, accept_revived=True).revived == 1
        assert fresh.authenticate(bearer(created), "secure").name == "k"


def test_the_audit_log_and_its_callback() -> None:
    told: list[AuditEvent] = []
    with InspireAuth.open(hash=FAST, audit=told.append) as auth:
        created = auth.keys.create("k", require_secure=False, actor=SYSTEM)
        auth.authenticate(bearer(created))
        for _ in range(3):
            with pytest.raises(AuthenticationError):
                auth.authenticate("Bearer nobody:x")
        assert [event.event for event in told] == ["key.created"] + ["key.refused"] * 3
        # What no key is called may be a secret in the wrong place: it is not shown.
        assert told[1].subject == "" and told[0].actor == "system"
        assert [event.code for event in told] == ["OK"] + ["INVALID_CREDENTIAL"] * 3
        assert auth.audit(limit=2) == told[:1:-1]
        with pytest.raises(ArgumentError):
            auth.audit(-1)


def test_a_callback_may_ask_the_handle() -> None:
    seen: list[int] = []

    def ask(event: AuditEvent) -> None:
        seen.append(len(auth.keys.list()))

    with InspireAuth.open(hash=FAST, audit=ask) as auth:
        auth.keys.create("k", actor=SYSTEM)
        assert seen == [1]


def test_a_callback_that_raises_harms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", lambda unraisable: shown.append(unraisable.exc_value))

    def fail(event: AuditEvent) -> None:
        raise RuntimeError(event.event)

    with InspireAuth.open(hash=FAST, audit=fail) as auth:
        created = auth.keys.create("k", require_secure=False, actor=SYSTEM)
        assert auth.authenticate(bearer(created)).name == "k"
        with pytest.raises(AuthenticationError):
            auth.authenticate("Bearer nobody:x")
    assert [str(error) for error in shown] == ["key.created", "key.refused"]


def test_a_handle_with_a_callback_is_collected() -> None:
    import gc
    import weakref

    class Host:
        def __init__(self) -> None:
            self.auth = InspireAuth.open(audit=self.note)

        def note(self, event: AuditEvent) -> None:
            pass

    host = weakref.ref(Host())
    gc.collect()
    assert host() is None
