"""Every command to the letter of the contract: flags, exit codes, JSON and what it changes."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import psycopg
import pytest
from click import unstyle
from psycopg import conninfo

from migsafe import __version__, ledger
from migsafe.cli.commands import cli
from migsafe.cli.output import FORMATS
from migsafe.errors import ExitCode
from migsafe.reports import RENDERERS
from tests import roles
from tests.cli.cluster import Cluster
from tests.cli.conftest import (
    NOWHERE,
    TWO,
    Files,
    Migsafe,
    child,
    lay_out,
    photograph,
    prisma,
    run_child,
)
from tests.conftest import Called

Lay = Callable[[Files], None]
Conn = psycopg.Connection[Any]
Json = dict[str, Any]

FIRST, SECOND = "20250101000000_first", "20250102000000_second"

#: A release that an audit refuses until a row is repaired, with expectations and odd names.
RELEASE: Files = {
    **prisma(
        first='CREATE TABLE notes (id int PRIMARY KEY, "appointmentId" int, secret text);\n',
        second='ALTER TABLE notes ALTER "appointmentId" SET NOT NULL;\n',
    ),
    "audits/orphaned_notes.sql": (
        "-- audit: orphaned-notes\n-- description: Notes without an appointment\n"
        f"-- before: {SECOND}\n-- key: id\n-- remedy: Give each note an appointment.\n"
        'SELECT id, secret FROM notes WHERE "appointmentId" IS NULL ORDER BY id;\n'
    ),
    "audits/old_notes.sql": "-- severity: warning\nSELECT id FROM notes WHERE id < 0;\n",
    "audits/expectations.toml": (
        "[[column]]\ntable = 'notes'\ncolumn = 'appointmentId'\nnullable = false\n"
        f"type = 'integer'\nsince = '{SECOND}'\n"
        "[[column]]\ntable = 'notes'\ncolumn = 'id'\nnullable = false\n"
    ),
}


@pytest.fixture
def call(migsafe: Migsafe, database: str) -> Migsafe:
    """Run a command on `database` with the migrations of `prisma/`, with JSON on stdout."""

    def run(command: str, *arguments: object) -> Called:
        target = ("--url", database, "--migrations", "prisma", "--format", "json")
        return migsafe(*command.split(), *arguments, *target)

    return run


@pytest.fixture
def release(call: Migsafe, lay: Lay, conn: Conn) -> Migsafe:
    """A release whose first migration is applied, with one row that the second would refuse."""
    lay(RELEASE)
    assert call("apply", "--to", FIRST).code == ExitCode.OK
    conn.execute("INSERT INTO notes VALUES (1, 5, 'ok'), (2, NULL, 'told to nobody')")
    return call


def repair(conn: Conn) -> None:
    conn.execute('UPDATE notes SET "appointmentId" = 6 WHERE id = 2')


# ---------------------------------------------------------------- help


def below(group: click.Group, *names: str) -> Iterator[str]:
    """Yield the commands of a group, and of the groups below it, as they are written."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from below(command, *names, name)
        else:
            yield " ".join((*names, name))


@pytest.mark.parametrize("command", [*cli.commands, *below(cli)])
def test_every_command_explains_itself(migsafe: Migsafe, command: str) -> None:
    for flag in ("--help", "-h"):
        called = migsafe(*command.split(), flag)
        assert (called.code, called.err) == (0, "")
        assert called.out.startswith(f"Usage: migsafe {command}")
        assert max(map(len, called.out.splitlines())) <= 80


@pytest.mark.parametrize("group", ["", "snapshot"])
def test_a_group_without_a_command_lists_them_line_by_line(migsafe: Migsafe, group: str) -> None:
    bare, asked = migsafe(*group.split()), migsafe(*group.split(), "--help")
    assert (bare.code, bare.out) == (ExitCode.USAGE, "")
    assert bare.err == asked.out


def test_help_lists_the_commands_of_a_release_in_its_order(migsafe: Migsafe) -> None:
    called = migsafe("--help")
    assert called.code == 0
    listed = re.findall(r"^  ([\w-]+)  ", called.out.partition("Commands:")[2], re.MULTILINE)
    assert sorted(listed) == sorted(cli.commands)
    assert listed[:7] == ["init", "status", "lint", "audit", "plan", "snapshot", "apply"]
    assert listed[-1] == "demo"


def test_every_command_on_a_target_has_the_common_flags(migsafe: Migsafe) -> None:
    common = ["--config", "--env", "--url", "--migrations", "--history", "--audits", "--gate"]
    common += ["--format", "--output", "--quiet", "--verbose", "--debug"]
    for command in set(below(cli)) - {"init", "demo", "completion"}:
        shown = migsafe(*command.split(), "--help").out
        assert [flag for flag in common if flag not in shown] == [], command


def test_the_version_is_that_of_the_package(migsafe: Migsafe) -> None:
    assert migsafe("--version").out == f"migsafe, version {__version__}\n"


def test_the_formats_of_the_flag_are_those_that_are_rendered() -> None:
    assert tuple(RENDERERS) == FORMATS


# ---------------------------------------------------------------- JSON


def check_contract(seen: Json, *, command: str, code: int) -> None:
    """Hold one JSON object against the contract: keys, types and the values it fixes."""
    assert (seen["schema"], seen["command"]) == ("migsafe/1", command)
    assert (seen["ok"], seen["exit_code"]) == (code == 0, code)
    assert seen["version"] == __version__
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{26}", seen["run"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", seen["started"])
    assert isinstance(seen["seconds"], float)
    assert seen["seconds"] >= 0
    for key, check in _PARTS.items():
        assert key in seen
        check(seen[key])


def _check_target(part: Json) -> None:
    kinds = {"name": str, "host": str, "port": int, "database": str, "user": str}
    for key, kind in {**kinds, "server_version": str}.items():
        assert isinstance(part[key], kind), key


def _check_history(part: Json | None) -> None:
    if part is None:
        return
    assert part["kind"] in ("prisma", "alembic", "sql")
    assert part["state"] in ("empty", "managed", "unmanaged", "failed", "dirty")
    assert isinstance(part["path"], str)
    for key in ("applied", "pending", "failed", "missing", "edited"):
        assert all(isinstance(name, str) for name in part[key])


_STRING_OR_NULL = ("migration", "file", "remedy", "suppressed")


def _check_findings(part: list[Json]) -> None:
    for finding in part:
        assert re.fullmatch(r"(MS|MA|MD|MH|MV|MR)\d{3}", finding["code"])
        sources = ("hazard", "audit", "derived", "history", "rehearsal", "verify")
        assert finding["source"] in sources
        assert finding["severity"] in ("error", "warning", "info")
        assert finding["status"] in ("passed", "failed", "skipped")
        assert finding["name"]
        assert finding["message"]
        for key in _STRING_OR_NULL:
            assert finding[key] is None or isinstance(finding[key], str)
        for key in ("line", "statement", "count"):
            assert finding[key] is None or isinstance(finding[key], int)
        assert finding["exact"] in (None, True, False)
        assert finding["seconds"] is None or finding["seconds"] >= 0
        assert all(isinstance(key, dict) for key in finding["keys"])


