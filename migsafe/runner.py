"""Run the steps of a plan on one session, with bounded locks, receipts and the tool's own record.

A migration that can run in a transaction runs in one, together with its record and its receipt.
Migration text goes to the server as it is written, never through a template.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

import psycopg
from psycopg import errors, sql
from psycopg.pq import TransactionStatus

from migsafe import catalog, histories, ledger, target
from migsafe.histories import History
from migsafe.ledger import Receipt
from migsafe.target import Connection, Write

if TYPE_CHECKING:  # the parser is heavy, and a command that runs nothing does without it
    from migsafe.plan import Step
    from migsafe.sql import Statement


class Outcome(StrEnum):
    """How a step ended (CONTRACT, `steps[].outcome`)."""

    DONE = "done"
    BUSY = "busy"
    FAILED = "failed"
    DIRTY = "dirty"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What became of one step; `seconds` covers all attempts, `line` is that of the failure."""

    migration: str
    outcome: Outcome
    attempts: int = 0
    seconds: float = 0.0
    error: str | None = None
    statement: int | None = None
    line: int | None = None
    interrupted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a statement may queue for a lock, and how often it is tried."""

    lock_timeout: str
    attempts: int


class _Stopped(Exception):
    """A statement, or our own part where that is None, did not get through."""

    def __init__(
        self, cause: psycopg.Error | KeyboardInterrupt, statement: Statement | None
    ) -> None:
        super().__init__()
        self.cause = cause
        self.statement = statement

    @property
    def refused(self) -> bool:
        """Whether the server itself said no, so that its answer is known."""
        return isinstance(self.cause, psycopg.Error) and self.cause.sqlstate is not None


#: A file may end under another role or with a timeout of its own; our rows must not.
_AS_OURSELVES = (sql.SQL("SET LOCAL ROLE NONE; SET LOCAL statement_timeout = 0").format(), ())
_COMMIT = (sql.SQL("COMMIT").format(), ())

#: What is worth another attempt, once the transaction is rolled back.
_RETRIED = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure)


@dataclass(slots=True, kw_only=True)
class Runner:
    """Runs steps on `conn`, an autocommit session that nothing else uses."""

    conn: Connection
    history: History
    run_id: str
    limits: Limits
    #: The most attempts that a unit (transaction or statement) of this step took.
    _attempts: int = 0
    #: Whether something of this step is in effect outside a transaction.
    _touched: bool = False
    #: Whether the ledger and the history's table are there, committed.
    _prepared: bool = False

    def run(self, steps: Sequence[Step]) -> Iterator[StepResult]:
        """Yield one result a step; after the first that is not done, the rest are skipped.

        Lazy: a caller that stops consuming stops the run at that boundary.
        """
        stopped = False
        for step in steps:
            if stopped:
                yield StepResult(migration=step.migration.name, outcome=Outcome.SKIPPED)
                continue
            began, self._attempts = time.monotonic(), 0
            result = self._alone(step) if step.alone else self._together(step)
            stopped = result.outcome is not Outcome.DONE or result.interrupted
            seconds = round(time.monotonic() - began, 3)
            yield replace(result, seconds=seconds, attempts=self._attempts)

    def _together(self, step: Step) -> StepResult:
        """Run a migration, its record and its receipt in one transaction."""
        committing = False

        def attempt() -> None:
            nonlocal committing
            committing, started = False, datetime.now(UTC)
            self._begin()
            self._prepare()
            for statement in step.statements:
                self._execute(statement)
            committing = True
            self._record(step, self.history.record(step.migration, started))

        try:
            self._retrying(attempt)
        except _Stopped as stopped:
            if committing and not stopped.refused:
                return self._after_commit(step, stopped)
            return _result(step, stopped, _outcome(stopped.cause))
        return StepResult(migration=step.migration.name, outcome=Outcome.DONE)

    def _after_commit(self, step: Step, stopped: _Stopped) -> StepResult:
        """Decide by the receipt what became of a COMMIT whose answer never came."""
        failed = _result(step, stopped, Outcome.FAILED)
        try:
            done = ledger.is_done(self.conn, self.run_id, step.migration.name)
        except psycopg.Error:
            error = "the connection was lost during COMMIT; migsafe status says what is recorded"
            return replace(failed, outcome=Outcome.DIRTY, error=error)
        return replace(failed, outcome=Outcome.DONE, error=None) if done else failed

    def _alone(self, step: Step) -> StepResult:
        """Run a migration statement by statement, each with a receipt; `began` is committed first.

        When nothing of it is in effect after a failure, its start is taken back.
        """
        started = datetime.now(UTC)
        try:
            before = self._invalid_indexes()
            self._retrying(lambda: self._start(step))
        except _Stopped as stopped:
            outcome = _outcome(stopped.cause) if stopped.refused else Outcome.DIRTY
            return _result(step, stopped, outcome)
        self._touched = False
        try:
            for statement in step.statements:
                self._single(step, statement)
            if left := self._left_invalid(step, before):
                return _invalid(step, left)
            self._retrying(lambda: self._finish(step, started))
        except _Stopped as stopped:
            clean = self._untouched(stopped, before) and self._withdrawn(step)
            return _result(step, stopped, _outcome(stopped.cause) if clean else Outcome.DIRTY)
        return StepResult(migration=step.migration.name, outcome=Outcome.DONE)

    def finish(self, step: Step, *, is_open: bool) -> StepResult:
        """Run the rest of a migration whose first statements are in effect, and record it.

        `is_open` says that its start is recorded already. It stays unfinished where this fails.
        """
        began, self._attempts, started = time.monotonic(), 0, datetime.now(UTC)
        try:
            before = self._invalid_indexes()
            if not is_open:
                self._retrying(lambda: self._start(step))
            for statement in step.statements:
                self._single(step, statement)
            if left := self._left_invalid(step, before):
                result = _invalid(step, left)
            else:
                self._retrying(lambda: self._finish(step, started))
                result = StepResult(migration=step.migration.name, outcome=Outcome.DONE)
        except _Stopped as stopped:
            result = _result(step, stopped, Outcome.DIRTY)
        seconds = round(time.monotonic() - began, 3)
        return replace(result, seconds=seconds, attempts=self._attempts)

    def _start(self, step: Step) -> None:
        self._begin()
        self._prepare()
        with _ours():
            self.history.began(self.conn, step.migration)
        self._commit(self._receipt(step, "began"))

    def _single(self, step: Step, statement: Statement) -> None:
        """Run one statement and write its receipt, in one transaction where that can be.

        What PostgreSQL refuses there is tried once: a second try could meet what the first left.
        """
        if self._idle and not statement.refuses:
            self._retrying(lambda: self._enclosed(step, statement))
            self._touched = True
        else:
            self._retrying(lambda: self._bare(step, statement), attempts=1)

    def _enclosed(self, step: Step, statement: Statement) -> None:
        self._begin()
        self._execute(statement)
        self._commit(self._receipt(step, "statement", statement.index))

    def _bare(self, step: Step, statement: Statement) -> None:
        idle = self._idle
        self._execute(statement)
        self._touched = self._touched or self._idle
        with _ours():
            if idle and not self._idle:  # the file's own BEGIN
                target.execute(self.conn, self._bound)
            target.send(self.conn, self._receipt(step, "statement", statement.index))

    def _finish(self, step: Step, started: datetime) -> None:
        self._begin()
        self._record(step, self.history.finish(step.migration, started))

    def _invalid_indexes(self) -> frozenset[tuple[int, str]]:
        with _ours():
            return catalog.invalid_indexes(self.conn)

    def _left_invalid(self, step: Step, before: frozenset[tuple[int, str]]) -> list[str]:
        """Name the INVALID indexes that the step made, or took for made by IF NOT EXISTS."""
        named = {getattr(statement.node, "idxname", None) for statement in step.statements}
        invalid = self._invalid_indexes()
        return sorted(name for oid, name in invalid if (oid, name) not in before or name in named)

    def _untouched(self, stopped: _Stopped, before: frozenset[tuple[int, str]]) -> bool:
        """Tell whether a failure has surely left nothing of the migration in effect."""
        from migsafe.sql import ALL_OR_NOTHING

        statement = stopped.statement
        refuses = statement.refuses if statement else None
        enclosed = statement is not None and refuses is None  # rolled back, whatever stopped it
        if self._touched or self.conn.closed or not (enclosed or stopped.refused):
            return False
        try:
            return refuses in ALL_OR_NOTHING and self._invalid_indexes() == before
        except _Stopped:
            return False

    def _withdrawn(self, step: Step) -> bool:
        """Take the start back; return False where even that failed, so that it stays unfinished."""
        try:
            self._begin()
            with _ours():
                self.history.withdraw(self.conn, step.migration)
            self._commit(self._receipt(step, "failed"))
        except _Stopped:
            self._roll_back()
            return False
        return True

    def _record(self, step: Step, row: Write) -> None:
        """Commit with the tool's row and our receipt."""
        self._commit(_AS_OURSELVES, row, self._receipt(step, "done"))

    def _receipt(self, step: Step, event: str, statement: int | None = None) -> Write:
        return ledger.write(
            Receipt(
                run=self.run_id,
                history=histories.identity(self.history),
                migration=step.migration.name,
                checksum=step.migration.checksum,
                event=event,
                statement=statement,
            )
        )

    def _begin(self) -> None:
        """Open a transaction with the short lock_timeout; ask before it what it has to make.

        A question inside would keep a file's SET TRANSACTION from being first.
        """
        with _ours():
            if not self._prepared:
                self._prepared = ledger.exists(self.conn) and self.history.present(self.conn)
            target.execute(self.conn, f"BEGIN; {self._bound}")

    def _commit(self, *writes: Write) -> None:
        """Send statements of ours with the COMMIT, in one message: small migrations are many."""
        with _ours():
            target.send(self.conn, *writes, _COMMIT)
        self._prepared = True

    def _prepare(self) -> None:
        """Make the ledger and the history's table in this transaction, if none before it has."""
        if not self._prepared:
            with _ours():
                ledger.prepare(self.conn)
                self.history.prepare(self.conn)

    @property
    def _bound(self) -> str:
        """What keeps the statements of a transaction from queueing for a lock for long."""
        timeout = sql.Literal(self.limits.lock_timeout).as_string(self.conn)
        return f"SET LOCAL lock_timeout = {timeout}"

    def _execute(self, statement: Statement) -> None:
        """Send one statement as it is written, in the simple protocol."""
        try:
            target.execute(self.conn, statement.text)
        except (psycopg.Error, KeyboardInterrupt) as error:
            raise _Stopped(error, statement) from None

    def _retrying(self, unit: Callable[[], None], *, attempts: int | None = None) -> None:
        """Try a unit until it is through or attempts are spent; roll back after each failure."""
        allowed = attempts or self.limits.attempts
        for attempt in range(1, allowed + 1):
            self._attempts = max(self._attempts, attempt)
            inside = not self._idle
            try:
                return unit()
            except _Stopped as stopped:
                self._roll_back()
                last = attempt == allowed
                if inside or last or not isinstance(stopped.cause, _RETRIED):
                    raise
            with _ours():  # full jitter; the base and the cap are arbitrary
                time.sleep(random.uniform(0, min(10.0, 0.1 * 2**attempt)))  # noqa: S311
        return None

    @property
    def _idle(self) -> bool:
        return self.conn.info.transaction_status == TransactionStatus.IDLE

    def _roll_back(self) -> None:
        if self.conn.closed or self._idle:
            return
        try:
            self.conn.execute("ROLLBACK")
        except psycopg.Error:  # the server rolls back what a lost connection left open
            self.conn.close()


