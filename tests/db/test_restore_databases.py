"""Dumps come back whole, beside the database and then in its place, whatever stops the way."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, chdir, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from migsafe import cli, ledger
from migsafe.config import EnvConfig
from migsafe.errors import ExitCode, UnreachableError
from migsafe.restore import Restoring, journal, renaming
from migsafe.restore.databases import Create
from migsafe.restore.pair import Pair
from migsafe.snapshots import manifest, pg_dump, programs
from migsafe.target import parse
from tests.conftest import Called, database_url
from tests.db import dumped, dying
from tests.db.dumped import Everything
from tests.faults import enough

Conn = psycopg.Connection[Any]

#: Rows of the reference clinic; where it is set, restores are killed everywhere, both ways.
ROWS = int(os.environ.get("MIGSAFE_RESTORES", "0"))

DAMAGE = """
DELETE FROM visits; DROP SEQUENCE falling; CREATE TABLE later (id int);
SELECT lo_unlink(oid) FROM pg_largeobject_metadata;
"""


@dataclass(slots=True)
class House:
    """A database, a folder beside it, and the snapshot that was taken last."""

    server: str
    name: str
    folder: Path
    run: str = ""

    @property
    def url(self) -> str:
        return database_url(self.server, quote(self.name, safe=""))

    def call(self, *arguments: str, url: str | None = None) -> Called:
        """Run the command line in this process."""
        where = ("--url", url or self.url, "--migrations", "db", "--format", "json")
        out, err = StringIO(), StringIO()
        with chdir(self.folder), redirect_stdout(out), redirect_stderr(err):
            code = cli.run([*arguments, *where])
        return Called(code, out.getvalue(), err.getvalue())

    def snapshot(self, url: str | None = None) -> None:
        (self.folder / "db").mkdir(exist_ok=True)
        (self.folder / "db" / "001_next.sql").write_text("CREATE TABLE next (id int);")
        called = self.call("snapshot", "create", url=url)
        assert called.code == ExitCode.OK, called
        self.run = called.report.run

    def restore(self, *flags: str, url: str | None = None) -> Called:
        return self.call("restore", self.run, *flags, url=url)

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        """Run SQL in the database."""
        with psycopg.connect(self.url, autocommit=True) as conn:
            cursor = conn.execute(text.encode())
            return cursor.fetchall() if cursor.description else []

    def databases(self) -> dict[str, tuple[int, bool]]:
        """Return oid and openness of the databases with this name in theirs."""
        with psycopg.connect(self.server) as conn:
            query = """SELECT datname, oid::bigint, datallowconn FROM pg_database
                       WHERE strpos(datname, %s) = 1"""
            return {name: (oid, is_open) for name, oid, is_open in conn.execute(query, [self.name])}

    def only(self) -> None:
        """Drop what restores have left, but for the database itself."""
        for name in set(self.databases()) - {self.name}:
            dumped.drop(self.server, name)

    @property
    def manifest(self) -> Path:
        return self.folder / ".migsafe" / "snapshots" / f"{self.run}.json"

    @property
    def dump(self) -> Path:
        return self.folder / str(json.loads(self.manifest.read_text())["id"])


@pytest.fixture
def house(server: str, tmp_path: Path) -> Iterator[House]:
    """A small database of its own name."""
    name = f"house_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
        made = House(server, name, tmp_path)
        made.sql("CREATE TABLE rooms AS SELECT n FROM generate_series(1, 10) AS n")
        yield made
        dumped.drop(server, name)


@dataclass(slots=True)
class Clinic(House):
    """The database that has everything; `whole` is how it was, `damaged` how it is."""

    whole: Everything | None = None
    damaged: Everything | None = None


@pytest.fixture(scope="module")
def clinic(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    url, folder = dumped.make(server), tmp_path_factory.mktemp("clinic")
    made = Clinic(server, dumped.ODD, folder)
    assert made.url == url
    made.whole = dumped.look(server)
    made.snapshot()
    made.sql(DAMAGE)
    made.damaged = dumped.look(server)
    yield made
    dumped.drop(server, dumped.ODD)


def swapped(clinic: Clinic) -> None:
    """The copy has the name and is as the database was; the old one is closed, and as it was."""
    assert dumped.look(clinic.server) == clinic.whole
    (old,) = (name for name in clinic.databases() if "_failed_" in name)
    assert not clinic.databases()[old][1]


def untouched(clinic: Clinic, oid: int) -> None:
    """The old database has its name, lets people in, and is as it was."""
    assert clinic.databases()[clinic.name] == (oid, True)
    assert dumped.look(clinic.server) == clinic.damaged


def test_everything_comes_back_under_the_old_name_and_an_undo_gives_it_back(clinic: Clinic) -> None:
    oid, _ = clinic.databases()[clinic.name]

    beside = clinic.restore("--yes")

    assert beside.code == ExitCode.OK, beside
    assert beside.report.restore
    assert beside.report.restore.outcome == "beside"
    untouched(clinic, oid)
    done = clinic.restore("--yes", "--resume", "--swap")
    assert done.code == ExitCode.OK, done
    swapped(clinic)
    undone = clinic.restore("--yes", "--undo")
    assert undone.code == ExitCode.OK, undone
    untouched(clinic, oid)
    assert "is kept with its rows" in undone.report.notes[0]
    clinic.only()


def test_without_yes_nothing_changes(clinic: Clinic) -> None:
    before = clinic.databases()

    shown = clinic.restore("--swap")

    assert shown.code == ExitCode.OK, shown
    assert shown.report.restore
    steps = [step.step for step in shown.report.restore.steps]
    assert tuple(steps) == dying.STEPS
    assert any("30 rows fewer" in line for line in shown.report.restore.lost)
    assert clinic.databases() == before


#: Where a restore is killed, and which way it goes then; all of them take minutes.
FEW = {
    "created, without its comment": "resume",
    "while pg_restore works": "undo",
    "filled, without its comment": "resume",
    "after: settings and privileges": "undo",
    "closed, not renamed": "undo",
    "renamed, not committed": "resume",
    "after: swap the names": "undo",
}
EVERYWHERE = [(point, way) for point in dying.POINTS for way in ("resume", "undo")]


#: Where the copy has had the name, and is kept for what others may have written into it.
SERVED = ("after: swap the names", "before: check the name", "after: check the name")


@pytest.mark.parametrize(("point", "way"), EVERYWHERE if ROWS else enough(list(FEW.items())))
def test_a_killed_restore_goes_on_or_back(clinic: Clinic, point: str, way: str) -> None:
    oid, _ = clinic.databases()[clinic.name]
    flags = ("--url", clinic.url, "--migrations", "db", "--format", "json")

    dying.die(point, ["restore", clinic.run, "--yes", "--swap", *flags], clinic.folder)

    named = clinic.databases()
    assert clinic.name in named
    assert oid in {one for one, _ in named.values()}
    if way == "undo":
        gone_back = clinic.restore("--yes", "--undo")
        assert gone_back.code == ExitCode.OK, gone_back
        left = set(clinic.databases()) - {clinic.name}
        assert len(left) == int(point in SERVED)
    else:
        gone_on = clinic.restore("--yes", "--resume", "--swap")
        assert gone_on.code == ExitCode.OK, gone_on
        swapped(clinic)
        assert clinic.restore("--yes", "--undo").code == ExitCode.OK
    untouched(clinic, oid)
    clinic.only()


@pytest.mark.parametrize("point", ["closed, not renamed", "before: swap the names"])
def test_a_killed_undo_is_undone_again(clinic: Clinic, point: str) -> None:
    oid, _ = clinic.databases()[clinic.name]
    assert clinic.restore("--yes", "--swap").code == ExitCode.OK
    flags = ("--url", clinic.url, "--migrations", "db", "--format", "json")

    dying.die(point, ["restore", clinic.run, "--yes", "--undo", *flags], clinic.folder)

    assert clinic.name in clinic.databases()
    assert clinic.restore("--yes", "--undo").code == ExitCode.OK
    untouched(clinic, oid)
    clinic.only()


def test_a_restore_from_another_machine_is_waited_for_only_a_moment(house: House) -> None:
    """A run that was killed leaves its session for a moment; one that runs keeps it."""
    house.snapshot()
    with pair_of(house).claimed():
        busy = house.restore("--yes")
    assert busy.code == ExitCode.BUSY, busy
    assert "from another machine" in busy.err
    with ExitStack() as stack:
        stack.enter_context(pair_of(house).claimed())
        leaves = threading.Timer(0.5, stack.close)
        leaves.start()
        assert house.restore("--yes").code == ExitCode.OK
        leaves.join()
    house.only()


def test_a_restore_is_kept_as_a_report_and_its_plan_is_not(house: House) -> None:
    house.snapshot()
    planned, done = house.restore(), house.restore("--yes")
    reports = house.folder / ".migsafe" / "reports"
    assert not (reports / f"{planned.report.run}.json").exists()
    assert json.loads((reports / f"{done.report.run}.json").read_text()) == json.loads(done.out)
    shown = house.call("report", done.report.run)
    assert shown.report.restore == done.report.restore
    house.only()


def test_where_a_person_renamed_the_old_one_the_swap_is_finished(house: House) -> None:
    house.snapshot()
    assert house.restore("--yes").code == ExitCode.OK
    with psycopg.connect(house.server, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {house.name} RENAME TO {house.name}_away".encode())

    done = house.restore("--yes", "--resume", "--swap")

    assert done.code == ExitCode.OK, done
    assert house.sql("SELECT count(*) FROM rooms") == [(10,)]
    assert f"{house.name}_away" in house.databases()


def test_a_database_of_the_copys_name_is_neither_filled_nor_dropped(house: House) -> None:
    house.snapshot()
    pair = pair_of(house)
    with psycopg.connect(house.server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {pair.beside} TEMPLATE {house.name}".encode())

    with pytest.raises(UnreachableError, match="is there and not of this restore"):
        Create(pair).act()
    Create(pair).undo()

    with psycopg.connect(database_url(house.server, pair.beside)) as other:
        assert other.execute("SELECT count(*) FROM rooms").fetchone() == (10,)


@pytest.mark.parametrize("memory", ["old", "copy"])
def test_a_database_that_only_has_the_same_oid_is_not_renamed(house: House, memory: str) -> None:
    house.snapshot()
    assert house.restore("--yes", "--swap").code == ExitCode.OK
    with psycopg.connect(house.server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {house.name}_other".encode())
    (file,) = (house.folder / ".migsafe" / "restores").glob("*.json")
    kept = json.loads(file.read_text())
    kept["memory"][memory] = house.databases()[f"{house.name}_other"][0]
    file.write_text(json.dumps(kept))
    before = house.databases()

    stopped = house.restore("--undo", "--yes")

    assert stopped.code == ExitCode.DIRTY, stopped
    assert f"{house.name}_other: is neither called" in str(stopped.report.error)
    assert house.databases() == before


def test_restores_are_undone_in_the_order_in_which_they_were_swapped(house: House) -> None:
    oid = house.databases()[house.name]
    house.snapshot()
    first = house.run
    assert house.restore("--yes", "--swap").code == ExitCode.OK
    house.snapshot()
    assert house.restore("--yes", "--swap").code == ExitCode.OK
    before, last, house.run = house.databases(), house.run, first

    refused = house.restore("--undo", "--yes")
    house.run = last
    look = house.restore("--undo").report.restore

    assert look
    assert look.lost == (
        f"What was written since the swap: it stays in the copy, which is kept as {look.copy}.",
    )
    assert refused.code == ExitCode.USAGE, refused
    assert f"migsafe restore {last} --undo --yes first" in refused.err
    assert house.databases() == before
    for house.run in (last, first):
        assert house.restore("--undo", "--yes").code == ExitCode.OK
    assert house.databases()[house.name] == oid


def test_the_ledger_of_the_past_is_told_from_one_that_was_cut(house: House) -> None:
    house.sql("DROP TABLE rooms")
    runs = []
    for number in (1, 2):
        (house.folder / "db").mkdir(exist_ok=True)
        (house.folder / "db" / f"{number}.sql").write_text(f"CREATE TABLE t{number} (id int);")
        runs.append(house.call("apply", "--snapshot").report.run)
    house.run = runs[1]
    assert house.call("history", "--verify").code == ExitCode.OK

    assert house.restore("--yes", "--swap").code == ExitCode.OK

    told = house.call("history", "--verify")
    assert told.code == ExitCode.OK, told
    (found,) = [one for one in told.report.findings if one.code == "MH122"]
    assert runs[1] in found.message
    assert str(found.suppressed).startswith("put aside by the restore")
    house.sql("ALTER TABLE migsafe.runs DISABLE TRIGGER ALL; DELETE FROM migsafe.runs")
    assert house.call("history", "--verify").code == ExitCode.FINDINGS


def test_a_name_that_is_taken_is_never_renamed_onto(house: House) -> None:
    house.snapshot()
    beside = house.restore("--yes")
    assert beside.report.restore
    taken = beside.report.restore.old
    oid, _ = house.databases()[house.name]
    with psycopg.connect(house.server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {taken}".encode())

    stopped = house.restore("--yes", "--resume", "--swap")

    assert stopped.code == ExitCode.DIRTY, stopped
    assert "a name is taken" in str(stopped.report.error)
    assert house.databases()[house.name] == (oid, True)
    assert all(is_open for _, is_open in house.databases().values())
    dumped.drop(house.server, taken)
    assert house.restore("--yes", "--resume", "--swap").code == ExitCode.OK


def pair_of(house: House) -> Pair:
    """Return the databases of a restore that the command line knows nothing of."""
    kept, known = house.folder / ".migsafe", manifest.load(house.manifest)
    return Pair(
        Restoring(
            target=parse(house.url),
            env=EnvConfig(url=""),
            folder=kept / "snapshots",
            manifest=known,
            journal=journal.begin(
                kept / "others", run=known.run, provider="pg_dump", key="", place=""
            ),
            notify=lambda _: None,
            fingerprint=lambda *_, **__: known.fingerprint,
        )
    )


@pytest.mark.parametrize("name", ["x" * 63, "é" * 31, "x" + "é" * 31], ids=["ascii", "even", "odd"])
def test_the_names_of_a_copy_fit_and_are_its_own(house: House, name: str) -> None:
    house.snapshot()
    pair = pair_of(house)
    text = house.manifest.read_text().replace(
        f'"database": "{house.name}"', f'"database": "{name}"'
    )
    house.manifest.write_text(text)
    other = pair_of(house)
    for one, word in ((other.beside, "restore"), (other.aside, "failed")):
        assert len(one.encode()) in (62, 63)
        assert one.endswith(f"_{word}_{other.journal.record.id[-8:].lower()}")
    assert pair.beside[-8:] != other.beside[-8:]


def test_a_snapshot_is_not_pruned_while_a_restore_goes_back_to_it(house: House) -> None:
    house.snapshot()
    old = house.run
    house.snapshot()
    house.run, new = old, house.run
    assert house.restore("--yes").code == ExitCode.OK

    pruned = house.call("snapshot", "prune", "--keep", "1", "--yes")

    assert {copy.run: copy.fate for copy in pruned.report.copies} == {new: "kept", old: "kept"}
    assert "goes back to it" in pruned.report.copies[1].why
    assert house.restore("--resume", "--swap", "--yes").code == ExitCode.OK
    pruned = house.call("snapshot", "prune", "--keep", "1", "--yes")
    assert {copy.run: copy.fate for copy in pruned.report.copies} == {new: "kept", old: "deleted"}


def test_whoever_is_connected_is_ended_by_the_swap_and_comes_back_into_the_copy(
    house: House,
) -> None:
    house.snapshot()
    house.sql("DELETE FROM rooms")
    with psycopg.connect(house.url, autocommit=True) as session:
        assert house.restore("--yes", "--swap").code == ExitCode.OK
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    assert house.sql("SELECT count(*) FROM rooms") == [(10,)]


def test_a_deployment_that_runs_is_not_swapped_away(house: House) -> None:
    house.snapshot()
    with psycopg.connect(house.url, autocommit=True) as deployer:
        deployer.execute("SELECT pg_advisory_lock(%s)", [ledger.LOCK])

        refused = house.restore("--yes", "--swap")

        assert refused.code == ExitCode.BUSY, refused
        assert "a deployment is running" in refused.err
        assert deployer.execute("SELECT 1").fetchone() == (1,)
    assert set(house.databases()) == {house.name}


def test_a_deployment_that_begins_after_the_last_look_is_not_swapped_away(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.snapshot()
    assert house.restore("--yes").code == ExitCode.OK
    look = renaming.refuse
    with psycopg.connect(house.url, autocommit=True) as deployer:

        def then_begins(*arguments: Any) -> None:
            look(*arguments)
            deployer.execute("SELECT pg_advisory_lock(%s)", [ledger.LOCK])

        monkeypatch.setattr(renaming, "refuse", then_begins)

        stopped = house.restore("--yes", "--resume", "--swap")

        assert "a deployment is running" in str(stopped.report.error), stopped
        assert deployer.execute("SELECT 1").fetchone() == (1,)
    assert all(is_open for _, is_open in house.databases().values())
    monkeypatch.undo()
    assert house.restore("--yes", "--resume", "--swap").code == ExitCode.OK


def test_a_restore_from_another_machine_keeps_the_next_one_out(house: House) -> None:
    house.snapshot()
    with pair_of(house).claimed():
        refused = house.restore("--yes")
    assert refused.code == ExitCode.BUSY, refused
    assert set(house.databases()) == {house.name}


def test_a_manifest_that_cannot_be_read_stands_in_the_way_of_no_other(house: House) -> None:
    house.snapshot()
    broken = house.manifest.with_name("00000000000000000000000000.json")
    broken.write_text("{")
    assert house.restore().code == ExitCode.OK
    refused = house.call("restore", broken.stem)
    assert refused.code == ExitCode.USAGE
    assert "is no manifest of a snapshot" in refused.err


def test_another_server_at_the_same_address_keeps_its_database(house: House) -> None:
    house.snapshot()
    known = json.loads(house.manifest.read_text())
    known["source"]["cluster"] = "7000000000000000001"
    house.manifest.write_text(json.dumps(known))
    before = house.databases()

    refused = house.restore("--yes", "--swap")

    assert refused.code == ExitCode.USAGE, refused
    assert "another server than that of the snapshot answers" in refused.err
    assert house.databases() == before
    beside = house.restore("--yes")
    assert beside.code == ExitCode.OK
    assert any("another server" in note for note in beside.report.notes)
    with psycopg.connect(house.server, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {house.name} RENAME TO {house.name}_away".encode())
    assert house.restore("--resume", "--swap", "--yes").code == ExitCode.OK


def test_a_dump_that_was_changed_is_not_restored(house: House) -> None:
    house.snapshot()
    data = bytearray((house.dump / "dump").read_bytes())
    data[len(data) // 2] ^= 1
    (house.dump / "dump").write_bytes(data)

    for flags in ((), ("--yes",)):
        refused = house.restore(*flags)
        assert refused.code == ExitCode.UNREACHABLE, refused
        assert "checksum" in refused.err
    assert set(house.databases()) == {house.name}


@pytest.mark.parametrize(
    ("part", "found"),
    [
        (("fingerprint", "counts", "public.rooms"), "public.rooms has 10 rows, 11 in the snapshot"),
        (("source", "counts", "public.fast"), "public.fast has 3 rows, 4 in the snapshot"),
        (("source", "sequences", "public.numbers"), "numbers gives 9 next, 10 in the snapshot"),
        (("source", "objects"), "0 large objects, 1 in the snapshot"),
    ],
    ids=["rows", "unlogged", "sequence", "large objects"],
)
def test_a_copy_that_is_not_what_the_snapshot_held_stays_beside(
    house: House, part: tuple[str, ...], found: str
) -> None:
    house.sql(
        """CREATE UNLOGGED TABLE fast AS SELECT n FROM generate_series(1, 3) AS n;
           CREATE SEQUENCE numbers START 9"""
    )
    house.snapshot()
    known = json.loads(house.manifest.read_text())
    inner = known
    for key in part[:-1]:
        inner = inner[key]
    held = inner[part[-1]]
    inner[part[-1]] = [one + 1 for one in held] if isinstance(held, list) else held + 1
    house.manifest.write_text(json.dumps(known))

    differs = house.restore("--yes", "--swap")

    assert differs.code == ExitCode.FINDINGS, differs
    assert any(found in one.message for one in differs.report.findings)
    assert house.restore("--yes", "--undo").code == ExitCode.OK
    assert set(house.databases()) == {house.name}


def test_a_schema_that_differs_is_named_fact_by_fact(house: House) -> None:
    house.snapshot()
    facts = json.loads((house.dump / "facts.json").read_text())
    fact = ["column", "public.rooms", "n", "type", "integer"]
    facts[facts.index(fact)] = [*fact[:-1], "bigint"]
    (house.dump / "facts.json").write_text(json.dumps(facts))
    sums = "".join(f"{digest}  {name}\n" for name, digest in pg_dump.checksums(house.dump))
    known = json.loads(house.manifest.read_text())
    known["sha256"] = hashlib.sha256(sums.encode()).hexdigest()
    known["fingerprint"]["facts"] = "0" * 64
    house.manifest.write_text(json.dumps(known))

    differs = house.restore("--yes")

    assert differs.code == ExitCode.FINDINGS, differs
    said = [one.message for one in differs.report.findings]
    assert "column public.rooms.n type is integer, expected bigint" in said


@pytest.fixture
def owner(house: House) -> Iterator[str]:
    """A role without superuser's rights that owns the house and may create databases."""
    with psycopg.connect(house.server, autocommit=True) as admin:
        role = dumped.login(admin, "CREATEDB")
        admin.execute(f"ALTER DATABASE {house.name} OWNER TO {role}".encode())
        house.sql(f"ALTER TABLE rooms OWNER TO {role}; GRANT ALL ON SCHEMA public TO {role}")
        yield role
        for name, (_, is_open) in house.databases().items():
            if is_open:
                with psycopg.connect(database_url(house.server, name), autocommit=True) as conn:
                    conn.execute(f"DROP OWNED BY {role}".encode())
            admin.execute(f"ALTER DATABASE {name} OWNER TO CURRENT_USER".encode())
        dumped.drop(house.server, house.name)
        admin.execute(f"DROP ROLE {role}".encode())


