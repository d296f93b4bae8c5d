"""The facts of a shadow, kept up to date after every migration by reading only what it touched.

Event triggers write down the objects of each DDL statement. That is quick and nearly always
complete; `Tracker.check` reads everything once more, so that the rest cannot go unseen.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple

from migsafe import facts, target
from migsafe.catalog.picture import Owner
from migsafe.catalog.queries import Topic
from migsafe.catalog.rows import Call, Owned, Reader
from migsafe.facts import Key
from migsafe.target import Connection

_DDL = """
CREATE SCHEMA migsafe_shadow;
CREATE UNLOGGED TABLE migsafe_shadow.touched (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    class oid NOT NULL, object oid NOT NULL, dropped boolean NOT NULL, names text[]);
CREATE FUNCTION migsafe_shadow.made() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$BEGIN
    INSERT INTO migsafe_shadow.touched (class, object, dropped)
    SELECT classid, objid, false FROM pg_event_trigger_ddl_commands()
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
    coalesce(
        CASE t.class
        WHEN 1259 THEN (SELECT indrelid FROM pg_catalog.pg_index WHERE indexrelid = t.object)
        WHEN 2620 THEN (SELECT tgrelid FROM pg_catalog.pg_trigger WHERE oid = t.object)
        WHEN 3256 THEN (SELECT polrelid FROM pg_catalog.pg_policy WHERE oid = t.object)
        WHEN 2618 THEN (SELECT ev_class FROM pg_catalog.pg_rewrite WHERE oid = t.object)
        WHEN 2604 THEN (SELECT adrelid FROM pg_catalog.pg_attrdef WHERE oid = t.object)
        WHEN 2606 THEN nullif(k.conrelid, 0) END,
        CASE WHEN t.names[2] IS NOT NULL THEN
            to_regclass(format('%I.%I', t.names[1], t.names[2])) END,
        c.oid)::bigint,
    coalesce(nullif(k.contypid, 0), nullif(c.reltype, 0))::bigint,
    c.relkind::text,
    CASE WHEN t.class = 1247 THEN
        (SELECT y.typelem <> 0 OR coalesce(r.relkind <> 'c', false) FROM pg_catalog.pg_type AS y
         LEFT JOIN pg_catalog.pg_class AS r ON r.oid = y.typrelid WHERE y.oid = t.object) END
FROM migsafe_shadow.touched AS t
LEFT JOIN pg_catalog.pg_class AS c ON t.class = 1259 AND c.oid = t.object
LEFT JOIN pg_catalog.pg_constraint AS k ON t.class = 2606 AND k.oid = t.object
WHERE t.id > $1::bigint ORDER BY t.id
"""

_OF_RELATIONS = {"pg_trigger", "pg_policy", "pg_rewrite", "pg_constraint", "pg_attrdef"}

Touched = dict[str, set[int]]

#: The owner of what belongs to no table, type or function.
_OTHER: Owner = ("other", 0)

#: What changes how other objects than the one that is altered are printed, or may run such a thing.
_RENAMES = re.compile(
    r"""(?<!")\b(rename|type|cascade|schema|replace|execute|select|call
    |do(?!\s+(nothing|update|instead|also)\b))\b(?!")""",
    re.IGNORECASE | re.VERBOSE,
)

#: What has such a word and does nothing of the kind: a foreign key's action, a new type or label.
_HARMLESS = re.compile(
    r"""\bon\s+(delete|update)\s+cascade\b|\bcreate\s+type\b
    |\balter\s+type\s+[\w."]+\s+add\s+value\b""",
    re.IGNORECASE | re.VERBOSE,
)

#: What may give a relation its first detail: a trigger, rule, policy, statistics, parent, option or
#: comment.
_DETAILS = re.compile(
    r"""\b(trigger|rule|policy|statistics|inherits?|partition|comment|like|options?
    |with(?!\s+time)|(re)?set\s*\()""",
    re.IGNORECASE | re.VERBOSE,
)

#: What may change a constraint or an index, if only with the column that it is on.
_KEYS = re.compile(
    r"unique|primary|foreign|references|check|exclude|constraint|index|cluster|replica|using|drop",
    re.IGNORECASE,
)

#: What makes a change of one table change others, from then on.
_INHERITS = re.compile(r"inherit|partition", re.IGNORECASE)

#: What names the parent only, and changes a child that is none of its family afterwards.
_PARTS = re.compile(r"\bdetach\b", re.IGNORECASE)

#: What may keep our event triggers from firing, or take what they write.
_BLINDS = re.compile(r"event_?\s*trigger|migsafe_shadow|session_replication_role", re.IGNORECASE)


class _Words(NamedTuple):
    """What the words of some SQL make possible."""

    blinds: bool
    inherits: bool
    far: bool
    parts: bool
    #: What relations that were there before have kept.
    same: frozenset[Topic]


@lru_cache(maxsize=1)
def _words(text: str) -> _Words:
    inherits = bool(_INHERITS.search(text))
    far = inherits or bool(_RENAMES.search(_HARMLESS.sub(" ", text)))
    same: set[Topic] = set()
    if not far:
        same |= set() if _DETAILS.search(text) else {"details"}
        same |= set() if _KEYS.search(text) else {"constraints", "indexes"}
    return _Words(
        blinds=bool(_BLINDS.search(text)),
        inherits=inherits,
        far=far,
        parts=bool(_PARTS.search(text)),
        same=frozenset(same),
    )


