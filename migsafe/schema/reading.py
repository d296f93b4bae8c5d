"""Parts of a parse tree as parts of a schema: types, columns, constraints, indexes. Pure."""

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any, Literal

from pglast import ast, enums

from migsafe.schema import (
    Column,
    Constraint,
    Domain,
    Index,
    Key,
    Place,
    Schema,
    Table,
    Type,
    expressions,
)

_Kind = enums.ConstrType

#: The integer behind each serial type; PostgreSQL reads them before it looks for a type.
SERIALS = {
    "serial": "int4",
    "serial4": "int4",
    "bigserial": "int8",
    "serial8": "int8",
    "smallserial": "int2",
    "serial2": "int2",
}

#: Names that a grammar of standard SQL does not turn into the catalog's.
_ALIASES = {"int": "int4", "integer": "int4", "bigint": "int8", "smallint": "int2"}


def type_of(node: Any) -> Type:
    """Return the type that a TypeName names; a serial is the integer behind it."""
    names = [part.sval for part in node.names or ()]
    schema = names[-2] if len(names) > 1 else None
    bare = SERIALS.get(names[-1], names[-1]) if schema is None else names[-1]
    mods = tuple(_number(mod) for mod in node.typmods or ())
    name = _ALIASES.get(bare, bare)
    if name == "numeric" and len(mods) == 1:
        mods = (*mods, 0)
    return Type(
        schema=None if schema == "pg_catalog" else schema,
        name=name,
        mods=tuple(mod for mod in mods if mod is not None),
        array=bool(node.arrayBounds),
    )


def _number(node: Any) -> int | None:
    return getattr(getattr(node, "val", None), "ival", None)


def is_serial(definition: Any) -> bool:
    """Tell whether a ColumnDef makes a sequence by its type."""
    names: Any = definition.typeName.names if definition.typeName else ()
    return len(names) == 1 and names[0].sval in SERIALS


def column(definition: Any, schema: Schema) -> Column:
    """Return the column of a ColumnDef, with what its constraints say of nulls and defaults."""
    parts = list(definition.constraints or ())
    made = Column(
        name=definition.colname,
        type=type_of(definition.typeName) if definition.typeName else Type(None, "unknown"),
        collation=collation_of(definition.collClause),
        not_null=is_serial(definition),
        default=definition.raw_default,
    )
    for part in parts:
        _read_part(made, part)
    domain = schema.typed(made.type, schema.domains)
    if domain and made.default is None:
        made.default = domain.default
    return made


def kept_default(expression: Any) -> Any:
    """Return the default that a column has in the end; None for NULL, which is as good as none."""
    value = expression
    while isinstance(value, ast.TypeCast):
        value = value.arg
    return None if getattr(value, "isnull", False) else expression


def collation_of(clause: Any) -> str | None:
    """Return the bare name of a COLLATE clause."""
    return clause.collname[-1].sval if clause else None


def _read_part(made: Column, part: Any) -> None:
    if part.contype in (_Kind.CONSTR_NOTNULL, _Kind.CONSTR_PRIMARY):
        made.not_null = True
    elif part.contype == _Kind.CONSTR_DEFAULT:
        made.default = part.raw_expr
    elif part.contype == _Kind.CONSTR_IDENTITY:
        made.identity = made.not_null = True
    elif part.contype == _Kind.CONSTR_GENERATED:
        made.generated = "v" if part.generated_kind == "v" else "s"
        made.default = part.raw_expr


_KINDS: dict[Any, Literal["p", "u", "f", "c", "x", "n"]] = {
    _Kind.CONSTR_PRIMARY: "p",
    _Kind.CONSTR_UNIQUE: "u",
    _Kind.CONSTR_FOREIGN: "f",
    _Kind.CONSTR_CHECK: "c",
    _Kind.CONSTR_EXCLUSION: "x",
    _Kind.CONSTR_NOTNULL: "n",
}


