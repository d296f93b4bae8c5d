"""The driver of Alembic, run as the process that it is, on environments as projects have them."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.db import alembic_projects as projects
from tests.db.alembic_projects import Driver, named, revision

Conn = psycopg.Connection[tuple[Any, ...]]
Start = Callable[..., Driver]

TWO = {
    "a": revision("a", "op.create_table('one', sa.Column('id', sa.Integer, primary_key=True))"),
    "b": revision("b", "op.add_column('one', sa.Column('two', sa.Text))", "a"),
}


@pytest.fixture
def start(tmp_path: Path, database: str) -> Iterator[Start]:
    """Return a function that writes a project and starts a driver on it."""
    drivers: list[Driver] = []

    def started(
        revisions: dict[str, str], env: str = projects.ENV, ini: str = projects.INI, **first: object
    ) -> Driver:
        config = projects.write(tmp_path, revisions, env=env, ini=ini)
        drivers.append(Driver(config, database, **first))
        return drivers[-1]

    yield started
    for driver in drivers:
        driver.close()


def values(conn: Conn, query: str) -> list[Any]:
    return [row[0] for row in conn.execute(query.encode())]


def test_the_files_and_the_database_are_told_and_nothing_is_written(
    start: Start, conn: Conn
) -> None:
    found = start(TWO).discover()
    assert found["order"] == ["a", "b"]
    assert found["heads"] == ["b"]
    assert [one["down"] for one in found["revisions"]] == [["a"], []]
    (context,) = found["contexts"]
    assert (context["version_table"], context["current"]) == ("alembic_version", [])
    assert not context["table_exists"]
    assert context["database"] == conn.info.dbname
    assert context["asked"] == {"host": "127.0.0.1", "port": "1", "dbname": "elsewhere"}
    assert (
        values(conn, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        == []
    )


def test_each_revision_is_committed_with_its_receipt_before_the_next(
    start: Start, conn: Conn
) -> None:
    conn.execute("CREATE TABLE receipts (revision text)")
    driver = start(TWO)
    inside = {name: [f"INSERT INTO receipts VALUES ('{name} 100%')"] for name in TWO}
    driver.send({"do": "upgrade", "revisions": ["a", "b"], "inside": inside})
    first = driver.until("committed")
    assert [event["event"] for event in first] == ["began", "statement", "committed"]
    assert values(conn, "SELECT revision FROM receipts") == ["a 100%"]
    assert values(conn, "SELECT version_num FROM alembic_version") == ["a"]
    driver.send({"go": True})
    assert [event["event"] for event in driver.until("end")][-2:] == ["committed", "end"]
    assert values(conn, "SELECT version_num FROM alembic_version") == ["b"]
    assert driver.close() == (0, "")


def test_no_further_revision_begins_without_the_word(start: Start, conn: Conn) -> None:
    events = start(TWO).upgrade("a", "b", go=False)
    assert [event["event"] for event in events] == ["began", "statement", "committed", "end"]
    assert values(conn, "SELECT version_num FROM alembic_version") == ["a"]


def test_a_statement_has_its_text_with_literals_and_its_line(start: Start, tmp_path: Path) -> None:
    body = """
    op.execute("CREATE TABLE t (a text, b int)")
    op.execute(sa.text("INSERT INTO t VALUES (:a, :b)").bindparams(a="it's 100%", b=1))
    op.execute("UPDATE t SET a = a WHERE a LIKE '%it%'")
    """
    events = named(start({"a": revision("a", body)}).upgrade("a"), "statement")
    assert [event["index"] for event in events] == [1, 2, 3]
    assert events[1]["sql"] == "INSERT INTO t VALUES ('it''s 100%'::VARCHAR, 1::INTEGER)"
    assert events[2]["sql"] == "UPDATE t SET a = a WHERE a LIKE '%it%'"
    file = tmp_path / "migrations" / "versions" / "a.py"
    assert {event["file"] for event in events} == {str(file)}
    lines = file.read_text().splitlines()
    verbs = [lines[event["line"] - 1].split('"')[1].split()[0] for event in events]
    assert verbs == ["CREATE", "INSERT", "UPDATE"]


def test_a_failed_revision_leaves_nothing_and_says_where(start: Start, conn: Conn) -> None:
    bad = revision("b", 'op.execute("CREATE TABLE t ()")\nop.execute("SELECT 1/0")', "a")
    events = start({**TWO, "b": bad}).upgrade("a", "b")
    (failed,) = named(events, "failed")
    assert (failed["revision"], failed["index"], failed["sqlstate"]) == ("b", 2, "22012")
    assert not failed["committed_before"]
    assert not failed["commit_lost"]
    assert failed["file"].endswith("b.py")
    assert events[-1]["event"] == "end"
    assert values(conn, "SELECT version_num FROM alembic_version") == ["a"]
    assert values(conn, "SELECT to_regclass('t')") == [None]


@pytest.mark.parametrize(
    ("body", "sqlstate"),
    [
        ("op.execute(\"SELECT 'hunter2'::int\")", "22P02"),
        ("op.execute(\"DO $$ BEGIN RAISE 'hunter2'; END $$\")", "P0001"),
        ("op.execute(\"SELECT ('hunt' || 'er2')::regclass\")", "42P01"),
        ("op.execute(\"DO $$ BEGIN EXECUTE 'CREATE SEQUENCE hunt' || 'er2'; END $$\")\n"
         "op.execute(\"SELECT currval('hunt' || 'er2')\")", "55000"),
        ("row = op.get_bind().execute(sa.text(\"SELECT 'hunt' || 'er2'\")).scalar()\n"
         "raise ValueError(row)", None),
        ("op.execute(\"CREATE TABLE t (a text UNIQUE)\")\n"
         "op.execute(\"INSERT INTO t VALUES ('hunter2'), ('hunter2')\")", "23505"),
    ],
)  # fmt: skip
def test_no_value_is_in_what_is_said_of_a_failure(
    start: Start, body: str, sqlstate: str | None
) -> None:
    (failed,) = named(start({"a": revision("a", body)}).upgrade("a"), "failed")
    assert failed.get("sqlstate") == sqlstate
    assert "hunter2" not in str(failed)


CONCURRENTLY = """
op.execute("CREATE TABLE t (a int)")
with op.get_context().autocommit_block():
    op.execute("CREATE INDEX CONCURRENTLY i ON t (a)")
    op.execute("INSERT INTO t VALUES (1)")
