"""One PostgreSQL database: a connection to it, and its driver's errors in our words."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any

import psycopg
from psycopg import generators, pq, sql
from psycopg.abc import Buffer
from psycopg.types.datetime import TimestampLoader, TimestamptzLoader

from migsafe import poolers
from migsafe.addresses import Target as Target
from migsafe.addresses import parse as parse
from migsafe.addresses import resolve as resolve
from migsafe.errors import UnreachableError, UsageError, redacted

Connection = psycopg.Connection[tuple[Any, ...]]

#: The oldest PostgreSQL that the tests have run on (server_version_num).
OLDEST = 130000


class Session(psycopg.Connection[tuple[Any, ...]]):
    """A connection on which no answer is waited for without end."""

    #: Seconds that one answer may take; None where somebody else watches over it.
    patience: float | None = None
    #: Since when (time.monotonic) an answer is waited for.
    waiting: float | None = None
    #: When (time.monotonic) it began to connect.
    began: float = 0.0

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait as psycopg does; raise OperationalError where no answer came in time, and close."""
        self.waiting = time.monotonic()
        try:
            return super().wait(gen, interval, timeout or self.patience)
        except psycopg.errors._WaitTimeout:
            self.pgconn.finish()
            problem = f"no answer in {self.patience:g} s: the network or the server is stuck"
            raise psycopg.OperationalError(problem) from None
        finally:
            self.waiting = None


#: What we ask of libpq. A session is idle while a snapshot is taken, and what translates addresses
#: forgets it meanwhile; AWS's gateways do after 350 s (VPC user guide, "NAT gateways").
_OURS = {"application_name": "migsafe", "tcp_user_timeout": "30000", "keepalives_idle": "60"}

#: How long the server works on a question of ours; a migration and an audit have limits of their
#: own. Arbitrary: the largest catalogs are read in seconds.
_ANSWER = "10min"

#: How long we wait for the answer: somewhat more than the server works on it, in seconds.
PATIENCE = 630.0

#: Seconds for an answer that takes a server no work, and a full pool for ever. Arbitrary.
_PROMPT = 15.0

#: Our settings of a session. What is idle has a pooler, a role or a person to thank for other
#: values; a backend notices that its client has gone only where it looks (new in PostgreSQL 14).
_SETTINGS = {
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "1h",
    "statement_timeout": _ANSWER,
    "client_connection_check_interval": "500ms",
    "DateStyle": "ISO",
}

#: What a session that runs migrations begins with, so that they write dates as they would in psql.
AS_CONFIGURED = "RESET DateStyle"

#: What it goes on with, as these are what we can read.
AS_READABLE = "SET DateStyle = 'ISO'; SET client_encoding = 'UTF8'"


def connect(target: Target, *, read_only: bool = False) -> Session:
    """Open an autocommit session; raise UnreachableError, or UsageError for a server too old.

    A pooler that shares backends is a UsageError, too, before anything is set on a backend.
    """
    poolers.refuse_by_name(target.place)
    conn = _opened(target)
    if conn.info.server_version < OLDEST:
        conn.close()
        raise UsageError(target.place, "PostgreSQL is older than 13", "upgrade the server first")
    settings = _SETTINGS | ({"default_transaction_read_only": "on"} if read_only else {})
    try:
        _prepare(conn, target, settings)
    except BaseException:
        conn.close()
        raise
    conn.patience = PATIENCE
    return conn


def _opened(target: Target) -> Session:
    """Connect; where the password was refused and a store has another one by now, once more."""
    tried = target.signed_in()
    try:
        return _dialled(tried)
    except (psycopg.ProgrammingError, UnicodeError) as error:  # what the driver reads by itself
        problem = f"the URL cannot be used: {redacted(str(error))}"
        raise UsageError(target.place, problem, "correct it") from None
    except psycopg.OperationalError as error:
        # libpq gives no SQLSTATE of a login; that it sent a password does not depend on language.
        again = target.login and getattr(error.pgconn, "used_password", False)
        other = target.signed_in(refused=True) if again else tried
        if other == tried:
            raise _unreachable(target, error) from None
    try:
        return _dialled(other)
    except psycopg.OperationalError as error:
        raise _unreachable(target, error) from None


def _dialled(params: Mapping[str, str]) -> Session:
    began = time.monotonic()
    conn = Session.connect(
        **{**_OURS, **params},  # type: ignore[arg-type]
        autocommit=True,
        client_encoding="utf8",
        prepare_threshold=None,
    )
    conn.patience, conn.began = _PROMPT, began
    conn.adapters.register_loader("timestamp", _Timestamp)
    conn.adapters.register_loader("timestamptz", _Timestamptz)
    return conn


#: Python has no value for these: the nearest that it has.
_ENDLESS = {b"infinity": datetime.max, b"-infinity": datetime.min}


class _Timestamp(TimestampLoader):
    def load(self, data: Buffer) -> datetime:
        return _ENDLESS.get(bytes(data)) or super().load(data)


