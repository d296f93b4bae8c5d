"""A database's schema as atomic facts (`migsafe.facts`), read from its catalogs; never written.

Each fact has an owner: the relation, type or function that it lives with, or ``other``. What an
extension owns, temporary objects, the ledgers of migration tools and migsafe's own are left out.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache, partial
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from migsafe import catalog
from migsafe.catalog import grants, others, printing, queries
from migsafe.catalog.queries import MISSING, Question
from migsafe.errors import UnreachableError
from migsafe.facts import Key
from migsafe.target import Connection

#: ``("relation", oid)``, ``("type", oid)``, ``("function", oid)`` or ``("other", 0)``.
Owner = tuple[str, int]

Touched = Mapping[str, Collection[int]]

Row = tuple[Any, ...]

#: What changes how the server prints a definition, and what only slows down questions so small.
SETTINGS = {
    "search_path": "",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "quote_all_identifiers": "off",
    "standard_conforming_strings": "on",
    "lc_monetary": "C",
    "xmlbinary": "base64",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
}

#: Schemas that a tool made for its ledger alone.
_OF_TOOLS = {name.partition(".")[0] for name in catalog.LEDGERS if "." in name}

_NOT_OURS = sorted(_OF_TOOLS | {"information_schema", "migsafe", "migsafe_shadow"})

_MAKERS = queries.MAKERS | {"other": others.MAKERS}


def read(conn: Connection, touched: Touched | None = None) -> dict[Owner, dict[Key, str]]:
    """Return the facts of the schema by their owner: of all owners, or of those in `touched`.

    One moment's picture, in a transaction of its own or in the caller's. A touched owner that is
    not in the answer is gone. Statements are prepared where ``conn.prepare_threshold`` is not None.
    Raises UnreachableError where the schema changed so that a definition could not be had.
    """
    asked = list(_asked(conn.info.server_version, touched))
    picture = _Picture(conn.info.server_version)
    texts = [(question.text, values) for question, values in asked]
    answers = _ask(conn, texts, few=touched is not None)
    for (question, _), rows in zip(asked, answers, strict=True):
        picture.add(question, rows)
    picture.check()
    picture.leave_out_ledgers()
    return picture.owners


def facts(owners: Mapping[Owner, Mapping[Key, str]]) -> dict[Key, str]:
    """Return all facts of a reading in one mapping."""
    return {key: value for owned in owners.values() for key, value in owned.items()}


def dependents(conn: Connection, touched: Touched) -> dict[str, set[int]]:
    """Return `touched` and what may print differently after a change of it, one step away.

    A relation may also be an index, or that of a composite type. Where a schema, role, collation or
    operator is renamed only a full reading serves: too much is printed with their names.
    """
    values = {
        f"{kind}s": _array(touched.get(kind, ())) for kind in ("relation", "type", "function")
    }
    wider = {kind: set(oids) for kind, oids in touched.items()}
    for rows in _ask(conn, [(others.DEPENDENTS, values)], few=True):
        for kind, oid in rows:
            wider.setdefault(kind, set()).add(int(oid))
    return wider


@cache
def _questions(owner: str, version: int, some: bool) -> tuple[Question, ...]:
    """Return what to ask about one class of owners, itself first."""
    return tuple(make(version, some) for make in _MAKERS[owner])


#: A question with the values of its placeholders.
_Asked = tuple[Question, Mapping[str, object]]


def _asked(version: int, touched: Touched | None) -> Iterator[_Asked]:
    for owner in _MAKERS:
        oids = None if touched is None else touched.get(owner, ())
        if oids is not None and not oids:
            continue
        some = oids is not None and owner != "other"
        values: dict[str, object] = {"tools": _NOT_OURS} if owner == "other" else {}
        if some:
            values = {"oids": _array(oids or ())}
        for question in _questions(owner, version, some):
            yield question, values


def _array(oids: Iterable[int]) -> str:
    """Write oids as one parameter of one type, so that every call can use the same plan."""
    return f"{{{','.join(map(str, oids))}}}"


#: A plan for a few owners is kept while the catalogs grow: it has to go by their indexes.
_FOR_FEW = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}


def _set(settings: Mapping[str, str]) -> str:
    calls = (f"pg_catalog.set_config('{name}', '{v}', true)" for name, v in settings.items())
    return f"SELECT {', '.join(calls)}"


_SET = _set(SETTINGS)
_SET_FOR_FEW = _set(SETTINGS | _FOR_FEW)

_OWN_TRANSACTION = ("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", ("COMMIT",))
_BEGUN_BY_THE_DRIVER = ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY", ("COMMIT",))
_IN_THE_CALLERS = (
    "SAVEPOINT migsafe_facts",
    ("ROLLBACK TO SAVEPOINT migsafe_facts", "RELEASE SAVEPOINT migsafe_facts"),
)


#: The text of a query and the values of its placeholders.
_Query = tuple[str, Mapping[str, object]]


def _ask(conn: Connection, asked: list[_Query], *, few: bool) -> Iterator[list[Row]]:
    """Send all queries in one round trip; the settings that they need end with them."""
    try:
        cursors = _send(conn, asked, few=few)
    except psycopg.errors.InvalidSqlStatementName:
        # The session was told to forget its prepared statements (DISCARD, DEALLOCATE).
        cursors = _send(conn, asked, few=few, prepare=False)
    except psycopg.errors.InternalError_:
        # A cache lookup failed: the functions that print see later than the snapshot.
        raise _dropped() from None
    for cursor in cursors:
        with cursor:
            yield cursor.fetchall()


def _send(
    conn: Connection, asked: list[_Query], *, few: bool, prepare: bool = True
) -> list[psycopg.Cursor[Row]]:
    opening, closing = _frame(conn)
    failed = conn.info.transaction_status == TransactionStatus.INERROR
    prepare = prepare and few
    try:
        with conn.pipeline() as pipeline:
            conn.execute(opening, prepare=False)
            conn.execute(_SET_FOR_FEW if few else _SET, prepare=prepare)
            cursors = [conn.execute(text, values, prepare=prepare) for text, values in asked]
            for command in closing:
                _enqueue(pipeline, conn, command)
    finally:
        if conn.info.transaction_status == TransactionStatus.INERROR and not failed:
            for command in closing:
                conn.execute(command, prepare=False)
    return cursors


def _enqueue(pipeline: psycopg.Pipeline, conn: Connection, command: str) -> None:
    """Send a command that psycopg does not look at: a ROLLBACK lets it forget what is prepared."""
    pipeline.command_queue.append(partial(conn.pgconn.send_query_params, command.encode(), None))
    pipeline.result_queue.append(None)


def _frame(conn: Connection) -> tuple[str, tuple[str, ...]]:
    """Return what begins a reading, and what ends it however it went."""
    if conn.info.transaction_status != TransactionStatus.IDLE:
        return _IN_THE_CALLERS
    return _OWN_TRANSACTION if conn.autocommit else _BEGUN_BY_THE_DRIVER


_MISSING = {MISSING, f"stored: {MISSING}", f"virtual: {MISSING}"}


def _dropped() -> UnreachableError:
    problem = "something was dropped while it was read"
    return UnreachableError("schema", problem, "run the command again")


class _Picture:
    """The facts so far, by owner. An owner comes before what belongs to it."""

    def __init__(self, version: int) -> None:
        self._version = version
        self.owners: dict[Owner, dict[Key, str]] = {}
        self._names: dict[Owner, tuple[str, str]] = {("other", 0): ("", "")}
        self._tables: dict[int, tuple[str, str]] = {}
        self._same: dict[str, str] = {}

    def add(self, question: Question, rows: list[Row]) -> None:
        """Turn the answer to one question into facts."""
        if question.owner == "other":
            self.owners.setdefault(("other", 0), {})
        if question.shape == "owner":
            self._begin(question, rows)
        elif question.shape == "part":
            self._add_parts(question, rows)
        elif question.shape == "fact":
            self._add_facts(question, rows)
        else:
            self._add_grants(question, rows)

    def _begin(self, question: Question, rows: list[Row]) -> None:
        for oid, kind, name, *values in rows:
            owner = (question.owner, oid)
            self._names[owner] = (kind, name)
            self.owners[owner] = {
                Key(kind, name, "", aspect): self._shared(value)
                for aspect, value in zip(question.aspects, values, strict=False)
                if value is not None
            }
            if question.owner == "relation":
                self._tables[oid] = (values[-2], values[-1])
                self._print_view(owner, Key(kind, name, "", "definition"))

    def _print_view(self, owner: Owner, key: Key) -> None:
        if definition := self.owners[owner].get(key):
            self.owners[owner][key] = printing.view(definition, self._version)

    def _add_parts(self, question: Question, rows: list[Row]) -> None:
        for oid, kind, part, *values in rows:
            owner = (question.owner, oid)
            if owner not in self._names:
                continue
            owned, name, shared = self.owners[owner], self._names[owner][1], self._shared(part)
            for aspect, value in zip(question.aspects, values, strict=False):
                if value is not None:
                    owned[Key(kind, name, shared, aspect)] = self._shared(value)

    def _add_facts(self, question: Question, rows: list[Row]) -> None:
        for oid, kind, name, part, aspect, value in rows:
            owner = (question.owner, oid)
            if owner in self._names:
                own_kind, own_name = self._names[owner]
                key = Key(kind or own_kind, name or own_name, part, aspect)
                self.owners[owner][key] = self._shared(value)

    def _add_grants(self, question: Question, rows: list[Row]) -> None:
        for oid, kind, name, part, granted, default in rows:
            owner = (question.owner, oid)
            if owner not in self._names:
                continue
            own_kind, own_name = self._names[owner]
            for grantee, privileges in grants.beyond(granted, default).items():
                # A column's grantees share the fact: its part is the column.
                key = Key(kind or own_kind, name or own_name, part or grantee, "grant")
                said = f"{grantee}: {privileges}" if part else privileges
                before = self.owners[owner].get(key)
                self.owners[owner][key] = f"{before}; {said}" if before else said

    def _shared(self, text: str) -> str:
        """Return the one copy of a text that is kept: most values are the same few."""
        return self._same.setdefault(text, text)

    def check(self) -> None:
        """Raise UnreachableError where the server gave no definition of something."""
        # A generated column has the words of its kind before the definition.
        if not _MISSING.isdisjoint(self._same):
            raise _dropped()

    def leave_out_ledgers(self) -> None:
        """Take out the tables in which tools keep their histories, and the sequences of these."""
        for oid, (schema, name) in self._tables.items():
            if _may_be_ledger(schema, name) and self._is_ledger(oid, schema, name):
                del self.owners["relation", oid]

    def _is_ledger(self, oid: int, schema: str, name: str) -> bool:
        """Tell whether a table is a ledger by its name and columns, or is a ledger's sequence."""
        owned = self.owners["relation", oid]
        columns = (
            f"{key.part} {value.partition('(')[0]}"
            for key, value in owned.items()
            if key.kind == "column" and key.aspect == "type"
        )
        # The columns come in any order; in this one golang-migrate's version is before its dirty.
        return bool(catalog._tool(schema, name, sorted(columns, reverse=True)))


def _may_be_ledger(schema: str, name: str) -> bool:
    return name == "schema_migrations" or bool(
        catalog.LEDGERS.get(name) or catalog.LEDGERS.get(f"{schema}.{name}")
    )
