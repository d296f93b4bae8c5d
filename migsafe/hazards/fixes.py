"""Safe ways of single statements, where they are mechanical: a function for each rule. Pure.

The author's text is kept where a word is enough (CONCURRENTLY, NOT VALID). What is printed from a
tree is parsed again and must be that tree, or there is no fix.
"""

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from typing import Any

from msgspec import Struct
from pglast import ast, enums, parse_sql
from pglast.parser import ParseError, scan
from pglast.stream import RawStream, maybe_double_quote_name

from migsafe.hazards import context
from migsafe.schema import Key, Place, Schema, Table, reading
from migsafe.sql import Statement

_Change = enums.AlterTableType
_Kind = enums.ConstrType


class Chunk(Struct, frozen=True, kw_only=True):
    """One statement of the result, without its semicolon.

    `alone` shares no transaction with another statement; `apart` begins another one than the
    statement before. `head` is what stands before it in the file, `tail` what follows on its line.
    """

    text: str
    head: str = ""
    tail: str = ""
    alone: bool = False
    apart: bool = False


#: A fix: the chunks that stand for a statement, or None where it is not mechanical there.
Fix = Callable[[Statement, Schema, Place], "list[Chunk] | None"]


def reduced(statement: Statement, *commands: Any) -> Statement | None:
    """Return an ALTER TABLE with some commands alone, None where it cannot be printed."""
    node = copy(statement.node)
    node.cmds = commands
    text = printed(node)
    if text is None:
        return None
    return Statement(index=statement.index, line=statement.line, text=text, refuses=None, node=node)


def printed(node: Any) -> str | None:
    """Return a tree as SQL, None where the text would not be that tree."""
    text = str(RawStream()(node))
    try:
        back = parse_sql(text)
    except ParseError:
        return None
    return text if len(back) == 1 and back[0].stmt == node else None


# ---------------------------------------------------------------- one word more


def _after(text: str, *words: str, insert: str) -> str | None:
    """Return the text with `insert` behind the first keyword that is one of `words`."""
    for token in scan(text):
        if token.name in words:
            return f"{text[: token.end + 1]} {insert}{text[token.end + 1 :]}"
    return None


def _concurrently(*words: str) -> Fix:
    def fix(statement: Statement, _schema: Schema, _place: Place) -> list[Chunk] | None:
        text = _after(statement.text, *words, insert="CONCURRENTLY")
        return [Chunk(text=text, alone=True)] if text else None

    return fix


def _create_index(statement: Statement, schema: Schema, place: Place) -> list[Chunk] | None:
    """Build it CONCURRENTLY, after what an earlier try may have left INVALID under its name."""
    node = statement.node
    table = schema.table(node.relation)
    if table.kind == "p":
        return None
    if node.if_not_exists or not (node.idxname or table.known):
        return _concurrently("INDEX")(statement, schema, place)
    bare = reading.index(node, table, place).name
    if _is_taken(bare, table, schema):
        return None
    name = maybe_double_quote_name(bare)
    insert = "CONCURRENTLY" if node.idxname else f"CONCURRENTLY {name}"
    text = _after(statement.text, "INDEX", insert=insert)
    return [*_cleared(bare, node.relation, table), Chunk(text=text, alone=True)] if text else None


def _is_taken(bare: str, table: Table, schema: Schema) -> bool:
    """Tell whether a relation has the name of a new index, which fails then (42P07)."""
    key = Key(table.key.schema, bare)
    return (
        schema.index(key.schema, bare) is not None
        or key in schema.tables
        or key in schema.sequences
    )


def _cleared(bare: str, relation: Any, table: Table) -> list[Chunk]:
    """Drop what an earlier try has left, where it is certain in which schema that is."""
    path = relation.schemaname or (table.key.schema if context.is_made(table) else None)
    if path is None:
        return []
    name = f"{maybe_double_quote_name(path)}.{maybe_double_quote_name(bare)}"
    return [Chunk(text=f"DROP INDEX CONCURRENTLY IF EXISTS {name}", alone=True)]


def _reindex(statement: Statement, schema: Schema, place: Place) -> list[Chunk] | None:
    if any(option.defname == "concurrently" for option in statement.node.params or ()):
        return None  # somebody switched it off on purpose
    return _concurrently("INDEX", "TABLE")(statement, schema, place)


