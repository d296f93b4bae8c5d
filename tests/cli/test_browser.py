"""The page in a real browser: Debian's chromium, or Google's, without a window."""

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from msgspec.structs import replace
from playwright.sync_api import Browser, Page, sync_playwright

from migsafe.findings import Finding, Severity, Status
from migsafe.outcomes import Outcome, StepResult
from migsafe.reports import RENDERERS, LockInfo, Planned, Report
from migsafe.snapshots import Snapshot
from migsafe.verifying import Column, Difference, Verification
from tests.unit.test_reports import FULL, LONG, STARTED, finding

CHROMES = ("chromium", "chromium-browser", "google-chrome")

HOSTILE = "\"><img src=x onerror='window.struck = true'><script>window.struck = true</script>"


@contextmanager
def running() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, CHROMES)), None)
    if found is None:
        pytest.skip(f"no browser to look at reports: none of {', '.join(CHROMES)} in PATH")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running() as launched:
        yield launched


def step(name: str, began: float, seconds: float, outcome: Outcome, **more: Any) -> StepResult:
    made = StepResult(migration=name, outcome=outcome, attempts=2, seconds=seconds)
    return replace(made, began=STARTED + timedelta(seconds=began), **more)


def findings(number: int) -> tuple[Finding, ...]:
    """Make findings of every kind in turn, with offenders, long names and hostile ones."""
    severities, statuses = list(Severity), list(Status)
    return tuple(
        finding(
            code=f"MA{n % 3 + 1:03}",
            name=f"audit-{n}",
            message=f"{n} rows of {('notes', LONG, HOSTILE)[n // 2 % 3]}",
            severity=severities[n % 3],
            status=statuses[n // 3 % 3],
            suppressed="at night" if n % 11 == 0 else None,
            file=f"audits/{LONG}.sql",
            line=n + 1,
            keys=({"id": n, f"note of {LONG}": LONG},) if n % 2 else ({"id": HOSTILE},),
            count=n + 10,
            remedy="Mend the rows, then ask again.",
            sql="SELECT id FROM notes WHERE body IS NULL",
        )
        for n in range(number)
    )


RELEASE = replace(
    FULL,
    seconds=9.0,
    findings=findings(12),
    plan=tuple(
        Planned(
            migration=name,
            statements=2,
            alone=None,
            locks=(LockInfo(relation=f"Köl.{LONG}", mode="ACCESS EXCLUSIVE"),),
        )
        for name in (LONG, HOSTILE, "3_c", "4_d")
    ),
    steps=(
        step(LONG, 1, 2, Outcome.DONE, held=0.5),
        step(HOSTILE, 3, 1, Outcome.BUSY, held=0.5, note="waited for somebody"),
        step("3_c", 4, 2, Outcome.FAILED, error=f"{LONG} does not exist", line=3),
        StepResult(migration="4_d", outcome=Outcome.SKIPPED),
    ),
    snapshot=Snapshot(
        provider="pg_dump",
        id=f".migsafe/{LONG}",
        taken=STARTED,
        size=10**9,
        sha256="0" * 64,
        restore=f"migsafe restore {LONG}",
    ),
    verification=Verification(
        columns=(
            Column(table=LONG, column=LONG, expected="YES", found=None, data_type=LONG, ok=False),
        ),
        differences=(
            Difference(
                fact=f"column {LONG} nullable",
                found=None,
                expected=LONG,
                severity=Severity.WARNING,
                undo=f"ALTER TABLE {LONG} ALTER body SET NOT NULL",
            ),
        ),
        facts=1234,
    ),
    host="deploy-7",
    git_commit="0" * 40,
    previous="1" * 64,
    notes=(LONG, HOSTILE),
    next="migsafe status",
)


@contextmanager
def opened(browser: Browser, file: Path, report: Report, **context: Any) -> Iterator[Page]:
    """Open the page of a report; whatever it asks for, complains of or pops up fails the test."""
    file.write_text(RENDERERS["html"](report), "utf-8")
    trouble: list[str] = []
    inside = browser.new_context(**context)
    page = inside.new_page()
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("dialog", lambda dialog: trouble.append(dialog.message))
    page.on("request", lambda request: trouble.append(request.url))
    page.goto(file.as_uri())
    yield page
    assert trouble == [file.as_uri()]
    inside.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_is_accessible_and_fits(
    browser: Browser, tmp_path: Path, scheme: str, width: int
) -> None:
    size = {"width": width, "height": 800}
    with opened(browser, tmp_path / "a.html", RELEASE, viewport=size, color_scheme=scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == width
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") == width
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("window.struck") is None
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        brightness = sum(int(part) for part in background[4:-1].split(","))
        assert (brightness < 300) == (scheme == "dark")


def test_the_page_is_read_without_its_script(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path / "a.html", RELEASE, java_script_enabled=False) as page:
        assert page.get_by_role("heading", level=1).is_visible()
        assert not page.get_by_label("Filter the findings").is_visible()
        warning = page.locator("details.finding.warn").first
        assert not warning.locator(".body").is_visible()
        warning.locator("summary").click()
        assert warning.locator(".body").is_visible()


def test_findings_can_be_filtered_and_unfolded(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path / "a.html", RELEASE) as page:
        page.get_by_label("Filter the findings").fill("AUDIT-7 rows")
        assert page.locator("details.finding:visible .name").all_inner_texts() == ["audit-7"]
        page.get_by_label("Filter the findings").fill("")
        page.get_by_role("button", name="Expand all").click()
        assert page.locator("details.finding:not([open])").count() == 0
        page.get_by_role("button", name="Collapse all").click()
        assert page.locator("details.finding[open]").count() == 0


def test_paper_shows_what_the_screen_folds_away(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path / "a.html", RELEASE, color_scheme="dark") as page:
        pdf = page.pdf(format="A4")
        assert pdf.startswith(b"%PDF")
        assert pdf.count(b"/Type /Page\n") > 2
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator("details.finding.warn .remedy").first.is_visible()
        assert not page.get_by_label("Filter the findings").is_visible()
        ink = "getComputedStyle(document.body).backgroundColor"
        assert page.evaluate(ink) == "rgb(255, 255, 255)"


def test_a_thousand_findings_open(
    browser: Browser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    with opened(browser, tmp_path / "a.html", replace(RELEASE, findings=findings(1000))) as page:
        page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
        seconds = time.monotonic() - began
        assert page.locator("details.finding").count() == 1000
        timing = "performance.getEntriesByType('paint').at(-1).startTime"
        painted = page.evaluate(timing)
    said = f"1,000 findings: painted after {painted:.0f} ms, {seconds:.2f} s with rendering"
    with capsys.disabled():
        sys.stdout.write(f"\n{said}\n")
