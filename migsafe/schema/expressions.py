"""SQL expressions of defaults, checks and predicates, as trees or texts. Pure."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

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
    """Return an iterator over every node of `kind` (a class, or a tuple of them) in a tree.

    `node` is among them, and they come in the order of the text. Many rules ask about one tree:
    the last trees are kept flat.
    """
    kept = _FLAT.get(id(node))
    if kept is None:
        if len(_FLAT) >= _KEPT:
            _FLAT.clear()
        kept = _FLAT[id(node)] = _Flat(node, *_flat(node))
    there = [one for one in kept.by_kind if issubclass(one, kind)]
    if len(there) > 1:
        return (item for item in kept.nodes if type(item) in there)
    return iter(kept.by_kind[there[0]] if there else ())


class _Flat(NamedTuple):
    """A tree's nodes in the order of the text, and by class; the tree is held for its identity."""

    tree: Any
    nodes: list[Any]
    by_kind: dict[type, list[Any]]


#: Trees that are kept flat, by identity.
_FLAT: dict[int, _Flat] = {}

#: Arbitrary: some statements with their expressions.
_KEPT = 1000


def _flat(node: Any) -> tuple[list[Any], dict[type, list[Any]]]:
    """Collect a tree's nodes by a stack, over those slots of each class that can hold a node."""
    found: list[Any] = []
    by_kind: dict[type, list[Any]] = {}
    stack = [node]
    while stack:
        item = stack.pop()
        kind = type(item)
        if kind is tuple or kind is list:
            stack.extend(reversed(item))
        elif issubclass(kind, ast.Node):
            found.append(item)
            if kind in by_kind:
                by_kind[kind].append(item)
            else:
                by_kind[kind] = [item]
            names = _CHILDREN.get(kind)
            for name in _children(kind) if names is None else names:
                if (child := getattr(item, name)) is not None:
                    stack.append(child)
    return found, by_kind


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
    """
    abs acos acosd age area array_append array_cat array_dims array_length array_lower
    array_ndims array_position array_positions array_prepend array_remove array_replace
    array_to_json array_to_string array_upper ascii asin atan atan2 bit_count bit_length
    box broadcast btrim cardinality cbrt ceil ceiling center char_length
    character_length chr coalesce concat concat_ws convert_from convert_to cos cosd cot
    current_database current_schema current_schemas current_setting date_bin date_part
    date_trunc datemultirange daterange decode degrees diameter div encode erf exp
    extract factorial family floor format format_type gcd get_bit get_byte greatest
    height host hostmask inet_merge initcap int4multirange int4range int8multirange
    int8range isclosed isempty isfinite isopen json_array_length json_build_array
    json_build_object json_extract_path json_extract_path_text json_object
    json_strip_nulls json_typeof jsonb_array_length jsonb_build_array jsonb_build_object
    jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object
    jsonb_path_exists jsonb_path_match jsonb_path_query_array jsonb_path_query_first
    jsonb_pretty jsonb_set jsonb_strip_nulls jsonb_typeof justify_days justify_hours
    justify_interval lcm least left length ln log log10 lower lower_inc lower_inf lpad
    ltrim make_date make_interval make_time make_timestamp make_timestamptz masklen md5
    min_scale mod multirange netmask network normalize now nullif num_nonnulls num_nulls
    nummultirange numnode numrange octet_length overlay parse_ident pclose
    pg_my_temp_schema pg_typeof phraseto_tsquery pi plainto_tsquery point popen position
    power quote_ident quote_literal quote_nullable radians radius range_merge
    regexp_count regexp_instr regexp_like regexp_match regexp_matches regexp_replace
    regexp_split_to_array regexp_substr repeat replace reverse right round row_to_json
    rpad rtrim scale setweight sha224 sha256 sha384 sha512 sign sin sind slope
    split_part sqrt starts_with statement_timestamp string_to_array strip strpos substr
    substring tan tand text timezone to_char to_date to_hex to_json to_jsonb to_number
    to_regclass to_regtype to_timestamp to_tsquery to_tsvector transaction_timestamp
    translate trim_array trim_scale trunc ts_headline ts_rank ts_rank_cd tsmultirange
    tsrange tstzmultirange tstzrange txid_current unistr upper upper_inc upper_inf
    uuid_extract_timestamp uuid_extract_version uuid_nil websearch_to_tsquery width
    width_bucket xmlcomment
    """.split()  # noqa: SIM905  # a word a line would be two hundred lines
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
