"""Verdicts on real histories: clean cuts, noise, dumps that projects kept, half-run migrations.

The headline is false "applied" = 0. MIGSAFE_CUTS says how many cut points a history gets; the bars
of the project are measured with 20.
"""

import json
import os
import random
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace
from psycopg import sql

from migsafe import facts, histories, planning, replay, shadow
from migsafe.baseline import Baseline, Verdict
from migsafe.catalog import schema
from migsafe.config import ShadowConfig
from migsafe.histories import Migration
from migsafe.pipeline import evidence, halfway
from migsafe.replay import Replay, Stage
from migsafe.shadow import servers
from tests.conftest import Called, database_url
from tests.db import test_corpora as corpora

pytestmark = [
    *corpora.pytestmark,
    pytest.mark.skipif(
        "MIGSAFE_TEST_URL" in os.environ, reason="it starts servers of its own, one for each side"
    ),
]

CUTS = int(os.environ.get("MIGSAFE_CUTS", "2"))
PSQL = servers.embedded().programs / "psql"
#: With one cut, every fourth history stands for all of them: CI has two cores.
PROJECTS = pytest.mark.parametrize(
    "project",
    corpora.projects()[:: 1 if CUTS > 1 else 4],
    ids=lambda project: str(project["name"]),
    scope="module",
)


@dataclass(frozen=True, slots=True)
class History:
    """A real history and its replay; `folder` holds its migrations as migsafe reads them."""

    project: dict[str, Any]
    folder: Path
    migrations: Sequence[Migration]
    played: Replay
    stage: Stage

    @property
    def count(self) -> int:
        return len(self.played.deltas)

    def judged(self, live: facts.Facts) -> Baseline:
        return evidence.weighed(self.migrations, self.played, live).baseline

    def cuts(self, least: int, most: int) -> list[int]:
        chosen = random.Random(str(self.project["name"]))
        return sorted(chosen.sample(range(least, most), min(CUTS, max(0, most - least))))


@dataclass(frozen=True, slots=True)
class Server:
    """A server with stand-ins for what the embedded one lacks, so that every history runs on it."""

    url: str

    def psql(self, database: str, files: Sequence[Path]) -> None:
        """Run files as people do by hand: each statement on its own."""
        given = [part for file in files for part in ("-f", str(file))]
        url = database_url(self.url, database)
        command: list[str | Path] = [PSQL, "-q", "-X", "-v", "ON_ERROR_STOP=1", url]
        if files:
            done = subprocess.run([*command, *given], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr

    def connect(self, database: str) -> psycopg.Connection[Any]:
        return psycopg.connect(database_url(self.url, database), autocommit=True)

    def read(self, database: str) -> dict[facts.Key, str]:
        with self.connect(database) as conn:
            return schema.facts(schema.read(conn))

    def make(self, database: str, project: dict[str, Any], template: str = "template1") -> None:
        names = [sql.Identifier(database), sql.Identifier(template)]
        with self.connect("postgres") as conn:
            conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(names[0]))
            conn.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
            if path := corpora._setup(project).get("search_path"):
                change = sql.SQL("ALTER DATABASE {} SET search_path = {}")
                conn.execute(change.format(names[0], sql.SQL(path)))


@pytest.fixture(scope="session")
def target() -> Iterator[Server]:
    with shadow.opened(ShadowConfig(server="embedded"), major=18, root=Path()) as opened:
        yield Server(opened.url)


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("replays")


@pytest.fixture(scope="module")
def history(
    project: dict[str, Any], kept: Path, tmp_path_factory: pytest.TempPathFactory
) -> History:
    root = tmp_path_factory.mktemp("history")
    folder = corpora._migrations(project, root)
    directory = histories.load(folder, corpora._config(project))
    config = ShadowConfig(server="embedded", search_path=corpora._setup(project).get("search_path"))
    stage = Stage(config=config, root=root, major=18, cache=kept)
    played = replay.run(directory.migrations, stage)
    if played.stopped and played.stopped.extension:
        pytest.skip(f"the shadow has no extension {played.stopped.extension}")
    return History(project, folder, directory.migrations, played, stage)


