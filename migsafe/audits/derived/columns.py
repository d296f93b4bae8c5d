"""Questions that new, changed and dropped columns raise about the rows that are there. Pure."""

from collections.abc import Iterator
from typing import Any

from msgspec import structs
from pglast import ast, enums

from migsafe.audits.derived import constraints, values
from migsafe.audits.derived.names import Rows, is_null, never_null, raises, swapped, text
from migsafe.audits.derived.walking import Draft, Walk
from migsafe.findings import Severity
from migsafe.schema import Column, Domain, Table, Type, casts, expressions, reading

_Kind = enums.ConstrType


# ---------------------------------------------------------------- ADD COLUMN


def added(walk: Walk, table: Table, node: Any, *, recurses: bool) -> Iterator[Draft]:
    """Ask what ADD COLUMN needs of the rows: that there be none, or that its value be right."""
    column = reading.column(node, walk.schema)
    value = values.of_new(walk, table, column, node)
    only = walk.only(table, recurses=recurses)
    rows = walk.rows(table, {column.name: value})
    if column.generated:
        yield from generated(walk, rows, column, only=only)
    elif not (reading.is_serial(node) or column.identity):
        yield from _filled(walk, rows, column, only=only)
    elif column.type.name == "int2":
        yield _too_many(rows, column)
    numbered = reading.is_serial(node) or column.identity or values.numbers(column)
    for part in node.constraints or ():
        yield from _inline(walk, rows, part, column, recurses=recurses, numbered=numbered)
    values.add(walk, table, column, value, numbered=numbered)


def _filled(walk: Walk, rows: Rows, column: Column, *, only: bool) -> Iterator[Draft]:
    """Ask for any row where the new column has no value that it could have."""
    domain = walk.schema.typed(column.type, walk.schema.domains)
    below = list(casts.domains(column.type, walk.schema))
    default = expressions.tree(column.default)
    if column.default is None or is_null(default):
        if column.not_null or any(one.not_null for one in below):
            name = "add-column-domain-not-null" if domain else "add-column-required-non-empty"
            yield _any_row(rows, column, name, only=only)
        elif domain and any(one.constrained for one in below):
            # A check may refuse NULL.
            null = structs.replace(rows, values={column.name: expressions.tree("NULL")})
            yield from in_domain(walk, null, column.name, column.type, domain, only=only)
    elif domain and any(one.constrained for one in below):
        yield from in_domain(walk, rows, column.name, column.type, domain, only=only)
    elif column.not_null and not never_null(default):
        yield from constraints.not_null(
            walk, rows, column.name, only=only, name="add-column-required-non-empty"
        )


def _too_many(rows: Rows, column: Column) -> Draft:
    return Draft(
        name="add-column-required-non-empty",
        what=f"of {rows.table.key}, more than smallint has numbers for {column.name}",
        rows=rows,
        query=lambda: f"SELECT count(*) FROM {rows.source()} AS t HAVING count(*) > 32767",
        shows=False,
        noun="set of rows",
        remedy="Number them with integer or bigint.",
    )


def _any_row(rows: Rows, column: Column, name: str, *, only: bool) -> Draft:
    return Draft(
        name=name,
        what=f"of {rows.table.key}, which would have no {column.name}",
        rows=rows,
        only=only,
        offends=lambda: "true",
        remedy="Add it with a default, or without NOT NULL and fill it before SET NOT NULL.",
    )


def in_domain(
    walk: Walk, rows: Rows, name: str, type_: Type, domain: Domain, *, only: bool
) -> Iterator[Draft]:
    """Ask for values that a domain refuses."""
    below = list(casts.domains(type_, walk.schema))
    if any(one.not_null for one in below):
        yield from constraints.not_null(
            walk, rows, name, only=only, name="add-column-domain-not-null"
        )
    if any(one.checks for one in below):
        yield Draft(
            name="type-int-to-domain",
            what=f"of {name} in {rows.table.key} refused by the domain {type_}",
            noun="value",
            rows=rows,
            only=only,
            offends=lambda: refused_by(walk, domain, rows.column(name)),
            reads=(name,),
            tries=True,
        )


def refused_by(walk: Walk, domain: Domain, value: str) -> str:
    """Return the condition that a value (SQL) is refused by a check of a domain, or one below."""
    base = walk.names.type_(casts.base(domain.base, walk.schema))
    refusals = []
    inner: Any = domain
    while inner is not None:
        for check in inner.checks.values():
            given = f"CAST({value} AS {base})"
            refusals.append(f"NOT ({value_in(walk, check, given)})")
        inner = walk.schema.typed(inner.base, walk.schema.domains)
    return " OR ".join(refusals)


