"""Constraints where the catalog, the version or the transaction decides; cases have the rest."""

import pytest

from migsafe import hazards, sql
from migsafe.findings import Severity
from migsafe.hazards import Options, Unit
from migsafe.schema import Constraint, Key, Schema
from tests.unit.hazard_walks import before, find, live

INFO, WARNING, ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR
ONE = "CREATE TABLE t (a int, b int NOT NULL, c text);"
LOCKED = [
    ("ALTER TABLE t ADD UNIQUE (a)", "MS105"),
    ("ALTER TABLE t ADD PRIMARY KEY (a)", "MS106"),
    ("ALTER TABLE t ADD EXCLUDE (a WITH =)", "MS107"),
    ("ALTER TABLE t ADD CHECK (a > 0)", "MS215"),
]


@pytest.mark.parametrize(("text", "code"), LOCKED)
@pytest.mark.parametrize(
    ("size", "severity"), [(1_000, INFO), (50_000_000, WARNING), (5_000_000_000, ERROR)]
)
def test_a_lock_is_as_bad_as_its_table_is_large(
    text: str, code: str, size: int, severity: Severity
) -> None:
    assert [finding.severity for finding in find(text, code, live(size=size))] == [severity]


@pytest.mark.parametrize(("text", "code"), LOCKED)
def test_a_table_that_is_not_in_the_target_is_left_alone(text: str, code: str) -> None:
    gone = text.replace("TABLE t", "TABLE IF EXISTS gone")
    assert not find(gone, code, live())
    assert find(gone, code)


@pytest.mark.parametrize(
    ("add", "reads"), [("(b)", False), ("(a)", True), ("(b, a)", True), ("(unknown)", True)]
)
def test_a_primary_key_reads_the_rows_where_a_column_may_be_null(add: str, reads: bool) -> None:
    (finding,) = find(f"ALTER TABLE t ADD PRIMARY KEY {add}", "MS106", before(ONE))
    assert ("reads all" in finding.message) == reads


@pytest.mark.parametrize(
    ("proof", "version", "found"),
    [
        ("CHECK (a IS NOT NULL)", None, 0),
        ("CHECK (a IS NOT NULL AND a > 0)", 12, 0),
        ("CHECK (a IS NOT NULL)", 11, 1),
        ("CHECK (a IS NOT NULL) NOT VALID", 16, 1),
        ("CHECK (a IS NOT NULL) NOT ENFORCED", 18, 1),
        ("CHECK (a > 0)", 16, 1),
    ],
)
def test_a_valid_check_proves_a_key_since_12(proof: str, version: int | None, found: int) -> None:
    schema = before(f"{ONE} CREATE UNIQUE INDEX i ON t (a); ALTER TABLE t ADD {proof}")
    text = "ALTER TABLE t ADD PRIMARY KEY USING INDEX i"
    assert len(find(text, "MS216", schema, version=version)) == found


@pytest.mark.parametrize(
    ("add", "found"),
    [("NOT NULL a", 1), ("NOT NULL b", 0), ("NOT NULL a NOT VALID", 0), ("CHECK (a > 0)", 0)],
)
def test_a_not_null_constraint_reads_what_set_not_null_reads(add: str, found: int) -> None:
    text = f"ALTER TABLE t ADD CONSTRAINT k {add}"
    assert len(find(text, "MS211", before(ONE), version=18)) == found


def test_an_index_that_is_not_known_may_hold_nulls() -> None:
    (finding,) = find("ALTER TABLE u ADD PRIMARY KEY USING INDEX i", "MS216", Schema())
    assert "not known" in finding.message


def test_taking_an_index_over_is_brief() -> None:
    for code, kind in (("MS105", "UNIQUE"), ("MS106", "PRIMARY KEY"), ("MS216", "PRIMARY KEY")):
        schema = before(f"{ONE} CREATE UNIQUE INDEX i ON t (b)")
        assert not find(f"ALTER TABLE t ADD {kind} USING INDEX i", code, schema)


ADD = "ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0) NOT VALID;"
VALIDATE = "ALTER TABLE t VALIDATE CONSTRAINT k;"


@pytest.mark.parametrize(
    ("text", "transaction", "found"),
    [
        (ADD + VALIDATE, True, 1),
        (ADD + VALIDATE, False, 0),
        (f"BEGIN; {ADD} COMMIT; BEGIN; {VALIDATE} COMMIT", False, 0),
        (f"BEGIN; {ADD} {VALIDATE} COMMIT", False, 1),
        (f"{ADD[:-1]}, VALIDATE CONSTRAINT k", False, 1),
    ],
)
def test_validating_under_the_lock_takes_one_transaction(
    text: str, transaction: bool, found: int
) -> None:
    assert len(find(text, "MS217", before(ONE), transaction=transaction)) == found
    assert len(find(text, "MS218", before(ONE), transaction=transaction)) == 1 - found


