"""What the statements walked so far do to rows. Pure.

It knows less than the server, so it takes a write that it cannot bound for one on every table.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Literal, NamedTuple

from msgspec import Struct, field
from pglast import ast, enums

from migsafe.audits.derived import code, referring
from migsafe.schema import Column, Place, Schema, Table, expressions

#: Rows come, go, or get other values.
Kind = Literal["more", "less", "edit"]


class Change(NamedTuple):
    """A change of a table's rows (of every table where it is None), of all columns where empty.

    `columns` are the schema's own objects: they keep their identity under another name.
    """

    number: int
    kind: Kind
    table: Table | None
    columns: tuple[Column, ...]
    place: Place


class Opaque(NamedTuple):
    """A statement that may do anything to the tables whose names are in its text."""

    number: int
    text: str | None
    place: Place


class Past(Struct, kw_only=True):
    """The walked statements by number, beginning with 1; 0 is the target as it was read."""

    schema: Schema
    number: int = 0
    changes: list[Change] = field(default_factory=list)
    opaque: list[Opaque] = field(default_factory=list)
    #: Whether a statement has turned off the triggers that keep foreign keys.
    unguarded: bool = False
    #: Whether a statement has put constraints off to COMMIT.
    deferring: bool = False
    #: Whether a statement has made a rule, which rewrites writes into others.
    ruled: bool = False
    #: The number of the statement that makes a constraint, by table and name.
    made: dict[tuple[int, str], int] = field(default_factory=dict)

    def take(self, node: Any, place: Place) -> None:
        """Take in a statement, before the schema does."""
        self.number += 1
        self._note_constraints(node)
        self.unguarded = self.unguarded or _unguards(node)
        self.ruled = self.ruled or isinstance(node, ast.RuleStmt)
        if isinstance(node, ast.ConstraintsSetStmt):
            self.deferring = bool(node.deferred)
        for write in expressions.nodes(node, tuple(_WRITES)):
            _WRITES[type(write)](self, write, place)
        if effect := _EFFECTS.get(type(node)):
            effect(self, node, place)
        if code.is_opaque(node, self.schema):
            self.opaque.append(Opaque(self.number, code.reach(node, self.schema), place))

    def _note_constraints(self, node: Any) -> None:
        if isinstance(node, ast.AlterTableStmt) and node.relation:
            table = self.schema.find(node.relation)
            for command in node.cmds or () if table else ():
                name = getattr(command.def_, "conname", None)
                if name and isinstance(command.def_, ast.Constraint):
                    self.made[id(table), name] = self.number

    def since(self, table: Table, columns: Collection[str], number: int = 0) -> Iterator[Change]:
        """Yield what changed those columns of a table's rows after a statement."""
        asked = {id(table.columns[name]) for name in columns if name in table.columns}
        for change in self.changes:
            concerned = change.table is None or change.table is table
            touched = not change.columns or not asked or _meets(change, asked)
            if concerned and touched and change.number > number:
                yield change

    def opaque_for(self, tables: Iterable[Table]) -> Place | None:
        """Return the last statement that may have done anything to one of the tables."""
        if not self.opaque:
            return None
        members = [member for table in tables for member in self._family(table)]
        names = {key.bare for t in members for key in (t.key, t.live) if key}
        for found in reversed(self.opaque):
            if found.text is None or any(code.mentions(found.text, name) for name in names):
                return found.place
        return None

    def code(self) -> str:
        """Return the text of what the last statement may run, where it is known."""
        last = self.opaque[-1] if self.opaque else None
        return (last.text if last and last.number == self.number else None) or ""

    def note(
        self, table: Table | None, kind: Kind, place: Place, columns: Iterable[str] = ()
    ) -> None:
        """Note a change, and what follows from it on partitions, heirs and by triggers."""
        changed = frozenset(columns)
        if table is None or table.kind == "v":  # whatever the view shows, or its triggers write
            self.changes.append(Change(self.number, kind, None, (), place))
            return
        for member in self._family(table):
            edited = self._also_edited(member, changed)
            self.changes.append(Change(self.number, kind, member, edited, place))

    def _family(self, table: Table) -> list[Table]:
        """Return a table with those that show the same rows: parents, partitions and heirs."""
        found = [table, *self.schema.children(table.key)]
        todo = list(table.parents)
        while todo:
            parent = self.schema.tables.get(todo.pop())
            if parent and parent not in found:
                found.append(parent)
                todo += parent.parents
        return found

    def _also_edited(self, table: Table, columns: frozenset[str]) -> tuple[Column, ...]:
        """Return the columns that change with these: all of them behind a trigger."""
        if not columns or table.triggers or not columns <= table.columns.keys():
            return ()
        return tuple(c for c in table.columns.values() if c.generated or c.name in columns)

    def note_up(self, table: Table | None, kind: Kind, place: Place) -> None:
        """Note rows that come or go in a table and its parents, with a whole partition."""
        while table is not None:
            self.changes.append(Change(self.number, kind, table, (), place))
            table = self.schema.tables.get(table.parents[0]) if table.parents else None

    def fire(self, table: Table, place: Place) -> None:
        """Note that the triggers of a table run, whose functions may write any other table."""
        if self.ruled:
            self.note(None, "edit", place)
        triggers = [one for t in self._family(table) for one in t.triggers.values()]
        for trigger in triggers:
            body = self.schema.bodies.get((trigger.function, ()), None)
            if body is None or code.WRITING.search(body) or code.reaches(body, self.schema):
                self.note(None, "edit", place)

    def refer(self, table: Table, place: Place, columns: Collection[str] | None = None) -> None:
        """Note what foreign keys do to the rows that refer to a table's, on DELETE or UPDATE."""
        self._refer(table, place, columns, set())

    def _refer(
        self, table: Table, place: Place, columns: Collection[str] | None, seen: set[int]
    ) -> None:
        for other, made in referring.keys(self.schema, table):
            met = columns is None or not made.target_columns or {*made.target_columns} & {*columns}
            action = made.on_delete if columns is None else made.on_update
            if not met or action not in referring.SPREADING or id(made) in seen:
                continue
            seen.add(id(made))
            goes = action == "c" and columns is None
            self.note(other, "less" if goes else "edit", place, () if goes else made.columns)
            self.fire(other, place)
            self._refer(other, place, None if goes else made.columns, seen)


