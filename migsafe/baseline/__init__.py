"""Which migrations are in effect in a live schema, by evidence. Pure: facts in, verdicts out.

docs/how-it-works.md, "Evidence", has the reasoning. The rule above all others: a migration is
called in effect only where a fact of the live schema would be unexplained without it.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from enum import StrEnum

from msgspec import Struct

from migsafe import facts
from migsafe.facts import Delta, Difference, Facts, Key


class Verdict(StrEnum):
    """What the live schema says of one migration."""

    IN_EFFECT = "in effect"
    PENDING = "pending"
    SKIPPED = "skipped"
    PARTIAL = "partial"
    SUPERSEDED = "superseded"
    UNDECIDABLE = "undecidable"


class Evidence(Struct, frozen=True, kw_only=True):
    """One migration's facts in the live schema: those that hold, and those that do not.

    `changed` are facts that somebody set to a value of their own; they speak neither way.
    """

    present: tuple[Key, ...] = ()
    absent: tuple[Key, ...] = ()
    changed: tuple[Key, ...] = ()


class Judged(Struct, frozen=True, kw_only=True):
    """One migration, its verdict and why; `follows` says that something later is in effect."""

    migration: str
    verdict: Verdict
    evidence: Evidence
    follows: bool

    @property
    def placed(self) -> str:
        """The list of CONTRACT's baseline that holds the migration."""
        open_ = self.verdict in (Verdict.SUPERSEDED, Verdict.UNDECIDABLE)
        traceless = open_ and not self.evidence.absent
        if self.verdict is Verdict.IN_EFFECT or (self.follows and traceless):
            return "in_effect"
        return "skipped" if self.follows else "pending"


class Nearest(Struct, frozen=True, kw_only=True):
    """The states that differ from a schema in the fewest facts, and in how many."""

    states: tuple[int, ...]
    distance: int


class Baseline(Struct, frozen=True, kw_only=True):
    """The verdicts in history order; `expected` is the schema that they amount to.

    A state is the number of migrations applied from the first on.
    """

    judged: tuple[Judged, ...]
    nearest: Nearest
    expected: Facts
    drift: tuple[Difference, ...]

    @property
    def exact(self) -> bool:
        """Whether the live schema is that of a state of the history, and says which."""
        placed = [item.placed for item in self.judged]
        return not self.drift and placed == sorted(placed) and "skipped" not in placed

    def placed(self, where: str) -> list[str]:
        """Return the migrations of one list (`in_effect`, `pending`, `skipped`)."""
        return [item.migration for item in self.judged if item.placed == where]

    def having(self, *verdicts: Verdict) -> list[Judged]:
        """Return the migrations with one of these verdicts."""
        return [item for item in self.judged if item.verdict in verdicts]


class Doubts(Struct, frozen=True, kw_only=True):
    """What may explain a fact besides the migration that first made it; positions throughout.

    `restaters` would make a fact true again, `named` have a word about its object at all. `mixed`
    are migrations that do more than facts show.
    """

    restaters: Callable[[Key], Collection[int]] = lambda _key: ()
    named: Callable[[Key], Collection[int]] = lambda _key: ()
    mixed: Collection[int] = ()


#: Kind, object and part: what several facts are about.
_Thing = tuple[str, str, str]


class _Writer(Struct, frozen=True):
    """One migration's word about one fact."""

    position: int
    value: str | None


def nearest(initial: Facts, deltas: Sequence[Delta], live: Facts) -> Nearest:
    """Find the states nearest to `live` among the facts that the history speaks of, in one pass."""
    keys = {key for step in deltas for key in step}
    wrong = sum(live.get(key) != initial.get(key) for key in keys)
    distances = [wrong]
    for step in deltas:
        for key, (before, after) in step.items():
            wrong += (live.get(key) != after) - (live.get(key) != before)
        distances.append(wrong)
    least = min(distances)
    states = tuple(state for state, distance in enumerate(distances) if distance == least)
    return Nearest(states=states, distance=least)


def _ended(initial: Facts, deltas: Sequence[Delta]) -> set[tuple[int, _Thing]]:
    """Return what each migration leaves no fact of, by position."""
    count = Counter(key[:3] for key in initial)
    ended: set[tuple[int, _Thing]] = set()
    for position, step in enumerate(deltas):
        for key, (before, after) in step.items():
            count[key[:3]] += (after is not None) - (before is not None)
        ended.update((position, key[:3]) for key in step if not count[key[:3]])
    return ended


