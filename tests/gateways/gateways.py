"""The gateways, each started from the recipe that users are given."""

import http.client
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import time

from setting import RECIPES, ROOT, Checker, free_port

# What is asked for, and has to come, before a gateway counts as started.
PATIENCE_SECONDS = 60


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read().decode()

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body}"


class Gateway:
    """A gateway before an upstream, with a checker unless it has none."""

    name = dialect = recipe = None
    # What it says when nobody can be asked.
    down = 503
    # Whether it tells a client the code of a refusal.
    tells_code = True
    # Whether it says when to come again.
    tells_when = True

    def __init__(self, site, upstream):
        self.site, self.upstream = site, upstream
        self.folder = site.path(self.name.replace(", ", "-").replace(" ", "-"))
        self.folder.mkdir()
        self.folder.chmod(0o777)
        self.plain, self.secure = free_port(), free_port()
        self.log = self.folder / "log"
        self.checker = self.process = None

    def start(self):
        if self.dialect:
            self.start_checker()
        self.start_gateway()
        return self

    def start_checker(self, *options):
        self.checker = Checker(self.site, self.dialect, *options)

    def start_gateway(self):
        configuration = self.folder / self.recipe.name
        configuration.write_text(self.rendered())
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command(configuration), stdout=log, stderr=log, cwd=self.folder,
                env={**os.environ, "HOME": str(self.folder), "XDG_DATA_HOME": str(self.folder)},
            )
        deadline = time.monotonic() + PATIENCE_SECONDS
        for port in (self.plain, self.secure):
            while True:
                assert self.process.poll() is None, self.log.read_text()
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    assert time.monotonic() < deadline, self.log.read_text()
                    time.sleep(0.02)

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=60)
            self.process = None
        self.stop_checker()

    def stop_checker(self):
        if self.checker is not None:
            assert self.checker.stop() == 0
            self.checker = None

    def replacements(self):
        """What the recipe says, and what stands there in a test."""
        return [
            ("/etc/inspire-auth/tls.crt", str(self.site.certificate)),
            ("/etc/inspire-auth/tls.key", str(self.site.private_key)),
            ("127.0.0.1:8080", f"127.0.0.1:{self.upstream.port}"),
            ("/run/inspire-auth/checker.sock", str(self.site.path(f"{self.dialect}.sock"))),
        ]

    def rendered(self):
        text = self.recipe.read_text()
        for written, here in self.replacements():
            assert written in text, f"{self.recipe}: no {written}"
            text = text.replace(written, here)
        return text

    def request(self, method, path, headers=(), secure=True, body=None):
        """Sends one request with these header lines, on a connection of its own."""
        port = self.secure if secure else self.plain
        if secure:
            trust = ssl.create_default_context(cafile=str(self.site.certificate))
            connection = http.client.HTTPSConnection("127.0.0.1", port, context=trust, timeout=PATIENCE_SECONDS)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        try:
            connection.putrequest(method, path)
            for name, value in headers:
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            return Answer(connection.getresponse())
        finally:
            connection.close()


class Nginx(Gateway):
    name = "nginx"
    dialect = "nginx"
    recipe = RECIPES / "nginx.conf"

    def command(self, configuration):
        own = f"daemon off; pid {self.folder}/nginx.pid; error_log {self.log} info;"
        return ["nginx", "-p", str(self.folder), "-c", str(configuration), "-g", own]

    def workers(self):
        """Their process ids, those that are about to end among them."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return set(children.read_text().split())

    def stop(self):
        super().stop()
        bad = [line for line in self.log.read_text().splitlines() if "[alert]" in line or "exited on signal" in line]
        assert not bad, bad

    def replacements(self):
        kinds = ("body", "proxy", "fastcgi", "uwsgi", "scgi")
        paths = {"body": "client_body_temp_path"}
        temporary = "".join(f"    {paths.get(kind, f'{kind}_temp_path')} {self.folder}/{kind};\n" for kind in kinds)
        return [
            *super().replacements(),
            ("listen 80;", f"listen 127.0.0.1:{self.plain};"),
            ("listen 443 ssl;", f"listen 127.0.0.1:{self.secure} ssl;"),
            ("http {\n", f"http {{\n    access_log off;\n{temporary}"),
        ]


class NginxModule(Nginx):
    """nginx that asks nobody: the library is in its workers."""

    name = "nginx-module"
    dialect = None
    recipe = ROOT / "examples" / "nginx" / "nginx.conf"
    tells_code = False

    def replacements(self):
        module = pathlib.Path(os.environ["INSPIRE_AUTH_NGINX_MODULE"])
        checker = self.site.path(f"{self.dialect}.sock")
        return [
            *(pair for pair in super().replacements() if pair[1] != str(checker)),
            ("modules/ngx_http_inspire_auth_module.so", str(module)),
            ("/var/lib/inspire-auth/gateway.db;", f"{self.store()};\n    inspire_auth_machine_id gateway-test;"),
            ("vendor " + "0" * 64, " ".join(self.site.trusted)),
        ]

    def store(self):
        return self.site.store


class Envoy(Gateway):
    name = "envoy"
    dialect = "envoy"
    recipe = RECIPES / "envoy.yaml"
    # Envoy takes 503 for an error of the checker's, and says no more than status_on_error.
    tells_when = False

    def command(self, configuration):
        envoy = shutil.which("envoy", path=str(pathlib.Path(sys.executable).parent)) or shutil.which("envoy")
        options = ["--use-dynamic-base-id", "--concurrency", "2", "--log-level", "warning"]
        return [envoy, "-c", str(configuration), *options]

    def replacements(self):
        return [
            *super().replacements(),
            ("0.0.0.0, port_value: 80 ", f"127.0.0.1, port_value: {self.plain} "),
            ("0.0.0.0, port_value: 443 ", f"127.0.0.1, port_value: {self.secure} "),
            ("127.0.0.1, port_value: 8080 ", f"127.0.0.1, port_value: {self.upstream.port} "),
        ]

    def rendered(self):
        # Envoy writes an address as two words.
        text = self.recipe.read_text()
        for written, here in self.replacements():
            if written != "127.0.0.1:8080":
                assert written in text, f"{self.recipe}: no {written}"
                text = text.replace(written, here)
        return text


class Caddy(Gateway):
    name = "caddy"
    dialect = "caddy"
    recipe = RECIPES / "Caddyfile"
    # Caddy takes a checker that is not there for an upstream that is not.
    down = 502

    def command(self, configuration):
        return ["caddy", "run", "--config", str(configuration), "--adapter", "caddyfile"]

    def replacements(self):
        return [
            *super().replacements(),
            ("http_port 80\n", f"http_port {self.plain}\n"),
            ("https_port 443\n", f"https_port {self.secure}\n"),
        ]


ALL = [Nginx, NginxModule, Envoy, Caddy]
