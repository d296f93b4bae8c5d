"""Whether a table's constraints prove that its rows fit a partition's bound, or that none do. Pure.

It proves less than PostgreSQL (predicate_implied_by): one key column, whose values it can compare.
What it proves, the server proves too, and then reads no row.
"""

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple
from uuid import UUID

from pglast import ast, enums

from migsafe.schema import Column, Table, expressions

_Kind = enums.A_Expr_Kind
_Bool = enums.BoolExprType

#: Types of which literals are compared in the same way.
_CLASSES = {
    "int2": "integer",
    "int4": "integer",
    "int8": "integer",
    "numeric": "numeric",
    "date": "date",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
    "text": "text",
    "varchar": "text",
    "uuid": "uuid",
}

#: Classes whose order is not known here, only what is equal.
_UNORDERED = {"text", "uuid", "other"}

#: Whether a comparison of the key with a value holds what is to be proven.
_Test = Callable[[str, Any], bool]


class Key(NamedTuple):
    """The one column of a partition key, with the class of its values."""

    column: str
    kind: str


def fits(table: Table, parent: Table, bound: Any) -> bool:
    """Tell whether the table's valid constraints prove that each of its rows is in the bound."""
    key = _key(parent, table)
    if key is None or bound.is_default or bound.strategy not in ("r", "l"):
        return False
    values = [_value(item, key) for item in bound.listdatums or ()]
    if bound.strategy == "l":
        nulls = any(getattr(item, "isnull", False) for item in bound.listdatums)
        known = {value for value in values if value is not None}
        return (nulls or _not_null(table, key)) and _proves(table, key, _among(known))
    limits = _limits(bound, key)
    if limits is None or not _not_null(table, key):
        return False
    lower, upper = limits
    low = lower is None or _proves(table, key, _from(lower))
    return low and (upper is None or _proves(table, key, _below(upper)))


def avoids(table: Table, parent: Table, bound: Any) -> bool:
    """Tell whether the table's valid constraints prove that none of its rows is in the bound."""
    key = _key(parent, table)
    if key is None or bound.is_default or bound.strategy not in ("r", "l"):
        return False
    if bound.strategy == "l":
        values = [_value(item, key) for item in bound.listdatums]
        return None not in values and all(_proves(table, key, _not(value, key)) for value in values)
    limits = _limits(bound, key)
    return limits is not None and _proves(table, key, _outside(*limits))


def _key(parent: Table, table: Table) -> Key | None:
    if parent.strategy not in ("range", "list") or len(parent.partition_key) != 1:
        return None
    name = parent.partition_key[0]
    column = _column(table, name) or _column(parent, name)
    if name is None or column is None or column.type.array:
        return None
    kind = "other" if column.collation else _CLASSES.get(column.type.name, "other")
    return Key(name, kind)


def _column(table: Table, name: str | None) -> Column | None:
    found = table.columns.get(name or "")
    return found if found and found.type.name != "unknown" else None


def _not_null(table: Table, key: Key) -> bool:
    column = table.columns.get(key.column)
    if column is not None and column.not_null:
        return True
    checks = (made.expression for made in _checks(table))
    return any(expressions.proves_not_null(check, key.column) for check in checks)


def _checks(table: Table) -> Iterator[Any]:
    for made in table.constraints.values():
        if made.kind == "c" and made.valid and made.enforced and made.expression is not None:
            yield made


def _limits(bound: Any, key: Key) -> tuple[Any, Any] | None:
    """Return where a range begins and ends; None within it is no limit, None alone is unknown."""
    if key.kind in _UNORDERED or len(bound.lowerdatums) != 1:
        return None
    found = []
    for item in (bound.lowerdatums[0], bound.upperdatums[0]):
        open_ended = isinstance(item, ast.ColumnRef)  # MINVALUE, MAXVALUE
        value = None if open_ended else _value(item, key)
        if value is None and not open_ended:
            return None
        found.append(value)
    return found[0], found[1]


# ---------------------------------------------------------------- what a comparison proves


def _among(values: set[Any]) -> _Test:
    return lambda operator, value: operator == "=" and value in values


def _not(other: Any, key: Key) -> _Test:
    """Return the test for another value; of some types one value has two spellings."""
    return lambda operator, value: (
        (operator == "<>" and value == other)
        or (operator == "=" and value != other and key.kind != "other")
    )


def _from(lower: Any) -> _Test:
    return lambda operator, value: bool(operator in ("=", ">", ">=") and value >= lower)


def _below(upper: Any) -> _Test:
    return lambda operator, value: bool(
        (operator in ("=", "<=") and value < upper) or (operator == "<" and value <= upper)
    )


def _outside(lower: Any, upper: Any) -> _Test:
    def test(operator: str, value: Any) -> bool:
        before = lower is not None and _below(lower)(operator, value)
        return before or (upper is not None and _from(upper)(operator, value))

    return test


def _proves(table: Table, key: Key, test: _Test) -> bool:
    return any(_holds(expressions.tree(made.expression), key, test) for made in _checks(table))


