"""What real PostgreSQL leaves behind, read from its catalogs, and what the remedies do to it."""

from contextlib import suppress
from typing import Any

import psycopg
import pytest

from migsafe import leftovers
from migsafe.catalog import schema
from migsafe.facts import Facts
from migsafe.findings import Finding

Conn = psycopg.Connection[Any]


@pytest.fixture
def notes(conn: Conn) -> Conn:
    """Make a table that holds the same value twice, in a schema with an odd name."""
    conn.execute(
        """CREATE SCHEMA "My App";
           CREATE TABLE "My App".notes (id int, "Body" text);
           INSERT INTO "My App".notes VALUES (1, 'a'), (1, NULL);
           CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
           CREATE TRIGGER "On Write" BEFORE INSERT ON "My App".notes
               FOR EACH ROW EXECUTE FUNCTION f()"""
    )
    return conn


def facts(conn: Conn) -> Facts:
    return schema.facts(schema.read(conn))


def found(conn: Conn, expected: Facts | None = None) -> list[Finding]:
    return leftovers.check(facts(conn), expected)


def cure(conn: Conn, finding: Finding) -> None:
    """Run the SQL of a remedy."""
    conn.execute(str(finding.remedy).split(";")[0].split(", ")[0])


def test_a_schema_without_leftovers_has_none(notes: Conn) -> None:
    assert found(notes) == []


def test_the_index_of_a_failed_build_is_found_and_dropped(notes: Conn) -> None:
    with suppress(psycopg.errors.UniqueViolation):
        notes.execute('CREATE UNIQUE INDEX CONCURRENTLY "By Id" ON "My App".notes (id)')
    (finding,) = found(notes)
    assert (finding.code, finding.severity) == ("MV107", "warning")
    cure(notes, finding)
    assert found(notes) == []


def test_an_index_that_the_history_makes_is_an_error_while_it_is_invalid(notes: Conn) -> None:
    notes.execute('DELETE FROM "My App".notes WHERE "Body" = \'a\'')
    notes.execute('CREATE UNIQUE INDEX by_id ON "My App".notes (id)')
    expected = facts(notes)
    notes.execute('DROP INDEX "My App".by_id')
    notes.execute('INSERT INTO "My App".notes VALUES (1)')
    with suppress(psycopg.errors.UniqueViolation):
        notes.execute('CREATE UNIQUE INDEX CONCURRENTLY by_id ON "My App".notes (id)')
    (finding,) = found(notes, expected)
    assert (finding.code, finding.severity) == ("MV107", "error")


def test_what_a_failed_reindex_left_is_found_and_dropped(notes: Conn) -> None:
    with suppress(psycopg.errors.UniqueViolation):
        notes.execute('CREATE UNIQUE INDEX CONCURRENTLY by_id ON "My App".notes (id)')
    with suppress(psycopg.errors.UniqueViolation):
        notes.execute('REINDEX INDEX CONCURRENTLY "My App".by_id')
    codes = {finding.code: finding for finding in found(notes)}
    assert set(codes) == {"MV107", "MV110"}
    assert "by_id_ccnew" in codes["MV110"].message
    for finding in codes.values():
        cure(notes, finding)
    assert found(notes) == []


def test_a_constraint_that_is_not_valid_is_found_and_validated(notes: Conn) -> None:
    notes.execute('ALTER TABLE "My App".notes ADD CONSTRAINT "Id" CHECK (id > 0) NOT VALID')
    (finding,) = found(notes)
    assert (finding.code, finding.severity) == ("MV108", "warning")
    assert [f.severity for f in found(notes, facts(notes))] == ["info"]
    cure(notes, finding)
    assert found(notes) == []


def test_a_not_null_that_is_not_valid_is_found_and_set(notes: Conn, server_major: int) -> None:
    if server_major < 18:
        pytest.skip("NOT NULL NOT VALID came with PostgreSQL 18")
    notes.execute('ALTER TABLE "My App".notes ADD CONSTRAINT c NOT NULL "Body" NOT VALID')
    notes.execute('UPDATE "My App".notes SET "Body" = \'b\'')
    (finding,) = found(notes)
    assert (finding.code, finding.severity) == ("MV108", "warning")
    cure(notes, finding)
    assert found(notes) == []


@pytest.mark.parametrize("how", ["DISABLE TRIGGER", "ENABLE REPLICA TRIGGER"])
def test_a_trigger_that_is_off_is_found_and_switched_on(notes: Conn, how: str) -> None:
    notes.execute(f'ALTER TABLE "My App".notes {how} "On Write"')
    (finding,) = found(notes)
    assert (finding.code, finding.severity) == ("MV109", "error")
    assert [f.severity for f in found(notes, facts(notes))] == ["info"]
    cure(notes, finding)
    assert found(notes) == []
