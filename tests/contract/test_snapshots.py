"""One body for every snapshot provider, through `migsafe apply --snapshot`."""

import os
import stat
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg
import pytest
from psycopg import sql

from migsafe.snapshots import manifest, programs
from tests import roles
from tests.conftest import Called, database_url
from tests.contract import looks
from tests.contract.kinds import Connection, Kind, Sample
from tests.db import dumped

FIRST = Sample(
    1,
    "rooms",
    """CREATE SCHEMA "Klinik Süd";
CREATE TABLE "Klinik Süd"."Räume 100%" ("Nr." int PRIMARY KEY, "Größe (m²)" numeric NOT NULL);
INSERT INTO "Klinik Süd"."Räume 100%" SELECT n, n * 1.5 FROM generate_series(1, 1000) AS n;
CREATE TABLE visits (room int REFERENCES "Klinik Süd"."Räume 100%", note text);
INSERT INTO visits SELECT n, repeat('né', n) FROM generate_series(1, 200) AS n;
CREATE VIEW big AS SELECT * FROM "Klinik Süd"."Räume 100%" WHERE "Größe (m²)" > 100;""",
)
SECOND = Sample(2, "empty", "DELETE FROM visits; DROP VIEW big;")

#: Holds what a URL or a shell takes for its own. The embedded server never asks for it.
PASSWORD = "p@ss'w0rd /%:"
ENCODED = "p%40ss%27w0rd%20%2F%25%3A"


@dataclass(frozen=True, slots=True)
class Stage:
    """A database with rows in it, one migration pending, and a provider."""

    url: str
    folder: Path
    conn: Connection
    cli: Callable[..., Called]

    def apply(self, *arguments: str) -> Called:
        where = ("-e", "test", "--url", self.url, "--migrations", "migrations")
        return self.cli("apply", *where, "--snapshot", "--format", "json", *arguments)

    def files(self) -> list[Path]:
        kept = self.folder / ".migsafe" / "snapshots"
        return sorted(kept.glob("*/")) if kept.is_dir() else []


@pytest.fixture(params=["pg_dump"])  # rds: tests/aws/test_rds.py
def provider(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def stage(
    provider: str,
    database: str,
    conn: Connection,
    migsafe: Callable[..., Called],
    workdir: Path,
) -> Stage:
    """A managed database, with the provider named in the config."""
    (workdir / "migsafe.toml").write_text(
        f'[env.test]\nurl = "env:TEST_URL"\nsnapshot = "{provider}"\n'
    )
    files = Kind("numbered")
    files.write(workdir / "migrations", FIRST)
    made = Stage(database, workdir, conn, migsafe)
    applied = made.cli("apply", "--url", database, "--migrations", "migrations")
    assert applied.code == 0, applied.err
    files.write(workdir / "migrations", SECOND)
    return made


@pytest.fixture
def wrapper(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, conn: Connection
) -> Callable[[str], Path]:
    """Return a function that puts a pg_dump of our own, a shell script, in front on PATH.

    The script may use $real, the true program, and $log, the file that is returned.
    """
    major = conn.info.server_version // 10000
    tools = programs.find(major)
    folder = tmp_path_factory.mktemp("bin")
    log = folder / "log"
    log.touch()

    def install(body: str) -> Path:
        script = folder / "pg_dump"
        script.write_text(
            f"#!/bin/sh\nreal='{tools.dump}'\nlog='{log}'\n"
            f'if [ "$1" = --version ]; then exec "$real" --version; fi\n{body}\n'
        )
        script.chmod(0o755)
        (folder / "pg_restore").symlink_to(tools.restore)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        return log

    return install


@pytest.fixture
def make_role(stage: Stage) -> Iterator[Callable[[str], str]]:
    """Return a function that creates a role with a password and gives its URL of the database."""
    role = f"test_{uuid.uuid4().hex[:12]}"
    name, info = sql.Identifier(role), stage.conn.info
    with psycopg.connect(roles.superusers(stage.url), autocommit=True) as admin:

        def create(kind: str) -> str:
            roles.unprepare(admin)
            statement = sql.SQL("CREATE ROLE {} {} LOGIN PASSWORD {}")
            admin.execute(statement.format(name, sql.SQL(kind), sql.Literal(PASSWORD)))
            where = f"host={quote(info.host)}&port={info.port}"
            return f"postgresql://{role}:{ENCODED}@/{info.dbname}?{where}"

        yield create
        admin.execute(sql.SQL("DROP OWNED BY {}").format(name))
        admin.execute(sql.SQL("DROP ROLE {}").format(name))


def counts(conn: psycopg.Connection[Any]) -> dict[str, int]:
    """Count the rows of every table and view, migsafe's own ledger included."""
    names = conn.execute(
        """SELECT n.nspname, c.relname FROM pg_class AS c
           JOIN pg_namespace AS n ON n.oid = c.relnamespace
           WHERE c.relkind IN ('r', 'v') AND n.nspname !~ '^pg_'
             AND n.nspname <> 'information_schema'"""
    ).fetchall()
    found = {}
    for schema, table in names:
        query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))
        row = conn.execute(query).fetchone()
        assert row
        found[f"{schema}.{table}"] = int(row[0])
    return found


