"""Each gateway, as its recipe makes it: who comes in, what everyone else is told, and what the service sees."""

import json
import signal
import socket
import struct
import subprocess
import threading
import time
import urllib.request

import pytest
from gateways import PATIENCE_SECONDS, Nginx, NginxModule
from setting import Checker, free_port

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
    if gateway.tells_when:
        assert int(answer.headers["retry-after"]) > 0, answer
    if gateway.tells_when and gateway.tells_code:
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
        assert told["x-inspire-key-id"] == site.ask("keys", "show", "writer")["record"]["id"]
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


@pytest.mark.parametrize("path", [
    "/openapi/../data/api/v1/resources", "/openapi/%2e%2e/data/api/v1/resources", "//data/api/v1/resources",
    "/openapi%2f..%2fdata/api/v1/resources", "/openapi;/../data/api/v1/resources", "/./openapi/..;/data/api/v1/modes",
    "/openapi\\..\\data/api/v1/resources", "/data/api/v1/resources?/openapi", "/data/api/v1/resources%00/openapi",
])
def test_no_other_spelling_of_a_path_comes_by_without_a_key(gateway, upstream, path):
    before = len(upstream.seen)
    assert gateway.request("GET", path).status in (400, 401, 403, 404)
    assert len(upstream.seen) == before


def test_a_key_revoked_under_load_is_let_in_no_more(gateway, site):
    """No request that began after the revocation had returned comes in, on connections that are busy all the time."""
    name = f"hunted-{gateway.name}"
    headers = bearer(site.key(name, "Authenticated/Gateway/Read"))
    answers, over, failures = [], threading.Event(), []

    def work():
        try:
            while not over.is_set():
                begun = time.monotonic()
                answers.append((begun, gateway.request("GET", RESOURCES, headers).status))
        except Exception as failure:  # noqa: BLE001  (told by the test's own thread)
            failures.append(failure)
            raise

    def wait_for(status, many):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while sum(told == status for _, told in list(answers)) < many and not failures:
            assert time.monotonic() < deadline, answers[-5:]
            time.sleep(0.01)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    try:
        wait_for(200, 50)
        site.delete(name)
        revoked = time.monotonic()
        wait_for(401, 50)
    finally:
        over.set()
        for worker in workers:
            worker.join()
    assert not failures
    late = [answer for answer in answers if answer[0] > revoked and answer[1] != 401]
    assert not late, late
    assert {status for _, status in answers} == {200, 401}


def test_many_keys_are_used_for_the_first_time_at_once(gateway, site):
    """Each waits for a slow hash; none is refused, and nobody else is."""
    keys = [site.key(f"new-{gateway.name}-{number}", "Authenticated/Gateway/Read") for number in range(12)]
    answers = []

    def ask(key):
        answers.append(gateway.request("GET", RESOURCES, bearer(key)).status)

    workers = [threading.Thread(target=ask, args=(key,)) for key in keys + [site.keys["reader"]] * 12]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert answers == [200] * len(workers), answers


def test_clients_that_go_away_in_the_middle_harm_nobody(gateway, site):
    for number in range(40):
        with socket.create_connection(("127.0.0.1", gateway.plain)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, not an end
            head = f"GET {RESOURCES} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer gone:guess-{number}\r\n\r\n"
            client.sendall(head.encode())
    assert gateway.request("GET", RESOURCES, bearer(site.keys["reader"])).status == 200


def test_a_reload_refuses_nobody(gateway, site):
    """nginx's own: old workers end, new ones open the store, and requests go on."""
    if not isinstance(gateway, Nginx):
        return
    answers, over = [], threading.Event()

    def work():
        while not over.is_set():
            answers.append(gateway.request("GET", RESOURCES, bearer(site.keys["reader"])).status)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for _ in range(3):
            before = gateway.workers()
            gateway.process.send_signal(signal.SIGHUP)
            deadline = time.monotonic() + PATIENCE_SECONDS
            while before & (now := gateway.workers()) or not now:
                assert time.monotonic() < deadline, gateway.log.read_text()
                time.sleep(0.02)
    finally:
        over.set()
        worker.join()
    assert answers and set(answers) == {200}, answers


def test_nobody_comes_in_while_nobody_can_be_asked(gateway, site, upstream):
    if gateway.dialect is None:
        without_its_store_the_module_lets_nobody_in(site, upstream)
        return
    gateway.stop_checker()
    before = len(upstream.seen)
    for headers in ((), bearer(site.keys["reader"])):
        for path in (RESOURCES, "/openapi"):
            assert gateway.request("GET", path, headers).status == gateway.down
    assert len(upstream.seen) == before
    gateway.start_checker()
    deadline = time.monotonic() + PATIENCE_SECONDS
    # A gateway may leave a server that failed alone for some seconds.
    while gateway.request("GET", RESOURCES, bearer(site.keys["reader"])).status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)


