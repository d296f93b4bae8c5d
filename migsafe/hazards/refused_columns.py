"""Hazards of changes to columns that PostgreSQL refuses, whatever rows there are."""

from collections.abc import Iterator
from typing import Any

from pglast import ast, enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, columns, dropped, retyped
from migsafe.schema import Schema, Table, Type, casts, expressions, reading
from migsafe.sql import Statement

_Change = enums.AlterTableType

_MANUAL = "https://www.postgresql.org/docs/current"


# ---------------------------------------------------------------- casts


def _cast(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    found = retyped.change(node, statement, context)
    if found is None:
        return
    problem = (
        _serial(node, found)
        or _no_explicit_cast(found, context.schema)
        or _no_assignment_cast(found, context.schema)
        or _no_cast_of_default(found, statement, context.schema)
    )
    if problem:
        yield Hit(problem, found.table, Severity.ERROR)
    elif not context.schema.complete and not context.fresh(found.table):
        yield from _unreadable(found, context.schema)


def _serial(node: Any, found: retyped.Change) -> str | None:
    if not reading.is_serial(node.def_):
        return None
    return f"fails (42704): serial is no type that {found} could be given, only a word in CREATE"


def _no_explicit_cast(found: retyped.Change, schema: Schema) -> str | None:
    for step in found.steps():
        if step.explicit and casts.castable(step.old, step.new, schema, explicit=True) is False:
            return f"fails (42846): there is no cast from {step.old} to {step.new} for {found}"
    return None


def _no_assignment_cast(found: retyped.Change, schema: Schema) -> str | None:
    old = _result(found)
    if old is None or casts.castable(old, found.new, schema, explicit=False) is not False:
        return None
    remedy = "without USING" if found.using is None else "by itself after USING"
    return (
        f"fails (42804), even on an empty table: {old} does not become {found.new} for {found} "
        f"{remedy}"
    )


def _result(found: retyped.Change) -> Type | None:
    """Return the type that is assigned to the column: the old one, or that of USING."""
    if isinstance(found.using, ast.TypeCast):
        return reading.type_of(found.using.typeName)
    return found.column.type if found.column and found.casts is not None else None


def _no_cast_of_default(found: retyped.Change, statement: Statement, schema: Schema) -> str | None:
    """Say where the default is in the way: it is cast too, and USING does not serve it.

    DROP DEFAULT runs before the change where it stands in the same statement, SET DEFAULT after.
    """
    defaults = columns.siblings(statement, _Change.AT_ColumnDefault)
    dropped_first = any(one.name == found.name and one.def_ is None for one in defaults)
    if found.column is None or found.column.generated or dropped_first:
        return None
    old = _type_of_default(found.column.default, found.column.type)
    if old is None or casts.castable(old, found.new, schema, explicit=False) is not False:
        return None
    return (
        f"fails (42804), even on an empty table: the default of {found} does not become "
        f"{found.new} by itself; drop it first and set it anew"
    )


def _type_of_default(default: Any, column: Type) -> Type | None:
    """Return the type of a default before it is assigned, None where it is not plain."""
    if columns.is_null(default) or default == "nextval":
        return None
    node = expressions.tree(default)
    if isinstance(node, ast.TypeCast):
        return reading.type_of(node.typeName)
    value = getattr(node, "val", None) if isinstance(node, ast.A_Const) else None
    for kind, name in ((ast.Integer, "int4"), (ast.Float, "numeric"), (ast.Boolean, "bool")):
        if isinstance(value, kind):
            return Type(None, name)
    return column if isinstance(value, ast.String) else None


def _unreadable(found: retyped.Change, schema: Schema) -> Iterator[Hit]:
    """Yield a cast that reads values from text; where there is a target, its rows are asked.

    Of an enum to an enum only the labels matter, and another rule speaks of those.
    """
    steps = found.steps()
    if steps and schema.typed(steps[0].old, schema.enums) and schema.typed(found.new, schema.enums):
        return
    for step in steps:
        old, new = casts.base(step.old, schema), casts.base(step.new, schema)
        known = casts.castable(old, new, schema, explicit=step.explicit)
        if known and old.name in casts.STRINGS and new.name not in casts.STRINGS:
            message = f"fails at the first value of {found} that is no {step.new}"
            yield Hit(message, found.table, Severity.WARNING)
            return


# ---------------------------------------------------------------- dependents


def _dependents(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    table = columns.table(statement, context)
    drops = node.subtype == _Change.AT_DropColumn
    if table is None or (drops and dropped.cascades(node)):
        return
    if drops and table.known and node.name not in table.columns:
        return  # IF EXISTS has nothing to drop, or the statement fails for that
    verb = "dropping" if drops else "another type of"
    what = f"{verb} {node.name} of {table.key}"
    certain, likely = _needing(table, node.name, context.schema, drops=drops)
    code = "2BP01" if drops else "0A000"
    if node.name in table.partition_key:
        yield Hit(f"fails (42P16): {table.key} is partitioned by {node.name}", table)
    elif certain:
        message = f"fails ({code}): {what} is refused because of {', '.join(certain)}"
        yield Hit(message, table)
    elif likely:
        message = (
            f"fails ({code}) where {' or '.join(likely)} needs it, which is not known: {what} is "
            "refused then"
        )
        yield Hit(message, table, Severity.WARNING)


def _needing(
    table: Table, name: str, schema: Schema, *, drops: bool
) -> tuple[list[str], list[str]]:
    """Return what needs a column for certain, and what may need it.

    Which columns a view of the catalog needs is known. The text of another one names columns
    without their tables, so that it is certain only where it can mean no other.
    """
    certain: list[str] = []
    likely: list[str] = []
    for view, needed in table.readers.items():
        if name in needed or not needed:
            sure = _is_plain(schema.tables.get(view), name)
            (certain if sure else likely).append(f"the view {view}")
    for column in table.columns.values():
        if column.generated and name in reading.names_in(expressions.tree(column.default)):
            certain.append(f"the generated column {column.name}")
    if drops:
        certain += _keys_to(table, name, schema)
    elif table.policies:
        likely += [f"the policy {policy}" for policy in sorted(table.policies)]
    return certain, likely


#: What gives a query names that are not those of its table's columns.
_NAMING = (ast.RangeSubselect, ast.CommonTableExpr, ast.RangeFunction, ast.SubLink)


def _is_plain(view: Table | None, name: str) -> bool:
    """Tell whether a view has no name of a column but those of one table."""
    if view is None or view.query is None:
        return view is not None and view.live is not None
    relations = list(expressions.nodes(view.query, ast.RangeVar))
    named = (one.name for one in expressions.nodes(view.query, ast.ResTarget))
    return (
        len(relations) == 1
        and name not in named
        and not any(True for _ in expressions.nodes(view.query, _NAMING))
    )


def _keys_to(table: Table, name: str, schema: Schema) -> list[str]:
    """Return the foreign keys of other tables whose target the column is a part of."""
    primary = next((one.columns for one in table.constraints.values() if one.kind == "p"), ())
    return [
        f"the foreign key {made.name} of {other.key}"
        for other, made in schema.referrers(table.key)
        if other.key != table.key and name in (made.target_columns or primary)
    ]


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS337",
        name="column-has-dependents",
        severity=Severity.ERROR,
        on=(_Change.AT_AlterColumnType, _Change.AT_DropColumn),
        check=_dependents,
        fails="0A000",
        spares_new=False,
        summary="a column that a view or a generated column needs cannot be dropped or retyped",
        why="Views hold the columns they read by number and type, so PostgreSQL refuses to give "
        "one another type (0A000), and to drop it without CASCADE (2BP01). The same is so of "
        "generated columns, policies and partition keys. Functions whose bodies are text are not "
        "noticed: they fail when they run. Measured on PostgreSQL 11 to 18.",
        remedy="Drop the view, change the column, and make the view again, in one transaction.",
        source=f"{_MANUAL}/ddl-depend.html",
    ),
    Rule(
        code="MS411",
        name="change-column-type-cast-fails",
        severity=Severity.ERROR,
        on=(_Change.AT_AlterColumnType,),
        check=_cast,
        fails="42804",
        spares_new=False,
        summary="there is no cast that could give the column its new type",
        why="Without USING a value becomes one of the new type by an assignment cast, of which "
        "PostgreSQL has few: text becomes neither a number nor a date, a uuid, json or an enum by "
        "itself, and boolean no number. The statement then fails even on an empty table. The "
        "column's default has to become one too, and USING does not serve it. With USING and a "
        "cast from text, it fails at the first value that cannot be read.",
        remedy="Say how with USING; drop the default in the same statement and set it anew; look "
        "for values that cannot be read before.",
        source=f"{_MANUAL}/sql-createcast.html",
    ),
)
