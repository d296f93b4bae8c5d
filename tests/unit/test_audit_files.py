"""Audit files: a header of comments, and exactly one question."""

import os
from pathlib import Path

import pytest

from migsafe import verifying
from migsafe.audits import Audit, files
from migsafe.errors import ExitCode, UsageError
from migsafe.findings import Severity

#: The example of the contract, to the letter, with its remarks in brackets.
EXAMPLE = """\
-- audit: orphaned-notes
-- description: Clinical notes without a living appointment
-- severity: error                 (error | warning | info; default error)
-- before: 20251022112351_make_appointment_required_in_clinical_notes   (only while that migration is pending; may repeat; default always)
-- key: id                         (columns that may be shown; default none: only the count is shown)
-- max: 0                          (offenders tolerated)
-- timeout: 60s
-- remedy: Create an appointment for each note listed, then run the audit again.
SELECT n.id
FROM clinical_notes AS n
LEFT JOIN appointments AS a ON a.id = n."appointmentId"
WHERE a.id IS NULL;
"""  # noqa: E501  # copied to the letter


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "orphaned_notes.sql"


def parsed(file: Path, text: str) -> Audit:
    file.write_text(text, "utf-8", newline="")
    return files.parse(file)


def refusal(file: Path, text: str) -> str:
    with pytest.raises(UsageError) as caught:
        parsed(file, text)
    assert caught.value.exit_code is ExitCode.USAGE
    return str(caught.value)


def test_the_example_of_the_contract_is_read_to_the_letter(file: Path) -> None:
    assert parsed(file, EXAMPLE) == Audit(
        name="orphaned-notes",
        description="Clinical notes without a living appointment",
        severity=Severity.ERROR,
        before=("20251022112351_make_appointment_required_in_clinical_notes",),
        key=("id",),
        max=0,
        timeout=60.0,
        remedy="Create an appointment for each note listed, then run the audit again.",
        sql="SELECT n.id\nFROM clinical_notes AS n\n"
        'LEFT JOIN appointments AS a ON a.id = n."appointmentId"\nWHERE a.id IS NULL',
        file=file,
        line=9,
    )


def test_an_audit_without_a_header_has_its_file_as_name_and_the_defaults(file: Path) -> None:
    audit = parsed(file, "SELECT 1")
    assert audit == Audit(name="orphaned_notes", sql="SELECT 1", file=file, line=1)
    assert (audit.severity, audit.before, audit.key, audit.max, audit.timeout, audit.remedy) == (
        "error",
        (),
        (),
        0,
        60.0,
        None,
    )


@pytest.mark.parametrize("head", ["\ufeff", "\n\n", "-- Prose. Nothing: here\n", "--\n"])
def test_a_header_may_begin_after_a_mark_a_blank_or_prose(file: Path, head: str) -> None:
    audit = parsed(file, f"{head}-- audit: a\n\n-- max: 2\nSELECT 1;\n")
    assert (audit.name, audit.max) == ("a", 2)


def test_a_header_of_windows_lines_is_the_same(file: Path) -> None:
    audit = parsed(file, EXAMPLE.replace("\n", "\r\n"))
    assert (audit.name, audit.key, audit.timeout, audit.line) == ("orphaned-notes", ("id",), 60, 9)


def test_comments_below_the_query_are_no_header(file: Path) -> None:
    assert parsed(file, "SELECT 1\n-- max: 3\n-- colour: red\n").max == 0


def test_a_bracket_that_belongs_to_the_text_stays(file: Path) -> None:
    audit = parsed(file, "-- description: Notes (drafts too)\n-- remedy: f(x)  (once)\nSELECT 1")
    assert (audit.description, audit.remedy) == ("Notes (drafts too)", "f(x)")


def test_before_may_repeat_and_keys_may_be_several(file: Path) -> None:
    audit = parsed(file, '-- before: a\n-- before: b\n-- key: id, "Köl x"\nSELECT 1')
    assert audit.before == ("a", "b")
    assert audit.key == ("id", '"Köl x"')


def test_the_line_is_that_of_the_query_even_where_the_header_quotes_it(file: Path) -> None:
    assert parsed(file, "-- audit: a\n-- SELECT 1\n\nSELECT 1;").line == 4


def test_a_file_named_in_capitals_is_read_too(tmp_path: Path) -> None:
    for name in ("a.sql", "B.SQL", "notes.md"):
        (tmp_path / name).write_text("SELECT 1", "utf-8")
    assert [audit.name for audit in files.load(tmp_path)] == ["B", "a"]


def test_a_directory_that_cannot_be_read_is_not_taken_for_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shut(path: Path, *_: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "listdir", shut)
    monkeypatch.setattr(os, "scandir", shut)
    for load in (files.load, verifying.load):
        monkeypatch.setattr(Path, "read_text", shut)
        with pytest.raises(UsageError, match="cannot be read: Permission denied; check"):
            load(tmp_path)


