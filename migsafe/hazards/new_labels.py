"""The hazard of a label of an enum that is used in the transaction which adds it."""

from collections.abc import Iterable, Iterator
from typing import Any

from pglast import ast, enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, When
from migsafe.schema import Key, Schema, Table, Type, expressions, reading
from migsafe.sql import Statement

_Transaction = enums.TransactionStmtKind
_Kind = enums.ConstrType
_Change = enums.AlterTableType

#: Statements that end a transaction.
_ENDS = (
    _Transaction.TRANS_STMT_COMMIT,
    _Transaction.TRANS_STMT_ROLLBACK,
    _Transaction.TRANS_STMT_PREPARE,
)


def _used(_node: Any, _last: Statement, context: Context) -> Iterator[Hit]:
    """Walk the migration once more and yield the statements that use a label too early."""
    if not any(isinstance(one.node, ast.AlterEnumStmt) for one in context.before):
        return
    opened, made = context.unit.transaction, set[Key]()
    added: dict[str, Key] = {}
    block: int | None = None
    for statement in context.before:
        node = statement.node
        # A block or a called function that runs outside of a transaction is one.
        if not opened and block != (block := statement.index if statement.inner else None):
            added, made = {}, set()
        if isinstance(node, ast.TransactionStmt):
            if node.kind in _ENDS:
                opened = context.unit.transaction or bool(node.chain)
                added, made = {}, set()
            opened = opened or node.kind in (
                _Transaction.TRANS_STMT_BEGIN,
                _Transaction.TRANS_STMT_START,
            )
        elif isinstance(node, ast.CreateEnumStmt):
            made.add(reading.key_of(node.typeName, context.schema, {}))
        elif isinstance(node, ast.AlterEnumStmt):
            if (opened or statement.inner) and (key := _unsafe(node, made, context)):
                added[str(node.newVal)] = key
        elif added:
            yield from _uses(statement, added, context)


def _unsafe(node: Any, made: set[Key], context: Context) -> Key | None:
    """Return the enum whose new label cannot be used yet.

    From 17 on one is usable where its type is as new.
    """
    key = reading.key_of(node.typeName, context.schema, context.schema.enums)
    if node.oldVal or (key in made and context.at_least(17, unknown=False)):
        return None
    enum = context.schema.enums.get(key)
    place = enum.added.get(node.newVal) if enum else None
    there_before = enum is not None and (place is None or place.migration != context.unit.name)
    return None if there_before else key


def _uses(statement: Statement, added: dict[str, Key], context: Context) -> Iterator[Hit]:
    node, schema = statement.node, context.schema
    if isinstance(node, ast.CommentStmt | ast.VariableSetStmt):
        return
    found = [(one, label) for one in _literals(node) for label in _labels(one) if label in added]
    if not found:
        return
    tables = [schema.find(relation) for relation in expressions.nodes(node, ast.RangeVar)]
    types = _types(node, [table for table in tables if table], schema)
    for literal, label in found:
        key = added[label]
        type_ = types.get(id(literal))
        if type_ is not None and _is(type_, key, schema):
            message = f"uses a label of {key} that the same transaction adds: fails (55P04)"
            yield Hit(message, statement=statement)
            return
        if type_ is None and _may_hold(tables, key, schema):
            message = (
                f"fails (55P04) if it means the label of {key} that the same transaction adds, "
                "which is not known"
            )
            yield Hit(message, severity=Severity.WARNING, statement=statement)
            return


def _literals(node: Any) -> Iterator[Any]:
    for constant in expressions.nodes(node, ast.A_Const):
        if isinstance(constant.val, ast.String):
            yield constant


def _labels(literal: Any) -> tuple[str, ...]:
    """Return the labels that a literal may mean: itself, or the elements of an array."""
    text = literal.val.sval
    if not text.startswith("{"):
        return (text,)
    return tuple(part.strip(' "') for part in text.strip("{}").split(","))


def _is(type_: Type, key: Key, schema: Schema) -> bool:
    """Tell whether a type is the enum, an array of it or a domain over it."""
    seen = set[Type]()
    while type_ not in seen and (domain := schema.typed(type_, schema.domains)):
        seen.add(type_)
        type_ = domain.base
    return type_.name == key.bare and type_.schema in (None, key.schema)


def _may_hold(tables: Iterable[Table | None], key: Key, schema: Schema) -> bool:
    """Tell whether a relation of the statement has a column of the enum, or is not known."""
    return any(
        table is None
        or not table.known
        or any(_is(column.type, key, schema) for column in table.columns.values())
        for table in tables
    )


# ---------------------------------------------------------------- what a literal is meant for


