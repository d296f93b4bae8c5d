"""The reference clinic database: its two histories, its rows, its repair and its audits."""

import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.config import Config

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "cases"
AUDITS = ROOT / "audits"
MIGRATIONS = sorted(path.parent for path in (CASES / "ehr_prisma").glob("*/migration.sql"))

REQUIRED = "20251022112351_make_appointment_required_in_clinical_notes"
CONCURRENT = "20251104101126_index_clinical_notes_by_signer"
DRAFTS = "20251119024521_make_draft_fields_nullable"
PENDING = [
    REQUIRED,
    "20251029151730_add_reminder_to_appointments",
    CONCURRENT,
    "20251112140958_add_note_templates",
    DRAFTS,
]
ORPHANS = {
    "note-0058": None,
    "note-0131": "appointment-0156",
    "note-0207": None,
    "note-0412": None,
    "note-0413": "appointment-0490",
    "note-0590": "appointment-0699",
    "note-0744": None,
}
# An audit, and the damage it must see in the seeded rows: the statement and the one row found.
DAMAGES = {
    "appointment_times": (
        """UPDATE appointments SET "endsAt" = "startsAt" WHERE id = 'appointment-0042'""",
        "appointment-0042",
    ),
    "invoice_totals": (
        "UPDATE invoices SET total = total + 1 WHERE id = 'invoice-0042'",
        "INV-2025-0042",
    ),
    "late_signatures": (
        """UPDATE clinical_notes SET "signedById" = 'staff-11' WHERE id = 'note-0800'""",
        "note-0800",
    ),
    "overpaid_invoices": (
        "UPDATE payments SET amount = amount + 1 WHERE id = 'payment-0041'",
        "INV-2025-0041",
    ),
    "primary_policies": (
        """UPDATE insurance_policies SET "isPrimary" = true WHERE id = 'policy-027-3'""",
        "client-027",
    ),
}

# What makes two catalogs the same. Column order counts; the tools' own tables do not.
CATALOG = {
    "columns": """
        SELECT table_name, column_name, data_type, udt_name, numeric_precision, numeric_scale,
            datetime_precision, is_nullable, column_default
        FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name <> 'alembic_version'
        ORDER BY table_name, ordinal_position""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
        FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
            AND conrelid IS DISTINCT FROM to_regclass('alembic_version')
        ORDER BY 1, 2""",
    "indexes": """
        SELECT tablename, indexname, indexdef FROM pg_indexes
        WHERE schemaname = 'public' AND tablename <> 'alembic_version'
        ORDER BY 1, 2""",
    "enums": """
        SELECT t.typname, array_agg(e.enumlabel::text ORDER BY e.enumsortorder)
        FROM pg_type AS t JOIN pg_enum AS e ON e.enumtypid = t.oid
        GROUP BY 1 ORDER BY 1""",
    "views": "SELECT viewname, definition FROM pg_views WHERE schemaname = 'public' ORDER BY 1",
    "sequences": "SELECT sequencename, data_type::text FROM pg_sequences ORDER BY 1",
    "services": "SELECT code, name, price FROM services ORDER BY 1",
}


