"""Hazards of ADD COLUMN."""

from collections.abc import Iterator
from typing import Any

from pglast import enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, columns
from migsafe.schema import Key, Type, casts, expressions, reading
from migsafe.sql import Statement

_Change = enums.AlterTableType
_Kind = enums.ConstrType

_MANUAL = "https://www.postgresql.org/docs/current/sql-altertable.html"
_MEANWHILE = "so that nobody can use it meanwhile"


def _rewrite(added: columns.Added, why: str) -> Iterator[Hit]:
    """Yield the rewrite that a new column causes; a foreign table has nothing to rewrite."""
    if added.table.kind != "f":
        name = added.table.key
        message = f"rewrites {name} and its indexes under ACCESS EXCLUSIVE {why}, {_MEANWHILE}"
        yield Hit(message, added.table)


# ---------------------------------------------------------------- defaults


def _volatile_default(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    # A domain may have a default, too.
    if not (columns.written(node.def_, _Kind.CONSTR_DEFAULT) or context.schema.domains):
        return
    added = columns.added(node, statement, context)
    if added is None or added.column.generated or added.column.default is None:
        return
    for name in expressions.calls(expressions.tree(added.column.default)):
        found = expressions.of_function(name, context.schema)
        if found in (None, "v"):
            yield from _rewrite(added, f"to fill {added.column.name}{_by(name, found, context)}")
            return


def _by(name: str, volatility: str | None, context: Context) -> str:
    if volatility is None:
        return f" if {name}() is VOLATILE, which is not known"
    language = context.schema.functions.get(name, ("", ""))[1]
    if language == "sql" and context.at_least(12):
        return f", unless PostgreSQL can inline {name}(), which its text does not tell"
    return f" by {name}(), which is VOLATILE"


def _any_default(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    if context.at_least(11):
        return
    added = columns.added(node, statement, context)
    if added and not columns.is_null(added.column.default) and not added.column.generated:
        yield from _rewrite(added, f"to fill {added.column.name}, as any default does before 11")


# ---------------------------------------------------------------- columns that fill themselves


def _stored(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    if not columns.written(node.def_, _Kind.CONSTR_GENERATED):
        return
    added = columns.added(node, statement, context)
    if added and added.column.generated == "s":
        yield from _rewrite(added, f"to compute {added.column.name}")


def _serial(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    if reading.is_serial(node.def_) and (added := columns.added(node, statement, context)):
        yield from _rewrite(added, f"to number {added.column.name}")


def _identity(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    if not columns.written(node.def_, _Kind.CONSTR_IDENTITY):
        return
    if added := columns.added(node, statement, context):
        yield from _rewrite(added, f"to number {added.column.name}")


# ---------------------------------------------------------------- types


def _domain(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    if node.def_.typeName and node.def_.typeName.names[0].sval == "pg_catalog":
        return
    added = columns.added(node, statement, context)
    if added is None or added.column.type.array or reading.is_serial(node.def_):
        return
    type_, schema = added.column.type, context.schema
    domain = schema.typed(type_, schema.domains)
    if any(one.constrained for one in casts.domains(type_, schema)):
        yield from _rewrite(added, f"to check {added.column.name} against the domain {type_}")
    elif domain is None and not _is_no_domain(type_, context):
        message = (
            f"rewrites {added.table.key} under ACCESS EXCLUSIVE if {type_} is a domain with a "
            "constraint, which is not known"
        )
        yield Hit(message, added.table, Severity.INFO)


#: Types that extensions bring, none of which is a domain.
_EXTENSIONS = frozenset(
    (
        *("box2d", "box3d", "citext", "cube", "geography", "geometry", "halfvec", "hstore"),
        *("ltree", "lquery", "raster", "seg", "sparsevec", "vector"),
    )
)


def _is_no_domain(type_: Type, context: Context) -> bool:
    schema = context.schema
    if schema.complete or type_.name in _EXTENSIONS or casts.known(type_, schema):
        return True
    rows_of_a_table = (Key(name, type_.name) for name in (type_.schema, *schema.path) if name)
    return any(key in schema.tables for key in rows_of_a_table)


def _json(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    if not node.def_.typeName or node.def_.typeName.names[-1].sval != "json":
        return
    added = columns.added(node, statement, context)
    if added and added.column.type == Type(None, "json"):
        message = (
            f"{added.column.name} of {added.table.key} has a type without equality, so that "
            "comparing whole rows (DISTINCT, GROUP BY, UNION) fails from then on"
        )
        yield Hit(message, added.table)


# ---------------------------------------------------------------- running code


def _required(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    alone = not node.def_.constraints and len(statement.node.cmds) == 1
    if alone and not context.schema.domains:
        return
    added = columns.added(node, statement, context)
    if added is None or not columns.is_null(added.column.default):
        return
    filled = added.column.generated or added.column.identity or reading.is_serial(node.def_)
    if not filled and _is_required(added, statement, context):
        message = (
            f"fails (23502) if {added.table.key} has a row, and code that does not send "
            f"{added.column.name} cannot insert from then on"
        )
        yield Hit(message, added.table)


def _is_required(added: columns.Added, statement: Statement, context: Context) -> bool:
    """Tell whether a column may not be NULL, by its own words or by the same statement's."""
    name = added.column.name
    domain = context.schema.typed(added.column.type, context.schema.domains)
    if added.column.not_null or (domain and domain.not_null):
        return True
    set_so = any(command.name == name for command in columns.siblings(statement, _SET))
    keys = columns.siblings(statement, _Change.AT_AddConstraint)
    return set_so or any(
        key.def_.contype == _Kind.CONSTR_PRIMARY
        and name in [part.sval for part in key.def_.keys or ()]
        for key in keys
    )


_SET = _Change.AT_SetNotNull


def _inheritance(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    if node.def_.colname != "type":
        return
    added = columns.added(node, statement, context)
    if added and added.column.type.name in casts.STRINGS:
        message = (
            f"gives {added.table.key} the column type, by which Rails picks a class for each row"
        )
        yield Hit(message, added.table)


_BACKFILL = (
    "Add the column without it, set the default for new rows in a second statement, fill older "
    "rows in batches, and only then add what the column must be."
)

RULES: tuple[Rule, ...] = (
    Rule(
        code="MS201",
        name="add-column-volatile-default",
        on=(_Change.AT_AddColumn,),
        check=_volatile_default,
        lock="ACCESS EXCLUSIVE",
        rewrites=True,
        weighed=True,
        summary="a VOLATILE default rewrites the table when its column is added",
        why="A default that is the same for all rows is kept once, in the catalog. One that is "
        "VOLATILE (random(), clock_timestamp(), gen_random_uuid(), nextval(), a function without a "
        "marker) may differ in each row, so PostgreSQL writes the table and its indexes anew under "
        "ACCESS EXCLUSIVE. now() and CURRENT_TIMESTAMP are STABLE and never do that. Since 12 a "
        "VOLATILE SQL function that can be inlined to something constant spares the rewrite; its "
        "text does not tell. Measured on PostgreSQL 11 to 18.",
        remedy=_BACKFILL,
        source=_MANUAL,
    ),
    Rule(
        code="MS202",
        name="add-column-default-before-11",
        on=(_Change.AT_AddColumn,),
        check=_any_default,
        lock="ACCESS EXCLUSIVE",
        rewrites=True,
        weighed=True,
        until=10,
        summary="before PostgreSQL 11 any default rewrites the table when its column is added",
        why="Up to PostgreSQL 10 a new column with a default was written into every row at once, "
        "under ACCESS EXCLUSIVE. Since 11 a default that is the same for all rows is kept once, in "
        "the catalog.",
        remedy=_BACKFILL,
        source="https://www.postgresql.org/docs/release/11.0/",
    ),
    Rule(
        code="MS203",
        name="add-column-stored-generated",
        on=(_Change.AT_AddColumn,),
        check=_stored,
        lock="ACCESS EXCLUSIVE",
        rewrites=True,
        weighed=True,
        summary="a stored generated column rewrites the table when it is added",
        why="A STORED generated column is computed for each row when it is added, so PostgreSQL "
        "writes the table and its indexes anew under ACCESS EXCLUSIVE. The statement fails at the "
        "first row for which the expression raises an error. A VIRTUAL column, since 18, is "
        "computed when it is read and rewrites nothing.",
        remedy="Use VIRTUAL on PostgreSQL 18, or a plain column that a trigger fills for new rows "
        "and batches for older ones.",
        source="https://www.postgresql.org/docs/current/ddl-generated-columns.html",
    ),
    Rule(
        code="MS204",
        name="add-column-serial",
        on=(_Change.AT_AddColumn,),
        check=_serial,
        lock="ACCESS EXCLUSIVE",
        rewrites=True,
        weighed=True,
        summary="a serial column rewrites the table when it is added",
        why="serial is an integer whose default is nextval() of a new sequence. nextval() is "
        "VOLATILE and each row gets its own number, so PostgreSQL writes the table and its indexes "
        "anew under ACCESS EXCLUSIVE. Measured on PostgreSQL 11 to 18.",
        remedy="Add a bigint without a default, create the sequence, set the default to nextval() "
        "of it, and fill older rows in batches.",
        source="https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-SERIAL",
    ),
    Rule(
        code="MS205",
        name="add-column-identity",
        on=(_Change.AT_AddColumn,),
        check=_identity,
        lock="ACCESS EXCLUSIVE",
        rewrites=True,
        weighed=True,
        summary="an identity column rewrites the table when it is added",
        why="An identity column numbers every row that is there when it is added, so PostgreSQL "
        "writes the table and its indexes anew under ACCESS EXCLUSIVE, exactly as it does for "
        "serial. ADD GENERATED on a column that is filled and NOT NULL takes the lock only "
        "briefly. Measured on PostgreSQL 11 to 18.",
        remedy="Add a bigint, fill it in batches, make it NOT NULL by a validated CHECK, and only "
        "then ALTER COLUMN … ADD GENERATED … AS IDENTITY with a START after the largest number.",
        source="https://www.postgresql.org/docs/current/ddl-identity-columns.html",
    ),
    Rule(
        code="MS207",
        name="add-column-constrained-domain",
        on=(_Change.AT_AddColumn,),
        check=_domain,
        lock="ACCESS EXCLUSIVE",
        rewrites=True,
        weighed=True,
        summary="a column of a domain with a constraint rewrites the table when it is added",
        why="PostgreSQL checks the domain's constraint by computing the new column for each row, "
        "even where it is NULL, and writes the table and its indexes anew under ACCESS EXCLUSIVE. "
        "A domain without CHECK and NOT NULL does not. Measured on PostgreSQL 11 to 18.",
        remedy="Give the column the domain's base type, add the CHECK NOT VALID, and validate it "
        "in a later migration.",
        source="measured on PostgreSQL 11 to 18",
    ),
    Rule(
        code="MS321",
        name="add-inheritance-column",
        severity=Severity.INFO,
        on=(_Change.AT_AddColumn,),
        check=_inheritance,
        style=True,
        summary="a column named type makes Rails look for a class in each row",
        why="Rails takes a text column named type for the class of the row. Once it is there, "
        "models filter by it, and rows without a value are not found by subclasses.",
        remedy="Choose another name, or set inheritance_column in the model before this runs.",
        source="https://guides.rubyonrails.org/association_basics.html",
    ),
    Rule(
        code="MS322",
        name="add-column-json",
        on=(_Change.AT_AddColumn,),
        check=_json,
        lock="ACCESS EXCLUSIVE",
        summary="a json column breaks SELECT DISTINCT, GROUP BY and UNION on its table",
        why="The type json keeps the text as it came and has no equality operator. Queries that "
        "compare whole rows of the table, such as SELECT DISTINCT *, run before the column is "
        "added and fail afterwards. jsonb can be compared and indexed.",
        remedy="Use jsonb.",
        source="https://www.postgresql.org/docs/current/datatype-json.html",
    ),
    Rule(
        code="MS339",
        name="add-column-required",
        on=(_Change.AT_AddColumn,),
        check=_required,
        fails="23502",
        rows=True,
        summary="a required column without a default fails on the first row",
        why="A new column that may not be NULL and has no default has no value for the rows that "
        "are there, so that the statement fails unless the table is empty. Where it is empty, code "
        "that runs now and does not send the column fails at its next INSERT.",
        remedy="Give the column a constant default, which costs nothing since PostgreSQL 11, or "
        "add it nullable, fill it, and make it NOT NULL later.",
        source=_MANUAL,
    ),
)
