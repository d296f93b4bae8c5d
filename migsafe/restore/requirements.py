"""What a restore of a dump needs of the server and of the role: asked before anything is made."""

from collections.abc import Iterable, Iterator

from psycopg import sql

from migsafe import catalog
from migsafe.catalog import databases
from migsafe.errors import UnreachableError, UsageError
from migsafe.restore import dumps, renaming
from migsafe.restore.pair import FILL, Pair
from migsafe.snapshots import pg_dump, programs
from migsafe.target import Connection

#: A problem and its remedy.
_Lack = tuple[str, str]


def check(pair: Pair, *, swap: bool) -> list[str]:
    """Raise the first thing that is lacking; return what a person has to know."""
    known = pair.restoring.manifest
    if not (pair.folder / pg_dump.SUMS).is_file():
        remedy = "bring the directory there, or take another snapshot"
        raise UnreachableError(str(pair.folder), "there is no dump", remedy)
    programs.find(int(known.copy["program"]), wanted="pg_restore")
    if not pair.journal.finished(FILL):
        dumps.whole(pair.folder, known)
    place = pair.restoring.target.place
    with pair.server() as conn:
        _refuse_older(pair, conn)
        for problem, remedy in (*_role(pair, conn, swap=swap), *_server(pair, conn)):
            raise UnreachableError(place, problem, remedy)
        old = pair.old(conn)
        if swap and old and old.name == pair.name:
            _refuse_elsewhere(pair, conn)
            renaming.refuse(pair, conn, [pair.name])
        return list(_notes(pair, conn))


def _refuse_elsewhere(pair: Pair, conn: Connection) -> None:
    """Refuse to take the name of a database on a server that only has the address: by a tunnel."""
    if _is_elsewhere(pair, conn):
        problem = "another server than that of the snapshot answers, and has this database, too"
        remedy = "see where the address leads; if it is meant, rename that database first"
        raise UsageError(pair.restoring.target.place, problem, remedy)


def _is_elsewhere(pair: Pair, conn: Connection) -> bool:
    then, now = pair.restoring.manifest.source.get("cluster"), databases.cluster(conn)
    return bool(then and now and then != now)


def _refuse_older(pair: Pair, conn: Connection) -> None:
    version = pair.restoring.manifest.server_version
    if conn.info.server_version // 10000 < int(version.split(".")[0]):
        problem = f"the dump is of PostgreSQL {version}, and this server is older"
        raise UsageError(pair.restoring.target.place, problem, "restore it on a newer server")


def _role(pair: Pair, conn: Connection, *, swap: bool) -> Iterator[_Lack]:
    """Yield what the role may not do."""
    me, creates, alters, everything = catalog.one(
        conn,
        """SELECT rolname, rolcreatedb, rolcreaterole, rolsuper FROM pg_catalog.pg_roles
           WHERE rolname = current_user""",
    )
    if everything:
        return
    if not creates:
        yield f"the role {me} may not create databases", f"ALTER ROLE {_quoted(me)} CREATEDB"
    found = databases.look(conn, pair.name)
    for owner in dict.fromkeys([pair.like.owner, *([found.owner] if swap and found else [])]):
        if not _acts_as(conn, owner):
            remedy = f"GRANT {_quoted(owner)} TO {_quoted(me)}"
            yield f"{me} may not act as {owner}, who owns the database", remedy
    if {*pair.like.settings} - {"", me} and not alters:
        problem = f"{me} may not set what other roles have set in this database"
        yield problem, f"ALTER ROLE {_quoted(me)} CREATEROLE"


def _acts_as(conn: Connection, owner: str) -> bool:
    query = """SELECT pg_has_role(current_user, oid, 'USAGE') FROM pg_catalog.pg_roles
               WHERE rolname = %s"""
    row = conn.execute(query, [owner]).fetchone()
    return row is None or bool(row[0])  # one that is not there is named with all that are not


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string()


def _server(pair: Pair, conn: Connection) -> Iterator[_Lack]:
    """Yield what the server has not got: roles, extensions, a tablespace."""
    known = pair.restoring.manifest
    roles = _missing(conn, "roles", [*known.source["roles"], pair.like.owner])
    if roles:
        file = pair.folder / pg_dump.GLOBALS
        remedy = f"create them as {file} says" if file.is_file() else "create them"
        yield f"the roles {', '.join(roles)} are in the dump and not on the server", remedy
    extensions = _missing(conn, "extensions", known.fingerprint.extensions)
    if extensions:
        yield f"the extensions {', '.join(extensions)} are not installed", "install them"
    if _missing(conn, "tablespaces", [pair.like.tablespace]):
        yield f"there is no tablespace {pair.like.tablespace}", "create it"


#: Each catalog with the names in it that something else needs.
_CATALOGS = {
    "roles": "SELECT rolname FROM pg_catalog.pg_roles",
    "extensions": "SELECT name FROM pg_catalog.pg_available_extensions",
    "tablespaces": "SELECT spcname FROM pg_catalog.pg_tablespace",
}


def _missing(conn: Connection, kind: str, names: Iterable[str]) -> list[str]:
    there = {str(name) for (name,) in conn.execute(_CATALOGS[kind])}
    return sorted({*names} - there)


def _notes(pair: Pair, conn: Connection) -> Iterator[str]:
    """Yield what the swap leaves behind, and what the copy takes."""
    if _is_elsewhere(pair, conn):
        yield "This is another server than the one that the snapshot was taken on."
    if pair.copy(conn) is None:
        size = int(pair.restoring.manifest.copy["bytes"]) / 10**6
        yield f"The copy takes about {size:,.1f} MB of the server's disk; the old database stays."
    slots = conn.execute(
        """SELECT slot_name FROM pg_catalog.pg_replication_slots WHERE database = %s
           UNION ALL
           SELECT s.subname FROM pg_catalog.pg_subscription AS s
           JOIN pg_catalog.pg_database AS d ON d.oid = s.subdbid WHERE d.datname = %s
           ORDER BY 1""",
        [pair.name, pair.name],
    ).fetchall()
    if slots:
        names = ", ".join(str(name) for (name,) in slots)
        yield f"Replication stays with the old database, set it up anew after a swap: {names}."
