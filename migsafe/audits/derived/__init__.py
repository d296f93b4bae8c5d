"""Audits derived from pending statements: what each needs of the rows that exist now. Pure.

A copy of the target's schema follows the statements, so that what has another name by then is asked
about under the name it has now. `derive` returns ordinary audits with their SQL.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pglast import ast, enums

from migsafe.audits import Audit
from migsafe.audits.derived import (
    blocks,
    columns,
    constraints,
    numbers,
    partitions,
    refusals,
    retyping,
    statements,
    undone,
    uniques,
)
from migsafe.audits.derived.names import Names
from migsafe.audits.derived.past import Past
from migsafe.audits.derived.walking import Draft, Walk, duplicate, parts
from migsafe.hazards import Unit
from migsafe.schema import Schema, Table
from migsafe.sql import Statement

__all__ = ["derive"]


def derive(units: Iterable[Unit], schema: Schema) -> list[Audit]:
    """Return the questions that migrations raise, in their order; `schema` is left as it is."""
    walk, steps = _begun(schema), list[undone.Step]()
    audits: list[Audit] = []
    for unit in units:
        for statement in unit.statements:
            kept = undone.kept(steps, unit, statement)
            if kept < len(steps):
                del steps[kept:]
                walk = _begun(schema)
                for step in steps:
                    list(_asked(walk, *step))
            audits += _asked(walk, unit, statement)
            steps.append((unit, statement))
    return audits


def _begun(schema: Schema) -> Walk:
    twin: Schema = duplicate(schema)
    return Walk(schema=twin, path=schema.path, names=Names(schema=twin), past=Past(schema=twin))


def _asked(walk: Walk, unit: Unit, statement: Statement) -> Iterator[Audit]:
    walk.begin(unit, statement)
    node = statement.node
    inside = blocks.read(statement.text) if isinstance(node, ast.DoStmt) else None
    walk.perhaps = inside is not None
    if inside is None:
        yield from _questions(walk, node)
    for written in inside or ():
        for part in blocks.missing(walk.schema, written):
            yield from _questions(walk, part)


def _questions(walk: Walk, statement: Any) -> Iterator[Audit]:
    for node in parts(statement):
        if draft := _DRAFTS.get(type(node)):
            yield from [walk.audit(item) for item in draft(walk, node)]
        walk.take(node)


# ---------------------------------------------------------------- ALTER TABLE


def _alter_table(walk: Walk, node: Any) -> Iterator[Draft]:
    table = walk.schema.find(node.relation) if node.relation else None
    # The rows of a foreign table are not looked at, and a view has none.
    if table is None or table.kind not in "rp" or node.objtype == enums.ObjectType.OBJECT_INDEX:
        return
    retyped = [c for c in node.cmds if c.subtype == _Change.AT_AlterColumnType]
    recurses = bool(node.relation.inh)
    if retyped:
        for command in retyped:
            yield from refusals.column_read(walk, table, command.name, "type-view-dependency")
        yield from retyping.retyped(walk, table, retyped, recurses=recurses)
        return
    for command in node.cmds:
        if ask := _COMMANDS.get(command.subtype):
            yield from ask(walk, table, command, recurses)


_Change = enums.AlterTableType


def _add_column(walk: Walk, table: Table, command: Any, recurses: bool) -> Iterator[Draft]:
    if command.def_.colname not in table.columns:
        yield from columns.added(walk, table, command.def_, recurses=recurses)


def _drop_column(walk: Walk, table: Table, command: Any, recurses: bool) -> Iterator[Draft]:
    if command.behavior != enums.DropBehavior.DROP_CASCADE:
        name = "drop-column-view-dependency"
        yield from refusals.column_read(walk, table, command.name, name)
    yield from columns.dropped(walk, table, command.name, recurses=recurses)


def _set_not_null(walk: Walk, table: Table, command: Any, recurses: bool) -> Iterator[Draft]:
    only = walk.only(table, recurses=recurses)
    yield from constraints.not_null(walk, walk.rows(table), command.name, only=only)


def _add_constraint(walk: Walk, table: Table, command: Any, recurses: bool) -> Iterator[Draft]:
    yield from constraints.added(walk, table, command.def_, recurses=recurses)


def _validate(walk: Walk, table: Table, command: Any, recurses: bool) -> Iterator[Draft]:
    yield from constraints.validated(walk, table, command.name, recurses=recurses)


def _alter_constraint(walk: Walk, table: Table, command: Any, _recurses: bool) -> Iterator[Draft]:
    yield from constraints.enforced(walk, table, command.def_)


def _attach(walk: Walk, table: Table, command: Any, _recurses: bool) -> Iterator[Draft]:
    yield from partitions.attached(walk, table, command)


def _add_identity(walk: Walk, table: Table, command: Any, _recurses: bool) -> Iterator[Draft]:
    yield from numbers.identity(walk, table, command)


def _set_expression(walk: Walk, table: Table, command: Any, recurses: bool) -> Iterator[Draft]:
    yield from retyping.regenerated(walk, table, command, recurses=recurses)


def _inherit(walk: Walk, table: Table, command: Any, _recurses: bool) -> Iterator[Draft]:
    yield from refusals.inherited(walk, table, command)


def _set_logged(walk: Walk, table: Table, _command: Any, _recurses: bool) -> Iterator[Draft]:
    yield from refusals.logged(walk, table)


_Ask = Callable[[Walk, Table, Any, bool], Iterator[Draft]]

_COMMANDS: dict[Any, _Ask] = {
    _Change.AT_AddColumn: _add_column,
    _Change.AT_DropColumn: _drop_column,
    _Change.AT_SetNotNull: _set_not_null,
    _Change.AT_AddConstraint: _add_constraint,
    _Change.AT_ValidateConstraint: _validate,
    _Change.AT_AlterConstraint: _alter_constraint,
    _Change.AT_AttachPartition: _attach,
    _Change.AT_AddIdentity: _add_identity,
    _Change.AT_SetExpression: _set_expression,
    _Change.AT_AddInherit: _inherit,
    _Change.AT_SetLogged: _set_logged,
}


# ---------------------------------------------------------------- other statements


def _create_index(walk: Walk, node: Any) -> Iterator[Draft]:
    table = walk.schema.find(node.relation)
    if table is None or (node.if_not_exists and walk.schema.index(table.key.schema, node.idxname)):
        return
    yield from uniques.index(walk, node, table)


def _drop(walk: Walk, node: Any) -> Iterator[Draft]:
    if node.removeType != enums.ObjectType.OBJECT_TABLE:
        return
    named = [[part.sval for part in names] for names in node.objects]
    keys = [walk.schema.key(n[-2] if len(n) > 1 else None, n[-1]) for n in named]
    for key in keys:
        yield from refusals.table_dropped(walk, key, {*keys}, node.behavior)
        yield from statements.dropped(walk, key)


def _truncate(walk: Walk, node: Any) -> Iterator[Draft]:
    yield from refusals.truncated(walk, node)
    yield from statements.truncated(walk, node)


_DRAFTS: dict[type, Callable[[Walk, Any], Iterator[Draft]]] = {
    ast.AlterTableStmt: _alter_table,
    ast.CreateStmt: partitions.created,
    ast.IndexStmt: _create_index,
    ast.AlterDomainStmt: statements.domain,
    ast.InsertStmt: statements.inserted,
    ast.DeleteStmt: statements.deleted,
    ast.TruncateStmt: _truncate,
    ast.DropStmt: _drop,
    ast.RefreshMatViewStmt: refusals.refreshed,
}
