"""The steps that give the copy the name of the database. Each can be taken back.

Names are given on one at a time, and never onto a name that somebody has.
"""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from migsafe import target
from migsafe.errors import UnreachableError
from migsafe.restore import comparing, sessions
from migsafe.restore.copying import judge, same_server, say
from migsafe.restore.resources import Kind, Thing, asked
from migsafe.restore.scene import SERVED, Scene
from migsafe.restore.waiting import until

#: Seconds in which a name has to lead to its new owner. AWS says about ten minutes for an instance.
_LEADING = 1800.0


class Quiesce(Struct, frozen=True):
    """Close the databases of the old one, so that nobody writes what would be lost."""

    scene: Scene
    name: str = "close the database"

    def done(self) -> bool:
        """Tell nothing: closing twice is closing once, and a session may have come since."""
        return False

    def act(self) -> None:
        """Write down the limits that there are, then close; who is down is closed already."""
        scene = self.scene
        old = self._reached()
        if old is None:
            return
        if old.failed:
            say(scene, f"{old.id} is {old.status}: nobody writes there, so it was not closed.")
            return
        where = scene.login(old)
        with scene.session(old, dbname=_beside(scene)) as conn:
            every = sessions.databases(conn)
            for one in every:
                sessions.refuse_deployer(conn, one.name, where.place)
            found = [one for one in every if one.ours]
            known = scene.journal.record.memory.get("limits", {})
            limits = {one.name: one.limit for one in found} | known
            scene.journal.remember("limits", limits)
            sessions.close(conn, sorted(limits), where.place)

    def undo(self) -> None:
        """Open what was closed."""
        scene = self.scene
        limits = scene.journal.record.memory.get("limits", {})
        old = self._reached() if limits else None
        if old is None:
            return
        if old.failed:
            commands = "; ".join(
                f'ALTER DATABASE "{k}" CONNECTION LIMIT {v}' for k, v in limits.items()
            )
            say(scene, f"{old.id} is {old.status} and stays closed. Once it is up: {commands}.")
            return
        with scene.session(old, dbname=_beside(scene)) as conn:
            sessions.reopen(conn, limits)

    def _reached(self) -> Thing | None:
        """Return the old one once nothing is under way there."""
        scene = self.scene

        def look() -> str | None:
            old = scene.old()
            return old.status if old is not None and old.busy else None

        scene.wait(look, scene.name)
        return scene.old()


def _beside(scene: Scene) -> str:
    return sessions.beside(scene.restoring.target).params["dbname"]


class Rename(Struct, frozen=True):
    """Give somebody another name, at once; who it is never depends on its name."""

    scene: Scene
    kind: Kind
    who: Callable[[], str]
    source: str
    goal: str
    name: str
    #: Whether the copy gets the name of the database by it.
    serves: bool = False

    def done(self) -> bool:
        """Tell whether it has the name, and nothing is under way."""
        thing = self._thing()
        return thing is None or (thing.id == self.goal and not thing.busy)

    def act(self) -> None:
        """Rename, and wait until the new name is there and the old one is nobody's of ours."""
        if self.serves:
            self.scene.journal.remember(SERVED, True)
        self._rename(self.source, self.goal)

    def undo(self) -> None:
        """Rename back; a copy that is gone by now is in nobody's way."""
        if self.serves and self.kind.known(self.who()) is None:
            say(self.scene, f"The copy {self.who()} was gone before this undo.")
            return
        self._rename(self.goal, self.source)

    def _thing(self) -> Thing | None:
        resource = self.who()
        if not resource:
            return None
        thing = self.kind.known(resource)
        if thing is None:
            raise UnreachableError(self.source, f"{resource} is gone", "look at the account first")
        return thing

    def _rename(self, source: str, goal: str) -> None:
        """Ask until the name is there: a refusal may be that of a call which was repeated."""
        sent = False

        def look() -> str | None:
            nonlocal sent
            thing = self._thing()
            if thing is None or (thing.id == goal and not thing.busy):
                return None
            if thing.busy:
                return thing.status
            if thing.id != source:
                problem = f"is called {thing.id}, which is neither {source} nor {goal}"
                raise UnreachableError(source, problem, "rename it by hand, then go on")
            if not sent:
                self._refuse_taken(goal, thing)
                sent = self.kind.rename(source, goal)
            return f"being renamed to {goal}"

        self.scene.wait(look, source)

    def _refuse_taken(self, goal: str, thing: Thing) -> None:
        owner = self.kind.named(goal)
        if owner is not None and owner.resource_id != thing.resource_id:
            problem = f"the name {goal} is that of {owner.resource_id}"
            raise UnreachableError(self.source, problem, "rename that one, then go on or undo")


