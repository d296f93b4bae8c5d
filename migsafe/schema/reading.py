"""Parts of a parse tree as parts of a schema: types, columns, constraints, indexes. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from pglast import ast, enums

from migsafe.schema import Column, Constraint, Index, Key, Place, Schema, Table, Type, expressions

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
    return Type(
        schema=None if schema == "pg_catalog" else schema,
        name=_ALIASES.get(bare, bare),
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


def constraint(
    node: Any, table: Table, schema: Schema, *, column: str | None, place: Place
) -> Constraint | None:
    """Return the constraint of a Constraint node, None where it is none of its own.

    `column` is the column that it is written with. A default, an identity or a column's plain NOT
    NULL is a part of its column.
    """
    kind = _KINDS.get(node.contype)
    if kind is None or (kind == "n" and column is not None):
        return None
    columns = tuple(part.sval for part in _columns_of(node)) or ((column,) if column else ())
    target = node.pktable and schema.key(node.pktable.schemaname, node.pktable.relname)
    return Constraint(
        name=node.conname or _chosen(table, columns, kind),
        kind=kind,
        columns=columns if kind != "c" else tuple(dict.fromkeys(names_in(node.raw_expr))),
        valid=not node.skip_validation,
        enforced=node.is_enforced or kind not in "cf",
        deferrable=bool(node.deferrable),
        deferred=bool(node.initdeferred),
        target=target or None,
        target_columns=tuple(part.sval for part in node.pk_attrs or ()),
        match="f" if node.fk_matchtype == "f" else "s",
        on_update=str(node.fk_upd_action or "a"),
        on_delete=str(node.fk_del_action or "a"),
        expression=node.raw_expr,
        made=place,
    )


def _columns_of(node: Any) -> Iterable[Any]:
    if node.contype == _Kind.CONSTR_FOREIGN:
        return node.fk_attrs or ()
    return node.keys or ()


_SUFFIX = {"p": "pkey", "u": "key", "f": "fkey", "c": "check", "x": "excl", "n": "not_null"}


def _chosen(table: Table, columns: tuple[str, ...], kind: str) -> str:
    """Return the name that PostgreSQL gives a constraint without one (ChooseConstraintName)."""
    middle = () if kind == "p" else columns
    return _free(table, "_".join((table.key.bare, *middle, _SUFFIX[kind]))[:63])


def _free(table: Table, wanted: str) -> str:
    taken = {*table.constraints, *table.indexes}
    name, number = wanted, 0
    while name in taken:
        number += 1
        name = f"{wanted}{number}"
    return name


def backing(node: Any, made: Constraint, table: Table) -> Index | None:
    """Return the index that a constraint builds or takes over; None for those without one."""
    if made.kind not in ("p", "u", "x"):
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
        method=node.access_method or "btree",
        made=made.made,
    )


def _excluded(node: Any) -> Iterator[str | None]:
    for element, _operator in node.exclusions or ():
        yield element.name


def index(node: Any, table: Table, place: Place) -> Index:
    """Return the index of an IndexStmt; without a name it gets the one PostgreSQL would choose."""
    columns = tuple(element.name for element in node.indexParams)
    parts = (table.key.bare, *(name or "expr" for name in columns), "idx")
    return Index(
        name=node.idxname or _free(table, "_".join(parts)[:63]),
        columns=columns,
        included=tuple(element.name for element in node.indexIncludingParams or ()),
        reads=tuple(dict.fromkeys(names_in((node.indexParams, node.whereClause)))),
        unique=bool(node.unique),
        nulls_not_distinct=bool(node.nulls_not_distinct),
        predicate=node.whereClause,
        method=node.accessMethod or "btree",
        ordinary=not any(_is_special(element) for element in node.indexParams),
        made=place,
    )


def _is_special(element: Any) -> bool:
    descends = element.ordering == enums.SortByDir.SORTBY_DESC
    nulls = element.nulls_ordering != enums.SortByNulls.SORTBY_NULLS_DEFAULT
    return bool(element.collation or element.opclass or descends or nulls)


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
