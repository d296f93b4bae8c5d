"""The SQL that makes a role with no more rights than its commands need. Reads no database.

Names in it are quoted already.
"""

from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct


class Schema(Struct, frozen=True, kw_only=True):
    """One schema of the application: who owns most of its tables, and whether rows are secured."""

    name: str
    owner: str
    secured: bool = False


class Ground(Struct, frozen=True, kw_only=True):
    """What the roles are for. `record` is the history's own table, None where none is known.

    `hidden` says that policies may hide rows of it. `others` own tables beside the owner; `lent`
    are tables of migsafe and of the history, with the rights on them, that the owner has to be
    given because another role made them.
    """

    database: str
    owner: str
    schemas: tuple[Schema, ...]
    record: str | None = None
    hidden: bool = False
    ledger: bool = False
    roles: frozenset[str] = frozenset()
    superuser: bool = False
    others: tuple[str, ...] = ()
    lent: tuple[str, ...] = ()


def script(purpose: str, role: str, ground: Ground) -> str:
    """Return the statements that make `role` for a purpose of `PURPOSES`."""
    return "\n".join(PURPOSES[purpose](role, ground))


def _made(role: str, ground: Ground) -> Iterator[str]:
    there = role in ground.roles
    yield f"-- {role} is there already." if there else f"CREATE ROLE {role} LOGIN;"
    yield f"GRANT CONNECT ON DATABASE {ground.database} TO {role};"


def _readers_settings(role: str, ground: Ground) -> str:
    place = f"IN DATABASE {ground.database}"
    return f"ALTER ROLE {role} {place} SET default_transaction_read_only = on;"


def _reader(role: str, ground: Ground, privilege: str) -> Iterator[str]:
    yield from _made(role, ground)
    yield _readers_settings(role, ground)
    for schema in ground.schemas:
        yield f"GRANT USAGE ON SCHEMA {schema.name} TO {role};"
        yield f"GRANT {privilege} ON ALL TABLES IN SCHEMA {schema.name} TO {role};"
        yield (
            f"ALTER DEFAULT PRIVILEGES FOR ROLE {schema.owner} IN SCHEMA {schema.name}"
            f" GRANT {privilege} ON TABLES TO {role};"
        )
    yield from _own(role, ground)


def _own(role: str, ground: Ground) -> Iterator[str]:
    """The ledger of migsafe, which the first apply makes."""
    if not ground.ledger:
        yield f"CREATE SCHEMA IF NOT EXISTS migsafe AUTHORIZATION {ground.owner};"
    yield f"GRANT USAGE ON SCHEMA migsafe TO {role};"
    yield f"GRANT SELECT ON ALL TABLES IN SCHEMA migsafe TO {role};"
    yield (
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {ground.owner} IN SCHEMA migsafe"
        f" GRANT SELECT ON TABLES TO {role};"
    )


def _audit(role: str, ground: Ground) -> Iterator[str]:
    yield f"-- {role} reads rows and changes nothing: status, lint, audit, plan, baseline, verify."
    yield from _reader(role, ground, "SELECT")
    secured = [schema.name for schema in ground.schemas if schema.secured]
    if ground.hidden and ground.record:
        secured.append(ground.record)
    if secured:
        yield f"-- Policies hide rows of {', '.join(secured)} from it; audits of them are refused"
        yield "-- unless a superuser says:"
        yield f"ALTER ROLE {role} BYPASSRLS;"


def _verify(role: str, ground: Ground) -> Iterator[str]:
    yield f"-- {role} reads the catalog and the records, and no row: status, verify, gate."
    yield "-- information_schema shows a column only to who has some right on it: REFERENCES is one"
    yield "-- that reads nothing."
    yield from _reader(role, ground, "REFERENCES")
    if ground.hidden:
        yield f"-- Policies hide rows of {ground.record} from it, and a gate is not opened by a"
        yield "-- part of them. It may read no other table. For a superuser:"
        yield f"ALTER ROLE {role} BYPASSRLS;"
    if ground.record:
        yield f"GRANT SELECT ON {ground.record} TO {role};"
    else:
        yield "-- After the first apply: GRANT SELECT on the history's own table, too."


def _deploy(role: str, ground: Ground) -> Iterator[str]:
    owners = dict.fromkeys([ground.owner, *(schema.owner for schema in ground.schemas)])
    yield f"-- {role} applies migrations as {ground.owner}, who owns the tables: apply, resolve,"
    yield "-- baseline --write, snapshot."
    if ground.superuser:
        yield f"-- {ground.owner} is a superuser: {role} will be as good as one. Better give the"
        yield "-- tables to a role that is none, and ask for this again."
    yield from _made(role, ground)
    yield from (f"GRANT {owner} TO {role};" for owner in owners)
    yield f"ALTER ROLE {role} IN DATABASE {ground.database} SET role = {ground.owner};"
    yield f"GRANT CREATE ON DATABASE {ground.database} TO {ground.owner};"
    yield from (f"GRANT {lent} TO {ground.owner};" for lent in ground.lent)
    for other in ground.others:
        yield f"-- {other} owns tables, too, which {ground.owner} may not change. Only where"
        yield "-- migrations do:"
        yield f"-- GRANT {other} TO {ground.owner};"
    yield "-- To see who is in the way of a migration:"
    yield f"GRANT pg_read_all_stats TO {ground.owner};"
    yield "-- Only for --terminate-blockers:"
    yield f"-- GRANT pg_signal_backend TO {ground.owner};"


#: The registry, and the choices of the command.
PURPOSES: Mapping[str, Callable[[str, Ground], Iterator[str]]] = {
    "audit": _audit,
    "deploy": _deploy,
    "verify": _verify,
}
