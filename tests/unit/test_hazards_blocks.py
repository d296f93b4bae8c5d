"""What is seen of blocks, dynamic SQL and called functions, and what is said to be unknown."""

import pytest
from pglast import ast

from migsafe import hazards, sql
from migsafe.findings import Finding
from migsafe.hazards import Options, Unit, blocks, dynamic, rewrites, suppressions
from migsafe.schema import Schema
from migsafe.schema.changes import advance
from migsafe.sql import Unknown


def unit(text: str, *, transaction: bool = False) -> Unit:
    return Unit(
        name="2_new",
        file="2_new.sql",
        text=text,
        statements=sql.parse(text),
        transaction=transaction,
    )


def find(text: str, code: str, *, transaction: bool = False, before: str = "") -> list[Finding]:
    schema = Schema()
    for statement in sql.parse(before):
        advance(schema, statement, "1_old")
    asked = Options(on=frozenset({code}))
    found = hazards.walk([unit(text, transaction=transaction)], schema, asked)
    return [finding for finding in found if finding.code == code]


def inner(text: str, before: str = "") -> list[tuple[int, str]]:
    """Return line and text of what runs inside of the only statement."""
    schema = Schema()
    for statement in sql.parse(before):
        advance(schema, statement, "1_old")
    (outer,) = sql.parse(text)
    return [
        (part.line, part.node.what if isinstance(part.node, Unknown) else part.text)
        for part in blocks.inside(outer, schema)
    ]


def block(body: str, declare: str = "") -> str:
    return f"DO $$ DECLARE {declare} BEGIN {body} END $$"


def test_a_statement_of_a_block_is_found_on_its_line_in_the_file() -> None:
    text = (
        "SELECT 'é';\n\nDO LANGUAGE plpgsql $x$\nBEGIN\n\n  CREATE INDEX\n    i ON t (a);\nEND $x$;"
    )
    (finding,) = find(text, "MS101")
    assert (finding.line, finding.end_line, finding.statement) == (6, 7, 2)


@pytest.mark.parametrize(
    "body",
    [
        "{};",
        "IF a THEN {}; END IF;",
        "IF a THEN NULL; ELSIF b THEN {}; END IF;",
        "IF a THEN NULL; ELSE {}; END IF;",
        "CASE a WHEN 1 THEN {}; END CASE;",
        "CASE a WHEN 1 THEN NULL; ELSE {}; END CASE;",
        "LOOP {}; END LOOP;",
        "WHILE a LOOP {}; END LOOP;",
        "FOR i IN 1..3 LOOP {}; END LOOP;",
        "FOR r IN SELECT 1 LOOP {}; END LOOP;",
        "FOR r IN EXECUTE 'SELECT 1' LOOP {}; END LOOP;",
        "FOREACH n IN ARRAY ARRAY[1, 2] LOOP {}; EXIT; END LOOP;",
        "BEGIN {}; END;",
        "BEGIN NULL; EXCEPTION WHEN others THEN {}; END;",
        "EXECUTE '{}';",
        "EXECUTE 'CREATE INDEX ' || 'i ON t (a)';",
        "EXECUTE format('CREATE INDEX %I ON %s (%2$s)', 'i', 't');",
    ],
)
def test_every_branch_of_a_block_is_looked_into(body: str) -> None:
    text = block(body.replace("{}", "CREATE INDEX i ON t (a)"), "r record; n int; a int; b bool;")
    assert find(text, "MS101")


def test_what_a_block_has_made_is_new_for_the_rest_of_it() -> None:
    assert not find(block("CREATE TABLE t (a int); CREATE INDEX ON t (a);"), "MS101")
    assert not find(f"{block('CREATE TABLE t (a int);')}; CREATE INDEX ON t (a)", "MS101")


def test_a_block_is_a_transaction_of_its_own() -> None:
    text = block("CREATE INDEX CONCURRENTLY i ON t (a);")
    (finding,) = find(f"SELECT 1;\n{text}", "MS402")
    assert "line 2" in finding.message
    assert not find(f"{text}; CREATE INDEX CONCURRENTLY j ON t (a)", "MS402")[1:]


