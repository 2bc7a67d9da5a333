"""A PostgreSQL of the tests' own: Debian's programs, a cluster a session in a folder that goes with it.

`postgres_url` is a new database at this version's schema, for one test. Nothing of it is kept safe from a power cut.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from onduty.database import postgres_schema

_VERSIONS = Path("/usr/lib/postgresql")
_OWNER = "postgres"
PASSWORD = "s3cret-of-the-tests"
_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 60
log_min_messages = fatal
"""
UNSAFE = """
fsync = off
full_page_writes = off
shared_buffers = 32MB
"""
_END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
_numbers = count()


def programs() -> Path | None:
    """The folder of the newest initdb and pg_ctl, None where there is none."""
    found = [folder for folder in _VERSIONS.glob("*/bin") if (folder / "initdb").exists()]
    return max(found, key=lambda folder: int(folder.parent.name), default=None)


@dataclass
class Cluster:
    """A running server. The owner's password is needed, as anywhere else."""

    programs: Path
    folder: Path
    port: int

    def url(self, database: str = "postgres", password: str = PASSWORD) -> str:
        return f"postgresql://{_OWNER}:{password}@127.0.0.1:{self.port}/{database}"

    def control(self, *arguments: str) -> None:
        """`pg_ctl`: start, stop or restart; returns when that is done."""
        log = self.folder / "log"
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-l", str(log), "-w", "-t", "30", *arguments)

    def sql(self, statement: str, database: str = "postgres") -> list[str]:
        """What psql prints, a line a row."""
        done = subprocess.run(
            [self.programs / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement, self.url(database)],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.splitlines()

    def end_connections(self, database: str, but: str = "") -> int:
        """Ends all connections to it (but those of one application) from outside; how many."""
        return len(self.sql(f"{_END} AND datname = '{database}' AND application_name <> '{but}'"))

    def new(self, template: str | None = None) -> str:
        """The address of a new database."""
        name = f"test_{next(_numbers)}"
        self.sql(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
        return self.url(name)

    def run(self, program: str, *arguments: str) -> None:
        # It refuses to run as root. Its output goes to a file: a pipe would be held open by the server.
        with (self.folder / "programs").open("a") as said:
            done = subprocess.run(
                [*_as_owner(), self.programs / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd="/",
            )
        assert done.returncode == 0, (self.folder / "programs").read_text()


def _as_owner() -> Sequence[str]:
    if os.getuid():
        return ()
    return ("setpriv", f"--reuid={_OWNER}", f"--regid={_OWNER}", "--init-groups")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _made(folder: Path, where: Path, more: str) -> Cluster:
    cluster = Cluster(where, folder, _free_port())
    password = folder / "password"
    password.write_text(PASSWORD)
    if not os.getuid():
        for each in (folder, password):
            shutil.chown(each, _OWNER)
    data = str(folder / "data")
    options = ["--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8", "--no-sync", f"--username={_OWNER}"]
    if int(where.parent.name) >= 15:
        # It orders text unlike Python does, as people's own databases do.
        options += ["--locale-provider=icu", "--icu-locale=en-US"]
    cluster.run("initdb", "-D", data, *options, "--locale=C.UTF-8")
    with (folder / "data" / "postgresql.conf").open("a") as settings:
        settings.write(f"{_SETTINGS}{more}port = {cluster.port}\n")
    return cluster


@contextmanager
def running(where: Path, more: str = UNSAFE) -> Iterator[Cluster]:
    """A cluster with these settings beside, gone with everything in it afterwards."""
    # Not pytest's folder: that one is closed to the user who runs this.
    with tempfile.TemporaryDirectory(prefix="onduty-postgres-") as folder:
        made = _made(Path(folder), where, more)
        made.control("start")
        try:
            yield made
        finally:
            made.control("stop", "-m", "immediate")


def needed() -> Path:
    """`programs`, for a test that cannot do without them."""
    where = programs()
    if where is None:
        if os.environ.get("CI") == "true":
            pytest.fail("PostgreSQL is not installed")
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    return where


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running server for the tests of this process."""
    with running(needed()) as made:
        yield made


@pytest.fixture
def own_cluster(cluster: Cluster) -> Iterator[Cluster]:
    """One more, for a test that stops it."""
    with running(cluster.programs) as made:
        yield made


@pytest.fixture(scope="session")
def template(cluster: Cluster) -> str:
    """The name of a database at this version's schema, to copy."""
    url = cluster.new()
    asyncio.run(postgres_schema.prepare(url))
    return url.rpartition("/")[2]


@pytest.fixture
def postgres_url(cluster: Cluster, template: str) -> str:
    """A new database."""
    return cluster.new(template)
