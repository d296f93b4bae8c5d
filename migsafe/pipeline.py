"""The use cases: every front end calls these, with settings in and a `Report` out."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ulid import ULID

from migsafe import catalog, config, findings, histories, ledger, reports, target
from migsafe.config import Settings
from migsafe.errors import BusyError, ExitCode, UnreachableError, UsageError, nearest
from migsafe.findings import Finding, Severity
from migsafe.histories import Directory, History, Standing, State
from migsafe.reports import HistoryInfo, Planned, Report, TargetInfo
from migsafe.target import Connection, Target

if TYPE_CHECKING:  # heavy at run time: each use case imports what it needs
    from migsafe.audits import Audit
    from migsafe.plan import Plan, Step
    from migsafe.runner import StepResult
    from migsafe.snapshots import Provider
    from migsafe.verify import Expectation

#: Where reports and snapshots of this checkout are kept, beside the config file.
KEPT = Path(".migsafe")

Notify = Callable[[str], None]


def _silent(_: str) -> None:
    """Say nothing."""


@dataclass(slots=True, kw_only=True)
class _Session:
    """One command on one target: what is open, and what its report will hold."""

    command: str
    settings: Settings
    target: Target
    conn: Connection
    server: catalog.Server
    run: str
    started: datetime
    clock: float
    #: Whether migsafe itself made it read-only.
    read_only: bool
    history: History | None = None
    standing: Standing | None = None
    busy: int | None = None
    #: Whether this process holds the locks, on another session, so that nobody else deploys.
    locked: bool = False

    def stand(self) -> Standing:
        """Read where the target stands, and who else is deploying."""
        assert self.history is not None  # noqa: S101  # callers attach it first
        unfinished = ledger.unfinished(self.conn, _identity(self.history))
        names = [item.migration for item in unfinished]
        standing = histories.read(self.history, self.conn, names)
        keys = () if self.locked else _keys(self)
        self.busy = next((pid for key in keys if (pid := ledger.holder(self.conn, key))), None)
        if self.busy and standing.state in (State.FAILED, State.DIRTY):
            standing = _in_progress(standing, self.busy)
        self.standing = standing
        return standing

    def report(self, code: ExitCode, **parts: Any) -> Report:
        """Build the report of this session."""
        return Report(
            command=self.command,
            run=self.run,
            target=_target_info(self),
            history=_history_info(self),
            ok=code is ExitCode.OK,
            exit_code=int(code),
            started=self.started,
            seconds=round(time.monotonic() - self.clock, 3),
            git_commit=_git_commit(self.settings.root),
            **parts,
        )


def _identity(history: History) -> str:
    from migsafe.runner import identity

    return identity(history)


def _in_progress(standing: Standing, pid: int) -> Standing:
    """Call what looks failed "in progress": a deployment that runs now leaves the same rows."""
    names = ", ".join(standing.failed) or "a migration"
    found = findings.history(
        "MH103",
        "migration-in-progress",
        Severity.WARNING,
        f"{names} looks unfinished, but a deployment is running now (server process {pid})",
        remedy="Wait for it to end, then look again.",
    )
    kept = [f for f in standing.findings if f.code not in ("MH102", "MH104")]
    return replace(standing, state=State.MANAGED, failed=(), findings=(*kept, found))


@contextmanager
def _session(
    settings: Settings, command: str, directory: Directory | None, *, read_only: bool = True
) -> Iterator[_Session]:
    """Connect, and attach the history; the directory is read before any connection is made."""
    started, clock = datetime.now(UTC), time.monotonic()
    where = target.resolve(settings.url, name=settings.name, root=settings.root)
    with target.translated(where), target.connect(where, read_only=read_only) as conn:
        session = _Session(
            command=command,
            settings=settings,
            target=where,
            conn=conn,
            server=catalog.server(conn),
            run=str(ULID()),
            started=started,
            clock=clock,
            read_only=read_only,
        )
        if directory:
            session.history = histories.attach(directory, conn, where)
        yield session


def _directory(settings: Settings) -> Directory | None:
    """Load the migrations that the settings name; None where they name none."""
    if settings.migrations is None:
        return None
    return histories.load(settings.migrations, settings.history)


def _wanted(session: _Session) -> History:
    if session.history is None:
        raise UsageError(
            "history", "no migrations are named", "give --migrations, or run migsafe init first"
        )
    return session.history


def _target_info(session: _Session) -> TargetInfo:
    server = session.server
    return TargetInfo(
        name=session.target.name,
        host=server.host,
        port=server.port,
        database=server.database,
        user=server.user,
        server_version=server.version,
    )


def _history_info(session: _Session) -> HistoryInfo | None:
    if session.history is None or session.standing is None:
        return None
    standing = session.standing
    return HistoryInfo(
        kind=session.history.directory.kind,
        path=str(session.history.directory.path),
        table=session.history.table,
        state=str(standing.state),
        applied=tuple(standing.applied),
        pending=tuple(migration.name for migration in standing.pending),
        failed=tuple(standing.failed),
        missing=tuple(standing.missing),
        edited=tuple(standing.edited),
        finished=standing.finished,
    )


def _git_commit(root: Path) -> str | None:
    """Return the commit of the checkout that holds the config, None outside one."""
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(root), "rev-parse", "HEAD"],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return done.stdout.strip() or None


def _gated(session: _Session, found: Iterable[Finding]) -> ExitCode:
    """Return the exit code that the state and the findings give, the gravest first."""
    state = session.standing.state if session.standing else None
    if session.busy and any(f.code == "MH103" for f in found):
        return ExitCode.BUSY
    if state is State.DIRTY:
        return ExitCode.DIRTY
    if state in (State.FAILED, State.UNMANAGED):
        return ExitCode.UNMANAGED
    refused = findings.blocking(found, session.settings.gate)
    return ExitCode.FINDINGS if refused else ExitCode.OK


_NEXT = {
    ExitCode.BUSY: "wait for the other deployment, then run it again.",
    ExitCode.DIRTY: "look at what is in effect, finish or undo it, then migsafe resolve --applied "
    "NAME --force, or --rolled-back.",
    ExitCode.UNMANAGED: "migsafe resolve --applied NAME --force, once for each migration that is "
    "in effect.",
}


# ---------------------------------------------------------------- questions


def status(settings: Settings) -> Report:
    """Hold the history against its table and the live schema."""
    with _session(settings, "status", _directory(settings)) as session:
        _wanted(session)
        standing = session.stand()
        code = _gated(session, standing.findings)
        advice = "migsafe plan" if standing.pending else None
        return session.report(code, findings=standing.findings, next=_NEXT.get(code) or advice)


def audit(settings: Settings) -> Report:
    """Ask every audit of the target; the history only says which migrations are pending."""
    directory = _directory(settings)
    audits = _audits(settings, directory)
    if not audits:
        raise UsageError("audits", "there are none to run", "give --audits, or write audits/*.sql")
    with _session(settings, "audit", directory) as session:
        found = _answers(session, audits)
        refused = findings.blocking(found, settings.gate)
        code = ExitCode.FINDINGS if refused else ExitCode.OK
        advice = "do what the remedy says, then migsafe audit." if refused else "migsafe plan"
        return session.report(code, findings=found, next=advice)


def _audits(settings: Settings, directory: Directory | None) -> "list[Audit]":
    """Read the audits and check that the migrations they name are there, before any connection."""
    from migsafe.audits import files

    audits = files.load(settings.audits) if settings.audits else []
    names = [m.name for m in directory.migrations] if directory else []
    for item in audits:
        for name in item.before:
            if name not in names:
                hint = nearest(name, names) or "name the migrations with --migrations"
                raise UsageError(str(item.file), f"before: there is no migration {name}", hint)
    return audits


def _answers(session: _Session, audits: "Sequence[Audit]") -> tuple[Finding, ...]:
    from migsafe.audits import run

    pending: list[str] = []
    if session.history:
        applied = {*(session.standing or session.stand()).applied}
        pending = [m.name for m in session.history.directory.migrations if m.name not in applied]
    return tuple(run.run(session.target, audits, pending)) if audits else ()


def plan(settings: Settings, *, to: str | None = None, command: str = "plan") -> Report:
    """Say everything that apply would do, with its findings, and change nothing."""
    directory = _directory(settings)
    audits = _audits(settings, directory)
    _expectations(settings, directory)  # apply would refuse them
    with _session(settings, command, directory) as session:
        _wanted(session)
        found, built, code = _judge(session, audits, to)
        go = f"migsafe apply{' --snapshot' if settings.env.snapshot else ''}"
        advice = go if built.steps else None
        if code is ExitCode.FINDINGS:
            advice = "do what the remedies say, then migsafe plan."
        return session.report(
            code, findings=found, plan=_planned(built), next=_NEXT.get(code) or advice
        )


def _judge(
    session: _Session, audits: "Sequence[Audit]", to: str | None
) -> "tuple[tuple[Finding, ...], Plan, ExitCode]":
    """Build the plan, answer the audits and hold both against the gate."""
    from migsafe import plan as planning

    standing = session.stand()
    if to is not None:
        _wanted(session).directory.named(to)
    built = planning.build(standing, to=to)
    found = (*standing.findings, *built.findings, *_prejudged(session, audits))
    code = _gated(session, found)
    if code is ExitCode.OK:
        _check_writable(session)
    return found, built, code


def _prejudged(session: _Session, audits: "Sequence[Audit]") -> tuple[Finding, ...]:
    """Answer the audits before an apply; an empty database has no row that could offend."""
    from migsafe.audits import run

    if session.standing and session.standing.state is State.EMPTY:
        return tuple(run.skipped(item, "the database is empty") for item in audits)
    return _answers(session, audits)


def _check_writable(session: _Session) -> None:
    """Refuse what would fail later: a standby, or a role that may not write the ledgers."""
    history = _wanted(session)
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


def _planned(built: "Plan") -> tuple[Planned, ...]:
    return tuple(
        Planned(migration=s.migration.name, statements=len(s.statements), alone=s.alone)
        for s in built.steps
    )


def verify(settings: Settings) -> Report:
    """Hold the live schema against the expectations, and the history's table against the files."""
    from migsafe import verify as verifying

    directory = _directory(settings)
    expectations = _expectations(settings, directory)
    with _session(settings, "verify", directory) as session:
        standing = session.stand() if session.history else None
        verification, found = verifying.check(session.conn, expectations, standing)
        if not verification.columns:
            found.append(verifying.nothing_compared(severity=Severity.ERROR))
        if standing:
            names = [migration.name for migration in standing.pending]
            found = [*standing.findings, *verifying.not_recorded(names, standing), *found]
        code = _gated(session, found)
        return session.report(code, findings=tuple(found), verification=verification)


