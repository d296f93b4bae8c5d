"""Which statements make an object anew, or again, whatever was there. Pure.

Such a statement (IF NOT EXISTS, OR REPLACE, SET NOT NULL …) leaves no delta when it repeats what
is there already; had the first one not run, it would have made the same.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

from pglast import ast

from migsafe.facts import Key
from migsafe.sql import Statement

#: An object and a part of it, by their bare names; None stands for any.
_Named = tuple[str | None, str | None]


def index(migrations: Sequence[Sequence[Statement] | str]) -> Callable[[Key], Collection[int]]:
    """Return a function from a fact to the migrations, by position, that may state it again.

    A text instead of statements may do so with everything that it names.
    """
    named: dict[_Named, set[int]] = defaultdict(set)
    opaque: dict[str, set[int]] = defaultdict(set)
    for position, statements in enumerate(migrations):
        if isinstance(statements, str):
            for word in re.findall(r"\w+", statements):
                opaque[word].add(position)
            continue
        for statement in statements:
            for name in _restated(statement.node):
                named[name].add(position)
            for word in _words(statement):
                opaque[word].add(position)

    def restaters(key: Key) -> Collection[int]:
        name = bare(key.object)
        found = named[name, None] | named[name, key.part] | named[None, key.part or name]
        return found | (opaque[name] & opaque[key.part] if key.part else opaque[name])

    return restaters


_NAME = r'"(?:[^"]|"")*"|[^."(]+'
_QUALIFIED = re.compile(rf"(?:(?:{_NAME})\.)?({_NAME})")


def bare(name: str) -> str:
    """Return the last name of a qualified one, without quotes and arguments."""
    found = _QUALIFIED.match(name)
    last = found[1] if found else name
    return last[1:-1].replace('""', '"') if last.startswith('"') else last


def _restated(node: Any) -> Iterator[_Named]:
    reader = _READERS.get(type(node))
    return iter(reader(node) if reader else ())


def _index(node: Any) -> Iterable[_Named]:
    return [(node.relation.relname, node.idxname)] if node.if_not_exists else []


def _alter_table(node: Any) -> Iterable[_Named]:
    """Every ALTER of a column or a property may set what is set; ADD and DROP only with IF."""
    table = node.relation.relname
    for command in node.cmds or ():
        kind = command.subtype.name
        if kind.startswith(("AT_Add", "AT_Drop")) and kind not in _SETTERS:
            if command.missing_ok:
                yield table, command.name or getattr(command.def_, "colname", None)
        else:
            yield table, command.name or ""


#: ALTER TABLE subcommands that are called Add or Drop, and set a value that may be set already.
_SETTERS = {"AT_DropNotNull", "AT_DropIdentity", "AT_DropExpression", "AT_DropCluster"}


def _drop(node: Any) -> Iterable[_Named]:
    """An object that is dropped takes all its parts; made again, it may have the same."""
    kind = node.removeType.name
    for names in map(_strings, node.objects):
        if kind in ("OBJECT_TRIGGER", "OBJECT_POLICY", "OBJECT_RULE"):
            if node.missing_ok:
                yield names[-2], names[-1]
        elif kind == "OBJECT_INDEX":
            if node.missing_ok:
                yield None, names[-1]
        elif names:
            yield names[-1], None


def _rename(node: Any) -> Iterable[_Named]:
    """What is renamed takes the place of what had the name, with the same facts perhaps."""
    table = node.relation.relname if node.relation else None
    if node.renameType.name in ("OBJECT_COLUMN", "OBJECT_TABCONSTRAINT", "OBJECT_TRIGGER"):
        yield table, node.newname
    elif node.renameType.name == "OBJECT_INDEX":
        yield None, node.newname
    else:
        yield node.newname, None


def _comment(node: Any) -> Iterable[_Named]:
    names = _strings(node.object)
    yield (names[-1] if names else None), None
    if len(names) > 1:
        yield names[-2], names[-1]


def _strings(item: Any) -> list[str]:
    """Return the names in an object's name, however the grammar wraps it."""
    inner = getattr(item, "objname", None) or getattr(item, "names", None) or item
    if isinstance(inner, ast.String):
        return [str(inner.sval)]
    return [str(part.sval) for part in inner or () if isinstance(part, ast.String)]


def _last(names: Any) -> str:
    return str(names[-1].sval)


_READERS: dict[type, Callable[[Any], Iterable[_Named]]] = {
    ast.CreateStmt: lambda n: [(n.relation.relname, None)] if n.if_not_exists else [],
    ast.CreateTableAsStmt: lambda n: [(n.into.rel.relname, None)] if n.if_not_exists else [],
    ast.IndexStmt: _index,
    ast.CreateFunctionStmt: lambda n: [(_last(n.funcname), None)] if n.replace else [],
    ast.AlterFunctionStmt: lambda n: [(_last(n.func.objname), None)],
    ast.ViewStmt: lambda n: [(n.view.relname, None)] if n.replace else [],
    ast.CreateTrigStmt: lambda n: [(n.relation.relname, n.trigname)] if n.replace else [],
    ast.CreateSeqStmt: lambda n: [(n.sequence.relname, None)] if n.if_not_exists else [],
    ast.AlterSeqStmt: lambda n: [(n.sequence.relname, None)],
    ast.CreateSchemaStmt: lambda n: [(n.schemaname, None)] if n.if_not_exists else [],
    ast.CreateExtensionStmt: lambda n: [(n.extname, None)] if n.if_not_exists else [],
    ast.AlterEnumStmt: lambda n: [(_last(n.typeName), n.newVal), (_last(n.typeName), "")],
    ast.AlterDomainStmt: lambda n: [(_last(n.typeName), None)],
    ast.AlterPolicyStmt: lambda n: [(n.table.relname, n.policy_name)],
    ast.AlterTableStmt: _alter_table,
    ast.DropStmt: _drop,
    ast.RenameStmt: _rename,
    ast.CommentStmt: _comment,
}


def _words(statement: Statement) -> Iterator[str]:
    """Yield the words of code that nobody can look into: a DO block, or a call that may act."""
    if isinstance(statement.node, (ast.DoStmt, ast.SelectStmt)):
        yield from set(re.findall(r"\w+", statement.text))
