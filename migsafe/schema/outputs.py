"""The columns that a query returns, as far as its text and the schema tell. Pure.

Names follow FigureColname of PostgreSQL's parse_target.c.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from pglast import ast, enums

from migsafe.schema import Column, Schema, Type, reading


class UnknownError(Exception):
    """A query whose columns cannot be told."""


class Output(NamedTuple):
    """One column of a result; `type` is None where it is not known."""

    name: str
    type: Type | None = None


class Source(NamedTuple):
    """One item of a FROM clause; `outputs` is None where its columns are not known."""

    name: str | None
    outputs: list[Output] | None


def of_view(node: Any, schema: Schema) -> list[Output] | None:
    """Return the columns of a ViewStmt, None where they cannot be told."""
    try:
        outputs = _query(node.query, schema, {})
    except UnknownError:
        return None
    return _renamed(outputs, node.aliases)


def columns(outputs: Iterable[Output]) -> dict[str, Column]:
    """Return outputs as the columns of a relation."""
    unknown = Type(None, "unknown")
    return {one.name: Column(name=one.name, type=one.type or unknown) for one in outputs}


def _renamed(outputs: list[Output], names: Any) -> list[Output]:
    new = [part.sval for part in names or ()]
    return [
        one._replace(name=new[number]) if number < len(new) else one
        for number, one in enumerate(outputs)
    ]


_With = dict[str, list[Output] | None]


def _query(query: Any, schema: Schema, outer: _With) -> list[Output]:
    if not isinstance(query, ast.SelectStmt):
        raise UnknownError
    known = {**outer, **_with(query, schema, outer)}
    if query.larg is not None:  # UNION and its like: the left side names the columns
        return [one._replace(type=None) for one in _query(query.larg, schema, known)]
    if query.valuesLists:
        return [Output(f"column{number + 1}") for number in range(len(query.valuesLists[0]))]
    sources = [one for item in query.fromClause or () for one in _sources(item, schema, known)]
    return [one for target in query.targetList or () for one in _target(target, sources)]


def _with(query: Any, schema: Schema, outer: _With) -> _With:
    found: _With = {}
    for part in query.withClause.ctes if query.withClause else ():
        try:
            outputs = _query(part.ctequery, schema, {**outer, **found})
            found[part.ctename] = _renamed(outputs, part.aliascolnames)
        except UnknownError:
            found[part.ctename] = None
    return found


def _sources(item: Any, schema: Schema, known: _With) -> Iterator[Source]:
    alias = getattr(item, "alias", None)
    name = alias.aliasname if alias else None
    new = alias.colnames if alias else None
    if isinstance(item, ast.RangeVar):
        outputs = _relation(item, schema, known)
        yield Source(name or item.relname, outputs and _renamed(outputs, new))
    elif isinstance(item, ast.RangeSubselect):
        yield Source(name, _renamed(_query(item.subquery, schema, known), new))
    elif isinstance(item, ast.JoinExpr) and not alias:
        sides = (*_sources(item.larg, schema, known), *_sources(item.rarg, schema, known))
        if item.isNatural or item.usingClause:  # a star has the shared columns only once
            sides = tuple(Source(side.name, side.outputs) for side in sides)
            yield from (*sides, Source(None, None))
        else:
            yield from sides
    else:
        yield Source(name, None)


def _relation(item: Any, schema: Schema, known: _With) -> list[Output] | None:
    if item.schemaname is None and item.relname in known:
        return known[item.relname]
    table = schema.find(item)
    if table is None or not table.known:
        return None
    return [_output(column) for column in table.columns.values()]


def _output(column: Column) -> Output:
    unknown = column.type.name == "unknown"
    return Output(column.name, None if unknown else column.type)


def _target(target: Any, sources: list[Source]) -> Iterator[Output]:
    value = target.val
    if isinstance(value, ast.ColumnRef) and any(_is_star(part) for part in value.fields or ()):
        yield from _star(value, sources)
    else:
        yield Output(target.name or _name(value)[0], _type(value, sources))


def _is_star(part: Any) -> bool:
    return isinstance(part, ast.A_Star)


def _star(reference: Any, sources: list[Source]) -> Iterator[Output]:
    if len(reference.fields) > 2:
        raise UnknownError
    wanted = reference.fields[0].sval if len(reference.fields) == 2 else None
    found = [one for one in sources if wanted is None or one.name == wanted]
    if not found:
        raise UnknownError
    for source in found:
        if source.outputs is None:
            raise UnknownError
        yield from source.outputs


def _type(value: Any, sources: list[Source]) -> Type | None:
    """Return the type of a cast, or of a column that only one source has."""
    if isinstance(value, ast.TypeCast):
        return reading.type_of(value.typeName)
    parts: Any = value.fields if isinstance(value, ast.ColumnRef) else ()
    if len(parts) not in (1, 2):
        return None
    *qualifier, bare = (part.sval for part in parts)
    found = [one for one in sources if not qualifier or one.name == qualifier[0]]
    if any(one.outputs is None for one in found):
        return None
    same = [out.type for one in found for out in one.outputs or () if out.name == bare]
    return same[0] if len(same) == 1 else None


# ---------------------------------------------------------------- names

#: How sure a name is: a column's or function's own, a type's, or none at all.
_OWN, _WEAK, _NONE = 2, 1, 0

_PLAIN = (ast.A_Const, ast.BoolExpr, ast.NullTest, ast.BooleanTest, ast.ParamRef)

_FIXED: dict[type, str] = {
    ast.A_ArrayExpr: "array",
    ast.RowExpr: "row",
    ast.CoalesceExpr: "coalesce",
    ast.GroupingFunc: "grouping",
}


def _name(value: Any) -> tuple[str, int]:
    """Return what PostgreSQL calls an expression without a name, and how sure that name is."""
    if type(value) in _FIXED:
        return _FIXED[type(value)], _OWN
    if isinstance(value, _PLAIN):
        return "?column?", _NONE
    if name := _NAMES.get(type(value)):
        return name(value)
    raise UnknownError


def _column(value: Any) -> tuple[str, int]:
    return value.fields[-1].sval, _OWN


def _call(value: Any) -> tuple[str, int]:
    return value.funcname[-1].sval, _OWN


def _operation(value: Any) -> tuple[str, int]:
    nullif = value.kind == enums.A_Expr_Kind.AEXPR_NULLIF
    return ("nullif", _OWN) if nullif else ("?column?", _NONE)


def _cast(value: Any) -> tuple[str, int]:
    name, strength = _name(value.arg)
    return (name, strength) if strength == _OWN else (value.typeName.names[-1].sval, _WEAK)


def _indirection(value: Any) -> tuple[str, int]:
    names = [str(part.sval) for part in value.indirection if isinstance(part, ast.String)]
    return (names[-1], _OWN) if names else _name(value.arg)


def _case(value: Any) -> tuple[str, int]:
    name, strength = _name(value.defresult) if value.defresult else ("", _NONE)
    return (name, strength) if strength == _OWN else ("case", _WEAK)


def _extreme(value: Any) -> tuple[str, int]:
    return ("greatest" if value.op == enums.MinMaxOp.IS_GREATEST else "least"), _OWN


def _sublink(value: Any) -> tuple[str, int]:
    kinds = enums.SubLinkType
    if value.subLinkType == kinds.EXISTS_SUBLINK:
        return "exists", _OWN
    if value.subLinkType == kinds.ARRAY_SUBLINK:
        return "array", _OWN
    if value.subLinkType != kinds.EXPR_SUBLINK:
        return "?column?", _NONE
    targets = value.subselect.targetList
    if not targets:
        raise UnknownError
    first: Any = targets[0]
    return (first.name, _OWN) if first.name else _name(first.val)


def _session(value: Any) -> tuple[str, int]:
    name = value.op.name.removeprefix("SVFOP_").removesuffix("_N").lower()
    return name, _OWN


_NAMES: dict[type, Callable[[Any], tuple[str, int]]] = {
    ast.ColumnRef: _column,
    ast.FuncCall: _call,
    ast.A_Expr: _operation,
    ast.TypeCast: _cast,
    ast.A_Indirection: _indirection,
    ast.CollateClause: lambda value: _name(value.arg),
    ast.CaseExpr: _case,
    ast.MinMaxExpr: _extreme,
    ast.SubLink: _sublink,
    ast.SQLValueFunction: _session,
}
