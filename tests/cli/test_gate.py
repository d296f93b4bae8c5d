"""The gate of an application: it starts where record and schema are right, and nowhere else."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from migsafe import config, ledger, pipeline
from migsafe.config import Options
from migsafe.errors import ExitCode
from migsafe.reports import Report
from tests.cli.conftest import NOWHERE, Migsafe, child, photograph
from tests.conftest import Called, database_url
from tests.contract.kinds import KINDS, Kind, Own, Prisma, Sample
from tests.faults import processes

Conn = psycopg.Connection[Any]
Done = subprocess.CompletedProcess[str]

NOTES = Sample(
    1,
    "notes",
    """CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE notes (id bigint PRIMARY KEY, "appointmentId" bigint NOT NULL, feels mood);""",
)
DRAFTS = Sample(2, "drafts", 'ALTER TABLE notes ALTER COLUMN "appointmentId" DROP NOT NULL;')
NEWER = Sample(3, "newer", "ALTER TABLE notes ADD COLUMN title text;")
ALONE = Sample(2, "index", "CREATE INDEX CONCURRENTLY by_appointment ON notes (nowhere);", True)

#: What the command of a gate says when it runs.
STARTED = "started\n"


@dataclass(frozen=True, slots=True)
class Checkout:
    """The migrations of one kind, a database, and an application behind a gate."""

    kind: Kind
    url: str
    folder: Path
    conn: Conn
    migsafe: Migsafe

    @property
    def where(self) -> tuple[str, ...]:
        return ("--url", self.url, "--migrations", str(self.folder))

    def write(self, *samples: Sample) -> None:
        self.kind.write(self.folder, *samples)

    def deploy(self, *samples: Sample) -> None:
        self.write(*samples)
        assert self.migsafe("apply", *self.where, "--gate", "never").code == ExitCode.OK

    def ahead_by(self, sample: Sample) -> None:
        """Let a newer release deploy one migration more."""
        self.deploy(sample)
        self.kind.remove(self.folder, sample)

    def record(self, sample: Sample) -> None:
        """Record a migration as applied by hand, as if it had run."""
        self.write(sample)
        called = self.migsafe(
            "resolve", *self.where, "--applied", self.kind.name(sample), "--force"
        )
        assert called.code == ExitCode.OK

    def run_elsewhere(self, deployer: Conn, sample: Sample) -> None:
        """Run and record a migration as another deployment does."""
        deployer.execute(sample.sql.encode())
        if self.kind.foreign:
            return self.kind.record(deployer, self.folder, sample)
        checksum = self.kind.checksum(self.kind.file(self.folder, sample))
        deployer.execute(
            "INSERT INTO migsafe.migrations (name, checksum) VALUES (%s, %s)",
            [self.kind.name(sample), checksum],
        )
        return None

    def verdict(self, *flags: str) -> Called:
        """Ask the gate without a command."""
        return self.migsafe("gate", *self.where, "--format", "json", *flags)

    def start(self, *flags: str, command: Sequence[str] = ("sh", "-c", "echo started")) -> Done:
        return run("gate", *self.where, *flags, "--", *command)

    def report(self, **asked: Any) -> Report:
        """Ask in this process, where a test can act whenever the gate says something."""
        options = Options(url=self.url, migrations=self.folder)
        return pipeline.gate(config.load(options), **asked)


def run(*arguments: str) -> Done:
    return processes.run(arguments, Path.cwd(), os.environ)


def run_afresh(*arguments: str, env: dict[str, str] | None = None, stdin: str = "") -> Done:
    """Run migsafe as a shell does, for what a process inherits."""
    return subprocess.run(
        child(*arguments), env=env, input=stdin, capture_output=True, text=True, timeout=60
    )


def codes(called: Called | Report) -> set[str]:
    """The codes of what stops the gate."""
    report = called.report if isinstance(called, Called) else called
    return {
        f.code
        for f in report.findings
        if (f.severity, f.status, f.suppressed) == ("error", "failed", None)
    }


def _checkout(kind: Kind, url: str, conn: Conn, migsafe: Migsafe, workdir: Path) -> Checkout:
    folder = workdir / "migrations"
    folder.mkdir()
    kind.install(conn)
    return Checkout(kind, url, folder, conn, migsafe)


@pytest.fixture(autouse=True)
def replays(workdir: Path, tmp_path_factory: pytest.TempPathFactory, server: str) -> None:
    """Replay in the server that runs anyway, once for all tests that ask the same."""
    (workdir / "migsafe.toml").write_text(f"[shadow]\nserver = {json.dumps(server)}\n")
    shared = tmp_path_factory.getbasetemp() / "replays-of-gates"
    shared.mkdir(exist_ok=True)
    (workdir / ".migsafe").mkdir()
    (workdir / ".migsafe" / "replays").symlink_to(shared)


@pytest.fixture(params=KINDS, ids=lambda kind: str(kind.id))
def checkout(
    request: pytest.FixtureRequest, database: str, conn: Conn, migsafe: Migsafe, workdir: Path
) -> Checkout:
    """An empty database where the tool has made its table, for every kind."""
    return _checkout(request.param, database, conn, migsafe, workdir)


@pytest.fixture(params=KINDS[:2], ids=lambda kind: str(kind.id))
def started(
    request: pytest.FixtureRequest, database: str, conn: Conn, migsafe: Migsafe, workdir: Path
) -> Checkout:
    """As `checkout`, for Prisma and for plain SQL: where processes are started."""
    return _checkout(request.param, database, conn, migsafe, workdir)


@pytest.fixture
def prisma(database: str, conn: Conn, migsafe: Migsafe, workdir: Path) -> Checkout:
    """A Prisma history of two migrations that are deployed."""
    made = _checkout(Prisma("prisma"), database, conn, migsafe, workdir)
    made.deploy(NOTES, DRAFTS)
    return made


def refused(done: Done, code: ExitCode, *said: str) -> None:
    """Check that the command did not start, and that stderr has the verdict and why."""
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert f"{code.name} (exit {int(code)})" in done.stderr
    for text in said:
        assert text in done.stderr


@contextmanager
def held(url: str, key: int) -> Iterator[Conn]:
    """Hold an advisory lock, as a deployment does."""
    with psycopg.connect(url, autocommit=True) as deployer:
        deployer.execute("SELECT pg_advisory_lock(%s)", [key])
        yield deployer


# ---------------------------------------------------------------- where it starts


def test_where_record_and_schema_are_right_the_command_starts_and_nothing_else_is_said(
    started: Checkout,
) -> None:
    started.deploy(NOTES, DRAFTS)
    before = photograph(started.url)

    done = started.start(command=("sh", "-c", "echo started; exit 37"))

    assert (done.returncode, done.stdout, done.stderr) == (37, STARTED, "")
    assert photograph(started.url) == before


def test_the_second_start_replays_nothing(started: Checkout, workdir: Path) -> None:
    started.deploy(NOTES, DRAFTS)
    kept = workdir / ".migsafe" / "replays"
    kept.unlink()
    first = started.start("-v", "--shadow", "embedded")
    assert first.stderr.count("replaying 2 migrations") == 1
    assert kept.is_dir()

    again = started.start("-v", "--shadow", "embedded")

    assert (again.returncode, again.stdout) == (0, STARTED)
    assert "replaying" not in again.stderr


def test_a_replay_that_was_kept_elsewhere_serves_in_another_directory(
    prisma: Checkout, workdir: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert prisma.migsafe("verify", *prisma.where).code == ExitCode.OK
    image = tmp_path_factory.mktemp("image")
    for name in ("migrations", ".migsafe/replays", "migsafe.toml"):
        (image / name).parent.mkdir(exist_ok=True)
        subprocess.run(["cp", "-rL", workdir / name, image / name], check=True)
    where = ("--url", prisma.url, "-c", str(image / "migsafe.toml"))
    done = run("gate", *where, "--migrations", str(image / "migrations"), "-v", "--", "echo")
    assert (done.returncode, done.stdout) == (0, "\n"), done.stderr
    assert "replaying" not in done.stderr


def test_the_verdict_without_a_command_is_a_report_like_any_other(checkout: Checkout) -> None:
    checkout.deploy(NOTES, DRAFTS)

    called = checkout.verdict()

    assert (called.code, codes(called)) == (ExitCode.OK, set())
    report = called.report
    assert report.command == "gate"
    assert report.history is not None
    assert report.history.applied == (checkout.kind.name(NOTES), checkout.kind.name(DRAFTS))
    assert report.verification is not None
    assert (report.verification.facts or 0) > 5
    shown = checkout.migsafe("gate", *checkout.where).out
    assert re.search(r"OK \(exit 0\): 2 migrations recorded, .* \d+ facts as expected", shown)


def test_with_v_the_verdict_is_on_stderr_and_stdout_is_the_commands_own(prisma: Checkout) -> None:
    done = prisma.start("-v")
    assert (done.returncode, done.stdout) == (0, STARTED)
    assert "OK (exit 0): 2 migrations recorded" in done.stderr


@pytest.mark.parametrize("flags", [(), ("-v",)])
def test_json_never_goes_to_the_stdout_of_a_command_that_starts(
    prisma: Checkout, workdir: Path, flags: tuple[str, ...]
) -> None:
    done = prisma.start("--format", "json", "-o", "json:gate.json", *flags)
    assert (done.returncode, done.stdout) == (0, STARTED)
    assert '"schema"' not in done.stderr
    assert json.loads((workdir / "gate.json").read_text())["exit_code"] == 0


def test_json_of_a_refusal_is_on_stdout(prisma: Checkout) -> None:
    prisma.write(NEWER)
    done = prisma.start("--format", "json")
    seen = json.loads(done.stdout)
    assert (done.returncode, seen["exit_code"], seen["ok"]) == (1, 1, False)
    assert seen["history"]["pending"] == [prisma.kind.name(NEWER)]


# ---------------------------------------------------------------- the command itself


def test_the_command_is_the_same_process(prisma: Checkout) -> None:
    command = child("gate", *prisma.where, "--", "sh", "-c", "echo $$")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        out, _ = process.communicate(timeout=60)
    assert out == f"{process.pid}\n"


@pytest.mark.parametrize("locale", [{}, {"LC_CTYPE": "C"}, {"LC_ALL": "C.UTF-8"}])
def test_the_command_gets_the_environment_as_it_was(
    prisma: Checkout, locale: dict[str, str]
) -> None:
    paths = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    given = {**paths, **locale, "MIGSAFE_URL": prisma.url, "ODD": "two\nlines = 'é'"}

    done = run_afresh("gate", "--migrations", str(prisma.folder), "--", "env", "-0", env=given)

    assert done.returncode == 0, done.stderr
    assert dict(e.split("=", 1) for e in done.stdout.split("\0")[:-1]) == given


def test_the_command_reads_the_stdin_that_was_given(prisma: Checkout) -> None:
    done = run_afresh("gate", *prisma.where, "--", "cat", stdin="line 1\nline 2")
    assert (done.returncode, done.stdout) == (0, "line 1\nline 2")


STATUS = ("grep", "-E", "^Sig(Blk|Ign)|^Threads", "/proc/self/status")
FILES = ("sh", "-c", "ls /proc/$$/fd")
LIMITS = ("sh", "-c", "umask; pwd; ulimit -a")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc shows what a process inherits")
@pytest.mark.parametrize("command", [STATUS, FILES, LIMITS])
def test_the_command_inherits_what_it_would_without_a_gate(
    prisma: Checkout, command: tuple[str, ...]
) -> None:
    bare = subprocess.run(command, input="", capture_output=True, text=True, check=True)
    assert bare.stdout
    assert run_afresh("gate", *prisma.where, "--", *command).stdout == bare.stdout


def test_signals_go_to_the_command_once_it_runs(prisma: Checkout) -> None:
    script = "trap 'echo stopped; exit 7' TERM; echo started; while :; do sleep 0.05; done"
    command = child("gate", *prisma.where, "--", "sh", "-c", script)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == STARTED
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=60)[0] == "stopped\n"
    assert process.returncode == 7


@pytest.mark.parametrize("separator", [("--",), ()])
def test_the_arguments_of_the_command_are_its_own(
    prisma: Checkout, separator: tuple[str, ...]
) -> None:
    words = ("printf", "%s|", "-v", "--format", "nonsense", "--", "--help", "a b", "")
    done = run("gate", *prisma.where, *separator, *words)
    assert (done.returncode, done.stdout) == (0, "-v|--format|nonsense|--|--help|a b||")


def test_a_command_that_is_not_there_is_refused_before_any_connection(
    checkout: Checkout, workdir: Path
) -> None:
    (workdir / "script").write_text("#!/bin/sh\n")
    for name in ("there-is-no-such-program", "./script", "./nowhere/app"):
        called = checkout.migsafe("gate", "--url", NOWHERE, "--", name, "argument")
        assert (called.code, called.out) == (ExitCode.USAGE, "")
        assert f"migsafe: USAGE: {name}: " in called.err


def test_a_command_that_the_system_cannot_run_is_refused(prisma: Checkout, workdir: Path) -> None:
    (workdir / "app").write_text("no program\n")
    (workdir / "app").chmod(0o755)
    done = prisma.start("-o", "json:gate.json", command=("./app",))
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert "migsafe: USAGE: ./app: cannot be started" in done.stderr
    assert json.loads((workdir / "gate.json").read_text())["exit_code"] == 2


@pytest.mark.parametrize("wait", ["soon", "-1s", "1 s"])
def test_a_wait_that_is_no_duration_is_refused_before_any_connection(
    prisma: Checkout, wait: str
) -> None:
    called = prisma.migsafe("gate", "--url", NOWHERE, f"--wait={wait}")
    assert called.code == ExitCode.USAGE
    assert "--wait" in called.err


# ---------------------------------------------------------------- where it does not start


def test_a_schema_that_is_behind_does_not_start_it(started: Checkout) -> None:
    started.deploy(NOTES)
    started.write(DRAFTS)
    refused(started.start(), ExitCode.FINDINGS, "MV111", "schema-behind", "lacks")
    refused(started.start("--gate", "never", "--allow-ahead"), ExitCode.FINDINGS, "MV111")
    assert "replaying" not in started.start("-v").stderr


def test_an_empty_database_is_behind(started: Checkout) -> None:
    started.write(NOTES)
    refused(started.start("--shadow", "none"), ExitCode.FINDINGS, "MV111", "migsafe apply")


def test_a_schema_that_is_ahead_does_not_start_it(started: Checkout) -> None:
    started.deploy(NOTES, DRAFTS)
    started.ahead_by(NEWER)
    missing = started.kind.missing(NEWER)
    for flags in ((), ("--gate", "never"), ("--shadow", "none")):
        done = started.start(*flags)
        refused(done, ExitCode.FINDINGS, "MV112", "schema-ahead", "--allow-ahead")
        assert missing in re.sub(r"\s+", "", done.stderr)
        assert "MV111" not in done.stderr


def test_behind_and_ahead_are_two_verdicts(checkout: Checkout) -> None:
    if checkout.kind.id == "golang-migrate":
        pytest.skip("its one version stands for every file below it")
    checkout.deploy(NOTES)
    checkout.ahead_by(NEWER)
    checkout.write(DRAFTS)
    assert codes(checkout.verdict()) >= {"MV111", "MV112"}
    assert codes(checkout.verdict("--allow-ahead")) >= {"MV111"}
    assert checkout.verdict("--allow-ahead").code == ExitCode.FINDINGS


def test_a_record_without_the_migration_itself_does_not_start_it(started: Checkout) -> None:
    started.deploy(NOTES)
    started.record(DRAFTS)
    assert started.migsafe("status", *started.where).code == ExitCode.OK
    done = started.start()
    refused(done, ExitCode.FINDINGS, "MV106", "expected yes", "migsafe verify")


def test_a_record_with_an_invented_checksum_does_not_start_it(prisma: Checkout) -> None:
    prisma.write(NEWER)
    prisma.conn.execute(
        """INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name)
           VALUES ('manual-fix', 'abc123', now(), %s)""",
        [prisma.kind.name(NEWER)],
    )
    refused(prisma.start(), ExitCode.FINDINGS, "MH113", "MV106", "title")
    refused(prisma.start("--gate", "never", "--shadow", "none"), ExitCode.FINDINGS, "MV113")


DRIFTS = [
    'ALTER TABLE notes ALTER COLUMN "appointmentId" SET NOT NULL',
    "DROP TABLE notes CASCADE",
    "ALTER TABLE notes DROP COLUMN feels",
    "ALTER TABLE notes ADD COLUMN by_hand text NOT NULL",
]


@pytest.mark.parametrize("drift", DRIFTS)
def test_a_schema_that_was_changed_by_hand_does_not_start_it(started: Checkout, drift: str) -> None:
    started.deploy(NOTES, DRAFTS)
    started.conn.execute(drift.encode())
    called = started.verdict()
    assert (called.code, codes(called)) == (ExitCode.FINDINGS, {"MV106"})


def test_a_difference_below_the_gate_is_said_and_starts_it(prisma: Checkout) -> None:
    prisma.conn.execute("CREATE INDEX extra ON notes (feels)")
    done = prisma.start()
    assert (done.returncode, done.stdout) == (0, STARTED)
    assert done.stderr == "migsafe: warnings that do not stop it: 1 (migsafe verify shows them)\n"
    assert prisma.start("-q").stderr == ""
    refused(prisma.start("--gate", "warning"), ExitCode.FINDINGS, "MV106")


def test_an_expectation_that_does_not_hold_does_not_start_it(
    prisma: Checkout, workdir: Path
) -> None:
    (workdir / "audits").mkdir()
    (workdir / "audits" / "expectations.toml").write_text(
        "[[column]]\ntable = 'notes'\ncolumn = 'appointmentId'\nnullable = false\n"
    )
    for flags in ((), ("--shadow", "none")):
        called = prisma.verdict(*flags)
        assert (called.code, codes(called)) == (ExitCode.FINDINGS, {"MV101"})


@pytest.mark.parametrize("shadow", ["auto", "none"])
def test_an_edited_file_does_not_start_it_where_the_schema_does_not_prove_it_harmless(
    checkout: Checkout, shadow: str
) -> None:
    if checkout.kind.edited is None:
        pytest.skip("its record has no checksum")
    checkout.deploy(NOTES, DRAFTS)
    file = checkout.kind.file(checkout.folder, DRAFTS)
    file.write_text(file.read_text() + "UPDATE notes SET feels = NULL;\n")

    called = checkout.verdict("--shadow", shadow)

    expected = {"MH106"} if checkout.kind.edited == "error" else set()
    expected |= {"MV113"} if shadow == "none" else set()
    assert codes(called) == expected
    assert called.code == (ExitCode.FINDINGS if expected else ExitCode.OK)


def test_an_edit_that_changes_the_schema_does_not_start_it(started: Checkout) -> None:
    started.deploy(NOTES, DRAFTS)
    file = started.kind.file(started.folder, NOTES)
    file.write_text(file.read_text().replace("feels mood", "feels text"))
    called = started.verdict()
    assert called.code == ExitCode.FINDINGS
    assert "MV106" in codes(called)


def test_a_failed_migration_does_not_start_it(checkout: Checkout) -> None:
    if not checkout.kind.can_fail:
        pytest.skip("its table cannot hold a failed migration")
    checkout.deploy(NOTES)
    checkout.write(DRAFTS)
    checkout.kind.fail(checkout.conn, checkout.folder, DRAFTS)
    called = checkout.verdict("--allow-ahead", "--gate", "never")
    assert (called.code, codes(called)) == (ExitCode.UNMANAGED, {"MH102"})


def test_a_failed_row_of_prisma_says_so_on_stderr(prisma: Checkout) -> None:
    prisma.write(NEWER)
    prisma.kind.fail(prisma.conn, prisma.folder, NEWER)
    refused(prisma.start(), ExitCode.UNMANAGED, "MH102", "migsafe baseline")


@pytest.mark.parametrize("kind", [Prisma("prisma"), Own("numbered", KINDS[1])], ids=lambda k: k.id)
def test_a_schema_without_a_record_does_not_start_it(
    database: str, conn: Conn, migsafe: Migsafe, workdir: Path, kind: Kind
) -> None:
    checkout = _checkout(kind, database, conn, migsafe, workdir)
    checkout.write(NOTES, DRAFTS)
    conn.execute(f"{NOTES.sql}{DRAFTS.sql}".encode())
    for flags in ((), ("--shadow", "none"), ("--gate", "never"), ("--wait", "30s")):
        refused(checkout.start(*flags), ExitCode.UNMANAGED, "MH101", "migsafe baseline")


def test_a_migration_that_stopped_midway_does_not_start_it(started: Checkout) -> None:
    started.deploy(NOTES)
    started.write(Sample(2, "half", f"CREATE TABLE half ();\n{ALONE.sql}", alone=True))
    apply = started.migsafe("apply", *started.where, "--gate", "never", "--no-derived")
    assert apply.code == ExitCode.DIRTY
    for flags in ((), ("--gate", "never", "--allow-ahead")):
        refused(started.start(*flags), ExitCode.DIRTY, "MH104")


@pytest.mark.parametrize("files", [{}, {"migration_lock.toml": 'provider = "postgresql"\n'}])
def test_a_checkout_without_migrations_does_not_start_it(
    prisma: Checkout, workdir: Path, files: dict[str, str]
) -> None:
    empty = workdir / "empty"
    empty.mkdir()
    for name, text in files.items():
        (empty / name).write_text(text)
    for flags in ((), ("--allow-ahead",)):
        where = ("--url", NOWHERE, "--migrations", str(empty))
        done = run("gate", *where, *flags, "--", "echo", "started")
        assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
        assert f"migsafe: USAGE: {empty}: " in done.stderr


def test_a_gate_that_names_no_migrations_is_refused_before_any_connection(
    prisma: Checkout,
) -> None:
    called = prisma.migsafe("gate", "--url", NOWHERE)
    assert called.code == ExitCode.USAGE
    assert "no migrations are named" in called.err


def test_a_database_that_does_not_answer_does_not_start_it(prisma: Checkout) -> None:
    where = ("--url", NOWHERE, "--migrations", str(prisma.folder))
    done = run("gate", *where, "--", "echo", "started")
    assert (done.returncode, done.stdout) == (ExitCode.UNREACHABLE, "")
    assert "migsafe: UNREACHABLE: 127.0.0.1:1/nothing: " in done.stderr


# ---------------------------------------------------------------- evidence


def test_without_a_shadow_the_answer_is_unknown_and_does_not_start_it(started: Checkout) -> None:
    started.deploy(NOTES, DRAFTS)
    done = started.start("--shadow", NOWHERE, "--gate", "never")
    refused(done, ExitCode.UNREACHABLE, "MV113", "is not known", "--shadow none")


def test_a_known_difference_goes_before_one_that_is_not_known(
    prisma: Checkout, workdir: Path
) -> None:
    (workdir / "audits").mkdir()
    (workdir / "audits" / "expectations.toml").write_text(
        "[[column]]\ntable = 'notes'\ncolumn = 'gone'\nnullable = false\n"
    )
    called = prisma.verdict("--shadow", NOWHERE)
    assert (called.code, codes(called)) == (ExitCode.FINDINGS, {"MV103", "MV113"})


def test_with_shadow_none_the_record_is_believed_and_that_is_said(checkout: Checkout) -> None:
    checkout.deploy(NOTES, DRAFTS)
    checkout.conn.execute(DRIFTS[0].encode())

    done = checkout.start("--shadow", "none")

    assert (done.returncode, done.stdout) == (0, STARTED)
    assert done.stderr.startswith("migsafe: --shadow none: the record was believed")
    report = checkout.verdict("--shadow", "none").report
    assert (report.verification, len(report.notes)) == (None, 1)


def test_a_history_that_does_not_replay_does_not_start_it(prisma: Checkout) -> None:
    prisma.conn.execute("CREATE TABLE made_elsewhere (id int)")
    prisma.deploy(Sample(3, "relies", "ALTER TABLE made_elsewhere ADD COLUMN body text;"))
    refused(prisma.start("--gate", "never"), ExitCode.FINDINGS, "MH117", "prelude")


def test_a_history_without_a_trace_in_the_schema_does_not_start_it(
    database: str, conn: Conn, migsafe: Migsafe, workdir: Path
) -> None:
    checkout = _checkout(KINDS[1], database, conn, migsafe, workdir)
    checkout.deploy(Sample(1, "nothing", "SELECT 1;"))
    conn.execute("CREATE TABLE of_somebody_else (id int)")
    called = checkout.verdict("--gate", "never")
    assert (called.code, codes(called)) == (ExitCode.FINDINGS, {"MV104"})
    assert checkout.verdict("--shadow", "none").code == ExitCode.OK


def test_a_role_that_may_only_read_the_records_is_enough(
    prisma: Checkout, make_role: Callable[..., tuple[str, str]]
) -> None:
    name, url = make_role()
    for grant in (
        "USAGE ON SCHEMA migsafe",
        "SELECT ON migsafe.receipts",
        "SELECT ON _prisma_migrations",
    ):
        statement = sql.SQL("GRANT {} TO {}").format(sql.SQL(grant), sql.Identifier(name))
        prisma.conn.execute(statement)
    done = run("gate", "--url", url, "--migrations", str(prisma.folder), "--", "echo", "started")
    assert (done.returncode, done.stdout, done.stderr) == (0, STARTED, "")


# ---------------------------------------------------------------- a newer release


def test_an_older_release_starts_on_a_schema_with_additions_where_that_is_allowed(
    checkout: Checkout,
) -> None:
    checkout.deploy(NOTES, DRAFTS)
    checkout.ahead_by(NEWER)

    done = checkout.start("--allow-ahead")

    assert (done.returncode, done.stdout) == (0, STARTED), done.stderr
    first = done.stderr.splitlines()[0]
    assert first.startswith("migsafe: --allow-ahead: ")
    assert checkout.kind.missing(NEWER) in first


NEWER_ONES = [
    ("ALTER TYPE mood ADD VALUE 'fair' BEFORE 'bad';", True),
    ("CREATE TABLE tags (id bigint PRIMARY KEY, note bigint REFERENCES notes (id));", True),
    ("ALTER TABLE notes ADD COLUMN rank int NOT NULL DEFAULT 0;", True),
    ("ALTER TABLE notes ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY;", True),
    ("ALTER TABLE notes ALTER COLUMN feels SET DEFAULT 'good';", True),
    ("CREATE INDEX by_mood ON notes (feels);", True),
    ("ALTER TABLE notes ADD COLUMN rank int NOT NULL;", False),
    ("ALTER TABLE notes DROP COLUMN feels;", False),
    ('ALTER TABLE notes RENAME COLUMN "appointmentId" TO appointment_id;', False),
    ('ALTER TABLE notes ALTER COLUMN "appointmentId" SET NOT NULL;', False),
    ("ALTER TABLE notes ALTER COLUMN feels TYPE text;", False),
    ("DROP TABLE notes;", False),
    ("ALTER TABLE notes ENABLE ROW LEVEL SECURITY;", False),
]


@pytest.mark.parametrize(("change", "starts"), NEWER_ONES)
def test_an_older_release_starts_only_where_the_newer_one_took_nothing_away(
    prisma: Checkout, change: str, starts: bool
) -> None:
    prisma.ahead_by(Sample(3, "newer", change))
    called = prisma.verdict("--allow-ahead")
    assert called.code == (ExitCode.OK if starts else ExitCode.FINDINGS), called.out
    assert codes(called) == (set() if starts else {"MV106"})
    assert [f.remedy for f in called.report.findings if "DROP" in str(f.remedy)] == []


def test_an_older_release_starts_where_a_column_became_nullable(
    database: str, conn: Conn, migsafe: Migsafe, workdir: Path
) -> None:
    checkout = _checkout(Prisma("prisma"), database, conn, migsafe, workdir)
    checkout.deploy(NOTES)
    checkout.ahead_by(DRAFTS)
    assert checkout.verdict("--allow-ahead").code == ExitCode.OK


def test_squashed_migrations_are_ahead_and_allowed(prisma: Checkout) -> None:
    squashed = Sample(0, "squashed", f"{NOTES.sql}\n{DRAFTS.sql}")
    prisma.kind.remove(prisma.folder, NOTES)
    prisma.kind.remove(prisma.folder, DRAFTS)
    prisma.record(squashed)
    assert codes(prisma.verdict()) == {"MV112"}
    allowed = prisma.verdict("--allow-ahead")
    assert allowed.code == ExitCode.OK
    assert allowed.report.verification is not None
    assert allowed.report.verification.differences == ()


def test_what_was_never_ahead_is_held_as_strictly_with_allow_ahead(prisma: Checkout) -> None:
    prisma.conn.execute("ALTER TABLE notes ADD COLUMN by_hand text")
    called = prisma.verdict("--allow-ahead")
    assert (called.code, codes(called)) == (ExitCode.FINDINGS, {"MV106"})


# ---------------------------------------------------------------- while another deployer works


def test_while_another_deployment_runs_it_does_not_start(checkout: Checkout) -> None:
    checkout.deploy(NOTES, DRAFTS)
    for key in (ledger.LOCK, ledger.RUNNING, *checkout.kind.locks(checkout.conn)):
        with held(checkout.url, key) as deployer:
            called = checkout.verdict()
            assert (called.code, codes(called)) == (ExitCode.BUSY, {"MH103"})
            assert f"process {deployer.info.backend_pid})" in called.out
        assert checkout.verdict().code == ExitCode.OK


def test_a_busy_target_says_so_on_stderr(started: Checkout) -> None:
    started.deploy(NOTES)
    started.write(DRAFTS)
    with held(started.url, ledger.LOCK):
        for flags in ((), ("--gate", "never"), ("--allow-ahead",), ("--wait", "1s")):
            refused(started.start(*flags), ExitCode.BUSY, "MH103", "--wait")


def test_what_looks_failed_while_a_deployment_runs_is_busy(prisma: Checkout) -> None:
    prisma.write(NEWER)
    prisma.kind.fail(prisma.conn, prisma.folder, NEWER)
    with held(prisma.url, *prisma.kind.locks(prisma.conn)):
        called = prisma.verdict("--allow-ahead")
        assert (called.code, codes(called)) == (ExitCode.BUSY, {"MH103"})


def test_an_older_release_starts_while_a_newer_one_is_deployed_where_that_is_allowed(
    prisma: Checkout,
) -> None:
    with held(prisma.url, *prisma.kind.locks(prisma.conn)):
        done = prisma.start("--allow-ahead")
        assert (done.returncode, done.stdout) == (0, STARTED), done.stderr
        assert "--allow-ahead: a deployment is running now" in done.stderr
        prisma.conn.execute(DRIFTS[0].encode())
        refused(prisma.start("--allow-ahead"), ExitCode.FINDINGS, "MV106")


def test_it_waits_for_the_deployment_and_starts_when_that_one_has_done_its_work(
    checkout: Checkout,
) -> None:
    checkout.deploy(NOTES)
    checkout.write(DRAFTS)
    said: list[str] = []
    with held(checkout.url, ledger.LOCK) as deployer:

        def deploy(message: str) -> None:
            said.append(message)
            checkout.run_elsewhere(deployer, DRAFTS)
            deployer.execute("SELECT pg_advisory_unlock_all()")

        report = checkout.report(wait=60.0, say=deploy)
    assert (report.exit_code, codes(report)) == (ExitCode.OK, set())
    assert len(said) == 1
    assert re.match(r"Waited \d+ s: a deployment is running now", report.notes[0])


@contextmanager
def running(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Run migsafe as a process of its own, which is killed where a test fails before its end."""
    pipe = subprocess.PIPE
    with subprocess.Popen(child(*arguments), text=True, stdout=pipe, stderr=pipe) as process:
        try:
            yield process
        finally:
            process.kill()


