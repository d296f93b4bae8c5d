"""The documentation against the code: links, names, flags, and the screens that it shows.

A page's fenced blocks are played in order. `title="PATH"` writes a file, `sql run` runs SQL, and
each `$ migsafe …` line of a `console` block must print what the page shows below it.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import psycopg
import pytest

from migsafe import config, verifying
from migsafe.audits import files
from migsafe.cli.commands import cli
from migsafe.cli.output import Output
from migsafe.errors import ExitCode
from migsafe.findings import CODES
from migsafe.hazards import rules
from tests.conftest import Called

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *DOCS.rglob("*.md")]
)
PLAYED = [
    "quickstart",
    "howto/add-an-index",
    "howto/after-p3005",
    "howto/derived-audits",
    "howto/gate",
    "howto/half-applied",
    "howto/optional-column",
    "howto/reports",
    "howto/required-column",
    "howto/shadow",
    "howto/snapshots",
    "howto/verify-the-schema",
    "howto/write-audits",
]
#: Above a part of a page that starts with an empty directory and an empty database.
FRESH = "<!-- an empty directory, an empty database -->"

_FENCE = re.compile(
    r"^```(?P<kind>\w*)(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE
)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<link>[^)\s]+)\)|!\[[^\]]*\]\((?P<image>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a page."""

    kind: str
    info: str
    body: str

    @property
    def title(self) -> str | None:
        found = re.search(r'title="([^"]+)"', self.info)
        return found[1] if found else None


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(text: str) -> list[Block]:
    return [Block(m["kind"], m["info"].strip(), m["body"]) for m in _FENCE.finditer(text)]


def command_lines(block: Block) -> Iterator[str]:
    """Yield the `migsafe …` lines of a block; those of a console are the ones after a prompt."""
    prompt = r"\$ " if block.kind == "console" else r"(?:\$ |- run: |run: |&& )?"
    for line in block.body.replace("\\\n", " ").splitlines():
        match = re.match(rf"\s*{prompt}(migsafe .*)", line)
        if match:
            yield match[1]


def arguments_of(line: str) -> list[str]:
    """Return the words after `migsafe`, up to a pipe, a redirection or another command."""
    words = shlex.split(line, comments=True)[1:]
    ends = [i for i, word in enumerate(words) if word in ("|", "||", "&&", ";", ">", ">>")]
    return words[: ends[0]] if ends else words


every_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


def test_the_generated_pages_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, DOCS / "generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@every_page
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for match in _LINK.finditer(_FENCE.sub("", page.read_text("utf-8"))):
        link = match["link"] or match["image"]
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        linked = (page.parent / place).resolve() if place else page
        assert linked.exists(), f"{name_of(page)}: {link}"
        if anchor and linked.suffix == ".md":
            assert anchor in anchors(linked), f"{name_of(page)}: {link}"


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = _FENCE.sub("", page.read_text("utf-8"))
    bare = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(text))
    return {heading.strip().replace(" ", "-") for heading in bare}


@every_page
def test_every_command_line_is_one_that_the_program_takes(page: Path) -> None:
    for block in blocks(page.read_text("utf-8")):
        for line in command_lines(block):
            try:
                check_command(arguments_of(line))
            except click.ClickException as error:
                pytest.fail(f"{name_of(page)}: {line}: {error.format_message()}")


def check_command(arguments: list[str]) -> None:
    """Parse a command line without running it; raise ClickException for what is not there."""
    if arguments in (["--help"], ["--version"], ["-h"]):
        return
    ctx = click.Context(cli, info_name="migsafe", obj=Output(), **cli.context_settings)
    name, command, rest = cli.resolve_command(ctx, arguments)
    assert command is not None
    command.make_context(name, rest, parent=ctx)


@every_page
def test_every_code_that_is_named_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    assert set(re.findall(r"\bM[A-Z]\d{3}\b", text)) <= {*CODES, *(rule.code for rule in rules())}
    codes = {int(code) for code in re.findall(r"\bexit(?:s with| code|s)? (\d+)\b", text, re.I)}
    assert codes <= {int(code) for code in ExitCode}


def test_every_command_is_explained() -> None:
    pages = [DOCS / "cli.md", DOCS / "quickstart.md", *(DOCS / "howto").glob("*.md")]
    text = "\n".join(page.read_text("utf-8") for page in pages)
    for name in cli.commands:
        assert f"migsafe {name}" in text


@every_page
def test_every_config_audit_and_expectation_is_read_as_it_stands(
    page: Path, tmp_path: Path
) -> None:
    for block in blocks(page.read_text("utf-8")):
        if block.kind == "toml" and "[[column]]" in block.body:
            (tmp_path / verifying.FILE).write_text(block.body, "utf-8")
            assert verifying.load(tmp_path)
        elif block.kind == "toml":
            config.parse_text(block.body, page)
        elif block.kind == "sql" and "-- audit:" in block.body:
            (tmp_path / "audit.sql").write_text(block.body, "utf-8")
            files.parse(tmp_path / "audit.sql")


@pytest.mark.parametrize("name", PLAYED)
def test_a_page_shows_what_the_screen_shows(
    name: str,
    tmp_path: Path,
    make_database: Callable[[], str],
    migsafe: Callable[..., Called],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = (DOCS / f"{name}.md").read_text("utf-8").split(FRESH)[1:]
    assert parts
    for number, part in enumerate(parts):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.chdir(folder)
        url = make_database()
        monkeypatch.setenv("DATABASE_URL", url)
        for block in blocks(part):
            play(block, url, migsafe)


def play(block: Block, url: str, migsafe: Callable[..., Called]) -> None:
    if block.title:
        path = Path(block.title)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.body, "utf-8")
    elif block.kind == "sql" and block.info == "run":
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute(block.body.encode())
    elif block.kind == "console":
        for command, shown in screens(block):
            called = migsafe(*arguments_of(command))
            assert steady(called.out + called.err) == steady(shown), command


def screens(block: Block) -> Iterator[tuple[str, str]]:
    """Yield each `migsafe …` command of a console with what is shown below it."""
    for part in re.split(r"^\$ ", block.body, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        if command.startswith("migsafe "):
            yield command, shown


def steady(text: str) -> str:
    """Return a screen without what differs from run to run: ids, times, sizes, places, widths."""
    for pattern, replacement in (
        (r" · url: .*", " · url"),  # the rest of its line
        (r"\s+", " "),
        (r"\b[0-9A-HJKMNP-TV-Z]{26}\b", "RUN"),
        (r"\b[0-9a-f]{64}\b", "SUM"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d", "TIME"),
        (r"\d{4}-\d\d-\d\d", "DATE"),
        (r"\d+\.\d\d s", "SECONDS"),
        (r"\d+ (bytes|kB)", "SIZE"),
        (r"on PostgreSQL \d+\.\d+( \(.*?\))?", "on PostgreSQL VERSION"),
        (r"server process \d+", "server process PID"),
        (r"--host=\S+ --port=\S+ --username=\S+", "LOGIN"),
        (r"snapshots/\w+-RUN", "snapshots/RUN"),
        (r"-{2,}", "-"),
    ):
        text = re.sub(pattern, replacement, text)
    return text.strip()
