"""Retypings that PostgreSQL refuses for the rows that are there, and some that it does not."""

# ruff: noqa: E501  # lists of statements

import psycopg
import pytest

from migsafe import sql, target
from migsafe.audits import derived, run
from migsafe.catalog import live
from migsafe.findings import Finding, Severity
from migsafe.hazards import Unit

Conn = psycopg.Connection[tuple[object, ...]]

LIST = "CREATE TABLE p (id int, a {}) PARTITION BY LIST (id);"
PART = f"{LIST} CREATE TABLE c PARTITION OF p FOR VALUES IN (1);"

#: The tables with their rows, the migration, its SQLSTATE, and the oldest server that has it.
REFUSED = [
    # The type that USING casts to is not the new one.
    ("CREATE TABLE t (a text); INSERT INTO t VALUES ('3000000000')", "a TYPE bigint USING a::int", "22003", 0),
    ("CREATE TABLE t (a text); INSERT INTO t VALUES ('abc')", "a TYPE text USING a::int", "22P02", 0),
    ("CREATE TABLE t (a text); INSERT INTO t VALUES ('1.5')", "a TYPE numeric(12,2) USING a::int", "22P02", 0),
    ("CREATE TABLE t (a int); INSERT INTO t VALUES (70000)", "a TYPE int USING a::smallint", "22003", 0),
    ("CREATE TABLE t (a text); INSERT INTO t VALUES ('1')", "a TYPE int USING a::text", "42804", 0),
    ("CREATE TABLE t (a text); INSERT INTO t VALUES ('1')", "a TYPE int USING lower(a)", "42804", 0),
    ("CREATE DOMAIN d AS int CHECK (VALUE > 0); CREATE TABLE t (a int); INSERT INTO t VALUES (-1)", "a TYPE bigint USING a::d", "23514", 0),
    # A cast cuts what an assignment refuses.
    ("CREATE TABLE t (a varchar(10)[]); INSERT INTO t VALUES ('{abcdef}')", "a TYPE varchar(3)[]", "22001", 0),
    ("CREATE TABLE t (a text[]); INSERT INTO t VALUES ('{abcdef}')", "a TYPE char(3)[]", "22001", 0),
    ("CREATE TABLE t (a text[]); INSERT INTO t VALUES ('{abcdef}')", "a TYPE varchar(3)", "22001", 0),
    ("CREATE TABLE t (a text); INSERT INTO t VALUES ('abcdef,x')", "a TYPE varchar(3)[] USING string_to_array(a, ',')", "22001", 0),
    ("CREATE DOMAIN d AS varchar(3)[]; CREATE TABLE t (a text[]); INSERT INTO t VALUES ('{abcdef}')", "a TYPE d", "22001", 0),
    ("CREATE DOMAIN d AS varchar(3); CREATE TABLE t (a text[]); INSERT INTO t VALUES ('{abcdef}')", "a TYPE d[]", "22001", 0),
    ("CREATE TABLE t (a bit(8)); INSERT INTO t VALUES (B'10100000')", "a TYPE bit(4)", "22026", 0),
    ("CREATE TABLE t (a bit(4)); INSERT INTO t VALUES (B'1010')", "a TYPE bit(8)", "22026", 0),
    ("CREATE TABLE t (a bit(8)); INSERT INTO t VALUES (B'10100000')", "a TYPE varbit(4)", "22001", 0),
    ("CREATE TABLE t (a varbit); INSERT INTO t VALUES (B'10')", "a TYPE bit(4)", "22026", 0),
    ("CREATE DOMAIN d AS bit(3); CREATE TABLE t (a bit(5)); INSERT INTO t VALUES (B'10100')", "a TYPE d", "22026", 0),
    ("CREATE TABLE t (a varbit[]); INSERT INTO t VALUES ('{10}')", "a TYPE bit(3)[]", "22026", 0),
    # Values stay distinct, but a check or a predicate says something else of them.
    ("CREATE TABLE t (a int CHECK (a / 10 = 1)); INSERT INTO t VALUES (15)", "a TYPE numeric", "23514", 0),
    ("CREATE TABLE t (a char(5) CHECK (a ~ '^[A-Z ]{5}$')); INSERT INTO t VALUES ('AB')", "a TYPE text", "23514", 0),
    ("CREATE TABLE t (a char(5) CHECK (octet_length(a) = 5)); INSERT INTO t VALUES ('AB')", "a TYPE varchar(5)", "23514", 0),
    ("CREATE TABLE t (a int, b int, CHECK (a <= b)); INSERT INTO t VALUES (9, 10)", "a TYPE text, ALTER b TYPE text", "23514", 0),
    ("CREATE TABLE t (a int, b int); CREATE UNIQUE INDEX ON t (b) WHERE a / 10 <> 1; INSERT INTO t VALUES (15, 1), (25, 1)", "a TYPE numeric", "23505", 0),
    ("CREATE TABLE t (a int); CREATE INDEX ON t ((a * a)); INSERT INTO t VALUES (300)", "a TYPE smallint", "22003", 0),
    ("CREATE TABLE t (a int, b int); CREATE INDEX ON t (b) WHERE a * a > 1; INSERT INTO t VALUES (300)", "a TYPE smallint", "22003", 0),
    ("CREATE EXTENSION citext; CREATE TABLE t (a citext CHECK (a = 'x')); INSERT INTO t VALUES ('X')", "a TYPE text", "23514", 0),
    ("CREATE TABLE t (a varchar(9) UNIQUE); INSERT INTO t VALUES ('abc'), ('abc ')", "a TYPE varchar(3)", "23505", 0),
    ("CREATE TABLE t (a int UNIQUE); INSERT INTO t VALUES (149), (101)", "a TYPE numeric(5,-2)", "23505", 15),
    # Only a partition or an heir has it.
    ("CREATE TABLE p (id int, a numeric); CREATE TABLE c (CHECK (a <> 2)) INHERITS (p); INSERT INTO c VALUES (1, 1.6)", "a TYPE int", "23514", 0),
    (f"{LIST.format('numeric')} CREATE TABLE c PARTITION OF p (CHECK (a <> 2)) FOR VALUES IN (1); INSERT INTO p VALUES (1, 1.6)", "a TYPE int", "23514", 0),
    (f"{PART.format('numeric')} CREATE UNIQUE INDEX ON c (a); INSERT INTO p VALUES (1, 1.6), (1, 1.7)", "a TYPE int", "23505", 0),
    (f"{PART.format('text')} ALTER TABLE c ALTER a SET NOT NULL; INSERT INTO p VALUES (1, '')", "a TYPE text USING nullif(a, '')", "23502", 0),
    # An enum reads what the type puts out, and only casts to it are its own.
    ("CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE t (a char(5)); INSERT INTO t VALUES ('ok')", "a TYPE mood USING a::mood", "22P02", 0),
    ("CREATE TYPE mood AS ENUM ('ok'); CREATE TYPE m2 AS ENUM ('x'); CREATE TABLE t (a text); INSERT INTO t VALUES ('ok')", "a TYPE mood USING a::m2::text::mood", "22P02", 0),
    ("CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE t (a text); INSERT INTO t VALUES ('ok')", "a TYPE mood USING lower(a)", "42804", 0),
    # The rest.
    ("CREATE TABLE t (a jsonb NOT NULL); INSERT INTO t VALUES ('null')", "a TYPE int USING a::int", "23502", 18),
    ("CREATE EXTENSION btree_gist; CREATE TABLE t (id int, v daterange, UNIQUE (id, v WITHOUT OVERLAPS)); INSERT INTO t VALUES (1, '[2020-01-01,2020-02-01)'), (1, '[2020-03-01,2020-04-01)')", "v TYPE daterange USING daterange(lower(v), lower(v) + 1000)", "23P01", 18),
    ("CREATE TABLE t (a text COLLATE \"C\" CHECK (a = lower(a))); INSERT INTO t VALUES ('É')", 'a TYPE text COLLATE "pg_c_utf8"', "23514", 17),
    ("CREATE TABLE t (a text COLLATE \"C\"); CREATE UNIQUE INDEX ON t (lower(a)); INSERT INTO t VALUES ('É'), ('é')", 'a TYPE text COLLATE "pg_c_utf8"', "23505", 17),
    ("CREATE TABLE t (a text COLLATE \"C\"); INSERT INTO t VALUES ('É')", 'a TYPE text COLLATE "pg_c_utf8"; ALTER TABLE t ADD CHECK (a = lower(a))', "23514", 17),
    ("CREATE TABLE t (a int, v int GENERATED ALWAYS AS (a) VIRTUAL NOT NULL); INSERT INTO t VALUES (1)", "v SET EXPRESSION AS (nullif(a, 1))", "23502", 18),
    ("CREATE TABLE t (a int, v int GENERATED ALWAYS AS (a) VIRTUAL CHECK (v > 0)); INSERT INTO t VALUES (1)", "v SET EXPRESSION AS (a + 1)", "0A000", 18),
    ("CREATE TABLE t (a int CHECK (a > 0), v int GENERATED ALWAYS AS (a) VIRTUAL); INSERT INTO t VALUES (1)", "v SET EXPRESSION AS (a + 1)", "0A000", 18),
    ("CREATE TABLE p (id int, a int, s int GENERATED ALWAYS AS (a) STORED) PARTITION BY LIST (id); CREATE TABLE c PARTITION OF p (CHECK (s <> 2)) FOR VALUES IN (1); INSERT INTO p VALUES (1, 1)", "s SET EXPRESSION AS (a + 1)", "23514", 17),
]  # fmt: skip

