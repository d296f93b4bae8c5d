"""Expressions of pending statements, put into the names that tables and columns have now. Pure.

What cannot be put so, without a doubt that it asks the same, raises `Unknown` or `Later`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct, field
from pglast import ast, enums, parse_sql
from pglast.stream import RawStream

from migsafe.schema import Column, Key, Place, Schema, Table, Type, casts, expressions, reading


class Unknown(Exception):  # a verdict, not an error
    """The rows that there are now cannot answer; the text is the reason."""


class Later(Exception):  # a verdict, not an error
    """Only what an earlier pending statement does decides."""

    def __init__(self, place: Place) -> None:
        """Keep the statement's place."""
        super().__init__()
        self.place = place


def quoted(name: str) -> str:
    """Return a name as SQL, whatever it is."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as SQL, whatever standard_conforming_strings says."""
    escaped = text.replace("'", "''")
    return f" E'{escaped}'".replace("\\", "\\\\") if "\\" in text else f"'{escaped}'"


def relation(key: Key) -> str:
    """Return a relation as SQL."""
    return f"{quoted(key.schema)}.{quoted(key.bare)}"


def text(tree: Any) -> str:
    """Print an expression; raise Unknown where PostgreSQL would read the print otherwise."""
    printed = str(RawStream()(tree))
    again: Any = parse_sql(f"SELECT {printed}")[0].stmt
    if again.targetList[0].val != tree:
        raise Unknown("the expression cannot be printed")
    return printed


Swap = Callable[[Any], Any]


def swapped(node: Any, swap: Swap) -> Any:
    """Return a tree in which `swap` has replaced nodes; it returns None to leave one as it is."""
    if isinstance(node, tuple | list):
        return tuple(swapped(item, swap) for item in node)
    if not isinstance(node, ast.Node):
        return node
    new = swap(node)
    if new is not None:
        return new
    parts = {name: swapped(getattr(node, name), swap) for name in node}
    return type(node)(**{name: part for name, part in parts.items() if part is not None})


def reference(*names: str) -> Any:
    """Return a reference to a column as a tree."""
    return ast.ColumnRef(fields=tuple(ast.String(sval=name) for name in names))


class Names(Struct, kw_only=True):
    """What a walk knows of types and functions that are not, or no longer, what they are now."""

    schema: Schema
    #: Functions that walked statements make or replace, and types whose values they change.
    functions: set[str] = field(default_factory=set)
    types: set[Key] = field(default_factory=set)

    def type_(self, type_: Type) -> str:
        """Return a type as SQL in the target's names."""
        bare = self._bare(type_)
        mods = f"({','.join(map(str, type_.mods))})" if type_.mods else ""
        return f"{bare}{mods}{'[]' if type_.array else ''}"

    def _bare(self, type_: Type) -> str:
        origin = self._origin(type_)
        if origin:
            return relation(origin)
        schema = (
            "pg_catalog" if type_.schema is None and type_.name in _OF_GRAMMAR else type_.schema
        )
        return ".".join(quoted(part) for part in (schema, type_.name) if part)

    def _origin(self, type_: Type) -> Key | None:
        """Return what an enum or domain is called now, None for other types."""
        for kinds in (self.schema.enums, self.schema.domains):
            key = self.key(type_, kinds)
            if key is None:
                continue
            if key in self.types:
                raise Unknown(f"a pending statement changes the type {key}")
            if kinds[key].origin is None:
                raise Unknown(f"a pending statement makes the type {key}")
            return kinds[key].origin
        return None

    def key(self, type_: Type, kinds: Mapping[Key, Any]) -> Key | None:
        """Return where a type is in enums or domains, None where it is in neither."""
        schemas = (type_.schema,) if type_.schema else self.schema.path
        return next((k for s in schemas if (k := Key(s, type_.name)) in kinds), None)

    def checked(self, node: Any) -> Any:
        """Return the replacement of a type's name, None to leave it; refuse what is made later."""
        if isinstance(node, ast.FuncCall) and (name := called(node)) in self.functions:
            raise Unknown(f"a pending statement makes the function {name}")
        if not isinstance(node, ast.TypeName):
            return None
        origin = self._origin(reading.type_of(node))
        if origin is None:
            return None
        names = tuple(ast.String(sval=part) for part in origin)
        return _with_names(node, names)


def called(node: Any) -> str:
    """Return the bare name of the function that a FuncCall calls."""
    return str(node.funcname[-1].sval)


def _with_names(node: Any, names: tuple[Any, ...]) -> Any:
    parts = {name: getattr(node, name) for name in node}
    return ast.TypeName(**{k: v for k, v in parts.items() if v is not None} | {"names": names})


#: Types that SQL has words of its own for, which the grammar puts into pg_catalog.
_OF_GRAMMAR = frozenset(
    (
        *("bit", "bool", "bpchar", "float4", "float8", "int2", "int4", "int8", "interval"),
        *("json", "numeric", "time", "timestamp", "timestamptz", "timetz", "varbit", "varchar"),
    )
)


