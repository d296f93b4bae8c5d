"""Questions of unique constraints and indexes: rows that are equal where none may be. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from pglast import ast

from migsafe.audits.derived.names import Rows, called, joined, quoted, raises
from migsafe.audits.derived.walking import Draft, Walk, primary_key
from migsafe.schema import Column, Index, Table, Type, casts, expressions, reading


class Unique(NamedTuple):
    """What is to be unique: columns, or expressions (trees), by which rows are compared."""

    keys: tuple[Any, ...]
    predicate: Any = None
    not_distinct: bool = False
    #: Whether classes and collations are those of the columns.
    ordinary: bool = True
    #: COLLATE clauses by the position of their key, as trees.
    collations: Mapping[int, Any] = MappingProxyType({})

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the keys that are columns."""
        return tuple(key for key in self.keys if isinstance(key, str))

    @property
    def reads(self) -> tuple[str, ...]:
        """Return all columns that are needed."""
        trees = [key for key in (*self.keys, self.predicate) if not isinstance(key, str)]
        names = [name for tree in trees if tree is not None for name in _names(tree)]
        return tuple(dict.fromkeys((*self.columns, *names)))


def _names(expression: Any) -> Iterator[str]:
    return reading.names_in(expressions.tree(expression))


def unique(walk: Walk, rows: Rows, wanted: Unique, name: str) -> Iterator[Draft]:
    """Ask for rows that are equal where none may be."""
    table = rows.table
    keys = ", ".join(key if isinstance(key, str) else _said(key) for key in wanted.keys)
    yield Draft(
        name=name,
        what=f"of equal {keys} in {table.key}",
        rows=rows,
        query=lambda: _groups(rows, wanted),
        keys=lambda: _duplicates(rows, wanted),
        reads=wanted.reads,
        proof=_distinct(walk, rows, wanted),
        noun="group",
        tries=len(wanted.columns) < len(wanted.keys) or wanted.predicate is not None,
        remedy="Keep one row of each group and correct or delete the others before the statement.",
    )


def _said(expression: Any) -> str:
    """Return an expression as a reader sees it; what it holds of values is not repeated."""
    valued = any(True for _ in expressions.nodes(expression, ast.A_Const))
    return "an expression" if valued else expressions.text(expression)


def _distinct(walk: Walk, rows: Rows, wanted: Unique) -> str | None:
    """Return what proves that no two rows are equal: a unique index on some of the columns."""
    table, columns = rows.table, {*wanted.columns}
    if rows.values.keys() & columns or not wanted.ordinary:
        return None
    for index in table.indexes.values():
        if _proves(index, table, columns, wanted):
            return f"the unique index {index.name} proves it"
    for name in columns:
        if walk.is_filled(table, name, walk.distinct):
            return f"{name} is new, and numbered by its own sequence"
    return None


def _proves(index: Index, table: Table, columns: set[str], wanted: Unique) -> bool:
    if not (index.unique and index.valid and index.sure and index.immediate):
        return False
    if not (index.plain and index.ordinary):
        return False
    if not index.columns or not {*index.columns} <= columns:
        return False
    nulls = wanted.not_distinct and not index.nulls_not_distinct
    return not nulls or all(table.columns[str(name)].not_null for name in index.columns)


def _parts(rows: Rows, wanted: Unique) -> tuple[list[str], str]:
    """Return the keys as SQL, and the condition on rows that are compared."""
    keys = [
        rows.column(key) if isinstance(key, str) else rows.expression(key) for key in wanted.keys
    ]
    for number, names in wanted.collations.items():
        collation = ".".join(quoted(part.sval) for part in names)
        keys[number] = f"({keys[number]}) COLLATE {collation}"
    pairs = [] if wanted.not_distinct else zip(wanted.keys, keys, strict=True)
    conditions = [_present(rows, *pair) for pair in pairs]
    if wanted.predicate is not None:
        conditions.append(rows.expression(wanted.predicate))
    return keys, f" WHERE {joined(conditions)}" if conditions else ""


