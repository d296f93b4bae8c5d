"""What the live schema says of a history: the replay, the verdicts, and their place in a report."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from migsafe import catalog, facts
from migsafe.baseline import Baseline, Doubts, Judged, Verdict, judge, state_names
from migsafe.errors import UsageError, redacted
from migsafe.facts import Facts, Key
from migsafe.histories import Migration
from migsafe.pipeline.session import KEPT, Notify, Session, silent, wanted
from migsafe.reports import BaselineInfo, FactInfo, PartialInfo, VerdictInfo

if TYPE_CHECKING:
    from migsafe.replay import Replay, Stage
    from migsafe.sql import Statement


class Weighed(Struct, frozen=True, kw_only=True):
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
        major=session.major,
        schema=schema if schema != "public" else None,
        cache=settings.root / KEPT / "replays",
        identity=session.shadow,
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

    seen = facts.effective(live, facts.unfinished(played.initial, played.deltas))
    parents = restated.parents(played.initial, played.deltas)
    again = restated.Restated(list(_parsed(migrations)), parents)
    verdicts = judge(
        [migration.name for migration in migrations],
        played.initial,
        played.deltas,
        seen,
        doubts=Doubts(restaters=again.restaters, named=again.named, mixed=again.mixed),
    )
    return Weighed(migrations=migrations, replay=played, live=live, seen=seen, baseline=verdicts)


def strays(weighed: Weighed) -> set[str]:
    """Return the bare names of the live objects that no replayed state has."""
    from migsafe.baseline import restated

    played = weighed.replay
    known = facts.reach(played.deltas) | {key.object for key in played.initial}
    return {restated.bare(name) for name in {key.object for key in weighed.live} - known}


def names(text: str, objects: Iterable[str]) -> bool:
    """Tell whether SQL has one of these names in it."""
    words = {*re.findall(r"\w+", text.lower())}
    return any(name.lower() in words or f'"{name}"' in text for name in objects)


def _parsed(migrations: Sequence[Migration]) -> "Iterator[Sequence[Statement] | str]":
    """Yield the statements of each migration; the text itself where it does not parse."""
    from migsafe import sql

    for migration in migrations:
        try:
            yield sql.parse(migration.text)
        except sql.SqlError:
            yield migration.text


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
        present=told(weighed, judged.migration, found.present),
        absent=told(weighed, judged.migration, found.absent),
        changed=told(weighed, judged.migration, found.changed),
    )


def told(weighed: Weighed, name: str, keys: Sequence[Key]) -> tuple[FactInfo, ...]:
    """Return some facts of a migration as they are and as it makes them."""
    position = weighed.names.index(name)
    step = weighed.replay.deltas[position] if position < len(weighed.replay.deltas) else {}
    return tuple(fact_info(key, weighed.seen.get(key), step[key].after) for key in keys)


#: Verdicts that leave open whether a migration ran.
UNDECIDED = (Verdict.UNDECIDABLE, Verdict.SUPERSEDED)
