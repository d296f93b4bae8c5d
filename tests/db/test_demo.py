"""The demo: its whole story, played as a user plays it."""

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from migsafe.errors import ExitCode

DRAFTS = "20251119024521_make_draft_fields_nullable"


@pytest.fixture(scope="module")
def temporary() -> Iterator[Path]:
    """Make a directory for what the demo makes; the embedded server runs as another user."""
    with tempfile.TemporaryDirectory(prefix="demo-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture(scope="module")
def screens(temporary: Path) -> str:
    """Play the demo once and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "migsafe", "demo", "--keep", temporary / "kept"],
        env=os.environ | {"TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ExitCode.OK, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def reports(screens: str, temporary: Path) -> list[dict[str, Any]]:
    """Return the reports of the story, in its order."""
    assert screens
    kept = sorted((temporary / "kept" / ".migsafe" / "reports").glob("*.json"))
    return [json.loads(path.read_text("utf-8")) for path in kept]


def test_every_command_of_the_story_ends_as_it_is_told(reports: list[dict[str, Any]]) -> None:
    assert [(report["command"], report["exit_code"]) for report in reports] == [
        ("apply", ExitCode.OK),
        ("apply", ExitCode.FINDINGS),
        ("apply", ExitCode.OK),
        ("apply", ExitCode.UNMANAGED),
        ("apply", ExitCode.OK),
    ]


def test_the_schema_without_a_record_is_one_migration_behind(
    reports: list[dict[str, Any]],
) -> None:
    found = reports[3]["baseline"]
    assert found["exact"]
    assert len(found["in_effect"]) == 33
    assert found["pending"] == [DRAFTS]
    against = found["verdicts"][-1]["absent"]
    assert [fact["fact"] for fact in against] == [
        f"column public.clinical_notes.{column} nullable"
        for column in ("appointmentId", "sessionDate", "dueDate")
    ]


def test_what_was_in_effect_is_recorded_and_the_rest_is_applied(
    reports: list[dict[str, Any]],
) -> None:
    last = reports[-1]
    assert last["baseline"]["written"] == last["baseline"]["in_effect"]
    assert [(step["migration"], step["outcome"]) for step in last["steps"]] == [(DRAFTS, "done")]
    columns = last["verification"]["columns"][:3]
    assert [(c["column"], c["found"]) for c in columns] == [
        ("appointmentId", "YES"),
        ("sessionDate", "YES"),
        ("dueDate", "YES"),
    ]


def test_the_alembic_history_makes_the_same_clinic(screens: str, temporary: Path) -> None:
    assert screens.count("509 facts as expected") == 3
    (path,) = (temporary / "kept" / "alembic" / ".migsafe" / "reports").glob("*.json")
    last = json.loads(path.read_text("utf-8"))
    assert last["history"]["kind"] == "alembic"
    assert len(last["steps"]) == 14
    assert {step["outcome"] for step in last["steps"]} == {"done"}


def test_every_screen_fits_80_columns(screens: str) -> None:
    wide = [line for line in screens.splitlines() if len(line) > 80]
    # A command or a path to be copied stays in one line.
    kept = ("The way back: ", "prisma/migrations/", "alembic/migrations/")
    assert [line for line in wide if not line.strip().startswith(kept)] == []


def test_nothing_but_what_is_kept_is_left(screens: str, temporary: Path) -> None:
    assert screens
    assert [path.name for path in temporary.iterdir()] == ["kept"]


def test_the_config_that_is_kept_names_both_databases(screens: str, temporary: Path) -> None:
    assert screens
    config = tomllib.loads((temporary / "kept" / "migsafe.toml").read_text("utf-8"))
    assert set(config["env"]) == {"clinic", "restored"}
