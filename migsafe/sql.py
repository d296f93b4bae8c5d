"""Migration text as statements, by PostgreSQL's own parser. Reads no file and no database."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct
from pglast import ast, enums, parse_sql
from pglast.parser import ParseError
from pglast.visitors import Visitor

from migsafe import trees

trees.quicken()


class SqlError(Exception):
    """Text that PostgreSQL's grammar does not accept; `line` and `column` are 1-based."""

    def __init__(self, line: int, column: int, problem: str) -> None:
        """Keep the place beside the problem."""
        super().__init__(problem)
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement of a migration; `index` and the lines are 1-based.

    `start` is its first character in the file, 0-based. `refuses` names what keeps it out of a
    transaction block, None where nothing does. `inner` says that it runs inside of another one, of
    a DO block or of one that calls a function, whose index it has; `maybe` that it stands in a
    branch or a loop there and may not run.
    """

    index: int
    line: int
    text: str
    refuses: str | None
    start: int = 0
    end_line: int = 0
    inner: bool = False
    maybe: bool = False
    node: Any = field(compare=False, repr=False)


class Unknown(Struct, frozen=True):
    """The node of a statement that runs and cannot be read; `what` says what is known of it."""

    what: str


def parse(text: str) -> tuple[Statement, ...]:
    """Return the statements of `text` in order; raise SqlError where it does not parse."""
    if "\0" in text:  # libpg_query reads no further, as if that were the end
        before = text[: text.index("\0")]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise SqlError(line, column, "a NUL character, which PostgreSQL does not take")
    try:
        raw = parse_sql(text)
    except ParseError as error:
        raise _located(text, error) from None
    return tuple(_statements(text, raw))


#: PostgreSQL's white space (scan.l). Every other blank of Unicode is part of a name.
_BLANKS = " \t\n\r\f\v"


def _statements(text: str, raw: Any) -> Iterator[Statement]:
    line, seen = 1, 0
    for index, item in enumerate(raw, start=1):
        start = item.stmt_location
        end = start + item.stmt_len if item.stmt_len else len(text)
        line += text.count("\n", seen, start)
        seen = start
        yield Statement(
            index=index,
            line=line,
            text=text[start:end].strip(_BLANKS),
            refuses=_refuses_transaction(item.stmt),
            start=start,
            end_line=line + text.count("\n", start, end),
            node=item.stmt,
        )


def _located(text: str, error: ParseError) -> SqlError:
    problem = error.args[0]
    offset = _offset(text, error)
    line = text.count("\n", 0, offset) + 1
    column = offset - text.rfind("\n", 0, offset)
    if text.split("\n")[line - 1].lstrip().startswith("\\"):
        problem = "a psql meta-command, which only psql understands"
    elif re.search(r"\bcopy\b[^;]*\bfrom\s+stdin\b[^;]*;", text[:offset], re.IGNORECASE):
        problem = "COPY … FROM STDIN with inline data, which only psql understands"
    return SqlError(line, column, _QUOTED.sub("a quoted string", str(problem)))


#: What a syntax error shows of a string, which may be data.
_QUOTED = re.compile(r"""(?<=at or near )"(?:[ebxn]|u&)?['$].*""", re.IGNORECASE | re.DOTALL)


def _offset(text: str, error: ParseError) -> int:
    """Return the 0-based character of a syntax error.

    pglast takes PostgreSQL's character position for a byte position and converts it once more,
    which loses up to three characters; in a text of the same shape in ASCII both are the same.
    """
    shape = re.sub(r"[^\x00-\x7f]", "q", text)
    try:
        parse_sql(shape)
    except ParseError as same:
        error = same
    offset = (*error.args, None)[1]
    return len(text) if offset is None else int(offset)


def _refuses_transaction(node: Any) -> str | None:
    """Name the clause of a statement that PostgreSQL refuses inside a transaction block.

    Source: the callers of PreventInTransactionBlock in PostgreSQL 18.
    """
    check = _CHECKS.get(type(node))
    return check(node) if check else None


def _option(params: Any, name: str) -> Any:
    """Return the DefElem `name` of an option list, or None."""
    return next((item for item in params or () if item.defname == name), None)


def _off(element: Any) -> bool:
    """Tell whether a boolean option is given as false."""
    value = getattr(element, "arg", None)
    said = getattr(value, "sval", getattr(value, "boolval", True))
    return said is False or str(said).lower() in {"false", "off", "0"}


