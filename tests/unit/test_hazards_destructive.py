"""What is lost for good, with the evidence of a target and without any."""

import pytest

from migsafe.schema import Schema
from tests.hazard_cases import lint, live


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("DROP TABLE archive", "MS302"),
        ("ALTER TABLE archive DROP COLUMN payload", "MS301"),
        ("TRUNCATE archive", "MS307"),
        ("DROP SCHEMA public CASCADE", "MS303"),
        ("TRUNCATE scratch CASCADE", "MS308"),
        ("DROP TABLE archive; CREATE TABLE archive (id int)", "MS310"),
    ],
)
def test_losing_rows_that_are_there_is_an_error(text: str, code: str) -> None:
    target = live(archive=(7, 8192), scratch_child=(3, 8192))
    (finding,) = lint(text, code, target)
    assert (finding.severity, finding.evidence) == ("error", "catalog")
    (finding,) = lint(text, code)
    assert (finding.severity, finding.evidence) == ("warning", "text")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("DROP TABLE archive", "MS302"),
        ("ALTER TABLE archive DROP COLUMN payload", "MS301"),
        ("TRUNCATE archive", "MS307"),
        ("DROP TABLE archive; CREATE TABLE archive (id int)", "MS310"),
        ("DROP TABLE IF EXISTS nothing", "MS302"),
        ("TRUNCATE nothing", "MS307"),
        ("ALTER TABLE IF EXISTS nothing DROP COLUMN a", "MS301"),
    ],
)
def test_nothing_is_lost_of_an_empty_table_or_of_one_that_is_not_there(
    text: str, code: str
) -> None:
    assert lint(text, code, live()) == []


def test_a_table_that_nobody_counted_is_not_called_empty() -> None:
    target = live(archive=(0, 16384))
    (finding,) = lint("DROP TABLE archive", "MS302", target)
    assert finding.severity == "warning"


def test_rows_that_the_migration_itself_brings_make_a_table_worth_keeping() -> None:
    text = "INSERT INTO archive SELECT id, name FROM staff; DROP TABLE archive"
    assert lint(text, "MS302", live())
    assert lint("INSERT INTO visits SELECT 1, now(), ''; DROP TABLE visits", "MS302", live())


@pytest.mark.parametrize("code", ["MS301", "MS302", "MS307"])
def test_a_table_of_which_nothing_is_known_is_reported(code: str) -> None:
    texts = {
        "MS301": "ALTER TABLE app.users DROP email",
        "MS302": "DROP TABLE app.users",
        "MS307": "TRUNCATE app.users",
    }
    (finding,) = lint(texts[code], code, Schema())
    assert finding.severity == "warning"
    assert "app.users" in finding.message


def test_a_generated_column_is_no_loss_of_values() -> None:
    text = """CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a) STORED);"""
    schema = live(archive=(7, 8192))
    schema.tables.update(_made(text).tables)
    (key,) = _made(text).tables
    schema.tables[key].live, schema.tables[key].made, schema.tables[key].rows = key, None, 7
    for column in schema.tables[key].columns.values():
        column.live = column.name
    (finding,) = lint("ALTER TABLE t DROP b", "MS301", schema)
    assert finding.severity == "warning"


def _made(text: str) -> Schema:
    schema = Schema()
    lint(text, "MS301", schema)
    return schema


def test_a_column_that_a_pending_migration_adds_holds_nobodys_values() -> None:
    schema = live(archive=(7, 8192))
    lint("ALTER TABLE archive ADD COLUMN extra text", "MS301", schema)
    assert lint("ALTER TABLE archive DROP COLUMN extra", "MS301", schema) == []


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("DROP TABLE staff", "appointments_staff_id_fkey"),
        ("DROP TABLE patients, appointments, invoices", "active_patients"),
        ("DROP TABLE devices", "pumps"),
        ("DROP SCHEMA billing", "billing.rates"),
    ],
)
def test_what_is_still_needed_cannot_be_dropped_without_cascade(text: str, who: str) -> None:
    (finding, *_) = lint(text, "MS302") + lint(text, "MS303")
    assert (finding.severity, "2BP01" in finding.message) == ("error", True)
    assert who in finding.message


def test_tables_that_reference_each_other_go_in_one_statement() -> None:
    found = lint("DROP TABLE scratch, scratch_child", "MS302")
    assert [finding.severity for finding in found] == ["warning", "warning"]
    found = lint("TRUNCATE scratch, scratch_child", "MS307")
    assert [finding.severity for finding in found] == ["warning", "warning"]


def test_truncating_a_referenced_table_fails_even_where_both_are_empty() -> None:
    (finding,) = lint("TRUNCATE staff", "MS307", live())
    assert (finding.severity, "0A000" in finding.message) == ("error", True)


def test_truncate_cascade_says_how_far_it_reaches() -> None:
    (finding,) = lint("TRUNCATE patients CASCADE", "MS308")
    reached = ("appointments", "invoices", "payments")
    assert all(name in finding.message for name in reached)
    (finding,) = lint("TRUNCATE app.users CASCADE", "MS308", Schema())
    assert "none is known" in finding.message


def test_a_subcommand_of_a_type_is_no_column_of_a_table() -> None:
    assert lint("ALTER TYPE address DROP ATTRIBUTE city CASCADE", "MS301") == []
