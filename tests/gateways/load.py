#!/usr/bin/env python3
"""Gateways under load: requests a second, and how long the slowest of a hundred takes.

    cargo xtask bench gateways [--quick]

All are there at once and take turns, two seconds each, so that a busy machine is as busy for all of them. Behind each is
the same service, an nginx that answers from memory. The load is wrk's: 32 connections that are kept, one key. Then a key
is revoked while that goes on: no request that began after the revocation had returned may come in.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import threading
import time

from gateways import Caddy, Envoy, Nginx, NginxModule
from setting import Site

PATH = "/data/api/v1/resources"
CONNECTIONS = 32


class Service(Nginx):
    """What is behind each gateway."""

    name = "service"
    dialect = None

    def rendered(self):
        return f"""
worker_processes 1;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    server {{
        listen 127.0.0.1:{self.plain};
        listen 127.0.0.1:{self.secure};
        keepalive_requests 1000000000;
        location / {{ default_type application/json; return 200 '{{"resources":["tags","views"]}}'; }}
    }}
}}
"""

    @property
    def port(self):
        return self.plain


class Worked:
    """As in the recipe, on one worker, and with a secure channel for requests without TLS, which is not what is measured."""

    def rendered(self):
        text = super().rendered().replace("worker_processes auto;", "worker_processes 1;")
        return text.replace("keepalive 32;", "keepalive 64;").replace("access_log off;", "access_log off;\n    keepalive_requests 1000000000;")


class Checked(Worked, Nginx):
    name = "nginx, checker"


class InProcess(Worked, NginxModule):
    name = "nginx, module"


class Deciding(InProcess):
    """The service is not told who is calling: the decision alone."""

    name = "nginx, module, decision alone"

    def rendered(self):
        return "\n".join(line for line in super().rendered().splitlines() if "$inspire_auth" not in line)


class Alone(Worked, NginxModule):
    """The module's recipe without the module."""

    name = "nginx alone"

    def rendered(self):
        lines = super().rendered().splitlines()
        return "\n".join(line for line in lines if "inspire_auth" not in line)


class EnvoyChecked(Envoy):
    name = "Envoy, checker"

    def command(self, configuration):
        command = super().command(configuration)
        command[command.index("--concurrency") + 1] = "1"
        return command


class CaddyChecked(Caddy):
    name = "Caddy, checker"


def wrk(gateway, key, seconds):
    """Requests a second, and the 99th percentile in milliseconds."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency"]
    command += ["-H", f"Authorization: Bearer {key}", f"http://127.0.0.1:{gateway.plain}{PATH}"]
    wrote = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in wrote and "Socket errors" not in wrote, f"{gateway.name}: {wrote}"
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", wrote)[1])
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", wrote).groups()
    return rate, float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def revoked_under_load(gateway, site, key, seconds):
    """How many requests began after the revocation had returned, and how many of those came in."""
    name = "hunted-" + re.sub(r"\W+", "-", gateway.name)
    hunted = site.key(name, "Authenticated/Gateway/Read", "--allow-insecure")
    answers, over = [], threading.Event()

    def hunt():
        while not over.is_set():
            begun = time.monotonic()
            status = gateway.request("GET", PATH, [("Authorization", f"Bearer {hunted}")], secure=False).status
            answers.append((begun, status))

    load = threading.Thread(target=wrk, args=(gateway, key, seconds))
    hunters = [threading.Thread(target=hunt) for _ in range(2)]
    for thread in (load, *hunters):
        thread.start()
    time.sleep(seconds / 2)
    site.delete(name)
    revoked = time.monotonic()
    load.join()
    over.set()
    for hunter in hunters:
        hunter.join()
    later = [status for begun, status in answers if begun > revoked]
    assert any(status == 200 for _, status in answers) and later, gateway.name
    return len(later), sum(status != 401 for status in later)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a few seconds each, to see that it works")
    seconds, rounds, hunt = (1, 2, 4) if parser.parse_args().quick else (2, 60, 20)
    site = Site(os.environ["INSPIRE_AUTH_CLI"])
    service = Service(site, None)
    started = []
    try:
        service.start()
        started.append(service)
        key = site.key("load", "Authenticated/Gateway/Read", "--allow-insecure")
        gateways = []
        for kind in (Alone, Deciding, InProcess, Checked, EnvoyChecked, CaddyChecked):
            gateway = kind(site, service)
            started.append(gateway)
            gateways.append(gateway.start())
            wrk(gateway, key, 1)
        rates = {gateway.name: [] for gateway in gateways}
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
            for gateway in gateways:
                rates[gateway.name].append(wrk(gateway, key, seconds))
        print(f"{rounds} rounds of {seconds} s each, {CONNECTIONS} connections, medians\n")
        print("| | requests/s | of nginx alone | p99 | after a revocation under load |")
        print("|---|---:|---:|---:|---|")
        missed = 0
        for gateway in gateways:
            measured = rates[gateway.name]
            rate = statistics.median(rate for rate, _ in measured)
            # Each round beside the same round of nginx alone: what else the machine did is in both.
            share = statistics.median(
                ours / alone for (ours, _), (alone, _) in zip(measured, rates[Alone.name], strict=True)
            )
            late = statistics.median(late for _, late in measured)
            told = ""
            if not isinstance(gateway, Alone):
                later, came_in = revoked_under_load(gateway, site, key, hunt)
                missed += came_in
                told = f"{came_in} of {later} let in"
            print(f"| {gateway.name} | {rate:,.0f} | {share:.2f} | {late:.2f} ms | {told} |", flush=True)
        return 1 if missed else 0
    finally:
        for gateway in reversed(started):
            gateway.stop()
        site.close()


if __name__ == "__main__":
    sys.exit(main())
