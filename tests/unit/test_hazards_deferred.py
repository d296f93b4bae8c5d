"""Which checks wait for COMMIT, and what cannot be done to a table meanwhile."""

import pytest

from migsafe.schema import Schema
from tests.hazard_cases import lint

INSERT = "INSERT INTO payments (id, invoice_id) VALUES (100, 1);"
TABLE = """CREATE TABLE t (a int PRIMARY KEY, b int UNIQUE DEFERRABLE INITIALLY DEFERRED, c int);
           INSERT INTO t VALUES (1, 1, 1); """


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE payments RENAME TO paid",
        "ALTER TABLE payments RENAME COLUMN amount TO sum",
        "DROP INDEX payments_pkey",
        "COMMENT ON TABLE payments IS 'x'",
        "GRANT SELECT ON payments TO PUBLIC",
        "ALTER TABLE patients ADD COLUMN x int",
        "ALTER INDEX payments_pkey SET (fillfactor = 50)",
    ],
)
def test_what_does_not_look_at_pending_checks_is_not_found(statement: str) -> None:
    assert lint(INSERT + statement, "MS423") == []


def test_checks_wait_only_inside_of_a_transaction() -> None:
    text = INSERT + "ALTER TABLE payments ADD COLUMN x int"
    assert lint(text, "MS423", transaction=False) == []
    (finding,) = lint(f"BEGIN; {text}; COMMIT", "MS423", transaction=False)
    assert finding.severity == "error"
    assert lint(f"BEGIN; {INSERT} COMMIT; ALTER TABLE payments ADD x int", "MS423") == []


@pytest.mark.parametrize(
    ("change", "count"),
    [
        ("UPDATE t SET b = b + 1", 1),
        ("UPDATE t SET c = 5", 0),
        ("DELETE FROM t", 0),
        ("WITH w AS (UPDATE t SET b = 2 RETURNING a) SELECT a FROM w", 1),
        ("MERGE INTO t USING archive AS s ON t.a = s.id WHEN MATCHED THEN DELETE", 0),
    ],
)
def test_an_update_leaves_the_checks_of_the_columns_that_it_sets(change: str, count: int) -> None:
    assert len(lint(f"{TABLE} {change}; ALTER TABLE t ADD d int", "MS423")) == count


def test_a_parent_waits_where_its_key_changes() -> None:
    text = "UPDATE invoices SET {} = 1; ALTER TABLE invoices ADD x int"
    assert len(lint(text.format("id"), "MS423")) == 1
    assert lint(text.format("amount"), "MS423") == []


def test_a_constraint_that_comes_after_the_rows_has_nothing_to_check() -> None:
    text = """INSERT INTO archive VALUES (1);
              ALTER TABLE archive ADD FOREIGN KEY (id) REFERENCES staff INITIALLY DEFERRED;
              ALTER TABLE archive ADD x int"""
    assert lint(text, "MS423") == []


def test_a_deferred_trigger_leaves_events_too() -> None:
    text = """CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON archive INITIALLY DEFERRED
                  FOR EACH ROW EXECUTE FUNCTION touch();
              UPDATE archive SET payload = ''; ALTER TABLE archive ADD x int"""
    (finding,) = lint(text, "MS423")
    assert "late" in finding.message


def test_constraints_that_are_set_to_wait_do_so_until_they_are_set_back() -> None:
    text = """ALTER TABLE archive ADD CONSTRAINT k FOREIGN KEY (id) REFERENCES staff DEFERRABLE;
              {} INSERT INTO archive (id) VALUES (1); ALTER TABLE archive ADD x int"""
    assert lint(text.format(""), "MS423") == []
    assert len(lint(text.format("SET CONSTRAINTS k DEFERRED;"), "MS423")) == 1
    assert len(lint(text.format("SET CONSTRAINTS ALL DEFERRED;"), "MS423")) == 1
    back = "SET CONSTRAINTS ALL DEFERRED; SET CONSTRAINTS ALL IMMEDIATE;"
    assert lint(text.format(back), "MS423") == []


def test_rows_of_a_partition_keep_its_parent_from_being_altered() -> None:
    text = """CREATE TABLE p (a int REFERENCES staff INITIALLY DEFERRED) PARTITION BY LIST (a);
              CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
              INSERT INTO p1 VALUES (1); ALTER TABLE p ADD b int"""
    (finding,) = lint(text, "MS423")
    assert (finding.severity, "p1" in finding.message) == ("error", True)


def test_what_is_not_known_of_a_table_is_said() -> None:
    text = "INSERT INTO app.users VALUES (1); ALTER TABLE app.users ADD x int"
    (finding,) = lint(text, "MS423", Schema())
    assert (finding.severity, "none is known" in finding.message) == ("info", True)
    text = "INSERT INTO app.users VALUES (1); SET CONSTRAINTS ALL IMMEDIATE; DROP TABLE app.users"
    assert lint(text, "MS423", Schema()) == []
