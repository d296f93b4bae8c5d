"""A migration that stopped midway: how many of its statements are in effect."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace
from pglast import ast, enums

from migsafe import baseline, facts, findings, histories, ledger, planning, replay, sql
from migsafe.baseline import Judged, Verdict
from migsafe.baseline.restated import BEYOND, bare
from migsafe.errors import UnreachableError, UsageError
from migsafe.facts import Delta, Facts
from migsafe.findings import Finding, Severity
from migsafe.histories import Migration
from migsafe.pipeline import evidence
from migsafe.pipeline.evidence import Weighed
from migsafe.pipeline.session import Session, wanted
from migsafe.planning import Step
from migsafe.sql import Statement


class Halfway(Struct, frozen=True, kw_only=True):
    """Between `least` and `most` of a migration's statements are in effect, the first ones.

    `exact` says that the facts that the migration touches are just those after `least` of them,
    `none` and `whole` that these are also the facts before it, or after all of it.
    `unknown` says why nothing is known.
    """

    step: Step
    least: int = 0
    most: int = 0
    exact: bool = False
    none: bool = False
    whole: bool = False
    unknown: str | None = None
    #: Lines of statements among the first `least` of which nothing says that they ran.
    silent: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The migration's name."""
        return self.step.migration.name

    @property
    def decided(self) -> bool:
        """Whether the number is known."""
        return self.exact and self.least == self.most and not self.silent

    @property
    def rest(self) -> tuple[Statement, ...]:
        """The statements that are not in effect."""
        return self.step.statements[self.least :]

    @property
    def sent(self) -> int | None:
        """How many are in effect as its tool sends them; None where it stopped within one."""
        numbers = self.step.migration.sent or range(1, len(self.step.statements) + 1)
        done = max(numbers[: self.least], default=0)
        return None if any(number <= done for number in numbers[self.least :]) else done

    def remaining(self) -> Step:
        """Return the step that runs the rest, in a session that is set as it would have been."""
        done = self.step.statements[: self.least]
        again = [statement for statement in done if sql.is_setting(statement)]
        return replace(self.step, statements=(*again, *self.rest), alone="the rest of it")

    def __str__(self) -> str:
        """Say it in a sentence's part."""
        total = len(self.step.statements)
        if self.unknown:
            return f"how many of its {total} statements are in effect is unknown: {self.unknown}"
        if not self.exact:
            return f"about {self.least} of its {total} statements are in effect, not exactly"
        if self.silent and self.least == self.most:
            return (
                f"the schema is that after {self.least} of its {total} statements, but nothing "
                f"says that the one in line {self.silent[0]} ran"
            )
        if self.least != self.most:
            return f"between {self.least} and {self.most} of its {total} statements are in effect"
        if self.least in (0, total):
            return f"{'all' if self.least else 'none'} of its {total} statements are in effect"
        rest = self.rest[0]
        return f"{self.least} of its {total} statements are in effect; line {rest.line} is next"


def diagnose(session: Session, migration: Migration, live: Facts) -> Halfway:
    """Replay the migrations before this one, then its statements one by one, and compare."""
    step = planning.step(migration)
    order = list(wanted(session).directory.migrations)
    before = order[: order.index(migration)]
    try:
        played = replay.statements(before, evidence.stage(session), migration)
    except (UnreachableError, UsageError) as error:
        return Halfway(step=step, unknown=str(error))
    if played.stopped:
        where = f"{played.stopped.migration} does not replay: {played.stopped.error}"
        return Halfway(step=step, unknown=where)
    identity = histories.identity(wanted(session))
    receipts = {u.migration: u.statements for u in ledger.unfinished(session.conn, identity)}
    known = receipts.get(migration.name)
    if known is not None and migration.sent:
        known = sum(number <= known for number in migration.sent)
    left = facts.unfinished(played.initial, played.deltas)
    return compared(step, played, facts.effective(live, left), known)


