"""Snapshots of RDS: of an instance, of an Aurora cluster, of a Multi-AZ DB cluster.

One that is returned is available, unless nobody was to wait for it. It is found again by its tags.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from migsafe import config
from migsafe.aws import Cloud, explained, identify
from migsafe.aws.identify import Database
from migsafe.errors import MigsafeError, UnreachableError, UsageError, code_of
from migsafe.snapshots import (
    Copy,
    Shelf,
    Taking,
    calls,
    manifest,
    polling,
    preflight,
    requests,
    surroundings,
)
from migsafe.snapshots.calls import Calls, Described
from migsafe.snapshots.manifest import TAG, Fingerprint, Manifest
from migsafe.snapshots.polling import Seen

if TYPE_CHECKING:  # the driver is heavy, and the choice of a provider does without it
    from migsafe.catalog import Server
    from migsafe.target import Session

#: An identifier of a cluster's snapshot has 63 characters at most, of an instance's 255.
_LONGEST = 63

#: How to go on after a snapshot that was begun and is not there.
_AGAIN = "nothing was applied; see what AWS says of it, then run it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A database with the client to ask about it."""

    cloud: Cloud
    client: Any = field(repr=False)
    database: Database

    @property
    def calls(self) -> Calls:
        return calls.of(self.database)


def foreseen(shelf: Shelf, _: Server) -> Sequence[str]:
    """Return what is said before a snapshot is taken; raise where it would be refused."""
    place = _reached(shelf)
    now = place.database.described
    status = now[place.calls.status]
    known = preflight.check(place.client, place.database, now, _now())
    ready = status in polling.DATABASE.good
    waits = f"It is {status}: the snapshot waits until it is available."
    return [*_who(place), *([] if ready else [waits]), *known]


def take(taking: Taking) -> Manifest:
    """Take a snapshot, and wait until it is available."""
    place = _reached(taking)
    timeout = config.duration(taking.env.snapshot_timeout, "snapshot_timeout")
    now = preflight.usable(place.client, place.database, timeout=timeout, notify=taking.notify)
    notes = [*_who(place), *preflight.check(place.client, place.database, now, _now())]
    _told(taking, notes)
    _refuse_unwaited(taking, place.database, now)
    before = _looked(taking)
    name = named(place.database.id, before.moment, taking.run)
    built = _requests(place, now, name, taking.run)
    source = surroundings.read(place.client, place.database, now, notes)
    made = _made(place, name, _tags(taking, place.database, before.moment))
    with _outlived(place, taking, made):
        if taking.wait:
            made = _available(place, taking, name, timeout)
        held = _held(taking, before)
    return Manifest(
        run=taking.run,
        provider="rds",
        id=name,
        taken=made.get("SnapshotCreateTime") or before.moment,
        moment=before.moment,
        place=taking.target.place,
        database=taking.server.database,
        server_version=taking.server.version,
        size=made.get("FullSnapshotSizeInBytes"),
        restorable_from=(source["restore_window"] or {}).get("earliest"),
        restorable_to=now.get("LatestRestorableTime"),
        git_commit=taking.git_commit,
        complete=taking.wait,
        fingerprint=held,
        source=source,
        copy=dict(made),
        requests=built,
        notes=(*notes, *before.notes),
    )


def found(shelf: Shelf) -> Sequence[Copy]:
    """Return our own snapshots of the database, also from before it was renamed, oldest first."""
    place = _reached(shelf)
    with explained(f"snapshots of {place.database.id}"):
        every = [
            _copy(place, one)
            for one in calls.manual(place.client, place.calls)
            if ours(place.database, one)
        ]
    return sorted(every, key=lambda copy: copy.taken)


def delete(shelf: Shelf, copy: Copy) -> None:
    """Delete a snapshot, once more looked at: its tags may have changed since it was listed."""
    place = _reached(shelf)
    with explained(f"snapshot {copy.id}"):
        one = calls.described(place.client, place.calls, copy.id)
        if one is None:
            return
        tags = calls.tags(one)
        is_ours = ours(place.database, one) and copy.id.startswith("migsafe-")
        if not is_ours or tags.get(f"{TAG}keep") == "true" or one["Status"] != "available":
            problem = "is not ours to delete, is to be kept, or is in use"
            raise UnreachableError(f"snapshot {copy.id}", problem, "look at its tags and status")
        shelf.notify(f"{place.cloud}: deleting snapshot {copy.id}")
        getattr(place.client, place.calls.delete)(**{place.calls.id: copy.id})


