"""Hazard rules on their cases: `bad.sql` marks each line that has the hazard with its code."""

import re

import pytest

from migsafe import hazards, sql
from migsafe.findings import CODES, Finding, Status
from migsafe.hazards import Options, Rule, Unit, rules
from migsafe.schema import Schema
from tests.hazard_cases import CASES, found, load

RULES = rules()
every_rule = pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])


def check(text: str, code: str) -> list[Finding]:
    unit = Unit(
        name="1_a",
        file="migration.sql",
        text=text,
        statements=sql.parse(text),
        transaction=True,
    )
    walked = hazards.walk([unit], Schema(), Options(on=frozenset({code})))
    return [finding for finding in walked if finding.code == code]


def messages(text: str) -> list[str]:
    return [finding.message.split()[1] for finding in check(text, "MS401")]


@every_rule
def test_every_marked_line_of_a_bad_case_is_found_and_no_other(rule: Rule) -> None:
    case = load(rule, "bad")
    assert case.marked
    places = {(finding.migration, finding.line) for finding in found(rule, case)}
    assert sorted(places, key=str) == sorted(set(case.marked), key=str)


@every_rule
def test_nothing_is_found_in_a_good_case(rule: Rule) -> None:
    case = load(rule, "good")
    assert case.units
    assert found(rule, case) == []


@every_rule
def test_a_rule_says_what_it_is_why_and_what_to_do(rule: Rule) -> None:
    assert re.fullmatch(r"MS[1-4]\d\d", rule.code)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.name)
    assert not rule.summary.endswith(".")
    assert rule.why.endswith(".")
    assert rule.remedy.endswith(".")
    assert rule.source
    assert len(rule.on) == len(set(rule.on)) > 0


def test_no_two_rules_share_a_code_or_a_name() -> None:
    assert len({rule.code for rule in RULES}) == len({rule.name for rule in RULES}) == len(RULES)
    assert not {rule.code for rule in RULES} & set(CODES)


def test_every_case_belongs_to_a_rule() -> None:
    assert {path.name for path in CASES.glob("MS*")} == {rule.code for rule in RULES}


def test_a_hazard_is_a_failed_finding_with_its_place() -> None:
    (finding,) = check("SELECT 1;\n\nSET a.b = 'c';\n", "MS401")
    assert (finding.migration, finding.file, finding.line, finding.statement) == (
        "1_a",
        "migration.sql",
        3,
        2,
    )
    assert (finding.source, finding.status, finding.evidence) == ("hazard", Status.FAILED, "text")
    assert "a.b" in finding.message
    assert finding.remedy


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
        ("SELECT * FROM set_config('a.b', '1', false)", ["a.b"]),
        ("SELECT 1 WHERE (SELECT set_config('a.b'::text, '1', 'f')) = '1'", ["a.b"]),
        ("SELECT * FROM set_config('a.b', '1', 't')", []),
        ("SELECT current_setting('a.b')", []),
        ("SHOW a.b", []),
    ],
)
def test_a_session_setting_leaks_until_something_undoes_it(text: str, leaked: list[str]) -> None:
    assert messages(text) == leaked
