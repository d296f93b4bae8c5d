"""Foreign keys where the catalog, the version or another migration decides; cases have the rest."""

import pytest

from migsafe import hazards, sql
from migsafe.findings import Severity
from migsafe.hazards import Options, Unit
from migsafe.schema import Constraint, Key, Place, Schema
from tests.unit.hazard_walks import before, find, live

INFO, WARNING, ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR
TWO = "CREATE TABLE p (id bigint PRIMARY KEY, small int, code text); CREATE TABLE c (p_id bigint);"
ADD = "ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (p_id) REFERENCES p"


def walk(schema: Schema, *units: tuple[str, str, bool]) -> list[tuple[str, str, int | None]]:
    """Walk (name, text, reported) and return (code, migration, line) of what is found."""
    made = [
        Unit(
            name=name,
            file=f"{name}.sql",
            text=text,
            statements=sql.parse(text),
            transaction=True,
            report=report,
        )
        for name, text, report in units
    ]
    found = hazards.walk(made, schema, Options())
    return [(one.code, one.migration or "", one.line) for one in found]


def test_both_tables_are_named_and_the_one_that_is_read_is_weighed() -> None:
    schema = live(size=5_000_000_000)
    (finding,) = find("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES staff (id)", "MS214", schema)
    assert finding.severity == ERROR
    assert "SHARE ROW EXCLUSIVE on t and staff" in finding.message


def test_a_new_table_that_refers_to_an_old_one_is_not_read() -> None:
    text = "CREATE TABLE n (p_id bigint); ALTER TABLE n ADD FOREIGN KEY (p_id) REFERENCES p"
    assert not find(text, "MS214", before(TWO))
    assert find(text.partition(";")[2], "MS214", before(f"{TWO} CREATE TABLE n (p_id bigint)"))


def test_a_foreign_key_that_is_not_enforced_reads_nothing() -> None:
    assert not find(f"{ADD} NOT ENFORCED", "MS214", before(TWO))


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("ALTER TABLE c ALTER CONSTRAINT fk ENFORCED", 1),
        ("ALTER TABLE c ALTER CONSTRAINT elsewhere ENFORCED", 1),
        ("ALTER TABLE c ALTER CONSTRAINT fk NOT ENFORCED", 0),
        ("ALTER TABLE c ALTER CONSTRAINT fk DEFERRABLE", 0),
        ("ALTER TABLE c ALTER CONSTRAINT held ENFORCED", 0),
    ],
)
def test_a_key_that_is_held_from_now_on_is_checked_then(text: str, hits: int) -> None:
    held = ADD.replace("fk", "held")
    found = find(text, "MS214", before(f"{TWO} {ADD} NOT ENFORCED; {held}"))
    assert len(found) == hits
    assert all("ACCESS EXCLUSIVE on c" in finding.message for finding in found)


def test_each_further_table_in_use_may_deadlock() -> None:
    text = f"{ADD} NOT VALID; ALTER TABLE d ADD FOREIGN KEY (x) REFERENCES p NOT VALID;"
    schema = f"{TWO} CREATE TABLE d (x bigint); CREATE TABLE q (id int)"
    (finding,) = find(text, "MS113", before(schema), transaction=True)
    assert (finding.severity, finding.line, "locks d" in finding.message) == (WARNING, 1, True)
    assert not find(text, "MS113", before(schema), transaction=False)
    assert not find(f"{ADD}; {ADD}", "MS113", before(schema), transaction=True)
    new = f"{ADD}; CREATE TABLE n (q_id int REFERENCES q);"
    (finding,) = find(new, "MS113", before(schema), transaction=True)
    assert (finding.severity, "locks q" in finding.message) == (INFO, True)


def test_two_foreign_keys_of_one_statement_are_two() -> None:
    text = f"{ADD}, ADD FOREIGN KEY (p_id) REFERENCES q (id)"
    assert find(text, "MS113", before(f"{TWO} CREATE TABLE q (id int)"), transaction=True)


@pytest.mark.parametrize(
    ("index", "found"),
    [
        ("CREATE INDEX ON c (p_id)", 0),
        ("CREATE INDEX ON c (p_id, x)", 0),
        ("CREATE INDEX ON c USING hash (p_id)", 0),
        ("CREATE UNIQUE INDEX ON c (p_id)", 0),
        ("CREATE INDEX ON c (p_id) WHERE p_id IS NOT NULL", 0),
        ("CREATE INDEX ON c (p_id) WHERE p_id IS NOT NULL AND x > 0", 1),
        ("CREATE INDEX ON c (x, p_id)", 1),
        ("CREATE INDEX ON c USING brin (p_id)", 1),
        ("CREATE INDEX ON c ((p_id + 0))", 1),
        ("", 1),
    ],
)
def test_an_index_has_to_find_the_rows_that_refer_to_a_key(index: str, found: int) -> None:
    schema = before("CREATE TABLE p (id bigint PRIMARY KEY); CREATE TABLE c (p_id bigint, x int)")
    assert len(find(f"{ADD}; {index}", "MS139", schema)) == found


def test_the_columns_of_a_longer_key_may_stand_in_any_order() -> None:
    schema = "CREATE TABLE p (a int, b int, UNIQUE (a, b)); CREATE TABLE c (a int, b int);"
    add = "ALTER TABLE c ADD FOREIGN KEY (a, b) REFERENCES p (a, b)"
    assert not find(f"{add}; CREATE INDEX ON c (b, a)", "MS139", before(schema))
    assert not find(f"{add}; CREATE UNIQUE INDEX ON c (a)", "MS139", before(schema))
    assert find(f"{add}; CREATE INDEX ON c (a)", "MS139", before(schema))