def _check_steps(part: list[Json]) -> None:
    for step in part:
        assert step["outcome"] in ("done", "busy", "failed", "dirty", "skipped")
        assert isinstance(step["migration"], str)
        assert isinstance(step["attempts"], int)
        assert isinstance(step["seconds"], float)
        assert step["error"] is None or isinstance(step["error"], str)


def _check_snapshot(part: Json | None) -> None:
    if part is not None:
        assert part["provider"] in ("rds", "pg_dump")
        assert re.match(r"\d{4}-\d\d-\d\dT", part["taken"])
        assert isinstance(part["id"], str)
        assert isinstance(part["restore"], str)


def _check_verification(part: Json | None) -> None:
    if part is None:
        return
    assert isinstance(part["differences"], list)
    for column in part["columns"]:
        keys = {"table", "column", "expected", "found", "data_type", "ok"}
        assert keys <= set(column)
        assert column["expected"] in ("YES", "NO", None)
        assert column["found"] in ("YES", "NO", None)
        assert isinstance(column["ok"], bool)


_PARTS: dict[str, Callable[[Any], None]] = {
    "target": _check_target,
    "history": _check_history,
    "findings": _check_findings,
    "steps": _check_steps,
    "snapshot": _check_snapshot,
    "verification": _check_verification,
}


def test_the_json_of_a_whole_release_is_that_of_the_contract(
    release: Migsafe, conn: Conn, database: str
) -> None:
    """Each command before the repair and after it, with the exit code of the contract."""
    said: dict[str, Json] = {}

    def run(command: str, code: int) -> Json:
        called = release(command)
        seen: Json = json.loads(called.out)
        check_contract(seen, command=command.split()[0], code=code)
        assert (called.code, called.err) == (code, "")
        said[command] = seen
        return seen

    before = photograph(database)
    for command in ("status", "history"):
        run(command, 0)
    for command in ("audit", "plan", "apply", "apply --dry-run", "apply --snapshot", "verify"):
        run(command, 1)
    assert photograph(database) == before
    assert said["apply"]["steps"] == []
    assert said["apply --snapshot"]["snapshot"] is None
    repair(conn)
    run("audit", 0)
    run("plan", 0)
    applied = run("apply", 0)
    assert [step["outcome"] for step in applied["steps"]] == ["done"]
    assert applied["history"]["pending"] == []
    run("verify", 0)
    run("status", 0)


def test_an_audit_finding_has_the_fields_of_the_contract(release: Migsafe) -> None:
    seen = json.loads(release("audit").out)
    failed = next(f for f in seen["findings"] if f["status"] == "failed")
    assert failed["code"] == "MA001"
    assert failed["name"] == "orphaned-notes"
    assert (failed["source"], failed["severity"], failed["evidence"]) == ("audit", "error", "data")
    assert failed["migration"] == SECOND
    assert (failed["file"], failed["line"]) == ("audits/orphaned_notes.sql", 6)
    assert (failed["count"], failed["exact"], failed["keys"]) == (1, True, [{"id": 2}])
    assert failed["remedy"] == "Give each note an appointment."
    assert (failed["statement"], failed["suppressed"]) == (None, None)
    assert "told to nobody" not in json.dumps(seen)
    passed = next(f for f in seen["findings"] if f["status"] == "passed")
    assert (passed["name"], passed["severity"], passed["count"]) == ("old_notes", "warning", 0)


def test_the_target_is_what_answered(release: Migsafe, conn: Conn, database: str) -> None:
    target = json.loads(release("status").out)["target"]
    assert target["database"] == urlsplit(database).path.removeprefix("/")
    assert target["port"] == conn.info.port
    assert target["user"] == roles.auditor(conn.info.user)
    assert target["host"] == conn.info.host
    version = str(conn.info.parameter_status("server_version"))
    assert target["server_version"] == version.split()[0]
    assert target["name"] == "url"


def test_verify_lists_each_column_as_the_contract_says(release: Migsafe, conn: Conn) -> None:
    repair(conn)
    assert release("apply").code == ExitCode.OK
    verification = json.loads(release("verify").out)["verification"]
    assert verification.pop("facts") > 0
    assert verification == {
        "columns": [
            {
                "table": "notes",
                "column": "appointmentId",
                "expected": "NO",
                "found": "NO",
                "data_type": "integer",
                "ok": True,
            },
            {
                "table": "notes",
                "column": "id",
                "expected": "NO",
                "found": "NO",
                "data_type": "integer",
                "ok": True,
            },
        ],
        "differences": [],
    }


def test_a_file_of_each_format_is_written_beside_stdout(release: Migsafe, workdir: Path) -> None:
    outputs = ("-o", "json:a.json", "-o", "b.json", "--output", "markdown:c", "-o", "d.md")
    called = release("audit", *outputs, "-o", "text:e", "-o", "f.txt")
    assert called.code == ExitCode.FINDINGS
    assert json.loads((workdir / "a.json").read_text()) == json.loads(called.out)
    assert (workdir / "a.json").read_text() == (workdir / "b.json").read_text()
    assert (workdir / "c").read_text().startswith("# migsafe audit: FINDINGS\n")
    assert (workdir / "c").read_text() == (workdir / "d.md").read_text()
    assert "orphaned-notes" in (workdir / "e").read_text()
    assert (workdir / "e").read_text() == (workdir / "f.txt").read_text()
    assert "\x1b" not in (workdir / "e").read_text()


#: Runs one command in every format, as processes of their own would, and says how each ended.
IN_EVERY_FORMAT = """
import sys
from migsafe import cli
from migsafe.cli.output import FORMATS
given = sys.argv[1:]
for name in FORMATS:
    sys.argv[1:] = [*given, "--format", name]
    try:
        cli.main()
    except SystemExit as ended:
        print(f"\\f{name} {ended.code}\\f", end="")
"""


def test_an_output_that_knows_no_unicode_gets_a_whole_report(
    release: Migsafe, database: str, workdir: Path
) -> None:
    target = ("--url", database, "--migrations", "prisma")
    for encoding in ("ascii", "latin-1", "utf-8"):
        done = subprocess.run(
            [sys.executable, "-c", IN_EVERY_FORMAT, "audit", *target],
            cwd=workdir,
            env=os.environ | {"PYTHONIOENCODING": encoding},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
        )
        shown = done.stdout.split("\f")
        assert shown[1::2] == [f"{name} {ExitCode.FINDINGS:d}" for name in FORMATS], done.stderr
        assert all("orphaned-notes" in text for text in shown[:-1:2])
        report = json.loads(shown[2 * FORMATS.index("json")])
        check_contract(report, command="audit", code=1)


# ---------------------------------------------------------------- where the target stands


def _states(lay: Lay, call: Migsafe, conn: Conn, state: str) -> None:
    """Bring `database` into one of the states of the contract."""
    lay(TWO)
    if state == "unmanaged":
        conn.execute("CREATE TABLE first (id int)")
    if state in ("managed", "failed"):
        assert call("apply", "--to", FIRST).code == ExitCode.OK
    if state == "failed":
        conn.execute(
            """INSERT INTO _prisma_migrations (id, checksum, migration_name)
               VALUES ('1', 'x', '20250102000000_second')"""
        )
    if state == "dirty":
        lay(prisma(half="CREATE TABLE half (id int);\nVACUUM half;\nSELECT 1 / 0;\n"))
        assert call("apply").code == ExitCode.DIRTY


