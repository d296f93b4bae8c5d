"""Questions derived from SQL, on schemas made by hand; the rows are in tests/db."""

from collections.abc import Iterable

import pytest

from migsafe import sql
from migsafe.audits import DERIVED, Audit, Verdict, derived
from migsafe.audits.derived.walking import duplicate, parts
from migsafe.findings import CODES
from migsafe.hazards import Unit
from migsafe.schema import Column, Constraint, Index, Key, Place, Schema, Table, Type


def table(name: str, *columns: str, key: str = "id") -> Table:
    """Return a live table of text columns, its key int."""
    made = {c: Column(name=c, type=Type(None, "text"), live=c) for c in columns}
    made[key] = Column(name=key, type=Type(None, "int4"), live=key, not_null=True)
    where = Key("public", name)
    primary = Constraint(name=f"{name}_pkey", kind="p", columns=(key,), live=True)
    return Table(
        key=where, known=True, live=where, columns=made, constraints={primary.name: primary}
    )


def schema(*tables: Table, version: int = 18) -> Schema:
    return Schema(complete=True, version=version, tables={made.key: made for made in tables})


def units(*texts: str) -> Iterable[Unit]:
    for number, text in enumerate(texts, start=1):
        yield Unit(
            name=f"m{number}",
            file=f"m{number}.sql",
            text=text,
            statements=sql.parse(text),
            transaction=True,
        )


def asked(on: Schema, *texts: str) -> list[Audit]:
    return derived.derive(units(*texts), on)


def test_every_name_has_a_code_that_is_listed_and_its_own() -> None:
    assert set(DERIVED.values()) <= set(CODES)
    assert len(set(DERIVED.values())) == len(DERIVED)


def test_a_question_is_an_ordinary_audit_with_its_place_and_its_sql() -> None:
    (audit,) = asked(schema(table("t", "a")), "\n\nALTER TABLE t\n ALTER a SET NOT NULL;")
    assert (audit.name, str(audit.file), audit.line) == ("set-not-null", "m1.sql", 3)
    assert audit.sql == 'SELECT t."id" FROM ONLY "public"."t" AS t WHERE t.a IS NULL'
    assert audit.derived
    assert (audit.derived.code, audit.derived.migration) == ("MD101", "m1")
    assert (audit.derived.statement, audit.derived.end_line) == (1, 4)
    assert audit.derived.primary == (("id", "int4"),)


def test_the_schema_that_is_given_is_left_as_it_is() -> None:
    given = schema(table("t", "a"))
    asked(given, "ALTER TABLE t RENAME a TO b; ALTER TABLE t RENAME TO u; DROP TABLE u")
    assert list(given.tables) == [Key("public", "t")]
    assert list(given.tables[Key("public", "t")].columns) == ["a", "id"]
    twin = duplicate(given)
    twin.tables[Key("public", "t")].columns["a"].not_null = True
    assert not given.tables[Key("public", "t")].columns["a"].not_null


@pytest.mark.parametrize(
    ("migration", "condition"),
    [
        ("ADD CHECK (length(a) > 3)", "NOT (length(t.a) > 3)"),
        ("ADD CHECK (t.a <> 'it''s \\n')", "NOT (t.a <> 'it''s \\n')"),
        ("ADD COLUMN b int NOT NULL", "true"),
        ("DROP COLUMN a", "t.a IS NOT NULL"),
        ("ADD COLUMN b int DEFAULT 2 CHECK (b > 2)", "NOT (CAST(2 AS integer) > 2)"),
    ],
)
def test_expressions_are_those_of_the_statement(migration: str, condition: str) -> None:
    (audit,) = asked(schema(table("t", "a")), f"ALTER TABLE t {migration}")
    assert audit.derived
    assert audit.derived.scan
    assert audit.derived.scan.condition == condition


def test_a_value_follows_its_column_through_its_types() -> None:
    text = """ALTER TABLE t ALTER a TYPE int USING length(a);
        ALTER TABLE t RENAME a TO b; ALTER TABLE t ADD CHECK (b > 0)"""
    *_, last = asked(schema(table("t", "a")), text)
    assert last.sql.endswith("WHERE NOT (CAST(length(t.a) AS integer) > 0)")