def test_an_owner_who_may_create_databases_needs_no_superuser(house: House, owner: str) -> None:
    url = dumped.as_role(house.url, owner)
    house.snapshot(url)
    house.sql("DELETE FROM rooms")

    done = house.restore("--yes", "--swap", url=url)

    assert done.code == ExitCode.OK, done
    assert house.sql("SELECT count(*) FROM rooms") == [(10,)]
    assert house.restore("--yes", "--undo", url=url).code == ExitCode.OK
    assert house.sql("SELECT count(*) FROM rooms") == [(0,)]


def test_a_session_that_the_role_may_not_end_stops_the_swap_before_anything_is_closed(
    house: House, owner: str
) -> None:
    url = dumped.as_role(house.url, owner)
    house.snapshot(url)
    with psycopg.connect(house.url, autocommit=True) as superuser:
        refused = house.restore("--yes", "--swap", url=url)

        assert refused.code == ExitCode.UNREACHABLE, refused
        assert f"the session {superuser.info.backend_pid} of" in refused.err
        assert superuser.execute("SELECT 1").fetchone() == (1,)
    assert set(house.databases()) == {house.name}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("ALTER ROLE {owner} NOCREATEDB", "may not create databases; ALTER ROLE"),
        ("ALTER DATABASE {name} OWNER TO CURRENT_USER", "who owns the database; GRANT"),
        (
            "ALTER ROLE CURRENT_USER IN DATABASE {name} SET work_mem = '5MB'",
            "may not set what other roles have set in this database",
        ),
    ],
    ids=["creating", "owning", "setting"],
)
def test_what_a_role_may_not_do_is_said_before_anything_is_made(
    house: House, owner: str, change: str, problem: str
) -> None:
    url = dumped.as_role(house.url, owner)
    if "SET" in change:
        house.sql(change.format(owner=owner, name=house.name))
    house.snapshot(url)
    if "SET" not in change:
        house.sql(change.format(owner=owner, name=house.name))

    refused = house.restore("--yes", "--swap", url=url)

    assert refused.code == ExitCode.UNREACHABLE, refused
    assert problem in refused.err
    assert set(house.databases()) == {house.name}


