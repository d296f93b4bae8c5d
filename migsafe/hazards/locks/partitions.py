"""The relation locks of partitions that come and go. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any

from pglast import ast

from migsafe.hazards.locks.taking import Mode, Taking, Work
from migsafe.schema import Constraint, Index, Key, Table, bounds


def attaches(taking: Taking, table: Table, command: Any) -> None:
    """Note what ATTACH PARTITION locks beside the parent: the candidate is read, or proven."""
    if not isinstance(command.def_, ast.PartitionCmd) or command.def_.bound is None:
        return  # ALTER INDEX … ATTACH PARTITION
    key, bound = taking.key(command.def_.name), command.def_.bound
    taking.take_all(key, Mode.ACCESS_EXCLUSIVE, _joining(taking.table(key), table, bound))
    joins(taking, table, key, bound, scans=True)
    for parent in table.parents:
        taking.take(parent, Mode.ACCESS_SHARE)


def _joining(candidate: Table, parent: Table, bound: Any) -> Work:
    """Return what is done to a table that becomes a partition; its foreign keys are checked."""
    if any(not _has_like(candidate, index) for index in parent.indexes.values()):
        return Work.BUILD
    refers = any(made.target and not adopts(candidate, made) for made in _all(parent))
    return Work.MOMENT if bounds.fits(candidate, parent, bound) and not refers else Work.SCAN


def _all(table: Table) -> Iterable[Constraint]:
    return table.constraints.values()


def adopts(partition: Table, made: Constraint) -> bool:
    """Tell whether a partition has such a foreign key already, which becomes a part of that one."""
    return any((own.target, own.columns) == (made.target, made.columns) for own in _all(partition))


def _has_like(table: Table, wanted: Index) -> bool:
    shape = (wanted.columns, wanted.unique, wanted.method)
    return any((one.columns, one.unique, one.method) == shape for one in table.indexes.values())


def joins(taking: Taking, parent: Table, key: Key, bound: Any, *, scans: bool) -> None:
    """Note what a partition that comes into being locks beside its parent."""
    for other in _defaults(taking, parent.key):
        if other.key != key:
            work = Work.MOMENT if bounds.avoids(other, parent, bound) else Work.SCAN
            taking.take_all(other.key, Mode.ACCESS_EXCLUSIVE, work)
    for made in _all(parent):
        if made.target and adopts(taking.table(key), made):
            taking.take_all(made.target, Mode.ACCESS_EXCLUSIVE)
        elif made.target:
            work = Work.SCAN if scans else Work.MOMENT
            taking.take_all(made.target, Mode.SHARE_ROW_EXCLUSIVE, work)
    for other, _ in taking.schema.referrers(parent.key):
        taking.take_all(other.key, Mode.SHARE_ROW_EXCLUSIVE)


def _defaults(taking: Taking, key: Key) -> Iterator[Table]:
    for table in taking.partitions(key):
        if key in table.parents and table.is_default():
            yield table


def detaches(taking: Taking, table: Table, command: Any) -> None:
    """Note what DETACH PARTITION locks beside the parent; who refers to the parent is read."""
    key = taking.key(command.def_.name)
    referrers = [referrer for referrer, _ in taking.schema.referrers(table.key)]
    gently = not taking.at_least(14) and not referrers
    taking.take(key, Mode.SHARE_UPDATE_EXCLUSIVE if gently else Mode.ACCESS_EXCLUSIVE)
    for below in taking.partitions(key):
        taking.take(below.key, Mode.ACCESS_EXCLUSIVE)
    if getattr(command.def_, "concurrent", False):
        return  # refused where there is a default partition
    for other in _defaults(taking, table.key):
        taking.take_all(other.key, Mode.ACCESS_EXCLUSIVE)
    for made in _all(table):
        if made.target:
            taking.take_all(made.target, Mode.SHARE_ROW_EXCLUSIVE)
    for referrer in referrers:
        taking.take_all(referrer.key, Mode.ACCESS_EXCLUSIVE, Work.SCAN)
