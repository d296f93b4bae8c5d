"""The constraints that a statement declares, beside its columns and within them. Pure."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from msgspec.structs import replace
from pglast import ast, enums

from migsafe.hazards.context import Context
from migsafe.schema import Key, Place, Schema, Table, reading, tables

_Kind = enums.ConstrType
_Change = enums.AlterTableType


class Declared(NamedTuple):
    """One Constraint node; `column` is the ColumnDef within which it stands, if it does."""

    node: Any
    column: Any = None
    enforced: bool = True


class _Known(NamedTuple):
    """What was read of a statement, which is held, so that its identity stays its own."""

    node: Any
    all: tuple[Declared, ...]
    foreign: tuple[Declared, ...]


#: What was read, by the identity of the statement.
_KNOWN: dict[int, _Known] = {}

#: Arbitrary: the statements of some migrations, which rules ask about again at each later one.
_KEPT = 1000


def constraints(node: Any) -> tuple[Declared, ...]:
    """Return what CREATE TABLE or ALTER TABLE declares, whether NOT ENFORCED is said or not."""
    return _known(node).all


def foreign(node: Any) -> tuple[Declared, ...]:
    """Return the foreign keys among them."""
    return _known(node).foreign


def _known(node: Any) -> "_Known":
    known = _KNOWN.get(id(node))
    if known is None:
        if len(_KNOWN) >= _KEPT:
            _KNOWN.clear()
        found = tuple(_read(node))
        keys = tuple(one for one in found if one.node.contype == _Kind.CONSTR_FOREIGN)
        known = _KNOWN[id(node)] = _Known(node, found, keys)
    return known


def _read(node: Any) -> Iterator[Declared]:
    for element in _elements(node):
        if isinstance(element, ast.Constraint):
            yield Declared(element, None, reading.is_enforced(element, frozenset()))
        elif isinstance(element, ast.ColumnDef) and element.constraints:
            for part, attributes in reading.inline(element):
                yield Declared(part, element, reading.is_enforced(part, attributes))


def _elements(node: Any) -> Iterator[Any]:
    if isinstance(node, ast.CreateStmt):
        yield from (*(node.tableElts or ()), *(node.constraints or ()))
    elif isinstance(node, ast.AlterTableStmt):
        for command in node.cmds or ():
            if command.subtype in (_Change.AT_AddColumn, _Change.AT_AddConstraint):
                yield command.def_


class ForeignKey(NamedTuple):
    """A foreign key that a statement adds; `child` has its columns as they are then."""

    child: Table
    columns: tuple[str, ...]
    target: Key
    #: Columns that it names in the target; none where it means the primary key.
    target_columns: tuple[str, ...]
    node: Any

    def __str__(self) -> str:
        """Return its ends as a reader calls them."""
        return f"{self.child.key} ({', '.join(self.columns)})"


#: The keys that were asked for last, and when: several rules ask about one statement in a row.
_latest: tuple[Any, Context | None, int, tuple[ForeignKey, ...]] = (None, None, 0, ())


def foreign_keys(node: Any, context: Context) -> tuple[ForeignKey, ...]:
    """Return the foreign keys that CREATE TABLE or ALTER TABLE adds."""
    global _latest
    if not foreign(node):
        return ()
    of, within, after, found = _latest
    if of is not node or within is not context or after != len(context.before):
        found = tuple(_foreign_keys(node, context))
        _latest = node, context, len(context.before), found
    return found


def _foreign_keys(node: Any, context: Context) -> Iterator[ForeignKey]:
    child = _child(node, context)
    for one in foreign(node):
        target = one.node.pktable
        own = [part.sval for part in one.node.fk_attrs or ()]
        yield ForeignKey(
            child=child,
            columns=tuple(own) or (one.column.colname,),
            target=context.schema.key(target.schemaname, target.relname),
            target_columns=tuple(part.sval for part in one.node.pk_attrs or ()),
            node=one.node,
        )


def _child(node: Any, context: Context) -> Table:
    """Return the table as the statement leaves it, as far as keys and columns go."""
    schema, place = context.schema, Place(context.unit.name, 0)
    if isinstance(node, ast.AlterTableStmt):
        return _with_columns(schema.table(node.relation), node, schema)
    after = replace(schema, tables=dict(schema.tables), sequences=dict(schema.sequences))
    tables.create_table(after, node, place)
    return after.tables[tables.new_key(schema, node.relation)]


def _with_columns(table: Table, node: Any, schema: Schema) -> Table:
    definitions = [c.def_ for c in node.cmds if c.subtype == _Change.AT_AddColumn]
    added = {d.colname: reading.column(d, schema) for d in definitions}
    return replace(table, columns={**table.columns, **added}) if added else table