def test_all_using_of_a_statement_see_the_old_values() -> None:
    text = """ALTER TABLE t ALTER a TYPE int USING length(b), ALTER b TYPE int USING length(a);
        ALTER TABLE t ADD CHECK (a > b)"""
    *_, last = asked(schema(table("t", "a", "b")), text)
    assert "CAST(length(t.b) AS integer) > CAST(length(t.a) AS integer)" in last.sql


@pytest.mark.parametrize("written", ["now()", "random()", "other()"])
def test_what_is_computed_later_is_unknown(written: str) -> None:
    text = f"ALTER TABLE t ADD COLUMN b timestamptz DEFAULT {written} CHECK (b IS NOT NULL)"
    (audit,) = asked(schema(table("t")), text)
    assert audit.derived
    assert (audit.derived.settled, audit.sql) == (Verdict.UNKNOWN, "")


def test_an_earlier_write_of_another_migration_is_named_with_it() -> None:
    (audit,) = asked(
        schema(table("t", "a")), "\nUPDATE t SET a = 'x'", "ALTER TABLE t ALTER a SET NOT NULL"
    )
    assert audit.derived
    assert audit.derived.repairs == audit.derived.breaks == Place("m1", 2)


def test_a_path_of_its_own_goes_with_the_question() -> None:
    on = schema(table("t", "a"))
    text = "SET search_path = other, public; ALTER TABLE t ADD CHECK (fits(a))"
    (audit,) = asked(on, text)
    assert audit.derived
    assert audit.derived.path == ("other", "public")


def two_paths() -> Schema:
    """Return a schema with a table of the same name in public and in s."""
    other = table("t", "a")
    other.key = other.live = Key("s", "t")
    return schema(table("t", "a"), other)


@pytest.mark.parametrize(
    "before",
    [
        ("SET LOCAL search_path = s; SELECT 1;",),
        ("SAVEPOINT q; SET search_path = s; ROLLBACK TO q",),
        ("BEGIN; SET search_path = s; ROLLBACK",),
        ("SET LOCAL search_path = s; COMMIT",),
        ("SELECT set_config('search_path', 's', true)",),
    ],
)
def test_a_path_ends_with_what_it_was_set_for(before: tuple[str, ...]) -> None:
    *_, last = asked(two_paths(), *before, "ALTER TABLE t ALTER a SET NOT NULL")
    assert 'FROM ONLY "public"."t"' in last.sql


@pytest.mark.parametrize(
    "block",
    [
        "IF false THEN SET search_path = s; END IF;",
        "IF false THEN PERFORM set_config('search_path', 's', false); END IF;",
        "EXECUTE 'SET LOCAL search_path = s'; DROP TABLE other;",
        "PERFORM set_config('search_path', current_setting('x.y'), false);",
    ],
)
def test_a_path_that_a_block_may_set_makes_everything_unknown(block: str) -> None:
    text = f"DO $$ BEGIN {block} END $$; ALTER TABLE t ALTER a SET NOT NULL"
    *_, last = asked(two_paths(), text)
    assert last.derived
    assert last.derived.settled is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("undone", "sql_"),
    [
        ("SAVEPOINT s; {}; ROLLBACK TO s", 'FROM ONLY "public"."t" AS t WHERE t.a IS NULL'),
        ("SAVEPOINT s; SAVEPOINT s; RELEASE s; {}; ROLLBACK TO SAVEPOINT s", "t.a IS NULL"),
        ("SAVEPOINT s; SAVEPOINT r; {}; ROLLBACK TO s; SAVEPOINT r", "t.a IS NULL"),
        ("{}; ROLLBACK", "t.a IS NULL"),
        ("BEGIN; {}; ROLLBACK", "t.a IS NULL"),
    ],
)
@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE t DROP a; ALTER TABLE t ADD a int NOT NULL DEFAULT 1",
        "DROP TABLE t",
        "UPDATE t SET a = NULL",
        "ALTER TABLE t RENAME a TO b",
        "DO $$ BEGIN EXECUTE current_setting('my.sql'); END $$",
    ],
)
def test_what_is_rolled_back_has_not_been_done(undone: str, sql_: str, statement: str) -> None:
    text = f"{undone.format(statement)}; ALTER TABLE t ALTER a SET NOT NULL"
    *_, last = asked(schema(table("t", "a")), text)
    assert last.derived
    assert (last.derived.settled, last.derived.breaks) == (None, None)
    assert last.sql.endswith(sql_)


