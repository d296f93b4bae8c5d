"""What different majors print for the same SQL, brought to one form. Pure text.

Before PostgreSQL 16 a view of one relation has its columns qualified (``t.a``), after it not:
`get_query_def` counted the hidden OLD and NEW among the relations of a query. And what a server
prints it may read as something else, which a database out of a dump shows: in a list of varchar,
the cast of the array becomes one of each element (`transformTypeCast`).
"""

import re
from functools import lru_cache
from typing import Any

from pglast import ast, parse_sql
from pglast.visitors import Skip, Visitor

#: The last version (server_version_num) before views of one relation have bare column names.
_QUALIFIES = 160000

_PREFIX = re.compile(r'(?:"(?:[^"]|"")*"|[^\W\d][\w$]*)\.')

_VALUE = r"(?:E?'(?:[^']|'')*'|NULL)::[a-z][a-z ]*(?:\(\d+\))?"

#: ``(ARRAY['a'::character varying, …])::text[]``
_CAST_ARRAY = re.compile(rf"\(ARRAY\[({_VALUE}(?:, {_VALUE})*)\]\)::([a-z][a-z ]*)\[\]")


def settled(text: str) -> str:
    """Return what the server prints once it has read its own text."""
    return _CAST_ARRAY.sub(_cast_each, text) if "(ARRAY[" in text else text


def _cast_each(array: re.Match[str]) -> str:
    values, kind = array.groups()
    each = re.sub(_VALUE, lambda value: f"({value[0]})::{kind}", values)
    return f"ARRAY[{each}]"


def view(definition: str, version: int) -> str:
    """Return a view's definition as PostgreSQL 16 and later print it."""
    return _bare(definition) if version < _QUALIFIES else definition


@lru_cache(maxsize=4096)
def _bare(definition: str) -> str:
    # The parser counts bytes, and a text of the same shape in ASCII has as many as characters.
    query: Any = parse_sql(re.sub(r"[^\x00-\x7f]", "q", definition))[0].stmt
    if not _reads_one(query):
        return definition
    found = _Columns()
    found(query)
    for start in sorted(found.places - _needed(query), reverse=True):
        rest = definition[start:]
        definition = definition[:start] + _PREFIX.sub("", rest, count=1)
    return definition


def _reads_one(query: Any) -> bool:
    """Tell whether the outermost query has a single relation, which is not a join."""
    if not isinstance(query, ast.SelectStmt) or query.op or query.valuesLists:
        return False
    sources = query.fromClause or ()
    return len(sources) == 1 and not isinstance(sources[0], ast.JoinExpr)


class _Columns(Visitor):
    """Where the outermost query names a column with its relation."""

    def __init__(self) -> None:
        super().__init__()
        self.places: set[int] = set()

    def visit_ColumnRef(self, _: Any, node: Any) -> None:
        if len(node.fields) == 2 and isinstance(node.fields[1], ast.String):
            self.places.add(node.location)

    def visit_SelectStmt(self, ancestors: Any, _: Any) -> Any:
        """Leave inner queries alone: there every major qualifies."""
        return Skip if ancestors.parent is not None else None


def _needed(query: Any) -> set[int]:
    """Return where a bare name in ORDER BY would be taken for that of another output column."""
    outputs = {target.name: target.val for target in query.targetList or () if target.name}
    sorted_by: list[Any] = [item.node for item in query.sortClause or ()]
    columns = [node for node in sorted_by if isinstance(node, ast.ColumnRef)]
    return {int(node.location or 0) for node in columns if _is_taken(node, outputs)}


def _is_taken(node: Any, outputs: dict[str, Any]) -> bool:
    """Tell whether the name of a column is that of an output which is something else."""
    other = outputs.get(node.fields[-1].sval)
    return other is not None and not _same(other, node)


def _same(one: Any, other: Any) -> bool:
    return isinstance(one, ast.ColumnRef) and one.fields == other.fields