def _alter_table(node: Any) -> str | None:
    for command in node.cmds or ():
        if command.subtype == enums.AlterTableType.AT_DetachPartition and getattr(
            command.def_, "concurrent", False
        ):
            return "DETACH PARTITION CONCURRENTLY"
    return None


def _reindex(node: Any) -> str | None:
    concurrently = _option(node.params, "concurrently")
    if concurrently and not _off(concurrently):
        return "REINDEX CONCURRENTLY"
    if node.kind in (
        enums.ReindexObjectType.REINDEX_OBJECT_SCHEMA,
        enums.ReindexObjectType.REINDEX_OBJECT_SYSTEM,
        enums.ReindexObjectType.REINDEX_OBJECT_DATABASE,
    ):
        return "REINDEX of many tables"
    return None


def _create_subscription(node: Any) -> str | None:
    slot = _option(node.options, "create_slot") or _option(node.options, "connect")
    return None if slot is not None and _off(slot) else "CREATE SUBSCRIPTION with its slot"


def _alter_subscription(node: Any) -> str | None:
    kind = enums.AlterSubscriptionType
    changes = {
        kind.ALTER_SUBSCRIPTION_SET_PUBLICATION,
        kind.ALTER_SUBSCRIPTION_ADD_PUBLICATION,
        kind.ALTER_SUBSCRIPTION_DROP_PUBLICATION,
    }
    refresh = _option(node.options, "refresh")
    refreshes = node.kind in changes and not (refresh and _off(refresh))
    if refreshes or node.kind == kind.ALTER_SUBSCRIPTION_REFRESH:
        return "ALTER SUBSCRIPTION with refresh"
    slot = _option(node.options, "failover") or _option(node.options, "two_phase")
    return "ALTER SUBSCRIPTION of its slot" if slot else None


def _transaction(node: Any) -> str | None:
    kind = enums.TransactionStmtKind
    inside = {
        kind.TRANS_STMT_SAVEPOINT,
        kind.TRANS_STMT_RELEASE,
        kind.TRANS_STMT_ROLLBACK_TO,
    }
    return None if node.kind in inside else "its own BEGIN or COMMIT"


def _do(node: Any) -> str | None:
    body = next((a.arg.sval for a in node.args if a.defname == "as"), "")
    code = re.sub(r"--[^\n]*|/\*.*?\*/|'[^']*'", " ", body, flags=re.DOTALL)
    ends = re.search(r"\b(commit|rollback)(\s+and\s+(no\s+)?chain)?\s*;", code, re.IGNORECASE)
    return "COMMIT in a DO block" if ends else None


def may_commit(statement: Statement) -> bool:
    """Tell whether a statement may commit by itself where no transaction is around it: a CALL.

    What the procedure does is known to the server alone.
    """
    calls = isinstance(statement.node, ast.DoStmt) and re.search(_CALLS, statement.text)
    return bool(calls) or isinstance(statement.node, ast.CallStmt)


_CALLS = re.compile(r"\bcall\b", re.IGNORECASE)


#: What refuses a transaction, but leaves nothing when it fails, unless it be an INVALID index.
#: A DO block with COMMIT, a REINDEX of many tables or a DETACH … CONCURRENTLY may stop halfway.
ALL_OR_NOTHING = frozenset(
    {
        None,
        "CREATE INDEX CONCURRENTLY",
        "DROP INDEX CONCURRENTLY",
        "REINDEX CONCURRENTLY",
        "VACUUM",
        "CREATE DATABASE",
        "ALTER SYSTEM",
        "DISCARD ALL",
        "its own BEGIN or COMMIT",
    }
)

_CHECKS: dict[type, Any] = {
    ast.IndexStmt: lambda n: "CREATE INDEX CONCURRENTLY" if n.concurrent else None,
    ast.DropStmt: lambda n: "DROP INDEX CONCURRENTLY" if n.concurrent else None,
    ast.AlterTableStmt: _alter_table,
    ast.ReindexStmt: _reindex,
    ast.VacuumStmt: lambda n: "VACUUM" if n.is_vacuumcmd else None,
    ast.ClusterStmt: lambda n: None if n.relation else "CLUSTER of every table",
    ast.CreatedbStmt: lambda _: "CREATE DATABASE",
    ast.DropdbStmt: lambda _: "DROP DATABASE",
    ast.AlterDatabaseStmt: lambda n: (
        "ALTER DATABASE SET TABLESPACE" if _option(n.options, "tablespace") else None
    ),
    ast.CreateTableSpaceStmt: lambda _: "CREATE TABLESPACE",
    ast.DropTableSpaceStmt: lambda _: "DROP TABLESPACE",
    ast.AlterSystemStmt: lambda _: "ALTER SYSTEM",
    ast.CreateSubscriptionStmt: _create_subscription,
    ast.AlterSubscriptionStmt: _alter_subscription,
    ast.DropSubscriptionStmt: lambda _: "DROP SUBSCRIPTION",
    ast.DiscardStmt: lambda n: "DISCARD ALL" if n.target == enums.DiscardMode.DISCARD_ALL else None,
    ast.TransactionStmt: _transaction,
    ast.DoStmt: _do,
}


