"""The relation locks of ALTER TABLE; `working` has what is done under them. Pure.

Sources: AlterTableGetLockLevel and the ATPrep functions of PostgreSQL; every claim is held against
`tests/cases/constructs.sql`, which was measured on PostgreSQL 11 to 18.
"""

from collections.abc import Callable
from typing import Any

from pglast import enums

from migsafe.hazards.locks import dropping, partitions, retyping, working
from migsafe.hazards.locks.taking import Mode, Taking, Work
from migsafe.schema import Constraint, Key, Table, reading

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

#: Subcommands that go down to partitions alone; the second kind since 17.
_TO_PARTITIONS = {*_TRIGGERS, _Change.AT_AlterConstraint}
_IDENTITIES = {_Change.AT_AddIdentity, _Change.AT_SetIdentity, _Change.AT_DropIdentity}

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
            heir = member is not table and member.bound is None
            taking.take(member.key, mode, working.work(taking, member, command, heir=heir))
            beside = _BESIDE.get(command.subtype)
            if beside and not (heir and command.subtype == _Change.AT_AddConstraint):
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
    if kind == _Change.AT_AddConstraint:
        everywhere = _is_inherited(taking, command.def_)
        return taking.heirs(key) if everywhere else taking.partitions(key)
    if kind in _TO_PARTITIONS or (kind in _IDENTITIES and taking.at_least(17)):
        return taking.partitions(key)
    return taking.heirs(key) if kind in _TO_HEIRS else []


def _is_inherited(taking: Taking, made: Any) -> bool:
    """Tell whether the heirs are locked too: for NOT NULL and CHECK, and since 18 for any."""
    if made.contype in (_Kind.CONSTR_CHECK, _Kind.CONSTR_NOTNULL) and not made.is_no_inherit:
        return True
    return taking.at_least(18) or made.contype == _Kind.CONSTR_PRIMARY


# ---------------------------------------------------------------- what else is locked


def references(taking: Taking, child: Key, made: Any, *, scans: bool) -> None:
    """Note the lock on the table that a foreign key's Constraint node refers to."""
    target = taking.key(made.pktable)
    if target != child:
        work = Work.SCAN if scans else Work.MOMENT
        taking.take_all(target, Mode.SHARE_ROW_EXCLUSIVE, work)


def _beside_column(taking: Taking, table: Table, command: Any) -> None:
    if working.is_there(table, command):
        return
    column = reading.column(command.def_, taking.schema)
    enforced = list(working.enforced(command.def_))
    for part in command.def_.constraints or ():
        if part.contype == _Kind.CONSTR_FOREIGN:
            scans = column.default is not None and part in enforced
            references(taking, table.key, part, scans=scans)


def _beside_constraint(taking: Taking, table: Table, command: Any) -> None:
    node = command.def_
    if node.contype != _Kind.CONSTR_FOREIGN:
        return
    references(taking, table.key, node, scans=working.is_validated(node))
    columns, target = tuple(part.sval for part in node.fk_attrs or ()), taking.key(node.pktable)
    made = Constraint(name="", kind="f", columns=columns, target=target)
    if any(partitions.adopts(part, made) for part in taking.partitions(table.key)):
        taking.take_all(target, Mode.ACCESS_EXCLUSIVE)


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
