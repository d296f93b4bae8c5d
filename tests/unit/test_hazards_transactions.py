"""Hazards of timeouts, transactions and runs of migrations, where cases cannot show them."""

from typing import Any

import pytest

from migsafe import hazards, sql
from migsafe.findings import Finding, Severity
from migsafe.hazards import Options, Unit
from migsafe.schema import Key, Schema, Table
from migsafe.schema.changes import advance

INFO, WARNING, ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR


def unit(name: str, text: str, *, transaction: bool = True, report: bool = True) -> Unit:
    return Unit(
        name=name,
        file=f"{name}.sql",
        text=text,
        statements=sql.parse(text),
        transaction=transaction,
        report=report,
    )


def before(text: str = "CREATE TABLE t (a int, b int); CREATE TABLE s (a int)") -> Schema:
    schema = Schema()
    for statement in sql.parse(text):
        advance(schema, statement, "0_old")
    return schema


def live(*, size: int | None = 50_000_000, **settings: str) -> Schema:
    """Build a target's schema with the tables t and s."""
    tables = {}
    for name in ("t", "s"):
        key = Key("public", name)
        tables[key] = Table(key=key, known=True, live=key, rows=1_000_000, bytes=size)
    return Schema(complete=True, version=16, tables=tables, settings=settings)


def run(
    texts: list[str], code: str, schema: Schema | None = None, *, on: bool = True, **options: Any
) -> list[Finding]:
    transaction = options.pop("transaction", True)
    units = [unit(f"{n}_new", text, transaction=transaction) for n, text in enumerate(texts, 1)]
    asked = Options(on=frozenset({code} if on else ()), **options)
    found = hazards.walk(units, before() if schema is None else schema, asked)
    return [finding for finding in found if finding.code == code]


def find(text: str, code: str, schema: Schema | None = None, **options: Any) -> list[Finding]:
    return run([text], code, schema, **options)


ALTER = "ALTER TABLE t ADD COLUMN c int"


# ---------------------------------------------------------------- timeouts


@pytest.mark.parametrize(
    ("text", "transaction", "hits"),
    [
        (ALTER, True, 1),
        (f"SET lock_timeout = '1s'; {ALTER}", True, 0),
        (f"SET lock_timeout = '1s'; {ALTER}", False, 0),
        (f"SET LOCAL lock_timeout = '1s'; {ALTER}", True, 0),
        (f"SET LOCAL lock_timeout = '1s'; {ALTER}", False, 1),
        (f"BEGIN; SET LOCAL lock_timeout = '1s'; {ALTER}; COMMIT", False, 0),
        (f"BEGIN; SET LOCAL lock_timeout = '1s'; COMMIT; {ALTER}", False, 1),
        (f"SET LOCAL lock_timeout = '1s'; RESET lock_timeout; {ALTER}", True, 1),
        (f"SET lock_timeout = '1s'; RESET ALL; {ALTER}", True, 1),
        (f"SET lock_timeout = '1s'; SET lock_timeout TO DEFAULT; {ALTER}", True, 1),
        (f"SET lock_timeout = 0; {ALTER}", True, 0),
        (f"SELECT set_config('lock_timeout', '1s', false); {ALTER}", False, 0),
        (f"SELECT set_config('lock_timeout', '1s', true); {ALTER}", False, 1),
        (f"SELECT pg_catalog.set_config('Lock_Timeout', '1s', true); {ALTER}", True, 0),
        (f"DO $$ BEGIN SET LOCAL lock_timeout = '1s'; {ALTER}; END $$", False, 0),
        (f"DO $$ BEGIN SET LOCAL lock_timeout = '1s'; END $$; {ALTER}", False, 1),
        (f"DO $$ BEGIN SET LOCAL lock_timeout = '1s'; END $$; {ALTER}", True, 0),
        (f"{ALTER}; SET lock_timeout = '1s'", True, 0),
        (f"BEGIN; SET lock_timeout = '1s'; ROLLBACK; {ALTER}", False, 1),
        (f"SET lock_timeout = '1s'; BEGIN; SET lock_timeout = 0; ROLLBACK; {ALTER}", False, 0),
        (f"SAVEPOINT a; SET LOCAL lock_timeout = '1s'; ROLLBACK TO a; {ALTER}", True, 1),
        (f"SAVEPOINT a; SET lock_timeout = '1s'; ROLLBACK TO a; {ALTER}", True, 1),
        (f"SET lock_timeout = '1s'; DISCARD ALL; {ALTER}", False, 1),
        (f"SET lock_timeout = '1s'; DISCARD PLANS; {ALTER}", False, 0),
        (f"SELECT set_config('lock_timeout', '1s', 't'); {ALTER}", False, 1),
        (f"{ALTER}; SET lock_timeout = 0", True, 1),
        ("LOCK TABLE t IN SHARE MODE", True, 1),
        ("LOCK TABLE t IN ROW EXCLUSIVE MODE", True, 0),
        ("CREATE INDEX CONCURRENTLY i ON t (a)", False, 0),
        ("ALTER TABLE t SET (fillfactor = 70)", True, 0),
        ("CREATE TEMP TABLE x (a int); ALTER TABLE x ADD COLUMN b int", True, 0),
        ("CREATE TABLE x (id serial); ALTER SEQUENCE x_id_seq RESTART", True, 0),
    ],
)
def test_a_lock_that_keeps_others_out_wants_a_timeout(
    text: str, transaction: bool, hits: int
) -> None:
    assert len(find(text, "MS132", transaction=transaction)) == hits


