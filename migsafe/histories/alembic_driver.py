"""Run a project's own Alembic environment, and say on a pipe what happens in it.

The project's interpreter runs this one file, `PYTHON alembic_driver.py REQUEST_FD REPLY_FD`, so it
imports nothing of migsafe and keeps to the syntax of Python 3.8, whatever ruff's target version is;
Alembic from 1.9, SQLAlchemy from 1.4.24. Requests and replies are JSON objects, one a line, since
env.py may print, and its fileConfig() silences loggers. Once the request pipe is closed the parent
has died: what runs is cancelled, as by SIGTERM. Neither passwords nor row values are in a reply.

The first request is the environment: `config name x` as in `alembic -c -n -x`; `options` over
those of the file; `connection`, a URL, for an env.py that wants config.attributes to hold one;
`through`, `module:function`, a function of theirs that is called with the run of env.py;
`redirect`, libpq's parameters of the one place where every connection leads; `session`, SQL for new
connections; `database` and `table`, which of those that env.py runs with are meant, where there are
several: the others are left alone, their connections only read, as those to another database
than that of the revisions. Without `redirect`, nothing connects. Others do something:

    discover  discovered; with "connect": false of the files alone, with "files": false without
              them; `again` where env.py let go of its connections, so that this process may run it
              once more
    upgrade   end; `revisions` in their order, `inside[id]` SQL for the end of one's transaction,
              `statement[id]` with {index} filled in for after each statement of those `alone`,
              `done[id]` which of one's statements are in effect: nothing is sent for them. To
              each `committed`, or `ran` where env.py has yet to commit, the parent says
              {"go": bool}; at the end what env.py did commit is `committed` and `late`
    lead      nothing; `redirect` and `session` anew, for every connection from now on
    stamp     end; `revisions`, and whether to `purge` the table before
    check     differences between models and database, but for those in the `ignored` schemas

An `error` ends any of them. The event of a statement comes before it runs.
"""

from __future__ import annotations

import gc
import json
import os
import re
import select
import signal
import sys
import threading
import time
import traceback
import warnings
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Refused(Exception):
    """What env.py or the parent wants cannot be done safely."""


#: Seconds from a cancel to the end of the process, for an env.py that waits for something else than
#: its database. Arbitrary.
_GRACE = 10


#: Seconds after a change in which a file may be changed again in the same second.
_YOUNG = 2.0


class Watch:
    """Cancel what runs when a signal comes, or when the parent has gone."""

    def __init__(self, requests: int) -> None:
        self.called_off = False
        self.busy: Any = None  # the driver's connection while a statement runs on it
        self.stop, self._stopped = os.pipe()
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        # A driver in C leaves Python's handlers waiting; the pipe is written from the C handler.
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: os.write(wake, bytes([number])))
        threading.Thread(target=self._wait, args=(requests, woken), daemon=True).start()

    def _wait(self, requests: int, woken: int) -> None:
        poll, wanted = select.poll(), (signal.SIGTERM, signal.SIGINT)
        poll.register(requests, 0)
        poll.register(woken, select.POLLIN)
        while not any(fd == requests or os.read(fd, 1)[0] in wanted for fd, _ in poll.poll()):
            pass
        self.called_off = True
        os.write(self._stopped, b".")
        end = time.monotonic() + _GRACE
        while time.monotonic() < end:  # before the server has the statement, nothing is cancelled
            with suppress(Exception):
                _cancel(self.busy)
            time.sleep(0.2)
        os._exit(1)  # the server rolls back what is open

    def check(self) -> None:
        """Raise KeyboardInterrupt once nothing more is wanted."""
        if self.called_off:
            raise KeyboardInterrupt


def _cancel(raw: Any) -> None:
    if hasattr(raw, "_cancel_current_command"):  # asyncpg, from its own loop
        ask = lambda: raw._cancel_current_command(raw._loop.create_future())  # noqa: E731
        raw._loop.call_soon_threadsafe(ask)
    elif raw is not None:  # psycopg2 and psycopg allow it from any thread
        raw.cancel()


class Parent:
    """Who asks on one pipe and reads the other."""

    def __init__(self, requests: int, replies: int) -> None:
        for fd in (requests, replies):
            os.set_inheritable(fd, False)
        self._requests, self._replies, self._text = requests, replies, b""
        self.watch = Watch(requests)

    def ask(self) -> dict[str, Any] | None:
        """Return the next request, None where no more will come."""
        while b"\n" not in self._text:
            ready, _, _ = select.select([self._requests, self.watch.stop], [], [])
            chunk = b"" if self.watch.stop in ready else os.read(self._requests, 65536)
            if not chunk:
                return None
            self._text += chunk
        line, _, self._text = self._text.partition(b"\n")
        request: dict[str, Any] = json.loads(line)
        return request

    def tell(self, event: str, **fields: Any) -> None:
        """Send an event; a field that is None is left out."""
        told = {name: value for name, value in fields.items() if value is not None}
        text = json.dumps({"event": event, **told}).encode() + b"\n"
        while text:
            text = text[os.write(self._replies, text) :]


