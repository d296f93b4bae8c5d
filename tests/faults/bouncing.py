"""PgBouncer, the real one, before a database: where it is, how it runs, and what it is told."""

import os
import pwd
import random
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import conninfo

#: Debian puts it where no user's PATH leads.
_PLACES = (os.environ.get("MIGSAFE_PGBOUNCER"), shutil.which("pgbouncer"), "/usr/sbin/pgbouncer")

PROGRAM = next((place for place in _PLACES if place and Path(place).is_file()), None)

#: Seconds that it may take to listen; arbitrary.
_START = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The settings that decide who gets which backend."""

    mode: str
    size: int
    round_robin: bool = False
    #: How many other clients take backends from it all the time.
    traffic: int = 0
    #: Seconds for which a client waits for a backend.
    wait: float = 5.0

    def __str__(self) -> str:
        """Name what is worth telling apart."""
        order = "one after the other" if self.round_robin else "last used first"
        busy = ", traffic" if self.traffic else ""
        return f"{self.mode}, {self.size} backends, {order}{busy}"


def version() -> str:
    """Return what it calls itself."""
    assert PROGRAM
    done = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]


@contextmanager
def bouncing(pool: Pool, database: str) -> Iterator[str]:
    """Run it before a database; yield the URL of the database behind it."""
    where = conninfo.conninfo_to_dict(database)
    folder = Path(tempfile.mkdtemp(prefix="migsafe-pgbouncer-"))
    port = _free_port()
    (folder / "pgbouncer.ini").write_text(_configured(pool, where, port, folder), "utf-8")
    (folder / "users").write_text(f'"{where["user"]}" ""\n', "utf-8")
    if user := _user(str(where["host"])):
        shutil.chown(folder, user)
    assert PROGRAM
    # Its user may not read the folder that a session of root stands in.
    process = subprocess.Popen(
        [PROGRAM, "-q", folder / "pgbouncer.ini"],
        user=pwd.getpwnam(user).pw_uid if user else None,
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await(process, port)
        url = f"postgresql://{where['user']}@127.0.0.1:{port}/{where['dbname']}"
        with _traffic(url, pool.traffic):
            yield url
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def _user(host: str) -> str | None:
    """Name who runs it for a session of root, which it refuses: who may use the server's socket."""
    if os.geteuid() != 0:
        return None
    return Path(host).owner() if host.startswith("/") else "nobody"


def _configured(pool: Pool, where: Mapping[str, object], port: int, folder: Path) -> str:
    upstream = f"host={where['host']} port={where.get('port') or 5432} user={where['user']}"
    if "password" in where:
        upstream += f" password={where['password']}"
    return f"""\
[databases]
{where["dbname"]} = {upstream} dbname={where["dbname"]}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
auth_file = {folder}/users
logfile = {folder}/log
pool_mode = {pool.mode}
default_pool_size = {pool.size}
query_wait_timeout = {pool.wait:g}
server_round_robin = {int(pool.round_robin)}
"""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _await(process: "subprocess.Popen[bytes]", port: int) -> None:
    until = time.monotonic() + _START
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert process.poll() is None, f"pgbouncer ended with {process.returncode}"
            assert time.monotonic() < until, "pgbouncer does not listen"
            time.sleep(0.01)


@contextmanager
def _traffic(url: str, clients: int) -> Iterator[None]:
    """Let other clients run short transactions all the time."""
    over = threading.Event()
    threads = [threading.Thread(target=_transactions, args=(url, over)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _transactions(url: str, over: threading.Event) -> None:
    chance = random.Random(url)
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as conn:
        while not over.wait(chance.uniform(0, 0.004)):
            conn.execute("SELECT pg_sleep(%s)", [chance.uniform(0, 0.002)])
