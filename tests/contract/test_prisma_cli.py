"""The real Prisma CLI as the judge of what migsafe reads and writes.

MIGSAFE_PRISMA_RIG names a directory with two of them, prisma.sh (6.19) and v7/prisma.sh (7.10),
which run offline. A call costs about two seconds, so most scenarios ask one of them.
"""

import hashlib
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.conftest import Called
from tests.contract import looks

RIG = Path(os.environ.get("MIGSAFE_PRISMA_RIG") or "/nonexistent")
SCRIPTS = {"6.19": RIG / "prisma.sh", "7.10": RIG / "v7" / "prisma.sh"}
CLINIC = Path(__file__).parents[1] / "cases" / "ehr_prisma"

pytestmark = [
    pytest.mark.rig,
    pytest.mark.skipif(
        not all(script.is_file() for script in SCRIPTS.values()),
        reason="MIGSAFE_PRISMA_RIG names no directory with prisma.sh and v7/prisma.sh",
    ),
]
both = pytest.mark.parametrize("version", SCRIPTS)

LOCK = 72707369
PROVIDER = 'provider = "postgresql"\n'

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call of the Prisma CLI gave."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Site:
    """One directory of migrations, any number of databases, and both tools."""

    folder: Path
    create: Callable[[], str]
    cli: Callable[..., Called]

    def write(self, **files: str | bytes) -> None:
        """Write migrations, and the provider's lock where there is none."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = self.folder / "migration_lock.toml"
        if not lock.exists():
            lock.write_text(PROVIDER)
        for name, text in files.items():
            (self.folder / name).mkdir(exist_ok=True)
            raw = text if isinstance(text, bytes) else text.encode()
            (self.folder / name / "migration.sql").write_bytes(raw)

    def migsafe(self, url: str, command: str, *arguments: str) -> Called:
        where = ("--url", url, "--migrations", str(self.folder), "--format", "json")
        return self.cli(command, *where, *arguments)

    def standing(self, url: str) -> tuple[int, str, tuple[str, ...]]:
        """What `migsafe status` says: exit code, state, codes of the findings."""
        called = self.migsafe(url, "status")
        assert called.report.history is not None, called.err
        codes = tuple(finding.code for finding in called.report.findings)
        return called.code, called.report.history.state, codes

    def prisma(
        self, url: str, *command: str, version: str = "6.19", schema: Path | None = None
    ) -> Answer:
        """Ask the real CLI; `schema` is a schema.prisma other than the rig's empty one."""
        env = os.environ | {"DATABASE_URL": url.replace(":@/", "@localhost/")}
        done = subprocess.run(
            [SCRIPTS[version], self.folder, "migrate", *command],
            env=env | ({"RIG_SCHEMA": str(schema)} if schema else {}),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return Answer(done.returncode, done.stdout + done.stderr)


@pytest.fixture
def site(make_database: Callable[[], str], migsafe: Callable[..., Called], workdir: Path) -> Site:
    """A directory `prisma/migrations` to be filled, and databases to be made."""
    return Site(workdir / "prisma" / "migrations", make_database, migsafe)


def with_schema(url: str, schema: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}schema={quote(schema)}"


def execute(url: str, statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(statements.encode())


def rows(url: str, schema: str = "public") -> list[Row]:
    """Read the ledger as Prisma orders it; rows of one moment by name."""
    with psycopg.connect(url, row_factory=dict_row) as conn:
        table = psycopg.sql.Identifier(schema, "_prisma_migrations")
        query = psycopg.sql.SQL("SELECT * FROM {} ORDER BY started_at, migration_name")
        return conn.execute(query.format(table)).fetchall()


def look(url: str) -> object:
    with psycopg.connect(url) as conn:
        return looks.everything(conn)


def shape(row: Row) -> Row:
    """Return what must be equal whoever wrote a row: times and ids by their kind only."""
    return {
        "id": str(uuid.UUID(row["id"], version=4)) == row["id"],
        "checksum": row["checksum"],
        "migration_name": row["migration_name"],
        "finished": row["finished_at"] is not None,
        "at once": row["finished_at"] == row["started_at"],
        "in order": row["finished_at"] is None or row["started_at"] <= row["finished_at"],
        "rolled back": row["rolled_back_at"] is not None,
        "logs": row["logs"],
        "steps": row["applied_steps_count"],
    }


def shapes(url: str, schema: str = "public") -> list[Row]:
    return [shape(row) for row in rows(url, schema)]


#: A row as Prisma inserts it before it runs a script; the last column is what makes a difference.
INSERT = """INSERT INTO _prisma_migrations
    (id, checksum, migration_name, started_at, finished_at, rolled_back_at)
VALUES (gen_random_uuid(), repeat('0', 64), '{}', now() - interval '1 minute', {}, {});"""


def insert(url: str, name: str, *, finished: bool = False, rolled_back: bool = False) -> None:
    values = ("now()" if finished else "NULL", "now()" if rolled_back else "NULL")
    execute(url, INSERT.format(name, *values))


# ---------------------------------------------------------------- one history, two tools


@both
def test_prisma_has_nothing_to_do_after_migsafe(site: Site, version: str) -> None:
    shutil.copytree(CLINIC, site.folder)
    url = site.create()
    assert site.migsafe(url, "apply").code == 0
    before = rows(url)
    assert len(before) == 34

    status = site.prisma(url, "status", version=version)
    deploy = site.prisma(url, "deploy", version=version)

    assert (status.code, deploy.code) == (0, 0), status.text + deploy.text
    assert "Database schema is up to date!" in status.text
    assert "No pending migrations to apply." in deploy.text
    assert rows(url) == before


@both
def test_a_ledger_may_be_half_prismas_and_half_migsafes(site: Site, version: str) -> None:
    names = sorted(child.name for child in CLINIC.iterdir() if child.is_dir())
    half = names[:17]
    site.write(**{name: (CLINIC / name / "migration.sql").read_bytes() for name in half})
    url = site.create()
    deploy = site.prisma(url, "deploy", version=version)
    assert deploy.code == 0, deploy.text
    assert site.standing(url) == (0, "managed", ())
    site.write(**{name: (CLINIC / name / "migration.sql").read_bytes() for name in names})

    applied = site.migsafe(url, "apply")

    assert applied.code == 0, applied.out
    assert [step.migration for step in applied.report.steps] == names[17:]
    status = site.prisma(url, "status", version=version)
    assert (status.code, "is up to date!" in status.text) == (0, True), status.text
    written = shapes(url)
    assert [row.pop("migration_name") for row in written] == names
    assert len({row.pop("checksum") for row in written}) == len(names)
    assert all(row == written[0] for row in written)


@both
def test_no_row_that_prisma_writes_is_called_forged(site: Site, version: str) -> None:
    broken = {"20240102000000_b": "SELECT 1 / 0;"}
    site.write(**{"20240101000000_a": "CREATE TABLE a ();"}, **broken)
    url = site.create()
    assert site.prisma(url, "deploy", version=version).code == 1
    name = "20240102000000_b"
    assert site.standing(url)[2] == ("MH102",)
    assert site.prisma(url, "resolve", "--rolled-back", name, version=version).code == 0
    assert site.standing(url)[2] == ()
    assert site.prisma(url, "deploy", version=version).code == 1
    assert site.prisma(url, "resolve", "--applied", name, version=version).code == 0
    assert site.standing(url) == (0, "managed", ())
    assert len(rows(url)) == 4


#: Files whose text, and so whose checksum, is easily changed by reading it.
ODD_FILES = {
    "20240101000001_crlf": b"CREATE TABLE crlf (\r\n    id int\r\n);\r\n",
    "20240101000002_mixed_line_ends": b"CREATE TABLE mixed (\r\n    id int\n);\n",
    "20240101000003_not_ascii": 'CREATE TABLE "Größe" (id int); -- naïve 日本語 🏥\n'.encode(),
    "20240101000004_empty": b"",
    "20240101000005_only_a_comment": b"-- nothing to do\n",
    "20240101000006_only_semicolons": b";;\n",
    "20240101000007_no_last_line_end": b"CREATE TABLE ended (id int)",
    "20240101000008_percent": b"CREATE TABLE share (text text DEFAULT '100% %s :x $1');\n",
}


@both
def test_rows_are_those_of_prisma_whatever_is_in_the_file(site: Site, version: str) -> None:
    site.write(**ODD_FILES)
    theirs, ours = site.create(), site.create()

    deploy = site.prisma(theirs, "deploy", version=version)

    assert deploy.code == 0, deploy.text
    assert site.migsafe(ours, "apply").code == 0
    assert shapes(ours) == shapes(theirs)
    assert shapes(ours)[0] == {
        "id": True,
        "checksum": hashlib.sha256(ODD_FILES["20240101000001_crlf"]).hexdigest(),
        "migration_name": "20240101000001_crlf",
        "finished": True,
        "at once": False,
        "in order": True,
        "rolled back": False,
        "logs": None,
        "steps": 1,
    }
    assert site.standing(theirs) == (0, "managed", ())
    again = site.migsafe(theirs, "apply")
    assert (again.code, again.report.steps) == (0, ())


def test_the_order_is_that_of_prisma_where_bytes_say_otherwise(site: Site) -> None:
    names = (
        *("20240101_init", "20240101120000_add", "1_a", "10_b", "2_c"),
        *("20240102_A", "20240102_a", "20240102_B", "20240102_b"),
        *("a b", "a_b", "a-b", "a.b", "a0", "ab", "x(1)", "x[1]", "x'1", "x+1", ".hidden"),
    )
    text = """CREATE TABLE IF NOT EXISTS ran (place serial, name text);
INSERT INTO ran (name) VALUES ('{}');\n"""
    site.write(**{name: text.format(name.replace("'", "''")) for name in names})
    theirs, ours = site.create(), site.create()

    deploy = site.prisma(theirs, "deploy")

    assert deploy.code == 0, deploy.text
    assert site.migsafe(ours, "apply").code == 0
    orders = []
    for url in (ours, theirs):
        with psycopg.connect(url) as conn:
            orders.append([name for (name,) in conn.execute("SELECT name FROM ran ORDER BY place")])
    assert orders[0] == orders[1]
    assert orders[0] != sorted(names)


# ---------------------------------------------------------------- P3005, P3009 and resolve


def test_a_database_with_p3005_is_settled_by_resolve(site: Site) -> None:
    site.write(**{"20240101000001_a": "CREATE TABLE a ();", "20240101000002_b": "SELECT 1;"})
    url = site.create()
    execute(url, "CREATE TABLE a ()")
    before = look(url)

    deploy = site.prisma(url, "deploy")

    assert (deploy.code, "P3005" in deploy.text) == (1, True), deploy.text
    assert site.migsafe(url, "apply").code == 7
    assert site.standing(url) == (7, "unmanaged", ("MH101",))
    assert look(url) == before
    for name in ("20240101000001_a", "20240101000002_b"):
        assert site.migsafe(url, "resolve", "--applied", name, "--force").code == 0
    status, again = site.prisma(url, "status"), site.prisma(url, "deploy")
    assert (status.code, "is up to date!" in status.text) == (0, True), status.text
    assert (again.code, "No pending migrations" in again.text) == (0, True), again.text


def test_a_failed_deploy_is_settled_as_prisma_settles_it(site: Site) -> None:
    name = "20240101000002_bad"
    site.write(
        **{"20240101000001_a": "CREATE TABLE a ();", name: "CREATE TABLE b ();\nSELECT 1/0;"}
    )
    theirs, ours = site.create(), site.create()
    for url in (theirs, ours):
        deploy = site.prisma(url, "deploy")
        assert deploy.code == 1, deploy.text
        before = look(url)
        assert site.migsafe(url, "apply").code == 7
        assert site.standing(url) == (7, "failed", ("MH102",))
        assert look(url) == before
    again = site.prisma(ours, "deploy")
    assert (again.code, "P3009" in again.text) == (1, True), again.text

    assert site.prisma(theirs, "resolve", "--rolled-back", name).code == 0
    assert site.migsafe(ours, "resolve", "--rolled-back", name, "--force").code == 0

    assert shapes(ours) == shapes(theirs)
    last = rows(ours)[-1]
    assert last["finished_at"] is None
    assert last["rolled_back_at"] is not None
    assert last["applied_steps_count"] == 0
    site.write(**{name: "CREATE TABLE b ();"})
    assert site.prisma(ours, "deploy").code == 0
    assert site.migsafe(theirs, "apply").code == 0
    assert shapes(ours) == shapes(theirs)
    assert site.standing(ours) == site.standing(theirs) == (0, "managed", ())


@pytest.mark.parametrize("failed", [False, True], ids=["baselining", "after-a-failure"])
def test_marked_as_applied_is_what_prisma_writes(site: Site, failed: bool) -> None:
    site.write(**{"20240101000001_a": "SELECT 1;", "20240101000002_b": "SELECT 2;"})
    theirs, ours = site.create(), site.create()
    name = "20240101000001_a"
    for url in (theirs, ours):
        execute(url, "CREATE TABLE old ()")
    if failed:
        for url in (theirs, ours):
            earlier = site.migsafe(url, "resolve", "--applied", "20240101000002_b", "--force")
            assert earlier.code == 0
            insert(url, name)

    assert site.prisma(theirs, "resolve", "--applied", name).code == 0
    assert site.migsafe(ours, "resolve", "--applied", name, "--force").code == 0

    assert shapes(ours) == shapes(theirs)
    marked = rows(ours)[-1]
    assert (marked["logs"], marked["applied_steps_count"]) == ("", 0)
    assert marked["started_at"] == marked["finished_at"]
    with psycopg.connect(ours) as our_conn, psycopg.connect(theirs) as their_conn:
        assert _columns(our_conn) == _columns(their_conn)


def _columns(conn: psycopg.Connection[Any]) -> list[Any]:
    return conn.execute(
        """SELECT a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                  pg_get_expr(d.adbin, d.adrelid), i.indisprimary, i.indkey::text
           FROM pg_attribute AS a
           LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
           LEFT JOIN pg_index AS i ON i.indrelid = a.attrelid
           WHERE a.attrelid = '_prisma_migrations'::regclass AND a.attnum > 0 ORDER BY 1"""
    ).fetchall()


@pytest.mark.parametrize(
    ("claim", "name", "code"),
    [
        ("--applied", "20240101000001_a", "P3008"),
        ("--applied", "20240101000009_z", "P3017"),
        ("--rolled-back", "20240101000002_b", "P3011"),
        ("--rolled-back", "20240101000001_a", "P3012"),
    ],
)
def test_a_claim_that_prisma_refuses_is_refused(
    site: Site, claim: str, name: str, code: str
) -> None:
    site.write(**{"20240101000001_a": "CREATE TABLE a ();"})
    url = site.create()
    assert site.migsafe(url, "apply").code == 0
    site.write(**{"20240101000002_b": "CREATE TABLE b ();"})
    before = look(url)

    refused = site.migsafe(url, "resolve", claim, name, "--force")

    assert refused.code == 2, refused.out
    assert look(url) == before
    theirs = site.prisma(url, "resolve", claim, name)
    assert (theirs.code, code in theirs.text) == (1, True), theirs.text


def test_rows_of_every_state_are_read_as_prisma_reads_them(site: Site) -> None:
    states = {
        "20240101000001_none": [],
        "20240101000002_finished": [{"finished": True}],
        "20240101000003_rolled_back": [{"rolled_back": True}],
        "20240101000004_finished_and_rolled_back": [{"finished": True, "rolled_back": True}],
        "20240101000005_retried": [{"rolled_back": True}, {"finished": True}],
        "20240101000006_twice": [{"finished": True}, {"finished": True}],
    }
    site.write(**dict.fromkeys(states, "SELECT 1;"))
    site.write(**{"20240101000000_first": "SELECT 0;"})
    url = site.create()
    assert site.migsafe(url, "apply", "--to", "20240101000000_first").code == 0
    for name, entries in states.items():
        for entry in entries:
            insert(url, name, **entry)

    status = site.migsafe(url, "status").report
    deploy = site.prisma(url, "deploy")

    assert deploy.code == 0, deploy.text
    assert status.history is not None
    ran = {row["migration_name"] for row in rows(url) if row["applied_steps_count"]}
    assert set(status.history.pending) == ran - {"20240101000000_first"}
    assert len(status.history.pending) == 3


@pytest.mark.parametrize("other", ["nothing", "finished", "no directory"])
def test_one_unfinished_row_blocks_as_it_blocks_prisma(site: Site, other: str) -> None:
    name = "20240101000001_a"
    site.write(**{name: "SELECT 1;"})
    url = site.create()
    assert site.migsafe(url, "apply").code == 0
    if other != "finished":
        execute(url, "TRUNCATE _prisma_migrations")
    insert(url, "20230101000000_gone" if other == "no directory" else name)

    deploy = site.prisma(url, "deploy")

    assert (deploy.code, "P3009" in deploy.text) == (1, True), deploy.text
    assert site.standing(url)[:2] == (7, "failed")
    assert "MH102" in site.standing(url)[2]


# ---------------------------------------------------------------- schemas


def test_the_schema_of_the_url_is_where_both_look(site: Site) -> None:
    site.write(**{"20240101000001_a": 'CREATE TABLE a (); CREATE TABLE "Öl" ();'})
    theirs, ours = site.create(), site.create()
    for url in (theirs, ours):
        execute(url, "CREATE TABLE public.elsewhere ()")
    name = "Äpp 1"

    deploy = site.prisma(with_schema(theirs, name), "deploy")
    applied = site.migsafe(with_schema(ours, name), "apply")

    assert deploy.code == 0, deploy.text
    assert applied.code == 0, applied.out
    assert shapes(ours, name) == shapes(theirs, name)
    with psycopg.connect(ours) as our_conn, psycopg.connect(theirs) as their_conn:
        assert _in_schema(our_conn, name) == _in_schema(their_conn, name)
    assert site.standing(with_schema(theirs, name)) == (0, "managed", ())
    status = site.prisma(with_schema(ours, name), "status")
    assert (status.code, "is up to date!" in status.text) == (0, True), status.text
    assert site.standing(ours)[:2] == (7, "unmanaged")


def _in_schema(conn: psycopg.Connection[Any], schema: str) -> list[Any]:
    query = "SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1"
    return conn.execute(query, [schema]).fetchall()


@pytest.mark.parametrize(
    ("listed", "occupied", "refused"),
    [
        ('"auth", "public"', "auth", True),
        ('"auth"', "public", True),
        ('"auth", "public"', "other", False),
    ],
)
def test_listed_schemas_count_as_they_do_for_prisma(
    site: Site, listed: str, occupied: str, refused: bool
) -> None:
    site.write(**{"20240101000001_a": "CREATE TABLE auth.a ();"})
    schema = site.folder.parent / "schema.prisma"
    schema.write_text(
        'datasource db {\n  provider = "postgresql"\n  url = env("DATABASE_URL")\n'
        f"  schemas = [{listed}]\n}}\n"
    )
    theirs, ours = site.create(), site.create()
    for url in (theirs, ours):
        execute(url, "CREATE SCHEMA auth; CREATE SCHEMA other")
        execute(url, f"CREATE TABLE {occupied}.users ()")

    deploy = site.prisma(theirs, "deploy", schema=schema)
    applied = site.migsafe(ours, "apply")

    assert (deploy.code, "P3005" in deploy.text) == (int(refused), refused), deploy.text
    assert applied.code == (7 if refused else 0), applied.out
    if not refused:
        assert shapes(ours) == shapes(theirs)


#: What may be in a database without a ledger, and Prisma 6.19 calls it empty.
OVERLOOKED = {
    "nothing": "",
    "view": "CREATE VIEW v AS SELECT 1",
    "materialized view": "CREATE MATERIALIZED VIEW m AS SELECT 1",
    "partitioned parent alone": "CREATE TABLE p (i int) PARTITION BY LIST (i)",
    "foreign table": "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
    " CREATE FOREIGN TABLE f (i int) SERVER s",
    "sequence, types, function": "CREATE SEQUENCE q; CREATE TYPE e AS ENUM ('a');"
    " CREATE DOMAIN d AS int; CREATE TYPE c AS (i int);"
    " CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "table in another schema": "CREATE SCHEMA other; CREATE TABLE other.t (i int)",
    "spatial_ref_sys": "CREATE TABLE spatial_ref_sys (srid int)",
    "Raster_Columns": 'CREATE TABLE "Raster_Columns" (srid int)',
}

#: What it has to be empty of.
CONTENTS = {
    "table": "CREATE TABLE t (i int)",
    "unlogged table": "CREATE UNLOGGED TABLE t (i int)",
    "partition": "CREATE TABLE p (i int) PARTITION BY LIST (i);"
    " CREATE TABLE p1 PARTITION OF p DEFAULT",
    "_Prisma_Migrations": 'CREATE TABLE "_Prisma_Migrations" (i int)',
    "flyway_schema_history": "CREATE TABLE flyway_schema_history (i int)",
    "public.spatial_ref_sys2": "CREATE TABLE spatial_ref_sys2 (i int)",
}


def test_what_prisma_overlooks_leaves_a_database_empty(site: Site) -> None:
    """All of it at once, as each thing that counts would be refused beside any other."""
    site.write(**{"20240101000001_a": "CREATE TABLE deployed ();"})
    theirs = site.create()
    for content, statements in OVERLOOKED.items():
        execute(theirs, statements)
        ours = site.create()
        execute(ours, statements)
        assert site.standing(ours)[:2] == (0, "empty"), content
        assert site.migsafe(ours, "apply").code == 0, content

    deploy = site.prisma(theirs, "deploy")

    assert deploy.code == 0, deploy.text


@pytest.mark.parametrize("content", CONTENTS)
def test_what_counts_for_prisma_makes_a_database_unmanaged(site: Site, content: str) -> None:
    site.write(**{"20240101000001_a": "CREATE TABLE deployed ();"})
    theirs, ours = site.create(), site.create()
    for url in (theirs, ours):
        execute(url, CONTENTS[content])

    deploy = site.prisma(theirs, "deploy")

    assert (deploy.code, "P3005" in deploy.text) == (1, True), deploy.text
    assert site.standing(ours)[:2] == (7, "unmanaged")
    assert site.migsafe(ours, "apply").code == 7


def test_a_search_path_that_misleads_prisma_is_refused(site: Site) -> None:
    site.write(**{"20240101000001_a": "CREATE TABLE a ();"})
    url = site.create()
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("CREATE SCHEMA app")
        conn.execute(f"ALTER DATABASE {conn.info.dbname} SET search_path = app, public")
    before = look(url)

    refused = site.migsafe(url, "apply")

    assert refused.code == 2, refused.out
    assert "?schema=app" in refused.err
    assert look(url) == before
    first, second = site.prisma(url, "deploy"), site.prisma(url, "deploy")
    assert (first.code, second.code) == (0, 1), first.text + second.text
    assert "already exists" in second.text
    assert site.standing(with_schema(url, "app")) == (0, "managed", ())


# ---------------------------------------------------------------- directories


@pytest.mark.parametrize(
    ("lock", "taken"),
    [
        (None, True),
        ('# a comment\r\nprovider = "postgresql"\r\n', True),
        ('provider="postgresql"\n', False),
        ("provider = 'postgresql'\n", False),
        ('provider = "postgres"\n', False),
        ('  provider = "postgresql"\n', False),
        ("", False),
    ],
)
def test_the_lock_file_is_read_as_prisma_reads_it(
    site: Site, lock: str | None, taken: bool
) -> None:
    site.write(**{"20240101000001_a": "CREATE TABLE a ();"})
    file = site.folder / "migration_lock.toml"
    if lock is None:
        file.unlink()
    else:
        file.write_bytes(lock.encode())
    theirs, ours = site.create(), site.create()

    deploy = site.prisma(theirs, "deploy")

    assert (deploy.code == 0, "P3019" in deploy.text) == (taken, not taken), deploy.text
    assert site.migsafe(ours, "apply").code == (0 if taken else 2)


def test_what_prisma_does_not_run_is_not_run(site: Site) -> None:
    site.write(**{"20240101000001_a": "CREATE TABLE a ();"})
    (site.folder / "notes.sql").write_text("CREATE TABLE file ();")
    (site.folder / "20240101000001_a" / "down.sql").write_text("CREATE TABLE down ();")
    outside = site.folder.parent / "outside"
    outside.mkdir()
    (outside / "migration.sql").write_text("CREATE TABLE link ();")
    (site.folder / "20240101000003_c").symlink_to(outside)
    (site.folder / "20240101000004_d").mkdir()
    (site.folder / "20240101000004_d" / "migration.sql").symlink_to(outside / "migration.sql")
    theirs, ours = site.create(), site.create()

    deploy = site.prisma(theirs, "deploy")

    assert deploy.code == 0, deploy.text
    assert site.migsafe(ours, "apply").code == 0
    assert shapes(ours) == shapes(theirs)
    with psycopg.connect(ours) as our_conn, psycopg.connect(theirs) as their_conn:
        assert looks.tables(our_conn) == looks.tables(their_conn)


# ---------------------------------------------------------------- locks


def test_a_deployment_in_progress_is_not_called_failed(site: Site) -> None:
    name = "20240101000001_a"
    site.write(**{name: "SELECT 1;"})
    url = site.create()
    assert site.migsafe(url, "apply").code == 0
    execute(url, "TRUNCATE _prisma_migrations")
    insert(url, name)
    before = look(url)
    with psycopg.connect(url, autocommit=True) as deployer:
        deployer.execute("SELECT pg_advisory_lock(%s)", [LOCK])

        status = site.migsafe(url, "status")
        codes = [site.migsafe(url, command).code for command in ("plan", "apply")]
        resolved = site.migsafe(url, "resolve", "--rolled-back", name, "--force")

        assert status.code == 4, status.out
        assert [finding.code for finding in status.report.findings] == ["MH103"]
        assert status.report.history is not None
        assert status.report.history.state != "failed"
        assert status.report.history.failed == ()
        assert str(deployer.info.backend_pid) in status.report.findings[0].message
        assert (codes, resolved.code) == ([4, 4], 4)
    assert look(url) == before
    assert site.standing(url)[:2] == (7, "failed")


def test_apply_does_not_wait_for_a_deployment_of_prisma(site: Site) -> None:
    site.write(**{"20240101000001_a": "CREATE TABLE a ();"})
    url = site.create()
    before = look(url)
    with psycopg.connect(url, autocommit=True) as deployer:
        deployer.execute("SELECT pg_advisory_lock(%s)", [LOCK])

        busy = site.migsafe(url, "apply")

        assert busy.code == 4, busy.out
        assert str(deployer.info.backend_pid) in busy.err
    assert look(url) == before


def test_prismas_lock_is_held_while_a_migration_runs(site: Site) -> None:
    site.write(
        **{
            "20240101000001_a": "CREATE TABLE held AS SELECT count(*) AS locks FROM pg_locks"
            f" WHERE locktype = 'advisory' AND objid = {LOCK} AND objsubid = 1 AND granted;"
        }
    )
    url = site.create()

    assert site.migsafe(url, "apply").code == 0

    with psycopg.connect(url) as conn:
        assert conn.execute("SELECT locks FROM held").fetchone() == (1,)
        free = conn.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone()
        assert free == (True,)