def test_a_commit_in_a_block_gives_its_locks_back() -> None:
    text = block("ALTER TABLE t ADD COLUMN b int; {} UPDATE t SET b = 1;")
    assert find(text.replace("{}", ""), "MS116", before="CREATE TABLE t (a int)")
    assert not find(text.replace("{}", "COMMIT;"), "MS116", before="CREATE TABLE t (a int)")


def test_a_comment_before_a_block_allows_what_is_in_it() -> None:
    text = f"-- migsafe: allow MS101 at night\n{block('CREATE INDEX i ON t (a);')};"
    walked = hazards.walk([unit(text)], Schema(), Options())
    settled = suppressions.settle([unit(text)], walked)
    (finding,) = [one for one in settled if one.code == "MS101"]
    assert finding.suppressed == "at night"


@pytest.mark.parametrize(
    ("expression", "made"),
    [
        ("'a'", ("a",)),
        ("'a' || 'b'", ("a", "b")),
        ("'a' || 1", ("a", "1")),
        ("'a' || n", ("a", None)),
        ("'a' || v", ("a", "known")),
        ("'a'::text", ("a",)),
        ("concat('a', 'b')", ("a", "b")),
        ("quote_ident('Odd name')", ('"Odd name"',)),
        ("quote_literal('it''s')", ("'it''s'",)),
        ("quote_ident(n)", ('"', None, '"')),
        ("format('%I', n)", ("", '"', None, '"', "")),
        ("format('a %s b %% %L', 'x', 'y')", ("a ", "x", " b ", "%", " ", "'y'", "")),
        ("format('%2$s %1$s', 'x', 'y')", ("", "y", " ", "x", "")),
        ("format('%s')", ("", None, "")),
        ("format('%-5s', 'x')", (None,)),
        ("format(n, 'x')", (None,)),
        ("format('%s', VARIADIC n)", (None,)),
        ("lower('A')", (None,)),
        ("NULL", (None,)),
        ("(SELECT 'a')", (None,)),
        ("'a", (None,)),
    ],
)
def test_a_text_is_known_as_far_as_its_parts_are(
    expression: str, made: tuple[str | None, ...]
) -> None:
    assert dynamic.parts(expression, {"v": ("known",)}) == made


def test_the_kind_of_an_open_text_is_said_and_nothing_of_its_values() -> None:
    what = "runs {} by EXECUTE, with a text that is put together when it runs"
    for text, kind in (
        ("'ALTER TABLE ' || n || ' ADD COLUMN secret text'", "ALTER TABLE"),
        ("format('create unique index %I on t (a)', n)", "CREATE UNIQUE INDEX"),
        ("'secret ' || n", "a statement"),
        ("n", "a statement"),
    ):
        assert inner(block(f"EXECUTE {text};", "n text;")) == [(1, what.format(kind))]


@pytest.mark.parametrize(
    ("declare", "body", "known"),
    [
        ("q text := 'SELECT 1';", "EXECUTE q;", True),
        ("q text;", "q := 'SELECT 1'; EXECUTE q;", True),
        ("q text;", "EXECUTE q; q := 'SELECT 1';", False),
        ("q text := 'a';", "q := 'SELECT 1'; EXECUTE q;", False),
        ("q text;", "IF a THEN q := 'b'; ELSE q := 'SELECT 1'; END IF; EXECUTE q;", False),
        ("q text;", "SELECT 'SELECT 1' INTO q; EXECUTE q;", False),
        ("q text;", "FOR q IN SELECT 'SELECT 1' LOOP EXECUTE q; END LOOP;", False),
        ("q text;", "GET DIAGNOSTICS q = ROW_COUNT; EXECUTE q;", False),
        ("r record;", "FOR r IN SELECT 1 LOOP EXECUTE r.q; END LOOP;", False),
        ("q text := 'SELECT 1';", "DECLARE q text; BEGIN EXECUTE q; END;", False),
        ("q text;", "FOREACH q IN ARRAY ARRAY['SELECT 1'] LOOP EXECUTE q; END LOOP;", True),
        ("q text;", "FOREACH q IN ARRAY f() LOOP EXECUTE q; END LOOP;", False),
    ],
)
def test_a_variable_is_known_while_it_has_one_value(declare: str, body: str, known: bool) -> None:
    *_, (_, last) = inner(block(body, f"a bool; {declare}"))
    assert (last == "SELECT 1") is known


