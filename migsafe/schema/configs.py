"""What a query sets by set_config. Pure."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from pglast import ast

from migsafe.schema import expressions


class Given(NamedTuple):
    """One call of set_config: `name` in lower case; None is what is computed."""

    name: str | None
    value: str | None
    local: bool


def given(node: Any) -> Iterator[Given]:
    """Yield what a SELECT sets, wherever in it set_config is called."""
    calls = expressions.nodes(node, ast.FuncCall) if isinstance(node, ast.SelectStmt) else ()
    for call in calls:
        arguments = tuple(call.args or ())
        if call.funcname[-1].sval == "set_config" and len(arguments) > 2:  # name, value, is_local
            name, value, local = arguments[:3]
            said = _text(name)
            yield Given(None if said is None else said.lower(), _text(value), _is_true(local))


def _text(node: Any) -> str | None:
    said = getattr(getattr(_bare(node), "val", None), "sval", None)
    return None if said is None else str(said)


def _bare(node: Any) -> Any:
    while isinstance(node, ast.TypeCast):
        node = node.arg
    return node


def _is_true(node: Any) -> bool:
    """Tell whether a constant is true, also as the text that boolean reads so."""
    said = (_text(node) or "").strip().lower()
    spelled = any(said and word.startswith(said) for word in ("true", "yes", "1")) or said == "on"
    return bool(getattr(getattr(_bare(node), "val", None), "boolval", False)) or spelled
