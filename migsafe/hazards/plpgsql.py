"""The SQL that a body of PL/pgSQL runs, by PostgreSQL's own parser of it. Pure.

Branches are taken to run, and loops to run once; FOREACH over constants runs for each of them.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pglast import enums, parse_plpgsql
from pglast.parser import ParseError

from migsafe.hazards import dynamic
from migsafe.hazards.dynamic import Parts


class Piece(NamedTuple):
    """One statement of a body; `line` counts from 1 where the body's text begins.

    `text` is None where it is known only when it runs, `what` says then what is known of it.
    `dynamic` says that it stands in EXECUTE, `maybe` that it stands in a branch or a loop, or after
    one that may leave the body, `handled` that its errors lead to a handler. `ends` is COMMIT or
    ROLLBACK.
    """

    line: int
    text: str | None = None
    what: str = ""
    dynamic: bool = False
    ends: Any = None
    maybe: bool = False
    handled: bool = False


class UnreadableError(Exception):
    """A body that the parser does not accept, or that names what it does not know."""


def read(statement: str) -> Iterator[Piece]:
    """Yield what the body of a DO or CREATE FUNCTION runs, in order; raise UnreadableError."""
    try:
        (function,) = parse_plpgsql(statement)
    except (ParseError, ValueError) as error:
        raise UnreadableError from error
    tree = function["PLpgSQL_function"]
    reader = _Reader(tree)
    yield from reader.read(tree.get("action"), reader.defaults())


def declared(body: str) -> str:
    """Return a CREATE FUNCTION of a body whose signature is not known, such that it is accepted.

    Parameters that the body assigns to have to be declared; the parser names them one by one.
    """
    parameters: list[str] = []
    while True:
        inputs = ", ".join(f'"{name}" text' for name in parameters)
        text = f"CREATE FUNCTION f({inputs}) RETURNS {_returned(body)} LANGUAGE plpgsql AS "
        text += f"$migsafe${body}$migsafe$"
        try:
            parse_plpgsql(text)
        except ParseError as error:
            found = re.fullmatch(r'"(\w+)" is not a known variable', str(error.args[0]))
            if found and found[1] not in parameters:
                parameters.append(found[1])
                continue
        return text


def _returned(body: str) -> str:
    if re.search(r"\breturn\s+(next|query)\b", body, re.IGNORECASE):
        return "SETOF int"
    return "int" if re.search(r"\breturn\s*[^\s;]", body, re.IGNORECASE) else "void"


#: Fields of a statement that hold SQL, and that hold an expression whose value is SQL.
_STATIC = {
    "PLpgSQL_stmt_execsql": "sqlstmt",
    "PLpgSQL_stmt_perform": "expr",
    "PLpgSQL_stmt_call": "expr",
    "PLpgSQL_stmt_fors": "query",
    "PLpgSQL_stmt_return_query": "query",
    "PLpgSQL_stmt_open": "query",
}
_DYNAMIC = {
    "PLpgSQL_stmt_dynexecute": "query",
    "PLpgSQL_stmt_dynfors": "query",
    "PLpgSQL_stmt_return_query": "dynquery",
    "PLpgSQL_stmt_open": "dynquery",
}
_ENDS = {
    "PLpgSQL_stmt_commit": enums.TransactionStmtKind.TRANS_STMT_COMMIT,
    "PLpgSQL_stmt_rollback": enums.TransactionStmtKind.TRANS_STMT_ROLLBACK,
}


#: What may run its body never; the queries and conditions of these do run.
_BRANCHES = {
    "PLpgSQL_stmt_if",
    "PLpgSQL_stmt_case",
    "PLpgSQL_stmt_while",
    "PLpgSQL_stmt_fori",
    "PLpgSQL_stmt_fors",
    "PLpgSQL_stmt_forc",
    "PLpgSQL_stmt_dynfors",
    "PLpgSQL_exception",
}
_LEAVES = {"PLpgSQL_stmt_return", "PLpgSQL_stmt_exit"}


@dataclass(slots=True)
class _Reader:
    """Reads the tree of a body, and follows those variables that take one value."""

    tree: Any
    names: list[str] = field(init=False)
    single: set[str] = field(init=False)
    arrays: dict[str, tuple[Parts, ...]] = field(default_factory=dict)
    #: Whether a branch has left the body, so that what follows may not run.
    left: bool = False

    def __post_init__(self) -> None:
        self.names = [fields.get("refname", "") for _, fields in self._datums()]
        changed = Counter(_changed(self.tree.get("action"), self.names))
        changed.update(name for name, _ in self._given())
        declared = Counter(self.names)
        self.single = {name for name, count in declared.items() if changed[name] == count == 1}

    def _datums(self) -> Iterator[tuple[str, Any]]:
        for datum in self.tree.get("datums", ()):
            yield from datum.items()

    def _given(self) -> Iterator[tuple[str, str]]:
        for _, fields in self._datums():
            if default := _query(fields, "default_val"):
                yield fields["refname"], default

    def defaults(self) -> dict[str, Parts]:
        """Return the variables as they are declared."""
        texts: dict[str, Parts] = {}
        for name, value in self._given():
            self._learn(texts, name, value)
        return texts

    def _learn(self, texts: dict[str, Parts], name: str, value: str) -> None:
        if name in self.single:
            texts[name] = dynamic.parts(value, texts)
            if (elements := dynamic.elements(value, self.arrays)) is not None:
                self.arrays[name] = elements

    def read(
        self,
        tree: Any,
        texts: dict[str, Parts],
        *,
        maybe: bool = False,
        handled: bool = False,
    ) -> Iterator[Piece]:
        """Yield the statements of a part of the tree, and take in the assignments."""
        for kind, fields in _items(tree):
            if not isinstance(fields, dict):
                yield from self.read(fields, texts, maybe=maybe, handled=handled)
                continue
            held = handled or (kind == "PLpgSQL_stmt_block" and "exceptions" in fields)
            self.left = self.left or (maybe and kind in _LEAVES)
            for piece in _own(kind, fields, texts):
                yield piece._replace(maybe=maybe or self.left, handled=handled)
            if kind == "PLpgSQL_stmt_assign":
                value = dynamic.assigned(_query(fields, "expr") or "")
                self._learn(texts, self._named(fields), value)
            for known in self._rounds(kind, fields, texts):
                empty = kind == "PLpgSQL_stmt_foreach_a" and known is texts
                may_not = maybe or empty or kind in _BRANCHES
                yield from self.read(fields, known, maybe=may_not, handled=held)

    def _named(self, fields: Any) -> str:
        return str(self.names[fields.get("varno", 0)])

    def _rounds(
        self, kind: str, fields: Any, texts: dict[str, Parts]
    ) -> Iterable[dict[str, Parts]]:
        """Return the variables with which what is below runs, once for each time."""
        if kind == "PLpgSQL_stmt_foreach_a":
            elements = dynamic.elements(_query(fields, "expr") or "", self.arrays)
            name = self._named(fields)
            return [texts | {name: element} for element in elements or ()] or (texts,)
        return (texts,)


def _own(kind: str, fields: Any, texts: dict[str, Parts]) -> Iterator[Piece]:
    """Yield what a node itself runs."""
    line = fields.get("lineno", 1)
    if query := _query(fields, _STATIC.get(kind, "")):
        yield Piece(line, query, "runs a statement that cannot be read here")
    if query := _query(fields, _DYNAMIC.get(kind, "")):
        made = dynamic.parts(query, texts)
        command = dynamic.command(made) or "a statement"
        what = f"runs {command} by EXECUTE, with a text that is put together when it runs"
        yield Piece(line, dynamic.text(made), what, dynamic=True)
    if kind in _ENDS:
        yield Piece(line, ends=_ENDS[kind])


def _items(tree: Any) -> Iterator[tuple[str, Any]]:
    """Yield the named nodes right below a part of the tree, in order."""
    for part in tree if isinstance(tree, list) else (tree,):
        if isinstance(part, dict):
            yield from part.items()


def _query(fields: Any, name: str) -> str | None:
    expression = fields.get(name)
    return str(expression["PLpgSQL_expr"]["query"]) if expression else None


def _changed(tree: Any, names: list[str]) -> Iterator[str]:
    """Yield each variable as often as it is assigned to; what no text shows counts twice."""
    for kind, fields in _items(tree):
        if kind == "PLpgSQL_stmt_assign":
            yield names[fields.get("varno", 0)]
        elif kind == "PLpgSQL_stmt_foreach_a":
            yield from [names[fields.get("varno", 0)]] * 2
        elif kind == "PLpgSQL_row":
            yield from [item["name"] for item in fields.get("fields", ())] * 2
        elif kind in ("PLpgSQL_rec", "PLpgSQL_var"):
            yield from [fields["refname"]] * 2
        elif kind == "PLpgSQL_diag_item":
            yield from [names[fields.get("target", 0)]] * 2
        if isinstance(fields, dict | list):
            yield from _changed(fields, names)
