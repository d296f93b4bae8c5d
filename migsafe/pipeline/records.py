"""Which records the evidence supports: the case of a target whose record is not complete."""

from collections.abc import Collection, Sequence

from msgspec import Struct

from migsafe import facts
from migsafe.baseline import Verdict
from migsafe.findings import Finding, Severity
from migsafe.histories import Migration, Standing, State
from migsafe.pipeline.doubts import carried, problems
from migsafe.pipeline.evidence import UNDECIDED, Weighed, weigh
from migsafe.pipeline.session import Notify, Session, silent

#: Verdicts on a pending migration that do not contradict its record.
_NOT_THERE = (Verdict.PENDING, Verdict.SKIPPED, *UNDECIDED)


class Records(Struct, frozen=True, kw_only=True):
    """What a baseline writes: migrations to call applied, and failed ones to call rolled back."""

    applied: Sequence[Migration]
    rolled_back: Sequence[str]

    def __bool__(self) -> bool:
        """Tell whether there is anything to write."""
        return bool(self.applied or self.rolled_back)


class Case(Struct, frozen=True, kw_only=True):
    """A target without a record that can be gone by: the verdicts, and what they amount to."""

    weighed: Weighed
    records: Records
    findings: tuple[Finding, ...]

    @property
    def decided(self) -> bool:
        """Whether the records can be made without a person.

        Where nothing is in effect, it may as well be the wrong database, or the wrong schema, but
        for one that has all that the prelude makes before the first migration, tables among it.
        """
        clear = not any(f.severity is Severity.ERROR for f in self.findings)
        known = bool(self.weighed.baseline.placed("in_effect")) or self._is_initial
        return clear and self.weighed.decided and known

    @property
    def _is_initial(self) -> bool:
        played = self.weighed.replay
        left = facts.unfinished(played.initial, played.deltas)
        initial = facts.effective(played.initial, left)
        has_tables = any(key.kind == "table" for key in initial)
        return has_tables and all(self.weighed.seen.get(k) == v for k, v in initial.items())


def case(session: Session, notify: Notify = silent) -> Case | None:
    """Weigh what a target shows that its record does not account for; None where it does.

    A record that is there may be incomplete: something pending may be in effect.
    """
    from migsafe.pipeline import halfway

    standing = session.stand()
    managed = standing.state is State.MANAGED
    if session.busy or standing.state in (State.EMPTY, State.DIRTY):
        return None
    if managed and not standing.pending:
        return None
    weighed = weigh(session, notify)
    pending = [weighed.judged(migration.name) for migration in standing.pending]
    if managed and all(item and item.verdict in _NOT_THERE for item in pending):
        return None
    recorded = {*standing.applied} - {*standing.failed}
    unsure = halfway.unsure(session, weighed)
    return Case(
        weighed=weighed,
        records=to_write(weighed, standing, unsure={f.migration for f in unsure}),
        findings=(*problems(weighed, recorded, standing.failed), *unsure),
    )


def to_write(
    weighed: Weighed,
    standing: Standing,
    assume: Sequence[str] = (),
    unsure: Collection[str | None] = (),
) -> Records:
    """Choose the records that the evidence supports, and those that somebody vouches for.

    `unsure` are in effect as far as facts go, which is not far enough.
    """
    recorded = {*standing.applied} - {*standing.failed}
    effective = [
        migration
        for migration, item, carried in zip(
            weighed.migrations, weighed.baseline.judged, carried(weighed), strict=True
        )
        if (item.verdict is Verdict.IN_EFFECT and item.migration not in unsure)
        or item.migration in assume
        or (carried and item.migration not in standing.failed)
    ]
    names = {migration.name for migration in effective}
    undone = {item.migration for item in weighed.baseline.having(Verdict.PENDING, Verdict.SKIPPED)}
    return Records(
        applied=[m for m in effective if m.name not in recorded],
        rolled_back=[name for name in standing.failed if name in undone - names],
    )
