"""Names that are nearly right: what is reported, and above all what is not."""

from collections.abc import Collection, Sequence
from pathlib import Path

import pytest

from migsafe import names, planning
from migsafe.findings import Finding
from migsafe.histories import Migration

LIVE = ("public.clinical_notes", "public.clients", "auth.users", "public.notes_id_seq")


def check(
    *texts: str, live: Collection[str] = LIVE, path: Sequence[str] = ("pg_catalog", "public")
) -> list[Finding]:
    steps = [
        planning.step(Migration(name=f"{n}_m", path=Path(f"{n}.sql"), text=text, checksum=""))
        for n, text in enumerate(texts, start=1)
    ]
    return names.check(steps, live, path)


def test_a_missing_table_is_an_error_with_its_line_and_the_nearest_name() -> None:
    text = '-- a note\nCREATE TABLE rooms (id int);\n\nALTER TABLE\n  "ClinicalNote" ADD x int;'
    (found,) = check("SELECT 1", text)
    assert (found.code, found.name, found.severity) == ("MH112", "name-not-there", "error")
    assert (found.source, found.evidence) == ("history", "catalog")
    assert (found.migration, found.file, found.line, found.statement) == ("2_m", "2.sql", 5, 2)
    assert "ClinicalNote, which is not there" in found.message
    assert found.message.endswith("did you mean clinical_notes?")


def test_characters_of_many_bytes_before_it_do_not_move_the_line() -> None:
    (found,) = check("-- é ü 日本\nSELECT 'é';\nDELETE FROM\n\nnotez")
    assert (found.line, found.statement) == (5, 2)


@pytest.mark.parametrize(
    "text",
    [
        "ALTER TABLE missing ADD x int",
        "ALTER TABLE missing RENAME TO other",
        "ALTER TABLE missing RENAME COLUMN a TO b",
        "ALTER TABLE missing SET SCHEMA auth",
        "ALTER TABLE clients ADD FOREIGN KEY (a) REFERENCES missing (id)",
        "ALTER TABLE clients ADD COLUMN a int REFERENCES missing",
        "ALTER TABLE clients INHERIT missing",
        "ALTER TABLE clients ATTACH PARTITION missing DEFAULT",
        "CREATE TABLE rooms (a int REFERENCES missing)",
        "CREATE TABLE rooms (a int, FOREIGN KEY (a) REFERENCES missing)",
        "CREATE TABLE rooms (LIKE missing)",
        "CREATE TABLE rooms () INHERITS (missing)",
        "CREATE TABLE rooms PARTITION OF missing DEFAULT",
        "CREATE TABLE rooms AS SELECT * FROM missing",
        "CREATE VIEW rooms AS SELECT * FROM clients JOIN missing USING (id)",
        "CREATE MATERIALIZED VIEW rooms AS SELECT * FROM (SELECT * FROM missing) AS x",
        "CREATE INDEX ON missing (a)",
        "CREATE INDEX IF NOT EXISTS i ON missing (a)",
        "CREATE TRIGGER t AFTER INSERT ON missing EXECUTE FUNCTION f()",
        "CREATE POLICY p ON missing",
        "CREATE RULE r AS ON INSERT TO missing DO NOTHING",
        "CREATE STATISTICS s ON a, b FROM missing",
        "COMMENT ON TABLE missing IS 'x'",
        "COMMENT ON COLUMN missing.a IS 'x'",
        "COMMENT ON COLUMN public.missing.a IS 'x'",
        "GRANT SELECT ON missing TO public",
        "INSERT INTO missing VALUES (1)",
        "INSERT INTO clients SELECT * FROM missing",
        "UPDATE missing SET a = 1",
        "UPDATE clients SET a = 1 FROM missing",
        "DELETE FROM missing",
        "DELETE FROM clients USING missing",
        "MERGE INTO clients USING missing ON true WHEN MATCHED THEN DELETE",
        "WITH x AS (SELECT * FROM missing) INSERT INTO clients SELECT * FROM x",
        "WITH x AS (DELETE FROM missing RETURNING *) SELECT * FROM x",
        "SELECT 1 FROM clients UNION SELECT 1 FROM missing",
        "SELECT * FROM missing TABLESAMPLE system (1)",
        "TRUNCATE clients, missing",
        "LOCK TABLE missing",
        "REFRESH MATERIALIZED VIEW missing",
        "DROP TABLE missing",
        "DROP VIEW public.missing",
        "DELETE FROM public.missing",
        "DELETE FROM auth.clients",
        "DELETE FROM users",
        "DELETE FROM nowhere.clients",
        "SET lock_timeout = '1s'; DELETE FROM missing",
        "DO $$ BEGIN PERFORM 1 FROM clients; END $$; DELETE FROM missing",
        "DO $$ BEGIN EXECUTE 'CREATE ROLE r'; END $$; DELETE FROM missing",
        "CREATE EXTENSION pgcrypto; DELETE FROM missing",
        "SELECT setval('notes_id_seq', 1); DELETE FROM missing",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; SELECT f(); TRUNCATE missing",
        "SET search_path = auth; DELETE FROM public.missing",
    ],
)
def test_what_must_fail_is_reported(text: str) -> None:
    assert [finding.code for finding in check(text)] == ["MH112"]


