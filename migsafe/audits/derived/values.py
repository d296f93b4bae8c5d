"""What columns will hold, as expressions over what they hold now. Pure.

A value is a tree over the target's own columns; None where nobody knows.
"""

from typing import Any

from pglast import ast

from migsafe.audits.derived.names import (
    Rows,
    Unknown,
    distinct,
    is_null,
    literal,
    never_null,
    quoted,
    reference,
    swapped,
    text,
)
from migsafe.audits.derived.walking import Walk
from migsafe.schema import Column, Table, Type, casts, expressions, reading


def of_new(walk: Walk, table: Table, column: Column, node: Any) -> Any:
    """Return what a new column holds in the rows that are there."""
    if column.generated:
        return computed(walk, table, column, column.default)
    if column.identity or reading.is_serial(node):
        return None
    default = expressions.tree(column.default)
    if default is None or is_null(default):
        return _cast(walk, "NULL", column)
    if expressions.volatility(default, walk.schema) != "i":
        return None
    return computed(walk, table, column, default)


def computed(walk: Walk, table: Table, column: Column, expression: Any) -> Any:
    """Return the value of an expression that becomes the column's."""
    try:
        return _cast(walk, live(walk.rows(table), expression), column)
    except Unknown:
        return None


def live(rows: Rows, expression: Any) -> str:
    """Return an expression as SQL over the target's columns, without an alias."""
    return _bare(rows.tree(expression))


def _bare(tree: Any) -> str:
    """Print a tree without the alias of its columns."""

    def swap(node: Any) -> Any:
        if not isinstance(node, ast.ColumnRef):
            return None
        fields: Any = node.fields
        return reference(fields[-1].sval)

    return text(swapped(tree, swap))


def _cast(walk: Walk, value: str, column: Column) -> Any:
    try:
        return expressions.tree(f"CAST({value} AS {walk.names.type_(column.type)})")
    except Unknown:
        # The type is not there yet; NULL has any.
        return expressions.tree("NULL") if value == "NULL" else None


def of_retyped(walk: Walk, table: Table, column: Column, command: Any) -> Any:
    """Return what a column holds after ALTER COLUMN … TYPE."""
    using = command.def_.raw_default
    new = reading.type_of(command.def_.typeName)
    try:
        source = using if using is not None else reference(column.name)
        value = live(walk.rows(table), source)
        collation = _collation(column, new, command.def_.collClause)
        return expressions.tree(f"CAST({value} AS {walk.names.type_(new)}){collation}")
    except Unknown:
        return None


def _collation(column: Column, new: Type, clause: Any) -> str:
    """Return COLLATE as a column needs it that gets a type; a type alone resets the collation."""
    if clause is not None:
        return f" COLLATE {'.'.join(quoted(part.sval) for part in clause.collname)}"
    resets = column.collation and not new.array and new.name in ("text", "varchar", "bpchar")
    return ' COLLATE pg_catalog."default"' if resets else ""


def recollated(column: Column, clause: Any) -> bool:
    """Tell whether ALTER COLUMN … TYPE gives a column another collation."""
    # The catalog quotes it, and says its schema where the search_path does not.
    old = (column.collation or "").rpartition(".")[2].strip('"')
    return old != (reading.collation_of(clause) or "")


def add(walk: Walk, table: Table, column: Column, value: Any, *, numbered: bool) -> None:
    """Note a new column: what it holds, and what is sure of it although nobody knows that."""
    set_(walk, table, column.name, value)
    filled = column.default is not None and never_null(expressions.tree(column.default))
    walk.sure.append((table, column.name, numbered or filled, numbered))


def numbers(column: Column) -> bool:
    """Tell whether the default of a column gives each row a value of its own."""
    default = None if column.generated else column.default
    return default is not None and distinct(expressions.tree(default))


def set_(walk: Walk, table: Table, name: str, value: Any) -> None:
    """Note what a column holds after the statement."""
    walk.after.append((table, name, None if value is None else text(value)))


def quoted_label(label: str) -> str:
    """Return a label as SQL."""
    return literal(label)


def as_label(walk: Walk, table: Table, column: Column, using: Any, new: Type) -> str:
    """Return the text of what becomes a value of an enum that may not be there yet.

    Casts to this enum are left out of it: a label is its text.
    """
    tree = using if using is not None else reference(column.name)

    def swap(node: Any) -> Any:
        if isinstance(node, ast.TypeCast) and _is_enum(walk, node.typeName, new):
            return _shown(walk, table, node.arg, swapped(node.arg, swap))
        return None

    return f"({walk.rows(table).expression(_as_text(swapped(tree, swap)))})"


def _is_enum(walk: Walk, name: Any, enum: Type) -> bool:
    type_, kinds = reading.type_of(name), walk.schema.enums
    return not type_.array and walk.names.key(type_, kinds) == walk.names.key(enum, kinds)


def _shown(walk: Walk, table: Table, argument: Any, value: Any) -> Any:
    """Return what the cast of an argument to an enum reads: the output of its type.

    A cast to text strips the blanks of char(n), the output does not.
    """
    type_ = Type(None, "text") if isinstance(argument, ast.A_Const) else type_of(table, argument)
    if type_ and casts.base(type_, walk.schema).name in ("text", "varchar"):
        return _as_text(value)
    sql = text(value)
    return expressions.tree(f"CASE WHEN num_nulls({sql}) = 0 THEN concat({sql}) END")


def type_of(table: Table, value: Any) -> Type | None:
    """Return the type of a column or cast, None of other expressions."""
    if isinstance(value, ast.TypeCast):
        return reading.type_of(value.typeName)
    if isinstance(value, ast.ColumnRef):
        fields: Any = value.fields
        column = table.columns.get(getattr(fields[-1], "sval", ""))
        return column.type if column else None
    return None


def _as_text(tree: Any) -> Any:
    name = expressions.tree("CAST(NULL AS text)").typeName
    return ast.TypeCast(arg=tree, typeName=name)
