"""Baseline: what is in effect is found out and recorded, and nothing else is."""

import json
import uuid
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migsafe import ledger
from migsafe.errors import ExitCode
from migsafe.findings import Finding
from migsafe.reports import BaselineInfo
from tests.cli.conftest import (
    Files,
    Migsafe,
    Refusal,
    photograph,
    prisma,
)
from tests.conftest import Called
from tests.contract import looks
from tests.contract.kinds import KINDS, Kind, Sample

Conn = psycopg.Connection[Any]
Lay = Callable[[Files], None]
Refused = Callable[..., Refusal]

CLINIC = Path(__file__).parents[1] / "cases" / "ehr_prisma"

FIRST, SECOND, THIRD = (
    "20250101000000_first",
    "20250102000000_second",
    "20250103000000_third",
)
TABLES = {
    "first": "CREATE TABLE first (id int PRIMARY KEY, secret text DEFAULT 'hunter2-default');\n",
    "second": 'CREATE TABLE "Second" (id int PRIMARY KEY);\nCREATE INDEX by_id ON "Second" (id);\n',
    "third": "CREATE TABLE third (id int PRIMARY KEY);\n",
}
DML = "UPDATE first SET secret = 'x' WHERE id = 1;\n"


@pytest.fixture(autouse=True)
def replays(workdir: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let the tests of this module share the replays that are kept; each is named by its input."""
    shared = tmp_path_factory.getbasetemp() / "replays-of-baselines"
    shared.mkdir(exist_ok=True)
    (workdir / ".migsafe").mkdir()
    (workdir / ".migsafe" / "replays").symlink_to(shared)


@pytest.fixture
def run(migsafe: Migsafe, database: str) -> Callable[..., Called]:
    """Run a command on the database and the migrations in `prisma/`."""

    def call(command: str, *arguments: object) -> Called:
        where = ("--url", database, "--migrations", "prisma", "--format", "json")
        return migsafe(command, *where, *arguments)

    return call


Run = Callable[..., Called]


def found(called: Called) -> BaselineInfo:
    assert called.report.baseline is not None, called.out
    return called.report.baseline


def having(called: Called, code: str) -> list[Finding]:
    return [finding for finding in called.report.findings if finding.code == code]


def ledger_rows(conn: Conn) -> list[tuple[Any, ...]]:
    return conn.execute(
        """SELECT migration_name, finished_at IS NOT NULL, rolled_back_at IS NOT NULL
           FROM _prisma_migrations ORDER BY migration_name, 3"""
    ).fetchall()


def has(conn: Conn, relation: str) -> bool:
    row = conn.execute("SELECT to_regclass(%s) IS NOT NULL", [relation]).fetchone()
    return bool(row and row[0])


def has_no_ledger(conn: Conn) -> bool:
    return looks.is_untouched(conn) and not has(conn, "_prisma_migrations")


# ---------------------------------------------------------------- the incident


@pytest.fixture
def clinic(conn: Conn) -> list[Path]:
    """Run all migrations of the clinic but the last as people do by hand; return all of them."""
    folders = sorted(file.parent for file in CLINIC.glob("*/migration.sql"))
    assert len(folders) == 34
    for folder in folders[:-1]:
        conn.execute((folder / "migration.sql").read_bytes())
    return folders


@pytest.fixture
def on_clinic(migsafe: Migsafe, database: str) -> Run:
    """Run a command on the database and the migrations of the clinic."""

    def call(command: str, *arguments: object) -> Called:
        where = ("--url", database, "--migrations", CLINIC, "--format", "json")
        return migsafe(command, *where, *arguments)

    return call


def test_apply_on_a_schema_without_a_record_says_what_is_in_effect_and_what_to_do(
    clinic: list[Path], on_clinic: Run, database: str
) -> None:
    names = [folder.name for folder in clinic]
    before = photograph(database)

    called = on_clinic("apply")

    assert called.code == 7
    assert photograph(database) == before
    assert (found(called).in_effect, found(called).pending) == (tuple(names[:-1]), (names[-1],))
    assert called.report.next is not None
    assert called.report.next.startswith("migsafe apply --baseline, ")
    assert "33 migrations" in called.report.next


def test_baseline_accounts_for_the_whole_history_and_writes_nothing(
    clinic: list[Path], on_clinic: Run, database: str, conn: Conn
) -> None:
    names = [folder.name for folder in clinic]
    before = photograph(database)

    called = on_clinic("baseline")

    assert (called.code, called.report.ok) == (0, True)
    assert photograph(database) == before
    assert has_no_ledger(conn)
    seen = json.loads(called.out)["baseline"]
    assert seen["in_effect"] == names[:-1]
    assert seen["pending"] == names[-1:]
    assert (seen["skipped"], seen["partial"], seen["drift"]) == ([], [], [])
    assert {*seen["undecidable"]} <= {*names[:-1]}
    assert seen["exact"] is True
    assert seen["written"] == []


def test_write_records_what_is_in_effect_as_prisma_would_and_only_once(
    clinic: list[Path], on_clinic: Run, database: str, conn: Conn
) -> None:
    names = [folder.name for folder in clinic]

    called = on_clinic("baseline", "--write")

    assert called.code == 0, called.out
    assert found(called).written == tuple(names[:-1])
    rows = conn.execute(
        """SELECT migration_name, id, checksum, finished_at IS NOT NULL, rolled_back_at, logs,
                  applied_steps_count FROM _prisma_migrations ORDER BY started_at, migration_name"""
    ).fetchall()
    sums = [sha256((f / "migration.sql").read_bytes()).hexdigest() for f in clinic[:-1]]
    assert [(row[0], row[2]) for row in rows] == list(zip(names[:-1], sums, strict=True))
    assert {row[3:] for row in rows} == {(True, None, "", 0)}
    assert {uuid.UUID(row[1]).version for row in rows} == {4}
    assert looks.receipts(conn) == [(name, "applied", None) for name in names[:-1]]

    before = photograph(database)
    again = on_clinic("baseline", "--write")

    assert (again.code, found(again).written) == (0, ())
    after = photograph(database)
    assert after.pop('"migsafe"."runs"') == before.pop('"migsafe"."runs"')
    assert after == before


def test_apply_baseline_records_takes_a_snapshot_and_applies_the_rest_in_one_go(
    clinic: list[Path], on_clinic: Run, conn: Conn, workdir: Path
) -> None:
    names = [folder.name for folder in clinic]

    called = on_clinic("apply", "--baseline", "--snapshot", "--yes")

    assert called.code == 0, called.out
    assert found(called).written == tuple(names[:-1])
    assert [(s.migration, str(s.outcome)) for s in called.report.steps] == [(names[-1], "done")]
    assert called.report.snapshot is not None
    assert any(workdir.glob(".migsafe/snapshots/*"))
    assert ledger_rows(conn) == [(name, True, False) for name in names]
    verified = on_clinic("verify")
    assert verified.code == 0, verified.out
    assert verified.report.verification is not None
    assert verified.report.verification.differences == ()


def test_plan_baseline_shows_what_apply_baseline_would_do(
    clinic: list[Path], on_clinic: Run, database: str
) -> None:
    before = photograph(database)

    called = on_clinic("plan", "--baseline")

    assert called.code == 0, called.out
    assert [step.migration for step in called.report.plan] == [clinic[-1].name]
    assert photograph(database) == before


def test_apply_baseline_writes_nothing_where_the_schema_has_drifted(
    clinic: list[Path], on_clinic: Run, conn: Conn, database: str
) -> None:
    conn.execute("ALTER TABLE clients ADD COLUMN by_hand int")
    before = photograph(database)

    called = on_clinic("apply", "--baseline", "--yes")

    assert called.code == 7
    assert photograph(database) == before
    assert not found(called).exact
    assert [d.fact for d in found(called).drift if "by_hand" in d.fact] != []
    assert called.report.next


# ---------------------------------------------------------------- the gate


def test_a_failing_audit_stops_an_apply_before_anything_is_recorded(
    run: Run, lay: Lay, conn: Conn, database: str
) -> None:
    lay(prisma(**TABLES))
    conn.execute(TABLES["first"].encode())
    conn.execute("INSERT INTO first VALUES (1, 'hunter2-row')")
    lay({"audits/no_first.sql": "-- audit: no-first\nSELECT id FROM first;\n"})
    before = photograph(database)

    called = run("apply", "--baseline", "--yes")

    assert called.code == 1, called.out
    assert [f.name for f in called.report.findings if f.code == "MA001"] == ["no-first"]
    assert photograph(database) == before


# ---------------------------------------------------------------- what cannot be decided


@pytest.fixture
def undecided(lay: Lay, conn: Conn) -> None:
    """Leave one migration in effect, before one that leaves no trace and one that is pending."""
    lay(prisma(first=TABLES["first"], second=DML, third=TABLES["third"]))
    conn.execute(TABLES["first"].encode())


@pytest.mark.usefixtures("undecided")
def test_what_leaves_no_trace_at_the_border_is_left_to_a_person(
    run: Run, conn: Conn, database: str
) -> None:
    before = photograph(database)

    asked, applied = run("baseline"), run("apply", "--baseline", "--yes")

    assert (asked.code, applied.code) == (0, 7)
    assert photograph(database) == before
    assert found(asked).undecidable == (SECOND,)
    assert (found(asked).in_effect, found(asked).pending) == ((FIRST,), (SECOND, THIRD))
    assert [f.migration for f in having(asked, "MH115")] == [SECOND]
    assert "--assume" in str(having(asked, "MH115")[0].remedy)
    assert [f.migration for f in having(applied, "MH115")] == [SECOND]


@pytest.mark.usefixtures("undecided")
def test_what_somebody_assumes_is_recorded_where_the_schema_cannot_tell(
    run: Run, conn: Conn
) -> None:
    called = run("baseline", "--write", "--assume", SECOND)

    assert called.code == 0, called.out
    assert ledger_rows(conn) == [(FIRST, True, False), (SECOND, True, False)]


@pytest.mark.usefixtures("undecided")
def test_what_nobody_assumes_stays_pending(run: Run, conn: Conn) -> None:
    called = run("baseline", "--write")

    assert called.code == 0, called.out
    assert ledger_rows(conn) == [(FIRST, True, False)]
    status = run("status").report.history
    assert status is not None
    assert status.pending == (SECOND, THIRD)


@pytest.mark.usefixtures("undecided")
@pytest.mark.parametrize("write", [(), ("--write",)], ids=["asked", "written"])
def test_a_pending_migration_cannot_be_assumed(
    refused: Refused, database: str, write: tuple[str, ...]
) -> None:
    where = ("--url", database, "--migrations", "prisma")

    refusal = refused(
        ExitCode.USAGE, "baseline", *where, *write, "--assume", THIRD, unchanged=database
    )

    assert THIRD in refusal.line
    assert "public.third" in refusal.line


@pytest.mark.usefixtures("undecided")
def test_an_assumed_name_that_is_none_names_the_nearest(refused: Refused, database: str) -> None:
    where = ("--url", database, "--migrations", "prisma")

    refusal = refused(
        ExitCode.USAGE, "baseline", *where, "--assume", SECOND[:-1], unchanged=database
    )

    assert f"did you mean {SECOND}?" in refusal.line


def test_what_leaves_no_trace_between_two_that_ran_ran_as_well(
    run: Run, lay: Lay, conn: Conn
) -> None:
    lay(prisma(first=TABLES["first"], second=DML, third=TABLES["third"]))
    conn.execute((TABLES["first"] + TABLES["third"]).encode())

    called = run("baseline", "--write")

    assert (called.code, found(called).in_effect) == (0, (FIRST, SECOND, THIRD))
    assert len(ledger_rows(conn)) == 3


def test_an_index_that_is_not_there_is_not_recorded_without_a_word(
    run: Run, lay: Lay, conn: Conn
) -> None:
    index = "CREATE INDEX by_secret ON first (secret);\n"
    lay(prisma(first=TABLES["first"], second=index, third=TABLES["third"]))
    conn.execute((TABLES["first"] + TABLES["third"]).encode())

    called = run("baseline", "--write")

    assert called.code == 0, called.out
    assert found(called).in_effect == (FIRST, THIRD)
    assert found(called).skipped == (SECOND,)
    assert found(called).written == (FIRST, THIRD)
    assert ledger_rows(conn) == [(FIRST, True, False), (THIRD, True, False)]
    assert [f.migration for f in having(called, "MH115") + having(called, "MH118")] == [SECOND]


def test_an_index_that_somebody_vouches_for_is_recorded(run: Run, lay: Lay, conn: Conn) -> None:
    index = "CREATE INDEX by_secret ON first (secret);\n"
    lay(prisma(first=TABLES["first"], second=index, third=TABLES["third"]))
    conn.execute((TABLES["first"] + TABLES["third"]).encode())

    called = run("baseline", "--write", "--assume", SECOND)

    assert called.code == 0, called.out
    assert found(called).written == (FIRST, SECOND, THIRD)
    assert having(called, "MH115") == []


def test_one_that_was_left_out_is_reported_and_stays_pending(
    run: Run, lay: Lay, conn: Conn, database: str
) -> None:
    lay(prisma(**TABLES))
    conn.execute((TABLES["first"] + TABLES["third"]).encode())
    before = photograph(database)

    assert run("apply", "--baseline", "--yes").code == 7
    assert photograph(database) == before
    called = run("baseline", "--write")

    assert called.code == 0, called.out
    assert found(called).skipped == (SECOND,)
    assert not found(called).exact
    assert [f.migration for f in having(called, "MH118")] == [SECOND]
    assert ledger_rows(conn) == [(FIRST, True, False), (THIRD, True, False)]
    status = run("status").report
    assert status.history is not None
    assert status.history.pending == (SECOND,)


def test_a_part_of_a_migration_stops_a_baseline_and_says_how_far_it_came(
    run: Run, lay: Lay, conn: Conn, database: str
) -> None:
    lay(prisma(**TABLES))
    conn.execute(TABLES["first"].encode())
    conn.execute('CREATE TABLE "Second" (id int PRIMARY KEY)')
    before = photograph(database)

    asked, written = run("baseline"), run("baseline", "--write")

    assert (asked.code, written.code) == (1, 1)
    assert photograph(database) == before
    (finding,) = having(asked, "MH116")
    assert "1 of its 2 statements" in finding.message
    assert f"migsafe resolve {SECOND} --finish" in str(finding.remedy)
    (partial,) = found(asked).partial
    assert partial.migration == SECOND
    assert min(partial.present, partial.absent) > 0


# ---------------------------------------------------------------- records that are there


def deploy(conn: Conn, name: str, *, how: str = "finished_at = now()") -> None:
    """Write the row of a migration as Prisma leaves it, after `how`."""
    text = Path("prisma", name, "migration.sql").read_bytes()
    conn.execute(
        """CREATE TABLE IF NOT EXISTS _prisma_migrations (
               id varchar(36) PRIMARY KEY NOT NULL, checksum varchar(64) NOT NULL,
               finished_at timestamptz, migration_name varchar(255) NOT NULL, logs text,
               rolled_back_at timestamptz, started_at timestamptz NOT NULL DEFAULT now(),
               applied_steps_count integer NOT NULL DEFAULT 0)"""
    )
    conn.execute(
        """INSERT INTO _prisma_migrations (id, checksum, migration_name, applied_steps_count)
           VALUES (%s, %s, %s, 1)""",
        [str(uuid.uuid4()), sha256(text).hexdigest(), name],
    )
    if how:
        change = f"UPDATE _prisma_migrations SET {how} WHERE migration_name = '{name}'"
        conn.execute(change.encode())


def test_a_record_that_the_schema_contradicts_is_found(
    run: Run, lay: Lay, conn: Conn, database: str
) -> None:
    lay(prisma(**TABLES))
    conn.execute(TABLES["first"].encode())
    for name in (FIRST, SECOND):
        deploy(conn, name)
    before = photograph(database)

    asked, written = run("baseline"), run("baseline", "--write")

    assert (asked.code, written.code) == (1, 1)
    assert photograph(database) == before
    (finding,) = having(asked, "MH114")
    assert finding.migration == SECOND
    assert "Second" in finding.message


@pytest.mark.parametrize("in_effect", [True, False], ids=["in effect", "not in effect"])
def test_a_failed_row_is_settled_by_the_evidence(
    run: Run, lay: Lay, conn: Conn, in_effect: bool
) -> None:
    lay(prisma(**TABLES))
    conn.execute(TABLES["first"].encode())
    if in_effect:
        conn.execute(TABLES["second"].encode())
    deploy(conn, FIRST)
    deploy(conn, SECOND, how="logs = 'boom', applied_steps_count = 0")
    assert run("apply").code == 7

    called = run("baseline", "--write")

    assert called.code == 0, called.out
    settled = (SECOND, False, True)  # Prisma closes the failed row in either case
    assert ledger_rows(conn) == [
        (FIRST, True, False),
        *([(SECOND, True, False)] if in_effect else []),
        settled,
    ]
    assert run("status").code == 0
    assert run("apply").code == 0
    assert has(conn, '"Second"')
    assert has(conn, "third")
    assert run("verify").code == 0


def test_a_failed_row_that_is_half_in_effect_is_not_settled(
    run: Run, lay: Lay, conn: Conn, database: str
) -> None:
    lay(prisma(**TABLES))
    conn.execute(TABLES["first"].encode())
    conn.execute('CREATE TABLE "Second" (id int PRIMARY KEY)')
    deploy(conn, FIRST)
    deploy(conn, SECOND, how="logs = 'boom', applied_steps_count = 0")
    before = photograph(database)

    called, applied = run("baseline", "--write"), run("apply", "--baseline", "--yes")

    assert (called.code, applied.code) == (1, 7)
    assert photograph(database) == before
    assert [f.migration for f in having(called, "MH116")] == [SECOND]
    assert [f.migration for f in having(applied, "MH116")] == [SECOND]


# ---------------------------------------------------------------- every kind of history

PEOPLE = Sample(1, "create_people", "CREATE TABLE people (id int PRIMARY KEY, email text);")
VISITS = Sample(2, "create_visits", "CREATE TABLE visits (id int PRIMARY KEY);")
NOTES = Sample(3, "create_notes", "CREATE TABLE notes (body text);")
SAMPLES = (PEOPLE, VISITS, NOTES)


@pytest.fixture(params=KINDS, ids=lambda kind: str(kind.id))
def kind(request: pytest.FixtureRequest) -> Kind:
    made: Kind = request.param
    return made


def test_a_prefix_of_any_kind_is_recorded_and_the_rest_applied(
    kind: Kind, migsafe: Migsafe, database: str, conn: Conn, workdir: Path
) -> None:
    folder = workdir / "migrations"
    folder.mkdir()
    kind.write(folder, *SAMPLES)
    kind.install(conn)
    names = [kind.name(sample) for sample in SAMPLES]
    for sample in SAMPLES[:2]:
        conn.execute(sample.sql.encode())
    where = ("--url", database, "--migrations", folder, "--format", "json")

    written = migsafe("baseline", "--write", *where)

    assert written.code == 0, written.out
    assert found(written).written == tuple(names[:2])
    status = migsafe("status", *where)
    assert status.code == 0, status.out
    assert status.report.history is not None
    assert status.report.history.state == "managed"
    assert status.report.history.applied == tuple(names[:2])
    assert status.report.history.pending == (names[2],)
    applied = migsafe("apply", *where)
    assert applied.code == 0, applied.out
    assert [step.migration for step in applied.report.steps] == [names[2]]
    assert has(conn, "notes")
    verified = migsafe("verify", *where)
    assert verified.code == 0, verified.out
    assert {"people", "visits", "notes"} <= {*looks.tables(conn)}


def test_a_gap_is_recorded_only_where_the_table_can_hold_it(
    kind: Kind, migsafe: Migsafe, database: str, conn: Conn, workdir: Path
) -> None:
    folder = workdir / "migrations"
    folder.mkdir()
    kind.write(folder, *SAMPLES)
    kind.install(conn)
    for sample in (PEOPLE, NOTES):
        conn.execute(sample.sql.encode())
    where = ("--url", database, "--migrations", folder, "--format", "json")
    before = looks.everything(conn)

    called = migsafe("baseline", "--write", *where)

    if kind.id == "golang-migrate":
        assert called.code == 2
        assert kind.name(VISITS) in called.err
        assert looks.everything(conn) == before
        return
    assert called.code == 0, called.out
    assert found(called).written == (kind.name(PEOPLE), kind.name(NOTES))
    assert found(called).skipped == (kind.name(VISITS),)


# ---------------------------------------------------------------- others at work


def test_a_deployment_keeps_a_baseline_from_writing(
    run: Run, lay: Lay, conn: Conn, database: str
) -> None:
    lay(prisma(**TABLES))
    conn.execute(TABLES["first"].encode())
    before = photograph(database)
    conn.execute("SELECT pg_advisory_lock(%s)", [ledger.LOCK])

    called = run("baseline", "--write")

    assert called.code == 4
    assert photograph(database) == before
    conn.execute("SELECT pg_advisory_unlock_all()")
    assert run("baseline", "--write").code == 0


def test_a_schema_that_changes_while_it_is_judged_is_not_recorded(
    run: Run, lay: Lay, conn: Conn, monkeypatch: pytest.MonkeyPatch
) -> None:
    from migsafe.pipeline import baselining

    lay(prisma(**TABLES))
    conn.execute(TABLES["first"].encode())
    record = baselining.record

    def late(*arguments: Any) -> None:
        conn.execute("ALTER TABLE first ADD COLUMN meanwhile int")
        record(*arguments)

    monkeypatch.setattr(baselining, "record", late)

    for command in (("baseline", "--write"), ("apply", "--baseline", "--yes")):
        conn.execute("ALTER TABLE first DROP COLUMN IF EXISTS meanwhile")
        called = run(*command)

        assert called.code == 4, called.out
        assert has_no_ledger(conn)
        assert not has(conn, '"Second"')
        assert "run it again" in called.err


# ---------------------------------------------------------------- what is needed, and is not there


def test_a_role_that_may_not_write_is_told_so_before_it_tries(
    lay: Lay,
    migsafe: Migsafe,
    database: str,
    conn: Conn,
    make_role: Callable[..., tuple[str, str]],
) -> None:
    lay(prisma(**TABLES))
    conn.execute(TABLES["first"].encode())
    _, url = make_role()
    where = ("--url", url, "--migrations", "prisma", "--format", "json")
    before = photograph(database)

    asked, written = migsafe("baseline", *where), migsafe("baseline", "--write", *where)
    applied = migsafe("apply", "--baseline", "--yes", *where)

    assert (asked.code, found(asked).in_effect) == (0, (FIRST,))
    assert (written.code, applied.code) == (3, 3)
    assert "grant it" in written.err
    assert photograph(database) == before


def test_a_role_whose_sessions_are_read_only_is_told_so(
    lay: Lay,
    migsafe: Migsafe,
    database: str,
    conn: Conn,
    superuser: Conn,
    make_role: Callable[..., tuple[str, str]],
) -> None:
    lay(prisma(**TABLES))
    conn.execute(TABLES["first"].encode())
    name, url = make_role("SUPERUSER")
    superuser.execute(f"ALTER ROLE {name} SET default_transaction_read_only = on".encode())
    before = photograph(database)

    called = migsafe("baseline", "--write", "--url", url, "--migrations", "prisma")

    assert called.code == 3
    assert "default_transaction_read_only" in called.err
    assert photograph(database) == before


def test_without_a_shadow_there_is_no_baseline(
    refused: Refused, lay: Lay, conn: Conn, database: str
) -> None:
    lay(prisma(**TABLES))
    conn.execute(TABLES["first"].encode())
    where = ("--url", database, "--migrations", "prisma")

    refused(ExitCode.USAGE, "baseline", *where, "--shadow", "none", unchanged=database)
    refused(
        ExitCode.UNREACHABLE,
        "baseline",
        *where,
        "--write",
        "--shadow",
        "postgresql://nobody:hunter2@127.0.0.1:1/x?connect_timeout=1",
        unchanged=database,
    )


def test_apply_on_an_unmanaged_schema_without_a_shadow_is_still_unmanaged(
    run: Run, lay: Lay, conn: Conn, database: str
) -> None:
    lay(prisma(**TABLES))
    conn.execute(TABLES["first"].encode())
    before = photograph(database)

    for shadow in ("none", "postgresql://nobody:hunter2@127.0.0.1:1/x?connect_timeout=1"):
        called = run("apply", "--shadow", shadow)

        assert (called.code, called.report.baseline) == (7, None)
        assert called.report.next
        assert "hunter2" not in called.out + called.err
    assert photograph(database) == before


@pytest.mark.parametrize(
    ("statement", "remedy"),
    [
        ("CREATE EXTENSION nosuch;", "extension nosuch"),
        ("CREATE TABLE x (id int REFERENCES nosuch (id));", "prelude"),
        ("CREATE TABEL x ();", ""),
    ],
    ids=["extension", "table", "syntax"],
)
def test_a_history_that_does_not_replay_claims_nothing_beyond(
    run: Run, lay: Lay, conn: Conn, database: str, statement: str, remedy: str
) -> None:
    lay(prisma(first=TABLES["first"], second=statement, third=TABLES["third"]))
    conn.execute((TABLES["first"] + TABLES["third"]).encode())
    before = photograph(database)

    called, written = run("baseline"), run("baseline", "--write")
    applied = run("apply", "--baseline", "--yes")

    assert (called.code, written.code, applied.code) == (1, 1, 7)
    assert photograph(database) == before
    (finding,) = having(called, "MH117")
    assert finding.migration == SECOND
    assert remedy in str(finding.remedy)
    assert found(called).in_effect == (FIRST,)
    assert {SECOND, THIRD} <= {*found(called).undecidable}


def test_a_prelude_lets_a_history_replay(
    run: Run, lay: Lay, conn: Conn, workdir: Path, migsafe: Migsafe, database: str
) -> None:
    setup = "CREATE SCHEMA env; CREATE TABLE env.users (id int PRIMARY KEY);"
    second = "CREATE TABLE mine (id int REFERENCES env.users (id));"
    lay(prisma(first=TABLES["first"], second=second, third=TABLES["third"]))
    lay({"setup.sql": setup, "migsafe.toml": '[shadow]\nprelude = ["setup.sql"]\n'})
    conn.execute((setup + TABLES["first"] + second).encode())
    # What the environment has is not the history's business.
    conn.execute("ALTER TABLE env.users ADD COLUMN more text")

    called = run("baseline")

    assert called.code == 0, called.out
    assert (found(called).in_effect, found(called).pending) == ((FIRST, SECOND), (THIRD,))
    assert found(called).drift == ()
    assert found(called).exact


def test_no_password_and_no_row_is_ever_shown(
    lay: Lay,
    migsafe: Migsafe,
    conn: Conn,
    make_role: Callable[..., tuple[str, str]],
) -> None:
    lay(prisma(first=TABLES["first"], second=DML, third=TABLES["third"]))
    conn.execute(TABLES["first"].encode())
    conn.execute("INSERT INTO first VALUES (1, 'row-value-4711')")
    conn.execute("ALTER TABLE first ADD COLUMN by_hand int")
    _, url = make_role("SUPERUSER", password="pass-word-4711")
    where = ("--url", url, "--migrations", "prisma", "-v")

    for format_ in ("text", "json", "markdown"):
        for command in (("baseline",), ("apply", "--baseline"), ("plan",), ("verify",)):
            called = migsafe(*command, *where, "--format", format_)
            assert called.code in (0, 1, 7)
            assert "4711" not in called.out + called.err
