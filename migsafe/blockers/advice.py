"""What to do about who is in the way, as findings. Pure."""

from collections.abc import Iterator, Sequence

from migsafe.blockers import Blocked, Blocker, Kind
from migsafe.findings import Finding, Severity, Source, Status

#: Blockers that a finding names; the report lists all of them. Arbitrary.
_NAMED = 3


def findings(found: Sequence[Blocker]) -> list[Finding]:
    """Return one warning for each migration that would wait, in the order of the blockers."""
    blocked = dict.fromkeys(place.migration for one in found for place in one.blocks)
    return [_finding(migration, found) for migration in blocked]


def _finding(migration: str, found: Sequence[Blocker]) -> Finding:
    ahead = [one for one in found if any(place.migration == migration for place in one.blocks)]
    first = min(_places(migration, ahead), key=lambda place: place.statement)
    named = "; ".join(str(one) for one in ahead[:_NAMED])
    more = f"; and {len(ahead) - _NAMED} more" if len(ahead) > _NAMED else ""
    return Finding(
        code="MS147",
        name="blocked-by-session",
        source=Source.HAZARD,
        severity=Severity.WARNING,
        status=Status.FAILED,
        message=f"would have to wait now for {named}{more}",
        migration=migration,
        file=first.file,
        line=first.line,
        statement=first.statement,
        count=len(ahead),
        exact=True,
        remedy=" ".join(dict.fromkeys(_remedy(one) for one in ahead)),
        evidence="catalog",
    )


def _places(migration: str, found: Sequence[Blocker]) -> Iterator[Blocked]:
    for one in found:
        yield from (place for place in one.blocks if place.migration == migration)


def _remedy(one: Blocker) -> str:
    if one.kind is Kind.SESSION and one.state is None:
        return "Connect as a role that has pg_read_all_stats to see what that session does."
    if one.kind is Kind.SESSION and one.state != "active":
        return (
            "Have the application end the transaction that it left open, or end its session: "
            "migsafe never does, unless --terminate-blockers names its role or an age."
        )
    return _REMEDIES[one.kind]


_REMEDIES = {
    Kind.SESSION: "Wait until that statement is over, or end it.",
    Kind.DUMP: "Apply when the dump is over: it keeps its locks on all tables until then.",
    Kind.AUTOVACUUM: "Wait a second: it gives way.",
    Kind.WRAPAROUND: "Apply when that vacuum is over: it gives way to nobody, and begins again.",
    Kind.PREPARED: "COMMIT PREPARED or ROLLBACK PREPARED what was left there.",
    Kind.SERVER: "Find out what that process of the server does, and wait for it.",
}
