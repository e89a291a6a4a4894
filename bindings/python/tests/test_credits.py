"""Credits: one allocation, whoever consumes it."""

from __future__ import annotations

import dataclasses
import multiprocessing
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import FAST

from inspire_auth import (
    SYSTEM,
    ArgumentError,
    ConflictError,
    CreditBalance,
    InspireAuth,
    LimitExceededError,
    NotFoundError,
    Tenant,
    TrustedKey,
)
from inspire_auth.issue import SigningKey, sign

NOW = 1_800_000_000
"""2027-01-15T08:00:00Z."""
FEBRUARY = 1_801_440_000
SIGNER = SigningKey.from_seed_file("ab" * 32)


def licensed(store: str | Path = ":memory:", **limits: int) -> InspireAuth:
    described = {
        "id": "l1", "key": "KEY", "fingerprint": "m1", "limits": limits, "entitlements": ["OFFLINE_LICENSING"],
    }
    auth = InspireAuth.open(store, hash=FAST, trusted_keys=[TrustedKey("v", SIGNER.public_key)], machine_id="m1")
    auth.license.activate_offline("KEY", sign(SIGNER, described, now=NOW), actor=SYSTEM, now=NOW)
    return auth


def test_an_operation_consumes_once() -> None:
    license = licensed(AI_CREDITS_MONTHLY=100).license
    full = CreditBalance(100, 0, 100, "2027-01", FEBRUARY)
    assert license.balance(now=NOW) == full
    consumed = license.consume(10, "image-1", now=NOW)
    assert consumed == dataclasses.replace(full, used=10, left=90)
    assert license.consume(10, "image-1", now=NOW) == consumed == license.balance(now=NOW)
    for changed in (lambda: license.consume(11, "image-1", now=NOW), of_tenant(license.consume, 10, "image-1")):
        with pytest.raises(ConflictError):
            changed()

    assert license.refund("image-1", now=NOW) == license.refund("image-1", now=NOW) == full
    with pytest.raises(ConflictError):
        license.consume(10, "image-1", now=NOW)
    with pytest.raises(NotFoundError):
        license.refund("image-2", now=NOW)

    with pytest.raises(LimitExceededError, match="100 are left"):
        license.consume(101, "image-2", now=NOW)
    assert license.consume(100, "image-2", now=NOW).left == 0
    # The next month has its own.
    assert license.balance(now=FEBRUARY).left == 100
    for amount, operation in ((0, "x"), (-1, "x"), (1, ""), (1, "x" * 256)):
        with pytest.raises(ArgumentError):
            license.consume(amount, operation, now=NOW)
    with pytest.raises(OverflowError):
        license.consume(1 << 63, "x", now=NOW)


def of_tenant(call: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    return lambda: call(*arguments, tenant=Tenant("north"), now=NOW)


def test_a_tenant_has_a_limit_of_its_own_within_the_whole() -> None:
    license = licensed(AI_CREDITS_MONTHLY=100, MAX_DISPLAYS=20).license
    north, south = Tenant("north", 30), Tenant("south")
    assert license.consume(30, "n", tenant=north, now=NOW).left == 0
    with pytest.raises(LimitExceededError):
        license.consume(1, "n2", tenant=north, now=NOW)
    assert license.balance(tenant=south, now=NOW).left == 70
    assert license.balance(now=NOW).used == 30
    with pytest.raises(ConflictError):
        license.refund("n", tenant=south, now=NOW)
    assert license.refund("n", tenant=north, now=NOW).left == 30

    license.check_tenant_limit("MAX_DISPLAYS", Tenant("north", 5), in_use=5, in_use_by_all=20, now=NOW)
    for in_use, in_use_by_all in ((6, 20), (5, 21)):
        with pytest.raises(LimitExceededError):
            license.check_tenant_limit(
                "MAX_DISPLAYS", Tenant("north", 5), in_use=in_use, in_use_by_all=in_use_by_all, now=NOW
            )
    with pytest.raises(ArgumentError):
        license.check_tenant_limit("MAX_DISPLAYS", north, in_use=-1, in_use_by_all=0, now=NOW)
    for name in ("", "x" * 256):
        with pytest.raises(ArgumentError):
            license.balance(tenant=Tenant(name), now=NOW)


@pytest.mark.parametrize(
    ("own", "license_limit", "effective"),
    [(10, 25, 10), (30, 25, 25), (-1, 25, 25), (10, -1, 10), (-1, -1, -1), (0, -1, 0), (10, 0, 0)],
)
def test_the_limit_that_holds_for_a_tenant(own: int, license_limit: int, effective: int) -> None:
    assert Tenant("north", own).effective(license_limit) == effective


def test_without_a_bound_and_without_a_license() -> None:
    unlimited = licensed(AI_CREDITS_MONTHLY=-1).license.consume(1 << 40, "x", now=NOW)
    assert (unlimited.limit, unlimited.used, unlimited.left) == (-1, 1 << 40, -1)
    with InspireAuth.open(hash=FAST) as auth:
        assert (auth.license.balance().limit, auth.license.balance().left) == (0, 0)
        with pytest.raises(LimitExceededError, match="UNLICENSED"):
            auth.license.consume(1, "x")


def consume_all(store: Path, process: int, results: Any) -> None:
    """Consumes on several threads until nothing is left, in a process of its own."""
    counts: list[int] = []

    def work(auth: InspireAuth, thread: int) -> None:
        count = 0
        while True:
            try:
                auth.license.consume(1, f"{process}-{thread}-{count}", now=NOW)
            except LimitExceededError:
                counts.append(count)
                return
            count += 1
            # What everybody calls the same is one operation.
            auth.license.consume(1, f"shared-{count % 5}", now=NOW)

    trusted = [TrustedKey("v", SIGNER.public_key)]
    with InspireAuth.open(store, hash=FAST, trusted_keys=trusted, machine_id="m1") as auth:
        threads = [threading.Thread(target=work, args=(auth, n)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    results.put(counts)


def test_processes_and_threads_share_one_allocation(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    with licensed(store, AI_CREDITS_MONTHLY=105) as auth:
        # So that the last of them does not come when nothing is left.
        for n in range(5):
            auth.license.consume(1, f"shared-{n}", now=NOW)
        context = multiprocessing.get_context("spawn")
        results = context.Queue()
        processes = [context.Process(target=consume_all, args=(store, n, results)) for n in range(3)]
        for process in processes:
            process.start()
        counts = [results.get(timeout=120) for _ in processes]
        for process in processes:
            process.join()
            assert process.exitcode == 0
        assert [len(each) for each in counts] == [4, 4, 4]
        assert sum(map(sum, counts)) == 100
        balance = auth.license.balance(now=NOW)
        assert (balance.used, balance.left) == (105, 0)
