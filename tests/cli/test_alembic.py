"""Alembic projects from the command line: their own env.py, their own version table."""

import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migsafe.catalog import schema
from migsafe.errors import ExitCode
from migsafe.histories import Migration, alembic
from migsafe.pipeline import modelling
from tests.conftest import Called
from tests.db.alembic_projects import (
    ASYNC_ENV,
    ENV,
    EXTERNAL_ENV,
    TENANTS_ENV,
    configured,
    multidb,
    revision,
    write,
)

Conn = psycopg.Connection[Any]
Run = Callable[..., Called]

BODIES = (
    'op.create_table("people", sa.Column("id", sa.Integer, primary_key=True),'
    ' sa.Column("email", sa.Text))',
    'op.create_table("visits", sa.Column("id", sa.Integer, primary_key=True),'
    ' sa.Column("person", sa.Integer, sa.ForeignKey("people.id")))',
    'with op.get_context().autocommit_block():\n    op.create_index("by_person", "visits",'
    ' ["person"], postgresql_concurrently=True)',
    'op.add_column("people", sa.Column("seen", sa.DateTime))',
    'if not sa.inspect(op.get_bind()).has_table("notes"):\n'
    '    op.create_table("notes", sa.Column("id", sa.Integer))',
)
STRICT = 'op.create_table("b")\nop.alter_column("people", "email", nullable=False)'
NAMES = [f"a{number}" for number in range(1, len(BODIES) + 1)]


@pytest.fixture
def project(workdir: Path) -> Path:
    """Directory of a project of five revisions; env.py itself leads nowhere."""
    return lay(workdir, BODIES)


def lay(root: Path, bodies: tuple[str, ...], env: str = ENV) -> Path:
    """Write a line of revisions."""
    texts = {
        name: revision(name, body, NAMES[place - 1] if place else None)
        for place, (name, body) in enumerate(zip(NAMES, bodies, strict=False))
    }
    write(root, texts, env=env)
    return root / "migrations"


@pytest.fixture
def run(migsafe: Run, database: str, workdir: Path) -> Run:
    """Run a command on the database and the project, with a JSON report."""

    def call(*arguments: str) -> Called:
        return migsafe(
            *arguments, "--url", database, "--migrations", "migrations", "--format", "json"
        )

    return call


def versions(conn: Conn, table: str = "alembic_version") -> list[str]:
    rows = conn.execute(f"SELECT version_num FROM {table} ORDER BY 1".encode())
    return [str(name) for (name,) in rows]


def facts(conn: Conn) -> dict[Any, str]:
    """Read what a schema is, whoever made its database."""
    found = schema.facts(schema.read(conn))
    return {key: value for key, value in found.items() if key.aspect != "owner"}


def receipts(conn: Conn) -> list[tuple[str, str, int | None]]:
    return conn.execute(
        "SELECT migration, event, statement FROM migsafe.receipts ORDER BY id"
    ).fetchall()


def upgraded(root: Path, url: str, revision: str = "heads") -> None:
    """Have Alembic itself upgrade a database."""
    env = root / "migrations" / "env.py"
    text = env.read_text()
    env.write_text(
        text.replace(text[text.index('"postgresql') : text.index('").connect')], f'"{url}')
    )
    call = [sys.executable, "-m", "alembic", "-c", str(root / "alembic.ini"), "upgrade", revision]
    subprocess.run(call, cwd=root, check=True, capture_output=True)
    env.write_text(text)


