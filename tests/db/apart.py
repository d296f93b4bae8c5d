"""Where a simulated schema is not what the server made of the same statements.

What the text cannot know, it has to say: a table that is not `known` may have more than was told,
never anything else.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from migsafe.schema import Column, Constraint, Index, Key, Schema, Table, Type


class Apart(NamedTuple):
    """One difference: its kind, the object, and its part where it is not all of it."""

    kind: str
    key: Key
    part: str
    told: Any
    read: Any


def compared(told: Schema, read: Schema) -> Iterator[Apart]:
    """Yield what differs; `read` is the catalog's. Temporary and extensions' objects are left."""
    for key in _either(told.tables, read.tables):
        yield from _tables(key, told.tables.get(key), read.tables.get(key), told)
    for kind, shown in _KINDS.items():
        ones, others = getattr(told, kind), getattr(read, kind)
        for key in _either(ones, others):
            yield from _apart(
                kind, key, "", *(_shown(kinds, key, shown) for kinds in (ones, others))
            )


def _either(ones: Iterable[Key], others: Iterable[Key]) -> list[Key]:
    return sorted(key for key in {*ones, *others} if key.schema != "pg_temp")


def _shown(kinds: Any, key: Key, shown: Callable[[Any], Any]) -> Any:
    return shown(kinds[key]) if key in kinds else "nothing"


_KINDS: dict[str, Callable[[Any], Any]] = {
    "enums": lambda enum: enum.labels,
    "domains": lambda domain: (
        _type(domain.base),
        domain.not_null,
        sorted(domain.checks),
        sorted(domain.unproven),
        domain.default is not None,
    ),
    "composites": lambda columns: {name: _type(type_) for name, type_ in columns.items()},
    "sequences": lambda owner: owner,
}


def _apart(kind: str, key: Key, part: str, told: Any, read: Any) -> Iterator[Apart]:
    if told != read:
        yield Apart(kind, key, part, told, read)


def _type(type_: Type) -> tuple[str, tuple[int, ...], bool]:
    """Leave out the schema, which only a catalog knows, and numbers that only extensions read."""
    mods = () if type_.name in _EXTENSIONS else type_.mods
    return type_.name, mods, type_.array


#: Types of extensions with numbers.
_EXTENSIONS = {"vector", "halfvec", "geometry"}


def _tables(key: Key, told: Table | None, read: Table | None, schema: Schema) -> Iterator[Apart]:
    if told is None or read is None:
        if read is None or read.extension is None:
            yield Apart("table", key, "", _kind(told), _kind(read))
        return
    yield from _apart("table", key, "", _kind(told), _kind(read))
    yield from _apart("parents", key, "", told.parents, read.parents)
    yield from _apart("partition", key, "", _partition(told), _partition(read))
    yield from _apart("triggers", key, "", told.triggers, read.triggers)
    yield from _apart("policies", key, "", sorted(told.policies), sorted(read.policies))
    yield from _readers(key, told, read)
    for kind, shown in _PARTS.items():
        yield from _parts(kind, shown, told, read)


def _kind(table: Table | None) -> Any:
    if table is None:
        return "nothing"
    identity = table.replica_identity if table.kind in "rp" else ""
    return table.kind, table.unlogged, table.row_security, identity


def _partition(table: Table) -> Any:
    return table.strategy, table.partition_key, table.bound is not None, table.is_default()


def _readers(key: Key, told: Table, read: Table) -> Iterator[Apart]:
    """Hold the views that read a table; the text may count more columns than each needs."""
    yield from _apart("readers", key, "", sorted(told.readers), sorted(read.readers))
    for view, columns in told.readers.items():
        needed = read.readers.get(view, frozenset()) - {""}
        if columns and not needed <= columns:
            yield Apart("reader", key, str(view), columns, needed)


def _parts(
    kind: str, shown: Callable[[Any, Table], Any], told: Table, read: Table
) -> Iterator[Apart]:
    """Hold columns, constraints or indexes; only what is not known may be lacking."""
    ones, others = _own(getattr(told, kind)), _own(getattr(read, kind))
    for name in {**ones, **others} if told.known else ones:
        one = shown(ones[name], told) if name in ones else "nothing"
        other = shown(others[name], read) if name in others else "nothing"
        if not (kind == "columns" and _untold(ones.get(name), told) and name in others):
            yield from _apart(kind, told.key, name, one, other)
    if kind == "columns" and told.known and ones.keys() == others.keys():
        yield from _apart("order", told.key, "", list(ones), list(others))


def _own(parts: dict[str, Any]) -> dict[str, Any]:
    """Leave out NOT NULL as a constraint: since 18 every such column has one of some name."""
    return {name: part for name, part in parts.items() if getattr(part, "kind", "") != "n"}


def _untold(column: Any, table: Table) -> bool:
    """Tell whether it is a view's column of which the text knows the name alone."""
    return column is not None and table.kind in "vm" and column.type.name == "unknown"


def _column(column: Column, _table: Table) -> Any:
    return (
        _type(column.type),
        column.not_null,
        column.default is not None,
        column.identity,
        column.generated,
    )


def _constraint(made: Constraint, _table: Table) -> Any:
    return (
        made.kind,
        made.columns if made.kind != "c" else tuple(sorted(made.columns)),
        made.valid,
        made.enforced,
        (made.deferrable, made.deferred),
        made.target,
        made.target_columns,
        made.match,
        (made.on_update, made.on_delete),
        made.expression is not None,
    )


def _index(index: Index, _table: Table) -> Any:
    return (
        index.columns,
        index.included,
        sorted({*index.reads} - {*index.columns, *index.included}),
        index.unique,
        index.nulls_not_distinct,
        index.valid,
        index.immediate,
        index.predicate is not None,
        index.method,
        index.ordinary,
    )


_PARTS: dict[str, Callable[[Any, Table], Any]] = {
    "columns": _column,
    "constraints": _constraint,
    "indexes": _index,
}
