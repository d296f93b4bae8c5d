"""Temporary access: one address is let in while a command runs, and nothing else is touched."""

import json
import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from migsafe.aws import doors, intents
from migsafe.aws.intents import Intent
from migsafe.errors import ExitCode, MigsafeError
from tests.aws.cloud import ACCOUNT, REGION, Call, Cloud
from tests.cli.cluster import Cluster
from tests.cli.conftest import TWO, Migsafe, child, lay_out

#: How many runs are killed; CONTRIBUTING says how to have more.
KILLS = int(os.environ.get("MIGSAFE_ACCESS_KILLS", "6"))

CIDR = "9.9.9.9/32"
FOLDER = Path(".migsafe", "access")


@pytest.fixture
def clinic(
    cloud: Cloud, asking: Cluster, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """An instance that is open to the world but for its security group, and a config that asks."""
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
    described = cloud.instance("clinic", port=asking.port, PubliclyAccessible=True)
    lay_out(workdir, TWO)
    (workdir / "migsafe.toml").write_text(config(described, asking))
    return described


def config(described: dict[str, Any], asking: Cluster, cidr: str = CIDR, **more: str) -> str:
    host = described["Endpoint"]["Address"]
    lines = {
        "url": f"'postgresql://admin:of-a-test@{host}:{asking.port}/postgres'",
        "temporary_access": "true",
        "source_cidr": cidr and f"'{cidr}'",
        **more,
    }
    given = "".join(f"{key} = {value}\n" for key, value in lines.items() if value)
    return f"[history]\npath = 'prisma'\n[env.prod]\n{given}"


def group_of(described: dict[str, Any]) -> str:
    return str(described["VpcSecurityGroups"][0]["VpcSecurityGroupId"])


def rules(cloud: Cloud) -> dict[str, dict[str, Any]]:
    """Return every rule for what comes in, whole."""
    found = cloud.client("ec2").describe_security_group_rules()["SecurityGroupRules"]
    return {one["SecurityGroupRuleId"]: one for one in found if not one["IsEgress"]}


def allow(
    cloud: Cloud, group: str, cidr: str, tags: Mapping[str, str] | None = None, port: int = 5432
) -> str:
    """Add a rule as somebody else would, and return its id."""
    asked: dict[str, Any] = {
        "GroupId": group,
        "IpPermissions": [
            {
                "IpProtocol": "tcp",
                "FromPort": port,
                "ToPort": port,
                "IpRanges": [{"CidrIp": cidr, "Description": "migsafe, says somebody else"}],
            }
        ],
    }
    if tags:
        items = [{"Key": key, "Value": tag} for key, tag in tags.items()]
        asked["TagSpecifications"] = [{"ResourceType": "security-group-rule", "Tags": items}]
    made = cloud.client("ec2").authorize_security_group_ingress(**asked)
    return str(made["SecurityGroupRules"][0]["SecurityGroupRuleId"])


def managed(run: str, expires: timedelta) -> dict[str, str]:
    moment = (datetime.now(UTC) + expires).isoformat(timespec="seconds")
    return {"migsafe:managed": "true", "migsafe:run": run, "migsafe:expires": moment}


def left() -> list[Path]:
    return list(FOLDER.glob("*.json"))


class Watching(list[Call]):
    """Calls to AWS; each is shown to a function before it is answered."""

    def __init__(self, look: Callable[[Call], None]) -> None:
        super().__init__()
        self.look = look

    def append(self, call: Call) -> None:
        super().append(call)
        self.look(call)


# ---------------------------------------------------------------- in and out


def test_a_command_lets_itself_in_and_out_again(
    migsafe: Migsafe, cloud: Cloud, clinic: dict[str, Any], asking: Cluster
) -> None:
    allow(cloud, group_of(clinic), "8.8.8.8/32")
    before = rules(cloud)

    called = migsafe("status", "--format", "json")

    assert called.code == ExitCode.OK, called.err
    assert rules(cloud) == before
    assert left() == []
    asked = cloud.called("AuthorizeSecurityGroupIngress")[-1]
    assert asked["GroupId"] == group_of(clinic)
    assert asked["IpPermissions.1.IpRanges.1.CidrIp"] == CIDR
    ports = {asked["IpPermissions.1.FromPort"], asked["IpPermissions.1.ToPort"]}
    assert ports == {str(asking.port)}
    tags = {
        asked[f"TagSpecification.1.Tag.{n}.Key"]: asked[f"TagSpecification.1.Tag.{n}.Value"]
        for n in range(1, 6)
    }
    assert tags["migsafe:managed"] == "true"
    assert tags["migsafe:run"] == called.report.run
    ends = datetime.fromisoformat(tags["migsafe:expires"]) - datetime.now(UTC)
    assert timedelta(hours=11) < ends <= timedelta(hours=12)


def test_the_intent_is_on_disk_before_the_rule_and_for_as_long_as_it(
    migsafe: Migsafe, cloud: Cloud, clinic: dict[str, Any]
) -> None:
    seen: dict[str, list[Intent]] = {}

    def look(call: Call) -> None:
        files = [json.loads(path.read_text()) for path in left()]
        seen[call.operation] = [Intent(**one) for one in files]

    cloud.calls = Watching(look)
    called = migsafe("status", "--format", "json")

    assert called.code == ExitCode.OK, called.err
    (intent,) = seen["AuthorizeSecurityGroupIngress"]
    assert (intent.run, intent.group, intent.cidr) == (called.report.run, group_of(clinic), CIDR)
    assert intent.rule is None
    (late,) = seen["RevokeSecurityGroupIngress"]
    assert late.rule == cloud.called("RevokeSecurityGroupIngress")[0]["SecurityGroupRuleId.1"]
    assert (FOLDER.parent / ".gitignore").read_text() == "*\n"


def test_an_intent_that_cannot_be_written_opens_nothing(
    migsafe: Migsafe, cloud: Cloud, clinic: dict[str, Any]
) -> None:
    FOLDER.parent.mkdir()
    FOLDER.write_text("a file in the way")

    called = migsafe("status")

    assert called.code == ExitCode.UNREACHABLE
    assert "nothing was opened" in called.err
    assert cloud.called("AuthorizeSecurityGroupIngress") == []


def test_a_command_that_fails_lets_itself_out(
    migsafe: Migsafe, cloud: Cloud, clinic: dict[str, Any], workdir: Path
) -> None:
    file = workdir / "migsafe.toml"
    file.write_text(file.read_text().replace("of-a-test", "not-the-password"))

    assert migsafe("status").code == ExitCode.UNREACHABLE
    assert len(cloud.called("AuthorizeSecurityGroupIngress")) == 1
    assert rules(cloud) == {}
    assert left() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_command_that_is_interrupted_lets_itself_out(
    cloud: Cloud, clinic: dict[str, Any], workdir: Path, number: signal.Signals
) -> None:
    (workdir / "audits").mkdir()
    (workdir / "audits/slow.sql").write_text("SELECT 1 FROM pg_sleep(60);\n")
    running = threading.Event()
    cloud.calls = Watching(
        lambda call: running.set() if call.operation.startswith("Authorize") else None
    )
    process = subprocess.Popen(child("audit"), stderr=subprocess.PIPE)
    assert running.wait(30)
    time.sleep(0.5)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)

    assert process.returncode == ExitCode.INTERRUPTED, said
    assert rules(cloud) == {}
    assert left() == []


