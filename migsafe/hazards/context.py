"""What holds when a statement runs: the schema, the transaction, its locks and settings. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import Struct, field
from pglast import ast, enums

from migsafe import references
from migsafe.hazards import locks
from migsafe.hazards.locks import Lock, Mode
from migsafe.schema import Key, Place, Schema, Table, configs, tables
from migsafe.sql import Statement, unwrapped

#: Milliseconds in each unit of time that PostgreSQL knows (guc.c); a bare number is milliseconds.
_UNITS = {"us": 0.001, "": 1, "ms": 1, "s": 1e3, "min": 6e4, "h": 3.6e6, "d": 8.64e7}

_Kind = enums.TransactionStmtKind
_Set = enums.VariableSetKind


class Unit(Struct, frozen=True, kw_only=True):
    """One migration to walk. `transaction` says that its runner puts it into one transaction.

    `report` is False for a migration that is walked only for what it leaves behind, `loose` says
    that it belongs to no history, so that nobody knows what was there before it. `timeouts` are
    settings that the runner gives to this one, by name.
    """

    name: str
    file: str
    text: str
    statements: Sequence[Statement]
    transaction: bool
    report: bool = True
    loose: bool = False
    timeouts: Mapping[str, str] = field(default_factory=dict)


class Options(Struct, frozen=True, kw_only=True):
    """What the caller knows. `version` is the server's major version, None where nobody said.

    `timeouts` are the settings that a runner, role or database gives to every migration, by name:
    ``{"lock_timeout": "5s"}``. `on` and `off` are names or codes of rules; style rules are off
    unless they are in `on`.
    """

    version: int | None = None
    timeouts: dict[str, str] = field(default_factory=dict)
    on: frozenset[str] = frozenset()
    off: frozenset[str] = frozenset()


class Saved(NamedTuple):
    """What a ROLLBACK, or one TO a savepoint, goes back to."""

    settings: dict[str, str]
    local: dict[str, str]
    held: "dict[Key, Held]"


class Held(NamedTuple):
    """A lock that lasts to the end of the transaction, and the statement that took it."""

    mode: Mode
    statement: Statement


class Taken(NamedTuple):
    """A statement that has kept somebody out, by its locks; durations are milliseconds.

    None is a setting that nobody has set, 0 one that is off.
    """

    place: Place
    statement: Statement
    locks: dict[Key, Lock]
    lock_timeout: float | None
    statement_timeout: float | None


#: Statements that take no lock which keeps out those who read or write.
_GENTLE = (
    *(ast.SelectStmt, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt, ast.CopyStmt),
    *(ast.TransactionStmt, ast.VariableSetStmt, ast.DoStmt, ast.CommentStmt, ast.GrantStmt),
)


class Context(Struct, kw_only=True):
    """What holds just before a statement runs; `hazards` moves it on after the rules were asked."""

    schema: Schema
    options: Options
    unit: Unit
    #: Statements of this migration before this one, and those of the open transaction. What runs
    #: inside of a block is there by itself, after the block.
    before: list[Statement] = field(default_factory=list)
    transaction: list[Statement] = field(default_factory=list)
    #: Those of them that say IF EXISTS or IF NOT EXISTS.
    guarded: list[Statement] = field(default_factory=list)
    #: The BEGIN of the file that is open, or the block that runs outside of a transaction.
    begun: Statement | None = None
    #: Settings of the session and of the transaction, lower case, as SET wrote them.
    settings: dict[str, str] = field(default_factory=dict)
    local: dict[str, str] = field(default_factory=dict)
    #: Both, and the locks, as they were at the beginning of the transaction and its savepoints.
    saved: dict[str | None, "Saved"] = field(default_factory=dict)
    #: Strongest lock held on each relation that is not new, where it is SHARE or stronger.
    held: dict[Key, Held] = field(default_factory=dict)
    #: The statements before this one that took such locks, and those of earlier migrations too,
    #: as far as these are reported on.
    taken: list[Taken] = field(default_factory=list)
    run: list[Taken] = field(default_factory=list)
    #: Names of the migrations that are reported on so far, this one too.
    reported: list[str] = field(default_factory=list)
    #: Relations that statements have named so far and nobody is known to have made.
    named: dict[Key, Place] = field(default_factory=dict)
    _locks: tuple[Statement, dict[Key, Lock]] | None = None
    _enclosed: bool | None = None

    @property
    def version(self) -> int | None:
        """Return the server's major version, None where it is not known."""
        return self.options.version or self.schema.version

    def at_least(self, version: int, *, unknown: bool = True) -> bool:
        """Tell whether the server is of this major or newer; `unknown` answers where nobody knows.

        A rule passes the answer that reports more.
        """
        return unknown if self.version is None else self.version >= version

    @property
    def in_transaction(self) -> bool:
        """Tell whether the statement runs in a transaction block with others."""
        return self.begun is not None or self.unit.transaction

    @property
    def file_transaction(self) -> list[Statement]:
        """Return the statements before this one whose locks it shares."""
        return self.transaction if self.in_transaction else []

    @property
    def enclosed(self) -> bool:
        """Tell whether one BEGIN and COMMIT of the file are around everything else."""
        if self._enclosed is None:
            outer = tuple(one for one in self.unit.statements if not one.inner)
            self._enclosed = len(unwrapped(outer)) < len(outer)
        return self._enclosed

    @property
    def block(self) -> bool:
        """Tell whether the open transaction is that of a DO block or a called function."""
        return self.begun is not None and not isinstance(self.begun.node, ast.TransactionStmt)

    def setting(self, name: str) -> str | None:
        """Return a setting as it is in force, None where nothing is known of it."""
        given = (self.unit.timeouts, self.options.timeouts, self.schema.settings)
        for values in (self.local, self.settings, *given):
            if name in values:
                return values[name]
        return None

    def milliseconds(self, name: str) -> float | None:
        """Return a setting that is a duration; None where nothing is known, 0 where it is off."""
        return duration(self.setting(name))

    @property
    def utc(self) -> bool:
        """Tell whether the session is known to live in UTC."""
        return (self.setting("timezone") or "").upper() in ("UTC", "ETC/UTC")

    def fresh(self, table: Table | Key | None) -> bool:
        """Tell whether this migration made the relation, so that nobody else can use it yet.

        With a target read, that is so of everything that pending migrations make.
        """
        found = self.schema.tables.get(table) if isinstance(table, Key) else table
        if found is None:
            return isinstance(table, Key) and self.is_new_sequence(table)
        if found.temporary:
            return True
        if found.adopted and not all(self.fresh(self.schema.tables.get(k)) for k in found.adopted):
            return False
        if found.made is not None and found.made.migration == self.unit.name:
            return self.schema.complete or not (found.lenient and self.unit.loose)
        return self.schema.complete and found.live is None and found.made is not None

    def is_new_sequence(self, key: Key) -> bool:
        """Tell whether this migration made the sequence, or the table that owns it."""
        if key not in self.schema.sequences:
            return False
        if owner := self.schema.sequences[key]:
            return self.fresh(owner[0])
        made = self.schema.new_sequences.get(key)
        return made is not None and made.migration == self.unit.name

    def locks(self, statement: Statement) -> dict[Key, Lock]:
        """Return what the statement that is being asked about locks.

        New relations are left out, and those of the server itself.
        """
        if self._locks is None or self._locks[0] is not statement:
            node = statement.node
            found = locks.taken(node, self.schema, version=self.version, utc=self.utc)
            kept = {
                key: lock
                for key, lock in found.items()
                if not (self.fresh(key) or self._is_servers(key))
            }
            if kept and isinstance(node, ast.AlterTableStmt):
                # A new table refers to its parents in a moment, since it has hardly a row.
                old = not self.fresh(self.schema.find(node.relation))
                kept = kept if old else {key: Lock(lock.mode) for key, lock in kept.items()}
            self._locks = statement, kept
        return self._locks[1]

    def _is_servers(self, key: Key) -> bool:
        """Tell whether this is a catalog of the server's, which is small."""
        is_named = key.bare.startswith("pg_") and not is_made(self.schema.tables.get(key))
        return is_named or key.schema in ("pg_catalog", "information_schema")

    def blocking(self, statement: Statement) -> dict[Key, Lock]:
        """Return those of its locks that keep out who reads or writes a relation."""
        node = statement.node
        if isinstance(node, _GENTLE) or getattr(node, "concurrent", False):
            return {}
        found = self.locks(statement)
        return {
            key: lock
            for key, lock in found.items()
            if lock.mode >= Mode.SHARE and key not in self.schema.composites
        }

    def table(self, relation: Any) -> Table:
        """Return the table that a RangeVar names; what is not known of it is said there."""
        return self.schema.table(relation)


