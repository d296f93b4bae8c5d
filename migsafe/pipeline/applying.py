"""Apply: plan, gate, snapshot, run, verify and keep proof."""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from migsafe import findings, target
from migsafe.config import Asking, Settings
from migsafe.errors import ExitCode, UnreachableError, UsageError
from migsafe.findings import Finding, Severity
from migsafe.histories import State
from migsafe.pipeline.questions import audits_of, expectations_of, judge, planned_of, prepare
from migsafe.pipeline.session import (
    NEXT,
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

if TYPE_CHECKING:  # heavy at run time: each use case imports what it needs
    from migsafe.blockers.ending import Allowed
    from migsafe.hazards.waits import Wait
    from migsafe.outcomes import StepResult
    from migsafe.pipeline.watching import Watching
    from migsafe.planning import Plan
    from migsafe.runner import Runner
    from migsafe.runner.revisions import Revisions
    from migsafe.verifying import Expectation, Verification


#: Seconds for which answers about the rows count as those of now: a snapshot may take hours.
#: Arbitrary.
_FRESH = 60.0


def apply(
    settings: Settings,
    *,
    to: str | None = None,
    snapshot: bool = False,
    wait: bool = True,
    baseline: bool = False,
    asking: Asking | None = None,
    confirm: Callable[[Report], bool] | None = None,
    lock_wait: float = 0.0,
    terminate: str | None = None,
    notify: Notify = silent,
    show: Notify = silent,
) -> Report:
    """Plan, gate, take a snapshot, run, verify and keep proof; nothing changes before the gate.

    With `baseline`, what the live schema shows to be in effect is recorded before the run. The
    lock is held from before the plan is read until the report is stored; another deployment is
    waited for `lock_wait` seconds. With `wait` False the run begins before the snapshot is
    complete, where the target can go back in time all the same. `terminate` is a role or an age:
    sessions of it that a statement waits for are ended. `show` gets the line that moves, a second
    while something runs.
    """
    from migsafe.blockers import ending
    from migsafe.pipeline import baselining, evidence, records, snapshotting, unmanaged
    from migsafe.snapshots import manifest, polling

    allowed = ending.parse(terminate) if terminate is not None else None
    directory = directory_of(settings, _prepare)
    audits, expectations = audits_of(settings, directory), expectations_of(settings, directory)
    if snapshot:
        snapshotting.check(settings, wait=wait)
    elif not wait:
        problem = "is about a snapshot, and none is asked for"
        raise UsageError("--no-wait", problem, "give --snapshot, too, or leave it out")
    with (
        opened(settings, "apply", directory, read_only=False) as session,
        snapshotting.outlived(session, notify) as copies,
        deploying(session, lock_wait, notify),
    ):
        if allowed:
            ending.check(session.conn, allowed)
        case = records.case(session, notify) if baseline else None
        if case and not case.decided:
            return kept(session, unmanaged.undecided(session, case))
        adopted = case.records if case else None
        found, built, code = judge(session, audits, to, adopted, asking=asking)
        planned = planned_of(built)
        if code is ExitCode.UNMANAGED:
            return kept(session, unmanaged.report(session, found, planned, notify))
        if code is not ExitCode.OK:
            return _refused(session, code, found, plan=planned)
        shown = case and evidence.info(case.weighed)
        if not built.steps and not case:
            return _verified(session, expectations, found, ())
        question = session.report(code, findings=found, plan=planned, baseline=shown)
        if confirm and not confirm(question):
            return session.report(ExitCode.INTERRUPTED, error="declined; nothing was changed")
        taken = None
        if snapshot:
            notify("taking the snapshot")
            asked = polling.clock()
            taken = snapshotting.before_run(session, notify, wait=wait, made=copies.append)
            if polling.clock() - asked > _FRESH:
                notify("asking the audits again")
                found, built, code = judge(session, audits, to, adopted, asking=asking)
            if code is not ExitCode.OK:
                parts = {"snapshot": manifest.snapshot(taken), "notes": taken.notes}
                report = _refused(session, code, found, plan=planned, **parts)
                return snapshotting.settled(session, taken, report, notify)
        if case:
            baselining.record(session, case.weighed, case.records)
            names = [migration.name for migration in case.records.applied]
            shown = evidence.info(case.weighed, written=names)
        results = _run(session, built, notify, show, allowed)
        report = _verified(
            session,
            expectations,
            found,
            results,
            snapshot=manifest.snapshot(taken) if taken else None,
            plan=planned,
            baseline=shown,
            notes=taken.notes if taken else (),
        )
        return snapshotting.settled(session, taken, report, notify) if taken else report


def _prepare() -> None:
    prepare()
    later = ("blockers.advice", "pipeline.watching", "runner.revisions", "reports.text")
    for name in ("deployers", *later):
        import_module(f"migsafe.{name}")


def _refused(session: Session, code: ExitCode, found: Sequence[Finding], **parts: Any) -> Report:
    advice = NEXT.get(code, "do what the remedies say, then migsafe plan.")
    return kept(session, session.report(code, findings=found, next=advice, **parts))


def watched(
    session: Session,
    waits: "Sequence[Wait]",
    notify: Notify,
    show: Notify,
    allowed: "Allowed | None" = None,
) -> "tuple[Runner | Revisions, Watching]":
    """Return what runs steps on a session, with the limits of its environment, and who watches."""
    from migsafe.histories import Written
    from migsafe.histories.alembic_table import AlembicTable
    from migsafe.pipeline.watching import Watching
    from migsafe.runner import Limits, Runner
    from migsafe.runner.revisions import Revisions

    env = session.settings.env
    assert session.turn is not None  # noqa: S101  # callers hold it
    limits = Limits(
        lock_timeout=env.lock_timeout,
        attempts=env.attempts,
        statement_timeout=env.statement_timeout,
    )
    history = wanted(session)
    runner: Runner | Revisions
    if isinstance(history, AlembicTable):
        runner = Revisions(turn=session.turn, history=history, run_id=session.run, limits=limits)
    else:
        assert isinstance(history, Written)  # noqa: S101  # all but Alembic's are
        runner = Runner(turn=session.turn, history=history, run_id=session.run, limits=limits)
    watching = Watching(runner=runner, waits=waits, notify=notify, show=show, allowed=allowed)
    runner.before, session.turn.look = watching.before, watching.look
    return runner, watching


def _run(
    session: Session,
    built: "Plan",
    notify: Notify,
    show: Notify,
    allowed: "Allowed | None",
) -> "tuple[StepResult, ...]":
    """Run the steps; what stops the run between two of them ends the list, it loses nothing."""
    from migsafe.outcomes import Outcome, StepResult

    steps = built.steps
    runner, watching = watched(session, built.waits, notify, show, allowed)
    results: list[StepResult] = []
    try:
        for number, result in enumerate(runner.run(steps), start=1):
            blamed = watching.blamed if result.outcome is Outcome.BUSY else None
            results.append(replace(result, note=result.note or blamed))
            notify(f"{number}/{len(steps)} {result.migration}: {result.outcome}")
    except KeyboardInterrupt:
        following = steps[min(len(results), len(steps) - 1)].migration.name
        error = "interrupted before it ran"
        stopped = StepResult(
            migration=following, outcome=Outcome.SKIPPED, error=error, interrupted=True
        )
        results.append(stopped)
    return tuple(results)


def _verified(
    session: Session,
    expectations: "Sequence[Expectation]",
    found: Sequence[Finding],
    results: "tuple[StepResult, ...]",
    **parts: Any,
) -> Report:
    """Read the target again, compare, and store the report when something was changed."""
    from migsafe import verifying
    from migsafe.outcomes import Outcome

    code = _ended(results)
    done = [result.migration for result in results if result.outcome is Outcome.DONE]
    try:
        verification, checked = _checked(session, expectations, done)
    except KeyboardInterrupt:  # what the run has done is said and kept all the same
        verification = None
        checked = [verifying.nothing_compared("interrupted", severity=Severity.ERROR)]
        code = ExitCode.INTERRUPTED if code is ExitCode.OK else code
    if session.standing and session.standing.state is State.DIRTY:
        code = ExitCode.DIRTY
    if code is ExitCode.OK and findings.blocking(checked, session.settings.gate):
        code = ExitCode.FINDINGS
    report = session.report(
        code,
        findings=(*found, *checked),
        steps=results,
        verification=verification,
        next=_after(code, done),
        **parts,
    )
    changed = bool(done or report.baseline) or code is ExitCode.DIRTY
    return kept(session, report, store=changed)


def _checked(
    session: Session, expectations: "Sequence[Expectation]", done: Sequence[str]
) -> "tuple[Verification | None, list[Finding]]":
    """Read the target again and compare; a target that is gone by now is a finding, not an end."""
    from migsafe import verifying

    try:
        with target.translated(session.target):
            session.renew()
            standing = session.stand()
            verification, found = verifying.check(session.conn, expectations, standing)
    except UnreachableError as error:
        return None, [verifying.nothing_compared(str(error), severity=Severity.ERROR)]
    if not verification.columns:
        found.append(verifying.nothing_compared(severity=Severity.INFO))
    return verification, [*verifying.not_recorded(done, standing), *found]


def _ended(results: "Sequence[StepResult]") -> ExitCode:
    from migsafe.outcomes import Outcome

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
    if code is ExitCode.INTERRUPTED:
        return "migsafe apply, which goes on with what is pending."
    return NEXT.get(code)
