"""Snapshots by pg_dump: of one moment, complete or not there, and in nobody else's hands."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace
from ulid import ULID

from migsafe import catalog, target
from migsafe.config import EnvConfig
from migsafe.errors import UnreachableError
from migsafe.snapshots import Manifest, Shelf, Taking, fingerprint, pg_dump, programs
from migsafe.target import parse
from tests.db import dumped

Conn = psycopg.Connection[Any]

TABLES = """
CREATE TABLE one (id serial PRIMARY KEY, note text);
INSERT INTO one (note) SELECT repeat('x', 100) FROM generate_series(1, 500);
CREATE TABLE two AS SELECT n FROM generate_series(1, 300) AS n;
CREATE UNLOGGED TABLE three AS SELECT n FROM generate_series(1, 200) AS n;
"""

TOOLS = ("pg_dump", "pg_restore", "pg_dumpall")


@dataclass(slots=True)
class Place:
    """A database with rows in it, and a folder for its snapshots."""

    url: str
    conn: Conn
    folder: Path
    #: What is done when the provider says that it begins with something, by what it says.
    when: dict[str, Callable[[], object]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def notify(self, text: str) -> None:
        self.said.append(text)
        self.when.get(text, lambda: None)()

    def taking(self, url: str | None = None, **env: Any) -> Taking:
        where = parse(url or self.url)
        with target.connect(where) as conn:
            server = catalog.server(conn)
        return Taking(
            target=where,
            env=EnvConfig(url="", **env),
            folder=self.folder,
            notify=self.notify,
            server=server,
            run=str(ULID()),
            fingerprint=partial(fingerprint.read, history=None),
        )

    def take(self, **env: Any) -> Manifest:
        return pg_dump.take(self.taking(**env))

    def restored(self, known: Manifest, url: str) -> Conn:
        """Restore a snapshot into an empty database and connect to it."""
        dumped.restore(Path(known.id) / "dump", url, self.conn.info.server_version // 10000)
        return psycopg.connect(url, autocommit=True)


@pytest.fixture
def place(database: str, conn: Conn, tmp_path: Path) -> Place:
    conn.execute(TABLES.encode())
    return Place(database, conn, tmp_path / "kept")


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Place) -> Callable[..., None]:
    """Return a function that puts shell scripts in front of programs; $real is the true one."""
    real = programs.find(place.conn.info.server_version // 10000).folder
    folder = tmp_path / "bin"
    folder.mkdir()

    def install(**bodies: str) -> None:
        for name in TOOLS:
            body = bodies.get(name, 'exec "$real" "$@"')
            script = folder / name
            version = 'if [ "$1" = --version ]; then exec "$real" --version; fi'
            script.write_text(f"#!/bin/sh\nreal='{real / name}'\n{version}\n{body}\n")
            script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    return install


def count(conn: Conn, table: str) -> int:
    row = conn.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert row
    return int(row[0])


def test_the_manifest_counts_what_the_dump_holds_whatever_others_do_meanwhile(
    place: Place, make_database: Callable[[], str]
) -> None:
    insert = partial(place.conn.execute, b"INSERT INTO one (note) VALUES ('late')")
    place.when = {"waiting for the tables": insert, "counting the rows": insert, "dumping": insert}

    known = place.take()

    assert count(place.conn, "one") == 503
    assert known.fingerprint.counts == {"public.one": 501, "public.two": 300}
    assert known.source["counts"] == {"public.three": 200}
    # A sequence has no versions: what others took meanwhile is between the two.
    assert known.source["sequences"] == {"public.one_id_seq": [503, 504]}
    with place.restored(known, make_database()) as copy:
        assert (count(copy, "one"), count(copy, "two"), count(copy, "three")) == (501, 300, 200)
    with target.connect(place.taking().target) as live:
        assert fingerprint.read(live, history=None).facts == known.fingerprint.facts


def test_nobody_empties_a_table_between_the_snapshot_and_the_dump(place: Place) -> None:
    refused: list[bool] = []

    def truncate() -> None:
        """Try what the snapshot would show as an empty table."""
        try:
            place.conn.execute(b"SET lock_timeout = '50ms'; TRUNCATE two")
        except psycopg.errors.LockNotAvailable:
            refused.append(True)

    place.when = {"counting the rows": truncate, "dumping": truncate}

    known = place.take()

    assert refused == [True, True]
    assert known.fingerprint.counts["public.two"] == 300


def test_what_the_fingerprint_has_no_time_for_is_counted_all_the_same(place: Place) -> None:
    asked = replace(place.taking(), fingerprint=partial(fingerprint.read, history=None, budget=0))

    known = pg_dump.take(asked)

    assert known.fingerprint.exact
    assert known.fingerprint.counts == {"public.one": 500, "public.two": 300}


def test_a_large_database_is_dumped_by_several_processes_into_a_directory(
    place: Place, make_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pg_dump, "_SMALL", 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)

    known = place.take()

    assert known.copy["jobs"] == 2
    folder = Path(known.id)
    assert (folder / "dump" / "toc.dat").is_file()
    modes = {path.stat().st_mode & 0o077 for path in (folder, *folder.rglob("*"))}
    assert modes == {0}
    with place.restored(known, make_database()) as copy:
        assert (count(copy, "one"), count(copy, "two"), count(copy, "three")) == (500, 300, 200)


def test_git_never_takes_a_dump(place: Place) -> None:
    known = place.take()
    subprocess.run(["git", "init", "-q", place.folder], check=True)
    said = subprocess.run(
        ["git", "status", "--porcelain", "-uall"], cwd=place.folder, capture_output=True, text=True
    )
    assert Path(known.id).is_dir()
    assert (said.returncode, said.stdout) == (0, "")


def test_the_checksum_covers_every_file(place: Place) -> None:
    known = place.take()
    folder = Path(known.id)
    checked = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True)
    assert checked.returncode == 0
    sums = (folder / "SHA256SUMS").read_text()
    assert {line.split()[1] for line in sums.splitlines()} == {
        *("dump", "database.json", "facts.json", "globals.sql", ".gitignore")
    }
    told = subprocess.run(["sha256sum", folder / "SHA256SUMS"], capture_output=True, text=True)
    assert told.stdout.split()[0] == known.sha256


def test_the_roles_are_beside_the_dump_without_their_passwords(place: Place) -> None:
    place.conn.execute(b"CREATE ROLE dumped_canary LOGIN PASSWORD 'dumped-canary-password'")
    try:
        known = place.take()
    finally:
        place.conn.execute(b"DROP ROLE dumped_canary")
    text = (Path(known.id) / "globals.sql").read_text()
    assert "CREATE ROLE dumped_canary" in text
    assert "PASSWORD '" not in text
    assert "SCRAM" not in text
    assert known.notes == ()


def test_a_role_without_rights_on_others_takes_its_own_database(place: Place) -> None:
    name, role = place.conn.info.dbname, dumped.login(place.conn, "")
    place.conn.execute(
        f"""ALTER DATABASE {name} OWNER TO {role};
            GRANT ALL ON ALL TABLES IN SCHEMA public TO {role};
            GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}""".encode()
    )
    try:
        known = pg_dump.take(place.taking(dumped.as_role(place.url, role)))
    finally:
        place.conn.execute(
            f"""ALTER DATABASE {name} OWNER TO CURRENT_USER; DROP OWNED BY {role};
                DROP ROLE {role}""".encode()
        )
    assert known.fingerprint.counts == {"public.one": 500, "public.two": 300}
    assert role in known.source["roles"]
    assert (Path(known.id) / "globals.sql").is_file()


def test_roles_that_cannot_be_dumped_are_a_note_and_no_end(
    place: Place, scripts: Callable[..., None]
) -> None:
    scripts(pg_dumpall="echo 'pg_dumpall: error: permission denied for pg_authid' >&2; exit 1")

    known = place.take()

    assert "permission denied" in known.notes[0]
    assert not (Path(known.id) / "globals.sql").exists()


def test_a_secret_in_the_databases_settings_is_not_in_the_manifest(place: Place) -> None:
    name = place.conn.info.dbname
    place.conn.execute(f"ALTER DATABASE {name} SET app.jwt_secret TO 'settings-canary'".encode())

    known = place.take()

    assert "settings-canary" not in repr(known)
    assert "settings-canary" in (Path(known.id) / "database.json").read_text()


@pytest.fixture
def held(place: Place) -> Iterator[None]:
    """Somebody holds a table that the dump waits for."""
    with place.conn.transaction():
        place.conn.execute(b"LOCK TABLE two IN ACCESS EXCLUSIVE MODE")
        yield


def test_a_dump_that_takes_too_long_is_given_up(place: Place, held: None) -> None:
    with pytest.raises(UnreachableError):
        place.take(snapshot_timeout="1s")
    assert list(place.folder.iterdir()) == []


def test_a_program_that_takes_too_long_is_ended(place: Place, scripts: Callable[..., None]) -> None:
    scripts(pg_dump="exec sleep 60")
    began = time.monotonic()
    with pytest.raises(UnreachableError, match=r"did not end in time: 1s; .*--snapshot-timeout"):
        place.take(snapshot_timeout="1s")
    assert time.monotonic() - began < 10
    assert list(place.folder.iterdir()) == []


def test_a_killed_run_leaves_nothing_that_counts_and_no_process(
    place: Place, scripts: Callable[..., None], tmp_path: Path
) -> None:
    """The next snapshot removes what is left."""
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "001_four.sql").write_text("CREATE TABLE four (id int);")
    scripts(
        pg_dump=f'echo $$ >{tmp_path}/pid; for a; do case "$a" in --file=*)'
        ' echo half >"${a#--file=}";; esac; done; exec sleep 60'
    )
    command = [sys.executable, "-m", "migsafe", "snapshot", "create", "--migrations", "db"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=os.environ | {"MIGSAFE_URL": place.url}
    ) as run:
        until(lambda: (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text().strip())
        child = int((tmp_path / "pid").read_text())
        run.send_signal(signal.SIGKILL)
    place.folder = tmp_path / ".migsafe" / "snapshots"
    (left,) = place.folder.iterdir()
    assert left.name.endswith(".part")
    shelf = Shelf(
        target=parse(place.url), env=EnvConfig(url=""), folder=place.folder, notify=place.notify
    )
    assert list(pg_dump.found(shelf)) == []
    if sys.platform == "linux":
        until(lambda: not alive(child))
    scripts()

    known = place.take()

    assert list(place.folder.iterdir()) == [Path(known.id)]


def until(happened: Callable[[], object]) -> None:
    for _ in range(500):
        if happened():
            return
        time.sleep(0.02)
    pytest.fail("it did not happen within 10 s")


def alive(pid: int) -> bool:
    try:
        return "sleep" in Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False


def test_a_snapshot_is_found_and_deleted_with_its_manifest(place: Place) -> None:
    from migsafe.snapshots import manifest

    known = place.take()
    manifest.write(place.folder, known)
    shelf = Shelf(
        target=parse(place.url), env=EnvConfig(url=""), folder=place.folder, notify=place.notify
    )
    (copy,) = pg_dump.found(shelf)
    assert (copy.id, copy.run, copy.status, copy.size) == (
        *(known.id, known.run, "available", known.size),
    )
    pg_dump.delete(shelf, copy)
    assert list(place.folder.iterdir()) == []
    pg_dump.delete(shelf, copy)


def test_an_older_pg_dump_is_never_taken(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in TOOLS:
        script = tmp_path / name
        script.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n")
        script.chmod(0o755)
    monkeypatch.setattr(programs, "_folders", lambda: iter([tmp_path]))
    with pytest.raises(UnreachableError, match=r"only 9, .*install postgresql-client-\d\d"):
        place.take()


def test_the_nearest_newer_pg_dump_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for major in (12, 15, 17):
        (tmp_path / str(major)).mkdir()
        for name in TOOLS:
            script = tmp_path / str(major) / name
            script.write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {major}.1'\n")
            script.chmod(0o755)
    monkeypatch.setattr(programs, "_folders", lambda: iter(sorted(tmp_path.iterdir())))
    assert [programs.find(n).major for n in (12, 13, 15, 16)] == [12, 15, 15, 17]