def _present(rows: Rows, key: Any, value: str) -> str:
    """Return the condition that a key's value (SQL) is not null.

    Of a composite value IS NOT NULL asks the columns, an index does not.
    """
    if isinstance(key, str) and rows.is_composite(key):
        return f"num_nulls({value}) = 0"
    return f"{value} IS NOT NULL"


def _groups(rows: Rows, wanted: Unique) -> str:
    keys, where = _parts(rows, wanted)
    # A parenthesized constant is no position in the list.
    grouped = ", ".join(f"({key})" for key in keys)
    return (
        f"SELECT count(*) AS equal_rows FROM {rows.source()} AS t{where}"
        f" GROUP BY {grouped} HAVING count(*) > 1"
    )


def _duplicates(rows: Rows, wanted: Unique) -> str:
    keys, where = _parts(rows, wanted)
    shown = ", ".join(f"t.{quoted(name)}" for name, _ in primary_key(rows.table)) or "1"
    grouped = ", ".join(f"({key})" for key in keys)
    groups = _groups(rows, wanted).replace("count(*) AS equal_rows", grouped, 1)
    return (
        f"SELECT {shown} FROM {rows.source()} AS t"
        f"{where or ' WHERE true'} AND ({grouped}) IN ({groups} LIMIT 20)"
    )


def index(walk: Walk, node: Any, table: Table) -> Iterator[Draft]:
    """Ask what CREATE INDEX needs of the rows."""
    if table.kind == "p" and not node.relation.inh:
        return  # It is in the catalog alone until the partitions' indexes are attached.
    rows = walk.rows(table)
    keys = tuple(element.name or element.expr for element in node.indexParams)
    if node.unique:
        wanted = _wanted(keys, node)
        plain = node.whereClause is None and all(isinstance(key, str) for key in keys)
        name = "create-unique-index" if plain else "create-unique-index-partial-expr"
        if node.concurrent and plain:
            name = "create-unique-index-concurrently"
        yield from unique(walk, rows, wanted, name)
    elif any(
        raises(tree, table) for tree in (*keys, node.whereClause) if isinstance(tree, ast.Node)
    ):
        yield _evaluated(rows, keys, node.whereClause)
    if (node.accessMethod or "btree") == "btree":
        included = [element.name for element in node.indexIncludingParams or ()]
        yield from too_large(rows, (*keys, *included), node.whereClause)


def _wanted(keys: tuple[Any, ...], node: Any) -> Unique:
    """Return what a unique index compares by.

    Its order is of no account; the classes of PostgreSQL and its contrib agree on what is equal.
    """
    elements = node.indexParams
    classes = any(element.opclass for element in elements)
    collations = {n: element.collation for n, element in enumerate(elements) if element.collation}
    distinct = bool(node.nulls_not_distinct)
    return Unique(keys, node.whereClause, distinct, not (classes or collations), collations)


def _evaluated(rows: Rows, keys: Sequence[Any], predicate: Any) -> Draft:
    def query() -> str:
        tried = ", ".join(rows.expression(key) for key in keys if not isinstance(key, str))
        where = "" if predicate is None else f" WHERE {rows.expression(predicate)}"
        return f"SELECT ROW({tried or 'true'}) AS tried FROM {rows.source()} AS t{where}"

    return Draft(
        name="expression-index-error",
        what=f"of {rows.table.key} for which the index's expression raises an error",
        rows=rows,
        query=query,
        tries=True,
        remedy="Correct the values, or write an expression that none of them breaks.",
    )


#: Types whose values may be larger than an index entry.
_WIDE = frozenset(
    (
        *("text", "varchar", "bpchar", "bytea", "citext", "numeric", "jsonb", "bit", "varbit"),
        *("tsvector", "hstore", "ltree", "numrange", "nummultirange"),
    )
)

#: The largest entry of a btree (BTMaxItemSize with blocks of 8 kB), and the head of one.
_LARGEST, _HEAD = 2704, 8

#: Bytes of the longest character, and of a value's head with its alignment.
_CHARACTER, _ALIGNED = 4, 8