def test_every_container_starts_once_a_real_deployment_has_ended(started: Checkout) -> None:
    started.deploy(NOTES)
    started.write(Sample(2, "slow", f"SELECT pg_advisory_xact_lock(1); {DRAFTS.sql}"))
    gate = ("gate", *started.where, "--wait", "1min", "--", "sh", "-c", "echo started")
    with ExitStack() as stack:
        with held(started.url, 1):
            apply = ("apply", *started.where, "--gate", "never")
            deployer = stack.enter_context(running(*apply))
            queued = "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
            while not started.conn.execute(queued).fetchone():
                assert deployer.poll() is None
                time.sleep(0.05)
            containers = [stack.enter_context(running(*gate)) for _ in range(3)]
            for container in containers:
                assert container.stderr is not None
                assert "waiting: a deployment" in container.stderr.readline()
            refused(started.start(), ExitCode.BUSY, "MH103")
        said = [container.communicate(timeout=60) for container in containers]
        _, err = deployer.communicate(timeout=60)
    assert deployer.returncode == ExitCode.OK, err
    assert [out for out, _ in said] == [STARTED] * 3
    assert {container.returncode for container in containers} == {0}


def test_it_waits_for_the_deployment_and_does_not_start_when_that_one_has_failed(
    checkout: Checkout,
) -> None:
    checkout.deploy(NOTES)
    checkout.write(DRAFTS)
    with held(checkout.url, ledger.LOCK) as deployer:
        report = checkout.report(wait=60.0, say=lambda _: deployer.close())
    assert (report.exit_code, codes(report)) == (ExitCode.FINDINGS, {"MV111"})


