"""Waits of a plan, and blockers in words: what needs no server."""

import pytest

from migsafe import blockers, hazards, sql
from migsafe.blockers import Blocked, Blocker, Kind, advice, ending
from migsafe.errors import ExitCode, UsageError
from migsafe.findings import Severity, Status
from migsafe.hazards import Options, Unit, Wait
from migsafe.hazards.locks import Mode
from migsafe.schema import Key
from tests.unit.hazard_walks import live


def walked(text: str) -> list[Wait]:
    """Walk one migration on a target that has a table t, and return whom it waits for."""
    found: dict[Wait, None] = {}
    unit = Unit(
        name="2_b", file="2_b.sql", text=text, statements=sql.parse(text), transaction=False
    )
    hazards.walk([unit], live(), Options(), found)
    return list(found)


def blocker(**parts: object) -> Blocker:
    """Build a session that has left its transaction open, with what a test changes."""
    usual: dict[str, object] = {
        "kind": Kind.SESSION,
        "pid": 7,
        "user": "app",
        "application": "web",
        "state": "idle in transaction",
        "age_seconds": 720.0,
        "statement_seconds": None,
        "why": "holds ACCESS SHARE",
        "relations": ("t",),
        "blocks": (Blocked(migration="2_b", file="2_b.sql", line=3, statement=2),),
    }
    return Blocker(**(usual | parts))  # type: ignore[arg-type]


def test_modes_conflict_symmetrically() -> None:
    pairs = {(one, other) for one in Mode for other in one.conflicting}
    assert pairs == {(other, one) for one, other in pairs}


T = Key("public", "t")


@pytest.mark.parametrize(
    ("text", "waits"),
    [
        ("ALTER TABLE t ADD COLUMN b int", [(T, Mode.ACCESS_EXCLUSIVE, None)]),
        ("INSERT INTO t VALUES (1)", [(T, Mode.ROW_EXCLUSIVE, None)]),
        ("SELECT a FROM t", [(T, Mode.ACCESS_SHARE, None)]),
        (
            "CREATE INDEX CONCURRENTLY j ON t (a)",
            [(T, Mode.SHARE_UPDATE_EXCLUSIVE, Mode.SHARE), (None, None, None)],
        ),
        (
            "DROP INDEX CONCURRENTLY i",
            [(T, Mode.SHARE_UPDATE_EXCLUSIVE, Mode.ACCESS_EXCLUSIVE)],
        ),
        (
            "REINDEX INDEX CONCURRENTLY i",
            [(T, Mode.SHARE_UPDATE_EXCLUSIVE, Mode.ACCESS_EXCLUSIVE), (None, None, None)],
        ),
        ("CREATE TABLE n (a int); ALTER TABLE n ADD COLUMN b int", []),
        ("CREATE TABLE n (a int); CREATE INDEX CONCURRENTLY ON n (a)", [(None, None, None)]),
        ("DO $$BEGIN ALTER TABLE t ADD COLUMN b int; END$$", [(T, Mode.ACCESS_EXCLUSIVE, None)]),
    ],
)
def test_a_walk_notes_whom_a_statement_waits_for(
    text: str, waits: list[tuple[Key | None, Mode | None, Mode | None]]
) -> None:
    assert [(wait.relation, wait.mode, wait.holders) for wait in walked(text)] == waits


def test_a_wait_has_the_name_of_the_target_and_its_first_place() -> None:
    renamed = "ALTER TABLE t RENAME TO s;\nALTER TABLE s ADD COLUMN b int;\nDROP TABLE s;"
    (wait,) = walked(renamed)
    assert (wait.relation, wait.line, wait.statement) == (T, 1, 1)


def test_a_holder_is_waited_for_beside_the_queue_and_who_asks_is_not() -> None:
    wait = walked("CREATE INDEX CONCURRENTLY j ON t (a)")[0]
    assert wait.is_for(Mode.ROW_EXCLUSIVE, granted=True)
    assert not wait.is_for(Mode.ROW_EXCLUSIVE, granted=False)
    assert not wait.is_for(Mode.ACCESS_SHARE, granted=True)
    assert wait.is_for(Mode.ACCESS_EXCLUSIVE, granted=False)