#: The same of what succeeds.
DONE = [
    ("CREATE EXTENSION citext; CREATE TABLE t (a text); CREATE INDEX ON t (lower(a)); INSERT INTO t VALUES ('X')", "a TYPE citext", 0),
    ("CREATE TABLE t (a int, b int); CREATE INDEX ON t (b) WHERE a IS NOT NULL; INSERT INTO t VALUES (1)", "a TYPE smallint", 0),
    ("CREATE TABLE t (a varchar(9) PRIMARY KEY); CREATE TABLE u (a varchar(9) REFERENCES t); INSERT INTO t VALUES ('ab')", "a TYPE varchar(3)", 0),
    ("CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE t (a char(5)); INSERT INTO t VALUES ('ok'), (NULL)", "a TYPE mood USING a::text::mood", 0),
    ("CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE t (a int); INSERT INTO t VALUES (1), (NULL)", "a TYPE mood USING (CASE a WHEN 1 THEN 'ok' END)::mood", 0),
    ("CREATE TABLE t (a text COLLATE \"C\" UNIQUE CHECK (a <> '')); INSERT INTO t VALUES ('a')", 'a TYPE varchar(9)', 0),
    ("CREATE TABLE t (a text); INSERT INTO t VALUES ('1.5'), ('12.00')", "a TYPE int USING a::numeric", 0),
    ("CREATE TABLE t (a text NOT NULL); INSERT INTO t VALUES ('')", "a TYPE text USING nullif(a, ''), ALTER a DROP NOT NULL", 0),
    ("CREATE TABLE t (a text); INSERT INTO t VALUES ('1010')", "a TYPE bit(8) USING a::bit(8)", 0),
    ("CREATE TABLE t (a text[]); INSERT INTO t VALUES ('{abc,\"abc   \",NULL}'), (NULL)", "a TYPE varchar(3)[]", 0),
    ("CREATE TABLE t (a varchar(9)); CREATE UNIQUE INDEX ON t (lower(a)); INSERT INTO t VALUES ('ab')", "a TYPE varchar(3)", 0),
    ("CREATE TABLE t (a int CHECK (a / 10 = 1), b int); CREATE UNIQUE INDEX ON t (coalesce(a, 0)); INSERT INTO t VALUES (15)", "a TYPE bigint", 0),
    (f"{PART.format('numeric')} CREATE UNIQUE INDEX ON p (id, a); INSERT INTO p VALUES (1, 1)", "a TYPE int", 0),
    ("CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE t (a text); INSERT INTO t VALUES ('ok')", "a TYPE mood USING a::mood", 0),
    ("CREATE TABLE t (a bigint, v bigint GENERATED ALWAYS AS (a) VIRTUAL); INSERT INTO t VALUES (3000000000)", "v TYPE int", 18),
]  # fmt: skip