class Rows(Struct, kw_only=True):
    """The rows of one table as a pending statement finds them. `values` go over the columns'."""

    names: Names
    table: Table
    values: Mapping[str, Any] = field(default_factory=dict)

    def source(self, *, only: bool | None = None) -> str:
        """Return the relation for FROM; `only` leaves out heirs, None where there are none."""
        if self.table.live is None:
            raise Unknown(f"{self.table.key} is not there yet")
        alone = self.table.kind == "r" if only is None else only and self.table.kind != "p"
        return f"{'ONLY ' if alone else ''}{relation(self.table.live)}"

    def column(self, name: str, alias: str = "t") -> str:
        """Return what a column holds, as SQL."""
        return text(self._column(name, alias))

    def missing(self, name: str) -> str:
        """Return the condition that a column is NULL, as NOT NULL and an index see it.

        Of a composite value IS NULL asks the columns.
        """
        value = self.column(name)
        return f"num_nulls({value}) = 1" if self.is_composite(name) else f"{value} IS NULL"

    def is_composite(self, name: str) -> bool:
        """Tell whether a column is of a composite type, or of a domain over one."""
        column, schema = self.table.columns.get(name), self.names.schema
        if column is None or column.type.array:
            return False
        base = casts.base(column.type, schema)
        kinds: tuple[Any, ...] = (schema.composites, schema.tables)
        return any(schema.typed(base, kind) is not None for kind in kinds)

    def _column(self, name: str, alias: str) -> Any:
        if name in self.values:
            return self._value(self.values[name], alias)
        column = self.table.columns.get(name)
        if column is None:
            raise Unknown(f"{self.table.key} has no column {name}")
        if column.value is not None:
            return self._value(expressions.tree(column.value), alias)
        if column.live is None:
            raise Unknown(f"nobody knows what a pending statement puts into {name}")
        return reference(alias, column.live)

    def _value(self, value: Any, alias: str) -> Any:
        """Return a value over the target's columns as one over those of an alias."""
        if value is None:
            raise Unknown("nobody knows what a pending statement puts there")

        def swap(node: Any) -> Any:
            if not isinstance(node, ast.ColumnRef):
                return None
            fields: Any = node.fields
            return reference(alias, fields[-1].sval)

        return swapped(value, swap)

    def expression(self, expression: Any, alias: str = "t") -> str:
        """Return an expression over the table's columns as SQL over those of the target."""
        return text(self.tree(expression, alias))

    def tree(self, expression: Any, alias: str = "t") -> Any:
        """Return an expression over the table's columns as a tree over those of the target."""
        tree = expressions.tree(expression)

        def swap(node: Any) -> Any:
            if isinstance(node, ast.SubLink):
                raise Unknown("it asks other tables")
            if isinstance(node, ast.ColumnRef):
                return self._column(self._named(node), alias)
            return self.names.checked(node)

        self._check_columns(tree)
        return swapped(tree, swap)

    def _named(self, node: Any) -> str:
        last = node.fields[-1]
        qualifier = [part.sval for part in node.fields[:-1] if isinstance(part, ast.String)]
        if not isinstance(last, ast.String) or qualifier[-1:] not in ([], [self.table.key.bare]):
            raise Unknown("it reads a whole row")
        return str(last.sval)

    def _check_columns(self, tree: Any) -> None:
        """Refuse an expression over a column whose type is not what it is now."""
        for name in reading.names_in(tree):
            column = self.table.columns.get(name)
            if column and column.value is None and name not in self.values:
                self.names.type_(column.type)


def unchanged(column: Column) -> bool:
    """Tell whether a column is what it is in the target, under whatever name."""
    return column.live is not None and column.value is None and column.retyped is None


def constant(tree: Any) -> bool:
    """Tell whether an expression is a literal, or a cast of one."""
    while isinstance(tree, ast.TypeCast):
        tree = tree.arg
    return isinstance(tree, ast.A_Const)


def is_null(tree: Any) -> bool:
    """Tell whether an expression is NULL as it is written."""
    while isinstance(tree, ast.TypeCast):
        tree = tree.arg
    return isinstance(tree, ast.A_Const) and bool(tree.isnull)


def never_null(tree: Any) -> bool:
    """Tell whether an expression can have no NULL as its value."""
    while isinstance(tree, ast.TypeCast):
        tree = tree.arg
    if isinstance(tree, ast.A_Const):
        return not tree.isnull
    if isinstance(tree, ast.FuncCall):
        return called(tree) in _NEVER_NULL or (
            called(tree) in _NULL_OF_NULL and all(never_null(arg) for arg in tree.args or ())
        )
    if isinstance(tree, ast.A_Expr) and tree.kind == enums.A_Expr_Kind.AEXPR_OP:
        plain = tree.name is not None and tree.name[-1].sval in _ARITHMETIC
        return plain and never_null(tree.lexpr) and never_null(tree.rexpr)
    if isinstance(tree, ast.CoalesceExpr):
        return any(never_null(arg) for arg in tree.args or ())
    return isinstance(tree, ast.SQLValueFunction | ast.A_ArrayExpr)


