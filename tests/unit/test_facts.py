"""Facts as plain values: what differs, what is left out, how bad it is and what would undo it."""

from hypothesis import given
from hypothesis import strategies as st

from migsafe import facts
from migsafe.catalog import grants, printing, undo
from migsafe.facts import Difference, Key
from migsafe.findings import Severity

NAMES = st.sampled_from(["public.notes", 'app."Odd ☃ Name"', "app.x", "y"])
KEYS = st.builds(
    Key, st.sampled_from(["table", "column", "index", "enum"]), NAMES, NAMES, st.just("type")
)
STATES = st.dictionaries(KEYS, st.sampled_from(["text", "integer", "☃"]), max_size=8)


@given(STATES)
def test_nothing_differs_from_itself(state: dict[Key, str]) -> None:
    assert facts.delta(state, state) == {}
    assert list(facts.differences(state, state)) == []


@given(STATES, STATES)
def test_a_delta_leads_from_one_state_to_the_other(
    before: dict[Key, str], after: dict[Key, str]
) -> None:
    state = dict(before)
    facts.advance(state, facts.delta(before, after))
    assert state == after


@given(STATES, STATES)
def test_a_difference_says_what_is_found_and_what_is_expected(
    live: dict[Key, str], expected: dict[Key, str]
) -> None:
    for difference in facts.differences(live, expected):
        assert live.get(difference.key) == difference.found
        assert expected.get(difference.key) == difference.expected
        assert difference.found != difference.expected


@given(STATES)
def test_what_a_history_reaches_holds_all_that_it_changed(state: dict[Key, str]) -> None:
    reached = facts.reach([facts.delta({}, state)])
    assert facts.within(state, reached) == state


def test_owners_grants_and_versions_are_left_out_unless_asked() -> None:
    state = {
        Key("table", "a", "", ""): "table",
        Key("table", "a", "", "owner"): "bob",
        Key("table", "a", "bob", "grant"): "SELECT",
        Key("extension", "citext", "", "version"): "1.6",
        Key("extension", "citext", "", "schema"): "public",
    }
    assert len(facts.kept(state)) == 2
    assert facts.kept(state, frozenset()) == state


def test_the_severity_follows_from_what_goes_wrong() -> None:
    assert facts.severity(Key("column", "a", "b", "type")) is Severity.ERROR
    assert facts.severity(Key("policy", "a", "b", "using")) is Severity.ERROR
    assert facts.severity(Key("index", "a", "b", "definition")) is Severity.WARNING
    unique = "CREATE UNIQUE INDEX b ON a USING btree (c)"
    assert facts.severity(Key("index", "a", "b", "definition"), None, unique) is Severity.ERROR
    assert facts.severity(Key("table", "a", "fillfactor", "option")) is Severity.WARNING
    assert facts.severity(Key("view", "a", "security_barrier", "option")) is Severity.ERROR
    assert facts.severity(Key("constraint", "a", "b", "comment")) is Severity.INFO


def test_a_dropped_column_comes_back_whole() -> None:
    key = Key("column", 'app."Order"', "naïve col", "type")
    expected = {
        key: "text",
        key._replace(aspect="default"): "'a'::text",
        key._replace(aspect="nullable"): "no",
    }
    gone = Difference(key=key, found=None, expected="text")
    assert undo.statement(gone, expected) == (
        """ALTER TABLE app."Order" ADD COLUMN "naïve col" text DEFAULT 'a'::text NOT NULL"""
    )


def test_a_new_label_goes_to_its_place() -> None:
    expected = {Key("enum", "public.s", "", "labels"): "'a', 'it''s', 'z'"}
    missing = Difference(key=Key("enum", "public.s", "it's", "label"), found=None, expected="there")
    assert undo.statement(missing, expected) == ("ALTER TYPE public.s ADD VALUE 'it''s' AFTER 'a'")


def test_what_takes_more_than_one_statement_has_no_undo() -> None:
    key = Key("index", "public.notes", "i", "definition")
    changed = Difference(key=key, found="CREATE INDEX i …", expected="CREATE UNIQUE INDEX i …")
    assert undo.statement(changed, {key: "CREATE UNIQUE INDEX i …"}) is None
    assert (
        undo.statement(Difference(key=Key("cast", "a AS b", "", ""), found=None, expected="x"), {})
        is None
    )


