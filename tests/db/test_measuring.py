"""The measurement of locks, rewrites and scans says what others measured for each construct."""

import pytest

from tests.db.constructs import Construct, load, told
from tests.db.measuring import Clinics

CONSTRUCTS = load()


@pytest.mark.parametrize("construct", CONSTRUCTS, ids=[one.name for one in CONSTRUCTS])
def test_a_construct_does_what_the_table_says(
    construct: Construct, clinics: Clinics, server_major: int
) -> None:
    expected = construct.answer(server_major)
    if expected is None:
        pytest.skip(f"PostgreSQL {server_major} does not have it")
    assert told(clinics.measure(construct.sql, construct.before)) == expected


def test_a_measured_statement_changes_nothing(clinics: Clinics) -> None:
    conn = clinics.clean()
    assert clinics.measure("DROP TABLE archive").locks == {"public.archive": "ACCESS EXCLUSIVE"}
    assert clinics.clean() is conn
    assert conn.execute("SELECT count(*) FROM archive").fetchone() == (10,)


def test_a_database_is_not_used_again_after_a_statement_that_cannot_be_undone(
    clinics: Clinics,
) -> None:
    conn = clinics.clean()
    clinics.measure("CREATE INDEX CONCURRENTLY by_age ON patients (age)")
    assert clinics.clean() is not conn


def test_a_violation_that_waits_for_commit_is_seen(clinics: Clinics) -> None:
    effect = clinics.measure("INSERT INTO payments VALUES (99, 99, 1)")
    assert effect.sqlstate == "23503"


def test_locks_of_indexes_are_kept_apart(clinics: Clinics) -> None:
    effect = clinics.measure("ALTER INDEX patients_email_idx RENAME TO by_mail")
    assert (effect.locks, effect.index_locks) == (
        {},
        {"public.patients_email_idx": "SHARE UPDATE EXCLUSIVE"},
    )


def test_names_are_qualified_and_spelled_as_in_the_catalog(clinics: Clinics) -> None:
    effect = clinics.measure(
        'ALTER TABLE billing."Rate Plan" ADD CHECK (id > 0)',
        before='CREATE TABLE billing."Rate Plan" AS SELECT 1 AS id',
    )
    assert effect.locks == {"billing.Rate Plan": "ACCESS EXCLUSIVE"}
    assert effect.scanned == {"billing.Rate Plan"}
