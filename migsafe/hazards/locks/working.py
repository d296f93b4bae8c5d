"""What a subcommand of ALTER TABLE does to a table under its lock, if it is no moment. Pure."""

from collections.abc import Callable, Iterator
from typing import Any

from pglast import ast, enums, parse_sql
from pglast.parser import ParseError

from migsafe.hazards.locks import retyping
from migsafe.hazards.locks.taking import Taking, Work
from migsafe.schema import Constraint, Schema, Table, casts, expressions, reading

_Change = enums.AlterTableType
_Kind = enums.ConstrType


def work(taking: Taking, table: Table, command: Any, *, heir: bool) -> Work:
    """Return the longest work; an heir gets columns and checks, but no key of its own."""
    if heir and command.subtype == _Change.AT_AddConstraint:
        return _adds_to_heir(taking, table, command)
    found = _WORK.get(command.subtype)
    return found(taking, table, command) if found else Work.MOMENT


def _adds_to_heir(taking: Taking, heir: Table, command: Any) -> Work:
    made = command.def_
    if made.contype in (_Kind.CONSTR_CHECK, _Kind.CONSTR_NOTNULL):
        alone = made.is_no_inherit
        return Work.MOMENT if alone else _adds_constraint(taking, heir, command)
    columns = [part.sval for part in made.keys or ()]
    looks = made.contype == _Kind.CONSTR_PRIMARY and not all(
        proves_not_null(taking, heir, column) for column in columns
    )
    return Work.SCAN if looks else Work.MOMENT


def _adds_column(taking: Taking, table: Table, command: Any) -> Work:
    if is_there(table, command):
        return Work.MOMENT
    column = reading.column(command.def_, taking.schema)
    computed = column.generated == "s" or column.identity or reading.is_serial(command.def_)
    if (
        computed
        or _is_filled(taking, column.default, column.generated)
        or _is_checked(taking, column)
    ):
        return Work.REWRITE
    parts = {part.contype for part in enforced(command.def_)}
    if _Kind.CONSTR_UNIQUE in parts or _Kind.CONSTR_PRIMARY in parts:
        return Work.BUILD
    if _Kind.CONSTR_CHECK in parts:
        return Work.SCAN
    if column.default is None or column.generated == "v":
        return Work.SCAN if column.not_null else Work.MOMENT
    return Work.SCAN if _Kind.CONSTR_FOREIGN in parts else Work.MOMENT


def enforced(definition: Any) -> Iterator[Any]:
    """Yield the constraints of a new column that hold its rows to something."""
    for part, attributes in reading.inline(definition):
        if _Kind.CONSTR_ATTR_NOT_ENFORCED not in attributes:
            yield part


def is_there(table: Table, command: Any) -> bool:
    """Tell whether ADD COLUMN IF NOT EXISTS finds its column."""
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
    return any(domain.constrained for domain in casts.domains(column.type, taking.schema))


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
