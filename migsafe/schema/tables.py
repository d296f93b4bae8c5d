"""What CREATE TABLE and ALTER TABLE make of a schema. Pure; judges nothing."""

from collections.abc import Callable, Iterator
from typing import Any

from msgspec.structs import replace
from pglast import ast, enums

from migsafe.schema import (
    Column,
    Key,
    Place,
    Schema,
    Table,
    expressions,
    partitions,
    reading,
    typed,
)

_Object = enums.ObjectType
_Change = enums.AlterTableType
_Like = enums.TableLikeOption


def create_table(schema: Schema, node: Any, place: Place) -> None:
    """Take in a new table, a partition or an heir."""
    relation = node.relation
    key = new_key(schema, relation)
    if node.if_not_exists and key in schema.tables:
        return
    table = Table(
        key=key,
        kind="p" if node.partspec else "r",
        known=not node.ofTypename,
        made=place,
        lenient=bool(node.if_not_exists),
        bound=node.partbound,
        unlogged=relation.relpersistence == "u",
        temporary=relation.relpersistence == "t",
        of=_of(schema, node.ofTypename),
    )
    if node.partspec:
        table.strategy = node.partspec.strategy.name.rsplit("_", 1)[-1].lower()
        table.partition_key = tuple(part.name for part in node.partspec.partParams)
    for parent in node.inhRelations or ():
        _inherit(table, schema.table(parent))
    for element in (*(node.tableElts or ()), *(node.constraints or ())):
        _add_element(schema, table, element, place)
    _merge_unique(table)
    schema.tables[key] = table
    note_passing(schema, key, node, place)
    for parent in table.parents if table.bound is not None else ():
        partitions.fill(schema, table, schema.tables[parent], place)


def _merge_unique(table: Table) -> None:
    """Drop each UNIQUE that is the primary key once more, as transformIndexConstraints does."""
    keys = [one for one in table.constraints.values() if one.kind in "pu"]
    for made in keys if any(one.kind == "p" for one in keys) else ():
        index = table.indexes[made.name]
        same = [one for one in keys if replace(one, name=made.name, kind="u") == made]
        if made.kind == "u" and any(one.kind == "p" for one in same) and not index.included:
            del table.constraints[made.name], table.indexes[made.name]


def create_foreign_table(schema: Schema, node: Any, place: Place) -> None:
    """Take in a new foreign table, whose rows are elsewhere."""
    create_table(schema, node.base, place)
    schema.tables[new_key(schema, node.base.relation)].kind = "f"


def _of(schema: Schema, typename: Any) -> Key | None:
    return reading.key_of(typename.names, schema, schema.composites) if typename else None


def new_key(schema: Schema, relation: Any) -> Key:
    """Return where CREATE puts a relation: the first schema of the path, whatever else is there."""
    if relation.relpersistence == "t":
        return Key("pg_temp", relation.relname)
    first = schema.path[0] if schema.path else "public"
    return Key(relation.schemaname or first, relation.relname)


def note_passing(schema: Schema, key: Key, node: Any, place: Place) -> None:
    """Note a temporary table with what ends it; `node` has its ON COMMIT."""
    if key.schema == "pg_temp":
        said = getattr(node, "oncommit", None) or getattr(node, "onCommit", None)
        schema.passing[key] = place.migration, said == enums.OnCommitAction.ONCOMMIT_DROP


def pass_away(schema: Schema, *, every: bool = False) -> None:
    """Forget the temporary tables that end with COMMIT, or every one, with the session."""
    for key in [key for key, (_, drops) in schema.passing.items() if every or drops]:
        drop_relation(schema, key, cascades=True)
        schema.passing.pop(key, None)


def _inherit(table: Table, parent: Table) -> None:
    table.parents = (*table.parents, parent.key)
    table.known = table.known and parent.known
    for column in parent.columns.values():
        table.columns.setdefault(column.name, _copied(column))
    for made in parent.constraints.values():
        if made.kind in "cn" and not made.alone:
            table.constraints.setdefault(made.name, replace(made))


def _copied(column: Column) -> Column:
    return Column(
        name=column.name,
        type=column.type,
        not_null=column.not_null,
        default=column.default,
        identity=column.identity,
        generated=column.generated,
        collation=column.collation,
    )


def _add_element(schema: Schema, table: Table, element: Any, place: Place) -> None:
    if isinstance(element, ast.ColumnDef):
        _add_column(schema, table, element, place)
    elif isinstance(element, ast.Constraint):
        _add_constraint(schema, table, element, None, place)
    elif isinstance(element, ast.TableLikeClause):
        source = schema.find(element.relation)
        table.known = table.known and bool(source and source.known)
        if source:
            _copy_like(schema, table, source, element.options or 0, place)


