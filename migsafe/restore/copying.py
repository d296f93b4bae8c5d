"""The steps to a verified copy beside the database. None of them touches the database itself."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from migsafe import target
from migsafe.errors import UnreachableError
from migsafe.findings import Finding, Severity
from migsafe.restore import Differs, comparing, configured, sessions
from migsafe.restore.resources import MADE, Thing, asked
from migsafe.restore.scene import OLD, SERVED, Scene, ours, standing_for
from migsafe.snapshots import polling

#: Seconds for which values may take to show after a change; arbitrary. What never shows is said.
_SHOWING = 900.0

#: Seconds of a day: as long as the rows of a copy may take to be counted.
_COUNTING = 24 * 3600.0


#: How many tags something may have in AWS; ours come last.
_TAGS = 50


class Restore(Struct, frozen=True):
    """Have AWS build the copy from the snapshot, under a name of its own."""

    scene: Scene
    request: Mapping[str, Any]
    name: str = "restore beside"

    def done(self) -> bool:
        """Tell whether the copy is there, in whatever state."""
        return self.scene.new() is not None

    def act(self) -> None:
        """Begin the restore; go on with what a call has made whose answer was lost.

        Deletion protection comes last, so that an undo can delete the copy.
        """
        scene = self.scene
        was = scene.restoring.manifest.source["resource_id"]
        tags = standing_for(ours(self.request.get("Tags", ()), scene.journal.record.id), was)
        if left := tags[:-_TAGS]:
            names = ", ".join(pair["Key"] for pair in left)
            say(scene, f"AWS allows {_TAGS} tags, so the copy has none of these: {names}.")
        request = {**self.request, "Tags": tags[-_TAGS:], "DeletionProtection": False}
        if not scene.kind.restore(request) and scene.new() is None:
            remedy = "rename or delete that one, or wait for the restore that made it"
            raise UnreachableError(scene.beside, "the name is taken", remedy)
        scene.wait(lambda: None if scene.new() else "not there yet", scene.beside)

    def undo(self) -> None:
        """Delete the copy; keep one that has been the database, for nobody else has its writes."""
        scene = self.scene
        thing = scene.new()
        if thing is None:
            return
        if scene.journal.record.memory.get(SERVED):
            say(
                scene, f"{thing.id} has been the database since, and is kept with what was written."
            )
            return
        _refuse_foreign(scene, thing)
        scene.wait(lambda: deleted(scene, thing.resource_id), thing.id)


def _refuse_foreign(scene: Scene, thing: Thing) -> None:
    """Never delete the database, nor anything that this restore has not made or not named."""
    theirs = {scene.journal.record.memory.get(OLD), scene.restoring.manifest.source["resource_id"]}
    made = thing.tags.get(MADE) == scene.journal.record.id
    if not made or thing.resource_id in theirs or thing.id != scene.beside:
        raise UnreachableError(thing.id, "is not of this restore", "delete it by hand, if at all")


def deleted(scene: Scene, resource_id: str) -> str | None:
    """Go on with deleting the copy; say what is waited for, None once it is gone."""
    thing = scene.kind.known(resource_id)
    if thing is None or thing.status == "deleting":
        return None
    if thing.described.get("DeletionProtection"):
        scene.kind.change(thing.id, {"DeletionProtection": False})
        return "protected"
    scene.kind.delete(thing.id)
    return thing.status


class Wait(Struct, frozen=True):
    """Wait until the copy takes connections."""

    scene: Scene
    name: str = "wait until it is available"

    def done(self) -> bool:
        """Tell whether it does."""
        thing = self.scene.copy()
        return thing.usable and not thing.busy

    def act(self) -> None:
        """Wait, for hours where it must be."""
        scene = self.scene
        scene.wait(lambda: scene.settled(scene.copy()), scene.beside)

    def undo(self) -> None:
        """Do nothing: waiting changes nothing."""


#: What a setting is called in the description, where that is another name.
_DESCRIBED = {
    "EnablePerformanceInsights": "PerformanceInsightsEnabled",
    "ManageMasterUserPassword": "MasterUserSecret",
}


class Change(Struct, frozen=True):
    """Set what no restore takes, only a change afterwards."""

    scene: Scene
    settings: Mapping[str, Any]
    name: str = "set what only a change sets"

    def done(self) -> bool:
        """Tell whether all of it shows."""
        thing = self.scene.copy()
        return not thing.busy and not self._missing(thing)

    def act(self) -> None:
        """Change, and wait until the values show: the status alone may not have moved yet."""
        scene, began = self.scene, polling.clock()
        sent = False

        def look() -> str | None:
            nonlocal sent
            thing = scene.copy()
            waits = scene.settled(thing)
            if waits is None and not sent:
                sent = scene.kind.change(thing.id, self.settings)
                return "changing"
            missing = self._missing(thing)
            if waits is None and missing and polling.clock() - began > _SHOWING:
                say(scene, f"AWS does not show what was set: {', '.join(missing)}")
                return None
            return waits or (f"without {', '.join(missing)}" if missing else None)

        scene.wait(look, scene.beside)

    def undo(self) -> None:
        """Do nothing: the copy is deleted as a whole."""

    def _missing(self, thing: Thing) -> list[str]:
        found = thing.described
        return [
            key
            for key, value in self.settings.items()
            if key != "MasterUserSecretKmsKeyId" and not _shows(found, key, value)
        ]


def _shows(described: Mapping[str, Any], key: str, value: Any) -> bool:
    found = described.get(_DESCRIBED.get(key, key))
    return bool(found) if key == "ManageMasterUserPassword" else bool(found == value)


class Roles(Struct, frozen=True):
    """Give an instance the IAM roles that it had; a cluster has them from the restore."""

    scene: Scene
    recorded: Sequence[Mapping[str, Any]]
    name: str = "attach its roles"

    def done(self) -> bool:
        """Tell whether all of them are there."""
        return not self._missing()

    def act(self) -> None:
        """Attach what is missing, and wait until it shows."""
        scene = self.scene

        def look() -> str | None:
            thing, missing = scene.copy(), self._missing()
            if not missing or thing.busy:
                return "its roles" if missing else None
            which = {"DBInstanceIdentifier": thing.id, **missing[0]}
            known = ("DBInstanceRoleAlreadyExists", "InvalidDBInstanceState")
            asked(scene.rds, "add_role_to_db_instance", *known, **which)
            return "its roles"

        scene.wait(look, scene.beside)

    def undo(self) -> None:
        """Do nothing: the copy is deleted as a whole."""

    def _missing(self) -> list[dict[str, str]]:
        if self.scene.kind.noun != "instance":
            return []
        there = {
            one.get("RoleArn") for one in self.scene.copy().described.get("AssociatedRoles", ())
        }
        return [
            {key: one[key] for key in ("RoleArn", "FeatureName") if one.get(key)}
            for one in self.recorded
            if one.get("RoleArn") not in there
        ]


class Verify(Struct, frozen=True):
    """Hold the copy against what was written down when the snapshot was taken."""

    scene: Scene
    name: str = "verify"

    def done(self) -> bool:
        """Tell nothing: what was so an hour ago is read again."""
        return False

    def act(self) -> None:
        """Compare settings, schema and every row count; raise Differs where anything is wrong."""
        scene = self.scene
        thing = scene.copy()
        found = [*configured.differences(scene.source, thing.described), *self._data(thing)]
        judge(scene, thing.id, found)

    def undo(self) -> None:
        """Do nothing: reading changes nothing."""

    def _data(self, thing: Thing) -> list[Finding]:
        scene = self.scene
        with scene.session(thing) as conn:
            if same_server(scene, conn):
                problem = "its name leads to the database itself"
                raise UnreachableError(thing.id, problem, "connect without a tunnel to one address")
            conn.patience = _COUNTING + target.PATIENCE  # one answer is the count of one table
            found = scene.restoring.fingerprint(conn, budget=_COUNTING)
        return comparing.differences(scene.restoring.manifest.fingerprint, found)


def judge(scene: Scene, place: str, found: list[Finding]) -> None:
    """Keep findings for the report; raise Differs where one of them is an error."""
    scene.journal.remember("findings", msgspec.to_builtins(found))
    if any(one.severity is Severity.ERROR for one in found):
        raise Differs(place, found)


def say(scene: Scene, note: str) -> None:
    """Keep a note for the report."""
    notes = scene.journal.record.memory.get("notes", [])
    if note not in notes:
        scene.journal.remember("notes", [*notes, note])


#: The server that answers: its start to the microsecond, and where it listens.
_SERVER = """SELECT pg_catalog.pg_postmaster_start_time()::text,
                    pg_catalog.inet_server_addr()::text, pg_catalog.inet_server_port()"""


def same_server(scene: Scene, conn: Any) -> bool:
    """Tell whether a session is on the old database: through a tunnel, or by a name of before."""
    old = scene.old()
    if old is None or not old.usable:
        return False
    where = sessions.beside(scene.restoring.target).params["dbname"]
    try:
        with scene.session(old, dbname=where) as other:
            return bool(other.execute(_SERVER).fetchone() == conn.execute(_SERVER).fetchone())
    except UnreachableError as error:
        say(scene, f"Whether the copy is another server was not compared: {error}")
        return False