#: Kinds of constraints that have an index of their own.
INDEXED = ("p", "u", "x")

_ATTRIBUTES = {
    _Kind.CONSTR_ATTR_DEFERRABLE,
    _Kind.CONSTR_ATTR_NOT_DEFERRABLE,
    _Kind.CONSTR_ATTR_DEFERRED,
    _Kind.CONSTR_ATTR_IMMEDIATE,
    _Kind.CONSTR_ATTR_ENFORCED,
    _Kind.CONSTR_ATTR_NOT_ENFORCED,
}


def inline(definition: Any) -> Iterator[tuple[Any, frozenset[Any]]]:
    """Yield the constraints of a ColumnDef, each with the attributes that stand behind it."""
    parts = list(definition.constraints or ())
    while parts:
        node, attributes = parts.pop(0), set()
        while parts and parts[0].contype in _ATTRIBUTES:
            attributes.add(parts.pop(0).contype)
        yield node, frozenset(attributes)


def kind_of(node: Any) -> str:
    """Return the kind of constraint that a Constraint node makes, "" for none."""
    return _KINDS.get(node.contype, "")


def constraint(
    node: Any,
    table: Table,
    schema: Schema,
    *,
    column: str | None,
    place: Place,
    attributes: frozenset[Any] = frozenset(),
) -> Constraint | None:
    """Return the constraint of a Constraint node, None where it is none of its own.

    `column` is the column that it is written with, `attributes` those that `inline` found. A
    default, an identity or a column's plain NOT NULL is a part of its column.
    """
    kind = _KINDS.get(node.contype)
    if kind is None or (kind == "n" and column is not None):
        return None
    columns = tuple(part.sval for part in _columns_of(node)) or ((column,) if column else ())
    if kind == "c":
        columns = tuple(dict.fromkeys(names_in(node.raw_expr)))
    target = node.pktable and schema.key(node.pktable.schemaname, node.pktable.relname)
    return Constraint(
        name=node.conname or node.indexname or chosen(table, columns, kind, schema),
        kind=kind,
        columns=columns,
        valid=not node.skip_validation,
        enforced=kind not in "cf" or is_enforced(node, attributes),
        deferrable=bool(node.deferrable or _DEFERS & attributes),
        deferred=bool(node.initdeferred or _Kind.CONSTR_ATTR_DEFERRED in attributes),
        target=target or None,
        target_columns=_target_columns(node, schema, table),
        match="f" if node.fk_matchtype == "f" else "s",
        on_update=str(node.fk_upd_action) if kind == "f" else "a",
        on_delete=str(node.fk_del_action) if kind == "f" else "a",
        expression=node.raw_expr,
        alone=bool(node.is_no_inherit),
        made=place,
    )


def _target_columns(node: Any, schema: Schema, table: Table) -> tuple[str, ...]:
    """Return the columns that a foreign key names, else those of the primary key, if known."""
    if node.pk_attrs or node.pktable is None:
        return tuple(part.sval for part in node.pk_attrs or ())
    key = schema.key(node.pktable.schemaname, node.pktable.relname)
    target = table if key == table.key else schema.tables.get(key)
    made = target.constraints.values() if target else ()
    return next((one.columns for one in made if one.kind == "p"), ())


_DEFERS = {_Kind.CONSTR_ATTR_DEFERRABLE, _Kind.CONSTR_ATTR_DEFERRED}


def is_enforced(node: Any, attributes: frozenset[Any] = frozenset()) -> bool:
    """Tell whether a CHECK or a foreign key is to be held; NOT ENFORCED came with 18."""
    return bool(node.is_enforced) and _Kind.CONSTR_ATTR_NOT_ENFORCED not in attributes


def _columns_of(node: Any) -> Iterable[Any]:
    if node.contype == _Kind.CONSTR_FOREIGN:
        return node.fk_attrs or ()
    return node.keys or ()


