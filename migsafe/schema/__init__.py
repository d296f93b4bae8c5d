"""A schema as a plan sees it: what is there, and what the statements so far have made of it. Pure.

It is filled from the target's catalog, or by nothing but the statements themselves;
`changes.advance` takes in one statement. What is not known is None or `known = False`, never a
guess.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from msgspec import Struct, field


class Key(NamedTuple):
    """A relation, type or domain by schema and name, as the catalog spells them."""

    schema: str
    bare: str

    def __str__(self) -> str:
        """Return it as a reader writes it: ``public`` goes without saying."""
        return self.bare if self.schema == "public" else f"{self.schema}.{self.bare}"


class Type(NamedTuple):
    """A type by its catalog name (``int4``, ``varchar``); `mods` are as written, (10, 2).

    `schema` is None for pg_catalog, and for a name that was written without one.
    """

    schema: str | None
    name: str
    mods: tuple[int, ...] = ()
    array: bool = False

    def __str__(self) -> str:
        """Return it as SQL without quotes; of an interval's fields nothing is said."""
        numbers = self.mods[1:] if self.name == "interval" else self.mods
        mods = f"({','.join(map(str, numbers))})" if numbers else ""
        schema = f"{self.schema}." if self.schema else ""
        name = "char" if self.name == "bpchar" and mods else _SPELLED.get(self.name, self.name)
        return f"{schema}{name}{mods}{'[]' if self.array else ''}"


#: What people call types whose catalog name is another.
_SPELLED = {
    "bool": "boolean",
    "float4": "real",
    "float8": "double precision",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
}


class Place(NamedTuple):
    """Where a statement stands; `line` is 1-based."""

    migration: str
    line: int


class Column(Struct, kw_only=True):
    """One column. `live` is its name in the target, None where a walked statement adds it.

    `default` is the expression: a parse tree where a statement wrote it, text from the catalog.
    `value` is the SQL of what it holds now, over the target's columns: None where nobody knows,
    and while it is simply the live column.
    """

    name: str
    type: Type
    not_null: bool = False
    default: Any = None
    identity: bool = False
    generated: Literal["", "s", "v"] = ""
    collation: str | None = None
    live: str | None = None
    value: str | None = None
    #: Where a walked statement last gave it another type.
    retyped: Place | None = None
    #: Where a walked statement adds it to a table that is sure not to have had it.
    added: Place | None = None


class Constraint(Struct, kw_only=True):
    """One constraint; `kind` as in pg_constraint.contype: p u f c x, n for NOT NULL (18).

    `expression` is a CHECK's: a parse tree where a statement wrote it, text from the catalog
    (`expressions.tree` returns either as a tree). `match` is s (simple) or f (full).
    """

    name: str
    kind: Literal["p", "u", "f", "c", "x", "n"]
    columns: tuple[str, ...] = ()
    valid: bool = True
    enforced: bool = True
    deferrable: bool = False
    deferred: bool = False
    target: Key | None = None
    target_columns: tuple[str, ...] = ()
    match: Literal["s", "f"] = "s"
    #: What happens to rows that refer: a (nothing), r(estrict), c(ascade), n(ull), d(efault).
    on_update: str = "a"
    on_delete: str = "a"
    expression: Any = None
    #: Whether heirs do without it (NO INHERIT).
    alone: bool = False
    #: Whether it is as said; False where a branch makes or validates it, which may not run.
    sure: bool = True
    #: Whether it is in the target; False where a walked statement makes it.
    live: bool = False
    #: Where a walked statement makes it.
    made: Place | None = None


class Index(Struct, kw_only=True):
    """One index; a key that is an expression is None in `columns`. `included` are not keys."""

    name: str
    columns: tuple[str | None, ...] = ()
    included: tuple[str, ...] = ()
    #: Columns that its expressions and its predicate need.
    reads: tuple[str, ...] = ()
    unique: bool = False
    nulls_not_distinct: bool = False
    valid: bool = True
    immediate: bool = True
    #: The predicate: a parse tree where a statement wrote it, text from the catalog.
    predicate: Any = None
    method: str = "btree"
    #: Whether each key has its type's default operator class, collation and order.
    ordinary: bool = True
    #: Whether it is there; False where a branch makes it, which may not run.
    sure: bool = True
    live: bool = False
    made: Place | None = None

    @property
    def plain(self) -> bool:
        """Tell whether it covers every row by columns alone."""
        return self.predicate is None and None not in self.columns


class Write(NamedTuple):
    """A walked statement that changes rows; `columns` are those of UPDATE … SET, else empty."""

    kind: Literal["insert", "update", "delete", "merge", "truncate", "copy"]
    columns: tuple[str, ...]
    place: Place


