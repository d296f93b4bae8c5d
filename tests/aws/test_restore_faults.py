"""Whatever stops a restore on RDS, it ends resumable or undone, and somebody owns the name."""

import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial

import pytest

from migsafe import restore
from migsafe.errors import ExitCode
from migsafe.restore.journal import Journal
from tests.aws import refusals
from tests.aws.restores import ALL, Clinic, Killed, ended, killed
from tests.faults import enough

#: All steps of a restore with a swap, in order.
STEPS = (
    "restore beside",
    "wait until it is available",
    "set what only a change sets",
    "attach its roles",
    "verify",
    "close the database",
    "take the proxies off",
    "rename the old one aside",
    "rename the copy to the name",
    "check the swap",
    "put the proxies back",
    "protect it from deletion",
)

Patched = pytest.MonkeyPatch


KILLS = [
    *((step, "after", way) for step in STEPS[:5] for way in ("beside", "undo")),
    *((step, "after", way) for step in STEPS[5:] for way in ("resume", "undo")),
    *((step, "before", "undo") for step in STEPS[:5]),
    *((step, "before", "resume") for step in (STEPS[5:] if ALL else STEPS[7:9])),
]


@pytest.mark.parametrize(("step", "moment", "way"), enough(KILLS))
def test_a_restore_that_is_killed_at_any_step_goes_on_or_back(
    clinic: Clinic, monkeypatch: Patched, step: str, moment: str, way: str
) -> None:
    clinic.cloud.manners.instance_takes = 2
    met = killed(monkeypatch, step, moment)
    with pytest.raises(Killed):
        clinic.restore("--yes", "--swap")
    assert met == [step]
    clinic.check()
    ended(clinic, way)


@pytest.mark.parametrize(
    ("step", "way"),
    enough(
        [
            ("protect it from deletion", "undo"),
            ("put the proxies back", "undo"),
            ("rename the copy to the name", "resume"),
            ("rename the old one aside", "undo"),
            ("close the database", "undo"),
        ]
        + [(step, way) for step in STEPS[5:9] for way in ("resume", "undo")] * ALL
    ),
)
def test_an_undo_that_is_killed_at_any_step_goes_on_or_forward(
    clinic: Clinic, monkeypatch: Patched, step: str, way: str
) -> None:
    assert clinic.restore("--yes", "--swap").code == ExitCode.OK
    met = killed(monkeypatch, step, "after", "undo")
    with pytest.raises(Killed):
        clinic.restore("--undo", "--yes")
    assert met == [step]
    clinic.check()
    ended(clinic, way)


#: An operation, what AWS answers, how often, how that call of the command ends, and the way out;
#: a fault that is mended by the retries of botocore ends well.
REFUSED = [
    ("RestoreDBInstanceFromDBSnapshot", "Throttling", 4, ExitCode.OK, "undo"),
    ("RestoreDBInstanceFromDBSnapshot", "Throttling", 10, ExitCode.DIRTY, "beside"),
    ("RestoreDBInstanceFromDBSnapshot", "InstanceQuotaExceeded", 1, ExitCode.DIRTY, "undo"),
    ("RestoreDBInstanceFromDBSnapshot", "InvalidDBSnapshotState", 1, ExitCode.DIRTY, "beside"),
    ("RestoreDBInstanceFromDBSnapshot", "DBSubnetGroupNotFoundFault", 1, ExitCode.DIRTY, "undo"),
    ("RestoreDBInstanceFromDBSnapshot", "KMSKeyNotAccessibleFault", 1, ExitCode.DIRTY, "undo"),
    ("AddTagsToResource", "Throttling", 10, ExitCode.UNREACHABLE, None),
    ("DescribeDBSnapshots", "DBSnapshotNotFound", 1, ExitCode.UNREACHABLE, None),
    ("DescribeDBInstances", "Throttling", 4, ExitCode.OK, "undo"),
    ("DescribeDBInstances", "ExpiredToken", 1, ExitCode.UNREACHABLE, None),
    ("ModifyDBInstance", "InvalidDBInstanceState", 3, ExitCode.OK, "undo"),
    ("ModifyDBInstance", "Throttling", 10, ExitCode.DIRTY, "resume"),
    ("ModifyDBInstance", "AccessDenied", 1, ExitCode.DIRTY, "undo"),
    ("DeregisterDBProxyTargets", "Throttling", 10, ExitCode.DIRTY, "undo"),
    ("RegisterDBProxyTargets", "Throttling", 10, ExitCode.DIRTY, "resume"),
    ("RemoveTagsFromResource", "Throttling", 10, ExitCode.OK, "undo"),
]


#: What is asked for before a swap.
BESIDE = ("RestoreDBInstanceFromDBSnapshot", "AddTagsToResource", "DescribeDBSnapshots")