def asked(url: str, migration: str) -> list[Finding]:
    unit = Unit(
        name="m", file="m", text=migration, statements=sql.parse(migration), transaction=True
    )
    with psycopg.connect(url, autocommit=True) as conn:
        audits = derived.derive([unit], live.read(conn))
    return run.run(target.parse(url), audits, ["m"])


def altering(setup: str, change: str, since: int, major: int) -> str:
    if major < since:
        pytest.skip(f"PostgreSQL {since}")
    return f"ALTER TABLE {'p' if 'TABLE p' in setup else 't'} ALTER {change};"


@pytest.mark.parametrize(
    ("setup", "change", "state", "since"), REFUSED, ids=[f"{c[1]}: {c[2]}" for c in REFUSED]
)
def test_what_the_rows_refuse_is_no_pass(
    database: str,
    superuser: Conn,
    server_major: int,
    setup: str,
    change: str,
    state: str,
    since: int,
) -> None:
    migration = altering(setup, change, since, server_major)
    superuser.execute(setup.encode())
    found = asked(database, migration)
    grave = [one for one in found if one.severity is Severity.ERROR]
    assert {one.verdict for one in grave} & {"fail", "unknown"}, found
    with pytest.raises(psycopg.Error) as raised, superuser.transaction():
        superuser.execute(migration.encode())
    assert raised.value.sqlstate == state


@pytest.mark.parametrize(("setup", "change", "since"), DONE, ids=[case[1] for case in DONE])
def test_what_the_rows_allow_is_no_error(
    database: str, superuser: Conn, server_major: int, setup: str, change: str, since: int
) -> None:
    migration = altering(setup, change, since, server_major)
    superuser.execute(setup.encode())
    grave = [one for one in asked(database, migration) if one.severity is Severity.ERROR]
    assert {one.verdict for one in grave} <= {"pass"}, grave
    superuser.execute(migration.encode())
