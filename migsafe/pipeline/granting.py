"""Grants: the SQL of roles with no more rights than their commands need."""

from collections.abc import Iterator, Sequence

from migsafe import catalog, grants
from migsafe.config import Settings
from migsafe.errors import UsageError
from migsafe.pipeline.session import Session, directory_of, opened
from migsafe.target import Connection


def grant(settings: Settings, purposes: Sequence[str], *, prefix: str = "migsafe_") -> str:
    """Return the SQL that makes one role for each purpose, for a person to read and to run."""
    directory = directory_of(settings)
    with opened(settings, "grants", directory, texts=False) as session:
        ground = _ground(session)
        scripts = []
        for purpose in purposes or tuple(grants.PURPOSES):
            role = _quoted(session.conn, prefix + purpose)
            if role == ground.owner:
                raise UsageError(
                    "grants", f"{role} owns the database's tables", "choose another --prefix"
                )
            scripts.append(grants.script(purpose, role, ground))
    return "\n\n".join(scripts)


def _quoted(conn: Connection, name: str) -> str:
    return str(catalog.one(conn, "SELECT quote_ident(%s)", [name])[0])


def _ground(session: Session) -> grants.Ground:
    conn = session.conn
    database, founder, current, ledger = catalog.one(
        conn,
        """SELECT quote_ident(datname), quote_ident(pg_get_userbyid(datdba)),
                  coalesce(quote_ident(current_schema()), 'public'),
                  to_regnamespace('migsafe') IS NOT NULL
           FROM pg_catalog.pg_database WHERE datname = current_database()""",
    )
    schemas = _schemas(conn) or (grants.Schema(name=current, owner=founder),)
    owner, record = schemas[0].owner, _record(session)
    roles = conn.execute("SELECT quote_ident(rolname), rolsuper FROM pg_roles").fetchall()
    return grants.Ground(
        database=database,
        owner=owner,
        schemas=schemas,
        record=record,
        hidden=_hidden(conn, record),
        ledger=ledger,
        roles=frozenset(name for name, _ in roles),
        superuser=(owner, True) in roles,
        others=_others(conn, owner),
        lent=tuple(_lent(conn, owner, record)),
    )


def _others(conn: Connection, owner: str) -> tuple[str, ...]:
    """Read who owns tables of the application that the owner of most of them may not change."""
    rows = conn.execute(
        f"""SELECT DISTINCT quote_ident(pg_get_userbyid(c.relowner))
            FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = relnamespace
            WHERE {_TABLES} AND NOT pg_has_role(to_regrole(%s), c.relowner, 'USAGE')
            ORDER BY 1""".encode(),  # noqa: S608
        [owner],
    ).fetchall()
    return tuple(name for (name,) in rows)


def _hidden(conn: Connection, record: str | None) -> bool:
    """Tell whether row level security is on for the history's own table."""
    query = "SELECT bool_or(relrowsecurity) FROM pg_catalog.pg_class WHERE oid = to_regclass(%s)"
    return bool(catalog.one(conn, query, [record])[0])


def _lent(conn: Connection, owner: str, record: str | None) -> Iterator[str]:
    """Yield the rights that an apply needs where another role made the ledger or the record."""
    made = catalog.one(
        conn,
        """SELECT (SELECT quote_ident(pg_get_userbyid(nspowner)) FROM pg_catalog.pg_namespace
                   WHERE nspname = 'migsafe'),
                  (SELECT quote_ident(pg_get_userbyid(relowner)) FROM pg_catalog.pg_class
                   WHERE oid = to_regclass(%s))""",
        [record],
    )
    if made[0] not in (None, owner):
        yield "USAGE, CREATE ON SCHEMA migsafe"
        yield "SELECT, INSERT ON ALL TABLES IN SCHEMA migsafe"
    if made[1] not in (None, owner):
        yield f"SELECT, INSERT, UPDATE, DELETE ON {record}"


#: What the application's own tables are, those of extensions aside.
_TABLES = f"c.relkind IN ('r', 'p', 'v', 'm') AND {catalog.OWN} AND NOT {catalog.IN_EXTENSION}"


def _schemas(conn: Connection) -> tuple[grants.Schema, ...]:
    """Read the schemas that hold tables, the fullest first, each with who owns most of them."""
    rows = conn.execute(
        f"""SELECT quote_ident(n.nspname),
                   mode() WITHIN GROUP (ORDER BY quote_ident(pg_get_userbyid(c.relowner))),
                   bool_or(c.relrowsecurity)
            FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = relnamespace
            WHERE {_TABLES}
            GROUP BY n.nspname ORDER BY count(*) DESC, n.nspname""".encode()  # noqa: S608
    ).fetchall()
    return tuple(grants.Schema(name=name, owner=owner, secured=rls) for name, owner, rls in rows)


def _record(session: Session) -> str | None:
    """Return the history's own table, qualified and quoted, if it is there."""
    if session.history is None:
        return None
    schema, _, name = session.history.table.rpartition(".")
    quoted, is_there = catalog.one(
        session.conn,
        """SELECT quoted, to_regclass(quoted) IS NOT NULL
           FROM format('%%I.%%I', %s::text, %s::text) AS quoted""",
        [schema, name],
    )
    return str(quoted) if is_there else None
