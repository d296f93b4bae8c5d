"""The way back on RDS: beside, verified, swapped; and from wherever it stops, on or back."""

import json

import psycopg
import pytest
from msgspec.structs import replace

from migsafe import ledger
from migsafe.errors import ExitCode
from migsafe.restore import journal
from migsafe.snapshots import manifest
from tests.aws import restores
from tests.aws.cloud import ACCOUNT, REGION
from tests.aws.restores import Clinic

#: What is asked of AWS for a copy beside.
BESIDE = ["RestoreDBInstanceFromDBSnapshot", "ModifyDBInstance", "AddRoleToDBInstance"]


def test_without_yes_nothing_is_changed_and_what_is_lost_is_said(clinic: Clinic) -> None:
    called = clinic.restore()

    assert called.code == ExitCode.OK, called
    found = called.report.restore
    assert found is not None
    assert found.lost[0].startswith("Everything that was written since")
    assert "public.visits: 40 rows fewer now than then." in found.lost
    assert found.estimate.startswith("not known")
    assert called.report.next == f"migsafe restore {clinic.manifest.run} --yes, to do it."
    assert clinic.changes() == []
    assert not (clinic.folder / ".migsafe" / "restores").exists()
    assert called.report.notes[0].startswith(f"AWS account {ACCOUNT}, {REGION}, as arn:")


def test_a_restore_beside_leaves_the_database_alone(clinic: Clinic) -> None:
    called = clinic.restore("--yes")

    assert called.code == ExitCode.OK, called
    clinic.check()
    assert called.report.restore is not None
    assert called.report.restore.outcome == "beside"
    assert clinic.described(clinic.name)["DbiResourceId"] == clinic.resource
    assert clinic.changes() == ["AddTagsToResource", *BESIDE, "RemoveTagsFromResource"]
    assert clinic.pair.limits() == {"records": -1, "billing": -1}


def test_the_copy_has_all_that_a_restore_forgets(clinic: Clinic) -> None:
    clinic.restore("--yes", "--swap")

    then, now = clinic.manifest.source["described"], clinic.described(clinic.name)
    for key in ("VpcSecurityGroups", "DBParameterGroups", "DBSubnetGroup", "MultiAZ", "TagList"):
        assert _plain(now[key]) == _plain(then[key]), key
    for key in ("DeletionProtection", "IAMDatabaseAuthenticationEnabled", "MaxAllocatedStorage"):
        assert now[key] == then[key], key
    assert now["AssociatedRoles"][0]["RoleArn"] == then["AssociatedRoles"][0]["RoleArn"]


def test_a_swap_gives_the_name_to_the_copy_and_keeps_the_database(clinic: Clinic) -> None:
    called = clinic.restore("--yes", "--swap")

    assert called.code == ExitCode.OK, called
    clinic.check()
    now = clinic.described(clinic.name)
    assert now["Endpoint"]["Address"] == clinic.manifest.source["host"]
    assert now["Endpoint"]["Port"] == clinic.pair.new
    assert called.report.restore is not None
    assert clinic.things()[clinic.resource] == called.report.restore.old
    assert clinic.pair.limits() == {"records": 0, "billing": 0}
    assert [one["RdsResourceId"] for one in clinic.targets()] == [clinic.name]
    said = " ".join(called.report.restore.by_hand)
    for word in ("terraform import", "CloudFormation", "rds-db:connect", clinic.resource, "S3"):
        assert word in said


def test_the_snapshots_of_before_are_found_after_a_swap_and_not_from_a_copy_beside(
    clinic: Clinic,
) -> None:
    clinic.tag({"migsafe:run": clinic.manifest.run, "migsafe:resource-id": clinic.resource})
    assert clinic.restore("--yes").code == ExitCode.OK
    beside = clinic.described(_beside(clinic))
    staging = clinic.manifest.place.replace(
        clinic.manifest.source["host"], beside["Endpoint"]["Address"]
    )

    assert _listed(clinic, staging.replace(f":{clinic.pair.old}", f":{clinic.pair.new}")) == []
    assert _listed(clinic, clinic.manifest.place) == [clinic.manifest.run]

    assert clinic.restore("--resume", "--swap", "--yes").code == ExitCode.OK
    assert _listed(clinic, clinic.manifest.place) == [clinic.manifest.run]


def _beside(clinic: Clinic) -> str:
    return clinic.things()[clinic.journal.record.memory["new"]]


