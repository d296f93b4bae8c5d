"""The simulated schema and the hazard rules on real histories, held by the server that runs them.

MIGSAFE_CUTS says at how many places of each history the catalog is read; with 20 it is read after
every migration, which is for a change of `migsafe/schema`.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pglast import ast
from psycopg import sql

from migsafe import hazards, histories, planning, shadow
from migsafe.catalog import live
from migsafe.config import ShadowConfig
from migsafe.findings import Finding, Severity
from migsafe.hazards import Options, Unit
from migsafe.planning import Step
from migsafe.schema import Key, Schema, expressions
from migsafe.sql import SqlError, parse
from tests.conftest import database_url
from tests.db import apart
from tests.db import test_corpora as corpora

CUTS = int(os.environ.get("MIGSAFE_CUTS", "2"))

pytestmark = [
    *corpora.pytestmark,
    pytest.mark.skipif(
        "MIGSAFE_TEST_URL" in os.environ, reason="it starts a server with stand-in extensions"
    ),
]

#: With one cut, every fourth history stands for all of them: CI has two cores.
PROJECTS = corpora.projects()[:: 1 if CUTS > 1 else 4]

#: Indexes on date(date), which are on the column itself since that became a date.
RETYPED = {"index_crate_downloads_date", "index_version_downloads_date"}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """URL of a server with stand-ins for the extensions that it lacks."""
    with shadow.opened(ShadowConfig(server="embedded"), major=18, root=Path()) as opened:
        yield opened.url


@dataclass(slots=True)
class Walk:
    """A history, walked from its text and from the catalog while a server runs it."""

    conn: psycopg.Connection[Any]
    steps: Sequence[Step]
    told: Schema
    #: What was read, and has since been moved along by the one migration after it.
    moved: Schema | None = None
    #: Differences that nothing explains, and objects that hold one which something does.
    differences: list[str] = field(default_factory=list)
    excused: set[Key] = field(default_factory=set)
    seen: set[tuple[str, ...]] = field(default_factory=set)
    opaque: int = 0
    text: list[Finding] = field(default_factory=list)
    live: list[Finding] = field(default_factory=list)

    def play(self) -> None:
        """Run every migration after it was walked; hold the schemas against the catalog."""
        options = Options(version=self.told.version)
        self.text = hazards.walk(self._units(), self.told, options)
        self._compare(len(self.steps))

    def _units(self) -> Iterator[Unit]:
        cuts = {len(self.steps) * (2 * number + 1) // (2 * CUTS) for number in range(CUTS)}
        for number, step in enumerate(self.steps):
            if CUTS >= 20 or {number, number - 1} & cuts:
                self._compare(number, ahead=CUTS >= 20 or number in cuts)
            yield planning.unit(step)
            run(self.conn, step)

    def _compare(self, number: int, *, ahead: bool = False) -> None:
        """Hold what was told against the catalog, and walk the next migration from there."""
        read = live.read(self.conn)
        name = self.steps[number - 1].migration.name
        for one in _compared(self.told, read):
            self._note(name, one)
        if self.moved and not self.moved.opaque:
            self.differences += [_told(name, one) for one in _compared(self.moved, read)]
        self.opaque = len(self.told.opaque)
        self.moved = None
        if ahead:
            self.moved = read
            self.live += hazards.walk([planning.unit(self.steps[number])], read, Options())

    def _note(self, name: str, one: apart.Apart) -> None:
        """Note a difference once; one that came with what nobody can tell is excused."""
        said = (one.kind, str(one.key), one.part)
        if said in self.seen or one.key in self.excused:
            return
        self.seen.add(said)
        if len(self.told.opaque) > self.opaque:
            self.excused.add(one.key)
        else:
            self.differences.append(_told(name, one))


def _compared(told: Schema, read: Schema) -> Iterator[apart.Apart]:
    return (one for one in apart.compared(told, read) if one.part not in RETYPED)


def _told(name: str, one: apart.Apart) -> str:
    part = f".{one.part}" if one.part else ""
    return f"{name}: {one.kind} {one.key}{part} is {one.read}, not {one.told}"


def run(conn: psycopg.Connection[Any], step: Step) -> None:
    """Run a migration as migsafe does, in one transaction where that can be."""
    texts = [statement.text for statement in step.statements]
    for text in texts if step.alone else ["\n;\n".join(texts)]:
        conn.execute(text.encode())


@pytest.fixture(scope="module", params=PROJECTS, ids=lambda project: str(project["name"]))
def project(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


@pytest.fixture(scope="module")
def history(
    project: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> list[histories.Migration]:
    """The migrations of a project as migsafe reads them."""
    folder = corpora._migrations(project, tmp_path_factory.mktemp("history"))
    return list(histories.load(folder, corpora._config(project)).migrations)


@pytest.fixture(scope="module")
def conn(project: dict[str, Any], server: str) -> Iterator[psycopg.Connection[Any]]:
    """Session on an empty database with the project's search_path."""
    name = sql.Identifier(str(project["name"]))
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(name))
        if path := corpora._setup(project).get("search_path"):
            change = sql.SQL("ALTER DATABASE {} SET search_path = {}")
            admin.execute(change.format(name, sql.SQL(path)))
    with psycopg.connect(database_url(server, project["name"]), autocommit=True) as session:
        yield session


