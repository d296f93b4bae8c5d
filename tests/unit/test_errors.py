"""Exit codes, one-line errors, and secrets that never get out."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from migsafe import errors
from migsafe.errors import (
    BusyError,
    ExitCode,
    MigsafeError,
    UnreachableError,
    UsageError,
    conceal,
    nearest,
    redacted,
)

#: Letters of the text around a secret; a secret has others, so that a leak is one.
AROUND = "abc :;\n"

secrets = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="abc:;*"), min_size=1
).filter(str.strip)
arounds = st.text(AROUND)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("OK", 0),
        ("FINDINGS", 1),
        ("USAGE", 2),
        ("UNREACHABLE", 3),
        ("BUSY", 4),
        ("FAILED", 5),
        ("DIRTY", 6),
        ("UNMANAGED", 7),
        ("BUG", 70),
        ("INTERRUPTED", 130),
    ],
)
def test_an_exit_code_keeps_its_number_and_says_what_it_means(name: str, number: int) -> None:
    assert ExitCode[name] == number
    assert ExitCode(number).meaning


def test_there_is_no_other_exit_code() -> None:
    assert len(ExitCode) == 10


@pytest.mark.parametrize(
    ("kind", "code"), [(MigsafeError, 70), (UsageError, 2), (UnreachableError, 3), (BusyError, 4)]
)
def test_an_error_carries_its_exit_code(kind: type[MigsafeError], code: int) -> None:
    assert kind("here", "it broke", "mend it").exit_code == code


@given(place=st.text(), problem=st.text(), remedy=st.text())
def test_an_error_is_one_line(place: str, problem: str, remedy: str) -> None:
    assert len(str(UsageError(place, problem, remedy)).splitlines()) == 1


def test_an_error_begins_with_the_place_and_ends_with_the_remedy() -> None:
    error = UsageError("migsafe.toml: gate", "unknown\n  severity", "write one of\nerror, never")
    assert str(error) == "migsafe.toml: gate: unknown severity; write one of error, never"


@given(secret=secrets, before=arounds, after=arounds)
@example(secret="two  blanks", before="a", after="b")
@example(secret="a line\nand another", before="", after="")
@example(secret=" ends in a blank ", before="a", after="")
def test_no_error_holds_a_concealed_secret(secret: str, before: str, after: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(errors, "_secrets", set())
        conceal(secret)
        text = f"{before}{secret}{after}"
        error = str(UsageError(text, text, text))
    assert secret not in error
    assert " ".join(secret.split()) not in error


@given(secrets=st.lists(secrets, min_size=1, max_size=5), data=st.data())
def test_no_text_keeps_one_of_several_secrets(secrets: list[str], data: st.DataObject) -> None:
    pieces = st.lists(st.one_of(st.sampled_from(secrets), arounds))
    text = "".join(data.draw(pieces))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(errors, "_secrets", set())
        for secret in secrets:
            conceal(secret)
        shown = redacted(text)
    assert not [secret for secret in secrets if secret in shown]


@given(text=st.text())
def test_a_text_without_secrets_stays_as_it_is(text: str) -> None:
    conceal("a secret that is not in it")
    conceal("")
    conceal(None)
    assume("a secret" not in text)
    assert redacted(text) == text


def test_the_longer_of_two_secrets_is_taken_out_whole() -> None:
    conceal("hunter")
    conceal("hunter2")
    assert redacted("password=hunter2") == "password=***"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("severty", "did you mean severity?"),
        ("SEVERITY", "did you mean severity?"),
        ("appointmentid", "did you mean appointmentId?"),
        ("zzz", ""),
    ],
)
def test_the_nearest_name_is_offered_in_its_own_spelling(name: str, hint: str) -> None:
    assert nearest(name, ["severity", "appointmentId", "url"]) == hint


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("20250415", "did you mean 20250415100000_index_orders_by_customer?"),
        ("2025", ""),
    ],
)
def test_the_only_name_that_begins_so_is_offered(name: str, hint: str) -> None:
    names = ["20250301090000_init", "20250415100000_index_orders_by_customer"]
    assert nearest(name, names) == hint
    assert nearest("so", ["something", "else"]) == ""


NAMES = ["clinical_notes", "clinical_note_tags", "appointmentId", "appointments", "categories"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ClinicalNote", "clinical_notes"),
        ("clinicalNotes", "clinical_notes"),
        ("ClinicalNoteTag", "clinical_note_tags"),
        ("appointmentID", "appointmentId"),
        ("appointment_id", "appointmentId"),
        ("Appointment", "appointments"),
        ("Category", "categories"),
        ("public.ClinicalNote", "public.clinical_notes"),
        ("public.clinical_note", "public.clinical_notes"),
    ],
)
def test_case_underscores_and_number_make_a_name_no_other(name: str, hint: str) -> None:
    names = [f"public.{near}" for near in NAMES] if "." in name else NAMES
    assert nearest(name, names) == f"did you mean {hint}?"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("public.user", "did you mean public.users?"),
        ("public.login", "did you mean auth.logins?"),
        ("auht.users", "did you mean auth.users?"),
        ("public.zzz", ""),
        ("nowhere.zzz", ""),
    ],
)
def test_a_schema_in_common_makes_no_name_near(name: str, hint: str) -> None:
    assert nearest(name, ["auth.users", "public.users", "auth.logins", "public.abc"]) == hint
