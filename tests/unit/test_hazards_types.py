"""Enums, domains and composite types, with more and with less that is known than in the cases."""

import pytest

from migsafe import hazards, sql
from migsafe.hazards import Options, Unit
from migsafe.schema import Schema
from migsafe.schema.changes import advance
from tests.hazard_cases import clinic, lint, live


def after(text: str, schema: Schema | None = None) -> Schema:
    """Return a schema, the clinic's where none is given, with what an earlier migration made."""
    schema = clinic() if schema is None else schema
    for statement in sql.parse(text):
        advance(schema, statement, "0_before")
    return schema


def found(
    text: str, code: str, *, version: int | None = None, transaction: bool = True
) -> list[str]:
    """Return the severities of what a rule finds on the clinic, for a server's version."""
    unit = Unit(
        name="1_a",
        file="1_a.sql",
        text=text,
        statements=sql.parse(text),
        transaction=transaction,
    )
    walked = hazards.walk([unit], clinic(), Options(version=version, on=frozenset({code})))
    return [str(one.severity) for one in walked if one.code == code]


ADD = "ALTER TYPE staff_role ADD VALUE 'cook'"
USE = "UPDATE staff SET role = 'cook' WHERE id = 1"
DOMAIN = "CREATE DOMAIN role AS staff_role"
FUNCTION = "CREATE FUNCTION f(x staff_role) RETURNS int LANGUAGE sql AS 'SELECT 1'"
COOK = "x staff_role DEFAULT 'cook'"
MADE = "CREATE TYPE mood AS ENUM ('a'); CREATE TABLE t (m mood); ALTER TYPE mood ADD VALUE 'b'"


@pytest.mark.parametrize(
    ("text", "transaction", "severities"),
    [
        (f"{ADD}; {USE}", True, ["error"]),
        (f"{ADD}; {USE}", False, []),
        (f"BEGIN; {ADD}; {USE}; COMMIT", False, ["error"]),
        (f"BEGIN; {ADD}; COMMIT; {USE}", False, []),
        (f"{USE}; {ADD}", True, []),
        (f"{ADD}; UPDATE staff SET name = 'cook' WHERE role = 'clerk'", True, []),
        (f"{ADD}; UPDATE staff SET name = 'x' WHERE role IN ('clerk', 'cook')", True, ["error"]),
        (f"{ADD}; UPDATE staff SET name = 'x' WHERE 'cook' = staff.role", True, ["error"]),
        (f"{ADD}; INSERT INTO staff SELECT 1, 'x', 'cook'", True, ["error"]),
        (f"{ADD}; INSERT INTO staff SELECT 1, 'cook', 'clerk'", True, []),
        (f"{ADD}; SELECT 'cook'::text::staff_role", True, ["error"]),
        (f"{ADD}; SELECT 'cook'::text", True, []),
        (f"{ADD}; CREATE VIEW v AS SELECT id FROM staff WHERE role = 'cook'", True, ["error"]),
        (f"{ADD}; CREATE TABLE t (r staff_role DEFAULT 'cook')", True, ["error"]),
        (f"{ADD}; CREATE TABLE t (r text DEFAULT 'cook')", True, []),
        (f"{ADD}; UPDATE elsewhere SET role = 'cook'", True, ["warning"]),
        (f"{ADD}; SELECT concat('cook', name) FROM staff", True, ["warning"]),
        (f"{ADD}; SELECT concat('cook', id) FROM archive", True, []),
        (f"DO $$ BEGIN {ADD}; {USE}; END $$", False, ["error"]),
        (f"DO $$ BEGIN {ADD}; {USE}; END $$", True, ["error"]),
        (f"DO $$ BEGIN {ADD}; END $$; DO $$ BEGIN {USE}; END $$", False, []),
        (f"DO $$ BEGIN {ADD}; END $$; {USE}", False, []),
        (f"{ADD}; ALTER TABLE staff ADD COLUMN r staff_role[] DEFAULT '{{cook}}'", True, ["error"]),
        (f"{ADD}; CREATE TABLE t (r staff_role[] DEFAULT '{{clerk}}')", True, []),
        (f"{DOMAIN}; {ADD}; CREATE TABLE t (r role DEFAULT 'cook')", True, ["error"]),
        (f"{DOMAIN}; {ADD}; ALTER DOMAIN role SET DEFAULT 'cook'", True, ["error"]),
        (f"{DOMAIN}; {ADD}; ALTER DOMAIN role ADD CHECK (VALUE <> 'cook')", True, ["error"]),
        (f"{ADD}; {DOMAIN} DEFAULT 'cook'", True, ["error"]),
        (f"{ADD}; {DOMAIN} CHECK (VALUE <> 'cook')", True, ["error"]),
        (f"{ADD}; CREATE DOMAIN role AS text DEFAULT 'cook'", True, []),
        (f"{ADD}; {FUNCTION.replace('x staff_role', COOK)}", True, ["error"]),
        (f"{FUNCTION}; {ADD}; SELECT f('cook')", True, ["error"]),
        (f"{FUNCTION}; {ADD}; SELECT f('clerk')", True, []),
    ],
)
def test_a_label_is_used_too_early_where_the_transaction_adds_it(
    text: str, transaction: bool, severities: list[str]
) -> None:
    assert found(text, "MS432", transaction=transaction) == severities


