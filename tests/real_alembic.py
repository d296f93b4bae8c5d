"""Real Alembic projects from the package registry, each run by migsafe and in its own way.

`python -m tests.real_alembic NAME…` prints a table; `tests/contract` runs the small ones. Their
env.py is what the wheel holds. Each has a virtual environment of its own below `FOLDER`, which is
kept for the next run.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import psycopg
from tabulate import tabulate

from migsafe import shadow
from migsafe.catalog import schema
from migsafe.config import ShadowConfig
from tests.conftest import database_url

#: Where the virtual environments are.
FOLDER = Path(
    os.environ.get("MIGSAFE_PROJECTS") or Path(tempfile.gettempdir()) / "migsafe-projects"
)


class Unavailable(Exception):
    """The registry cannot be reached, or does not have the project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project whose wheel holds its history. Paths are below its site-packages.

    `own` are the words of its own upgrade, `before` is Python that prints the SQL of tables that
    its code makes before the first revision. In all texts but `files`, which are
    written to the folder, from where both sides import, {site}, {url} and {folder} are filled in.
    """

    name: str
    packages: Sequence[str]
    path: str
    config: str
    own: Sequence[str] = ("alembic", "-c", "{site}/{config}", "upgrade", "heads")
    bare: Sequence[str] = ()
    dialect: str = "postgresql+psycopg2"
    environment: Mapping[str, str] = field(default_factory=dict)
    history: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    before: str = ""
    #: The revision that those tables are stamped with; without it, a baseline finds out.
    stamped: str = ""
    #: Whether it runs from the beginning only: its own upgrade in two steps fails, too.
    whole: bool = False


_DAGSTER = """
from dagster import DagsterInstance
from dagster._core.storage.migration.utils import upgrading_instance

def upgrading(run):
    with DagsterInstance.get() as instance, upgrading_instance(instance):
        run()
"""

_DAGSTER_YAML = """
storage:
  postgres:
    postgres_url:
      env: DATABASE
    should_autocreate_tables: false
"""

_TABLES = """
import re
import sqlalchemy

def show(one, *_, **__):
    text = str(one.compile(dialect=engine.dialect)).strip()
    print(re.sub(r"(TABLE|INDEX) ", r"\\1 IF NOT EXISTS ", text, count=1) + ";")

engine = sqlalchemy.create_mock_engine("postgresql+psycopg2://", show)
for one in {}:
    one.create_all(engine, checkfirst=False)
"""

_DAGSTER_TABLES = """
from dagster._core.storage.event_log import SqlEventLogStorageMetadata
from dagster._core.storage.runs import RunStorageSqlMetadata
from dagster._core.storage.schedules import ScheduleStorageSqlMetadata

EVERY = SqlEventLogStorageMetadata, RunStorageSqlMetadata, ScheduleStorageSqlMetadata
""" + _TABLES.format("EVERY")

_MLFLOW_TABLES = """
from mlflow.store.tracking.dbmodels.initial_models import Base
""" + _TABLES.format("[Base.metadata]")

_FLASK = """
import os
from flask import Flask
from flask_migrate import Migrate
from ihatemoney.models import db

def in_app(run):  # create_app() of this project upgrades at once
    app = Flask("ihatemoney")
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE"]
    db.init_app(app)
    Migrate(app, db)
    with app.app_context():
        run()
"""

_FLASK_SETTINGS = """
import os

SQLALCHEMY_DATABASE_URI = os.environ["DATABASE"]
SECRET_KEY = "0"
"""

_OPTUNA = """
import sys
from alembic import command
from alembic.config import Config

