"""The statement that would put a difference between two schemas right. Pure: runs nothing."""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from pglast.keywords import COL_NAME_KEYWORDS, RESERVED_KEYWORDS, TYPE_FUNC_NAME_KEYWORDS

from migsafe.facts import Difference, Facts, Key


def statement(difference: Difference, expected: Facts) -> str | None:
    """Return the one statement that makes what is found as expected; None where it takes more.

    `expected` holds the facts around it, for what comes back whole. It is a proposal to read: what
    it does to rows, to dependent objects or to a running system is not considered.
    """
    kind, _, _, aspect = difference.key
    way = _WAYS.get((kind, aspect)) or _WAYS.get(("", aspect))
    if way is None:
        return None
    if difference.expected is None:
        words = way.reset
    else:
        words = way.set if difference.found is None or way.change is None else way.change
    if callable(words):
        return words(difference.key, expected)
    return words.format(**_named(difference)) if words else None


#: A template, or what builds the statement from what is expected; empty where it takes more.
_Words = str | Callable[[Key, Facts], str | None]


class _Way(NamedTuple):
    """How to put an aspect right: where it is absent, where it is extra, where it is another."""

    set: _Words
    reset: _Words = ""
    change: _Words | None = None


def _named(difference: Difference) -> dict[str, str]:
    """Return what templates may name; `beside` is a part that is an object of the same schema."""
    key, value = difference.key, difference.expected or ""
    noun = _NOUNS.get(key.kind, key.kind.replace("-", " ").upper())
    return {
        "noun": noun,
        "object": key.object,
        "raw": key.part,
        "part": quoted(key.part),
        "beside": f"{_QUALIFIER.match(key.object)[0]}.{quoted(key.part)}",  # type: ignore[index]
        "value": value,
        "upper": value.upper(),
        "text": _literal(value),
        "name": quoted(value),
        "bare": value.removesuffix(";"),
    }


#: Kinds that have another name in SQL.
_NOUNS = {"enum": "TYPE", "composite": "TYPE", "range": "TYPE", "function": "ROUTINE"}

_QUALIFIER = re.compile(r'(?:"(?:[^"]|"")*"|[^".])*')

_ROUTINE = re.compile(r'(?:"(?:[^"]|"")*"|[^"(])*')

_LITERALS = re.compile(r"E?'(?:[^']|'')*'")

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")

_KEYWORDS = RESERVED_KEYWORDS | TYPE_FUNC_NAME_KEYWORDS | COL_NAME_KEYWORDS


def quoted(name: str) -> str:
    """Return a name as SQL needs it."""
    if _PLAIN.fullmatch(name) and name not in _KEYWORDS:
        return name
    return '"{}"'.format(name.replace('"', '""'))


def _literal(text: str) -> str:
    escape = "E" if "\\" in text else ""
    return "{}'{}'".format(escape, text.replace("\\", "\\\\").replace("'", "''"))


def _valid(key: Key, facts: Facts) -> str | None:
    """Build an INVALID index again; one that is not expected is to be dropped."""
    kinds = ("index", "constraint")
    if not any(key._replace(kind=kind, aspect="definition") in facts for kind in kinds):
        return None
    qualifier = _QUALIFIER.match(key.object)
    return f"REINDEX INDEX {qualifier[0] if qualifier else 'public'}.{quoted(key.part)}"


def _near(key: Key, facts: Facts) -> Callable[[str], str]:
    """Return a function from the aspects of the same thing to what is expected of them."""
    return lambda aspect: facts.get(key._replace(aspect=aspect), "")


def _clauses(*clauses: tuple[str, str]) -> str:
    """Join the clauses that have a value."""
    return "".join(f" {clause.format(value)}" for clause, value in clauses if value)


def _add_column(key: Key, facts: Facts) -> str | None:
    near = _near(key, facts)
    stored, _, expression = near("generated").partition(": ")
    if near("nullable").endswith(")"):
        return None
    return f"ALTER TABLE {key.object} ADD COLUMN {quoted(key.part)} {near('type')}" + _clauses(
        ("COLLATE {}", near("collation")),
        ("DEFAULT {}", near("default")),
        (f"GENERATED ALWAYS AS ({{}}) {stored.upper()}", expression),
        ("GENERATED {} AS IDENTITY", near("identity").upper()),
        ("NOT NULL", "" if near("nullable") == "yes" else near("nullable")),
    )


