"""Alembic histories: revisions as files, in the order in which Alembic runs them.

What a revision does is Python; its SQL is known once it has run on the shadow
(`migsafe.replay.recording`), until then its text is empty.
"""

import ast
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from migsafe import findings
from migsafe.config import HistoryConfig
from migsafe.errors import UsageError
from migsafe.findings import Finding, Severity
from migsafe.histories import driver
from migsafe.histories.driver import Driver, Event, Project
from migsafe.histories.migration import Directory, Migration

if TYPE_CHECKING:
    from migsafe.target import Target

#: Names whose values say where a revision stands, which a rebase changes by right.
_PLACES = {"down_revision", "depends_on", "branch_labels", "revises"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlembicDirectory(Directory):
    """The revisions of a project. `parents` are those that must run before each, by name."""

    project: Project
    parents: Mapping[str, Sequence[str]] = field(default_factory=dict)
    #: The releases of Python, Alembic and SQLAlchemy, which decide what a revision sends.
    releases: Sequence[str] = ()
    #: The driver that has read the files, for who runs env.py next; it has run no revision.
    first: list[Driver] = field(default_factory=list, repr=False, compare=False)

    def alias(self, migration: Migration) -> str:
        """Return the name of the file, which says more than a revision does."""
        return migration.path.stem

    @contextmanager
    def asked(self, to: "Target", session: Sequence[str]) -> Iterator[Driver]:
        """Yield a driver that leads to `to`: the first one where it is still there.

        It ends with the block unless that puts it into `first` again.
        """
        running = self.first.pop() if self.first else driver.start(self.project)
        try:
            running.lead(to, session)
            yield running
        finally:
            if not any(one is running for one in self.first):
                running.close()

    def close(self) -> None:
        """End the driver that has read the files, if nobody has taken it."""
        while self.first:
            self.first.pop().close()

    def ancestors(self, heads: Sequence[str]) -> set[str]:
        """Return the revisions that are in effect where the version table holds `heads`."""
        found: set[str] = set()
        open_ones = [head for head in heads if head in self.parents]
        while open_ones:
            name = open_ones.pop()
            if name not in found:
                found.add(name)
                open_ones += self.parents[name]
        return found


def begin(path: Path, config: HistoryConfig, root: Path) -> None:
    """Start reading the revisions, which the next `load` of the same project waits for."""
    while _begun:
        _begun.pop().close()
    _begun.append(_reading(project_of(path, config, root)))


#: The driver that reads revisions for which nobody has asked yet.
_begun: list[Driver] = []


def _reading(project: Project) -> Driver:
    """Start a driver that reads the revisions, which takes as long as its imports."""
    first = driver.start(project)
    first.say(do="discover", connect=False)
    return first


def load(
    path: Path, config: HistoryConfig, root: Path, meanwhile: Callable[[], object]
) -> AlembicDirectory:
    """Read the revisions with the project's own Alembic; no database is asked.

    `meanwhile` is called while the project's Python starts.
    """
    project = project_of(path, config, root)
    is_begun = any(one.project == project for one in _begun)
    first = _begun.pop() if is_begun else _reading(project)
    try:
        meanwhile()
        _sum_ahead(path)
        found = first.answer()
    except BaseException:
        first.close()
        raise
    by_name = {item["revision"]: item for item in found["revisions"]}
    return AlembicDirectory(
        kind="alembic",
        layout="alembic",
        path=path,
        project=project,
        migrations=[_migration(by_name[name], path) for name in found["order"]],
        parents={n: [*item["down"], *item["depends_on"]] for n, item in by_name.items()},
        releases=[found["python"], found["alembic"], found["sqlalchemy"]],
        findings=_heads(found["heads"]),
        schemas=config.schemas,
        first=[first],
    )


def project_of(path: Path, config: HistoryConfig, root: Path) -> Project:
    """Find the config file: the one that is named, else the nearest above the directory."""
    named = root / config.config if config.config else None
    if named and not named.is_file():
        raise UsageError("history.config", f"there is no file {named}", "name alembic.ini")
    places = [place / name for place in path.resolve().parents for name in _CONFIGS]
    file = named or next((place for place in places if _is_config(place)), None)
    if file is None:
        raise UsageError(
            str(path), "no alembic.ini is found above it", 'say [history] config = "…/alembic.ini"'
        )
    python = {"python": str(root / config.python)} if config.python else {}
    return Project(
        config=file.resolve(),
        name=config.name,
        x=config.x,
        options=config.options,
        connection=config.connection,
        database=config.database,
        version_table=config.version_table,
        through=config.through,
        **python,
    )


_CONFIGS = ("alembic.ini", "pyproject.toml")


def _is_config(file: Path) -> bool:
    if not file.is_file():
        return False
    return file.name == "alembic.ini" or "[tool.alembic" in file.read_text("utf-8", "replace")


def _sum_ahead(path: Path) -> None:
    """Work out the checksums while the project's Python still imports; it says what is wrong."""
    for file in path.rglob("*.py"):
        with suppress(OSError, ValueError, SyntaxError, RecursionError):
            checksum(file.read_text("utf-8"))


def _migration(item: Event, folder: Path) -> Migration:
    file, whole = Path(item["path"]), folder.resolve()
    if file.is_relative_to(whole):  # as it was named, which is shorter
        file = folder / file.relative_to(whole)
    return Migration(
        name=item["revision"],
        path=file,
        text="",
        checksum=checksum(file.read_text("utf-8")),
        version=item["revision"],
    )


@cache
def checksum(text: str) -> str:
    """Return the SHA-256 of what a revision does, 64 hex digits: no comment, docstring or place.

    Source: reference, frameworks §6.5, 12.
    """
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            node.body = [one for one in node.body if not _says_nothing(one)]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


#: Modules that say the same each time that they are asked.
_STEADY = {"__future__", "alembic", "collections", "sqlalchemy", "textwrap", "typing"}


def wavering(migration: Migration) -> str | None:
    """Say why a revision may send something else when it runs again, None where it may not."""
    if migration.reads or not migration.sent:
        return "looks at what the database answers, so that it may now do something else"
    tree = ast.parse(migration.path.read_bytes())
    names = [a.name for one in ast.walk(tree) if isinstance(one, ast.Import) for a in one.names]
    names += [one.module or "." for one in ast.walk(tree) if isinstance(one, ast.ImportFrom)]
    other = next((name for name in names if name.partition(".")[0] not in _STEADY), None)
    if other:
        return f"imports {other}, which may say something else by now"
    called = reaching_out(tree)
    return f"calls {called}, which may say something else by now" if called else None


#: What reads files or other code, wherever it comes from.
_OUTWARD = {"open", "read_text", "read_bytes", "get_data", "check_output", "run_path"}
_OUTWARD |= {"exec", "eval", "__import__", "import_module", "module_from_spec"}


def reaching_out(tree: ast.AST) -> str | None:
    """Return the name of something in a file that reads others, None where there is nothing."""
    for node in ast.walk(tree):
        name = getattr(node, "id", None) or getattr(node, "attr", None)
        if isinstance(node, ast.Name | ast.Attribute) and name in _OUTWARD:
            return str(name)
    return None


def _says_nothing(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return any(isinstance(one, ast.Name) and one.id in _PLACES for one in targets)


def _heads(heads: Sequence[str]) -> tuple[Finding, ...]:
    if len(heads) < 2:
        return ()
    return (
        findings.history(
            "MH119",
            "several-heads",
            Severity.WARNING,
            f"the history has {len(heads)} heads: {', '.join(heads)}",
            remedy="All of them are applied. Where that is not meant, alembic merge heads.",
        ),
    )
