"""What a CHECK proves; the servers' own answers were measured on PostgreSQL 15 and 18."""

import pytest
from pglast import ast

from migsafe import sql
from migsafe.schema import Index, Key, Schema, expressions
from migsafe.schema.changes import advance


@pytest.mark.parametrize(
    "check",
    [
        "a IS NOT NULL",
        "t.a IS NOT NULL",
        "a IS NOT NULL AND a > 1",
        "b > 1 AND (a IS NOT NULL OR (a IS NOT NULL AND a < 9))",
        "NOT (a IS NULL)",
    ],
)
def test_a_check_that_refuses_null_proves_it(check: str) -> None:
    assert expressions.proves_not_null(check, "a")


@pytest.mark.parametrize(
    "check",
    [
        "a > 0",
        "b IS NOT NULL",
        "a IS NOT NULL OR b IS NULL",
        "NOT (a IS NOT NULL)",
        "NOT (b IS NULL)",
        "(a IS NULL) IS FALSE",
        "coalesce(a, 0) IS NOT NULL",
        "num_nulls(a, b) = 0",
    ],
)
def test_what_the_server_takes_for_no_proof_is_none(check: str) -> None:
    assert not expressions.proves_not_null(check, "a")


def index(text: str) -> Index:
    schema = Schema()
    for statement in sql.parse(f"CREATE TABLE t (a int, b text, c text); {text}"):
        advance(schema, statement, "1_a")
    return schema.tables[Key("public", "t")].indexes["i"]


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("CREATE INDEX i ON t (a, b)", ()),
        ("CREATE INDEX i ON t (a, lower(b)) WHERE c IS NULL", ("b", "c")),
        ("CREATE INDEX i ON t (lower(b)); ALTER TABLE t RENAME COLUMN b TO d", ("d",)),
    ],
)
def test_an_index_knows_what_its_expressions_read(text: str, reads: tuple[str, ...]) -> None:
    assert index(text).reads == reads


def constraints(text: str) -> list[tuple[str, bool, bool, bool]]:
    schema = Schema()
    for statement in sql.parse(text):
        advance(schema, statement, "1_a")
    made = schema.tables[Key("public", "t")].constraints.values()
    return [(one.kind, one.enforced, one.deferrable, one.deferred) for one in made]


@pytest.mark.parametrize(
    ("column", "made"),
    [
        ("CHECK (a > 0)", [("c", True, False, False)]),
        ("CHECK (a > 0) NOT ENFORCED", [("c", False, False, False)]),
        ("UNIQUE DEFERRABLE NOT NULL", [("u", True, True, False)]),
        ("REFERENCES p DEFERRABLE INITIALLY DEFERRED", [("f", True, True, True)]),
        ("REFERENCES p NOT DEFERRABLE INITIALLY IMMEDIATE", [("f", True, False, False)]),
        (
            "REFERENCES p NOT ENFORCED CHECK (a > 0)",
            [("f", False, False, False), ("c", True, False, False)],
        ),
    ],
)
def test_a_constraint_within_a_column_has_the_attributes_behind_it(
    column: str, made: list[tuple[str, bool, bool, bool]]
) -> None:
    assert constraints(f"CREATE TABLE t (a int {column})") == made
    assert constraints(f"CREATE TABLE t (); ALTER TABLE t ADD COLUMN a int {column}") == made


@pytest.mark.parametrize(
    ("written", "called"),
    [
        ("int8", "bigint"),
        ("varchar(9)", "varchar(9)"),
        ("decimal(9,2)[]", "numeric(9,2)[]"),
        ("character(3)", "char(3)"),
        ("bpchar", "bpchar"),
        ("interval(3)", "interval(3)"),
        ("interval day to minute", "interval"),
        ('app."Mood"', "app.Mood"),
    ],
)
def test_a_type_is_called_as_people_write_it(written: str, called: str) -> None:
    schema = Schema()
    for statement in sql.parse(f"CREATE TABLE t (a {written})"):
        advance(schema, statement, "1_a")
    assert str(schema.tables[Key("public", "t")].columns["a"].type) == called


def test_a_view_that_counts_rows_needs_no_column() -> None:
    schema = Schema()
    text = "CREATE TABLE t (a int); CREATE VIEW v AS SELECT count(*) FROM t"
    for statement in sql.parse(f"{text}; CREATE VIEW w AS SELECT * FROM t"):
        advance(schema, statement, "1_a")
    readers = schema.tables[Key("public", "t")].readers
    assert readers == {Key("public", "v"): {""}, Key("public", "w"): frozenset()}


def _naive(node: object) -> list[object]:
    """Return a tree's nodes by asking each for all that it has."""
    if isinstance(node, tuple | list):
        return [found for item in node for found in _naive(item)]
    if not isinstance(node, ast.Node):
        return []
    return [node, *(found for name in node for found in _naive(getattr(node, name)))]


@pytest.mark.parametrize(
    "text",
    [
        "ALTER TABLE t ALTER COLUMN a SET DEFAULT nextval('t_seq'), ADD CHECK (a > 1 AND b IN (2))",
        "CREATE FOREIGN TABLE f (a integer CHECK (a > 0)) SERVER s",
        "WITH q AS (SELECT 1) INSERT INTO t SELECT a::text, count(*) FROM q GROUP BY 1",
    ],
)
def test_every_node_of_a_tree_is_found(text: str) -> None:
    (statement,) = sql.parse(text)
    found = list(expressions.nodes(statement.node, ast.Node))
    assert {id(node) for node in found} == {id(node) for node in _naive(statement.node)}
