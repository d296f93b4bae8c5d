"""Who uses a table, type, sequence or function, as far as a schema knows. Pure."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from pglast import ast

from migsafe.schema import Column, Key, Schema, Table, expressions, routines, typed


class Use(NamedTuple):
    """Something that needs another thing: as a reader calls it, and the relation that it is on."""

    what: str
    table: Table


def of_table(schema: Schema, key: Key) -> Iterator[Use]:
    """Yield what a table cannot be dropped without: foreign keys of others, views, heirs."""
    for table, made in schema.referrers(key):
        if table.key != key:
            yield Use(f"the foreign key {made.name} of {table.key}", table)
    readers = schema.tables[key].readers if key in schema.tables else ()
    for view in readers:
        if view in schema.tables:
            yield Use(f"the view {view}", schema.tables[view])
    for table in schema.tables.values():
        if key in table.parents and table.bound is None:
            yield Use(f"the heir {table.key}", table)


def of_type(schema: Schema, key: Key) -> Iterator[Use]:
    """Yield the columns of a type, a domain over it included."""
    over = [one for one, domain in schema.domains.items() if typed.is_of(domain.base, key)]
    for one in (key, *over):
        for table, column in typed.columns(schema, one):
            yield Use(f"{table.key}.{column.name}", table)


def of_sequence(schema: Schema, key: Key) -> Iterator[Use]:
    """Yield the columns that draw their default from a sequence."""
    for table, column in drawing(schema, key):
        yield Use(f"{table.key}.{column.name}", table)


def drawing(schema: Schema, key: Key) -> Iterator[tuple[Table, Column]]:
    """Yield the columns that draw their default from a sequence, with their tables."""
    owner = schema.sequences.get(key)
    for table in schema.tables.values():
        for column in table.columns.values():
            owned = owner == (table.key, column.name)
            drawn = owned and (column.identity or column.default == "nextval")
            if drawn or key in _drawn(column.default, schema):
                yield table, column


def _drawn(default: Any, schema: Schema) -> set[Key]:
    """Return the sequences of which an expression calls nextval."""
    if default is None or (isinstance(default, str) and "nextval(" not in default):
        return set()
    found = set()
    for call in expressions.nodes(expressions.tree(default), ast.FuncCall):
        if call.funcname[-1].sval == "nextval":
            for name in expressions.nodes(call.args, ast.String):
                found.add(_named(name.sval, schema))
    return found


def _named(text: str, schema: Schema) -> Key:
    """Return the relation that a regclass literal names; a type's name leads nowhere."""
    *qualifier, bare = (part.strip('"') for part in text.split("."))
    if qualifier:
        return Key(qualifier[-1], bare)
    there = (key for path in schema.path if (key := Key(path, bare)) in schema.sequences)
    return next(there, Key(schema.path[0] if schema.path else "public", bare))


def of_function(schema: Schema, name: str) -> Iterator[Use]:
    """Yield what the server knows to call a function of this name: what DROP refuses for.

    Expression indexes and policies are not followed.
    """
    for table in schema.tables.values():
        for trigger, made in table.triggers.items():
            if made.function == name:
                yield Use(f"the trigger {trigger} of {table.key}", table)
        for column in table.columns.values():
            if _calls(column.default, name):
                yield Use(f"the default of {table.key}.{column.name}", table)
        for constraint in table.constraints.values():
            if constraint.kind == "c" and _calls(constraint.expression, name):
                yield Use(f"the check {constraint.name} of {table.key}", table)
        if table.query is not None and _calls(table.query, name) and table.kind in "vm":
            yield Use(f"the view {table.key}", table)


#: What most defaults are.
_CALLING_NOTHING = (ast.A_Const, ast.SQLValueFunction)


def _calls(expression: Any, name: str) -> bool:
    if expression is None or isinstance(expression, _CALLING_NOTHING):
        return False
    if isinstance(expression, str):
        return f"{name}(" in expression or f'{name}"(' in expression
    return any(called == name for called in expressions.calls(expression))


def callers(schema: Schema, name: str) -> list[str]:
    """Return the functions whose bodies call one of this name; they break when they run."""
    return sorted(set(routines.callers(schema, name)))