"""


def test_an_autocommit_block_is_told_and_each_of_its_statements_has_a_receipt(
    start: Start, conn: Conn
) -> None:
    conn.execute("CREATE TABLE receipts (index int)")
    statement = "INSERT INTO receipts VALUES ({index})"
    driver = start({"a": revision("a", CONCURRENTLY + "raise RuntimeError('late')")})
    events = driver.upgrade("a", alone=["a"], statement={"a": statement})
    assert [event["autocommit"] for event in named(events, "statement")] == [False, True, True]
    (failed,) = named(events, "failed")
    assert failed["committed_before"]
    assert (failed["kind"], failed["message"]) == ("RuntimeError", "late")
    assert "index" not in failed
    assert values(conn, "SELECT index FROM receipts ORDER BY 1") == [1, 2, 3]
    assert values(conn, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass") == [
        True
    ]
    assert values(conn, "SELECT version_num FROM alembic_version") == []


def test_a_receipt_of_what_was_rolled_back_is_rolled_back(start: Start, conn: Conn) -> None:
    conn.execute("CREATE TABLE receipts (index int)")
    body = 'op.execute("CREATE TABLE t ()")\nop.execute("SELECT 1/0")'
    start({"a": revision("a", body)}).upgrade(
        "a", alone=["a"], statement={"a": "INSERT INTO receipts VALUES ({index})"}
    )
    assert values(conn, "SELECT index FROM receipts") == []


def test_a_commit_in_the_text_of_a_statement_counts(start: Start) -> None:
    body = 'op.execute("CREATE TABLE t ()")\nop.execute("COMMIT")\nop.execute("SELECT 1/0")'
    (failed,) = named(start({"a": revision("a", body)}).upgrade("a"), "failed")
    assert failed["committed_before"]


INSPECTS = """
tables = sa.inspect(op.get_bind()).get_table_names()
if "old" in tables:
    op.execute("DROP TABLE old")
