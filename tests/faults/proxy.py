"""A proxy before PostgreSQL that counts the client's requests and springs a trap at one of them.

A request is what the server answers as a whole: the startup packet, one simple query, or a batch
that ends with Sync. https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

import ctypes
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

#: Codes in place of a protocol version in a startup packet.
_CANCEL, _SSL, _GSS = 80877102, 80877103, 80877104

_CHUNK = 1 << 16


class Moment(StrEnum):
    """When a trap springs, by the course of one request."""

    BEFORE = "before the server sees it"
    INSIDE = "while the server works on it"
    UNSEEN = "after its work, before the answer"
    SEEN = "after the answer"


@dataclass(frozen=True, slots=True)
class Step:
    """One request: of the n-th connection, the n-th, both from 1; and its SQL."""

    connection: int
    number: int
    text: str = field(default="", compare=False)

    @property
    def commits(self) -> bool:
        """Whether the request ends a transaction of the runner's."""
        return "COMMIT" in self.text

    @property
    def pauses(self) -> bool:
        """Whether the request is one that a scenario makes take a while."""
        return (
            re.match(r"SELECT pg_sleep|CREATE .*slowly\(id\)\)|ALTER .*pg_sleep", self.text)
            is not None
        )


@dataclass(slots=True, kw_only=True)
class Trap:
    """What happens at one moment of one step. `loses` drops the message that is under way."""

    connection: int
    number: int
    moment: Moment
    act: Callable[["Link"], None]
    loses: bool = True
    #: Seconds that the server has had when it springs INSIDE.
    delay: float = 0.0
    sprung: threading.Event = field(default_factory=threading.Event)
    #: The clock when it sprang.
    at: float = 0.0

    def spring(self, link: "Link") -> None:
        """Act, once."""
        self.at = time.monotonic()
        self.act(link)
        self.sprung.set()


