"""The target's schema as a plan walks it, on a real database."""

import uuid
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migsafe.catalog import live
from migsafe.schema import Key, Schema, Table, Trigger, Type, expressions, routines

Conn = psycopg.Connection[Any]


def read(conn: Conn) -> Schema:
    return live.read(conn)


def table(conn: Conn, bare: str, schema: str = "public") -> Table:
    return read(conn).tables[Key(schema, bare)]


def test_the_clinic_is_read_whole(conn: Conn) -> None:
    conn.execute(Path("tests/cases/clinic.sql").read_text("utf-8").encode())
    conn.execute("ANALYZE")
    schema = read(conn)
    assert (schema.complete, schema.path) == (True, ("public",))
    patients = schema.tables[Key("public", "patients")]
    assert (patients.known, patients.live, patients.kind) == (True, patients.key, "r")
    assert patients.columns["balance"].type == Type(None, "numeric", (10, 2))
    assert patients.columns["id"].identity
    assert patients.constraints["patients_age_check"].columns == ("age",)
    assert patients.triggers == {"patients_touch": Trigger("touch")}
    assert patients.readers[Key("public", "active_patients")] == {"id", "name", "active"}
    assert (patients.rows, (patients.bytes or 0) > 0) == (40, True)
    invoices = schema.tables[Key("public", "invoices")]
    assert not invoices.constraints["invoices_patient_fk"].valid
    assert invoices.constraints["invoices_patient_fk"].target == patients.key
    assert schema.tables[Key("public", "payments")].constraints["payments_invoice_id_fkey"].deferred
    assert schema.enums[Key("public", "staff_role")].labels == ["doctor", "nurse", "clerk"]
    assert schema.domains[Key("public", "positive_int")].checks == {
        "positive_int_check": "(VALUE > 0)"
    }
    assert schema.composites[Key("public", "address")]["city"] == Type(None, "text")
    assert schema.sequences[Key("public", "patients_id_seq")] == (patients.key, "id")
    assert schema.sequences[Key("public", "ticket_seq")] is None
    assert schema.functions["next_ticket"] == ("v", "plpgsql")
    assert schema.tables[Key("public", "addresses")].of == Key("public", "address")
    assert {"citext", "btree_gist"} <= schema.extensions


def test_partitions_have_their_parent_key_and_bound(conn: Conn) -> None:
    conn.execute(
        """CREATE TABLE p (id int, "Day" date)
               PARTITION BY RANGE ("Day", (id % 4));
           CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2024-01-01', 0) TO ('2025-01-01', 0);
           CREATE TABLE p2 PARTITION OF p DEFAULT;
           INSERT INTO p SELECT n, '2024-02-01' FROM generate_series(1, 1000) AS n;
           ANALYZE""".replace(', PRIMARY KEY (id, "Day")', "").encode()
    )
    schema = read(conn)
    parent, first, rest = (schema.tables[Key("public", name)] for name in ("p", "p1", "p2"))
    assert (parent.kind, parent.strategy, parent.partition_key) == ("p", "range", ("Day", None))
    assert parent.partition_by == 'RANGE ("Day", ((id % 4)))'
    assert (first.parents, first.is_default(), rest.is_default()) == ((parent.key,), False, True)
    assert first.bound == "FOR VALUES FROM ('2024-01-01', 0) TO ('2025-01-01', 0)"
    assert (parent.rows, parent.bytes) == (1000, (first.bytes or 0) + (rest.bytes or 0))


def test_a_not_null_constraint_that_is_not_valid_is_no_not_null(
    conn: Conn, server_major: int
) -> None:
    if server_major < 18:
        pytest.skip("NOT NULL … NOT VALID is new in PostgreSQL 18")
    conn.execute("CREATE TABLE t (a int, b int NOT NULL)")
    conn.execute("ALTER TABLE t ADD CONSTRAINT later NOT NULL a NOT VALID")
    columns = table(conn, "t").columns
    assert (columns["a"].not_null, columns["b"].not_null) == (False, True)


