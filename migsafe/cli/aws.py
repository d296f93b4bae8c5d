"""The command about AWS itself."""

import click

from migsafe.cli.commands import cli
from migsafe.cli.options import expect_account_option, target_options
from migsafe.cli.output import Output
from migsafe.config import Options


@cli.command()
@click.argument("commands", nargs=-1, required=True, metavar="COMMAND...")
@click.option("--offline", is_flag=True, help="Do not ask AWS; words in capitals stand for names.")
@expect_account_option
@target_options
@click.pass_obj
def iam_policy(
    output: Output,
    options: Options,
    commands: tuple[str, ...],
    offline: bool,
    expect_account: str | None,
) -> int:
    """Print the least that commands have to be allowed in AWS, as an IAM policy."""
    from migsafe import config
    from migsafe.pipeline import permitting

    settings = config.load(options, account=expect_account)
    click.echo(permitting.permit(settings, commands, offline=offline, say=output.say), nl=False)
    return 0
