"""The target's schema as a plan walks it (`migsafe.schema`), read from its catalogs alone.

It reads no row and takes no lock on a table for longer than one question about it; a dozen queries
serve a schema of any size. The tables of migration tools are in it: a migration may name them.
"""

import re
from collections.abc import Iterable
from typing import Any

from psycopg import errors

from migsafe import catalog
from migsafe.errors import UnreachableError
from migsafe.schema import (
    Column,
    Constraint,
    Domain,
    Enum,
    Index,
    Key,
    Schema,
    Table,
    Trigger,
    Type,
)
from migsafe.target import Connection

Row = tuple[Any, ...]

#: What is not the server's own, and lasts.
_OURS = """n.nspname <> 'information_schema' AND n.nspname <> 'pg_catalog'
    AND n.nspname !~ '^pg_(toast|temp_|toast_temp_)'"""

#: Settings that a rule asks for: how long to wait, and whether the session lives in UTC.
_SETTINGS = [
    "lock_timeout",
    "statement_timeout",
    "transaction_timeout",
    "idle_in_transaction_session_timeout",
    "TimeZone",
]


def read(conn: Connection) -> Schema:
    """Read everything that rules and derived audits may ask, as of one moment.

    Raises UnreachableError where something was dropped while it was read.
    """
    major, minor = divmod(conn.info.server_version, 10_000)
    schema = Schema(complete=True, version=major, minor=minor)
    try:
        with conn.transaction(force_rollback=True):
            _read_session(conn, schema)
            # Printed expressions spell every name with its schema, and nothing waits for a lock.
            conn.execute(
                """SELECT pg_catalog.set_config('search_path', '', true),
                          pg_catalog.set_config('jit', 'off', true),
                          pg_catalog.set_config('lock_timeout', '5s', true)"""
            )
            _Reading(conn, schema).fill()
    except errors.InternalError_:
        # A cache lookup failed: the functions that print see later than the snapshot.
        problem = "something was dropped while it was read"
        raise UnreachableError("schema", problem, "run the command again") from None
    return schema


def _read_session(conn: Connection, schema: Schema) -> None:
    """Read the path, and what role, database and server bring along into each session."""
    path, search, user = catalog.one(
        conn,
        """SELECT pg_catalog.current_schemas(false)::text[],
                  pg_catalog.current_setting('search_path'), current_user::text""",
    )
    schema.path = tuple(path) or ("public",)
    names = (name.strip().strip('"') for name in search.split(","))
    schema.search = tuple(user if name == "$user" else name for name in names)
    rows = conn.execute(
        """SELECT name, pg_catalog.current_setting(name) FROM pg_catalog.pg_settings
           WHERE name = ANY(%s) AND source NOT IN ('default', 'session') AND setting <> '0'""",
        [_SETTINGS],
    )
    schema.settings = {str(name).lower(): str(value) for name, value in rows}


