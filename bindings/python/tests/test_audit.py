"""The audit file, its chain, and the metrics."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from conftest import FAST, bearer

from inspire_auth import (
    SYSTEM,
    ArgumentError,
    AuditFile,
    AuditUnavailableError,
    AuthenticationError,
    ConflictError,
    CreatedKey,
    InspireAuth,
    RouteDeniedError,
    Routes,
    StoreError,
    verify_audit,
)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_changes_and_denials_are_lines_in_a_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with InspireAuth.open(hash=FAST, audit_file=AuditFile(path, chain=True)) as auth:
        created = auth.keys.create("a", actor=SYSTEM)
        auth.keys.rotate("a", overlap=60, actor=SYSTEM)
        with pytest.raises(AuthenticationError):
            auth.authenticate("Bearer nobody:x")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [(line["event"], line["code"]) for line in lines(path)] == [
        ("key.created", "OK"), ("key.rotated", "OK"), ("key.refused", "INVALID_CREDENTIAL"),
    ]  # fmt: skip
    assert created.key[4:20] not in path.read_text()
    found = verify_audit(path)
    assert (found.lines, found.files, found.unchained, found.torn, found.first_torn) == (3, (path,), 0, 0, None)
    assert found.from_the_beginning and re.fullmatch(r"[0-9a-f]{64}", found.head)
    for other in (str(path), bytes(path)):
        assert verify_audit(other, head=found.head) == found


def test_what_was_done_to_a_file_shows(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with InspireAuth.open(hash=FAST, audit_file=AuditFile(str(path), chain=True)) as auth:
        for name in ("a", "b", "c"):
            auth.keys.create(name, actor=SYSTEM)
    whole, head = path.read_bytes(), verify_audit(path).head
    first, second, third = whole.splitlines(keepends=True)
    # Cut off at the end: only the head shows it.
    path.write_bytes(first + second)
    assert verify_audit(path).lines == 2
    with pytest.raises(ConflictError):
        verify_audit(path, head=head)
    for forged in (whole.replace(b'"b"', b'"x"'), first + third, second + first + third):
        path.write_bytes(forged)
        with pytest.raises(ConflictError, match="line"):
            verify_audit(path)
    path.write_bytes(whole[:-9])
    with InspireAuth.open(hash=FAST, audit_file=AuditFile(path, chain=True)) as auth:
        auth.keys.create("d", actor=SYSTEM)
    found = verify_audit(path)
    assert (found.torn, found.first_torn) == (1, (path, 3))
    with pytest.raises(ArgumentError):
        verify_audit(path, head="x")
    with pytest.raises(AuditUnavailableError):
        verify_audit(tmp_path / "none")
    with InspireAuth.open(hash=FAST, audit_file=AuditFile(tmp_path / "plain")) as auth:
        auth.keys.create("a", actor=SYSTEM)
    with pytest.raises(ArgumentError):
        verify_audit(tmp_path / "plain")


def test_a_file_that_is_full_denies_changes_or_is_counted() -> None:
    # A device that is always full: no permission keeps root out of a folder.
    with InspireAuth.open(hash=FAST, audit_file=AuditFile("/dev/full", on_failure="deny_mutations")) as auth:
        with pytest.raises(AuditUnavailableError) as caught:
            auth.keys.create("a", actor=SYSTEM)
        assert isinstance(caught.value, StoreError) and caught.value.retry and auth.http(caught.value).status == 503
        assert auth.keys.list() == []
        with pytest.raises(AuthenticationError):
            auth.authenticate("Bearer a:x")
    with InspireAuth.open(hash=FAST, audit_file=AuditFile("/dev/full")) as auth:
        made = auth.keys.create("a", require_secure=False, actor=SYSTEM)
        assert auth.authenticate(bearer(made)).name == "a"
        assert re.search(r"^inspire_audit_failures_total [1-9]", auth.metrics_text(), re.MULTILINE)


def test_the_file_is_renamed_and_the_oldest_goes(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    changes = 1000
    with InspireAuth.open(hash=FAST, audit_file=AuditFile(path, max_bytes=64 << 10, keep=2, chain=True)) as auth:
        auth.keys.create("a" * 64, actor=SYSTEM)
        for at in range(changes):
            auth.keys.update("a" * 64, at + 1, description=str(at), actor=SYSTEM)
    found = verify_audit(path)
    assert [each.name for each in found.files] == ["audit.jsonl.2", "audit.jsonl.1", "audit.jsonl"]
    assert not found.from_the_beginning and 0 < found.lines < changes
    assert all(each.stat().st_size <= 64 << 10 for each in found.files)
    assert not (tmp_path / "audit.jsonl.3").exists()


def test_options_of_the_file_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for wrong in (
        {"max_bytes": 1}, {"max_bytes": -1}, {"keep": 0}, {"keep": 1001}, {"keep": 2**40}, {"on_failure": "deny"},
    ):  # fmt: skip
        with pytest.raises(ArgumentError):
            InspireAuth.open(audit_file=AuditFile(path, **wrong))  # type: ignore[arg-type]
    for other in ({"max_bytes": "x"}, {"keep": True}, {"chain": 1}, {"on_failure": None}):
        with pytest.raises(TypeError):
            InspireAuth.open(audit_file=AuditFile(path, **other))  # type: ignore[arg-type]
    for no_file in (str(path), path, {"path": path}):
        with pytest.raises((TypeError, AttributeError)):
            InspireAuth.open(audit_file=no_file)  # type: ignore[arg-type]
    assert AuditFile("x") == AuditFile("x", max_bytes=64 << 20, keep=10, chain=False, on_failure="warn")


def test_metrics_count_and_name_nobody(auth: InspireAuth, key: CreatedKey) -> None:
    def ask() -> None:
        for _ in range(100):
            auth.authenticate(bearer(key))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pytest.raises(RouteDeniedError):
        auth.authenticate([], routes=Routes.parse({"routes": []}), method="GET", path="/")
    text = auth.metrics_text()
    assert text.endswith("\n# EOF\n") and text.isascii()
    for line in (
        'inspire_apikey_verifications_total{result="OK"} 300', "inspire_keys 1",
        'inspire_apikey_verifications_total{result="ROUTE_DENIED"} 1',
    ):  # fmt: skip
        assert f"\n{line}\n" in text
    assert "reporting" not in text and "isk_" not in text
    auth.close()
    with pytest.raises(ArgumentError):
        auth.metrics_text()
