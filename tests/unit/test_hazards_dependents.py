"""Who needs what is dropped, as far as that is known."""

import pytest

from migsafe.schema import Key, Schema
from tests.hazard_cases import clinic, lint, live

ROLE = "DROP TYPE staff_role"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("DROP TYPE app.colour", "MS329"),
        ("DROP FUNCTION app.tax(int)", "MS330"),
        ("DROP SEQUENCE app.numbers", "MS331"),
    ],
)
def test_without_knowledge_of_its_users_a_drop_says_so(text: str, code: str) -> None:
    (finding,) = lint(text, code, Schema())
    assert (finding.severity, "not known" in finding.message) == ("info", True)


def test_what_the_target_does_not_have_cannot_be_needed() -> None:
    assert lint("DROP TYPE IF EXISTS app.colour", "MS329", live()) == []
    assert lint("DROP FUNCTION IF EXISTS app.tax", "MS330", live()) == []
    assert lint("DROP SEQUENCE IF EXISTS app.numbers", "MS331", live()) == []


def test_a_do_block_may_have_made_users_that_nobody_knows_of() -> None:
    text = "CREATE TYPE colour AS ENUM ('red'); {} DROP TYPE colour"
    assert lint(text.format(""), "MS329") == []
    (finding,) = lint(text.format("DO $$ BEGIN EXECUTE 'x'; END $$;"), "MS329")
    assert finding.severity == "info"


def test_a_domain_over_a_type_needs_it_too() -> None:
    text = """CREATE TYPE colour AS ENUM ('red'); CREATE DOMAIN paint AS colour;
              CREATE TABLE walls ("Paint" paint); DROP TYPE colour"""
    (finding,) = lint(text, "MS329")
    assert (finding.severity, "walls.Paint" in finding.message) == ("error", True)


def test_only_an_overload_that_is_called_is_refused() -> None:
    text = """CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
              CREATE FUNCTION f(text) RETURNS int LANGUAGE sql AS 'SELECT 1';
              CREATE TABLE t (a int DEFAULT f(1)); DROP FUNCTION f(text)"""
    (finding,) = lint(text, "MS330")
    assert (finding.severity, "if it is this one of 2" in finding.message) == ("warning", True)


def test_cascade_drops_the_users_of_a_function_but_not_its_callers() -> None:
    text = """CREATE FUNCTION remind() RETURNS bigint LANGUAGE plpgsql
                  AS $$ BEGIN RETURN next_ticket(); END $$; DROP FUNCTION next_ticket() CASCADE"""
    (finding,) = lint(text, "MS330")
    assert (finding.severity, "remind" in finding.message) == ("warning", True)


def test_cascade_on_a_type_loses_the_values_of_its_columns() -> None:
    (finding,) = lint(f"{ROLE} CASCADE", "MS306", live(staff=(6, 8192)))
    assert (finding.severity, "staff.role" in finding.message) == ("error", True)
    (finding,) = lint(f"{ROLE} CASCADE", "MS306")
    assert finding.severity == "warning"


def test_cascade_where_nothing_depends_on_the_table_is_only_mentioned() -> None:
    (finding,) = lint("DROP TABLE archive CASCADE", "MS306")
    assert finding.severity == "info"
    (finding,) = lint("DROP TABLE app.users CASCADE", "MS306", Schema())
    assert finding.severity == "warning"


def test_dropping_what_a_role_owns_is_a_cascade() -> None:
    assert len(lint("DROP OWNED BY clerk CASCADE", "MS306")) == 1
    assert len(lint("DROP OWNED BY clerk", "MS306")) == 1


def test_a_type_that_is_dropped_with_cascade_takes_its_columns_along() -> None:
    schema = clinic()
    lint(f"{ROLE} CASCADE", "MS306", schema)
    assert "role" not in schema.tables[Key("public", "staff")].columns


def test_a_renamed_type_is_still_the_type_of_its_columns() -> None:
    schema = clinic()
    lint("ALTER TYPE staff_role RENAME TO job", "MS329", schema)
    assert schema.tables[Key("public", "staff")].columns["role"].type.name == "job"
    assert Key("public", "job") in schema.enums