def settle(shelf: Shelf, taken: Manifest, outcome: str) -> None:
    """Write into the snapshot's tags how its run has ended."""
    _settled(_reached(shelf), taken.copy, outcome)


def _settled(place: _Place, made: Described, outcome: str) -> None:
    tag = {"Key": f"{TAG}outcome", "Value": manifest.tag(outcome)}
    with explained(f"snapshot {made[place.calls.id]}"):
        arn = made[place.calls.arn]
        place.client.add_tags_to_resource(ResourceName=arn, Tags=[tag])


@contextmanager
def _outlived(place: _Place, taking: Taking, made: Described) -> Iterator[None]:
    """Write into the tags of a snapshot that its run has ended, where that does not wait for it."""
    try:
        yield
    except BaseException as error:
        if taking.outcome == "open":
            with suppress(MigsafeError):  # an open one is pruned in time, too
                _settled(place, made, code_of(error).name)
        raise


def named(database: str, when: datetime, run: str) -> str:
    """Return a name that AWS takes for snapshots of instances and of clusters."""
    last = f"{when.astimezone(UTC):%Y%m%dt%H%M%Sz}-{run[-8:].lower()}"
    room = _LONGEST - len(f"migsafe--{last}")
    middle = re.sub(r"[^a-z0-9]+", "-", database.lower())[:room].strip("-")
    return "-".join(part for part in ("migsafe", middle, last) if part)


def _reached(shelf: Shelf) -> _Place:
    """Find the database behind the target."""
    cloud, database = identify.reach(shelf.target.params.get("host", ""), shelf.env)
    return _Place(cloud=cloud, client=cloud.client("rds"), database=database)


def _who(place: _Place) -> list[str]:
    database = place.database
    return [
        f"{place.cloud}: {database.kind} {database.id} ({database.resource_id}), found by its "
        f"{database.via}."
    ]


def _told(taking: Taking, notes: Sequence[str]) -> None:
    for note in notes:
        taking.notify(note)


def _refuse_unwaited(taking: Taking, database: Database, now: Described) -> None:
    """Refuse to begin before the snapshot is complete where nothing else leads back."""
    if taking.wait or (now.get("BackupRetentionPeriod") and now.get("LatestRestorableTime")):
        return
    problem = f"{database.id} cannot go back to a point in time (its automated backups are off)"
    raise UsageError("--no-wait", problem, "leave --no-wait out, so that the snapshot is complete")


class _Look(Struct, frozen=True, kw_only=True):
    """What the database held, and its clock then."""

    moment: datetime
    fingerprint: Fingerprint
    written: Mapping[str, tuple[int, int]]
    notes: tuple[str, ...]


def _looked(taking: Taking) -> _Look:
    from migsafe import catalog, target
    from migsafe.catalog import counts

    taking.notify("reading what the database holds")
    with target.translated(taking.target), _session(taking) as conn:
        written = counts.written(conn)  # before the rows are counted: more than was is no harm
        fingerprint = taking.fingerprint(conn)
        unlogged = counts.unlogged(conn)
        moment = catalog.one(conn, "SELECT pg_catalog.clock_timestamp()")[0]
    note = f"Unlogged tables come back empty: {', '.join(unlogged)}."
    notes = (note,) if unlogged else ()
    return _Look(moment=moment, fingerprint=fingerprint, written=written, notes=notes)


def _session(taking: Taking) -> Session:
    from migsafe import target

    return target.connect(taking.target, read_only=True)


def _held(taking: Taking, look: _Look) -> Fingerprint:
    """Say what the snapshot holds: what the database held before and after it, if both agree.

    The moment that a snapshot holds lies between the two. Others write meanwhile, and so does the
    run where nobody waits.
    """
    from migsafe import target
    from migsafe.catalog import counts

    before = look.fingerprint
    if not taking.wait:
        return replace(before, exact=False, estimated=tuple(before.counts))
    with target.translated(taking.target), _session(taking) as conn:
        after = taking.fingerprint(conn)
        written = counts.written(conn)
    if (after.facts, after.migrations) != (before.facts, before.migrations):
        problem = "the schema was changed while the snapshot was taken, nothing was applied"
        raise UnreachableError("snapshot", problem, "see who deploys, then run it again")
    unsure = {*before.estimated, *after.estimated}
    later = {
        table: rows
        for table, rows in after.counts.items()
        if table not in unsure and rows != before.counts.get(table, rows)
    }
    return replace(
        before,
        later=later,
        between=counts.between(before.counts, after.counts, look.written, written),
        exact=not unsure,
        estimated=tuple(sorted(unsure)),
    )


