"""Derived audits from the command line: what stops a run, what is printed, what the config says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migsafe.findings import Finding
from tests.conftest import Called

Conn = psycopg.Connection[Any]
Play = Callable[..., Called]

TABLES = """CREATE TABLE notes (id int PRIMARY KEY, body text, visit int);
CREATE TABLE people (email text PRIMARY KEY, age int);
"""


@pytest.fixture
def play(migsafe: Callable[..., Called], database: str, conn: Conn, workdir: Path) -> Play:
    """Return a function that runs a command while a migration is pending on dirty rows."""
    (workdir / "m").mkdir()
    (workdir / "m" / "V1__tables.sql").write_text(TABLES)
    call = ("--url", database, "--migrations", "m")
    assert migsafe("apply", *call, "--yes").code == 0
    conn.execute("INSERT INTO notes VALUES (1, 'a', 1), (2, 'b', NULL)")
    conn.execute("INSERT INTO people VALUES ('ada@example.org', NULL)")

    def run(command: str, pending: str, *flags: str, json: bool = True) -> Called:
        (workdir / "m" / "V2__pending.sql").write_text(pending)
        form = ("--format", "json") if json else ()
        return migsafe(*command.split(), *call, *form, *flags)

    return run


def derived(called: Called) -> list[Finding]:
    return [finding for finding in called.report.findings if finding.source == "derived"]


REQUIRED = "ALTER TABLE notes ALTER visit SET NOT NULL;\n"


@pytest.mark.parametrize("command", ["audit", "plan", "apply --yes", "apply --dry-run"])
def test_rows_that_offend_stop_a_run_before_anything_changes(
    play: Play, conn: Conn, command: str
) -> None:
    called = play(command, REQUIRED)
    (found,) = derived(called)
    assert (called.code, found.verdict, found.count) == (1, "fail", 1)
    assert [dict(key) for key in found.keys] == [{"id": 2}]
    conn.execute("INSERT INTO notes VALUES (3, 'c', NULL)")


def test_clean_rows_let_it_through_and_the_report_keeps_the_proof(play: Play, conn: Conn) -> None:
    conn.execute("UPDATE notes SET visit = 9 WHERE visit IS NULL")
    called = play("apply --yes", REQUIRED)
    assert called.code == 0, called.out
    assert [f.verdict for f in derived(called)] == ["pass"]


def test_no_derived_leaves_the_server_to_decide(play: Play) -> None:
    assert derived(play("plan", REQUIRED, "--no-derived")) == []
    called = play("apply --yes", REQUIRED, "--no-derived")
    assert (called.code, derived(called)) == (5, [])


def test_a_repair_in_the_same_migration_is_a_warning_that_does_not_stop(play: Play) -> None:
    pending = f"UPDATE notes SET visit = 0 WHERE visit IS NULL;\n{REQUIRED}"
    called = play("apply --yes", pending)
    assert (called.code, [f.verdict for f in derived(called)]) == (0, ["depends"])
    assert derived(called)[0].message.endswith("depends on line 1, which changes these rows first")


def test_a_comment_allows_one_and_the_report_says_why(play: Play) -> None:
    called = play("plan", f"-- migsafe: allow set-not-null filled by hand first\n{REQUIRED}")
    (found,) = derived(called)
    assert (called.code, found.verdict, found.suppressed) == (0, "fail", "filled by hand first")
    printed = play("audit", f"-- migsafe: allow MD101 filled by hand\n{REQUIRED}", json=False)
    assert (printed.code, "allowed   MD101" in printed.out) == (0, True)


def test_hazards_that_only_rows_decide_give_way_to_the_answer(play: Play) -> None:
    pending = "ALTER TABLE notes ADD COLUMN kind text NOT NULL;\n"
    names = [f.name for f in play("plan", pending).report.findings]
    assert names.count("add-column-required-non-empty") == 1
    assert "add-column-required" not in names
    without = [f.name for f in play("plan", pending, "--no-derived").report.findings]
    assert "add-column-required" in without


def test_show_sql_prints_each_question_in_80_columns(play: Play, conn: Conn) -> None:
    pending = f"{REQUIRED}ALTER TABLE notes ADD CHECK (length(body) < 100);\n"
    called = play("audit", pending, "--show-sql", json=False)
    question = 'SELECT t."id" FROM ONLY "public"."notes" AS t WHERE t.visit IS NULL;'
    assert question in " ".join(called.out.split())
    assert "NOT (length(t.body) < 100)" in " ".join(called.out.split())
    assert max(map(len, called.out.splitlines())) <= 80
    assert (
        "## Questions"
        in play("audit", pending, "--show-sql", "--format", "markdown", json=False).out
    )
    conn.execute(question.encode())


def test_fast_gives_a_floor(play: Play, conn: Conn) -> None:
    conn.execute("INSERT INTO notes SELECT n, 'x' FROM generate_series(10, 90) AS n")
    (found,) = derived(play("audit", REQUIRED, "--fast"))
    assert (found.count, found.exact) == (1, False)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("", [True, False]),
        ("show_keys = false", [False, False]),
        ("show_keys = true", [True, True]),
        ('show_keys = ["people"]', [False, True]),
    ],
)
def test_the_config_decides_whose_keys_are_shown(
    play: Play, workdir: Path, said: str, shown: list[bool]
) -> None:
    (workdir / "migsafe.toml").write_text(f"[audits]\n{said}\n")
    called = play("audit", f"{REQUIRED}ALTER TABLE people ALTER age SET NOT NULL;\n")
    assert [bool(f.keys) for f in derived(called)] == shown
    assert ("ada@example.org" in called.out) == shown[1]


def test_a_budget_is_a_size_and_what_is_over_it_is_unknown(play: Play, workdir: Path) -> None:
    (workdir / "migsafe.toml").write_text('[audits]\nbudget = "1kB"\n')
    (found,) = derived(play("audit", REQUIRED))
    assert (found.verdict, found.severity) == ("unknown", "error")
    (workdir / "migsafe.toml").write_text('[audits]\nbudget = "some"\n')
    refused = play("audit", REQUIRED)
    assert (refused.code, "audits.budget" in refused.err) == (2, True)


def test_nothing_pending_asks_nothing(play: Play) -> None:
    called = play("audit", "SELECT 1;\n")
    assert (called.code, called.report.findings) == (0, ())


def test_an_empty_database_has_no_row_that_could_offend(
    migsafe: Callable[..., Called], database: str, workdir: Path
) -> None:
    (workdir / "m").mkdir()
    (workdir / "m" / "V1__t.sql").write_text(f"{TABLES}{REQUIRED}")
    called = migsafe("apply", "--url", database, "--migrations", "m", "--yes", "--format", "json")
    assert (called.code, derived(called)) == (0, [])


def test_a_schema_that_no_record_accounts_for_is_not_called_safe(
    migsafe: Callable[..., Called], database: str, conn: Conn, workdir: Path
) -> None:
    conn.execute("CREATE TABLE notes (id int, visit int)")
    (workdir / "m").mkdir()
    (workdir / "m" / "V1__t.sql").write_text(REQUIRED)
    called = migsafe("audit", "--url", database, "--migrations", "m")
    assert called.code == 7
    assert "nothing was derived from what is pending" in " ".join(called.out.split())
