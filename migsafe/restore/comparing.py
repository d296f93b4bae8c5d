"""What was restored against what the snapshot held. Pure: others have read both."""

from collections.abc import Iterator, Mapping, Sequence

from migsafe.findings import Finding, Severity, Source, Status
from migsafe.snapshots import Fingerprint

#: By how many times two estimates of one table may differ. Arbitrary: the planner's number of a
#: fresh copy is that of the last ANALYZE before it.
_ROUGHLY = 10


def differences(expected: Fingerprint, found: Fingerprint) -> list[Finding]:
    """Return what differs, and what could not be compared: an error, too, where it was known."""
    if not expected.facts:
        unknown = "what the snapshot held is not known: its manifest is gone, so nothing is proved"
        return [finding("restored-unknown", unknown)]
    return [
        *_facts(expected, found),
        *_names("extension", set(expected.extensions), set(found.extensions)),
        *_versions(expected.extensions, found.extensions),
        *_names("role", set(expected.roles), set(found.roles)),
        *_counts(expected, found),
    ]


def finding(name: str, message: str, severity: Severity = Severity.ERROR) -> Finding:
    """Build one finding about what was restored."""
    return Finding(
        code="MV131",
        name=name,
        source=Source.VERIFY,
        severity=severity,
        status=Status.FAILED,
        message=message,
        remedy="Look at what was restored before anybody uses it."
        if severity is Severity.ERROR
        else None,
    )


def _facts(expected: Fingerprint, found: Fingerprint) -> Iterator[Finding]:
    if expected.facts != found.facts:
        yield finding(
            "restored-schema",
            f"the schema is not that of the snapshot: {found.fact_count} facts, "
            f"{expected.fact_count} then",
        )
    if expected.migrations is not None and expected.migrations != found.migrations:
        unread = "was not read: it is gone, or its migrations are not named"
        problem = unread if found.migrations is None else "has other rows"
        yield finding("restored-history", f"the history's own table {problem}")


def _names(kind: str, expected: set[str], found: set[str]) -> Iterator[Finding]:
    """Only what is missing counts: a server may have roles that came after the snapshot."""
    for name in sorted(expected - found):
        yield finding(f"restored-{kind}", f"the {kind} {name} is not there")


def _versions(expected: Mapping[str, str], found: Mapping[str, str]) -> Iterator[Finding]:
    """Another version is a warning: a dump is restored with the one that the server has."""
    for name, version in expected.items():
        if found.get(name, version) != version:
            message = f"the extension {name} is {found[name]}, {version} in the snapshot"
            yield finding("restored-extension", message, Severity.WARNING)


def _counts(expected: Fingerprint, found: Fingerprint) -> Iterator[Finding]:
    estimated = [name for name in expected.estimated if name in found.counts]
    for name, count in expected.counts.items():
        if name not in found.counts:
            yield finding("restored-table", f"the table {name} is not there")
        elif name in expected.estimated:
            yield from _estimate(name, count, found)
        elif name in found.estimated:
            yield finding("restored-rows", f"the rows of {name} could not be counted")
        else:
            either = (count, expected.later.get(name, count))
            yield from _exact(name, expected.between.get(name, either), found.counts[name])
    if estimated:
        yield finding(
            "restored-rows",
            f"{_listed(estimated)}: compared by estimates only, the rows were not counted in the "
            "snapshot",
            Severity.INFO,
        )


def _exact(name: str, bounds: tuple[int, int], rows: int) -> Iterator[Finding]:
    low, high = sorted(bounds)
    if not low <= rows <= high:
        then = f"{low}" if low == high else f"{low} to {high}"
        yield finding("restored-rows", f"{name} has {rows} rows, {then} in the snapshot")


def _estimate(name: str, count: int, found: Fingerprint) -> Iterator[Finding]:
    rows = found.counts[name]
    if min(rows, count) < 0:  # never analyzed: nothing to compare with
        return
    if not (count + 1) / _ROUGHLY <= rows + 1 <= (count + 1) * _ROUGHLY:
        message = f"{name} has {rows} rows, about {count} in the snapshot"
        yield finding("restored-rows", message, Severity.WARNING)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