_SUFFIX = {
    "p": "pkey",
    "u": "key",
    "f": "fkey",
    "c": "check",
    "x": "excl",
    "n": "not_null",
    "i": "idx",
}


def chosen(table: Table, columns: tuple[str, ...], kind: str, schema: Schema | None = None) -> str:
    """Return the name that PostgreSQL gives a constraint, or an index (i), that has none.

    Source: ChooseConstraintName and ChooseIndexName.
    """
    named = () if kind == "p" or (kind == "c" and len(columns) > 1) else columns
    return free(table, "_".join(_distinct(named)), _SUFFIX[kind], schema)


#: Bytes of a name; a longer one is put together from shortened parts (NAMEDATALEN).
_LONGEST = 63


def check_of(key: Key, domain: Domain) -> str:
    """Return the name that PostgreSQL gives a domain's check that has none."""
    names = (_object_name(key.bare, "", f"check{number or ''}") for number in count())
    return next(name for name in names if name not in domain.checks)


def free(table: Table, middle: str, suffix: str, schema: Schema | None = None) -> str:
    """Return the first of name, name1, name2 … that nothing in the table's schema has.

    PostgreSQL looks for constraints' names among constraints, for indexes' among relations too.
    """
    names = (_object_name(table.key.bare, middle, f"{suffix}{number or ''}") for number in count())
    return next(name for name in names if not _taken(name, table, schema, suffix))


def _taken(name: str, table: Table, schema: Schema | None, suffix: str) -> bool:
    tables = (table, *(schema.tables.values() if schema else ()))
    namesakes = [one for one in tables if name in one.constraints or name in one.indexes]
    beside = [one for one in namesakes if one.key.schema == table.key.schema]
    if suffix not in ("idx", "seq") and any(name in one.constraints for one in beside):
        return True
    if suffix in ("check", "fkey", "not_null"):
        return False
    key = Key(table.key.schema, name)
    kinds: Any = (schema.tables, schema.sequences, schema.composites) if schema else ()
    return any(key in kind for kind in kinds) or any(name in one.indexes for one in beside)


def _object_name(first: str, second: str, label: str) -> str:
    """Return the parts in one name, the longer one shortened until it fits (makeObjectName)."""
    one, two = len(first.encode()), len(second.encode())
    room = _LONGEST - len(label) - 1 - bool(second)
    while one + two > room:
        one, two = (one - 1, two) if one > two else (one, two - 1)
    parts = (_clipped(first, one), _clipped(second, two), label)
    return "_".join(part for part in parts if part)


def _clipped(text: str, length: int) -> str:
    return text.encode()[:length].decode("utf-8", "ignore")


def backing(node: Any, made: Constraint, table: Table) -> Index | None:
    """Return the index that a constraint builds or takes over; None for those without one."""
    if made.kind not in INDEXED:
        return None
    if taken := table.indexes.get(node.indexname or ""):
        taken.name, taken.immediate = made.name, not made.deferrable
        return taken
    return Index(
        name=made.name,
        columns=made.columns or tuple(_excluded(node)),
        included=tuple(part.sval for part in node.including or ()),
        unique=made.kind != "x",
        nulls_not_distinct=bool(node.nulls_not_distinct),
        immediate=not made.deferrable,
        predicate=node.where_clause,
        method="gist" if node.without_overlaps else node.access_method or "btree",
        made=made.made,
    )


def _excluded(node: Any) -> Iterator[str | None]:
    for element, _operator in node.exclusions or ():
        yield element.name


