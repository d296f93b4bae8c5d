"""Which security group would have to let whom in, and whether that could help at all."""

import socket
import time
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from msgspec import Struct

from migsafe import config
from migsafe.aws.identify import Database
from migsafe.errors import UnreachableError, UsageError

#: What is asked for our address where the config names nothing; both are for IPv4 alone.
SERVICES = ("https://checkip.amazonaws.com", "https://ipv4.icanhazip.com")

#: Seconds that a rule may take to have effect; AWS says "a small delay might occur".
_SPREADS = 30.0


class Door(Struct, frozen=True, kw_only=True):
    """Who is let in, where: one address, one port, one security group."""

    group: str
    cidr: str
    port: int


def group(database: Database, wanted: str | None) -> str:
    """Choose the security group: the configured one, or the only one; else raise UsageError."""
    groups = [one["VpcSecurityGroupId"] for one in database.described.get("VpcSecurityGroups", ())]
    shown = ", ".join(groups) or "none"
    if wanted and wanted not in groups:
        problem = f"{wanted} is no security group of it; it has {shown}"
        raise UsageError(database.id, problem, "correct security_group")
    if not wanted and len(groups) != 1:
        problem = f"it has not one security group but {shown}"
        raise UsageError(database.id, problem, "choose with security_group")
    return wanted or str(groups[0])


#: What to do where no rule helps.
_ELSEWHERE = (
    "run migsafe inside its VPC, or through a port forwarded by SSM or a VPN, "
    "without temporary_access"
)


def check(database: Database, host: str) -> None:
    """Raise UnreachableError where no rule for a public address could help."""
    if not _is_public(database):
        problem = "it is not publicly accessible, so that no rule lets this machine in"
        raise UnreachableError(database.id, problem, _ELSEWHERE)
    addresses = _resolved(host)
    if addresses and not any(ip_address(one).is_global for one in addresses):
        problem = f"its name leads to the private address {addresses[0]} from here"
        raise UnreachableError(database.id, f"{problem}, which no rule opens", _ELSEWHERE)


def _is_public(database: Database) -> bool:
    """Tell whether it has a public address: a cluster of Aurora by any of its instances."""
    parts = (database.described, *database.members)
    return any(one.get("PubliclyAccessible") for one in parts)


def _resolved(host: str) -> list[str]:
    """Return the addresses of a name; none where it has none, which libpq says better."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [str(address[0]).partition("%")[0] for *_, address in found]


def own_address(services: Sequence[str]) -> str:
    """Ask how the internet sees this machine; return it as a CIDR where all say the same."""
    seen = {url: _asked(url) for url in services or SERVICES}
    if len(set(seen.values())) != 1:
        said = ", ".join(f"{url} sees {address}" for url, address in seen.items())
        raise UnreachableError(
            "temporary access", f"this machine has more than one address: {said}", "set source_cidr"
        )
    return config.address(next(iter(seen.values())), "address_services")


def _asked(url: str) -> str:
    """Return the address that a service sees: ours, and not that of a proxy for HTTP."""
    from urllib.request import HTTPRedirectHandler, ProxyHandler, build_opener

    class Staying(HTTPRedirectHandler):
        """Follows nobody: who may answer here is let in to the database."""

        def redirect_request(self, *_: Any) -> None:
            return None

    try:
        with build_opener(ProxyHandler({}), Staying()).open(url, timeout=5) as answer:
            text = answer.read(100).decode("ascii").strip()
        return str(ip_address(text))
    except (OSError, ValueError) as error:
        problem = f"{url} does not tell the address of this machine ({type(error).__name__})"
        raise UnreachableError("temporary access", problem, "set source_cidr") from None


def await_answer(host: str, port: int, door: Door) -> None:
    """Return once something listens behind the rule; raise UnreachableError where nothing does."""
    deadline = time.monotonic() + _SPREADS
    while True:
        try:
            socket.create_connection((host, port), timeout=3).close()
        except OSError as error:
            if time.monotonic() > deadline:
                let_in = f"{door.group} let {door.cidr} in"
                problem = f"does not answer {_SPREADS:g} s after {let_in} ({error})"
                remedy = f"check the routes and network ACLs of its subnets, or {_ELSEWHERE}"
                raise UnreachableError(f"{host}:{port}", problem, remedy) from None
            time.sleep(0.5)
        else:
            return
