"""What a history's own table says, held against the files: pure, but for the Protocol's methods."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from msgspec import Struct
from msgspec.structs import replace

from migsafe import findings
from migsafe.findings import Finding, Severity
from migsafe.histories import edits, forged
from migsafe.histories.edits import Edit, How
from migsafe.histories.forged import Oddity
from migsafe.histories.migration import Directory, Migration

if TYPE_CHECKING:
    from migsafe.target import Connection, Write


class Recorded(StrEnum):
    """What one row of a tool's table says of its migration."""

    APPLIED = "applied"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"


class Entry(Struct, frozen=True, kw_only=True):
    """One row of a tool's table; `checksum` is None where the tool keeps none.

    `oddities` are what its tool never writes.
    """

    name: str
    recorded: Recorded
    checksum: str | None = None
    finished: datetime | None = None
    oddities: Sequence[Oddity] = ()


class State(StrEnum):
    """What may be done with a target (CONTRACT, `history.state`)."""

    EMPTY = "empty"
    MANAGED = "managed"
    UNMANAGED = "unmanaged"
    FAILED = "failed"
    DIRTY = "dirty"


class History(Protocol):
    """Migrations on disk and the table in one target where their own tool records them."""

    @property
    def directory(self) -> Directory:
        """The migrations on disk."""
        ...

    @property
    def tool(self) -> str:
        """The tool that owns the table."""
        ...

    @property
    def table(self) -> str:
        """The table, as ``schema.name``."""
        ...

    @property
    def locks(self) -> Sequence[int]:
        """Advisory keys that the tool itself takes."""
        ...

    @property
    def strict(self) -> bool:
        """Whether an edited file stops the tool: Flyway refuses, Prisma says nothing."""
        ...

    def present(self, conn: Connection) -> bool:
        """Tell whether the table is there."""
        ...

    def occupied(self, conn: Connection) -> Sequence[str]:
        """Return the tables that make the schema "not empty" to this tool."""
        ...

    def entries(self, conn: Connection) -> Sequence[Entry]:
        """Read the table's rows, oldest first; none where there is no table."""
        ...

    def matches(self, migration: Migration, checksum: str) -> bool:
        """Tell whether a recorded checksum is that of the file as it is now."""
        ...

    def prepare(self, conn: Connection) -> None:
        """Create the table where it is missing, in the caller's transaction."""
        ...

    def mark_applied(self, conn: Connection, migration: Migration) -> None:
        """Record a migration as applied without running it."""
        ...

    def mark_rolled_back(self, conn: Connection, name: str) -> None:
        """Close the failed record of a migration so that it is pending again."""
        ...


@runtime_checkable
class Written(History, Protocol):
    """A history whose table migsafe itself writes while it runs the migrations."""

    def began(self, conn: Connection, migration: Migration) -> None:
        """Record the start of a migration that runs outside a transaction."""
        ...

    def record(self, migration: Migration, started: datetime) -> Write:
        """Build what records a migration as run, exactly as the tool would."""
        ...

    def finish(self, migration: Migration, started: datetime) -> Write:
        """Build what records the end of a migration that `began`."""
        ...

    def withdraw(self, conn: Connection, migration: Migration) -> None:
        """Take back `began`: nothing of the migration is in effect."""
        ...


class Standing(Struct, frozen=True, kw_only=True):
    """Where a target stands in its history. Names are in history order, then as recorded."""

    state: State
    applied: Sequence[str]
    pending: Sequence[Migration]
    failed: Sequence[str]
    missing: Sequence[str]
    edited: Sequence[str]
    finished: dict[str, datetime | None]
    findings: Sequence[Finding]


def stand(
    history: History,
    entries: Sequence[Entry],
    *,
    present: bool,
    occupied: Sequence[str],
    unfinished: Sequence[str],
    edited: Mapping[str, Edit] | None = None,
) -> Standing:
    """Hold the recorded entries against the files; nothing is read here.

    `edited` says how the edited files differ from what ran, as far as that is known.
    """
    migrations = history.directory.migrations
    names = {migration.name for migration in migrations}
    by_name = _in_force(entries)
    known = edited or {}
    failed = _once(e.name for e in entries if e.recorded is Recorded.FAILED)
    missing = [name for name in by_name if name not in names]
    untrue = [m.name for m, _ in changed(history, entries)]
    invented = {name for name in untrue if _invented(by_name[name], known.get(name))}
    pending = [m for m in migrations if m.name not in by_name and not is_ahead(history, missing)]
    state = _state(present, occupied, failed, unfinished)
    standing = Standing(
        state=state,
        applied=[m.name for m in migrations if m.name in by_name],
        pending=[m for m in pending if m.name not in (*failed, *unfinished)],
        failed=failed,
        missing=missing,
        edited=[name for name in untrue if name not in invented],
        finished={name: entry.finished for name, entry in by_name.items()},
        findings=(),
    )
    rows = [(e.name, e.recorded is Recorded.APPLIED, e.oddities) for e in entries]
    found = (
        *_findings(history, standing, occupied, unfinished),
        *(edits.finding(n, known.get(n), strict=history.strict) for n in standing.edited),
        *forged.check(rows, invented, table=history.table, strict=history.strict),
        *_out_of_order(history, standing),
    )
    return replace(standing, findings=found)


