"""Grants: the SQL of roles with no more rights than their commands need."""

from collections.abc import Sequence

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
    database, user, current, ledger = catalog.one(
        conn,
        """SELECT quote_ident(current_database()), quote_ident(current_user),
                  coalesce(quote_ident(current_schema()), 'public'),
                  to_regnamespace('migsafe') IS NOT NULL""",
    )
    schemas = _schemas(conn) or (grants.Schema(name=current, owner=user),)
    roles = conn.execute("SELECT quote_ident(rolname) FROM pg_roles").fetchall()
    return grants.Ground(
        database=database,
        owner=schemas[0].owner,
        schemas=schemas,
        record=_record(session),
        ledger=ledger,
        roles=frozenset(name for (name,) in roles),
    )


def _schemas(conn: Connection) -> tuple[grants.Schema, ...]:
    """Read the schemas that hold tables, the fullest first, each with who owns most of them."""
    rows = conn.execute(
        f"""SELECT quote_ident(n.nspname),
                   mode() WITHIN GROUP (ORDER BY quote_ident(pg_get_userbyid(c.relowner))),
                   bool_or(c.relrowsecurity)
            FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = relnamespace
            WHERE c.relkind IN ('r', 'p', 'v', 'm') AND {catalog.OWN}
              AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
                              WHERE d.classid = 'pg_catalog.pg_class'::regclass
                                AND d.objid = c.oid AND d.deptype = 'e')
            GROUP BY n.nspname ORDER BY count(*) DESC, n.nspname""".encode()  # noqa: S608
    ).fetchall()
    return tuple(grants.Schema(name=name, owner=owner, secured=rls) for name, owner, rls in rows)


def _record(session: Session) -> str | None:
    """Return the history's own table, quoted, if it is there."""
    if session.history is None:
        return None
    found = catalog.one(session.conn, "SELECT to_regclass(%s)::text", [session.history.table])[0]
    return str(found) if found else None
