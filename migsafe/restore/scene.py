"""What the steps of one restore on AWS share: who is who, whatever their names are by now."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from migsafe import target
from migsafe.errors import BusyError, UnreachableError, conceal
from migsafe.restore import Restoring
from migsafe.restore.journal import Journal
from migsafe.restore.resources import CLAIMED, MADE, Kind, Thing, asked, fitted
from migsafe.restore.sessions import moved
from migsafe.restore.waiting import until
from migsafe.snapshots.manifest import WAS
from migsafe.target import Session, Target

#: Names in the journal's memory: resource ids of the database and of its copy, and whether the
#: copy has ever had the name, so that there are writes in it which nobody else has.
OLD, NEW, SERVED = "old", "new", "served"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One restore of one instance or cluster. `name` is the name that is to be owned at the end."""

    restoring: Restoring
    rds: Any = field(repr=False)
    kind: Kind
    name: str
    limit: int
    timeout: float
    secrets: Callable[[str], Mapping[str, str]] = field(repr=False)

    @property
    def journal(self) -> Journal:
        """The journal of this restore."""
        return self.restoring.journal

    @property
    def source(self) -> Mapping[str, Any]:
        """The database as AWS described it when the snapshot was taken."""
        described: Mapping[str, Any] = self.restoring.manifest.source["described"]
        return described

    @property
    def beside(self) -> str:
        """What the copy is called until it is swapped in."""
        return self.fitted(self.name, "restore")

    @property
    def aside(self) -> str:
        """What the database is called once it is swapped out."""
        return self.fitted(self.name, "failed")

    def fitted(self, name: str, word: str) -> str:
        """Return a name of this restore."""
        return fitted(name, word, self.journal.record.id, self.limit)

    def recalled(self, name: str) -> str:
        """Return a resource id that was remembered; empty where there is none."""
        found: str = self.journal.record.memory.get(name, "")
        return found

    def old(self) -> Thing | None:
        """Find the database that had the name when the restore began; None where nobody had it."""
        resource = self.journal.record.memory.get(OLD)
        if resource is None:
            return self.kind.named(self.name)
        return self.kind.known(resource) if resource else None

    def new(self) -> Thing | None:
        """Find the copy: by what it is, or by its name and our tag on it."""
        if resource := self.journal.record.memory.get(NEW):
            return self.kind.known(resource)
        thing = self.kind.named(self.beside)
        if thing is None or thing.tags.get(MADE) != self.journal.record.id:
            return None
        self.journal.remember(NEW, thing.resource_id)
        return thing

    def copy(self) -> Thing:
        """Return the copy; raise UnreachableError where it is gone."""
        thing = self.new()
        if thing is None:
            raise UnreachableError(self.beside, "is gone", "undo this restore and begin another")
        return thing

    def meet(self) -> None:
        """Remember who has the name now, once."""
        if OLD not in self.journal.record.memory:
            thing = self.kind.named(self.name)
            self.journal.remember(OLD, thing.resource_id if thing else "")

    def wait(self, look: Callable[[], str | None], place: str) -> None:
        """Wait until `look` sees nothing more to wait for."""
        until(look, place=place, timeout=self.timeout, notify=self.restoring.notify)

    def settled(self, thing: Thing | None) -> str | None:
        """Say what is waited for until something is usable; raise where it does not come to it."""
        if thing is None:
            return "not there yet"
        if thing.failed:
            raise UnreachableError(thing.id, f"is {thing.status}", "undo this restore, look why")
        return thing.status if thing.busy or not thing.usable else None

    def login(self, thing: Thing) -> Target:
        """Return the database inside an instance or cluster, by the login of the target.

        Where RDS has made a new secret for the master user, that user's password is there.
        """
        where = self.restoring.target
        found = moved(where, host=thing.host or thing.id, port=str(thing.port or 5432))
        secret = (thing.described.get("MasterUserSecret") or {}).get("SecretArn")
        old = (self.source.get("MasterUserSecret") or {}).get("SecretArn")
        user = where.signed_in().get("user")
        if not secret or secret == old or user != thing.described.get("MasterUsername"):
            return found
        password = self.secrets(secret)["password"]
        conceal(password)
        return replace(found, params={**found.params, "password": password}, login=None)

    @contextmanager
    def session(self, thing: Thing, **params: str) -> Iterator[Session]:
        """Open a session in a database of an instance or cluster."""
        where = moved(self.login(thing), **params)
        with target.translated(where), target.connect(where) as conn:
            yield conn

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Tag the database with this restore, which other machines see; raise BusyError.

        A restore that stops midway keeps its claim: only it may go on.
        """
        self.meet()
        self._claim()
        try:
            yield
        finally:
            if not self.journal.midway:
                with suppress(UnreachableError):  # what was done is done, tag or not
                    self._release()

    def _claim(self) -> None:
        thing, ours = self.old(), self.journal.record.id
        if thing is None:
            return
        self._refuse_other(thing, ours)
        if thing.tags.get(CLAIMED) != ours:
            tags = [{"Key": CLAIMED, "Value": ours}]
            asked(self.rds, "add_tags_to_resource", ResourceName=thing.arn, Tags=tags)
            # Of two that tag at once, the last one has it, and the first one sees that here.
            self._refuse_other(self.kind.known(thing.resource_id), ours)

    def _refuse_other(self, thing: Thing | None, ours: str) -> None:
        claim = thing.tags.get(CLAIMED) if thing else None
        if thing and claim and claim != ours:
            raise BusyError(
                thing.id,
                f"the restore {claim} is under way, by another machine or folder",
                f"end it there; only if nobody can, remove the tag {CLAIMED}",
            )

    def _release(self) -> None:
        thing = self.old()
        if thing and thing.tags.get(CLAIMED) == self.journal.record.id:
            asked(self.rds, "remove_tags_from_resource", ResourceName=thing.arn, TagKeys=[CLAIMED])


def ours(tags: Sequence[Mapping[str, str]], restore: str) -> list[dict[str, str]]:
    """Return the tags of what a restore makes: those that were recorded, and whose it is."""
    return tagged(tags, MADE, restore)


def standing_for(tags: Sequence[Mapping[str, str]], resource_id: str) -> list[dict[str, str]]:
    """Return tags with whom a copy stands for: their snapshots are found by it.

    It may be the copy of a copy; the value of a tag has room for the last eight.
    """
    known = next((pair["Value"] for pair in tags if pair["Key"] == WAS), "")
    return tagged(tags, WAS, " ".join([*known.split(), resource_id][-8:]))


def tagged(tags: Sequence[Mapping[str, str]], key: str, value: str) -> list[dict[str, str]]:
    """Return tags with one more, or that one anew."""
    kept = [dict(pair) for pair in tags if pair["Key"] != key]
    return [*kept, {"Key": key, "Value": value}]
