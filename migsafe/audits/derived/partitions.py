"""Questions that partitions raise: rows outside a bound, or in the default partition. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

from pglast import ast, parse_sql

from migsafe.audits.derived import constraints, uniques
from migsafe.audits.derived.names import Rows, Unknown, joined, literal, raises, relation, text
from migsafe.audits.derived.walking import Draft, Walk
from migsafe.schema import Index, Table, expressions

#: The key of a partitioned table: columns by name, expressions as trees.
Keys = tuple[Any, ...]


def attached(walk: Walk, parent: Table, command: Any) -> Iterator[Draft]:
    """Ask what ATTACH PARTITION needs of the rows of the candidate and the default partition."""
    if not isinstance(command.def_.name, ast.RangeVar) or parent.kind != "p":
        return
    candidate = walk.schema.find(command.def_.name)
    bound = command.def_.bound
    if candidate is None:
        return
    yield _outside(walk, parent, candidate, bound)
    if not bound.is_default:
        yield from overlap(walk, parent, bound, "attach-partition-default-overlap")
    yield from _inherited(walk, parent, candidate)


def created(walk: Walk, node: Any) -> Iterator[Draft]:
    """Ask whether the default partition has rows that a new partition takes."""
    if node.partbound is None or node.partbound.is_default:
        return
    for relation_ in node.inhRelations or ():
        if parent := walk.schema.find(relation_):
            yield from overlap(walk, parent, node.partbound, "create-partition-default-overlap")


_NAMES = {"r": "attach-partition-range", "l": "attach-partition-list", "h": "attach-partition-hash"}


def _outside(walk: Walk, parent: Table, candidate: Table, bound: Any) -> Draft:
    rows = walk.rows(candidate)

    def offends() -> str:
        if bound.is_default:
            above = joined(_above(walk, parent, rows)) or "true"
            others = _in_others(walk, parent, candidate, rows)
            return joined((others, f"({above}) IS NOT TRUE"), "OR")
        inside = joined([within(walk, parent, bound, rows), *_above(walk, parent, rows)])
        return f"({inside}) IS NOT TRUE"

    return Draft(
        name=_NAMES.get(bound.strategy, "attach-partition-default"),
        what=f"of {candidate.key} outside this partition of {parent.key}",
        rows=rows,
        only=candidate.kind != "p",
        offends=offends,
        remedy="Move these rows into other partitions first, or correct the bound.",
    )


def _above(walk: Walk, parent: Table, rows: Rows) -> Iterator[str]:
    """Yield the bounds of the parents above, which hold for their partitions' partitions."""
    for key in parent.parents:
        above = walk.schema.tables.get(key)
        if above and parent.bound is not None:
            bound = _bound(parent.bound)
            if bound.is_default:
                raise Unknown(f"{parent.key} is a default partition itself")
            yield within(walk, above, bound, rows)
            yield from _above(walk, above, rows)


def _in_others(walk: Walk, parent: Table, candidate: Table, rows: Rows) -> str:
    """Return the condition that a row belongs into a partition that is there already."""
    others = [
        within(walk, parent, _bound(table.bound), rows)
        for table in walk.schema.tables.values()
        if parent.key in table.parents and table is not candidate and table.bound is not None
    ]
    return joined(others, "OR") if others else "false"


def overlap(walk: Walk, parent: Table, bound: Any, name: str) -> Iterator[Draft]:
    """Ask for rows of the default partition that belong into a new one."""
    for table in walk.schema.tables.values():
        if parent.key in table.parents and table.is_default():
            rows = walk.rows(table)
            yield Draft(
                name=name,
                what=f"of the default partition {table.key} belonging into the new one",
                rows=rows,
                only=table.kind != "p",
                offends=_within_thunk(walk, parent, bound, rows),
                remedy="Move these rows out of the default partition first.",
            )


def _within_thunk(walk: Walk, parent: Table, bound: Any, rows: Rows) -> Any:
    return lambda: within(walk, parent, bound, rows)


def _inherited(walk: Walk, parent: Table, candidate: Table) -> Iterator[Draft]:
    """Ask what the parent's unique indexes and foreign keys need of a candidate without them."""
    rows = walk.rows(candidate)
    for index in parent.indexes.values():
        if index.unique and index.valid:
            yield from _indexed(walk, rows, index)
    for made in parent.constraints.values():
        if made.kind == "f" and made.valid and made.enforced:
            name = constraints.foreign_name(made)
            yield from constraints.foreign_key(walk, rows, made, name)


