"""What indexes hold, where the catalog or a fine difference decides; cases have the rest."""

import pytest

from migsafe.findings import Severity
from tests.unit.hazard_walks import before, find, live

ONE = "CREATE TABLE t (a int, b text, c int NOT NULL);"


@pytest.mark.parametrize(
    ("index", "build", "fails"),
    [
        ("", "(a)", True),
        ("CREATE UNIQUE INDEX ON t (a);", "(a)", False),
        ("CREATE UNIQUE INDEX ON t (a);", "(b, a)", False),
        ("CREATE UNIQUE INDEX ON t (a, b);", "(a)", True),
        ("CREATE UNIQUE INDEX ON t (a) WHERE a > 0;", "(a, b)", True),
        ("CREATE UNIQUE INDEX ON t (lower(b));", "(b)", True),
        ("CREATE UNIQUE INDEX ON t (b);", "(lower(b))", True),
        ("CREATE UNIQUE INDEX ON t (a);", "(a, b) NULLS NOT DISTINCT", True),
        ("CREATE UNIQUE INDEX ON t (c);", "(c, b) NULLS NOT DISTINCT", False),
        ("CREATE UNIQUE INDEX ON t (a) NULLS NOT DISTINCT;", "(a) NULLS NOT DISTINCT", False),
        ("CREATE UNIQUE INDEX ON t (b);", '(b COLLATE "C")', True),
        ("CREATE INDEX ON t (a);", "(a)", True),
    ],
)
def test_a_unique_index_on_fewer_columns_proves_more_of_them(
    index: str, build: str, fails: bool
) -> None:
    assert bool(find(f"CREATE UNIQUE INDEX ON t {build}", "MS404", before(ONE + index))) == fails


def test_an_invalid_unique_index_proves_nothing() -> None:
    build = "CREATE UNIQUE INDEX j ON t (a)"
    assert not find(build, "MS404", live(unique=True))
    assert find(build, "MS404", live(unique=True, valid=False))


@pytest.mark.parametrize(
    ("added", "fails"),
    [
        ("ADD COLUMN n int", False),
        ("ADD COLUMN n int DEFAULT 1", True),
        ("ADD COLUMN n serial", True),
        ("ADD COLUMN n int; UPDATE t SET a = 1", False),
        ("ADD COLUMN n int; UPDATE t SET n = 1", True),
        ("ADD COLUMN n int; INSERT INTO t SELECT * FROM t", True),
    ],
)
def test_a_column_without_values_has_no_duplicates(added: str, fails: bool) -> None:
    text = f"ALTER TABLE t {added}; CREATE UNIQUE INDEX ON t (n)"
    assert bool(find(text, "MS404", before(ONE))) == fails


def test_a_failed_concurrent_build_leaves_its_index() -> None:
    (finding,) = find("CREATE UNIQUE INDEX CONCURRENTLY ON t (a)", "MS404", before(ONE))
    assert "INVALID" in finding.message


@pytest.mark.parametrize(
    ("key", "fails"),
    [
        ("(b::int)", True),
        ("(a::text)", False),
        ("(b::varchar(3))", True),
        ("(a::bigint)", False),
        ("(a::smallint)", True),
        ("(a::numeric(3))", True),
        ("(unknown::int)", True),
        ("(a / c)", True),
        ("(a / 2)", False),
        ("(a * c)", False),
        ("(lower(b))", False),
    ],
)
def test_a_cast_or_a_division_may_fail_on_a_row(key: str, fails: bool) -> None:
    assert bool(find(f"CREATE INDEX ON t ({key})", "MS405", before(ONE))) == fails


@pytest.mark.parametrize(
    ("type_", "long"),
    [
        ("text", False),
        ("varchar(100)", False),
        ("varchar(2705)", True),
        ("bytea", True),
        ("int[]", True),
        ("numeric(9000, 2)", False),
    ],
)
def test_a_key_is_long_by_its_type(type_: str, long: bool) -> None:
    schema = before(f"CREATE TABLE t (a {type_})")
    assert bool(find("CREATE INDEX ON t (a)", "MS406", schema)) == long