@pytest.fixture(scope="module")
def files(history: History) -> list[Path]:
    """Return each migration as a file for psql, in a transaction where it needs one."""
    made = []
    for number, migration in enumerate(history.migrations):
        file = history.stage.root / f"psql-{number:05d}.sql"
        locks = "LOCK TABLE" in migration.text.upper() and "BEGIN;" not in migration.text.upper()
        text = f"BEGIN;\n{migration.text};\nCOMMIT;" if locks else migration.text
        file.write_text(text, "utf-8")
        made.append(file)
    return made


UNDECIDED = (Verdict.UNDECIDABLE, Verdict.SUPERSEDED)


def wrong(found: Baseline, applied: set[int]) -> tuple[list[str], list[str]]:
    """Return what is falsely called in effect, and what is falsely called not to be."""
    false, missed = [], []
    for position, item in enumerate(found.judged):
        if item.verdict in (*UNDECIDED, Verdict.PARTIAL):
            continue
        claimed = item.placed == "in_effect"
        if claimed and position not in applied:
            false.append(item.migration)
        if not claimed and position in applied:
            missed.append(item.migration)
    return false, missed


@PROJECTS
def test_the_first_k_are_in_effect(history: History, files: list[Path], target: Server) -> None:
    target.make("cut", history.project)
    done = 0
    for cut in history.cuts(0, history.count + 1):
        target.psql("cut", files[done:cut])
        done = cut

        found = history.judged(target.read("cut"))

        assert wrong(found, set(range(cut))) == ([], [])
        assert found.exact
        beyond = {item.migration for item in found.judged[cut:] if item.placed == "in_effect"}
        assert beyond == set()


@PROJECTS
def test_noise_makes_no_migration_applied(
    history: History, files: list[Path], target: Server
) -> None:
    chosen = random.Random(f"noise {history.project['name']}")
    target.make("base", history.project)
    done = 0
    for cut in history.cuts(3, history.count - 2):
        skipped = chosen.randrange(done, cut)
        target.psql("base", files[done:skipped])
        applied = _forked(target, history, skipped, cut)
        target.psql("base", files[skipped:cut])
        done = cut
        if applied is None:  # what follows needs the one that was to be skipped
            target.make("fork", history.project, "base")
            applied = set(range(cut))
        with target.connect("fork") as conn:
            applied |= _out_of_order(conn, history, cut, chosen)
            _disturb(conn, chosen)

        found = history.judged(target.read("fork"))
        false, missed = wrong(found, applied)

        assert false == []
        assert all(_lost_its_indexes(found, name) for name in missed)


def _lost_its_indexes(found: Baseline, name: str) -> bool:
    """Tell whether the noise took all that a migration made, so that nobody could know of it."""
    item = next(item for item in found.judged if item.migration == name)
    return not item.evidence.present and {key.kind for key in item.evidence.absent} == {"index"}


def _forked(target: Server, history: History, skipped: int, cut: int) -> set[int] | None:
    """Leave one migration out of a copy; None where a later one does not run without it."""
    target.make("fork", history.project, "base")
    with target.connect("fork") as conn:
        for position in range(skipped + 1, cut):
            if not _ran(conn, history.migrations[position]):
                return None
    return set(range(cut)) - {skipped}


def _ran(conn: psycopg.Connection[Any], migration: Migration) -> bool:
    try:
        with conn.transaction():
            conn.execute(migration.text.encode())
    except psycopg.Error:
        return False
    finally:
        conn.execute("RESET ALL")
    return True


def _out_of_order(
    conn: psycopg.Connection[Any], history: History, cut: int, chosen: random.Random
) -> set[int]:
    """Run two migrations that follow the cut before their time, in their own order."""
    ahead = range(cut + 1, min(history.count, cut + 8))
    tried = sorted(chosen.sample(ahead, min(4, len(ahead))))
    ran: set[int] = set()
    for position in tried:
        if len(ran) < 2 and _ran(conn, history.migrations[position]):
            ran.add(position)
    return ran


