"""A walk over pending statements, and the drafts of the questions that they raise. Pure."""

import copy
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec import Struct
from pglast import ast, enums

from migsafe.audits import DERIVED, Audit, Derived, Scan, Verdict
from migsafe.audits.derived.names import Later, Names, Rows, Unknown, quoted
from migsafe.audits.derived.past import Change, Past
from migsafe.audits.derived.settings import Settings
from migsafe.findings import Severity
from migsafe.hazards import Unit
from migsafe.schema import Column, Place, Schema, Table, passes, routines
from migsafe.schema.changes import advance, begin
from migsafe.sql import SqlError, Statement, question

#: Tables and the columns of them that a question reads; all where there are none.
Inputs = tuple[tuple[Table, tuple[str, ...]], ...]


class Draft(Struct, frozen=True, kw_only=True):
    """A question before it is written down.

    `offends` gives a condition on a row of `rows` (aliased t), `query` a whole query of offenders,
    `keys` one of the keys to show. They raise Unknown or Later. `reads` are columns of the table,
    `also` tables whose rows the answer needs: they repair where rows come, and break where they go.
    `since` is the number of the statement from which on the server itself keeps new rows right,
    None where nothing does.
    `repaired` says that something else than a row may keep it from failing.
    `proof` or `refuted` answer without a question. `shows` is False where keys are of no use.
    """

    name: str
    what: str
    rows: Rows
    only: bool | None = None
    offends: Callable[[], str] | None = None
    query: Callable[[], str] | None = None
    keys: Callable[[], str] | None = None
    reads: tuple[str, ...] = ()
    also: Inputs = ()
    since: int | None = None
    repaired: bool = False
    proof: str | None = None
    refuted: str | None = None
    shows: bool = True
    noun: str = "row"
    tries: bool = False
    severity: Severity = Severity.ERROR
    remedy: str = "Correct these rows in an earlier migration, or in this one before the statement."


