"""Advice about the types of columns; all of it is a matter of taste, and off unless asked for."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pglast import ast, enums

from migsafe.findings import Severity
from migsafe.hazards import Check, Context, Hit, Rule, columns
from migsafe.schema import Table, Type, reading, tables
from migsafe.sql import Statement

_Change = enums.AlterTableType
_Kind = enums.ConstrType

_MANUAL = "https://www.postgresql.org/docs/current"
_WIKI = "https://wiki.postgresql.org/wiki/Don%27t_Do_This"

#: Where a column gets its type.
_TYPED = (ast.CreateStmt, _Change.AT_AddColumn, _Change.AT_AlterColumnType)


class Chosen(NamedTuple):
    """A column with the type that a statement gives it; `what` is how a reader calls it."""

    what: str
    type: Type
    definition: Any


def _chosen(node: Any, statement: Statement, context: Context) -> Iterator[Chosen]:
    """Yield the columns that a statement gives a type; attributes of types are none."""
    if isinstance(node, ast.CreateStmt):
        key = tables.new_key(context.schema, node.relation)
        for element in node.tableElts or ():
            if isinstance(element, ast.ColumnDef) and element.typeName:
                yield _one(element.colname, key, element)
        return
    table = columns.table(statement, context)
    if table is None or not node.def_.typeName:
        return
    name = node.def_.colname or node.name
    if not (node.missing_ok and name in table.columns):
        yield _one(name, table.key, node.def_)


def _one(name: Any, table: Any, definition: Any) -> Chosen:
    return Chosen(f"{name} of {table}", reading.type_of(definition.typeName), definition)


def _advises(problem: Callable[[Chosen], str | None]) -> Check:
    """Return the check that tells a problem of each column."""

    def check(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
        for chosen in _chosen(node, statement, context):
            if found := problem(chosen):
                yield Hit(f"{chosen.what} {found}")

    return check


# ---------------------------------------------------------------- one type each


#: Where the integers end that are shorter than bigint.
_ENDS = {"int4": "2,147,483,647", "int2": "32,767"}


def _short_integer(chosen: Chosen) -> str | None:
    end = _ENDS.get(chosen.type.name)
    return f"ends at {end}, and a longer integer rewrites the table later" if end else None


def _serial(chosen: Chosen) -> str | None:
    if not reading.is_serial(chosen.definition):
        return None
    return "is a serial, whose sequence has rights and an owner of its own"


def _limited_text(chosen: Chosen) -> str | None:
    if chosen.type.name != "varchar" or not chosen.type.mods:
        return None
    return f"ends at {chosen.type.mods[0]} characters, and a shorter limit rewrites the table later"


def _padded(chosen: Chosen) -> str | None:
    return "is padded with blanks, which count for little" if chosen.type.name == "bpchar" else None


def _zoneless(chosen: Chosen) -> str | None:
    return "is a time in no zone that is said" if chosen.type.name == "timestamp" else None


def _json(chosen: Chosen) -> str | None:
    return (
        "is text that can be neither compared nor indexed" if chosen.type.name == "json" else None
    )


_ADVICE = {
    "money": "counts in the currency of lc_monetary, which is a setting",
    "timetz": "has a zone without a date, so that nobody knows its summer time",
    "hstore": "is an older jsonb, of an extension, with text alone",
    "char": "is one byte of the catalog's own type",
    "name": "is the catalog's type for names, cut at 63 bytes",
}


def _other(chosen: Chosen) -> str | None:
    if chosen.type.name in ("timestamp", "timestamptz") and chosen.type.mods == (0,):
        return "rounds to the next second, which may be in the future"
    return _ADVICE.get(chosen.type.name)


# ---------------------------------------------------------------- primary keys


def _short_key(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    if isinstance(node, ast.CreateStmt):
        table = Table(key=tables.new_key(context.schema, node.relation))
        elements: Any = (*(node.tableElts or ()), *(node.constraints or ()))
    elif (found := columns.table(statement, context)) is not None:
        table, elements = found, [command.def_ for command in node.cmds or ()]
    else:
        return
    types = {column.name: column.type for column in table.columns.values()}
    keys: list[str] = []
    for element in elements:
        if isinstance(element, ast.ColumnDef) and element.typeName and element.colname:
            types[element.colname] = reading.type_of(element.typeName)
        keys += _key_columns(element, table)
    for key in dict.fromkeys(keys):
        end = _ENDS.get(types[key].name) if key in types else None
        if end:
            yield Hit(f"the primary key of {table.key} ends at {end}, for {key} is no bigint")


def _key_columns(element: Any, table: Table) -> list[str]:
    """Return the columns of the primary key that an element declares, none where it is none."""
    if isinstance(element, ast.ColumnDef):
        kinds = [part.contype for part in element.constraints or ()]
        return [str(element.colname)] if _Kind.CONSTR_PRIMARY in kinds else []
    if not isinstance(element, ast.Constraint) or element.contype != _Kind.CONSTR_PRIMARY:
        return []
    index = table.indexes.get(element.indexname or "")
    named = [str(part.sval) for part in element.keys or ()]
    return named or [name for name in (index.columns if index else ()) if name]


_LATER = "A change of the type later rewrites the table while nobody can use it."

RULES: tuple[Rule, ...] = (
    Rule(
        code="MS436",
        name="prefer-bigint",
        severity=Severity.INFO,
        on=_TYPED,
        check=_advises(_short_integer),
        style=True,
        spares_new=False,
        summary="a short integer is full one day",
        why="integer ends at 2,147,483,647 and smallint at 32,767; the next value fails (22003). "
        "bigint needs 8 bytes, and often no more than integer does, since rows are padded to 8. "
        f"{_LATER}",
        remedy="Use bigint.",
        source=f"{_MANUAL}/datatype-numeric.html",
    ),
    Rule(
        code="MS437",
        name="short-primary-key",
        on=(ast.CreateStmt, ast.AlterTableStmt),
        check=_short_key,
        style=True,
        spares_new=False,
        summary="a primary key that is no bigint is full one day",
        why="A key of type integer or serial ends at 2,147,483,647, also where most numbers were "
        "never used or were deleted; then no INSERT succeeds. Every foreign key to it has to "
        f"change as well. {_LATER}",
        remedy="Use bigint, or uuid.",
        source=f"{_MANUAL}/datatype-numeric.html",
    ),
    Rule(
        code="MS438",
        name="prefer-identity",
        severity=Severity.INFO,
        on=(ast.CreateStmt,),
        check=_advises(_serial),
        style=True,
        spares_new=False,
        summary="serial makes a sequence that is only half the table's",
        why="serial is a shorthand for a sequence, a default and NOT NULL. The sequence needs "
        "rights of its own, the default can be dropped alone, and copies of the table (LIKE) share "
        "it. An identity column is the standard's way and has none of that.",
        remedy="Use bigint GENERATED BY DEFAULT AS IDENTITY.",
        source=f"{_WIKI}#Don.27t_use_serial",
    ),
    Rule(
        code="MS439",
        name="prefer-text",
        severity=Severity.INFO,
        on=_TYPED,
        check=_advises(_limited_text),
        style=True,
        spares_new=False,
        summary="a limit of characters is hard to change",
        why="varchar(n) is no faster and no smaller than text. A longer limit is only noted, a "
        "shorter one rewrites the table. A CHECK on the length can be changed, and validated while "
        "the table is in use.",
        remedy="Use text, with a CHECK on its length where one is needed.",
        source=f"{_WIKI}#Don.27t_use_varchar.28n.29_by_default",
    ),
    Rule(
        code="MS440",
        name="prefer-text-over-char",
        severity=Severity.INFO,
        on=_TYPED,
        check=_advises(_padded),
        style=True,
        spares_new=False,
        summary="char(n) pads with blanks and compares without them",
        why="char(n) is stored with blanks up to its length, which takes space, and loses them in "
        "comparisons and casts to text, so that LIKE and concatenation do not see what is stored. "
        "It is no faster than text.",
        remedy="Use text, with a CHECK on its length where one is needed.",
        source=f"{_WIKI}#Don.27t_use_char.28n.29",
    ),
    Rule(
        code="MS441",
        name="prefer-timestamptz",
        severity=Severity.INFO,
        on=_TYPED,
        check=_advises(_zoneless),
        style=True,
        spares_new=False,
        summary="a timestamp without time zone is no point in time",
        why="timestamp keeps what a clock showed and not where, so that sessions in other zones, "
        "and now() itself, write different values for the same moment. timestamptz keeps the "
        "moment, in the same 8 bytes.",
        remedy="Use timestamptz.",
        source=f"{_WIKI}#Don.27t_use_timestamp_.28without_time_zone.29",
    ),
    Rule(
        code="MS442",
        name="prefer-jsonb",
        severity=Severity.INFO,
        on=_TYPED,
        check=_advises(_json),
        style=True,
        spares_new=False,
        summary="json can be neither compared nor indexed",
        why="json keeps its text and reads it anew at each access. It has no equality, so that "
        "DISTINCT, GROUP BY and UNION fail, and no index serves a key within it. jsonb is read "
        "once and has both.",
        remedy="Use jsonb.",
        source=f"{_MANUAL}/datatype-json.html",
    ),
    Rule(
        code="MS443",
        name="type-advice",
        severity=Severity.INFO,
        on=_TYPED,
        check=_advises(_other),
        style=True,
        spares_new=False,
        summary="a type that PostgreSQL keeps for the standard, or for itself",
        why="money depends on a setting, time with time zone has no date to tell its offset by, "
        "timestamp(0) rounds up into the future, hstore is older than jsonb, and name and the "
        "one-byte char are the catalog's own.",
        remedy="Use numeric, timestamptz, jsonb or text.",
        source=_WIKI,
    ),
)
