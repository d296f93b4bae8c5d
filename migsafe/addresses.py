"""Where a database is: from a URL, or a reference to one, to libpq's parameters.

A password is taken out of the URL once, concealed, and handed to libpq only. Connects to nothing
but the store of AWS that a reference names.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from urllib.parse import quote, unquote, urlencode

import psycopg
from psycopg import conninfo, pq

from migsafe.aws import secrets, tls
from migsafe.aws.identify import region_of
from migsafe.config import EnvConfig
from migsafe.errors import UsageError, conceal, nearest

#: Prisma's own URL parameters that concern its client pool only.
_POOL_ONLY = {
    "connection_limit",
    "pool_timeout",
    "statement_cache_size",
    "max_connection_lifetime",
    "max_idle_connection_lifetime",
    "single_use_connections",
    "socket_timeout",
}

_SIGNED = "rds-iam:"

#: Asks for the user and the password of this moment; told whether those before were refused.
Login = Callable[[bool], Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to connect. `schema` is Prisma's ``?schema=``, None where the URL has none."""

    name: str
    params: Mapping[str, str] = field(repr=False)
    schema: str | None
    #: None where the login stands in `params` and nowhere else.
    login: Login | None = field(default=None, repr=False, compare=False)

    @property
    def place(self) -> str:
        """Where it is, without user and password: ``host:port/database``."""
        host = self.params.get("host") or self.params.get("service") or "local socket"
        port = f":{self.params['port']}" if "port" in self.params else ""
        return f"{host}{port}/{self.params.get('dbname', '')}"

    def signed_in(self, *, refused: bool = False) -> dict[str, str]:
        """Return `params` with the login that one connection, made now, needs."""
        return {**self.params, **(self.login(refused) if self.login else {})}


def resolve(url: str | None, *, name: str, root: Path, env: EnvConfig | None = None) -> Target:
    """Follow a reference to a URL and read it; raise UsageError where that cannot be.

    `env` says whose credentials open a store of AWS, and in which region.
    """
    url = followed(url, root)
    if url.startswith(secrets.SCHEMES):
        return _stored(url, name, root, _caller(env))
    if url.startswith(_SIGNED):
        return _signed(url, name, root, _caller(env))
    where = parse(url, name=name)
    return replace(where, params=tls.secured(where.params, root))


def followed(url: str | None, root: Path) -> str:
    """Return what `env:` and `file:` lead to: a URL, or a reference to a store of AWS."""
    if not url or url.isspace():
        raise UsageError(
            "target",
            "no database is named",
            "set DATABASE_URL or MIGSAFE_URL, give --url, or write [env.NAME] url in migsafe.toml",
        )
    if url.startswith("env:"):
        variable = url.removeprefix("env:")
        if not os.environ.get(variable, "").strip():
            raise UsageError(f"env:{variable}", "the variable is not set", f"export {variable}")
        return os.environ[variable]
    if url.startswith("file:"):
        return _first_line(root / url.removeprefix("file:"))
    return url


def _caller(env: EnvConfig | None) -> secrets.Caller:
    return secrets.Caller(region=env.region, profile=env.profile) if env else secrets.Caller()


def _stored(url: str, name: str, root: Path, caller: secrets.Caller) -> Target:
    """Read the URL that a store of AWS keeps; its login is fetched anew once it was refused."""
    reference = secrets.parse(url)

    def fetched() -> Target:
        return parse(secrets.url(reference, caller), name=name)

    where = fetched()
    kept = where

    def login(refused: bool) -> Mapping[str, str]:
        nonlocal kept
        kept = fetched() if refused else kept
        return {key: kept.params[key] for key in ("user", "password") if key in kept.params}

    return replace(where, params=tls.secured(where.params, root, unsaid="require"), login=login)


