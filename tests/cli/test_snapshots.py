"""`migsafe snapshot create`, `list` and `prune` with dumps of a real server."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migsafe import ledger
from migsafe.errors import ExitCode
from migsafe.snapshots import manifest
from tests.conftest import Called
from tests.contract import looks

Snapshot = Callable[..., Called]


@pytest.fixture
def snapshot(
    migsafe: Callable[..., Called], database: str, conn: psycopg.Connection[Any], workdir: Path
) -> Snapshot:
    """Return `migsafe snapshot` on a database with two tables."""
    conn.execute('CREATE TABLE notes (id int); CREATE TABLE "Räume 100%" (id int)')
    conn.execute("INSERT INTO notes SELECT generate_series(1, 7)")

    def call(*arguments: str) -> Called:
        return migsafe("snapshot", *arguments, "--url", database, "--format", "json")

    return call


def aged(workdir: Path, run: str, days: int) -> None:
    """Let a snapshot be as old as that."""
    folder = workdir / ".migsafe" / "snapshots"
    file = folder / f"{run}.json"
    known = json.loads(file.read_text())
    known["taken"] = (datetime.now(UTC) - timedelta(days=days)).isoformat()
    file.write_text(json.dumps(known))


def test_create_takes_a_copy_and_leaves_the_database_as_it_is(
    snapshot: Snapshot, conn: psycopg.Connection[Any], workdir: Path
) -> None:
    before = looks.everything(conn)

    called = snapshot("create")

    assert called.code == ExitCode.OK, called.err
    taken, run = called.report.snapshot, called.report.run
    assert taken is not None
    assert called.report.command == "snapshot create"
    assert looks.everything(conn) == before
    kept = manifest.load(workdir / ".migsafe" / "snapshots" / f"{run}.json")
    assert kept.fingerprint.counts == {"public.notes": 7, "public.Räume 100%": 0}
    assert kept.fingerprint.exact
    assert taken.restore == f"migsafe restore {run}"


def test_list_shows_the_newest_first_and_no_others(
    snapshot: Snapshot, make_database: Callable[[], str], migsafe: Callable[..., Called]
) -> None:
    assert snapshot("list").report.copies == ()
    runs = [snapshot("create").report.run for _ in "ab"]
    assert migsafe("snapshot", "create", "--url", make_database()).code == ExitCode.OK

    listed = snapshot("list")

    assert listed.code == ExitCode.OK
    assert [copy.run for copy in listed.report.copies] == [runs[1], runs[0]]
    assert {copy.status for copy in listed.report.copies} == {"available"}


def test_prune_says_what_would_go_and_deletes_it_only_with_yes(
    snapshot: Snapshot, workdir: Path
) -> None:
    old, new = (snapshot("create").report.run for _ in "ab")
    aged(workdir, old, 31)
    ids = {copy.run: Path(copy.id) for copy in snapshot("list").report.copies}

    dry = snapshot("prune")

    assert {copy.run: copy.fate for copy in dry.report.copies} == {new: "kept", old: "to delete"}
    assert dry.report.next == "with --yes, 1 would be deleted."
    assert ids[old].exists()

    done = snapshot("prune", "--yes")

    assert done.code == ExitCode.OK
    assert {copy.run: copy.fate for copy in done.report.copies} == {new: "kept", old: "deleted"}
    assert not ids[old].exists()
    assert [copy.run for copy in snapshot("list").report.copies] == [new]


def test_prune_keeps_what_the_ledger_calls_the_last_good_one(
    snapshot: Snapshot, workdir: Path, conn: psycopg.Connection[Any]
) -> None:
    good, new = (snapshot("create").report.run for _ in "ab")
    aged(workdir, good, 90)
    kept = manifest.load(workdir / ".migsafe" / "snapshots" / f"{good}.json")
    text = manifest.encode(kept)
    ledger.keep(
        conn,
        ledger.Kept(run=good, provider="pg_dump", id=kept.id, taken=kept.taken, manifest=text),
    )

    called = snapshot("prune", "--yes")

    assert {copy.run: copy.fate for copy in called.report.copies} == {new: "kept", good: "kept"}
    assert called.report.copies[1].why == "the ledger may still need it"
    assert Path(kept.id).exists()


def test_the_manifests_in_the_ledger_cannot_be_changed(
    snapshot: Snapshot, conn: psycopg.Connection[Any]
) -> None:
    now = datetime.now(UTC)
    ledger.keep(conn, ledger.Kept(run="1", provider="rds", id="s", taken=now, manifest="{}"))
    for change in ("DELETE FROM", "UPDATE", "TRUNCATE"):
        rest = " SET id = ''" if change == "UPDATE" else ""
        with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
            conn.execute(f"{change} migsafe.snapshots{rest}".encode())
    assert [kept.run for kept in ledger.snapshots(conn)] == ["1"]


def test_prune_without_a_database_to_ask_deletes_nothing(
    snapshot: Snapshot, workdir: Path, migsafe: Callable[..., Called]
) -> None:
    run = snapshot("create").report.run
    aged(workdir, run, 90)
    url = "postgresql://nobody@localhost:1/x"

    called = migsafe("snapshot", "prune", "--yes", "--url", url)

    assert called.code == ExitCode.UNREACHABLE
    assert (workdir / ".migsafe" / "snapshots" / f"{run}.json").exists()


@pytest.mark.parametrize("format", ["text", "markdown"])
def test_the_copies_are_a_table_for_people(
    snapshot: Snapshot, migsafe: Callable[..., Called], database: str, format: str
) -> None:
    run = snapshot("create").report.run
    for command in ("list", "prune"):
        called = migsafe("snapshot", command, "--url", database, "--format", format)
        assert called.code == ExitCode.OK
        assert run in called.out


def test_not_to_wait_for_no_snapshot_is_refused(
    migsafe: Callable[..., Called], database: str, workdir: Path
) -> None:
    (workdir / "db").mkdir()
    (workdir / "db" / "1_visits.sql").write_text("CREATE TABLE visits (id int);")
    for flags in ((), ("--snapshot",)):
        refused = migsafe("apply", "--no-wait", *flags, "--url", database, "--migrations", "db")
        assert refused.code == ExitCode.USAGE, refused
        assert "--no-wait" in refused.err


def test_what_cannot_be_deleted_is_said_and_does_not_save_the_others(
    snapshot: Snapshot, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, new = (snapshot("create").report.run for _ in "abc")
    ids = {copy.run: Path(copy.id) for copy in snapshot("list").report.copies}
    # Somebody else's leftover of that name is in the way of the first one.
    (blocked := ids[first].with_name(f"{ids[first].name}.part")).write_text("")

    done = snapshot("prune", "--keep", "1", "--yes")

    assert done.code == ExitCode.UNREACHABLE, done
    fates = {copy.run: copy.fate for copy in done.report.copies}
    assert fates == {first: "failed", second: "deleted", new: "kept"}
    assert "cannot be deleted" in str(done.report.error)
    assert blocked.exists()
