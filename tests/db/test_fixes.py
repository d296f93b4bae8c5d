"""Fixes: what `lint --fix` writes makes the same schema, without the hazard, on a real server."""

import os
import pickle
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import psycopg
import pytest

from migsafe import facts, hazards, histories, sql
from migsafe.catalog import schema as reading
from migsafe.config import HistoryConfig
from migsafe.hazards import Options, Unit, fixes, rewrites, rules, suppressions
from migsafe.schema import Schema
from migsafe.schema.changes import advance
from tests.conftest import Databases
from tests.db import test_corpora as corpora
from tests.hazard_cases import CASES, load

SHARED = os.environ.get("MIGSAFE_SHARED")
Database = Callable[..., str]

#: The clinic without its rows: whether they survive is not the question here.
CLINIC = [
    statement
    for statement in sql.parse((CASES / "clinic.sql").read_text("utf-8"))
    if not re.match(r"(INSERT|UPDATE|DELETE)\b", statement.text, re.IGNORECASE)
]
FIXABLE = [rule for rule in rules() if rule.name in fixes.FIXES]


def unit(name: str, text: str) -> Unit:
    statements = sql.parse(text)
    loose = not any(statement.refuses for statement in statements)
    return Unit(name=name, file=name, text=text, statements=statements, transaction=loose)


@cache
def _clinic() -> bytes:
    schema = Schema()
    for statement in CLINIC:
        advance(schema, statement, "0")
    return pickle.dumps(schema)


def clinic() -> Schema:
    schema: Schema = pickle.loads(_clinic())
    return schema


@pytest.fixture(scope="module")
def template(databases: Databases) -> Iterator[str]:
    """Name of a database with the clinic, to make others from."""
    name = databases.create()
    run(databases.url(name), [unit("0", "".join(f"{one.text};\n" for one in CLINIC))])
    yield name
    databases.spent.append(name)


def run(url: str, units: Sequence[Unit]) -> facts.Facts:
    """Run each migration in one message, or a statement at a time, and read the schema."""
    with psycopg.connect(url, autocommit=True) as conn:
        for each in units:
            texts = [each.text] if each.transaction else [s.text for s in each.statements]
            for text in texts:
                conn.execute(text.encode())
        return facts.kept(reading.facts(reading.read(conn)))


def fixed(case: Unit, schema: Callable[[], Schema], options: Options) -> tuple[Unit, set[str]]:
    """Return the migration as it is after the fixes, and what was fixed."""
    found = suppressions.settle([case], hazards.walk([case], schema(), options))
    rewritten = rewrites.rewrite(case, found, schema())
    assert rewritten is not None
    return unit(case.name, rewrites.one_file(rewritten)), set(rewritten.fixed)


@pytest.mark.parametrize("rule", FIXABLE, ids=[rule.name for rule in FIXABLE])
def test_a_fixed_migration_has_no_such_hazard_and_makes_the_same_schema(
    rule: hazards.Rule, make_database: Database, template: str, server_major: int
) -> None:
    if rule.name == "add-column-inline-check" and server_major < 18:
        pytest.skip(f"PostgreSQL {server_major} has no virtual columns, which the case uses")
    case = load(rule, "bad")
    marked = {line for _, line in case.marked}

    def make() -> str:
        return make_database(template)

    outcomes = [_outcome(rule, case.units, line, case.options, make) for line in sorted(marked)]
    assert True in outcomes, "not one marked statement is fixed"


def _outcome(
    rule: hazards.Rule,
    units: Sequence[Unit],
    line: int,
    options: Options,
    make_database: Database,
) -> bool:
    """Hold one marked statement, with what went before it, against its fix; False: no fix."""
    before = [s.text for u in units for s in u.statements if s.line <= line]
    text = "".join(f"{statement};\n" for statement in before)
    case = unit("1", text)
    found = suppressions.settle([case], hazards.walk([case], clinic(), options))
    if not [f for f in found if f.name == rule.name]:
        return False
    rewritten = rewrites.rewrite(case, found, clinic())
    if rewritten is None or rule.name not in rewritten.fixed:
        return False
    after = unit("1", rewrites.one_file(rewritten))
    left = hazards.walk([after], clinic(), options)
    assert len([f for f in left if f.name == rule.name]) < len(
        [f for f in found if f.name == rule.name]
    )
    assert run(make_database(), [case]) == run(make_database(), [after])
    return True