def test_a_blocker_is_told_with_what_is_known_of_it() -> None:
    assert str(blocker()) == (
        "process 7 (app, web): idle in transaction, open for 12 min, holds ACCESS SHARE on t"
    )
    hidden = blocker(state=None, age_seconds=None, application=None)
    assert str(hidden) == "process 7 (app): state unknown to this role, holds ACCESS SHARE on t"
    many = blocker(kind=Kind.DUMP, state="active", relations=("t", "s.u", "v", "w"))
    assert str(many).startswith("pg_dump, process 7 (app, web): active, open for 12 min, holds")
    assert many.holding == "holds ACCESS SHARE on t, s.u and 2 more"
    left = blocker(kind=Kind.PREPARED, pid=None, prepared="x-1", state="prepared")
    assert left.who == "prepared transaction x-1 (app, web)"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.4, "0 s"), (119, "119 s"), (121, "2 min"), (7300, "2 h"), (200_000, "2 d")],
)
def test_a_duration_is_told_in_one_unit(seconds: float, told: str) -> None:
    assert blockers.lasting(seconds) == told


def test_each_blocked_migration_has_one_warning_with_its_place_and_a_remedy() -> None:
    later = Blocked(migration="2_b", file="2_b.sql", line=9, statement=5)
    other = Blocked(migration="3_c", file="3_c.sql", line=1, statement=1)
    both = blocker(pid=8, state="active", age_seconds=None, blocks=(later, other))
    first, second = advice.findings([blocker(), both])
    assert (first.code, first.severity, first.status) == (
        "MS147",
        Severity.WARNING,
        Status.FAILED,
    )
    assert (first.migration, first.line, first.statement, first.count) == ("2_b", 3, 2, 2)
    assert "process 7 (app, web)" in first.message
    assert "process 8 (app, web)" in first.message
    assert "--terminate-blockers" in (first.remedy or "")
    assert (second.migration, second.count) == ("3_c", 1)
    assert second.remedy == "Wait until that statement is over, or end it."


def test_a_warning_names_some_blockers_and_counts_the_rest() -> None:
    (found,) = advice.findings([blocker(pid=pid) for pid in range(1, 6)])
    assert found.count == 5
    assert found.message.endswith("; and 2 more")


@pytest.mark.parametrize("kind", Kind)
def test_there_is_advice_for_every_kind(kind: Kind) -> None:
    (found,) = advice.findings([blocker(kind=kind, state="active")])
    assert found.remedy


@pytest.mark.parametrize(
    ("text", "role", "age"),
    [
        ("10m", None, 600),
        ("10min", None, 600),
        ("1.5h", None, 5400),
        ("250ms", None, 0.25),
        ("2 d", None, 172_800),
        ("app", "app", None),
        ('"10m"', "10m", None),
        ('"a ""b"" c"', 'a "b" c', None),
        ("reports_2024", "reports_2024", None),
    ],
)
def test_who_may_be_terminated_is_a_role_or_an_age(
    text: str, role: str | None, age: float | None
) -> None:
    assert ending.parse(text) == ending.Allowed(role=role, age=age)


@pytest.mark.parametrize("text", ["", "600", "1.5"])
def test_what_is_neither_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError, match="neither a role nor an age") as caught:
        ending.parse(text)
    assert caught.value.exit_code is ExitCode.USAGE
    assert str(caught.value).startswith("--terminate-blockers")


@pytest.mark.parametrize(
    ("text", "means"),
    [("app", True), ("App", False), ("12m", True), ("13m", False)],
)
def test_a_role_and_an_age_name_whom_they_say(text: str, means: bool) -> None:
    assert ending.parse(text).names(blocker()) is means


def test_a_role_does_not_name_a_transaction_that_has_just_begun() -> None:
    assert not ending.parse("app").names(blocker(age_seconds=0.5))
    assert ending.parse("app").names(blocker(age_seconds=None))


def test_an_age_does_not_name_what_it_does_not_know() -> None:
    assert not ending.parse("1s").names(blocker(age_seconds=None))