class Trigger(NamedTuple):
    """A trigger of a user; `deferred` says that its events wait for COMMIT.

    One that is for each `row` is on each partition too.
    """

    function: str
    deferred: bool = False
    row: bool = True


class Table(Struct, kw_only=True):
    """One relation with rows or a view; `kind` as in pg_class.relkind: r p v m f.

    `known` says that `columns`, `constraints` and `indexes` are complete. `live` is its name in
    the target, None where a walked statement makes it or no target was read. `made` is the walked
    migration that makes it. `rows` is the planner's estimate and `bytes` the size with its indexes
    and TOAST, None where no target was read.
    """

    key: Key
    kind: Literal["r", "p", "v", "m", "f"] = "r"
    known: bool = False
    live: Key | None = None
    made: Place | None = None
    #: Whether what makes it is content with one that is there (IF NOT EXISTS, or in a branch).
    lenient: bool = False
    #: Partitions and heirs, theirs too, that other migrations made, or nobody is known to have.
    adopted: set[Key] = field(default_factory=set)
    rows: int | None = None
    bytes: int | None = None
    #: Whether the target's file had no page, so that it had no row.
    empty: bool = False
    #: Whether a materialized view can be read; False after WITH NO DATA.
    populated: bool = True
    columns: dict[str, Column] = field(default_factory=dict)
    constraints: dict[str, Constraint] = field(default_factory=dict)
    indexes: dict[str, Index] = field(default_factory=dict)
    triggers: dict[str, Trigger] = field(default_factory=dict)
    #: The parent of a partition, and the parents of INHERITS.
    parents: tuple[Key, ...] = ()
    #: Strategy of a partitioned table (range, list, hash), and its key; None is an expression.
    strategy: str | None = None
    partition_key: tuple[str | None, ...] = ()
    #: What follows PARTITION BY, as the catalog prints it; None where a statement wrote the key.
    partition_by: str | None = None
    #: FOR VALUES …, or DEFAULT: a parse tree (PartitionBoundSpec), or text from the catalog.
    bound: Any = None
    unlogged: bool = False
    temporary: bool = False
    row_security: bool = False
    policies: set[str] = field(default_factory=set)
    #: As in pg_class.relreplident: d(efault), n(othing), f(ull), i(ndex).
    replica_identity: str = "d"
    #: Whether a publication of the target carries its updates or deletes.
    published: bool = False
    #: Views and rules that read it, with the columns that each needs (all where empty).
    readers: dict[Key, frozenset[str]] = field(default_factory=dict)
    #: What the walked statements do to its rows, in order.
    writes: list[Write] = field(default_factory=list)
    #: The query of a view: a parse tree where a statement wrote it, text from the catalog.
    query: Any = None
    #: The composite type whose columns it has (CREATE TABLE … OF).
    of: Key | None = None
    #: The extension that owns it, which manages its schema.
    extension: str | None = None

    def is_default(self) -> bool:
        """Tell whether it is a default partition."""
        return bool(getattr(self.bound, "is_default", self.bound == "DEFAULT"))

    def unique_on(self, columns: Sequence[str]) -> bool:
        """Tell whether a valid, immediate, complete unique index has exactly these columns."""
        return any(
            index.unique
            and index.valid
            and index.sure
            and index.immediate
            and index.plain
            and set(index.columns) == set(columns)
            for index in self.indexes.values()
        )


class Domain(Struct, kw_only=True):
    """A domain over `base`; `checks` are expressions over VALUE, trees or texts by name.

    `origin` is its name in the target, None where a walked statement makes it.
    """

    base: Type
    not_null: bool = False
    checks: dict[str, Any] = field(default_factory=dict)
    #: Names of the checks that are NOT VALID.
    unproven: set[str] = field(default_factory=set)
    default: Any = None
    live: bool = False
    origin: Key | None = None

    @property
    def constrained(self) -> bool:
        """Tell whether it has a rule that a value can break."""
        return self.not_null or bool(self.checks)


class Enum(Struct, kw_only=True):
    """An enum and its labels in order; `added` are those that walked statements added.

    `origin` is its name in the target, None where a walked statement makes it.
    """

    labels: list[str]
    live: bool = False
    origin: Key | None = None
    made: Place | None = None
    added: dict[str, Place] = field(default_factory=dict)


