"""How a recorded migration differs from its file. Pure: `versions` is what looks for what ran."""

from enum import StrEnum

from msgspec import Struct

from migsafe import findings
from migsafe.findings import Finding, Severity


class How(StrEnum):
    """In what an edited file differs from what ran."""

    LINE_ENDS = "line ends"
    COMMENTS = "comments or white space"
    DIFFERENT = "different"
    UNKNOWN = "unknown"


class Edit(Struct, frozen=True):
    """What an edit is; `commit` holds the text that ran, `reason` says why there is none."""

    how: How
    commit: str | None = None
    reason: str | None = None


def compare(ran: str, now: str) -> How:
    """Say in what two texts differ, by their parse trees: constants count, places do not."""
    if ran.replace("\r\n", "\n") == now.replace("\r\n", "\n"):
        return How.LINE_ENDS
    from migsafe import sql  # the parser is heavy, and an edit is rare

    try:
        before, after = sql.parse(ran), sql.parse(now)
        same = [s.node for s in before] == [s.node for s in after]
    except (sql.SqlError, RecursionError):
        return How.DIFFERENT
    return How.COMMENTS if same else How.DIFFERENT


def finding(name: str, edit: Edit | None, *, strict: bool) -> Finding:
    """Build the finding about an edited file; `strict` says that its tool refuses every edit."""
    harmless = edit is not None and edit.how in (How.LINE_ENDS, How.COMMENTS)
    mild = Severity.INFO if harmless else Severity.WARNING
    remedy = "Restore the file from version control and put the change into a new migration."
    if harmless and not strict:
        remedy = "Nothing has to be done; what runs on a new database is the same."
    return findings.history(
        "MH106",
        "migration-edited",
        Severity.ERROR if strict else mild,
        f"{name} was edited after it was recorded: {_said(edit or Edit(How.UNKNOWN))}",
        migration=name,
        remedy=remedy,
    )


def _said(edit: Edit) -> str:
    where = f", which is in commit {edit.commit[:12]}" if edit.commit else ""
    if edit.how is How.LINE_ENDS:
        return f"only its line ends differ from what ran{where}"
    if edit.how is How.COMMENTS:
        return f"only comments or white space differ from what ran{where}"
    if edit.how is How.DIFFERENT:
        return f"its statements are no longer what ran{where}"
    why = f", and the text that ran is not to be found ({edit.reason})" if edit.reason else ""
    return f"the file no longer says what ran{why}"
