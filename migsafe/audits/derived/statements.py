"""Questions of statements about rows, whole tables and domains. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple
from uuid import UUID

from pglast import ast, enums

from migsafe.audits.derived import columns, constraints, referring
from migsafe.audits.derived.names import Rows, Unknown, constant, is_null, joined, quoted, text
from migsafe.audits.derived.walking import Draft, Walk, primary_key
from migsafe.findings import Severity
from migsafe.schema import Column, Constraint, Domain, Key, Table, Type, casts, expressions

# ---------------------------------------------------------------- INSERT


def inserted(walk: Walk, node: Any) -> Iterator[Draft]:
    """Ask for rows that have the unique values of rows that a script inserts."""
    table = walk.schema.find(node.relation)
    lists = getattr(node.selectStmt, "valuesLists", None)
    if table is None or table.kind not in "rp" or not lists or node.onConflictClause:
        return
    named = [item.name for item in node.cols or ()] or list(table.columns)
    for index in table.indexes.values():
        if index.unique and index.valid and index.plain:
            keys = [str(name) for name in index.columns]
            tuples = _given(named, keys, lists)
            if tuples:
                yield _conflict(walk, table, index.name, keys, tuples)
            if len({_spelled(table, keys, values) for values in tuples}) < len(tuples):
                yield _twice(walk, table, index.name, keys)


def _given(named: Sequence[str], keys: Sequence[str], lists: Any) -> list[tuple[Any, ...]]:
    """Return the values of a unique key in each row that has them all, as constants."""
    found = []
    for row in lists:
        given = dict(zip(named, row, strict=False))
        values = tuple(given.get(key) for key in keys)
        if all(value is not None and constant(value) and not is_null(value) for value in values):
            found.append(values)
    return found


def _spelled(table: Table, keys: Sequence[str], values: Sequence[Any]) -> tuple[Any, ...]:
    """Return the values of a key so that those that a column takes for one are equal."""
    return tuple(
        _normal(value, table.columns[key]) for key, value in zip(keys, values, strict=True)
    )


def _normal(value: Any, column: Column) -> Any:
    while isinstance(value, ast.TypeCast):
        value = value.arg
    written = text(value).strip("'")
    try:
        if column.type.name == "uuid":
            return UUID(written)
        if column.type.name in ("int2", "int4", "int8"):
            return int(Decimal(written).quantize(Decimal(1), ROUND_HALF_UP))
    except (ValueError, ArithmeticError):
        return written
    return Decimal(written) if column.type.name == "numeric" and _is_number(written) else written


def _is_number(written: str) -> bool:
    try:
        return Decimal(written).is_finite()
    except ArithmeticError:
        return False


def _twice(walk: Walk, table: Table, name: str, keys: Sequence[str]) -> Draft:
    why = f"two of the rows have the same {', '.join(keys)}, which {name} refuses"
    return Draft(
        name="insert-seed-conflict",
        what=why,
        rows=walk.rows(table),
        refuted=why,
        remedy="Leave one of them out.",
    )


def _conflict(
    walk: Walk, table: Table, name: str, keys: Sequence[str], tuples: Sequence[tuple[Any, ...]]
) -> Draft:
    rows = walk.rows(table)

    def offends() -> str:
        return joined(
            (
                " AND ".join(
                    f"{rows.column(key)} = {_assigned(walk, table, key, value)}"
                    for key, value in zip(keys, values, strict=True)
                )
                for values in tuples
            ),
            "OR",
        )

    return Draft(
        name="insert-seed-conflict",
        what=f"of {table.key} with an inserted {', '.join(keys)} already ({name})",
        rows=rows,
        only=table.kind == "r",
        offends=offends,
        reads=tuple(keys),
        remedy="Write ON CONFLICT, or leave out the rows that are there.",
    )


def _assigned(walk: Walk, table: Table, key: str, value: Any) -> str:
    """Return a value as the column gets it: rounded, without its time of day."""
    return f"CAST({text(value)} AS {walk.names.type_(table.columns[key].type)})"


# ---------------------------------------------------------------- DELETE, TRUNCATE, DROP TABLE


class _Going(NamedTuple):
    """Rows that a DELETE removes, itself or by cascades; `rows` returns FROM and WHERE of them.

    `above` are the tables by which cascades lead there, and itself.
    """

    table: Table
    alias: str
    rows: Callable[[], tuple[str, str]]
    above: tuple[Table, ...]


def deleted(walk: Walk, node: Any) -> Iterator[Draft]:
    """Ask for rows that refer to rows which a DELETE removes."""
    table = walk.schema.find(node.relation)
    if table is None:
        return
    first = _first(walk, table, node)
    losing = _losing(walk, table)
    for other, made in referring.keys(walk.schema, table, alone=not node.relation.inh):
        target = walk.schema.tables[made.target] if made.target else table
        below = any(target is child for child in walk.schema.children(table.key))
        going = _first(walk, target, node) if below else first
        yield from _held(walk, going, other, made, losing)


def _first(walk: Walk, table: Table, node: Any) -> _Going:
    alias = node.relation.alias.aliasname if node.relation.alias else table.key.bare
    return _Going(table, alias, lambda: _deleting(walk, walk.rows(table), node, alias), (table,))


def _losing(walk: Walk, table: Table) -> dict[Key, Table]:
    """Return the tables that lose rows with a table's by cascades."""
    found: dict[Key, Table] = {}
    todo = [table]
    while todo:
        for other, made in referring.keys(walk.schema, todo.pop()):
            if made.on_delete == "c" and other.key not in found:
                found[other.key] = other
                todo.append(other)
    return found


