"""Names that are nearly right, on a real database; and none reported in real histories."""

import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migsafe import catalog, names, planning
from migsafe.findings import Finding
from migsafe.histories import load
from tests.conftest import Called
from tests.db import test_corpora as corpora

Conn = psycopg.Connection[Any]

NOTES = 'CREATE TABLE clinical_notes (id int, "appointmentId" text);\n'


@pytest.fixture
def planned(migsafe: Callable[..., Called], database: str, workdir: Path) -> Callable[..., Called]:
    """Return a function that plans Prisma migrations, given as texts."""

    def call(*texts: str, command: str = "plan") -> Called:
        for number, text in enumerate(texts, start=1):
            folder = workdir / "prisma" / f"2025010{number}000000_m"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "migration.sql").write_text(text)
        arguments = ("--url", database, "--migrations", workdir / "prisma", "--format", "json")
        return migsafe(command, *arguments, "--gate", "error")

    return call


def misnamed(called: Called) -> list[Finding]:
    return [finding for finding in called.report.findings if finding.code == "MH112"]


def test_a_plan_that_names_a_missing_table_is_refused_before_anything_runs(
    planned: Callable[..., Called], conn: Conn
) -> None:
    texts = (NOTES, '\nALTER TABLE "ClinicalNote" ALTER COLUMN "appointmentId" SET NOT NULL;\n')
    for command in ("plan", "apply"):
        called = planned(*texts, command=command)
        (found,) = misnamed(called)
        assert (called.code, found.severity, found.line) == (1, "error", 2)
        assert found.message.endswith("did you mean clinical_notes?")
        assert conn.execute("SELECT to_regclass('clinical_notes')").fetchone() == (None,)


def test_what_is_live_in_any_form_is_there(planned: Callable[..., Called], conn: Conn) -> None:
    conn.execute(
        """CREATE SCHEMA other; CREATE TABLE other."My Notes" (id serial);
           CREATE VIEW seen AS SELECT 1; CREATE SEQUENCE counter; CREATE TYPE pair AS (a int);
           CREATE TABLE _prisma_migrations (
               id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL,
               finished_at TIMESTAMPTZ, migration_name VARCHAR(255) NOT NULL, logs TEXT,
               rolled_back_at TIMESTAMPTZ, started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
               applied_steps_count INTEGER NOT NULL DEFAULT 0)"""
    )
    called = planned(
        """ALTER TABLE other."My Notes" ADD x int; SELECT * FROM seen, counter;
           CREATE TABLE t (LIKE pair); ALTER TABLE other."My Notes_id_seq" OWNER TO postgres;
           UPDATE _prisma_migrations SET logs = logs;"""
    )
    assert (called.code, misnamed(called)) == (0, [])
    (found,) = misnamed(planned('DELETE FROM other."my notes"; DELETE FROM other."My Notes"'))
    assert found.message.endswith("did you mean other.My Notes?")


def test_the_table_that_an_apply_will_make_for_itself_is_there(
    planned: Callable[..., Called],
) -> None:
    called = planned("DELETE FROM _prisma_migrations WHERE migration_name = 'x';")
    assert (called.code, misnamed(called)) == (0, [])


def test_tables_in_the_search_path_of_the_role_are_there(
    planned: Callable[..., Called], conn: Conn
) -> None:
    conn.execute("CREATE SCHEMA more; CREATE TABLE more.notes (id int)")
    assert len(misnamed(planned("ALTER TABLE notes ADD x int"))) == 1
    conn.execute(f"ALTER DATABASE {conn.info.dbname} SET search_path = public, more")
    assert misnamed(planned("ALTER TABLE notes ADD x int")) == []


@pytest.mark.parametrize(
    ("table", "column", "hint"),
    [
        ("ClinicalNote", "id", "public.clinical_notes"),
        ("clinicalNotes", "id", "public.clinical_notes"),
        ("clinical_notes", "appointmentID", "appointmentId"),
        ("clinical_notes", "appointment_id", "appointmentId"),
    ],
)
def test_expectations_and_audits_offer_the_near_name(
    migsafe: Callable[..., Called],
    database: str,
    conn: Conn,
    workdir: Path,
    table: str,
    column: str,
    hint: str,
) -> None:
    conn.execute(NOTES + "CREATE TABLE clinical_note_tags (id int); CREATE TABLE client (id int)")
    audits = workdir / "audits"
    audits.mkdir()
    (audits / "expectations.toml").write_text(
        f"[[column]]\ntable = '{table}'\ncolumn = '{column}'\n"
    )
    arguments = ("--url", database, "--audits", audits, "--format", "json")
    (found,) = [f for f in migsafe("verify", *arguments).report.findings if f.code == "MV103"]
    assert f"did you mean {hint}?" in found.message
    for name in (f'"{table}"', f'public."{table}"'):
        (audits / "a.sql").write_text(f'-- audit: a\nSELECT n."{column}" FROM {name} AS n;\n')
        (found,) = [f for f in migsafe("audit", *arguments).report.findings if f.code == "MA002"]
        assert f"did you mean {hint}?" in found.message or (
            f"did you mean {hint.removeprefix('public.')}?" in found.message
        )


# ---------------------------------------------------------------- real histories


@pytest.mark.corpora
@pytest.mark.skipif(not corpora.SHARED, reason="MIGSAFE_SHARED names no real histories")
@pytest.mark.parametrize("project", corpora.projects(), ids=lambda project: str(project["name"]))
def test_nothing_is_misnamed_in_a_real_history(
    project: dict[str, Any], conn: Conn, server_major: int, workdir: Path
) -> None:
    """Judge it whole from an empty database, and its rest at up to 20 random places."""
    steps = _steps(project, server_major, workdir)
    assert names.check(steps, frozenset(), ["public"]) == []
    if path := corpora._setup(project).get("search_path"):
        conn.execute(f"SET search_path = {path}")
    chance = random.Random(os.environ.get("MIGSAFE_SEED", project["name"]))
    places = set(chance.sample(range(len(steps)), min(20, len(steps))))
    for place, step in enumerate(steps):
        if place in places:
            relations, schemas = catalog.relations(conn)
            assert names.check(steps[place:], relations, schemas) == []
        if not _ran(conn, step):
            break


def _steps(project: dict[str, Any], major: int, workdir: Path) -> Sequence[planning.Step]:
    directory = load(corpora._migrations(project, workdir), corpora._config(project))
    wanted = [m.name for m in directory.migrations]
    last = corpora._last_good(project, major)
    end = wanted.index(last) + 1 if last in wanted else len(wanted)
    return [planning.step(migration) for migration in directory.migrations[:end]]


def _ran(conn: Conn, step: planning.Step) -> bool:
    """Run a step; where this server lacks an extension, the history ends there."""
    path = conn.execute("SELECT current_setting('search_path')").fetchone()
    try:
        if step.alone:
            for statement in step.statements:
                conn.execute(statement.text)
        else:
            with conn.transaction():
                conn.execute(step.migration.text)
    except (psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFile):
        return False
    finally:
        conn.execute("RESET ALL; SET client_min_messages = error")
        conn.execute("SELECT set_config('search_path', %s, false)", path)
    return True