def _retype(key: Key, facts: Facts) -> str:
    near = _near(key, facts)
    collate = _clauses(("COLLATE {}", near("collation")))
    part, kind = quoted(key.part), near("type")
    using = f" USING {part}::{kind}"
    return f"ALTER TABLE {key.object} ALTER COLUMN {part} TYPE {kind}{collate}{using}"


def _constrained(key: Key, facts: Facts) -> str:
    near = _near(key, facts)
    return f"ADD CONSTRAINT {quoted(key.part)} {near('definition')}" + _clauses(
        ("DEFERRABLE {}", near("deferrable").upper()),
        ("NOT ENFORCED", near("enforced")),
        ("NOT VALID", near("validated")),
    )


def _constrain(key: Key, facts: Facts) -> str:
    noun = "DOMAIN" if key.kind == "domain-constraint" else "TABLE"
    return f"ALTER {noun} {key.object} {_constrained(key, facts)}"


def _constrain_again(key: Key, facts: Facts) -> str:
    dropped = f"DROP CONSTRAINT {quoted(key.part)}"
    return f"ALTER TABLE {key.object} {dropped}, {_constrained(key, facts)}"


def _index(key: Key, facts: Facts) -> str | None:
    definition = _near(key, facts)("definition")
    # An index of a partitioned table alone is only whole with the parts attached to it.
    return None if f" ON ONLY {key.object} " in definition else definition


def _trigger(key: Key, facts: Facts) -> str | None:
    definition = _near(key, facts)("definition")
    if definition.startswith("CREATE CONSTRAINT"):
        return None
    return definition.replace("CREATE TRIGGER", "CREATE OR REPLACE TRIGGER", 1)


def _policy(key: Key, facts: Facts) -> str:
    near = _near(key, facts)
    return f"CREATE POLICY {quoted(key.part)} ON {key.object}" + _clauses(
        ("AS RESTRICTIVE", near("restrictive")),
        ("FOR {}", near("command").upper()),
        ("TO {}", near("roles")),
        ("USING ({})", near("using")),
        ("WITH CHECK ({})", near("check")),
    )


def _attach(key: Key, facts: Facts) -> str:
    bound = facts.get(Key("table", key.object, "", "partition bound"), "DEFAULT")
    return f"ALTER TABLE {key.part} ATTACH PARTITION {key.object} {bound}"


def _view(key: Key, facts: Facts) -> str:
    options = ", ".join(
        f"{near.part}={_literal(value)}"
        for near, value in facts.items()
        if near.object == key.object and near.aspect == "option"
    )
    with_options = _clauses(("WITH ({})", options))
    definition = facts[key].removesuffix(";")
    return f"CREATE OR REPLACE VIEW {key.object}{with_options} AS {definition}"


def _sequence(key: Key, facts: Facts) -> str | None:
    near = _near(key, facts)
    if near("identity"):
        return None
    return f"CREATE SEQUENCE {key.object} AS {near('type')}" + _clauses(
        ("INCREMENT BY {}", near("increment")),
        ("MINVALUE {}", near("minimum")),
        ("MAXVALUE {}", near("maximum")),
        ("START WITH {}", near("start")),
        ("CACHE {}", near("cache")),
        ("CYCLE", near("cycle")),
        ("OWNED BY {}", near("owned by")),
    )


def _enum(key: Key, facts: Facts) -> str:
    return f"CREATE TYPE {key.object} AS ENUM ({_near(key, facts)('labels')})"


def _label(key: Key, facts: Facts) -> str:
    labels = _LITERALS.findall(facts.get(Key("enum", key.object, "", "labels"), ""))
    literal = _literal(key.part)
    at = labels.index(literal)
    around = f" AFTER {labels[at - 1]}" if at else "".join(f" BEFORE {x}" for x in labels[1:2])
    return f"ALTER TYPE {key.object} ADD VALUE {literal}{around}"


def _domain(key: Key, facts: Facts) -> str:
    near = _near(key, facts)
    return f"CREATE DOMAIN {key.object} AS {near('type')}" + _clauses(
        ("COLLATE {}", near("collation")),
        ("DEFAULT {}", near("default")),
        ("NOT NULL", near("nullable")),
    )


