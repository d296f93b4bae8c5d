"""What can go wrong, as exit codes and one-line exceptions.

Findings are data (`migsafe.findings`); an exception here means that a command could not do its
work. Never holds a password, a token or a full URL: `conceal` names the secrets of this process
and every text that leaves it passes through `redacted`.
"""

import difflib
import re
from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """What a script learns from a run (CONTRACT, "Exit codes")."""

    OK = 0
    FINDINGS = 1
    USAGE = 2
    UNREACHABLE = 3
    BUSY = 4
    FAILED = 5
    DIRTY = 6
    UNMANAGED = 7
    BUG = 70
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        """One sentence for the person who reads the code."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.OK: "done, or nothing to do",
    ExitCode.FINDINGS: "the gate refused, or verification found a difference",
    ExitCode.USAGE: "fix the call or the config",
    ExitCode.UNREACHABLE: "fix the environment: database, secret store, AWS, shadow",
    ExitCode.BUSY: "a lock was not free: run it again",
    ExitCode.FAILED: "a migration failed and was rolled back: fix its SQL",
    ExitCode.DIRTY: "something outside a transaction stopped midway: a person must look",
    ExitCode.UNMANAGED: "the history's own table does not account for the schema",
    ExitCode.BUG: "a bug in migsafe: report it",
    ExitCode.INTERRUPTED: "interrupted; the open migration was rolled back",
}


class MigsafeError(Exception):
    """A failure that a person can act on: one line, place first, remedy last."""

    exit_code = ExitCode.BUG

    def __init__(self, place: str, problem: str, remedy: str) -> None:
        """Join the three parts into the one line that is shown."""
        # Before and after: joining the lines changes a secret that holds white space.
        line = " ".join(redacted(f"{place}: {problem}; {remedy}").split())
        super().__init__(redacted(line))


def code_of(error: BaseException) -> ExitCode:
    """Return the code of a command that an exception ends."""
    if isinstance(error, MigsafeError):
        return error.exit_code
    return ExitCode.INTERRUPTED if isinstance(error, KeyboardInterrupt) else ExitCode.BUG


class UsageError(MigsafeError):
    """The call, the config or an input file is wrong; nothing was changed."""

    exit_code = ExitCode.USAGE


class UnreachableError(MigsafeError):
    """The environment does not answer or does not allow it; nothing was changed."""

    exit_code = ExitCode.UNREACHABLE


class BusyError(MigsafeError):
    """Somebody else holds a lock that the run needs."""

    exit_code = ExitCode.BUSY


_secrets: set[str] = set()


def conceal(secret: str | None) -> None:
    """Take `secret` out of every text that `redacted` sees from now on."""
    if secret:
        _secrets.add(secret)


#: A login in anything like a URL (a path collapses its slashes), and a password as a parameter.
_LOGIN = re.compile(
    r"(postgres(?:ql)?:/+[^\s:/@]*):[^\s'\"]*@|(password['\"]?\s*[=:]\s*['\"]?)[^\s&'\"]+"
)


def redacted(text: str) -> str:
    """Return `text` with every concealed secret, and every login of a URL, replaced by ``***``."""
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return _LOGIN.sub(lambda m: f"{m[1]}:***@" if m[1] else f"{m[2]}***", text)


#: Characters that begin too much to be meant for anything; arbitrary.
_TOO_SHORT = 2


def nearest(name: str, candidates: Iterable[str]) -> str:
    """Return ``did you mean X?`` for the closest candidate, or an empty string.

    A name that differs only in case, hyphenation or number is closest, then the only one that it
    begins. Where `name` and every candidate are qualified, a close one of its own schema goes over
    the same name in another.
    """
    known = list(dict.fromkeys(candidates))
    qualified = "." in name and known and all("." in candidate for candidate in known)
    close = _closest_qualified(name, known) if qualified else _closest(name, known)
    return f"did you mean {close}?" if close else ""


def _closest_qualified(name: str, known: Iterable[str]) -> str | None:
    schema, _, bare = name.partition(".")
    split = [candidate.partition(".") for candidate in known]
    own = _closest(bare, [near for owner, _, near in split if owner == schema])
    if own:
        return f"{schema}.{own}"
    same = [f"{owner}.{near}" for owner, _, near in split if _plain(near) == _plain(bare)]
    return next(iter(difflib.get_close_matches(name, same, n=1, cutoff=0.0)), None)


def _closest(name: str, known: Iterable[str]) -> str | None:
    same = [candidate for candidate in known if _plain(candidate) == _plain(name)]
    begun = [candidate for candidate in known if candidate.startswith(name)]
    if len(begun) == 1 and len(name) > _TOO_SHORT and not same:
        return begun[0]
    lowered = {candidate.lower(): candidate for candidate in same or known}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.0 if same else 0.5)
    return lowered[close[0]] if close else None


def _plain(name: str) -> str:
    """Return a name without case, underscores and plural: ClinicalNote is clinical_notes."""
    plain = re.sub(r"[\W_]+", "", name.lower())
    for plural, singular in ((r"ies$", "y"), (r"(ss|x|z|ch|sh)es$", r"\1"), (r"([^su])s$", r"\1")):
        plain, changed = re.subn(plural, singular, plain)
        if changed:
            return plain
    return plain
