"""Hazards of waiting without an end: which timeouts are in force when a statement wants a lock."""

from collections.abc import Iterable, Iterator
from typing import Any

from pglast import ast

from migsafe.hazards import Context, Hit, Rule, When
from migsafe.hazards.context import Taken, assigned, duration
from migsafe.hazards.locks import Work
from migsafe.sql import Statement

_MANUAL = "https://www.postgresql.org/docs/current/runtime-config-client.html"

#: Milliseconds; those of strong_migrations, and arbitrary: a query of an application takes less.
_LONGEST_WAIT = 10_000
_LONGEST_RUN = 300_000

_LONG_WAIT = ("MS133", "lock-timeout-too-long")


def _hit(found: Iterable[Taken], context: Context, says: str, *names: str) -> Iterator[Hit]:
    """Yield one hit at the first statement, which counts the others; `says` has {} for its lock.

    A statement that a comment allows, by one of the rule's names, has a hit of its own: the comment
    is about no other.
    """
    from migsafe.hazards import suppressions

    allowed = suppressions.covered(context.unit, *names)
    counted: list[Taken] = []
    for one in found:
        if one.statement.index in allowed:
            yield _counting([one], context, says)
        else:
            counted.append(one)
    if counted:
        yield _counting(counted, context, says)


def _counting(taken: list[Taken], context: Context, says: str) -> Hit:
    first, others = taken[0], len(taken) - 1
    key, lock = max(first.locks.items(), key=lambda item: item[1].mode)
    more = f", as {others} later {'statement does' if others == 1 else 'statements do'}"
    message = says.format(f"{lock.mode} on {key}", more if others else "")
    return Hit(message, context.schema.tables.get(key), statement=first.statement)


