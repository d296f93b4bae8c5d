"""Changes of type, with more and with less that is known than in the cases."""

import pytest

from migsafe import hazards, sql
from migsafe.hazards import Options, Unit
from migsafe.schema import Schema
from migsafe.schema.changes import advance
from tests.hazard_cases import clinic, lint, live


def retype(column: str, type_: str, table: str = "patients") -> str:
    return f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {type_}"


def after(text: str) -> Schema:
    """Return the clinic with what an earlier migration made of it."""
    schema = clinic()
    for statement in sql.parse(text):
        advance(schema, statement, "0_before")
    return schema


@pytest.mark.parametrize(("kind", "hits"), [("VIRTUAL", 0), ("STORED", 1)])
def test_what_is_not_stored_is_not_rewritten(kind: str, hits: int) -> None:
    schema = after(f"CREATE TABLE g (a int, w int GENERATED ALWAYS AS (a + 1) {kind})")
    assert len(lint(retype("w", "bigint", "g"), "MS209", schema)) == hits


def test_without_the_old_type_a_rewrite_is_possible() -> None:
    (finding,) = lint(retype("c", "text", "nowhere"), "MS209", Schema())
    assert finding.severity == "warning"
    assert "not known" in finding.message
    (finding,) = lint(f"{retype('c', 'text', 'nowhere')} USING c || ''", "MS209", Schema())
    assert "not known" not in finding.message


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        ("SET TIME ZONE 'UTC'", 0),
        ("SET LOCAL timezone = 'Etc/UTC'", 0),
        ("SET timezone TO utc", 0),
        ("SET TIME ZONE 'Europe/London'", 1),
        ("SET TimeZone = 'UTC'; RESET TimeZone", 1),
        ("SELECT 1", 1),
    ],
)
def test_a_time_zone_spares_the_rewrite_of_a_timestamp_where_it_is_set(
    setting: str, found: int
) -> None:
    text = f"{setting}; {retype('taken', 'timestamptz', 'readings')}"
    assert len(lint(text, "MS209")) == found
    assert len(lint(text, "MS110")) == 1 - found


def test_the_targets_own_time_zone_counts_from_12_on() -> None:
    text = retype("taken", "timestamptz", "readings")
    for version, found in ((11, 1), (12, 0), (18, 0)):
        target = live(readings=(10, 8192))
        target.settings["timezone"], target.version = "UTC", version
        assert len(lint(text, "MS209", target)) == found


def test_what_would_spare_a_rewrite_is_said() -> None:
    (finding,) = lint(retype("taken", "timestamptz", "readings"), "MS209")
    assert "TimeZone is UTC" in finding.message
    (finding,) = lint(retype("taken", "timestamptz(3)", "readings"), "MS209")
    assert "TimeZone" not in finding.message


def test_a_rewrite_of_a_key_names_the_other_table() -> None:
    (parent,) = lint(retype("id", "bigint", "staff"), "MS209")
    (child,) = lint(retype("staff_id", "bigint", "appointments"), "MS209")
    assert "ACCESS EXCLUSIVE on appointments" in parent.message
    assert "ACCESS EXCLUSIVE on staff" in child.message


def test_a_change_that_a_change_made_possible_is_judged_by_the_type_in_between() -> None:
    text = f"{retype('email', 'text')}; {retype('email', 'varchar(60)')}"
    (finding,) = lint(text, "MS209")
    assert finding.statement == 2


@pytest.mark.parametrize(
    ("size", "severity"), [(8192, "info"), (50_000_000, "warning"), (5_000_000_000, "error")]
)
@pytest.mark.parametrize(
    ("text", "code"),
    [
        (retype("legacy_id", "bigint"), "MS209"),
        (retype("email", 'text COLLATE "C"'), "MS110"),
        (retype("mrn", "varchar"), "MS210"),
    ],
)
def test_work_under_a_lock_is_as_bad_as_the_table_is_large(
    text: str, code: str, size: int, severity: str
) -> None:
    (finding,) = lint(text, code, live(patients=(40, size)))
    assert (finding.severity, finding.evidence) == (severity, "catalog")


@pytest.mark.parametrize(
    ("index", "found"),
    [
        ("(email)", 0),
        ("(name) INCLUDE (email)", 0),
        ("(name, lower(notes))", 0),
        ("(lower(email))", 1),
        ("(name) WHERE email <> ''", 1),
        ("(name, lower(notes)) INCLUDE (email)", 1),
    ],
)
def test_an_index_with_an_expression_is_built_anew_where_it_needs_the_column(
    index: str, found: int
) -> None:
    schema = after(f"CREATE INDEX i ON patients {index}")
    assert len(lint(retype("email", "varchar(60)"), "MS110", schema)) == found