else:
    op.execute("SELECT setval('s', 7)")
"""


def test_a_revision_that_looks_at_the_database_is_known_by_its_queries(
    start: Start, conn: Conn
) -> None:
    conn.execute("CREATE SEQUENCE s")
    events = named(start({"a": revision("a", INSPECTS)}).upgrade("a"), "statement")
    assert events[0]["reads"]
    assert "reads" not in events[-1]
    assert events[-1]["sql"] == "SELECT setval('s', 7)"


def test_what_follows_a_query_has_no_literals(start: Start, conn: Conn) -> None:
    conn.execute("CREATE TABLE t (a text); INSERT INTO t VALUES ('hunter2')")
    body = """
    bind = op.get_bind()
    row = bind.execute(sa.text("SELECT a FROM t")).scalar()
    bind.execute(sa.text("UPDATE t SET a = :a || '%'"), {"a": row})
    """
    events = named(start({"a": revision("a", body)}).upgrade("a"), "statement")
    assert events[1]["parameters"]
    assert events[1]["sql"].startswith("UPDATE t SET a = $1")
    assert events[1]["sql"].endswith("|| '%'")
    assert "hunter2" not in str(events)


def test_rows_that_are_inserted_in_bulk_are_one_statement(start: Start, conn: Conn) -> None:
    body = """
    table = op.create_table("t", sa.Column("a", sa.Text))
    op.bulk_insert(table, [{"a": "100%"}, {"a": "hunter2"}])
    """
    events = named(start({"a": revision("a", body)}).upgrade("a"), "statement")
    assert events[1]["sql"] == "INSERT INTO t (a) VALUES ($1::VARCHAR)"
    assert events[1]["parameters"]
    assert values(conn, "SELECT a FROM t ORDER BY a") == ["100%", "hunter2"]


def test_savepoints_are_no_statements(start: Start) -> None:
    body = 'with op.get_bind().begin_nested():\n    op.execute("CREATE TABLE t ()")'
    events = named(start({"a": revision("a", body)}).upgrade("a"), "statement")
    assert [event["sql"] for event in events] == ["CREATE TABLE t ()"]


BRANCHES = {
    "root": revision("root", "op.execute('CREATE TABLE root ()')"),
    "left": revision("left", "op.execute('CREATE TABLE l ()')", "root", branch_labels=("west",)),
    "right": revision("right", "op.execute('CREATE TABLE r ()')", "root", depends_on="left"),
}


def test_two_heads_and_what_they_depend_on_are_told_and_run(start: Start, conn: Conn) -> None:
    driver = start(BRANCHES)
    found = driver.discover()
    assert sorted(found["heads"]) == ["left", "right"]
    assert found["order"] == ["root", "left", "right"]
    told = {one["revision"]: one for one in found["revisions"]}
    assert told["left"]["labels"] == ["west"]
    assert told["right"]["depends_on"] == ["left"]
    driver.upgrade(*found["order"])
    assert sorted(values(conn, "SELECT version_num FROM alembic_version")) == ["right"]
    assert driver.discover()["contexts"][0]["current"] == ["right"]


def test_a_merge_ends_both_branches(start: Start, conn: Conn) -> None:
    ends = {
        "other": revision("other", "", "root"),
        "merge": revision("merge", "", ("right", "other")),
    }
    driver = start({**BRANCHES, **ends})
    driver.upgrade(*driver.discover()["order"])
    assert values(conn, "SELECT version_num FROM alembic_version") == ["merge"]


def test_a_revision_does_not_run_before_what_it_comes_after(start: Start, conn: Conn) -> None:
    events = start(BRANCHES).upgrade("root", "right")
    assert events[-1]["event"] == "error"
    assert "left" in events[-1]["message"]
    assert values(conn, "SELECT version_num FROM alembic_version") == ["root"]


def test_a_revision_that_is_in_effect_is_skipped(start: Start) -> None:
    driver = start(TWO)
    driver.upgrade("a")
    assert driver.upgrade("a", "b")[0]["event"] == "skipped"


def test_a_version_table_elsewhere_is_respected(start: Start, conn: Conn) -> None:
    conn.execute("CREATE SCHEMA apart")
    env = projects.configured(version_table="Versions", version_table_schema="apart")
    driver = start(TWO, env)
    driver.upgrade("a", "b")
    (context,) = driver.discover()["contexts"]
    assert (context["version_table"], context["version_table_schema"]) == ("Versions", "apart")
    assert context["current"] == ["b"]
    assert values(conn, 'SELECT version_num FROM apart."Versions"') == ["b"]


def test_a_revision_too_long_for_the_table_fails_in_the_table(start: Start, conn: Conn) -> None:
    long = "f" * 40
    driver = start({long: revision(long, "op.execute('CREATE TABLE t ()')")})
    assert driver.discover()["order"] == [long]
    (failed,) = named(driver.upgrade(long), "failed")
    assert (failed["at"], failed["sqlstate"]) == ("version", "22001")
    assert values(conn, "SELECT to_regclass('t')") == [None]
    conn.execute("CREATE TABLE alembic_version (version_num text)")
    assert [event["event"] for event in driver.upgrade(long)][-2:] == ["committed", "end"]


def test_pyproject_is_read_where_alembic_reads_it(start: Start, conn: Conn) -> None:
    ini = '[tool.alembic]\nscript_location = "%(here)s/migrations"\n'
    driver = start(TWO, ini=ini)
    assert driver.discover()["order"] == ["a", "b"]
    driver.upgrade("a")
    assert values(conn, "SELECT version_num FROM alembic_version") == ["a"]


def test_an_asynchronous_environment_is_redirected_and_recorded(start: Start, conn: Conn) -> None:
    driver = start(TWO, projects.ASYNC_ENV, session=["SET lock_timeout = '1234ms'"])
    body = driver.upgrade(
        "a", inside={"a": ["CREATE TABLE inside AS SELECT current_setting('lock_timeout')"]}
    )
    assert [event["event"] for event in body] == ["began", "statement", "committed", "end"]
    assert body[1]["line"]
    assert values(conn, "SELECT * FROM inside") == ["1234ms"]
    (failed,) = named(driver.upgrade("b", inside={"b": ["SELECT 1/0"]}), "failed")
    assert (failed["at"], failed["sqlstate"]) == ("receipt", "22012")


def test_settings_of_the_session_hold_on_each_connection(start: Start, conn: Conn) -> None:
    body = "op.execute(\"CREATE TABLE t AS SELECT current_setting('application_name')\")"
    start({"a": revision("a", body)}, session=["SET application_name = 'ours'"]).upgrade("a")
    assert values(conn, "SELECT * FROM t") == ["ours"]


def test_a_transaction_of_env_py_is_told_and_committed_late(start: Start, conn: Conn) -> None:
    driver = start(TWO, projects.EXTERNAL_ENV)
    assert driver.discover()["contexts"][0]["external_transaction"]
    driver.send({"do": "upgrade", "revisions": ["a", "b"]})
    assert driver.until("ran")[-1]["revision"] == "a"
    assert values(conn, "SELECT to_regclass('one')") == [None]
    driver.send({"go": True})
    events = driver.until("end")
    assert [event["revision"] for event in named(events, "committed")] == ["a", "b"]
    assert values(conn, "SELECT version_num FROM alembic_version") == ["b"]


def test_a_transaction_that_env_py_forgets_is_not_called_committed(
    start: Start, conn: Conn
) -> None:
    env = projects.ENV.replace(
        "    context.configure",
        '    connection.exec_driver_sql("SET lock_timeout = 0")\n    context.configure',
    )
    events = start(TWO, env).upgrade("a")
    (failed,) = named(events, "failed")
    assert "never committed" in failed["message"]
    assert named(events, "committed") == []
    assert values(conn, "SELECT to_regclass('one')") == [None]


def test_of_several_engines_the_one_that_is_meant_is_served(start: Start, conn: Conn) -> None:
    body = "op.execute(f'CREATE TABLE {engine} ()')"
    revisions = {"a": revision("a", body, arguments="engine")}
    driver = start(revisions, projects.SEVERAL_ENV, database="two")
    contexts = driver.discover()["contexts"]
    assert [(one["names"], one["meant"]) for one in contexts] == [
        (["one", "127.0.0.1/one", "127.0.0.1:1/one"], False),
        (["two", "127.0.0.1/two", "127.0.0.1:1/two"], True),
    ]
    events = driver.upgrade("a")
    assert [event["event"] for event in events] == ["began", "statement", "committed", "end"]
    assert values(conn, "SELECT to_regclass('one')") == [None]
    assert values(conn, "SELECT to_regclass('two')::text") == ["two"]


def test_several_engines_of_which_none_is_meant_are_refused(start: Start, conn: Conn) -> None:
    revisions = {"a": revision("a", "op.execute('CREATE TABLE t ()')", arguments="engine")}
    events = start(revisions, projects.SEVERAL_ENV).upgrade("a", go=False)
    assert [event["event"] for event in events] == ["began", "statement", "committed", "error"]


def test_a_database_that_is_left_alone_cannot_be_written(start: Start, conn: Conn) -> None:
    env = projects.SEVERAL_ENV.replace(
        "        context.configure",
        "        connection.exec_driver_sql('CREATE TABLE env ()')\n        context.configure",
    )
    revisions = {"a": revision("a", "", arguments="engine")}
    error = start(revisions, env, database="two").upgrade("a")[-1]
    assert (error["event"], error["sqlstate"]) == ("error", "25006")


def test_of_several_version_tables_the_one_that_is_meant_is_served(
    start: Start, conn: Conn
) -> None:
    conn.execute("CREATE SCHEMA one; CREATE SCHEMA two")
    driver = start(TWO, projects.TENANTS_ENV, table="two.alembic_version")
    contexts = driver.discover()["contexts"]
    assert [(one["table"], one["meant"]) for one in contexts] == [
        ("one.alembic_version", False), ("two.alembic_version", True),
    ]  # fmt: skip
    began = driver.upgrade("a", "b", record=True)[0]
    assert began["search_path"] == "two"
    driver.send({"do": "stamp", "revisions": ["a"], "purge": True})
    assert driver.read() == {"event": "end"}
    assert values(conn, "SELECT version_num FROM two.alembic_version") == ["a"]
    assert values(conn, "SELECT to_regclass('one.alembic_version')") == [None]
    assert values(conn, "SELECT to_regclass('one.one')") == [None]
    assert values(conn, "SELECT to_regclass('two.one')::text") == ["two.one"]


LOUD = projects.ENV.replace(
    "from alembic import context",
    "import logging.config\nfrom alembic import context\nprint('loud')\n"
    "logging.config.fileConfig(context.config.config_file_name, disable_existing_loggers=True)",
)
LOGGING = (
    projects.INI
    + """
