"""Questions that new, changed and dropped columns raise about the rows that are there. Pure."""

from collections.abc import Iterator
from typing import Any

from msgspec import structs
from pglast import ast, enums

from migsafe.audits.derived import constraints, numbers, values
from migsafe.audits.derived.conversions import misfits
from migsafe.audits.derived.names import (
    Rows,
    Unknown,
    distinct,
    is_null,
    joined,
    never_null,
    raises,
    swapped,
    text,
)
from migsafe.audits.derived.walking import Draft, Walk
from migsafe.findings import Severity
from migsafe.schema import Column, Domain, Table, Type, casts, expressions, reading

_Kind = enums.ConstrType


# ---------------------------------------------------------------- ADD COLUMN


def added(walk: Walk, table: Table, node: Any, *, recurses: bool) -> Iterator[Draft]:
    """Ask what ADD COLUMN needs of the rows: that there be none, or that its value be right."""
    name = node.colname
    heirs = list(walk.schema.children(table.key)) if recurses else []
    if not any(name in heir.columns for heir in heirs):
        yield from _added(walk, table, node, recurses=recurses)
        return
    for one in (table, *heirs):
        if name in one.columns:
            yield from _merged(walk, one, node)
        else:
            yield from _added(walk, one, node, recurses=False, inherits=one is not table)


def _added(
    walk: Walk, table: Table, node: Any, *, recurses: bool, inherits: bool = False
) -> Iterator[Draft]:
    """Ask it of a table; one that `inherits` the column gets its checks only."""
    column = reading.column(node, walk.schema)
    value = values.of_new(walk, table, column, node)
    only = walk.only(table, recurses=recurses)
    rows = walk.rows(table, {column.name: value})
    if column.generated:
        yield from generated(walk, rows, column, only=only)
    elif not (reading.is_serial(node) or column.identity):
        yield from _filled(walk, rows, column, only=only)
    yield from numbers.enough(walk, rows, column, node)
    numbered = numbers.distinct(column, node)
    for part in node.constraints or ():
        if not inherits or part.contype == _Kind.CONSTR_CHECK:
            yield from _inline(walk, rows, part, column, recurses=recurses, numbered=numbered)
    values.add(walk, table, column, value, numbered=numbered)


#: The first version in which a merged column gets the NOT NULL of its parent.
_NOT_NULL_INHERITED = 18


def _merged(walk: Walk, heir: Table, node: Any) -> Iterator[Draft]:
    """Ask what ADD COLUMN on a parent needs of an heir's own column: it keeps its values."""
    column = reading.column(node, walk.schema)
    rows = walk.rows(heir)
    if column.not_null and (walk.schema.version or 0) >= _NOT_NULL_INHERITED:
        yield from constraints.not_null(walk, rows, column.name, only=True)
    for part in node.constraints or ():
        checks = part.contype == _Kind.CONSTR_CHECK and not part.is_no_inherit
        if checks and not part.skip_validation:
            for draft in constraints.constraint(walk, rows, part, recurses=False):
                yield _renamed(draft, part)
    walk.merged.append((heir, heir.columns[column.name]))


def _filled(walk: Walk, rows: Rows, column: Column, *, only: bool) -> Iterator[Draft]:
    """Ask for any row where the new column has no value that it could have."""
    domain = walk.schema.typed(column.type, walk.schema.domains)
    below = list(casts.domains(column.type, walk.schema))
    default = expressions.tree(column.default)
    if default is not None and (fits := _fits(walk, column, default)) is not True:
        draft = _longer(walk, rows, column, "type-varchar-shrink", only=only)
        # The server computes a constant although there is no row.
        why = f"the default of {column.name} is longer than {column.type}"
        yield structs.replace(draft, refuted=why if fits is False else None)
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


#: Types of which a CAST cuts a value that an assignment refuses.
_CUT = ("varchar", "bpchar", "bit", "varbit")

#: The longest text of a function that gives each row another value: that of a uuid.
_UUID = 36


def _is_cut(walk: Walk, column: Column) -> bool:
    base = casts.base(column.type, walk.schema)
    return bool(base.mods) and base.name in _CUT


def _fits(walk: Walk, column: Column, default: Any) -> bool | None:
    """Tell whether a default fits a column by what is written; None where its value decides."""
    base = casts.base(column.type, walk.schema)
    same = isinstance(default, ast.TypeCast) and reading.type_of(default.typeName) == base
    if not _is_cut(walk, column) or is_null(default) or same:
        return True
    if distinct(default) and base.mods[0] >= _UUID:
        return True
    written = _written(default)
    if written is None or base.array:
        return True if written == "{}" else None
    if base.name == "bit":
        return len(written) == base.mods[0]
    return not written[base.mods[0] :].strip(" ")


def _written(tree: Any) -> str | None:
    """Return a constant as the text that is written, None where it is another expression."""
    while isinstance(tree, ast.TypeCast) and reading.type_of(tree.typeName).name in _AS_WRITTEN:
        tree = tree.arg
    if isinstance(tree, ast.A_ArrayExpr):
        return None if tree.elements else "{}"
    if isinstance(getattr(tree, "val", None), ast.BitString):
        return str(tree.val.bsval)[1:] if tree.val.bsval[0] == "b" else None
    return getattr(getattr(tree, "val", None), "sval", None)


_AS_WRITTEN = ("text", "varchar", "bpchar")


def _longer(walk: Walk, rows: Rows, column: Column, name: str, *, only: bool) -> Draft:
    """Ask for values that are longer than the column, of an expression that is assigned to it."""
    base = casts.base(column.type, walk.schema)
    text_ = Type(None, "text") if base.name in ("varchar", "bpchar") and not base.array else None

    def offends() -> str:
        expression = expressions.tree(column.default)
        if expressions.volatility(expression, walk.schema) == "v":
            raise Unknown("each call gives another value")
        value, target = f"({rows.expression(expression)})", walk.names.type_(column.type)
        found = misfits(value, text_, column.type, target, walk.schema, explicit=False)
        conditions = [one.condition for one in found if one.condition]
        if not conditions:
            raise Unknown(f"nobody can tell which of these values {column.type} holds")
        return joined(conditions, "OR")

    return Draft(
        name=name,
        what=f"of {rows.table.key} whose {column.name} would be too long for {column.type}",
        rows=rows,
        only=only,
        offends=offends,
        reads=tuple(reading.names_in(expressions.tree(column.default))),
        tries=True,
        remedy="Choose a longer type, or cut the value in the expression.",
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
            proof=None if _may_fail(rows.table, column) else "its expression raises no error",
        )
    if _is_cut(walk, column):
        yield _longer(walk, rows, column, "generated-column-expr-error", only=only)
    if column.not_null:
        yield from constraints.not_null(
            walk, rows, column.name, only=only, name="generated-column-not-null"
        )


def _may_fail(table: Table, column: Column) -> bool:
    as_it_is = column.type.name == "text" and not column.type.array
    return not as_it_is or raises(expressions.tree(column.default), table)


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
