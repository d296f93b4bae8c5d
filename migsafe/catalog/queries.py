"""The texts of the queries that `migsafe.catalog.schema` asks, for each version of the server.

Every text has two forms: of all objects, or of those whose oids are in the parameter `oids`.
"""

# ruff: noqa: S608  # texts of constants only

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

#: The first oid that a user's object can have: below are initdb's (access/transam.h).
FIRST = 16384

#: How rows become facts: the owner itself, one named part of it, one fact a row, or privileges.
Shape = Literal["owner", "part", "fact", "grant"]

#: What a relation has beside its columns; details are what few have.
Topic = Literal["constraints", "indexes", "details"]


class Question(Struct, frozen=True):
    """One query; `aspects` names what its columns say, from the fourth on.

    `kind` is the only kind of owner that it is about; nothing turns into one of another kind.
    `topic` names what a relation has whose answer may be known to be the same.
    """

    owner: str
    shape: Shape
    text: str
    aspects: tuple[str, ...] = ()
    kind: str | None = None
    topic: Topic | None = None


def _among(column: str, some: bool) -> str:
    return f"{column} = ANY(%(oids)s::oid[])" if some else f"{column} >= {FIRST}"


#: Joins the schema of an application, and leaves out what an extension owns.
_NAMESPACE = """JOIN pg_catalog.pg_namespace AS n ON n.oid = {namespace}
    AND n.nspname !~ '^pg_'
    AND n.nspname NOT IN ('information_schema', 'migsafe', 'migsafe_shadow')
"""

_NO_EXTENSION = """NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS x
    WHERE x.classid = 'pg_catalog.{catalog}'::regclass AND x.objid = {oid}
      AND x.deptype IN ({deptypes}) OFFSET 0)"""


def application(alias: str, catalog: str, namespace: str) -> tuple[str, str]:
    """Return a join and a condition that leave what belongs to the application."""
    # A range type brings its constructors and its cast to a multirange.
    deptypes = "'e', 'i'" if catalog in ("pg_proc", "pg_cast") else "'e'"
    return (
        _NAMESPACE.format(namespace=f"{alias}.{namespace}"),
        _NO_EXTENSION.format(catalog=catalog, oid=f"{alias}.oid", deptypes=deptypes),
    )


def commented(catalog: str, oid: str, alias: str = "described", column: str = "0") -> str:
    """Return a join that brings the comment on an object as `alias`.description."""
    return f"""LEFT JOIN pg_catalog.pg_description AS {alias}
        ON {alias}.objoid = {oid} AND {alias}.classoid = 'pg_catalog.{catalog}'::regclass
        AND {alias}.objsubid = {column}"""


_QUALIFIED = "pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident({name})"


def qualified(name: str) -> str:
    """Return the expression of a name with its schema `n`, quoted where SQL needs it."""
    return _QUALIFIED.format(name=name)


#: Stands for a definition that the server did not give: its object went away meanwhile.
MISSING = "migsafe: no definition"

_TABLES = "('r', 'p', 'v', 'm', 'f')"

_TABLESPACE = """CASE WHEN {relation}.reltablespace <> 0 THEN
            (SELECT ts.spcname FROM pg_catalog.pg_tablespace AS ts
             WHERE ts.oid = {relation}.reltablespace) END"""

_KIND = """CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized-view'
    WHEN 'f' THEN 'foreign-table' WHEN 'S' THEN 'sequence' ELSE 'table' END"""


#: As `application`, without a join: the server's own cache has the name.
_OF_APPLICATION = """{namespace}::regnamespace::text !~ '^pg_'
    AND {namespace}::regnamespace::text <> ALL ('{{information_schema,migsafe,migsafe_shadow}}')"""


def _named(relation: str, prefix: str = "rel") -> str:
    """Return the qualified name of a row with a schema, as it was in the snapshot."""
    return f"""(SELECT pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_namespace AS n
        WHERE n.oid = {relation}.{prefix}namespace)
        || '.' || pg_catalog.quote_ident({relation}.{prefix}name)"""


