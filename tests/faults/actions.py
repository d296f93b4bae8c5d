"""What may happen to a run: each action makes what a trap does from the run that it is for."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from tests.cli.cluster import Cluster
from tests.faults.proxy import Link, Moment
from tests.faults.trials import Act, Running

_UNANSWERED = frozenset({Moment.BEFORE, Moment.INSIDE, Moment.UNSEEN})


@dataclass(frozen=True, slots=True)
class Action:
    """A fault; in the moments of `loses`, the message that is under way never arrives."""

    title: str
    act: Callable[[Running], Act]
    loses: frozenset[Moment] = _UNANSWERED


# ---------------------------------------------------------------- the process


def _signals(number: signal.Signals) -> Callable[[Running], Act]:
    def act(running: Running) -> None:
        while running.process is None:  # it may connect before its number is known here
            time.sleep(0.001)
        running.process.kill(number)

    return lambda running: lambda _: act(running)


KILL = Action("SIGKILL", _signals(signal.SIGKILL))
INTERRUPT = Action("SIGTERM", _signals(signal.SIGTERM), loses=frozenset())

# ---------------------------------------------------------------- the server

_LOST_ANSWER = frozenset({Moment.UNSEEN})


def _one(running: Running) -> Act:
    def act(link: Link) -> None:
        with psycopg.connect(running.bench.server, autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(%s, 5000)", [link.backend])

    return act


def _all(running: Running) -> Act:
    def act(_: Link) -> None:
        with psycopg.connect(running.bench.server, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
                [running.bench.name],
            )

    return act


TERMINATE = Action("pg_terminate_backend of the connection", _one, _LOST_ANSWER)
TERMINATE_ALL = Action("pg_terminate_backend of all", _all, _LOST_ANSWER)


def restart(cluster: Cluster) -> Action:
    """Return what stops a server without a checkpoint, and starts it again."""
    log = ("-l", cluster.data / "log")

    def act() -> None:
        cluster.run("pg_ctl", "restart", "-w", "-m", "immediate", *log)

    return Action("pg_ctl restart -m immediate", lambda _: lambda _: act(), _LOST_ANSWER)


# ---------------------------------------------------------------- the network

NETWORK = (
    Action("drop", lambda _: Link.drop),
    Action("drop with a pooler's error", lambda _: Link.refuse),
    Action("reset", lambda _: Link.reset),
    Action("half-close towards the client", lambda _: Link.deafen_client),
    Action("half-close towards the server", lambda _: Link.deafen_server),
)

STALLS = (
    Action("stall of one connection", lambda _: Link.stall),
    Action("outage of all", lambda running: lambda _: running.proxy.outage()),
)
