"""Walks of one migration on a schema that is made for it, for rules where a case is too coarse."""

from typing import Any

from migsafe import hazards, sql
from migsafe.findings import Finding
from migsafe.hazards import Options, Unit
from migsafe.schema import Column, Index, Key, Schema, Table, Type
from migsafe.schema.changes import advance


def find(
    text: str,
    code: str,
    schema: Schema | None = None,
    *,
    transaction: bool = False,
    loose: bool = False,
    **options: Any,
) -> list[Finding]:
    """Walk one migration and return the hits of one rule; its runner wraps it if `transaction`."""
    unit = Unit(
        name="2_new",
        file="2_new.sql",
        text=text,
        statements=sql.parse(text),
        transaction=transaction,
        loose=loose,
    )
    asked = Options(on=frozenset({code}), **options)
    walked = hazards.walk([unit], before() if schema is None else schema, asked)
    return [finding for finding in walked if finding.code == code]


def before(text: str = "CREATE TABLE t (a int, b text); CREATE INDEX i ON t (a)") -> Schema:
    """Build the schema that an earlier migration leaves behind."""
    schema = Schema()
    for statement in sql.parse(text):
        advance(schema, statement, "1_old")
    return schema


def live(*, size: int = 50_000_000, version: int = 16, minor: int = 4, **index: Any) -> Schema:
    """Build a target's schema with a table t of one column and its index i."""
    key = Key("public", "t")
    table = Table(key=key, known=True, live=key, rows=1_000_000, bytes=size)
    table.columns["a"] = Column(name="a", type=Type(None, "int4"), live="a")
    table.indexes["i"] = Index(name="i", columns=("a",), live=True, **index)
    return Schema(complete=True, version=version, minor=minor, tables={key: table})
