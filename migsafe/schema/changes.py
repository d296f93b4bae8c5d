"""What a statement makes of a schema. Pure; what cannot be told is noted as unknown.

One function a kind of statement; `tables` has those of tables. Nothing here judges.
"""

from collections.abc import Callable, Iterator
from typing import Any

from pglast import ast, enums

from migsafe.schema import (
    Domain,
    Enum,
    Key,
    Place,
    Schema,
    Table,
    Trigger,
    Write,
    expressions,
    reading,
    routines,
    tables,
    typed,
    views,
)
from migsafe.sql import Statement, Unknown

_Object = enums.ObjectType


def advance(schema: Schema, statement: Statement, migration: str) -> None:
    """Take in what a statement makes, changes and removes."""
    node, place = statement.node, Place(migration, statement.line)
    # A statement of a block may stand in a branch that does not run.
    left = [] if statement.inner else list(_left(schema, node))
    change = _CHANGES.get(type(node))
    if change:
        change(schema, node, place)
    schema.gone.update(dict.fromkeys(left, place))
    for key in _made(schema, node) if schema.gone else ():
        schema.gone.pop(key, None)


_WITH_ROWS = {
    _Object.OBJECT_TABLE,
    _Object.OBJECT_VIEW,
    _Object.OBJECT_MATVIEW,
    _Object.OBJECT_FOREIGN_TABLE,
}


def _left(schema: Schema, node: Any) -> Iterator[Key]:
    """Yield the names that lead nowhere after a statement."""
    if isinstance(node, ast.DropStmt) and node.removeType in _WITH_ROWS:
        for parts in node.objects or ():
            names = [part.sval for part in parts]
            yield schema.key(names[-2] if len(names) > 1 else None, names[-1])
    elif isinstance(node, ast.RenameStmt) and node.renameType in _WITH_ROWS and node.relation:
        yield schema.key(node.relation.schemaname, node.relation.relname or "")


def _made(schema: Schema, node: Any) -> Iterator[Key]:
    """Yield the names that lead to a relation from a statement on."""
    if find := _MAKES.get(type(node)):
        yield tables.new_key(schema, find(node))
    elif isinstance(node, ast.RenameStmt) and node.relation:
        old = schema.key(node.relation.schemaname, node.relation.relname or "")
        yield Key(old.schema, node.newname or "")
    elif isinstance(node, ast.AlterObjectSchemaStmt) and node.relation:
        yield Key(node.newschema or "", node.relation.relname or "")


_MAKES: dict[type, Callable[[Any], Any]] = {
    ast.CreateStmt: lambda node: node.relation,
    ast.CreateTableAsStmt: lambda node: node.into.rel,
    ast.ViewStmt: lambda node: node.view,
}


# ---------------------------------------------------------------- names


def _rename(schema: Schema, node: Any, place: Place) -> None:
    if node.renameType == _Object.OBJECT_COLUMN and node.relation:
        _rename_column(schema, node)
    elif rename := _PARTS.get(node.renameType):
        rename(schema.table(node.relation), node.subname, node.newname)
    elif node.renameType == _Object.OBJECT_SCHEMA:
        _rename_schema(schema, node.subname, node.newname)
    elif node.renameType in (_Object.OBJECT_TYPE, _Object.OBJECT_DOMAIN):
        typed.rename(schema, node)
    elif node.relation is not None:
        _rename_relation(schema, node, place)


def _rename_constraint(table: Table, old: str, new: str) -> None:
    _move(table.constraints, old, new)
    _move(table.indexes, old, new)


def _rename_trigger(table: Table, old: str, new: str) -> None:
    if old in table.triggers:
        table.triggers[new] = table.triggers.pop(old)


def _rename_policy(table: Table, old: str, new: str) -> None:
    if old in table.policies:
        table.policies.remove(old)
        table.policies.add(new)


def _rename_rule(_table: Table, _old: str, _new: str) -> None:
    """Do nothing: rules are not followed."""


#: Parts of a relation, which the statement names too.
_PARTS: dict[Any, Callable[[Table, str, str], None]] = {
    _Object.OBJECT_TABCONSTRAINT: _rename_constraint,
    _Object.OBJECT_TRIGGER: _rename_trigger,
    _Object.OBJECT_POLICY: _rename_policy,
    _Object.OBJECT_RULE: _rename_rule,
}


