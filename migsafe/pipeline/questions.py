"""The use cases that only ask: status, audit, plan and verify."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from copy import deepcopy
from importlib import import_module
from typing import TYPE_CHECKING

from msgspec.structs import replace

from migsafe import catalog, findings, histories
from migsafe.config import Asking, Settings
from migsafe.errors import ExitCode, UnreachableError, UsageError, nearest
from migsafe.findings import Finding, Severity, Source
from migsafe.histories import Directory
from migsafe.pipeline import asking as asked
from migsafe.pipeline.session import (
    NEXT,
    Notify,
    Session,
    directory_of,
    gated,
    opened,
    silent,
    wanted,
)
from migsafe.reports import LockInfo, Planned, Report

if TYPE_CHECKING:  # heavy at run time: each use case imports what it needs
    from migsafe.audits import Audit
    from migsafe.hazards.locks import Mode
    from migsafe.pipeline.records import Records
    from migsafe.planning import Plan
    from migsafe.schema import Key, Schema
    from migsafe.verifying import Expectation


def status(settings: Settings) -> Report:
    """Hold the history against its table and the live schema."""
    with opened(settings, "status", directory_of(settings), texts=False) as session:
        wanted(session)
        standing = session.stand()
        code = gated(session, standing.findings)
        advice = "migsafe plan" if standing.pending else None
        return session.report(code, findings=standing.findings, next=NEXT.get(code) or advice)


def audit(settings: Settings, *, asking: Asking | None = None) -> Report:
    """Ask every audit of the target, and what the pending migrations raise."""
    asking = asking or Asking()
    directory = directory_of(settings)
    audits = audits_of(settings, directory)
    if not audits and not (directory and asking.derived):
        raise UsageError("audits", "there are none to run", "give --audits, or write audits/*.sql")
    with opened(settings, "audit", directory) as session:
        found = tuple(_audited(session, audits, asking))
        refused = findings.blocking(found, settings.gate)
        code = ExitCode.FINDINGS if refused else ExitCode.OK
        notes = _nothing_derived(session) if asking.derived else ()
        if notes and not audits:
            code = gated(session, found)
        advice = "do what the remedy says, then migsafe audit." if refused else "migsafe plan"
        return session.report(code, findings=found, notes=notes, next=NEXT.get(code) or advice)


def audits_of(settings: Settings, directory: Directory | None) -> "list[Audit]":
    """Read the audits and check that the migrations they name are there, before any connection."""
    if settings.audits is None:
        return []
    from migsafe.audits import files

    audits = files.load(settings.audits)
    if directory:
        proper = directory.proper
        audits = [replace(one, before=tuple(map(proper, one.before))) for one in audits]
    names = [m.name for m in directory.migrations] if directory else []
    for item in audits:
        for name in item.before:
            if name not in names:
                hint = nearest(name, names) or "give its whole name, or the right --migrations"
                raise UsageError(str(item.file), f"before: there is no migration {name}", hint)
    return audits


def _audited(session: Session, audits: "Sequence[Audit]", asking: Asking) -> list[Finding]:
    """Answer the audits from files, then those of the pending migrations."""
    from migsafe import planning

    if session.history:
        session.stand()
    schema = asked.schema_of(session) if asking.derived else None
    if schema is None or session.standing is None:
        return asked.answers(session, audits, _pending(session), asking)
    built = planning.parsed(session.standing)
    questions = [*audits, *asked.derived(built, schema, asking)]
    found = asked.answers(session, questions, _pending(session), asking)
    # Comments about hazards are not its matter.
    return [f for f in planning.settled(built, found) if f.source is not Source.HAZARD]


def _nothing_derived(session: Session) -> tuple[str, ...]:
    """Say that pending migrations raised no question, where that is so for want of a record."""
    standing = session.standing
    if standing is None or not standing.pending or asked.is_accounted(standing):
        return ()
    return (f"The history is {standing.state}, so nothing was derived from what is pending.",)


def _pending(session: Session) -> list[str]:
    """Return the migrations that are not applied, also those that will not be run."""
    if session.history is None:
        return []
    applied = {*(session.standing or session.stand()).applied}
    return [m.name for m in session.history.directory.migrations if m.name not in applied]


def plan(
    settings: Settings,
    *,
    to: str | None = None,
    baseline: bool = False,
    command: str = "plan",
    snapshot: bool = False,
    asking: Asking | None = None,
    notify: Notify = silent,
) -> Report:
    """Say everything that apply would do, with its findings, and change nothing.

    With `snapshot`, say what is to be known of the one that would be taken first.
    """
    from migsafe.pipeline import evidence, records, snapshotting, unmanaged

    directory = directory_of(settings, prepare)
    audits = audits_of(settings, directory)
    expectations_of(settings, directory)  # apply would refuse them
    with opened(settings, command, directory) as session:
        wanted(session)
        case = records.case(session, notify) if baseline else None
        if case and not case.decided:
            return unmanaged.undecided(session, case)
        adopted = case.records if case else None
        found, built, code = judge(session, audits, to, adopted, asking=asking)
        if code is ExitCode.UNMANAGED:
            return unmanaged.report(session, found, planned_of(built), notify)
        go = f"migsafe apply{' --snapshot' if settings.env.snapshot else ''}"
        if any(one.code == "MH127" for one in found):
            go += ", with a login that may."
        advice = go if built.steps else None
        if code is ExitCode.FINDINGS:
            advice = "do what the remedies say, then migsafe plan."
        return session.report(
            code,
            findings=found,
            plan=planned_of(built),
            baseline=case and evidence.info(case.weighed),
            next=NEXT.get(code) or advice,
            notes=snapshotting.foreseen(session, notify) if snapshot and built.steps else (),
        )


def prepare() -> None:
    """Import what judging takes; worth a call where there is something else to wait for."""
    from migsafe import hazards

    for name in ("planning", "audits.run", "replay.recording", "pipeline.linting", "names"):
        import_module(f"migsafe.{name}")
    hazards.rules()


def judge(
    session: Session,
    audits: "Sequence[Audit]",
    to: str | None,
    adopted: "Records | None" = None,
    *,
    asking: Asking | None = None,
) -> "tuple[tuple[Finding, ...], Plan, ExitCode]":
    """Build the plan, answer the audits and hold both against the gate.

    `adopted` are records that will be written first: the plan is what is left after them.
    """
    from migsafe import planning
    from migsafe.pipeline import linting, sources

    standing = session.stand() if adopted is None else session.adopt(adopted)
    if to is not None:
        to = wanted(session).directory.named(to).name
    schema = asked.schema_of(session)
    built = planning.build(
        standing,
        to=to,
        schema=deepcopy(schema),
        options=linting.options_of(session.settings, sources.Asked()),
        lock_timeout=session.settings.env.lock_timeout,
    )
    rows = _prejudged(session, audits, built, schema, asking or Asking())
    found = (
        *standing.findings,
        *asked.without_answered(planning.settled(built, [*built.findings, *rows])),
        *_misnamed(session, built),
        *(histories.reading(s.migration) for s in built.steps if s.migration.reads),
        *_in_the_way(session, built),
    )
    if session.command == "plan":  # it may be another role that applies
        found = (*found, *_unable(session, built, schema))
    code = gated(session, found)
    if code is ExitCode.OK and session.command != "plan":
        check_writable(session)
        _check_owned(session, built, schema)
    return found, built, code


def _unable(session: Session, built: "Plan", schema: "Schema | None") -> Iterator[Finding]:
    """Yield a warning where an apply could not run as the role, or on the server, of a plan."""
    try:
        check_writable(session)
        _check_owned(session, built, schema)
    except UnreachableError as error:
        yield findings.history(
            "MH127",
            "cannot-apply",
            Severity.WARNING,
            f"an apply with this login would be refused: {error}",
            remedy="Apply as a role that may, on the primary; its rights are not looked at.",
        )


def _in_the_way(session: Session, built: "Plan") -> list[Finding]:
    """Note who is in the way now, last of all: what was asked before may have taken minutes."""
    from migsafe.blockers import advice, forecast

    own = (session.turn.pid,) if session.turn else ()
    session.blockers = forecast(session.conn, built.waits, own=own)
    return advice.findings(session.blockers)


def _misnamed(session: Session, built: "Plan") -> list[Finding]:
    """Hold the names in the plan against those in the target, with the ledger it will have."""
    from migsafe import names

    if not built.steps:
        return []
    relations, path = catalog.relations(session.conn)
    return names.check(built.steps, relations | {wanted(session).table}, path)


def _prejudged(
    session: Session,
    audits: "Sequence[Audit]",
    built: "Plan",
    schema: "Schema | None",
    asking: Asking,
) -> list[Finding]:
    """Answer the audits before an apply; an empty database has no row that could offend."""
    if session.standing and not session.standing.applied and not catalog.tables(session.conn):
        from migsafe.audits import run

        return [run.skipped(item, "the database is empty") for item in audits]
    questions = [*audits, *asked.derived(built, schema, asking)]
    return asked.answers(session, questions, _pending(session), asking)


def check_writable(session: Session) -> None:
    """Refuse what would fail later: a standby, or a role that may not write the ledgers."""
    history = wanted(session)
    if not session.read_only and catalog.is_read_only(session.conn):
        raise UnreachableError(
            session.target.place,
            "default_transaction_read_only is on",
            "set it off for this role, or connect as another",
        )
    if session.server.standby:
        raise UnreachableError(
            session.target.place, "is a standby, which cannot be written", "connect to the primary"
        )
    # Alembic makes its table itself, as a role that env.py may choose.
    made = history.directory.kind != "alembic"
    missing = catalog.may_write(session.conn, history.table, made=made)
    if missing:
        raise UnreachableError(
            session.target.place,
            f"role {session.server.user} lacks {missing}",
            "grant it, or connect as a role that has it",
        )


def _check_owned(session: Session, built: "Plan", schema: "Schema | None") -> None:
    """Refuse a role that owns not all that the plan changes, as far as the SQL says who it is.

    An Alembic project's env.py may choose another role.
    """
    from migsafe import planning

    if schema is None or wanted(session).directory.kind == "alembic":
        return
    places = planning.altered(built, schema)
    if others := catalog.not_owned(session.conn, places):
        key, *more = (key for key in places if key in others)
        raise UnreachableError(
            session.target.place,
            f"role {session.server.user} does not own {key}, which {places[key]} changes"
            + (f", nor {len(more)} more" if more else ""),
            "apply as its owner, or as a member of the owner's role",
        )


def planned_of(built: "Plan") -> tuple[Planned, ...]:
    """Return the rows of a plan for a report, each with the strongest lock on each relation."""
    strongest: dict[str, dict[Key, Mode]] = defaultdict(dict)
    for wait in built.waits:
        if wait.relation and wait.mode:
            taken = strongest[wait.migration]
            taken[wait.relation] = max(wait.mode, taken.get(wait.relation, wait.mode))
    return tuple(
        Planned(
            migration=step.migration.name,
            statements=len(step.statements),
            alone=step.alone,
            locks=tuple(
                LockInfo(relation=str(relation), mode=str(mode))
                for relation, mode in strongest[step.migration.name].items()
            ),
        )
        for step in built.steps
    )


def verify(
    settings: Settings, *, owners: bool = False, grants: bool = False, notify: Notify = silent
) -> Report:
    """Hold the live schema against the expectations and against what the history makes.

    `owners` and `grants` are compared only when asked: the shadow has its own roles.
    """
    from migsafe import verifying
    from migsafe.pipeline import comparing, modelling

    directory = directory_of(settings)
    expectations = expectations_of(settings, directory)
    with opened(settings, "verify", directory) as session:
        standing = session.stand() if session.history else None
        verification, found = verifying.check(session.conn, expectations, standing)
        also = tuple(name for name, asked in (("owner", owners), ("grant", grants)) if asked)
        verification, compared = comparing.compared(session, verification, also, notify)
        models, notes = modelling.compared(session)
        found += [*compared, *models]
        nothing = not verification.columns and not verification.facts
        if nothing:
            found.append(verifying.nothing_compared(severity=Severity.ERROR))
        if standing:
            names = [migration.name for migration in standing.pending]
            found = [*standing.findings, *verifying.not_recorded(names, standing), *found]
        code = gated(session, found)
        amiss = _UNKNOWN if nothing else _AMISS
        advice = NEXT.get(code) or (code is not ExitCode.OK and amiss) or None
        return session.report(
            code, findings=tuple(found), verification=verification, notes=notes, next=advice
        )


_AMISS = "find out who made the difference, then do what the remedies say."
_UNKNOWN = "do what the remedies say, then migsafe verify."


def expectations_of(settings: Settings, directory: Directory | None) -> "list[Expectation]":
    """Read the expectations and check that the migrations they name are there."""
    from migsafe import verifying

    expectations = verifying.load(settings.audits)
    if any(expectation.since for expectation in expectations):
        names = [m.name for m in directory.migrations] if directory else None
        if directory:
            proper = directory.proper
            expectations = [
                replace(one, since=one.since and proper(one.since)) for one in expectations
            ]
        verifying.check_names(expectations, names)
    return expectations