_OURS = "n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'foreigners')"


def _disturb(conn: psycopg.Connection[Any], chosen: random.Random) -> None:
    """Make five foreign tables, drop two indexes, change a default and add a column by hand."""
    conn.execute("CREATE SCHEMA IF NOT EXISTS foreigners")
    for number in range(5):
        conn.execute(f"CREATE TABLE foreigners.t{number} (id int PRIMARY KEY, x text DEFAULT 1)")
    indexes = _column(
        conn,
        f"""SELECT i.indexrelid::regclass::text FROM pg_index AS i
            JOIN pg_class AS c ON c.oid = i.indexrelid
            JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE {_OURS} AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid)
              AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = c.oid) ORDER BY 1""",
    )
    for index in chosen.sample(indexes, min(2, len(indexes))):
        conn.execute(f"DROP INDEX {index}")
    defaults = _column(
        conn,
        f"""SELECT format('ALTER TABLE %s ALTER %I SET DEFAULT %L', c.oid::regclass, a.attname,
                          CASE a.atttypid WHEN 25 THEN 'zz' ELSE '77' END)
            FROM pg_attrdef AS d JOIN pg_class AS c ON c.oid = d.adrelid
            JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = d.adnum
            JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE {_OURS} AND a.atttypid IN (20, 23, 25) AND a.attgenerated = '' ORDER BY 1""",
    )
    tables = _column(
        conn,
        f"""SELECT format('ALTER TABLE %s ADD COLUMN by_hand integer', c.oid::regclass)
            FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE {_OURS} AND c.relkind = 'r' AND NOT c.relispartition ORDER BY 1""",
    )
    for statements in (defaults, tables):
        for statement in chosen.sample(statements, min(1, len(statements))):
            conn.execute(statement.encode())


def _column(conn: psycopg.Connection[Any], query: str) -> list[str]:
    return [str(value) for (value,) in conn.execute(query.encode())]


@PROJECTS
def test_two_majors_give_the_same_facts(history: History, project: dict[str, Any]) -> None:
    if servers.local(15) is None:
        pytest.skip("this machine has no PostgreSQL 15")
    older = replay.run(
        history.migrations,
        replace(history.stage, config=replace(history.stage.config, server="auto"), major=15),
    )
    count = len(older.deltas)  # a file of newer syntax ends the replay on the older one

    found = list(facts.differences(history.played.state(count), older.state(count)))

    assert [str(item.key) for item in found] == []
    assert count == history.count or older.stopped


def _dumps() -> list[Any]:
    found = []
    for project in corpora.projects():
        folder = corpora.ROOT / project["kind"] / project["name"] / "_dumps"
        if (folder / "index.json").is_file():
            listed = json.loads((folder / "index.json").read_text())
            name = project["name"]
            found += [pytest.param(project, d, id=f"{name}-{d['file']}") for d in listed]
    return found[:: 1 if CUTS > 1 else 4]


@pytest.mark.parametrize(("project", "dump"), _dumps(), scope="module")
def test_the_state_of_a_kept_dump_is_named(
    project: dict[str, Any], dump: dict[str, Any], history: History, target: Server
) -> None:
    if "prelude" in corpora._setup(project):  # for its roles, which are the server's
        target.make("environment", project)
        target.psql("environment", [history.folder / "00000_prelude.sql"])
    target.make("dump", project)
    folder = corpora.ROOT / project["kind"] / project["name"] / "_dumps"
    # Roles and extensions that only their environment has fail, and the rest goes on.
    command = [PSQL, "-q", "-X", database_url(target.url, "dump"), "-f", folder / dump["file"]]
    subprocess.run(command, capture_output=True, check=False)
    prelude = 1 if "prelude" in corpora._setup(project) else 0
    labelled = dump["replay_index"] + 1 + prelude

    live = facts.effective(target.read("dump"))
    found = history.judged(live)

    if dump["replay_index"] in dump["nearest_replay_indexes"]:
        assert labelled in found.nearest.states
    for item in found.judged:
        if item.verdict is Verdict.IN_EFFECT:
            step = history.played.deltas[[m.name for m in history.migrations].index(item.migration)]
            assert item.evidence.present
            assert all(live.get(key) == step[key].after for key in item.evidence.present)