def _unguards(node: Any) -> bool:
    if isinstance(node, ast.AlterTableStmt):
        return any(command.subtype in _DISABLING for command in node.cmds or ())
    if isinstance(node, ast.VariableSetStmt):
        return node.name == "session_replication_role"
    texts = expressions.nodes(node, ast.String) if isinstance(node, ast.SelectStmt) else ()
    return any(text.sval == "session_replication_role" for text in texts)


_DISABLING = (enums.AlterTableType.AT_DisableTrig, enums.AlterTableType.AT_DisableTrigAll)


def _meets(change: Change, columns: Collection[int]) -> bool:
    return any(id(column) in columns for column in change.columns)


# ---------------------------------------------------------------- writes


def _insert(past: Past, node: Any, place: Place) -> None:
    table = past.schema.table(node.relation)
    past.note(table, "more", place)
    past.fire(table, place)
    clause = node.onConflictClause
    if clause and clause.action == enums.OnConflictAction.ONCONFLICT_UPDATE:
        columns = [item.name for item in clause.targetList or ()]
        past.note(table, "edit", place, columns)
        past.refer(table, place, columns)


def _update(past: Past, node: Any, place: Place) -> None:
    table = past.schema.table(node.relation)
    columns = [item.name for item in node.targetList or () if item.name]
    past.note(table, "edit", place, columns)
    past.fire(table, place)
    past.refer(table, place, columns)


def _delete(past: Past, node: Any, place: Place) -> None:
    table = past.schema.table(node.relation)
    past.note(table, "less", place)
    past.fire(table, place)
    past.refer(table, place)


def _merge(past: Past, node: Any, place: Place) -> None:
    table = past.schema.table(node.relation)
    past.note(table, "edit", place)
    past.fire(table, place)
    past.refer(table, place)
    past.refer(table, place, [*table.columns])


_WRITES = {
    ast.InsertStmt: _insert,
    ast.UpdateStmt: _update,
    ast.DeleteStmt: _delete,
    ast.MergeStmt: _merge,
}


def _truncate(past: Past, node: Any, place: Place) -> None:
    for relation in node.relations or ():
        table = past.schema.table(relation)
        past.note(table, "less", place)
        past.fire(table, place)
        if node.behavior == enums.DropBehavior.DROP_CASCADE:
            past.note(None, "less", place)


def _copy(past: Past, node: Any, place: Place) -> None:
    if node.is_from and node.relation:
        past.note(past.schema.table(node.relation), "more", place)
        past.fire(past.schema.table(node.relation), place)


def _refresh(past: Past, node: Any, place: Place) -> None:
    past.note(past.schema.table(node.relation), "edit", place)


_Change = enums.AlterTableType


def _alter(past: Past, node: Any, place: Place) -> None:
    """Note the rows that come and go with partitions and heirs."""
    table = past.schema.find(node.relation)
    for command in node.cmds or () if table else ():
        if command.subtype in (_Change.AT_AttachPartition, _Change.AT_DetachPartition):
            kind: Kind = "more" if command.subtype == _Change.AT_AttachPartition else "less"
            past.note_up(table, kind, place)
        elif command.subtype in (_Change.AT_AddInherit, _Change.AT_DropInherit):
            kind = "more" if command.subtype == _Change.AT_AddInherit else "less"
            parent = past.schema.find(command.def_)
            past.note_up(parent, kind, place)


def _drop(past: Past, node: Any, place: Place) -> None:
    """Note the rows that parents lose with a partition or an heir."""
    if node.removeType != enums.ObjectType.OBJECT_TABLE:
        return
    for parts in node.objects:
        names = [part.sval for part in parts]
        key = past.schema.key(names[-2] if len(names) > 1 else None, names[-1])
        table = past.schema.tables.get(key)
        for parent in table.parents if table else ():
            past.note_up(past.schema.tables.get(parent), "less", place)


_EFFECTS = {
    ast.TruncateStmt: _truncate,
    ast.CopyStmt: _copy,
    ast.RefreshMatViewStmt: _refresh,
    ast.AlterTableStmt: _alter,
    ast.DropStmt: _drop,
}
