"""A migration that stopped midway: how far it came is found out, and the rest of it is run."""

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migsafe.findings import Finding
from tests.cli.conftest import Files, Migsafe, child, photograph, prisma
from tests.conftest import Called
from tests.contract import looks
from tests.contract.kinds import KINDS, GolangMigrate, Kind, Prisma, Sample

Conn = psycopg.Connection[Any]
Lay = Callable[[Files], None]
Run = Callable[..., Called]

FIRST, HALF, LAST = "20250101000000_first", "20250102000000_half", "20250103000000_last"
STATEMENTS = (
    'CREATE TABLE "Half" (id int PRIMARY KEY)',
    'ALTER TABLE "Half" ADD COLUMN body text',
    'CREATE INDEX "By Body" ON "Half" (body)',
    "CREATE TABLE rest (id int PRIMARY KEY)",
)
RIG = Path(os.environ.get("MIGSAFE_PRISMA_RIG") or "/nonexistent") / "v7" / "prisma.sh"


def script(statements: Sequence[str]) -> str:
    return "".join(f"{statement};\n" for statement in statements)


SCRIPTS = {
    "first": "CREATE TABLE first (id int PRIMARY KEY, email text);\n",
    "half": script(STATEMENTS),
    "last": "CREATE TABLE last (id int PRIMARY KEY);\n",
}


