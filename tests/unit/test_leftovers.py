"""What a schema still carries of work that did not end."""

import pytest

from migsafe import leftovers
from migsafe.facts import Key
from migsafe.findings import Finding, Severity, Source, Status

NOTES = "public.notes"


def index(name: str, *, valid: bool = True, of: str = NOTES) -> dict[Key, str]:
    made = {Key("index", of, name, "definition"): f"CREATE INDEX {name} ON {of} (body)"}
    return made if valid else made | {Key("index", of, name, "valid"): "no"}


def one(live: dict[Key, str], expected: dict[Key, str] | None = None) -> Finding:
    (found,) = leftovers.check(live, expected)
    assert (found.source, found.status, found.evidence) == (
        Source.VERIFY,
        Status.FAILED,
        "catalog",
    )
    return found


@pytest.mark.parametrize(
    ("expected", "severity"),
    [
        (None, Severity.WARNING),
        ({}, Severity.WARNING),
        (index("by_body"), Severity.ERROR),
        (index("by_body", valid=False), Severity.WARNING),
        ({Key("constraint", NOTES, "by_body", "definition"): "UNIQUE (body)"}, Severity.ERROR),
    ],
)
def test_an_invalid_index_is_an_error_where_the_history_wants_it(
    expected: dict[Key, str] | None, severity: Severity
) -> None:
    found = one(index("by_body", valid=False), expected)
    assert (found.code, found.severity) == ("MV107", severity)
    assert "by_body of public.notes is INVALID" in found.message
    assert str(found.remedy).startswith("DROP INDEX CONCURRENTLY public.by_body; then build it")


def test_a_valid_index_is_no_leftover() -> None:
    assert leftovers.check(index("by_body"), None) == []


@pytest.mark.parametrize(
    ("of", "name", "sql"),
    [
        ('"My App".notes', "by_body", '"My App".by_body'),
        ('"a.b"."c.d"', "ByBody", '"a.b"."ByBody"'),
        ("app.notes", 'by "x"', 'app."by ""x"""'),
        ("app.notes", "order", 'app."order"'),
    ],
)
def test_the_remedy_quotes_what_needs_it(of: str, name: str, sql: str) -> None:
    remedy = str(one(index(name, valid=False, of=of)).remedy)
    assert remedy.startswith(f"DROP INDEX CONCURRENTLY {sql};")


@pytest.mark.parametrize("name", ["by_body_ccnew", "by_body_ccold", "by_body_ccnew2"])
@pytest.mark.parametrize("valid", [True, False])
def test_what_a_reindex_left_is_reported_once(name: str, valid: bool) -> None:
    found = one(index("by_body") | index(name, valid=valid), index("by_body"))
    assert (found.code, found.severity) == ("MV110", Severity.WARNING)
    assert "REINDEX CONCURRENTLY of by_body" in found.message
    assert str(found.remedy).startswith(f"DROP INDEX CONCURRENTLY public.{name};")


def test_an_index_that_the_history_names_so_was_not_left() -> None:
    assert leftovers.check(index("by_body_ccnew"), index("by_body_ccnew")) == []
    found = one(index("by_body_ccnew", valid=False), index("by_body_ccnew"))
    assert (found.code, found.severity) == ("MV107", Severity.ERROR)


@pytest.mark.parametrize(("same", "severity"), [(True, Severity.INFO), (False, Severity.WARNING)])
def test_a_constraint_that_is_not_valid_is_as_grave_as_it_is_unexpected(
    same: bool, severity: Severity
) -> None:
    live = {
        Key("constraint", NOTES, "Body", "definition"): "CHECK (true) NOT VALID",
        Key("constraint", NOTES, "Body", "validated"): "no",
    }
    found = one(live, live if same else {})
    assert (found.code, found.severity) == ("MV108", severity)
    assert found.remedy == 'ALTER TABLE public.notes VALIDATE CONSTRAINT "Body"'


def test_a_not_null_that_is_not_valid_is_set_once_more() -> None:
    found = one({Key("column", NOTES, "body", "nullable"): "no (not valid)"})
    assert (found.code, found.severity) == ("MV108", Severity.WARNING)
    assert found.remedy == "ALTER TABLE public.notes ALTER COLUMN body SET NOT NULL"


@pytest.mark.parametrize(("same", "severity"), [(True, Severity.INFO), (False, Severity.ERROR)])
@pytest.mark.parametrize(("value", "what"), [("no", "is disabled"), ("replica", "in replication")])
def test_a_trigger_that_does_not_fire_is_an_error_unless_expected(
    value: str, what: str, same: bool, severity: Severity
) -> None:
    live = {Key("trigger", NOTES, "audit", "enabled"): value}
    found = one(live, live if same else {})
    assert (found.code, found.severity) == ("MV109", severity)
    assert what in found.message
    assert str(found.remedy).startswith("ALTER TABLE public.notes ENABLE TRIGGER audit")


def test_a_trigger_that_always_fires_is_on() -> None:
    assert leftovers.check({Key("trigger", NOTES, "audit", "enabled"): "always"}, None) == []


def test_the_order_is_that_of_the_objects() -> None:
    live = index("z", valid=False) | index("a", valid=False) | index("m", valid=False, of="a.b")
    found = leftovers.check(live, None)
    assert [f.message.split()[1] for f in found] == ["m", "a", "z"]
