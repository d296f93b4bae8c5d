"""What statements make of the simulated schema, against what the server makes of them."""

import pytest

from migsafe import sql
from migsafe.catalog import live
from migsafe.hazards import blocks
from migsafe.schema import Key, Schema
from migsafe.schema.changes import advance
from tests.db import apart, measuring
from tests.hazard_cases import clinic

STATEMENTS = [
    # names
    "CREATE TABLE s1 (id serial); ALTER TABLE s1 RENAME TO s2; ALTER TABLE s1_id_seq RENAME TO s3",
    "CREATE TABLE s1 (id int GENERATED ALWAYS AS IDENTITY); ALTER TABLE s1 RENAME id TO number",
    "CREATE TABLE r (a int, b int, c int); CREATE INDEX ri ON r (a) INCLUDE (b) WHERE c > 0;"
    "ALTER TABLE r RENAME b TO d; ALTER TABLE r RENAME c TO e",
    "CREATE TABLE r (a int PRIMARY KEY, b int REFERENCES r); CREATE INDEX r_b_fkey ON r (b);"
    "ALTER INDEX r_b_fkey RENAME TO other; ALTER INDEX r_pkey RENAME TO r_pk",
    "CREATE TABLE a_b (c int UNIQUE); CREATE TABLE a (b_c int UNIQUE, CHECK (b_c > 0));"
    "CREATE TABLE a_b_c (key int); CREATE INDEX ON a (b_c); CREATE INDEX ON a_b (c)",
    "CREATE TABLE p (a int, b int) PARTITION BY RANGE (a); ALTER TABLE p RENAME a TO c",
    "CREATE TABLE e (a int, b text); CREATE INDEX ON e ((a + 1), (a + 2), b);"
    "CREATE TABLE f (LIKE e INCLUDING ALL)",
    "CREATE FUNCTION f1() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
    "CREATE TABLE t (a int); CREATE TRIGGER one BEFORE INSERT ON t EXECUTE FUNCTION f1();"
    "ALTER FUNCTION f1 RENAME TO f2; ALTER TRIGGER one ON t RENAME TO two",
    # schemas
    "CREATE SCHEMA other; CREATE TABLE t (id serial, m int UNIQUE); CREATE TYPE e AS ENUM ('a');"
    "ALTER TABLE t SET SCHEMA other; ALTER TYPE e SET SCHEMA other; CREATE SEQUENCE q;"
    "ALTER SEQUENCE q SET SCHEMA other; ALTER SCHEMA other RENAME TO third",
    "CREATE SCHEMA other; CREATE TABLE other.t (id serial); CREATE TYPE other.e AS ENUM ('a');"
    "CREATE DOMAIN other.d AS int; DROP SCHEMA other CASCADE",
    "CREATE SCHEMA other; SET search_path = other; CREATE TABLE t (a int); CREATE INDEX i ON t (a)",
    "CREATE SCHEMA other; SELECT set_config('search_path', 'other', true); CREATE TABLE t (a int)",
    "CREATE SCHEMA other CREATE TABLE t (a int PRIMARY KEY) CREATE SEQUENCE q",
    # columns
    "CREATE TABLE d (a text DEFAULT NULL, b varchar(5) DEFAULT NULL, c int DEFAULT NULL::int);"
    "ALTER TABLE d ADD e numeric(10) DEFAULT 1, ALTER e SET DEFAULT NULL, ADD f char, ADD g bit",
    "CREATE DOMAIN one AS int DEFAULT 1; CREATE TABLE d (a one, b one DEFAULT 2, c int);"
    "ALTER TABLE d ALTER b DROP DEFAULT, ALTER c TYPE one",
    "CREATE TABLE c (a int, b int, c int); CREATE INDEX c1 ON c (a) WHERE b > 0;"
    "CREATE INDEX c2 ON c (a) INCLUDE (b); CREATE INDEX c3 ON c (c); ALTER TABLE c DROP b",
    # constraints
    "CREATE TABLE u (id int UNIQUE, a int, PRIMARY KEY (id), UNIQUE (a, id))",
    "CREATE TABLE u (a int NOT NULL); CREATE UNIQUE INDEX u_pk ON u (a);"
    "ALTER TABLE u ADD PRIMARY KEY USING INDEX u_pk",
    "CREATE TABLE k (a int PRIMARY KEY, b int REFERENCES k ON DELETE CASCADE, c int CHECK (c > 0));"
    "ALTER TABLE k ALTER CONSTRAINT k_b_fkey DEFERRABLE INITIALLY DEFERRED",
    "CREATE TABLE k (a int PRIMARY KEY); CREATE TABLE l (a int REFERENCES k);"
    "ALTER TABLE l DROP CONSTRAINT l_a_fkey; DROP TABLE k",
    # types
    "CREATE TYPE c AS (a int, b text); ALTER TYPE c ADD ATTRIBUTE d int;"
    "ALTER TYPE c ALTER ATTRIBUTE a TYPE int8; ALTER TYPE c DROP ATTRIBUTE b;"
    "ALTER TYPE c RENAME ATTRIBUTE d TO e",
    "CREATE DOMAIN d AS int CHECK (VALUE > 0) CHECK (VALUE < 9); ALTER DOMAIN d ADD CHECK (true);"
    "ALTER DOMAIN d RENAME CONSTRAINT d_check1 TO low",
    "CREATE TYPE e AS ENUM ('a', 'c'); ALTER TYPE e ADD VALUE 'b' BEFORE 'c'",
    # sequences
    "CREATE SEQUENCE q; CREATE TABLE t (a int DEFAULT nextval('q')); ALTER SEQUENCE q OWNED BY t.a",
    "CREATE TABLE t (a int); CREATE SEQUENCE q OWNED BY t.a; ALTER SEQUENCE q OWNED BY NONE",
    "CREATE TABLE t (a serial, b int DEFAULT nextval('t_a_seq')); DROP SEQUENCE t_a_seq CASCADE",
    # indexes
    "CREATE TABLE i (a date, b jsonb, c varchar); CREATE INDEX i1 ON i ((a), date(a));"
    "CREATE INDEX i2 ON i USING gin (b jsonb_ops); CREATE INDEX i3 ON i (c text_ops);"
    "CREATE INDEX i4 ON i USING gin (b jsonb_path_ops);"
    "CREATE INDEX i5 ON i (c varchar_pattern_ops)",
    "CREATE TABLE i (a int); CREATE TABLE j (a int); CREATE INDEX x ON i (a);"
    "CREATE INDEX IF NOT EXISTS x ON j (a)",
    # partitions
    "CREATE TABLE p (a int PRIMARY KEY, b int REFERENCES patients) PARTITION BY RANGE (a);"
    "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (2); CREATE INDEX ON p (b)",
    "CREATE TABLE p (a int, b int) PARTITION BY RANGE (a); CREATE TABLE p1 (a int, b int);"
    "CREATE INDEX pi ON p (b); ALTER TABLE p ATTACH PARTITION p1 DEFAULT;"
    "ALTER TABLE p ADD CONSTRAINT pu UNIQUE (a), ADD CONSTRAINT pc CHECK (b > 0);"
    "ALTER TABLE p DROP CONSTRAINT pu; DROP INDEX pi",
    "CREATE INDEX ON visits (day); ALTER TABLE visits DROP CONSTRAINT visits_pkey",
    "ALTER TABLE visits ALTER id SET DEFAULT 1, DROP CONSTRAINT visits_pkey",
    "CREATE FUNCTION f1() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
    "CREATE TRIGGER one BEFORE INSERT ON visits FOR EACH ROW EXECUTE FUNCTION f1();"
    "CREATE TRIGGER two AFTER INSERT ON visits EXECUTE FUNCTION f1();"
    "CREATE TABLE v4 PARTITION OF visits FOR VALUES FROM ('2004-01-01') TO ('2005-01-01')",
    # what goes along
    "CREATE TABLE v (a int); CREATE VIEW v1 AS SELECT a FROM v; CREATE VIEW v2 AS SELECT a FROM v1;"
    "CREATE TABLE v3 AS SELECT a FROM v; DROP VIEW v1 CASCADE",
    "CREATE TABLE v (a int); CREATE VIEW v1 AS SELECT a FROM v; DROP TABLE v CASCADE",
    "CREATE FUNCTION f1() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
    "CREATE TABLE t (a int); CREATE TRIGGER one BEFORE INSERT ON t EXECUTE FUNCTION f1();"
    "DROP FUNCTION f1 CASCADE",
]


@pytest.mark.parametrize("text", STATEMENTS)
def test_statements_make_the_schema_that_the_server_makes(
    text: str, clinics: measuring.Clinics
) -> None:
    told = clinic()
    conn = clinics.clean()
    with conn.transaction(force_rollback=True):
        for statement in sql.parse(text):
            conn.execute(statement.text.encode())
            advance(told, statement, "1")
        read = live.read(conn)
    found = [*apart.compared(told, read)]
    assert found == []


def test_a_branch_that_may_not_run_leaves_its_table_unknown() -> None:
    told = clinic()
    text = "ALTER TABLE staff ADD nick text"
    (statement,) = sql.parse(f"DO $$BEGIN IF random() > 2 THEN {text}; END IF; END$$")
    for inner in blocks.inside(statement, told):
        advance(told, inner, "1")
    assert not told.tables[Key("public", "staff")].known
    assert len(told.opaque) == 1


def test_a_schema_that_the_path_waits_for_comes_to_be_looked_in() -> None:
    told = Schema(path=("public",), search=("app", "public"))
    for statement in sql.parse("CREATE SCHEMA app; CREATE TABLE t (a int)"):
        advance(told, statement, "1")
    assert list(told.tables) == [Key("app", "t")]
