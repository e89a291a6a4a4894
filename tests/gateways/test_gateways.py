"""Each gateway, as its recipe makes it: who comes in, what everyone else is told, and what the service sees."""

import json

import pytest

RESOURCES = "/data/api/v1/resources"


def bearer(credential):
    return [("Authorization", f"Bearer {credential}")]


def wrong(site):
    """A key of the right shape, of a name that there is, with another one's secret."""
    return "reader:" + site.keys["writer"].split(":", 1)[1]


IDENTITY = ["x-inspire-key", "x-inspire-key-id", "x-inspire-levels", "x-inspire-warning"]


def told_code(answer):
    return answer.headers.get("x-inspire-auth-error") or json.loads(answer.body)["error"]


# what it shows, the request, the status, the code, and whether the client is asked for a credential
TABLE = [
    ("good key", "GET", RESOURCES, "reader", True, 200, None),
    ("wrong key", "GET", RESOURCES, wrong, True, 401, "INVALID_CREDENTIAL"),
    ("no key", "GET", RESOURCES, None, True, 401, "NO_CREDENTIAL"),
    ("plain channel", "GET", RESOURCES, "reader", False, 403, "SECURE_CHANNEL_REQUIRED"),
    ("missing level", "POST", RESOURCES, "reader", True, 403, "INSUFFICIENT_LEVEL"),
    ("level", "POST", RESOURCES, "writer", True, 200, None),
    ("no level at all", "GET", RESOURCES, "bare", True, 403, "INSUFFICIENT_LEVEL"),
    ("entitlement", "GET", "/video-walls", "reader", True, 200, None),
    ("missing entitlement", "GET", "/sso", "reader", True, 403, "NOT_ENTITLED"),
    ("public", "GET", "/openapi", None, True, 200, None),
    ("public with a wrong key", "GET", "/openapi", wrong, True, 401, "INVALID_CREDENTIAL"),
    ("outside of every route", "GET", "/elsewhere", "writer", True, 403, None),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0].replace(" ", "-"))
def test_the_table(gateway, site, upstream, row):
    _, method, path, key, secure, status, code = row
    credential = key(site) if callable(key) else site.keys.get(key)
    before = len(upstream.seen)
    answer = gateway.request(method, path, bearer(credential) if credential else (), secure, body=b"")
    assert answer.status == status, answer
    passed = upstream.seen[before:]
    assert len(passed) == (status == 200), passed
    if status == 401:
        assert answer.headers["www-authenticate"].startswith('Bearer realm="inspire"'), answer
    if code and gateway.tells_code:
        assert told_code(answer) == code, answer
    # Only the granted are named, and only to the service.
    assert not [name for name in answer.headers if name in IDENTITY], answer
    if passed:
        names = {name.lower(): value for name, value in passed[0]["headers"]}
        assert names.get("x-inspire-key") == key, names
        assert (passed[0]["method"], passed[0]["path"]) == (method, path)


def test_busy_is_no_refusal_of_the_credential(gateway, site, upstream):
    """Wrong secrets for a key that a person chose are counted; past ten a minute nobody can say whether one is right."""
    before = len(upstream.seen)
    for guess in range(100):
        answer = gateway.request("GET", RESOURCES, bearer(f"chosen:guess-{guess}"))
        if answer.status == 503:
            break
        assert answer.status == 401, answer
    assert answer.status == 503 and guess >= 10, (guess, answer)
    assert int(answer.headers["retry-after"]) > 0, answer
    if gateway.tells_code:
        assert told_code(answer) == "BUSY", answer
    assert len(upstream.seen) == before
    # Nobody else waits for that.
    assert gateway.request("GET", RESOURCES, bearer(site.keys["reader"])).status == 200


def test_the_service_is_told_who_is_calling_and_no_secret(gateway, site, upstream):
    for headers in (bearer(site.keys["writer"]), [("X-Ignition-API-Token", site.keys["writer"])]):
        answer = gateway.request("GET", RESOURCES + "?x=1", headers)
        assert answer.status == 200, answer
        seen = upstream.seen[-1]
        told = {name.lower(): value for name, value in seen["headers"]}
        assert seen["path"] == RESOURCES + "?x=1"
        assert told["x-inspire-key"] == "writer"
        assert told["x-inspire-key-id"] == site.ask("keys", "show", "writer")["id"]
        levels = "Authenticated,Authenticated/Gateway/Read,Authenticated/Gateway/Write"
        assert told["x-inspire-levels"] == levels, told
        assert "x-inspire-warning" not in told
        secret = site.keys["writer"].split(":", 1)[1]
        assert secret not in json.dumps(seen), seen


@pytest.mark.parametrize("case", [str.lower, str.title, str.upper], ids=["lower", "title", "upper"])
def test_what_a_client_says_in_our_names_never_reaches_the_service(gateway, site, upstream, case):
    names = ["x-inspire-key", "x-inspire-key-id", "x-inspire-levels", "x-inspire-warning"]
    names += ["x-inspire-auth-error", "x-inspire-auth-status"]
    forged = [(case(name), "forged") for name in names for _ in range(2)]
    for key, path in ((site.keys["reader"], RESOURCES), (None, "/openapi")):
        answer = gateway.request("GET", path, forged + (bearer(key) if key else []))
        assert answer.status == 200, answer
        seen = upstream.seen[-1]["headers"]
        assert "forged" not in json.dumps(seen), seen
        ours = [name.lower() for name, _ in seen if name.lower().startswith("x-inspire-")]
        # What is not said of a caller is not there: no empty name, which somebody may take for one.
        assert sorted(ours) == (sorted(IDENTITY[:3]) if key else []), seen


def test_what_a_client_says_about_its_own_request_is_not_believed(gateway, site, upstream):
    """The way it came, the method and the path: the gateway's to say."""
    about = [
        ("X-Forwarded-Proto", "https"), ("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "/openapi"),
        ("X-Original-Method", "GET"), ("X-Original-URI", "/openapi"), ("X-Envoy-Original-Path", "/openapi"),
    ]
    before = len(upstream.seen)
    assert gateway.request("GET", RESOURCES, about + bearer(site.keys["reader"]), secure=False).status == 403
    assert gateway.request("POST", RESOURCES, about + bearer(site.keys["reader"]), body=b"").status == 403
    assert gateway.request("GET", RESOURCES, about).status == 401
    assert len(upstream.seen) == before


def test_two_credentials_are_none(gateway, site, upstream):
    before = len(upstream.seen)
    for one, other in (("reader", "writer"), ("writer", "reader"), ("reader", "reader")):
        for second in ("Authorization", "X-Ignition-API-Token"):
            prefix = "Bearer " if second == "Authorization" else ""
            both = [*bearer(site.keys[one]), (second, prefix + site.keys[other])]
            assert gateway.request("GET", RESOURCES, both).status in (400, 401)
    assert len(upstream.seen) == before


def test_a_body_reaches_the_service_and_not_the_checker(gateway, site):
    body = b"x" * 100_000
    answer = gateway.request("PUT", RESOURCES, bearer(site.keys["writer"]), body=body)
    assert answer.status == 200, answer


def test_a_key_is_revoked_between_two_requests(gateway, site, upstream):
    name = f"doomed-{gateway.name}"
    key = site.key(name, "Authenticated/Gateway/Read")
    assert gateway.request("GET", RESOURCES, bearer(key)).status == 200
    site.delete(name)
    assert gateway.request("GET", RESOURCES, bearer(key)).status == 401
