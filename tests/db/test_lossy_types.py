"""Changes of type that lose a part of values without an error, asked and then really made."""

import psycopg
import pytest

from migsafe import sql, target
from migsafe.audits import derived, run
from migsafe.catalog import live
from migsafe.findings import Finding
from migsafe.hazards import Unit

Conn = psycopg.Connection[tuple[object, ...]]

#: The types, a value that is lost in part, one that is kept, and USING where it is needed.
LOSSY = [
    ("timestamp", "time", "'2025-01-02 03:04'", "NULL", ""),
    ("interval", "time", "'1 day 02:00'", "NULL", ""),
    ("interval", "interval(0)", "'1.5 seconds'", "'2 seconds'", ""),
    ("inet", "cidr", "'10.0.0.1/8'", "'10.0.0.0/8'", ""),
    ("float8", "real", "0.123456789012", "0.5", ""),
    ("numeric", "float8", "0.1234567890123456789", "0.5", ""),
    ("bigint", "float8", "9007199254740993", "42", ""),
    ("numeric", "money", "1.005", "1.5", ""),
    ("text", "name", f"'{'x' * 70}'", "'short'", "c::name"),
    ("bit(8)", "bit(4)", "B'10101111'", "B'10100000'", "c::bit(4)"),
    ("numeric[]", "int[]", "'{1.5}'", "'{2}'", ""),
    ("int", "boolean", "2", "1", "c::boolean"),
]


def asked(url: str, migration: str) -> list[Finding]:
    unit = Unit(
        name="m", file="m", text=migration, statements=sql.parse(migration), transaction=True
    )
    with psycopg.connect(url, autocommit=True) as conn:
        audits = derived.derive([unit], live.read(conn))
    found = run.run(target.parse(url), audits, ["m"])
    return [finding for finding in found if finding.name.startswith("type-")]


@pytest.mark.parametrize(
    ("old", "new", "lost", "kept", "using"), LOSSY, ids=[f"{c[0]} to {c[1]}" for c in LOSSY]
)
def test_what_a_type_does_not_hold_is_counted_before_it_is_gone(
    database: str, conn: Conn, old: str, new: str, lost: str, kept: str, using: str
) -> None:
    conn.execute(f"CREATE TABLE t (id int PRIMARY KEY, c {old})".encode())
    conn.execute(f"INSERT INTO t VALUES (1, {kept})".encode())
    migration = f"ALTER TABLE t ALTER c TYPE {new}{f' USING {using}' if using else ''};"
    assert {finding.verdict for finding in asked(database, migration)} <= {"pass"}
    conn.execute(f"INSERT INTO t VALUES (2, {lost})".encode())
    found = asked(database, migration)
    assert "fail" in {finding.verdict for finding in found}, found
    before = conn.execute("SELECT c::text FROM t WHERE id = 2").fetchone()
    conn.execute(migration.encode())
    assert conn.execute("SELECT c::text FROM t WHERE id = 2").fetchone() != before
