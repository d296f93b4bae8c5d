"""The columns of a view as its text tells them, against those that PostgreSQL gives it."""

import pytest

from migsafe import sql
from migsafe.catalog import live
from migsafe.schema import Key, Schema, outputs
from tests.db import measuring
from tests.hazard_cases import clinic

QUERIES = [
    "SELECT id, name FROM patients",
    "SELECT * FROM patients",
    "SELECT p.*, s.name AS doctor FROM patients AS p, staff AS s",
    "SELECT * FROM appointments AS a (one, two) WHERE one > 1",
    'SELECT "roomNo", count(*), max(at)::date, sum(1) OVER () FROM appointments GROUP BY 1',
    "SELECT a.id, p.id AS p FROM appointments AS a LEFT JOIN patients AS p ON p.id = a.id",
    "SELECT staff_id, name FROM appointments JOIN staff ON staff.id = staff_id",
    "SELECT id, role FROM scratch JOIN staff USING (id)",
    "SELECT 1, 'x'::text AS t, 'y'::varchar(5) AS y, 1 + 1 AS two",
    "SELECT 'x'::text, name::varchar(20), 1::bigint AS b, (1 + 1)::int FROM staff",
    "SELECT CASE WHEN id > 1 THEN 1 ELSE id END, CASE WHEN true THEN 1 END AS c FROM staff",
    "SELECT (SELECT max(id) FROM staff), EXISTS (SELECT 1), ARRAY(SELECT 1), ARRAY[1] AS a",
    "SELECT nullif(id, 1), coalesce(role::text, '') FROM staff",
    "SELECT greatest(1, 2), least(1, 2), current_date, current_user, localtimestamp(3)",
    "SELECT (place).city, place FROM doses",
    'SELECT name COLLATE "C", NOT true AS n FROM staff',
    "SELECT extract(year FROM birth), trim(name), upper(name) AS u FROM patients",
    "SELECT date '2020-01-01', interval '1 day' AS i, (ARRAY[1])[1] AS e",
    "WITH w AS (SELECT id, name AS n FROM staff) SELECT *, n AS again FROM w",
    "SELECT birth IS NULL AS b, id IN (1, 2) AS i, id BETWEEN 1 AND 2 AS c FROM patients",
    "WITH w (x, y) AS (SELECT id, name FROM staff), v AS (SELECT x FROM w) SELECT v.*, y FROM v, w",
    "SELECT id FROM staff UNION ALL SELECT id FROM patients",
    "VALUES (1, 'a'), (2, 'b')",
    "SELECT * FROM (SELECT id AS one, name FROM staff) AS q",
    "SELECT q.* FROM (VALUES (1, 2)) AS q (a, b)",
    "SELECT active_patients.*, total FROM active_patients, patient_counts",
    "SELECT v.id, v.day FROM visits AS v",
    "SELECT g FROM generate_series(1, 3) AS g",
    "SELECT d.id, p.flow, amount FROM doses AS d, pumps AS p",
    "TABLE billing.rates",
]


@pytest.fixture(scope="module")
def schema() -> Schema:
    return clinic()


@pytest.mark.parametrize("query", QUERIES)
def test_a_views_columns_are_those_that_the_server_gives_it(
    query: str, schema: Schema, clinics: measuring.Clinics
) -> None:
    text = f"CREATE VIEW shown AS {query}"
    conn = clinics.clean()
    with conn.transaction(force_rollback=True):
        conn.execute(text.encode())
        found = live.read(conn).tables[Key("public", "shown")].columns.values()
    told = outputs.of_view(sql.parse(text)[0].node, schema)
    assert told is not None
    assert [one.name for one in told] == [column.name for column in found]
    for one, column in zip(told, found, strict=True):
        assert one.type in (
            None,
            column.type._replace(schema=one.type.schema if one.type else None),
        )


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM unknown",
        "SELECT * FROM appointments JOIN staff USING (id)",
        "SELECT * FROM generate_series(1, 3)",
        "SELECT staff FROM staff, LATERAL (SELECT * FROM elsewhere) AS e",
        "SELECT json_object('a': 1)",
    ],
)
def test_columns_that_cannot_be_told_are_not_guessed(query: str, schema: Schema) -> None:
    assert outputs.of_view(sql.parse(f"CREATE VIEW v AS {query}")[0].node, schema) is None


def test_a_views_own_names_come_before_those_of_its_query(schema: Schema) -> None:
    (statement,) = sql.parse("CREATE VIEW v (a, b) AS SELECT id, name, role FROM staff")
    told = outputs.of_view(statement.node, schema)
    assert told is not None
    assert [one.name for one in told] == ["a", "b", "role"]