def test_a_rule_that_cannot_be_taken_away_is_told_and_left_to_a_sweep(
    migsafe: Migsafe, cloud: Cloud, clinic: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    cloud.fail("RevokeSecurityGroupIngress", "UnauthorizedOperation", status=403)

    called = migsafe("status")

    assert called.code == ExitCode.OK  # what it was asked for is done
    assert "may still let 9.9.9.9/32 in (UnauthorizedOperation)" in caplog.text
    assert len(rules(cloud)) == 1
    assert len(left()) == 1
    assert migsafe("access", "sweep").code == ExitCode.OK
    assert rules(cloud) == {}
    assert left() == []


# ---------------------------------------------------------------- answers that are lost, and rivals


def test_a_rule_whose_answer_was_lost_is_our_own(
    migsafe: Migsafe, cloud: Cloud, clinic: dict[str, Any]
) -> None:
    cloud.lose("AuthorizeSecurityGroupIngress")

    assert migsafe("status").code == ExitCode.OK
    assert len(cloud.called("AuthorizeSecurityGroupIngress")) == 2  # the second is a duplicate
    assert rules(cloud) == {}


def test_a_rule_of_which_no_answer_ever_came_is_found_by_its_run(
    migsafe: Migsafe, cloud: Cloud, clinic: dict[str, Any]
) -> None:
    cloud.lose("AuthorizeSecurityGroupIngress", times=10)

    assert migsafe("status").code == ExitCode.UNREACHABLE
    assert len(cloud.called("RevokeSecurityGroupIngress")) == 1
    assert rules(cloud) == {}
    assert left() == []


def test_a_refusal_after_an_answer_that_was_lost_is_no_proof_that_nothing_is_open(
    migsafe: Migsafe, cloud: Cloud, clinic: dict[str, Any]
) -> None:
    cloud.lose("AuthorizeSecurityGroupIngress")
    cloud.fail("AuthorizeSecurityGroupIngress", "UnauthorizedOperation", status=403)

    assert migsafe("status").code == ExitCode.UNREACHABLE
    assert rules(cloud) == {}
    assert left() == []


@pytest.mark.parametrize(
    ("said", "tags"), [(CIDR, {}), ("9.9.9.9", managed("01ANOTHER", timedelta(hours=1)))]
)
def test_a_rule_of_somebody_else_for_the_same_address_is_used_and_left(
    migsafe: Migsafe,
    cloud: Cloud,
    clinic: dict[str, Any],
    asking: Cluster,
    caplog: pytest.LogCaptureFixture,
    workdir: Path,
    said: str,
    tags: dict[str, str],
) -> None:
    (workdir / "migsafe.toml").write_text(config(clinic, asking, said))
    allow(cloud, group_of(clinic), CIDR, tags, asking.port)
    before = rules(cloud)

    assert migsafe("status").code == ExitCode.OK
    assert rules(cloud) == before
    assert cloud.called("RevokeSecurityGroupIngress") == []
    assert left() == []
    assert "lets 9.9.9.9/32 in already" in caplog.text


# ---------------------------------------------------------------- where it cannot work


def refused(migsafe: Migsafe, cloud: Cloud, code: ExitCode) -> str:
    """Return what a command says that must open nothing."""
    called = migsafe("status")
    assert called.code == code, called.err
    assert cloud.called("AuthorizeSecurityGroupIngress") == []
    assert left() == []
    return called.err


def test_a_database_without_a_public_address_is_told_plainly(
    migsafe: Migsafe, cloud: Cloud, clinic: dict[str, Any]
) -> None:
    cloud.backend().databases["clinic"].publicly_accessible = False

    said = refused(migsafe, cloud, ExitCode.UNREACHABLE)

    assert "clinic: it is not publicly accessible" in said
    assert "run migsafe inside its VPC" in said


def test_a_name_that_leads_to_a_private_address_is_told_plainly(
    migsafe: Migsafe, cloud: Cloud, clinic: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def private(host: str, *arguments: Any, **more: Any) -> Any:
        if host == clinic["Endpoint"]["Address"]:
            return [(2, 1, 6, "", ("10.1.2.3", 0))]
        return real(host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", private)  # DNS is a service of AWS, too

    said = refused(migsafe, cloud, ExitCode.UNREACHABLE)

    assert "private address 10.1.2.3" in said


def test_a_database_with_several_security_groups_needs_one_to_be_named(
    migsafe: Migsafe, cloud: Cloud, clinic: dict[str, Any], asking: Cluster, workdir: Path
) -> None:
    made = cloud.client("ec2").create_security_group(GroupName="b", Description="b")["GroupId"]
    cloud.backend().databases["clinic"].vpc_security_group_ids.append(made)

    assert "choose with security_group" in refused(migsafe, cloud, ExitCode.USAGE)

    (workdir / "migsafe.toml").write_text(config(clinic, asking, security_group=f"'{made}'"))
    assert migsafe("status").code == ExitCode.OK
    assert cloud.called("AuthorizeSecurityGroupIngress")[0]["GroupId"] == made


def test_a_security_group_that_the_database_does_not_have_is_refused(
    migsafe: Migsafe, cloud: Cloud, clinic: dict[str, Any], asking: Cluster, workdir: Path
) -> None:
    (workdir / "migsafe.toml").write_text(config(clinic, asking, security_group="'sg-0'"))

    said = refused(migsafe, cloud, ExitCode.USAGE)

    assert f"sg-0 is no security group of it; it has {group_of(clinic)}" in said


def test_another_account_is_refused_before_anything_is_opened(
    migsafe: Migsafe, cloud: Cloud, clinic: dict[str, Any], asking: Cluster, workdir: Path
) -> None:
    (workdir / "migsafe.toml").write_text(config(clinic, asking, account="'999999999999'"))

    assert ACCOUNT in refused(migsafe, cloud, ExitCode.UNREACHABLE)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("RulesPerSecurityGroupLimitExceeded", "as many rules as it may have"),
        ("UnauthorizedOperation", "this identity may not AuthorizeSecurityGroupIngress"),
        ("InvalidGroup.NotFound", "no such security group"),
    ],
)
def test_what_ec2_refuses_says_what_to_do_and_leaves_no_intent(
    migsafe: Migsafe, cloud: Cloud, clinic: dict[str, Any], code: str, said: str
) -> None:
    cloud.fail("AuthorizeSecurityGroupIngress", code)

    called = migsafe("status")

    assert called.code == ExitCode.UNREACHABLE
    assert said in called.err
    assert left() == []


def test_a_rule_without_effect_is_told_and_taken_away(
    migsafe: Migsafe, cloud: Cloud, clinic: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "_SPREADS", 0.2)
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.2")

    called = migsafe("status")

    assert called.code == ExitCode.UNREACHABLE
    assert "check the routes and network ACLs" in called.err
    assert rules(cloud) == {}


# ---------------------------------------------------------------- one's own address


@pytest.fixture
def services() -> Iterator[Callable[..., tuple[str, ...]]]:
    """Return a function that starts services which answer with these texts; it gives their URLs."""
    servers: list[HTTPServer] = []

    def start(*texts: str) -> tuple[str, ...]:
        for text in texts:
            server = HTTPServer(("127.0.0.1", 0), _answering(text))
            threading.Thread(target=server.serve_forever, args=(0.05,)).start()
            servers.append(server)
        return tuple(f"http://127.0.0.1:{one.server_port}/" for one in servers)

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def _answering(text: str) -> type[BaseHTTPRequestHandler]:
    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            leads = text.startswith("-> ")
            self.send_response(302 if leads else 200)
            if leads:
                self.send_header("Location", text.removeprefix("-> "))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            pass

    return Answering


def test_the_address_is_what_two_services_see_without_a_proxy(
    services: Callable[..., tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert doors.own_address(services("9.9.9.9\n", "9.9.9.9")) == "9.9.9.9/32"


def test_an_address_of_version_6_is_let_in_alone(
    services: Callable[..., tuple[str, ...]],
) -> None:
    assert doors.own_address(services("2606:4700::1111")) == "2606:4700::1111/128"


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (("9.9.9.9", "8.8.8.8"), "has more than one address"),
        (("10.0.0.1", "10.0.0.1"), "10.0.0.1 is private"),
        (("<html>", "9.9.9.9"), "does not tell the address of this machine (ValueError)"),
        (("9.9.9.0/24", "9.9.9.0/24"), "does not tell the address of this machine (ValueError)"),
    ],
)
def test_an_address_that_is_not_certain_is_refused(
    services: Callable[..., tuple[str, ...]], texts: tuple[str, ...], said: str
) -> None:
    with pytest.raises(MigsafeError) as caught:
        doors.own_address(services(*texts))
    assert said in str(caught.value)


def test_a_service_that_leads_elsewhere_is_not_followed(
    services: Callable[..., tuple[str, ...]],
) -> None:
    (there,) = services("9.9.9.9")
    _, here = services(f"-> {there}")
    with pytest.raises(MigsafeError, match="HTTPError"):
        doors.own_address((here,))


def test_a_service_that_does_not_answer_says_to_name_the_address() -> None:
    with pytest.raises(MigsafeError, match="set source_cidr"):
        doors.own_address(("http://127.0.0.1:1/",))


def test_the_services_of_the_config_are_asked(
    migsafe: Migsafe,
    cloud: Cloud,
    clinic: dict[str, Any],
    asking: Cluster,
    workdir: Path,
    services: Callable[..., tuple[str, ...]],
) -> None:
    urls = json.dumps(services("9.9.9.7", "9.9.9.7"))
    (workdir / "migsafe.toml").write_text(config(clinic, asking, "", address_services=urls))

    assert migsafe("status").code == ExitCode.OK
    asked = cloud.called("AuthorizeSecurityGroupIngress")[0]
    assert asked["IpPermissions.1.IpRanges.1.CidrIp"] == "9.9.9.7/32"


# ---------------------------------------------------------------- sweeping


def others(
    cloud: Cloud, group: str, latest: timedelta = timedelta(minutes=-4)
) -> dict[str, dict[str, Any]]:
    """Add rules that look like ours and are not, or not yet anybody's to take; return them.

    One expires at `latest`, from now on; 5 minutes after that it would be anybody's.
    """
    allow(cloud, group, "9.9.9.1/32")
    allow(cloud, group, "9.9.9.2/32", {"Name": "migsafe", "migsafe:run": "01OTHER"})
    allow(cloud, group, "9.9.9.3/32", managed("01ALIVE", timedelta(hours=1)))
    allow(cloud, group, "9.9.9.4/32", managed("01SKEWED", latest))
    allow(cloud, group, "9.9.9.5/32", managed("01ODD", timedelta()) | {"migsafe:expires": "soon"})
    unmanaged = {"migsafe:managed": "false"}
    allow(cloud, group, "9.9.9.6/32", managed("01X", -timedelta(days=1)) | unmanaged)
    return rules(cloud)


def test_a_sweep_takes_what_expired_and_nothing_else(
    migsafe: Migsafe, cloud: Cloud, clinic: dict[str, Any]
) -> None:
    group = group_of(clinic)
    kept = others(cloud, group)
    made = cloud.client("ec2").create_security_group(GroupName="b", Description="b")["GroupId"]
    gone = [
        allow(cloud, one, "9.9.9.8/32", managed("01DEAD", timedelta(minutes=-6)))
        for one in (group, made)
    ]

    called = migsafe("access", "sweep", "--format", "json")

    assert called.code == ExitCode.OK, called.err
    assert rules(cloud) == kept
    notes = called.report.notes
    assert sorted(notes[:2]) == sorted(
        f"Took away {rule} in {one}" for rule, one in zip(gone, (group, made), strict=True)
    )
    assert ["does not say when it expires" in note for note in notes[2:]] == [True]
    assert called.report.command == "access sweep"


def test_a_command_sweeps_its_own_group_before_it_lets_itself_in(
    migsafe: Migsafe, cloud: Cloud, clinic: dict[str, Any]
) -> None:
    kept = others(cloud, group_of(clinic))
    made = cloud.client("ec2").create_security_group(GroupName="b", Description="b")["GroupId"]
    allow(cloud, group_of(clinic), "9.9.9.8/32", managed("01DEAD", timedelta(hours=-1)))
    elsewhere = allow(cloud, made, "9.9.9.8/32", managed("01DEAD", timedelta(hours=-1)))

    assert migsafe("status").code == ExitCode.OK
    assert set(rules(cloud)) == {*kept, elsewhere}


def test_a_sweep_goes_on_after_a_rule_that_it_may_not_take_and_says_so(
    migsafe: Migsafe, cloud: Cloud, clinic: dict[str, Any]
) -> None:
    for n in (7, 8):
        allow(cloud, group_of(clinic), f"9.9.9.{n}/32", managed("01DEAD", timedelta(hours=-1)))
    cloud.fail("RevokeSecurityGroupIngress", "UnauthorizedOperation", status=403)

    called = migsafe("access", "sweep", "--format", "json")

    assert called.code == ExitCode.UNREACHABLE
    assert len(rules(cloud)) == 1
    assert "UnauthorizedOperation" in " ".join(called.report.notes)


def intent(**more: str | None) -> Intent:
    now = datetime.now(UTC)
    plain: dict[str, Any] = {
        "run": "01DEAD",
        "region": REGION,
        "account": ACCOUNT,
        "group": "sg-0",
        "cidr": CIDR,
        "port": 5432,
        "created": now.isoformat(),
        "expires": (now + timedelta(hours=1)).isoformat(),
    }
    return Intent(**plain | more)


def test_what_a_live_run_holds_is_not_swept(
    migsafe: Migsafe, cloud: Cloud, clinic: dict[str, Any]
) -> None:
    group = group_of(clinic)
    rule = allow(cloud, group, CIDR, managed("01DEAD", timedelta(hours=1)))

    with intents.recorded(FOLDER, intent(group=group)) as record:
        record.write(rule)
        assert migsafe("access", "sweep").code == ExitCode.OK
        assert set(rules(cloud)) == {rule}
        assert len(left()) == 1

    assert migsafe("access", "sweep").code == ExitCode.OK
    assert rules(cloud) == {}
    assert left() == []


def test_an_intent_without_a_rule_is_kept_while_the_rule_might_still_appear(
    migsafe: Migsafe, cloud: Cloud, clinic: dict[str, Any]
) -> None:
    old = (datetime.now(UTC) - timedelta(minutes=6)).isoformat()
    for run, created in (("01NEW", None), ("01OLD", old)):
        more = {"created": created} if created else {}
        with intents.recorded(FOLDER, intent(run=run, group=group_of(clinic), **more)):
            pass

    assert migsafe("access", "sweep").code == ExitCode.OK
    assert [path.stem for path in left()] == ["01NEW"]


def test_an_intent_in_another_region_is_swept_there(
    migsafe: Migsafe, cloud: Cloud, clinic: dict[str, Any]
) -> None:
    far = cloud.client("ec2", "us-west-2")
    group = far.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    permission = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432}
    made = far.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[{**permission, "IpRanges": [{"CidrIp": CIDR}]}]
    )
    rule = made["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    with intents.recorded(FOLDER, intent(group=group, region="us-west-2")) as record:
        record.write(rule)

    assert migsafe("access", "sweep").code == ExitCode.OK
    shown = far.describe_security_group_rules()["SecurityGroupRules"]
    assert [one for one in shown if not one["IsEgress"]] == []
    assert left() == []


def test_runs_that_are_killed_anywhere_leave_nothing_after_one_sweep(
    migsafe: Migsafe,
    cloud: Cloud,
    clinic: dict[str, Any],
    asking: Cluster,
    workdir: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """Two runs at a time, each killed a random while after a call to AWS chosen at random."""
    chance = random.Random(7)
    kept = others(cloud, group_of(clinic), timedelta(hours=1))
    left_behind, killed = 0, 0
    for n in range(0, KILLS, 2):
        files = [Path(f"{name}.toml") for name in "ab"]
        for digit, file in enumerate(files, n):
            file.write_text(config(clinic, asking, f"9.9.8.{digit % 250}/32"))
        killed += _killed(cloud, files, chance)
        left_behind += len(rules(cloud)) - len(kept)

    called = migsafe("access", "sweep")

    record_property("killed", killed)
    record_property("rules left until the next sweep", left_behind)
    assert called.code == ExitCode.OK, called.err
    assert rules(cloud) == kept
    assert killed >= KILLS / 3


#: What a run asks of AWS; most of what can be left begins with the call that opens.
CALLS = (
    "GetCallerIdentity",
    "DescribeDBInstances",
    "DescribeSecurityGroupRules",
    *["AuthorizeSecurityGroupIngress"] * 5,
    *["RevokeSecurityGroupIngress"] * 2,
)


def _killed(cloud: Cloud, files: Sequence[Path], chance: random.Random) -> int:
    """Run one command a config at once, kill each after a call of any; count the killed."""
    arrived: list[str] = []
    cloud.calls = Watching(lambda call: arrived.append(call.operation))
    running = [
        subprocess.Popen(child("status", "-c", file), stdout=subprocess.DEVNULL, stderr=-1)
        for file in files
    ]
    killed = 0
    for times, process in enumerate(running, 1):
        at, later = chance.choice(CALLS), chance.uniform(0, 0.1)
        while process.poll() is None and arrived.count(at) < times:
            time.sleep(0.01)
        time.sleep(later)
        process.kill()
        _, said = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), said
        killed += process.returncode == -signal.SIGKILL
    return killed