#: Parameters of the drivers that say where a connection leads, as whom, and how that is proven.
_PLACE = re.compile(
    r"(host(addr)?|port|user|pass(word|file)|db(name)?|database|dsn|conninfo|service(file)?|ssl.*"
    r"|gss.*|krb.*|direct_tls|unix_sock|require_auth|requirepeer|channel_binding"
    r"|target_session_attrs|load_balance_hosts|async_creator_fn)\Z"
)


class Connections:
    """Where connections lead and how they begin, whatever env.py says."""

    def __init__(self, request: dict[str, Any]) -> None:
        self._database: str | None = None
        #: The name that env.py has for the database of the revisions, once they run.
        self.home: str | None = None
        self.lead(request)

    def means(self, info: dict[str, Any]) -> bool:
        """Tell whether env.py asked for the database that is meant."""
        return self._database is None or self._database in _names(info.get("asked") or {})

    def lead(self, request: dict[str, Any]) -> None:
        """Choose where they lead, and how they begin."""
        self._redirect: dict[str, Any] | None = request.get("redirect")
        self._session: list[str] = request.get("session") or []
        self._since = object()
        self._database = request.get("database") or self._database
        password = (self._redirect or {}).get("password")
        self.passwords = [str(password)] if password else []

    def connect(self, dialect: Any, record: Any, _: list[Any], given: dict[str, Any]) -> Any:
        """Connect ourselves, so that no listener of env.py's asks for a password elsewhere."""
        if dialect.name != "postgresql" or dialect.driver not in _DRIVERS:
            raise Refused(f"env.py opens a {dialect.name} connection ({dialect.driver})")
        name = given.get("dbname") or given.get("database")
        asked = {"host": given.get("host"), "port": given.get("port"), "dbname": name}
        record.info["asked"] = {key: str(value) for key, value in asked.items() if value}
        if self._redirect is None:
            raise Refused("a connection is opened before it is known where it should lead to")
        kept = {key: value for key, value in given.items() if not _PLACE.match(key)}
        return dialect.connect(**_DRIVERS[dialect.driver](kept, self._redirect))

    def is_current(self, info: dict[str, Any]) -> bool:
        """Tell whether a connection leads where they lead now."""
        return info.get("since") is self._since

    def renew(self, _: Any, record: Any, __: Any) -> None:
        """Have a pool open another connection in place of one that leads elsewhere."""
        from sqlalchemy.exc import DisconnectionError

        if not self.is_current(record.info):
            raise DisconnectionError

    def begin(self, raw: Any, record: Any) -> None:
        """Choose the parent's settings on a new connection."""
        record.info["since"] = self._since
        if "asked" not in record.info:
            raise Refused("env.py connects by a `creator` of its own, which cannot be redirected")
        cursor = raw.cursor()
        meant = self.home in (None, record.info["asked"].get("dbname")) and self.means(record.info)
        for statement in self._session if meant else ["SET default_transaction_read_only = on"]:
            cursor.execute(statement)
        cursor.close()
        raw.commit()


def _names(asked: dict[str, str]) -> list[str]:
    """Return what a database may be called: its name alone, or behind its server."""
    name, host = asked.get("dbname", ""), asked.get("host", "")
    return [name, f"{host}/{name}", f"{host}:{asked.get('port', 5432)}/{name}"]


def _libpq(kept: dict[str, Any], place: dict[str, Any]) -> dict[str, Any]:
    options = " ".join(filter(None, [kept.get("options"), place.get("options")]))
    return {**kept, **place, **({"options": options} if options else {})}


def _asyncpg(kept: dict[str, Any], place: dict[str, Any]) -> dict[str, Any]:
    """Give a DSN, which alone may name files of certificates; other keys are settings in it."""
    from urllib.parse import urlencode

    keys = re.compile(r"host|port|user|password|passfile|dbname|ssl.*|options|application_name")
    known = {key: value for key, value in place.items() if keys.fullmatch(key)}
    return {**kept, "dsn": "postgresql://?" + urlencode(known)}


def _pg8000(kept: dict[str, Any], place: dict[str, Any]) -> dict[str, Any]:
    host, port = str(place.get("host", "localhost")), int(place.get("port", 5432))
    where = {"unix_sock": f"{host}/.s.PGSQL.{port}"} if host[0] == "/" else {"host": host}
    if str(place.get("sslmode", "prefer")) not in ("disable", "allow", "prefer"):
        kept = {**kept, "ssl_context": True}
    login = {"user": place.get("user"), "password": place.get("password")}
    return {**kept, **where, "port": port, **login, "database": place.get("dbname")}


