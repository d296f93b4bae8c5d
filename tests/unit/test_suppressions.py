"""Comments that allow a hazard: for the statement that they stand above, and for no other."""

import pytest

from migsafe import hazards, sql
from migsafe.findings import Finding, Severity
from migsafe.hazards import Options, Unit, foreign, rules, suppressions
from migsafe.schema import Schema

LEAK = "SET work_mem = '1GB';"


def lint(text: str, *, also: tuple[str, ...] = ()) -> list[Finding]:
    unit = Unit(name="1_a", file="a.sql", text=text, statements=sql.parse(text), transaction=True)
    found = hazards.walk([unit], Schema(), Options())
    return suppressions.settle([unit], found, also=also)


def leaks(text: str) -> list[tuple[int | None, str | None]]:
    return [(f.line, f.suppressed) for f in lint(text) if f.code == "MS401"]


def amiss(text: str) -> list[tuple[str, int | None]]:
    return [(f.code, f.line) for f in lint(text) if f.code in ("MS470", "MS471", "MS472")]


@pytest.mark.parametrize("name", ["MS401", "session-setting-leaks", "MS101, MS401"])
def test_a_comment_above_a_statement_allows_the_hazard_it_names(name: str) -> None:
    text = f"-- migsafe: allow {name} kept for the night\n{LEAK}"
    assert leaks(text) == [(2, "kept for the night")]


@pytest.mark.parametrize(
    "text",
    [
        f"/* migsafe: allow MS401 because */\n{LEAK}",
        f"-- migsafe: allow MS401 because\n\n-- another remark\n\n{LEAK}",
        f"{LEAK} -- migsafe: allow MS401 because",
        "SET -- migsafe: allow MS401 because\n work_mem = '1GB';",
        f"SELECT 1;\n-- migsafe:allow MS401 because\n{LEAK}",
        "SET work_mem = '1GB'\n; -- migsafe: allow MS401 because\nSELECT 1;",
        "SET work_mem = '1GB'\n-- migsafe: allow MS401 because\n;\nSELECT 1;",
    ],
)
def test_a_comment_may_stand_above_within_or_behind_its_statement(text: str) -> None:
    assert [allowed for _, allowed in leaks(text)] == ["because"]
    assert amiss(text) == []


@pytest.mark.parametrize(
    "text",
    [
        f"-- migsafe: allow MS401 because\nSELECT 1;\n{LEAK}",
        f"{LEAK}\n-- migsafe: allow MS401 because",
        f"{LEAK}\n-- migsafe: allow MS401 because\nSELECT 1;",
        f"SELECT 1; -- migsafe: allow MS401 because\n{LEAK}",
        f"SELECT 1\n; -- migsafe: allow MS401 because\n{LEAK}",
        f"-- migsafe: allow MS101 because\n{LEAK}",
    ],
)
def test_a_comment_reaches_no_other_statement_and_is_a_finding_then(text: str) -> None:
    assert [allowed for _, allowed in leaks(text)] == [None]
    assert [code for code, _ in amiss(text)] == ["MS470"]


def test_a_comment_reaches_no_other_migration() -> None:
    texts = (
        f"-- migsafe: allow MS401 because\n{LEAK}",
        f"SELECT 1;\n{LEAK.replace('work', 'my.')}",
    )
    units = [
        Unit(name=name, file=name, text=text, statements=sql.parse(text), transaction=True)
        for name, text in zip(("1", "2"), texts, strict=True)
    ]
    found = suppressions.settle(units, hazards.walk(units, Schema(), Options()))
    assert {f.migration: f.suppressed for f in found if "my." in f.message} == {"2": None}


def test_text_that_only_looks_like_a_comment_allows_nothing() -> None:
    text = f"SELECT '-- migsafe: allow MS401 because';\n{LEAK}"
    assert leaks(text) == [(2, None)]
    assert amiss(text) == []


@pytest.mark.parametrize(
    "comment",
    [
        "-- migsafe: allow MS401",
        "-- migsafe: allow",
        "-- migsafe: ignore MS401 because",
        "-- migsafe: alow MS401 because",
    ],
)
def test_a_comment_without_a_reason_or_misspelt_allows_nothing_and_is_a_finding(
    comment: str,
) -> None:
    text = f"{comment}\n{LEAK}"
    assert leaks(text) == [(2, None)]
    assert amiss(text) == [("MS471", 1)]


def test_a_rule_that_is_not_there_is_named_with_the_nearest_one() -> None:
    found = lint(f"-- migsafe: allow session-seting-leaks because\n{LEAK}")
    assert [f.suppressed for f in found if f.code == "MS401"] == [None]
    (unknown,) = (f for f in found if f.code == "MS472")
    assert "did you mean session-setting-leaks?" in unknown.message
    assert unknown.severity is Severity.WARNING


def test_the_name_of_an_audit_may_be_allowed_where_the_caller_knows_it() -> None:
    text = f"-- migsafe: allow drop-column-data because\n{LEAK}"
    assert [f.code for f in lint(text) if f.code == "MS472"] == ["MS472"]
    assert not [f for f in lint(text, also=("drop-column-data",)) if f.code == "MS472"]


