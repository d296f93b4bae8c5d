"""Questions that constraints raise about the rows that are there. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

from pglast import ast, enums

from migsafe.audits.derived import uniques
from migsafe.audits.derived.names import Later, Rows, Unknown, called, joined, quoted
from migsafe.audits.derived.walking import Draft, Walk, primary_key
from migsafe.schema import Constraint, Table, casts, expressions, reading

_Kind = enums.ConstrType


def not_null(
    walk: Walk,
    rows: Rows,
    column: str,
    *,
    only: bool | None,
    name: str = "set-not-null",
    since: int | None = None,
) -> Iterator[Draft]:
    """Ask for NULLs in a column that is to refuse them."""
    yield Draft(
        name=name,
        what=f"of {rows.table.key} with NULL in {column}",
        rows=rows,
        only=only,
        offends=lambda: rows.missing(column),
        reads=(column,),
        since=since,
        proof=_proof(walk, rows, column, only=only),
        remedy="Fill these values in an earlier migration, or in this one before the statement.",
    )


def _proof(walk: Walk, rows: Rows, column: str, *, only: bool | None) -> str | None:
    """Return what proves that a column has no NULL, in heirs and partitions too."""
    if column in rows.values:
        return None
    proofs = [_no_null(walk, one, column) for one in walk.members(rows.table, only=only)]
    return proofs[0] if all(proofs) else None


def _no_null(walk: Walk, table: Table, column: str) -> str | None:
    """Return what proves that a column of a table has no NULL, None where its rows decide."""
    found = table.columns.get(column)
    if found is None:
        return None
    if found.not_null:
        return f"{column} is NOT NULL already"
    for made in table.constraints.values():
        holds = made.kind == "c" and made.valid and made.enforced
        if holds and expressions.proves_not_null(made.expression, column):
            return f"the valid check {made.name} refuses NULL"
    if walk.is_filled(table, column, walk.filled):
        return f"{column} is new, and its default is never NULL"
    return None


# ---------------------------------------------------------------- foreign keys


def foreign_key(
    walk: Walk, rows: Rows, made: Constraint, name: str, *, since: int | None = None
) -> Iterator[Draft]:
    """Ask for rows whose parent is not there."""
    target = walk.schema.tables.get(made.target) if made.target else None
    if target is None:
        return
    columns = made.target_columns or primary(target)
    if target.known and not (columns and target.unique_on(columns)):
        yield _no_target(rows, made, target)
        return
    if _is_period(target, columns):
        yield _covered(rows, made, target, name)
        return
    alone = len(made.columns) == 1
    what = f"of {rows.table.key} whose {', '.join(made.columns)} has no row in {target.key}"
    yield Draft(
        name=name,
        what=what,
        rows=rows,
        query=lambda: _orphans(walk, rows, made, target, columns),
        reads=made.columns,
        also=() if target is rows.table else ((target, tuple(columns)),),
        since=since,
        proof=None if walk.past.unguarded else _kept(rows, made, target, columns),
        remedy="Add the missing rows, or "
        + ("set these to NULL or delete them" if alone else "correct these")
        + " before the statement.",
    )


def primary(table: Table) -> tuple[str, ...]:
    """Return the columns of the primary key, none where there is none."""
    return next((c.columns for c in table.constraints.values() if c.kind == "p"), ())


def _is_period(target: Table, columns: Sequence[str]) -> bool:
    """Tell whether a key of these columns is WITHOUT OVERLAPS, so that PERIOD refers to it."""
    methods = [i.method for i in target.indexes.values() if i.unique and {*i.columns} == {*columns}]
    return "gist" in methods and "btree" not in methods


def _covered(rows: Rows, made: Constraint, target: Table, name: str) -> Draft:
    def query() -> str:
        raise Unknown("several rows may cover a PERIOD together")

    what = f"of {rows.table.key} whose {', '.join(made.columns)} no rows of {target.key} cover"
    return Draft(name=name, what=what, rows=rows, query=query, reads=made.columns)


def _no_target(rows: Rows, made: Constraint, target: Table) -> Draft:
    columns = ", ".join(made.target_columns) or "a primary key"
    why = f"{target.key} has no unique constraint on {columns}, to which {made.name} could refer"
    return Draft(
        name="fk-target-not-unique",
        what=why,
        rows=rows,
        refuted=why,
        also=((target, ()),),
        remedy="Add the unique constraint first.",
    )


def _kept(rows: Rows, made: Constraint, target: Table, columns: Sequence[str]) -> str | None:
    """Return the valid foreign key that says the same, None where there is none."""
    if rows.values:
        return None
    for other in rows.table.constraints.values():
        same = (
            other.kind == "f"
            and other.valid
            and other.enforced
            and other.target == target.key
            and other.columns == made.columns
            and (other.target_columns or primary(target)) == tuple(columns)
            and other.match == made.match
        )
        if same:
            return f"the valid foreign key {other.name} says the same"
    return None


def _orphans(
    walk: Walk, rows: Rows, made: Constraint, target: Table, columns: Sequence[str]
) -> str:
    keys = [
        _as_parent(rows, name, target, there)
        for name, there in zip(made.columns, columns, strict=True)
    ]
    present = [f"{key} IS NOT NULL" for key in keys]
    wanted = joined(present, "OR" if made.match == "f" else "AND")
    shown = ", ".join(f"t.{quoted(name)}" for name, _ in primary_key(rows.table)) or "1"
    begun = f"SELECT {shown} FROM {rows.source(only=rows.table.kind == 'r')} AS t WHERE ({wanted})"
    if target.live is None:
        filled = next(walk.past.since(target, ()), None)
        if filled or target.query is not None:
            raise Later(filled.place if filled else target.made or walk.place)
        return begun
    parents = walk.rows(target)
    equal = joined(
        f"{parents.column(there, 'k')} = {key}" for there, key in zip(columns, keys, strict=True)
    )
    source = parents.source(only=target.kind == "r")
    return f"{begun} AND NOT EXISTS (SELECT FROM {source} AS k WHERE {equal})"


def _as_parent(rows: Rows, name: str, target: Table, there: str) -> str:
    """Return a column as a foreign key compares it: as the type of the parent's column.

    Of a text and a char the operator = ignores no trailing blanks, that of the key does.
    """
    value, parent = rows.column(name), target.columns.get(there)
    own = rows.table.columns.get(name)
    padded = parent is not None and casts.base(parent.type, rows.names.schema).name == "bpchar"
    differs = own is not None and own.type.name in ("text", "varchar")
    return f"CAST({value} AS pg_catalog.bpchar)" if padded and differs else value


# ---------------------------------------------------------------- checks and exclusions


def check(
    walk: Walk,
    rows: Rows,
    expression: Any,
    name: str,
    *,
    label: str,
    only: bool | None,
    since: int | None = None,
) -> Iterator[Draft]:
    """Ask for rows that a CHECK refuses: it lets NULL through, as NOT does."""
    yield Draft(
        name=name,
        what=f"of {rows.table.key} refused by {label}",
        rows=rows,
        only=only,
        offends=lambda: f"NOT ({rows.expression(expression)})",
        reads=tuple(dict.fromkeys(reading.names_in(expressions.tree(expression)))),
        since=since,
        tries=True,
        proof=_checked(walk, rows, expression, only=only),
        remedy="Correct these rows before the statement, or the condition.",
    )


def _checked(walk: Walk, rows: Rows, expression: Any, *, only: bool | None) -> str | None:
    """Return the valid check that says the same, in heirs and partitions too."""
    if rows.values:
        return None
    tree = expressions.tree(expression)
    proofs = [_same_check(one, tree) for one in walk.members(rows.table, only=only)]
    return proofs[0] if all(proofs) else None


def _same_check(table: Table, tree: Any) -> str | None:
    for made in table.constraints.values():
        holds = made.kind == "c" and made.valid and made.enforced
        if holds and expressions.tree(made.expression) == tree:
            return f"the valid check {made.name} says the same"
    return None


def exclusion(rows: Rows, node: Any) -> Iterator[Draft]:
    """Ask for rows that exclude one another."""
    pairs = [(element, operator[-1].sval) for element, operator in node.exclusions or ()]
    yield Draft(
        name="add-exclusion",
        what=f"of {rows.table.key} in conflict with another one",
        rows=rows,
        query=lambda: _conflicts(rows, pairs, node.where_clause),
        tries=True,
        remedy="Correct or delete one row of each pair before the statement.",
    )


_RANGES = frozenset(("int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange"))


def _conflicts(rows: Rows, pairs: Sequence[tuple[Any, str]], predicate: Any) -> str:
    """Return the query for conflicts: for one range among equal values, by sorting.

    Of ranges in order, one that meets any later one meets the next.
    """
    ranges = [e for e, operator in pairs if operator == "&&" and _is_range(rows, e)]
    equal = [e for e, operator in pairs if operator == "="]
    shown = ", ".join(f"t.{quoted(name)}" for name, _ in primary_key(rows.table)) or "1 AS k"
    if len(ranges) == 1 and len(equal) == len(pairs) - 1:
        extent = _element(rows, ranges[0])
        keys = [_element(rows, element) for element in equal]
        conditions = [f"{key} IS NOT NULL" for key in (*keys, extent)] + [f"NOT isempty({extent})"]
        conditions += [rows.expression(predicate)] if predicate is not None else []
        by = f"PARTITION BY {', '.join(keys)} " if keys else ""
        return (
            f"SELECT * FROM (SELECT {shown}, {extent} && lag({extent}) OVER ({by}ORDER BY {extent})"
            f" AS meets FROM {rows.source()} AS t WHERE {joined(conditions)}) AS o WHERE o.meets"
        )
    conditions = ["t.ctid < u.ctid"]
    conditions += [
        f"{_element(rows, element)} {operator} {_element(rows, element, 'u')}"
        for element, operator in pairs
    ]
    if predicate is not None:
        conditions += [rows.expression(predicate), rows.expression(predicate, "u")]
    source = rows.source()
    return f"SELECT {shown} FROM {source} AS t JOIN {source} AS u ON {joined(conditions)}"


def _element(rows: Rows, element: Any, alias: str = "t") -> str:
    if element.name:
        return rows.column(element.name, alias)
    return rows.expression(element.expr, alias)


def _is_range(rows: Rows, element: Any) -> bool:
    if element.name:
        column = rows.table.columns.get(element.name)
        return column is not None and column.type.name in _RANGES and not column.type.array
    return isinstance(element.expr, ast.FuncCall) and called(element.expr) in _RANGES


# ---------------------------------------------------------------- ALTER TABLE


def added(walk: Walk, table: Table, node: Any, *, recurses: bool) -> Iterator[Draft]:
    """Ask what ADD CONSTRAINT needs of the rows."""
    if node.skip_validation or (not node.is_enforced and node.contype in _MAY_REST):
        return
    yield from constraint(walk, walk.rows(table), node, recurses=recurses)


_MAY_REST = (_Kind.CONSTR_CHECK, _Kind.CONSTR_FOREIGN)


def constraint(walk: Walk, rows: Rows, node: Any, *, recurses: bool) -> Iterator[Draft]:
    """Ask what a constraint needs of the rows, whose values may be those of a new column."""
    table = rows.table
    only = walk.only(table, recurses=recurses and not node.is_no_inherit)
    column = next(iter(rows.values), None)
    made = reading.constraint(node, table, walk.schema, column=column, place=walk.place)
    if made is None or (made.kind in "pu" and table.kind == "p" and not recurses):
        return  # ONLY of a partitioned table: its partitions' indexes are attached later.
    if made.kind == "p":
        yield from _primary_key(walk, rows, made, node)
    elif made.kind == "u" and node.without_overlaps:
        yield overlaps(rows, made.columns)
    elif made.kind == "u" and not node.indexname:
        different = bool(node.nulls_not_distinct)
        name = "add-unique-nulls-not-distinct" if different else "add-unique"
        yield from uniques.unique(walk, rows, uniques.Unique(made.columns, None, different), name)
        yield from uniques.too_large(rows, _entry(rows, made, node))
    elif made.kind == "f":
        yield from foreign_key(walk, rows, made, foreign_name(made))
    elif made.kind == "c":
        yield from check(
            walk, rows, node.raw_expr, "add-check", label=f"the check {made.name}", only=only
        )
    elif made.kind == "n":
        yield from not_null(walk, rows, made.columns[0], only=only)
    elif made.kind == "x":
        yield from exclusion(rows, node)


def foreign_name(made: Constraint) -> str:
    """Return the name of the question about a foreign key."""
    if len(made.columns) < 2:
        return "add-fk"
    return "add-fk-composite-match-full" if made.match == "f" else "add-fk-composite-match-simple"


def _primary_key(walk: Walk, rows: Rows, made: Constraint, node: Any) -> Iterator[Draft]:
    taken = rows.table.indexes.get(node.indexname or "")
    columns = tuple(str(name) for name in taken.columns) if taken else made.columns
    name = "add-primary-key-using-index-null" if taken else "add-primary-key-null"
    # The NOT NULL of a primary key goes down to heirs, the key itself does not.
    only = walk.only(rows.table, recurses=True)
    for column in columns:
        yield from not_null(walk, rows, column, only=only, name=name)
    if node.without_overlaps:
        yield overlaps(rows, made.columns)
    elif not node.indexname:
        yield from uniques.unique(walk, rows, uniques.Unique(columns), "add-primary-key-dup")
        yield from uniques.too_large(rows, _entry(rows, made, node))


def overlaps(rows: Rows, columns: tuple[str, ...]) -> Draft:
    """Return the question that WITHOUT OVERLAPS raises, which nobody can answer."""

    def query() -> str:
        raise Unknown("WITHOUT OVERLAPS refuses empty ranges and those that meet")

    return Draft(
        name="add-exclusion",
        what=f"of {rows.table.key} in conflict with another one",
        rows=rows,
        query=query,
        reads=columns,
    )


def enforced(walk: Walk, table: Table, node: Any) -> Iterator[Draft]:
    """Ask what ALTER CONSTRAINT … ENFORCED needs of the rows."""
    made = table.constraints.get(node.conname)
    enforces = getattr(node, "alterEnforceability", False) and node.is_enforced
    if made is None or made.enforced or not enforces:
        return
    if made.kind == "f":
        yield from foreign_key(walk, walk.rows(table), made, "validate-fk")


def _entry(rows: Rows, made: Constraint, node: Any) -> list[str]:
    """Return the columns in the index of a constraint; a new one's value is in no row yet."""
    included = [part.sval for part in node.including or ()]
    return [name for name in (*made.columns, *included) if name not in rows.values]


def validated(walk: Walk, table: Table, name: str, *, recurses: bool) -> Iterator[Draft]:
    """Ask what VALIDATE CONSTRAINT needs of the rows; new ones are right since it was made."""
    made = table.constraints.get(name)
    if made is None or made.valid:
        return
    rows, since = walk.rows(table), walk.known_since(table, name)
    only = walk.only(table, recurses=recurses)
    if made.kind == "f":
        yield from foreign_key(walk, rows, made, "validate-fk", since=since)
    elif made.kind == "c":
        label = f"the check {name}"
        yield from check(
            walk, rows, made.expression, "validate-check", label=label, only=only, since=since
        )
    elif made.kind == "n":
        yield from not_null(walk, rows, made.columns[0], only=only, since=since)
