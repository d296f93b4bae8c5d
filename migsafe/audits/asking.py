"""Ask derived audits of one session: those of one table in one scan, the others alone.

Every answer that is no count of offenders is unknown, and an unknown answer is a failed finding.
"""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import psycopg
from msgspec import Struct
from msgspec.structs import replace
from psycopg import errors, sql

from migsafe import catalog, target
from migsafe.audits import Audit, Derived, Verdict
from migsafe.findings import Finding, Severity, Source, Status
from migsafe.schema import Place
from migsafe.target import Connection

#: Keys shown of each audit; the count is always complete. Arbitrary, a screenful.
SHOWN = 20


class How(Struct, frozen=True, kw_only=True):
    """How derived audits are asked.

    `fast` stops at the first offender. `budget` is in bytes that a question may read, None for
    no limit. `show_keys` is the config's: all, none, those of the tables named, and None for those
    that are one integer or uuid. `show_sql` puts the questions into the findings.
    """

    fast: bool = False
    budget: int | None = None
    show_keys: bool | tuple[str, ...] | None = None
    show_sql: bool = False


#: Audits that are answered together, and what that would read.
Group = tuple[list[Audit], int]


def grouped(conn: Connection, audits: Sequence[Audit]) -> Iterator[Group]:
    """Yield audits in groups, each one scan, wherever the planner calls that cheaper."""
    together: dict[tuple[str, tuple[str, ...]], list[Audit]] = {}
    for audit in audits:
        derived = _of(audit)
        if derived.scan is None:
            yield [audit], _planned(conn, audit.sql, derived.path)[1]
        else:
            together.setdefault((derived.scan.relation, derived.path), []).append(audit)
    for (_, path), group in together.items():
        alone = [_planned(conn, _counting([audit]), path) for audit in group]
        cost, read = _planned(conn, _counting(group), path)
        if len(group) == 1 or cost >= sum(single for single, _ in alone):
            yield from (([a], plan[1]) for a, plan in zip(group, alone, strict=True))
        else:
            yield group, read


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string()


def _of(audit: Audit) -> Derived:
    assert audit.derived is not None  # noqa: S101  # callers pass derived audits only
    return audit.derived


def _counting(group: Sequence[Audit]) -> str:
    """Return the query of one scan that counts the offenders of each."""
    scans = [_of(audit).scan for audit in group]
    relation = next(scan.relation for scan in scans if scan)
    conditions = [scan.condition for scan in scans if scan]
    if len(conditions) == 1:
        # Without FILTER an index may serve.
        return f"SELECT count(*) FROM {relation} AS t WHERE {conditions[0]}"  # noqa: S608
    counts = ", ".join(f"count(*) FILTER (WHERE {condition})" for condition in conditions)
    # A row that offends nobody is not worth the way to the counts.
    any_ = " OR ".join(f"({condition})" for condition in conditions)
    return f"SELECT {counts} FROM {relation} AS t WHERE {any_}"  # noqa: S608


def _planned(conn: Connection, query: str, path: tuple[str, ...]) -> tuple[float, int]:
    """Return what the planner says of a query: its cost, and the bytes that it would read.

    What cannot be planned cannot be asked either, which its own answer will say.
    """
    try:
        with conn.transaction(force_rollback=True):
            _set(conn, path, 5.0)
            row = catalog.one(conn, f"EXPLAIN (VERBOSE, FORMAT JSON) {query}")[0]
            plan = (json.loads(row) if isinstance(row, str) else row)[0]["Plan"]
            return float(plan["Total Cost"]), sum(_reads(conn, plan))
    except psycopg.Error:
        if conn.closed:
            raise
        return 0.0, 0


def _reads(conn: Connection, plan: Any) -> Iterator[int]:
    if "Relation Name" in plan:
        whole = _bytes(conn, plan["Schema"], plan["Relation Name"])
        scans_all = plan["Node Type"] == "Seq Scan"
        # A row by an index costs a page at most.
        yield whole if scans_all else min(whole, int(plan["Plan Rows"]) * 8192)
    for inner in plan.get("Plans", ()):
        yield from _reads(conn, inner)


def _bytes(conn: Connection, schema: str, bare: str) -> int:
    name = sql.Identifier(schema, bare).as_string()
    query = "SELECT coalesce(pg_catalog.pg_relation_size(pg_catalog.to_regclass(%s)), 0)"
    return int(catalog.one(conn, query, [name])[0])


def _set(conn: Connection, path: tuple[str, ...], timeout: float) -> None:
    """Set what a question needs until its transaction ends."""
    milliseconds = str(max(1, int(timeout * 1000)))  # 0 would mean no timeout
    conn.execute("SELECT set_config('statement_timeout', %s, true)", [milliseconds])
    if path:
        names = ", ".join(_quoted(name) for name in path)
        conn.execute("SELECT set_config('search_path', %s, true)", [names])


# ---------------------------------------------------------------- answers


