"""Run Alembic's revisions by the project's own Alembic, with receipts and bounded locks.

A revision that stays in its transaction has its receipt in it, and its row in the version table;
one that leaves it (`autocommit_block`) has its start committed first, and a receipt a statement.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg
from msgspec.structs import replace
from pglast import ast
from psycopg import sql

from migsafe import histories, ledger, outcomes, target
from migsafe.errors import MigsafeError, UsageError, redacted
from migsafe.ledger import Receipt
from migsafe.outcomes import Outcome, StepResult
from migsafe.runner import At, Limits, concurrently
from migsafe.runner.interrupts import Interrupts
from migsafe.sql import Statement, is_setting, parse

if TYPE_CHECKING:
    from migsafe.deployers import Turn
    from migsafe.histories.alembic_table import AlembicTable
    from migsafe.histories.driver import Driver, Event
    from migsafe.planning import Step
    from migsafe.target import Write

#: What the driver tells of a revision.
_TOLD = {"began", "statement", "ran", "committed", "failed"}

#: SQLSTATEs worth another attempt: lock not available, deadlock, serialization failure.
_PASSING = {"55P03", "40P01", "40001"}


@dataclass(slots=True, kw_only=True)
class Revisions:
    """Runs the steps of an Alembic history; `turn` is held by the caller."""

    turn: Turn
    history: AlembicTable
    run_id: str
    limits: Limits
    before: Callable[[Step], None] = field(default=lambda _: None)
    at: At = field(default_factory=At)
    _driver: Driver | None = None
    #: Of a revision that is finished: what need not be sent, by number, and whether it is begun.
    _done: dict[str, list[int]] = field(default_factory=dict)
    _open: set[str] = field(default_factory=set)
    _interrupts: Interrupts = field(init=False)

    def __post_init__(self) -> None:
        """Let a signal cancel what the project's Alembic executes."""
        self._interrupts = Interrupts(self._cancel)

    def _cancel(self) -> None:
        if self._driver:
            self._driver.process.terminate()

    def run(self, steps: Sequence[Step]) -> Iterator[StepResult]:
        """Yield one result a step; after the first that is not done, the rest are skipped."""
        with self._interrupts.heard():
            done, attempt, stopped = 0, 1, False
            while done < len(steps) and not stopped:
                again, before = False, done
                for result in self._tried(steps[done:], attempt):
                    again = self._is_passing(result) and attempt < self.limits.attempts
                    if again:
                        break
                    yield result
                    done, attempt = done + 1, 1
                    stopped = stopped or result.outcome is not Outcome.DONE or result.interrupted
                if not again and done == before:  # or it would be asked for ever
                    yield _silent(steps[done])
                    done, stopped = done + 1, True
                if again:
                    attempt += 1
                    pause = random.uniform(0, min(10.0, 0.1 * 2**attempt))  # noqa: S311
                    self._interrupts.sleep(pause)
            yield from _skipped(steps[done:])

    def finish(self, step: Step, done: int, *, is_open: bool) -> StepResult:
        """Run what follows the first `done` statements of a revision, and record it.

        `is_open` says that its start is recorded already. It stays unfinished where this fails.
        """
        self._done = {step.migration.name: _in_effect(step, done)}
        self._open = {step.migration.name} if is_open else set()
        for statement, number in zip(step.statements, step.migration.sent, strict=True):
            if number > done:
                schemas = self.history.directory.schemas
                concurrently.replace(self.turn.runner, statement, schemas)
        (result,) = self.run([replace(step, alone=step.alone or "the rest of it")])
        dirty = result.outcome is not Outcome.DONE
        return replace(result, outcome=Outcome.DIRTY) if dirty else result

    def _is_passing(self, result: StepResult) -> bool:
        busy = result.outcome is Outcome.BUSY
        return busy and not (result.interrupted or self.turn.lost)

    def _tried(self, steps: Sequence[Step], attempt: int) -> Iterator[StepResult]:
        """Run the steps in one environment, until one of them is not done."""
        if stopped := self._entered(steps[0]):
            yield stopped
            return
        clock, began = time.monotonic(), datetime.now(UTC)
        told = 0
        try:
            for result in self._events(steps):
                timed = replace(result, seconds=round(time.monotonic() - clock, 3), began=began)
                clock, began = time.monotonic(), datetime.now(UTC)
                yield replace(timed, attempts=attempt)
                attempt, told = 1, told + 1
        except MigsafeError as error:
            yield from self._silenced(steps[told:], str(error))

    def _silenced(self, steps: Sequence[Step], error: str) -> Iterator[StepResult]:
        """Decide what became of the steps of which nobody has told, up to the one that was on.

        There is none where all have been committed, after which env.py may do what it likes.
        """
        names = [step.migration.name for step in steps]
        last = names.index(self.at.migration) if self.at.migration in names else 0
        for step in steps[: last + 1]:
            result = self._cut_off(step, error)
            yield result
            if result.outcome is not Outcome.DONE:
                return

    def _events(self, steps: Sequence[Step]) -> Iterator[StepResult]:
        """Run the steps in the process that ran env.py before, else in one of their own."""
        if self.history.directory.first:
            try:
                yield from self._told(steps)
            except UsageError:  # an env.py that a process runs only once; no revision has begun
                if self.at.migration in {step.migration.name for step in steps}:
                    raise
            else:
                return
        yield from self._told(steps)

    def _told(self, steps: Sequence[Step]) -> Iterator[StepResult]:
        by_name = {step.migration.name: step for step in steps}
        ran: list[Step] = []
        stopped = None
        with self._running() as running, self._interrupts.cancelling():
            for event in running.events(**self._request(steps)):
                if event["event"] not in _TOLD:
                    continue
                step, kind = by_name[event["revision"]], event["event"]
                if kind == "began":
                    self._arrive(step, len(steps))
                elif kind == "statement":
                    self.at.statement, self.at.since = event["index"], time.monotonic()
                elif kind == "failed":
                    yield from _taken_back(ran)
                    yield self._failed(step, event)
                else:
                    if not event.get("late"):
                        stopped = self._onward(running, steps, step)
                    if kind == "ran":  # env.py has a transaction of its own around all of them
                        ran.append(step)
                    else:
                        yield StepResult(migration=step.migration.name, outcome=Outcome.DONE)
        if stopped:
            yield stopped

    def _onward(self, running: Driver, steps: Sequence[Step], step: Step) -> StepResult | None:
        """Let the next step begin, or say why it must not."""
        place = steps.index(step) + 1
        following = steps[place] if place < len(steps) else None
        stopped = self._entered(following) if following else None
        running.say(go=stopped is None)
        return stopped

    def _entered(self, step: Step) -> StepResult | None:
        """Begin a step: record the start of one that runs alone; return why it may not begin."""
        if self._interrupts.pending:
            return outcomes.interrupted(step)
        if self.turn.lost:
            return outcomes.lost(step)
        self.before(step)
        if not step.alone or step.migration.name in self._open:
            return None
        conn = self.turn.runner
        try:
            target.execute(conn, "BEGIN")
            ledger.prepare(conn)
            target.commit(conn, self.turn.guarded(self._receipt(step, "began")))
        except psycopg.Error as error:
            said = target.explain(error)
            return StepResult(migration=step.migration.name, outcome=Outcome.FAILED, error=said)
        return None

    def _arrive(self, step: Step, steps: int) -> None:
        self.at = At(
            step=self.at.step + 1,
            steps=max(self.at.steps, steps),
            migration=step.migration.name,
            statements=len(step.statements),
            since=time.monotonic(),
        )

    @contextmanager
    def _running(self) -> Iterator[Driver]:
        """Start the project's Alembic; its session takes over the key of the one that executes."""
        limits = self.limits
        session = [
            f"SET lock_timeout = {sql.Literal(limits.lock_timeout).as_string()}",
            f"SET statement_timeout = {sql.Literal(limits.statement_timeout).as_string()}",
            "SET idle_in_transaction_session_timeout = '1h'",
            f"SELECT pg_catalog.pg_try_advisory_lock({ledger.RUNNING})",
        ]
        conn = self.turn.runner
        if conn.info.server_version >= 140000:
            session.append("SET client_connection_check_interval = '500ms'")
        conn.execute("SELECT pg_catalog.pg_advisory_unlock_all()")
        directory = self.history.directory
        with directory.asked(self.turn.target, session) as self._driver:
            yield self._driver
        self._driver = None

    def _request(self, steps: Sequence[Step]) -> dict[str, object]:
        conn = self.turn.runner
        done = {step.migration.name: target.filled(conn, self._ending(step)) for step in steps}
        if not ledger.exists(conn):
            # asyncpg sends one statement at a time.
            done[steps[0].migration.name][:0] = [one.text for one in parse(ledger.DDL)]
        alone = [step for step in steps if step.alone]
        return {
            "do": "upgrade",
            "revisions": [step.migration.name for step in steps],
            "inside": done,
            "done": self._done,
            "alone": [step.migration.name for step in alone],
            "statement": {
                step.migration.name: target.filled(conn, [self._receipt(step, "statement")])[0]
                for step in alone
            },
        }

    def _ending(self, step: Step) -> list[Write]:
        """Build what ends a revision; one that runs alone was guarded when it began."""
        receipt = self._receipt(step, "done")
        return [receipt if step.alone else self.turn.guarded(receipt)]

    def _failed(self, step: Step, event: Event) -> StepResult:
        name, code = step.migration.name, event.get("sqlstate")
        if event.get("commit_lost"):
            return self._cut_off(step, "the connection was lost")
        if code == "22012" and not self.turn.held():
            return outcomes.lost(step)
        outcome = Outcome.BUSY if code in _PASSING else Outcome.FAILED
        # What it asked the database may have led it out of its transaction, as on no shadow.
        stays = event.get("committed_before") or step.migration.name in self._done
        if stays or (step.alone and not self._withdrawn(step)):
            outcome = Outcome.DIRTY
        interrupted = bool(event.get("interrupted")) or self._interrupts.pending
        said = event["message"] or "(the server's log has the text, which may quote rows)"
        return StepResult(
            migration=name,
            outcome=outcome,
            error="interrupted" if interrupted else redacted(f"{code}: {said}" if code else said),
            statement=event.get("index"),
            line=event.get("line"),
            interrupted=interrupted,
        )

    def _cut_off(self, step: Step, error: str) -> StepResult:
        """Decide by the receipt what became of a step whose end nobody has heard of."""
        name = step.migration.name
        try:
            self.turn.settle()
            if ledger.exists(self.turn.runner) and ledger.is_done(
                self.turn.runner, self.run_id, name
            ):
                note = "its end was not heard of; its receipt is there"
                return StepResult(migration=name, outcome=Outcome.DONE, note=note)
        except (psycopg.Error, MigsafeError):
            said = f"{error}; migsafe status says what is recorded"
            return StepResult(migration=name, outcome=Outcome.DIRTY, error=said)
        outcome = Outcome.DIRTY if step.alone else Outcome.FAILED
        interrupted = self._interrupts.pending
        return StepResult(migration=name, outcome=outcome, error=error, interrupted=interrupted)

    def _withdrawn(self, step: Step) -> bool:
        conn = self.turn.runner
        try:
            target.execute(conn, "BEGIN")
            return target.commit(conn, self._receipt(step, "failed"))
        except psycopg.Error:
            return False

    def _receipt(self, step: Step, event: str) -> Write:
        """Build a receipt; the driver fills the number of a statement in."""
        receipt = Receipt(
            run=self.run_id,
            history=histories.identity(self.history),
            migration=step.migration.name,
            checksum=step.migration.checksum,
            event=event,
        )
        query, values = ledger.write(receipt)
        return query, [*values[:-1], "{index}" if event == "statement" else None]