class _Reading:
    """One reading of one schema; relations by their oids."""

    def __init__(self, conn: Connection, schema: Schema) -> None:
        self.conn = conn
        self.schema = schema
        self.version = conn.info.server_version
        self.tables: dict[int, Table] = {}
        #: Names of columns by table and number, those of composite types too.
        self.names: dict[int, dict[int, str]] = {}

    def fill(self) -> None:
        """Ask all questions; relations come before what belongs to them."""
        composites = self._read_relations()
        self._read_columns(composites)
        self._read_parents()
        self._read_types()
        self._read_constraints()
        self._read_indexes()
        self._read_names()
        self._read_published()
        self._read_readers()
        self._read_sequences()
        self._read_functions()
        self._read_sizes()

    def ask(self, query: str, **values: Any) -> Iterable[Row]:
        """Ask one question; a percent sign in it is a placeholder's."""
        return self.conn.execute(query, values or None)

    def _read_relations(self) -> dict[int, Key]:
        rows = self.ask(
            f"""SELECT c.oid::bigint, n.nspname, c.relname, c.relkind::text, c.relpersistence::text,
                       c.relrowsecurity, c.relreplident::text, c.relispopulated,
                       p.partstrat::text,
                       pg_catalog.pg_get_expr(c.relpartbound, c.oid), e.extname,
                       s.nspname, o.typname
                FROM pg_catalog.pg_class AS c
                JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                LEFT JOIN pg_catalog.pg_partitioned_table AS p ON p.partrelid = c.oid
                LEFT JOIN pg_catalog.pg_depend AS d
                       ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
                      AND d.deptype = 'e'
                LEFT JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid
                LEFT JOIN pg_catalog.pg_type AS o ON o.oid = c.reloftype
                LEFT JOIN pg_catalog.pg_namespace AS s ON s.oid = o.typnamespace
                WHERE {_OURS} AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')"""  # noqa: S608
        )
        composites = {}
        for oid, schema, bare, kind, *rest in rows:
            key = Key(schema, bare)
            if kind == "c":
                composites[oid] = key
            else:
                self.tables[oid] = self.schema.tables[key] = _table(key, kind, rest)
        return composites

    def _read_columns(self, composites: dict[int, Key]) -> None:
        rows = self.ask(
            f"""SELECT c.oid::bigint, a.attnum, a.attname, {_type("a.atttypmod")},
                       a.attnotnull, pg_catalog.pg_get_expr(d.adbin, d.adrelid),
                       a.attidentity <> '', a.attgenerated::text,
                       CASE WHEN a.attcollation <> t.typcollation THEN l.collname END
                FROM pg_catalog.pg_class AS c
                JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
                                                 AND NOT a.attisdropped
                {_TYPES.format(oid="a.atttypid")}
                LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
                LEFT JOIN pg_catalog.pg_collation AS l ON l.oid = a.attcollation
                WHERE {_OURS} AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
                ORDER BY c.oid, a.attnum"""  # noqa: S608
        )
        for oid, number, name, *parts in rows:
            self.names.setdefault(oid, {})[number] = name
            column = _column(name, parts)
            if oid in composites:
                composite = self.schema.composites.setdefault(composites[oid], {})
                composite[name] = column.type
            elif oid in self.tables:
                self.tables[oid].columns[name] = column

    def _read_parents(self) -> None:
        rows = self.ask(
            """SELECT inhrelid::bigint, inhparent::bigint FROM pg_catalog.pg_inherits
               ORDER BY inhrelid, inhseqno"""
        )
        for child, parent in rows:
            if child in self.tables and parent in self.tables:
                table = self.tables[child]
                table.parents = (*table.parents, self.tables[parent].key)
        keys = self.ask(
            """SELECT partrelid::bigint, partattrs::smallint[],
                      pg_catalog.pg_get_partkeydef(partrelid)
               FROM pg_catalog.pg_partitioned_table"""
        )
        for oid, numbers, definition in keys:
            if oid in self.tables:
                names = self.names[oid]
                self.tables[oid].partition_key = tuple(names.get(n) for n in numbers)
                self.tables[oid].partition_by = definition

    def _read_types(self) -> None:
        rows = self.ask(
            f"""SELECT n.nspname, y.typname, array(
                    SELECT e.enumlabel::text FROM pg_catalog.pg_enum AS e
                    WHERE e.enumtypid = y.oid ORDER BY e.enumsortorder)
                FROM pg_catalog.pg_type AS y
                JOIN pg_catalog.pg_namespace AS n ON n.oid = y.typnamespace
                WHERE {_OURS} AND y.typtype = 'e'"""  # noqa: S608
        )
        for schema, bare, labels in rows:
            key = Key(schema, bare)
            self.schema.enums[key] = Enum(labels=list(labels), live=True, origin=key)
        domains = self.ask(
            f"""SELECT n.nspname, y.typname, {_type("y.typtypmod")},
                       y.typnotnull, y.typdefault, array(
                           SELECT ARRAY[k.conname::text, pg_catalog.pg_get_expr(k.conbin, 0),
                                        k.convalidated::text]
                           FROM pg_catalog.pg_constraint AS k
                           WHERE k.contypid = y.oid AND k.contype = 'c' ORDER BY k.conname)
                FROM pg_catalog.pg_type AS y
                JOIN pg_catalog.pg_namespace AS n ON n.oid = y.typnamespace
                {_TYPES.format(oid="y.typbasetype")}
                WHERE {_OURS} AND y.typtype = 'd'"""  # noqa: S608
        )
        for schema, bare, *base, not_null, default, checks in domains:
            self.schema.domains[Key(schema, bare)] = Domain(
                base=_type_of(base),
                not_null=not_null,
                default=default,
                checks={name: expression for name, expression, _ in checks},
                unproven={name for name, _, valid in checks if valid != "true"},
                live=True,
                origin=Key(schema, bare),
            )
        for table in self.tables.values():
            for column in table.columns.values() if table.kind in "rpf" else ():
                if column.default is None and not column.identity:
                    domain = self.schema.typed(column.type, self.schema.domains)
                    column.default = domain.default if domain else None

    def _read_constraints(self) -> None:
        enforced = "k.conenforced" if self.version >= 180000 else "true"
        rows = self.ask(
            f"""SELECT k.conrelid::bigint, k.conname, k.contype::text, k.conkey,
                       -- The server keeps no foreign key whose triggers are disabled.
                       k.convalidated AND NOT (k.contype = 'f' AND EXISTS (
                           SELECT FROM pg_catalog.pg_trigger AS g
                           WHERE g.tgconstraint = k.oid AND g.tgenabled = 'D')),
                       {enforced}, k.condeferrable, k.condeferred, k.confrelid::bigint, k.confkey,
                       k.confmatchtype::text, k.confupdtype::text, k.confdeltype::text,
                       pg_catalog.pg_get_expr(k.conbin, k.conrelid)
                FROM pg_catalog.pg_constraint AS k
                -- A key to a partitioned table has a twin for each of its partitions.
                LEFT JOIN pg_catalog.pg_constraint AS u
                       ON u.oid = k.conparentid AND u.conrelid = k.conrelid
                WHERE k.conrelid <> 0 AND k.contype IN ('p', 'u', 'f', 'c', 'x', 'n')
                  AND u.oid IS NULL
                ORDER BY k.conrelid, k.conname"""  # noqa: S608
        )
        for oid, name, kind, columns, *parts in rows:
            if oid in self.tables:
                made = self._constraint(oid, name, kind, columns or (), parts)
                self.tables[oid].constraints[name] = made
                if kind == "n" and not made.valid:
                    # pg_attribute says NOT NULL of it although older rows were never checked.
                    self.tables[oid].columns[made.columns[0]].not_null = False

    def _constraint(
        self, oid: int, name: str, kind: Any, columns: Iterable[int], parts: list[Any]
    ) -> Constraint:
        valid, enforced, deferrable, deferred, target, referenced, match, *more = parts
        on_update, on_delete, expression = more
        found = self.tables.get(target)
        names = self.names.get(target, {})
        return Constraint(
            name=name,
            kind=kind,
            columns=self._named(oid, columns),
            valid=valid,
            enforced=enforced,
            deferrable=deferrable,
            deferred=deferred,
            target=found.key if found else None,
            target_columns=tuple(names[n] for n in referenced or () if n in names),
            match="f" if match == "f" else "s",
            on_update=on_update.strip() or "a",
            on_delete=on_delete.strip() or "a",
            expression=expression if kind == "c" else None,
            live=True,
        )

    def _named(self, oid: int, numbers: Iterable[int]) -> tuple[str, ...]:
        """Return the names of columns; a system column or a dropped one has none."""
        names = self.names.get(oid, {})
        return tuple(names[number] for number in numbers if number in names)

    def _read_indexes(self) -> None:
        distinct = "i.indnullsnotdistinct" if self.version >= 150000 else "false"
        rows = self.ask(
            f"""SELECT i.indrelid::bigint, c.relname, i.indkey::smallint[], i.indnkeyatts,
                       i.indisunique, {distinct}, i.indisvalid, i.indimmediate,
                       pg_catalog.pg_get_expr(i.indpred, i.indrelid), m.amname,
                       0 = ALL (i.indoption::smallint[]) AND NOT EXISTS (
                           SELECT FROM pg_catalog.pg_opclass AS o
                           WHERE o.oid = ANY (i.indclass::oid[]) AND NOT o.opcdefault
                       ) AND NOT EXISTS (
                           SELECT FROM pg_catalog.pg_attribute AS x, unnest(
                               i.indkey::smallint[], i.indcollation::oid[]) AS k(a, l)
                           WHERE x.attrelid = i.indrelid AND x.attnum = k.a AND k.l <> 0
                             AND k.l <> x.attcollation),
                       array(SELECT DISTINCT d.refobjsubid::smallint
                           FROM pg_catalog.pg_depend AS d
                           WHERE (i.indpred IS NOT NULL OR i.indexprs IS NOT NULL)
                             AND d.classid = 'pg_catalog.pg_class'::regclass
                             AND d.objid = i.indexrelid AND d.refobjid = i.indrelid
                             AND d.refobjsubid > 0 ORDER BY 1)
                FROM pg_catalog.pg_index AS i
                JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
                JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                JOIN pg_catalog.pg_am AS m ON m.oid = c.relam
                WHERE {_OURS} ORDER BY i.indrelid, c.relname"""  # noqa: S608
        )
        for oid, name, numbers, keys, unique, distinct, *parts in rows:
            if oid not in self.tables:
                continue
            valid, immediate, predicate, method, ordinary, reads = parts
            names = self.names.get(oid, {})
            self.tables[oid].indexes[name] = Index(
                name=name,
                columns=tuple(names.get(number) for number in numbers[:keys]),
                included=self._named(oid, numbers[keys:]),
                reads=self._named(oid, reads),
                unique=unique,
                nulls_not_distinct=distinct,
                valid=valid,
                immediate=immediate,
                predicate=predicate,
                method=method,
                ordinary=ordinary,
                live=True,
            )

    def _read_names(self) -> None:
        """Read triggers, policies and extensions, of which little more than the names matters."""
        rows = self.ask(
            """SELECT t.tgrelid::bigint, 't', t.tgname, p.proname, t.tginitdeferred,
                      t.tgtype & 1 = 1
               FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
               WHERE NOT t.tgisinternal
               -- What a rule writes instead or too is as unknown as what a trigger without a
               -- known function does; the rule of a view's own query is not among them.
               UNION ALL SELECT ev_class::bigint, 't', 'rule ' || rulename, '', false, false
                         FROM pg_catalog.pg_rewrite WHERE ev_type <> '1'
               UNION ALL SELECT polrelid::bigint, 'p', polname, '', false, false
                         FROM pg_catalog.pg_policy
               UNION ALL SELECT 0, 'e', extname, '', false, false
                         FROM pg_catalog.pg_extension"""
        )
        for oid, kind, name, function, deferred, row in rows:
            if kind == "e":
                self.schema.extensions.add(name)
            elif oid in self.tables and kind == "t":
                self.tables[oid].triggers[name] = Trigger(function, deferred, row)
            elif oid in self.tables:
                self.tables[oid].policies.add(name)

    def _read_published(self) -> None:
        rows = self.ask(
            """SELECT t.schemaname, t.tablename FROM pg_catalog.pg_publication_tables AS t
               JOIN pg_catalog.pg_publication AS p ON p.pubname = t.pubname
               WHERE p.pubupdate OR p.pubdelete"""
        )
        for schema, bare in rows:
            if table := self.schema.tables.get(Key(schema, bare)):
                table.published = True

    def _read_readers(self) -> None:
        """Read the views on each table; one that needs no column has only the empty name."""
        rows = self.ask(
            """SELECT d.refobjid::bigint, r.ev_class::bigint,
                      array_agg(DISTINCT d.refobjsubid)::smallint[]
               FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_rewrite AS r ON r.oid = d.objid
               WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass
                 AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> r.ev_class
               GROUP BY 1, 2"""
        )
        for source, view, numbers in rows:
            if source in self.tables and view in self.tables:
                columns = frozenset(self._named(source, numbers)) or frozenset({""})
                self.tables[source].readers[self.tables[view].key] = columns

    def _read_sequences(self) -> None:
        rows = self.ask(
            f"""SELECT n.nspname, c.relname, d.refobjid::bigint, d.refobjsubid
                FROM pg_catalog.pg_class AS c
                JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                LEFT JOIN pg_catalog.pg_depend AS d
                       ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
                      AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjsubid > 0
                      AND d.deptype IN ('a', 'i')
                WHERE {_OURS} AND c.relkind = 'S'"""  # noqa: S608
        )
        for schema, bare, oid, number in rows:
            owner = self.tables.get(oid)
            column = self.names.get(oid, {}).get(number)
            key = Key(schema, bare)
            self.schema.sequences[key] = (owner.key, column) if owner and column else None

    def _read_functions(self) -> None:
        rows = self.ask(
            f"""SELECT p.proname, max(p.provolatile::text), min(l.lanname::text)
                FROM pg_catalog.pg_proc AS p
                JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
                JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
                WHERE {_OURS} GROUP BY p.proname"""  # noqa: S608
        )
        self.schema.functions = {name: (worst, language) for name, worst, language in rows}
        # The server itself knows what a body in standard SQL needs, which has no text here.
        bodies = self.ask(
            f"""SELECT p.proname, p.prosrc, array(
                    SELECT coalesce(te.typname || '[]', t.typname)::text
                    FROM unnest(p.proargtypes) WITH ORDINALITY AS a (oid, number)
                    {_TYPES.format(oid="a.oid")} ORDER BY a.number)
                FROM pg_catalog.pg_proc AS p
                JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
                WHERE {_OURS}"""  # noqa: S608
        )
        self.schema.bodies = {(name, tuple(types)): text for name, text, types in bodies}

    def _read_sizes(self) -> None:
        """Read how large relations are; a partitioned table is as large as its partitions."""
        for oid, rows, size, empty in self._sizes():
            if oid in self.tables and self.tables[oid].kind in "rpm":
                self.tables[oid].rows, self.tables[oid].bytes = rows, size
                self.tables[oid].empty = empty
        for table in self.tables.values():
            if table.kind == "p":
                leaves = [t for t in self.schema.children(table.key) if t.kind == "r"]
                known = [leaf.rows for leaf in leaves if leaf.rows is not None]
                table.rows = sum(known) if len(known) == len(leaves) else None
                table.bytes = sum(leaf.bytes or 0 for leaf in leaves)
                table.empty = all(t.empty for t in leaves) and all(
                    t.kind != "f" for t in self.schema.children(table.key)
                )

    def _sizes(self) -> list[Row]:
        """Return oid, estimated rows, bytes and whether it has no page, of each table.

        pg_total_relation_size opens the relation, so it would wait for an ACCESS EXCLUSIVE lock;
        then the planner's own pages have to do.
        """
        # Before 14 a table that was never analyzed has 0 rows, since then it has -1.
        never = "c.reltuples < 0" if self.version >= 140000 else "c.relpages = 0"
        rows = f"CASE WHEN {never} THEN NULL ELSE c.reltuples::bigint END"
        source = f"""FROM pg_catalog.pg_class AS c
            JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            WHERE {_OURS} AND c.relkind IN ('r', 'p', 'm')"""
        exact = f"""SELECT c.oid::bigint, {rows}, pg_catalog.pg_total_relation_size(c.oid),
                   c.relkind <> 'p' AND pg_catalog.pg_relation_size(c.oid) = 0
            {source}"""
        try:
            with self.conn.transaction():
                self.conn.execute("SET LOCAL lock_timeout = '200ms'")
                return self.conn.execute(exact).fetchall()
        except errors.LockNotAvailable:
            pages = """(SELECT sum(m.relpages::bigint) FROM pg_catalog.pg_class AS m
                WHERE m.oid IN (c.oid, c.reltoastrelid) OR m.oid IN (
                    SELECT i.indexrelid FROM pg_catalog.pg_index AS i WHERE i.indrelid = c.oid))"""
            blocks = "pg_catalog.current_setting('block_size')::bigint"
            guess = f"SELECT c.oid::bigint, {rows}, ({pages} * {blocks})::bigint, false {source}"
            return self.conn.execute(guess).fetchall()


