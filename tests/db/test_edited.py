"""A file that was edited after it ran: what ran is found in git, or said not to be found."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migsafe.findings import Finding
from migsafe.histories import prisma, prisma_table, versions
from migsafe.histories.edits import Edit, How
from migsafe.histories.migration import Directory, sha256
from tests.conftest import Called

Conn = psycopg.Connection[Any]

RAN = "-- what ran\nCREATE TABLE notes (id int, body text DEFAULT 'a');\n"
NAME = "20250101000000_init"


@pytest.fixture
def git(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a function that runs git in an empty repository, which is the current directory."""
    for name in list(os.environ):
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)

    def run(*arguments: str) -> str:
        who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        done = subprocess.run(
            ["git", *who, *arguments], cwd=workdir, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    run("init", "-q", "-b", "main")
    return run


@pytest.fixture
def folder(workdir: Path) -> Path:
    return workdir / "prisma"


def write(folder: Path, text: str | bytes, name: str = NAME) -> Path:
    file = folder / name / "migration.sql"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def commit(git: Callable[..., str], *more: str) -> str:
    git("add", "-A")
    git("commit", "-q", "--allow-empty", "-m", "a version", *more)
    return git("rev-parse", "HEAD")


def edit(folder: Path, ran: str = RAN, name: str = NAME) -> Edit:
    """Ask what became of a migration that ran as `ran`."""
    directory = prisma.load(folder, [])
    history = prisma_table.PrismaHistory(directory=directory, schema="public")
    return versions.find(history, [(directory.named(name), sha256(ran))])[name]


def test_the_version_that_ran_is_found_among_several(git: Callable[..., str], folder: Path) -> None:
    write(folder, "SELECT 1;\n")
    commit(git)
    write(folder, RAN)
    first = commit(git)
    for text in (RAN + "SELECT 2;\n", RAN.replace("'a'", "'b'")):
        write(folder, text)
        commit(git)
    assert edit(folder) == Edit(How.DIFFERENT, commit=first)
    write(folder, f"{RAN}\n-- explained\n")
    assert edit(folder) == Edit(How.COMMENTS, commit=first)


@pytest.mark.parametrize("name", ["1 two  words", "1_*?[a]", '1_"q"', "1_ünï", "-1_a", ":(top)x"])
def test_names_that_git_reads_in_its_own_way_are_found(
    git: Callable[..., str], folder: Path, name: str
) -> None:
    write(folder, RAN, name)
    first = commit(git)
    write(folder, RAN + "--", name)
    assert edit(folder, name=name) == Edit(How.COMMENTS, commit=first)


def test_a_renamed_file_is_followed(git: Callable[..., str], folder: Path) -> None:
    text = RAN + "".join(f"CREATE TABLE t{n} (id int);\n" for n in range(20))
    write(folder, text, "1_old")
    first = commit(git)
    git("mv", "prisma/1_old", f"prisma/{NAME}")
    commit(git)
    write(folder, text + "CREATE TABLE more (id int);\n")
    commit(git)
    assert edit(folder, text) == Edit(How.DIFFERENT, commit=first)


def test_a_version_on_another_branch_or_in_a_merge_is_found(
    git: Callable[..., str], folder: Path
) -> None:
    write(folder, "SELECT 1;\n")
    commit(git)
    git("checkout", "-q", "-b", "side")
    write(folder, RAN)
    side = commit(git)
    git("checkout", "-q", "main")
    assert edit(folder) == Edit(How.DIFFERENT, commit=side)
    write(folder, "SELECT 2;\n")
    commit(git)
    merged = "SELECT 'only in the merge';\n"
    git("merge", "-q", "-s", "ours", "--no-commit", "side")
    write(folder, merged)
    merge = commit(git)
    write(folder, "SELECT 3;\n")
    assert edit(folder, merged) == Edit(How.DIFFERENT, commit=merge)


def test_a_deleted_and_written_again_file_is_found(git: Callable[..., str], folder: Path) -> None:
    file = write(folder, RAN)
    first = commit(git)
    file.unlink()
    commit(git)
    write(folder, "SELECT 1;\n")
    assert edit(folder) == Edit(How.DIFFERENT, commit=first)


def test_line_ends_alone_are_known_without_git(folder: Path) -> None:
    write(folder, RAN)
    directory = prisma.load(folder, [])

    class Plain:  # as migsafe's own table: the sum of the file as it is
        directory: Directory

        def matches(self, migration: Any, checksum: str) -> bool:
            return bool(migration.checksum == checksum)

    history = Plain()
    history.directory = directory
    asked = [(directory.named(NAME), sha256(RAN.replace("\n", "\r\n")))]
    assert versions.find(history, asked) == {NAME: Edit(How.LINE_ENDS)}


def test_mixed_line_ends_that_ran_are_found(git: Callable[..., str], folder: Path) -> None:
    mixed = RAN.replace("\n", "\r\n", 1)
    (folder.parent / ".gitattributes").write_text("* -text\n")
    write(folder, mixed)
    first = commit(git)
    write(folder, RAN)
    assert edit(folder, mixed) == Edit(How.LINE_ENDS, commit=first)


def test_without_git_the_text_is_not_to_be_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, "SELECT 1;\n")
    assert edit(folder) == Edit(How.UNKNOWN, reason="the file is in no git repository")
    monkeypatch.setenv("PATH", "")
    assert edit(folder) == Edit(How.UNKNOWN, reason="there is no git here")


