"""The example service, started as its README says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from inspire_auth import SYSTEM, InspireAuth, TrustedKey
from inspire_auth.issue import SigningKey, sign

from .sample import FAST
from .servers import Process
from .wire import Address, ask, bearer, token

EXAMPLE = Path(__file__).parents[4] / "examples" / "python"

if not EXAMPLE.exists():
    pytest.skip("the examples are not part of the package", allow_module_level=True)

KEY = "DEMO-1111-2222-3333"
MACHINE = "the example's machine"


@pytest.fixture(scope="module")
def signing_key() -> SigningKey:
    return SigningKey.generate()


@pytest.fixture
def auth(store: str, signing_key: SigningKey) -> Iterator[InspireAuth]:
    trusted = [TrustedKey("vendor", signing_key.public_key)]
    with InspireAuth.open(store, hash=FAST, trusted_keys=trusted, machine_id=MACHINE) as auth:
        yield auth


@pytest.fixture
def running(store: str, auth: InspireAuth, signing_key: SigningKey) -> Iterator[Process]:
    arguments = [str(EXAMPLE / "app.py"), "--store", store, "--plain-port", "0"]
    arguments += ["--trusted-key", f"vendor={signing_key.public_key}", "--machine-id", MACHINE]
    listening = r"listening on ([\d.]+):(\d+)"
    with Process(arguments, cwd=EXAMPLE, environment={}, listening=listening) as process:
        yield process
        assert process.end() == 0, process.output
        assert "Traceback" not in process.output


@pytest.fixture
def at(running: Process) -> Address:
    return running.addresses(2)[0]


def test_it_answers_as_the_other_gateways_do(
    running: Process, at: Address, auth: InspireAuth, signing_key: SigningKey, keys: SimpleNamespace
) -> None:
    plain = running.addresses(2)[1]
    secure, writer = keys.secure, keys.writer
    assert ask(at, "GET", "/data/api/v1/resources", bearer(secure)).json == {"resources": ["tags", "views"]}
    assert ask(at, "GET", "/data/api/v1/resources").code == "401 NO_CREDENTIAL"
    assert ask(at, "GET", "/data/api/v1/resources", token(secure), bearer(secure)).code == "400 MALFORMED_CREDENTIAL"
    assert ask(plain, "GET", "/data/api/v1/resources", bearer(secure)).code == "403 SECURE_CHANNEL_REQUIRED"
    assert ask(plain, "GET", "/data/api/v1/resources", bearer(keys.reader)).code == "200"
    assert ask(at, "GET", "/data/api/v1/modes", bearer(secure)).json == {"mode": "running"}
    assert ask(at, "PUT", "/data/api/v1/modes", bearer(secure)).code == "403 INSUFFICIENT_LEVEL"
    assert ask(at, "PUT", "/data/api/v1/modes", bearer(writer)).json == {"mode": "changed"}
    assert ask(at, "POST", "/data/api/v1/sync", bearer(writer)).json == {"sync": "started"}
    assert ask(at, "GET", "/data/api/v1/nothing", bearer(writer)).code == "404 NO_SUCH_ROUTE"
    assert ask(at, "DELETE", "/data/api/v1/modes", bearer(writer)).code == "404 NO_SUCH_ROUTE"

    assert ask(at, "POST", "/video-walls", bearer(writer)).code == "403 UNLICENSED"
    description = {"id": "l", "key": KEY, "fingerprint": auth.license.machine().fingerprint}
    for entitlements, code in ([], "403 NOT_ENTITLED"), (["VIDEO_WALL_SYNC"], "200"):
        file = sign(signing_key, {**description, "entitlements": ["OFFLINE_LICENSING", *entitlements]})
        auth.license.activate_offline(KEY, file, force=True, actor=SYSTEM)
        assert ask(at, "POST", "/video-walls", bearer(writer)).code == code
    assert ask(at, "POST", "/video-walls", bearer(keys.reader)).code == "403 INSUFFICIENT_LEVEL"

    auth.keys.delete("secure", actor=SYSTEM)
    assert ask(at, "GET", "/data/api/v1/resources", bearer(secure)).code == "401 INVALID_CREDENTIAL"
    assert "INSUFFICIENT_LEVEL: it lacks Authenticated/Gateway/Write" in running.output


def test_its_document_shows_both_spellings(at: Address, keys: SimpleNamespace) -> None:
    document = ask(at, "GET", "/openapi").json
    assert len(document["components"]["securitySchemes"]) == 2
    assert ask(at, "GET", "/openapi", bearer(keys.reader[:-1])).code == "401 INVALID_CREDENTIAL"


def test_it_explains_itself_and_what_is_wrong(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(EXAMPLE / "app.py"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=30)

    assert "--plain-port" in run("--help").stdout
    assert run().returncode == 2
    failed = run("--store", str(tmp_path / "no" / "such" / "folder"))
    assert failed.returncode == 1
    assert failed.stderr.startswith("app: the store can't be opened")
    assert "Traceback" not in failed.stderr
