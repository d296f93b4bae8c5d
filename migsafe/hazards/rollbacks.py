"""What ROLLBACK and ROLLBACK TO take back of a schema. Pure."""

from collections.abc import Iterable
from copy import deepcopy

from msgspec import Struct, field
from pglast import ast, enums

from migsafe.schema import Schema
from migsafe.sql import Statement

_Kind = enums.TransactionStmtKind
_BEGINS = (_Kind.TRANS_STMT_BEGIN, _Kind.TRANS_STMT_START)
_TAKES_BACK = (_Kind.TRANS_STMT_ROLLBACK, _Kind.TRANS_STMT_ROLLBACK_TO)


class Rollbacks(Struct, kw_only=True):
    """The schema at the beginning of the transaction (None) and at its savepoints, by name.

    It is kept only for a migration that rolls something back, since a copy has its price.
    """

    schema: Schema
    needed: bool
    kept: dict[str | None, Schema] = field(default_factory=dict)

    def follow(self, statement: Statement) -> None:
        """Keep the schema, or go back to one that was kept, after a statement was taken in."""
        node = statement.node
        if not self.needed or statement.inner or not isinstance(node, ast.TransactionStmt):
            return
        if node.kind in _BEGINS:
            self.keep(None)
        elif node.kind == _Kind.TRANS_STMT_SAVEPOINT:
            self.keep(node.savepoint_name)
        elif node.kind in _TAKES_BACK:
            self._restore(node.savepoint_name)
        elif node.kind == _Kind.TRANS_STMT_COMMIT:
            self.kept.clear()

    def keep(self, name: str | None) -> None:
        """Keep the schema as it is now."""
        self.kept[name] = deepcopy(self.schema)

    def _restore(self, name: str | None) -> None:
        if kept := self.kept.get(name):
            again = deepcopy(kept)  # a savepoint may be gone back to once more
            for name in Schema.__struct_fields__:
                setattr(self.schema, name, getattr(again, name))


def of(statements: Iterable[Statement], schema: Schema, *, transaction: bool) -> Rollbacks:
    """Return what follows a migration's rollbacks; `transaction`: it begins inside of one."""
    kinds = (one.node.kind for one in statements if isinstance(one.node, ast.TransactionStmt))
    made = Rollbacks(schema=schema, needed=any(kind in _TAKES_BACK for kind in kinds))
    if made.needed and transaction:
        made.keep(None)
    return made
