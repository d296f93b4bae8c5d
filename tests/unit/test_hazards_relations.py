"""Triggers, rights, storage and the rest of whole relations, with and without a target."""

import pytest

from migsafe import hazards, sql
from migsafe.findings import Finding
from migsafe.hazards import Options, Unit
from migsafe.schema import Key, Schema
from tests.hazard_cases import clinic, lint, live

# ---------------------------------------------------------------- triggers


def test_a_trigger_that_is_made_again_is_not_missed_but_its_table_is_locked() -> None:
    drop = "DROP TRIGGER patients_touch ON patients;"
    again = """CREATE TRIGGER patients_touch BEFORE UPDATE ON patients
                   FOR EACH ROW EXECUTE FUNCTION touch()"""
    (finding,) = lint(drop, "MS120")
    assert "not done any more" in finding.message
    (finding,) = lint(drop + again, "MS120")
    assert "not done any more" not in finding.message


def test_what_is_dropped_with_its_table_needs_no_word_of_its_own() -> None:
    for text, code in (
        ("DROP TRIGGER patients_touch ON patients", "MS120"),
        ("DROP POLICY p ON patients", "MS122"),
    ):
        assert len(lint(text, code)) == 1
        assert lint(f"{text}; DROP TABLE staff, patients CASCADE", code) == []


def test_a_trigger_that_comes_back_is_worth_a_word_and_foreign_keys_a_warning() -> None:
    text = "ALTER TABLE patients DISABLE TRIGGER {0}; ALTER TABLE patients ENABLE TRIGGER {0}"
    (finding,) = lint(text.format("patients_touch"), "MS325")
    assert finding.severity == "info"
    (finding,) = lint(text.format("ALL"), "MS325")
    assert finding.severity == "warning"
    (finding,) = lint("ALTER TABLE patients DISABLE TRIGGER patients_touch", "MS325")
    assert (finding.severity, "for good" in finding.message) == ("warning", True)


# ---------------------------------------------------------------- who may do what


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("ALTER TABLE patients ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON patients", 0),
        ("ALTER TABLE patients ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON staff", 1),
        ("DROP POLICY IF EXISTS p ON patients", 0),
        ("DROP POLICY p ON patients", 1),
        ("DROP POLICY p ON patients; CREATE POLICY p ON patients", 0),
    ],
)
def test_policies_may_follow_in_the_same_transaction(text: str, count: int) -> None:
    assert len(lint(text, "MS122")) == count


def test_without_a_transaction_rows_are_hidden_until_the_policy_comes() -> None:
    text = "ALTER TABLE patients ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON patients"
    assert len(lint(text, "MS122", transaction=False)) == 1


def test_policies_that_are_not_known_are_not_denied() -> None:
    (finding,) = lint("ALTER TABLE app.users ENABLE ROW LEVEL SECURITY", "MS122", Schema())
    assert "no policy of it is known" in finding.message


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("GRANT EXECUTE ON FUNCTION touch() TO PUBLIC", 0),
        ("GRANT USAGE ON SEQUENCE ticket_seq TO PUBLIC", 0),
        ("GRANT UPDATE ON SEQUENCE ticket_seq TO PUBLIC", 1),
        ("GRANT SELECT ON patients, staff TO PUBLIC", 2),
        ("GRANT SELECT (name) ON patients TO PUBLIC", 1),
        ("GRANT clerk TO nurse", 0),
        ("GRANT USAGE ON TYPE staff_role TO PUBLIC", 0),
        ("REVOKE SELECT ON patients FROM app", 1),
        ("REVOKE TRIGGER, REFERENCES ON patients FROM app", 0),
        ("ALTER FUNCTION touch() OWNER TO app", 0),
        ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO app", 0),
    ],
)
def test_only_rights_of_everybody_or_of_nobody_any_more_are_found(text: str, count: int) -> None:
    assert len(lint(text, "MS326")) == count


def walked(text: str, code: str, version: int) -> list[Finding]:
    unit = Unit(name="1_a", file="a", text=text, statements=sql.parse(text), transaction=True)
    options = Options(version=version, on=frozenset({code}))
    return [found for found in hazards.walk([unit], clinic(), options) if found.code == code]


def test_a_trusted_extension_needs_no_superuser_since_13() -> None:
    (finding,) = walked("CREATE EXTENSION hstore", "MS428", 13)
    assert (finding.severity, "superuser" in finding.message) == ("info", False)
    (finding,) = walked("CREATE EXTENSION hstore", "MS428", 12)
    assert (finding.severity, "superuser" in finding.message) == ("warning", True)
    (finding,) = walked("CREATE EXTENSION postgres_fdw", "MS428", 18)
    assert finding.severity == "warning"


def test_an_extension_that_is_there_cannot_be_made_again() -> None:
    (finding,) = lint("CREATE EXTENSION citext", "MS428")
    assert (finding.severity, "42710" in finding.message) == ("error", True)


# ---------------------------------------------------------------- storage


@pytest.mark.parametrize(
    ("size", "severity"), [(8192, "info"), (500_000_000, "warning"), (5_000_000_000, "error")]
)
def test_a_copy_is_as_bad_as_the_table_is_large(size: int, severity: str) -> None:
    for text, code in (
        ("ALTER TABLE patients SET UNLOGGED", "MS219"),
        ("CLUSTER patients USING patients_pkey", "MS222"),
        ("ALTER TABLE patients SET ACCESS METHOD heap2", "MS221"),
        ("ALTER TABLE patients SET TABLESPACE fast", "MS220"),
    ):
        target = live(patients=(1, size))
        target.tables[Key("public", "appointments")].unlogged = True
        target.tables[Key("public", "invoices")].unlogged = True
        (finding,) = lint(text, code, target)
        assert finding.severity == severity


