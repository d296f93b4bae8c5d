"""Open the page of a report with a thousand findings in a browser; exit 1 above a second.

Needs chromium or Google Chrome in PATH. Seconds, not a ratio: a person waits for them.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from msgspec.structs import replace
from playwright.sync_api import Page

from migsafe.reports import RENDERERS
from tests.cli import test_browser

ROUNDS, FINDINGS, SECONDS = 7, 1000, 1.0


def main() -> int:
    report = replace(test_browser.RELEASE, findings=test_browser.findings(FINDINGS))
    began = time.process_time()
    text = RENDERERS["html"](report)
    print(f"rendered {len(text) / 1e6:.2f} MB in {time.process_time() - began:.3f} s of CPU")
    with tempfile.TemporaryDirectory() as folder, test_browser.running() as browser:
        file = Path(folder) / "report.html"
        file.write_text(text, "utf-8")
        page = browser.new_page()
        seconds = [opened(page, file) for _ in range(ROUNDS)]
    print(f"opened {FINDINGS} findings in {statistics.median(seconds):.2f} s ({_range(seconds)})")
    return int(statistics.median(seconds) > SECONDS)


def opened(page: Page, file: Path) -> float:
    """Return the seconds until the page is laid out and painted."""
    began = time.monotonic()
    page.goto(file.as_uri())
    page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    return time.monotonic() - began


def _range(seconds: list[float]) -> str:
    return f"{min(seconds):.2f} to {max(seconds):.2f}"


if __name__ == "__main__":
    sys.exit(main())