def _listed(clinic: Clinic, place: str) -> list[str]:
    url = f"postgresql://owner@{place}"
    listed = clinic.cli("snapshot", "list", "-e", "prod", "--url", url, "--format", "json")
    assert listed.code == ExitCode.OK, listed
    return [copy.run for copy in listed.report.copies]


def test_a_database_with_all_the_tags_that_aws_allows_is_restored(clinic: Clinic) -> None:
    operation = "restore_db_instance_from_db_snapshot"
    request = clinic.manifest.requests[operation]
    tags = [{"Key": f"of-us-{number}", "Value": "x"} for number in range(48)]
    request = {**request, "Tags": [*tags, *request["Tags"]][-50:]}
    clinic.change(requests={**clinic.manifest.requests, operation: request})

    called = clinic.restore("--yes")

    assert called.code == ExitCode.OK, called
    assert any("AWS allows 50 tags" in note for note in called.report.notes)
    kept = {pair["Key"] for pair in clinic.described(_beside(clinic))["TagList"]}
    assert len(kept) == 50
    assert {"migsafe:restore", "migsafe:was"} <= kept


def test_a_restore_beside_is_swapped_later_and_may_be_swapped_back(clinic: Clinic) -> None:
    clinic.restore("--yes")
    refused = clinic.restore("--yes")
    assert refused.code == ExitCode.USAGE
    assert "--resume --swap --yes" in (refused.report.error or "")

    del clinic.cloud.backend().database_snapshots[clinic.manifest.id]  # the copy is there
    assert clinic.restore("--resume", "--swap", "--yes").code == ExitCode.OK
    clinic.check()
    back = clinic.restore("--undo", "--yes")
    assert back.code == ExitCode.OK, back
    clinic.check()
    copy = clinic.journal.record.memory["new"]
    assert copy in clinic.things(), "a copy that has served holds writes of its own"
    assert any("has been the database" in note for note in back.report.notes)


def test_an_undo_deletes_a_copy_that_never_served(clinic: Clinic) -> None:
    clinic.restore("--yes")
    assert clinic.restore("--undo", "--yes").code == ExitCode.OK
    clinic.check()
    assert set(clinic.things()) == clinic.started


def test_sessions_that_write_are_ended_before_the_swap_and_nobody_comes_in(clinic: Clinic) -> None:
    url = f"postgresql://app@127.0.0.1:{clinic.pair.old}/records"
    with psycopg.connect(url) as app:
        assert clinic.restore("--yes", "--swap").code == ExitCode.OK
        with pytest.raises(psycopg.OperationalError):
            app.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="too many connections"):
        psycopg.connect(url)


def test_a_deployment_that_runs_is_not_swapped_away(clinic: Clinic) -> None:
    url = f"postgresql://app@127.0.0.1:{clinic.pair.old}/billing"
    assert clinic.restore("--yes").code == ExitCode.OK
    with psycopg.connect(url, autocommit=True) as deployer:
        deployer.execute("SELECT pg_advisory_lock(%s)", [ledger.LOCK])

        refused = clinic.restore("--resume", "--swap", "--yes")

        assert refused.code == ExitCode.BUSY, refused
        assert "a deployment is running" in refused.err
        assert deployer.execute("SELECT 1").fetchone() == (1,)
    assert clinic.pair.limits() == {"records": -1, "billing": -1}
    assert clinic.things()[clinic.resource] == clinic.name


def test_a_deployment_that_begins_after_the_first_look_is_not_swapped_away(clinic: Clinic) -> None:
    url = f"postgresql://app@127.0.0.1:{clinic.pair.old}/records"
    with psycopg.connect(url, autocommit=True) as deployer:

        def begin() -> None:
            deployer.execute("SELECT pg_advisory_lock(%s)", [ledger.LOCK])

        clinic.before("RestoreDBInstanceFromDBSnapshot", begin, after=0)

        stopped = clinic.restore("--yes", "--swap")

        assert stopped.code == ExitCode.DIRTY, stopped
        assert "a deployment is running" in str(stopped.report.error)
        assert deployer.execute("SELECT 1").fetchone() == (1,)
    assert clinic.restore("--resume", "--swap", "--yes").code == ExitCode.OK
    clinic.check()


def test_a_look_at_a_restore_leaves_its_journal_alone(clinic: Clinic) -> None:
    assert clinic.restore("--yes").code == ExitCode.OK
    file = clinic.journal.path
    # As it is while another process has just made the copy.
    kept = json.loads(file.read_text())
    del kept["memory"]["new"]
    file.write_text(json.dumps(kept))

    assert clinic.restore("--resume").code == ExitCode.OK

    assert json.loads(file.read_text()) == kept


