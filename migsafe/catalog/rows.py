"""The catalogs' answers row by row, for a session of our own that asks again and again.

Two readings are compared as sets of rows, and only rows that differ become facts: most of a partial
reading is known already. The questions stay prepared on the server, and one message asks them all.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import psycopg
from msgspec import Struct
from psycopg import generators
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from migsafe import facts
from migsafe.catalog import others, schema
from migsafe.catalog.picture import Owner, Picture, Row, may_be_ledger
from migsafe.catalog.queries import Question, Topic
from migsafe.facts import Change, Key
from migsafe.target import Connection

#: A row with the number of its question.
Part = tuple[int, Row]


class Owned(NamedTuple):
    """What the catalogs say of one owner: the row that names it, and all others.

    The others are keys, in the order of the answers, which two equal ones need not share.
    """

    head: Part | None
    parts: Mapping[Part, None]


Owners = Mapping[Owner, Owned]

_NOTHING = Owned(None, {})
_NONE: Owners = {}


class Call(Struct, frozen=True):
    """A question, the name under which it is prepared, and its parameters, which need no quotes."""

    name: str
    text: str
    values: tuple[str, ...] = ()


class Reader:
    """Questions to one session. What it prepares there is prepared again where it is forgotten."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._prepared: set[str] = set()
        version = conn.info.server_version
        self._version = version
        self._all = schema.questions(version, some=False)
        self._some = schema.questions(version, some=True)

    def read(self) -> dict[Owner, Owned]:
        """Return everything."""
        texts = (question.text % {"tools": f"'{schema.TOOLS}'"} for question in self._all)
        calls = [Call(f"all_{number}", text) for number, text in enumerate(texts)]
        found = _by_owner(enumerate(self._all), self.ask(calls, "all"))
        return {("other", 0): _NOTHING} | found

    def read_some(
        self,
        touched: schema.Touched,
        known: Owners,
        *,
        indexed: Collection[int] = (),
        same: Collection[Topic] = (),
    ) -> Callable[[], dict[Owner, Owned]]:
        """Read some relations, types and functions, without their grants.

        One that is not in the answer is gone. Those that are `known` keep their kind; a relation
        keeps all but its indexes if it is in `indexed`, and what is the `same` in any case. What
        is returned makes rows of the answer, and the session may do something else meanwhile.
        """
        asked: list[tuple[int, Question]] = []
        calls: list[Call] = []
        stays: dict[Owner, set[int]] = {}
        for number, question in enumerate(self._some):
            oids = []
            for oid in touched.get(question.owner, ()) if question.shape != "grant" else ():
                owned = known.get((question.owner, oid))
                only = oid in indexed  # which are relations
                if _is_open((number, question), owned, only_indexes=only, same=same):
                    oids.append(oid)
                elif owned:
                    stays.setdefault((question.owner, oid), set()).add(number)
            if oids:
                asked.append((number, question))
                text = question.text % {"oids": "$1"}
                calls.append(Call(f"some_{number}", text, (schema.array(oids),)))
        answers = self._asked(calls, "some")
        kept = {owner: _part(known[owner], numbers) for owner, numbers in stays.items()}
        return lambda: _by_owner(asked, self._rows(answers), kept)

    def dependents(self, touched: schema.Touched) -> dict[str, set[int]]:
        """Return what `schema.dependents` does."""
        return self._wider(touched, "dependents", others.DEPENDENTS)

    def family(self, touched: schema.Touched) -> dict[str, set[int]]:
        """Return `touched` and what inherits from its relations, to the last partition."""
        return self._wider(touched, "family", others.FAMILY)

    def _wider(self, touched: schema.Touched, name: str, query: str) -> dict[str, set[int]]:
        values = schema.depended(touched)
        text = query % {kind: f"${number}" for number, kind in enumerate(values, start=1)}
        (rows,) = self.ask([Call(name, text, tuple(values.values())[: text.count("$")])])
        return schema.wider(touched, rows)

    def facts(self, owners: Iterable[Owned]) -> dict[Key, str]:
        """Return the facts that rows amount to."""
        answers: dict[int, list[Row]] = {}
        for head, parts in owners:
            for number, row in (*([head] if head else ()), *parts):
                answers.setdefault(number, []).append(row)
        found = Picture(self._version)
        for number in sorted(answers):
            found.add(self._all[number], answers[number])
        found.finish()
        return schema.facts(found.owners)

    def changes(self, before: Owners, after: Owners) -> dict[Key, Change]:
        """Return the facts that differ between two readings, of those that are compared."""
        pairs = [
            _differing(before.get(owner, _NOTHING), after.get(owner, _NOTHING))
            for owner in {**before, **after}
            if before.get(owner) != after.get(owner)
        ]
        old, new = (self.facts(pair[side] for pair in pairs) for side in (0, 1))
        return facts.delta(facts.kept(old), facts.kept(new))

    def ask(
        self, calls: Sequence[Call], settings: schema.Needs = "plans", first: str = ""
    ) -> list[list[Row]]:
        """Return the answers to questions, which are sent in one message, after `first`.

        The settings that they need end with them.
        """
        return self._rows(self._asked(calls, settings, first))

    def _asked(
        self, calls: Sequence[Call], settings: schema.Needs, first: str = ""
    ) -> list[PGresult]:
        calls = [Call(f"set_{settings}", schema.settings(settings)), *calls]
        try:
            return self._answers(calls, first)[1:]
        except psycopg.errors.InvalidSqlStatementName:
            # The session was told to forget what is prepared (DISCARD, DEALLOCATE).
            self._conn.execute("DEALLOCATE ALL")
            self._prepared.clear()
            return self._answers(calls, first)[1:]

    def _answers(self, calls: Sequence[Call], first: str) -> list[PGresult]:
        status = self._conn.info.transaction_status
        # Outside of a transaction the message is one.
        opening, closing = ("", ()) if status == TransactionStatus.IDLE else schema.SAVEPOINT
        new = [call for call in calls if call.name not in self._prepared]
        texts = [f"PREPARE migsafe_{call.name} AS {call.text}" for call in new]
        texts += [_execute(call) for call in calls]
        try:
            found = _sent(self._conn, ";".join(filter(None, [first, opening, *texts])))
        finally:
            if status != TransactionStatus.INERROR:
                for command in closing:
                    self._conn.execute(command.encode())
        self._prepared.update(call.name for call in new)
        return found

    def _rows(self, answers: Iterable[PGresult]) -> list[list[Row]]:
        loader = Transformer(self._conn)
        found: list[list[Row]] = []
        for answer in answers:
            loader.set_pgresult(answer)
            found.append(loader.load_rows(0, answer.ntuples, tuple))
        return found


