"""The relation locks of ALTER TABLE, and what each subcommand does under them. Pure.

Sources: AlterTableGetLockLevel and the ATPrep functions of PostgreSQL; every claim is held against
`tests/cases/constructs.sql`, which was measured on PostgreSQL 11 to 18.
"""

from collections.abc import Callable, Iterator
from typing import Any

from pglast import ast, enums, parse_sql
from pglast.parser import ParseError

from migsafe.hazards.locks import dropping, partitions, retyping
from migsafe.hazards.locks.taking import Mode, Taking, Work
from migsafe.schema import Constraint, Key, Schema, Table, expressions, reading

_Change = enums.AlterTableType
_Kind = enums.ConstrType

#: Subcommands that let others read and write. Of storage parameters only user_catalog_table and
#: those of views need more.
_GENTLE = {
    _Change.AT_SetStatistics,
    _Change.AT_ClusterOn,
    _Change.AT_DropCluster,
    _Change.AT_SetOptions,
    _Change.AT_ResetOptions,
    _Change.AT_ValidateConstraint,
    _Change.AT_SetRelOptions,
    _Change.AT_ResetRelOptions,
    _Change.AT_ReplaceRelOptions,
    _Change.AT_DetachPartitionFinalize,
}

_TRIGGERS = {
    _Change.AT_EnableTrig,
    _Change.AT_EnableAlwaysTrig,
    _Change.AT_EnableReplicaTrig,
    _Change.AT_DisableTrig,
    _Change.AT_EnableTrigAll,
    _Change.AT_DisableTrigAll,
    _Change.AT_EnableTrigUser,
    _Change.AT_DisableTrigUser,
}

#: Subcommands that go down to partitions and heirs.
_TO_HEIRS = {
    _Change.AT_AddColumn,
    _Change.AT_DropColumn,
    _Change.AT_AlterColumnType,
    _Change.AT_SetNotNull,
    _Change.AT_DropNotNull,
    _Change.AT_ColumnDefault,
    _Change.AT_SetExpression,
    _Change.AT_DropExpression,
    _Change.AT_SetStatistics,
    _Change.AT_SetStorage,
    _Change.AT_AddConstraint,
    _Change.AT_DropConstraint,
    _Change.AT_ValidateConstraint,
}


def take(taking: Taking, node: Any) -> None:
    """Note the locks of an ALTER TABLE, or of an ALTER of a view, sequence or composite type."""
    key = taking.key(node.relation)
    if node.missing_ok and taking.schema.complete and key not in taking.schema.tables:
        return
    commands = node.cmds or ()
    mode = max((_mode(taking, key, command) for command in commands), default=Mode.ACCESS_EXCLUSIVE)
    table = taking.table(key)
    for command in commands:
        members = [table, *(_below(taking, key, command) if node.relation.inh else ())]
        for member in members:
            taking.take(member.key, mode, _work(taking, member, command))
            if beside := _BESIDE.get(command.subtype):
                beside(taking, member, command)


def _mode(taking: Taking, key: Key, command: Any) -> Mode:
    kind = command.subtype
    if kind in _GENTLE:
        return Mode.ACCESS_EXCLUSIVE if _is_heavy(taking, key, command) else _SUX
    if kind in _TRIGGERS:
        return Mode.SHARE_ROW_EXCLUSIVE
    if kind == _Change.AT_AddConstraint and command.def_.contype == _Kind.CONSTR_FOREIGN:
        return Mode.SHARE_ROW_EXCLUSIVE
    if kind == _Change.AT_AttachPartition and taking.at_least(12):
        return _SUX
    if kind == _Change.AT_DetachPartition and getattr(command.def_, "concurrent", False):
        return _SUX
    return Mode.ACCESS_EXCLUSIVE


_SUX = Mode.SHARE_UPDATE_EXCLUSIVE


