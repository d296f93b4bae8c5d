"""Hazards of foreign keys, which lock both of their tables, and are looked up from either.

`foreign_ends` has what PostgreSQL refuses.
"""

from collections.abc import Iterator
from typing import Any

from pglast import ast, enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, When, columns, declared, dropped
from migsafe.schema import Constraint, Index, Key, Schema, Table, expressions
from migsafe.sql import Statement

_Kind = enums.ConstrType
_Change = enums.AlterTableType
_SAID = ast.CreateStmt, ast.AlterTableStmt


def _validates(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    definition = node.def_
    if node.subtype == _Change.AT_AlterConstraint:
        yield from _enforces(definition, columns.table(statement, context))
        return
    if definition.contype != _Kind.CONSTR_FOREIGN or definition.skip_validation:
        return
    child = columns.table(statement, context)
    if child is None:
        return
    target = context.schema.key(definition.pktable.schemaname, definition.pktable.relname)
    both = child.key if child.key == target else f"{child.key} and {target}"
    message = f"looks up every row of {child.key} in {target} under SHARE ROW EXCLUSIVE on {both}"
    yield Hit(f"{message}, so that nobody can write to {_them(child.key, target)}", child)


def _enforces(definition: Any, child: Table | None) -> Iterator[Hit]:
    """Yield a foreign key that is held from now on, and so against the rows that are there."""
    made = child.constraints.get(definition.conname) if child else None
    if child is None or (made and made.enforced) or not _is_switched_on(definition):
        return
    target = made.target if made and made.target else "its target"
    message = f"looks up every row of {child.key} in {target} under ACCESS EXCLUSIVE on"
    yield Hit(f"{message} {child.key}, so that nobody can use it meanwhile", child)


def _is_switched_on(definition: Any) -> bool:
    return bool(definition.alterEnforceability and definition.is_enforced)


def _them(child: Key, target: Key) -> str:
    return "it" if child == target else "either"


def _several(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    """Yield each foreign key that locks one more table while those of others are locked."""
    mine = list(_locked(node, context)) if context.in_transaction else []
    if not mine:
        return
    before = [one for one in context.transaction if declared.foreign(one.node)]
    held = [(one.line, key) for one in before for key in _all(one.node, context)]
    for parents, children in mine:
        known = {key for _, key in held}
        more = [key for key in (*children, *parents) if key not in known]
        if held and more:
            line, first = held[0]
            table = context.schema.tables.get(more[0], Table(key=more[0]))
            message = f"locks {more[0]} in SHARE ROW EXCLUSIVE while the foreign key of line {line}"
            yield Hit(
                f"{message} has {first} locked, so that it may deadlock with who writes to both",
                table,
                None if children else Severity.INFO,
            )
        held += [(statement.line, key) for key in (*parents, *children)]


def _all(node: Any, context: Context) -> Iterator[Key]:
    for parents, children in _locked(node, context):
        yield from (*parents, *children)


def _locked(node: Any, context: Context) -> Iterator[tuple[list[Key], list[Key]]]:
    """Yield the tables that each foreign key of a statement locks and that others use."""
    for one in declared.foreign(node):
        target, relation = one.node.pktable, node.relation
        parent = context.schema.key(target.schemaname, target.relname)
        child = context.schema.key(relation.schemaname, relation.relname)
        made = isinstance(node, ast.CreateStmt) or context.fresh(child)
        yield ([] if context.fresh(parent) else [parent]), ([] if made else [child])


def _drops(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    """Yield each table that a dropped one refers to, and that stays."""
    if node.removeType != enums.ObjectType.OBJECT_TABLE:
        return
    keys = [dropped.key_of(parts, context) for parts in node.objects]
    for key in keys:
        table = context.schema.tables.get(key)
        made = table.constraints.values() if table else ()
        targets = {one.target for one in made if one.target and one.target not in keys}
        for target in sorted(targets):
            message = f"DROP TABLE {key} takes ACCESS EXCLUSIVE on {target} too, to which it refers"
            hurt = context.schema.tables.get(target, Table(key=target))
            yield Hit(f"{message}, so that nobody can use either until the transaction ends", hurt)


def _without_index(_node: Any, _statement: Any, context: Context) -> Iterator[Hit]:
    """Yield foreign keys without an index when all migrations are through."""
    for table in context.schema.tables.values():
        for made in table.constraints.values():
            if made.kind != "f" or made.made is None or _is_inherited(table, made, context.schema):
                continue
            if not any(_finds(index, made) for index in table.indexes.values()):
                yield _slow(table, made)


def _is_inherited(table: Table, made: Constraint, schema: Schema) -> bool:
    parents = (schema.tables[key] for key in table.parents if key in schema.tables)
    return any(
        made.made == other.made and made.columns == other.columns
        for parent in parents
        for other in parent.constraints.values()
    )


def _finds(index: Index, made: Constraint) -> bool:
    """Tell whether an index finds the rows that refer to one key."""
    wanted = set(made.columns)
    if not index.valid or index.method not in ("btree", "hash"):
        return False
    if index.predicate is not None and not _skips_null(index.predicate, wanted):
        return False
    return set(index.columns[: len(wanted)]) == wanted or (
        index.unique and set(index.columns) <= wanted
    )


def _skips_null(predicate: Any, names: set[str]) -> bool:
    """Tell whether a predicate leaves out NULLs alone, which refer to nothing."""
    tree = expressions.tree(predicate)
    return isinstance(tree, ast.NullTest) and any(
        expressions.proves_not_null(tree, name) for name in names
    )


def _slow(table: Table, made: Constraint) -> Hit:
    known = "no index leads" if table.known else "no index is known to lead"
    keys = ", ".join(made.columns)
    new = table.made is not None and made.made and table.made.migration == made.made.migration
    message = f"{known} with {keys} of {table.key}, so that each DELETE and each change of a key"
    severity = Severity.INFO if new or not table.known else None
    return Hit(f"{message} in {made.target} reads all of it", table, severity, place=made.made)


def _cascades(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    for key in declared.foreign_keys(node, context):
        actions = (("DELETE", key.node.fk_del_action), ("UPDATE", key.node.fk_upd_action))
        said = " and ".join(f"ON {verb} CASCADE" for verb, action in actions if action == "c")
        if said:
            message = f"{said} carries every change of a key in {key.target} on to {key.child.key}"
            yield Hit(f"{message}, without a limit", key.child)


def _any(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    for key in declared.foreign_keys(node, context):
        yield Hit(f"ties {key} to {key.target} by a foreign key", key.child)


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS113",
        name="multiple-foreign-keys",
        on=_SAID,
        check=_several,
        summary="several foreign keys of one transaction lock one table after another",
        why="Each foreign key takes SHARE ROW EXCLUSIVE on its own table and on the one that it "
        "refers to, and keeps both until the transaction ends. An application that writes to the "
        "same tables in another order waits for the migration while the migration waits for it; "
        "PostgreSQL ends such a deadlock by cancelling one of them.",
        remedy="Add one foreign key a transaction.",
        source="https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-DEADLOCKS",
        lock="SHARE ROW EXCLUSIVE",
    ),
    Rule(
        code="MS114",
        name="drop-table-with-foreign-keys",
        on=(ast.DropStmt,),
        check=_drops,
        summary="dropping a table locks those that it refers to",
        why="A foreign key has triggers on both of its tables, so DROP TABLE takes ACCESS "
        "EXCLUSIVE on each table that the dropped one refers to as well. It waits for everybody "
        "who uses one of them, and everybody who comes later waits behind it.",
        remedy="Drop its foreign keys first, each in a transaction of its own and with a short "
        "lock_timeout.",
        source="measured on PostgreSQL 11 to 18",
        lock="ACCESS EXCLUSIVE",
    ),
    Rule(
        code="MS139",
        name="foreign-key-without-index",
        on=(When.LAST,),
        check=_without_index,
        summary="no index leads with the columns of a foreign key",
        why="PostgreSQL indexes the side that is referred to, and never the side that refers. For "
        "each deleted row of the parent, and for each whose key changes, it looks for rows that "
        "refer to it; without an index it reads the whole table, once for every such row, while "
        "the transaction keeps its locks. Joins along the key are slow as well.",
        remedy="Write CREATE INDEX CONCURRENTLY on the columns of the foreign key.",
        source="https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK",
        spares_new=False,
    ),
    Rule(
        code="MS214",
        name="add-foreign-key-validating",
        on=(_Change.AT_AddConstraint, _Change.AT_AlterConstraint),
        check=_validates,
        summary="a foreign key is checked against all rows while nobody can write to either table",
        why="ADD FOREIGN KEY takes SHARE ROW EXCLUSIVE on both tables, which lets reads through "
        "and stops every write, and keeps it while each row of the one is looked up in the other. "
        "One row that refers to nothing ends it with 23503. NOT VALID takes the same locks for a "
        "moment: new rows are checked from then on, and old ones by VALIDATE CONSTRAINT, which "
        "stops nobody.",
        remedy="Add it NOT VALID, and VALIDATE CONSTRAINT in a later migration.",
        source="https://www.postgresql.org/docs/current/sql-altertable.html",
        lock="SHARE ROW EXCLUSIVE",
        scans=True,
        weighed=True,
    ),
    Rule(
        code="MS328",
        name="foreign-key-cascade",
        on=_SAID,
        check=_cascades,
        summary="a foreign key carries deletes or changes on to other tables",
        why="With ON DELETE CASCADE one DELETE takes away every row that refers to it, directly or "
        "through others, in the same transaction. Nobody sees how many, and each table along the "
        "way is locked row by row.",
        remedy="Leave NO ACTION, and delete what refers to a row in batches before the row.",
        source="https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK",
        spares_new=False,
        style=True,
    ),
    Rule(
        code="MS415",
        name="foreign-key-policy",
        severity=Severity.INFO,
        on=_SAID,
        check=_any,
        summary="a foreign key, where the house does without",
        why="Some houses keep no foreign keys: their databases are sharded, or archived table by "
        "table, or written so often that each look-up counts. This says where one is added.",
        remedy="Leave it out, and let audits look for rows that refer to nothing.",
        source="https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK",
        spares_new=False,
        style=True,
    ),
)
