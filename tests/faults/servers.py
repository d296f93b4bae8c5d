"""A server of its own, which a test may stop and start again."""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from migsafe.shadow import servers
from tests.cli.cluster import Cluster


@contextmanager
def private() -> Iterator[Cluster]:
    """Run a server that keeps what it has committed when it is stopped at once."""
    folder = Path(tempfile.mkdtemp(prefix="migsafe-faults-"))
    cluster = Cluster(folder / "data", _free_port())
    cluster.data.mkdir(mode=0o700)
    if user := servers.embedded().user:
        for path in (folder, cluster.data):
            shutil.chown(path, user)
    try:
        cluster.run("initdb", "-U", "admin", "--no-sync", "--encoding=utf8", "--auth=trust")
        cluster.start()
        yield cluster
    finally:
        if (cluster.data / "postmaster.pid").exists():
            cluster.run("pg_ctl", "stop", "-w", "-m", "immediate")
        shutil.rmtree(folder)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
