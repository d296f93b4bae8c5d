"""Questions that numbers of sequences raise: whether they suffice, and are free. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from pglast import ast, enums

from migsafe.audits.derived import names, values
from migsafe.audits.derived.names import Rows, Unknown, literal, relation
from migsafe.audits.derived.walking import Draft, Walk
from migsafe.findings import Severity
from migsafe.schema import Column, Key, Table, expressions, reading
from migsafe.sql import Statement

_Kind = enums.ConstrType
_Change = enums.AlterTableType

_MOST = {"int2": 2**15 - 1, "int4": 2**31 - 1, "int8": 2**63 - 1}

#: So many rows are in hardly any table; who has more is not asked about whole integers.
_PLENTY = _MOST["int4"]


class Sequence(NamedTuple):
    """How a sequence numbers: `room` is how many numbers it gives from its start on."""

    first: int
    step: int
    room: int
    cycles: bool


def sequence(options: Iterable[Any] | None, type_: str) -> Sequence:
    """Return what options of a sequence (DefElem) say, over the integer that it is for."""
    given = {item.defname: _number(item.arg) for item in options or ()}
    step = given.get("increment") or 1
    most, least = given.get("maxvalue"), given.get("minvalue")
    limit = _MOST.get(type_, _MOST["int8"])
    most = most if most is not None else (limit if step > 0 else -1)
    least = least if least is not None else (1 if step > 0 else -limit - 1)
    first = given.get("start")
    first = first if first is not None else (least if step > 0 else most)
    room = (min(most, limit) - first) // step if step > 0 else (first - least) // -step
    return Sequence(first, step, room + 1, bool(given.get("cycle")))


def _number(node: Any) -> int | None:
    """Return an option's number; a large one is a Float to the parser."""
    value = getattr(node, "ival", None)
    if value is None:
        value = getattr(node, "fval", getattr(node, "boolval", None))
    return None if value is None else int(value)


def _identity(node: Any) -> Any:
    return next((p for p in node.constraints or () if p.contype == _Kind.CONSTR_IDENTITY), None)


def distinct(column: Column, node: Any) -> bool:
    """Tell whether a new column (a ColumnDef) has another number in each row."""
    if identity := _identity(node):
        return not sequence(identity.options, column.type.name).cycles
    return reading.is_serial(node) or values.numbers(column)


def enough(walk: Walk, rows: Rows, column: Column, node: Any) -> Iterator[Draft]:
    """Ask whether there are numbers for all rows, where a new column is numbered."""
    identity, type_ = _identity(node), column.type.name
    if identity or reading.is_serial(node):
        made = sequence(identity.options if identity else None, type_)
        if made.room < _PLENTY and not made.cycles:
            yield _too_many(rows, column, str(made.room))
    elif not column.generated and (called := _nextval(column)) is not None:
        yield from _of_sequence(walk, rows, column, called, unique=_is_unique(node))


def _nextval(column: Column) -> str | None:
    """Return the argument of the nextval that a column's default is, "" where it is computed."""
    tree = expressions.tree(column.default)
    while isinstance(tree, ast.TypeCast):
        tree = tree.arg
    if not isinstance(tree, ast.FuncCall) or names.called(tree) != "nextval":
        return None
    argument: Any = (tree.args or (None,))[0]
    while isinstance(argument, ast.TypeCast):
        argument = argument.arg
    return str(getattr(getattr(argument, "val", None), "sval", None) or "")


def _is_unique(node: Any) -> bool:
    kinds = (_Kind.CONSTR_UNIQUE, _Kind.CONSTR_PRIMARY)
    return any(part.contype in kinds for part in node.constraints or ())


def _of_sequence(
    walk: Walk, rows: Rows, column: Column, called: str, *, unique: bool
) -> Iterator[Draft]:
    key = _key(walk, called)
    if key is not None and (made := _made(walk, key)) is not None:
        options = tuple(made.options or ())
        width = next((reading.type_of(o.arg).name for o in options if o.defname == "as"), "int8")
        found = sequence(options, min(width, column.type.name, key=_width))
        if found.room < _PLENTY and (unique or not found.cycles):
            yield _too_many(rows, column, str(found.room))
        return

    def room() -> str:
        if key is None:
            raise Unknown("nobody can tell which sequence it is")
        return _left(key, _MOST.get(column.type.name, _MOST["int8"]), unique=unique)

    yield _too_many(rows, column, room)


def _width(type_: str) -> int:
    return _MOST.get(type_, _MOST["int8"])


def _key(walk: Walk, called: str) -> Key | None:
    """Return the sequence that nextval names, None where its name is not a plain one."""
    parts = [part.strip('"') if '"' in part else part.lower() for part in called.split(".")]
    if not called or len(parts) > 2 or called.count('"') % 2:  # schema and name
        return None
    return walk.schema.key(parts[0] if len(parts) > 1 else None, parts[-1])