def _expectations(settings: Settings, directory: Directory | None) -> "list[Expectation]":
    """Read the expectations and check that the migrations they name are there."""
    from migsafe import verify as verifying

    expectations = verifying.load(settings.audits)
    if any(expectation.since for expectation in expectations):
        names = [m.name for m in directory.migrations] if directory else None
        verifying.check_names(expectations, names)
    return expectations


# ---------------------------------------------------------------- changes


def apply(
    settings: Settings,
    *,
    to: str | None = None,
    snapshot: bool = False,
    confirm: Callable[[Report], bool] | None = None,
    notify: Notify = _silent,
) -> Report:
    """Plan, gate, take a snapshot, run, verify and keep proof; nothing changes before the gate.

    The lock is held from before the plan is read until the report is stored.
    """
    directory = _directory(settings)
    audits, expectations = _audits(settings, directory), _expectations(settings, directory)
    provider = _provider(settings) if snapshot else None
    with (
        _session(settings, "apply", directory, read_only=False) as session,
        target.connect(session.target) as keeper,
        ledger.locked(keeper, _keys(session), session.target.place),
    ):
        session.locked = True
        found, built, code = _judge(session, audits, to)
        planned = _planned(built)
        if code is not ExitCode.OK:
            advice = _NEXT.get(code, "do what the remedies say, then migsafe plan.")
            return _kept(session, session.report(code, findings=found, plan=planned, next=advice))
        if not built.steps:
            return _verified(session, expectations, found, ())
        if confirm and not confirm(session.report(code, findings=found, plan=planned)):
            note = ("Declined; nothing was changed.",)
            return session.report(ExitCode.INTERRUPTED, findings=found, plan=planned, notes=note)
        taken = None
        if provider:
            notify("taking the snapshot")
            folder = settings.root / KEPT / "snapshots"
            taken = provider(session.target, session.server, run=session.run, folder=folder)
        results = _run(session, built.steps, notify)
        return _verified(session, expectations, found, results, snapshot=taken, plan=planned)


