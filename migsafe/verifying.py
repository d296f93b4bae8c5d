"""Hold the live schema against declared expectations, and against what the history makes of it.

Expectations are answered by information_schema.columns. A name that is not there fails; it never
passes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from migsafe import facts
from migsafe.errors import UsageError, nearest, redacted
from migsafe.facts import Facts
from migsafe.findings import Finding, Severity, Source, Status

if TYPE_CHECKING:  # the driver is heavy, and a report without a comparison does without it
    from migsafe.histories import Standing
    from migsafe.target import Connection

FILE = "expectations.toml"


class Expectation(Struct, frozen=True, kw_only=True):
    """One declared column. `since` limits it to the time after that migration."""

    table: str
    column: str
    nullable: bool | None = None
    type: str | None = None
    since: str | None = None
    schema: str | None = None


class Column(Struct, frozen=True, kw_only=True):
    """One row of the nullability table; `expected` and `found` are YES or NO, None where unsaid."""

    table: str
    column: str
    expected: str | None
    found: str | None
    data_type: str | None
    ok: bool


class Difference(Struct, frozen=True, kw_only=True):
    """A fact in which the live schema is not what the history makes; None where it is not there.

    `migration` is the last one that said anything about it, `undo` the statement that would make
    it as expected, where that is one statement.
    """

    fact: str
    found: str | None
    expected: str | None
    severity: Severity
    migration: str | None = None
    undo: str | None = None

    def __str__(self) -> str:
        """Return it as a sentence's part."""
        return facts.compared(self.fact, self.found, self.expected)


class Verification(Struct, frozen=True, kw_only=True):
    """What was compared: declared columns, and `facts` of the schema, None where none were."""

    columns: tuple[Column, ...] = ()
    differences: tuple[Difference, ...] = ()
    facts: int | None = None


def load(audits: Path | None) -> list[Expectation]:
    """Read `expectations.toml` of the audits' directory; none where there is no file."""
    path = audits / FILE if audits else None
    if path is None:
        return []
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return []
    except RecursionError:
        raise UsageError(str(path), "is nested too deeply", "correct it") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(str(path), f"not valid TOML: {error}", "correct that line") from None
    except OSError as error:
        raise UsageError(str(path), f"cannot be read: {error.strerror}", "check it") from None
    unknown = set(raw) - {"column"}
    if unknown:
        raise UsageError(f"{path}: {min(unknown)}", "unknown key", "the tables are [[column]]")
    listed = raw.get("column", [])
    if not isinstance(listed, list):
        raise UsageError(f"{path}: column", "is no list of tables", "begin each with [[column]]")
    return [_expectation(path, number, item) for number, item in enumerate(listed, start=1)]


def _expectation(path: Path, number: int, raw: Any) -> Expectation:
    import msgspec

    place = f"{path}: column {number}"
    fields = Expectation.__struct_fields__
    for key in raw if isinstance(raw, dict) else ():
        if key not in fields:
            hint = nearest(key, fields) or f"the keys are {', '.join(fields)}"
            raise UsageError(place, f"unknown key {key}", hint)
    try:
        expectation = msgspec.convert(raw, Expectation)
    except msgspec.ValidationError as error:
        raise UsageError(place, str(error), "correct it") from None
    if "\0" in "".join(filter(None, (expectation.schema, expectation.table, expectation.column))):
        raise UsageError(place, "a name holds a NUL character, as none can", "correct it")
    return expectation


def check_names(expectations: Sequence[Expectation], names: Sequence[str] | None) -> None:
    """Raise UsageError where `since` is none of the history's `names`; None means no history."""
    for expectation in expectations:
        if expectation.since is None:
            continue
        place = f"{FILE}: {expectation.table}.{expectation.column}"
        if names is None:
            raise UsageError(
                place, "since names a migration, but there is no history", "give --migrations"
            )
        if expectation.since not in names:
            hint = nearest(expectation.since, names) or "correct the name"
            raise UsageError(place, f"since: there is no migration {expectation.since}", hint)


