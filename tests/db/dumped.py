"""A database with one of everything that a dump has to bring back, and how to look at it."""

import os
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from migsafe import target
from migsafe.catalog import databases, schema
from migsafe.facts import Key
from migsafe.snapshots import contents, programs
from migsafe.target import parse
from tests.conftest import database_url

#: A name that a shell, a connection string, a path and SQL each take for something else.
ODD = "Klinik \"Süd\" 100% a=b 'x' "

SCHEMA = """
CREATE EXTENSION citext;
CREATE TYPE state AS ENUM ('open', 'closed');
CREATE SCHEMA "Klinik Süd" AUTHORIZATION {owner};
CREATE TABLE "Klinik Süd"."Räume 100%" (
    "Nr." bigint GENERATED ALWAYS AS IDENTITY (START 100 INCREMENT 5) PRIMARY KEY,
    name citext NOT NULL UNIQUE,
    kind varchar(20) CHECK (kind IN ('ward', 'theatre')),
    "Größe (m²)" numeric NOT NULL,
    twice numeric GENERATED ALWAYS AS ("Größe (m²)" * 2) STORED,
    was int, state state DEFAULT 'open'
);
ALTER TABLE "Klinik Süd"."Räume 100%" DROP COLUMN was;
INSERT INTO "Klinik Süd"."Räume 100%" (name, kind, "Größe (m²)")
    SELECT 'Räum ' || n, 'ward', n FROM generate_series(1, 50) AS n;
CREATE TABLE visits (id serial, day date NOT NULL, room bigint, note text) PARTITION BY RANGE (day);
CREATE TABLE visits_old PARTITION OF visits FOR VALUES FROM ('2020-01-01') TO ('2025-01-01');
CREATE TABLE visits_new PARTITION OF visits FOR VALUES FROM ('2025-01-01') TO ('2030-01-01');
INSERT INTO visits (day, room, note)
    SELECT '2024-12-01'::date + n, 100, repeat('né', n) FROM generate_series(1, 60) AS n;
ALTER TABLE visits ADD FOREIGN KEY (room) REFERENCES "Klinik Süd"."Räume 100%";
CREATE UNLOGGED TABLE cache AS SELECT n FROM generate_series(1, 70) AS n;
CREATE MATERIALIZED VIEW busy AS SELECT room, count(*) FROM visits GROUP BY room;
CREATE VIEW wards AS SELECT name FROM "Klinik Süd"."Räume 100%" WHERE kind IN ('ward', 'theatre');
ALTER TABLE visits ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON visits TO {owner} USING (note <> '');
ALTER TABLE "Klinik Süd"."Räume 100%" OWNER TO {owner};
GRANT SELECT ON visits, busy TO {owner};
COMMENT ON TABLE visits IS 'who came';
CREATE SEQUENCE falling INCREMENT -2 MAXVALUE 1000 START 900;
SELECT nextval('falling'), nextval('falling');
CREATE SEQUENCE fresh START 42;
SELECT lo_from_bytea(0, 'a scan'), lo_from_bytea(0, 'another');
"""

#: What belongs to the database as a whole.
WHOLE = """
ALTER DATABASE {name} SET search_path TO "$user", public, 'Klinik Süd';
ALTER DATABASE {name} SET work_mem TO '8MB';
ALTER DATABASE {name} SET default_transaction_read_only TO off;
ALTER DATABASE {name} SET migsafe.note TO 'it''s';
ALTER ROLE {owner} IN DATABASE {name} SET lock_timeout TO '3s';
ALTER DATABASE {name} CONNECTION LIMIT 90;
REVOKE ALL ON DATABASE {name} FROM PUBLIC;
GRANT CONNECT ON DATABASE {name} TO {owner} WITH GRANT OPTION;
GRANT TEMPORARY ON DATABASE {name} TO pg_monitor;
COMMENT ON DATABASE {name} IS 'the clinic''s';
"""


@dataclass(frozen=True, slots=True)
class Everything:
    """What a database holds, as far as anybody could tell two apart."""

    whole: databases.Database
    facts: dict[Key, str]
    rows: dict[str, list[Any]]
    sequences: dict[str, int]
    objects: list[Any]


def make(server: str, *, name: str = ODD) -> str:
    """Create the database and a role that owns a part of it, named after it; return its URL."""
    owner = f"owner_{uuid.uuid4().hex[:12]}"
    names = {"name": sql.Identifier(name), "owner": sql.Identifier(owner)}
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {owner}").format(**names))
        create = "CREATE DATABASE {name}"
        if admin.info.server_version >= 170000:
            create += " TEMPLATE template0 LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"
        admin.execute(sql.SQL(create).format(**names))
        for statement in WHOLE.strip().splitlines():
            admin.execute(sql.SQL(statement).format(**names))
    url = database_url(server, quote(name, safe=""))
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(sql.SQL(SCHEMA).format(**names))
    return url


def look(server: str, name: str = ODD) -> Everything:
    """Read everything; of rows their text, of sequences what they give next."""
    url = parse(database_url(server, quote(name, safe="")))
    with target.connect(url) as conn:
        tables = conn.execute(
            """SELECT c.oid::regclass::text FROM pg_class AS c WHERE c.relkind IN ('r', 'v', 'm')
               AND relnamespace::regnamespace::text !~ '^(pg_|information_schema)'"""
        ).fetchall()
        rows = {
            table: conn.execute(f"SELECT t::text FROM {table} AS t ORDER BY 1").fetchall()
            for (table,) in tables
        }
        return Everything(
            whole=databases.read(conn, name),
            facts=schema.facts(schema.read(conn)),
            rows=rows,
            sequences=contents.sequences(conn),
            objects=conn.execute("SELECT lo_get(oid) FROM pg_largeobject_metadata").fetchall(),
        )


#: Of every role that a test makes; a server of the tests' own never asks for it.
PASSWORD = "canary-of-a-password"


def login(admin: psycopg.Connection[Any], kind: str) -> str:
    """Create a role of a kind that may log in, and return its name."""
    name = f"role_{uuid.uuid4().hex[:12]}"
    statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} {}")
    admin.execute(statement.format(sql.Identifier(name), sql.Literal(PASSWORD), sql.SQL(kind)))
    return name


def as_role(url: str, role: str) -> str:
    """Return a URL with another login."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{role}:{PASSWORD}@{host}"))


def names(server: str, like: str) -> set[str]:
    """Return the databases whose name contains a text."""
    with psycopg.connect(server) as conn:
        query = "SELECT datname FROM pg_database WHERE strpos(datname, %s) > 0"
        return {str(name) for (name,) in conn.execute(query, [like])}


def drop(server: str, like: str) -> None:
    """Drop those databases, and the roles that were made for them."""
    with psycopg.connect(server, autocommit=True) as admin:
        for name in names(server, like):
            statement = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            admin.execute(statement.format(sql.Identifier(name)))


def restore(dump: Path, url: str, major: int) -> None:
    """Restore a dump with the pg_restore that lies beside the pg_dump for that major version."""
    command: list[str | Path] = [programs.find(major).restore, f"--dbname={url}", dump]
    env = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    # pg_restore of 17 and later sets what an older server does not know.
    known = "transaction_timeout" if major < 17 else "nothing"
    errors = [line for line in done.stderr.splitlines() if "error:" in line]
    assert [line for line in errors if known not in line] == []
    assert errors or not done.returncode
