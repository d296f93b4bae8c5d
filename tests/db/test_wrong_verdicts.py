"""Ways to a wrong "applied", "passed" or "rolled back", each closed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migsafe import deployers, histories, ledger, planning, target
from migsafe.config import HistoryConfig
from migsafe.findings import Severity
from migsafe.outcomes import Outcome, StepResult
from migsafe.runner import Limits, Runner
from migsafe.sql import parse
from tests import roles
from tests.conftest import Called

Conn = psycopg.Connection[Any]


GOLANG_MIGRATE = (
    "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL)"
)


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name.removeprefix('_')}.sql").write_text(text, "utf-8")
    return folder


def test_an_invalid_index_behind_if_not_exists_is_no_success(
    migsafe: Callable[..., Called], database: str, conn: Conn, workdir: Path
) -> None:
    concurrently = "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS one ON people (name);"
    conn.execute("CREATE TABLE people (name text)")
    conn.execute("INSERT INTO people VALUES ('a'), ('a')")
    with pytest.raises(psycopg.errors.UniqueViolation):
        conn.execute(concurrently)
    roles.unprepare(conn)
    conn.execute("CREATE SCHEMA migsafe")
    conn.execute(
        "CREATE TABLE migsafe.migrations (name text PRIMARY KEY, checksum text NOT NULL,"
        " applied timestamptz DEFAULT now(), role text DEFAULT session_user)"
    )
    folder = write(workdir / "migrations", _1_one=concurrently)
    arguments = ("apply", "--url", database, "--migrations", folder, "--format", "json")
    refused = migsafe(*arguments)
    assert refused.code == 1, refused.out
    assert refused.report.steps == ()
    named = {f.name for f in refused.report.findings if f.severity is Severity.ERROR}
    assert "concurrent-if-not-exists-invalid" in named
    called = migsafe(*arguments, "--gate", "never")
    assert called.code == 6, called.out
    assert called.report.steps[0].outcome is Outcome.DIRTY
    assert "one" in str(called.report.steps[0].error)


def run(database: str, folder: Path) -> list[StepResult]:
    """Run a directory's migrations as apply would."""
    where = target.parse(database)
    directory = histories.load(folder, HistoryConfig())
    steps = [planning.step(migration) for migration in directory.migrations]
    with target.connect(where) as session:
        history = histories.attach(directory, session, where)
        assert isinstance(history, histories.Written)
        limits = Limits(lock_timeout="5s", attempts=2)
        with deployers.turn(where, session, [ledger.LOCK]) as turn:
            made = Runner(turn=turn, history=history, run_id="run", limits=limits)
            return list(made.run(steps))


