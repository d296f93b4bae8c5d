"""Hazards of types: enums, domains and composite types, and the tables that use them."""

from collections.abc import Iterator
from typing import Any

from pglast import ast, enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, dropped, retyped
from migsafe.schema import Enum, Key, Table, reading, uses
from migsafe.sql import Statement

_Object = enums.ObjectType
_Change = enums.AlterTableType
_Kind = enums.ConstrType

_MANUAL = "https://www.postgresql.org/docs/current"
_ALTER_TYPE = f"{_MANUAL}/sql-altertype.html"


# ---------------------------------------------------------------- composite types


def _composite(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    if not _is_of_composite(node) or _is_new(node.relation.relname, context):
        return
    key = _composite_key(node.relation, context)
    followers = [table for table in context.schema.tables.values() if table.of == key]
    if refused := _refused(node, key, followers, context):
        yield Hit(refused, None, Severity.ERROR)
    elif followers:
        for table in followers:
            message = f"changes the columns of {table.key} with {key}, under ACCESS EXCLUSIVE"
            yield Hit(message, table)
    elif key not in context.schema.composites and not context.schema.complete:
        yield Hit(
            f"takes ACCESS EXCLUSIVE on every table OF {key}; whether there is one is not known"
        )


def _is_of_composite(node: Any) -> bool:
    if isinstance(node, ast.RenameStmt):
        return bool(node.renameType == _Object.OBJECT_ATTRIBUTE)
    return bool(node.objtype == _Object.OBJECT_TYPE)


def _is_new(name: str, context: Context) -> bool:
    made: list[Any] = [
        one.node for one in context.before if isinstance(one.node, ast.CompositeTypeStmt)
    ]
    return any(node.typevar.relname == name for node in made)


def _composite_key(relation: Any, context: Context) -> Key:
    names = [ast.String(sval=part) for part in (relation.schemaname, relation.relname) if part]
    return reading.key_of(names, context.schema, context.schema.composites)


def _refused(node: Any, key: Key, followers: list[Table], context: Context) -> str | None:
    """Say why PostgreSQL refuses: typed tables without CASCADE, or columns that hold values."""
    commands = [node] if isinstance(node, ast.RenameStmt) else list(node.cmds or ())
    if followers and not all(dropped.cascades(command) for command in commands):
        names = ", ".join(str(table.key) for table in followers)
        return f"fails (2BP01): {names} follows {key}, and only CASCADE changes it too"
    retypes = any(getattr(one, "subtype", None) == _Change.AT_AlterColumnType for one in commands)
    holders = [use.what for use in uses.of_type(context.schema, key)] if retypes else []
    if holders:
        return f"fails (0A000): {', '.join(holders)} holds values of {key}"
    return None


# ---------------------------------------------------------------- domains


def _domain_constraint(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    adds = node.subtype == "C" and node.def_.contype == _Kind.CONSTR_CHECK
    if node.subtype == "V" or (adds and not node.def_.skip_validation):
        yield from _checked(node, context)


def _domain_not_null(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    adds = node.subtype == "C" and node.def_.contype == _Kind.CONSTR_NOTNULL
    if node.subtype == "O" or adds:
        yield from _checked(node, context)


def _checked(node: Any, context: Context) -> Iterator[Hit]:
    """Yield the tables that a domain's new rule reads, a partitioned one for its partitions."""
    key = reading.key_of(node.typeName, context.schema, context.schema.domains)
    users = {use.table.key: use.table for use in uses.of_type(context.schema, key)}
    holding = [
        table
        for table in users.values()
        if table.kind in "rpm" and not (table.bound and set(table.parents) & set(users))
    ]
    known = key in context.schema.domains or context.schema.complete
    for table in holding:
        message = (
            f"reads all of {table.key} to check the domain {key}, under SHARE, so that nobody can "
            "write to it meanwhile"
        )
        yield Hit(message, table)
    if not known and not holding:
        yield Hit(
            f"reads every table that uses the domain {key}, under SHARE, so that nobody can write "
            "to it meanwhile; which tables those are is not known"
        )


def _constrained_domain(node: Any, _statement: Statement, _context: Context) -> Iterator[Hit]:
    rules = (_Kind.CONSTR_CHECK, _Kind.CONSTR_NOTNULL)
    if any(part.contype in rules for part in node.constraints or ()):
        name = ".".join(part.sval for part in node.domainname)
        yield Hit(f"a later change of the rule of {name} reads every table that uses it, at once")


# ---------------------------------------------------------------- enums


def _create_enum(node: Any, _statement: Statement, _context: Context) -> Iterator[Hit]:
    name = ".".join(part.sval for part in node.typeName)
    yield Hit(f"no label of {name} can ever be taken away, and none can be moved")


def _enum(node: Any, context: Context) -> tuple[Key, Enum | None]:
    key = reading.key_of(node.typeName, context.schema, context.schema.enums)
    return key, context.schema.enums.get(key)


def _is_made_here(enum: Enum | None, context: Context) -> bool:
    """Tell whether no code can know the type yet: the migration, or a pending one, makes it."""
    if enum is None or enum.made is None:
        return False
    return context.schema.complete or enum.made.migration == context.unit.name


def _rename_value(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    key, enum = _enum(node, context)
    if node.oldVal and not _is_made_here(enum, context):
        yield Hit(
            f"code and functions that send or expect the old label of {key} fail from then on; no "
            "relation is locked"
        )


def _add_value(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    key, enum = _enum(node, context)
    if node.oldVal or _is_made_here(enum, context) or (enum and node.newVal in enum.labels):
        return
    if not context.at_least(12) and context.in_transaction:
        message = f"fails (25001) in a transaction before PostgreSQL 12: a label of {key} is added"
        yield Hit(message, severity=Severity.ERROR)
    else:
        yield Hit(
            f"adds a label to {key} that nothing takes away again, and that code which runs now "
            "does not know"
        )


def _add_without_position(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    key, _ = _enum(node, context)
    if not node.oldVal and not node.newValNeighbor:
        yield Hit(f"the new label of {key} sorts behind all others, whatever it means")


def _narrow(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    found = retyped.change(node, statement, context)
    if found is None or found.column is None or found.casts is None:
        return
    schema = context.schema
    old, new = (schema.typed(one, schema.enums) for one in (found.column.type, found.new))
    if old and new and (gone := set(old.labels) - set(new.labels)):
        message = (
            f"fails (22P02) at the first row of {found.table.key} whose {found.name} has a label "
            f"that {found.new} lacks; {len(gone)} of {len(old.labels)} are gone"
        )
        yield Hit(message, found.table)


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS131",
        name="composite-type-change",
        on=(ast.AlterTableStmt, ast.RenameStmt),
        check=_composite,
        lock="ACCESS EXCLUSIVE",
        summary="a change of a composite type locks the tables that follow it",
        why="A table made with CREATE TABLE … OF follows its type: with CASCADE an attribute that "
        "is added, dropped or renamed becomes a change of the table, under ACCESS EXCLUSIVE. "
        "Without CASCADE PostgreSQL refuses. The type of an attribute cannot be changed at all "
        "while a column holds values of the composite type.",
        remedy="Set a lock_timeout, and change each table that follows the type on its own where "
        "that is possible.",
        source=_ALTER_TYPE,
    ),
    Rule(
        code="MS226",
        name="domain-add-constraint",
        on=(ast.AlterDomainStmt,),
        check=_domain_constraint,
        lock="SHARE",
        scans=True,
        weighed=True,
        summary="checking a domain's rule reads every table that uses it, without writes",
        why="ALTER DOMAIN … ADD CONSTRAINT reads every column of the domain, in all tables, under "
        "SHARE: writes wait until all of them are read. VALIDATE CONSTRAINT of a domain does the "
        "same, other than that of a table. NOT VALID reads nothing and locks no table; the rule "
        "then holds for what is written from there on. Measured on PostgreSQL 11 to 18.",
        remedy="Add the rule NOT VALID, and validate it in a quiet hour.",
        source=f"{_MANUAL}/sql-alterdomain.html",
    ),
    Rule(
        code="MS227",
        name="domain-set-not-null",
        on=(ast.AlterDomainStmt,),
        check=_domain_not_null,
        lock="SHARE",
        scans=True,
        weighed=True,
        summary="NOT NULL for a domain reads every table that uses it, without writes",
        why="ALTER DOMAIN … SET NOT NULL reads every column of the domain, in all tables, under "
        "SHARE: writes wait until all of them are read, and one NULL ends it (23502). There is no "
        "NOT VALID for it. A CHECK (VALUE IS NOT NULL) has one. Measured on PostgreSQL 11 to 18.",
        remedy="Add CHECK (VALUE IS NOT NULL) NOT VALID to the domain, or make the columns NOT "
        "NULL one by one.",
        source=f"{_MANUAL}/sql-alterdomain.html",
    ),
    Rule(
        code="MS228",
        name="enum-narrow",
        on=(_Change.AT_AlterColumnType,),
        check=_narrow,
        fails="22P02",
        rows=True,
        summary="a row with a label that the new enum does not have ends the change",
        why="A label is taken away by a new type without it, to which the column is cast through "
        "text. PostgreSQL refuses at the first row that still has the label, after it has locked "
        "the table and written all rows before that one.",
        remedy="Change the rows with the old label first, and keep new ones out by a CHECK.",
        source=f"{_MANUAL}/datatype-enum.html",
    ),
    Rule(
        code="MS317",
        name="rename-enum-value",
        on=(ast.AlterEnumStmt,),
        check=_rename_value,
        spares_new=False,
        summary="code that sends a renamed label fails at once",
        why="The rename is done in the catalog, without a lock on any table, and holds for "
        "everybody from COMMIT on. Code that still runs sends the old label and fails (22P02), or "
        "meets a label that it does not know. Rows need no change: they hold a number.",
        remedy="Add the new label beside the old one, let code write it, change the rows, and stop "
        "using the old one.",
        source=_ALTER_TYPE,
    ),
    Rule(
        code="MS431",
        name="enum-add-value",
        severity=Severity.INFO,
        on=(ast.AlterEnumStmt,),
        check=_add_value,
        spares_new=False,
        summary="a new label of an enum stays for ever, and running code does not know it",
        why="ADD VALUE takes no lock on any table. Nothing takes a label away again but a new "
        "type. Code that reads the column and knows only the old labels fails when it meets the "
        "new one. Before PostgreSQL 12 the statement fails inside a transaction (25001), unless "
        "the type was made in the same one.",
        remedy="Deploy code that knows the label before anything writes it.",
        source=_ALTER_TYPE,
    ),
    Rule(
        code="MS433",
        name="enum-value-without-position",
        severity=Severity.INFO,
        on=(ast.AlterEnumStmt,),
        check=_add_without_position,
        style=True,
        spares_new=False,
        summary="a new label without BEFORE or AFTER sorts last",
        why="Labels sort in the order of the type, not of the alphabet. A label that is added "
        "without BEFORE or AFTER becomes the largest one, and ORDER BY, max() and comparisons "
        "follow.",
        remedy="Say BEFORE or AFTER which label it belongs.",
        source=_ALTER_TYPE,
    ),
    Rule(
        code="MS434",
        name="create-enum",
        severity=Severity.INFO,
        on=(ast.CreateEnumStmt,),
        check=_create_enum,
        style=True,
        spares_new=False,
        summary="labels of an enum can never be taken away",
        why="A label can be added and renamed, and never be dropped or moved: that takes a new "
        "type and a rewrite of every table that uses the old one. A table of values with a foreign "
        "key, or a CHECK on text, changes without one.",
        remedy="Use a table of values with a foreign key, or text with a CHECK.",
        source=f"{_MANUAL}/datatype-enum.html",
    ),
    Rule(
        code="MS435",
        name="create-domain-with-constraint",
        severity=Severity.INFO,
        on=(ast.CreateDomainStmt,),
        check=_constrained_domain,
        style=True,
        spares_new=False,
        summary="a domain's rule is checked in every table that uses it when it changes",
        why="A rule of a domain holds in all tables at once. Changing it reads all of them under "
        "SHARE, and adding a column of the domain rewrites its table. A CHECK of a table can be "
        "changed for that table alone, and validated while it is in use.",
        remedy="Put the rule into a CHECK of each table.",
        source=f"{_MANUAL}/sql-alterdomain.html",
    ),
)
