"""Restores of clusters. Aurora's restore makes no instance: each member is created beside.

Members have endpoints of their own, so they are renamed as well, while the database is closed and
before the cluster gets its name. A Multi-AZ DB cluster makes its three itself.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from migsafe.aws import Cloud
from migsafe.errors import UnreachableError
from migsafe.restore import Step, advice, preflight, rds
from migsafe.restore.resources import MADE, Instances, Thing
from migsafe.restore.scene import SERVED, Scene, ours
from migsafe.restore.swapping import Rename
from migsafe.snapshots import requests

#: Names in the journal's memory: who the members of the old cluster are, by resource id, and the
#: resource ids of the new ones, by the name that they are to get.
_OLD, _NEW = "old members", "new members"


@dataclass(frozen=True, slots=True)
class Together:
    """Way: a cluster, with its members where it is one of Aurora."""

    cloud: Cloud = field(repr=False)
    scene: Scene

    def check(self, *, swap: bool) -> Sequence[str]:
        """Refuse what AWS would refuse, and what could not be verified."""
        return preflight.check(self.cloud, self.scene, swap=swap)

    def names(self) -> tuple[str, str]:
        """Return what the copy is called beside, and the database once it is swapped out."""
        return self.scene.beside, self.scene.aside

    def claimed(self) -> AbstractContextManager[None]:
        """Tag the cluster meanwhile."""
        return self.scene.claimed()

    def beside(self) -> Sequence[Step]:
        """Restore, create the members, set the rest, verify."""
        members = [Member(self.scene, request) for request in self._requests()]
        return rds.beside(self.scene, requests.RESTORE_CLUSTER, requests.MODIFY_CLUSTER, *members)

    def swap(self) -> Sequence[Step]:
        """Close the database, rename the members and the clusters, check, put back the proxies."""
        return rds.around(self.scene, [*self._members(), *rds.renames(self.scene)])

    def by_hand(self, *, swapped: bool) -> Sequence[str]:
        """Return what a person has to do afterwards."""
        return advice.lines(self.scene, swapped=swapped)

    def _requests(self) -> Sequence[Mapping[str, Any]]:
        """Return what creates each member; none for a cluster that makes its own."""
        found: Sequence[Mapping[str, Any]] = self.scene.restoring.manifest.requests.get(
            requests.CREATE_MEMBER, ()
        )
        return found

    def _members(self) -> list[Step]:
        """Return the renames of members: the old ones aside, then the new ones to their names."""
        scene = self.scene
        if not self._requests():
            return []
        kind = Instances(scene.rds)
        aside = [
            Rename(
                scene,
                kind,
                lambda found=resource: found,  # type: ignore[misc]
                name,
                scene.fitted(name, "failed"),
                f"rename the member {name} aside",
            )
            for resource, name in self._old().items()
        ]
        named = [
            Rename(
                scene,
                kind,
                lambda found=name: scene.journal.record.memory.get(_NEW, {}).get(found, ""),  # type: ignore[misc]
                scene.fitted(name, "restore"),
                name,
                f"rename the copy of the member {name}",
                serves=True,
            )
            for name in recorded(scene)
        ]
        return [*aside, *named]

    def _old(self) -> Mapping[str, str]:
        """Return the members of the old cluster, remembered before the first of them is renamed."""
        scene = self.scene
        if _OLD not in scene.journal.record.memory:
            scene.journal.remember(_OLD, self._looked())
        found: Mapping[str, str] = scene.journal.record.memory[_OLD]
        return found

    def _looked(self) -> dict[str, str]:
        old, kind = self.scene.old(), Instances(self.scene.rds)
        listed = (old.described.get("DBClusterMembers") or ()) if old else ()
        things = [kind.named(one["DBInstanceIdentifier"]) for one in listed]
        return {thing.resource_id: thing.id for thing in things if thing is not None}


def recorded(scene: Scene) -> list[str]:
    """Return the names of the members that there were."""
    members = scene.restoring.manifest.source.get("members") or ()
    return [one["DBInstanceIdentifier"] for one in members]


class Member(Struct, frozen=True):
    """Create one member of the copy, under a name of its own, and wait until it is available."""

    scene: Scene
    request: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What it is called in the journal."""
        return f"create the member {self._goal}"

    @property
    def _goal(self) -> str:
        """The name that it is to get: requests are in the order of the members."""
        listed = self.scene.restoring.manifest.requests[requests.CREATE_MEMBER]
        return recorded(self.scene)[list(listed).index(self.request)]

    @property
    def _beside(self) -> str:
        return self.scene.fitted(self._goal, "restore")

    def done(self) -> bool:
        """Tell whether it is available."""
        thing = self._found()
        return thing is not None and thing.usable and not thing.busy

    def act(self) -> None:
        """Create it where it is not there yet, and wait."""
        scene = self.scene
        if self._found() is None and not self._create() and self._found() is None:
            raise UnreachableError(self._beside, "the name is taken", "rename or delete that one")
        scene.wait(lambda: scene.settled(self._found()), self._beside)

    def undo(self) -> None:
        """Delete it: a cluster that has members cannot be deleted."""
        scene, kind = self.scene, Instances(self.scene.rds)
        thing = self._found()
        if thing is None or scene.journal.record.memory.get(SERVED):
            return
        if thing.tags.get(MADE) != scene.journal.record.id:
            raise UnreachableError(thing.id, "is not of this restore", "look at it by hand")

        def look() -> str | None:
            left = kind.known(thing.resource_id)
            if left is not None and left.status != "deleting":
                kind.delete(left.id)
            return left.status if left is not None else None

        scene.wait(look, thing.id)

    def _create(self) -> bool:
        tags = ours(self.request.get("Tags", ()), self.scene.journal.record.id)
        which = {
            "DBInstanceIdentifier": self._beside,
            "DBClusterIdentifier": self.scene.beside,
            "Tags": tags,
        }
        return Instances(self.scene.rds).create({**self.request, **which})

    def _found(self) -> Thing | None:
        """Find it by what it is, or by its name and our tag on it."""
        scene, kind = self.scene, Instances(self.scene.rds)
        known = scene.journal.record.memory.get(_NEW, {})
        if self._goal in known:
            return kind.known(known[self._goal])
        thing = kind.named(self._beside)
        if thing is None or thing.tags.get(MADE) != scene.journal.record.id:
            return None
        scene.journal.remember(_NEW, {**known, self._goal: thing.resource_id})
        return thing
