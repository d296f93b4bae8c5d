"""Hazards of ALTER COLUMN TYPE: what it takes from others while it runs."""

from collections.abc import Iterator
from typing import Any

from pglast import enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, columns, retyped
from migsafe.schema import Key, casts, reading
from migsafe.sql import Statement

_Change = enums.AlterTableType

_MANUAL = "https://www.postgresql.org/docs/current/sql-altertable.html"
_MEANWHILE = "so that nobody can use it meanwhile"


def _rewrite(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    found = retyped.change(node, statement, context)
    if found is None or (found.column and found.column.generated == "v"):
        return  # nothing of a virtual column is stored
    rewrites = retyped.rewrites(found, context)
    if rewrites is None:
        message = (
            f"may rewrite {found.table.key} and its indexes under ACCESS EXCLUSIVE, {_MEANWHILE}: "
            f"whether {found.new} keeps what {found.name} holds is not known without its old type"
        )
        yield Hit(message, found.table)
    elif rewrites:
        message = (
            f"rewrites {found.table.key} and its indexes under ACCESS EXCLUSIVE to make "
            f"{found.name} {found.new}, {_MEANWHILE}{_beside(found, context)}"
        )
        yield Hit(message, found.table)


def _beside(found: retyped.Change, context: Context) -> str:
    """Say what else there is to know: a setting that would spare it, and foreign keys."""
    zone = ""
    if any(
        not step.explicit and casts.keeps(step.old, step.new, context.schema, utc=True)
        for step in found.steps()
    ):
        zone = "; not where TimeZone is UTC, from PostgreSQL 12 on"
    others = retyped.tied(found, context.schema)
    if not others:
        return zone
    return f"{zone}; its foreign keys are checked again, with ACCESS EXCLUSIVE on {_listed(others)}"


def _listed(keys: list[Key]) -> str:
    return " and ".join(map(str, keys))


def _rebuild(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    found = retyped.change(node, statement, context)
    if found is None or retyped.rewrites(found, context) is not False:
        return
    names = [index.name for index in retyped.rebuilt(found, context.schema)]
    if names:
        message = (
            f"builds {', '.join(names)} of {found.table.key} anew under ACCESS EXCLUSIVE, "
            f"{_MEANWHILE}"
        )
        yield Hit(message, found.table)


def _recheck(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    found = retyped.change(node, statement, context)
    if found is None or retyped.rewrites(found, context) is not False:
        return
    checks = [
        made.name
        for member in columns.family(found.table, statement, context)
        for made in member.constraints.values()
        if made.kind == "c" and made.valid and made.enforced and found.name in made.columns
    ]
    if checks:
        message = (
            f"reads all of {found.table.key} under ACCESS EXCLUSIVE to check "
            f"{', '.join(dict.fromkeys(checks))} again, {_MEANWHILE}"
        )
        yield Hit(message, found.table)
    elif others := retyped.tied(found, context.schema):
        yield _keys_again(found, others, context)


def _keys_again(found: retyped.Change, others: list[Key], context: Context) -> Hit:
    """Return the hit of foreign keys: they are checked where the operators are other ones."""
    both = f"with ACCESS EXCLUSIVE on {_listed(others)} as well"
    if found.column and not casts.same_order(found.column.type, found.new, context.schema):
        return Hit(f"checks the foreign keys of {found} again, {both}", found.table)
    message = f"makes the foreign keys of {found} anew, {both}, for a moment"
    return Hit(message, found.table, Severity.INFO)


# ---------------------------------------------------------------- values


def _lossy(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    found = retyped.change(node, statement, context)
    steps = found.steps() if found else []
    if found and any(_loses(step, context) for step in steps):
        message = f"cuts or rounds values of {found} that do not fit {found.new}, without an error"
        yield Hit(message, found.table)


def _loses(step: retyped.Step, context: Context) -> bool:
    return casts.loses(step.old, step.new, context.schema, explicit=step.explicit)


def _narrowing(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    found = retyped.change(node, statement, context)
    for step in found.steps() if found else ():
        schema = context.schema
        cut = step.explicit and casts.base(step.new, schema).name in _CUT
        if found and not cut and casts.overflows(step.old, step.new, schema):
            code = _CODES.get(casts.base(step.new, schema).name, "22003")
            message = f"fails ({code}) at the first value of {found} that does not fit {step.new}"
            yield Hit(message, found.table)
            return


#: Types to whose length an explicit cast cuts, and the SQLSTATE with which an assignment fails.
_CUT = ("varchar", "bpchar", "varbit", "bit")
_CODES = {"varchar": "22001", "bpchar": "22001", "varbit": "22001", "bit": "22026"}


def _other_column(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    found = retyped.change(node, statement, context)
    if found is None or found.using is None or found.casts is not None:
        return
    names = set(reading.names_in(found.using))
    others = ", ".join(sorted(names - {found.name}))
    if found.name not in names:
        source = f"by {others}" if others else "by what does not read it"
        yield Hit(f"replaces every value of {found} {source}: what it holds is lost", found.table)
    elif others:
        message = f"computes {found} from {others} as well, which is to be meant"
        yield Hit(message, found.table, Severity.INFO)


_BESIDE = (
    "Add a second column of the new type, keep both in step by a trigger, fill it in batches, and "
    "let readers change over."
)

RULES: tuple[Rule, ...] = (
    Rule(
        code="MS110",
        name="change-column-type-index-rebuild",
        on=(_Change.AT_AlterColumnType,),
        check=_rebuild,
        lock="ACCESS EXCLUSIVE",
        weighed=True,
        summary="a change of type or collation builds the column's indexes anew",
        why="Some changes leave the rows as they are and still order them anew: another collation, "
        "text to citext, timestamp to timestamptz in UTC. The column's indexes are then built "
        "anew under ACCESS EXCLUSIVE. An index with an expression or a WHERE that needs the column "
        "is built anew whatever changes, even for a longer varchar. Measured on PostgreSQL 11 to "
        "18.",
        remedy="Drop the index concurrently, change the type, and build the index concurrently; or "
        "build one on a second column first.",
        source="measured on PostgreSQL 11 to 18",
    ),
    Rule(
        code="MS209",
        name="change-column-type",
        on=(_Change.AT_AlterColumnType,),
        check=_rewrite,
        lock="ACCESS EXCLUSIVE",
        rewrites=True,
        weighed=True,
        summary="a change of type rewrites the table while nobody can use it",
        why="Where the new type holds values in another way, PostgreSQL writes the table and all "
        "its indexes anew under ACCESS EXCLUSIVE: reads and writes wait until it is done, and "
        "twice the space is needed. It rewrites nothing for a longer varchar, varchar to text, a "
        "numeric with more digits and the same scale, more digits of a second, timestamp to or "
        "from timestamptz in UTC (12 or newer), cidr to inet, or a domain without a constraint. "
        "Whatever USING computes is written. Measured on PostgreSQL 11 to 18.",
        remedy=_BESIDE,
        source=_MANUAL,
    ),
    Rule(
        code="MS210",
        name="change-column-type-recheck",
        on=(_Change.AT_AlterColumnType,),
        check=_recheck,
        lock="ACCESS EXCLUSIVE",
        scans=True,
        weighed=True,
        summary="a change of type checks the column's constraints again",
        why="Constraints that name the column are dropped and made anew with its new type. A CHECK "
        "is then checked on every row, under ACCESS EXCLUSIVE, even where no row is rewritten. A "
        "foreign key takes ACCESS EXCLUSIVE on the other table as well. Measured on PostgreSQL 11 "
        "to 18.",
        remedy="Drop the CHECK, change the type, add it again NOT VALID, and validate it in a "
        "later migration.",
        source="measured on PostgreSQL 11 to 18",
    ),
    Rule(
        code="MS319",
        name="change-column-type-lossy-using",
        on=(_Change.AT_AlterColumnType,),
        check=_lossy,
        lock="ACCESS EXCLUSIVE",
        rewrites=True,
        rows=True,
        summary="a change of type cuts or rounds values without an error",
        why="An explicit cast to a shorter varchar cuts what is too long, where an assignment "
        "would refuse. A smaller scale, an integer of a number with a fraction, fewer digits of a "
        "second, or a date of a timestamp round in any case. Nothing says how many values were "
        "changed, and they cannot be brought back.",
        remedy="Count the values that change with the cast and back, and decide about them before.",
        source="https://www.postgresql.org/docs/current/datatype-character.html",
    ),
    Rule(
        code="MS320",
        name="change-column-type-narrowing",
        on=(_Change.AT_AlterColumnType,),
        check=_narrowing,
        fails="22001",
        rows=True,
        summary="a change to a narrower type fails at the first value that does not fit",
        why="The new type cannot hold every value of the old one: bigint to integer, text to a "
        "varchar with a length, fewer digits. PostgreSQL refuses at the first value that does not "
        "fit, after it has locked the table and read all rows before that one.",
        remedy="Add a CHECK for the smaller range NOT VALID, repair what breaks it, validate it, "
        "and change the type afterwards.",
        source=_MANUAL,
    ),
    Rule(
        code="MS460",
        name="using-references-other-column",
        on=(_Change.AT_AlterColumnType,),
        check=_other_column,
        lock="ACCESS EXCLUSIVE",
        rewrites=True,
        summary="USING computes the column from something else than its own values",
        why="USING says how old values become new ones. An expression that does not name the "
        "column replaces all of them, which no error tells; one that names others too is seldom "
        "meant.",
        remedy="Name the column itself in USING, or change the values in an UPDATE of its own.",
        source=_MANUAL,
    ),
)
