"""The command that takes away what temporary access left."""

from typing import TYPE_CHECKING

from migsafe.cli.commands import cli
from migsafe.cli.options import target_options
from migsafe.config import Options

if TYPE_CHECKING:
    from migsafe.reports import Report


@cli.group()
def access() -> None:
    """Look after the rules that let this machine in for a while."""


@access.command()
@target_options
def sweep(options: Options) -> "Report":
    """Take away the rules that expired, and those that killed runs of this checkout left."""
    from migsafe import config
    from migsafe.pipeline import access as accessing

    return accessing.sweep(config.load(options))
