"""What runs inside of a statement: in a DO block, in dynamic SQL, in functions it calls. Pure.

What cannot be told is there too, as a statement whose node is `Unknown`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from pglast import ast, enums

from migsafe import creations, sql
from migsafe.hazards import plpgsql
from migsafe.schema import Schema, expressions
from migsafe.sql import Statement, Unknown

#: How deep functions that call each other are followed; arbitrary.
_DEEPEST = 5


def inside(statement: Statement, schema: Schema, depth: int = 0) -> Iterator[Statement]:
    """Yield what runs inside of a statement, in order, each with the line where it stands.

    What a called function does stands on the line of the call. `schema` is asked for its body.
    """
    find = _INSIDE.get(type(statement.node))
    for inner in find(statement, schema) if find and depth < _DEEPEST else ():
        yield inner
        yield from inside(inner, schema, depth + 1)


def _do(statement: Statement, _schema: Schema) -> Iterator[Statement]:
    options = {item.defname: item for item in statement.node.args}
    language = options["language"].arg.sval.lower() if "language" in options else "plpgsql"
    if language != "plpgsql":
        yield _unknown(statement, f"runs a DO block in {language}")
        return
    line = statement.line
    if not statement.inner:
        line += statement.text.count("\n", 0, options["as"].location - statement.start)
    try:
        for piece in plpgsql.read(statement.text):
            yield from _of_piece(statement, piece, line + piece.line - 1)
    except plpgsql.UnreadableError:
        yield _unknown(statement, "runs a DO block that cannot be read here")


def _of_piece(outer: Statement, piece: plpgsql.Piece, line: int) -> Iterable[Statement]:
    if piece.ends is not None:
        node = ast.TransactionStmt(kind=piece.ends)
        return (replace(outer, node=node, line=line, end_line=line, refuses=None, inner=True),)
    if piece.text is None:
        return (_unknown(outer, piece.what, line),)
    outer = replace(outer, maybe=outer.maybe or piece.maybe)
    parts = _parsed(outer, piece.text, piece.what, line)
    if piece.handled:
        parts = [_handled(part) for part in parts]
    return [replace(part, line=line, end_line=line) for part in parts] if piece.dynamic else parts


def _parsed(outer: Statement, text: str, what: str, line: int) -> list[Statement]:
    """Return the statements of a text that begins on a line; unknown where it does not parse."""
    try:
        found = sql.parse(text)
    except sql.SqlError:
        return [_unknown(outer, what, line)]
    for part in found if outer.maybe else ():
        _be_lenient(part.node)
    return [
        replace(
            part,
            index=outer.index,
            start=outer.start,
            line=line + part.line - 1,
            end_line=line + part.end_line - 1,
            inner=True,
            maybe=outer.maybe,
        )
        for part in found
    ]


def _handled(part: Statement) -> Statement:
    """Return a statement whose error a handler takes: what it calls may stop anywhere."""
    _be_lenient(part.node)
    return replace(part, maybe=part.maybe or type(part.node) in _INSIDE)


def _be_lenient(node: Any) -> None:
    """Say IF NOT EXISTS: a statement that may not run, or may fail, leaves what is there."""
    if isinstance(node, ast.CreateForeignTableStmt):
        _be_lenient(node.base)
    elif isinstance(node, ast.CreateStmt | ast.CreateTableAsStmt):
        node.if_not_exists = True
    elif isinstance(node, ast.AlterTableStmt):
        for command in node.cmds or ():
            if command.subtype == enums.AlterTableType.AT_AddColumn:
                command.missing_ok = True


def _unknown(outer: Statement, what: str, line: int | None = None) -> Statement:
    unknown = replace(outer, node=Unknown(what=what), refuses=None, inner=True)
    return unknown if line is None else replace(unknown, line=line, end_line=line)


# ---------------------------------------------------------------- functions


def _called(statement: Statement, schema: Schema) -> Iterator[Statement]:
    """Yield what is done by the functions that CALL names, or SELECT for its rows."""
    node = statement.node
    within: Any = getattr(node, "funccall", None) or (
        node.targetList,
        [item for item in node.fromClause or () if isinstance(item, ast.RangeFunction)],
    )
    for call in expressions.nodes(within, ast.FuncCall):
        names = [part.sval for part in call.funcname]
        if names[0] != "pg_catalog" and not creations.is_builtin(names[-1]):
            yield from _of_function(statement, str(names[-1]), schema)


def _of_function(statement: Statement, name: str, schema: Schema) -> Iterator[Statement]:
    volatility, language = schema.functions.get(name, ("v", ""))
    if volatility != "v":
        return  # the server lets it change nothing
    bodies = [body for (bare, _types), body in schema.bodies.items() if bare == name]
    if len(bodies) != 1:
        yield _unknown(statement, f"calls {name}(), whose body is not known")
        return
    read = _BODIES.get(language)
    if read is None:
        yield _unknown(statement, f"calls {name}(), which is written in {language}")
        return
    yield from _look_along(statement, schema.paths.get(name))
    yield from _of_body(
        statement, name, read(statement, bodies[0], "has a body that cannot be read here")
    )
    if name in schema.paths:
        before = [ast.A_Const(val=ast.String(sval=one)) for one in schema.path]
        yield from _look_along(statement, ast.VariableSetStmt(kind=_SETS, args=tuple(before)))


_SETS = enums.VariableSetKind.VAR_SET_VALUE


def _look_along(statement: Statement, said: Any) -> Iterator[Statement]:
    """Yield the SET LOCAL search_path that a function's own SET is while it runs."""
    if said is not None and said.kind == _SETS:
        node = ast.VariableSetStmt(kind=_SETS, name="search_path", args=said.args, is_local=True)
        yield replace(statement, node=node, refuses=None, inner=True)


def _of_body(statement: Statement, name: str, parts: Iterable[Statement]) -> Iterator[Statement]:
    """Yield what a body runs on the line of the call; what cannot be read is said once."""
    said = False
    for part in parts:
        if not isinstance(part.node, Unknown):
            yield replace(part, line=statement.line, end_line=statement.end_line)
        elif not said:
            said = True
            yield _unknown(statement, f"calls {name}(), which {part.node.what}")


def _sql(statement: Statement, body: str, what: str) -> Iterable[Statement]:
    return _parsed(statement, body, what, statement.line)


def _plpgsql(statement: Statement, body: str, what: str) -> Iterator[Statement]:
    try:
        for piece in plpgsql.read(plpgsql.declared(body)):
            yield from _of_piece(statement, piece, statement.line)
    except plpgsql.UnreadableError:
        yield _unknown(statement, what)


_BODIES: dict[str, Callable[[Statement, str, str], Iterable[Statement]]] = {
    "sql": _sql,
    "plpgsql": _plpgsql,
}


def _prepared(statement: Statement, _schema: Schema) -> Iterator[Statement]:
    yield _unknown(statement, f"runs the prepared statement {statement.node.name}")


_INSIDE: dict[type, Callable[[Statement, Schema], Iterator[Statement]]] = {
    ast.DoStmt: _do,
    ast.CallStmt: _called,
    ast.SelectStmt: _called,
    ast.ExecuteStmt: _prepared,
}

#: Statements that may have others inside.
HOLDERS = tuple(_INSIDE)
