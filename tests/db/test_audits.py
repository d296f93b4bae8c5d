"""Audits on real rows: what they count and show, and what they do when they cannot answer."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from migsafe import target
from migsafe.audits import Audit, files, run
from migsafe.errors import UnreachableError, UsageError
from migsafe.findings import Finding, Severity, Status
from tests.cli import databases
from tests.conftest import Called

Conn = psycopg.Connection[Any]
Ask = Callable[..., Finding]


@pytest.fixture(scope="module")
def lasting_database(server: str) -> Iterator[str]:
    with databases.lasting(server) as url:
        yield url


@pytest.fixture
def database(lasting_database: str) -> Iterator[str]:
    """URL of an empty database, which the next test gets too."""
    yield lasting_database
    databases.empty(lasting_database)


@pytest.fixture
def ask(database: str, workdir: Path) -> Ask:
    """Return a function that writes one audit file, asks it, and gives its finding."""

    def ask_one(text: str, *, pending: tuple[str, ...] = ()) -> Finding:
        (finding,) = run.run(target.parse(database), _audits(workdir, text), pending)
        return finding

    return ask_one


def _audits(folder: Path, *texts: str) -> list[Audit]:
    place = folder / "audits"
    place.mkdir(exist_ok=True)
    for file in place.glob("*.sql"):
        file.unlink()
    for number, text in enumerate(texts):
        (place / f"audit_{number:02}.sql").write_text(text, "utf-8")
    return files.load(place)


@pytest.fixture
def people(conn: Conn) -> Conn:
    conn.execute("CREATE TABLE people (id int, name text, email text)")
    conn.execute(
        """INSERT INTO people
           SELECT n, 'name ' || n, n || '@example.org' FROM generate_series(1, 30) AS n"""
    )
    return conn


# ---------------------------------------------------------------- what is counted and shown


def test_no_row_passes(people: Conn, ask: Ask) -> None:
    finding = ask("-- key: id\nSELECT id FROM people WHERE id > 30;")
    assert (finding.code, finding.status, finding.count) == ("MA001", Status.PASSED, 0)
    assert (finding.exact, finding.keys) == (True, ())


def test_the_count_is_complete_and_twenty_keys_are_shown(people: Conn, ask: Ask) -> None:
    finding = ask("-- key: id\nSELECT id, name FROM people ORDER BY id;")
    assert (finding.status, finding.count, finding.exact) == (Status.FAILED, 30, True)
    assert [dict(key) for key in finding.keys] == [{"id": n} for n in range(1, 21)]


def test_values_come_from_key_columns_only(people: Conn, ask: Ask) -> None:
    finding = ask("-- key: name, id\nSELECT * FROM people WHERE id = 7;")
    assert finding.keys == ({"name": "name 7", "id": 7},)
    assert "example.org" not in str(finding)


def test_without_a_key_only_the_count_is_shown(people: Conn, ask: Ask) -> None:
    finding = ask("SELECT * FROM people WHERE id < 4;")
    assert (finding.count, finding.keys) == (3, ())
    assert "name 1" not in str(finding)


@pytest.mark.parametrize(
    ("tolerated", "status"), [(29, Status.FAILED), (30, Status.PASSED), (31, Status.PASSED)]
)
def test_max_is_the_number_that_is_tolerated(
    people: Conn, ask: Ask, tolerated: int, status: Status
) -> None:
    finding = ask(f"-- max: {tolerated}\nSELECT id FROM people;")
    assert (finding.status, finding.count) == (status, 30)


@pytest.mark.parametrize("severity", list(Severity))
def test_a_finding_has_the_severity_of_its_audit(
    people: Conn, ask: Ask, severity: Severity
) -> None:
    assert ask(f"-- severity: {severity}\nSELECT id FROM people;").severity is severity


def test_the_finding_says_where_the_audit_is_and_what_to_do(people: Conn, ask: Ask) -> None:
    finding = ask(
        "-- audit: too-many\n-- description: People\n-- remedy: Remove them.\nSELECT 1 FROM people;"
    )
    assert finding.name == "too-many"
    assert finding.file is not None
    assert finding.file.endswith("audits/audit_00.sql")
    assert finding.line == 4
    assert finding.remedy == "Remove them."
    assert finding.evidence == "data"
    assert (finding.seconds or 0) > 0


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        ("12345678901234567890123456789::numeric", 12345678901234567890123456789),
        ("'NaN'::float8", "NaN"),
        ("NULL::text", None),
        ("'2025-01-31 10:00+00'::timestamptz AT TIME ZONE 'UTC'", "2025-01-31T10:00:00"),
        (r"'\x00ff'::bytea", r"\x00ff"),
        ("ARRAY[1, 2]", [1, 2]),
        ("'{\"a\": 1}'::jsonb", {"a": 1}),
        ("'c6a5b0b0-0000-4000-8000-000000000001'::uuid", "c6a5b0b0-0000-4000-8000-000000000001"),
    ],
)
def test_a_key_of_any_type_is_shown_and_survives_json(
    ask: Ask,
    migsafe: Callable[..., Called],
    database: str,
    workdir: Path,
    expression: str,
    shown: object,
) -> None:
    text = f"-- key: value\nSELECT {expression} AS value;"
    assert ask(text).keys == ({"value": shown},)
    called = migsafe("audit", "--url", database, "--audits", "audits", "--format", "json")
    assert called.report.findings[0].keys == ({"value": shown},)
    for name in ("text", "markdown"):
        assert migsafe("audit", "--url", database, "--format", name).code == 1


# ---------------------------------------------------------------- odd names and odd text


@pytest.mark.parametrize(
    ("column", "key"),
    [
        ('"appointmentId"', "appointmentId"),
        ('"Straße Nr"', "Straße Nr"),
        ('"id%"', "id%"),
        ('"a:b"', "a:b"),
        ('"{}"', "{}"),
        ('"say ""x"""', 'say "x"'),
        ("k", "k"),
        ("nothing", "nothing"),
        ("offenders", "offenders"),
        ('"select"', "select"),
    ],
)
def test_a_key_may_have_any_name(conn: Conn, ask: Ask, column: str, key: str) -> None:
    conn.execute(f"CREATE TABLE odd ({column} int)".encode())
    conn.execute(b"INSERT INTO odd VALUES (1), (2)")
    finding = ask(f"-- key: {key}\nSELECT {column} FROM odd ORDER BY 1;")
    assert (finding.code, finding.count) == ("MA001", 2), finding.message
    assert finding.keys == ({key: 1}, {key: 2})


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id FROM people WHERE name LIKE 'name%' AND id % 30 = 1",
        "SELECT id FROM people WHERE email ~ '^1@' -- a comment after it, with no newline",
        "SELECT id FROM people WHERE id = 1; -- a comment after the semicolon",
        "SELECT id FROM people WHERE id = 1;\n\n-- a comment below\n/* and another */\n",
        "SELECT id::text::int AS id FROM people WHERE name = 'name 1' OR name = ':name'",
        "SELECT id FROM people WHERE id = 1 OR name = '%s' OR name = '%(name)s' OR name = '{}'",
        "/* before */ SELECT id FROM people /* inside ) */ WHERE name = E'name\\x201'",
        "SELECT id FROM people WHERE name = $$name 1$$ OR name = '--'",
        "WITH p AS (SELECT * FROM people) SELECT id FROM p WHERE id = 1",
        "SELECT id FROM people WHERE id = 1 UNION ALL SELECT id FROM people WHERE false ORDER BY 1",
        "(SELECT id FROM people ORDER BY id LIMIT 1)",
        "VALUES (1)",
        "SELECT DISTINCT ON (id) id FROM people WHERE id < 2 ORDER BY id, name",
        "\r\nSELECT id\r\nFROM people\r\nWHERE id = 1;\r\n",
    ],
)
def test_the_text_of_an_audit_is_sent_as_it_is(people: Conn, ask: Ask, query: str) -> None:
    finding = ask(f"-- audit: odd\n{query}")
    assert (finding.code, finding.count) == ("MA001", 1), finding.message