def duration(value: str | None) -> float | None:
    """Return a setting as milliseconds, None for one that is no duration."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", value or "")
    unit = _UNITS.get(found[2]) if found else None
    return float(found[1]) * unit if found and unit else None


def enter(context: Context, statement: Statement) -> None:
    """Open the transaction that a block of statements is, unless it is in one; close it after.

    What the statement names is noted where nobody is known to have made it.
    """
    if statement.inner and not context.in_transaction:
        context.begun = next(one for one in reversed(context.before) if not one.inner)
    elif context.block and not statement.inner:
        _end(context)
        tables.pass_away(context.schema)
    if not (context.schema.complete or statement.inner):
        _name(context, statement)


def take(context: Context, statement: Statement) -> None:
    """Note which locks of a statement keep others out, before the schema is moved on."""
    found = context.blocking(statement)
    if not found:
        return
    taken = Taken(
        place=Place(context.unit.name, statement.line),
        statement=statement,
        locks=found,
        lock_timeout=context.milliseconds("lock_timeout"),
        statement_timeout=context.milliseconds("statement_timeout"),
    )
    context.taken.append(taken)
    context.run.append(taken)
    for key, lock in found.items() if context.in_transaction else ():
        if key not in context.held or context.held[key].mode < lock.mode:
            context.held[key] = Held(lock.mode, statement)


def move(context: Context, statement: Statement) -> None:
    """Take in what a statement means for the transaction and the session."""
    node = statement.node
    if isinstance(node, ast.TransactionStmt):
        _transact(context, statement, node.kind)
    elif _resets(node):
        context.settings.clear()
        context.local.clear()
    for setting in assigned(node):
        _assign(context, setting)
    if isinstance(node, _MAKING) and context.named:
        for key in [key for key in context.named if is_made(context.schema.tables.get(key))]:
            del context.named[key]
    context.before.append(statement)
    if getattr(node, "missing_ok", False) or any(
        command.missing_ok for command in getattr(node, "cmds", None) or ()
    ):
        context.guarded.append(statement)
    if context.in_transaction and not isinstance(node, ast.TransactionStmt):
        context.transaction.append(statement)
    elif context.schema.passing and not context.in_transaction:
        tables.pass_away(context.schema)


def _resets(node: Any) -> bool:
    """Tell whether every setting is as the session began with it afterwards."""
    if isinstance(node, ast.DiscardStmt):
        return bool(node.target == enums.DiscardMode.DISCARD_ALL)
    return isinstance(node, ast.VariableSetStmt) and bool(node.kind == _Set.VAR_RESET_ALL)


def _name(context: Context, statement: Statement) -> None:
    for name in references.used(statement.node):
        key = context.schema.key(name.schema, name.bare)
        if not (is_made(context.schema.tables.get(key)) or key in context.schema.gone):
            context.named.setdefault(key, Place(context.unit.name, statement.line))


#: Statements after which a name may lead somewhere.
_MAKING = (ast.CreateStmt, ast.CreateTableAsStmt, ast.ViewStmt, ast.RenameStmt)


def is_made(table: Table | None) -> bool:
    """Tell whether a relation is known to be there, not only to be named."""
    return table is not None and (table.known or bool(table.made or table.live))


def _transact(context: Context, statement: Statement, kind: Any) -> None:
    if kind in _BEGINS:
        if not context.in_transaction:
            _save(context, None)
        context.begun = statement
    elif kind == _Kind.TRANS_STMT_SAVEPOINT:
        _save(context, statement.node.savepoint_name)
    elif kind in (_Kind.TRANS_STMT_ROLLBACK, _Kind.TRANS_STMT_ROLLBACK_TO):
        _go_back(context, statement.node.savepoint_name)
    if kind in _ENDS:
        _end(context)
        if statement.node.chain:
            context.begun = statement
            _save(context, None)


_BEGINS = (_Kind.TRANS_STMT_BEGIN, _Kind.TRANS_STMT_START)
_ENDS = (_Kind.TRANS_STMT_COMMIT, _Kind.TRANS_STMT_ROLLBACK, _Kind.TRANS_STMT_PREPARE)


def _save(context: Context, name: str | None) -> None:
    context.saved[name] = Saved({**context.settings}, {**context.local}, {**context.held})


def _go_back(context: Context, name: str | None) -> None:
    """Take back settings and locks; nothing where the file did not open the transaction."""
    if saved := context.saved.get(name):
        context.settings.clear()
        context.settings.update(saved.settings)
        context.local, context.held = {**saved.local}, {**saved.held}


def _end(context: Context) -> None:
    context.begun = None
    context.transaction.clear()
    context.local.clear()
    context.held.clear()
    context.saved.clear()


class Setting(NamedTuple):
    """A setting that a statement gives a value, None for its default."""

    name: str
    value: str | None
    local: bool


def assigned(node: Any) -> Iterator[Setting]:
    """Yield the settings that SET, RESET or a SELECT of set_config changes, by lower-case name."""
    if isinstance(node, ast.SelectStmt):
        for said in configs.given(node):
            if said.name is not None:
                yield Setting(said.name, said.value or "", said.local)
    elif isinstance(node, ast.VariableSetStmt):
        if node.kind in (_Set.VAR_RESET, _Set.VAR_SET_DEFAULT):
            yield Setting(str(node.name).lower(), None, bool(node.is_local))
        elif node.kind == _Set.VAR_SET_VALUE:
            value = ", ".join(_value(arg) for arg in node.args or ())
            yield Setting(str(node.name).lower(), value, bool(node.is_local))


def _assign(context: Context, setting: Setting) -> None:
    """Set or reset a setting; SET LOCAL does nothing outside of a transaction."""
    name, value, local = setting
    if local and not context.in_transaction:
        return
    context.local.pop(name, None)
    values = context.local if local else context.settings
    values.pop(name, None)
    if value is not None:
        values[name] = value


def _value(arg: Any) -> str:
    value = getattr(arg, "val", arg)
    for part in ("sval", "ival", "fval", "boolval"):
        if hasattr(value, part):
            return str(getattr(value, part))
    return ""
