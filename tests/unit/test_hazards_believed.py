"""What is not believed of a statement: that it ran, that it made what it names, that it lasts."""

import pytest

from migsafe import sql
from migsafe.errors import UsageError
from migsafe.findings import Finding
from migsafe.hazards import blocks
from migsafe.schema import Key, Schema
from migsafe.schema.changes import advance
from tests.unit import hazard_walks

BEFORE = """
CREATE SCHEMA app;
CREATE SCHEMA other;
CREATE TYPE mood AS ENUM ('a');
CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE kid (id int PRIMARY KEY, pid int, m mood, CONSTRAINT small CHECK (pid < 9),
    CONSTRAINT kid_fk FOREIGN KEY (pid) REFERENCES p DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE app.kid (id int);
CREATE TABLE par (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE MATERIALIZED VIEW mv AS SELECT id FROM kid;
CREATE VIEW v AS SELECT id FROM kid;
CREATE SEQUENCE sq;
CREATE FUNCTION f() RETURNS void LANGUAGE sql STABLE AS 'DELETE FROM kid';
"""


def find(
    text: str, code: str, *, transaction: bool = True, loose: bool = False, before: str = BEFORE
) -> list[Finding]:
    schema = hazard_walks.before(before)
    return hazard_walks.find(text, code, schema, transaction=transaction, loose=loose)


def block(body: str, handler: str = "") -> str:
    return f"DO $$ BEGIN {body}; {handler and f'EXCEPTION WHEN {handler} THEN NULL;'} END $$; "


def branch(body: str) -> str:
    return block(f"IF to_regclass('kid') IS NULL THEN {body}; END IF")


TABLE = "CREATE TABLE kid (id int)"
PID = "ALTER TABLE kid ADD COLUMN pid int"
PROOF = "ALTER TABLE kid ADD CONSTRAINT seen CHECK (pid IS NOT NULL)"
SET = "ALTER TABLE kid ALTER pid SET NOT NULL"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        # in a branch, or where a handler takes the error
        (block(TABLE, "duplicate_table") + "DROP TABLE kid", "MS302"),
        (branch(TABLE) + "DROP TABLE kid", "MS302"),
        (branch(f"EXECUTE '{TABLE}'") + "TRUNCATE kid", "MS307"),
        (
            branch("CREATE MATERIALIZED VIEW mv AS SELECT 1") + "REFRESH MATERIALIZED VIEW mv",
            "MS123",
        ),
        (branch(PID) + "ALTER TABLE kid DROP COLUMN pid", "MS301"),
        (block(PID, "duplicate_column") + "ALTER TABLE kid DROP COLUMN pid", "MS301"),
        (
            block("ALTER TABLE kid ADD CONSTRAINT small CHECK (pid < 9)", "duplicate_object")
            + "ALTER TABLE kid DROP CONSTRAINT small",
            "MS324",
        ),
        (branch(PROOF) + SET, "MS211"),
        # what may be there
        (
            "ALTER TABLE kid ADD COLUMN IF NOT EXISTS pid int; ALTER TABLE kid DROP COLUMN pid",
            "MS301",
        ),
        ("CREATE SEQUENCE IF NOT EXISTS sq; ALTER SEQUENCE sq RESTART", "MS140"),
        # a new table with old rows
        (
            "CREATE TABLE n (id int, pid int, m mood) PARTITION BY LIST (id);"
            "ALTER TABLE n ATTACH PARTITION kid DEFAULT; DROP TABLE n",
            "MS302",
        ),
        (
            "CREATE TABLE n (id int) PARTITION BY LIST (id);"
            "CREATE TABLE s PARTITION OF n FOR VALUES IN (1) PARTITION BY LIST (id);"
            "ALTER TABLE s ATTACH PARTITION app.kid DEFAULT; TRUNCATE n",
            "MS307",
        ),
        ("CREATE TABLE n (id int); ALTER TABLE kid INHERIT n; TRUNCATE n", "MS307"),
        # proofs that go
        (f"{PROOF}; ALTER TABLE kid DROP CONSTRAINT seen, ALTER pid SET NOT NULL", "MS211"),
        # names
        ("ALTER FUNCTION f() VOLATILE; SELECT f()", "MS309"),
        (
            "INSERT INTO kid VALUES (7, 1); ALTER TABLE kid RENAME TO k; ALTER TABLE k ADD z int",
            "MS423",
        ),
        ("BEGIN; REINDEX TABLE par; COMMIT", "MS402"),
        ("BEGIN; REINDEX INDEX par_pkey; COMMIT", "MS402"),
        ("BEGIN; CLUSTER par USING par_pkey; COMMIT", "MS402"),
    ],
)
def test_what_was_there_before_is_not_taken_for_new(text: str, code: str) -> None:
    assert find(text, code)


