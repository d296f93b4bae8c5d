"""The relations that a DROP names, and whether rows go with them. Pure."""

from collections.abc import Iterator
from typing import Any

from pglast import ast, enums

from migsafe.findings import Severity
from migsafe.hazards import around
from migsafe.hazards.context import Context
from migsafe.schema import Key, Table


def key_of(parts: Any, context: Context) -> Key:
    """Return where the name of a relation (a list of strings) leads."""
    names = [part.sval for part in parts]
    return context.schema.key(names[-2] if len(names) > 1 else None, names[-1])


def sequence_of(parts: Any, context: Context) -> Key:
    """Return where the name of a sequence leads."""
    schema = context.schema
    *qualifier, bare = (part.sval for part in parts)
    places = qualifier[-1:] or schema.path or ("public",)
    there = (key for place in places if (key := Key(place, bare)) in schema.sequences)
    return next(there, Key(places[0], bare))


def cascades(node: Any) -> bool:
    """Tell whether a statement or subcommand says CASCADE."""
    return bool(node.behavior == enums.DropBehavior.DROP_CASCADE)


def tables(node: Any, context: Context) -> Iterator[Table]:
    """Yield the relations of a DropStmt; those that the target does not have are left out.

    One that is not known is yielded as such, and is not noted in the schema.
    """
    for parts in node.objects:
        if found := find(key_of(parts, context), context):
            yield found


def find(key: Key, context: Context) -> Table | None:
    """Return a relation, known or not; None where the target does not have it.

    What only some statement has named so far is not there for that.
    """
    found = context.schema.tables.get(key)
    if not context.schema.complete:
        return found or Table(key=key)
    named_only = found is not None and found.live is None and found.made is None
    return None if named_only else found


def later(context: Context) -> set[Key]:
    """Return the tables that the rest of the migration drops."""
    return {
        key_of(parts, context)
        for drop in around.later(context, ast.DropStmt)
        if drop.removeType == enums.ObjectType.OBJECT_TABLE
        for parts in drop.objects
    }


def rowless(table: Table, context: Context) -> bool:
    """Tell whether a table is proven to have no row: the target's is empty, and nothing fills it.

    A partitioned table answers for its partitions.
    """
    if not table.empty:
        return False
    return not any(one.writes for one in (table, *context.schema.children(table.key)))


def severity(table: Table, context: Context) -> Severity | None:
    """Return ERROR where rows are seen to be lost, None where nobody has counted."""
    seen = context.schema.complete and (table.rows or 0) > 0
    return Severity.ERROR if seen else None


def listed(names: list[str]) -> str:
    """Return names in a row, the tail of a long list as a number."""
    shown, more = names[:4], len(names) - 4
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
