"""Hazards of adding constraints and of holding rows against them.

`foreign_keys` has those of two tables, `constraint_drops` those that go, `promises` what they hold.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from pglast import enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, columns
from migsafe.schema import Key, Table
from migsafe.sql import Statement

_Kind = enums.ConstrType
_Change = enums.AlterTableType


def _adds(node: Any, statement: Statement, context: Context, *kinds: Any) -> Table | None:
    """Return the table that gets a constraint of these kinds, None where it gets no such one."""
    return columns.table(statement, context) if node.def_.contype in kinds else None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


# ---------------------------------------------------------------- with an index


def _unique(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    table = _adds(node, statement, context, _Kind.CONSTR_UNIQUE)
    if table and not node.def_.indexname:
        keys = _listed(key.sval for key in node.def_.keys)
        message = f"builds a unique index on {keys} under ACCESS EXCLUSIVE on {table.key}"
        yield Hit(f"{message}, so that nobody can use it, and fails on duplicates (23505)", table)


def _primary(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    table = _adds(node, statement, context, _Kind.CONSTR_PRIMARY)
    if table and not node.def_.indexname:
        keys = [key.sval for key in node.def_.keys]
        nullable = _listed(_nullable(table, keys, statement, context))
        known = f"to see whether {nullable} is NULL" if table.known else "if a column may be NULL"
        reads = f"reads all of {table.key} {known}, and " if nullable else ""
        message = f"{reads}builds the index of its primary key under ACCESS EXCLUSIVE on"
        yield Hit(f"{message} {table.key}, so that nobody can use it meanwhile", table)


def _nullable(
    table: Table, keys: Iterable[str | None], statement: Statement, context: Context
) -> Iterator[str]:
    """Yield the key columns of which nothing proves that they hold no NULL."""
    return (key for key in keys if key and not columns.has_no_null(table, key, statement, context))


def _primary_using(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    table = _adds(node, statement, context, _Kind.CONSTR_PRIMARY)
    if table is None or not node.def_.indexname:
        return
    index = table.indexes.get(node.def_.indexname)
    if index is None:
        message = f"reads all of {table.key} under ACCESS EXCLUSIVE if a column of its primary key"
        yield Hit(f"{message} may be NULL, which is not known here", table)
    elif nullable := _listed(_nullable(table, index.columns, statement, context)):
        message = f"reads all of {table.key} under ACCESS EXCLUSIVE to see whether {nullable}"
        yield Hit(f"{message} is NULL, so that nobody can use it meanwhile", table)


def _exclusion(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    if table := _adds(node, statement, context, _Kind.CONSTR_EXCLUSION):
        message = f"builds an index and compares all rows under ACCESS EXCLUSIVE on {table.key}"
        yield Hit(f"{message}, so that nobody can use it meanwhile", table)


# ---------------------------------------------------------------- with a look at each row


def _check(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    table = _adds(node, statement, context, _Kind.CONSTR_CHECK)
    if table and not node.def_.skip_validation:
        message = f"checks every row of {table.key} under ACCESS EXCLUSIVE, so that nobody can use"
        yield Hit(f"{message} it meanwhile", table)


def _not_valid_left_out(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    kinds = _Kind.CONSTR_CHECK, _Kind.CONSTR_FOREIGN
    table = _adds(node, statement, context, *kinds)
    if table and not node.def_.skip_validation:
        yield Hit(f"checks every row of {table.key} while it is locked, without NOT VALID", table)


def _validates(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    table = columns.table(statement, context)
    made = table.constraints.get(node.name) if table else None
    if table is None or (made and made.valid) or _added_line(node, statement, table, context):
        return
    fails = {"f": "refers to nothing (23503)", "n": "has a NULL (23502)"}
    breaks = fails.get(made.kind if made else "", "breaks it (23514)")
    message = f"reads all of {table.key} under SHARE UPDATE EXCLUSIVE, and fails on the first row"
    yield Hit(f"{message} that {breaks}", table)


def _validates_at_once(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    table = columns.table(statement, context)
    line = _added_line(node, statement, table, context) if table else None
    if table is None or line is None:
        return
    target = _target(node, statement, table, context)
    foreign = target is not None
    lock = "SHARE ROW EXCLUSIVE" if foreign else "ACCESS EXCLUSIVE"
    both = f"{table.key} and {target}" if foreign else f"{table.key}"
    yield Hit(
        f"checks all rows for {node.name} while the transaction holds {lock} on {both} since line "
        f"{line}, so that nobody can {'write to' if foreign else 'use'} it meanwhile",
        table,
    )


def _target(node: Any, statement: Statement, table: Table, context: Context) -> Key | None:
    """Return what a foreign key refers to, one of the same statement too; None for a CHECK."""
    for command in columns.siblings(statement, _Change.AT_AddConstraint):
        if command.def_.conname == node.name and (relation := command.def_.pktable):
            return context.schema.key(relation.schemaname, relation.relname)
    made = table.constraints.get(node.name)
    return made.target if made else None


def _added_line(node: Any, statement: Statement, table: Table, context: Context) -> int | None:
    """Return the line that adds a constraint in the same transaction, None where none does."""
    for command in columns.siblings(statement, _Change.AT_AddConstraint):
        if command.def_.conname == node.name:
            return statement.line
    made = table.constraints.get(node.name)
    if made is None or made.made is None or made.made.migration != context.unit.name:
        return None
    lines = [earlier.line for earlier in context.file_transaction]
    return made.made.line if made.made.line in lines else None


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS105",
        name="add-unique-constraint",
        on=(_Change.AT_AddConstraint,),
        check=_unique,
        summary="a unique constraint builds its index while nobody can use the table",
        why="ADD UNIQUE builds an index under ACCESS EXCLUSIVE: reads and writes wait until it is "
        "built. A unique index that was built CONCURRENTLY before becomes the constraint's by "
        "USING INDEX, for which the same lock is needed for a moment only. A partitioned table "
        "takes no USING INDEX.",
        remedy="Write CREATE UNIQUE INDEX CONCURRENTLY, and then ADD CONSTRAINT … UNIQUE USING "
        "INDEX in another migration.",
        source="https://www.postgresql.org/docs/current/sql-altertable.html",
        lock="ACCESS EXCLUSIVE",
        weighed=True,
    ),
    Rule(
        code="MS106",
        name="add-primary-key",
        on=(_Change.AT_AddConstraint,),
        check=_primary,
        summary="a primary key builds its index while nobody can use the table",
        why="ADD PRIMARY KEY builds a unique index under ACCESS EXCLUSIVE, and reads the whole "
        "table before it where a column may hold NULL. Both can be had beforehand while everybody "
        "goes on: the index CONCURRENTLY, and NOT NULL from a valid CHECK.",
        remedy="Make the columns NOT NULL by way of a valid CHECK, build the unique index "
        "CONCURRENTLY, and then write ADD PRIMARY KEY USING INDEX.",
        source="https://www.postgresql.org/docs/current/sql-altertable.html",
        lock="ACCESS EXCLUSIVE",
        scans=True,
        weighed=True,
    ),
    Rule(
        code="MS107",
        name="add-exclusion-constraint",
        on=(_Change.AT_AddConstraint,),
        check=_exclusion,
        summary="an exclusion constraint compares all rows while nobody can use the table",
        why="ADD EXCLUDE builds an index and looks for conflicts among all rows under ACCESS "
        "EXCLUSIVE. It cannot be NOT VALID, it cannot take over an index, and there is no "
        "CONCURRENTLY. The first conflict ends it with 23P01.",
        remedy="Add it while the table is small or new: make a new table with it, copy the rows in "
        "batches while a trigger keeps both alike, and swap the names.",
        source="https://www.postgresql.org/docs/current/sql-createtable.html",
        lock="ACCESS EXCLUSIVE",
        scans=True,
        weighed=True,
    ),
    Rule(
        code="MS213",
        name="constraint-missing-not-valid",
        on=(_Change.AT_AddConstraint,),
        check=_not_valid_left_out,
        summary="a CHECK or foreign key is added without NOT VALID",
        why="With NOT VALID a CHECK or a foreign key holds for new rows at once, and old rows are "
        "checked by VALIDATE CONSTRAINT while everybody goes on. Without it they are checked under "
        "the lock. This is the habit; add-check-validating and add-foreign-key-validating say "
        "what each costs.",
        remedy="Add it NOT VALID, and VALIDATE CONSTRAINT in a later migration.",
        source="https://www.postgresql.org/docs/current/sql-altertable.html",
        scans=True,
        style=True,
    ),
    Rule(
        code="MS215",
        name="add-check-validating",
        on=(_Change.AT_AddConstraint,),
        check=_check,
        summary="a CHECK is held against all rows while nobody can use the table",
        why="ADD CHECK takes ACCESS EXCLUSIVE and keeps it while it reads the whole table; the "
        "first row that breaks it ends it with 23514. With NOT VALID it takes the lock for a "
        "moment: new rows are checked from then on, and old ones by VALIDATE CONSTRAINT, which "
        "lets everybody read and write.",
        remedy="Add it NOT VALID, and VALIDATE CONSTRAINT in a later migration.",
        source="https://www.postgresql.org/docs/current/sql-altertable.html",
        lock="ACCESS EXCLUSIVE",
        scans=True,
        weighed=True,
    ),
    Rule(
        code="MS216",
        name="primary-key-using-nullable-index",
        on=(_Change.AT_AddConstraint,),
        check=_primary_using,
        summary="a primary key takes over an index, and looks for NULLs in all rows",
        why="ADD PRIMARY KEY USING INDEX is quick where the columns are NOT NULL. Where they are "
        "not, it sets them NOT NULL, which reads the whole table under ACCESS EXCLUSIVE, and fails "
        "with 23502 on the first NULL. Since PostgreSQL 12 a valid CHECK (column IS NOT NULL) "
        "spares it that.",
        remedy="Make the columns NOT NULL first, by way of a CHECK that is added NOT VALID and "
        "validated.",
        source="measured on PostgreSQL 11 to 18",
        lock="ACCESS EXCLUSIVE",
        scans=True,
        weighed=True,
    ),
    Rule(
        code="MS217",
        name="validate-in-same-transaction",
        on=(_Change.AT_ValidateConstraint,),
        check=_validates_at_once,
        summary="a constraint is validated under the lock with which it was added",
        why="Locks are kept until the transaction ends. ADD CONSTRAINT … NOT VALID takes ACCESS "
        "EXCLUSIVE, or SHARE ROW EXCLUSIVE on both tables of a foreign key, and a VALIDATE in the "
        "same transaction reads the table under it, as if NOT VALID had never been said.",
        remedy="Put VALIDATE CONSTRAINT into a migration of its own.",
        source="https://www.postgresql.org/docs/current/sql-altertable.html",
        lock="SHARE UPDATE EXCLUSIVE",
        scans=True,
        weighed=True,
    ),
    Rule(
        code="MS218",
        name="validate-constraint",
        severity=Severity.INFO,
        on=(_Change.AT_ValidateConstraint,),
        check=_validates,
        summary="VALIDATE CONSTRAINT reads the whole table, and fails on an old row that breaks it",
        why="VALIDATE CONSTRAINT reads every row under SHARE UPDATE EXCLUSIVE, and for a foreign "
        "key under ROW SHARE on the other table, so that everybody can read and write. It fails "
        "on rows that were there before the constraint and break it, and other maintenance of the "
        "table waits for it.",
        remedy="Look for rows that break it, and mend them before.",
        source="https://www.postgresql.org/docs/current/sql-altertable.html",
        lock="SHARE UPDATE EXCLUSIVE",
        scans=True,
        rows=True,
    ),
)
