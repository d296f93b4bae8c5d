"""Snapshots: taking one before a run, or by itself; listing our own, and deleting old ones."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace
from ulid import ULID

from migsafe import config, ledger, target
from migsafe.config import Settings
from migsafe.errors import (
    BusyError,
    ExitCode,
    MigsafeError,
    UnreachableError,
    UsageError,
    code_of,
)
from migsafe.pipeline.session import (
    KEPT,
    Notify,
    Session,
    directory_of,
    git_commit,
    kept,
    opened,
    silent,
)
from migsafe.reports import Report
from migsafe.snapshots import (
    PROVIDERS,
    Copy,
    Manifest,
    Shelf,
    Taking,
    manifest,
    provider,
    pruning,
)

if TYPE_CHECKING:
    from migsafe.target import Target


def create(settings: Settings, *, wait: bool = True, notify: Notify = silent) -> Report:
    """Take a copy by itself; the target is left as it is, so only a file has the manifest."""
    check(settings, wait=wait)
    with opened(settings, "snapshot create", directory_of(settings), texts=False) as session:
        with target.translated(session.target):
            taken = take(session, notify, wait=wait, outcome="none")
        where = f"Manifest: {folder(settings) / f'{taken.run}.json'}"
        report = session.report(
            ExitCode.OK,
            snapshot=manifest.snapshot(taken),
            notes=(*taken.notes, where),
            next=f"migsafe restore {taken.run} says what going back would take.",
        )
        return kept(session, report)


def copies(settings: Settings, *, notify: Notify = silent) -> Report:
    """List our own copies of the target, newest first; the database itself is not asked."""
    began, clock = datetime.now(UTC), time.monotonic()
    where = target.resolve(settings.url, name=settings.name, root=settings.root, env=settings.env)
    found = provider(named(settings)).found(shelf(settings, where, notify))
    return Report(
        command="snapshot list",
        run=str(ULID()),
        ok=True,
        exit_code=int(ExitCode.OK),
        started=began,
        seconds=round(time.monotonic() - clock, 3),
        copies=tuple(sorted(found, key=lambda copy: copy.taken, reverse=True)),
        notes=() if found else (f"migsafe has made no snapshot of {where.place}.",),
        next="migsafe restore RUN says what going back would take." if found else None,
    )


def prune(
    settings: Settings,
    *,
    older_than: str | None = None,
    newest: int | None = None,
    yes: bool = False,
    notify: Notify = silent,
) -> Report:
    """Delete our own old copies of the target; without `yes`, say which.

    What cannot be deleted does not save the others, and fails the command at its end.
    """
    rule = pruning.Rule(
        older_than=config.duration(older_than, "--older-than") if older_than else None,
        newest=newest,
        usual=config.duration(settings.env.snapshot_keep, "snapshot_keep"),
    )
    with opened(settings, "snapshot prune", None) as session:
        whose = shelf(settings, session.target, notify)
        found = provider(named(settings)).found(whose)
        keys = (ledger.LOCK, ledger.RUNNING)
        running = any(ledger.holder(session.conn, key) for key in keys)
        needed = _needed(session)
        judged = pruning.judge(found, rule, needed, datetime.now(UTC), running=running)
        if yes:
            judged = [_deleted(whose, named(settings), copy) for copy in judged]
        failed = [copy for copy in judged if copy.fate == pruning.FAILED]
        code = ExitCode.UNREACHABLE if failed else ExitCode.OK
        return session.report(
            code,
            copies=tuple(judged),
            error=f"{len(failed)} could not be deleted: {failed[0].why}" if failed else None,
            next=_after_pruning(judged),
        )


def _needed(session: Session) -> dict[str, str]:
    """Return the runs whose copies are still called for, and by what."""
    from migsafe.restore import journal

    restores = journal.journals(session.settings.root / KEPT / "restores")
    records = [one.record for one in restores if one.record.outcome not in ("undone", "swapped")]
    return {
        **dict.fromkeys(ledger.needed(session.conn), "the ledger may still need it"),
        **{record.run: f"the restore {record.id} goes back to it" for record in records},
    }


def _deleted(whose: Shelf, name: str, copy: Copy) -> Copy:
    if copy.fate != pruning.DUE:
        return copy
    try:
        provider(name).delete(whose, copy)
    except MigsafeError as error:
        return replace(copy, fate=pruning.FAILED, why=str(error))
    return replace(copy, fate=pruning.DELETED)


def _after_pruning(judged: Sequence[Copy]) -> str | None:
    due = sum(copy.fate == pruning.DUE for copy in judged)
    return f"with --yes, {due} would be deleted." if due else None


def named(settings: Settings) -> str:
    """Return the provider of the settings; raise UsageError where it is none."""
    name = settings.env.snapshot or "pg_dump"
    if name not in PROVIDERS:
        raise UsageError(
            "snapshot", f"the provider {name} is not served", f"one of {', '.join(PROVIDERS)}"
        )
    return name


def folder(settings: Settings) -> Path:
    """Return where manifests and dumps are kept."""
    chosen = settings.env.snapshot_folder
    return settings.root / chosen if chosen else settings.root / KEPT / "snapshots"


def shelf(settings: Settings, where: "Target", notify: Notify) -> Shelf:
    """Return the place of a target's copies."""
    return Shelf(target=where, env=settings.env, folder=folder(settings), notify=notify)


