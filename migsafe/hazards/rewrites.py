"""A migration with its fixable statements written the safe way (`hazards.fixes`). Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from pglast import ast, enums, parse_sql
from pglast.parser import ParseError, scan

from migsafe import sql
from migsafe.findings import Finding, Source, Status
from migsafe.hazards import Unit, blocks, writing
from migsafe.hazards.fixes import FIXES, Chunk, reduced
from migsafe.schema import Place, Schema, expressions, passes, reading
from migsafe.schema.changes import advance
from migsafe.sql import Statement

_Change = enums.AlterTableType
_Kind = enums.ConstrType


class Rewritten(Struct, frozen=True, kw_only=True):
    """A migration as it would be: each part is one transaction, or one statement without.

    `enclosed` says that the file had one transaction of its own around it.
    """

    parts: tuple[tuple[Chunk, ...], ...]
    fixed: tuple[str, ...]
    enclosed: bool = False


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
    pieces: list[list[Chunk] | None] = []
    together: list[Any] = []
    fixed, left = list[str](), set[str]()
    for command in sorted(statement.node.cmds, key=passes.number):
        meant = [name for name in names if name in _meant(command)]
        single = reduced(statement, command)
        if single is None:
            return (), None
        own = next((c for name in meant if (c := FIXES[name](single, schema, place))), None)
        if own is None:
            left.update(meant)
            together.append(command)
            continue
        fixed += meant
        pieces += [_kept(statement, together), own]
        together = []
    pieces.append(_kept(statement, together))
    chunks = [chunk for piece in pieces for chunk in piece or ()]
    named = tuple(name for name in dict.fromkeys(fixed) if name not in left)
    return named, chunks if named and None not in pieces and all(map(_parses, chunks)) else None


def _kept(statement: Statement, commands: Sequence[Any]) -> list[Chunk] | None:
    """Return commands that have no fix as one statement; None where it cannot be printed."""
    if not commands:
        return []
    single = reduced(statement, *commands)
    return None if single is None else [Chunk(text=single.text)]


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