def test_a_project_is_applied_as_its_own_alembic_does(
    project: Path, run: Run, conn: Conn, make_database: Callable[[], str], workdir: Path
) -> None:
    assert run("status").report.history.pending == tuple(NAMES)  # type: ignore[union-attr]
    planned = run("plan")
    assert planned.code == 0, planned
    assert [bool(step.alone) for step in planned.report.plan] == [False, False, True, False, False]

    applied = run("apply")

    assert applied.code == 0, applied
    assert [step.outcome for step in applied.report.steps] == ["done"] * 5
    assert versions(conn) == ["a5"]
    assert [event for name, event, _ in receipts(conn) if name == "a3"] == [
        "began",
        "statement",
        "done",
    ]
    status = run("status").report.history
    assert status is not None
    assert (status.state, status.applied, status.pending) == ("managed", tuple(NAMES), ())
    assert run("verify").code == 0
    assert run("apply").report.steps == ()
    other = make_database()
    upgraded(workdir, other.replace("postgresql://", "postgresql+psycopg://"))
    with psycopg.connect(other, autocommit=True) as theirs:
        assert versions(theirs) == ["a5"]
        assert facts(theirs) == facts(conn)


def test_a_failing_revision_leaves_nothing_and_what_ran_before_it_stays(
    workdir: Path, run: Run, conn: Conn
) -> None:
    lay(workdir, BODIES[:1])
    assert run("apply").code == 0
    conn.execute("INSERT INTO people VALUES (1, NULL)")
    more = {"a2": BODIES[1], "a3": STRICT, "a4": BODIES[3]}
    for down, (name, body) in zip(NAMES, more.items(), strict=False):
        file = workdir / "migrations" / "versions" / f"{name}.py"
        file.write_text(revision(name, body, down))
    assert run("apply").code == 1  # the rows are asked before

    failed = run("apply", "--no-derived")

    assert failed.code == 5, failed
    assert [step.outcome for step in failed.report.steps] == ["done", "failed", "skipped"]
    step = failed.report.steps[1]
    assert (step.statement, step.line) == (2, 11)
    assert "23502" in str(step.error)
    assert versions(conn) == ["a2"]
    assert conn.execute("SELECT to_regclass('b')").fetchone() == (None,)
    assert [name for name, event, _ in receipts(conn) if event == "done"] == ["a1", "a2"]
    assert run("status").report.history.pending == ("a3", "a4")  # type: ignore[union-attr]


def test_a_baseline_finds_and_stamps_the_revision_that_is_in_effect(
    project: Path, run: Run, conn: Conn, database: str, workdir: Path
) -> None:
    upto = random.Random(7).choice(NAMES[:-1])
    upgraded(workdir, database.replace("postgresql://", "postgresql+psycopg://"), upto)
    conn.execute("DROP TABLE alembic_version")
    assert run("apply").code == 7
    found = run("baseline")
    assert found.report.baseline is not None
    assert found.report.baseline.in_effect == tuple(NAMES[: NAMES.index(upto) + 1])

    written = run("baseline", "--write")

    assert written.code == 0, written
    assert versions(conn) == [upto]
    assert run("apply").code == 0
    assert versions(conn) == ["a5"]


def test_an_unknown_revision_in_the_table_is_a_schema_ahead_and_never_behind(
    project: Path, run: Run, conn: Conn, migsafe: Run, database: str
) -> None:
    assert run("apply").code == 0
    (project / "versions" / "a5.py").unlink()
    status = run("status")
    assert status.code == 1
    assert status.report.history is not None
    assert status.report.history.missing == ("a5",)
    assert status.report.history.applied == tuple(NAMES[:4])  # so say the receipts
    assert [(f.code, f.severity) for f in status.report.findings] == [("MH105", "error")]
    assert run("apply").code == 1
    assert versions(conn) == ["a5"]

    conn.execute("DROP SCHEMA migsafe CASCADE")

    unknown = run("status").report.history
    assert unknown is not None
    assert (unknown.state, unknown.applied, unknown.pending) == ("managed", (), ())
    where = ["--url", database, "--migrations", "migrations", "--format", "json"]
    refused = migsafe("gate", *where, "--allow-ahead")
    assert refused.code == 1
    assert [f.code for f in refused.report.findings if not f.suppressed] == ["MV112"]