def test_a_missing_index_is_told_where_the_foreign_key_is_made() -> None:
    found = walk(before(TWO), ("2_fk", f"SELECT 1;\n{ADD}", True), ("3_last", "SELECT 1", True))
    assert ("MS139", "2_fk", 2) in found


def test_an_index_of_a_later_migration_counts() -> None:
    later = ("3_index", "CREATE INDEX ON c (p_id)", True)
    assert "MS139" not in {code for code, *_ in walk(before(TWO), ("2_fk", ADD, True), later)}


def test_a_migration_that_is_not_asked_about_is_not_reported() -> None:
    units = ("2_fk", f"{ADD} NOT VALID", False), ("3_last", "SELECT 1", True)
    assert not {"MS139", "MS416"} & {code for code, *_ in walk(before(TWO), *units)}


def test_a_partition_does_not_repeat_what_its_parent_lacks() -> None:
    schema = before(
        "CREATE TABLE p (id bigint PRIMARY KEY);"
        "CREATE TABLE c (p_id bigint) PARTITION BY RANGE (p_id);"
        "CREATE TABLE c1 PARTITION OF c FOR VALUES FROM (1) TO (9)"
    )
    assert len(find(ADD, "MS139", schema)) == 1


def test_a_table_whose_indexes_are_not_known_is_only_advised() -> None:
    (finding,) = find(ADD, "MS139", Schema())
    assert (finding.severity, "known" in finding.message) == (INFO, True)


def test_what_the_target_has_already_is_not_the_fault_of_a_migration() -> None:
    schema = live()
    schema.tables[Key("public", "t")].constraints["fk"] = Constraint(
        name="fk", kind="f", columns=("b",), target=Key("public", "p"), live=True
    )
    assert not find("SELECT 1", "MS139", schema)
    schema.tables[Key("public", "t")].constraints["fk"].made = Place("0_before", 1)
    assert not find("SELECT 1", "MS139", schema)


@pytest.mark.parametrize(
    ("own", "target", "severity"),
    [
        ("bigint", "bigint", None),
        ("int", "bigint", WARNING),
        ("bigint", "int", INFO),
        ("text", "int", ERROR),
        ("int", "numeric", None),
        ("numeric", "int", ERROR),
        ("text", "varchar(9)", None),
        ("date", "timestamptz", None),
        ("uuid", "text", ERROR),
        ("positive", "int", None),
        ("positive", "text", ERROR),
        ("mood", "text", ERROR),
        ("mood", "mood", None),
        ("int[]", "int", ERROR),
        ("ltree", "text", None),
    ],
)
def test_two_types_fit_or_do_not(own: str, target: str, severity: Severity | None) -> None:
    schema = before(
        "CREATE TYPE mood AS ENUM ('good'); CREATE DOMAIN positive AS int CHECK (VALUE > 0);"
        f"CREATE TABLE p (id {target} PRIMARY KEY); CREATE TABLE c (p_id {own})"
    )
    assert [finding.severity for finding in find(ADD, "MS412", schema)] == [severity] * bool(
        severity
    )


def test_a_type_is_compared_with_the_primary_key_where_no_column_is_named() -> None:
    schema = before("CREATE TABLE p (x text, id uuid PRIMARY KEY)")
    assert find("CREATE TABLE c (p_id text REFERENCES p)", "MS412", schema)
    assert not find("CREATE TABLE c (p_id text REFERENCES unknown)", "MS412", schema)


def test_a_table_without_a_primary_key_cannot_be_referred_to_by_name_alone() -> None:
    schema = before("CREATE TABLE p (id int UNIQUE)")
    (finding,) = find("CREATE TABLE c (p_id int REFERENCES p)", "MS413", schema)
    assert "42704" in finding.message
    assert not find("CREATE TABLE c (p_id int REFERENCES p (id))", "MS413", schema)
    assert not find("CREATE TABLE c (p_id int REFERENCES unknown)", "MS413", schema)


@pytest.mark.parametrize(
    ("unique", "refused"),
    [
        ("UNIQUE (id)", False),
        ("UNIQUE (id) DEFERRABLE", True),
        ("UNIQUE (id, x)", True),
        ("EXCLUDE (id WITH =)", True),
    ],
)
def test_only_an_immediate_unique_index_on_the_same_columns_will_do(
    unique: str, refused: bool
) -> None:
    schema = before(f"CREATE TABLE p (id int, x int, {unique})")
    assert bool(find("CREATE TABLE c (i int REFERENCES p (id))", "MS413", schema)) == refused


def test_an_invalid_index_is_no_target() -> None:
    text = "CREATE TABLE c (i int REFERENCES t (a))"
    assert not find(text, "MS413", live(unique=True))
    assert find(text, "MS413", live(unique=True, valid=False))


@pytest.mark.parametrize(
    ("version", "severities"), [(None, [WARNING]), (17, [ERROR]), (11, [ERROR]), (18, [])]
)
def test_partitioned_tables_have_not_valid_keys_since_18(
    version: int | None, severities: list[Severity]
) -> None:
    schema = before(f"{TWO} CREATE TABLE d (p_id bigint) PARTITION BY RANGE (p_id)")
    text = "ALTER TABLE d ADD FOREIGN KEY (p_id) REFERENCES p NOT VALID"
    found = find(text, "MS414", schema, version=version)
    assert [finding.severity for finding in found] == severities
