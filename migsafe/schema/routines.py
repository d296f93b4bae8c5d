"""What CREATE and DROP FUNCTION make of a schema, with the bodies as text. Pure; judges nothing."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pglast import enums

from migsafe.schema import Place, Schema, expressions

Signature = tuple[str, ...]

_Mode = enums.FunctionParameterMode
_OUTPUT = {_Mode.FUNC_PARAM_OUT, _Mode.FUNC_PARAM_TABLE}

_VOLATILITY: Any = {"immutable": "i", "stable": "s", "volatile": "v"}


def create(schema: Schema, node: Any, _place: Place) -> None:
    """Take in a function or procedure."""
    options = {item.defname: item.arg for item in node.options or ()}
    said = getattr(options.get("volatility"), "sval", "volatile")
    language = getattr(options.get("language"), "sval", "sql").lower()
    name = node.funcname[-1].sval
    worst = max(_VOLATILITY.get(said, "v"), schema.functions.get(name, ("i", ""))[0])
    schema.functions[name] = (worst, language)
    inputs = (part.argType for part in node.parameters or () if part.mode not in _OUTPUT)
    schema.bodies[name, signature(inputs)] = _body(node, options)


def _body(node: Any, options: dict[str, Any]) -> str:
    if node.sql_body is not None:
        return "; ".join(expressions.text(part) for part in _statements(node.sql_body))
    return " ".join(part.sval for part in options.get("as") or ())


def _statements(body: Any) -> Iterator[Any]:
    if isinstance(body, tuple | list):
        for part in body:
            yield from _statements(part)
    else:
        yield body


def signature(types: Iterable[Any]) -> Signature:
    """Return the bare names of types (TypeName nodes), by which overloads are told apart."""
    return tuple(f"{part.names[-1].sval}{'[]' if part.arrayBounds else ''}" for part in types)


def drop(schema: Schema, node: Any) -> None:
    """Forget the function of an ObjectWithArgs; all of its name where no arguments are given."""
    name = node.objname[-1].sval
    for key in [key for key in schema.bodies if key[0] == name]:
        if node.args_unspecified or key[1] == signature(node.objargs or ()):
            del schema.bodies[key]
    if not any(key[0] == name for key in schema.bodies):
        schema.functions.pop(name, None)


def callers(schema: Schema, name: str) -> Iterator[str]:
    """Yield the functions whose bodies seem to call one of this name, itself left out.

    A body is text here: a comment or a string that looks like a call counts too.
    """
    call = re.compile(rf'(?<![\w$"])"?{re.escape(name)}"?\s*\(', re.IGNORECASE)
    for (caller, _types), body in schema.bodies.items():
        if caller != name and call.search(body):
            yield caller
