"""Roles made by what `migsafe grants` prints can do what they are for, and nothing beyond it."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from tests import roles
from tests.cli.conftest import lay_out
from tests.conftest import Called
from tests.contract.kinds import Flyway

Run = Callable[..., Called]

FILES = {
    "V1__notes.sql": "CREATE TABLE notes (id int PRIMARY KEY, body text);\n"
    'CREATE SCHEMA "More"; CREATE TABLE "More"."Tags" (id int);\n',
    "V2__required.sql": "ALTER TABLE notes ALTER COLUMN body SET NOT NULL;\n",
    "V3__index.sql": "CREATE INDEX CONCURRENTLY by_body ON notes (body);\n",
}
EXPECTED = '[[column]]\ntable = "notes"\ncolumn = "body"\nnullable = {nullable}\n'


@pytest.fixture
def prefix() -> str:
    return f"t{uuid.uuid4().hex[:8]}_"


@pytest.fixture
def database(make_database: Callable[[], str]) -> str:
    """A superuser's URL of a database that no other test uses: it changes hands."""
    url = roles.superusers(make_database())
    with psycopg.connect(url) as conn:
        roles.unprepare(conn)
    return url


@pytest.fixture
def owner(server: str, database: str, prefix: str) -> Iterator[str]:
    """Role that owns the database; it and all roles of the prefix are dropped in the end."""
    name, bare = f"{prefix}owner", urlsplit(database).path[1:]
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f'CREATE ROLE "{name}" LOGIN; ALTER DATABASE "{bare}" OWNER TO "{name}"')
        yield name
        rows = admin.execute(
            "SELECT rolname FROM pg_roles WHERE starts_with(rolname, %s)", [prefix]
        ).fetchall()
        with psycopg.connect(database, autocommit=True) as conn:
            for (role,) in rows:  # their rights in it would keep the roles
                conn.execute(f'REASSIGN OWNED BY "{role}" TO CURRENT_USER')
                conn.execute(f'DROP OWNED BY "{role}"')
        for (role,) in rows:
            admin.execute(f'DROP ROLE "{role}"')


def as_role(url: str, role: str) -> str:
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{role}@{place}"))


@pytest.fixture
def release(migsafe: Run, database: str, owner: str, prefix: str, workdir: Path) -> Run:
    """A database with one of three migrations, and its three roles; run a command as one."""
    folder = workdir / "db"
    folder.mkdir()
    (workdir / "audits").mkdir()
    (workdir / "audits" / "expectations.toml").write_text(EXPECTED.format(nullable="true"))
    for name, text in FILES.items():
        (folder / name).write_text(text)
    first = migsafe(
        "apply", "--url", as_role(database, owner), "--migrations", "db", "--to", "V1__notes"
    )
    assert first.code == 0, first
    printed = migsafe("grants", "--prefix", prefix, "--url", database, "--migrations", "db")
    assert printed.code == 0, printed
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(printed.out.encode())

    def call(role: str, *arguments: str) -> Called:
        url = as_role(database, prefix + role)
        return migsafe(*arguments, "--url", url, "--migrations", "db", "--format", "json")

    return call


def problems(called: Called) -> set[str]:
    return {one.code for one in called.report.findings if one.status == "failed"}


def test_the_audit_role_answers_every_question_and_changes_nothing(
    release: Run, database: str, prefix: str
) -> None:
    for command in ("status", "audit", "plan", "baseline", "history", "lint"):
        called = release("audit", command)
        assert called.code == 0, (command, called)
    assert "MH127" in problems(release("audit", "plan"))
    assert problems(release("audit", "verify")) == {"MV105"}
    asked = [one for one in release("audit", "audit").report.findings if one.source == "derived"]
    assert {str(one.status) for one in asked} == {"passed"}
    with psycopg.connect(as_role(database, f"{prefix}audit"), autocommit=True) as conn:
        assert conn.execute("SELECT count(*) FROM notes").fetchone() == (0,)
        conn.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("DELETE FROM notes")