# ---------------------------------------------------------------- comments of other linters

INDEX = "CREATE INDEX i ON t (a);"
CONCERNS = {
    "squawk": "-- squawk-ignore require-concurrent-index-creation",
    "eugene": "-- eugene: ignore E6",
    "pgls": "-- pgls-ignore lint/safety/requireConcurrentIndexCreation: nightly",
    "pgfence": "-- pgfence-ignore",
    "migrationpilot": "-- migrationpilot-disable [MP001]",
    "atlas": "-- atlas:nolint PG101",
    "pgrubic": "-- noqa: US016",
    "diesel-guard": "-- diesel-guard:disable AddIndexCheck",
}


def indexes(text: str) -> list[str | None]:
    return [f.suppressed for f in lint(text) if f.code == "MS101"]


@pytest.mark.parametrize("comment", CONCERNS.values(), ids=CONCERNS)
def test_a_comment_of_another_linter_is_understood_for_its_statement_alone(comment: str) -> None:
    first, second = indexes(f"{comment}\n{INDEX}\n{INDEX.replace(' i ', ' j ')}")
    assert first
    assert second is None


@pytest.mark.parametrize(
    "comment",
    [
        "-- squawk-ignore renaming-column",
        "-- eugene: ignore E2",
        "-- pgls-ignore lint/safety/renamingColumn: x",
        "-- pgfence-ignore: rename-schema",
        "-- migrationpilot-disable MP010",
        "-- atlas:nolint DS103",
        "-- noqa: US001",
    ],
)
def test_a_comment_for_another_rule_of_another_linter_allows_nothing(comment: str) -> None:
    assert indexes(f"{comment}\n{INDEX}") == [None]


@pytest.mark.parametrize(
    "comment",
    [
        "-- squawk-ignore-file",
        "-- pgls-ignore-all lint/safety/requireConcurrentIndexCreation: x",
        "-- migrationpilot-disable-file [MP001]",
        "-- pgrubic: noqa",
        "-- atlas:nolint PG101\n",
    ],
)
def test_a_comment_for_a_whole_file_reaches_every_statement_of_it(comment: str) -> None:
    allowed = indexes(f"{comment}\n{INDEX}\n{INDEX.replace(' i ', ' j ')}")
    assert len(allowed) == 2
    assert all(allowed)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("-- safety-assured:start", "-- safety-assured:end"),
        ("-- pgls-ignore-start", "-- pgls-ignore-end"),
        (
            "-- pgls-ignore-start lint/safety/requireConcurrentIndexCreation: x",
            "-- pgls-ignore-end lint/safety/requireConcurrentIndexCreation: x",
        ),
    ],
)
def test_what_stands_between_two_comments_is_allowed_and_nothing_behind(
    start: str, end: str
) -> None:
    first, second = indexes(f"{start}\n{INDEX}\n{end}\n{INDEX.replace(' i ', ' j ')}")
    assert first
    assert second is None


def test_a_rule_that_is_named_is_the_only_one_allowed_up_to_the_end() -> None:
    start, end = (f"-- pgls-ignore-{word} lint/safety/banDropTable: x" for word in ("start", "end"))
    assert indexes(f"{start}\n{INDEX}\n{end}") == [None]


@pytest.mark.parametrize("name", ["MS132", "missing-lock-timeout"])
def test_a_comment_for_a_hazard_that_is_told_once_reaches_no_other_statement(name: str) -> None:
    one, two, three = (f"ALTER TABLE t ADD COLUMN {column} int;" for column in "abc")
    text = f"-- migsafe: allow {name} nobody is there\n{one}\n{two}\n{three}"
    found = [(f.line, f.suppressed, f.message) for f in lint(text) if f.code == "MS132"]
    assert [place for *place, _ in found] == [[2, "nobody is there"], [3, None]]
    assert "1 later" in found[1][2]


def test_the_reason_of_another_linter_is_kept_and_a_lacking_one_is_said() -> None:
    squawk = "-- squawk-ignore require-concurrent-index-creation"
    assert indexes(f"{squawk} -- small table\n{INDEX}") == ["small table"]
    assert indexes(f"{squawk}\n{INDEX}") == ["a comment for squawk, without a reason"]


def test_a_misspelt_rule_of_another_linter_silences_nothing() -> None:
    text = f"-- squawk-ignore require-concurent-index-creation\n{INDEX}"
    assert indexes(text) == [None]
    (unknown,) = (f for f in lint(text) if f.code == "MS472")
    assert unknown.severity is Severity.INFO


def test_every_counterpart_of_another_linters_rule_is_a_rule_here() -> None:
    tables = (
        foreign.SQUAWK,
        foreign.EUGENE,
        foreign.PGLS,
        foreign.PGFENCE,
        foreign.MIGRATIONPILOT,
        foreign.ATLAS,
        foreign.PGRUBIC,
        foreign.DIESEL_GUARD,
    )
    named = {ours for table in tables for names in table.values() for ours in names}
    assert named <= {rule.name for rule in rules()}
