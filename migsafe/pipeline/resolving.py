"""Resolve: record what is true of one migration, by evidence, or finish one that stopped midway."""

from typing import TYPE_CHECKING

from migsafe import findings, histories, ledger, target
from migsafe.baseline import Evidence, Verdict
from migsafe.config import Settings
from migsafe.errors import BusyError, ExitCode, UnreachableError, UsageError, nearest
from migsafe.facts import Key
from migsafe.findings import Finding, Severity
from migsafe.histories import Migration, Standing, State
from migsafe.pipeline import baselining, doubts, evidence, records
from migsafe.pipeline.applying import watched
from migsafe.pipeline.questions import check_writable
from migsafe.pipeline.session import (
    Notify,
    Session,
    deploying,
    directory_of,
    kept,
    opened,
    silent,
    wanted,
)
from migsafe.reports import Report

if TYPE_CHECKING:
    pass


def resolve(
    settings: Settings,
    *,
    applied: str | None = None,
    rolled_back: str | None = None,
    finish: str | None = None,
    force: bool = False,
    lock_wait: float = 0.0,
    notify: Notify = silent,
    show: Notify = silent,
) -> Report:
    """Record what is said of one migration where the live schema proves it, or `force` is given.

    `finish` names one that stopped midway: the statements that are not in effect are run.
    """
    said = [name for name in (applied, rolled_back, finish) if name is not None]
    if len(said) != 1:
        raise UsageError(
            "resolve",
            f"{'two things are' if said else 'nothing is'} said",
            "give --applied NAME, --rolled-back NAME, or NAME --finish",
        )
    with (
        opened(settings, "resolve", directory_of(settings), read_only=False) as session,
        deploying(session, lock_wait, notify),
    ):
        name = wanted(session).directory.proper(said[0])
        if finish:
            return _finished(session, name, notify, show)
        return _recorded(session, name, applied=bool(applied), force=force, notify=notify)


def _recorded(session: Session, name: str, *, applied: bool, force: bool, notify: Notify) -> Report:
    standing = session.stand()
    _check_claim(session, standing, name, applied=applied)
    refused = None if force else _judged(session, name, applied=applied, notify=notify)
    if refused:
        advice = "do what the remedy says, then say it again."
        return kept(session, session.report(ExitCode.FINDINGS, findings=refused, next=advice))
    check_writable(session)
    _mark(session, standing, name, applied=applied)
    standing = session.stand()
    advice = "migsafe plan" if standing.state is State.MANAGED else "migsafe status"
    note = (f"{name} is recorded as {'applied' if applied else 'rolled back'}.",)
    report = session.report(ExitCode.OK, findings=standing.findings, notes=note, next=advice)
    return kept(session, report, store=True)


def _judged(
    session: Session, name: str, *, applied: bool, notify: Notify
) -> tuple[Finding, ...] | None:
    """Hold a claim against the live schema; return what refuses it, None where it is proved."""
    from migsafe.pipeline import halfway

    claim = "applied" if applied else "rolled back"
    try:
        weighed = evidence.weigh(session, notify)
    except (UnreachableError, UsageError) as error:
        return (_without_evidence(name, claim, f"the schema was not looked into: {error}"),)
    known = weighed.judged(name)
    if known is None or known.verdict in evidence.UNDECIDED:
        return (_without_evidence(name, claim, "it leaves no trace in the schema"),)
    if known.verdict is Verdict.PARTIAL:
        return tuple(halfway.findings_of(session, [name]))
    if (known.verdict is Verdict.IN_EFFECT) == applied:
        unsure = halfway.unsure(session, weighed) if applied else []
        found = tuple(f for f in unsure if f.migration == name)
        if found or not applied or not known.evidence.changed:
            return found or None
    against = _against(known.evidence, applied=applied)
    return (doubts.contradicted(weighed, known, f"said to be {claim}", by=against),)


def _against(found: Evidence, *, applied: bool) -> tuple[Key, ...]:
    """Return the facts that speak against a claim; those that are otherwise, if nothing does."""
    return (found.absent or found.changed) if applied else found.present


