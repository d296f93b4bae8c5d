"""An AWS account for a test: moto over HTTP in this process, with the manners that it lacks.

`Cloud` plans what goes wrong: `fail` refuses a call, `lose` performs it and drops the answer. What
is planned and never happens fails the test.
"""

import io
import json
import logging
import os
import re
import socket
import threading
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl

import boto3
from moto.core import responses
from moto.core.utils import method_names_from_class
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.rds.models import RDSBackend, rds_backends
from werkzeug.serving import make_server

from tests.aws import rds
from tests.aws.manners import Manners, manners

ACCOUNT = "123456789012"
REGION = "eu-central-1"

#: The password of everything that `Cloud` creates.
PASSWORD = "of-a-test-cloud"


#: The secret key that clients sign with; it must never be seen anywhere.
KEY = "canary-of-the-secret-key"


class Call(NamedTuple):
    """One request: the operation as IAM calls it, and its parameters as they were on the wire."""

    operation: str
    params: dict[str, Any]


@dataclass(slots=True)
class _Fault:
    """What becomes of the next `left` calls of an operation."""

    operation: str
    left: int
    code: str | None
    status: int
    message: str


@dataclass(slots=True)
class Cloud:
    """What a test says to its account, and what it asks of it."""

    url: str
    manners: Manners
    calls: list[Call] = field(default_factory=list)
    faults: list[_Fault] = field(default_factory=list)
    #: Tracebacks of what moto could not answer, or lacks.
    broken: list[str] = field(default_factory=list)
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """What a client, or a process of its own, finds this account by."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": KEY,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }

    def fail(
        self, operation: str, code: str, *, times: int = 1, status: int = 400, message: str = ""
    ) -> None:
        """Refuse the next calls of an operation, named as IAM does: ``CreateDBSnapshot``."""
        self.faults.append(_Fault(operation, times, code, status, message or f"planned {code}"))

    def lose(self, operation: str, *, times: int = 1) -> None:
        """Perform the next calls of an operation, then drop the connection without an answer."""
        self.faults.append(_Fault(operation, times, None, 0, ""))

    def restores_to(self, port: int) -> None:
        """Put the server on this port behind what is restored from now on."""
        self.manners.restored_port = port

    def called(self, operation: str) -> list[dict[str, Any]]:
        """Return the parameters of each call of an operation, in order."""
        return [call.params for call in self.calls if call.operation == operation]

    def client(self, service: str, region: str = REGION) -> Any:
        """Return a client of the test's own; its calls are in `calls` like all others."""
        if (service, region) not in self._clients:
            self._clients[service, region] = boto3.client(
                service,
                region_name=region,
                endpoint_url=self.url,
                aws_access_key_id="testing",
                aws_secret_access_key=KEY,
            )
        return self._clients[service, region]

    def backend(self, region: str = REGION) -> RDSBackend:
        """Return moto's own objects, to look at and to change."""
        return rds_backends[ACCOUNT][region]

    def instance(
        self, name: str, *, port: int = 5432, region: str = REGION, **more: Any
    ) -> dict[str, Any]:
        """Create an instance that is available at once; return its description."""
        settings = {
            "Engine": "postgres",
            "EngineVersion": "16.4",
            "DBInstanceClass": "db.t4g.medium",
            "AllocatedStorage": 20,
            "StorageType": "gp3",
            "MasterUsername": "owner",
            "BackupRetentionPeriod": 7,
            "PreferredMaintenanceWindow": _maintained(),
        }
        if not more.get("ManageMasterUserPassword"):
            settings["MasterUserPassword"] = PASSWORD
        client = self.client("rds", region)
        client.create_db_instance(DBInstanceIdentifier=name, **settings | more)
        database = self.backend(region).databases[name]
        database.port = port
        manners.finish(database)
        database.status = "available"
        return self.described(name, region)

    def described(self, name: str, region: str = REGION) -> dict[str, Any]:
        """Return the description of an instance, without moving what is busy."""
        with still():
            found = self.client("rds", region).describe_db_instances(DBInstanceIdentifier=name)
        described: dict[str, Any] = found["DBInstances"][0]
        return described

    def cluster(
        self,
        name: str,
        *,
        port: int = 5432,
        members: Iterable[str] = ("one", "two"),
        region: str = REGION,
        **more: Any,
    ) -> dict[str, Any]:
        """Create a cluster with instances named NAME-MEMBER; return its description."""
        settings: dict[str, Any] = {
            "Engine": "aurora-postgresql",
            "EngineVersion": "16.4",
            "MasterUsername": "owner",
            "BackupRetentionPeriod": 7,
            "Port": port,
        } | more
        if not settings.get("ManageMasterUserPassword"):
            settings["MasterUserPassword"] = PASSWORD
        client = self.client("rds", region)
        client.create_db_cluster(DBClusterIdentifier=name, **settings)
        cluster = self.backend(region).clusters[name]
        manners.finish(cluster)
        cluster.status = "available"
        for member in members if settings["Engine"].startswith("aurora") else ():
            client.create_db_instance(
                DBInstanceIdentifier=f"{name}-{member}",
                DBClusterIdentifier=name,
                DBInstanceClass="db.r6g.large",
                Engine=settings["Engine"],
            )
            manners.finish(self.backend(region).databases[f"{name}-{member}"])
        return self.described_cluster(name, region)

    def described_cluster(self, name: str, region: str = REGION) -> dict[str, Any]:
        """Return the description of a cluster, without moving what is busy."""
        with still():
            found = self.client("rds", region).describe_db_clusters(DBClusterIdentifier=name)
        described: dict[str, Any] = found["DBClusters"][0]
        return described

    def proxy(
        self, name: str, *, instance: str | None = None, cluster: str | None = None
    ) -> dict[str, Any]:
        """Create a proxy, with a target where one is named; return its description."""
        subnets = self.client("ec2").describe_subnets()["Subnets"]
        client = self.client("rds")
        made: dict[str, Any] = client.create_db_proxy(
            DBProxyName=name,
            EngineFamily="POSTGRESQL",
            Auth=[{"AuthScheme": "SECRETS", "IAMAuth": "DISABLED"}],
            RoleArn=f"arn:aws:iam::{ACCOUNT}:role/proxy",
            VpcSubnetIds=[subnet["SubnetId"] for subnet in subnets[:2]],
        )["DBProxy"]
        if instance:
            client.register_db_proxy_targets(DBProxyName=name, DBInstanceIdentifiers=[instance])
        if cluster:
            client.register_db_proxy_targets(DBProxyName=name, DBClusterIdentifiers=[cluster])
        return made

    def reset(self) -> None:
        """Empty the account and forget what was planned."""
        moto_api_backend.reset()
        self.calls.clear()
        self.faults.clear()
        self.broken.clear()
        manners.forget()

    def check(self) -> None:
        """Raise AssertionError where a planned fault never happened: its test proves nothing.

        What moto could not answer is one, too: AWS would have.
        """
        assert not self.broken, "\n".join(self.broken)
        unused = [f"{fault.left} of {fault.operation}" for fault in self.faults]
        assert not unused, f"planned and never met: {', '.join(unused)}"

    def _next_fault(self, operation: str) -> _Fault | None:
        fault = next((one for one in self.faults if one.operation == operation), None)
        if fault:
            fault.left -= 1
            if not fault.left:
                self.faults.remove(fault)
        return fault


