"""A report as JUnit XML: one test case a finding.

JUnit knows no severities, so a warning is a failed case too; whether a job goes on is for the exit
code to say. Only what the schemas of Ant and of Jenkins have in common is written.
"""

import re
from collections import Counter
from collections.abc import Iterator
from xml.etree import ElementTree

from tabulate import tabulate

from migsafe.errors import ExitCode
from migsafe.findings import Finding, Status
from migsafe.reports import Report, annotations
from migsafe.reports.reasons import because

Element = ElementTree.Element

#: What XML 1.0 allows in no form, not even as a reference (its section 2.2).
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report, *, verbose: bool = False) -> str:  # noqa: ARG001  # always complete
    """Render as one suite, in ASCII, so that no terminal or file can spoil it."""
    cases = list(_numbered(_cases(report)))
    suite = _element("testsuite", _attributes(report, cases))
    suite.append(_properties(report))
    suite.extend(cases)
    suite.append(_element("system-out", text="\n".join([because(report), *report.notes])))
    suite.append(_element("system-err"))
    root = _element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="us-ascii", xml_declaration=True)
    return text.decode("ascii")


def _attributes(report: Report, cases: list[Element]) -> dict[str, str]:
    count = Counter(outcome.tag for case in cases for outcome in case)
    return {
        "id": "0",
        "name": f"migsafe {report.command}".strip(),
        "package": "migsafe",
        "timestamp": f"{report.started:%Y-%m-%dT%H:%M:%S}",
        "hostname": "localhost",
        "tests": str(len(cases)),
        "failures": str(count["failure"]),
        "errors": str(count["error"]),
        "skipped": str(count["skipped"]),
        "time": f"{report.seconds:.3f}",
    }


def _properties(report: Report) -> Element:
    said = {"run": report.run, "version": report.version, "exit_code": str(report.exit_code)}
    if report.target:
        said["target"] = report.target.name
    properties = _element("properties")
    properties.extend(
        _element("property", {"name": name, "value": value}) for name, value in said.items()
    )
    return properties


def _cases(report: Report) -> Iterator[Element]:
    """Yield what stopped the run, then the findings; never nothing, which Jenkins calls broken."""
    problems = annotations.problems(report)
    for problem in problems:
        yield _problem(report, problem)
    for finding in report.findings:
        yield _case(finding)
    if not problems and not report.findings:
        yield _test("migsafe.run", f"migsafe {report.command}", report.seconds)


def _numbered(cases: Iterator[Element]) -> Iterator[Element]:
    """Give a name that is taken a number: GitLab passes over the second of a name."""
    taken: set[tuple[str, str]] = set()
    for case in cases:
        name, number = case.attrib["name"], 1
        # Schemas read names as tokens, which differ in no white space.
        while (key := (case.attrib["classname"], " ".join(case.attrib["name"].split()))) in taken:
            number += 1
            case.set("name", f"{name} ({number})")
        taken.add(key)
        yield case


def _problem(report: Report, problem: annotations.Problem) -> Element:
    case = _test("migsafe.run", problem.name, report.seconds)
    kind = ExitCode(report.exit_code).name
    case.append(_outcome("error", problem.message, problem.message, kind))
    return case


def _case(finding: Finding) -> Element:
    place = finding.migration or finding.file
    name = f"{finding.code} {finding.name}{f' in {place}' if place else ''}"
    case = _test(f"migsafe.{finding.source}", name, finding.seconds or 0.0)
    if finding.status is Status.SKIPPED:
        case.append(_outcome("skipped", finding.message, finding.message))
    elif finding.status is Status.FAILED and finding.suppressed:
        reason = f"allowed: {finding.suppressed}"
        case.append(_outcome("skipped", reason, f"{reason}\n{_details(finding)}"))
    elif finding.status is Status.FAILED:
        kind = str(finding.severity)
        case.append(_outcome("failure", finding.message, _details(finding), kind))
    return case


def _test(suite: str, name: str, seconds: float) -> Element:
    return _element("testcase", {"classname": suite, "name": name, "time": f"{seconds:.3f}"})


def _outcome(tag: str, message: str, details: str, kind: str | None = None) -> Element:
    """Return how a case ended: GitLab shows the text, Jenkins the message too."""
    return _element(tag, {"message": message} | ({"type": kind} if kind else {}), details)


def _details(finding: Finding) -> str:
    lines = [f"{finding.severity}: {annotations.said(finding)}"]
    if finding.file:
        lines.append(f"{finding.file}:{finding.line}" if finding.line else finding.file)
    if finding.keys:
        rows = [list(key.values()) for key in finding.keys]
        lines.append(tabulate(rows, headers=list(finding.keys[0]), disable_numparse=True))
    return "\n".join(lines)


def _element(tag: str, attributes: dict[str, str] | None = None, text: str = "") -> Element:
    kept = {name: _FORBIDDEN.sub("�", value) for name, value in (attributes or {}).items()}
    element = Element(tag, kept)
    element.text = _FORBIDDEN.sub("�", text) or None
    return element
