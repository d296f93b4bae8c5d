"""What constraints prove of a partition's bound, against what PostgreSQL says that they prove."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from migsafe import sql
from migsafe.catalog import live
from migsafe.schema import Key, Schema, bounds
from migsafe.schema.changes import advance

Conn = psycopg.Connection[Any]

TEXT = "('c')", "('c', 'd')", "('c', NULL)"

#: A type, the checks of a table, the bounds that it is held against.
CASES: list[tuple[str, list[str], list[str]]] = [
    (
        "integer",
        [
            *("k >= 10 AND k < 20", "k BETWEEN 10 AND 19", "k BETWEEN 10 AND 20", "k = 12"),
            *("k IN (10, 12)", "k IN (10, 25)", "k > 9 AND k <= 19", "10 <= k AND 20 > k"),
            *("k >= '10' AND k < '20'", "k < 20", "k >= 12 AND k < 15", "NOT (k < 10 OR k >= 20)"),
            *("k = 12 OR k = 13", "k < 10", "k >= 20", "k < 10 OR k >= 20", "k NOT IN (12, 13)"),
            *("k NOT BETWEEN 10 AND 20", "k <> 12", "k = ANY (ARRAY[1, 2])", "k + 0 < 10"),
            *("k >= 10::bigint AND k < 20::bigint", "k >= 10.0 AND k < 20.0", "k < 10 AND id > 0"),
        ],
        ["FROM (10) TO (20)", "FROM (MINVALUE) TO (20)", "FROM (10) TO (MAXVALUE)"],
    ),
    ("numeric", ["k >= 10 AND k < 20.0", "k >= '10.5' AND k <= 19.99"], ["FROM (10) TO (20)"]),
    (
        "date",
        [
            *("k >= '2026-01-01' AND k < '2027-01-01'", "k <= '2026-12-31' AND k > '2026-02-02'"),
            *("k BETWEEN DATE '2026-01-01' AND DATE '2026-12-31'", "k < '2026-01-01'"),
            "k >= '2026-01-01'::timestamp AND k < '2027-01-01'::timestamp",
        ],
        ["FROM ('2026-01-01') TO ('2027-01-01')"],
    ),
    (
        "timestamp",
        [
            *("k >= '2026-01-01' AND k < '2026-12-31 23:59'", "k >= '2026-01-01 00:00:00.5'"),
            "k >= '2026-01-01+05' AND k < '2027-01-01 00:00'",
        ],
        ["FROM ('2026-01-01') TO ('2027-01-01 00:00:00')"],
    ),
    (
        "timestamptz",
        [
            *("k >= '2026-01-01+00' AND k < '2026-12-31 23:00-01'", "k >= '2026-01-01'"),
            "k >= '2026-01-01 01:00+01' AND k < '2027-01-01 00:00:00Z'",
        ],
        ["FROM ('2026-01-01+00') TO ('2027-01-01 00:00:00+00')"],
    ),
    (
        "text",
        ["k = 'c'", "k IN ('c', 'd')", "k = 'c' OR k = 'd'", "k <> 'c'", "k NOT IN ('c', 'd')"],
        [f"IN {one}" for one in TEXT],
    ),
    ("varchar(5)", ["k = 'c'", "k IN ('x', 'y')", "k <> 'c'"], [f"IN {one}" for one in TEXT]),
    ("char(3)", ["k = 'c'", "k = 'c  '", "k <> 'c '"], [f"IN {one}" for one in TEXT]),
    ('text COLLATE "C"', ["k = 'c'", "k <> 'c'"], ["IN ('c')"]),
    ("staff_role", ["k = 'nurse'", "k = 'clerk'", "k <> 'nurse'"], ["IN ('nurse')"]),
    (
        "uuid",
        ["k = '{00000000-0000-0000-0000-00000000000A}'"],
        ["IN ('00000000-0000-0000-0000-00000000000a')"],
    ),
]

TRIPLES = [
    (type_, check, bound) for type_, checks, found in CASES for check in checks for bound in found
]


@pytest.fixture(scope="module")
def conn(server: str) -> Iterator[Conn]:
    with psycopg.connect(server, autocommit=True) as session:
        session.execute("SET client_min_messages = debug1")
        yield session


def parent(type_: str, bound: str) -> str:
    strategy = "RANGE" if bound.startswith("FROM") else "LIST"
    return f"""CREATE TYPE staff_role AS ENUM ('doctor', 'nurse', 'clerk');
               CREATE TABLE p (id int, k {type_}) PARTITION BY {strategy} (k);"""


def said(conn: Conn, text: str) -> tuple[list[str], Schema]:
    """Run a text for a moment; return what the server says of proofs, and the schema before.

    The schema is that of the catalog, before the last statement.
    """
    notices: list[str] = []
    conn.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
    *first, last = sql.parse(text)
    with conn.transaction(force_rollback=True):
        for statement in first:
            conn.execute(statement.text.encode())
        schema = live.read(conn)
        notices.clear()
        conn.execute(last.text.encode())
    return [one for one in notices if "is implied by" in one], schema


def walked(text: str) -> Schema:
    schema = Schema()
    for statement in sql.parse(text)[:-1]:
        advance(schema, statement, "1_a")
    return schema


def bound_of(text: str) -> Any:
    node = sql.parse(text)[-1].node
    return getattr(node, "partbound", None) or node.cmds[0].def_.bound


@pytest.mark.parametrize(("type_", "check", "bound"), TRIPLES)
def test_rows_that_are_proven_to_fit_are_not_read(
    type_: str, check: str, bound: str, conn: Conn
) -> None:
    text = f"""{parent(type_, bound)} CREATE TABLE c (id int, k {type_} NOT NULL, CHECK ({check}));
               ALTER TABLE p ATTACH PARTITION c FOR VALUES {bound}"""
    proofs, catalog = said(conn, text)
    for schema in (catalog, walked(text)):
        table, whole = schema.tables[Key("public", "c")], schema.tables[Key("public", "p")]
        assert bool(proofs) or not bounds.fits(table, whole, bound_of(text))


@pytest.mark.parametrize(("type_", "check", "bound"), TRIPLES)
def test_rows_that_are_proven_to_be_elsewhere_are_not_read(
    type_: str, check: str, bound: str, conn: Conn
) -> None:
    text = f"""{parent(type_, bound)} CREATE TABLE d PARTITION OF p DEFAULT;
               ALTER TABLE d ADD CHECK ({check});
               CREATE TABLE c PARTITION OF p FOR VALUES {bound}"""
    proofs, catalog = said(conn, text)
    for schema in (catalog, walked(text)):
        table, whole = schema.tables[Key("public", "d")], schema.tables[Key("public", "p")]
        assert bool(proofs) or not bounds.avoids(table, whole, bound_of(text))


@pytest.mark.parametrize(
    ("type_", "check", "bound"),
    [
        ("integer", "k >= 10 AND k < 20", "FROM (10) TO (20)"),
        ("integer", "k BETWEEN 12 AND 19", "FROM (10) TO (20)"),
        ("integer", "NOT (k < 10 OR k >= 20)", "FROM (10) TO (20)"),
        ("date", "k >= '2026-01-01' AND k < '2027-01-01'", "FROM ('2026-01-01') TO ('2027-01-01')"),
        ("timestamptz", "k >= '2026-01-01+00'", "FROM ('2026-01-01+00') TO (MAXVALUE)"),
        ("text", "k IN ('c', 'd')", "IN ('c', 'd', 'e')"),
        ("varchar(5)", "k = 'c'", "IN ('c')"),
        ("staff_role", "k = 'nurse'", "IN ('nurse')"),
    ],
)
def test_what_is_written_most_is_proven(type_: str, check: str, bound: str, conn: Conn) -> None:
    text = f"""{parent(type_, bound)} CREATE TABLE c (id int, k {type_} NOT NULL, CHECK ({check}));
               ALTER TABLE p ATTACH PARTITION c FOR VALUES {bound}"""
    proofs, catalog = said(conn, text)
    assert proofs
    for schema in (catalog, walked(text)):
        table, whole = schema.tables[Key("public", "c")], schema.tables[Key("public", "p")]
        assert bounds.fits(table, whole, bound_of(text))


@pytest.mark.parametrize(
    ("type_", "check", "bound"),
    [
        ("integer", "k < 10", "FROM (10) TO (20)"),
        ("integer", "k < 10 OR k >= 20", "FROM (10) TO (20)"),
        ("integer", "NOT (k >= 10 AND k < 20)", "FROM (10) TO (20)"),
        ("date", "k < '2026-01-01'", "FROM ('2026-01-01') TO ('2027-01-01')"),
        ("text", "k NOT IN ('c', 'd')", "IN ('c')"),
        ("text", "k = 'x'", "IN ('c', 'd')"),
        ("staff_role", "k <> 'nurse'", "IN ('nurse')"),
    ],
)
def test_a_default_partition_is_kept_out_by_what_is_written_most(
    type_: str, check: str, bound: str, conn: Conn
) -> None:
    text = f"""{parent(type_, bound)} CREATE TABLE d PARTITION OF p DEFAULT;
               ALTER TABLE d ADD CHECK ({check});
               CREATE TABLE c PARTITION OF p FOR VALUES {bound}"""
    proofs, catalog = said(conn, text)
    assert proofs
    for schema in (catalog, walked(text)):
        table, whole = schema.tables[Key("public", "d")], schema.tables[Key("public", "p")]
        assert bounds.avoids(table, whole, bound_of(text))


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE c (id int, k int, CHECK (k >= 10 AND k < 20))",
        "CREATE TABLE c (id int, k int NOT NULL, CHECK (k >= 10))",
        """CREATE TABLE c (id int, k int NOT NULL);
           ALTER TABLE c ADD CHECK (k >= 10 AND k < 20) NOT VALID""",
    ],
)
def test_nulls_open_ends_and_constraints_that_are_not_valid_prove_nothing(
    text: str, conn: Conn
) -> None:
    bound = "FROM (10) TO (20)"
    whole = f"{parent('int', bound)} {text}; ALTER TABLE p ATTACH PARTITION c FOR VALUES {bound}"
    proofs, _ = said(conn, whole)
    tables = walked(whole).tables
    fits = bounds.fits(tables[Key("public", "c")], tables[Key("public", "p")], bound_of(whole))
    assert (proofs, fits) == ([], False)
