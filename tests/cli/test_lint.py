"""`migsafe lint`: which files it reads, in which setting, and how it ends."""

import io
import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Migsafe
from tests.conftest import Called

INDEX = 'CREATE INDEX notes_by_state ON notes ("state");\n'
TABLE = 'CREATE TABLE notes (id bigint PRIMARY KEY, "state" text);\n'


def places(called: Called) -> list[tuple[str | None, int | None, str]]:
    return [(f.file, f.line, f.name) for f in called.report.findings if not f.suppressed]


def prisma(folder: Path, **migrations: str) -> Path:
    for name, text in migrations.items():
        file = folder / name / "migration.sql"
        file.parent.mkdir(parents=True)
        file.write_text(text, "utf-8")
    (folder / "migration_lock.toml").write_text('provider = "postgresql"\n', "utf-8")
    return folder


def git(*arguments: str) -> None:
    author = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *author, *arguments], check=True, capture_output=True)


# ---------------------------------------------------------------- which files


def test_a_file_of_any_tool_is_read_without_config_and_without_a_database(
    migsafe: Migsafe, workdir: Path
) -> None:
    (workdir / "a.sql").write_text(f"\n{INDEX}", "utf-8")
    called = migsafe("lint", "a.sql", "--format", "json")
    assert called.code == 0
    assert ("a.sql", 2, "create-index-not-concurrent") in places(called)
    assert called.report.target is None


def test_flyway_itself_runs_concurrently_without_a_transaction(
    migsafe: Migsafe, workdir: Path
) -> None:
    (workdir / "db").mkdir()
    (workdir / "db" / "V1__table.sql").write_text(TABLE, "utf-8")
    text = "CREATE INDEX CONCURRENTLY by_state ON notes (state);\n"
    (workdir / "db" / "V2__index.sql").write_text(text, "utf-8")
    assert migsafe("lint", "--migrations", "db").code == 0
    assert migsafe("lint", "--migrations", "db", "--transaction", "yes").code == 1


def test_findings_at_the_gate_end_with_1(migsafe: Migsafe, workdir: Path) -> None:
    (workdir / "a.sql").write_text(INDEX, "utf-8")
    assert migsafe("lint", "a.sql", "--gate", "warning").code == 1
    assert migsafe("lint", "a.sql", "--gate", "never").code == 0


def test_stdin_is_read_and_called_by_the_name_that_is_given(
    migsafe: Migsafe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(INDEX))
    called = migsafe("lint", "-", "--stdin-name", "editor.sql", "--format", "json")
    assert ("editor.sql", 1, "create-index-not-concurrent") in places(called)


def test_a_file_is_read_after_the_migrations_before_it(migsafe: Migsafe, workdir: Path) -> None:
    prisma(
        workdir / "migrations",
        **{
            "20250101000000_a": TABLE + 'ALTER TABLE notes ADD CHECK ("state" IS NOT NULL);',
            "20250102000000_b": 'ALTER TABLE notes ALTER COLUMN "state" SET NOT NULL;',
        },
    )
    file = "migrations/20250102000000_b/migration.sql"
    behind = migsafe("lint", file, "--format", "json")
    assert "set-not-null" not in {name for *_, name in places(behind)}
    assert {path for path, *_ in places(behind)} <= {file}
    (workdir / "alone.sql").write_bytes((workdir / file).read_bytes())
    alone = migsafe("lint", "alone.sql", "--format", "json")
    assert "set-not-null" in {name for *_, name in places(alone)}


def test_the_whole_history_is_read_where_nothing_is_named(migsafe: Migsafe, workdir: Path) -> None:
    prisma(workdir / "migrations", **{"20250101000000_a": TABLE, "20250102000000_b": INDEX})
    called = migsafe("lint", "--migrations", "migrations", "--format", "json")
    names = {name for *_, name in places(called)}
    assert "create-index-not-concurrent" in names
    assert "Read 2 files." in called.report.notes


def test_files_that_a_branch_changes_are_found_by_git(migsafe: Migsafe, workdir: Path) -> None:
    folder = prisma(workdir / "migrations", **{"20250101000000_a": TABLE + INDEX})
    git("init", "-q", "-b", "main")
    git("add", ".")
    git("commit", "-q", "-m", "a")
    git("checkout", "-q", "-b", "feature")
    prisma(folder, **{"20250102000000_b": INDEX.replace("by_state", "b")})
    git("add", ".")
    git("commit", "-q", "-m", "b")
    prisma(folder, **{"20250103000000_c": INDEX.replace("by_state", "c")})
    called = migsafe(
        "lint", "--changed-since", "main", "--migrations", "migrations", "--format", "json"
    )
    assert {Path(str(path)).parent.name for path, *_ in places(called)} == {
        "20250102000000_b",
        "20250103000000_c",
    }