def test_a_timeout_of_the_runner_the_role_or_an_earlier_migration_counts() -> None:
    assert not find(ALTER, "MS132", timeouts={"lock_timeout": "5s"})
    assert not find(ALTER, "MS132", live(lock_timeout="5s"))
    assert not run(["SET lock_timeout = '5s'", ALTER], "MS132")
    assert run(["SET LOCAL lock_timeout = '5s'", ALTER], "MS132")
    assert find(f"RESET lock_timeout; {ALTER}", "MS132", live())


def test_a_migration_is_told_once_with_the_number_of_the_others() -> None:
    (finding,) = find(f"SELECT 1;\n{ALTER};\nDROP TABLE s;\nCREATE INDEX ON t (a)", "MS132")
    assert finding.line == 2
    assert "2 later statements do" in finding.message
    assert "1 later statement does" in find(f"{ALTER}; DROP TABLE s", "MS132")[0].message
    assert "later" not in find(ALTER, "MS132")[0].message


def test_a_table_of_the_target_is_named_with_its_size_and_a_pending_one_not_at_all() -> None:
    (finding,) = find(ALTER, "MS132", live())
    assert "ACCESS EXCLUSIVE on t" in finding.message
    assert "1,000,000 rows, 50 MB" in finding.message
    pending = ["CREATE TABLE n (a int)", "ALTER TABLE n ADD COLUMN b int"]
    assert not run(pending, "MS132", live())
    assert run(pending, "MS132")


def test_a_table_that_is_made_anew_was_an_old_one_when_it_was_dropped() -> None:
    (finding,) = find("DROP TABLE t; CREATE TABLE t (a int)", "MS132")
    assert finding.statement == 1


def test_two_migrations_of_one_name_are_told_apart() -> None:
    units = [unit("x", ALTER), unit("x", "SELECT 1"), unit("x", "DROP TABLE s")]
    found = hazards.walk(units, before(), Options())
    assert [f.message.split()[4] for f in found if f.code == "MS132"] == ["t", "s"]


@pytest.mark.parametrize(
    ("timeout", "hits"),
    [("0", 1), ("10s", 0), ("10001", 1), ("1min", 1), ("500ms", 0), ("nonsense", 0)],
)
def test_a_lock_timeout_is_too_long_beyond_ten_seconds(timeout: str, hits: int) -> None:
    assert len(find(f"SET lock_timeout = '{timeout}'; {ALTER}", "MS133")) == hits
    assert len(find(ALTER, "MS133", timeouts={"lock_timeout": timeout})) == hits


def test_only_the_first_timeout_of_a_file_may_come_too_late() -> None:
    late = f"{ALTER};\nSET lock_timeout = '1s';\nSET lock_timeout = '2s'"
    (finding,) = find(late, "MS134")
    assert finding.line == 2
    assert "line 1" in finding.message
    assert not find(late, "MS132")
    assert not find(late, "MS134", timeouts={"lock_timeout": "9s"})


def test_lasting_work_wants_a_statement_timeout_and_a_moment_does_not() -> None:
    for text, hits in (("CREATE INDEX ON t (a)", 1), (ALTER, 0)):
        assert len(find(f"SET statement_timeout = 0; {text}", "MS136")) == hits
        assert len(find(f"SET statement_timeout = '6min'; {text}", "MS136")) == hits
        assert not find(f"SET statement_timeout = '5min'; {text}", "MS136")
        assert not find(text, "MS136")


def test_either_of_two_timeouts_ends_an_idle_transaction() -> None:
    assert find(ALTER, "MS444")
    for name in ("idle_in_transaction_session_timeout", "transaction_timeout"):
        assert not find(f"SET {name} = '1min'; {ALTER}; RESET {name}", "MS444")
        assert not find(ALTER, "MS444", timeouts={name: "1min"})