[loggers]
keys = root
[handlers]
keys =
[formatters]
keys =
[logger_root]
handlers =
"""
)


def test_env_py_may_print_and_silence_loggers(start: Start) -> None:
    driver = start(TWO, LOUD, LOGGING)
    assert [event["event"] for event in driver.upgrade("a")][-2:] == ["committed", "end"]
    code, printed = driver.close()
    assert code == 0
    assert "loud" in printed


@pytest.mark.parametrize(
    ("line", "kind", "message"),
    [
        ("raise SystemExit('set CLINIC_URL')", "SystemExit", "set CLINIC_URL"),
        ("raise ValueError('no postgresql://me:hunter2@db/x')", "ValueError",
         "no postgresql://***@db/x"),
        ("import nowhere", "ModuleNotFoundError", "No module named 'nowhere'"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", ""),
    ],
)  # fmt: skip
def test_an_env_py_that_fails_is_an_error_with_its_line(
    start: Start, line: str, kind: str, message: str
) -> None:
    driver = start(TWO, f"import os\n{line}\n")
    error = driver.discover()
    assert (error["event"], error["kind"], error["message"]) == ("error", kind, message)
    assert error["file"].endswith("env.py")
    assert error["line"] == 2
    driver.send({"do": "discover", "connect": False})
    assert driver.read()["order"] == ["a", "b"]
    assert driver.close()[0] == 0


def test_an_env_py_of_another_server_is_refused(start: Start) -> None:
    error = start(TWO, projects.ENV.replace(projects.ELSEWHERE, "sqlite://")).discover()
    assert error["message"] == "env.py opens a sqlite connection (pysqlite)"


def test_an_env_py_that_connects_by_itself_is_refused(
    start: Start, conn: Conn, database: str
) -> None:
    creator = (
        f'"postgresql+psycopg://", creator=lambda: __import__("psycopg").connect("{database}")'
    )
    driver = start(TWO, projects.ENV.replace(f'"{projects.ELSEWHERE}"', creator))
    assert "creator" in driver.upgrade("a")[-1]["message"]
    assert values(conn, "SELECT to_regclass('alembic_version')") == [None]


SWALLOWING = projects.ENV.replace(
    "        context.run_migrations()",
    """
        try:
            context.run_migrations()
        except Exception:
            raise SystemExit(3)