def _is_heavy(taking: Taking, key: Key, command: Any) -> bool:
    """Tell whether a parameter changes what queries do."""
    names = {item.defname for item in command.def_ or ()} if _is_list(command.def_) else set()
    return "user_catalog_table" in names or taking.table(key).kind == "v"


def _is_list(value: Any) -> bool:
    return isinstance(value, tuple | list)


def _below(taking: Taking, key: Key, command: Any) -> list[Table]:
    """Return the partitions and heirs that a subcommand goes down to."""
    kind = command.subtype
    if kind in _TRIGGERS or (kind == _Change.AT_AddConstraint and _stays(command.def_)):
        return taking.partitions(key)
    return taking.heirs(key) if kind in _TO_HEIRS else []


def _stays(made: Any) -> bool:
    """Tell whether heirs do not get a constraint; partitions do."""
    return made.contype not in (_Kind.CONSTR_CHECK, _Kind.CONSTR_NOTNULL) or made.is_no_inherit


# ---------------------------------------------------------------- what is done to the table


def _work(taking: Taking, table: Table, command: Any) -> Work:
    work = _WORK.get(command.subtype)
    return work(taking, table, command) if work else Work.MOMENT


def _adds_column(taking: Taking, table: Table, command: Any) -> Work:
    if _is_there(table, command):
        return Work.MOMENT
    column = reading.column(command.def_, taking.schema)
    computed = column.generated == "s" or column.identity or reading.is_serial(command.def_)
    if (
        computed
        or _is_filled(taking, column.default, column.generated)
        or _is_checked(taking, column)
    ):
        return Work.REWRITE
    parts = {part.contype for part in _enforced(command.def_)}
    if _Kind.CONSTR_UNIQUE in parts or _Kind.CONSTR_PRIMARY in parts:
        return Work.BUILD
    if _Kind.CONSTR_CHECK in parts:
        return Work.SCAN
    needs_rows = _Kind.CONSTR_FOREIGN in parts if column.default is not None else column.not_null
    return Work.SCAN if needs_rows else Work.MOMENT


def _enforced(definition: Any) -> Iterator[Any]:
    """Yield the constraints of a new column that hold its rows to something."""
    for part, attributes in reading.inline(definition):
        if _Kind.CONSTR_ATTR_NOT_ENFORCED not in attributes:
            yield part


def _is_there(table: Table, command: Any) -> bool:
    return bool(command.missing_ok and command.def_.colname in table.columns)


def _is_filled(taking: Taking, default: Any, generated: str) -> bool:
    """Tell whether each row gets a value of its own; a function that is not known may do that."""
    if default is None or generated == "v":
        return False
    calls = list(expressions.calls(expressions.tree(default)))
    return expressions.volatility(default, taking.schema) in ("v", None) and not (
        taking.at_least(12) and all(_inlines(taking.schema, name) for name in calls)
    )


def _inlines(schema: Schema, name: str) -> bool:
    """Tell whether a function is SQL that selects one expression that is not VOLATILE.

    The server then puts the expression in its place (inline_function).
    """
    bodies = [body for (bare, _), body in schema.bodies.items() if bare == name]
    if len(bodies) != 1 or name not in schema.functions or schema.functions[name][1] != "sql":
        return False
    try:
        (only,) = parse_sql(bodies[0])
    except (ParseError, ValueError):
        return False
    select: Any = only.stmt
    if not isinstance(select, ast.SelectStmt) or select.fromClause or not select.targetList:
        return False
    return expressions.volatility(select.targetList[0].val, schema) in ("i", "s")


def _is_checked(taking: Taking, column: Any) -> bool:
    domain = taking.schema.typed(column.type, taking.schema.domains)
    return bool(domain and domain.constrained and not column.type.array)


def _sets_not_null(taking: Taking, table: Table, command: Any) -> Work:
    return Work.MOMENT if proves_not_null(taking, table, command.name) else Work.SCAN