# ---------------------------------------------------------------- how long, and how many


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        (f"{ALTER}; CREATE INDEX ON s (a)", 1),
        (f"{ALTER}; ALTER TABLE s ALTER COLUMN a SET NOT NULL", 1),
        (f"{ALTER}; ALTER TABLE t ALTER COLUMN a SET NOT NULL", 0),
        (f"{ALTER}; CREATE INDEX ON t (a)", 1),
        (f"{ALTER}; SELECT count(*) FROM s", 1),
        (f"{ALTER}; SELECT count(*) FROM pg_class, information_schema.tables", 0),
        (f"{ALTER}; UPDATE s SET a = 1", 0),
        (f"{ALTER}; DROP TABLE s", 0),
        ("CREATE INDEX ON t (a); CREATE INDEX ON s (a)", 0),
        ("CREATE TABLE n (a int); ALTER TABLE n ADD COLUMN b int; CREATE INDEX ON t (a)", 0),
        (f"{ALTER}; CREATE TABLE n (a int); ALTER TABLE n ADD FOREIGN KEY (a) REFERENCES s", 0),
        (f"{ALTER}; ALTER TABLE s ADD CONSTRAINT d CHECK (a > 1) NOT VALID;"
         "ALTER TABLE s VALIDATE CONSTRAINT d", 0),
        (f"{ALTER}; ALTER TABLE s VALIDATE CONSTRAINT c", 1),
    ],
)  # fmt: skip
def test_only_slow_work_beside_a_lock_prolongs_it(text: str, hits: int) -> None:
    schema = before("CREATE TABLE t (a int, b int); CREATE TABLE s (a int PRIMARY KEY,"
                    " CONSTRAINT c CHECK (a > 0) NOT VALID)")  # fmt: skip
    schema.tables[Key("public", "s")].columns["a"].not_null = False
    assert len(find(text, "MS137", schema)) == hits


def test_what_prolongs_a_lock_is_as_bad_as_its_table_is_large() -> None:
    for size, severity in ((1000, INFO), (50_000_000, WARNING), (5_000_000_000, ERROR)):
        (finding,) = find(f"{ALTER}; CREATE INDEX ON s (a)", "MS137", live(size=size))
        assert finding.severity == severity
        assert "ACCESS EXCLUSIVE on t" in finding.message


@pytest.mark.parametrize(
    ("text", "transaction", "hits"),
    [
        (f"{ALTER}; DROP TABLE s", True, 1),
        (f"{ALTER}; DROP TABLE s", False, 0),
        (f"DO $$ BEGIN {ALTER}; DROP TABLE s; END $$", False, 1),
        (f"{ALTER}; DROP INDEX of_a_table_that_is_not_known", True, 0),
        (f"DROP INDEX of_a_table_that_is_not_known; {ALTER}", True, 0),
        (f"CREATE INDEX ON s (a); {ALTER}", True, 0),
        (f"{ALTER}; DROP SEQUENCE q", True, 0),
        ("DROP TABLE t, s", True, 0),
        (f"{ALTER}; DROP TABLE t, s", True, 1),
    ],
)
def test_a_second_table_is_taken_away_once(text: str, transaction: bool, hits: int) -> None:
    schema = before()
    schema.sequences[Key("public", "q")] = None
    assert len(find(text, "MS138", schema, transaction=transaction)) == hits


@pytest.mark.parametrize(
    ("first", "second", "hits"),
    [
        ("ADD COLUMN c int", "ADD COLUMN d int", 1),
        ("ALTER a SET DEFAULT 1", "ALTER a SET NOT NULL", 1),
        ("ADD COLUMN c int", "ALTER c SET DEFAULT 1", 0),
        ("ADD COLUMN c int", "DROP COLUMN c", 0),
        ("DROP COLUMN b", "ADD COLUMN c int", 1),
        ("ADD CONSTRAINT c CHECK (a > 1) NOT VALID", "VALIDATE CONSTRAINT c", 0),
        ("ALTER a SET NOT NULL", "DROP CONSTRAINT x", 0),
        ("ALTER a TYPE bigint", "ALTER a SET DEFAULT 1", 0),
        ("SET (fillfactor = 70)", "ADD COLUMN c int", 0),
        ("SET (fillfactor = 70)", "ALTER a SET STATISTICS 100", 0),
    ],
)
def test_alter_tables_are_merged_where_they_mean_the_same(
    first: str, second: str, hits: int
) -> None:
    assert len(find(f"ALTER TABLE t {first}; ALTER TABLE t {second}", "MS446")) == hits
    assert not find(f"ALTER TABLE t {first}; ALTER TABLE s {second}", "MS446")
    assert not find(f"ALTER TABLE t {first}; SELECT 1; ALTER TABLE t {second}", "MS446")


