"""What is looked at before a snapshot is asked for: refusals, and what a person should know.

A refusal comes before anything was made. What the role may not ask is said, never guessed.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from migsafe.aws import explained
from migsafe.aws.identify import Database
from migsafe.errors import UnreachableError
from migsafe.snapshots import calls, polling
from migsafe.snapshots.polling import Seen

Described = Mapping[str, Any]
Answer = TypeVar("Answer")

#: How near a window is worth a word.
_NEAR = timedelta(minutes=30)

#: How far behind the last restorable time may be: logs are shipped every five minutes.
_BEHIND = timedelta(minutes=30)

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")


def usable(
    client: Any, database: Database, *, timeout: float, notify: Callable[[str], None]
) -> Described:
    """Wait until a snapshot can be taken of the database; return its description by then."""
    names = calls.of(database)
    found: dict[str, Described] = {}

    def look() -> Seen | None:
        with explained(f"{database.kind} {database.id}"):
            answer = getattr(client, names.describe_source)(**{names.source: database.id})
        found["now"] = answer[names.sources][0]
        return Seen(status=found["now"][names.status])

    polling.wait(
        look,
        place=f"{database.kind} {database.id}",
        statuses=polling.DATABASE,
        timeout=timeout,
        remedy="no snapshot was asked for and nothing was applied; wait until it is available",
        notify=notify,
    )
    return found["now"]


def check(client: Any, database: Database, now: Described, when: datetime) -> list[str]:
    """Return what a person should know; raise UnreachableError where AWS would refuse."""
    denied: list[str] = []
    quotas = allowed(lambda: _quotas(client), "how many snapshots are allowed", denied)
    actions = allowed(lambda: _maintenance(client, database), "pending maintenance", denied)
    _refuse_full(quotas or {}, database)
    return [
        *_room(quotas or {}, database),
        *windows(now, when),
        *pending(now, actions or []),
        *net(now, when),
        *manners(now, database),
        *denied,
    ]


def allowed(ask: Callable[[], Answer], what: str, denied: list[str]) -> Answer | None:
    """Return an answer; where the role may not ask, None, and a sentence in `denied`."""
    from botocore.exceptions import ClientError

    with explained(what):
        try:
            return ask()
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code not in _DENIED:
                raise
            denied.append(f"Not known, since AWS answers {code}: {what}.")
            return None


def _quotas(client: Any) -> dict[str, tuple[int, int]]:
    """Return what is used and what is allowed, by the name of the quota."""
    answer = client.describe_account_attributes()["AccountQuotas"]
    return {one["AccountQuotaName"]: (one["Used"], one["Max"]) for one in answer}


def _maintenance(client: Any, database: Database) -> list[str]:
    """Return the pending maintenance actions of the database and of its members."""
    arns = {database.arn, *(one["DBInstanceArn"] for one in database.members)}
    pages = client.get_paginator("describe_pending_maintenance_actions").paginate()
    return [
        action["Action"]
        for page in pages
        for one in page["PendingMaintenanceActions"]
        if one.get("ResourceIdentifier") in arns
        for action in one.get("PendingMaintenanceActionDetails", [])
    ]


def _refuse_full(quotas: Mapping[str, tuple[int, int]], database: Database) -> None:
    used, most = quotas.get(calls.of(database).quota, (0, 1))
    if used >= most:
        raise UnreachableError(
            f"snapshot of {database.id}",
            f"account {database.account} has {used} of {most} manual snapshots in "
            f"{database.region}",
            "migsafe snapshot prune, or ask AWS for more; nothing was applied",
        )


def _room(quotas: Mapping[str, tuple[int, int]], database: Database) -> Iterator[str]:
    """Say what a restore would lack: it needs one more of each."""
    for name in ("DBInstances", *(("DBClusters",) if database.kind != "instance" else ())):
        used, most = quotas.get(name, (0, 1))
        if used >= most:
            yield f"A restore needs room: the account has {used} of {most} {name}."


def windows(now: Described, when: datetime) -> Iterator[str]:
    """Say whether a window of AWS is open, or opens within half an hour; both are in UTC."""
    names = {"PreferredBackupWindow": "backup", "PreferredMaintenanceWindow": "maintenance"}
    for key, name in names.items():
        window = now.get(key)
        if window and near(window, when):
            yield f"The {name} window ({window} UTC) is now or within 30 minutes."


def near(window: str, when: datetime) -> bool:
    """Tell whether ``03:00-04:00`` or ``sun:03:00-sun:04:00`` is open, or opens soon.

    Half an hour before it opens counts as open; a window may go over midnight, and over Sunday.
    """
    begin, _, end = window.partition("-")
    cycle = 7 * 24 * 60 if begin.count(":") == 2 else 24 * 60
    first, last = _minutes(begin), _minutes(end)
    minute = (when.weekday() * 24 + when.hour) * 60 + when.minute
    soon = int(_NEAR.total_seconds() / 60)
    return (minute - first + soon) % cycle < (last - first) % cycle + soon


def _minutes(text: str) -> int:
    """Return the minute of the week, or of the day where no weekday is said."""
    *day, hour, minute = text.lower().split(":")
    return (24 * _DAYS.index(day[0]) if day else 0) * 60 + int(hour) * 60 + int(minute)


def pending(now: Described, actions: list[str]) -> Iterator[str]:
    """Say what AWS may do to the database while migrations run."""
    changes = now.get("PendingModifiedValues") or {}
    if changes:
        yield f"Modifications are pending, which may restart it: {', '.join(sorted(changes))}."
    if actions:
        yield f"Maintenance is pending: {', '.join(sorted(actions))}."


def net(now: Described, when: datetime) -> Iterator[str]:
    """Say what is wrong with the second way back, a restore to a point in time."""
    latest = now.get("LatestRestorableTime")
    if not now.get("BackupRetentionPeriod"):
        yield (
            "Automated backups are off (retention 0): the snapshot is the only way back, there is "
            "no restore to a point in time."
        )
    elif latest is None:
        yield "AWS says no latest restorable time: no restore to a point in time can be promised."
    elif when - latest > _BEHIND:
        yield f"The latest restorable time is {latest:%Y-%m-%d %H:%M} UTC, far behind."


def manners(now: Described, database: Database) -> Iterator[str]:
    """Say what the snapshot does to the database, and what it leaves open."""
    if database.kind == "instance" and not now.get("MultiAZ"):
        yield (
            "The instance is in a single zone: its I/O stands still for seconds to minutes while "
            "the snapshot begins."
        )
    if not now.get("StorageEncrypted"):
        yield "The storage is not encrypted, and neither is the snapshot."