def _held(
    walk: Walk, going: _Going, other: Table, made: Constraint, losing: Mapping[Key, Table]
) -> Iterator[Draft]:
    """Ask what a foreign key has against the loss of rows, and those behind its cascade."""
    if not made.enforced:
        return
    if _hinders(other, made):
        yield _blocking(walk, going, other, made, losing)
    elif made.on_delete == "c" and not any(other is table for table in going.above):
        further = _cascaded(walk, going, other, made)
        for third, key in referring.keys(walk.schema, other):
            yield from _held(walk, further, third, key, losing)


def _hinders(other: Table, made: Constraint) -> bool:
    """Tell whether a foreign key may refuse that rows go to which others refer."""
    refused = any(_refuses_null(other, name) for name in made.columns)
    defaults = made.on_delete == "d" and any(_default(other, name) for name in made.columns)
    return made.on_delete in "ar" or (refused and made.on_delete in ("n", "d")) or defaults


def _refuses_null(table: Table, name: str) -> bool:
    return name in table.columns and table.columns[name].not_null


def _default(table: Table, name: str) -> Any:
    return table.columns[name].default if name in table.columns else None


def _cascaded(walk: Walk, going: _Going, other: Table, made: Constraint) -> _Going:
    """Return the rows that go with others by ON DELETE CASCADE."""
    alias, rows = f"d{len(going.above)}", walk.rows(other)

    def further() -> tuple[str, str]:
        source = f"{rows.source(only=other.kind == 'r')} AS {alias}"
        return source, _refer(walk, going, rows, made, alias)

    return _Going(other, alias, further, (*going.above, other))


def _refer(walk: Walk, going: _Going, rows: Rows, made: Constraint, alias: str) -> str:
    """Return the condition that a row refers to one of those that go."""
    parents = walk.rows(going.table)
    columns_ = made.target_columns or constraints.primary(going.table)
    if any(i.method == "gist" and i.columns == columns_ for i in going.table.indexes.values()):
        raise Unknown("its foreign key is over a PERIOD")
    source, condition = going.rows()
    there = ", ".join(parents.column(name, going.alias) for name in columns_)
    here = ", ".join(rows.column(name, alias) for name in made.columns)
    return f"({here}) IN (SELECT {there} FROM {source} WHERE {condition})"


