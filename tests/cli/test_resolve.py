"""Resolve: a claim about one migration is recorded where the live schema proves it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migsafe.errors import ExitCode
from tests.cli.conftest import Files, Migsafe, Refusal, photograph, prisma
from tests.conftest import Called

Conn = psycopg.Connection[Any]
Lay = Callable[[Files], None]
Run = Callable[..., Called]

FIRST, SECOND, THIRD, FOURTH = (
    f"2025010{number}000000_{name}"
    for number, name in enumerate(("first", "second", "third", "fourth"), start=1)
)
SCRIPTS = {
    "first": "CREATE TABLE first (id int PRIMARY KEY, body text);\n",
    "second": 'CREATE TABLE "Second" (id int PRIMARY KEY);\n'
    'ALTER TABLE "Second" ADD COLUMN "Due" date;\n',
    "third": "UPDATE first SET body = 'x';\n",
    "fourth": "CREATE TABLE fourth (id int PRIMARY KEY);\n",
}


@pytest.fixture(autouse=True)
def replays(workdir: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let the tests of this module share the replays that are kept; each is named by its input."""
    shared = tmp_path_factory.getbasetemp() / "replays-of-resolve"
    shared.mkdir(exist_ok=True)
    (workdir / ".migsafe").mkdir()
    (workdir / ".migsafe" / "replays").symlink_to(shared)


@pytest.fixture
def run(migsafe: Migsafe, database: str, lay: Lay) -> Run:
    """Run a command on the database and a history of four."""
    lay(prisma(**SCRIPTS))

    def call(command: str, *arguments: object) -> Called:
        where = ("--url", database, "--migrations", "prisma", "--format", "json")
        return migsafe(command, *where, *arguments)

    return call


def execute(conn: Conn, *names: str) -> None:
    for name in names:
        conn.execute(SCRIPTS[name].encode())


def fail(conn: Conn, name: str) -> None:
    """Write the row that a failed deployment of Prisma leaves."""
    conn.execute(
        """INSERT INTO _prisma_migrations (id, checksum, migration_name, logs)
           VALUES (gen_random_uuid()::text, 'x', %s, 'boom')""",
        [name],
    )


def rows(conn: Conn, name: str) -> list[tuple[bool, bool]]:
    """Return of each row of a migration whether it is finished, and whether it is rolled back."""
    found = conn.execute(
        """SELECT finished_at IS NOT NULL, rolled_back_at IS NOT NULL FROM _prisma_migrations
           WHERE migration_name = %s ORDER BY 1, 2""",
        [name],
    )
    return [(bool(finished), bool(back)) for finished, back in found]


def codes(called: Called) -> list[str]:
    return [finding.code for finding in called.report.findings]


def test_a_claim_that_is_true_needs_no_force(run: Run, conn: Conn) -> None:
    execute(conn, "first")

    called = run("resolve", "--applied", FIRST)

    assert called.code == 0, called.out
    assert rows(conn, FIRST) == [(True, False)]
    status = run("status").report.history
    assert status is not None
    assert status.pending == (SECOND, THIRD, FOURTH)


def test_a_claim_that_is_not_true_is_refused_with_the_facts(
    run: Run, conn: Conn, database: str
) -> None:
    execute(conn, "first")
    before = photograph(database)

    called = run("resolve", "--applied", SECOND)

    assert (called.code, codes(called)) == (1, ["MH114"])
    assert photograph(database) == before
    (finding,) = called.report.findings
    assert (finding.migration, finding.severity) == (SECOND, "error")
    assert 'public."Second"' in finding.message
    assert called.report.next


def test_a_claim_is_refused_where_something_else_stands_in_its_place(
    run: Run, conn: Conn, database: str
) -> None:
    execute(conn, "first")
    conn.execute('CREATE TABLE "Second" (id int PRIMARY KEY, "Due" timestamptz)')
    before = photograph(database)

    called = run("resolve", "--applied", SECOND)

    assert (called.code, codes(called)) == (1, ["MH114"])
    assert "Due" in called.report.findings[0].message
    assert photograph(database) == before
    assert run("resolve", "--applied", SECOND, "--force").code == 0


@pytest.mark.parametrize("claim", ["--applied", "--rolled-back"])
def test_a_failed_one_is_closed_only_as_the_schema_says(
    run: Run, conn: Conn, database: str, claim: str
) -> None:
    assert run("apply", "--to", FIRST).code == 0
    fail(conn, SECOND)
    if claim == "--applied":
        execute(conn, "second")
    other = {"--applied": "--rolled-back", "--rolled-back": "--applied"}[claim]
    before = photograph(database)

    wrong = run("resolve", other, SECOND)

    assert (wrong.code, codes(wrong)) == (1, ["MH114"])
    assert "Second" in wrong.report.findings[0].message
    assert photograph(database) == before

    right = run("resolve", claim, SECOND)

    assert right.code == 0, right.out
    expected = [(False, True), (True, False)] if claim == "--applied" else [(False, True)]
    assert rows(conn, SECOND) == expected
    assert run("status").code == 0


