"""Migration text as statements: nothing lost, every line right, every refusal named."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from migsafe import sql
from migsafe.sql import SqlError

#: Statements without their semicolons, as awkward as migrations have them.
STATEMENTS = [
    "SELECT 1",
    "select 'semi;colon', 'it''s', E'\\';\\n', U&'\\0061;'",
    "SELECT 'naïve 😀; €'",
    'CREATE TABLE "Odd; näme" ("Köl ""x"";" integer, "😀" text)',
    "INSERT INTO t VALUES (1, ';'),\n    (2, '--')",
    "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$\nBEGIN\n  PERFORM 1;\nEND;\n$$",
    "DO $body$ BEGIN RAISE NOTICE '$$;'; END $body$",
    "SELECT $é$ ; $b$ ;\n$é$",
    "SELECT 1 -- a tail; with 'quote\n  + 2",
    "SELECT /* ; /* nested ; */ */\n\n 3",
    'SELECT "a;b" FROM "c;d"',
    "CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2)",
    "CREATE FUNCTION g() RETURNS integer BEGIN ATOMIC SELECT 1; SELECT 2; END",
    "BEGIN",
    "COMMIT",
]
#: What may stand between two statements.
BETWEEN = [
    " ",
    "\t",
    "\n",
    "\r\n",
    ";",
    "-- a comment; of one line\n",
    "-- ünï 😀 'quote $$\n",
    "/* a\n block; /* in a block */ '\n*/",
    "\f",
]

betweens = st.lists(st.sampled_from(BETWEEN), max_size=5).map("".join)
scripts = st.lists(st.tuples(betweens, st.sampled_from(STATEMENTS)), max_size=8)


def script(parts: list[tuple[str, str]], tail: str) -> tuple[str, list[tuple[int, int, str]]]:
    """Return a script, and the index, line and text of each of its statements."""
    text, expected = "", []
    for index, (before, statement) in enumerate(parts, start=1):
        text += before
        expected.append((index, text.count("\n") + 1, statement))
        text += f"{statement};"
    return text + tail, expected


@given(parts=scripts, tail=betweens)
@example(parts=[("-- 😀\n", "SELECT 1"), (" /* é */ ", "SELECT 'naïve 😀; €'")], tail="")
def test_splitting_keeps_every_statement_and_its_line(
    parts: list[tuple[str, str]], tail: str
) -> None:
    text, expected = script(parts, tail)
    assert [(s.index, s.line, s.text) for s in sql.parse(text)] == expected


@given(parts=scripts, last=st.sampled_from(STATEMENTS))
def test_the_last_statement_needs_no_semicolon(parts: list[tuple[str, str]], last: str) -> None:
    text, expected = script([*parts, ("\n", last)], "")
    assert [(s.index, s.line, s.text) for s in sql.parse(text.removesuffix(";"))] == expected


@given(parts=scripts, before=betweens)
def test_a_syntax_error_has_its_line_and_column_after_any_text(
    parts: list[tuple[str, str]], before: str
) -> None:
    text, _ = script(parts, before)
    with pytest.raises(SqlError, match='at or near "NONSENSE"') as caught:
        sql.parse(f"{text}NONSENSE 1;")
    assert caught.value.line == text.count("\n") + 1
    assert caught.value.column == len(text) - text.rfind("\n")


@pytest.mark.parametrize("text", ["", " \n\t", ";;\n;", "-- only a comment", "/* block */\n"])
def test_text_without_a_statement_has_none(text: str) -> None:
    assert sql.parse(text) == ()


@pytest.mark.parametrize(
    ("text", "line", "column", "problem"),
    [
        ("SELECT 1;\nNONSENSE 2;", 2, 1, 'at or near "NONSENSE"'),
        ("CREATE NONSENSE t ();", 1, 8, 'at or near "NONSENSE"'),
        ("-- éé\nSELECT 'é', FROM;", 2, 13, 'at or near "FROM"'),
        ("-- 😀\nSELECT '€' FROM FROM x", 2, 17, 'at or near "FROM"'),
        ("CREATE TABLE t (é int,, b int)", 1, 23, 'at or near ","'),
        ("SELECT (1", 1, 10, "end of input"),
        ("SELECT 'ä', (\n", 2, 1, "end of input"),
        ("SELECT 1;\n\nSELECT 'open", 3, 8, "unterminated quoted string"),
        ("/* open", 1, 1, "unterminated /* comment"),
        ("DO $$ BEGIN END", 1, 4, "unterminated dollar-quoted string"),
    ],
)
def test_a_syntax_error_is_found_at_its_character(
    text: str, line: int, column: int, problem: str
) -> None:
    with pytest.raises(SqlError) as caught:
        sql.parse(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\\connect other", 1),
        ("\\restrict xyz\nSELECT 1;", 1),
        ("SELECT 1;\n  \\i other.sql\nSELECT 2;", 2),
        ("-- \u2028 a line separator is no line end in SQL\n\\set x 1", 2),
    ],
)
def test_a_psql_meta_command_is_called_by_its_name(text: str, line: int) -> None:
    with pytest.raises(SqlError, match="psql meta-command") as caught:
        sql.parse(text)
    assert caught.value.line == line


@pytest.mark.parametrize(
    "text",
    [
        "COPY t FROM stdin;\n1\ta\n\\.\n",
        'copy "T" (a, b)\nfrom STDIN with (format csv);\n1,2\n',
        "SELECT 1;\nCOPY t FROM stdin;\nfoo\tbar\n\\.\nSELECT 2;",
    ],
)
def test_inline_copy_data_is_called_by_its_name(text: str) -> None:
    with pytest.raises(SqlError, match="COPY … FROM STDIN with inline data"):
        sql.parse(text)


def test_a_plain_syntax_error_is_not_taken_for_copy_data() -> None:
    with pytest.raises(SqlError, match="at or near"):
        sql.parse("COPY t FROM '/rows';\nNONSENSE 1;")


@pytest.mark.parametrize(
    ("statement", "clause"),
    [
        ("CREATE INDEX CONCURRENTLY i ON t (a)", "CREATE INDEX CONCURRENTLY"),
        ("CREATE UNIQUE INDEX CONCURRENTLY ON t (a)", "CREATE INDEX CONCURRENTLY"),
        ("DROP INDEX CONCURRENTLY IF EXISTS i", "DROP INDEX CONCURRENTLY"),
        ("ALTER TABLE p DETACH PARTITION c CONCURRENTLY", "DETACH PARTITION CONCURRENTLY"),
        ("REINDEX TABLE CONCURRENTLY t", "REINDEX CONCURRENTLY"),
        ("REINDEX (CONCURRENTLY) INDEX i", "REINDEX CONCURRENTLY"),
        ("REINDEX (VERBOSE, CONCURRENTLY true) INDEX i", "REINDEX CONCURRENTLY"),
        ("REINDEX SCHEMA public", "REINDEX of many tables"),
        ("REINDEX DATABASE d", "REINDEX of many tables"),
        ("REINDEX SYSTEM d", "REINDEX of many tables"),
        ("VACUUM", "VACUUM"),
        ("VACUUM (FULL, ANALYZE) t", "VACUUM"),
        ("CLUSTER", "CLUSTER of every table"),
        ("CREATE DATABASE d", "CREATE DATABASE"),
        ("DROP DATABASE IF EXISTS d", "DROP DATABASE"),
        ("ALTER DATABASE d SET TABLESPACE s", "ALTER DATABASE SET TABLESPACE"),
        ("CREATE TABLESPACE s LOCATION '/s'", "CREATE TABLESPACE"),
        ("DROP TABLESPACE s", "DROP TABLESPACE"),
        ("ALTER SYSTEM SET work_mem = '1MB'", "ALTER SYSTEM"),
        ("ALTER SYSTEM RESET ALL", "ALTER SYSTEM"),
        ("CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p", "CREATE SUBSCRIPTION"),
        (
            "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p WITH (create_slot = on)",
            "CREATE SUBSCRIPTION",
        ),
        ("ALTER SUBSCRIPTION s REFRESH PUBLICATION", "ALTER SUBSCRIPTION with refresh"),
        ("ALTER SUBSCRIPTION s ADD PUBLICATION p", "ALTER SUBSCRIPTION with refresh"),
        (
            "ALTER SUBSCRIPTION s DROP PUBLICATION p WITH (refresh = true)",
            "ALTER SUBSCRIPTION with refresh",
        ),
        ("ALTER SUBSCRIPTION s SET (failover = true)", "ALTER SUBSCRIPTION of its slot"),
        ("DROP SUBSCRIPTION s", "DROP SUBSCRIPTION"),
        ("DISCARD ALL", "DISCARD ALL"),
        ("BEGIN", "BEGIN or COMMIT"),
        ("START TRANSACTION ISOLATION LEVEL SERIALIZABLE", "BEGIN or COMMIT"),
        ("COMMIT", "BEGIN or COMMIT"),
        ("END", "BEGIN or COMMIT"),
        ("ROLLBACK", "BEGIN or COMMIT"),
        ("ABORT", "BEGIN or COMMIT"),
        ("PREPARE TRANSACTION 'x'", "BEGIN or COMMIT"),
        ("COMMIT PREPARED 'x'", "BEGIN or COMMIT"),
        ("ROLLBACK PREPARED 'x'", "BEGIN or COMMIT"),
        ("DO $$ BEGIN UPDATE t SET a = 1; COMMIT; END $$", "COMMIT in a DO block"),
        ("DO LANGUAGE plpgsql 'BEGIN Rollback; END'", "COMMIT in a DO block"),
    ],
)
def test_a_statement_that_refuses_a_transaction_says_why(statement: str, clause: str) -> None:
    (only,) = sql.parse(statement)
    assert only.refuses
    assert clause in only.refuses


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX concurrently_built ON t (a)",
        'CREATE INDEX i ON "concurrently" (a)',
        "SELECT 'CREATE INDEX CONCURRENTLY i ON t (a)'",
        "DROP INDEX i",
        "DROP TABLE t",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY m",
        "ALTER TABLE p DETACH PARTITION c",
        "ALTER TABLE p DETACH PARTITION c FINALIZE",
        "ALTER TABLE p ATTACH PARTITION c DEFAULT",
        "REINDEX TABLE t",
        "REINDEX INDEX i",
        "REINDEX (CONCURRENTLY false) TABLE t",
        "ANALYZE t",
        "CLUSTER t USING i",
        "ALTER DATABASE d SET work_mem = '1MB'",
        "ALTER DATABASE d CONNECTION LIMIT 3",
        "ALTER TABLE t SET TABLESPACE s",
        "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p WITH (connect = false)",
        "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p WITH (create_slot = 'off')",
        "ALTER SUBSCRIPTION s ENABLE",
        "ALTER SUBSCRIPTION s SET PUBLICATION p WITH (refresh = false)",
        "ALTER SUBSCRIPTION s SET (slot_name = 'x')",
        "CREATE SCHEMA vacuum",
        "DISCARD PLANS",
        "SAVEPOINT a",
        "RELEASE SAVEPOINT a",
        "ROLLBACK TO SAVEPOINT a",
        "DO $$ BEGIN PERFORM commitment FROM t; END $$",
        "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$",
        "ALTER TYPE e ADD VALUE 'x'",
        "SET lock_timeout = '5s'",
    ],
)
def test_a_statement_that_only_looks_like_it_refuses_nothing(statement: str) -> None:
    (only,) = sql.parse(statement)
    assert only.refuses is None


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("BEGIN; SELECT 1; SELECT 2; COMMIT;", ["SELECT 1", "SELECT 2"]),
        ("START TRANSACTION; SELECT 1; END", ["SELECT 1"]),
        ("BEGIN; SAVEPOINT a; SELECT 1; ROLLBACK TO a; COMMIT", None),
        ("BEGIN; COMMIT", []),
    ],
)
def test_a_begin_and_commit_around_everything_are_taken_off(
    text: str, kept: list[str] | None
) -> None:
    statements = sql.parse(text)
    inner = [s.text for s in statements[1:-1]] if kept is None else kept
    assert [s.text for s in sql.unwrapped(statements)] == inner


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "SELECT 1; BEGIN; SELECT 2; COMMIT",
        "BEGIN; SELECT 1; COMMIT; SELECT 2",
        "BEGIN; SELECT 1; ROLLBACK",
        "BEGIN; SELECT 1; COMMIT; BEGIN; SELECT 2; COMMIT",
        "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1; COMMIT",
        "BEGIN; SELECT 1",
        "COMMIT; SELECT 1; BEGIN",
    ],
)
def test_other_transactions_stay_as_they_are_written(text: str) -> None:
    statements = sql.parse(text)
    assert sql.unwrapped(statements) == statements


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("BEGIN;\nSELECT 1;", 1),
        ("SELECT 1;\nSTART TRANSACTION;\nSELECT 2;", 2),
        ("BEGIN;\nCOMMIT;\nBEGIN;\nSELECT 1;", 3),
        ("BEGIN;\nSELECT 1;\nCOMMIT AND CHAIN;\nSELECT 2;", 3),
        ("BEGIN;\nSAVEPOINT a;\nROLLBACK TO a;", 1),
    ],
)
def test_a_begin_without_its_end_is_found(text: str, line: int) -> None:
    begin = sql.unclosed(sql.parse(text))
    assert begin
    assert begin.line == line


@pytest.mark.parametrize(
    "text", ["SELECT 1", "BEGIN; COMMIT", "BEGIN; ROLLBACK; SELECT 1", "COMMIT"]
)
def test_a_begin_with_its_end_is_no_finding(text: str) -> None:
    assert sql.unclosed(sql.parse(text)) is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("ALTER TYPE s ADD VALUE 'no_show';\nUPDATE t SET s = 'no_show';", 1),
        ("SELECT 1;\nALTER TYPE a.s ADD VALUE 'x' BEFORE 'y';\nSELECT 'x'::a.s;", 2),
        ("ALTER TYPE s ADD VALUE 'it''s';\nSELECT 'it''s'::s;", 1),
        ("CREATE TYPE other AS ENUM ('x');\nALTER TYPE s ADD VALUE 'x';\nSELECT 'x';", 2),
    ],
)
def test_a_new_enum_label_that_is_used_at_once_is_found(text: str, line: int) -> None:
    statement = sql.new_enum_value_used(sql.parse(text))
    assert statement
    assert statement.line == line


@pytest.mark.parametrize(
    "text",
    [
        "ALTER TYPE s ADD VALUE 'no_show';",
        "SELECT 'x'; ALTER TYPE s ADD VALUE 'x';",
        "ALTER TYPE s ADD VALUE 'x'; SELECT 'xy';",
        "CREATE TYPE s AS ENUM ('a'); ALTER TYPE s ADD VALUE 'x'; SELECT 'x'::s;",
        "ALTER TYPE s RENAME VALUE 'a' TO 'x'; SELECT 'x'::s;",
    ],
)
def test_a_new_enum_label_that_waits_is_no_finding(text: str) -> None:
    assert sql.new_enum_value_used(sql.parse(text)) is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("COPY t FROM STDIN", 1),
        ("COPY t TO STDOUT", 1),
        ("SELECT 1;\nCOPY t (a) FROM stdin WITH (FORMAT csv)", 2),
    ],
)
def test_a_copy_that_would_talk_to_the_client_is_found(text: str, line: int) -> None:
    statement = sql.copies_client(sql.parse(text))
    assert statement
    assert statement.line == line


@pytest.mark.parametrize(
    "text", ["COPY t TO '/rows'", "COPY t FROM '/rows'", "COPY t FROM PROGRAM 'cat'", "SELECT 1"]
)
def test_a_copy_of_the_server_is_no_finding(text: str) -> None:
    assert sql.copies_client(sql.parse(text)) is None


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1",
        "SELECT '; DELETE FROM t'",
        "WITH a AS (SELECT 1 AS x) SELECT x FROM a",
        "SELECT 1 UNION ALL SELECT 2 ORDER BY 1",
        "SELECT insert, nextval FROM updates AS x (insert, nextval)",
        "SELECT count(*) FILTER (WHERE a IS NULL) OVER () FROM t",
        "SELECT lower(name), coalesce(a, b), my.lookup(1) FROM t",
    ],
)
@pytest.mark.parametrize("form", ["{}", "{};", "-- a header\n{} ;\n-- and a tail"])
def test_one_reading_select_is_a_question(query: str, form: str) -> None:
    assert sql.question(form.format(query)) == query


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "0 statements"),
        ("SELECT 1; SELECT 2", "2 statements"),
        ("UPDATE t SET a = 1", "not a SELECT"),
        ("EXPLAIN ANALYZE SELECT 1", "not a SELECT"),
        ("SHOW ALL", "not a SELECT"),
        ("COPY t TO STDOUT", "not a SELECT"),
        ("DO $$ BEGIN END $$", "not a SELECT"),
        ("CALL p()", "not a SELECT"),
        ("WITH x AS (DELETE FROM t RETURNING a) SELECT a FROM x", "DELETE"),
        ("WITH x AS (INSERT INTO t VALUES (1) RETURNING a) SELECT a FROM x", "INSERT"),
        ("SELECT 1 FROM (WITH x AS (UPDATE t SET a = 1 RETURNING a) SELECT a FROM x)", "UPDATE"),
        (
            "WITH x AS (MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE RETURNING 1) "
            "SELECT 1",
            "MERGE",
        ),
        ("SELECT a INTO u FROM t", "SELECT INTO"),
        ("SELECT a FROM t FOR UPDATE", "FOR UPDATE"),
        ("SELECT a FROM (SELECT a FROM t FOR KEY SHARE) AS x", "FOR UPDATE or FOR SHARE"),
        ("SELECT nextval('s')", "nextval()"),
        ("SELECT pg_catalog.setval('s', 1)", "setval()"),
        ("SELECT 1 WHERE EXISTS (SELECT PG_TERMINATE_BACKEND(1))", "pg_terminate_backend()"),
        ("SELECT 1 ORDER BY pg_try_advisory_lock(1)", "pg_try_advisory_lock()"),
        ("SELECT set_config('a.b', 'c', false)", "set_config()"),
        ("SELECT x FROM dblink_exec('', 'DROP TABLE t') AS x", "dblink_exec()"),
        ("SELECT 1 UNION SELECT lo_unlink(1)", "lo_unlink()"),
        ("SELECT pg_notify('c', 'x')", "pg_notify()"),
    ],
)
def test_anything_that_acts_is_no_question(text: str, problem: str) -> None:
    with pytest.raises(SqlError) as caught:
        sql.question(text)
    assert problem in str(caught.value)


def test_a_refused_question_has_the_line_of_its_statement() -> None:
    with pytest.raises(SqlError) as caught:
        sql.question("-- audit: x\n\nDELETE FROM t;")
    assert caught.value.line == 3


@pytest.mark.parametrize(
    "text", ["SELECT 1 'secret'", "SELECT 'secret", "SELECT $$secret", "A E'secret'"]
)
def test_a_syntax_error_shows_nothing_of_a_string(text: str) -> None:
    with pytest.raises(sql.SqlError) as caught:
        sql.parse(text)
    assert "secret" not in str(caught.value)
