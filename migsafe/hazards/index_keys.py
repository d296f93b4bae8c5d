"""Hazards of what an index holds: rows that it refuses, and indexes that serve nobody."""

from collections.abc import Iterable, Iterator
from typing import Any

from pglast import ast, enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, When
from migsafe.hazards.indexes import dropped
from migsafe.schema import Constraint, Index, Table, expressions
from migsafe.sql import Statement

# ---------------------------------------------------------------- rows that it refuses


def _meets_duplicates(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    if not node.unique:
        return
    table = context.table(node.relation)
    if _is_unique_already(table, node) or _is_all_null(table, node, context):
        return
    keys = ", ".join(element.name or "an expression" for element in node.indexParams)
    left = ", and then leaves it INVALID" if node.concurrent else ""
    yield Hit(f"fails where two rows of {table.key} share {keys} (23505){left}", table)


def _is_unique_already(table: Table, node: Any) -> bool:
    """Tell whether a unique index on some of the columns proves that no two rows share all."""
    names = {element.name for element in node.indexParams if not element.collation}
    return any(
        index.unique
        and index.valid
        and index.plain
        and names.issuperset(index.columns)
        and (not node.nulls_not_distinct or index.nulls_not_distinct or _refuse_null(table, index))
        for index in table.indexes.values()
    )


def _refuse_null(table: Table, index: Index) -> bool:
    return all(name in table.columns and table.columns[name].not_null for name in index.columns)


def _is_all_null(table: Table, node: Any, context: Context) -> bool:
    """Tell whether a key column is one that this migration adds and leaves without values."""
    names = {element.name for element in node.indexParams}
    return not node.nulls_not_distinct and not names.isdisjoint(_unset(table, context))


def _unset(table: Table, context: Context) -> Iterator[str]:
    here = [write for write in table.writes if write.place.migration == context.unit.name]
    if any(write.kind != "update" for write in here):
        return
    written = {name for write in here for name in write.columns}
    for statement in context.before:
        node = statement.node
        if isinstance(node, ast.AlterTableStmt) and context.schema.find(node.relation) is table:
            for command in node.cmds or ():
                definition: Any = command.def_
                added = command.subtype == enums.AlterTableType.AT_AddColumn
                if added and _starts_null(table, definition) and definition.colname not in written:
                    yield definition.colname


def _starts_null(table: Table, definition: Any) -> bool:
    column = table.columns.get(definition.colname)
    return bool(column and column.default is None and not (column.identity or column.generated))


#: Types whose values can always be had from any value that is cast to them.
_TEXTS = frozenset({"text", "varchar", "bpchar", "name", "citext"})

#: Numbers by range; a cast to one further on cannot fail.
_NUMBERS = ("int2", "int4", "int8", "numeric")


def _raises(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    computed = [element.expr for element in node.indexParams if element.expr is not None]
    if not computed and node.whereClause is None:
        return
    table = context.table(node.relation)
    casts: Iterable[Any] = expressions.nodes((*computed, node.whereClause), ast.TypeCast)
    for cast in casts:
        if _can_fail(cast, table):
            name = cast.typeName.names[-1].sval
            yield Hit(f"fails on the first row of {table.key} whose value is no {name}", table)
            return
    operations: Iterable[Any] = expressions.nodes((*computed, node.whereClause), ast.A_Expr)
    for operation in operations:
        divides = operation.name[-1].sval in ("/", "%")
        if divides and not isinstance(operation.rexpr, ast.A_Const):
            yield Hit(f"fails on the first row of {table.key} that it divides by zero", table)
            return


def _can_fail(cast: Any, table: Table) -> bool:
    target = cast.typeName.names[-1].sval
    if isinstance(cast.arg, ast.A_Const) or (target in _TEXTS and not cast.typeName.typmods):
        return False
    fields: Any = getattr(cast.arg, "fields", None)
    column = table.columns.get(getattr(fields[-1], "sval", "")) if fields else None
    if column is None or column.type.array:
        return True
    if {column.type.name, target} <= set(_NUMBERS) and not cast.typeName.typmods:
        return _NUMBERS.index(column.type.name) > _NUMBERS.index(target)
    return bool(column.type.name != target)


#: Types whose values are often longer than a key of a B-tree may be. Text is too common for that.
_LONG = frozenset({"bytea", "hstore", "jsonb", "tsvector"})

#: A third of a page less overhead: BTMaxItemSize. Compressed by a third, most text still fits.
_KEY_BYTES = 2704


def _too_large(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    if node.accessMethod != "btree":
        return
    table = context.table(node.relation)
    for element in node.indexParams:
        column = table.columns.get(element.name or "")
        if column and _is_long(column.type):
            message = f"fails on a row of {table.key} whose {column.name} takes more than"
            yield Hit(f"{message} {_KEY_BYTES} bytes (54000), now and on every later write", table)


def _is_long(type_: Any) -> bool:
    longest = max(type_.mods, default=0) if type_.name in ("varchar", "bpchar") else 0
    return type_.array or type_.name in _LONG or longest > _KEY_BYTES


# ---------------------------------------------------------------- indexes that serve nobody


def _duplicates(_node: Any, _statement: Any, context: Context) -> Iterator[Hit]:
    """Yield each pair of which a migration that is over has made one and made one superfluous."""
    for table in _touched(context):
        indexes = list(table.indexes.values())
        for position, later in enumerate(indexes):
            for earlier in indexes[:position]:
                if _is_new(later, context) or _is_new(earlier, context):
                    yield from _superfluous(table, earlier, later, context)


def _touched(context: Context) -> Iterator[Table]:
    """Yield the tables that get an index, each once."""
    seen = set()
    for statement in context.before:
        node: Any = statement.node
        if isinstance(node, ast.IndexStmt | ast.CreateStmt | ast.AlterTableStmt):
            table = context.schema.find(node.relation)
            if table and table.key not in seen and len(table.indexes) > 1:
                seen.add(table.key)
                yield table


def _is_new(index: Index, context: Context) -> bool:
    return index.made is not None and index.made.migration == context.unit.name


def _superfluous(table: Table, earlier: Index, later: Index, context: Context) -> Iterator[Hit]:
    wide, narrow = (earlier, later) if _covers(earlier, later) else (later, earlier)
    if not _covers(wide, narrow):
        return
    message = f"every query of {table.key} that {narrow.name} serves is served by {wide.name}"
    made = (narrow if _is_new(narrow, context) else wide).made
    yield Hit(f"{message} as well, and each write maintains both", table, place=made)


def _covers(wide: Index, narrow: Index) -> bool:
    """Tell whether `narrow` holds no key, row or promise that `wide` does not hold as well."""
    same = wide.columns == narrow.columns
    promises = narrow.unique and not (wide.unique and same)
    plain = wide.plain and narrow.plain and wide.ordinary and narrow.ordinary
    methods = {wide.method, narrow.method}
    return (
        not promises
        and plain
        and (wide.valid and narrow.valid)
        and methods == {"btree"}
        and wide.columns[: len(narrow.columns)] == narrow.columns
        and {*narrow.included} <= {*wide.columns, *wide.included}
    )


def _wide(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    keys = len(node.indexParams)
    if node.accessMethod == "btree" and keys > 3:
        table = context.table(node.relation)
        yield Hit(f"has {keys} keys, which every write to {table.key} maintains", table)


def _advice(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    table = context.table(node.relation)
    by_method = _ADVICE.get(node.accessMethod)
    if by_method:
        yield Hit(by_method.format(table=table.key), table)
    for element in node.indexParams:
        column = table.columns.get(element.name or "")
        if column and (advice := _of_column(node, element, column)):
            yield Hit(advice.format(table=table.key, column=column.name), table)


_ADVICE = {
    "hash": "a hash index of {table} serves = alone, and cannot be unique",
    "hnsw": "an hnsw index of {table} is built slowly unless it fits into maintenance_work_mem",
    "ivfflat": "an ivfflat index takes its lists from the rows that {table} has when it is built",
}


def _of_column(node: Any, element: Any, column: Any) -> str | None:
    documents = column.type.name in ("jsonb", "tsvector") or column.type.array
    if node.accessMethod == "btree" and documents:
        return "a btree compares {column} of {table} as a whole; GIN finds what is in it"
    if node.accessMethod == "gin" and column.type.name == "jsonb" and not element.opclass:
        return "jsonb_path_ops is smaller and faster for {table}.{column} where @> is all it serves"
    alone = len(node.indexParams) == 1 and node.whereClause is None
    if node.accessMethod == "btree" and column.type.name == "bool" and alone:
        return "half of {table} may share one value of {column}; a partial index is smaller"
    return None


# ---------------------------------------------------------------- what should follow, or precede


def _unanalyzed(_node: Any, _statement: Any, context: Context) -> Iterator[Hit]:
    """Yield what has statistics of its own that no ANALYZE in the migration gathers."""
    for position, statement in enumerate(context.before):
        for relation, what in _statistics(statement.node):
            later = context.before[position + 1 :]
            table = context.schema.find(relation)
            if table and not any(_analyzes(other.node, table, context) for other in later):
                message = f"the planner knows nothing of {what} until {table.key} is analyzed"
                yield Hit(message, table, statement=statement)


def _statistics(node: Any) -> Iterator[tuple[Any, str]]:
    if isinstance(node, ast.IndexStmt):
        if any(element.expr is not None for element in node.indexParams or ()):
            yield node.relation, "the expression that is indexed"
    elif isinstance(node, ast.CreateStatsStmt):
        for relation in node.relations or ():
            yield relation, "the extended statistics"


def _analyzes(node: Any, table: Table, context: Context) -> bool:
    if not isinstance(node, ast.VacuumStmt):
        return False
    if node.is_vacuumcmd and not any(item.defname == "analyze" for item in node.options or ()):
        return False
    relations: Iterable[Any] = [item.relation for item in node.rels or ()]
    return not relations or any(context.schema.find(one) is table for one in relations)


def _needed(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    cascades = getattr(node, "behavior", None) == enums.DropBehavior.DROP_CASCADE
    for name, table, index in dropped(node, context):
        if table is None or index is None:
            continue
        if name in table.constraints:
            message = f"DROP INDEX fails, since {name} belongs to a constraint of {table.key}"
            yield Hit(f"{message} (2BP01)", table)
        for child, key in _relying(table, index, context):
            what = f"the foreign key {key.name} of {child.key}"
            if cascades:
                yield Hit(f"drops {what} with {name}", child, Severity.WARNING)
            else:
                yield Hit(f"DROP INDEX fails, since {what} relies on {name} (2BP01)", table)


def _relying(table: Table, index: Index, context: Context) -> Iterator[tuple[Table, Constraint]]:
    """Yield foreign keys that have no other index to rely on than this one."""
    if not index.unique or index.name in table.constraints:
        return
    columns = set(index.columns)
    others = (other for other in table.indexes.values() if other is not index and other.unique)
    if any(set(other.columns) == columns for other in others):
        return
    for child, key in context.schema.referrers(table.key):
        if set(key.target_columns) == columns:
            yield child, key


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS404",
        name="unique-index",
        on=(ast.IndexStmt,),
        check=_meets_duplicates,
        summary="a unique index is built on rows that may have duplicates",
        why="CREATE UNIQUE INDEX fails with 23505 when two rows share a key, and names only the "
        "first pair it meets. In a transaction everything is rolled back after the whole build; "
        "CONCURRENTLY leaves an INVALID index that every write maintains, and that already refuses "
        "new duplicates.",
        remedy="Look for duplicates with GROUP BY … HAVING count(*) > 1 and mend them before.",
        source="https://www.postgresql.org/docs/current/sql-createindex.html",
        fails="23505",
        rows=True,
    ),
    Rule(
        code="MS405",
        name="index-expression-error",
        on=(ast.IndexStmt,),
        check=_raises,
        summary="the expression of an index may raise an error on a row",
        why="The expressions and the predicate of an index are computed for every row while it is "
        "built, and for every row that is written later. One value that cannot be cast, or one "
        "division by zero, ends the build; afterwards it refuses the write.",
        remedy="Select the expression over the whole table first, and guard it with CASE.",
        source="https://www.postgresql.org/docs/current/indexes-expressional.html",
        fails="22P02",
        rows=True,
    ),
    Rule(
        code="MS406",
        name="index-row-too-large",
        on=(ast.IndexStmt,),
        check=_too_large,
        summary="the keys of an index may be longer than a B-tree takes",
        why="A key of a B-tree has to fit three times into a page: 2704 bytes, after compression. "
        "A longer value ends the build with 54000, and once the index is there it refuses the "
        "write. Documents, byte strings and arrays get that long; so may text.",
        remedy="Index a digest such as md5(…) for equality, or use GIN or GiST to look inside.",
        source="https://www.postgresql.org/docs/current/btree.html",
        fails="54000",
        rows=True,
    ),
    Rule(
        code="MS407",
        name="duplicate-index",
        severity=Severity.INFO,
        on=(When.END,),
        check=_duplicates,
        summary="an index is served by another one that begins with the same columns",
        why="A B-tree on (a, b) finds a as quickly as one on (a) does. The second one takes space "
        "and memory, and every INSERT and most UPDATEs write to both. The index of a primary key "
        "or of a UNIQUE constraint counts as well.",
        remedy="Keep the wider one, or the one that is unique, and drop the other CONCURRENTLY.",
        source="https://www.postgresql.org/docs/current/indexes-multicolumn.html",
        spares_new=False,
    ),
    Rule(
        code="MS408",
        name="wide-index",
        severity=Severity.INFO,
        on=(ast.IndexStmt,),
        check=_wide,
        summary="an index has more than three keys",
        why="A B-tree is searched quickly by its first keys; each further one makes it larger and "
        "makes more UPDATEs write to it. Four keys and more are rarely worth it.",
        remedy="Index the columns that narrow most, and INCLUDE what only has to be returned.",
        source="https://www.postgresql.org/docs/current/indexes-multicolumn.html",
        spares_new=False,
        style=True,
    ),
    Rule(
        code="MS409",
        name="index-advice",
        severity=Severity.INFO,
        on=(ast.IndexStmt,),
        check=_advice,
        summary="another kind of index would serve better",
        why="Kinds of indexes answer different questions. A B-tree orders whole values, GIN finds "
        "parts of documents and arrays, a hash index answers equality alone, and an index of "
        "vectors has to be built over rows that are there, within memory.",
        remedy="Choose the kind and the operator class by the queries that are to use it.",
        source="https://www.postgresql.org/docs/current/indexes-types.html",
        spares_new=False,
        style=True,
    ),
    Rule(
        code="MS410",
        name="missing-analyze",
        severity=Severity.INFO,
        on=(When.END,),
        check=_unanalyzed,
        summary="an expression is indexed, and the planner has no statistics of it",
        why="An index on an expression has statistics of its own, as CREATE STATISTICS has, and "
        "they are gathered by ANALYZE alone. Autovacuum analyzes a table when enough of its rows "
        "have changed, and building an index changes none, so the planner guesses until then.",
        remedy="Write ANALYZE of the table after it.",
        source="https://www.postgresql.org/docs/current/sql-createindex.html",
    ),
    Rule(
        code="MS419",
        name="drop-index-backing-constraint",
        severity=Severity.ERROR,
        on=(ast.DropStmt,),
        check=_needed,
        summary="an index is dropped that a constraint needs",
        why="The index of a PRIMARY KEY, UNIQUE or EXCLUDE constraint belongs to the constraint, "
        "and DROP INDEX refuses it (2BP01), with CASCADE too. A unique index to whose columns a "
        "foreign key refers is refused as well; there CASCADE drops the foreign key silently.",
        remedy="Write ALTER TABLE … DROP CONSTRAINT, which drops the index with it.",
        source="https://www.postgresql.org/docs/current/sql-dropindex.html",
        fails="2BP01",
        spares_new=False,
    ),
)
