"""Make a database like another one: what pg_restore leaves to whoever creates it."""

import re
from collections.abc import Iterator, Mapping

from psycopg import sql

from migsafe.catalog.databases import Database

#: Settings that hold a list of names, each quoted where it needs it (`variable_is_guc_list_quote`
#: of PostgreSQL's dumputils.c); as one literal such a list would be one name.
_LISTS = {
    *("local_preload_libraries", "search_path", "session_preload_libraries"),
    *("shared_preload_libraries", "temp_tablespaces", "unix_socket_directories"),
}

_ITEM = re.compile(r'"((?:[^"]|"")*)"|([^\s,"]+)')

#: Providers of locales by their letter in the catalog, with what names theirs.
_PROVIDERS = {
    "c": ("libc", None),
    "i": ("icu", "ICU_LOCALE"),
    "b": ("builtin", "BUILTIN_LOCALE"),
}

#: The tablespace of template0.
_USUAL = "pg_default"

#: The version (server_version_num) that has providers.
_PROVIDES = 150000


def create(name: str, like: Database, version: int) -> sql.Composed:
    """Return CREATE DATABASE; from template0, which holds nothing and takes any locale."""
    said: dict[str, sql.Composable] = {
        "OWNER": sql.Identifier(like.owner),
        "TEMPLATE": sql.Identifier("template0"),
        "ENCODING": sql.Literal(like.encoding),
        "LC_COLLATE": sql.Literal(like.collate),
        "LC_CTYPE": sql.Literal(like.ctype),
        "CONNECTION LIMIT": sql.Literal(like.limit),
    }
    if like.tablespace != _USUAL:  # nobody may name it who has not been granted it
        said["TABLESPACE"] = sql.Identifier(like.tablespace)
    if version >= _PROVIDES:
        said |= _locale(like)
    options = [sql.SQL(word) + sql.SQL(" ") + value for word, value in said.items()]
    return sql.SQL("CREATE DATABASE {} {}").format(sql.Identifier(name), sql.SQL(" ").join(options))


def _locale(like: Database) -> dict[str, sql.Composable]:
    provider, word = _PROVIDERS[like.provider]
    said: dict[str, sql.Composable] = {"LOCALE_PROVIDER": sql.Identifier(provider)}
    if word and like.locale:
        said[word] = sql.Literal(like.locale)
    if like.rules:
        said["ICU_RULES"] = sql.Literal(like.rules)
    return said


def settle(name: str, like: Database) -> Iterator[sql.Composed]:
    """Yield what gives a database the settings and the privileges of another; twice is once."""
    database = sql.Identifier(name)
    for role, settings in like.settings.items():
        whose = sql.SQL("ALTER DATABASE {}").format(database)
        if role:
            whose = sql.SQL("ALTER ROLE {} IN DATABASE {}").format(sql.Identifier(role), database)
        for setting in settings:
            key, _, value = setting.partition("=")
            # The name of an extension's own setting has a dot.
            parts = sql.Identifier(*key.split("."))
            yield sql.SQL("{} SET {} TO {}").format(whose, parts, _value(key, value))
    if like.grants is not None:
        yield from _grants(database, like.owner, like.grants)


def _value(name: str, value: str) -> sql.Composable:
    if name.lower() not in _LISTS:
        return sql.Literal(value)
    items = [m[2] or m[1].replace('""', '"') for m in _ITEM.finditer(value)] or [""]
    return sql.SQL(", ").join(sql.Literal(item) for item in items)


def _grants(
    database: sql.Identifier, owner: str, grants: Mapping[str, list[str]]
) -> Iterator[sql.Composed]:
    """Yield the grants as the owner's own, whoever had passed them on."""
    for whom in (sql.SQL("PUBLIC"), sql.Identifier(owner)):
        yield sql.SQL("REVOKE ALL ON DATABASE {} FROM {}").format(database, whom)
    for role, rights in grants.items():
        whom = sql.Identifier(role) if role else sql.SQL("PUBLIC")
        for right in rights:
            tail = " WITH GRANT OPTION" if right.endswith("*") else ""
            word = sql.SQL(right.rstrip("*"))
            grant = sql.SQL("GRANT {} ON DATABASE {} TO {}").format(word, database, whom)
            yield grant + sql.SQL(tail)
