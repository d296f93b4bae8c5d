"""Resolve: record what a person says is true of one migration."""

from migsafe import findings, histories, ledger, target
from migsafe.config import Settings
from migsafe.errors import BusyError, ExitCode, UsageError, nearest
from migsafe.findings import Finding, Severity
from migsafe.histories import Standing, State
from migsafe.pipeline.questions import check_writable
from migsafe.pipeline.session import Session, directory_of, kept, keys_of, opened, wanted
from migsafe.reports import Report


def resolve(
    settings: Settings, *, applied: str | None, rolled_back: str | None, force: bool
) -> Report:
    """Record what a person says is true of one migration; without `force` it is refused."""
    name = applied or rolled_back
    if name is None or (applied and rolled_back):
        raise UsageError("resolve", "says nothing or two things", "give --applied or --rolled-back")
    with (
        opened(settings, "resolve", directory_of(settings), read_only=False) as session,
        target.connect(session.target) as keeper,
        ledger.locked(keeper, keys_of(session), session.target.place),
    ):
        session.locked = True
        standing = session.stand()
        _check_claim(session, standing, name, applied=bool(applied))
        if not force:
            claim = "applied" if applied else "rolled back"
            found = _without_evidence(name, claim)
            return session.report(ExitCode.FINDINGS, findings=(found,))
        check_writable(session)
        _mark(session, standing, name, applied=bool(applied))
        standing = session.stand()
        advice = "migsafe plan" if standing.state is State.MANAGED else "migsafe status"
        note = (f"{name} is recorded as {'applied' if applied else 'rolled back'}.",)
        report = session.report(ExitCode.OK, findings=standing.findings, notes=note, next=advice)
        return kept(session, report, store=True)


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


def _without_evidence(name: str, claim: str) -> Finding:
    return findings.history(
        "MH111",
        "claim-without-evidence",
        Severity.ERROR,
        f"nothing here proves that {name} is {claim}; a wrong record hides a missing change",
        migration=name,
        remedy="Look at the schema yourself, then say it again with --force.",
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