class Schema(Struct, kw_only=True):
    """Everything that is known, and the path along which unqualified names are looked up.

    `complete` says that it began as the catalog of a target: what is not in it is not there.
    `version` is the server's major version and `minor` its release, None where they are not known.
    """

    complete: bool = False
    version: int | None = None
    minor: int | None = None
    path: tuple[str, ...] = ("public",)
    #: The search_path as it is set, with schemas that are not there yet.
    search: tuple[str, ...] = ()
    #: The path before a SET LOCAL, and the migration that it lasts in.
    outer: tuple[tuple[str, ...], str] | None = None
    tables: dict[Key, Table] = field(default_factory=dict)
    enums: dict[Key, Enum] = field(default_factory=dict)
    domains: dict[Key, Domain] = field(default_factory=dict)
    #: Columns of composite types.
    composites: dict[Key, dict[str, Type]] = field(default_factory=dict)
    #: Sequences, with the table and column that own or use each (None: nobody).
    sequences: dict[Key, tuple[Key, str] | None] = field(default_factory=dict)
    #: Where CREATE SEQUENCE has made one that was not there.
    new_sequences: dict[Key, Place] = field(default_factory=dict)
    #: Volatility of functions by bare name, the worst of all that share it: i s v; and language.
    functions: dict[str, tuple[Literal["i", "s", "v"], str]] = field(default_factory=dict)
    #: The search_path that a function brings along (SET search_path = …), by bare name.
    paths: dict[str, Any] = field(default_factory=dict)
    #: Bodies of functions as text, by bare name and bare types of their input.
    bodies: dict[tuple[str, tuple[str, ...]], str] = field(default_factory=dict)
    extensions: set[str] = field(default_factory=set)
    #: Walked statements whose effect on the schema nobody can tell (dynamic SQL, other languages).
    opaque: list[Place] = field(default_factory=list)
    #: Temporary tables, with the migration that made each, and whether they go with COMMIT.
    passing: dict[Key, tuple[str, bool]] = field(default_factory=dict)
    #: Names of relations that a walked statement has dropped or renamed, until one makes them anew.
    gone: dict[Key, Place] = field(default_factory=dict)
    #: Settings that the target's database or role brings along: ``lock_timeout`` and others.
    settings: dict[str, str] = field(default_factory=dict)

    def key(self, schema: str | None, bare: str) -> Key:
        """Return where a name leads: to what is there, else to the first schema of the path."""
        if schema:
            return Key(schema, bare)
        for candidate in ("pg_temp", *self.path):  # as the server does, whatever the path says
            name = candidate, bare  # is found like a Key, and made in no time
            if name in self.tables or name in self.sequences:
                return Key(candidate, bare)
        return Key(self.path[0] if self.path else "public", bare)

    def find(self, relation: Any) -> Table | None:
        """Return the table or view that a RangeVar names, None where it is not known."""
        return self.tables.get(self.key(relation.schemaname, relation.relname))

    def table(self, relation: Any) -> Table:
        """Return the table that a RangeVar names; one that is not known yet is noted as such.

        ALTER TABLE may name a composite type or a sequence, which is no table.
        """
        key = self.key(relation.schemaname, relation.relname)
        found = self.tables.get(key)
        if found is None:
            found = Table(key=key)
            if key not in self.composites and key not in self.sequences:
                self.tables[key] = found
        return found

    def index(self, schema: str | None, bare: str) -> tuple[Table, Index] | None:
        """Return an index with its table by name, None where it is not known.

        Without a schema the path says which; one outside of it is found where the path may be more.
        """
        found = [table for table in self.tables.values() if bare in table.indexes]
        schemas = ("pg_temp", *self.path) if schema is None else (schema,)
        for wanted in schemas:
            for table in found:
                if table.key.schema == wanted:
                    return table, table.indexes[bare]
        if schema is None and found and not self.complete:
            return found[0], found[0].indexes[bare]
        return None

    def children(self, key: Key) -> Iterator[Table]:
        """Yield the partitions and heirs of a table, theirs too, each once."""
        heirs = [table for table in self.tables.values() if table.parents]
        seen = {key}
        todo = [key]
        while todo:
            parent = todo.pop()
            for table in heirs:
                if parent in table.parents and table.key not in seen:
                    seen.add(table.key)
                    todo.append(table.key)
                    yield table

    def referrers(self, key: Key) -> Iterator[tuple[Table, Constraint]]:
        """Yield each foreign key to a table, its own included, with the table that has it."""
        for table in self.tables.values():
            for made in table.constraints.values():
                if made.kind == "f" and made.target == key:
                    yield table, made

    def typed(self, type_: Type, kinds: dict[Key, Any]) -> Any:
        """Return what `kinds` (enums, domains or composites) holds of a type, None for nothing."""
        schemas = (type_.schema,) if type_.schema else self.path
        return next((kinds[k] for s in schemas if (k := Key(s, type_.name)) in kinds), None)