def test_only_what_follows_the_savepoint_is_undone() -> None:
    text = """UPDATE t SET a = NULL; SAVEPOINT s; ALTER TABLE t RENAME a TO b; ROLLBACK TO s;
        ALTER TABLE t ALTER a SET NOT NULL"""
    *_, last = asked(schema(table("t", "a")), text)
    assert last.derived
    assert last.derived.breaks == Place("m1", 1)


def test_subcommands_are_done_in_the_servers_order() -> None:
    text = """ALTER TABLE t ADD CHECK (a > 0), ADD COLUMN b int, ALTER a TYPE int USING a::int,
        DROP COLUMN c, ALTER d TYPE text"""
    (statement,) = sql.parse(text)
    done = [[c.subtype.name for c in node.cmds] for node in parts(statement.node)]
    assert done == [
        ["AT_DropColumn"],
        ["AT_AlterColumnType", "AT_AlterColumnType"],
        ["AT_AddColumn"],
        ["AT_AddConstraint"],
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE nowhere ALTER a SET NOT NULL",
        "ALTER TABLE IF EXISTS nowhere DROP COLUMN a",
        "ALTER TABLE t ADD COLUMN IF NOT EXISTS a text NOT NULL",
        "ALTER TABLE t DROP COLUMN IF EXISTS nothing",
        "ALTER TABLE t ADD COLUMN b text DEFAULT 'x' NOT NULL",
        "ALTER TABLE t ADD CHECK (a > '') NOT VALID",
        "ALTER TABLE t ALTER a TYPE varchar",
        "CREATE TABLE u (id int PRIMARY KEY, a text NOT NULL UNIQUE)",
        "CREATE INDEX ON t (id)",
        "INSERT INTO t (a) SELECT 'x'",
        "DELETE FROM t",
        "DROP TABLE IF EXISTS nowhere",
    ],
)
def test_what_no_row_decides_raises_no_question(statement: str) -> None:
    assert asked(schema(table("t", "a")), statement) == []


@pytest.mark.parametrize("version", [13, 15, 16, 18])
def test_casts_are_tried_where_the_server_cannot_test_a_text(version: int) -> None:
    text = "ALTER TABLE t ALTER a TYPE int USING a::int"
    (audit,) = asked(schema(table("t", "a"), version=version), text)
    assert ("pg_input_is_valid" in audit.sql) == (version >= 16)
    assert ("AS tried" in audit.sql) == (version < 16)


def test_a_write_is_remembered_under_the_columns_later_name() -> None:
    text = """UPDATE t SET a = NULL; ALTER TABLE t RENAME a TO b; ALTER TABLE t ADD a text;
        ALTER TABLE t ALTER b SET NOT NULL"""
    *_, last = asked(schema(table("t", "a")), text)
    assert last.derived
    assert last.derived.breaks == Place("m1", 1)


def test_a_table_without_a_page_is_empty_unless_its_heirs_are_not() -> None:
    parent, heir = table("t", "a"), table("heir", "a")
    parent.empty, heir.parents = True, (parent.key,)
    text = "ALTER TABLE t ALTER a SET NOT NULL"
    (audit,) = asked(schema(parent), text)
    assert audit.derived
    assert audit.derived.settled is Verdict.PASS
    (both,) = asked(schema(parent, heir), text)
    assert both.derived
    assert (both.derived.settled, 'FROM "public"."t" AS t' in both.sql) == (None, True)


def test_the_same_key_twice_in_one_insert_is_told_without_the_rows() -> None:
    on = schema(table("t", "a"))
    index = Index(name="t_pkey", columns=("id",), unique=True, live=True)
    on.tables[Key("public", "t")].indexes["t_pkey"] = index
    found = asked(on, "INSERT INTO t (id) VALUES (1), (2), (1)")
    assert [audit.derived.settled for audit in found if audit.derived] == [None, Verdict.FAIL]


def moments() -> Schema:
    made = table("t", "a")
    for name, kind in (
        ("at", "timestamptz"),
        ("updated", "text"),
        ("bytes", "bytea"),
        ("n", "int4"),
        ("x", "float8"),
    ):
        made.columns[name] = Column(name=name, type=Type(None, kind), live=name)
    return schema(made)


