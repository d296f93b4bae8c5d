"""The library: what the commands do, as functions that return a `Report`.

Each takes the target and the files by the names of the flags, and reads `migsafe.toml` as the
command line does (docs/config.md). Raises MigsafeError, whose `exit_code` is the command's. What
a function finds is no error: see `ok`, `exit_code` and `findings` of its report.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, get_args

from migsafe import config, pipeline
from migsafe.config import Asking, Gate, Kind, Options, Settings
from migsafe.errors import UsageError

if TYPE_CHECKING:
    from migsafe.reports import Report


class Where(TypedDict, total=False):
    """Which target and which files, named as the flags are."""

    config: str | Path
    env: str
    url: str
    migrations: str | Path
    history: Kind
    audits: str | Path
    gate: Gate
    shadow: str


def status(**where: Unpack[Where]) -> "Report":
    """Hold the files against the target's own record; read-only."""
    return pipeline.status(_settings(where))


def lint(*files: str | Path, changed_since: str | None = None, **where: Unpack[Where]) -> "Report":
    """Say what the statements of migrations risk: of the whole history, or of the given files.

    With `url` or `env`, what is pending there is weighed by the live tables.
    """
    from migsafe.pipeline import linting, sources

    live = "url" in where or "env" in where
    names = tuple(str(file) for file in files)
    asked = sources.Asked(files=names, changed_since=changed_since, live=live)
    return linting.lint(_settings(where), asked)


def audit(
    *, derived: bool = True, fast: bool = False, replica: str | None = None, **where: Unpack[Where]
) -> "Report":
    """Ask of the live rows what audits and pending migrations need to know; read-only."""
    asking = Asking(derived=derived, fast=fast, replica=replica)
    return pipeline.audit(_settings(where), asking=asking)


def plan(*, to: str | None = None, **where: Unpack[Where]) -> "Report":
    """Say what an apply would do, and whether it may; read-only."""
    return pipeline.plan(_settings(where), to=to)


def apply(
    *, to: str | None = None, snapshot: bool = False, lock_wait: float = 0.0, **where: Unpack[Where]
) -> "Report":
    """Plan, gate, take a snapshot, run and verify; it asks nobody before it acts.

    `lock_wait` is in seconds.
    """
    return pipeline.apply(_settings(where), to=to, snapshot=snapshot, lock_wait=lock_wait)


def verify(*, owners: bool = False, grants: bool = False, **where: Unpack[Where]) -> "Report":
    """Hold the live schema against what the history and the expectations say; read-only."""
    return pipeline.verify(_settings(where), owners=owners, grants=grants)


def _settings(where: Where) -> Settings:
    given: dict[str, Any] = dict(where)
    for name, words in _WORDS.items():
        if given.get(name) not in (None, *words):
            raise UsageError(name, f"{given[name]!r} is unknown", f"give {' or '.join(words)}")
    for name in _PATHS & given.keys():
        given[name] = Path(given[name])
    return config.load(Options(**given))


_PATHS = {"config", "migrations", "audits"}

_WORDS = {"gate": get_args(Gate), "history": get_args(Kind)}