def test_an_edited_revision_is_told_from_a_rebased_one(project: Path, run: Run) -> None:
    assert run("apply").code == 0
    file = project / "versions" / "a2.py"
    text = file.read_text()
    file.write_text(text.replace('"""Make a2."""', '"""Make them visit."""'))
    assert run("status").report.history.edited == ()  # type: ignore[union-attr]
    file.write_text(text.replace('"visits"', '"calls"'))
    assert run("status").report.history.edited == ("a2",)  # type: ignore[union-attr]


def test_a_version_table_in_another_schema_is_found_through_env_py(
    workdir: Path, run: Run, conn: Conn
) -> None:
    conn.execute("CREATE SCHEMA meta")
    lay(workdir, BODIES[:2], configured(version_table="versions", version_table_schema="meta"))
    (workdir / "setup.sql").write_text("CREATE SCHEMA meta;")
    (workdir / "migsafe.toml").write_text('[shadow]\nprelude = ["setup.sql"]\n')
    applied = run("apply")
    assert applied.code == 0, applied
    assert versions(conn, "meta.versions") == ["a2"]
    status = run("status").report.history
    assert status is not None
    assert status.table == "meta.versions"


def test_a_role_that_may_not_read_the_version_table_is_told_so(
    project: Path, run: Run, migsafe: Run, make_role: Callable[..., tuple[str, str]]
) -> None:
    assert run("apply").code == 0
    _, url = make_role()

    refused = migsafe("status", "--url", url, "--migrations", project)

    assert refused.code == ExitCode.UNREACHABLE, refused
    assert "permission denied for table alembic_version" in refused.err
    assert refused.err.endswith("; migsafe grants prints those on a target\n")


def test_of_several_databases_the_one_of_the_target_is_served_and_the_others_are_named(
    workdir: Path, run: Run, conn: Conn
) -> None:
    body = "op.create_table(engine_name, sa.Column('id', sa.Integer))"
    name = conn.info.dbname
    write(
        workdir,
        {"a1": revision("a1", body, arguments="engine_name")},
        env=multidb("reports", name),
    )

    applied = run("apply")

    assert applied.code == 0, applied
    assert [f.code for f in applied.report.findings if f.severity != "info"] == ["MH130"]
    assert "alembic_version in 127.0.0.1:1/reports" in applied.report.findings[0].message
    assert [step.outcome for step in applied.report.steps] == ["done"]
    assert conn.execute("SELECT to_regclass('reports')").fetchone() == (None,)
    assert versions(conn) == ["a1"]
    assert run("verify").code == 0
    (workdir / "migrations" / "env.py").write_text(multidb("clinic", "reports"))
    refused = run("status")
    assert refused.code == 2
    assert "127.0.0.1:1/clinic, 127.0.0.1:1/reports" in refused.err
    (workdir / "migsafe.toml").write_text('[history]\ndatabase = "clinic"\n')
    assert run("status").code == 0
    (workdir / "migsafe.toml").write_text('[history]\ndatabase = "clinics"\n')
    assert "clinic" in run("status").err


def test_of_several_version_tables_each_is_a_history_of_its_own(
    workdir: Path, run: Run, conn: Conn
) -> None:
    conn.execute("CREATE SCHEMA one; CREATE SCHEMA two")
    lay(workdir, BODIES[:3], TENANTS_ENV)
    (workdir / "setup.sql").write_text("CREATE SCHEMA one; CREATE SCHEMA two;")
    config = workdir / "migsafe.toml"
    config.write_text('[shadow]\nprelude = ["setup.sql"]\n')
    refused = run("status")
    assert refused.code == 2
    assert "2 version tables, one.alembic_version, two.alembic_version" in refused.err
    text = config.read_text()

    for tenant, upto in (("two", "a3"), ("one", "a2")):
        config.write_text(f'{text}[history]\nversion_table = "{tenant}.alembic_version"\n')
        applied = run("apply", "--to", upto)
        assert applied.code == 0, applied
        assert versions(conn, f"{tenant}.alembic_version") == [upto]
        assert [f.code for f in applied.report.findings if f.severity != "info"] == ["MH130"]
        assert run("status").code == 0

    assert run("verify").code == 1
    assert run("status").report.history.pending == ("a3",)  # type: ignore[union-attr]
    assert conn.execute("SELECT to_regclass('public.people')").fetchone() == (None,)
    conn.execute("DROP TABLE one.alembic_version")
    assert run("apply").code == 7
    written = run("baseline", "--write")
    assert written.code == 0, written
    assert versions(conn, "one.alembic_version") == ["a2"]
    assert versions(conn, "two.alembic_version") == ["a3"]


