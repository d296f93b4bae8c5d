"""Target URLs: what Prisma adds is translated, what cannot be served is refused, nothing leaks."""

from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migsafe import target
from migsafe.errors import ExitCode, UsageError, redacted


def refusal(url: str) -> str:
    with pytest.raises(UsageError) as caught:
        target.parse(url)
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "params"),
    [
        (
            "postgresql://u:p%40ss%2F@h:6543/d%20b",
            {"user": "u", "password": "p@ss/", "host": "h", "port": "6543", "dbname": "d b"},
        ),
        ("postgres://h/d", {"host": "h", "dbname": "d"}),
        ("postgresql://[::1]:5432/d", {"host": "::1", "port": "5432", "dbname": "d"}),
        ("postgresql://a:1,b:2/d", {"host": "a,b", "port": "1,2", "dbname": "d"}),
        (
            "postgresql://ignored:5433/d?host=/run/postgresql",
            {"host": "/run/postgresql", "port": "5433", "dbname": "d"},
        ),
        ("postgresql://u@h/d?password=a%26b", {"user": "u", "password": "a&b", "host": "h"}),
        ("postgresql://h/d?sslmode=require", {"sslmode": "require"}),
        ("postgresql://h/d?sslmode=verify-full", {"sslmode": "verify-full"}),
        ("postgresql://h/d?sslaccept=strict", {"sslmode": "verify-full"}),
        ("postgresql://h/d?sslmode=require&sslaccept=strict", {"sslmode": "verify-full"}),
        ("postgresql://h/d?sslmode=require&sslaccept=accept_invalid_certs", {"sslmode": "require"}),
        (
            "postgresql://h/d?sslaccept=strict&sslcert=/ca.pem",
            {"sslmode": "verify-full", "sslrootcert": "/ca.pem", "sslcert": None},
        ),
        (
            "postgresql://h/d?sslcert=c.pem&sslkey=k.pem&sslaccept=strict",
            {"sslcert": "c.pem", "sslkey": "k.pem", "sslrootcert": None},
        ),
        ("postgresql://h/d?sslcert=c.pem", {"sslcert": "c.pem", "sslrootcert": None}),
        ("postgresql://h/d", {"connect_timeout": "10"}),
        ("postgresql://h/d?connect_timeout=3", {"connect_timeout": "3"}),
        (
            "postgresql://h/d?options=-c%20a.b%3D1&application_name=x%2By&channel_binding=require",
            {"options": "-c a.b=1", "application_name": "x+y", "channel_binding": "require"},
        ),
        ("postgresql://h/d?pgbouncer=false", {"pgbouncer": None}),
    ],
)
def test_a_url_becomes_what_libpq_takes(url: str, params: dict[str, str | None]) -> None:
    found = target.parse(url).params
    assert {key: found.get(key) for key in params} == params


@pytest.mark.parametrize(
    "name",
    [
        "connection_limit",
        "pool_timeout",
        "statement_cache_size",
        "max_connection_lifetime",
        "max_idle_connection_lifetime",
        "single_use_connections",
        "socket_timeout",
    ],
)
def test_what_concerns_prismas_own_pool_is_dropped(name: str) -> None:
    found = target.parse(f"postgresql://h/d?{name}=1&sslmode=disable").params
    assert dict(found) == {
        "connect_timeout": "10",
        "host": "h",
        "dbname": "d",
        "sslmode": "disable",
    }


@pytest.mark.parametrize(
    ("url", "schema"),
    [
        ("postgresql://h/d", None),
        ("postgresql://h/d?schema=", None),
        ("postgresql://h/d?schema=app", "app"),
        ("postgresql://h/d?sslmode=disable&schema=My%20%22Sch%C3%A9ma%22", 'My "Schéma"'),
    ],
)
def test_prismas_schema_is_kept_beside_the_parameters(url: str, schema: str | None) -> None:
    found = target.parse(url)
    assert found.schema == schema
    assert "schema" not in found.params