def compared(
    step: Step, played: replay.Replay, live: Facts, receipts: int | None = None
) -> Halfway:
    """Compare in the facts that the migration touches, and in no others.

    `receipts` is the last statement that has one, which says that it ran where no fact does; 0
    where only the start is recorded, None where migsafe did not run it.
    """
    keys = {key for delta in played.deltas for key in delta}
    initial = {key: value for key, value in played.initial.items() if key in keys}
    near = baseline.nearest(initial, played.deltas, live)
    least, most = _settled(step.statements, near.states[0], near.states[-1])
    if receipts is not None:
        least, most = _witnessed(step, receipts, least, most)
    least, most = _repeated(step.statements, least, most)
    silent = tuple(
        statement.line
        for statement, delta in zip(step.statements[:least], played.deltas, strict=False)
        if not delta and statement.index > (receipts or 0) and _is_silent(statement)
    )
    return Halfway(
        step=step,
        least=least,
        most=most,
        exact=near.distance == 0,
        none=near.states[0] == 0,
        whole=near.states[-1] == len(played.deltas),
        silent=silent,
    )


def _is_silent(statement: Statement) -> bool:
    """Tell whether a statement does something that no fact shows."""
    return isinstance(statement.node, BEYOND) and not sql.is_setting(statement)


def _settled(statements: Sequence[Statement], least: int, most: int) -> tuple[int, int]:
    """Narrow the answer by what no half of a transaction can be: BEGIN and COMMIT leave no fact."""
    kind = enums.TransactionStmtKind
    while least < most and _is(statements[most - 1], kind.TRANS_STMT_BEGIN, kind.TRANS_STMT_START):
        most -= 1
    while least < most and _is(statements[least], kind.TRANS_STMT_COMMIT):
        least += 1
    return least, most


def _witnessed(step: Step, receipts: int, least: int, most: int) -> tuple[int, int]:
    """Narrow the answer by receipts, which are committed with what they tell of.

    Only a statement that refuses transactions, or commits itself, may be in effect before its
    receipt is, and any of an `autocommit_block`. Facts that contradict receipts are of somebody
    else's making, and stand.
    """
    blocks = sql.blocks(step.statements)
    after = next((part for part in blocks if part[-1].index > receipts), ())
    bare = len(after) == 1 and bool(
        after[0].refuses or sql.may_commit(after[0]) or step.migration.sent
    )
    low, high = max(least, receipts), min(most, receipts + bare)
    return (low, high) if low <= high else (least, most)


#: What leaves no fact, and does no harm when it runs twice.
_REPEATABLE = (ast.VacuumStmt, ast.ReindexStmt, ast.CheckPointStmt)


def _repeated(statements: Sequence[Statement], least: int, most: int) -> tuple[int, int]:
    """Let statements run again of which it is unknown whether they ran, where that does no harm."""
    harmless = all(isinstance(one.node, _REPEATABLE) for one in statements[least:most])
    return (least, least) if harmless else (least, most)


def _is(statement: Statement, *kinds: enums.TransactionStmtKind) -> bool:
    return isinstance(statement.node, ast.TransactionStmt) and statement.node.kind in kinds


def findings_of(session: Session, names: Sequence[str]) -> list[Finding]:
    """Report how far each of the named migrations came."""
    known = {m.name: m for m in wanted(session).directory.migrations}
    live = evidence.read(session)
    return [
        finding(diagnose(session, known[name], live), is_open=_is_open(session, name))
        for name in names[:_DIAGNOSED]
        if name in known and not known[name].problem
    ]


def _is_open(session: Session, name: str) -> bool:
    """Tell whether something records that the migration began and did not end."""
    found = session.standing.findings if session.standing else ()
    return any(f.migration == name and f.code in ("MH102", "MH104") for f in found)


def unsure(session: Session, weighed: Weighed) -> list[Finding]:
    """Report what looks in effect, or as if it had not begun, but may have stopped midway."""
    effective = weighed.baseline.having(Verdict.IN_EFFECT)
    doubted = [came for item in effective if (came := _doubted(session, weighed, item))]
    begun = (diagnose(session, m, weighed.live) for m in _maybe_begun(session, weighed))
    stopped = [came for came in begun if came.exact and not came.none and not came.whole]
    return [finding(came, is_open=_is_open(session, came.name)) for came in (*doubted, *stopped)]