def test_a_lock_that_is_not_free_is_tried_again_and_then_left(
    workdir: Path, run: Run, conn: Conn, database: str
) -> None:
    lay(workdir, BODIES[:1])
    assert run("apply").code == 0
    lay(workdir / "more", BODIES[:1])
    (workdir / "migrations" / "versions" / "a2.py").write_text(
        revision("a2", 'op.add_column("people", sa.Column("age", sa.Integer))', "a1")
    )
    (workdir / "migsafe.toml").write_text(
        f'[env.test]\nurl = "{database}"\nlock_timeout = "200ms"\nattempts = 2\n'
    )
    conn.execute("BEGIN")
    conn.execute("LOCK TABLE people IN ACCESS SHARE MODE")
    busy = run("apply", "-e", "test")
    assert busy.code == 4, busy
    assert [(step.outcome, step.attempts) for step in busy.report.steps] == [("busy", 2)]
    conn.execute("COMMIT")
    assert versions(conn) == ["a1"]
    assert run("apply").code == 0
    assert versions(conn) == ["a2"]


def started(workdir: Path, url: str, *arguments: str) -> subprocess.Popen[str]:
    """Start `migsafe apply` as a process of its own."""
    command = [sys.executable, "-m", "migsafe", "apply", "--url", url, *arguments]
    more = ["--migrations", "migrations", "--format", "json"]
    return subprocess.Popen(
        [*command, *more], cwd=workdir, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


SEED = (
    "with op.get_context().autocommit_block():\n"
    '    op.execute("INSERT INTO seeds SELECT 1 FROM pg_sleep(1)")'
)


def test_of_three_deployers_one_runs_a_step_outside_a_transaction(
    workdir: Path, run: Run, conn: Conn, database: str
) -> None:
    lay(workdir, ('op.execute("CREATE TABLE seeds (id int)")', SEED))
    assert run("apply", "--to", "a1").code == 0

    ended = [started(workdir, database) for _ in range(3)]
    codes = sorted(one.wait() for one in ended)

    for one in ended:
        one.communicate()
    assert set(codes) <= {0, 4}
    assert codes[0] == 0
    assert conn.execute("SELECT count(*) FROM seeds").fetchone() == (1,)
    assert versions(conn) == ["a2"]


def test_a_deployer_killed_outside_a_transaction_is_found_and_its_step_settled(
    workdir: Path, run: Run, conn: Conn, database: str
) -> None:
    slow = f"{SEED}\n    op.execute('UPDATE slow SET id = 2 WHERE pg_sleep(30) IS NOT NULL')"
    lay(workdir, ('op.execute("CREATE TABLE seeds (id int); CREATE TABLE slow (id int)")', slow))
    assert run("apply", "--to", "a1").code == 0
    conn.execute("INSERT INTO slow VALUES (1)")  # the shadow has no such row
    process = started(workdir, database)
    count = "SELECT count(*) FROM seeds"
    until = time.monotonic() + 60
    while conn.execute(count).fetchone() == (0,) and time.monotonic() < until:
        time.sleep(0.05)
    process.kill()
    process.communicate()

    assert run("apply").code == 6
    status = run("status")
    assert status.code == 6
    assert [(f.code, f.migration) for f in status.report.findings] == [("MH104", "a2")]
    assert [event for name, event, _ in receipts(conn) if name == "a2"][:2] == [
        "began",
        "statement",
    ]
    unsure = run("resolve", "a2", "--finish")
    assert (unsure.code, [f.code for f in unsure.report.findings]) == (1, ["MH116"])
    assert run("resolve", "--applied", "a2", "--force").code == 0
    assert versions(conn) == ["a2"]
    assert run("apply").code == 0
    assert conn.execute(count).fetchone() == (1,)


def test_a_step_may_be_named_by_its_file(workdir: Path, run: Run, conn: Conn) -> None:
    lay(workdir, BODIES[:2])
    file = workdir / "migrations" / "versions" / "a1.py"
    file.rename(file.with_name("a1_people.py"))
    applied = run("apply", "--to", "a1_people")
    assert [step.migration for step in applied.report.steps] == ["a1"]
    assert versions(conn) == ["a1"]


def test_what_depends_on_answers_is_named(project: Path, run: Run) -> None:
    found = run("plan").report.findings
    assert [f.migration for f in found if f.code == "MH120"] == ["a5"]


def test_a_record_that_would_call_another_one_applied_is_refused(
    project: Path, run: Run, conn: Conn
) -> None:
    assert run("apply", "--to", "a1").code == 0
    assert run("resolve", "--applied", "a4", "--force").code == 2
    assert versions(conn) == ["a1"]
    assert run("apply").code == 0
    assert run("resolve", "--rolled-back", "a4", "--force").code == 2
    assert versions(conn) == ["a5"]


def test_an_env_py_with_a_transaction_of_its_own_runs_all_or_nothing(
    workdir: Path, run: Run, conn: Conn
) -> None:
    lay(workdir, BODIES[:2], EXTERNAL_ENV)
    applied = run("apply")
    assert [step.outcome for step in applied.report.steps] == ["done", "done"], applied
    assert versions(conn) == ["a2"]
    conn.execute("INSERT INTO people VALUES (1, NULL)")
    for name, body, down in (("a3", BODIES[3], "a2"), ("a4", STRICT, "a3")):
        file = workdir / "migrations" / "versions" / f"{name}.py"
        file.write_text(revision(name, body, down))
    failed = run("apply", "--no-derived")
    assert failed.code == 5, failed
    assert [step.outcome for step in failed.report.steps] == ["skipped", "failed"]
    assert versions(conn) == ["a2"]


def test_a_signal_cancels_a_revision_that_runs(
    workdir: Path, run: Run, conn: Conn, database: str
) -> None:
    slow = "op.execute('UPDATE slow SET id = 2 WHERE pg_sleep(30) IS NOT NULL')"
    lay(workdir, ('op.execute("CREATE TABLE slow (id int)")', slow))
    assert run("apply", "--to", "a1").code == 0
    conn.execute("INSERT INTO slow VALUES (1)")  # the shadow has no such row
    process = started(workdir, database)
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'UPDATE slow%'"
    until = time.monotonic() + 60
    while conn.execute(sleeping).fetchone() == (0,) and time.monotonic() < until:
        time.sleep(0.05)
    process.terminate()
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 130, out
    assert versions(conn) == ["a1"]
    assert run("status").code == 0


def test_a_signal_ends_a_revision_that_waits_for_something_else(
    workdir: Path, run: Run, conn: Conn, database: str
) -> None:
    body = 'import os, time\nop.execute("CREATE TABLE early (id int)")\n'
    lay(workdir, (body + 'if os.path.exists("late"):\n    time.sleep(600)',))
    assert run("plan").code == 0
    (workdir / "late").touch()
    process = started(workdir, database)
    waiting = """SELECT count(*) FROM pg_stat_activity
                 WHERE query LIKE 'CREATE TABLE early%' AND state = 'idle in transaction'"""
    until = time.monotonic() + 60
    while conn.execute(waiting).fetchone() == (0,) and time.monotonic() < until:
        time.sleep(0.05)
    process.terminate()
    out, _ = process.communicate(timeout=40)
    assert process.returncode == 130, out
    assert conn.execute("SELECT to_regclass('early')").fetchone() == (None,)
    assert run("status").code == 0


MODELS = """
import sqlalchemy as sa
metadata = sa.MetaData()
sa.Table("people", metadata, sa.Column("id", sa.Integer, primary_key=True),
         sa.Column("email", sa.Text), sa.Column("age", sa.Integer))
"""


def test_models_are_compared_with_the_schema_as_env_py_has_it(
    workdir: Path, run: Run, conn: Conn
) -> None:
    more = "target_metadata=metadata, include_schemas=True"
    env = MODELS + ENV.replace("connection=connection)", f"connection=connection, {more})")
    folder = lay(workdir, BODIES[:1], env)
    assert run("apply").code == 0

    verified = run("verify")

    assert verified.code == 0
    assert [(f.code, f.count, f.message.rpartition(": ")[2]) for f in verified.report.findings] == [
        ("MV114", 1, "add_column people age on people")
    ]
    config = workdir / "migsafe.toml"
    config.write_text("[history]\nmodels = false\n")
    assert run("verify").report.findings == ()
    config.unlink()
    (folder / "env.py").write_text(ENV)
    assert any("no target_metadata" in note for note in run("verify").report.notes)


def test_an_async_env_py_is_run_with_receipts_and_an_autocommit_block(
    workdir: Path, run: Run, conn: Conn
) -> None:
    lay(workdir, BODIES[:3], ASYNC_ENV)
    applied = run("apply")
    assert [step.outcome for step in applied.report.steps] == ["done"] * 3, applied
    assert versions(conn) == ["a3"]
    assert [one for one in receipts(conn) if one[0] == "a3"] == [
        ("a3", "began", None), ("a3", "statement", 1), ("a3", "done", None),
    ]  # fmt: skip


def test_both_heads_of_a_branch_are_named_and_applied(workdir: Path, run: Run, conn: Conn) -> None:
    lay(workdir, BODIES[:1])
    folder = workdir / "migrations" / "versions"
    for name, column in (("left", "tall"), ("right", "wide")):
        body = f'op.add_column("people", sa.Column("{column}", sa.Text))'
        (folder / f"{name}.py").write_text(revision(name, body, "a1"))

    applied = run("apply")

    assert applied.code == 0, applied
    assert [f.code for f in applied.report.findings if f.severity == "warning"] == ["MH119"]
    assert versions(conn) == ["left", "right"]
    (folder / "merge.py").write_text(revision("merge", "", ("left", "right")))
    assert run("apply").code == 0
    assert versions(conn) == ["merge"]
    conn.execute("DELETE FROM alembic_version; INSERT INTO alembic_version VALUES ('left')")
    status = run("status").report.history
    assert status is not None
    assert (status.applied, status.pending) == (("a1", "left"), ("right", "merge"))


def test_a_revision_too_long_for_the_version_table_is_rolled_back_there(
    workdir: Path, run: Run, conn: Conn
) -> None:
    long = "f" * 40
    write(workdir, {long: revision(long, BODIES[0])})
    failed = run("apply")
    assert failed.code == 5, failed
    assert "22001" in str(failed.report.steps[0].error)
    assert conn.execute("SELECT to_regclass('people')").fetchone() == (None,)
    conn.execute("DROP TABLE IF EXISTS alembic_version")
    conn.execute("CREATE TABLE alembic_version (version_num text PRIMARY KEY)")
    assert run("apply").code == 0
    assert versions(conn) == [long]


def test_the_sql_of_revisions_is_kept_only_where_their_files_are_all(
    workdir: Path, run: Run
) -> None:
    folder = lay(workdir, BODIES[:1]) / "versions"
    kept = workdir / ".migsafe" / "replays"
    assert run("plan").code == 0
    assert len(list(kept.glob("[!.]*"))) == 1
    (workdir / "names.py").write_text('NAME = "phone"')
    body = 'import names\nop.add_column("people", sa.Column(names.NAME, sa.Text))'
    (folder / "a2.py").write_text(revision("a2", body, "a1"))
    assert run("plan").code == 0
    assert len(list(kept.glob("[!.]*"))) == 1
    (workdir / "more.sql").write_text("ALTER TABLE people ADD phone text")
    body = 'op.execute(open("more.sql").read())'
    (folder / "a2.py").write_text(revision("a2", body, "a1"))
    assert run("plan").code == 0
    assert len(list(kept.glob("[!.]*"))) == 1


def test_the_sql_of_revisions_is_asked_again_where_what_it_depends_on_is_another(
    workdir: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "import os\nop.execute(f\"CREATE TABLE {os.environ['WHICH_ONE']} (id int)\")"
    write(workdir, {"a1": revision("a1", body)})
    (workdir / "early.sql").write_text("CREATE TABLE early (id bigint)")
    (workdir / "migsafe.toml").write_text('[shadow]\nprelude = ["early.sql"]\n')
    for number, name in enumerate(("first", "second"), start=1):
        monkeypatch.setenv("WHICH_ONE", name)
        assert run("plan").code == 0
        assert len(list((workdir / ".migsafe" / "replays").glob("[!.]*"))) == number
    (workdir / "early.sql").write_text("CREATE TABLE second (id bigint)")
    failed = run("plan")
    assert (failed.code, "42P07" in failed.err) == (2, True)


HALF = """
with op.get_context().autocommit_block():
    op.execute("INSERT INTO seeds VALUES (1)")
    op.create_index("once", "people", ["email"], unique=True, postgresql_concurrently=True)
    op.execute("INSERT INTO seeds VALUES (2)")
"""


def test_a_revision_that_stopped_midway_is_finished_where_it_stopped(
    workdir: Path, run: Run, conn: Conn
) -> None:
    folder = lay(workdir, (BODIES[0] + '\nop.execute("CREATE TABLE seeds (id int)")', HALF))
    assert run("apply", "--to", "a1").code == 0
    conn.execute("INSERT INTO people (email) VALUES ('same'), ('same')")
    assert run("apply", "--no-derived").code == 6
    assert run("resolve", "a2", "--finish").code == 6  # the rows are as they were
    conn.execute("DELETE FROM people")
    file = folder / "versions" / "a2.py"
    text = file.read_text()
    file.write_text(text.replace("(2)", "(3)"))
    edited = run("resolve", "a2", "--finish")
    assert (edited.code, "edited" in edited.err) == (2, True)
    file.write_text(text)

    finished = run("resolve", "a2", "--finish")

    assert finished.code == 0, finished
    assert conn.execute("SELECT id FROM seeds ORDER BY 1").fetchall() == [(1,), (2,)]
    assert conn.execute(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = 'once'::regclass"
    ).fetchone() == (True,)
    assert versions(conn) == ["a2"]
    assert run("status").code == 0


@pytest.mark.parametrize(
    ("body", "changes", "reason"),
    [
        ("pass", {}, None),
        ("import uuid", {}, "imports uuid, which may say something else by now"),
        ("pass", {"sent": ()}, "looks at what the database answers"),
        ("pass", {"reads": True}, "looks at what the database answers"),
    ],
)
def test_a_revision_that_may_say_something_else_is_not_finished(
    tmp_path: Path, body: str, changes: dict[str, Any], reason: str | None
) -> None:
    path = tmp_path / "a.py"
    path.write_text(revision("a", body))
    one = Migration(name="a", path=path, text="", checksum="", sent=(1,))
    said = alembic.wavering(replace(one, **changes))
    assert said is None if reason is None else str(said).startswith(reason)


def test_a_baseline_goes_on_from_the_tables_that_the_prelude_makes(
    project: Path, run: Run, conn: Conn, workdir: Path
) -> None:
    early = "CREATE TABLE early (id bigint)"
    (workdir / "early.sql").write_text(early)
    (workdir / "migsafe.toml").write_text('[shadow]\nprelude = ["early.sql"]\n')
    conn.execute("CREATE TABLE early (id integer)")
    assert run("apply", "--baseline").code == 7
    conn.execute("ALTER TABLE early ALTER COLUMN id TYPE bigint")

    applied = run("apply", "--baseline")

    assert applied.code == 0, applied
    assert versions(conn) == ["a5"]
    assert run("verify").code == 0


ONCE = """
import sys
if hasattr(sys, "ran"):
    raise RuntimeError("this env.py runs once in a process")
sys.ran = True
"""

POOLED = """
from alembic import context
import app

with app.engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""

APP = """
from sqlalchemy import create_engine
engine = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/elsewhere")
"""


@pytest.mark.parametrize(
    ("env", "app"),
    [
        (ONCE + ENV, ""),
        (POOLED, APP),
        (
            POOLED.replace("with app.engine.connect() as connection", "if connection := app.held"),
            APP + "held = engine.connect()\n",
        ),
    ],
    ids=["that runs once", "with a pool that stays", "with a connection that stays"],
)
def test_an_env_py_that_has_been_run_before_is_applied_all_the_same(
    run: Run, conn: Conn, workdir: Path, env: str, app: str
) -> None:
    lay(workdir, BODIES[:2], env)
    (workdir / "app.py").write_text(app)

    applied = run("apply")

    assert applied.code == 0, applied
    assert [step.outcome for step in applied.report.steps] == ["done"] * 2
    assert versions(conn) == ["a2"]
    assert [name for name, _, _ in receipts(conn)] == ["a1", "a2"]


LATER = """
import os
made = []
""" + ENV.replace(
    "connection=connection)",
    "connection=connection, on_version_apply=lambda **_: made.append(1))",
)

GONE = """
import os, sys
def ended(_):
    os._exit(1)
if os.path.exists("late"):
    sys.modules["__main__"].Parent.ask = ended
"""


@pytest.mark.parametrize("ending", ["os._exit(0)", "raise SystemExit(0)", "raise LookupError()"])
def test_what_env_py_does_when_all_is_committed_undoes_nothing(
    run: Run, conn: Conn, workdir: Path, ending: str
) -> None:
    lay(workdir, BODIES[:2], LATER + f'if made and os.path.exists("late"):\n    {ending}\n')
    assert run("plan").code == 0
    (workdir / "late").touch()

    applied = run("apply")

    assert applied.code == 0, applied
    assert [(step.migration, step.outcome) for step in applied.report.steps] == [
        ("a1", "done"),
        ("a2", "done"),
    ]
    assert versions(conn) == ["a2"]


def test_a_driver_that_ends_between_two_revisions_has_not_run_the_second(
    run: Run, conn: Conn, workdir: Path
) -> None:
    lay(workdir, (GONE + BODIES[0], BODIES[1], BODIES[3]))
    assert run("plan").code == 0
    (workdir / "late").touch()

    applied = run("apply")

    assert applied.code == 5, applied
    assert [(step.migration, step.outcome) for step in applied.report.steps] == [
        ("a1", "done"),
        ("a2", "failed"),
        ("a3", "skipped"),
    ]
    assert versions(conn) == ["a1"]


def test_a_comparison_of_models_that_does_not_end_is_unknown(
    run: Run, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modelling, "_WITHIN", 3.0)
    waiting = ENV.replace(
        "connection=connection)",
        "connection=connection, target_metadata=models, include_name=lambda *_: time.sleep(600))",
    )
    models = "import time\nfrom sqlalchemy import MetaData\nmodels = MetaData()\n"
    lay(workdir, BODIES[:1], models + waiting)
    assert run("apply").code == 0

    verified = run("verify")

    (found,) = [one for one in verified.report.findings if one.code == "MV115"]
    assert "no answer came within 3 s" in found.message
    assert verified.code != 0
