"""The queries about what lives in no table, type or function, and about what depends on what."""

# ruff: noqa: S608  # texts of constants only

from migsafe.catalog.queries import (
    FIRST,
    MISSING,
    Question,
    application,
    commented,
    firing,
    qualified,
)


def _facts(kind: str, name: str, source: str, values: dict[str, str], where: str) -> str:
    """Return a query that gives one row a fact about the objects of one kind."""
    pairs = ",\n    ".join(f"('{aspect}', ({value})::text)" for aspect, value in values.items())
    return f"""SELECT 0::oid, '{kind}', {name}, '', v.aspect, v.value
FROM {source}
CROSS JOIN LATERAL (VALUES
    {pairs}) AS v (aspect, value)
WHERE v.value IS NOT NULL AND {where}"""


def _named(
    kind: str, catalog: str, prefix: str, values: dict[str, str], *, name: str | None = None
) -> str:
    """Return the query about a kind of objects that are in a schema."""
    join, mine = application("o", catalog, f"{prefix}namespace")
    source = f"pg_catalog.{catalog} AS o {join} {commented(catalog, 'o.oid')}"
    owner = {"owner": f"pg_catalog.pg_get_userbyid(o.{prefix}owner)"} if prefix != "prs" else {}
    return _facts(
        kind,
        name or qualified(f"o.{prefix}name"),
        source,
        values | owner | {"comment": "described.description"},
        f"o.oid >= {FIRST} AND {mine}",
    )


def _global(kind: str, catalog: str, name: str, values: dict[str, str], where: str = "true") -> str:
    """Return the query about a kind of objects that are in no schema."""
    _, mine = application("o", catalog, "oid")
    source = f"pg_catalog.{catalog} AS o {commented(catalog, 'o.oid')}"
    values = values | {"comment": "described.description"}
    return _facts(kind, name, source, values, f"o.oid >= {FIRST} AND {where} AND {mine}")


def _schemas() -> str:
    _, mine = application("n", "pg_namespace", "oid")
    return _facts(
        "schema",
        "pg_catalog.quote_ident(n.nspname)",
        f"pg_catalog.pg_namespace AS n {commented('pg_namespace', 'n.oid')}",
        {
            "": "'schema'",
            "owner": "pg_catalog.pg_get_userbyid(n.nspowner)",
            "comment": "nullif(described.description, 'standard public schema')",
        },
        f"""n.nspname !~ '^pg_' AND n.nspname <> ALL (%(tools)s::text[]) AND {mine}""",
    )


def _extensions() -> str:
    return _facts(
        "extension",
        "pg_catalog.quote_ident(o.extname)",
        f"""pg_catalog.pg_extension AS o
            JOIN pg_catalog.pg_namespace AS n ON n.oid = o.extnamespace
            {commented("pg_extension", "o.oid")}""",
        {
            "": "'extension'",
            "schema": "n.nspname",
            "version": "o.extversion",
            "owner": "pg_catalog.pg_get_userbyid(o.extowner)",
            "comment": "described.description",
        },
        f"o.oid >= {FIRST}",
    )


def _event_triggers() -> str:
    return _global(
        "event-trigger",
        "pg_event_trigger",
        "pg_catalog.quote_ident(o.evtname)",
        {
            "": "'event trigger'",
            "definition": f"""concat_ws(' ', o.evtevent,
                'when tag in (' || pg_catalog.array_to_string(o.evttags, ', ') || ')',
                'execute', coalesce(o.evtfoid::regprocedure::text, '{MISSING}'))""",
            "enabled": firing("o.evtenabled"),
            "owner": "pg_catalog.pg_get_userbyid(o.evtowner)",
        },
        where="o.evtname !~ '^migsafe_shadow_'",
    )


def _publications(version: int) -> str:
    generated = "CASE o.pubgencols WHEN 's' THEN 'stored' END" if version >= 180000 else "NULL"
    return _global(
        "publication",
        "pg_publication",
        "pg_catalog.quote_ident(o.pubname)",
        {
            "": "CASE WHEN o.puballtables THEN 'of all tables' ELSE 'of tables' END",
            "publish": """concat_ws(', ', CASE WHEN o.pubinsert THEN 'insert' END,
                CASE WHEN o.pubupdate THEN 'update' END, CASE WHEN o.pubdelete THEN 'delete' END,
                CASE WHEN o.pubtruncate THEN 'truncate' END)""",
            "generated": generated,
            "via root": "CASE WHEN o.pubviaroot THEN 'yes' END",
            "owner": "pg_catalog.pg_get_userbyid(o.pubowner)",
        },
    )