@pytest.mark.parametrize(
    "text",
    [
        "BEGIN; CREATE TEMP TABLE kid (id int) ON COMMIT DROP; COMMIT; DROP TABLE kid",
        "BEGIN; CREATE TEMP TABLE kid ON COMMIT DROP AS SELECT 1; COMMIT AND CHAIN; DROP TABLE kid",
        "CREATE TEMP TABLE kid (id int) ON COMMIT DROP; DROP TABLE kid",
        block("CREATE TEMP TABLE kid (id int) ON COMMIT DROP") + "DROP TABLE kid",
        "CREATE TEMP TABLE kid (id int); DISCARD ALL; DROP TABLE kid",
        "CREATE TEMP TABLE kid (id int); DISCARD TEMP; DROP TABLE kid",
    ],
)
def test_a_temporary_table_that_has_ended_hides_nothing(text: str) -> None:
    assert find(text, "MS302", transaction=False)


def test_a_temporary_table_hides_another_while_it_lasts() -> None:
    text = "CREATE TEMP TABLE kid (id int) ON COMMIT DROP; DROP TABLE kid"
    assert not find(text, "MS302")
    assert not find(f"BEGIN; {text}; COMMIT", "MS302", transaction=False)
    assert find("DROP TABLE kid", "MS302", before=f"{BEFORE}; CREATE TEMP TABLE kid (id int)")


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE n (id int) PARTITION BY LIST (id); CREATE TABLE c (id int);"
        "ALTER TABLE n ATTACH PARTITION c DEFAULT; TRUNCATE n; DROP TABLE n",
        "CREATE TABLE n (id int); ALTER TABLE kid INHERIT n; ALTER TABLE kid NO INHERIT n;"
        "TRUNCATE n; DROP TABLE n",
        "CREATE TABLE n (id int, pid int, m mood) PARTITION BY LIST (id);"
        "ALTER TABLE n ATTACH PARTITION kid DEFAULT; ALTER TABLE n DETACH PARTITION kid;"
        "DROP TABLE n",
        "CREATE TABLE IF NOT EXISTS n (id int); TRUNCATE n; DROP TABLE n",
        block("CREATE TABLE n (id int)", "duplicate_table") + "TRUNCATE n; DROP TABLE n",
        "CREATE SEQUENCE IF NOT EXISTS s; ALTER SEQUENCE s RESTART",
        "ALTER TABLE kid ADD COLUMN IF NOT EXISTS n int; ALTER TABLE kid DROP COLUMN n",
        "ALTER TABLE kid ADD n int; ALTER TABLE kid RENAME n TO m2; ALTER TABLE kid DROP COLUMN m2",
    ],
)
def test_what_the_migration_makes_is_new_in_a_history(text: str) -> None:
    for code in ("MS301", "MS302", "MS307", "MS140"):
        assert not find(text, code)