@pytest.fixture(autouse=True)
def replays(workdir: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let the tests of this module share the replays that are kept; each is named by its input."""
    shared = tmp_path_factory.getbasetemp() / "replays-of-halves"
    shared.mkdir(exist_ok=True)
    (workdir / ".migsafe").mkdir()
    (workdir / ".migsafe" / "replays").symlink_to(shared)


@pytest.fixture
def run(migsafe: Migsafe, database: str, lay: Lay) -> Run:
    """Run a command on the database and a history of three."""
    lay(prisma(**SCRIPTS))

    def call(command: str, *arguments: object) -> Called:
        where = ("--url", database, "--migrations", "prisma", "--format", "json")
        return migsafe(command, *where, *arguments)

    return call


def half(called: Called) -> Finding:
    (finding,) = [f for f in called.report.findings if f.code == "MH116"]
    return finding


def codes(called: Called) -> set[str]:
    return {finding.code for finding in called.report.findings}


def fail(conn: Conn, name: str = HALF) -> None:
    """Write the row that a failed deployment of Prisma leaves, with the file's checksum."""
    text = Path("prisma", name, "migration.sql").read_bytes()
    conn.execute(
        """INSERT INTO _prisma_migrations (id, checksum, migration_name, logs)
           VALUES (%s, %s, %s, 'boom')""",
        [str(uuid.uuid4()), sha256(text).hexdigest(), name],
    )


def prisma_rows(conn: Conn, name: str = HALF) -> list[tuple[Any, ...]]:
    return conn.execute(
        """SELECT finished_at IS NOT NULL, rolled_back_at IS NOT NULL, applied_steps_count
           FROM _prisma_migrations WHERE migration_name = %s ORDER BY 1, 2""",
        [name],
    ).fetchall()


def statements_run(conn: Conn, name: str = HALF) -> list[int | None]:
    return [s for m, event, s in looks.receipts(conn) if (m, event) == (name, "statement")]


# ---------------------------------------------------------------- left by a failed deployment


@pytest.mark.parametrize("done", [1, 2, 3])
def test_the_rest_of_what_prisma_left_is_run_and_its_row_finished(
    run: Run, conn: Conn, database: str, done: int
) -> None:
    assert run("apply", "--to", FIRST).code == 0
    conn.execute(script(STATEMENTS[:done]).encode())
    fail(conn)
    before = photograph(database)

    asked, applied = run("baseline"), run("apply")

    assert (asked.code, applied.code) == (1, 7)
    for called in (asked, applied):
        assert f"{done} of its 4 statements are in effect" in half(called).message
        assert f"line {done + 1} is next" in half(called).message
        assert f"migsafe resolve {HALF} --finish" in str(half(called).remedy)
    assert photograph(database) == before
    status = run("status")
    assert status.code == 7
    assert "baseline" in str(status.report.next)

    finished = run("resolve", HALF, "--finish")

    assert finished.code == 0, finished.out
    assert statements_run(conn) == list(range(done + 1, 5))
    assert prisma_rows(conn) == [(True, False, 1)]
    assert run("apply").code == 0
    assert run("verify").code == 0
    assert {"Half", "rest", "last"} <= {*looks.tables(conn)}


def test_a_half_by_hand_without_any_record_is_finished_and_the_rest_recorded(
    run: Run, conn: Conn
) -> None:
    conn.execute((SCRIPTS["first"] + script(STATEMENTS[:2])).encode())
    assert run("apply", "--baseline", "--yes").code == 7
    assert half(run("baseline", "--write")).migration == HALF

    finished = run("resolve", HALF, "--finish")

    assert finished.code == 0, finished.out
    assert run("baseline", "--write").code == 0
    assert run("apply").code == 0
    assert run("verify").code == 0


@pytest.mark.parametrize("done", [0, 4])
@pytest.mark.parametrize("finish", [True, False])
def test_all_and_nothing_are_finished_or_resolved(
    run: Run, conn: Conn, done: int, finish: bool
) -> None:
    assert run("apply", "--to", FIRST).code == 0
    conn.execute((script(STATEMENTS[:done]) or "SELECT 1").encode())
    fail(conn)
    flag = "--applied" if done else "--rolled-back"

    called = run("resolve", HALF, "--finish") if finish else run("resolve", flag, HALF)

    assert called.code == 0, called
    assert run("apply").code == 0
    assert run("verify").code == 0


def test_a_statement_on_rows_at_the_border_is_left_to_a_person(
    run: Run, lay: Lay, conn: Conn, database: str
) -> None:
    statements = (STATEMENTS[0], "INSERT INTO first VALUES (1, 'a')", STATEMENTS[3])
    lay(prisma(**(SCRIPTS | {"half": script(statements)})))
    assert run("apply", "--to", FIRST).code == 0
    conn.execute(STATEMENTS[0].encode())
    fail(conn)
    before = photograph(database)

    asked, finished = run("baseline"), run("resolve", HALF, "--finish")

    assert (asked.code, finished.code) == (1, 1)
    for called in (asked, finished):
        assert "between 1 and 2 of its 3 statements" in half(called).message
    assert photograph(database) == before


def test_a_half_that_somebody_went_on_with_by_hand_is_not_finished(
    run: Run, conn: Conn, database: str
) -> None:
    assert run("apply", "--to", FIRST).code == 0
    conn.execute(script((STATEMENTS[0], STATEMENTS[3])).encode())
    fail(conn)
    before = photograph(database)

    asked, finished = run("baseline"), run("resolve", HALF, "--finish")

    assert (asked.code, finished.code) == (1, 1)
    assert "not exactly" in half(finished).message
    assert "--finish" not in str(half(finished).remedy)
    assert photograph(database) == before


def test_a_finish_that_fails_stays_dirty_and_can_be_repeated(
    run: Run, lay: Lay, conn: Conn
) -> None:
    unique = 'CREATE UNIQUE INDEX "By Body" ON "Half" (body)'
    lay(prisma(**(SCRIPTS | {"half": script((*STATEMENTS[:2], unique, STATEMENTS[3]))})))
    assert run("apply", "--to", FIRST).code == 0
    conn.execute(script(STATEMENTS[:2]).encode())
    fail(conn)
    conn.execute("INSERT INTO \"Half\" VALUES (1, 'a'), (2, 'a')")

    failed = run("resolve", HALF, "--finish")

    assert failed.code == 6
    assert [(str(s.outcome), s.line) for s in failed.report.steps] == [("dirty", 3)]
    assert "migsafe" in str(failed.report.next)
    status = run("status")
    assert status.report.history is not None
    assert (status.code, status.report.history.state) in ((6, "dirty"), (7, "failed"))
    assert run("apply").code == status.code
    assert "2 of its 4" in half(run("baseline")).message
    assert prisma_rows(conn) == [(False, False, 0)]

    conn.execute('DELETE FROM "Half" WHERE id = 2')
    again = run("resolve", HALF, "--finish")

    assert again.code == 0, again.out
    assert statements_run(conn) == [3, 4]
    assert prisma_rows(conn) == [(True, False, 1)]
    assert run("apply").code == 0
    assert run("verify").code == 0


def test_what_is_in_the_way_of_the_rest_is_a_difference(
    run: Run, conn: Conn, database: str
) -> None:
    assert run("apply", "--to", FIRST).code == 0
    conn.execute(script(STATEMENTS[:3]).encode())
    fail(conn)
    conn.execute("CREATE VIEW rest AS SELECT 1 AS id")
    before = photograph(database)

    called = run("resolve", HALF, "--finish")

    assert called.code in (1, 6)
    assert photograph(database)["relations"] == before["relations"]


@pytest.mark.parametrize(
    "setting",
    [
        'SET search_path = "My App"',
        "SELECT pg_catalog.set_config('search_path', '\"My App\"', false)",
    ],
)
def test_the_rest_runs_under_the_settings_of_its_first_statements(
    run: Run, lay: Lay, conn: Conn, setting: str
) -> None:
    statements = (
        'CREATE SCHEMA "My App"',
        setting,
        "CREATE TABLE one (id int)",
        "CREATE TABLE two (id int)",
        "CREATE TABLE three (id int)",
    )
    lay(prisma(**(SCRIPTS | {"half": script(statements)})))
    assert run("apply", "--to", FIRST).code == 0
    conn.execute('CREATE SCHEMA "My App"; CREATE TABLE "My App".one (id int)')
    fail(conn)

    finished = run("resolve", HALF, "--finish")

    assert finished.code == 0, finished.out
    tables = "SELECT relname::text, relnamespace::regnamespace::text FROM pg_class"
    where = " WHERE relname IN ('one', 'two', 'three') ORDER BY 1"
    assert conn.execute((tables + where).encode()).fetchall() == [
        ("one", '"My App"'),
        ("three", '"My App"'),
        ("two", '"My App"'),
    ]
    assert run("apply").code == 0
    assert run("verify").code == 0


def test_one_that_is_recorded_is_not_finished_again(run: Run, conn: Conn, database: str) -> None:
    assert run("apply").code == 0
    before = photograph(database)

    assert run("resolve", HALF, "--finish").code == 2

    assert photograph(database) == before


def test_a_rolled_back_row_does_not_stand_for_a_new_one(run: Run, conn: Conn) -> None:
    assert run("apply", "--to", FIRST).code == 0
    fail(conn)
    assert run("resolve", "--rolled-back", HALF).code == 0
    conn.execute(script(STATEMENTS[:1]).encode())

    finished = run("resolve", HALF, "--finish")

    assert finished.code == 0, finished.out
    assert prisma_rows(conn) == [(False, True, 0), (True, False, 1)]


@pytest.mark.parametrize("command", ["finish", "apply", "write"])
def test_a_deployment_that_runs_now_is_not_a_half(
    run: Run, conn: Conn, database: str, command: str
) -> None:
    assert run("apply", "--to", FIRST).code == 0
    conn.execute(script(STATEMENTS[:2]).encode())
    fail(conn)
    conn.execute("SELECT pg_advisory_lock(72707369)")
    before = photograph(database)
    calls = {
        "finish": ("resolve", HALF, "--finish"),
        "apply": ("apply",),
        "write": ("baseline", "--write"),
    }

    assert run(*calls[command]).code == 4
    assert run("baseline").code == 4

    assert photograph(database) == before
    conn.execute("SELECT pg_advisory_unlock_all()")


# ---------------------------------------------------------------- without a record of it

CHECKED = (
    "ALTER TABLE first ADD CONSTRAINT c CHECK (id > 0) NOT VALID",
    "UPDATE first SET id = 1",
    "ALTER TABLE first VALIDATE CONSTRAINT c",
)
SWAPPED = (
    "ALTER TABLE first RENAME TO first_old",
    "CREATE TABLE first (id int PRIMARY KEY, email text)",
    "INSERT INTO first SELECT * FROM first_old",
    "DROP TABLE first_old",
)
ATTACHED = (
    "CREATE INDEX half_1 ON parted_1 (id)",
    "ALTER INDEX whole ATTACH PARTITION half_1",
)
REMADE = (
    "DROP VIEW seen",
    "ALTER TABLE first ALTER email TYPE varchar",
    "CREATE VIEW seen AS SELECT id FROM first",
)
#: What these need of the migration before them.
PREPARED = {
    ATTACHED: """CREATE TABLE parted (id int) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (9);
CREATE INDEX whole ON ONLY parted (id);
""",
    REMADE: f"{SCRIPTS['first']}CREATE VIEW seen AS SELECT id FROM first;\n",
}


@pytest.mark.parametrize(
    ("statements", "done", "said"),
    [
        (
            (
                'ALTER TABLE first ADD "C" int',
                'UPDATE first SET "C" = 1',
                'ALTER TABLE first ALTER "C" SET NOT NULL',
            ),
            1,
            "between 1 and 2 of its 3 ",
        ),
        (CHECKED, 1, "between 1 and 2 of its 3 "),
        ((*CHECKED, "ALTER TABLE first RENAME CONSTRAINT c TO d"), 1, "between 1 and 2 of its 4 "),
        ((*CHECKED, "ALTER TABLE first RENAME CONSTRAINT c TO d"), 3, "3 of its 4 "),
        (
            ("ALTER TABLE first ADD c int DEFAULT 0", "ALTER TABLE first ALTER c SET DEFAULT 7"),
            1,
            "1 of its 2 ",
        ),
        (
            (
                "ALTER TABLE first ENABLE ROW LEVEL SECURITY",
                "CREATE POLICY p ON first USING (true)",
                "ALTER POLICY p ON first USING (id > 0)",
            ),
            2,
            "2 of its 3 ",
        ),
        (
            (
                "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
                "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2'",
            ),
            1,
            "1 of its 2 ",
        ),
        (SWAPPED, 1, "1 of its 4 "),
        (ATTACHED, 1, "1 of its 2 "),
        (REMADE, 2, "2 of its 3 "),
    ],
)
def test_a_half_whose_rest_only_changes_what_it_made_is_not_recorded(
    run: Run, lay: Lay, conn: Conn, database: str, statements: tuple[str, ...], done: int, said: str
) -> None:
    first = PREPARED.get(statements, SCRIPTS["first"])
    lay(prisma(**(SCRIPTS | {"first": first, "half": script(statements)})))
    conn.execute((first + script(statements[:done])).encode())
    before = photograph(database)

    written = run("baseline", "--write")

    assert written.code == 1
    (found,) = [f for f in written.report.findings if (f.code, f.migration) == ("MH116", HALF)]
    assert said in found.message
    assert run("apply", "--baseline", "--yes").code == 7
    assert run("resolve", "--applied", HALF).code == 1
    assert photograph(database) == before


@pytest.mark.parametrize(
    "by_hand",
    [
        "COMMENT ON COLUMN first.c IS 'c'",
        "ALTER TABLE first ADD d int",
        "CREATE TABLE half (i int)",
    ],
)
def test_what_ran_to_its_end_is_recorded_whatever_else_was_done_by_hand(
    run: Run, lay: Lay, conn: Conn, by_hand: str
) -> None:
    statements = ("ALTER TABLE first ADD c int", "UPDATE first SET c = 1")
    lay(prisma(**(SCRIPTS | {"half": script(statements)})))
    conn.execute((SCRIPTS["first"] + script(statements) + by_hand).encode())

    called = run("baseline", "--write")

    assert (called.code, "MH116" in codes(called)) == (0, False)
    assert prisma_rows(conn) == [(True, False, 0)]


# ---------------------------------------------------------------- outside a transaction

CONCURRENT = (
    'CREATE TABLE "Half" (id int PRIMARY KEY)',
    'CREATE INDEX CONCURRENTLY "By Mail" ON first (email)',
    "CREATE TABLE rest (id int PRIMARY KEY)",
)


@pytest.fixture
def killed(run: Run, lay: Lay, conn: Conn, database: str, workdir: Path) -> None:
    """Kill migsafe while it waits in the second of three statements."""
    lay(prisma(**(SCRIPTS | {"half": script(CONCURRENT)})))
    assert run("apply", "--to", FIRST).code == 0
    conn.execute("INSERT INTO first VALUES (1, 'a')")
    with psycopg.connect(database) as holder:
        holder.execute("UPDATE first SET email = 'b'")  # the build waits for its end
        call = child("apply", "--url", database, "--migrations", "prisma", "--shadow", "none")
        with subprocess.Popen(
            call, cwd=workdir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            waits = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
            for _ in range(400):
                if conn.execute(waits.encode()).fetchone() == (1,):
                    break
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
            process.wait()
        conn.execute(
            """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND query LIKE '%CONCURRENTLY%'
                 AND pid <> pg_backend_pid()"""
        )
    assert conn.execute(waits.encode()).fetchone() == (1,)


@pytest.mark.usefixtures("killed")
def test_what_a_killed_process_left_is_finished(run: Run, conn: Conn, database: str) -> None:
    before = photograph(database)

    status, asked, applied = run("status"), run("baseline"), run("apply")

    assert (status.code, asked.code, applied.code) == (6, 6, 6)
    assert "1 of its 3 statements" in half(asked).message
    assert all("MH104" in codes(called) for called in (status, asked, applied))
    assert photograph(database) == before

    # The INVALID index is in the way of the one that is missing, and is dropped.
    finished = run("resolve", HALF, "--finish")

    assert finished.code == 0, finished.out
    assert statements_run(conn) == [1, 2, 3]
    assert prisma_rows(conn) == [(True, False, 1)]
    assert conn.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone() == (0,)
    assert run("apply").code == 0
    assert run("verify").code == 0


@pytest.mark.usefixtures("killed")
def test_an_invalid_index_is_never_called_in_effect(run: Run, conn: Conn, database: str) -> None:
    before = photograph(database)

    claimed = run("resolve", "--applied", HALF)

    assert (claimed.code, "MH116" in codes(claimed)) == (1, True)
    verified = run("verify")
    assert verified.code == 6
    assert "MV107" in codes(verified)
    assert photograph(database) == before


def test_an_invalid_index_in_the_place_of_one_to_be_built_is_dropped_first(
    run: Run, lay: Lay, conn: Conn
) -> None:
    statements = (
        'CREATE TABLE "Half" (id int PRIMARY KEY)',
        'CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "By Mail" ON first (email)',
    )
    lay(prisma(**(SCRIPTS | {"half": script(statements)})))
    assert run("apply", "--to", FIRST).code == 0
    conn.execute("INSERT INTO first VALUES (1, 'a'), (2, 'a')")
    assert run("apply").code == 1  # the rows are asked before
    assert run("apply", "--gate", "never").code == 6
    with pytest.raises(psycopg.errors.UniqueViolation):  # as another tool would leave it
        conn.execute('CREATE UNIQUE INDEX CONCURRENTLY "By Mail" ON first (email)')
    conn.execute("DELETE FROM first WHERE id = 2")

    called = run("resolve", HALF, "--finish")

    assert called.code == 0, called.out
    valid = "SELECT bool_and(indisvalid) FROM pg_index WHERE indexrelid = '\"By Mail\"'::regclass"
    assert conn.execute(valid).fetchall() == [(True,)]
    assert run("apply").code == 0
    assert run("verify").code == 0


# ---------------------------------------------------------------- every kind of history

SAMPLES = (
    Sample(1, "first", "CREATE TABLE first (id int PRIMARY KEY);"),
    Sample(2, "half", script(STATEMENTS)),
    Sample(3, "last", "CREATE TABLE last (id int PRIMARY KEY);"),
)


@pytest.fixture(params=KINDS, ids=lambda kind: str(kind.id))
def kind(request: pytest.FixtureRequest) -> Kind:
    made: Kind = request.param
    return made


def test_a_half_is_finished_for_every_kind(
    kind: Kind, migsafe: Migsafe, database: str, conn: Conn, workdir: Path
) -> None:
    folder = workdir / "migrations"
    folder.mkdir()
    kind.write(folder, *SAMPLES)
    kind.install(conn)
    where = ("--url", database, "--migrations", folder, "--format", "json")
    assert migsafe("apply", "--to", kind.name(SAMPLES[0]), *where).code == 0
    if kind.can_fail:
        kind.fail(conn, folder, SAMPLES[1])
    conn.execute(script(STATEMENTS[:3]).encode())
    name = kind.name(SAMPLES[1])

    finished = migsafe("resolve", name, "--finish", *where)

    assert finished.code == 0, finished.out
    assert statements_run(conn, name) == [4]
    status = migsafe("status", *where)
    assert status.code == 0, status.out
    assert status.report.history is not None
    assert status.report.history.pending == (kind.name(SAMPLES[2]),)
    assert migsafe("apply", *where).code == 0
    assert migsafe("verify", *where).code == 0


@pytest.mark.parametrize("recorded", [True, False])
def test_a_version_that_stands_for_older_ones_is_not_finished_over_a_gap(
    migsafe: Migsafe, database: str, conn: Conn, workdir: Path, recorded: bool
) -> None:
    kind, folder = GolangMigrate("golang-migrate"), workdir / "migrations"
    folder.mkdir()
    last = Sample(3, "last", script(("CREATE TABLE l (id int)", "CREATE TABLE m (id int)")))
    kind.write(folder, SAMPLES[0], SAMPLES[1], last)
    kind.install(conn)
    where = ("--url", database, "--migrations", folder, "--format", "json")
    if recorded:
        assert migsafe("apply", "--to", kind.name(SAMPLES[0]), *where).code == 0
    else:
        conn.execute(SAMPLES[0].sql.encode())
    conn.execute("CREATE TABLE l (id int)")
    before = photograph(database)

    called = migsafe("resolve", kind.name(last), "--finish", *where)

    assert called.code == 2, called.out
    assert kind.name(SAMPLES[0] if not recorded else SAMPLES[1]) in called.err
    assert photograph(database) == before


# ---------------------------------------------------------------- Prisma itself


@pytest.mark.rig
@pytest.mark.skipif(not RIG.is_file(), reason="MIGSAFE_PRISMA_RIG names no Prisma 7")
def test_what_prisma_7_left_is_finished_and_prisma_goes_on(
    migsafe: Migsafe, make_database: Callable[[], str], workdir: Path
) -> None:
    url, kind, folder = make_database(), Prisma("prisma"), workdir / "prisma" / "migrations"
    folder.mkdir(parents=True)
    concurrent = "CREATE UNIQUE INDEX CONCURRENTLY one ON first (email);\n"
    first = Sample(1, "first", SCRIPTS["first"])
    stopped = Sample(2, "half", concurrent)
    last = Sample(3, "last", SCRIPTS["last"])
    kind.write(folder, first, stopped, last)
    where = ("--url", url, "--migrations", folder, "--format", "json")
    assert migsafe("apply", "--to", kind.name(first), *where).code == 0
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("INSERT INTO first VALUES (1, 'a'), (2, 'a')")

        def deploy() -> int:
            env = os.environ | {"DATABASE_URL": url.replace(":@/", "@localhost/")}
            call = [str(RIG), str(folder), "migrate", "deploy"]
            return subprocess.run(call, env=env, capture_output=True, check=False).returncode

        assert deploy() != 0
        assert migsafe("apply", *where).code == 7
        conn.execute("DELETE FROM first WHERE id = 2")
        # Nothing of it is in effect: an INVALID index is none, and is dropped.
        assert migsafe("resolve", kind.name(stopped), "--finish", *where).code == 0
        assert deploy() == 0
        assert migsafe("verify", *where).code == 0