@pytest.mark.parametrize(
    ("state", "code", "findings", "pending"),
    [
        ("empty", 0, set(), [FIRST, SECOND]),
        ("managed", 0, set(), [SECOND]),
        ("unmanaged", 7, {"MH101"}, [FIRST, SECOND]),
        ("failed", 7, {"MH102"}, []),
        ("dirty", 6, {"MH104"}, [SECOND]),
    ],
)
def test_each_state_has_its_exit_code_and_stops_apply_or_not(
    call: Migsafe,
    lay: Lay,
    conn: Conn,
    database: str,
    state: str,
    code: int,
    findings: set[str],
    pending: list[str],
) -> None:
    _states(lay, call, conn, state)
    for command in ("status", "plan", "apply --dry-run"):
        before = photograph(database)
        called = call(command)
        assert called.code == code, called.out
        assert photograph(database) == before
        assert called.report.history is not None
        assert called.report.history.state == state
        listed = [name for name in called.report.history.pending if "half" not in name]
        assert listed == pending
        assert findings <= {f.code for f in called.report.findings}
    before = photograph(database)
    called = call("apply")
    assert called.code == code
    assert (photograph(database) == before) is bool(code)


@pytest.mark.parametrize("state", ["unmanaged", "failed", "dirty"])
@pytest.mark.parametrize("name", [FIRST, SECOND])
def test_to_a_migration_is_no_way_around_a_state_that_needs_a_person(
    call: Migsafe, lay: Lay, conn: Conn, database: str, state: str, name: str
) -> None:
    _states(lay, call, conn, state)
    before = photograph(database)
    for command in ("plan", "apply", "apply --dry-run"):
        code = call(command, "--to", name, "--gate", "never").code
        assert code == (ExitCode.DIRTY if state == "dirty" else ExitCode.UNMANAGED)
    assert photograph(database) == before


def test_missing_and_edited_migrations_are_listed(call: Migsafe, lay: Lay, workdir: Path) -> None:
    lay(TWO)
    assert call("apply").code == ExitCode.OK
    lay({f"prisma/{FIRST}/migration.sql": "CREATE TABLE other (id int);\n"})
    (workdir / "prisma" / SECOND / "migration.sql").unlink()
    (workdir / "prisma" / SECOND).rmdir()
    called = call("status")
    history = called.report.history
    assert history is not None
    assert (history.missing, history.edited) == ((SECOND,), (FIRST,))
    assert called.code == ExitCode.OK  # Prisma itself deploys on
    assert call("status", "--gate", "warning").code == ExitCode.FINDINGS


# ---------------------------------------------------------------- apply


def test_a_dry_run_is_the_plan_and_changes_nothing(
    release: Migsafe, conn: Conn, database: str, workdir: Path
) -> None:
    repair(conn)
    before, files = photograph(database), sorted(workdir.rglob("*"))
    dry, plan = release("apply", "--dry-run", "--snapshot"), release("plan")
    assert (dry.code, plan.code) == (0, 0)
    assert dry.report.plan == plan.report.plan
    assert [step.migration for step in dry.report.plan] == [SECOND]
    assert dry.report.steps == ()
    assert photograph(database) == before
    assert sorted(workdir.rglob("*")) == files


def test_to_stops_after_that_migration(call: Migsafe, lay: Lay, conn: Conn) -> None:
    lay(prisma(**{f"n{n}": f"CREATE TABLE t{n} (id int);" for n in range(1, 5)}))
    called = call("apply", "--to", "20250102000000_n2")
    assert [step.migration[-2:] for step in called.report.steps] == ["n1", "n2"]
    assert conn.execute("SELECT count(*) FROM _prisma_migrations").fetchone() == (2,)
    again = call("apply", "--to", "20250101000000_n1")
    assert (again.code, again.report.steps) == (0, ())
    assert [step.migration[-2:] for step in call("apply").report.steps] == ["n3", "n4"]


def test_nothing_pending_is_ok_and_changes_nothing(call: Migsafe, lay: Lay, database: str) -> None:
    lay(TWO)
    assert call("apply").code == ExitCode.OK
    before = photograph(database)
    for arguments in ((), ("--snapshot",), ("--to", FIRST)):
        called = call("apply", *arguments)
        assert (called.code, called.report.steps, called.report.ok) == (0, (), True)
    assert photograph(database) == before


@pytest.mark.parametrize(
    ("severity", "gate", "code"),
    [
        ("error", "error", 1),
        ("warning", "error", 0),
        ("info", "error", 0),
        ("warning", "warning", 1),
        ("info", "warning", 0),
        ("info", "info", 1),
        ("error", "never", 0),
    ],
)
def test_the_gate_is_the_severity_that_stops(
    call: Migsafe, lay: Lay, database: str, conn: Conn, severity: str, gate: str, code: int
) -> None:
    lay({**TWO, "audits/always.sql": f"-- severity: {severity}\nSELECT 1;\n"})
    assert call("apply", "--to", FIRST, "--gate", "never").code == 0
    lay({"migsafe.toml": f"[gate]\nseverity = '{gate}'\n"})
    for by in ((), ("--gate", gate)):
        assert call("audit", *by).code == code
        # A plan of the audit role warns that it could not apply.
        assert call("plan", *by).code == (code or int(roles.ON and gate == "warning"))
    before = photograph(database)
    assert call("apply", "--gate", gate).code == code
    assert (photograph(database) == before) is bool(code)


def test_a_failed_migration_is_rolled_back_whole_and_the_rest_is_skipped(
    call: Migsafe, lay: Lay, conn: Conn, database: str
) -> None:
    lay(
        prisma(
            first="CREATE TABLE first (id int);",
            broken="CREATE TABLE second (id int);\n\n  SELECT no_such_function();\n",
            third="CREATE TABLE third (id int);",
        )
    )
    called = call("apply")
    assert called.code == ExitCode.FAILED
    assert [step.outcome for step in called.report.steps] == ["done", "failed", "skipped"]
    failed = called.report.steps[1]
    assert (failed.statement, failed.line, failed.attempts) == (2, 3, 1)
    assert str(failed.error).startswith("42883: ")
    tables = conn.execute("SELECT to_regclass('first') IS NULL, to_regclass('second') IS NULL")
    assert tables.fetchone() == (False, True)
    before = photograph(database)
    again = call("apply")
    assert [step.outcome for step in again.report.steps] == ["failed", "skipped"]
    assert photograph(database) == before


def test_a_held_lock_is_busy_and_names_the_holder(
    call: Migsafe, lay: Lay, conn: Conn, database: str
) -> None:
    lay(TWO)
    before = photograph(database)
    prismas_own = 72707369
    for key in (ledger.LOCK, prismas_own):
        conn.execute("SELECT pg_advisory_lock(%s)", [key])
        called = call("apply")
        assert called.code == ExitCode.BUSY
        assert str(conn.info.backend_pid) in str(called.report.error)
        assert call("resolve", "--applied", FIRST, "--force").code == ExitCode.BUSY
        assert call("plan").code == ExitCode.OK
        conn.execute("SELECT pg_advisory_unlock(%s)", [key])
    assert photograph(database) == before
    assert call("apply").code == ExitCode.OK


