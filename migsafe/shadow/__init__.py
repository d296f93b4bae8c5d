"""A throw-away PostgreSQL in which a history is replayed.

It is a server of our own on a private socket, or a database of our own in a server that a URL
names. Either is removed when its context ends, and after a crash at the next start.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from migsafe import target
from migsafe.config import ShadowConfig
from migsafe.errors import UnreachableError, UsageError
from migsafe.shadow import databases, servers
from migsafe.shadow.servers import Installation
from migsafe.target import Connection, Target

#: What a replay needs: many locks in one transaction, few sessions, nothing in the background.
_SETTINGS = {
    "autovacuum": "off",
    "max_connections": "20",
    "max_locks_per_transaction": "512",
    "timezone": "UTC",
}

_MAKES_ROLES = re.compile(r"\bcreate\s+(role|user|group)\b", re.IGNORECASE)


@dataclass(slots=True, kw_only=True)
class Shadow:
    """An empty database to replay in. `notes` grow until its context has ended."""

    kind: Literal["url", "local", "embedded"]
    url: str = field(default="", repr=False)
    version: str = ""
    superuser: bool = True
    stand_ins: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    placeholders: Mapping[str, str] = field(default_factory=dict)
    making_roles: list[str] = field(default_factory=list, repr=False)

    def fill(self, text: str) -> str:
        """Return SQL with the placeholders of the config filled in, ready to be sent.

        Everything that is sent passes here: only a role that such a text makes is dropped in the
        end from a server that is not ours.
        """
        filled = _filled(text, self.placeholders)
        if _MAKES_ROLES.search(filled):
            self.making_roles.append(filled)
        return filled


def _filled(text: str, placeholders: Mapping[str, str]) -> str:
    """Replace in one pass, the longest first, so that no replacement is replaced again."""
    literal = "|".join(map(re.escape, sorted(placeholders, key=len, reverse=True)))
    return re.sub(literal, lambda match: placeholders[match[0]], text) if literal else text


@contextmanager
def opened(config: ShadowConfig, *, major: int, root: Path) -> Iterator[Shadow]:
    """Yield a shadow for a target of version `major`; paths in the config are relative to `root`.

    Raises UsageError where the config says `none` or is wrong, and UnreachableError where no
    server can be had.
    """
    with ExitStack() as stack:
        if _is_ours(config):
            shadow = _started(stack, config, major)
        else:
            shadow = _created(stack, config, databases.server(config.server, root))
        if not re.match(rf"{major}\b", shadow.version):
            shadow.notes += (f"the shadow is PostgreSQL {shadow.version}, the target {major}",)
        yield shadow


def identity(config: ShadowConfig, *, major: int, root: Path) -> str:
    """Name what `opened` would take, without starting it; the same name replays the same."""
    if _is_ours(config):
        installation, _ = _installation(config.server, major)
        return f"{installation.kind}: {servers.version(installation)}"
    where = databases.server(config.server, root)
    with target.connect(where) as conn:
        return f"url: {where.place} {conn.info.parameter_status('server_version')}"


def _is_ours(config: ShadowConfig) -> bool:
    """Tell whether the shadow is a server that we start; raise UsageError where there is none."""
    if config.server == "none":
        raise UsageError("shadow", "this command needs a shadow", "leave out --shadow none")
    return config.server in ("auto", "embedded")


def _started(stack: ExitStack, config: ShadowConfig, major: int) -> Shadow:
    installation, notes = _installation(config.server, major)
    shadow = Shadow(
        kind=installation.kind,
        stand_ins=servers.stand_ins(installation),
        notes=notes,
        placeholders=config.placeholders,
    )
    shadow.url = stack.enter_context(
        servers.started(installation, _SETTINGS, with_stand_ins=bool(shadow.stand_ins))
    )
    return _described(shadow)


def _installation(server: str, major: int) -> tuple[Installation, tuple[str, ...]]:
    """Choose a local installation of the target's version, or else the embedded one."""
    if server == "embedded":
        return servers.embedded(), ()
    notes: tuple[str, ...] = ()
    try:
        if found := servers.local(major):
            return found, ()
    except UnreachableError as error:
        notes = (f"a local PostgreSQL {major} was left out: {error}",)
    try:
        return servers.embedded(), notes
    except UnreachableError:
        problem = "; ".join((f"there is no PostgreSQL {major} to replay in", *notes))
        raise UnreachableError(
            "shadow",
            problem,
            f"install postgresql-{major}, or pip install 'migsafe[embedded]', or --shadow URL",
        ) from None


