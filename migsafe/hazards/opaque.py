"""What a migration runs and its text does not show. `blocks` looks inside where that can be."""

from collections.abc import Iterator

from migsafe.hazards import Context, Hit, Rule
from migsafe.sql import Statement, Unknown


def _is_unknown(node: Unknown, _statement: Statement, _context: Context) -> Iterator[Hit]:
    yield Hit(f"{node.what}: what that locks, reads and removes cannot be told here")


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS450",
        name="opaque-sql",
        on=(Unknown,),
        check=_is_unknown,
        summary="something runs that cannot be read from the file",
        why="DO blocks are looked into, as are functions whose body an earlier migration or the "
        "target shows, and texts in EXECUTE whose parts are constant. What is left is known only "
        "when it runs: a name read from the catalog, a function of an extension, another language. "
        "It takes locks, rewrites tables and drops things like any other statement, and no rule "
        "has judged it.",
        remedy="Write the statements out, or read what runs and allow it with a reason.",
        source="https://www.postgresql.org/docs/current/plpgsql-statements.html",
        spares_new=False,
    ),
)
