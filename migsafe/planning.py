"""What an apply would run, worked out before anything runs. Pure: reads no file, no database."""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, structs
from pglast import ast

from migsafe import hazards, sql
from migsafe.audits import DERIVED
from migsafe.errors import UsageError
from migsafe.findings import Finding
from migsafe.hazards import Options, Unit, Wait, suppressions
from migsafe.histories import Migration, Standing
from migsafe.schema import Key, Schema
from migsafe.sql import Statement


class Step(Struct, frozen=True, kw_only=True):
    """One migration to run. `alone` says why it cannot share a transaction with its record."""

    migration: Migration
    statements: tuple[Statement, ...]
    alone: str | None


class Plan(Struct, frozen=True, kw_only=True):
    """The steps in run order, what the hazard rules say of them, and whom they wait for.

    `waits` is empty where the target's schema is not known.
    """

    steps: tuple[Step, ...]
    findings: tuple[Finding, ...]
    waits: tuple[Wait, ...] = ()


def build(
    standing: Standing,
    *,
    to: str | None = None,
    schema: Schema | None = None,
    options: Options | None = None,
    lock_timeout: str | None = None,
) -> Plan:
    """Parse the pending migrations up to and including `to`; raise UsageError at the first bad one.

    A syntax error is found here, with its line and column, so that nothing has run by then.
    `schema` is the target's, and is moved along; without it nothing is known but the files.
    `lock_timeout` is what the runner sets in each transaction.
    """
    plan = parsed(standing, to=to)
    units = (unit(item, lock_timeout) for item in plan.steps)
    waited: dict[Wait, None] | None = {} if schema else None
    found = hazards.walk(units, schema or Schema(), options or Options(), waited)
    return structs.replace(plan, findings=tuple(found), waits=tuple(waited or ()))


def parsed(standing: Standing, *, to: str | None = None) -> Plan:
    """Return the steps alone; raise UsageError at the first that does not parse."""
    steps = tuple(_as_written(step(migration)) for migration in _until(standing, to))
    return Plan(steps=steps, findings=())


def _as_written(item: Step) -> Step:
    """Keep in a transaction what BEGIN and COMMIT enclose; raise UsageError where that cannot be.

    The server refuses a new label that is used in one (55P04), and then nothing is in effect.
    """
    enclosed = item.statements[:1] and item.statements[0].index > 1  # the first was the BEGIN
    if not enclosed:
        return item
    refusing = next((s for s in item.statements if s.refuses), None)
    if refusing:
        raise UsageError(
            f"{item.migration.path}:{refusing.line}",
            f"{refusing.refuses} cannot run in the BEGIN … COMMIT around it",
            "remove the BEGIN and the COMMIT",
        )
    return structs.replace(item, alone=None)


def altered(plan: Plan, schema: Schema) -> Mapping[Key, str]:
    """Return the relations of `schema` that only their owner can change as planned, and where.

    Nothing where a migration may choose its role, or where names lead: then it is not known.
    """
    found: dict[Key, str] = {}
    new: set[str | None] = set()  # its names may be of relations of its own by then
    for item in plan.steps:
        for statement in item.statements:
            node = statement.node
            if not isinstance(node, _OF_OWNERS) and _CHOOSES.search(statement.text):
                return {}
            if isinstance(node, ast.DropStmt):  # the owner of a schema may drop what is in it
                new |= {_last(name) for name in node.objects or ()}
            elif isinstance(node, ast.CreateStmt) and node.relation:  # a temporary one goes first
                new.add(node.relation.relname)
            relation = node.relation if isinstance(node, _OF_OWNERS) else None
            table = schema.find(relation) if relation else None
            if table and table.key.bare not in new:
                found.setdefault(table.key, f"{item.migration.path}:{statement.line}")
    return found


#: What SET ROLE and SET search_path have in any form, also within a DO block or as set_config.
_CHOOSES = re.compile(r"\brole\b|authorization|search_path", re.IGNORECASE)

_OF_OWNERS = (ast.AlterTableStmt, ast.IndexStmt, ast.RenameStmt)


def _last(name: object) -> str | None:
    last = name[-1] if isinstance(name, tuple) else None
    return last.sval if isinstance(last, ast.String) else None


def settled(plan: Plan, found: Iterable[Finding]) -> list[Finding]:
    """Mark the findings that a comment in the migrations allows, and add those about comments."""
    units = [unit(item) for item in plan.steps]
    return suppressions.settle(units, found, also=_DERIVED)


_DERIVED = frozenset({*DERIVED, *DERIVED.values()})


def unit(item: Step, lock_timeout: str | None = None) -> Unit:
    """Return a step as the hazard rules walk it; what runs alone waits for locks as it says."""
    return Unit(
        name=item.migration.name,
        file=str(item.migration.path),
        text=item.migration.text,
        statements=item.statements,
        transaction=item.alone is None,
        timeouts={"lock_timeout": lock_timeout} if lock_timeout and item.alone is None else {},
    )


def _until(standing: Standing, to: str | None) -> Iterable[Migration]:
    if to is None:
        return standing.pending
    names = [migration.name for migration in standing.pending]
    return standing.pending[: names.index(to) + 1] if to in names else ()


def step(migration: Migration) -> Step:
    """Parse one migration and decide how it runs."""
    if migration.problem:
        raise UsageError(str(migration.path), "cannot be run", migration.problem)
    try:
        statements = sql.parse(migration.text)
    except sql.SqlError as error:
        place = f"{migration.path}:{error.line}:{error.column}"
        raise UsageError(place, str(error), "correct the file; nothing was run") from None
    _refuse(migration, statements)
    if migration.lines:
        pairs = zip(statements, migration.lines, strict=True)
        statements = tuple(
            dataclasses.replace(one, line=line, end_line=line) for one, line in pairs
        )
    inner = sql.unwrapped(statements) if migration.transaction else statements
    return Step(migration=migration, statements=inner, alone=_alone(migration, inner))


def _refuse(migration: Migration, statements: Sequence[Statement]) -> None:
    if copy := sql.copies_client(tuple(statements)):
        raise UsageError(
            f"{migration.path}:{copy.line}",
            "COPY from or to the client, which in a migration neither sends nor reads",
            "write rows as INSERT; leave exports out",
        )
    if begin := sql.unclosed(tuple(statements)):
        raise UsageError(
            f"{migration.path}:{begin.line}",
            "this BEGIN has no COMMIT, so everything after it would be lost",
            "add the COMMIT, or remove the BEGIN",
        )


def _alone(migration: Migration, statements: tuple[Statement, ...]) -> str | None:
    if not migration.transaction:
        return "the file asks for it"
    refusing = next((s for s in statements if s.refuses), None)
    if refusing:
        return f"{refusing.refuses} (line {refusing.line})"
    label = sql.new_enum_value_used(statements)
    return f"a new enum label is used at once (line {label.line})" if label else None