def _published(version: int) -> str:
    limits = "''"
    if version >= 150000:
        limits = """concat_ws(' ', '',
            '(' || (SELECT string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attname)
             FROM pg_catalog.pg_attribute AS a
             WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs)) || ')',
            'where ' || pg_catalog.pg_get_expr(r.prqual, r.prrelid))"""
    tables = f"""SELECT 0::oid, 'publication', pg_catalog.quote_ident(o.pubname),
        {qualified("c.relname")}, 'table', 'there' || {limits}
    FROM pg_catalog.pg_publication_rel AS r
    JOIN pg_catalog.pg_publication AS o ON o.oid = r.prpubid
    JOIN pg_catalog.pg_class AS c ON c.oid = r.prrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"""
    if version < 150000:
        return tables
    return f"""{tables} UNION ALL
    SELECT 0::oid, 'publication', pg_catalog.quote_ident(o.pubname), n.nspname, 'schema', 'there'
    FROM pg_catalog.pg_publication_namespace AS r
    JOIN pg_catalog.pg_publication AS o ON o.oid = r.pnpubid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = r.pnnspid"""


def _casts() -> str:
    return _global(
        "cast",
        "pg_cast",
        """pg_catalog.format_type(o.castsource, NULL) || ' AS '
            || pg_catalog.format_type(o.casttarget, NULL)""",
        {
            "": """CASE o.castmethod WHEN 'i' THEN 'inout' WHEN 'b' THEN 'binary'
                ELSE o.castfunc::regprocedure::text END
                || CASE o.castcontext WHEN 'i' THEN ', implicit' WHEN 'a' THEN ', assignment'
                   ELSE '' END""",
        },
    )


def _operators() -> str:
    return _named(
        "operator",
        "pg_operator",
        "opr",
        {
            "": """'function ' || o.oprcode::oid::regprocedure::text
                || CASE WHEN o.oprcanhash THEN ', hashes' ELSE '' END
                || CASE WHEN o.oprcanmerge THEN ', merges' ELSE '' END""",
            "commutator": "nullif(o.oprcom, 0)::regoperator",
            "negator": "nullif(o.oprnegate, 0)::regoperator",
            "restrict": "nullif(o.oprrest::text, '-')",
            "join": "nullif(o.oprjoin::text, '-')",
        },
        name="o.oid::regoperator::text",
    )


def _operator_classes() -> str:
    access = """'USING ' || (SELECT am.amname FROM pg_catalog.pg_am AS am
        WHERE am.oid = o.{prefix}method)"""
    opclass = _named(
        "operator-class",
        "pg_opclass",
        "opc",
        {
            "": """'for ' || pg_catalog.format_type(o.opcintype, NULL)
                || CASE WHEN o.opcdefault THEN ', default' ELSE '' END""",
        },
        name=f"{qualified('o.opcname')} || ' ' || {access.format(prefix='opc')}",
    )
    family = _named(
        "operator-family",
        "pg_opfamily",
        "opf",
        {
            "": "'operator family'",
            "operators": """(SELECT string_agg(ao.amopstrategy || ' ' || ao.amopopr::regoperator,
                    ', ' ORDER BY ao.amopstrategy, ao.amopopr::regoperator::text)
                FROM pg_catalog.pg_amop AS ao WHERE ao.amopfamily = o.oid)""",
            "functions": """(SELECT string_agg(ap.amprocnum || ' ' || ap.amproc::oid::regprocedure,
                    ', ' ORDER BY ap.amprocnum, ap.amproc::oid::regprocedure::text)
                FROM pg_catalog.pg_amproc AS ap WHERE ap.amprocfamily = o.oid)""",
        },
        name=f"{qualified('o.opfname')} || ' ' || {access.format(prefix='opf')}",
    )
    return f"{opclass} UNION ALL {family}"


