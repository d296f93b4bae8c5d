"""What CREATE and DROP FUNCTION make of a schema, with the bodies as text. Pure; judges nothing."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pglast import ast, enums

from migsafe.schema import Place, Schema, expressions

Signature = tuple[str, ...]

_Mode = enums.FunctionParameterMode
_OUTPUT = {_Mode.FUNC_PARAM_OUT, _Mode.FUNC_PARAM_TABLE}

#: What ALTER and DROP call them.
OBJECTS = {
    enums.ObjectType.OBJECT_FUNCTION,
    enums.ObjectType.OBJECT_PROCEDURE,
    enums.ObjectType.OBJECT_ROUTINE,
    enums.ObjectType.OBJECT_AGGREGATE,
}

_VOLATILITY: Any = {"immutable": "i", "stable": "s", "volatile": "v"}


def create(schema: Schema, node: Any, _place: Place) -> None:
    """Take in a function or procedure."""
    options = {item.defname: item.arg for item in node.options or ()}
    said = getattr(options.get("volatility"), "sval", "volatile")
    language = getattr(options.get("language"), "sval", "sql").lower()
    name = node.funcname[-1].sval
    worst = max(_VOLATILITY.get(said, "v"), schema.functions.get(name, ("i", ""))[0])
    schema.functions[name] = (worst, language)
    schema.paths.pop(name, None)
    for option in node.options or ():
        if option.defname == "set" and option.arg.name == "search_path":
            schema.paths[name] = option.arg
    inputs = (part.argType for part in node.parameters or () if part.mode not in _OUTPUT)
    schema.bodies[name, signature(inputs)] = _body(node, options)


def alter(schema: Schema, node: Any, _place: Place) -> None:
    """Take in another volatility; of several functions of the name, the worst of them counts."""
    name = node.func.objname[-1].sval
    said = {item.defname: item.arg for item in node.actions or ()}.get("volatility")
    if name not in schema.functions or not isinstance(said, ast.String):
        return
    old, language = schema.functions[name]
    now = _VOLATILITY.get(said.sval, "v")
    alone = sum(bare == name for bare, _ in schema.bodies) == 1
    schema.functions[name] = (now if alone else max(old, now), language)


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


def rename(schema: Schema, node: Any) -> None:
    """Give the function of an ObjectWithArgs another name, for the triggers that call it too."""
    old, new = node.object.objname[-1].sval, node.newname
    if old in schema.functions:
        schema.functions[new] = schema.functions.pop(old)
    if old in schema.paths:
        schema.paths[new] = schema.paths.pop(old)
    for key in [key for key in schema.bodies if key[0] == old]:
        schema.bodies[new, key[1]] = schema.bodies.pop(key)
    for table in schema.tables.values():
        for name, trigger in table.triggers.items():
            if trigger.function == old:
                table.triggers[name] = trigger._replace(function=new)


def drop(schema: Schema, node: Any, *, cascades: bool = False) -> None:
    """Forget the function of an ObjectWithArgs; all of its name where no arguments are given.

    With CASCADE its triggers go too; defaults, checks and views that call it are not looked for.
    """
    name = node.objname[-1].sval
    for key in [key for key in schema.bodies if key[0] == name]:
        if node.args_unspecified or key[1] == signature(node.objargs or ()):
            del schema.bodies[key]
    if not any(key[0] == name for key in schema.bodies):
        schema.functions.pop(name, None)
        for table in schema.tables.values() if cascades else ():
            kept = table.triggers.items()
            table.triggers = {one: made for one, made in kept if made.function != name}


def callers(schema: Schema, name: str) -> Iterator[str]:
    """Yield the functions whose bodies seem to call one of this name, itself left out.

    A body is text here: a comment or a string that looks like a call counts too.
    """
    call = re.compile(rf'(?<![\w$"])"?{re.escape(name)}"?\s*\(', re.IGNORECASE)
    for (caller, _types), body in schema.bodies.items():
        if caller != name and call.search(body):
            yield caller