def test_a_byte_order_mark_and_a_quoted_table_are_no_trouble(conn: Conn, ask: Ask) -> None:
    conn.execute('CREATE SCHEMA "Meine Klinik"')
    conn.execute('CREATE TABLE "Meine Klinik"."Ä Tabelle" ("Ä" int)')
    finding = ask('\ufeff-- key: Ä\nSELECT "Ä" FROM "Meine Klinik"."Ä Tabelle";')
    assert (finding.code, finding.status) == ("MA001", Status.PASSED)


def test_two_columns_of_one_name_are_counted(people: Conn, ask: Ask) -> None:
    query = "SELECT a.id, b.id FROM people AS a JOIN people AS b ON b.id = a.id;"
    assert ask(query).count == 30


# ---------------------------------------------------------------- what cannot be answered


@pytest.mark.parametrize("severity", list(Severity))
@pytest.mark.parametrize(
    ("query", "nearest"),
    [
        ("SELECT id FROM peeple;", "did you mean people?"),
        ("SELECT id FROM public.peeple;", "did you mean public.people?"),
        ("SELECT emial FROM people;", "did you mean email?"),
        ("SELECT p.emial FROM people AS p;", "did you mean email?"),
        ('SELECT "Name" FROM people;', "did you mean name?"),
        ("-- key: nme\nSELECT name FROM people;", "did you mean name?"),
    ],
)
def test_a_name_that_is_not_there_is_an_error_with_the_nearest(
    people: Conn, ask: Ask, severity: Severity, query: str, nearest: str
) -> None:
    finding = ask(f"-- severity: {severity}\n-- max: 99\n{query}")
    assert (finding.code, finding.status) == ("MA002", Status.FAILED)
    assert finding.severity is Severity.ERROR
    assert finding.message.endswith(nearest)
    assert finding.count is None


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id FROM people WHERE x.id = 1;",
        "SELECT id FROM people AS p WHERE people.id = 1;",
        'SELECT id FROM "nothing like it at all";',
        'SELECT "nothing like it at all" FROM people;',
        "SELECT no_such_function(id) FROM people;",
        "SELECT id FROM people WHERE id = 'x';",
        "SELECT 1 / (id - 1) FROM people;",
        "SELECT name::int FROM people;",
        "SELECT id FROM people GROUP BY name;",
        "SELECT id FROM no_such_schema.people;",
    ],
)
def test_whatever_else_fails_is_an_error_and_never_a_pass(
    people: Conn, ask: Ask, query: str
) -> None:
    finding = ask(f"-- severity: info\n{query}")
    assert (finding.code, finding.status) == ("MA002", Status.FAILED)
    assert finding.severity is Severity.ERROR
    assert "name 1" not in finding.message