class _Timestamptz(TimestamptzLoader):
    def load(self, data: Buffer) -> datetime:
        endless = _ENDLESS.get(bytes(data))
        return endless.replace(tzinfo=UTC) if endless else super().load(data)


def _unreachable(target: Target, error: psycopg.OperationalError) -> UnreachableError:
    # libpq indents a hint below each attempt; of several, the last failed like the others.
    tried = [line for line in str(error).strip().splitlines() if not line.startswith("\t")]
    return UnreachableError(target.place, redacted(tried[-1]), "check the address and the login")


def _prepare(conn: Session, target: Target, settings: Mapping[str, str]) -> None:
    """Choose our settings, once it is known that they do not land on the backend of others."""
    try:
        if _set(conn, settings, target.schema, end=poolers.end(conn)):
            return
        _probe(conn, target)
        _set(conn, settings, target.schema)
    except psycopg.errors.InvalidParameterValue:  # a platform without it refuses all but 0
        fewer = {k: v for k, v in settings.items() if k != "client_connection_check_interval"}
        _set(conn, fewer, target.schema)


def choose_again(conn: Session, target: Target) -> None:
    """Choose our settings and the schema of the URL once more, after a RESET ALL or the like."""
    _prepare(conn, target, _SETTINGS)


def _probe(conn: Session, target: Target) -> None:
    """Refuse a pooler that shares backends, by a second session; it needs room for that one."""
    with _opened(target) as other:
        try:
            poolers.refuse(conn, other, target.place, since=conn.began)
        except psycopg.OperationalError as error:
            problem = f"a second session gets no answer ({explain(error)})"
            remedy = "give the direct address of the database, or the pool room for more sessions"
            raise UnreachableError(target.place, problem, remedy) from None


def _set(
    conn: Session,
    settings: Mapping[str, str],
    schema: str | None,
    end: tuple[int, int] | None = None,
) -> bool:
    """Choose settings as far as the server has them; a shorter limit of the role's own stays.

    With `end`, only where the server sees just that: return whether it does. They are no startup
    parameters, which poolers refuse.
    """
    chosen = {**settings, "search_path": schema} if schema else settings
    row = conn.execute(
        """SELECT count(set_config(name, CASE name WHEN 'search_path' THEN quote_ident(value)
                                         ELSE value END, false))
           FROM unnest(%s::text[], %s::text[]) AS _(name, value)
           WHERE current_setting(name, true) IS NOT NULL
             AND (name <> 'statement_timeout'
                  OR current_setting(name)::interval NOT BETWEEN '1us' AND value::interval)
             AND (%s::bool OR (pg_backend_pid(), coalesce(inet_client_port(),
                                                          current_setting('port')::int)) = (%s, %s))
        """,
        [list(chosen), list(chosen.values()), end is None, *(end or (0, 0))],
    ).fetchone()
    return bool(row and row[0])


#: What a server may answer to a correct question: no connection, no right, no room, no time.
_ENVIRONMENT = re.compile(r"08|25006|28|42501|53|55P03|57|58|3D000")


@contextmanager
def translated(target: Target) -> Iterator[None]:
    """Turn what the environment refuses into UnreachableError; any other driver error is a bug."""
    try:
        yield
    except psycopg.Error as error:
        lost = isinstance(error, psycopg.OperationalError) and not error.sqlstate
        if not lost and not _ENVIRONMENT.match(error.sqlstate or ""):
            raise
        remedy = (
            "give the role what it lacks, as migsafe grants prints it"
            if error.sqlstate == "42501"
            else "check the server and the rights of the role"
        )
        raise UnreachableError(target.place, explain(error), remedy) from None


#: A statement of ours with %s for each value, and the values.
Write = tuple[str, Sequence[Any]]


def send(conn: Connection, *writes: Write) -> None:
    """Run statements of ours in one message of the simple protocol, in the caller's transaction."""
    execute(conn, "; ".join(filled(conn, writes)))


def commit(conn: Connection, *writes: Write, then: str = "") -> bool:
    """Send statements of ours, COMMIT, and SQL to go on with, in one message.

    The server runs nothing of a message after an error, so `then` runs only once the transaction is
    committed. Return False where it failed: that is no failure to commit, which is raised.
    """
    texts = [*filled(conn, writes), "COMMIT", *filter(None, [then])]
    committed = False
    for result in _answers(conn, "; ".join(texts)):
        if result.status == pq.ExecStatus.FATAL_ERROR:
            if committed:
                return False
            raise psycopg.errors.error_from_result(result, encoding="utf-8")
        committed = committed or result.command_status == b"COMMIT"
    return True


def filled(conn: Connection, writes: Sequence[Write]) -> list[str]:
    """Put quoted values into the placeholders of each query, in ASCII alone.

    A file may have chosen a client_encoding, or that backslashes escape in strings.
    """
    return [query % tuple(_literal(conn, value) for value in values) for query, values in writes]


