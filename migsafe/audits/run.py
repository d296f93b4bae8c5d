"""Run audits on the target: in parallel, read-only, in one exported snapshot.

An audit that cannot be answered fails; its values leave the database only from its key columns.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from queue import SimpleQueue
from typing import Any

import psycopg
from msgspec.structs import replace
from psycopg import errors, sql

from migsafe import catalog, target
from migsafe.audits import Audit, asking
from migsafe.audits.asking import SHOWN, How
from migsafe.errors import UnreachableError
from migsafe.findings import Finding, Severity, Source, Status
from migsafe.target import Connection, Target

#: Connections at most. Arbitrary: enough to overlap long scans, few enough for a busy server.
PARALLEL = 4


def run(
    where: Target, audits: Sequence[Audit], pending: Sequence[str], how: How | None = None
) -> list[Finding]:
    """Answer every audit, in the given order; `pending` are the names of the pending migrations."""
    how = how or How()
    found = {id(audit): _at_once(audit, pending, how) for audit in audits}
    due = [audit for audit in audits if found[id(audit)] is None]
    if due:
        with _snapshot(where, min(PARALLEL, len(due))) as sessions:
            found |= _answer_all(sessions, due, how)
    return [finding for audit in audits if (finding := found[id(audit)])]


def _at_once(audit: Audit, pending: Sequence[str], how: How) -> Finding | None:
    """Return the finding of an audit that needs no question, None for one that does."""
    if audit.derived:
        return asking.settled(audit, how)
    if not audit.before or any(name in pending for name in audit.before):
        return None
    return _not_due(audit)


@contextmanager
def _snapshot(where: Target, size: int) -> Iterator[Sequence[Connection]]:
    """Open `size` read-only sessions that see the same rows, or as many as the server gives."""
    begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
    with ExitStack() as stack:
        leader = stack.enter_context(target.connect(where, read_only=True))
        sessions = [leader]
        with suppress(UnreachableError):  # a limit on connections costs time only
            while len(sessions) < size:
                sessions.append(stack.enter_context(target.connect(where, read_only=True)))
        leader.execute(begin)
        shared = catalog.one(leader, "SELECT pg_catalog.pg_export_snapshot()")[0]
        for session in sessions:
            # A policy would hide offenders; so PostgreSQL refuses the question instead (42501).
            session.execute("SET row_security = off")
            session.execute("SET jit = off")  # it compiles longer than most questions run
        for session in sessions[1:]:
            session.execute(begin)
            session.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(shared)))
        yield sessions


def _answer_all(
    sessions: Sequence[Connection], due: Sequence[Audit], how: How
) -> dict[int, Finding]:
    """Answer audits on several sessions, by their identity; the largest reading begins first."""
    free: SimpleQueue[Connection] = SimpleQueue()
    derived = asking.grouped(sessions[0], [audit for audit in due if audit.derived])
    groups = sorted(derived, key=lambda group: -group[1])
    groups += [([audit], 0) for audit in due if not audit.derived]
    for session in sessions:
        free.put(session)

    def answer(group: asking.Group) -> list[Finding]:
        session = free.get()
        try:
            if group[0][0].derived:
                return asking.answer(session, group, how)
            return [_answer(session, group[0][0])]
        finally:
            free.put(session)

    with ThreadPoolExecutor(len(sessions)) as pool:
        answers = pool.map(answer, groups)
        try:
            return {
                id(audit): finding
                for (audits, _), found in zip(groups, answers, strict=True)
                for audit, finding in zip(audits, found, strict=True)
            }
        except BaseException:
            for session in sessions:  # or the pool would wait for the slowest answer
                session.cancel()
            raise


def _answer(conn: Connection, audit: Audit) -> Finding:
    began = time.monotonic()
    try:
        with conn.transaction():  # a savepoint: one broken audit leaves the snapshot to the others
            milliseconds = str(max(1, int(audit.timeout * 1000)))  # 0 would mean no timeout
            conn.execute("SELECT set_config('statement_timeout', %s, true)", [milliseconds])
            count, keys = catalog.one(conn, _query(audit))
    except errors.QueryCanceled:
        finding = _failed(
            audit, "MA003", f"no answer within {audit.timeout:g} s, so it is unknown", None
        )
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        if conn.closed:
            raise
        finding = _failed(audit, "MA002", target.explain(error, audit.sql), None)
    except psycopg.Error as error:
        sent = "\n".join((audit.sql, *audit.key))
        finding = _failed(audit, "MA002", target.explain(error, sent), _nearest(conn, error))
    else:
        finding = _counted(audit, count, keys or [])
    return replace(finding, seconds=round(time.monotonic() - began, 3))


def _query(audit: Audit) -> sql.Composed:
    """Wrap the audit so that one row comes back: the count, and the keys of the first offenders."""
    keys = sql.SQL(", ").join(sql.Identifier(key) for key in audit.key) or sql.SQL("1 AS nothing")
    return sql.SQL(
        """WITH offenders AS MATERIALIZED ({query}
        ) SELECT (SELECT count(*) FROM offenders),
                 (SELECT json_agg(row_to_json(k.*))
                  FROM (SELECT {keys} FROM offenders LIMIT {shown}) AS k)"""
    ).format(query=sql.SQL(audit.sql), keys=keys, shown=sql.Literal(SHOWN))


def _nearest(conn: Connection, error: psycopg.Error) -> str | None:
    """Look for the name that was probably meant, for a missing table or column."""
    column = isinstance(error, errors.UndefinedColumn)
    if not column and not isinstance(error, errors.UndefinedTable):
        return None
    missing = (error.diag.message_primary or "").replace('"', " ").split()
    name = missing[1].rpartition(".")[2] if column and len(missing) > 1 else missing[1]
    return catalog.nearest_name(conn, name, column=column) or None


def _counted(audit: Audit, count: int, keys: Sequence[Mapping[str, Any]]) -> Finding:
    failed = count > audit.max
    rows = "1 row" if count == 1 else f"{count} rows"
    what = f": {audit.description}" if audit.description else ""
    tolerated = f" ({audit.max} tolerated)" if audit.max else ""
    return replace(
        _failed(audit, "MA001", f"{rows}{tolerated}{what}", None),
        status=Status.FAILED if failed else Status.PASSED,
        count=count,
        exact=True,
        keys=tuple(keys) if audit.key else (),
    )


def _failed(audit: Audit, code: str, message: str, hint: str | None) -> Finding:
    return Finding(
        code=code,
        name=audit.name,
        source=Source.AUDIT,
        severity=Severity.ERROR if code == "MA002" else audit.severity,
        status=Status.FAILED,
        message=f"{message}; {hint}" if hint else message,
        migration=audit.before[0] if audit.before else None,
        file=str(audit.file),
        line=audit.line,
        remedy=audit.remedy if code == "MA001" else "Correct the audit, then run it again.",
        evidence="data",
    )


def _not_due(audit: Audit) -> Finding:
    return skipped(audit, f"asked only while {' or '.join(audit.before)} is pending")


def skipped(audit: Audit, reason: str) -> Finding:
    """Build the finding of an audit that is not asked."""
    finding = _failed(audit, "MA001", reason, None)
    return replace(finding, status=Status.SKIPPED, remedy=None, seconds=0.0)
