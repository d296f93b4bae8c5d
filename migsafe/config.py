"""`migsafe.toml` and the flags that go over it, as one `Settings`. Opens no connection."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from msgspec import Struct, field, structs

from migsafe.errors import UsageError, nearest

FILE = "migsafe.toml"
Kind = Literal["auto", "prisma", "alembic", "sql"]
Gate = Literal["error", "warning", "info", "never"]
Table = TypeVar("Table")


class HistoryConfig(Struct, frozen=True, kw_only=True):
    """Where the migrations are, and what cannot be found out by looking."""

    path: str | None = None
    kind: Kind = "auto"
    config: str | None = None
    python: str | None = None
    name: str | None = None
    x: tuple[str, ...] = ()
    options: dict[str, str] = field(default_factory=dict)
    connection: str | None = None
    database: str | None = None
    version_table: str | None = None
    models: bool = True
    through: str | None = None
    layout: str | None = None
    schemas: tuple[str, ...] = ()


class AuditsConfig(Struct, frozen=True, kw_only=True):
    """Where the audits are, and how those that are derived from SQL are asked."""

    path: str | None = None
    budget: str | None = None
    show_keys: bool | tuple[str, ...] | None = None


class ShadowConfig(Struct, frozen=True, kw_only=True):
    """The throw-away server, and what its environment has before the first migration."""

    server: str = "auto"
    prelude: tuple[str, ...] = ()
    search_path: str | None = None
    placeholders: dict[str, str] = field(default_factory=dict)


class GateConfig(Struct, frozen=True, kw_only=True):
    """The severity at which findings stop a run."""

    severity: Gate = "error"


class LintConfig(Struct, frozen=True, kw_only=True):
    """Which hazard rules are asked, and what the files alone do not say.

    `timeouts` are settings that another runner, or the role, gives to every migration.
    """

    on: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    pg_version: int | None = None
    transaction: Literal["auto", "yes", "no"] = "auto"
    timeouts: dict[str, str] = field(default_factory=dict)


class EnvConfig(Struct, frozen=True, kw_only=True):
    """One named target."""

    url: str
    snapshot: Literal["rds", "pg_dump", "none"] | None = None
    lock_timeout: str = "5s"
    statement_timeout: str = "1h"
    attempts: int = 10
    region: str | None = None
    profile: str | None = None
    account: str | None = None
    db_instance: str | None = None
    db_cluster: str | None = None
    snapshot_timeout: str = "4h"
    snapshot_keep: str = "30d"
    snapshot_folder: str | None = None
    temporary_access: bool = False
    security_group: str | None = None
    source_cidr: str | None = None
    address_services: tuple[str, ...] = ()


class Config(Struct, frozen=True, kw_only=True):
    """The whole file, as written."""

    history: HistoryConfig = HistoryConfig()
    audits: AuditsConfig = AuditsConfig()
    shadow: ShadowConfig = ShadowConfig()
    gate: GateConfig = GateConfig()
    lint: LintConfig = LintConfig()
    env: dict[str, EnvConfig] = field(default_factory=dict)


class Options(Struct, frozen=True, kw_only=True):
    """What the command line said; None where it said nothing."""

    config: Path | None = None
    env: str | None = None
    url: str | None = None
    migrations: Path | None = None
    history: Kind | None = None
    audits: Path | None = None
    gate: Gate | None = None
    shadow: str | None = None


class Asking(Struct, frozen=True, kw_only=True):
    """What the command line said of the audits: where they are asked, and which."""

    derived: bool = True
    fast: bool = False
    replica: str | None = None
    show_sql: bool = False


class Settings(Struct, frozen=True, kw_only=True):
    """Flags over file over defaults. `url` may hold a password, so it is never printed."""

    root: Path
    history: HistoryConfig
    migrations: Path | None
    audits: Path | None
    gate: Gate
    name: str
    url: str | None
    env: EnvConfig
    shadow: ShadowConfig = ShadowConfig()
    lint: LintConfig = LintConfig()
    derived: AuditsConfig = AuditsConfig()

    def __repr__(self) -> str:
        """Return what may be printed of them."""
        return f"Settings(root={self.root!r}, name={self.name!r})"


def load(
    options: Options, *, account: str | None = None, snapshot_timeout: str | None = None
) -> Settings:
    """Read the config file, if there is one, and lay the flags over it, some commands' own too."""
    path = options.config or Path(FILE)
    if options.config and not path.is_file():
        raise UsageError(str(path), "there is no such config file", "check the path after --config")
    config = parse(path) if path.is_file() else Config()
    root = path.parent
    name, url, env = _target(options, config, path)
    kind = options.history or config.history.kind
    return Settings(
        root=root,
        history=structs.replace(config.history, kind=kind),
        migrations=options.migrations or _below(root, config.history.path),
        audits=_audits(options, config, root),
        gate=options.gate or config.gate.severity,
        name=name,
        url=url,
        env=_over(env, account=account, snapshot_timeout=snapshot_timeout),
        shadow=_checked(_shadow(options, config), path),
        lint=config.lint,
        derived=config.audits,
    )