def test_indexes_say_what_they_cover(conn: Conn) -> None:
    conn.execute('CREATE TABLE t ("A b" int, c text, d int, UNIQUE (d) DEFERRABLE)')
    conn.execute('CREATE UNIQUE INDEX one ON t ("A b", lower(c)) INCLUDE (d) WHERE d > 0')
    indexes = table(conn, "t").indexes
    one = indexes["one"]
    assert (one.columns, one.included, one.unique, one.valid) == (("A b", None), ("d",), True, True)
    assert expressions.text(one.predicate) == "(d > 0)"
    assert {"c", "d"} <= set(one.reads)
    assert indexes["t_d_key"].reads == ()
    assert not indexes["t_d_key"].immediate
    assert not table(conn, "t").unique_on(["d"])


def test_an_index_with_its_own_class_collation_or_order_is_not_ordinary(conn: Conn) -> None:
    conn.execute(
        """CREATE TABLE t (a text, b int);
           CREATE INDEX plain ON t (a, b);
           CREATE INDEX included ON t (b) INCLUDE (a);
           CREATE INDEX classed ON t (b, a text_pattern_ops);
           CREATE INDEX collated ON t (a COLLATE "C");
           CREATE INDEX ordered ON t (b DESC)"""
    )
    indexes = table(conn, "t").indexes
    ordinary = {name for name, index in indexes.items() if index.ordinary}
    assert ordinary == {"plain", "included"}


def test_only_a_relation_without_a_page_is_empty(conn: Conn) -> None:
    conn.execute(
        """CREATE TABLE t (a int PRIMARY KEY);
           CREATE TABLE gone (a int); INSERT INTO gone VALUES (1); DELETE FROM gone;
           CREATE TABLE p (a int) PARTITION BY LIST (a);
           CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
           CREATE MATERIALIZED VIEW m AS SELECT 1 AS a WITH NO DATA"""
    )
    schema = read(conn)
    empty = {key.bare for key, found in schema.tables.items() if found.empty}
    assert empty == {"t", "p", "p1", "m"}
    assert not schema.tables[Key("public", "m")].populated
    conn.execute("INSERT INTO p VALUES (1)")
    assert not table(conn, "p").empty


def test_functions_have_their_bodies_and_triggers_their_functions(conn: Conn) -> None:
    conn.execute(
        """CREATE FUNCTION f(a int, b text[], OUT c int) LANGUAGE plpgsql AS 'BEGIN c := g(); END';
           CREATE FUNCTION w() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
           CREATE TABLE t (a int);
           CREATE CONSTRAINT TRIGGER late AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
               FOR EACH ROW EXECUTE FUNCTION w()"""
    )
    schema = read(conn)
    assert schema.bodies["f", ("int4", "text[]")] == "BEGIN c := g(); END"
    assert list(routines.callers(schema, "g")) == ["f"]
    assert schema.tables[Key("public", "t")].triggers == {"late": Trigger("w", deferred=True)}


def test_the_server_is_known_to_its_release(conn: Conn) -> None:
    schema = read(conn)
    assert (schema.version, schema.minor) == divmod(conn.info.server_version, 10_000)


def test_types_carry_their_numbers_and_schemas(conn: Conn) -> None:
    conn.execute(
        """CREATE SCHEMA "Own"; CREATE TYPE "Own"."Mood" AS ENUM ('a');
           CREATE DOMAIN shrt AS varchar(3) NOT NULL;
           CREATE TABLE t (a varchar(5), b char(2)[], c "Own"."Mood"[], d shrt, e interval(2),
               f interval year, g timestamptz(3), h numeric(5, -2), i numeric, j bit(4), k "char")
        """.replace("5, -2", "5, 2" if conn.info.server_version < 150000 else "5, -2").encode()
    )
    schema = read(conn)
    types = {c.name: c.type for c in schema.tables[Key("public", "t")].columns.values()}
    scale = 2 if conn.info.server_version < 150000 else -2
    assert types == {
        "a": Type(None, "varchar", (5,)),
        "b": Type(None, "bpchar", (2,), array=True),
        "c": Type("Own", "Mood", array=True),
        "d": Type("public", "shrt"),
        "e": Type(None, "interval", (0x7FFF, 2)),
        "f": Type(None, "interval", (4,)),
        "g": Type(None, "timestamptz", (3,)),
        "h": Type(None, "numeric", (5, scale)),
        "i": Type(None, "numeric"),
        "j": Type(None, "bit", (4,)),
        "k": Type(None, "char"),
    }
    assert schema.domains[Key("public", "shrt")].base == Type(None, "varchar", (3,))


