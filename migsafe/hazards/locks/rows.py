"""The relation locks of statements about rows. Pure."""

from typing import Any

from pglast import enums

from migsafe.hazards.locks import dropping
from migsafe.hazards.locks.retyping import primary_key
from migsafe.hazards.locks.taking import Mode, Taking, Work, is_on
from migsafe.schema import Key, Table, tables


def truncate(taking: Taking, node: Any) -> None:
    """Note what TRUNCATE gives a new file, with CASCADE whatever refers to it."""
    for relation in node.relations:
        cascades = node.behavior == enums.DropBehavior.DROP_CASCADE
        _truncate_one(taking, taking.key(relation), node, cascades=cascades, inh=relation.inh)


def _truncate_one(taking: Taking, key: Key, node: Any, *, cascades: bool, inh: bool = True) -> None:
    if key in taking.locks:
        return
    for one in (key, *(heir.key for heir in taking.heirs(key) if inh)):
        taking.take(one, Mode.ACCESS_EXCLUSIVE, Work.REWRITE)
        for sequence in dropping.sequences(taking, one) if node.restart_seqs else ():
            taking.take(sequence, Mode.ACCESS_EXCLUSIVE, Work.REWRITE)
    for other, _ in taking.schema.referrers(key) if cascades else ():
        _truncate_one(taking, other.key, node, cascades=True)


def lock(taking: Taking, node: Any) -> None:
    """Note what LOCK TABLE names, and what inherits from it."""
    mode = Mode(node.mode)
    for relation in node.relations:
        key = taking.key(relation)
        below = [heir.key for heir in taking.heirs(key)] if relation.inh else []
        for one in (key, *below, *taking.sources(key)):
            taking.take(one, mode)


def select(taking: Taking, node: Any) -> None:
    """Note what a query reads, and the rows that it locks."""
    taking.read(node)
    if node.lockingClause:
        for relation in tables.relations_in(node.fromClause):
            taking.take_all(taking.key(relation), Mode.ROW_SHARE, Work.SCAN)


def insert(taking: Taking, node: Any) -> None:
    """Note the table, its partitions, and where its foreign keys are looked up."""
    key = taking.key(node.relation)
    taking.read((node.selectStmt, node.withClause))
    for one in (key, *taking.sources(key)):
        taking.take_all(one, Mode.ROW_EXCLUSIVE)
    _needs_parents(taking, taking.table(key), None)


def _needs_parents(taking: Taking, table: Table, columns: set[str] | None) -> None:
    """Note the tables that new values of a foreign key are looked up in; None is all columns."""
    for made in table.constraints.values():
        if made.target and (columns is None or columns & set(made.columns)):
            taking.take_all(made.target, Mode.ROW_SHARE)


def update(taking: Taking, node: Any) -> None:
    """Note the table, and both ends of the foreign keys whose columns change."""
    key = taking.key(node.relation)
    taking.read((node.fromClause, node.whereClause, node.targetList, node.withClause))
    taking.take_read(key, Mode.ROW_EXCLUSIVE)
    columns = {target.name for target in node.targetList or () if target.name}
    table = taking.table(key)
    _needs_parents(taking, table, columns)
    for other, made in taking.schema.referrers(key):
        if columns & set(made.target_columns or primary_key(table)):
            _follow(taking, other, made.on_update)


def delete(taking: Taking, node: Any) -> None:
    """Note the table, and the tables that refer to it."""
    key = taking.key(node.relation)
    taking.read((node.usingClause, node.whereClause, node.withClause))
    taking.take_read(key, Mode.ROW_EXCLUSIVE)
    for other, made in taking.schema.referrers(key):
        _follow(taking, other, made.on_delete)


def query(taking: Taking, node: Any) -> None:
    """Note what the query of EXPLAIN or of a cursor reads and writes."""
    taking.read(node.query)


def _follow(taking: Taking, table: Table, action: str) -> None:
    """Note what a foreign key's action does: nothing and restrict look, the others write."""
    mode = Mode.ROW_SHARE if action in "ar" else Mode.ROW_EXCLUSIVE
    taking.take_all(table.key, mode, Work.SCAN)


def merge(taking: Taking, node: Any) -> None:
    """Note the target and the source of a MERGE."""
    taking.read((node.sourceRelation, node.joinCondition, node.withClause))
    taking.take_read(taking.key(node.relation), Mode.ROW_EXCLUSIVE)


def copy(taking: Taking, node: Any) -> None:
    """Note what COPY fills or reads."""
    if node.is_from:
        taking.take_all(taking.key(node.relation), Mode.ROW_EXCLUSIVE)
        _needs_parents(taking, taking.table(taking.key(node.relation)), None)
    else:
        taking.read(node.relation or node.query)


def vacuum(taking: Taking, node: Any) -> None:
    """Note what VACUUM and ANALYZE name, or all tables; ANALYZE reads a sample."""
    full = node.is_vacuumcmd and any(
        item.defname == "full" and is_on(item) for item in node.options or ()
    )
    mode = Mode.ACCESS_EXCLUSIVE if full else Mode.SHARE_UPDATE_EXCLUSIVE
    named = [taking.key(one.relation) for one in node.rels or ()]
    every = [table.key for table in taking.schema.tables.values() if table.kind in "rpm"]
    for key in named or every:
        work = Work.SCAN if node.is_vacuumcmd else Work.MOMENT
        taking.take_all(key, mode, Work.REWRITE if full else work)


def cluster(taking: Taking, node: Any) -> None:
    """Note the table that CLUSTER names; without a name nobody can tell."""
    if node.relation is not None:
        taking.take_all(taking.key(node.relation), Mode.ACCESS_EXCLUSIVE, Work.REWRITE)
