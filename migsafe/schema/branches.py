"""What remains known of a table after a statement that may not have run. Pure; judges nothing.

What a branch makes is taken to be there, so that hazards to it are seen, but proves nothing.
"""

from typing import NamedTuple

from migsafe.schema import Table, Type


class Kept(NamedTuple):
    """What was known of a table: NOT NULL and the type of its columns, and what is valid."""

    table: Table
    known: bool
    columns: dict[str, tuple[bool, Type]]
    valid: dict[str, bool]
    indexes: frozenset[str]


def keep(table: Table) -> Kept:
    """Return what is known of a table before the statement."""
    return Kept(
        table,
        table.known,
        {name: (column.not_null, column.type) for name, column in table.columns.items()},
        {name: made.valid for name, made in table.constraints.items()},
        frozenset(table.indexes),
    )


def doubt(kept: Kept) -> None:
    """Take back what the statement proves of the table, if it runs."""
    _doubt_columns(kept)
    for name, made in kept.table.constraints.items():
        if made.kind in "cn" and made.valid and not kept.valid.get(name, False):
            made.valid = made.sure = False
    for name, index in kept.table.indexes.items():
        index.sure = index.sure and name in kept.indexes


def _doubt_columns(kept: Kept) -> None:
    """Forget a column of two possible types; one that is added may have been there."""
    for name, column in list(kept.table.columns.items()):
        not_null, type_ = kept.columns.get(name, (False, column.type))
        column.not_null = column.not_null and not_null
        if column.type != type_:
            del kept.table.columns[name]
        if name not in kept.columns and not kept.known:
            column.added = None
