"""The commands. Each is flags and one call; `migsafe.cli.run` renders and exits."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from migsafe import __version__
from migsafe.cli.options import (
    Duration,
    WithOutput,
    asking_options,
    expect_account_option,
    lock_wait_option,
    no_wait_option,
    output_options,
    snapshot_timeout_option,
    target_options,
)
from migsafe.cli.output import Output
from migsafe.config import Asking, Options

if TYPE_CHECKING:
    from migsafe.config import Settings
    from migsafe.reports import Report


_ORDER = (
    *("init", "status", "lint", "audit", "plan", "snapshot", "apply", "baseline", "resolve"),
    *("verify", "gate", "restore", "history", "report"),
    *("grants", "iam-policy", "access", "completion", "demo"),
)


class _InOrder(click.Group):
    """Lists commands in the order in which a release uses them."""

    command_class = WithOutput
    group_class = type  # groups below it are like it

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names, those of the top in the order of a release."""
        return sorted(self.commands, key=lambda name: _ORDER.index(name) if name in _ORDER else 0)


@click.group(cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="migsafe")
def cli() -> None:
    """Audit, snapshot, apply and verify PostgreSQL migrations.

    New here? `migsafe demo` plays a release on a throw-away PostgreSQL.
    """


def _settings(options: Options, **more: str | None) -> "Settings":
    """Read the settings, and begin to read the migrations while the command is still imported."""
    from migsafe import config, histories

    settings = config.load(options, **more)
    if settings.migrations and settings.url:
        histories.begin(settings.migrations, settings.history, settings.root)
    return settings


@cli.command()
@click.option("--migrations", type=click.Path(path_type=Path), help="Directory of migrations.")
@output_options
def init(migrations: Path | None) -> "Report":
    """Find the migrations of this repository and write migsafe.toml."""
    from migsafe import pipeline

    return pipeline.init(Path(), migrations)


@cli.command()
@target_options
def status(options: Options) -> "Report":
    """Hold the migrations against the database's record of them."""
    from migsafe import pipeline

    return pipeline.status(_settings(options))


@cli.command()
@click.argument("paths", nargs=-1, metavar="[FILE|-]...")
@click.option("--changed-since", metavar="REV", help="Files that differ from a git revision.")
@click.option("--stdin-name", default="stdin.sql", metavar="FILE", help="What to call -.")
@click.option("--pg-version", type=click.IntRange(11, 18), help="Major version of the server.")
@click.option(
    "--transaction",
    type=click.Choice(["auto", "yes", "no"]),
    help="Whether a runner that is not known wraps a file.  [default: auto]",
)
@click.option("--on", multiple=True, metavar="RULE", help="Ask a rule of style, too.")
@click.option("--off", multiple=True, metavar="RULE", help="Do not ask this rule.")
@click.option("--fix", is_flag=True, help="Show safe rewrites as a diff, and what remains.")
@click.option("--write", is_flag=True, help="With --fix: change the files.")
@target_options
@click.pass_obj
def lint(
    output: Output,
    options: Options,
    paths: tuple[str, ...],
    changed_since: str | None,
    stdin_name: str,
    pg_version: int | None,
    transaction: str | None,
    on: tuple[str, ...],
    off: tuple[str, ...],
    fix: bool,
    write: bool,
) -> "Report":
    """Say what the statements of migrations risk.

    Without FILE, the whole history is read; with --url or --env, what is pending there is weighed
    by the live tables.
    """
    from migsafe import config
    from migsafe.pipeline import linting, sources

    if write and not fix:
        raise click.UsageError("--write goes with --fix")
    asked = sources.Asked(
        files=paths,
        stdin_name=stdin_name,
        changed_since=changed_since,
        on=on,
        off=off,
        version=pg_version,
        transaction=transaction,
        live=bool(options.url or options.env),
        fix=fix,
        write=write,
    )
    return linting.lint(config.load(options), asked, output.notify)


@cli.command()
@asking_options
@target_options
def audit(options: Options, asking: Asking) -> "Report":
    """Ask of the live data what audits and pending migrations need to know; read-only."""
    from migsafe import pipeline

    return pipeline.audit(_settings(options), asking=asking)