def interrupt_after(monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    """Let a signal arrive when the server has just done what ends with `ending`."""
    real = target.execute

    def execute(conn: Any, text: str, *rest: Any) -> None:
        real(conn, text, *rest)
        if text.rstrip().endswith(ending):
            monkeypatch.setattr(target, "execute", real)
            raise KeyboardInterrupt

    monkeypatch.setattr(target, "execute", execute)


def test_a_signal_after_the_commit_does_not_call_it_rolled_back(
    database: str, conn: Conn, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(workdir / "m", _1_a="CREATE TABLE a ();", _2_b="CREATE TABLE b ();")
    real = target.commit

    def commit(*writes: Any, then: str) -> bool:
        real(*writes, then=then)
        raise KeyboardInterrupt

    monkeypatch.setattr(target, "commit", commit)
    results = run(database, folder)
    assert [r.outcome for r in results] == [Outcome.DONE, Outcome.SKIPPED]
    assert results[0].interrupted
    row = conn.execute("SELECT to_regclass('a') IS NOT NULL, to_regclass('b') IS NULL").fetchone()
    assert row == (True, True)


def test_a_signal_after_a_concurrent_build_leaves_the_migration_unfinished(
    database: str, conn: Conn, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(
        workdir / "m", _1_a="CREATE TABLE a (n int);", _2_b="CREATE INDEX CONCURRENTLY i ON a (n);"
    )
    interrupt_after(monkeypatch, "CREATE INDEX CONCURRENTLY i ON a (n)")
    results = run(database, folder)
    assert [r.outcome for r in results] == [Outcome.DONE, Outcome.DIRTY]
    last = "SELECT event FROM migsafe.receipts ORDER BY id DESC LIMIT 1"
    assert conn.execute(last).fetchone() == ("began",)


def test_a_receipt_that_fails_after_a_concurrent_build_leaves_it_unfinished(
    migsafe: Callable[..., Called], database: str, conn: Conn, workdir: Path
) -> None:
    folder = write(workdir / "m", _1_a="CREATE TABLE a (n int);")
    arguments = ("--url", database, "--migrations", folder, "--format", "json")
    assert migsafe("apply", *arguments).code == 0
    conn.execute(
        """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
           $$BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '53100'; END$$;
           CREATE TRIGGER refuse BEFORE INSERT ON migsafe.receipts FOR EACH ROW
           WHEN (NEW.event = 'statement') EXECUTE FUNCTION refuse()"""
    )
    write(folder, _2_b="CREATE INDEX CONCURRENTLY i ON a (n);")
    assert migsafe("apply", *arguments).code == 6
    assert migsafe("status", *arguments).code == 6


def test_an_audit_that_row_security_would_filter_fails(
    migsafe: Callable[..., Called], database: str, superuser: Conn, workdir: Path
) -> None:
    url = roles.superusers(database)
    role = f"reader_{superuser.info.dbname}"
    superuser.execute(f'CREATE ROLE "{role}" LOGIN'.encode())
    try:
        superuser.execute("CREATE TABLE people (id int)")
        superuser.execute("INSERT INTO people VALUES (1)")
        superuser.execute("ALTER TABLE people ENABLE ROW LEVEL SECURITY")
        superuser.execute(f'GRANT SELECT ON people TO "{role}"'.encode())
        write(workdir / "audits", people="-- audit: people\nSELECT id FROM people;")
        called = migsafe(
            "audit", "--url", f"{url}{'&' if '?' in url else '?'}options=-crole%3D{role}",
            "--format", "json",
        )  # fmt: skip
        assert called.code == 1, called.out
        assert called.report.findings[0].code == "MA002"
    finally:
        superuser.execute(f'DROP OWNED BY "{role}"'.encode())
        superuser.execute(f'DROP ROLE "{role}"'.encode())


def test_an_empty_schema_in_a_full_database_skips_no_audit(
    migsafe: Callable[..., Called], database: str, conn: Conn, workdir: Path
) -> None:
    conn.execute("CREATE TABLE people (id int)")
    conn.execute("INSERT INTO people VALUES (1)")
    folder = workdir / "prisma"
    (folder / "1_a").mkdir(parents=True)
    (folder / "1_a" / "migration.sql").write_text("CREATE TABLE a ();", "utf-8")
    write(workdir / "audits", people="-- audit: people\nSELECT id FROM public.people;")
    url = f"{database}{'&' if '?' in database else '?'}schema=app"
    called = migsafe("apply", "--url", url, "--migrations", folder, "--format", "json")
    assert called.code == 1, called.out
    assert conn.execute("SELECT to_regnamespace('app')").fetchone() == (None,)


@pytest.mark.parametrize("recorded", [-1, 3])
def test_rolling_back_a_dirty_version_never_skips_ahead(
    migsafe: Callable[..., Called], database: str, conn: Conn, workdir: Path, recorded: int
) -> None:
    conn.execute(
        "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL)"
    )
    conn.execute("INSERT INTO schema_migrations VALUES (%s, true)", [recorded])
    folder = workdir / "m"
    folder.mkdir()
    for number in (1, 2, 5):
        (folder / f"{number}_t.up.sql").write_text(f"CREATE TABLE t{number} ();", "utf-8")
    called = migsafe(
        "resolve", "--rolled-back", recorded, "--force", "--url", database, "--migrations", folder
    )
    assert called.code == 0, called.err
    rows = conn.execute("SELECT version, dirty FROM schema_migrations").fetchall()
    assert rows == ([] if recorded == -1 else [(2, False)])


def test_golang_migrate_is_not_resolved_past_a_file_that_never_ran(
    migsafe: Callable[..., Called], database: str, conn: Conn, workdir: Path
) -> None:
    conn.execute(
        "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL)"
    )
    conn.execute("INSERT INTO schema_migrations VALUES (1, false)")
    folder = workdir / "m"
    folder.mkdir()
    for number in (1, 2, 3):
        (folder / f"{number}_t.up.sql").write_text("SELECT 1;", "utf-8")
    called = migsafe(
        "resolve", "--applied", "3_t", "--force", "--url", database, "--migrations", folder
    )
    assert called.code == 2
    assert "2_t" in called.err
    assert conn.execute("SELECT version FROM schema_migrations").fetchall() == [(1,)]


def test_a_file_may_set_its_isolation_level_in_every_run(
    migsafe: Callable[..., Called], database: str, workdir: Path
) -> None:
    folder = write(workdir / "m", _1_a="CREATE TABLE a ();")
    arguments = ("--url", database, "--migrations", folder)
    assert migsafe("apply", *arguments).code == 0
    write(
        folder,
        _2_b="SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\nCREATE TABLE b ();",
    )
    assert migsafe("apply", *arguments).code == 0


def test_on_commit_drop_in_a_do_block_keeps_the_transaction() -> None:
    text = "DO $$ BEGIN CREATE TEMP TABLE x () ON COMMIT DROP; /* COMMIT; */ END $$"
    assert parse(text)[0].refuses is None


def test_a_leaked_client_encoding_does_not_garble_what_is_recorded(
    migsafe: Callable[..., Called], database: str, workdir: Path
) -> None:
    folder = write(
        workdir / "m", _1_a="SET client_encoding = 'LATIN1';", _2_né="CREATE TABLE b ();"
    )
    arguments = ("--url", database, "--migrations", folder, "--format", "json")
    assert migsafe("apply", *arguments).code == 0
    history = migsafe("status", *arguments).report.history
    assert history is not None
    assert history.applied == ("1_a", "2_né")
