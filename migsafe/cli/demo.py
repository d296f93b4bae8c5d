"""The demo: one release of a clinic's database, told with real commands on a real server."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import psycopg

import migsafe
from migsafe import shadow
from migsafe.errors import ExitCode, UsageError

_DEPLOYED = "20250812141106_require_note_signatures"

_CONFIG = """\
[history]
path = "prisma/migrations"

[audits]
path = "audits"

[env.clinic]
url = "env:CLINIC_URL"
snapshot = "pg_dump"
"""


@dataclass(frozen=True, slots=True)
class _Story:
    folder: Path
    url: str

    def run(self, command: str, expected: ExitCode) -> None:
        """Show a migsafe command, run it, and hold its exit code against the story's."""
        click.echo("\n" + click.style(f"$ {command}", fg="cyan", bold=True))
        arguments = [sys.executable, "-m", *shlex.split(command)]
        env = os.environ | {"CLINIC_URL": self.url}
        done = subprocess.run(arguments, cwd=self.folder, env=env, check=False)  # noqa: S603
        if done.returncode != expected:
            raise UsageError(
                command,
                f"ended with exit code {done.returncode}, the story has {int(expected)}",
                "please report it",
            )

    def sql(self, file: Path, *, show: bool) -> None:
        """Run an SQL file, the part of the story that is not migsafe's."""
        text = file.read_text("utf-8")
        if show:
            click.echo("\n" + click.style(textwrap.indent(text.strip(), "sql> "), fg="cyan"))
        with psycopg.connect(self.url, autocommit=True) as conn:
            conn.execute(text.encode())


def play(keep: Path | None) -> int:
    """Play the story; return 0 when every command ended as it must."""
    data = _data()
    with _folder(keep) as folder, shadow.embedded() as server:
        _lay_out(data, folder)
        with psycopg.connect(server, autocommit=True) as conn:
            conn.execute("CREATE DATABASE clinic")
        _tell(_Story(folder, _database(server, "clinic")), data)
    return 0


def _tell(story: _Story, data: Path) -> None:
    _say("A clinic runs PostgreSQL with Prisma. 29 migrations are deployed …")
    story.run(f"migsafe apply --yes --to {_DEPLOYED}", ExitCode.OK)
    _say("… and years of work are in it (a few thousand made-up rows).")
    story.sql(data / "rows.sql", show=False)
    _say("This week's release carries five more. One makes every note belong to an appointment.")
    story.run("migsafe status", ExitCode.OK)
    _say("Would the live rows survive it? The team's audits ask the database itself.")
    story.run("migsafe audit", ExitCode.FINDINGS)
    _say("Seven notes would not. And nobody can release past that:")
    story.run("migsafe apply --yes --snapshot", ExitCode.FINDINGS)
    _say("Nothing was changed. The rows are repaired, as the remedy says:")
    story.sql(data / "repair.sql", show=True)
    story.run("migsafe apply --yes --snapshot", ExitCode.OK)
    _say("Is the schema really what the release needs? Nullability first:")
    story.run("migsafe verify", ExitCode.OK)
    _say("The proof is in the database, and stays there:")
    story.run("migsafe history", ExitCode.OK)
    _say(
        "That was migsafe. On your own repository: migsafe init, then set DATABASE_URL, then "
        "migsafe status."
    )


def _say(text: str) -> None:
    click.echo("\n" + textwrap.fill(text, 80))


def _data() -> Path:
    """Return the demo's files: in an installed package, or in the checkout that they live in."""
    packaged = Path(migsafe.__file__).parent / "_demo"
    if packaged.is_dir():
        return packaged
    return _linked(Path(migsafe.__file__).parent.parent)


def _linked(checkout: Path) -> Path:
    """Lay the checkout's files out as the wheel has them (pyproject.toml, force-include)."""
    if not (checkout / "tests" / "cases" / "ehr_prisma").is_dir():
        raise UsageError("demo", "its files are not in this install", "install migsafe again")
    folder = Path(tempfile.mkdtemp(prefix="migsafe-demo-"))
    cases = checkout / "tests" / "cases"
    shutil.copytree(cases / "ehr_prisma", folder / "migrations")
    shutil.copytree(checkout / "audits", folder / "audits")
    shutil.copy(cases / "ehr_rows.sql", folder / "rows.sql")
    shutil.copy(cases / "ehr_repair.sql", folder / "repair.sql")
    return folder


def _lay_out(data: Path, folder: Path) -> None:
    shutil.copytree(data / "migrations", folder / "prisma" / "migrations")
    shutil.copytree(data / "audits", folder / "audits")
    (folder / "migsafe.toml").write_text(_CONFIG, "utf-8")


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="migsafe-demo-") as folder:
            yield Path(folder)
        return
    if keep.exists() and any(keep.iterdir()):
        raise UsageError(str(keep), "is not empty", "name a new directory")
    keep.mkdir(parents=True, exist_ok=True)
    yield keep


def _database(url: str, name: str) -> str:
    return url.replace("/postgres?", f"/{name}?")