@pytest.mark.parametrize(
    "text",
    [
        # IF EXISTS and IF NOT EXISTS
        "ALTER TABLE IF EXISTS missing ADD x int",
        "ALTER TABLE IF EXISTS missing RENAME TO other; DELETE FROM other",
        "DROP TABLE IF EXISTS missing",
        "CREATE TABLE IF NOT EXISTS clients (a int REFERENCES missing)",
        "ALTER TABLE clients ADD COLUMN IF NOT EXISTS a int REFERENCES missing",
        # made before, in each way
        "CREATE TABLE made (id int PRIMARY KEY, up int REFERENCES made); DELETE FROM public.made",
        "CREATE TABLE auth.made (); DELETE FROM made",
        "CREATE TEMP TABLE made (); DELETE FROM made; DELETE FROM pg_temp.made",
        "CREATE TABLE made AS SELECT 1; DELETE FROM made",
        "SELECT 1 AS a INTO made; DELETE FROM made",
        "SELECT 1 AS a INTO made UNION SELECT 2; DELETE FROM made",
        "CREATE VIEW made AS SELECT 1; DELETE FROM made",
        "CREATE RECURSIVE VIEW made (n) AS SELECT 1 UNION SELECT n FROM made; DELETE FROM made",
        "CREATE MATERIALIZED VIEW made AS SELECT 1; REFRESH MATERIALIZED VIEW made",
        "CREATE FOREIGN TABLE made (a int) SERVER s; DELETE FROM made",
        "CREATE SEQUENCE made; SELECT * FROM made; ALTER TABLE made OWNER TO postgres",
        "CREATE TYPE made AS (a int); CREATE TABLE x (LIKE made); COMMENT ON COLUMN made.a IS ''",
        "CREATE SCHEMA s CREATE TABLE made (a int) CREATE VIEW v AS SELECT * FROM made; "
        "DELETE FROM s.made",
        "ALTER TABLE clients RENAME TO made; DELETE FROM made; DELETE FROM clients",
        "CREATE TABLE made (); DROP TABLE made; DELETE FROM made",
        "CREATE INDEX made ON clients (a); ALTER TABLE made SET TABLESPACE t",
        # where an index is named as a table is
        "ALTER TABLE clients_pkey RENAME TO x",
        "ALTER INDEX missing RENAME TO x",
        "ALTER SEQUENCE missing RESTART",
        "ALTER TABLE missing_id_seq OWNER TO postgres; SELECT * FROM missing_id_seq1",
        # names of a query
        "WITH x AS (SELECT 1), y AS (SELECT * FROM x) SELECT * FROM y",
        "WITH RECURSIVE x AS (SELECT 1 UNION SELECT * FROM x) SELECT * FROM x",
        "WITH x AS (SELECT 1) SELECT * FROM clients JOIN (SELECT * FROM x) AS y ON true",
        "SELECT * FROM generate_series(1, 2) AS missing",
        "SELECT * FROM (VALUES (1)) AS missing",
        "UPDATE clients AS c SET a = x.a FROM auth.users AS x",
        "SELECT * FROM json_to_record('{}') AS missing (a int)",
        # the server's own, and other databases
        "SELECT * FROM pg_class, pg_catalog.pg_type, information_schema.tables",
        "SELECT * FROM pg_stat_activity",
        "COMMENT ON TABLE other.public.missing IS ''",
        # the search_path
        "SET search_path = auth; DELETE FROM users",
        "SET LOCAL search_path TO auth; DELETE FROM users",
        "SET SCHEMA 'auth'; DELETE FROM users",
        "SELECT pg_catalog.set_config('search_path', 'auth', false); DELETE FROM users",
        "SET ROLE someone; DELETE FROM users",
        "RESET ALL; DELETE FROM users",
        "DISCARD ALL; DELETE FROM users",
        "ALTER ROLE postgres SET search_path = auth; DELETE FROM users",
        "ALTER DATABASE d SET search_path = auth; DELETE FROM users",
        "DO $$ BEGIN PERFORM set_config('search_path', 'auth', false); END $$; DELETE FROM users",
        # what may make more than its text says
        "DO $$ BEGIN CREATE TABLE made (a int); END $$; DELETE FROM made",
        """DO $$ BEGIN CREATE TABLE "Made It" (a int); END $$; DELETE FROM "Made It" """,
        "DO $$ BEGIN EXECUTE 'CREATE TABLE ' || 'ma' || 'de ()'; END $$; DELETE FROM made",
        "DO $$ BEGIN EXECUTE format('CREATE %s x%s ()', 'TABLE', 1); END $$; DELETE FROM x1",
        "DO $$ BEGIN EXECUTE format('ALTER TABLE x RENAME TO %s', 'y'); END $$; DELETE FROM y",
        "DO $$ BEGIN PERFORM partman.create_parent('x'); END $$; DELETE FROM x1",
        "SELECT create_partition('x', 1); DELETE FROM x1",
        "SELECT partman.create_parent('x'); DELETE FROM x1",
        "CALL make(); DELETE FROM x1",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CREATE TABLE a (); END $$; "
        "SELECT f(); DELETE FROM a",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE OR REPLACE FUNCTION "
        "f() RETURNS int LANGUAGE sql AS 'CREATE TABLE a (); SELECT 1'; SELECT f(); DELETE FROM a",
        "CREATE EXTENSION postgis; SELECT * FROM spatial_ref_sys",
        "IMPORT FOREIGN SCHEMA public FROM SERVER s INTO public; DELETE FROM made",
        "ALTER SCHEMA auth RENAME TO login; DELETE FROM login.users",
        "ALTER TABLE auth.users SET SCHEMA public; DELETE FROM users; DELETE FROM public.users",
        # bodies are not judged
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1 FROM missing'",
        "CREATE RULE r AS ON INSERT TO clients DO ALSO INSERT INTO missing VALUES (new.id)",
        "DO $$ BEGIN DELETE FROM missing; END $$",
        "PREPARE p AS SELECT * FROM missing",
        "GRANT SELECT ON ALL TABLES IN SCHEMA missing TO public",
        "GRANT USAGE ON SEQUENCE missing TO public",
        "DROP INDEX missing; DROP SEQUENCE missing; DROP TYPE missing",
        "DELETE FROM migsafe.receipts",
    ],
)
def test_what_may_work_is_not_reported(text: str) -> None:
    assert check(text) == []