def value_in(walk: Walk, check: Any, value: str) -> str:
    """Return a domain's check with an expression (SQL) in the place of VALUE."""
    given = expressions.tree(value)

    def swap(node: Any) -> Any:
        if isinstance(node, ast.ColumnRef):
            return given
        return walk.names.checked(node)

    return text(swapped(expressions.tree(check), swap))


def generated(walk: Walk, rows: Rows, column: Column, *, only: bool) -> Iterator[Draft]:
    """Ask for rows whose generated value is an error, or NULL where that may not be."""
    if column.generated == "s":
        yield Draft(
            name="generated-column-expr-error",
            what=f"of {rows.table.key} for which {column.name} raises an error",
            rows=rows,
            query=lambda: tried(rows, rows.column(column.name), only=only),
            reads=tuple(reading.names_in(expressions.tree(column.default))),
            tries=True,
            proof=None if _may_fail(column) else "its expression raises no error",
        )
    if column.not_null:
        yield from constraints.not_null(
            walk, rows, column.name, only=only, name="generated-column-not-null"
        )


def _may_fail(column: Column) -> bool:
    return raises(expressions.tree(column.default)) or column.type.name != "text"


def tried(rows: Rows, value: str, *, only: bool) -> str:
    """Return the query that computes a value (SQL) for each row, and does not look at it."""
    return f"SELECT {value} AS tried FROM {rows.source(only=only)} AS t"


_NAMES = {"c": "add-column-default-violates-check", "f": "add-column-default-not-in-parent"}


def _inline(
    walk: Walk, rows: Rows, part: Any, column: Column, *, recurses: bool, numbered: bool
) -> Iterator[Draft]:
    """Ask what a constraint written with the column needs of it: NULL passes most of them."""
    if part.contype in (_Kind.CONSTR_NOTNULL, _Kind.CONSTR_DEFAULT) or part.skip_validation:
        return
    empty = column.default is None and not column.identity and not column.generated
    may_be_null = part.contype in (_Kind.CONSTR_UNIQUE, _Kind.CONSTR_FOREIGN)
    if empty and may_be_null and not part.nulls_not_distinct:
        return
    for draft in constraints.constraint(walk, rows, part, recurses=recurses):
        if part.contype == _Kind.CONSTR_PRIMARY and (numbered or draft.name.endswith("-null")):
            continue
        if part.contype == _Kind.CONSTR_UNIQUE and numbered:
            continue
        yield _renamed(draft, part)


def _renamed(draft: Draft, part: Any) -> Draft:
    kind = {_Kind.CONSTR_CHECK: "c", _Kind.CONSTR_FOREIGN: "f"}.get(part.contype, "")
    return structs.replace(draft, name=_NAMES.get(kind, draft.name))


# ---------------------------------------------------------------- the rest


def dropped(walk: Walk, table: Table, name: str, *, recurses: bool) -> Iterator[Draft]:
    """Ask how many values a dropped column takes along."""
    rows = walk.rows(table)
    column = table.columns.get(name)
    if column is None or column.generated or column.live is None:
        return
    yield Draft(
        name="drop-column-data",
        what=f"of {name} in {table.key} that would be lost",
        rows=rows,
        only=walk.only(table, recurses=recurses),
        offends=lambda: f"{rows.column(name)} IS NOT NULL",
        reads=(name,),
        severity=Severity.WARNING,
        noun="value",
        shows=False,
        remedy="Keep them elsewhere before the statement, or be sure that nobody needs them.",
    )


def identity(walk: Walk, table: Table, command: Any) -> Iterator[Draft]:
    """Ask for rows that have the numbers with which a new identity begins."""
    options = {item.defname: item.arg for item in command.def_.options or ()}
    start = getattr(options.get("start"), "ival", 1)
    step = getattr(options.get("increment"), "ival", 1)
    if step < 1 or _set_later(walk):
        return
    rows = walk.rows(table)
    yield Draft(
        name="identity-behind-max",
        what=f"of {table.key} with a {command.name} that the identity will give again",
        rows=rows,
        only=True,
        offends=lambda: f"{rows.column(command.name)} >= {int(start)}",
        reads=(command.name,),
        severity=Severity.ERROR if _inserts_later(walk, table) else Severity.WARNING,
        remedy="Write START WITH a number above the largest, or setval behind the statement.",
    )


def _set_later(walk: Walk) -> bool:
    """Tell whether a later statement of the migration puts the sequence forward."""
    later = [s for s in walk.unit.statements if s.index > walk.statement.index]
    return any("setval" in s.text.lower() or "restart" in s.text.lower() for s in later)


def _inserts_later(walk: Walk, table: Table) -> bool:
    """Tell whether the migration itself takes a number from the sequence."""
    later = (s.node for s in walk.unit.statements if s.index > walk.statement.index)
    return any(
        isinstance(node, ast.InsertStmt) and walk.schema.find(node.relation) is table
        for node in later
    )
