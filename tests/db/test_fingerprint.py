"""What a fingerprint says of a database, and what it does not hide."""

import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from migsafe import target
from migsafe.catalog import counts
from migsafe.snapshots import fingerprint
from migsafe.snapshots.manifest import Fingerprint
from migsafe.target import Connection

Conn = psycopg.Connection[Any]

SCHEMA = """
CREATE SCHEMA "Klinik Süd";
CREATE TABLE "Klinik Süd"."Räume 100%" ("Nr." int PRIMARY KEY, t text);
INSERT INTO "Klinik Süd"."Räume 100%" SELECT n, 'x' FROM generate_series(1, 30) AS n;
CREATE TABLE visits (at int) PARTITION BY RANGE (at);
CREATE TABLE visits_1 PARTITION OF visits FOR VALUES FROM (0) TO (10);
INSERT INTO visits VALUES (1), (2);
CREATE UNLOGGED TABLE cache (id int);
CREATE TEMPORARY TABLE mine (id int);
CREATE VIEW big AS SELECT 1 AS one;
CREATE TABLE ledger (name text, done timestamptz, "t" int);
INSERT INTO ledger VALUES ('1_a', '2026-01-01 00:00 UTC', 1), ('2_b', NULL, 2);
"""


@pytest.fixture
def filled(conn: Conn, database: str) -> Iterator[Connection]:
    """A session on a database with tables of every kind."""
    conn.execute(SCHEMA)
    with target.connect(target.parse(database)) as session:
        yield session


def read(conn: Connection, **more: Any) -> Fingerprint:
    return fingerprint.read(conn, history="public.ledger", **more)


def test_every_table_that_holds_rows_is_counted_once(filled: Connection) -> None:
    found = read(filled)
    assert found.counts == {"Klinik Süd.Räume 100%": 30, "public.ledger": 2, "public.visits_1": 2}
    assert found.exact
    assert counts.unlogged(filled) == ["public.cache"]
    assert not filled.info.transaction_status


def test_the_same_database_has_the_same_fingerprint(filled: Connection, database: str) -> None:
    with target.connect(target.parse(database)) as other:
        other.execute("SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'SQL, DMY'")
        assert read(other) == read(filled)


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ("ALTER TABLE visits ADD COLUMN x int", "facts"),
        ("GRANT SELECT ON visits TO public", "facts"),
        ("INSERT INTO visits VALUES (3)", "counts"),
        ("UPDATE ledger SET done = now() WHERE name = '2_b'", "migrations"),
    ],
)
def test_a_change_is_seen_in_what_it_changes(
    filled: Connection, conn: Conn, change: str, differs: str
) -> None:
    before = read(filled)
    conn.execute(change.encode())
    after = read(filled)
    # Roles are the server's, where other tests make some meanwhile.
    changed = [
        name
        for name in ("facts", "counts", "migrations", "extensions")
        if getattr(before, name) != getattr(after, name)
    ]
    assert changed == [differs]


def test_no_time_gives_estimates_that_are_called_so(filled: Connection, conn: Conn) -> None:
    conn.execute("ANALYZE")
    found = read(filled, budget=0.0)
    assert not found.exact
    assert set(found.estimated) == set(found.counts)
    assert found.counts["Klinik Süd.Räume 100%"] == 30


def test_a_table_that_takes_too_long_leaves_time_to_the_rest_of_the_fingerprint(
    filled: Connection, conn: Conn
) -> None:
    conn.execute("CREATE TABLE slow AS SELECT generate_series(1, 2000000) AS id")
    conn.execute("ANALYZE slow")
    found = read(filled, budget=0.05)
    assert "public.slow" in found.estimated
    assert found.migrations
    assert found.roles


def test_a_locked_table_is_estimated_and_the_others_are_counted(
    filled: Connection, conn: Conn
) -> None:
    with conn.transaction():
        conn.execute("LOCK TABLE ledger")
        found = fingerprint.read(filled, history=None)
    assert found.estimated == ("public.ledger",)
    assert found.counts["public.visits_1"] == 2


def test_a_policy_hides_no_rows_from_a_count(filled: Connection, conn: Conn) -> None:
    role = f"test_{uuid.uuid4().hex[:12]}"
    conn.execute(
        f"""ALTER TABLE ledger ENABLE ROW LEVEL SECURITY;
            CREATE ROLE {role};
            GRANT SELECT ON ledger TO {role};""".encode()
    )
    try:
        filled.execute(f"SET ROLE {role}".encode())
        found = fingerprint.read(filled, history=None)
    finally:
        filled.execute("RESET ROLE")
        conn.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())
    assert "public.ledger" in found.estimated
    assert not found.exact


def test_in_a_transaction_it_reads_what_that_sees_and_changes_no_setting(
    filled: Connection, conn: Conn
) -> None:
    filled.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    filled.execute("SELECT 1 FROM ledger")
    conn.execute("INSERT INTO visits VALUES (3)")
    assert read(filled).counts["public.visits_1"] == 2
    row = filled.execute(
        "SELECT current_setting('search_path'), current_setting('row_security')"
    ).fetchone()
    assert row == ('"$user", public', "on")
    filled.execute("COMMIT")
    assert read(filled).counts["public.visits_1"] == 3


def test_a_history_without_a_table_has_no_sum(filled: Connection) -> None:
    assert fingerprint.read(filled, history="public.nowhere").migrations is None