def _provider(settings: Settings) -> "Provider":
    from migsafe.snapshots import PROVIDERS

    name = settings.env.snapshot or "pg_dump"
    if name not in PROVIDERS:
        raise UsageError(
            "snapshot", f"the provider {name} is not served", f"one of {', '.join(PROVIDERS)}"
        )
    return PROVIDERS[name]


def _keys(session: _Session) -> Sequence[int]:
    return (ledger.LOCK, *_wanted(session).locks)


def _run(session: _Session, steps: "Sequence[Step]", notify: Notify) -> "tuple[StepResult, ...]":
    """Run the steps; an interruption ends the list with the results so far."""
    from migsafe.runner import Limits, Runner

    env = session.settings.env
    runner = Runner(
        conn=session.conn,
        history=_wanted(session),
        run_id=session.run,
        limits=Limits(lock_timeout=env.lock_timeout, attempts=env.attempts),
    )
    results = []
    for number, result in enumerate(runner.run(steps), start=1):
        notify(f"{number}/{len(steps)} {result.migration}: {result.outcome}")
        results.append(result)
    return tuple(results)


def _verified(
    session: _Session,
    expectations: "Sequence[Expectation]",
    found: Sequence[Finding],
    results: "tuple[StepResult, ...]",
    **parts: Any,
) -> Report:
    """Read the target again, compare, and store the report when something was changed."""
    from migsafe import verify as verifying
    from migsafe.runner import Outcome

    code = _ended(results)
    done = [result.migration for result in results if result.outcome is Outcome.DONE]
    verification = None
    if not session.conn.closed:
        target.reset(session.conn, session.target)
        standing = session.stand()
        verification, checked = verifying.check(session.conn, expectations, standing)
        if not verification.columns:
            checked.append(verifying.nothing_compared(severity=Severity.INFO))
        checked = [*verifying.not_recorded(done, standing), *checked]
        found = (*found, *checked)
        if code is ExitCode.OK and findings.blocking(checked, session.settings.gate):
            code = ExitCode.FINDINGS
    report = session.report(
        code,
        findings=tuple(found),
        steps=results,
        verification=verification,
        next=_after(code, done),
        **parts,
    )
    changed = done or code is ExitCode.DIRTY
    return _kept(session, report, store=bool(changed) and not session.conn.closed)