def _blocking(
    walk: Walk, going: _Going, other: Table, made: Constraint, losing: Mapping[Key, Table]
) -> Draft:
    rows, table = walk.rows(other), going.table

    def query() -> str:
        if made.on_delete == "d":
            raise Unknown("nobody knows whether there is a row for the default")
        if made.on_delete == "n" and not all(_refuses_null(other, n) for n in made.columns):
            raise Unknown("nobody knows which of the columns are set to NULL")
        if other.key in losing or table.key in _losing(walk, table):
            raise Unknown(f"cascades take rows of {other.key} or {table.key} along")
        shown = ", ".join(f"t.{quoted(name)}" for name, _ in primary_key(other)) or "1"
        left = f"SELECT {shown} FROM {rows.source(only=other.kind == 'r')} AS t"
        mine = ""
        if other is table:
            source, condition = going.rows()
            of = f"{quoted(going.alias)}.tableoid, {quoted(going.alias)}.ctid"
            gone = f"SELECT {of} FROM {source} WHERE {condition}"
            mine = f" AND (t.tableoid, t.ctid) NOT IN ({gone})"
        return f"{left} WHERE {_refer(walk, going, rows, made, 't')}{mine}"

    return Draft(
        name="delete-blocked-by-fk",
        what=f"of {other.key} referring to deleted rows of {table.key} ({made.name})",
        rows=rows,
        query=query,
        reads=made.columns,
        also=((table, ()),),
        repaired=_spared(walk, table, made),
        remedy="Delete or correct the rows that refer to them first.",
    )


def _spared(walk: Walk, table: Table, made: Constraint) -> bool:
    """Tell whether a deleted row may be kept by a trigger or rule, or be referred to until COMMIT.

    A trigger is one where its function has a word for what a BEFORE DELETE returns.
    """
    bodies = [walk.schema.bodies.get((t.function, ())) for t in table.triggers.values()]
    cancels = any(
        body is None or re.search(r"\b(old|null|delete)\b", body, re.I) for body in bodies
    )
    deferred = made.on_delete != "r" and (
        made.deferred or (made.deferrable and walk.past.deferring)
    )
    return cancels or deferred or walk.past.unguarded or walk.past.ruled


def _deleting(walk: Walk, parents: Rows, node: Any, alias: str) -> tuple[str, str]:
    """Return FROM and WHERE of the rows that a DELETE removes.

    A condition that asks other tables is taken as it is, where nothing has another name yet.
    """
    table = parents.table
    only = "ONLY " if not node.relation.inh else ""
    if table.live is None:
        raise Unknown(f"{table.key} is not there yet")
    source = f"{only}{parents.source(only=False)} AS {quoted(alias)}"
    if node.whereClause is None:
        return source, "true"
    if not node.usingClause and not _asks(node.whereClause):
        return source, parents.expression(node.whereClause, alias)
    relations = list(expressions.nodes((node.usingClause, node.whereClause), ast.RangeVar))
    if node.withClause or not _as_now(walk, [node.relation, *relations]):
        raise Unknown("it asks tables that earlier statements change")
    others = "".join(f", {text_of(item)}" for item in node.usingClause or ())
    return source + others, text(node.whereClause)


def text_of(node: Any) -> str:
    """Print a node of a FROM clause."""
    from pglast.stream import RawStream

    return str(RawStream()(node))


def _asks(tree: Any) -> bool:
    return any(True for _ in expressions.nodes(tree, ast.SubLink))


def _as_now(walk: Walk, relations: Sequence[Any]) -> bool:
    """Tell whether tables have the names, columns and rows that they have now."""
    for relation_ in relations:
        table = walk.schema.find(relation_)
        if table is None or table.live != table.key or any(walk.past.since(table, ())):
            return False
        if any(c.live != c.name or c.value is not None for c in table.columns.values()):
            return False
    return True


def truncated(walk: Walk, node: Any) -> Iterator[Draft]:
    """Ask how many rows TRUNCATE takes along."""
    for relation_ in node.relations or ():
        table = walk.schema.find(relation_)
        if table and table.kind in "rp":
            only = not relation_.inh or walk.only(table, recurses=True)
            yield _lost(walk, table, "truncate-data", only=only)