@dataclass(slots=True, kw_only=True)
class Walk:
    """Where a walk stands: the schema so far, and what has been done to types and rows."""

    schema: Schema
    path: tuple[str, ...]
    names: Names
    past: Past
    settings: Settings = field(default_factory=Settings)
    #: What is being walked; the walk sets them.
    unit: Unit = field(init=False)
    statement: Statement = field(init=False)
    #: Whether a condition of a DO block decides if what is walked runs at all.
    perhaps: bool = False
    #: Columns that walked statements fill with values that are never NULL, or never equal.
    filled: list[Column] = field(default_factory=list)
    distinct: list[Column] = field(default_factory=list)
    #: What columns hold after the statement that is being walked: None where nobody knows.
    after: list[tuple[Table, str, str | None]] = field(default_factory=list)
    #: Columns that heirs have already, of which ADD COLUMN on a parent makes no new ones.
    merged: list[tuple[Table, Column]] = field(default_factory=list)
    #: New columns of the statement: whether they are filled, and whether with different values.
    sure: list[tuple[Table, str, bool, bool]] = field(default_factory=list)

    @property
    def place(self) -> Place:
        """Return where the walked statement stands."""
        return Place(self.unit.name, self.statement.line)

    def rows(self, table: Table, values: Mapping[str, Any] | None = None) -> Rows:
        """Return the rows of a table as the statement finds them, with other values for some."""
        return Rows(names=self.names, table=table, values=values or {})

    def only(self, table: Table, *, recurses: bool) -> bool:
        """Tell whether a statement leaves out partitions and heirs, or there are none."""
        return not (recurses and (table.kind == "p" or any(self.schema.children(table.key))))

    def known_since(self, table: Table, name: str) -> int | None:
        """Return the number of the statement that makes a constraint, 0 where the target has it.

        None where that is not known, as of a constraint with another name by now.
        """
        made = table.constraints[name]
        return 0 if made.live else self.past.made.get((id(table), name))

    def members(self, table: Table, *, only: bool | None) -> list[Table]:
        """Return a table, with the partitions and heirs whose rows are asked about with its own."""
        return [table] if only else [table, *self.schema.children(table.key)]

    def is_filled(self, table: Table, name: str, columns: list[Column]) -> bool:
        """Tell whether a column is one of `filled` or `distinct`, and nothing has changed it."""
        column = table.columns.get(name)
        known = any(column is other for other in columns)
        return known and not any(self.past.since(table, (name,)))

    def begin(self, unit: Unit, statement: Statement) -> None:
        """Move on to a statement, out of what a SET LOCAL of another migration has set."""
        self.unit, self.statement = unit, statement
        begin(self.schema, unit.name)
        self.settings.begin(unit.name)

    def take(self, node: Any) -> None:
        """Move on behind a statement."""
        statement = dataclasses.replace(self.statement, node=node)
        self.past.take(node, self.place)
        self.settings.take(node, self.place, self.past.code())
        self._note_names(node)
        advance(self.schema, statement, self.unit.name)
        for table, name, value in self.after:
            for member in (table, *self.schema.children(table.key)):
                if column := member.columns.get(name):
                    column.value = value
                    column.live = column.live if value is not None else None
        self.after.clear()
        for heir, own in self.merged:
            heir.columns[own.name] = own
        self.merged.clear()
        for table, name, filled, distinct in self.sure:
            column = table.columns.get(name)
            self.filled += [column] if column and filled else []
            self.distinct += [column] if column and distinct else []
        self.sure.clear()

    def _note_names(self, node: Any) -> None:
        if isinstance(node, ast.CreateFunctionStmt) and node.funcname:
            self.names.functions.add(str(node.funcname[-1].sval))
        elif isinstance(node, ast.RenameStmt | ast.AlterObjectSchemaStmt):
            self._note_moved(node)
        elif isinstance(node, ast.AlterEnumStmt | ast.AlterDomainStmt):
            parts = [part.sval for part in node.typeName or ()]
            for kinds in (self.schema.enums, self.schema.domains):
                self.names.types |= {key for key in kinds if key.bare == parts[-1]}

    def _note_moved(self, node: Any) -> None:
        """Note a function that has another name or schema: one of the old name may be another."""
        renamed = isinstance(node, ast.RenameStmt)
        if (node.renameType if renamed else node.objectType) in routines.OBJECTS:
            self.names.functions.add(str(node.object.objname[-1].sval))
            self.names.functions |= {str(node.newname)} if renamed else set()

    # ------------------------------------------------------------ writing drafts down

    def audit(self, draft: Draft) -> Audit:
        """Write a draft down, with what is settled before it is asked."""
        settled, because, place = *self._settled(draft), None
        sql, scan, keys = "", None, None
        if settled is None:
            try:
                sql, scan, keys = self._written(draft)
                question(sql)
                self._check_settings(draft, sql)
            except (Unknown, SqlError) as reason:
                settled, because = Verdict.UNKNOWN, str(reason)
            except Later as later:
                settled, place = Verdict.DEPENDS, later.place
        if self.perhaps and settled is Verdict.FAIL:
            settled, place = Verdict.DEPENDS, self.place
        return Audit(
            name=draft.name,
            sql=sql,
            file=Path(self.unit.file),
            line=self.statement.line,
            description=draft.what,
            severity=draft.severity,
            remedy=draft.remedy,
            derived=self._derived(
                draft, place, settled=settled, because=because, scan=scan, keys=keys
            ),
        )

    def _derived(self, draft: Draft, place: Place | None, **parts: Any) -> Derived:
        """Return what an audit knows beside its SQL; `place` decides whatever the rows say."""
        table = draft.rows.table
        breaks, repairs = self._turns(draft)
        return Derived(
            code=DERIVED[draft.name],
            migration=self.unit.name,
            statement=self.statement.index,
            end_line=self.statement.end_line,
            noun=draft.noun,
            breaks=place or breaks,
            repairs=place or repairs or (self.place if self.perhaps or draft.repaired else None),
            perhaps=self.perhaps,
            tries=draft.tries,
            primary=primary_key(table) if draft.shows else (),
            table=table.live,
            path=self.schema.path if self.schema.path != self.path else (),
            **parts,
        )

    def _settled(self, draft: Draft) -> tuple[Verdict | None, str]:
        tables = [draft.rows.table, *(table for table, _ in draft.also)]
        if place := self.past.opaque_for(tables):
            return Verdict.UNKNOWN, f"nobody can tell what {self.called(place)} does"
        if place := self.settings.astray:
            return (
                Verdict.UNKNOWN,
                f"nobody can tell the search_path that {self.called(place)} sets",
            )
        if draft.refuted:
            return Verdict.FAIL, draft.refuted
        if draft.proof:
            return Verdict.PASS, draft.proof
        table = draft.rows.table
        if table.live is None and self._never_filled(table):
            return Verdict.PASS, f"{table.key} is new and empty"
        if table.kind == "m" and not table.populated:
            return Verdict.PASS, f"{table.key} holds no rows yet"
        members = self.members(table, only=draft.only)
        if all(one.empty and not any(self.past.since(one, ())) for one in members):
            return Verdict.PASS, f"{table.key} is empty"
        return None, ""

    def _check_settings(self, draft: Draft, sql: str) -> None:
        """Refuse a question that the server may answer otherwise than the statement will."""
        tables = [draft.rows.table, *(table for table, _ in draft.also)]
        if found := self.settings.concerning(sql, tables, self.schema):
            name, place = found
            raise Unknown(f"{self.called(place)} sets {name}, on which the answer may depend")

    def called(self, place: Place) -> str:
        """Name a place, with its migration where it is another one."""
        other = place.migration != self.unit.name
        return f"line {place.line}{f' of {place.migration}' if other else ''}"

    def _never_filled(self, table: Table) -> bool:
        return table.query is None and not any(self.past.since(table, ()))

    def _written(self, draft: Draft) -> tuple[str, Scan | None, str | None]:
        table = draft.rows.table
        if table.live is None:
            filled = next(self.past.since(table, ()), None)
            raise Later(filled.place if filled else table.made or self.place)
        if draft.only is False:
            self._check_heirs(table, draft.reads)
        keys = draft.keys() if draft.keys else None
        if draft.query:
            return draft.query(), None, keys
        assert draft.offends is not None  # noqa: S101  # a draft has one of them
        condition, relation = draft.offends(), draft.rows.source(only=draft.only)
        shown = ", ".join(f"t.{quoted(name)}" for name, _ in primary_key(table)) or "1"
        sql = f"SELECT {shown} FROM {relation} AS t WHERE {condition}"
        return sql, Scan(relation=relation, condition=condition), keys

    def _check_heirs(self, table: Table, names: Iterable[str]) -> None:
        """Refuse a question about columns that heirs have had before their parent."""
        for heir in self.schema.children(table.key) if table.kind == "r" else ():
            for name in names:
                own, mine = heir.columns.get(name), table.columns.get(name)
                if own and mine and (own.live, own.value) != (mine.live, mine.value):
                    raise Unknown(f"{heir.key} has had its own {name}")

    def _turns(self, draft: Draft) -> tuple[Place | None, Place | None]:
        """Return the last statements that may add offenders, and take some away."""
        own = list(self.past.since(draft.rows.table, draft.reads))
        breaks = [c for c in own if c.kind != "less" and self._breaks(c, draft)]
        repairs = [c for c in own if c.kind != "more"]
        for table, columns in draft.also:
            changes = list(self.past.since(table, columns))
            breaks += [c for c in changes if c.kind != "more" and self._breaks(c, draft)]
            repairs += [c for c in changes if c.kind != "less"]
        return _last(breaks), _last(repairs)

    def _breaks(self, change: Change, draft: Draft) -> bool:
        """Tell whether the server may have let a change make rows that offend."""
        return self.past.unguarded or draft.since is None or change.number < draft.since


