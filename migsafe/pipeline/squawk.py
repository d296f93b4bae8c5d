"""`.squawk.toml`, for a repository that has no `[lint]` of its own yet. Reads that file only."""

import tomllib
from pathlib import Path
from typing import Any

from migsafe.config import LintConfig
from migsafe.errors import UsageError
from migsafe.hazards import foreign

FILE = ".squawk.toml"


def find(root: Path) -> Path | None:
    """Return the file that squawk would read from `root` on upward, None where there is none."""
    here = root.resolve()
    return next((path for d in (here, *here.parents) if (path := d / FILE).is_file()), None)


def load(path: Path) -> LintConfig:
    """Read what it says of rules, version and transaction; its other keys mean nothing here."""
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(str(path), f"is not valid TOML: {error}", "correct it") from None
    assumed = raw.get("assume_in_transaction")
    return LintConfig(
        on=_mapped(raw, "included_rules"),
        off=_mapped(raw, "excluded_rules"),
        pg_version=_major(raw.get("pg_version")),
        transaction="auto" if not isinstance(assumed, bool) else "yes" if assumed else "no",
    )


def _mapped(raw: dict[str, Any], key: str) -> tuple[str, ...]:
    names = raw.get(key)
    listed = names if isinstance(names, list) else []
    ours = (rule for name in listed for rule in foreign.SQUAWK.get(str(name), ()))
    return tuple(dict.fromkeys(ours))


def _major(version: object) -> int | None:
    major = str(version).partition(".")[0]
    return int(major) if major.isdecimal() else None
