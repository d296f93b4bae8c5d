"""Names that PostgreSQL chooses, which the simulated schema has to know for what follows."""

import psycopg
import pytest

from migsafe import sql
from migsafe.schema import Schema
from migsafe.schema.changes import advance

Conn = psycopg.Connection[tuple[object, ...]]

TABLE = 'CREATE TABLE "Notes" (id int, uid int UNIQUE, body text, "staffId" int, data jsonb)'
STATEMENTS = [
    'CREATE INDEX ON "Notes" (body)',
    'CREATE INDEX ON "Notes" (lower(body), "staffId")',
    'CREATE INDEX ON "Notes" ((id + 1))',
    "CREATE INDEX ON \"Notes\" ((data ->> 'a'))",
    "CREATE INDEX ON \"Notes\" (((data ->> 'a')::int))",
    "CREATE INDEX ON \"Notes\" (coalesce(body, ''))",
    'CREATE INDEX ON "Notes" (body) INCLUDE (id)',
    'ALTER TABLE "Notes" ADD UNIQUE ("staffId", id)',
    'ALTER TABLE "Notes" ADD CHECK ("staffId" > 0)',
    'ALTER TABLE "Notes" ADD CHECK (id > 0 AND "staffId" > 0)',
    'ALTER TABLE "Notes" ADD CHECK (num_nonnulls(id, uid, id) > 0)',
    f'ALTER TABLE "Notes" ADD COLUMN {"längste_" * 6} int UNIQUE CHECK ({"längste_" * 6} > 0)',
    'CREATE INDEX ON "Notes" (body); CREATE TABLE extra (LIKE "Notes" INCLUDING ALL)',
    'ALTER TABLE "Notes" ADD PRIMARY KEY (id)',
    'ALTER TABLE "Notes" ADD FOREIGN KEY ("staffId") REFERENCES "Notes" (uid)',
    'ALTER TABLE "Notes" ADD COLUMN extra int CHECK (extra > 0) UNIQUE',
]


def _again(statement: str) -> str:
    return statement.replace("extra", "other").replace("längste", "andere_")


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_name_that_is_left_out_is_the_one_that_postgresql_chooses(
    conn: Conn, statement: str
) -> None:
    text = f"{TABLE}; {statement}; {_again(statement)};"
    if "PRIMARY KEY" in statement:
        text = f"{TABLE}; {statement};"
    schema = Schema()
    for parsed in sql.parse(text):
        conn.execute(parsed.text.encode())
        advance(schema, parsed, "1")
    indexes = conn.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'i' AND relnamespace = 2200"
    )
    assert {name for (name,) in indexes} == {
        name for table in schema.tables.values() for name in table.indexes
    }
    constraints = conn.execute(
        "SELECT conname FROM pg_constraint WHERE connamespace = 2200 AND contype <> 'n'"
    )
    assert {name for (name,) in constraints} == {
        name for table in schema.tables.values() for name in table.constraints
    }