def test_a_table_of_unknown_state_may_have_to_be_written_anew() -> None:
    assert len(lint("ALTER TABLE app.users SET LOGGED", "MS219", Schema())) == 1
    assert lint("ALTER TABLE archive SET LOGGED", "MS219") == []


def test_a_partitioned_table_has_no_rows_of_its_own_to_copy() -> None:
    assert lint("ALTER TABLE visits SET ACCESS METHOD heap2", "MS221") == []
    assert lint("ALTER TABLE visits SET TABLESPACE fast", "MS220") == []


def test_a_logged_table_cannot_need_an_unlogged_one() -> None:
    text = """CREATE UNLOGGED TABLE a (id int PRIMARY KEY);
              CREATE UNLOGGED TABLE b (a_id int REFERENCES a); ALTER TABLE b SET LOGGED"""
    (finding,) = lint(text, "MS219")
    assert (finding.severity, "42P16" in finding.message) == ("error", True)


@pytest.mark.parametrize(
    ("option", "full"),
    [
        ("FULL", True),
        ("FULL true", True),
        ("FULL off", False),
        ("FULL 0", False),
        ("FREEZE", False),
    ],
)
def test_vacuum_is_full_only_where_it_says_so(option: str, *, full: bool) -> None:
    assert bool(lint(f"VACUUM ({option}) archive", "MS222", transaction=False)) == full


# ---------------------------------------------------------------- relations


def test_a_lock_outside_of_a_transaction_is_refused() -> None:
    (finding,) = lint("LOCK TABLE archive IN ACCESS SHARE MODE", "MS118", transaction=False)
    assert (finding.severity, "25P01" in finding.message) == ("error", True)


def test_without_identity_a_published_table_refuses_updates_at_once() -> None:
    target = live(patients=(1, 8192))
    target.tables[Key("public", "patients")].published = True
    (finding,) = lint("ALTER TABLE patients REPLICA IDENTITY NOTHING", "MS130", target)
    assert finding.severity == "error"


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ("id integer NOT NULL", "lacks the column name"),
        ("id bigint NOT NULL, name text", "another type for id"),
        ("id integer, name text", "allows NULL in id"),
    ],
)
def test_an_heir_that_differs_is_refused(columns: str, problem: str) -> None:
    text = f"CREATE TABLE heir ({columns}); ALTER TABLE heir INHERIT devices"
    (finding,) = lint(text, "MS429")
    assert (finding.severity, problem in finding.message) == ("error", True)


def test_an_heir_of_which_little_is_known_is_not_refused_here() -> None:
    (finding,) = lint("ALTER TABLE app.heir INHERIT devices", "MS429")
    assert finding.severity == "info"


# ---------------------------------------------------------------- sizes


def test_room_is_needed_for_all_partitions_that_are_written_anew() -> None:
    target = live(visits_2024=(1, 600_000_000), visits_2025=(1, 600_000_000))
    target.tables[Key("public", "visits")].bytes = 1_200_000_000
    (finding,) = lint("ALTER TABLE visits ALTER COLUMN id TYPE integer", "MS229", target)
    assert "1,200 MB" in finding.message


def test_nothing_is_said_of_sizes_that_nobody_knows() -> None:
    text = "ALTER TABLE patients ALTER COLUMN legacy_id TYPE bigint; CLUSTER patients"
    assert lint(text, "MS229") == lint(text, "MS230") == []


def test_an_unlogged_table_is_not_sent_to_standbys() -> None:
    target = live(archive=(1, 40_000_000_000))
    target.tables[Key("public", "archive")].unlogged = True
    text = "UPDATE archive SET payload = ''; CREATE INDEX ON archive (id)"
    assert lint(text, "MS230", target) == []
    assert len(lint(text, "MS230", live(archive=(1, 40_000_000_000)))) == 2


# ---------------------------------------------------------------- rows under a lock


def test_the_lock_that_is_named_is_the_strongest_and_best_the_tables_own() -> None:
    text = """CREATE TRIGGER t BEFORE INSERT ON archive FOR EACH ROW EXECUTE FUNCTION touch();
              ALTER TABLE staff ADD COLUMN a int;
              ALTER TABLE scratch ADD COLUMN b int;
              UPDATE scratch SET b = 1"""
    (finding,) = lint(text, "MS116")
    assert "line 3 holds ACCESS EXCLUSIVE on scratch and 2 more" in finding.message
    assert finding.line == 4


@pytest.mark.parametrize(
    ("between", "count"), [("", 1), ("COMMIT; BEGIN;", 0), ("SAVEPOINT s;", 1)]
)
def test_a_lock_ends_with_its_transaction(between: str, count: int) -> None:
    text = f"BEGIN; ALTER TABLE staff ADD COLUMN a int; {between} UPDATE staff SET a = 1; COMMIT"
    assert len(lint(text, "MS116", transaction=False)) == count
    assert lint(text.replace("BEGIN;", "").replace("COMMIT", ""), "MS116", transaction=False) == []


def test_a_backfill_is_as_bad_as_its_table_is_large() -> None:
    text = "ALTER TABLE staff ADD COLUMN a int; UPDATE patients SET name = ''"
    for size, severity in ((8192, "info"), (5_000_000_000, "error")):
        (finding,) = lint(text, "MS116", live(staff=(1, 8192), patients=(1, size)))
        assert finding.severity == severity


def test_a_lock_that_lets_others_write_holds_nobody_up() -> None:
    text = "ALTER TABLE staff SET (fillfactor = 90); UPDATE staff SET name = ''"
    assert lint(text, "MS116") == []
