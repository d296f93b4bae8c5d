"""The judge itself: what it must call wrong."""

from collections.abc import Callable

import psycopg
import pytest

from migsafe.sql import parse
from tests.cli import databases
from tests.faults import judge
from tests.faults.judge import State
from tests.faults.processes import Ended
from tests.faults.scenarios import SMALL, Cell
from tests.faults.trials import Bench


@pytest.fixture
def bench(bench_of: Callable[[Cell], Bench]) -> Bench:
    """The first cell, on an empty database."""
    made = bench_of(SMALL[0])
    databases.empty(made.database)
    return made


def after(bench: Bench, statements: int) -> State:
    """Run the first statements of the history by hand, and read the state."""
    texts = [one.text for text in bench.cell.migrations.values() for one in parse(text)]
    with psycopg.connect(bench.database, autocommit=True) as conn:
        for text in texts[:statements]:
            conn.execute(text.encode())
        return judge.read(conn, bench.cell, bench.stages)


def test_an_exit_code_that_the_database_denies_is_called_untrue(bench: Bench) -> None:
    state = after(bench, 4)
    assert state.stage == 1
    assert judge.untrue(Ended(5, "", ""), state) == []
    assert judge.untrue(Ended(0, "", ""), state)
    assert judge.untrue(Ended(3, "", ""), state)


def test_part_of_a_migration_is_no_stage_and_needs_an_open_record(bench: Bench) -> None:
    state = after(bench, 6)
    assert state.stage is None
    assert judge.untrue(Ended(5, "", ""), state)
    assert judge.untrue(Ended(6, "", ""), state) == []
    assert judge.disagreements(state)


def test_what_is_in_effect_without_a_record_is_a_disagreement(bench: Bench) -> None:
    assert judge.disagreements(after(bench, 0)) == []
    assert judge.disagreements(after(bench, 4))


def test_a_statement_that_ran_twice_shows(bench: Bench) -> None:
    after(bench, 4)
    with psycopg.connect(bench.database, autocommit=True) as conn:
        conn.execute("INSERT INTO log VALUES ('beginning')")
        state = judge.read(conn, bench.cell, bench.stages)
    assert state.stage is None
