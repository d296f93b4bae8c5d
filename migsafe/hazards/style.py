"""Hazards of how things are named and made; most are taste, and are off unless asked for."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pglast import ast, enums, keywords
from pglast.parser import scan

from migsafe.hazards import Context, Hit, Rule, When
from migsafe.schema import Table
from migsafe.sql import Statement

#: NAMEDATALEN - 1 of every stock build.
_LONGEST = 63

#: Comments, strings and quoted names, and what may keep them from being told apart so.
_QUOTED = re.compile(r"--[^\n]*|'[^']*'|\"[^\"]*\"")
_UNCLEAR = ('""', "/*", "\\", "$")


def _too_long(_node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    """Yield each name that is cut; the parse tree has it cut already, so that the text is read."""
    if not _may_be_long(statement.text):
        return
    raw = context.unit.text[statement.start :]
    start = statement.start + len(raw) - len(raw.lstrip())
    seen = set()
    for token in scan(statement.text):
        name = statement.text[token.start : token.end + 1].strip('"')
        if token.name == "IDENT" and _is_long(name) and name not in seen:
            seen.add(name)
            message = f"{name} has {len(name.encode())} bytes, of which PostgreSQL keeps {_LONGEST}"
            here = None if statement.inner else start + token.start
            yield Hit(message, statement=statement, offset=here)


def _may_be_long(text: str) -> bool:
    """Tell whether a name may be too long; the scanner knows, but takes as long as the parser."""
    least = 64 if text.isascii() else 16  # a character is up to four bytes
    between = '"' if '"' in text else None  # a name without quotes ends at the next space
    if '""' not in text and max(map(len, text.split(between))) < least:
        return False
    if any(mark in text for mark in _UNCLEAR):
        return True
    names = (part for part in _QUOTED.findall(text) if part[0] == '"')
    return any(map(_is_long, names)) or any(map(_is_long, _QUOTED.sub(" ", text).split()))


def _is_long(name: str) -> bool:
    return len(name.strip('"').encode()) > _LONGEST


def _unqualified(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    if "search_path" in context.settings or "search_path" in context.local:
        return
    for name in _bare(node):
        yield Hit(f"names {name} without its schema, so that search_path decides which one it is")


def _bare(node: Any) -> Iterator[str]:
    """Yield the relation that a statement makes or changes, where no schema is named."""
    relation = getattr(node, "view", None) or getattr(node, "relation", None)
    if relation and not relation.schemaname and relation.relpersistence != "t":
        yield relation.relname
    if getattr(node, "removeType", None) in _RELATIONS:
        yield from (parts[0].sval for parts in node.objects if len(parts) == 1)


_RELATIONS = {
    enums.ObjectType.OBJECT_TABLE,
    enums.ObjectType.OBJECT_VIEW,
    enums.ObjectType.OBJECT_MATVIEW,
    enums.ObjectType.OBJECT_SEQUENCE,
    enums.ObjectType.OBJECT_INDEX,
}

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


def _named_oddly(node: Any, _statement: Statement, _context: Context) -> Iterator[Hit]:
    for name in dict.fromkeys(_named(node)):
        if not _PLAIN.fullmatch(name) or name in keywords.RESERVED_KEYWORDS:
            yield Hit(f'has to be written as "{name}", in quotes, wherever it is named')


def _named(node: Any) -> Iterator[str]:
    """Yield the names that a statement gives."""
    for part in ("relation", "view", "sequence") if type(node) in _MAKES else ():
        yield from [getattr(node, part).relname] if getattr(node, part, None) else ()
    for part in ("newname", "idxname"):
        yield from [getattr(node, part)] if getattr(node, part, None) else ()
    for element in (*(getattr(node, "tableElts", None) or ()), *_added(node)):
        yield from _named_element(element)
    for name in (getattr(node, "typeName", None) or ())[-1:]:
        yield name.sval


_MAKES = {ast.CreateStmt, ast.ViewStmt, ast.CreateSeqStmt}


def _added(node: Any) -> Iterator[Any]:
    for command in getattr(node, "cmds", None) or ():
        yield command.def_


def _named_element(element: Any) -> Iterator[str]:
    """Yield the name of a column or constraint, and those of a column's constraints."""
    if isinstance(element, ast.ColumnDef | ast.Constraint):
        name = getattr(element, "conname", None) or getattr(element, "colname", None)
        yield from [name] if name else ()
        for part in getattr(element, "constraints", None) or ():
            yield from _named_element(part)


