"""Route tables: reading one, deciding by one, and the dry run."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from conftest import bearer

from inspire_auth import (
    SYSTEM,
    ArgumentError,
    AuditEvent,
    AuthenticationError,
    CreatedKey,
    Explanation,
    InspireAuth,
    InspireAuthError,
    NotFoundError,
    PathNotCanonicalError,
    PermissionDeniedError,
    Requirement,
    RouteDeniedError,
    RouteRule,
    Routes,
    UnlicensedError,
)

TABLE: dict[str, Any] = {
    "routes": [
        {"prefix": "/", "methods": ["GET"], "require": {"any": ["Public"]}},
        {"prefix": "/data", "methods": ["GET", "HEAD"], "require": {"any": ["Authenticated/Ops"]}},
        {"prefix": "/data", "methods": ["*"], "require": {"all": ["Authenticated/Ops", "Authenticated/Admin"]}},
        {"prefix": "/data/walls", "methods": ["GET"], "require": {"any": ["Authenticated"]}, "entitlement": "MFA"},
        {"prefix": "/nobody", "methods": ["GET"], "require": {"any": []}},
    ]
}
ROUTES = Routes.parse(TABLE)


@pytest.fixture
def headers(key: CreatedKey) -> list[tuple[str, str]]:
    return bearer(key)


def test_a_table_is_read_in_each_of_its_forms() -> None:
    for table in (TABLE, json.dumps(TABLE), json.dumps(TABLE).encode()):
        assert list(Routes.parse(table)) == list(ROUTES)
    assert len(ROUTES) == 5 and repr(ROUTES) == "<Routes, 5 rules>" and not ROUTES.ignores_case
    assert list(ROUTES)[1] == RouteRule("/data", ("GET", "HEAD"), Requirement("any(Authenticated/Ops)"), None)
    assert list(ROUTES)[3].entitlement == "MFA" and str(list(ROUTES)[4].require) == "any()"
    assert Routes.parse({**TABLE, "ignore_case": True}).ignores_case
    assert not ROUTES.ignores_suffix and Routes.parse({**TABLE, "ignore_suffix": True}).ignores_suffix


def test_what_is_no_table_is_refused_and_the_place_is_named() -> None:
    good = TABLE["routes"][0]
    circle: dict[str, Any] = {}
    circle["routes"] = circle
    for wrong in (
        "", "[]", "{}", b"\xff", '{"routes": [], "routes": []}', {"routes": [good, good]}, {"routes": [], "more": 1},
        {"routes": [{**good, "prefix": "/a/"}]}, {"routes": [{**good, "methods": []}]}, {"routes": [{"prefix": "/"}]},
        {"routes": [{**good, "require": {}}]}, {"routes": [{**good, "prefix": "/%61"}]}, {1: {2: float("nan")}},
        {"routes": {good["prefix"]}}, circle, "\ud800",
    ):
        with pytest.raises(ArgumentError) as caught:
            Routes.parse(wrong)  # type: ignore[arg-type]
        assert caught.value.code == "INVALID_ARGUMENT"
    with pytest.raises(ArgumentError, match="routes.1") as caught:
        Routes.parse({"routes": [good, {**good, "prefix": "x"}]})
    with pytest.raises(ArgumentError) as caught:
        Routes.parse({"routes": [{**good, "require": {"any": ["a//b"]}}]})
    assert caught.value.code == "INVALID_LEVEL"
    for other in (None, 7, [good], bytearray(b"{}")):
        with pytest.raises(TypeError):
            Routes.parse(other)  # type: ignore[arg-type]


def test_the_longest_prefix_decides(auth: InspireAuth, key: CreatedKey, headers: list[tuple[str, str]]) -> None:
    def ask(method: str, path: str | bytes, headers: Any = headers) -> str:
        try:
            return auth.authenticate(headers, routes=ROUTES, method=method, path=path).name or "nobody"
        except InspireAuthError as error:
            return error.code

    assert ask("GET", "/", []) == ask("GET", "/database", []) == ask("GET", b"/?data", []) == "nobody"
    assert ask("GET", "/", "Bearer nobody:x") == "INVALID_CREDENTIAL"
    assert ask("GET", "/data", []) == "NO_CREDENTIAL"
    assert ask("GET", "/data") == ask("HEAD", "/data/x?y=//") == ask("GET", b"/data/") == "reporting"
    assert ask("POST", "/data") == "INSUFFICIENT_LEVEL"
    assert ask("GET", "/data/walls") == "UNLICENSED"
    assert ask("POST", "/data/walls") == ask("POST", "/") == ask("get", "/") == ask("", "/data") == "ROUTE_DENIED"
    assert ask("GET", "/nobody") == "INSUFFICIENT_LEVEL"
    for path in ("", "x", "//", "/data/../x", "/%64ata", "/data%2Fx", "/data;x", "/é", b"/\xff", "/\ud800", "/a%zz"):
        # Whatever the credential is.
        assert ask("GET", path) == ask("GET", path, []) == ask("GET", path, "Bearer no") == "PATH_NOT_CANONICAL", path
    assert ask("\ud800", "/") == "ROUTE_DENIED"


def test_a_table_and_a_requirement_do_not_mix(auth: InspireAuth, headers: list[tuple[str, str]]) -> None:
    whole = {"routes": ROUTES, "method": "GET", "path": "/data"}
    for missing in whole:
        for left in ({name: value for name, value in whole.items() if name != missing}, {**whole, missing: None}):
            with pytest.raises(ArgumentError, match="together"):
                auth.authenticate(headers, **left)  # type: ignore[arg-type]
    for more in ({"require": "Public"}, {"require": Requirement("Public")}, {"entitlement": "MFA"}):
        with pytest.raises(ArgumentError, match="require and entitlement"):
            auth.authenticate(headers, **whole, **more)  # type: ignore[arg-type]
    for wrong in ({"routes": TABLE}, {"method": b"GET"}, {"path": 7}, {"path": ["/"]}):
        with pytest.raises(TypeError):
            auth.authenticate(headers, **{**whole, **wrong})  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="channel"):
        auth.authenticate(headers, "https", **whole)  # type: ignore[arg-type]
    auth.close()
    with pytest.raises(ArgumentError, match="closed"):
        auth.authenticate(headers, **whole)  # type: ignore[arg-type]


def test_a_key_seen_for_the_first_time_is_judged_by_the_table(auth: InspireAuth, key: CreatedKey) -> None:
    def cold(name: str, *levels: str) -> list[tuple[str, str]]:
        return bearer(auth.keys.create(name, levels=levels, require_secure=False, actor=SYSTEM))

    async def ask(headers: list[tuple[str, str]], path: str) -> str:
        try:
            principal = await auth.authenticate_async(headers, routes=ROUTES, method="GET", path=path)
        except InspireAuthError as error:
            return error.code
        return principal.name or "nobody"

    assert auth.authenticate(cold("a", "Authenticated/Ops"), routes=ROUTES, method="GET", path="/data").name == "a"
    with pytest.raises(PermissionDeniedError):
        auth.authenticate(cold("b"), routes=ROUTES, method="GET", path="/data")
    with pytest.raises(UnlicensedError):
        auth.authenticate(cold("c"), routes=ROUTES, method="GET", path="/data/walls")
    assert asyncio.run(ask(cold("d", "Authenticated/Ops"), "/data")) == "d"
    assert asyncio.run(ask(cold("e"), "/data")) == "INSUFFICIENT_LEVEL"
    assert asyncio.run(ask(cold("f"), "/data/walls")) == "UNLICENSED"
    assert asyncio.run(ask([], "/data//")) == "PATH_NOT_CANONICAL"


def test_a_table_may_go_while_a_key_is_hashed(auth: InspireAuth) -> None:
    headers = bearer(auth.keys.create("cold", levels=["Authenticated/Ops"], require_secure=False, actor=SYSTEM))

    async def ask() -> str | None:
        waiting = auth.authenticate_async(headers, routes=Routes.parse(TABLE), method="GET", path="/data")
        gc.collect()
        return (await waiting).name

    assert asyncio.run(ask()) == "cold"


def test_a_denial_is_told_with_its_code(auth: InspireAuth) -> None:
    told: list[AuditEvent] = []
    with InspireAuth.open(audit=told.append) as auth:
        with pytest.raises(RouteDeniedError) as denied:
            auth.authenticate([], routes=ROUTES, method="PUT", path="/?secret=7")
        with pytest.raises(PathNotCanonicalError) as refused:
            auth.authenticate([], routes=ROUTES, method="GET", path="/a//b")
        assert isinstance(denied.value, PermissionDeniedError) and not isinstance(refused.value, AuthenticationError)
        assert [(event.event, event.subject, event.code) for event in told] == [
            ("route.denied", "PUT /", "ROUTE_DENIED"), ("route.denied", "GET /a//b", "PATH_NOT_CANONICAL"),
        ]
        assert auth.audit() == told[::-1]
        assert (auth.http(denied.value).status, auth.http(refused.value).status) == (403, 400)
        assert auth.http(denied.value).challenge is auth.http(refused.value).challenge is None


def test_the_dry_run_says_what_a_request_gets(auth: InspireAuth, key: CreatedKey) -> None:
    auth.keys.create("secure", levels=["Authenticated/Ops"], actor=SYSTEM)
    off = auth.keys.create("off", enabled=False, require_secure=False, actor=SYSTEM)
    keys: dict[str | None, Any] = {None: [], "reporting": bearer(key), "off": bearer(off)}
    asked = itertools.product(keys, ("GET", "POST", "PUT"), ("/", "/data", "/data/walls", "/nobody", "/x//y"))

    def noted() -> Any:
        # Without what hashing says of itself, which ends a moment after its answer.
        text = [line for line in auth.metrics_text().splitlines() if not line.startswith("inspire_hash")]
        return text, auth.audit()

    for name, method, path in asked:
        before = noted()
        told = auth.would_allow(ROUTES, name, method, path)
        assert noted() == before
        code = "OK"
        try:
            auth.authenticate(keys[name], routes=ROUTES, method=method, path=path)
        except InspireAuthError as error:
            code = error.code
        assert told.code == code and told.allowed is (code == "OK") and told.reason, (name, method, path)
    told = auth.would_allow(ROUTES, "reporting", "POST", b"/data/x")
    assert told == Explanation(
        "INSUFFICIENT_LEVEL", list(ROUTES)[2], ("Authenticated/Admin",), told.reason
    )
    assert auth.would_allow(ROUTES, None, "GET", "/data//").rule is None
    assert auth.would_allow(ROUTES, "secure", "GET", "/data").code == "SECURE_CHANNEL_REQUIRED"
    assert auth.would_allow(ROUTES, "secure", "GET", "/data", channel="secure").allowed
    with pytest.raises(NotFoundError):
        auth.would_allow(ROUTES, "nobody", "GET", "/")
    with pytest.raises(ArgumentError):
        auth.would_allow(ROUTES, None, "GET", "/", channel="tls")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        auth.would_allow(TABLE, None, "GET", "/")  # type: ignore[arg-type]


def test_the_dry_run_knows_the_time(auth: InspireAuth) -> None:
    auth.keys.create("k", expires_at=2_000, require_secure=False, actor=SYSTEM, now=1_000)
    routes = Routes.parse({"routes": [{"prefix": "/", "methods": ["*"], "require": {"any": ["Authenticated"]}}]})
    assert auth.would_allow(routes, "k", "GET", "/", now=1_999).allowed
    assert auth.would_allow(routes, "k", "GET", "/", now=2_000).code == "INVALID_CREDENTIAL"


def test_a_principal_is_explained(auth: InspireAuth, key: CreatedKey) -> None:
    caller = auth.authenticate(bearer(key))
    assert auth.explain_route(ROUTES, caller, "GET", "/data").allowed
    told = auth.explain_route(ROUTES, caller, "POST", "/data", now=7_000_000_000)
    assert (told.code, told.missing) == ("INSUFFICIENT_LEVEL", ("Authenticated/Admin",))
    auth.keys.set_enabled("reporting", False, actor=SYSTEM)
    assert auth.explain_route(ROUTES, caller, "GET", "/data").code == "INVALID_CREDENTIAL"
    with pytest.raises(TypeError):
        auth.explain_route(ROUTES, "reporting", "GET", "/")  # type: ignore[arg-type]


def test_any_number_of_threads_use_one_table(auth: InspireAuth, key: CreatedKey) -> None:
    wrong: list[str] = []
    start = threading.Barrier(4)

    def ask() -> None:
        start.wait()
        for _ in range(500):
            if auth.authenticate(bearer(key), routes=ROUTES, method="GET", path="/data/x").name != "reporting":
                wrong.append("granted")
            try:
                auth.authenticate(bearer(key), routes=ROUTES, method="PUT", path="/")
                wrong.append("denied")
            except RouteDeniedError:
                pass

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_both_secrets_are_good_while_a_rotation_overlaps(auth: InspireAuth) -> None:
    first = auth.keys.create("k", require_secure=False, actor=SYSTEM, now=1_000)
    assert first.record.overlap_ends_at is None
    second = auth.keys.rotate("k", overlap=timedelta(minutes=10), actor=SYSTEM, now=2_000)
    assert second.record.overlap_ends_at == auth.keys.get("k").overlap_ends_at == 2_600
    for credential in (first, second, first):
        assert auth.authenticate(bearer(credential), now=2_599).name == "k"
    with pytest.raises(AuthenticationError):
        auth.authenticate(bearer(first), now=2_600)
    assert auth.authenticate(bearer(second), now=2_600).name == "k"
    [told] = [event for event in auth.audit() if event.event == "key.rotated"]
    assert told.detail.endswith("until 2600")
    # Only the newest of the old ones overlaps; without an overlap none does.
    third = auth.keys.rotate("k", overlap=60, actor=SYSTEM, now=2_100)
    with pytest.raises(AuthenticationError):
        auth.authenticate(bearer(first), now=2_100)
    assert auth.authenticate(bearer(second), now=2_159).name == "k"
    assert auth.keys.rotate("k", actor=SYSTEM, now=2_100).record.overlap_ends_at is None
    for ended in (second, third):
        with pytest.raises(AuthenticationError):
            auth.authenticate(bearer(ended), now=2_100)


def test_an_overlap_has_its_bounds(auth: InspireAuth) -> None:
    auth.keys.create("k", require_secure=False, expires_at=1_500, actor=SYSTEM, now=1_000)
    assert auth.keys.rotate("k", overlap=10_000, actor=SYSTEM, now=1_000).record.overlap_ends_at == 1_500
    auth.keys.rotate("k", overlap=timedelta(days=365), actor=SYSTEM)
    for wrong in (31_536_001, timedelta(days=366), -1, timedelta(seconds=-1), 2**64):
        with pytest.raises(ArgumentError):
            auth.keys.rotate("k", overlap=wrong, actor=SYSTEM)
    for other in ("24h", 1.5, True):
        with pytest.raises(TypeError):
            auth.keys.rotate("k", overlap=other, actor=SYSTEM)  # type: ignore[arg-type]
