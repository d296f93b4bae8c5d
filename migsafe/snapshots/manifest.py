"""Everything that a restore needs, written down when the snapshot is taken.

Pure: made of what others have read, kept as JSON in the ledger and beside the config file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What the database held. `counts` are rows by table; those not `exact` are estimates.

    `facts` is the SHA-256 of all facts of the schema, `rows` of the history's own table.
    """

    facts: str
    fact_count: int
    counts: Mapping[str, int]
    exact: bool
    migrations: str | None = None
    extensions: Mapping[str, str] = field(default_factory=dict)
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One snapshot. `moment` is the target's own clock just before it, for a point-in-time restore.

    `place` is the target as ``host:port/database``; `source` what the provider knows of the
    database (AWS: the whole descriptions), `copy` of the snapshot itself, `requests` the exact
    calls that restore it, by operation name. Holds no password and no row.
    """

    version: int = 1
    run: str
    provider: str
    id: str
    taken: datetime
    moment: datetime
    place: str
    database: str
    server_version: str
    size: int | None = None
    sha256: str | None = None
    restorable_from: datetime | None = None
    restorable_to: datetime | None = None
    git_commit: str | None = None
    fingerprint: Fingerprint
    source: Mapping[str, Any] = field(default_factory=dict)
    copy: Mapping[str, Any] = field(default_factory=dict)
    requests: Mapping[str, Any] = field(default_factory=dict)
