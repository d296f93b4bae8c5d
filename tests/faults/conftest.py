"""What the tests of faults share: a database for each cell, and what a deployment to it asks."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest

from tests.faults import trials
from tests.faults.scenarios import Cell
from tests.faults.trials import Bench


@pytest.fixture(scope="session")
def bench_of(
    server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Cell], Bench]]:
    """Return a function that gives the bench of a cell."""
    with ExitStack() as stack:

        @cache
        def made(cell: Cell) -> Bench:
            folder = tmp_path_factory.mktemp("bench")
            return stack.enter_context(trials.bench(cell, server, folder))

        yield made
