"""Lint: the hazards of files, or of what is pending. Asks the target only when it is told to."""

import gc
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import structs

from migsafe import findings, hazards, sql
from migsafe.config import LintConfig, Settings
from migsafe.errors import ExitCode, UsageError, nearest
from migsafe.findings import Finding, Severity, Source, Status
from migsafe.hazards import Options, Unit, suppressions
from migsafe.pipeline import squawk
from migsafe.pipeline.sources import Asked, File, apart, files_of, history_of
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


def lint(settings: Settings, asked: Asked, notify: "Notify" = lambda _: None) -> "Report":
    """Report the hazards of the files that are asked for."""
    started, clock = datetime.now(UTC), time.monotonic()
    settings, borrowed = _borrowed(settings)
    options = options_of(settings, asked)
    if asked.live:
        return _pending(settings, asked, options)
    directory = history_of(settings, asked)
    if directory and directory.kind == "alembic":
        directory = _recorded(settings, asked, directory, notify)
    files = apart(files_of(settings, asked, directory))
    found, parts = _judged(settings, asked, files, Schema, options)
    notes = (_counted(files), *borrowed, *parts.pop("notes"), _UNSIZED)
    return _report(settings, found, started, clock, notes=notes, **parts)


def _borrowed(settings: Settings) -> tuple[Settings, tuple[str, ...]]:
    """Take the rules of a `.squawk.toml` where our own config says nothing, and say so."""
    path = squawk.find(settings.root) if settings.lint == LintConfig() else None
    if path is None:
        return settings, ()
    note = f"Rules, version and transaction are those of {path}: there is no [lint] of our own."
    return structs.replace(settings, lint=squawk.load(path)), (note,)


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

    directory = history_of(settings, asked)
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
        loose=file.layout is None,
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
        every = apart(files_of(settings, asked, wanted(session).directory))
        files = [file for file in every if Path(file.path).resolve() in pending]
        schema = live.read(session.conn)
        hits, parts = _judged(settings, asked, files, partial(deepcopy, schema), options)
        found = (*standing.findings, *hits)
        notes = (_counted(files), *_left_out(asked, files), *parts.pop("notes"))
        return session.report(gated(session, found), findings=found, notes=notes, **parts)


def _left_out(asked: Asked, files: Sequence[File]) -> Iterator[str]:
    if len(asked.files) > sum(file.report for file in files):
        yield "Files that are not pending on this target were left out."