def test_a_keyword_and_a_mixed_case_name_are_quoted() -> None:
    assert undo.quoted("notes") == "notes"
    assert undo.quoted("order") == '"order"'
    assert undo.quoted("Order") == '"Order"'
    assert undo.quoted('a"b') == '"a""b"'


def test_only_privileges_beyond_the_default_are_named() -> None:
    assert grants.beyond(["bob=arw/bob", "=r/bob"], ["bob=arw/bob"]) == {"public": "SELECT"}
    assert grants.beyond(["bob=X/bob"], ["=X/bob", "bob=X/bob"]) == {"public": "nothing"}
    assert grants.beyond(['"o\'=x ""y"=r*/bob'], []) == {"o'=x \"y": "SELECT WITH GRANT OPTION"}


def test_a_view_of_one_relation_prints_as_in_later_versions() -> None:
    old = """ SELECT "ö t"."ä b",
    upper(( SELECT x.c
           FROM public.x
          WHERE (x.c = "ö t"."ä b"))) AS n,
    "ö t".*::public.t AS whole
   FROM public."ö t"
  ORDER BY "ö t"."ä b";"""
    new = """ SELECT "ä b",
    upper(( SELECT x.c
           FROM public.x
          WHERE (x.c = "ö t"."ä b"))) AS n,
    "ö t".*::public.t AS whole
   FROM public."ö t"
  ORDER BY "ä b";"""
    assert printing.view(old, 150000) == new
    assert printing.view(old, 160000) == old


def test_a_view_of_a_join_stays_as_it_is() -> None:
    definition = " SELECT a.b\n   FROM (a\n     JOIN c ON ((c.d = a.b)));"
    assert printing.view(definition, 150000) == definition


def test_a_name_that_order_by_would_mistake_keeps_its_relation() -> None:
    definition = " SELECT upper(t.a) AS a\n   FROM t\n  ORDER BY t.a;"
    assert printing.view(definition, 150000) == " SELECT upper(a) AS a\n   FROM t\n  ORDER BY t.a;"


def test_a_list_of_varchar_prints_as_it_does_out_of_a_dump() -> None:
    before = "CHECK (((s)::text = ANY ((ARRAY['a'::character varying, 'it''s, b'::character varying(9)])::text[])))"  # noqa: E501
    after = "CHECK (((s)::text = ANY (ARRAY[('a'::character varying)::text, ('it''s, b'::character varying(9))::text])))"  # noqa: E501
    assert printing.settled(before) == after
    assert printing.settled(after) == after


def test_an_array_of_more_than_constants_prints_as_it_did() -> None:
    definition = "(ARRAY[lower('a'::text), 'b'::text])::character varying[]"
    assert printing.settled(definition) == definition


def test_two_long_values_are_shown_where_they_part() -> None:
    key = 'FOREIGN KEY ("parentID") REFERENCES public."TeamCollection"(id) ON UPDATE CASCADE'
    said = facts.compared("it", f"{key} ON DELETE SET NULL", f"{key} ON DELETE CASCADE")
    assert said == "it is …E CASCADE ON DELETE SET NULL, expected …E CASCADE ON DELETE CASCADE"
    assert facts.compared("it", "short", "shorter") == "it is short, expected shorter"


@given(beginning=st.text(max_size=99), found=st.text(), expected=st.text())
def test_two_values_that_differ_never_look_the_same(
    beginning: str, found: str, expected: str
) -> None:
    one, other = (" ".join(f"{beginning}{end}".split()) for end in (found, expected))
    ours, theirs = facts.shown(one, other), facts.shown(other, one)
    assert (ours == theirs) is (one == other)
    assert max(len(ours), len(theirs)) <= 60


def test_an_invalid_index_counts_only_where_the_history_leaves_it_so() -> None:
    index = Key("index", "public.ev", "by_x", "definition")
    live = {index: "CREATE INDEX by_x ON ONLY ev (x)", index._replace(aspect="valid"): "no"}
    made = facts.delta({}, live)

    assert facts.effective(live) == {}
    assert facts.effective(live, facts.unfinished({}, [made])) == live
    assert facts.effective(live, facts.unfinished(live, [])) == live