def test_what_an_earlier_migration_makes_is_there() -> None:
    assert check("CREATE TABLE rooms (id int)", "ALTER TABLE rooms ADD x int") == []
    assert len(check("ALTER TABLE rooms ADD x int", "CREATE TABLE rooms (id int)")) == 1


def test_a_missing_name_is_reported_once() -> None:
    assert len(check("DELETE FROM notez; DELETE FROM notez", "TRUNCATE notez")) == 1


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ('"ClinicalNote"', "did you mean clinical_notes?"),
        ("clinicalnote", "did you mean clinical_notes?"),
        ('public."ClinicalNotes"', "did you mean public.clinical_notes?"),
        ("auth.user", "did you mean auth.users?"),
        ("public.users", "did you mean auth.users?"),
        ("room", "did you mean rooms?"),
        ("zzz", "makes"),
    ],
)
def test_the_hint_is_in_the_spelling_of_the_reference(name: str, hint: str) -> None:
    (found,) = check(f"CREATE TABLE rooms (id int); DELETE FROM {name}")
    assert found.message.endswith(hint)


def test_a_search_path_without_the_schema_does_not_find_its_tables() -> None:
    assert check("DELETE FROM users", path=["auth"]) == []
    assert len(check("DELETE FROM clients", path=["auth"])) == 1
