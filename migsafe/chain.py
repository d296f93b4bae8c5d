"""The chain of the ledger's runs: each is bound by a SHA-256 to the one before it.

Pure. Says where the chain breaks; whether the newest runs are missing it cannot say, because
nothing refers to them yet.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from migsafe.findings import Finding, Severity, history

#: What the report says of a run that the ledger keeps in a column of its own, too.
_BOUND = {"run": "id", "command": "command", "exit_code": "exit code", "git_commit": "commit"}


class Link(Struct, frozen=True, kw_only=True):
    """One run as the ledger has it; `problem` is what of it is not as it was stored."""

    run: str
    started: datetime
    previous: str | None
    sha256: str
    problem: str | None


def digest(previous: str, report: str) -> str:
    """Return the sum of a run by its report and the sum before it, which is empty at first."""
    return hashlib.sha256(f"{previous}\n{report}".encode()).hexdigest()


def link(row: Sequence[Any]) -> Link:
    """Build a link from a row as `ledger.rows` reads it, without keeping its report."""
    run, command, started, exit_code, role, host, commit, report, previous, sha256 = row
    columns = {"run": run, "command": command, "exit_code": exit_code, "git_commit": commit}
    problem = None
    if digest(previous or "", report) != sha256:
        problem = "its report does not have the sum that was stored"
    else:
        odd = _differing(report, columns, started, role, host, previous)
        problem = f"its {odd} is not the one of its report" if odd else None
    return Link(run=run, started=started, previous=previous, sha256=sha256, problem=problem)


def _differing(
    report: str,
    columns: dict[str, Any],
    started: datetime,
    role: str,
    host: str,
    previous: str | None,
) -> str | None:
    """Name the first column that contradicts the report; what it does not say, it cannot."""
    try:
        said = json.loads(report)
        if datetime.fromisoformat(said["started"]) != started:
            return "start"
        user = (said.get("target") or {"user": role})["user"]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return "text"
    for key, value in columns.items():
        if said.get(key) != value:
            return _BOUND[key]
    if user != role:
        return "role"
    if said.get("host", host) != host:
        return "host"
    linked = said.get("previous")
    return "link" if linked is not None and linked != (previous or "") else None


def ends(links: Iterable[Link]) -> list[Link]:
    """Return the runs that no other follows, oldest first: of a whole chain there is one."""
    links = list(links)
    followed = {item.previous for item in links}
    return sorted(
        (item for item in links if item.sha256 not in followed),
        key=lambda item: (item.started, item.run),
    )


def check(links: Sequence[Link]) -> Iterator[Finding]:
    """Yield a finding for each place where the chain breaks."""
    for item in links:
        if item.problem:
            yield _edited(item)
    yield from _gaps(links)
    yield from _forks(links)


def _edited(item: Link) -> Finding:
    return broken(
        "MH121",
        "run-edited",
        f"run {item.run} of {_date(item)} is not as it was stored: {item.problem}",
        remedy="Hold it against its file in .migsafe/reports, or against a backup.",
    )


def _gaps(links: Sequence[Link]) -> Iterator[Finding]:
    """Yield the runs whose predecessor is not there, and all but the oldest that have none."""
    known = {item.sha256 for item in links}
    first = min((item for item in links if not item.previous), key=_age, default=None)
    last = ends(links)
    for item in links:
        if item.previous in known or item is first:
            continue
        before = [end for end in last if _age(end) < _age(item)]
        after = f"; {before[-1].run} is the last one before the gap" if before else ""
        lost = "what it follows is not in the ledger" if item.previous else "it follows no other"
        yield broken(
            "MH122",
            "run-missing",
            f"the chain breaks before run {item.run} of {_date(item)}: {lost}{after}",
            remedy="A run was removed there, or edited and given a new sum: hold the ledger "
            "against the files in .migsafe/reports, or against a backup.",
        )


def _forks(links: Sequence[Link]) -> Iterator[Finding]:
    following: dict[str, list[Link]] = defaultdict(list)
    for item in links:
        if item.previous:
            following[item.previous].append(item)
    for same in following.values():
        if len(same) > 1:
            first, *others = sorted(same, key=_age)
            names = ", ".join(item.run for item in others)
            yield broken(
                "MH123",
                "run-inserted",
                f"the chain forks at run {names} of {_date(others[0])}: {first.run} follows the "
                "same run",
                remedy="One of them did not get there by migsafe.",
            )


def broken(code: str, name: str, message: str, *, remedy: str) -> Finding:
    """Build the finding of a ledger that is not what migsafe wrote."""
    return history(code, name, Severity.ERROR, message, remedy=remedy)


def _age(item: Link) -> tuple[datetime, str]:
    return item.started, item.run


def _date(item: Link) -> str:
    return f"{item.started:%Y-%m-%d %H:%M}"
