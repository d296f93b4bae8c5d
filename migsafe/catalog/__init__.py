"""Questions to the target's system catalogs. Every one is read-only and schema-qualified."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from psycopg.sql import Composed

from migsafe.errors import nearest
from migsafe.target import Connection

#: Schemas that belong to the server or to migsafe, never to an application.
OWN = "n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'migsafe')"

IN_EXTENSION = """EXISTS (
    SELECT FROM pg_catalog.pg_depend AS d
    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')"""


class Server(Struct, frozen=True, kw_only=True):
    """What answered: the facts of a session that reports and checks need."""

    host: str
    port: int
    database: str
    user: str
    version: str
    standby: bool


def is_read_only(conn: Connection) -> bool:
    """Tell whether a transaction that begins now could write nothing."""
    return bool(one(conn, "SELECT current_setting('default_transaction_read_only')::boolean")[0])


def server(conn: Connection) -> Server:
    """Read who answered on this session."""
    row = one(
        conn,
        """SELECT current_database(), session_user, current_setting('server_version'),
                  pg_catalog.pg_is_in_recovery()""",
    )
    return Server(
        host=conn.info.host or conn.info.hostaddr,
        port=conn.info.port,
        database=str(row[0]),
        user=str(row[1]),
        version=str(row[2]).split()[0],
        standby=bool(row[3]),
    )


def one(
    conn: Connection, query: str | Composed, values: Sequence[object] | None = None
) -> tuple[Any, ...]:
    """Return the only row of `query`; an empty answer is a bug, not a value.

    Without `values` the query goes as it is: a percent sign in it is no placeholder.
    """
    row = conn.execute(query, values).fetchone()
    if row is None:
        raise LookupError("a catalog query that always has a row returned none")
    return tuple(row)


def current_schema(conn: Connection) -> str | None:
    """Return the schema in which unqualified names are created now; None where none exists yet."""
    schema = one(conn, "SELECT current_schema()")[0]
    return None if schema is None else str(schema)


def tables(conn: Connection, schemas: Sequence[str] = ()) -> list[str]:
    """Return tables and views as ``schema.name``, sorted: of `schemas`, or of all but system ones.

    Objects that an extension owns are left out.
    """
    wanted = "n.nspname = ANY(%s)" if schemas else f"%s::text[] IS NOT NULL AND {OWN}"
    rows = conn.execute(
        f"""SELECT n.nspname || '.' || c.relname
            FROM pg_catalog.pg_class AS c
            JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {wanted} AND NOT {IN_EXTENSION}
            ORDER BY 1""",  # noqa: S608  # constants of this module
        [list(schemas)],
    )
    return [str(name) for (name,) in rows]


def relations(conn: Connection) -> tuple[frozenset[str], list[str]]:
    """Return all relations but the server's as ``schema.name``, and the search_path's schemas.

    Indexes, sequences and what an extension owns are among them: a statement may name each.
    """
    rows = conn.execute(
        """SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class AS c
           JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
           WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"""
    )
    names = frozenset(str(name) for (name,) in rows)
    return names, list(one(conn, "SELECT current_schemas(true)::text[]")[0])


def columns(conn: Connection) -> list[str]:
    """Return the names of all columns of application tables, each once."""
    rows = conn.execute(
        f"""SELECT DISTINCT a.attname FROM pg_catalog.pg_attribute AS a
            JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
            JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
              AND {OWN}"""  # noqa: S608  # constants of this module
    )
    return [str(name) for (name,) in rows]


def columns_of(conn: Connection, schema: str, table: str) -> list[str]:
    """Return the columns of one table in their order, whatever this role may see of them."""
    rows = conn.execute(
        """SELECT a.attname FROM pg_catalog.pg_attribute AS a
           JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
           JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
           WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped
           ORDER BY a.attnum""",
        [schema, table],
    )
    return [str(name) for (name,) in rows]


def invalid_indexes(conn: Connection) -> frozenset[tuple[int, str]]:
    """Return oid and name of the indexes that a failed CONCURRENTLY left behind."""
    rows = conn.execute(
        """SELECT i.indexrelid::bigint, c.relname FROM pg_catalog.pg_index AS i
           JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid WHERE NOT i.indisvalid"""
    )
    return frozenset((int(oid), str(name)) for oid, name in rows)


#: Ledgers of migration tools, as ``schema.table`` or a bare table name in any schema.
LEDGERS: Mapping[str, str] = {
    "_prisma_migrations": "Prisma",
    "prisma_contract.marker": "Prisma 8",
    "prisma_contract.ledger": "Prisma 8",
    "flyway_schema_history": "Flyway",
    "schema_version": "Flyway before 5",
    "goose_db_version": "goose",
    "_sqlx_migrations": "sqlx",
    "__diesel_schema_migrations": "diesel",
    "supabase_migrations.schema_migrations": "Supabase",
    "drizzle.__drizzle_migrations": "Drizzle",
    "__drizzle_migrations": "Drizzle",
    "sqitch.changes": "Sqitch",
    "gorp_migrations": "sql-migrate",
    "graphile_migrate.migrations": "graphile-migrate",
    "atlas_schema_revisions": "Atlas",
    "databasechangelog": "Liquibase",
    "alembic_version": "Alembic",
    "django_migrations": "Django",
    "ar_internal_metadata": "Rails",
    "knex_migrations": "Knex",
    "pgmigrations": "node-pg-migrate",
    "pgroll.migrations": "pgroll",
    "_yoyo_migration": "yoyo",
}


class Found(Struct, frozen=True):
    """A migration tool's ledger that is in the target."""

    tool: str
    schema: str
    table: str


def ledgers(conn: Connection) -> list[Found]:
    """Return the ledgers of migration tools in the target, by name; schema_migrations by shape."""
    rows = conn.execute(
        """SELECT n.nspname, c.relname,
                  array(SELECT a.attname::text || ' ' || format_type(a.atttypid, NULL)
                        FROM pg_catalog.pg_attribute AS a
                        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                        ORDER BY a.attnum)
           FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
           WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_'
             AND (c.relname = ANY(%s) OR n.nspname || '.' || c.relname = ANY(%s)
                  OR c.relname = 'schema_migrations')
           ORDER BY 1, 2""",
        [list(LEDGERS), list(LEDGERS)],
    ).fetchall()
    found = [
        Found(tool, str(schema), str(table))
        for schema, table, shape in rows
        if (tool := _tool(str(schema), str(table), list(shape)))
    ]
    rails = {item.schema for item in found if item.tool == "Rails"}
    return [item for item in found if not (item.tool == "dbmate" and item.schema in rails)]


def _tool(schema: str, table: str, shape: list[str]) -> str | None:
    named = LEDGERS.get(f"{schema}.{table}") or LEDGERS.get(table)
    if named or table != "schema_migrations":
        return named
    if shape == ["version bigint", "dirty boolean"]:
        return "golang-migrate"
    if shape == ["version character varying"]:
        return "dbmate"
    return None


def nearest_name(conn: Connection, name: str, *, column: bool) -> str:
    """Return ``did you mean X?`` for a table or column that is not there, or an empty string."""
    bare = name.rsplit(".", 1)[-1]
    if column:
        return nearest(bare, columns(conn))
    found = tables(conn)
    return nearest(name, found) if "." in name else nearest(bare, [_bare(t) for t in found])


def _bare(name: str) -> str:
    return name.partition(".")[2]


def not_owned(conn: Connection, relations: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the relations, as schema and name, that this role may not change as their owner."""
    names = list(relations)
    rows = conn.execute(
        """SELECT n.nspname, c.relname
           FROM unnest(%s::text[], %s::text[]) AS asked (nspname, relname)
           JOIN pg_catalog.pg_namespace AS n ON n.nspname = asked.nspname
           JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = asked.relname
           WHERE NOT pg_catalog.pg_has_role(c.relowner, 'USAGE')""",
        [[schema for schema, _ in names], [name for _, name in names]],
    )
    return {(str(schema), str(name)) for schema, name in rows}


def may_write(conn: Connection, table: str, *, made: bool = True) -> str | None:
    """Return what this role may not do that an apply needs, or None when it may do all of it.

    `table` is the history's own; `made` says that this role makes it where it is missing.
    """
    for relation, is_made in ((table, made), ("migsafe.receipts", True), ("migsafe.runs", True)):
        schema, _, name = relation.rpartition(".")
        # A list of privileges in one call would ask for any of them. CREATE SCHEMA IF NOT EXISTS
        # wants CREATE on the database, whether the schema exists or not.
        row = one(
            conn,
            """SELECT c.oid IS NULL AND %s
                          AND NOT has_database_privilege(current_database(), 'CREATE'),
                      c.oid IS NULL AND %s AND n.oid IS NOT NULL
                          AND NOT has_schema_privilege(n.oid, 'CREATE'),
                      c.oid IS NOT NULL AND NOT (has_table_privilege(c.oid, 'SELECT')
                                                 AND has_table_privilege(c.oid, 'INSERT'))
               FROM to_regclass(format('%%I.%%I', %s::text, %s::text)) AS c (oid),
                    to_regnamespace(quote_ident(%s)) AS n (oid)""",
            [is_made, is_made, schema, name, schema],
        )
        lacks = (
            f"CREATE on the database, for {relation}",
            f"CREATE on the schema {schema}, for {relation}",
            f"SELECT and INSERT on {relation}",
        )
        for is_missing, right in zip(row, lacks, strict=True):
            if is_missing:
                return right
    return None