def _keyless(_node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    """Yield each table that this migration makes, and that has no primary key when it ends."""
    for table in context.schema.tables.values():
        place = table.made
        if place is None or place.migration != context.unit.name or _needs_no_key(table):
            continue
        made = next((s for s in context.before if s.line == place.line), None)
        if made and isinstance(made.node, ast.CreateStmt) and not _copies(made.node.tableElts):
            message = f"{table.key} has no primary key, so that nothing names one of its rows, and"
            yield Hit(f"{message} logical replication refuses its updates", statement=made)


def _needs_no_key(table: Table) -> bool:
    """Tell whether a relation is none of its own, or has a key: its parent's, for a partition."""
    kinds = {constraint.kind for constraint in table.constraints.values()}
    return table.temporary or table.kind not in "rp" or table.bound is not None or "p" in kinds


def _copies(elements: Iterable[Any] | None) -> bool:
    return any(isinstance(element, ast.TableLikeClause) for element in elements or ())


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS456",
        name="identifier-too-long",
        on=(When.STATEMENT,),
        check=_too_long,
        summary="a name is longer than 63 bytes, and is cut",
        why="PostgreSQL keeps 63 bytes of a name and drops the rest with a notice that nobody "
        "reads. Two long names that begin alike become one, code that looks the name up in the "
        "catalog does not find it, and IF NOT EXISTS may take another object for the one that is "
        "wanted. A character outside of ASCII takes two to four bytes.",
        remedy="Give it a name of at most 63 bytes.",
        source="https://www.postgresql.org/docs/current/sql-syntax-lexical.html",
        spares_new=False,
    ),
    Rule(
        code="MS457",
        name="unqualified-table",
        on=(
            *(ast.CreateStmt, ast.AlterTableStmt, ast.IndexStmt, ast.ViewStmt, ast.DropStmt),
            ast.RenameStmt,
        ),
        check=_unqualified,
        summary="a relation is named without its schema",
        why="Without a schema, search_path decides where a relation is made and which one is "
        "changed. It belongs to the role and the database, so that the same file may act on "
        "another table somewhere else, and a function may be made to use an attacker's table.",
        remedy="Write the schema before the name, or SET LOCAL search_path in the migration.",
        source="https://www.postgresql.org/docs/current/ddl-schemas.html",
        spares_new=False,
        style=True,
    ),
    Rule(
        code="MS461",
        name="naming-conventions",
        on=(
            *(ast.CreateStmt, ast.AlterTableStmt, ast.IndexStmt, ast.ViewStmt, ast.RenameStmt),
            *(ast.CreateSeqStmt, ast.CreateEnumStmt),
        ),
        check=_named_oddly,
        summary="a name that has to be quoted",
        why="PostgreSQL folds names without quotes to lower case. A name with capitals, spaces, or "
        "one that is a reserved word, has to be quoted wherever it is used; who forgets the quotes "
        "is told that there is no such table or column.",
        remedy="Name it in lower case with underscores, and by no reserved word.",
        source="https://www.postgresql.org/docs/current/sql-syntax-lexical.html",
        spares_new=False,
        style=True,
    ),
    Rule(
        code="MS462",
        name="table-without-primary-key",
        on=(When.END,),
        check=_keyless,
        summary="a table is made without a primary key",
        why="Without a primary key nothing names one row: duplicates cannot be told apart or "
        "deleted singly, and batches have nothing to go by. Where a publication carries the table, "
        "UPDATE and DELETE fail (55000) unless it has another replica identity, and tools such as "
        "pg_repack refuse it.",
        remedy="Add a primary key; an identity column will do.",
        source="https://www.postgresql.org/docs/current/logical-replication-publication.html",
        spares_new=False,
        style=True,
    ),
)
