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
from migsafe.hazards import Options, Unit, fixes, rules, suppressions
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
    rewritten = fixes.rewrite(case, found, schema())
    assert rewritten is not None
    return unit(case.name, fixes.one_file(rewritten)), set(rewritten.fixed)


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
    rewritten = fixes.rewrite(case, found, clinic())
    if rewritten is None or rule.name not in rewritten.fixed:
        return False
    after = unit("1", fixes.one_file(rewritten))
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
        rewritten = fixes.rewrite(each, found, schema)
        count += rewritten is not None
        after.append(unit(each.name, fixes.one_file(rewritten)) if rewritten else each)
    assert count
    assert run(make_database(), units) == run(make_database(), after)
