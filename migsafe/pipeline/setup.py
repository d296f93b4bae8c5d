"""Init: find a repository's history and write its config."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

from ulid import ULID

from migsafe import config, histories
from migsafe.errors import ExitCode, UsageError
from migsafe.reports import Report


def init(root: Path, migrations: Path | None = None) -> Report:
    """Find the one history below `root` and write `migsafe.toml`; refuse to guess between two."""
    started, clock = datetime.now(UTC), time.monotonic()
    file = root / config.FILE
    if file.exists():
        raise UsageError(str(file), "is already there", "change it, or remove it first")
    path, kind = _only_history(root, migrations)
    mark = "" if (root / "audits").is_dir() else "# "
    text = _TEMPLATE.format(path=path.as_posix(), kind=kind, mark=mark)
    config.parse_text(text, file)
    file.write_text(text, "utf-8")
    return Report(
        command="init",
        run=str(ULID()),
        ok=True,
        exit_code=int(ExitCode.OK),
        started=started,
        seconds=round(time.monotonic() - clock, 3),
        notes=(f"Wrote {file}, for the {kind} history in {path}.",),
        next=f"{'' if config.ambient(root) else _SET}migsafe status",
    )


_SET = "set DATABASE_URL to your database, then "


def _only_history(root: Path, migrations: Path | None) -> tuple[Path, str]:
    if migrations:
        settings = config.HistoryConfig()
        return _relative(migrations, root), histories.load(migrations, settings).kind
    found = list(histories.find(root))
    if not found:
        raise UsageError(str(root), "no migrations are found below it", "give --migrations PATH")
    listed = ", ".join(f"{_relative(path, root)} ({' or '.join(kinds)})" for path, kinds in found)
    if len(found) > 1:
        raise UsageError(str(root), f"holds {len(found)} histories: {listed}", "give --migrations")
    return _relative(found[0][0], root), histories.load(found[0][0], config.HistoryConfig()).kind


def _relative(path: Path, root: Path) -> Path:
    return Path(os.path.relpath(path, root))


_TEMPLATE = """\
# migsafe: which history, which audits, which databases.

[history]
path = "{path}"
kind = "{kind}"

{mark}[audits]
{mark}path = "audits"

[gate]
severity = "error"   # findings of this severity or worse stop apply

# [env.production]
# url = "env:DATABASE_URL"
# snapshot = "pg_dump"
# lock_timeout = "5s"
# attempts = 10
"""
