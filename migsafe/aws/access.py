"""One address let in through a security group for a while, and taken out by the rule's own id.

A rule is never found by its address or its description alone: those of others may look the same.
"""

import logging
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from migsafe.aws import Cloud, explained, intents
from migsafe.aws.doors import Door
from migsafe.aws.intents import Intent, Record
from migsafe.errors import UnreachableError

#: How long a rule may stand that nobody takes away. Arbitrary: longer than a snapshot (4 hours) and
#: a migration (1 hour a statement) usually take together.
_LASTS = timedelta(hours=12)

#: How far clocks may be apart.
_SKEW = timedelta(minutes=5)

#: What a refusal to open means.
_REFUSALS = {
    "RulesPerSecurityGroupLimitExceeded": (
        "it has as many rules as it may have",
        "remove what nobody needs; migsafe access sweep removes what expired of ours",
    ),
    "InvalidGroup.NotFound": (
        "there is no such security group",
        "check the region and the account",
    ),
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of a security group, as EC2 describes it."""

    id: str
    group: str
    tags: Mapping[str, str]
    described: Mapping[str, Any] = field(repr=False)

    @property
    def run(self) -> str | None:
        """The run that made it, None where migsafe did not."""
        return self.tags.get("migsafe:run") if self.managed else None

    @property
    def managed(self) -> bool:
        """Whether migsafe made it."""
        return self.tags.get("migsafe:managed") == "true"

    @property
    def expires(self) -> datetime | None:
        """When it may be taken away by anybody; None where it does not say so."""
        try:
            said = datetime.fromisoformat(self.tags.get("migsafe:expires", ""))
        except ValueError:
            return None
        return said if said.tzinfo else None

    def lets_in(self, door: Door) -> bool:
        """Tell whether it is just this address, port and direction."""
        seen = self.described
        cidr = seen.get("CidrIpv4") or seen.get("CidrIpv6")
        ports = (seen.get("IpProtocol"), seen.get("FromPort"), seen.get("ToPort"))
        return cidr == door.cidr and ports == ("tcp", door.port, door.port)


@dataclass(slots=True, kw_only=True)
class Swept:
    """What a sweep took away, what it could not, and what does not say when it expires."""

    revoked: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)


# ---------------------------------------------------------------- opening and closing


@contextmanager
def opened(cloud: Cloud, door: Door, folder: Path, run: str) -> Iterator[None]:
    """Let one address in until the block ends, however it ends.

    The intent is in `folder` before the rule exists and until it is gone.
    """
    client = cloud.client("ec2")
    with intents.recorded(folder, _intent(cloud, door, run)) as record:
        try:
            _authorize(client, door, record)
            yield
        finally:
            _revoke_own(client, record)


def _intent(cloud: Cloud, door: Door, run: str) -> Intent:
    now = datetime.now(UTC).replace(microsecond=0)
    return Intent(
        run=run,
        region=cloud.region,
        account=cloud.account,
        group=door.group,
        cidr=door.cidr,
        port=door.port,
        created=now.isoformat(),
        expires=(now + _LASTS).isoformat(),
    )


def _authorize(client: Any, door: Door, record: Record) -> None:
    """Add the rule and write its id down. One that is there already is used, and stays."""
    with explained(door.group):
        made = _added(client, door, record)
        rule = made or next((one for one in _rules(client, door.group) if one.lets_in(door)), None)
    if rule is None:
        problem = f"a rule for {door.cidr} was there and is gone"
        raise UnreachableError(door.group, problem, "run it again")
    if made is None and rule.run != record.intent.run:  # not what a lost answer of ours made
        _log.warning(
            "migsafe: %s in %s lets %s in already%s; it is left as it is",
            rule.id,
            door.group,
            door.cidr,
            f", for the run {rule.run}" if rule.run else "",
        )
        record.forget()
        return
    record.write(rule.id)


def _added(client: Any, door: Door, record: Record) -> Rule | None:
    """Add the rule; return None where there is one for the same address and port."""
    from botocore.exceptions import ClientError

    try:
        answer = client.authorize_security_group_ingress(**_request(door, record.intent))
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "InvalidPermission.Duplicate":
            return None
        if _was_never_done(error):
            record.forget()
        if code in _REFUSALS:
            raise UnreachableError(door.group, *_REFUSALS[code]) from None
        raise
    return _rule(answer["SecurityGroupRules"][0])


def _was_never_done(error: Any) -> bool:
    """Tell whether a refusal is of the only request there was; one before may have been done."""
    said = error.response["ResponseMetadata"]
    return bool(said["HTTPStatusCode"] < 500 and not said.get("RetryAttempts"))


def _request(door: Door, intent: Intent) -> dict[str, Any]:
    text = f"migsafe run {intent.run} until {intent.expires}"
    version6 = ":" in door.cidr
    place = {"CidrIpv6" if version6 else "CidrIp": door.cidr, "Description": text}
    ranges = {"Ipv6Ranges" if version6 else "IpRanges": [place]}
    tags = {
        "migsafe:managed": "true",
        "migsafe:run": intent.run,
        "migsafe:created": intent.created,
        "migsafe:expires": intent.expires,
        "migsafe:host": re.sub(r"[^\w.-]", "-", socket.gethostname(), flags=re.ASCII),
    }
    return {
        "GroupId": door.group,
        "IpPermissions": [
            {"IpProtocol": "tcp", "FromPort": door.port, "ToPort": door.port, **ranges}
        ],
        "TagSpecifications": [
            {
                "ResourceType": "security-group-rule",
                "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
            }
        ],
    }


def _revoke_own(client: Any, record: Record) -> None:
    """Take our rule away. Where that fails its record stays, which a sweep goes by."""
    from botocore.exceptions import BotoCoreError, ClientError

    intent = record.intent
    if not record.path.exists():
        return
    try:
        ids = [intent.rule] if intent.rule else _of_run(client, intent)
        for rule in ids:
            _revoke(client, intent.group, rule)
    except (BotoCoreError, ClientError) as error:
        _log.warning(
            "migsafe: %s in %s may still let %s in (%s); migsafe access sweep takes it away",
            intent.rule or "a rule",
            intent.group,
            intent.cidr,
            _problem(error),
        )
        return
    if ids:
        record.forget()


def _of_run(client: Any, intent: Intent) -> list[str]:
    """Return the rules of a run whose answer was lost; EC2 may show them a little later."""
    return [rule.id for rule in _rules(client, intent.group) if rule.run == intent.run]


def _revoke(client: Any, group: str, rule: str) -> bool:
    """Take one rule away by its id; return whether it was there.

    One a call: a list with one unknown id takes none of them away.
    """
    from botocore.exceptions import ClientError

    try:
        client.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[rule])
    except ClientError as error:
        if error.response["Error"]["Code"] not in (
            "InvalidPermission.NotFound",
            "InvalidSecurityGroupRuleId.NotFound",
            "InvalidGroup.NotFound",
        ):
            raise
        return False
    return True


def _rules(client: Any, group: str | None = None, *, managed: bool = False) -> Iterator[Rule]:
    """Yield the rules for what comes in, of one group or of all."""
    filters = [{"Name": "group-id", "Values": [group]}] if group else []
    if managed:
        filters.append({"Name": "tag:migsafe:managed", "Values": ["true"]})
    pages = client.get_paginator("describe_security_group_rules").paginate(Filters=filters)
    for page in pages:
        yield from (_rule(one) for one in page["SecurityGroupRules"] if not one["IsEgress"])


def _rule(described: Mapping[str, Any]) -> Rule:
    return Rule(
        id=described["SecurityGroupRuleId"],
        group=described["GroupId"],
        tags={tag["Key"]: tag["Value"] for tag in described.get("Tags", ())},
        described=described,
    )


# ---------------------------------------------------------------- what others left


def sweep(cloud: Cloud, folder: Path, *, group: str | None = None) -> Swept:
    """Take away what expired, and what dead runs of this checkout left, in one group or in all.

    Only rules that carry our tags, or whose id such a run wrote down. One that fails does not keep
    the others.
    """
    client, swept, now = cloud.client("ec2"), Swept(), datetime.now(UTC)
    with explained("EC2"):
        rules = list(_rules(client, group, managed=True))
    with intents.abandoned(folder) as found:
        ours = {path: one for path, one in found.items() if _concerns(one, cloud, group)}
        left = {path: _places(intent, rules) for path, intent in ours.items()}
        dead = set().union(*left.values(), ((r.group, r.id) for r in rules if _is_over(r, now)))
        gone = {place for place in sorted(dead) if _is_swept(client, *place, swept)}
        for path, places in left.items():
            if places <= gone and (places or not _is_young(ours[path], now)):
                path.unlink(missing_ok=True)
    timeless = (r for r in rules if r.expires is None and (r.group, r.id) not in gone)
    swept.unclear += [f"{rule.id} in {rule.group}" for rule in timeless]
    return swept


def _concerns(intent: Intent, cloud: Cloud, group: str | None) -> bool:
    here = (intent.region, intent.account) == (cloud.region, cloud.account)
    return here and group in (None, intent.group)


def _places(intent: Intent, rules: Iterable[Rule]) -> set[tuple[str, str]]:
    """Return group and id of what a run left: what carries its tag, and what it wrote down."""
    tagged = {(rule.group, rule.id) for rule in rules if rule.run == intent.run}
    return tagged | ({(intent.group, intent.rule)} if intent.rule else set())


def _is_over(rule: Rule, now: datetime) -> bool:
    return rule.expires is not None and rule.expires + _SKEW < now


def _is_young(intent: Intent, now: datetime) -> bool:
    """Tell whether EC2 might still carry a request out, or not show yet what came of it."""
    return datetime.fromisoformat(intent.created) + _SKEW > now


def _is_swept(client: Any, group: str, rule: str, swept: Swept) -> bool:
    """Take one rule away, and note what came of it; return whether it is gone."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        was_there = _revoke(client, group, rule)
    except (BotoCoreError, ClientError) as error:
        swept.failed.append(f"{rule} in {group}: {_problem(error)}")
        return False
    swept.revoked += [f"{rule} in {group}"] if was_there else []
    return True


def _problem(error: Exception) -> str:
    """Return the code that EC2 gave, or what kept it from answering."""
    response = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code") or type(error).__name__)
