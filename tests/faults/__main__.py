"""Disturb deployments in many ways, and write what came of it into docs/reliability.md.

`make faults`; MIGSAFE_FAULTS multiplies the number of trials. Ends with 1 where a bar is missed.
"""

import sys
import time
from collections.abc import Callable

import click

from tests import servers
from tests.faults import crowds, page, sections, tables
from tests.faults.page import Section

#: Each makes its trials on a server, and says what came of them.
SECTIONS: tuple[Callable[[str], Section], ...] = (
    sections.kills,
    sections.long_statements,
    sections.server_side,
    sections.network,
    crowds.deployers,
    crowds.turns,
    crowds.poolers,
    tables.contended,
    tables.signals,
    tables.environment,
)


def main() -> int:
    """Run everything, write the page and return the exit code; with names, only print these."""
    wanted = [make for make in SECTIONS if not sys.argv[1:] or make.__name__ in sys.argv[1:]]
    servers.live_in_memory()
    began = time.monotonic()
    with servers.initialized_once(), servers.embedded() as server:
        made = [make(server) for make in wanted]
        text = page.render(made, server, time.monotonic() - began)
    if wanted == list(SECTIONS):
        page.PAGE.write_text(text, "utf-8")
    else:
        click.echo(text)
    failures = [failure for section in made for failure in section.failures]
    for failure in failures:
        click.echo(failure, err=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