def proves_not_null(taking: Taking, table: Table, name: str) -> bool:
    """Tell whether a column is NOT NULL, or a valid CHECK spares the server the scan (12)."""
    column = table.columns.get(name)
    if column is not None and column.not_null:
        return True
    return any(_proves(taking, made, name) for made in table.constraints.values())


def _proves(taking: Taking, made: Constraint, name: str) -> bool:
    if not (made.valid and made.enforced):
        return False
    if made.kind == "n":
        return made.columns == (name,)
    return (
        made.kind == "c"
        and taking.at_least(12)
        and expressions.proves_not_null(made.expression, name)
    )


def _adds_constraint(taking: Taking, table: Table, command: Any) -> Work:
    made = command.def_
    kind, columns = made.contype, [part.sval for part in made.keys or ()]
    if made.indexname:
        return _takes_index(taking, table, made)
    if kind in (_Kind.CONSTR_UNIQUE, _Kind.CONSTR_EXCLUSION, _Kind.CONSTR_PRIMARY):
        return Work.BUILD
    if kind == _Kind.CONSTR_NOTNULL and all(proves_not_null(taking, table, one) for one in columns):
        return Work.MOMENT
    return Work.SCAN if is_validated(made) else Work.MOMENT


def _takes_index(taking: Taking, table: Table, made: Any) -> Work:
    index = table.indexes.get(made.indexname)
    if made.contype != _Kind.CONSTR_PRIMARY:
        return Work.MOMENT
    if index is None or None in index.columns:
        return Work.SCAN
    proven = all(proves_not_null(taking, table, name or "") for name in index.columns)
    return Work.MOMENT if proven else Work.SCAN


def is_validated(made: Any) -> bool:
    """Tell whether the server checks the rows for a Constraint node."""
    return not made.skip_validation and (
        made.is_enforced or made.contype not in (_Kind.CONSTR_CHECK, _Kind.CONSTR_FOREIGN)
    )


def _validates(_taking: Taking, table: Table, command: Any) -> Work:
    made = table.constraints.get(command.name)
    return Work.MOMENT if made is not None and made.valid else Work.SCAN


def _sets_logged(_taking: Taking, table: Table, command: Any) -> Work:
    wanted = command.subtype == _Change.AT_SetUnLogged
    return Work.MOMENT if table.known and table.unlogged == wanted else Work.REWRITE


def _sets_expression(_taking: Taking, table: Table, command: Any) -> Work:
    column = table.columns.get(command.name)
    return Work.MOMENT if column is not None and column.generated == "v" else Work.REWRITE


def _rewrites(_taking: Taking, _table: Table, _command: Any) -> Work:
    return Work.REWRITE


_WORK: dict[Any, Callable[[Taking, Table, Any], Work]] = {
    _Change.AT_AddColumn: _adds_column,
    _Change.AT_AlterColumnType: retyping.work,
    _Change.AT_SetNotNull: _sets_not_null,
    _Change.AT_AddConstraint: _adds_constraint,
    _Change.AT_ValidateConstraint: _validates,
    _Change.AT_SetLogged: _sets_logged,
    _Change.AT_SetUnLogged: _sets_logged,
    _Change.AT_SetExpression: _sets_expression,
    _Change.AT_SetTableSpace: _rewrites,
    _Change.AT_SetAccessMethod: _rewrites,
}


# ---------------------------------------------------------------- what else is locked


def references(taking: Taking, child: Key, made: Any, *, scans: bool) -> None:
    """Note the lock on the table that a foreign key's Constraint node refers to."""
    target = taking.key(made.pktable)
    if target != child:
        work = Work.SCAN if scans else Work.MOMENT
        taking.take_all(target, Mode.SHARE_ROW_EXCLUSIVE, work)