def _holds(node: Any, key: Key, test: _Test, *, negated: bool = False) -> bool:
    """Tell whether an expression that is not false proves what is tested."""
    if isinstance(node, ast.BoolExpr):
        if node.boolop == _Bool.NOT_EXPR:
            return _holds(_only(node.args), key, test, negated=not negated)
        parts = (_holds(part, key, test, negated=negated) for part in node.args or ())
        conjunction = (node.boolop == _Bool.AND_EXPR) != negated
        return any(parts) if conjunction else all(parts)
    if isinstance(node, ast.A_Expr):
        found = [test(*pair) for pair in _comparisons(node, key, negated=negated)]
        return bool(found) and (any(found) if _is_conjunction(node, negated) else all(found))
    return False


def _only(parts: Any) -> Any:
    return parts[0]


#: Operators, their mirror images and their opposites.
_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "<>": "<>"}
_NEGATED = {"<": ">=", ">": "<=", "<=": ">", ">=": "<", "=": "<>", "<>": "="}


def _is_conjunction(node: Any, negated: bool) -> bool:
    """Tell whether all comparisons of an expression hold together, not just one of them."""
    alone = node.kind == _Kind.AEXPR_BETWEEN or _operator(node) == "<>"
    return alone != negated


def _operator(node: Any) -> str:
    return str(node.name[-1].sval)


def _comparisons(node: Any, key: Key, *, negated: bool) -> Iterator[tuple[str, Any]]:
    """Yield operator and value of each comparison of the key with a literal; none if one is not."""
    pairs = list(_pairs(node, key))
    if all(operator in _MIRRORED and value is not None for operator, value in pairs):
        for operator, value in pairs:
            yield (_NEGATED[operator] if negated else operator), value


def _pairs(node: Any, key: Key) -> Iterator[tuple[str, Any]]:
    operator = _operator(node)
    if node.kind == _Kind.AEXPR_OP:
        if _is_key(node.lexpr, key):
            yield operator, _value(node.rexpr, key)
        elif _is_key(node.rexpr, key):
            yield _MIRRORED.get(operator, ""), _value(node.lexpr, key)
    elif not _is_key(node.lexpr, key):
        return
    elif node.kind == _Kind.AEXPR_BETWEEN:
        yield from zip((">=", "<="), (_value(item, key) for item in node.rexpr), strict=True)
    elif node.kind == _Kind.AEXPR_IN:
        yield from ((operator, _value(item, key)) for item in node.rexpr)
    elif (node.kind, operator) in ((_Kind.AEXPR_OP_ANY, "="), (_Kind.AEXPR_OP_ALL, "<>")):
        items = _uncast(node.rexpr)
        if isinstance(items, ast.A_ArrayExpr):
            yield from ((operator, _value(item, key)) for item in items.elements or ())


def _uncast(node: Any) -> Any:
    return node.arg if isinstance(node, ast.TypeCast) else node


def _is_key(node: Any, key: Key) -> bool:
    """Tell whether an expression is the key; the catalog casts a varchar to text."""
    if isinstance(node, ast.TypeCast) and (key.kind != "text" or _cast_class(node) != "text"):
        return False
    fields: Any = getattr(_uncast(node), "fields", None) or ()
    return bool(fields) and getattr(fields[-1], "sval", None) == key.column


def _cast_class(node: Any) -> str:
    return _CLASSES.get(node.typeName.names[-1].sval, "other")


# ---------------------------------------------------------------- literals


def _value(node: Any, key: Key) -> Any:
    """Return a literal as something to compare with others of the key's class, None if it is not.

    A timestamptz without an offset depends on the session, and is none.
    """
    if isinstance(node, ast.TypeCast):
        if _cast_class(node) != key.kind or isinstance(node.arg, ast.TypeCast):
            return None
        node = node.arg
    if not isinstance(node, ast.A_Const) or node.isnull:
        return None
    constant: Any = node.val
    text = getattr(constant, "sval", None)
    if text is None:
        return _number(constant, key)
    try:
        return _READERS[key.kind](text)
    except (ValueError, InvalidOperation):
        return None


def _number(constant: Any, key: Key) -> Any:
    whole = getattr(constant, "ival", None)
    if whole is not None and key.kind in ("integer", "numeric"):
        return Decimal(whole)
    fraction = getattr(constant, "fval", None)
    if fraction is not None and (key.kind == "numeric" or str(fraction).isdecimal()):
        return Decimal(fraction) if key.kind in ("integer", "numeric") else None
    return None


#: A date, and where there is one a time and an offset, as the manual writes them.
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?))?([+-]\d\d(?::?\d\d)?)?"
)


def _moment(text: str) -> datetime | None:
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    day, time, offset = found.groups()
    return datetime.fromisoformat(f"{day}T{time or '00:00'}{offset or ''}")


def _instant(text: str) -> datetime | None:
    found = _moment(text)
    return found if found and found.tzinfo else None


def _local(text: str) -> datetime | None:
    found = _moment(text)
    return None if found is None or found.tzinfo else found


def _day(text: str) -> date | None:
    found = _ISO.fullmatch(text)
    return date.fromisoformat(text) if found and found[1] == text else None


def _decimal(text: str) -> Decimal | None:
    found = Decimal(text)
    return found if found.is_finite() else None


def _whole(text: str) -> Decimal | None:
    return Decimal(int(text))


_READERS: dict[str, Callable[[str], Any]] = {
    "integer": _whole,
    "numeric": _decimal,
    "date": _day,
    "timestamp": _local,
    "timestamptz": _instant,
    "text": str,
    "uuid": UUID,
    "other": str,
}
