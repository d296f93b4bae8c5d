"""`migsafe.toml`, the flags over it, and the choices that flags and registries share."""

from pathlib import Path
from typing import get_args, get_type_hints

import click
import pytest

from migsafe import config, histories, reports, snapshots
from migsafe.cli.commands import cli
from migsafe.cli.output import FORMATS
from migsafe.config import (
    AuditsConfig,
    Config,
    EnvConfig,
    Gate,
    GateConfig,
    HistoryConfig,
    Kind,
    Options,
    ShadowConfig,
)
from migsafe.errors import UsageError
from migsafe.findings import Severity
from migsafe.histories import sql

#: The example of the contract, to the letter.
EXAMPLE = """\
[history]
path = "packages/database/prisma/migrations"   # kind found by looking; `kind = "prisma"` forces it
# kind = "alembic"; path = "migrations"; config = "alembic.ini"
# kind = "sql"; path = "db/migrations"

[audits]
path = "audits"

[shadow]
server = "auto"                            # auto | embedded | a URL | none
prelude = ["db/setup.sql"]                 # what the environment has before the first migration: roles, schemas, stubs
# search_path = '"$user", public, extensions'

[gate]
severity = "error"

[env.production]
url = "aws-secret:prod/db#DATABASE_URL"   # or postgresql://…, env:NAME, file:PATH, aws-ssm:/prod/db, rds-iam://user@host:5432/db
snapshot = "rds"                          # rds (instances and clusters) | pg_dump | none
lock_timeout = "5s"
attempts = 10
temporary_access = false
"""  # noqa: E501  # copied to the letter

PLACE = Path("migsafe.toml")


def written(folder: Path, text: str) -> Path:
    file = folder / "migsafe.toml"
    file.write_text(text, "utf-8")
    return file