config = Config(sys.argv[1] + "/optuna/storages/_rdb/alembic.ini")
config.set_main_option("script_location", sys.argv[1] + "/optuna/storages/_rdb/alembic")
config.set_main_option("sqlalchemy.url", sys.argv[2].replace("%", "%%"))
command.upgrade(config, "heads")
"""

PROJECTS = {
    project.name: project
    for project in (
        Project(
            name="optuna",
            packages=("optuna", "psycopg2-binary"),
            path="optuna/storages/_rdb/alembic",
            config="optuna/storages/_rdb/alembic.ini",
            own=("python", "{folder}/own.py", "{site}", "{url}"),
            files={"own.py": _OPTUNA},
            history={
                "options": {
                    "sqlalchemy.url": "{url}",
                    "script_location": "{site}/optuna/storages/_rdb/alembic",
                }
            },
            whole=True,
        ),
        Project(
            name="dagster",
            packages=("dagster", "dagster-postgres"),
            path="dagster/_core/storage/alembic",
            config="dagster_postgres/alembic/alembic.ini",
            own=("dagster", "instance", "migrate"),
            environment={"DAGSTER_HOME": "{folder}", "DATABASE": "{url}"},
            files={"hook.py": _DAGSTER, "dagster.yaml": _DAGSTER_YAML},
            history={"connection": "{url}", "through": "hook:upgrading"},
            before=_DAGSTER_TABLES,
            stamped="567bc23fd1ac",
        ),
        Project(
            name="mlflow",
            packages=("mlflow", "psycopg2-binary"),
            path="mlflow/store/db_migrations",
            config="mlflow/store/db_migrations/alembic.ini",
            own=("mlflow", "db", "upgrade", "{url}"),
            history={
                "options": {
                    "sqlalchemy.url": "{url}",
                    "script_location": "{site}/mlflow/store/db_migrations",
                }
            },
            before=_MLFLOW_TABLES,
        ),
        Project(
            name="prefect",
            packages=("prefect",),
            path="prefect/server/database/_migrations",
            config="prefect/server/database/alembic.ini",
            own=("prefect", "server", "database", "upgrade", "-y"),
            dialect="postgresql+asyncpg",
            environment={
                "PREFECT_API_DATABASE_CONNECTION_URL": "{url}",
                "PREFECT_HOME": "{folder}/home",
            },
            history={
                "through": "anyio.to_thread:run_sync",
                "options": {
                    "version_locations": (
                        "{site}/prefect/server/database/_migrations/versions/postgresql"
                    )
                },
            },
        ),
        Project(
            name="airflow",
            packages=("apache-airflow-core", "asyncpg", "psycopg2-binary"),
            path="airflow/migrations",
            config="airflow/alembic.ini",
            own=("airflow", "db", "migrate", "--use-migration-files"),
            environment={
                "AIRFLOW_HOME": "{folder}/home",
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "{url}",
            },
        ),
        Project(
            name="ihatemoney",
            packages=("ihatemoney", "psycopg2-binary"),
            path="ihatemoney/migrations",
            config="ihatemoney/migrations/alembic.ini",
            own=("ihatemoney", "db", "upgrade", "-d", "{site}/ihatemoney/migrations"),
            environment={
                "DATABASE": "{url}",
                "IHATEMONEY_SETTINGS_FILE_PATH": "{folder}/settings.py",
            },
            files={"hook.py": _FLASK, "settings.py": _FLASK_SETTINGS},
            history={"through": "hook:in_app"},
        ),
        Project(
            name="openwebui",
            packages=(
                *("alembic==1.18.4", "sqlalchemy[asyncio]==2.0.50", "psycopg[binary]"),
                *("psycopg2-binary", "pydantic", "bcrypt", "cryptography", "markdown"),
                *("beautifulsoup4", "orjson", "aiohttp", "validators", "requests", "fastapi"),
                *("typer", "uvicorn"),
            ),
            bare=("open-webui",),
            path="open_webui/migrations",
            config="open_webui/alembic.ini",
            environment={
                "DATABASE_URL": "{url}",
                "DATA_DIR": "{folder}/home",
                "WEBUI_SECRET_KEY": "0" * 32,
            },
        ),
    )
}


#: Those that install within seconds.
SMALL = ("optuna", "ihatemoney")


# ---------------------------------------------------------------- virtual environments


def installed(project: Project) -> Path:
    """Return the virtual environment of a project, made where it is missing."""
    place = FOLDER / project.name
    if (place / "ready").exists():
        return place
    _called([sys.executable, "-m", "venv", "--clear", str(place)])
    pip = [str(place / "bin" / "pip"), "install", "-qq", "--disable-pip-version-check"]
    if project.bare:
        _called([*pip, "--no-deps", *project.bare])
    _called([*pip, *project.packages])
    (place / "ready").touch()
    return place


def _called(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{' '.join(command[:4])}: {done.stderr.strip().splitlines()[-1:]}")


# ---------------------------------------------------------------- both ways


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """How a command of migsafe ended."""

    code: int
    seconds: float
    report: Mapping[str, Any]


class Trial:
    """One project on one server; `folder` holds its migsafe.toml and is where all runs."""

    def __init__(self, project: Project, server: str, folder: Path) -> None:
        self.project, self.server, self.folder = project, server, folder
        self.bin = installed(project) / "bin"
        self.site = next((self.bin.parent / "lib").glob("python3*/site-packages"))
        #: What an apply needs where a table is there already.
        self.first = ["--baseline"] if project.before and not project.stamped else []
        self._write()

    def _write(self) -> None:
        for name, text in self.project.files.items():
            (self.folder / name).write_text(text)
        keys = {
            "kind": "alembic",
            "path": f"{self.site}/{self.project.path}",
            "config": f"{self.site}/{self.project.config}",
            "python": str(self.bin / "python"),
            **self.project.history,
        }
        lines = ["[history]", *(f"{key} = {self._toml(value)}" for key, value in keys.items())]
        if self.project.before:
            (self.folder / "before.sql").write_text(self._before())
            lines += ["[shadow]", 'prelude = ["before.sql"]']
        (self.folder / "migsafe.toml").write_text("\n".join(lines) + "\n")

    def _toml(self, value: Any) -> str:
        if isinstance(value, dict):
            pairs = (f"{json.dumps(k)} = {self._toml(v)}" for k, v in value.items())
            return f"{{ {', '.join(pairs)} }}"
        return json.dumps(self.filled(value, "elsewhere"))

    def _before(self) -> str:
        command = [str(self.bin / "python"), "-c", self.project.before]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def filled(self, text: str, database: str) -> str:
        """Return a text of the project with its places and a URL for SQLAlchemy."""
        info = psycopg.conninfo.conninfo_to_dict(self.server)
        query = f"host={info['host']}&port={info.get('port', 5432)}"
        url = f"{self.project.dialect}://{info['user']}@/{database}?{query}"
        for name, value in {
            "{url}": url,
            "{site}": str(self.site),
            "{folder}": str(self.folder),
            "{config}": self.project.config,
        }.items():
            text = text.replace(name, value)
        return text

    def environment(self, database: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "MIGSAFE_"))}
        own = {k: self.filled(v, database) for k, v in self.project.environment.items()}
        path = {"PATH": f"{self.bin}:{kept['PATH']}", "PYTHONPATH": str(self.folder)}
        return {**kept, **path, **own}

    def make(self, database: str, template: str | None = None) -> str:
        """Create a database with what the project's code makes before the first revision."""
        copied = f' TEMPLATE "{template}"' if template else ""
        with psycopg.connect(self.server, autocommit=True) as conn:
            conn.execute(f'DROP DATABASE IF EXISTS "{database}"'.encode())
            conn.execute(f'CREATE DATABASE "{database}"{copied}'.encode())
        if self.project.before and not template:
            with self.connect(database) as conn:
                conn.execute((self.folder / "before.sql").read_bytes())
                if self.project.stamped:
                    conn.execute(
                        "CREATE TABLE alembic_version (version_num varchar(32) NOT NULL,"
                        " CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
                    )
                    conn.execute("INSERT INTO alembic_version VALUES (%s)", [self.project.stamped])
        return database

    def connect(self, database: str) -> psycopg.Connection[Any]:
        return psycopg.connect(database_url(self.server, database), autocommit=True)

    def facts(self, database: str) -> dict[Any, str]:
        with self.connect(database) as conn:
            return schema.facts(schema.read(conn))

    def upgrade(self, database: str) -> float:
        """Upgrade a database in the project's own way, and return the seconds."""
        words = [self.filled(word, database) for word in self.project.own]
        began = time.monotonic()
        done = subprocess.run(
            [str(self.bin / words[0]), *words[1:]],
            env=self.environment(database),
            cwd=(self.site / self.project.config).parent,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return time.monotonic() - began

    def run(self, database: str, *words: str) -> Said:
        """Run a command of migsafe."""
        url = database_url(self.server, database)
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "migsafe", *words, "--url", url, "--format", "json", "-q"],
            env=self.environment("elsewhere") | {"PYTHONPATH": f"{self.folder}:{Path.cwd()}"},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.startswith("{"), done.stdout[-2000:] + done.stderr[-2000:]
        report = json.loads(done.stdout)
        return Said(code=done.returncode, seconds=time.monotonic() - began, report=report)


