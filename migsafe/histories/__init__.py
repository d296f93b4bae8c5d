"""Histories: ordered migrations on disk, and the table where their own tool records them.

`load` reads a directory, `attach` finds its table in a target, `read` says where that target
stands.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from migsafe import findings
from migsafe.config import HistoryConfig
from migsafe.errors import UsageError
from migsafe.findings import Finding, Severity
from migsafe.histories import prisma, sql
from migsafe.histories.edits import Edit
from migsafe.histories.entries import (
    Entry,
    History,
    Recorded,
    Standing,
    State,
    Written,
    changed,
    is_ahead,
    stand,
)
from migsafe.histories.migration import Directory, Migration, check_name

if TYPE_CHECKING:  # the driver is heavy, and who reads a directory does without it
    from migsafe.target import Connection, Target

__all__ = [
    "Directory",
    "Entry",
    "History",
    "Migration",
    "Recorded",
    "Standing",
    "State",
    "Written",
    "attach",
    "begin",
    "find",
    "identity",
    "is_ahead",
    "load",
    "read",
    "stand",
]

#: Directories that never hold a project's own history.
_SKIPPED = {"node_modules", "site-packages", "dist", "build", "target", "vendor", "__pycache__"}


def readings(path: Path) -> list[str]:
    """Name every way in which a directory can be read: prisma, alembic, or a plain SQL layout."""
    found = ["prisma"] if prisma.fits(path) else []
    if _is_alembic(path):
        found.append("alembic")
    return found + [layout.name for layout in sql.fitting(path)]


def _is_alembic(path: Path) -> bool:
    return (path / "env.py").is_file() and (path / "versions").is_dir()


def begin(path: Path, config: HistoryConfig, root: Path = Path()) -> None:
    """Begin what takes long in the next `load` of this directory, and do not wait for it."""
    with _refused(path):
        may_be = path.is_dir() and (config.kind == "alembic" or _is_alembic(path))
        if may_be and _reading(path, config) == "alembic":
            from migsafe.histories import alembic

            alembic.begin(path, config, root)


def load(
    path: Path,
    config: HistoryConfig,
    root: Path = Path(),
    meanwhile: Callable[[], object] = lambda: None,
) -> Directory:
    """Read the migrations of a directory, in the one reading that fits or is forced.

    Paths in the config are relative to `root`. `meanwhile` is called where another program reads
    them, while that starts.
    """
    check_name(str(path), Path("migrations"))
    if not path.is_dir():
        raise UsageError(str(path), "there is no such directory of migrations", "check the path")
    with _refused(path):
        _check_names(path)
        return _load(path, config, root, meanwhile)


@contextmanager
def _refused(path: Path) -> Iterator[None]:
    """Raise UsageError for what cannot be read."""
    try:
        yield
    except OSError as error:
        place = str(error.filename or path)
        raise UsageError(place, f"cannot be read: {error.strerror}", "check its rights") from None


def _check_names(path: Path) -> None:
    for file in path.iterdir():
        check_name(file.name, path)


def _load(
    path: Path, config: HistoryConfig, root: Path, meanwhile: Callable[[], object]
) -> Directory:
    reading = _reading(path, config)
    if reading == "alembic":
        from migsafe.histories import alembic

        return alembic.load(path, config, root, meanwhile)
    if reading == "prisma":
        return prisma.load(path, config.schemas)
    return sql.load(path, sql.LAYOUTS[reading], config.schemas)


def _reading(path: Path, config: HistoryConfig) -> str:
    if config.layout and config.layout not in sql.LAYOUTS:
        raise UsageError(
            "history.layout", f"{config.layout} is unknown", f"one of {', '.join(sql.LAYOUTS)}"
        )
    if config.kind in ("prisma", "alembic"):
        return config.kind
    fitting = [config.layout] if config.layout else readings(path)
    if config.kind == "sql":
        fitting = [reading for reading in fitting if reading in sql.LAYOUTS]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise UsageError(
            str(path),
            f"can be read as {' and as '.join(fitting)}",
            "say which: --history prisma, or [history] layout in migsafe.toml",
        )
    sql.check_readable(path)
    inside = next((other for other, _ in find(path)), None)
    hint = f"did you mean {inside}?" if inside else "name the directory with the migrations in it"
    raise UsageError(str(path), "no migration is found in it", hint)


def find(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield the directories below `root` that hold a history, with their readings, by path."""
    for folder, children, _ in os.walk(root):
        children[:] = sorted(c for c in children if c not in _SKIPPED and not c.startswith("."))
        path = Path(folder)
        # A directory far above Flyway's files could be read as theirs, but is not meant.
        found = [name for name in readings(path) if name != "flyway" or sql.holds_flyway(path)]
        if found:
            children.clear()
            yield path, found


def attach(
    directory: Directory,
    conn: "Connection",
    target: "Target",
    meanwhile: Callable[[], object] = lambda: None,
) -> History:
    """Find the history's own table in a target; refuse a ledger that cannot be served.

    `meanwhile` is called while another program looks, where one does.
    """
    if directory.kind == "prisma":
        from migsafe.histories import prisma_table

        return prisma_table.attach(directory, conn, target)
    if directory.kind == "alembic":
        from migsafe.histories import alembic, alembic_table

        assert isinstance(directory, alembic.AlembicDirectory)  # noqa: S101  # that is its kind
        return alembic_table.attach(directory, target, meanwhile)
    from migsafe.histories import tables

    return tables.attach(directory, conn)


def identity(history: History) -> str:
    """Return the name under which a target's receipts belong to a history."""
    return f"{history.directory.kind}:{history.table}"


def reading(migration: Migration) -> Finding:
    """Report that what a migration does depends on answers that a shadow gives otherwise."""
    return findings.history(
        "MH120",
        "migration-reads",
        Severity.WARNING,
        f"{migration.name} asks the database what to do: on the target it may send other "
        "statements than those that were looked at",
        migration=migration.name,
        file=str(migration.path),
        remedy="Read what it does with the answers.",
    )


def unknown(migration: Migration) -> Finding:
    """Report that nothing can be said of what a migration does."""
    is_sql = migration.path.suffix != ".py"
    return findings.history(
        "MH126",
        "sql-unknown",
        Severity.ERROR,
        f"the SQL of {migration.name} is not known: {migration.problem}",
        migration=migration.name,
        file=str(migration.path),
        remedy="Correct the file: apply refuses it."
        if is_sql
        else "Make it run on the shadow, or read it by hand.",
    )


def mark_applied(history: History, conn: "Connection", migrations: Sequence[Migration]) -> None:
    """Record migrations as applied without running them, in order."""
    from migsafe.histories.alembic_table import AlembicTable

    if isinstance(history, AlembicTable):
        history.mark_all_applied(conn, migrations)
        return
    for migration in migrations:
        history.mark_applied(conn, migration)


def read(history: History, conn: "Connection", unfinished: Sequence[str]) -> Standing:
    """Read the history's table and say where the target stands; `unfinished` are open receipts."""
    present = history.present(conn)
    entries = history.entries(conn)
    return stand(
        history,
        entries,
        present=present,
        occupied=[] if present else history.occupied(conn),
        unfinished=unfinished,
        edited=_edits(history, entries),
    )


def _edits(history: History, entries: Sequence[Entry]) -> Mapping[str, Edit]:
    """Look for what ran before the edits, where there are any: git is asked."""
    found = [(m, checksum) for m, checksum in changed(history, entries) if checksum]
    if not found:
        return {}
    from migsafe.histories import versions

    return versions.find(history, found)