@pytest.mark.parametrize(("operation", "answer", "times", "code", "way"), enough(REFUSED))
def test_what_aws_refuses_is_waited_for_or_said_and_leaves_a_way(
    clinic: Clinic, operation: str, answer: str, times: int, code: ExitCode, way: str | None
) -> None:
    clinic.cloud.fail(operation, answer, times=times)
    swap = () if operation in BESIDE else ("--swap",)
    called = clinic.restore("--yes", *swap)
    assert called.code == code, called
    if code is ExitCode.DIRTY:
        assert f"{' '.join(('--resume', *swap))} --yes goes on" in (called.report.next or "")
        assert "--undo --yes goes back" in (called.report.next or "")
        clinic.check()
    if way is None:  # nothing was begun, so there is nothing to go on with
        assert clinic.things()[clinic.resource] == clinic.name
        assert clinic.restore("--yes").code == ExitCode.OK
    elif code is not ExitCode.OK or way == "undo":
        ended(clinic, way)
    clinic.check()


@pytest.mark.parametrize(
    ("operation", "left"),
    enough(
        [
            ("RestoreDBInstanceFromDBSnapshot", 0),
            ("AddTagsToResource", 0),
            ("AddRoleToDBInstance", 0),
            ("ModifyDBInstance", 0),
            ("ModifyDBInstance", 1),
            ("ModifyDBInstance", 2),
            ("ModifyDBInstance", 3),
            ("DeregisterDBProxyTargets", 0),
            ("RegisterDBProxyTargets", 0),
        ]
    ),
)
def test_a_lost_answer_is_no_failure_and_nothing_is_done_twice(
    clinic: Clinic, operation: str, left: int
) -> None:
    clinic.before(operation, lambda: clinic.cloud.lose(operation), after=left)
    swap = () if operation in BESIDE else ("--swap",)
    assert clinic.restore("--yes", *swap).code == ExitCode.OK
    clinic.check()
    assert len(clinic.things()) == 2


def test_a_lost_answer_to_the_deletion_is_no_failure(clinic: Clinic) -> None:
    clinic.restore("--yes")
    clinic.cloud.lose("DeleteDBInstance")
    ended(clinic, "undo")
    assert set(clinic.things()) == clinic.started


def test_a_copy_that_fails_is_undone(clinic: Clinic) -> None:
    clinic.cloud.manners.instance_ends = "incompatible-network"
    called = clinic.restore("--yes", "--swap")
    assert called.code == ExitCode.DIRTY
    assert "is incompatible-network" in (called.report.error or "")
    ended(clinic, "undo")
    assert set(clinic.things()) == clinic.started


def test_a_copy_that_is_not_ready_in_time_is_waited_for_again(clinic: Clinic) -> None:
    clinic.wait("10min")
    clinic.cloud.manners.instance_takes = 40
    called = clinic.restore("--yes")
    assert called.code == ExitCode.DIRTY
    assert "is still creating after 10 min" in (called.report.error or "")
    clinic.cloud.manners.instance_takes = 1
    clinic.settle()
    ended(clinic, "beside")


def test_a_snapshot_that_is_not_available_is_refused(clinic: Clinic) -> None:
    clinic.cloud.backend().database_snapshots[clinic.manifest.id].status = "creating"
    assert clinic.restore("--yes").code == ExitCode.UNREACHABLE
    assert set(clinic.things()) == clinic.started


def test_a_missing_group_is_refused_before_anything_is_made(clinic: Clinic) -> None:
    group = clinic.cloud.backend().subnet_groups.pop("net-clinic")
    called = clinic.restore("--yes")
    assert called.code == ExitCode.UNREACHABLE
    assert "subnet group net-clinic: is not there any more" in (called.report.error or "")
    assert set(clinic.things()) == clinic.started
    clinic.cloud.backend().subnet_groups["net-clinic"] = group
    assert clinic.restore("--yes").code == ExitCode.OK


def test_a_full_account_is_refused_before_anything_is_made(clinic: Clinic) -> None:
    for number in range(39):
        clinic.cloud.instance(f"other-{number}")
    called = clinic.restore("--yes")
    assert called.code == ExitCode.UNREACHABLE
    assert "quota DBInstances: 40 of 40 are in use" in (called.report.error or "")
    assert "RestoreDBInstanceFromDBSnapshot" not in clinic.changes()


def test_somebody_who_takes_the_name_beside_is_not_touched(
    clinic: Clinic, monkeypatch: Patched
) -> None:
    taken = restore._taken

    def later(journal: Journal, name: str, change: Callable[[], None]) -> None:
        if name == "restore beside" and change.__name__ == "act":
            clinic.cloud.instance(f"clinic-restore-{journal.record.id[-8:].lower()}")
        taken(journal, name, change)

    monkeypatch.setattr(restore, "_taken", later)
    called = clinic.restore("--yes")
    assert called.code == ExitCode.DIRTY
    assert "the name is taken" in (called.report.error or "")
    ended(clinic, "undo")
    assert len(clinic.things()) == 2, "the other one is still there"


