"""A schema as atomic facts, and what differs between two schemas. Pure: reads nothing.

A fact is a key and a value, such as ``column public.notes.body nullable`` → ``no``. What is not
set has no fact, so a missing default is a missing key. `migsafe.catalog.schema` reads them.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from msgspec import Struct

from migsafe.findings import Severity

#: Counts up whenever the same schema would give other facts: replays kept from before are void.
VERSION = 3


class Key(NamedTuple):
    """What a fact is about. Hundreds of thousands are held at once, hence a tuple.

    `object` is the qualified name of the object that the fact lives and dies with, quoted where
    SQL needs it: an index, constraint, trigger or policy belongs to its table. `part` is the name
    within it, empty where the fact is about the object itself.
    """

    kind: str
    object: str
    part: str
    aspect: str

    def __str__(self) -> str:
        """Return the key as a person reads it: ``column public.notes.body nullable``."""
        name = f"{self.object}.{self.part}" if self.part else self.object
        return f"{self.kind} {name} {self.aspect}".rstrip()


Facts = Mapping[Key, str]


class Change(NamedTuple):
    """What became of one fact; None where it is not there."""

    before: str | None
    after: str | None


Delta = Mapping[Key, Change]


class Difference(Struct, frozen=True, kw_only=True):
    """A fact in which a live schema is not as expected; None where it is not there."""

    key: Key
    found: str | None
    expected: str | None


def unfinished(initial: Facts, deltas: Iterable[Delta]) -> frozenset[tuple[str, str]]:
    """Return the indexes that a history itself leaves INVALID: those ON ONLY a parent."""
    changed = ((key, after) for step in deltas for key, (_, after) in step.items())
    return _invalid(initial.items()) | _invalid(changed)


def _invalid(values: Iterable[tuple[Key, str | None]]) -> frozenset[tuple[str, str]]:
    return frozenset(
        (key.object, key.part)
        for key, value in values
        if key.kind == "index" and key.aspect == "valid" and value == "no"
    )


def effective(live: Facts, left: Collection[tuple[str, str]] = frozenset()) -> dict[Key, str]:
    """Return the facts that are compared, without INVALID indexes: those do not do their work.

    Those `left` so by the history itself are compared.
    """
    invalid = _invalid(live.items()).difference(left)
    found = kept(live)
    if not invalid:
        return found
    return {
        key: value
        for key, value in found.items()
        if key.kind != "index" or (key.object, key.part) not in invalid
    }


def delta(before: Facts, after: Facts) -> dict[Key, Change]:
    """Return the facts that differ; empty exactly where the two are equal."""
    changed = {
        key: Change(value, after.get(key))
        for key, value in before.items()
        if after.get(key) != value
    }
    added = {key: Change(None, value) for key, value in after.items() if key not in before}
    return changed | added


def advance(state: dict[Key, str], step: Delta) -> None:
    """Change `state` as a step does."""
    for key, (_, after) in step.items():
        if after is None:
            state.pop(key, None)
        else:
            state[key] = after


def reach(deltas: Iterable[Delta]) -> frozenset[str]:
    """Return the objects that a history has ever said anything about."""
    return frozenset(key.object for step in deltas for key in step)


def within(facts: Facts, objects: frozenset[str]) -> dict[Key, str]:
    """Return the facts about `objects`."""
    return {key: value for key, value in facts.items() if key.object in objects}


def shown(value: str | None, beside: str | None = None) -> str:
    """Shorten a value for a line of text: that of a view or a function would fill the screen.

    What it has in common with the value `beside` it gives way, where the two would look the same.
    """
    if value is None:
        return "not there"
    line, other = " ".join(value.split()), " ".join((beside or "").split())
    if line[: _SHOWN - 1] == other[: _SHOWN - 1] and line != other:
        pairs = enumerate(zip(line, other, strict=False))
        parted = (at for at, (ours, theirs) in pairs if ours != theirs)
        same = next(parted, min(len(line), len(other)))
        line = f"…{line[max(same - _BEFORE, 1) :]}"
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"


def compared(fact: str, found: str | None, expected: str | None) -> str:
    """Say what a fact is and what it should be, as a sentence's part."""
    if found == expected:
        return f"{fact} is {shown(found)}"
    return f"{fact} is {shown(found, expected)}, expected {shown(expected, found)}"


#: Characters of a value that a line shows; arbitrary.
_SHOWN = 60

#: Characters that are left of what two values have in common, to be found by; arbitrary.
_BEFORE = 20


def differences(live: Facts, expected: Facts) -> Iterator[Difference]:
    """Yield where `live` is not as `expected`, ordered by object."""
    found = delta(expected, live)
    for key in sorted(found, key=lambda k: (k.object, k.kind, k.part, k.aspect)):
        expects, finds = found[key]
        yield Difference(key=key, found=finds, expected=expects)


#: What a comparison leaves out unless asked, as kind and aspect; no kind stands for every kind.
#: Roles and grants belong to an installation, and an extension's version to its server.
IGNORED: frozenset[tuple[str, str]] = frozenset(
    {("", "owner"), ("", "grant"), ("extension", "version"), ("extension", "comment")}
)


def kept(facts: Facts, ignored: frozenset[tuple[str, str]] = IGNORED) -> dict[Key, str]:
    """Return the facts that a comparison looks at."""
    return {
        key: value
        for key, value in facts.items()
        if ("", key.aspect) not in ignored and (key.kind, key.aspect) not in ignored
    }


#: Aspects that make statements slower or faster, never wrong.
_OF_SPEED = frozenset(
    {"storage", "compression", "statistics", "options", "option", "tablespace", "clustered"}
    | {"access method", "cost", "rows", "parallel", "cache", "version", "owner"}
)


def severity(key: Key, *values: str | None) -> Severity:
    """Return how bad a difference in this fact is; `values` are what is found and expected.

    Wrong data or a failing statement is an error, a slow one a warning.
    """
    if key.aspect == "comment":
        return Severity.INFO
    if key.kind == "index":
        unique = any(value and value.startswith("CREATE UNIQUE") for value in values)
        return Severity.ERROR if unique or key.aspect == "replica identity" else Severity.WARNING
    # The options of a view decide with whose rights it reads.
    slow = key.aspect in _OF_SPEED and key.kind != "view"
    return Severity.WARNING if slow or key.kind == "statistics" else Severity.ERROR
