"""How a step of a run ended, and what stopped it, in words that hold no row value."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:  # driver and parser are heavy, and a command that runs nothing needs neither
    import psycopg

    from migsafe.planning import Step
    from migsafe.sql import Statement


class Outcome(StrEnum):
    """How a step ended (CONTRACT, `steps[].outcome`)."""

    DONE = "done"
    BUSY = "busy"
    FAILED = "failed"
    DIRTY = "dirty"
    SKIPPED = "skipped"


class StepResult(Struct, frozen=True, kw_only=True):
    """What became of one step; `seconds` covers all attempts, `line` is that of the failure.

    `began` is UTC by this machine's clock. `held` bounds how long its locks were waited for and
    held: the time of its last transaction, None where it was not one transaction.
    """

    migration: str
    outcome: Outcome
    attempts: int = 0
    seconds: float = 0.0
    began: datetime | None = None
    held: float | None = None
    error: str | None = None
    statement: int | None = None
    line: int | None = None
    interrupted: bool = False
    note: str | None = None


class LostTurnError(Exception):
    """The lock of this deployment is gone, so that another one may be at work."""


class GaveWayError(Exception):
    """Others waited behind a statement that itself waited for a lock."""


class Stopped(Exception):
    """A statement, or our own part where that is None, did not get through."""

    def __init__(
        self,
        cause: psycopg.Error | KeyboardInterrupt | LostTurnError | GaveWayError,
        statement: Statement | None,
        *,
        interrupted: bool = False,
        unsent: bool = False,
    ) -> None:
        """Keep what stopped it and where; `unsent` says that the server never heard of it."""
        super().__init__()
        self.cause = cause
        self.statement = statement
        self.interrupted = interrupted or isinstance(cause, KeyboardInterrupt)
        self._unsent = unsent or isinstance(cause, LostTurnError | GaveWayError)

    @property
    def refused(self) -> bool:
        """Whether it is known that nothing came of it: the server said no, or was not asked.

        That a connection ends has a code too (08P01 of a pooler, 57P01 of an administrator), which
        does not say what came of the last request on it.
        """
        code = getattr(self.cause, "sqlstate", None)
        return self._unsent or (code is not None and not code.startswith(("08", "57P")))

    @property
    def passing(self) -> bool:
        """Whether it is worth another attempt, once the transaction is rolled back."""
        from psycopg import errors

        return isinstance(
            self.cause,
            GaveWayError
            | errors.LockNotAvailable
            | errors.DeadlockDetected
            | errors.SerializationFailure,
        )

    @property
    def outcome(self) -> Outcome:
        """How a step ends that this has stopped and rolled back."""
        lost = isinstance(self.cause, LostTurnError)
        return Outcome.BUSY if lost or self.passing else Outcome.FAILED


def stopped(step: Step, by: Stopped, outcome: Outcome) -> StepResult:
    """Build the result of a step that did not get through."""
    statement, cause = by.statement, by.cause
    if isinstance(cause, LostTurnError):
        return lost(step)
    what = "interrupted"
    if isinstance(cause, GaveWayError):
        what = "others waited behind it, which waited for a lock, for longer than lock_timeout"
    elif not (by.interrupted or isinstance(cause, KeyboardInterrupt)):
        what = _explained(cause, step, statement)
    return StepResult(
        migration=step.migration.name,
        outcome=outcome,
        error=what if statement else f"{what} (while it was being recorded)",
        statement=statement.index if statement else None,
        line=_line(statement, cause) if statement else None,
        interrupted=by.interrupted,
    )


def lost(step: Step) -> StepResult:
    """Build the result of a step that must not run, or be committed, for want of the lock."""
    return StepResult(
        migration=step.migration.name,
        outcome=Outcome.BUSY,
        error="the session that held the deployment's lock is gone, so another may be at work",
    )


def interrupted(step: Step) -> StepResult:
    """Build the result of a step before which the run was stopped."""
    return StepResult(
        migration=step.migration.name,
        outcome=Outcome.SKIPPED,
        error="interrupted before it ran",
        interrupted=True,
    )


def _explained(error: psycopg.Error, step: Step, statement: Statement | None) -> str:
    """Explain an error by the SQL that caused it: at COMMIT, any statement of the step."""
    from migsafe import target

    sent = [statement] if statement else step.statements
    return target.explain(error, "\n".join(item.text for item in sent))


def _line(statement: Statement, cause: BaseException) -> int:
    """Return the file's line of a failure: the server's position in the statement, or its start."""
    position = getattr(getattr(cause, "diag", None), "statement_position", None)
    before = statement.text[: int(position) - 1] if position else ""
    return statement.line + before.count("\n")


def invalid(step: Step, names: Sequence[str]) -> StepResult:
    """Build the result of a step that ran and left INVALID indexes."""
    return StepResult(
        migration=step.migration.name,
        outcome=Outcome.DIRTY,
        error=f"INVALID after the run: index {', '.join(names)}; drop it and build it again",
    )