@pytest.mark.parametrize(
    "made",
    ["CREATE TABLE IF NOT EXISTS n (id int);", block("CREATE TABLE n (id int)", "duplicate_table")],
)
def test_a_loose_file_may_find_what_it_would_make(made: str) -> None:
    assert find(f"{made} DROP TABLE n", "MS302", loose=True, before="")
    assert not find("CREATE TABLE n (id int); DROP TABLE n", "MS302", loose=True, before="")


def test_a_proof_of_a_branch_counts_once_it_is_validated() -> None:
    text = branch(f"{PROOF} NOT VALID") + "ALTER TABLE kid VALIDATE CONSTRAINT seen;"
    assert not find(text + SET, "MS211")


def test_a_branch_proves_no_uniqueness_and_no_not_null() -> None:
    index = "CREATE UNIQUE INDEX one ON kid (pid)"
    schema = Schema()
    for statement in sql.parse(f"{BEFORE}; {branch(f'{SET}; {index}')}"):
        advance(schema, statement, "1_old")
        for inner in blocks.inside(statement, schema):
            advance(schema, inner, "1_old")
    kid = schema.tables[Key("public", "kid")]
    assert not kid.unique_on(["pid"])
    assert not kid.columns["pid"].not_null
    assert kid.unique_on(["id"])


@pytest.mark.parametrize(
    "text",
    [
        "SET LOCAL search_path = other, public; CREATE OR REPLACE VIEW v AS SELECT 1 AS x",
        "CREATE OR REPLACE TEMP VIEW v AS SELECT 1 AS x",
    ],
)
def test_a_view_replaces_none_of_another_schema(text: str) -> None:
    assert not find(text, "MS422")
    assert find("CREATE OR REPLACE VIEW v AS SELECT 1 AS x", "MS422")


def test_a_function_looks_along_a_path_of_its_own() -> None:
    text = (
        "CREATE FUNCTION app.g() RETURNS void LANGUAGE plpgsql SET search_path = app "
        "AS $$ BEGIN DROP TABLE kid; END $$; SELECT app.g(); TRUNCATE kid"
    )
    (finding,) = find(text, "MS302")
    assert "drops app.kid" in finding.message
    (finding,) = find(text, "MS307")
    assert "row of kid" in finding.message


def test_what_comes_with_a_schema_is_new() -> None:
    assert not find("CREATE SCHEMA s CREATE TABLE t (a int); CREATE INDEX ON s.t (a)", "MS101")


def test_a_body_that_nests_too_deeply_is_said_to() -> None:
    body = "IF a THEN " * 600 + "NULL; " + "END IF; " * 600
    with pytest.raises(UsageError, match="nested too deeply"):
        find(f"DO $$ DECLARE a bool; BEGIN {body} END $$", "MS101")


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_a_chain_opens_the_next_transaction(end: str) -> None:
    text = f"BEGIN; {end} AND CHAIN; CREATE INDEX CONCURRENTLY i ON kid (pid); COMMIT"
    assert find(text, "MS402", transaction=False)
    text = f"BEGIN; {end} AND CHAIN; ALTER TYPE mood ADD VALUE 'c'; UPDATE kid SET m = 'c'; COMMIT"
    assert find(text, "MS432", transaction=False)


def test_a_lock_is_gone_with_its_savepoint() -> None:
    text = "SAVEPOINT a; ALTER TABLE kid ADD COLUMN z int; {} UPDATE kid SET pid = 1"
    assert find(text.format(""), "MS116")
    assert not find(text.format("ROLLBACK TO a;"), "MS116")


def test_a_type_that_a_branch_gives_may_be_given_yet() -> None:
    change = "ALTER TABLE kid ALTER pid TYPE bigint"
    assert len(find(branch(change) + change, "MS209")) == 2


@pytest.mark.parametrize(("local", "hit"), [("true", "app.kid"), ("false", "app.kid")])
def test_set_config_sets_the_path_too(local: str, hit: str) -> None:
    (finding,) = find(f"SELECT set_config('search_path', 'app', {local}); DROP TABLE kid", "MS302")
    assert f"drops {hit} " in finding.message