def test_a_role_that_is_gone_is_named_with_the_file_that_has_it(house: House) -> None:
    with psycopg.connect(house.server, autocommit=True) as admin:
        role = dumped.login(admin, "")
        house.sql(f"GRANT SELECT ON rooms TO {role}")
        house.snapshot()
        house.sql(f"DROP OWNED BY {role}")
        admin.execute(f"DROP ROLE {role}".encode())

    refused = house.restore("--yes")

    assert refused.code == ExitCode.UNREACHABLE, refused
    assert f"the roles {role} are in the dump and not on the server" in refused.err
    assert "globals.sql" in refused.err
    assert set(house.databases()) == {house.name}


def test_no_value_of_a_row_is_in_what_stops_pg_restore(house: House) -> None:
    house.sql(
        """CREATE FUNCTION fits(v text) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN true; END';
           CREATE TABLE people (name text CHECK (fits(name)));
           INSERT INTO people VALUES ('row-canary');
           CREATE OR REPLACE FUNCTION fits(v text) RETURNS bool LANGUAGE plpgsql AS
           'BEGIN RAISE EXCEPTION ''no % here'', v; END'"""
    )
    house.snapshot()

    stopped = house.restore("--yes")

    assert stopped.code == ExitCode.DIRTY, stopped
    assert "COPY failed for table" in str(stopped.report.error)
    assert "people" in str(stopped.report.error)
    kept = [path.read_text() for path in (house.folder / ".migsafe" / "restores").glob("*.json")]
    assert "row-canary" not in "".join([stopped.out, stopped.err, *kept])
    assert house.restore("--yes", "--undo").code == ExitCode.OK
    assert set(house.databases()) == {house.name}


