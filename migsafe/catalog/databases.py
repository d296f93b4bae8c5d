"""A database as a whole: what CREATE DATABASE and ALTER DATABASE said of it, and who is in it.

A dump of one database holds none of that. Asked from any database of the same server.
"""

from collections.abc import Mapping
from typing import Any

import psycopg
from msgspec import Struct, field

from migsafe.target import Connection


class Database(Struct, frozen=True, kw_only=True):
    """What a database is made with. `grants` is None where nobody ever granted or revoked.

    `locale` is that of ICU or of PostgreSQL's own provider. `settings` are lists of ``name=value``
    by role, "" for every role; `grants` are lists of ``PRIVILEGE`` or ``PRIVILEGE*``, which may be
    passed on, by role, "" for everybody.
    """

    encoding: str
    collate: str
    ctype: str
    provider: str
    owner: str
    tablespace: str
    limit: int
    locale: str | None = None
    rules: str | None = None
    comment: str | None = None
    settings: Mapping[str, list[str]] = field(default_factory=dict)
    grants: Mapping[str, list[str]] | None = None


class Standing(Struct, frozen=True, kw_only=True):
    """A database of the server as it is now; `open` is whether it lets anybody in."""

    oid: int
    name: str
    owner: str
    open: bool
    comment: str | None


#: The catalog's columns by name, as those of ICU have had two: daticulocale is datlocale since 17.
_READ = """
    SELECT pg_encoding_to_char(d.encoding), d.datcollate, d.datctype,
           coalesce(j.row ->> 'datlocprovider', 'c'), pg_get_userbyid(d.datdba), t.spcname,
           d.datconnlimit, coalesce(j.row ->> 'datlocale', j.row ->> 'daticulocale'),
           j.row ->> 'daticurules', shobj_description(d.oid, 'pg_database'),
           (SELECT jsonb_object_agg(coalesce(r.rolname, ''), to_jsonb(s.setconfig))
            FROM pg_catalog.pg_db_role_setting AS s LEFT JOIN pg_catalog.pg_roles AS r
                 ON r.oid = s.setrole
            WHERE s.setdatabase = d.oid),
           CASE WHEN d.datacl IS NOT NULL THEN
           (SELECT coalesce(jsonb_object_agg(g.role, g.rights), '{}') FROM
               (SELECT coalesce(r.rolname, '') AS role,
                       jsonb_agg(DISTINCT a.privilege_type || CASE WHEN a.is_grantable THEN '*'
                                                                    ELSE '' END) AS rights
                FROM aclexplode(d.datacl) AS a LEFT JOIN pg_catalog.pg_roles AS r
                     ON r.oid = a.grantee
                GROUP BY 1) AS g)
           END
    FROM pg_catalog.pg_database AS d JOIN pg_catalog.pg_tablespace AS t ON t.oid = d.dattablespace,
         to_jsonb(d) AS j(row)
    WHERE d.datname = %s"""

_NAMES = (
    *("encoding", "collate", "ctype", "provider", "owner", "tablespace", "limit", "locale"),
    *("rules", "comment", "settings", "grants"),
)


def read(conn: Connection, name: str) -> Database:
    """Return what a database was made with; raise LookupError where there is none of that name."""
    row = conn.execute(_READ, [name]).fetchone()
    if row is None:
        raise LookupError("there is no such database")
    values: dict[str, Any] = dict(zip(_NAMES, row, strict=True))
    return Database(**values | {"settings": values["settings"] or {}})


_LOOK = """
    SELECT oid::bigint, datname, pg_get_userbyid(datdba), datallowconn,
           shobj_description(oid, 'pg_database')
    FROM pg_catalog.pg_database WHERE """


def look(conn: Connection, name: str) -> Standing | None:
    """Return the database of a name; None where there is none."""
    return _standing(conn.execute(f"{_LOOK} datname = %s", [name]).fetchone())


def known(conn: Connection, oid: int) -> Standing | None:
    """Return a database whatever its name is now; None where it is gone."""
    return _standing(conn.execute(f"{_LOOK} oid = %s", [oid]).fetchone())


def _standing(row: tuple[Any, ...] | None) -> Standing | None:
    if row is None:
        return None
    oid, name, owner, is_open, comment = row
    return Standing(oid=int(oid), name=name, owner=owner, open=is_open, comment=comment)


class Inside(Struct, frozen=True):
    """A session in a database. `mine` tells whether this role may end it."""

    pid: int
    role: str
    program: str
    mine: bool


def inside(conn: Connection, name: str) -> list[Inside]:
    """Return the sessions in a database, but for this one and those of the server's own.

    A superuser's session is ended by a superuser alone.
    """
    rows = conn.execute(
        """SELECT a.pid, coalesce(a.usename, ''), coalesce(a.application_name, ''),
                  me.rolsuper OR (NOT coalesce(r.rolsuper, false)
                      AND (pg_has_role('pg_signal_backend', 'USAGE')
                           OR pg_has_role(a.usesysid, 'USAGE')))
           FROM pg_catalog.pg_stat_activity AS a
           LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.usesysid
           JOIN pg_catalog.pg_roles AS me ON me.rolname = current_user
           WHERE a.datname = %s AND a.pid <> pg_backend_pid()
             AND coalesce(a.backend_type, 'client backend') IN ('client backend', 'walsender')
             AND a.usesysid IS NOT NULL
           ORDER BY a.pid""",  # who may not see the type of another role's session sees its user
        [name],
    )
    return [
        Inside(int(pid), str(role), str(program), bool(mine)) for pid, role, program, mine in rows
    ]


def cluster(conn: Connection) -> str | None:
    """Return the number that initdb gave this server's data, None where this role may not ask."""
    try:
        with conn.transaction():
            query = "SELECT system_identifier FROM pg_catalog.pg_control_system()"
            row = conn.execute(query).fetchone()
    except psycopg.errors.InsufficientPrivilege:
        return None
    return str(row[0]) if row else None


def prepared(conn: Connection, name: str) -> list[str]:
    """Return the identifiers of the prepared transactions in a database."""
    query = "SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE database = %s ORDER BY 1"
    return [str(gid) for (gid,) in conn.execute(query, [name])]