class WithoutStore(NginxModule):
    name = "nginx-module-without-store"

    def store(self):
        return self.folder / "not-there-yet" / "gateway.db"


def without_its_store_the_module_lets_nobody_in(site, upstream):
    gateway = WithoutStore(site, upstream)
    try:
        gateway.start()
        before = len(upstream.seen)
        for path in (RESOURCES, "/openapi", "/elsewhere"):
            assert gateway.request("GET", path, bearer(site.keys["reader"])).status == 503
        assert len(upstream.seen) == before
        # A store that comes later is found; in this one there is no key.
        folder = gateway.store().parent
        folder.mkdir()
        folder.chmod(0o777)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while gateway.request("GET", "/openapi").status != 200:
            assert time.monotonic() < deadline, gateway.log.read_text()
            time.sleep(0.05)
        assert gateway.request("GET", RESOURCES, bearer(site.keys["reader"])).status == 401
    finally:
        gateway.stop()


class Misspelt(NginxModule):
    def __init__(self, site, upstream):
        self.name = f"misspelt-{free_port()}"
        super().__init__(site, upstream)


@pytest.mark.parametrize("line, complaint", [
    ('inspire_auth "any(Authenticated/Gateway/Read";', "any(Authenticated/Gateway/Read"),
    ('inspire_auth "";', "needs a word"),
    ('inspire_auth "Authenticated//Ops";', "Authenticated//Ops"),
    ("inspire_auth off; inspire_auth_entitlement MFA;", "nobody is asked who they are"),
    ("inspire_auth_entitlement '\"'; inspire_auth Public;", "inspire_auth"),
    ("inspire_auth_channel sure;", "invalid value"),
    ("inspire_auth_trusted_key vendor nonsense;", "not allowed here"),
])
def test_what_is_misspelt_is_found_before_nginx_starts(site, upstream, line, complaint):
    gateway = Misspelt(site, upstream)
    text = gateway.rendered().replace("location /openapi {", f"location /misspelt {{\n {line}\n}}\nlocation /openapi {{")
    configuration = gateway.folder / "misspelt.conf"
    configuration.write_text(text)
    tested = subprocess.run([*gateway.command(configuration), "-t"], capture_output=True, text=True)
    assert tested.returncode != 0
    assert complaint in tested.stderr, tested.stderr


def test_metrics_are_served_apart_and_the_checker_ends_in_good_order(site):
    port = free_port()
    checker = Checker(site, "nginx", "--metrics", f"127.0.0.1:{port}")
    try:
        assert checker.says["metrics"] == f"http://127.0.0.1:{port}/metrics"
        text = urllib.request.urlopen(checker.says["metrics"], timeout=PATIENCE_SECONDS).read().decode()
        assert text.endswith("# EOF\n") and "inspire_apikey_verifications" in text
        for name in (*IDENTITY, "authorization", "x-ignition-api-token"):
            assert name in [told.lower() for told in checker.says["strip"]]
    finally:
        assert checker.stop() == 0
    assert not checker.socket.exists()