def _over(env: EnvConfig, **flags: str | None) -> EnvConfig:
    if flags["snapshot_timeout"]:
        duration(flags["snapshot_timeout"], "--snapshot-timeout")
    given: dict[str, Any] = {key: value for key, value in flags.items() if value}
    return structs.replace(env, **given)


def parse(path: Path) -> Config:
    """Read one `migsafe.toml`; raise UsageError that names file, key and nearest key."""
    try:
        return parse_text(path.read_text("utf-8"), path)
    except UnicodeDecodeError:
        raise UsageError(str(path), "is not UTF-8", "save it as UTF-8") from None
    except OSError as error:
        raise UsageError(str(path), f"cannot be read: {error.strerror}", "check it") from None


def parse_text(text: str, path: Path) -> Config:
    """Read the text of a `migsafe.toml`; `path` is for messages."""
    import tomllib

    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(str(path), f"not valid TOML: {error}", "correct that line") from None
    except RecursionError:
        raise UsageError(str(path), "is nested too deeply", "correct it") from None
    _refuse_unknown(raw, Config, "", path)
    envs = raw.get("env")
    for name, table in envs.items() if isinstance(envs, dict) else ():
        _check(_converted(table, EnvConfig, f"env.{name}", path), f"{path}: env.{name}")
    config = _converted(raw, Config, "", path)
    if config.audits.budget is not None:
        size(config.audits.budget, f"{path}: audits.budget")
    if "" in config.shadow.placeholders:
        raise UsageError(
            f"{path}: shadow.placeholders", "the text to replace is empty", "write what to replace"
        )
    return config


_UNITS = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def size(text: str, place: str) -> int:
    """Return a size in bytes; raise UsageError where it is none."""
    match = re.fullmatch(r"(\d+)\s*(kB|MB|GB|TB)", text)
    if not match:
        raise UsageError(place, f"{text!r} is no size", "write it like 10GB")
    return int(match[1]) * _UNITS[match[2]]


_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def duration(text: str, place: str) -> float:
    """Return a duration of ours in seconds; raise UsageError where it is none."""
    match = re.fullmatch(r"(\d+)\s*(s|min|h|d)", text)
    if not match:
        raise UsageError(place, f"{text!r} is no duration", "write it like 4h, or 30d")
    return int(match[1]) * _SECONDS[match[2]]


def _converted(raw: Any, kind: type[Table], prefix: str, path: Path) -> Table:
    import msgspec

    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at `$")
        key = f"{prefix}{place.rstrip('`')}".lstrip(".")
        values = _values(kind, place.rstrip("`").strip(".").split("."))
        hint = f"write one of {', '.join(values)}" if values else "correct that value"
        raise UsageError(f"{path}: {key}", problem, hint) from None


def _values(kind: Any, keys: list[str]) -> tuple[str, ...]:
    """Return the words that a key takes, where it takes no others."""
    for key in keys:
        kind = get_type_hints(kind).get(key) if _is_table(kind) else None
    kinds = (kind, *get_args(kind))
    return next((get_args(one) for one in kinds if get_origin(one) is Literal), ())


