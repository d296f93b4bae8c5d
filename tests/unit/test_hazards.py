"""Hazard rules on their cases: `bad.sql` marks each line that has the hazard with its code."""

import re
from pathlib import Path

import pytest

from migsafe import hazards, sql
from migsafe.findings import CODES, Finding, Status
from migsafe.hazards import RULES, Rule

CASES = Path(__file__).parents[1] / "cases"

every_rule = pytest.mark.parametrize("rule", RULES, ids=[rule.code for rule in RULES])


def check(text: str, code: str) -> list[Finding]:
    found = hazards.check("1_a", "migration.sql", sql.parse(text))
    return [finding for finding in found if finding.code == code]


def messages(text: str) -> list[str]:
    return [finding.message.split()[1] for finding in check(text, "MS401")]


@every_rule
def test_every_marked_line_of_a_bad_case_is_found_and_no_other(rule: Rule) -> None:
    text = (CASES / rule.code / "bad.sql").read_text("utf-8")
    lines = enumerate(text.splitlines(), start=1)
    marked = [number for number, line in lines if line.endswith(f"-- {rule.code}")]
    assert marked
    assert sorted(f.line or 0 for f in check(text, rule.code)) == marked


@every_rule
def test_nothing_is_found_in_a_good_case(rule: Rule) -> None:
    text = (CASES / rule.code / "good.sql").read_text("utf-8")
    assert sql.parse(text)
    assert check(text, rule.code) == []


@every_rule
def test_a_rule_has_a_listed_code_a_name_and_a_remedy(rule: Rule) -> None:
    assert rule.code in CODES
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name)
    assert rule.remedy.endswith(".")


def test_no_two_rules_share_a_code_or_a_name() -> None:
    assert len({rule.code for rule in RULES}) == len({rule.name for rule in RULES}) == len(RULES)


def test_every_hazard_code_has_a_rule_and_every_case_too() -> None:
    codes = {rule.code for rule in RULES}
    assert {code for code in CODES if code.startswith("MS")} == codes
    assert {path.name for path in CASES.glob("MS*")} == codes


def test_a_hazard_is_a_failed_finding_with_its_place() -> None:
    (found,) = check("SELECT 1;\n\nSET a.b = 'c';\n", "MS401")
    assert (found.migration, found.file, found.line, found.statement) == (
        "1_a",
        "migration.sql",
        3,
        2,
    )
    assert (found.source, found.status, found.evidence) == ("hazard", Status.FAILED, "text")
    assert "a.b" in found.message
    assert found.remedy


@pytest.mark.parametrize(
    ("text", "leaked"),
    [
        ("SET a.b = 1", ["a.b"]),
        ("SET a.b FROM CURRENT", ["a.b"]),
        ("SET LOCAL a.b = 1", []),
        ("SET a.b = 1; SET LOCAL a.b = 2", ["a.b"]),
        ("SET a.b = 1; RESET a.b", []),
        ("SET A.B = 1; RESET a.b", []),
        ("RESET a.b; SET a.b = 1", ["a.b"]),
        ("SET a.b = 1; SET a.c = 1; RESET a.b", ["a.c"]),
        ("SET a.b = 1; SET a.b TO DEFAULT", []),
        ("SET a.b = 1; SET LOCAL a.b TO DEFAULT", ["a.b"]),
        ("SET a.b = 1; SET a.c = 1; RESET ALL", []),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", ["session"]),
        ("SET TRANSACTION READ ONLY", []),
        ("SET a.b = 1; DISCARD ALL", []),
        ("SET a.b = 1; DISCARD PLANS", ["a.b"]),
        ("DISCARD ALL; SET a.b = 1", ["a.b"]),
        ("SELECT set_config('a.b', '1', false)", ["a.b"]),
        ("SELECT set_config('a.b', '1', true)", []),
        ("SELECT set_config('a.b', '1', false); RESET a.b", []),
        ("SELECT 1, pg_catalog.set_config('a.b', '1', false) AS x", ["a.b"]),
        ("SELECT set_config('a.b', '1', false), set_config('a.c', '1', false)", ["a.b", "a.c"]),
        ("SELECT set_config(name, '1', false) FROM t", ["a"]),
        ("SELECT current_setting('a.b')", []),
        ("SHOW a.b", []),
    ],
)
def test_a_session_setting_leaks_until_something_undoes_it(text: str, leaked: list[str]) -> None:
    assert messages(text) == leaked
