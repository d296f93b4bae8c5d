"""Plans: which migrations run, how each runs, and what is refused before anything has run."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from migsafe import planning
from migsafe.errors import ExitCode, UsageError
from migsafe.histories import Migration, Standing, State

PATH = Path("migrations")


def migration(
    name: str, text: str = "SELECT 1;", *, transaction: bool = True, problem: str | None = None
) -> Migration:
    return Migration(
        name=name,
        path=PATH / name / "migration.sql",
        text=text,
        checksum="",
        transaction=transaction,
        problem=problem,
    )


def standing(
    *pending: Migration, applied: Sequence[str] = (), failed: Sequence[str] = ()
) -> Standing:
    return Standing(
        state=State.FAILED if failed else State.MANAGED,
        applied=applied,
        pending=pending,
        failed=failed,
        missing=[],
        edited=[],
        finished={},
        findings=[],
    )


def names(built: planning.Plan) -> list[str]:
    return [step.migration.name for step in built.steps]


def refusal(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        planning.step(migration("1_a", text))
    assert caught.value.exit_code is ExitCode.USAGE
    return str(caught.value)


@pytest.mark.parametrize(
    ("to", "steps"),
    [
        (None, ["2_b", "3_c", "4_d"]),
        ("2_b", ["2_b"]),
        ("3_c", ["2_b", "3_c"]),
        ("4_d", ["2_b", "3_c", "4_d"]),
        ("1_a", []),
    ],
)
def test_a_plan_goes_up_to_and_including_the_wanted_migration(
    to: str | None, steps: list[str]
) -> None:
    pending = [migration(name) for name in ("2_b", "3_c", "4_d")]
    assert names(planning.build(standing(*pending, applied=["1_a"]), to=to)) == steps


def test_a_plan_to_a_failed_migration_has_no_step() -> None:
    assert names(planning.build(standing(migration("2_b"), failed=["1_a"]), to="1_a")) == []


def test_with_nothing_pending_there_is_nothing_to_do() -> None:
    assert planning.build(standing(applied=["1_a"])) == planning.Plan(steps=(), findings=())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("CREATE TABLE t (a integer);\nINSERT INTO t VALUES (1);", None),
        ("", None),
        ("-- nothing yet", None),
        ("CREATE INDEX i ON t (a);", None),
        ("ALTER TYPE s ADD VALUE 'x';", None),
        ("CREATE INDEX CONCURRENTLY i ON t (a);", "CREATE INDEX CONCURRENTLY (line 1)"),
        ("SELECT 1;\n\nVACUUM t;\nREINDEX SCHEMA s;", "VACUUM (line 3)"),
        ("BEGIN;\nSELECT 1;\nCOMMIT;\nSELECT 2;", "its own BEGIN or COMMIT (line 1)"),
        (
            "SELECT 1;\nALTER TYPE s ADD VALUE 'x';\nUPDATE t SET s = 'x';",
            "a new enum label is used at once (line 2)",
        ),
        (
            "BEGIN;\nALTER TYPE s ADD VALUE 'x';\nUPDATE t SET s = 'x';\nCOMMIT;",
            "a new enum label is used at once (line 2)",
        ),
    ],
)
def test_a_step_says_why_it_cannot_share_a_transaction(text: str, reason: str | None) -> None:
    assert planning.step(migration("1_a", text)).alone == reason


def test_a_file_that_asks_to_run_outside_a_transaction_does() -> None:
    step = planning.step(migration("1_a", "SELECT 1;", transaction=False))
    assert step.alone == "the file asks for it"


def test_a_begin_and_commit_around_a_whole_file_give_way_to_ours() -> None:
    step = planning.step(migration("1_a", "BEGIN;\nSELECT 1;\nSELECT 2;\nCOMMIT;\n"))
    assert [s.text for s in step.statements] == ["SELECT 1", "SELECT 2"]
    assert [(s.index, s.line) for s in step.statements] == [(2, 2), (3, 3)]
    assert step.alone is None


def test_a_begin_and_commit_stay_where_the_file_runs_outside_a_transaction() -> None:
    step = planning.step(migration("1_a", "BEGIN; SELECT 1; COMMIT;", transaction=False))
    assert [s.text for s in step.statements] == ["BEGIN", "SELECT 1", "COMMIT"]


def test_a_begin_with_options_stays_and_runs_alone() -> None:
    step = planning.step(migration("1_a", "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1; COMMIT;"))
    assert len(step.statements) == 3
    assert step.alone == "its own BEGIN or COMMIT (line 1)"


@pytest.mark.parametrize("transaction", [True, False])
def test_a_copy_from_stdin_is_refused_with_its_line(transaction: bool) -> None:
    copying = migration("1_a", "SELECT 1;\nCOPY t FROM STDIN;", transaction=transaction)
    with pytest.raises(UsageError) as caught:
        planning.step(copying)
    assert str(caught.value).startswith(
        f"{PATH / '1_a' / 'migration.sql'}:2: COPY from or to the client"
    )


@pytest.mark.parametrize(
    ("text", "line"), [("BEGIN;\nSELECT 1;", 1), ("SELECT 1;\nBEGIN;\nCOMMIT AND CHAIN;", 3)]
)
def test_a_begin_without_its_commit_is_refused_with_its_line(text: str, line: int) -> None:
    message = refusal(text)
    assert message.startswith(f"{PATH / '1_a' / 'migration.sql'}:{line}: this BEGIN has no COMMIT")


def test_a_syntax_error_is_refused_with_file_line_and_column() -> None:
    assert refusal("-- é\nSELECT 'ö', FROM t;") == (
        f"{PATH / '1_a' / 'migration.sql'}:2:13: "
        'syntax error at or near "FROM"; correct the file; nothing was run'
    )


def test_one_bad_migration_stops_the_whole_plan() -> None:
    with pytest.raises(UsageError, match="2_b"):
        planning.build(standing(migration("1_a"), migration("2_b", "NONSENSE 1;")))


def test_a_bad_migration_after_the_wanted_one_stops_nothing() -> None:
    pending = (migration("1_a"), migration("2_b", "NONSENSE 1;"))
    assert names(planning.build(standing(*pending), to="1_a")) == ["1_a"]


def test_what_keeps_a_pending_file_from_running_is_its_remedy() -> None:
    broken = migration("1_a", problem="line 3 is not UTF-8; save the file as UTF-8")
    with pytest.raises(UsageError) as caught:
        planning.build(standing(broken))
    assert str(caught.value) == (
        f"{broken.path}: cannot be run; line 3 is not UTF-8; save the file as UTF-8"
    )


def test_the_problem_of_a_migration_that_has_run_is_not_asked_about() -> None:
    assert names(planning.build(standing(migration("2_b"), applied=["1_a"]))) == ["2_b"]


def test_hazards_are_found_in_the_steps_with_their_place() -> None:
    pending = (migration("1_a"), migration("2_b", "BEGIN;\nSET search_path = x;\nCOMMIT;"))
    (found,) = planning.build(standing(*pending)).findings
    assert (found.code, found.migration, found.line, found.statement) == ("MS401", "2_b", 2, 2)
    assert found.file == str(PATH / "2_b" / "migration.sql")


def test_hazards_beyond_the_wanted_migration_are_not_reported() -> None:
    pending = (migration("1_a"), migration("2_b", "SET search_path = x;"))
    assert planning.build(standing(*pending), to="1_a").findings == ()