_DRIVERS: dict[str, Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]] = {
    "psycopg2": _libpq,
    "psycopg": _libpq,
    "asyncpg": _asyncpg,
    "pg8000": _pg8000,
}

_QUERY = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*(?:SELECT|WITH|VALUES|TABLE|SHOW|EXPLAIN|FETCH)\b"
    r"|.*\bRETURNING\b",
    re.IGNORECASE | re.DOTALL,
)
_SAVEPOINT = re.compile(r"\s*(SAVEPOINT|RELEASE|ROLLBACK\s+TO)\b", re.IGNORECASE)
_COMMIT = re.compile(r"\s*(COMMIT|END)\b", re.IGNORECASE)


class Record:
    """What is executed for a revision, or by env.py itself where `revision` is None."""

    def __init__(self, parent: Parent) -> None:
        self._tell, self._watch = parent.tell, parent.watch
        #: Where env.py ran a command that is no query.
        self.commands: list[dict[str, Any]] = []
        self.receipt: str | None = None
        #: Whether values may be told that may come from rows: in a shadow there are none.
        self.whole = False
        #: Connections with revisions that env.py has yet to commit, and whether it did.
        self.held: list[Any] = []
        self.begin(None, "", None, 0)

    def begin(self, revision: str | None, path: str, raw: Any, context: int) -> None:
        """Attribute what follows to a revision."""
        self.revision, self.path, self.raw, self.context = revision, path, raw, context
        self.at, self.index, self.sent = "revision", 0, ""
        self.done: list[int] = []
        self.running: int | None = None
        self.error: BaseException | None = None
        self.has_read = self.committed_before = False
        #: The driver's connection whose COMMIT was the last that happened.
        self.committing: Any = None

    def listen(self, connections: Connections) -> None:
        """Hear every engine of this process; class-level events reach async ones, too."""
        from sqlalchemy import event
        from sqlalchemy.engine import Engine
        from sqlalchemy.pool import Pool

        event.listen(Engine, "do_connect", connections.connect)
        event.listen(Pool, "connect", connections.begin)
        event.listen(Pool, "checkout", connections.renew)
        event.listen(Engine, "before_cursor_execute", self._sending, retval=True)
        event.listen(Engine, "after_cursor_execute", self._after)
        event.listen(Engine, "handle_error", self._failed)
        event.listen(Engine, "commit", self._commit)
        event.listen(Engine, "commit_twophase", lambda conn, *_: self._commit(conn))

    def run(self, conn: Any, statements: list[str]) -> None:
        """Execute the parent's statements, which are none of the revision's."""
        before, self.at = self.at, "receipt"
        for statement in statements:
            self._send(conn, statement)
        self.at = before

    def _send(self, conn: Any, statement: str) -> None:
        """Execute a statement of ours by the driver: SQLAlchemy takes a millisecond for each."""
        if not conn.in_transaction():  # SQLAlchemy may begin one here, which only it ends
            conn.exec_driver_sql(statement, execution_options={"no_parameters": True})
            return
        self._before(conn, None, statement, None, None, False)
        try:
            cursor = conn.connection.cursor()
            cursor.execute(statement)
            cursor.close()
        finally:
            self._watch.busy = None

    def settle(self) -> None:
        """Take a COMMIT for done, since something came after it."""
        self.committed_before |= self.committing is not None and self.index > 0
        self.committing = None

    def _commit(self, conn: Any) -> None:
        self.settle()
        self.committing = _raw(conn)
        self.held = [raw for raw in self.held if raw is not self.committing]

    def _failed(self, _: Any) -> None:
        self._watch.busy = None

    def _sending(
        self, conn: Any, cursor: Any, text: str, parameters: Any, context: Any, several: bool
    ) -> tuple[str, Any]:
        """Hear of a statement; in place of one that is in effect, send what does nothing."""
        self._before(conn, cursor, text, parameters, context, several)
        if self.running not in self.done:
            return text, parameters
        return "DO $$BEGIN END$$", [()] if isinstance(parameters, list) else ()

    def _before(
        self, conn: Any, cursor: Any, text: str, parameters: Any, context: Any, _: bool
    ) -> None:
        self._watch.check()
        self.settle()
        self._watch.busy, self.sent = _raw(conn), text
        if self.at != "revision" or _SAVEPOINT.match(text):
            return
        line, dropped, inside = _caller(self.path)
        reads = not dropped and _QUERY.match(text) is not None
        if self.revision is None:
            self.has_read |= reads and not inside  # which its own messages may quote
            if not reads:  # two words alone, since one may set a password
                words = " ".join(text.split()[:2]).upper()
                self.commands.append({"command": words, "line": line})
            return
        # What was read may be among the parameters of what follows.
        exact: Any = None
        several = isinstance(parameters, list)  # not so where SQLAlchemy makes one INSERT of many
        if self.whole or not (several or self.has_read):
            sets = parameters if several else [parameters]
            texts = [_inlined(conn, cursor, text, one, context) for one in sets]
            exact = None if None in texts else ";\n".join(map(str, texts))
        self.index += 1
        self.running, self.has_read = self.index, self.has_read or reads
        autocommit = bool(getattr(conn.connection.dbapi_connection, "autocommit", False))
        # A failed CREATE INDEX CONCURRENTLY leaves an index, so that it counts from the beginning.
        self.committed_before |= autocommit or _COMMIT.match(text) is not None
        told: dict[str, Any] = {"context": self.context, "revision": self.revision}
        told.update(index=self.index, file=self.path, line=line, autocommit=autocommit)
        told.update(reads=reads or None, elsewhere=_raw(conn) is not self.raw or None)
        if exact is None:
            told.update(
                parameters=True, sql=_numbered(conn, text, parameters[0] if several else parameters)
            )
        self._tell("statement", **{"sql": exact, **told})

    def _after(self, conn: Any, *_: Any) -> None:
        self._watch.busy = None
        if self.at == "revision" and self.running is not None:
            self.running = None
            if self.receipt and self.index > max(self.done, default=0):
                self.run(conn, [self.receipt.replace("{index}", str(self.index))])