def _in_force(entries: Iterable[Entry]) -> dict[str, Entry]:
    return {e.name: e for e in entries if e.recorded is Recorded.APPLIED}


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def changed(history: History, entries: Sequence[Entry]) -> list[tuple[Migration, str]]:
    """Return the migrations whose recorded checksum is not the file's, in order, with that sum."""
    in_force = _in_force(entries)
    pairs = [(m, in_force[m.name]) for m in history.directory.migrations if m.name in in_force]
    return [
        (migration, entry.checksum or "")
        for migration, entry in pairs
        if (entry.checksum or Oddity.CHECKSUM in entry.oddities)
        and not history.matches(migration, entry.checksum or "")
    ]


def is_ahead(history: History, missing: Sequence[str]) -> bool:
    """Tell whether what ran is unknown, since a head stands for it that no file is of."""
    return history.tool == "Alembic" and bool(missing)


def _invented(entry: Entry, edit: Edit | None) -> bool:
    """Tell whether the record, not the file, is what is wrong."""
    unknown = edit is None or edit.how is How.UNKNOWN
    return Oddity.CHECKSUM in entry.oddities or (Oddity.ID in entry.oddities and unknown)


def _state(
    present: bool, occupied: Sequence[str], failed: Sequence[str], unfinished: Sequence[str]
) -> State:
    if unfinished:
        return State.DIRTY
    if failed:
        return State.FAILED
    if present:
        return State.MANAGED
    return State.UNMANAGED if occupied else State.EMPTY


def _findings(
    history: History, standing: Standing, occupied: Sequence[str], unfinished: Sequence[str]
) -> tuple[Finding, ...]:
    found = [*history.directory.findings]
    if standing.state is State.UNMANAGED:
        found.append(_unmanaged(history, occupied))
    found += [_failed(history, name) for name in standing.failed if name not in unfinished]
    found += [_dirty(name) for name in unfinished]
    found += [_missing(history, name) for name in standing.missing]
    return tuple(found)


def _unmanaged(history: History, occupied: Sequence[str]) -> Finding:
    some = ", ".join(occupied[:3]) + (", …" if len(occupied) > 3 else "")
    return findings.history(
        "MH101",
        "history-unmanaged",
        Severity.ERROR,
        f"{len(occupied)} table{'s are' if len(occupied) > 1 else ' is'} there ({some}), but no "
        f"{history.table}: "
        "nothing says which migrations they come from",
        remedy="migsafe baseline finds out which of them are in effect.",
    )


def _failed(history: History, name: str) -> Finding:
    return findings.history(
        "MH102",
        "migration-failed",
        Severity.ERROR,
        f"{history.table} holds {name} as failed; no other migration may run before it is settled",
        migration=name,
        remedy="migsafe baseline looks into the schema; then migsafe resolve --applied NAME, or "
        "--rolled-back",
    )


def _dirty(name: str) -> Finding:
    return findings.history(
        "MH104",
        "migration-unfinished",
        Severity.ERROR,
        f"{name} ran outside a transaction and stopped midway; part of it may be in effect",
        migration=name,
        remedy="migsafe baseline says how far it came; then migsafe resolve NAME --finish, or undo "
        "it and migsafe resolve --rolled-back NAME",
    )


def _missing(history: History, name: str) -> Finding:
    ahead = is_ahead(history, [name])
    return findings.history(
        "MH105",
        "migration-missing",
        Severity.ERROR if ahead else Severity.WARNING,
        f"{name} is recorded in {history.table}, but this checkout has no file of it"
        + (": the schema is ahead, and what else ran is not known" if ahead else ""),
        migration=name,
        remedy="Check that this checkout is not older than what is deployed.",
    )


def _placed(history: History) -> list[Migration]:
    """Return the migrations that have a place: Flyway's repeatable ones run last, each time."""
    flyway = history.directory.layout == "flyway"
    return [m for m in history.directory.migrations if m.version or not flyway]


def _out_of_order(history: History, standing: Standing) -> list[Finding]:
    order = {m.name: place for place, m in enumerate(_placed(history))}
    last = max((n for n in standing.applied if n in order), key=order.__getitem__, default=None)
    if last is None:
        return []
    late = [m.name for m in standing.pending if order.get(m.name, order[last]) < order[last]]
    return [
        findings.history(
            "MH107",
            "migration-out-of-order",
            Severity.ERROR if history.tool == "Flyway" else Severity.WARNING,
            f"{name} is pending, although the later {last} is applied",
            migration=name,
            remedy="Check that it does not depend on the state before the later one.",
        )
        for name in late
    ]