def test_it_waits_until_the_time_is_over(prisma: Checkout) -> None:
    said: list[str] = []
    with held(prisma.url, ledger.LOCK):
        report = prisma.report(wait=1.5, say=said.append)
    assert (report.exit_code, codes(report)) == (ExitCode.BUSY, {"MH103"})
    assert len(said) == 1
    assert re.match(r"Waited \d+ s: ", report.notes[0])


def test_what_is_behind_while_nobody_deploys_is_not_waited_for(prisma: Checkout) -> None:
    prisma.write(NEWER)

    def never(message: str) -> None:
        raise AssertionError(message)

    assert codes(prisma.report(wait=60.0, say=never)) == {"MV111"}


def test_a_database_that_is_not_there_yet_is_waited_for(prisma: Checkout, server: str) -> None:
    name = f"later_{uuid.uuid4().hex[:12]}"
    later = Checkout(
        prisma.kind, database_url(server, name), prisma.folder, prisma.conn, prisma.migsafe
    )
    source = sql.Identifier(prisma.conn.info.dbname)
    prisma.conn.close()
    said: list[str] = []
    with psycopg.connect(server, autocommit=True) as admin:

        def create(message: str) -> None:
            said.append(message)
            admin.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), source)
            )

        try:
            report = later.report(wait=60.0, say=create)
        finally:
            admin.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )
    assert (report.exit_code, codes(report)) == (ExitCode.OK, set())
    assert len(said) == 1
    assert name in said[0]


