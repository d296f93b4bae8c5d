"""Questions of ALTER COLUMN … TYPE and SET EXPRESSION: what becomes of the values. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import structs
from pglast import ast

from migsafe.audits.derived import columns, constraints, conversions, dependents, values
from migsafe.audits.derived.conversions import Misfit, keeps_distinct, misfits
from migsafe.audits.derived.dependents import Turn
from migsafe.audits.derived.names import Rows, Unknown, called
from migsafe.audits.derived.walking import Draft, Walk
from migsafe.findings import Severity
from migsafe.schema import Column, Enum, Table, Type, casts, reading


def retyped(
    walk: Walk, table: Table, commands: Sequence[Any], *, recurses: bool
) -> Iterator[Draft]:
    """Ask what becomes of the values; all USING of one statement see the old ones."""
    only = walk.only(table, recurses=recurses)
    found = [(c, table.columns[c.name]) for c in commands if c.name in table.columns]
    after = {column.name: values.of_retyped(walk, table, column, c) for c, column in found}
    rows = walk.rows(table, after)
    for command, column in found:
        yield from _retyped(walk, rows, column, command, only=only)
    for column_name, value in after.items():
        values.set_(walk, table, column_name, value)


def _retyped(
    walk: Walk, rows: Rows, column: Column, command: Any, *, only: bool
) -> Iterator[Draft]:
    schema, table = walk.schema, rows.table
    new, using = reading.type_of(command.def_.typeName), command.def_.raw_default
    plain = _is_cast(column, using)
    cast = plain and reading.type_of(using.typeName) == new
    source = column.type if using is None or cast else None
    given = column.type if using is None else _type_of(table, using)
    if given and casts.castable(given, new, schema, explicit=False) is False:
        yield _no_cast(rows, column if using is None else None, given, new)
        return
    enum = schema.typed(new, schema.enums)
    if enum and not new.array and not _same_type(column.type, new):
        yield from _to_enum(walk, rows, column, command, enum, only=only)
    else:
        for misfit in _misfits(walk, rows, column, command, source, explicit=cast):
            draft = _misfit(rows, column, misfit, only=only)
            # A VIRTUAL column is not computed before a query reads it.
            virtual = column.generated == "v"
            yield structs.replace(draft, severity=Severity.WARNING) if virtual else draft
    domain = schema.typed(new, schema.domains)
    constrained = any(one.constrained for one in casts.domains(new, schema))
    if domain and constrained and not _same_type(column.type, new):
        yield from columns.in_domain(walk, rows, column.name, new, domain, only=only)
    # The null of jsonb becomes NULL from PostgreSQL 18 on.
    if using is not None and (not plain or casts.base(column.type, schema).name == "jsonb"):
        yield from _emptied(walk, rows, column, only=only)
    turn = _turn(walk, column, command, source)
    yield from dependents.again(walk, rows, column, turn, only=only)


def _emptied(walk: Walk, rows: Rows, column: Column, *, only: bool) -> Iterator[Draft]:
    """Ask for NULLs that USING makes, in each table that refuses them."""
    name = "type-change-null"
    if column.not_null:
        yield from constraints.not_null(walk, rows, column.name, only=only, name=name)
        return
    for heir in walk.members(rows.table, only=only)[1:]:
        if (own := heir.columns.get(column.name)) and own.not_null:
            there = structs.replace(rows, table=heir)
            yield from constraints.not_null(walk, there, column.name, only=True, name=name)


def _same_type(old: Type, new: Type) -> bool:
    return (old.name, old.array) == (new.name, new.array) and None in (old.schema, new.schema)


def _turn(walk: Walk, column: Column, command: Any, source: Type | None) -> Turn:
    schema, new = walk.schema, reading.type_of(command.def_.typeName)
    if source is None or values.recollated(column, command.def_.collClause):
        return Turn(merges=True, changes=True, alike=False, new=new)
    explicit = command.def_.raw_default is not None
    return Turn(
        merges=not keeps_distinct(source, new, schema, explicit=explicit),
        changes=conversions.changes(source, new, schema),
        alike=conversions.alike(source, new, schema),
        new=new,
        trims=conversions.textual(source, new, schema) and casts.overflows(source, new, schema),
    )


def _is_cast(column: Column, using: Any) -> bool:
    """Tell whether USING is nothing but a cast of the column, to whatever type."""
    if not isinstance(using, ast.TypeCast) or not isinstance(using.arg, ast.ColumnRef):
        return False
    fields: Any = using.arg.fields
    return bool(getattr(fields[-1], "sval", None) == column.name)


#: Functions that give text for text.
_TEXTUAL = frozenset(("btrim", "initcap", "lower", "ltrim", "replace", "rtrim", "upper"))


def _type_of(table: Table, using: Any) -> Type | None:
    """Return the type of what USING gives, None where nobody knows it."""
    if isinstance(using, ast.FuncCall) and called(using) in _TEXTUAL and using.args:
        given = values.type_of(table, using.args[0])
        textual = given and not (given.schema or given.array) and given.name in ("text", "varchar")
        return Type(None, "text") if textual else None
    return values.type_of(table, using)


def _no_cast(rows: Rows, column: Column | None, given: Type, new: Type) -> Draft:
    what = f"{column.name} is" if column else "USING gives"
    why = f"{what} {given}, of which no assignment makes {new}"
    return Draft(
        name="type-no-assignment-cast",
        what=why,
        rows=rows,
        refuted=why,
        remedy="Write USING with the expression that converts it.",
    )


def _misfits(
    walk: Walk, rows: Rows, column: Column, command: Any, source: Type | None, *, explicit: bool
) -> Iterator[Any]:
    """Yield misfits; a reason instead of one where the values cannot be put into live names."""
    new, using = reading.type_of(command.def_.typeName), command.def_.raw_default
    before = walk.rows(rows.table)
    try:
        target = walk.names.type_(new)
        value = (
            before.column(column.name) if using is None or explicit else before.expression(using)
        )
    except Unknown as reason:
        yield str(reason)
        return
    if explicit and source is not None:
        yield from misfits(value, source, new, target, walk.schema, explicit=True)
    elif using is not None:
        yield from _of_expression(value, using, new, target, walk)
    else:
        yield from misfits(value, source, new, target, walk.schema, explicit=False)


def _of_expression(value: str, using: Any, new: Type, target: str, walk: Walk) -> Iterator[Misfit]:
    """Yield what to ask of an expression; of a cast the type is known, and so what it loses."""
    yield from misfits(value, None, new, target, walk.schema, explicit=False)
    if isinstance(using, ast.TypeCast):
        given = reading.type_of(using.typeName)
        known = misfits(f"({value})", given, new, target, walk.schema, explicit=False)
        yield from (misfit for misfit in known if misfit.lossy)


def _misfit(rows: Rows, column: Column, found: Any, *, only: bool) -> Draft:
    if isinstance(found, str):
        return Draft(
            name="type-change",
            what=f"of {column.name} in {rows.table.key}",
            noun="value",
            rows=rows,
            offends=dependents.raising(found),
        )
    misfit: Misfit = found
    query = None
    if misfit.tried is not None:
        tried = misfit.tried
        query = lambda: columns.tried(rows, tried, only=only)  # noqa: E731  # one of two thunks
    condition = misfit.condition
    return Draft(
        name=misfit.name,
        what=f"of {column.name} in {rows.table.key} {misfit.what}",
        noun="value",
        rows=rows,
        only=only,
        query=query,
        offends=(lambda: condition) if condition is not None else None,
        reads=(column.name,),
        tries=not misfit.lossy,
        severity=Severity.WARNING if misfit.lossy and not misfit.silent else Severity.ERROR,
        remedy=_LOSSY if misfit.lossy else _MISFIT,
    )


_LOSSY = "Keep what would be lost elsewhere before the statement, or choose a type that holds it."
_MISFIT = "Correct these values before the statement, or write USING so that it converts them."


def _to_enum(
    walk: Walk, rows: Rows, column: Column, command: Any, enum: Enum, *, only: bool
) -> Iterator[Draft]:
    """Ask for values that are no label: by their text, since the new type may not be there yet."""
    new, using = reading.type_of(command.def_.typeName), command.def_.raw_default
    narrowed = walk.schema.typed(column.type, walk.schema.enums) is not None

    def offends() -> str:
        label = values.as_label(walk, rows.table, column, using, new)
        allowed = ", ".join(values.quoted_label(item) for item in enum.labels)
        return f"{label} IS NOT NULL AND {label} <> ALL (ARRAY[{allowed}]::text[])"

    yield Draft(
        name="enum-narrow" if narrowed else "type-text-to-enum",
        what=f"of {column.name} in {rows.table.key} without a label in the new type",
        noun="value",
        rows=rows,
        only=only,
        offends=offends,
        reads=(column.name,),
        tries=True,
        remedy="Map these values to labels in USING, or add the labels.",
    )


def regenerated(walk: Walk, table: Table, command: Any, *, recurses: bool) -> Iterator[Draft]:
    """Ask what SET EXPRESSION needs of the rows."""
    column = table.columns.get(command.name)
    if column is None or not column.generated:
        return
    value = values.computed(walk, table, column, command.def_)
    rows, only = walk.rows(table, {column.name: value}), walk.only(table, recurses=recurses)
    changed = structs.replace(column, default=command.def_)
    if column.generated == "v" and any(one.kind == "c" for one in table.constraints.values()):
        yield _refused(rows, column)
        return
    yield from columns.generated(walk, rows, changed, only=only)
    turn = Turn(merges=True, changes=True, alike=False, new=column.type)
    yield from dependents.again(walk, rows, column, turn, only=only)
    values.set_(walk, table, column.name, value)


def _refused(rows: Rows, column: Column) -> Draft:
    why = f"{column.name} is VIRTUAL, and {rows.table.key} has checks: its expression has to stay"
    return Draft(
        name="generated-column-expr-error",
        what=why,
        rows=rows,
        refuted=why,
        remedy="Drop the checks before, and add them again behind it.",
    )