def answer(conn: Connection, group: Group, how: How) -> list[Finding]:
    """Answer one group, in its order."""
    audits, read = group
    if how.budget is not None and read > how.budget:
        from migsafe.hazards import size

        why = f"it would read {size(read)}, more than the budget of {size(how.budget)}"
        remedy = "Raise [audits] budget, ask a standby with --replica, or ask with --fast."
        return [unknown(audit, why, how, remedy) for audit in audits]
    if len(audits) == 1:
        return [_alone(conn, audits[0], how)]
    began = time.monotonic()
    try:
        counts = _fused(conn, audits, how)
    except errors.QueryCanceled:
        return [_timed_out(audit, how) for audit in audits]
    except psycopg.Error:
        if conn.closed:
            raise
        # One of them raises an error; each for itself tells which.
        return [_alone(conn, audit, how) for audit in audits]
    seconds = time.monotonic() - began
    return [
        _counted(conn, audit, count, how, exact=exact, seconds=seconds)
        for audit, (count, exact) in zip(audits, counts, strict=True)
    ]


def _fused(conn: Connection, audits: Sequence[Audit], how: How) -> list[tuple[int, bool]]:
    timeout = max(audit.timeout for audit in audits)
    with conn.transaction():
        _set(conn, _of(audits[0]).path, timeout)
        if how.fast:
            return _witnesses(conn, audits)
        return [(int(count), True) for count in catalog.one(conn, _counting(audits))]


def _witnesses(conn: Connection, audits: Sequence[Audit]) -> list[tuple[int, bool]]:
    """Look for one offender of each: whoever has none is asked again with the others like it."""
    found = [0] * len(audits)
    while open_ := [number for number, count in enumerate(found) if not count]:
        scans = [scan for number in open_ if (scan := _of(audits[number]).scan)]
        columns = ", ".join(f"({scan.condition}) IS TRUE" for scan in scans)
        condition = " OR ".join(f"({scan.condition})" for scan in scans)
        row = conn.execute(
            f"SELECT {columns} FROM {scans[0].relation} AS t WHERE {condition} LIMIT 1"  # noqa: S608
        ).fetchone()
        if row is None:
            break
        for number, offends in zip(open_, row, strict=True):
            found[number] = int(offends)
    return [(count, count == 0) for count in found]


def _alone(conn: Connection, audit: Audit, how: How) -> Finding:
    derived, began = _of(audit), time.monotonic()
    try:
        with conn.transaction():  # a savepoint: one broken audit leaves the snapshot to the others
            _set(conn, derived.path, audit.timeout)
            count, exact = _count(conn, audit, how)
    except errors.QueryCanceled:
        return _timed_out(audit, how)
    except psycopg.Error as error:
        if conn.closed:
            raise
        seconds = time.monotonic() - began
        return _refused(conn, audit, error, how, seconds=seconds)
    return _counted(conn, audit, count, how, exact=exact, seconds=time.monotonic() - began)


def _count(conn: Connection, audit: Audit, how: How) -> tuple[int, bool]:
    derived = _of(audit)
    if derived.scan is None and derived.tries and " AS tried " in audit.sql:
        # Every value is computed and none is an offender: the offence is an error.
        catalog.one(conn, f"SELECT count(o.tried) FROM ({audit.sql}) AS o")  # noqa: S608
        return 0, True
    if how.fast:
        query = f"SELECT count(*) FROM ({audit.sql} LIMIT 1) AS o"  # noqa: S608
        count = int(catalog.one(conn, query)[0])
        return count, count == 0
    query = _counting([audit]) if derived.scan else f"SELECT count(*) FROM ({audit.sql}) AS o"  # noqa: S608
    return int(catalog.one(conn, query)[0]), True


#: What a statement over rows raises because of them: data, constraints, RAISE.
_BY_ROWS = ("22", "23", "P0")


def _refused(
    conn: Connection, audit: Audit, error: psycopg.Error, how: How, *, seconds: float
) -> Finding:
    state = error.sqlstate or ""
    if _of(audit).tries and state.startswith(_BY_ROWS):
        return _counted(conn, audit, 1, how, exact=False, seconds=seconds, error=error)
    remedy = "Rehearse it on a copy of the data, or ask it by hand."
    if isinstance(error, errors.InsufficientPrivilege):
        remedy = "Grant SELECT to this role (and BYPASSRLS behind a policy), then audit again."
    return unknown(audit, target.explain(error, audit.sql), how, remedy)


def _timed_out(audit: Audit, how: How) -> Finding:
    why = f"there was no answer within {audit.timeout:g} s"
    return unknown(audit, why, how, "Ask a standby with --replica, or with --fast.")