@dataclass(slots=True, kw_only=True)
class Proxy:
    """Listens on a port of its own and forwards to a server; `trap` is the one it has, if any."""

    upstream: Callable[[], socket.socket]
    trap: Trap | None = None
    steps: list[Step] = field(default_factory=list)
    links: list["Link"] = field(default_factory=list)
    #: Whether the whole network is gone, for connections to come too.
    is_out: bool = False
    _listener: socket.socket = field(init=False)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._run(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.heal()
        for thread in self._threads:
            thread.join(10)
        for link in self.links:
            link.client.close()
            link.server.close()

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return int(self._listener.getsockname()[1])

    def heal(self) -> None:
        """Close what is open, as a network does that knows its connections no more."""
        self.is_out = False
        for link in self.links:
            link.drop()

    def outage(self) -> None:
        """Swallow everything from now on."""
        self.is_out = True
        for link in self.links:
            link.stall()

    def _run(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        try:
            server = self.upstream()
        except OSError:  # the server is down, and so is its port
            client.close()
            return
        link = Link(proxy=self, client=client, server=server, number=len(self.links) + 1)
        link.swallows = self.is_out
        self.links.append(link)
        self._run(link.pass_requests)
        self._run(link.pass_answers)


@dataclass(slots=True, kw_only=True)
class Link:
    """One connection: two sockets, and a thread for each direction."""

    proxy: Proxy
    client: socket.socket
    server: socket.socket
    number: int
    #: The server process, once it has said so.
    backend: int = 0
    #: Whether everything is taken and nothing is handed on.
    swallows: bool = False
    #: Whether an answer was lost, after which a stream of bytes has no other.
    _is_mute: bool = False
    _count: int = 0
    _closed: bool = False
    _awaited: deque[Trap | None] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    # ------------------------------------------------------------ what a trap may do

    def drop(self) -> None:
        """Close both ends."""
        with self._lock:
            self._closed, closed = True, self._closed
        for end in () if closed else (self.client, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """Close both ends, the client's with a RST.

        Closing the descriptor would wait for the thread that reads from it; connecting it to no
        address aborts the connection at once (connect(2), AF_UNSPEC).
        """
        ctypes.CDLL(None).connect(self.client.fileno(), bytes(16), 16)
        self.drop()

    def stall(self) -> None:
        """Take what comes, hand nothing on, and close nothing."""
        self.swallows = True

    def refuse(self) -> None:
        """Say what a pooler says whose server is gone, and close both ends."""
        fields = b"".join(
            (b"SFATAL\0", b"VFATAL\0", b"C08P01\0", b"Mserver conn crashed?\0", b"\0")
        )
        with suppress(OSError):
            self.client.sendall(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)
        self.drop()

    def deafen_client(self) -> None:
        """Close the way to the client only; what it sends still arrives."""
        with suppress(OSError):
            self.client.shutdown(socket.SHUT_WR)

    def deafen_server(self) -> None:
        """Close the way to the server only; what it says still arrives."""
        with suppress(OSError):
            self.server.shutdown(socket.SHUT_WR)

    # ------------------------------------------------------------ the client's direction

    def pass_requests(self) -> None:
        """Hand on the client's requests, one at a time, until it closes."""
        with suppress(OSError):
            for request in _requests(self.client):
                self._request(request)
        if not self.swallows:
            self.drop()

    def _request(self, request: "Request") -> None:
        trap = self._numbered(request)
        if trap and trap.moment is Moment.BEFORE:
            trap.spring(self)
            if trap.loses:
                return
        if self.swallows:
            return
        if request.is_answered:
            self._awaited.append(trap)
        with suppress(OSError):  # the server may be gone while its last words are under way
            self.server.sendall(request.raw)
        if trap and trap.moment is Moment.INSIDE:
            time.sleep(trap.delay)
            trap.spring(self)

    def _numbered(self, request: "Request") -> Trap | None:
        if not request.is_answered:
            return None
        self._count += 1
        self.proxy.steps.append(Step(self.number, self._count, request.text))
        trap = self.proxy.trap
        here = trap is not None and (trap.connection, trap.number) == (self.number, self._count)
        return trap if here else None

    # ------------------------------------------------------------ the server's direction

    def pass_answers(self) -> None:
        """Hand on the server's answers, each when it is whole, until the server closes."""
        held = bytearray()
        with suppress(OSError):
            for kind, raw in _answers(self.server):
                held += raw
                if kind == b"K":
                    self.backend = int.from_bytes(raw[5:9], "big")
                if kind == b"Z":
                    self._answer(bytes(held))
                    held.clear()
        with suppress(OSError):
            if not (self.swallows or self._is_mute):
                self.client.sendall(held)
        if not self.swallows:
            self.drop()

    def _answer(self, raw: bytes) -> None:
        trap = self._awaited.popleft() if self._awaited else None
        if trap and trap.moment is Moment.UNSEEN:
            trap.spring(self)
        if trap and trap.moment is Moment.INSIDE:
            trap.sprung.wait(30)
        if trap and trap.loses and trap.moment is not Moment.SEEN:
            self._is_mute = True
        if not (self._is_mute or self.swallows):
            self.client.sendall(raw)
        if trap and trap.moment is Moment.SEEN:
            trap.spring(self)


# ---------------------------------------------------------------- messages


@dataclass(frozen=True, slots=True)
class Request:
    """The bytes of one request; Terminate and a cancellation get no answer."""

    raw: bytes
    text: str = ""
    is_answered: bool = True


def _requests(client: socket.socket) -> Iterator[Request]:
    stream = _Stream(client)
    head = stream.take(4)
    body = stream.take(int.from_bytes(head, "big") - 4)
    code = int.from_bytes(body[:4], "big")
    assert code not in (_SSL, _GSS), "the proxy speaks plain text: sslmode=disable"
    yield Request(head + body, is_answered=code != _CANCEL)
    raw, texts = b"", []
    while True:
        kind, message = stream.message()
        raw += message
        texts.append(_text(kind, message))
        if kind in b"QSX":
            yield Request(raw, " ".join(filter(None, texts)), kind != b"X")
            raw, texts = b"", []


def _text(kind: bytes, message: bytes) -> str:
    """Return the SQL of Query and Parse."""
    if kind == b"Q":
        return message[5:-1].decode("utf-8", "replace")
    return message[5:].split(b"\0")[1].decode("utf-8", "replace") if kind == b"P" else ""


def _answers(server: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    stream = _Stream(server)
    while True:
        yield stream.message()


class _Stream:
    """Whole messages out of a socket; raises ConnectionError at its end."""

    def __init__(self, source: socket.socket) -> None:
        self._source, self._held, self._at = source, bytearray(), 0

    def take(self, size: int) -> bytes:
        while len(self._held) - self._at < size:
            chunk = self._source.recv(_CHUNK)
            if not chunk:
                raise ConnectionError("closed")
            del self._held[: self._at]
            self._at = 0
            self._held += chunk
        self._at += size
        return bytes(self._held[self._at - size : self._at])

    def message(self) -> tuple[bytes, bytes]:
        """Return the type of the next message, and all of it."""
        head = self.take(5)
        return head[:1], head + self.take(int.from_bytes(head[1:], "big") - 4)
