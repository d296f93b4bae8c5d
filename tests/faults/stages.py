"""One deployment against another: a small history that says what ran, and how often."""

from dataclasses import dataclass
from pathlib import Path

from tests.faults import judge, others, processes
from tests.faults.judge import Connection
from tests.faults.processes import Ended, Process
from tests.faults.recovery import Person


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A folder of plain SQL, the database that it is for, and a session beside."""

    folder: Path
    database: str
    conn: Connection

    def write(self, **texts: str) -> None:
        """Write migrations, in this order."""
        (self.folder / "migrations").mkdir(exist_ok=True)
        for number, (name, text) in enumerate(texts.items(), start=1):
            (self.folder / "migrations" / f"000{number}_{name}.sql").write_text(text, "utf-8")

    def person(self, *, shadow: str = "none") -> Person:
        """Return somebody who calls migsafe in this process."""
        migrations = str(self.folder / "migrations")
        options = ("--migrations", migrations, "--shadow", shadow, "--url", self.database)
        return Person(folder=self.folder, options=options)

    def apply(self, *more: str) -> Ended:
        """Apply in this process."""
        return self.person().call("apply", "--gate", "never", *more)

    def begin(self, name: str, *more: str) -> Process:
        """Begin to apply in a process of its own; what it prints is kept apart by the name."""
        place = self.folder / name
        place.mkdir()
        call = ("apply", "--gate", "never", *self.person().options, "--format", "json", *more)
        return processes.start(call, place)

    def await_sleep(self, *, beside: int = 0) -> int:
        """Wait until a migration sleeps, beside that of another process; return its process."""
        others.until(lambda: self.conn.execute(_SLEEPERS, [beside]).fetchone())
        (pid,) = self.conn.execute(_SLEEPERS, [beside]).fetchone() or (0,)
        return int(pid)

    def await_rival(self) -> None:
        """Wait until somebody is kept out: its two sessions are idle, and hold nothing."""
        others.until(lambda: (self.conn.execute(_KEPT_OUT).fetchone() or (0,))[0] >= 2)

    def log(self) -> list[str]:
        """Return what the migrations have written, in order."""
        there = self.conn.execute("SELECT to_regclass('log')").fetchone()
        if there == (None,):
            return []
        return [str(line) for (line,) in self.conn.execute("SELECT line FROM log ORDER BY id")]

    def check(self, *applied: str) -> None:
        """Hold what is recorded against what was applied, each once."""
        names = [f"000{number}_{name}" for number, name in enumerate(applied, start=1)]
        accounts = judge.accounts(self.conn, "sql")
        assert accounts.open == set()
        assert accounts.wrong(names) == []
        assert self.log() == list(applied)


_SLEEPERS = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event = 'PgSleep' AND pid <> %s"""

_KEPT_OUT = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'migsafe' AND state = 'idle'
      AND pid NOT IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')"""

LOG = "CREATE TABLE log (id int GENERATED ALWAYS AS IDENTITY, line text);\n"


def line(name: str) -> str:
    """Write the statement by which a migration says that it ran."""
    return f"INSERT INTO log (line) VALUES ('{name}');\n"