def _counted(
    conn: Connection,
    audit: Audit,
    count: int,
    how: How,
    *,
    exact: bool,
    seconds: float,
    error: psycopg.Error | None = None,
) -> Finding:
    derived = _of(audit)
    verdict = Verdict.FAIL if count else Verdict.PASS
    turn = derived.repairs if count else derived.breaks
    noun = f"{derived.noun}{'s' if count > 1 else ''}"
    number = f"{count:,}" if count else "no"
    message = f"{'' if exact else 'at least '}{number} {noun} {audit.description}"
    message += f" ({error.sqlstate})" if error else ""
    if turn is not None:
        verdict = Verdict.DEPENDS
        message += f"; depends on {_what(turn, derived)}"
    keys = () if error or not count else _keys(conn, audit, how)
    found = _found(audit, verdict, message, how)
    return replace(found, count=count, exact=exact, keys=keys, seconds=round(seconds, 3))


def _what(place: Place, derived: Derived) -> str:
    if derived.perhaps:
        return f"{called(place, derived)}, whose conditions decide whether it is run"
    return f"{called(place, derived)}, which changes these rows first"


def called(place: Place, derived: Derived) -> str:
    """Name a statement, with its migration where that is another one."""
    other = place.migration != derived.migration
    return f"line {place.line}{f' of {place.migration}' if other else ''}"


def settled(audit: Audit, how: How) -> Finding | None:
    """Return the finding of an audit that is answered without a question, None for any other."""
    derived = _of(audit)
    if derived.settled is None:
        return None
    if derived.settled is Verdict.UNKNOWN:
        return unknown(audit, derived.because, how, _UNDECIDED)
    if derived.settled is Verdict.DEPENDS and derived.breaks:
        message = f"{derived.noun}s {audit.description}"
        place = called(derived.breaks, derived)
        return _found(
            audit, Verdict.DEPENDS, f"{message}; depends on {place}, which makes them", how
        )
    passed = derived.settled is Verdict.PASS
    message = f"no {derived.noun} {audit.description}: {derived.because}"
    return _found(audit, derived.settled, message if passed else derived.because, how)


_UNDECIDED = "Rehearse it on a copy of the data, or run what comes before it, then audit again."


def unknown(audit: Audit, why: str, how: How, remedy: str) -> Finding:
    """Build the finding of a question that has no answer."""
    message = f"unknown: {_of(audit).noun}s {audit.description}; {why}"
    found = _found(audit, Verdict.UNKNOWN, message, how)
    return replace(found, remedy=remedy)


def _found(audit: Audit, verdict: Verdict, message: str, how: How) -> Finding:
    derived = _of(audit)
    severity = Severity.WARNING if verdict is Verdict.DEPENDS else audit.severity
    remedy = audit.remedy if verdict is Verdict.FAIL else _UNDECIDED
    if audit.sql and verdict is not Verdict.UNKNOWN:
        remedy = f"{remedy} Begin with: {audit.sql};"
    return Finding(
        code=derived.code,
        name=audit.name,
        source=Source.DERIVED,
        severity=severity,
        status=Status.PASSED if verdict is Verdict.PASS else Status.FAILED,
        message=message,
        migration=derived.migration,
        file=str(audit.file),
        line=audit.line,
        end_line=derived.end_line,
        statement=derived.statement,
        remedy=None if verdict is Verdict.PASS else remedy,
        evidence="catalog" if derived.settled else "data",
        verdict=str(verdict),
        sql=audit.sql or None if how.show_sql else None,
    )


# ---------------------------------------------------------------- keys of offenders

_HARMLESS = ("int2", "int4", "int8", "uuid")


def _keys(conn: Connection, audit: Audit, how: How) -> tuple[dict[str, Any], ...]:
    """Return the primary keys of some offenders, where the config lets them be seen."""
    derived = _of(audit)
    if not _may_show(derived, how.show_keys):
        return ()
    source = derived.keys or audit.sql
    query = f"""SELECT json_agg(row_to_json(k.*))
        FROM (SELECT {_listed(derived)} FROM ({source} LIMIT {SHOWN}) AS o) AS k"""  # noqa: S608
    try:
        with conn.transaction():
            _set(conn, derived.path, audit.timeout)
            return tuple(catalog.one(conn, query)[0] or ())
    except psycopg.Error:
        if conn.closed:
            raise
        return ()


def _listed(derived: Derived) -> str:
    return ", ".join(f"o.{_quoted(name)}" for name, _ in derived.primary)


def _may_show(derived: Derived, said: bool | tuple[str, ...] | None) -> bool:
    if not derived.primary or derived.table is None or said is False:
        return False
    if said is None:
        return len(derived.primary) == 1 and derived.primary[0][1] in _HARMLESS
    return said is True or bool({str(derived.table), ".".join(derived.table)} & {*said})


def skipped(audits: Iterable[Audit], reason: str) -> list[Finding]:
    """Build the findings of derived audits that are not asked."""
    how = How()
    found = (_found(audit, Verdict.UNKNOWN, reason, how) for audit in audits)
    return [replace(f, status=Status.SKIPPED, remedy=None, verdict=None) for f in found]