def _raw(conn: Any) -> Any:
    """Return the driver's own connection."""
    return conn.connection.driver_connection


def _caller(path: str) -> tuple[int | None, bool, bool]:
    """Return the line of a file where it is now, whether Alembic drops the result, or asks."""
    frame, dropped, inside = sys._getframe(2), False, False
    while frame is not None and frame.f_code.co_filename != path:
        module = frame.f_globals.get("__name__")
        dropped |= frame.f_code.co_name == "_exec" and module == "alembic.ddl.impl"
        inside |= str(module).startswith("alembic.runtime.")
        frame = frame.f_back  # type: ignore[assignment]
    return (frame.f_lineno if frame else None), dropped, inside


def _inlined(conn: Any, cursor: Any, text: str, parameters: Any, context: Any) -> str | None:
    """Return what the driver will send, with literals; None where only the server fills in."""
    raw = _raw(conn)
    with suppress(Exception):  # what cannot be written as a literal fails a moment later, too
        if not parameters and context.execution_options.get("no_parameters"):
            return text
        if hasattr(cursor, "mogrify"):
            return str(cursor.mogrify(text, parameters).decode())
        if type(raw).__module__.partition(".")[0] == "psycopg":
            import psycopg

            is_async = isinstance(raw, psycopg.AsyncConnection)
            kind: Any = psycopg.AsyncClientCursor if is_async else psycopg.ClientCursor
            return str(kind(raw).mogrify(text, parameters))
    if not parameters:
        return _numbered(conn, text, ())
    values = list(parameters.values() if hasattr(parameters, "keys") else parameters)
    return _filled(_numbered(conn, text, parameters), values)


#: What is quoted, or a placeholder of PostgreSQL's own.
_NUMBER = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|\$(\d+)")


def _filled(text: str, values: list[Any]) -> str | None:
    """Return the text with literals for $1, $2, …; None where one of them cannot be written.

    The server infers the type of a quoted literal as it does that of a placeholder.
    """
    literals = {f"${number}": _literal(value) for number, value in enumerate(values, start=1)}
    numbers = {match[0] for match in _NUMBER.finditer(text) if match[1]}
    if numbers != set(literals) or None in literals.values():
        return None
    return _NUMBER.sub(lambda match: literals.get(match[0]) or match[0], text)


def _literal(value: Any) -> str | None:
    if value is None:
        return "NULL"
    if isinstance(value, (bytes, bytearray)):
        return f"'\\x{value.hex()}'"
    if hasattr(value, "isoformat"):
        value = value.isoformat()
    if not isinstance(value, (str, int, float, Decimal, UUID)):
        return None
    return "'" + str(value).replace("'", "''") + "'"


def _numbered(conn: Any, text: str, names: Any) -> str:
    """Return the text with PostgreSQL's own placeholders for those of the driver."""
    if conn.dialect.paramstyle not in ("format", "pyformat"):
        return text
    numbers = [f"${number}" for number in range(1, len(names) + 1)]
    with suppress(TypeError, ValueError, KeyError):
        filled = iter(numbers)
        return text % (
            {name: next(filled) for name in names} if hasattr(names, "keys") else tuple(numbers)
        )
    return text


#: Whose messages may quote a row; as in migsafe.target.explain.
_VALUES = re.compile(r"22|P0|XX|38|39|2F")
_QUOTED = re.compile(r"[\"„“«»]\s?(.+?)\s?[\"“”«»]")
_FIELDS = {
    "sqlstate": ("sqlstate", "C"),
    "message": ("message_primary", "message", "M"),
    "context": ("context", "internal_query", "W", "q"),
    "position": ("statement_position", "position", "P"),
}


