"""A throw-away database in a server of the user's; its other databases and roles are left alone."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from ulid import ULID

from migsafe import target
from migsafe.errors import UnreachableError, UsageError, nearest
from migsafe.target import Connection, Target

CHOICES = ("auto", "embedded", "none")

_PREFIX = "migsafe_shadow_"

#: Seconds after which a database without sessions counts as left behind; arbitrary.
_STALE = 3600


def server(url: str, root: Path) -> Target:
    """Read the URL of a server, in any of the forms that a target's has."""
    if "://" not in url and not url.startswith(("env:", "file:")):
        hint = nearest(url, CHOICES) or f"write a URL or one of {', '.join(CHOICES)}"
        raise UsageError("shadow", f"{url!r} is no server", hint)
    try:
        # A ?schema= of the server's own URL says nothing about a new database.
        return replace(target.resolve(url, name="shadow", root=root), schema=None)
    except UsageError as error:
        problem, _, remedy = str(error).rpartition("; ")
        raise UsageError("shadow", problem, remedy) from None


@contextmanager
def created(where: Target, *, template: str = "template0") -> Iterator[Target]:
    """Create a database in a server and drop it in the end, whoever is connected.

    It is empty, or a copy of a `template` that nobody is connected to.
    """
    name = f"{_PREFIX}{ULID()}".lower()
    try:
        with target.connect(where) as admin:
            _sweep(admin)
            _create(admin, name, where, template)
        yield replace(where, params={**where.params, "dbname": name})
    finally:
        with suppress(psycopg.Error, UnreachableError), target.connect(where) as admin:
            _drop(admin, name, force=True)


def _create(admin: Connection, name: str, where: Target, template: str) -> None:
    names = (sql.Identifier(name), sql.Identifier(template))
    query = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names)
    try:
        with target.translated(where):
            admin.execute(query)
    except UnreachableError as error:
        if not isinstance(error.__context__, psycopg.errors.InsufficientPrivilege):
            raise
        raise UsageError(
            "shadow",
            f"role {admin.info.user} may not create a database in {where.place}",
            "ALTER ROLE … CREATEDB, or give --shadow embedded",
        ) from None


def _drop(admin: Connection, name: str, *, force: bool) -> None:
    query = "DROP DATABASE IF EXISTS {} WITH (FORCE)" if force else "DROP DATABASE IF EXISTS {}"
    admin.execute(sql.SQL(query).format(sql.Identifier(name)))


def _sweep(admin: Connection) -> None:
    """Drop databases of ours that were left behind: old, and nobody is connected to them."""
    rows = admin.execute(
        """SELECT datname FROM pg_database AS d
           WHERE starts_with(datname, %s) AND pg_has_role(datdba, 'MEMBER')
           AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE datid = d.oid)""",
        [_PREFIX],
    )
    for (name,) in rows.fetchall():
        with suppress(psycopg.Error):  # another start drops it, or somebody connects now
            if _age(name) > _STALE:
                _drop(admin, name, force=False)


def _age(name: str) -> float:
    """Return the seconds since a database was named; below zero where the name is not ours."""
    try:
        return time.time() - ULID.from_str(name.removeprefix(_PREFIX).upper()).timestamp
    except ValueError:
        return -1.0


def url(where: Target) -> str:
    """Write a target as a URL that libpq reads."""
    params = dict(where.params)
    path = quote(params.pop("dbname"), safe="")
    return f"postgresql:///{path}?{urlencode(params, quote_via=quote)}"


def roles(where: Target) -> set[str]:
    """Return the names of all roles of a server."""
    with target.connect(where) as conn, target.translated(where):
        return {name for (name,) in conn.execute("SELECT rolname FROM pg_roles").fetchall()}


def drop_roles(where: Target, before: set[str], texts: list[str]) -> str | None:
    """Drop the new roles that the texts make; return a note about those that stay.

    Roles belong to the whole server and have no creator on record, so one that appeared meanwhile
    and that no text names may be somebody else's.
    """
    new = roles(where) - before
    made = {name for name in new if any(_names(text, name) for text in texts)}
    with target.connect(where) as admin:
        left = new - {name for name in sorted(made) if _dropped(admin, name)}
    if not left:
        return None
    names = ", ".join(sorted(left))
    return f"roles left in {where.place}, drop them if they are the replay's: {names}"


def _names(text: str, role: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(role)}(?!\w)", text, re.IGNORECASE) is not None


def _dropped(admin: Connection, role: str) -> bool:
    name = sql.Identifier(role)
    # Its grants on objects of the whole server; what it owned went with the database.
    with suppress(psycopg.Error):
        admin.execute(sql.SQL("DROP OWNED BY {}").format(name))
    with suppress(psycopg.Error):
        admin.execute(sql.SQL("DROP ROLE {}").format(name))
        return True
    return False
