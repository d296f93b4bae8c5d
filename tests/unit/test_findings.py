"""Findings, their codes, and the gate."""

import re
from pathlib import Path

import pytest
from msgspec import structs

import migsafe
from migsafe import findings
from migsafe.findings import CODES, Finding, Severity, Source, Status
from migsafe.hazards import rules

PACKAGE = Path(migsafe.__file__).parent

FAILED = Finding(
    code="MA001",
    name="orphaned-notes",
    source=Source.AUDIT,
    severity=Severity.ERROR,
    status=Status.FAILED,
    message="3 rows",
)


@pytest.mark.parametrize(
    ("gate", "stopped"),
    [
        ("error", ["error"]),
        ("warning", ["error", "warning"]),
        ("info", ["error", "warning", "info"]),
        ("never", []),
    ],
)
def test_a_gate_stops_its_own_severity_and_what_is_graver(gate: str, stopped: list[str]) -> None:
    every = [structs.replace(FAILED, severity=severity) for severity in Severity]
    assert [f.severity for f in findings.blocking(every, gate)] == stopped


@pytest.mark.parametrize("status", [Status.PASSED, Status.SKIPPED])
def test_only_a_failed_finding_stops_a_run(status: Status) -> None:
    assert findings.blocking([structs.replace(FAILED, status=status)], "info") == ()


def test_a_suppressed_finding_stops_nothing() -> None:
    allowed = structs.replace(FAILED, suppressed="nightly window")
    assert findings.blocking([allowed], "info") == ()


def test_a_gate_that_is_no_severity_is_not_taken_for_never() -> None:
    with pytest.raises(ValueError, match="critical"):
        findings.blocking([FAILED], "critical")


@pytest.mark.parametrize("code", CODES)
def test_a_code_has_the_form_of_its_family_and_says_what_it_reports(code: str) -> None:
    assert re.fullmatch(r"MA0\d\d|M[DHVRS]1\d\d|MS4\d\d", code)
    assert CODES[code]


def test_the_package_uses_exactly_the_codes_that_are_listed() -> None:
    used = {
        code
        for file in PACKAGE.rglob("*.py")
        if file.name != "findings.py"
        for code in re.findall(r"\bM[SAHVDR]\d{3}\b", file.read_text("utf-8"))
    }
    assert used == {*CODES, *(rule.code for rule in rules())}


def test_a_finding_of_a_history_is_a_failed_one_with_its_place() -> None:
    found = findings.history(
        "MH105", "migration-missing", Severity.WARNING, "no file", remedy="look", migration="1_a"
    )
    assert (found.source, found.status, found.migration) == ("history", "failed", "1_a")