def _ended(results: "Sequence[StepResult]") -> ExitCode:
    from migsafe.runner import Outcome

    outcomes = {result.outcome for result in results}
    if Outcome.DIRTY in outcomes:
        return ExitCode.DIRTY
    if any(result.interrupted for result in results):
        return ExitCode.INTERRUPTED
    if Outcome.FAILED in outcomes:
        return ExitCode.FAILED
    return ExitCode.BUSY if Outcome.BUSY in outcomes else ExitCode.OK


def _after(code: ExitCode, done: Sequence[str]) -> str | None:
    if code is ExitCode.OK:
        return "migsafe verify" if done else None
    if code is ExitCode.FAILED:
        return "correct the migration, then migsafe apply: the failed one was rolled back."
    return _NEXT.get(code)


def _kept(session: _Session, report: Report, *, store: bool = False) -> Report:
    """Write the report to a file, and into the ledger when the run changed the target."""
    folder = session.settings.root / KEPT
    file = folder / "reports" / f"{report.run}.json"
    report = replace(report, notes=(*report.notes, f"Report: {file}"))
    text = reports.json(report)
    if store:
        with session.conn.transaction():
            ledger.prepare(session.conn)
            ledger.store(session.conn, _as_run(report, text))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        (folder / ".gitignore").write_text("*\n", "utf-8")
        part = file.with_suffix(".part")
        part.write_text(text + "\n", "utf-8")
        part.rename(file)
    except OSError as error:  # what the run did stands, kept in a file or not
        note = f"The report could not be kept in {file}: {error.strerror}"
        return replace(report, notes=(*report.notes[:-1], note))
    return report


def _as_run(report: Report, text: str) -> ledger.Run:
    return ledger.Run(
        id=report.run,
        command=report.command,
        started=report.started,
        exit_code=report.exit_code,
        role=report.target.user if report.target else "",
        host=socket.gethostname(),
        git_commit=report.git_commit,
        report=text,
    )


def resolve(
    settings: Settings, *, applied: str | None, rolled_back: str | None, force: bool
) -> Report:
    """Record what a person says is true of one migration; without `force` it is refused."""
    name = applied or rolled_back
    if name is None or (applied and rolled_back):
        raise UsageError("resolve", "says nothing or two things", "give --applied or --rolled-back")
    with (
        _session(settings, "resolve", _directory(settings), read_only=False) as session,
        target.connect(session.target) as keeper,
        ledger.locked(keeper, _keys(session), session.target.place),
    ):
        session.locked = True
        standing = session.stand()
        _check_claim(session, standing, name, applied=bool(applied))
        if not force:
            claim = "applied" if applied else "rolled back"
            found = _without_evidence(name, claim)
            return session.report(ExitCode.FINDINGS, findings=(found,))
        _check_writable(session)
        _mark(session, standing, name, applied=bool(applied))
        standing = session.stand()
        advice = "migsafe plan" if standing.state is State.MANAGED else "migsafe status"
        note = (f"{name} is recorded as {'applied' if applied else 'rolled back'}.",)
        report = session.report(ExitCode.OK, findings=standing.findings, notes=note, next=advice)
        return _kept(session, report, store=True)


