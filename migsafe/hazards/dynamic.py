"""SQL text that a block puts together when it runs, as far as its parts are constant. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pglast import ast, parse_sql
from pglast.parser import ParseError
from pglast.stream import maybe_double_quote_name

#: A text in parts; None is one that is known only when it runs.
Parts = tuple[str | None, ...]

Known = Mapping[str, Parts]

_OPEN: Parts = (None,)


def parts(expression: str, known: Known) -> Parts:
    """Return the text that an expression of PL/pgSQL makes; `known` are its variables."""
    node = _tree(expression)
    return _OPEN if node is None else _parts(node, known)


def elements(expression: str, known: Mapping[str, tuple[Parts, ...]]) -> tuple[Parts, ...] | None:
    """Return the elements of an array, None where they are not constant; `known` are arrays."""
    node: Any = _tree(expression)
    while isinstance(node, ast.TypeCast):
        node = node.arg
    if isinstance(node, ast.A_ArrayExpr):
        return tuple(_parts(element, {}) for element in node.elements or ())
    return known.get(_name(node) or "")


def text(made: Parts) -> str | None:
    """Return a text all of whose parts are known, None for another."""
    return None if None in made else "".join(part or "" for part in made)


def command(made: Parts) -> str:
    """Return the words that say what kind of statement a text is; empty where it is open."""
    words = re.split(r"\s+", (made[0] or "").strip() + " ")[:-1] if made else []
    kept = []
    for word in words:
        if word.upper() not in _COMMANDS:
            break
        kept.append(word.upper())
    return " ".join(kept)


_COMMANDS = frozenset(
    (
        *("ALTER", "ANALYZE", "CALL", "CLUSTER", "COMMENT", "COPY", "CREATE", "DATABASE", "DELETE"),
        *("DROP", "EXTENSION", "FROM", "FUNCTION", "GRANT", "INDEX", "INSERT", "INTO", "LOCK"),
        *("MATERIALIZED", "POLICY", "PROCEDURE", "REFRESH", "REINDEX", "REVOKE", "ROLE", "RULE"),
        *("SCHEMA", "SELECT", "SEQUENCE", "SET", "TABLE", "TRIGGER", "TRUNCATE", "TYPE", "UNIQUE"),
        *("UPDATE", "VACUUM", "VIEW"),
    )
)


def _tree(expression: str) -> Any:
    try:
        query: Any = parse_sql(f"SELECT {expression}")[0].stmt
    except ParseError:
        return None
    targets: Any = getattr(query, "targetList", None) or ()
    return targets[0].val if len(targets) == 1 else None


def _parts(node: Any, known: Known) -> Parts:
    build = _BUILDS.get(type(node))
    return build(node, known) if build else _OPEN


def _constant(node: Any, _known: Known) -> Parts:
    for attribute in ("sval", "ival", "fval"):
        if (value := getattr(node.val, attribute, None)) is not None:
            return (str(value),)
    return _OPEN


def _joined(node: Any, known: Known) -> Parts:
    if node.name[-1].sval != "||" or node.lexpr is None:
        return _OPEN
    return (*_parts(node.lexpr, known), *_parts(node.rexpr, known))


def _name(node: Any) -> str | None:
    fields: Any = getattr(node, "fields", None) or ()
    return getattr(fields[0], "sval", None) if len(fields) == 1 else None


def _called(node: Any, known: Known) -> Parts:
    arguments = [_parts(argument, known) for argument in node.args or ()]
    build = _FUNCTIONS.get(node.funcname[-1].sval)
    return build(arguments) if build and arguments and not node.func_variadic else _OPEN


def _concatenated(arguments: list[Parts]) -> Parts:
    return tuple(part for argument in arguments for part in argument)


def _as_name(made: Parts) -> Parts:
    whole = text(made)
    return ('"', None, '"') if whole is None else (str(maybe_double_quote_name(whole)),)


def _as_literal(made: Parts) -> Parts:
    whole = text(made)
    return ("'", None, "'") if whole is None else ("'" + whole.replace("'", "''") + "'",)


_DIRECTIVE = re.compile(r"%(?:(\d+)\$)?([sIL%])")

_CONVERTS: dict[str, Callable[[Parts], Parts]] = {
    "s": lambda made: made,
    "I": _as_name,
    "L": _as_literal,
}


def _formatted(arguments: list[Parts]) -> Parts:
    """Return what format() makes; a width, or too few arguments, leave it open."""
    template = text(arguments[0])
    if template is None or "%" in _DIRECTIVE.sub("", template):
        return _OPEN
    return tuple(_filled(template, arguments))


def _filled(template: str, arguments: list[Parts]) -> Iterator[str | None]:
    end = taken = 0
    for found in _DIRECTIVE.finditer(template):
        yield template[end : found.start()]
        end = found.end()
        if found[2] == "%":
            yield "%"
            continue
        taken = int(found[1]) if found[1] else taken + 1
        argument = arguments[taken] if taken < len(arguments) else _OPEN
        yield from _CONVERTS[found[2]](argument)
    yield template[end:]


_FUNCTIONS: dict[str, Callable[[list[Parts]], Parts]] = {
    "concat": _concatenated,
    "format": _formatted,
    "quote_ident": lambda arguments: _as_name(arguments[0]),
    "quote_literal": lambda arguments: _as_literal(arguments[0]),
    "quote_nullable": lambda arguments: _as_literal(arguments[0]),
}

_BUILDS: dict[type, Callable[[Any, Known], Parts]] = {
    ast.A_Const: _constant,
    ast.A_Expr: _joined,
    ast.ColumnRef: lambda node, known: known.get(_name(node) or "", _OPEN),
    ast.FuncCall: _called,
    ast.TypeCast: lambda node, known: _parts(node.arg, known),
}


def assigned(assignment: str) -> str:
    """Return the expression of an assignment (`name := expression`)."""
    return re.split(r":?=", assignment, maxsplit=1)[-1]
