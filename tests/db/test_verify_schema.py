"""Verify: the live schema against the one that the recorded migrations make."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migsafe.findings import Finding, Severity, Status
from migsafe.reports import Report
from tests.cli import databases
from tests.conftest import Called

Conn = psycopg.Connection[Any]
Run = Callable[..., Called]

FIRST, SECOND = "001_people", "002_visits"
MIGRATIONS = {
    FIRST: """CREATE SCHEMA "My App";
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE "My App"."People" (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "eMail" varchar(80) NOT NULL,
    age int DEFAULT 18 CHECK (age >= 0),
    feels mood NOT NULL DEFAULT 'good'
);
COMMENT ON TABLE "My App"."People" IS 'who comes';
CREATE INDEX "By Age" ON "My App"."People" (age);
CREATE UNIQUE INDEX by_mail ON "My App"."People" ("eMail");
CREATE VIEW adults AS SELECT id, "eMail" FROM "My App"."People" WHERE age >= 18;
""",
    SECOND: """CREATE TABLE visits (
    id bigint PRIMARY KEY,
    person int NOT NULL REFERENCES "My App"."People" (id) ON DELETE CASCADE,
    note text
);
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN new; END$$;
CREATE TRIGGER "On Write" BEFORE INSERT ON visits FOR EACH ROW EXECUTE FUNCTION stamp();
""",
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("replays")


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
def run(migsafe: Run, database: str, workdir: Path, kept: Path) -> Run:
    """Apply the two migrations; return what runs a command on them. Replays are shared."""
    (workdir / ".migsafe").mkdir()
    (workdir / ".migsafe" / "replays").symlink_to(kept)
    (workdir / "db").mkdir()
    for name, text in MIGRATIONS.items():
        (workdir / "db" / f"{name}.sql").write_text(text)

    def call(command: str, *arguments: object) -> Called:
        where = ("--url", database, "--migrations", "db", "--format", "json")
        return migsafe(command, *where, *arguments)

    assert call("apply").code == 0
    return call


def failed(called: Called, code: str = "MV106") -> list[Finding]:
    found = called.report.findings
    return [f for f in found if f.code == code and f.status is Status.FAILED]


def undo(report: Report) -> list[str]:
    assert report.verification is not None
    return [d.undo for d in report.verification.differences if d.undo]


def test_what_was_applied_is_as_expected(run: Run) -> None:
    called = run("verify")

    assert (called.code, failed(called)) == (0, [])
    verification = called.report.verification
    assert verification is not None
    assert verification.differences == ()
    assert (verification.facts or 0) > 20


PEOPLE = '"My App"."People"'

#: What somebody did by hand, the exit code at the default gate, the severity, and the migration.
DRIFTS = [
    (f'ALTER TABLE {PEOPLE} ALTER "eMail" DROP NOT NULL', 1, "error", FIRST),
    (f"ALTER TABLE {PEOPLE} ALTER age SET NOT NULL", 1, "error", FIRST),
    (f"ALTER TABLE {PEOPLE} ALTER age SET DEFAULT 21", 1, "error", FIRST),
    (f"ALTER TABLE {PEOPLE} ALTER age DROP DEFAULT", 1, "error", FIRST),
    ("ALTER TABLE visits ALTER note TYPE varchar(99)", 1, "error", SECOND),
    (f'ALTER TABLE {PEOPLE} ADD COLUMN "By Hand" int', 1, "error", None),
    (f'ALTER TABLE {PEOPLE} DROP CONSTRAINT "People_age_check"', 1, "error", FIRST),
    (f"ALTER TABLE {PEOPLE} ADD CONSTRAINT adult CHECK (age > 17)", 1, "error", None),
    ('DROP INDEX "My App".by_mail', 1, "error", FIRST),
    ('DROP INDEX "My App"."By Age"', 0, "warning", FIRST),
    (f"CREATE INDEX extra ON {PEOPLE} (feels)", 0, "warning", None),
    (f"COMMENT ON TABLE {PEOPLE} IS 'other'", 0, "info", FIRST),
    (f"COMMENT ON TABLE {PEOPLE} IS NULL", 0, "info", FIRST),
    ("COMMENT ON COLUMN visits.note IS 'it''s'", 0, "info", None),
    ('DROP TRIGGER "On Write" ON visits', 1, "error", SECOND),
    ("ALTER TABLE visits DROP CONSTRAINT visits_person_fkey", 1, "error", SECOND),
    ("ALTER TABLE visits ENABLE ROW LEVEL SECURITY", 1, "error", None),
    ("DROP VIEW adults", 1, "error", FIRST),
    ("ALTER TABLE visits SET (fillfactor = 70)", 0, "warning", None),
]


@pytest.mark.parametrize(("drift", "code", "severity", "migration"), DRIFTS)
def test_what_somebody_changed_is_found_and_can_be_undone(
    run: Run, conn: Conn, drift: str, code: int, severity: str, migration: str | None
) -> None:
    conn.execute(drift.encode())

    called = run("verify")

    assert called.code == code, called.out
    found = failed(called)
    assert found
    assert min((f.severity for f in found), key=list(Severity).index) == severity
    assert migration in {f.migration for f in found} or migration is None
    statements = undo(called.report)
    assert statements
    assert any(statement in str(f.remedy) for f in found for statement in statements)
    for statement in statements:
        conn.execute(statement.encode())
    again = run("verify", "--gate", "info")
    assert (again.code, failed(again)) == (0, []), again.out


@pytest.mark.parametrize(
    "drift",
    [
        "DROP TABLE visits",
        "DROP FUNCTION stamp() CASCADE",
        "ALTER TYPE mood ADD VALUE 'so so'",
        "CREATE OR REPLACE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
        "ALTER TABLE visits RENAME note TO notes",
        f"ALTER TABLE {PEOPLE} RENAME TO people",
        f"ALTER TABLE {PEOPLE} ALTER id SET GENERATED BY DEFAULT",
        'CREATE OR REPLACE VIEW adults AS SELECT id, "eMail" FROM "My App"."People"',
        "ALTER TABLE visits DROP CONSTRAINT visits_pkey",
        "ALTER TABLE visits DROP CONSTRAINT visits_person_fkey, ADD CONSTRAINT visits_person_fkey "
        'FOREIGN KEY (person) REFERENCES "My App"."People" (id)',
        "CREATE POLICY p ON visits USING (true)",
    ],
)
def test_a_difference_of_any_kind_stops_the_default_gate(run: Run, conn: Conn, drift: str) -> None:
    conn.execute(drift.encode())

    called = run("verify")

    assert called.code == 1, called.out
    assert failed(called)


def test_nullability_comes_first(run: Run, conn: Conn) -> None:
    conn.execute("ALTER TABLE visits ADD COLUMN a int, ALTER note SET NOT NULL")
    conn.execute(f'ALTER TABLE {PEOPLE} ALTER "eMail" DROP NOT NULL')

    verification = run("verify").report.verification

    assert verification is not None
    aspects = [difference.fact.rpartition(" ")[2] for difference in verification.differences]
    assert aspects == sorted(aspects, key=lambda aspect: aspect != "nullable")
    assert aspects.count("nullable") >= 2


def test_what_the_history_never_spoke_of_is_no_difference(run: Run, conn: Conn) -> None:
    conn.execute("CREATE TABLE foreigner (id int)")
    conn.execute("CREATE SCHEMA other; CREATE TABLE other.visits (id int)")
    conn.execute("CREATE FUNCTION stamp(int) RETURNS int LANGUAGE sql AS 'SELECT 1'")

    called = run("verify", "--gate", "info")

    assert (called.code, failed(called)) == (0, []), called.out


# ---------------------------------------------------------------- leftovers


def test_an_invalid_index_of_the_history_is_an_error(run: Run, conn: Conn) -> None:
    conn.execute('DROP INDEX "My App".by_mail')
    conn.execute(f"INSERT INTO {PEOPLE} (\"eMail\") VALUES ('a'), ('a')")
    with suppress(psycopg.errors.UniqueViolation):
        conn.execute(f'CREATE UNIQUE INDEX CONCURRENTLY by_mail ON {PEOPLE} ("eMail")')

    called = run("verify")

    assert called.code == 1
    (finding,) = failed(called, "MV107")
    assert (finding.severity, "by_mail" in finding.message) == ("error", True)
    conn.execute(f"DELETE FROM {PEOPLE} WHERE id = 2")
    conn.execute('REINDEX INDEX "My App".by_mail')
    assert run("verify", "--gate", "info").code == 0


def test_an_invalid_index_of_somebody_else_is_a_warning(run: Run, conn: Conn) -> None:
    conn.execute('INSERT INTO "My App"."People" ("eMail", age) VALUES (\'a\', 1), (\'b\', 1)')
    with suppress(psycopg.errors.UniqueViolation):
        conn.execute(f"CREATE UNIQUE INDEX CONCURRENTLY mine ON {PEOPLE} (age)")

    called = run("verify")

    assert called.code == 1, called.out  # while it is there, it may refuse rows
    assert [f.severity for f in failed(called, "MV107")] == ["warning"]
    for statement in undo(called.report):
        conn.execute(statement.encode())
    assert run("verify", "--gate", "info").code == 0


def test_a_constraint_that_was_never_validated_is_found(run: Run, conn: Conn) -> None:
    conn.execute("ALTER TABLE visits DROP CONSTRAINT visits_person_fkey")
    conn.execute(
        """ALTER TABLE visits ADD CONSTRAINT visits_person_fkey FOREIGN KEY (person)
           REFERENCES "My App"."People" (id) ON DELETE CASCADE NOT VALID"""
    )

    called = run("verify")

    assert called.code == 1
    assert [f.severity for f in failed(called, "MV108")] == ["warning"]
    conn.execute(str(failed(called, "MV108")[0].remedy).encode())
    assert run("verify", "--gate", "info").code == 0


def test_a_trigger_that_is_off_is_found(run: Run, conn: Conn) -> None:
    conn.execute('ALTER TABLE visits DISABLE TRIGGER "On Write"')

    called = run("verify")

    assert called.code == 1
    assert [f.severity for f in failed(called, "MV109")] == ["error"]
    conn.execute('ALTER TABLE visits ENABLE TRIGGER "On Write"')
    assert run("verify", "--gate", "info").code == 0


# ---------------------------------------------------------------- owners, grants, no shadow


def test_owners_and_grants_are_compared_only_when_asked(run: Run, superuser: Conn) -> None:
    name = "somebody_of_verify"
    superuser.execute(f"CREATE ROLE {name}".encode())
    try:
        superuser.execute(f"ALTER TABLE visits OWNER TO {name}".encode())
        superuser.execute(f"GRANT SELECT ON {PEOPLE} TO {name}".encode())

        plain, owners = run("verify", "--gate", "info"), run("verify", "--owners")
        grants, both = run("verify", "--grants"), run("verify", "--owners", "--grants")
    finally:
        superuser.execute(f"DROP OWNED BY {name} CASCADE".encode())
        superuser.execute(f"DROP ROLE {name}".encode())

    assert (plain.code, failed(plain)) == (0, [])
    for called, aspects in ((owners, {"owner"}), (grants, {"grant"}), (both, {"owner", "grant"})):
        verification = called.report.verification
        assert verification is not None
        found = {a for d in verification.differences for a in ("owner", "grant") if a in d.fact}
        assert found == aspects
        assert failed(called)
    assert name in grants.out


def test_without_a_shadow_only_expectations_are_compared_and_it_is_said(
    run: Run, conn: Conn, workdir: Path
) -> None:
    conn.execute("ALTER TABLE visits ADD COLUMN by_hand int")
    (workdir / "audits").mkdir()
    column = '[[column]]\ntable = "visits"\ncolumn = "note"\nnullable = true\n'
    (workdir / "audits/expectations.toml").write_text(column)

    called = run("verify", "--shadow", "none")

    assert called.code == 0, called.out
    (said,) = [f for f in called.report.findings if f.code == "MV104"]
    assert "--shadow none" in said.message
    verification = called.report.verification
    assert verification is not None
    assert (verification.differences, verification.facts) == ((), None)
    assert run("verify").code == 1


def test_a_shadow_that_cannot_be_had_is_no_proof(run: Run) -> None:
    called = run("verify", "--shadow", "postgresql://nobody:hunter2@127.0.0.1:1/x")

    assert called.code == 3
    assert "hunter2" not in called.out + called.err
    assert len(called.err.splitlines()) == 1


# ---------------------------------------------------------------- the record and the schema


def test_a_recorded_migration_that_is_not_in_effect_is_named(run: Run, conn: Conn) -> None:
    conn.execute("DROP TABLE visits; DROP FUNCTION stamp()")

    called = run("verify")

    assert called.code == 1
    assert {f.migration for f in failed(called)} == {SECOND}


def test_a_pending_migration_is_not_expected(run: Run, conn: Conn) -> None:
    conn.execute("DROP TABLE visits; DROP FUNCTION stamp()")
    conn.execute(f"DELETE FROM migsafe.migrations WHERE name = '{SECOND}'".encode())

    called = run("verify")

    assert called.code == 1
    assert failed(called) == []
    assert [f.migration for f in failed(called, "MV105")] == [SECOND]
    assert run("apply").code == 0
    assert run("verify").code == 0


def test_a_history_that_does_not_replay_proves_nothing(run: Run, workdir: Path) -> None:
    file = workdir / "db" / f"{SECOND}.sql"
    file.write_text("CREATE EXTENSION nosuch;\n" + file.read_text())

    called = run("verify")

    assert called.code == 1
    assert [f.migration for f in failed(called, "MH117")] == [SECOND]
    verification = called.report.verification
    assert verification is not None
    assert verification.facts is None


def test_what_the_environment_has_is_not_the_historys_business(
    run: Run, conn: Conn, workdir: Path
) -> None:
    (workdir / "setup.sql").write_text("CREATE SCHEMA env; CREATE TABLE env.users (id int);")
    (workdir / "migsafe.toml").write_text('[shadow]\nprelude = ["setup.sql"]\n')
    conn.execute("CREATE SCHEMA env; CREATE TABLE env.users (id text, more int)")

    called = run("verify", "--gate", "info")

    assert (called.code, failed(called)) == (0, []), called.out


def test_verify_writes_nothing(run: Run, conn: Conn) -> None:
    runs = "SELECT count(*) FROM migsafe.runs"
    before = conn.execute(runs.encode()).fetchone()
    conn.execute("ALTER TABLE visits ADD COLUMN by_hand int")

    assert run("verify").code == 1

    assert conn.execute(runs.encode()).fetchone() == before
