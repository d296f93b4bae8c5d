"""Hazards of the two ends of a foreign key, which have to fit, or PostgreSQL refuses it."""

from collections.abc import Iterator, Mapping
from typing import Any

from pglast import ast, enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, declared
from migsafe.schema import Schema, Table, Type, casts
from migsafe.sql import Statement

_Kind = enums.ConstrType


def _mismatched(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    for key in declared.foreign_keys(node, context):
        target = _target(key, context)
        names = key.target_columns or _primary(target)
        if target is None or len(names) != len(key.columns):
            continue
        for own, other in zip(key.columns, names, strict=True):
            if own in key.child.columns and other in target.columns:
                ends = f"{key.child.key}.{own}", f"{target.key}.{other}"
                types = key.child.columns[own].type, target.columns[other].type
                yield from _compared(ends, types, context.schema)


def _target(key: declared.ForeignKey, context: Context) -> Table | None:
    """Return the table that it refers to, with what its own statement adds to it."""
    return key.child if key.target == key.child.key else context.schema.tables.get(key.target)


def _primary(table: Table | None) -> tuple[str, ...]:
    made = table.constraints.values() if table else ()
    return next((one.columns for one in made if one.kind == "p"), ())


def _compared(ends: tuple[str, str], types: tuple[Type, Type], schema: Schema) -> Iterator[Hit]:
    own, other = (casts.base(type_, schema) for type_ in types)
    fits = _fits(own, other, schema)
    described = f"{ends[0]} is {own.name} and {ends[1]} is {other.name}"
    if fits is False:
        yield Hit(f"fails, since {described} (42804)", severity=Severity.ERROR)
    elif fits and {own.name, other.name} <= _WIDTHS.keys() and own.name != other.name:
        if _WIDTHS[own.name] < _WIDTHS[other.name]:
            yield Hit(f"{described}, so that it cannot hold every value that it may refer to")
        else:
            yield Hit(f"{described}, so that it holds values that nothing can match", None, _LESS)


_LESS = Severity.INFO
_WIDTHS: Mapping[str, int] = {"int2": 2, "int4": 4, "int8": 8}

#: Types that a foreign key may have, by the type that it refers to: those with an equality operator
#: in the index's family, or with an implicit cast. Measured on PostgreSQL 18.
_FITTING: Mapping[str, frozenset[str]] = {
    target: frozenset(fitting.split())
    for target, fitting in (
        line.split(": ")
        for line in """int2: int2 int4 int8
int4: int2 int4 int8
int8: int2 int4 int8
numeric: int2 int4 int8 numeric
float4: int2 int4 int8 numeric float4 float8
float8: int2 int4 int8 numeric float4 float8
money: money
oid: int2 int4 int8 oid
text: text varchar bpchar name citext
varchar: text varchar bpchar name citext
bpchar: text varchar bpchar
name: text varchar bpchar name
citext: citext
uuid: uuid
date: date timestamp timestamptz
timestamp: date timestamp timestamptz
timestamptz: date timestamp timestamptz
time: time
timetz: time timetz
interval: time interval
bool: bool
bytea: bytea
inet: inet cidr
cidr: inet cidr
macaddr: macaddr
bit: bit varbit
varbit: bit varbit
jsonb: jsonb""".splitlines()
    )
}


def _fits(own: Type, other: Type, schema: Schema) -> bool | None:
    """Tell whether two types can be compared, None where a type is not known."""
    if (own.name, own.array) == (other.name, other.array):
        return True
    if not all(
        type_.name in _FITTING or schema.typed(type_, schema.enums) for type_ in (own, other)
    ):
        return None
    return own.array == other.array and own.name in _FITTING.get(other.name, ())


def _not_unique(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    for key in declared.foreign_keys(node, context):
        target = _target(key, context)
        if target is None or not target.known or _adds_key(node, key):
            continue
        if not key.target_columns:
            if not _primary(target):
                message = f"fails, since {target.key} has no primary key to refer to (42704)"
                yield Hit(message)
        elif not target.unique_on(key.target_columns):
            columns = ", ".join(key.target_columns)
            message = f"fails, since no unique index of {target.key} covers {columns} alone"
            yield Hit(f"{message}, every row and at once (42830)")


def _adds_key(node: Any, key: declared.ForeignKey) -> bool:
    """Tell whether the statement that adds it adds a unique index to its target as well."""
    kinds = _Kind.CONSTR_PRIMARY, _Kind.CONSTR_UNIQUE
    return (
        isinstance(node, ast.AlterTableStmt)
        and key.target == key.child.key
        and any(one.node.contype in kinds for one in declared.constraints(node))
    )


def _partitioned(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    definition = node.def_
    if definition.contype != _Kind.CONSTR_FOREIGN or not definition.skip_validation:
        return
    table = context.table(statement.node.relation)
    if table.kind == "p" and definition.is_enforced:
        message = f"NOT VALID fails on {table.key}, which is partitioned, before PostgreSQL 18"
        unsure = Severity.WARNING if context.version is None else None
        yield Hit(f"{message} (42809)", severity=unsure)


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS412",
        name="foreign-key-type-mismatch",
        on=(ast.CreateStmt, ast.AlterTableStmt),
        check=_mismatched,
        summary="the two ends of a foreign key have different types",
        why="PostgreSQL accepts a foreign key between types that it can compare through the index, "
        "such as integer and bigint, and refuses others with 42804. An integer that refers to a "
        "bigint overflows when the keys pass two thousand million, long after both work.",
        remedy="Give both columns the same type.",
        source="https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK",
        fails="42804",
        spares_new=False,
    ),
    Rule(
        code="MS413",
        name="foreign-key-target-not-unique",
        severity=Severity.ERROR,
        on=(ast.CreateStmt, ast.AlterTableStmt),
        check=_not_unique,
        summary="a foreign key refers to columns that are not unique",
        why="A foreign key needs a unique index on exactly the columns that it refers to: valid, "
        "not partial, not on an expression and not deferrable. PostgreSQL refuses it with 42830 "
        "otherwise, whatever the rows are.",
        remedy="Create the unique index first, or refer to the primary key.",
        source="https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK",
        fails="42830",
        spares_new=False,
    ),
    Rule(
        code="MS414",
        name="foreign-key-not-valid-partitioned",
        severity=Severity.ERROR,
        on=(enums.AlterTableType.AT_AddConstraint,),
        check=_partitioned,
        summary="a partitioned table gets a foreign key that is NOT VALID",
        why="Before PostgreSQL 18 a foreign key of a partitioned table cannot be NOT VALID, so "
        "that adding it checks all partitions while nobody can write to any. A partition's own "
        "foreign key can be NOT VALID; those that are there and valid are taken over when the "
        "parent gets its own.",
        remedy="Add it NOT VALID to each partition, VALIDATE each, and then add it to the parent.",
        source="https://www.postgresql.org/docs/18/release-18.html",
        fails="42809",
        spares_new=False,
        until=17,
    ),
)