""",
)


def test_an_env_py_that_swallows_the_failure_has_failed(start: Start) -> None:
    bad = revision("a", 'op.execute("SELECT 1/0")')
    (failed,) = named(start({"a": bad}, SWALLOWING).upgrade("a"), "failed")
    assert (failed["index"], failed["sqlstate"]) == (1, "22012")


def test_an_env_py_that_runs_nothing_is_an_error(start: Start) -> None:
    error = start(TWO, "").upgrade("a")[-1]
    assert error["event"] == "error"
    assert "run_migrations" in error["message"]


def test_sections_and_arguments_reach_env_py(start: Start, conn: Conn) -> None:
    env = projects.ENV.replace(
        "connection=connection)",
        "connection=connection, version_table=context.get_x_argument(True)['table']"
        " + context.config.get_main_option('suffix') + context.config.cmd_opts.name)",
    )
    ini = projects.INI.replace("[alembic]", "[other]\nsuffix = _of_")
    driver = start(TWO, env, ini, name="other", x=["table=versions", "more=1"])
    driver.upgrade("a")
    assert values(conn, "SELECT version_num FROM versions_of_other") == ["a"]


def test_a_connection_for_an_environment_that_wants_one(start: Start, conn: Conn) -> None:
    env = projects.ENV.replace(
        f'create_engine("{projects.ELSEWHERE}").connect()',
        "context.config.attributes['connection']",
    )
    start(TWO, env, connection="postgresql+psycopg://").upgrade("a")
    assert values(conn, "SELECT version_num FROM alembic_version") == ["a"]


def test_stamping_writes_the_table_of_the_environment(start: Start, conn: Conn) -> None:
    driver = start(BRANCHES, projects.configured(version_table="mine"))
    driver.send({"do": "stamp", "revisions": ["left"], "purge": False})
    assert driver.read() == {"event": "end"}
    assert values(conn, "SELECT version_num FROM mine") == ["left"]
    conn.execute("UPDATE mine SET version_num = 'unknown'")
    assert driver.discover()["contexts"][0]["current"] == ["unknown"]
    driver.send({"do": "stamp", "revisions": ["root"], "purge": True})
    assert driver.read() == {"event": "end"}
    assert values(conn, "SELECT version_num FROM mine") == ["root"]


def test_an_unknown_revision_in_the_table_runs_nothing(start: Start, conn: Conn) -> None:
    driver = start(TWO)
    driver.upgrade("a")
    conn.execute("UPDATE alembic_version SET version_num = 'unknown'")
    error = driver.upgrade("b")[-1]
    assert (error["event"], error["kind"]) == ("error", "CommandError")
    assert "unknown" in error["message"]


MODELS = """
import sqlalchemy as sa
metadata = sa.MetaData()
sa.Table("one", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("two", sa.Text,
         nullable=False), sa.Column("three", sa.Integer))