def _collations(version: int) -> str:
    locale = "o.collcollate::text"
    if version >= 170000:
        locale = "coalesce(o.colllocale, o.collcollate)"
    elif version >= 150000:
        locale = "coalesce(o.colliculocale, o.collcollate)"
    return _named(
        "collation",
        "pg_collation",
        "coll",
        {
            "": """CASE o.collprovider WHEN 'i' THEN 'icu' WHEN 'c' THEN 'libc'
                WHEN 'b' THEN 'builtin' ELSE 'default' END""",
            "locale": locale,
            "ctype": "nullif(o.collctype::text, o.collcollate::text)",
            "deterministic": "CASE WHEN NOT o.collisdeterministic THEN 'no' END",
        },
    )


def _text_search() -> str:
    configuration = _named(
        "text-search",
        "pg_ts_config",
        "cfg",
        {
            "": "'configuration'",
            "parser": """(SELECT p.prsname FROM pg_catalog.pg_ts_parser AS p
                WHERE p.oid = o.cfgparser)""",
            "dictionaries": """(SELECT string_agg(m.maptokentype || ' ' || m.mapdict::regdictionary,
                    ', ' ORDER BY m.maptokentype, m.mapseqno)
                FROM pg_catalog.pg_ts_config_map AS m WHERE m.mapcfg = o.oid)""",
        },
    )
    dictionary = _named(
        "text-search",
        "pg_ts_dict",
        "dict",
        {
            "": "'dictionary'",
            "template": """(SELECT t.tmplname FROM pg_catalog.pg_ts_template AS t
                WHERE t.oid = o.dicttemplate)""",
            "options": "o.dictinitoption",
        },
        name=f"'dictionary ' || {qualified('o.dictname')}",
    )
    return f"{configuration} UNION ALL {dictionary}"


def _servers() -> str:
    """Return the query about foreign servers; their options may hold passwords."""
    return _global(
        "server",
        "pg_foreign_server",
        "pg_catalog.quote_ident(o.srvname)",
        {
            "": """(SELECT f.fdwname FROM pg_catalog.pg_foreign_data_wrapper AS f
                WHERE f.oid = o.srvfdw)""",
            "owner": "pg_catalog.pg_get_userbyid(o.srvowner)",
        },
    )


def _everything(version: int, _some: bool) -> Question:
    parts = (
        *(
            _schemas(),
            _extensions(),
            _event_triggers(),
            _publications(version),
            _published(version),
        ),
        *(_casts(), _operators(), _operator_classes(), _collations(version), _text_search()),
        _servers(),
    )
    return Question("other", "fact", "\nUNION ALL\n".join(parts))


_GRANTS = """SELECT 0, 'schema', pg_catalog.quote_ident(n.nspname), '', n.nspacl::text[],
    pg_catalog.acldefault('n', n.nspowner)::text[]
FROM pg_catalog.pg_namespace AS n
WHERE n.nspname !~ '^pg_' AND n.nspname <> ALL (%(tools)s::text[]) AND n.nspacl IS NOT NULL
UNION ALL
SELECT 0, 'server', pg_catalog.quote_ident(s.srvname), '', s.srvacl::text[],
    pg_catalog.acldefault('S', s.srvowner)::text[]
FROM pg_catalog.pg_foreign_server AS s WHERE s.srvacl IS NOT NULL
UNION ALL
SELECT 0, 'default-privileges',
    concat_ws(' ', pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(d.defaclrole)),
        'in ' || pg_catalog.quote_ident(n.nspname), 'on',
        CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences'
            WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas'
            ELSE 'large objects' END),
    '', d.defaclacl::text[],
    CASE WHEN d.defaclnamespace = 0 THEN pg_catalog.acldefault(
        CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END::"char", d.defaclrole
    )::text[] ELSE ARRAY[]::text[] END
FROM pg_catalog.pg_default_acl AS d
LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = d.defaclnamespace"""


def _grants(_version: int, _some: bool) -> Question:
    return Question("other", "grant", _GRANTS)


MAKERS = (_everything, _grants)

_FAMILY = """family AS (
    SELECT r AS oid FROM unnest(%(relations)s::oid[]) AS r
    UNION
    SELECT i.inhrelid FROM family AS f JOIN pg_catalog.pg_inherits AS i ON i.inhparent = f.oid)"""

#: What inherits from given relations, to the last partition, and they themselves.
FAMILY = f"WITH RECURSIVE {_FAMILY} SELECT 'relation', oid FROM family"

