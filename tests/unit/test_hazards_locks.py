"""The lock model says of every construct what was measured on PostgreSQL 11 to 18."""

import copy
import re
from functools import cache
from typing import NamedTuple

import pytest

from migsafe import sql
from migsafe.hazards import locks
from migsafe.hazards.locks import Lock, Mode, Work
from migsafe.schema import Key, Schema
from migsafe.schema.changes import advance
from tests.db.constructs import SHORT, Construct, load
from tests.hazard_cases import clinic

VERSIONS = range(11, 19)

CONSTRUCTS = [one for one in load() if any("ERR" not in (one.answer(v) or "ERR") for v in VERSIONS)]

every_construct = pytest.mark.parametrize("construct", CONSTRUCTS, ids=[c.name for c in CONSTRUCTS])

#: Where the model says more than the server does.
CAUTIOUS = {
    "add-col-domain-default-volatile": "before 13 a domain's default was not looked at",
    "add-fk-partitioned-adopting": "a partition's own foreign key is not checked again",
    "add-fk-to-partitioned": "a table without rows joins nothing",
    "add-pk-inherited": "in 11 heirs are locked only where a NULL is looked for",
    "add-unique-adopting-index": "before 18 the partitions are locked with SHARE",
    "add-unique-partitioned": "before 18 the partitions are locked with SHARE",
    "attach-partition-referenced": "before 15 the referring table is locked less",
    "attach-partition-with-fk": "before 12 the referenced table is locked less",
    "create-partition-referenced": "before 15 the referring table is locked less",
    "create-index-adopting": "a partition's own index may be taken for its part",
    "create-partition-of-with-fk": "before 12 the referenced table is locked less",
    "detach-child-fk-to-partitioned": "before 15 the partitions are locked, their parent is not",
    "drop-not-null-partitioned": "since 18 nothing happens where the column may be NULL already",
    "drop-unique-constraint-cascade": "the foreign key rests on another index",
    "owner-to": "it had the owner already",
    "set-access-method-same": "it had the access method already",
    "set-tablespace-same": "it was in the tablespace already",
    "vacuum": "what VACUUM reads is not counted as a scan",
}

#: Where the model says less.
LACKING = {"drop-statistics": "which table statistics are of is not followed"}


class Said(NamedTuple):
    """Strongest modes and longest works by relation, those that rows decide left out."""

    modes: dict[str, Mode]
    works: dict[str, Work]


@cache
def modelled(construct: Construct) -> dict[int, Said]:
    """Return what the model says by version, where the server has the syntax."""
    schema = clinic()
    before = sql.parse(construct.before)
    for statement in before:
        advance(schema, statement, "1_before")
    utc = any(statement.text == "SET TimeZone = 'UTC'" for statement in before)
    (statement,) = sql.parse(construct.sql)
    return {
        version: said(locks.taken(statement.node, schema, version=version, utc=utc))
        for version in VERSIONS
        if "ERR" not in (construct.answer(version) or "ERR")
    }


def said(found: dict[Key, Lock]) -> Said:
    return Said(
        {str(key): lock.mode for key, lock in found.items()},
        {str(key): lock.work for key, lock in found.items() if lock.work},
    )


def measured(construct: Construct, version: int) -> Said:
    answer = construct.answer(version) or ""
    modes = dict(zip(SHORT.values(), Mode, strict=True))
    works: dict[str, Work] = {}
    for word, work in (("SCAN", Work.SCAN), ("INDEX", Work.BUILD), ("REWRITE", Work.REWRITE)):
        for names in re.findall(rf"{word}\[(.*?)\]", answer):
            works |= dict.fromkeys(names.split(","), work)
    return Said({name: modes[short] for name, short in re.findall(r"(\S+):(\w+)", answer)}, works)


def strong(found: Said) -> Said:
    """Leave out what reads and writes of rows lock, and the reading where there is no more."""
    modes = {name: mode for name, mode in found.modes.items() if mode > Mode.ROW_EXCLUSIVE}
    return Said(modes, found.works if modes else {})


@every_construct
def test_the_model_never_says_less_than_the_server_does(construct: Construct) -> None:
    for version, model in modelled(construct).items():
        real = measured(construct, version)
        less = [
            f"{name} {mode}"
            for name, mode in real.modes.items()
            if name != "ticket_seq" or mode > Mode.ROW_EXCLUSIVE  # what functions draw from
            if model.modes.get(name, 0) < mode
        ] + [
            f"{name} {work.name}"
            for name, work in strong(real).works.items()
            if model.works.get(name, Work.MOMENT) < work
        ]
        assert bool(less) == (construct.name in LACKING and bool(real.modes)), (version, less)


@every_construct
def test_the_model_says_no_more_than_the_server_does(construct: Construct) -> None:
    if construct.name in LACKING:
        return
    more = [
        version
        for version, model in modelled(construct).items()
        if strong(model) != strong(measured(construct, version))
    ]
    assert bool(more) == (construct.name in CAUTIOUS), more


def taken(text: str, schema: Schema | None = None) -> dict[str, Lock]:
    (statement,) = sql.parse(text)
    found = locks.taken(statement.node, clinic() if schema is None else schema)
    return {str(key): lock for key, lock in found.items()}


def test_a_lock_on_a_table_that_is_not_known_is_as_strong() -> None:
    assert taken('ALTER TABLE "Old" ALTER COLUMN a TYPE bigint', Schema()) == {
        "Old": Lock(Mode.ACCESS_EXCLUSIVE, Work.REWRITE)
    }
    assert taken("ALTER TABLE old ALTER COLUMN a SET NOT NULL", Schema()) == {
        "old": Lock(Mode.ACCESS_EXCLUSIVE, Work.SCAN)
    }
    assert taken("ALTER TABLE old VALIDATE CONSTRAINT c", Schema()) == {
        "old": Lock(Mode.SHARE_UPDATE_EXCLUSIVE, Work.SCAN)
    }


def test_an_index_stands_for_the_table_that_is_not_known() -> None:
    assert taken("DROP INDEX app.by_name", Schema()) == {"app.by_name": Lock(Mode.ACCESS_EXCLUSIVE)}


def test_what_a_query_names_by_itself_is_not_locked() -> None:
    query = "WITH staff AS (SELECT 1) SELECT * FROM staff, archive"
    assert list(taken(query)) == ["archive"]


def test_a_model_changes_nothing_in_the_schema() -> None:
    schema = clinic()
    before = copy.deepcopy(schema)
    for construct in CONSTRUCTS:
        (statement,) = sql.parse(construct.sql)
        locks.taken(statement.node, schema)
    assert schema.tables.keys() == before.tables.keys()
    assert schema.sequences == before.sequences


@pytest.mark.parametrize("mode", Mode)
def test_a_mode_is_spelled_as_lock_table_spells_it(mode: Mode) -> None:
    assert taken(f"LOCK TABLE archive IN {mode} MODE") == {"archive": Lock(mode)}
