"""MIGSAFE_TEST_ROLES: a command acts as the role that `migsafe grants` makes for it.

The tests' databases then belong to a role that is no superuser; the tests' own sessions are its.
"""

import io
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout, suppress
from itertools import takewhile
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from migsafe import addresses, cli, grants
from migsafe.addresses import Target
from migsafe.errors import ExitCode, UsageError

ON = bool(os.environ.get("MIGSAFE_TEST_ROLES"))

#: The roles belong to the server, which other processes of the tests may use, too.
_PREFIX = f"roles_{uuid.uuid4().hex[:8]}_"
_OWNER = f"{_PREFIX}owner"

#: End a CREATE DATABASE, and a CREATE SCHEMA of who is a superuser.
OWNED = f' OWNER "{_OWNER}"' if ON else ""
AUTHORIZED = f'AUTHORIZATION "{_OWNER}"' if ON else ""

#: As docs/howto/roles.md has it. What is not here acts as the owner.
_PURPOSES = {
    **dict.fromkeys(("status", "audit", "plan", "baseline", "lint", "history", "report"), "audit"),
    **dict.fromkeys(("apply", "resolve", "snapshot"), "deploy"),
    **dict.fromkeys(("verify", "gate"), "verify"),
}

#: What says which database and which history is meant, for `grants` as for the other commands.
_WHERE = ("--url", "-e", "--env", "-c", "--config", "--migrations", "--history")

_superuser: list[str] = []  # the server's URL, while it runs

#: A superuser's URL of a database, and what `grants` prints for it.
Script = tuple[str, str]

#: Of databases as they are while they are empty, by their URLs.
_scripts: dict[str, Script | None] = {}


@contextmanager
def made(server: str) -> Iterator[None]:
    """Make the owner of the tests' databases and the roles of `grants`; drop them at the end.

    They have the superuser's own password, if the server asks for one.
    """
    if not ON:
        yield
        return
    password = urlsplit(server).password
    clause = sql.SQL("PASSWORD {}").format(unquote(password)) if password else sql.SQL("")
    names = [_OWNER, *(_PREFIX + purpose for purpose in grants.PURPOSES)]
    with psycopg.connect(server, autocommit=True) as conn:
        for role in map(sql.Identifier, names):
            conn.execute(sql.SQL("CREATE ROLE {} LOGIN {}").format(role, clause))
        _superuser.append(server)
        yield
        _superuser.clear()
        for role in map(sql.Identifier, reversed(names)):
            with suppress(psycopg.errors.DependentObjectsStillExist):  # a database that is left
                conn.execute(sql.SQL("DROP ROLE {}").format(role))


def _as(url: str, role: str) -> str:
    parts = urlsplit(url)
    login, _, host = parts.netloc.rpartition("@")
    _, colon, password = login.partition(":")
    return urlunsplit(parts._replace(netloc=f"{role}{colon}{password}@{host}"))


def owners(url: str) -> str:
    """Return the URL by which tests own a database."""
    return _as(url, _OWNER) if ON else url


def superusers(url: str) -> str:
    """Return the URL of the same database for what only a superuser may set up."""
    return _as(url, quote(urlsplit(_superuser[0]).username or "")) if ON else url


def auditor(name: str) -> str:
    """Return who reads where tests log in as `name`."""
    return f"{_PREFIX}audit" if ON and name == _OWNER else name


def deployer(name: str) -> str:
    """Return who deploys where tests log in as `name`."""
    return f"{_PREFIX}deploy" if ON and name == _OWNER else name


def prepare(url: str) -> None:
    """Run what `grants` prints for a database that no migration was applied to."""
    if ON:
        if url not in _scripts:
            with chdir("/"):  # where there is no config file, and no migrations
                _scripts[url] = _printed(["--url", url])
        _run(_scripts[url])


def unprepare(conn: psycopg.Connection[Any]) -> None:
    """Drop the schema that `grants` made, if nothing is in it, for who has no right in it."""
    if ON:
        with suppress(psycopg.errors.DependentObjectsStillExist):
            conn.execute("DROP SCHEMA IF EXISTS migsafe")


@contextmanager
def acting(arguments: Sequence[str]) -> Iterator[None]:
    """Let what one call connects to as the owner be reached as the role that is for the call."""
    purpose = _purpose(arguments) if ON else None
    if purpose is None:
        yield
        return
    _run(_printed(_where(arguments)))
    with _reached_as(_PREFIX + purpose):
        yield


def _purpose(arguments: Sequence[str]) -> str | None:
    purpose = _PURPOSES.get(arguments[0]) if arguments else None
    return "deploy" if purpose and "--write" in arguments else purpose


def _where(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the flags of a call that say where it works, each with its value."""
    words = takewhile(lambda word: word != "--", arguments)
    for word in words:
        flag, is_joined, value = word.partition("=")
        if flag in _WHERE:
            yield from (flag, value if is_joined else next(words, ""))


@contextmanager
def _reached_as(role: str, *, only: bool = False) -> Iterator[list[str]]:
    """Put a role in the owner's place in each URL that is read; yield the URLs where it was.

    With `only`, any other URL is refused before anybody connects to it.
    """
    parse, met = addresses.parse, list[str]()

    def swapped(url: str, *, name: str = "url") -> Target:
        if name == "shadow" or f"//{_OWNER}" not in url:
            if only:
                raise UsageError("url", "is not the owner's", "leave it")
            return parse(url, name=name)
        met.append(url)
        return parse(_as(url, role), name=name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(addresses, "parse", swapped)
        yield met


def _printed(where: Iterable[str]) -> Script | None:
    """Let `grants` look at a database of the tests; return None where it is another one."""
    superuser = quote(urlsplit(_superuser[0]).username or "")
    text, told = io.StringIO(), io.StringIO()
    with _reached_as(superuser, only=True) as met, redirect_stdout(text), redirect_stderr(told):
        code = cli.run(["grants", "--prefix", _PREFIX, *where])
    # What the call itself will refuse: a history that cannot be read, a database that is not there.
    assert code in (ExitCode.OK, ExitCode.USAGE, ExitCode.UNREACHABLE), told.getvalue()
    return (superusers(met[0]), text.getvalue()) if met and not code else None


def _run(script: Script | None) -> None:
    if script:
        params = addresses.parse(script[0]).params
        with psycopg.connect(autocommit=True, **params) as conn:  # type: ignore[arg-type]
            conn.execute(script[1].encode())
