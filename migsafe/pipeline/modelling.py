"""What the models of a project want of a schema, by its own Alembic, beside what we compare."""

from migsafe.errors import MigsafeError
from migsafe.findings import Finding, Severity, Source, Status
from migsafe.pipeline.session import Session

#: Differences that a finding names. Arbitrary.
_NAMED = 5

#: Seconds for a comparison; arbitrary, a hundred tables take a few.
_WITHIN = 120.0


def compared(session: Session) -> tuple[list[Finding], tuple[str, ...]]:
    """Return what differs between the models and the schema, and a note where nothing was asked."""
    from migsafe.histories.alembic_table import AlembicTable

    table = session.history
    if not isinstance(table, AlembicTable) or not session.settings.history.models:
        return [], ()
    if not table.models:
        return [], ("The models were not compared: env.py has no target_metadata.",)
    if session.standing is None or session.standing.pending or session.standing.missing:
        return [], ("The models were not compared: Alembic does so where nothing is pending.",)
    try:
        found = table.differences(_WITHIN)
    except MigsafeError as error:
        return [_unknown(str(error))], ()
    if not found:
        return [], ("The models are what the schema is, by alembic check.",)
    return [_differing(found)], ()


def _differing(found: list[str]) -> Finding:
    some = "; ".join(found[:_NAMED]) + ("; …" if len(found) > _NAMED else "")
    changes = f"{len(found)} change{'s' if len(found) > 1 else ''}"
    return Finding(
        code="MV114",
        name="models-differ",
        source=Source.VERIFY,
        severity=Severity.WARNING,
        status=Status.FAILED,
        message=f"the models want {changes} that no revision makes (alembic check): {some}",
        count=len(found),
        exact=True,
        remedy="Write a revision with alembic revision --autogenerate, or correct the models.",
    )


def _unknown(error: str) -> Finding:
    return Finding(
        code="MV115",
        name="models-not-compared",
        source=Source.VERIFY,
        severity=Severity.ERROR,
        status=Status.FAILED,
        message=f"the models were not compared: {error}",
        remedy="Correct env.py, or say [history] models = false.",
    )