def test_a_revision_that_git_does_not_know_is_a_usage_error(
    migsafe: Migsafe, workdir: Path
) -> None:
    git("init", "-q")
    called = migsafe("lint", "--changed-since", "nowhere", "--migrations", ".")
    assert called.code == 2
    assert called.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["gone.sql"], [], ["a.sql", "--off", "no-such-rule"]])
def test_what_cannot_be_read_or_is_not_named_is_a_usage_error(
    migsafe: Migsafe, workdir: Path, arguments: list[str]
) -> None:
    (workdir / "a.sql").write_text(INDEX, "utf-8")
    called = migsafe("lint", *arguments)
    assert called.code == 2
    assert called.err.count("\n") == 1


def test_a_syntax_error_is_a_finding_with_its_place_and_the_other_files_are_read(
    migsafe: Migsafe, workdir: Path
) -> None:
    (workdir / "a.sql").write_text("SELECT 1;\nCREATE TABEL t ();\n", "utf-8")
    (workdir / "b.sql").write_text(INDEX, "utf-8")
    called = migsafe("lint", "a.sql", "b.sql", "--format", "json")
    assert called.code == 1
    (error,) = (f for f in called.report.findings if f.code == "MS455")
    assert (error.file, error.line, error.column) == ("a.sql", 2, 8)
    assert ("b.sql", 1, "create-index-not-concurrent") in places(called)


# ---------------------------------------------------------------- rules


def test_a_rule_is_switched_by_flag_and_by_config(migsafe: Migsafe, workdir: Path) -> None:
    (workdir / "a.sql").write_text(INDEX, "utf-8")
    off = migsafe("lint", "a.sql", "--off", "create-index-not-concurrent", "--format", "json")
    assert "create-index-not-concurrent" not in {name for *_, name in places(off)}
    (workdir / "migsafe.toml").write_text('[lint]\noff = ["MS101"]\n', "utf-8")
    configured = migsafe("lint", "a.sql", "--format", "json")
    assert "create-index-not-concurrent" not in {name for *_, name in places(configured)}
    again = migsafe("lint", "a.sql", "--on", "create-index-not-concurrent", "--format", "json")
    assert "create-index-not-concurrent" in {name for *_, name in places(again)}


def test_the_rules_of_squawk_are_taken_where_there_are_none_of_ours_and_that_is_said(
    migsafe: Migsafe, workdir: Path
) -> None:
    (workdir / "a.sql").write_text(INDEX, "utf-8")
    text = 'excluded_rules = ["require-concurrent-index-creation"]\npg_version = "13.0"\n'
    (workdir / ".squawk.toml").write_text(text, "utf-8")
    borrowed = migsafe("lint", "a.sql", "--format", "json")
    assert "create-index-not-concurrent" not in {name for *_, name in places(borrowed)}
    assert any(".squawk.toml" in note for note in borrowed.report.notes)
    (workdir / "migsafe.toml").write_text("[lint]\npg_version = 15\n", "utf-8")
    own = migsafe("lint", "a.sql", "--format", "json")
    assert "create-index-not-concurrent" in {name for *_, name in places(own)}


def test_what_a_comment_allows_is_counted_and_kept_in_the_report(
    migsafe: Migsafe, workdir: Path
) -> None:
    text = f"-- migsafe: allow create-index-not-concurrent at night, nobody writes\n{INDEX}"
    (workdir / "a.sql").write_text(text, "utf-8")
    shown = migsafe("lint", "a.sql", "--off", "missing-lock-timeout", "--gate", "warning")
    assert shown.code == 0
    assert "1 hazard allowed by a comment" in shown.out
    kept = json.loads(migsafe("lint", "a.sql", "--format", "json").out)["findings"]
    assert "at night, nobody writes" in [finding["suppressed"] for finding in kept]


def test_without_a_target_the_report_says_that_sizes_are_not_known(
    migsafe: Migsafe, workdir: Path
) -> None:
    (workdir / "a.sql").write_text(INDEX, "utf-8")
    assert "sizes are not known" in migsafe("lint", "a.sql").out


# ---------------------------------------------------------------- files that are easily confused


def test_files_of_one_name_do_not_answer_for_each_other(migsafe: Migsafe, workdir: Path) -> None:
    for folder in ("a", "b"):
        (workdir / folder).mkdir()
    allowed = "-- migsafe: allow create-index-not-concurrent it is small\n"
    (workdir / "a" / "init.sql").write_text(TABLE + allowed + INDEX, "utf-8")
    (workdir / "b" / "init.sql").write_text(f"SELECT 1;\n{INDEX}", "utf-8")
    found = places(migsafe("lint", "a/init.sql", "b/init.sql", "--format", "json"))
    assert ("b/init.sql", 2, "create-index-not-concurrent") in found


def test_nothing_is_read_as_if_a_nul_character_were_the_end(
    migsafe: Migsafe, workdir: Path
) -> None:
    (workdir / "a.sql").write_bytes(b"SELECT 1;\n\0DROP TABLE notes;\n")
    called = migsafe("lint", "a.sql", "--format", "json")
    assert (called.code, places(called)) == (1, [("a.sql", 2, "syntax-error")])


