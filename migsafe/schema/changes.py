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
    branches,
    configs,
    drops,
    partitions,
    reading,
    renaming,
    routines,
    tables,
    views,
)
from migsafe.sql import Statement, Unknown

_Object = enums.ObjectType


def advance(schema: Schema, statement: Statement, migration: str) -> None:
    """Take in what a statement makes, changes and removes."""
    node, place = statement.node, Place(migration, statement.line)
    begin(schema, migration)
    if _ends(node):
        schema.path, schema.outer = schema.outer[0] if schema.outer else schema.path, None
        tables.pass_away(schema)
    # A statement of a block may stand in a branch that does not run.
    left = [] if statement.inner else list(_left(schema, node))
    change = _CHANGES.get(type(node))
    doubted = list(_named(schema, node)) if statement.maybe else []
    kept = [branches.keep(table) for table in _with_heirs(schema, doubted)]
    if change:
        change(schema, node, place)
    if change and statement.maybe and change not in (_write, _write_with, _select, _set):
        schema.opaque.append(place)
        for table in (*doubted, *_named(schema, node)):
            table.known = False
        for before in kept:
            branches.doubt(before)
    schema.gone.update(dict.fromkeys(left, place))
    for key in _made(schema, node) if schema.gone else ():
        schema.gone.pop(key, None)


def _named(schema: Schema, node: Any) -> Iterator[Table]:
    """Yield the tables that a statement names, by an index of theirs too."""
    for relation in tables.relations_in(node):
        if found := schema.find(relation):
            yield found
    if isinstance(node, ast.DropStmt) and node.removeType == _Object.OBJECT_INDEX:
        for parts in node.objects or ():
            *qualifier, bare = (part.sval for part in parts)
            if index := schema.index(qualifier[-1] if qualifier else None, bare):
                yield index[0]


def _with_heirs(schema: Schema, named: list[Table]) -> Iterator[Table]:
    """Yield tables, each once, with the partitions and heirs that ALTER TABLE may reach."""
    there = {table.key: table for table in named}
    for table in named:
        there.update((child.key, child) for child in schema.children(table.key))
    yield from there.values()


def begin(schema: Schema, migration: str) -> None:
    """Forget the path and the temporary tables of another migration."""
    if schema.outer and migration != schema.outer[1]:
        schema.path, schema.outer = schema.outer[0], None
    if schema.passing and any(made != migration for made, _ in schema.passing.values()):
        tables.pass_away(schema, every=True)


def _ends(node: Any) -> bool:
    """Tell whether a transaction ends here, and with it what SET LOCAL has set."""
    kind = enums.TransactionStmtKind
    ends = (kind.TRANS_STMT_COMMIT, kind.TRANS_STMT_ROLLBACK)
    return isinstance(node, ast.TransactionStmt) and node.kind in ends


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


# ---------------------------------------------------------------- objects


def _rename(schema: Schema, node: Any, _place: Place) -> None:
    renaming.rename(schema, node)


def _set_schema(schema: Schema, node: Any, _place: Place) -> None:
    renaming.set_schema(schema, node)


def _drop(schema: Schema, node: Any, place: Place) -> None:
    drops.drop(schema, node, place)


def _create_index(schema: Schema, node: Any, place: Place) -> None:
    table = schema.table(node.relation)
    if node.if_not_exists and schema.index(table.key.schema, node.idxname or ""):
        return
    index = reading.index(node, table, place, schema)
    table.indexes[index.name] = index
    for child in schema.children(table.key) if node.relation.inh else ():
        if child.bound is not None:
            partitions.fill(schema, child, schema.tables[child.parents[0]], place)


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
    key = reading.key_of(node.domainname, schema, {})
    domain = Domain(base=reading.type_of(node.typeName))
    for part in node.constraints or ():
        if part.contype == enums.ConstrType.CONSTR_NOTNULL:
            domain.not_null = True
        elif part.contype == enums.ConstrType.CONSTR_CHECK:
            domain.checks[part.conname or reading.check_of(key, domain)] = part.raw_expr
        elif part.contype == enums.ConstrType.CONSTR_DEFAULT:
            domain.default = reading.kept_default(part.raw_expr)
    schema.domains[key] = domain


def _alter_domain(schema: Schema, node: Any, _place: Place) -> None:
    key = reading.key_of(node.typeName, schema, schema.domains)
    domain = schema.domains.get(key)
    if domain is None:
        return
    if node.subtype == "O":
        domain.not_null = True
    elif node.subtype == "N":
        domain.not_null = False
    elif node.subtype == "C" and node.def_.contype == enums.ConstrType.CONSTR_CHECK:
        name = node.def_.conname or reading.check_of(key, domain)
        domain.checks[name] = node.def_.raw_expr
        if node.def_.skip_validation:
            domain.unproven.add(name)
    elif node.subtype in ("V", "X"):
        domain.unproven.discard(node.name)
        if node.subtype == "X":
            domain.checks.pop(node.name, None)
    elif node.subtype == "T":
        domain.default = reading.kept_default(node.def_)