def _sent(conn: Connection, message: str) -> list[PGresult]:
    """Send statements in the simple protocol; return the answers of those that return rows.

    A cursor would do the same with twice the work, which a thousand small migrations show.
    """
    with conn.lock:
        conn.pgconn.send_query(message.encode())
        results = conn.wait(generators.execute(conn.pgconn))
    for result in results:
        if result.status == ExecStatus.FATAL_ERROR:
            raise psycopg.errors.error_from_result(result, encoding=conn.info.encoding)
    return [result for result in results if result.status == ExecStatus.TUPLES_OK]


def _is_open(
    asked: tuple[int, Question],
    owned: Owned | None,
    *,
    only_indexes: bool,
    same: Collection[Topic],
) -> bool:
    """Tell whether the answer about an owner may be another one than before."""
    number, question = asked
    if question.topic == "details" and "details" in same:  # a new relation has none
        return owned is not None and any(part[0] == number for part in owned.parts)
    if not owned:
        return True
    if question.kind and owned.head and owned.head[1][1] != question.kind:
        return False
    if question.owner != "relation":
        return True
    return question.topic == "indexes" if only_indexes else question.topic not in same


def _part(owned: Owned, numbers: Collection[int]) -> Owned:
    """Return the rows of some questions."""
    head = owned.head if owned.head and owned.head[0] in numbers else None
    return Owned(head, {part: None for part in owned.parts if part[0] in numbers})


def _execute(call: Call) -> str:
    values = ", ".join(f"'{value}'" for value in call.values)
    return f"EXECUTE migsafe_{call.name}" + f"({values})" * bool(values)


def _by_owner(
    asked: Iterable[tuple[int, Question]], answers: Iterable[list[Row]], kept: Owners = _NONE
) -> dict[Owner, Owned]:
    """Sort rows to their owners, with those `kept`; what has no head is left out."""
    heads: dict[Owner, Part | None] = {("other", 0): None}
    heads |= {owner: owned.head for owner, owned in kept.items() if owned.head}
    parts: dict[Owner, list[Part]] = {owner: [*owned.parts] for owner, owned in kept.items()}
    for (number, question), rows in zip(asked, answers, strict=True):
        kind = question.owner
        if question.shape == "owner":
            heads |= {(kind, row[0]): (number, row) for row in rows}
            continue
        for row in map(_hashable, rows) if question.shape == "grant" else rows:
            parts.setdefault((kind, row[0]), []).append((number, row))
    return {
        owner: Owned(head, dict.fromkeys(parts.get(owner, ())))
        for owner, head in heads.items()
        if head or owner in parts
    }


def _hashable(row: Row) -> Row:
    return tuple(tuple(value) if isinstance(value, list) else value for value in row)


def _differing(before: Owned, after: Owned) -> tuple[Owned, Owned]:
    """Leave out the rows that are the same, where a row's facts do not depend on other rows."""
    old, new = before.head, after.head
    named = old[1][:3] == new[1][:3] if old and new else old is new
    if not named or (old and _may_be_ledger(old)) or (new and _may_be_ledger(new)):
        return before, after
    return _without(before, after.parts), _without(after, before.parts)


def _without(owned: Owned, same: Mapping[Part, None]) -> Owned:
    return Owned(owned.head, {part: None for part in owned.parts if part not in same})


def _may_be_ledger(head: Part) -> bool:
    """Tell whether a head may be that of a ledger, which has no facts if its columns are so."""
    number, row = head
    return number == 0 and may_be_ledger(str(row[-1] or row[2]))
