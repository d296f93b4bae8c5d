"""A database's schema as atomic facts (`migsafe.facts`), read from its catalogs; never written.

Each fact has an owner: the relation, type or function that it lives with, or ``other``. What an
extension owns, temporary objects, the ledgers of migration tools and migsafe's own are left out.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache, partial
from typing import Literal

import psycopg
from psycopg.pq import TransactionStatus

from migsafe import catalog
from migsafe.catalog import others, picture, queries
from migsafe.catalog.picture import Owner, Picture, Row
from migsafe.catalog.queries import Question
from migsafe.facts import Key
from migsafe.target import Connection

Touched = Mapping[str, Collection[int]]

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

#: The same as the text of an array.
TOOLS = f"{{{','.join(_NOT_OURS)}}}"

_MAKERS = queries.MAKERS | {"other": others.MAKERS}


def read(conn: Connection, touched: Touched | None = None) -> dict[Owner, dict[Key, str]]:
    """Return the facts of the schema by their owner: of all owners, or of those in `touched`.

    One moment's picture, in a transaction of its own or in the caller's. A touched owner that is
    not in the answer is gone. Statements are prepared where ``conn.prepare_threshold`` is not None.
    Raises UnreachableError where the schema changed so that a definition could not be had.
    """
    asked = list(_asked(conn.info.server_version, touched))
    found = Picture(conn.info.server_version)
    texts = [(question.text, values) for question, values in asked]
    answers = _ask(conn, texts, few=touched is not None)
    for (question, _), rows in zip(asked, answers, strict=True):
        found.add(question, rows)
    found.finish()
    return found.owners


def facts(owners: Mapping[Owner, Mapping[Key, str]]) -> dict[Key, str]:
    """Return all facts of a reading in one mapping."""
    return {key: value for owned in owners.values() for key, value in owned.items()}


def dependents(conn: Connection, touched: Touched) -> dict[str, set[int]]:
    """Return `touched` and what may print differently after a change of it, one step away.

    A relation may also be an index, or that of a composite type. Where a schema, role, collation or
    operator is renamed only a full reading serves: too much is printed with their names.
    """
    (rows,) = _ask(conn, [(others.DEPENDENTS, depended(touched))], few=True)
    return wider(touched, rows)


def depended(touched: Touched) -> dict[str, str]:
    """Return the values of the placeholders of `others.DEPENDENTS`."""
    return {f"{kind}s": array(touched.get(kind, ())) for kind in ("relation", "type", "function")}


def wider(touched: Touched, hanging: Iterable[Row]) -> dict[str, set[int]]:
    """Return `touched` with the answer of `others.DEPENDENTS`."""
    united = {kind: set(oids) for kind, oids in touched.items()}
    for kind, oid in hanging:
        united.setdefault(kind, set()).add(int(oid))
    return united


def questions(version: int, *, some: bool) -> tuple[Question, ...]:
    """Return everything that is asked, with the same numbers for some owners as for all."""
    return tuple(question for owner in _MAKERS for question in _questions(owner, version, some))


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
            values = {"oids": array(oids or ())}
        for question in _questions(owner, version, some):
            yield question, values


def array(oids: Iterable[int]) -> str:
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
    return f"SELECT pg_catalog.concat({', '.join(calls)})"


#: What a question needs: that of everything, that of a few, or one that prints no definition.
Needs = Literal["all", "some", "plans"]

_SETTINGS: Mapping[Needs, str] = {
    "all": _set(SETTINGS),
    "some": _set(SETTINGS | _FOR_FEW),
    "plans": _set(_FOR_FEW),
}


def settings(needs: Needs) -> str:
    """Return the statement that sets what questions need, until the transaction ends."""
    return _SETTINGS[needs]


_OWN_TRANSACTION = ("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", ("COMMIT",))
_BEGUN_BY_THE_DRIVER = ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY", ("COMMIT",))
#: What begins and what ends a reading in the caller's transaction.
SAVEPOINT = (
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
        raise picture.dropped() from None
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
            conn.execute(settings("some" if few else "all"), prepare=prepare)
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
        return SAVEPOINT
    return _OWN_TRANSACTION if conn.autocommit else _BEGUN_BY_THE_DRIVER
