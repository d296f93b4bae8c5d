"""Compare the live schema with the one that the recorded migrations make in the shadow."""

from collections.abc import Collection

from msgspec.structs import replace

from migsafe import facts, leftovers, replay, verifying
from migsafe.facts import IGNORED, Facts, Key
from migsafe.findings import Finding, Severity
from migsafe.pipeline import doubts, evidence
from migsafe.pipeline.session import Notify, Session, silent, wanted
from migsafe.replay import Replay
from migsafe.verifying import Verification


def compared(
    session: Session, verification: Verification, also: Collection[str], notify: Notify = silent
) -> tuple[Verification, list[Finding]]:
    """Add to a verification what differs between the live schema and the replayed one.

    `also` are aspects (`owner`, `grant`) that are left out unless asked for.
    """
    live = evidence.read(session)
    standing = session.standing
    if standing is None:
        return verification, leftovers.check(live, None)
    if session.settings.shadow.server == "none":
        reason = "--shadow none: no history was replayed"
        unknown = verifying.nothing_compared(reason, severity=Severity.INFO)
        return verification, [*leftovers.check(live, None), unknown]
    applied = {*standing.applied} - {*standing.failed}
    recorded = [m for m in wanted(session).directory.migrations if m.name in applied]
    played = replay.run(recorded, evidence.stage(session), notify)
    if played.stopped:
        return verification, [*leftovers.check(live, None), doubts.not_replayed(played.stopped)]
    expected = _reached(played.final, played, also)
    found = _reached(live, played, also)
    differences = verifying.compare(found, expected, _made_by(played))
    verification = replace(verification, differences=differences, facts=len(expected))
    left = leftovers.check(live, expected)
    return verification, [*verifying.drift(differences), *left]


def _reached(found: Facts, played: Replay, also: Collection[str]) -> dict[Key, str]:
    """Return the facts that the history answers for: what a prelude makes is the environment's.

    Whether a migration grants something on what was there before, no delta says; so all of it is
    compared where grants or owners are asked for.
    """
    objects = facts.reach(played.deltas)
    before = {key.object for key in played.initial} if also else frozenset()
    ignored = frozenset(item for item in IGNORED if item[1] not in also)
    return {
        key: value
        for key, value in facts.kept(found, ignored).items()
        if key.object in objects or (key.aspect in also and key.object in before)
    }


def _made_by(played: Replay) -> dict[Key, str]:
    """Return for each fact the last migration that said anything about it."""
    return {
        key: name for name, step in zip(played.names, played.deltas, strict=True) for key in step
    }
