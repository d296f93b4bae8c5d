"""One body for every kind of history, through the command line, on a real database.

What a tool would have written is in `kinds`; migsafe must read it, and write the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from tests.conftest import Called
from tests.contract import looks
from tests.contract.kinds import KINDS, LAYOUTS, Connection, Flyway, Kind, Prisma, Sample

PEOPLE = Sample(
    1,
    "create_people",
    "CREATE TABLE people (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n"
    "                     email text NOT NULL);",
)
VISITS = Sample(
    2,
    "create_visits",
    """CREATE TABLE visits (
    person bigint NOT NULL REFERENCES people (id),
    share text NOT NULL DEFAULT '100% of :all' CHECK (share <> '%s')
);
CREATE FUNCTION share() RETURNS text LANGUAGE sql AS $body$ SELECT '100%; $1' $body$;
COMMENT ON TABLE visits IS 'what; a ''semicolon'' -- is not';""",
)
NOTES = Sample(3, "create_notes", "CREATE TABLE notes (body text);")

#: The first statements of these work; the last one cannot.
FIRST_BROKEN = Sample(1, PEOPLE.title, f"{PEOPLE.sql}\nSELECT 1 / (SELECT count(*) FROM people);")
BROKEN = Sample(2, "create_visits", f"{VISITS.sql}\nSELECT nowhere FROM people;")
CONCURRENT = Sample(
    2, "index_email", "CREATE INDEX CONCURRENTLY people_email ON people (email);", alone=True
)
LOST = Sample(2, "index_email", "CREATE INDEX CONCURRENTLY lost ON people (nowhere);", alone=True)
UNIQUE = Sample(
    2, "index_email", "CREATE UNIQUE INDEX CONCURRENTLY one_email ON people (email);", alone=True
)
HALF_UNIQUE = Sample(2, "index_email", f"CREATE TABLE half ();\n{UNIQUE.sql}", alone=True)
HALF_LOST = Sample(2, "index_email", f"CREATE TABLE half ();\n{LOST.sql}", alone=True)


@dataclass(frozen=True, slots=True)
class Stage:
    """A directory of one kind, a database, and the command line on both."""

    kind: Kind
    url: str
    folder: Path
    conn: Connection
    cli: Callable[..., Called]

    def call(self, command: str, *arguments: str) -> Called:
        where = ("--url", self.url, "--migrations", str(self.folder))
        return self.cli(command, *where, "--format", "json", *arguments)

    def write(self, *samples: Sample) -> None:
        self.kind.write(self.folder, *samples)

    def deploy(self, *samples: Sample) -> None:
        """Let the tool itself apply migrations, or migsafe where the table is its own."""
        self.write(*samples)
        if not self.kind.foreign:
            assert self.call("apply").code == 0
            return
        for sample in samples:
            self.conn.execute(sample.sql.encode())
            self.kind.record(self.conn, self.folder, sample)

    def name(self, sample: Sample) -> str:
        return self.kind.name(sample)

    def rows(self) -> list[dict[str, object]]:
        return self.kind.rows(self.conn)

    def expected(self, *samples: Sample) -> list[dict[str, object]]:
        return self.kind.expected(self.conn, self.folder, samples)

    def pending(self) -> tuple[str, ...]:
        history = self.call("status").report.history
        assert history is not None
        return history.pending

    def codes(self, *arguments: str) -> list[str]:
        """The codes of the findings about the history that a status has."""
        return [finding.code for finding in self.call("status", *arguments).report.findings]


def _stage(
    kind: Kind, database: str, conn: Connection, migsafe: Callable[..., Called], workdir: Path
) -> Stage:
    folder = workdir / "migrations"
    folder.mkdir()
    return Stage(kind, database, folder, conn, migsafe)


@pytest.fixture(params=KINDS, ids=lambda kind: str(kind.id))
def stage(
    request: pytest.FixtureRequest,
    database: str,
    conn: Connection,
    migsafe: Callable[..., Called],
    workdir: Path,
) -> Stage:
    """An empty database where the tool has made its table, for every kind."""
    made = _stage(request.param, database, conn, migsafe, workdir)
    made.kind.install(conn)
    return made


@pytest.fixture(params=LAYOUTS, ids=lambda kind: str(kind.id))
def layout(
    request: pytest.FixtureRequest,
    database: str,
    conn: Connection,
    migsafe: Callable[..., Called],
    workdir: Path,
) -> Stage:
    """An empty database, for every layout without a table of its tool."""
    return _stage(request.param, database, conn, migsafe, workdir)


@pytest.fixture
def flyway(database: str, conn: Connection, migsafe: Callable[..., Called], workdir: Path) -> Stage:
    """An empty database where Flyway has made its table."""
    made = _stage(Flyway("flyway"), database, conn, migsafe, workdir)
    made.kind.install(conn)
    return made


# ---------------------------------------------------------------- running


def _applies_all_once(stage: Stage) -> None:
    stage.write(PEOPLE, VISITS, NOTES)

    applied = stage.call("apply")

    assert applied.code == 0, applied.out
    assert [(s.migration, s.outcome) for s in applied.report.steps] == [
        (stage.name(sample), "done") for sample in (PEOPLE, VISITS, NOTES)
    ]
    assert stage.rows() == stage.expected(PEOPLE, VISITS, NOTES)
    assert looks.receipts(stage.conn) == [
        (stage.name(sample), "done", None) for sample in (PEOPLE, VISITS, NOTES)
    ]
    assert {"people", "visits", "notes"} <= set(looks.tables(stage.conn))

    before = looks.everything(stage.conn)
    status, again = stage.call("status"), stage.call("apply")

    assert status.code == 0
    assert status.report.history is not None
    assert status.report.history.state == "managed"
    assert status.report.history.pending == ()
    assert status.report.findings == ()
    assert again.code == 0
    assert again.report.steps == ()
    assert looks.everything(stage.conn) == before


def test_a_fresh_apply_runs_all_and_a_second_changes_nothing(stage: Stage) -> None:
    _applies_all_once(stage)


def test_a_layout_applies_all_and_a_second_apply_changes_nothing(layout: Stage) -> None:
    _applies_all_once(layout)


def test_what_the_tool_recorded_stays_and_only_the_rest_runs(stage: Stage) -> None:
    stage.deploy(PEOPLE)
    stage.write(VISITS, NOTES)
    first = stage.rows()
    assert stage.pending() == (stage.name(VISITS), stage.name(NOTES))

    applied = stage.call("apply")

    assert applied.code == 0, applied.out
    assert [s.migration for s in applied.report.steps] == [stage.name(VISITS), stage.name(NOTES)]
    rows = stage.rows()
    assert rows == stage.expected(PEOPLE, VISITS, NOTES)
    assert len(rows) == 1 or rows[:1] == first


def test_apply_to_a_migration_leaves_the_later_ones(stage: Stage) -> None:
    stage.write(PEOPLE, VISITS, NOTES)

    applied = stage.call("apply", "--to", stage.name(VISITS))

    assert applied.code == 0, applied.out
    assert stage.rows() == stage.expected(PEOPLE, VISITS)
    assert "notes" not in looks.tables(stage.conn)
    assert stage.pending() == (stage.name(NOTES),)
    before = looks.everything(stage.conn)
    wrong = stage.call("apply", "--to", stage.name(NOTES) + "s")
    assert wrong.code == 2
    assert stage.name(NOTES) in (wrong.report.error or "")
    assert looks.everything(stage.conn) == before


# ---------------------------------------------------------------- failing


@pytest.mark.parametrize("earlier", [False, True], ids=["empty", "earlier-ones-applied"])
def test_a_failing_last_statement_leaves_everything_as_it_was(stage: Stage, earlier: bool) -> None:
    bad, good, last = FIRST_BROKEN, PEOPLE, 2
    if earlier:
        stage.deploy(PEOPLE)
        bad, good, last = BROKEN, VISITS, 4
    stage.write(bad)
    before = looks.everything(stage.conn)

    failed = stage.call("apply")

    assert failed.code == 5, failed.out
    step = failed.report.steps[-1]
    assert (step.migration, step.outcome, step.statement) == (stage.name(bad), "failed", last)
    assert looks.everything(stage.conn) == before

    stage.write(good)
    assert stage.call("apply").code == 0
    assert stage.rows() == stage.expected(*((PEOPLE, VISITS) if earlier else (PEOPLE,)))
    assert stage.codes() == []


def test_what_comes_after_a_failure_is_skipped(stage: Stage) -> None:
    stage.write(PEOPLE, BROKEN, NOTES)

    failed = stage.call("apply")

    assert failed.code == 5
    assert [s.outcome for s in failed.report.steps] == ["done", "failed", "skipped"]
    assert stage.rows() == stage.expected(PEOPLE)
    assert not {"visits", "notes"} & set(looks.tables(stage.conn))
    assert stage.pending() == (stage.name(BROKEN), stage.name(NOTES))


# ---------------------------------------------------------------- outside a transaction


def _indexes_concurrently(stage: Stage) -> None:
    stage.deploy(PEOPLE)
    stage.write(CONCURRENT)

    applied = stage.call("apply")

    assert applied.code == 0, applied.out
    name = stage.name(CONCURRENT)
    events = [r for r in looks.receipts(stage.conn) if r[0] == name]
    statements = [event for event in events if event[1] == "statement"]
    assert (events[0], events[-1]) == ((name, "began", None), (name, "done", None))
    assert events[1:-1] == statements
    assert [number for _, _, number in statements] == list(range(1, len(statements) + 1))
    assert statements
    assert stage.rows() == stage.expected(PEOPLE, CONCURRENT)
    assert stage.call("status").code == 0


def test_an_index_built_concurrently_leaves_its_receipts(stage: Stage) -> None:
    _indexes_concurrently(stage)


def test_a_layout_builds_an_index_concurrently(layout: Stage) -> None:
    _indexes_concurrently(layout)


def test_a_concurrent_index_that_fails_cleanly_leaves_the_ledger_as_it_was(stage: Stage) -> None:
    stage.deploy(PEOPLE)
    stage.write(LOST)
    rows = stage.rows()

    failed = stage.call("apply")

    assert failed.code == 5, failed.out
    assert stage.rows() == rows
    assert [r[1] for r in looks.receipts(stage.conn)][-2:] == ["began", "failed"]
    status = stage.call("status")
    assert status.code == 0
    assert status.report.history is not None
    assert status.report.history.pending == (stage.name(LOST),)
    stage.write(CONCURRENT)
    assert stage.call("apply").code == 0
    assert stage.rows() == stage.expected(PEOPLE, CONCURRENT)


def test_an_index_that_cannot_be_built_leaves_nothing(stage: Stage) -> None:
    stage.deploy(PEOPLE)
    rows = stage.rows()
    stage.write(UNIQUE)
    stage.conn.execute("INSERT INTO people (email) VALUES ('a'), ('a')")

    failed = stage.call("apply", "--no-derived")

    assert failed.code == 5, failed.out
    assert [s.outcome for s in failed.report.steps] == ["failed"]
    assert looks.invalid_indexes(stage.conn) == []
    assert stage.rows() == rows
    assert [r[1] for r in looks.receipts(stage.conn)][-2:] == ["began", "failed"]
    assert stage.call("status").code == 0
    assert stage.pending() == (stage.name(UNIQUE),)
    stage.conn.execute("DELETE FROM people WHERE id = 2")
    assert stage.call("apply").code == 0
    assert stage.rows() == stage.expected(PEOPLE, UNIQUE)


def test_an_index_that_cannot_be_built_after_other_statements_is_dirty(stage: Stage) -> None:
    stage.deploy(PEOPLE)
    stage.write(HALF_UNIQUE)
    name = stage.name(HALF_UNIQUE)
    stage.conn.execute("INSERT INTO people (email) VALUES ('a'), ('a')")

    dirty = stage.call("apply", "--no-derived")

    assert dirty.code == 6, dirty.out
    assert [s.outcome for s in dirty.report.steps] == ["dirty"]
    assert looks.invalid_indexes(stage.conn) == []
    before = looks.everything(stage.conn)
    status, again = stage.call("status"), stage.call("apply", "--no-derived")
    assert (status.code, again.code) == (6, 6)
    assert status.report.history is not None
    assert status.report.history.state == "dirty"
    assert [f.migration for f in status.report.findings if f.code == "MH104"] == [name]
    assert stage.call("resolve", "--applied", name).code == 1
    assert looks.everything(stage.conn) == before

    stage.conn.execute("DROP TABLE half")
    assert stage.call("resolve", "--rolled-back", name).code == 0
    assert stage.call("status").code == 0
    assert stage.pending() == (name,)
    stage.conn.execute("DELETE FROM people WHERE id = 2")
    assert stage.call("apply", "--no-derived").code == 0
    settled = [row for row in stage.rows() if not row.get("rolled_back_at")]
    assert settled == stage.expected(PEOPLE, HALF_UNIQUE)


def _unfinished(stage: Stage) -> None:
    """Leave the index of HALF_UNIQUE for somebody else to build."""
    stage.deploy(PEOPLE)
    stage.write(HALF_UNIQUE)
    stage.conn.execute("INSERT INTO people (email) VALUES ('a'), ('a')")
    assert stage.call("apply", "--no-derived").code == 6
    stage.conn.execute("DELETE FROM people WHERE id = 2")
    stage.conn.execute("CREATE UNIQUE INDEX one_email ON people (email)")


def test_an_unfinished_migration_may_be_finished_by_hand(stage: Stage) -> None:
    _unfinished(stage)

    resolved = stage.call("resolve", "--applied", stage.name(HALF_UNIQUE))

    assert resolved.code == 0, resolved.out
    status = stage.call("status")
    assert status.code == 0
    assert status.report.history is not None
    assert status.report.history.state == "managed"
    assert stage.pending() == ()


def test_a_statement_that_was_committed_before_a_failure_makes_it_dirty(stage: Stage) -> None:
    stage.deploy(PEOPLE)
    stage.write(HALF_LOST, NOTES)
    name = stage.name(HALF_LOST)

    dirty = stage.call("apply", "--no-derived")

    assert dirty.code == 6, dirty.out
    assert [(s.outcome, s.statement) for s in dirty.report.steps] == [
        ("dirty", 2),
        ("skipped", None),
    ]
    assert looks.receipts(stage.conn)[-2:] == [(name, "began", None), (name, "statement", 1)]
    assert "half" in looks.tables(stage.conn)
    before = looks.everything(stage.conn)
    assert [stage.call(command).code for command in ("status", "plan", "apply")] == [6, 6, 6]
    assert looks.everything(stage.conn) == before
    stage.conn.execute("DROP TABLE half")
    assert stage.call("resolve", "--rolled-back", name, "--force").code == 0
    stage.write(CONCURRENT)
    assert stage.call("apply", "--no-derived").code == 0
    assert stage.pending() == ()


def test_what_was_left_unfinished_may_be_finished_by_the_tool(stage: Stage) -> None:
    if not stage.kind.foreign:
        pytest.skip("no other tool writes this table")
    _unfinished(stage)
    stage.kind.settle(stage.conn, stage.folder, HALF_UNIQUE)
    rows = stage.rows()
    assert stage.call("status").code == 6

    resolved = stage.call("resolve", "--applied", stage.name(HALF_UNIQUE), "--force")

    assert resolved.code == 0, resolved.out
    assert stage.rows() == rows
    assert stage.call("status").code == 0
    assert stage.pending() == ()


# ---------------------------------------------------------------- resolving


def test_a_migration_recorded_by_hand_is_not_run(stage: Stage) -> None:
    stage.deploy(PEOPLE)
    stage.write(VISITS)
    stage.conn.execute("CREATE TABLE visits ()")

    resolved = stage.call("resolve", "--applied", stage.name(VISITS), "--force")

    assert resolved.code == 0, resolved.out
    rows = stage.rows()
    assert rows[-1] == stage.kind.expected_resolved(stage.conn, stage.folder, VISITS)
    assert looks.receipts(stage.conn)[-1] == (stage.name(VISITS), "applied", None)
    again = stage.call("apply")
    assert again.code == 0
    assert again.report.steps == ()
    assert stage.rows() == rows
    twice = stage.call("resolve", "--applied", stage.name(VISITS), "--force")
    assert twice.code == 2
    assert stage.rows() == rows


def test_a_claim_that_the_schema_contradicts_changes_nothing(stage: Stage) -> None:
    stage.deploy(PEOPLE)
    stage.write(VISITS)
    before = looks.everything(stage.conn)

    refused = stage.call("resolve", "--applied", stage.name(VISITS))

    assert refused.code == 1
    assert [finding.code for finding in refused.report.findings] == ["MH114"]
    for claim in ("--rolled-back", "--applied"):
        assert stage.call("resolve", claim, stage.name(PEOPLE), "--force").code == 2
        assert stage.call("resolve", claim, "no_such_migration", "--force").code == 2
    assert looks.everything(stage.conn) == before


def test_what_the_tool_calls_failed_stops_everything_until_it_is_resolved(stage: Stage) -> None:
    if not stage.kind.can_fail:
        pytest.skip(f"{stage.kind.tool} keeps no record of a failure")
    stage.deploy(PEOPLE)
    stage.write(VISITS)
    stage.kind.fail(stage.conn, stage.folder, VISITS)
    before = looks.everything(stage.conn)

    codes = [stage.call(command).code for command in ("status", "plan", "apply")]

    assert codes == [7, 7, 7]
    status = stage.call("status").report
    assert status.history is not None
    assert status.history.state == "failed"
    assert status.history.failed == (stage.name(VISITS),)
    assert looks.everything(stage.conn) == before
    resolved = stage.call("resolve", "--rolled-back", stage.name(VISITS))
    assert resolved.code == 0, resolved.out
    assert stage.call("apply").code == 0
    settled = [row for row in stage.rows() if not row.get("rolled_back_at")]
    assert settled == stage.expected(PEOPLE, VISITS)


def test_tables_without_a_ledger_are_unmanaged_until_they_are_accounted_for(
    stage: Stage,
) -> None:
    stage.conn.execute("DROP TABLE IF EXISTS flyway_schema_history, schema_migrations")
    stage.write(PEOPLE, VISITS)
    stage.conn.execute(PEOPLE.sql.encode())
    before = looks.everything(stage.conn)

    codes = [stage.call(command).code for command in ("status", "plan", "apply")]

    assert codes == [7, 7, 7]
    status = stage.call("status").report
    assert status.history is not None
    assert status.history.state == "unmanaged"
    assert [finding.code for finding in status.findings] == ["MH101"]
    assert looks.everything(stage.conn) == before
    assert stage.call("resolve", "--applied", stage.name(PEOPLE)).code == 0
    applied = stage.call("apply")
    assert applied.code == 0, applied.out
    assert [s.migration for s in applied.report.steps] == [stage.name(VISITS)]


# ---------------------------------------------------------------- files against records


def test_an_edited_file_is_found_where_the_table_holds_checksums(stage: Stage) -> None:
    stage.deploy(PEOPLE)
    stage.write(Sample(1, PEOPLE.title, PEOPLE.sql + "\n-- edited"), VISITS)
    before = looks.everything(stage.conn)

    status, applied = stage.call("status"), stage.call("apply")

    found = [(f.severity, f.migration) for f in status.report.findings if f.code == "MH106"]
    assert found == ([(stage.kind.edited, stage.name(PEOPLE))] if stage.kind.edited else [])
    refused = stage.kind.edited == "error"
    assert (status.code, applied.code) == ((1, 1) if refused else (0, 0))
    assert refused == (looks.everything(stage.conn) == before)


def test_a_record_without_its_file_is_found(stage: Stage) -> None:
    stage.deploy(PEOPLE, VISITS)
    stage.kind.remove(stage.folder, VISITS)
    stage.write(NOTES)

    status = stage.call("status")

    assert status.code == 0
    assert status.report.history is not None
    assert status.report.history.missing == (stage.kind.missing(VISITS),)
    assert [finding.code for finding in status.report.findings] == ["MH105"]
    assert stage.call("apply").code == 0
    assert stage.pending() == ()


def test_a_pending_migration_older_than_an_applied_one_is_found(stage: Stage) -> None:
    if stage.kind.tool == "golang-migrate":
        pytest.skip("its one version stands for every older migration")
    stage.deploy(PEOPLE)
    stage.write(NOTES)
    assert stage.call("apply").code == 0
    stage.write(VISITS)

    status = stage.call("status")

    assert [(f.code, f.migration) for f in status.report.findings] == [
        ("MH107", stage.name(VISITS))
    ]
    assert status.code == (1 if stage.kind.tool == "Flyway" else 0)


# ---------------------------------------------------------------- names and locks

ODD_SCHEMA = 'Klinik "Süd" 100%'


def test_odd_names_are_nothing_special(stage: Stage) -> None:
    is_prisma = isinstance(stage.kind, Prisma)
    title = 'add "quoted" 100% name' if is_prisma else 'Ünï "cödé" 100% name'
    odd = Sample(
        1,
        title,
        """CREATE TABLE "Über uns 100%" ("Größe (m²)" numeric, "ID" int PRIMARY KEY);
