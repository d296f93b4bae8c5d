"""Verdicts by facts alone: histories are made up here, and the schema is what was applied of them.

A made-up migration is a list of assignments, as SQL is: it sets a fact or removes it, whatever was
there before.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migsafe import facts, sql
from migsafe.baseline import Baseline, Doubts, Verdict, judge, nearest, restated
from migsafe.facts import Key

Assignments = dict[Key, str | None]


def column(table: str, name: str, aspect: str = "type") -> Key:
    return Key("column", f"public.{table}", name, aspect)


def index(table: str, name: str) -> Key:
    return Key("index", f"public.{table}", name, "definition")


def applied(history: Sequence[Assignments], which: Iterable[int]) -> dict[Key, str]:
    state: dict[Key, str] = {}
    for position in which:
        for key, value in history[position].items():
            if value is None:
                state.pop(key, None)
            else:
                state[key] = value
    return state


def replayed(history: Sequence[Assignments]) -> list[dict[Key, facts.Change]]:
    states = [applied(history, range(n)) for n in range(len(history) + 1)]
    return [facts.delta(a, b) for a, b in pairwise(states)]


def judged(history: Sequence[Assignments], live: dict[Key, str]) -> Baseline:
    return judge(
        [f"m{position}" for position in range(len(history))],
        {},
        replayed(history),
        live,
        doubts=Doubts(restaters=lambda key: [p for p, step in enumerate(history) if key in step]),
    )


def verdicts(baseline: Baseline) -> list[str]:
    return [str(item.verdict) for item in baseline.judged]


NOTES = {column("notes", "id"): "bigint", column("notes", "body"): "text"}
PEOPLE = {column("people", "id"): "bigint", column("people", "name"): "text"}
SHOPS: Assignments = {column("shops", "id"): "bigint"}
HISTORY: list[Assignments] = [
    dict(NOTES),
    dict(PEOPLE),
    {},
    {index("notes", "by_body"): "CREATE INDEX by_body ON notes (body)"},
    dict(SHOPS),
]


def test_a_clean_prefix_is_in_effect_and_the_rest_is_pending() -> None:
    found = judged(HISTORY, applied(HISTORY, range(4)))

    assert verdicts(found) == ["in effect", "in effect", "undecidable", "in effect", "pending"]
    assert found.exact
    assert found.placed("in_effect") == ["m0", "m1", "m2", "m3"]
    assert found.placed("pending") == ["m4"]


def test_a_migration_without_trace_at_the_end_of_the_prefix_is_placed_in_pending() -> None:
    found = judged(HISTORY, applied(HISTORY, range(3)))

    assert found.placed("in_effect") == ["m0", "m1"]
    assert found.placed("pending") == ["m2", "m3", "m4"]
    assert [j.migration for j in found.having(Verdict.UNDECIDABLE)] == ["m2"]


def test_one_that_was_left_out_is_skipped() -> None:
    found = judged(HISTORY, applied(HISTORY, [0, 3, 4]))

    assert verdicts(found)[1] == "skipped"
    assert not found.exact
    assert found.placed("skipped") == ["m1"]


def test_half_of_one_is_partial_and_not_in_effect() -> None:
    live = applied(HISTORY, range(5))
    del live[column("people", "name")]

    found = judged(HISTORY, live)

    assert verdicts(found)[1] == "partial"
    assert "m1" not in found.placed("in_effect")


def test_an_index_that_is_gone_is_drift_where_the_rest_of_its_migration_holds() -> None:
    history: list[Assignments] = [{**NOTES, **HISTORY[3]}, dict(PEOPLE)]
    live = applied(history, range(2))
    del live[index("notes", "by_body")]

    found = judged(history, live)

    assert verdicts(found) == ["in effect", "in effect"]
    assert [d.key.part for d in found.drift] == ["by_body"]


def test_a_unique_index_that_is_missing_leaves_its_migration_partial() -> None:
    unique: Assignments = {index("notes", "by_body"): "CREATE UNIQUE INDEX by_body ON notes (body)"}
    history: list[Assignments] = [{**NOTES, **unique}, dict(PEOPLE)]
    live = applied(history, range(2))
    del live[index("notes", "by_body")]

    assert verdicts(judged(history, live)) == ["partial", "in effect"]


def test_a_migration_of_an_index_alone_that_is_gone_is_not_decided() -> None:
    live = applied(HISTORY, range(5))
    del live[index("notes", "by_body")]

    found = judged(HISTORY, live)

    assert verdicts(found)[3] == "undecidable"
    assert "m3" not in found.placed("in_effect")


def test_a_dropped_index_proves_no_migration_in_a_schema_with_drift() -> None:
    dropped: Assignments = {index("notes", "by_body"): None}
    history: list[Assignments] = [*HISTORY[:4], dropped, dict(SHOPS)]
    live = applied(history, range(4)) | {column("notes", "by_hand"): "int"}
    del live[index("notes", "by_body")]

    assert Verdict.IN_EFFECT not in [judged(history, live).judged[4].verdict]


def test_what_a_later_migration_would_have_made_as_well_proves_nothing() -> None:
    again: Assignments = {column("notes", "body"): "text", column("shops", "id"): "bigint"}
    history: list[Assignments] = [
        {column("notes", "id"): "bigint"},
        {column("notes", "body"): "text"},
        again,
    ]

    found = judged(history, applied(history, [0, 2]))

    assert verdicts(found) == ["in effect", "undecidable", "in effect"]


def test_a_state_that_comes_back_leaves_both_answers_open() -> None:
    history: list[Assignments] = [dict(NOTES), dict(SHOPS), {column("shops", "id"): None}]

    found = judged(history, applied(history, range(3)))

    assert verdicts(found) == ["in effect", "undecidable", "undecidable"]
    assert found.nearest.states == (1, 3)


def test_foreign_tables_are_out_of_reach() -> None:
    live = applied(HISTORY, range(4)) | {column("foreign", "id"): "int"}

    assert judged(HISTORY, live).exact


def test_a_column_added_by_hand_is_drift() -> None:
    live = applied(HISTORY, range(4)) | {column("notes", "by_hand"): "int"}

    found = judged(HISTORY, live)

    assert not found.exact
    assert [str(d.key) for d in found.drift] == ["column public.notes.by_hand type"]
    assert found.placed("in_effect") == ["m0", "m1", "m2", "m3"]


def test_a_replay_that_stopped_leaves_the_rest_undecidable() -> None:
    deltas = replayed(HISTORY)[:2]

    found = judge(["m0", "m1", "m2"], {}, deltas, applied(HISTORY, range(2)))

    assert verdicts(found) == ["in effect", "in effect", "undecidable"]
    assert found.placed("pending") == ["m2"]


KEYS = [column(t, c, a) for t in "ab" for c in "xy" for a in ("type", "default")]
KEYS += [index("a", "i"), Key("table", "public.a", "", ""), Key("table", "public.b", "", "")]
steps = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(["1", "2", None]), max_size=4)
histories = st.lists(steps, min_size=1, max_size=7)


@given(histories, st.data())
def test_of_a_clean_prefix_nothing_beyond_it_is_called_in_effect(
    history: list[Assignments], data: st.DataObject
) -> None:
    count = data.draw(st.integers(0, len(history)))

    found = judged(history, applied(history, range(count)))

    claimed = [p for p, j in enumerate(found.judged) if j.verdict is Verdict.IN_EFFECT]
    assert all(position < count for position in claimed)


@given(histories, st.data())
def test_a_claim_is_always_backed_by_a_fact_that_holds(
    history: list[Assignments], data: st.DataObject
) -> None:
    live = applied(history, data.draw(st.permutations(range(len(history)))))

    for item in judged(history, live).judged:
        if item.verdict is Verdict.IN_EFFECT:
            position = int(item.migration[1:])
            held = [key for key in item.evidence.present if live.get(key) == history[position][key]]
            assert held


@given(histories)
def test_the_nearest_state_is_found_in_one_pass(history: list[Assignments]) -> None:
    deltas = replayed(history)
    live = applied(history, range(len(history)))

    near = nearest({}, deltas, live)

    assert near.distance == 0
    assert len(history) in near.states


@given(histories, st.data())
def test_every_migration_has_one_place(history: list[Assignments], data: st.DataObject) -> None:
    which = data.draw(st.sets(st.sampled_from(range(len(history)))))

    found = judged(history, applied(history, sorted(which)))

    placed = [name for where in ("in_effect", "pending", "skipped") for name in found.placed(where)]
    assert sorted(placed) == sorted(f"m{position}" for position in range(len(history)))


def test_statements_that_say_something_again_are_known() -> None:
    texts = [
        "CREATE TABLE IF NOT EXISTS notes (id int)",
        'ALTER TABLE app."Notes" ADD COLUMN IF NOT EXISTS body text',
        "CREATE INDEX IF NOT EXISTS by_body ON notes (body)",
        "DROP INDEX IF EXISTS by_body",
        "CREATE OR REPLACE FUNCTION f(x int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE notes ALTER COLUMN body SET NOT NULL",
        "DO $$ BEGIN CREATE TYPE mood AS ENUM ('sad'); EXCEPTION WHEN others THEN NULL; END $$",
        "ALTER TYPE mood_new RENAME TO mood",
        "DROP TABLE shops",
        "CREATE TABLE plain (id int); ALTER TABLE plain ADD COLUMN x int",
        "DROP TRIGGER IF EXISTS stamp ON notes",
        "COMMENT ON COLUMN notes.body IS 'x'",
    ]
    restaters = restated.Restated([sql.parse(text) for text in texts]).restaters

    assert set(restaters(column("notes", "id"))) == {0}
    assert set(restaters(Key("column", 'app."Notes"', "body", "type"))) == {1}
    assert set(restaters(index("notes", "by_body"))) == {0, 2, 3}
    assert set(restaters(Key("function", "public.f(x integer)", "", "body"))) == {4}
    assert set(restaters(column("notes", "body", "nullable"))) == {0, 5, 11}
    assert set(restaters(Key("enum", "public.mood", "sad", "label"))) == {6, 7}
    assert set(restaters(column("shops", "id"))) == {8}
    assert set(restaters(column("plain", "x"))) == set()
    assert set(restaters(Key("trigger", "public.notes", "stamp", "definition"))) == {0, 10}


TIE: list[Assignments] = [
    {column("notes", "body"): "text"},
    {column("notes", "body", "nullable"): "no"},
    {column("notes", "body", "nullable"): "no"},
]


def judged_as_mixed(history: Sequence[Assignments], live: dict[Key, str], *mixed: int) -> Baseline:
    def restaters(key: Key) -> list[int]:
        return [position for position, step in enumerate(history) if key in step]

    names = [f"m{position}" for position in range(len(history))]
    doubts = Doubts(restaters=restaters, named=restaters, mixed=mixed)
    return judge(names, {}, replayed(history), live, doubts=doubts)


def test_one_with_rows_to_lose_is_not_proved_by_what_a_later_one_would_have_made() -> None:
    live = applied(TIE, [0, 2])

    assert verdicts(judged_as_mixed(TIE, live, 1))[1] == "undecidable"
    assert verdicts(judged_as_mixed(TIE, live))[1] == "in effect"


SECURITY = Key("function", "public.f()", "", "security")
BODY = SECURITY._replace(aspect="body")


def test_what_is_gone_because_its_object_has_another_name_proves_nothing() -> None:
    renamed = BODY._replace(object="public.g()")
    history: list[Assignments] = [
        {BODY: "1", SECURITY: "definer"},
        {SECURITY: None},
        {BODY: None, renamed: "1"},
    ]
    left_out = {renamed: "1", renamed._replace(aspect="security"): "definer"}

    assert verdicts(judged(history, left_out))[1] == "undecidable"
    assert verdicts(judged(history, applied(history, range(2))))[1] == "in effect"
    clean = judged(history, applied(history, range(3)))
    assert (clean.exact, clean.placed("in_effect")) == (True, ["m0", "m1", "m2"])


def test_of_two_that_cancel_out_neither_is_proved() -> None:
    extra = column("notes", "extra")
    history: list[Assignments] = [dict(NOTES), {extra: "int"}, {extra: None}, dict(PEOPLE)]

    found = judged(history, applied(history, [0, 3]))

    assert verdicts(found) == ["in effect", "superseded", "undecidable", "in effect"]


ROUTINE = "CREATE FUNCTION mk() RETURNS int LANGUAGE sql AS 'SELECT 1'"
U = Key("table", "public.u", "", "row security")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("ALTER TABLE t DROP COLUMN a CASCADE", Key("view", "public.v", "", "definition")),
        ("DROP OWNED BY somebody CASCADE", U),
        ("DO $$BEGIN PERFORM every(); END$$", U),
        ("DO $$DECLARE x int := mk(); BEGIN END$$", U),
        ("SELECT rls(tablename) FROM pg_tables", U),
        ("INSERT INTO log SELECT mk()", U),
        ('UPDATE log SET x = "mk" ()', U),
        (
            'ALTER TABLE "Order Items" ALTER e SET NOT NULL',
            Key("column", 'public."Order Items"', "e", "nullable"),
        ),
        ('UPDATE "a$b" SET e = 1', Key("column", 'public."a$b"', "e", "nullable")),
        ("ALTER INDEX i SET (fillfactor = 70)", index("u", "i")),
        ("DROP TABLE ev", Key("table", "public.ev_1_1", "", "")),
        ("ALTER TABLE t DROP COLUMN id", Key("sequence", "public.s", "", "type")),
    ],
)
def test_what_may_have_done_it_as_well_is_known(text: str, key: Key) -> None:
    initial = {
        Key("table", "public.ev_1_1", "public.ev_1", "partition of"): "there",
        Key("table", "public.ev_1", "public.ev", "partition of"): "there",
        Key("sequence", "public.s", "", "owned by"): "public.t.id",
    }
    steps = [sql.parse(one) for one in (ROUTINE, text, "UPDATE other SET id = length(body)")]

    named = restated.Restated(steps, restated.parents(initial, [])).named(key)

    assert set(named) == {1}


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("ALTER SCHEMA app RENAME TO old", Key("table", "app.users", "", "")),
        ('ALTER SCHEMA "My App" RENAME TO old', Key("table", '"My App".users', "", "")),
        ("ALTER INDEX i SET (fillfactor = 70)", index("u", "i")),
        ("COMMENT ON INDEX i IS 'x'", index("u", "i")),
        (
            """DO $$BEGIN ALTER TABLE "Order Items" ADD "c-d" int; END$$""",
            column('"Order Items"', "c-d"),
        ),
    ],
)
def test_what_may_have_stated_it_again_is_known(text: str, key: Key) -> None:
    restaters = restated.Restated([sql.parse(text)]).restaters

    assert set(restaters(key)) == {0}
