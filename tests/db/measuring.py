"""What one statement does to the relations that were there before it, read from a real server.

It runs in a transaction that is rolled back. What refuses a transaction runs for good, and is
stopped by sessions that hold what it waits for, so that its locks can be seen.
"""

import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
from psycopg import errors, sql

CLINIC = Path(__file__).parents[1] / "cases" / "clinic.sql"

Connection = psycopg.Connection[tuple[object, ...]]

#: The modes in the manual's order (Explicit Locking), which is close to their strength.
MODES = (
    "ACCESS SHARE",
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)

_SPELLED = {f"{mode.title().replace(' ', '')}Lock": mode for mode in MODES}

#: What stops a statement that runs outside of transactions, one wait after another: another
#: maintenance command, writers, and readers of partitioned tables and of others.
_HELD = (
    ("SHARE UPDATE EXCLUSIVE", "rp"),
    ("ROW EXCLUSIVE", "rp"),
    ("ACCESS SHARE", "p"),
    ("ACCESS SHARE", "r"),
)

#: Kinds of relations whose sequential scans are told apart from other reading.
_READ = "rmp"

#: The server tells what it does; and no index spares a query a scan, which rows and statistics
#: would decide otherwise.
_SETTINGS = {
    "client_min_messages": "debug1",
    "enable_indexscan": "off",
    "enable_indexonlyscan": "off",
    "enable_bitmapscan": "off",
}