INSERT INTO "Über uns 100%" VALUES (1.75, 1);""",
    )
    later = Sample(
        2, "Index it", 'CREATE INDEX CONCURRENTLY "Ünd so" ON "Über uns 100%" ("Größe (m²)");', True
    )
    schema = sql.Identifier(ODD_SCHEMA)
    name = sql.Identifier(stage.conn.info.dbname)
    stage.conn.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
    stage.conn.execute(sql.SQL("SET search_path = {}").format(schema))
    stage.conn.execute(
        "DROP TABLE IF EXISTS public.flyway_schema_history, public.schema_migrations"
    )
    if not is_prisma:
        statement = sql.SQL("ALTER DATABASE {} SET search_path = {}").format(name, schema)
        stage.conn.execute(statement)
    stage.kind.install(stage.conn)
    mark = "&" if "?" in stage.url else "?"
    url = f"{stage.url}{mark}schema={quote(ODD_SCHEMA)}" if is_prisma else stage.url
    there = Stage(stage.kind, url, stage.folder, stage.conn, stage.cli)
    there.write(odd, later)

    applied = there.call("apply")

    assert applied.code == 0, applied.out + applied.err
    assert there.rows() == there.expected(odd, later)
    assert there.pending() == ()
    found = there.conn.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = %s", [ODD_SCHEMA]
    ).fetchall()
    tool_table = [] if there.kind.fixed_schema else [(there.kind.table_name,)]
    assert sorted(found) == sorted([("Über uns 100%",), *tool_table])
    again = there.call("apply")
    assert (again.code, again.report.steps) == (0, ())


def test_a_deployment_of_the_tool_itself_keeps_migsafe_out(stage: Stage, database: str) -> None:
    keys = stage.kind.locks(stage.conn)
    if not keys:
        pytest.skip(f"{stage.kind.tool} takes no lock")
    stage.write(PEOPLE)
    before = looks.everything(stage.conn)
    for key in keys:
        with psycopg.connect(database, autocommit=True) as deployer:
            deployer.execute("SELECT pg_advisory_lock(%s)", [key])

            busy = stage.call("apply")

            assert busy.code == 4, busy.out
            assert looks.everything(stage.conn) == before
            # The end of a session reaches the server when it will.
            deployer.execute("SELECT pg_advisory_unlock_all()")
    assert stage.call("apply").code == 0


# ---------------------------------------------------------------- Flyway alone


def _flyway_insert(stage: Stage, **values: object) -> None:
    assert isinstance(stage.kind, Flyway)
    stage.kind.insert(stage.conn, **values)


def test_versions_at_or_below_a_flyway_baseline_are_applied(flyway: Stage) -> None:
    flyway.write(PEOPLE, VISITS, NOTES)
    flyway.conn.execute(f"{PEOPLE.sql}{VISITS.sql}".encode())
    _flyway_insert(
        flyway,
        version="2",
        description="<< Flyway Baseline >>",
        type="BASELINE",
        script="<< Flyway Baseline >>",
        checksum=None,
        installed_by="flyway",
        execution_time=0,
        success=True,
    )

    applied = flyway.call("apply")

    assert applied.code == 0, applied.out
    assert [s.migration for s in applied.report.steps] == [flyway.name(NOTES)]
    assert flyway.rows()[-1] == flyway.expected(PEOPLE, NOTES)[-1]


def test_a_flyway_schema_marker_takes_no_rank(flyway: Stage) -> None:
    flyway.write(PEOPLE)
    _flyway_insert(
        flyway,
        installed_rank=0,
        version=None,
        description="<< Flyway Schema Creation >>",
        type="SCHEMA",
        script='"public"',
        checksum=None,
        installed_by="flyway",
        execution_time=0,
        success=True,
    )

    assert flyway.call("apply").code == 0

    assert flyway.rows()[1:] == flyway.expected(PEOPLE)


def test_a_changed_repeatable_runs_again_after_the_versioned_ones(flyway: Stage) -> None:
    flyway.write(PEOPLE)
    script = flyway.folder / "R__the_view.sql"
    script.write_text("CREATE OR REPLACE VIEW emails AS SELECT email FROM people;\n")
    assert flyway.call("apply").code == 0
    script.write_text("CREATE OR REPLACE VIEW emails AS SELECT email, id FROM people;\n")
    flyway.write(VISITS)
    assert flyway.codes() == []

    applied = flyway.call("apply")

    assert applied.code == 0, applied.out
    done = [s.migration for s in applied.report.steps]
    assert done == [flyway.name(VISITS), "R__the_view"]
    repeatables = [row for row in flyway.rows() if row["version"] is None]
    assert [row["description"] for row in repeatables] == ["the view", "the view"]
    assert [row["script"] for row in repeatables] == ["R__the_view.sql"] * 2
    assert repeatables[0]["checksum"] != repeatables[1]["checksum"]
    assert flyway.pending() == ()


def test_an_undone_flyway_version_is_pending_again(flyway: Stage) -> None:
    flyway.deploy(PEOPLE)
    flyway.conn.execute("DROP TABLE people")
    _flyway_insert(
        flyway,
        version="001",
        description="create people",
        type="UNDO_SQL",
        script="U001__create_people.sql",
        checksum=1,
        installed_by="flyway",
        execution_time=0,
        success=True,
    )

    assert flyway.pending() == (flyway.name(PEOPLE),)
    assert flyway.call("apply").code == 0
    assert flyway.pending() == ()