def too_large(rows: Rows, keys: Sequence[Any], predicate: Any = None) -> Iterator[Draft]:
    """Ask for values that no entry of a btree holds."""
    sizes = [_size(rows, key) for key in keys]
    wide = [rows.table.columns[name] for key in keys if (name := _as_long(rows, key))]
    together = sum(size or 0 for size in sizes) + _HEAD
    if None not in sizes and together <= _LARGEST:
        return
    if len(wide) == len(keys) and any(_holds(one, wide) for one in rows.table.indexes.values()):
        return

    def offends() -> str:
        long = [_measured(rows, key) for key, size in zip(keys, sizes, strict=True) if size != 0]
        measured = " + ".join(f"coalesce(pg_column_size({value}), 0)" for value in long)
        # Each further key may be aligned.
        large = f"{measured} + {_HEAD + _ALIGNED * (len(keys) - 1)} > {_LARGEST}"
        if predicate is None:
            return large
        return f"CASE WHEN {rows.expression(predicate)} THEN {large} END"

    yield Draft(
        name="index-row-too-large",
        what=f"of {rows.table.key} with values too large for an index entry",
        rows=rows,
        only=_alone(rows),
        offends=offends,
        reads=_read(rows, keys),
        remedy="Index a hash or the beginning of the value instead.",
    )


def _read(rows: Rows, keys: Sequence[Any]) -> tuple[str, ...]:
    names = [name for key in keys for name in ([key] if isinstance(key, str) else _names(key))]
    return tuple(dict.fromkeys(name for name in names if name in rows.table.columns))


def _measured(rows: Rows, key: Any) -> str:
    """Return what is as long as a key: a column, stored as it will be, or the expression."""
    name = _as_long(rows, key)
    return rows.expression(key) if name is None else rows.column(name)


def _size(rows: Rows, key: Any) -> int | None:
    """Return how many bytes a key may need, None for any number."""
    name = _as_long(rows, key)
    if name is None:
        return None if _may_be_long(rows, key) else 0
    type_ = casts.base(rows.table.columns[name].type, rows.names.schema)
    if type_.array or type_.schema or type_.name not in _WIDE:
        return None if type_.array or rows.is_composite(name) else _ALIGNED
    return _CHARACTER * type_.mods[0] + _ALIGNED if type_.mods else None


#: Functions whose values are short.
_SHORT = frozenset(("md5", "length", "date_trunc", "date_part", "extract", "abs", "octet_length"))


def _may_be_long(rows: Rows, key: Any) -> bool:
    """Tell whether an expression may have a long value: not one over short columns alone."""
    if isinstance(key, ast.FuncCall) and called(key) in _SHORT:
        return False
    if isinstance(key, ast.TypeCast) and not _is_long(reading.type_of(key.typeName)):
        return False
    return any(
        (column := rows.table.columns.get(name)) is None
        or column.type.array
        or column.type.schema
        or (casts.base(column.type, rows.names.schema).name in _WIDE and not column.type.mods)
        or rows.is_composite(name)
        for name in _names(key)
    )


def _is_long(type_: Type) -> bool:
    return type_.array or type_.name in _WIDE or type_.schema is not None


def _as_long(rows: Rows, key: Any) -> str | None:
    """Return the column whose values are as long as a key's, None where nobody can tell."""
    if isinstance(key, ast.FuncCall) and called(key) in ("lower", "upper") and key.args:
        key = key.args[0]
    last: Any = key.fields[-1] if isinstance(key, ast.ColumnRef) and key.fields else None
    name = str(last.sval) if isinstance(last, ast.String) else key
    return name if isinstance(name, str) and name in rows.table.columns else None


def _holds(index: Index, wide: Sequence[Column]) -> bool:
    """Tell whether an index has the values of all rows in its entries already."""
    entry = {*index.columns, *index.included}
    whole = index.valid and index.predicate is None and index.method == "btree"
    return whole and index.live and all(column.live in entry for column in wide)


def _alone(rows: Rows) -> bool:
    """Tell whether an index is on the table alone: it is on partitions too, but not on heirs."""
    return rows.table.kind != "p"
