"""Safe rewrites of statements, where they are mechanical. Pure.

The author's text is kept where a word is enough (CONCURRENTLY, NOT VALID). What is printed from a
tree is parsed again and must be that tree, or there is no fix.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from pglast import ast, enums, parse_sql
from pglast.parser import ParseError, scan
from pglast.stream import RawStream, maybe_double_quote_name

from migsafe import sql
from migsafe.findings import Finding, Source, Status
from migsafe.hazards import Unit, blocks, context, writing
from migsafe.schema import Key, Place, Schema, Table, expressions, reading
from migsafe.schema.changes import advance
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


class Rewritten(Struct, frozen=True, kw_only=True):
    """A migration as it would be: each part is one transaction, or one statement without.

    `enclosed` says that the file had one transaction of its own around it.
    """

    parts: tuple[tuple[Chunk, ...], ...]
    fixed: tuple[str, ...]
    enclosed: bool = False


#: A fix: the chunks that stand for a statement, or None where it is not mechanical there.
Fix = Callable[[Statement, Schema, Place], "list[Chunk] | None"]


def rewrite(unit: Unit, findings: Iterable[Finding], schema: Schema) -> Rewritten | None:
    """Return a migration with the fixable findings fixed, None where there is nothing to fix.

    `schema` is the one before the migration; it is moved along.
    """
    statements = sql.unwrapped(tuple(unit.statements))
    if any(isinstance(s.node, ast.TransactionStmt) for s in statements) or not statements:
        return None
    hits = _hits(unit, findings)
    around = _around(unit)
    chunks: list[Chunk] = []
    fixed: list[str] = []
    for statement in statements:
        place = Place(unit.name, statement.line)
        names, instead = _fixed(statement, hits.get(statement.index, ()), schema, place)
        instead = instead or [Chunk(text=statement.text, alone=bool(statement.refuses))]
        fixed += names
        head, tail = around[statement.index]
        head += _lost(statement, instead)
        instead[0] = replace(instead[0], head=head)
        instead[-1] = replace(instead[-1], tail=tail)
        chunks += instead
        advance(schema, statement, unit.name)
    parts = tuple(_repeated(_parts(chunks)))
    if not fixed or (len(parts) > 1 and any(_is_bound(s.node, schema) for s in statements)):
        return None
    enclosed = len(statements) < len(unit.statements)
    return Rewritten(parts=parts, fixed=tuple(dict.fromkeys(fixed)), enclosed=enclosed)


def _is_bound(node: Any, schema: Schema) -> bool:
    """Tell whether what a statement makes goes at COMMIT, so that what follows cannot be apart."""
    is_query = isinstance(node, ast.CreateTableAsStmt)
    when = node.into.onCommit if is_query else getattr(node, "oncommit", None)
    if when in (enums.OnCommitAction.ONCOMMIT_DROP, enums.OnCommitAction.ONCOMMIT_DELETE_ROWS):
        return True
    if isinstance(node, ast.VariableSetStmt):
        is_bound = node.is_local or node.kind == enums.VariableSetKind.VAR_SET_MULTI
        return is_bound and not _is_timeout(node)
    return isinstance(node, _BOUND) or _says_local(node) or _leaves_checks(node, schema)


#: Statements whose effect, a lock or a cursor, ends with the transaction.
_BOUND = (ast.ConstraintsSetStmt, ast.DeclareCursorStmt, ast.LockStmt)

#: What does the same from within a body or a query.
_LOCAL = re.compile(
    r"\b(set_config|set\s+(local|constraints)|lock\s+table|pg_\w*advisory_xact\w*)\b", re.IGNORECASE
)


def _says_local(node: Any) -> bool:
    """Tell whether a body or a call inside of a statement does what ends with the transaction."""
    if isinstance(node, ast.DoStmt):
        return any(_LOCAL.search(text.sval) for text in expressions.nodes(node, ast.String))
    called = (call.funcname[-1].sval for call in expressions.nodes(node, ast.FuncCall))
    locking = any(expressions.nodes(node, ast.LockingClause))
    return locking or any(_LOCAL.fullmatch(name) for name in called)


def _leaves_checks(node: Any, schema: Schema) -> bool:
    """Tell whether a statement leaves checks until COMMIT, which later ones may meet."""
    for change in writing.changes(node):
        if table := schema.find(change.relation):
            referring = (made for _, made in schema.referrers(table.key))
            triggers = any(trigger.deferred for trigger in table.triggers.values())
            if triggers or any(one.deferred for one in (*table.constraints.values(), *referring)):
                return True
    return False


def _is_timeout(node: Any) -> bool:
    is_value = node.kind == enums.VariableSetKind.VAR_SET_VALUE
    return is_value and bool(node.name.endswith("_timeout"))


def _repeated(parts: Iterable[tuple[Chunk, ...]]) -> Iterator[tuple[Chunk, ...]]:
    """Yield the parts, each with the timeouts that SET LOCAL has given to those before it.

    What refuses a transaction goes without them.
    """
    said: dict[str, Chunk] = {}
    for part in parts:
        statements = [sql.parse(chunk.text)[0] for chunk in part]
        yield part if any(one.refuses for one in statements) else (*said.values(), *part)
        for one in statements:
            _say(said, one)


def _say(said: dict[str, Chunk], statement: Statement) -> None:
    """Note a timeout of the transaction, until a SET of the session stands instead."""
    node: Any = statement.node
    if not isinstance(node, ast.VariableSetStmt):
        return
    if node.kind == enums.VariableSetKind.VAR_RESET_ALL:
        said.clear()
    name = node.name or ""
    said.pop(name, None)
    if node.is_local:
        said[name] = Chunk(text=statement.text)


def _lost(statement: Statement, instead: Iterable[Chunk]) -> str:
    """Return the comments inside of a statement that what stands for it has no more."""
    kept = "\n".join(chunk.text for chunk in instead)
    found = (comment for comment in _comments(statement.text) if comment not in kept)
    return "".join(f"{comment}\n" for comment in found)


def _comments(text: str) -> Iterator[str]:
    for token in scan(text):
        if token.name in ("SQL_COMMENT", "C_COMMENT"):
            yield text[token.start : token.end + 1].rstrip()


def _hits(unit: Unit, findings: Iterable[Finding]) -> dict[int, list[str]]:
    hits: dict[int, list[str]] = {}
    for finding in findings:
        if (
            finding.migration == unit.name
            and finding.source is Source.HAZARD
            and finding.status is Status.FAILED
            and not finding.suppressed
            and finding.statement is not None
        ):
            hits.setdefault(finding.statement, []).append(finding.name)
    return hits


def _fixed(
    statement: Statement, names: Sequence[str], schema: Schema, place: Place
) -> tuple[tuple[str, ...], list[Chunk] | None]:
    """Return what is fixed and by which chunks; an ALTER TABLE is fixed command by command."""
    wanted = [name for name in names if name in FIXES]
    # What is found inside of a block or a called function is not in the text to be fixed.
    if not wanted or isinstance(statement.node, blocks.HOLDERS):
        return (), None
    if isinstance(statement.node, ast.AlterTableStmt):
        if not _are_names_certain(statement.node, schema, place):
            return (), None
        if len(statement.node.cmds or ()) > 1:
            return _each_command(statement, wanted, schema, place)
    for name in wanted:
        chunks = FIXES[name](statement, schema, place)
        if chunks and all(map(_parses, chunks)):
            return (name,), chunks
    return (), None


def _parses(chunk: Chunk) -> bool:
    try:
        return len(parse_sql(chunk.text)) == 1
    except ParseError:
        return False


def _are_names_certain(node: Any, schema: Schema, place: Place) -> bool:
    """Tell whether each constraint that is added gets the name by itself that it gets together."""
    table = schema.table(node.relation)
    added = list(_constraints_of(node))
    read = [
        (part, made.name)
        for part, column in added
        if (made := reading.constraint(part, table, schema, column=column, place=place))
    ]
    drops = any(c.subtype in (_Change.AT_DropConstraint, _Change.AT_DropColumn) for c in node.cmds)
    names = [name for _, name in read]
    return len(set(names)) == len(names) and not (drops and not all(p.conname for p, _ in read))


def _constraints_of(node: Any) -> Iterator[tuple[Any, str | None]]:
    """Yield the constraints that an ALTER TABLE adds, with the column that each is written with."""
    for command in node.cmds or ():
        if command.subtype == _Change.AT_AddConstraint:
            yield command.def_, None
        elif command.subtype == _Change.AT_AddColumn:
            for part in command.def_.constraints or ():
                yield part, command.def_.colname


def _each_command(
    statement: Statement, names: Sequence[str], schema: Schema, place: Place
) -> tuple[tuple[str, ...], list[Chunk] | None]:
    """Split an ALTER TABLE in the order that the server runs it in; unfixed commands stay one."""
    chunks: list[Chunk] = []
    together: list[Any] = []
    fixed, left = list[str](), set[str]()
    for command in sorted(statement.node.cmds, key=_pass):
        meant = [name for name in names if name in _meant(command)]
        single = _single(statement, command)
        if single is None:
            return (), None
        own = next((c for name in meant if (c := FIXES[name](single, schema, place))), None)
        if own is None:
            left.update(meant)
            together.append(command)
            continue
        fixed += meant
        chunks += [*_kept(statement, together), *own]
        together = []
    chunks += _kept(statement, together)
    named = tuple(name for name in dict.fromkeys(fixed) if name not in left)
    return named, chunks if named and all(map(_parses, chunks)) else None


def _kept(statement: Statement, commands: Sequence[Any]) -> list[Chunk]:
    single = _single(statement, *commands) if commands else None
    return [Chunk(text=single.text)] if single else []


#: The passes of ALTER TABLE (tablecmds.c) as far as one can need what another makes.
_PASSES: Mapping[Any, int] = {
    _Change.AT_DropColumn: 0,
    _Change.AT_DropConstraint: 0,
    _Change.AT_DropNotNull: 0,
    _Change.AT_DropExpression: 0,
    _Change.AT_DropIdentity: 0,
    _Change.AT_AlterColumnType: 1,
    _Change.AT_AddColumn: 2,
    _Change.AT_SetNotNull: 3,
    _Change.AT_ColumnDefault: 3,
}


def _pass(command: Any) -> int:
    """Return when the server runs a command of an ALTER TABLE; keys come before what needs them."""
    if command.subtype == _Change.AT_AddConstraint:
        return 4 if command.def_.contype in (_Kind.CONSTR_PRIMARY, _Kind.CONSTR_UNIQUE) else 5
    return _PASSES.get(command.subtype, 6)


def _meant(command: Any) -> tuple[str, ...]:
    """Return the hazards that a command of an ALTER TABLE can have, of those that are fixable."""
    if command.subtype == _Change.AT_AddConstraint:
        node = command.def_
        names = _OF_CONSTRAINTS.get(node.contype, ())
        return () if node.skip_validation or node.indexname else names
    return _OF_COMMANDS.get(command.subtype, ())


_OF_CONSTRAINTS: Mapping[Any, tuple[str, ...]] = {
    _Kind.CONSTR_FOREIGN: ("add-foreign-key-validating",),
    _Kind.CONSTR_CHECK: ("add-check-validating",),
    _Kind.CONSTR_UNIQUE: ("add-unique-constraint",),
    _Kind.CONSTR_PRIMARY: ("add-primary-key",),
}
_OF_COMMANDS: Mapping[Any, tuple[str, ...]] = {
    _Change.AT_SetNotNull: ("set-not-null",),
    _Change.AT_AddColumn: ("add-column-inline-check", "add-column-inline-unique"),
    _Change.AT_ValidateConstraint: ("validate-in-same-transaction",),
}


def _single(statement: Statement, *commands: Any) -> Statement | None:
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


def _around(unit: Unit) -> dict[int, tuple[str, str]]:
    """Return what stands before each statement and behind it on its line: comments, mostly."""
    ends = [statement.start + len(statement.text) for statement in unit.statements]
    starts = [*(statement.start for statement in unit.statements[1:]), len(unit.text)]
    head = unit.text[: unit.statements[0].start]
    found: dict[int, tuple[str, str]] = {}
    for statement, end, start in zip(unit.statements, ends, starts, strict=True):
        tail, newline, following = unit.text[end:start].lstrip().removeprefix(";").partition("\n")
        found[statement.index] = (head, tail.rstrip())
        head = following.lstrip("\n") if newline else ""
    if head.strip():
        found[statement.index] = (found[statement.index][0], f"{tail.rstrip()}\n{head.rstrip()}")
    return found


def _parts(chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, ...]]:
    part: list[Chunk] = []
    for chunk in chunks:
        if part and (chunk.alone or chunk.apart or part[-1].alone):
            yield tuple(part)
            part = []
        part.append(chunk)
    if part:
        yield tuple(part)


def keeps_settings(rewritten: Rewritten) -> bool:
    """Tell whether a part sets what later parts need of its session; a timeout alone is none."""
    texts = (chunk.text for part in rewritten.parts[:-1] for chunk in part)
    nodes = (statement.node for text in texts for statement in sql.parse(text))
    return any(isinstance(node, ast.VariableSetStmt) and not _is_timeout(node) for node in nodes)


def one_part(part: Iterable[Chunk]) -> str:
    """Return one part as a file of its own."""
    return "".join(f"{chunk.head}{chunk.text}{_end(chunk.text)}{chunk.tail}\n" for chunk in part)


def _end(text: str) -> str:
    """Return the semicolon, on a line of its own where a comment would swallow it."""
    return "\n;" if "--" in text.rpartition("\n")[2] else ";"


def one_file(rewritten: Rewritten) -> str:
    """Return the parts as one file with its own transactions, for a runner that adds none."""
    if len(rewritten.parts) == 1 and not rewritten.enclosed:
        return one_part(rewritten.parts[0])
    texts = (one_part(part) for part in rewritten.parts)
    return "\n".join(text if _refuses(text) else f"BEGIN;\n{text}COMMIT;\n" for text in texts)


def _refuses(text: str) -> bool:
    return any(statement.refuses for statement in sql.parse(text))


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
    single = _single(statement, command)
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
    single = _single(statement, _with(command, definition))
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
