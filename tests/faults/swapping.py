"""A stand-in for poolers: it gives a client a backend with each transaction, by an order we choose.

It speaks the protocol as far as migsafe does, without TLS and passwords.
https://www.postgresql.org/docs/current/protocol-flow.html
"""

import asyncio
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field

from psycopg import conninfo

_CANCEL, _SSL, _GSS = 80877102, 80877103, 80877104

#: What an order takes from the free backends; each goes back to the end.
ORDERS = {"last used first": -1, "one after the other": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How a pooler behaves. `relays` says that it announces the process of a real backend."""

    mode: str = "transaction"
    size: int = 1
    order: str = "last used first"
    relays: bool = False
    #: Whether it connects a backend only where none is free, the first one for the first client.
    cold: bool = False
    #: How many other clients take backends from it all the time.
    traffic: int = 0
    #: Seconds for which a client waits for a backend.
    wait: float = 5.0

    def __str__(self) -> str:
        """Name what is worth telling apart."""
        traits = (self.mode, f"{self.size} backends", self.order)
        more = {"true process": self.relays, "cold": self.cold, "traffic": self.traffic}
        return ", ".join((*traits, *(name for name, there in more.items() if there)))


@dataclass(frozen=True, slots=True)
class Wire:
    """One connection, either way."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def message(self) -> tuple[bytes, bytes]:
        """Return the type of the next message, and all of it."""
        head = await self.reader.readexactly(5)
        rest = await self.reader.readexactly(int.from_bytes(head[1:], "big") - 4)
        return head[:1], head + rest

    async def startup(self) -> tuple[int, bytes]:
        """Return the code of a startup packet, and all of it."""
        head = await self.reader.readexactly(8)
        rest = await self.reader.readexactly(int.from_bytes(head[:4], "big") - 8)
        return int.from_bytes(head[4:], "big"), head + rest

    async def send(self, raw: bytes) -> None:
        """Send, and wait until it is on its way."""
        self.writer.write(raw)
        await self.writer.drain()


@dataclass(frozen=True, slots=True)
class Backend:
    """One connection to the server, which many clients use."""

    wire: Wire
    key: bytes
    #: What the server announced of its settings.
    parameters: bytes

    async def answer(self, request: bytes) -> tuple[bytes, bytes]:
        """Send one request; return its answer, and the state of the transaction."""
        await self.wire.send(request)
        answer = b""
        while True:
            kind, raw = await self.wire.message()
            answer += raw
            if kind == b"Z":
                return answer, raw[5:6]


@dataclass(slots=True, kw_only=True)
class Swapping:
    """A pooler at work; its coroutines run on a thread of their own."""

    habits: Habits
    database: str
    _chance: random.Random = field(default_factory=lambda: random.Random(5))
    _backends: list[Backend] = field(default_factory=list)
    _free: list[Backend] = field(default_factory=list)
    _freed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _ended: asyncio.Event = field(default_factory=asyncio.Event)
    _ready: threading.Event = field(default_factory=threading.Event)
    _loop: asyncio.AbstractEventLoop = field(init=False)

    async def serve(self, listener: socket.socket) -> None:
        """Serve clients until the end; the backends are connected before the first."""
        self._loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            stack.callback(self._close)
            for _ in range(0 if self.habits.cold else self.habits.size):
                self._free.append(await self._grown())
            server = await asyncio.start_server(self._client, sock=listener)
            stack.callback(server.close)
            for _ in range(self.habits.traffic):
                stack.callback(asyncio.create_task(self._traffic()).cancel)
            self._ready.set()
            await self._ended.wait()

    def await_ready(self) -> None:
        """Wait until clients are served; to be called on another thread."""
        assert self._ready.wait(20), "the backends cannot be connected"

    def end(self) -> None:
        """Let `serve` return; to be called on its thread."""
        self._ended.set()

    def asked(self, query: str) -> list[bytes]:
        """Ask each backend, and return the answers as they came; to be called on another thread."""
        return asyncio.run_coroutine_threadsafe(self._asked(query), self._loop).result(10)

    async def _asked(self, query: str) -> list[bytes]:
        backends = [await self._take() for _ in self._backends]
        answers = [(await backend.answer(_query(query)))[0] for backend in backends]
        for backend in backends:
            await self._give_back(backend)
        return answers

    async def _grown(self) -> Backend:
        backend = await _connected(self.database)
        self._backends.append(backend)
        return backend

    def _close(self) -> None:
        for backend in self._backends:
            backend.wire.writer.close()

    async def _take(self) -> Backend:
        async with asyncio.timeout(self.habits.wait), self._freed:
            if not self._free and len(self._backends) < self.habits.size:
                return await self._grown()
            await self._freed.wait_for(lambda: bool(self._free))
            return self._free.pop(ORDERS[self.habits.order])

    async def _give_back(self, backend: Backend) -> None:
        async with self._freed:
            self._free.append(backend)
            self._freed.notify()

    async def _traffic(self) -> None:
        """Hold backends as somebody else's short transactions do."""
        while True:
            backend = await self._take()
            await asyncio.sleep(self._chance.uniform(0, 0.002))
            await self._give_back(backend)
            await asyncio.sleep(self._chance.uniform(0, 0.002))

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            try:
                if await self._welcome(wire):
                    await self._requests(wire)
            except TimeoutError:
                await wire.send(_NO_BACKEND)
        writer.close()

    async def _welcome(self, wire: Wire) -> bool:
        code, _ = await wire.startup()
        while code in (_SSL, _GSS):
            await wire.send(b"N")
            code, _ = await wire.startup()
        if code == _CANCEL:
            return False
        async with self._freed:
            if not self._backends:
                self._free.append(await self._grown())
        backend = (self._free or self._backends)[ORDERS[self.habits.order]]
        invented = b"K" + (12).to_bytes(4, "big") + self._chance.randbytes(8)
        key = backend.key if self.habits.relays else invented
        await wire.send(_AUTHENTICATED + backend.parameters + key + _IDLE)
        return True

    async def _requests(self, wire: Wire) -> None:
        """Hand on whole requests, each transaction to a backend of its own."""
        backend: Backend | None = None
        try:
            while (request := await _request(wire)) is not None:
                backend = backend or await self._take()
                answer, state = await backend.answer(request)
                if state == b"I" and self.habits.mode != "session":
                    await self._give_back(backend)
                    backend = None
                elif state != b"I" and self.habits.mode == "statement":
                    break
                await wire.send(answer)
        finally:
            if backend:
                await backend.answer(_query("ROLLBACK"))
                await backend.answer(_query("DISCARD ALL"))
                await self._give_back(backend)


_AUTHENTICATED = b"R" + (8).to_bytes(4, "big") + (0).to_bytes(4, "big")
_IDLE = b"Z" + (5).to_bytes(4, "big") + b"I"

#: As PgBouncer says it.
_SAID = b"SFATAL\0VFATAL\0C08P01\0Mquery_wait_timeout\0\0"
_NO_BACKEND = b"E" + (len(_SAID) + 4).to_bytes(4, "big") + _SAID


def _query(text: str) -> bytes:
    return b"Q" + (len(text) + 5).to_bytes(4, "big") + text.encode() + b"\0"


async def _request(wire: Wire) -> bytes | None:
    """Return what the server answers as a whole; None at the client's end."""
    request = b""
    while True:
        kind, raw = await wire.message()
        request += raw
        if kind in b"QS":
            return request
        if kind == b"X":
            return None


async def _connected(database: str) -> Backend:
    where = conninfo.conninfo_to_dict(database)
    host, port = str(where["host"]), int(where.get("port") or 5432)
    if host.startswith("/"):
        wire = Wire(*await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}"))
    else:
        wire = Wire(*await asyncio.open_connection(host, port))
    names = f"user\0{where['user']}\0database\0{where['dbname']}\0\0".encode()
    await wire.send((len(names) + 8).to_bytes(4, "big") + (3 << 16).to_bytes(4, "big") + names)
    key, parameters = b"", b""
    while True:
        kind, raw = await wire.message()
        assert kind != b"E", raw
        key = raw if kind == b"K" else key
        parameters += raw if kind == b"S" else b""
        if kind == b"Z":
            return Backend(wire, key, parameters)


@contextmanager
def swapping(habits: Habits, database: str) -> Iterator[tuple[Swapping, str]]:
    """Run a stand-in before a database; yield it, and the URL of the database behind it."""
    where = conninfo.conninfo_to_dict(database)
    pooler = Swapping(habits=habits, database=database)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=_run, args=(loop, pooler, listener), daemon=True)
        thread.start()
        pooler.await_ready()
        try:
            yield pooler, f"postgresql://{where['user']}@127.0.0.1:{port}/{where['dbname']}"
        finally:
            loop.call_soon_threadsafe(pooler.end)
            thread.join(10)


def _run(loop: asyncio.AbstractEventLoop, pooler: Swapping, listener: socket.socket) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(pooler.serve(listener))
        loop.run_until_complete(_cancelled(asyncio.all_tasks(loop)))
    finally:
        loop.close()


async def _cancelled(tasks: set["asyncio.Task[None]"]) -> None:
    own = asyncio.current_task()
    others = [task for task in tasks if task is not own]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