def _indexed(walk: Walk, rows: Rows, index: Index) -> Iterator[Draft]:
    """Ask what a unique index of the parent needs of a candidate."""
    columns = tuple(str(name) for name in index.columns)
    if index.method != "btree":
        yield constraints.overlaps(rows, columns)
    elif None in index.columns:
        yield _of_expressions(rows, index)
    else:
        distinct = index.nulls_not_distinct
        wanted = uniques.Unique(columns, index.predicate, distinct, index.ordinary)
        yield from uniques.unique(walk, rows, wanted, "add-unique")


def _of_expressions(rows: Rows, index: Index) -> Draft:
    def offends() -> str:
        raise Unknown(f"the unique index {index.name} has expressions")

    what = f"of {rows.table.key} in conflict under {index.name}"
    return Draft(name="add-unique", what=what, rows=rows, offends=offends, reads=index.reads)


# ---------------------------------------------------------------- bounds as conditions


def _bound(bound: Any) -> Any:
    """Return a bound as a tree, whether it is one or is the catalog's text."""
    if not isinstance(bound, str):
        return bound
    statement: Any = parse_sql(f"CREATE TABLE t PARTITION OF p {bound}")[0].stmt
    return statement.partbound


def _keys(parent: Table) -> Keys:
    if None not in parent.partition_key:
        return parent.partition_key
    if parent.partition_by is None:
        raise Unknown(f"the key of {parent.key} has an expression")
    statement: Any = parse_sql(f"CREATE TABLE t (a int) PARTITION BY {parent.partition_by}")[0].stmt
    if any(column.live != name for name, column in parent.columns.items()):
        raise Unknown(f"a column of {parent.key} gets another name")
    return tuple(part.name or part.expr for part in statement.partspec.partParams)


def within(walk: Walk, parent: Table, bound: Any, rows: Rows) -> str:
    """Return the condition that a row belongs into a partition; NULL where a key is NULL."""
    keys = [
        rows.column(key) if isinstance(key, str) else rows.expression(key) for key in _keys(parent)
    ]
    if bound.strategy == "h":
        return _hash(parent, bound, keys)
    if bound.strategy == "l":
        return _list(keys[0], [_datum(datum) for datum in bound.listdatums])
    return _range(walk, keys, bound)


def _datum(tree: Any) -> str:
    if any(True for _ in expressions.nodes(tree, (ast.FuncCall, ast.SQLValueFunction))) or raises(
        tree
    ):
        raise Unknown("the bound is computed")
    return text(tree)


def _hash(parent: Table, bound: Any, keys: Sequence[str]) -> str:
    if parent.live is None:
        raise Unknown(f"{parent.key} is not there yet")
    given = ", ".join((str(bound.modulus), str(bound.remainder), *keys))
    name = literal(relation(parent.live))
    return f"pg_catalog.satisfies_hash_partition({name}::pg_catalog.regclass, {given})"


def _list(key: str, values: Sequence[str]) -> str:
    listed = [value for value in values if value != "NULL"]
    # An untyped literal takes the type of the key.
    found = [f"{key} = {value}" for value in listed]
    if "NULL" in values:
        found.append(f"{key} IS NULL")
        return joined(found, "OR")
    return f"{key} IS NOT NULL AND ({joined(found, 'OR')})"


def _range(_walk: Walk, keys: Sequence[str], bound: Any) -> str:
    present = [f"{key} IS NOT NULL" for key in keys]
    lower = _beyond(keys, bound.lowerdatums or (), lower=True)
    upper = _beyond(keys, bound.upperdatums or (), lower=False)
    return joined([*present, *filter(None, (lower, upper))])


def _beyond(keys: Sequence[str], datums: Sequence[Any], *, lower: bool) -> str | None:
    """Compare keys with one end of a range, in their order; None where it is open."""
    if not keys or not datums:
        # Equal in all columns: inside from below, outside from above.
        return "true" if lower else "false"
    end = _end(datums[0])
    if end is not None:
        return None if (end == "minvalue") == lower else "false"
    key, value = keys[0], _datum(datums[0])
    strictly = f"{key} {'>' if lower else '<'} {value}"
    rest = _beyond(keys[1:], datums[1:], lower=lower)
    if rest is None:
        return f"{key} {'>=' if lower else '<='} {value}"
    if rest == "false":
        return strictly
    if rest == "true":
        return f"{key} {'>=' if lower else '<='} {value}"
    return f"({strictly}) OR ({key} = {value} AND ({rest}))"


def _end(datum: Any) -> str | None:
    fields: Any = getattr(datum, "fields", None)
    word = str(fields[0].sval).lower() if fields else ""
    return word if word in ("minvalue", "maxvalue") else None
