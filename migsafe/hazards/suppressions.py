"""Comments that allow a hazard for one statement, ours and those of other linters. Pure.

Ours wants a reason: `-- migsafe: allow MS101 nightly window`. One that allows nothing, because it
has no reason, names nothing or meets no hazard, is a finding itself.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import replace
from pglast.parser import scan

from migsafe.errors import nearest
from migsafe.findings import Finding, Severity, Source, Status
from migsafe.hazards import Unit, foreign, rules
from migsafe.sql import Statement


class _Dialect(Struct, frozen=True, kw_only=True):
    """How one tool writes it: `rest` are the names, `file` and `start` or `end` its reach."""

    tool: str
    pattern: re.Pattern[str]
    names: Mapping[str, tuple[str, ...]]


def _dialect(tool: str, pattern: str, names: Mapping[str, tuple[str, ...]]) -> _Dialect:
    return _Dialect(tool=tool, pattern=re.compile(pattern, re.DOTALL), names=names)


_DIALECTS = (
    _dialect("squawk", r"squawk-ignore(?P<file>-file)?(?![\w-])(?P<rest>.*)", foreign.SQUAWK),
    _dialect("eugene", r"eugene:\s*ignore\b(?P<rest>.*)", foreign.EUGENE),
    _dialect(
        "pgls",
        r"pgls-ignore(?:(?P<file>-all)|(?P<start>-start)|(?P<end>-end))?(?![\w-])(?P<rest>.*)",
        foreign.PGLS,
    ),
    _dialect("pgfence", r"pgfence(?:-ignore|:\s*ignore)\b:?(?P<rest>.*)", foreign.PGFENCE),
    _dialect(
        "migrationpilot",
        r"migrationpilot-disable(?P<file>-file)?(?![\w-])(?P<rest>.*)",
        foreign.MIGRATIONPILOT,
    ),
    _dialect("atlas", r"atlas:nolint\b(?P<rest>.*)", foreign.ATLAS),
    _dialect("diesel-guard", r"diesel-guard:disable\b(?P<rest>.*)", foreign.DIESEL_GUARD),
    _dialect("diesel-guard", r"safety-assured:(?:(?P<start>start)|(?P<end>end))\b(?P<rest>)", {}),
    _dialect("pgrubic", r"(?P<file>pgrubic:\s*)?noqa\b:?(?P<rest>.*)", foreign.PGRUBIC),
)

_OURS = re.compile(r"migsafe:\s*(?P<word>[\w-]*)\s*(?P<rest>.*)", re.DOTALL)
_ALLOWED = re.compile(r"(?P<names>[\w-]+(?:\s*,\s*[\w-]+)*)\s*(?P<reason>.*)", re.DOTALL)

#: Whether a file is worth looking for comments at all.
_MARK = re.compile(r"migsafe:|ignore|-disable|:disable|nolint|safety-assured|noqa")


class _Allowance(Struct, kw_only=True):
    """One comment. `names` are rules here, empty for all of them; `covers` are statements."""

    tool: str
    line: int
    names: frozenset[str]
    reason: str
    covers: frozenset[int]
    unknown: tuple[str, ...] = ()
    problem: str | None = None
    used: bool = field(default=False)

    def allows(self, finding: Finding) -> bool:
        """Tell whether a finding is one of those that the comment means."""
        if self.problem or finding.statement not in self.covers:
            return False
        return not self.names or bool(self.names & {finding.code, finding.name})


def settle(
    units: Iterable[Unit], findings: Iterable[Finding], *, also: Collection[str] = ()
) -> list[Finding]:
    """Return the findings with those marked that a comment allows, and findings about comments.

    `also` are names and codes that are no hazard rules, and that a comment may allow all the same.
    """
    settled = list(findings)
    known = {name for rule in rules() for name in (rule.code, rule.name)} | {*also}
    for unit in units:
        if not unit.report or not _MARK.search(unit.text):
            continue
        allowances = list(_allowances(unit, known))
        settled = [_marked(finding, unit, allowances) for finding in settled]
        settled += _amiss(unit, allowances, known)
    return settled


def covered(unit: Unit, *names: str) -> frozenset[int]:
    """Return the statements for which a comment allows the rule that has these names."""
    if not _MARK.search(unit.text):
        return frozenset()
    return frozenset(
        index
        for allowance in _allowances(unit, names)
        if not allowance.problem and not (allowance.names and allowance.names.isdisjoint(names))
        for index in allowance.covers
    )


def _marked(finding: Finding, unit: Unit, allowances: Iterable[_Allowance]) -> Finding:
    if (
        finding.migration != unit.name
        or finding.status is not Status.FAILED
        or finding.source not in (Source.HAZARD, Source.DERIVED)
    ):
        return finding
    matching = [allowance for allowance in allowances if allowance.allows(finding)]
    for allowance in matching:
        allowance.used = True
    return replace(finding, suppressed=matching[0].reason) if matching else finding


# ---------------------------------------------------------------- reading comments


def _allowances(unit: Unit, known: Collection[str]) -> Iterator[_Allowance]:
    opened: list[tuple[_Dialect, re.Match[str], _Comment]] = []
    for comment in _comments(unit):
        if ours := _OURS.fullmatch(comment.body):
            yield _own(ours, comment, known)
            continue
        for dialect in _DIALECTS:
            match = dialect.pattern.fullmatch(comment.body)
            if not match:
                continue
            parts = match.groupdict()
            if parts.get("start"):
                opened.append((dialect, match, comment))
            elif parts.get("end"):
                if opened:
                    yield _between(unit, *opened.pop(), comment)
            else:
                yield _theirs(unit, dialect, match, comment)
            break


class _Comment(Struct, frozen=True, kw_only=True):
    """One comment; `statement` is the one it is about, None at the end of a file."""

    body: str
    line: int
    start: int
    alone: bool
    statement: Statement | None


def _comments(unit: Unit) -> Iterator[_Comment]:
    """Yield the comments of a file in order; PostgreSQL's own scanner knows what is none."""
    tokens = scan(unit.text)
    semicolons = [token.start for token in tokens if token.name == "ASCII_59"]
    for token in tokens:
        if token.name in ("SQL_COMMENT", "C_COMMENT"):
            raw = unit.text[token.start : token.end + 1]
            yield _Comment(
                body=raw.removesuffix("*/")[2:].strip(" \t\r\n*"),
                line=unit.text.count("\n", 0, token.start) + 1,
                start=token.start,
                alone=unit.text[token.end + 1 :].startswith(("\n\n", "\r\n\r\n")),
                statement=_about(unit, token.start, semicolons),
            )


