"""Gate: whether the target is where this checkout needs it, by its record and by its facts.

Only reads. The record is read again after the verdict: what a deployment changes meanwhile would
else be judged half old, half new.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from migsafe import findings, histories, verifying
from migsafe.config import Settings
from migsafe.errors import ExitCode, UnreachableError, UsageError
from migsafe.findings import Finding, Severity, Source, Status
from migsafe.histories import Directory, State
from migsafe.pipeline.questions import expectations_of
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
from migsafe.reports import Report
from migsafe.verifying import Expectation, Verification

#: Seconds between two looks at a target that is not ready. Arbitrary: a hundred containers that
#: start at once should not be a load.
_PAUSE = 1.0


def gate(
    settings: Settings,
    *,
    wait: float = 0.0,
    allow_ahead: bool = False,
    notify: Notify = silent,
    say: Notify = silent,
) -> Report:
    """Say whether the target is exactly where this checkout needs it.

    For `wait` seconds another deployment is waited for, and a database that does not answer; `say`
    hears what for. With `allow_ahead` a newer release may have added to the schema.
    """
    directory = _directory(settings)
    expectations = expectations_of(settings, directory)

    def look() -> Report:
        with opened(settings, "gate", directory) as session:
            return _looked(session, expectations, allow_ahead, notify)

    return _waited(look, wait, say)


def _directory(settings: Settings) -> Directory:
    """Load the migrations; an image that was built without them must not pass."""
    directory = directory_of(settings)
    if directory is None:
        raise UsageError(
            "gate", "no migrations are named", "give --migrations, or ship migsafe.toml with them"
        )
    if not directory.migrations:
        raise UsageError(
            str(directory.path),
            "holds no migration, so that every schema would do",
            "copy the migrations into the image",
        )
    return directory


def _waited(look: Callable[[], Report], seconds: float, say: Notify) -> Report:
    """Look until nobody deploys or the time is over; the last look decides."""
    began, reason = time.monotonic(), ""
    while True:
        left = began + seconds - time.monotonic()
        try:
            report = look()
            if left <= 0 or report.exit_code != ExitCode.BUSY:
                return _noted(report, time.monotonic() - began, reason)
            latest = next(f.message for f in report.findings if f.code == _RUNNING)
        except UnreachableError as error:
            if left <= 0:
                raise
            latest = str(error)
        if latest != reason:
            say(f"waiting: {latest}")
        reason = latest
        time.sleep(min(_PAUSE, max(0.0, began + seconds - time.monotonic())))


def _noted(report: Report, seconds: float, reason: str) -> Report:
    """Say in the report what was waited for, if anything was."""
    note = f"Waited {seconds:.0f} s: {reason}"
    return replace(report, notes=(*report.notes, note)) if reason else report


def _looked(
    session: Session, expectations: Sequence[Expectation], allow_ahead: bool, notify: Notify
) -> Report:
    """Judge the record, then the facts, and then see whether the record is still the same."""
    session.stand()
    before, was_busy = _read(session), session.busy
    found = _recorded(session, allow_ahead)
    code, verification = _code(session, found), None
    if not _is_elsewhere(code, found):
        verification, compared = _compared(session, expectations, allow_ahead, notify)
        found += compared
        code = _code(session, found)
    session.stand()
    if _read(session) != before or (session.busy and not was_busy):
        found, code = [_running("the record changed while it was read")], ExitCode.BUSY
    return session.report(
        code,
        findings=tuple(found),
        verification=verification,
        notes=_notes(session, found, code),
        next=_next(code, found),
    )


def _is_elsewhere(code: ExitCode, found: Sequence[Finding]) -> bool:
    """Tell whether the record alone decides; one that is only doubtful makes the facts matter."""
    if code is ExitCode.FINDINGS:
        return any(f.code in (_BEHIND, _AHEAD) and not f.suppressed for f in found)
    return code is not ExitCode.OK


def _read(session: Session) -> tuple[object, ...]:
    """Return what a deployment changes of a record."""
    standing = session.standing
    if standing is None:
        return ()
    pending = [migration.name for migration in standing.pending]
    return standing.state, standing.applied, pending, standing.missing, standing.failed


# ---------------------------------------------------------------- the record

_RUNNING, _BEHIND, _AHEAD, _UNPROVED = "MH103", "MV111", "MV112", "MV113"

#: What no --gate lets pass: a wrong record, or none that could be proved.
_ALWAYS = {_BEHIND, _AHEAD, "MV104", "MH117"}

#: What a finding that --allow-ahead lets pass says of itself.
ALLOWED = "--allow-ahead"


def _recorded(session: Session, allow_ahead: bool) -> list[Finding]:
    """Hold the record against the files, with one finding for each way to be elsewhere."""
    standing, history = session.standing, wanted(session)
    if standing is None:
        return []
    names = [migration.name for migration in history.directory.migrations]
    unknown = [name for name in names if name not in {*standing.applied}]
    behind = [] if histories.is_ahead(history, standing.missing) else unknown
    found = [f for f in standing.findings if f.code not in (_RUNNING, "MH105")]
    allowed = ALLOWED if allow_ahead and not unknown else None
    if session.busy:
        holder = f"a deployment is running now (server process {session.busy})"
        found.append(replace(_running(holder), suppressed=allowed))
        if not allowed:
            return found
    if behind and standing.state in (State.EMPTY, State.MANAGED):
        found.append(_behind(behind, len(names), history.table))
    if standing.missing:
        ahead = _ahead(standing.missing, history.table)
        if unknown and not behind:
            remedy = "Start the release that has them: what ran of this one's is not known."
            found.append(replace(ahead, remedy=remedy))
        else:
            found.append(replace(ahead, suppressed=ALLOWED if allow_ahead else None))
    return found


def _running(message: str) -> Finding:
    return findings.history(
        _RUNNING,
        "migration-in-progress",
        Severity.ERROR,
        message,
        remedy="Wait for it to end, then look again: --wait 60s does both.",
    )


def _behind(names: Sequence[str], of: int, table: str) -> Finding:
    return _finding(
        _BEHIND,
        "schema-behind",
        f"{table} lacks {len(names)} of the {of} migrations of this checkout: {_some(names)}",
        count=len(names),
        exact=True,
        remedy="migsafe plan, then migsafe apply.",
    )


def _ahead(names: Sequence[str], table: str) -> Finding:
    return _finding(
        _AHEAD,
        "schema-ahead",
        f"{table} has {len(names)} more than the migrations of this checkout: {_some(names)}",
        count=len(names),
        exact=True,
        remedy="Start the release that has them. Where this one runs on the newer schema too, or "
        "its older migrations were squashed, say --allow-ahead.",
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


#: Names that a message has room for; arbitrary.
_NAMED = 3


# ---------------------------------------------------------------- the facts


def _compared(
    session: Session, expectations: Sequence[Expectation], allow_ahead: bool, notify: Notify
) -> tuple[Verification | None, list[Finding]]:
    """Hold the live schema against the expectations, and against what the record makes of it."""
    standing = session.standing
    verification, found = verifying.check(session.conn, expectations, standing)
    if session.settings.shadow.server == "none":
        return (verification if verification.columns else None), [*found, *_doubtful(session)]
    from migsafe.pipeline import comparing, newer

    try:
        verification, compared = comparing.compared(session, verification, (), notify)
    except UnreachableError as error:
        return verification, [*found, _unproved(str(error), _NO_SHADOW)]
    if allow_ahead and standing and (standing.missing or session.busy):
        compared = newer.allowed(verification, compared, reason=ALLOWED)
    found += compared
    if not verification.columns and not verification.facts:
        found.append(verifying.nothing_compared(severity=Severity.ERROR))
    return verification, found


_NO_SHADOW = (
    "Give the gate a PostgreSQL to replay in: pip install 'migsafe[embedded]', or --shadow URL. "
    "Where the record alone is enough, say --shadow none."
)


def _doubtful(session: Session) -> list[Finding]:
    """Refuse to take the word of a record that is not what its tool wrote of these files."""
    standing = session.standing
    doubtful = [
        finding
        for finding in (standing.findings if standing else ())
        if finding.code in ("MH106", "MH113") and finding.severity is not Severity.INFO
    ]
    names = list(dict.fromkeys(str(finding.migration) for finding in doubtful))
    if not names:
        return []
    reason = f"the record of {_some(names)} is in doubt, and with --shadow none there is no other"
    return [_unproved(reason, "Let the gate compare the schema: leave out --shadow none.")]


def _unproved(reason: str, remedy: str) -> Finding:
    return _finding(
        _UNPROVED,
        "schema-unproved",
        f"whether the schema is what the record says is not known: {reason}",
        remedy=remedy,
    )


def _finding(code: str, name: str, message: str, *, remedy: str, **counted: Any) -> Finding:
    return Finding(
        code=code,
        name=name,
        source=Source.VERIFY,
        severity=Severity.ERROR,
        status=Status.FAILED,
        message=message,
        remedy=remedy,
        **counted,
    )


# ---------------------------------------------------------------- the verdict


def _code(session: Session, found: Sequence[Finding]) -> ExitCode:
    """Return what the findings come to; a wrong or unproved record stops whatever --gate says."""
    codes = {f.code for f in found if f.status is Status.FAILED and not f.suppressed}
    if _RUNNING in codes:
        return ExitCode.BUSY
    code = gated(session, [f for f in found if f.code not in (_RUNNING, _UNPROVED)])
    if code is ExitCode.OK and codes & _ALWAYS:
        return ExitCode.FINDINGS
    if code is ExitCode.OK and _UNPROVED in codes:
        lacking = session.settings.shadow.server != "none"
        return ExitCode.UNREACHABLE if lacking else ExitCode.FINDINGS
    return code


def _notes(session: Session, found: Sequence[Finding], code: ExitCode) -> tuple[str, ...]:
    """Say what a good verdict relies on that is no evidence, and what it overlooks."""
    if code is not ExitCode.OK:
        return ()
    notes = [f"{finding.suppressed}: {finding.message}" for finding in found if finding.suppressed]
    if session.settings.shadow.server == "none":
        notes.append("--shadow none: the record was believed, the schema was not compared with it")
    if session.server.standby:
        notes.append("this is a standby: a deployment on its primary cannot be seen here")
    warned = sum(
        f.severity is Severity.WARNING and f.status is Status.FAILED and not f.suppressed
        for f in found
    )
    if warned:
        notes.append(f"warnings that do not stop it: {warned} (migsafe verify shows them)")
    return tuple(notes)


def _next(code: ExitCode, found: Sequence[Finding]) -> str | None:
    """Return the next step of a person; None where there is none."""
    if code is ExitCode.BUSY:
        return "run it again when the other deployment has ended, or give it --wait 60s."
    if code is not ExitCode.FINDINGS:
        return NEXT.get(code)
    codes = {f.code for f in found if not f.suppressed}
    if _BEHIND in codes:
        return "migsafe plan, then migsafe apply."
    if _AHEAD in codes:
        return "start the release that has these migrations, or say --allow-ahead."
    return "do what the remedies say, then migsafe verify."
