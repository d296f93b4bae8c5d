"""The relations that a statement uses, by PostgreSQL's own parse tree. Pure.

Expressions and bodies are not looked into: what is not found here is not judged.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from pglast import ast, enums

_Object = enums.ObjectType
_Change = enums.AlterTableType

#: What ALTER, DROP, COMMENT and RENAME call a relation with rows.
_TABLES = {
    _Object.OBJECT_TABLE,
    _Object.OBJECT_VIEW,
    _Object.OBJECT_MATVIEW,
    _Object.OBJECT_FOREIGN_TABLE,
}
#: What RENAME says of a part of a relation.
_PARTS = {_Object.OBJECT_COLUMN, _Object.OBJECT_TABCONSTRAINT}


class Name(NamedTuple):
    """A relation as a statement names it; `offset` is its 0-based character in the file."""

    schema: str | None
    bare: str
    offset: int | None = None

    def __str__(self) -> str:
        """Return the name, with its schema where it is said."""
        return f"{self.schema}.{self.bare}" if self.schema else self.bare


def used(node: Any) -> Iterator[Name]:
    """Yield the relations without which a statement fails."""
    find = _USED.get(type(node))
    return find(node) if find else iter(())


def spared(node: Any, known: Callable[[Name], bool]) -> bool:
    """Tell whether IF NOT EXISTS keeps PostgreSQL from looking at the statement."""
    if not isinstance(node, ast.CreateStmt) or not node.if_not_exists:
        return False
    return any(known(name) for name in _one(node.relation))


def _one(relation: Any) -> Iterator[Name]:
    if relation is not None and not relation.catalogname:
        yield Name(relation.schemaname, relation.relname, relation.location)


def _each(relations: Iterable[Any] | None) -> Iterator[Name]:
    for relation in relations or ():
        yield from _one(relation)


def _listed(parts: Iterable[Any]) -> Iterator[Name]:
    """Yield the relation of a name that is a list of strings."""
    names = [part.sval for part in parts]
    if len(names) <= 2:
        yield Name(names[-2] if len(names) == 2 else None, names[-1])


# ---------------------------------------------------------------- queries


def _query(node: Any, bound: frozenset[str] = frozenset()) -> Iterator[Name]:
    """Yield the relations of a query's FROM, USING and WITH; `bound` are names of WITH around."""
    if not isinstance(node, _QUERIES):
        return
    ctes: Any = node.withClause.ctes if node.withClause else ()
    bound |= {cte.ctename for cte in ctes}
    for cte in ctes:
        yield from _query(cte.ctequery, bound)
    for item in _items(node):
        yield from _item(item, bound)


def _items(node: Any) -> Iterator[Any]:
    if isinstance(node, ast.SelectStmt):
        if node.larg:
            yield from (node.larg, node.rarg)
        yield from node.fromClause or ()
        return
    yield node.relation
    if isinstance(node, ast.InsertStmt):
        yield node.selectStmt
    elif isinstance(node, ast.MergeStmt):
        yield node.sourceRelation
    else:
        yield from (node.fromClause if isinstance(node, ast.UpdateStmt) else node.usingClause) or ()


def _item(item: Any, bound: frozenset[str]) -> Iterator[Name]:
    if isinstance(item, ast.RangeVar):
        yield from (n for n in _one(item) if n.schema or n.bare not in bound)
    elif isinstance(item, ast.JoinExpr):
        yield from _item(item.larg, bound)
        yield from _item(item.rarg, bound)
    elif isinstance(item, ast.RangeSubselect):
        yield from _query(item.subquery, bound)
    elif isinstance(item, ast.RangeTableSample):
        yield from _item(item.relation, bound)
    else:
        yield from _query(item, bound)


_QUERIES = (ast.SelectStmt, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)


# ---------------------------------------------------------------- statements about a table


