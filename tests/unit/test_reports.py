"""Reports: every renderer takes any report, and JSON keeps its keys and its values."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from migsafe import reports
from migsafe.baseline import Verdict
from migsafe.blockers import Blocked, Blocker, Kind
from migsafe.errors import ExitCode
from migsafe.findings import CODES, Finding, Severity, Source, Status
from migsafe.ledger import Run
from migsafe.outcomes import Outcome, StepResult
from migsafe.reports import (
    BaselineInfo,
    FactInfo,
    HistoryInfo,
    PartialInfo,
    Planned,
    Report,
    TargetInfo,
    VerdictInfo,
    terminal,
)
from migsafe.snapshots import Copy, Snapshot
from migsafe.verifying import Column, Difference, Verification
from tests.faults import SCALE

#: Names as a clinic's schema may really have them, and some that it hopefully has not.
ODD = [
    "",
    " ",
    'Köl "x"',
    "a|b",
    "a\\|b",
    "two\nlines",
    "\r\n",
    "日本語",
    "😀" * 30,
    "`code`",
    "%s{}",
    "{0}",
    "\x00\x1b[31mred\x1b[0m\x85\u2028\ufffe",
    "::error::x\n##[add-mask]x",
    "]]>&amp;<x>",
]

texts = st.one_of(st.sampled_from(ODD), st.text(max_size=40), st.text("abc_", min_size=90))
optional = st.none() | texts
numbers = st.none() | st.integers(0, 10**9)
files = optional | st.sampled_from(["/etc/x.sql", "//x", "../up.sql", "a:b#c?d%20.sql", "."])
seconds = st.floats(0, 10**6, allow_nan=False)
times = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
values = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | seconds | texts


def tuples(of: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(of, max_size=3).map(tuple)


@st.composite
def offenders(draw: st.DrawFn) -> tuple[Mapping[str, Any], ...]:
    """Draw rows of the same key columns, as a query returns them."""
    columns = draw(st.lists(texts, min_size=1, max_size=3, unique=True))
    return draw(tuples(st.fixed_dictionaries(dict.fromkeys(columns, values))))


findings = st.builds(
    Finding,
    code=st.sampled_from(list(CODES)),
    name=texts,
    source=st.sampled_from(Source),
    severity=st.sampled_from(Severity),
    status=st.sampled_from(Status),
    message=texts,
    migration=optional,
    file=files,
    line=numbers,
    column=numbers,
    end_line=numbers,
    statement=numbers,
    count=numbers,
    exact=st.none() | st.booleans(),
    keys=offenders(),
    remedy=optional,
    suppressed=optional,
    evidence=optional,
    seconds=st.none() | seconds,
)
steps = st.builds(
    StepResult,
    migration=texts,
    outcome=st.sampled_from(Outcome),
    attempts=st.integers(0, 100),
    seconds=seconds,
    began=st.none() | times,
    held=st.none() | seconds,
    error=optional,
    statement=numbers,
    line=numbers,
    interrupted=st.booleans(),
)
histories = st.builds(
    HistoryInfo,
    kind=texts,
    path=texts,
    table=texts,
    state=st.sampled_from(["empty", "managed", "unmanaged", "failed", "dirty"]),
    applied=tuples(texts),
    pending=tuples(texts),
    failed=tuples(texts),
    missing=tuples(texts),
    edited=tuples(texts),
    finished=st.dictionaries(texts, st.none() | times, max_size=3),
)
columns = st.builds(
    Column,
    table=texts,
    column=texts,
    expected=st.sampled_from(["YES", "NO", None]),
    found=st.sampled_from(["YES", "NO", None]),
    data_type=optional,
    ok=st.booleans(),
)
differences = st.builds(
    Difference,
    fact=texts,
    found=optional,
    expected=optional,
    severity=st.sampled_from(Severity),
    migration=optional,
    undo=optional,
)
facts = tuples(st.builds(FactInfo, fact=texts, found=optional, expected=optional))
verdicts = st.builds(
    VerdictInfo,
    migration=texts,
    verdict=st.sampled_from(Verdict).map(str) | texts,
    present=facts,
    absent=facts,
    changed=facts,
)
baselines = st.builds(
    BaselineInfo,
    in_effect=tuples(texts),
    pending=tuples(texts),
    skipped=tuples(texts),
    undecidable=tuples(texts),
    partial=tuples(
        st.builds(
            PartialInfo, migration=texts, present=st.integers(0, 99), absent=st.integers(0, 99)
        )
    ),
    exact=st.booleans(),
    drift=facts,
    nearest=tuples(texts),
    distance=st.integers(0, 999),
    verdicts=tuples(verdicts),
    server=texts,
    stand_ins=tuples(texts),
    written=tuples(texts),
)
in_the_way = st.builds(
    Blocker,
    kind=st.sampled_from(Kind),
    pid=numbers,
    user=optional,
    application=optional,
    state=optional,
    age_seconds=st.none() | seconds,
    statement_seconds=st.none() | seconds,
    why=texts,
    relations=tuples(texts),
    blocks=tuples(
        st.builds(
            Blocked,
            migration=texts,
            file=texts,
            line=st.integers(1, 999),
            statement=st.integers(1, 999),
        )
    ),
    prepared=optional,
)
COMMANDS = ["status", "audit", "plan", "baseline", "resolve", "apply", "verify", "history", "x"]
every_report = st.builds(
    Report,
    command=st.sampled_from(COMMANDS),
    run=texts,
    target=st.none()
    | st.builds(
        TargetInfo,
        name=texts,
        host=texts,
        port=st.integers(0, 65535),
        database=texts,
        user=texts,
        server_version=texts,
    ),
    history=st.none() | histories,
    ok=st.booleans(),
    exit_code=st.sampled_from([int(code) for code in ExitCode]),
    started=times,
    seconds=seconds,
    findings=tuples(findings),
    steps=tuples(steps),
    snapshot=st.none()
    | st.builds(
        Snapshot,
        provider=texts,
        id=texts,
        taken=times,
        size=st.none() | st.integers(0, 2**50),
        sha256=optional,
        restore=texts,
    ),
    copies=tuples(
        st.builds(
            Copy,
            provider=texts,
            id=texts,
            run=texts,
            taken=times,
            status=texts,
            size=st.none() | st.integers(0, 2**50),
            expires=st.none() | times,
            keep=st.booleans(),
            outcome=texts,
            fate=texts,
            why=texts,
        )
    ),
    verification=st.none()
    | st.builds(
        Verification, columns=tuples(columns), differences=tuples(differences), facts=numbers
    ),
    baseline=st.none() | baselines,
    plan=tuples(
        st.builds(Planned, migration=texts, statements=st.integers(0, 999), alone=optional)
    ),
    blockers=tuples(in_the_way),
    runs=tuples(
        st.builds(
            Run,
            id=texts,
            command=texts,
            started=times,
            exit_code=st.sampled_from([int(code) for code in ExitCode]),
            role=texts,
            host=texts,
            git_commit=optional,
            report=texts,
        )
    ),
    git_commit=optional,
    notes=tuples(texts),
    error=optional,
    next=optional,
)

#: A report is long in the making: a sixth of CI's 60 where faults are fewer, too.
thorough = settings(
    max_examples=60 if SCALE >= 1 else 10,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

STARTED = datetime(2026, 1, 1, tzinfo=UTC)
LONG = "20251022112351_make_appointment_required_in_clinical_notes_and_everything_that_refers_to_it"


def report(command: str = "plan", **parts: Any) -> Report:
    defaults: dict[str, Any] = {
        "run": "01J",
        "ok": False,
        "exit_code": 1,
        "started": STARTED,
        "seconds": 1.2,
    }
    return Report(command=command, **(defaults | parts))


def finding(**parts: Any) -> Finding:
    defaults: dict[str, Any] = {
        "code": "MA001",
        "name": "orphaned-notes",
        "source": Source.AUDIT,
        "severity": Severity.ERROR,
        "status": Status.FAILED,
        "message": "3 rows",
    }
    return Finding(**(defaults | parts))


FULL = report(
    "apply",
    target=TargetInfo(
        name="production", host="h", port=5432, database="clinic", user="u", server_version="16.4"
    ),
    history=HistoryInfo(
        kind="prisma", path="m", table="public._prisma_migrations", state="managed"
    ),
    findings=(finding(),),
    steps=(StepResult(migration="1_a", outcome=Outcome.DONE, attempts=1, seconds=0.2),),
    snapshot=Snapshot(
        provider="pg_dump",
        id="x.dump",
        taken=STARTED,
        size=1,
        sha256="0",
        restore="migsafe restore",
    ),
    verification=Verification(
        columns=(
            Column(table="t", column="c", expected="YES", found="YES", data_type="text", ok=True),
        )
    ),
    baseline=BaselineInfo(
        in_effect=("1_a",),
        pending=(),
        skipped=(),
        undecidable=(),
        partial=(PartialInfo(migration="1_a", present=3, absent=1),),
        exact=True,
        drift=(FactInfo(fact="column public.t.c nullable", found="yes", expected="no"),),
    ),
)


# ---------------------------------------------------------------- any report


@thorough
@given(report=every_report, verbose=st.booleans())
@pytest.mark.parametrize("name", reports.RENDERERS)
def test_every_renderer_takes_any_report(name: str, report: Report, verbose: bool) -> None:
    assert reports.RENDERERS[name](report, verbose=verbose)


@thorough
@given(report=every_report)
def test_a_report_is_the_same_after_json_and_back(report: Report) -> None:
    assert reports.parse(reports.json(report)) == report


@pytest.mark.parametrize("text", ["", "[]", "{}", "not json", '{"schema": 3}'])
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        reports.parse(text)


def test_keys_of_a_later_version_are_passed_over() -> None:
    stored = json.loads(reports.json(FULL)) | {"weather": "fine"}
    assert reports.parse(json.dumps(stored)) == FULL


# ---------------------------------------------------------------- JSON of the contract

#: Every key of the contract's example, by where it is.
CONTRACT = {
    "": "schema command version run target history ok exit_code started seconds findings steps "
    "snapshot verification",
    "target": "name host port database user server_version",
    "history": "kind path state applied pending failed missing edited",
    "findings": "code name source severity status message migration file line statement count "
    "exact keys remedy suppressed seconds",
    "steps": "migration outcome attempts seconds error",
    "snapshot": "provider id taken restore",
    "verification": "columns differences",
    "baseline": "in_effect pending skipped undecidable partial exact drift",
    "baseline.partial": "migration present absent",
    "baseline.drift": "fact found expected",
    "verification.columns": "table column expected found data_type ok",
}


def inside(path: str) -> Any:
    part: Any = json.loads(reports.json(FULL))
    for key in filter(None, path.split(".")):
        part = part[key]
        part = part[0] if isinstance(part, list) else part
    return part


@pytest.mark.parametrize("path", CONTRACT)
def test_json_has_every_key_of_the_contract(path: str) -> None:
    assert set(CONTRACT[path].split()) <= set(inside(path))


def test_json_says_its_schema_first_and_its_times_in_utc() -> None:
    text = reports.json(FULL)
    assert next(iter(json.loads(text).items())) == ("schema", "migsafe/1")
    assert inside("")["started"] == "2026-01-01T00:00:00Z"


def test_what_there_is_none_of_is_null_or_empty_but_there() -> None:
    bare = json.loads(reports.json(report()))
    assert bare["target"] is bare["history"] is bare["snapshot"] is bare["verification"] is None
    assert bare["findings"] == bare["steps"] == []


# ---------------------------------------------------------------- text


@pytest.mark.parametrize("cell", ["1,000", "False", "1e400", "\n", "1_000", " 7"])
def test_a_cell_that_looks_like_a_number_is_shown_as_it_is(cell: str) -> None:
    shown = terminal.table([(cell,)], ("a",), (9,)).splitlines()
    assert cell.strip() in (shown[-1].strip(), "")


def lines(report: Report, *, verbose: bool = False) -> list[str]:
    return click.unstyle(reports.RENDERERS["text"](report, verbose=verbose)).splitlines()


@pytest.mark.parametrize("name", [LONG, "x" * 300, "several words " * 20, "-".join(["x"] * 99)])
@pytest.mark.parametrize("command", ["status", "plan", "apply", "verify", "history"])
def test_no_table_is_wider_than_a_hundred_columns(command: str, name: str) -> None:
    history = HistoryInfo(
        kind="sql",
        path="m",
        table="t",
        state="managed",
        applied=(name,),
        pending=(name,),
        failed=(name,),
        finished={name: STARTED},
    )
    column = Column(table=name, column=name, expected="YES", found=None, data_type=name, ok=False)
    run = Run(
        id=name,
        command=name,
        started=STARTED,
        exit_code=1,
        role=name,
        host=name,
        git_commit=None,
        report="",
    )
    wide = report(
        command,
        history=history,
        findings=(finding(name=name, message=name, remedy=None, file=None),),
        plan=(Planned(migration=name, statements=1, alone=name),) if command == "plan" else (),
        steps=(StepResult(migration=name, outcome=Outcome.DONE),) if command == "apply" else (),
        verification=Verification(columns=(column,)),
        runs=(run,),
        blockers=(session(7, user=name, application=name, relations=(name,) * 3),),
    )
    rulers = [line for line in lines(wide) if re.fullmatch(r"\s*-[- ]*", line)]
    assert rulers
    assert max(len(line) for line in rulers) <= 100
    # Beside tables there is only the title of a finding, which is its name.
    assert {line for line in lines(wide) if len(line) > 100} <= {name, name.strip()}


def test_a_finding_is_shown_with_its_place_remedy_and_offenders() -> None:
    shown = "\n".join(
        lines(
            report(
                findings=(
                    finding(
                        file="audits/a.sql",
                        line=9,
                        remedy="Create it.",
                        count=25,
                        keys=tuple({"id": f"note-{n}"} for n in range(20)),
                    ),
                )
            )
        )
    )
    assert "audits/a.sql:9" in shown
    assert "→ Create it." in shown
    assert "id: note-0, note-1," in shown
    assert "… and 5 more" in shown


def test_the_gravest_finding_comes_first() -> None:
    shown = lines(
        report(
            findings=(
                finding(name="passed", status=Status.PASSED),
                finding(name="warned", severity=Severity.WARNING),
                finding(name="broken"),
            )
        )
    )
    rows = [line.split() for line in shown if "MA001" in line]
    assert [row[2] for row in rows] == ["broken", "warned", "passed"]
    assert [row[0] for row in rows] == ["error", "warning", "passed"]


@pytest.mark.parametrize(("verbose", "shown"), [(False, False), (True, True)])
def test_what_passed_is_shown_by_apply_only_when_asked(verbose: bool, shown: bool) -> None:
    passed = report("apply", findings=(finding(name="all-well", status=Status.PASSED),))
    assert any("all-well" in line for line in lines(passed, verbose=verbose)) is shown


def test_a_long_list_of_steps_says_what_it_leaves_out() -> None:
    steps = tuple(StepResult(migration=f"{n}_m", outcome=Outcome.DONE) for n in range(30))
    short = "\n".join(lines(report("apply", steps=steps)))
    assert "… 19 before these (-v shows them)" in short
    assert "18_m" not in short
    assert "19_m" in short
    assert "18_m" in "\n".join(lines(report("apply", steps=steps), verbose=True))


def test_a_long_list_of_pending_migrations_says_what_it_leaves_out() -> None:
    names = tuple(f"{n:02}_m" for n in range(30))
    history = HistoryInfo(kind="sql", path="m", table="t", state="empty", pending=names)
    short = "\n".join(lines(report("status", history=history)))
    assert "… 19 after these (-v shows them)" in short
    assert "10_m" in short
    assert "11_m" not in short
    assert "29_m" in "\n".join(lines(report("status", history=history), verbose=True))


def test_a_long_plan_begins_with_what_would_run_first() -> None:
    plan = tuple(Planned(migration=f"{n:02}_m", statements=1, alone=None) for n in range(30))
    short = "\n".join(lines(report("plan", plan=plan, exit_code=0)))
    assert "00_m" in short
    assert "… 19 after these (-v shows them)" in short
    assert "go: 30 migrations to apply" in short


def test_a_long_lint_ends_with_its_rules_by_number() -> None:
    def hazards(count: int) -> tuple[Finding, ...]:
        rules = [("MS132", "missing-lock-timeout")] * (count - 1) + [("MS211", "set-not-null")]
        return tuple(
            finding(code=code, name=name, source=Source.HAZARD, line=line)
            for line, (code, name) in enumerate(rules)
        )

    long = "\n".join(lines(report("lint", findings=hazards(30))))
    assert "Most often: MS132 missing-lock-timeout (29), MS211 set-not-null (1)." in long
    assert "Most often" not in "\n".join(lines(report("lint", findings=hazards(20))))


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("status", "nothing is pending"),
        ("audit", "nothing was asked"),
        ("plan", "nothing to apply"),
        ("apply", "nothing to apply"),
        ("init", "done"),
    ],
)
def test_a_good_end_with_nothing_to_show_says_which_nothing(command: str, said: str) -> None:
    shown = "\n".join(lines(report(command, ok=True, exit_code=0)))
    assert shown.endswith(f"OK (exit 0): {said}")


def hint(migration: str, severity: Severity = Severity.INFO) -> Finding:
    """Build what a baseline says of a migration that leaves no trace."""
    return finding(
        code="MH115",
        name="migration-undecidable",
        severity=severity,
        message=f"of {migration}",
        migration=migration,
    )


def test_many_hints_that_are_alike_are_counted_and_no_warning_ever_is() -> None:
    hints = tuple(hint(f"{n:02}_m") for n in range(20))
    warnings = tuple(hint(f"{n:02}_w", Severity.WARNING) for n in range(20))
    short = "\n".join(lines(report("baseline", findings=(*hints, *warnings))))
    assert [f"of {n:02}_m" in short for n in range(20)] == [True] * 3 + [False] * 17
    assert all(f"of {n:02}_w" in short for n in range(20))
    assert "… 17 more of these (-v shows them)" in short
    full = "\n".join(lines(report("baseline", findings=hints), verbose=True))
    assert all(f"of {n:02}_m" in full for n in range(20))


def test_a_baseline_shows_and_counts_what_only_its_place_calls_in_effect() -> None:
    names = tuple(f"{n:02}_m" for n in range(60))
    in_effect, pending = names[:30], names[31:]
    verdicts = ["in effect"] * 10 + ["undecidable"] + ["in effect"] * 19 + ["skipped"]
    verdicts += ["pending"] * 29
    found = BaselineInfo(
        in_effect=in_effect,
        pending=pending,
        skipped=(names[30],),
        undecidable=(names[10],),
        partial=(),
        exact=False,
        drift=(),
        nearest=(names[29],),
        verdicts=tuple(
            VerdictInfo(migration=name, verdict=verdict)
            for name, verdict in zip(names, verdicts, strict=True)
        ),
    )
    given = {"baseline": found, "findings": (hint(names[10], Severity.WARNING),), "exit_code": 0}
    short = "\n".join(lines(report("baseline", **given)))
    assert "10_m  " in short
    assert "09_m" not in short
    assert "… 24 more in effect (-v shows them)" in short
    assert "… 17 more pending (-v shows them)" in short
    assert "29 in effect, 29 pending, 1 skipped, 1 undecided" in short


def session(pid: int, **parts: Any) -> Blocker:
    """Build a session that is in the way of a migration."""
    usual: dict[str, Any] = {
        "kind": Kind.SESSION,
        "pid": pid,
        "user": "clinic",
        "application": "web",
        "state": "idle in transaction",
        "age_seconds": 720.0,
        "statement_seconds": None,
        "why": "holds ACCESS SHARE",
        "relations": ("patients",),
        "blocks": (Blocked(migration="2_b", file="2_b.sql", line=1, statement=1),),
    }
    return Blocker(**(usual | parts))


def test_who_is_in_the_way_is_listed_with_what_it_holds() -> None:
    shown = " ".join("\n".join(lines(report(blockers=(session(4711),)))).split())
    assert "process 4711 (clinic, web) idle in transaction, holds ACCESS SHARE on" in shown
    assert "| process 4711 (clinic, web) |" in reports.RENDERERS["markdown"](
        report(blockers=(session(4711),))
    )
    many = report(blockers=tuple(session(pid) for pid in range(100, 130)))
    assert "process 129 " not in "\n".join(lines(many))
    assert "… 18 more (-v shows them)" in lines(many)
    assert "process 129 " in "\n".join(lines(many, verbose=True))


@pytest.mark.parametrize(
    ("outcome", "shown"), [(Outcome.DONE, False), (Outcome.BUSY, True), (Outcome.SKIPPED, True)]
)
def test_who_was_in_the_way_is_not_listed_once_all_got_through(
    outcome: Outcome, shown: bool
) -> None:
    steps = (
        StepResult(migration="1_a", outcome=Outcome.DONE),
        StepResult(migration="2_b", outcome=outcome),
    )
    told = "\n".join(lines(report("apply", steps=steps, blockers=(session(7),))))
    assert ("process 7" in told) is shown


@pytest.mark.parametrize("code", ExitCode)
def test_the_end_says_the_exit_code_and_what_to_do(code: ExitCode) -> None:
    shown = lines(report("status", exit_code=int(code), next="migsafe plan"))
    assert shown[-2].startswith(f"{code.name} (exit {int(code)}): ")
    assert shown[-1] == "Next: migsafe plan"


# ---------------------------------------------------------------- Markdown


def cells(line: str) -> list[str]:
    """Split a table row where GitHub does: at pipes that no backslash escapes."""
    return [cell.strip() for cell in re.findall(r"(?:\\.|[^\\|])+", line)]


@pytest.mark.parametrize(
    ("message", "escaped"),
    [
        ("<img src=x> [x](http://y) *b* __c__", r"\<img src=x> \[x\](http://y) \*b\* \__c_\_"),
        ("_prisma_migrations, `SET x`", r"\_prisma_migrations, `SET x`"),
        ("a|b", "a\\|b"),
        ("a\\|b", "a\\\\\\|b"),
        ("||", "\\|\\|"),
        ("two\n| lines", "two \\| lines"),
    ],
)
def test_markdown_escapes_what_it_takes_for_more_than_text(message: str, escaped: str) -> None:
    text = reports.RENDERERS["markdown"](report(findings=(finding(message=message),)))
    (row,) = [line for line in text.splitlines() if "MA001" in line]
    assert escaped in row
    assert len(cells(row)) == 4


def test_markdown_escapes_the_columns_of_offenders_too() -> None:
    offending = finding(keys=({"a|b": 1, "c": "x|y"},))
    text = reports.RENDERERS["markdown"](report(findings=(offending,)))
    (header,) = [line for line in text.splitlines() if "a\\|b" in line]
    (row,) = [line for line in text.splitlines() if "x\\|y" in line]
    assert (cells(header), cells(row)) == (["a\\|b", "c"], ["1", "x\\|y"])


@thorough
@given(of=every_report)
def test_every_markdown_row_has_as_many_cells_as_its_header(of: Report) -> None:
    bare = structs.replace(of, error=None, next=None, notes=(), snapshot=None, target=None)
    history = of.history and structs.replace(of.history, path="m", kind="sql")
    bare = structs.replace(bare, run="r", history=history)
    text = reports.RENDERERS["markdown"](bare)
    for table in re.findall(r"(?:^\|.*\|\n?)+", text, re.MULTILINE):
        rows = [re.sub(r"\\.", "", line).count("|") for line in table.split("\n") if line]
        assert len(set(rows)) == 1, table


def test_markdown_shows_the_way_back() -> None:
    assert "The way back: `migsafe restore`" in reports.RENDERERS["markdown"](FULL)
