"""The use cases that only ask: status, audit, plan and verify."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from migsafe import catalog, findings
from migsafe.config import Settings
from migsafe.errors import ExitCode, UnreachableError, UsageError, nearest
from migsafe.findings import Finding, Severity
from migsafe.histories import Directory
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
from migsafe.reports import Planned, Report

if TYPE_CHECKING:  # heavy at run time: each use case imports what it needs
    from migsafe.audits import Audit
    from migsafe.pipeline.records import Records
    from migsafe.plan import Plan
    from migsafe.verify import Expectation


def status(settings: Settings) -> Report:
    """Hold the history against its table and the live schema."""
    with opened(settings, "status", directory_of(settings)) as session:
        wanted(session)
        standing = session.stand()
        code = gated(session, standing.findings)
        advice = "migsafe plan" if standing.pending else None
        return session.report(code, findings=standing.findings, next=NEXT.get(code) or advice)


def audit(settings: Settings) -> Report:
    """Ask every audit of the target; the history only says which migrations are pending."""
    directory = directory_of(settings)
    audits = audits_of(settings, directory)
    if not audits:
        raise UsageError("audits", "there are none to run", "give --audits, or write audits/*.sql")
    with opened(settings, "audit", directory) as session:
        found = _answers(session, audits)
        refused = findings.blocking(found, settings.gate)
        code = ExitCode.FINDINGS if refused else ExitCode.OK
        advice = "do what the remedy says, then migsafe audit." if refused else "migsafe plan"
        return session.report(code, findings=found, next=advice)


def audits_of(settings: Settings, directory: Directory | None) -> "list[Audit]":
    """Read the audits and check that the migrations they name are there, before any connection."""
    if settings.audits is None:
        return []
    from migsafe.audits import files

    audits = files.load(settings.audits)
    names = [m.name for m in directory.migrations] if directory else []
    for item in audits:
        for name in item.before:
            if name not in names:
                hint = nearest(name, names) or "name the migrations with --migrations"
                raise UsageError(str(item.file), f"before: there is no migration {name}", hint)
    return audits


def _answers(session: Session, audits: "Sequence[Audit]") -> tuple[Finding, ...]:
    from migsafe.audits import run

    pending: list[str] = []
    if session.history:
        applied = {*(session.standing or session.stand()).applied}
        pending = [m.name for m in session.history.directory.migrations if m.name not in applied]
    return tuple(run.run(session.target, audits, pending)) if audits else ()


def plan(
    settings: Settings,
    *,
    to: str | None = None,
    baseline: bool = False,
    command: str = "plan",
    notify: Notify = silent,
) -> Report:
    """Say everything that apply would do, with its findings, and change nothing."""
    from migsafe.pipeline import evidence, records, unmanaged

    directory = directory_of(settings)
    audits = audits_of(settings, directory)
    expectations_of(settings, directory)  # apply would refuse them
    with opened(settings, command, directory) as session:
        wanted(session)
        case = records.case(session, notify) if baseline else None
        if case and not case.decided:
            return unmanaged.undecided(session, case)
        found, built, code = judge(session, audits, to, case.records if case else None)
        if code is ExitCode.UNMANAGED:
            return unmanaged.report(session, found, planned_of(built), notify)
        go = f"migsafe apply{' --snapshot' if settings.env.snapshot else ''}"
        advice = go if built.steps else None
        if code is ExitCode.FINDINGS:
            advice = "do what the remedies say, then migsafe plan."
        return session.report(
            code,
            findings=found,
            plan=planned_of(built),
            baseline=case and evidence.info(case.weighed),
            next=NEXT.get(code) or advice,
        )


def judge(
    session: Session, audits: "Sequence[Audit]", to: str | None, adopted: "Records | None" = None
) -> "tuple[tuple[Finding, ...], Plan, ExitCode]":
    """Build the plan, answer the audits and hold both against the gate.

    `adopted` are records that will be written first: the plan is what is left after them.
    """
    from migsafe import plan as planning

    standing = session.stand() if adopted is None else session.adopt(adopted)
    if to is not None:
        wanted(session).directory.named(to)
    built = planning.build(standing, to=to)
    found = (
        *standing.findings,
        *built.findings,
        *_misnamed(session, built),
        *_prejudged(session, audits),
    )
    code = gated(session, found)
    if code is ExitCode.OK:
        check_writable(session)
    return found, built, code


def _misnamed(session: Session, built: "Plan") -> list[Finding]:
    """Hold the names in the plan against those in the target, with the ledger it will have."""
    from migsafe import names

    if not built.steps:
        return []
    relations, path = catalog.relations(session.conn)
    return names.check(built.steps, relations | {wanted(session).table}, path)


def _prejudged(session: Session, audits: "Sequence[Audit]") -> tuple[Finding, ...]:
    """Answer the audits before an apply; an empty database has no row that could offend."""
    if not audits:
        return ()
    from migsafe.audits import run

    if session.standing and not session.standing.applied and not catalog.tables(session.conn):
        return tuple(run.skipped(item, "the database is empty") for item in audits)
    return _answers(session, audits)


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
    missing = catalog.may_write(session.conn, [history.table])
    if missing:
        raise UnreachableError(
            session.target.place,
            f"role {session.server.user} lacks {missing}",
            "grant it, or connect as a role that has it",
        )


def planned_of(built: "Plan") -> tuple[Planned, ...]:
    """Return the rows of a plan for a report."""
    return tuple(
        Planned(migration=s.migration.name, statements=len(s.statements), alone=s.alone)
        for s in built.steps
    )


def verify(
    settings: Settings, *, owners: bool = False, grants: bool = False, notify: Notify = silent
) -> Report:
    """Hold the live schema against the expectations and against what the history makes.

    `owners` and `grants` are compared only when asked: the shadow has its own roles.
    """
    from migsafe import verify as verifying
    from migsafe.pipeline import comparing

    directory = directory_of(settings)
    expectations = expectations_of(settings, directory)
    with opened(settings, "verify", directory) as session:
        standing = session.stand() if session.history else None
        verification, found = verifying.check(session.conn, expectations, standing)
        also = tuple(name for name, asked in (("owner", owners), ("grant", grants)) if asked)
        verification, compared = comparing.compared(session, verification, also, notify)
        found += compared
        if not verification.columns and not verification.facts:
            found.append(verifying.nothing_compared(severity=Severity.ERROR))
        if standing:
            names = [migration.name for migration in standing.pending]
            found = [*standing.findings, *verifying.not_recorded(names, standing), *found]
        code = gated(session, found)
        advice = NEXT.get(code) or (code is not ExitCode.OK and _AMISS) or None
        return session.report(code, findings=tuple(found), verification=verification, next=advice)


_AMISS = "find out who made the difference, then do what the remedies say."


def expectations_of(settings: Settings, directory: Directory | None) -> "list[Expectation]":
    """Read the expectations and check that the migrations they name are there."""
    from migsafe import verify as verifying

    expectations = verifying.load(settings.audits)
    if any(expectation.since for expectation in expectations):
        names = [m.name for m in directory.migrations] if directory else None
        verifying.check_names(expectations, names)
    return expectations
