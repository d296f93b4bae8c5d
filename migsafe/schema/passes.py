"""In which order the server does the commands of one ALTER TABLE. Pure."""

from typing import Any

from pglast import enums

_Change = enums.AlterTableType
_Kind = enums.ConstrType

_FIRST, _INDEXES, _OTHERS, _LAST = 0, 5, 6, 7

#: AlterTablePass and ATPrepCmd of tablecmds.c.
_PASSES = {
    _Change.AT_DropColumn: _FIRST,
    _Change.AT_DropConstraint: _FIRST,
    _Change.AT_DropNotNull: _FIRST,
    _Change.AT_DropExpression: _FIRST,
    _Change.AT_DropIdentity: _FIRST,
    _Change.AT_AlterColumnType: 1,
    _Change.AT_AddColumn: 2,
    _Change.AT_SetExpression: 3,
    _Change.AT_SetNotNull: 4,
    _Change.AT_AddIndex: _INDEXES,
    _Change.AT_AddIdentity: _OTHERS,
}


def number(command: Any) -> int:
    """Return the pass of a command (an AlterTableCmd); those of one pass are done as written."""
    if command.subtype == _Change.AT_AddConstraint:
        keys = (_Kind.CONSTR_PRIMARY, _Kind.CONSTR_UNIQUE, _Kind.CONSTR_EXCLUSION)
        return _INDEXES if command.def_.contype in keys else _OTHERS
    if command.subtype == _Change.AT_ColumnDefault:
        return _FIRST if command.def_ is None else _OTHERS
    return _PASSES.get(command.subtype, _LAST)