def _table(key: Key, kind: Any, parts: list[Any]) -> Table:
    persistence, secured, identity, populated, strategy, bound, extension, *of = parts
    return Table(
        key=key,
        kind=kind,
        known=True,
        live=key,
        strategy=_STRATEGIES.get(strategy),
        bound=bound,
        unlogged=persistence == "u",
        row_security=secured,
        replica_identity=identity,
        populated=populated,
        extension=extension,
        of=Key(*of) if of[1] else None,
    )


_STRATEGIES = {"r": "range", "l": "list", "h": "hash"}


#: A default of NULL for a type with a length, which the catalog keeps.
_NULL = re.compile(r"NULL::[^()]*(\([\d,]*\))?[^()]*")


def _column(name: str, parts: list[Any]) -> Column:
    *type_, not_null, default, identity, generated, collation = parts
    return Column(
        name=name,
        type=_type_of(type_),
        not_null=not_null,
        default=None if default and _NULL.fullmatch(default) else default,
        identity=identity,
        generated=generated,
        collation=collation,
        live=name,
    )


#: Joins of a type and, where it is an array, of its elements' type.
_TYPES = """JOIN pg_catalog.pg_type AS t ON t.oid = {oid}
                LEFT JOIN pg_catalog.pg_type AS te
                       ON te.oid = t.typelem AND t.typcategory = 'A' AND te.typarray = t.oid
                JOIN pg_catalog.pg_namespace AS tn
                  ON tn.oid = coalesce(te.typnamespace, t.typnamespace)"""


def _type(modifier: str) -> str:
    """Return the four expressions of which `_type_of` makes a type."""
    return f"tn.nspname, coalesce(te.typname, t.typname), te.oid IS NOT NULL, {modifier}"


def _type_of(parts: list[Any]) -> Type:
    schema, name, array, modifier = parts
    return Type(
        schema=None if schema == "pg_catalog" else schema,
        name=name,
        mods=_mods(name, modifier) if schema == "pg_catalog" and modifier >= 0 else (),
        array=array,
    )


def _mods(name: str, modifier: int) -> tuple[int, ...]:
    """Return the numbers after a type's name, as in pg_attribute.atttypmod (typmodout functions).

    An interval's are as the grammar has them: a mask of fields, and the precision if there is one.
    """
    if name in ("varchar", "bpchar"):
        return (modifier - 4,)
    if name == "numeric":
        # The scale has a sign since PostgreSQL 15, in 11 bits.
        return ((modifier - 4) >> 16, (((modifier - 4) & 0x7FF) ^ 1024) - 1024)
    if name == "interval":
        fields, precision = modifier >> 16 & 0x7FFF, modifier & 0xFFFF
        return (fields,) if precision == 0xFFFF else (fields, precision)
    return (modifier,)