# ---------------------------------------------------------------- BEGIN and COMMIT


@pytest.mark.parametrize(
    ("text", "transaction", "lines"),
    [
        ("BEGIN;\nSELECT 1;\nCOMMIT", False, []),
        ("BEGIN;\nSELECT 1;\nCOMMIT", True, [1]),
        ("BEGIN;\nSELECT 1;\nCOMMIT;\nSELECT 1", True, [1, 3]),
        ("BEGIN;\nBEGIN;\nCOMMIT", False, [2]),
        ("COMMIT", False, [1]),
        ("BEGIN;\nCOMMIT;\nROLLBACK", False, [3]),
        ("BEGIN;\nCOMMIT AND CHAIN;\nROLLBACK AND CHAIN;\nCOMMIT;\nCOMMIT", False, [5]),
        ("DO $$ BEGIN COMMIT; END $$", False, []),
        ("DO $$ BEGIN SELECT 1; END $$;\nBEGIN;\nCOMMIT", False, []),
        ("SAVEPOINT a;\nROLLBACK TO a", True, []),
    ],
)
def test_transactions_do_not_nest(text: str, transaction: bool, lines: list[int]) -> None:
    assert [f.line for f in find(text, "MS447", transaction=transaction)] == lines


def test_a_transaction_around_the_whole_file_does_little_harm() -> None:
    assert find("BEGIN; SELECT 1; COMMIT", "MS447")[0].severity == INFO
    assert find("BEGIN; SELECT 1; COMMIT; SELECT 1", "MS447")[0].severity == WARNING


@pytest.mark.parametrize(
    ("text", "transaction", "line"),
    [
        ("SELECT 1;\nBEGIN;\nSELECT 1", False, 2),
        ("BEGIN;\nCOMMIT;\nBEGIN", False, 3),
        ("BEGIN;\nCOMMIT AND CHAIN;\nSELECT 1", False, 2),
        ("BEGIN", True, None),
        ("BEGIN;\nROLLBACK", False, None),
        ("DO $$ BEGIN NULL; PERFORM 1; END $$", False, None),
    ],
)
def test_an_open_transaction_is_lost(text: str, transaction: bool, line: int | None) -> None:
    found = find(text, "MS448", transaction=transaction)
    assert [finding.line for finding in found] == ([line] if line else [])


REPEATS = "CREATE TABLE x (a int); SELECT 1"


@pytest.mark.parametrize(
    ("text", "transaction", "on", "hits"),
    [
        (REPEATS, False, False, 1),
        (REPEATS, True, False, 0),
        (REPEATS, True, True, 1),
        (f"BEGIN; {REPEATS}; COMMIT", False, False, 0),
        (f"BEGIN; {REPEATS}; COMMIT; SELECT 1", False, False, 1),
        ("SELECT 1; CREATE TABLE x (a int)", False, False, 0),
        ("CREATE TABLE x (a int); RESET lock_timeout", False, False, 0),
        ("DO $$ BEGIN CREATE TABLE x (a int); END $$; SELECT 1", False, False, 0),
        ("DROP TYPE IF EXISTS x; CREATE TYPE x AS ENUM (); SELECT 1", False, False, 0),
        ("DROP FUNCTION IF EXISTS f(int); CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS '';"
         "SELECT 1", False, False, 0),
        ("DROP SCHEMA IF EXISTS x; CREATE SCHEMA x; SELECT 1", False, False, 0),
        ("CREATE INDEX ON t (a); SELECT 1", False, False, 1),
        ("ALTER TABLE t ADD CHECK (a > 1); SELECT 1", False, False, 1),
        ("INSERT INTO t SELECT 1 WHERE NOT EXISTS (SELECT FROM t); SELECT 1", False, False, 0),
        ("ALTER TYPE e RENAME VALUE 'a' TO 'b'; SELECT 1", False, False, 0),
    ],
)  # fmt: skip
def test_a_file_is_to_be_run_again_where_it_can_stop_halfway(
    text: str, transaction: bool, on: bool, hits: int
) -> None:
    assert len(find(text, "MS449", transaction=transaction, on=on)) == hits


# ---------------------------------------------------------------- runs of migrations


INDEXES = ["CREATE INDEX i ON t (a)", "CREATE INDEX j ON t (b)"]


