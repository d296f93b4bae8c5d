"""Play the cases of a hazard on a real server: what each statement does there."""

import re
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from unittest import mock

import psycopg
from msgspec import structs
from pglast import ast
from psycopg.pq import TransactionStatus

from migsafe import hazards
from migsafe.findings import Finding
from migsafe.hazards import Context, Hit, Rule, Unit, locks
from migsafe.hazards.locks import Lock, Mode, Work
from migsafe.schema import Key
from migsafe.schema.changes import advance
from migsafe.sql import Statement
from tests import hazard_cases
from tests.db.measuring import MODES, Clinics, Connection, Effect, measure
from tests.hazard_cases import Case

#: Where a statement stands: the migration and the line.
Place = tuple[str, int]

#: The major version that the cases are for, where they do not say another.
NEWEST = 18

#: What a server says of syntax, functions, types and objects that it does not have yet.
_LACKING = ("42601", "42704", "42703", "42883", "42P01", "0A000", "42809")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a statement of a case did by itself, after those before it were committed.

    `table` is the one that the rule says suffers. `held` are the modes that the migration had taken
    before it.
    """

    place: Place
    statement: Statement
    marked: bool
    table: str | None
    effect: Effect
    held: frozenset[str] = field(default_factory=frozenset)

    @property
    def lock(self) -> str | None:
        """The strongest lock on the table, or on any where the rule names none."""
        if self.table is not None:
            return self.effect.locks.get(self.table)
        return max(self.effect.locks.values(), key=MODES.index, default=None)

    @property
    def modes(self) -> set[str]:
        """The modes that a sentence about the statement may speak of."""
        return {*self.effect.locks.values(), *self.effect.index_locks.values(), *self.held}


def has(rule: Rule, major: int) -> bool:
    """Tell whether a major version has the hazard."""
    return (rule.since or 0) <= major <= (rule.until or major)


def work_of_others(rule: Rule, case: Case) -> set[Place]:
    """Return the statements of a case at which another rule finds a long lock."""
    long = {one.code for one in hazards.rules() if one.weighed and one.code != rule.code}
    found = hazards.walk(case.units, hazard_cases.clinic(), case.options)
    return {(one.migration or "", one.line or 0) for one in found if one.code in long}


def suffering(rule: Rule, case: Case) -> Mapping[Place, str]:
    """Return the tables that the rule names in a case, qualified, by the place of its hit."""
    tables: dict[Place, str] = {}

    def ask(node: object, statement: Statement, context: Context) -> Iterator[Hit]:
        for hit in rule.check(node, statement, context):
            place = _place(hit, statement, context)
            if hit.table is not None and place:
                tables.setdefault(place, _qualified(hit.table.key))
            yield hit

    spy = structs.replace(rule, check=ask)
    with mock.patch.object(hazards, "rules", return_value=(spy,)):
        hazards.walk(case.units, hazard_cases.clinic(), case.options)
    return tables


def _place(hit: Hit, statement: Statement | None, context: Context) -> Place | None:
    if hit.place:
        return hit.place.migration, hit.place.line
    found = hit.statement or statement
    return (context.unit.name, found.line) if found else None


def _qualified(key: Key) -> str:
    return f"{key.schema}.{key.bare}"


def apart(rule: Rule, which: str, clinics: Clinics) -> Iterator[Outcome]:
    """Measure each statement of a case by itself, then run it for good where it goes well."""
    case = hazard_cases.load(rule, which)
    tables = suffering(rule, case)
    with _spoiling(clinics) as conn:
        for unit in case.units:
            held: set[str] = set()
            for place, statement in _places(unit):
                if isinstance(statement.node, _UNMEASURED):
                    continue
                outcome = Outcome(
                    place=place,
                    statement=statement,
                    marked=place in case.marked,
                    table=tables.get(place),
                    effect=measure(conn, statement.text),
                    held=frozenset(held),
                )
                yield outcome
                held |= set(outcome.effect.locks.values())
                if outcome.effect.undone and outcome.effect.sqlstate is None:
                    with conn.transaction():
                        conn.execute(statement.text.encode())


#: A transaction of its own would end ours, and a prepared statement outlives it.
_UNMEASURED = (ast.TransactionStmt, ast.PrepareStmt, ast.ExecuteStmt)


@contextmanager
def _spoiling(clinics: Clinics, *, spoils: bool = True) -> Iterator[Connection]:
    conn = clinics.clean()
    try:
        yield conn
    finally:
        if spoils or conn.info.transaction_status != TransactionStatus.IDLE:
            clinics.spoilt()


def together(rule: Rule, which: str, clinics: Clinics) -> Iterator[tuple[Place, str | None]]:
    """Run a case as its runner does, and yield the SQLSTATE of each statement; None is success.

    A marked statement that fails is undone, and the next ones go on without it. After one that
    is not marked its migration ends.
    """
    case = hazard_cases.load(rule, which)
    whole = len(case.units) == 1 and _is_one_transaction(case.units[0])
    with _spoiling(clinics, spoils=not whole) as conn:
        for unit in case.units:
            conn.execute("BEGIN" if unit.transaction else "")
            for place, statement in _places(unit):
                state = _tried(conn, statement, undo=place in case.marked)
                yield place, state
                if state and place not in case.marked:
                    break
            if conn.info.transaction_status != TransactionStatus.IDLE:
                conn.execute("ROLLBACK" if whole else "COMMIT")


def _is_one_transaction(unit: Unit) -> bool:
    """Tell whether all that a migration does can be undone, but for what a session keeps."""
    kept = (ast.TransactionStmt, ast.PrepareStmt, ast.VariableSetStmt, ast.DiscardStmt)
    return unit.transaction and not any(
        statement.refuses or isinstance(statement.node, kept) for statement in unit.statements
    )


def _places(unit: Unit) -> Iterator[tuple[Place, Statement]]:
    for statement in unit.statements:
        if not statement.inner:
            yield (unit.name, statement.line), statement


def _tried(conn: Connection, statement: Statement, *, undo: bool) -> str | None:
    inside = conn.info.transaction_status == TransactionStatus.INTRANS
    savepoint = undo and inside and not isinstance(statement.node, ast.TransactionStmt)
    try:
        if savepoint:
            conn.execute("SAVEPOINT before")
        conn.execute(statement.text.encode())
        if savepoint:
            conn.execute("RELEASE before")
    except psycopg.Error as error:
        if savepoint:
            conn.execute("ROLLBACK TO before")
        return error.sqlstate
    return None


#: The longest first, since some are parts of others.
_MODE = re.compile("|".join(sorted(MODES, key=len, reverse=True)))

#: Words that make a sentence one of what may happen, or will.
_MAYBE = re.compile(r" (where|unless|if|whose|on each|once|when|later|known|at the first) ")


def untrue(sentence: str, outcome: Outcome, state: str | None) -> list[str]:
    """Return what a sentence says of a statement that the server did not do.

    `state` is the SQLSTATE with which it ended in its own transaction.
    """
    effect = outcome.effect
    wrong = [mode for mode in _MODE.findall(sentence) if mode not in outcome.modes]
    if sentence.startswith("rewrites ") and not effect.rewritten:
        wrong.append("rewrites")
    if sentence.startswith(("reads all", "checks all")) and not effect.scanned:
        wrong.append("reads")
    if (failed := re.match(r"fails \((\w{5})\)", sentence)) and failed[1] not in (
        state,
        effect.sqlstate,
    ):
        wrong.append(failed[1])
    return [] if _MAYBE.search(sentence) else wrong


@dataclass
class Played:
    """A rule with what the server did on its cases, asked for once."""

    rule: Rule
    clinics: Clinics
    #: What the rule is told of the server; None is what the case says.
    version: int | None = None

    @cached_property
    def findings(self) -> list[Finding]:
        """What the rule finds in the bad case."""
        case = hazard_cases.load(self.rule, "bad")
        if self.version is not None:
            case = replace(case, options=structs.replace(case.options, version=self.version))
        return hazard_cases.found(self.rule, case)

    @cached_property
    def bad(self) -> list[Outcome]:
        """The bad case, a statement at a time."""
        return list(apart(self.rule, "bad", self.clinics))

    @cached_property
    def good(self) -> list[Outcome]:
        """The good case, a statement at a time."""
        return list(apart(self.rule, "good", self.clinics))

    @cached_property
    def states(self) -> dict[Place, str | None]:
        """SQLSTATEs of the bad case, run as its runner does."""
        return dict(together(self.rule, "bad", self.clinics))

    @property
    def failed(self) -> list[tuple[Place, str]]:
        """What fails in the good case, run as its runner does."""
        ran = together(self.rule, "good", self.clinics)
        return [(place, state) for place, state in ran if state]


def lacks(outcome: Outcome) -> bool:
    """Tell whether a statement failed as one does that an older server does not know."""
    return outcome.effect.sqlstate in _LACKING


def untried(played: Played) -> Iterator[Place]:
    """Yield what the version lacks of a bad case, and all after one that prepares others."""
    unprepared = False
    for outcome in played.bad:
        unprepared = unprepared or (lacks(outcome) and not outcome.marked)
        if lacks(outcome) or unprepared:
            yield outcome.place


def claims(rule: Rule) -> bool:
    """Tell whether a rule says something that a server can confirm."""
    return bool(rule.lock or rule.rewrites or rule.scans or rule.fails)


def unconfirmed(played: Played) -> list[str]:
    """Return what the rule claims of its first marked statement and the server did not do."""
    rule = played.rule
    if not claims(rule):
        return []
    first = next(outcome for outcome in played.bad if outcome.marked)
    wrong = [] if rule.lock in (None, first.lock) else [f"takes {first.lock}, not {rule.lock}"]
    if rule.rewrites and not first.effect.rewritten:
        wrong.append("rewrites nothing")
    if rule.scans and not first.effect.scanned:
        wrong.append("reads nothing")
    if rule.fails and (state := played.states[first.place]) != rule.fails:
        wrong.append(f"ends with {state or 'success'}, not {rule.fails}")
    return wrong


def misstated(played: Played, *, without: Container[Place] = ()) -> list[str]:
    """Return the findings whose sentence the server does not confirm, with what is wrong."""
    by_place = {outcome.place: outcome for outcome in played.bad}
    wrong = []
    for finding in played.findings:
        place = finding.migration or "", finding.line or 0
        if place in by_place and place not in without:  # BEGIN, COMMIT and PREPARE are not
            fails = finding.message.startswith("fails (")
            state = played.states.get(place) if fails else None
            said = untrue(finding.message, by_place[place], state)
            wrong += [f"{place}: {word}: {finding.message}" for word in said]
    return wrong


def shared(played: Played) -> list[str]:
    """Return the good case's statements that do what the bad one does to what was there.

    That is work under such a lock, unless another rule finds it.
    """
    rule, case = played.rule, hazard_cases.load(played.rule, "good")
    strong = MODES[MODES.index(rule.lock) :] if rule.lock else ()
    if not rule.weighed or "SHARE" in strong[1:]:
        return []
    there = {_qualified(key) for key in hazard_cases.clinic().tables}
    others = work_of_others(rule, case)
    return [
        f"{outcome.place}: {name}"
        for outcome in played.good
        for name in _done(rule, outcome.effect) & there
        if outcome.effect.locks.get(name) in strong and outcome.place not in others
    ]


def _done(rule: Rule, effect: Effect) -> frozenset[str]:
    """Return the relations with the kind of work that a rule is about."""
    if rule.rewrites:
        return effect.rewritten
    return effect.scanned if rule.scans else effect.built


#: What runs code that is not followed, and CLUSTER without a name.
_OPAQUE = (ast.DoStmt, ast.CallStmt, ast.SelectStmt)


def unforeseen(played: Played, which: str, major: int) -> list[str]:
    """Return the strong locks and long works of a case that the lock model does not say."""
    outcomes = {one.place: one for one in (played.bad if which == "bad" else played.good)}
    schema, found = hazard_cases.clinic(), []
    for unit in hazard_cases.load(played.rule, which).units:
        for statement in unit.statements:
            outcome = None if statement.inner else outcomes.get((unit.name, statement.line))
            if outcome and outcome.effect.sqlstate:
                continue
            if outcome and not _is_opaque(statement):
                model = locks.taken(statement.node, schema, version=major)
                named = {_qualified(key): lock for key, lock in model.items()}
                found += [f"{outcome.place}: {less}" for less in _less(named, outcome.effect)]
            advance(schema, statement, unit.name)
    return found


def _is_opaque(statement: Statement) -> bool:
    node = statement.node
    return isinstance(node, _OPAQUE) or (isinstance(node, ast.ClusterStmt) and not node.relation)


def _less(model: Mapping[str, Lock], effect: Effect) -> Iterator[str]:
    nothing = Lock(Mode.ACCESS_SHARE)
    for name, mode in effect.locks.items():
        real = Mode(1 + MODES.index(mode))
        if real > max(model.get(name, nothing).mode, Mode.ROW_EXCLUSIVE):
            yield f"{mode} on {name}"
    if all(mode in MODES[:3] for mode in effect.locks.values()):
        return  # of rows alone: a plan decides what is read
    works = (
        (effect.scanned, Work.SCAN),
        (effect.built, Work.BUILD),
        (effect.rewritten, Work.REWRITE),
    )
    for names, work in works:
        yield from (f"{work.name} {one}" for one in names if model.get(one, nothing).work < work)
