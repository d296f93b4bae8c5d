"""Rows that no tool writes, in the tables of Prisma and of migsafe, and the rows that they do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migsafe.findings import Finding
from migsafe.histories.migration import sha256
from tests.conftest import Called

Conn = psycopg.Connection[Any]
Call = Callable[..., Called]

SQL = "CREATE TABLE notes (id int);\n"
FIRST, SECOND = "20240101000000_first", "20240102000000_second"


@pytest.fixture
def call(migsafe: Call, database: str, workdir: Path) -> Call:
    """Return a function that runs a command on two Prisma migrations, the first one deployed."""
    for name, text in ((FIRST, SQL), (SECOND, "SELECT 1;\n")):
        (workdir / "prisma" / name).mkdir(parents=True)
        (workdir / "prisma" / name / "migration.sql").write_text(text)

    def run(command: str, *more: object) -> Called:
        arguments = ("--url", database, "--migrations", workdir / "prisma", "--format", "json")
        return migsafe(command, *arguments, *more)

    assert run("apply", "--to", FIRST).code == 0
    return run


def forged(called: Called) -> list[Finding]:
    return [finding for finding in called.report.findings if finding.code == "MH113"]


def codes(called: Called) -> list[str]:
    return [finding.code for finding in called.report.findings]


def insert(conn: Conn, **values: object) -> None:
    """Write a row of the second migration as Prisma does, but for `values`."""
    row = {
        "id": "2f8a1c54-0b7e-4e3c-9d2a-1b2c3d4e5f60",
        "checksum": sha256("SELECT 1;\n"),
        "migration_name": SECOND,
        "started_at": "2026-01-01 00:00:00Z",
        "finished_at": "2026-01-01 00:00:01Z",
        "applied_steps_count": 1,
        **values,
    }
    columns, marks = ", ".join(row), ", ".join(["%s"] * len(row))
    query = f"INSERT INTO _prisma_migrations ({columns}) VALUES ({marks})"
    conn.execute(query, list(row.values()))


def test_what_migsafe_and_prisma_write_is_not_forged(call: Call, conn: Conn) -> None:
    assert codes(call("status")) == []
    assert call("resolve", "--applied", SECOND, "--force").code == 0
    assert codes(call("status")) == []


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"applied_steps_count": 0, "logs": ""},  # resolve --applied
        {"applied_steps_count": 0, "logs": "", "finished_at": "2026-01-01 00:00:00Z"},
        {"logs": "", "applied_steps_count": 3},  # the engines of Prisma 2
        {"rolled_back_at": "2026-01-02Z", "finished_at": None, "applied_steps_count": 0},
        {"checksum": sha256("SELECT 1;\r\n")},
        {"checksum": "".join(f"{b:x}" for b in bytes.fromhex(sha256("SELECT 1;\n")))},
    ],
)
def test_the_rows_that_prisma_writes_are_not_forged(
    call: Call, conn: Conn, values: dict[str, object]
) -> None:
    insert(conn, **values)
    assert codes(call("status")) == []


@pytest.mark.parametrize(
    ("values", "severity", "reason"),
    [
        ({"id": "manual-2"}, "warning", "id is no UUID"),
        ({"checksum": "bogus"}, "warning", "checksum is none that"),
        ({"checksum": ""}, "warning", "checksum is none that"),
        ({"checksum": "A" * 64}, "warning", "checksum is none that"),
        ({"id": "manual-2", "checksum": "bogus"}, "error", "checksum is none that"),
        ({"id": "manual-2", "checksum": "0" * 64}, "error", "that of no form of the file"),
        ({"finished_at": "2025-12-31Z"}, "warning", "finished before it started"),
        ({"rolled_back_at": "2026-01-02Z"}, "warning", "finished and rolled back"),
        ({"applied_steps_count": 0}, "warning", "without the step"),
        ({"migration_name": FIRST, "checksum": sha256(SQL)}, "warning", "another row"),
    ],
)
def test_a_row_that_no_tool_writes_is_found_once(
    call: Call, conn: Conn, values: dict[str, object], severity: str, reason: str
) -> None:
    insert(conn, **values)
    for command in ("status", "verify", "plan", "apply"):
        called = call(command, "--gate", "never")
        (found,) = forged(called)
        assert (found.severity, found.name) == (severity, "ledger-row-forged")
        assert reason in found.message
        assert "MH106" not in codes(called)
    assert call("status").code == (1 if severity == "error" else 0)


def test_an_edited_file_is_no_forged_row(call: Call, conn: Conn) -> None:
    insert(conn, checksum="0" * 64)
    assert codes(call("status")) == ["MH106"]


@pytest.mark.parametrize("file", ["001_first.sql", "V1__first.sql"])
def test_a_sum_that_is_none_in_our_own_table_stops_an_apply(
    migsafe: Call, database: str, conn: Conn, workdir: Path, file: str
) -> None:
    (workdir / "sql").mkdir()
    (workdir / "sql" / file).write_text(SQL)
    arguments = ("--url", database, "--migrations", workdir / "sql", "--format", "json")
    assert migsafe("apply", *arguments).code == 0
    assert codes(migsafe("status", *arguments)) == []
    conn.execute("UPDATE migsafe.migrations SET checksum = 'x'")
    called = migsafe("status", *arguments)
    assert [(f.code, f.severity) for f in called.report.findings] == [("MH113", "error")]
    assert called.code == 1