def _unlimited(_node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    unlimited = [one for one in context.taken if one.lock_timeout is None]
    if unlimited and not any(_limits(later) for later in _after(unlimited[0], context)):
        yield from _hit(
            unlimited,
            context,
            "takes {} without a lock_timeout{}: while it waits, everybody else waits behind it",
            "MS132",
            "missing-lock-timeout",
        )


def _after(taken: Taken, context: Context) -> list[Statement]:
    """Return the statements of the migration after one of them."""
    place = next(n for n, one in enumerate(context.before) if one is taken.statement)
    return context.before[place + 1 :]


def _limits(statement: Statement) -> bool:
    """Tell whether a statement sets a lock_timeout, and not to 0."""
    return any(
        setting.name == "lock_timeout" and duration(setting.value)
        for setting in assigned(statement.node)
    )


def _too_late(_node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    unlimited = [one for one in context.taken if one.lock_timeout is None]
    if unlimited and context.setting("lock_timeout") is None and _limits(statement):
        first = unlimited[0]
        key, lock = max(first.locks.items(), key=lambda item: item[1].mode)
        message = f"sets lock_timeout when line {first.place.line} has already waited for"
        yield Hit(f"{message} {lock.mode} on {key} without one")


def _waits_long(_node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    endless = [one for one in context.taken if one.lock_timeout == 0]
    patient = [one for one in context.taken if (one.lock_timeout or 0) > _LONGEST_WAIT]
    yield from _hit(
        endless,
        context,
        "waits for {} without an end, since lock_timeout is 0{}, and everybody else behind it",
        *_LONG_WAIT,
    )
    if patient and not endless:
        seconds = (patient[0].lock_timeout or 0) / 1000
        says = f"may wait {seconds:g} s for {{}}{{}}, and everybody else behind it as long"
        yield from _hit(patient, context, says, *_LONG_WAIT)


def _unbounded(_node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    found = [one for one in context.taken if one.statement_timeout is None]
    says = "holds {} for as long as it runs, without a statement_timeout{}"
    yield from _hit(found, context, says, "MS135", "missing-statement-timeout")


def _runs_long(_node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    """Yield lasting work that nothing stops soon; a moment needs no limit but lock_timeout."""
    found = [one for one in context.taken if _lasts(one) and one.statement_timeout is not None]
    found = [one for one in found if not 0 < (one.statement_timeout or 0) <= _LONGEST_RUN]
    says = "may hold {} for longer than five minutes{}, since statement_timeout lets it"
    yield from _hit(found, context, says, "MS136", "statement-timeout-too-long")


def _lasts(taken: Taken) -> bool:
    return max(lock.work for lock in taken.locks.values()) > Work.MOMENT


def _never_set(*names: str) -> Any:
    """Return a check that one of some settings is given where locks are taken."""

    def check(_node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
        said = {setting.name for one in context.before for setting in assigned(one.node)}
        if not said & {*names} and all(context.setting(name) is None for name in names):
            yield from _hit(context.taken[:1], context, f"takes {{}} without {names[0]}{{}}")

    return check


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS132",
        name="missing-lock-timeout",
        on=(When.END,),
        check=_unlimited,
        summary="a lock is waited for without a lock_timeout",
        why="A lock that keeps others out has to wait for every transaction that uses the table, "
        "a forgotten one or a long report among them. Those who come later queue behind the one "
        "that waits, even if they only read: an ALTER TABLE of a millisecond takes the table away "
        "for as long as that report runs. With a lock_timeout the migration fails instead, and can "
        "be run again. What runs CONCURRENTLY keeps nobody out while it waits, and needs none.",
        remedy="Write SET LOCAL lock_timeout = '5s' before it, or set it for the role or in the "
        "config as lint.timeouts, and be ready to try again.",
        source=_MANUAL,
        lock="ACCESS EXCLUSIVE",
        spares_new=False,
    ),
    Rule(
        code="MS133",
        name="lock-timeout-too-long",
        on=(When.END,),
        check=_waits_long,
        summary="a lock is waited for longer than users wait",
        why="While a statement waits for a lock that keeps others out, all later queries of the "
        "table wait behind it. lock_timeout is how long that may last; 0 turns it off. Beyond some "
        "seconds requests time out and connections run out, which is the outage that the timeout "
        "is there to prevent.",
        remedy="Set it to some seconds at most, and try again more often instead.",
        source=_MANUAL,
        lock="ACCESS EXCLUSIVE",
        spares_new=False,
    ),
    Rule(
        code="MS134",
        name="lock-timeout-after-lock",
        on=(ast.VariableSetStmt, ast.SelectStmt),
        check=_too_late,
        summary="lock_timeout is set after the first lock was waited for",
        why="lock_timeout counts for the statements after it. The one that has already waited for "
        "its lock had none, and everybody has waited behind it.",
        remedy="Move it to the beginning of the migration.",
        source=_MANUAL,
        spares_new=False,
    ),
    Rule(
        code="MS135",
        name="missing-statement-timeout",
        on=(When.END,),
        check=_unbounded,
        summary="a lock is held by a statement without a statement_timeout",
        why="A statement that reads or rewrites a table holds its lock until it is through, and "
        "how long that takes on the real rows is often learned in production. statement_timeout "
        "ends it, and the transaction gives its locks back.",
        remedy="Write SET LOCAL statement_timeout before it, above what it took on a copy.",
        source=_MANUAL,
        lock="ACCESS EXCLUSIVE",
        spares_new=False,
        style=True,
    ),
    Rule(
        code="MS136",
        name="statement-timeout-too-long",
        on=(When.END,),
        check=_runs_long,
        summary="a statement may hold a lock for minutes",
        why="Building an index, reading or rewriting a table goes on under its lock. With a "
        "statement_timeout of 0, or of many minutes, nothing ends it while the application waits.",
        remedy="Set statement_timeout to what the application can bear, or take the long work out "
        "from under the lock.",
        source=_MANUAL,
        lock="SHARE",
        spares_new=False,
    ),
    Rule(
        code="MS444",
        name="missing-idle-timeout",
        on=(When.END,),
        check=_never_set("idle_in_transaction_session_timeout", "transaction_timeout"),
        summary="nothing ends a transaction whose runner has died",
        why="When the runner hangs or its network is cut within a transaction, the server keeps "
        "the session and its locks until TCP gives up, which takes hours by default. "
        "idle_in_transaction_session_timeout ends it; transaction_timeout (since PostgreSQL 17) "
        "ends any that takes too long.",
        remedy="Write SET idle_in_transaction_session_timeout, or set it for the role.",
        source=_MANUAL,
        spares_new=False,
        style=True,
    ),
    Rule(
        code="MS445",
        name="missing-application-name",
        on=(When.END,),
        check=_never_set("application_name"),
        summary="nobody can tell whose locks these are",
        why="Who looks in pg_stat_activity for what blocks the application sees a session without "
        "a name. application_name says which deployment it is, and whether it may be ended.",
        remedy="Write SET application_name, or name it in the URL that the runner connects to.",
        source="https://www.postgresql.org/docs/current/runtime-config-logging.html",
        spares_new=False,
        style=True,
    ),
)