_NEVER_NULL = frozenset(
    (
        *("now", "clock_timestamp", "statement_timestamp", "transaction_timestamp", "nextval"),
        *("gen_random_uuid", "uuid_generate_v4", "uuid_generate_v1", "uuidv4", "uuidv7", "random"),
        *("jsonb_build_object", "json_build_object", "jsonb_build_array", "json_build_array"),
    )
)


#: Operators and functions whose value is NULL for a NULL only.
_ARITHMETIC = frozenset(("+", "-", "*", "/", "%", "||"))
_NULL_OF_NULL = frozenset(
    (
        *("lower", "upper", "md5", "timezone", "date_trunc", "replace", "btrim", "length"),
        *("round", "floor", "ceil", "abs", "encode", "left", "right", "to_timestamp"),
    )
)

#: Functions whose values are all different, as good as certainly.
_DISTINCT = frozenset(
    (
        *("nextval", "gen_random_uuid", "uuid_generate_v1", "uuid_generate_v1mc"),
        *("uuid_generate_v4", "uuidv4", "uuidv7"),
    )
)


def distinct(tree: Any) -> bool:
    """Tell whether a default has another value in each row."""
    while isinstance(tree, ast.TypeCast):
        tree = tree.arg
    return isinstance(tree, ast.FuncCall) and called(tree) in _DISTINCT


#: Operators and functions that raise no error whatever their operands are.
_QUIET_OPERATORS = frozenset(("=", "<>", "<", ">", "<=", ">=", "->", "->>", "@>"))
_LIKE = frozenset(("~~", "!~~", "~~*", "!~~*"))
_QUIET_FUNCTIONS = frozenset(
    ("lower", "upper", "btrim", "ltrim", "rtrim", "md5", "length", "char_length", "reverse")
)

#: Parts of an expression that raise no error of their own.
_QUIET_NODES = (
    *(ast.A_Const, ast.A_Expr, ast.BoolExpr, ast.BooleanTest, ast.CaseExpr, ast.CaseWhen),
    *(ast.CoalesceExpr, ast.CollateClause, ast.ColumnRef, ast.FuncCall, ast.MinMaxExpr),
    *(ast.NullTest, ast.TypeCast, ast.TypeName),
    *(ast.BitString, ast.Boolean, ast.Float, ast.Integer, ast.String),
)

#: Types of columns that || puts together as texts.
_JOINED = frozenset(
    (
        *("text", "varchar", "bpchar", "citext", "name", "bool", "int2", "int4", "int8"),
        *("numeric", "date", "timestamp", "timestamptz", "uuid"),
    )
)


def raises(tree: Any, table: Table | None = None) -> bool:
    """Tell whether the value of some row may raise an error."""
    if any(not isinstance(node, _QUIET_NODES) for node in expressions.nodes(tree, ast.Node)):
        return True
    if any(_converts(cast) for cast in expressions.nodes(tree, ast.TypeCast)):
        return True
    if any(not _is_quiet(call) for call in expressions.nodes(tree, ast.FuncCall)):
        return True
    joins = _joins_text(tree, table)
    return any(_may_raise(node, joins=joins) for node in expressions.nodes(tree, ast.A_Expr))


def _converts(cast: Any) -> bool:
    return not constant(cast.arg) and reading.type_of(cast.typeName) != Type(None, "text")


def _is_quiet(call: Any) -> bool:
    schemas = [part.sval for part in call.funcname[:-1]]
    return called(call) in _QUIET_FUNCTIONS and schemas in ([], ["pg_catalog"])


def _joins_text(tree: Any, table: Table | None) -> bool:
    """Tell whether || puts texts together, since arrays and documents may not fit together."""
    columns = table.columns if table else {}
    read = [columns.get(name) for name in reading.names_in(tree)]
    plain = all(c and c.type.name in _JOINED and not c.type.array for c in read)
    written = [node.val.sval for node in expressions.nodes(tree, ast.A_Const) if _is_text(node)]
    return plain and not any(text_.lstrip()[:1] in ("{", "[") for text_ in written)


def _is_text(node: Any) -> bool:
    return isinstance(node.val, ast.String)


def _may_raise(node: Any, *, joins: bool) -> bool:
    kinds = enums.A_Expr_Kind
    operator = node.name[-1].sval
    if node.kind in (kinds.AEXPR_LIKE, kinds.AEXPR_ILIKE) or operator in _LIKE:
        # A pattern must not end with its escape character.
        return not (_is_constant_text(node.rexpr) and "\\" not in node.rexpr.val.sval)
    if node.kind != kinds.AEXPR_OP:
        return node.kind in (kinds.AEXPR_SIMILAR, kinds.AEXPR_OP_ANY, kinds.AEXPR_OP_ALL)
    return not joins if operator == "||" else operator not in _QUIET_OPERATORS


def _is_constant_text(node: Any) -> bool:
    return isinstance(node, ast.A_Const) and not node.isnull and _is_text(node)


def joined(parts: Iterable[str], word: str = "AND") -> str:
    """Join conditions, each in its own parentheses."""
    return f" {word} ".join(f"({part})" for part in parts)
