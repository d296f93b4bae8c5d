"""Which of our copies may go. Pure: nothing is deleted here, and a doubt keeps a copy."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from migsafe.snapshots import Copy

KEPT, DUE, DELETED, FAILED = "kept", "to delete", "deleted", "failed"


class Rule(Struct, frozen=True, kw_only=True):
    """How old a copy has to be, in seconds, and how many of the newest stay; None: not asked.

    With neither, a copy goes when the time has come that was written on it, or after `usual`.
    """

    older_than: float | None
    newest: int | None
    usual: float


def judge(
    copies: Sequence[Copy],
    rule: Rule,
    needed: Mapping[str, str],
    now: datetime,
    *,
    running: bool = False,
) -> list[Copy]:
    """Return the copies, newest first, each with its fate.

    `needed` are runs that may go back, with what is said of them; `running` tells whether a run is
    in progress, which may be that of a copy whose outcome is open.
    """
    ordered = sorted(copies, key=lambda copy: copy.taken, reverse=True)
    sound = [copy for copy in ordered if copy.status == "available"]
    protected = sound[: max(rule.newest or 1, 1)]

    def fated(copy: Copy) -> Copy:
        held = [*_holds(copy, protected, needed), *_waits(copy, rule, now)]
        if copy.outcome == "open" and (running or now <= _ends(copy, rule)):
            held.append("how its run ended is not known")
        if held:
            return replace(copy, fate=KEPT, why=held[0])
        return replace(copy, fate=DUE, why=f"{(now - copy.taken).days} days old")

    return [fated(copy) for copy in ordered]


def _holds(copy: Copy, newest: Sequence[Copy], needed: Mapping[str, str]) -> Iterator[str]:
    """Yield what forbids to delete a copy, however old it is; only what is sound counts as new."""
    if copy.keep:
        yield "tagged to be kept"
    if copy in newest:
        yield "the newest one" if copy == newest[0] else f"one of the newest {len(newest)}"
    if copy.run in needed:
        yield needed[copy.run]
    if copy.status not in ("available", "missing"):
        yield f"is {copy.status}"


def _waits(copy: Copy, rule: Rule, now: datetime) -> Iterator[str]:
    """Yield why it is not yet time for a copy."""
    if rule.older_than is not None:
        if now - copy.taken <= timedelta(seconds=rule.older_than):
            yield "not old enough"
    elif rule.newest is None and now <= _ends(copy, rule):
        yield f"until {_ends(copy, rule):%Y-%m-%d}"


def _ends(copy: Copy, rule: Rule) -> datetime:
    return copy.expires or copy.taken + timedelta(seconds=rule.usual)