@cli.command()
@click.option("--to", metavar="NAME", help="Only up to this migration.")
@click.option("--baseline", is_flag=True, help="As if what is in effect were recorded.")
@asking_options
@target_options
@click.pass_obj
def plan(
    output: Output, options: Options, asking: Asking, to: str | None, baseline: bool
) -> "Report":
    """Say what apply would do, and whether it may; read-only."""
    from migsafe import pipeline

    settings, notify = _settings(options), output.notify
    return pipeline.plan(settings, to=to, baseline=baseline, asking=asking, notify=notify)


@cli.command()
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@click.option("--to", metavar="NAME", help="Only up to this migration.")
@click.option("--snapshot", is_flag=True, help="Take a restorable copy first.")
@click.option("--baseline", is_flag=True, help="First record what is in effect already.")
@click.option("--yes", is_flag=True, help="Do not ask on a terminal.")
@click.option(
    "--terminate-blockers",
    metavar="ROLE|AGE",
    help="End sessions of this role, or open for as long, that a statement waits for.",
)
@no_wait_option
@snapshot_timeout_option
@expect_account_option
@lock_wait_option
@asking_options
@target_options
@click.pass_obj
def apply(
    output: Output,
    options: Options,
    asking: Asking,
    dry_run: bool,
    to: str | None,
    snapshot: bool,
    baseline: bool,
    yes: bool,
    terminate_blockers: str | None,
    lock_wait: float,
    no_wait: bool,
    snapshot_timeout: str | None,
    expect_account: str | None,
) -> "Report":
    """Plan, gate, snapshot, run and verify the pending migrations."""
    from migsafe import pipeline

    settings = _settings(options, account=expect_account, snapshot_timeout=snapshot_timeout)
    if dry_run:
        return pipeline.plan(
            settings,
            to=to,
            baseline=baseline,
            command="apply",
            snapshot=snapshot,
            asking=asking,
            notify=output.notify,
        )
    ask = _confirm if output.asks and not yes else None
    return pipeline.apply(
        settings,
        to=to,
        snapshot=snapshot,
        wait=not no_wait,
        baseline=baseline,
        asking=asking,
        confirm=ask,
        lock_wait=lock_wait,
        terminate=terminate_blockers,
        notify=output.notify,
        show=output.show,
    )


def _confirm(report: "Report") -> bool:
    from migsafe.reports import RENDERERS

    click.echo(RENDERERS["text"](report), err=True)
    count = len(report.plan)
    what = f"{count} migration{'' if count == 1 else 's'}"
    first = "Record what is in effect, then apply" if report.baseline else "Apply"
    return click.confirm(f"{first} {what}?", err=True)


@cli.command()
@click.option("--write", is_flag=True, help="Record what the evidence shows.")
@click.option(
    "--assume", multiple=True, metavar="NAME", help="This one is in effect; the schema cannot tell."
)
@lock_wait_option
@target_options
@click.pass_obj
def baseline(
    output: Output, options: Options, write: bool, assume: tuple[str, ...], lock_wait: float
) -> "Report":
    """Find which migrations are in effect in the live schema."""
    from migsafe import pipeline

    return pipeline.baseline(
        _settings(options),
        write=write,
        assume=assume,
        lock_wait=lock_wait,
        notify=output.notify,
    )


@cli.command()
@click.argument("name", required=False)
@click.option("--applied", metavar="NAME", help="This migration is in effect.")
@click.option("--rolled-back", metavar="NAME", help="This migration is not in effect.")
@click.option("--finish", is_flag=True, help="Run what is missing of NAME, which stopped midway.")
@click.option("--force", is_flag=True, help="Record it although nothing proves it.")
@lock_wait_option
@target_options
@click.pass_obj
def resolve(
    output: Output,
    options: Options,
    name: str | None,
    applied: str | None,
    rolled_back: str | None,
    finish: bool,
    force: bool,
    lock_wait: float,
) -> "Report":
    """Record what is true of one migration, or finish the one of that NAME."""
    from migsafe import pipeline

    if (name is not None) != finish:
        raise click.UsageError("NAME and --finish go together")
    return pipeline.resolve(
        _settings(options),
        applied=applied,
        rolled_back=rolled_back,
        finish=name,
        force=force,
        lock_wait=lock_wait,
        notify=output.notify,
        show=output.show,
    )


