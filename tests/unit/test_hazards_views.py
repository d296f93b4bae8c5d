"""What a replaced view keeps, and what a materialized one needs, with and without a target."""

import pytest

from migsafe.schema import Column, Key, Schema, Table, Type
from tests.hazard_cases import lint, live

PATIENTS = Key("public", "active_patients")


def target() -> Schema:
    schema = live(patients=(40, 8192))
    schema.tables[PATIENTS].columns = {
        name: Column(name=name, type=Type(None, type_), live=name)
        for name, type_ in (("id", "int8"), ("name", "text"))
    }
    return schema


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("SELECT id, name FROM patients", None),
        ("SELECT id, name, age FROM patients", None),
        ("SELECT id, upper(name) AS name FROM patients", None),
        ("SELECT id::bigint, name FROM patients", None),
        ("SELECT legacy_id AS id, name FROM patients", "id as integer where it had bigint"),
        ("SELECT id, name::varchar FROM patients", "name as varchar where it had text"),
        ("SELECT id FROM patients", "loses the column name"),
        ("SELECT name, id FROM patients", "has name where it had id"),
        ("SELECT * FROM patients", None),
        ("SELECT * FROM staff", "id as integer"),
        ("SELECT id, name || '' FROM patients", "has ?column? where it had name"),
        ("SELECT id, name FROM patients UNION SELECT 1, ''", None),
    ],
)
def test_a_replaced_view_keeps_names_types_and_order(query: str, problem: str | None) -> None:
    found = lint(f"CREATE OR REPLACE VIEW active_patients AS {query}", "MS422", target())
    assert [finding.severity for finding in found] == (["error"] if problem else [])
    assert not problem or problem in found[0].message


def test_a_renamed_column_of_a_view_is_the_one_to_keep() -> None:
    text = "ALTER VIEW active_patients RENAME COLUMN name TO label; CREATE OR REPLACE VIEW {}"
    same = text.format("active_patients AS SELECT id, name AS label FROM patients")
    assert lint(same, "MS422") == []
    other = text.format("active_patients AS SELECT id, name FROM patients")
    assert len(lint(other, "MS422")) == 1


def test_renaming_a_column_of_the_table_leaves_the_views_as_they_are() -> None:
    text = "ALTER TABLE patients RENAME COLUMN name TO label; CREATE OR REPLACE VIEW {}"
    kept = text.format("active_patients AS SELECT id, label AS name FROM patients")
    assert lint(kept, "MS422") == []


def test_columns_that_cannot_be_told_are_an_open_question() -> None:
    text = "CREATE OR REPLACE VIEW active_patients AS SELECT * FROM elsewhere"
    (finding,) = lint(text, "MS422")
    assert (finding.severity, "cannot be told" in finding.message) == ("info", True)


def test_a_view_that_is_not_there_is_not_replaced() -> None:
    assert lint("CREATE OR REPLACE VIEW shown AS SELECT * FROM elsewhere", "MS422") == []


def test_what_is_not_known_of_a_materialized_view_is_said() -> None:
    text = "REFRESH MATERIALIZED VIEW CONCURRENTLY app.counts"
    (finding,) = lint(text, "MS124", Schema())
    assert (finding.severity, "none is known" in finding.message) == ("info", True)


def test_a_target_knows_the_indexes_of_its_materialized_views() -> None:
    text = "REFRESH MATERIALIZED VIEW CONCURRENTLY counts"
    schema = live()
    schema.tables[Key("public", "counts")] = Table(
        key=Key("public", "counts"), kind="m", known=True, live=Key("public", "counts")
    )
    (finding,) = lint(text, "MS124", schema)
    assert finding.severity == "error"
    schema.tables[Key("public", "counts")].populated = False
    (finding,) = lint(text, "MS124", schema)
    assert "0A000" in finding.message


@pytest.mark.parametrize(("size", "severity"), [(8192, "info"), (5_000_000_000, "error")])
def test_a_refresh_is_as_bad_as_the_view_is_large(size: int, severity: str) -> None:
    schema = live(patient_counts=(2, size))
    (finding,) = lint("REFRESH MATERIALIZED VIEW patient_counts", "MS123", schema)
    assert finding.severity == severity


def test_the_largest_table_that_fills_a_view_is_shown() -> None:
    schema = live(staff=(6, 8192), patients=(40, 40_000_000_000))
    text = "CREATE MATERIALIZED VIEW m AS SELECT p.id FROM staff AS s, patients AS p"
    (finding,) = lint(text, "MS125", schema)
    assert finding.message.endswith("(about 40 rows, 40 GB)")
