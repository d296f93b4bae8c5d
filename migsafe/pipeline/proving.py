"""Whether the ledger still holds every run as it was stored, as far as anything here can tell."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import psycopg
from msgspec.structs import replace
from psycopg.errors import UndefinedColumn, UndefinedTable

from migsafe import chain, ledger, reports
from migsafe.chain import Link, broken
from migsafe.config import Settings
from migsafe.errors import BusyError, ExitCode, UsageError
from migsafe.findings import Finding, Severity, Source, Status
from migsafe.pipeline.session import KEPT, Session, opened
from migsafe.reports import Report
from migsafe.restore import journal
from migsafe.restore.journal import Record
from migsafe.restore.pair import SERVED

#: What was looked for, by code: each passes where nothing is found.
_LOOKED_FOR = {
    "MH121": ("run-edited", "{} stored as they were: text, sum and columns agree"),
    "MH122": ("run-missing", "{}, each of which follows one that is there"),
    "MH123": ("run-inserted", "{} in one line: no two follow the same one"),
    "MH124": ("report-differs", "no report file here says otherwise"),
    "MH125": ("run-unreported", "no run left receipts without a report"),
}

_FOLDER = KEPT / "reports"

#: How reading a ledger fails whose tables somebody changed, or filled with what Python has no
#: value for, such as the year 20000.
_ALTERED = (UndefinedTable, UndefinedColumn, psycopg.DataError)


def prove(settings: Settings, *, noted: str | None = None, killed: Sequence[str] = ()) -> Report:
    """Say whether a run was removed or edited, and where the chain of the ledger breaks.

    `noted` is a sum that somebody has kept elsewhere; `killed` are runs known to have died before
    they could store their report.
    """
    if noted is not None and not re.fullmatch("[0-9A-Fa-f]{64}", noted):
        raise UsageError("--noted", "is no sum of a run", "give the 64 digits that were noted")
    with opened(settings, "history", None) as session:
        try:
            return _proved(session, noted, killed)
        except _ALTERED:
            return session.report(ExitCode.FINDINGS, findings=(_altered(),))


def _proved(session: Session, noted: str | None, killed: Sequence[str]) -> Report:
    links = ledger.links(session.conn)
    files, unread = _files(session.settings.root / _FOLDER)
    found = [
        *chain.check(links),
        *_nothing(links),
        *_cut(links, noted),
        *_held_against(session, files, _gone_back(session)),
        *_damaged(unread, links),
        *_unreported(session, killed),
    ]
    failed = any(not finding.suppressed for finding in found)
    return session.report(
        ExitCode.FINDINGS if failed else ExitCode.OK,
        findings=(*found, *_passed(found, len(links))),
        notes=(*_notes(links, files, session), *_unheld(unread, links)),
        next="migsafe report RUN, for what is left of it." if failed else None,
    )


def _altered() -> Finding:
    return broken(
        "MH121",
        "run-edited",
        "the tables of the ledger are not as migsafe made and filled them, so that none of its "
        "runs could be read",
        remedy="Hold them against the files in .migsafe/reports, or against a backup.",
    )


def _nothing(links: Sequence[Link]) -> Iterator[Finding]:
    """Refuse to call a ledger whole that is not there: it may have been dropped."""
    if not links:
        yield broken(
            "MH122",
            "run-missing",
            "the target has no run of migsafe, so nothing is proved",
            remedy="Nothing is wrong where migsafe has never changed this database.",
        )


def _cut(links: Sequence[Link], noted: str | None) -> Iterator[Finding]:
    if noted and noted.lower() not in {item.sha256 for item in links}:
        yield broken(
            "MH122",
            "run-missing",
            f"no run in the ledger has the sum {noted[:12]}…, which was noted",
            remedy="The newest runs were removed, or the chain was written anew, or the database "
            "was restored to a time before it.",
        )


def _files(folder: Path) -> tuple[list[Report], list[Path]]:
    """Read the reports beside the config file, oldest first, and name what cannot be read."""
    found, unread = [], []
    for file in sorted(folder.glob("*.json")):
        try:
            found.append(reports.parse(file.read_text("utf-8")))
        except (ValueError, OSError, RecursionError):
            unread.append(file)
    return found, unread


def _damaged(unread: Iterable[Path], links: Iterable[Link]) -> Iterator[Finding]:
    """Yield the files of runs in the ledger that cannot be held against it."""
    stored = {item.run for item in links}
    for run in (file.stem for file in unread if file.stem in stored):
        yield broken(
            "MH124",
            "report-differs",
            f"the report file of run {run} cannot be read as a report",
            remedy=f"Read {_FOLDER}/{run}.json as its owner; where it is damaged, put back a "
            "backup of it.",
        )


def _unheld(unread: Iterable[Path], links: Iterable[Link]) -> Iterator[str]:
    stored = {item.run for item in links}
    if names := [file.name for file in unread if file.stem not in stored]:
        yield f"No report that can be read, and held against nothing: {', '.join(names)}"


def _is_of(report: Report, session: Session) -> bool:
    """Tell whether a report is about this target: a copy of it has its runs, and later ones not."""
    at, server = report.target, session.server
    here = (server.host, server.port, server.database)
    return at is not None and (at.host, at.port, at.database) == here


def _gone_back(session: Session) -> list[Record]:
    """Return the restores of this checkout by which the target got the ledger of another time."""
    found = [one.record for one in journal.journals(session.settings.root / KEPT / "restores")]
    return [one for one in found if one.place == session.target.place and one.ended]


def _is_lost(file: Report, restore: Record) -> bool:
    """Tell whether a run's report went with the database that a restore put aside.

    That is one of the old database after the snapshot, or one of the copy before it was given up.
    """
    if restore.ended is None or file.started > restore.ended:
        return False
    if restore.outcome == "swapped":
        return file.run >= restore.run
    return restore.outcome == "undone" and bool(restore.memory.get(SERVED))


def _held_against(
    session: Session, files: Iterable[Report], restores: Sequence[Record]
) -> Iterator[Finding]:
    """Compare each file with the ledger's report of that run."""
    for file in files:
        text = ledger.report(session.conn, file.run)
        name = f"{_FOLDER}/{file.run}.json"
        if text is None and file.previous is not None and _is_of(file, session):
            by = next((one for one in restores if _is_lost(file, one)), None)
            found = broken(
                "MH122",
                "run-missing",
                f"run {file.run} of {file.started:%Y-%m-%d %H:%M} is not in the ledger, although "
                "its report file says that it was stored",
                remedy="It was removed from the ledger, or the database was restored to a time "
                f"before it. {name} has the report.",
            )
            yield replace(found, suppressed=f"put aside by the restore {by.id}") if by else found
        elif text is not None and not _same(file, text):
            yield broken(
                "MH124",
                "report-differs",
                f"run {file.run} of {file.started:%Y-%m-%d %H:%M} is not the same in the ledger "
                "and in its report file",
                remedy=f"The ledger's chain says whether the ledger was edited; else {name} was.",
            )