@cli.command()
@click.option("--owners", is_flag=True, help="Compare who owns what, too.")
@click.option("--grants", is_flag=True, help="Compare privileges, too.")
@target_options
@click.pass_obj
def verify(output: Output, options: Options, owners: bool, grants: bool) -> "Report":
    """Hold the live schema against what it must be; read-only."""
    from migsafe import pipeline

    return pipeline.verify(_settings(options), owners=owners, grants=grants, notify=output.notify)


@cli.command(context_settings={"allow_interspersed_args": False})
@click.argument("cmd", nargs=-1, type=click.UNPROCESSED, metavar="[-- CMD...]")
@click.option(
    "--wait",
    type=Duration(),
    default="0s",
    metavar="DURATION",
    help="Wait for another deployment, or for the database to answer.  [default: 0s]",
)
@click.option("--allow-ahead", is_flag=True, help="The schema may be newer than this checkout.")
@target_options
@click.pass_obj
def gate(
    output: Output, options: Options, cmd: tuple[str, ...], wait: float, allow_ahead: bool
) -> "Report":
    """Start CMD only on the schema that this checkout needs; read-only.

    CMD takes this process over. Without CMD, say whether it would start.
    """
    from migsafe import pipeline
    from migsafe.cli import starting

    output.then = starting.found(cmd)
    return pipeline.gate(
        _settings(options),
        wait=wait,
        allow_ahead=allow_ahead,
        notify=output.notify,
        say=output.say,
    )


@cli.command()
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--verify", is_flag=True, help="Prove that no run was removed or edited.")
@click.option("--noted", metavar="SHA256", help="With --verify: a sum that has to be there.")
@click.option(
    "--killed", multiple=True, metavar="RUN", help="With --verify: it died before its report."
)
@target_options
def history(
    options: Options, limit: int, verify: bool, noted: str | None, killed: tuple[str, ...]
) -> "Report":
    """List the past runs that changed the database, or prove that they are all there."""
    from migsafe import config, pipeline

    if not verify and (noted is not None or killed):
        raise click.UsageError("--noted and --killed go with --verify")
    if verify:
        return pipeline.prove(config.load(options), noted=noted, killed=killed)
    return pipeline.history(config.load(options), limit=limit)


@cli.command()
@click.argument("run")
@target_options
@click.pass_obj
def report(output: Output, options: Options, run: str) -> int:
    """Show the report of a past RUN."""
    from migsafe import config, pipeline

    output.write(pipeline.report(config.load(options), run))
    return 0  # showing it is done, however that run ended


@cli.command()
@click.argument("purposes", nargs=-1, type=click.Choice(("audit", "deploy", "verify")))
@click.option("--prefix", default="migsafe_", show_default=True, help="Begins the roles' names.")
@target_options
def grants(options: Options, purposes: tuple[str, ...], prefix: str) -> int:
    """Print the SQL of roles that may do no more than audit, deploy or verify needs."""
    from migsafe import config, pipeline

    click.echo(pipeline.grant(config.load(options), purposes, prefix=prefix))
    return 0


@cli.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> int:
    """Print what makes SHELL complete commands, flags and environments."""
    from click.shell_completion import get_completion_class

    complete = get_completion_class(shell)
    assert complete is not None  # noqa: S101  # the choices are click's own
    click.echo(complete(cli, {}, "migsafe", "_MIGSAFE_COMPLETE").source())
    return 0


@cli.command()
@click.option("--keep", type=click.Path(path_type=Path), help="Leave the files in this directory.")
def demo(keep: Path | None) -> int:
    """Play a whole release on a throw-away PostgreSQL."""
    from migsafe.cli import demo as story

    return story.play(keep)