def _relations(_version: int, some: bool) -> Question:
    _, mine = application("c", "pg_class", "relnamespace")
    # What few relations have is a subquery: the executor starts each, but runs none in vain.
    # The oid of heap is 2.
    text = f"""SELECT c.oid, {_KIND}, {_named("c")},
        CASE WHEN c.relkind = 'r' AND c.relispartition THEN 'partition'
             WHEN c.relkind = 'p' AND c.relispartition THEN 'partitioned partition'
             WHEN c.relkind = 'p' THEN 'partitioned table'
             ELSE {_KIND} END,
        CASE c.relpersistence WHEN 'u' THEN 'unlogged' END,
        CASE WHEN c.relkind IN ('r', 'p', 'm') THEN
            CASE c.relreplident WHEN 'f' THEN 'full' WHEN 'n' THEN 'nothing' WHEN 'i' THEN 'index'
            END END,
        CASE WHEN c.relrowsecurity THEN 'enabled' END,
        CASE WHEN c.relforcerowsecurity THEN 'forced' END,
        CASE WHEN NOT c.relispopulated THEN 'no' END,
        CASE WHEN c.relam NOT IN (0, 2) THEN
            (SELECT am.amname FROM pg_catalog.pg_am AS am WHERE am.oid = c.relam) END,
        {_TABLESPACE.format(relation="c")},
        CASE WHEN c.reloftype <> 0 THEN pg_catalog.format_type(c.reloftype, NULL) END,
        CASE WHEN c.relkind = 'p' THEN
            coalesce(pg_catalog.pg_get_partkeydef(c.oid), '{MISSING}') END,
        CASE WHEN c.relispartition THEN
            coalesce(pg_catalog.pg_get_expr(c.relpartbound, c.oid), '{MISSING}') END,
        CASE WHEN c.relkind IN ('v', 'm') THEN
            coalesce(pg_catalog.pg_get_viewdef(c.oid), '{MISSING}') END,
        CASE WHEN c.relkind = 'f' THEN
            (SELECT s.srvname FROM pg_catalog.pg_foreign_table AS f
             JOIN pg_catalog.pg_foreign_server AS s ON s.oid = f.ftserver
             WHERE f.ftrelid = c.oid) END,
        pg_catalog.pg_get_userbyid(c.relowner), described.description,
        CASE WHEN c.relkind = 'S' THEN
            (SELECT {_named("tc")} FROM pg_catalog.pg_depend AS own
             JOIN pg_catalog.pg_class AS tc ON tc.oid = own.refobjid
             WHERE own.classid = 'pg_catalog.pg_class'::regclass AND own.objid = c.oid
               AND own.objsubid = 0 AND own.refclassid = 'pg_catalog.pg_class'::regclass
               AND own.deptype IN ('a', 'i') AND own.refobjsubid > 0) END
    FROM pg_catalog.pg_class AS c
    {commented("pg_class", "c.oid")}
    WHERE {_among("c.oid", some)} AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
      AND {_OF_APPLICATION.format(namespace="c.relnamespace")} AND {mine}"""
    aspects = (
        *("", "persistence", "replica identity", "row security", "forced row security"),
        *("populated", "access method", "tablespace", "of type", "partition key"),
        *("partition bound", "definition", "server", "owner", "comment"),
    )
    return Question("relation", "owner", text, aspects)


def _columns(version: int, some: bool) -> Question:
    compression = (
        "CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END"
        if version >= 140000
        else "NULL"
    )
    not_valid = "false"
    if version >= 180000:
        not_valid = f"""(a.attrelid, a.attnum) IN (
            SELECT u.conrelid, u.conkey[1] FROM pg_catalog.pg_constraint AS u
            WHERE {_among("u.conrelid", some)} AND u.contype = 'n' AND NOT u.convalidated)"""
    default = f"""coalesce((SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid)
            FROM pg_catalog.pg_attrdef AS d
            WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum), '{MISSING}')"""
    text = f"""SELECT a.attrelid, 'column', a.attname,
        CASE WHEN c.relkind NOT IN ('v', 'm')
             THEN pg_catalog.format_type(a.atttypid, a.atttypmod) END,
        CASE WHEN a.attnotnull THEN CASE WHEN {not_valid} THEN 'no (not valid)' ELSE 'no' END
             WHEN c.relkind NOT IN ('v', 'm') THEN 'yes' END,
        CASE WHEN a.atthasdef AND a.attgenerated = '' THEN {default} END,
        CASE WHEN a.attgenerated <> '' THEN
            CASE a.attgenerated WHEN 's' THEN 'stored: ' ELSE 'virtual: ' END || {default} END,
        -- A partition has its own mark of it since PostgreSQL 17.
        CASE WHEN NOT c.relispartition THEN
            CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END END,
        CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END,
        CASE WHEN a.attstorage <> t.typstorage THEN CASE a.attstorage WHEN 'p' THEN 'plain'
            WHEN 'e' THEN 'external' WHEN 'm' THEN 'main' ELSE 'extended' END END,
        {compression},
        CASE WHEN a.attstattarget >= 0 THEN a.attstattarget::text END,
        pg_catalog.array_to_string(a.attoptions, ', ')
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_attribute AS a
        ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
    WHERE {_among("c.oid", some)} AND c.relkind IN {_TABLES}"""
    aspects = (
        *("type", "nullable", "default", "generated", "identity", "collation", "storage"),
        *("compression", "statistics", "options"),
    )
    return Question("relation", "part", text, aspects)


