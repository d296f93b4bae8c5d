"""Foreign keys to the rows of a table. Pure."""

from collections.abc import Iterator

from migsafe.schema import Constraint, Schema, Table

#: Actions of foreign keys that change the rows that refer: CASCADE, SET NULL, SET DEFAULT.
SPREADING = ("c", "n", "d")


def keys(
    schema: Schema, table: Table, *, alone: bool = False
) -> Iterator[tuple[Table, Constraint]]:
    """Yield each foreign key to rows of a table, with the table that has it.

    They are those of what it is a partition of too, and of its partitions and heirs unless `alone`.
    """
    found = [table.key, *(() if alone else (child.key for child in schema.children(table.key)))]
    upper: Table | None = table
    while upper and upper.bound is not None and upper.parents:
        found.append(upper.parents[0])
        upper = schema.tables.get(upper.parents[0])
    for key in found:
        yield from schema.referrers(key)
