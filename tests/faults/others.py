"""Sessions beside a deployment: those it has to wait for, and one that must not wait for it."""

import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Self

import psycopg
from psycopg import IsolationLevel

from migsafe.shadow import servers

Connection = psycopg.Connection[Any]

#: Seconds that anything here is waited for before it counts as a failure; arbitrary.
PATIENCE = 30.0

#: What the deployments of these tests meet. The dump of `ballast` is larger than a pipe.
SCHEMA = """\
CREATE TABLE patients (id int PRIMARY KEY);
INSERT INTO patients SELECT generate_series(1, 200);
CREATE TABLE visits (id serial PRIMARY KEY, patient int NOT NULL, at date);
INSERT INTO visits (patient) SELECT id FROM patients;
CREATE INDEX visits_at ON visits (at);
ALTER TABLE visits ADD CONSTRAINT positive CHECK (patient > 0) NOT VALID;
CREATE MATERIALIZED VIEW counted AS SELECT patient, count(*) FROM visits GROUP BY patient;
CREATE UNIQUE INDEX counted_patient ON counted (patient);
CREATE TABLE parts (id int) PARTITION BY RANGE (id);
CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE rest PARTITION OF parts FOR VALUES FROM (10) TO (1000);
INSERT INTO parts VALUES (1), (100);
CREATE TABLE unrelated (id int);
CREATE TABLE ballast AS SELECT repeat('x', 1000) AS x FROM generate_series(1, 1000);
"""


def until(found: Callable[[], object]) -> None:
    """Wait until a question has a true answer."""
    deadline = time.monotonic() + PATIENCE
    while not found():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


# ---------------------------------------------------------------- whom it waits for


@contextmanager
def held(url: str, *statements: str, isolation: IsolationLevel | None = None) -> Iterator[None]:
    """Stay idle in a transaction after these statements."""
    with psycopg.connect(url) as conn:
        conn.isolation_level = isolation
        for statement in statements:
            conn.execute(statement.encode())
        yield
        conn.rollback()


@contextmanager
def executing(url: str, statement: str) -> Iterator[None]:
    """Let the server execute a statement that does not end by itself."""
    with psycopg.connect(url, autocommit=True) as conn, psycopg.connect(url) as watch:
        conn.pgconn.send_query(statement.encode())
        watch.autocommit = True
        until(lambda: _waits(watch, conn.info.backend_pid, "PgSleep"))
        yield
        conn.cancel_safe(timeout=PATIENCE)
        while conn.pgconn.get_result():
            pass


def _waits(watch: Connection, pid: int, event: str) -> bool:
    query = "SELECT wait_event FROM pg_stat_activity WHERE pid = %s"
    return watch.execute(query, [pid]).fetchone() == (event,)


@contextmanager
def dumping(url: str) -> Iterator[None]:
    """Run pg_dump, whose output nobody reads until the end: it has all locks then."""
    sessions = "SELECT true FROM pg_stat_activity WHERE application_name = 'pg_dump'"
    begun = f"{sessions} AND datname = current_database() AND query ~ '^COPY'"
    command = [str(servers.embedded().programs / "pg_dump"), "--no-password", url]
    with (
        psycopg.connect(url, autocommit=True) as watch,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as dump,
    ):
        try:
            until(lambda: watch.execute(begun.encode()).fetchone() or dump.poll() is not None)
            yield
            _, said = dump.communicate(timeout=PATIENCE)
            assert dump.returncode == 0, said
        finally:
            dump.kill()


_ALL = ("SELECT FROM visits", "SELECT FROM counted", "SELECT FROM parts")

OTHERS: Mapping[str, Callable[[str], AbstractContextManager[None]]] = {
    "an idle reader": lambda url: held(url, *_ALL),
    "a long query": lambda url: executing(
        url, "SELECT pg_sleep(600) FROM (SELECT FROM visits, counted, parts LIMIT 1) AS _"
    ),
    "pg_dump": dumping,
    "an old snapshot": lambda url: held(
        url, "SELECT FROM unrelated", isolation=IsolationLevel.REPEATABLE_READ
    ),
    "an idle writer": lambda url: held(
        url, "INSERT INTO visits (patient) VALUES (1)", "INSERT INTO parts VALUES (1)"
    ),
    "maintenance": lambda url: held(
        url,
        "LOCK TABLE visits, parts IN SHARE UPDATE EXCLUSIVE MODE",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY counted",
    ),
}


# ---------------------------------------------------------------- who must not wait


class Probe:
    """Uses the tables all the time, and notes how long the server let it wait for a lock.

    The server measures it, so that a busy machine between us and it counts for little.
    """

    _STATEMENTS = (
        "SELECT count(*) FROM visits",
        "INSERT INTO visits (patient) VALUES (2)",
        "SELECT count(*) FROM counted",
        "SELECT count(*) FROM part",
        "INSERT INTO parts VALUES (100)",
    )
    _SETTINGS = (
        "SET log_lock_waits = on; SET deadlock_timeout = '10ms'; SET client_min_messages = log"
    )

    def __init__(self, url: str, *statements: str) -> None:
        self.waits: list[float] = []
        self.errors: list[str] = []
        self.count = 0
        self._statements = statements or self._STATEMENTS
        self._over = threading.Event()
        self._conn = psycopg.connect(url, autocommit=True)
        self._thread = threading.Thread(target=self._work, daemon=True)

    @property
    def worst(self) -> float:
        """The longest wait, in seconds; 0 where none was 10 ms."""
        return max(self.waits, default=0.0)

    def __enter__(self) -> Self:
        self._conn.execute(self._SETTINGS)
        self._conn.add_notice_handler(self._noted)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._conn.close()

    def _noted(self, diag: psycopg.errors.Diagnostic) -> None:
        if waited := re.search(r"acquired .* after ([\d.]+) ms", diag.message_primary or ""):
            self.waits.append(float(waited[1]) / 1000)

    def _work(self) -> None:
        try:
            while not self._over.wait(0.005):
                for statement in self._statements:
                    self._conn.execute(statement.encode())
                    self.count += 1
        except psycopg.Error as error:
            self.errors.append(str(error))