def _created(stack: ExitStack, config: ShadowConfig, server: Target) -> Shadow:
    before = databases.roles(server)
    shadow = Shadow(kind="url", placeholders=config.placeholders)
    stack.callback(_drop_roles, shadow, server, before)
    shadow.url = databases.url(stack.enter_context(databases.created(server)))
    return _described(shadow)


def _drop_roles(shadow: Shadow, server: Target, before: set[str]) -> None:
    try:
        note = databases.drop_roles(server, before, shadow.making_roles)
    except (psycopg.Error, UnreachableError) as error:
        note = f"roles of the replay may be left: {error}"
    shadow.notes += (note,) if note else ()


def _described(shadow: Shadow) -> Shadow:
    """Ask the server what it is."""
    where = target.parse(shadow.url, name="shadow")
    with target.connect(where) as conn, target.translated(where):
        shadow.version = conn.info.parameter_status("server_version") or ""
        row = conn.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    shadow.superuser = bool(row and row[0])
    return shadow


def prepare(shadow: Shadow, config: ShadowConfig, root: Path, schema: str | None = None) -> None:
    """Make what the environment has before the first migration: search_path, then the prelude.

    `schema` is Prisma's ``?schema=``, which is made and comes first in the search_path.
    """
    where = target.parse(shadow.url, name="shadow")
    with target.connect(where) as conn, target.translated(where):
        _set_search_path(conn, config.search_path, schema)
    for name in config.prelude:
        with target.connect(where) as conn:
            _run_prelude(conn, root / name, shadow)


def _set_search_path(conn: Connection, path: str | None, schema: str | None) -> None:
    quoted = sql.Identifier(schema).as_string(conn) if schema else None
    if quoted:
        conn.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted}".encode())
    value = ", ".join(part for part in (quoted, path) if part)
    if not value:
        return
    try:
        conn.execute("SELECT set_config('search_path', %s, false)", [value])
    except psycopg.errors.InvalidParameterValue as error:
        raise UsageError(
            "shadow.search_path", target.explain(error), """write it like '"$user", public'"""
        ) from None
    database = sql.Identifier(conn.info.dbname).as_string(conn)
    conn.execute(f"ALTER DATABASE {database} SET search_path FROM CURRENT".encode())


def _run_prelude(conn: Connection, file: Path, shadow: Shadow) -> None:
    try:
        text = shadow.fill(file.read_text("utf-8-sig"))
    except UnicodeDecodeError:
        raise UsageError(f"shadow.prelude: {file}", "is not UTF-8", "save it as UTF-8") from None
    except OSError as error:
        raise UsageError(
            f"shadow.prelude: {file}", f"cannot be read: {error.strerror}", "check the path"
        ) from None
    try:
        target.execute(conn, text)
    except psycopg.Error as error:
        line = text.count("\n", 0, int(error.diag.statement_position or 1)) + 1
        raise UsageError(
            f"shadow.prelude: {file}:{line}", target.explain(error), "correct it there"
        ) from None
    if conn.info.transaction_status != TransactionStatus.IDLE:
        raise UsageError(
            f"shadow.prelude: {file}", "leaves a transaction open", "commit it in that file"
        )


@contextmanager
def embedded() -> Iterator[str]:
    """Start the embedded server and yield the URL of its database ``postgres``.

    Not durable (fsync is off): what is in it is never kept.
    """
    with servers.started(servers.embedded(), {}) as url:
        yield url
