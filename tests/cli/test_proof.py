"""`history --verify`: whatever is done to the ledger shows, and the finding names the run."""

import json
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import click
import psycopg
import pytest

from migsafe import ledger, target
from migsafe.errors import ExitCode
from migsafe.findings import Status
from migsafe.reports import RENDERERS
from tests import roles
from tests.cli.conftest import Migsafe, lay_out, prisma, run_child
from tests.conftest import Called, Databases

THREE = prisma(
    first='CREATE TABLE "Köl 1" (id int);\n',
    second='CREATE TABLE "Köl 2" (id int);\n',
    third='CREATE TABLE "Köl 3" (id int);\n',
)
NAMES = ["20250101000000_first", "20250102000000_second", "20250103000000_third"]


@dataclass(frozen=True, slots=True)
class Past:
    """A database with three runs in its ledger, and where their report files are."""

    template: str
    folder: Path
    runs: tuple[str, ...]


@pytest.fixture(scope="module")
def past(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Past:
    folder = tmp_path_factory.mktemp("past")
    lay_out(folder, THREE)
    name = databases.create()
    for migration in NAMES:
        call = ("apply", "--migrations", "prisma", "--to", migration)
        done = run_child(*call, cwd=folder, MIGSAFE_URL=databases.url(name))
        assert done.returncode == 0, done.stderr
    with psycopg.connect(databases.url(name), autocommit=True) as conn:
        found = conn.execute("SELECT id FROM migsafe.runs ORDER BY started").fetchall()
        conn.execute("ALTER TABLE migsafe.runs DISABLE TRIGGER append_only")
        conn.execute("ALTER TABLE migsafe.receipts DISABLE TRIGGER append_only")
    return Past(name, folder, tuple(str(row[0]) for row in found))


@pytest.fixture
def url(past: Past, make_database: Callable[..., str]) -> str:
    return make_database(past.template)


@pytest.fixture
def tamper(url: str, past: Past) -> Callable[..., None]:
    """Return a function that runs SQL in which a, b and c stand for the runs, oldest first."""

    def run(*statements: str) -> None:
        with psycopg.connect(url, autocommit=True) as conn:
            for statement in statements:
                names = dict(zip("abc", (f"'{run}'" for run in past.runs), strict=True))
                conn.execute(statement.format(**names, sum=SUM).encode())

    return run


#: What a forger computes for a row, as the ledger does.
SUM = "encode(sha256(convert_to(coalesce(previous, '') || E'\\n' || report, 'UTF8')), 'hex')"

EDITED = "UPDATE migsafe.runs SET report = replace(report, 'done', 'good') WHERE id = {b}"
SUMMED = "UPDATE migsafe.runs SET sha256 = {sum} WHERE id = {b}"
GONE = "DELETE FROM migsafe.runs WHERE id = {c}"
NO_RECEIPTS = "DELETE FROM migsafe.receipts WHERE run = {c}"


@pytest.fixture
def prove(migsafe: Migsafe, url: str) -> Callable[..., Called]:
    return lambda *more: migsafe("history", "--verify", "--url", url, "--format", "json", *more)


def told(called: Called, past: Past) -> set[tuple[str, str]]:
    """Return the code of each finding that failed, with the run that its message names first."""
    names = dict(zip(past.runs, "abc", strict=True))
    said = set()
    for found in called.report.findings:
        if found.status is Status.FAILED and not found.suppressed:
            places = {found.message.find(run): name for run, name in names.items()}
            first = min((place for place in places if place >= 0), default=None)
            said.add((found.code, "" if first is None else places[first]))
    return said


def test_a_ledger_that_nobody_touched_is_whole(
    prove: Callable[..., Called], past: Past, url: str, workdir: Path
) -> None:
    shutil.copytree(past.folder / ".migsafe", workdir / ".migsafe")
    called = prove()
    assert called.code == ExitCode.OK, called
    passed = [f.code for f in called.report.findings if f.status is Status.PASSED]
    assert passed == ["MH121", "MH122", "MH123", "MH124", "MH125"]
    newest, compared, unguarded = called.report.notes
    assert past.runs[-1] in newest
    assert compared.startswith("3 of 3 runs have a report file")
    assert "off or gone from migsafe.runs and migsafe.receipts" in unguarded
    with psycopg.connect(url, autocommit=True) as conn:
        for table in ("runs", "receipts"):
            conn.execute(f"ALTER TABLE migsafe.{table} ENABLE TRIGGER append_only")
    assert prove().report.notes == (newest, compared)


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        ([EDITED], {("MH121", "b")}),
        ([EDITED, SUMMED], {("MH122", "c")}),
        (["UPDATE migsafe.runs SET exit_code = 1 WHERE id = {b}"], {("MH121", "b")}),
        (["UPDATE migsafe.runs SET role = 'nobody' WHERE id = {b}"], {("MH121", "b")}),
        (["UPDATE migsafe.runs SET host = 'elsewhere' WHERE id = {b}"], {("MH121", "b")}),
        (["UPDATE migsafe.runs SET started = '2020-01-01Z' WHERE id = {c}"], {("MH121", "c")}),
        (["UPDATE migsafe.runs SET report = 'x' WHERE id = {c}"], {("MH121", "c")}),
        (
            ["UPDATE migsafe.runs SET sha256 = repeat('0', 64) WHERE id = {b}"],
            {("MH121", "b"), ("MH122", "c")},
        ),
        (
            ["UPDATE migsafe.runs SET previous = NULL WHERE id = {b}", SUMMED],
            {("MH121", "b"), ("MH122", "b"), ("MH122", "c")},
        ),
        (
            ["DELETE FROM migsafe.runs WHERE id = {b}"],
            {("MH122", "c"), ("MH125", "b")},
        ),
        (
            ["DELETE FROM migsafe.runs WHERE id = {a}"],
            {("MH122", "b"), ("MH125", "a")},
        ),
        (
            [
                "UPDATE migsafe.runs SET report = (SELECT report FROM migsafe.runs AS o "
                "WHERE o.id = CASE runs.id WHEN {a} THEN {b} ELSE {a} END) WHERE id IN ({a}, {b})"
            ],
            {("MH121", "a"), ("MH121", "b")},
        ),
        (
            [
                "INSERT INTO migsafe.runs SELECT 'forged', command, started + '1s', exit_code, "
                "role, host, git_commit, replace(report, {c}, 'forged'), previous, '' "
                "FROM migsafe.runs WHERE id = {c}",
                "UPDATE migsafe.runs SET sha256 = {sum} WHERE id = 'forged'",
            ],
            {("MH121", ""), ("MH123", "c")},
        ),
        (["DROP SCHEMA migsafe CASCADE"], {("MH122", "")}),
        (["DROP TABLE migsafe.runs"], {("MH121", "")}),
        (["UPDATE migsafe.runs SET started = 'infinity' WHERE id = {a}"], {("MH121", "a")}),
        (
            [
                "UPDATE migsafe.runs SET report = jsonb_set(report::jsonb, '{{target}}', '7') "
                "WHERE id = {c}",
                "UPDATE migsafe.runs SET sha256 = {sum} WHERE id = {c}",
            ],
            {("MH121", "c")},
        ),
        (
            [
                "UPDATE migsafe.runs SET report = repeat('[', 20000) WHERE id = {c}",
                "UPDATE migsafe.runs SET sha256 = {sum} WHERE id = {c}",
            ],
            {("MH121", "c")},
        ),
    ],
    ids=[
        "edited",
        "edited and given a new sum",
        "another exit code",
        "another role",
        "another host",
        "another start",
        "no report",
        "another sum",
        "cut loose",
        "removed in the middle",
        "removed at the beginning",
        "swapped",
        "inserted",
        "all dropped",
        "runs dropped",
        "a start of no calendar",
        "a target of another shape",
        "a report too deep to read",
    ],
)
def test_what_is_done_to_the_ledger_shows(
    prove: Callable[..., Called],
    tamper: Callable[..., None],
    past: Past,
    done: list[str],
    expected: set[tuple[str, str]],
) -> None:
    tamper(*done)
    called = prove()
    assert told(called, past) == expected
    assert called.code == ExitCode.FINDINGS