#: The end of a constraint's definition whose parts are facts of their own.
_SAID_APART = "( DEFERRABLE)?( INITIALLY DEFERRED)?( NOT ENFORCED)?( NOT VALID)?$"


def _constraints(owner: str, kind: str, reference: str) -> Callable[[int, bool], Question]:
    def make(version: int, some: bool) -> Question:
        enforced = "con.conenforced" if version >= 180000 else "true"
        text = f"""SELECT con.{reference}, '{kind}', con.conname,
            CASE WHEN con.convalidated AND NOT con.condeferrable
                 THEN coalesce(pg_catalog.pg_get_constraintdef(con.oid), '{MISSING}')
                 ELSE coalesce(regexp_replace(pg_catalog.pg_get_constraintdef(con.oid),
                      '{_SAID_APART}', ''), '{MISSING}') END,
            CASE WHEN NOT con.convalidated AND {enforced} THEN 'no' END,
            CASE WHEN con.condeferred THEN 'initially deferred'
                 WHEN con.condeferrable THEN 'initially immediate' END,
            CASE WHEN NOT {enforced} THEN 'no' END,
            described.description
        FROM pg_catalog.pg_constraint AS con {commented("pg_constraint", "con.oid")}
        WHERE {_among(f"con.{reference}", some)} AND con.contype IN ('c', 'f', 'p', 'u', 'x')
          AND (con.contype <> 'f' OR con.conparentid = 0)"""
        aspects = ("definition", "validated", "deferrable", "enforced", "comment")
        return Question(owner, "part", text, aspects, topic="constraints")

    return make


def _indexes(_version: int, some: bool) -> Question:
    # That of a constraint, on which alone an index hangs internally, is printed as the constraint.
    text = f"""SELECT i.indrelid, 'index', ic.relname,
        CASE WHEN NOT ((i.indisunique OR i.indisexclusion) AND EXISTS (
            SELECT FROM pg_catalog.pg_depend AS d
            WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = i.indexrelid
              AND d.deptype = 'i' OFFSET 0))
        THEN coalesce(pg_catalog.pg_get_indexdef(i.indexrelid), '{MISSING}') END,
        CASE WHEN NOT i.indisvalid THEN 'no' END,
        CASE WHEN i.indisclustered THEN 'yes' END,
        CASE WHEN i.indisreplident THEN 'yes' END,
        {_TABLESPACE.format(relation="ic")},
        described.description
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS ic ON ic.oid = i.indexrelid
    {commented("pg_class", "i.indexrelid")}
    WHERE {_among("i.indrelid", some)}
      AND ic.relnamespace <> 'pg_toast'::regnamespace"""
    aspects = ("definition", "valid", "clustered", "replica identity", "tablespace", "comment")
    return Question("relation", "part", text, aspects, topic="indexes")


def firing(column: str) -> str:
    """Return what says when a trigger or rule fires, NULL where that is the default."""
    return f"CASE {column} WHEN 'D' THEN 'no' WHEN 'R' THEN 'replica' WHEN 'A' THEN 'always' END"