sa.Table("four", metadata, sa.Column("id", sa.Integer, primary_key=True))
"""


def test_models_are_compared_as_alembic_does_it(start: Start, conn: Conn) -> None:
    env = MODELS + projects.ENV.replace(
        "connection=connection)", "connection=connection, target_metadata=metadata)"
    )
    driver = start(TWO, env)
    assert driver.discover()["contexts"][0]["target_metadata"]
    driver.send({"do": "check"})
    assert driver.read()["event"] == "error"
    driver.upgrade("a", "b")
    driver.send({"do": "check"})
    operations = driver.read()["operations"]
    assert sorted(operations) == [
        "add_column one three on one", "add_table four", "modify_nullable one two True False",
    ]  # fmt: skip


def test_a_revision_that_is_there_twice_is_told(start: Start) -> None:
    found = start({**TWO, "again": TWO["b"]}).discover()
    assert any("present more than once" in one for one in found["warnings"])


MEDDLING = projects.ENV.replace(
    "    context.configure",
    """
    connection.exec_driver_sql("CREATE ROLE nobody_ PASSWORD 'hunter2'")
    connection.rollback()
    context.configure""",
)


def test_what_env_py_does_by_itself_is_told(start: Start) -> None:
    found = start(TWO, MEDDLING).discover()
    assert [one["command"] for one in found["commands"]] == ["CREATE ROLE"]
    assert "hunter2" not in str(found)


SLOW = {"a": revision("a", 'op.execute("CREATE TABLE t ()")\nop.execute("SELECT pg_sleep(60)")')}


def running(conn: Conn) -> None:
    """Wait until the sleep runs."""
    query = """SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%'
               AND state = 'active' AND pid <> pg_backend_pid() AND datname = current_database()"""
    while values(conn, query) == [0]:
        time.sleep(0.05)


@pytest.mark.parametrize("env", [projects.ENV, projects.ASYNC_ENV], ids=["sync", "async"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_cancels_what_runs(
    start: Start, conn: Conn, env: str, number: signal.Signals
) -> None:
    driver = start(SLOW, env)
    driver.send({"do": "upgrade", "revisions": ["a"]})
    driver.until("statement")
    running(conn)
    driver.signal(number)
    (failed,) = named(driver.until("end"), "failed")
    assert failed["interrupted"]
    assert (failed["index"], failed["sqlstate"]) == (2, "57014")
    assert driver.process.wait(10) == 0
    assert values(conn, "SELECT to_regclass('t')") == [None]


def test_the_death_of_the_parent_cancels_what_runs(start: Start, conn: Conn) -> None:
    driver = start(SLOW)
    driver.send({"do": "upgrade", "revisions": ["a"]})
    driver.until("statement")
    running(conn)
    driver.close()
    assert values(conn, "SELECT to_regclass('t')") == [None]


def test_a_commit_that_nobody_answers_is_called_lost(start: Start, conn: Conn) -> None:
    body = """
    op.execute("CREATE TABLE t (a int)")
    op.execute("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
               "PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$")
    op.execute("CREATE CONSTRAINT TRIGGER g AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED "
               "FOR EACH ROW EXECUTE FUNCTION f()")
    op.execute("INSERT INTO t VALUES (1)")
    """
    (failed,) = named(start({"a": revision("a", body)}).upgrade("a"), "failed")
    assert failed["at"] == "commit"
    assert failed["commit_lost"]


def test_a_commit_that_the_server_refuses_is_not_lost(start: Start, conn: Conn) -> None:
    body = """
    op.execute("CREATE TABLE t (a int PRIMARY KEY, "
               "b int REFERENCES t DEFERRABLE INITIALLY DEFERRED)")
    op.execute("INSERT INTO t VALUES (1, 2)")
    """
    (failed,) = named(start({"a": revision("a", body)}).upgrade("a"), "failed")
    assert (failed["at"], failed["sqlstate"]) == ("commit", "23503")
    assert not failed["commit_lost"]


HOOK = """
import asyncio
inside = []