def test_a_migration_that_queues_behind_a_lock_is_busy_after_its_attempts(
    migsafe: Migsafe, lay: Lay, conn: Conn, database: str, make_database: Callable[[], str]
) -> None:
    lay(
        {
            **prisma(
                first="CREATE TABLE first (id int);",
                second="CREATE TABLE second (id int);\nALTER TABLE first ADD note text;",
                third="CREATE TABLE third (id int);",
            ),
            "migsafe.toml": (
                "[history]\npath = 'prisma'\n"
                f"[env.test]\nurl = '{database}'\nlock_timeout = '100ms'\nattempts = 2\n"
            ),
        }
    )
    assert migsafe("apply", "--to", FIRST).code == ExitCode.OK
    before = photograph(database)
    with conn.transaction():
        conn.execute("LOCK TABLE first IN ACCESS EXCLUSIVE MODE")
        called = migsafe("apply", "--format", "json")
    assert called.code == ExitCode.BUSY
    assert [step.outcome for step in called.report.steps] == ["busy", "skipped"]
    busy = called.report.steps[0]
    assert (busy.attempts, busy.statement, busy.line) == (2, 2, 2)
    assert str(busy.error).startswith("55P03")
    assert photograph(database) == before
    assert migsafe("apply").code == ExitCode.OK


def test_what_the_last_migration_sets_does_not_reach_its_record(
    call: Migsafe, lay: Lay, conn: Conn
) -> None:
    lay(
        prisma(
            first="CREATE TABLE first (id int);",
            second="SET search_path = pg_catalog;\nSET statement_timeout = 1;\n",
        )
    )
    called = call("apply")
    assert [step.outcome for step in called.report.steps] == ["done", "done"]
    assert conn.execute("SELECT count(*) FROM _prisma_migrations").fetchone() == (2,)


def test_a_schema_with_an_odd_name_is_served_by_the_urls_schema(
    migsafe: Migsafe, lay: Lay, conn: Conn, database: str
) -> None:
    lay(TWO)
    url = f"{database}{'&' if '?' in database else '?'}schema=Meine%20%22Klinik%22.1"
    call = ("--url", url, "--migrations", "prisma", "--format", "json")
    applied = migsafe("apply", *call)
    assert applied.code == ExitCode.OK, applied.out
    rows = conn.execute('SELECT migration_name FROM "Meine ""Klinik"".1"._prisma_migrations')
    assert rows.fetchall() == [(FIRST,), (SECOND,)]
    assert migsafe("status", *call).report.history.pending == ()  # type: ignore[union-attr]
    assert migsafe("apply", *call).code == ExitCode.OK


def test_a_report_that_cannot_be_kept_does_not_hide_what_was_done(
    call: Migsafe, lay: Lay, workdir: Path
) -> None:
    lay({**TWO, ".migsafe": "a file where the directory of reports would be"})
    called = call("apply")
    assert called.code == ExitCode.OK, called.err
    assert [step.outcome for step in called.report.steps] == ["done", "done"]
    assert call("history").report.runs[0].exit_code == 0


def test_a_snapshot_that_cannot_be_kept_stops_the_run_before_anything_changes(
    call: Migsafe, lay: Lay, database: str
) -> None:
    lay({**TWO, ".migsafe": "a file where the directory of snapshots would be"})
    before = photograph(database)
    called = call("apply", "--snapshot")
    assert called.code == ExitCode.UNREACHABLE, called.err
    assert "snapshot" in str(called.report.error)
    assert photograph(database) == before


def test_nothing_is_committed_once_the_session_that_held_the_lock_is_gone(
    call: Migsafe, lay: Lay, conn: Conn, server_major: int
) -> None:
    if server_major < 14:
        pytest.skip("pg_terminate_backend waits since PostgreSQL 14")
    others = "application_name = 'migsafe' AND pid <> pg_backend_pid()"
    # As who logged in: whom it signals is the same role's session, not the owner's.
    kill = (
        "SET LOCAL ROLE NONE;\n"
        f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {others};"
    )
    create = "CREATE TABLE first (id int);\n"
    lay(prisma(zero="CREATE TABLE zero (id int);", first=f"{create}{kill}\n"))
    called = call("apply")
    assert called.code == ExitCode.BUSY, called.err
    assert [step.outcome for step in called.report.steps] == ["done", "busy"]
    assert "lock" in str(called.report.steps[1].error)
    assert conn.execute("SELECT to_regclass('zero'), to_regclass('first')").fetchone() == (
        "zero",
        None,
    )
    lay(prisma(zero="CREATE TABLE zero (id int);", first=create))
    assert call("apply").code == ExitCode.OK
    assert [run.exit_code for run in call("history").report.runs] == [0, 4]


def test_a_server_that_ends_idle_sessions_does_not_end_ours(
    migsafe: Migsafe, lay: Lay, superuser: Conn, server_major: int, make_role: Callable[..., Any]
) -> None:
    if server_major < 14:
        pytest.skip("idle_session_timeout is new in PostgreSQL 14")
    name, url = make_role()
    superuser.execute(f"GRANT ALL ON SCHEMA public TO {name}".encode())
    superuser.execute(f'GRANT ALL ON DATABASE "{superuser.info.dbname}" TO {name}'.encode())
    superuser.execute(f"ALTER ROLE {name} SET idle_session_timeout = '200ms'".encode())
    lay(prisma(first="SELECT pg_sleep(0.5);", second="CREATE TABLE second (id int);"))
    called = migsafe("apply", "--url", url, "--migrations", "prisma", "--format", "json")
    assert called.code == ExitCode.OK, called.err
    assert [step.outcome for step in called.report.steps] == ["done", "done"]


def test_a_migration_that_ends_its_own_session_has_failed_and_changed_nothing(
    call: Migsafe, lay: Lay, database: str
) -> None:
    lay(
        prisma(first="CREATE TABLE first (id int);\nSELECT pg_terminate_backend(pg_backend_pid());")
    )
    before = photograph(database)
    called = call("apply")
    assert called.code == ExitCode.FAILED, called.err
    assert [step.outcome for step in called.report.steps] == ["failed"]
    assert photograph(database) == before


def test_apply_with_a_snapshot_takes_it_before_anything_changes(
    call: Migsafe, lay: Lay, workdir: Path
) -> None:
    lay(TWO)
    called = call("apply", "--snapshot")
    if called.code == ExitCode.UNREACHABLE and "no pg_dump" in str(called.report.error):
        pytest.skip("no pg_dump for this server")
    assert called.code == ExitCode.OK, called.err
    check_contract(json.loads(called.out), command="apply", code=0)
    taken = called.report.snapshot
    assert taken is not None
    file = workdir / taken.id
    size = sum(part.stat().st_size for part in file.iterdir())
    assert (taken.provider, size) == ("pg_dump", taken.size)
    assert taken.taken < called.report.started or taken.size
    assert file.stat().st_mode & 0o077 == 0
    assert {f.name for f in file.parent.iterdir()} == {file.name, f"{called.report.run}.json"}


# ---------------------------------------------------------------- resolve