def _refusal(error: Any) -> dict[str, Any]:
    """Return what the server said, empty where it said nothing."""
    for one in (error.__cause__, error):  # SQLAlchemy wraps asyncpg's, and pg8000's is a dict
        fields = (getattr(one, "args", None) or [None])[0]
        source = getattr(one, "diag", one)
        read = fields.get if isinstance(fields, dict) else lambda name: getattr(source, name, None)  # noqa: B023
        found = {key: next(filter(None, map(read, names)), None) for key, names in _FIELDS.items()}
        if found["sqlstate"]:
            return found
    return {}


def _may_quote(said: dict[str, Any], record: Record) -> bool:
    code, quoted = said["sqlstate"], _QUOTED.findall(said["message"] or "")
    if said["context"] or (_VALUES.match(code) and record.at != "version"):
        return True
    if said["position"] or code.startswith("23"):
        return False
    return code in ("42601", "42602", "42883") or any(name not in record.sent for name in quoted)


def _explained(error: BaseException, record: Record, passwords: list[str]) -> dict[str, Any]:
    """Say what went wrong; without the message where that may quote a row."""
    cause: Any = getattr(error, "orig", None) or error
    said = _refusal(cause)
    text = said.get("message") or str(cause.code if isinstance(cause, SystemExit) else cause)
    for password in passwords:
        text = text.replace(password, "***")
    text = re.sub(r"://[^/\s@]*@", "://***@", text.strip().partition("\n")[0])
    ours = isinstance(cause, (ImportError, NameError, SyntaxError, AttributeError, Refused))
    hidden = _may_quote(said, record) if said else record.has_read and not ours
    kind = {"kind": type(cause).__name__, "sqlstate": said.get("sqlstate")}
    return {**kind, "message": "" if hidden else text, "withheld": hidden or None}


def _place(error: BaseException, roots: list[Any]) -> dict[str, Any]:
    """Return the file and line below one of the directories that are the deepest in the stack."""
    frames = [(f.f_code.co_filename, line) for f, line in traceback.walk_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):
        frames.append((str(error.filename), error.lineno or 0))
    below = tuple(str(Path(root).absolute()) for root in roots)
    found = [(path, line) for path, line in frames if path.startswith(below)]
    return {"file": found[-1][0], "line": found[-1][1]} if found else {}


