"""The page that says what a deployment survives: sections of a text and a table."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from tabulate import tabulate

import migsafe

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"

_INTRODUCTION = """\
Written by `make faults` on {date}, with migsafe {migsafe}, PostgreSQL {postgres}, Python {python}
and {system}, in {minutes:.0f} minutes. CI runs a smaller set of each table with every change
(`tests/faults`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading, what was done and what the columns mean, and the rows.

    `failures` are trials that missed a bar, each in a line for a person.
    """

    title: str
    text: str
    heads: Sequence[str]
    rows: Sequence[Sequence[object]]
    failures: Sequence[str] = ()

    def render(self) -> str:
        """Return the section in Markdown."""
        table = tabulate(
            self.rows,
            headers=self.heads,
            tablefmt="github",
            disable_numparse=True,
            numalign="right",
        )
        return f"## {self.title}\n\n{self.text}\n\n{table}"


def render(sections: Sequence[Section], server: str, seconds: float) -> str:
    """Return the whole page."""
    with psycopg.connect(server) as conn:
        version = str(conn.info.parameter_status("server_version")).split()[0]
    introduction = _INTRODUCTION.format(
        date=datetime.now(UTC).date().isoformat(),
        migsafe=migsafe.__version__,
        postgres=version,
        python=platform.python_version(),
        system=platform.system(),
        minutes=seconds / 60,
    )
    parts = ["# Reliability", introduction, *(section.render() for section in sections)]
    return "\n\n".join(parts) + "\n"