def test_the_verify_role_sees_the_schema_and_no_row(
    release: Run, database: str, prefix: str
) -> None:
    for command in ("status", "history"):
        called = release("verify", command)
        assert called.code == 0, (command, called)
    assert problems(release("verify", "verify")) == {"MV105"}
    [column] = release("verify", "verify").report.verification.columns  # type: ignore[union-attr]
    assert (column.found, column.ok) == ("YES", True)
    with (
        psycopg.connect(as_role(database, f"{prefix}verify")) as conn,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        conn.execute("SELECT * FROM notes")


def test_the_deploy_role_applies_as_the_owner(
    release: Run, database: str, owner: str, prefix: str, workdir: Path
) -> None:
    (workdir / "audits" / "expectations.toml").write_text(EXPECTED.format(nullable="false"))

    applied = release("deploy", "apply", "--snapshot")

    assert applied.code == 0, applied
    assert [step.outcome for step in applied.report.steps] == ["done", "done"]
    with psycopg.connect(database) as conn:
        owners = conn.execute(
            """SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class
               WHERE relname IN ('notes', 'by_body', 'receipts')"""
        ).fetchall()
        roles = conn.execute("SELECT DISTINCT role FROM migsafe.receipts").fetchall()
    assert owners == [(owner,)]
    assert (f"{prefix}deploy",) in roles
    for role in ("audit", "verify"):  # what came since is readable, too
        assert release(role, "verify").code == 0
        assert release(role, "gate").code == 0


def test_nothing_judges_by_the_part_of_a_record_that_a_policy_shows(
    release: Run, migsafe: Run, database: str, prefix: str
) -> None:
    assert problems(release("verify", "gate")) == {"MV111"}
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("ALTER TABLE migsafe.migrations ENABLE ROW LEVEL SECURITY")
        for role, command in (("verify", "gate"), ("audit", "status"), ("audit", "plan")):
            assert release(role, command).code == 3
        again = migsafe("grants", "--prefix", prefix, "--url", database, "--migrations", "db")
        conn.execute(again.out.encode())
    assert problems(release("verify", "gate")) == {"MV111"}


def test_the_table_of_the_tool_names_who_the_deploy_role_acts_as(
    migsafe: Run, database: str, owner: str, prefix: str, workdir: Path
) -> None:
    lay_out(workdir, {"db/V1__notes.sql": FILES["V1__notes.sql"]})
    with psycopg.connect(as_role(database, owner), autocommit=True) as conn:
        Flyway("flyway").install(conn)
    with psycopg.connect(database, autocommit=True) as conn:
        printed = migsafe("grants", "deploy", "--prefix", prefix, "--url", database)
        conn.execute(printed.out.encode())

        url = as_role(database, f"{prefix}deploy")
        applied = migsafe("apply", "--url", url, "--migrations", "db", "--format", "json")

        assert applied.code == 0, applied
        [written] = conn.execute("SELECT installed_by FROM flyway_schema_history").fetchall()
        [logged_in] = conn.execute("SELECT DISTINCT role FROM migsafe.receipts").fetchall()
    # As Flyway does: it writes current_user.
    assert (written, logged_in) == ((owner,), (f"{prefix}deploy",))


def test_a_record_in_a_schema_of_any_name_may_be_read(
    migsafe: Run, database: str, owner: str, prefix: str, workdir: Path
) -> None:
    lay_out(workdir, {"db/V1__notes.sql": FILES["V1__notes.sql"]})
    with psycopg.connect(as_role(database, owner), autocommit=True) as conn:
        conn.execute('CREATE SCHEMA "Klinik Süd"')
        conn.execute(f'ALTER DATABASE "{conn.info.dbname}" SET search_path = "Klinik Süd"')
        conn.execute('SET search_path = "Klinik Süd"')
        Flyway("flyway").install(conn)
    where = ("--url", database, "--migrations", "db")
    printed = migsafe("grants", "verify", "--prefix", prefix, *where)
    assert printed.code == 0, printed
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(printed.out.encode())

    with psycopg.connect(as_role(database, f"{prefix}verify")) as conn:
        assert conn.execute("SELECT count(*) FROM flyway_schema_history").fetchone() == (0,)


def test_a_ledger_is_written_by_who_may_not_make_it(
    migsafe: Run, database: str, owner: str, prefix: str, workdir: Path
) -> None:
    files = {f"db/V{n}__t{n}.sql": f"CREATE TABLE t{n} (id int);\n" for n in (1, 2)}
    lay_out(workdir, files)
    call = ("--migrations", "db", "--format", "json")
    url, role = as_role(database, f"{prefix}x"), f'"{prefix}x"'
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(f"CREATE ROLE {role} LOGIN; GRANT CREATE ON SCHEMA public TO {role}")
        printed = migsafe("grants", "audit", "--prefix", prefix, "--url", database)
        conn.execute(printed.out.encode())
        conn.execute(f"GRANT USAGE ON SCHEMA migsafe TO {role}")
        for lacking, granted in (
            (
                "CREATE on the database, for migsafe.migrations",
                f'CREATE ON DATABASE "{conn.info.dbname}"',
            ),
            ("CREATE on the schema migsafe", "USAGE ON SCHEMA migsafe"),
        ):
            refused = migsafe("apply", "--snapshot", "--url", url, *call)
            assert refused.code == 3, refused
            assert f"role {prefix}x lacks {lacking}" in refused.err
            assert not (workdir / ".migsafe").exists()
            said = migsafe("plan", "--url", url, *call).report.findings
            assert [lacking in one.message for one in said if one.code == "MH127"] == [True]
            conn.execute(f"GRANT {granted} TO {role}")
        first = ("--to", "V1__t1", *call)
        assert migsafe("apply", "--url", as_role(database, owner), *first).code == 0
        conn.execute(
            f"""REVOKE CREATE ON DATABASE "{conn.info.dbname}" FROM {role};
                GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA migsafe TO {role}"""
        )
    assert migsafe("apply", "--url", url, *call).code == 0


def test_the_deploy_role_applies_where_a_superuser_made_the_ledger(
    migsafe: Run, database: str, owner: str, prefix: str, workdir: Path
) -> None:
    lay_out(workdir, {f"db/{name}": text for name, text in FILES.items()})
    files = ("--migrations", "db")
    assert migsafe("apply", "--url", database, *files, "--to", "V1__notes").code == 0
    before = migsafe("grants", "deploy", "--prefix", prefix, "--url", database, *files)
    assert "is a superuser" in before.out
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(
            f'CREATE ROLE "{prefix}x"; ALTER TABLE notes OWNER TO "{owner}"; '
            f'CREATE TABLE others (id int); ALTER TABLE others OWNER TO "{prefix}x"; '
            f'CREATE TABLE more (id int); ALTER TABLE more OWNER TO "{owner}"; '
            f'ALTER TABLE "More"."Tags" OWNER TO "{owner}"; ALTER SCHEMA "More" OWNER TO "{owner}"'
        )
        printed = migsafe("grants", "deploy", "--prefix", prefix, "--url", database, *files)
        conn.execute(printed.out.encode())

    assert "superuser" not in printed.out
    assert f"-- GRANT {prefix}x TO {owner};" in printed.out
    url = as_role(database, f"{prefix}deploy")
    assert "MH127" not in problems(migsafe("plan", "--url", url, *files, "--format", "json"))
    applied = migsafe("apply", "--url", url, *files, "--format", "json")
    assert applied.code == 0, applied


CHANGES = {
    "alter": ("ALTER TABLE notes ADD COLUMN x int;", "V2__x.sql:1"),
    "index": ("SELECT 1;\nCREATE INDEX by_body ON notes (body);", "V2__x.sql:2"),
    "rename": ("ALTER TABLE public.notes RENAME COLUMN body TO text;", "V2__x.sql:1"),
    "own": ("CREATE TABLE mine (id int); ALTER TABLE mine ADD COLUMN x int;", None),
    "temporary": ("CREATE TEMP TABLE notes (id int); ALTER TABLE notes ADD COLUMN x int;", None),
    "role": ("SET ROLE none; ALTER TABLE notes ADD COLUMN x int;", None),
    "path": (
        "CREATE SCHEMA elsewhere; SET LOCAL search_path = elsewhere;"
        "CREATE TABLE notes (); ALTER TABLE notes ADD x int;",
        None,
    ),
    "role in a block": ("DO $$BEGIN SET ROLE none; END$$; ALTER TABLE notes ADD x int;", None),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_role_that_does_not_own_what_is_changed_is_told_before_anything_runs(
    migsafe: Run, database: str, owner: str, prefix: str, workdir: Path, change: str
) -> None:
    text, place = CHANGES[change]
    lay_out(workdir, {"db/V1__notes.sql": FILES["V1__notes.sql"]})
    assert migsafe("apply", "--url", database, "--migrations", "db").code == 0
    lay_out(workdir, {"db/V2__x.sql": text})
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(
            f'GRANT ALL ON ALL TABLES IN SCHEMA public, migsafe TO "{owner}";'
            f'GRANT ALL ON ALL SEQUENCES IN SCHEMA public, migsafe TO "{owner}";'
            f'GRANT ALL ON SCHEMA public, migsafe TO "{owner}"'
        )
    call = ("--url", as_role(database, owner), "--migrations", "db", "--format", "json")

    planned, applied = migsafe("plan", *call), migsafe("apply", *call)

    said = [one.message for one in planned.report.findings if one.code == "MH127"]
    if place is None:
        assert said == []
        assert applied.code == (5 if "role" in change else 0), applied  # the server's own refusal
        return
    assert applied.code == 3, applied
    assert applied.report.steps == ()
    [message] = said
    for text in (message, str(applied.report.error)):
        assert f"does not own notes, which db/{place} changes" in text


def test_secured_rows_are_said_and_the_owner_is_no_role_to_make(
    migsafe: Run, database: str, owner: str, prefix: str
) -> None:
    with psycopg.connect(as_role(database, owner), autocommit=True) as conn:
        conn.execute("CREATE TABLE private (id int); ALTER TABLE private ENABLE ROW LEVEL SECURITY")

    called = migsafe("grants", "audit", "--prefix", prefix, "--url", database)

    assert f"ALTER ROLE {prefix}audit BYPASSRLS;" in called.out
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(f'CREATE ROLE "{prefix}deploy"; ALTER TABLE private OWNER TO "{prefix}deploy"')
    refused = migsafe("grants", "--prefix", prefix, "--url", database)
    assert refused.code == 2
    assert "owns the database's tables" in refused.err