def test_somebody_who_takes_the_name_between_the_renames_is_not_overwritten(
    clinic: Clinic, monkeypatch: Patched
) -> None:
    met = killed(monkeypatch, "rename the old one aside", "after")
    with pytest.raises(Killed):
        clinic.restore("--yes", "--swap")
    assert met
    thief = clinic.cloud.instance("thief")["DbiResourceId"]
    clinic.called("thief", "clinic")

    for flags in (("--resume", "--swap"), ("--undo",)):
        called = clinic.restore(*flags, "--yes")
        assert called.code == ExitCode.DIRTY
        assert f"the name clinic is that of {thief}" in (called.report.error or "")
        assert clinic.described("clinic")["DbiResourceId"] == thief
    clinic.called("clinic", "thief")
    ended(clinic, "resume")


def test_a_rename_that_races_with_another_is_refused_by_aws_and_goes_on(clinic: Clinic) -> None:
    clinic.cloud.manners.instance_takes = 1
    refuse = partial(clinic.cloud.fail, "ModifyDBInstance", "DBInstanceAlreadyExists")
    clinic.before("ModifyDBInstance", refuse, after=2)
    called = clinic.restore("--yes", "--swap")
    assert called.code == ExitCode.DIRTY
    clinic.check()
    ended(clinic, "undo")


def test_a_database_that_is_down_is_swapped_without_being_closed(
    clinic: Clinic, monkeypatch: Patched
) -> None:
    monkeypatch.setattr(refusals, "_USABLE", ("available", "storage-full"))
    clinic.cloud.backend().databases["clinic"].status = "storage-full"
    called = clinic.restore("--yes")
    assert called.code == ExitCode.OK, called
    called = clinic.restore("--resume", "--swap", "--yes")
    assert called.code == ExitCode.OK, called
    assert any("clinic is storage-full" in note for note in called.report.notes)
    clinic.check()


def test_a_name_that_nobody_has_is_given_to_the_copy(clinic: Clinic) -> None:
    del clinic.cloud.backend().databases["clinic"]
    clinic.started.clear()
    called = clinic.restore("--yes", "--swap")
    assert called.code == ExitCode.OK, called
    assert clinic.described("clinic")["DbiResourceId"] == clinic.journal.record.memory["new"]


def test_a_copy_that_a_person_gave_another_name_is_not_deleted(clinic: Clinic) -> None:
    assert clinic.restore("--yes").code == ExitCode.OK
    new = clinic.journal.record.memory["new"]
    clinic.called(clinic.things()[new], "clinic-in-service")

    stopped = clinic.restore("--undo", "--yes")

    assert stopped.code == ExitCode.DIRTY, stopped
    assert "clinic-in-service: is not of this restore" in str(stopped.report.error)
    assert clinic.things()[new] == "clinic-in-service"


def test_a_copy_that_somebody_deletes_after_the_swap_is_in_nobodys_way(clinic: Clinic) -> None:
    clinic.restore("--yes", "--swap")
    del clinic.cloud.backend().databases["clinic"]
    ended(clinic, "undo")
    assert clinic.things()[clinic.resource] == "clinic"


def test_a_proxy_that_is_gone_by_now_stops_nothing(clinic: Clinic) -> None:
    clinic.cloud.client("rds").delete_db_proxy(DBProxyName="front")
    called = clinic.restore("--yes", "--swap")
    assert called.code == ExitCode.OK, called
    assert "The proxy front is gone by now." in called.report.notes


def test_ctrl_c_says_how_to_go_on(clinic: Clinic) -> None:
    clinic.clock.interrupted = 3
    called = clinic.restore("--yes", "--swap")
    assert called.code == ExitCode.INTERRUPTED
    assert "--resume --swap --yes goes on" in (called.report.next or "")
    ended(clinic, "resume")


#: Runs the command in a process of its own, which dies at a step without a last word.
_DIES = """
import os, signal, sys
from migsafe import cli, restore
from migsafe.snapshots import polling

polling.sleep = lambda _: None
taken = restore._taken

def dies(journal, name, change):
    taken(journal, name, change)
    if name == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)

restore._taken = dies
cli.run(sys.argv[2:])
"""


@pytest.mark.parametrize(
    ("step", "way"),
    [("rename the old one aside", "resume"), ("rename the copy to the name", "undo")],
)
def test_a_process_that_is_killed_between_the_renames_is_no_loss(
    clinic: Clinic, step: str, way: str
) -> None:
    command = ["restore", clinic.manifest.run, "--yes", "--swap"]
    done = subprocess.run(
        [sys.executable, "-c", _DIES, step, *command], cwd=clinic.folder, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    clinic.check()
    if step == "rename the old one aside":
        assert clinic.name not in clinic.things().values(), "nobody has the name"
    ended(clinic, way)


def test_a_copy_that_takes_longer_than_a_waiter_of_botocore_is_waited_for(clinic: Clinic) -> None:
    clinic.cloud.manners.instance_takes = 45
    began = clinic.clock.now
    assert clinic.restore("--yes").code == ExitCode.OK
    assert clinic.clock.now - began > 1800