def test_a_loop_over_constants_runs_for_each_of_them() -> None:
    declare = "n text; names text[] := ARRAY['a', 'b']; q text;"
    body = "FOREACH n IN ARRAY names LOOP q := format('DROP TABLE %I', n); EXECUTE q; END LOOP;"
    assert [text for _, text in inner(block(body, declare))] == ["DROP TABLE a", "DROP TABLE b"]


BODY = "CREATE FUNCTION f(n int) RETURNS int LANGUAGE {} AS $$ {} $$"
RETURNS = "BEGIN n := 1; DROP TABLE t; RETURN n; END"


@pytest.mark.parametrize(
    ("before", "call", "found"),
    [
        (BODY.format("sql", "DROP TABLE t; SELECT 1"), "SELECT f(1)", ["DROP TABLE t", "SELECT 1"]),
        (BODY.format("plpgsql", RETURNS), "SELECT f(1)", ["DROP TABLE t"]),
        (BODY.format("plpgsql", RETURNS), "SELECT * FROM s.f(1) AS x", ["DROP TABLE t"]),
        (BODY.format("plpgsql", RETURNS), "SELECT a FROM t WHERE a = f(1)", []),
        (BODY.format("plpgsql STABLE", "BEGIN RETURN 1; END"), "SELECT f(1)", []),
        (BODY.format("plperl", "1"), "SELECT f(1)", ["calls f(), which is written in plperl"]),
        ("", "SELECT f(1)", ["calls f(), whose body is not known"]),
        ("", "CALL p()", ["calls p(), whose body is not known"]),
        ("", "SELECT now(), setval('s', 1), pg_catalog.f(1)", []),
        (BODY.format("sql", "{{ broken }}"), "SELECT f(1)",
         ["calls f(), which has a body that cannot be read here"]),
        (BODY.format("plpgsql", "BEGIN {{ END"), "SELECT f(1)",
         ["calls f(), which has a body that cannot be read here"]),
        ("CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN COMMIT; RETURN; END'", "CALL p()",
         ["CALL p()"]),
        (f"{BODY.format('sql', 'SELECT f(n)')}", "SELECT f(1)", ["SELECT f(n)"] * 5),
    ],
)  # fmt: skip
def test_a_called_function_is_looked_into(before: str, call: str, found: list[str]) -> None:
    assert [text for _, text in inner(call, before)] == found


def test_what_a_function_cannot_be_seen_to_do_is_said_once() -> None:
    body = "BEGIN EXECUTE n; EXECUTE n; DROP TABLE t; END"
    before = f"CREATE FUNCTION f(n text) RETURNS void LANGUAGE plpgsql AS '{body}'"
    said, dropped = inner("SELECT f('x')", before)
    assert said[1].startswith("calls f(), which runs a statement by EXECUTE")
    assert dropped[1] == "DROP TABLE t"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("DO LANGUAGE plperl 'x'", "runs a DO block in plperl"),
        ("DO $$ BEGIN {{ table }} END $$", "runs a DO block that cannot be read here"),
        ("DO $$ BEGIN IF THEN; END $$", "runs a DO block that cannot be read here"),
        ("EXECUTE p", "runs the prepared statement p"),
    ],
)
def test_a_block_that_cannot_be_read_is_unknown_as_a_whole(text: str, what: str) -> None:
    assert [found for _, found in inner(text)] == [what]


def test_only_what_is_unknown_leaves_the_schema_open() -> None:
    for text, opaque in ((block("DROP TABLE t;"), 0), ("DO LANGUAGE plperl 'x'", 1)):
        schema = Schema()
        hazards.walk([unit(text)], schema, Options())
        assert len(schema.opaque) == opaque


def test_a_transaction_that_a_block_ends_is_a_statement_of_its_own() -> None:
    (outer,) = sql.parse(block("COMMIT;"))
    (ends,) = blocks.inside(outer, Schema())
    assert isinstance(ends.node, ast.TransactionStmt)
    assert ends.refuses is None


def test_what_is_found_in_a_block_is_not_rewritten() -> None:
    migration = unit(block("CREATE INDEX i ON t (a); ALTER TABLE t ALTER a SET NOT NULL;"))
    found = hazards.walk([migration], Schema(), Options())
    assert {"MS101", "MS211"} <= {finding.code for finding in found}
    assert rewrites.rewrite(migration, found, Schema()) is None
