"""Restore: back to a snapshot, beside the database first; nothing changes without being told to."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from ulid import ULID

from migsafe import restore as restoring
from migsafe import target
from migsafe.config import Settings
from migsafe.errors import BusyError, ExitCode, MigsafeError, UnreachableError, UsageError
from migsafe.findings import Finding
from migsafe.pipeline import losses
from migsafe.pipeline.session import KEPT, Notify, directory_of, filed
from migsafe.pipeline.snapshotting import folder as shelf
from migsafe.reports import Report, RestoreInfo, RestoreStep
from migsafe.restore import Differs, Restoring, Step, Way, journal
from migsafe.restore.journal import Journal
from migsafe.snapshots import Manifest, manifest

if TYPE_CHECKING:
    from migsafe.target import Target


class Asked(Struct, frozen=True, kw_only=True):
    """What the command line said; without `yes` nothing is changed."""

    name: str
    yes: bool = False
    swap: bool = False
    resume: bool = False
    undo: bool = False


class _Night(Struct, frozen=True, kw_only=True):
    """One call of the command."""

    settings: Settings
    asked: Asked
    started: datetime
    clock: float
    restoring: Restoring
    way: Way
    earlier: Sequence[Journal]

    @property
    def journal(self) -> Journal:
        return self.restoring.journal

    @property
    def swaps(self) -> bool:
        """Tell whether the swap is asked for, or was begun before."""
        begun = {entry.step for entry in self.journal.record.entries}
        return self.asked.swap or any(step.name in begun for step in self.way.swap())

    def steps(self) -> list[Step]:
        """Return the steps that are asked for."""
        return [*self.way.beside(), *(self.way.swap() if self.swaps else ())]


def restore(settings: Settings, asked: Asked, notify: Notify) -> Report:
    """Restore beside, verify, and with `swap` give the copy the database's name.

    Without `yes`, say what would be done and lost. What stops midway is no exception but a report
    whose next step is the command that goes on. The report is kept as a file: a ledger that is
    restored is that of the snapshot.
    """
    night = _night(settings, asked, notify)
    return filed(settings.root, _restored(night)) if asked.yes else _shown(night)


def _restored(night: _Night) -> Report:
    folder = night.journal.path.parent
    with journal.held(folder, night.journal.record.key):
        _refuse_stale(night, journal.journals(folder))
        night.journal.kept = True
        try:
            notes = _acted(night)
        except Differs as error:
            return _differs(night, error)
        except (MigsafeError, KeyboardInterrupt) as error:
            return _stopped(night, error)
    return _report(night, ExitCode.OK, notes=notes, next=_next(night))


def _night(settings: Settings, asked: Asked, notify: Notify) -> _Night:
    """Find the snapshot and the restore that is meant, and how it goes."""
    from migsafe.restore.ways import WAYS

    started, clock = datetime.now(UTC), time.monotonic()
    if (settings.url or "").startswith("rds-iam:"):
        problem = "rds-db:connect names the database that was, so no copy takes its tokens"
        raise UsageError("rds-iam://…", problem, "give a URL with a password for a restore")
    where = target.resolve(settings.url, name=settings.name, root=settings.root, env=settings.env)
    known = _manifest(settings, where, asked.name)
    if known.provider not in WAYS:
        problem = f"snapshots of {known.provider} are not restored by this version"
        raise UsageError(asked.name, problem, "restore it by hand")
    if known.place != where.place:
        problem = f"the snapshot is of {known.place}, and this is {where.place}"
        raise UsageError(asked.name, problem, "name the environment that the snapshot is of")
    earlier = journal.journals(settings.root / KEPT / "restores")
    kept = Restoring(
        target=where,
        env=settings.env,
        folder=shelf(settings),
        manifest=known,
        journal=_journal(settings, known, where, asked, earlier),
        notify=notify,
        fingerprint=_fingerprint(settings, where),
    )
    return _Night(
        settings=settings,
        asked=asked,
        started=started,
        clock=clock,
        restoring=kept,
        way=WAYS[known.provider](kept),
        earlier=earlier,
    )


def _refuse_stale(night: _Night, now: Sequence[Journal]) -> None:
    """Refuse what was decided by journals that another process has gone on with since."""
    key = night.journal.record.key
    then, seen = (
        [one.record for one in some if one.record.key == key] for some in (night.earlier, now)
    )
    if then != seen:
        raise BusyError(night.asked.name, "another process was restoring", "look again, then go on")


def _manifest(settings: Settings, where: "Target", name: str) -> Manifest:
    """Find a manifest by run or snapshot: in the folder, else in the ledger of the database."""
    unread: list[str] = []
    for path in manifest.files(shelf(settings)):
        try:
            found = manifest.load(path)
        except UsageError as error:  # that of another one stands in nobody's way
            unread.append(f", and {error}")
            continue
        if name in (found.run, found.id):
            return found
    problem = "".join(unread[:1])
    try:
        kept = _of_ledger(where, name)
    except UnreachableError as error:
        kept, problem = None, f"{problem}, and the ledger cannot be read ({error})"
    if kept is None and settings.env.snapshot == "rds":
        from migsafe.restore import unwritten

        kept = unwritten.found(where, settings.env, name)
    if kept is None:
        remedy = "migsafe snapshot list; a manifest is RUN.json where the snapshot was taken"
        raise UsageError(name, f"there is no manifest in {shelf(settings)}{problem}", remedy)
    return kept


def _of_ledger(where: "Target", name: str) -> Manifest | None:
    from migsafe import ledger

    with target.translated(where), target.connect(where, read_only=True) as conn:
        every = ledger.snapshots(conn)
    for kept in every:
        if name in (kept.run, kept.id):
            return manifest.parse(kept.manifest, f"ledger: {name}")
    return None


def _journal(
    settings: Settings, known: Manifest, where: "Target", asked: Asked, earlier: Sequence[Journal]
) -> Journal:
    """Return the restore that is to go on or back, or a new one; one at a time for a database."""
    key = _key(known, where)
    mine = [one for one in earlier if one.record.key == key]
    if asked.resume or asked.undo:
        ends = ("undone",) if asked.undo else ("undone", "swapped")
        found = [one for one in mine if one.record.run == known.run]
        found = [one for one in found if one.record.outcome not in ends]
        if not found:
            verb = "undo" if asked.undo else "resume"
            raise UsageError(asked.name, f"there is no restore to {verb}", "leave that flag out")
        if asked.undo:
            _refuse_later(found[0], mine)
        found[0].kept = False  # a look leaves it alone: its restore may be going on
        return found[0]
    for one in mine:
        _refuse_open(one, known)
    folder, place = settings.root / KEPT / "restores", where.place
    return journal.fresh(folder, run=known.run, provider=known.provider, key=key, place=place)


def _refuse_later(one: Journal, mine: Sequence[Journal]) -> None:
    """Refuse to take back what another restore has built on; `mine` begins with the newest."""
    for later in mine[: mine.index(one)]:
        record = later.record
        if record.outcome == "swapped" or (record.outcome is None and record.entries):
            problem = f"the restore {record.id} of the snapshot of {record.run} came after it"
            remedy = f"migsafe restore {record.run} --undo --yes first, if that is meant"
            raise UsageError(one.record.run, problem, remedy)


def _refuse_open(one: Journal, known: Manifest) -> None:
    """Refuse a second restore beside one that is midway, or beside its own copy."""
    record = one.record
    beside = record.outcome in ("beside", "differs") and record.run == known.run
    if (record.outcome is None and record.entries) or beside:
        state = "stands beside" if beside else "is midway"
        more = "--resume --swap" if record.outcome == "beside" else "--resume"
        remedy = f"migsafe restore {record.run} {more} --yes, or --undo --yes"
        raise UsageError(known.id, f"the restore {record.id} of this database {state}", remedy)


def _key(known: Manifest, where: "Target") -> str:
    """Return by what two restores of one database know each other, however it is written."""
    source = known.source
    if "arn" in source:
        return f"{known.provider}:{source['account']}:{source['region']}:{source['id']}"
    return f"{known.provider}:{where.place}"


def _fingerprint(settings: Settings, where: "Target") -> Callable[..., Any]:
    """Return what reads a session's database, with the rows of the history's own table."""
    from migsafe import histories
    from migsafe.snapshots import fingerprint

    directory = directory_of(settings)

    def read(conn: target.Connection, *, budget: float) -> Any:
        table = histories.attach(directory, conn, where).table if directory else None
        return fingerprint.read(conn, history=table, budget=budget)

    return partial(read)


def _acted(night: _Night) -> tuple[str, ...]:
    """Run or undo the steps; return what a person has to know."""
    way, kept, notify = night.way, night.journal, night.restoring.notify
    with way.claimed():
        if night.asked.undo:
            restoring.undo(kept, [*way.beside(), *way.swap()], notify)
            return ()
        notes = tuple(way.check(swap=night.swaps))
        restoring.run(kept, night.steps(), notify)
        kept.end("swapped" if night.swaps else "beside")
    return notes


def _shown(night: _Night) -> Report:
    """Say what would be done."""
    asked = night.asked
    notes = () if asked.undo else tuple(night.way.check(swap=night.swaps))
    flags = [f"--{flag}" for flag in ("resume", "undo", "swap") if getattr(asked, flag)]
    command = " ".join(["migsafe restore", asked.name, *flags, "--yes"])
    return _report(
        night,
        ExitCode.OK,
        notes=notes,
        lost=_put_aside(night) if asked.undo else losses.read(night.restoring),
        next=f"{command}, to do it.",
    )


def _put_aside(night: _Night) -> list[str]:
    """Say what an undo takes out of service: what the copy got once it had the name."""
    if night.journal.record.outcome != "swapped":
        return []
    copy, _ = night.way.names()
    return [f"What was written since the swap: it stays in the copy, which is kept as {copy}."]


def _differs(night: _Night, error: Differs) -> Report:
    """Report a copy that is not what it must be; after the swap that is midway."""
    owed = any(night.journal.owed(step.name) for step in night.way.swap())
    if owed:
        return _stopped(night, error)
    night.journal.end("differs")
    command = f"migsafe restore {night.asked.name} --undo --yes"
    return _report(night, ExitCode.FINDINGS, next=f"look at the copy; {command} deletes it.")


def _stopped(night: _Night, error: BaseException) -> Report:
    """Report what stopped midway, with the commands that go on and back."""
    kept = night.journal
    if not kept.record.entries:
        with suppress(OSError):  # nothing was begun, so there is nothing to go on with
            kept.path.unlink()
    if not kept.midway and isinstance(error, MigsafeError):
        raise error
    stopped = not isinstance(error, MigsafeError)
    swap = " --swap" if night.asked.swap else ""
    command = f"migsafe restore {night.asked.name}"
    return _report(
        night,
        ExitCode.INTERRUPTED if stopped else ExitCode.DIRTY,
        error="interrupted" if stopped else str(error),
        next=f"{command} --resume{swap} --yes goes on, {command} --undo --yes goes back."
        if kept.midway
        else None,
    )


def _next(night: _Night) -> str | None:
    if night.journal.record.outcome == "beside":
        command = f"migsafe restore {night.asked.name}"
        return f"{command} --resume --swap --yes swaps, {command} --undo --yes deletes the copy."
    return None


def _report(night: _Night, code: ExitCode, *, lost: Sequence[str] = (), **parts: Any) -> Report:
    """Build the report."""
    import msgspec

    memory = night.journal.record.memory
    compared = [] if night.asked.undo else memory.get("findings", [])
    found = msgspec.convert(compared, list[Finding])
    notes = (*parts.pop("notes", ()), *memory.get("notes", ()))
    return Report(
        command="restore",
        run=str(ULID()),
        ok=code is ExitCode.OK,
        exit_code=int(code),
        started=night.started,
        seconds=round(time.monotonic() - night.clock, 3),
        findings=tuple(found),
        restore=_info(night, lost),
        notes=notes,
        **parts,
    )


def _info(night: _Night, lost: Sequence[str]) -> RestoreInfo:
    known, record = night.restoring.manifest, night.journal.record
    copy, old = night.way.names()
    ended = record.outcome in ("beside", "differs", "swapped")
    by_hand: Sequence[str] = ()
    with suppress(UnreachableError):  # the restore is what it is, whether AWS answers now or not
        by_hand = night.way.by_hand(swapped=record.outcome == "swapped") if ended else ()
    return RestoreInfo(
        id=record.id,
        run=known.run,
        provider=known.provider,
        snapshot=known.id,
        place=known.place,
        taken=known.taken,
        copy=copy,
        old=old,
        outcome=record.outcome,
        steps=tuple(_state(night.journal, step.name) for step in night.steps()),
        lost=tuple(lost),
        estimate=estimated(night.earlier, record.key),
        by_hand=tuple(by_hand),
    )


def _state(kept: Journal, step: str) -> RestoreStep:
    lines = [entry for entry in kept.record.entries if entry.step == step]
    last = lines[-1] if lines else None
    return RestoreStep(
        step=step, state=last.event if last else "open", error=last.error if last else None
    )


def estimated(earlier: Sequence[Journal], key: str) -> str:
    """Say how long the last restore of this database took, as its journal has it."""
    for one in earlier:
        times = {entry.step: entry.at for entry in one.record.entries if entry.event == "done"}
        begun = [entry.at for entry in one.record.entries if entry.event == "begun"]
        if one.record.key == key and begun and "verify" in times:
            took = times["verify"] - begun[0]
            return f"{losses.spelled(took)} to the verified copy, last time ({begun[0]:%Y-%m-%d})"
    return "not known: no restore of this database was seen to its end here"
