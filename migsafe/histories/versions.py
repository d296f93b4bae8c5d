"""The text that ran, looked for in git for a migration that was edited since.

A checksum cannot tell the text that it was made of, so each version of the file that the git
repository around it holds is tried. Nothing is fetched, and no shell is started.
"""

import os
import re
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from migsafe.histories.edits import Edit, How, compare
from migsafe.histories.migration import Directory, Migration, sha256, text_of
from migsafe.histories.sql import content, flyway_checksum, up_section

#: Seconds for all files together, and versions of one file. Arbitrary: a wait that one accepts.
PATIENCE = 10.0
VERSIONS = 200


class Summed(Protocol):
    """What of a History tells whether a text is the one that ran."""

    @property
    def directory(self) -> Directory:
        """The migrations on disk."""
        ...

    def matches(self, migration: Migration, checksum: str) -> bool:
        """Tell whether a recorded checksum is that of the migration."""
        ...


def find(history: Summed, edited: Iterable[tuple[Migration, str]]) -> dict[str, Edit]:
    """Return what the edit of each migration is, by name; `edited` pairs them with checksums."""
    deadline = time.monotonic() + PATIENCE
    return {m.name: _find(history, m, checksum, deadline) for m, checksum in edited}


def _find(history: Summed, migration: Migration, checksum: str, deadline: float) -> Edit:
    layout = history.directory.layout
    try:
        raw = content(migration.path)
    except OSError:
        raw = b""
    if any(history.matches(form, checksum) for form in _forms(migration, layout, raw)):
        return Edit(How.LINE_ENDS)
    try:
        for commit, version in _versions(migration.path.resolve(), deadline):
            for form in _forms(migration, layout, version):
                if history.matches(form, checksum):
                    return Edit(compare(form.text, migration.text), commit=commit)
        return Edit(How.UNKNOWN, reason=_why_none(migration.path.resolve().parent, deadline))
    except _SilentError as error:
        return Edit(How.UNKNOWN, reason=str(error))


def _forms(migration: Migration, layout: str, raw: bytes) -> Iterator[Migration]:
    """Yield the migration as it would be read from `raw`, and with either line end throughout."""
    lf = raw.replace(b"\r\n", b"\n")
    for form in dict.fromkeys((raw, lf, lf.replace(b"\n", b"\r\n"))):
        whole, _ = text_of(form, bom=layout == "flyway")
        checksum = str(flyway_checksum(whole)) if layout == "flyway" else sha256(whole)
        text = up_section(whole)[0] if layout in _SECTIONED else whole
        yield replace(migration, text=text, checksum=checksum)


_SECTIONED = {"dbmate", "goose", "sql-migrate"}


# ---------------------------------------------------------------- git


class _SilentError(Exception):
    """Git cannot say; the text is the reason."""


def _versions(file: Path, deadline: float) -> Iterator[tuple[str, bytes]]:
    """Yield the versions of a file in every branch, newest first, with the commit of each."""
    log = _git(
        file.parent,
        *("log", "--all", "--follow", "-m", "--raw", "--no-abbrev", "--no-ext-diff", "-z"),
        *(f"--max-count={VERSIONS}", "--format=commit %H", "--", file.name),
        deadline=deadline,
    )
    if not log:
        raise _SilentError("git does not know the file")
    commits: dict[str, str] = {}
    commit = ""
    for match in _RAW.finditer(log.decode("ascii", "replace")):
        commit = match["commit"] or commit
        if match["blob"] and match["blob"].strip("0"):
            commits[match["blob"]] = commit  # the oldest is the one that wrote it
    contents = _blobs(file.parent, list(commits), deadline)
    yield from ((commits[blob], content) for blob, content in contents)


#: What `git log --raw -z` prints of a commit and of one change in it.
_RAW = re.compile(
    r"commit (?P<commit>[0-9a-f]{40,64})"
    r"|:\d{6} \d{6} [0-9a-f]{40,64} (?P<blob>[0-9a-f]{40,64}) [A-Z]"
)


def _blobs(folder: Path, blobs: list[str], deadline: float) -> Iterator[tuple[str, bytes]]:
    asked = "".join(f"{blob}\n" for blob in blobs).encode()
    answer, start = _git(folder, "cat-file", "--batch", deadline=deadline, asked=asked), 0
    while header := re.compile(rb"(\w+) (?:blob (\d+)|\w+)\n").match(answer, start):
        start = header.end()
        if header[2]:
            size = int(header[2])
            yield header[1].decode(), answer[start : start + size]
            start += size + 1


def _why_none(folder: Path, deadline: float) -> str:
    shallow = _git(folder, "rev-parse", "--is-shallow-repository", deadline=deadline)
    if shallow.strip() == b"true":
        return "the git checkout is shallow: git fetch --unshallow"
    return "no version of the file in git has that checksum"


#: Neither the place of another repository, nor a question, a lock or a fetch.
_QUIET = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}


def _git(folder: Path, *arguments: str, deadline: float, asked: bytes = b"") -> bytes:
    """Return what git prints; raise _SilentError where it cannot say."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")} | _QUIET
    command = ["git", "--no-pager", "--literal-pathspecs", "-c", "core.fsmonitor=false"]
    command += ["-C", str(folder), *arguments]
    try:
        done = subprocess.run(  # noqa: S603
            command,
            input=asked,
            env=env,
            capture_output=True,
            check=False,
            timeout=max(0.0, deadline - time.monotonic()),
        )
    except subprocess.TimeoutExpired:
        raise _SilentError("git took too long") from None
    except OSError:
        raise _SilentError("there is no git here") from None
    if done.returncode:
        raise _SilentError("the file is in no git repository")
    return done.stdout
