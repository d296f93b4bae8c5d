"""The facts of a shadow, kept up to date after every migration by reading only what it touched.

Event triggers write down the objects of each DDL statement. That is quick and nearly always
complete; `Tracker.check` reads everything once more, so that the rest cannot go unseen.
"""

import re
from collections.abc import Iterable

from migsafe import facts
from migsafe.catalog import schema
from migsafe.catalog.schema import Owner
from migsafe.facts import Facts, Key
from migsafe.target import Connection

_DDL = """
CREATE SCHEMA migsafe_shadow;
CREATE UNLOGGED TABLE migsafe_shadow.touched (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    class oid NOT NULL, object oid NOT NULL, dropped boolean NOT NULL, names text[]);
CREATE FUNCTION migsafe_shadow.made() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$BEGIN
    INSERT INTO migsafe_shadow.touched (class, object, dropped)
    SELECT DISTINCT classid, objid, false FROM pg_event_trigger_ddl_commands()
    WHERE classid IS NOT NULL AND NOT in_extension; END$$;
CREATE FUNCTION migsafe_shadow.dropped() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$BEGIN
    INSERT INTO migsafe_shadow.touched (class, object, dropped, names)
    SELECT classid, objid, true, address_names FROM pg_event_trigger_dropped_objects()
    WHERE NOT is_temporary; END$$;
CREATE EVENT TRIGGER migsafe_shadow_made ON ddl_command_end EXECUTE FUNCTION migsafe_shadow.made();
CREATE EVENT TRIGGER migsafe_shadow_dropped ON sql_drop EXECUTE FUNCTION migsafe_shadow.dropped();
ALTER EVENT TRIGGER migsafe_shadow_made ENABLE ALWAYS;
ALTER EVENT TRIGGER migsafe_shadow_dropped ENABLE ALWAYS;
"""

#: What was touched since an id, each with the relation or type that its facts belong to.
_TOUCHED = """
SELECT t.id, t.class::regclass::text, t.object, t.dropped, t.names,
       coalesce(i.indrelid, g.tgrelid, p.polrelid, w.ev_class, nullif(k.conrelid, 0), d.adrelid,
                CASE WHEN t.names[2] IS NOT NULL THEN
                    to_regclass(format('%%I.%%I', t.names[1], t.names[2])) END,
                c.oid)::bigint AS relation,
       coalesce(nullif(k.contypid, 0), nullif(c.reltype, 0))::bigint AS type,
       c.relkind::text, coalesce(y.typelem <> 0 OR r.relkind <> 'c', false) AS implied
FROM migsafe_shadow.touched AS t
LEFT JOIN pg_catalog.pg_class AS c ON t.class = 1259 AND c.oid = t.object
LEFT JOIN pg_catalog.pg_index AS i ON t.class = 1259 AND i.indexrelid = t.object
LEFT JOIN pg_catalog.pg_trigger AS g ON t.class = 2620 AND g.oid = t.object
LEFT JOIN pg_catalog.pg_policy AS p ON t.class = 3256 AND p.oid = t.object
LEFT JOIN pg_catalog.pg_rewrite AS w ON t.class = 2618 AND w.oid = t.object
LEFT JOIN pg_catalog.pg_constraint AS k ON t.class = 2606 AND k.oid = t.object
LEFT JOIN pg_catalog.pg_attrdef AS d ON t.class = 2604 AND d.oid = t.object
LEFT JOIN pg_catalog.pg_type AS y ON t.class = 1247 AND y.oid = t.object
LEFT JOIN pg_catalog.pg_class AS r ON r.oid = y.typrelid
WHERE t.id > %s ORDER BY t.id
"""

_OF_RELATIONS = {"pg_trigger", "pg_policy", "pg_rewrite", "pg_constraint", "pg_attrdef"}

Touched = dict[str, set[int]]

#: The owner of what belongs to no table, type or function.
_OTHER: Owner = ("other", 0)

#: What changes how other objects than the one that is altered are printed.
_RENAMES = re.compile(
    r"\b(rename|type|cascade|schema|replace|do|execute|select|call)\b", re.IGNORECASE
)

#: What makes a change of one table change others, from then on.
_INHERITS = re.compile(r"inherit|partition", re.IGNORECASE)

#: What may keep our event triggers from firing, or take what they write.
_BLINDS = re.compile(r"event_?\s*trigger|migsafe_shadow|session_replication_role", re.IGNORECASE)