def _about(unit: Unit, offset: int, semicolons: Sequence[int]) -> Statement | None:
    """Return the statement around a comment, the one that ends on its line, or the next one."""
    previous = None
    for statement in unit.statements:
        if statement.start > offset:
            break
        previous = statement
    if previous and "\n" not in unit.text[_end(previous, semicolons) : offset]:
        return previous
    return next((s for s in unit.statements if s.start > offset), None)


def _end(statement: Statement, semicolons: Sequence[int]) -> int:
    """Return where a statement ends: at its semicolon, which may stand on another line."""
    end = statement.start + len(statement.text)
    place = bisect_left(semicolons, end)
    return semicolons[place] if place < len(semicolons) else end


def _covered(comment: _Comment) -> frozenset[int]:
    return frozenset({comment.statement.index} if comment.statement else ())


def _own(match: re.Match[str], comment: _Comment, known: Collection[str]) -> _Allowance:
    said = _ALLOWED.fullmatch(match["rest"])
    names = tuple(re.split(r"\s*,\s*", said["names"])) if said else ()
    reason = " ".join(said["reason"].split()) if said else ""
    problem = None
    if match["word"] != "allow":
        problem = f"migsafe: {match['word']} means nothing; write migsafe: allow CODE reason"
    elif not names:
        problem = "it names no rule"
    elif not reason:
        problem = "it gives no reason"
    return _Allowance(
        tool="migsafe",
        line=comment.line,
        names=frozenset(names),
        reason=reason,
        covers=_covered(comment),
        unknown=tuple(name for name in names if name not in known),
        problem=problem,
    )


def _theirs(unit: Unit, dialect: _Dialect, match: re.Match[str], comment: _Comment) -> _Allowance:
    said, _, reason = re.sub(r"[\[\]]", " ", match["rest"]).partition("--")
    if dialect.tool == "pgls":
        said, _, reason = said.partition(":")
    names = [name.rsplit("/", 1)[-1] for name in re.findall(r"[\w/-]+", said)]
    whole = match.groupdict().get("file") or (
        dialect.tool == "atlas" and comment.alone and comment.start == 0
    )
    every = frozenset(statement.index for statement in unit.statements)
    return _Allowance(
        tool=dialect.tool,
        line=comment.line,
        names=frozenset(ours for name in names for ours in dialect.names.get(name, ()))
        or frozenset({""} if names else ()),
        reason=" ".join(reason.split()) or f"a comment for {dialect.tool}, without a reason",
        covers=every if whole else _covered(comment),
        unknown=tuple(name for name in names if name not in dialect.names),
    )


def _between(
    unit: Unit, dialect: _Dialect, match: re.Match[str], first: _Comment, last: _Comment
) -> _Allowance:
    inside = (s.index for s in unit.statements if first.start < s.start < last.start)
    return replace(_theirs(unit, dialect, match, first), covers=frozenset(inside))


# ---------------------------------------------------------------- comments that are amiss


def _amiss(
    unit: Unit, allowances: Sequence[_Allowance], known: Collection[str]
) -> Iterator[Finding]:
    for allowance in allowances:
        ours = allowance.tool == "migsafe"
        severity = Severity.WARNING if ours else Severity.INFO
        found = _finding(unit, allowance, severity)
        if allowance.problem:
            yield found(
                "MS471", "suppression-without-reason", f"allows nothing: {allowance.problem}"
            )
            continue
        for name in allowance.unknown:
            hint = nearest(name, known) if ours else "it has no counterpart here"
            problem = f"names {name}, which is no rule{' here' if not ours else ''}"
            yield found("MS472", "unknown-suppression", f"{problem}; {hint}" if hint else problem)
        if not allowance.used and not allowance.unknown:
            yield found("MS470", "unused-suppression", "allows nothing: no such hazard is there")


def _finding(
    unit: Unit, allowance: _Allowance, severity: Severity
) -> Callable[[str, str, str], Finding]:
    def build(code: str, name: str, message: str) -> Finding:
        return Finding(
            code=code,
            name=name,
            source=Source.HAZARD,
            severity=severity,
            status=Status.FAILED,
            message=f"a comment for {allowance.tool} {message}",
            migration=unit.name,
            file=unit.file,
            line=allowance.line,
            remedy="Write `-- migsafe: allow CODE reason` above the statement, or remove it.",
            evidence="text",
        )

    return build