def _refreshed(statement: Statement, schema: Schema, _place: Place) -> list[Chunk] | None:
    """Refresh it CONCURRENTLY, which needs a unique index on columns of it (55000)."""
    view = schema.find(statement.node.relation)
    if view is None or not any(i.unique and i.valid and i.plain for i in view.indexes.values()):
        return None
    text = _after(statement.text, "VIEW", insert="CONCURRENTLY")
    return [Chunk(text=text)] if text and not statement.node.skipData else None


def _drop_index(statement: Statement, schema: Schema, _place: Place) -> list[Chunk] | None:
    """Drop each index by itself: CONCURRENTLY takes one, and knows no CASCADE."""
    if statement.node.behavior == enums.DropBehavior.DROP_CASCADE:
        return None
    for parts in statement.node.objects:
        *qualifier, bare = (part.sval for part in parts)
        found = schema.index(qualifier[-1] if qualifier else None, bare)
        if found and found[0].kind == "p":
            return None  # a partitioned index is not dropped CONCURRENTLY (0A000)
    if_exists = "IF EXISTS " if statement.node.missing_ok else ""
    return [
        Chunk(text=f"DROP INDEX CONCURRENTLY {if_exists}{_dotted(parts)}", alone=True)
        for parts in statement.node.objects
    ]


def _dotted(parts: Iterable[Any]) -> str:
    return ".".join(maybe_double_quote_name(part.sval) for part in parts)


# ---------------------------------------------------------------- constraints


def _command(statement: Statement, *kinds: Any) -> Any:
    """Return the only command of an ALTER TABLE where it is of one of these kinds, else None."""
    node = statement.node
    commands = node.cmds or () if isinstance(node, ast.AlterTableStmt) else ()
    if len(commands) == 1 and commands[0].subtype in kinds and not node.missing_ok:
        return commands[0]
    return None


def _alter(statement: Statement, tail: str) -> str:
    return f"ALTER TABLE {RawStream()(statement.node.relation)} {tail}"


def _set_not_null(statement: Statement, schema: Schema, _place: Place) -> list[Chunk] | None:
    """Prove it by a CHECK that was validated under a weak lock (PostgreSQL 12 and newer)."""
    command = _command(statement, _Change.AT_SetNotNull)
    if command is None or (schema.version or 12) < 12:
        return None
    table = schema.table(statement.node.relation)
    name = f"{table.key.bare}_{command.name}_present"
    if len(name.encode()) > _LONGEST or name in table.constraints:
        return None
    if not statement.node.relation.inh and (not table.known or any(schema.children(table.key))):
        return None  # ONLY makes no CHECK on a parent (42P16)
    column, check = maybe_double_quote_name(command.name), maybe_double_quote_name(name)
    return [
        Chunk(
            text=_alter(statement, f"ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID")
        ),
        Chunk(text=_alter(statement, f"VALIDATE CONSTRAINT {check}"), alone=True),
        Chunk(text=_alter(statement, f"ALTER COLUMN {column} SET NOT NULL"), apart=True),
        Chunk(text=_alter(statement, f"DROP CONSTRAINT {check}")),
    ]


#: Bytes of an identifier; a longer one is cut (NAMEDATALEN).
_LONGEST = 63


def _not_valid(statement: Statement, schema: Schema, place: Place) -> list[Chunk] | None:
    """Add a foreign key or CHECK for new rows first, and read the old ones under a weak lock."""
    command = _command(statement, _Change.AT_AddConstraint)
    if command is None:
        return None
    return _in_two(statement, command.def_, schema, place, column=None)


def _in_two(
    statement: Statement, node: Any, schema: Schema, place: Place, *, column: str | None
) -> list[Chunk] | None:
    table = schema.table(statement.node.relation)
    made = reading.constraint(node, table, schema, column=column, place=place)
    if made is None or made.kind not in "cf" or table.kind == "p" or not node.is_enforced:
        return None
    if node.skip_validation:
        return None
    constraint = _named(node, made.name, made.columns if made.kind == "f" else ())
    constraint.skip_validation, constraint.initially_valid = True, False
    text = _added(statement, constraint)
    if text is None or not (node.conname or table.known):
        return None
    check = maybe_double_quote_name(made.name)
    return [
        Chunk(text=text),
        Chunk(text=_alter(statement, f"VALIDATE CONSTRAINT {check}"), alone=True),
    ]


def _named(node: Any, name: str, columns: Iterable[str]) -> Any:
    """Return a constraint as one of its table, with the name that it gets either way."""
    constraint = copy(node)
    constraint.conname = name
    if columns and node.contype == _Kind.CONSTR_FOREIGN:
        constraint.fk_attrs = tuple(ast.String(sval=column) for column in columns)
    return constraint


