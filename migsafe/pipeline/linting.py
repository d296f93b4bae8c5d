"""Lint: the hazards of files, or of what is pending. Asks the target only when it is told to."""

import gc
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migsafe import findings, hazards, sql
from migsafe.config import LintConfig, Settings
from migsafe.errors import ExitCode, UsageError, nearest
from migsafe.findings import Finding, Severity, Source, Status
from migsafe.hazards import Options, Unit, suppressions
from migsafe.pipeline import squawk
from migsafe.schema import Schema

if TYPE_CHECKING:
    from migsafe.histories import Directory, Migration
    from migsafe.replay import Notify
    from migsafe.reports import Report

#: Layouts whose tools send a file as one message: PostgreSQL makes a transaction of several
#: statements, and a lone one runs by itself.
_IMPLICIT = {"prisma", "up-files", "numbered"}

#: Layouts whose tools see what a transaction refuses, and run such a file without one.
_SEEING = {"flyway"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line wants linted; without files and revision, all of the history.

    `live` says that the target is read, for what is pending and for the sizes of its tables.
    `transaction` says of files whose runner is not known whether it wraps them: auto, yes or no.
    """

    files: tuple[str, ...] = ()
    stdin_name: str = "stdin.sql"
    changed_since: str | None = None
    on: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    version: int | None = None
    transaction: str | None = None
    live: bool = False
    fix: bool = False
    write: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file to walk. `wrapped` says what its runner does, None where nobody knows.

    `layout` is that of its history, None where it belongs to none. `migration` is there where the
    file is not SQL: `text` is then what it sends.
    """

    name: str
    path: str
    text: str
    wrapped: bool | None = None
    layout: str | None = None
    report: bool = True
    migration: "Migration | None" = None


def lint(settings: Settings, asked: Asked, notify: "Notify" = lambda _: None) -> "Report":
    """Report the hazards of the files that are asked for."""
    started, clock = datetime.now(UTC), time.monotonic()
    settings, borrowed = _borrowed(settings)
    options = options_of(settings, asked)
    if asked.live:
        return _pending(settings, asked, options)
    directory = _directory(settings, asked)
    if directory and directory.kind == "alembic":
        directory = _recorded(settings, asked, directory, notify)
    files = _apart(_files(settings, asked, directory))
    found, parts = _judged(settings, asked, files, Schema, options)
    notes = (_counted(files), *borrowed, *parts.pop("notes"), _UNSIZED)
    return _report(settings, found, started, clock, notes=notes, **parts)


def _borrowed(settings: Settings) -> tuple[Settings, tuple[str, ...]]:
    """Take the rules of a `.squawk.toml` where our own config says nothing, and say so."""
    path = squawk.find(settings.root) if settings.lint == LintConfig() else None
    if path is None:
        return settings, ()
    note = f"Rules, version and transaction are those of {path}: there is no [lint] of our own."
    return replace(settings, lint=squawk.load(path)), (note,)


_UNSIZED = "Table sizes are not known: with --url or --env, severity follows the live size."


def _report(
    settings: Settings, found: Sequence[Finding], started: datetime, clock: float, **parts: Any
) -> "Report":
    from ulid import ULID

    from migsafe.reports import Report

    refused = findings.blocking(found, settings.gate)
    return Report(
        command="lint",
        run=str(ULID()),
        ok=not refused,
        exit_code=int(ExitCode.FINDINGS if refused else ExitCode.OK),
        started=started,
        seconds=round(time.monotonic() - clock, 3),
        findings=tuple(found),
        **parts,
    )


def _counted(files: Sequence[File]) -> str:
    read = sum(file.report for file in files)
    earlier = len(files) - read
    after = f", after {earlier} earlier ones" if earlier else ""
    return f"Read {read} {'file' if read == 1 else 'files'}{after}."


def options_of(settings: Settings, asked: Asked) -> Options:
    """Lay the flags over the config; raise UsageError for a rule that is not there."""
    config = settings.lint
    names = {name for rule in hazards.rules() for name in (rule.code, rule.name)}
    for name in (*asked.on, *asked.off, *config.on, *config.off):
        if name not in names:
            hint = nearest(name, names) or "docs/hazards/index.md lists them"
            raise UsageError("lint", f"there is no rule {name}", hint)
    return Options(
        version=asked.version or config.pg_version,
        timeouts=dict(config.timeouts),
        on=frozenset({*config.on, *asked.on} - {*asked.off}),
        off=frozenset({*config.off, *asked.off} - {*asked.on}),
    )


# ---------------------------------------------------------------- which files


def _files(settings: Settings, asked: Asked, directory: "Directory | None") -> Iterator[File]:
    """Yield the files to walk, with the migrations before them where their history is known."""
    wanted = None
    if asked.files or asked.changed_since:
        kind = ".py" if directory and directory.kind == "alembic" else ".sql"
        wanted = list(_named(settings, asked, kind))
    if directory is None:
        if wanted is None:
            raise UsageError("lint", "there is nothing to lint", "name files, or --migrations")
        yield from (_loose(name, asked) for name in wanted)
        return
    yield from _of_history(directory, wanted, asked)


def _directory(settings: Settings, asked: Asked) -> "Directory | None":
    """Return the history: the configured one, else the one that the first file lies in."""
    from migsafe import histories

    first = Path(asked.files[0]) if asked.files else None
    if first and first.is_dir() and len(asked.files) == 1:
        return histories.load(first, settings.history)
    if asked.files == ("-",):
        return None
    if settings.migrations is None and first and first.is_file():
        folder = first.parent.parent if first.name in _NAMELESS else first.parent
        return histories.load(folder, settings.history) if _is_history(folder) else None
    if settings.migrations is None:
        return None
    return histories.load(settings.migrations, settings.history, settings.root)


#: The version that a shadow has where nobody says which: the embedded one.
_MAJOR = 18


def _recorded(
    settings: Settings, asked: Asked, directory: "Directory", notify: "Notify"
) -> "Directory":
    """Return revisions with the SQL that they send, which nothing but the shadow tells."""
    from migsafe.histories.alembic import AlembicDirectory
    from migsafe.pipeline.session import KEPT
    from migsafe.replay import Stage, recording

    if asked.fix:
        raise UsageError("--fix", "revisions are Python, not SQL", "write what the remedies say")
    assert isinstance(directory, AlembicDirectory)  # noqa: S101  # that is its kind
    stage = Stage(
        config=settings.shadow,
        root=settings.root,
        major=asked.version or settings.lint.pg_version or _MAJOR,
        cache=settings.root / KEPT / "replays",
    )
    try:
        return recording.recorded(directory, stage, notify)
    finally:
        directory.close()


#: Files that are called by their directories.
_NAMELESS = ("migration.sql", "up.sql")


def _is_history(folder: Path) -> bool:
    from migsafe import histories

    return len(set(histories.readings(folder)) - {"alembic"}) == 1


def _named(settings: Settings, asked: Asked, kind: str) -> Iterator[str]:
    for name in dict.fromkeys(asked.files):
        path = Path(name)
        if name == "-" or path.is_file():
            yield name
        elif path.is_dir():
            yield from (str(file) for file in sorted(path.rglob(f"*{kind}")))
        else:
            raise UsageError(name, "there is no such file", "check the path")
    if asked.changed_since:
        yield from _changed(settings, asked.changed_since, kind)


def _changed(settings: Settings, revision: str, kind: str) -> Iterator[str]:
    """Yield files of a kind that differ from where this branch left `revision`, new ones too."""
    root = settings.migrations or settings.root
    base = _git(settings.root, "merge-base", revision, "HEAD").strip()
    lists = (
        ("diff", "--name-only", "--relative", "--diff-filter=d", "-z", base, "--"),
        ("ls-files", "--others", "--exclude-standard", "-z", "--"),
    )
    for arguments in lists:
        for name in _git(settings.root, *arguments, str(root.resolve())).split("\0"):
            if name.endswith(kind):
                yield str(settings.root / name)


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(root), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        raise UsageError("--changed-since", "git cannot be run", "install it") from None
    if done.returncode:
        problem = " ".join(done.stderr.split()) or "git does not know that revision here"
        hint = "name a revision that is fetched; a shallow clone has none"
        raise UsageError("--changed-since", problem, hint)
    return done.stdout


def _apart(files: Iterable[File]) -> list[File]:
    """Call files that share a name by their paths, so that none answers for another."""
    found = list({file.path: file for file in files}.values())
    count = Counter(file.name for file in found)
    return [replace(file, name=file.path) if count[file.name] > 1 else file for file in found]


def _loose(name: str, asked: Asked) -> File:
    if name == "-":
        return File(name=asked.stdin_name, path=asked.stdin_name, text=sys.stdin.read())
    path = Path(name)
    if path.suffix == ".py":
        raise UsageError(name, "is Python, not SQL", "name its history: --migrations DIRECTORY")
    own = path.parent.name if path.name in _NAMELESS else path.name
    return File(name=own, path=name, text=_read(path))


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise UsageError(str(path), "cannot be read as UTF-8", "save it as UTF-8") from None


def _of_history(
    directory: "Directory", wanted: Sequence[str] | None, asked: Asked
) -> Iterator[File]:
    """Yield the migrations up to the last wanted one, then wanted files that are none of them."""
    paths = None if wanted is None else {Path(name).resolve(): name for name in wanted}
    own = [migration.path.resolve() for migration in directory.migrations]
    last = len(own)
    if paths is not None:
        last = max((number for number, path in enumerate(own, start=1) if path in paths), default=0)
    for migration, path in zip(directory.migrations[:last], own, strict=False):
        yield File(
            name=migration.name,
            path=str(migration.path) if paths is None else paths.get(path, str(migration.path)),
            text=migration.text,
            wrapped=migration.transaction,
            layout=directory.layout or directory.kind,
            report=paths is None or path in paths,
            migration=migration if directory.kind == "alembic" else None,
        )
    for path, name in (paths or {}).items():
        if path not in own and not (directory.kind == "alembic" and path.suffix == ".py"):
            yield _loose(name, asked)


# ---------------------------------------------------------------- walking them


def _judged(
    settings: Settings,
    asked: Asked,
    files: Sequence[File],
    schema: Callable[[], Schema],
    options: Options,
) -> tuple[list[Finding], dict[str, Any]]:
    """Return the findings, those that remain where fixes are asked for, and what a report adds.

    `schema` gives the schema before the first file, each time anew.
    """
    wrapped = asked.transaction or settings.lint.transaction
    units, found = _walked(files, wrapped, schema(), options)
    if not asked.fix:
        return found, {"notes": ()}
    from migsafe.pipeline import fixing

    directory = _directory(settings, asked)
    names = [migration.name for migration in directory.migrations] if directory else []
    done = fixing.fixed(files, units, found, schema(), names)
    if asked.write:
        fixing.write(done.changes)
    left = _walked(fixing.replaced(files, done), wrapped, schema(), options)[1]
    return left, {"fixes": fixing.info(done), "notes": fixing.notes(done, written=asked.write)}


@contextmanager
def _uncollected() -> Iterator[None]:
    """Let the collector rest: trees have no cycles, and it would pass over them again and again."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@_uncollected()
def _walked(
    files: Iterable[File], wrapped: str, schema: Schema, options: Options
) -> tuple[list[Unit], list[Finding]]:
    """Return what the rules find; a file that PostgreSQL's grammar refuses is a finding itself."""
    units: list[Unit] = []
    unparsed: list[Finding] = []
    for file in files:
        try:
            if file.migration:
                unparsed += _untold(file.migration) if file.report else []
            units.append(_unit(file, _statements(file), wrapped))
        except sql.SqlError as error:
            unparsed += [_syntax(file, error)] if file.report else []
    found = hazards.walk(units, schema, options)
    return units, [*unparsed, *suppressions.settle(units, found)]


def _untold(migration: "Migration") -> "Iterator[Finding]":
    """Yield what keeps the SQL of a revision from being all that it sends."""
    from migsafe import histories

    if migration.problem:
        yield histories.unknown(migration)
    if migration.reads:
        yield histories.reading(migration)


def _statements(file: File) -> Sequence[sql.Statement]:
    """Parse a file, and place its statements where they are written."""
    found = sql.parse(file.text)
    if not file.migration or not file.migration.lines:
        return found
    pairs = zip(found, file.migration.lines, strict=True)
    return [replace(one, line=line, end_line=line) for one, line in pairs]


def _unit(file: File, statements: Sequence[sql.Statement], wrapped: str) -> Unit:
    return Unit(
        name=file.name,
        file=file.path,
        text=file.text,
        statements=statements,
        transaction=_in_transaction(file, statements, wrapped),
        report=file.report,
    )


def _in_transaction(file: File, statements: Sequence[sql.Statement], said: str) -> bool:
    """Tell whether the runner puts a file into one transaction.

    Where nobody says so, a file that has what a transaction refuses is taken to run without one.
    """
    if file.wrapped is False or (file.layout in _IMPLICIT and len(statements) < 2):
        return False
    if said == "auto" and (file.wrapped is None or file.layout in _SEEING):
        return not any(statement.refuses for statement in statements)
    return file.wrapped or said != "no"


def _syntax(file: File, error: sql.SqlError) -> Finding:
    return Finding(
        code="MS455",
        name="syntax-error",
        source=Source.HAZARD,
        severity=Severity.ERROR,
        status=Status.FAILED,
        message=str(error),
        migration=file.name,
        file=file.path,
        line=error.line,
        column=error.column,
        remedy="Correct the file; nothing of it can run.",
        evidence="text",
    )


# ---------------------------------------------------------------- with a target


def _pending(settings: Settings, asked: Asked, options: Options) -> "Report":
    """Report the hazards of what is pending on the target, weighed by its live tables."""
    from migsafe.catalog import live
    from migsafe.pipeline.session import directory_of, gated, opened, wanted

    directory = directory_of(settings)
    with opened(settings, "lint", directory) as session:
        wanted(session)
        standing = session.stand()
        pending = {migration.path.resolve() for migration in standing.pending}
        every = _apart(_files(settings, asked, wanted(session).directory))
        files = [file for file in every if Path(file.path).resolve() in pending]
        schema = live.read(session.conn)
        hits, parts = _judged(settings, asked, files, partial(deepcopy, schema), options)
        found = (*standing.findings, *hits)
        notes = (_counted(files), *_left_out(asked, files), *parts.pop("notes"))
        return session.report(gated(session, found), findings=found, notes=notes, **parts)


def _left_out(asked: Asked, files: Sequence[File]) -> Iterator[str]:
    if len(asked.files) > sum(file.report for file in files):
        yield "Files that are not pending on this target were left out."
