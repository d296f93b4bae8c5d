"""The relations that a statement makes, and what may make more than its text names. Pure."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from pglast import ast, enums
from pglast.visitors import Visitor


def made(node: Any) -> Iterator[str]:
    """Yield the bare names of the relations that a statement makes, and of those it may make."""
    find = _MADE.get(type(node))
    return find(node) if find else iter(())


def _bare(relation: Any) -> Iterator[str]:
    if relation is not None:
        yield relation.relname


def _renamed(node: Any) -> Iterator[str]:
    yield from (node.newname,)


def _into(node: Any) -> Iterator[str]:
    """Yield the target of SELECT INTO, which the leftmost part of a UNION holds."""
    while node.larg:
        node = node.larg
    yield from _bare(node.intoClause.rel) if node.intoClause else ()


def _schema(node: Any) -> Iterator[str]:
    for element in node.schemaElts or ():
        yield from made(element)


def _words(node: Any) -> Iterator[str]:
    """Yield every word of a DO block: what it makes is among them, unless it runs text."""
    yield from (quoted or word.lower() for quoted, word in _WORD.findall(_body(node.args)))


_WORD = re.compile(r'"([^"]+)"|([^\W\d][\w$]*)')

_MADE: dict[type, Callable[[Any], Iterator[str]]] = {
    ast.CreateStmt: lambda node: _bare(node.relation),
    ast.CreateForeignTableStmt: lambda node: _bare(node.base.relation),
    ast.CreateTableAsStmt: lambda node: _bare(node.into.rel),
    ast.ViewStmt: lambda node: _bare(node.view),
    ast.CreateSeqStmt: lambda node: _bare(node.sequence),
    ast.CompositeTypeStmt: lambda node: _bare(node.typevar),
    ast.IndexStmt: lambda node: iter([node.idxname] if node.idxname else []),
    ast.RenameStmt: _renamed,
    ast.AlterObjectSchemaStmt: lambda node: _bare(node.relation),
    ast.SelectStmt: _into,
    ast.CreateSchemaStmt: _schema,
    ast.DoStmt: _words,
}


# ---------------------------------------------------------------- what leaves names open


def renamed_schemas(node: Any) -> Iterator[str]:
    """Yield the schema that takes another one's relations by this statement."""
    if isinstance(node, ast.RenameStmt) and node.renameType == enums.ObjectType.OBJECT_SCHEMA:
        yield str(node.newname)


def moves_path(node: Any) -> bool:
    """Tell whether an unqualified name may lead elsewhere after this statement."""
    if isinstance(node, ast.AlterRoleSetStmt | ast.AlterDatabaseSetStmt):
        node = node.setstmt
    if isinstance(node, ast.VariableSetStmt):
        return node.name in _PATHS or node.kind == enums.VariableSetKind.VAR_RESET_ALL
    if isinstance(node, ast.SelectStmt):
        return "set_config" in _calls(node)
    return isinstance(node, ast.DiscardStmt | ast.DoStmt) and "search_path" in _said(node)


#: `"$user"` in the search_path follows the role.
_PATHS = {"search_path", "role", "session_authorization"}


def _said(node: Any) -> str:
    return _body(node.args).lower() if isinstance(node, ast.DoStmt) else "search_path"


def _body(options: Iterable[Any] | None) -> str:
    """Return the text of a DO block or of a function, empty where it is no text."""
    body: Any = next((o.arg for o in options or () if o.defname == "as"), None)
    parts = body if isinstance(body, tuple) else (body,)
    return "\n".join(str(part.sval) for part in parts if isinstance(part, ast.String))


