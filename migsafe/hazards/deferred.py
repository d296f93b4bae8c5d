"""Checks that wait for COMMIT, and what PostgreSQL refuses to do to a table meanwhile."""

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from pglast import ast, enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, dropped, writing
from migsafe.hazards.context import is_made
from migsafe.schema import Constraint, Key, Place, Table
from migsafe.sql import Statement


class Event(NamedTuple):
    """A check that waits on a table since a statement; `certain` where no row is needed for it."""

    name: str
    statement: Statement
    certain: bool


def _pending(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    for table in _touched(node, context):
        family = (table, *(context.schema.children(table.key) if table.kind == "p" else ()))
        last = [member.writes[-1].place.migration for member in family if member.writes]
        if context.unit.name not in last:
            continue
        waiting = _waiting({member.key for member in family}, context)
        for member in family:
            if event := waiting.get(member.key):
                yield _refused(event, member.key)
            elif not member.known and (change := _changed(member.key, context)):
                message = (
                    f"fails (55006) if {member.key}, which line {change.line} changes, has a "
                    "deferred constraint; none is known here"
                )
                yield Hit(message, None, Severity.INFO)


def _refused(event: Event, key: Key) -> Hit:
    left = f"line {event.statement.line} leaves checks of {event.name} on {key} until COMMIT"
    if event.certain:
        return Hit(f"fails (55006): {left}", None, Severity.ERROR)
    return Hit(f"fails (55006) unless no row is changed: {left}")


def _touched(node: Any, context: Context) -> Iterator[Table]:
    """Yield the tables whose pending events the server looks at (CheckTableNotInUse)."""
    if isinstance(node, ast.DropStmt):
        if node.removeType == enums.ObjectType.OBJECT_TABLE:
            yield from dropped.tables(node, context)
    elif isinstance(node, ast.TruncateStmt):
        yield from (context.table(relation) for relation in node.relations or ())
    elif node.relation is not None and not _of_index(node):
        yield context.table(node.relation)


def _of_index(node: Any) -> bool:
    return getattr(node, "objtype", None) == enums.ObjectType.OBJECT_INDEX


def _changed(key: Key, context: Context) -> Statement | None:
    """Return the last statement of the transaction that changes rows of a table."""
    for statement in reversed(context.file_transaction):
        if isinstance(statement.node, ast.ConstraintsSetStmt) and not statement.node.constraints:
            return None
        for change in writing.changes(statement.node):
            if _written(change.relation, statement, {key}, context):
                return statement
    return None


def _written(
    relation: Any, statement: Statement, keys: Collection[Key], context: Context
) -> Key | None:
    """Return which of some tables a statement changed, under the name that it had then."""
    place = Place(context.unit.name, statement.line)
    key = context.schema.key(relation.schemaname, relation.relname)
    if key in keys or is_made(context.schema.tables.get(key)):
        return key if key in keys else None
    tables = [context.schema.tables[one] for one in keys if one in context.schema.tables]
    written = (one.key for one in tables if any(write.place == place for write in one.writes))
    return next(written, None)


def _waiting(keys: set[Key], context: Context) -> dict[Key, Event]:
    """Return the events that wait at this place of the transaction, one for each of some tables."""
    waiting: dict[Key, list[Event]] = {}
    modes: dict[str, bool] = {}
    for statement in context.file_transaction:
        if isinstance(statement.node, ast.ConstraintsSetStmt):
            _set_constraints(statement.node, modes, waiting)
        for change in writing.changes(statement.node):
            key = _written(change.relation, statement, keys, context)
            if key is None:
                continue
            waiting.setdefault(key, []).extend(_queued(change, key, statement, modes, context))
    return {key: events[0] for key, events in waiting.items() if events}


def _set_constraints(node: Any, modes: dict[str, bool], waiting: dict[Key, list[Event]]) -> None:
    """Take in SET CONSTRAINTS: IMMEDIATE makes the checks that wait, at once."""
    names = [constraint.relname for constraint in node.constraints or ()]
    if not names:
        modes.clear()
    modes.update(dict.fromkeys(names or ("",), bool(node.deferred)))
    if not node.deferred:
        for key, events in waiting.items():
            waiting[key] = [event for event in events if names and event.name not in names]


def _queued(
    change: Any, key: Key, statement: Statement, modes: dict[str, bool], context: Context
) -> Iterator[Event]:
    """Yield the checks that a change leaves until COMMIT.

    An UPDATE queues those whose columns it sets, and a DELETE those of the keys that point here.
    """
    table = context.schema.tables[key]
    inserts = isinstance(change, ast.InsertStmt | ast.MergeStmt)
    sets = _columns_set(change)
    for name, trigger in table.triggers.items():
        if modes.get(name, modes.get("", trigger.deferred)) and trigger.deferred:
            yield Event(name, statement, certain=False)
    for made in table.constraints.values():
        own = (made.kind == "f" and inserts) or (made.kind in "fupx" and sets & set(made.columns))
        if own and _waits(made, modes, statement, context):
            yield Event(made.name, statement, certain=inserts and _inserts_surely(change))
    for _, made in () if inserts else context.schema.referrers(key):
        pointed = isinstance(change, ast.DeleteStmt) or sets & _target(made, table)
        if pointed and _waits(made, modes, statement, context):
            yield Event(made.name, statement, certain=False)


def _columns_set(change: Any) -> set[str]:
    if isinstance(change, ast.UpdateStmt):
        return {item.name for item in change.targetList or () if item.name}
    return set()


def _target(made: Constraint, table: Table) -> set[str]:
    """Return the columns that a foreign key points to; the primary key where it names none."""
    keys = (one.columns for one in table.constraints.values() if one.kind == "p")
    return set(made.target_columns or next(keys, ()))


def _waits(
    made: Constraint, modes: dict[str, bool], statement: Statement, context: Context
) -> bool:
    """Tell whether a constraint was there when the rows changed, and waits for COMMIT."""
    later = made.made and made.made.migration == context.unit.name
    if later and made.made and made.made.line > statement.line:
        return False
    return made.deferrable and modes.get(made.name, modes.get("", made.deferred))


def _inserts_surely(change: Any) -> bool:
    query = getattr(change, "selectStmt", None)
    plain = query is None or bool(query.valuesLists)
    return plain and not getattr(change, "onConflictClause", None)


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS423",
        name="pending-trigger-events",
        on=(ast.AlterTableStmt, ast.DropStmt, ast.TruncateStmt, ast.IndexStmt, ast.ClusterStmt),
        check=_pending,
        spares_new=False,
        summary="a table is altered while checks of its changed rows wait for COMMIT",
        why="A constraint that is INITIALLY DEFERRED checks changed rows at COMMIT, and keeps a "
        "list of them until then. While a table has such a list, ALTER TABLE, DROP TABLE, "
        "TRUNCATE, CREATE INDEX and CLUSTER refuse it with 55006, “because it has pending trigger "
        "events”. It is the failure of migrations that fill a table and alter it in one "
        "transaction, and it comes only where there are rows to change.",
        remedy="Write SET CONSTRAINTS ALL IMMEDIATE between the two, or put the ALTER into a "
        "migration of its own.",
        source="https://www.postgresql.org/docs/current/sql-set-constraints.html",
        fails="55006",
    ),
)
