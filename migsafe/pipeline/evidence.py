"""What the live schema says of a history: the replay, the verdicts, and their place in a report."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from migsafe import catalog, facts, findings
from migsafe.baseline import Baseline, Judged, Verdict, judge, state_names
from migsafe.errors import UsageError, redacted
from migsafe.facts import Facts, Key
from migsafe.findings import Finding, Severity
from migsafe.histories import Migration, Standing, State
from migsafe.pipeline.session import KEPT, Notify, Session, silent, wanted
from migsafe.reports import BaselineInfo, FactInfo, PartialInfo, VerdictInfo

if TYPE_CHECKING:
    from migsafe.replay import Replay, Stage, Stopped
    from migsafe.sql import Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """A history replayed, held against the live schema as it was read."""

    migrations: Sequence[Migration]
    replay: "Replay"
    live: Facts
    #: What of it is judged: without what is ignored, and without INVALID indexes.
    seen: Facts
    baseline: Baseline

    @property
    def names(self) -> list[str]:
        """Return the migrations in history order."""
        return [migration.name for migration in self.migrations]

    def judged(self, name: str) -> Judged | None:
        """Return the verdict on one migration."""
        return next((j for j in self.baseline.judged if j.migration == name), None)

    @property
    def decided(self) -> bool:
        """Whether the live schema is a state of the history, and only one it can be."""
        return self.baseline.exact and not self.boundary

    @property
    def boundary(self) -> list[str]:
        """The migrations after the last one in effect that may have run all the same."""
        open_ones: list[str] = []
        for item in self.baseline.judged:
            if item.verdict is Verdict.IN_EFFECT:
                open_ones = []
            elif item.verdict is Verdict.PENDING:
                break
            elif item.verdict in (Verdict.UNDECIDABLE, Verdict.SUPERSEDED):
                open_ones.append(item.migration)
        return open_ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What a baseline writes: migrations to call applied, and failed ones to call rolled back."""

    applied: Sequence[Migration]
    rolled_back: Sequence[str]

    def __bool__(self) -> bool:
        """Tell whether there is anything to write."""
        return bool(self.applied or self.rolled_back)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A target without a record that can be gone by: the verdicts, and what they amount to."""

    weighed: Weighed
    records: Records
    findings: tuple[Finding, ...]

    @property
    def decided(self) -> bool:
        """Whether the records can be made without a person.

        Where nothing is in effect, it may as well be the wrong database, or the wrong schema.
        """
        clear = not any(f.severity is Severity.ERROR for f in self.findings)
        return clear and self.weighed.decided and bool(self.weighed.baseline.placed("in_effect"))


def stage(session: Session) -> "Stage":
    """Return where the history of a session is replayed: with its schema and search_path."""
    from migsafe.replay import Stage

    settings, directory = session.settings, wanted(session).directory
    schema = session.target.schema
    if directory.kind != "prisma" and not settings.shadow.search_path:
        schema = catalog.current_schema(session.conn)
    config = settings.shadow
    if schema and any(creates(schema, m.text) for m in directory.migrations):
        path = f'"{schema}"' if not config.search_path else f'"{schema}", {config.search_path}'
        config, schema = replace(config, search_path=path), None
    return Stage(
        config=config,
        root=settings.root,
        major=int(session.server.version.split(".")[0]),
        schema=schema if schema != "public" else None,
        cache=settings.root / KEPT / "replays",
    )


def creates(schema: str, text: str) -> bool:
    """Tell whether SQL makes a schema of that name, and would fail where it is there already."""
    return bool(re.search(rf'\bcreate\s+schema\s+"?{re.escape(schema)}"?', text, re.IGNORECASE))


def weigh(session: Session, notify: Notify = silent) -> Weighed:
    """Replay the history and hold the live schema against it."""
    from migsafe import replay

    migrations = list(wanted(session).directory.migrations)
    played = replay.run(migrations, stage(session), notify)
    return weighed(migrations, played, read(session))


def read(session: Session) -> dict[Key, str]:
    """Read the live facts; raise UsageError where there is nothing that could be read."""
    from migsafe.catalog import schema

    found = schema.facts(schema.read(session.conn))
    if not found:
        raise UsageError(session.target.place, "the catalog shows no schema", "check the role")
    return found


def weighed(migrations: Sequence[Migration], played: "Replay", live: Facts) -> Weighed:
    """Judge every migration by the live facts."""
    from migsafe.baseline import restated

    seen = facts.effective(live)
    verdicts = judge(
        [migration.name for migration in migrations],
        played.initial,
        played.deltas,
        seen,
        restaters=restated.index(list(_parsed(migrations))),
    )
    return Weighed(migrations=migrations, replay=played, live=live, seen=seen, baseline=verdicts)


def _parsed(migrations: Sequence[Migration]) -> "Iterator[Sequence[Statement] | str]":
    """Yield the statements of each migration; the text itself where it does not parse."""
    from migsafe import sql

    for migration in migrations:
        try:
            yield sql.parse(migration.text)
        except sql.SqlError:
            yield migration.text


def case(session: Session, notify: Notify = silent) -> Case | None:
    """Weigh what a target shows that has no record, or a failed one; None for any other."""
    standing = session.stand()
    if session.busy or standing.state not in (State.UNMANAGED, State.FAILED):
        return None
    weighed = weigh(session, notify)
    recorded = {*standing.applied} - {*standing.failed}
    return Case(
        weighed=weighed,
        records=to_write(weighed, standing),
        findings=tuple(problems(weighed, recorded, standing.failed)),
    )


def to_write(weighed: Weighed, standing: Standing, assume: Sequence[str] = ()) -> Records:
    """Choose the records that the evidence supports, and those that somebody vouches for."""
    recorded = {*standing.applied} - {*standing.failed}
    effective = [
        migration
        for migration, item, carried in zip(
            weighed.migrations, weighed.baseline.judged, _carried(weighed), strict=True
        )
        if item.verdict is Verdict.IN_EFFECT
        or item.migration in assume
        or (carried and item.migration not in standing.failed)
    ]
    names = {migration.name for migration in effective}
    undone = {item.migration for item in weighed.baseline.having(Verdict.PENDING, Verdict.SKIPPED)}
    return Records(
        applied=[m for m in effective if m.name not in recorded],
        rolled_back=[name for name in standing.failed if name in undone - names],
    )


def _carried(weighed: Weighed) -> list[bool]:
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
        for item, carried in zip(weighed.baseline.judged, _carried(weighed), strict=True)
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


def info(weighed: Weighed, *, written: Sequence[str] = ()) -> BaselineInfo:
    """Return the baseline as a report holds it."""
    found = weighed.baseline
    return BaselineInfo(
        in_effect=tuple(found.placed("in_effect")),
        pending=tuple(found.placed("pending")),
        skipped=tuple(found.placed("skipped")),
        undecidable=tuple(j.migration for j in found.having(*UNDECIDED)),
        partial=tuple(
            PartialInfo(
                migration=j.migration,
                present=len(j.evidence.present),
                absent=len(j.evidence.absent),
            )
            for j in found.having(Verdict.PARTIAL)
        ),
        exact=found.exact,
        drift=tuple(fact_info(d.key, d.found, d.expected) for d in found.drift),
        nearest=tuple(state_names(weighed.names, found.nearest.states)),
        distance=found.nearest.distance,
        verdicts=tuple(_verdict(weighed, judged) for judged in found.judged),
        server=weighed.replay.server,
        replayed=len(weighed.replay.deltas),
        stand_ins=tuple(sorted({*weighed.replay.stand_ins} & facts.reach(weighed.replay.deltas))),
        written=tuple(written),
    )


def fact_info(key: Key, found: str | None, expected: str | None) -> FactInfo:
    """Return a fact as a report holds it: a function's body may hold somebody's login."""
    return FactInfo(
        fact=str(key),
        found=None if found is None else redacted(found),
        expected=None if expected is None else redacted(expected),
    )


def _verdict(weighed: Weighed, judged: Judged) -> VerdictInfo:
    found = judged.evidence
    return VerdictInfo(
        migration=judged.migration,
        verdict=str(judged.verdict),
        present=_facts(weighed, judged.migration, found.present),
        absent=_facts(weighed, judged.migration, found.absent),
        changed=_facts(weighed, judged.migration, found.changed),
    )


def _facts(weighed: Weighed, name: str, keys: Sequence[Key]) -> tuple[FactInfo, ...]:
    position = weighed.names.index(name)
    step = weighed.replay.deltas[position] if position < len(weighed.replay.deltas) else {}
    return tuple(fact_info(key, weighed.seen.get(key), step[key].after) for key in keys)


#: Verdicts that leave open whether a migration ran.
UNDECIDED = (Verdict.UNDECIDABLE, Verdict.SUPERSEDED)


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
    found += [_undecided(item) for item in _left_open(weighed) if item.migration not in recorded]
    found += [
        replace(_undecided(item), severity=Severity.ERROR)
        for item in weighed.baseline.having(*UNDECIDED)
        if item.migration in failed
    ]
    for judged in weighed.baseline.having(Verdict.PENDING, Verdict.SKIPPED):
        if judged.migration in recorded:
            found.append(contradicted(weighed, judged, "recorded as applied"))
    return found


def _named_beyond(weighed: Weighed) -> bool:
    """Tell whether the schema holds what only the migrations that were not replayed name."""
    from migsafe.baseline import restated

    replayed = weighed.replay
    known = facts.reach(replayed.deltas) | {key.object for key in replayed.initial}
    text = "\n".join(m.text for m in weighed.migrations[len(replayed.deltas) :])
    words = {*re.findall(r"\w+", text.lower())}
    names = {restated.bare(key.object) for key in weighed.live if key.object not in known}
    return any(name.lower() in words or name in text for name in names)


def contradicted(
    weighed: Weighed, judged: Judged, claim: str, *, by: Sequence[Key] | None = None
) -> Finding:
    """Build the finding that a claim about a migration is not true, with the facts against it."""
    keys = judged.evidence.absent if by is None else by
    facts_ = [str(item) for item in _facts(weighed, judged.migration, keys)]
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