def dropped(walk: Walk, key: Key) -> Iterator[Draft]:
    """Ask how many rows a dropped table takes along."""
    table = walk.schema.tables.get(key)
    if table and table.kind in "rp":
        yield _lost(walk, table, "drop-table-data", only=walk.only(table, recurses=True))


def _lost(walk: Walk, table: Table, name: str, *, only: bool) -> Draft:
    return Draft(
        name=name,
        what=f"of {table.key} that would be lost",
        rows=walk.rows(table),
        only=only,
        offends=lambda: "true",
        severity=Severity.WARNING,
        shows=False,
        remedy="Keep them elsewhere before the statement, or be sure that nobody needs them.",
    )


# ---------------------------------------------------------------- ALTER DOMAIN

_CHECKS = (enums.ConstrType.CONSTR_CHECK,)


def domain(walk: Walk, node: Any) -> Iterator[Draft]:
    """Ask for values in columns of a domain that its new rule refuses."""
    parts = [part.sval for part in node.typeName or ()]
    named = Type(parts[-2] if len(parts) > 1 else None, parts[-1])
    key = walk.names.key(named, walk.schema.domains)
    if key is None:
        return
    found = walk.schema.domains[key]
    rule = _rule(node, found)
    if rule is None:
        return
    for table, name in _columns(walk, key):
        yield _refused(walk, table, name, rule)


def _rule(node: Any, found: Domain) -> Any:
    """Return the new rule: an expression, True for NOT NULL, None for nothing to ask."""
    if node.subtype == "O":
        return None if found.not_null else True
    if node.subtype == "C" and node.def_.contype == enums.ConstrType.CONSTR_CHECK:
        return None if node.def_.skip_validation else node.def_.raw_expr
    if node.subtype == "C" and node.def_.contype == enums.ConstrType.CONSTR_NOTNULL:
        return None if found.not_null else True
    if node.subtype == "V" and node.name in found.unproven:
        return found.checks.get(node.name)
    return None


def _columns(walk: Walk, key: Key) -> Iterator[tuple[Table, str]]:
    """Yield the columns of a domain, of a domain over it, or that hold one within their values."""
    kinds = {key}
    for other, made in walk.schema.domains.items():
        if walk.names.key(made.base, walk.schema.domains) in kinds:
            kinds.add(other)
    for table in walk.schema.tables.values():
        if table.kind not in "rm":
            continue
        for column in table.columns.values():
            own = walk.names.key(column.type, walk.schema.domains) in kinds
            if own or _holds(walk, column.type, kinds):
                yield table, column.name


def _holds(walk: Walk, type_: Type, kinds: set[Key]) -> bool:
    """Tell whether values of a composite type have one of the domains in them."""
    return any(
        walk.names.key(inner, walk.schema.domains) in kinds or _holds(walk, inner, kinds)
        for inner in _attributes(walk, type_)
    )


def _attributes(walk: Walk, type_: Type) -> Sequence[Type]:
    """Return the types of what is in a composite value, or in a whole row of a table."""
    schema, base = walk.schema, casts.base(type_, walk.schema)
    composite: dict[str, Type] | None = schema.typed(base, schema.composites)
    table: Table | None = schema.typed(base, schema.tables)
    rows = [column.type for column in table.columns.values()] if table else []
    return [*(composite or {}).values(), *rows]


def _refused(walk: Walk, table: Table, name: str, rule: Any) -> Draft:
    rows, type_ = walk.rows(table), table.columns[name].type
    own = walk.schema.typed(type_, walk.schema.domains)
    # Whatever the rows are: the server does not look into values (get_rels_with_domain).
    within = type_.array or own is None

    def offends() -> str:
        if rule is True:
            return rows.missing(name)
        return f"NOT ({columns.value_in(walk, rule, rows.column(name))})"

    return Draft(
        name="domain-set-not-null" if rule is True else "domain-add-check",
        what=f"of {name} in {table.key} refused by the domain",
        noun="value",
        rows=rows,
        only=True,
        offends=offends,
        reads=(name,),
        refuted=f"{name} of {table.key} holds the domain within {type_}" if within else None,
        tries=rule is not True,
        remedy="Correct these values before the statement.",
    )
