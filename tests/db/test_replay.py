"""The replay of a history in a shadow: what each migration changes, and what is kept of it."""

import os
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace
from psycopg import sql

from migsafe import facts, histories, replay, target
from migsafe.catalog import schema
from migsafe.config import HistoryConfig, ShadowConfig
from migsafe.facts import Delta, Key
from migsafe.histories import Migration
from migsafe.replay import Replay, Stage

Conn = psycopg.Connection[Any]
Write = Callable[..., list[Migration]]


@pytest.fixture
def stage(server: str, server_major: int, tmp_path: Path) -> Stage:
    """A database of its own in the server of the tests: no server is started."""
    return Stage(config=ShadowConfig(server=server), root=tmp_path, major=server_major)


@pytest.fixture
def kept(stage: Stage, tmp_path: Path) -> Stage:
    return replace(stage, cache=tmp_path / "replays")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a history, one migration a text, and loads it."""

    def load(*texts: str) -> list[Migration]:
        folder = tmp_path / "history"
        for file in folder.glob("*.sql"):
            file.unlink()
        folder.mkdir(exist_ok=True)
        for number, text in enumerate(texts, start=1):
            (folder / f"{number:03d}_step.sql").write_text(text, "utf-8")
        return list(histories.load(folder, HistoryConfig()).migrations)

    return load


def plainly(url: str, texts: Sequence[str]) -> list[Delta]:
    """Run the texts in a session each, and read everything each time: what must come out."""
    deltas: list[Delta] = []
    with psycopg.connect(url, autocommit=True) as reader:
        before = facts.kept(schema.facts(schema.read(reader)))
    for text in texts:
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute(text.encode())
        with psycopg.connect(url, autocommit=True) as reader:
            after = facts.kept(schema.facts(schema.read(reader)))
        deltas.append(facts.delta(before, after))
        before = after
    return deltas


def check(played: Replay, expected: Sequence[Delta]) -> None:
    """Compare migration by migration."""
    assert played.stopped is None, played.stopped
    assert len(played.deltas) == len(expected)
    for number, (step, wanted) in enumerate(zip(played.deltas, expected, strict=True), start=1):
        assert step == wanted, f"migration {number}"
    assert facts.kept(played.final) == played.state(len(expected))


# ---------------------------------------------------------------- facts in parts

#: Histories in which a change shows elsewhere than in what the statement names.
NASTY = {
    "renames": [
        "CREATE TABLE a (id int PRIMARY KEY, x int CHECK (x > 0));"
        "CREATE TABLE b (a int REFERENCES a (id)); CREATE VIEW v AS SELECT id, x FROM a;",
        "ALTER TABLE a RENAME COLUMN id TO ident;",
        'ALTER TABLE a RENAME TO "A b";',
        'ALTER INDEX a_pkey RENAME TO "Key";',
        'ALTER TABLE "A b" RENAME CONSTRAINT a_x_check TO positive;',
        "ALTER VIEW v RENAME TO w; ALTER VIEW w RENAME COLUMN x TO y;",
    ],
    "cascades": [
        "CREATE TYPE mood AS ENUM ('good'); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS "
        "'SELECT 1'; CREATE TABLE a (id int PRIMARY KEY DEFAULT f(), m mood);"
        "CREATE TABLE b (a int REFERENCES a (id), m mood[]); CREATE VIEW v AS SELECT * FROM a;"
        "CREATE VIEW w AS SELECT id FROM v; CREATE INDEX b_m ON b (m);",
        "DROP TYPE mood CASCADE;",
        "DROP FUNCTION f() CASCADE;",
        "DROP TABLE a CASCADE;",
        "DROP INDEX IF EXISTS b_m; DROP TABLE b;",
    ],
    "partitions": [
        "CREATE TABLE p (id int, at date) PARTITION BY RANGE (at);",
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');"
        "CREATE TABLE p2 (id int, at date);",
        "CREATE INDEX p_id ON p (id);",
        "ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');",
        "ALTER TABLE p ADD COLUMN note text NOT NULL DEFAULT '';",
        "ALTER TABLE p DETACH PARTITION p1;",
        "ALTER TABLE p ALTER note DROP NOT NULL;",
        "DROP TABLE p;",
        "CREATE TABLE q (id int) PARTITION BY LIST (id); CREATE TABLE q1 PARTITION OF q DEFAULT;",
        "ALTER TABLE q DETACH PARTITION q1;",
    ],
    "inheritance": [
        "CREATE TABLE parent (id int, x text);",
        "CREATE TABLE child (y int) INHERITS (parent);",
        "ALTER TABLE parent ADD COLUMN z int CHECK (z > 0);",
        "ALTER TABLE parent ALTER x SET NOT NULL;",
        "ALTER TABLE parent RENAME COLUMN x TO xx;",
        "ALTER TABLE child NO INHERIT parent;",
        "ALTER TABLE parent DROP COLUMN z;",
    ],
    "types": [
        "CREATE TYPE mood AS ENUM ('good', 'bad'); CREATE DOMAIN code AS text CHECK (VALUE <> '');"
        "CREATE TYPE pair AS (a int, b text);"
        "CREATE TABLE t (m mood DEFAULT 'good', c code, p pair, CHECK (m <> 'bad'));",
        "ALTER TYPE mood RENAME VALUE 'bad' TO 'worse';",
        'ALTER TYPE mood RENAME TO "Mood";',
        "ALTER DOMAIN code RENAME TO label;",
        "ALTER DOMAIN label ADD CONSTRAINT short CHECK (length(VALUE) < 9);",
        "ALTER TYPE pair ADD ATTRIBUTE c int CASCADE;",
        "ALTER TYPE pair RENAME ATTRIBUTE a TO aa;",
        "ALTER DOMAIN label SET NOT NULL; ALTER DOMAIN label SET DEFAULT 'x';",
    ],
    "schemas": [
        "CREATE SCHEMA s; CREATE TABLE s.t (id serial PRIMARY KEY); CREATE VIEW v AS TABLE s.t;"
        "CREATE TYPE s.mood AS ENUM ('good'); CREATE TABLE u (m s.mood, t int REFERENCES s.t);",
        'ALTER SCHEMA s RENAME TO "S s";',
        'ALTER TABLE "S s".t SET SCHEMA public;',
        'ALTER TYPE "S s".mood SET SCHEMA public;',
        'DROP SCHEMA "S s";',
    ],
    "functions": [
        "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';"
        "CREATE TABLE t (id int DEFAULT f(1), CHECK (f(id) > 0)); CREATE INDEX i ON t (f(id));"
        "CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';"
        "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION g();"
        "CREATE POLICY pol ON t USING (f(id) > 1);",
        "ALTER FUNCTION f(int) RENAME TO ff;",
        "ALTER FUNCTION g() RENAME TO gg;",
        "CREATE OR REPLACE FUNCTION ff(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 0';",
        "ALTER TABLE t DISABLE TRIGGER tr;",
        "ALTER TRIGGER tr ON t RENAME TO tt; ALTER POLICY pol ON t RENAME TO pp;",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY;",
        "DROP FUNCTION gg() CASCADE;",
    ],
    "sequences": [
        "CREATE TABLE t (id int GENERATED BY DEFAULT AS IDENTITY, n serial);",
        "ALTER TABLE t ALTER id SET INCREMENT BY 5;",
        "ALTER TABLE t ALTER id SET GENERATED ALWAYS;",
        "ALTER SEQUENCE t_n_seq AS bigint OWNED BY NONE;",
        "ALTER SEQUENCE t_n_seq RENAME TO other;",
        "ALTER TABLE t ALTER id DROP IDENTITY;",
        "DROP SEQUENCE other CASCADE;",
    ],
    "comments": [
        "CREATE TABLE t (id int PRIMARY KEY); CREATE INDEX i ON t (id);"
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';",
        "COMMENT ON TABLE t IS 'a'; COMMENT ON COLUMN t.id IS 'b';",
        "COMMENT ON INDEX i IS 'c'; COMMENT ON CONSTRAINT t_pkey ON t IS 'd';",
        "COMMENT ON FUNCTION f() IS 'e'; COMMENT ON SCHEMA public IS 'f';",
        "COMMENT ON TABLE t IS NULL;",
    ],
    "a function that makes things": [
        "CREATE FUNCTION make(name text) RETURNS void LANGUAGE plpgsql AS $$BEGIN "
        "EXECUTE format('ALTER TABLE %I ADD COLUMN made int', name); END$$; CREATE TABLE t ();",
        "SELECT make('t');",
        "DO $$BEGIN EXECUTE 'ALTER TABLE t ' || 'RENAME made TO done'; END$$;",
    ],
    "children made by a function": [
        "CREATE FUNCTION make() RETURNS void LANGUAGE plpgsql AS $$BEGIN "
        "EXECUTE 'CREATE TABLE c () IN' || 'HERITS (t)'; END$$; CREATE TABLE t (id int);",
        "SELECT make();",
        "ALTER TABLE t ADD COLUMN x int;",
        "ALTER TABLE c ADD COLUMN y int;",
    ],
    "event triggers": [
        "CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';",
        "CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION e();",
        "CREATE SCHEMA s;",
        "ALTER EVENT TRIGGER watch DISABLE;",
        "CREATE TABLE t (id int);",
        "DROP EVENT TRIGGER watch; DROP FUNCTION e();",
    ],
    "without triggers": [
        "CREATE TABLE t (id int);",
        "SET session_replication_role = replica; ALTER TABLE t ADD COLUMN x int;",
        "ALTER TABLE t ADD COLUMN y int;",
    ],
    "without event triggers": [
        "CREATE TABLE t (id int);",
        "SET event_triggers = off; ALTER TABLE t ADD COLUMN x int;",
        "ALTER TABLE t ADD COLUMN y int;",
    ],
    "other objects": [
        "CREATE COLLATION c (provider = libc, locale = 'C'); CREATE TABLE t (a text COLLATE c);",
        "ALTER COLLATION c RENAME TO cc;",
        "ALTER TABLE t ADD COLUMN b int; CREATE STATISTICS st ON a, b FROM t;",
        "CREATE PUBLICATION pub FOR TABLE t;",
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
        "CREATE FOREIGN TABLE ft (id int) SERVER s;",
        "ALTER FOREIGN TABLE ft ADD COLUMN x int;",
        "CREATE RULE r AS ON INSERT TO t DO ALSO NOTHING;",
        "CREATE MATERIALIZED VIEW mv AS SELECT a FROM t; CREATE UNIQUE INDEX mvi ON mv (a);",
        "DROP TABLE t CASCADE;",
    ],
    "words that change nothing elsewhere": [
        'CREATE TABLE a (id int PRIMARY KEY, "type" text); CREATE TYPE mood AS ENUM ('
        "'good'); CREATE TABLE b (a int REFERENCES a (id) ON DELETE CASCADE, m mood);",
        'CREATE VIEW v AS SELECT id, "type" FROM a;',
        "ALTER TYPE mood ADD VALUE 'bad';",
        'ALTER TABLE a DROP COLUMN "type" CASCADE;',
        "INSERT INTO a VALUES (1) ON CONFLICT DO NOTHING; ALTER TABLE b ADD COLUMN x int;",
        "DO $$BEGIN ALTER TABLE a RENAME id TO ident; END$$;",
    ],
    "indexes of one name": [
        "CREATE SCHEMA s; CREATE TABLE s.t (id int); CREATE TABLE t (id int);",
        "CREATE INDEX i ON t (id); CREATE INDEX i ON s.t (id);",
        "DROP INDEX i;",
        "DROP INDEX s.i;",
    ],
    "indexes of tables that are there": [
        "CREATE TABLE t (id int PRIMARY KEY, x int DEFAULT 1 CHECK (x > 0));"
        "CREATE TABLE u (y int); COMMENT ON TABLE t IS 'a'; COMMENT ON COLUMN t.x IS 'b';",
        "CREATE INDEX t_x ON t (x); CREATE UNIQUE INDEX ON u (y);",
        "ALTER INDEX t_x SET (fillfactor = 70);",
        "COMMENT ON INDEX t_x IS 'c'; ALTER TABLE u ADD COLUMN z int;",
        "CREATE INDEX t_id ON t (id); ALTER TABLE t ADD COLUMN y int;",
        "ALTER TABLE t CLUSTER ON t_x; ALTER TABLE t REPLICA IDENTITY USING INDEX t_pkey;",
        "ALTER TABLE t ADD COLUMN z int NOT NULL DEFAULT 0;",
        "CREATE INDEX t_pair ON t (x, y);",
        "ALTER TABLE t DROP COLUMN x;",
    ],
    "what few tables have": [
        "CREATE TABLE t (id int PRIMARY KEY, x text);",
        "ALTER TABLE t SET (fillfactor = 70, toast.autovacuum_enabled = off);",
        "ALTER TABLE t ADD COLUMN y int;",
        "CREATE STATISTICS st ON id, y FROM t;",
        "ALTER TABLE t RESET (fillfactor); ALTER TABLE t ADD COLUMN z int;",
        "CREATE TABLE u (LIKE t INCLUDING ALL); CREATE TABLE v (id int) WITH (fillfactor = 50);",
        "CREATE VIEW w WITH (security_barrier) AS SELECT 1 AS a;",
        "ALTER TABLE t DROP COLUMN y;",
    ],
    "made and gone in one": [
        "CREATE TABLE t (id int); DROP TABLE t; CREATE TABLE t (id bigint);",
        "ALTER TABLE t ALTER id TYPE int; ALTER TABLE t ALTER id TYPE bigint;",
        "CREATE TEMP TABLE tmp (id int); CREATE TABLE kept AS TABLE tmp; DROP TABLE tmp;",
        "CREATE TABLE new AS TABLE kept; DROP TABLE kept; ALTER TABLE new RENAME TO kept;",
    ],
}


@pytest.mark.parametrize("name", NASTY)
def test_facts_read_in_parts_are_those_that_all_of_them_would_be(
    name: str, stage: Stage, write: Write, make_database: Callable[[], str]
) -> None:
    texts = NASTY[name]

    played = replay.run(write(*texts), stage)

    try:
        expected = plainly(make_database(), texts)
    except psycopg.errors.UndefinedObject:
        pytest.skip("this server does not know that setting")
    check(played, expected)


def test_children_of_the_environment_change_with_their_parents(
    stage: Stage, write: Write, make_database: Callable[[], str], tmp_path: Path
) -> None:
    setup = "CREATE TABLE parent (id int); CREATE TABLE child () INHERITS (parent);"
    (tmp_path / "setup.sql").write_text(setup)
    texts = ["ALTER TABLE parent ADD COLUMN x int;", "ALTER TABLE child ADD COLUMN y int;"]
    url = make_database()
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(setup.encode())
    prepared = replace(stage, config=replace(stage.config, prelude=("setup.sql",)))

    played = replay.run(write(*texts), prepared)

    check(played, plainly(url, texts))


def test_a_role_that_is_no_superuser_gives_the_same_facts(
    stage: Stage, write: Write, make_database: Callable[[], str], server: str
) -> None:
    texts = NASTY["renames"] + NASTY["inheritance"] + NASTY["schemas"]
    role = f"shadow_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB").format(sql.Identifier(role)))
        try:
            given = replace(
                stage, config=ShadowConfig(server=server.replace("postgres@", f"{role}@"))
            )

            played = replay.run(write(*texts), given)

            check(played, plainly(make_database(), texts))
        finally:
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


# ---------------------------------------------------------------- sessions


SETTINGS = [
    "SET search_path = elsewhere",
    "SELECT pg_catalog.set_config('search_path', '', false)",
    "SET statement_timeout = '1ms'",
    "SET lock_timeout = '1ms'",
    "SET ROLE nobody_at_all",
    "SET SESSION AUTHORIZATION nobody_at_all",
    "SET quote_all_identifiers = on",
    "SET TimeZone = 'Asia/Tokyo'",
    "SET DateStyle = 'German'",
    "SET client_encoding = 'LATIN1'",
    "SET standard_conforming_strings = off",
    "SET default_transaction_read_only = on",
    "SET row_security = off",
    "SET check_function_bodies = off",
    "SET default_tablespace = ''",
    "SET default_table_access_method = heap",
    "SET xmloption = document",
    "SET bytea_output = escape",
    "SET client_min_messages = error",
    "SET transaction_timeout = '1ms'",
    "DISCARD ALL",
    "DEALLOCATE ALL",
    "PREPARE x AS SELECT 1",
    "CREATE TEMP TABLE second (id int)",
    "LISTEN x",
    "SELECT pg_advisory_lock(1)",
]


@pytest.mark.parametrize("setting", SETTINGS)
def test_what_a_migration_sets_for_its_session_reaches_no_other(
    setting: str,
    stage: Stage,
    write: Write,
    make_database: Callable[[], str],
    server: str,
) -> None:
    first = (
        "CREATE SCHEMA elsewhere; GRANT ALL ON SCHEMA elsewhere TO PUBLIC;\n"
        "CREATE TABLE first (id int PRIMARY KEY, at timestamptz DEFAULT '2024-01-02 03:04+00', "
        "b bytea DEFAULT '\\xff', odd text DEFAULT 'ü');"
    )
    second = "CREATE TABLE second (id int REFERENCES first (id), b text DEFAULT '\\n');"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute("CREATE ROLE nobody_at_all")
        try:
            # The setting is a migration of its own: DISCARD ALL does not run with others.
            texts = [first, f"{setting};", second, "ALTER TABLE second ADD COLUMN x int;"]
            try:
                expected = plainly(make_database(), texts)
            except psycopg.errors.UndefinedObject:
                pytest.skip("this server does not know that setting")

            played = replay.run(write(*texts), stage)
        finally:
            admin.execute("DROP ROLE nobody_at_all")

    check(played, expected)


def test_a_setting_holds_for_the_rest_of_its_own_migration(
    stage: Stage, write: Write, make_database: Callable[[], str]
) -> None:
    texts = [
        "CREATE SCHEMA s; SET search_path = s; CREATE TABLE t (id int);",
        "CREATE TABLE t (id int);",
    ]

    check(replay.run(write(*texts), stage), plainly(make_database(), texts))


# ---------------------------------------------------------------- how statements run


def test_what_cannot_run_in_a_transaction_runs(stage: Stage, write: Write) -> None:
    played = replay.run(
        write(
            "CREATE TABLE t (id int);",
            "CREATE INDEX CONCURRENTLY one ON t (id);\nCREATE INDEX CONCURRENTLY two ON t (id);\n"
            "VACUUM t;",
            "DROP INDEX CONCURRENTLY one;\nREINDEX TABLE CONCURRENTLY t;",
        ),
        stage,
    )

    assert played.stopped is None
    assert [key.part for key in played.final if key.kind == "index"] != []
    assert {key.part for key in played.final if key.kind == "index"} == {"two"}


@pytest.mark.parametrize(
    "text",
    [
        "BEGIN;\nCREATE TABLE t (id int);\nCOMMIT;\n",
        "BEGIN;\nCREATE TABLE t (id int);\nCOMMIT;\nBEGIN;\nCREATE TABLE u (id int);\nCOMMIT;",
        "START TRANSACTION;\nCREATE TABLE t (id int);\nEND;",
        "BEGIN;\nCREATE TABLE t (id int);\nCOMMIT;\nBEGIN;\nCREATE TABLE x (id int);\nROLLBACK;",
    ],
)
def test_transactions_of_its_own_are_kept(
    text: str, stage: Stage, write: Write, make_database: Callable[[], str]
) -> None:
    texts = [text, "ALTER TABLE t ADD COLUMN x int;"]
    expected = plainly(make_database(), ["CREATE TABLE t (id int);", texts[1]])
    if " u " in text:
        expected = plainly(
            make_database(), ["CREATE TABLE t (id int); CREATE TABLE u (id int);", texts[1]]
        )

    check(replay.run(write(*texts), stage), expected)


def test_a_label_may_be_used_in_the_migration_that_adds_it(stage: Stage, write: Write) -> None:
    played = replay.run(
        write(
            "CREATE TYPE mood AS ENUM ('good'); CREATE TABLE t (m mood);",
            "ALTER TYPE mood ADD VALUE 'bad';\nALTER TABLE t ALTER m SET DEFAULT 'bad';",
        ),
        stage,
    )

    assert played.stopped is None
    assert Key("column", "public.t", "m", "default") in played.deltas[1]


def test_placeholders_are_filled_in(stage: Stage, write: Write) -> None:
    config = replace(stage.config, placeholders={"${name}": "t", "${name2}": "u"})

    played = replay.run(
        write("CREATE TABLE ${name} (id int);\nCREATE TABLE ${name2} (id int);"),
        replace(stage, config=config),
    )

    assert played.stopped is None
    assert {key.object for key in played.final if key.kind == "table"} >= {"public.t", "public.u"}


# ---------------------------------------------------------------- where it stops


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("CREATE TABLE ok (id int);\n\nALTER TABLE nosuch ADD x int;", None, "nosuch"),
        ("CREATE TABLE ok (id int);\n\nSELECT *\nFROM nosuch;", 4, "nosuch"),
        ("-- ü\nCREATE TABLE ok (id int);\nCREATE TABEL x ();", 3, "syntax"),
        ("SELECT 1;\nCREATE INDEX CONCURRENTLY i\nON nosuch (id);", None, "nosuch"),
    ],
)
def test_it_stops_at_the_migration_that_fails(
    text: str, line: int | None, says: str, kept: Stage, write: Write
) -> None:
    played = replay.run(write("CREATE TABLE t (id int);", text, "CREATE TABLE u (id int);"), kept)

    assert played.stopped is not None
    assert played.stopped.migration == "002_step"
    assert says in played.stopped.error
    assert played.stopped.line == line
    assert len(played.deltas) == 1
    assert "public.ok" not in {key.object for key in played.final}
    assert not played.cached
    # What stopped may go on the next time.
    assert kept.cache is not None
    assert list(kept.cache.glob("*")) == []


def test_a_missing_extension_is_named(stage: Stage, write: Write) -> None:
    played = replay.run(write('CREATE EXTENSION "no such";'), stage)

    assert played.stopped is not None
    assert played.stopped.extension == "no such"


def test_a_migration_that_leaves_a_transaction_open_is_no_part_of_what_follows(
    stage: Stage, write: Write
) -> None:
    """A tool loses it with its connection; so nothing of it may be called an effect."""
    played = replay.run(
        write("CREATE TABLE t (id int);", "BEGIN;\nCREATE TABLE u (id int);", "SELECT 1;"), stage
    )

    if played.stopped is None:
        assert played.deltas[1] == {}
        assert played.deltas[2] == {}
    else:
        assert played.stopped.migration == "002_step"


# ---------------------------------------------------------------- what is kept

TEXTS = ("CREATE TABLE t (id int PRIMARY KEY, x text DEFAULT 'ü');", "ALTER TABLE t ADD y int;")


def test_the_same_replay_is_read_again(kept: Stage, write: Write) -> None:
    said: list[str] = []
    first = replay.run(write(*TEXTS), kept, said.append)

    second = replay.run(write(*TEXTS), kept, said.append)

    assert (first.cached, second.cached) == (False, True)
    assert len(said) == 1
    assert replace(second, cached=False) == first


def changed(stage: Stage, what: str, tmp_path: Path) -> Stage:
    """Return a stage that differs in one thing, which changes nothing in this history."""
    config = stage.config
    if what == "prelude":
        (tmp_path / "setup.sql").write_text("CREATE SCHEMA env;")
        config = replace(config, prelude=("setup.sql",))
    if what == "search_path":
        config = replace(config, search_path="public")
    if what == "placeholders":
        config = replace(config, placeholders={"$x": "y"})
    if what == "server":
        config = ShadowConfig(server="embedded")
    if what == "schema":
        return replace(stage, schema="public")
    return replace(stage, config=config)


@pytest.mark.parametrize("what", ["prelude", "search_path", "placeholders", "server", "schema"])
def test_another_stage_is_another_replay(
    what: str, kept: Stage, write: Write, tmp_path: Path
) -> None:
    replay.run(write(*TEXTS), kept)
    other = changed(kept, what, tmp_path)

    assert not replay.run(write(*TEXTS), other).cached
    assert replay.run(write(*TEXTS), other).cached


def test_another_text_of_the_prelude_is_another_replay(
    kept: Stage, write: Write, tmp_path: Path
) -> None:
    stage = changed(kept, "prelude", tmp_path)
    replay.run(write(*TEXTS), stage)
    (tmp_path / "setup.sql").write_text("CREATE SCHEMA other;")

    assert not replay.run(write(*TEXTS), stage).cached


@pytest.mark.parametrize(
    "texts",
    [
        TEXTS[:1],
        TEXTS[::-1],
        (TEXTS[0], TEXTS[1] + " "),
        (*TEXTS, "SELECT 1;"),
        (TEXTS[0].replace("ü", "u"), TEXTS[1]),
        ("".join(TEXTS), ""),
    ],
)
def test_another_history_is_another_replay(
    kept: Stage, write: Write, texts: tuple[str, ...]
) -> None:
    replay.run(write(*TEXTS), kept)

    assert not replay.run(write(*texts), kept).cached


@pytest.mark.parametrize("damage", ["cut", "empty", "noise", "directory", "other"])
def test_a_file_that_is_damaged_is_played_again(kept: Stage, write: Write, damage: str) -> None:
    first = replay.run(write(*TEXTS), kept)
    assert kept.cache is not None
    for file in list(kept.cache.iterdir()):
        content = file.read_bytes()
        if damage == "directory":
            file.unlink()
            file.mkdir()
            continue
        broken = {"cut": content[:-7], "empty": b"", "noise": os.urandom(99), "other": b"\x93\x01"}
        file.write_bytes(broken[damage])

    again = replay.run(write(*TEXTS), kept)

    assert again == first


def test_a_file_in_which_one_letter_was_changed_is_played_again(kept: Stage, write: Write) -> None:
    first = replay.run(write(*TEXTS), kept)
    assert kept.cache is not None
    for file in kept.cache.iterdir():
        file.write_bytes(file.read_bytes().replace(b"integer", b"intagar"))

    again = replay.run(write(*TEXTS), kept)

    assert (again.cached, again.deltas) == (False, first.deltas)


def test_a_place_that_cannot_be_written_is_no_error(
    kept: Stage, write: Write, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    stage = replace(kept, cache=tmp_path / "file" / "replays")

    assert not replay.run(write(*TEXTS), stage).cached
    assert not replay.run(write(*TEXTS), stage).cached


def test_only_so_many_are_kept(kept: Stage, write: Write) -> None:
    from migsafe.replay import cache

    assert kept.cache is not None
    played = replay.run(write(*TEXTS), kept)
    for number in range(40):
        cache.store(kept.cache, f"{number:064d}", played)

    assert len(list(kept.cache.iterdir())) <= 25


# ---------------------------------------------------------------- statement by statement


def test_each_statement_has_its_delta(
    stage: Stage, write: Write, make_database: Callable[[], str]
) -> None:
    statements = [
        text + ";"
        for texts in (NASTY["renames"], NASTY["types"])
        for t in texts
        for text in t.split(";")
        if text.strip()
    ]
    (before, last) = write("CREATE SCHEMA s;", "\n".join(statements))

    played = replay.statements([before], stage, last)

    url = make_database()
    plainly(url, ["CREATE SCHEMA s;"])
    check(played, plainly(url, statements))


def test_what_a_trigger_changes_is_in_the_delta_of_its_statement(
    stage: Stage, write: Write, make_database: Callable[[], str]
) -> None:
    texts = [
        "CREATE TABLE jobs (id int); CREATE TABLE t (id int);"
        "CREATE FUNCTION make() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN ALTER TABLE t ADD UNIQUE (id); RETURN new; END';"
        "CREATE TRIGGER makes BEFORE INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION make();"
    ]
    statements = ["INSERT INTO jobs VALUES (1);", "ALTER TABLE t ADD COLUMN x int;"]
    (before, last) = write(*texts, "\n".join(statements))

    played = replay.statements([before], stage, last)

    url = make_database()
    plainly(url, texts)
    expected = plainly(url, statements)
    check(played, expected)

    stopped = replay.run(write(*texts, *statements, "SELECT nowhere;"), stage)
    assert stopped.stopped is not None
    assert list(stopped.deltas[1:]) == expected


def test_statements_after_one_that_does_not_run_are_not_known(stage: Stage, write: Write) -> None:
    (last,) = write("CREATE TABLE t (id int);\nSELECT nowhere;\nCREATE TABLE u (id int);")

    played = replay.statements([], stage, last)

    assert played.stopped is not None
    assert len(played.deltas) == 1


def test_a_shadow_leaves_no_database_and_no_role(
    stage: Stage, write: Write, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not all names before and after: other tests may have shadows in the same server.
    names, connect = {f"r{uuid.uuid4().hex}"}, target.connect

    def noting(*to: Any, **how: Any) -> target.Session:
        session = connect(*to, **how)
        names.add(session.info.dbname)
        return session

    monkeypatch.setattr(target, "connect", noting)
    replay.run(write(f"CREATE ROLE {min(names)};", "SELECT 1;"), stage)

    with psycopg.connect(server, autocommit=True) as conn:
        there = conn.execute(
            "SELECT datname FROM pg_database UNION ALL SELECT rolname FROM pg_roles"
        ).fetchall()
        assert len(names) == 3
        assert names & {name for (name,) in there} == {conn.info.dbname}
