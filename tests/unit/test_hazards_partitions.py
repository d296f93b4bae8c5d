"""What partitions lock and read, with the evidence of a target and without any."""

import pytest

from migsafe.schema import Constraint, Key, Schema
from tests.hazard_cases import clinic, lint, live

ATTACH = "ALTER TABLE logs ATTACH PARTITION logs_c FOR VALUES IN ('c')"
LOGS_C, VISITS_REST = Key("public", "logs_c"), Key("public", "visits_rest")
CREATE = "CREATE TABLE v PARTITION OF visits FOR VALUES FROM ('2030-01-01') TO ('2031-01-01')"


def catalog(key: Key, check: str, **sizes: tuple[int, int]) -> Schema:
    """Return a target where a table has a CHECK, as the catalog prints it."""
    schema = live(**sizes)
    schema.tables[key].constraints["c"] = Constraint(name="c", kind="c", expression=check)
    return schema


def test_an_empty_table_is_attached_at_once() -> None:
    assert lint(ATTACH, "MS224", live()) == []
    assert len(lint(ATTACH, "MS224", live(logs_c=(5, 8192)))) == 1


@pytest.mark.parametrize(("size", "severity"), [(8192, "info"), (5_000_000_000, "error")])
def test_a_scan_is_as_bad_as_the_table_is_large(size: int, severity: str) -> None:
    (finding,) = lint(ATTACH, "MS224", live(logs_c=(5, size)))
    assert finding.severity == severity
    (finding,) = lint(CREATE, "MS225", live(visits_rest=(5, size)))
    assert finding.severity == severity


def test_a_check_of_the_catalog_proves_as_well_as_one_of_a_migration() -> None:
    check = "((kind = 'c'::text) AND (kind IS NOT NULL))"
    assert lint(ATTACH, "MS224", catalog(LOGS_C, check, logs_c=(5, 8192))) == []
    nullable = "(kind = 'c'::text)"
    assert len(lint(ATTACH, "MS224", catalog(LOGS_C, nullable, logs_c=(5, 8192)))) == 1
    out = "((day < '2024-01-01'::date) OR (day >= '2031-01-01'::date))"
    assert lint(CREATE, "MS225", catalog(VISITS_REST, out, visits_rest=(5, 8192))) == []


def test_a_check_that_is_not_enforced_proves_nothing() -> None:
    schema = catalog(LOGS_C, "((kind = 'c'::text) AND (kind IS NOT NULL))", logs_c=(5, 8192))
    schema.tables[LOGS_C].constraints["c"].enforced = False
    assert len(lint(ATTACH, "MS224", schema)) == 1


def test_what_is_not_known_of_a_partition_is_reported() -> None:
    text = "ALTER TABLE app.p ATTACH PARTITION app.c FOR VALUES FROM (1) TO (2)"
    (finding,) = lint(text, "MS224", Schema())
    assert "not known" in finding.message
    assert lint(text, "MS225", Schema()) == []


def test_the_first_partition_may_be_the_default_one() -> None:
    text = """CREATE TABLE p (a int) PARTITION BY LIST (a); {}
              ALTER TABLE p ATTACH PARTITION archive DEFAULT"""
    assert lint(text.format(""), "MS224") == []
    other = "CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);"
    assert len(lint(text.format(other), "MS224")) == 1


def test_an_index_is_no_partition() -> None:
    text = "ALTER INDEX visits_pkey ATTACH PARTITION visits_2026_pkey"
    assert lint(text, "MS224") == lint(text, "MS225") == []


@pytest.mark.parametrize(
    ("index", "count"),
    [
        ("CREATE INDEX ON logs_c (id)", 0),
        ("CREATE INDEX ON logs_c USING hash (id)", 1),
        ("CREATE INDEX ON logs_c (id) WHERE id > 0", 1),
        ("CREATE INDEX ON logs_c (body)", 1),
    ],
)
def test_an_index_that_the_table_lacks_is_built(index: str, count: int) -> None:
    schema = catalog(LOGS_C, "((kind = 'c') AND (kind IS NOT NULL))", logs_c=(5, 8192))
    found = lint(f"CREATE INDEX ON ONLY logs (id); {index}; {ATTACH}", "MS224", schema)
    assert len(found) == count
    assert all("builds logs_id_idx" in finding.message for finding in found)


def test_a_partition_that_is_dropped_with_its_parent_locks_nothing_more() -> None:
    assert lint("DROP TABLE logs_a, logs, logs_b", "MS128") == []
    assert len(lint("DROP TABLE logs_a, logs_b", "MS128")) == 2


def test_detaching_concurrently_needs_no_default_partition() -> None:
    text = "ALTER TABLE {} DETACH PARTITION {} CONCURRENTLY"
    assert lint(text.format("logs", "logs_a"), "MS127", transaction=False) == []
    (finding,) = lint(text.format("visits", "visits_2024"), "MS127", transaction=False)
    assert (finding.severity, "visits_rest" in finding.message) == ("error", True)


@pytest.mark.parametrize(("count", "many"), [(19, 0), (20, 1)])
def test_twenty_partitions_are_many(count: int, many: int) -> None:
    schema = clinic()
    parts = (
        f"CREATE TABLE f_{number} PARTITION OF f FOR VALUES IN ({number});"
        for number in range(count)
    )
    lint(f"CREATE TABLE f (id int) PARTITION BY LIST (id); {' '.join(parts)}", "MS129", schema)
    for table in schema.tables.values():
        table.made = None  # by an earlier migration than the one that follows
    assert len(lint("ALTER TABLE f ADD COLUMN a int", "MS129", schema)) == many