def slow(folder: Path, house: House) -> dict[str, str]:
    """Put a pg_restore in front that says that it is there, and waits; return the environment."""
    with psycopg.connect(house.server) as conn:
        real = programs.find(conn.info.server_version // 10000).folder
    folder.mkdir()
    for name, body in (("pg_dump", ""), ("pg_restore", f"echo $$ >{folder}/pid; sleep 2\n")):
        script = folder / name
        script.write_text(
            f'#!/bin/sh\n[ "$1" = --version ] || {{ :; {body}}}\nexec {real / name} "$@"\n'
        )
        script.chmod(0o755)
    return os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}


def begun(house: House, env: dict[str, str], url: str) -> "subprocess.Popen[str]":
    """Start a restore as a process of its own, and wait until pg_restore is at work."""
    command = [sys.executable, "-m", "migsafe", "restore", house.run, "--yes"]
    where = ("--migrations", "db", "--format", "json")
    process = subprocess.Popen(
        [*command, *where],
        cwd=house.folder,
        env=env | {"MIGSAFE_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    pid = house.folder / "bin" / "pid"
    while process.poll() is None and not (pid.is_file() and pid.read_text().strip()):
        time.sleep(0.02)
    return process


def test_a_signal_ends_pg_restore_and_says_how_to_go_on(house: House, tmp_path: Path) -> None:
    house.snapshot()
    with begun(house, slow(tmp_path / "bin", house), house.url) as process:
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == ExitCode.INTERRUPTED
    assert "--resume --yes goes on" in out
    pid = (tmp_path / "bin" / "pid").read_text().strip()
    for _ in range(200):
        if not at_work(pid):
            break
        time.sleep(0.02)
    assert not at_work(pid)
    assert house.restore("--yes", "--resume").code == ExitCode.OK


def at_work(pid: str) -> bool:
    """Tell whether a process is pg_restore; what has ended has no command line."""
    with suppress(OSError):
        return "pg_restore" in Path("/proc", pid, "cmdline").read_text()
    return False


def test_the_process_list_of_a_restore_holds_no_password(
    house: House, owner: str, tmp_path: Path
) -> None:
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("needs /proc")
    url = dumped.as_role(house.url, owner)
    house.snapshot(url)
    with begun(house, slow(tmp_path / "bin", house), url) as process:
        pid = (tmp_path / "bin" / "pid").read_text().strip()
        seen = Path("/proc", pid, "cmdline").read_text()
        out, err = process.communicate(timeout=30)
    assert process.returncode == ExitCode.OK, err
    assert "pg_restore" in seen
    assert owner in seen
    kept = [path.read_text() for path in (house.folder / ".migsafe").rglob("*.json")]
    assert dumped.PASSWORD not in "".join([seen, out, err, *kept])


CASES = Path(__file__).parents[1] / "cases"

#: Tables of the reference clinic of which there are always more, in an order that its keys allow.
GROWING = (
    *("appointments", "clinical_notes", "messages", "consents", "invoice_lines", "payments"),
    "audit_log",
)


def grown(conn: Conn, rows: int) -> None:
    """Lay out the reference clinic, with its rows again and again until there are so many."""
    for migration in sorted((CASES / "ehr_prisma").glob("*/migration.sql")):
        if "make_appointment_required" in migration.parent.name:
            for file in ("ehr_rows.sql", "ehr_repair.sql"):
                conn.execute((CASES / file).read_bytes())
        conn.execute(migration.read_bytes())
    once = sum(count(conn, table) for table in GROWING)
    for table in GROWING:
        names = [
            str(name)
            for (name,) in conn.execute(
                """SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0
                   AND NOT attisdropped AND atttypid <> 'bigint'::regtype ORDER BY attnum""",
                [table],
            )
        ]
        columns = ", ".join(f'"{name}"' for name in names)
        values = ", ".join(f'"{n}"' if n != "id" else "id || '-' || k" for n in names)
        more = f"SELECT {values} FROM {table}, generate_series(1, {rows // once}) AS k"
        conn.execute(f"INSERT INTO {table} ({columns}) {more}".encode())


def count(conn: Conn, table: str) -> int:
    row = conn.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert row
    return int(row[0])


@pytest.mark.skipif(not ROWS, reason="takes a minute: MIGSAFE_RESTORES says with how many rows")
def test_the_reference_clinic_comes_back_with_all_its_rows(house: House) -> None:
    house.sql("DROP TABLE rooms")
    with psycopg.connect(house.url, autocommit=True) as conn:
        grown(conn, ROWS)
    whole = dumped.look(house.server, house.name)
    assert sum(len(rows) for rows in whole.rows.values()) > ROWS
    house.snapshot()
    house.sql(
        "DELETE FROM invoice_lines; DROP TABLE messages; ALTER TABLE clients DROP COLUMN phone"
    )

    done = house.restore("--yes", "--swap")

    assert done.code == ExitCode.OK, done
    assert dumped.look(house.server, house.name) == whole
