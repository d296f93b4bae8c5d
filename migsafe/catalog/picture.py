"""The facts that the answers of the catalogs amount to, owner by owner. Reads nothing."""

from typing import Any

from migsafe import catalog
from migsafe.catalog import grants, printing
from migsafe.catalog.queries import MISSING, Question
from migsafe.errors import UnreachableError
from migsafe.facts import Key

#: ``("relation", oid)``, ``("type", oid)``, ``("function", oid)`` or ``("other", 0)``.
Owner = tuple[str, int]

Row = tuple[Any, ...]

_MISSING = {MISSING, f"stored: {MISSING}", f"virtual: {MISSING}"}


def dropped() -> UnreachableError:
    """Return what says that a reading has to be done again."""
    problem = "something was dropped while it was read"
    return UnreachableError("schema", problem, "run the command again")


class Picture:
    """The facts so far, by owner. An owner comes before what belongs to it."""

    def __init__(self, version: int) -> None:
        self._version = version
        self.owners: dict[Owner, dict[Key, str]] = {}
        self._names: dict[Owner, tuple[str, str]] = {("other", 0): ("", "")}
        self._tables: dict[int, str] = {}
        self._same: dict[str, str] = {}

    def add(self, question: Question, rows: list[Row]) -> None:
        """Turn the answer to one question into facts."""
        if question.owner == "other":
            self.owners.setdefault(("other", 0), {})
        if question.shape == "owner":
            self._begin(question, rows)
        elif question.shape == "part":
            self._add_parts(question, rows)
        elif question.shape == "fact":
            self._add_facts(question, rows)
        else:
            self._add_grants(question, rows)

    def _begin(self, question: Question, rows: list[Row]) -> None:
        for oid, kind, name, *values in rows:
            owner = (question.owner, oid)
            self._names[owner] = (kind, name)
            self.owners[owner] = {
                Key(kind, name, "", aspect): self._shared(value)
                for aspect, value in zip(question.aspects, values, strict=False)
                if value is not None
            }
            if question.owner == "relation":
                self._tables[oid] = values[-1] or name
                self._print_view(owner, Key(kind, name, "", "definition"))

    def _print_view(self, owner: Owner, key: Key) -> None:
        if definition := self.owners[owner].get(key):
            self.owners[owner][key] = printing.view(definition, self._version)

    def _add_parts(self, question: Question, rows: list[Row]) -> None:
        for oid, kind, part, *values in rows:
            owner = (question.owner, oid)
            if owner not in self._names:
                continue
            owned, name, shared = self.owners[owner], self._names[owner][1], self._shared(part)
            for aspect, value in zip(question.aspects, values, strict=False):
                if value is not None:
                    owned[Key(kind, name, shared, aspect)] = self._shared(value)

    def _add_facts(self, question: Question, rows: list[Row]) -> None:
        for oid, kind, name, part, aspect, value in rows:
            owner = (question.owner, oid)
            if owner in self._names:
                own_kind, own_name = self._names[owner]
                key = Key(kind or own_kind, name or own_name, part, aspect)
                self.owners[owner][key] = self._shared(value)

    def _add_grants(self, question: Question, rows: list[Row]) -> None:
        for oid, kind, name, part, granted, default in rows:
            owner = (question.owner, oid)
            if owner not in self._names:
                continue
            own_kind, own_name = self._names[owner]
            for grantee, privileges in grants.beyond(granted, default).items():
                # A column's grantees share the fact: its part is the column.
                key = Key(kind or own_kind, name or own_name, part or grantee, "grant")
                said = f"{grantee}: {privileges}" if part else privileges
                before = self.owners[owner].get(key)
                self.owners[owner][key] = f"{before}; {said}" if before else said

    def _shared(self, text: str) -> str:
        """Return the one copy of a text that is kept: most values are the same few."""
        kept = self._same.get(text)
        if kept is None:
            kept = self._same[text] = printing.settled(text)
        return kept

    def finish(self) -> None:
        """Take out the ledgers of tools; raise UnreachableError where a definition is missing."""
        # A generated column has the words of its kind before the definition.
        if not _MISSING.isdisjoint(self._same):
            raise dropped()
        for oid, table in self._tables.items():
            if may_be_ledger(table) and self._is_ledger(oid, table):
                del self.owners["relation", oid]

    def _is_ledger(self, oid: int, table: str) -> bool:
        """Tell whether a table is a ledger by its name and columns, or is a ledger's sequence."""
        owned = self.owners["relation", oid]
        columns = (
            f"{key.part} {value.partition('(')[0]}"
            for key, value in owned.items()
            if key.kind == "column" and key.aspect == "type"
        )
        schema, _, name = table.rpartition(".")
        # The columns come in any order; in this one golang-migrate's version is before its dirty.
        return bool(catalog._tool(schema, name, sorted(columns, reverse=True)))


def may_be_ledger(table: str) -> bool:
    """Tell whether a qualified name is one that a tool gives its ledger."""
    name = table.rpartition(".")[2]
    return name == "schema_migrations" or name in catalog.LEDGERS or table in catalog.LEDGERS
