"""One real PostgreSQL a session, one database a test.

The server is the embedded one, or the one of MIGSAFE_TEST_URL. Without a server the run aborts.
"""

import gc
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import msgspec
import psycopg
import pytest

from migsafe import cli, errors
from migsafe.reports import Report
from tests import drivers, roles, servers

for _name in list(os.environ):
    if _name in ("MIGSAFE_URL", "DATABASE_URL", "NO_COLOR") or _name.startswith("PG"):
        del os.environ[_name]
servers.live_in_memory()

# Each of the hundreds of processes that the tests start would compile all that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

_stack = ExitStack()


@dataclass(frozen=True, slots=True)
class Called:
    """What one call of the command line gave."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> Report:
        """The JSON report on stdout."""
        return msgspec.json.decode(self.out, type=Report)

    def __repr__(self) -> str:
        """Show what stopped a JSON report, which pytest would cut out of the middle."""
        try:
            stopping = [one for one in self.report.findings if one.severity == "error"]
        except msgspec.DecodeError:
            return f"Called({self.code}, out={self.out!r}, err={self.err!r})"
        shown = [f"{one.code} {one.migration}:{one.line} {one.message}" for one in stopping[:5]]
        return f"Called({self.code}, {shown}, {self.report.error}, err={self.err!r})"


def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the server; the controller of a parallel run leaves that to its workers."""
    options, is_worker = session.config.option, hasattr(session.config, "workerinput")
    if options.collectonly or (getattr(options, "numprocesses", None) and not is_worker):
        return
    _stack.enter_context(servers.initialized_once())
    try:
        url = os.environ.get("MIGSAFE_TEST_URL") or _stack.enter_context(servers.embedded())
        with psycopg.connect(url) as conn:
            version = conn.info.parameter_status("server_version")
        if "MIGSAFE_TEST_URL" not in os.environ:
            # The catalogs that a first session loads it leaves as a file, which copies then have.
            psycopg.connect(database_url(url, "template1")).close()
        _stack.enter_context(roles.made(url))
    except Exception as error:  # noqa: BLE001  # without a server nothing here means anything
        pytest.exit(f"no PostgreSQL to test on: {error}", returncode=3)
    session.config.stash[_URL] = url
    session.config.stash[_VERSION] = str(version)


#: Where tests wait and start processes; those that are not named come last, the short ones.
_LONG = ("faults", "packaging", "ci", "aws", "cli", "contract", "db")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the long ones begin, so that in the end there is a short one for whoever is free."""
    places = {name: number for number, name in enumerate(_LONG)}
    tests = str(Path(__file__).parent) + os.sep

    @cache
    def place(file: str) -> int:
        return places.get(file.removeprefix(tests).partition(os.sep)[0], len(_LONG))

    items.sort(key=lambda item: place(str(item.path)))


def pytest_collection_finish() -> None:
    """Keep the garbage collector from the thousands of tests, and let it come seldom."""
    gc.freeze()
    gc.set_threshold(100_000)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    # Last: after -x, pytest's own hook takes the session's fixtures down.
    _stack.close()


_URL = pytest.StashKey[str]()
_VERSION = pytest.StashKey[str]()


def pytest_report_header() -> str:
    return f"server: {'MIGSAFE_TEST_URL' if 'MIGSAFE_TEST_URL' in os.environ else 'embedded'}"


@pytest.fixture(autouse=True)
def _own_secrets() -> Iterator[None]:
    """Forget what the test concealed, so that it is not taken out of another test's text.

    Not by the test's own `monkeypatch`, which would then be undone after every other fixture.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(errors, "_secrets", set())
        yield


@pytest.fixture(scope="session", autouse=True)
def _forked_drivers() -> Iterator[None]:
    with drivers.forked():
        yield


@pytest.fixture(scope="session")
def server(pytestconfig: pytest.Config) -> str:
    """URL of the server's maintenance database."""
    return pytestconfig.stash[_URL]


@pytest.fixture(scope="session")
def server_major(pytestconfig: pytest.Config) -> int:
    return int(pytestconfig.stash[_VERSION].split(".")[0].split()[0])


def database_url(server: str, name: str) -> str:
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


@dataclass(slots=True)
class Databases:
    """Creates databases, and drops them some time after the test that they were for.

    PostgreSQL waits a tenth of a second in DROP DATABASE where a session is just about to end.
    """

    server: str
    admin: psycopg.Connection[tuple[object, ...]]
    spent: list[str] = field(default_factory=list)

    def create(self, template: str = "template1") -> str:
        """Create a database and return its name."""
        self.drop_spent()
        name = f"test_{uuid.uuid4().hex[:12]}"
        # Copying files takes two thirds of the time of the default strategy, which logs each page;
        # before 15 there is no other.
        how = " STRATEGY file_copy" if self.admin.info.server_version >= 150000 else ""
        copy = f'CREATE DATABASE "{name}" TEMPLATE "{template}"{how}{roles.OWNED}'
        self.admin.execute(copy.encode())
        roles.prepare(self.url(name))
        return name

    def url(self, name: str) -> str:
        return roles.owners(database_url(self.server, name))

    def drop_spent(self) -> None:
        """Drop what nobody needs any more; `create` does so too."""
        while self.spent:
            self.admin.execute(f'DROP DATABASE "{self.spent.pop()}" WITH (FORCE)'.encode())


@pytest.fixture(scope="session")
def databases(server: str) -> Iterator[Databases]:
    with psycopg.connect(server, autocommit=True) as admin:
        made = Databases(server, admin)
        yield made
        made.drop_spent()


@pytest.fixture
def make_database(databases: Databases) -> Iterator[Callable[..., str]]:
    """Return a function that creates a database, empty or from a template, and gives its URL."""
    names: list[str] = []

    def create(template: str = "template1") -> str:
        names.append(databases.create(template))
        return databases.url(names[-1])

    yield create
    databases.spent += names


@pytest.fixture
def database(make_database: Callable[[], str]) -> str:
    """URL of an empty database."""
    return make_database()


@pytest.fixture
def conn(database: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Autocommit session on `database`, beside migsafe's own."""
    with psycopg.connect(database, autocommit=True) as session:
        yield session


@pytest.fixture
def superuser(database: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Autocommit session on `database`, for what its owner may not set up."""
    with psycopg.connect(roles.superusers(database), autocommit=True) as session:
        yield session


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty directory that is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def migsafe(workdir: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Called]:
    """Run the command line in this process, in an empty directory."""

    def call(*arguments: object) -> Called:
        words = [str(argument) for argument in arguments]
        with roles.acting(words):
            capsys.readouterr()
            code = cli.run(words)
            out, err = capsys.readouterr()
        return Called(code, out, err)

    return call