def test_a_database_that_never_answers_is_unreachable_when_the_time_is_over(
    prisma: Checkout,
) -> None:
    where = ("--url", NOWHERE, "--migrations", str(prisma.folder))
    done = run("gate", *where, "--wait", "1s", "--", "echo", "started")
    assert (done.returncode, done.stdout) == (ExitCode.UNREACHABLE, "")
    waiting, line = done.stderr.splitlines()
    assert waiting.startswith("migsafe: waiting: 127.0.0.1:1/nothing: ")
    assert line.startswith("migsafe: UNREACHABLE: 127.0.0.1:1/nothing: ")


def test_a_signal_while_it_waits_starts_nothing(prisma: Checkout) -> None:
    gate = ("gate", *prisma.where, "--wait", "10m", "--", "echo", "started")
    with held(prisma.url, ledger.LOCK), running(*gate) as process:
        assert process.stderr is not None
        assert "waiting: " in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (ExitCode.INTERRUPTED, "")


def test_a_record_that_changes_while_the_schema_is_read_is_no_verdict(
    prisma: Checkout, workdir: Path
) -> None:
    (workdir / ".migsafe" / "replays").unlink()
    deployed: list[str] = []

    def deploy(message: str) -> None:
        if message.startswith("replaying") and not deployed:
            deployed.append(message)
            prisma.write(NEWER)
            prisma.run_elsewhere(prisma.conn, NEWER)
            prisma.kind.remove(prisma.folder, NEWER)

    once = prisma.report(notify=deploy)
    assert (once.exit_code, codes(once)) == (ExitCode.BUSY, {"MH103"})
    assert deployed
    assert codes(prisma.report()) == {"MV112"}