def test_no_answer_within_the_timeout_is_a_failure(ask: Ask) -> None:
    began = time.monotonic()
    finding = ask("-- timeout: 300ms\nSELECT pg_sleep(20);")
    assert time.monotonic() - began < 10
    assert (finding.code, finding.status) == ("MA003", Status.FAILED)
    assert finding.severity is Severity.ERROR
    assert 0.3 <= (finding.seconds or 0) < 10


def test_a_timeout_below_a_millisecond_is_one_all_the_same(ask: Ask) -> None:
    assert ask("-- timeout: 0.1ms\nSELECT pg_sleep(0.5);").code == "MA003"


def test_a_timeout_counts_for_its_own_audit_only(database: str, workdir: Path) -> None:
    quick = "-- audit: {}\n-- timeout: 200ms\nSELECT pg_sleep({});"
    audits = _audits(
        workdir,
        *(quick.format(f"slow-{n}", 20) for n in range(run.PARALLEL)),
        "-- audit: patient\nSELECT pg_sleep(0.6) WHERE false;",
        "-- audit: waits\nSELECT 1 FROM pg_sleep(0.6) WHERE false;",
    )
    found = run.run(target.parse(database), audits, ())
    assert [f.code for f in found[: run.PARALLEL]] == ["MA003"] * run.PARALLEL
    assert [f.status for f in found[run.PARALLEL :]] == [Status.PASSED, Status.PASSED]