@pytest.mark.parametrize("claim", ["--applied", "--rolled-back"])
def test_force_records_what_the_schema_contradicts(run: Run, conn: Conn, claim: str) -> None:
    assert run("apply", "--to", FIRST).code == 0
    fail(conn, SECOND)
    if claim == "--rolled-back":
        execute(conn, "second")

    called = run("resolve", claim, SECOND, "--force")

    assert called.code == 0, called.out
    assert ((True, False) in rows(conn, SECOND)) == (claim == "--applied")
    # The evidence has not changed its mind.
    assert run("baseline").code == (1 if claim == "--applied" else 0)
    assert run("verify").code == 1


@pytest.mark.parametrize("claim", ["--applied", "--rolled-back"])
def test_what_leaves_no_trace_wants_force(run: Run, conn: Conn, database: str, claim: str) -> None:
    assert run("apply", "--to", SECOND).code == 0
    fail(conn, THIRD)
    before = photograph(database)

    refused = run("resolve", claim, THIRD)

    assert (refused.code, codes(refused)) == (1, ["MH111"])
    assert "--force" in str(refused.report.findings[0].remedy)
    assert photograph(database) == before
    assert run("resolve", claim, THIRD, "--force").code == 0


def test_a_half_is_neither_applied_nor_rolled_back(run: Run, conn: Conn, database: str) -> None:
    assert run("apply", "--to", FIRST).code == 0
    fail(conn, SECOND)
    conn.execute('CREATE TABLE "Second" (id int PRIMARY KEY)')
    before = photograph(database)

    for claim in ("--applied", "--rolled-back"):
        called = run("resolve", claim, SECOND)

        assert (called.code, codes(called)) == (1, ["MH116"])
        assert "1 of its 2 statements" in called.report.findings[0].message
        assert f"migsafe resolve {SECOND} --finish" in str(called.report.findings[0].remedy)
    assert photograph(database) == before


def test_a_value_of_their_own_is_no_proof(run: Run, conn: Conn, database: str) -> None:
    """Tables of the same name prove nothing where all that they hold is another's."""
    assert run("apply", "--to", SECOND).code == 0
    conn.execute("CREATE TABLE fourth (other text)")
    before = photograph(database)

    called = run("resolve", "--applied", FOURTH)

    assert called.code == 1
    assert photograph(database) == before


@pytest.mark.parametrize("claim", ["--applied", "--rolled-back"])
def test_without_a_shadow_a_claim_wants_force(
    run: Run, conn: Conn, database: str, claim: str
) -> None:
    assert run("apply", "--to", FIRST).code == 0
    fail(conn, SECOND)
    execute(conn, "second")
    before = photograph(database)

    for shadow in ("none", "postgresql://nobody:hunter2@127.0.0.1:1/x?connect_timeout=1"):
        called = run("resolve", claim, SECOND, "--shadow", shadow)

        assert (called.code, codes(called)) == (1, ["MH111"])
        assert "hunter2" not in called.out + called.err
    assert photograph(database) == before
    assert run("resolve", claim, SECOND, "--force", "--shadow", "none").code == 0


def test_a_history_that_stops_before_a_claim_proves_nothing(
    run: Run, lay: Lay, conn: Conn, database: str
) -> None:
    lay(prisma(**(SCRIPTS | {"second": "CREATE EXTENSION nosuch;"})))
    execute(conn, "first", "fourth")
    before = photograph(database)

    called = run("resolve", "--applied", FOURTH)

    assert (called.code, codes(called)) == (1, ["MH111"])
    assert photograph(database) == before
    assert run("resolve", "--applied", FIRST).code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("--finish",),
        (FIRST,),
        (FIRST, "--applied", FIRST),
        (FIRST, "--finish", "--applied", FIRST),
        ("--applied", FIRST, "--rolled-back", FIRST),
        (),
    ],
)
def test_a_call_that_says_nothing_or_two_things_is_refused(
    run: Run, database: str, arguments: tuple[str, ...]
) -> None:
    before = photograph(database)

    called = run("resolve", *arguments)

    assert called.code == ExitCode.USAGE
    assert photograph(database) == before


def test_a_name_that_is_none_is_refused_with_the_nearest(
    refused: Callable[..., Refusal], lay: Lay, database: str
) -> None:
    lay(prisma(**SCRIPTS))
    where = ("--url", database, "--migrations", "prisma")

    for arguments in (("--applied", FIRST[:-1]), (FIRST[:-1], "--finish")):
        refusal = refused(ExitCode.USAGE, "resolve", *where, *arguments, unchanged=database)

        assert FIRST in refusal.line