def _in_effect(step: Step, done: int) -> list[int]:
    """Return the first `done` statements as the driver counts, but for those that leave nothing.

    A setting, a lock or a transaction ended with the session that stopped. Raise UsageError where
    one is sent at once with what is in effect.
    """
    sent = list(zip(step.migration.sent, step.statements, strict=True))
    fleeting = {number for number, one in sent if _is_fleeting(one)}
    lasting = {number for number, one in sent if not _is_fleeting(one)}
    if mixed := [number for number in fleeting & lasting if 0 < number <= done]:
        raise UsageError(
            f"{step.migration.name}, statement {mixed[0]}",
            "sends a setting at once with what is in effect",
            "bring it to its end or undo it by hand, then migsafe resolve",
        )
    return sorted(number for number in lasting if 0 < number <= done)


def _is_fleeting(statement: Statement) -> bool:
    passing = ast.TransactionStmt | ast.LockStmt | ast.DiscardStmt
    return is_setting(statement) or isinstance(statement.node, passing)


def _taken_back(steps: Sequence[Step]) -> Iterator[StepResult]:
    """Report what was rolled back with a later one; nothing follows it."""
    for step in steps:
        error = "rolled back with a later revision: env.py runs all of them in one transaction"
        yield StepResult(migration=step.migration.name, outcome=Outcome.SKIPPED, error=error)


def _silent(step: Step) -> StepResult:
    """Report a revision of which env.py has said nothing."""
    error = "env.py has ended without running it"
    outcome = Outcome.DIRTY if step.alone else Outcome.FAILED
    return StepResult(migration=step.migration.name, outcome=outcome, error=error)


def _skipped(steps: Sequence[Step]) -> Iterator[StepResult]:
    for step in steps:
        yield StepResult(migration=step.migration.name, outcome=Outcome.SKIPPED)