def test_runs_that_a_policy_hides_are_not_called_all_there_are(
    migsafe: Migsafe, tamper: Callable[..., None], url: str
) -> None:
    joined = "&" if "?" in url else "?"
    reader = f"{roles.superusers(url)}{joined}options=-c%20role%3Dpg_read_all_data"
    call = ("history", "--verify", "--url", reader)
    assert migsafe(*call).code == ExitCode.OK
    for table, hidden in (("runs", "id"), ("receipts", "run")):
        tamper(
            f"ALTER TABLE migsafe.{table} ENABLE ROW LEVEL SECURITY",
            f"CREATE POLICY hides ON migsafe.{table} USING ({hidden} <> {{c}})",
        )
    assert migsafe(*call).code == ExitCode.UNREACHABLE


def test_the_gap_is_named_from_both_sides(
    prove: Callable[..., Called], tamper: Callable[..., None], past: Past
) -> None:
    tamper("DELETE FROM migsafe.runs WHERE id = {b}")
    (found,) = [f for f in prove().report.findings if f.code == "MH122"]
    assert f"before run {past.runs[2]}" in found.message
    assert f"{past.runs[0]} is the last one before the gap" in found.message


def test_the_newest_run_is_missed_by_its_receipts(
    prove: Callable[..., Called], tamper: Callable[..., None], past: Past
) -> None:
    tamper(GONE)
    assert told(prove(), past) == {("MH125", "c")}
    killed = prove("--killed", past.runs[2])
    assert (killed.code, told(killed, past)) == (ExitCode.OK, set())