def _beside_column(taking: Taking, table: Table, command: Any) -> None:
    if _is_there(table, command):
        return
    column = reading.column(command.def_, taking.schema)
    enforced = list(_enforced(command.def_))
    for part in command.def_.constraints or ():
        if part.contype == _Kind.CONSTR_FOREIGN:
            scans = column.default is not None and part in enforced
            references(taking, table.key, part, scans=scans)


def _beside_constraint(taking: Taking, table: Table, command: Any) -> None:
    if command.def_.contype == _Kind.CONSTR_FOREIGN:
        references(taking, table.key, command.def_, scans=is_validated(command.def_))


def _beside_validation(taking: Taking, table: Table, command: Any) -> None:
    made = table.constraints.get(command.name)
    if made is not None and made.target and not made.valid:
        taking.take_all(made.target, Mode.ROW_SHARE, Work.SCAN)


def _beside_alteration(taking: Taking, table: Table, command: Any) -> None:
    """Note the referenced table: only a change of enforcement, new in 18, touches it."""
    change = command.def_
    made = table.constraints.get(getattr(change, "conname", None) or "")
    if made is None or made.target is None or not getattr(change, "alterEnforceability", False):
        return
    if change.is_enforced:
        taking.take(table.key, Mode.ACCESS_EXCLUSIVE, Work.SCAN)
        taking.take_all(made.target, Mode.SHARE_ROW_EXCLUSIVE, Work.SCAN)
    else:
        taking.take_all(made.target, Mode.ACCESS_EXCLUSIVE)


def _beside_parent(taking: Taking, _table: Table, command: Any) -> None:
    joins = command.subtype == _Change.AT_AddInherit
    taking.take(taking.key(command.def_), _SUX if joins else Mode.ACCESS_SHARE)


def _beside_identity(taking: Taking, table: Table, command: Any) -> None:
    drops = command.subtype == _Change.AT_DropIdentity
    mode = Mode.ACCESS_EXCLUSIVE if drops else Mode.SHARE_ROW_EXCLUSIVE
    options = {item.defname for item in command.def_} if _is_list(command.def_) else set()
    work = Work.REWRITE if options - {"generated"} else Work.MOMENT
    for sequence in dropping.sequences(taking, table.key, command.name):
        taking.take(sequence, mode, work)


def _beside_whole(taking: Taking, table: Table, command: Any) -> None:
    """Note the sequences that follow their table: to another owner, and since 15 to the log."""
    logs = command.subtype != _Change.AT_ChangeOwner
    for sequence in dropping.sequences(taking, table.key):
        if not logs or taking.at_least(15):
            work = Work.REWRITE if logs else Work.MOMENT
            taking.take(sequence, Mode.ACCESS_EXCLUSIVE, work)


def _beside_type(taking: Taking, _table: Table, command: Any) -> None:
    names = command.def_.names
    schema = names[-2].sval if len(names) > 1 else None
    taking.take(taking.schema.key(schema, names[-1].sval), Mode.ACCESS_SHARE)


_BESIDE: dict[Any, Callable[[Taking, Table, Any], None]] = {
    _Change.AT_AddColumn: _beside_column,
    _Change.AT_AddConstraint: _beside_constraint,
    _Change.AT_ValidateConstraint: _beside_validation,
    _Change.AT_AlterConstraint: _beside_alteration,
    _Change.AT_AlterColumnType: retyping.beside,
    _Change.AT_DropColumn: dropping.column,
    _Change.AT_DropConstraint: dropping.constraint,
    _Change.AT_AddInherit: _beside_parent,
    _Change.AT_DropInherit: _beside_parent,
    _Change.AT_AddOf: _beside_type,
    _Change.AT_DropIdentity: _beside_identity,
    _Change.AT_SetIdentity: _beside_identity,
    _Change.AT_ChangeOwner: _beside_whole,
    _Change.AT_SetLogged: _beside_whole,
    _Change.AT_SetUnLogged: _beside_whole,
    _Change.AT_AttachPartition: partitions.attaches,
    _Change.AT_DetachPartition: partitions.detaches,
}