#: One row a fact: these are few beside columns, and one query of six saves five of them.
_DETAILS = f"""
SELECT t.tgrelid, 'trigger', NULL, t.tgname::text, v.aspect, v.value
FROM pg_catalog.pg_trigger AS t {commented("pg_trigger", "t.oid")}
CROSS JOIN LATERAL (VALUES
    ('definition', coalesce(pg_catalog.pg_get_triggerdef(t.oid), '{MISSING}')),
    ('enabled', {firing("t.tgenabled")}),
    ('comment', described.description)) AS v (aspect, value)
WHERE {{t.tgrelid}} AND NOT t.tgisinternal AND t.tgparentid = 0 AND v.value IS NOT NULL
UNION ALL
-- What fires otherwise on one partition than on its parent.
SELECT t.tgrelid, 'trigger', NULL, t.tgname::text, 'enabled',
    coalesce({firing("t.tgenabled")}, 'yes')
FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_trigger AS parent ON parent.oid = t.tgparentid
WHERE {{t.tgrelid}} AND t.tgenabled <> parent.tgenabled AND NOT parent.tgisinternal
UNION ALL
-- DISABLE TRIGGER ALL switches off what keeps a foreign key as well.
SELECT t.tgrelid, 'constraint', NULL, con.conname::text, 'enabled',
    min({firing("t.tgenabled")})
FROM pg_catalog.pg_trigger AS t
JOIN pg_catalog.pg_constraint AS con ON con.oid = t.tgconstraint
WHERE {{t.tgrelid}} AND t.tgisinternal AND t.tgenabled <> 'O' AND con.contype <> 't'
GROUP BY t.tgrelid, con.conname
UNION ALL
SELECT con.conrelid, 'constraint', NULL, con.conname::text, 'options',
    pg_catalog.array_to_string(c.reloptions, ', ')
FROM pg_catalog.pg_constraint AS con JOIN pg_catalog.pg_class AS c ON c.oid = con.conindid
WHERE {{con.conrelid}} AND con.contype IN ('p', 'u', 'x') AND c.reloptions IS NOT NULL
UNION ALL
SELECT r.ev_class, 'rule', NULL, r.rulename, v.aspect, v.value
FROM pg_catalog.pg_rewrite AS r {commented("pg_rewrite", "r.oid")}
CROSS JOIN LATERAL (VALUES
    ('definition', coalesce(pg_catalog.pg_get_ruledef(r.oid), '{MISSING}')),
    ('enabled', {firing("r.ev_enabled")}),
    ('comment', described.description)) AS v (aspect, value)
WHERE {{r.ev_class}} AND r.rulename <> '_RETURN' AND v.value IS NOT NULL
UNION ALL
SELECT p.polrelid, 'policy', NULL, p.polname, v.aspect, v.value
FROM pg_catalog.pg_policy AS p {commented("pg_policy", "p.oid")}
CROSS JOIN LATERAL (VALUES
    ('command', CASE p.polcmd WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update'
                              WHEN 'd' THEN 'delete' ELSE 'all' END),
    ('restrictive', CASE WHEN NOT p.polpermissive THEN 'yes' END),
    ('roles', (SELECT string_agg(name, ', ' ORDER BY name) FROM (
        SELECT CASE role WHEN 0 THEN 'public'
               ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(role)) END AS name
        FROM pg_catalog.unnest(p.polroles) AS role) AS named)),
    ('using', CASE WHEN p.polqual IS NOT NULL THEN
        coalesce(pg_catalog.pg_get_expr(p.polqual, p.polrelid), '{MISSING}') END),
    ('check', CASE WHEN p.polwithcheck IS NOT NULL THEN
        coalesce(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), '{MISSING}') END),
    ('comment', described.description)) AS v (aspect, value)
WHERE {{p.polrelid}} AND v.value IS NOT NULL
UNION ALL
SELECT s.stxrelid, 'statistics',
    {_named("s", "stx")}, '', v.aspect, v.value
FROM pg_catalog.pg_statistic_ext AS s
{commented("pg_statistic_ext", "s.oid")}
CROSS JOIN LATERAL (VALUES
    ('definition', coalesce(pg_catalog.pg_get_statisticsobjdef(s.oid), '{MISSING}')),
    ('owner', pg_catalog.pg_get_userbyid(s.stxowner)),
    ('comment', described.description)) AS v (aspect, value)
WHERE {{s.stxrelid}} AND v.value IS NOT NULL
UNION ALL
SELECT i.inhrelid, NULL, NULL, {_named("c")},
    CASE c.relkind WHEN 'p' THEN 'partition of' ELSE 'inherits' END, 'there'
FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhparent
WHERE {{i.inhrelid}} AND c.relkind IN {_TABLES}
UNION ALL
SELECT c.oid, NULL, NULL, o.option_name, 'option', o.option_value
FROM pg_catalog.pg_class AS c
CROSS JOIN LATERAL pg_catalog.pg_options_to_table(c.reloptions) AS o
WHERE {{c.oid}} AND c.reloptions IS NOT NULL AND c.relkind IN ('r', 'p', 'v', 'm')
UNION ALL
SELECT c.oid, NULL, NULL, 'toast.' || o.option_name, 'option', o.option_value
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_class AS tc ON tc.oid = c.reltoastrelid AND tc.reloptions IS NOT NULL
CROSS JOIN LATERAL pg_catalog.pg_options_to_table(tc.reloptions) AS o
WHERE {{c.oid}} AND c.relkind IN ('r', 'm')
UNION ALL
SELECT d.objoid, 'column', NULL, a.attname, 'comment', d.description
FROM pg_catalog.pg_description AS d
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.objoid AND a.attnum = d.objsubid
WHERE {{d.objoid}} AND d.classoid = 'pg_catalog.pg_class'::regclass AND d.objsubid > 0
"""