_RELATIONS = """
    SELECT c.oid, format('%s.%s', n.nspname, c.relname), c.relkind::text,
           pg_relation_filenode(c.oid), coalesce(pg_stat_get_xact_numscans(c.oid), 0),
           coalesce(tn.nspname || '.' || t.relname, '')
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_index i ON i.indexrelid = c.oid
      LEFT JOIN pg_class t ON t.oid = i.indrelid
      LEFT JOIN pg_namespace tn ON tn.oid = t.relnamespace
     WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""

_LOCKS = """
    SELECT relation, mode FROM pg_locks
     WHERE locktype = 'relation' AND pid = %s
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@dataclass(frozen=True, slots=True)
class Relation:
    """A row of pg_class; `table` is that of an index, `scans` what this session began there."""

    name: str
    kind: str
    filenode: int | None
    scans: int
    table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What happened to relations that were there; where it failed, `sqlstate` alone is filled.

    `locks` and `index_locks` have the strongest mode by qualified name. `rewritten` got a new file;
    `built` are tables that got an index, or one anew, without that; `scanned` was read from end to
    end for another reason, and is not known of what runs outside of transactions. `undone` says
    that the database is as it was.
    """

    locks: Mapping[str, str]
    index_locks: Mapping[str, str]
    rewritten: frozenset[str] = frozenset()
    scanned: frozenset[str] = frozenset()
    built: frozenset[str] = frozenset()
    notices: tuple[str, ...] = ()
    sqlstate: str | None = None
    undone: bool = True

    @property
    def proven(self) -> bool:
        """Whether the server said that a constraint spares it a scan."""
        return any("sufficient to prove" in one or "is implied by" in one for one in self.notices)

    @property
    def validates_foreign_key(self) -> bool:
        return any(one.startswith("validating foreign key") for one in self.notices)


@dataclass(slots=True)
class Clinics:
    """Sessions on databases made from the clinic; one that is as it was is taken again."""

    server: str
    template: str
    admin: Connection
    conn: Connection | None = None
    names: list[str] = field(default_factory=list)

    def clean(self) -> Connection:
        """Return an autocommit session on a clinic that nobody has changed."""
        if self.conn is None or self.conn.closed:
            self.drop()
            self.names.append(f"clinic_{uuid.uuid4().hex[:12]}")
            # Copying files takes two thirds of what the default does since PostgreSQL 15 has both.
            how = " STRATEGY file_copy" if self.admin.info.server_version >= 150000 else ""
            create = f"CREATE DATABASE {{}} TEMPLATE {{}}{how}"
            self.admin.execute(_named(create, self.names[-1], self.template))
            where = psycopg.conninfo.make_conninfo(self.server, dbname=self.names[-1])
            self.conn = psycopg.connect(where, autocommit=True)
        return self.conn

    def spoilt(self) -> None:
        """Give the last session up; its database is dropped when another one is made."""
        if self.conn is not None:
            self.conn.close()
        self.conn = None

    def drop(self) -> None:
        """Drop the databases that were given up."""
        while self.names:
            drop(self.admin, self.names.pop())

    def measure(self, statement: str, before: str = "") -> Effect:
        """Return the effect of a statement on a clean clinic where `before` was run."""
        conn = self.clean()
        if before:
            conn.execute(before.encode())
        effect = measure(conn, statement)
        if before or not effect.undone:
            self.spoilt()
        return effect


@contextmanager
def clinics(server: str, template: str) -> Iterator[Clinics]:
    """Yield databases made from `template`, and drop what is left of them afterwards."""
    with psycopg.connect(server, autocommit=True) as admin:
        made = Clinics(server, template, admin)
        try:
            yield made
        finally:
            made.spoilt()
            made.drop()


def fill(admin: Connection, name: str) -> None:
    """Create a database that holds the clinic."""
    admin.execute(_named("CREATE DATABASE {}", name))
    where = psycopg.conninfo.make_conninfo(admin.info.dsn, dbname=name)
    with psycopg.connect(where, autocommit=True) as conn:
        conn.execute(CLINIC.read_bytes())


def drop(admin: Connection, name: str) -> None:
    """Drop a database; WITH (FORCE) came with PostgreSQL 13."""
    admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
    )
    for _ in range(500):
        with suppress(errors.ObjectInUse):
            admin.execute(_named("DROP DATABASE IF EXISTS {}", name))
            return
        time.sleep(0.01)


def _named(text: str, *names: str) -> sql.Composed:
    return sql.SQL(text).format(*map(sql.Identifier, names))


def measure(conn: Connection, statement: str) -> Effect:
    """Run a statement on an autocommit session and return its effect; all but the effect is undone.

    Nothing is undone of a statement that cannot run in a transaction.
    """
    conn.execute("; ".join(f"SET {name} = {value}" for name, value in _SETTINGS.items()).encode())
    notices: list[str] = []

    def keep(diagnostic: errors.Diagnostic) -> None:
        notices.append(diagnostic.message_primary or "")

    conn.add_notice_handler(keep)
    try:
        return _measured(conn, statement, notices)
    except errors.ActiveSqlTransaction:
        return _observed(conn, statement, notices)
    except psycopg.Error as error:
        return Effect(locks={}, index_locks={}, sqlstate=error.sqlstate)
    finally:
        conn.remove_notice_handler(keep)
        conn.execute("; ".join(f"RESET {name}" for name in _SETTINGS).encode())


def _measured(conn: Connection, statement: str, notices: list[str]) -> Effect:
    with conn.transaction(force_rollback=True):
        before = _relations(conn)
        notices.clear()
        conn.execute(statement.encode())
        told = tuple(notices)
        locks = conn.execute(_LOCKS, (conn.info.backend_pid,)).fetchall()
        after = _relations(conn)
        conn.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what COMMIT would find
    return _effect(before, after, locks, told)


def _relations(conn: Connection) -> dict[int, Relation]:
    return {int(str(oid)): Relation(*rest) for oid, *rest in conn.execute(_RELATIONS)}  # type: ignore[arg-type]


def _effect(
    before: Mapping[int, Relation],
    after: Mapping[int, Relation],
    locks: Iterable[tuple[object, ...]],
    notices: tuple[str, ...],
) -> Effect:
    held = _strongest(before, locks)
    kept = [(before[oid], now) for oid, now in after.items() if oid in before and not now.table]
    rewritten = {old.name for old, now in kept if old.filenode != now.filenode}
    built = _built(before, after)
    expected = Counter(rewritten) + built  # a scan for each of these
    scans = {old.name: now.scans - old.scans for old, now in kept if now.kind in _READ}
    return Effect(
        locks={old.name: mode for old, mode in held if not old.table},
        index_locks={old.name: mode for old, mode in held if old.table},
        rewritten=frozenset(rewritten),
        scanned=frozenset(name for name, count in scans.items() if count > expected[name]),
        built=frozenset(built.keys() - rewritten),
        notices=notices,
    )


def _strongest(
    before: Mapping[int, Relation], locks: Iterable[tuple[object, ...]]
) -> list[tuple[Relation, str]]:
    strongest: dict[int, str] = {}
    for found, spelled in locks:
        oid, mode = int(str(found)), _SPELLED[str(spelled)]
        strongest[oid] = max(mode, strongest.get(oid, mode), key=MODES.index)
    return [(before[oid], mode) for oid, mode in strongest.items() if oid in before]


def _built(before: Mapping[int, Relation], after: Mapping[int, Relation]) -> Counter[str]:
    """Count the indexes in a new file by table; one that is made again may keep its old file."""
    files = {old.filenode for old in before.values()} | {None, 0}
    tables = {old.name for old in before.values()}
    return Counter(
        now.table for now in after.values() if now.filenode not in files and now.table in tables
    )


def _observed(conn: Connection, statement: str, notices: list[str]) -> Effect:
    """Run it on a thread of its own, let it wait once for each holder, and look at what it has."""
    before = _relations(conn)
    notices.clear()
    failures: list[psycopg.Error] = []

    def run() -> None:
        try:
            conn.execute(statement.encode())
        except psycopg.Error as error:
            failures.append(error)

    with ExitStack() as stack:
        observer = stack.enter_context(psycopg.connect(_dsn(conn), autocommit=True))
        holders = {one.info.backend_pid: one for one in _holders(stack, conn)}
        thread = threading.Thread(target=run)
        thread.start()
        locks = _watch(observer, conn.info.backend_pid, holders, thread)
        thread.join()
    if failures:
        return Effect(locks={}, index_locks={}, sqlstate=failures[0].sqlstate, undone=False)
    known = _effect(before, _relations(conn), locks, tuple(notices))
    return replace(known, scanned=frozenset(), undone=False)


def _dsn(conn: Connection) -> str:
    return psycopg.conninfo.make_conninfo(conn.info.dsn, password=conn.info.password or None)


def _holders(stack: ExitStack, conn: Connection) -> Iterator[Connection]:
    """Open sessions that hold each of `_HELD`, and one with no more than an old snapshot."""
    relations = _relations(conn).values()
    for mode, kinds in (*_HELD, ("", "")):
        holder = stack.enter_context(psycopg.connect(_dsn(conn)))
        holder.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        holder.execute("SELECT 1")
        if names := [old.name.split(".", 1) for old in relations if old.kind in kinds]:
            tables = sql.SQL(", ").join(sql.Identifier(*parts) for parts in names)
            command = sql.SQL("LOCK TABLE ONLY {} IN {} MODE")
            holder.execute(command.format(tables, sql.SQL(mode)))
        yield holder


def _watch(
    observer: Connection, pid: int, holders: dict[int, Connection], thread: threading.Thread
) -> list[tuple[object, ...]]:
    """Read the locks of `pid`, held or awaited, whenever a holder stops it; then let it go on."""
    seen: list[tuple[object, ...]] = []
    while thread.is_alive():
        seen += observer.execute(_LOCKS, (pid,))
        for blocker in observer.execute("SELECT unnest(pg_blocking_pids(%s))", (pid,)):
            if holder := holders.pop(int(str(blocker[0])), None):
                seen += observer.execute(_LOCKS, (pid,))
                holder.rollback()
                break
        time.sleep(0.002)
    return seen