class Project:
    """The environment of the project, and what is done in it."""

    def __init__(self, parent: Parent, request: dict[str, Any]) -> None:
        self._parent, self._tell, self._request = parent, parent.tell, request
        self._record, self._connections = Record(parent), Connections(request)
        self._contexts = 0
        self._ran: list[dict[str, Any]] = []
        #: The databases and version tables that env.py ran with, by whether they are meant.
        self._with: dict[bool, set[str]] = {}

    def open(self) -> None:
        """Read the configuration as Alembic's command line does, and direct what will connect."""
        from alembic.config import CommandLine, Config
        from alembic.script import ScriptDirectory

        asked = self._request
        given = [("-c", asked.get("config")), ("-n", asked.get("name"))]
        given += [("-x", value) for value in asked.get("x") or []]
        flags = [str(word) for pair in given if pair[1] for word in pair]
        sys.argv = ["alembic", *flags, "upgrade", "heads"]
        line: Any = CommandLine("alembic")
        options = line.parser.parse_args(sys.argv[1:])
        files = {"file_": options.config}
        if hasattr(line, "_inis_from_config"):  # Alembic 1.16 and later read pyproject.toml, too
            files["toml_file"], files["file_"] = line._inis_from_config(options)
        self._config = Config(ini_section=options.name, cmd_opts=options, **files)
        for name, value in (asked.get("options") or {}).items():
            self._config.set_main_option(name, value.replace("%", "%%"))
        self._script = ScriptDirectory.from_config(self._config)
        self._env = str(Path(self._script.env_py_location).absolute())
        # Python takes bytecode for that of a file which has its size and was changed in the same
        # second: of files that young, it must not keep any.
        sources = [Path(self._env)]
        for place in self._script._version_locations:
            sources += Path(place).rglob("*.py")
        ages = [time.time() - source.stat().st_mtime for source in sources if source.is_file()]
        sys.dont_write_bytecode |= min(ages, default=_YOUNG) < _YOUNG
        self._record.listen(self._connections)

    def error(self, error: BaseException) -> None:
        """Tell of what went wrong outside a revision."""
        script = getattr(self, "_script", None)
        roots = [script.dir, *script._version_locations] if script else []
        said = _explained(error, self._record, self._connections.passwords)
        self._tell("error", **said, **_place(error, roots), interrupted=self._called_off())

    def _called_off(self) -> bool | None:
        return self._parent.watch.called_off or None

    def _run(self, fn: Callable[..., Any], every: bool = False, **options: Any) -> None:
        """Run env.py, with a transaction for each revision whatever it chooses.

        Where it runs with what is not meant, nothing happens, unless `every` one is asked for.
        """
        from alembic.runtime.environment import EnvironmentContext

        opts: dict[str, Any] = {"starting_rev": None, "destination_rev": "heads", "tag": None}
        environment: Any = EnvironmentContext(
            self._config, self._script, fn=fn, as_sql=False, **opts, **options
        )
        configure = environment.configure

        def configured(*args: Any, **kwargs: Any) -> None:
            configure(*args, **kwargs)
            context = environment.get_context()
            context._transaction_per_migration = True
            run = context.run_migrations
            context.run_migrations = lambda **given: (
                run(**given) if every or self._is_meant(context) else None
            )

        environment.configure = configured
        self._contexts, self._ran, self._record.held = 0, [], []
        self._with = {True: set(), False: set()}
        self._record.begin(None, self._env, None, 0)
        folder = Path.cwd()
        try:
            with environment, self._connected():
                self._through(self._script.run_env)
        finally:
            os.chdir(folder)  # env.py may have gone elsewhere, and paths are relative

    def _through(self, run: Callable[[], None]) -> None:
        """Run env.py in the function that has to be around it, which may be a coroutine's."""
        if not self._request.get("through"):
            run()
            return
        import asyncio
        from importlib import import_module

        module, _, name = self._request["through"].partition(":")
        around = getattr(import_module(module), name)(run)
        if asyncio.iscoroutine(around):
            asyncio.run(around)

    def _is_meant(self, context: Any) -> bool:
        """Tell whether the parent means this database and version table; refuse two of them."""
        meant = self._is_named(context)
        database = _names(context.connection.connection.info.get("asked") or {})[-1]
        self._with[meant].add(f"{_table(context)} in {database}")
        if meant:
            self._connections.home = context.connection.connection.info["asked"].get("dbname")
        if len(self._with[True]) > 1:
            raise Refused(f"env.py runs with {' and '.join(sorted(self._with[True]))}")
        return meant

    def _is_named(self, context: Any) -> bool:
        table = self._request.get("table")
        named = table is None or table == _table(context)
        return named and self._connections.means(context.connection.connection.info)

    @contextmanager
    def _connected(self) -> Iterator[None]:
        if not self._request.get("connection"):
            yield
            return
        from sqlalchemy import create_engine, pool

        engine = create_engine(self._request["connection"], poolclass=pool.NullPool)
        with engine.connect() as conn:
            self._config.attributes["connection"] = conn
            yield

    def discover(self, request: dict[str, Any]) -> None:
        """Tell what the files say and, by env.py, what the databases do; write nothing."""
        contexts: list[dict[str, Any]] = []
        self._seen: list[Any] = []
        told = self._files() if request.get("files", True) else {}
        if request.get("connect", True):
            self._record.commands.clear()
            self._run(
                lambda heads, context: contexts.extend([self._context(heads, context)]) or (),  # type: ignore[func-returns-value]
                every=True,
                dont_mutate=True,
            )
            self._check_locations()
        told.update(contexts=contexts, commands=self._record.commands)
        self._tell("discovered", **told, again=all(conn.closed for conn in self._seen))
        import sqlalchemy.dialects.postgresql  # noqa: F401  # env.py will need it; the parent thinks now

    def _files(self) -> dict[str, Any]:
        """Return what the files say, and by which releases it is read."""
        import alembic
        import sqlalchemy

        with warnings.catch_warnings(record=True) as caught:  # of revisions that are there twice
            warnings.simplefilter("always")
            revisions = [_revision(one) for one in self._script.walk_revisions()]
            heads = self._script.get_heads()
            steps = self._script._upgrade_revs("heads", ()) if heads else []  # type: ignore[arg-type]
        return {
            "revisions": revisions,
            "heads": heads,
            "order": [step.revision.revision for step in steps],
            "warnings": [str(one.message) for one in caught],
            "alembic": alembic.__version__,
            "sqlalchemy": sqlalchemy.__version__,
            "python": sys.version.split()[0],
        }

    def _check_locations(self) -> None:
        """Refuse an env.py that chooses other directories than those that were read before."""
        before = self._script._version_locations
        del self._script.__dict__["_version_locations"]
        if self._script._version_locations != before:
            chosen = " ".join(map(str, self._script.version_locations or ()))
            said = f"env.py sets version_locations = {chosen}, which the configuration must, too"
            raise Refused(said)

    def _context(self, current: Any, context: Any) -> dict[str, Any]:
        """Return what env.py configured, and what its version table says."""
        conn = context.connection
        self._seen.append(conn)
        database = conn.exec_driver_sql("SELECT current_database()").scalar()
        raw, asked = conn.connection.dbapi_connection, conn.connection.info.get("asked")
        return {
            "version_table": context.version_table,
            "version_table_schema": context.version_table_schema,
            "database": database,
            "schema": _schema(context),
            "asked": asked,
            "names": _names(asked or {}),
            "table": _table(context),
            "meant": self._is_named(context),
            "current": list(current),
            "table_exists": context._has_version_table(),
            "transaction_per_migration": bool(context.opts.get("transaction_per_migration")),
            "external_transaction": context._in_external_transaction,
            "transactional_ddl": context.impl.transactional_ddl,
            "autocommit": bool(getattr(raw, "autocommit", False)),
            "dialect": f"{conn.dialect.name}+{conn.dialect.driver}",
            "target_metadata": context.opts.get("target_metadata") is not None,
        }

    def upgrade(self, request: dict[str, Any]) -> None:
        """Run exactly the revisions asked for, where they are pending."""
        error: BaseException | None = None
        try:
            self._run(lambda heads, context: self._steps(request, heads, context))
        except BaseException as raised:
            if self._record.revision is None and not self._ran:
                raise
            error = raised
        if error is None and not self._contexts:
            others = f" with what is meant, but with {', '.join(sorted(self._with[False]))}"
            but = others if self._with[False] else ""
            raise Refused(f"env.py never calls context.run_migrations(){but}")
        if error or self._record.revision:
            self._fail(error or Refused("env.py left in the middle of the revision"))
        elif self._record.held:
            self._fail(Refused("env.py never committed its transaction"))
        else:
            for one in self._ran:
                self._tell("committed", **one, late=True)
        self._tell("end", interrupted=self._called_off())

    def _steps(self, request: dict[str, Any], heads: Any, context: Any) -> Iterator[Any]:
        number, record = self._contexts, self._record
        self._contexts += 1
        if not self._connections.is_current(context.connection.connection.info):
            raise Refused("env.py keeps a connection that was opened for something else")
        if request.get("record"):
            _widen(context)
        steps: list[Any] = self._script._upgrade_revs("heads", heads)
        pending = {step.revision.revision: step for step in steps}
        for name in request["revisions"]:
            where = {"context": number, "revision": name}
            step = pending.pop(name, None)
            if step is None:
                self._tell("skipped", **where)
                continue
            missing = sorted(set(step.revision._all_down_revisions) & set(pending))
            if missing:
                raise Refused(f"{name} cannot run before {', '.join(missing)}")
            raw = _raw(context.connection)
            path = _search_path(context.connection) if request.get("record") else None
            record.begin(name, step.revision.module.__file__, raw, number)
            self._tell("began", **where, backend=_backend(raw), search_path=path)
            step.migration_fn = self._migration(name, step.migration_fn, request, context)
            yield step
            self._done(where, raw)
            if not (self._parent.ask() or {}).get("go"):
                return

    def _migration(
        self, name: str, upgrade: Callable[..., None], request: dict[str, Any], context: Any
    ) -> Callable[..., None]:
        record, alone = self._record, name in request.get("alone", ())

        def migrate(**arguments: Any) -> None:
            record.receipt = request["statement"][name] if alone else None
            record.whole = bool(request.get("record"))
            record.done = (request.get("done") or {}).get(name, [])
            try:
                upgrade(**arguments)
                record.run(context.connection, (request.get("inside") or {}).get(name, []))
                record.settle()
                record.at = "version"
            except BaseException as error:
                record.error = error  # env.py may leave with another one
                raise

        return migrate

    def _done(self, where: dict[str, Any], raw: Any) -> None:
        """Tell of a revision that has run; a COMMIT was the last that happened, or is to come."""
        committed = self._record.committing is raw
        if not committed:
            self._record.held.append(raw)
            self._ran.append(where)
        self._record.begin(None, self._env, None, 0)
        self._tell("committed" if committed else "ran", **where)

    def _fail(self, raised: BaseException) -> None:
        record, error = self._record, self._record.error or raised
        where = {"context": record.context, "revision": record.revision}
        said = _explained(error, record, self._connections.passwords)
        at_commit = record.committing is not None
        lost = at_commit and (said["sqlstate"] or "08").startswith(("08", "57P"))
        told: dict[str, Any] = {**(where if record.revision else self._ran[-1]), **said}
        told.update(index=record.running, at="commit" if at_commit else record.at)
        told.update(committed_before=record.committed_before, commit_lost=lost)
        told.update(interrupted=self._called_off(), **_place(error, [record.path]))
        self._tell("failed", **told)

    def lead(self, request: dict[str, Any]) -> None:
        """Have connections lead elsewhere, and begin otherwise; for a project that has none yet."""
        self._connections.lead(request)

    def stamp(self, request: dict[str, Any]) -> None:
        """Write the version table as `alembic stamp` does."""
        names: Any = tuple(request["revisions"])
        self._run(
            lambda heads, _: self._script._stamp_revs(names, heads),
            purge=bool(request.get("purge")),
        )
        self._tell("end")

    def check(self, request: dict[str, Any]) -> None:
        """Compare models and database as `alembic check` does."""
        from alembic.autogenerate import RevisionContext

        keys = ("message", "branch_label", "version_path", "rev_id", "depends_on")
        options = {"autogenerate": True, "sql": False, "head": "head", "splice": False}
        revision = RevisionContext(
            self._config,
            self._script,
            {**dict.fromkeys(keys), **options},
        )
        self._run(
            lambda heads, context: revision.run_autogenerate(heads, context) or (),  # type: ignore[func-returns-value]
            dont_mutate=True,
            template_args=revision.template_args,
            revision_context=revision,
        )
        found = [
            d for ops in revision.generated_revisions[-1].upgrade_ops_list for d in ops.as_diffs()
        ]
        flat = [one for each in found for one in (each if isinstance(each, list) else [each])]
        flat = [one for one in flat if not _schemas(one) & {*(request.get("ignored") or ())}]
        self._tell("differences", operations=[_difference(one) for one in flat])


