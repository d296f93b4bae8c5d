"""The driver of Alembic on environments that do what few do."""

import os
import time
from pathlib import Path

import psycopg
import pytest

from migsafe import histories
from migsafe.config import HistoryConfig
from migsafe.histories import driver
from migsafe.histories.alembic import AlembicDirectory
from tests.db import alembic_projects as projects
from tests.db.alembic_projects import Driver, Start, named, revision
from tests.db.test_alembic_driver import TWO, Conn, start, values

__all__ = ["start"]


def test_a_version_table_that_the_search_path_finds_further_on_is_the_one(
    start: Start, conn: Conn, database: str
) -> None:
    conn.execute("CREATE TABLE alembic_version (version_num text)")
    conn.execute("INSERT INTO alembic_version VALUES ('a')")
    conn.execute("CREATE SCHEMA app")
    session = ["SET search_path = app, public"]
    (context,) = start(TWO, session=session).discover()["contexts"]
    assert context["current"] == ["a"]
    assert (context["table"], context["schema"]) == ("public.alembic_version", "public")


def test_what_is_not_left_behind_is_sent_again(start: Start, conn: Conn) -> None:
    conn.execute("CREATE SCHEMA other; CREATE TABLE other.t (a int)")
    body = """
    with op.get_context().autocommit_block():
        op.execute("SET search_path = other, public")
        op.execute("INSERT INTO t VALUES (1)")
        op.execute("-- the rest\\n/* of it */ SET lock_timeout = '7s'")
        op.execute("INSERT INTO t VALUES (2)")
        op.execute("INSERT INTO t SELECT 7 WHERE current_setting('lock_timeout') = '7s'")
    """
    events = start({"a": revision("a", body)}).upgrade("a", done={"a": [2]})
    assert named(events, "committed")
    assert values(conn, "SELECT a FROM other.t ORDER BY 1") == [2, 7]


def test_nothing_is_connected_to_before_it_is_said_where(start: Start, database: str) -> None:
    place = psycopg.conninfo.conninfo_to_dict(database)
    made = f"sa.create_engine('postgresql+psycopg://', connect_args={place!r}).connect()"
    text = revision("a", "pass") + f"\n{made}\n"
    driver = start({"a": text}, redirect=None)
    driver.send({"do": "discover", "connect": False})
    found = driver.read()
    assert found["event"] == "error"
    assert "before" in found["message"]


def test_a_commit_elsewhere_is_not_that_of_the_revision(start: Start, conn: Conn) -> None:
    env = """
from alembic import context
from sqlalchemy import create_engine

engine = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/elsewhere")

def told(**_):
    with engine.begin() as other:
        other.exec_driver_sql("SELECT 1")

with engine.connect() as connection:
    outer = connection.begin()
    context.configure(connection=connection, on_version_apply=told)
    with context.begin_transaction():
        context.run_migrations()
    outer.rollback()
"""
    events = start(TWO, env).upgrade("a", "b")
    assert named(events, "committed") == []
    assert "never committed" in named(events, "failed")[0]["message"]
    assert values(conn, "SELECT to_regclass('one')") == [None]


def test_another_database_than_that_of_the_revisions_is_only_read(start: Start, conn: Conn) -> None:
    body = """
    with sa.create_engine("postgresql+psycopg://nobody@127.0.0.1:1/analytics").begin() as other:
        other.exec_driver_sql("CREATE TABLE strayed (id int)")
    """
    (failed,) = named(start({"a": revision("a", body)}).upgrade("a"), "failed")
    assert failed["sqlstate"] == "25006"
    assert values(conn, "SELECT to_regclass('strayed')") == [None]


def test_an_env_py_that_waits_does_not_outlive_the_parent(
    tmp_path: Path, database: str, conn: Conn
) -> None:
    env = projects.ENV.replace(
        "    with context", "    import time; time.sleep(600)\n    with context"
    )
    driver = Driver(projects.write(tmp_path, TWO, env=env), database)
    driver.send({"do": "upgrade", "revisions": ["a"]})
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    while values(conn, query) == [1]:
        time.sleep(0.05)
    driver.close()
    assert driver.process.returncode != 0


def test_an_env_py_that_goes_elsewhere_may_run_again(start: Start, conn: Conn) -> None:
    driver = start(TWO, 'import os\nos.chdir("/")\n' + projects.ENV)
    assert driver.discover()["event"] == "discovered"
    assert named(driver.upgrade("a", "b"), "committed")
    assert values(conn, "SELECT version_num FROM alembic_version") == ["b"]


def test_what_env_py_says_of_an_answer_is_withheld(start: Start, database: str) -> None:
    asks = "    name = connection.exec_driver_sql(\"SELECT 'hunter2'\").scalar()\n"
    env = projects.ENV.replace("    context.c", asks + "    raise LookupError(name)\n    context.c")
    found = start(TWO, env).discover()
    assert (found["event"], found["kind"]) == ("error", "LookupError")
    assert (found["message"], found["withheld"]) == ("", True)


def test_reading_that_was_begun_is_what_load_waits_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[driver.Driver] = []
    begin = driver.start

    def start_one(project: driver.Project) -> driver.Driver:
        started.append(begin(project))
        return started[-1]

    monkeypatch.setattr(driver, "start", start_one)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        projects.write(tmp_path / name, TWO)
    one, two = (tmp_path / name / "migrations" for name in ("one", "two"))

    histories.begin(one, HistoryConfig())
    histories.begin(two, HistoryConfig())  # nobody wants the first one any more
    assert started[0].process.poll() == 0
    for path, first in ((two, started[1]), (one, None)):
        directory = histories.load(path, HistoryConfig())
        assert isinstance(directory, AlembicDirectory)
        assert len(directory.migrations) == len(TWO)
        assert first is None or directory.first == [first]
        directory.close()
    assert len(started) == 3
    assert all(each.process.poll() == 0 for each in started)


@pytest.mark.parametrize("age", [0, 10])
def test_no_bytecode_is_kept_of_files_that_may_change_in_the_same_second(
    start: Start, tmp_path: Path, age: int
) -> None:
    driver = start(TWO)
    driver.close()
    for file in tmp_path.rglob("*.py"):
        os.utime(file, (time.time() - age,) * 2)
    driver = Driver(tmp_path / "alembic.ini", None)
    driver.send({"do": "discover", "connect": False})
    assert driver.read()["event"] == "discovered"
    driver.close()
    assert bool(list(tmp_path.rglob("*.pyc"))) is bool(age)


def test_nothing_is_begun_for_a_directory_that_is_read_as_sql(tmp_path: Path) -> None:
    """It has no alembic.ini, which is no error where nobody asks Alembic."""
    (tmp_path / "versions").mkdir()
    for name in ("env.py", "001_one.sql"):
        (tmp_path / name).touch()
    histories.begin(tmp_path, HistoryConfig(kind="sql"))
    assert histories.load(tmp_path, HistoryConfig(kind="sql")).kind == "sql"


def test_a_link_that_leads_nowhere_is_no_revision(tmp_path: Path) -> None:
    """Editors leave such links beside a file that is open."""
    config = projects.write(tmp_path, TWO)
    (config.parent / "migrations" / "versions" / ".#a.py").symlink_to("nowhere")
    driver = Driver(config, None)
    driver.send({"do": "discover", "connect": False})
    assert driver.read()["event"] == "discovered"
    driver.close()