def _last(changes: Iterable[Change]) -> Place | None:
    found = max(changes, key=lambda change: change.number, default=None)
    return found.place if found else None


def primary_key(table: Table) -> tuple[tuple[str, str], ...]:
    """Return the columns of the primary key, as they are called now, with their types."""
    for made in table.constraints.values():
        if made.kind == "p" and made.live:
            columns = [table.columns[name] for name in made.columns if name in table.columns]
            if all(column.live and column.retyped is None for column in columns):
                return tuple((str(column.live), column.type.name) for column in columns)
    return ()


def duplicate(value: Any) -> Any:
    """Return a copy of a schema that can be moved along without the original."""
    if isinstance(value, dict):
        return {key: duplicate(item) for key, item in value.items()}
    if isinstance(value, list):
        return [duplicate(item) for item in value]
    if isinstance(value, set):
        return set(value)
    if not isinstance(value, Struct):
        return value
    twin = copy.copy(value)
    for name in value.__struct_fields__:
        inner = getattr(value, name)
        if isinstance(inner, dict | list | set):
            setattr(twin, name, duplicate(inner))
    return twin


_Change = enums.AlterTableType


def parts(node: Any) -> Iterator[Any]:
    """Yield an ALTER TABLE as statements that follow one another; any other statement is one.

    Retypings stay together: each USING sees the old values of all columns.
    """
    commands: tuple[Any, ...] = getattr(node, "cmds", None) or ()
    if not isinstance(node, ast.AlterTableStmt) or len(commands) < 2:
        yield node
        return
    retyped = tuple(c for c in commands if c.subtype == _Change.AT_AlterColumnType)
    ordered = sorted(commands, key=passes.number)
    for command in ordered:
        if command.subtype != _Change.AT_AlterColumnType:
            yield _altering(node, (command,))
        elif command is retyped[0]:
            yield _altering(node, retyped)


def _altering(node: Any, commands: tuple[Any, ...]) -> Any:
    return ast.AlterTableStmt(
        relation=node.relation, cmds=commands, objtype=node.objtype, missing_ok=node.missing_ok
    )