def _made(walk: Walk, key: Key) -> Any:
    """Return the statement of the walked migration that makes a sequence."""
    for statement in walk.unit.statements:
        node = statement.node
        if isinstance(node, ast.CreateSeqStmt) and statement.index < walk.statement.index:
            sequence_: Any = node.sequence
            if walk.schema.key(sequence_.schemaname, sequence_.relname) == key:
                return node
    return None


def _left(key: Key, limit: int, *, unique: bool) -> str:
    """Return the query for the numbers that a sequence still has, NULL where it begins again."""
    whole = "p.seqmax::numeric - p.seqmin" if unique else "NULL"
    name = relation(key)
    return f"""(SELECT greatest(div(CASE WHEN p.seqcycle THEN {whole}
        WHEN p.seqincrement > 0 THEN least(p.seqmax, {limit})::numeric - s.last_value
        ELSE s.last_value::numeric - p.seqmin END, abs(p.seqincrement::numeric))
        + CASE WHEN s.is_called AND NOT p.seqcycle THEN 0 ELSE 1 END, 0)
        FROM {name} AS s, pg_catalog.pg_sequence AS p
        WHERE p.seqrelid = {literal(name)}::pg_catalog.regclass)"""


def _too_many(rows: Rows, column: Column, room: Any) -> Draft:
    def query() -> str:
        numbers = room if isinstance(room, str) else room()
        return f"SELECT count(*) FROM {rows.source()} AS t HAVING count(*) > {numbers}"

    return Draft(
        name="add-column-required-non-empty",
        what=f"of {rows.table.key}, more than there are numbers for {column.name}",
        rows=rows,
        query=query,
        shows=False,
        noun="set of rows",
        remedy="Number them by a sequence that has enough numbers, as of bigint.",
    )


# ---------------------------------------------------------------- ADD GENERATED AS IDENTITY


def identity(walk: Walk, table: Table, command: Any) -> Iterator[Draft]:
    """Ask for rows that have the numbers with which a new identity begins."""
    column = table.columns.get(command.name)
    made = sequence(command.def_.options, column.type.name if column else "int8")
    if _set_later(walk, table, command.name):
        return
    rows, beyond = walk.rows(table), ">=" if made.step > 0 else "<="
    grave = _inserts_later(walk, table, command.name) and _is_unique_then(walk, table, command.name)
    yield Draft(
        name="identity-behind-max",
        what=f"of {table.key} with a {command.name} that the identity will give again",
        rows=rows,
        only=True,
        offends=lambda: f"{rows.column(command.name)} {beyond} {made.first}",
        reads=(command.name,),
        severity=Severity.ERROR if grave else Severity.WARNING,
        remedy="Write START WITH a number above the largest, or setval behind the statement.",
    )


def _set_later(walk: Walk, table: Table, name: str) -> bool:
    """Tell whether a later statement of the migration puts the identity's sequence forward."""
    later = [s for s in walk.unit.statements if s.index > walk.statement.index]
    return any(_sets(walk, s, table, name) for s in later)


def _sets(walk: Walk, statement: Statement, table: Table, name: str) -> bool:
    """Tell whether a statement does so; of a block its words decide."""
    node, text = statement.node, statement.text.lower()
    if isinstance(node, ast.DoStmt):
        return "setval" in text or "restart" in text
    if isinstance(node, ast.AlterTableStmt):
        return walk.schema.find(node.relation) is table and any(
            command.subtype == _Change.AT_SetIdentity and command.name == name
            for command in node.cmds or ()
        )
    own = f"{table.key.bare}_{name}_seq"
    if isinstance(node, ast.AlterSeqStmt):
        sequence_: Any = node.sequence
        return bool(sequence_.relname == own)
    # It is named by itself, or as pg_get_serial_sequence of the table.
    return "setval" in expressions.calls(node) and table.key.bare.lower() in text


def _inserts_later(walk: Walk, table: Table, name: str) -> bool:
    """Tell whether the migration itself takes a number from the sequence."""
    later = (s.node for s in walk.unit.statements if s.index > walk.statement.index)
    return any(
        isinstance(node, ast.InsertStmt)
        and walk.schema.find(node.relation) is table
        and not _gives(node, table, name)
        for node in later
    )


def _gives(node: Any, table: Table, name: str) -> bool:
    """Tell whether an INSERT has a value of its own for a column in each row."""
    given = [item.name for item in node.cols or ()] or list(table.columns)
    lists = getattr(node.selectStmt, "valuesLists", None)
    if name not in given or not lists or node.override == _USER_VALUE:
        return False
    there = given.index(name)
    return all(len(row) > there and not isinstance(row[there], ast.SetToDefault) for row in lists)


_USER_VALUE = enums.OverridingKind.OVERRIDING_USER_VALUE


def _is_unique_then(walk: Walk, table: Table, name: str) -> bool:
    """Tell whether an index refuses a number that another row has, now or by a later statement."""
    later = (s.node for s in walk.unit.statements if s.index > walk.statement.index)
    return any(isinstance(node, ast.IndexStmt | ast.AlterTableStmt) for node in later) or any(
        index.unique and name in (*index.columns, *index.reads) for index in table.indexes.values()
    )
