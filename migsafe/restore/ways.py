"""How a restore goes, by the provider of its snapshot; each is loaded when it is called for."""

from collections.abc import Callable, Mapping

from migsafe.restore import Restoring, Way


def _rds(restoring: Restoring) -> Way:
    from migsafe.restore import rds

    return rds.way(restoring)


def _pg_dump(restoring: Restoring) -> Way:
    from migsafe.restore import databases

    return databases.way(restoring)


#: The registry.
WAYS: Mapping[str, Callable[[Restoring], Way]] = {"rds": _rds, "pg_dump": _pg_dump}