@pytest.mark.parametrize(
    "text",
    [
        "CREATE INDEX i ON notes (" + "f(" * 4000 + "id" + ")" * 4001 + ";",
        "SELECT * FROM " + "(SELECT * FROM " * 1500 + "notes" + ") x" * 1500 + ";",
    ],
    ids=["calls", "queries"],
)
def test_what_is_nested_too_deeply_is_named_and_is_no_bug(
    migsafe: Migsafe, workdir: Path, text: str
) -> None:
    (workdir / "a.sql").write_text(f"SELECT 1;\n{text}", "utf-8")
    called = migsafe("lint", "a.sql")
    assert called.code == 2
    assert "a.sql:2: is nested too deeply" in called.err


# ---------------------------------------------------------------- writing fixes


def test_a_file_without_statements_has_nothing_to_fix(migsafe: Migsafe, workdir: Path) -> None:
    (workdir / "a.sql").write_text("-- nothing yet\n", "utf-8")
    assert migsafe("lint", "--fix", "--write", "a.sql").code == 0
    assert (workdir / "a.sql").read_text("utf-8") == "-- nothing yet\n"


@pytest.mark.parametrize(
    ("first", "second"), [("001_a.sql", "002_b.sql"), ("V9__a.sql", "V10__b.sql")]
)
def test_no_new_file_takes_the_version_of_a_later_migration(
    migsafe: Migsafe, workdir: Path, first: str, second: str
) -> None:
    folder = workdir / "db"
    folder.mkdir()
    text = "ALTER TABLE notes ALTER state SET NOT NULL;\n"
    (folder / first).write_text(text, "utf-8")
    (folder / second).write_text("SELECT 1;\n", "utf-8")
    migsafe("lint", "--fix", "--write", f"db/{first}")
    assert {file.name for file in folder.iterdir()} == {first, second}
    assert (folder / first).read_text("utf-8") == text


def test_a_setting_of_the_session_keeps_a_migration_in_one_file(
    migsafe: Migsafe, workdir: Path
) -> None:
    # Another migration has a session of its own with most runners.
    folder = workdir / "db"
    folder.mkdir()
    text = "SET search_path = app;\nALTER TABLE notes ALTER state SET NOT NULL;\n"
    (folder / "001_a.sql").write_text(text, "utf-8")
    (folder / "009_b.sql").write_text("SELECT 1;\n", "utf-8")
    assert "would not have" in migsafe("lint", "--fix", "--write", "db/001_a.sql").out
    assert (folder / "001_a.sql").read_text("utf-8") == text


def test_writing_keeps_line_ends_and_links(migsafe: Migsafe, workdir: Path) -> None:
    (workdir / "a.sql").write_bytes(INDEX.replace("\n", "\r\n").encode())
    (workdir / "link.sql").symlink_to("a.sql")
    migsafe("lint", "--fix", "--write", "link.sql")
    text = (workdir / "a.sql").read_bytes()
    assert (workdir / "link.sql").is_symlink()
    assert b"CONCURRENTLY" in text
    assert text.count(b"\n") == text.count(b"\r\n")


@pytest.mark.parametrize(
    "text",
    [
        f"{INDEX}UPDATE notes SET state = 'a' WHERE id = 1 -- the last one",
    ],
)
def test_a_comment_swallows_nothing_that_is_written_behind_it(
    migsafe: Migsafe, workdir: Path, text: str
) -> None:
    (workdir / "a.sql").write_text(text, "utf-8")
    migsafe("lint", "--fix", "--write", "a.sql")
    written = (workdir / "a.sql").read_text("utf-8")
    assert written != text
    assert "syntax-error" not in migsafe("lint", "a.sql").out


def test_a_comment_inside_of_what_is_rewritten_is_kept(migsafe: Migsafe, workdir: Path) -> None:
    text = "ALTER TABLE notes ADD CONSTRAINT c CHECK (id > 0) /* ids are positive */;\n"
    (workdir / "a.sql").write_text(text, "utf-8")
    migsafe("lint", "--fix", "--write", "a.sql")
    assert "NOT VALID;" in (workdir / "a.sql").read_text("utf-8")
    assert "/* ids are positive */" in (workdir / "a.sql").read_text("utf-8")


def test_what_goes_at_commit_keeps_a_file_in_one_transaction(
    migsafe: Migsafe, workdir: Path
) -> None:
    text = f"CREATE TEMP TABLE x ON COMMIT DROP AS SELECT 1 AS a;\n{INDEX}TABLE x;\n"
    (workdir / "a.sql").write_text(text, "utf-8")
    migsafe("lint", "--fix", "--write", "a.sql")
    assert (workdir / "a.sql").read_text("utf-8") == text