def _requests(place: _Place, now: Described, name: str, run: str) -> dict[str, Any]:
    """Build the restore as it would be asked for now, and hold it against the service's model."""
    database, tags = place.database, {f"{TAG}managed": "true", f"{TAG}run": run}
    longest = 52 if database.kind == "multi-az-cluster" else 63
    beside = requests.beside(database.id, f"restore-{run[-8:].lower()}", longest)
    if database.kind == "instance":
        built: dict[str, Any] = requests.of_instance(now, snapshot=name, name=beside, tags=tags)
    else:
        built = requests.of_cluster(now, database.members, snapshot=name, name=beside, tags=tags)
    for operation, asked in built.items():
        for one in asked if isinstance(asked, list) else [asked]:
            _check(place.client, operation, one)
    return built


def _check(client: Any, operation: str, asked: Mapping[str, Any]) -> None:
    """Refuse now what AWS would refuse on the day of the restore."""
    from botocore.validate import ParamValidator

    model = client.meta.service_model
    shape = model.operation_model(client.meta.method_to_api_mapping[operation]).input_shape
    report = ParamValidator().validate(asked, shape)
    if report.has_errors():
        problem = f"the request that would restore it is not valid: {report.generate_report()}"
        raise UnreachableError(f"snapshot: {operation}", problem, "nothing was applied; report it")


def _tags(taking: Taking, database: Database, when: datetime) -> dict[str, str]:
    return manifest.tags(
        run=taking.run,
        target=taking.target.place,
        resource_id=database.resource_id,
        created=when,
        keep=config.duration(taking.env.snapshot_keep, "snapshot_keep"),
        outcome=taking.outcome,
    )


def _made(place: _Place, name: str, tags: Mapping[str, str]) -> Described:
    """Ask for the snapshot; one of this name is taken over where it is of this run.

    An answer that is lost is asked for again by botocore, and the second answer is a refusal.
    """
    names, client = place.calls, place.client
    asked = {names.source: place.database.id, names.id: name}
    with explained(f"snapshot {name}"):
        try:
            made: Described = getattr(client, names.create)(
                **asked, Tags=[{"Key": key, "Value": value} for key, value in tags.items()]
            )[names.one]
        except getattr(client.exceptions, names.exists):
            there = calls.described(client, names, name)
            if there is None or calls.tags(there).get(f"{TAG}run") != tags[f"{TAG}run"]:
                problem = "a snapshot of this name is there, and it is not of this run"
                raise UnreachableError(f"snapshot {name}", problem, _AGAIN) from None
            made = there
    return made


def _available(place: _Place, taking: Taking, name: str, timeout: float) -> Described:
    """Wait for the snapshot; return its description by then."""
    last: dict[str, Described] = {}

    def look() -> Seen | None:
        with explained(f"snapshot {name}"):
            one = calls.described(place.client, place.calls, name)
        if one is None:
            return None
        last["seen"] = one
        return Seen(status=one["Status"], percent=one.get("PercentProgress"))

    polling.wait(
        look,
        place=f"snapshot {name}",
        statuses=polling.SNAPSHOT,
        timeout=timeout,
        remedy="nothing was applied; see what AWS says of it, then run it again, with "
        "--snapshot-timeout where it needs longer",
        notify=taking.notify,
    )
    return last["seen"]


def ours(database: Database, one: Described) -> bool:
    """Tell whether migsafe made a snapshot, of this very database or of what it was restored from.

    A restored one says whom it stands for; their snapshots are its own once it has their name.
    """
    tags, names = calls.tags(one), calls.of(database)
    if tags.get(f"{TAG}managed") != "true":
        return False
    whose = tags.get(f"{TAG}resource-id")
    before = calls.tags(database.described).get(manifest.WAS, "").split()
    return whose == database.resource_id or (whose in before and one[names.source] == database.id)


def _copy(place: _Place, one: Described) -> Copy:
    tags = calls.tags(one)
    return Copy(
        provider="rds",
        id=one[place.calls.id],
        run=tags.get(f"{TAG}run", ""),
        taken=moment(tags.get(f"{TAG}created")) or one.get("SnapshotCreateTime") or _now(),
        status=one["Status"],
        size=one.get("FullSnapshotSizeInBytes"),
        expires=moment(tags.get(f"{TAG}expires")),
        keep=tags.get(f"{TAG}keep") == "true",
        outcome=tags.get(f"{TAG}outcome", "open"),
    )


def moment(text: str | None) -> datetime | None:
    """Read the time in a tag; None where there is none that can be read."""
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:  # somebody has changed the tag
        return None
    return found if found and found.tzinfo else None


def _now() -> datetime:
    return datetime.now(UTC)
