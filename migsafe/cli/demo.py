"""The demo: a release of a clinic's database, and a copy of it that lost its record; all real."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import psycopg
from msgspec import Struct

import migsafe
from migsafe import shadow
from migsafe.errors import ExitCode, UsageError

_DEPLOYED = "20250812141106_add_due_date_to_clinical_notes"

_CONFIG = """\
[history]
path = "prisma/migrations"

[audits]
path = "audits"

[env.clinic]
url = "env:CLINIC_URL"
snapshot = "pg_dump"
"""

_RESTORED = """
[env.restored]
url = "env:RESTORED_URL"
snapshot = "pg_dump"
"""

_ALEMBIC = """\
[history]
path = "migrations"
x = ["url=postgresql://"]  # for an env.py that wants one; it leads to the target

[env.twin]
url = "env:TWIN_URL"
"""

#: Makes the copy of `clinic` that the second act is about: no records, and one migration back.
_COPY = "CREATE DATABASE clinic_restored TEMPLATE clinic;"
_LOSE = """\
DROP TABLE _prisma_migrations;
DROP SCHEMA migsafe CASCADE;
ALTER TABLE clinical_notes
    ALTER COLUMN "appointmentId" SET NOT NULL,
    ALTER COLUMN "sessionDate" SET NOT NULL,
    ALTER COLUMN "dueDate" SET NOT NULL;
"""


class _Story(Struct, frozen=True):
    folder: Path
    server: str

    def run(self, command: str, expected: ExitCode) -> None:
        """Show a migsafe command, run it, and hold its exit code against the story's."""
        click.echo("\n" + click.style(f"$ {command}", fg="cyan", bold=True))
        arguments = [sys.executable, "-m", *shlex.split(command)]
        databases = {"CLINIC": "clinic", "RESTORED": "clinic_restored", "TWIN": "clinic_twin"}
        urls = {f"{name}_URL": self.url(database) for name, database in databases.items()}
        done = subprocess.run(  # noqa: S603
            arguments, cwd=self.folder, env=os.environ | urls, check=False
        )
        if done.returncode != expected:
            raise UsageError(
                command,
                f"ended with exit code {done.returncode}, the story has {int(expected)}",
                "please report it",
            )

    def sql(self, text: str, database: str = "clinic", *, show: bool = True) -> None:
        """Run SQL, the part of the story that is not migsafe's."""
        if show:
            prompt = f"{database}=# "
            click.echo("\n" + click.style(textwrap.indent(text.strip(), prompt), fg="cyan"))
        with psycopg.connect(self.url(database), autocommit=True) as conn:
            conn.execute(text.encode())

    def url(self, database: str) -> str:
        return self.server.replace("/postgres?", f"/{database}?")


def play(keep: Path | None) -> int:
    """Play the story; return 0 when every command ended as it must."""
    with _data() as data, _folder(keep) as folder, shadow.embedded() as server:
        _lay_out(data, folder)
        story = _Story(folder, server)
        story.sql("CREATE DATABASE clinic", "postgres", show=False)
        _release(story, data)
        _lose_the_record(story)
        _write_it_in_python(story)
    _say(
        "That was migsafe. On your own repository: migsafe init, then set DATABASE_URL, then "
        "migsafe status."
    )
    return 0


def _release(story: _Story, data: Path) -> None:
    """The first act: rows that would break a migration are found and repaired before it runs."""
    _say("A clinic runs PostgreSQL with Prisma. 29 migrations are deployed …")
    story.run(f"migsafe apply --yes --to {_DEPLOYED}", ExitCode.OK)
    _say("… and years of work are in it (a few thousand made-up rows).")
    story.sql((data / "rows.sql").read_text("utf-8"), show=False)
    _say("This week's release carries five more. One makes every note belong to an appointment.")
    story.run("migsafe status", ExitCode.OK)
    _say("Would the live rows survive it? The team's audits ask the database itself.")
    story.run("migsafe audit", ExitCode.FINDINGS)
    _say("Seven notes would not. And nobody can release past that:")
    story.run("migsafe apply --yes --snapshot", ExitCode.FINDINGS)
    _say("Nothing was changed. The rows are repaired, as the remedy says:")
    story.sql((data / "repair.sql").read_text("utf-8"))
    story.run("migsafe apply --yes --snapshot", ExitCode.OK)
    _say("Is the schema really what the release needs? Nullability first:")
    story.run("migsafe verify", ExitCode.OK)
    _say("The proof is in the database, and stays there:")
    story.run("migsafe history", ExitCode.OK)
    _say("And the way back, should it be needed; without --yes it says what it would take:")
    story.run(f"migsafe restore {_taken(story)}", ExitCode.OK)