@PROJECTS
def test_a_migration_that_stopped_midway_is_found_out(
    project: dict[str, Any], history: History, files: list[Path], target: Server
) -> None:
    longest = sorted(
        (position for position in range(history.count) if _is_plain(history, position)),
        key=lambda position: -len(_statements(history, position)),
    )[: CUTS // 2 + 1]
    if not longest:
        pytest.skip("it has no migration of several statements")
    target.make("before", project)
    done = 0
    for position in sorted(longest):
        target.psql("before", files[done:position])
        done = position
        played = replay.statements(
            history.migrations[:position], history.stage, history.migrations[position]
        )
        assert played.stopped is None
        _every_prefix(target, history, position, played)


def _every_prefix(target: Server, history: History, position: int, played: Replay) -> None:
    """Run a migration statement by statement on a copy, and ask after each one how far it came."""
    step = planning.step(history.migrations[position])
    target.make("half", history.project, "before")
    states = [played.state(number) for number in range(len(step.statements) + 1)]
    with target.connect("half") as conn:
        for number, statement in enumerate(("", *(s.text for s in step.statements))):
            conn.execute(statement.encode() or b"SELECT 1")
            live = facts.effective(schema.facts(schema.read(conn)))

            found = halfway.compared(step, played, live)

            same = [k for k, state in enumerate(states) if state == states[number]]
            assert found.exact
            assert (found.least, found.most) == (same[0], same[-1])
            assert found.decided == (len(same) == 1 and not found.silent)


def _statements(history: History, position: int) -> Sequence[object]:
    return planning.step(history.migrations[position]).statements


def _is_plain(history: History, position: int) -> bool:
    """Tell whether a migration has statements that run one by one, without its own BEGIN."""
    step = planning.step(history.migrations[position])
    text = history.migrations[position].text.upper()
    return 2 <= len(step.statements) <= 40 and not step.alone and "LOCK TABLE" not in text


@PROJECTS
def test_the_real_prisma_agrees_with_what_is_written(
    project: dict[str, Any],
    history: History,
    files: list[Path],
    database: str,
    server_major: int,
    migsafe: Callable[..., Called],
) -> None:
    if project["kind"] != "prisma":
        pytest.skip("not a history of Prisma's")
    if not corpora.RIG:
        pytest.skip("MIGSAFE_PRISMA_RIG names no Prisma CLI")
    with psycopg.connect(database) as conn:
        corpora._skip_without_extensions(project, conn)
    cut = history.cuts(1, history.count)[-1]
    given = [part for file in files[:cut] for part in ("-f", str(file))]
    subprocess.run([PSQL, "-q", "-X", database, *given], capture_output=True, check=True)
    arguments = ("--url", database, "--migrations", history.folder, "--shadow", "embedded")

    written = migsafe("baseline", "--write", "--format", "json", *arguments)

    assert written.code == 0, written.out[-2000:] + written.err
    report = written.report.baseline
    assert report is not None
    pending = _pending_by_prisma(database, history.folder)
    assert pending == [m.name for m in history.migrations if m.name not in report.written]
    assert {*report.written} <= {m.name for m in history.migrations[:cut]}


def _pending_by_prisma(database: str, path: Path) -> list[str]:
    """Return what the real CLI calls not yet applied."""
    env = os.environ | {"DATABASE_URL": database.replace(":@/", "@localhost/")}
    done = subprocess.run(
        [f"{corpora.RIG}/prisma.sh", str(path), "migrate", "status"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    names = {folder.name for folder in path.iterdir() if folder.is_dir()}
    return [line.strip() for line in lines if line.strip() in names]
