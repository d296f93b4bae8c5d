"""How far a long command of another session has come, as far as the server says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:  # the driver is heavy
    from migsafe.target import Connection


class Progress(Struct, frozen=True, kw_only=True):
    """A phase of a command; `percent` is that of the phase, None where nothing is counted."""

    command: str
    phase: str
    percent: int | None

    def __str__(self) -> str:
        """Return it as a part of a line."""
        counted = "" if self.percent is None else f", {self.percent} %"
        return f"{self.command}: {self.phase}{counted}"


#: Counters of a phase stay when the next one begins, so the phase says which of them count. An
#: ALTER TABLE that rewrites or validates reports nothing.
_PROGRESS = """
    SELECT command, phase, CASE WHEN total > 0 THEN least(100 * done / total, 100)::int END
    FROM (
        SELECT pid, command, phase,
            CASE WHEN phase LIKE 'waiting%%' THEN lockers_done
                 WHEN phase LIKE '%%tuples%%' THEN tuples_done ELSE blocks_done END,
            CASE WHEN phase LIKE 'waiting%%' THEN lockers_total
                 WHEN phase LIKE '%%tuples%%' THEN tuples_total ELSE blocks_total END
        FROM pg_catalog.pg_stat_progress_create_index
        UNION ALL
        SELECT pid, command, phase, heap_blks_scanned, heap_blks_total
        FROM pg_catalog.pg_stat_progress_cluster
        UNION ALL
        SELECT pid, 'VACUUM', phase, heap_blks_scanned, heap_blks_total
        FROM pg_catalog.pg_stat_progress_vacuum
        UNION ALL
        SELECT pid, 'ANALYZE', phase, sample_blks_scanned, sample_blks_total
        FROM pg_catalog.pg_stat_progress_analyze{copy}) AS p (pid, command, phase, done, total)
    WHERE pid = %s"""

#: New in PostgreSQL 14.
_COPY = """
        UNION ALL
        SELECT pid, command, 'copying', bytes_processed, bytes_total
        FROM pg_catalog.pg_stat_progress_copy"""


def building(conn: Connection, pid: int) -> Progress | None:
    """Return what a process is building, copying or scanning now; None where it does not say."""
    copy = _COPY if conn.info.server_version >= 140_000 else ""
    row = conn.execute(_PROGRESS.format(copy=copy), [pid]).fetchone()
    if row is None or None in row[:2]:  # the server begins a row before it says of what
        return None
    command, phase, percent = row
    return Progress(command=command, phase=phase, percent=percent)