def around(run):
    inside.append("a function")
    run()
    inside.clear()

async def worker(run):
    inside.append("a coroutine")
    await asyncio.to_thread(run)
    inside.clear()
"""


@pytest.mark.parametrize("name", ["around", "worker"])
def test_env_py_runs_in_the_function_that_the_project_names(
    start: Start, conn: Conn, tmp_path: Path, name: str
) -> None:
    (tmp_path / "hook.py").write_text(HOOK)
    body = "import hook\nop.create_table(hook.inside[0])"
    driver = start({"a": revision("a", body)}, through=f"hook:{name}")
    assert driver.discover()["heads"] == ["a"]
    assert named(driver.upgrade("a"), "committed")
    said = {"around": "a function", "worker": "a coroutine"}[name]
    assert values(conn, f"SELECT to_regclass('\"{said}\"')::text") == [f'"{said}"']


def test_what_the_function_around_env_py_raises_is_told(start: Start, tmp_path: Path) -> None:
    (tmp_path / "hook.py").write_text("def around(run):\n    raise LookupError('no instance')\n")
    found = start(TWO, through="hook:around").discover()
    assert (found["kind"], found["message"]) == ("LookupError", "no instance")


def test_an_env_py_that_looks_for_revisions_elsewhere_is_refused(start: Start) -> None:
    env = projects.ENV.replace(
        "with create_engine", 'context.script.version_locations = ["other"]\nwith create_engine', 1
    )
    found = start(TWO, env).discover()
    assert found["event"] == "error"
    assert "version_locations = other" in found["message"]


def test_values_that_asyncpg_sends_apart_are_written_as_literals(start: Start, conn: Conn) -> None:
    body = """
    import datetime, decimal, uuid
    table = op.create_table(
        "t", sa.Column("a", sa.Text), sa.Column("b", sa.Numeric), sa.Column("c", sa.Uuid),
        sa.Column("d", sa.DateTime(timezone=True)), sa.Column("e", sa.LargeBinary),
        sa.Column("f", sa.Boolean), sa.Column("g", sa.Date),
    )
    day = datetime.datetime(2026, 1, 2, 3, 4, 5, 678, datetime.timezone.utc)
    op.get_bind().execute(sa.insert(table).values(
        a="it's $1 \\\\", b=decimal.Decimal("-1.50"), c=uuid.UUID(int=7), d=day, e=b"\\\\x", f=True,
        g=None,
    ))
    op.get_bind().execute(sa.update(table).values(a=table.c.a + "$2").where(table.c.b < 3.5))
    """
    env = projects.ASYNC_ENV.replace("postgresql+psycopg:", "postgresql+asyncpg:")
    events = named(start({"a": revision("a", body)}, env).upgrade("a"), "statement")
    (made,) = conn.execute("SELECT t FROM t")
    assert [event["sql"][:6] for event in events] == ["\nCREAT", "INSERT", "UPDATE"]
    assert not any(event.get("parameters") for event in events)
    conn.execute("DELETE FROM t")
    for event in events[1:]:
        conn.execute(event["sql"].encode())
    assert conn.execute("SELECT t FROM t").fetchall() == [made]


@pytest.mark.parametrize("env", [projects.ENV, projects.ASYNC_ENV], ids=["sync", "async"])
def test_nothing_is_sent_for_statements_that_are_in_effect(
    start: Start, conn: Conn, env: str
) -> None:
    conn.execute("CREATE TABLE receipts (index int); CREATE TABLE t (a text)")
    body = """
    table = op.create_table("t", sa.Column("a", sa.Text))
    op.bulk_insert(table, [{"a": "1"}, {"a": "2"}], multiinsert=False)
    op.execute(sa.text("INSERT INTO t VALUES (:a)").bindparams(a="3"))
    op.execute("INSERT INTO t VALUES ('4')")
    """
    driver = start({"a": revision("a", body)}, env)
    events = driver.upgrade(
        "a",
        alone=["a"],
        statement={"a": "INSERT INTO receipts VALUES ({index})"},
        done={"a": [1, 2, 3, 4]},
    )
    assert [event["event"] for event in events][-2:] == ["committed", "end"]
    assert values(conn, "SELECT a FROM t") == ["4"]
    assert values(conn, "SELECT index FROM receipts") == [5]
    assert values(conn, "SELECT version_num FROM alembic_version") == ["a"]
