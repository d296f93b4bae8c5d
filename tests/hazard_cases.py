"""The cases of the hazard rules: `tests/cases/<code>/{bad,good}.sql`, on `tests/cases/clinic.sql`.

Header comments of a case: `-- server: 11` (the major version it is for), `-- transaction: no` (its
runner does not wrap it), `-- timeouts: lock_timeout=5s` (what the runner or role sets),
`-- live: patients bytes=5000000000` (what a target's catalog says of a table, one table a line). A
line `-- migration: NAME` begins another migration. A line that ends with `-- MS101` is the first
line of a statement that has that hazard.
"""

import pickle
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from migsafe import sql
from migsafe.findings import Finding
from migsafe.hazards import Options, Rule, Unit, walk
from migsafe.schema import Schema
from migsafe.schema.changes import advance

CASES = Path(__file__).parent / "cases"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case file, as migrations in order."""

    units: tuple[Unit, ...]
    marked: tuple[tuple[str, int], ...]
    options: Options
    #: Attributes of tables, by bare name.
    live: dict[str, dict[str, str]]


def load(rule: Rule, which: str) -> Case:
    """Read `bad` or `good` of a rule; the lines of `marked` are those of its code."""
    text = (CASES / rule.code / f"{which}.sql").read_text("utf-8")
    header = dict(re.findall(r"^-- (server|transaction|timeouts): (.+)$", text, re.MULTILINE))
    units = tuple(_units(text, transaction=header.get("transaction") != "no"))
    pairs = header.get("timeouts", "")
    return Case(
        units=units,
        marked=tuple(
            (unit.name, number)
            for unit in units
            for number, line in enumerate(unit.text.splitlines(), start=1)
            if line.endswith(f"-- {rule.code}")
        ),
        options=Options(
            version=int(header["server"]) if "server" in header else None,
            timeouts=dict(re.findall(r"(\w+)=(\S+)", pairs)),
            on=frozenset({rule.name}),
        ),
        live={
            name: dict(re.findall(r"(\w+)=(\S+)", said))
            for name, said in re.findall(r"^-- live: (\S+) (.+)$", text, re.MULTILINE)
        },
    )


def _units(text: str, *, transaction: bool) -> list[Unit]:
    parts = re.split(r"^-- migration: (.+)\n", text, flags=re.MULTILINE)
    named = [("1_case", parts[0]), *zip(parts[1::2], parts[2::2], strict=True)]
    return [
        Unit(
            name=name,
            file=f"{name}.sql",
            text=part,
            statements=sql.parse(part),
            transaction=transaction,
        )
        for name, part in named
        if sql.parse(part)
    ]


@cache
def _clinic() -> bytes:
    schema = Schema()
    for statement in sql.parse((CASES / "clinic.sql").read_text("utf-8")):
        advance(schema, statement, "0_clinic")
    return pickle.dumps(schema)


def clinic() -> Schema:
    """Return the schema of clinic.sql, as an earlier migration leaves it."""
    schema: Schema = pickle.loads(_clinic())  # a quarter of the time of a deep copy
    return schema


def found(rule: Rule, case: Case, schema: Schema | None = None) -> list[Finding]:
    """Walk a case on the clinic and return what the rule finds."""
    schema = clinic() if schema is None else schema
    for key, table in schema.tables.items():
        for attribute, said in case.live.get(key.bare, {}).items():
            setattr(table, attribute, int(said) if said.isdecimal() else said)
    findings = walk(case.units, schema, case.options)
    return [finding for finding in findings if finding.code == rule.code]


def lint(
    text: str, code: str, schema: Schema | None = None, *, transaction: bool = True
) -> list[Finding]:
    """Walk one migration, on the clinic where no schema is given, and return what a rule finds."""
    unit = Unit(
        name="1_a",
        file="1_a.sql",
        text=text,
        statements=sql.parse(text),
        transaction=transaction,
    )
    options = Options(on=frozenset({code}))
    findings = walk([unit], clinic() if schema is None else schema, options)
    return [finding for finding in findings if finding.code == code]


def live(**sizes: tuple[int, int]) -> Schema:
    """Return the clinic as a target has it; `sizes` are rows and bytes by table, the rest empty."""
    schema = clinic()
    schema.complete = True
    for key, table in schema.tables.items():
        rows, size = sizes.get(key.bare, (0, 0))
        table.live, table.made, table.known, table.writes = key, None, True, []
        table.rows, table.bytes, table.empty = rows, size, key.bare not in sizes
        for column in table.columns.values():
            column.live = column.name
    for enum in schema.enums.values():
        enum.live, enum.made = True, None
    return schema
