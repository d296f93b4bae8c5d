"""What ADD COLUMN costs, with more and with less that is known than in the cases."""

import pytest

from migsafe import sql
from migsafe.schema import Schema
from migsafe.schema.changes import advance
from tests.hazard_cases import clinic, lint, live


@pytest.mark.parametrize(
    ("default", "said"),
    [
        ("gen_random_uuid()", "VOLATILE"),
        ("lower(random()::text)", "random() by"),
        ("next_ticket()", "VOLATILE"),
        ("nanoid()", "not known"),
        ("app.nanoid()", "not known"),
        ("inlined_one()", "inline"),
    ],
)
def test_a_default_rewrites_unless_its_functions_are_known_to_be_quiet(
    default: str, said: str
) -> None:
    (finding,) = lint(f"ALTER TABLE archive ADD COLUMN c text DEFAULT {default}", "MS201")
    assert finding.severity == "warning"
    assert said.split(" by")[0] in finding.message


@pytest.mark.parametrize(
    "default",
    [
        "now()",
        "CURRENT_TIMESTAMP",
        "'random()'",
        "1 + 1",
        "ARRAY[lower('a')]",
        "NULL",
        "stable_now()",
    ],
)
def test_a_default_that_is_the_same_for_every_row_rewrites_nothing(default: str) -> None:
    assert lint(f"ALTER TABLE archive ADD COLUMN c text DEFAULT {default}", "MS201") == []


def test_a_target_knows_every_function_that_is_not_the_servers_own() -> None:
    assert lint("ALTER TABLE archive ADD COLUMN c text DEFAULT soundex('a')", "MS201", live()) == []
    assert lint("ALTER TABLE archive ADD COLUMN c text DEFAULT soundex('a')", "MS201")


@pytest.mark.parametrize(
    ("size", "severity"), [(8192, "info"), (50_000_000, "warning"), (5_000_000_000, "error")]
)
def test_a_rewrite_is_as_bad_as_the_table_is_large(size: int, severity: str) -> None:
    target = live(archive=(1000, size))
    (finding,) = lint("ALTER TABLE archive ADD COLUMN number serial", "MS204", target)
    assert (finding.severity, finding.evidence) == (severity, "catalog")


def test_a_type_that_nobody_made_may_be_a_domain() -> None:
    (finding,) = lint("ALTER TABLE archive ADD COLUMN c app.mood", "MS207")
    assert finding.severity == "info"
    assert "not known" in finding.message
    assert lint("ALTER TABLE archive ADD COLUMN c mood", "MS207", live()) == []
    assert lint("CREATE TYPE mood AS ENUM ('a'); ALTER TABLE archive ADD c mood", "MS207") == []


def test_the_attributes_of_a_composite_type_are_no_columns() -> None:
    text = "ALTER TYPE address ADD ATTRIBUTE extra json CASCADE"
    assert [lint(text, code) for code in ("MS322", "MS339", "MS207")] == [[], [], []]


def test_a_foreign_table_has_nothing_to_rewrite() -> None:
    schema = clinic()
    for statement in sql.parse("CREATE FOREIGN TABLE remote (a int) SERVER s"):
        advance(schema, statement, "0_clinic")
    text = "ALTER FOREIGN TABLE remote ADD COLUMN b positive_int CHECK (b < 9)"
    assert [lint(text, code, schema) for code in ("MS206", "MS207")] == [[], []]


def test_a_table_that_is_not_there_is_not_changed_by_if_exists() -> None:
    text = "ALTER TABLE IF EXISTS nothing ADD COLUMN c serial"
    assert lint(text, "MS204", live()) == []
    assert len(lint(text, "MS204", Schema())) == 1


@pytest.mark.parametrize(
    ("column", "severity"),
    [
        ("c int REFERENCES staff", "info"),
        ("c int DEFAULT 1 REFERENCES staff", "warning"),
        ("c int DEFAULT NULL REFERENCES staff", "warning"),
    ],
)
def test_an_inline_reference_is_checked_only_where_there_is_a_default(
    column: str, severity: str
) -> None:
    (finding,) = lint(f"ALTER TABLE archive ADD COLUMN {column}", "MS108")
    assert finding.severity == severity


def test_a_constant_default_cannot_be_unique() -> None:
    (same,) = lint("ALTER TABLE archive ADD COLUMN c int DEFAULT 1 UNIQUE", "MS109")
    (own,) = lint("ALTER TABLE archive ADD COLUMN c serial UNIQUE", "MS109")
    assert "two rows are too many" in same.message
    assert "two rows" not in own.message
