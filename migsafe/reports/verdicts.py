"""What is in effect of a history, migration by migration, on a terminal."""

from collections.abc import Iterator, Sequence

import click

from migsafe.reports import BaselineInfo, FactInfo, Report, VerdictInfo
from migsafe.reports.reasons import counted, doubted
from migsafe.reports.terminal import LISTED, RECENT, Row, painted, table, wrapped


def listed(report: Report, *, verbose: bool) -> str:
    """Say of each migration whether it is in effect, and by how many facts."""
    found = report.baseline
    if found is None:
        return ""
    recorded = f"{counted(len(found.written), 'migration')} recorded as applied."
    if report.steps and not verbose:  # what was pending is not, by now
        return f"{wrapped(_replayed(report))}\n\n{recorded}"
    rows = list(_judged(found, doubted(report), verbose=verbose))
    against = [] if verbose else [v for v in found.verdicts if v.verdict in _EXPLAINED]
    told = found.verdicts if verbose else against[:_EXPLAINED_AT_ONCE]
    parts = [
        wrapped(_replayed(report)),
        recorded if found.written and report.command != "baseline" else "",
        table(rows, ("migration", "verdict", "facts that hold"), (46, 11, 18)),
        *(_reasons(item, verbose=verbose) for item in told),
        _drift(found, told, verbose=verbose),
    ]
    return "\n\n".join(part for part in parts if part)


def _judged(found: BaselineInfo, doubted: set[str], *, verbose: bool) -> Iterator[Row]:
    """Yield a row a verdict; of a long list what is plain is counted before and after the rest."""
    plain = set() if verbose else _plain(found) - doubted
    left = () if verbose else found.pending[LISTED:]
    late = {v.migration for v in found.verdicts if v.verdict == "pending"}.intersection(left)
    if plain:
        yield f"… {len(plain)} more in effect (-v shows them)", "", ""
    for item in found.verdicts:
        if item.migration not in plain | late:
            yield item.migration, painted(item.verdict), _counts(item)
    if late:
        yield f"… {len(late)} more pending (-v shows them)", "", ""


#: Verdicts that a reader wants to see the facts of, and how many at once; arbitrary.
_EXPLAINED = ("pending", "skipped", "partial")

_EXPLAINED_AT_ONCE = 3


def _plain(found: BaselineInfo) -> set[str]:
    """Return the migrations that are shown only with -v: all in effect but the last few."""
    return set(found.in_effect[:-RECENT]) if len(found.verdicts) > LISTED else set()


def _counts(item: VerdictInfo) -> str:
    present, all_ = len(item.present), len(item.present) + len(item.absent)
    if not all_:
        return "no fact of its own" if not item.changed else "changed since"
    return f"{present} of {all_}" if item.absent else f"all {present}"


def _replayed(report: Report) -> str:
    found = report.baseline
    assert found is not None  # noqa: S101  # the caller has looked
    stand_ins = f", with stand-ins for {', '.join(found.stand_ins)}" if found.stand_ins else ""
    return (
        f"Replayed {counted(found.replayed, 'migration')} on PostgreSQL {found.server}"
        f"{stand_ins}. "
        f"{'The live schema equals' if found.exact else 'The live schema is nearest to'} the state "
        f"after {' or '.join(found.nearest[-2:])}{_away(found)}."
    )


def _away(found: BaselineInfo) -> str:
    """Say by how much the live schema differs from the nearest state."""
    if found.distance:
        return f", with {counted(found.distance, 'difference')}"
    more = 0 if found.exact else len(found.drift)
    return f", with {counted(more, 'fact')} more" if more else ""


def _reasons(item: VerdictInfo, *, verbose: bool) -> str:
    """List the facts of one migration, those that do not hold first."""
    facts = [*item.absent, *item.changed, *(item.present if verbose else ())]
    title = f"{click.style(item.migration, bold=True)}  {item.verdict}"
    return _below(title, facts, len(facts) if verbose else RECENT)


def _drift(found: BaselineInfo, told: Sequence[VerdictInfo], *, verbose: bool) -> str:
    """List what the verdicts do not account for, without the facts that `told` have shown."""
    known = {fact.fact for item in told for fact in (*item.absent, *item.changed)}
    drift = [fact for fact in found.drift if fact.fact not in known]
    title = f"{counted(len(drift), 'fact')} that no migration explains:"
    return _below(title, drift, len(drift) if verbose else LISTED)


def _below(title: str, facts: Sequence[FactInfo], most: int) -> str:
    """List at most so many facts under a title, and say how many more there are."""
    lines = [title, *(wrapped(str(fact), indent="  ") for fact in facts[:most])]
    if len(facts) > most:
        lines.append(f"  … {len(facts) - most} more (-v shows them)")
    return "\n".join(lines) if facts else ""