def test_a_collation_that_is_left_out_is_the_types_own() -> None:
    schema = after('CREATE TABLE t (c text COLLATE "C" UNIQUE)')
    assert len(lint(retype("c", "text", "t"), "MS110", schema)) == 1
    schema = after('CREATE TABLE t (c text COLLATE "C" UNIQUE)')
    assert lint(retype("c", 'text COLLATE "C"', "t"), "MS110", schema) == []
    schema = after("CREATE TABLE t (c text UNIQUE)")
    assert lint(retype("c", 'text COLLATE "default"', "t"), "MS110", schema) == []


def test_a_foreign_key_is_checked_again_where_its_operator_is_another() -> None:
    made = "CREATE TABLE p (c text PRIMARY KEY); CREATE TABLE k (c text REFERENCES p)"
    (brief,) = lint(retype("c", "varchar", "k"), "MS210", after(made))
    (scan,) = lint(retype("c", "citext", "k"), "MS210", after(made))
    assert (brief.severity, scan.severity) == ("info", "warning")


def test_values_are_asked_of_the_target_where_there_is_one() -> None:
    text = f"{retype('notes', 'integer')} USING notes::integer"
    assert [finding.severity for finding in lint(text, "MS411")] == ["warning"]
    assert lint(text, "MS411", live(patients=(40, 8192))) == []
    enum = "CREATE TYPE duty AS ENUM ('doctor', 'nurse', 'clerk')"
    assert lint(f"{enum}; {retype('role', 'duty', 'staff')} USING role::text::duty", "MS411") == []
    assert lint(f"CREATE TABLE t (c text); {retype('c', 'int', 't')} USING c::int", "MS411") == []


@pytest.mark.parametrize(
    ("default", "found"),
    [
        ("'a'", 1),
        ("'a'::text", 1),
        ("true", 1),
        ("1", 0),
        ("now()", 0),
        ("NULL", 0),
    ],
)
def test_a_default_has_to_become_the_new_type_too(default: str, found: int) -> None:
    schema = after(f"CREATE TABLE t (c text DEFAULT {default})")
    text = f"{retype('c', 'integer', 't')} USING length(c)"
    assert len(lint(text, "MS411", schema)) == found


def test_setting_another_default_in_the_same_statement_comes_too_late() -> None:
    schema = "CREATE TABLE t (c text DEFAULT 'a')"
    text = f"{retype('c', 'integer', 't')} USING 1, ALTER COLUMN c"
    assert len(lint(f"{text} SET DEFAULT 1", "MS411", after(schema))) == 1
    assert lint(f"{text} DROP DEFAULT", "MS411", after(schema)) == []


def test_a_type_of_an_extension_may_have_casts_that_nobody_knows() -> None:
    assert lint(retype("notes", "geometry"), "MS411") == []
    assert lint(retype("notes", "app.mood"), "MS411") == []
    assert len(lint(f"CREATE TYPE mood AS ENUM ('a'); {retype('notes', 'mood')}", "MS411")) == 1


def test_a_target_knows_which_columns_a_view_needs() -> None:
    joined = "CREATE VIEW v AS SELECT p.name FROM patients p JOIN staff s ON s.id = p.id"
    text = retype("name", "varchar(9)", "staff")
    assert [one.severity for one in lint(text, "MS337", after(joined))] == ["warning"]
    target = live(staff=(6, 8192))
    for table in target.tables.values():
        table.readers = {view: frozenset({"id"}) for view in table.readers}
    assert lint(text, "MS337", target) == []


@pytest.mark.parametrize(
    ("query", "severity"),
    [
        ("SELECT notes FROM patients", "error"),
        ("SELECT id AS notes FROM patients ORDER BY notes", "warning"),
        ("SELECT s.notes FROM (SELECT id AS notes FROM patients) AS s", "warning"),
        ("SELECT notes FROM staff JOIN patients USING (id)", "warning"),
    ],
)
def test_a_view_of_the_pending_text_is_certain_only_where_a_name_can_mean_no_other_column(
    query: str, severity: str
) -> None:
    target = live(patients=(6, 8192))
    text = f"CREATE VIEW v AS {query}; {retype('notes', 'varchar(9)')}"
    assert [one.severity for one in lint(text, "MS337", target)] == [severity]


def test_hits_of_rows_alone_stay_with_the_rules_that_say_so() -> None:
    by_code = {rule.code: rule.rows for rule in hazards.rules()}
    assert [by_code[code] for code in ("MS319", "MS320", "MS339")] == [True, True, True]
    assert not by_code["MS411"]


def test_a_view_has_no_column_whose_type_could_change() -> None:
    unit = Unit(
        name="1_a",
        file="1_a.sql",
        text="",
        statements=sql.parse("ALTER TABLE active_patients ALTER COLUMN name SET DEFAULT 'a'"),
        transaction=True,
    )
    found = hazards.walk([unit], clinic(), Options())
    assert not {"MS312", "MS209"} & {finding.code for finding in found}
