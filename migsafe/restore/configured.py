"""What AWS shows of the copy against what it showed of the database. Pure.

A restore gives the account's defaults for whatever nobody asked for.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from migsafe.findings import Finding, Severity
from migsafe.restore.comparing import finding

Described = Mapping[str, Any]

#: What decides who can connect, to what, and what is lost with one zone or disk.
_GRAVE = (
    "EngineVersion",
    "MultiAZ",
    "PubliclyAccessible",
    "IAMDatabaseAuthenticationEnabled",
    "BackupRetentionPeriod",
    "StorageEncrypted",
    "KmsKeyId",
)

#: What makes it slower, dearer or harder to watch.
_SLIGHT = (
    "DBInstanceClass",
    "StorageType",
    "CopyTagsToSnapshot",
    "AutoMinorVersionUpgrade",
    "CACertificateIdentifier",
    "PreferredBackupWindow",
    "MaxAllocatedStorage",
    "MonitoringInterval",
)


def differences(recorded: Described, found: Described) -> Iterator[Finding]:
    """Yield what is not as it was."""
    for names, severity in ((_GRAVE, Severity.ERROR), (_SLIGHT, Severity.WARNING)):
        for name in names:
            if name in recorded and recorded[name] != found.get(name):
                yield _differs(name, recorded[name], found.get(name), severity)
    for name, read in _GROUPS.items():
        if read(recorded) and read(recorded) != read(found):
            yield _differs(name, _listed(read(recorded)), _listed(read(found)), Severity.ERROR)


def _differs(name: str, recorded: Any, found: Any, severity: Severity) -> Finding:
    shown = "not there" if found in (None, "") else found
    return finding("restored-setting", f"{name} is {shown}, {recorded} then", severity)


def _security(described: Described) -> set[str]:
    return {one["VpcSecurityGroupId"] for one in described.get("VpcSecurityGroups") or ()}


def _parameters(described: Described) -> set[str]:
    groups = {one["DBParameterGroupName"] for one in described.get("DBParameterGroups") or ()}
    return groups | {described.get("DBClusterParameterGroup") or ""} - {""}


def _subnets(described: Described) -> set[str]:
    group = described.get("DBSubnetGroup") or ""
    return {group["DBSubnetGroupName"] if isinstance(group, Mapping) else group} - {""}


_GROUPS = {
    "VpcSecurityGroups": _security,
    "DBParameterGroups": _parameters,
    "DBSubnetGroup": _subnets,
}


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))
