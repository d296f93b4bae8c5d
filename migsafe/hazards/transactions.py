"""Hazards of BEGIN, COMMIT and SAVEPOINT in a file, and of files that can stop halfway."""

from collections.abc import Callable, Iterator
from typing import Any

from pglast import ast, enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, When
from migsafe.sql import Statement

_Kind = enums.TransactionStmtKind
_Object = enums.ObjectType
_Change = enums.AlterTableType

_BEGINS = {_Kind.TRANS_STMT_BEGIN, _Kind.TRANS_STMT_START}
_ENDS = {_Kind.TRANS_STMT_COMMIT: "COMMIT", _Kind.TRANS_STMT_ROLLBACK: "ROLLBACK"}


def _nests(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    if statement.inner:
        return
    begun = context.begun
    if context.unit.transaction and context.enclosed:
        if node.kind in _BEGINS:
            message = "BEGIN and COMMIT around the file do nothing where its runner wraps it, and"
            yield Hit(f"{message} may end the transaction of the runner early", None, Severity.INFO)
    elif node.kind in _BEGINS and begun is not None:
        yield Hit(f"BEGIN opens nothing, since line {begun.line} has opened the transaction")
    elif node.kind in _BEGINS and context.unit.transaction:
        yield Hit("BEGIN opens nothing, since the runner has opened the transaction")
    elif node.kind in _ENDS and context.unit.transaction:
        end = _ENDS[node.kind]
        yield Hit(f"{end} ends the runner's transaction: what follows is none with what precedes")
    elif node.kind in _ENDS and begun is None:
        yield Hit(f"{_ENDS[node.kind]} ends nothing, since no transaction is open")


def _open(_node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    if context.begun is not None and not context.block and not context.unit.transaction:
        message = "BEGIN without COMMIT: the server rolls everything back when the session ends"
        yield Hit(message, statement=context.begun)


def _saves(node: Any, _statement: Statement, _context: Context) -> Iterator[Hit]:
    if node.kind == _Kind.TRANS_STMT_SAVEPOINT:
        yield Hit(f"SAVEPOINT {node.savepoint_name} begins a subtransaction")


# ---------------------------------------------------------------- files that stop halfway


def _repeats(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    """Yield statements that fail when they are run again; in a transaction only if asked for."""
    asked = context.options.on & {"MS449", "not-idempotent"}
    if not statement.inner and (asked or not (_is_whole(context) or _is_last(context))):
        for what in _REPEATS[type(node)](node, context):
            yield Hit(f"{what} when a run that stopped halfway is run again")


def _is_whole(context: Context) -> bool:
    """Tell whether the file runs as one transaction, so that it does not stop halfway."""
    return context.unit.transaction or context.enclosed


def _is_last(context: Context) -> bool:
    """Tell whether nothing follows that may fail."""
    statements = context.unit.statements
    rest = (statements[at].node for at in range(len(context.before) + 1, len(statements)))
    return all(isinstance(node, ast.VariableSetStmt) for node in rest)


_Repeats = Iterator[str]


def _guarded(words: str, named: Callable[[Any], str]) -> Callable[[Any, Context], _Repeats]:
    """Return a look at a CREATE that has an IF NOT EXISTS, or whose object is dropped before."""

    def look(node: Any, context: Context) -> _Repeats:
        name = named(node)
        if not getattr(node, "if_not_exists", False) and not _cleared(name, context):
            yield f"{words} {name} fails"

    return look


def _cleared(name: str, context: Context) -> bool:
    """Tell whether a DROP IF EXISTS before in the file names it."""
    for statement in context.guarded:
        node: Any = statement.node
        drops = isinstance(node, ast.DropStmt) and node.missing_ok
        dropped: Any = node.objects if drops else ()
        commands = getattr(node, "cmds", None) or ()
        removed = (c.name for c in commands if c.subtype in _DROPS and c.missing_ok)
        if name in {*map(_last, dropped), *removed}:
            return True
    return False


def _last(parts: Any) -> str:
    """Return the bare name of what DROP names: a list of strings, a type or a function."""
    names = getattr(parts, "names", None) or getattr(parts, "objname", None) or parts
    return str(names[-1].sval if isinstance(names, tuple | list) else names.sval)


def _dropped(node: Any, _context: Context) -> _Repeats:
    if not node.missing_ok:
        yield f"DROP of {_last(node.objects[0])} without IF EXISTS fails"


_DROPS = {_Change.AT_DropColumn, _Change.AT_DropConstraint}


def _altered(node: Any, context: Context) -> _Repeats:
    for command in node.cmds or ():
        if command.subtype == _Change.AT_AddColumn and not command.missing_ok:
            yield f"ADD COLUMN {command.def_.colname} without IF NOT EXISTS fails"
        elif command.subtype in _DROPS and not command.missing_ok:
            yield f"DROP of {command.name} without IF EXISTS fails"
        elif command.subtype == _Change.AT_AddConstraint:
            name = command.def_.conname
            if name is None:
                yield "ADD of a constraint without a name fails, or adds another,"
            elif not _cleared(name, context):
                yield f"ADD CONSTRAINT {name} fails"


def _renamed(node: Any, _context: Context) -> _Repeats:
    yield f"RENAME TO {node.newname} fails"


def _added_value(node: Any, _context: Context) -> _Repeats:
    if not node.oldVal and not node.skipIfNewValExists:
        yield "ADD VALUE without IF NOT EXISTS fails"


def _replaced(words: str, named: Callable[[Any], str]) -> Callable[[Any, Context], _Repeats]:
    """Return a look at a CREATE that has an OR REPLACE."""
    guarded = _guarded(words, named)
    return lambda node, context: iter(()) if node.replace else guarded(node, context)


def _indexed(node: Any, context: Context) -> _Repeats:
    if node.idxname is None:
        yield "CREATE INDEX without a name builds another one"
    else:
        yield from _guarded("CREATE INDEX", lambda node: node.idxname)(node, context)


def _inserted(node: Any, context: Context) -> _Repeats:
    """Yield an INSERT of new rows; a key may refuse them the second time, or nothing does."""
    if node.onConflictClause is None and not getattr(node.selectStmt, "whereClause", None):
        yield f"INSERT INTO {context.table(node.relation).key} fails, or adds its rows twice,"


_REPEATS: dict[type, Callable[[Any, Context], _Repeats]] = {
    ast.AlterEnumStmt: _added_value,
    ast.AlterTableStmt: _altered,
    ast.CreateDomainStmt: _guarded("CREATE DOMAIN", lambda node: node.domainname[-1].sval),
    ast.CreateEnumStmt: _guarded("CREATE TYPE", lambda node: node.typeName[-1].sval),
    ast.CreateExtensionStmt: _guarded("CREATE EXTENSION", lambda node: node.extname),
    ast.CreateFunctionStmt: _replaced("CREATE FUNCTION", lambda node: node.funcname[-1].sval),
    ast.CreatePolicyStmt: _guarded("CREATE POLICY", lambda node: node.policy_name),
    ast.CreateSchemaStmt: _guarded("CREATE SCHEMA", lambda node: node.schemaname or ""),
    ast.CreateSeqStmt: _guarded("CREATE SEQUENCE", lambda node: node.sequence.relname),
    ast.CreateStmt: _guarded("CREATE TABLE", lambda node: node.relation.relname),
    ast.CreateTableAsStmt: _guarded("CREATE TABLE AS", lambda node: node.into.rel.relname),
    ast.CreateTrigStmt: _replaced("CREATE TRIGGER", lambda node: node.trigname),
    ast.CompositeTypeStmt: _guarded("CREATE TYPE", lambda node: node.typevar.relname),
    ast.DropStmt: _dropped,
    ast.IndexStmt: _indexed,
    ast.InsertStmt: _inserted,
    ast.RenameStmt: _renamed,
    ast.ViewStmt: _replaced("CREATE VIEW", lambda node: node.view.relname),
}


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS447",
        name="transaction-nesting",
        on=(ast.TransactionStmt,),
        check=_nests,
        summary="BEGIN or COMMIT where it means something else than it says",
        why="PostgreSQL has no nested transactions: a second BEGIN is ignored with a warning, and "
        "the first COMMIT ends everything. In a file that its runner has put into a transaction, "
        "COMMIT gives up that transaction: what follows is committed statement by statement, or in "
        "another one, and the runner's record of the migration with it.",
        remedy="Take BEGIN and COMMIT out of the file, or tell the runner not to wrap it.",
        source="https://www.postgresql.org/docs/current/sql-begin.html",
        spares_new=False,
    ),
    Rule(
        code="MS448",
        name="uncommitted-transaction",
        severity=Severity.ERROR,
        on=(When.END,),
        check=_open,
        summary="BEGIN without COMMIT, so that nothing is kept",
        why="A transaction that is open when the session ends is rolled back, without an error: "
        "the file seems to have run, and nothing of it is there.",
        remedy="Write COMMIT at the end.",
        source="https://www.postgresql.org/docs/current/sql-begin.html",
        spares_new=False,
    ),
    Rule(
        code="MS449",
        name="not-idempotent",
        on=tuple(_REPEATS),
        check=_repeats,
        summary="a file that stops halfway cannot be run again",
        why="Outside of a transaction every statement is kept as soon as it has run. When a later "
        "one fails, the file has to be run again from its beginning, and then fails at the first "
        "statement whose work is there already. In a transaction nothing of it would be there; "
        "there this rule is silent unless it is asked for.",
        remedy="Write IF NOT EXISTS, IF EXISTS, OR REPLACE or ON CONFLICT, drop before it what it "
        "makes, or give the statement a migration of its own.",
        source="https://www.postgresql.org/docs/current/sql-createtable.html",
        spares_new=False,
    ),
    Rule(
        code="MS451",
        name="savepoint",
        on=(ast.TransactionStmt,),
        check=_saves,
        summary="a savepoint in a migration",
        why="A savepoint lets a part of a migration fail silently, so that databases which ran it "
        "differ. Locks that its part has taken stay until COMMIT unless it is rolled back, and "
        "many subtransactions slow other sessions down.",
        remedy="Let the migration fail as a whole, or split it.",
        source="https://www.postgresql.org/docs/current/sql-savepoint.html",
        spares_new=False,
        style=True,
    ),
)
