"""Which of our copies may go. Pure: nothing is deleted here, and a doubt keeps a copy."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from migsafe.snapshots import Copy

KEPT, DUE, DELETED, FAILED = "kept", "to delete", "deleted", "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How old a copy has to be, in seconds, and how many of the newest stay; None: not asked.

    With neither, a copy goes when the time has come that was written on it, or after `usual`.
    """

    older_than: float | None
    newest: int | None
    usual: float


def judge(copies: Sequence[Copy], rule: Rule, needed: Collection[str], now: datetime) -> list[Copy]:
    """Return the copies, newest first, each with its fate; `needed` are runs that may go back."""
    ordered = sorted(copies, key=lambda copy: copy.taken, reverse=True)
    sound = [copy for copy in ordered if copy.status == "available"]
    newest = sound[0] if sound else None
    return [
        _fated(copy, place, rule, newest, needed, now)
        for place, copy in enumerate(ordered, start=1)
    ]


def _fated(
    copy: Copy,
    place: int,
    rule: Rule,
    newest: Copy | None,
    needed: Collection[str],
    now: datetime,
) -> Copy:
    reasons = [*_holds(copy, newest, needed), *_waits(copy, place, rule, now)]
    if reasons:
        return replace(copy, fate=KEPT, why=reasons[0])
    return replace(copy, fate=DUE, why=f"{(now - copy.taken).days} days old")


def _holds(copy: Copy, newest: Copy | None, needed: Collection[str]) -> Iterator[str]:
    """Yield what forbids to delete a copy, however old it is."""
    if copy.keep:
        yield "tagged to be kept"
    if copy == newest:
        yield "the newest one"
    if copy.run in needed:
        yield "the ledger may still need it"
    if copy.status not in ("available", "missing"):
        yield f"is {copy.status}"
    if copy.outcome == "open":
        yield "how its run ended is not known"


def _waits(copy: Copy, place: int, rule: Rule, now: datetime) -> Iterator[str]:
    """Yield why it is not yet time for a copy, the `place`-th newest."""
    if rule.newest is not None and place <= rule.newest:
        yield f"one of the newest {rule.newest}"
    if rule.older_than is not None:
        if now - copy.taken <= timedelta(seconds=rule.older_than):
            yield "not old enough"
    elif rule.newest is None and now <= _ends(copy, rule):
        yield f"until {_ends(copy, rule):%Y-%m-%d}"


def _ends(copy: Copy, rule: Rule) -> datetime:
    return copy.expires or copy.taken + timedelta(seconds=rule.usual)