@pytest.fixture(scope="module")
def walk(
    project: dict[str, Any],
    history: list[histories.Migration],
    conn: psycopg.Connection[Any],
) -> Walk:
    corpora._skip_without_extensions(project, conn)
    last = corpora._last_good(project, 18)
    names = [migration.name for migration in history]
    good = history[: names.index(last) + 1] if last else history
    start = live.read(conn)
    told = Schema(version=start.version, path=start.path, search=start.search)
    walk = Walk(conn=conn, steps=[planning.step(migration) for migration in good], told=told)
    walk.play()
    return walk


def test_the_text_makes_the_schema_that_the_server_makes(walk: Walk) -> None:
    assert walk.differences == []


def test_nothing_that_runs_is_said_to_fail(walk: Walk) -> None:
    failing = {rule.code for rule in hazards.rules() if rule.fails}
    wrong = [
        finding
        for finding in (*walk.text, *walk.live)
        if finding.severity is Severity.ERROR and finding.code in failing
    ]
    assert wrong == []


def test_nothing_is_an_error_on_tables_of_the_same_migration(walk: Walk) -> None:
    steps = {step.migration.name: step for step in walk.steps}
    wrong = [
        finding
        for finding in (*walk.text, *walk.live)
        if finding.severity is Severity.ERROR
        and _is_on_new(finding, steps[finding.migration or ""])
    ]
    assert wrong == []


def _is_on_new(finding: Finding, step: Step) -> bool:
    """Tell whether all relations that a finding's statement names are made by its migration."""
    made = {relation.relname for item in step.statements for relation in _made(item.node)}
    nodes = [item.node for item in step.statements if item.index == finding.statement]
    node = nodes[0] if nodes else None
    names = {relation.relname for relation in expressions.nodes(node, ast.RangeVar)}
    if isinstance(node, ast.DropStmt):
        names |= {name.sval for name in expressions.nodes(node.objects, ast.String)}
    return bool(names) and names <= made


def _made(node: Any) -> list[Any]:
    made = {ast.CreateStmt: lambda: node.relation, ast.CreateTableAsStmt: lambda: node.into.rel}
    return [made[type(node)]()] if type(node) in made else []


def test_only_what_the_server_refuses_is_a_syntax_error(
    history: list[histories.Migration], conn: psycopg.Connection[Any]
) -> None:
    for migration in history:
        try:
            parse(migration.text)
        except SqlError:
            with pytest.raises(psycopg.errors.SyntaxError), conn.transaction(force_rollback=True):
                conn.execute(migration.text.encode())
