"""Run the steps of a plan on one session, with bounded locks, receipts and the tool's own record.

A migration that can run in a transaction runs in one, together with its record and its receipt.
Migration text goes to the server as it is written, never through a template.
"""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from itertools import zip_longest
from typing import TYPE_CHECKING

import psycopg
from msgspec import Struct, structs
from pglast import ast
from psycopg import sql
from psycopg.pq import TransactionStatus

from migsafe import catalog, histories, ledger, outcomes, target
from migsafe.errors import MigsafeError
from migsafe.ledger import Receipt
from migsafe.outcomes import GaveWayError, LostTurnError, Outcome, StepResult, Stopped
from migsafe.runner import concurrently, courtesy
from migsafe.runner.courtesy import Courtesy
from migsafe.runner.interrupts import Interrupts
from migsafe.sql import (
    ALL_OR_NOTHING,
    blocks,
    is_commit,
    is_patient,
    is_setting,
    may_commit,
    resets,
    sets_timeouts,
    sets_transaction,
)
from migsafe.target import Session, Write

if TYPE_CHECKING:
    from migsafe.deployers import Turn
    from migsafe.histories import Written
    from migsafe.planning import Step
    from migsafe.sql import Statement

_DETACH = "DETACH PARTITION CONCURRENTLY"


class Limits(Struct, frozen=True, kw_only=True):
    """How long a statement may queue for a lock and work, and how often it is tried."""

    lock_timeout: str
    attempts: int
    statement_timeout: str = "1h"


class At(Struct):
    """Where a run is, for whoever shows it: all 1-based, `statement` 0 between two of them."""

    step: int = 0
    steps: int = 0
    migration: str = ""
    statement: int = 0
    statements: int = 0
    attempt: int = 1
    #: When the statement, or the step, began (time.monotonic).
    since: float = 0.0


#: A file may end under another role or with a timeout of its own; our rows must not. DEFAULT is
#: the role that ALTER ROLE SET chose for the session, NONE would be who logged in.
_AS_OURSELVES = ("SET LOCAL role TO DEFAULT; SET LOCAL statement_timeout = 0", ())

#: For statements that wait for others' snapshots, and may work for hours.
_UNBOUNDED = "SET lock_timeout = 0; SET statement_timeout = 0"

#: What only the server knows to refuse a transaction, where it is about what is partitioned.
_PARTITIONED = (ast.ReindexStmt, ast.ClusterStmt)

#: For a record of ours after what a file has chosen for its own transactions.
_WRITING = "BEGIN READ WRITE"


