"""What a command does not need it does not load: starting up is most of what a question costs."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Called

#: The cloud, the other tool and the parser: slow to load, and no question to a history needs them.
HEAVY = {"boto3", "botocore", "alembic", "sqlalchemy", "pglast"}


def loaded(*arguments: str) -> set[str]:
    """Return every module that a Python process imports, at any depth."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(re.findall(r"^import time:.*\|\s*([\w.]+)$", done.stderr, re.MULTILINE))


def test_the_list_of_loaded_modules_is_not_empty() -> None:
    assert {"pglast", "migsafe.sql"} <= loaded("-c", "import migsafe.sql")


@pytest.mark.parametrize("flags", [["--help"], ["--version"], ["apply", "--help"]])
def test_help_loads_no_driver_either(flags: list[str]) -> None:
    modules = loaded("-m", "migsafe", *flags)
    assert "migsafe.cli.commands" in modules
    assert not modules & (HEAVY | {"psycopg"})


def test_a_question_to_a_history_loads_the_driver_and_nothing_else_that_is_heavy() -> None:
    modules = loaded("-c", "from migsafe import pipeline; pipeline.status")
    assert {"migsafe.pipeline", "psycopg"} <= modules
    assert not modules & HEAVY


@pytest.fixture
def deployed(migsafe: Callable[..., Called], database: str, workdir: Path) -> tuple[str, ...]:
    """Arguments of a target on which the one migration of a directory is applied."""
    (workdir / "db").mkdir()
    (workdir / "db" / "1_notes.sql").write_text("CREATE TABLE notes (id bigint PRIMARY KEY);")
    where = ("--url", database, "--migrations", "db")
    assert migsafe("apply", *where).code == 0
    return where


def test_a_gate_that_believes_the_record_loads_the_driver_and_nothing_else_that_is_heavy(
    deployed: tuple[str, ...],
) -> None:
    modules = loaded("-m", "migsafe", "gate", *deployed, "--shadow", "none", "--", "true")
    assert {"migsafe.verifying", "psycopg"} <= modules
    unused = {"migsafe.planning", "migsafe.replay", "migsafe.shadow", "migsafe.runner", "tabulate"}
    assert not modules & (HEAVY | unused)


def test_a_gate_whose_replay_is_kept_loads_neither_hazards_nor_what_runs_migrations(
    deployed: tuple[str, ...],
) -> None:
    gate = ("-m", "migsafe", "gate", *deployed, "--", "true")
    assert "migsafe.shadow.servers" in loaded(*gate)
    modules = loaded(*gate)
    assert "migsafe.replay" in modules
    unused = {"migsafe.planning", "migsafe.hazards", "migsafe.sql", "migsafe.runner", "tabulate"}
    assert not modules & ((HEAVY | unused) - {"pglast"})


@pytest.mark.parametrize("name", ["1_notes.sql", "1_notes/migration.sql"])
@pytest.mark.parametrize("format", ["text", "json", "sarif", "github"])
def test_linting_a_file_loads_the_parser_and_nothing_else_that_is_heavy(
    tmp_path: Path, name: str, format: str
) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("CREATE TABLE notes (id bigint PRIMARY KEY);", "utf-8")
    modules = loaded("-m", "migsafe", "lint", "--format", format, str(file))
    assert {"pglast", "migsafe.hazards.locks", "migsafe.reports"} <= modules
    assert not modules & ((HEAVY | {"psycopg", "migsafe.target"}) - {"pglast"})
