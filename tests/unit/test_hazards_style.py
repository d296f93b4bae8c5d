"""Hazards of names and queries, form by form; the cases have the rest."""

import pytest

from migsafe import hazards, sql
from migsafe.findings import Finding, Severity
from migsafe.hazards import Options, Unit
from migsafe.schema import Schema
from migsafe.schema.changes import advance


def find(text: str, code: str, before: str = "") -> list[Finding]:
    schema = Schema()
    for statement in sql.parse(before):
        advance(schema, statement, "1_old")
    unit = Unit(name="2_new", file="2.sql", text=text, statements=sql.parse(text), transaction=True)
    found = hazards.walk([unit], schema, Options(on=frozenset({code})))
    return [finding for finding in found if finding.code == code]


LONG = "a" * 64


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        (f"SELECT 1 AS {LONG}", 1),
        (f"SELECT 1 AS {LONG[:63]}", 0),
        (f'SELECT 1 AS "{LONG}", 2 AS "{LONG}"', 1),
        (f"SELECT 1 AS {LONG}, 2 AS {LONG}b", 2),
        ('SELECT 1 AS "' + "é" * 31 + '"', 0),
        ('SELECT 1 AS "' + "é" * 32 + '"', 1),
        (f"SELECT '{LONG}' -- {LONG}", 0),
        (f'SELECT \'"\', 1 AS "{LONG}"', 1),
        (f"SELECT E'\\'\"\\'', 1 AS \"{LONG}\"", 1),
        (f'SELECT $$"$$, 1 AS "{LONG}"', 1),
        (f'SELECT 1 -- it\'s "\n, \'a" b\', 1 AS "{LONG}"', 1),
        (f'SELECT 1 /* " */, 1 AS "{LONG}"', 1),
        (f'SELECT 1 AS "{LONG[:40]}""{LONG[:40]}"', 1),
        (f'SELECT 1 AS "{LONG}\n"', 1),
        (f"""SELECT '{{"a": 1}}' AS "it's", 1 AS "{LONG}" """, 1),
        (f"""SELECT '{{"a": "{LONG}"}}' AS b""", 0),
        (f'SELECT 1 AS "a", {" " * 64} 2 AS "b"', 0),
    ],
)
def test_a_name_is_too_long_by_its_bytes(text: str, hits: int) -> None:
    assert len(find(text, "MS456")) == hits


def test_a_long_name_is_found_where_it_stands() -> None:
    (finding,) = find(f"SELECT 'é';\n\n  SELECT 1,\n  2 AS {LONG}", "MS456")
    assert (finding.line, finding.column, finding.statement) == (4, 8, 2)


def test_a_search_path_of_the_migration_says_which_relation_is_meant() -> None:
    assert find("ALTER TABLE t ADD COLUMN a int", "MS457")
    assert not find("SET search_path = a; ALTER TABLE t ADD COLUMN a int", "MS457")
    assert find("SET search_path = a; RESET search_path; DROP TABLE t", "MS457")


def test_a_key_that_is_refused_is_an_error_and_an_index_that_is_large_a_warning() -> None:
    assert find("CREATE INDEX ON t (a, a)", "MS459")[0].severity == Severity.WARNING
    assert find("CREATE TABLE t (a int, UNIQUE (a, a))", "MS459")[0].severity == Severity.ERROR
    (both,) = find("CREATE TABLE t (a int, FOREIGN KEY (a, a) REFERENCES p)", "MS459")
    assert both.severity == Severity.WARNING


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("SELECT 1 FROM t WHERE a = NULL OR b = NULL", 1),
        ("SELECT 1 FROM t WHERE a <= NULL", 1),
        ("SELECT 1 FROM t WHERE (a, b) = (NULL, 1)", 0),
        ("SELECT coalesce(a = NULL, false) FROM t", 1),
        ("SELECT 1 FROM t WHERE a IS DISTINCT FROM NULL", 0),
        ("SELECT f(a := NULL)", 0),
        ("CREATE POLICY p ON t USING (a = NULL)", 1),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1 WHERE 1 = NULL'", 0),
    ],
)
def test_a_comparison_with_null_is_found_in_any_expression(text: str, hits: int) -> None:
    assert len(find(text, "MS464")) == hits


def test_not_in_is_silent_where_the_column_cannot_be_null() -> None:
    text = "DELETE FROM t WHERE a NOT IN (SELECT b FROM p)"
    assert find(text, "MS465")
    assert find(text, "MS465", "CREATE TABLE p (b int)")
    assert not find(text, "MS465", "CREATE TABLE p (b int NOT NULL)")


def test_a_table_that_gets_its_key_under_another_name_has_one() -> None:
    text = "CREATE TABLE t (a int); ALTER TABLE t RENAME TO s;"
    assert "s has no primary key" in find(text, "MS462")[0].message
    assert not find(f"{text} ALTER TABLE s ADD PRIMARY KEY (a)", "MS462")