def _details(_version: int, some: bool) -> Question:
    return Question("relation", "fact", _filled(_DETAILS, some), topic="details")


def _filled(text: str, some: bool) -> str:
    """Put the condition on each owner's oid in the place of ``{column}``."""
    for part in text.split("{")[1:]:
        column = part.partition("}")[0]
        text = text.replace(f"{{{column}}}", _among(column, some))
    return text


_SEQUENCES = f"""SELECT s.seqrelid, 'sequence', '',
    pg_catalog.format_type(s.seqtypid, NULL),
    CASE WHEN s.seqincrement <> 1 THEN s.seqincrement::text END,
    CASE WHEN s.seqmin <> CASE WHEN s.seqincrement > 0 THEN 1 ELSE b.low END
         THEN s.seqmin::text END,
    CASE WHEN s.seqmax <> CASE WHEN s.seqincrement > 0 THEN b.high ELSE -1 END
         THEN s.seqmax::text END,
    CASE WHEN s.seqstart <> CASE WHEN s.seqincrement > 0 THEN s.seqmin ELSE s.seqmax END
         THEN s.seqstart::text END,
    CASE WHEN s.seqcache <> 1 THEN s.seqcache::text END,
    CASE WHEN s.seqcycle THEN 'yes' END,
    {_named("c")} || '.' || pg_catalog.quote_ident(a.attname),
    CASE d.deptype WHEN 'i' THEN 'yes' END
FROM pg_catalog.pg_sequence AS s
JOIN (VALUES (20::oid, -9223372036854775808, 9223372036854775807), (21, -32768, 32767),
             (23, -2147483648, 2147483647)) AS b (type, low, high) ON b.type = s.seqtypid
LEFT JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_class'::regclass
    AND d.objid = s.seqrelid AND d.objsubid = 0 AND d.deptype IN ('a', 'i')
    AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjsubid > 0
LEFT JOIN pg_catalog.pg_class AS c ON c.oid = d.refobjid
LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE {{s.seqrelid}}"""


def _sequences(_version: int, some: bool) -> Question:
    aspects = (
        *("type", "increment", "minimum", "maximum", "start", "cache", "cycle"),
        *("owned by", "identity"),
    )
    return Question("relation", "part", _filled(_SEQUENCES, some), aspects, kind="sequence")


_RELATION_GRANTS = """SELECT c.oid, NULL, NULL, '', c.relacl::text[],
    pg_catalog.acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char",
                          c.relowner)::text[]
FROM pg_catalog.pg_class AS c WHERE {c.oid} AND c.relacl IS NOT NULL
UNION ALL
SELECT a.attrelid, 'column', NULL, a.attname, a.attacl::text[], '{{}}'
FROM pg_catalog.pg_attribute AS a WHERE {a.attrelid} AND a.attacl IS NOT NULL"""


def _relation_grants(_version: int, some: bool) -> Question:
    text = _filled(_RELATION_GRANTS.replace("'{{}}'", "ARRAY[]::text[]"), some)
    return Question("relation", "grant", text)


