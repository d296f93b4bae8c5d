"""Snapshots: taking one before a run, or by itself; listing our own, and deleting old ones."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from migsafe import ledger, target
from migsafe.config import Settings
from migsafe.errors import BusyError, UnreachableError, UsageError
from migsafe.pipeline.session import KEPT, Notify, Session, git_commit
from migsafe.snapshots import PROVIDERS, Manifest, Shelf, Taking, manifest, provider

if TYPE_CHECKING:
    from migsafe.target import Target


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


def take(session: Session, notify: Notify, *, wait: bool = True, outcome: str = "open") -> Manifest:
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
    manifest.write(folder(settings), taken)
    return taken


def before_run(session: Session, notify: Notify, *, wait: bool) -> Manifest:
    """Take the copy that a run goes back to, and keep its manifest in the target, too.

    The right to deploy is held meanwhile. It takes hours: the session that is to execute may have
    been cut, and is opened again then; where the lock is lost, BusyError says so.
    """
    with target.translated(session.target):
        if not ledger.may_keep(session.conn):
            problem = "the role may not write migsafe.snapshots"
            remedy = "GRANT INSERT on it, or CREATE on its schema"
            raise UnreachableError(session.target.place, problem, remedy)
        taken = take(session, notify, wait=wait)
        _awake(session)
        with session.conn.transaction():
            ledger.keep(session.conn, _kept(taken))
    return taken


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
