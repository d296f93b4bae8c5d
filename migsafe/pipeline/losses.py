"""What a restore loses: said before it is begun, as far as the database tells."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from migsafe import ledger, target
from migsafe.errors import UnreachableError
from migsafe.restore import Restoring
from migsafe.snapshots import Manifest, polling

#: Seconds in which the rows of now are counted for the plan; arbitrary.
_COUNTING = 10.0


def read(restoring: Restoring) -> list[str]:
    """Say what is not in the snapshot, as far as the database tells; else that it is not known."""
    known, where = restoring.manifest, restoring.target
    age = datetime.now(UTC) - known.moment
    lines = [
        f"Everything that was written since {known.moment:%Y-%m-%d %H:%M} UTC: {spelled(age)}."
    ]
    try:
        with target.translated(where), target.connect(where, read_only=True) as conn:
            lines += [*_runs(conn, known), *_rows(restoring, conn)]
    except UnreachableError as error:
        lines.append(f"What that is, is not known: {error}")
    return lines


def _runs(conn: target.Connection, known: Manifest) -> Iterator[str]:
    since = [run for run in ledger.runs(conn) if run.started > known.moment or run.id == known.run]
    for run in reversed(since):
        yield f"The run {run.id} ({run.command}, {run.started:%Y-%m-%d %H:%M} UTC)."


def _rows(restoring: Restoring, conn: target.Connection) -> Iterator[str]:
    """Say by how many rows tables differ; what was updated in place, no count shows."""
    then, now = restoring.manifest.fingerprint, restoring.fingerprint(conn, budget=_COUNTING)
    unsure = {*then.estimated, *now.estimated}
    sure = [name for name in then.counts if name in now.counts and name not in unsure]
    changed = {name: now.counts[name] - then.counts[name] for name in sure}
    for name, by in sorted(changed.items()):
        if by:
            yield f"{name}: {abs(by)} rows {'more' if by > 0 else 'fewer'} now than then."
    for name in sorted(now.counts.keys() - then.counts.keys()):
        rows = "was not counted" if name in unsure else f"has {now.counts[name]} rows now"
        yield f"{name}: was not there then, and {rows}."
    counted = f"{len(sure)} of {len(then.counts)} tables were counted"
    yield f"{counted}; what was updated in place is not known."


def spelled(length: timedelta) -> str:
    """Write a time that may be days for a person."""
    days, rest = divmod(length.total_seconds(), 86400)
    return f"{int(days)} d " * bool(days) + polling.spelled(rest)