def check(
    conn: Connection, expectations: Sequence[Expectation], standing: Standing | None
) -> tuple[Verification, list[Finding]]:
    """Compare each expectation that is due with the live schema."""
    found: list[Finding] = []
    columns: list[Column] = []
    for expectation in expectations:
        if not _due(expectation, standing):
            found.append(_skipped(expectation))
            continue
        column, finding = _compare(conn, expectation)
        columns.append(column)
        found.append(finding)
    return Verification(columns=tuple(columns)), found


def compare(
    live: Facts, expected: Facts, made_by: Mapping[facts.Key, str]
) -> tuple[Difference, ...]:
    """Return where the live schema is not as expected: nullability first, then by object."""
    from migsafe.catalog import undo

    found = sorted(
        facts.differences(live, expected), key=lambda d: (d.key.aspect != "nullable", d.key.object)
    )
    gone = {_of(item.key) for item in found if item.key.aspect in _PRESENCE and _is_gone(item)}
    return tuple(
        Difference(
            fact=str(item.key),
            found=_safe(item.found),
            expected=_safe(item.expected),
            severity=facts.severity(item.key, item.found, item.expected),
            migration=made_by.get(item.key),
            undo=_safe(undo.statement(item, expected)) if _stands_alone(item.key, gone) else None,
        )
        for item in found
    )


#: Aspects that say that something is there at all.
_PRESENCE = ("", "type", "definition", "command")


def _of(key: facts.Key) -> tuple[str, str, str]:
    return key.kind, key.object, key.part


def _is_gone(item: facts.Difference) -> bool:
    return item.found is None or item.expected is None


def _stands_alone(key: facts.Key, gone: set[tuple[str, str, str]]) -> bool:
    """Tell whether a fact can be put right by itself, not only with the whole that is missing."""
    whole = any(name == key.object and not part for _, name, part in gone)
    return (key.aspect in _PRESENCE and (not whole or not key.part)) or not (
        whole or _of(key) in gone
    )


def _safe(text: str | None) -> str | None:
    """Take logins out of a value: a function's body may hold somebody's."""
    return None if text is None else redacted(text)


def drift(differences: Sequence[Difference]) -> list[Finding]:
    """Report the differences, one finding a migration that should have made them otherwise."""
    grouped: dict[str | None, list[Difference]] = {}
    for item in differences:
        grouped.setdefault(item.migration, []).append(item)
    return [_drift(name, items) for name, items in grouped.items()]


#: Differences that a message names; arbitrary, what fits in a few lines.
_NAMED = 3


def _drift(migration: str | None, items: Sequence[Difference]) -> Finding:
    order = (Severity.ERROR, Severity.WARNING, Severity.INFO)
    more = f"; and {len(items) - _NAMED} more" if len(items) > _NAMED else ""
    statements = [item.undo for item in items if item.undo]
    return Finding(
        code="MV106",
        name="schema-differs",
        source=Source.VERIFY,
        severity=min((item.severity for item in items), key=order.index),
        status=Status.FAILED,
        message="; ".join(str(item) for item in items[:_NAMED]) + more,
        migration=migration,
        count=len(items),
        exact=True,
        remedy=f"As the history makes it: {'; '.join(statements[:_NAMED])}" if statements else None,
        evidence="catalog",
    )


def _due(expectation: Expectation, standing: Standing | None) -> bool:
    return expectation.since is None or (
        standing is not None and expectation.since in standing.applied
    )


