"""Every command, however it gets its password, however it ends: no secret is anywhere afterwards.

A command that is not in `CALLS` fails the first test, so that none is left out.
"""

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migsafe import errors, target
from migsafe.cli.commands import cli
from migsafe.cli.output import FORMATS
from migsafe.errors import ExitCode
from migsafe.histories import driver
from tests.cli import cluster
from tests.cli.canaries import ESCAPED, PASSWORD, ROW, contents, kept, leaks
from tests.cli.conftest import Files, Migsafe, login, prisma
from tests.cli.test_commands import below
from tests.conftest import Called
from tests.db import alembic_projects
from tests.faults import enough

Conn = psycopg.Connection[Any]
Lay = Callable[[Files], None]

FIRST, SECOND, THIRD = (
    f"2025010{number}000000_{name}" for number, name in enumerate(("first", "second", "third"), 1)
)
OK, FINDINGS, USAGE = ExitCode.OK, ExitCode.FINDINGS, ExitCode.USAGE

HISTORY = prisma(
    first="CREATE TABLE people (id int PRIMARY KEY, email text, phone text);\n",
    second="CREATE TABLE second (id int);\n",
    third="CREATE UNIQUE INDEX ON people (email);\n",  # its DETAIL quotes a row
)
AUDITS = {
    "audits/shown.sql": "-- key: id\nSELECT id, email FROM people ORDER BY id;\n",
    "audits/broken.sql": "SELECT email::int FROM people;\n",
    "audits/expectations.toml": (
        "[[column]]\ntable = 'people'\ncolumn = 'phone'\nnullable = false\n"
    ),
}

#: Each command with how it ends, in the order of one release; RUN is the last run of the ledger,
#: COPY the last snapshot. The first apply has been done by then.
CALLS: tuple[tuple[str, ExitCode], ...] = (
    ("init --migrations nowhere", USAGE),
    ("status", OK),
    ("lint", OK),
    ("audit", FINDINGS),
    ("plan", FINDINGS),
    ("snapshot create", OK),
    ("snapshot list", OK),
    ("baseline", OK),
    (f"resolve --applied {SECOND}", FINDINGS),
    (f"apply --gate never --to {SECOND}", OK),
    ("verify", FINDINGS),
    ("gate", FINDINGS),
    ("apply --gate never --no-derived --snapshot", ExitCode.FAILED),
    (f"resolve --rolled-back {THIRD}", USAGE),
    ("history", OK),
    ("history --verify", OK),
    ("report RUN", OK),
    ("restore COPY", OK),
    ("restore COPY --yes", OK),
    ("restore COPY --undo --yes", OK),
    ("snapshot prune --keep 1 --yes", OK),
    ("grants", OK),
    ("iam-policy plan --offline", OK),
    ("access sweep", ExitCode.UNREACHABLE),
    ("completion bash", OK),
)
#: What needs no connection, or none before there is a copy.
OFFLINE = {
    *("init", "lint", "grants", "iam-policy", "access sweep", "completion"),
    *("snapshot list", "restore"),
}
#: What takes no target: it plays on a server of its own, with rows and logins of its own.
WITHOUT_TARGET = {"demo"}
#: What has no flags about output.
PLAIN = ("completion",)


def _name(call: str) -> str:
    """Return the command of a call."""
    return max((name for name in below(cli) if f"{call} ".startswith(f"{name} ")), key=len)


def test_every_command_is_looked_at() -> None:
    assert {_name(call) for call, _ in CALLS} | WITHOUT_TARGET == set(below(cli))


