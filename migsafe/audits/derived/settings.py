"""Settings of walked statements that the answer to a question may depend on. Pure.

The questions are asked without them: what they may concern is unknown.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from msgspec import Struct, field
from pglast import ast, enums, parse_sql

from migsafe.audits.derived.names import called
from migsafe.schema import Place, Schema, Table, configs, expressions

_Kind = enums.VariableSetKind

_TIMES = r"date|time|interval|now\b|age\b|extract|epoch|to_char|range|current_"

#: What in a question, or in the types of its columns, makes each setting matter.
_CONCERNED = {
    "array_nulls": r"\[\]|array|\{",
    "bytea_output": r"bytea|blob",
    "datestyle": _TIMES,
    "default_text_search_config": r"ts_?vector|ts_?query|\bts_|to_?ts",
    "extra_float_digits": r"float|real|double|json",
    "intervalstyle": _TIMES,
    "lc_monetary": r"money|to_char|to_number",
    "lc_numeric": r"to_char|to_number",
    "lc_time": r"to_char|to_date|to_timestamp",
    "standard_conforming_strings": r"\\",
    "timezone": _TIMES,
    "timezone_abbreviations": _TIMES,
    "transform_null_equals": r"(?<![<>!])=\s*NULL|NULL\s*=",
    "xmlbinary": r"xml",
    "xmloption": r"xml",
}

#: What makes a setting with a name of somebody's own matter.
_OF_OTHERS = r"current_setting|%"

#: Operations whose result a setting can change; a plain column has none.
_WORKS = (
    *(ast.TypeCast, ast.FuncCall, ast.SQLValueFunction, ast.A_ArrayExpr, ast.CoalesceExpr),
    *(ast.MinMaxExpr, ast.XmlExpr, ast.XmlSerialize, ast.A_Expr),
)


class Setting(NamedTuple):
    """A setting in force; `local` lasts until the transaction ends.

    `used` says that a statement may have made values under it.
    """

    place: Place
    local: bool
    used: bool = False


class Settings(Struct, kw_only=True):
    """The settings that walked statements have set, by name, where they may matter."""

    in_force: dict[str, Setting] = field(default_factory=dict)
    #: The last statement that may have set the search_path, or not.
    astray: Place | None = None

    def begin(self, migration: str) -> None:
        """Forget what another migration has set for its transaction."""
        self._forget(
            [n for n, s in self.in_force.items() if s.local and s.place.migration != migration]
        )

    def take(self, node: Any, place: Place, code: str) -> None:
        """Take in a statement, with the text of code that it may run."""
        if isinstance(node, ast.VariableSetStmt):
            self._set(node, place)
        elif isinstance(node, ast.DiscardStmt) and node.target == enums.DiscardMode.DISCARD_ALL:
            self._forget(list(self.in_force))
        elif isinstance(node, ast.TransactionStmt) and node.kind in _ENDS:
            self._forget([name for name, setting in self.in_force.items() if setting.local])
        elif any(c.subtype in _FILLING for c in getattr(node, "cmds", None) or ()):
            self.in_force = {n: s._replace(used=True) for n, s in self.in_force.items()}
        for setting in _given(node):
            self._set(setting, place)
        for name in (*_named(code), *_computed(node)):
            if name == "search_path":
                self.astray = place
            elif _matters(name):
                self._note(name, place, local=False)

    def _set(self, node: Any, place: Place) -> None:
        name = (node.name or "").lower()
        if node.kind == _Kind.VAR_RESET_ALL:
            self._forget(list(self.in_force))
        elif node.kind in (_Kind.VAR_RESET, _Kind.VAR_SET_DEFAULT) or _is_usual(name, node):
            self._forget([name])
        elif _matters(name):
            self._note(name, place, local=bool(node.is_local))

    def _note(self, name: str, place: Place, *, local: bool) -> None:
        """Note a setting; one that is set for the session is still so after a SET LOCAL."""
        old = self.in_force.get(name)
        local = local and (old is None or old.local)
        self.in_force[name] = Setting(place, local, used=old is not None and old.used)

    def _forget(self, names: Iterable[str]) -> None:
        """Forget settings, but for those under which values may have been made."""
        for name in names:
            if name in self.in_force and not self.in_force[name].used:
                del self.in_force[name]

    def concerning(
        self, sql: str, tables: Iterable[Table], schema: Schema
    ) -> tuple[str, Place] | None:
        """Return a setting that may change the answer to a question, with its place."""
        if not self.in_force or not _works(sql):
            return None
        columns = [c for table in tables for c in table.columns.values() if c.live]
        types = [column.type for column in columns if _is_word(str(column.live), sql)]
        kinds = [f"{one.name}{'[]' if one.array else ''}" for one in types]
        said = " ".join((re.sub(_NAMES, "", sql), *kinds))
        own = {*schema.functions, *(key.bare for key in schema.domains)}
        anything = any(word in own for word in re.findall(r"[\w$]+", said))
        for name, setting in self.in_force.items():
            if anything or re.search(_CONCERNED.get(name, _OF_OTHERS), said, re.IGNORECASE):
                return name, setting.place
        return None


_ENDS = (enums.TransactionStmtKind.TRANS_STMT_COMMIT, enums.TransactionStmtKind.TRANS_STMT_ROLLBACK)


_Change = enums.AlterTableType

#: What gives columns values that later questions are asked of.
_FILLING = (_Change.AT_AddColumn, _Change.AT_AlterColumnType, _Change.AT_SetExpression)


def _matters(name: str) -> bool:
    return name in _CONCERNED or "." in name


def decides(node: Any) -> bool:
    """Tell whether a statement sets what names or values depend on."""
    sets = [node] if isinstance(node, ast.VariableSetStmt) else [*_given(node)]
    names = [(one.name or "search_path").lower() for one in sets] + [*_computed(node)]
    return any(name == "search_path" or _matters(name) for name in names)


def _is_usual(name: str, node: Any) -> bool:
    """Tell whether strings are set to be read as they are read here."""
    said = [expressions.text(arg).strip("'\"").lower() for arg in node.args or ()]
    return name == "standard_conforming_strings" and said in (["on"], ["true"], ["yes"], ["1"])


def _works(sql: str) -> bool:
    """Tell whether a question does more than look for NULL, sizes, or the same values twice."""
    return any(not _is_plain(node) for node in expressions.nodes(parse_sql(sql), _WORKS))


def _is_plain(node: Any) -> bool:
    if isinstance(node, ast.FuncCall):
        return called(node) in ("count", "num_nulls", "pg_column_size")
    if isinstance(node, ast.A_Expr):
        sides = (node.lexpr, node.rexpr)
        numbers = any(isinstance(getattr(side, "val", None), ast.Integer) for side in sides)
        return numbers or all(isinstance(side, _WORKS) for side in sides)
    return isinstance(node, ast.CoalesceExpr)


#: Columns and tables, whose own names say nothing of types.
_NAMES = re.compile(
    r"""\b[a-z]\d?\.(?:"(?:[^"]|"")*"|[\w$]+)|"""
    r"""\bFROM\s+(?:ONLY\s+)?"(?:[^"]|"")*"\."(?:[^"]|"")*\""""
)