@dataclass(slots=True, kw_only=True)
class Runner:
    """Runs steps on the `runner` session of a turn, which nothing else uses meanwhile."""

    turn: Turn
    history: Written
    run_id: str
    limits: Limits
    #: Called before each step, while no lock is held.
    before: Callable[[Step], None] = field(default=lambda _: None)
    at: At = field(default_factory=At)
    #: The most attempts that a unit (transaction or statement) of this step took.
    _attempts: int = 0
    #: How long the last of these units took.
    _held: float = 0.0
    #: Whether something of this step is in effect outside a transaction.
    _touched: bool = False
    #: Whether the ledger and the history's table are there, committed.
    _prepared: bool = False
    #: Whether the last COMMIT has begun the next step's transaction too.
    _begun: bool = False
    #: Whether the last step has taken back what the session began with.
    _reset: bool = False
    #: Whether the step says itself how long it may wait.
    _limited: bool = False
    #: Whether all that ran in this transaction may wait for others without being waited for.
    _quiet: bool = True
    _interrupts: Interrupts = field(init=False)
    _courtesy: Courtesy = field(init=False)

    def __post_init__(self) -> None:
        """Let a signal cancel what this session executes, and a wait that others queue behind."""
        self._interrupts = Interrupts(self._cancel)
        bound = courtesy.seconds(self.limits.lock_timeout)
        self._courtesy = Courtesy(turn=self.turn, bound=bound)

    def _cancel(self) -> None:
        with suppress(psycopg.Error):  # a server that cannot be asked has lost the session as well
            self.conn.cancel_safe(timeout=5.0)

    @property
    def conn(self) -> Session:
        """The session that executes."""
        return self.turn.runner

    def run(self, steps: Sequence[Step]) -> Iterator[StepResult]:
        """Yield one result a step; after the first that is not done, the rest are skipped.

        Lazy: a caller that stops consuming stops the run at that boundary.
        """
        with self._bounded():
            try:
                yield from self._results(steps)
            finally:
                if self._begun:
                    self._roll_back()

    @contextmanager
    def _bounded(self) -> Iterator[None]:
        """Set up the session, and hear signals; the turn watches over its answers."""
        self.conn.patience = None
        with self._interrupts.heard(), self._courtesy.shown():
            with suppress(psycopg.OperationalError):  # a lost session shows at the first step
                self._set_up()
            try:
                yield
            finally:
                self._left_readable()

    def _set_up(self) -> None:
        target.execute(self.conn, f"{target.AS_CONFIGURED}; {self._limits}")

    def _left_readable(self) -> None:
        if not self.conn.closed and self._idle:
            with suppress(psycopg.Error):
                target.execute(self.conn, target.AS_READABLE)

    def _start_anew(self) -> None:
        """Give a file the session of its URL again, where the one before it has reset that."""
        self._speak_utf8()
        if self._reset:
            with _ours():
                target.choose_again(self.conn, self.turn.target)
                self._set_up()
            self._reset = False

    def _speak_utf8(self) -> None:
        """Take back the client_encoding that a file has chosen, now that it is over."""
        if not target.in_utf8(self.conn):
            with _ours():
                target.execute(self.conn, "SET client_encoding = 'UTF8'")

    def _results(self, steps: Sequence[Step]) -> Iterator[StepResult]:
        stopped = False
        for step, following in zip_longest(steps, steps[1:]):
            if stopped:
                yield StepResult(migration=step.migration.name, outcome=Outcome.SKIPPED)
                continue
            result = self._timed(step, following, len(steps))
            stopped = result.outcome is not Outcome.DONE or result.interrupted
            yield result

    def _timed(self, step: Step, following: Step | None, steps: int) -> StepResult:
        clock, began, self._attempts = time.monotonic(), datetime.now(UTC), 0
        self._arrive(step, self.at.step + 1, steps)
        if self._interrupts.pending:
            return outcomes.interrupted(step)
        if self.turn.lost:
            return outcomes.lost(step)
        self.before(step)
        result = self._alone(step) if step.alone else self._together(step, following)
        self._reset = any(map(resets, step.statements))
        seconds = round(time.monotonic() - clock, 3)
        held = None if step.alone else round(self._held, 3)
        return structs.replace(
            result, seconds=seconds, began=began, held=held, attempts=self._attempts
        )

    def _arrive(self, step: Step, number: int, of: int) -> None:
        self.at = At(
            step=number,
            steps=of,
            migration=step.migration.name,
            statements=len(step.statements),
            since=time.monotonic(),
        )
        self._limited = any(map(sets_timeouts, step.statements))
        self._courtesy.acts = not self._limited

    def _together(self, step: Step, following: Step | None) -> StepResult:
        """Run a migration, its record and its receipt in one transaction.

        Its COMMIT begins the transaction of the step that follows, where that will have one.
        """
        chained = following and not following.alone and not any(map(resets, step.statements))
        then = self._opening if chained else ""
        late = any(map(sets_transaction, step.statements))  # it has to be before all else
        committing = False

        def attempt() -> None:
            nonlocal committing
            committing, started = False, datetime.now(UTC)
            if not self._begun:
                self._start_anew()
            self._begin()
            if not late:
                self._prepare()
            for statement in step.statements:
                self._execute(statement)
            if late:
                self._prepare()
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
            if self.conn.closed:
                self.turn.resume()
                self._set_up()
            done = ledger.is_done(self.conn, self.run_id, step.migration.name)
        except (psycopg.Error, MigsafeError):
            error = "the connection was lost during COMMIT; migsafe status says what is recorded"
            return structs.replace(failed, outcome=Outcome.DIRTY, error=error)
        if not done:
            return structs.replace(
                failed, note="the answer to COMMIT was lost; there is no receipt of it"
            )
        note = "the answer to COMMIT was lost; its receipt is there"
        return structs.replace(failed, outcome=Outcome.DONE, error=None, note=note)

    def _alone(self, step: Step) -> StepResult:
        """Run a migration statement by statement, each with a receipt; `began` is committed first.

        When nothing of it is in effect after a failure, its start is taken back.
        """
        started = datetime.now(UTC)
        try:
            self._start_anew()
            before = self._invalid_indexes()
            self._retrying(lambda: self._start(step))
        except Stopped as stopped:
            outcome = stopped.outcome if stopped.refused else Outcome.DIRTY
            return outcomes.stopped(step, stopped, outcome)
        self._touched = False
        try:
            return self._rest(step, started, before)
        except Stopped as stopped:
            clean = self._untouched(stopped, before) and self._withdrawn(step)
            return outcomes.stopped(step, stopped, stopped.outcome if clean else Outcome.DIRTY)

    def finish(self, step: Step, *, is_open: bool) -> StepResult:
        """Run the rest of a migration whose first statements are in effect, and record it.

        `is_open` says that its start is recorded already. It stays unfinished where this fails.
        """
        began, self._attempts, started = time.monotonic(), 0, datetime.now(UTC)
        self._arrive(step, 1, 1)
        with self._bounded():
            try:
                if not is_open:
                    self._retrying(lambda: self._start(step))
                for statement in step.statements:
                    with _ours():
                        concurrently.replace(self.conn, statement)
                result = self._rest(step, started, self._invalid_indexes())
            except Stopped as stopped:
                result = outcomes.stopped(step, stopped, Outcome.DIRTY)
        seconds = round(time.monotonic() - began, 3)
        return structs.replace(result, seconds=seconds, attempts=self._attempts)

    def _rest(
        self, step: Step, started: datetime, before: frozenset[tuple[int, str]]
    ) -> StepResult:
        """Run the statements of a migration whose start is recorded, and record its end."""
        for block in blocks(step.statements):
            self._block(step, block, before)
        if left := self._left_invalid(step, before):
            return outcomes.invalid(step, left)
        self._retrying(lambda: self._finish(step, started))
        return StepResult(migration=step.migration.name, outcome=Outcome.DONE)

    def _start(self, step: Step) -> None:
        self._begin()
        with _ours():
            target.send(self.conn, _AS_OURSELVES)
        self._prepare()
        with _ours():
            self.history.began(self.conn, step.migration)
        try:
            self._commit(self.turn.guarded(self._receipt(step, "began")))
        except Stopped as stopped:
            raise self._blamed(stopped) from None

    def _block(
        self, step: Step, block: tuple[Statement, ...], before: frozenset[tuple[int, str]]
    ) -> None:
        """Run what is committed at once, with its receipts: one statement, or BEGIN to COMMIT.

        What may have left something halfway is tried once: a second try could meet that.
        """
        only = block[0] if len(block) == 1 else None
        if only and not only.refuses:
            self._whole(step, only, before)
            self._touched = True
        elif only:
            whole = only.refuses in ALL_OR_NOTHING or only.refuses == _DETACH
            attempts = self.limits.attempts if whole else 1
            self._retrying(lambda: self._bare(only, before), attempts=attempts)
            self._touched = True
            self._retrying(lambda: self._note(step, only))
        else:
            chained = any(getattr(statement.node, "chain", False) for statement in block)
            attempts = 1 if chained else self.limits.attempts
            self._retrying(lambda: self._own(step, block), attempts=attempts)

    def _whole(self, step: Step, statement: Statement, before: frozenset[tuple[int, str]]) -> None:
        """Run a statement in a transaction; one that turns out to refuse it, once without."""
        try:
            self._retrying(lambda: self._enclosed(step, statement))
        except Stopped as stopped:
            code = getattr(stopped.cause, "sqlstate", None)
            commits = code == "2D000" and may_commit(statement)
            parted = code == "25001" and isinstance(statement.node, _PARTITIONED)
            if stopped.statement is None or not (commits or parted):
                raise
            self._touched = True  # it commits what it has done so far
            self._retrying(lambda: self._bare(statement, before), attempts=1)
            self._retrying(lambda: self._note(step, statement))

    def _enclosed(self, step: Step, statement: Statement) -> None:
        """Run a statement and its receipt in one transaction, where that may write."""
        apart = target.begins_read_only(self.conn)
        self._begin()
        self._execute(statement)
        if apart:
            with _ours():
                target.commit(self.conn)
            return self._note(step, statement)
        return self._commit(self._receipt(step, "statement", statement.index))

    def _bare(self, statement: Statement, before: frozenset[tuple[int, str]]) -> None:
        """Run a statement that refuses transactions; clear away what a failed one has left."""
        patient = is_patient(statement) and not self._limited
        try:
            with _ours():
                ends = self._detached(statement)
                if patient and not ends:  # FINALIZE holds the partition while it waits
                    target.execute(self.conn, _UNBOUNDED)
            self._execute(dataclasses.replace(statement, text=ends) if ends else statement)
        except Stopped:
            self._cleared(statement, before)
            raise
        if patient:
            with _ours():
                target.execute(self.conn, self._limits)

    def _detached(self, statement: Statement) -> str | None:
        """Return what ends a DETACH … CONCURRENTLY that was cut off, None for all else."""
        if statement.refuses != _DETACH:
            return None
        return concurrently.finalizing(self.conn, statement)

    def _note(self, step: Step, statement: Statement) -> None:
        """Commit a receipt by itself, whoever the file has made of us by now."""
        self._begin_writing()
        with _ours():
            receipt = self._receipt(step, "statement", statement.index)
            target.commit(self.conn, _AS_OURSELVES, receipt)

    def _cleared(self, statement: Statement, before: frozenset[tuple[int, str]]) -> None:
        """Drop what a failed CONCURRENTLY has left, as far as others let us; the rest is found."""
        with suppress(psycopg.Error, KeyboardInterrupt):
            target.execute(self.conn, self._limits)
            concurrently.clear(self.conn, statement, before)

    def _own(self, step: Step, block: tuple[Statement, ...]) -> None:
        """Run a transaction of the file's own, with the receipt of its COMMIT inside.

        None is written earlier, where the file may be another role or about to SET TRANSACTION;
        that of a ROLLBACK, or of what could write nothing, follows it.
        """
        for statement in block:
            idle = self._idle
            written = is_commit(statement) and self._written(step, statement)
            self._execute(statement)
            self._touched = self._touched or self._idle
            if idle and not self._idle and not self._limited:  # the file's own BEGIN
                with _ours():
                    target.execute(self.conn, _bound(self.limits.lock_timeout))
            if self._idle and not written:
                self._note(step, statement)

    def _written(self, step: Step, commit: Statement) -> bool:
        """Write the receipt of a COMMIT before it; return False where the transaction cannot."""
        with _ours():
            if target.is_read_only(self.conn):
                return False
            receipt = self._receipt(step, "statement", commit.index)
            target.send(self.conn, _AS_OURSELVES, receipt)
            return True

    def _finish(self, step: Step, started: datetime) -> None:
        """Record the end; whoever deploys by now waits for it, so that no guard has to."""
        self._begin_writing()
        row = self.history.finish(step.migration, started)
        self._commit(row, self._receipt(step, "done"))

    def _invalid_indexes(self) -> frozenset[tuple[int, str]]:
        self._speak_utf8()
        with _ours():
            return catalog.invalid_indexes(self.conn)

    def _left_invalid(self, step: Step, before: frozenset[tuple[int, str]]) -> list[str]:
        """Name the INVALID indexes that the step made, or took for made by IF NOT EXISTS."""
        named = {getattr(statement.node, "idxname", None) for statement in step.statements}
        invalid = self._invalid_indexes()
        return sorted(name for oid, name in invalid if (oid, name) not in before or name in named)

    def _untouched(self, stopped: Stopped, before: frozenset[tuple[int, str]]) -> bool:
        """Tell whether a failure has surely left nothing of the migration in effect."""
        statement = stopped.statement
        refuses = statement.refuses if statement else None
        enclosed = statement is not None and refuses is None  # rolled back, whatever stopped it
        if self._touched or self.conn.closed or not (enclosed or stopped.refused):
            return False
        try:
            with _ours():
                if statement and refuses == _DETACH and self._detached(statement):
                    return False
            whole = refuses in ALL_OR_NOTHING or refuses == _DETACH
            return whole and self._invalid_indexes() == before
        except Stopped:
            return False

    def _withdrawn(self, step: Step) -> bool:
        """Take the start back; return False where even that failed, so that it stays unfinished."""
        try:
            self._begin_writing()
            with _ours():
                target.send(self.conn, _AS_OURSELVES)
                self.history.withdraw(self.conn, step.migration)
            self._commit(self._receipt(step, "failed"))
        except Stopped:
            self._roll_back()
            return False
        return True

    def _record(self, step: Step, row: Write, then: str = "") -> None:
        """Commit with the tool's row and our receipt."""
        try:
            receipt = self.turn.guarded(self._receipt(step, "done"))
            self._commit(row, receipt, then=then)
        except Stopped as stopped:
            raise self._blamed(stopped) from None

    def _blamed(self, stopped: Stopped) -> Stopped:
        """Tell the guard's division by zero from one of a deferred trigger."""
        if not isinstance(stopped.cause, psycopg.errors.DivisionByZero):
            return stopped
        self._roll_back()
        with _ours():
            return stopped if self.turn.held() else Stopped(LostTurnError(), None)

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

    def _begin_writing(self) -> None:
        """Open a transaction for our own record, whatever a file has made of the session's."""
        with _ours():
            target.execute(self.conn, f"{_WRITING}; {_bound(self.limits.lock_timeout)}")

    def _commit(self, *writes: Write, then: str = "") -> None:
        """Send statements of ours with the COMMIT, in one message: small migrations are many.

        `then`, if anything, begins the next transaction; where it fails, the next step begins it.
        """
        with _ours():
            through = target.commit(self.conn, _AS_OURSELVES, *writes, then=then)
        fit = through and target.in_utf8(self.conn)  # in which the next file is sent
        self._prepared, self._begun = True, fit and bool(then)
        if not fit:
            self._roll_back()

    def _prepare(self) -> None:
        """Make the ledger and the history's table in this transaction, if none before it has."""
        if not self._prepared:
            with _ours():
                target.send(self.conn, _AS_OURSELVES)
                target.execute(self.conn, "SET LOCAL client_encoding = 'UTF8'")
                ledger.prepare(self.conn)
                self.history.prepare(self.conn)

    @property
    def _opening(self) -> str:
        return f"BEGIN; {_bound(self.limits.lock_timeout)}"

    @property
    def _limits(self) -> str:
        """Set the session's limits, for what runs outside our transactions."""
        limits = self.limits
        return "; ".join(
            f"SET {name} = {sql.Literal(getattr(limits, name)).as_string()}"
            for name in ("lock_timeout", "statement_timeout")
        )

    def _execute(self, statement: Statement) -> None:
        """Send one statement as it is written, in the simple protocol."""
        self.at.statement, self.at.since = statement.index, time.monotonic()
        patient = self._quiet and is_patient(statement) and not (self._idle or self._limited)
        try:
            if patient:
                target.execute(self.conn, "SET LOCAL lock_timeout = 0")
            with self._interrupts.cancelling():
                if self._interrupts.pending:
                    raise Stopped(KeyboardInterrupt(), statement, unsent=True)
                target.execute(self.conn, statement.text)
            if patient:
                target.execute(self.conn, _bound(self.limits.lock_timeout))
        except psycopg.errors.QueryCanceled as error:
            pending = self._interrupts.pending
            if self._courtesy.gave and not pending:
                raise Stopped(GaveWayError(), statement) from None
            raise Stopped(error, statement, interrupted=pending) from None
        except (psycopg.Error, KeyboardInterrupt) as error:
            raise Stopped(error, statement) from None
        self._quiet = self._quiet and (patient or is_setting(statement))

    def _retrying(self, unit: Callable[[], None], *, attempts: int | None = None) -> None:
        """Try a unit until it is through or attempts are spent; roll back after each failure."""
        allowed = attempts or self.limits.attempts
        for attempt in range(1, allowed + 1):
            self._attempts = max(self._attempts, attempt)
            self.at.attempt, self._quiet = attempt, True
            self._courtesy.renew()
            inside, clock = not (self._idle or self._begun), time.monotonic()
            try:
                return unit()
            except Stopped as stopped:
                self._roll_back()
                last = attempt == allowed
                if inside or last or not stopped.passing:
                    raise
            finally:
                self._held = time.monotonic() - clock
            self._back_off(attempt)
        return None

    def _back_off(self, attempt: int) -> None:
        """Sleep with full jitter, whose base and cap are arbitrary."""
        try:
            self._interrupts.sleep(random.uniform(0, min(10.0, 0.1 * 2**attempt)))  # noqa: S311
        except KeyboardInterrupt as interrupt:
            raise Stopped(interrupt, None, unsent=True) from None

    @property
    def _idle(self) -> bool:
        return self.conn.info.transaction_status == TransactionStatus.IDLE

    def _roll_back(self) -> None:
        if self.conn.closed or self._idle:
            return
        try:
            target.execute(self.conn, "ROLLBACK")
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
