"""One command on one target: what is open, where it stands, and the report that comes of it."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace
from ulid import ULID

from migsafe import catalog, findings, histories, ledger, reports, target
from migsafe.blockers import Blocker
from migsafe.config import Settings
from migsafe.errors import ExitCode, UnreachableError, UsageError
from migsafe.findings import Finding, Severity
from migsafe.histories import Directory, Entry, History, Recorded, Standing, State
from migsafe.reports import HistoryInfo, Report, TargetInfo
from migsafe.target import Session as TargetSession
from migsafe.target import Target

if TYPE_CHECKING:
    from migsafe.deployers import Turn
    from migsafe.pipeline.records import Records

#: Where reports and snapshots of this checkout are kept, beside the config file.
KEPT = Path(".migsafe")

#: Says how far a long command has come.
Notify = Callable[[str], None]


def silent(_: str) -> None:
    """Say nothing."""


#: The next step of a person after each end that is not of their making.
NEXT = {
    ExitCode.BUSY: "wait for the other deployment, then run it again.",
    ExitCode.DIRTY: "migsafe baseline, which says how far it came; then migsafe resolve.",
    ExitCode.UNMANAGED: "migsafe baseline, which finds out what is in effect.",
}


class Session(Struct, kw_only=True):
    """One command on one target: what is open, and what its report will hold."""

    command: str
    settings: Settings
    target: Target
    conn: TargetSession
    server: catalog.Server
    run: str
    started: datetime
    clock: float
    #: Whether migsafe itself made it read-only.
    read_only: bool
    history: History | None = None
    standing: Standing | None = None
    busy: int | None = None
    #: The right to deploy, while this process holds the locks.
    turn: "Turn | None" = None
    #: Who was in the way of the pending migrations when they were judged.
    blockers: tuple[Blocker, ...] = ()
    #: What `shadow.identity` says, where it was asked already.
    shadow: str | None = None

    @property
    def major(self) -> int:
        """The target's major version."""
        return int(self.server.version.split(".")[0])

    def stand(self) -> Standing:
        """Read where the target stands, and who else is deploying."""
        assert self.history is not None  # noqa: S101  # callers attach it first
        unfinished = ledger.unfinished(self.conn, histories.identity(self.history))
        names = [item.migration for item in unfinished]
        standing = histories.read(self.history, self.conn, names)
        keys = () if self.turn else (*keys_of(self), ledger.RUNNING)
        self.busy = next((pid for key in keys if (pid := ledger.holder(self.conn, key))), None)
        if self.busy and standing.state in (State.FAILED, State.DIRTY):
            standing = _in_progress(standing, self.busy)
        self.standing = standing
        return standing

    def adopt(self, records: "Records") -> Standing:
        """Stand as if the history's table held these records already."""
        history = wanted(self)
        applied = [migration.name for migration in records.applied]
        settled = {*applied, *records.rolled_back}
        entries = [
            entry
            for entry in history.entries(self.conn)
            if entry.recorded is not Recorded.FAILED or entry.name not in settled
        ]
        entries += [Entry(name=name, recorded=Recorded.APPLIED) for name in applied]
        self.standing = histories.stand(history, entries, present=True, occupied=(), unfinished=())
        return self.standing

    def renew(self) -> None:
        """Go on in a new connection: migrations leave settings behind, or end their session."""
        self.conn.close()
        self.conn = target.connect(self.target)
        _see_all(self.conn)

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
            blockers=self.blockers,
            **parts,
        )


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
def opened(
    settings: Settings,
    command: str,
    directory: Directory | None,
    *,
    read_only: bool = True,
    texts: bool = True,
    notify: Notify = silent,
) -> Iterator[Session]:
    """Connect, and attach the history; the directory is read before any connection is made.

    `texts` says that the SQL of the migrations is wanted, which of Alembic's only a shadow tells.
    """
    started, clock, run = datetime.now(UTC), time.monotonic(), str(ULID())
    where = target.resolve(settings.url, name=settings.name, root=settings.root, env=settings.env)
    with (
        _let_in(settings, where, run),
        target.translated(where),
        target.connect(where, read_only=read_only) as conn,
    ):
        _see_all(conn)
        session = Session(
            command=command,
            settings=settings,
            target=where,
            conn=conn,
            server=catalog.server(conn),
            run=run,
            started=started,
            clock=clock,
            read_only=read_only,
        )
        try:
            if directory:
                unread = texts and directory.kind == "alembic"
                ahead = partial(_name_shadow, session) if unread else lambda: None
                session.history = histories.attach(directory, conn, where, ahead)
                if unread:
                    session.history = _recorded(session, notify)
            yield session
        finally:
            session.conn.close()
            if directory:
                directory.close()