def unwrapped(statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
    """Return the statements without one BEGIN … COMMIT that encloses them all, if there is one."""
    kind = enums.TransactionStmtKind
    marks = [(s, s.node.kind) for s in statements if isinstance(s.node, ast.TransactionStmt)]
    outer = [(s, k) for s, k in marks if s.refuses]
    if (
        len(outer) == 2
        and outer[0][0] is statements[0]
        and outer[1][0] is statements[-1]
        and outer[0][1] in (kind.TRANS_STMT_BEGIN, kind.TRANS_STMT_START)
        and outer[1][1] == kind.TRANS_STMT_COMMIT
        and not outer[0][0].node.options
    ):
        return statements[1:-1]
    return statements


def unclosed(statements: tuple[Statement, ...]) -> Statement | None:
    """Return the BEGIN that no COMMIT or ROLLBACK follows, if there is one."""
    kind = enums.TransactionStmtKind
    opened: Statement | None = None
    for statement in statements:
        if not isinstance(statement.node, ast.TransactionStmt) or not statement.refuses:
            continue
        begins = statement.node.kind in (kind.TRANS_STMT_BEGIN, kind.TRANS_STMT_START)
        chained = getattr(statement.node, "chain", False)
        opened = statement if begins or chained else None
    return opened


def blocks(statements: Sequence[Statement]) -> list[tuple[Statement, ...]]:
    """Part statements into what is committed at once: from a BEGIN to its end, or one alone.

    A chain of transactions, which has no BEGIN but the first, stays in one part.
    """
    parts: list[tuple[Statement, ...]] = []
    opened = 0
    inside = False
    for end, statement in enumerate(statements, start=1):
        if isinstance(statement.node, ast.TransactionStmt) and statement.refuses:
            inside = unclosed((statement,)) is not None
        if not inside:
            parts.append(tuple(statements[opened:end]))
            opened = end
    return parts


def is_commit(statement: Statement) -> bool:
    """Tell whether a statement is a COMMIT, by any of its names."""
    node = statement.node
    commit = enums.TransactionStmtKind.TRANS_STMT_COMMIT
    return isinstance(node, ast.TransactionStmt) and node.kind == commit


#: What waits for the snapshots of others, which is no queue that anybody joins.
_PATIENT = frozenset(
    {
        "CREATE INDEX CONCURRENTLY",
        "DROP INDEX CONCURRENTLY",
        "REINDEX CONCURRENTLY",
        "DETACH PARTITION CONCURRENTLY",
    }
)


def is_patient(statement: Statement) -> bool:
    """Tell whether a statement may wait for long, as readers and writers do not queue behind it."""
    node = statement.node
    if isinstance(node, ast.AlterTableStmt):
        validate = enums.AlterTableType.AT_ValidateConstraint
        validates = all(command.subtype == validate for command in node.cmds or ())
        return validates or statement.refuses in _PATIENT
    if isinstance(node, ast.RefreshMatViewStmt):
        return bool(node.concurrent)
    return statement.refuses in _PATIENT


def is_setting(statement: Statement) -> bool:
    """Tell whether a statement decides how later ones run, and does nothing else."""
    called = isinstance(statement.node, ast.SelectStmt) and "set_config" in statement.text.lower()
    return called or isinstance(statement.node, ast.VariableSetStmt)


def resets(statement: Statement) -> bool:
    """Tell whether a statement takes back what a session began with, all or its search_path."""
    node, kind = statement.node, enums.VariableSetKind
    if isinstance(node, ast.DiscardStmt):
        return node.target == enums.DiscardMode.DISCARD_ALL
    back = {kind.VAR_RESET, kind.VAR_RESET_ALL, kind.VAR_SET_DEFAULT}
    named = isinstance(node, ast.VariableSetStmt) and node.name in (None, "search_path")
    return named and node.kind in back


def sets_transaction(statement: Statement) -> bool:
    """Tell whether this is a SET TRANSACTION, before which a transaction may do nothing."""
    node, kind = statement.node, enums.VariableSetKind
    return isinstance(node, ast.VariableSetStmt) and (
        node.kind == kind.VAR_SET_MULTI and node.name == "TRANSACTION"
    )


def sets_timeouts(statement: Statement) -> bool:
    """Tell whether a statement says how long later ones may take or wait."""
    return is_setting(statement) and re.search(_TIMEOUTS, statement.text, re.IGNORECASE) is not None


_TIMEOUTS = r"\b(lock|statement)_timeout\b"


def new_enum_value_used(statements: tuple[Statement, ...]) -> Statement | None:
    """Return the ALTER TYPE … ADD VALUE whose label a later statement mentions, if there is one.

    PostgreSQL refuses the use of a new label in the transaction that adds it (55P04), unless the
    type itself is new there.
    """
    created = {_last(s.node.typeName) for s in statements if isinstance(s.node, ast.CreateEnumStmt)}
    for position, statement in enumerate(statements):
        node = statement.node
        if (
            not isinstance(node, ast.AlterEnumStmt)
            or node.oldVal
            or _last(node.typeName) in created
        ):
            continue
        label = str(node.newVal).replace("'", "''")
        literal = f"'{label}'"
        if any(literal in later.text for later in statements[position + 1 :]):
            return statement
    return None


def _last(names: Any) -> str:
    return str(names[-1].sval)


def copies_client(statements: tuple[Statement, ...]) -> Statement | None:
    """Return the COPY that would talk to a client which does not answer, if there is one."""
    for statement in statements:
        node = statement.node
        if isinstance(node, ast.CopyStmt) and not (node.filename or node.is_program):
            return statement
    return None


class _Effects(Visitor):
    """Collect what makes a SELECT more than a question."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def visit_InsertStmt(self, _parents: Any, _node: Any) -> None:
        self.found.append("INSERT")

    def visit_UpdateStmt(self, _parents: Any, _node: Any) -> None:
        self.found.append("UPDATE")

    def visit_DeleteStmt(self, _parents: Any, _node: Any) -> None:
        self.found.append("DELETE")

    def visit_MergeStmt(self, _parents: Any, _node: Any) -> None:
        self.found.append("MERGE")

    def visit_IntoClause(self, _parents: Any, _node: Any) -> None:
        self.found.append("SELECT INTO")

    def visit_LockingClause(self, _parents: Any, _node: Any) -> None:
        self.found.append("FOR UPDATE or FOR SHARE")

    def visit_FuncCall(self, _parents: Any, node: Any) -> None:
        if _EFFECTFUL.fullmatch(_last(node.funcname)):
            self.found.append(f"{_last(node.funcname)}()")


#: Functions that act although the transaction is read-only (PostgreSQL 18, 9.28, and contrib).
_EFFECTFUL = re.compile(
    r"pg_(terminate|cancel)_backend|pg_(try_)?advisory_\w+|pg_reload_conf|pg_rotate_logfile\w*"
    r"|pg_promote|pg_notify|pg_switch_wal|pg_create_\w+|pg_drop_\w+|pg_replication_\w+"
    r"|pg_logical_\w+|pg_stat_reset\w*|pg_stat_statements_reset|pg_wal_replay_\w+"
    r"|pg_log_\w+|set_config|setval|nextval|dblink\w*|lo_\w+"
    r"|query_to_xml\w*|cursor_to_xml\w*"
)


def is_question(statement: Statement) -> bool:
    """Tell whether a statement only asks, or only says how the session is to be."""
    if isinstance(statement.node, ast.VariableShowStmt):
        return True
    if not isinstance(statement.node, ast.SelectStmt):
        return False
    effects = _Effects()
    effects(statement.node)
    return not effects.found


def question(text: str) -> str:
    """Return the one SELECT of `text` without its semicolon; raise SqlError if it is anything else.

    A data-modifying WITH, SELECT INTO, row locks and functions that act are refused.
    """
    statements = parse(text)
    if len(statements) != 1:
        raise SqlError(1, 1, f"{len(statements)} statements where exactly one SELECT belongs")
    only = statements[0]
    if not isinstance(only.node, ast.SelectStmt):
        raise SqlError(only.line, 1, "not a SELECT")
    effects = _Effects()
    effects(only.node)
    if effects.found:
        raise SqlError(only.line, 1, f"not read-only: {effects.found[0]}")
    return only.text