def test_resolve_needs_proof_or_force_and_then_writes_history_and_ledger(
    call: Migsafe, lay: Lay, conn: Conn, database: str
) -> None:
    _states(lay, call, conn, "unmanaged")
    before = photograph(database)
    refused = call("resolve", "--applied", FIRST)  # the table is there without its key
    assert (refused.code, [f.code for f in refused.report.findings]) == (1, ["MH116"])
    assert photograph(database) == before
    done = call("resolve", "--applied", FIRST, "--force")
    check_contract(json.loads(done.out), command="resolve", code=0)
    assert conn.execute("SELECT migration_name FROM _prisma_migrations").fetchall() == [(FIRST,)]
    receipts = conn.execute("SELECT migration, event FROM migsafe.receipts").fetchall()
    assert receipts == [(FIRST, "applied")]
    assert call("apply").code == ExitCode.OK


def test_resolve_rolled_back_makes_a_failed_migration_pending(
    call: Migsafe, lay: Lay, conn: Conn
) -> None:
    _states(lay, call, conn, "failed")
    assert call("resolve", "--applied", SECOND).code == ExitCode.FINDINGS
    assert call("resolve", "--rolled-back", SECOND).code == ExitCode.OK
    history = call("status").report.history
    assert history is not None
    assert (history.state, history.pending) == ("managed", (SECOND,))


@pytest.mark.parametrize(
    ("flag", "name"),
    [
        ("--applied", FIRST),
        ("--applied", "20250102000000_secnd"),
        ("--rolled-back", FIRST),
        ("--rolled-back", SECOND),
        ("--rolled-back", "20250102000000_secnd"),
    ],
)
def test_resolve_refuses_what_is_not_so(
    call: Migsafe, lay: Lay, conn: Conn, database: str, flag: str, name: str
) -> None:
    _states(lay, call, conn, "managed")
    before = photograph(database)
    assert call("resolve", flag, name, "--force").code == ExitCode.USAGE
    assert photograph(database) == before


def test_the_demo_does_not_write_into_a_directory_that_is_used(migsafe: Migsafe, lay: Lay) -> None:
    lay({"used/by": "somebody"})
    assert migsafe("demo", "--keep", "used").code == ExitCode.USAGE


# ---------------------------------------------------------------- past runs


def test_history_lists_the_runs_that_changed_the_database_newest_first(
    release: Migsafe, conn: Conn
) -> None:
    assert release("apply").code == ExitCode.FINDINGS  # changes nothing, so it is no past run
    repair(conn)
    second = release("apply").report
    runs = release("history").report.runs
    assert [run.command for run in runs] == ["apply", "apply"]
    assert runs[0].id == second.run
    assert [run.exit_code for run in runs] == [0, 0]
    assert [run.id for run in release("history", "--limit", "1").report.runs] == [second.run]


def test_a_database_without_a_ledger_has_no_runs(call: Migsafe, lay: Lay, database: str) -> None:
    lay(TWO)
    before = photograph(database)
    called = call("history")
    check_contract(json.loads(called.out), command="history", code=0)
    assert called.report.runs == ()
    assert photograph(database) == before


def test_a_past_report_is_read_from_the_ledger_and_from_the_kept_file(
    release: Migsafe, migsafe: Migsafe, conn: Conn, database: str, workdir: Path
) -> None:
    repair(conn)
    applied = release("apply")
    kept = workdir / f".migsafe/reports/{applied.report.run}.json"
    assert json.loads(kept.read_text()) == json.loads(applied.out)
    for _ in ("file", "ledger"):
        again = release("report", applied.report.run)
        assert (again.code, json.loads(again.out)) == (0, json.loads(applied.out))
        kept.unlink(missing_ok=True)
    shown = migsafe("report", applied.report.run, "--url", database)
    assert SECOND in shown.out
    markdown = migsafe("report", applied.report.run, "--url", database, "--format", "markdown")
    assert markdown.out.startswith("# migsafe apply: OK")


def test_what_apply_refused_is_kept_in_a_file_only(
    release: Migsafe, database: str, workdir: Path
) -> None:
    before = photograph(database)
    refused = release("apply").report
    assert photograph(database) == before
    kept = workdir / f".migsafe/reports/{refused.run}.json"
    assert json.loads(kept.read_text())["exit_code"] == 1
    assert (workdir / ".migsafe/.gitignore").read_text() == "*\n"


# ---------------------------------------------------------------- init


def test_init_writes_a_config_that_every_command_can_use(
    migsafe: Migsafe, lay: Lay, workdir: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(TWO)
    called = migsafe("init", "--format", "json")
    assert (called.code, called.report.ok) == (0, True)
    assert called.report.target is None
    assert "prisma" in (workdir / "migsafe.toml").read_text()
    assert called.report.next == "set DATABASE_URL to your database, then migsafe status"
    monkeypatch.setenv("DATABASE_URL", database)
    assert migsafe("status").code == ExitCode.OK
    assert migsafe("apply").code == ExitCode.OK


def test_init_finds_the_one_history_below(migsafe: Migsafe, lay: Lay, workdir: Path) -> None:
    deep = {f"packages/db/{name}": text for name, text in TWO.items()}
    noise = {"node_modules/x/prisma/1_a/migration.sql": "", ".hidden/001_a.sql": ""}
    lay({**deep, **noise})
    assert migsafe("init").code == ExitCode.OK
    assert 'path = "packages/db/prisma"' in (workdir / "migsafe.toml").read_text()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "no migrations are found"),
        ({"a/001_x.sql": "", "b/V1__x.sql": ""}, "holds 2 histories"),
        ({"db/001_x.sql": "", "migsafe.toml": "# mine"}, "is already there"),
    ],
)
def test_init_does_not_guess_and_does_not_overwrite(
    migsafe: Migsafe, lay: Lay, workdir: Path, files: Files, said: str
) -> None:
    lay(files)
    before = {path: path.read_bytes() for path in workdir.rglob("*") if path.is_file()}
    called = migsafe("init", "--format", "json")
    assert called.code == ExitCode.USAGE
    assert said in str(called.report.error)
    after = {path: path.read_bytes() for path in workdir.rglob("*") if path.is_file()}
    assert after == before