@dataclass(slots=True)
class Watch:
    """Runs commands, and looks for canaries in all that they print, write, store and start."""

    migsafe: Migsafe
    workdir: Path
    temporary: Path
    conn: Conn
    started: list[str] = field(default_factory=list)

    def run(self, arguments: Sequence[str], name: str) -> Called:
        """Run one command with reports in every format, `name` the one on stdout."""
        files = [flag for each in FORMATS for flag in ("-o", f"{each}:report.{each}")]
        output = [] if arguments[0] in PLAIN else ["--debug", "-v", "--format", name, *files]
        called = self.migsafe(*arguments, *output)
        written = (*kept(self.workdir, self.conn), *contents(self.temporary))
        seen = [called.out, called.err, *self.started, *written]
        assert leaks(seen) == [], arguments
        return called

    def release(self, *where: str) -> Iterator[tuple[str, ExitCode, Called]]:
        """Run `CALLS`, each with another format on stdout."""
        for place, (call, code) in enumerate(CALLS):
            arguments = [self._known(word) for word in call.split()]
            target_of = () if _name(call) in (*PLAIN, "init") else where
            yield call, code, self.run([*arguments, *target_of], FORMATS[place % len(FORMATS)])

    def _known(self, word: str) -> str:
        if word == "RUN":
            query = "SELECT id FROM migsafe.runs ORDER BY started DESC LIMIT 1"
            made = self.conn.execute("SELECT to_regclass('migsafe.runs') IS NOT NULL").fetchone()
            row = self.conn.execute(query.encode()).fetchone() if made == (True,) else None
            return str(row[0]) if row else word
        if word == "COPY":
            manifests = sorted((self.workdir / ".migsafe" / "snapshots").glob("*.json"))
            return manifests[0].stem if manifests else word
        return word


@pytest.fixture
def watch(
    migsafe: Migsafe, workdir: Path, superuser: Conn, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Watch]:
    """Give a watch over this process: its files, and the command line of all that it starts."""
    with tempfile.TemporaryDirectory(prefix="watch-") as name:
        temporary = Path(name)
        temporary.chmod(0o711)
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield _watching(Watch(migsafe, workdir, temporary, superuser), monkeypatch)


def _watching(watching: Watch, monkeypatch: pytest.MonkeyPatch) -> Watch:
    begin = subprocess.Popen.__init__

    def noted(self: Any, args: Any, *more: Any, **flags: Any) -> None:
        watching.started.append("\0".join(map(str, [args] if isinstance(args, str) else args)))
        begin(self, args, *more, **flags)

    monkeypatch.setattr(subprocess.Popen, "__init__", noted)
    monkeypatch.setattr(errors, "_secrets", set())  # what another test taught this process
    return watching


def _by_flag(url: str, lay: Lay, env: pytest.MonkeyPatch) -> list[str]:
    return ["--url", url]


def _by_variable(url: str, lay: Lay, env: pytest.MonkeyPatch) -> list[str]:
    env.setenv("CANARY_URL", url)
    lay({"migsafe.toml": "[env.one]\nurl = 'env:CANARY_URL'\nattempts = 1\n"})
    return ["-e", "one"]


def _by_file(url: str, lay: Lay, env: pytest.MonkeyPatch) -> list[str]:
    lay({"secret.url": f"{url}\n", "migsafe.toml": "[env.one]\nurl = 'file:secret.url'\n"})
    return ["-e", "one"]


def _by_dotenv(url: str, lay: Lay, env: pytest.MonkeyPatch) -> list[str]:
    lay({".env": f"DATABASE_URL='{url}'\n"})
    return []


def _by_config(url: str, lay: Lay, env: pytest.MonkeyPatch) -> list[str]:
    lay({"migsafe.toml": f"[env.one]\nurl = '{url}'\n"})
    return ["-e", "one"]


def _by_libpq(url: str, lay: Lay, env: pytest.MonkeyPatch) -> list[str]:
    env.setenv("PGPASSWORD", PASSWORD)
    return ["--url", url.replace(f":{ESCAPED}@", "@")]


#: The ways to a password. Each lays out what it needs, and returns the flags that lead there.
WAYS: dict[str, Callable[[str, Lay, pytest.MonkeyPatch], list[str]]] = {
    "a flag": _by_flag,
    "env:": _by_variable,
    "file:": _by_file,
    ".env": _by_dotenv,
    "the config": _by_config,
    "PGPASSWORD": _by_libpq,
}


@pytest.fixture
def secret_url(database: str, make_role: Callable[..., tuple[str, str]]) -> str:
    """URL of a role whose password is a canary, and which may do all that a restore needs."""
    name, _ = make_role("SUPERUSER", password=PASSWORD)
    return login(database, name, ESCAPED)