def test_a_report_that_is_still_to_come_is_not_missed(
    prove: Callable[..., Called], tamper: Callable[..., None], url: str
) -> None:
    tamper(GONE)
    with psycopg.connect(url, autocommit=True) as deployer:
        deployer.execute("SELECT pg_advisory_lock(%s)", [ledger.LOCK])
        assert prove().code == ExitCode.BUSY


def test_the_newest_run_is_missed_by_its_file_and_by_a_sum_that_was_noted(
    prove: Callable[..., Called],
    tamper: Callable[..., None],
    past: Past,
    url: str,
    workdir: Path,
) -> None:
    noted = prove().report.notes[0].rpartition(" ")[2]
    assert prove("--noted", noted).code == ExitCode.OK
    tamper(GONE, NO_RECEIPTS)
    assert prove().code == ExitCode.OK, "nothing in the target knows of it any more"
    assert told(prove("--noted", noted), past) == {("MH122", "")}
    file = Path(".migsafe/reports") / f"{past.runs[2]}.json"
    report = json.loads((past.folder / file).read_text())
    report["target"]["database"] = urlsplit(url).path[1:]
    lay_out(workdir, {str(file): json.dumps(report)})
    assert told(prove(), past) == {("MH122", "c")}


def test_a_file_that_was_edited_is_named(
    prove: Callable[..., Called], past: Past, workdir: Path
) -> None:
    shutil.copytree(past.folder / ".migsafe", workdir / ".migsafe")
    file = workdir / f".migsafe/reports/{past.runs[0]}.json"
    file.write_text(file.read_text().replace('"done"', '"busy"'))
    (workdir / ".migsafe/reports/of-nobody.json").write_text("{}")
    assert told(prove(), past) == {("MH124", "a")}


@pytest.mark.parametrize("damage", ["cut off", "not UTF-8", "too deep"])
def test_a_file_that_cannot_be_read_is_no_file_that_agrees(
    prove: Callable[..., Called],
    tamper: Callable[..., None],
    past: Past,
    workdir: Path,
    damage: str,
) -> None:
    shutil.copytree(past.folder / ".migsafe", workdir / ".migsafe")
    file = workdir / f".migsafe/reports/{past.runs[2]}.json"
    whole = file.read_bytes()
    file.write_bytes(
        {"cut off": whole[:300], "not UTF-8": b"\xff" + whole, "too deep": b"[" * 20_000}[damage]
    )
    assert told(prove(), past) == {("MH124", "c")}
    tamper(GONE, NO_RECEIPTS)
    assert any(file.name in note for note in prove().report.notes)


