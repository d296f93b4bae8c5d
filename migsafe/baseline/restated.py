"""Which statements make an object anew, or again, whatever was there. Pure.

Such a statement (IF NOT EXISTS, OR REPLACE, SET NOT NULL …) leaves no delta when it repeats what
is there already; had the first one not run, it would have made the same.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

from pglast import ast, enums

from migsafe.facts import Key
from migsafe.sql import Statement

#: An object and a part of it, by their bare names; None stands for any.
_Named = tuple[str | None, str | None]


class Restated:
    """What each migration, by position, may have made again, or does besides making objects."""

    def __init__(self, migrations: Sequence[Sequence[Statement] | str]) -> None:
        """Take statements, or the text of a migration that does not parse."""
        #: Those that do more than facts show: rows, privileges, code that runs.
        self.mixed: set[int] = set()
        self._named: dict[_Named, set[int]] = defaultdict(set)
        self._opaque: dict[str, set[int]] = defaultdict(set)
        self._words: dict[str, set[int]] = defaultdict(set)
        self._wild: set[int] = set()
        for position, statements in enumerate(migrations):
            self._add(position, statements)

    def _add(self, position: int, statements: Sequence[Statement] | str) -> None:
        if isinstance(statements, str):
            self.mixed.add(position)
            self._learn(position, statements, self._opaque, self._words)
            return
        for statement in statements:
            node = statement.node
            for name in _restated(node):
                self._named[name].add(position)
            self._learn(position, statement.text, self._words)
            if isinstance(node, (ast.DoStmt, ast.SelectStmt)):
                self._learn(position, statement.text, self._opaque)
            if isinstance(node, BEYOND):
                self.mixed.add(position)
            if _is_wild(statement):
                self._wild.add(position)

    def _learn(self, position: int, text: str, *into: dict[str, set[int]]) -> None:
        for word in set(re.findall(r"\w+", text.casefold())):
            for words in into:
                words[word].add(position)

    def restaters(self, key: Key) -> Collection[int]:
        """Return the migrations that state a fact again, as far as their statements show it."""
        name, part = bare(key.object), key.part
        named, opaque = self._named, self._opaque
        found = named[name, None] | named[name, part] | named[None, part or name]
        whole = opaque[name.casefold()]
        return found | (whole & opaque[part.casefold()] if part else whole)

    def named(self, key: Key) -> Collection[int]:
        """Return the migrations that name the fact's object at all, or may do anything."""
        return self._words[bare(key.object).casefold()] | self._wild


#: Statements whose effect is not, or not only, in the facts that are compared.
BEYOND = (
    *(ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt, ast.CopyStmt),
    *(ast.SelectStmt, ast.DoStmt, ast.CallStmt, ast.TruncateStmt, ast.GrantStmt),
    *(ast.GrantRoleStmt, ast.AlterDefaultPrivilegesStmt, ast.AlterOwnerStmt),
    *(ast.CreateRoleStmt, ast.AlterRoleStmt, ast.AlterRoleSetStmt, ast.AlterDatabaseSetStmt),
    *(ast.AlterForeignServerStmt, ast.CreateUserMappingStmt, ast.AlterUserMappingStmt),
    *(ast.CreateSubscriptionStmt, ast.AlterSubscriptionStmt, ast.AlterSystemStmt),
)


def _is_wild(statement: Statement) -> bool:
    """Tell whether a statement may change what it does not name."""
    node = statement.node
    cascade = enums.DropBehavior.DROP_CASCADE
    cascades = isinstance(node, ast.DropStmt) and node.behavior == cascade
    runs = isinstance(node, ast.DoStmt) and "execute" in statement.text.casefold()
    calls = isinstance(node, ast.SelectStmt) and "(" in statement.text and not node.fromClause
    return cascades or runs or calls or isinstance(node, ast.CallStmt)


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
        if kind == "AT_AddConstraint" and getattr(command.def_, "keys", None):
            for column in _strings(command.def_.keys):  # a primary key makes them NOT NULL
                yield table, column
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