def _literal(conn: Connection, value: Any) -> str:
    text = str(value)
    if value is None:
        return "NULL"
    if text.isascii():
        return pq.Escaping(conn.pgconn).escape_literal(text.encode()).decode()
    decoded = f"pg_catalog.decode('{text.encode().hex()}', 'hex')"
    return f"pg_catalog.convert_from({decoded}, 'UTF8')"


def in_utf8(conn: Connection) -> bool:
    """Tell whether the session still speaks the encoding that it began with."""
    return conn.pgconn.parameter_status(b"client_encoding") == b"UTF8"


def begins_read_only(conn: Connection) -> bool:
    """Tell whether a transaction would be read-only; PostgreSQL 13 does not say."""
    return conn.pgconn.parameter_status(b"default_transaction_read_only") == b"on"


def is_read_only(conn: Connection) -> bool:
    """Ask, in any encoding, whether the open transaction can write nothing."""
    return _answers(conn, "SHOW transaction_read_only")[-1].get_value(0, 0) == b"on"


def execute(
    conn: Connection,
    text: str,
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """Send text as it is, in one message of the simple protocol, and drop what it returns.

    `meanwhile` is called while the server works, and must leave the session alone.
    """
    for result in _answers(conn, text, meanwhile):
        if result.status == pq.ExecStatus.FATAL_ERROR:
            raise psycopg.errors.error_from_result(result, encoding="utf-8")


def _answers(
    conn: Connection, text: str, meanwhile: Callable[[], None] = lambda: None
) -> list[pq.abc.PGresult]:
    """Return what the server says to each statement of a message, ending with the first error.

    A cursor would do the same with five times the work, which a thousand small migrations show.
    """
    with conn.lock:
        conn.pgconn.send_query(text.encode())
        meanwhile()
        return conn.wait(generators.execute(conn.pgconn))


@cache
def template(query: str, *names: str) -> str:
    """Put a qualified name into each {} of a query with placeholders."""
    return sql.SQL(query).format(named(*names)).as_string()


def named(*names: str) -> sql.Composable:
    """Quote a qualified name for a query with placeholders, where psycopg takes % as its own.

    In ASCII alone, as a query goes out under the client_encoding that a file has chosen.
    """
    return sql.SQL(".".join(map(_identifier, names)).replace("%", "%%"))


def _identifier(name: str) -> str:
    if name.isascii():
        return sql.Identifier(name).as_string()
    quoted = name.replace("\\", "\\\\").replace('"', '""')
    return f'U&"{re.sub(_FOREIGN, _escaped, quoted)}"'


_FOREIGN = re.compile(r"[^\x00-\x7f]")


def _escaped(found: re.Match[str]) -> str:
    return f"\\+{ord(found[0]):06x}"


#: SQLSTATE classes whose primary message may quote a row's values or a program's own text.
_VALUE_BEARING = re.compile(r"22|P0|XX|38|39|2F")


#: SQLSTATE class of constraints, whose messages quote names alone: the row is in DETAIL.
_CONSTRAINTS = "23"

#: SQLSTATEs whose message has without quotation marks what a row's value may be cast to.
_UNQUOTED = ("42601", "42602", "42883")

#: What a message quotes, in the quotation marks of PostgreSQL's translations.
_QUOTED = re.compile(r"[\"„“«»]\s?(.+?)\s?[\"“”«»]")


def explain(error: psycopg.Error, sent: str | None = None) -> str:
    """Say what the server refused, in one line that holds no row value.

    DETAIL, CONTEXT and the messages of data exceptions quote rows, so they stay in the server's
    log (https://www.postgresql.org/docs/current/errcodes-appendix.html has the classes). `sent` is
    the SQL that a person wrote, None where it is ours.
    """
    diag = error.diag
    if not error.sqlstate:
        return redacted(" ".join(str(error).split())) or "the connection was lost"
    message = diag.message_primary or type(error).__name__
    if sent is not None and _may_quote_rows(error, message, sent):
        message = f"{_condition(error)} (the server's log has the text, which may quote rows)"
    return redacted(f"{error.sqlstate}: {message}{_where(diag, sent)}")


def _may_quote_rows(error: psycopg.Error, message: str, sent: str) -> bool:
    """Tell whether a message may hold what is not in the SQL that was sent.

    A context means that a function speaks, with any text and any code. Without a position it may
    be from run time, where a function that reads a file names it, and a cast to regclass names the
    value as if it were an undefined table.
    """
    diag, code = error.diag, error.sqlstate or ""
    if diag.context or diag.internal_query or _VALUE_BEARING.match(code):
        return True
    if diag.statement_position or code.startswith(_CONSTRAINTS):
        return False
    said = sent + sent.lower()  # names without quotation marks are folded
    return code in _UNQUOTED or any(name not in said for name in _QUOTED.findall(message))


def _condition(error: psycopg.Error) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__).lower()


def _where(diag: psycopg.errors.Diagnostic, sent: str | None) -> str:
    names = [n for n in (diag.schema_name, diag.table_name, diag.column_name) if n]
    if diag.context and sent is not None:
        names = [name for name in names if name in sent]  # RAISE sets them to any text
    return f" [{'.'.join(names)}]" if names else ""