def refusal(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        config.parse_text(text, PLACE)
    return str(caught.value)


def test_the_example_of_the_contract_is_read_to_the_letter() -> None:
    assert config.parse_text(EXAMPLE, PLACE) == Config(
        history=HistoryConfig(path="packages/database/prisma/migrations", kind="auto"),
        audits=AuditsConfig(path="audits"),
        shadow=ShadowConfig(server="auto", prelude=("db/setup.sql",)),
        gate=GateConfig(severity="error"),
        env={
            "production": EnvConfig(
                url="aws-secret:prod/db#DATABASE_URL",
                snapshot="rds",
                lock_timeout="5s",
                attempts=10,
                temporary_access=False,
            )
        },
    )


def test_what_the_example_has_in_comments_is_read_too() -> None:
    text = (
        '[history]\nkind = "alembic"\npath = "migrations"\nconfig = "alembic.ini"\n'
        """[shadow]\nsearch_path = '"$user", public, extensions'\n"""
    )
    parsed = config.parse_text(text, PLACE)
    assert parsed.history == HistoryConfig(kind="alembic", path="migrations", config="alembic.ini")
    assert parsed.shadow.search_path == '"$user", public, extensions'


def test_placeholders_are_a_table_of_literal_text() -> None:
    parsed = config.parse_text('[shadow.placeholders]\n"${app role}" = "app"', PLACE)
    assert parsed.shadow.placeholders == {"${app role}": "app"}
    message = refusal('[shadow.placeholders]\n"" = "app"')
    assert message.startswith("migsafe.toml: shadow.placeholders: the text to replace is empty; ")


@pytest.mark.parametrize(
    ("named", "flag", "server"),
    [
        ("auto", None, "auto"),
        ("embedded", None, "embedded"),
        ("embedded", "auto", "auto"),
        ("none", "auto", "auto"),
        ("postgresql://h/d", "auto", "postgresql://h/d"),
        ("postgresql://h/d", "none", "none"),
        ("auto", "env:SHADOW", "env:SHADOW"),
    ],
)
def test_the_shadow_flag_goes_over_the_file_but_auto_takes_its_url(
    tmp_path: Path, named: str, flag: str | None, server: str
) -> None:
    file = written(tmp_path, f'[shadow]\nserver = "{named}"\nprelude = ["a.sql"]')
    (tmp_path / "a.sql").touch()
    settings = config.load(Options(config=file, shadow=flag))
    assert settings.shadow == ShadowConfig(server=server, prelude=("a.sql",))
    assert "postgresql" not in repr(settings)


def test_an_empty_file_is_all_defaults() -> None:
    assert config.parse_text("", PLACE) == Config()


@pytest.mark.parametrize(
    ("text", "key", "hint"),
    [
        ("hist = {}", "hist", "did you mean history?"),
        ("[gates]\nseverity = 'error'", "gates", "did you mean gate?"),
        ("[gate]\nseverty = 'error'", "gate.severty", "did you mean severity?"),
        ("[history]\nPATH = 'x'", "history.PATH", "did you mean path?"),
        ("[shadow]\nurl2 = 'x'", "shadow.url2", "the keys there are server, prelude"),
        ("[env.prod]\nurl = 'x'\natmpts = 3", "env.prod.atmpts", "did you mean attempts?"),
        ("[env.prod]\nurls = 'x'", "env.prod.urls", "did you mean url?"),
        ("env = { 'köln x' = { lock = 1 } }", "env.köln x.lock", "did you mean"),
    ],
)
def test_an_unknown_key_is_refused_with_file_key_and_nearest_key(
    text: str, key: str, hint: str
) -> None:
    message = refusal(text)
    assert message.startswith(f"migsafe.toml: {key}: unknown key; ")
    assert hint in message


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        ("history = 'x'", "history", "Expected `object`, got `str`"),
        ("[history]\npath = 1", "history.path", "got `int`"),
        ("[history]\nkind = 'flyway'", "history.kind", "Invalid enum value 'flyway'"),
        ("[gate]\nseverity = 'fatal'", "gate.severity", "Invalid enum value 'fatal'"),
        ("[shadow]\nprelude = 'a.sql'", "shadow.prelude", "Expected `array`, got `str`"),
        ("[shadow]\nprelude = ['a', 2]", "shadow.prelude[1]", "Expected `str`, got `int`"),
        ("env = 3", "env", "Expected `object`, got `int`"),
        ("[env]\nprod = 'postgresql://h/d'", "env.prod", "Expected `object`, got `str`"),
        ("[env.prod]\nsnapshot = 'rds'", "env.prod", "missing required field `url`"),
        ("[env.prod]\nurl = ''", "env.prod.url", "is empty"),
        ("[env.a]\nurl = 'x'\n[env.b]\nurl = 'x'\nattempts = '3'", "env.b.attempts", "got `str`"),
        ("[env.prod]\nurl = 'x'\nattempts = 0", "env.prod.attempts", "0 is below 1"),
        ("[env.prod]\nurl = 'x'\nsnapshot = 'lvm'", "env.prod.snapshot", "'lvm'"),
        ("[env.prod]\nurl = 'x'\nlock_timeout = '5 s'", "env.prod.lock_timeout", "no duration"),
        ("[env.prod]\nurl = 'x'\nlock_timeout = 5", "env.prod.lock_timeout", "got `int`"),
        (
            "[env.prod]\nurl = 'x'\nlock_timeout = '99999999999999999s'",
            "env.prod.lock_timeout",
            "is longer than PostgreSQL takes; write at most 596h",
        ),
        ("[env.prod]\nurl = 'x'\nstatement_timeout = '597h'", "env.prod.statement_timeout", "596h"),
        ("[env.prod]\nurl = 'x'\naccount = '12'", "env.prod.account", "12 digits"),
        ("[env.prod]\nurl = 'x'\nsecurity_group = 'web'", "env.prod.security_group", "'web'"),
        ("[env.prod]\nurl = 'x'\nsource_cidr = '9.9.9.0/24'", "env.prod.source_cidr", "one addr"),
        ("[env.prod]\nurl = 'x'\nsource_cidr = '9.9.9'", "env.prod.source_cidr", "one address"),
        ("[env.prod]\nurl = 'x'\nsource_cidr = '10.0.0.1'", "env.prod.source_cidr", "private"),
        (
            "[env.prod]\nurl = 'x'\naddress_services = ['checkip']",
            "env.prod.address_services",
            "'checkip'",
        ),
    ],
)
def test_a_bad_value_is_refused_with_file_key_and_reason(text: str, key: str, problem: str) -> None:
    message = refusal(text)
    assert message.startswith(f"migsafe.toml: {key}: ")
    assert problem in message


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("[gate]\nseverity = 'fatal'", "error, warning, info, never"),
        ("[env.p]\nurl = 'x'\nsnapshot = 'dump'", "rds, pg_dump, none"),
    ],
)
def test_a_word_that_is_none_of_a_few_is_refused_with_them(text: str, values: str) -> None:
    with pytest.raises(UsageError, match=f"; write one of {values}$"):
        config.parse_text(text, Path("migsafe.toml"))