def test_the_lock_of_a_foreign_key_is_on_both_tables() -> None:
    text = ADD.replace("CHECK (a > 0)", "FOREIGN KEY (a) REFERENCES p") + VALIDATE
    schema = before(f"{ONE} CREATE TABLE p (id int PRIMARY KEY)")
    (finding,) = find(text, "MS217", schema, transaction=True)
    assert "SHARE ROW EXCLUSIVE on t and p" in finding.message
    at_once = text.replace(";ALTER TABLE t VALIDATE", ", VALIDATE")
    assert at_once != text
    (finding,) = find(at_once, "MS217", schema, transaction=True)
    assert "SHARE ROW EXCLUSIVE on t and p" in finding.message


def test_a_constraint_of_an_earlier_migration_is_validated_on_its_own() -> None:
    assert not find(VALIDATE, "MS217", before(ONE + ADD), transaction=True)
    assert find(VALIDATE, "MS218", before(ONE + ADD), transaction=True)


@pytest.mark.parametrize(
    ("add", "fails"),
    [
        ("CHECK (a > 0)", "23514"),
        ("FOREIGN KEY (a) REFERENCES p", "23503"),
        ("NOT NULL a", "23502"),
    ],
)
def test_it_is_said_how_an_old_row_ends_a_validation(add: str, fails: str) -> None:
    schema = before(f"{ONE} ALTER TABLE t ADD CONSTRAINT k {add} NOT VALID")
    (finding,) = find(VALIDATE, "MS218", schema)
    assert fails in finding.message


KEYED = "CREATE TABLE t (a int CONSTRAINT k PRIMARY KEY, b int);"


def test_a_published_table_without_a_key_refuses_updates() -> None:
    schema = before(KEYED)
    table = schema.tables[Key("public", "t")]
    table.published = True
    drop = "ALTER TABLE t DROP CONSTRAINT k"
    assert [finding.severity for finding in find(drop, "MS323", schema)] == [ERROR]
    for identity in "fi":
        schema = before(KEYED)
        table = schema.tables[Key("public", "t")]
        table.published, table.replica_identity = True, identity
        assert [finding.severity for finding in find(drop, "MS323", schema)] == [WARNING]


@pytest.mark.parametrize(
    ("text", "severities"),
    [
        ("ALTER TABLE t DROP CONSTRAINT k", [WARNING]),
        ("ALTER TABLE t DROP COLUMN a", [WARNING]),
        ("ALTER TABLE t DROP COLUMN b", []),
        ("ALTER TABLE t DROP CONSTRAINT k, ADD PRIMARY KEY (b)", [INFO]),
        ("ALTER TABLE t DROP CONSTRAINT k; ALTER TABLE t ADD PRIMARY KEY (b)", [INFO]),
        ("ALTER TABLE t DROP CONSTRAINT k; ALTER TABLE u ADD PRIMARY KEY (b)", [WARNING]),
        ("ALTER TABLE t DROP CONSTRAINT k, ADD PRIMARY KEY USING INDEX i", []),
    ],
)
def test_a_table_loses_its_key_unless_it_gets_another(
    text: str, severities: list[Severity]
) -> None:
    assert [finding.severity for finding in find(text, "MS323", before(KEYED))] == severities


@pytest.mark.parametrize(
    ("name", "looks"),
    [
        ("users_pkey", True),
        ("users_pk", True),
        ("PK_users", True),
        ("users_primary_key", True),
        ("users_email_key", False),
        ("pkg_code_check", False),
    ],
)
def test_a_primary_key_is_guessed_by_its_name_where_the_table_is_not_known(
    name: str, looks: bool
) -> None:
    drop = f'ALTER TABLE users DROP CONSTRAINT "{name}"'
    assert bool(find(drop, "MS323", Schema())) == looks
    assert bool(find(drop, "MS324", Schema())) != looks
    assert not find(drop, "MS323", before("CREATE TABLE users (id int)"))


def test_dropping_a_foreign_key_locks_both_tables_whichever_is_new() -> None:
    schema = "CREATE TABLE p (id int PRIMARY KEY);"
    child = "CREATE TABLE c (p_id int CONSTRAINT k REFERENCES p);"
    drop = "ALTER TABLE c DROP CONSTRAINT k"
    (finding,) = find(drop, "MS324", before(schema + child))
    assert "ACCESS EXCLUSIVE on c and p" in finding.message
    (finding,) = find(child + drop, "MS324", before(schema))
    assert "ACCESS EXCLUSIVE on c and p" in finding.message
    assert not find(schema + child + drop, "MS324", before(""))


