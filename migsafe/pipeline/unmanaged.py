"""A target whose schema is not accounted for: the report, with the verdict worked out."""

from collections.abc import Sequence

from migsafe.errors import ExitCode, UnreachableError, UsageError
from migsafe.findings import Finding
from migsafe.pipeline import evidence, records
from migsafe.pipeline.records import Case
from migsafe.pipeline.session import NEXT, Notify, Session
from migsafe.reports import Planned, Report


def undecided(session: Session, case: Case) -> Report:
    """Report that the records cannot be made without a person."""
    from migsafe.pipeline import halfway

    standing = session.standing
    before = standing.findings if standing else ()
    found = halfway.detailed(session, (*before, *case.findings))
    return session.report(
        ExitCode.UNMANAGED,
        findings=found,
        baseline=evidence.info(case.weighed),
        next="settle what is open, then migsafe baseline --write.",
    )


def report(
    session: Session, found: Sequence[Finding], planned: tuple[Planned, ...], notify: Notify
) -> Report:
    """Report a target without a record, with the verdict worked out where a shadow can be had."""
    from migsafe.pipeline import halfway

    notes: tuple[str, ...] = ()
    shown = None
    try:
        shown = None if session.settings.shadow.server == "none" else records.case(session, notify)
    except (UnreachableError, UsageError) as error:
        notes = (f"What is in effect was not looked into: {error}",)
    advice = NEXT[ExitCode.UNMANAGED]
    if shown and shown.decided:
        advice = (
            "migsafe apply --baseline, which records the "
            f"{len(shown.records.applied)} migrations that are in effect and applies the rest."
        )
    return session.report(
        ExitCode.UNMANAGED,
        findings=halfway.detailed(session, (*found, *(shown.findings if shown else ()))),
        baseline=shown and evidence.info(shown.weighed),
        plan=planned,
        notes=notes,
        next=advice,
    )
