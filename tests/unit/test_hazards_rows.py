"""How many rows a statement reaches, which numbers it gives out, and which keys it brings along."""

import pytest

from migsafe.schema import Schema
from tests.hazard_cases import lint, live

# ---------------------------------------------------------------- how many rows


@pytest.mark.parametrize(
    ("size", "severity"),
    [(8192, "info"), (500_000_000, "warning"), (5_000_000_000, "error")],
)
def test_an_update_of_every_row_is_as_bad_as_the_table_is_large(size: int, severity: str) -> None:
    (finding,) = lint("UPDATE patients SET name = ''", "MS142", live(patients=(100, size)))
    assert finding.severity == severity


@pytest.mark.parametrize("code", ["MS142", "MS143", "MS309"])
def test_an_empty_table_has_no_rows_to_wait_for(code: str) -> None:
    texts = ("UPDATE archive SET payload = ''", "DELETE FROM archive")
    assert [lint(text, code, live()) for text in texts] == [[], []]


def test_deleting_rows_that_are_there_is_an_error() -> None:
    (finding,) = lint("DELETE FROM archive", "MS309", live(archive=(7, 8192)))
    assert finding.severity == "error"


def test_few_rows_are_not_worth_a_word_about_their_number() -> None:
    text = "UPDATE archive SET payload = '' WHERE payload IS NULL"
    assert lint(text, "MS143", live(archive=(100, 8192))) == []
    assert len(lint(text, "MS143", live(archive=(100_000, 8_000_000)))) == 1


@pytest.mark.parametrize(
    ("condition", "count"),
    [
        ("id = 1", 0),
        ("id = $1", 0),
        ("id = ANY (ARRAY[1, 2])", 0),
        ("id IN (1, 2) AND name = ''", 0),
        ("id BETWEEN 1 AND 1000", 0),
        ("id > 1000 AND id <= 2000", 0),
        ("id > 0", 1),
        ("id <> 1", 1),
        ("id NOT IN (1, 2)", 1),
        ("id = 1 OR true", 1),
        ("id = length(name)", 1),
        ("id IN (SELECT id FROM archive)", 1),
        ("name = 'x'", 1),
    ],
)
def test_a_condition_on_the_whole_key_is_a_bound(condition: str, count: int) -> None:
    text = f"UPDATE staff SET name = '' WHERE {condition}"
    assert len(lint(text, "MS143")) == count
    assert len(lint(f"DELETE FROM staff WHERE {condition}", "MS143")) == count


def test_half_a_key_is_no_bound() -> None:
    assert len(lint("DELETE FROM visits WHERE id = 1", "MS143")) == 1
    assert lint("DELETE FROM visits WHERE id = 1 AND day = '2024-05-01'", "MS143") == []


def test_the_id_of_an_unknown_table_is_taken_for_its_key() -> None:
    assert lint("DELETE FROM app.users WHERE id = 1", "MS143", Schema()) == []
    assert len(lint("DELETE FROM app.users WHERE org = 1", "MS143", Schema())) == 1


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    "after",
    [
        "SELECT setval('patients_id_seq', 100)",
        "SELECT setval(pg_get_serial_sequence('public.patients', 'id'), 100)",
        "SELECT setval(s.name::regclass, 100) FROM numbers AS s",
        "ALTER SEQUENCE patients_id_seq RESTART WITH 100",
        "ALTER TABLE patients ALTER COLUMN id RESTART WITH 100",
        "DO $$ BEGIN PERFORM setval('x', 1); END $$",
    ],
)
def test_a_sequence_that_is_moved_after_the_rows_is_not_behind(after: str) -> None:
    insert = "INSERT INTO patients (id, mrn) VALUES (41, 'x');"
    assert lint(f"{insert} {after}", "MS425") == []
    assert len(lint(f"{after}; {insert}", "MS425")) == 1


def test_moving_the_sequence_of_another_table_does_not_help() -> None:
    text = "INSERT INTO patients (id, mrn) VALUES (41, 'x'); SELECT setval('staff_id_seq', 100)"
    assert len(lint(text, "MS425")) == 1


def test_a_sequence_of_the_migration_is_altered_at_leisure() -> None:
    text = "CREATE SEQUENCE app.numbers; ALTER SEQUENCE app.{} RESTART"
    assert lint(text.format("numbers"), "MS140") == []
    assert len(lint(text.format("others"), "MS140")) == 1


def test_an_empty_table_may_get_a_sequence_that_begins_at_one() -> None:
    text = "ALTER TABLE staff ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY"
    assert lint(text, "MS425", live()) == []
    assert len(lint(text, "MS425", live(staff=(6, 8192)))) == 1


# ---------------------------------------------------------------- keys of seed rows


def test_without_the_keys_of_a_table_an_id_may_be_one() -> None:
    (finding,) = lint("INSERT INTO app.users (id, name) VALUES (1, '')", "MS424", Schema())
    assert finding.severity == "info"
    assert lint("INSERT INTO app.users (name) VALUES ('')", "MS424", Schema()) == []


def test_seed_rows_conflict_with_nothing_in_an_empty_table() -> None:
    text = "INSERT INTO staff (id, name) VALUES (1, '')"
    assert lint(text, "MS424", live()) == []
    (finding,) = lint(text, "MS424", live(staff=(6, 8192)))
    assert finding.severity == "warning"
    assert "Dr" not in finding.message


def test_seed_rows_of_one_table_are_found_once() -> None:
    rows = "".join(f"INSERT INTO staff (id, name) VALUES ({n}, '');" for n in range(9))
    text = f"INSERT INTO scratch (id) SELECT 1; {rows} INSERT INTO scratch (id) VALUES (1)"
    assert [finding.line for finding in lint(text.replace(";", ";\n"), "MS424")] == [2, 11]


def test_a_column_that_the_migration_adds_has_no_number_yet() -> None:
    text = """CREATE SEQUENCE s; ALTER TABLE staff ADD COLUMN number int;
              ALTER TABLE staff ALTER COLUMN {} SET DEFAULT nextval('s')"""
    assert lint(text.format("number"), "MS425") == []
    assert len(lint(text.format("id"), "MS425")) == 1