def test_a_snapshot_restores_into_a_new_database(
    stage: Stage, make_database: Callable[[], str], server_major: int
) -> None:
    before = counts(stage.conn)
    assert before["Klinik Süd.Räume 100%"] == 1000

    applied = stage.apply()

    assert applied.code == 0, applied.err
    taken = applied.report.snapshot
    assert taken is not None
    assert [Path(taken.id).resolve()] == [file.resolve() for file in stage.files()]
    file = stage.files()[0]
    inside = {path.name: path.stat() for path in file.iterdir()}
    assert set(inside) == {
        *("dump", "database.json", "facts.json", "globals.sql", "SHA256SUMS", ".gitignore")
    }
    assert taken.size == sum(each.st_size for each in inside.values())
    assert stat.S_IMODE(file.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.st_mode) for each in inside.values()} == {0o600}
    assert counts(stage.conn)["public.visits"] == 0
    copy = make_database()
    with psycopg.connect(copy) as conn:
        roles.unprepare(conn)
    dumped.restore(file / "dump", copy, server_major)
    with psycopg.connect(copy) as conn:
        assert counts(conn) == before


def test_the_manifest_is_kept_as_a_file_and_in_the_ledger(stage: Stage) -> None:
    before = counts(stage.conn)

    applied = stage.apply()

    taken, run = applied.report.snapshot, applied.report.run
    assert taken is not None
    assert taken.restore == f"migsafe restore {run}"
    file = stage.folder / ".migsafe" / "snapshots" / f"{run}.json"
    kept = manifest.load(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (kept.run, kept.id, kept.provider) == (run, taken.id, taken.provider)
    assert kept.fingerprint.exact
    assert kept.fingerprint.counts == {
        name: rows
        for name, rows in before.items()
        if not name.startswith("migsafe.") and name != "public.big"
    }
    row = stage.conn.execute("SELECT run, manifest FROM migsafe.snapshots").fetchone()
    assert row is not None
    assert (row[0], manifest.parse(row[1], "")) == (run, kept)


def test_an_odd_database_name_makes_no_odd_file(
    server: str,
    server_major: int,
    make_database: Callable[[], str],
    migsafe: Callable[..., Called],
    workdir: Path,
) -> None:
    name = "../Klinik \"Süd\" 100% 'x'"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        url = database_url(server, "..%2FKlinik%20%22S%C3%BCd%22%20100%25%20%27x%27")
        Kind("numbered").write(workdir / "migrations", FIRST)
        where = ("--url", url, "--migrations", "migrations", "--format", "json")

        applied = migsafe("apply", *where, "--snapshot")

        assert applied.code == 0, applied.err
        files = list((workdir / ".migsafe" / "snapshots").glob("*/"))
        assert len(files) == 1
        copy = make_database()
        dumped.restore(files[0] / "dump", copy, server_major)
        with psycopg.connect(url) as conn:
            assert counts(conn)["Klinik Süd.Räume 100%"] == 1000
    finally:
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.mark.parametrize(
    "body",
    [
        'for a; do case "$a" in --file=*) echo half >"${a#--file=}";; esac; done\n'
        "echo 'pg_dump: error: out of space' >&2; exit 1",
        'for a; do case "$a" in --file=*) echo not a dump >"${a#--file=}";; esac; done',
        "exit 0",
        'kill -9 "$$"',
    ],
    ids=["fails", "writes-rubbish", "writes-nothing", "is-killed"],
)
def test_without_a_snapshot_nothing_is_applied(
    stage: Stage, wrapper: Callable[[str], Path], body: str
) -> None:
    wrapper(body)
    before = looks.everything(stage.conn)

    failed = stage.apply()

    assert failed.code == 3, failed.out
    assert failed.err
    assert stage.files() == []
    assert looks.everything(stage.conn) == before


def test_a_role_that_may_not_read_everything_changes_nothing(
    stage: Stage, make_role: Callable[[str], str]
) -> None:
    url = make_role("NOSUPERUSER")
    role = sql.Identifier(str(urlsplit(url).username))
    for schema in ("public", "migsafe"):
        grant = "GRANT ALL ON SCHEMA {0} TO {1}; GRANT ALL ON ALL TABLES IN SCHEMA {0} TO {1}"
        stage.conn.execute(sql.SQL(grant).format(sql.Identifier(schema), role))
    before = looks.everything(stage.conn)

    failed = Stage(url, stage.folder, stage.conn, stage.cli).apply()

    assert failed.code == 3, failed.out
    assert "pg_dump" in failed.err
    assert stage.files() == []
    assert looks.everything(stage.conn) == before


@pytest.mark.parametrize("there", [True, False], ids=["no-insert", "no-table"])
def test_a_role_that_may_not_keep_the_manifest_takes_no_snapshot(
    stage: Stage, make_role: Callable[[str], str], there: bool
) -> None:
    if there:
        assert stage.apply().code == 0
        Kind("numbered").write(stage.folder / "migrations", Sample(3, "more", "CREATE TABLE m ();"))
    url = make_role("NOSUPERUSER")
    role = sql.Identifier(str(urlsplit(url).username))
    for schema, rights in (("public", "ALL"), ("migsafe", "USAGE"), ("Klinik Süd", "USAGE")):
        grant = "GRANT {} ON SCHEMA {} TO {}; GRANT ALL ON ALL TABLES IN SCHEMA {} TO {}"
        name = sql.Identifier(schema)
        stage.conn.execute(sql.SQL(grant).format(sql.SQL(rights), name, role, name, role))
    if there:
        stage.conn.execute(sql.SQL("REVOKE INSERT ON migsafe.snapshots FROM {}").format(role))
    before, files = looks.everything(stage.conn), stage.files()

    failed = Stage(url, stage.folder, stage.conn, stage.cli).apply()

    assert failed.code == 3, failed.out
    assert "may not write migsafe.snapshots" in failed.err
    assert stage.files() == files
    assert looks.everything(stage.conn) == before


@pytest.mark.parametrize("fails", [False, True], ids=["works", "fails"])
def test_the_password_is_in_no_output_and_in_no_argument(
    stage: Stage, wrapper: Callable[[str], Path], make_role: Callable[[str], str], fails: bool
) -> None:
    end = 'echo "pg_dump: error: $PGPASSWORD" >&2; exit 1' if fails else 'exec "$real" "$@"'
    log = wrapper(
        'printf "%s\\n" "$@" "environment: $PGPASSWORD" >>"$log"\n'
        f'ps -ww -o args= -p "$$" >>"$log" 2>/dev/null\n{end}'
    )
    url = make_role("SUPERUSER")

    applied = Stage(url, stage.folder, stage.conn, stage.cli).apply("-v", "--debug")

    assert applied.code == (3 if fails else 0), applied.err
    logged = log.read_text().splitlines()
    assert logged.count(f"environment: {PASSWORD}") == 1
    arguments = "\n".join(line for line in logged if not line.startswith("environment: "))
    assert str(urlsplit(url).username) in arguments
    reports = [
        path.read_text("utf-8", "replace")
        for path in stage.folder.rglob("*")
        if path.is_file() and path.name != "dump"
    ]
    stored = stage.conn.execute("SELECT report FROM migsafe.runs").fetchall()
    for secret in (PASSWORD, ENCODED):
        assert secret not in arguments
        assert secret not in applied.out + applied.err
        assert secret not in "".join(reports) + str(stored)


def test_the_programs_are_found_without_path(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")

    applied = stage.apply()

    assert applied.code == 0, applied.err
    assert len(stage.files()) == 1
