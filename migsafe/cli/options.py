"""The flags that every command shares."""

import contextlib
import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click

from migsafe.cli.output import FORMATS, Output, parse_file
from migsafe.config import Asking, Gate, Kind, Options

Command = Callable[..., Any]

_PATH = click.Path(path_type=Path)


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Keep an output flag in the `Output` at once, so that errors in later flags honour it."""
    output = ctx.find_object(Output)
    if output is None or value is None:
        return
    output.command = ctx.command_path.partition(" ")[2]
    if param.name == "files":
        output.files = [parse_file(item) for item in value]
    elif param.name and (value is not False):
        setattr(output, param.name, value)


def _kept(*flags: str, **attributes: Any) -> Callable[[Command], Command]:
    return click.option(*flags, callback=_remember, is_eager=True, expose_value=False, **attributes)


_OUTPUT = (
    _kept("--format", type=click.Choice(FORMATS), default="text", help="What goes to stdout."),
    _kept("-o", "--output", "files", multiple=True, metavar="FORMAT:FILE", help="Also to a file."),
    _kept("-q", "--quiet", is_flag=True, help="No progress."),
    _kept("-v", "--verbose", is_flag=True, help="Everything, also what passed."),
    _kept("--debug", is_flag=True, help="Tracebacks on stderr."),
    _kept("--no-input", is_flag=True, help="Ask nothing and page nothing, also on a terminal."),
)


def _environments(ctx: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """Return the environments of the config file that begin so; none where it cannot be read."""
    from migsafe import config
    from migsafe.errors import UsageError

    with contextlib.suppress(UsageError):
        found = config.parse(Path(ctx.params.get("config") or config.FILE)).env
        return [name for name in found if name.startswith(begun)]
    return []


_TARGET = (
    click.option("-c", "--config", type=_PATH, help="Config file.  [default: migsafe.toml]"),
    click.option(
        "-e",
        "--env",
        metavar="NAME",
        shell_complete=_environments,
        help="Environment of the config file.",
    ),
    click.option("--url", metavar="URL", help="Database; also MIGSAFE_URL, then DATABASE_URL."),
    click.option("--migrations", type=_PATH, help="Directory of migrations."),
    click.option("--history", type=click.Choice(get_args(Kind)), help="What kind it is."),
    click.option("--audits", type=_PATH, help="Directory of audits.  [default: audits/]"),
    click.option(
        "--gate", type=click.Choice(get_args(Gate)), help="Severity that stops.  [default: error]"
    ),
    click.option(
        "--shadow",
        metavar="URL|embedded|auto|none",
        help="Throw-away server to replay in.  [default: auto]",
    ),
)


_ASKING = (
    click.option("--no-derived", is_flag=True, help="Only the audits from files."),
    click.option("--fast", is_flag=True, help="Stop at the first offender of each question."),
    click.option("--replica", metavar="URL", help="Ask this standby, once it has caught up."),
    click.option("--show-sql", is_flag=True, help="Print the questions derived from the SQL."),
)


class Duration(click.ParamType[float]):
    """A number of seconds, written like 30s, 5m or 1h."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return seconds; a bare number is taken as such."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|min|h|)", value)
        if not found:
            self.fail(f"{value!r} is no duration; write it like 30s, 5m or 1h", param, ctx)
        return float(found[1]) * _SECONDS[found[2]]


_SECONDS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}

lock_wait_option = click.option(
    "--lock-wait",
    type=Duration(),
    default="0s",
    metavar="DURATION",
    help="Wait so long for another deployment to end.  [default: 0s]",
)


def _account(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value and not re.fullmatch(r"\d{12}", value):
        raise click.BadParameter(f"{value!r} is not 12 digits")
    return value


#: For every command that changes something in AWS; its value is the `account` of `config.load`.
expect_account_option = click.option(
    "--expect-account",
    metavar="ID",
    callback=_account,
    help="Refuse to work in another AWS account than this one.",
)


snapshot_timeout_option = click.option(
    "--snapshot-timeout", metavar="DURATION", help="Wait so long for a snapshot.  [default: 4h]"
)

no_wait_option = click.option(
    "--no-wait",
    is_flag=True,
    help="Begin before the snapshot of RDS is complete; needs automated backups.",
)


class WithOutput(click.Command):
    """A command that knows its output flags even when others do not parse, for its error."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; where that fails, keep what the output flags say all the same."""
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError:
            with contextlib.suppress(click.UsageError):
                _only_output.make_context(ctx.info_name, given, parent=ctx.parent)
            raise


def output_options(command: Command) -> Command:
    """Add the flags about output."""
    for option in reversed(_OUTPUT):
        command = option(command)
    return command


@click.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
@output_options
def _only_output() -> None:
    """Take any flags, and keep those about output."""


def asking_options(command: Command) -> Command:
    """Add the flags about asking audits; the command gets them as one `Asking`."""

    @functools.wraps(command)
    def wrapper(*args: Any, no_derived: bool, **flags: Any) -> Any:
        said = {name: flags.pop(name) for name in ("fast", "replica", "show_sql")}
        return command(*args, asking=Asking(derived=not no_derived, **said), **flags)

    wrapped: Command = wrapper
    for option in reversed(_ASKING):
        wrapped = option(wrapped)
    return wrapped


def target_options(command: Command) -> Command:
    """Add the flags about target and input; the command gets them as one `Options`."""

    @functools.wraps(command)
    def wrapper(**flags: Any) -> Any:
        shared = {name: flags.pop(name) for name in Options.__struct_fields__}
        return command(Options(**shared), **flags)

    wrapped: Command = wrapper
    for option in reversed(_TARGET):
        wrapped = option(wrapped)
    return output_options(wrapped)