def _finished(session: Session, name: str, notify: Notify, show: Notify) -> Report:
    """Run the statements of a migration that are not in effect, under receipts, and record it."""
    from migsafe.outcomes import Outcome
    from migsafe.pipeline import halfway
    from migsafe.runner import Runner

    standing = session.stand()
    migration = wanted(session).directory.named(name)
    _check_repeatable(session, migration)
    if name in standing.applied and not _is_unfinished(standing, name):
        raise UsageError(name, "is already recorded as applied", "see migsafe status")
    if session.busy and any(f.code == "MH103" for f in standing.findings):
        raise BusyError(name, "a deployment is running now", "wait for it to end")
    notify(f"finding out how far {name} came")
    live = evidence.read(session)
    found = halfway.diagnose(session, migration, live)
    total = len(found.step.statements)
    is_open = name in standing.failed or _is_unfinished(standing, name)
    if not found.decided or (found.least in (0, total) and not is_open):
        refused = halfway.finding(found, is_open=is_open)
        report = session.report(ExitCode.FINDINGS, findings=(refused,), next=refused.remedy)
        return kept(session, report)
    if found.sent is None:
        problem = "stopped between two statements that it sends at once"
        raise UsageError(name, problem, _BY_HAND)
    check_writable(session)
    if open_ones := _baselined(session, name, notify):
        advice = "settle these first, then finish it."
        return kept(session, session.report(ExitCode.UNMANAGED, findings=open_ones, next=advice))
    runner, _ = watched(session, (), notify, show)
    if isinstance(runner, Runner):
        result = runner.finish(found.remaining(), is_open=is_open)
    else:
        result = runner.finish(found.step, found.sent, is_open=is_open)
    session.renew()
    code = ExitCode.OK if result.outcome is Outcome.DONE else ExitCode.DIRTY
    note = f"{total - len(found.rest)} of {total} statements were in effect before."
    findings_ = session.stand().findings
    advice = "migsafe verify" if code is ExitCode.OK else "migsafe baseline, once it is repaired."
    report = session.report(code, findings=findings_, steps=(result,), notes=(note,), next=advice)
    return kept(session, report, store=True)


_BY_HAND = "bring it to its end or undo it by hand, then migsafe resolve --applied or --rolled-back"


def _check_repeatable(session: Session, migration: Migration) -> None:
    """Refuse to finish a revision of Alembic that may send something else than it has sent."""
    from migsafe.histories import alembic
    from migsafe.histories.alembic_table import AlembicTable

    history = wanted(session)
    if not isinstance(history, AlembicTable):
        return
    reason = migration.problem or alembic.wavering(migration)
    began = history.began_with(session.conn, migration)
    if began not in (None, migration.checksum):
        reason = "was edited after it began"
    if reason:
        raise UsageError(migration.name, reason, _BY_HAND)


def _baselined(session: Session, name: str, notify: Notify) -> tuple[Finding, ...]:
    """Record what is in effect besides `name`, where nothing does; return what forbids it."""
    case = records.case(session, notify)
    if case is None or session.standing is None or session.standing.state is not State.UNMANAGED:
        return ()
    open_ones = tuple(
        f
        for f in case.findings
        if f.migration != name and f.severity is not Severity.INFO and f.code != "MV106"
    )
    if not open_ones:
        baselining.record(session, case.weighed, case.records)
    return open_ones


def _check_claim(session: Session, standing: Standing, name: str, *, applied: bool) -> None:
    """Refuse what Prisma refuses as P3008, P3011, P3012 and P3017, for every kind of history."""
    history = wanted(session)
    open_ones = [f.migration for f in standing.findings if f.code in ("MH102", "MH104")]
    if session.busy and any(f.code == "MH103" for f in standing.findings):
        raise BusyError(name, "a deployment is running now", "wait for it to end")
    if applied:
        migration = history.directory.named(name)
        if migration.problem:
            raise UsageError(str(migration.path), "cannot be read as it should", migration.problem)
        if name in standing.applied and not _is_unfinished(standing, name):
            raise UsageError(name, "is already recorded as applied", "see migsafe status")
    elif _is_unfinished(standing, name) and name in {*standing.applied} - {*standing.failed}:
        raise UsageError(
            name,
            f"is recorded as applied in {history.table}",
            "say --applied, which closes what is open",
        )
    elif name not in open_ones:
        known = [*standing.applied, *standing.missing, *(m.name for m in standing.pending)]
        if name not in known:
            hint = nearest(name, [*known, *filter(None, open_ones)]) or "see migsafe status"
            raise UsageError(name, "is not recorded at all", hint)
        raise UsageError(name, "is not in a failed state", "see migsafe status")


def _is_unfinished(standing: Standing, name: str) -> bool:
    """Tell whether receipts are open; the tool may since have recorded the migration itself."""
    return any(f.code == "MH104" and f.migration == name for f in standing.findings)


def _without_evidence(name: str, claim: str, reason: str) -> Finding:
    return findings.history(
        "MH111",
        "claim-without-evidence",
        Severity.ERROR,
        f"nothing proves that {name} is {claim} ({reason}); a wrong record hides a missing change",
        migration=name,
        remedy="Look at the schema and the rows yourself, then say it again with --force.",
    )


def _mark(session: Session, standing: Standing, name: str, *, applied: bool) -> None:
    """Write the record, unless the tool has done so itself, and its receipt in one transaction."""
    history, conn = wanted(session), session.conn
    known = {migration.name: migration for migration in history.directory.migrations}
    with conn.transaction():
        ledger.prepare(conn)
        if not applied:
            history.mark_rolled_back(conn, name)
        elif name not in standing.applied:
            history.prepare(conn)
            history.mark_applied(conn, known[name])
        receipt = ledger.Receipt(
            run=session.run,
            history=histories.identity(history),
            migration=name,
            checksum=known[name].checksum if name in known else "",
            event="applied" if applied else "rolled_back",
        )
        target.send(conn, ledger.write(receipt))
