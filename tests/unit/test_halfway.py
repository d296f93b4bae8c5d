"""How far a migration came that stopped midway, by its receipts."""

from pathlib import Path

import pytest

from migsafe import planning, replay
from migsafe.histories import Migration
from migsafe.pipeline import halfway


@pytest.mark.parametrize(
    ("statement", "most"),
    [
        ("INSERT INTO t VALUES (1)", 1),
        ("DO $$ BEGIN INSERT INTO t VALUES (1); END $$", 1),
        ("CALL p()", 2),
        ("DO $$ BEGIN CALL p(); END $$", 2),
        ("CREATE INDEX CONCURRENTLY i ON t (a)", 2),
    ],
)
def test_what_commits_itself_may_have_run_without_its_receipt(statement: str, most: int) -> None:
    migration = Migration(
        name="1_a",
        path=Path("1_a.sql"),
        text=f"CREATE TABLE t (a int); {statement}; SELECT 1",
        checksum="",
        transaction=False,
    )
    played = replay.Replay(
        names=("1", "2", "3"), initial={}, deltas=({}, {}, {}), final={}, server=""
    )
    found = halfway.compared(planning.step(migration), played, {}, receipts=1)
    assert (found.least, found.most) == (1, most)
