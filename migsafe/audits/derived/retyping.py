"""Questions of ALTER COLUMN … TYPE and SET EXPRESSION: what becomes of the values. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

from pglast import ast

from migsafe.audits.derived import columns, constraints, uniques, values
from migsafe.audits.derived.conversions import Misfit, keeps_distinct, misfits
from migsafe.audits.derived.names import Rows, Unknown
from migsafe.audits.derived.walking import Draft, Walk
from migsafe.findings import Severity
from migsafe.schema import Column, Enum, Table, Type, casts, expressions, reading


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
    cast = _cast_of(column, using)
    source = column.type if using is None or cast else None
    if using is None and casts.castable(column.type, new, schema, explicit=False) is False:
        yield _no_cast(rows, column, new)
        return
    enum = schema.typed(new, schema.enums)
    if enum and not new.array and not _same_type(column.type, new):
        yield from _to_enum(walk, rows, column, using, enum, only=only)
    else:
        for misfit in _misfits(walk, rows, column, command, source, explicit=cast):
            yield _misfit(rows, column, misfit, only=only)
    domain = schema.typed(new, schema.domains)
    constrained = any(one.constrained for one in casts.domains(new, schema))
    if domain and constrained and not _same_type(column.type, new):
        yield from columns.in_domain(walk, rows, column.name, new, domain, only=only)
    if column.not_null and using is not None and not cast:
        yield from constraints.not_null(walk, rows, column.name, only=only, name="type-change-null")
    if source is None or not keeps_distinct(source, new, schema, explicit=cast):
        yield from _rebuilt(walk, rows, column, new, table)
    if source is None or _changes(walk, source, new, explicit=cast):
        yield from _rechecked(walk, rows, column, only=only)


def _same_type(old: Type, new: Type) -> bool:
    return (old.name, old.array) == (new.name, new.array) and None in (old.schema, new.schema)


def _changes(walk: Walk, old: Type, new: Type, *, explicit: bool) -> bool:
    """Tell whether values get other ones, so that what was checked has to be checked again."""
    return not casts.keeps(old, new, walk.schema, utc=False) and not keeps_distinct(
        old, new, walk.schema, explicit=explicit
    )


def _cast_of(column: Column, using: Any) -> bool:
    """Tell whether USING is nothing but a cast of the column."""
    if not isinstance(using, ast.TypeCast) or not isinstance(using.arg, ast.ColumnRef):
        return False
    fields: Any = using.arg.fields
    return bool(getattr(fields[-1], "sval", None) == column.name)


def _no_cast(rows: Rows, column: Column, new: Type) -> Draft:
    why = f"{column.name} is {column.type}, of which no assignment makes {new}"
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
        yield from _of_expression(value, new, target, walk)
    else:
        yield from misfits(value, source, new, target, walk.schema, explicit=False)


def _of_expression(value: str, new: Type, target: str, walk: Walk) -> Iterator[Misfit]:
    """Yield what to ask of an expression whose own type is not known."""
    yield from misfits(value, None, new, target, walk.schema, explicit=False)
    if casts.base(new, walk.schema).name in ("varchar", "bpchar") and not new.array:
        text_ = Type(None, "text")
        yield from misfits(f"({value})", text_, new, target, walk.schema, explicit=False)


def _misfit(rows: Rows, column: Column, found: Any, *, only: bool) -> Draft:
    if isinstance(found, str):
        return Draft(
            name="type-change",
            what=f"of {column.name} in {rows.table.key}",
            noun="value",
            rows=rows,
            offends=_raising(found),
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


def _raising(reason: str) -> Any:
    def offends() -> str:
        raise Unknown(reason)

    return offends


def _to_enum(
    walk: Walk, rows: Rows, column: Column, using: Any, enum: Enum, *, only: bool
) -> Iterator[Draft]:
    """Ask for values that are no label: by their text, since the new type may not be there yet."""
    narrowed = walk.schema.typed(column.type, walk.schema.enums) is not None

    def offends() -> str:
        label = values.as_label(walk, rows.table, column, using)
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


def _rebuilt(walk: Walk, rows: Rows, column: Column, new: Type, table: Table) -> Iterator[Draft]:
    """Ask for values that become equal, below a unique index."""
    name = "type-citext-unique" if new.name == "citext" else "type-change-unique"
    for index in table.indexes.values():
        touched = column.name in (*index.columns, *index.reads)
        if not index.unique or not touched:
            continue
        if None in index.columns:
            yield _untold(rows, column, name, f"the unique index {index.name} has expressions")
            continue
        wanted = uniques.Unique(index.columns, index.predicate, index.nulls_not_distinct)
        yield from uniques.unique(walk, rows, wanted, name)


def _untold(rows: Rows, column: Column, name: str, reason: str) -> Draft:
    """Return a question that nobody can answer."""
    what = f"of {rows.table.key} in conflict over the new {column.name}"
    reads = (column.name,)
    return Draft(name=name, what=what, rows=rows, offends=_raising(reason), reads=reads)


def _rechecked(walk: Walk, rows: Rows, column: Column, *, only: bool) -> Iterator[Draft]:
    """Ask the checks and foreign keys on the column again, of the new values."""
    for made in rows.table.constraints.values():
        if column.name not in made.columns or not made.valid or not made.enforced:
            continue
        if made.kind == "c" and not expressions.proves_not_null(made.expression, column.name):
            yield from constraints.check(
                walk,
                rows,
                made.expression,
                "type-change-check",
                label=f"the check {made.name}",
                only=only,
            )
        elif made.kind == "f":
            yield from constraints.foreign_key(walk, rows, made, "type-change-fk")
        elif made.kind == "x":
            reason = f"the exclusion {made.name} is made anew"
            yield _untold(rows, column, "type-change-unique", reason)
    for other, made in walk.schema.referrers(rows.table.key):
        if column.name in (made.target_columns or constraints.primary(rows.table)):
            reason = f"the foreign key {made.name} of {other.key} is checked anew"
            yield _untold(rows, column, "type-change-fk", reason)


def regenerated(walk: Walk, table: Table, command: Any, *, recurses: bool) -> Iterator[Draft]:
    """Ask what SET EXPRESSION of a stored column needs of the rows."""
    column = table.columns.get(command.name)
    if column is None or column.generated != "s":
        return
    value = values.computed(walk, table, column, command.def_)
    rows = walk.rows(table, {column.name: value})
    changed = Column(name=column.name, type=column.type, default=command.def_, generated="s")
    changed.not_null = column.not_null
    yield from columns.generated(walk, rows, changed, only=walk.only(table, recurses=recurses))
    yield from _rebuilt(walk, rows, column, column.type, table)
    yield from _rechecked(walk, rows, column, only=walk.only(table, recurses=recurses))
    values.set_(walk, table, column.name, value)
