"""Hazards of views: what replacing one may not change, and what filling one locks."""

from collections.abc import Iterator
from typing import Any

from pglast import ast, enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule
from migsafe.schema import Table, Type, outputs, tables
from migsafe.sql import Statement

_MANUAL = "https://www.postgresql.org/docs/current"


# ---------------------------------------------------------------- CREATE OR REPLACE VIEW


def _replace(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    old = (
        context.schema.tables.get(tables.new_key(context.schema, node.view))
        if node.replace
        else None
    )
    if old is None or old.kind != "v":
        return
    new = outputs.of_view(node, context.schema)
    if new is None or not old.known:
        message = (
            f"fails (42P16) unless the columns of {old.key} stay as they are, with new ones only "
            "at the end; they cannot be told here"
        )
        yield Hit(message, None, Severity.INFO)
    elif problem := _changed(old, new):
        yield Hit(f"fails (42P16): {old.key} {problem}", None, Severity.ERROR)


def _changed(old: Table, new: list[outputs.Output]) -> str | None:
    """Return what differs in the columns that the old view has, None where nothing is known to."""
    for number, column in enumerate(old.columns.values()):
        if number >= len(new):
            return f"loses the column {column.name}"
        now = new[number]
        if now.name != column.name:
            return f"has {now.name} where it had {column.name}"
        if now.type is not None and _differ(column.type, now.type):
            return f"has {column.name} as {now.type} where it had {column.type}"
    return None


def _differ(old: Type, new: Type) -> bool:
    if "unknown" in (old.name, new.name):
        return False
    return (old.name, old.mods, old.array) != (new.name, new.mods, new.array)


# ---------------------------------------------------------------- materialized views


def _refresh(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    view = context.table(node.relation)
    if node.concurrent or not view.populated:
        return  # nobody can read one that was never filled
    if node.skipData:
        message = f"empties {view.key} under ACCESS EXCLUSIVE: reading it fails (55000) until it is"
        yield Hit(f"{message} refreshed", view)
    else:
        message = f"fills {view.key} anew under ACCESS EXCLUSIVE, so that nobody can read it"
        yield Hit(f"{message} meanwhile", view)


def _refresh_concurrently(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    if not node.concurrent:
        return
    view = context.table(node.relation)
    known = context.schema.complete or view.made is not None
    unique = any(index.unique and index.plain and index.valid for index in view.indexes.values())
    if known and not view.populated:
        yield Hit(f"fails (0A000): {view.key} was never filled", None, Severity.ERROR)
    elif known and not unique:
        message = f"fails (55000): {view.key} has no unique index on plain columns of all rows"
        yield Hit(message, None, Severity.ERROR)
    elif not unique:
        message = f"fails (55000) unless {view.key} has a unique index; none is known here"
        yield Hit(message, view, Severity.INFO)


def _create_filled(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    if node.objtype != enums.ObjectType.OBJECT_MATVIEW or node.into.skipData:
        return
    read = {context.schema.key(one.schemaname, one.relname) for one in _read(node.query)}
    sources = [context.schema.tables.get(key) or Table(key=key) for key in sorted(read)]
    used = [source for source in sources if not context.fresh(source)]
    if used:
        largest = max(used, key=lambda source: source.bytes or 0)
        names = ", ".join(str(source.key) for source in used)
        made = tables.new_key(context.schema, node.into.rel)
        message = (
            f"reads {names} for {made} while the migration waits, and keeps DDL "
            "on them and vacuum's cleaning away until COMMIT"
        )
        yield Hit(message, largest)


def _read(query: Any) -> Iterator[Any]:
    """Yield the relations that a query reads, names of its WITH clauses left out."""
    clause = getattr(query, "withClause", None)
    own = {part.ctename for part in (clause.ctes if clause else ())}
    for relation in tables.relations_in(query):
        if relation.schemaname or relation.relname not in own:
            yield relation


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS123",
        name="refresh-matview-not-concurrent",
        on=(ast.RefreshMatViewStmt,),
        check=_refresh,
        weighed=True,
        summary="a materialized view is filled anew while nobody can read it",
        why="REFRESH MATERIALIZED VIEW takes ACCESS EXCLUSIVE on the view before it runs the query "
        "and keeps it until COMMIT: every query of the view waits as long as the query takes. With "
        "CONCURRENTLY it computes the new rows beside the old ones and changes only what differs, "
        "and readers go on.",
        remedy="Write REFRESH MATERIALIZED VIEW CONCURRENTLY; the view needs a unique index on "
        "plain columns for it.",
        source=f"{_MANUAL}/sql-refreshmaterializedview.html",
        lock="ACCESS EXCLUSIVE",
        rewrites=True,
    ),
    Rule(
        code="MS124",
        name="refresh-matview-concurrently",
        on=(ast.RefreshMatViewStmt,),
        check=_refresh_concurrently,
        summary="a materialized view cannot be refreshed concurrently",
        why="CONCURRENTLY finds the rows that differ by a unique index without a WHERE, on columns "
        "and not on expressions; without one the statement fails with 55000, and with 0A000 for "
        "a view that was never filled. It holds EXCLUSIVE, so that readers go on and a second "
        "refresh waits, and it is slower than a plain one where most rows change.",
        remedy="Create a unique index on the view's columns first, and fill it once without "
        "CONCURRENTLY.",
        source=f"{_MANUAL}/sql-refreshmaterializedview.html",
        fails="55000",
    ),
    Rule(
        code="MS125",
        name="create-matview-with-data",
        severity=Severity.INFO,
        on=(ast.CreateTableAsStmt,),
        check=_create_filled,
        summary="a materialized view is filled while it is created",
        why="CREATE MATERIALIZED VIEW runs its query at once, inside of the migration. All that "
        "time it holds ACCESS SHARE on what it reads, which an ALTER TABLE waits for and everybody "
        "else then waits behind, and a snapshot that keeps vacuum from removing dead rows. The "
        "migration's own locks are held as long.",
        remedy="Create it WITH NO DATA, and refresh it after the migration, before anybody reads "
        "it.",
        source=f"{_MANUAL}/sql-creatematerializedview.html",
    ),
    Rule(
        code="MS422",
        name="replace-view-incompatible",
        severity=Severity.ERROR,
        on=(ast.ViewStmt,),
        check=_replace,
        spares_new=False,
        summary="CREATE OR REPLACE VIEW changes the columns that the view has",
        why="A view that is replaced keeps its columns: the new query must return the same names "
        "with the same types in the same order, and may add columns only behind them. Anything "
        "else fails with 42P16. An * in the query counts as the columns that the table has now: a "
        "column that was added to the table since stands where it stands there.",
        remedy="Add new columns at the end, or drop the view and create it in one transaction, "
        "with what depends on it.",
        source=f"{_MANUAL}/sql-createview.html",
        fails="42P16",
    ),
)
