from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pglast import ast, enums, parse_sql
from pglast import parser as pglast_parser

from migsafe import trees

parser: Any = pglast_parser

CASES = Path(__file__).parents[1] / "cases"
TEXTS = sorted(CASES.rglob("*.sql"))


@pytest.fixture
def builders() -> Iterator[Any]:
    """What builds the nodes, put back as it was."""
    before = parser.ast
    parser.ast = ast
    trees.quicken()
    yield parser.ast
    parser.ast = before


def same(one: Any, other: Any) -> bool:
    """Tell whether two trees have the same values of the same types, positions included."""
    if type(one) is not type(other):
        return False
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, ast.Node):
        return all(same(getattr(one, name), getattr(other, name)) for name in one)
    return bool(one == other)


def classes() -> list[Any]:
    found: list[Any] = [kind for kind in vars(ast).values() if isinstance(kind, type)]
    nodes = [kind for kind in found if issubclass(kind, ast.Node)]
    return [kind for kind in nodes if isinstance(kind.__slots__, dict)]


def test_a_tree_is_the_one_that_pglast_builds_by_itself(builders: Any) -> None:
    texts = [file.read_text("utf-8-sig") for file in TEXTS]
    quick = [parse_sql(text) for text in texts]
    parser.ast = ast
    assert sum(map(len, quick)) > 1000
    assert all(map(same, quick, map(parse_sql, texts)))


def test_every_class_of_pglast_can_be_built(builders: Any) -> None:
    assert len(classes()) > 250
    assert all(type(getattr(builders, kind.__name__)()) is kind for kind in classes())


def test_only_booleans_are_still_checked_by_pglast(builders: Any) -> None:
    checked = [k for k in classes() if k.__slots__ and getattr(builders, k.__name__) is k]
    assert checked == [ast.Boolean]


@pytest.mark.usefixtures("builders")
def test_a_node_that_is_changed_by_hand_is_checked_as_ever() -> None:
    (statement,) = parse_sql("CREATE TABLE t (a int)")
    made: Any = statement.stmt
    column = made.tableElts[0]
    with pytest.raises(ValueError, match="Bad value for attribute"):
        column.colname = 1
    command = ast.AlterTableCmd(subtype=int(enums.AlterTableType.AT_DropColumn))
    assert command.subtype is enums.AlterTableType.AT_DropColumn


def test_a_parser_of_another_make_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    other = object()
    monkeypatch.setattr(parser, "ast", other)
    trees.quicken()
    assert parser.ast is other