def test_a_copy_that_is_not_what_the_snapshot_held_is_never_swapped(clinic: Clinic) -> None:
    held = clinic.manifest.fingerprint
    counts = {**held.counts, "public.patients": 101}
    clinic.change(fingerprint=replace(held, counts=counts))

    called = clinic.restore("--yes", "--swap")
    assert called.code == ExitCode.FINDINGS, called
    (found,) = called.report.findings
    assert found.message == "public.patients has 100 rows, 101 in the snapshot"
    clinic.check()
    assert clinic.journal.record.outcome == "differs"
    assert clinic.things()[clinic.resource] == clinic.name

    clinic.change(fingerprint=held)
    assert clinic.restore("--resume", "--swap", "--yes").code == ExitCode.OK
    clinic.check()


def test_rows_that_others_wrote_meanwhile_are_no_difference(clinic: Clinic) -> None:
    held = clinic.manifest.fingerprint
    counts = {**held.counts, "public.patients": 90}
    clinic.change(fingerprint=replace(held, counts=counts, later={"public.patients": 110}))
    assert clinic.restore("--yes").code == ExitCode.OK


def test_a_name_that_leads_to_the_database_itself_is_not_taken_for_the_copy(
    clinic: Clinic,
) -> None:
    clinic.cloud.restores_to(clinic.pair.old)
    called = clinic.restore("--yes")
    assert called.code == ExitCode.DIRTY
    assert "leads to the database itself" in (called.report.error or "")
    assert clinic.restore("--undo", "--yes").code == ExitCode.OK
    clinic.check()


def test_the_snapshot_of_another_database_is_refused(clinic: Clinic) -> None:
    clinic.change(place="other.example:5432/records")
    called = clinic.restore("--yes")
    assert called.code == ExitCode.USAGE
    assert "the snapshot is of other.example:5432/records" in (called.report.error or "")
    assert clinic.changes() == []


def test_another_account_is_refused(clinic: Clinic) -> None:
    clinic.change(source={**clinic.manifest.source, "account": "999999999999"})
    called = clinic.restore("--yes")
    assert called.code == ExitCode.UNREACHABLE
    assert clinic.changes() == []


def test_another_account_than_the_expected_one_is_refused(clinic: Clinic) -> None:
    called = clinic.restore("--yes", "--expect-account", "999999999999")

    assert called.code == ExitCode.USAGE, called
    assert "is in account 123456789012, not 999999999999" in called.err
    assert clinic.changes() == []


def test_who_asks_and_where_is_told(clinic: Clinic) -> None:
    called = clinic.restore("-v")

    assert "AWS account 123456789012, eu-central-1, as arn:aws:sts::" in called.err


def test_two_machines_do_not_restore_at_once(clinic: Clinic) -> None:
    arn = clinic.manifest.source["arn"]
    tags = [{"Key": "migsafe:restoring", "Value": "ANOTHER"}]
    clinic.cloud.client("rds").add_tags_to_resource(ResourceName=arn, Tags=tags)
    before = clinic.changes()

    called = clinic.restore("--yes")
    assert called.code == ExitCode.BUSY
    assert "ANOTHER" in (called.report.error or "")
    assert clinic.changes() == before


def test_a_claim_ends_with_its_restore(clinic: Clinic) -> None:
    for flags in (("--yes",), ("--resume", "--swap", "--yes"), ("--undo", "--yes")):
        clinic.restore(*flags)
        tags = {one["Key"] for thing in clinic.described_all() for one in thing["TagList"]}
        assert "migsafe:restoring" not in tags, flags


def test_two_processes_do_not_restore_at_once(clinic: Clinic) -> None:
    folder = clinic.folder / ".migsafe" / "restores"
    source = clinic.manifest.source
    key = f"rds:{source['account']}:{source['region']}:{source['id']}"
    with journal.held(folder, key):
        assert clinic.restore("--yes").code == ExitCode.BUSY
    assert clinic.changes() == []
    assert not journal.journals(folder)


def test_the_manifest_is_found_in_the_ledger_where_the_file_is_gone(clinic: Clinic) -> None:
    text = manifest.encode(clinic.manifest)
    found = clinic.manifest
    kept = ledger.Kept(run=found.run, provider="rds", id=found.id, taken=found.taken, manifest=text)
    (clinic.folder / ".migsafe" / "snapshots" / f"{found.run}.json").unlink()
    with psycopg.connect(f"postgresql://owner@127.0.0.1:{clinic.pair.old}/records") as conn:
        ledger.keep(conn, kept)
        conn.commit()
        try:
            assert clinic.cli("restore", found.id).code == ExitCode.OK
        finally:
            conn.execute("DROP SCHEMA migsafe CASCADE")
            conn.commit()
    assert clinic.restore().code == ExitCode.USAGE


