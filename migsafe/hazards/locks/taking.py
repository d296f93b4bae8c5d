"""The relation locks of one statement while they are being found. Pure."""

from collections.abc import Iterator
from enum import IntEnum
from typing import Any, NamedTuple

from msgspec import Struct, field
from pglast import ast

from migsafe.schema import Key, Schema, Table, expressions, reading, tables


class Mode(IntEnum):
    """Table-level lock modes, the weakest first (Explicit Locking in the manual)."""

    ACCESS_SHARE = 1
    ROW_SHARE = 2
    ROW_EXCLUSIVE = 3
    SHARE_UPDATE_EXCLUSIVE = 4
    SHARE = 5
    SHARE_ROW_EXCLUSIVE = 6
    EXCLUSIVE = 7
    ACCESS_EXCLUSIVE = 8

    def __str__(self) -> str:
        """Return it as LOCK TABLE spells it."""
        return self.name.replace("_", " ")

    @property
    def conflicting(self) -> frozenset["Mode"]:
        """The modes that nobody else may hold meanwhile; SHARE alone spares its like."""
        return frozenset(Mode(m) for m in range(_WEAKEST[self], 9)) - (
            {Mode.SHARE} if self is Mode.SHARE else frozenset()
        )


#: The weakest mode that each conflicts with, and with all above it (the table of the manual,
#: https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES).
_WEAKEST = dict(zip(Mode, (8, 7, 5, 4, 3, 3, 2, 1), strict=True))


class Work(IntEnum):
    """What the statement itself does to a relation that it has locked, the longest last."""

    MOMENT = 0
    SCAN = 1
    BUILD = 2
    REWRITE = 3


class Lock(NamedTuple):
    """The strongest mode that a statement takes on a relation, and the longest work."""

    mode: Mode
    work: Work = Work.MOMENT


class Taking(Struct):
    """What a statement has been found to lock; `utc` says that TimeZone is UTC."""

    schema: Schema
    version: int | None = None
    utc: bool = False
    locks: dict[Key, Lock] = field(default_factory=dict)

    def at_least(self, version: int) -> bool:
        """Tell whether the server is of this major or newer; an unknown one is a present one."""
        return self.version is None or self.version >= version

    def take(self, key: Key, mode: Mode, work: Work = Work.MOMENT) -> None:
        """Note a lock. A partitioned table and a view have nothing to work on."""
        if self.table(key).kind in "pv":
            work = Work.MOMENT
        old = self.locks.get(key, Lock(mode, work))
        self.locks[key] = Lock(max(old.mode, mode), max(old.work, work))

    def key(self, relation: Any) -> Key:
        """Return where a RangeVar leads."""
        return self.schema.key(relation.schemaname, relation.relname)

    def composite(self, names: Any) -> Key:
        """Return where the name of a composite type leads."""
        return reading.key_of(names, self.schema, self.schema.composites)

    def table(self, key: Key) -> Table:
        """Return what is known of a relation, which may be nothing."""
        return self.schema.tables.get(key) or Table(key=key)

    def heirs(self, key: Key) -> list[Table]:
        """Return the partitions and heirs of a table, theirs too."""
        return list(self.schema.children(key))

    def partitions(self, key: Key) -> list[Table]:
        """Return the partitions of a table, theirs too."""
        return [table for table in self.heirs(key) if table.bound is not None]

    def take_all(self, key: Key, mode: Mode, work: Work = Work.MOMENT) -> None:
        """Note a lock on a table and all its partitions."""
        self.take(key, mode, work)
        for partition in self.partitions(key):
            self.take(partition.key, mode, work)

    def read(self, node: Any) -> None:
        """Note what a query reads, and what its WITH writes. An index may spare the scan."""
        own = {part.ctename for part in expressions.nodes(node, ast.CommonTableExpr)}
        made = {id(part.rel) for part in expressions.nodes(node, ast.IntoClause)}
        written = {id(part.relation) for part in expressions.nodes(node, _WRITES)}
        for relation in tables.relations_in(node):
            is_own = not relation.schemaname and relation.relname in own
            if not is_own and id(relation) not in made:
                mode = Mode.ROW_EXCLUSIVE if id(relation) in written else Mode.ACCESS_SHARE
                self.take_read(self.key(relation), mode)

    def take_read(self, key: Key, mode: Mode) -> None:
        """Note a lock on a relation whose rows are looked at: on its heirs and a view's sources."""
        for one in (key, *self.sources(key)):
            for member in (one, *(heir.key for heir in self.heirs(one))):
                self.take(member, mode, Work.SCAN)

    def sources(self, view: Key) -> Iterator[Key]:
        """Yield the relations that a view reads, through other views too."""
        if self.table(view).kind == "v":
            for source in self.schema.tables.values():
                if view in source.readers:
                    yield source.key
                    yield from self.sources(source.key)


_WRITES = (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)


def is_on(option: Any) -> bool:
    """Tell whether a boolean option (a DefElem) is not given as false."""
    said = getattr(option.arg, "sval", getattr(option.arg, "boolval", True))
    return str(said).lower() not in ("false", "off", "0")
