"""Makes pglast build syntax trees as they were, at a quarter of its price. Pure.

pglast's nodes check and coerce each attribute that they are given, in Python: 840,000 of them in a
thousand migrations, three quarters of the time of parsing. The parser's own values are what that
makes of them already, so that here they go into the nodes as they are. Nodes that anybody else
makes or changes are checked as before.
"""

from collections.abc import Callable
from typing import Any

from pglast import ast, parser


class _Builders:
    """What the parser takes its node classes from; each builder is made when it is asked for."""

    def __getattr__(self, name: str) -> Any:
        node = getattr(ast, name)
        # The parser gives Boolean a C int, and a class without attributes has nothing to check.
        made = _builder(node) if node.__slots__ and node is not ast.Boolean else node
        setattr(self, name, made)
        return made


def _builder(node: Any) -> Callable[..., Any]:
    """Return what makes a node from values that need no check.

    A twin of the class, whose attributes are plain slots, is filled by the class's own `__init__`
    and then becomes one of the class: CPython allows that between classes of one layout.
    """
    body = {
        "__slots__": tuple(node.__slots__),
        "__init__": node.__init__,
        "__setattr__": object.__setattr__,
    }
    twin = type(node.__name__, node.__bases__, body)

    def build(*values: Any) -> Any:
        built: Any = twin(*values)
        built.__class__ = node
        return built

    return build


def quicken() -> None:
    """Let every parse of this process build its nodes so, if its pglast is made as this expects."""
    module: Any = parser
    if getattr(module, "ast", None) is ast:
        module.ast = _Builders()
