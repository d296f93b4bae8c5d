"""What holds when a statement runs: the schema, the transaction, its locks and settings. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pglast import ast, enums

from migsafe.schema import Key, Schema, Table
from migsafe.sql import Statement

#: Milliseconds in each unit of time that PostgreSQL knows (guc.c); a bare number is milliseconds.
_UNITS = {"us": 0.001, "": 1, "ms": 1, "s": 1e3, "min": 6e4, "h": 3.6e6, "d": 8.64e7}

_Kind = enums.TransactionStmtKind
_Set = enums.VariableSetKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One migration to walk. `transaction` says that its runner puts it into one transaction.

    `report` is False for a migration that is walked only for what it leaves behind.
    """

    name: str
    file: str
    text: str = field(repr=False)
    statements: Sequence[Statement]
    transaction: bool
    report: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the caller knows. `version` is the server's major version, None where nobody said.

    `timeouts` are the settings that a runner, role or database gives to every migration, by name:
    ``{"lock_timeout": "5s"}``. `on` and `off` are names or codes of rules; style rules are off
    unless they are in `on`.
    """

    version: int | None = None
    timeouts: dict[str, str] = field(default_factory=dict)
    on: frozenset[str] = frozenset()
    off: frozenset[str] = frozenset()


@dataclass(slots=True, kw_only=True)
class Context:
    """What holds just before a statement runs; `hazards` moves it on after the rules were asked."""

    schema: Schema
    options: Options
    unit: Unit
    #: Statements of this migration before this one, and those of the open transaction.
    before: list[Statement] = field(default_factory=list)
    transaction: list[Statement] = field(default_factory=list)
    #: Whether a BEGIN of the file itself is open.
    begun: Statement | None = None
    #: Settings of the session and of the transaction, lower case, as SET wrote them.
    settings: dict[str, str] = field(default_factory=dict)
    local: dict[str, str] = field(default_factory=dict)
    #: Strongest lock held on each relation that is not new, with the statement that took it.
    held: dict[Key, tuple[int, Statement]] = field(default_factory=dict)

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

    def setting(self, name: str) -> str | None:
        """Return a setting as it is in force, None where nothing is known of it."""
        for values in (self.local, self.settings, self.options.timeouts, self.schema.settings):
            if name in values:
                return values[name]
        return None

    def milliseconds(self, name: str) -> float | None:
        """Return a setting that is a duration; None where nothing is known, 0 where it is off."""
        value = self.setting(name)
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", value or "")
        unit = _UNITS.get(found[2]) if found else None
        return float(found[1]) * unit if found and unit else None

    def fresh(self, table: Table | Key | None) -> bool:
        """Tell whether this migration made the relation, so that nobody else can use it yet.

        With a target read, that is so of everything that pending migrations make.
        """
        found = self.schema.tables.get(table) if isinstance(table, Key) else table
        if found is None:
            return False
        if found.temporary or (found.made is not None and found.made.migration == self.unit.name):
            return True
        return self.schema.complete and found.live is None and found.made is not None

    def table(self, relation: Any) -> Table:
        """Return the table that a RangeVar names; what is not known of it is said there."""
        return self.schema.table(relation)


def move(context: Context, statement: Statement) -> None:
    """Take in what a statement means for the transaction and the session."""
    node = statement.node
    if isinstance(node, ast.TransactionStmt):
        _transact(context, statement, node.kind)
    elif isinstance(node, ast.VariableSetStmt):
        _set(context, node)
    context.before.append(statement)
    if context.in_transaction and not isinstance(node, ast.TransactionStmt):
        context.transaction.append(statement)


def _transact(context: Context, statement: Statement, kind: Any) -> None:
    if kind in (_Kind.TRANS_STMT_BEGIN, _Kind.TRANS_STMT_START):
        context.begun = statement
    elif kind in (_Kind.TRANS_STMT_COMMIT, _Kind.TRANS_STMT_ROLLBACK, _Kind.TRANS_STMT_PREPARE):
        context.begun = None
        context.transaction.clear()
        context.local.clear()
        context.held.clear()


def _set(context: Context, node: Any) -> None:
    if node.kind == _Set.VAR_RESET_ALL:
        context.settings.clear()
        context.local.clear()
        return
    values = context.local if node.is_local else context.settings
    name = str(node.name).lower()
    if node.kind in (_Set.VAR_RESET, _Set.VAR_SET_DEFAULT):
        values.pop(name, None)
    elif node.kind == _Set.VAR_SET_VALUE:
        values[name] = ", ".join(_value(arg) for arg in node.args or ())


def _value(arg: Any) -> str:
    value = getattr(arg, "val", arg)
    for part in ("sval", "ival", "fval", "boolval"):
        if hasattr(value, part):
            return str(getattr(value, part))
    return ""
