"""What the verdicts leave open or contradict, as findings."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from migsafe import findings
from migsafe.baseline import Judged, Verdict
from migsafe.facts import Key
from migsafe.findings import Finding, Severity, Source, Status
from migsafe.pipeline.evidence import UNDECIDED, Weighed, names, strays, told

if TYPE_CHECKING:
    from migsafe.replay import Stopped


def problems(weighed: Weighed, recorded: Collection[str], failed: Collection[str]) -> list[Finding]:
    """Report what the verdicts leave open, and records that the live schema contradicts.

    `failed` are recorded as such: that those next to one ran says nothing of it.
    """
    found: list[Finding] = []
    if weighed.replay.stopped:
        # Of a schema that is an earlier state, what follows has not run.
        earlier = weighed.baseline.exact and not _named_beyond(weighed)
        severity = Severity.WARNING if earlier else Severity.ERROR
        found.append(not_replayed(weighed.replay.stopped, severity))
    found += [_partial(judged) for judged in weighed.baseline.having(Verdict.PARTIAL)]
    found += [_skipped(judged) for judged in weighed.baseline.having(Verdict.SKIPPED)]
    replayed = weighed.names[: len(weighed.replay.deltas)]  # of the others MH117 speaks
    found += [
        _undecided(item)
        for item in _left_open(weighed)
        if item.migration in replayed and item.migration not in recorded
    ]
    found += [
        replace(_undecided(item), severity=Severity.ERROR)
        for item in weighed.baseline.having(*UNDECIDED)
        if item.migration in failed
    ]
    found += [_carried_along(item) for item in _carried_ones(weighed, recorded)]
    if weighed.baseline.drift:
        found.append(_drifted(weighed))
    for judged in weighed.baseline.having(Verdict.PENDING, Verdict.SKIPPED):
        if judged.migration in recorded:
            found.append(contradicted(weighed, judged, "recorded as applied"))
    return found


def _carried_ones(weighed: Weighed, recorded: Collection[str]) -> list[Judged]:
    """Return what is recorded only because those before and after it are in effect."""
    pairs = zip(weighed.baseline.judged, carried(weighed), strict=True)
    return [item for item, carried in pairs if carried and item.migration not in recorded]


def _carried_along(judged: Judged) -> Finding:
    return findings.history(
        "MH115",
        "migration-undecidable",
        Severity.INFO,
        f"the schema does not tell whether {judged.migration} ran; it counts as in effect because "
        "those before and after it are",
        migration=judged.migration,
        remedy="Where its rows or privileges matter, look at them.",
    )


def _drifted(weighed: Weighed) -> Finding:
    count = len(weighed.baseline.drift)
    return Finding(
        code="MV106",
        name="schema-differs",
        source=Source.VERIFY,
        severity=Severity.WARNING,
        status=Status.FAILED,
        message=f"{count} fact{'s' if count > 1 else ''} of the live schema "
        f"{'are' if count > 1 else 'is'} not what the migrations make of it",
        count=count,
        exact=True,
        remedy="migsafe baseline -v shows them all; whoever made them should say why.",
        evidence="catalog",
    )


def _named_beyond(weighed: Weighed) -> bool:
    """Tell whether the schema holds what only the migrations that were not replayed name."""
    beyond = weighed.migrations[len(weighed.replay.deltas) :]
    return names("\n".join(migration.text for migration in beyond), strays(weighed))


def contradicted(
    weighed: Weighed, judged: Judged, claim: str, *, by: Sequence[Key] | None = None
) -> Finding:
    """Build the finding that a claim about a migration is not true, with the facts against it."""
    keys = judged.evidence.absent if by is None else by
    facts_ = [str(item) for item in told(weighed, judged.migration, keys)]
    return findings.history(
        "MH114",
        "claim-contradicted",
        Severity.ERROR,
        f"{judged.migration} is {claim}, but {_some(facts_)}",
        migration=judged.migration,
        remedy="migsafe baseline -v shows every fact.",
    )


def _some(items: Sequence[str]) -> str:
    more = f", and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return "; ".join(items[:_SHOWN]) + more


#: Facts that a message names; arbitrary, what fits in a few lines.
_SHOWN = 3


def _partial(judged: Judged) -> Finding:
    present, absent = len(judged.evidence.present), len(judged.evidence.absent)
    return findings.history(
        "MH116",
        "migration-partial",
        Severity.ERROR,
        f"{present} of {present + absent} facts of {judged.migration} are there",
        migration=judged.migration,
        remedy="Finish it or undo it: migsafe resolve NAME says how far it came.",
    )


def _skipped(judged: Judged) -> Finding:
    return findings.history(
        "MH118",
        "migration-skipped",
        Severity.WARNING,
        f"{judged.migration} is not in effect, although a later one is",
        migration=judged.migration,
        remedy="It stays pending and would run at the next apply.",
    )


def _undecided(judged: Judged) -> Finding:
    name = judged.migration
    message = f"{name} leaves no trace in the schema that says whether it ran"
    remedy = "Look at the rows it changes. If it ran, say --assume NAME; else it stays pending."
    if judged.evidence.absent:
        message = f"nothing of {name} is there: it did not run, or was undone since"
        remedy = "If it ran, say --assume NAME; else it stays pending and would run."
    return findings.history(
        "MH115",
        "migration-undecidable",
        Severity.WARNING,
        message,
        migration=name,
        remedy=remedy,
    )


def not_replayed(stopped: "Stopped", severity: Severity = Severity.ERROR) -> Finding:
    """Build the finding that a replay stopped, with what would let it go on."""
    remedy = "Say what the environment has before the first migration: [shadow] prelude."
    if stopped.extension:
        remedy = (
            f"Give a server that has the extension {stopped.extension}: --shadow URL, or install "
            "it beside the PostgreSQL that serves as the shadow."
        )
    return findings.history(
        "MH117",
        "replay-stopped",
        severity,
        f"{stopped.migration} does not replay in the shadow, so nothing is known of it and of "
        f"what follows: {stopped.error}",
        migration=stopped.migration,
        line=stopped.line,
        remedy=remedy,
    )


def carried(weighed: Weighed) -> list[bool]:
    """Tell of each undecided migration whether those around it are in effect.

    Migrations run in order: where the last decided one before it and the next one after it ran,
    it ran as well. One whose facts are not there may have been left out all the same.
    """
    judged = weighed.baseline.judged
    verdicts = [item.verdict for item in judged]
    before, after = _neighbours(verdicts), reversed(_neighbours(verdicts[::-1]))
    return [
        item.verdict in UNDECIDED
        and item.placed == "in_effect"
        and b in (None, Verdict.IN_EFFECT)
        and a is Verdict.IN_EFFECT
        for item, b, a in zip(judged, before, after, strict=True)
    ]


def _left_open(weighed: Weighed) -> list[Judged]:
    """Return the migrations that may have run, and that are not recorded unless assumed."""
    border = {*weighed.boundary}
    return [
        item
        for item, carried in zip(weighed.baseline.judged, carried(weighed), strict=True)
        if item.migration in border or (item.verdict in UNDECIDED and item.follows and not carried)
    ]


def _neighbours(verdicts: Sequence[Verdict]) -> list[Verdict | None]:
    """Return for each place the nearest decided verdict before it, None where there is none."""
    found: list[Verdict | None] = []
    last: Verdict | None = None
    for verdict in verdicts:
        found.append(last)
        last = last if verdict in UNDECIDED else verdict
    return found