def _types(version: int, some: bool) -> Question:
    join, mine = application("t", "pg_type", "typnamespace")
    kind = """CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'c' THEN 'composite'
        WHEN 'r' THEN 'range' ELSE 'type' END"""
    multirange = "r.rngmultitypid::regtype::text" if version >= 140000 else "NULL"
    text = f"""SELECT t.oid, {kind}, {qualified("t.typname")}, {kind},
        CASE WHEN t.typtype = 'd' THEN pg_catalog.format_type(t.typbasetype, t.typtypmod) END,
        CASE WHEN t.typnotnull THEN 'no' END,
        CASE WHEN t.typtype = 'd' THEN
            coalesce(pg_catalog.pg_get_expr(t.typdefaultbin, 0), t.typdefault) END,
        CASE WHEN t.typtype = 'd' AND t.typcollation <> bt.typcollation
             THEN t.typcollation::regcollation::text END,
        pg_catalog.format_type(r.rngsubtype, NULL),
        CASE WHEN r.rngsubtype IS NOT NULL THEN (SELECT pg_catalog.quote_ident(o.opcname)
            FROM pg_catalog.pg_opclass AS o WHERE o.oid = r.rngsubopc AND NOT o.opcdefault) END,
        CASE WHEN r.rngcollation <> rt.typcollation THEN r.rngcollation::regcollation::text END,
        nullif(r.rngcanonical::text, '-'), nullif(r.rngsubdiff::text, '-'), {multirange},
        pg_catalog.pg_get_userbyid(t.typowner),
        coalesce(described.description, also.description)
    FROM pg_catalog.pg_type AS t {join}
    LEFT JOIN pg_catalog.pg_class AS c ON c.oid = t.typrelid
    LEFT JOIN pg_catalog.pg_type AS bt ON bt.oid = t.typbasetype
    LEFT JOIN pg_catalog.pg_range AS r ON r.rngtypid = t.oid
    LEFT JOIN pg_catalog.pg_type AS rt ON rt.oid = r.rngsubtype
    {commented("pg_type", "t.oid")}
    {commented("pg_class", "nullif(t.typrelid, 0)", alias="also")}
    WHERE {_among("t.oid", some)} AND t.typtype IN ('b', 'c', 'd', 'e', 'r')
      AND (t.typrelid = 0 OR c.relkind = 'c')
      AND (t.typtype <> 'b' OR t.typelem = 0 OR t.typlen > 0) AND {mine}"""
    aspects = (
        *("", "type", "nullable", "default", "collation", "subtype", "operator class"),
        *("range collation", "canonical", "difference", "multirange", "owner", "comment"),
    )
    return Question("type", "owner", text, aspects)


_MEMBERS = f"""
SELECT e.enumtypid, 'enum', NULL, e.enumlabel::text, 'label', 'there'
FROM pg_catalog.pg_enum AS e WHERE {{e.enumtypid}}
UNION ALL
SELECT e.enumtypid, 'enum', NULL, '', 'labels',
    string_agg(pg_catalog.quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
FROM pg_catalog.pg_enum AS e WHERE {{e.enumtypid}} GROUP BY e.enumtypid
UNION ALL
SELECT t.oid, 'composite', NULL, a.attname, v.aspect, v.value
FROM pg_catalog.pg_type AS t
JOIN pg_catalog.pg_class AS c ON c.oid = t.typrelid AND c.relkind = 'c'
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type AS at ON at.oid = a.atttypid
{commented("pg_class", "c.oid", column="a.attnum")}
CROSS JOIN LATERAL (VALUES
    ('type', pg_catalog.format_type(a.atttypid, a.atttypmod)),
    ('collation', CASE WHEN a.attcollation <> at.typcollation
                       THEN a.attcollation::regcollation::text END),
    ('comment', described.description)) AS v (aspect, value)
WHERE {{t.oid}} AND v.value IS NOT NULL
"""


def _members(_version: int, some: bool) -> Question:
    return Question("type", "fact", _filled(_MEMBERS, some))


_TYPE_GRANTS = """SELECT t.oid, NULL, NULL, '', t.typacl::text[],
    pg_catalog.acldefault('T', t.typowner)::text[]
FROM pg_catalog.pg_type AS t WHERE {t.oid} AND t.typacl IS NOT NULL"""


def _type_grants(_version: int, some: bool) -> Question:
    return Question("type", "grant", _filled(_TYPE_GRANTS, some))


def _arguments(function: str) -> str:
    """Return the expression of a routine's arguments; since PostgreSQL 14 procedures spell IN."""
    text = f"pg_catalog.{function}(p.oid)"
    return f"""CASE WHEN p.prokind = 'p' THEN regexp_replace({text}, '(^|, )IN ', E'\\\\1', 'g')
        ELSE {text} END"""