def _function(key: Key, facts: Facts) -> str | None:
    near = _near(key, facts)
    kind, language, body = near(""), near("language"), near("body")
    if kind not in ("function", "procedure") or language in ("c", "internal"):
        return None
    name = _ROUTINE.match(key.object)[0]  # type: ignore[index]
    quotes = "$migsafe$"
    is_sql = language == "sql" and body.startswith(("BEGIN ATOMIC", "RETURN "))
    head = f"CREATE OR REPLACE {kind.upper()} {name}({near('arguments')})"
    settings = " ".join(
        _setting(item.part, value)
        for item, value in facts.items()
        if item.object == key.object and item.aspect == "config"
    )
    return head + _clauses(
        ("RETURNS {}", near("result")),
        ("LANGUAGE {}", language),
        ("{}", near("volatility").upper() if kind == "function" else ""),
        ("STRICT", near("strict")),
        ("SECURITY DEFINER", near("security")),
        ("PARALLEL {}", near("parallel").upper()),
        ("LEAKPROOF", near("leakproof")),
        ("COST {}", near("cost")),
        ("ROWS {}", near("rows")),
        ("{}", settings),
        ("{}", body if is_sql else f"AS {quotes}{body}{quotes}"),
    )


def _setting(name: str, value: str) -> str:
    """Write a SET clause; a search_path is kept as a list of quoted names."""
    return f"SET {name} TO {value if name == 'search_path' and value else _literal(value)}"


def _configure(key: Key, facts: Facts) -> str:
    return f"ALTER ROUTINE {key.object} {_setting(key.part, facts[key])}"


def _extension(key: Key, facts: Facts) -> str:
    schema = facts.get(key._replace(aspect="schema"), "")
    return f"CREATE EXTENSION {key.object}" + _clauses(("WITH SCHEMA {}", quoted(schema)))


def _publish(key: Key, facts: Facts) -> str:
    limits = facts[key].removeprefix("there").replace(" where ", " WHERE ")
    return f"ALTER PUBLICATION {key.object} ADD TABLE {key.part}{limits}"


_COLUMN = "ALTER TABLE {object} ALTER COLUMN {part} "
_DROP = "DROP {noun} {object}"


def _column(action: str, reset: str) -> _Way:
    return _Way(_COLUMN + action, _COLUMN + reset)


def _table(action: str, reset: str) -> _Way:
    return _Way("ALTER TABLE {object} " + action, "ALTER TABLE {object} " + reset)


def _altered(noun: str, action: str, reset: str) -> _Way:
    return _Way(
        f"ALTER {noun} {{object}} {action}", f"ALTER {noun} {{object}} {reset}" * bool(reset)
    )


def _on(target: str) -> _Way:
    return _Way(f"COMMENT ON {target} IS {{text}}", f"COMMENT ON {target} IS NULL")


def _identify(key: Key, facts: Facts) -> str | None:
    kind = _near(key, facts)("replica identity")
    # Of an index it is known which one: that is the index's own fact.
    return None if kind == "index" else f"ALTER TABLE {key.object} REPLICA IDENTITY {kind.upper()}"


def _require(key: Key, facts: Facts) -> str | None:
    action = {"no": "SET", "yes": "DROP"}.get(_near(key, facts)("nullable"))
    column = f"ALTER TABLE {key.object} ALTER COLUMN {quoted(key.part)}"
    return f"{column} {action} NOT NULL" if action else None


def _rule(key: Key, facts: Facts) -> str:
    return _near(key, facts)("definition").replace("CREATE RULE", "CREATE OR REPLACE RULE", 1)


_FIRING = {"": "ENABLE", "no": "DISABLE", "replica": "ENABLE REPLICA", "always": "ENABLE ALWAYS"}


def _fire(key: Key, facts: Facts) -> str:
    return f"ALTER TABLE {key.object} {_firing(key, facts)} {key.kind.upper()} {quoted(key.part)}"


def _firing(key: Key, facts: Facts) -> str:
    return _FIRING[_near(key, facts)("enabled")]


def _fire_event(key: Key, facts: Facts) -> str:
    return f"ALTER EVENT TRIGGER {key.object} {_firing(key, facts)}"


def _drop_routine(key: Key, _facts: Facts) -> str:
    return f"DROP ROUTINE {key.object}"


def _defer(key: Key, facts: Facts) -> str:
    if not _near(key, facts)("definition").startswith("FOREIGN KEY"):
        return _constrain_again(key, facts)
    timing = _near(key, facts)("deferrable")
    said = f"DEFERRABLE {timing.upper()}" if timing else "NOT DEFERRABLE"
    return f"ALTER TABLE {key.object} ALTER CONSTRAINT {quoted(key.part)} {said}"