@pytest.mark.corpora
@pytest.mark.skipif(not SHARED, reason="MIGSAFE_SHARED names no directory of real histories")
@pytest.mark.parametrize("name", ["dokploy", "procrastinate", "svix"])
def test_a_real_history_makes_the_same_schema_after_all_its_fixes(
    name: str, make_database: Database, workdir: Path
) -> None:
    # Without an extension that the embedded server lacks, and with something to fix.
    (project,) = (item for item in corpora.projects() if item["name"] == name)
    path = corpora._migrations(project, workdir)
    history = histories.load(path, HistoryConfig())
    units = [unit(migration.name, migration.text) for migration in history.migrations]
    found = suppressions.settle(units, hazards.walk(units, Schema(), Options()))
    schema = Schema()
    after, count = [], 0
    for each in units:
        rewritten = rewrites.rewrite(each, found, schema)
        count += rewritten is not None
        after.append(unit(each.name, rewrites.one_file(rewritten)) if rewritten else each)
    assert count
    assert run(make_database(), units) == run(make_database(), after)


# ---------------------------------------------------------------- what is not the hazard

NOTES = """
CREATE SCHEMA app;
CREATE TABLE parents (id int PRIMARY KEY);
CREATE TABLE notes (id int PRIMARY KEY, a int, b text, parent int);
CREATE TABLE app.notes (id int PRIMARY KEY, a int, b text);
CREATE INDEX notes_b ON notes (b);
CREATE TABLE split (id int, k int) PARTITION BY LIST (k);
CREATE INDEX split_id ON split (id);
CREATE TABLE base (id int, a int);
CREATE TABLE heir () INHERITS (base);
CREATE TABLE kids (id int, parent int,
    CONSTRAINT kids_fk FOREIGN KEY (parent) REFERENCES parents DEFERRABLE INITIALLY DEFERRED);
"""

#: Migrations whose fix has to make what they make, and nothing else.
SAME = {
    "an index of the same name elsewhere stays": (
        "SET search_path = app, public; CREATE INDEX notes_b ON notes (a);"
    ),
    "so does one that has the name of a constraint": (
        "SET search_path = app, public; ALTER TABLE notes ADD CONSTRAINT notes_b UNIQUE (a);"
    ),
    "what is NOT VALID stays so": (
        "ALTER TABLE notes ADD CONSTRAINT n1 CHECK (a < 9) NOT VALID, "
        "ADD CONSTRAINT n2 CHECK (a < 99);"
    ),
    "a column is there before its check": (
        "ALTER TABLE notes ADD CONSTRAINT c CHECK (z > 0), ADD COLUMN z int;"
    ),
    "a column is there before its key": (
        "ALTER TABLE notes ADD CONSTRAINT f FOREIGN KEY (z) REFERENCES parents, ADD COLUMN z int;"
    ),
    "a column is there before it is required": (
        "ALTER TABLE notes ALTER z SET NOT NULL, ADD COLUMN z int DEFAULT 3;"
    ),
    "a type is changed before its check": (
        "ALTER TABLE notes ADD CONSTRAINT c CHECK (a <> ''), ALTER a TYPE text;"
    ),
    "a constraint is dropped before one takes its name": (
        "ALTER TABLE notes ADD CONSTRAINT c CHECK (a > 0); "
        "ALTER TABLE notes ADD CONSTRAINT c CHECK (a > 1), DROP CONSTRAINT c;"
    ),
    "types that need each other are changed together": (
        "ALTER TABLE notes ADD CONSTRAINT c CHECK (id > 0), ALTER a TYPE text USING b, "
        "ALTER b TYPE int USING a;"
    ),
    "a timeout of the transaction is in each": (
        "SET LOCAL lock_timeout = '5s'; ALTER TABLE notes ALTER a SET NOT NULL; "
        "SELECT 1 / (current_setting('lock_timeout') = '5s')::int;"
    ),
}


@pytest.fixture(scope="module")
def noted(databases: Databases) -> Iterator[str]:
    """Name of a database with the notes, to make others from."""
    name = databases.create()
    run(databases.url(name), [unit("0", NOTES)])
    yield name
    databases.spent.append(name)


def notes() -> Schema:
    schema = Schema()
    for statement in sql.parse(NOTES):
        advance(schema, statement, "0")
    return schema


