"""Audits: read-only questions to the target whose rows are offenders."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from msgspec import Struct, field

from migsafe.findings import Severity
from migsafe.schema import Key, Place


class Verdict(StrEnum):
    """What the rows say of a pending statement. Only `PASS` is good."""

    PASS = "pass"  # noqa: S105  # no password
    FAIL = "fail"
    DEPENDS = "depends"
    UNKNOWN = "unknown"


class Scan(Struct, frozen=True, kw_only=True):
    """A question that one pass over a relation can answer together with others.

    `relation` is SQL after FROM, aliased t; `condition` is true of offenders.
    """

    relation: str
    condition: str


class Derived(Struct, frozen=True, kw_only=True):
    """What an audit that was derived from a pending statement knows beside its SQL.

    `settled` is a verdict that needs no row, with its reason in `because`. `breaks` and `repairs`
    are earlier statements that may add offenders, or take them away. `tries` says that an error of
    a data exception is the offence itself. `perhaps` says that the conditions of a DO block decide
    whether the statement runs. `noun` is what is counted. `keys` asks for the keys of
    some offenders where the audit's own rows have none. `primary` are the columns of the table's
    primary key with their types. `path` is the search_path that the statement runs with, empty for
    the target's own.
    """

    code: str
    migration: str
    statement: int
    end_line: int
    noun: str = "row"
    settled: Verdict | None = None
    because: str = ""
    breaks: Place | None = None
    repairs: Place | None = None
    tries: bool = False
    perhaps: bool = False
    scan: Scan | None = None
    keys: str | None = None
    primary: tuple[tuple[str, str], ...] = ()
    table: Key | None = None
    path: tuple[str, ...] = ()


class Audit(Struct, frozen=True, kw_only=True):
    """One question. `key` names the columns that may be shown, `timeout` is in seconds.

    `before` limits it to the time while one of those migrations is pending; empty means always.
    `derived` is None for an audit from a file.
    """

    name: str
    sql: str
    file: Path
    line: int
    description: str = ""
    severity: Severity = Severity.ERROR
    before: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    max: int = 0
    timeout: float = 60.0
    remedy: str | None = None
    derived: Derived | None = field(default=None)


#: Codes of the derived audits by their names. A code is never given again.
DERIVED: Mapping[str, str] = {
    "set-not-null": "MD101",
    "add-column-required-non-empty": "MD102",
    "add-column-domain-not-null": "MD103",
    "add-column-default-violates-check": "MD104",
    "add-column-default-not-in-parent": "MD105",
    "add-unique": "MD106",
    "add-unique-nulls-not-distinct": "MD107",
    "create-unique-index": "MD108",
    "create-unique-index-concurrently": "MD109",
    "create-unique-index-partial-expr": "MD110",
    "add-primary-key-dup": "MD111",
    "add-primary-key-null": "MD112",
    "add-primary-key-using-index-null": "MD113",
    "add-fk": "MD114",
    "validate-fk": "MD115",
    "add-fk-composite-match-simple": "MD116",
    "add-fk-composite-match-full": "MD117",
    "add-check": "MD118",
    "validate-check": "MD119",
    "add-exclusion": "MD120",
    "type-change": "MD121",
    "type-no-assignment-cast": "MD122",
    "type-text-to-int": "MD123",
    "type-bigint-to-int": "MD124",
    "type-varchar-shrink": "MD125",
    "type-varchar-shrink-using-cast": "MD126",
    "type-numeric-precision": "MD127",
    "type-numeric-scale-rounds": "MD128",
    "type-numeric-to-int-rounds": "MD129",
    "type-timestamp-to-date": "MD130",
    "type-timestamp-precision": "MD131",
    "type-float-to-numeric": "MD132",
    "type-text-to-timestamp": "MD133",
    "type-text-to-uuid": "MD134",
    "type-text-to-jsonb": "MD135",
    "type-json-to-jsonb-nul": "MD136",
    "type-citext-unique": "MD137",
    "enum-narrow": "MD138",
    "type-text-to-enum": "MD139",
    "domain-add-check": "MD140",
    "domain-set-not-null": "MD141",
    "type-int-to-domain": "MD142",
    "type-change-null": "MD143",
    "type-change-unique": "MD144",
    "type-change-check": "MD145",
    "type-change-fk": "MD146",
    "attach-partition-range": "MD147",
    "attach-partition-list": "MD148",
    "attach-partition-hash": "MD149",
    "attach-partition-default-overlap": "MD150",
    "create-partition-default-overlap": "MD151",
    "attach-partition-default": "MD152",
    "generated-column-expr-error": "MD153",
    "generated-column-not-null": "MD154",
    "expression-index-error": "MD155",
    "index-row-too-large": "MD156",
    "delete-blocked-by-fk": "MD157",
    "insert-seed-conflict": "MD158",
    "identity-behind-max": "MD159",
    "drop-column-data": "MD160",
    "drop-table-data": "MD161",
    "truncate-data": "MD162",
    "drop-table-referenced": "MD163",
    "drop-column-view-dependency": "MD164",
    "type-view-dependency": "MD165",
    "truncate-referenced": "MD166",
    "fk-target-not-unique": "MD167",
    "set-logged-fk-unlogged": "MD168",
    "inherit-missing-column": "MD169",
    "refresh-matview-concurrently-no-unique": "MD170",
    "type-change-lossy": "MD171",
}