class Check(Struct, frozen=True):
    """See that the name leads to the copy, and that the copy is still what it was."""

    scene: Scene
    name: str = "check the swap"

    def done(self) -> bool:
        """Tell nothing: it is read again."""
        return False

    def act(self) -> None:
        """Compare who owns the name, the address, and the schema behind it; rows may be new."""
        scene = self.scene
        new = scene.copy()
        owner = scene.kind.named(scene.name)
        if owner is None or owner.resource_id != new.resource_id:
            raise UnreachableError(scene.name, "is not the copy", "go on once more, or undo")
        host = scene.restoring.manifest.source["host"]
        if new.host != host:
            say(scene, f"The address is {new.host} now, and was {host}: point your services to it.")
        notify = scene.restoring.notify
        until(lambda: self._answers(new), place=scene.name, timeout=_LEADING, notify=notify)

    def undo(self) -> None:
        """Do nothing: reading changes nothing."""

    def _answers(self, new: Thing) -> str | None:
        """Say what keeps the name from answering; DNS takes its time after a rename."""
        scene = self.scene
        where = scene.login(new)
        try:
            with target.translated(where), target.connect(where) as conn:
                if same_server(scene, conn):
                    return "still leading to the old one"
                found = scene.restoring.fingerprint(conn, budget=0.0)
        except UnreachableError as error:
            return f"not answering ({error})"
        known = scene.restoring.manifest.fingerprint
        expected = replace(known, counts={}, later={}, estimated=(), migrations=None)
        judge(scene, scene.name, comparing.differences(expected, found))
        return None


class Proxies(Struct, frozen=True):
    """Put the proxies of the database on its name, or take them off; they know names only."""

    scene: Scene
    proxies: Sequence[tuple[str, str]]
    on: bool
    name: str

    def done(self) -> bool:
        """Tell whether every proxy is as it is to be, and nothing more."""
        return all(bool(self._targets(*proxy)) is self.on for proxy in self.proxies)

    def act(self) -> None:
        """Register or deregister the name."""
        self._put(self.on)

    def undo(self) -> None:
        """Put them back as they were."""
        self._put(not self.on)

    def _put(self, on: bool) -> None:
        for proxy, group in self.proxies:
            if bool(self._targets(proxy, group)) is not on:
                self._change(proxy, group, "register" if on else "deregister")
        for proxy, group in self.proxies if on else ():
            self.scene.wait(lambda p=proxy, g=group: self._waits(p, g), proxy)  # type: ignore[misc]

    def _change(self, proxy: str, group: str, verb: str) -> None:
        key = "DBInstanceIdentifiers" if self.scene.kind.noun == "instance" else _CLUSTERS
        which = {"DBProxyName": proxy, "TargetGroupName": group, key: [self.scene.name]}
        known = ("DBProxyTargetAlreadyRegisteredFault", "DBProxyTargetNotFoundFault", _GONE)
        asked(self.scene.rds, f"{verb}_db_proxy_targets", *known, **which)

    def _targets(self, proxy: str, group: str) -> list[dict[str, Any]]:
        which = {"DBProxyName": proxy, "TargetGroupName": group}
        answer = asked(self.scene.rds, "describe_db_proxy_targets", _GONE, **which)
        if answer is None:
            say(self.scene, f"The proxy {proxy} is gone by now.")
            return []
        names = ("RdsResourceId", "TrackedClusterId")
        found = answer.get("Targets", ())
        return [one for one in found if self.scene.name in (one.get(name) for name in names)]

    def _waits(self, proxy: str, group: str) -> str | None:
        """Say how the targets are until all of them are reached."""
        states = {_health(one) for one in self._targets(proxy, group)} - {"AVAILABLE"}
        return ", ".join(sorted(states)) or None


_CLUSTERS = "DBClusterIdentifiers"

#: What AWS answers of a proxy that somebody has deleted since the snapshot.
_GONE = "DBProxyNotFoundFault"


def _health(described: dict[str, Any]) -> str:
    state: str = (described.get("TargetHealth") or {}).get("State") or "AVAILABLE"
    return state


class Protect(Struct, frozen=True):
    """Give the new owner of the name the deletion protection that the database had."""

    scene: Scene
    name: str = "protect it from deletion"

    def done(self) -> bool:
        """Tell whether it is protected, or never was."""
        if not self.scene.source.get("DeletionProtection"):
            return True
        return bool(self.scene.copy().described.get("DeletionProtection"))

    def act(self) -> None:
        """Protect it, and wait until that shows."""
        scene = self.scene

        def look() -> str | None:
            if self.done():
                return None
            scene.kind.change(scene.copy().id, {"DeletionProtection": True})
            return "not protected yet"

        scene.wait(look, scene.name)

    def undo(self) -> None:
        """Do nothing: who deletes the copy takes it off first."""