@dataclass(slots=True, kw_only=True)
class Found:
    """What came of a project. `false` counts revisions called applied that are not."""

    revisions: int
    facts: int
    different: list[Any]
    codes: list[int]
    cuts: int
    own: float
    apply: float
    right: int = 0
    false: int = 0
    wrong: list[str] = field(default_factory=list)


def judged(trial: Trial, cuts: int) -> Found:
    """Run a project in both ways, and take the record away at some revisions."""
    own, ours = trial.make("own"), trial.make("ours")
    theirs = trial.upgrade(own)
    said = {
        "status": trial.run(ours, "status"),
        "plan": trial.run(ours, "plan", *trial.first),
        "apply": trial.run(ours, "apply", *trial.first),
        "status after": trial.run(ours, "status"),
        "verify": trial.run(ours, "verify"),
    }
    for name, one in said.items():
        click.echo(f"  {name}: {one.code}, {one.seconds:.1f} s {_amiss(one)}", err=True)
    expected, made = trial.facts(own), trial.facts(ours)
    names = said["status after"].report["history"]["applied"]
    chosen = random.Random(trial.project.name).sample(range(len(names)), min(cuts, len(names)))
    found = Found(
        revisions=len(names),
        facts=len(made),
        different=[key for key in {*expected, *made} if expected.get(key) != made.get(key)],
        codes=[one.code for one in said.values()],
        cuts=len(chosen),
        own=theirs,
        apply=said["apply"].seconds,
    )
    click.echo(f"  different: {found.different[:5]}", err=True)
    for number in sorted(chosen):
        _cut(trial, names, number, found, fresh=trial.project.whole or number == min(chosen))
    return found


