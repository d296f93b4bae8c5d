"""Secrets that a test plants, and where it looks for them afterwards."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from tests.cli.conftest import TABLES

#: A password with characters that a URL must escape; neither form may be seen.
PASSWORD = "canary/p@ss:word%"
ESCAPED = quote(PASSWORD, safe="")
ROW = "canaryofarow"
CANARIES = (PASSWORD, ESCAPED, "canary", "CANARY")

#: What a person wrote, and so knows: files that tests lay out.
INPUTS = ("prisma", "migrations", "alembic.ini", "audits", "migsafe.toml", ".env", "secret.url")


def leaks(texts: Iterable[str]) -> list[str]:
    """Return what surrounds each canary that is in the texts."""
    found = []
    for text in texts:
        for canary in CANARIES:
            if (at := text.find(canary)) >= 0:
                found.append(text[max(0, at - 60) : at + 60])
    return found


def kept(workdir: Path, conn: psycopg.Connection[Any]) -> Iterable[str]:
    """Yield every file that migsafe wrote, and every row of its ledgers and of pg_stat_activity.

    A dump holds the rows, and says so; its files are compressed, and its manifest is looked at.
    """
    yield from contents(workdir)
    for schema, table in conn.execute(TABLES.encode()).fetchall():
        if schema == "migsafe" or table in ("_prisma_migrations", "alembic_version"):
            rows = sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(schema, table))
            yield from (str(row) for (row,) in conn.execute(rows))
    for (name,) in conn.execute("SELECT application_name FROM pg_stat_activity"):
        yield str(name)


def contents(folder: Path) -> Iterable[str]:
    """Yield every file in a directory that no person wrote."""
    for file in folder.rglob("*"):
        if file.is_file() and file.relative_to(folder).parts[0] not in INPUTS:
            yield file.read_bytes().decode("utf-8", "replace")


def command_lines(pid: int) -> set[str]:
    """Return the command lines of a process and of all that it started, now."""
    lines = set()
    try:
        lines.add(Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace"))
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return lines
    for one in children:
        lines |= command_lines(int(one))
    return lines