def _compare(conn: Connection, expectation: Expectation) -> tuple[Column, Finding]:
    from migsafe import catalog

    schema = expectation.schema or catalog.current_schema(conn) or "public"
    row = conn.execute(
        """SELECT c.is_nullable, c.data_type,
                  pg_catalog.format_type(a.atttypid, a.atttypmod), c.udt_name
           FROM information_schema.columns AS c
           JOIN pg_catalog.pg_namespace AS n ON n.nspname = c.table_schema
           JOIN pg_catalog.pg_class AS t ON t.relnamespace = n.oid AND t.relname = c.table_name
           JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid AND a.attname = c.column_name
           WHERE c.table_schema = %s AND c.table_name = %s AND c.column_name = %s""",
        [schema, expectation.table, expectation.column],
    ).fetchone()
    if row is None:
        return _absent(conn, schema, expectation)
    nullable, data_type = str(row[0]), str(row[1])
    types = {str(name).lower() for name in row[1:]}
    expected = {True: "YES", False: "NO", None: None}[expectation.nullable]
    typed = expectation.type is None or expectation.type.lower() in types
    ok = typed and expected in (None, nullable)
    column = Column(
        table=expectation.table,
        column=expectation.column,
        expected=expected,
        found=nullable,
        data_type=data_type,
        ok=ok,
    )
    if expected not in (None, nullable):
        return column, _finding(
            expectation,
            "MV101",
            f"is_nullable is {nullable}, expected {expected}",
            remedy="Find the migration that should have changed it: migsafe status",
        )
    if not typed:
        message = f"the type is {row[2]}, expected {expectation.type}"
        return column, _finding(
            expectation, "MV102", message, remedy="Compare it with the history."
        )
    return column, _finding(expectation, "MV101", f"is_nullable is {nullable}", Status.PASSED)


def _absent(conn: Connection, schema: str, expectation: Expectation) -> tuple[Column, Finding]:
    from migsafe import catalog

    relation = f"{schema}.{expectation.table}"
    if columns := catalog.columns_of(conn, schema, expectation.table):
        hint = nearest(expectation.column, columns)
        message = f"the table has no column {expectation.column}"
        if expectation.column in columns:  # information_schema hides it from this role
            hint = "grant it SELECT on the column"
            message = f"role {conn.info.user} may not see this column, so it was not compared"
    else:
        hint = nearest(relation, catalog.tables(conn))
        message = f"there is no table {relation}"
    column = Column(
        table=expectation.table,
        column=expectation.column,
        expected={True: "YES", False: "NO", None: None}[expectation.nullable],
        found=None,
        data_type=None,
        ok=False,
    )
    remedy = f"Correct {FILE}, or find the migration that should have made it."
    text = f"{message}; {hint}" if hint else message
    return column, _finding(expectation, "MV103", text, remedy=remedy)


_NAMES = {
    "MV101": "column-nullability",
    "MV102": "column-type",
    "MV103": "column-missing",
}


def _finding(
    expectation: Expectation,
    code: str,
    message: str,
    status: Status = Status.FAILED,
    *,
    remedy: str | None = None,
) -> Finding:
    return Finding(
        code=code,
        name=_NAMES[code],
        source=Source.VERIFY,
        severity=Severity.ERROR,
        status=status,
        message=f"{expectation.table}.{expectation.column}: {message}",
        migration=expectation.since,
        file=FILE,
        remedy=remedy,
        evidence="catalog",
    )


def _skipped(expectation: Expectation) -> Finding:
    message = f"expected only once {expectation.since} is applied"
    return _finding(expectation, "MV101", message, Status.SKIPPED)


def nothing_compared(
    reason: str = "no declared expectation is due", *, severity: Severity
) -> Finding:
    """Build the finding that says that nothing is proved, and why."""
    return Finding(
        code="MV104",
        name="nothing-verified",
        source=Source.VERIFY,
        severity=severity,
        status=Status.FAILED if severity is Severity.ERROR else Status.SKIPPED,
        message=f"{reason}, so the live schema was compared with nothing",
        file=FILE,
        remedy=f"Declare the columns that matter in audits/{FILE}.",
        evidence="catalog",
    )


def not_recorded(names: Sequence[str], standing: Standing) -> list[Finding]:
    """Report the migrations of `names` that the history's table does not call applied."""
    applied = {*standing.applied}
    return [
        Finding(
            code="MV105",
            name="migration-not-recorded",
            source=Source.VERIFY,
            severity=Severity.ERROR,
            status=Status.FAILED,
            message=f"{name} is not recorded as applied",
            migration=name,
            remedy="migsafe plan says what would run.",
            evidence="catalog",
        )
        for name in names
        if name not in applied
    ]
