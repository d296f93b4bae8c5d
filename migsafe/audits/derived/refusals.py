"""What the server refuses whatever the rows are: the schema alone answers. Pure.

Only refusals are reported; what hazard rules report with the same evidence is left to them.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pglast import enums

from migsafe.audits.derived import referring
from migsafe.audits.derived.walking import Draft, Walk
from migsafe.schema import Key, Table

_CASCADE = enums.DropBehavior.DROP_CASCADE


def _refused(
    walk: Walk, table: Table, name: str, why: str, remedy: str, others: Iterable[Key] = ()
) -> Draft:
    """Return a refusal, for which code that may have changed the others would have to be known."""
    also = tuple((walk.schema.tables[key], ()) for key in others if key in walk.schema.tables)
    return Draft(name=name, what=why, rows=walk.rows(table), refuted=why, remedy=remedy, also=also)


def table_dropped(walk: Walk, key: Key, going: set[Key], behavior: Any) -> Iterator[Draft]:
    """Tell which foreign keys and views keep a table from being dropped."""
    table = walk.schema.tables.get(key)
    if table is None or behavior == _CASCADE:
        return
    children = [*walk.schema.children(key)]
    heirs = [child.key for child in children if child.bound is None and child.key not in going]
    going = going | {child.key for child in children}
    keys = list(_referring(walk, table, going))
    views = [view for view in table.readers if view not in going]
    keeping = [f"the foreign key {name} of {other}" for name, other in keys]
    keeping += [f"the view {view}" for view in views] + [f"the heir {heir}" for heir in heirs]
    if keeping:
        why = f"{keeping[0]} needs {key}{_others(keeping)}"
        others = (*(other for _, other in keys), *views, *heirs)
        yield _refused(walk, table, "drop-table-referenced", why, "Drop that first.", others)


def _others(found: Sequence[Any]) -> str:
    return f", and {len(found) - 1} more" if len(found) > 1 else ""


def _referring(
    walk: Walk, table: Table, going: set[Key], *, alone: bool = False
) -> Iterator[tuple[str, Key]]:
    for other, made in referring.keys(walk.schema, table, alone=alone):
        if other.key not in going | {table.key}:
            yield made.name, other.key


def truncated(walk: Walk, node: Any) -> Iterator[Draft]:
    """Tell which foreign keys keep tables from being truncated, even where no row refers."""
    if node.behavior == _CASCADE:
        return
    tables = [(found, r.inh) for r in node.relations or () if (found := walk.schema.find(r))]
    going = {one.key for table, inh in tables for one in walk.members(table, only=not inh)}
    for table, inh in tables:
        keeping = list(_referring(walk, table, going, alone=not inh))
        if keeping:
            name, other = keeping[0]
            why = f"the foreign key {name} of {other} refers to {table.key}"
            remedy = "Truncate both at once."
            yield _refused(walk, table, "truncate-referenced", why, remedy, [other])


def column_read(walk: Walk, table: Table, name: str, question: str) -> Iterator[Draft]:
    """Tell which views keep a column from being dropped or from getting another type.

    Of a view that a walked statement makes it is not certain which columns it reads.
    """
    views = [
        view
        for view, columns in table.readers.items()
        if (name in columns or not columns) and _is_live(walk, view)
    ]
    if views and name in table.columns:
        why = f"the view {views[0]} reads {name} of {table.key}{_others(views)}"
        remedy = "Drop the view first, and create it again afterwards."
        yield _refused(walk, table, question, why, remedy, views)


def _is_live(walk: Walk, view: Key) -> bool:
    found = walk.schema.tables.get(view)
    return found is not None and found.live is not None and found.query is None


def inherited(walk: Walk, table: Table, command: Any) -> Iterator[Draft]:
    """Tell which columns of its parent to be a table lacks."""
    parent = walk.schema.find(command.def_)
    if parent is None or not (parent.known and table.known):
        return
    for column in parent.columns.values():
        own = table.columns.get(column.name)
        if own is None:
            why = f"{table.key} has no column {column.name}, which {parent.key} has"
            remedy = "Add the column first."
            yield _refused(walk, table, "inherit-missing-column", why, remedy, [parent.key])


def logged(walk: Walk, table: Table) -> Iterator[Draft]:
    """Tell which unlogged table keeps one from being logged."""
    for made in table.constraints.values():
        target = walk.schema.tables.get(made.target) if made.kind == "f" and made.target else None
        if target and target.unlogged and target is not table:
            why = f"{table.key} refers to {target.key}, which is unlogged"
            remedy = f"Set {target.key} logged first."
            yield _refused(walk, table, "set-logged-fk-unlogged", why, remedy, [target.key])


def refreshed(walk: Walk, node: Any) -> Iterator[Draft]:
    """Tell that REFRESH … CONCURRENTLY has no unique index to go by."""
    table = walk.schema.find(node.relation)
    if not node.concurrent or table is None or not table.known:
        return
    if not any(i.unique and i.valid and i.plain for i in table.indexes.values()):
        why = f"{table.key} has no unique index on columns, over all rows"
        name = "refresh-matview-concurrently-no-unique"
        yield _refused(walk, table, name, why, "Create one first.")
