"""Histories to disturb: few rows, statements of every kind, and some that take a while.

Each migration appends its name to `log`, which has no key: a second execution shows in the rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_BEGINNING = """\
CREATE TABLE log (migration text NOT NULL);
CREATE TABLE patients (id int PRIMARY KEY, name text NOT NULL, born date);
INSERT INTO patients SELECT n, 'patient ' || n, NULL FROM generate_series(1, 20) AS n;
INSERT INTO log VALUES ('beginning');
"""

#: The setting that says how many seconds a statement takes which is made to take a while.
PAUSE = "faults.pause"

_PAUSE = f"coalesce(nullif(current_setting('{PAUSE}', true), ''), '0.1')::float"

#: An index over it is built as slowly: there are 20 rows, and each is read about once.
_SLOWLY = f"""\
CREATE FUNCTION slowly(id int) RETURNS int LANGUAGE plpgsql IMMUTABLE
    AS $$BEGIN PERFORM pg_sleep({_PAUSE} / 20); RETURN id; END$$;
INSERT INTO log VALUES ('slowly');
"""

_TRANSACTIONAL = {
    "beginning": _BEGINNING,
    "visits": f"""\
CREATE TABLE visits (id int PRIMARY KEY, patient int NOT NULL REFERENCES patients);
INSERT INTO visits SELECT id, id FROM patients;
SELECT pg_sleep({_PAUSE});
INSERT INTO log VALUES ('visits');
""",
    "names": """\
ALTER TABLE patients ADD COLUMN family text;
UPDATE patients SET family = name;
ALTER TABLE patients ALTER COLUMN family SET NOT NULL;
CREATE INDEX patients_family ON patients (family);
INSERT INTO log VALUES ('names');
""",
    "deferred": """\
ALTER TABLE visits ADD CONSTRAINT visits_once UNIQUE (patient) DEFERRABLE INITIALLY DEFERRED;
INSERT INTO log VALUES ('deferred');
""",
}

_AUTOCOMMIT = {
    "beginning": _BEGINNING,
    "moods": """\
CREATE TYPE mood AS ENUM ('well');
ALTER TABLE patients ADD COLUMN mood mood;
INSERT INTO log VALUES ('moods');
""",
    "ill": """\
ALTER TYPE mood ADD VALUE 'ill';
CREATE TABLE moods (patient int NOT NULL REFERENCES patients, mood mood NOT NULL DEFAULT 'ill');
INSERT INTO log VALUES ('ill');
CREATE INDEX moods_patient ON moods (patient);
""",
    "cleaned": f"""\
CREATE TABLE cleaned (id int PRIMARY KEY);
INSERT INTO cleaned VALUES (1);
VACUUM patients;
ALTER TABLE cleaned ADD COLUMN slept text DEFAULT pg_sleep({_PAUSE})::text;
INSERT INTO log VALUES ('cleaned');
ALTER TABLE cleaned ADD COLUMN at date;
""",
    "own": f"""\
BEGIN;
CREATE TABLE own_first (id int PRIMARY KEY);
INSERT INTO log VALUES ('own, first');
COMMIT;
BEGIN;
CREATE TABLE own_second (id int PRIMARY KEY);
SELECT pg_sleep({_PAUSE});
INSERT INTO log VALUES ('own, second');
COMMIT;
""",
    "ending": "CREATE TABLE ending (id int PRIMARY KEY);\nINSERT INTO log VALUES ('ending');\n",
}

_CONCURRENTLY = {
    "beginning": _BEGINNING,
    "slowly": _SLOWLY,
    "alone": "CREATE INDEX CONCURRENTLY patients_slowly ON patients (slowly(id));\n",
    "among_others": """\
CREATE TABLE among (id int PRIMARY KEY);
CREATE UNIQUE INDEX CONCURRENTLY patients_name ON patients (name, slowly(id));
INSERT INTO log VALUES ('among others');
CREATE INDEX CONCURRENTLY IF NOT EXISTS patients_born ON patients (born);
ALTER TABLE among ADD COLUMN at date;
""",
    "less": """\
DROP INDEX CONCURRENTLY patients_slowly;
REINDEX INDEX CONCURRENTLY patients_name;
""",
    "ending": "CREATE TABLE ending (id int PRIMARY KEY);\nINSERT INTO log VALUES ('ending');\n",
}


def _thousand() -> str:
    pairs = (
        f"INSERT INTO log VALUES ('{n}');\nALTER TABLE patients ALTER COLUMN born SET STATISTICS "
        f"{n};\n"
        for n in range(1, 501)
    )
    return "".join(pairs)


_THOUSAND = {"beginning": _BEGINNING, "thousand": _thousand(), "ending": "CREATE TABLE ending ();"}

#: The migrations of each scenario, by name and in order.
SCENARIOS: Mapping[str, Mapping[str, str]] = {
    "in transactions": _TRANSACTIONAL,
    "outside transactions": _AUTOCOMMIT,
    "concurrently": _CONCURRENTLY,
    "1,000 statements": _THOUSAND,
}

KINDS = ("prisma", "sql")


@dataclass(frozen=True, slots=True)
class Cell:
    """A scenario as one kind of history: a cell of the matrix."""

    scenario: str
    kind: str

    @property
    def title(self) -> str:
        """How the tables name it."""
        return f"{self.scenario}, {self.kind}"

    @property
    def migrations(self) -> Mapping[str, str]:
        """SQL by the name under which migsafe lists a migration, in order."""
        named = SCENARIOS[self.scenario].items()
        form = "2025010{}000000_{}" if self.kind == "prisma" else "000{}_{}"
        return {form.format(n, name): text for n, (name, text) in enumerate(named, start=1)}

    def lay_out(self, folder: Path) -> None:
        """Write the files into a folder of their own."""
        for name, text in self.migrations.items():
            plain = folder / f"{name}.sql"
            file = folder / name / "migration.sql" if self.kind == "prisma" else plain
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
        if self.kind == "prisma":
            lock = folder / "migration_lock.toml"
            lock.write_text('provider = "postgresql"\n', "utf-8")


CELLS = tuple(Cell(scenario, kind) for scenario in SCENARIOS for kind in KINDS)

#: Those in which a run takes a moment only.
SMALL = tuple(cell for cell in CELLS if cell.scenario != "1,000 statements")

#: Each scenario once, and each kind of history.
SOME = (SMALL[0], SMALL[3], SMALL[4])
