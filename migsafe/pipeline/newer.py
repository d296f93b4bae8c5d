"""What migrations of a newer release may change without harm to this one. Pure.

Where a record is ahead, a difference may be drift or the work of the newer migrations; nothing here
tells which. What adds to a schema lets older statements run, what takes away or changes may not.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from migsafe import verifying
from migsafe.findings import Finding
from migsafe.verifying import Difference, Verification


def allowed(verification: Verification, found: Sequence[Finding], *, reason: str) -> list[Finding]:
    """Return the findings with what only adds suppressed for `reason`, and the rest as it was."""
    facts = {item.fact for item in verification.differences}
    harmless = [item for item in verification.differences if _adds(item, facts)]
    others = [item for item in verification.differences if not _adds(item, facts)]
    return [
        *(replace(f, remedy=_REMEDY) for f in verifying.drift(others)),
        *(replace(f, remedy=None, suppressed=reason) for f in verifying.drift(harmless)),
        *(f for f in found if f.code != "MV106"),
    ]


#: To undo the difference may undo a newer migration.
_REMEDY = "Find out whether a newer migration made it; then only a newer release can run."


def _adds(item: Difference, facts: set[str]) -> bool:
    """Tell whether statements that were right before are right with this difference, too."""
    kind, aspect = item.fact.split(" ", 1)[0], item.fact.rsplit(" ", 1)[-1]
    if (kind, aspect) == ("enum", "labels"):  # a label that went away is a difference of its own
        return True
    if (kind, aspect) == ("column", "nullable") and item.found is not None:
        return item.found == "yes" or (item.expected is None and _is_filled(item.fact, facts))
    return item.expected is None and not item.fact.endswith(" row security")


def _is_filled(nullable: str, facts: set[str]) -> bool:
    """Tell whether a new required column gets its value from the server."""
    column = nullable.removesuffix("nullable")
    return any(f"{column}{aspect}" in facts for aspect in ("default", "identity", "generated"))