def _check_claim(session: _Session, standing: Standing, name: str, *, applied: bool) -> None:
    """Refuse what Prisma refuses as P3008, P3011, P3012 and P3017, for every kind of history."""
    history = _wanted(session)
    open_ones = [f.migration for f in standing.findings if f.code in ("MH102", "MH104")]
    if session.busy and any(f.code == "MH103" for f in standing.findings):
        raise BusyError(name, "a deployment is running now", "wait for it to end")
    if applied:
        migration = history.directory.named(name)
        if migration.problem:
            raise UsageError(str(migration.path), "cannot be read as it should", migration.problem)
        if name in standing.applied and not _is_unfinished(standing, name):
            raise UsageError(name, "is already recorded as applied", "see migsafe status")
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


def _mark(session: _Session, standing: Standing, name: str, *, applied: bool) -> None:
    """Write the record, unless the tool has done so itself, and its receipt in one transaction."""
    history, conn = _wanted(session), session.conn
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
            history=_identity(history),
            migration=name,
            checksum=known[name].checksum if name in known else "",
            event="applied" if applied else "rolled_back",
        )
        target.send(conn, ledger.write(receipt))


# ---------------------------------------------------------------- past runs


def history(settings: Settings, *, limit: int = 20) -> Report:
    """List past runs from the ledger, newest first."""
    with _session(settings, "history", None) as session:
        runs = tuple(ledger.runs(session.conn, limit=limit))
        notes = () if runs else ("No run of migsafe has changed this target.",)
        advice = "migsafe report RUN" if runs else None
        return session.report(ExitCode.OK, runs=runs, notes=notes, next=advice)


def report(settings: Settings, run: str) -> Report:
    """Read one past report back from the ledger, or from the files of this checkout."""
    file = settings.root / KEPT / "reports" / f"{run}.json"
    if Path(run).name == run and file.is_file():
        return _parsed(str(file), file.read_text("utf-8"))
    with _session(settings, "report", None) as session:
        stored = {item.id: item.report for item in ledger.runs(session.conn)}
    if run not in stored:
        raise UsageError(run, "there is no such run", nearest(run, stored) or "migsafe history")
    return _parsed(run, stored[run])


def _parsed(place: str, text: str) -> Report:
    try:
        return reports.parse(text)
    except ValueError:
        raise UsageError(place, "is not a report of migsafe", "check the run's id") from None


# ---------------------------------------------------------------- set-up


def init(root: Path, migrations: Path | None = None) -> Report:
    """Find the one history below `root` and write `migsafe.toml`; refuse to guess between two."""
    started, clock = datetime.now(UTC), time.monotonic()
    file = root / config.FILE
    if file.exists():
        raise UsageError(str(file), "is already there", "change it, or remove it first")
    path, kind = _only_history(root, migrations)
    mark = "" if (root / "audits").is_dir() else "# "
    text = _TEMPLATE.format(path=path.as_posix(), kind=kind, mark=mark)
    config.parse_text(text, file)
    file.write_text(text, "utf-8")
    return Report(
        command="init",
        run=str(ULID()),
        ok=True,
        exit_code=int(ExitCode.OK),
        started=started,
        seconds=round(time.monotonic() - clock, 3),
        notes=(f"Wrote {file}: a {kind} history in {path}.",),
        next="set DATABASE_URL to your database, then migsafe status",
    )


def _only_history(root: Path, migrations: Path | None) -> tuple[Path, str]:
    if migrations:
        settings = config.HistoryConfig()
        return _relative(migrations, root), histories.load(migrations, settings).kind
    found = list(histories.find(root))
    if not found:
        raise UsageError(str(root), "no migrations are found below it", "give --migrations PATH")
    listed = ", ".join(f"{_relative(path, root)} ({' or '.join(kinds)})" for path, kinds in found)
    if len(found) > 1:
        raise UsageError(str(root), f"holds {len(found)} histories: {listed}", "give --migrations")
    return _relative(found[0][0], root), histories.load(found[0][0], config.HistoryConfig()).kind


def _relative(path: Path, root: Path) -> Path:
    return Path(os.path.relpath(path, root))


_TEMPLATE = """\
# migsafe: which history, which audits, which databases.

[history]
path = "{path}"
kind = "{kind}"

{mark}[audits]
{mark}path = "audits"

[gate]
severity = "error"   # findings of this severity or worse stop apply

# [env.production]
# url = "env:DATABASE_URL"
# snapshot = "pg_dump"
# lock_timeout = "5s"
# attempts = 10
"""
