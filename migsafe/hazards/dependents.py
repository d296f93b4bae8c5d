"""Hazards of dropping what something else needs: by CASCADE, or types, functions and sequences."""

from collections.abc import Iterator
from typing import Any

from pglast import ast, enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, around, dropped
from migsafe.schema import Key, reading, uses
from migsafe.sql import Statement

_Object = enums.ObjectType
_Change = enums.AlterTableType

_MANUAL = "https://www.postgresql.org/docs/current"


def _all_walked(context: Context, made: bool) -> bool:
    """Tell whether all users of a thing are known: the target's, or of one that statements made."""
    return context.schema.complete or (made and not context.schema.opaque)


# ---------------------------------------------------------------- CASCADE


def _cascade(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    if isinstance(node, ast.DropOwnedStmt):
        yield Hit("drops everything that a role owns in this database, and takes away its rights")
    elif not dropped.cascades(node):
        return
    elif isinstance(node, ast.AlterTableCmd):
        if statement.node.objtype == _Object.OBJECT_TABLE:
            table = context.table(statement.node.relation)
            named = f"{node.name} of {table.key}"
            yield Hit(f"CASCADE drops whatever depends on {named}, without naming it", table)
    elif node.removeType in _RELATIONS:
        yield from _cascade_of_tables(node, context)
    elif node.removeType in (_Object.OBJECT_TYPE, _Object.OBJECT_DOMAIN):
        yield from _cascade_of_types(node, context)
    elif node.removeType != _Object.OBJECT_SCHEMA:
        yield Hit(f"CASCADE drops whatever depends on {_name(node)}, without naming it")


_RELATIONS = {_Object.OBJECT_TABLE, _Object.OBJECT_VIEW, _Object.OBJECT_MATVIEW}


def _name(node: Any) -> str:
    """Return the name of the first thing that a DropStmt names."""
    first = node.objects[0]
    parts = getattr(first, "objname", None) or getattr(first, "names", None) or first
    return ".".join(part.sval for part in (parts if isinstance(parts, tuple) else (parts,)))


def _cascade_of_tables(node: Any, context: Context) -> Iterator[Hit]:
    tables = list(dropped.tables(node, context))
    gone = {table.key for table in tables}
    for table in tables:
        needed = [
            use for use in uses.of_table(context.schema, table.key) if use.table.key not in gone
        ]
        if needed:
            names = dropped.listed([use.what for use in needed])
            yield Hit(f"CASCADE also drops {names}", table)
        else:
            known = _all_walked(context, made=table.made is not None)
            message = f"CASCADE drops whatever depends on {table.key}; nothing known does"
            yield Hit(message, table, Severity.INFO if known else None)


def _cascade_of_types(node: Any, context: Context) -> Iterator[Hit]:
    for key in _types(node, context):
        columns = list(uses.of_type(context.schema, key))
        lost = [use for use in columns if dropped.severity(use.table, context)]
        names = dropped.listed([use.what for use in columns]) or "every column of the type"
        message = f"CASCADE drops {names} with its values, and whatever else has the type {key}"
        yield Hit(message, None, Severity.ERROR if lost else None)


# ---------------------------------------------------------------- types, sequences, functions


def _types(node: Any, context: Context) -> Iterator[Key]:
    schema = context.schema
    kinds = {**schema.enums, **schema.domains, **schema.composites}
    for part in node.objects:
        key = reading.key_of(part.names, schema, kinds)
        if key in kinds or not (schema.complete and node.missing_ok):
            yield key


def _drop_type(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    if node.removeType not in (_Object.OBJECT_TYPE, _Object.OBJECT_DOMAIN) or dropped.cascades(
        node
    ):
        return
    schema = context.schema
    for key in _types(node, context):
        made = any(key in kinds for kinds in (schema.enums, schema.domains, schema.composites))
        yield from _refused(f"the type {key}", list(uses.of_type(schema, key)), made, context)


def _refused(what: str, users: list[uses.Use], made: bool, context: Context) -> Iterator[Hit]:
    if users:
        names = dropped.listed([use.what for use in users])
        verb = "need" if len(users) > 1 else "needs"
        yield Hit(f"fails (2BP01): {names} {verb} {what}", None, Severity.ERROR)
    elif not _all_walked(context, made):
        message = f"fails (2BP01) where something needs {what}, which is not known here"
        yield Hit(message, None, Severity.INFO)


def _drop_sequence(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    if node.removeType != _Object.OBJECT_SEQUENCE or dropped.cascades(node):
        return
    for parts in node.objects:
        key = dropped.sequence_of(parts, context)
        made = key in context.schema.sequences
        if made or not context.schema.complete:
            users = list(uses.of_sequence(context.schema, key))
            yield from _refused(f"the sequence {key}", users, made, context)


_ROUTINES = {
    _Object.OBJECT_FUNCTION,
    _Object.OBJECT_PROCEDURE,
    _Object.OBJECT_ROUTINE,
    _Object.OBJECT_AGGREGATE,
}


def _drop_function(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    if node.removeType not in _ROUTINES:
        return
    made_again = {made.funcname[-1].sval for made in around.later(context, ast.CreateFunctionStmt)}
    for part in node.objects:
        name = part.objname[-1].sval
        known = name in context.schema.functions
        if not known and context.schema.complete:
            continue
        users = [] if dropped.cascades(node) else list(uses.of_function(context.schema, name))
        yield from _refused_function(name, users, known, context)
        callers = uses.callers(context.schema, name)
        if callers and name not in made_again:
            yield Hit(f"{dropped.listed(callers)} will fail (42883) when it next calls {name}")


def _refused_function(
    name: str, users: list[uses.Use], known: bool, context: Context
) -> Iterator[Hit]:
    overloads = sum(1 for bare, _ in context.schema.bodies if bare == name)
    if users and overloads > 1:
        names = dropped.listed([use.what for use in users])
        yield Hit(
            f"fails (2BP01) if it is this one of {overloads} functions {name} that {names} call"
        )
    else:
        yield from _refused(f"the function {name}", users, known, context)


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS306",
        name="drop-cascade",
        on=(ast.DropStmt, ast.DropOwnedStmt, _Change.AT_DropColumn, _Change.AT_DropConstraint),
        check=_cascade,
        summary="CASCADE drops what depends on it, without naming it",
        why="CASCADE removes views, foreign keys of other tables, defaults, triggers, policies and "
        "columns of a dropped type, whatever they are on the day that it runs; what was added in "
        "production alone goes too. Each relation that it reaches is locked with ACCESS EXCLUSIVE, "
        "and PostgreSQL says so in a NOTICE that nobody reads. Without CASCADE the statement fails "
        "with 2BP01 and lists them.",
        remedy="Leave CASCADE away, and drop by name what the error lists.",
        source=f"{_MANUAL}/ddl-depend.html",
        lock="ACCESS EXCLUSIVE",
    ),
    Rule(
        code="MS329",
        name="drop-type-used",
        on=(ast.DropStmt,),
        check=_drop_type,
        summary="a type is dropped that something still has",
        why="PostgreSQL refuses to drop a type that a column, a domain or a function's signature "
        "has: the statement fails with 2BP01, rows or not. A column keeps the old type until it is "
        "altered itself, also where the type was only renamed to make room for another.",
        remedy="Give every column another type, or drop it, before the type is dropped.",
        source=f"{_MANUAL}/sql-droptype.html",
        fails="2BP01",
    ),
    Rule(
        code="MS330",
        name="drop-function-used",
        on=(ast.DropStmt,),
        check=_drop_function,
        summary="a function is dropped that something still calls",
        why="PostgreSQL refuses to drop a function that a trigger, a default, a CHECK, a view or a "
        "policy calls (2BP01). It does not look into the bodies of other functions: those in "
        "plpgsql, and those in SQL that are written as a string, are only texts. They fail with "
        "42883 the next time they run, often much later.",
        remedy="Replace the function with CREATE OR REPLACE, or change its callers first.",
        source=f"{_MANUAL}/ddl-depend.html",
        fails="2BP01",
    ),
    Rule(
        code="MS331",
        name="drop-sequence-used",
        on=(ast.DropStmt,),
        check=_drop_sequence,
        summary="a sequence is dropped that a column draws from",
        why="The default of a serial column, and any default that calls nextval, depends on its "
        "sequence; an identity column owns one. DROP SEQUENCE fails with 2BP01 while such a column "
        "is there. With CASCADE the default goes, and every INSERT without a value gets NULL.",
        remedy="Give the column another default, or none, before the sequence is dropped.",
        source=f"{_MANUAL}/sql-dropsequence.html",
        fails="2BP01",
    ),
)
