"""What the command-line tests share: files to run on, a photograph of a database, and refusals."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from migsafe.errors import ExitCode
from tests import roles
from tests.cli import cluster, databases
from tests.cli.cluster import Cluster
from tests.conftest import Called
from tests.faults import processes

Migsafe = Callable[..., Called]
Files = Mapping[str, str | bytes]

#: Nobody listens on port 1, so a command that connects ends with exit 3.
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing?connect_timeout=1"

TABLES = """
    SELECT n.nspname, c.relname
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    ORDER BY 1, 2"""

#: Under roles each call has grants run before it.
_RIGHTS = "NULL" if roles.ON else "c.relacl::text"

#: What the catalogs say of everything that is not the server's own.
CATALOG = {
    "relations": f"""
        SELECT n.nspname, c.relname, c.relkind::text, {_RIGHTS}
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1, 2""",
    "columns": """
        SELECT table_schema, table_name, column_name, data_type, is_nullable, column_default
        FROM information_schema.columns
        WHERE table_schema !~ '^pg_' AND table_schema <> 'information_schema'
        ORDER BY table_schema, table_name, ordinal_position""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated
        FROM pg_constraint ORDER BY 1, 2""",
    "functions": """
        SELECT n.nspname, p.proname FROM pg_proc AS p JOIN pg_namespace AS n
        ON n.oid = p.pronamespace
        WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1, 2""",
    "schemas": "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1",
}

Photograph = dict[str, list[tuple[Any, ...]]]


def photograph(url: str) -> Photograph:
    """Return every relation, column, constraint, function and row of a database."""
    with psycopg.connect(url, autocommit=True) as conn:
        taken = {name: conn.execute(query.encode()).fetchall() for name, query in CATALOG.items()}
        for names in conn.execute(TABLES.encode()).fetchall():
            table = sql.Identifier(*names)
            rows = sql.SQL("SELECT t::text FROM {} AS t ORDER BY 1").format(table)
            taken[table.as_string()] = conn.execute(rows).fetchall()
    return taken


def lay_out(root: Path, files: Files) -> None:
    """Write files below `root`; text goes out with its line ends as they are."""
    for name, content in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)


def prisma(**scripts: str | bytes) -> dict[str, str | bytes]:
    """Name the files of a Prisma history in `prisma/`, one migration a keyword, in order."""
    dated = {f"2025010{n}000000_{name}": text for n, (name, text) in enumerate(scripts.items(), 1)}
    files: dict[str, str | bytes] = {f"prisma/{n}/migration.sql": t for n, t in dated.items()}
    return files | {"prisma/migration_lock.toml": 'provider = "postgresql"\n'}


TWO = prisma(
    first="CREATE TABLE first (id int PRIMARY KEY);\n",
    second="CREATE TABLE second (id int PRIMARY KEY);\n",
)


@pytest.fixture(scope="session")
def standby(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A standby that asks for a password; the first migration of `TWO` was applied before."""
    folder = tmp_path_factory.mktemp("primary")
    lay_out(folder, TWO)

    def apply_first(url: str) -> None:
        call = ("apply", "--migrations", "prisma", "--to", "20250101000000_first")
        done = run_child(*call, cwd=folder, MIGSAFE_URL=url)
        assert done.returncode == 0, done.stderr

    with cluster.standby(apply_first) as running:
        yield running


@pytest.fixture(scope="session")
def lasting_database(server: str) -> Iterator[str]:
    with databases.lasting(server) as url:
        yield url


@pytest.fixture
def database(lasting_database: str) -> Iterator[str]:
    """URL of an empty database, which the next test gets too."""
    yield lasting_database
    databases.empty(lasting_database)


@pytest.fixture
def lay(workdir: Path) -> Callable[[Files], None]:
    """Return a function that writes files below the current directory."""
    return lambda files: lay_out(workdir, files)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a command that could not do its work said: its line on stderr, and its JSON."""

    line: str
    error: str
    json: dict[str, Any]


@pytest.fixture
def refused(migsafe: Migsafe, workdir: Path) -> Callable[..., Refusal]:
    """Return a function that runs a command which must fail, and checks what a script relies on.

    With `unchanged`, that database is the same after it as before.
    """

    def check(code: ExitCode, *arguments: object, unchanged: str | None = None) -> Refusal:
        file = workdir / "refused.json"
        file.write_text("what an earlier run left")
        before = photograph(unchanged) if unchanged else None

        called = migsafe(*arguments, "--format", "json", "-o", f"json:{file}")

        if unchanged:
            assert photograph(unchanged) == before
        assert called.code == code, called.err + called.out
        seen = json.loads(called.out)
        assert json.loads(file.read_text("utf-8")) == seen
        assert [f.name for f in workdir.glob("refused.json*")] == ["refused.json"]
        assert (seen["schema"], seen["ok"], seen["exit_code"]) == ("migsafe/1", False, int(code))
        assert seen["command"] == arguments[0]
        lines = [line for line in called.err.splitlines() if not line.startswith("Usage: ")]
        assert len(lines) == 1, called.err
        assert lines[0] == f"migsafe: {code.name}: {seen['error']}"
        return Refusal(line=lines[0], error=str(seen["error"]), json=seen)

    return check


def login(url: str, user: str, password: str) -> str:
    """Return `url` with another login."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{host}"))


@pytest.fixture
def make_role(database: str) -> Iterator[Callable[..., tuple[str, str]]]:
    """Return a function that creates a role and gives its name and its URL of `database`."""
    names: list[str] = []
    with psycopg.connect(roles.superusers(database), autocommit=True) as admin:

        def create(attributes: str = "", password: str = "of-a-test") -> tuple[str, str]:
            names.append(f"role_{uuid.uuid4().hex[:12]}")
            roles.unprepare(admin)
            admin.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} {}").format(
                    sql.Identifier(names[-1]), sql.Literal(password), sql.SQL(attributes)
                )
            )
            return names[-1], login(database, names[-1], password)

        yield create
        for name in names:
            role = sql.Identifier(name)
            admin.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(role))
            admin.execute(sql.SQL("DROP OWNED BY {}").format(role))
            admin.execute(sql.SQL("DROP ROLE {}").format(role))


def child(*arguments: object) -> list[str]:
    """Return the command line of migsafe as a process of its own."""
    return [sys.executable, "-m", "migsafe", *map(str, arguments)]


def run_child(*arguments: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run migsafe as a process of its own, with more environment."""
    return processes.run(arguments, cwd, os.environ | env)