class _Court:
    """Judges each migration by the facts that would be otherwise without it.

    `effect[i]` says whether migration `i` is taken to be in effect; the cost of all that is the
    number of facts that are then not as the live schema has them.
    """

    def __init__(
        self, initial: Facts, deltas: Sequence[Delta], live: Facts, doubts: Doubts
    ) -> None:
        self.initial, self.deltas, self.live, self.doubts = initial, deltas, live, doubts
        self.chains: dict[Key, list[_Writer]] = {}
        for position, step in enumerate(deltas):
            for key, (_, after) in step.items():
                self.chains.setdefault(key, []).append(_Writer(position, after))
        self.objects = {key.object for key in live}
        self.things = {key[:3] for key in live}
        self.ended = _ended(initial, deltas)
        self.near = nearest(initial, deltas, live)
        self.last_return = self._last_return()
        self.effect = [position < self.near.states[0] for position in range(len(deltas))]
        self.proved = [False] * len(deltas)

    def _last_return(self) -> int:
        """Return the last state that equals the nearest one, which is itself if none does."""
        first = last = self.near.states[0]
        moved: dict[Key, str | None] = {}
        for state, step in enumerate(self.deltas[first:], start=first + 1):
            for key, (before, after) in step.items():
                if moved.setdefault(key, before) == after:
                    del moved[key]
            last = last if moved else state
        return last

    def settle(self) -> None:
        """Turn over what the facts speak against, until nothing changes; then look for proof."""
        for _ in range(_ROUNDS):
            turned = [
                position for position in range(len(self.deltas)) if self._speaks_against(position)
            ]
            for position in turned:
                # Asked again: an earlier turn of this round may have answered it.
                if self._speaks_against(position):
                    self.effect[position] = not self.effect[position]
            if not turned:
                break
        for position in range(len(self.deltas)):
            self.proved[position] = self.effect[position] and self._is_proved(position)

    def _speaks_against(self, position: int) -> bool:
        found = self.evidence(position)
        balance = len(found.present) - len(found.absent)
        return balance < 0 if self.effect[position] else balance > 0

    def evidence(self, position: int) -> Evidence:
        """Sort the facts of a migration by what the live schema says of them."""
        present: list[Key] = []
        absent: list[Key] = []
        changed: list[Key] = []
        for key, (_, after) in self.deltas[position].items():
            before = self._before(key, position)
            if before == after or self._is_overwritten(key, position):
                continue
            live = self.live.get(key)
            kept = present if live == after else absent if live == before else changed
            kept.append(key)
        return Evidence(present=tuple(present), absent=tuple(absent), changed=tuple(changed))

    def _is_overwritten(self, key: Key, position: int) -> bool:
        return any(w.position > position and self.effect[w.position] for w in self.chains[key])

    def _before(self, key: Key, position: int) -> str | None:
        """Return the value that a fact has without the migration: the last word before it."""
        for writer in reversed(self.chains[key]):
            if writer.position < position and self.effect[writer.position]:
                return writer.value
        return self.initial.get(key)

    def _is_proved(self, position: int) -> bool:
        return any(self._proves(key, position) for key in self.evidence(position).present)

    def _proves(self, key: Key, position: int) -> bool:
        """Tell whether nothing but this migration explains the fact.

        In a schema that equals a state of the history, what is in effect without it was there
        before. In any other, an index may be gone by hand, and what precedes an unproved writer
        may be true as well, down to the first proved one. A migration that does more than facts
        show must be proved beyond that: to call it applied would lose the rest of it.
        """
        later = range(position + 1, len(self.deltas))
        if self._went_with_its_object(key, position):
            return False
        strict = position in self.doubts.mixed
        again = {*self.doubts.restaters(key)}
        if strict and any(m in later and self._is_silent(m) for m in again):
            return False
        named = again | {*self.doubts.named(key)} if strict else again
        if any(m in later and self.effect[m] for m in named):
            return False
        live = self.live.get(key)
        if self.near.distance and key.kind == "index" and live is None:
            return False
        return live not in self._other(key, position)

    def _is_silent(self, position: int) -> bool:
        """Tell whether no fact speaks of a migration, which may have run all the same."""
        found = self.evidence(position)
        return not (found.present or found.absent)

    def _went_with_its_object(self, key: Key, position: int) -> bool:
        """Tell whether a fact is gone because all that it belonged to is gone.

        What the migration only took something from may be gone itself, or have another name now.
        """
        if key in self.live:
            return False
        if key[:3] not in self.things and (position, key[:3]) not in self.ended:
            return True
        return bool(key.part) and key.object not in self.objects

    def _other(self, key: Key, position: int) -> Iterator[str | None]:
        """Yield the values that a fact may have without the migration."""
        for writer in reversed(self.chains[key]):
            if writer.position < position:
                yield writer.value
                if self.proved[writer.position]:
                    return
        yield self.initial.get(key)

    def expected(self) -> dict[Key, str]:
        """Return the schema that what is in effect makes."""
        state = dict(self.initial)
        for position, step in enumerate(self.deltas):
            if self.effect[position]:
                facts.advance(state, step)
        return state


#: Rounds of turning verdicts over; each round needs something that the one before it turned.
_ROUNDS = 8


