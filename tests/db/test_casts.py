"""What `schema.casts` says of types, held against a real server for every pair of them."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from pglast import parse_sql
from psycopg import errors

from migsafe.schema import Domain, Enum, Key, Schema, Type, casts, reading

Conn = psycopg.Connection[tuple[object, ...]]

#: One type of each sort that a table of casts, lengths or operators tells apart.
TYPES = (
    *("smallint", "integer", "bigint", "real", "double precision", "money", "oid"),
    *("numeric", "numeric(10,2)", "numeric(12,2)", "numeric(10,3)"),
    *("text", "varchar", "varchar(10)", "varchar(20)", "char(10)", "bpchar", "citext", "name"),
    *("boolean", "uuid", "bytea", "json", "jsonb", "xml", "inet", "cidr", "point"),
    *("date", "timestamp", "timestamp(3)", "timestamp(6)", "timestamptz", "timestamptz(3)"),
    *("time", "time(2)", "interval", "interval(2)", "interval day to minute"),
    *("bit(8)", "varbit", "varbit(8)", "varbit(16)", "int4range"),
    *("text[]", "varchar(10)[]", "varchar[]", "integer[]", "bigint[]"),
    *("small_word", "positive", "mood", "hue", "pair", "regclass"),
)


def type_of(text: str) -> Type:
    statement: Any = parse_sql(f"SELECT NULL::{text}")[0].stmt
    return reading.type_of(statement.targetList[0].val.typeName)


def known() -> Schema:
    schema = Schema(version=18)
    schema.domains[Key("public", "small_word")] = Domain(base=type_of("varchar(10)"))
    schema.domains[Key("public", "positive")] = Domain(
        base=type_of("integer"), checks={"positive_check": "VALUE > 0"}
    )
    for name in ("mood", "hue"):
        schema.enums[Key("public", name)] = Enum(labels=["a", "b"])
    schema.composites[Key("public", "pair")] = {"a": type_of("integer")}
    return schema


@pytest.fixture
def types(conn: Conn) -> Conn:
    conn.execute("""
        CREATE EXTENSION citext;
        CREATE DOMAIN small_word AS varchar(10);
        CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
        CREATE TYPE mood AS ENUM ('a', 'b');
        CREATE TYPE hue AS ENUM ('a', 'b');
        CREATE TYPE pair AS (a integer);
        SET client_min_messages = error
    """)
    return conn


def changes(conn: Conn, old: str, using: str = "") -> Iterator[tuple[str, str]]:
    """Yield each type with the SQLSTATE that a column gets there, or what became of its table."""
    columns = ", ".join(f"c{at} {old}" for at in range(len(TYPES)))
    conn.execute(f"CREATE TABLE t ({columns})".encode())
    for at, new in enumerate(TYPES):
        before = file_of(conn)
        cast = using.format(f"c{at}", new)
        try:
            conn.execute(f"ALTER TABLE t ALTER COLUMN c{at} TYPE {new} {cast}".encode())
            yield new, "kept" if before == file_of(conn) else "rewritten"
        except (errors.DatatypeMismatch, errors.CannotCoerce) as error:
            yield new, str(error.sqlstate)
    conn.execute("DROP TABLE t")


def file_of(conn: Conn) -> object:
    (found,) = conn.execute("SELECT pg_relation_filenode('t')").fetchone() or ()
    return found


TIMES = tuple(name for name in TYPES if name.startswith(("time", "date", "interval")))


@pytest.mark.parametrize(
    ("zone", "present"), [("UTC", TYPES), ("Europe/Berlin", TIMES)], ids=["UTC", "Berlin"]
)
def test_a_change_of_type_rewrites_or_fails_as_it_is_said(
    types: Conn, zone: str, present: tuple[str, ...], server_major: int
) -> None:
    types.execute(f"SET TimeZone = '{zone}'".encode())
    schema, wrong = known(), []
    for old in present:
        for new, outcome in changes(types, old):
            pair = type_of(old), type_of(new)
            utc = zone == "UTC" and server_major >= 12
            if casts.castable(*pair, schema, explicit=False) is False:
                said = "42804"
            else:
                said = "kept" if casts.keeps(*pair, schema, utc=utc) else "rewritten"
            if said != outcome:
                wrong.append((old, new, said, outcome))
    assert wrong == [], wrong


def test_an_explicit_cast_exists_where_it_is_said(types: Conn, server_major: int) -> None:
    schema, wrong = known(), []
    for old in TYPES:
        for new, outcome in changes(types, old, "USING {}::{}"):
            said = casts.castable(type_of(old), type_of(new), schema, explicit=True)
            older = said and server_major < 18  # casts have been added ever since
            if (outcome == "42846") is not (said is False) and not older:
                wrong.append((old, new, said, outcome))
    assert wrong == [], wrong


def test_the_tables_of_casts_are_those_of_the_server(types: Conn, server_major: int) -> None:
    rows = types.execute("""
        SELECT s.typname, t.typname, castcontext::text, castmethod::text
        FROM pg_cast JOIN pg_type AS s ON s.oid = castsource JOIN pg_type AS t ON t.oid = casttarget
    """).fetchall()
    for source, target, context, method in rows:
        table = casts.EXPLICIT if context == "e" else casts.ASSIGNED
        if str(source) in table:
            assert str(target) in table[str(source)], (source, target)
            binary = str(target) in casts.SAME_BYTES.get(str(source), ())
            assert binary is (method == "b" and context != "e"), (source, target)
    theirs = {(str(source), str(target)) for source, target, *_ in rows}
    ours = {
        (source, target)
        for table in (casts.ASSIGNED, casts.EXPLICIT)
        for source, targets in table.items()
        for target in targets
    }
    newer = {pair for pair in ours - theirs if "hstore" not in pair and server_major >= 18}
    assert newer == set()


@pytest.mark.parametrize(
    ("old", "new", "value", "overflows", "loses"),
    [
        ("bigint", "integer", "5000000000", True, False),
        ("integer", "bigint", "5", False, False),
        ("varchar(10)", "varchar(5)", "abcdefgh", True, False),
        ("text", "varchar(5)", "abcdefgh", True, False),
        ("numeric(10,2)", "numeric(8,2)", "99999999.99", True, False),
        ("numeric(10,2)", "numeric(12,1)", "1.25", False, True),
        ("numeric", "integer", "1.5", True, True),
        ("numeric(4)", "bigint", "1234", False, False),
        ("double precision", "real", "1e300", True, True),
        ("double precision", "integer", "1.5", True, True),
        ("integer", "numeric(5,2)", "1234", True, False),
        ("integer", "varchar(5)", "1234567", True, False),
        ("integer", "varchar(11)", "-1234567890", False, False),
        ("timestamp", "date", "2024-01-01 10:00", False, True),
        ("timestamp", "timestamp(0)", "2024-01-01 10:00:00.7", False, True),
        ("timestamp(3)", "timestamp", "2024-01-01 10:00:00.7", False, False),
        ("interval", "interval day", "3 hours", False, True),
        ("inet", "varchar", "10.0.0.1", False, False),
        ("mood", "varchar(1)", "a", False, False),
    ],
)
def test_what_does_not_fit_fails_and_what_is_rounded_does_not(
    types: Conn, old: str, new: str, value: str, *, overflows: bool, loses: bool
) -> None:
    schema = known()
    assert casts.overflows(type_of(old), type_of(new), schema) is overflows
    assert casts.loses(type_of(old), type_of(new), schema, explicit=False) is loses
    types.execute(f"CREATE TABLE t (c {old}); INSERT INTO t VALUES ('{value}')".encode())
    try:
        types.execute(f"ALTER TABLE t ALTER COLUMN c TYPE {new}".encode())
    except psycopg.DataError:
        assert overflows
        return
    back = f"SELECT c::{old} = '{value}'::{old} FROM t".encode()
    (same,) = types.execute(back).fetchone() or ()
    assert same is not loses
