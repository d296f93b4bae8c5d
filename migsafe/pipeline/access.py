"""Temporary access: the way to a target is open while a command is at work, and no longer."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ulid import ULID

from migsafe import aws, target
from migsafe.aws import access, doors, identify, intents
from migsafe.config import EnvConfig, Settings, address
from migsafe.errors import ExitCode
from migsafe.reports import Report
from migsafe.target import Target

#: Where intents are kept, beside the config file.
_FOLDER = Path(".migsafe", "access")

_log = logging.getLogger(__name__)


@contextmanager
def granted(settings: Settings, where: Target, run: str) -> Iterator[None]:
    """Let this machine in until the block ends.

    First takes away what earlier runs left. Who asks, and what is opened, is said before it is.
    """
    env = settings.env
    host = where.params.get("host", "")
    cloud, database = identify.reach(host, env)
    doors.check(database, host)
    group = doors.group(database, env.security_group)
    folder = settings.root / _FOLDER
    _say(access.sweep(cloud, folder, group=group))
    cidr = _source(env)
    door = doors.Door(group=group, cidr=cidr, port=database.port)
    _log.warning(
        "migsafe: %s: letting %s in to port %d by %s", cloud, door.cidr, door.port, door.group
    )
    with access.opened(cloud, door, folder, run):
        doors.await_answer(*_address(where), door)
        yield


def _source(env: EnvConfig) -> str:
    if env.source_cidr:
        return address(env.source_cidr, "source_cidr")
    return doors.own_address(env.address_services)


def _address(where: Target) -> tuple[str, int]:
    """Return where libpq goes, which another address than the host's may be given for."""
    hostaddr = where.params.get("hostaddr") or os.environ.get("PGHOSTADDR")
    port = where.params.get("port") or os.environ.get("PGPORT") or 5432
    return hostaddr or where.params["host"], int(port)


def _say(swept: access.Swept) -> None:
    for rule in swept.revoked:
        _log.warning("migsafe: took away %s, which an earlier run left", rule)
    for failure in swept.failed:
        _log.warning("migsafe: %s is left of an earlier run and cannot be taken away", failure)


def sweep(settings: Settings) -> Report:
    """Take away every rule that a run left: by its tags where it expired, by its intent at once."""
    started, clock = datetime.now(UTC), time.monotonic()
    folder, env = settings.root / _FOLDER, settings.env
    cloud = aws.connect(region=_region(settings), profile=env.profile, account=env.account)
    regions = sorted({cloud.region, *intents.regions(folder)})
    swept = [access.sweep(cloud.within(region), folder) for region in regions]
    failed = [one for found in swept for one in found.failed]
    code = ExitCode.UNREACHABLE if failed else ExitCode.OK
    return Report(
        command="access sweep",
        run=str(ULID()),
        ok=not failed,
        exit_code=int(code),
        started=started,
        seconds=round(time.monotonic() - clock, 3),
        notes=(
            *(f"Took away {one}" for found in swept for one in found.revoked),
            *(f"Could not take away {one}" for one in failed),
            *(f"Left {one}: it does not say when it expires" for f in swept for one in f.unclear),
        ),
        next="allow ec2:RevokeSecurityGroupIngress, then sweep again." if failed else None,
    )


def _region(settings: Settings) -> str | None:
    """Return the region of the target, None where only the AWS configuration says one."""
    if settings.url is None:
        return settings.env.region
    where = target.resolve(settings.url, name=settings.name, root=settings.root, env=settings.env)
    return identify.region_of(where.params.get("host", "")) or settings.env.region
