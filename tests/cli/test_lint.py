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
