"""The command that goes back to a snapshot."""

from typing import TYPE_CHECKING

import click

from migsafe.cli.commands import cli
from migsafe.cli.options import expect_account_option, target_options
from migsafe.cli.output import Output
from migsafe.config import Options

if TYPE_CHECKING:
    from migsafe.reports import Report


@cli.command()
@click.argument("name", metavar="RUN|SNAPSHOT")
@click.option("--yes", is_flag=True, help="Do it; without, say what would be done and lost.")
@click.option("--swap", is_flag=True, help="Give the verified copy the database's name.")
@click.option("--resume", is_flag=True, help="Go on with a restore that stopped, or stands beside.")
@click.option("--undo", is_flag=True, help="Take back what a restore has done.")
@expect_account_option
@target_options
@click.pass_obj
def restore(
    output: Output,
    options: Options,
    name: str,
    yes: bool,
    swap: bool,
    resume: bool,
    undo: bool,
    expect_account: str | None,
) -> "Report":
    """Restore a snapshot beside the database, verify it, and with --swap let it take over.

    The old database is kept under another name. Whatever stops on the way, --resume goes on from
    there, and --undo goes back.
    """
    from migsafe import config
    from migsafe.pipeline import restoring

    if undo and (swap or resume):
        raise click.UsageError("--undo goes with neither --swap nor --resume")
    asked = restoring.Asked(name=name, yes=yes, swap=swap, resume=resume, undo=undo)
    settings = config.load(options, account=expect_account)
    return restoring.restore(settings, asked, output.notify)