@contextmanager
def _ours() -> Iterator[None]:
    """Turn a failure of our own statements into `_Stopped`."""
    try:
        yield
    except (psycopg.Error, KeyboardInterrupt) as error:
        raise _Stopped(error, None) from None


def _outcome(cause: psycopg.Error | KeyboardInterrupt) -> Outcome:
    return Outcome.BUSY if isinstance(cause, _RETRIED) else Outcome.FAILED


def _result(step: Step, stopped: _Stopped, outcome: Outcome) -> StepResult:
    statement, cause = stopped.statement, stopped.cause
    interrupted = isinstance(cause, KeyboardInterrupt)
    what = "interrupted"
    if not isinstance(cause, KeyboardInterrupt):
        what = _explained(cause, step, statement)
    return StepResult(
        migration=step.migration.name,
        outcome=outcome,
        error=what if statement else f"{what} (while it was being recorded)",
        statement=statement.index if statement else None,
        line=_line(statement, cause) if statement else None,
        interrupted=interrupted,
    )


def _explained(error: psycopg.Error, step: Step, statement: Statement | None) -> str:
    """Explain an error by the SQL that caused it: at COMMIT, any statement of the step."""
    sent = [statement] if statement else step.statements
    return target.explain(error, "\n".join(item.text for item in sent))


def _line(statement: Statement, cause: psycopg.Error | KeyboardInterrupt) -> int:
    """Return the file's line of a failure: the server's position in the statement, or its start."""
    position = getattr(getattr(cause, "diag", None), "statement_position", None)
    before = statement.text[: int(position) - 1] if position else ""
    return statement.line + before.count("\n")


def _invalid(step: Step, names: Sequence[str]) -> StepResult:
    return StepResult(
        migration=step.migration.name,
        outcome=Outcome.DIRTY,
        error=f"INVALID after the run: index {', '.join(names)}; drop it and build it again",
    )
