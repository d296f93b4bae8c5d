"""Hazards inside of queries and lists of columns: what can never be true, and what is twice."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pglast import ast, enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, When
from migsafe.schema import expressions
from migsafe.sql import Statement

_Expr = enums.A_Expr_Kind
_Constr = enums.ConstrType
_ANY = enums.SubLinkType.ANY_SUBLINK

_QUERIES = (
    *(ast.SelectStmt, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt),
    *(ast.ViewStmt, ast.CreateTableAsStmt),
)


def _twice(names: Iterable[str | None]) -> list[str]:
    """Return the names that are there more than once; None is an expression."""
    return [name for name, count in Counter(names).items() if count > 1 and name is not None]


# ---------------------------------------------------------------- columns that are named twice


def _assigned_twice(node: Any, _statement: Statement, _context: Context) -> Iterator[Hit]:
    for does, code, names in _LISTS[type(node)](node):
        for name in _twice(names):
            yield Hit(f"{does} the column {name} of {node.relation.relname} twice ({code})")


_Lists = Iterator[tuple[str, str, Iterable[str]]]


def _made(node: Any) -> _Lists:
    columns = [e.colname for e in node.tableElts or () if isinstance(e, ast.ColumnDef)]
    yield "makes", "42701", (name for name in columns if name)


def _inserted(node: Any) -> _Lists:
    yield "gives", "42701", _targets(node.cols)
    if node.onConflictClause:
        yield from _updated(node.onConflictClause)


def _updated(node: Any) -> _Lists:
    yield "assigns to", "42601", _targets(node.targetList)


def _merged(node: Any) -> _Lists:
    for clause in node.mergeWhenClauses or ():
        yield from _updated(clause)


def _targets(targets: Iterable[Any] | None) -> Iterator[str]:
    """Yield the columns of a list; a part of one (`a[1]`, `a.b`) may well be named twice."""
    for target in targets or ():
        if not target.indirection:
            yield target.name


#: What a statement does with a column, how the server refuses the second, and the columns.
_LISTS: dict[type, Callable[[Any], _Lists]] = {
    ast.CreateStmt: _made,
    ast.InsertStmt: _inserted,
    ast.UpdateStmt: _updated,
    ast.MergeStmt: _merged,
}


def _indexed_twice(node: Any) -> Iterator[Hit]:
    named = node.idxname or "an index"
    columns = (*node.indexParams, *(node.indexIncludingParams or ()))
    for name in _twice(element.name for element in columns):
        yield Hit(f"{named} of {node.relation.relname} has the column {name} twice")


def _keyed_twice(node: Any, _statement: Statement, _context: Context) -> Iterator[Hit]:
    if isinstance(node, ast.IndexStmt):
        yield from _indexed_twice(node)
        return
    for constraint in _constraints(node):
        kind = _KEYS.get(constraint.contype)
        for name in _twice(part.sval for part in constraint.keys or ()) if kind else ():
            message = f"the {kind} of {node.relation.relname} has the column {name} twice"
            yield Hit(f"{message}, and fails (42701)", severity=Severity.ERROR)
        for name in _twice(part.sval for part in constraint.fk_attrs or ()):
            yield Hit(f"the foreign key of {node.relation.relname} has the column {name} twice")


_KEYS = {_Constr.CONSTR_PRIMARY: "primary key", _Constr.CONSTR_UNIQUE: "unique constraint"}


def _constraints(node: Any) -> Iterator[Any]:
    """Yield the table constraints of CREATE TABLE or ALTER TABLE."""
    made = (*(getattr(node, "tableElts", None) or ()), *(getattr(node, "constraints", None) or ()))
    added = (command.def_ for command in getattr(node, "cmds", None) or ())
    yield from (part for part in (*made, *added) if isinstance(part, ast.Constraint))


# ---------------------------------------------------------------- what is never true


#: Text that may compare with NULL; most texts have none, and their trees are not walked.
_MAY_COMPARE = re.compile(r"[=<>]\s*null|null\s*[=<>!]")
_COMPARES = {"=", "<>", "!=", "<", ">", "<=", ">="}


def _compares_null(_node: Any, statement: Statement, _context: Context) -> Iterator[Hit]:
    text = statement.text
    compares = "=" in text or "<" in text or ">" in text  # DDL seldom does
    if not (compares and _MAY_COMPARE.search(text.lower())):
        return
    for expression in expressions.nodes(statement.node, ast.A_Expr):
        name = expression.name[-1].sval if expression.kind == _Expr.AEXPR_OP else ""
        if name in _COMPARES and (_is_null(expression.lexpr) or _is_null(expression.rexpr)):
            message = f"compares with NULL by {name}, which is never true and never false"
            yield Hit(f"{message}, whatever the row")
            return


def _is_null(node: Any) -> bool:
    return isinstance(node, ast.A_Const) and bool(node.isnull)


def _excludes_null(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    queries = [*_not_in(node)]
    if any(not _never_null(query, context) for query in queries):
        yield Hit("NOT IN with a subquery is never true once the subquery returns a NULL")
    for expression in expressions.nodes(node, ast.A_Expr):
        excludes = expression.kind == _Expr.AEXPR_IN and expression.name[-1].sval == "<>"
        if excludes and any(_is_null(item) for item in expression.rexpr):
            yield Hit("NOT IN with a NULL in its list is never true")


def _not_in(node: Any) -> Iterator[Any]:
    """Yield the subqueries of NOT IN."""
    for expression in expressions.nodes(node, ast.BoolExpr):
        if expression.boolop == enums.BoolExprType.NOT_EXPR:
            link = expression.args[0]
            if getattr(link, "subLinkType", None) == _ANY and not link.operName:
                yield link.subselect


def _never_null(query: Any, context: Context) -> bool:
    """Tell whether a query returns one column of one known table that is NOT NULL."""
    sources: Any = query.fromClause or ()
    targets: Any = query.targetList or ()
    if len(sources) != 1 or len(targets) != 1 or not isinstance(sources[0], ast.RangeVar):
        return False
    table = context.schema.find(sources[0])
    fields = getattr(targets[0].val, "fields", ())
    column = table.columns.get(getattr(fields[-1], "sval", "")) if table and fields else None
    return bool(column and column.not_null)


# ---------------------------------------------------------------- taste


def _stars(node: Any, _statement: Statement, _context: Context) -> Iterator[Hit]:
    query = getattr(node, "query", None) or getattr(node, "selectStmt", None)
    if isinstance(query, ast.SelectStmt) and any(_has_star(part) for part in _united(query)):
        relation = getattr(node, "view", None) or getattr(node, "relation", None) or node.into.rel
        message = "takes the columns of SELECT * as they are today"
        yield Hit(f"{relation.relname} {message}, whatever is added or dropped later")


def _united(query: Any) -> Iterator[Any]:
    """Yield the parts of a UNION, or the query itself."""
    if query.larg:
        yield from _united(query.larg)
        yield from _united(query.rarg)
    else:
        yield query


def _has_star(query: Any) -> bool:
    references = (getattr(item.val, "fields", None) for item in query.targetList or ())
    return any(isinstance(fields[-1], ast.A_Star) for fields in references if fields)


def _groups_by_number(node: Any, _statement: Statement, _context: Context) -> Iterator[Hit]:
    queries = expressions.nodes(node, ast.SelectStmt)
    items = (item for query in queries for item in query.groupClause or ())
    if any(isinstance(item, ast.A_Const) for item in items):
        yield Hit("GROUP BY counts columns, so that another column before them changes it")


def _matches_anywhere(node: Any, _statement: Statement, _context: Context) -> Iterator[Hit]:
    if any(_begins_open(part) for part in expressions.nodes(node, ast.A_Expr)):
        yield Hit("a pattern that begins with a wildcard reads every row, since no btree helps it")


def _begins_open(expression: Any) -> bool:
    pattern = getattr(getattr(expression.rexpr, "val", None), "sval", "")
    likens = expression.kind in (_Expr.AEXPR_LIKE, _Expr.AEXPR_ILIKE)
    return likens and pattern.startswith(("%", "_"))


def _orders_at_random(node: Any, _statement: Statement, _context: Context) -> Iterator[Hit]:
    queries = expressions.nodes(node, ast.SelectStmt)
    items = (item for query in queries for item in query.sortClause or ())
    if any("random" in expressions.calls(item.node) for item in items):
        yield Hit("ORDER BY random() computes and sorts every row, even for one of them")


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS458",
        name="duplicate-column-assignment",
        severity=Severity.ERROR,
        on=(ast.InsertStmt, ast.UpdateStmt, ast.MergeStmt, ast.CreateStmt),
        check=_assigned_twice,
        summary="a column is named twice where it may be named once",
        why="INSERT, UPDATE … SET, MERGE and CREATE TABLE accept every column once, and fail "
        "whatever the rows are. Parts of an array or of a composite may be assigned one by one.",
        remedy="Take one of them out.",
        source="https://www.postgresql.org/docs/current/sql-update.html",
        fails="42701",
        spares_new=False,
    ),
    Rule(
        code="MS459",
        name="duplicate-key-columns",
        on=(ast.IndexStmt, ast.CreateStmt, ast.AlterTableStmt),
        check=_keyed_twice,
        summary="an index or key has the same column twice",
        why="An index with a column twice is larger than it need be and finds nothing faster; most "
        "often another column was meant. PRIMARY KEY and UNIQUE refuse it.",
        remedy="Name the column that was meant, or take the second one out.",
        source="https://www.postgresql.org/docs/current/sql-createindex.html",
        spares_new=False,
    ),
    Rule(
        code="MS464",
        name="null-comparison",
        on=(When.STATEMENT,),
        check=_compares_null,
        summary="a comparison with NULL, which is never true",
        why="NULL is no value: x = NULL and x <> NULL are NULL themselves for every x, so that a "
        "WHERE with one of them meets no row, and a CHECK with one of them refuses none. An UPDATE "
        "that was to repair the missing values repairs nothing, and says so only as UPDATE 0.",
        remedy="Write IS NULL or IS NOT NULL, or IS DISTINCT FROM for a value that may be NULL.",
        source="https://www.postgresql.org/docs/current/functions-comparison.html",
        spares_new=False,
    ),
    Rule(
        code="MS465",
        name="not-in-null",
        on=_QUERIES,
        check=_excludes_null,
        summary="NOT IN, which one NULL turns into nothing",
        why="x NOT IN (…) asks whether x differs from every value of the list. With a NULL in it "
        "the answer is never true, so that no row is met. The planner cannot turn it into an anti "
        "join either, and may read the subquery for every row.",
        remedy="Write NOT EXISTS, or exclude NULL in the subquery.",
        source="https://www.postgresql.org/docs/current/functions-subquery.html",
        spares_new=False,
        style=True,
    ),
    Rule(
        code="MS463",
        name="select-star",
        on=(ast.ViewStmt, ast.CreateTableAsStmt, ast.InsertStmt),
        check=_stars,
        summary="SELECT * where the columns are kept",
        why="A view keeps the columns that SELECT * meant when it was made, and depends on all of "
        "them, so that none can be dropped. INSERT … SELECT * breaks, or shifts values into other "
        "columns, when either table changes.",
        remedy="Name the columns.",
        source="https://www.postgresql.org/docs/current/sql-createview.html",
        spares_new=False,
        style=True,
    ),
    Rule(
        code="MS466",
        name="ordinal-group-by",
        on=_QUERIES,
        check=_groups_by_number,
        summary="GROUP BY counts columns instead of naming them",
        why="GROUP BY 1 means the first column of the SELECT. Who puts another column before it "
        "changes the groups, and PostgreSQL does not complain.",
        remedy="Name the columns or repeat the expressions.",
        source="https://www.postgresql.org/docs/current/sql-select.html",
        spares_new=False,
        style=True,
    ),
    Rule(
        code="MS467",
        name="leading-wildcard",
        on=_QUERIES,
        check=_matches_anywhere,
        summary="a pattern that begins with a wildcard",
        why="A btree index is ordered by the beginning of the text, so that LIKE with a wildcard "
        "there reads the whole table. An index of pg_trgm finds such patterns.",
        remedy="Anchor the pattern, or create a GIN index with gin_trgm_ops for it.",
        source="https://www.postgresql.org/docs/current/pgtrgm.html",
        spares_new=False,
        style=True,
    ),
    Rule(
        code="MS468",
        name="order-by-random",
        on=_QUERIES,
        check=_orders_at_random,
        summary="ORDER BY random() sorts everything",
        why="ORDER BY random() gives every row a number and sorts all of them, also where LIMIT "
        "keeps one.",
        remedy="Use TABLESAMPLE, or a random value of an indexed key.",
        source="https://www.postgresql.org/docs/current/sql-select.html",
        spares_new=False,
        style=True,
    ),
)