def _types(schema: Schema) -> tuple[dict[Key, Any], ...]:
    return schema.enums, schema.domains, schema.composites


def _rename_column(schema: Schema, node: Any) -> None:
    table = schema.table(node.relation)
    for member in (table, *(schema.children(table.key) if node.relation.inh else ())):
        _rename_in_expressions(member, node.subname, node.newname)
        _move(member.columns, node.subname, node.newname)
        for part in (*member.constraints.values(), *member.indexes.values()):
            part.columns = tuple(
                node.newname if name == node.subname else name for name in part.columns
            )
        for index in member.indexes.values():
            index.reads = tuple(
                node.newname if name == node.subname else name for name in index.reads
            )
    for other in schema.tables.values():
        for made in other.constraints.values():
            if made.target == table.key:
                made.target_columns = tuple(
                    node.newname if name == node.subname else name for name in made.target_columns
                )


def _rename_in_expressions(table: Table, old: str, new: str) -> None:
    for made in table.constraints.values():
        if made.expression is not None and old in made.columns:
            made.expression = expressions.renamed(made.expression, old, new)
    for index in table.indexes.values():
        if index.predicate is not None and old in index.reads:
            index.predicate = expressions.renamed(index.predicate, old, new)
    for column in table.columns.values():
        if column.generated and column.default is not None:
            column.default = expressions.renamed(column.default, old, new)


def _move(parts: dict[str, Any], old: str, new: str) -> None:
    """Give a part another name in its place, where it is known."""
    if old not in parts:
        return
    items = [(new if name == old else name, part) for name, part in parts.items()]
    parts.clear()
    parts.update(items)
    parts[new].name = new


def _rename_relation(schema: Schema, node: Any, _place: Place) -> None:
    relation = node.relation
    key = schema.key(relation.schemaname, relation.relname)
    if key in schema.tables:
        rekey(schema, key, Key(key.schema, node.newname))
    elif found := schema.index(relation.schemaname, relation.relname):
        table, index = found
        _move(table.constraints, index.name, node.newname)
        _move(table.indexes, index.name, node.newname)
    elif node.renameType == _Object.OBJECT_SEQUENCE:
        owner = schema.sequences.pop(key, None)
        schema.sequences[Key(key.schema, node.newname)] = owner


def rekey(schema: Schema, old: Key, new: Key) -> None:
    """Move a relation to another name, with everything that refers to it."""
    table = schema.tables.pop(old)
    table.key = new
    schema.tables[new] = table
    for other in schema.tables.values():
        other.parents = tuple(new if parent == old else parent for parent in other.parents)
        if old in other.readers:
            other.readers[new] = other.readers.pop(old)
        for made in other.constraints.values():
            if made.target == old:
                made.target = new


def _rename_schema(schema: Schema, old: str, new: str) -> None:
    for key in [key for key in schema.tables if key.schema == old]:
        rekey(schema, key, Key(new, key.bare))
    for kinds in (*_types(schema), schema.sequences):
        for key in [key for key in kinds if key.schema == old]:
            kinds[Key(new, key.bare)] = kinds.pop(key)


def _set_schema(schema: Schema, node: Any, _place: Place) -> None:
    if node.relation is None:
        return
    key = schema.key(node.relation.schemaname, node.relation.relname)
    if key in schema.tables:
        rekey(schema, key, Key(node.newschema, key.bare))


# ---------------------------------------------------------------- indexes, types, the rest


def _create_index(schema: Schema, node: Any, place: Place) -> None:
    table = schema.table(node.relation)
    if node.if_not_exists and node.idxname in table.indexes:
        return
    index = reading.index(node, table, place)
    table.indexes[index.name] = index


_ROUTINES = {
    _Object.OBJECT_FUNCTION,
    _Object.OBJECT_PROCEDURE,
    _Object.OBJECT_ROUTINE,
    _Object.OBJECT_AGGREGATE,
}


def _drop(schema: Schema, node: Any, _place: Place) -> None:
    for parts in node.objects:
        drop = _DROPS.get(node.removeType)
        if drop and isinstance(parts, tuple | list):
            drop(schema, [part.sval for part in parts])
        elif node.removeType in (_Object.OBJECT_TYPE, _Object.OBJECT_DOMAIN):
            cascades = node.behavior == enums.DropBehavior.DROP_CASCADE
            typed.drop(schema, parts.names, cascades=cascades)
        elif node.removeType in _ROUTINES:
            routines.drop(schema, parts)
        elif node.removeType == _Object.OBJECT_SCHEMA:
            for key in [key for key in schema.tables if key.schema == parts.sval]:
                tables.drop_relation(schema, key)


