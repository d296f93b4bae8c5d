"""What the use cases ask of the rows: audits from files, and those that pending SQL raises."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from migsafe import catalog, config, target
from migsafe.config import Asking
from migsafe.errors import BusyError, UnreachableError, UsageError
from migsafe.findings import Finding
from migsafe.histories import Standing, State
from migsafe.pipeline.session import Session
from migsafe.target import Connection, Target

if TYPE_CHECKING:
    from migsafe.audits import Audit
    from migsafe.audits.asking import How
    from migsafe.planning import Plan
    from migsafe.schema import Schema

#: How long a standby may take to catch up with the primary, in seconds. Arbitrary.
PATIENCE = 10.0


def schema_of(session: Session) -> "Schema | None":
    """Read the target's schema; None where it is not what the pending migrations will meet."""
    standing = session.standing
    if standing is None or not standing.pending or not is_accounted(standing):
        return None
    from psycopg.errors import LockNotAvailable

    from migsafe import blockers
    from migsafe.catalog import live

    try:
        return live.read(session.conn)
    except LockNotAvailable:
        who = "; ".join(str(one) for one in blockers.exclusive(session.conn)) or "somebody"
        problem = f"the schema cannot be read meanwhile: {who}"
        raise BusyError(session.target.place, problem, "run it again when that is over") from None


def is_accounted(standing: Standing) -> bool:
    """Tell whether the pending migrations will meet the schema that is there."""
    return standing.state in (State.EMPTY, State.MANAGED)


def derived(built: "Plan", schema: "Schema | None", asking: Asking) -> "list[Audit]":
    """Return the questions that the steps of a plan raise; `schema` is the one before them."""
    if schema is None or not asking.derived or not built.steps:
        return []
    from migsafe import planning
    from migsafe.audits import derived as deriving

    return deriving.derive((planning.unit(step) for step in built.steps), schema)


def answers(
    session: Session, audits: "Sequence[Audit]", pending: Sequence[str], asking: Asking
) -> list[Finding]:
    """Answer audits on the target, or on its standby."""
    from migsafe.audits import run

    if not audits:
        return []
    where = session.target if asking.replica is None else _replica(session, asking.replica)
    return run.run(where, audits, pending, _how(session, asking))


def _how(session: Session, asking: Asking) -> "How":
    from migsafe.audits.asking import How

    said = session.settings.derived
    budget = config.size(said.budget, "audits.budget") if said.budget else None
    return How(fast=asking.fast, budget=budget, show_keys=said.show_keys, show_sql=asking.show_sql)


def _replica(session: Session, url: str) -> Target:
    """Return the standby to ask, once it shows everything that the primary has committed by now."""
    settings = session.settings
    where = target.resolve(url, name="replica", root=settings.root, env=settings.env)
    with target.translated(where), target.connect(where, read_only=True) as standby:
        if not catalog.server(standby).standby:
            raise UsageError("--replica", f"{where.place} is no standby", "name a standby")
        _check_same(session, standby, where)
        if not session.server.standby:
            _await(session, standby, where)
    return replace(where, schema=session.target.schema)


def _check_same(session: Session, standby: Connection, where: Target) -> None:
    identity = """SELECT current_database(),
        (SELECT system_identifier FROM pg_catalog.pg_control_system())"""
    if catalog.one(session.conn, identity) != catalog.one(standby, identity):
        place = session.target.place
        raise UsageError("--replica", f"{where.place} is no standby of {place}", "name its standby")


def _await(session: Session, standby: Connection, where: Target) -> None:
    """Wait until the standby has replayed what the primary has written; refuse it if it lags."""
    written = catalog.one(session.conn, "SELECT pg_catalog.pg_current_wal_lsn()::text")[0]
    behind = """SELECT pg_catalog.pg_wal_lsn_diff(%s::pg_lsn,
        pg_catalog.pg_last_wal_replay_lsn())::bigint"""
    until = time.monotonic() + PATIENCE
    while (lag := catalog.one(standby, behind, [written])[0]) is None or lag > 0:
        if time.monotonic() > until:
            problem = f"the standby is {lag or 'an unknown number of'} bytes of WAL behind"
            raise UnreachableError(where.place, problem, "ask when it has caught up, or the target")
        time.sleep(0.1)


def without_answered(found: Sequence[Finding]) -> list[Finding]:
    """Leave out the hazards that only rows decide, where the rows have been asked."""
    from migsafe import hazards

    by_rows = {rule.code for rule in hazards.rules() if rule.rows}
    decided = {(f.migration, f.statement) for f in found if f.verdict in _DECIDED}
    return [
        finding
        for finding in found
        if finding.code not in by_rows or (finding.migration, finding.statement) not in decided
    ]


_DECIDED = ("pass", "fail", "depends")
