"""Questions of the indexes and constraints over a column whose values become others. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from msgspec import structs

from migsafe.audits.derived import columns, constraints, conversions, uniques
from migsafe.audits.derived.names import Rows, Unknown, raises
from migsafe.audits.derived.walking import Draft, Walk
from migsafe.schema import Column, Constraint, Index, Table, Type, expressions, reading


class Turn(NamedTuple):
    """What becomes of values: different ones may become equal (`merges`).

    Expressions over them may say something else (`changes`), or be other ones (not `alike`).
    `trims` says that an assignment takes blanks off the end of texts that are too long.
    """

    merges: bool
    changes: bool
    alike: bool
    new: Type
    trims: bool = False


def again(walk: Walk, rows: Rows, column: Column, turn: Turn, *, only: bool) -> Iterator[Draft]:
    """Ask what indexes and constraints say of the new values, those of heirs alone too."""
    for member in walk.members(rows.table, only=only):
        there = structs.replace(rows, table=member)
        own = _without_inherited(member, rows.table)
        yield from _rebuilt(walk, there, column, turn, own.indexes)
        yield from _rechecked(
            walk, there, column, turn, own.constraints, only=only or member is not rows.table
        )


class _Own(NamedTuple):
    """Indexes and constraints that are asked for one table."""

    indexes: list[Index]
    constraints: list[Constraint]


def _without_inherited(member: Table, table: Table) -> _Own:
    """Return what a table has, less what the questions of its parent `table` ask for it."""
    indexes, made = list(member.indexes.values()), list(member.constraints.values())
    if member is table:
        return _Own(indexes, made)
    checks = {one.name for one in table.constraints.values() if one.kind == "c" and not one.alone}
    made = [one for one in made if one.kind != "c" or one.name not in checks]
    if member.bound is not None:
        above = [_index_key(one) for one in table.indexes.values()]
        indexes = [one for one in indexes if _index_key(one) not in above]
        keys = [(one.columns, one.target) for one in table.constraints.values() if one.kind == "f"]
        made = [one for one in made if one.kind != "f" or (one.columns, one.target) not in keys]
    return _Own(indexes, made)


def _index_key(index: Index) -> tuple[Any, ...]:
    return index.columns, index.reads, index.unique, index.predicate


def _rebuilt(
    walk: Walk, rows: Rows, column: Column, turn: Turn, indexes: Sequence[Index]
) -> Iterator[Draft]:
    """Ask for values that an index refuses, since they become equal or its expression fails."""
    quiet = turn.alike or conversions.textual(column.type, turn.new, walk.schema)
    for index in indexes:
        if index.unique:
            yield from _unique(walk, rows, column, turn, index)
        elif column.name in index.reads and not quiet:
            yield from _evaluated(rows, column, index)


def _unique(walk: Walk, rows: Rows, column: Column, turn: Turn, index: Index) -> Iterator[Draft]:
    name = "type-citext-unique" if turn.new.name == "citext" else "type-change-unique"
    read = column.name in (*index.reads, *_names(index.predicate))
    if not (read or column.name in index.columns):
        return
    if index.method != "btree" and (turn.merges or turn.changes):
        yield _untold(rows, column, name, f"{index.name} is WITHOUT OVERLAPS, and made anew")
    elif None in index.columns and (turn.merges or not turn.alike):
        yield _untold(rows, column, name, f"the unique index {index.name} has expressions")
    elif None not in index.columns and (turn.merges or turn.trims or (read and turn.changes)):
        wanted = uniques.Unique(index.columns, index.predicate, index.nulls_not_distinct)
        yield from uniques.unique(walk, rows, wanted, name)


def _names(predicate: Any) -> Iterator[str]:
    return iter(()) if predicate is None else reading.names_in(expressions.tree(predicate))


def _evaluated(rows: Rows, column: Column, index: Index) -> Iterator[Draft]:
    """Ask for values of which an index that is not unique has an error."""
    name, predicate = "expression-index-error", index.predicate
    if None in index.columns:
        yield _untold(rows, column, name, f"the index {index.name} has expressions")
    elif raises(expressions.tree(predicate)):
        yield Draft(
            name=name,
            what=f"of {rows.table.key} for which the condition of {index.name} raises an error",
            rows=rows,
            query=lambda: columns.tried(rows, rows.expression(predicate), only=True),
            reads=(column.name, *index.reads),
            tries=True,
        )


def _untold(rows: Rows, column: Column, name: str, reason: str) -> Draft:
    """Return a question that nobody can answer."""
    what = f"of {rows.table.key} in conflict over the new {column.name}"
    reads = (column.name,)
    return Draft(name=name, what=what, rows=rows, offends=raising(reason), reads=reads)


def _rechecked(
    walk: Walk,
    rows: Rows,
    column: Column,
    turn: Turn,
    made_before: Sequence[Constraint],
    *,
    only: bool,
) -> Iterator[Draft]:
    """Ask the checks and foreign keys on the column again, of the new values."""
    other = turn.merges and turn.changes
    for made in made_before:
        if column.name not in made.columns or not made.valid or not made.enforced:
            continue
        if made.kind == "c" and turn.changes:
            yield from _check(walk, rows, column, made, only=only)
        elif made.kind == "f" and other:
            yield from constraints.foreign_key(walk, rows, made, "type-change-fk")
        elif made.kind == "x" and other:
            reason = f"the exclusion {made.name} is made anew"
            yield _untold(rows, column, "type-change-unique", reason)
    for referrer, made in walk.schema.referrers(rows.table.key) if other else ():
        if column.name in (made.target_columns or constraints.primary(rows.table)):
            reason = f"the foreign key {made.name} of {referrer.key} is checked anew"
            yield _untold(rows, column, "type-change-fk", reason)


def _check(
    walk: Walk, rows: Rows, column: Column, made: Constraint, *, only: bool
) -> Iterator[Draft]:
    if expressions.proves_not_null(made.expression, column.name):
        return
    yield from constraints.check(
        walk,
        rows,
        made.expression,
        "type-change-check",
        label=f"the check {made.name}",
        only=only or made.alone,
    )


def raising(reason: str) -> Any:
    """Return an `offends` that nobody can answer."""

    def offends() -> str:
        raise Unknown(reason)

    return offends