def _create_composite(schema: Schema, node: Any, _place: Place) -> None:
    key = Key(node.typevar.schemaname or (schema.path or ("public",))[0], node.typevar.relname)
    schema.composites[key] = {
        part.colname: reading.type_of(part.typeName) for part in node.coldeflist or ()
    }


def _create_sequence(schema: Schema, node: Any, place: Place) -> None:
    key = tables.new_key(schema, node.sequence)
    if key not in schema.sequences:
        schema.sequences[key] = None
        schema.new_sequences[key] = place
        _own_sequence(schema, key, node.options)


def _alter_sequence(schema: Schema, node: Any, _place: Place) -> None:
    key = schema.key(node.sequence.schemaname, node.sequence.relname)
    if key in schema.sequences:
        _own_sequence(schema, key, node.options)


def _own_sequence(schema: Schema, key: Key, options: Any) -> None:
    """Take in OWNED BY, where it is said."""
    for option in options or ():
        if option.defname == "owned_by":
            *table, column = (part.sval for part in option.arg)
            owner = schema.key(table[-2] if len(table) > 1 else None, table[-1]) if table else None
            schema.sequences[key] = (owner, column) if owner else None


def _create_schema(schema: Schema, node: Any, place: Place) -> None:
    """Look along a path of which a schema was lacking, and take in what is made with it."""
    there = {*schema.path, node.schemaname}
    if node.schemaname in schema.search:
        schema.path = tuple(name for name in schema.search if name in there)
    path, schema.path = schema.path, (node.schemaname or "public", *schema.path)
    for element in node.schemaElts or ():  # they are made in it, whatever the path says
        if change := _CHANGES.get(type(element)):
            change(schema, element, place)
    schema.path = path


def _create_extension(schema: Schema, node: Any, _place: Place) -> None:
    schema.extensions.add(node.extname)


def _create_trigger(schema: Schema, node: Any, _place: Place) -> None:
    made = Trigger(node.funcname[-1].sval, bool(node.initdeferred), bool(node.row))
    table = schema.table(node.relation)
    for member in (table, *(schema.children(table.key) if made.row else ())):
        if member is table or member.bound is not None:
            member.triggers[node.trigname] = made


def _create_policy(schema: Schema, node: Any, _place: Place) -> None:
    schema.table(node.table).policies.add(node.policy_name)


def _refresh(schema: Schema, node: Any, _place: Place) -> None:
    schema.table(node.relation).populated = not node.skipData


def _unknown(schema: Schema, _node: Any, place: Place) -> None:
    schema.opaque.append(place)


def _set(schema: Schema, node: Any, place: Place) -> None:
    """Follow the search_path; a SET LOCAL lasts until COMMIT, or until the file ends."""
    if node.kind != enums.VariableSetKind.VAR_RESET_ALL and node.name != "search_path":
        return
    names = [getattr(getattr(arg, "val", None), "sval", "") for arg in node.args or ()]
    _look_along(schema, names, place, local=bool(node.is_local))


def _discard(schema: Schema, node: Any, place: Place) -> None:
    mode = enums.DiscardMode
    if node.target == mode.DISCARD_ALL:
        _look_along(schema, [], place, local=False)
    if node.target in (mode.DISCARD_ALL, mode.DISCARD_TEMP):
        tables.pass_away(schema, every=True)


def _look_along(schema: Schema, names: list[str], place: Place, *, local: bool) -> None:
    """Take a path as SET has it; none is the server's own."""
    if local:
        schema.outer = schema.outer or (schema.path, place.migration)
    else:
        schema.outer = None
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
        tables.note_passing(schema, key, into, place)
    for said in configs.given(node):
        if said.name == "search_path" and said.value is not None:
            _look_along(schema, [said.value], place, local=said.local)


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
    ast.CreateSchemaStmt: _create_schema,
    ast.CreateSeqStmt: _create_sequence,
    ast.AlterSeqStmt: _alter_sequence,
    ast.CreateFunctionStmt: routines.create,
    ast.AlterFunctionStmt: routines.alter,
    ast.CreateExtensionStmt: _create_extension,
    ast.CreateTrigStmt: _create_trigger,
    ast.RefreshMatViewStmt: _refresh,
    ast.CreatePolicyStmt: _create_policy,
    ast.VariableSetStmt: _set,
    ast.DiscardStmt: _discard,
    Unknown: _unknown,
    ast.SelectStmt: _select,
    ast.TruncateStmt: _write,
    ast.CopyStmt: _write,
    ast.InsertStmt: _write_with,
    ast.UpdateStmt: _write_with,
    ast.DeleteStmt: _write_with,
    ast.MergeStmt: _write_with,
}