def _is_word(name: str, text: str) -> bool:
    return re.search(rf"(?<![\w$]){re.escape(name)}(?![\w$])", text) is not None


def _named(code: str) -> Iterator[str]:
    """Yield the settings that code may set, by name."""
    for match in re.finditer(_SETS, code):
        yield (match[1] or match[2]).lower()
    if re.search(r"\bset\s+(?:local\s+|session\s+)?time\s+zone\b", code, re.IGNORECASE):
        yield "timezone"


_SETS = re.compile(
    r"""\bset\s+(?:local\s+|session\s+)?"?([\w.]+)"?\s*(?:=|\bto\b)"""
    r"""|\bset_config\s*\(\s*'+([\w.]+)""",
    re.IGNORECASE,
)


def _given(node: Any) -> Iterator[Any]:
    """Yield the SET that each set_config with constants amounts to."""
    for said in configs.given(node):
        if said.name is not None and said.value is not None:
            yield ast.VariableSetStmt(
                kind=_Kind.VAR_SET_VALUE,
                name=said.name,
                args=(ast.A_Const(val=ast.String(sval=said.value)),),
                is_local=said.local,
            )


def _computed(node: Any) -> Iterator[str]:
    """Yield the settings to which a query gives what is computed; any may be the search_path."""
    for said in configs.given(node):
        if said.name is None or said.value is None:
            yield said.name or "search_path"
