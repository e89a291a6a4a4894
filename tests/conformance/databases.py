"""Stores in a PostgreSQL database, empty each time one is asked for."""

import glob
import shutil
import subprocess

# What a store holds; not what it remembers of its history.
TABLES = (
    "credentials", "keys", "license", "license_marks", "license_burials", "license_releases", "installation",
    "credit_periods", "credit_operations", "clock_seen", "last_used", "audit",
)
CLEAN = "cleaned"


class Databases:
    """Schemas of one server, each a store, for one driver."""

    def __init__(self, server, cli, name):
        self.server = server
        self.cli = cli
        self.name = name
        self.schemas = []
        self.taken = 0
        client = shutil.which("psql") or max(glob.glob("/usr/lib/postgresql/*/bin/psql"))
        # What it says goes with its answers, so that a failure is seen where an answer is waited for.
        self.client = subprocess.Popen(
            [client, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", server],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )

    def run(self, sql):
        self.client.stdin.write(f"{sql}\n\\echo {CLEAN}\n")
        self.client.stdin.flush()
        said = self.client.stdout.readline()
        if said.strip() != CLEAN:
            raise RuntimeError(f"{sql}: {said}")

    def url(self):
        """The URL of an empty store that nobody else uses until `clean`."""
        if self.taken == len(self.schemas):
            schema = f"conformance_{self.name}_{self.taken}"
            self.run(f"SET client_min_messages = warning; DROP SCHEMA IF EXISTS {schema} CASCADE;")
            store = f"{self.server}?schema={schema}"
            subprocess.run([self.cli, "--quiet", "store", "migrate", "--store", store], check=True)
            self.schemas.append(schema)
        self.taken += 1
        return f"{self.server}?schema={self.schemas[self.taken - 1]}"

    def clean(self):
        """Empties what was taken."""
        for schema in self.schemas[:self.taken]:
            self.run(" ".join(["BEGIN;"] + [f"DELETE FROM {schema}.{table};" for table in TABLES] + ["COMMIT;"]))
        self.taken = 0

    def close(self):
        for schema in self.schemas:
            self.run(f"SET client_min_messages = warning; DROP SCHEMA {schema} CASCADE;")
        self.client.stdin.close()
        self.client.wait()