def _added(statement: Statement, constraint: Any) -> str | None:
    command = ast.AlterTableCmd(
        subtype=_Change.AT_AddConstraint,
        num=0,
        def_=constraint,
        behavior=enums.DropBehavior.DROP_RESTRICT,
        missing_ok=False,
        recurse=False,
    )
    single = reduced(statement, command)
    return single.text if single else None


def _using_index(statement: Statement, schema: Schema, place: Place) -> list[Chunk] | None:
    """Build the index without blocking anybody, then let the constraint take it over."""
    command = _command(statement, _Change.AT_AddConstraint)
    if command is None:
        return None
    return _indexed(statement, command.def_, schema, place, column=None)


def _indexed(
    statement: Statement, node: Any, schema: Schema, place: Place, *, column: str | None
) -> list[Chunk] | None:
    table = schema.table(statement.node.relation)
    made = reading.constraint(node, table, schema, column=column, place=place)
    plain = not (node.options or node.indexspace or node.without_overlaps or node.indexname)
    if made is None or made.kind not in "pu" or table.kind == "p" or not plain:
        return None
    if not (node.conname or table.known) or (made.kind == "p" and not _required(table, made)):
        return None
    if _is_taken(made.name, table, schema):
        return None
    name = maybe_double_quote_name(made.name)
    columns = ", ".join(maybe_double_quote_name(column) for column in made.columns)
    included = ", ".join(maybe_double_quote_name(part.sval) for part in node.including or ())
    word = "PRIMARY KEY" if made.kind == "p" else "UNIQUE"
    index = f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {RawStream()(statement.node.relation)}"
    return [
        *_cleared(made.name, statement.node.relation, table),
        Chunk(
            text=f"{index} ({columns})"
            f"{f' INCLUDE ({included})' if included else ''}"
            f"{' NULLS NOT DISTINCT' if node.nulls_not_distinct else ''}",
            alone=True,
        ),
        Chunk(
            text=_alter(
                statement,
                f"ADD CONSTRAINT {name} {word} USING INDEX {name}"
                f"{' DEFERRABLE' if made.deferrable else ''}"
                f"{' INITIALLY DEFERRED' if made.deferred else ''}",
            )
        ),
    ]


def _required(table: Table, made: Any) -> bool:
    return table.known and all(
        name in table.columns and table.columns[name].not_null for name in made.columns
    )


def _apart(statement: Statement, _schema: Schema, _place: Place) -> list[Chunk] | None:
    """Validate in a transaction of its own, which holds no stronger lock."""
    return [Chunk(text=statement.text, alone=True)]


def _inline(statement: Statement, schema: Schema, place: Place) -> list[Chunk] | None:
    """Add the column by itself, then what its definition demands of it."""
    command = _command(statement, _Change.AT_AddColumn)
    if command is None or command.missing_ok:
        return None
    definition = copy(command.def_)
    parts = definition.constraints or ()
    moved = [part for part in parts if part.contype in _INLINE]
    if any("_ATTR_" in part.contype.name for part in parts):
        return None  # DEFERRABLE and its like stand beside the constraint that they belong to
    definition.constraints = tuple(part for part in parts if part not in moved) or None
    single = reduced(statement, _with(command, definition))
    if single is None or not moved:
        return None
    chunks = [Chunk(text=single.text)]
    for part in moved:
        split = _INLINE[part.contype](statement, part, schema, place, column=definition.colname)
        if split is None:
            return None
        chunks += split
    return chunks


def _with(command: Any, definition: Any) -> Any:
    changed = copy(command)
    changed.def_ = definition
    return changed


_INLINE: Mapping[Any, Callable[..., list[Chunk] | None]] = {
    _Kind.CONSTR_CHECK: _in_two,
    _Kind.CONSTR_FOREIGN: _in_two,
    _Kind.CONSTR_UNIQUE: _indexed,
}


#: What is mechanical, by the name of the hazard.
FIXES: Mapping[str, Fix] = {
    "create-index-not-concurrent": _create_index,
    "drop-index-not-concurrent": _drop_index,
    "reindex-not-concurrent": _reindex,
    "refresh-matview-not-concurrent": _refreshed,
    "set-not-null": _set_not_null,
    "add-foreign-key-validating": _not_valid,
    "add-check-validating": _not_valid,
    "add-unique-constraint": _using_index,
    "add-primary-key": _using_index,
    "add-column-inline-check": _inline,
    "add-column-inline-unique": _inline,
    "validate-in-same-transaction": _apart,
}
