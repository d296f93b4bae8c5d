"""SQL expressions of defaults, checks and predicates, as trees or texts. Pure."""

from collections.abc import Iterator
from typing import Any, Literal

from pglast import ast, enums, parse_sql
from pglast.stream import RawStream

from migsafe.schema import Schema

Volatility = Literal["i", "s", "v"]


def tree(expression: Any) -> Any:
    """Return an expression as a tree, whether it is one or is the catalog's text."""
    if not isinstance(expression, str):
        return expression
    statement: Any = parse_sql(f"SELECT {expression}")[0].stmt
    return statement.targetList[0].val


def text(expression: Any) -> str:
    """Return an expression as SQL text, whether it is text or a tree."""
    return expression if isinstance(expression, str) else str(RawStream()(expression))


def renamed(expression: Any, old: str, new: str) -> Any:
    """Return a copy of an expression as a tree, in which a column has another name."""
    copied = tree(text(expression))
    for reference in nodes(copied, ast.ColumnRef):
        last = reference.fields[-1]
        if getattr(last, "sval", None) == old:
            last.sval = new
    return copied


def nodes(node: Any, kind: Any) -> Iterator[Any]:
    """Return an iterator over every node of `kind` (a type, or a tuple of them) in a tree.

    `node` is among them, and they come in the order of the text. Many rules ask about one tree:
    the last trees are kept flat.
    """
    kept = _FLAT.get(id(node))
    if kept is None:
        if len(_FLAT) >= _KEPT:
            _FLAT.clear()
        kept = _FLAT[id(node)] = (node, tuple(_flat(node)))
    return (item for item in kept[1] if isinstance(item, kind))


#: Trees that are kept flat, by identity; each is held, so that its identity stays its own.
_FLAT: dict[int, tuple[Any, tuple[Any, ...]]] = {}

#: Arbitrary: some statements with their expressions.
_KEPT = 1000


def _flat(node: Any) -> Iterator[Any]:
    """Yield a tree's nodes by a stack, over those slots of each class that can hold a node."""
    stack = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, tuple | list):
            stack.extend(reversed(item))
        elif isinstance(item, ast.Node):
            yield item
            names = _CHILDREN.get(type(item))
            for name in _children(type(item)) if names is None else names:
                if (child := getattr(item, name)) is not None:
                    stack.append(child)


_CHILDREN: dict[type, tuple[str, ...]] = {}


def _children(kind: Any) -> tuple[str, ...]:
    """Return the slots of a class that can hold nodes, from the last to the first.

    Two are no pointers: the value of a constant, and the table in CREATE FOREIGN TABLE.
    """
    names = [
        name
        for name, slot in kind.__slots__.items()
        if slot.c_type.endswith(("*", "ValUnion", "CreateStmt")) and slot.c_type != "char*"
    ]
    _CHILDREN[kind] = tuple(reversed(names))
    return _CHILDREN[kind]


#: Functions of PostgreSQL 18 and its contrib that are VOLATILE and that an expression may call.
VOLATILE = frozenset(
    (
        *("array_sample", "array_shuffle", "clock_timestamp", "current_query", "currval"),
        *("gen_random_bytes", "gen_random_uuid", "gen_salt", "lastval", "nextval", "random"),
        *("random_normal", "set_config", "setseed", "setval", "timeofday", "txid_status"),
        *("uuid_generate_v1", "uuid_generate_v1mc", "uuid_generate_v4", "uuidv4", "uuidv7"),
    )
)

#: Functions that defaults and checks call, and that are STABLE or IMMUTABLE in every signature.
_QUIET = frozenset(
    (
        *("abs", "array_length", "btrim", "cardinality", "ceil", "char_length"),
        *("coalesce", "concat", "current_database", "current_schema", "current_setting"),
        *("date_part", "date_trunc", "daterange", "decode", "encode", "extract", "floor"),
        *("format", "greatest", "int4range", "int8range", "isfinite"),
        *("json_build_object", "json_typeof", "jsonb_array_length", "jsonb_build_array"),
        *("jsonb_build_object", "jsonb_object", "jsonb_typeof", "least", "left"),
        *("length", "lower", "ltrim", "make_date", "make_interval", "md5", "mod", "now"),
        *("nullif", "num_nonnulls", "num_nulls", "numrange", "octet_length"),
        *("pg_my_temp_schema", "position", "power", "regexp_replace", "replace", "right"),
        *("round", "rtrim", "sha256", "split_part", "statement_timestamp", "strpos"),
        *("substr", "substring", "timezone", "to_char", "to_date", "to_hex", "to_jsonb"),
        *("to_timestamp", "to_tsvector", "transaction_timestamp", "translate", "trunc"),
        *("tsrange", "tstzrange", "txid_current", "upper", "uuid_nil"),
    )
)


def calls(node: Any) -> Iterator[str]:
    """Yield the bare names of the functions that an expression calls."""
    for call in nodes(node, ast.FuncCall):
        yield str(call.funcname[-1].sval)


def volatility(expression: Any, schema: Schema) -> Volatility | None:
    """Return the worst volatility of the functions called, None where one is not known.

    An expression without a call is immutable here; CURRENT_TIMESTAMP and its like are stable.
    """
    node = tree(expression)
    worst: Volatility = "s" if any(nodes(node, ast.SQLValueFunction)) else "i"
    unknown = False
    for name in calls(node):
        found = of_function(name, schema)
        unknown = unknown or found is None
        worst = max(worst, found or "i")
    return None if unknown and worst != "v" else worst


def of_function(name: str, schema: Schema) -> Volatility | None:
    """Return the worst volatility of the functions of a name, None where it is not known."""
    if name in VOLATILE:
        return "v"
    if name in schema.functions:
        return schema.functions[name][0]
    # A complete schema knows every function that is not the server's own.
    return "s" if name in _QUIET or schema.complete else None


def proves_not_null(expression: Any, column: str) -> bool:
    """Tell whether a CHECK with this expression refuses NULL in the column, for the server too.

    Source: ConstraintImpliedByRelConstraint. A comparison is no proof, since it is NULL of NULL.
    """
    node = tree(expression)
    if isinstance(node, ast.NullTest):
        return _tests(node, enums.NullTestType.IS_NOT_NULL, column)
    if isinstance(node, ast.BoolExpr):
        if node.boolop == enums.BoolExprType.NOT_EXPR:
            return _tests((node.args or (None,))[0], enums.NullTestType.IS_NULL, column)
        if node.boolop == enums.BoolExprType.AND_EXPR:
            return any(proves_not_null(part, column) for part in node.args or ())
        if node.boolop == enums.BoolExprType.OR_EXPR:
            return all(proves_not_null(part, column) for part in node.args or ())
    return False


def _tests(node: Any, kind: Any, column: str) -> bool:
    names: Any = getattr(getattr(node, "arg", None), "fields", ())
    return (
        isinstance(node, ast.NullTest)
        and node.nulltesttype == kind
        and bool(names)
        and getattr(names[-1], "sval", None) == column
    )
