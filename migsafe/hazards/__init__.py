"""Hazards: what a statement risks. A rule is a record plus a pure function.

`tests/cases/<code>/{bad,good}.sql` are a rule's tests, and `docs/hazards/<name>.md` is made of them
and of the record.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from msgspec import Struct, structs
from pglast import ast

from migsafe.errors import UsageError
from migsafe.findings import Finding, Severity, Source, Status
from migsafe.hazards import blocks, rollbacks, waits
from migsafe.hazards.context import Context, Options, Taken, Unit, enter, move, take
from migsafe.hazards.waits import Wait
from migsafe.schema import Key, Place, Schema, Table
from migsafe.schema.changes import advance, begin
from migsafe.sql import Statement

__all__ = ["Context", "Hit", "Options", "Rule", "Unit", "Wait", "When", "rules", "walk"]


class When(Enum):
    """Moments that are no statement of one kind."""

    #: Before each statement, of whatever kind.
    STATEMENT = "statement"
    #: After the last statement of a migration; the node is None.
    END = "end"
    #: After the last migration; the node is None.
    LAST = "last"


class Hit(NamedTuple):
    """One place where a rule applies: a sentence without its full stop.

    `table` is the relation that suffers, whose size is weighed and printed, and whose being new
    makes the hit go away. `severity` is set where this place is worse or better than the rule's.
    `statement` is set by rules that look back in their migration, `place` by those that look back
    over several (`Constraint.made`); `offset` is the 0-based character in the file.
    """

    message: str
    table: Table | None = None
    severity: Severity | None = None
    statement: Statement | None = None
    place: Place | None = None
    offset: int | None = None


#: What a rule is asked: the node it looks at, the statement around it, and what holds before it.
Check = Callable[[Any, Statement, Context], Iterable[Hit]]


class Rule(Struct, frozen=True, kw_only=True):
    """One hazard. Its `name` is the catalogue's id, its `code` is never given again.

    `on` lists what it looks at: node types, subcommands of ALTER TABLE, or moments. `summary` is
    the clause that a list of codes shows, `why` the paragraph of its page, `remedy` one sentence
    that says what to do. `lock` is the relation lock that the bad case takes, `rewrites` and
    `scans` what the server does under it, `fails` the SQLSTATE with which it ends; the claims are
    held against a real server. `weighed` says that the size of the table decides how bad it is.
    `spares_new` drops hits on tables that nobody can use yet. `rows` says that only the rows
    decide, so that a derived audit answers instead where there is a target. `style` rules are off
    unless they are asked for. `since` and `until` bound the major versions that have it.
    `source` is where the claim can be looked up.
    """

    code: str
    name: str
    severity: Severity = Severity.WARNING
    on: tuple[Any, ...]
    check: Check
    summary: str
    why: str
    remedy: str
    source: str
    lock: str | None = None
    rewrites: bool = False
    scans: bool = False
    fails: str | None = None
    weighed: bool = False
    spares_new: bool = True
    rows: bool = False
    style: bool = False
    since: int | None = None
    until: int | None = None


#: One module a family, each with its `RULES`.
FAMILIES = (
    "access",
    "added_columns",
    "changed_columns",
    "concurrent",
    "constraint_drops",
    "constraints",
    "deferred",
    "dependents",
    "destructive",
    "foreign_ends",
    "foreign_keys",
    "index_keys",
    "indexes",
    "inline_constraints",
    "new_labels",
    "opaque",
    "partitions",
    "promises",
    "queries",
    "refused_columns",
    "relations",
    "renames",
    "retyped_columns",
    "rows",
    "runs",
    "sequences",
    "session",
    "sizes",
    "storage",
    "style",
    "timeouts",
    "transactions",
    "triggers",
    "type_choices",
    "types",
    "views",
    "windows",
)


@cache
def rules() -> tuple[Rule, ...]:
    """Return every rule, by code."""
    found = [
        rule for family in FAMILIES for rule in import_module(f"migsafe.hazards.{family}").RULES
    ]
    return tuple(sorted(found, key=lambda rule: rule.code))


def walk(
    units: Iterable[Unit],
    schema: Schema,
    options: Options,
    waited: dict[Wait, None] | None = None,
) -> list[Finding]:
    """Walk migrations in order and return their hazards; `schema` is moved along.

    A schema that is `complete` is the target's: it begins before the first unit. `waited` is given
    what the statements wait for, in order, where a caller wants to know.
    """
    asked = _asked(options, options.version or schema.version)
    found: list[Finding] = []
    walked: dict[str, Context] = {}
    settings: dict[str, str] = {}
    run: list[Taken] = []
    reported: list[str] = []
    named: dict[Key, Place] = {}
    for unit in units:
        reported += [unit.name] if unit.report else []
        context = Context(
            schema=schema,
            options=options,
            unit=unit,
            settings=settings,
            run=run,
            reported=reported,
            named=named,
        )
        walked[unit.name] = context
        found += _one(context, asked, waited)
    if walked:
        found += _ask_last(asked, walked)
    return found


def _ask_last(asked: "Asked", walked: Mapping[str, Context]) -> Iterator[Finding]:
    """Ask the rules that look at all migrations; a hit belongs to the migration of its place."""
    *_, last = walked.values()
    for rule in asked.get(When.LAST, ()):
        for hit in rule.check(None, _last(last), last):  # type: ignore[arg-type]
            context = walked.get(hit.place.migration) if hit.place else last
            if context is None or not context.unit.report:
                continue
            if not (rule.spares_new and context.fresh(hit.table)):
                yield _finding(rule, hit, _placed(hit, context) or _last(context), context)


def _placed(hit: Hit, context: Context) -> Statement | None:
    if hit.statement or hit.place is None:
        return hit.statement
    line = hit.place.line
    return next((statement for statement in context.before if statement.line == line), None)


def _last(context: Context) -> Statement | None:
    return context.before[-1] if context.before else None


Asked = Mapping[Any, tuple[Rule, ...]]


def _asked(options: Options, version: int | None) -> Asked:
    """Return the rules that are on, by what they look at."""
    table: dict[Any, list[Rule]] = {}
    for rule in rules():
        named = {rule.code, rule.name}
        wanted = bool(named & options.on) or not (rule.style or named & options.off)
        fits = version is None or (rule.since or 0) <= version <= (rule.until or version)
        for what in rule.on if wanted and fits else ():
            table.setdefault(what, []).append(rule)
    return {what: tuple(found) for what, found in table.items()}


def _one(context: Context, asked: Asked, waited: dict[Wait, None] | None) -> Iterator[Finding]:
    """Walk one migration. What runs inside of a statement follows it among the statements."""
    walked = list(context.unit.statements)
    context.unit = structs.replace(context.unit, statements=walked)
    begin(context.schema, context.unit.name)
    undo = rollbacks.of(walked, context.schema, transaction=context.unit.transaction)
    for statement in walked:
        try:
            yield from _step(statement, context, asked, waited)
            undo.follow(statement)
            move(context, statement)
            if not statement.inner:
                here = len(context.before)
                walked[here:here] = blocks.inside(statement, context.schema)
        except RecursionError:
            place = f"{context.unit.file}:{statement.line}"
            raise UsageError(place, "is nested too deeply to be judged", "split it") from None
    if context.unit.report:
        yield from _ask(asked.get(When.END, ()), None, _last(context), context)


def _step(
    statement: Statement, context: Context, asked: Asked, waited: dict[Wait, None] | None
) -> Iterator[Finding]:
    enter(context, statement)
    if context.unit.report:
        yield from _ask_about(statement, context, asked)
        take(context, statement)
    if waited is not None:
        waits.note(context, statement, waited)
    advance(context.schema, statement, context.unit.name)


def _ask_about(statement: Statement, context: Context, asked: Asked) -> Iterator[Finding]:
    node = statement.node
    yield from _ask(asked.get(When.STATEMENT, ()), node, statement, context)
    yield from _ask(asked.get(type(node), ()), node, statement, context)
    if isinstance(node, ast.AlterTableStmt):
        for command in node.cmds or ():
            yield from _ask(asked.get(command.subtype, ()), command, statement, context)


def _ask(
    asked: Iterable[Rule], node: Any, statement: Statement | None, context: Context
) -> Iterator[Finding]:
    for rule in asked:
        for hit in rule.check(node, statement, context):  # type: ignore[arg-type]
            if not (rule.spares_new and context.fresh(hit.table)):
                yield _finding(rule, hit, _placed(hit, context) or statement, context)


def _finding(rule: Rule, hit: Hit, statement: Statement | None, context: Context) -> Finding:
    unit = context.unit
    found = Finding(
        code=rule.code,
        name=rule.name,
        source=Source.HAZARD,
        severity=_weighed(rule, hit),
        status=Status.FAILED,
        message=f"{hit.message}{_sized(hit.table)}",
        migration=unit.name,
        file=unit.file,
        line=statement.line if statement else None,
        end_line=statement.end_line if statement else None,
        statement=statement.index if statement else None,
        remedy=rule.remedy,
        evidence="catalog" if context.schema.complete else "text",
    )
    if hit.offset is None:
        return found
    column = hit.offset - unit.text.rfind("\n", 0, hit.offset)
    return structs.replace(found, line=unit.text.count("\n", 0, hit.offset) + 1, column=column)


#: Sizes in bytes below which a lock is over at once, and above which it is an outage: at some
#: 300 MB/s a scan takes 30 ms and 3 s. Arbitrary within a factor of three.
SMALL, LARGE = 10_000_000, 1_000_000_000


def _weighed(rule: Rule, hit: Hit) -> Severity:
    if hit.severity or not rule.weighed or hit.table is None or hit.table.bytes is None:
        return hit.severity or rule.severity
    if hit.table.bytes >= LARGE:
        return Severity.ERROR
    return Severity.INFO if hit.table.bytes < SMALL else Severity.WARNING


def _sized(table: Table | None) -> str:
    if table is None or table.bytes is None:
        return ""
    rows = "" if table.rows is None else f"about {table.rows:,} rows, "
    return f" ({rows}{size(table.bytes)})"


def size(count: int) -> str:
    """Return a number of bytes as a person reads it."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 10_000:
            return f"{count:,} {unit}"
        count = round(count / 1000)
    return f"{count:,} TB"