class Tracker:
    """The facts of a database that one session changes."""

    def __init__(self, conn: Connection, *, by_parts: bool = True) -> None:
        """Read all facts; without the right to make event triggers, read them all each time."""
        self._conn = conn
        self._last = 0
        self._missed = False
        self._partial = by_parts and conn.info.parameter_status("is_superuser") == "on"
        if self._partial:
            conn.execute(_DDL, prepare=False)
        self._owners = schema.read(conn)
        self._inherits = _has_children(self._owners.values())

    @property
    def state(self) -> dict[Key, str]:
        """Return all facts as they were at the last reading."""
        return _merged(self._owners.values())

    def step(self, text: str) -> dict[Key, facts.Change]:
        """Return what changed since the last call, by SQL that has just run."""
        self._partial = self._partial and not _BLINDS.search(text)
        touched = self._touched() if self._partial else {"other": {0}}
        self._inherits = self._inherits or bool(_INHERITS.search(text))
        if not touched:
            return {}
        far = self._inherits or bool(_RENAMES.search(text))
        widened = schema.dependents(self._conn, touched) if far else touched
        return self._all(widened, far=far) if "other" in widened else self._some(widened)

    def check(self) -> bool:
        """Read everything once more; tell whether that is what the steps have led to."""
        found = facts.kept(_merged(schema.read(self._conn).values()))
        return not self._missed and found == facts.kept(self.state)

    def _all(self, touched: Touched, *, far: bool) -> dict[Key, facts.Change]:
        """Read everything; what changed without having been touched was missed before."""
        found, before = schema.read(self._conn), self._owners
        if self._partial and not far:
            near = {(kind, oid) for kind, oids in touched.items() for oid in oids} | {_OTHER}
            owners = (before.keys() | found.keys()) - near
            self._missed |= any(before.get(owner) != found.get(owner) for owner in owners)
        self._owners = found
        return _changed(before.values(), found.values())

    def _some(self, touched: Touched) -> dict[Key, facts.Change]:
        """Read what was touched, and leave the rest as it was."""
        found = schema.read(self._conn, touched)
        owners = [(kind, oid) for kind, oids in touched.items() for oid in oids]
        before = [self._owners.pop(owner, {}) for owner in owners]
        found.pop(_OTHER, None)  # not asked for, so not known
        self._inherits = self._inherits or _has_children(found.values())
        self._owners |= found
        return _changed(before, found.values())

    def _touched(self) -> Touched:
        rows = self._conn.execute(_TOUCHED, [self._last], prepare=True).fetchall()
        touched: Touched = {}
        for number, catalog, oid, dropped, names, relation, type_, relkind, implied in rows:
            self._last = int(number)
            owner = _OTHER
            if catalog == "pg_class":
                owner = self._relation(int(oid), dropped, names, relation, type_, relkind)
            elif catalog in _OF_RELATIONS:
                owner = ("relation", relation) if relation else ("type", type_ or 0)
            elif catalog == "pg_type":
                owner = ("type", int(oid))
            elif catalog == "pg_proc":
                owner = ("function", int(oid))
            if not implied:
                touched.setdefault(owner[0], set()).add(int(owner[1]))
        return touched

    def _relation(
        self,
        oid: int,
        dropped: bool,
        names: list[str] | None,
        relation: int | None,
        type_: int | None,
        relkind: str | None,
    ) -> Owner:
        if relkind == "c":
            return "type", type_ or oid
        if relation and relkind:
            return "relation", relation
        if ("relation", oid) in self._owners or not (dropped and names):
            return "relation", oid
        return self._owner_of_index(names[-1]) or ("relation", oid)

    def _owner_of_index(self, name: str) -> Owner | None:
        """Find the table of an index that is gone."""
        for owner, found in self._owners.items():
            if owner[0] == "relation":
                table = next(iter(found)).object
                if Key("index", table, name, "definition") in found:
                    return owner
        return None


def _has_children(parts: Iterable[Facts]) -> bool:
    return any(key.aspect in ("inherits", "partition of") for part in parts for key in part)


def _changed(before: Iterable[Facts], after: Iterable[Facts]) -> dict[Key, facts.Change]:
    return facts.delta(facts.kept(_merged(before)), facts.kept(_merged(after)))


def _merged(parts: Iterable[Facts]) -> dict[Key, str]:
    merged: dict[Key, str] = {}
    for part in parts:
        merged.update(part)
    return merged
