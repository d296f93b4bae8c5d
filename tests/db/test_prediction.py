"""Predictions of derived audits, held against what then really happens.

MIGSAFE_TRIPLES is the number of triples (120 without it); 500 and more before a release.
"""

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from migsafe import sql, target
from migsafe.audits import derived, run
from migsafe.catalog import live
from migsafe.findings import Finding
from migsafe.hazards import Unit
from tests.conftest import Databases
from tests.db.triples import Triple, triples

NUMBER = int(os.environ.get("MIGSAFE_TRIPLES", "120"))

Conn = psycopg.Connection[Any]

#: What is lost, or fails later, without an error of the migration.
WITHOUT_ERROR = {
    "drop-column-data",
    "drop-table-data",
    "truncate-data",
    "identity-behind-max",
    "type-varchar-shrink-using-cast",
    "type-numeric-scale-rounds",
    "type-numeric-to-int-rounds",
    "type-timestamp-to-date",
    "type-timestamp-precision",
    "type-change-lossy",
}


@pytest.fixture(scope="module")
def template(databases: Databases) -> Iterator[str]:
    """Name of a database with the extensions that triples use."""
    name = databases.create()
    with psycopg.connect(databases.url(name), autocommit=True) as conn:
        conn.execute("CREATE EXTENSION btree_gist; CREATE EXTENSION citext")
    yield name
    databases.spent.append(name)


def findings(url: str, triple: Triple) -> list[Finding]:
    """Ask what the migration raises, on the rows as they are."""
    text = ";\n".join(triple.migration) + ";"
    statements = sql.parse(text)
    unit = Unit(
        name="m", file="m.sql", text=text, statements=statements, transaction=not triple.alone
    )
    with psycopg.connect(url, autocommit=True) as conn:
        audits = derived.derive([unit], live.read(conn))
    return run.run(target.parse(url), audits, ["m"])


def verdict(found: list[Finding]) -> str:
    """Return the gravest verdict on errors, ``unasked`` where nothing was asked."""
    verdicts = {f.verdict for f in found if f.name not in WITHOUT_ERROR}
    return next((v for v in ("fail", "unknown", "depends", "pass") if v in verdicts), "unasked")


def happens(url: str, triple: Triple) -> str | None:
    """Run the migration and return the SQLSTATE with which it ends, None where it succeeds."""
    with psycopg.connect(url, autocommit=triple.alone) as conn:
        try:
            for statement in triple.migration:
                conn.execute(statement.encode())
            conn.commit()
        except psycopg.Error as error:
            return error.sqlstate or "?"
    return None


def prepare(url: str, triple: Triple) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        for statement in triple.setup:
            conn.execute(statement.encode())


def test_what_is_predicted_happens(databases: Databases, template: str, server_major: int) -> None:
    """No pass fails, at most one fail in a hundred succeeds, and few are unknown."""
    counts = Counter[str]()
    wrong_passes, false_alarms, unknown = [], [], []
    for triple in triples(NUMBER, server_major):
        name = databases.create(template)
        url = databases.url(name)
        prepare(url, triple)
        found = findings(url, triple)
        said, state = verdict(found), happens(url, triple)
        databases.spent.append(name)
        assert not (state or "").startswith("42"), (triple, state)
        counts[f"{said}: {'fails' if state else 'succeeds'}"] += 1
        told = (triple, state, [(f.name, f.verdict, f.message) for f in found])
        if said in ("pass", "unasked") and state:
            wrong_passes.append(told)
        elif said == "fail" and not state:
            false_alarms.append(told)
        elif said == "unknown":
            unknown.append(told)
    print(f"\n{NUMBER} triples: {dict(counts)}")  # noqa: T201  # -s shows the figures
    assert not wrong_passes
    assert len(false_alarms) <= NUMBER / 100, false_alarms
    assert len(unknown) <= NUMBER / 20, unknown