def _copy_like(schema: Schema, table: Table, source: Table, options: int, place: Place) -> None:
    """Take over what LIKE … INCLUDING names; what has an index gets the name PostgreSQL chooses."""
    for column in source.columns.values():
        copied = table.columns.setdefault(column.name, _copied(column))
        if not options & (_Like.CREATE_TABLE_LIKE_DEFAULTS | _Like.CREATE_TABLE_LIKE_GENERATED):
            copied.default = None
        copied.identity = column.identity and bool(options & _Like.CREATE_TABLE_LIKE_IDENTITY)
        copied.generated = column.generated if options & _Like.CREATE_TABLE_LIKE_GENERATED else ""
    for made in source.constraints.values():
        if made.kind == "c" and options & _Like.CREATE_TABLE_LIKE_CONSTRAINTS:
            table.constraints[made.name] = replace(made, live=False, made=place)
    for index in source.indexes.values() if options & _Like.CREATE_TABLE_LIKE_INDEXES else ():
        partitions.add(schema, table, index, source.constraints.get(index.name), place)


def _add_column(schema: Schema, table: Table, definition: Any, place: Place) -> None:
    if definition.colname in table.columns and definition.typeName is None:
        column = table.columns[definition.colname]  # a partition's own words about a parent's
    else:
        column = reading.column(definition, schema)
        column.default = reading.kept_default(column.default)
    table.columns[column.name] = column
    if reading.is_serial(definition) or column.identity:
        _own_sequence(schema, table, column.name)
    if reading.is_serial(definition):
        column.default = column.default or "nextval"
    for part, attributes in reading.inline(definition):
        _add_constraint(schema, table, part, column.name, place, attributes)


def _own_sequence(schema: Schema, table: Table, column: str) -> None:
    """Note a sequence under the name that PostgreSQL would choose."""
    name = reading.free(table, column, "seq", schema)
    schema.sequences[Key(table.key.schema, name)] = (table.key, column)


def _add_constraint(
    schema: Schema,
    table: Table,
    node: Any,
    column: str | None,
    place: Place,
    attributes: frozenset[Any] = frozenset(),
) -> None:
    made = reading.constraint(
        node, table, schema, column=column, place=place, attributes=attributes
    )
    if made is None:
        return
    if old := table.constraints.get(made.name):  # the server refuses it, or merges it with that
        made.live, made.made = old.live, old.made
    index = reading.backing(node, made, table)
    if index:
        table.indexes.pop(node.indexname or "", None)
        table.indexes[index.name] = index
        if not made.columns:
            made.columns = tuple(name for name in index.columns if name)
    table.constraints[made.name] = made
    if made.kind == "p" or (made.kind == "n" and made.valid):
        for name in made.columns:
            if name in table.columns:
                table.columns[name].not_null = True


def relations_in(node: Any) -> Iterator[Any]:
    """Yield every RangeVar below a node."""
    return expressions.nodes(node, ast.RangeVar)


# ---------------------------------------------------------------- ALTER TABLE


def alter_table(schema: Schema, node: Any, place: Place) -> None:
    """Take in every subcommand, on the partitions and heirs too where it recurses."""
    if node.objtype == _Object.OBJECT_TYPE:
        typed.alter(schema, node)
    elif not _is_other(schema, node):
        _alter(schema, node, place)


def _is_other(schema: Schema, node: Any) -> bool:
    """Tell whether it changes an index or a sequence, or nothing, for what it names is missing."""
    key = schema.key(node.relation.schemaname, node.relation.relname)
    missing = node.missing_ok and key not in schema.tables
    return node.objtype == _Object.OBJECT_INDEX or key in schema.sequences or missing


def _alter(schema: Schema, node: Any, place: Place) -> None:
    table = schema.table(node.relation)
    family = [table, *(schema.children(table.key) if node.relation.inh else ())]
    for command in node.cmds or ():
        change = _ALTERS.get(command.subtype)
        for member in (table,) if _stays(command) else family:
            if change:
                change(schema, member, command, place)
        for member in family[1:] if command.subtype in _ADDS else ():
            if member.bound is not None:
                partitions.fill(schema, member, schema.tables[member.parents[0]], place)


def _stays(command: Any) -> bool:
    """Tell whether it changes its table alone; a partition names its indexes in its own way."""
    if getattr(command.def_, "is_no_inherit", False) or command.subtype not in _RECURSES:
        return True
    adds = command.subtype == _Change.AT_AddConstraint
    return adds and reading.kind_of(command.def_) in reading.INDEXED


