"""The live schema against declared expectations, and against the history's own table."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from migsafe.findings import Finding, Severity, Source, Status
from migsafe.reports import Report
from tests.cli import databases
from tests.conftest import Called
from tests.contract import looks

Conn = psycopg.Connection[Any]
Verify = Callable[..., tuple[int, Report]]

INIT, LATER = "20250101000000_init", "20250102000000_later"


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
def verify(migsafe: Callable[..., Called], database: str, workdir: Path) -> Verify:
    """Return a function that writes expectations and verifies; without a history by default."""

    def call(
        expectations: str | None, *arguments: object, url: str = database
    ) -> tuple[int, Report]:
        audits = workdir / "audits"
        audits.mkdir(exist_ok=True)
        if expectations is not None:
            (audits / "expectations.toml").write_text(expectations, "utf-8")
        called = migsafe("verify", "--url", url, "--format", "json", *arguments)
        assert called.out, called.err
        return called.code, called.report

    return call


@pytest.fixture
def notes(conn: Conn) -> Conn:
    conn.execute("CREATE TYPE mood AS ENUM ('good', 'bad')")
    conn.execute(
        """CREATE TABLE notes (
               id int PRIMARY KEY, "appointmentId" text, "Signed At" timestamp(3),
               total numeric(10, 2) NOT NULL, code varchar(20), mood mood, tags text[])"""
    )
    return conn


def column(table: str, name: str, *more: str) -> str:
    return "\n".join(["[[column]]", f"table = '{table}'", f"column = '{name}'", *more, ""])


def one(report: Report) -> Finding:
    (finding,) = [f for f in report.findings if f.source is Source.VERIFY]
    return finding


# ---------------------------------------------------------------- nullability and type


@pytest.mark.parametrize(
    ("name", "nullable", "ok"),
    [
        ("appointmentId", True, True),
        ("appointmentId", False, False),
        ("total", False, True),
        ("total", True, False),
        ("Signed At", True, True),
        ("Signed At", False, False),
    ],
)
def test_nullability_is_compared_with_the_catalog(
    notes: Conn, verify: Verify, name: str, nullable: bool, ok: bool
) -> None:
    code, report = verify(column("notes", name, f"nullable = {str(nullable).lower()}"))
    finding = one(report)
    assert (code, report.ok) == (0 if ok else 1, ok)
    assert (finding.code, finding.severity) == ("MV101", Severity.ERROR)
    assert finding.status is (Status.PASSED if ok else Status.FAILED)
    assert report.verification is not None
    (seen,) = report.verification.columns
    assert (seen.table, seen.column, seen.ok) == ("notes", name, ok)
    assert seen.expected == ("YES" if nullable else "NO")
    assert seen.found == ("YES" if nullable is ok else "NO")


@pytest.mark.parametrize(
    ("name", "kind", "ok"),
    [
        ("appointmentId", "text", True),
        ("appointmentId", "TEXT", True),
        ("appointmentId", "integer", False),
        ("id", "integer", True),
        ("id", "int4", True),
        ("Signed At", "timestamp without time zone", True),
        ("Signed At", "timestamp(3) without time zone", True),
        ("Signed At", "timestamp(6) without time zone", False),
        ("Signed At", "timestamp with time zone", False),
        ("total", "numeric", True),
        ("total", "numeric(10,2)", True),
        ("total", "numeric(12,2)", False),
        ("code", "character varying(20)", True),
        ("code", "varchar", True),
        ("mood", "mood", True),
        ("mood", "USER-DEFINED", True),
        ("tags", "text[]", True),
        ("tags", "text", False),
    ],
)
def test_a_type_may_be_said_in_each_of_its_spellings(
    notes: Conn, verify: Verify, name: str, kind: str, ok: bool
) -> None:
    code, report = verify(column("notes", name, f"type = '{kind}'"))
    finding = one(report)
    assert code == (0 if ok else 1), finding.message
    assert finding.status is (Status.PASSED if ok else Status.FAILED)
    if not ok:
        assert finding.code == "MV102"
        assert kind in finding.message


def test_an_expectation_of_nothing_still_wants_the_column(notes: Conn, verify: Verify) -> None:
    code, report = verify(column("notes", "id"))
    assert code == 0
    assert report.verification is not None
    assert report.verification.columns[0].expected is None
    assert report.verification.columns[0].ok


def test_all_expectations_are_in_the_table_in_their_order(notes: Conn, verify: Verify) -> None:
    code, report = verify(
        column("notes", "total", "nullable = true")
        + column("notes", "id", "nullable = false", "type = 'text'")
        + column("notes", "code", "nullable = true")
        + column("note", "id")
    )
    assert code == 1
    assert report.verification is not None
    seen = report.verification.columns
    assert [(c.table, c.column, c.ok) for c in seen] == [
        ("notes", "total", False),
        ("notes", "id", False),
        ("notes", "code", True),
        ("note", "id", False),
    ]
    assert [f.code for f in report.findings] == ["MV101", "MV102", "MV101", "MV103"]


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("table", "name", "nearest"),
    [
        ("note", "id", "did you mean public.notes?"),
        ("Notes", "id", "did you mean public.notes?"),
        ("notes", "appointmentid", "did you mean appointmentId?"),
        ("notes", "signed_at", "did you mean Signed At?"),
        ("nothing like it at all", "id", ""),
        ("notes", "nothing like it at all", ""),
    ],
)
def test_a_name_that_is_not_there_fails_with_the_nearest(
    notes: Conn, verify: Verify, table: str, name: str, nearest: str
) -> None:
    code, report = verify(column(table, name, "nullable = true"))
    finding = one(report)
    assert code == 1
    assert (finding.code, finding.status) == ("MV103", Status.FAILED)
    assert finding.message.endswith(nearest)
    assert report.verification is not None
    (seen,) = report.verification.columns
    assert (seen.expected, seen.found, seen.data_type, seen.ok) == ("YES", None, None, False)


def test_odd_names_are_found_as_they_are_written(conn: Conn, verify: Verify) -> None:
    conn.execute('CREATE SCHEMA "Meine Klinik"')
    conn.execute(
        """CREATE TABLE "Meine Klinik"."Ä.Tabelle %I" ("Straße ""Nr"" %s" text NOT NULL)"""
    )
    code, report = verify(
        """[[column]]
           schema = 'Meine Klinik'
           table = 'Ä.Tabelle %I'
           column = 'Straße "Nr" %s'
           nullable = false
           type = 'text'
        """
    )
    assert code == 0, report.findings


def test_the_schema_key_says_which_of_two_tables_is_meant(conn: Conn, verify: Verify) -> None:
    conn.execute("CREATE SCHEMA tenant")
    conn.execute("CREATE TABLE notes (id int NOT NULL)")
    conn.execute("CREATE TABLE tenant.notes (id int)")
    where = "schema = 'tenant'"
    assert verify(column("notes", "id", "nullable = true", where))[0] == 0
    assert verify(column("notes", "id", "nullable = false", where))[0] == 1
    assert verify(column("notes", "id", "nullable = false"))[0] == 0
    code, report = verify(column("notes", "id", "schema = 'tennant'"))
    assert code == 1
    assert one(report).code == "MV103"
    assert "tenant.notes" in one(report).message


def test_the_urls_schema_is_the_default(conn: Conn, database: str, verify: Verify) -> None:
    conn.execute('CREATE SCHEMA "Tenant A"')
    conn.execute('CREATE TABLE "Tenant A".notes (id int NOT NULL)')
    url = f"{database}{'&' if '?' in database else '?'}schema=Tenant%20A"
    assert verify(column("notes", "id", "nullable = false"), url=url)[0] == 0
    assert verify(column("notes", "id", "nullable = false"))[0] == 1


def test_views_and_partitions_have_columns_too(conn: Conn, verify: Verify) -> None:
    conn.execute("CREATE TABLE parts (id int NOT NULL, at date NOT NULL) PARTITION BY RANGE (at)")
    conn.execute("CREATE VIEW seen AS SELECT id FROM parts")
    conn.execute("CREATE TABLE part PARTITION OF parts DEFAULT")
    expectations = "".join(
        column(table, "id", "type = 'integer'") for table in ("parts", "seen", "part")
    )
    assert verify(expectations)[0] == 0


def test_a_column_that_was_dropped_is_not_there(notes: Conn, verify: Verify) -> None:
    notes.execute("ALTER TABLE notes DROP COLUMN code")
    code, report = verify(column("notes", "code"))
    assert (code, one(report).code) == (1, "MV103")


# ---------------------------------------------------------------- rights


@pytest.fixture
def reader(superuser: Conn, database: str) -> Iterator[tuple[str, str]]:
    """Give the name of a role that owns nothing, and its URL of `database`."""
    name = f"role_{uuid.uuid4().hex[:12]}"
    role = sql.Identifier(name)
    superuser.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'of-a-test'").format(role))
    parts = urlsplit(database)
    host = parts.netloc.rpartition("@")[2]
    yield name, urlunsplit(parts._replace(netloc=f"{name}:of-a-test@{host}"))
    superuser.execute(sql.SQL("DROP OWNED BY {}").format(role))
    superuser.execute(sql.SQL("DROP ROLE {}").format(role))


def test_a_column_that_the_role_may_not_see_is_no_pass_and_says_so(
    notes: Conn, verify: Verify, reader: tuple[str, str]
) -> None:
    name, url = reader
    expectations = column("notes", "total", "nullable = false")
    code, report = verify(expectations, url=url)
    finding = one(report)
    assert (code, finding.code, finding.status) == (1, "MV103", Status.FAILED)
    assert name in finding.message
    assert "may not see" in finding.message
    assert report.verification is not None
    assert not report.verification.columns[0].ok

    notes.execute(sql.SQL("GRANT SELECT (id) ON notes TO {}").format(sql.Identifier(name)))
    assert verify(expectations, url=url)[0] == 1
    assert verify(column("notes", "id"), url=url)[0] == 0
    notes.execute(sql.SQL("GRANT SELECT (total) ON notes TO {}").format(sql.Identifier(name)))
    assert verify(expectations, url=url)[0] == 0


def test_a_schema_that_the_role_may_not_use_hides_nothing_of_its_columns(
    conn: Conn, verify: Verify, reader: tuple[str, str]
) -> None:
    name, url = reader
    conn.execute("CREATE SCHEMA closed")
    conn.execute("CREATE TABLE closed.notes (id int NOT NULL)")
    conn.execute(sql.SQL("GRANT SELECT ON closed.notes TO {}").format(sql.Identifier(name)))
    expectations = column("notes", "id", "nullable = false", "schema = 'closed'")
    assert verify(expectations, url=url)[0] == 0


# ---------------------------------------------------------------- since, and the history


@pytest.fixture
def history(
    migsafe: Callable[..., Called], database: str, workdir: Path
) -> Callable[[str | None], None]:
    """Return a function that writes a history of two and applies it up to a migration."""
    scripts = {
        INIT: 'CREATE TABLE notes (id int PRIMARY KEY, "appointmentId" text NOT NULL);',
        LATER: 'ALTER TABLE notes ALTER "appointmentId" DROP NOT NULL;',
    }
    for name, text in scripts.items():
        folder = workdir / "prisma" / name
        folder.mkdir(parents=True)
        (folder / "migration.sql").write_text(text)

    def apply(to: str | None) -> None:
        until = ("--to", to) if to else ()
        call = ("apply", "--url", database, "--migrations", "prisma", *until)
        assert migsafe(*call).code == 0

    return apply


SINCE = column("notes", "appointmentId", "nullable = true", f"since = '{LATER}'")


def test_an_expectation_waits_for_its_migration(
    history: Callable[[str | None], None], verify: Verify
) -> None:
    history(INIT)
    code, report = verify(SINCE, "--migrations", "prisma")
    (skipped,) = [f for f in report.findings if f.code == "MV101"]
    assert (skipped.status, skipped.migration) == (Status.SKIPPED, LATER)
    assert report.verification is not None
    assert report.verification.columns == ()
    assert code == 1  # the migration is pending

    history(None)
    code, report = verify(SINCE, "--migrations", "prisma")
    assert (code, one(report).status) == (0, Status.PASSED)


def test_since_an_applied_migration_is_held_against_the_schema(
    history: Callable[[str | None], None], verify: Verify, conn: Conn
) -> None:
    history(None)
    conn.execute('ALTER TABLE notes ALTER "appointmentId" SET NOT NULL')
    code, report = verify(SINCE, "--migrations", "prisma")
    assert code == 1
    failed = [f for f in report.findings if f.status is Status.FAILED]
    assert [(f.code, f.migration) for f in failed] == [("MV101", LATER), ("MV106", LATER)]


def test_since_an_unknown_migration_is_a_usage_error_with_the_nearest(
    history: Callable[[str | None], None], verify: Verify
) -> None:
    history(INIT)
    code, report = verify(SINCE.replace("_later", "_latter"), "--migrations", "prisma")
    assert code == 2
    assert f"did you mean {LATER}?" in str(report.error)


def test_since_without_a_history_is_a_usage_error(notes: Conn, verify: Verify) -> None:
    code, report = verify(SINCE)
    assert code == 2
    assert "--migrations" in str(report.error)


def test_pending_migrations_are_a_difference(
    history: Callable[[str | None], None], verify: Verify
) -> None:
    history(INIT)
    code, report = verify(column("notes", "id"), "--migrations", "prisma")
    assert code == 1
    pending = [f for f in report.findings if f.code == "MV105"]
    assert [(f.migration, f.status) for f in pending] == [(LATER, Status.FAILED)]
    history(None)
    code, report = verify(column("notes", "id"), "--migrations", "prisma")
    assert code == 0
    assert [f.code for f in report.findings] == ["MV101"]


@pytest.mark.parametrize("expectations", [None, "", "# nothing yet\n"])
def test_without_expectations_the_history_is_what_is_compared(
    history: Callable[[str | None], None], verify: Verify, expectations: str | None
) -> None:
    history(None)
    code, report = verify(expectations, "--migrations", "prisma")
    assert (code, [f for f in report.findings if f.status is Status.FAILED]) == (0, [])
    assert report.verification is not None
    assert (report.verification.facts or 0) > 0


@pytest.mark.parametrize("expectations", [None, "", "# nothing yet\n"])
def test_without_expectations_and_a_shadow_nothing_is_proved(
    history: Callable[[str | None], None], verify: Verify, expectations: str | None
) -> None:
    history(None)
    code, report = verify(expectations, "--migrations", "prisma", "--shadow", "none")
    assert code == 1
    failed = [f for f in report.findings if f.status is Status.FAILED]
    assert [(f.code, f.severity) for f in failed] == [("MV104", Severity.ERROR)]
    assert report.next == "do what the remedies say, then migsafe verify."


def test_expectations_of_which_none_is_due_prove_nothing(
    history: Callable[[str | None], None], verify: Verify
) -> None:
    history(INIT)
    code, report = verify(SINCE, "--migrations", "prisma", "--shadow", "none")
    assert code == 1
    failed = [f.code for f in report.findings if f.status is Status.FAILED]
    assert "MV104" in failed


def test_the_gate_decides_whether_a_difference_stops(notes: Conn, verify: Verify) -> None:
    code, report = verify(column("notes", "total", "nullable = true"), "--gate", "never")
    assert code == 0
    assert one(report).status is Status.FAILED


def test_verify_writes_nothing(notes: Conn, verify: Verify) -> None:
    verify(column("notes", "id"))
    assert looks.is_untouched(notes)


# ---------------------------------------------------------------- after an apply


def test_apply_verifies_and_a_difference_is_exit_1_with_the_migrations_in_place(
    history: Callable[[str | None], None],
    migsafe: Callable[..., Called],
    database: str,
    workdir: Path,
    conn: Conn,
) -> None:
    (workdir / "audits").mkdir()
    wrong = column("notes", "appointmentId", "nullable = false", f"since = '{LATER}'")
    (workdir / "audits/expectations.toml").write_text(wrong)
    call = ("apply", "--url", database, "--migrations", "prisma", "--format", "json")
    report = migsafe(*call).report
    assert (report.exit_code, [s.outcome for s in report.steps]) == (1, ["done", "done"])
    assert conn.execute("SELECT count(*) FROM _prisma_migrations").fetchone() == (2,)
    stored = conn.execute("SELECT exit_code FROM migsafe.runs").fetchall()
    assert stored == [(1,)]


def test_an_expectation_of_a_migration_that_stops_midway_keeps_exit_6(
    migsafe: Callable[..., Called], database: str, workdir: Path
) -> None:
    for folder in ("db", "audits"):
        (workdir / folder).mkdir()
    (workdir / "db/001_half.sql").write_text(
        "CREATE TABLE half (id int);\nCREATE INDEX CONCURRENTLY ON half (id);\nSELECT 1 / 0;\n"
    )
    text = column("half", "id", "since = '001_half'")
    (workdir / "audits/expectations.toml").write_text(text)
    call = ("--url", database, "--migrations", "db", "--format", "json")
    applied = migsafe("apply", *call)
    assert applied.code == 6, applied.out + applied.err
    assert [s.outcome for s in applied.report.steps] == ["dirty"]
    assert migsafe("verify", *call).code == 6