@pytest.mark.parametrize(
    ("url", "place", "said"),
    [
        ("prisma://accelerate.prisma-data.net/?api_key=hunter2", "prisma://…", "proxy"),
        ("prisma+postgres://localhost:51213/?api_key=hunter2", "prisma+postgres://…", "proxy"),
        ("postgresql://u:hunter2@h/d?pgbouncer=true", "pgbouncer=true", "direct address"),
        ("postgresql://h/d?sslidentity=c.p12", "target: ?sslidentity=", "sslkey"),
        ("postgresql://h/d?sslpassword=hunter2", "target: ?sslpassword=", "sslkey"),
    ],
)
def test_what_has_no_equal_is_refused_by_name(url: str, place: str, said: str) -> None:
    message = refusal(url)
    assert message.startswith(place)
    assert said in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("parameter", "hint"),
    [
        ("conect_timeout", "did you mean connect_timeout?"),
        ("sslmod", "did you mean sslmode?"),
        ("conection_limit", "did you mean connection_limit?"),
        ("zzzz", "remove it"),
    ],
)
def test_an_unknown_parameter_is_refused_with_the_nearest(parameter: str, hint: str) -> None:
    message = refusal(f"postgresql://u:hunter2@h/d?{parameter}=9")
    assert message == f"target: ?{parameter}=: unknown URL parameter; {hint}"


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:hunter2@h/d",
        "postgresql+psycopg://u:hunter2@h/d",
        "jdbc:postgresql://h/d?user=u&password=hunter2",
        "host=h password=hunter2",
        "hunter2",
    ],
)
def test_another_scheme_is_refused_without_a_word_of_the_url(url: str) -> None:
    message = refusal(url)
    assert "begin it with postgresql://" in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hunter2%zz@h/d",
        "postgresql://u:hunter2%a1@h/d",
        "postgresql://u:hunter2\udcff@h/d",
        "postgresql://u:hunter2@h/d?application_name=\udcff",
        "postgresql://u:hunter2@[::1/d",
        "postgresql://u:a hunter2@h/d",
        "postgresql://u:a?hunter2@h/d",
        "postgresql://u:a?hunter2=b@h/d",
        "postgresql://u:a?hunter2&b@h/d",
        "postgresql://u:a@hunter2@h/d",
        "postgresql://u:a/hunter2@h/d",
        "postgresql://u:hunter2/d",
        "postgresql://u:hunter2",
    ],
)
def test_a_url_that_cannot_be_read_is_not_repeated(url: str) -> None:
    message = refusal(url)
    assert "percent-encode special characters" in message
    assert "hunter2" not in message
    assert url not in message


@given(password=st.text("ab1?&=/@:#[]% ;'\"\\é", min_size=1))
def test_no_part_of_a_password_is_shown_as_the_address(password: str) -> None:
    url = f"postgresql://user:{password}PASSWORD@db.example/clinic"
    try:
        shown = target.parse(url).place
    except UsageError as error:
        shown = str(error)
    assert "PASSWORD" not in shown


def test_a_target_never_shows_its_password() -> None:
    found = target.parse("postgresql://me:hunter%202@db.example:5433/clinic")
    assert "hunter" not in repr(found)
    assert found.place == "db.example:5433/clinic"
    assert redacted("the server said hunter 2") == "the server said ***"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql:///clinic", "local socket/clinic"),
        ("postgresql:///clinic?service=prod", "prod/clinic"),
        ("postgresql://h", "h/"),
    ],
)
def test_a_place_says_where_without_who(url: str, place: str) -> None:
    assert target.parse(url).place == place


def test_no_url_at_all_says_how_to_give_one(tmp_path: Path) -> None:
    for url in (None, ""):
        with pytest.raises(
            UsageError, match=r"^target: no database is named; set DATABASE_URL"
        ) as caught:
            target.resolve(url, name="url", root=tmp_path)
        assert caught.value.exit_code is ExitCode.USAGE


def test_a_blank_is_no_url_and_stays_in_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLINIC_URL", " ")
    for url, said in ((" ", "no database is named"), ("env:CLINIC_URL", "the variable is not set")):
        with pytest.raises(UsageError, match=said):
            target.resolve(url, name="url", root=tmp_path)
    assert "the URL is not a PostgreSQL one" in refusal(" ")
    assert redacted("a b") == "a b"


def test_an_encoding_of_the_url_is_dropped_as_every_session_is_utf_8() -> None:
    assert "client_encoding" not in target.parse("postgresql://h/d?client_encoding=LATIN1").params


@pytest.mark.parametrize(
    "error", [psycopg.ProgrammingError("bad value for connect_timeout"), UnicodeError("too long")]
)
def test_what_the_driver_cannot_read_of_a_url_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(target.Session, "connect", refuse)
    with pytest.raises(UsageError, match=f"^h/d: the URL cannot be used: {error}; correct it$"):
        target.connect(target.parse("postgresql://h/d"))


def test_a_url_is_read_from_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLINIC_URL", "postgresql://h/d?schema=app")
    found = target.resolve("env:CLINIC_URL", name="production", root=tmp_path)
    assert (found.name, found.place, found.schema) == ("production", "h/d", "app")


def test_a_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^env:CLINIC_URL: the variable is not set; export"):
        target.resolve("env:CLINIC_URL", name="production", root=tmp_path)


def test_a_url_is_read_from_the_first_line_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("\npostgresql://h/d\nsomething else\n", "utf-8")
    found = target.resolve("file:url", name="production", root=tmp_path)
    assert found.place == "h/d"


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "cannot be read"), (b"\xff", "cannot be read"), (b" \n", "is empty")],
)
def test_a_file_without_a_url_is_refused(
    tmp_path: Path, content: bytes | None, problem: str
) -> None:
    if content is not None:
        (tmp_path / "url").write_bytes(content)
    with pytest.raises(UsageError) as caught:
        target.resolve("file:url", name="production", root=tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'url'}: the file with the URL {problem}")


def test_a_url_in_a_variable_or_file_is_not_repeated_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLINIC_URL", "mysql://u:hunter2@h/d")
    (tmp_path / "url").write_text("mysql://u:hunter2@h/d", "utf-8")
    for url in ("env:CLINIC_URL", "file:url"):
        with pytest.raises(UsageError) as caught:
            target.resolve(url, name="production", root=tmp_path)
        assert "hunter2" not in str(caught.value)