def unknown(on: Schema, *texts: str) -> bool:
    *_, last = asked(on, *texts)
    assert last.derived
    assert last.derived.settled in (None, Verdict.UNKNOWN)
    return last.derived.settled is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("setting", "migration"),
    [
        ("SET datestyle = 'ISO, DMY'", "ALTER a TYPE date USING a::date"),
        ("SET LOCAL datestyle = 'ISO, DMY'", "ALTER a TYPE timestamptz USING a::timestamptz"),
        ("SELECT set_config('DateStyle', 'DMY', true)", "ALTER a TYPE date USING a::date"),
        ("DO $$ BEGIN SET datestyle = 'DMY'; END $$", "ALTER a TYPE date USING a::date"),
        (
            "DO $$ BEGIN IF true THEN SET datestyle = 'DMY'; END IF; END $$",
            "ALTER a TYPE date USING a::date",
        ),
        ("SET timezone = 'Asia/Tokyo'", "ADD CHECK (extract(hour FROM at) < 20)"),
        ("SET TIME ZONE 'Asia/Tokyo'", "ADD CHECK (at::date > '2020-01-01')"),
        ("SET transform_null_equals = on", "ADD CHECK (n = NULL)"),
        ("SET array_nulls = off", "ALTER a TYPE int[] USING a::int[]"),
        ("SET bytea_output = 'escape'", "ADD CHECK (bytes::text LIKE 'x%')"),
        ("SET extra_float_digits = 0", "ADD CHECK (length(x::text) < 8)"),
        ("SET xmloption = document", "ALTER a TYPE xml USING a::xml"),
        ("SET my.rule = 'x'", "ADD CHECK (a <> current_setting('my.rule'))"),
        (
            "SET timezone = 'UTC'; ALTER TABLE t ALTER at TYPE date; RESET timezone",
            "ADD CHECK (at > '2020-01-01')",
        ),
    ],
)
def test_what_a_setting_of_the_migration_may_decide_is_unknown(
    setting: str, migration: str
) -> None:
    assert unknown(moments(), f"{setting}; ALTER TABLE t {migration}")
    assert not unknown(moments(), f"ALTER TABLE t {migration}")


@pytest.mark.parametrize(
    "before",
    [
        "SET statement_timeout = 0; SET lock_timeout = '5s'; SET client_encoding = 'UTF8'",
        "SET standard_conforming_strings = on; SET check_function_bodies = false",
        "SELECT pg_catalog.set_config('search_path', 'public', false)",
        "SET client_min_messages = warning; SET row_security = off; SET default_tablespace = ''",
        "SET timezone = 'UTC'; SET xmloption = content",
        "SET standard_conforming_strings = off; SET standard_conforming_strings = on",
        "DO $$ BEGIN IF true THEN SET lock_timeout = '1s'; UPDATE u SET n = 1; END IF; END $$",
        "SET datestyle = 'DMY'; RESET datestyle",
        "SET bytea_output = 'escape'; DISCARD ALL",
        "BEGIN; SET LOCAL datestyle = 'DMY'; COMMIT",
    ],
)
@pytest.mark.parametrize(
    "migration",
    [
        "ALTER at SET NOT NULL",
        "ADD UNIQUE (at, n)",
        "ADD CHECK (length(updated) > 3)",
        "ALTER a TYPE int USING a::int",
    ],
)
def test_settings_that_decide_nothing_leave_a_question(before: str, migration: str) -> None:
    assert not unknown(moments(), f"{before}; ALTER TABLE t {migration}")


def test_a_setting_for_a_transaction_ends_with_its_migration() -> None:
    last = "ALTER TABLE t ALTER a TYPE date USING a::date"
    assert not unknown(moments(), "SET LOCAL datestyle = 'DMY'", last)
    assert unknown(moments(), "SET datestyle = 'DMY'", last)


@pytest.mark.parametrize(
    "swap",
    [
        "ALTER FUNCTION f(int) RENAME TO old; ALTER FUNCTION g(int) RENAME TO f",
        "ALTER FUNCTION f(int) SET SCHEMA other",
    ],
)
def test_a_function_that_is_swapped_cannot_be_asked(swap: str) -> None:
    assert unknown(moments(), f"{swap}; ALTER TABLE t ADD CHECK (f(n))")