def _widen(context: Any) -> None:
    """Let the version table of a shadow hold names of any length; a target's may be made so."""
    conn = context.connection
    table = conn.dialect.identifier_preparer.format_table(context._version)
    conn.exec_driver_sql(f"ALTER TABLE {table} ALTER COLUMN version_num TYPE text")


def _search_path(conn: Any) -> str | None:
    """Return the search_path that env.py has set, None where it has set none."""
    query = "SELECT setting FROM pg_settings WHERE name = 'search_path' AND setting <> reset_val"
    path: str | None = conn.exec_driver_sql(query).scalar()
    return path


def _backend(raw: Any) -> int | None:
    if hasattr(raw, "get_server_pid"):
        return int(raw.get_server_pid())
    return getattr(getattr(raw, "info", None), "backend_pid", None)


def _revision(one: Any) -> dict[str, Any]:
    return {
        "revision": one.revision,
        "down": list(one._versioned_down_revisions),
        "depends_on": list(one._resolved_dependencies),
        "labels": sorted(one._orig_branch_labels),
        "path": str(Path(one.path).absolute()),
        "doc": one.doc,
    }


def _table(context: Any) -> str:
    return f"{_schema(context)}.{context.version_table}"


def _schema(context: Any) -> Any:
    """Return where the version table is, or will be; the search_path decides where none is said."""
    from sqlalchemy import text

    query = """SELECT coalesce((
        SELECT n.nspname FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relname = :name AND pg_catalog.pg_table_is_visible(c.oid)), current_schema())"""
    name = {"name": context.version_table}
    return context.version_table_schema or context.connection.execute(text(query), name).scalar()


