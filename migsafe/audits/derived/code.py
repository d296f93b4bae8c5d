"""Statements that run code which may write rows or change the schema, and what it names. Pure."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pglast import ast

from migsafe.audits.derived import referring
from migsafe.audits.derived.names import called
from migsafe.schema import Schema, Table, expressions

#: Words by which a body may write rows, or call what does.
WRITING = re.compile(
    r"\b(insert|update|delete|merge|truncate|copy|execute|perform|call|alter|drop)\b",
    re.IGNORECASE,
)

#: Words by which a body may write a table whose name is not in its text.
_INDIRECT = re.compile(r"\b(execute|perform|call)\b", re.IGNORECASE)

_ROUTINES = (ast.DoStmt, ast.CallStmt, ast.ExecuteStmt)


def is_opaque(node: Any, schema: Schema) -> bool:
    """Tell whether a statement runs code that may write rows or change the schema."""
    if isinstance(node, _ROUTINES):
        return True
    if isinstance(node, ast.CreateFunctionStmt | ast.CreateTrigStmt | ast.ViewStmt):
        return False
    return isinstance(node, _QUERIES) and any(_ours(node, schema))


_QUERIES = (
    ast.AlterTableStmt,
    ast.CopyStmt,
    ast.CreateTableAsStmt,
    ast.DeclareCursorStmt,
    ast.DeleteStmt,
    ast.ExplainStmt,
    ast.InsertStmt,
    ast.MergeStmt,
    ast.RefreshMatViewStmt,
    ast.SelectStmt,
    ast.UpdateStmt,
)


def _ours(node: Any, schema: Schema) -> Iterator[str]:
    """Yield the functions that a statement calls and that may write, by views and defaults too."""
    todo, seen = [node], set[int]()
    while todo:
        item = todo.pop()
        yield from (name for name in _calls(item) if _is_ours(name, schema))
        for relation in () if isinstance(item, str) else expressions.nodes(item, ast.RangeVar):
            table = schema.find(relation)
            if table is not None and id(table) not in seen:
                seen.add(id(table))
                todo += _behind(table, writes=relation is getattr(item, "relation", None))


def _calls(code: Any) -> Iterable[str]:
    """Return the functions called in a tree, or perhaps called in a text."""
    if isinstance(code, str):
        return re.findall(r"([\w$]+)\"?\s*\(", code)
    return map(called, expressions.nodes(code, ast.FuncCall))


def _behind(table: Table, *, writes: bool) -> Iterator[Any]:
    """Yield what naming a table runs: a view's query, the defaults of a table that is written."""
    if table.query is not None and table.kind in "vm":
        yield table.query
    if writes:
        yield from (c.default for c in table.columns.values() if c.default is not None)


def _is_ours(name: str, schema: Schema) -> bool:
    """Tell whether a function is volatile and written in a language that can write rows."""
    volatility, language = schema.functions.get(name, ("i", "c"))
    return name.startswith("dblink") or (volatility == "v" and language not in ("c", "internal"))


def reach(node: Any, schema: Schema) -> str | None:
    """Return the text that names what is written, None where it may be anything."""
    if isinstance(node, ast.DoStmt):
        body = next((a.arg.sval for a in node.args or () if a.defname == "as"), "")
        return _followed(body, schema)
    if isinstance(node, _ROUTINES):
        return None
    bodies = [
        body
        for name in _ours(node, schema)
        for (bare, _types), body in schema.bodies.items()
        if bare == name
    ]
    # A body in standard SQL has no text in the catalog.
    return _followed("\n".join(bodies), schema) if bodies and all(bodies) else None


def _followed(body: str, schema: Schema) -> str | None:
    """Return code with the names of what it writes through views and foreign keys.

    None where it may write anything.
    """
    text, through = body, _through(schema) if WRITING.search(body) else []
    while more := [pair for pair in through if mentions(text, pair[0])]:
        through = [pair for pair in through if pair not in more]
        text += "".join(f"\n{written}" for _, written in more)
    return None if reaches(text, schema) else text


def _through(schema: Schema) -> list[tuple[str, str]]:
    """Return which tables are written with which, by name: below views, and by cascades."""
    found = []
    for table in schema.tables.values():
        found += [(view.bare, table.key.bare) for view in table.readers]
        for other, made in referring.keys(schema, table):
            if {made.on_delete, made.on_update} & _CASCADES:
                found.append((table.key.bare, other.key.bare))
    return found


_CASCADES = frozenset(referring.SPREADING)


def reaches(body: str, schema: Schema) -> bool:
    """Tell whether code may write what its text does not name: dynamic SQL, functions, triggers."""
    if _INDIRECT.search(body):
        return True
    calls = {name.lower() for name in re.findall(r"([\w$]+)\s*\(", body)}
    if any(name.lower() in calls and _is_ours(name, schema) for name in schema.functions):
        return True
    return any(
        mentions(body, key.bare)
        for table in schema.tables.values()
        if table.triggers
        for key in (table.key, *table.parents)
    )


def mentions(text: str, name: str) -> bool:
    """Tell whether a name stands in a text as a word."""
    if name.lower() not in text.lower():  # far quicker
        return False
    return re.search(rf"(?<![\w$]){re.escape(name)}(?![\w$])", text, re.IGNORECASE) is not None