class Tracker:
    """The facts of a database that one session changes."""

    def __init__(self, conn: Connection, *, by_parts: bool = True) -> None:
        """Read all facts; without the right to make event triggers, read them all each time."""
        self._conn = conn
        self._reader = Reader(conn)
        self._last = 0
        self._missed = False
        self._partial = by_parts and conn.info.parameter_status("is_superuser") == "on"
        if self._partial:
            conn.execute(_DDL, prepare=False)
        self._tables: dict[str, set[Owner]] = {}
        self._inherits = False
        self._owners: dict[Owner, Owned] = {}
        self._unsettled: Callable[[], None] | None = None
        self._learn(self._reader.read())

    @property
    def state(self) -> dict[Key, str]:
        """Return all facts as they were at the last reading; after `check`, grants as well."""
        self.settle()
        return self._reader.facts(self._owners.values())

    def step(self, text: str, first: str = "") -> dict[Key, facts.Change]:
        """Return what changed since the last call, by SQL that has just run; send `first` before.

        It is read now, and filled in by `settle`, which every other call begins with.
        """
        self.settle()
        words = _words(text)
        self._partial = self._partial and not words.blinds
        touched, indexed = self._touched(first)
        self._inherits = self._inherits or words.inherits
        if not touched:
            return {}
        if words.parts:
            touched["other"] = {0}
        if words.far:
            touched, indexed = self._reader.dependents(touched), set()
        elif self._inherits:
            before, touched = touched, self._reader.family(touched)
            indexed = indexed if touched == before else set()
        if "other" in touched:
            return self._all(touched, far=words.far)
        return self._some(touched, indexed, words.same)

    def meanwhile(self, text: str) -> None:
        """Do what needs no session while that runs the SQL of the next step."""
        self.settle()
        _words(text)

    def settle(self) -> None:
        """Compare what was read last."""
        unsettled, self._unsettled = self._unsettled, None
        if unsettled:
            unsettled()

    def check(self) -> bool:
        """Read everything once more; tell whether that is what the steps have led to."""
        self.settle()
        found, before = self._reader.read(), self._owners
        self._owners = {}
        self._learn(found)
        return not (self._missed or self._reader.changes(before, found))

    def _all(self, touched: Touched, *, far: bool) -> dict[Key, facts.Change]:
        """Read everything; what changed without having been touched was missed before."""
        found, before = self._reader.read(), self._owners
        if self._partial and not far:
            near = {(kind, oid) for kind, oids in touched.items() for oid in oids} | {_OTHER}
            rest = (
                {o: owned for o, owned in side.items() if o not in near} for side in (before, found)
            )
            self._missed |= bool(self._reader.changes(*rest))
        self._owners = {}
        self._learn(found)
        return self._reader.changes(before, found)

    def _some(
        self, touched: Touched, indexed: set[int], same: frozenset[Topic]
    ) -> dict[Key, facts.Change]:
        """Read what was touched, and leave the rest as it was."""
        read = self._reader.read_some(touched, self._owners, indexed=indexed, same=same)
        changes: dict[Key, facts.Change] = {}

        def settle() -> None:
            found = read()
            owners = ((kind, oid) for kind, oids in touched.items() for oid in oids)
            before = {owner: self._owners.pop(owner) for owner in owners if owner in self._owners}
            self._learn(found)
            changes.update(self._reader.changes(before, found))

        self._unsettled = settle
        return changes

    def _learn(self, found: dict[Owner, Owned]) -> None:
        """Keep what was read, the tables of its indexes, and whether there are children."""
        self._owners |= found
        for owner, owned in found.items():
            for _, row in owned.parts:
                if row[1] == "index":
                    self._tables.setdefault(row[2], set()).add(owner)
                elif row[-2] in ("inherits", "partition of"):
                    self._inherits = True

    def _touched(self, first: str) -> tuple[Touched, set[int]]:
        """Return what was touched, and the relations of which only indexes were."""
        if not self._partial:
            target.execute(self._conn, first)
            return {"other": {0}}, set()
        calls = [Call("touched", _TOUCHED, (str(self._last),))]
        (rows,) = self._reader.ask(calls, first=first)
        touched: Touched = {}
        indexed: set[int] = set()
        whole: set[int] = set()
        for number, catalog, oid, dropped, names, relation, type_, relkind, implied in rows:
            self._last = int(number)
            owners: Iterable[Owner] = [_OTHER]
            if catalog == "pg_class":
                owners = self._relation(int(oid), dropped, names, relation, type_, relkind)
            elif catalog in _OF_RELATIONS:
                owners = [("relation", relation) if relation else ("type", type_ or 0)]
            elif catalog == "pg_type":
                owners = [("type", int(oid))]
            elif catalog == "pg_proc":
                owners = [("function", int(oid))]
            for kind, owner in () if implied else owners:
                touched.setdefault(kind, set()).add(owner)
            if catalog == "pg_class" and relation and relkind in ("i", "I"):
                indexed.add(relation)
            else:
                whole.update(owner for kind, owner in owners if kind == "relation")
        return touched, indexed - whole

    def _relation(
        self,
        oid: int,
        dropped: bool,
        names: list[str] | None,
        relation: int | None,
        type_: int | None,
        relkind: str | None,
    ) -> Iterable[Owner]:
        if relkind == "c":
            return [("type", type_ or oid)]
        if relation and relkind:
            return [("relation", relation)]
        if ("relation", oid) in self._owners or not (dropped and names):
            return [("relation", oid)]
        # An index that is gone; in which schema it was its table does not say.
        return self._tables.get(names[-1], [("relation", oid)])