def _doubted(session: Session, weighed: Weighed, item: Judged) -> Halfway | None:
    """Return how far a migration came that looks in effect; None where nothing casts doubt on it.

    It may have stopped before the statements that leave no fact: a record that it failed says so,
    and so may one that runs outside a transaction and that nothing follows. Or before those that
    change what its own statements made, and then that is not as the history has it.
    """
    migration = weighed.migrations[weighed.names.index(item.migration)]
    recorded = _recorded(session)
    alone = not item.follows and item.migration not in recorded and _is_alone(migration)
    if _is_open(session, item.migration) or alone:
        came = diagnose(session, migration, weighed.live)
        return came if not came.decided or came.least < len(came.step.statements) else None
    if item.migration in recorded or not _is_adrift(weighed, migration):
        return None
    came = diagnose(session, migration, weighed.live)
    return came if came.exact and not came.whole else None


def _recorded(session: Session) -> set[str]:
    return {*session.standing.applied} if session.standing else set()


def _is_adrift(weighed: Weighed, migration: Migration) -> bool:
    """Tell whether something that a migration of several statements has set is not as expected.

    What it drops and makes again has no part in its delta; where that is gone, its name tells.
    """
    drift = {difference.key for difference in weighed.baseline.drift}
    there = {key.object for key in weighed.live}
    gone = {bare(key.object) for key in drift if key.object not in there}
    moved = {key[:3] for key in drift} & {key[:3] for key in _delta(weighed, migration)}
    return bool(moved or evidence.names(migration.text, gone)) and _is_divisible(migration)


def _delta(weighed: Weighed, migration: Migration) -> Delta:
    position = weighed.names.index(migration.name)
    deltas = weighed.replay.deltas
    return deltas[position] if position < len(deltas) else {}


def _is_divisible(migration: Migration) -> bool:
    return not migration.problem and len(planning.step(migration).statements) > 1


def _maybe_begun(session: Session, weighed: Weighed) -> list[Migration]:
    """Return the first migrations that look as if they had not begun, and may have.

    What they make for a while only is in no state of the history: a new name for an old object.
    """
    drift = {difference.key.object for difference in weighed.baseline.drift}
    strays = evidence.strays(weighed)
    found = []
    for item in weighed.baseline.having(Verdict.PENDING):
        migration = weighed.migrations[weighed.names.index(item.migration)]
        touches = not drift.isdisjoint(key.object for key in _delta(weighed, migration))
        if (touches or evidence.names(migration.text, strays)) and _is_divisible(migration):
            found.append(migration)
    return [m for m in found if m.name not in _recorded(session)][:_DIAGNOSED]


def _is_alone(migration: Migration) -> bool:
    return not migration.problem and planning.step(migration).alone is not None


def detailed(session: Session, found: Sequence[Finding]) -> tuple[Finding, ...]:
    """Add how far each came to the findings that a migration stopped midway."""
    names = [f.migration for f in found if f.code in ("MH104", "MH116") and f.migration]
    closer = findings_of(session, list(dict.fromkeys(names))) if names else []
    told = {item.migration for item in closer}
    kept = (f for f in found if f.code != "MH116" or f.migration not in told)
    return (*kept, *closer)


#: Migrations that are diagnosed at once; each is a replay. Arbitrary: more is no accident.
_DIAGNOSED = 3


def finding(found: Halfway, *, is_open: bool) -> Finding:
    """Build the finding that says how far a migration came, and what to do.

    `is_open` says that its start is recorded, so that its end can be.
    """
    return findings.history(
        "MH116",
        "migration-partial",
        Severity.ERROR,
        f"{found.name}: {found}",
        migration=found.name,
        remedy=_remedy(found, is_open=is_open),
    )


def _remedy(found: Halfway, *, is_open: bool) -> str:
    undone = f"migsafe resolve --rolled-back {found.name}" if is_open else "migsafe baseline"
    if not found.decided:
        return (
            "Look at the schema and the rows; finish it or undo it by hand, then migsafe resolve."
        )
    if found.least == len(found.step.statements):
        return f"migsafe resolve --applied {found.name}"
    if found.least == 0:
        return f"{undone}, or migsafe resolve {found.name} --finish" if is_open else undone
    return (
        f"migsafe resolve {found.name} --finish runs the rest. Or undo by hand what is there, then "
        f"{undone}"
    )