def test_a_ledger_begun_anew_does_not_hide_the_runs_of_another_address(
    prove: Callable[..., Called], tamper: Callable[..., None], past: Past, workdir: Path
) -> None:
    shutil.copytree(past.folder / ".migsafe", workdir / ".migsafe")
    tamper(
        "DELETE FROM migsafe.receipts",
        "DELETE FROM migsafe.runs WHERE id IN ({a}, {b})",
        "UPDATE migsafe.runs SET id = 'new', previous = NULL, "
        'report = report::jsonb || \'{{"run": "new", "previous": ""}}\'',
        "UPDATE migsafe.runs SET sha256 = {sum}",
    )
    called = prove()
    assert called.code == ExitCode.OK
    assert any(note.startswith("3 report files are of another") for note in called.report.notes)


def test_a_later_run_of_the_database_that_this_is_a_copy_of_is_only_noted(
    prove: Callable[..., Called], tamper: Callable[..., None], past: Past, workdir: Path
) -> None:
    shutil.copytree(past.folder / ".migsafe", workdir / ".migsafe")
    tamper(GONE, NO_RECEIPTS)
    called = prove()
    assert called.code == ExitCode.OK
    assert called.report.notes[-1].startswith(f"Run {past.runs[2]} follows one of these")


def test_the_flags_of_a_proof_need_one(migsafe: Migsafe, url: str) -> None:
    assert migsafe("history", "--url", url, "--noted", "0" * 64).code == ExitCode.USAGE
    assert migsafe("history", "--url", url, "--noted", "").code == ExitCode.USAGE
    assert migsafe("history", "--url", url, "--killed", "x").code == ExitCode.USAGE


@pytest.mark.parametrize("noted", ["", "0" * 63, "3ae4e48f24e4"])
def test_a_sum_that_is_none_proves_nothing(prove: Callable[..., Called], noted: str) -> None:
    assert prove("--noted", noted).code == ExitCode.USAGE


# ---------------------------------------------------------------- storing


def run_of(name: str, started: datetime) -> ledger.Run:
    return ledger.Run(
        id=name,
        command="apply",
        started=started,
        exit_code=0,
        role="",
        host="here",
        git_commit=None,
        report="{}",
    )


@pytest.mark.parametrize("isolation", ["read committed", "serializable"])
def test_two_runs_stored_at_once_follow_one_another(url: str, isolation: str) -> None:
    where = target.resolve(url, name="test", root=Path())
    began, stored = threading.Event(), threading.Event()

    def second() -> None:
        with target.connect(where) as conn:
            conn.execute(f"SET default_transaction_isolation = '{isolation}'".encode())
            began.set()
            with conn.transaction():
                # Its clock is behind: what comes last is decided by the chain.
                before = ledger.newest(conn)
                ledger.store(conn, run_of("second", datetime(2000, 1, 1, tzinfo=UTC)), before)
        stored.set()

    with target.connect(where) as conn, psycopg.connect(url, autocommit=True) as onlooker:
        with conn.transaction():
            before = ledger.newest(conn)
            thread = threading.Thread(target=second)
            thread.start()
            began.wait(10)
            waiting = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            while not onlooker.execute(waiting).fetchall():
                assert not stored.is_set()
            ledger.store(conn, run_of("first", datetime.now(UTC)), before)
        thread.join(10)
        rows = onlooker.execute(
            "SELECT id, previous, sha256 FROM migsafe.runs WHERE report = '{}'"
        ).fetchall()
    links = {str(name): (previous, sha256) for name, previous, sha256 in rows}
    assert links["first"][0] == before
    assert links["second"][0] == links["first"][1]


# ---------------------------------------------------------------- past reports


@pytest.mark.parametrize("name", RENDERERS)
def test_a_past_report_is_shown_in_every_format_from_the_ledger(
    migsafe: Migsafe, url: str, past: Past, name: str, workdir: Path
) -> None:
    call = ("report", past.runs[1], "--url", url)
    stored = migsafe(*call, "--format", "json").report
    assert (stored.run, stored.steps[0].migration) == (past.runs[1], NAMES[1])
    called = migsafe(*call, "--format", name, "-o", f"{name}:file")
    assert called.code == ExitCode.OK, called.err
    assert called.out == click.unstyle(RENDERERS[name](stored)) + "\n"
    assert (workdir / "file").read_text("utf-8") == called.out