def test_a_secret_that_rds_keeps_is_made_anew_and_said_to_be_another(clinic: Clinic) -> None:
    clinic.move("managed", ManageMasterUserPassword=True)
    old = clinic.manifest.source["secret"]

    called = clinic.restore("--yes", "--swap")
    assert called.code == ExitCode.OK, called
    new = clinic.described("managed")["MasterUserSecret"]["SecretArn"]
    assert new != old
    assert called.report.restore is not None
    assert any(f"{new}, not {old}" in line for line in called.report.restore.by_hand)
    assert clinic.cloud.called("GetSecretValue")[0]["SecretId"] == new


def test_a_replica_and_an_unknown_proxy_are_named(clinic: Clinic) -> None:
    rds = clinic.cloud.client("rds")
    rds.create_db_instance_read_replica(
        DBInstanceIdentifier="reader", SourceDBInstanceIdentifier="clinic"
    )
    clinic.change(source={**clinic.manifest.source, "proxies": None})
    notes = " ".join(clinic.restore().report.notes)
    assert "Its read replicas go on following the old one: reader." in notes
    assert "Which proxies lead to it was not known" in notes


def test_the_login_that_may_not_close_the_database_is_refused_first(clinic: Clinic) -> None:
    text = restores.config(clinic.manifest).replace("owner@", "app@")
    (clinic.folder / "migsafe.toml").write_text(text)
    called = clinic.restore("--yes", "--swap")
    assert called.code == ExitCode.UNREACHABLE
    assert "only its owner may close the database records" in (called.report.error or "")
    assert "RestoreDBInstanceFromDBSnapshot" not in clinic.changes()


def test_without_a_manifest_the_copy_is_made_and_never_called_verified(clinic: Clinic) -> None:
    found = clinic.manifest
    clinic.tag({"migsafe:resource-id": clinic.resource, "migsafe:run": found.run})
    (clinic.folder / ".migsafe" / "snapshots" / f"{found.run}.json").unlink()

    called = clinic.restore("--yes", "--swap")
    assert called.code == ExitCode.FINDINGS, called
    assert "nothing is proved" in called.report.findings[0].message
    assert clinic.things()[clinic.resource] == clinic.name
    clinic.check()
    copy = next(one for one in clinic.described_all() if one["DbiResourceId"] != clinic.resource)
    assert copy["MultiAZ"]


def test_a_snapshot_whose_tags_somebody_took_away_is_restored_all_the_same(clinic: Clinic) -> None:
    clinic.tag({"migsafe:resource-id": clinic.resource, "migsafe:created": "long ago"})
    (clinic.folder / ".migsafe" / "snapshots" / f"{clinic.manifest.run}.json").unlink()
    name = clinic.manifest.id

    called = clinic.cli("restore", name, "--yes", "--format", "json")

    assert called.code == ExitCode.FINDINGS, called
    assert "nothing is proved" in called.report.findings[0].message


def test_no_password_reaches_journal_or_output(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = clinic.manifest.place
    monkeypatch.setenv("MIGSAFE_URL", f"postgresql://owner:canary-4711@{place}")
    (clinic.folder / "migsafe.toml").unlink()
    clinic.cloud.fail("RestoreDBInstanceFromDBSnapshot", "AccessDenied")
    for flags in (("--yes", "--debug"), ("--resume", "--swap", "--yes"), ("--undo", "--yes")):
        called = clinic.restore(*flags)
        assert "canary-4711" not in called.out + called.err
    for path in (clinic.folder / ".migsafe").rglob("*.*"):
        assert "canary-4711" not in path.read_text(), path


def _plain(value: object) -> object:
    """Leave out of a description what may differ: states, and the tags that a restore adds."""
    if isinstance(value, list):
        kept = [_plain(one) for one in value if not _ours(one)]
        return sorted(kept, key=str)
    if isinstance(value, dict):
        return {k: v for k, v in value.items() if k not in ("Status", "ParameterApplyStatus")}
    return value


def _ours(one: object) -> bool:
    return isinstance(one, dict) and str(one.get("Key", "")).startswith("migsafe:")
