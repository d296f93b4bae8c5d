"""Hazards of numbers: sequences that are changed, left behind, and keys that are given by hand."""

from collections.abc import Iterator
from typing import Any

from pglast import ast, enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, When, columns, dropped, writing
from migsafe.schema import Index, Key, Table, expressions
from migsafe.sql import Statement

_Change = enums.AlterTableType

_MANUAL = "https://www.postgresql.org/docs/current"


# ---------------------------------------------------------------- ALTER SEQUENCE


def _alter(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    if isinstance(node, ast.AlterTableCmd):
        if _restarts(node.def_):
            table = context.table(statement.node.relation)
            yield Hit(_blocked(f"the sequence of {table.key}.{node.name}", restarts=True), table)
        return
    key = _sequence(node.sequence, context)
    owner = context.schema.sequences.get(key)
    if not (context.is_new_sequence(key) or (owner and context.fresh(owner[0]))):
        yield Hit(_blocked(str(key), restarts=_restarts(node.options)))


def _blocked(name: str, *, restarts: bool) -> str:
    again = "; numbers that were given out may come again" if restarts else ""
    return (
        f"holds SHARE ROW EXCLUSIVE on {name} until COMMIT, so that every INSERT that draws a "
        f"number from it waits{again}"
    )


def _restarts(options: Any) -> bool:
    return any(option.defname == "restart" for option in options or ())


def _sequence(relation: Any, context: Context) -> Key:
    names = [relation.schemaname] if relation.schemaname else []
    parts = [ast.String(sval=name) for name in (*names, relation.relname)]
    return dropped.sequence_of(parts, context)


def _made(context: Context) -> Iterator[Any]:
    """Yield the CREATE SEQUENCE statements of the migration so far."""
    for statement in context.before:
        if isinstance(statement.node, ast.CreateSeqStmt):
            yield statement.node


# ---------------------------------------------------------------- behind the largest number


def _behind(_node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    """Yield what leaves a column ahead of its sequence, where nothing moves that in the migration.

    The catalog does not say how far a sequence is, so that only the rows can clear this.
    """
    for number, statement in enumerate(context.before):
        for table, column, message in _ahead(statement, context):
            rest = context.before[number + 1 :]
            if not _is_moved(table, column, rest, context):
                yield Hit(message, None if table.made else table, statement=statement)


def _ahead(statement: Statement, context: Context) -> Iterator[tuple[Table, str, str]]:
    for change in writing.changes(statement.node):
        if isinstance(change, ast.InsertStmt):
            table = context.schema.find(change.relation)
            for name in _given(change, table) if table else ():
                if table and _is_fed(table, name):
                    message = (
                        f"writes {table.key}.{name} past its sequence, which will give out the "
                        "same numbers"
                    )
                    yield table, name, message
    if isinstance(statement.node, ast.AlterTableStmt):
        table = context.schema.find(statement.node.relation)
        for command in statement.node.cmds or () if table else ():
            if table and _begins_anew(command, table, context):
                message = (
                    f"numbers {table.key}.{command.name} from a sequence that begins at its start, "
                    "although rows have numbers already"
                )
                yield table, command.name, message


def _given(change: Any, table: Table) -> Iterator[str]:
    """Yield the columns for which an INSERT brings values; those of DEFAULT alone are left out."""
    query = change.selectStmt
    if query is None:
        return
    names = [part.name for part in change.cols or ()] or list(table.columns)
    rows = query.valuesLists or ()
    for position, name in enumerate(names):
        cells = [row[position] for row in rows if position < len(row)]
        if not rows or any(_is_number_given(cell) for cell in cells):
            yield name


def _is_number_given(cell: Any) -> bool:
    """Tell whether a cell of VALUES is not DEFAULT, nextval(…), or a number below the first."""
    if isinstance(cell, ast.SetToDefault) or "nextval" in expressions.calls(cell):
        return False
    return bool(getattr(getattr(cell, "val", None), "ival", 1) > 0)


def _is_fed(table: Table, name: str) -> bool:
    """Tell whether a column gets its numbers from a sequence, as far as it is known."""
    column = table.columns.get(name)
    if column is None or column.default is None:
        return bool(column and column.identity)
    if isinstance(column.default, str):
        return "nextval" in column.default
    return column.identity or "nextval" in expressions.calls(column.default)


def _begins_anew(command: Any, table: Table, context: Context) -> bool:
    """Tell whether a subcommand gives a column with values a sequence that was not moved yet."""
    if command.subtype not in (_Change.AT_AddIdentity, _Change.AT_ColumnDefault):
        return False
    used = not context.fresh(table) or bool(table.writes)
    if not used or _is_added(command.name, table, context) or dropped.rowless(table, context):
        return False
    if command.subtype == _Change.AT_AddIdentity:
        return not any(option.defname == "start" for option in command.def_.options or ())
    if command.def_ is None or "nextval" not in expressions.calls(command.def_):
        return False
    names = {text.sval.split(".")[-1].strip('"') for text in _strings(command.def_)}
    new = [made for made in _made(context) if made.sequence.relname in names]
    anew = any(all(option.defname != "start" for option in made.options or ()) for made in new)
    return anew and not _sets(context.before, names)


def _is_added(name: str, table: Table, context: Context) -> bool:
    """Tell whether the migration adds the column, which holds no number then."""
    return columns.is_new(table, name, context)


def _strings(node: Any) -> Iterator[Any]:
    return expressions.nodes(node, ast.String)


def _is_moved(table: Table, column: str, rest: list[Statement], context: Context) -> bool:
    """Tell whether a later statement sets the sequence of a column, or may do so unseen."""
    owned = {
        key.bare for key, owner in context.schema.sequences.items() if owner == (table.key, column)
    }
    names = {table.key.bare, f"{table.key.bare}_{column}_seq", *owned}
    return _sets(rest, names) or any(_restarts_column(one, table, context) for one in rest)


def _sets(statements: list[Statement], names: set[str]) -> bool:
    """Tell whether one of these sequences is set: by setval, by ALTER SEQUENCE, or in a DO block.

    A setval whose sequence is computed may mean any.
    """
    for statement in statements:
        node: Any = statement.node
        if isinstance(node, ast.AlterSeqStmt):
            relation: Any = node.sequence
            if relation.relname in names:
                return True
        if "setval" not in statement.text.lower():
            continue
        if isinstance(node, ast.DoStmt):
            return True
        texts = [text.sval for text in _strings(node)]
        if any(name in text for name in names for text in texts) or "setval" not in texts:
            return True
        if not isinstance(node, ast.SelectStmt) or node.fromClause:
            return True
    return False


def _restarts_column(statement: Statement, table: Table, context: Context) -> bool:
    node = statement.node
    if not isinstance(node, ast.AlterTableStmt) or context.schema.find(node.relation) is not table:
        return False
    kinds = (_Change.AT_SetIdentity, _Change.AT_AddIdentity)
    return any(command.subtype in kinds for command in node.cmds or ())


# ---------------------------------------------------------------- seed rows


def _seeds(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    for change in writing.changes(node):
        if not isinstance(change, ast.InsertStmt) or change.onConflictClause:
            continue
        table = context.table(change.relation)
        literal = _literal_columns(change, table)
        index = next(_filled_keys(table, literal), None)
        if not (index or (literal and not table.known and "id" in literal)):
            continue
        if _is_seeded(change.relation, context):
            continue  # the first row says it for all
        if dropped.rowless(table, context) or _is_cleared(table, context):
            continue
        if index:
            named = ", ".join(name for name in index.columns if name)
            message = (
                f"inserts literal values of {named} into {table.key}, and fails (23505) where one "
                "of them is there"
            )
            yield Hit(message, table)
        else:
            message = f"inserts rows with an id of their own into {table.key}, and fails (23505)"
            yield Hit(f"{message} where that is unique and there", table, Severity.INFO)


def _is_seeded(relation: Any, context: Context) -> bool:
    """Tell whether an INSERT of literals into the same table stands before in the migration."""
    for statement in context.before:
        node: Any = statement.node
        named = getattr(getattr(node, "relation", None), "relname", None)
        if isinstance(node, ast.InsertStmt) and named == relation.relname:
            query: Any = node.selectStmt
            if query is not None and query.valuesLists and node.onConflictClause is None:
                return True
    return False


def _literal_columns(change: Any, table: Table) -> set[str]:
    """Return the columns for which every row of VALUES has a literal."""
    rows = (change.selectStmt and change.selectStmt.valuesLists) or ()
    names = [part.name for part in change.cols or ()] or list(table.columns)
    return {
        name
        for position, name in enumerate(names)
        if rows and all(position < len(row) and _is_literal(row[position]) for row in rows)
    }


def _is_literal(cell: Any) -> bool:
    value = cell.arg if isinstance(cell, ast.TypeCast) else cell
    return isinstance(value, ast.A_Const) and not value.isnull


def _filled_keys(table: Table, literal: set[str]) -> Iterator[Index]:
    for index in table.indexes.values():
        if index.unique and index.plain and {name for name in index.columns if name} <= literal:
            yield index


def _is_cleared(table: Table, context: Context) -> bool:
    """Tell whether this migration has removed rows of the table before: those, no doubt."""
    return any(
        write.kind in ("delete", "truncate") and write.place.migration == context.unit.name
        for write in table.writes
    )


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS140",
        name="alter-sequence",
        on=(ast.AlterSeqStmt, _Change.AT_SetIdentity),
        check=_alter,
        summary="a sequence in use is altered",
        why="ALTER SEQUENCE takes SHARE ROW EXCLUSIVE on the sequence until COMMIT. nextval needs "
        "ROW EXCLUSIVE on it, which conflicts, so that every INSERT that draws a number waits. "
        "Through the identity column the table itself is locked with ACCESS EXCLUSIVE. RESTART at "
        "a number that was given out makes later INSERTs fail with 23505.",
        remedy="Move a sequence with setval, which blocks nobody; alter it in a migration of its "
        "own, with a short lock_timeout.",
        source=f"{_MANUAL}/sql-altersequence.html",
        lock="SHARE ROW EXCLUSIVE",
    ),
    Rule(
        code="MS424",
        name="insert-seed-conflict",
        on=writing.HOLDERS,
        check=_seeds,
        rows=True,
        summary="rows with keys of their own are inserted, which may be there already",
        why="Seed rows are often there already: somebody added one by hand, another branch brought "
        "it, or the migration stopped halfway before. Then the INSERT fails with 23505 and the "
        "whole migration with it. On an empty database of a developer it never does.",
        remedy="Add ON CONFLICT DO NOTHING, or DO UPDATE where the new values are to win.",
        source=f"{_MANUAL}/sql-insert.html#SQL-ON-CONFLICT",
        fails="23505",
    ),
    Rule(
        code="MS425",
        name="identity-behind-max",
        on=(When.END,),
        check=_behind,
        rows=True,
        summary="a sequence is left behind the largest number of its column",
        why="A sequence does not look at the table. Rows whose numbers were given by hand do not "
        "move it, and a sequence that is attached to a filled column begins at 1. The migration "
        "passes; afterwards the application's INSERTs fail with 23505, once for each number that "
        "is taken.",
        remedy="Set it after the rows: SELECT setval(pg_get_serial_sequence('t', 'id'), max(id)) "
        "FROM t.",
        source=f"{_MANUAL}/functions-sequence.html",
    ),
)