@pytest.mark.parametrize(
    ("size", "severity"),
    [(10_000_000, None), (1_000_000_000, WARNING), (100_000_000_000, ERROR)],
)
def test_what_a_run_does_to_a_table_is_added_up(size: int, severity: Severity | None) -> None:
    found = run(INDEXES, "MS144", live(size=size))
    assert [finding.severity for finding in found] == ([severity] if severity else [])
    assert all(finding.migration == "2_new" for finding in found)


def test_a_run_is_several_migrations_and_no_whole_history() -> None:
    assert run(INDEXES, "MS144")
    assert not run(["; ".join(INDEXES)], "MS144")
    assert not run([*INDEXES, *["SELECT 1"] * 20], "MS144")
    assert not run([ALTER, *["SELECT 1"] * 20, ALTER], "MS145")
    old = unit("1_new", INDEXES[0], report=False)
    found = hazards.walk([old, unit("2_new", INDEXES[1])], before(), Options())
    assert "MS144" not in {finding.code for finding in found}


def test_what_a_run_makes_itself_is_no_hot_table_but_may_be_rewritten() -> None:
    texts = [
        "CREATE TABLE n (a int)",
        "ALTER TABLE n ALTER a TYPE bigint",
        "ALTER TABLE n ADD b int",
    ]
    assert not run(texts, "MS145")
    (finding,) = run(texts, "MS231")
    assert (finding.migration, finding.line) == ("2_new", 1)


@pytest.mark.parametrize(
    ("texts", "hits"),
    [
        (["DROP TABLE t", ALTER], 1),
        (["DROP TABLE IF EXISTS t", ALTER], 1),
        (["DROP TABLE t", "DROP TABLE IF EXISTS t"], 0),
        (["DROP TABLE t; CREATE TABLE t (a int)", ALTER], 0),
        (["DROP TABLE t; ALTER TABLE s RENAME TO t", ALTER], 0),
        (["DROP TABLE t; ALTER TABLE unknown RENAME TO t", ALTER], 0),
        (["ALTER TABLE t RENAME TO u", "SELECT * FROM t"], 1),
        (["ALTER TABLE t SET SCHEMA x", "ALTER TABLE x.t ADD COLUMN c int"], 0),
        (["DO $$ BEGIN DROP TABLE t; END $$", ALTER], 0),
        (["DROP TABLE t", f"DO $$ BEGIN {ALTER}; END $$"], 0),
        (["DROP TABLE t", "WITH t AS (SELECT 1) SELECT * FROM t"], 0),
        (["ALTER TABLE n ADD COLUMN a int", "CREATE TABLE n (a int)"], 1),
        (["CREATE TABLE x (a int REFERENCES n)", "CREATE TABLE n (a int)"], 1),
        (["ALTER TABLE n ADD COLUMN a int", "CREATE TABLE IF NOT EXISTS n (a int)"], 0),
        (["ALTER TABLE n ADD COLUMN a int; DROP TABLE n", "CREATE TABLE n (a int)"], 0),
        (["ALTER TABLE n ADD COLUMN a int; SELECT f()", "CREATE TABLE n (a int)"], 0),
        (["CREATE TABLE n (a int REFERENCES n)"], 0),
        (["CREATE TABLE t (a int)"], 1),
        (["CREATE TEMP TABLE t (a int)"], 0),
        (["CREATE VIEW t AS SELECT 1"], 1),
        (["CREATE TABLE t AS SELECT 1"], 1),
        (["CREATE TABLE other.t (a int)"], 0),
    ],
)
def test_migrations_stand_in_an_order_that_can_work(texts: list[str], hits: int) -> None:
    assert len(run(texts, "MS453")) == hits


def test_with_the_target_what_is_not_there_is_no_matter_of_order() -> None:
    assert not run(["ALTER TABLE n ADD COLUMN a int", "CREATE TABLE n (a int)"], "MS453", live())
    assert run(["CREATE TABLE t (a int)"], "MS453", live())


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("ALTER ROLE app SET session_replication_role = replica", 1),
        ("ALTER DATABASE app SET session_replication_role = replica", 1),
        ("SELECT set_config('session_replication_role', 'replica', false)", 1),
        ("ALTER ROLE app SET session_replication_role = origin", 0),
        ("ALTER ROLE app RESET session_replication_role", 0),
    ],
)
def test_triggers_are_switched_off_by_a_setting_however_it_is_given(text: str, hits: int) -> None:
    # A case would leave a role of the server without its triggers.
    assert len(find(text, "MS325")) == hits