def _same(file: Report, text: str) -> bool:
    """Compare with the text in the ledger, of which an answer lost at COMMIT knows no link."""
    try:
        stored = reports.parse(text)
    except ValueError:
        return False
    linked = replace(file, previous=stored.previous) if file.previous is None else file
    return linked == stored


def _unreported(session: Session, killed: Sequence[str]) -> Iterator[Finding]:
    missing = ledger.unreported(session.conn)
    if missing and ledger.holder(session.conn, ledger.LOCK):
        raise BusyError("ledger", "a deployment is running, whose report is to come", "wait for it")
    for run, recorded in missing:
        found = broken(
            "MH125",
            "run-unreported",
            f"run {run} left receipts, the last at {recorded:%Y-%m-%d %H:%M}, and no report: it "
            "was killed before its end, or its report was removed",
            remedy=f"Where it is known to have been killed: --killed {run}",
        )
        yield replace(found, suppressed="said to have been killed") if run in killed else found


def _passed(found: Iterable[Finding], count: int) -> Iterator[Finding]:
    """Yield what was looked for and not found, so that the report proves it."""
    failed = {finding.code for finding in found}
    runs = f"{count} run{'' if count == 1 else 's'}"
    for code, (name, message) in _LOOKED_FOR.items():
        if code not in failed:
            yield Finding(
                code=code,
                name=name,
                source=Source.HISTORY,
                severity=Severity.INFO,
                status=Status.PASSED,
                message=message.format(runs),
            )


def _unguarded(session: Session) -> Iterator[str]:
    """Say which tables of the ledger have lost what refuses a change of their rows."""
    rows = session.conn.execute(
        """SELECT r FROM unnest(ARRAY['migsafe.runs', 'migsafe.receipts']) AS r
           WHERE to_regclass(r) IS NOT NULL AND NOT EXISTS (
               SELECT FROM pg_catalog.pg_trigger
               WHERE tgrelid = to_regclass(r) AND tgname = 'append_only'
                 AND tgenabled IN ('O', 'A'))"""
    ).fetchall()
    if names := " and ".join(str(name) for (name,) in rows):
        yield f"The trigger append_only is off or gone from {names}: rows can be changed there."


def _notes(links: Sequence[Link], files: Sequence[Report], session: Session) -> tuple[str, ...]:
    """Say which sum to note, and what the newest runs could be missed by."""
    stored, sums = {item.run for item in links}, {item.sha256 for item in links}
    same = sum(file.run in stored for file in files)
    notes = [f"The newest is {last.run}. Its sum: {last.sha256}" for last in chain.ends(links)[-1:]]
    notes.append(
        f"{same} of {len(links)} runs have a report file in {_FOLDER}, and were held against it. "
        "Only a file, a receipt or a sum noted elsewhere shows that the newest runs are missing. "
        "Receipts and the manifests of snapshots are in no chain: nothing shows that one was "
        "edited."
    )
    notes += _unguarded(session)
    away = [
        file
        for file in files
        if file.run not in stored and file.previous is not None and not _is_of(file, session)
    ]
    if away:
        one = len(away) == 1
        notes.append(
            f"{len(away)} report file{' is' if one else 's are'} of another database by its "
            f"address; where that is this one, {'its run is' if one else 'their runs are'} missing."
        )
    for file in away:
        if file.previous in sums:
            notes.append(
                f"Run {file.run} follows one of these in another database, as its file says."
            )
    return tuple(notes)
