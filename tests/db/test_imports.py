"""What a command does not need it does not load: starting up is most of what a question costs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

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