def _maintained() -> str:
    """Return a maintenance window that overlaps none that instances of the tests are backed up in.

    AWS refuses those. They are now, half a day from now, or moto's own, 13:14 to 13:44.
    """
    now = datetime.now(UTC).hour
    hour = next(hour for hour in ((now + 6) % 24, (now + 9) % 24) if hour != 13)
    return f"sun:{hour:02}:00-sun:{hour:02}:30"


@contextmanager
def still() -> Iterator[None]:
    """Let describes move nothing."""
    kept, manners.changes = manners.changes, []
    try:
        yield
    finally:
        manners.changes = kept + manners.changes


@contextmanager
def started() -> Iterator[Cloud]:
    """Start the server on a free port of 127.0.0.1 and yield its empty account."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # else each request is on stderr
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"  # else each reset makes a thousand
    rds.install()
    vars(responses)["method_names_from_class"] = cache(method_names_from_class)
    front = _Front()
    server = make_server("127.0.0.1", 0, front, threaded=True, request_handler=MotoRequestHandler)
    front.cloud = Cloud(f"http://127.0.0.1:{server.server_port}", manners)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield front.cloud
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Dispatcher(DomainDispatcherApplication):
    """Finds the application of a host once: moto walks through its own directory each time."""

    @cache  # noqa: B019  # there is one
    def get_backend_for_host(self, host: str | None) -> Any:
        return super().get_backend_for_host(host)


class _Front:
    """Writes calls down and plays the planned faults; moto answers the rest."""

    cloud: Cloud

    def __init__(self) -> None:
        self.moto = _Dispatcher(create_backend_app)
        self.lock = threading.RLock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        service, call = _read(environ, body)
        with self.lock:
            self.cloud.calls.append(call)
            fault = self.cloud._next_fault(call.operation)
            if fault and fault.code:
                return _refused(service, fault, start_response)
            try:
                answer = b"".join(self.moto(environ, start_response))
            except Exception:
                self.cloud.broken.append(traceback.format_exc())
                raise
        if fault:
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionResetError  # werkzeug takes it for a client that has gone
        return [answer]


def _read(environ: dict[str, Any], body: bytes) -> tuple[str, Call]:
    """Return the service that signed a request, and the call; RDS and EC2 post forms."""
    scope = re.search(r"Credential=[^/]+/\d+/[^/]*/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
    service = scope[1] if scope else ""
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target:
        return service, Call(target.rpartition(".")[2], json.loads(body or b"{}"))
    form = dict(parse_qsl(body.decode(), keep_blank_values=True))
    form.pop("Version", None)
    return service, Call(form.pop("Action", environ["PATH_INFO"]), form)


_Style = Literal["query", "ec2", "json"]
_STYLES: dict[str, _Style] = {"rds": "query", "sts": "query", "iam": "query", "ec2": "ec2"}

_QUERY = (
    '<ErrorResponse xmlns="http://rds.amazonaws.com/doc/2014-10-31/"><Error><Type>Sender</Type>'
    "<Code>{code}</Code><Message>{message}</Message></Error><RequestId>planned</RequestId>"
    "</ErrorResponse>"
)
_EC2 = (
    "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
    "<RequestID>planned</RequestID></Response>"
)


def _refused(service: str, fault: _Fault, start_response: Any) -> list[bytes]:
    style = _STYLES.get(service, "json")
    if style == "json":
        text = json.dumps({"__type": fault.code, "message": fault.message})
        kind = "application/x-amz-json-1.1"
    else:
        text = (_QUERY if style == "query" else _EC2).format(code=fault.code, message=fault.message)
        kind = "text/xml"
    headers = [("Content-Type", kind), ("Content-Length", str(len(text.encode())))]
    start_response(f"{fault.status} Planned", headers)
    return [text.encode()]
