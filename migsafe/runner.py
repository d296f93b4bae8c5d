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
from functools import cache
from itertools import zip_longest
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from migsafe import catalog, histories, ledger, outcomes, target
from migsafe.histories import History
from migsafe.ledger import Receipt
from migsafe.outcomes import Outcome, StepResult, Stopped
from migsafe.target import Connection, Write

if TYPE_CHECKING:  # the parser is heavy, and a command that runs nothing does without it
    from migsafe.plan import Step
    from migsafe.sql import Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a statement may queue for a lock, and how often it is tried."""

    lock_timeout: str
    attempts: int


#: A file may end under another role or with a timeout of its own; our rows must not.
_AS_OURSELVES = ("SET LOCAL ROLE NONE; SET LOCAL statement_timeout = 0", ())


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
    #: Whether the last COMMIT has begun the next step's transaction too.
    _begun: bool = False

    def run(self, steps: Sequence[Step]) -> Iterator[StepResult]:
        """Yield one result a step; after the first that is not done, the rest are skipped.

        Lazy: a caller that stops consuming stops the run at that boundary.
        """
        try:
            yield from self._results(steps)
        finally:
            if self._begun:
                self._roll_back()

    def _results(self, steps: Sequence[Step]) -> Iterator[StepResult]:
        stopped = False
        for step, following in zip_longest(steps, steps[1:]):
            if stopped:
                yield StepResult(migration=step.migration.name, outcome=Outcome.SKIPPED)
                continue
            began, self._attempts = time.monotonic(), 0
            result = self._alone(step) if step.alone else self._together(step, following)
            stopped = result.outcome is not Outcome.DONE or result.interrupted
            seconds = round(time.monotonic() - began, 3)
            yield replace(result, seconds=seconds, attempts=self._attempts)

    def _together(self, step: Step, following: Step | None) -> StepResult:
        """Run a migration, its record and its receipt in one transaction.

        Its COMMIT begins the transaction of the step that follows, where that will have one.
        """
        then = self._opening if following and not following.alone else ""
        committing = False

        def attempt() -> None:
            nonlocal committing
            committing, started = False, datetime.now(UTC)
            self._begin()
            self._prepare()
            for statement in step.statements:
                self._execute(statement)
            committing = True
            self._record(step, self.history.record(step.migration, started), then)

        try:
            self._retrying(attempt)
        except Stopped as stopped:
            if committing and not stopped.refused:
                return self._after_commit(step, stopped)
            return outcomes.stopped(step, stopped, stopped.outcome)
        return StepResult(migration=step.migration.name, outcome=Outcome.DONE)

    def _after_commit(self, step: Step, stopped: Stopped) -> StepResult:
        """Decide by the receipt what became of a COMMIT whose answer never came."""
        failed = outcomes.stopped(step, stopped, Outcome.FAILED)
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
        except Stopped as stopped:
            outcome = stopped.outcome if stopped.refused else Outcome.DIRTY
            return outcomes.stopped(step, stopped, outcome)
        self._touched = False
        try:
            for statement in step.statements:
                self._single(step, statement)
            if left := self._left_invalid(step, before):
                return outcomes.invalid(step, left)
            self._retrying(lambda: self._finish(step, started))
        except Stopped as stopped:
            clean = self._untouched(stopped, before) and self._withdrawn(step)
            return outcomes.stopped(step, stopped, stopped.outcome if clean else Outcome.DIRTY)
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
                result = outcomes.invalid(step, left)
            else:
                self._retrying(lambda: self._finish(step, started))
                result = StepResult(migration=step.migration.name, outcome=Outcome.DONE)
        except Stopped as stopped:
            result = outcomes.stopped(step, stopped, Outcome.DIRTY)
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
                target.execute(self.conn, _bound(self.limits.lock_timeout))
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

    def _untouched(self, stopped: Stopped, before: frozenset[tuple[int, str]]) -> bool:
        """Tell whether a failure has surely left nothing of the migration in effect."""
        from migsafe.sql import ALL_OR_NOTHING

        statement = stopped.statement
        refuses = statement.refuses if statement else None
        enclosed = statement is not None and refuses is None  # rolled back, whatever stopped it
        if self._touched or self.conn.closed or not (enclosed or stopped.refused):
            return False
        try:
            return refuses in ALL_OR_NOTHING and self._invalid_indexes() == before
        except Stopped:
            return False

    def _withdrawn(self, step: Step) -> bool:
        """Take the start back; return False where even that failed, so that it stays unfinished."""
        try:
            self._begin()
            with _ours():
                self.history.withdraw(self.conn, step.migration)
            self._commit(self._receipt(step, "failed"))
        except Stopped:
            self._roll_back()
            return False
        return True

    def _record(self, step: Step, row: Write, then: str = "") -> None:
        """Commit with the tool's row and our receipt."""
        self._commit(_AS_OURSELVES, row, self._receipt(step, "done"), then=then)

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
        if self._begun:
            self._begun = False
            return
        with _ours():
            if not self._prepared:
                self._prepared = ledger.exists(self.conn) and self.history.present(self.conn)
            target.execute(self.conn, self._opening)

    def _commit(self, *writes: Write, then: str = "") -> None:
        """Send statements of ours with the COMMIT, in one message: small migrations are many.

        `then`, if anything, begins the next transaction; where it fails, the next step begins it.
        """
        with _ours():
            through = target.commit(self.conn, *writes, then=then)
        self._prepared, self._begun = True, through and bool(then)
        if not through:
            self._roll_back()

    def _prepare(self) -> None:
        """Make the ledger and the history's table in this transaction, if none before it has."""
        if not self._prepared:
            with _ours():
                ledger.prepare(self.conn)
                self.history.prepare(self.conn)

    @property
    def _opening(self) -> str:
        return f"BEGIN; {_bound(self.limits.lock_timeout)}"

    def _execute(self, statement: Statement) -> None:
        """Send one statement as it is written, in the simple protocol."""
        try:
            target.execute(self.conn, statement.text)
        except (psycopg.Error, KeyboardInterrupt) as error:
            raise Stopped(error, statement) from None

    def _retrying(self, unit: Callable[[], None], *, attempts: int | None = None) -> None:
        """Try a unit until it is through or attempts are spent; roll back after each failure."""
        allowed = attempts or self.limits.attempts
        for attempt in range(1, allowed + 1):
            self._attempts = max(self._attempts, attempt)
            inside = not (self._idle or self._begun)
            try:
                return unit()
            except Stopped as stopped:
                self._roll_back()
                last = attempt == allowed
                if inside or last or not stopped.passing:
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


@cache
def _bound(lock_timeout: str) -> str:
    """Return what keeps the statements of a transaction from queueing for a lock for long."""
    return f"SET LOCAL lock_timeout = {sql.Literal(lock_timeout).as_string()}"


@contextmanager
def _ours() -> Iterator[None]:
    """Turn a failure of our own statements into `Stopped`."""
    try:
        yield
    except (psycopg.Error, KeyboardInterrupt) as error:
        raise Stopped(error, None) from None
