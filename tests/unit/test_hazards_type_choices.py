"""Advice about types where a schema decides; the cases have the rest."""

import pytest

from migsafe import sql
from migsafe.schema import Schema
from migsafe.schema.changes import advance
from tests.hazard_cases import lint


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("CREATE TABLE t (id int, PRIMARY KEY (id))", 1),
        ("CREATE TABLE t (id int UNIQUE)", 0),
        ("CREATE TABLE t (a bigint, b int, c int, PRIMARY KEY (a, b, c))", 2),
        ("ALTER TABLE t ADD COLUMN id int, ADD PRIMARY KEY (id)", 1),
        ("ALTER TABLE t ADD PRIMARY KEY (id)", 0),
        ("CREATE TABLE t (id int); ALTER TABLE t ADD PRIMARY KEY (id)", 1),
        ("CREATE TABLE t (id int); ALTER TABLE t ALTER id TYPE bigint, ADD UNIQUE (id)", 0),
    ],
)
def test_a_primary_key_is_short_where_a_column_of_it_is_known_to_be(text: str, found: int) -> None:
    assert len(lint(text, "MS437", Schema())) == found


def test_a_table_is_called_by_the_schema_that_it_goes_to() -> None:
    text = "SET search_path = app; CREATE TABLE t (id int PRIMARY KEY, c char(2))"
    for code in ("MS436", "MS437", "MS440"):
        assert "app.t" in lint(text, code, Schema())[0].message


def test_a_column_that_is_there_already_gets_no_type() -> None:
    schema = Schema()
    for statement in sql.parse("CREATE TABLE t (a text)"):
        advance(schema, statement, "0_a")
    assert lint("ALTER TABLE t ADD COLUMN IF NOT EXISTS a int", "MS436", schema) == []
    assert len(lint("ALTER TABLE t ADD COLUMN IF NOT EXISTS b int", "MS436", schema)) == 1