def test_one_broken_audit_leaves_the_others_their_answers(
    people: Conn, database: str, workdir: Path
) -> None:
    broken = "-- audit: broken-{0}\nSELECT 1 / 0 FROM nowhere_{0};"
    fine = "-- audit: fine-{0}\nSELECT id FROM people WHERE id <= {0};"
    texts = [text.format(n) for n in range(6) for text in (broken, fine)]
    found = run.run(target.parse(database), _audits(workdir, *texts), ())
    assert [f.name for f in found] == [f"{k}-{n}" for n in range(6) for k in ("broken", "fine")]
    assert [f.code for f in found[::2]] == ["MA002"] * 6
    assert [f.count for f in found[1::2]] == list(range(6))


def test_a_database_that_goes_away_is_unreachable(database: str, conn: Conn, workdir: Path) -> None:
    def terminate() -> None:
        kill = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                  WHERE datname = current_database() AND query LIKE '%pg_sleep(2%'
                  AND pid <> pg_backend_pid()"""
        _until(lambda: bool(conn.execute(kill).fetchall()))

    thread = threading.Thread(target=terminate)
    thread.start()
    try:
        with pytest.raises(UnreachableError):
            run_through_the_pipeline(database, workdir, "SELECT pg_sleep(20);")
    finally:
        thread.join()


def run_through_the_pipeline(database: str, workdir: Path, text: str) -> None:
    from migsafe import config, pipeline

    _audits(workdir, text)
    pipeline.audit(config.load(config.Options(url=database)))


def _until(met: Callable[[], bool]) -> None:
    for _ in range(200):
        if met():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to pass within ten seconds")


# ---------------------------------------------------------------- when an audit is asked


def test_before_is_asked_only_while_that_migration_is_pending(people: Conn, ask: Ask) -> None:
    text = "-- before: two\n-- before: three\nSELECT id FROM people;"
    skipped = ask(text, pending=("four",))
    assert (skipped.status, skipped.count) == (Status.SKIPPED, None)
    assert "two or three" in skipped.message
    for pending in ("two", "three"):
        assert ask(text, pending=(pending, "four")).status is Status.FAILED


def test_an_audit_that_is_skipped_is_not_asked_at_all(ask: Ask) -> None:
    assert ask("-- before: two\nSELECT id FROM nowhere;").status is Status.SKIPPED


def test_a_skipped_audit_needs_no_connection(workdir: Path) -> None:
    nowhere = target.parse("postgresql://nobody@127.0.0.1:1/nothing")
    audits = _audits(workdir, "-- before: two\nSELECT 1;")
    assert [f.status for f in run.run(nowhere, audits, ())] == [Status.SKIPPED]


def test_before_names_a_migration_that_must_exist(
    migsafe: Callable[..., Called], database: str, workdir: Path
) -> None:
    _audits(workdir, "-- before: two\nSELECT 1;")
    assert migsafe("audit", "--url", database).code == UsageError.exit_code


# ---------------------------------------------------------------- one snapshot, read-only


def test_all_audits_see_the_rows_of_one_moment(people: Conn, database: str, workdir: Path) -> None:
    """`people` grows while the first audits sleep; those that wait for a session do not see it."""
    sleeping = "-- audit: sleeping-{0}\nSELECT pg_sleep(1), {0};"
    counting = "-- audit: counting-{0}\nSELECT id FROM people;"
    texts = [sleeping.format(n) for n in range(run.PARALLEL)]
    texts += [counting.format(n) for n in range(run.PARALLEL + 2)]
    audits = _audits(workdir, *texts)
    found: list[Finding] = []
    thread = threading.Thread(
        target=lambda: found.extend(run.run(target.parse(database), audits, ()))
    )
    thread.start()
    query = """SELECT count(*) FROM pg_stat_activity
               WHERE datname = current_database() AND query LIKE '%pg_sleep(1)%'
               AND pid <> pg_backend_pid() AND state = 'active'"""
    _until(lambda: people.execute(query).fetchone() == (run.PARALLEL,))
    people.execute("INSERT INTO people VALUES (31)")
    thread.join()
    assert [f.count for f in found] == [1] * run.PARALLEL + [30] * (run.PARALLEL + 2)


def test_every_session_is_read_only_and_sees_one_snapshot(
    conn: Conn, ask: Ask, workdir: Path, database: str
) -> None:
    conn.execute("CREATE TABLE kept (id int)")
    conn.execute(
        """CREATE FUNCTION writes() RETURNS int LANGUAGE plpgsql AS
           $$BEGIN INSERT INTO kept VALUES (1); RETURN 1; END$$"""
    )
    finding = ask("SELECT writes();")
    assert (finding.code, finding.severity) == ("MA002", Severity.ERROR)
    assert "25006" in finding.message
    assert conn.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    asked = """-- audit: session-{}
               SELECT 1 WHERE current_setting('transaction_read_only') <> 'on'
               OR current_setting('transaction_isolation') <> 'repeatable read'
               OR current_setting('application_name') <> 'migsafe'"""
    audits = _audits(workdir, *(asked.format(n) for n in range(run.PARALLEL * 2)))
    found = run.run(target.parse(database), audits, ())
    assert {f.status for f in found} == {Status.PASSED}


def test_no_session_is_left_behind(people: Conn, ask: Ask) -> None:
    ask("SELECT id FROM people;")
    left = """SELECT count(*) FROM pg_stat_activity
              WHERE datname = current_database() AND application_name = 'migsafe'"""
    _until(lambda: people.execute(left).fetchone() == (0,))


def test_more_audits_than_sessions_come_back_in_their_order(
    people: Conn, database: str, workdir: Path
) -> None:
    audits = _audits(workdir, *(f"SELECT id FROM people WHERE id <= {n};" for n in range(25)))
    found = run.run(target.parse(database), audits, ())
    assert [f.name for f in found] == [audit.name for audit in audits]
    assert [f.count for f in found] == list(range(25))


def test_a_limit_on_connections_costs_time_only(
    people: Conn, superuser: Conn, database: str, workdir: Path
) -> None:
    name = f"role_{uuid.uuid4().hex[:12]}"
    superuser.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'of-a-test' CONNECTION LIMIT 2".encode())
    try:
        people.execute(f"GRANT SELECT ON people TO {name}".encode())
        parts = urlsplit(database)
        host = parts.netloc.rpartition("@")[2]
        url = urlunsplit(parts._replace(netloc=f"{name}:of-a-test@{host}"))
        audits = _audits(workdir, *(f"SELECT id FROM people LIMIT {n};" for n in range(9)))
        found = run.run(target.parse(url), audits, ())
        assert [f.count for f in found] == list(range(9))
    finally:
        superuser.execute(f"DROP OWNED BY {name}".encode())
        superuser.execute(f"DROP ROLE {name}".encode())


def test_the_url_schema_is_where_unqualified_names_are_looked_for(
    conn: Conn, database: str, workdir: Path
) -> None:
    conn.execute('CREATE SCHEMA "Meine Klinik"')
    conn.execute('CREATE TABLE "Meine Klinik".people (id int)')
    audits = _audits(workdir, *(f"-- audit: a{n}\nSELECT id FROM people;" for n in range(6)))
    joined = "&" if "?" in database else "?"
    where = target.parse(f"{database}{joined}schema=Meine%20Klinik")
    assert {f.code for f in run.run(where, audits, ())} == {"MA001"}