def _drop_named(schema: Schema, names: list[str]) -> None:
    tables.drop_relation(schema, schema.key(names[-2] if len(names) > 1 else None, names[-1]))


def _drop_index(schema: Schema, names: list[str]) -> None:
    if found := schema.index(names[-2] if len(names) > 1 else None, names[-1]):
        table, index = found
        del table.indexes[index.name]


def _drop_trigger(schema: Schema, names: list[str]) -> None:
    table = schema.tables.get(schema.key(names[-3] if len(names) > 2 else None, names[-2]))
    if table:
        table.triggers.pop(names[-1], None)


def _drop_policy(schema: Schema, names: list[str]) -> None:
    table = schema.tables.get(schema.key(names[-3] if len(names) > 2 else None, names[-2]))
    if table:
        table.policies.discard(names[-1])


def _drop_sequence(schema: Schema, names: list[str]) -> None:
    schema.sequences.pop(schema.key(names[-2] if len(names) > 1 else None, names[-1]), None)


_DROPS: dict[Any, Callable[[Schema, list[str]], None]] = {
    _Object.OBJECT_TABLE: _drop_named,
    _Object.OBJECT_VIEW: _drop_named,
    _Object.OBJECT_MATVIEW: _drop_named,
    _Object.OBJECT_FOREIGN_TABLE: _drop_named,
    _Object.OBJECT_INDEX: _drop_index,
    _Object.OBJECT_TRIGGER: _drop_trigger,
    _Object.OBJECT_POLICY: _drop_policy,
    _Object.OBJECT_SEQUENCE: _drop_sequence,
}


def _create_enum(schema: Schema, node: Any, place: Place) -> None:
    key = reading.key_of(node.typeName, schema, {})
    schema.enums[key] = Enum(labels=[label.sval for label in node.vals or ()], made=place)


def _alter_enum(schema: Schema, node: Any, place: Place) -> None:
    key = reading.key_of(node.typeName, schema, schema.enums)
    enum = schema.enums.get(key)
    if enum is None or node.newVal in enum.labels:
        return
    if node.oldVal:
        enum.labels = [node.newVal if label == node.oldVal else label for label in enum.labels]
        return
    at = len(enum.labels)
    if node.newValNeighbor in enum.labels:
        at = enum.labels.index(node.newValNeighbor) + bool(node.newValIsAfter)
    enum.labels.insert(at, node.newVal)
    enum.added[node.newVal] = place


def _create_domain(schema: Schema, node: Any, _place: Place) -> None:
    domain = Domain(base=reading.type_of(node.typeName))
    for part in node.constraints or ():
        if part.contype == enums.ConstrType.CONSTR_NOTNULL:
            domain.not_null = True
        elif part.contype == enums.ConstrType.CONSTR_CHECK:
            domain.checks[part.conname or f"check{len(domain.checks)}"] = part.raw_expr
        elif part.contype == enums.ConstrType.CONSTR_DEFAULT:
            domain.default = part.raw_expr
    schema.domains[reading.key_of(node.domainname, schema, {})] = domain


def _alter_domain(schema: Schema, node: Any, _place: Place) -> None:
    domain = schema.domains.get(reading.key_of(node.typeName, schema, schema.domains))
    if domain is None:
        return
    if node.subtype == "O":
        domain.not_null = True
    elif node.subtype == "N":
        domain.not_null = False
    elif node.subtype == "C" and node.def_.contype == enums.ConstrType.CONSTR_CHECK:
        name = node.def_.conname or f"check{len(domain.checks)}"
        domain.checks[name] = node.def_.raw_expr
        if node.def_.skip_validation:
            domain.unproven.add(name)
    elif node.subtype in ("V", "X"):
        domain.unproven.discard(node.name)
        if node.subtype == "X":
            domain.checks.pop(node.name, None)
    elif node.subtype == "T":
        domain.default = node.def_


def _create_composite(schema: Schema, node: Any, _place: Place) -> None:
    key = Key(node.typevar.schemaname or (schema.path or ("public",))[0], node.typevar.relname)
    schema.composites[key] = {
        part.colname: reading.type_of(part.typeName) for part in node.coldeflist or ()
    }