def test_a_file_that_is_no_toml_is_refused_with_its_line() -> None:
    message = refusal("[gate]\nseverity = \n")
    assert message.startswith("migsafe.toml: not valid TOML: ")
    assert "line 2" in message


def test_a_file_that_is_nested_beyond_reason_is_refused() -> None:
    assert refusal(f"a = {'[' * 2000}") == "migsafe.toml: is nested too deeply; correct it"


@pytest.mark.parametrize(
    ("text", "flag", "said"),
    [
        ('server = "foo"', None, "shadow: 'foo' is no server; write a URL or one of auto"),
        ('server = "autoo"', None, "shadow: 'autoo' is no server; did you mean auto?"),
        ("", "foo", "shadow: 'foo' is no server"),
        ('prelude = ["nope.sql"]', "none", "shadow.prelude: there is no file nope.sql; check the"),
    ],
)
def test_a_shadow_that_cannot_be_is_refused_by_every_command(
    tmp_path: Path, text: str, flag: str | None, said: str
) -> None:
    file = written(tmp_path, f"[shadow]\n{text}\n")
    with pytest.raises(UsageError) as caught:
        config.load(Options(config=file, shadow=flag))
    assert said in str(caught.value)


def test_an_env_file_that_is_not_utf_8_is_refused(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MIGSAFE_URL", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    (workdir / ".env").write_bytes(b"DATABASE_URL=\xff\n")
    with pytest.raises(UsageError, match=r"^\.env: is not UTF-8; save it as UTF-8$"):
        config.load(Options())


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "migsafe.toml"
    file.write_bytes(b"[history]\npath = '\xff'\n")
    with pytest.raises(UsageError, match="is not UTF-8"):
        config.parse(file)


def test_a_config_that_is_not_there_is_refused(workdir: Path) -> None:
    with pytest.raises(UsageError, match=r"^nowhere\.toml: there is no such config file; "):
        config.load(Options(config=Path("nowhere.toml")))


def test_without_a_config_the_flags_are_enough(workdir: Path) -> None:
    settings = config.load(Options(url="postgresql://h/d", migrations=Path("m")))
    assert (settings.url, settings.migrations, settings.audits) == (
        "postgresql://h/d",
        Path("m"),
        None,
    )
    assert (settings.gate, settings.env.lock_timeout, settings.env.attempts) == ("error", "5s", 10)


def test_the_config_of_the_current_directory_is_found(workdir: Path) -> None:
    written(workdir, '[gate]\nseverity = "warning"\n')
    assert config.load(Options()).gate == "warning"


def test_paths_of_the_config_are_below_its_own_directory(workdir: Path) -> None:
    (workdir / "db" / "checks").mkdir(parents=True)
    file = written(workdir / "db", '[history]\npath = "m"\n[audits]\npath = "checks"\n')
    settings = config.load(Options(config=file))
    assert settings.root == workdir / "db"
    assert settings.migrations == workdir / "db" / "m"
    assert settings.audits == workdir / "db" / "checks"


def test_flags_go_over_the_config(workdir: Path) -> None:
    (workdir / "mine").mkdir()
    written(workdir, '[history]\npath = "m"\nkind = "prisma"\n[gate]\nseverity = "info"\n')
    settings = config.load(
        Options(migrations=Path("n"), history="sql", gate="never", audits=Path("mine"))
    )
    assert settings.migrations == Path("n")
    assert (settings.history.kind, settings.gate) == ("sql", "never")
    assert settings.audits == Path("mine")


def test_audits_that_are_named_must_be_there(workdir: Path) -> None:
    with pytest.raises(UsageError, match="no such directory of audits"):
        config.load(Options(audits=Path("audits")))


def test_audits_that_are_not_named_are_found_by_their_usual_name(workdir: Path) -> None:
    (workdir / "audits").mkdir()
    assert config.load(Options()).audits == Path("audits")


#: Every way to name a target at once; a test takes the strongest away, one after the other.
ENVS = "[env.production]\nurl = 'of-env'\n"


@pytest.fixture
def every_way(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIGSAFE_URL", "of-migsafe-url")
    monkeypatch.setenv("DATABASE_URL", "of-database-url")
    (workdir / ".env").write_text("DATABASE_URL=of-dotenv\n", "utf-8")
    return written(workdir, ENVS)


def test_the_url_flag_goes_over_everything(every_way: Path) -> None:
    settings = config.load(Options(url="of-flag", env="production"))
    assert (settings.url, settings.name) == ("of-flag", "production")


def test_the_env_flag_goes_over_the_environment(every_way: Path) -> None:
    settings = config.load(Options(env="production"))
    assert (settings.url, settings.name) == ("of-env", "production")


def test_migsafe_url_goes_over_database_url(every_way: Path) -> None:
    settings = config.load(Options())
    assert (settings.url, settings.name) == ("of-migsafe-url", "url")


def test_database_url_goes_over_the_only_env(
    every_way: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MIGSAFE_URL")
    settings = config.load(Options())
    assert (settings.url, settings.name) == ("of-database-url", "url")


def test_the_only_env_goes_over_the_env_file(
    every_way: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MIGSAFE_URL")
    monkeypatch.setenv("DATABASE_URL", "")
    settings = config.load(Options())
    assert (settings.url, settings.name) == ("of-env", "production")


def test_of_several_envs_none_is_chosen_unasked(
    every_way: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MIGSAFE_URL")
    monkeypatch.delenv("DATABASE_URL")
    written(every_way.parent, f"{ENVS}[env.staging]\nurl = 'of-staging'\n")
    settings = config.load(Options())
    assert (settings.url, settings.name) == ("of-dotenv", "url")


def test_with_nothing_named_there_is_no_url(workdir: Path) -> None:
    assert config.load(Options()).url is None


def test_the_settings_of_an_env_come_with_its_url(workdir: Path) -> None:
    written(workdir, f"{ENVS}lock_timeout = '250ms'\nattempts = 3\nsnapshot = 'none'\n")
    env = config.load(Options(env="production")).env
    assert (env.lock_timeout, env.attempts, env.snapshot) == ("250ms", 3, "none")


@pytest.mark.parametrize(
    ("name", "hint"),
    [("prodution", "did you mean production?"), ("zzz", "environments there are: production")],
)
def test_an_env_that_is_not_there_is_refused_with_the_nearest(
    workdir: Path, name: str, hint: str
) -> None:
    written(workdir, ENVS)
    with pytest.raises(UsageError) as caught:
        config.load(Options(env=name))
    assert str(caught.value).startswith(f"migsafe.toml: env.{name}: no such environment; ")
    assert hint in str(caught.value)


def test_settings_never_show_their_url() -> None:
    settings = config.load(Options(url="postgresql://me:hunter2@h/d"))
    assert "hunter2" not in repr(settings)


# ---------------------------------------------------------------- choices and registries


def test_the_gates_are_the_severities_and_never() -> None:
    assert set(get_args(Gate)) == {*Severity, "never"}


def test_the_formats_are_the_renderers() -> None:
    assert tuple(reports.RENDERERS) == FORMATS


def test_the_kinds_are_what_a_directory_can_be_read_as(tmp_path: Path) -> None:
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").touch()
    (tmp_path / "migration_lock.toml").touch()
    (tmp_path / "1_a.sql").write_text("SELECT 1;")
    read_as = histories.readings(tmp_path)
    kinds = {"sql" if reading in sql.LAYOUTS else reading for reading in read_as}
    assert kinds | {"auto"} == set(get_args(Kind))


def test_every_snapshot_provider_may_be_configured() -> None:
    choices = get_args(get_args(get_type_hints(EnvConfig)["snapshot"])[0])
    assert set(snapshots.PROVIDERS) <= set(choices)


@pytest.mark.parametrize(
    ("flag", "choices"),
    [("history", get_args(Kind)), ("gate", get_args(Gate)), ("format", FORMATS)],
)
def test_a_flag_offers_exactly_what_is_registered(flag: str, choices: tuple[str, ...]) -> None:
    (found,) = [p.type for p in cli.commands["plan"].params if p.name == flag]
    assert isinstance(found, click.Choice)
    assert tuple(found.choices) == tuple(choices)