def _alter_add_column(schema: Schema, table: Table, command: Any, place: Place) -> None:
    name = command.def_.colname
    there = name in table.columns
    if not (command.missing_ok and there):
        _add_column(schema, table, command.def_, place)
        sure = not there and (table.known or not command.missing_ok)
        table.columns[name].added = place if sure else None


def _alter_drop_column(schema: Schema, table: Table, command: Any, _place: Place) -> None:
    table.columns.pop(command.name, None)
    _forget_sequences(schema, table.key, command.name)
    for name, made in list(table.constraints.items()):
        if command.name in made.columns:
            del table.constraints[name]
    for name, index in list(table.indexes.items()):
        if command.name in (*index.columns, *index.included, *index.reads):
            del table.indexes[name]
    if command.behavior == enums.DropBehavior.DROP_CASCADE:
        for view, columns in list(table.readers.items()):
            if command.name in columns or not columns:
                drop_relation(schema, view, cascades=True)


def _alter_type(schema: Schema, table: Table, command: Any, place: Place) -> None:
    column = table.columns.get(command.name)
    if column is None:
        return
    column.type = reading.type_of(command.def_.typeName)
    column.collation = reading.collation_of(command.def_.collClause)
    column.default = column.default or _of_domain(schema, column)
    column.retyped = place


def _set_not_null(_schema: Schema, table: Table, command: Any, _place: Place) -> None:
    if column := table.columns.get(command.name):
        column.not_null = True


def _drop_not_null(_schema: Schema, table: Table, command: Any, _place: Place) -> None:
    if column := table.columns.get(command.name):
        column.not_null = False
    for name, made in list(table.constraints.items()):
        if made.kind == "n" and made.columns == (command.name,):
            del table.constraints[name]


def _default(schema: Schema, table: Table, command: Any, _place: Place) -> None:
    if column := table.columns.get(command.name):
        column.default = reading.kept_default(command.def_) or _of_domain(schema, column)


def _of_domain(schema: Schema, column: Column) -> Any:
    domain = schema.typed(column.type, schema.domains)
    return domain.default if domain else None


def _identity(schema: Schema, table: Table, command: Any, _place: Place) -> None:
    if column := table.columns.get(command.name):
        column.identity = command.subtype == _Change.AT_AddIdentity
    if command.subtype == _Change.AT_AddIdentity:
        _own_sequence(schema, table, command.name)
    else:
        _forget_sequences(schema, table.key, command.name)


def _forget_sequences(schema: Schema, key: Key, column: str | None = None) -> None:
    """Forget what a table, or one column of it, owns."""
    for sequence, owner in list(schema.sequences.items()):
        if owner and owner[0] == key and column in (None, owner[1]):
            del schema.sequences[sequence]


def _drop_expression(_schema: Schema, table: Table, command: Any, _place: Place) -> None:
    if column := table.columns.get(command.name):
        column.generated, column.default = "", None


def _alter_add_constraint(schema: Schema, table: Table, command: Any, place: Place) -> None:
    _add_constraint(schema, table, command.def_, None, place)


def _alter_drop_constraint(schema: Schema, table: Table, command: Any, _place: Place) -> None:
    if index := table.indexes.get(command.name):
        for child in schema.children(table.key):
            partitions.drop(child, index)
    made = table.constraints.pop(command.name, None)
    if made is None or made.kind in reading.INDEXED:
        table.indexes.pop(command.name, None)


def _alter_constraint(_schema: Schema, table: Table, command: Any, _place: Place) -> None:
    said = command.def_
    made = table.constraints.get(said.conname)
    if made and said.alterDeferrability:
        made.deferrable, made.deferred = bool(said.deferrable), bool(said.initdeferred)
    if made and said.alterEnforceability:
        made.enforced = made.valid = bool(said.is_enforced)
    if made and said.alterInheritability:
        made.alone = bool(said.noinherit)


def _validate(_schema: Schema, table: Table, command: Any, _place: Place) -> None:
    made = table.constraints.get(command.name)
    if made is None:
        return
    made.valid = True
    if made.kind == "n":
        for name in made.columns:
            if name in table.columns:
                table.columns[name].not_null = True


def _attach(schema: Schema, table: Table, command: Any, place: Place) -> None:
    if not isinstance(command.def_.name, ast.RangeVar) or table.kind != "p":
        return
    partition = schema.table(command.def_.name)
    partition.parents, partition.bound = (table.key,), command.def_.bound
    _adopt(schema, table, partition, place)
    partitions.fill(schema, partition, table, place)


