"""Lint of Alembic revisions: their SQL is known once they have run on the shadow."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Called
from tests.db.alembic_projects import revision, write

Run = Callable[..., Called]

FIRST = 'op.create_table("people", sa.Column("id", sa.Integer), sa.Column("email", sa.Text))'
LOCKS = 'op.execute("SELECT 1")\nop.create_index("by_email", "people", ["email"])'
LINE = 'op.create_index("by_email"'


@pytest.fixture
def project(workdir: Path) -> Path:
    write(workdir, {"a1": revision("a1", FIRST), "a2": revision("a2", LOCKS, "a1")})
    return workdir / "migrations"


def lint(migsafe: Run, *arguments: object) -> Called:
    return migsafe("lint", "--migrations", "migrations", "--format", "json", *arguments)


def test_hazards_stand_where_the_operation_is_written(project: Path, migsafe: Run) -> None:
    called = lint(migsafe)

    [found] = [one for one in called.report.findings if one.name == "create-index-not-concurrent"]
    assert found.migration == "a2"
    assert found.file is not None
    written = Path(found.file).read_text().splitlines()
    assert LINE in written[(found.line or 0) - 1]


def test_pending_revisions_are_weighed_by_the_live_tables(
    project: Path, migsafe: Run, database: str
) -> None:
    assert migsafe("apply", "--migrations", "migrations", "--url", database, "--to", "a1").code == 0

    called = lint(migsafe, "--url", database)

    assert {one.migration for one in called.report.findings} == {"a2"}
    assert "create-index-not-concurrent" in {one.name for one in called.report.findings}


def test_what_a_branch_changes_is_linted(project: Path, migsafe: Run) -> None:
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org")
    for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "first")):
        subprocess.run([*git, *command], check=True)
    assert lint(migsafe, "--changed-since", "HEAD").report.findings == ()
    text = revision("a3", 'op.drop_column("people", "email")', "a2")
    (project / "versions" / "a3.py").write_text(text)

    called = lint(migsafe, "--changed-since", "HEAD")

    assert {one.migration for one in called.report.findings} == {"a3"}
    assert any("after 2 earlier ones" in note for note in called.report.notes)


def test_a_revision_that_does_not_run_on_the_shadow_is_no_clean_one(
    project: Path, migsafe: Run
) -> None:
    text = revision("a3", 'op.drop_table("nothing")', "a2")
    (project / "versions" / "a3.py").write_text(text)

    called = lint(migsafe)

    assert called.code == 1
    assert [(one.code, one.migration) for one in called.report.findings if one.code == "MH126"] == [
        ("MH126", "a3")
    ]


def test_revisions_are_not_fixed_and_not_read_as_sql(project: Path, migsafe: Run) -> None:
    before = {path: path.read_bytes() for path in project.rglob("*.py")}

    assert lint(migsafe, "--fix", "--write").code == 2
    assert migsafe("lint", project / "versions" / "a2.py").code == 2
    assert lint(migsafe, "--shadow", "none").code == 2

    assert {path: path.read_bytes() for path in project.rglob("*.py")} == before