@pytest.mark.parametrize(
    ("text", "severities"),
    [
        ("ALTER TABLE t DROP CONSTRAINT k", [WARNING]),
        ("ALTER TABLE t DROP CONSTRAINT k, ADD CONSTRAINT k CHECK (a > 1)", [INFO]),
        ("ALTER TABLE t DROP CONSTRAINT k; ALTER TABLE t ADD CONSTRAINT k UNIQUE (a)", [INFO]),
        ("ALTER TABLE t DROP CONSTRAINT IF EXISTS other", []),
        ("ALTER TABLE t DROP CONSTRAINT other", [WARNING]),
        ("ALTER TABLE t ALTER a SET NOT NULL, ALTER b DROP NOT NULL;"
         "ALTER TABLE t DROP CONSTRAINT k", [WARNING]),
    ],
)  # fmt: skip
def test_a_dropped_check_is_lost_unless_it_is_added_again(
    text: str, severities: list[Severity]
) -> None:
    found = find(text, "MS324", before(f"{ONE} {ADD}"))
    assert [finding.severity for finding in found] == severities


@pytest.mark.parametrize(
    ("refers", "drop", "severities"),
    [
        ("REFERENCES t", "DROP CONSTRAINT k", [ERROR]),
        ("REFERENCES t (a)", "DROP CONSTRAINT k", [ERROR]),
        ("REFERENCES t (a)", "DROP CONSTRAINT k CASCADE", [WARNING]),
        ("REFERENCES t (b)", "DROP CONSTRAINT k", []),
        ("REFERENCES t (b)", "DROP CONSTRAINT u", [ERROR]),
        ("REFERENCES t", "DROP CONSTRAINT u", []),
    ],
)
def test_a_key_that_is_referred_to_stays(
    refers: str, drop: str, severities: list[Severity]
) -> None:
    schema = "CREATE TABLE t (a int CONSTRAINT k PRIMARY KEY, b int CONSTRAINT u UNIQUE);"
    found = find(
        f"ALTER TABLE t {drop}", "MS418", before(f"{schema} CREATE TABLE c (x int {refers})")
    )
    assert [finding.severity for finding in found] == severities


def test_which_of_two_keys_a_foreign_key_relies_on_is_not_known() -> None:
    schema = f"{KEYED} CREATE UNIQUE INDEX twin ON t (a); CREATE TABLE c (x int REFERENCES t (a))"
    (finding,) = find("ALTER TABLE t DROP CONSTRAINT k", "MS418", before(schema))
    assert finding.severity == WARNING


@pytest.mark.parametrize(
    ("check", "found"),
    [
        ("a > 0", 0),
        ("c < now()", 1),
        ("c < LOCALTIMESTAMP(3)", 1),
        ("c = CURRENT_USER", 1),
        ("random() < a", 1),
        ("lower(c) = c", 0),
        ("ours(a)", 0),
        ("theirs(a)", 1),
        ("nobody_knows(a)", 0),
    ],
)
def test_a_check_is_unsteady_by_what_it_calls(check: str, found: int) -> None:
    functions = (
        "CREATE FUNCTION ours(int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT true';"
        "CREATE FUNCTION theirs(int) RETURNS bool LANGUAGE sql AS 'SELECT true'"
    )
    schema = before(f"{ONE} {functions}")
    assert len(find(f"ALTER TABLE t ADD CHECK ({check})", "MS417", schema)) == found
    assert len(find(f"CREATE TABLE n (a int, c text, CHECK ({check}))", "MS417", schema)) == found


def left(schema: Schema, *texts: str) -> list[tuple[str | None, int | None]]:
    units = [
        Unit(name=f"{n}_m", file="m.sql", text=text, statements=sql.parse(text), transaction=True)
        for n, text in enumerate(texts, start=2)
    ]
    found = hazards.walk(units, schema, Options())
    return [(one.migration, one.line) for one in found if one.code == "MS416"]


def test_a_constraint_is_left_where_no_later_migration_validates_it() -> None:
    assert left(before(ONE), f"SELECT 1;\n{ADD}", "SELECT 1") == [("2_m", 2)]
    assert left(before(ONE), ADD, VALIDATE) == []
    assert left(before(ONE), ADD, "DROP TABLE t") == []
    assert left(before(ONE), ADD.replace("VALID", "ENFORCED")) == []


def test_a_constraint_that_the_target_left_is_not_the_fault_of_a_migration() -> None:
    schema = live()
    schema.tables[Key("public", "t")].constraints["k"] = Constraint(
        name="k", kind="c", valid=False, live=True
    )
    assert left(schema, "SELECT 1") == []


def test_a_constraint_is_not_enforced_since_18() -> None:
    text = "ALTER TABLE t ADD CHECK (a > 0) NOT ENFORCED"
    assert find(text, "MS333", before(ONE))
    assert find(text, "MS333", before(ONE), version=18)
    assert not find("ALTER TABLE t ALTER CONSTRAINT k DEFERRABLE", "MS333", before(ONE))
