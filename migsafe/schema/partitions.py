"""What a partition has because its parent has it: indexes, constraints, triggers. Pure."""

from msgspec.structs import replace

from migsafe.schema import Constraint, Index, Place, Schema, Table, reading


def fill(schema: Schema, table: Table, parent: Table, place: Place) -> None:
    """Give a partition what its parent has and it lacks; an index has a name of its own."""
    for name, made in parent.constraints.items():
        found = (one for one in table.constraints.values() if _does(one, made))
        if made.kind not in reading.INDEXED and next(found, None) is None:
            table.constraints.setdefault(name, replace(made, live=False, made=place))
    for name, trigger in parent.triggers.items():
        if trigger.row:
            table.triggers[name] = trigger
    for index in parent.indexes.values():
        constraint = parent.constraints.get(index.name)
        if not any(_serves(one, index) for one in table.indexes.values()):
            add(schema, table, index, constraint, place)


def add(
    schema: Schema, table: Table, index: Index, constraint: Constraint | None, place: Place
) -> None:
    """Add a copy of an index, and of its constraint, under the name that PostgreSQL chooses."""
    columns = (*(name or "expr" for name in index.columns), *index.included)
    kept = constraint if constraint and constraint.kind in reading.INDEXED else None
    name = reading.chosen(table, columns, kept.kind if kept else "i", schema)
    table.indexes[name] = replace(index, name=name, live=False, made=place)
    if kept:
        table.constraints[name] = replace(kept, name=name, live=False, made=place)


def drop(table: Table, index: Index) -> None:
    """Drop the index of a partition that is there because of its parent's, and its constraint."""
    for name, one in list(table.indexes.items()):
        if _serves(one, index):
            del table.indexes[name]
            table.constraints.pop(name, None)


def _does(one: Constraint, other: Constraint) -> bool:
    """Tell whether a foreign key is the same as another but for its name."""
    return one.kind == "f" and replace(one, name="", live=False, made=None) == replace(
        other, name="", live=False, made=None
    )


def _serves(one: Index, other: Index) -> bool:
    return (one.columns, one.included, one.unique, one.method, one.reads) == (
        *(other.columns, other.included, other.unique, other.method, other.reads),
    )
