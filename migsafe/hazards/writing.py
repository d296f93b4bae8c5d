"""The statements that change rows, and how many rows they may reach. Pure."""

from collections.abc import Iterator
from typing import Any

from pglast import ast, enums

from migsafe.schema import Table, expressions, reading

_Kind = enums.A_Expr_Kind

CHANGES = (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)

#: What may be such a statement, or hold one in a WITH clause.
HOLDERS = (*CHANGES, ast.SelectStmt)


def changes(node: Any) -> Iterator[Any]:
    """Yield the nodes of a statement that change rows: itself, and those of its WITH clause."""
    clause = getattr(node, "withClause", None)
    for part in (clause.ctes or ()) if clause else ():
        if isinstance(part.ctequery, CHANGES):
            yield part.ctequery
    if isinstance(node, CHANGES):
        yield node


def is_unconditional(condition: Any) -> bool:
    """Tell whether a WHERE clause is missing, or lets every row through whatever it holds."""
    if condition is None or bool(getattr(getattr(condition, "val", None), "boolval", False)):
        return True
    if isinstance(condition, ast.A_Expr) and condition.kind == _Kind.AEXPR_OP:
        sides = (condition.lexpr, condition.rexpr)
        return all(isinstance(side, ast.A_Const) for side in sides)
    return False


def is_bounded(node: Any, table: Table) -> bool:
    """Tell whether an UPDATE or DELETE reaches few rows: by key, by a LIMIT, or from a VALUES list.

    A batch by a range of a key counts as few: whoever wrote it thought of its size.
    """
    if any(select.limitCount for select in expressions.nodes(node, ast.SelectStmt)):
        return True
    sources = getattr(node, "fromClause", None) or getattr(node, "usingClause", None) or ()
    if sources and all(_is_values(source) for source in sources):
        return True
    parts = tuple(_conjuncts(node.whereClause))
    if any(isinstance(part, ast.CurrentOfExpr) for part in parts):
        return True
    pinned = _pinned(parts)
    return any(key <= pinned for key in _keys(table))


def _is_values(source: Any) -> bool:
    query = getattr(source, "subquery", None)
    return bool(query is not None and query.valuesLists)


def _conjuncts(condition: Any) -> Iterator[Any]:
    if isinstance(condition, ast.BoolExpr) and condition.boolop == enums.BoolExprType.AND_EXPR:
        for part in condition.args or ():
            yield from _conjuncts(part)
    elif condition is not None:
        yield condition


_PINS: dict[Any, str] = {
    _Kind.AEXPR_OP: "=",
    _Kind.AEXPR_IN: "=",
    _Kind.AEXPR_OP_ANY: "=",
    _Kind.AEXPR_BETWEEN: "BETWEEN",
}


def _pinned(parts: tuple[Any, ...]) -> set[str]:
    """Return the columns that conditions hold to constants, or between two of them."""
    pinned, above, below = set(), set(), set()
    for part in parts:
        if not isinstance(part, ast.A_Expr) or not isinstance(part.lexpr, ast.ColumnRef):
            continue
        if any(expressions.nodes(part.rexpr, (ast.ColumnRef, ast.SubLink))):
            continue
        operator = part.name[-1].sval if part.name else ""
        names = set(reading.names_in(part.lexpr))
        if part.kind in _PINS and operator == _PINS[part.kind]:
            pinned |= names
        elif part.kind == _Kind.AEXPR_OP and operator in (">", ">="):
            above |= names
        elif part.kind == _Kind.AEXPR_OP and operator in ("<", "<="):
            below |= names
    return pinned | (above & below)


def _keys(table: Table) -> Iterator[set[str]]:
    """Yield the sets of columns that tell the rows of a table apart; `id` where none is known."""
    for index in table.indexes.values():
        if index.unique and index.plain:
            yield {name for name in index.columns if name}
    if not table.known:
        yield {"id"}