class _Calls(Visitor):
    """Collect the functions that a node calls."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def visit_FuncCall(self, _parents: Any, node: Any) -> None:
        self.found.add(node.funcname[-1].sval)


def _calls(node: Any) -> set[str]:
    calls = _Calls()
    calls(node)
    return calls.found


def opaque(node: Any, harmless: Collection[str]) -> bool:
    """Tell whether a statement may make relations that its text does not name."""
    if isinstance(node, ast.DoStmt):
        return _makes_unnamed(_body(node.args), harmless)
    if isinstance(node, ast.SelectStmt | ast.CallStmt):
        return not all(_is_harmless(name, harmless) for name in _calls(node))
    if isinstance(node, ast.CreateExtensionStmt):
        return node.extname not in _TABLELESS
    return isinstance(node, ast.ImportForeignSchemaStmt | ast.AlterExtensionStmt)


def functions(node: Any) -> Iterator[tuple[str, bool]]:
    """Yield the function that a statement creates, and whether it makes no relation."""
    if isinstance(node, ast.CreateFunctionStmt):
        names: Any = node.funcname
        acts = re.search(
            r"\b(create|rename|schema|import|perform|call)\b", _body(node.options), re.IGNORECASE
        )
        yield str(names[-1].sval), not acts


def _makes_unnamed(body: str, harmless: Collection[str]) -> bool:
    if re.search(r"\bexecute\b", body, re.IGNORECASE) and _MAKING.search(body):
        return True
    called = re.findall(r'\b(?:perform|call)\s+(?:[\w"]+\.)*"?(\w+)"?\s*\(', body, re.IGNORECASE)
    return not all(_is_harmless(name.lower(), harmless) for name in called)


#: Text that makes a relation, or may: it is put together from parts.
_MAKING = re.compile(
    r"\bcreate\s+((or\s+replace|global|local|temp\w*|unlogged|foreign|materialized|recursive)\s+)*"
    r"(table|view|sequence)\b|\bcreate\s*['%|]|\bcreate\s+(or\s+replace\s*)?%"
    r"|\brename\b|\bset\s+schema\b|\bimport\b|\bpartition\b",
    re.IGNORECASE,
)


def _is_harmless(name: str, harmless: Collection[str]) -> bool:
    return name in harmless or is_builtin(name)


def is_builtin(name: str) -> bool:
    """Tell whether this is the name of a function of the server's that makes no relation."""
    return bool(_BUILTIN.fullmatch(name))


#: The built-in functions that migrations call; none of them makes a relation.
_BUILTIN = re.compile(
    r"pg_\w+|set_config|current_\w+|(set|next|curr|last)val|count|min|max|sum|avg|every"
    r"|bool_(and|or)|now|clock_timestamp|age|extract|timezone|format(_type)?|quote_\w+|version"
    r"|date_(add|bin|part|trunc)|make_(date|time|interval|timestamp(tz)?)"
    r"|to_(char|date|hex|jsonb?|number|reg\w+|timestamp|tsquery|tsvector)"
    r"|lower|upper|length|substr(ing)?|left|right|replace|regexp_\w+|split_part|concat(_ws)?|trim"
    r"|[lr]?btrim|[lr]trim|[lr]pad|md5|encode|decode|chr|ascii|position|strpos|repeat|reverse"
    r"|jsonb?_(agg|array\w*|build_\w+|each\w*|object\w*|set|typeof)|row_to_json|unnest|cardinality"
    r"|array_(agg|append|cat|length|lower|position|prepend|remove|replace|to_json|to_string|upper)"
    r"|string_(agg|to_array|to_table)|generate_(series|subscripts)|coalesce|greatest|least"
    r"|row_number|rank|dense_rank|lag|lead|first_value|last_value|abs|ceil|floor|round|random"
    r"|mod|power|gen_random_\w+|uuid_generate_v\w+|digest|crypt|gen_salt|(col|obj)_description"
    r"|has_\w+_privilege|txid_\w+"
)

#: Extensions that hold no table, and no view but one named pg_… (PostgreSQL 18; pgvector, pgjwt).
_TABLELESS = frozenset(
    (
        *("amcheck", "bloom", "btree_gin", "btree_gist", "citext", "cube", "dblink", "dict_int"),
        *("dict_xsyn", "earthdistance", "file_fdw", "fuzzystrmatch", "hstore", "intarray", "isn"),
        *("lo", "ltree", "moddatetime", "insert_username", "autoinc", "refint", "tcn"),
        *("pageinspect", "pg_buffercache", "pg_freespacemap", "pg_prewarm", "pg_stat_statements"),
        *("pg_surgery", "pg_trgm", "pg_visibility", "pg_walinspect", "pgcrypto", "pgjwt"),
        *("pgrowlocks", "pgstattuple", "plperl", "plpgsql", "plpython3u", "pltcl"),
        *("postgres_fdw", "seg", "sslinfo", "tablefunc", "tsm_system_rows", "tsm_system_time"),
        *("unaccent", "uuid-ossp", "vector", "xml2"),
    )
)