def judge(
    names: Sequence[str],
    initial: Facts,
    deltas: Sequence[Delta],
    live: Facts,
    *,
    doubts: Doubts | None = None,
) -> Baseline:
    """Hold a live schema against a replayed history.

    `deltas` are what each migration changed, from `initial` on; they may be fewer than `names`
    where the replay stopped, and the rest is undecidable.
    """
    court = _Court(initial, deltas, live, doubts or Doubts())
    court.settle()
    judged = _Verdicts(court, names).all()
    expected = court.expected()
    objects = facts.reach(deltas)
    drift = tuple(facts.differences(facts.within(live, objects), facts.within(expected, objects)))
    return Baseline(
        judged=judged,
        nearest=court.near,
        expected=expected,
        drift=drift,
    )


class _Verdicts(Struct, frozen=True):
    court: _Court
    names: Sequence[str]

    def all(self) -> tuple[Judged, ...]:
        """Return the verdicts in history order."""
        first = [self._verdict(position) for position in range(len(self.names))]
        last = max((p for p, v in enumerate(first) if v is Verdict.IN_EFFECT), default=-1)
        return tuple(
            Judged(
                migration=name,
                verdict=self._final(position, first, last),
                evidence=self._evidence(position),
                follows=position < last,
            )
            for position, name in enumerate(self.names)
        )

    def _evidence(self, position: int) -> Evidence:
        return self.court.evidence(position) if position < len(self.court.deltas) else Evidence()

    def _verdict(self, position: int) -> Verdict:
        """Judge a migration by itself; PENDING means that nothing of it is there."""
        court = self.court
        if position >= len(court.deltas) or not court.deltas[position]:
            return Verdict.UNDECIDABLE
        found = court.evidence(position)
        if court.effect[position]:
            if not court.proved[position]:
                held = found.present or found.absent or found.changed
                return Verdict.UNDECIDABLE if held else Verdict.SUPERSEDED
            return Verdict.PARTIAL if found.absent else Verdict.IN_EFFECT
        if found.present:
            return Verdict.PARTIAL
        return Verdict.PENDING if found.absent else Verdict.UNDECIDABLE

    def _final(self, position: int, first: Sequence[Verdict], last: int) -> Verdict:
        verdict = first[position]
        if verdict is Verdict.PARTIAL and position < last and self._lost_indexes_only(position):
            return Verdict.IN_EFFECT
        if verdict is Verdict.PENDING:
            return self._not_there(position, last)
        untold = self._delta(position) and not self._evidence(position).present
        if verdict is Verdict.UNDECIDABLE and position > last and untold:
            return self._by_order(range(last + 1, position), first)
        return verdict

    def _not_there(self, position: int, last: int) -> Verdict:
        """Judge a migration none of whose facts hold: it has not run, or was undone since."""
        if self._returns(position):
            return Verdict.UNDECIDABLE
        if position > last:
            return Verdict.PENDING
        undone = self._indexes_only(position) or self._undone_later(position)
        return Verdict.UNDECIDABLE if undone else Verdict.SKIPPED

    def _undone_later(self, position: int) -> bool:
        """Tell whether a later migration, run before its time, would have undone this one."""
        court = self.court
        return all(
            any(w.position > position and w.value == court.live.get(key) for w in court.chains[key])
            for key in court.evidence(position).absent
        )

    def _by_order(self, before: range, first: Sequence[Verdict]) -> Verdict:
        """Migrations run in order: behind one that has surely not run, none has.

        Where one before the last in effect has not run, that order was not kept.
        """
        surely = any(first[p] is Verdict.PENDING and not self._returns(p) for p in before)
        kept = Verdict.PENDING not in first[: before.start]
        return Verdict.PENDING if surely and kept else Verdict.UNDECIDABLE

    def _delta(self, position: int) -> Delta:
        return self.court.deltas[position] if position < len(self.court.deltas) else {}

    def _returns(self, position: int) -> bool:
        """Tell whether a later state of the history equals the one that is taken to be live."""
        return self.court.near.states[0] <= position < self.court.last_return

    def _indexes_only(self, position: int) -> bool:
        """Tell whether indexes are all that is missing: it did not run, or they were dropped."""
        return all(key.kind == "index" for key in self.court.evidence(position).absent)

    def _lost_indexes_only(self, position: int) -> bool:
        """Tell whether all that is missing of a migration is an index that somebody dropped.

        Nothing depends on an index that is not unique, so people drop it; and what ran later would
        not have, had the migration stopped there.
        """
        found = self.court.evidence(position)
        kept = [key for key in found.present if key.kind != "index"]
        return bool(kept) and all(self._is_plain_index(key, position) for key in found.absent)

    def _is_plain_index(self, key: Key, position: int) -> bool:
        definition = self.court.deltas[position].get(key._replace(aspect="definition"))
        made = definition.after if definition else None
        return key.kind == "index" and not (made or "UNIQUE").startswith("CREATE UNIQUE")


def state_names(names: Sequence[str], states: Sequence[int]) -> list[str]:
    """Name states by the last migration of each; the empty one is ``(nothing)``."""
    return [names[state - 1] if state else "(nothing)" for state in states]
