"""Every error of one line that migsafe can end with, read from the code for docs/errors.md."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from migsafe import errors

_EXCEPTIONS = {
    name
    for name, found in vars(errors).items()
    if isinstance(found, type) and issubclass(found, errors.MigsafeError)
}


class Raised(NamedTuple):
    """One call: the exit code, and its three parts with `…` for what is filled in."""

    module: str
    code: errors.ExitCode
    place: str
    problem: str
    remedy: str


Known = Mapping[str, ast.expr]


def found(package: Path) -> Iterator[Raised]:
    """Yield the errors that the modules of a package make, in the order of the files."""
    for file in sorted(package.rglob("*.py")):
        module = ".".join(file.relative_to(package.parent).with_suffix("").parts)
        tree = ast.parse(file.read_text("utf-8"))
        seen: set[ast.AST] = set()
        for scope in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            known = dict(_assigned(scope))
            for node in ast.walk(scope):
                if (name := _exception(node)) and node not in seen:
                    seen.add(node)
                    parts = [_text(argument, known) for argument in getattr(node, "args", ())]
                    code = getattr(errors, name).exit_code
                    yield Raised(module.removesuffix(".__init__"), code, *parts)


def _exception(node: ast.AST) -> str | None:
    """Return which error a call makes of the three parts that are shown."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return None
    return node.func.id if node.func.id in _EXCEPTIONS and len(node.args) == 3 else None


def _assigned(scope: ast.FunctionDef) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that a function gives to a text."""
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value


def _text(node: ast.expr, known: Known) -> str:
    """Return what an argument says, with `…` for what is filled in."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_text(value, known) for value in values)
        case ast.FormattedValue():
            return "…"
        case ast.BoolOp(values=values):
            return " / ".join(dict.fromkeys(_text(value, known) for value in values))
        case ast.IfExp(body=body, orelse=other):
            return f"{_text(body, known)} / {_text(other, known)}"
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left, known) + _text(right, known)
        case ast.Name(id=name) if name in known:
            return _text(known[name], {})
        case _:
            return "…"
