"""Where a report goes: stdout in one format, and any number of files in others."""

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import Struct, field

if TYPE_CHECKING:
    from migsafe.reports import Report

#: What --format takes; a test holds it against `reports.RENDERERS`, which is not loaded for help.
FORMATS = ("text", "json", "markdown", "html", "sarif", "junit", "github", "gitlab")

#: The formats of files that are named without one; `.json` is ours, not GitLab's.
_ENDINGS = {
    ".txt": "text",
    ".json": "json",
    ".md": "markdown",
    ".html": "html",
    ".sarif": "sarif",
    ".xml": "junit",
}


class Output(Struct):
    """What the common flags said of output; filled while flags are read, so errors know it too."""

    format: str = "text"
    files: list[tuple[str, Path]] = field(default_factory=list)
    quiet: bool = False
    verbose: bool = False
    debug: bool = False
    no_input: bool = False
    command: str = ""
    #: What takes this process over after a good end; stdout is its own.
    then: tuple[str, ...] = ()
    #: Whether the last line on stderr is one that moves.
    _shown: bool = False

    @property
    def colour(self) -> bool | None:
        """False where NO_COLOR is set, None to let click look at the terminal."""
        return False if os.environ.get("NO_COLOR") else None

    @property
    def machine_readable(self) -> bool:
        """Tell whether somebody parses the output, so that a failure needs a report too."""
        return self.format != "text" or bool(self.files)

    def notify(self, message: str) -> None:
        """Say how far a run is, on stderr, where a person looks on or -v asks for it."""
        if self.verbose or (sys.stderr.isatty() and not self.quiet):
            self._clear()
            self.tell(f"migsafe: {message}")

    def say(self, message: str) -> None:
        """Say on stderr what somebody who reads a log has to know, unless -q was given."""
        if not self.quiet:
            self._clear()
            self.tell(f"migsafe: {message}")

    def show(self, message: str) -> None:
        """Show where a run is in a line that the next message takes the place of."""
        if sys.stderr.isatty() and not self.quiet:
            self._clear()
            width = shutil.get_terminal_size().columns - 1
            self.tell(f"migsafe: {message}"[:width], nl=False)
            self._shown = True

    def _clear(self) -> None:
        if self._shown:
            self.tell("\r\x1b[K", nl=False)  # to the first column, and erase the line
            self._shown = False

    def tell(self, text: str, *, nl: bool = True) -> None:
        """Write to stderr; that nobody reads it, or its disk is full, stops no run."""
        try:
            click.echo(text, err=True, nl=nl, color=self.colour)
        except OSError:
            # What is still in its buffer must not fail once more, at the interpreter's end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())

    def write(self, report: "Report") -> None:
        """Render to stdout and to every file; one that is no link is replaced whole or not at all.

        Text goes to stderr where stdout is another command's. Where that one starts, stdout gets
        nothing, and stderr what the verdict relies on, or with -v all of it.
        """
        from migsafe.reports import RENDERERS

        self._clear()
        for name, path in self.files:
            text = encodable(click.unstyle(RENDERERS[name](report, verbose=self.verbose)))
            if _is_special(path):
                path.write_text(text + "\n", "utf-8")
                continue
            part = path.with_name(f"{path.name}.part")
            part.write_text(text + "\n", "utf-8")
            part.replace(path)
        if self.then and report.ok and not self.verbose:
            for note in report.notes:
                self.say(note)
            return
        name = "text" if self.then and report.ok else self.format
        text = encodable(RENDERERS[name](report, verbose=self.verbose))
        if name == "text" and not self.then and self._is_too_long(text):
            os.environ.setdefault("LESS", "FRX")  # quits where it fits, keeps colour and screen
            click.echo_via_pager(text, color=self.colour)
            return
        click.echo(text, err=bool(self.then) and name == "text", color=self.colour)

    @property
    def asks(self) -> bool:
        """Whether a person is there to answer a question."""
        return not self.no_input and sys.stdin.isatty() and sys.stderr.isatty()

    def _is_too_long(self, text: str) -> bool:
        """Tell whether a text leaves the screen of a person who can page through it."""
        height = shutil.get_terminal_size().lines
        return self.asks and sys.stdout.isatty() and text.count("\n") >= height


def encodable(text: str) -> str:
    """Return a text as it is, but for bytes of a name that are not UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def parse_file(value: str) -> tuple[str, Path]:
    """Read `FORMAT:FILE`, or `FILE` whose ending says the format; the file must be writable."""
    name, colon, rest = value.partition(":")
    if colon and name in FORMATS:
        return name, _writable(Path(rest))
    if colon and name.isalpha():
        raise click.BadParameter(
            f"{name} is no format; take one of {', '.join(FORMATS)}", param_hint="--output"
        )
    ending = _ENDINGS.get(Path(value).suffix)
    if not ending:
        raise click.BadParameter(f"say the format, as in json:{value}", param_hint="--output")
    return ending, _writable(Path(value))


def _is_special(path: Path) -> bool:
    """Tell whether a path is a link, a device or a pipe, as /dev/stderr is: it stays what it is."""
    return path.is_symlink() or (path.exists() and not path.is_file())


def _writable(path: Path) -> Path:
    """Refuse now what could not be written when the command has done its work."""
    place = path if path.exists() and _is_special(path) else path.parent
    if path.is_dir() or not os.access(place, os.W_OK):
        raise click.BadParameter(
            f"{path} cannot be written; name a file in a directory that is there",
            param_hint="--output",
        )
    return path
