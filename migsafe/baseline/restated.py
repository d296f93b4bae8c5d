"""Which statements make an object anew, or again, whatever was there. Pure.

Such a statement (IF NOT EXISTS, OR REPLACE, SET NOT NULL …) leaves no delta when it repeats what
is there already; had the first one not run, it would have made the same.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from pglast import ast, enums

from migsafe.facts import Delta, Facts, Key
from migsafe.sql import Statement

#: An object and a part of it, by their bare names; None stands for any.
_Named = tuple[str | None, str | None]


class Restated:
    """What each migration, by position, may have made again, or does besides making objects."""

    def __init__(
        self,
        migrations: Sequence[Sequence[Statement] | str],
        parents: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        """Take statements, or the text of a migration that does not parse, and `parents`."""
        self._parents = parents or {}
        #: Those that do more than facts show: rows, privileges, code that runs.
        self.mixed: set[int] = set()
        self._named: dict[_Named, set[int]] = defaultdict(set)
        self._opaque: dict[str, set[int]] = defaultdict(set)
        self._words: dict[str, set[int]] = defaultdict(set)
        self._wild: set[int] = set()
        self._routines: set[str] = set()
        self._schemas: dict[str, set[int]] = defaultdict(set)
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
            if isinstance(node, ast.CreateFunctionStmt):
                self._routines.add(_last(node.funcname).casefold())
            if isinstance(node, ast.RenameStmt) and node.renameType is _OF_SCHEMA:
                self._schemas[str(node.subname)].add(position)
            if _is_wild(statement) or self._calls(statement):
                self._wild.add(position)

    def _calls(self, statement: Statement) -> bool:
        """Tell whether a statement runs code that the history itself has made."""
        if not isinstance(statement.node, _CALLERS):
            return False
        called = re.findall(r'(\w+)"?\s*\(', statement.text.casefold())
        return not self._routines.isdisjoint(called)

    def _learn(self, position: int, text: str, *into: dict[str, set[int]]) -> None:
        for word in set(re.findall(r"\w+", text.casefold())):
            for words in into:
                words[word].add(position)

    def restaters(self, key: Key) -> Collection[int]:
        """Return the migrations that state a fact again, as far as their statements show it."""
        name, part = bare(key.object), key.part
        named, opaque = self._named, self._opaque
        found = named[name, None] | named[name, part] | named[None, part or name]
        found |= self._schemas[schema(key.object)]
        whole = _saying(opaque, name)
        return found | (whole & _saying(opaque, part) if part else whole)

    def named(self, key: Key) -> Collection[int]:
        """Return the migrations that name the fact's object at all, or may do anything.

        What is done to a parent is done to its partitions and heirs, and to what a column owns.
        """
        names = [bare(name) for name in self._lineage(key.object)]
        if key.kind == "index":  # which ALTER INDEX names without its table
            names.append(key.part)
        return self._wild.union(*(_saying(self._words, name) for name in names))

    def _lineage(self, name: str) -> list[str]:
        """Return an object and all its parents, each once."""
        found = [name]
        for one in found:
            found += [parent for parent in self._parents.get(one, ()) if parent not in found]
        return found


def parents(initial: Facts, deltas: Iterable[Delta]) -> dict[str, set[str]]:
    """Return the tables that an object is a partition of, inherits from, or belongs to."""
    found: dict[str, set[str]] = defaultdict(set)
    made = ((key, value) for key, value in initial.items())
    changed = ((key, value) for step in deltas for key, pair in step.items() for value in pair)
    for key, value in chain(made, changed):
        if key.aspect in ("inherits", "partition of"):
            found[key.object].add(key.part)
        elif key.aspect == "owned by" and value:
            found[key.object].add(_COLUMN.sub("", value))
    return found


def _saying(words: Mapping[str, set[int]], name: str) -> set[int]:
    """Return the migrations with all words of a name, which are several where it is quoted."""
    found = [words.get(word, set()) for word in re.findall(r"\w+", name.casefold())]
    return set.intersection(*found) if found else set().union(*words.values())


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
    drops = isinstance(node, (ast.DropStmt, ast.DropOwnedStmt))
    commands = (node,) if drops else getattr(node, "cmds", None) or ()
    cascades = any(getattr(one, "behavior", None) == cascade for one in commands)
    runs = isinstance(node, ast.DoStmt) and _RUNS.search(statement.text)
    calls = isinstance(node, ast.SelectStmt) and "(" in statement.text
    return cascades or bool(runs) or calls or isinstance(node, ast.CallStmt)


_OF_SCHEMA = enums.ObjectType.OBJECT_SCHEMA

#: What a block says where it runs what it does not name.
_RUNS = re.compile(r"\b(execute|perform|call)\b", re.IGNORECASE)

#: Statements on rows or in blocks that may call a routine.
_CALLERS = (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt, ast.DoStmt)

_NAME = r'"(?:[^"]|"")*"|[^."(]+'
_QUALIFIED = re.compile(rf"(?:(?:{_NAME})\.)?({_NAME})")
_SCHEMA = re.compile(rf"({_NAME})\.")
_COLUMN = re.compile(rf"\.(?:{_NAME})$")


def bare(name: str) -> str:
    """Return the last name of a qualified one, without quotes and arguments."""
    found = _QUALIFIED.match(name)
    last = found[1] if found else name
    return last[1:-1].replace('""', '"') if last.startswith('"') else last


def schema(name: str) -> str:
    """Return the schema of a qualified name, without quotes."""
    found = _SCHEMA.match(name)
    return found[1].strip('"').replace('""', '"') if found else ""


def _restated(node: Any) -> Iterator[_Named]:
    reader = _READERS.get(type(node))
    return iter(reader(node) if reader else ())


def _index(node: Any) -> Iterable[_Named]:
    return [(node.relation.relname, node.idxname)] if node.if_not_exists else []


def _alter_table(node: Any) -> Iterable[_Named]:
    """Every ALTER of a column or a property may set what is set; ADD and DROP only with IF."""
    table = node.relation.relname
    if node.objtype is enums.ObjectType.OBJECT_INDEX:
        yield None, table
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
    if node.objtype is enums.ObjectType.OBJECT_INDEX:
        yield None, names[-1]
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
