"""What stands behind the name of an RDS endpoint: a PostgreSQL that asks for passwords, and TLS."""

import datetime
import os
import select
import shutil
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.cli.cluster import Cluster, _free_port, _unprivileged

#: What libpq sends first, to ask for TLS: a length of 8 and the code of SSLRequest.
_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


@contextmanager
def asking() -> Iterator[Cluster]:
    """Run a server that asks everybody for a password."""
    folder = Path(tempfile.mkdtemp(prefix="migsafe-asking-"))
    cluster = Cluster(folder / "data", _free_port())
    cluster.data.mkdir()
    password = folder / "password"
    password.write_text("of-a-test\n")
    if os.geteuid() == 0:
        for path in (folder, cluster.data, password):
            shutil.chown(path, _unprivileged())
    try:
        auth = ("--auth=scram-sha-256", f"--pwfile={password}")
        cluster.run("initdb", "-U", "admin", "--no-sync", "--encoding=utf8", *auth)
        cluster.start()
        yield cluster
    finally:
        if (cluster.data / "postmaster.pid").exists():
            cluster.stop()
        shutil.rmtree(folder)


def certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """Write a certificate for `host` that vouches for itself, and its key; return both paths."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test's own RDS")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "server.pem", folder / "server.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


@contextmanager
def encrypted(port: int, pem: Path, key: Path) -> Iterator[int]:
    """Listen with TLS in front of a server that has none; yield the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serve = threading.Thread(target=_serve, args=(listener, context, port), daemon=True)
        serve.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        serve.join()


def _serve(listener: socket.socket, context: ssl.SSLContext, port: int) -> None:
    with suppress(OSError):  # the listener is shut
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_forward, args=(client, context, port), daemon=True).start()


def _forward(client: socket.socket, context: ssl.SSLContext, port: int) -> None:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as server:
        assert client.recv(8) == _SSL_REQUEST
        client.sendall(b"S")
        with context.wrap_socket(client, server_side=True) as inner:
            _copy(inner, server)


def _copy(inner: ssl.SSLSocket, server: socket.socket) -> None:
    """Pass on what either says until one has said all."""
    while True:
        ready = [inner] if inner.pending() else select.select([inner, server], [], [])[0]
        for one in ready:
            sent = one.recv(65536)
            if not sent:
                return
            (server if one is inner else inner).sendall(sent)
