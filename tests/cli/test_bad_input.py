"""Whatever is wrong with the input or the environment: one line, one exit code, nothing changed."""

import json
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from migsafe.errors import ExitCode
from tests.cli.cluster import Cluster
from tests.cli.conftest import (
    NOWHERE,
    TWO,
    Files,
    Migsafe,
    Refusal,
    child,
    login,
    photograph,
    prisma,
)
from tests.conftest import Called

Lay = Callable[[Files], None]
Refused = Callable[..., Refusal]
MakeRole = Callable[..., tuple[str, str]]
Conn = psycopg.Connection[Any]

PLAIN: Files = {"db/001_first.sql": "CREATE TABLE first (id int PRIMARY KEY);\n"}


def unreadable(path: Path) -> None:
    """Make a file whose reading fails, also for root: the kernel refuses to read address 0."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if os.geteuid():
        path.touch(mode=0)
    elif Path("/proc/self/mem").exists():
        path.symlink_to("/proc/self/mem")
    else:
        pytest.skip("root can read every file here")


# ---------------------------------------------------------------- the call and the config


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["status", "--migrations", "db"], "target: no database is named"),
        (["status", "--url", NOWHERE, "--migrations", "nowhere"], "nowhere: there is no such"),
        (["status", "--url", NOWHERE, "--migrations", "db/001_first.sql"], "db/001_first.sql:"),
        (["status", "--url", NOWHERE, "--migrations", "empty"], "empty: no migration is found"),
        (["status", "--url", NOWHERE, "--migrations", "."], "did you mean db?"),
        (["status", "--url", NOWHERE, "--migrations", "db", "--audits", "none"], "none: there is"),
        (["status", "-c", "nowhere.toml"], "nowhere.toml: there is no such config file"),
        (["status", "-c", "empty"], "empty: there is no such config file"),
        (["status", "-e", "production"], "migsafe.toml: env.production: no such environment"),
        (["audit", "--url", NOWHERE], "audits: there are none to run"),
        (["resolve", "--url", NOWHERE, "--migrations", "db"], "resolve: nothing is said"),
        (
            ["resolve", "--url", NOWHERE, "--applied", "a", "--rolled-back", "b"],
            "resolve: two things are said",
        ),
        (["init", "--migrations", "nowhere"], "nowhere: there is no such directory"),
    ],
)
def test_something_that_is_not_there_is_named(
    refused: Refused, lay: Lay, workdir: Path, arguments: list[str], said: str
) -> None:
    lay(PLAIN)
    (workdir / "empty").mkdir()
    _said(refused(ExitCode.USAGE, *arguments), said)


def test_a_command_about_a_history_asks_for_one(refused: Refused, database: str) -> None:
    for command in ("status", "plan", "apply", "baseline", "resolve --applied x"):
        refusal = refused(ExitCode.USAGE, *command.split(), "--url", database, unchanged=database)
        _said(refusal, "history: no migrations are named")


def _said(refusal: Refusal, said: str) -> None:
    """Check the form of an error: the place first, and last what to do."""
    assert said in refusal.error
    assert ": " in refusal.error
    assert "; " in refusal.error
    assert not refusal.error.endswith(("; ", ";"))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("env:NOT_SET_HERE", "env:NOT_SET_HERE: the variable is not set"),
        ("file:nowhere.txt", "nowhere.txt: the file with the URL cannot be read"),
        ("file:empty.txt", "empty.txt: the file with the URL is empty"),
        ("mysql://localhost/app", "target: the URL is not a PostgreSQL one"),
        ("no url at all", "target: the URL is not a PostgreSQL one"),
        ("prisma://accelerate/?api_key=x", "prisma://…: is a proxy"),
        ("aws-secret:#DATABASE_URL", "aws-secret:: names nothing"),
        ("rds-iam://me@localhost/app", "localhost: a token is signed for the name of an endpoint"),
        ("postgresql://localhost/app?aplication_name=x", "did you mean application_name?"),
        ("postgresql://localhost/app?pgbouncer=true", "pgbouncer=true: a transaction pooler"),
        ("postgresql://localhost/app?sslidentity=a.p12", "?sslidentity=: is not served"),
        ("postgresql://local host/app", "target: the URL cannot be read"),
        ("postgresql://localhost/app?sslmode=perhaps", "sslmode"),
        ("postgresql://localhost/app?connect_timeout=abc", "localhost/app: the URL cannot be used"),
        (f"postgresql://{'a' * 3000}/app", "the URL cannot be used"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_by_its_reason(
    refused: Refused, lay: Lay, url: str, said: str
) -> None:
    lay({**PLAIN, "empty.txt": "\n"})
    code = ExitCode.UNREACHABLE if "perhaps" in url else ExitCode.USAGE
    _said(refused(code, "status", "--url", url, "--migrations", "db"), said)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (b"historry = 1", "migsafe.toml: historry: unknown key; did you mean history?"),
        (
            b"[history]\npathh = 'db'",
            "migsafe.toml: history.pathh: unknown key; did you mean path?",
        ),
        (
            b"[env.production]\nurl = 'x'\nlocktimeout = '5s'",
            "migsafe.toml: env.production.locktimeout: unknown key; did you mean lock_timeout?",
        ),
        (b"[env.production]\nurl = 'x'\nzzz = 1", "env.production.zzz: unknown key; the keys"),
        (b"[env.production]\nurl = 5", "migsafe.toml: env"),
        (b"[env.production]\nlock_timeout = '5s'", "url"),
        (b"[env.production]\nurl = 'x'\nattempts = 'ten'", "attempts"),
        (b"[env.production]\nurl = 'x'\nattempts = 0", "env.production.attempts: 0 is below 1"),
        (b"[env.production]\nurl = 'x'\nlock_timeout = 'soon'", "env.production.lock_timeout"),
        (b"[env.production]\nurl = 'x'\nsource_cidr = '10.0.0.0/8'", "env.production.source_cidr"),
        (b"[env.production]\nurl = 'x'\nsnapshot = 'tape'", "snapshot"),
        (b"[gate]\nseverity = 'fatal'", "migsafe.toml: gate.severity: "),
        (b"env = 3", "migsafe.toml: env: "),
        (b"[history]\nlayout = 'flywayy'\npath = 'db'", "history.layout"),
        (b"[history", "migsafe.toml: not valid TOML"),
        (b"\xff\xfe", "migsafe.toml: is not UTF-8"),
    ],
)
def test_a_wrong_config_is_named_by_file_and_key(
    refused: Refused, lay: Lay, config: bytes, said: str
) -> None:
    lay({**PLAIN, "migsafe.toml": config})
    _said(refused(ExitCode.USAGE, "status", "--url", NOWHERE), said)


def test_a_config_that_cannot_be_read_is_named(refused: Refused, lay: Lay, workdir: Path) -> None:
    lay(PLAIN)
    unreadable(workdir / "migsafe.toml")
    _said(refused(ExitCode.USAGE, "status", "--url", NOWHERE), "migsafe.toml: cannot be read")


def test_an_unknown_environment_names_the_nearest(refused: Refused, lay: Lay) -> None:
    lay({"migsafe.toml": f"[env.production]\nurl = '{NOWHERE}'\n"})
    _said(refused(ExitCode.USAGE, "status", "-e", "prodution"), "did you mean production?")


def test_from_below_the_config_the_way_to_it_is_told(
    migsafe: Migsafe, lay: Lay, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay({"migsafe.toml": "", "app/db/001_first.sql": "SELECT 1;"})
    monkeypatch.chdir(workdir / "app" / "db")
    told = "migsafe: migsafe.toml is not here, but above: go there, or give -c ../../migsafe.toml"
    assert told in migsafe("status").err.splitlines()
    assert told not in migsafe("status", "-c", "../../migsafe.toml").err
    monkeypatch.chdir(workdir)
    assert "not here" not in migsafe("status").err


def test_one_directory_that_can_be_read_in_two_ways_is_refused(refused: Refused, lay: Lay) -> None:
    lay({"db/V1__first.sql": "SELECT 1;", "db/001_first.sql": "SELECT 1;"})
    refusal = refused(ExitCode.USAGE, "status", "--url", NOWHERE, "--migrations", "db")
    assert "flyway" in refusal.error
    assert "numbered" in refusal.error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["status", "--no-such-option"], "--no-such-option"),
        (["status", "one", "two"], "one two"),
        (["status", "--gate", "fatal"], "'fatal'"),
        (["status", "--history", "rails"], "'rails'"),
        (["history", "--limit", "0"], "0"),
        (["history", "--limit", "many"], "many"),
        (["report"], "RUN"),
    ],
)
def test_a_wrong_flag_is_one_line_and_one_object(
    refused: Refused, lay: Lay, arguments: list[str], said: str
) -> None:
    assert said in refused(ExitCode.USAGE, *arguments).error


@pytest.mark.parametrize(
    "arguments",
    [
        ["applyy"],
        ["--config", "x"],
        ["status", "--format", "yaml"],
        ["status", "-o"],
        ["apply", "--to"],
    ],
)
def test_a_wrong_call_without_a_format_says_so_on_stderr_only(
    migsafe: Migsafe, arguments: list[str]
) -> None:
    called = migsafe(*arguments)
    assert called.code == ExitCode.USAGE
    assert called.out == ""
    assert called.err.splitlines()[-1].startswith("migsafe: USAGE: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nosuch", "--format", "json"],
        ["rehearse", "--format=json"],
        ["snapshot", "foo", "--format", "json"],
        ["status", "-o", "foo", "--format", "json"],
        ["status", "--migrations", "\udcff", "--format", "json"],
        ["apply", "--to", "\udcff", "--format", "json"],
        ["resolve", "--applied", "\udcff", "--format", "json"],
        ["report", "\udcff", "--format", "json"],
        ["report", "--format", "json", "--", "\udcff"],
        ["status", "--url", "postgresql://u:PASSWORD\udcff@h/d", "--format", "json"],
    ],
)
def test_a_call_that_cannot_be_parsed_is_json_where_that_was_asked_for(
    migsafe: Migsafe, arguments: list[str]
) -> None:
    called = migsafe(*arguments)
    assert called.code == ExitCode.USAGE, called.err
    assert called.report.exit_code == ExitCode.USAGE
    assert called.report.error
    assert "PASSWORD" not in called.out + called.err


def test_the_format_of_another_command_is_not_ours(migsafe: Migsafe) -> None:
    called = migsafe("gate", "--no-such-flag", "--", "terraform", "--format", "json")
    assert (called.code, called.out) == (ExitCode.USAGE, "")


@pytest.mark.parametrize("output", ["xml:report.xml", "report", "json:nowhere/report.json", "."])
def test_an_output_that_cannot_be_written_is_refused_before_anything_runs(
    migsafe: Migsafe, lay: Lay, database: str, output: str
) -> None:
    lay(TWO)
    before = photograph(database)
    called = migsafe("apply", "--url", database, "--migrations", "prisma", "-o", output)
    assert called.code == ExitCode.USAGE, called.err
    assert photograph(database) == before


# ---------------------------------------------------------------- migrations


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (b"SELECT '\xff';", "line 1 is not UTF-8"),
        (b"SELECT 1;\nSELECT '\xe9t\xe9';", "line 2 is not UTF-8"),
        (b"\xff\xfeS\x00E\x00", "line 1 is not UTF-8"),
        (b"\xef\xbb\xbfSELECT 1;", "begins with a byte order mark"),
        (b"SELECT 1;\nSELECT 'a\x00b';", "line 2 holds a NUL byte"),
        (b"SELECT 1;\n\\i other.sql\n", "migration.sql:2:1: a psql meta-command"),
        (b"\\set ON_ERROR_STOP on\nSELECT 1;", "migration.sql:1:1: a psql meta-command"),
        (b"SELECT 1 \\gexec\n", "migration.sql:1:10: "),
        (b"CREATE TABLEX second (id int);", "migration.sql:1:8: "),
        (b"SELECT 1;\n\nCREATE TABLE second (\n    id int,\n);\n", "migration.sql:5:1: "),
        ("SELECT 'schön';\n  SELEC 'ü';".encode(), "migration.sql:2:3: "),
        (b"SELECT 'no end;", "migration.sql:1:8: "),
        (b"DO $$BEGIN NULL; END;", "migration.sql:1:4: "),
        (b"COPY second FROM STDIN;\n", "migration.sql:1: COPY from or to the client"),
        (b"COPY first FROM STDIN;\n1\n2\n\\.\n", "COPY … FROM STDIN with inline data"),
        (b"\n\nBEGIN;\nCREATE TABLE second (id int);\n", "migration.sql:3: this BEGIN has no"),
        (
            b"BEGIN;\nSELECT 1;\nCREATE INDEX CONCURRENTLY i ON first (id);\nCOMMIT;\n",
            "migration.sql:3: CREATE INDEX CONCURRENTLY cannot run in the BEGIN",
        ),
    ],
)
def test_a_migration_that_cannot_run_is_refused_before_the_one_before_it_runs(
    refused: Refused, lay: Lay, database: str, second: bytes, said: str
) -> None:
    lay(prisma(first="CREATE TABLE first (id int);", second=second, third="SELECT 1;"))
    call = ("--url", database, "--migrations", "prisma")
    for command in ("plan", "apply", "apply --dry-run"):
        refusal = refused(ExitCode.USAGE, *command.split(), *call, unchanged=database)
        _said(refusal, said)
        assert "20250102000000_second/migration.sql" in refusal.error


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("2_b.sql", "-- + goose Up\nSELECT 2;\n-- +goose Down\n", "has no mark of an Up part"),
        ("2_b.sql", "SELECT 1;\n-- +goose Up\nSELECT 2;\n", "line 1 is above the first mark"),
        ("link.sql", "", "cannot be read: No such file or directory"),
    ],
)
def test_a_file_of_which_nothing_would_run_is_refused_and_not_done(
    migsafe: Migsafe,
    refused: Refused,
    lay: Lay,
    database: str,
    workdir: Path,
    name: str,
    text: str,
    said: str,
) -> None:
    lay({"db/1_a.sql": "-- +goose Up\nCREATE TABLE a ();\n"})
    if text:
        lay({f"db/{name}": text})
    else:
        (workdir / "db" / f"2_{name}").symlink_to("nowhere")
    call = ("--url", database, "--migrations", "db")
    for command in ("plan", "apply"):
        _said(refused(ExitCode.USAGE, command, *call, unchanged=database), said)
    linted = migsafe("lint", "--migrations", "db", "--format", "json")
    assert linted.code == ExitCode.FINDINGS
    assert "MH126" in {found.code for found in linted.report.findings}


def test_what_comes_before_a_bad_migration_can_be_applied_alone(
    migsafe: Migsafe, refused: Refused, lay: Lay, database: str, conn: Conn
) -> None:
    lay(prisma(first="CREATE TABLE first (id int);", second="SELEC 1;"))
    call = ("apply", "--url", database, "--migrations", "prisma")
    assert migsafe(*call, "--to", "20250101000000_first").code == ExitCode.OK
    assert conn.execute("SELECT to_regclass('first') IS NOT NULL").fetchone() == (True,)
    refused(ExitCode.USAGE, *call, unchanged=database)


def test_a_new_label_that_is_used_in_its_transaction_leaves_nothing(
    migsafe: Migsafe, lay: Lay, database: str, conn: Conn
) -> None:
    used = "ALTER TYPE mood ADD VALUE 'b';\nINSERT INTO moods VALUES ('b');"
    lay(
        prisma(
            first="CREATE TYPE mood AS ENUM ('a'); CREATE TABLE moods (it mood);",
            second=f"BEGIN;\nCREATE TABLE second ();\n{used}\nCOMMIT;\n",
        )
    )
    call = ("apply", "--url", database, "--migrations", "prisma", "--gate", "never")
    assert migsafe(*call).code == ExitCode.FAILED
    row = conn.execute("SELECT enum_range(NULL::mood)::text, to_regclass('second')").fetchone()
    assert row == ("{a}", None)


@pytest.mark.parametrize("style", ["SQL, DMY", "German", "Postgres, MDY"])
@pytest.mark.parametrize("inside", [True, False], ids=["by a migration", "before"])
def test_dates_may_be_written_in_any_style(
    migsafe: Migsafe, lay: Lay, database: str, conn: Conn, style: str, inside: bool
) -> None:
    choose = f"ALTER DATABASE \"{conn.info.dbname}\" SET datestyle = '{style}';"
    written = "SELECT '2024-03-02 01:02:03+00'::timestamptz::text AS it, '02.03.2024'::date AS day"
    if not inside:
        conn.execute(choose.encode())
    lay(
        prisma(
            first=choose if inside else "SELECT 1;",
            second=f"CREATE TABLE second AS {written};",
            third="CREATE TABLE third (); VACUUM third;",
        )
    )
    call = ("--url", database, "--migrations", "prisma")
    first = migsafe("apply", *call, "--to", "20250101000000_first")
    assert first.code == ExitCode.OK, first.err
    # A shadow's database has a name of its own.
    for command in ("apply", "apply", "status", *([] if inside else ["verify"])):
        called = migsafe(command, *call)
        assert called.code == ExitCode.OK, called.err
    with psycopg.connect(database) as psql:
        same = f"SELECT count(*) FROM second JOIN ({written}) AS one USING (it, day)"
        assert psql.execute(same.encode()).fetchone() == (1,)


@pytest.mark.parametrize(
    ("first", "made"),
    [
        (b"CREATE TABLE made (\r\n    id int -- a comment\r\n);\r\n-- the end\r\n", True),
        (b"CREATE TABLE made (id int) -- no semicolon, no newline", True),
        (b"", False),
        (b"\n\n", False),
        (b"-- nothing but a comment", False),
        (b"/* nothing\n   but a comment */;\n;;\n", False),
    ],
)
def test_odd_but_valid_migrations_are_applied_and_recorded(
    migsafe: Migsafe, lay: Lay, database: str, conn: Conn, first: bytes, made: bool
) -> None:
    lay(prisma(first=first))
    call = ("--url", database, "--migrations", "prisma")
    assert migsafe("apply", *call).code == ExitCode.OK
    assert conn.execute("SELECT to_regclass('made') IS NOT NULL").fetchone() == (made,)
    recorded = conn.execute("SELECT migration_name FROM _prisma_migrations").fetchall()
    assert recorded == [("20250101000000_first",)]
    again = migsafe("status", *call, "--format", "json").report
    assert again.history is not None
    assert again.history.edited == ()


def test_a_byte_order_mark_is_what_flyway_strips(
    migsafe: Migsafe, lay: Lay, database: str, conn: Conn
) -> None:
    lay({"db/V1__first.sql": b"\xef\xbb\xbfCREATE TABLE first (id int);\r\n"})
    assert migsafe("apply", "--url", database, "--migrations", "db").code == ExitCode.OK
    assert conn.execute("SELECT to_regclass('first') IS NOT NULL").fetchone() == (True,)


def test_a_prisma_directory_without_its_script_stops_everything(
    refused: Refused, lay: Lay, database: str, workdir: Path
) -> None:
    lay(TWO)
    (workdir / "prisma/20250101500000_lost").mkdir()
    call = ("--url", database, "--migrations", "prisma")
    for command in ("plan", "apply"):
        refusal = refused(ExitCode.USAGE, command, *call, unchanged=database)
        _said(refusal, "P3015")
        assert "20250101500000_lost" in refusal.error


@pytest.mark.parametrize("file", ["prisma/20250103000000_third/migration.sql", "db/002_next.sql"])
def test_a_migration_that_cannot_be_read_is_named(
    refused: Refused, lay: Lay, database: str, workdir: Path, file: str
) -> None:
    lay({**TWO, **PLAIN})
    unreadable(workdir / file)
    call = ("--url", database, "--migrations", file.partition("/")[0])
    _said(refused(ExitCode.USAGE, "apply", *call, unchanged=database), file)


def test_a_prisma_script_that_is_a_directory_is_named(
    refused: Refused, lay: Lay, database: str, workdir: Path
) -> None:
    lay(TWO)
    (workdir / "prisma/20250103000000_third/migration.sql").mkdir(parents=True)
    call = ("--url", database, "--migrations", "prisma")
    _said(refused(ExitCode.USAGE, "apply", *call, unchanged=database), "20250103000000_third")


@pytest.mark.parametrize(
    "names",
    [
        ("V1__first.sql", "V1.0__second.sql"),
        ("V2__a.sql", "more/V2__a.sql"),
    ],
)
def test_two_migrations_of_one_version_are_refused(
    refused: Refused, lay: Lay, database: str, names: tuple[str, str]
) -> None:
    lay({f"db/{name}": "SELECT 1;" for name in names})
    call = ("--url", database, "--migrations", "db")
    refusal = refused(ExitCode.USAGE, "apply", *call, unchanged=database)
    _said(refusal, "are both")
    assert all(name in refusal.error for name in names)


def test_two_migrations_of_one_name_are_refused(refused: Refused, lay: Lay, database: str) -> None:
    mark = "-- +goose Up\nSELECT 1;\n"
    lay({"db/1_first.sql": mark, "db/001_other.sql": mark})
    call = ("--url", database, "--migrations", "db")
    _said(refused(ExitCode.USAGE, "apply", *call, unchanged=database), "are both 1")


@pytest.mark.parametrize("name", [b"002_\xff.sql", b"2025\xff_x"])
def test_a_name_that_is_not_utf_8_is_refused(
    refused: Refused, lay: Lay, database: str, workdir: Path, name: bytes
) -> None:
    lay(PLAIN)
    try:
        (workdir / "db" / os.fsdecode(name)).touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    for command in ("status", "apply"):
        call = (command, "--url", database, "--migrations", "db")
        _said(refused(ExitCode.USAGE, *call, unchanged=database), "is not UTF-8")


def test_a_mysql_prisma_directory_is_refused(refused: Refused, lay: Lay) -> None:
    lay({**TWO, "prisma/migration_lock.toml": 'provider = "mysql"\n'})
    call = ("--url", NOWHERE, "--migrations", "prisma")
    _said(refused(ExitCode.USAGE, "status", *call), "P3019")


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_a_name_that_is_no_migration_is_refused_with_the_nearest(
    refused: Refused, lay: Lay, database: str, command: str
) -> None:
    lay(TWO)
    call = (command, "--url", database, "--migrations", "prisma", "--to", "20250102000000_secnd")
    _said(refused(ExitCode.USAGE, *call, unchanged=database), "did you mean 20250102000000_second?")


# ---------------------------------------------------------------- audits and expectations


@pytest.mark.parametrize(
    ("audit", "said"),
    [
        ("UPDATE t SET a = 1 RETURNING id;", "not a SELECT"),
        ("DELETE FROM t;", "not a SELECT"),
        ("TRUNCATE t;", "not a SELECT"),
        ("DO $$BEGIN DELETE FROM t; END$$;", "not a SELECT"),
        ("EXPLAIN ANALYZE DELETE FROM t;", "not a SELECT"),
        ("COPY t TO PROGRAM 'cat';", "not a SELECT"),
        ("SET default_transaction_read_only = off;", "not a SELECT"),
        ("WITH gone AS (DELETE FROM t RETURNING id) SELECT id FROM gone;", "DELETE"),
        ("WITH a AS (INSERT INTO t VALUES (1) RETURNING id) SELECT id FROM a;", "INSERT"),
        ("SELECT id INTO copied FROM t;", "SELECT INTO"),
        ("SELECT id FROM t FOR UPDATE;", "FOR UPDATE"),
        ("SELECT id FROM (SELECT id FROM t FOR SHARE) AS s;", "FOR"),
        ("SELECT 1; SELECT 2;", "2 statements"),
        ("SELECT 1; COMMIT; DELETE FROM t;", "3 statements"),
        ("SELECT pg_terminate_backend(1);", "pg_terminate_backend()"),
        ("SELECT set_config('transaction_read_only', 'off', true);", "set_config()"),
        ("SELECT nextval('s');", "nextval()"),
        ("-- nothing but a comment", "0 statements"),
        ("SELECT 1) AS o; DROP TABLE t; SELECT (1", "bad.sql:2:"),
        ("SELEC 1;", "bad.sql:2:1: "),
    ],
)
@pytest.mark.parametrize("command", ["audit", "plan", "apply"])
def test_an_audit_that_is_not_one_question_is_refused_before_any_connection(
    refused: Refused, lay: Lay, command: str, audit: str, said: str
) -> None:
    lay({**TWO, "audits/bad.sql": f"-- audit: bad\n{audit}\n"})
    call = (command, "--url", NOWHERE, "--migrations", "prisma")
    refusal = refused(ExitCode.USAGE, *call)
    _said(refusal, said)
    assert refusal.error.startswith("audits/bad.sql:")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("-- severty: error", "audits/bad.sql:1: unknown audit key 'severty'; did you mean sev"),
        ("-- severity: fatal", "audits/bad.sql: unknown severity"),
        ("-- max: some", "audits/bad.sql: max is no whole number"),
        ("-- timeout: soon", "audits/bad.sql: timeout 'soon' is no duration"),
        ("-- timeout: 0s", "audits/bad.sql: timeout '0s' is no duration"),
        ("-- key: id\n-- key: id", "audits/bad.sql:2: key is given twice"),
        ("-- key:", "audits/bad.sql:1: key has no value"),
        ("-- before: 20250102000000_secod", "audits/bad.sql: before: there is no migration"),
    ],
)
def test_a_wrong_audit_header_is_refused_before_any_connection(
    refused: Refused, lay: Lay, header: str, said: str
) -> None:
    lay({**TWO, "audits/bad.sql": f"{header}\nSELECT 1;\n"})
    call = ("audit", "--url", NOWHERE, "--migrations", "prisma")
    _said(refused(ExitCode.USAGE, *call), said)


def test_two_audits_of_one_name_are_refused(refused: Refused, lay: Lay) -> None:
    audit = "-- audit: same\nSELECT 1;\n"
    lay({"audits/a.sql": audit, "audits/b.sql": audit})
    _said(refused(ExitCode.USAGE, "audit", "--url", NOWHERE), "audits/b.sql: same is already")


def test_an_audit_that_cannot_be_read_is_named(refused: Refused, lay: Lay, workdir: Path) -> None:
    lay({"audits/latin.sql": b"SELECT '\xe9';"})
    _said(refused(ExitCode.USAGE, "audit", "--url", NOWHERE), "audits/latin.sql: cannot be read")
    (workdir / "audits/latin.sql").unlink()
    unreadable(workdir / "audits/secret.sql")
    _said(refused(ExitCode.USAGE, "audit", "--url", NOWHERE), "audits/secret.sql: cannot be read")


@pytest.mark.parametrize(
    ("expectations", "said"),
    [
        (b"[[column]", "expectations.toml: not valid TOML"),
        (b"\xff", "expectations.toml: not valid TOML"),
        (b"[[columnz]]\ntable = 'first'", "expectations.toml: columnz: unknown key"),
        (b"column = 5", "expectations.toml"),
        (b"[[column]]\ntable = 'first'", "expectations.toml: column 1"),
        (b'[[column]]\ntable = "\\u0000"\ncolumn = "id"', "column 1: a name holds a NUL"),
        (b"[[column]]\ntable = 'first'\ncolumn = 'id'\nnulable = true", "did you mean nullable?"),
        (b"[[column]]\ntable = 'first'\ncolumn = 'id'\nnullable = 'no'", "column 1"),
        (
            b"[[column]]\ntable = 'first'\ncolumn = 'id'\nsince = '20250102000000_secnd'",
            "did you mean 20250102000000_second?",
        ),
    ],
)
@pytest.mark.parametrize("command", ["verify", "plan", "apply"])
def test_wrong_expectations_are_refused_before_anything_runs(
    refused: Refused, lay: Lay, database: str, command: str, expectations: bytes, said: str
) -> None:
    lay({**TWO, "audits/expectations.toml": expectations})
    call = (command, "--url", database, "--migrations", "prisma")
    _said(refused(ExitCode.USAGE, *call, unchanged=database), said)


# ---------------------------------------------------------------- servers


def test_a_port_where_nobody_listens_is_unreachable(refused: Refused, lay: Lay) -> None:
    lay({**TWO, "audits/one.sql": "SELECT 1 WHERE false;\n"})
    call = ("--url", NOWHERE, "--migrations", "prisma")
    commands = ("status", "audit", "plan", "verify", "apply", "apply --dry-run", "apply --snapshot")
    for command in (*commands, "history", "report 01", "resolve --applied 20250101000000_first"):
        refusal = refused(ExitCode.UNREACHABLE, *command.split(), *call)
        _said(refusal, "127.0.0.1:1/nothing: ")


def test_a_host_that_does_not_exist_is_unreachable(refused: Refused, lay: Lay) -> None:
    lay(TWO)
    url = "postgresql://nobody@no-such-host.invalid/app?connect_timeout=2"
    refusal = refused(ExitCode.UNREACHABLE, "apply", "--url", url, "--migrations", "prisma")
    _said(refusal, "no-such-host.invalid/app: ")


def test_a_socket_that_does_not_exist_is_unreachable(refused: Refused, lay: Lay) -> None:
    lay(TWO)
    url = "postgresql://nobody@/app?host=/nonexistent"
    refusal = refused(ExitCode.UNREACHABLE, "apply", "--url", url, "--migrations", "prisma")
    _said(refusal, "/nonexistent/app: ")


def test_a_database_that_does_not_exist_is_unreachable(
    refused: Refused, lay: Lay, database: str
) -> None:
    lay(TWO)
    url = database.replace("/test_", "/no_test_")
    refusal = refused(ExitCode.UNREACHABLE, "apply", "--url", url, "--migrations", "prisma")
    _said(refusal, "no_test_")


@contextmanager
def listening(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Listen on a free port, answer each client, and yield the URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                try:
                    client, _ = server.accept()
                except TimeoutError:
                    continue
                with closing(client):
                    client.settimeout(2.5)
                    answer(client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            port = server.getsockname()[1]
            yield f"postgresql://app:wrong-password@127.0.0.1:{port}/app?connect_timeout=2"
        finally:
            ended.set()
            thread.join()


def _refuse_encryption(client: socket.socket) -> None:
    """Read the request for encryption, an eight-byte message, and go on without."""
    client.recv(8)
    client.sendall(b"N")
    client.recv(4096)


def refuse_login(client: socket.socket) -> None:
    """Answer as a server that does not take the password."""
    _refuse_encryption(client)
    fields = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user "
    body = fields + b'"app"\0\0'
    client.sendall(b"E" + (len(body) + 4).to_bytes(4, "big") + body)


def say_nothing(client: socket.socket) -> None:
    """Keep the connection open for longer than the other side waits."""
    client.recv(8)
    with suppress(TimeoutError):
        client.recv(8)


def hang_up(client: socket.socket) -> None:
    """Close the connection in the middle of the handshake."""
    _refuse_encryption(client)


def speak_http(client: socket.socket) -> None:
    """Answer as something that is no PostgreSQL at all."""
    client.recv(4096)
    client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.parametrize("answer", [refuse_login, say_nothing, hang_up, speak_http])
def test_a_server_that_does_not_let_us_in_is_unreachable(
    refused: Refused, lay: Lay, answer: Callable[[socket.socket], None]
) -> None:
    lay(TWO)
    with listening(answer) as url:
        refusal = refused(ExitCode.UNREACHABLE, "apply", "--url", url, "--migrations", "prisma")
    _said(refusal, "127.0.0.1:")
    assert "wrong-password" not in refusal.line


# ---------------------------------------------------------------- a standby, and passwords


def _unable(planned: Called) -> str:
    """Return what a plan says of an apply with the same login, and expect it not to say go."""
    [found] = [one for one in planned.report.findings if one.code == "MH127"]
    assert planned.report.next == "migsafe apply, with a login that may."
    return found.message


def test_a_standby_is_read_and_never_written(
    migsafe: Migsafe, refused: Refused, lay: Lay, standby: Cluster
) -> None:
    lay({**TWO, "audits/empty.sql": "SELECT id FROM first;\n"})
    lay({"audits/expectations.toml": "[[column]]\ntable = 'first'\ncolumn = 'id'\n"})
    call = ("--url", standby.url, "--migrations", "prisma")

    for command in ("apply", "apply --dry-run", "apply --gate never"):
        refusal = refused(ExitCode.UNREACHABLE, *command.split(), *call, unchanged=standby.url)
        _said(refusal, "is a standby")
    assert "is a standby" in _unable(migsafe("plan", *call, "--format", "json"))
    force = ("resolve", "--applied", "20250102000000_second", "--force")
    refused(ExitCode.UNREACHABLE, *force, *call, unchanged=standby.url)

    assert migsafe("audit", *call).code == ExitCode.OK
    status = migsafe("status", *call, "--format", "json")
    assert status.code == ExitCode.OK
    assert status.report.history is not None
    assert status.report.history.applied == ("20250101000000_first",)
    assert migsafe("verify", *call, "--gate", "never").code == ExitCode.OK
    runs = migsafe("history", *call, "--format", "json").report.runs
    assert migsafe("report", runs[0].id, *call).code == ExitCode.OK


def test_a_wrong_password_is_unreachable_and_never_shown(
    refused: Refused, lay: Lay, standby: Cluster
) -> None:
    lay(TWO)
    for password in ("wrong-password", ""):
        url = login(standby.url, "admin", password)
        refusal = refused(ExitCode.UNREACHABLE, "apply", "--url", url, "--migrations", "prisma")
        _said(refusal, f"127.0.0.1:{standby.port}/postgres: ")
        assert "wrong-password" not in refusal.line


# ---------------------------------------------------------------- roles


def test_a_role_that_may_not_create_the_ledger_is_told_which_privilege_it_lacks(
    refused: Refused, migsafe: Migsafe, lay: Lay, database: str, conn: Conn, make_role: MakeRole
) -> None:
    lay(TWO)
    conn.execute("GRANT ALL ON SCHEMA public TO PUBLIC")
    conn.execute(_of_this_database("REVOKE CREATE ON DATABASE {} FROM PUBLIC", conn))
    name, url = make_role()
    call = ("--url", url, "--migrations", "prisma")
    for command in ("apply --dry-run", "apply", "apply --gate never"):
        refusal = refused(ExitCode.UNREACHABLE, *command.split(), *call, unchanged=database)
        _said(refusal, f"role {name} lacks CREATE on the database")
    plan = migsafe("plan", *call, "--format", "json")
    assert f"role {name} lacks CREATE on the database" in _unable(plan)
    assert migsafe("status", *call).code == ExitCode.OK
    conn.execute(_of_this_database("GRANT CREATE ON DATABASE {} TO {}", conn, sql.Identifier(name)))
    assert migsafe("apply", *call).code == ExitCode.OK


def test_a_role_whose_sessions_are_read_only_is_told_so(
    refused: Refused,
    migsafe: Migsafe,
    lay: Lay,
    database: str,
    make_role: MakeRole,
    superuser: Conn,
) -> None:
    lay(TWO)
    name, url = make_role()
    role = sql.Identifier(name)
    superuser.execute(_of_this_database("GRANT ALL ON DATABASE {} TO {}", superuser, role))
    superuser.execute(sql.SQL("GRANT ALL ON SCHEMA public TO {}").format(role))
    superuser.execute(sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(role))
    call = ("--url", url, "--migrations", "prisma")
    refusal = refused(ExitCode.UNREACHABLE, "apply", *call, unchanged=database)
    _said(refusal, "default_transaction_read_only")
    assert migsafe("status", *call).code == ExitCode.OK


def _of_this_database(statement: str, conn: Conn, *more: sql.Composable) -> sql.Composed:
    return sql.SQL(statement).format(sql.Identifier(conn.info.dbname), *more)


@pytest.fixture
def applied(migsafe: Migsafe, lay: Lay, database: str) -> tuple[str, ...]:
    """Arguments of a history whose first of two migrations is applied by the admin."""
    lay({**TWO, "audits/one.sql": "SELECT 1 WHERE false;\n"})
    call = ("--migrations", "prisma")
    first = ("--to", "20250101000000_first")
    assert migsafe("apply", "--url", database, *call, *first).code == ExitCode.OK
    return call


def test_a_role_that_may_not_read_the_historys_table_is_told_so(
    refused: Refused, applied: tuple[str, ...], database: str, conn: Conn, make_role: MakeRole
) -> None:
    name, url = make_role()
    conn.execute(sql.SQL("GRANT USAGE ON SCHEMA migsafe TO {}").format(sql.Identifier(name)))
    conn.execute(
        sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA migsafe TO {}").format(sql.Identifier(name))
    )
    for command in ("status", "audit", "plan", "verify", "gate", "apply"):
        refusal = refused(ExitCode.UNREACHABLE, command, "--url", url, *applied, unchanged=database)
        _said(refusal, "_prisma_migrations")


def test_a_role_that_may_not_read_the_ledger_is_told_so(
    refused: Refused, applied: tuple[str, ...], database: str, conn: Conn, make_role: MakeRole
) -> None:
    name, url = make_role()
    conn.execute(sql.SQL("GRANT SELECT ON _prisma_migrations TO {}").format(sql.Identifier(name)))
    for command in ("status", "audit", "plan", "verify", "gate", "apply", "history"):
        refusal = refused(ExitCode.UNREACHABLE, command, "--url", url, *applied, unchanged=database)
        _said(refusal, "schema migsafe")
        assert refusal.error.endswith("; give the role what it lacks, as migsafe grants prints it")


@pytest.mark.parametrize(
    ("grant", "lacking"),
    [
        ("SELECT ON _prisma_migrations", "public._prisma_migrations"),
        ("SELECT, INSERT, UPDATE ON _prisma_migrations", "migsafe.receipts"),
    ],
)
def test_a_role_that_may_only_read_a_ledger_is_told_which_privilege_it_lacks(
    refused: Refused,
    applied: tuple[str, ...],
    database: str,
    conn: Conn,
    make_role: MakeRole,
    grant: str,
    lacking: str,
) -> None:
    name, url = make_role()
    role = sql.Identifier(name)
    conn.execute(sql.SQL("GRANT USAGE ON SCHEMA migsafe TO {}").format(role))
    conn.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA migsafe TO {}").format(role))
    conn.execute(sql.SQL("GRANT {} TO {}").format(sql.SQL(grant), role))
    refusal = refused(ExitCode.UNREACHABLE, "apply", "--url", url, *applied, unchanged=database)
    _said(refusal, lacking)


def test_a_run_that_is_not_there_is_refused(
    refused: Refused, applied: tuple[str, ...], database: str, conn: Conn
) -> None:
    known = conn.execute("SELECT id FROM migsafe.runs").fetchone()
    assert known is not None
    unknown = f"{known[0]}X"
    refusal = refused(ExitCode.USAGE, "report", unknown, "--url", database, unchanged=database)
    _said(refusal, unknown)
    assert str(known[0]) in refusal.error.partition("; ")[2]


def test_a_kept_report_that_is_no_report_is_refused(
    refused: Refused, lay: Lay, database: str
) -> None:
    for content in ("not json", json.dumps({"schema": "something else"}), "[]"):
        lay({".migsafe/reports/odd.json": content})
        refusal = refused(ExitCode.USAGE, "report", "odd", "--url", database)
        _said(refusal, "is not a report of migsafe")


def test_a_working_directory_that_is_gone_is_one_line(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = 'cd "$1"; rmdir "$1"; shift; exec "$@"'
    command = ["sh", "-c", script, "sh", str(gone), *child("status", "-e", "nowhere")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == ExitCode.USAGE, done.stderr
    assert "Traceback" not in done.stderr