def _create_sequence(schema: Schema, node: Any, _place: Place) -> None:
    schema.sequences.setdefault(tables.new_key(schema, node.sequence), None)


def _create_extension(schema: Schema, node: Any, _place: Place) -> None:
    schema.extensions.add(node.extname)


def _create_trigger(schema: Schema, node: Any, _place: Place) -> None:
    made = Trigger(node.funcname[-1].sval, bool(node.initdeferred))
    schema.table(node.relation).triggers[node.trigname] = made


def _create_policy(schema: Schema, node: Any, _place: Place) -> None:
    schema.table(node.table).policies.add(node.policy_name)


def _refresh(schema: Schema, node: Any, _place: Place) -> None:
    schema.table(node.relation).populated = not node.skipData


def _unknown(schema: Schema, _node: Any, place: Place) -> None:
    schema.opaque.append(place)


def _set(schema: Schema, node: Any, _place: Place) -> None:
    """Follow the search_path; what a SET LOCAL leaves is good enough until the file ends."""
    if node.name != "search_path":
        return
    names = [getattr(getattr(arg, "val", None), "sval", "") for arg in node.args or ()]
    if len(names) == 1 and "," in names[0]:
        names = [name.strip().strip('"') for name in names[0].split(",")]
    schema.path = tuple(name for name in names if name and name != "$user") or ("public",)


# ---------------------------------------------------------------- rows


def _write(schema: Schema, node: Any, place: Place) -> None:
    kind = _WRITES[type(node)]
    columns: tuple[str, ...] = ()
    if isinstance(node, ast.UpdateStmt):
        columns = tuple(item.name for item in node.targetList or () if item.name)
    relations = node.relations if isinstance(node, ast.TruncateStmt) else (node.relation,)
    if isinstance(node, ast.CopyStmt) and not node.is_from:
        return
    for relation in relations or ():
        if relation is not None:
            schema.table(relation).writes.append(Write(kind, columns, place))


_WRITES: dict[type, Any] = {
    ast.InsertStmt: "insert",
    ast.UpdateStmt: "update",
    ast.DeleteStmt: "delete",
    ast.MergeStmt: "merge",
    ast.TruncateStmt: "truncate",
    ast.CopyStmt: "copy",
}


def _select(schema: Schema, node: Any, place: Place) -> None:
    """Note the rows that a data-modifying WITH changes, and the table of SELECT INTO."""
    clause = getattr(node, "withClause", None)
    for cte in (clause.ctes or ()) if clause else ():
        if type(cte.ctequery) in _WRITES:
            _write(schema, cte.ctequery, place)
    into = getattr(node, "intoClause", None)
    if into:
        key = tables.new_key(schema, into.rel)
        schema.tables[key] = Table(key=key, made=place, query=node)


def _write_with(schema: Schema, node: Any, place: Place) -> None:
    _select(schema, node, place)
    _write(schema, node, place)


_CHANGES: dict[type, Callable[[Schema, Any, Place], None]] = {
    ast.CreateStmt: tables.create_table,
    ast.CreateForeignTableStmt: tables.create_foreign_table,
    ast.CreateTableAsStmt: views.create_table_as,
    ast.ViewStmt: views.create_view,
    ast.AlterTableStmt: tables.alter_table,
    ast.RenameStmt: _rename,
    ast.AlterObjectSchemaStmt: _set_schema,
    ast.IndexStmt: _create_index,
    ast.DropStmt: _drop,
    ast.CreateEnumStmt: _create_enum,
    ast.AlterEnumStmt: _alter_enum,
    ast.CreateDomainStmt: _create_domain,
    ast.AlterDomainStmt: _alter_domain,
    ast.CompositeTypeStmt: _create_composite,
    ast.CreateSeqStmt: _create_sequence,
    ast.CreateFunctionStmt: routines.create,
    ast.CreateExtensionStmt: _create_extension,
    ast.CreateTrigStmt: _create_trigger,
    ast.RefreshMatViewStmt: _refresh,
    ast.CreatePolicyStmt: _create_policy,
    ast.VariableSetStmt: _set,
    Unknown: _unknown,
    ast.SelectStmt: _select,
    ast.TruncateStmt: _write,
    ast.CopyStmt: _write,
    ast.InsertStmt: _write_with,
    ast.UpdateStmt: _write_with,
    ast.DeleteStmt: _write_with,
    ast.MergeStmt: _write_with,
}