def _see_all(conn: target.Connection) -> None:
    """Have a policy be an error, instead of records and rows that this role does not see."""
    conn.execute("SET row_security = off")


def _let_in(settings: Settings, where: Target, run: str) -> AbstractContextManager[None]:
    """Open the way to the target until the block ends, where the config asks for that."""
    if not settings.env.temporary_access:
        return nullcontext()
    from migsafe.pipeline import access

    return access.granted(settings, where, run)


def _name_shadow(session: Session) -> None:
    """Ask which server the shadow would be, which takes programs as long as env.py."""
    from migsafe import shadow

    settings = session.settings
    session.shadow = shadow.identity(settings.shadow, major=session.major, root=settings.root)


def _recorded(session: Session, notify: Notify) -> History:
    """Return the history with the SQL that its revisions send."""
    from migsafe.histories.alembic_table import AlembicTable
    from migsafe.pipeline import evidence
    from migsafe.replay import recording

    history = session.history
    assert isinstance(history, AlembicTable)  # noqa: S101  # that is its kind
    directory = recording.recorded(history.directory, evidence.stage(session), notify)
    return replace(history, directory=directory)


def directory_of(
    settings: Settings, meanwhile: Callable[[], object] = lambda: None
) -> Directory | None:
    """Load the migrations that the settings name; None where they name none.

    `meanwhile` is called where another program reads them, while that starts.
    """
    if settings.migrations is None:
        return None
    return histories.load(settings.migrations, settings.history, settings.root, meanwhile)


def wanted(session: Session) -> History:
    """Return the history of a session that cannot go on without one."""
    if session.history is None:
        raise UsageError(
            "history", "no migrations are named", "give --migrations, or run migsafe init first"
        )
    return session.history


def keys_of(session: Session) -> Sequence[int]:
    """Return the advisory keys that a deployment holds: ours, and those of the history's tool."""
    return (ledger.LOCK, *wanted(session).locks)


@contextmanager
def deploying(session: Session, wait: float, notify: Notify) -> Iterator[None]:
    """Hold the right to deploy, waited for so many seconds at most; raise BusyError after them."""
    from migsafe import deployers

    keys = keys_of(session)
    with deployers.turn(
        session.target, session.conn, keys, wait=wait, notify=notify
    ) as session.turn:
        yield
    session.turn = None


def _target_info(session: Session) -> TargetInfo:
    server = session.server
    return TargetInfo(
        name=session.target.name,
        host=server.host,
        port=server.port,
        database=server.database,
        user=server.user,
        server_version=server.version,
    )


def _history_info(session: Session) -> HistoryInfo | None:
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


def git_commit(root: Path) -> str | None:
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


def gated(session: Session, found: Iterable[Finding]) -> ExitCode:
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


def kept(session: Session, report: Report, *, store: bool = False) -> Report:
    """Write the report to a file, and into the ledger when the run changed the target."""
    return filed(session.settings.root, report, partial(_store, session) if store else None)


def filed(
    root: Path,
    report: Report,
    store: Callable[[Report], tuple[Report, list[str]]] | None = None,
) -> Report:
    """Write a report to a file of its own below `root`, once it is stored elsewhere.

    What the run did stands, kept or not: a failure here is a note in the report.
    """
    file = root / KEPT / "reports" / f"{report.run}.json"
    report = replace(
        report,
        notes=(*report.notes, f"Report: {file}"),
        git_commit=git_commit(root),
        host=socket.gethostname(),
    )
    report, lost = store(report) if store else (report, [])
    try:
        _write(file, reports.json(report))
    except OSError as error:
        note = f"The report could not be kept in {file}: {error.strerror}"
        return replace(report, notes=(*report.notes[:-1], note, *lost))
    return replace(report, notes=(*report.notes, *lost))


def _store(session: Session, report: Report) -> tuple[Report, list[str]]:
    """Append the report to the ledger; return it with its link to the run before, and notes."""
    try:
        with target.translated(session.target), session.conn.transaction():
            before = ledger.newest(session.conn)
            linked = replace(report, previous=before or "")
            ledger.store(session.conn, _as_run(linked), before)
    except UnreachableError as error:
        return report, [f"The report could not be kept in the ledger: {error}"]
    return linked, []


def _write(file: Path, text: str) -> None:
    """Write a report for its owner alone: it holds the keys of offending rows."""
    file.parent.mkdir(parents=True, exist_ok=True)
    (file.parent.parent / ".gitignore").write_text("*\n", "utf-8")
    part = file.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_text(text + "\n", "utf-8")
    part.rename(file)


def _as_run(report: Report) -> ledger.Run:
    return ledger.Run(
        id=report.run,
        command=report.command,
        started=report.started,
        exit_code=report.exit_code,
        role=report.target.user if report.target else "",
        host=report.host or "",
        git_commit=report.git_commit,
        report=reports.json(report),
    )