def _cut(trial: Trial, names: Sequence[str], number: int, found: Found, *, fresh: bool) -> None:
    """Take the record away after a revision, and count what a baseline says."""
    if fresh:
        trial.make("cuts")
    first = trial.first if fresh else []
    applied = trial.run("cuts", "apply", *first, "--gate", "never", "--to", names[number])
    assert applied.code == 0, applied.report
    trial.make("cut", "cuts")
    with trial.connect("cut") as conn:
        conn.execute(f"DROP TABLE {applied.report['history']['table']}".encode())
        conn.execute("DROP SCHEMA migsafe CASCADE")
    said = trial.run("cut", "baseline").report["baseline"]
    done = set(names[: number + 1])
    open_ones = set(said["pending"]) - set(said["undecidable"])
    claimed, denied = set(said["in_effect"]) - done, done & open_ones
    found.false += len(claimed)
    found.right += said["exact"] and not claimed and not denied
    click.echo(f"  at {names[number]}: {len(said['undecidable'])} undecidable", err=True)
    if claimed or denied or not said["exact"]:
        found.wrong.append(f"{names[number]}: {claimed} {denied} {said['drift'][:3]}")
        click.echo(f"  wrong: {found.wrong[-1]}", err=True)


def row(name: str, found: Found) -> list[Any]:
    """Return a row of the table."""
    different = len(found.different)
    return [
        name,
        found.revisions,
        f"{found.facts} {f'{different} differ' if different else 'equal'}",
        " ".join(map(str, found.codes)),
        f"{found.right}/{found.cuts}",
        found.false,
        f"{found.own:.1f}",
        f"{found.apply:.1f}",
    ]


def _amiss(said: Said) -> str:
    found = said.report.get("findings", [])
    failed = [f for f in found if f["severity"] == "error" and f["status"] == "failed"]
    lines = [f"{f['code']} {f['migration']}: {f['message'][:200]}" for f in failed[:3]]
    lines += [str(s["error"]) for s in said.report.get("steps", []) if s["outcome"] != "done"][:2]
    return "; ".join([*lines, str(said.report.get("error") or "")])


HEADERS = (
    *("project", "revisions", "facts", "status plan apply status verify", "baseline right"),
    *("falsely applied", "own (s)", "apply (s)"),
)


@click.command()
@click.argument("names", nargs=-1)
@click.option("--cuts", default=10, show_default=True, help="Baselines of each project.")
def main(names: Sequence[str], cuts: int) -> None:
    """Run projects, all without NAMES, and print the table."""
    rows = []
    # With stand-ins of extensions, as the shadow has, so that what asks for them finds the same.
    with shadow.opened(ShadowConfig(server="embedded"), major=18, root=Path()) as server:
        for name in names or PROJECTS:
            click.echo(name, err=True)
            with tempfile.TemporaryDirectory() as folder:
                trial = Trial(PROJECTS[name], server.url, Path(folder))
                rows.append(row(name, judged(trial, cuts)))
    click.echo(tabulate(rows, HEADERS, disable_numparse=True))


if __name__ == "__main__":
    main()