@pytest.mark.parametrize("text", SAME.values(), ids=SAME)
def test_a_fix_changes_nothing_but_the_hazard(
    text: str, make_database: Database, noted: str
) -> None:
    case = unit("1", text)
    after, _ = fixed(case, notes, Options())
    assert run(make_database(noted), [case]) == run(make_database(noted), [after])


#: Migrations that are not fixed, for they would do something else then.
NOT = {
    "a name that is taken": "CREATE INDEX notes_b ON notes (a);",
    "a name that another table's index has": "CREATE INDEX notes_b ON kids (id);",
    "a constraint with a taken name": "ALTER TABLE notes ADD CONSTRAINT notes_b UNIQUE (a);",
    "a path of the transaction": "SET LOCAL search_path = app; CREATE INDEX i ON notes (a);",
    "the same by a call": (
        "SELECT set_config('search_path', 'app', true); CREATE INDEX i ON notes (a);"
    ),
    "the same in a block": (
        "DO $$ BEGIN SET LOCAL search_path = app; END $$; CREATE INDEX i ON notes (a);"
    ),
    "modes of the transaction": (
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; CREATE INDEX i ON notes (a);"
    ),
    "constraints that are deferred": ("SET CONSTRAINTS ALL DEFERRED; CREATE INDEX i ON notes (a);"),
    "checks that wait for COMMIT": (
        "INSERT INTO kids VALUES (1, 7); CREATE INDEX i ON notes (a); "
        "INSERT INTO parents VALUES (7);"
    ),
    "a cursor": "DECLARE c CURSOR FOR SELECT 1; CREATE INDEX i ON notes (a); FETCH c;",
    "a lock": "LOCK TABLE kids; CREATE INDEX i ON notes (a);",
    "rows that are locked": "SELECT 1 FROM kids FOR UPDATE; CREATE INDEX i ON notes (a);",
    "two names that are chosen": "ALTER TABLE notes ADD CHECK (a < 9), ADD CHECK (a < 99);",
    "two that are written with a column": (
        "ALTER TABLE notes ADD COLUMN z int CHECK (z > 0) CHECK (z < 9);"
    ),
    "a name that becomes free": (
        "ALTER TABLE notes DROP CONSTRAINT notes_pkey, ADD PRIMARY KEY (id);"
    ),
    "a partitioned index": "DROP INDEX split_id;",
    "one table of a family": "ALTER TABLE ONLY base ALTER a SET NOT NULL;",
    "a key over a column that is new": "ALTER TABLE base ADD COLUMN z int, ADD PRIMARY KEY (z);",
}


@pytest.mark.parametrize("text", NOT.values(), ids=NOT)
def test_what_would_change_something_else_is_not_fixed(text: str) -> None:
    case = unit("1", text)
    found = suppressions.settle([case], hazards.walk([case], notes(), Options()))
    assert {finding.name for finding in found} & {*fixes.FIXES}
    assert rewrites.rewrite(case, found, notes()) is None


def test_a_key_and_a_check_in_one_statement_are_both_fixed() -> None:
    case = unit("1", "ALTER TABLE notes ADD UNIQUE (a), ADD CHECK (b > '');")
    after, said = fixed(case, notes, Options())
    assert said == {"add-unique-constraint", "add-check-validating"}
    assert "CONCURRENTLY" in after.text


def test_only_what_is_fixed_is_said_to_be() -> None:
    case = unit("1", "ALTER TABLE heir ALTER id SET NOT NULL, ADD PRIMARY KEY (id);")
    _, said = fixed(case, notes, Options())
    assert said == {"set-not-null"}


def test_what_is_left_of_a_transaction_is_one() -> None:
    case = unit("1", "BEGIN; REFRESH MATERIALIZED VIEW v; UPDATE kids SET id = 1; COMMIT;")

    def viewed() -> Schema:
        schema = notes()
        made = "CREATE MATERIALIZED VIEW v AS SELECT id FROM kids; CREATE UNIQUE INDEX u ON v (id)"
        for statement in sql.parse(made):
            advance(schema, statement, "0")
        return schema

    after, _ = fixed(case, viewed, Options())
    assert [s.text for s in after.statements][:: len(after.statements) - 1] == ["BEGIN", "COMMIT"]


def test_a_table_that_nobody_knows_loses_no_index() -> None:
    after, _ = fixed(unit("1", "CREATE INDEX i ON elsewhere (a);"), Schema, Options())
    assert [s.text for s in after.statements] == ["CREATE INDEX CONCURRENTLY i ON elsewhere (a)"]
