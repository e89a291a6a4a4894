"""What an administrator has set up: a store, keys, a license, a certificate, and the checker."""

import json
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
RECIPES = ROOT / "examples" / "gateways"
READ, WRITE = "Authenticated/Gateway/Read", "Authenticated/Gateway/Write"
# Nobody knows the secret: a key to be guessed at.
CHOSEN_HASH = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
QUICK_HASH = ["--hash-m", "1024", "--hash-t", "1"]
# Who gateways run as where they are started by root, as Debian has it.
SERVICE_USER = "www-data"


def service_user():
    """For processes that hold the store: nobody else may read it."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(SERVICE_USER)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Site:
    """A folder with everything in it; gone when it is closed."""

    def __init__(self, cli):
        self.cli = str(cli)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="inspire-auth-gateways."))
        user = service_user()
        if user:
            os.chown(self.folder, user["user"], user["group"])
        self.folder.chmod(0o755)
        self.store = self.folder / "gateway.db"
        self.certificate, self.private_key = self.folder / "tls.crt", self.folder / "tls.key"
        self.trusted = None
        self._certificate()
        self.keys = {
            "reader": self.key("reader", READ),
            "writer": self.key("writer", READ, WRITE),
            "bare": self.key("bare"),
        }
        self.path("chosen.phc").write_text(CHOSEN_HASH)
        for name in ("chosen", "gone"):
            self.ask("keys", "import", name, "--hash-file", self.path("chosen.phc"), "--level", READ)
        self._license()

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name):
        return self.folder / name

    def command(self, *arguments):
        command = [self.cli, "--json", "--quiet", "--no-input", "--store", str(self.store)]
        if self.trusted:
            command += ["--trusted-key", "=".join(self.trusted), "--machine-id", "gateway-test"]
        return [*command, *map(str, arguments)]

    def ask(self, *arguments):
        """Runs the command line; its answer."""
        ran = subprocess.run(self.command(*arguments), capture_output=True, text=True, **self.manners())
        assert ran.returncode == 0, f"{arguments}: {ran.stderr}"
        return json.loads(ran.stdout) if ran.stdout.strip() else None

    def manners(self):
        """How processes are started: in the folder, without what this process was told about stores."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("INSPIRE_AUTH_")}
        return {"cwd": self.folder, "env": {**environment, "HOME": str(self.folder)}, **service_user()}

    def key(self, name, *levels):
        """A key with these levels; what begins with `--` is an option."""
        options = [word for level in levels for word in ([level] if level.startswith("--") else ["--level", level])]
        return self.ask("keys", "create", name, *options, *QUICK_HASH)["credential"]

    def delete(self, name):
        self.ask("keys", "delete", name, "--yes")

    def _certificate(self):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
            + ["-keyout", self.private_key, "-out", self.certificate, "-days", "2", "-subj", "/CN=localhost"]
            + ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
            check=True, capture_output=True,
        )
        self.private_key.chmod(0o644)  # of a certificate for two days, in a folder for one test

    def _license(self):
        made = self.ask("issuer", "keygen", "--out-dir", self.path("vendor"), "--id", "vendor")
        self.trusted = ("vendor", made["public_key"])
        description = {
            "id": "gateway-license", "key": "GATE-1111-2222-3333", "name": "Gateways",
            "fingerprint": self.ask("machine", "id")["fingerprint"],
            "entitlements": ["OFFLINE_LICENSING", "VIDEO_WALL_SYNC"],
        }
        self.path("license.json").write_text(json.dumps(description))
        self.path("license.key").write_text(description["key"])
        signing = ["--key", self.path("vendor/vendor.key"), "--in", self.path("license.json")]
        self.ask("issuer", "sign", *signing, "--out", self.path("site.lic"))
        self.ask("license", "activate", "--file", self.path("site.lic"), "--key-file", self.path("license.key"))


class Checker:
    """`inspire-auth serve`, at work."""

    def __init__(self, site, gateway, *options):
        self.socket = site.path(f"{gateway}.sock")
        listen = ["--gateway", gateway, "--listen", f"unix:{self.socket}", "--routes", RECIPES / "routes.json"]
        command = site.command("serve", *listen, "--forwarded-proto", "--levels", *options)
        log = open(site.path(f"checker-{gateway}.log"), "ab")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, **site.manners())
        log.close()
        said = self.process.stdout.readline()
        assert said, site.path(f"checker-{gateway}.log").read_text()
        self.says = json.loads(said)

    def stop(self):
        """Ends it as a service manager does; its exit code."""
        self.process.terminate()
        code = self.process.wait(timeout=60)
        self.process.stdout.close()
        return code
