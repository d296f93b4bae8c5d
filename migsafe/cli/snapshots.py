"""The commands about snapshots."""

from typing import TYPE_CHECKING

import click

from migsafe.cli.commands import cli
from migsafe.cli.options import (
    expect_account_option,
    no_wait_option,
    snapshot_timeout_option,
    target_options,
)
from migsafe.cli.output import Output
from migsafe.config import Options

if TYPE_CHECKING:
    from migsafe.reports import Report


@cli.group()
def snapshot() -> None:
    """Take, list and delete restorable copies of a database."""


@snapshot.command()
@no_wait_option
@snapshot_timeout_option
@expect_account_option
@target_options
@click.pass_obj
def create(
    output: Output,
    options: Options,
    no_wait: bool,
    snapshot_timeout: str | None,
    expect_account: str | None,
) -> "Report":
    """Take a copy now, with all that a restore needs; nothing in the database changes."""
    from migsafe import config
    from migsafe.pipeline import snapshotting

    settings = config.load(options, account=expect_account, snapshot_timeout=snapshot_timeout)
    return snapshotting.create(settings, wait=not no_wait, notify=output.notify)


@snapshot.command(name="list")
@expect_account_option
@target_options
@click.pass_obj
def listed(output: Output, options: Options, expect_account: str | None) -> "Report":
    """List the copies that migsafe has made of this database."""
    from migsafe import config
    from migsafe.pipeline import snapshotting

    settings = config.load(options, account=expect_account)
    return snapshotting.copies(settings, notify=output.notify)


@snapshot.command()
@click.option("--older-than", metavar="DURATION", help="Only those of this age, like 30d.")
@click.option("--keep", type=click.IntRange(min=1), metavar="N", help="Never the newest N.")
@click.option("--yes", is_flag=True, help="Delete; without it, say what would be.")
@expect_account_option
@target_options
@click.pass_obj
def prune(
    output: Output,
    options: Options,
    older_than: str | None,
    keep: int | None,
    yes: bool,
    expect_account: str | None,
) -> "Report":
    """Delete old copies that migsafe has made of this database, and no others.

    Without --older-than and --keep, those go whose time has come by snapshot_keep. Never the newest
    one, nor one that the ledger may still need.
    """
    from migsafe import config
    from migsafe.pipeline import snapshotting

    settings = config.load(options, account=expect_account)
    return snapshotting.prune(
        settings, older_than=older_than, newest=keep, yes=yes, notify=output.notify
    )
