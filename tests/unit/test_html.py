"""The page: whatever a report holds is in it as text, and nothing of it is markup."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from msgspec.structs import replace

from migsafe.errors import ExitCode
from migsafe.findings import Severity, Source, Status
from migsafe.outcomes import Outcome, StepResult
from migsafe.reports import (
    RENDERERS,
    BaselineInfo,
    FactInfo,
    FixInfo,
    LockInfo,
    Planned,
    Report,
    RestoreInfo,
    VerdictInfo,
    parse,
)
from migsafe.reports.html import _duration, _size
from migsafe.snapshots import Copy
from migsafe.verifying import Difference, Verification
from tests.unit.test_reports import FULL, STARTED, every_report, finding, report, thorough

#: Elements without an end tag, of HTML and of the pictures.
VOID = {"meta", "input", "wbr", "br"}

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></style></script><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "<!--",
    "]]>",
    "javascript:alert(1)",
    "&lt;b&gt;",
]


@dataclass
class Page(HTMLParser):
    """What a browser would make of a document, as far as these tests ask."""

    source: str
    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    raw: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.feed(self.source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("style", "script"):
            self.raw[self.open[-1]] = data
        else:
            self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        pytest.fail(f"a comment: {data}")

    @property
    def text(self) -> str:
        return "".join(self.texts)

    @property
    def headings(self) -> list[str]:
        return re.findall(r'<h2 id="[a-z]+">([^<]+)', self.source)


def page(of: Report) -> Page:
    return Page(RENDERERS["html"](of))


#: Attributes that are the template's own. A report's values are in `content` and `data-label`.
PLAIN = {"class", "id", "lang", "charset", "name", "http-equiv", "content", "scope", "open"}
PLAIN |= {"data-label", "aria-label", "aria-labelledby", "aria-hidden", "aria-expanded", "hidden"}
PLAIN |= {"type", "placeholder", "focusable", "viewbox", "preserveaspectratio", "x", "width"}
PLAIN |= {"height", "cx", "cy", "r", "d", "fill", "stroke", "stroke-width"}


@thorough
@given(of=every_report)
def test_any_report_is_a_well_formed_page_without_foreign_markup(of: Report) -> None:
    made = page(of)
    tags = [tag for tag, _ in made.elements]
    assert tags.count("script") == tags.count("style") == tags.count("h1") == 1
    for tag, attributes in made.elements:
        assert set(attributes) <= PLAIN, tag
    identifiers = [a["id"] for _, a in made.elements if "id" in a]
    assert len(set(identifiers)) == len(identifiers)
    for x, width in bars(of):
        assert width > 0
        assert 0 <= x <= 1000 - width


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_name_is_text(hostile: str) -> None:
    made = page(everything(hostile))
    quiet = page(everything("quiet"))
    assert [tag for tag, _ in made.elements if tag != "wbr"] == [
        tag for tag, _ in quiet.elements if tag != "wbr"
    ]
    assert hostile in made.text


def everything(word: str) -> Report:
    """Build a report in which each text that is not chosen by migsafe holds `word`."""
    fact = FactInfo(fact=word, found=word, expected=word)
    verdict = VerdictInfo(migration=word, verdict="partial", present=(fact,), absent=(fact,))
    assert FULL.baseline
    assert FULL.target
    return replace(
        FULL,
        target=replace(FULL.target, name=word, host=word, database=word, user=word),
        findings=(
            finding(name=word, message=word, remedy=word, file=word, keys=({word: word},)),
            finding(message=word, keys=({word: word, "b": word},), sql=word, status=Status.PASSED),
            finding(message=word, suppressed=word, source=Source.HAZARD),
        ),
        steps=(
            StepResult(
                migration=word, outcome=Outcome.FAILED, error=word, note=word, began=STARTED
            ),
        ),
        plan=(
            Planned(
                migration=word, statements=1, alone=word, locks=(LockInfo(relation=word, mode="X"),)
            ),
        ),
        baseline=replace(FULL.baseline, verdicts=(verdict,), drift=(fact,), nearest=(word,)),
        verification=Verification(
            differences=(
                Difference(fact=word, found=word, expected=word, severity=Severity.INFO, undo=word),
            )
        ),
        fixes=(FixInfo(file=word, new=True, diff=f"-{word}\n+{word}\n {word}"),),
        notes=(word,),
        next=word,
        host=word,
        git_commit=word,
        run=word,
    )


def test_control_characters_are_shown_as_a_mark() -> None:
    assert "a\ufffdb\ufffd" in page(report(notes=("a\x00b\x1b",))).text


def test_the_page_asks_for_nothing_from_anywhere() -> None:
    made = page(everything("x"))
    assert re.findall(r"url\(|@import|https?:|\bsrc=|\bhref=", made.source) == []


def test_the_policy_allows_the_script_and_the_style_of_the_page_and_no_other() -> None:
    made = page(everything("</script>"))
    (policy,) = [a["content"] for _, a in made.elements if "http-equiv" in a]
    for kind in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(made.raw[kind].encode()).digest()).decode()
        assert policy
        assert f"{kind}-src 'sha256-{digest}';" in policy
    assert policy
    assert policy.startswith("default-src 'none';")


def test_nothing_of_a_report_is_left_out() -> None:
    """Every text of a report that is different everywhere is on the page."""
    numbered = _marked(json.loads(RENDERERS["json"](everything("w"))), iter(range(10**6)))
    marked = parse(json.dumps(numbered))
    shown = page(marked).source.replace("<wbr>", "")
    # Facts that hold, or do not, are counted; JSON has them.
    bare = replace(marked, baseline=replace(_baseline(marked), verdicts=()))
    words = re.findall(r"w\d+w", RENDERERS["json"](bare))
    assert len(words) == 40
    assert [word for word in words if word not in shown.lower()] == []


def _baseline(of: Report) -> BaselineInfo:
    assert of.baseline
    return of.baseline


def _marked(value: Any, numbers: Iterator[int]) -> Any:
    """Number each ``w``, so that none is like another."""
    if isinstance(value, dict):
        return {
            key.replace("w", f"w{next(numbers)}w") if key == "w" else key: _marked(v, numbers)
            for key, v in value.items()
        }
    if isinstance(value, list):
        return [_marked(item, numbers) for item in value]
    if isinstance(value, str) and re.fullmatch(r"[-+ w\n]+", value):
        return re.sub("w", lambda _: f"w{next(numbers)}w", value)
    return value


# ---------------------------------------------------------------- what it says


def heading(of: Report) -> str:
    found = re.search(r"</svg>([^<]+)</h1>", RENDERERS["html"](of))
    assert found
    return found[1]


DONE = StepResult(migration="1_a", outcome=Outcome.DONE, seconds=1.0)
SKIPPED = StepResult(migration="2_b", outcome=Outcome.SKIPPED)
PLANNED = Planned(migration="1_a", statements=1, alone=None)
RESTORE = RestoreInfo(
    id="1",
    run="2",
    provider="pg_dump",
    snapshot="3",
    place="h:5432/d",
    taken=STARTED,
    copy="d_restore",
    old="d_old",
)
BESIDE = replace(RESTORE, outcome="beside")
DUE = Copy(run="1", provider="pg_dump", id="2", taken=STARTED, status="available", fate="to delete")
HALF = StepResult(migration="2_b", outcome=Outcome.DIRTY, seconds=1.0)


@pytest.mark.parametrize("code", [code for code in ExitCode if code is not ExitCode.OK])
@pytest.mark.parametrize("command", ["status", "audit", "plan", "apply", "verify", "gate", "x"])
def test_what_did_not_end_well_does_not_look_well(command: str, code: ExitCode) -> None:
    bad = report(command, exit_code=int(code))
    good = report(command, exit_code=0, ok=True)
    made = RENDERERS["html"](bad)
    assert heading(bad) != heading(good)
    assert '<h1 class="good">' not in made
    assert '<h1 class="good">' in RENDERERS["html"](good)
    assert f"Exit code {int(code)}, {code.name}: {code.meaning}." in page(bad).text


@pytest.mark.parametrize(
    ("made", "word", "changed"),
    [
        (report("apply"), "Refused", "This run changed nothing in the database."),
        (report("apply", exit_code=0), "Nothing to do", "This run changed nothing"),
        (report("apply", exit_code=0, steps=(DONE,)), "Applied", ""),
        (report("apply", steps=(DONE,)), "Applied, with findings", ""),
        (report("apply", exit_code=5, steps=(DONE, SKIPPED)), "Failed", "1 of 2 migrations"),
        (
            report("apply", exit_code=6, steps=(DONE, HALF)),
            "Left half-way",
            "1 of 2 migrations applied. A part of 2_b may be in effect.",
        ),
        (report("apply", exit_code=0, plan=(PLANNED,)), "Go", "This run changed nothing"),
        (report("restore", exit_code=0, restore=RESTORE), "Not begun", "Nothing was changed"),
        (report("restore", exit_code=0, restore=BESIDE), "Restored beside", ""),
        (
            report("restore", exit_code=0, restore=replace(BESIDE, outcome="swapped")),
            "Restored",
            "",
        ),
        (report("restore", exit_code=0, restore=replace(BESIDE, outcome="undone")), "Undone", ""),
        (report("snapshot prune", exit_code=0, copies=(DUE,)), "Not begun", ""),
        (report("audit"), "Not passed", "this command only reads"),
        (report("apply", exit_code=3, error="no answer"), "Out of reach", ""),
        (report("history", exit_code=0, findings=(finding(status=Status.PASSED),)), "Whole", ""),
    ],
)
def test_the_verdict_says_what_became_of_the_database(
    made: Report, word: str, changed: str
) -> None:
    assert heading(made) == word
    said = re.search(r'<p class="changed">([^<]*)</p>', RENDERERS["html"](made))
    assert changed in (said[1] if said else "")
    assert bool(said) or not changed


def test_the_verdict_is_first_and_the_next_step_last() -> None:
    made = page(replace(everything("x"), fixes=()))
    assert made.text.index("FINDINGS") < made.text.index("Database")
    order = ["Checked", "Found", "In effect", "Done", "The way back", "Verified"]
    assert made.headings == [*order, "Next step", "Notes"]


def test_findings_are_grouped_the_gravest_first_and_what_passed_is_there() -> None:
    found = (
        finding(status=Status.PASSED, message="held"),
        finding(severity=Severity.INFO, message="small"),
        finding(status=Status.SKIPPED, message="unknown"),
        finding(message="grave"),
        finding(severity=Severity.WARNING, message="middling"),
        finding(message="waved through", suppressed="at night"),
    )
    made = page(report(findings=found)).text
    order = ["Errors", "grave", "Warnings", "middling", "Hints", "small", "Not answered", "unknown"]
    order += ["Allowed", "waved through", "at night", "Passed", "held"]
    places = [made.index(word) for word in order]
    assert places == sorted(places)


def test_offenders_beyond_those_that_are_listed_are_counted() -> None:
    made = page(report(findings=(finding(keys=({"id": 1},), count=1001, exact=True),))).text
    assert "… and 1,000 more." in " ".join(made.split())
    part = page(report(findings=(finding(keys=({"id": 1},), count=3, exact=False),))).text
    assert "… and 2 more, or more than that." in " ".join(part.split())


# ---------------------------------------------------------------- the picture


def timed(began: float, seconds: float, **more: Any) -> StepResult:
    return replace(DONE, began=STARTED + timedelta(seconds=began), seconds=seconds, **more)


def bars(of: Report) -> list[tuple[int, int]]:
    made = RENDERERS["html"](of)
    return [
        (int(x), int(width))
        for x, width in re.findall(r'<rect class="(?:bar|held)" x="(\d+)" width="(\d+)"', made)
    ]


def test_the_picture_places_each_step_in_the_time_of_the_run() -> None:
    steps = (timed(2, 1, held=0.5), timed(3, 5))
    drawn = bars(report("apply", seconds=10.0, steps=steps))
    before, first, held, second, after = drawn
    assert (before, first, held) == ((0, 200), (200, 100), (250, 50))
    assert (second, after) == ((300, 500), (800, 200))


def test_what_is_not_known_is_not_drawn() -> None:
    assert bars(report("apply", steps=(DONE, SKIPPED))) == []
    assert bars(report("plan")) == []


def test_of_very_many_steps_the_longest_are_drawn_and_the_rest_counted() -> None:
    steps = tuple(timed(n, n / 100) for n in range(1, 100))
    made = page(report("apply", seconds=100.0, steps=steps))
    assert len(bars(report("apply", seconds=100.0, steps=steps))) == 42
    assert "59 shorter steps left out" in made.text


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, "0 ms"), (0.0312, "31 ms"), (1.5, "1.50 s"), (61, "1 min 01 s"), (3725, "1 h 02 min")],
)
def test_a_duration_is_written_for_a_person(seconds: float, written: str) -> None:
    assert _duration(seconds) == written


@pytest.mark.parametrize(
    ("size", "written"), [(0, "0 bytes"), (1500, "1.5 kB"), (12_345_678_901, "12.3 GB")]
)
def test_a_size_is_written_for_a_person(size: int, written: str) -> None:
    assert _size(size) == written