_IDENTITY = f"""{qualified("p.proname")}
    || '(' || {_arguments("pg_get_function_identity_arguments")} || ')'"""


def _functions(version: int, some: bool) -> Question:
    join, mine = application("p", "pg_proc", "pronamespace")
    body = """CASE WHEN l.lanname IN ('c', 'internal')
        THEN concat_ws(', ', p.probin, p.prosrc) ELSE p.prosrc END"""
    if version >= 140000:
        body = f"coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), {body})"
    text = f"""SELECT p.oid, 'function', {_IDENTITY},
        CASE p.prokind WHEN 'f' THEN 'function' WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate'
                       ELSE 'window function' END,
        nullif({_arguments("pg_get_function_arguments")}, ''),
        pg_catalog.pg_get_function_result(p.oid),
        l.lanname,
        CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END,
        CASE WHEN p.proisstrict THEN 'yes' END,
        CASE WHEN p.prosecdef THEN 'definer' END,
        CASE p.proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' END,
        CASE WHEN p.proleakproof THEN 'yes' END,
        CASE WHEN p.procost <> CASE WHEN l.lanname IN ('c', 'internal') THEN 1 ELSE 100 END
             THEN p.procost::text END,
        CASE WHEN p.prorows <> CASE WHEN p.proretset THEN 1000 ELSE 0 END
             THEN p.prorows::text END,
        CASE WHEN p.prokind <> 'a' THEN coalesce({body}, '{MISSING}') END,
        CASE WHEN g.aggfnoid IS NOT NULL THEN concat_ws(', ',
            'kind ' || g.aggkind::text, 'state ' || pg_catalog.format_type(g.aggtranstype, NULL),
            'transition ' || g.aggtransfn::text, 'final ' || nullif(g.aggfinalfn::text, '-'),
            'combine ' || nullif(g.aggcombinefn::text, '-'),
            'serial ' || nullif(g.aggserialfn::text, '-'),
            'deserial ' || nullif(g.aggdeserialfn::text, '-'),
            'moving ' || nullif(g.aggmtransfn::text, '-'),
            'inverse ' || nullif(g.aggminvtransfn::text, '-'),
            'moving final ' || nullif(g.aggmfinalfn::text, '-'),
            'sort ' || nullif(g.aggsortop::regoperator::text, '0'),
            'initial ' || pg_catalog.quote_literal(g.agginitval),
            'moving initial ' || pg_catalog.quote_literal(g.aggminitval)) END,
        pg_catalog.pg_get_userbyid(p.proowner),
        described.description
    FROM pg_catalog.pg_proc AS p {join}
    JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
    LEFT JOIN pg_catalog.pg_aggregate AS g ON g.aggfnoid = p.oid
    {commented("pg_proc", "p.oid")}
    WHERE {_among("p.oid", some)} AND {mine}"""
    aspects = (
        *("", "arguments", "result", "language", "volatility", "strict", "security", "parallel"),
        *("leakproof", "cost", "rows", "body", "aggregate", "owner", "comment"),
    )
    return Question("function", "owner", text, aspects)


_CONFIGS = """SELECT p.oid, NULL, NULL, split_part(item, '=', 1), 'config',
    substr(item, strpos(item, '=') + 1)
FROM pg_catalog.pg_proc AS p CROSS JOIN LATERAL unnest(p.proconfig) AS item
WHERE {p.oid} AND p.proconfig IS NOT NULL"""


def _configs(_version: int, some: bool) -> Question:
    return Question("function", "fact", _filled(_CONFIGS, some))


_FUNCTION_GRANTS = """SELECT p.oid, NULL, NULL, '', p.proacl::text[],
    pg_catalog.acldefault('f', p.proowner)::text[]
FROM pg_catalog.pg_proc AS p WHERE {p.oid} AND p.proacl IS NOT NULL"""


def _function_grants(_version: int, some: bool) -> Question:
    return Question("function", "grant", _filled(_FUNCTION_GRANTS, some))


MAKERS: dict[str, tuple[Callable[[int, bool], Question], ...]] = {
    "relation": (
        _relations,
        _columns,
        _constraints("relation", "constraint", "conrelid"),
        _indexes,
        _details,
        _sequences,
        _relation_grants,
    ),
    "type": (_types, _constraints("type", "domain-constraint", "contypid"), _members, _type_grants),
    "function": (_functions, _configs, _function_grants),
}
