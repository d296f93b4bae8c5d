"""No password and no row value leaves the database: not by stdout, stderr, a file or a ledger."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from migsafe import pipeline
from migsafe.cli.output import FORMATS
from migsafe.errors import ExitCode
from migsafe.snapshots import programs
from tests.cli.canaries import ESCAPED, PASSWORD, ROW, command_lines, kept, leaks
from tests.cli.conftest import Files, Migsafe, child, prisma
from tests.conftest import Called
from tests.faults import enough

Lay = Callable[[Files], None]
Conn = psycopg.Connection[Any]
MakeRole = Callable[..., tuple[str, str]]

#: What a snapshot starts.
PROGRAMS = ("pg_dump", "pg_restore", "pg_dumpall")

FIRST, SECOND = "20250101000000_first", "20250102000000_second"


@pytest.fixture
def url(make_role: MakeRole, conn: Conn) -> str:
    """URL of a role whose password is a canary, and which may do all that an apply needs."""
    name, _ = make_role(password=PASSWORD)
    role = sql.Identifier(name)
    database = sql.Identifier(conn.info.dbname)
    conn.execute(sql.SQL("GRANT ALL ON DATABASE {} TO {}").format(database, role))
    conn.execute(sql.SQL("GRANT ALL ON SCHEMA public TO {}").format(role))
    host, port = conn.info.host, conn.info.port
    where = f"host={quote(host, safe='')}&port={port}"
    return f"postgresql://{name}:{ESCAPED}@/{conn.info.dbname}?{where}"


@pytest.fixture
def everywhere(
    migsafe: Migsafe, workdir: Path, superuser: Conn, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Called]:
    """Return a function that runs a command once a format and looks for canaries everywhere.

    Each of its runs writes a file in every format, whatever `formats` says of stdout.
    """
    (workdir / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(workdir / "tmp"))

    def run(code: ExitCode, *arguments: object, formats: Sequence[str] = FORMATS[::-1]) -> Called:
        files = [flag for name in FORMATS for flag in ("-o", f"{name}:report.{name}")]
        for name in formats:
            called = migsafe(*arguments, "--debug", "-v", "--format", name, *files)
            assert called.code == code, called.err + called.out
            assert leaks([called.out, called.err, *kept(workdir, superuser)]) == []
        return called

    return run


PEOPLE = f"""
    CREATE TABLE people (id int PRIMARY KEY, email text, phone text);
    INSERT INTO people VALUES (1, '{ROW}', '5'), (2, '{ROW}', NULL);"""


def with_rows(conn: Conn, migsafe: Migsafe, url: str) -> None:
    """Apply the first migration, and put canaries into its table."""
    call = ("apply", "--url", url, "--migrations", "prisma", "--gate", "never")
    assert migsafe(*call, "--to", FIRST).code == ExitCode.OK
    conn.execute(f"INSERT INTO people VALUES (1, '{ROW}', '5'), (2, '{ROW}', NULL)".encode())


TABLE = "CREATE TABLE people (id int PRIMARY KEY, email text, phone text);\n"


# ---------------------------------------------------------------- every command


def test_no_command_shows_a_password_or_a_value(
    everywhere: Callable[..., Called], migsafe: Migsafe, lay: Lay, superuser: Conn, url: str
) -> None:
    """A release with an audit that fails, and one that shows its key columns only."""
    audit = "-- key: id\nSELECT id, email, phone FROM people ORDER BY id;\n"
    counted = "SELECT * FROM people;\n"
    broken = "SELECT email::int FROM people;\n"
    expectations = "[[column]]\ntable = 'people'\ncolumn = 'email'\nnullable = false\n"
    lay(
        {
            **prisma(first=TABLE, second="CREATE TABLE second (id int);"),
            "audits/shown.sql": audit,
            "audits/counted.sql": counted,
            "audits/broken.sql": broken,
            "audits/expectations.toml": expectations,
        }
    )
    with_rows(superuser, migsafe, url)
    target = ("--url", url, "--migrations", "prisma")
    for command in ("audit", "plan", "apply", "apply --dry-run", "apply --snapshot", "verify"):
        everywhere(ExitCode.FINDINGS, *command.split(), *target)
    everywhere(ExitCode.OK, "status", *target)
    everywhere(ExitCode.FINDINGS, "resolve", "--applied", SECOND, *target)
    everywhere(ExitCode.USAGE, "resolve", "--rolled-back", SECOND, *target)
    everywhere(ExitCode.OK, "apply", "--gate", "never", *target)
    history = everywhere(ExitCode.OK, "history", *target)
    assert history.out
    run = superuser.execute("SELECT id FROM migsafe.runs").fetchone()
    assert run is not None
    everywhere(ExitCode.OK, "report", run[0], *target)
    everywhere(ExitCode.USAGE, "report", "no-such-run", *target)


def test_init_and_a_config_with_a_url_show_no_password(
    everywhere: Callable[..., Called], lay: Lay, url: str, workdir: Path
) -> None:
    lay({**prisma(first=TABLE), "migsafe.toml": f"[env.one]\nurl = '{url}'\n"})
    everywhere(ExitCode.OK, "status", "--migrations", "prisma")
    everywhere(ExitCode.USAGE, "status", "-e", "two", "--migrations", "prisma")
    everywhere(ExitCode.USAGE, "init")
    for wrong in (
        f"[env.one]\nurl = '{url}'\nulr = '{url}'\n",
        f"[env.one]\nurl = ['{url}']\n",
        f"[env.one]\nurl = '{url}'\nattempts = '{url}'\n",
        f"[env.one]\nurl = '{url}'\nlock_timeout = '{url}'\n",
        f"[history]\npath = '{url}'\n[env.one]\nurl = 'env:NOT_SET'\n",
        f"[history]\nlayout = '{url}'\npath = 'prisma'\n[env.one]\nurl = 'env:NOT_SET'\n",
        f"[audits]\npath = '{url}'\n",
        f"['{url}']\na = 1\n",
        f"[env.one]\nurl = '{url}\n",
        f"url = {url}\n",
    ):
        lay({"migsafe.toml": wrong})
        everywhere(ExitCode.USAGE, "plan")


@pytest.mark.parametrize(
    "flags",
    [
        ["{}"],
        ["--url", " {}"],
        ["--url", "{}&aplication_name=x"],
        ["--url", "{}&pgbouncer=true"],
        ["--url", "env:{}"],
        ["--url", "file:{}"],
        ["--url", "'{}'"],
        ["--url", "mysql+{}"],
        ["--ulr", "{}"],
        ["--ulr={}"],
        ["-c", "{}"],
        ["-e", "{}"],
        ["--migrations", "{}"],
        ["--audits", "{}"],
        ["--gate", "{}"],
        ["--history", "{}"],
        ["-o", "{}"],
        ["-o", "json:{}"],
        ["--to", "{}"],
    ],
)
def test_a_url_in_the_wrong_place_is_not_repeated(
    everywhere: Callable[..., Called], lay: Lay, database: str, url: str, flags: list[str]
) -> None:
    lay(prisma(first=TABLE))
    given = [flag.format(url) for flag in flags]
    default = [] if "--url" in flags else ["--url", database]
    default += [] if "--migrations" in flags else ["--migrations", "prisma"]
    everywhere(ExitCode.USAGE, "plan", *default, *given)


def test_a_server_that_refuses_does_not_make_us_repeat_the_password(
    everywhere: Callable[..., Called], lay: Lay, url: str
) -> None:
    lay(prisma(first=TABLE))
    for wrong in (
        f"postgresql://canary_user:{ESCAPED}@127.0.0.1:1/app?connect_timeout=1",
        f"postgresql://127.0.0.1:1/app?user=app&password={ESCAPED}&connect_timeout=1",
        f"postgresql://app:{ESCAPED}@/app?host=/nonexistent",
        url.replace("@/test_", "@/no_test_"),
    ):
        wrong = wrong.replace("canary_user", "app")
        everywhere(ExitCode.UNREACHABLE, "apply", "--url", wrong, "--migrations", "prisma")


# ---------------------------------------------------------------- migrations that fail on a row

VALUE = "DECLARE v text; BEGIN SELECT email INTO v FROM people LIMIT 1;"

FAILING = {
    "unique": "CREATE UNIQUE INDEX ON people (email);",
    "unique constraint": "ALTER TABLE people ADD UNIQUE (email);",
    "cast": "ALTER TABLE people ALTER email TYPE int USING email::int;",
    "cast to a date": "SELECT email::date FROM people;",
    "cast to json": "SELECT email::json FROM people;",
    "cast to a table": "SELECT email::regclass FROM people;",
    "cast of a column": "ALTER TABLE people ALTER email TYPE regclass USING email::regclass;",
    "cast to a schema": "SELECT email::regnamespace FROM people;",
    "cast to a table of a schema": "SELECT ('x.y.z.' || email)::regclass FROM people;",
    "cast to a table elsewhere": "SELECT (email || '.x')::regclass FROM people;",
    "cast to an operator": "SELECT email::regoper FROM people;",
    "cast to a dictionary": "SELECT email::regdictionary FROM people;",
    "cast to a role": "SELECT email::regrole FROM people;",
    "cast to a type": "SELECT email::regtype FROM people;",
    "cast to a function": "SELECT email::regprocedure FROM people;",
    "cast to an enum": "CREATE TYPE mood AS ENUM ('good');\nSELECT email::mood FROM people;",
    "too long": "ALTER TABLE people ALTER email TYPE varchar(3);",
    "check": "ALTER TABLE people ADD CHECK (length(email) < 3);",
    "not null": "ALTER TABLE people ALTER phone SET NOT NULL;",
    "not null of a new row": (
        "CREATE TABLE copied (email text, phone text NOT NULL);\n"
        "INSERT INTO copied SELECT email, phone FROM people ORDER BY id DESC;"
    ),
    "foreign key": (
        "CREATE TABLE known (email text PRIMARY KEY);\n"
        "ALTER TABLE people ADD FOREIGN KEY (email) REFERENCES known (email);"
    ),
    "deferred foreign key": (
        "CREATE TABLE known (email text PRIMARY KEY);\n"
        "CREATE TABLE copied (email text REFERENCES known DEFERRABLE INITIALLY DEFERRED);\n"
        "INSERT INTO copied SELECT email FROM people;"
    ),
    "no partition": (
        "CREATE TABLE parts (email text) PARTITION BY LIST (email);\n"
        "INSERT INTO parts SELECT email FROM people;"
    ),
    "setting": "SELECT set_config('work_mem', email, true) FROM people;",
    "file": "SELECT pg_read_file(email) FROM people;",
    "directory": "SELECT pg_ls_dir(email) FROM people;",
    "sequence": (
        f"DO $$ {VALUE} EXECUTE format('CREATE SEQUENCE %I', v); END $$;\n"
        "SELECT currval(quote_ident(email)) FROM people;"
    ),
    "exclusion": "ALTER TABLE people ADD EXCLUDE (email WITH =);",
    "raise": f"DO $$ {VALUE} RAISE EXCEPTION 'not liked: %', v; END $$;",
    "raise with a code": (
        f"DO $$ {VALUE} RAISE EXCEPTION 'no: %', v USING ERRCODE = 'unique_violation'; END $$;"
    ),
    "raise with another code": f"DO $$ {VALUE} RAISE '%', v USING ERRCODE = '42P01'; END $$;",
    "raise with a code of its own": f"DO $$ {VALUE} RAISE '%', v USING ERRCODE = 'CA001'; END $$;",
    "raise with names": (
        f"DO $$ {VALUE} RAISE 'x' USING TABLE = v, COLUMN = v, SCHEMA = v, CONSTRAINT = v; END $$;"
    ),
    "assert": f"DO $$ {VALUE} ASSERT false, v; END $$;",
    "execute": f"DO $$ {VALUE} EXECUTE v; END $$;",
    "execute a name": f"DO $$ {VALUE} EXECUTE format('DROP TABLE %I', v); END $$;",
    "execute a column": f"DO $$ {VALUE} EXECUTE format('SELECT %I FROM people', v); END $$;",
    "execute a role": f"DO $$ {VALUE} EXECUTE format('SET ROLE %I', v); END $$;",
    "execute it twice": (
        f"DO $$ {VALUE} FOR i IN 1..2 LOOP\n"
        "EXECUTE format('CREATE TABLE %I ()', v); END LOOP; END $$;"
    ),
    "function": (
        f"CREATE FUNCTION fails() RETURNS int LANGUAGE plpgsql AS $$ {VALUE}\n"
        "RAISE EXCEPTION '%', v USING ERRCODE = 'lock_not_available'; END $$;\nSELECT fails();"
    ),
    "trigger": (
        "CREATE FUNCTION refuses() RETURNS trigger LANGUAGE plpgsql AS\n"
        "$$BEGIN RAISE 'refused: %', NEW.email USING ERRCODE = '23514'; END$$;\n"
        "CREATE TRIGGER refuses BEFORE UPDATE ON people\n"
        "FOR EACH ROW EXECUTE FUNCTION refuses();\nUPDATE people SET id = id;"
    ),
    "sql function": (
        "CREATE FUNCTION casts(text) RETURNS int LANGUAGE sql AS 'SELECT $1::int';\n"
        "SELECT casts(email) FROM people;"
    ),
}


@pytest.mark.parametrize("kind", enough(list(FAILING)))
@pytest.mark.parametrize("alone", [False, True], ids=["in a transaction", "alone"])
def test_a_migration_that_fails_on_a_row_does_not_show_it(
    everywhere: Callable[..., Called],
    migsafe: Migsafe,
    lay: Lay,
    conn: Conn,
    database: str,
    kind: str,
    alone: bool,
) -> None:
    outside = "CREATE TABLE before ();\nVACUUM before;\nDROP TABLE before;\n" if alone else ""
    lay(prisma(first=TABLE, second=f"{outside}{FAILING[kind]}\n"))
    lay({"migsafe.toml": f"[env.one]\nurl = '{database}'\nattempts = 1\n"})
    with_rows(conn, migsafe, database)
    code = ExitCode.DIRTY if alone else ExitCode.FAILED
    if kind == "function" and not alone:
        code = ExitCode.BUSY  # the file says so itself
    target, formats = ("-e", "one", "--migrations", "prisma"), ("json", "text")
    everywhere(code, "apply", *target, "--gate", "never", formats=formats)
    everywhere(ExitCode.OK, "history", "--url", database, formats=formats)


def test_an_error_still_says_what_its_reader_wrote(
    migsafe: Migsafe, lay: Lay, conn: Conn, database: str
) -> None:
    """What is in the file already may be shown: names of tables, columns and functions."""
    said = {
        "ALTER TABLE nowhere ADD a int;": '"nowhere"',
        "DROP TABLE nowhere;": '"nowhere"',
        "ALTER TABLE people DROP COLUMN nowhere;": '"nowhere"',
        "ALTER TABLE people ADD COLUMN email text;": '"email"',
        "CREATE TABLE people ();": '"people"',
        "SELECT nowhere FROM people;": '"nowhere"',
        "SELECT nowhere();": "nowhere()",
        "ALTER TABLE people ALTER phone SET NOT NULL;": '"phone"',
        "ALTER TABLE people ADD UNIQUE (email);": '"people_email_key"',
        "DROP SCHEMA nowhere;": '"nowhere"',
        "CREATE TABLE People ();": '"people"',
        "CREATE INDEX ON people USING nowhere (id);": '"nowhere"',
    }
    lay(prisma(first=TABLE, second=""))
    with_rows(conn, migsafe, database)
    for text, name in said.items():
        lay({f"prisma/{SECOND}/migration.sql": text})
        call = ("apply", "--url", database, "--migrations", "prisma", "--format", "json")
        report = migsafe(*call, "--gate", "never").report
        assert report.exit_code == ExitCode.FAILED
        assert name in str(report.steps[0].error), text


@pytest.mark.parametrize(
    "query",
    [
        "SELECT email::int FROM people",
        "SELECT email::regclass FROM people",
        "SELECT email::regrole FROM people",
        "SELECT email::json FROM people",
        "SELECT email::regoper FROM people",
        "SELECT email::regnamespace FROM people",
        "SELECT 1 FROM people WHERE email::date > now()",
        "SELECT loud(email) FROM people",
        "SELECT query_of(email) FROM people",
        "SELECT to_regclass(email), current_setting(email) FROM people",
    ],
)
def test_an_audit_that_fails_on_a_row_does_not_show_it(
    everywhere: Callable[..., Called], lay: Lay, conn: Conn, database: str, query: str
) -> None:
    conn.execute(PEOPLE.encode())
    conn.execute(
        """CREATE FUNCTION loud(text) RETURNS int LANGUAGE plpgsql AS
           $$BEGIN RAISE '%', $1 USING ERRCODE = '42P01'; END$$"""
    )
    conn.execute(
        """CREATE FUNCTION query_of(text) RETURNS int LANGUAGE plpgsql AS
           $$DECLARE n int; BEGIN EXECUTE format('SELECT 1 FROM %I', $1) INTO n; RETURN n; END$$"""
    )
    lay({"audits/failing.sql": f"-- key: id\n{query};\n"})
    called = everywhere(ExitCode.FINDINGS, "audit", "--url", database)
    assert "MA002" in called.out


def test_a_nearest_name_is_a_name_of_the_catalog_and_no_value(
    everywhere: Callable[..., Called], lay: Lay, conn: Conn, database: str
) -> None:
    conn.execute(PEOPLE.encode())
    lay({"audits/failing.sql": "SELECT emial FROM people;\n"})
    called = everywhere(ExitCode.FINDINGS, "audit", "--url", database)
    assert "did you mean email?" in called.out


# ---------------------------------------------------------------- bugs


@pytest.mark.parametrize(
    "command", ["status", "audit", "plan", "apply", "verify", "gate", "history"]
)
def test_the_kept_traceback_of_a_bug_holds_no_password(
    migsafe: Migsafe,
    lay: Lay,
    conn: Conn,
    url: str,
    workdir: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    (workdir / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(workdir / "tmp"))
    lay(prisma(first=TABLE))
    parts = dict(psycopg.conninfo.conninfo_to_dict(url))

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError(f"it was {url}, that is {parts}, or {url}&more=1")

    monkeypatch.setattr(pipeline, command, fails)
    call = (command, "--url", url, "--migrations", "prisma", "--debug", "-v", "--format", "json")
    called = migsafe(*call, "-o", "json:report.json")
    assert called.code == ExitCode.BUG
    (trace,) = (workdir / "tmp").glob("migsafe-*.log")
    assert str(trace) in called.err
    assert trace.stat().st_mode & 0o077 == 0
    assert "RuntimeError" in trace.read_text()
    assert "in fails" in trace.read_text()
    assert leaks([trace.read_text()]) == []
    assert leaks([called.out, called.err, *kept(workdir, conn)]) == []
    assert called.report.exit_code == ExitCode.BUG
    assert str(trace) in str(called.report.error)


def test_the_kept_traceback_of_a_bug_holds_no_row(
    migsafe: Migsafe, conn: Conn, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workdir / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(workdir / "tmp"))
    conn.execute(PEOPLE.encode())

    def fails(*_: object, **__: object) -> None:
        try:
            conn.execute("SELECT email::int FROM people")
        except psycopg.Error:
            conn.execute("CREATE UNIQUE INDEX ON people (email)")

    monkeypatch.setattr(pipeline, "status", fails)
    called = migsafe("status", "--debug", "-v", "--format", "json")
    assert called.code == ExitCode.BUG
    (trace,) = (workdir / "tmp").glob("migsafe-*.log")
    assert "23505" in trace.read_text()
    assert "22P02" in trace.read_text()
    assert leaks([called.out, called.err, trace.read_text()]) == []


# ---------------------------------------------------------------- the process list


def test_the_process_list_of_a_snapshot_holds_no_password(
    lay: Lay,
    migsafe: Migsafe,
    superuser: Conn,
    url: str,
    workdir: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A script in front of pg_dump holds it up until its command line has been read."""
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("needs /proc")
    lay(prisma(first=TABLE, second="CREATE TABLE second (id int);"))
    with_rows(superuser, migsafe, url)
    path = _slow_programs(tmp_path_factory.mktemp("bin"), superuser.info.server_version // 10000)
    command = child("apply", "--snapshot", "--migrations", "prisma", "--format", "json")
    with subprocess.Popen(
        command,
        cwd=workdir,
        env=os.environ | {"MIGSAFE_URL": url, "PATH": f"{path}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        seen: set[str] = set()
        while process.poll() is None:
            seen |= command_lines(process.pid)
            time.sleep(0.02)
        out, err = process.communicate(timeout=30)
    assert process.returncode == ExitCode.OK, err
    for program, flag in (("pg_dump", "--format"), ("pg_restore", "--list"), ("pg_dumpall", "--g")):
        assert any(f"{program}\0{flag}" in line for line in seen), seen
    assert leaks([*seen, out, err]) == []


def _slow_programs(folder: Path, major: int) -> Path:
    """Put scripts into a directory that wait, and then are the programs of a version."""
    for real in (programs.find(major).folder / name for name in PROGRAMS):
        script = folder / real.name
        script.write_text(f'#!/bin/sh\n[ "$1" = --version ] || sleep 0.2\nexec {real} "$@"\n')
        script.chmod(0o755)
    return folder