def _create(node: Any) -> Iterator[Name]:
    own = (node.relation.schemaname, node.relation.relname)
    used_ = [*_each(node.inhRelations)]
    for element in (*(node.tableElts or ()), *(node.constraints or ())):
        used_ += _each([element.relation]) if isinstance(element, ast.TableLikeClause) else ()
        used_ += _foreign(element)
    yield from (name for name in used_ if (name.schema or own[0], name.bare) != own)


def _foreign(element: Any) -> Iterator[Name]:
    """Yield what a column or constraint REFERENCES."""
    if isinstance(element, ast.Constraint):
        yield from _one(element.pktable)
    elif isinstance(element, ast.ColumnDef):
        for constraint in element.constraints or ():
            yield from _one(constraint.pktable)


def _alter(node: Any) -> Iterator[Name]:
    if node.missing_ok or node.objtype not in _TABLES:
        return
    yield from _one(node.relation)
    for command in node.cmds or ():
        if command.subtype == _Change.AT_AddColumn and command.missing_ok:
            continue
        yield from _foreign(command.def_)
        if command.subtype == _Change.AT_AttachPartition:
            yield from _one(command.def_.name)
        elif command.subtype == _Change.AT_AddInherit:
            yield from _one(command.def_)


def _rename(node: Any) -> Iterator[Name]:
    """Yield what a RENAME renames; ALTER TABLE … RENAME takes an index too, by its usual name."""
    index = re.search(r"_(idx|key|pkey|index)\d*$", getattr(node.relation, "relname", None) or "")
    table = node.renameType in _TABLES and not index
    part = node.renameType in _PARTS and node.relationType in _TABLES
    if not node.missing_ok and (table or part):
        yield from _one(node.relation)


def _moved(node: Any) -> Iterator[Name]:
    if not node.missing_ok and node.objectType in _TABLES:
        yield from _one(node.relation)


def _drop(node: Any) -> Iterator[Name]:
    if not node.missing_ok and node.removeType in _TABLES:
        for parts in node.objects:
            yield from _listed(parts)


def _comment(node: Any) -> Iterator[Name]:
    if node.objtype in _TABLES:
        yield from _listed(node.object)
    elif node.objtype == _Object.OBJECT_COLUMN:
        yield from _listed(node.object[:-1])


def _grant(node: Any) -> Iterator[Name]:
    of_tables = node.objtype == _Object.OBJECT_TABLE
    if of_tables and node.targtype == enums.GrantTargetType.ACL_TARGET_OBJECT:
        yield from _each(node.objects)


def _trigger(node: Any) -> Iterator[Name]:
    yield from _each((node.relation, node.constrrel))


def _copy(node: Any) -> Iterator[Name]:
    yield from _one(node.relation)
    yield from _query(node.query)


_USED: dict[type, Callable[[Any], Iterator[Name]]] = {
    ast.CreateStmt: _create,
    ast.AlterTableStmt: _alter,
    ast.RenameStmt: _rename,
    ast.AlterObjectSchemaStmt: _moved,
    ast.DropStmt: _drop,
    ast.CommentStmt: _comment,
    ast.GrantStmt: _grant,
    ast.CreateTrigStmt: _trigger,
    ast.CopyStmt: _copy,
    ast.IndexStmt: lambda node: _one(node.relation),
    ast.RuleStmt: lambda node: _one(node.relation),
    ast.CreatePolicyStmt: lambda node: _one(node.table),
    ast.AlterPolicyStmt: lambda node: _one(node.table),
    ast.RefreshMatViewStmt: lambda node: _one(node.relation),
    ast.TruncateStmt: lambda node: _each(node.relations),
    ast.LockStmt: lambda node: _each(node.relations),
    ast.CreateStatsStmt: lambda node: _each(node.relations),
    ast.ViewStmt: lambda node: _query(node.query),
    ast.CreateTableAsStmt: lambda node: _query(node.query),
    **dict.fromkeys(_QUERIES, _query),
}