def check(settings: Settings, *, wait: bool) -> None:
    """Refuse what cannot be asked of the provider before anything else is done."""
    if named(settings) != "rds" and not wait:
        raise UsageError("--no-wait", "is for snapshots of RDS only", "leave it out")


def take(
    session: Session,
    notify: Notify,
    *,
    wait: bool = True,
    outcome: str = "open",
    made: Callable[[Manifest], None] = lambda _: None,
) -> Manifest:
    """Take a copy, and write down beside the config file what a restore needs."""
    from migsafe.snapshots import fingerprint

    settings = session.settings
    history = session.history.table if session.history else None
    taken = provider(named(settings)).take(
        Taking(
            target=session.target,
            env=settings.env,
            folder=folder(settings),
            notify=notify,
            server=session.server,
            run=session.run,
            fingerprint=partial(fingerprint.read, history=history),
            git_commit=git_commit(settings.root),
            wait=wait,
            outcome=outcome,
        )
    )
    made(taken)
    manifest.write(folder(settings), taken)
    return taken


@contextmanager
def outlived(session: Session, notify: Notify) -> Iterator[list[Manifest]]:
    """Note at the copies of the block how their run has ended, where an exception ends it."""
    taken: list[Manifest] = []
    try:
        yield taken
    except BaseException as error:
        whose = shelf(session.settings, session.target, notify)
        for one in taken:
            with suppress(MigsafeError):  # an open one is pruned in time, too
                provider(one.provider).settle(whose, one, code_of(error).name)
        raise


def before_run(
    session: Session, notify: Notify, *, wait: bool, made: Callable[[Manifest], None]
) -> Manifest:
    """Take the copy that a run goes back to, and keep its manifest in the target, too.

    `made` hears of the copy as soon as it is there, whatever becomes of the rest. The right to
    deploy is held meanwhile. It takes hours: the session that is to execute may have been cut, and
    is opened again then; where the lock is lost, BusyError says so.
    """
    with target.translated(session.target):
        _refuse_unkept(session)
        taken = take(session, notify, wait=wait, made=made)
        _awake(session)
        with session.conn.transaction():
            ledger.keep(session.conn, _kept(taken))
    return taken


def foreseen(session: Session, notify: Notify) -> tuple[str, ...]:
    """Return what is to be known before a copy is taken; raise where it would be refused."""
    with target.translated(session.target):
        _refuse_unkept(session)
    whose = shelf(session.settings, session.target, notify)
    return tuple(provider(named(session.settings)).foreseen(whose, session.server))


def _refuse_unkept(session: Session) -> None:
    if not ledger.may_keep(session.conn):
        problem = "the role may not write migsafe.snapshots"
        remedy = "GRANT INSERT on it, or CREATE on its schema"
        raise UnreachableError(session.target.place, problem, remedy)


def _kept(taken: Manifest) -> ledger.Kept:
    return ledger.Kept(
        run=taken.run,
        provider=taken.provider,
        id=taken.id,
        taken=taken.taken,
        manifest=manifest.encode(taken),
    )


def _awake(session: Session) -> None:
    """See that a session which was idle for long can execute, and that the lock is held."""
    import psycopg

    turn = session.turn
    assert turn is not None  # noqa: S101  # callers deploy
    try:
        session.conn.execute("SELECT 1")
    except psycopg.OperationalError:
        turn.resume()
        session.conn = turn.runner
    if turn.lost or not turn.held():
        raise BusyError(
            session.target.place,
            "the lock was lost while the snapshot was taken, nothing was applied",
            "run it again",
        )


def settled(session: Session, taken: Manifest, report: Report, notify: Notify) -> Report:
    """Note at the copy how its run has ended; where that fails, the report says so."""
    whose = shelf(session.settings, session.target, notify)
    try:
        provider(taken.provider).settle(whose, taken, ExitCode(report.exit_code).name)
    except MigsafeError as error:
        note = f"The snapshot keeps the outcome open, and is not pruned: {error}"
        return replace(report, notes=(*report.notes, note))
    return report
