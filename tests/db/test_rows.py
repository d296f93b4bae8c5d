"""Readings as rows: what a session of our own that asks again and again gets, and compares."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from migsafe import facts
from migsafe.catalog import schema
from migsafe.catalog.rows import Reader
from migsafe.facts import Key

Conn = psycopg.Connection[Any]

SCHEMA = """
CREATE TYPE mood AS ENUM ('good', 'bad'); CREATE DOMAIN code AS text CHECK (VALUE <> '');
CREATE TYPE pair AS (a int, b text COLLATE "C");
CREATE SCHEMA "Odd s";
CREATE TABLE "Odd s"."T" (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "n ü" serial UNIQUE,
    m mood DEFAULT 'good', c code, p pair, twice int GENERATED ALWAYS AS (2) STORED,
    at tstzrange, EXCLUDE USING gist (at WITH &&), CHECK (m <> 'bad')) WITH (fillfactor = 70);
CREATE INDEX plain ON "Odd s"."T" (c); COMMENT ON COLUMN "Odd s"."T".c IS 'said';
CREATE UNIQUE INDEX partly ON "Odd s"."T" (c) WHERE m = 'bad';
CREATE TABLE parent (id int, note text) PARTITION BY LIST (id);
CREATE TABLE child PARTITION OF parent FOR VALUES IN (1);
CREATE TABLE grandchild (x int) INHERITS ("Odd s"."T");
CREATE VIEW v AS SELECT id FROM "Odd s"."T"; CREATE MATERIALIZED VIEW mv AS SELECT 1 AS one;
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER tr BEFORE INSERT ON "Odd s"."T" FOR EACH ROW EXECUTE FUNCTION f();
CREATE POLICY pol ON "Odd s"."T" USING (id > 1); CREATE STATISTICS st ON id, c FROM "Odd s"."T";
CREATE TABLE schema_migrations (version bigint, dirty boolean); GRANT SELECT ON v TO PUBLIC;
"""


@pytest.fixture
def conn(database: str) -> Iterator[Conn]:
    with psycopg.connect(database, autocommit=True) as session:
        session.execute(SCHEMA)
        yield session


def everything(conn: Conn) -> dict[str, set[int]]:
    touched: dict[str, set[int]] = {}
    for kind, oid in schema.read(conn):
        touched.setdefault(kind, set()).add(oid)
    return touched


def test_rows_amount_to_the_facts(conn: Conn) -> None:
    reader = Reader(conn)

    assert reader.facts(reader.read().values()) == schema.facts(schema.read(conn))


def test_some_rows_are_those_of_a_full_reading(conn: Conn) -> None:
    reader = Reader(conn)
    touched = everything(conn)
    del touched["other"]

    full = {owner: owned for owner, owned in reader.read().items() if owner[0] != "other"}
    some = reader.read_some(touched, {})()

    # The table of golang-migrate has rows, and no facts.
    ledger = full.keys() - {(kind, oid) for kind, oids in touched.items() for oid in oids}
    assert len(ledger) == 1
    assert reader.changes({o: full[o] for o in full if o not in ledger}, some) == {}
    assert reader.read_some(touched, full)() == some


@pytest.mark.parametrize(
    "text",
    [
        "ALTER TABLE parent ADD COLUMN x int",
        'ALTER TABLE "Odd s"."T" RENAME TO u',
        'ALTER SEQUENCE "Odd s"."T_n ü_seq" CACHE 9',
        "ALTER TABLE schema_migrations ADD COLUMN x int",
        "DROP TABLE parent",
        "COMMENT ON TABLE parent IS 'x'",
        'DROP SCHEMA "Odd s" CASCADE',
    ],
)
def test_changes_are_what_differs_in_the_facts(conn: Conn, text: str) -> None:
    reader = Reader(conn)
    rows, before = reader.read(), schema.facts(schema.read(conn))
    conn.execute(text.encode())

    expected = facts.delta(facts.kept(before), facts.kept(schema.facts(schema.read(conn))))

    assert expected
    assert reader.changes(rows, reader.read()) == expected


def test_what_hangs_on_an_object_is_the_same_as_for_one_question(conn: Conn) -> None:
    reader, touched = Reader(conn), everything(conn)
    (oid,) = conn.execute("SELECT 'public.parent'::regclass::oid::bigint").fetchone() or (0,)

    assert reader.dependents(touched) == schema.dependents(conn, touched)
    assert len(reader.family({"relation": {oid}})["relation"]) == 2


def test_the_settings_of_the_session_are_as_before(conn: Conn) -> None:
    settings = "SELECT name, setting FROM pg_settings WHERE source <> 'default' ORDER BY 1"
    conn.execute("SET search_path = 'Odd s'; SET DateStyle = 'German'; SET jit = on")
    before = conn.execute(settings).fetchall()
    reader = Reader(conn)

    reader.read()
    reader.read_some({"relation": [1]}, {})

    assert conn.execute(settings).fetchall() == before


@pytest.mark.parametrize("forget", ["DISCARD ALL", "DEALLOCATE ALL"])
def test_what_is_prepared_is_prepared_again(conn: Conn, forget: str) -> None:
    reader = Reader(conn)
    before = reader.read()
    conn.execute(forget.encode())

    assert reader.read() == before


def test_a_transaction_of_a_file_goes_on(conn: Conn) -> None:
    reader = Reader(conn)
    conn.execute("BEGIN; CREATE TABLE mine (id int); SET LOCAL standard_conforming_strings = off")
    conn.execute("DEALLOCATE ALL")

    within = reader.facts(reader.read().values())

    assert Key("table", "public.mine", "", "") in within
    assert conn.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
    conn.execute("ROLLBACK")
    assert Key("table", "public.mine", "", "") not in reader.facts(reader.read().values())