@pytest.mark.parametrize(
    ("old", "new", "narrow"),
    [
        ("(a)", "(a)", "j"),
        ("(a)", "(a, b)", "i"),
        ("(a, b)", "(a)", "j"),
        ("(a, b)", "(b)", None),
        ("(a, b)", "(b, a)", None),
        ("(a, b)", "(a) INCLUDE (b)", "j"),
        ("(a, b)", "(a) INCLUDE (c)", None),
        ("(a) INCLUDE (c)", "(a)", "j"),
        ("(a DESC)", "(a)", None),
        ("(a) WHERE a > 0", "(a)", None),
        ("USING hash (a)", "(a)", None),
    ],
)
def test_an_index_is_superfluous_beside_one_that_begins_like_it(
    old: str, new: str, narrow: str | None
) -> None:
    schema = before(f"{ONE} CREATE INDEX i ON t {old}")
    found = find(f"CREATE INDEX j ON t {new}", "MS407", schema)
    assert [f"that {narrow} serves" in finding.message for finding in found] == [True] * bool(
        narrow
    )


@pytest.mark.parametrize(
    ("old", "new", "narrow"),
    [
        ("CREATE UNIQUE INDEX i ON t (a)", "CREATE INDEX j ON t (a)", "j"),
        ("CREATE INDEX i ON t (a)", "CREATE UNIQUE INDEX j ON t (a)", "i"),
        ("CREATE UNIQUE INDEX i ON t (a)", "CREATE INDEX j ON t (a, b)", None),
        ("CREATE UNIQUE INDEX i ON t (a, b)", "CREATE INDEX j ON t (a)", "j"),
        ("CREATE UNIQUE INDEX i ON t (a, b)", "CREATE UNIQUE INDEX j ON t (a)", None),
        ("ALTER TABLE t ADD CONSTRAINT i UNIQUE (a)", "CREATE UNIQUE INDEX j ON t (a)", "j"),
    ],
)
def test_an_index_that_holds_a_promise_is_not_superfluous(
    old: str, new: str, narrow: str | None
) -> None:
    found = find(new, "MS407", before(f"{ONE} {old}"))
    assert [f"that {narrow} serves" in finding.message for finding in found] == [True] * bool(
        narrow
    )


def test_two_old_indexes_are_not_the_fault_of_this_migration() -> None:
    twins = f"{ONE} CREATE INDEX i ON t (a); CREATE INDEX j ON t (a)"
    assert not find("CREATE INDEX k ON t (b)", "MS407", before(twins))


def test_an_invalid_index_makes_no_other_superfluous() -> None:
    assert find("CREATE INDEX j ON t (a)", "MS407", live())
    assert not find("CREATE INDEX j ON t (a)", "MS407", live(valid=False))


@pytest.mark.parametrize(
    ("then", "found"),
    [
        ("", 1),
        ("ANALYZE", 0),
        ("ANALYZE t", 0),
        ("VACUUM (ANALYZE) t", 0),
        ("VACUUM t", 1),
        ("ANALYZE other", 1),
    ],
)
def test_an_indexed_expression_waits_for_analyze(then: str, found: int) -> None:
    text = f"CREATE INDEX ON t (lower(b)); {then}"
    assert len(find(text, "MS410", before(f"{ONE} CREATE TABLE other (a int)"))) == found


REFERRING = f"{ONE} CREATE UNIQUE INDEX i ON t (a); CREATE TABLE child (a int REFERENCES t (a))"


def test_an_index_that_a_foreign_key_relies_on_is_refused() -> None:
    (finding,) = find("DROP INDEX i", "MS419", before(REFERRING))
    assert (finding.severity, "child_a_fkey" in finding.message) == (Severity.ERROR, True)
    (finding,) = find("DROP INDEX i CASCADE", "MS419", before(REFERRING))
    assert (finding.severity, "child_a_fkey" in finding.message) == (Severity.WARNING, True)


def test_it_is_not_said_which_of_two_unique_indexes_a_foreign_key_relies_on() -> None:
    twins = f"{REFERRING}; CREATE UNIQUE INDEX j ON t (a)"
    assert not find("DROP INDEX i", "MS419", before(twins))