def _types(node: Any, tables: list[Table], schema: Schema) -> dict[int, Type]:
    """Return the types that literals are meant for, by identity: of their casts and columns."""
    types: dict[int, Type] = {}
    columns = {name: column.type for table in tables for name, column in table.columns.items()}
    for definition in expressions.nodes(node, ast.ColumnDef):
        if definition.typeName:
            columns[definition.colname] = reading.type_of(definition.typeName)
    for cast in expressions.nodes(node, ast.TypeCast):
        _note(types, cast, reading.type_of(cast.typeName))
    if (base := _domain(node)) is not None:
        columns["value"] = base
    for part in expressions.nodes(node, ast.FunctionParameter):
        if part.argType:
            _note(types, part.defexpr, reading.type_of(part.argType))
    for value, type_ in _arguments(node, schema):
        _note(types, value, type_)
    for name, value in _pairs(node, schema):
        if name in columns:
            _note(types, value, columns[name])
    return types


def _domain(node: Any) -> Type | None:
    """Return what VALUE is in the checks of a domain."""
    if isinstance(node, ast.CreateDomainStmt):
        return reading.type_of(node.typeName)
    if isinstance(node, ast.AlterDomainStmt):
        return reading.type_of(ast.TypeName(names=node.typeName))
    return None


def _arguments(node: Any, schema: Schema) -> Iterator[tuple[Any, Type]]:
    """Yield what is passed to functions of one signature, with the types that they take."""
    for call in expressions.nodes(node, ast.FuncCall):
        known = [types for name, types in schema.bodies if name == call.funcname[-1].sval]
        for value, name in zip(call.args or (), known[0] if len(known) == 1 else (), strict=False):
            yield value, Type(None, name.removesuffix("[]"), array=name.endswith("[]"))


def _note(types: dict[int, Type], value: Any, type_: Type) -> None:
    """Note the type of a literal, of each in a list or an array; the outermost cast counts."""
    if isinstance(value, tuple | list):
        for item in value:
            _note(types, item, type_)
    elif isinstance(value, ast.A_ArrayExpr):
        _note(types, value.elements, type_)
    elif isinstance(value, ast.TypeCast):
        _note(types, value.arg, type_)
    elif isinstance(value, ast.A_Const):
        types.setdefault(id(value), type_)


def _pairs(node: Any, schema: Schema) -> Iterator[tuple[str, Any]]:
    """Yield columns with what is assigned to them or compared with them."""
    if isinstance(node, ast.AlterDomainStmt) and node.subtype == "T":
        yield "value", node.def_
    elif isinstance(node, ast.CreateDomainStmt):
        yield from (
            ("value", part.raw_expr)
            for part in node.constraints or ()
            if part.contype == _Kind.CONSTR_DEFAULT
        )
    elif isinstance(node, ast.InsertStmt):
        yield from _inserted(node, schema)
    elif isinstance(node, ast.AlterTableStmt):
        for command in node.cmds or ():
            if command.subtype == _Change.AT_ColumnDefault and command.name:
                yield command.name, command.def_
    for target in expressions.nodes(node, ast.ResTarget):
        if target.name:
            yield target.name, target.val
    for definition in expressions.nodes(node, ast.ColumnDef):
        for part in definition.constraints or ():
            if part.contype == _Kind.CONSTR_DEFAULT:
                yield definition.colname, part.raw_expr
    for comparison in expressions.nodes(node, ast.A_Expr):
        yield from _compared(comparison.lexpr, comparison.rexpr)
        yield from _compared(comparison.rexpr, comparison.lexpr)


def _compared(one: Any, other: Any) -> Iterator[tuple[str, Any]]:
    name = one.fields[-1] if isinstance(one, ast.ColumnRef) and one.fields else None
    if isinstance(name, ast.String) and name.sval:
        yield name.sval, other


def _inserted(node: Any, schema: Schema) -> Iterator[tuple[str, Any]]:
    table = schema.find(node.relation)
    named = [target.name for target in node.cols or ()]
    columns = named or list(table.columns if table else ())
    query = node.selectStmt
    rows = list(getattr(query, "valuesLists", None) or ())
    if targets := getattr(query, "targetList", None):
        rows.append([target.val for target in targets])
    for row in rows:
        yield from zip(columns, row, strict=False)


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS432",
        name="enum-new-value-same-transaction",
        severity=Severity.ERROR,
        on=(When.END,),
        check=_used,
        fails="55P04",
        spares_new=False,
        since=12,
        summary="a new label of an enum cannot be used in the transaction that adds it",
        why="A label that ADD VALUE adds is not safe to use before COMMIT: an INSERT, an UPDATE, a "
        "DEFAULT, a CHECK or a cast that names it fails (55P04). Since PostgreSQL 17 it is safe "
        "where the same transaction made the type, too. Most runners put one migration into one "
        "transaction.",
        remedy="Add the label in a migration of its own, before the one that uses it.",
        source="https://www.postgresql.org/docs/current/sql-altertype.html",
    ),
)
