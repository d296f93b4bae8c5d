"""The command line: flags in, one call of `pipeline`, a rendered report and an exit code out.

Loads nothing heavy: `migsafe --help` imports click and this package only, which a test holds.
"""

import gc
import io
import os
import re
import signal
import sys
import traceback
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from migsafe.cli import access as access
from migsafe.cli import aws as aws
from migsafe.cli import restoring as restoring
from migsafe.cli import snapshots as snapshots
from migsafe.cli.commands import cli
from migsafe.cli.output import FORMATS, Output, encodable
from migsafe.errors import ExitCode, MigsafeError, UsageError, redacted

if TYPE_CHECKING:
    from migsafe.reports import Report


def main() -> None:
    """Run one command and exit with its code."""
    signal.signal(signal.SIGTERM, _terminate)
    _open_closed_ones()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that cannot show a character must not turn a finished run into a bug.
        sys.stdout.reconfigure(errors="replace")
    gc.set_threshold(1_000_000)  # imports and syntax trees make many objects and hardly any garbage
    code = run(sys.argv[1:])
    gc.freeze()  # the interpreter's last collection, a tenth of a short command, finds nothing
    sys.exit(code)


def _open_closed_ones() -> None:
    """Put /dev/null where a standard stream is closed: a socket would get its number, and texts."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code: the one funnel from errors to codes."""
    output = Output(format=_format(arguments))
    try:
        _check(arguments)
        result = cli.main(arguments, prog_name="migsafe", standalone_mode=False, obj=output)
        if result is None or isinstance(result, int):
            return result or 0
    except click.exceptions.NoArgsIsHelpError as error:
        output.tell(error.format_message())
        return int(ExitCode.USAGE)
    except click.UsageError as error:
        usage = error.ctx.get_usage() if error.ctx else ""
        return _failed(output, ExitCode.USAGE, " ".join(error.format_message().split()), usage)
    except click.ClickException as error:
        return _failed(output, ExitCode.USAGE, error.format_message())
    except MigsafeError as error:
        if output.debug:
            output.tell(_trace())
        above = _config_above(arguments) if error.exit_code is ExitCode.USAGE else ""
        return _failed(output, error.exit_code, str(error), above)
    except click.Abort:
        output.tell("")  # the question has left the cursor in its line
        return _failed(output, ExitCode.INTERRUPTED, "interrupted")
    except KeyboardInterrupt:
        return _failed(output, ExitCode.INTERRUPTED, "interrupted")
    except Exception:  # noqa: BLE001  # the end of the funnel: whatever is left is a bug
        return _bug(output)
    code = _written(output, result)
    return _taken_over(output) if output.then and code == ExitCode.OK else code


def _ours(arguments: list[str]) -> list[str]:
    """Return the arguments before those of another command."""
    return arguments[: arguments.index("--")] if "--" in arguments else arguments


def _format(arguments: list[str]) -> str:
    """Return what --format says, for the error of a call that cannot be parsed up to there."""
    split = [part for given in _ours(arguments) for part in re.split("(?<=^--format)=", given)]
    said = [value for flag, value in pairwise(split) if flag == "--format" and value in FORMATS]
    return said[-1] if said else "text"


def _check(arguments: list[str]) -> None:
    """Refuse what is not UTF-8, by its place: it may be a URL with a password."""
    for place, argument in enumerate(_ours(arguments), start=1):
        if not argument.isascii() and any("\ud800" <= char <= "\udfff" for char in argument):
            raise UsageError(f"argument {place}", "is not UTF-8", "write it in UTF-8")


def _taken_over(output: Output) -> int:
    """Let the command of a gate that is open take this process over; return a code where not."""
    from migsafe.cli import starting

    try:
        starting.become(output.then)
    except MigsafeError as error:
        return _failed(output, error.exit_code, str(error))


def _config_above(arguments: list[str]) -> str:
    """Say where the config file is when it is not here, but in a directory above."""
    given = any(argument.startswith(("-c", "--config")) for argument in arguments)
    try:
        here, *above = (up / "migsafe.toml" for up in (Path.cwd(), *Path.cwd().parents))
        found = next((path for path in above if path.is_file()), None)
        if given or found is None or here.is_file():
            return ""
        place = os.path.relpath(found)
    except OSError:  # a directory that is gone, or shut: the error itself is still to be said
        return ""
    return f"migsafe: {found.name} is not here, but above: go there, or give -c {place}"


def _failed(output: Output, code: ExitCode, message: str, before: str = "") -> int:
    """Say it in one line on stderr, and as JSON on stdout where JSON was asked for."""
    if before:
        output.tell(before)
    label = click.style(f"migsafe: {code.name}:", fg="red", bold=True)
    message = encodable(redacted(message))
    output.tell(f"{label} {message}")
    if output.machine_readable:
        _written(output, _error_report(output, code, message))
    return int(code)


def _written(output: Output, report: "Report") -> int:
    """Write the report and return its code, which says what the run did, written or not."""
    try:
        output.write(report)
    except BrokenPipeError:
        # Whoever read it has seen enough; the interpreter must not flush once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        output.tell(f"migsafe: the report is not complete: {error}")
    except Exception:  # noqa: BLE001  # what cannot be rendered is a bug too
        return _bug(Output())
    return int(report.exit_code)


def _error_report(output: Output, code: ExitCode, message: str) -> "Report":
    from ulid import ULID

    from migsafe.reports import Report

    return Report(
        command=output.command,
        run=str(ULID()),
        ok=False,
        exit_code=int(code),
        started=datetime.now(UTC),
        seconds=0.0,
        error=message,
    )


def _trace() -> str:
    """Return the traceback; of the server's texts, which may quote rows, only the SQLSTATE."""
    text, error = traceback.format_exc(), sys.exc_info()[1]
    while error is not None:
        if code := getattr(error, "sqlstate", None):
            text = text.replace(str(error), f"SQLSTATE {code}")
        error = error.__cause__ or error.__context__
    return redacted(text)


def _bug(output: Output) -> int:
    import tempfile

    with tempfile.NamedTemporaryFile(
        mode="w",
        prefix="migsafe-",
        suffix=".log",
        delete=False,
        encoding="utf-8",
        errors="backslashreplace",
    ) as file:
        file.write(_trace())
    message = f"a bug in migsafe; please report it with the traceback in {file.name}"
    return _failed(output, ExitCode.BUG, message)
