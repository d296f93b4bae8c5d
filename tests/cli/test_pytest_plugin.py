"""The pytest plugin, in suites of other projects that pytest itself runs."""

import subprocess
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

CONFIG = """
[history]
path = "db"
{more}
"""
FIRST = "CREATE TABLE notes (id int PRIMARY KEY, body text);\n"
UNSAFE = "CREATE INDEX by_body ON notes (body);\nALTER TABLE notes DROP COLUMN body;\n"
SUITE = """
import psycopg

def rows(url, query):
    with psycopg.connect(url) as conn:
        return conn.execute(query).fetchall()

def test_writes(migsafe_database):
    assert rows(migsafe_database, "INSERT INTO notes VALUES (1, 'a') RETURNING id") == [(1,)]

def test_sees_nothing_of_it(migsafe_database):
    assert rows(migsafe_database, "SELECT * FROM notes") == []
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> Path:
    (pytester.path / "db").mkdir()
    (pytester.path / "db" / "V1__notes.sql").write_text(FIRST)
    (pytester.path / "migsafe.toml").write_text(CONFIG.format(more='[gate]\nseverity = "warning"'))
    return pytester.path


def git(*arguments: str) -> None:
    call = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments]
    subprocess.run(call, check=True, capture_output=True)


def test_each_test_gets_a_migrated_database_of_its_own(
    project: Path, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(SUITE)

    result = pytester.runpytest("-p", "no:cacheprovider")

    result.assert_outcomes(passed=2)
    assert not list(project.glob(".migsafe/reports/*.json"))


def test_migrations_that_fail_are_shown_instead_of_a_database(
    project: Path, pytester: pytest.Pytester
) -> None:
    (project / "db" / "V2__wrong.sql").write_text("ALTER TABLE nothing ADD COLUMN a int;\n")
    pytester.makepyfile(SUITE)

    result = pytester.runpytest("-p", "no:cacheprovider")

    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*nothing*"])


def test_a_server_that_does_not_answer_is_one_line_without_its_password(
    project: Path, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(SUITE)
    server = "migsafe_server=postgresql://nobody:s3cretword@localhost:1/x"

    result = pytester.runpytest("-p", "no:cacheprovider", "--showlocals", "-o", server)

    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["localhost:1/x: *"])
    assert "s3cretword" not in result.stdout.str()


def test_hazards_of_a_branch_fail_the_suite(project: Path, pytester: pytest.Pytester) -> None:
    for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "first")):
        git(*command)
    call = ("-p", "no:cacheprovider", "--migsafe-since", "HEAD")
    assert pytester.runpytest_subprocess(*call).parseoutcomes() == {"passed": 1}
    (project / "db" / "V2__index.sql").write_text(UNSAFE)

    result = pytester.runpytest_subprocess(*call)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*migrations-since?HEAD?*", "*drop-column*"])


def test_what_the_plan_refuses_on_an_environment_fails_the_suite(
    project: Path, pytester: pytest.Pytester, database: str
) -> None:
    more = f'[env.production]\nurl = "{database}"'
    (project / "migsafe.toml").write_text(CONFIG.format(more=more))
    call = ("-p", "no:cacheprovider", "--migsafe-env", "production")
    assert pytester.runpytest(*call).parseoutcomes() == {"passed": 1}
    (project / "db" / "V2__wrong.sql").write_text("ALTER TABLE nothing ADD COLUMN a int;\n")

    result = pytester.runpytest(*call)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*nothing*"])


@pytest.mark.parametrize("chosen", [("-k", "nothing"), ("-m", "nothing")])
def test_what_the_suite_leaves_out_leaves_the_migrations_in(
    project: Path, pytester: pytest.Pytester, chosen: tuple[str, str]
) -> None:
    pytester.makepyfile("def test_other(): pass")

    result = pytester.runpytest("-p", "no:cacheprovider", "--migsafe-since", "HEAD", *chosen)

    result.assert_outcomes(failed=1, deselected=1)  # there is no repository


@pytest.mark.parametrize("flag", ["--migsafe-since", "--migsafe-env"])
def test_an_empty_variable_asks_for_a_check_all_the_same(
    project: Path, pytester: pytest.Pytester, flag: str
) -> None:
    pytester.makepyfile("def test_other(): pass")

    result = pytester.runpytest("-p", "no:cacheprovider", f"{flag}=")

    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_a_wrong_config_is_one_line(project: Path, pytester: pytest.Pytester) -> None:
    (project / "migsafe.toml").write_text("[histroy]\n")

    result = pytester.runpytest("-p", "no:cacheprovider", "--migsafe-since", "HEAD")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*migsafe.toml: histroy: unknown key*"])
