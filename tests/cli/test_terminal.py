"""What a person at a terminal gets: a pager, questions, completion; and how to do without."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.cli.conftest import Migsafe

LONG = "".join(f"CREATE INDEX notes_{n} ON notes (a{n});\n" for n in range(30))


def at_a_terminal(*arguments: str, **environment: str) -> tuple[int, str]:
    """Run migsafe with a terminal of 24 lines on all three; return its code and the screen."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "migsafe", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "LINES": "24", "COLUMNS": "80", **environment},
    ) as process:
        os.close(theirs)
        screen = b""
        try:
            while read := os.read(ours, 65536):
                screen += read
                if b"[y/N]" in screen:
                    os.write(ours, b"n\n")
        except OSError:  # the other end is closed: Linux says so by an error
            pass
    os.close(ours)
    return process.returncode, screen.decode()


@pytest.fixture
def pager(workdir: Path) -> Path:
    """A pager that keeps what it is given."""
    (workdir / "long.sql").write_text(LONG)
    program = workdir / "pager"
    program.write_text(f"#!/bin/sh\ncat > {workdir}/paged\n")
    program.chmod(0o755)
    return program


def test_a_text_that_leaves_the_screen_is_paged(pager: Path, workdir: Path) -> None:
    code, screen = at_a_terminal("lint", "long.sql", PAGER=str(pager))

    assert code == 0
    assert "MS101" in (workdir / "paged").read_text()
    assert "MS101" not in screen


def test_nothing_is_paged_that_is_short_or_read_by_a_program(pager: Path, workdir: Path) -> None:
    (workdir / "short.sql").write_text("SELECT 1;\n")

    for arguments in (
        ("lint", "short.sql"),
        ("lint", "long.sql", "--no-input"),
        ("lint", "long.sql", "--format", "json"),
    ):
        at_a_terminal(*arguments, PAGER=str(pager))

    assert not (workdir / "paged").exists()


def test_a_person_is_asked_before_an_apply_unless_there_is_no_input(
    database: str, workdir: Path
) -> None:
    (workdir / "db").mkdir()
    (workdir / "db" / "V1__notes.sql").write_text("CREATE TABLE notes (id int);\n")
    call = ("apply", "--url", database, "--migrations", "db")

    code, screen = at_a_terminal(*call)
    assert (code, "Apply 1 migration?" in screen) == (130, True)
    assert "go: 1 migration to apply" in screen
    assert "(exit 130): declined; nothing was changed" in screen

    code, screen = at_a_terminal(*call, "--no-input")
    assert (code, "Apply 1 migration?" in screen) == (0, False)


@pytest.mark.parametrize("streams", ["<&-", "2>&-", ">&-", "<&- >&- 2>&-", "2>/dev/full"])
@pytest.mark.parametrize(("file", "code"), [("fine.sql", 0), ("absent.sql", 2)])
def test_a_stream_that_is_closed_or_full_changes_no_exit_code(
    workdir: Path, streams: str, file: str, code: int
) -> None:
    (workdir / "fine.sql").write_text("SELECT 1;\n")
    call = f'"{sys.executable}" -m migsafe lint -v {file} {streams}'
    done = subprocess.run(["bash", "-c", call], check=False, capture_output=True)
    assert done.returncode == code, done


def test_a_run_goes_on_when_nobody_reads_what_it_says(database: str, workdir: Path) -> None:
    (workdir / "db").mkdir()
    for number in (1, 2):
        (workdir / "db" / f"V{number}__a.sql").write_text(f"CREATE TABLE t{number} (id int);\n")
    reader, writer = os.pipe()
    os.close(reader)
    call = [sys.executable, "-m", "migsafe", "apply", "--url", database, "--migrations", "db", "-v"]
    done = subprocess.run(call, check=False, stdout=subprocess.DEVNULL, stderr=writer)
    os.close(writer)
    assert done.returncode == 0
    with psycopg.connect(database) as conn:
        assert conn.execute("SELECT count(*) FROM migsafe.runs").fetchone() == (1,)


def test_a_report_into_a_pipe_or_a_link_leaves_it_what_it_is(workdir: Path) -> None:
    (workdir / "fine.sql").write_text("SELECT 1;\n")
    (workdir / "link").symlink_to("behind.json")
    (workdir / "errors").symlink_to("/dev/stderr")
    call = [sys.executable, "-m", "migsafe", "lint", "fine.sql", "-q", "-o", "json:link"]
    done = subprocess.run([*call, "-o", "json:errors"], check=False, capture_output=True, text=True)
    assert done.returncode == 0
    assert (workdir / "errors").is_symlink()
    assert (workdir / "link").is_symlink()
    assert (workdir / "behind.json").read_text() == done.stderr


def test_colour_is_for_a_terminal_that_wants_it(workdir: Path) -> None:
    (workdir / "a.sql").write_text("CREATE INDEX a ON notes (a);\n")

    assert "\x1b[" in at_a_terminal("lint", "a.sql")[1]
    assert "\x1b[" not in at_a_terminal("lint", "a.sql", NO_COLOR="1")[1]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_of_the_shell(shell: str, migsafe: Migsafe) -> None:
    assert f"{shell}_complete" in migsafe("completion", shell).out


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("migsafe sta", "status"),
        ("migsafe apply --sna", "--snapshot"),
        ("migsafe plan -e p", "prod"),
    ],
)
def test_commands_flags_and_environments_are_completed(
    line: str, offered: str, workdir: Path
) -> None:
    (workdir / "migsafe.toml").write_text('[env.prod]\nurl = "env:A"\n[env.test]\nurl = "env:B"\n')
    words = line.split()
    done = subprocess.run(
        [sys.executable, "-c", "from migsafe.cli import main; main()"],
        env={
            **os.environ,
            "_MIGSAFE_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"plain,{offered}" in done.stdout.splitlines()
