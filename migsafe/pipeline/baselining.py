"""Baseline: find which migrations are in effect, and record exactly those."""

from collections.abc import Sequence

from msgspec.structs import replace

from migsafe import findings, histories, ledger, target
from migsafe.baseline import Verdict
from migsafe.config import Settings
from migsafe.errors import BusyError, ExitCode, UsageError, nearest
from migsafe.findings import Finding, Severity
from migsafe.histories import Standing, State
from migsafe.pipeline import doubts, evidence
from migsafe.pipeline.evidence import Weighed
from migsafe.pipeline.questions import check_writable
from migsafe.pipeline.records import Records, to_write
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


def baseline(
    settings: Settings,
    *,
    write: bool = False,
    assume: Sequence[str] = (),
    lock_wait: float = 0.0,
    notify: Notify = silent,
) -> Report:
    """Say which migrations the live schema shows to be in effect; with `write`, record them."""
    directory = directory_of(settings)
    assume = [directory.proper(name) for name in assume] if directory else assume
    if not write:
        with opened(settings, "baseline", directory) as session:
            return _answer(session, assume, notify)
    with (
        opened(settings, "baseline", directory, read_only=False) as session,
        deploying(session, lock_wait, notify),
    ):
        return _write(session, assume, notify)


def _answer(session: Session, assume: Sequence[str], notify: Notify) -> Report:
    from migsafe.pipeline import halfway

    wanted(session)
    standing = session.stand()
    weighed = evidence.weigh(session, notify)
    unsure = halfway.unsure(session, weighed)
    found = halfway.detailed(session, judged(weighed, standing, assume, unsure))
    records = to_write(weighed, standing, assume, {f.migration for f in unsure})
    code = _code(session, standing, found)
    return session.report(
        code,
        findings=found,
        baseline=evidence.info(weighed),
        next=_next(weighed, code, records, assume),
    )


def _write(session: Session, assume: Sequence[str], notify: Notify) -> Report:
    from migsafe.pipeline import halfway

    standing = session.stand()
    weighed = evidence.weigh(session, notify)
    unsure = halfway.unsure(session, weighed)
    found = halfway.detailed(session, judged(weighed, standing, assume, unsure))
    code = _code(session, standing, found)
    if code is not ExitCode.OK:
        shown = evidence.info(weighed)
        return kept(session, session.report(code, findings=found, baseline=shown, next=_REMEDIES))
    check_writable(session)
    records = to_write(weighed, standing, assume, {f.migration for f in unsure})
    record(session, weighed, records)
    session.stand()
    names = [migration.name for migration in records.applied]
    are = "migration is" if len(names) == 1 else "migrations are"
    note = f"{len(names)} {are} recorded as applied in {wanted(session).table}."
    report = session.report(
        ExitCode.OK,
        findings=found,
        baseline=evidence.info(weighed, written=names),
        notes=(note, *(f"{name} is recorded as rolled back." for name in records.rolled_back)),
        next="migsafe plan",
    )
    return kept(session, report, store=bool(records))


def judged(
    weighed: Weighed, standing: Standing, assume: Sequence[str], unsure: Sequence[Finding] = ()
) -> tuple[Finding, ...]:
    """Report what stands in the way of a record; what somebody vouches for only warns."""
    for name in assume:
        _check_assumed(weighed, name)
    recorded = {*standing.applied} - {*standing.failed}
    others = [f for f in standing.findings if f.code not in ("MH101", "MH102", "MH107")]
    open_ones = (*doubts.problems(weighed, recorded, standing.failed), *unsure)
    return (
        *others,
        *(_vouched(f) if f.migration in assume else f for f in _left(open_ones, assume)),
    )


def _left(found: Sequence[Finding], assume: Sequence[str]) -> list[Finding]:
    """Leave out what somebody vouches for, but for what the schema contradicts."""
    return [f for f in found if f.severity is Severity.ERROR or f.migration not in assume]


def _vouched(found: Finding) -> Finding:
    return replace(found, severity=Severity.WARNING)


def _check_assumed(weighed: Weighed, name: str) -> None:
    known = weighed.judged(name)
    if known is None:
        hint = nearest(name, weighed.names) or "give its whole name"
        raise UsageError("--assume", f"there is no migration {name}", hint)
    if known.verdict in (Verdict.PENDING, Verdict.SKIPPED):
        found = doubts.contradicted(weighed, known, "assumed to be in effect")
        raise UsageError("--assume", found.message, "leave it out: migsafe apply would run it")


def _code(session: Session, standing: Standing, found: Sequence[Finding]) -> ExitCode:
    if session.busy and any(f.code == "MH103" for f in found):
        return ExitCode.BUSY
    if standing.state is State.DIRTY:
        return ExitCode.DIRTY
    refused = findings.blocking(found, session.settings.gate)
    return ExitCode.FINDINGS if refused else ExitCode.OK


_REMEDIES = "do what the remedies say, then migsafe baseline."


def _next(weighed: Weighed, code: ExitCode, records: Records, assume: Sequence[str]) -> str | None:
    if code is not ExitCode.OK:
        return _REMEDIES
    if not records:
        return "migsafe plan"
    if weighed.decided:
        return "migsafe apply --baseline, or migsafe baseline --write to record and stop there."
    flags = "".join(f" --assume {name}" for name in assume)
    return f"migsafe baseline --write{flags}"


def record(session: Session, weighed: Weighed, records: Records) -> None:
    """Write the records and their receipts in one transaction; everything is read again in it."""
    history, conn = wanted(session), session.conn
    checksums = {migration.name: migration.checksum for migration in weighed.migrations}
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        if evidence.read(session) != weighed.live:
            raise BusyError(
                session.target.place,
                "the schema was changed while it was being looked at",
                "run it again when nobody else changes it",
            )
        ledger.prepare(conn)
        history.prepare(conn)
        histories.mark_applied(history, conn, records.applied)
        for migration in records.applied:
            target.send(conn, _receipt(session, migration.name, migration.checksum, "applied"))
        for name in records.rolled_back:
            history.mark_rolled_back(conn, name)
            target.send(conn, _receipt(session, name, checksums.get(name, ""), "rolled_back"))


def _receipt(session: Session, name: str, checksum: str, event: str) -> target.Write:
    return ledger.write(
        ledger.Receipt(
            run=session.run,
            history=histories.identity(wanted(session)),
            migration=name,
            checksum=checksum,
            event=event,
        )
    )
