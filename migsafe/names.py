"""Names of tables that a plan uses, held against those that are there. Pure: reads nothing.

Only what must fail is reported. Whatever could make a table unseen (a DO block that runs text, a
function, an extension) ends the judging, and a name that a pending migration makes is known in
every schema.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from msgspec import Struct, field

from migsafe import creations, findings, references
from migsafe.errors import nearest
from migsafe.findings import Finding, Severity
from migsafe.planning import Step
from migsafe.references import Name
from migsafe.sql import Statement

#: Schemas of the server, of this session and of migsafe, which no history makes.
_OWN = {"pg_catalog", "information_schema", "pg_toast", "pg_temp", "migsafe"}

#: Names that are there without a word: the server's own, and the sequences of serial columns.
_UNSAID = re.compile(r"pg_.*|.*_seq\d*", re.DOTALL)


class _Known(Struct, kw_only=True):
    """What is there when a statement runs; `made` are bare names that pending migrations make."""

    live: Collection[str]
    path: Sequence[str]
    made: set[str] = field(default_factory=set)
    #: Functions of the plan that make no relation.
    harmless: set[str] = field(default_factory=set)
    #: Schemas that got another one's tables by a rename.
    renamed: set[str] = field(default_factory=set)
    #: Whether a changed search_path leaves open where an unqualified name leads.
    adrift: bool = False

    def has(self, name: Name) -> bool:
        """Tell whether a name is there, or may be."""
        if name.bare in self.made or _UNSAID.fullmatch(name.bare):
            return True
        if name.schema:
            own = name.schema in _OWN or name.schema in self.renamed
            return own or f"{name.schema}.{name.bare}" in self.live
        return self.adrift or any(f"{schema}.{name.bare}" in self.live for schema in self.path)

    def learn(self, statement: Statement) -> None:
        """Take in what a statement makes and changes."""
        self.made.update(creations.made(statement.node))
        for function, is_harmless in creations.functions(statement.node):
            (self.harmless.add if is_harmless else self.harmless.discard)(function)
        self.renamed.update(creations.renamed_schemas(statement.node))
        self.adrift = self.adrift or creations.moves_path(statement.node)

    def near(self, name: Name) -> str:
        """Return ``did you mean X?`` in the spelling of the reference, or an empty string."""
        if name.schema:
            return nearest(
                str(name), (*self.live, *(f"{name.schema}.{bare}" for bare in self.made))
            )
        split = (relation.partition(".") for relation in self.live)
        return nearest(name.bare, {*self.made, *(b for s, _, b in split if s in self.path)})


def check(steps: Iterable[Step], live: Collection[str], path: Sequence[str]) -> list[Finding]:
    """Report each table that a step names although it cannot be there by then, once.

    `live` are the relations of the target as ``schema.name``, `path` its search_path.
    """
    known = _Known(live=live, path=path)
    return list(_missing(steps, known))


def _missing(steps: Iterable[Step], known: _Known) -> Iterator[Finding]:
    for step in steps:
        for statement in step.statements:
            for name in references.used(statement.node):
                if not known.has(name) and not references.spared(statement.node, known.has):
                    yield _finding(step, statement, name, known.near(name))
                    known.made.add(name.bare)
            known.learn(statement)
            if creations.opaque(statement.node, known.harmless):
                return


def _finding(step: Step, statement: Statement, name: Name, hint: str) -> Finding:
    problem = f"it names {name}, which is not there and which no migration before it makes"
    line = statement.line
    if name.offset is not None:
        line = step.migration.text.count("\n", 0, name.offset) + 1
    return findings.history(
        "MH112",
        "name-not-there",
        Severity.ERROR,
        f"{problem}; {hint}" if hint else problem,
        migration=step.migration.name,
        file=str(step.migration.path),
        line=line,
        statement=statement.index,
        evidence="catalog",
        remedy="Correct the name in the file; nothing of it has run.",
    )