@pytest.mark.parametrize(
    ("version", "severities"),
    [(11, []), (12, ["error"]), (16, ["error"]), (17, []), (None, ["error"])],
)
def test_from_17_on_a_label_of_a_type_as_new_can_be_used(
    version: int | None, severities: list[str]
) -> None:
    assert found(f"{MADE}; INSERT INTO t VALUES ('b')", "MS432", version=version) == severities


def test_a_label_of_an_enum_that_nobody_made_is_taken_for_new() -> None:
    text = "ALTER TYPE app.mood ADD VALUE 'b'; SELECT 'b'::app.mood"
    assert found(text, "MS432") == ["error"]


@pytest.mark.parametrize(
    ("version", "transaction", "severities"),
    [(11, True, ["error"]), (11, False, ["info"]), (12, True, ["info"]), (None, True, ["info"])],
)
def test_before_12_a_label_cannot_be_added_in_a_transaction(
    version: int | None, transaction: bool, severities: list[str]
) -> None:
    assert found(ADD, "MS431", version=version, transaction=transaction) == severities


def test_an_enum_that_a_pending_migration_makes_is_known_to_nobody() -> None:
    add = "ALTER TYPE mood ADD VALUE 'b'"
    made = after("CREATE TYPE mood AS ENUM ('a')", live())
    assert lint(add, "MS431", made) == []
    assert lint(ADD, "MS431", live())


@pytest.mark.parametrize(
    ("size", "severity"), [(8192, "info"), (50_000_000, "warning"), (5_000_000_000, "error")]
)
def test_a_domains_rule_is_as_bad_as_each_table_is_large(size: int, severity: str) -> None:
    text = "ALTER DOMAIN positive_int ADD CHECK (VALUE < 9)"
    (finding,) = lint(text, "MS226", live(doses=(5, size)))
    assert finding.severity == severity
    (finding,) = lint("ALTER DOMAIN positive_int SET NOT NULL", "MS227", live(doses=(5, size)))
    assert finding.severity == severity


def test_the_users_of_a_domain_that_nobody_made_are_not_known() -> None:
    (finding,) = lint("ALTER DOMAIN app.d ADD CHECK (VALUE > 0)", "MS226", Schema())
    assert "not known" in finding.message
    assert lint("ALTER DOMAIN unused ADD CHECK (VALUE > 0)", "MS226", live()) == []


def test_a_partitioned_table_answers_for_its_partitions() -> None:
    schema = after(
        """CREATE TABLE p (k int, v positive_int) PARTITION BY LIST (k);
           CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
           ALTER TABLE doses DROP COLUMN amount"""
    )
    (finding,) = lint("ALTER DOMAIN positive_int SET NOT NULL", "MS227", schema)
    assert "all of p to" in finding.message


def test_a_table_of_an_unknown_composite_type_may_follow_it() -> None:
    (finding,) = lint("ALTER TYPE app.pair ADD ATTRIBUTE c int CASCADE", "MS131", Schema())
    assert "not known" in finding.message
    assert lint("ALTER TYPE app.pair ADD ATTRIBUTE c int CASCADE", "MS131", live()) == []


def test_an_enum_is_narrowed_whichever_of_the_two_is_renamed() -> None:
    text = """ALTER TYPE dose_unit RENAME TO old; CREATE TYPE dose_unit AS ENUM ('mg');
              ALTER TABLE doses ALTER unit TYPE dose_unit USING unit::text::dose_unit"""
    assert len(lint(text, "MS228")) == 1
    assert len(lint(text, "MS209")) == 1
    wider = text.replace("('mg')", "('mg', 'ml', 'drop')")
    assert lint(wider, "MS228") == []
    assert len(lint(wider, "MS209")) == 1


def test_a_renamed_type_that_nobody_made_is_another_than_the_next_of_its_name() -> None:
    schema = after("CREATE TABLE t (c app.mood)")
    text = """ALTER TYPE app.mood RENAME TO old; CREATE TYPE app.mood AS ENUM ('a');
              ALTER TABLE t ALTER c TYPE app.mood USING c::text::app.mood"""
    assert len(lint(text, "MS209", schema)) == 1