@pytest.fixture
def conn(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def seeded(conn: psycopg.Connection) -> psycopg.Connection:
    """Return a connection to the clinic as it is right before the appointment is required."""
    apply(conn, [folder for folder in MIGRATIONS if folder.name < REQUIRED])
    conn.execute((CASES / "ehr_rows.sql").read_bytes())
    return conn


def apply(conn: psycopg.Connection, folders: Sequence[Path]) -> None:
    for folder in folders:
        conn.execute((folder / "migration.sql").read_bytes())


def rest() -> list[Path]:
    return [folder for folder in MIGRATIONS if folder.name >= REQUIRED]


def offenders(conn: psycopg.Connection, audit: str) -> list[str]:
    """Return the first column of each row of `audits/<audit>.sql`."""
    return [row[0] for row in conn.execute((AUDITS / f"{audit}.sql").read_bytes())]


def all_offenders(conn: psycopg.Connection) -> dict[str, int]:
    counts = {path.stem: len(offenders(conn, path.stem)) for path in AUDITS.glob("*.sql")}
    return {audit: count for audit, count in counts.items() if count}


def catalog(conn: psycopg.Connection) -> dict[str, list[tuple[Any, ...]]]:
    return {name: conn.execute(query.encode()).fetchall() for name, query in CATALOG.items()}


def empty(conn: psycopg.Connection) -> None:
    conn.execute("DROP SCHEMA public CASCADE")
    conn.execute("CREATE SCHEMA public")


@pytest.fixture
def alembic(database: str, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("MIGSAFE_URL", database)
    return Config(ROOT / "alembic.ini")


def test_the_prisma_history_has_34_migrations_with_the_fixed_names() -> None:
    names = [folder.name for folder in MIGRATIONS]
    assert len(names) == 34
    assert names[-5:] == PENDING


def test_the_concurrent_migration_is_a_single_statement() -> None:
    sql = (CASES / "ehr_prisma" / CONCURRENT / "migration.sql").read_text()
    statements = [line for line in sql.splitlines() if not line.startswith("--")]
    assert len(statements) == 1
    assert statements[0].startswith("CREATE INDEX CONCURRENTLY")


def test_every_other_migration_runs_in_one_transaction(conn: psycopg.Connection) -> None:
    for folder in MIGRATIONS:
        if folder.name != CONCURRENT:
            with conn.transaction():
                apply(conn, [folder])


def test_prisma_and_alembic_build_the_same_catalog(
    conn: psycopg.Connection, alembic: Config
) -> None:
    apply(conn, MIGRATIONS)
    by_prisma = catalog(conn)
    empty(conn)
    command.upgrade(alembic, "head")
    by_alembic = catalog(conn)
    assert all(by_prisma.values())
    for kind, rows in by_prisma.items():
        assert by_alembic[kind] == rows, kind


def test_the_alembic_history_goes_down_to_nothing_and_up_again(
    conn: psycopg.Connection, alembic: Config
) -> None:
    command.upgrade(alembic, "head")
    before = catalog(conn)
    command.downgrade(alembic, "base")
    left = conn.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relname NOT LIKE 'alembic_version%'"
        " UNION ALL SELECT typname FROM pg_type"
        " WHERE typnamespace = 'public'::regnamespace AND typtype = 'e'"
    )
    assert left.fetchall() == []
    command.upgrade(alembic, "head")
    assert catalog(conn) == before


def test_the_alembic_history_as_sql_text_builds_the_same_catalog(
    conn: psycopg.Connection, alembic: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    command.upgrade(alembic, "head", sql=True)
    # CONCURRENTLY must come alone in its message, as psql would send it.
    for statement in capsys.readouterr().out.split(";\n"):
        conn.execute(statement.encode())
    offline = catalog(conn)
    empty(conn)
    command.upgrade(alembic, "head")
    assert catalog(conn) == offline


def test_seven_notes_have_no_living_appointment(seeded: psycopg.Connection) -> None:
    assert offenders(seeded, "orphaned_notes") == sorted(ORPHANS)
    linked = seeded.execute(
        'SELECT id, "appointmentId" FROM clinical_notes WHERE id = ANY(%s)', [list(ORPHANS)]
    )
    assert dict(linked.fetchall()) == ORPHANS


def test_only_the_orphans_and_a_few_missing_notes_are_found(seeded: psycopg.Connection) -> None:
    assert all_offenders(seeded) == {"orphaned_notes": 7, "missing_notes": 13}


@pytest.mark.parametrize("audit", DAMAGES)
def test_an_audit_finds_the_row_that_is_damaged(seeded: psycopg.Connection, audit: str) -> None:
    damage, expected = DAMAGES[audit]
    seeded.execute(damage.encode())
    assert offenders(seeded, audit) == [expected]


def test_the_rest_is_refused_until_the_notes_are_repaired(seeded: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.NotNullViolation):
        apply(seeded, rest())
    seeded.execute((CASES / "ehr_repair.sql").read_bytes())
    assert offenders(seeded, "orphaned_notes") == []
    apply(seeded, rest())
    assert all_offenders(seeded) == {"missing_notes": 13}


def test_a_note_with_an_unknown_appointment_is_refused_too(seeded: psycopg.Connection) -> None:
    seeded.execute('DELETE FROM clinical_notes WHERE "appointmentId" IS NULL')
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        apply(seeded, rest())


def test_the_repair_touches_only_the_orphans(seeded: psycopg.Connection) -> None:
    seeded.execute((CASES / "ehr_repair.sql").read_bytes())
    made = seeded.execute("""
        SELECT n.id FROM clinical_notes AS n JOIN appointments AS a ON a.id = n."appointmentId"
        WHERE a.id = 'appointment-of-' || n.id AND a.status = 'COMPLETED'
            AND a."clientId" = n."clientId" AND a."staffId" = n."authorId"
            AND a."startsAt" = n."sessionDate"
        ORDER BY 1""")
    assert [row[0] for row in made] == sorted(ORPHANS)
    count = seeded.execute("SELECT count(*) FROM appointments WHERE id LIKE 'appointment-of-%'")
    assert count.fetchone() == (7,)


def test_the_final_schema_meets_every_expectation(conn: psycopg.Connection) -> None:
    apply(conn, MIGRATIONS)
    columns = tomllib.loads((AUDITS / "expectations.toml").read_text())["column"]
    found = {
        (table, column): (nullable == "YES", kind)
        for table, column, nullable, kind in conn.execute(
            "SELECT table_name, column_name, is_nullable, data_type"
            " FROM information_schema.columns WHERE table_schema = 'public'"
        )
    }
    names = {folder.name for folder in MIGRATIONS}
    for column in columns:
        nullable, kind = found[column["table"], column["column"]]
        assert nullable is column["nullable"]
        assert kind == column.get("type", kind)
        assert column.get("since", DRAFTS) in names


def test_the_last_migration_lets_three_required_columns_be_null(conn: psycopg.Connection) -> None:
    apply(conn, MIGRATIONS[:-1])
    before = catalog(conn)["columns"]
    apply(conn, MIGRATIONS[-1:])
    after = catalog(conn)["columns"]
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert [(old[1], old[7], new[7]) for old, new in changed] == [
        ("appointmentId", "NO", "YES"),
        ("sessionDate", "NO", "YES"),
        ("dueDate", "NO", "YES"),
    ]


def test_every_audit_is_correct_on_the_final_schema(conn: psycopg.Connection) -> None:
    apply(conn, MIGRATIONS)
    assert all_offenders(conn) == {}