#: What hangs on given objects by one step of pg_depend, as the owner whose facts print it; the
#: family of the relations is given as well.
#: A relation brings its row type and an element type its array type, which others refer to; an
#: index stands for its table, and the relation of a composite type for the type.
DEPENDENTS = f"""
WITH RECURSIVE {_FAMILY},
refs AS MATERIALIZED (
    SELECT 'pg_catalog.pg_class'::regclass::oid AS class, f.oid FROM family AS f
    UNION ALL
    SELECT 'pg_catalog.pg_type'::regclass, unnest(ARRAY[t.oid, t.typarray])
    FROM pg_catalog.pg_type AS t
    WHERE t.oid = ANY (%(types)s::oid[] || ARRAY(
        SELECT c.reltype FROM family AS f JOIN pg_catalog.pg_class AS c ON c.oid = f.oid))
    UNION ALL
    SELECT 'pg_catalog.pg_proc'::regclass, f FROM unnest(%(functions)s::oid[]) AS f),
hanging AS MATERIALIZED (
    SELECT DISTINCT d.classid, d.objid FROM refs
    JOIN pg_catalog.pg_depend AS d ON d.refclassid = refs.class AND d.refobjid = refs.oid
    UNION ALL
    SELECT 'pg_catalog.pg_class'::regclass, f.oid FROM family AS f),
found AS MATERIALIZED (
    SELECT CASE h.classid
    WHEN 'pg_catalog.pg_class'::regclass THEN
        (SELECT CASE c.relkind WHEN 'c' THEN ARRAY['type', c.reltype::text]
             ELSE ARRAY['relation', coalesce(i.indrelid, c.oid)::text] END
         FROM pg_catalog.pg_class AS c
         LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid
         WHERE c.oid = h.objid AND c.relkind <> 't')
    WHEN 'pg_catalog.pg_rewrite'::regclass THEN
        (SELECT ARRAY['relation', r.ev_class::text] FROM pg_catalog.pg_rewrite AS r
         WHERE r.oid = h.objid)
    WHEN 'pg_catalog.pg_attrdef'::regclass THEN
        (SELECT ARRAY['relation', a.adrelid::text] FROM pg_catalog.pg_attrdef AS a
         WHERE a.oid = h.objid)
    WHEN 'pg_catalog.pg_constraint'::regclass THEN
        (SELECT CASE WHEN c.conrelid <> 0 THEN ARRAY['relation', c.conrelid::text]
             ELSE ARRAY['type', c.contypid::text] END
         FROM pg_catalog.pg_constraint AS c WHERE c.oid = h.objid)
    WHEN 'pg_catalog.pg_trigger'::regclass THEN
        (SELECT ARRAY['relation', t.tgrelid::text] FROM pg_catalog.pg_trigger AS t
         WHERE t.oid = h.objid)
    WHEN 'pg_catalog.pg_policy'::regclass THEN
        (SELECT ARRAY['relation', p.polrelid::text] FROM pg_catalog.pg_policy AS p
         WHERE p.oid = h.objid)
    WHEN 'pg_catalog.pg_statistic_ext'::regclass THEN
        (SELECT ARRAY['relation', s.stxrelid::text] FROM pg_catalog.pg_statistic_ext AS s
         WHERE s.oid = h.objid)
    WHEN 'pg_catalog.pg_type'::regclass THEN
        (SELECT ARRAY['type', t.oid::text] FROM pg_catalog.pg_type AS t
         WHERE t.oid = h.objid AND t.typrelid = 0 AND t.typelem = 0)
    WHEN 'pg_catalog.pg_proc'::regclass THEN ARRAY['function', h.objid::text]
    ELSE CASE WHEN h.classid IN ('pg_catalog.pg_publication_rel'::regclass,
        'pg_catalog.pg_event_trigger'::regclass, 'pg_catalog.pg_cast'::regclass,
        'pg_catalog.pg_operator'::regclass, 'pg_catalog.pg_amop'::regclass,
        'pg_catalog.pg_amproc'::regclass, 'pg_catalog.pg_opclass'::regclass)
        THEN ARRAY['other', '0'] END END AS owner
    FROM hanging AS h)
SELECT DISTINCT owner[1], owner[2] FROM found WHERE owner IS NOT NULL
"""