def _taken(story: _Story) -> str:
    """Return the run that took the last snapshot."""
    return max(path.stem for path in (story.folder / ".migsafe" / "snapshots").glob("*.json"))


def _lose_the_record(story: _Story) -> None:
    """The second act: a schema that no record accounts for; the schema itself is the evidence."""
    _say(
        "Months later a copy of it is restored: from before the last migration, and without the "
        "table that says which migrations it had."
    )
    story.sql(_COPY, "postgres")
    story.sql(_LOSE, "clinic_restored")
    with (story.folder / "migsafe.toml").open("a", encoding="utf-8") as config:
        config.write(_RESTORED)
    _say("Prisma stops here with P3005, and leaves it to you. So does migsafe, with an answer:")
    story.run("migsafe apply -e restored --yes", ExitCode.UNMANAGED)
    _say(
        "Every migration was replayed on a throw-away server, and its facts were looked for in "
        "the live schema. Nothing was changed. The same, on its own:"
    )
    story.run("migsafe baseline -e restored", ExitCode.OK)
    _say("33 are in effect, one is not. Those are recorded, and the missing one is applied:")
    story.run("migsafe apply -e restored --baseline --snapshot --yes", ExitCode.OK)
    _say("Is it there now? Nullability first, then every other fact of the schema:")
    story.run("migsafe verify -e restored", ExitCode.OK)


def _write_it_in_python(story: _Story) -> None:
    """The third act: the same schema as an Alembic history, run by Alembic itself."""
    _say(
        "Another team keeps the same schema as an Alembic history. Its env.py stays as it is. "
        "What the Python sends is found out on the throw-away server, and looked at as SQL; then "
        "the project's own Alembic runs it."
    )
    story.sql("CREATE DATABASE clinic_twin;", "postgres")
    story.run("migsafe apply -c alembic/migsafe.toml -e twin --yes", ExitCode.OK)
    _say("All of it is there, fact by fact, and just as many facts as before:")
    story.run("migsafe verify -c alembic/migsafe.toml -e twin", ExitCode.OK)


def _say(text: str) -> None:
    click.echo("\n" + textwrap.fill(text, 80))


@contextmanager
def _data() -> Iterator[Path]:
    """Yield the demo's files: in an installed package, or in the checkout that they live in."""
    packaged = Path(migsafe.__file__).parent / "_demo"
    if packaged.is_dir():
        yield packaged
        return
    with tempfile.TemporaryDirectory(prefix="migsafe-demo-") as folder:
        _copy(Path(migsafe.__file__).parent.parent, Path(folder))
        yield Path(folder)


def _copy(checkout: Path, folder: Path) -> None:
    """Lay the checkout's files out as the wheel has them (pyproject.toml, force-include)."""
    cases = checkout / "tests" / "cases"
    if not (cases / "ehr_prisma").is_dir():
        raise UsageError("demo", "its files are not in this install", "install migsafe again")
    shutil.copytree(cases / "ehr_prisma", folder / "migrations")
    shutil.copytree(checkout / "audits", folder / "audits")
    made = shutil.ignore_patterns("__pycache__")
    shutil.copytree(checkout / "migrations", folder / "alembic" / "migrations", ignore=made)
    shutil.copy(checkout / "alembic.ini", folder / "alembic" / "alembic.ini")
    shutil.copy(cases / "ehr_rows.sql", folder / "rows.sql")
    shutil.copy(cases / "ehr_repair.sql", folder / "repair.sql")


def _lay_out(data: Path, folder: Path) -> None:
    shutil.copytree(data / "migrations", folder / "prisma" / "migrations")
    shutil.copytree(data / "audits", folder / "audits")
    shutil.copytree(data / "alembic", folder / "alembic")
    (folder / "alembic" / "migsafe.toml").write_text(_ALEMBIC, "utf-8")
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