def _signed(url: str, name: str, root: Path, caller: secrets.Caller) -> Target:
    """Read a URL without a password: a token of IAM is signed just before each connection."""
    where = parse(f"postgresql:{url.removeprefix(_SIGNED)}", name=name)
    host, user = where.params.get("host", ""), where.params.get("user")
    region = region_of(host)
    if not user or "password" in where.params:
        raise UsageError(f"{_SIGNED}//…", "needs a user and no password", "write user@host")
    if region is None:
        remedy = "give the endpoint that RDS shows, not a name that leads to it"
        raise UsageError(host or _SIGNED, "a token is signed for the name of an endpoint", remedy)
    params = tls.secured(where.params, root, unsaid="require")
    if params["sslmode"] in ("disable", "allow", "prefer"):
        problem = f"sslmode={params['sslmode']} may send the token unencrypted"
        raise UsageError(where.place, problem, "say sslmode=verify-full, or at least require")
    port = int(params.get("port") or 5432)
    sign = partial(secrets.token, caller, host=host, port=port, user=user, region=region)
    return replace(where, params=params, login=lambda _: {"password": sign()})


def _first_line(path: Path) -> str:
    try:
        lines = path.read_text("utf-8").strip().splitlines()
    except (OSError, UnicodeDecodeError):
        raise UsageError(str(path), "the file with the URL cannot be read", "check it") from None
    if not lines:
        raise UsageError(str(path), "the file with the URL is empty", "write the URL into it")
    return lines[0].strip()


def parse(url: str, *, name: str = "url") -> Target:
    """Read a `postgresql://` URL, translating what Prisma adds to libpq's parameters."""
    if not url.isspace():  # every blank of a message would be taken for it
        conceal(url)
    scheme = url.partition(":")[0]
    if scheme.startswith("prisma"):
        raise UsageError(f"{scheme}://…", "is a proxy, not a database", "give its direct address")
    if scheme not in ("postgresql", "postgres"):
        raise UsageError("target", "the URL is not a PostgreSQL one", "begin it with postgresql://")
    bare, _, query = url.partition("?")
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    options = {unquote(key): unquote(value) for key, _, value in pairs}
    schema = options.pop("schema", None)
    params = _parameters(bare, _translated(options))
    conceal(params.get("password"))
    conceal(os.environ.get("PGPASSWORD"))  # libpq takes it where the URL has none
    return Target(name=name, params=params, schema=schema or None)


def _translated(options: dict[str, str]) -> dict[str, str]:
    """Turn Prisma's parameters into libpq's; refuse by name what has no equal."""
    if options.pop("pgbouncer", "false") == "true":
        raise UsageError(
            "pgbouncer=true",
            "a transaction pooler loses locks and settings between statements",
            "give the direct address of the database",
        )
    for name in ("sslidentity", "sslpassword"):
        if name in options:
            raise UsageError(
                f"target: ?{name}=",
                "is not served",
                "give sslcert and an sslkey without passphrase",
            )
    accept = options.pop("sslaccept", None)
    if accept is not None and "sslcert" in options and "sslkey" not in options:
        options["sslrootcert"] = options.pop("sslcert")  # Prisma's sslcert is the server's CA
    if accept == "strict":
        options["sslmode"] = "verify-full"
    unserved = {*_POOL_ONLY, "client_encoding"}  # every session is UTF-8, as every file is
    return {key: value for key, value in options.items() if key not in unserved}


def _parameters(bare: str, options: dict[str, str]) -> dict[str, str]:
    known = {item.keyword.decode() for item in pq.Conninfo.get_defaults()}
    for key in options:
        if key not in known:
            if "@" in "".join((*options, *options.values())):
                raise _unreadable()  # a password with a bare ? or &, cut in two
            hint = nearest(key, known | _POOL_ONLY) or "remove it"
            raise UsageError(f"target: ?{key}=", "unknown URL parameter", hint)
    try:
        params = conninfo.conninfo_to_dict(f"{bare}?{urlencode(options, quote_via=quote)}")
    except (psycopg.ProgrammingError, UnicodeError):
        # libpq's own message repeats the URL.
        raise _unreadable() from None
    authority, _, path = bare.partition("://")[2].partition("/")
    port = str(params.get("port", ""))
    if authority.count("@") > 1 or "@" in path or not re.fullmatch(r"[\d,]*", port):
        raise _unreadable()  # libpq took a part of the password for the address, which is shown
    return {"connect_timeout": "10"} | {key: str(value) for key, value in params.items()}


def _unreadable() -> UsageError:
    return UsageError("target", "the URL cannot be read", "percent-encode special characters in it")