def test_a_file_that_was_never_committed_is_unknown(git: Callable[..., str], folder: Path) -> None:
    commit(git)
    write(folder, "SELECT 1;\n")
    assert edit(folder) == Edit(How.UNKNOWN, reason="git does not know the file")


def test_a_repository_without_a_commit_is_unknown(git: Callable[..., str], folder: Path) -> None:
    write(folder, "SELECT 1;\n")
    assert edit(folder).how is How.UNKNOWN


def test_a_sum_of_no_version_is_unknown_and_a_shallow_checkout_says_so(
    git: Callable[..., str], folder: Path, workdir: Path
) -> None:
    write(folder, RAN)
    commit(git)
    write(folder, "SELECT 1;\n")
    commit(git)
    none = "no version of the file in git has that checksum"
    assert edit(folder, "SELECT 9;\n") == Edit(How.UNKNOWN, reason=none)
    git("clone", "-q", "--depth", "1", f"file://{workdir}", "shallow")
    found = edit(workdir / "shallow" / "prisma")
    assert found.how is How.UNKNOWN
    assert "shallow" in str(found.reason)


def test_a_git_that_takes_too_long_is_not_waited_for(
    git: Callable[..., str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, RAN)
    commit(git)
    write(folder, "SELECT 1;\n")
    monkeypatch.setattr(versions, "PATIENCE", 0.0)
    assert edit(folder) == Edit(How.UNKNOWN, reason="git took too long")


def test_the_repository_of_a_hook_is_not_the_one_that_is_asked(
    git: Callable[..., str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, RAN)
    first = commit(git)
    write(folder, "SELECT 1;\n")
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_WORK_TREE", "/nonexistent")
    assert edit(folder) == Edit(How.DIFFERENT, commit=first)


# ---------------------------------------------------------------- in the report


def edited(called: Called) -> Finding:
    (found,) = [finding for finding in called.report.findings if finding.code == "MH106"]
    return found


def test_status_says_what_an_edit_is(
    git: Callable[..., str], folder: Path, database: str, migsafe: Callable[..., Called]
) -> None:
    arguments = ("--url", database, "--migrations", folder, "--format", "json")
    write(folder, RAN)
    first = commit(git)
    assert migsafe("apply", *arguments).code == 0
    write(folder, f"-- new\n{RAN}")
    status = migsafe("status", "--gate", "warning", *arguments)
    assert (status.code, edited(status).severity) == (0, "info")
    assert first[:12] in edited(status).message
    assert status.report.history is not None
    assert status.report.history.edited == (NAME,)
    write(folder, RAN.replace("'a'", "'b'"))
    for command in ("status", "plan", "verify", "apply"):
        called = migsafe(command, "--gate", "never", *arguments)
        assert edited(called).severity == "warning"
        assert first[:12] in edited(called).message


def test_a_tool_that_refuses_every_edit_refuses_a_comment_too(
    git: Callable[..., str], workdir: Path, database: str, migsafe: Callable[..., Called]
) -> None:
    folder = workdir / "sql"
    folder.mkdir()
    (folder / "001_init.sql").write_text(RAN)
    commit(git)
    arguments = ("--url", database, "--migrations", folder, "--format", "json")
    assert migsafe("apply", *arguments).code == 0
    (folder / "001_init.sql").write_text(f"-- new\n{RAN}")
    found = edited(migsafe("status", *arguments))
    assert (found.severity, "only comments" in found.message) == ("error", True)