def index(node: Any, table: Table, place: Place, schema: Schema | None = None) -> Index:
    """Return the index of an IndexStmt; without a name it gets the one PostgreSQL would choose."""
    columns = tuple(element.name or _named(element.expr, table) for element in node.indexParams)
    elements = (*node.indexParams, *(node.indexIncludingParams or ()))
    parts = "_".join(_distinct(element.name or _figured(element.expr) for element in elements))
    return Index(
        name=node.idxname or free(table, _clipped(parts, _LONGEST), "idx", schema),
        columns=columns,
        included=tuple(element.name for element in node.indexIncludingParams or ()),
        reads=tuple(name for name in _read(node) if name not in columns),
        unique=bool(node.unique),
        nulls_not_distinct=bool(node.nulls_not_distinct),
        predicate=node.whereClause,
        method=node.accessMethod or "btree",
        ordinary=not any(_is_special(element, node, table) for element in node.indexParams),
        made=place,
    )


def _distinct(names: Iterable[str]) -> list[str]:
    """Return names of an index's columns, numbered where they repeat (ChooseIndexColumnNames)."""
    made: list[str] = []
    for name in names:
        numbered = (f"{name}{number or ''}" for number in count())
        made.append(next(one for one in numbered if one not in made))
    return made


def _figured(expression: Any) -> str:
    """Return what PostgreSQL calls an expression in an index's name (FigureIndexColname)."""
    names: Any = getattr(expression, "funcname", None) or getattr(expression, "fields", None)
    if names and isinstance(expression, ast.FuncCall | ast.ColumnRef):
        return str(getattr(names[-1], "sval", "expr"))
    if isinstance(expression, ast.TypeCast):
        inner = _figured(expression.arg)
        return type_of(expression.typeName).name if inner == "expr" else inner
    if isinstance(expression, ast.CoalesceExpr):
        return "coalesce"
    return _figured(expression.arg) if isinstance(expression, ast.CollateClause) else "expr"


def _named(expression: Any, table: Table) -> str | None:
    """Return the column that an index's expression is nothing more than, None for a real one."""
    name: str | None = None
    if isinstance(expression, ast.ColumnRef):
        name = next(names_in(expression), None)
    elif isinstance(expression, ast.FuncCall) and len(args := expression.args or ()) == 1:
        name = _named(args[0], table)  # date(day) of a date is no call
        column = table.columns.get(name or "")
        own = column is not None and column.type == Type(None, _bare(expression))
        name = name if own else None
    return name


def _bare(call: Any) -> str:
    return str(call.funcname[-1].sval)


def _read(node: Any) -> dict[str, None]:
    return dict.fromkeys(names_in((node.indexParams, node.whereClause)))


def _is_special(element: Any, node: Any, table: Table) -> bool:
    descends = element.ordering == enums.SortByDir.SORTBY_DESC
    nulls = element.nulls_ordering != enums.SortByNulls.SORTBY_NULLS_DEFAULT
    own = element.opclass and _is_default_class(element, node, table)
    return bool(element.collation or (element.opclass and not own) or descends or nulls)


def _is_default_class(element: Any, node: Any, table: Table) -> bool:
    """Tell whether the operator class that is named is the one of the column's type anyway."""
    column = table.columns.get(element.name or "")
    if column is None or node.accessMethod not in ("btree", "hash", "gin", None):
        return False
    name = "array" if column.type.array else _CLASSES.get(column.type.name, column.type.name)
    return bool(element.opclass[-1].sval == f"{name}_ops") and not element.opclassopts


#: Types that have another type's operator class.
_CLASSES = {"varchar": "text"}


def names_in(node: Any) -> Iterator[str]:
    """Yield the last part of each column reference in an expression, in order, with repeats."""
    for reference in expressions.nodes(node, ast.ColumnRef):
        last = reference.fields[-1]
        if isinstance(last, ast.String):
            yield str(last.sval)


def key_of(parts: Any, schema: Schema, kinds: dict[Key, Any]) -> Key:
    """Return where the name of a type, domain or enum (a list of strings) leads."""
    names = [part.sval for part in parts]
    if len(names) > 1:
        return Key(names[-2], names[-1])
    found = (Key(candidate, names[-1]) for candidate in schema.path)
    first = schema.path[0] if schema.path else "public"
    return next((key for key in found if key in kinds), Key(first, names[-1]))
