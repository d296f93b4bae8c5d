"""What rules on indexes and keys say of PostgreSQL that no single statement of a case shows."""

import psycopg
import pytest
from psycopg import errors, sql

from migsafe.hazards import foreign_ends
from migsafe.schema import Schema, Type

Conn = psycopg.Connection[tuple[object, ...]]


def invalid(conn: Conn) -> list[object]:
    rows = conn.execute(
        "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid ORDER BY 1"
    )
    return [name for (name,) in rows]


def test_a_lock_timeout_stops_a_build_that_waits_for_an_old_transaction_elsewhere(
    conn: Conn, database: str
) -> None:
    conn.execute("CREATE TABLE t (a int); CREATE TABLE elsewhere (b int)")
    conn.execute("SET lock_timeout = '100ms'")
    with psycopg.connect(database) as old:
        old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        old.execute("SELECT * FROM elsewhere")
        with pytest.raises(errors.LockNotAvailable):
            conn.execute("CREATE INDEX CONCURRENTLY i ON t (a)")
    assert invalid(conn) == ["i"]


@pytest.mark.parametrize("command", ["DROP INDEX CONCURRENTLY i", "REINDEX TABLE CONCURRENTLY t"])
def test_a_lock_timeout_leaves_an_invalid_index_after_other_commands_too(
    conn: Conn, database: str, command: str
) -> None:
    conn.execute("CREATE TABLE t (a int); CREATE INDEX i ON t (a)")
    conn.execute("SET lock_timeout = '100ms'")
    with psycopg.connect(database) as old:
        old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        old.execute("SELECT * FROM t")
        with pytest.raises(errors.LockNotAvailable):
            conn.execute(command.encode())
    assert len(invalid(conn)) == 1


def test_if_not_exists_is_content_with_an_invalid_index(conn: Conn) -> None:
    conn.execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1), (1)")
    build = "CREATE UNIQUE INDEX CONCURRENTLY {} i ON t (a)"
    with pytest.raises(errors.UniqueViolation):
        conn.execute(build.format("").encode())
    with pytest.raises(errors.DuplicateTable):
        conn.execute(build.format("").encode())
    conn.execute(build.format("IF NOT EXISTS").encode())
    assert invalid(conn) == ["i"]


def test_a_published_table_refuses_updates_without_its_primary_key(conn: Conn) -> None:
    conn.execute("CREATE TABLE t (a int CONSTRAINT k PRIMARY KEY); INSERT INTO t VALUES (1)")
    conn.execute("CREATE PUBLICATION p FOR TABLE t; ALTER TABLE t DROP CONSTRAINT k")
    with pytest.raises(errors.ObjectNotInPrerequisiteState):
        conn.execute("UPDATE t SET a = 2")
    conn.execute("ALTER TABLE t REPLICA IDENTITY FULL; UPDATE t SET a = 2")


def test_a_partial_index_without_nulls_finds_the_rows_of_a_key(conn: Conn) -> None:
    conn.execute("CREATE TABLE t (a int); INSERT INTO t SELECT generate_series(1, 10000)")
    conn.execute("CREATE INDEX i ON t (a) WHERE a IS NOT NULL; ANALYZE t")
    lines = conn.execute("EXPLAIN SELECT FROM ONLY t AS x WHERE 5 = a FOR KEY SHARE").fetchall()
    assert any("using i on t" in str(line) for (line,) in lines)


def test_an_expression_has_no_statistics_before_analyze(conn: Conn) -> None:
    conn.execute("CREATE TABLE t (a text); INSERT INTO t SELECT md5(n::text)"
                 " FROM generate_series(1, 100) AS n; ANALYZE t")  # fmt: skip
    conn.execute("CREATE INDEX i ON t (lower(a))")
    known = "SELECT count(*)::int FROM pg_stats WHERE tablename = 'i'"
    assert conn.execute(known).fetchone() == (0,)
    conn.execute("ANALYZE t")
    assert conn.execute(known).fetchone() == (1,)


def test_a_row_that_breaks_a_check_by_the_clock_refuses_every_update(conn: Conn) -> None:
    conn.execute(
        "CREATE TABLE t (a int, till timestamptz CHECK (till > statement_timestamp()));"
        "INSERT INTO t VALUES (1, clock_timestamp() + interval '50 ms')"
    )
    conn.execute("SELECT pg_sleep(0.1)")
    with pytest.raises(errors.CheckViolation):
        conn.execute("UPDATE t SET a = 2")


def test_the_ends_of_a_foreign_key_fit_as_the_server_says(conn: Conn) -> None:
    conn.execute("CREATE EXTENSION citext")
    types = list(foreign_ends._FITTING)
    for name in types:
        conn.execute(
            sql.SQL("CREATE TABLE {} (id {} PRIMARY KEY)").format(
                sql.Identifier(f"to_{name}"), sql.Identifier(name)
            )
        )
    pairs = [(own, other) for own in types for other in types]
    wrong = [pair for pair in pairs if _accepts(conn, *pair) != _said(*pair)]
    assert wrong == []


def _said(own: str, other: str) -> bool | None:
    return foreign_ends._fits(Type(None, own), Type(None, other), Schema())


def _accepts(conn: Conn, own: str, other: str) -> bool:
    parts = sql.Identifier(own), sql.Identifier(f"to_{other}")
    try:
        with conn.transaction(force_rollback=True):
            conn.execute(sql.SQL("CREATE TABLE c (id {} REFERENCES {})").format(*parts))
    except errors.DatatypeMismatch:
        return False
    return True