def test_init_takes_the_history_that_it_is_told(
    migsafe: Migsafe, lay: Lay, workdir: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay({"a/001_x.sql": "", "b b/V1__x.sql": "", "audits/one.sql": "SELECT 1 WHERE false;\n"})
    monkeypatch.setenv("MIGSAFE_URL", database)
    begun = migsafe("init", "--migrations", "b b", "--format", "json")
    assert (begun.code, begun.report.next) == (ExitCode.OK, "migsafe status")
    called = migsafe("apply", "--format", "json")
    assert called.code == ExitCode.OK
    assert [step.migration for step in called.report.steps] == ["V1__x"]
    assert [f.name for f in called.report.findings if f.source == "audit"] == ["one"]


# ---------------------------------------------------------------- where the target comes from


def _name(called: Called) -> tuple[str, str]:
    assert called.code == ExitCode.OK, called.err
    target = called.report.target
    assert target is not None
    return target.name, target.database


@pytest.fixture
def two_databases(
    lay: Lay, make_database: Callable[[], str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Three databases named by a config with two environments; URLs and database names."""
    urls = {name: make_database() for name in ("staging", "production", "other")}
    tables = "".join(f"[env.{name}]\nurl = '{urls[name]}'\n" for name in ("staging", "production"))
    lay({**TWO, "migsafe.toml": f"[history]\npath = 'prisma'\n{tables}"})
    return urls, {name: urlsplit(url).path[1:] for name, url in urls.items()}


def test_the_flag_goes_over_the_environment_goes_over_the_variable(
    migsafe: Migsafe,
    two_databases: tuple[dict[str, str], dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    urls, names = two_databases
    status = ("status", "--format", "json")
    assert _name(migsafe(*status, "-e", "staging")) == ("staging", names["staging"])
    assert _name(migsafe(*status, "--env", "production")) == ("production", names["production"])
    monkeypatch.setenv("DATABASE_URL", urls["other"])
    assert _name(migsafe(*status)) == ("url", names["other"])
    monkeypatch.setenv("MIGSAFE_URL", urls["staging"])
    assert _name(migsafe(*status)) == ("url", names["staging"])
    assert _name(migsafe(*status, "-e", "production")) == ("production", names["production"])
    by_flag = migsafe(*status, "-e", "production", "--url", urls["other"])
    assert _name(by_flag)[1] == names["other"]


def test_two_environments_and_no_choice_is_a_usage_error(
    migsafe: Migsafe, two_databases: tuple[dict[str, str], dict[str, str]]
) -> None:
    assert migsafe("status").code == ExitCode.USAGE


def test_a_config_elsewhere_is_the_root_of_its_paths(
    migsafe: Migsafe, lay: Lay, database: str, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = {f"repo/{name}": text for name, text in RELEASE.items()}
    config = "[history]\npath = 'prisma'\n[audits]\npath = 'audits'\n[env.one]\nurl = 'file:url'\n"
    lay({**release, "repo/migsafe.toml": config, "repo/url": f"{database}\n"})
    called = migsafe("apply", "-c", "repo/migsafe.toml", "--to", FIRST, "--format", "json")
    assert called.code == ExitCode.OK
    assert (workdir / "repo/.migsafe/reports").is_dir()
    (workdir / "elsewhere").mkdir()
    monkeypatch.chdir(workdir / "elsewhere")
    called = migsafe("status", "--config", "../repo/migsafe.toml", "--format", "json")
    assert called.code == ExitCode.OK
    assert called.report.history is not None
    assert called.report.history.applied == (FIRST,)


@pytest.mark.parametrize(
    "way", ["env:", "file:", ".env", "absolute file:", ".env of Prisma", "Prisma's folder .env"]
)
def test_a_url_may_come_from_a_variable_or_a_file(
    migsafe: Migsafe,
    lay: Lay,
    database: str,
    workdir: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    monkeypatch.setenv("THE_CLINICS_URL", database)
    lay({**TWO, "secrets/url": f"  {database}  \nanother line\n"})
    urls = {
        "env:": "env:THE_CLINICS_URL",
        "file:": "file:secrets/url",
        "absolute file:": f"file:{workdir}/secrets/url",
    }
    if ".env" in way:
        name = "DATABASE_URL" if "Prisma" in way else "MIGSAFE_URL"
        file = "prisma/.env" if "folder" in way else ".env"
        lay({file: f'# a comment\nOTHER=1\n{name}="{database}"\n'})
    else:
        lay({"migsafe.toml": f"[env.one]\nurl = '{urls[way]}'\n"})
    called = migsafe("status", "--migrations", "prisma", "--format", "json")
    assert _name(called)[1] == urlsplit(database).path[1:]
    if way in urls:
        by_flag = migsafe("status", "--migrations", "prisma", "--url", urls[way])
        assert by_flag.code == ExitCode.OK


def test_times_without_end_are_read(migsafe: Migsafe, lay: Lay, database: str) -> None:
    lay(TWO)
    call = ("--url", database, "--migrations", "prisma", "--format", "json")
    assert migsafe("apply", *call).code == ExitCode.OK
    with psycopg.connect(database) as conn:
        conn.execute("UPDATE _prisma_migrations SET finished_at = 'infinity'")
        conn.execute(
            "ALTER TABLE migsafe.runs DISABLE TRIGGER USER; "
            "UPDATE migsafe.runs SET started = '-infinity'"
        )

    for command in (("status", *call), ("status", *call[:-2]), ("history", *call[:2])):
        assert migsafe(*command).code == ExitCode.OK, command


def test_a_prisma_url_with_its_own_parameters_is_understood(
    migsafe: Migsafe, lay: Lay, database: str
) -> None:
    lay(TWO)
    more = "schema=public&connection_limit=1&pool_timeout=5&pgbouncer=false&sslaccept="
    url = f"{database}{'&' if '?' in database else '?'}{more}accept_invalid_certs"
    assert migsafe("status", "--url", url, "--migrations", "prisma").code == ExitCode.OK


def test_a_service_file_and_a_password_file_are_libpqs(
    migsafe: Migsafe, lay: Lay, standby: Cluster, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = {"host": "127.0.0.1", "port": str(standby.port), "dbname": "postgres", "user": "admin"}
    lines = "".join(f"{key}={value}\n" for key, value in place.items())
    lay({**TWO, "services": f"[clinic]\n{lines}", "passwords": "*:*:*:admin:of-a-test\n"})
    (workdir / "passwords").chmod(0o600)
    status = ("status", "--migrations", "prisma", "--format", "json", "--url")
    monkeypatch.setenv("PGSERVICEFILE", str(workdir / "services"))
    service = "postgresql:///?service=clinic"
    assert migsafe(*status, service).code == ExitCode.UNREACHABLE
    called = migsafe(*status, f"{service}&passfile={workdir}/passwords")
    assert _name(called) == ("url", "postgres")
    monkeypatch.setenv("PGPASSFILE", str(workdir / "passwords"))
    assert _name(migsafe(*status, service)) == ("url", "postgres")
    conf = conninfo.conninfo_to_dict(standby.url)
    without = f"postgresql://admin@127.0.0.1:{conf['port']}/postgres"
    assert _name(migsafe(*status, without)) == ("url", "postgres")
    lay({"services": f"[clinic]\n{lines}password=of-a-test\n"})
    monkeypatch.delenv("PGPASSFILE")
    assert _name(migsafe(*status, service)) == ("url", "postgres")


# ---------------------------------------------------------------- signals


@contextmanager
def running(database: str, workdir: Path, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run migsafe as a process of its own, which listens to signals whatever started us."""

    def listen() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)

    with subprocess.Popen(
        child(*arguments, "--format", "json"),
        cwd=workdir,
        env=os.environ | {"MIGSAFE_URL": database},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=listen,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def signalled(
    database: str, process: subprocess.Popen[str], number: signal.Signals, query: str
) -> Called:
    """Send a signal as soon as the server runs `query` for migsafe; give what came of it."""
    active = """SELECT pid FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()
                  AND state = 'active' AND query LIKE %s"""
    # On a session of its own: inside a transaction the answer would never change.
    with psycopg.connect(database, autocommit=True) as watch:
        for _ in range(400):
            if watch.execute(active, [f"%{query}%"]).fetchone():
                break
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        else:
            raise AssertionError(f"{query} does not run")
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    return Called(process.returncode, out, err)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_rolls_the_open_migration_back(
    lay: Lay, conn: Conn, database: str, workdir: Path, call: Migsafe, number: signal.Signals
) -> None:
    lay(
        prisma(
            first="CREATE TABLE first (id int);",
            second="CREATE TABLE second (id int);\nSELECT pg_sleep(30);",
            third="CREATE TABLE third (id int);",
        )
    )
    assert call("apply", "--to", FIRST).code == ExitCode.OK
    before = photograph(database)
    with running(database, workdir, "apply", "--migrations", "prisma") as process:
        called = signalled(database, process, number, "pg_sleep(30)")
    assert called.code == ExitCode.INTERRUPTED, called.err
    check_contract(json.loads(called.out), command="apply", code=130)
    assert [step.outcome for step in called.report.steps] == ["failed", "skipped"]
    assert photograph(database) == before
    assert call("status").code == ExitCode.OK


def test_what_was_done_before_a_signal_stays_and_is_recorded(
    lay: Lay, conn: Conn, database: str, workdir: Path, call: Migsafe
) -> None:
    lay(prisma(first="CREATE TABLE first (id int);", second="SELECT pg_sleep(30);"))
    with running(database, workdir, "apply", "--migrations", "prisma") as process:
        called = signalled(database, process, signal.SIGTERM, "pg_sleep(30)")
    assert called.code == ExitCode.INTERRUPTED
    assert [step.outcome for step in called.report.steps] == ["done", "failed"]
    assert called.report.next == "migsafe apply, which goes on with what is pending."
    assert conn.execute("SELECT migration_name FROM _prisma_migrations").fetchall() == [(FIRST,)]
    assert [run.exit_code for run in call("history").report.runs] == [130]


HALF = "-- +goose NO TRANSACTION\n-- +goose Up\n"


def test_a_signal_between_statements_outside_a_transaction_is_dirty(
    lay: Lay, conn: Conn, database: str, workdir: Path, migsafe: Migsafe
) -> None:
    lay({"db/001_half.sql": f"{HALF}CREATE TABLE half (id int);\nSELECT pg_sleep(30);\n"})
    with running(database, workdir, "apply", "--migrations", "db") as process:
        called = signalled(database, process, signal.SIGTERM, "pg_sleep(30)")
    assert called.code == ExitCode.DIRTY, called.err
    check_contract(json.loads(called.out), command="apply", code=6)
    assert [step.outcome for step in called.report.steps] == ["dirty"]
    assert conn.execute("SELECT to_regclass('half') IS NOT NULL").fetchone() == (True,)
    status = migsafe("status", "--url", database, "--migrations", "db", "--format", "json")
    assert status.code == ExitCode.DIRTY
    assert status.report.history is not None
    assert status.report.history.state == "dirty"
    again = migsafe("apply", "--url", database, "--migrations", "db")
    assert again.code == ExitCode.DIRTY


def test_a_signal_before_anything_outside_a_transaction_is_in_effect_is_clean(
    lay: Lay, conn: Conn, database: str, workdir: Path, migsafe: Migsafe
) -> None:
    lay({"db/001_half.sql": f"{HALF}SELECT pg_sleep(30);\nCREATE TABLE half (id int);\n"})
    with running(database, workdir, "apply", "--migrations", "db") as process:
        called = signalled(database, process, signal.SIGTERM, "pg_sleep(30)")
    assert called.code == ExitCode.INTERRUPTED, called.err
    status = migsafe("status", "--url", database, "--migrations", "db", "--format", "json").report
    assert status.history is not None
    assert (status.history.state, status.history.pending) == ("managed", ("001_half",))


def test_a_signal_stops_a_long_audit(lay: Lay, conn: Conn, database: str, workdir: Path) -> None:
    lay({"audits/slow.sql": "SELECT pg_sleep(30);\n"})
    before = photograph(database)
    with running(database, workdir, "audit") as process:
        called = signalled(database, process, signal.SIGTERM, "pg_sleep(30)")
    assert called.code == ExitCode.INTERRUPTED
    assert called.report.error
    assert photograph(database) == before


def test_a_signal_during_the_snapshot_leaves_no_half_of_it(
    lay: Lay, conn: Conn, database: str, workdir: Path, call: Migsafe
) -> None:
    lay(TWO)
    assert call("apply", "--to", FIRST).code == ExitCode.OK
    before = photograph(database)
    with conn.transaction():
        conn.execute("LOCK TABLE first IN ACCESS EXCLUSIVE MODE")
        command = ("apply", "--snapshot", "--migrations", "prisma")
        with running(database, workdir, *command) as process:
            called = signalled(database, process, signal.SIGTERM, "IN ACCESS SHARE MODE")
    assert called.code == ExitCode.INTERRUPTED
    assert photograph(database) == before
    assert list((workdir / ".migsafe/snapshots").iterdir()) == []


def test_a_signal_while_a_migration_queues_for_a_lock_changes_nothing(
    lay: Lay, conn: Conn, database: str, workdir: Path, call: Migsafe
) -> None:
    lay(prisma(first="CREATE TABLE first (id int);", second="ALTER TABLE first ADD note text;"))
    assert call("apply", "--to", FIRST).code == ExitCode.OK
    before = photograph(database)
    with conn.transaction():
        conn.execute("LOCK TABLE first IN ACCESS EXCLUSIVE MODE")
        with running(database, workdir, "apply", "--migrations", "prisma") as process:
            called = signalled(database, process, signal.SIGTERM, "ALTER TABLE first")
    assert called.code == ExitCode.INTERRUPTED
    assert photograph(database) == before


# ---------------------------------------------------------------- text, Markdown, terminals

LONG = "20250101000000_" + "a_name_that_is_much_longer_than_any_column_of_a_table_" * 2


@pytest.fixture
def wide(migsafe: Migsafe, lay: Lay, conn: Conn, database: str) -> Migsafe:
    """A history with long names and every kind of table; the first of its migrations is applied."""
    audit = f"-- key: id, note\n-- description: {'words ' * 30}\n-- remedy: {'more words ' * 30}\n"
    column = f"[[column]]\ntable = '{'t' * 60}'\ncolumn = '{'c' * 60}'\nnullable = true\n"
    lay(
        {
            "prisma/20250101000000_first/migration.sql": "CREATE TABLE first (id int, note text);",
            f"prisma/{LONG}/migration.sql": f"CREATE TABLE {'t' * 60} ({'c' * 60} text);",
            "prisma/20260101000000_last/migration.sql": "SET work_mem = '1MB';",
            "audits/long_name_of_an_audit_that_does_not_fit.sql": f"{audit}SELECT * FROM first;",
            "audits/expectations.toml": column,
        }
    )
    url = ("--url", database, "--migrations", "prisma")
    assert migsafe("apply", *url, "--to", FIRST, "--gate", "never").code == ExitCode.OK
    conn.execute("INSERT INTO first SELECT n, repeat('x', n) FROM generate_series(1, 40) AS n")
    return lambda *arguments: migsafe(*arguments, *url)


QUESTIONS = ("status", "audit", "plan", "verify", "gate", "history", "apply", "apply --dry-run")


@pytest.mark.parametrize("command", [*QUESTIONS, "apply --gate never"])
@pytest.mark.parametrize("flags", [(), ("-v",)])
def test_text_has_no_colour_codes_off_a_terminal_and_stays_in_its_width(
    wide: Migsafe, command: str, flags: tuple[str, ...]
) -> None:
    called = wide(*command.split(), *flags)
    assert "\x1b" not in called.out + called.err
    for line in called.out.splitlines():
        if max(map(len, line.split()), default=0) <= 60:
            assert len(line) <= 100, line
    tables = [line for line in called.out.splitlines() if re.fullmatch(r" *-[- ]+-", line)]
    assert tables
    assert max(map(len, tables)) <= 100


def _cells(line: str) -> int:
    return len(re.findall(r"(?<!\\)\|", line)) - 1


@pytest.mark.parametrize("command", [*QUESTIONS, "apply --gate never"])
def test_markdown_tables_are_whole(wide: Migsafe, command: str) -> None:
    out = wide(*command.split(), "--format", "markdown").out
    assert out.startswith(f"# migsafe {command.split()[0]}: ")
    blocks = [block for block in out.split("\n\n") if block.startswith("|")]
    assert blocks
    for block in blocks:
        header, rule, *rows = block.strip().splitlines()
        assert re.fullmatch(r"\|(:?-+:?\|)+", rule)
        assert rows
        assert {_cells(line) for line in (header, rule, *rows)} == {_cells(header)}


def test_a_pipe_in_a_name_does_not_break_a_markdown_table(
    migsafe: Migsafe, lay: Lay, conn: Conn, database: str
) -> None:
    conn.execute('CREATE TABLE odd ("a|b" text, "c`d" text)')
    conn.execute("INSERT INTO odd VALUES ('x|y', E'two\\nlines'), ('\\', '| |')")
    lay({"audits/odd.sql": "-- key: a|b, c`d\n-- description: a | b\nSELECT * FROM odd;\n"})
    out = migsafe("audit", "--url", database, "--format", "markdown").out
    block = next(part for part in out.split("\n\n") if part.startswith("| a"))
    assert {_cells(line) for line in block.strip().splitlines()} == {2}


def test_quiet_and_verbose_concern_progress_and_what_passed(
    release: Migsafe, migsafe: Migsafe, conn: Conn, database: str
) -> None:
    repair(conn)
    target = ("--url", database, "--migrations", "prisma")
    loud = migsafe("apply", *target, "-v")
    assert (loud.code, f"1/1 {SECOND}" in loud.err) == (0, True)
    assert "old_notes" in loud.out
    quiet = migsafe("apply", *target, "-q")
    assert (quiet.code, quiet.err) == (0, "")
    plain = migsafe("apply", *target)
    assert (plain.code, plain.err) == (0, "")
    assert "old_notes" not in plain.out
    assert migsafe("apply", *target, "-q", "--verbose", "--debug").code == 0


def on_a_terminal(
    workdir: Path, answer: str, *arguments: object, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run migsafe with a terminal as its stdin, stdout and stderr; give what it showed."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        child(*arguments),
        cwd=workdir,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "100"} | env,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        os.write(ours, answer.encode())
        shown = b""
        try:
            while part := os.read(ours, 65536):
                shown += part
        except OSError:
            pass  # Linux says EIO when the other end is closed
        os.close(ours)
        process.wait(30)
    return subprocess.CompletedProcess(process.args, process.returncode, shown.decode(), "")


def test_a_terminal_gets_colours_unless_no_color_is_set(
    release: Migsafe, database: str, workdir: Path
) -> None:
    status = ("status", "--url", database, "--migrations", "prisma")
    coloured = on_a_terminal(workdir, "", *status).stdout
    assert "\x1b[" in coloured
    plain = on_a_terminal(workdir, "", *status, NO_COLOR="1").stdout
    assert "\x1b[" not in plain
    assert unstyle(coloured).split()[:5] == plain.split()[:5]
    wrong = on_a_terminal(workdir, "", "status", "--url", NOWHERE, "-c", "none", NO_COLOR="1")
    assert wrong.returncode == ExitCode.USAGE
    assert "\x1b[" not in wrong.stdout


@pytest.mark.parametrize(("answer", "code"), [("n\n", 130), ("\n", 130), ("y\n", 0)])
def test_a_person_is_asked_and_a_no_changes_nothing(
    release: Migsafe, conn: Conn, database: str, workdir: Path, answer: str, code: int
) -> None:
    repair(conn)
    before = photograph(database)
    apply = ("apply", "--url", database, "--migrations", "prisma")
    done = on_a_terminal(workdir, answer, *apply)
    assert done.returncode == code, done.stdout
    assert SECOND in done.stdout
    assert (photograph(database) == before) is bool(code)


def test_yes_does_not_ask(release: Migsafe, conn: Conn, database: str, workdir: Path) -> None:
    repair(conn)
    apply = ("apply", "--url", database, "--migrations", "prisma", "--yes")
    assert on_a_terminal(workdir, "", *apply).returncode == 0


# ---------------------------------------------------------------- processes


def test_the_module_and_the_installed_script_agree(
    release: Migsafe, database: str, workdir: Path
) -> None:
    script = Path(sys.executable).with_name("migsafe")
    calls: list[tuple[str, ...]] = [
        ("--version",),
        ("--help",),
        ("status", "--help"),
        ("verify", "--url", database, "--migrations", "prisma"),
        ("status", "--url", "mysql://x"),
        ("nonsense",),
    ]
    for arguments in calls:
        ours = run_child(*arguments, cwd=workdir)
        theirs = subprocess.run(
            [script, *arguments], cwd=workdir, capture_output=True, text=True, timeout=60
        )
        assert theirs.returncode == ours.returncode
        assert theirs.stdout == ours.stdout
        assert theirs.stderr == ours.stderr


def test_a_reader_that_has_seen_enough_is_no_bug(
    release: Migsafe, database: str, workdir: Path
) -> None:
    target = ("--url", database, "--migrations", "prisma")
    for arguments in (("status", *target), ("audit", *target, "--format", "json"), ("status",)):
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run(
            child(*arguments),
            cwd=workdir,
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
        os.close(write)
        assert done.returncode == {"audit": 1}.get(arguments[0], 0 if len(arguments) > 1 else 2)
        assert "Traceback" not in done.stderr
        assert "Exception" not in done.stderr


def test_a_report_for_a_full_disk_keeps_the_exit_code_of_the_run(
    release: Migsafe, database: str, workdir: Path
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            child("audit", "--url", database, "--migrations", "prisma"),
            cwd=workdir,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert done.returncode == ExitCode.FINDINGS
    assert "Traceback" not in done.stderr


def test_nothing_is_read_from_the_checkout_that_holds_no_config(
    migsafe: Migsafe, database: str, tmp_path: Path
) -> None:
    """With --url and --migrations every command works without a config file."""
    lay_out(tmp_path / "elsewhere", RELEASE)
    target = ("--url", database, "--migrations", tmp_path / "elsewhere/prisma")
    audits = ("--audits", tmp_path / "elsewhere/audits")
    assert migsafe("apply", *target, *audits).code == ExitCode.OK
    for command in ("status", "audit", "plan", "verify", "history"):
        assert migsafe(command, *target, *audits).code == ExitCode.OK