@pytest.fixture(scope="session")
def asking() -> Iterator[cluster.Cluster]:
    """A server that asks for a password, and knows another one."""
    with cluster.standby(lambda _: None) as running:
        yield running


@pytest.mark.parametrize("way", enough(list(WAYS)))
def test_no_command_shows_a_password_or_a_row(
    watch: Watch, lay: Lay, secret_url: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay({**HISTORY, **AUDITS})
    where = [*WAYS[way](secret_url, lay, monkeypatch), "--migrations", "prisma"]
    assert watch.run(["apply", "--to", FIRST, "--gate", "never", *where], "text").code == OK
    rows = f"INSERT INTO people VALUES (1, '{ROW}', '5'), (2, '{ROW}', NULL)"
    watch.conn.execute(rows.encode())

    ended = [(call, code, called) for call, code, called in watch.release(*where)]

    wrong = [
        f"{call}: {one.code} {one.err[-300:]}" for call, code, one in ended if one.code != code
    ]
    assert not wrong, "\n".join(wrong)
    for program in ("pg_dump", "pg_restore"):
        assert any(program in line for line in watch.started), watch.started


@pytest.mark.parametrize("way", ["a flag", "env:", "PGPASSWORD"])
def test_no_bug_shows_a_password_or_a_row(
    watch: Watch, lay: Lay, secret_url: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver that fails in a way that nobody foresaw, and repeats all that it was given."""
    lay({**HISTORY, **AUDITS})
    where = [*WAYS[way](secret_url, lay, monkeypatch), "--migrations", "prisma"]
    dialled = target.Session.connect

    def fails(**params: Any) -> None:
        conn = dialled(**params)
        try:
            conn.execute(f"SELECT '{ROW}'::int".encode())
        finally:
            conn.close()
            raise RuntimeError(f"{params}, {secret_url}, {PASSWORD}")

    monkeypatch.setattr(target.Session, "connect", fails)

    ended = {_name(call): called.code for call, _, called in watch.release(*where)}

    assert {name for name, code in ended.items() if code != ExitCode.BUG} <= OFFLINE
    assert "in fails" in next(watch.temporary.glob("migsafe-*.log")).read_text()


@pytest.mark.parametrize("way", enough(list(WAYS)))
def test_no_refused_login_shows_a_password(
    watch: Watch, lay: Lay, asking: cluster.Cluster, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's own words for it reach the screen."""
    lay({**HISTORY, **AUDITS})
    url = login(asking.url, "admin", ESCAPED)
    where = [*WAYS[way](url, lay, monkeypatch), "--migrations", "prisma"]

    ended = {_name(call): called.code for call, _, called in watch.release(*where)}

    refused = {name for name, code in ended.items() if code == ExitCode.UNREACHABLE}
    assert refused | OFFLINE == ended.keys()


@pytest.mark.parametrize("way", ["env:"])
def test_alembics_own_process_is_told_no_password_on_its_command_line(
    watch: Watch, lay: Lay, secret_url: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "subprocess", subprocess)  # drivers are started, not forked
    columns = 'sa.Column("id", sa.Integer), sa.Column("email", sa.Text)'
    one = alembic_projects.revision("a1", f'op.create_table("people", {columns})', None)
    two = alembic_projects.revision(
        "a2", 'op.create_index("i", "people", ["email"], unique=True)', "a1"
    )
    alembic_projects.write(watch.workdir, {"a1": one, "a2": two})
    where = [*WAYS[way](secret_url, lay, monkeypatch), "--migrations", "migrations"]
    assert watch.run(["apply", "--to", "a1", "--gate", "never", *where], "json").code == OK
    watch.conn.execute(f"INSERT INTO people VALUES (1, '{ROW}'), (2, '{ROW}')".encode())

    for call in ("status", "audit", "plan", "verify", "baseline", "history"):
        watch.run([call, *where], "text")
    failed = watch.run(["apply", "--gate", "never", "--no-derived", *where], "json")

    assert failed.code == ExitCode.FAILED
    assert any("alembic_driver.py" in line for line in watch.started)