def test_expressions_name_their_schemas_whatever_the_path_is(conn: Conn) -> None:
    conn.execute(
        """CREATE SCHEMA s; CREATE FUNCTION s.ok(int) RETURNS bool IMMUTABLE LANGUAGE sql
               AS 'SELECT $1 > 0';
           SET search_path = s; CREATE TABLE t (a int DEFAULT 4 CHECK (ok(a)))"""
    )
    schema = read(conn)
    assert schema.path == ("s",)
    made = schema.tables[Key("s", "t")]
    assert made.constraints["t_a_check"].expression == "s.ok(a)"
    assert made.columns["a"].default == "4"
    assert conn.execute("SHOW search_path").fetchone() == ("s",)


def test_settings_are_those_that_a_session_is_given(conn: Conn, database: str) -> None:
    name = conn.info.dbname
    conn.execute(f"ALTER DATABASE \"{name}\" SET lock_timeout = '3s'".encode())
    conn.execute("SET statement_timeout = '9s'")
    assert set(read(conn).settings) <= {"timezone"}
    conn.execute(f"ALTER DATABASE \"{name}\" SET TimeZone = 'Asia/Tokyo'".encode())
    with psycopg.connect(database, autocommit=True) as other:
        assert read(other).settings == {"lock_timeout": "3s", "timezone": "Asia/Tokyo"}


def test_what_a_publication_needs_is_known(conn: Conn) -> None:
    conn.execute(
        """CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int);
           CREATE UNLOGGED TABLE c (id int); ALTER TABLE b REPLICA IDENTITY FULL"""
    )
    conn.execute("CREATE PUBLICATION p FOR TABLE a")
    schema = read(conn)
    a, b, c = (schema.tables[Key("public", name)] for name in "abc")
    assert (a.published, b.published) == (True, False)
    assert (a.replica_identity, b.replica_identity, c.unlogged) == ("d", "f", True)


def test_a_locked_table_is_not_waited_for(conn: Conn, database: str) -> None:
    conn.execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 99)")
    conn.execute("ANALYZE t")
    with psycopg.connect(database) as other:
        other.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        found = table(conn, "t")
        assert (found.rows, found.bytes) == (99, 3 * 8192)


def test_a_role_that_may_read_nothing_reads_the_catalog(conn: Conn, database: str) -> None:
    conn.execute("CREATE SCHEMA hidden; CREATE TABLE hidden.t (a int CHECK (a > 0))")
    role = f"test_{uuid.uuid4().hex[:12]}"
    conn.execute(f"CREATE ROLE {role}".encode())
    try:
        conn.execute(f"SET ROLE {role}".encode())
        assert "t_a_check" in table(conn, "t", "hidden").constraints
    finally:
        conn.execute("RESET ROLE")
        conn.execute(f"DROP ROLE {role}".encode())


class _Counting(psycopg.Cursor[Any]):
    sent = 0

    def execute(self, *args: Any, **more: Any) -> Any:
        type(self).sent += 1
        return super().execute(*args, **more)


def test_a_larger_schema_takes_no_more_questions(conn: Conn) -> None:
    conn.cursor_factory = _Counting
    read(conn)
    few = _Counting.sent
    conn.cursor_factory = psycopg.Cursor
    with conn.transaction():
        for number in range(200):
            conn.execute(f"CREATE TABLE t{number} (id int PRIMARY KEY, a text UNIQUE)".encode())
    conn.cursor_factory = _Counting
    assert len(read(conn).tables) == 200
    assert _Counting.sent == 2 * few