def _schemas(parts: Any) -> set[str]:
    """Return the schemas of the tables that a difference is about."""
    tables = [getattr(part, "table", part) for part in parts]
    return {str(table.schema) for table in tables if getattr(table, "schema", None)}


def _difference(parts: Any) -> str:
    words = [_named(part) for part in parts if part is not None and not isinstance(part, dict)]
    return " ".join(words)


def _named(part: Any) -> str:
    table = getattr(part, "table", None)
    name = getattr(part, "fullname", None) or getattr(part, "name", None)
    text = (
        name
        or getattr(part, "arg", None)
        or (part if isinstance(part, (str, bool)) else repr(part))
    )
    return (
        f"{text} on {table.fullname}" if table is not None and name else " ".join(str(text).split())
    )


def main() -> None:
    """Answer requests until the parent closes the pipe."""
    if sys.path[:1] == [str(Path(__file__).absolute().parent)]:
        del sys.path[0]  # the modules of this directory have names that a project's may have
    gc.set_threshold(100_000)  # imports make many objects and hardly any garbage
    parent = Parent(int(sys.argv[1]), int(sys.argv[2]))
    request = parent.ask() or {}
    project = Project(parent, request)
    doing = {"discover": project.discover, "upgrade": project.upgrade}
    doing.update(stamp=project.stamp, check=project.check, lead=project.lead)
    answer: Callable[[dict[str, Any]], None] = lambda _: project.open()  # noqa: E731
    while request:
        try:
            answer(request)
        except BaseException as error:  # noqa: BLE001  # env.py may raise anything, SystemExit too
            project.error(error)
        request = parent.ask() or {}
        answer = doing[request["do"]] if request else answer
    gc.freeze()  # the interpreter's last collection takes a third of its time, and finds nothing


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        main()
