"""Hazards of who may do what: row security, rights, owners, definer functions, extensions."""

from collections.abc import Iterator
from typing import Any

from pglast import ast, enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, around, dropped
from migsafe.schema import Key, Table
from migsafe.sql import Statement

_Object = enums.ObjectType
_Change = enums.AlterTableType

_MANUAL = "https://www.postgresql.org/docs/current"


# ---------------------------------------------------------------- row security


def _security(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    table = context.table(statement.node.relation)
    if node.subtype == _Change.AT_DisableRowSecurity:
        yield Hit(f"shows every row of {table.key} to every role that may read it", table)
    elif node.subtype == _Change.AT_NoForceRowSecurity:
        yield Hit(f"shows every row of {table.key} to its owner", table)
    elif not table.policies and table.key not in _policed_later(context):
        forced = node.subtype == _Change.AT_ForceRowSecurity
        whom = "its owner too" if forced else "every role but its owner"
        unknown = "" if context.schema.complete or table.made else "; no policy of it is known here"
        message = f"hides every row of {table.key} from {whom} where it has no policy{unknown}"
        yield Hit(message, table)


def _policed_later(context: Context) -> set[Key]:
    """Return the tables for which the rest of the transaction makes a policy."""
    policies = around.later(context, ast.CreatePolicyStmt) if context.in_transaction else ()
    keys = (context.schema.key(made.table.schemaname, made.table.relname) for made in policies)
    return set(keys)


def _create_policy(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    """Yield restrictive policies; a permissive one shows more, and hides nothing."""
    table = context.table(node.table)
    off = not table.row_security and (context.schema.complete or table.made)
    if not node.permissive and not off:
        message = f"hides the rows of {table.key} that {node.policy_name} refuses, from then on"
        yield Hit(message, table)


def _alter_policy(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    table = context.table(node.table)
    message = f"changes which rows of {table.key} a role sees and may write, from then on"
    yield Hit(message, table, Severity.INFO)


def _drop_policy(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    if node.removeType != _Object.OBJECT_POLICY:
        return
    again = {made.policy_name for made in around.later(context, ast.CreatePolicyStmt)}
    for parts in node.objects:
        key, name = dropped.key_of(parts[:-1], context), parts[-1].sval
        table = context.schema.tables.get(key)
        known = table is not None and (context.schema.complete or table.made is not None)
        gone = table and known and node.missing_ok and name not in table.policies
        gone = gone or key in dropped.later(context)
        if not gone and not (name in again and context.in_transaction):
            message = (
                f"drops {name} of {key}: rows that only this policy shows are hidden from then on"
            )
            yield Hit(message, table or Table(key=key))


def _rows_seen(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    checks: dict[type, Any] = {
        ast.AlterTableCmd: _security,
        ast.CreatePolicyStmt: _create_policy,
        ast.AlterPolicyStmt: _alter_policy,
        ast.DropStmt: _drop_policy,
    }
    yield from checks[type(node)](node, statement, context)


# ---------------------------------------------------------------- rights and owners


def _grant(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    if isinstance(node, ast.AlterDefaultPrivilegesStmt):
        yield from _given(node.action, context, "everything made from then on")
    elif isinstance(node, ast.GrantStmt) and node.targtype == _Target.ACL_TARGET_DEFAULTS:
        return
    elif isinstance(node, ast.GrantStmt):
        what = _LISTS.get(node.objtype, "an object")
        yield from _given(node, context, f"all of a schema's {what}s")
    else:
        table = context.table(statement.node.relation)
        message = (
            f"holds ACCESS EXCLUSIVE on {table.key} until COMMIT, so that nobody can use it "
            "meanwhile; its old owner loses what only an owner may do"
        )
        yield Hit(message, table)


_Target = enums.GrantTargetType

#: What is worth a word when everybody, or nobody any more, may use it.
_LISTS: dict[Any, str] = {
    _Object.OBJECT_TABLE: "table",
    _Object.OBJECT_SEQUENCE: "sequence",
    _Object.OBJECT_SCHEMA: "schema",
    _Object.OBJECT_DATABASE: "database",
    _Object.OBJECT_FUNCTION: "function",
    _Object.OBJECT_PROCEDURE: "function",
    _Object.OBJECT_ROUTINE: "function",
}

#: Rights that PUBLIC has of its own, or that read and change nothing.
_HARMLESS = {"usage", "connect", "temporary", "temp", "execute"}

#: Rights that running code does not need.
_SELDOM = {"references", "trigger", "truncate", "maintain"}


def _given(node: Any, context: Context, plural: str) -> Iterator[Hit]:
    """Yield what a GRANT gives to everybody, and what a REVOKE takes from anybody."""
    what = _LISTS.get(node.objtype)
    rights = {right.priv_name for right in node.privileges or ()} or {"all"}
    if what is None or _is_usual(node, what, rights, context):
        return
    for name, table in _objects(node, what, context) or [(plural, None)]:
        named = ", ".join(sorted(rights))
        if node.is_grant:
            yield Hit(f"grants {named} on {name} to every role there is or will be", table)
        else:
            message = f"revokes {named} on {name}: statements that need it fail (42501) at once"
            yield Hit(message, table)


def _is_usual(node: Any, what: str, rights: set[str], context: Context) -> bool:
    """Tell whether it names its roles, or does what is the default for functions, or undoes it."""
    if not node.is_grant:
        return (what == "function" and _any_made(context)) or rights <= _SELDOM
    public = enums.RoleSpecType.ROLESPEC_PUBLIC
    named = all(role.roletype != public for role in node.grantees or ())
    return named or what == "function" or rights <= _HARMLESS


def _any_made(context: Context) -> bool:
    """Tell whether the migration makes functions, whose default right it then takes back."""
    return any(isinstance(one.node, ast.CreateFunctionStmt) for one in context.before)


def _objects(node: Any, what: str, context: Context) -> list[tuple[str, Table | None]]:
    """Return what a GRANT names; nothing where it speaks of all objects of a schema."""
    if node.targtype != _Target.ACL_TARGET_OBJECT:
        return []
    if what in ("table", "sequence"):
        found = [(context.schema.find(one), one) for one in node.objects]
        return [
            (str(context.schema.key(one.schemaname, one.relname)), table) for table, one in found
        ]
    parts = [getattr(one, "objname", one) for one in node.objects]
    names = [part[-1].sval if isinstance(part, tuple) else part.sval for part in parts]
    return [(f"the {what} {name}", None) for name in names]


# ---------------------------------------------------------------- functions and extensions


def _definer(node: Any, _statement: Statement, _context: Context) -> Iterator[Hit]:
    alters = isinstance(node, ast.AlterFunctionStmt)
    options = (node.actions if alters else node.options) or ()
    name = (node.func.objname if alters else node.funcname)[-1].sval
    definer = any(
        item.defname == "security" and getattr(item.arg, "boolval", False) for item in options
    )
    fixed = any(item.defname == "set" and item.arg.name == "search_path" for item in options)
    if definer and not fixed:
        yield Hit(f"lets whoever calls {name} choose the search_path under its owner's rights")


#: Extensions that a role with CREATE on the database may make (trusted, 13 and later).
_TRUSTED = frozenset(
    (
        *("btree_gin", "btree_gist", "citext", "cube", "dict_int", "fuzzystrmatch", "hstore"),
        *("intarray", "isn", "lo", "ltree", "pg_trgm", "pgcrypto", "plpgsql", "seg", "tablefunc"),
        *("tcn", "tsm_system_rows", "tsm_system_time", "unaccent", "uuid-ossp"),
    )
)


def _extension(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    name = node.extname
    updates = isinstance(node, ast.AlterExtensionStmt)
    if not updates and name in context.schema.extensions:
        if not node.if_not_exists:
            yield Hit(f"fails (42710): {name} is there already", None, Severity.ERROR)
        return
    verb = "updates" if updates else "makes"
    trusted = name in _TRUSTED and context.at_least(13, unknown=False)
    superuser = "a superuser, or what the provider gives in its place"
    need = "the right to CREATE in the database" if trusted else superuser
    message = f"{verb} {name}, which needs its files on the server, and {need}"
    yield Hit(message, None, Severity.INFO if trusted else None)


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS122",
        name="rls-and-policies",
        on=(
            _Change.AT_EnableRowSecurity,
            _Change.AT_ForceRowSecurity,
            _Change.AT_DisableRowSecurity,
            _Change.AT_NoForceRowSecurity,
            ast.CreatePolicyStmt,
            ast.AlterPolicyStmt,
            ast.DropStmt,
        ),
        check=_rows_seen,
        summary="row security changes which rows a role sees",
        why="With row level security on, a role sees the rows that a policy shows it, and none "
        "where there is no policy: queries do not fail, they return nothing, and UPDATE changes "
        "nothing. The owner is not bound by it unless it is forced. Without it, every role that "
        "may read the table sees all of it. Each of these takes ACCESS EXCLUSIVE until COMMIT.",
        remedy="Create the policies first and enable row security after them, in one transaction.",
        source=f"{_MANUAL}/ddl-rowsecurity.html",
        lock="ACCESS EXCLUSIVE",
    ),
    Rule(
        code="MS326",
        name="grants-and-owner",
        on=(ast.GrantStmt, ast.AlterDefaultPrivilegesStmt, _Change.AT_ChangeOwner),
        check=_grant,
        summary="rights are given to everybody, taken away, or the owner changes",
        why="GRANT and REVOKE block nobody. But PUBLIC means every role, those too that are made "
        "later, and a right that is revoked is missing in the same moment: running code fails with "
        "42501. OWNER TO takes ACCESS EXCLUSIVE until COMMIT; only an owner may alter or drop a "
        "table, and row security does not bind it.",
        remedy="Grant to a role that the application's roles are members of; revoke a right when "
        "no running code needs it; change owners with a short lock_timeout.",
        source=f"{_MANUAL}/ddl-priv.html",
    ),
    Rule(
        code="MS427",
        name="security-definer-search-path",
        on=(ast.CreateFunctionStmt, ast.AlterFunctionStmt),
        check=_definer,
        summary="a SECURITY DEFINER function looks names up along its caller's search_path",
        why="A SECURITY DEFINER function runs with the rights of its owner, but with the "
        "search_path of whoever calls it. A caller who may create a table or function in any "
        "schema, a temporary one included, puts one of the same name in front, and the function "
        "uses it with its owner's rights.",
        remedy="Add SET search_path = '' and write every name with its schema.",
        source=f"{_MANUAL}/sql-createfunction.html#SQL-CREATEFUNCTION-SECURITY",
    ),
    Rule(
        code="MS428",
        name="create-extension",
        on=(ast.CreateExtensionStmt, ast.AlterExtensionStmt),
        check=_extension,
        summary="an extension is made or updated, which the server may not have or allow",
        why="An extension is files on the server and objects in the database. CREATE EXTENSION "
        "fails where the files are not installed (0A000, or 58P01 before 15), and where the "
        "migration's role is no superuser (42501); since 13 trusted ones need no more than the "
        "right to CREATE in the database. Managed services have their own list of what may be "
        "made. An update may change or drop functions that are in use.",
        remedy="Let whoever runs the server make it, and write IF NOT EXISTS here; look for it in "
        "pg_available_extensions before.",
        source=f"{_MANUAL}/sql-createextension.html",
    ),
)
