"""One `Report` for every command, and one pure function a format that renders it."""

import importlib
from collections.abc import Callable, Mapping
from datetime import datetime

from msgspec import Struct, field

from migsafe import __version__, facts
from migsafe.blockers import Blocker
from migsafe.findings import Finding
from migsafe.ledger import Run
from migsafe.outcomes import StepResult
from migsafe.snapshots import Copy, Snapshot
from migsafe.verifying import Verification


class TargetInfo(Struct, frozen=True, kw_only=True):
    """Which database answered; nothing of its login but the user."""

    name: str
    host: str
    port: int
    database: str
    user: str
    server_version: str


class HistoryInfo(Struct, frozen=True, kw_only=True):
    """Where the target stood in its history when the command read it."""

    kind: str
    path: str
    table: str
    state: str
    applied: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    finished: Mapping[str, datetime | None] = field(default_factory=dict)


class LockInfo(Struct, frozen=True, kw_only=True):
    """A lock on a relation of the target that a migration takes, by its SQL and the catalog."""

    relation: str
    mode: str


class Planned(Struct, frozen=True, kw_only=True):
    """One migration that an apply would run; `alone` says why it runs outside a transaction.

    `locks` has the strongest one on each relation, as far as the target's schema is known.
    """

    migration: str
    statements: int
    alone: str | None
    locks: tuple[LockInfo, ...] = ()


class FactInfo(Struct, frozen=True, kw_only=True):
    """One fact of the schema as it is and as it would be; None where it is not there."""

    fact: str
    found: str | None
    expected: str | None

    def __str__(self) -> str:
        """Return it as a sentence's part."""
        return facts.compared(self.fact, self.found, self.expected)


class PartialInfo(Struct, frozen=True, kw_only=True):
    """A migration of which a part is in effect, with the number of its facts."""

    migration: str
    present: int
    absent: int


class VerdictInfo(Struct, frozen=True, kw_only=True):
    """What the live schema says of one migration, and all the facts behind it."""

    migration: str
    verdict: str
    present: tuple[FactInfo, ...] = ()
    absent: tuple[FactInfo, ...] = ()
    changed: tuple[FactInfo, ...] = ()


class BaselineInfo(Struct, frozen=True, kw_only=True):
    """CONTRACT's `baseline`. `nearest` are the last migrations of the states that differ least.

    `distance` counts the facts that differ from them; `written` are the records made.
    """

    in_effect: tuple[str, ...]
    pending: tuple[str, ...]
    skipped: tuple[str, ...]
    undecidable: tuple[str, ...]
    partial: tuple[PartialInfo, ...]
    exact: bool
    drift: tuple[FactInfo, ...]
    nearest: tuple[str, ...] = ()
    distance: int = 0
    verdicts: tuple[VerdictInfo, ...] = ()
    server: str = ""
    replayed: int = 0
    stand_ins: tuple[str, ...] = ()
    written: tuple[str, ...] = ()


class FixInfo(Struct, frozen=True, kw_only=True):
    """One file as `lint --fix` would have it, as a unified diff; `new` where it makes the file."""

    file: str
    new: bool
    diff: str


class RestoreStep(Struct, frozen=True, kw_only=True):
    """One step of a restore, and how far it is: open, begun, done, found, failed or undone."""

    step: str
    state: str
    error: str | None = None


class RestoreInfo(Struct, frozen=True, kw_only=True):
    """One restore. `copy` and `old` are names: beside, and of the database once it is swapped out.

    `outcome` is None midway, and where it is only shown. `lost` says what is not in the snapshot,
    `by_hand` what a person has to do afterwards.
    """

    id: str
    run: str
    provider: str
    snapshot: str
    place: str
    taken: datetime
    copy: str
    old: str
    outcome: str | None = None
    steps: tuple[RestoreStep, ...] = ()
    lost: tuple[str, ...] = ()
    estimate: str = "not known"
    by_hand: tuple[str, ...] = ()


class Report(Struct, frozen=True, kw_only=True):
    """What a command found and did. Times are UTC, `seconds` a duration, `next` a sentence.

    `host` is where it ran. `previous` is the sum of the run before it in the ledger, empty in the
    ledger's first; None where the ledger does not keep it.
    """

    schema: str = "migsafe/1"
    command: str
    version: str = __version__
    run: str
    target: TargetInfo | None = None
    history: HistoryInfo | None = None
    ok: bool
    exit_code: int
    started: datetime
    seconds: float
    findings: tuple[Finding, ...] = ()
    steps: tuple[StepResult, ...] = ()
    snapshot: Snapshot | None = None
    restore: RestoreInfo | None = None
    copies: tuple[Copy, ...] = ()
    verification: Verification | None = None
    baseline: BaselineInfo | None = None
    fixes: tuple[FixInfo, ...] = ()
    plan: tuple[Planned, ...] = ()
    blockers: tuple[Blocker, ...] = ()
    runs: tuple[Run, ...] = ()
    git_commit: str | None = None
    host: str | None = None
    previous: str | None = None
    notes: tuple[str, ...] = ()
    error: str | None = None
    next: str | None = None


def parse(text: str) -> Report:
    """Read a stored report back; raise ValueError where it is none of ours."""
    import msgspec

    try:
        return msgspec.json.decode(text, type=Report)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None


def json(report: Report, *, verbose: bool = False) -> str:  # noqa: ARG001  # one signature for all
    """Render as one JSON object."""
    return encoded(report)


def encoded(value: object) -> str:
    """Return a value as JSON; what is no UTF-8 in the name of a file becomes a question mark."""
    import msgspec

    try:
        text = msgspec.json.encode(value)
    except UnicodeEncodeError:
        text = msgspec.json.encode(_readable(msgspec.to_builtins(value)))
    return msgspec.json.format(text, indent=2).decode()


def _readable(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_readable(key): _readable(item) for key, item in value.items()}
    return [_readable(item) for item in value] if isinstance(value, list | tuple) else value


def _of(module: str) -> Callable[..., str]:
    """Return the renderer of a module, which is loaded when it is called for."""

    def render(report: Report, *, verbose: bool = False) -> str:
        loaded = importlib.import_module(f"migsafe.reports.{module}")
        return str(loaded.render(report, verbose=verbose))

    return render


#: The registry, and the choices of --format.
RENDERERS: Mapping[str, Callable[..., str]] = {
    "text": _of("text"),
    "json": json,
    "markdown": _of("markdown"),
    "html": _of("html"),
    "sarif": _of("sarif"),
    "junit": _of("junit"),
    "github": _of("github"),
    "gitlab": _of("gitlab"),
}