def _collate(key: Key, facts: Facts) -> str | None:
    return _retype(key, facts) if _near(key, facts)("type") else None


#: How each aspect is put right; an empty kind stands for every other kind.
_WAYS: Mapping[tuple[str, str], _Way] = {
    ("", ""): _Way("", _DROP),
    ("", "comment"): _Way(
        "COMMENT ON {noun} {object} IS {text}", "COMMENT ON {noun} {object} IS NULL"
    ),
    ("", "owner"): _Way("", "", "ALTER {noun} {object} OWNER TO {name}"),
    ("", "option"): _altered("{noun}", "SET ({raw} = {text})", "RESET ({raw})"),
    ("table", "persistence"): _table("SET UNLOGGED", "SET LOGGED"),
    ("table", "replica identity"): _Way(_identify, "ALTER TABLE {object} REPLICA IDENTITY DEFAULT"),
    ("table", "row security"): _table("ENABLE ROW LEVEL SECURITY", "DISABLE ROW LEVEL SECURITY"),
    ("table", "forced row security"): _table(
        "FORCE ROW LEVEL SECURITY", "NO FORCE ROW LEVEL SECURITY"
    ),
    ("table", "inherits"): _table("INHERIT {raw}", "NO INHERIT {raw}"),
    ("table", "partition of"): _Way(_attach, "ALTER TABLE {raw} DETACH PARTITION {object}"),
    ("table", "tablespace"): _table("SET TABLESPACE {value}", "SET TABLESPACE pg_default"),
    ("column", "type"): _Way(_add_column, "ALTER TABLE {object} DROP COLUMN {part}", _retype),
    ("column", "nullable"): _Way("", "", _require),
    ("column", "default"): _column("SET DEFAULT {value}", "DROP DEFAULT"),
    ("column", "generated"): _Way("", _COLUMN + "DROP EXPRESSION", ""),
    ("column", "identity"): _Way(
        _COLUMN + "ADD GENERATED {upper} AS IDENTITY",
        _COLUMN + "DROP IDENTITY",
        _COLUMN + "SET GENERATED {upper}",
    ),
    ("column", "collation"): _Way(_collate, _collate),
    ("column", "storage"): _Way(_COLUMN + "SET STORAGE {upper}"),
    ("column", "compression"): _column("SET COMPRESSION {value}", "SET COMPRESSION DEFAULT"),
    ("column", "statistics"): _column("SET STATISTICS {value}", "SET STATISTICS -1"),
    ("column", "options"): _Way(_COLUMN + "SET ({value})"),
    ("column", "comment"): _on("COLUMN {object}.{part}"),
    ("constraint", "definition"): _Way(
        _constrain, "ALTER TABLE {object} DROP CONSTRAINT {part}", _constrain_again
    ),
    ("constraint", "validated"): _Way("", "ALTER TABLE {object} VALIDATE CONSTRAINT {part}"),
    ("constraint", "deferrable"): _Way(_defer, _defer),
    ("constraint", "comment"): _on("CONSTRAINT {part} ON {object}"),
    ("domain-constraint", "definition"): _Way(
        _constrain, "ALTER DOMAIN {object} DROP CONSTRAINT {part}", ""
    ),
    ("domain-constraint", "validated"): _Way(
        "", "ALTER DOMAIN {object} VALIDATE CONSTRAINT {part}"
    ),
    ("domain-constraint", "comment"): _on("CONSTRAINT {part} ON DOMAIN {object}"),
    ("index", "definition"): _Way(_index, "DROP INDEX {beside}", ""),
    ("index", "valid"): _Way("", _valid),
    ("index", "clustered"): _table("CLUSTER ON {part}", "SET WITHOUT CLUSTER"),
    ("index", "replica identity"): _Way("ALTER TABLE {object} REPLICA IDENTITY USING INDEX {part}"),
    ("index", "comment"): _on("INDEX {beside}"),
    ("trigger", "definition"): _Way("{value}", "DROP TRIGGER {part} ON {object}", _trigger),
    ("trigger", "enabled"): _Way(_fire, _fire),
    ("trigger", "comment"): _on("TRIGGER {part} ON {object}"),
    ("rule", "definition"): _Way("{value}", "DROP RULE {part} ON {object}", _rule),
    ("rule", "enabled"): _Way(_fire, _fire),
    ("rule", "comment"): _on("RULE {part} ON {object}"),
    ("policy", "command"): _Way(_policy, "DROP POLICY {part} ON {object}", ""),
    ("policy", "roles"): _Way("", "", "ALTER POLICY {part} ON {object} TO {value}"),
    ("policy", "using"): _Way("", "", "ALTER POLICY {part} ON {object} USING ({value})"),
    ("policy", "check"): _Way("", "", "ALTER POLICY {part} ON {object} WITH CHECK ({value})"),
    ("policy", "comment"): _on("POLICY {part} ON {object}"),
    ("view", "definition"): _Way(_view),
    ("materialized-view", "definition"): _Way(
        "CREATE MATERIALIZED VIEW {object} AS {bare}", "", ""
    ),
    ("materialized-view", "populated"): _Way("", "REFRESH MATERIALIZED VIEW {object}"),
    ("sequence", ""): _Way(_sequence, _DROP),
    ("sequence", "type"): _Way("", "", "ALTER SEQUENCE {object} AS {value}"),
    ("sequence", "increment"): _altered("SEQUENCE", "INCREMENT BY {value}", "INCREMENT BY 1"),
    ("sequence", "minimum"): _altered("SEQUENCE", "MINVALUE {value}", "NO MINVALUE"),
    ("sequence", "maximum"): _altered("SEQUENCE", "MAXVALUE {value}", "NO MAXVALUE"),
    ("sequence", "start"): _altered("SEQUENCE", "START WITH {value}", ""),
    ("sequence", "cache"): _altered("SEQUENCE", "CACHE {value}", "CACHE 1"),
    ("sequence", "cycle"): _altered("SEQUENCE", "CYCLE", "NO CYCLE"),
    ("sequence", "owned by"): _altered("SEQUENCE", "OWNED BY {value}", "OWNED BY NONE"),
    ("enum", ""): _Way(_enum, _DROP),
    ("enum", "label"): _Way(_label),
    ("domain", ""): _Way(_domain, _DROP),
    ("domain", "nullable"): _altered("DOMAIN", "SET NOT NULL", "DROP NOT NULL"),
    ("domain", "default"): _altered("DOMAIN", "SET DEFAULT {value}", "DROP DEFAULT"),
    ("composite", "type"): _Way(
        "ALTER TYPE {object} ADD ATTRIBUTE {part} {value}",
        "ALTER TYPE {object} DROP ATTRIBUTE {part}",
        "ALTER TYPE {object} ALTER ATTRIBUTE {part} TYPE {value}",
    ),
    ("function", ""): _Way(_function, _drop_routine, ""),
    ("function", "body"): _Way(_function, "", _function),
    ("function", "volatility"): _Way("", "", "ALTER ROUTINE {object} {upper}"),
    ("function", "strict"): _altered("ROUTINE", "STRICT", "CALLED ON NULL INPUT"),
    ("function", "security"): _altered("ROUTINE", "SECURITY DEFINER", "SECURITY INVOKER"),
    ("function", "parallel"): _altered("ROUTINE", "PARALLEL {upper}", "PARALLEL UNSAFE"),
    ("function", "leakproof"): _altered("ROUTINE", "LEAKPROOF", "NOT LEAKPROOF"),
    ("function", "cost"): _altered("ROUTINE", "COST {value}", ""),
    ("function", "rows"): _altered("ROUTINE", "ROWS {value}", ""),
    ("function", "config"): _Way(_configure, "ALTER ROUTINE {object} RESET {raw}"),
    ("function", "comment"): _on("ROUTINE {object}"),
    ("schema", ""): _Way("CREATE SCHEMA {object}", _DROP),
    ("extension", ""): _Way(_extension, _DROP),
    ("extension", "version"): _Way("", "", "ALTER EXTENSION {object} UPDATE TO {text}"),
    ("statistics", "definition"): _Way("{value}", "DROP STATISTICS {object}", ""),
    ("event-trigger", "enabled"): _Way(_fire_event, _fire_event),
    ("publication", "table"): _Way(_publish, "ALTER PUBLICATION {object} DROP TABLE {raw}", ""),
    ("publication", "publish"): _Way("", "", "ALTER PUBLICATION {object} SET (publish = {text})"),
    ("cast", ""): _Way("", "DROP CAST ({object})", ""),
    ("operator", ""): _Way(""),
    ("operator-class", ""): _Way(""),
    ("operator-family", ""): _Way(""),
    ("text-search", ""): _Way(""),
    ("type", ""): _Way("", "DROP TYPE {object}", ""),
}