def _is_table(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


#: A setting of PostgreSQL is an int of milliseconds.
_LONGEST = 2**31 - 1
_MILLISECONDS = {None: 1, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000}


def _check(env: EnvConfig, place: str) -> None:
    if not env.url:
        raise UsageError(f"{place}.url", "is empty", "write where the database is")
    for key in ("lock_timeout", "statement_timeout"):
        _check_limit(getattr(env, key), f"{place}.{key}")
    if env.attempts < 1:
        raise UsageError(f"{place}.attempts", f"{env.attempts} is below 1", "write 1 or more")
    duration(env.snapshot_timeout, f"{place}.snapshot_timeout")
    duration(env.snapshot_keep, f"{place}.snapshot_keep")
    if env.db_instance and env.db_cluster:
        problem = "names another database than db_instance"
        raise UsageError(f"{place}.db_cluster", problem, "keep one of the two")
    _check_aws(env, place)


def _check_limit(value: str, place: str) -> None:
    match = re.fullmatch(r"([0-9]{1,20})(ms|s|min|h)?", value)
    if not match:
        raise UsageError(place, f"{value!r} is no duration", "write it like 5s")
    if int(match[1]) * _MILLISECONDS[match[2]] > _LONGEST:
        problem = f"{value!r} is longer than PostgreSQL takes"
        raise UsageError(place, problem, "write at most 596h, or 0 for no limit")


def _check_aws(env: EnvConfig, place: str) -> None:
    if env.account and not re.fullmatch(r"\d{12}", env.account):
        raise UsageError(f"{place}.account", "is not 12 digits", "write the id of the account")
    if env.security_group and not re.fullmatch(r"sg-[0-9a-f]+", env.security_group):
        problem = f"{env.security_group!r} is no id of a security group"
        raise UsageError(f"{place}.security_group", problem, "write it like sg-0123456789abcdef0")
    if env.source_cidr:
        address(env.source_cidr, f"{place}.source_cidr")
    for url in env.address_services:
        if not re.match(r"https://[^/]|http://127\.0\.0\.1[:/]", url):
            problem = f"{url!r} is not https, and who answers in its place is let in"
            raise UsageError(f"{place}.address_services", problem, "write https://…")


def address(text: str, place: str) -> str:
    """Return one public address as a CIDR of its own; raise UsageError where it is anything else.

    A rule for more than one address lets strangers in, and one for a private address nobody.
    """
    import ipaddress

    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        network = None
    if network is None or network.num_addresses != 1:
        problem = f"{text!r} is not one address"
        raise UsageError(place, problem, "write it like 203.0.113.7/32, or with /128")
    if not network.is_global:
        problem = f"{text} is private or reserved, which is never seen across the internet"
        raise UsageError(place, problem, "write the address that the database would see")
    return str(network)


def _refuse_unknown(raw: Mapping[str, Any], kind: type, prefix: str, path: Path) -> None:
    known = {item.name: item for item in structs.fields(kind)}
    for key, value in raw.items():
        if key not in known:
            hint = nearest(key, known) or f"the keys there are {', '.join(known)}"
            raise UsageError(f"{path}: {prefix}{key}", "unknown key", hint)
        inner = known[key].type
        if isinstance(value, dict) and _is_table(inner):
            _refuse_unknown(value, inner, f"{prefix}{key}.", path)
        elif key == "env" and isinstance(value, dict):
            for name, table in value.items():
                if isinstance(table, dict):
                    _refuse_unknown(table, EnvConfig, f"env.{name}.", path)


def _target(options: Options, config: Config, path: Path) -> tuple[str, str | None, EnvConfig]:
    """Choose the target's name, URL and settings: --url, -e, environment, the only env, .env."""
    if options.env and options.env not in config.env:
        names = ", ".join(config.env) or f"none; write [env.{options.env}] with its url"
        hint = nearest(options.env, config.env) or f"the environments there are: {names}"
        raise UsageError(f"{path}: env.{options.env}", "no such environment", hint)
    name = options.env
    ambient = _from_environment(os.environ)
    if name is None and not options.url and not ambient and len(config.env) == 1:
        name = next(iter(config.env))
    env = config.env[name] if name else EnvConfig(url="")
    url = options.url or env.url or ambient or _dotenv(path.parent)
    return name or "url", url, env


def ambient(root: Path) -> str | None:
    """Return the URL that the environment or a `.env` file gives a project without being told."""
    return _from_environment(os.environ) or _dotenv(root)


def _from_environment(values: Mapping[str, str | None]) -> str | None:
    return values.get("MIGSAFE_URL") or values.get("DATABASE_URL")


def _dotenv(root: Path) -> str | None:
    """Return the URL of a `.env` file beside the config, or in `prisma/`, as Prisma reads them."""
    for file in (root / ".env", root / "prisma" / ".env"):
        if file.is_file():
            from dotenv import dotenv_values

            try:
                values = dotenv_values(file)
            except UnicodeDecodeError:
                raise UsageError(str(file), "is not UTF-8", "save it as UTF-8") from None
            except OSError as error:
                raise UsageError(
                    str(file), f"cannot be read: {error.strerror}", "check it"
                ) from None
            if url := _from_environment(values):
                return url
    return None


def _audits(options: Options, config: Config, root: Path) -> Path | None:
    """Return the audits' directory; the default `audits/` counts only when it is there."""
    named = options.audits or _below(root, config.audits.path)
    if named and not named.is_dir():
        raise UsageError(str(named), "there is no such directory of audits", "check the path")
    default = root / "audits"
    return named or (default if default.is_dir() else None)


def _shadow(options: Options, config: Config) -> ShadowConfig:
    """Lay --shadow over the file's server; `auto` is a URL where the file names one."""
    is_url = config.shadow.server not in ("auto", "embedded", "none")
    if options.shadow is None or (options.shadow == "auto" and is_url):
        return config.shadow
    return structs.replace(config.shadow, server=options.shadow)


def _checked(shadow: ShadowConfig, path: Path) -> ShadowConfig:
    """Return what is said of the shadow as it is, where there may be such a one.

    No command waits for the first replay with it: another one may use what is kept of the last.
    """
    servers = ("auto", "embedded", "none")
    url = shadow.server
    if url not in servers and "://" not in url and not url.startswith(("env:", "file:")):
        hint = nearest(url, servers) or f"write a URL or one of {', '.join(servers)}"
        raise UsageError("shadow", f"{url!r} is no server", hint)
    for name in shadow.prelude:
        # Path's own method raises where a directory above is shut.
        if not os.path.exists(path.parent / name):  # noqa: PTH110
            raise UsageError(
                f"{path}: shadow.prelude", f"there is no file {name}", "check the path"
            )
    return shadow


def _below(root: Path, path: str | None) -> Path | None:
    return root / path if path else None
