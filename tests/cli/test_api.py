"""The functions of the library, and the page that shows them."""

import re
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migsafe import api
from migsafe.errors import UsageError

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "python.md"
LIBRARY, SUITE = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


@pytest.fixture
def migrations(workdir: Path) -> str:
    folder = workdir / "db" / "migrations"
    folder.mkdir(parents=True)
    (folder / "V1__notes.sql").write_text("CREATE TABLE notes (id int, body text);\n")
    (folder / "V2__body.sql").write_text("ALTER TABLE notes ALTER COLUMN body SET NOT NULL;\n")
    return "db/migrations"


def test_a_release_goes_through_the_library(database: str, migrations: str) -> None:
    where = api.Where(url=database, migrations=migrations)
    assert [one.name for one in api.lint(migrations=migrations).findings if one.code == "MS211"]
    before = api.status(**where).history
    assert before is not None
    assert (before.state, len(before.pending)) == ("empty", 2)
    assert api.audit(**where).ok
    assert [step.migration for step in api.plan(to="V1__notes", **where).plan] == ["V1__notes"]
    assert [step.outcome for step in api.apply(**where).steps] == ["done", "done"]
    assert api.verify(**where).ok
    after = api.status(**where).history
    assert after is not None
    assert (after.state, after.pending) == ("managed", ())


def test_what_is_found_is_a_report_and_what_cannot_be_served_an_error(
    database: str, migrations: str
) -> None:
    Path(migrations, "V3__wrong.sql").write_text("ALTER TABLE nothing ADD COLUMN a int;\n")
    refused = api.plan(url=database, migrations=migrations)
    assert (refused.ok, refused.exit_code) == (False, 1)

    with pytest.raises(UsageError, match="no such directory"):
        api.plan(url=database, migrations="elsewhere")


@pytest.mark.parametrize("wrong", [{"gate": "Error"}, {"gate": ""}, {"history": "django"}])
def test_a_word_that_is_none_stops_before_anything_runs(
    database: str, migrations: str, wrong: dict[str, Any]
) -> None:
    expected = Path(migrations).parents[1] / "audits" / "expectations.toml"
    expected.parent.mkdir()
    expected.write_text('[[column]]\ntable = "notes"\ncolumn = "body"\nnullable = true\n')

    with pytest.raises(UsageError, match="is unknown"):
        api.apply(**{"url": database, "migrations": migrations, **wrong})

    with psycopg.connect(database) as conn:
        assert conn.execute("SELECT to_regclass('notes')").fetchone() == (None,)


def test_the_page_shows_a_program_that_runs(
    database: str,
    migrations: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    api.apply(url=database, migrations=migrations, to="V1__notes")
    with psycopg.connect(database) as conn:
        conn.execute("INSERT INTO notes VALUES (1, NULL)")
    monkeypatch.setenv("DATABASE_URL", database)

    exec(LIBRARY, {})

    assert "error MD" in capsys.readouterr().out


def test_the_page_shows_a_suite_that_passes(pytester: pytest.Pytester) -> None:
    (pytester.path / "db").mkdir()
    (pytester.path / "db" / "V1__notes.sql").write_text("CREATE TABLE notes (id int);\n")
    (pytester.path / "migsafe.toml").write_text('[history]\npath = "db"\n')
    pytester.makepyfile(SUITE)

    pytester.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=1)
