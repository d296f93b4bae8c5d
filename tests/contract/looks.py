"""What a database holds, as values that two looks can be compared by."""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import sql

from tests import roles

Connection = psycopg.Connection[Any]

#: Everything a migration can make, by oid: what is dropped and made again is another thing.
_CATALOG = """
WITH schemas AS (
    SELECT oid, nspname FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema')
SELECT 'schema', s.nspname, s.oid::text, '' FROM schemas AS s
UNION ALL
SELECT 'relation ' || c.relkind::text || c.relpersistence::text, s.nspname || '.' || c.relname,
       c.oid::text,
       coalesce(CASE c.relkind WHEN 'v' THEN pg_get_viewdef(c.oid)
                               WHEN 'i' THEN pg_get_indexdef(c.oid) END, '')
       || coalesce((SELECT ' valid ' || i.indisvalid || ' ready ' || i.indisready
                    FROM pg_index AS i WHERE i.indexrelid = c.oid), '')
FROM pg_class AS c JOIN schemas AS s ON s.oid = c.relnamespace
UNION ALL
SELECT 'column', s.nspname || '.' || c.relname || '.' || a.attname, a.attnum::text,
       format_type(a.atttypid, a.atttypmod) || ' not null ' || a.attnotnull
       || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid JOIN schemas AS s ON s.oid = c.relnamespace
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
UNION ALL
SELECT 'constraint', s.nspname || '.' || n.conname, n.oid::text,
       pg_get_constraintdef(n.oid) || ' valid ' || n.convalidated
FROM pg_constraint AS n JOIN schemas AS s ON s.oid = n.connamespace
UNION ALL
SELECT 'function', s.nspname || '.' || p.proname, p.oid::text, md5(p.prosrc)
FROM pg_proc AS p JOIN schemas AS s ON s.oid = p.pronamespace
UNION ALL
SELECT 'type', s.nspname || '.' || t.typname, t.oid::text,
       coalesce((SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder)
                 FROM pg_enum AS e WHERE e.enumtypid = t.oid), '')
FROM pg_type AS t JOIN schemas AS s ON s.oid = t.typnamespace
UNION ALL
SELECT 'trigger', c.relname || '.' || g.tgname, g.oid::text, pg_get_triggerdef(g.oid)
FROM pg_trigger AS g JOIN pg_class AS c ON c.oid = g.tgrelid WHERE NOT g.tgisinternal
UNION ALL
SELECT 'comment', pg_describe_object(d.classoid, d.objoid, d.objsubid), '', d.description
FROM pg_description AS d JOIN pg_class AS c ON c.oid = d.objoid AND d.classoid = 1259
JOIN schemas AS s ON s.oid = c.relnamespace
"""

#: The tables in which a tool, or migsafe, keeps what it did.
LEDGERS = (
    "_prisma_migrations",
    "flyway_schema_history",
    "schema_migrations",
    "migrations",
    "receipts",
    "runs",
)


def catalog(conn: Connection) -> list[tuple[str, ...]]:
    """List everything in the catalogs that a migration can change."""
    return sorted(tuple(map(str, row)) for row in conn.execute(_CATALOG))


def tables(conn: Connection) -> list[str]:
    """Name the tables and views outside migsafe's schema, sorted."""
    rows = conn.execute(
        """SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
           WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_'
             AND n.nspname NOT IN ('information_schema', 'migsafe')"""
    )
    return sorted(str(name) for (name,) in rows)


def ledgers(conn: Connection, names: Sequence[str] = LEDGERS) -> dict[str, list[tuple[str, ...]]]:
    """Dump every row of every ledger with the transaction that wrote it."""
    found = conn.execute(
        """SELECT n.nspname, c.relname FROM pg_class AS c
           JOIN pg_namespace AS n ON n.oid = c.relnamespace
           WHERE c.relkind = 'r' AND c.relname = ANY(%s) AND n.nspname !~ '^pg_'""",
        [list(names)],
    ).fetchall()
    return {
        f"{schema}.{table}": sorted(
            tuple(map(str, row))
            for row in conn.execute(
                sql.SQL("SELECT xmin, t.* FROM {} AS t").format(sql.Identifier(schema, table))
            )
        )
        for schema, table in found
    }


def everything(conn: Connection) -> object:
    """Return catalog and ledgers as one value; equal means that nothing was changed."""
    return catalog(conn), ledgers(conn)


def receipts(conn: Connection) -> list[tuple[str, str, int | None]]:
    """Return migsafe's receipts in order: migration, event, statement."""
    there = conn.execute("SELECT to_regclass('migsafe.receipts')").fetchone()
    if not (there and there[0]):
        return []
    return conn.execute(
        "SELECT migration, event, statement FROM migsafe.receipts ORDER BY id"
    ).fetchall()


def is_untouched(conn: Connection) -> bool:
    """Tell whether migsafe made nothing; its schema alone may be there from `migsafe grants`."""
    found = conn.execute(
        """SELECT count(*) FROM pg_namespace AS n LEFT JOIN pg_class AS c ON c.relnamespace = n.oid
           WHERE n.nspname = 'migsafe' AND (c.oid IS NOT NULL OR NOT %s)""",
        [roles.ON],
    ).fetchone()
    return found == (0,)


def invalid_indexes(conn: psycopg.Connection[Any]) -> list[str]:
    """Name the INVALID indexes."""
    rows = conn.execute("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")
    return [str(name) for (name,) in rows]