def _adopt(schema: Schema, parent: Table, child: Table, place: Place) -> None:
    """Note with a table and those above it what it gets that this migration did not make."""
    others = {child.key, *child.adopted}
    if child.made and child.made.migration == place.migration and not child.lenient:
        others = child.adopted
    for above in (parent, *_above(schema, parent)) if others else ():
        above.adopted |= others


def _above(schema: Schema, table: Table) -> Iterator[Table]:
    for key in table.parents:
        if parent := schema.tables.get(key):
            yield parent
            yield from _above(schema, parent)


def _give_up(schema: Schema, child: Table) -> None:
    for above in _above(schema, child):
        above.adopted -= {child.key, *child.adopted}


def _detach(schema: Schema, _table: Table, command: Any, _place: Place) -> None:
    partition = schema.table(command.def_.name)
    _give_up(schema, partition)
    partition.parents, partition.bound = (), None


def _add_parent(schema: Schema, table: Table, command: Any, place: Place) -> None:
    parent = schema.table(command.def_)
    table.parents = (*table.parents, parent.key)
    _adopt(schema, parent, table, place)


def _drop_parent(schema: Schema, table: Table, command: Any, _place: Place) -> None:
    gone = schema.table(command.def_).key
    _give_up(schema, table)
    table.parents = tuple(parent for parent in table.parents if parent != gone)


def _add_type(schema: Schema, table: Table, command: Any, _place: Place) -> None:
    table.of = _of(schema, command.def_)


def _logged(_schema: Schema, table: Table, command: Any, _place: Place) -> None:
    table.unlogged = command.subtype == _Change.AT_SetUnLogged


def _row_security(_schema: Schema, table: Table, command: Any, _place: Place) -> None:
    table.row_security = command.subtype == _Change.AT_EnableRowSecurity


def _replica_identity(_schema: Schema, table: Table, command: Any, _place: Place) -> None:
    table.replica_identity = command.def_.identity_type


_ADDS = {_Change.AT_AddConstraint, _Change.AT_AddColumn}

_RECURSES = {
    _Change.AT_AddColumn,
    _Change.AT_DropColumn,
    _Change.AT_AlterColumnType,
    _Change.AT_ColumnDefault,
    _Change.AT_DropExpression,
    _Change.AT_SetNotNull,
    _Change.AT_DropNotNull,
    _Change.AT_AddConstraint,
    _Change.AT_DropConstraint,
    _Change.AT_AlterConstraint,
    _Change.AT_ValidateConstraint,
}

_ALTERS: dict[Any, Callable[[Schema, Table, Any, Place], None]] = {
    _Change.AT_AddColumn: _alter_add_column,
    _Change.AT_DropColumn: _alter_drop_column,
    _Change.AT_AlterColumnType: _alter_type,
    _Change.AT_SetNotNull: _set_not_null,
    _Change.AT_DropNotNull: _drop_not_null,
    _Change.AT_ColumnDefault: _default,
    _Change.AT_AddIdentity: _identity,
    _Change.AT_DropIdentity: _identity,
    _Change.AT_DropExpression: _drop_expression,
    _Change.AT_AddConstraint: _alter_add_constraint,
    _Change.AT_DropConstraint: _alter_drop_constraint,
    _Change.AT_AlterConstraint: _alter_constraint,
    _Change.AT_ValidateConstraint: _validate,
    _Change.AT_AttachPartition: _attach,
    _Change.AT_DetachPartition: _detach,
    _Change.AT_AddInherit: _add_parent,
    _Change.AT_DropInherit: _drop_parent,
    _Change.AT_AddOf: _add_type,
    _Change.AT_DropOf: _add_type,
    _Change.AT_SetLogged: _logged,
    _Change.AT_SetUnLogged: _logged,
    _Change.AT_EnableRowSecurity: _row_security,
    _Change.AT_DisableRowSecurity: _row_security,
    _Change.AT_ReplicaIdentity: _replica_identity,
}


def drop_relation(schema: Schema, key: Key, *, cascades: bool = False) -> None:
    """Forget a relation, its partitions, and with CASCADE what else needs it.

    Foreign keys to it go too: without CASCADE there can be none.
    """
    if key not in schema.tables:
        return
    if cascades:
        for view in list(schema.tables[key].readers):
            drop_relation(schema, view, cascades=True)
    for child in list(schema.children(key)):
        if child.bound is not None or cascades:
            drop_relation(schema, child.key, cascades=cascades)
    _give_up(schema, schema.tables[key])
    schema.tables.pop(key, None)
    _forget_sequences(schema, key)
    others = schema.tables.values()
    for other in [one for one in others if key in one.readers]:
        del other.readers[key]
    pointing = [(one, n) for one in others for n, m in one.constraints.items() if m.target == key]
    for other, name in pointing:
        del other.constraints[name]
