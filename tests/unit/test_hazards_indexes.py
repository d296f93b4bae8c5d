"""Hazards of indexes where the catalog, the version or the settings decide; cases have the rest."""

import pytest

from migsafe import sql
from migsafe.findings import Finding, Severity
from migsafe.hazards import Context, Options, Unit
from migsafe.schema import Key, Schema
from migsafe.schema.changes import advance
from tests.unit.hazard_walks import before, find, live

INFO, WARNING, ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR


def severities(findings: list[Finding]) -> list[Severity]:
    return [finding.severity for finding in findings]


@pytest.mark.parametrize(
    ("size", "severity"), [(1_000, INFO), (50_000_000, WARNING), (5_000_000_000, ERROR)]
)
def test_a_build_is_as_bad_as_its_table_is_large(size: int, severity: Severity) -> None:
    (finding,) = find("CREATE INDEX j ON t (a)", "MS101", live(size=size))
    assert finding.severity == severity
    assert "1,000,000 rows" in finding.message


def test_a_table_that_a_pending_migration_makes_has_no_users_whichever_it_is() -> None:
    schema = live()
    for statement in sql.parse("CREATE TABLE n (a int)"):
        advance(schema, statement, "1_pending")
    assert not find("CREATE INDEX ON n (a)", "MS101", schema)
    assert find("CREATE INDEX ON n (a)", "MS101", before("CREATE TABLE n (a int)"))


def test_an_index_that_is_not_in_the_target_is_not_dropped() -> None:
    assert not find("DROP INDEX IF EXISTS gone", "MS102", live())
    assert find("DROP INDEX IF EXISTS gone", "MS102")
    assert find("DROP INDEX IF EXISTS i", "MS102", live())


def test_an_index_that_a_constraint_needs_is_refused_and_locks_nobody_out() -> None:
    schema = before("CREATE TABLE t (a int PRIMARY KEY)")
    assert not find("DROP INDEX t_pkey", "MS102", schema)


def test_reindexing_the_system_has_no_concurrent_form() -> None:
    assert not find("REINDEX SYSTEM clinic", "MS103")
    assert find("REINDEX DATABASE clinic", "MS103")


def test_a_partitioned_table_refuses_concurrently_even_without_its_partitions() -> None:
    schema = before("CREATE TABLE p (a int) PARTITION BY RANGE (a)")
    for only in ("", "ONLY "):
        (finding,) = find(f"CREATE INDEX CONCURRENTLY ON {only}p (a)", "MS104", schema)
        assert finding.severity == ERROR


def test_a_partitioned_table_without_partitions_in_the_target_builds_nothing() -> None:
    schema = live()
    schema.tables[Key("public", "t")].kind = "p"
    assert not find("CREATE INDEX ON t (a)", "MS104", schema)


def test_a_dropped_index_is_missed_unless_another_stands_in() -> None:
    text = "DROP INDEX i; CREATE INDEX j ON t (a, b)"
    assert find(text, "MS115")
    assert not find(text, "MS115", before("CREATE TABLE t (a int); CREATE INDEX i ON t (a);"
                                          "CREATE INDEX k ON t (a)"))  # fmt: skip
    (alone,) = find(text, "MS115")
    (wrapped,) = find(text, "MS115", transaction=True)
    assert "ACCESS EXCLUSIVE" not in alone.message
    assert "ACCESS EXCLUSIVE" in wrapped.message


def test_only_the_first_releases_of_14_lose_rows() -> None:
    text = "CREATE INDEX CONCURRENTLY j ON t (a)"
    assert severities(find(text, "MS334", live(version=14, minor=3))) == [ERROR]
    assert severities(find(text, "MS334", version=14)) == [WARNING]
    assert not find(text, "MS334", live(version=14, minor=4))
    assert not find(text, "MS334")
    assert not find(text, "MS334", version=15)


@pytest.mark.parametrize("begin", ["BEGIN", "START TRANSACTION"])
def test_a_begin_of_the_file_opens_a_transaction_without_the_runner(begin: str) -> None:
    index = "CREATE INDEX CONCURRENTLY j ON t (a)"
    (finding,) = find(f"{begin};\n{index};\nCOMMIT", "MS402")
    assert "line 1" in finding.message
    assert not find(f"{begin}; SELECT 1; COMMIT; {index}", "MS402")
    assert "the runner" in find(index, "MS402", transaction=True)[0].message


@pytest.mark.parametrize(
    ("set_", "hits"),
    [
        ("", 0),
        ("SET lock_timeout = 0;", 0),
        ("SET lock_timeout = '5s';", 1),
        ("SET lock_timeout = '1500ms';", 1),
        ("SET lock_timeout = 5000;", 1),
        ("SET lock_timeout = '1h';", 0),
        ("SET lock_timeout = '5s'; RESET lock_timeout;", 0),
        ("SET statement_timeout = '1min'; SET lock_timeout = '1s';", 2),
        ("SET lock_timeout = 'nonsense';", 0),
    ],
)
def test_a_timeout_is_short_below_ten_minutes(set_: str, hits: int) -> None:
    assert len(find(f"{set_} CREATE INDEX CONCURRENTLY j ON t (a)", "MS146")) == hits


def test_the_timeout_of_a_role_or_runner_counts_until_the_file_sets_its_own() -> None:
    index = "CREATE INDEX CONCURRENTLY j ON t (a)"
    schema = live()
    schema.settings["lock_timeout"] = "3s"
    assert find(index, "MS146", schema)
    assert find(index, "MS146", timeouts={"lock_timeout": "3s"})
    assert not find(f"SET lock_timeout = 0; {index}", "MS146", timeouts={"lock_timeout": "3s"})


@pytest.mark.parametrize(
    ("value", "milliseconds"),
    [("250", 250), ("2s", 2000), ("1.5min", 90_000), ("1d", 86_400_000), ("0", 0), ("5 s", 5000),
     ("fast", None), ("5y", None)],
)  # fmt: skip
def test_a_duration_is_read_as_the_server_reads_it(value: str, milliseconds: float | None) -> None:
    unit = Unit(name="1", file="1.sql", text="", statements=(), transaction=True)
    options = Options(timeouts={"lock_timeout": value})
    context = Context(schema=Schema(), options=options, unit=unit)
    assert context.milliseconds("lock_timeout") == milliseconds
    assert context.milliseconds("statement_timeout") is None


def test_with_the_catalog_an_invalid_index_is_certain_and_a_valid_one_silent() -> None:
    text = "CREATE INDEX {}IF NOT EXISTS i ON t (a)"
    for how in ("", "CONCURRENTLY "):
        (finding,) = find(text.format(how), "MS332", live(valid=False))
        assert finding.severity == ERROR
        assert not find(text.format(how), "MS332", live())


def test_a_name_that_is_taken_fails() -> None:
    text = "CREATE INDEX CONCURRENTLY i ON t (a)"
    assert severities(find(text, "MS403", live(valid=False))) == [ERROR]
    assert severities(find(text, "MS403")) == [WARNING]
    assert not find(text, "MS403", transaction=True)
    assert severities(find("CREATE INDEX CONCURRENTLY j ON t (a)", "MS403")) == [INFO]
