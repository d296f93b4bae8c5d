"""How a file differs from what ran, and what is said of it."""

import pytest

from migsafe.histories.edits import Edit, How, compare, finding

TABLE = "CREATE TABLE notes (id int, body text DEFAULT 'a');\nCREATE INDEX i ON notes (body);\n"


@pytest.mark.parametrize(
    ("ran", "now", "how"),
    [
        (TABLE, TABLE, How.LINE_ENDS),
        (TABLE, TABLE.replace("\n", "\r\n"), How.LINE_ENDS),
        ("SELECT 1;\r\nSELECT 2;\n", "SELECT 1;\nSELECT 2;\n", How.LINE_ENDS),
        ("not SQL", "not SQL", How.LINE_ENDS),
        (TABLE, f"-- why\n{TABLE}\n\n/* end */", How.COMMENTS),
        (TABLE, TABLE.replace("(id int,", "(\n  id int,\n "), How.COMMENTS),
        (TABLE, TABLE.replace("CREATE TABLE", "create table"), How.COMMENTS),
        (TABLE, TABLE.replace("notes", '"notes"'), How.COMMENTS),
        ("SELECT 1", "SELECT 1;;", How.COMMENTS),
        ("SELECT a FROM b WHERE c IN (1, 2)", "SELECT a FROM b WHERE c IN ( 1,2 )", How.COMMENTS),
        (TABLE, TABLE.replace("'a'", "'b'"), How.DIFFERENT),
        (TABLE, TABLE.replace("int", "bigint"), How.DIFFERENT),
        (TABLE, TABLE.replace("notes", '"Notes"'), How.DIFFERENT),
        (TABLE, TABLE + "SELECT 1;", How.DIFFERENT),
        (TABLE, "", How.DIFFERENT),
        ("SELECT ' '", "SELECT '  '", How.DIFFERENT),
        ("DO $$ BEGIN END $$", "DO $$ BEGIN  END $$", How.DIFFERENT),
        ("not SQL", "not  SQL", How.DIFFERENT),
        (TABLE, "not SQL", How.DIFFERENT),
    ],
)
def test_two_texts_are_compared_by_what_they_say(ran: str, now: str, how: How) -> None:
    assert compare(ran, now) is how
    assert compare(now, ran) is how


@pytest.mark.parametrize(
    ("how", "lax"),
    [
        (How.LINE_ENDS, "info"),
        (How.COMMENTS, "info"),
        (How.DIFFERENT, "warning"),
        (How.UNKNOWN, "warning"),
        (None, "warning"),
    ],
)
def test_an_edit_of_comments_only_is_grave_where_the_tool_refuses_it(
    how: How | None, lax: str
) -> None:
    edit = Edit(how) if how else None
    assert finding("1_a", edit, strict=False).severity == lax
    assert finding("1_a", edit, strict=True).severity == "error"
    assert finding("1_a", edit, strict=True).code == "MH106"


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (Edit(How.LINE_ENDS), "only its line ends differ from what ran"),
        (Edit(How.COMMENTS, commit="a" * 40), "which is in commit aaaaaaaaaaaa"),
        (Edit(How.DIFFERENT, commit="b" * 40), "its statements are no longer what ran"),
        (Edit(How.UNKNOWN, reason="there is no git here"), "(there is no git here)"),
        (None, "1_a was edited after it was recorded: the file no longer says what ran"),
    ],
)
def test_the_finding_says_in_what_the_file_differs(edit: Edit | None, text: str) -> None:
    assert text in finding("1_a", edit, strict=False).message