def test_a_file_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.sql: cannot be read: No such file or directory; "):
        files.parse(tmp_path / "gone.sql")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[column]]\ntable = 'a\\u0000'\ncolumn = 'b'\n".replace("'", '"'), "a NUL character"),
        (f"column = {'[' * 2000}", "is nested too deeply"),
    ],
)
def test_expectations_that_no_server_could_answer_are_refused(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / verifying.FILE).write_text(text, "utf-8")
    with pytest.raises(UsageError, match=said):
        verifying.load(tmp_path)


@pytest.mark.parametrize("severity", Severity)
def test_each_severity_is_read(file: Path, severity: Severity) -> None:
    assert parsed(file, f"-- severity: {severity}\nSELECT 1").severity is severity


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("60s", 60.0), ("1.5s", 1.5), ("250ms", 0.25), ("2min", 120.0), ("2 min", 120.0)],
)
def test_a_timeout_is_read_as_seconds(file: Path, written: str, seconds: float) -> None:
    assert parsed(file, f"-- timeout: {written}\nSELECT 1").timeout == seconds


@pytest.mark.parametrize(
    ("header", "place", "problem"),
    [
        ("-- audit: a\n-- severty: error", ":2", "unknown audit key 'severty'; did you mean sev"),
        ("-- zzz: x", ":1", "unknown audit key 'zzz'; the keys are audit, description"),
        ("-- max: 1\n-- max: 2", ":2", "max is given twice"),
        ("-- key:", ":1", "key has no value"),
        ("-- severity: fatal", "", "unknown severity; write one of error, warning, info"),
        ("-- max: many", "", "max is no whole number"),
        ("-- max: -1", "", "max is no whole number"),
        ("-- max: 1.5", "", "max is no whole number"),
        ("-- timeout: 60", "", "timeout '60' is no duration"),
        ("-- timeout: soon", "", "timeout 'soon' is no duration"),
        ("-- timeout: 0s", "", "timeout '0s' is no duration"),
        ("-- timeout: -1s", "", "timeout '-1s' is no duration"),
    ],
)
def test_a_bad_header_is_refused_with_its_place(
    file: Path, header: str, place: str, problem: str
) -> None:
    message = refusal(file, f"{header}\nSELECT 1;\n")
    assert message.startswith(f"{file}{place}: ")
    assert problem in message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-- audit: a\n",
        "SELECT 1; SELECT 2;",
        "DELETE FROM t;",
        "UPDATE t SET a = 1;",
        "INSERT INTO t VALUES (1) RETURNING a;",
        "TRUNCATE t;",
        "CREATE TABLE u AS SELECT 1;",
        "DROP TABLE t;",
        "BEGIN; SELECT 1; COMMIT;",
        "EXPLAIN SELECT 1;",
        "COPY t TO STDOUT;",
        "DO $$ BEGIN END $$;",
        "CALL p();",
        "SET work_mem = '1GB';",
        "SHOW work_mem;",
        "LOCK TABLE t;",
        "VACUUM;",
        "SELECT a INTO u FROM t;",
        "SELECT a FROM t FOR UPDATE;",
        "SELECT nextval('s');",
        "WITH x AS (DELETE FROM t RETURNING a) SELECT a FROM x;",
        "WITH x AS (SELECT 1) DELETE FROM t;",
        "\\d t",
        "SELEC 1;",
    ],
)
def test_anything_but_one_reading_select_is_refused(file: Path, text: str) -> None:
    message = refusal(file, text)
    assert message.startswith(f"{file}:1:")
    assert "an audit is one read-only SELECT, this is " in message


def test_a_refusal_has_the_line_and_column_of_the_query(file: Path) -> None:
    message = refusal(file, "-- audit: a\n-- key: id\nSELECT 'é', FROM t;\n")
    assert message.startswith(f"{file}:3:13: ")


def test_a_file_that_is_not_utf_8_is_refused(file: Path) -> None:
    file.write_bytes(b"SELECT '\xe9';")
    with pytest.raises(UsageError, match="cannot be read as UTF-8"):
        files.parse(file)


def test_a_directory_is_read_by_file_name(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / f"{name}.sql").write_text("SELECT 1", "utf-8")
    (tmp_path / "expectations.toml").write_text("", "utf-8")
    (tmp_path / "notes.txt").write_text("DROP TABLE t", "utf-8")
    assert [audit.name for audit in files.load(tmp_path)] == ["a", "b", "c"]


def test_two_audits_may_not_share_a_name(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("-- audit: same\nSELECT 1", "utf-8")
    (tmp_path / "b.sql").write_text("-- audit: same\nSELECT 2", "utf-8")
    with pytest.raises(UsageError) as caught:
        files.load(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'b.sql'}: same is already the name of a.sql")
