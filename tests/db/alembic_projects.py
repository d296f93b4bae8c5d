"""Small real Alembic projects in a directory, and a client that has the driver run them."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from migsafe.histories import alembic_driver
from tests import drivers

#: A place where no server is: whoever connects there has not been redirected.
ELSEWHERE = "postgresql+psycopg://nobody:hunter2@127.0.0.1:1/elsewhere"

INI = """
[alembic]
script_location = migrations
prepend_sys_path = .
path_separator = os
"""

ENV = f"""
from alembic import context
from sqlalchemy import create_engine

with create_engine("{ELSEWHERE}").connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""

ASYNC_ENV = f"""
import asyncio
from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine

def run(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()

async def main():
    engine = create_async_engine("{ELSEWHERE}")
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()

asyncio.run(main())
"""

EXTERNAL_ENV = ENV.replace(".connect()", ".begin()")

SEVERAL_ENV = """
from alembic import context
from sqlalchemy import create_engine

for name in ("one", "two"):
    with create_engine(f"postgresql+psycopg://nobody@127.0.0.1:1/{name}").connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations(engine=name)
"""


TENANTS_ENV = f"""
from alembic import context
from sqlalchemy import create_engine

with create_engine("{ELSEWHERE}").connect() as connection:
    for tenant in ("one", "two"):
        connection.exec_driver_sql(f"SET search_path TO {{tenant}}")
        connection.commit()
        context.configure(connection=connection, version_table_schema=tenant)
        with context.begin_transaction():
            context.run_migrations()
"""


def multidb(*databases: str) -> str:
    """Return what `alembic init -t multidb` writes: all engines open, one transaction each."""
    return f"""
from alembic import context
from sqlalchemy import create_engine

url = "postgresql+psycopg://nobody:hunter2@127.0.0.1:1/"
connections = {{name: create_engine(url + name).connect() for name in {databases!r}}}
transactions = [one.begin() for one in connections.values()]
try:
    for name, connection in connections.items():
        context.configure(connection=connection, upgrade_token=f"{{name}}_upgrades")
        context.run_migrations(engine_name=name)
    for transaction in transactions:
        transaction.commit()
except:
    for transaction in transactions:
        transaction.rollback()
    raise
finally:
    for connection in connections.values():
        connection.close()
"""


def configured(**options: object) -> str:
    """Return an env.py with more arguments for context.configure()."""
    given = ", ".join(f"{name}={value!r}" for name, value in options.items())
    return ENV.replace("connection=connection)", f"connection=connection, {given})")


def revision(
    name: str,
    body: str,
    down: str | Sequence[str] | None = None,
    arguments: str = "",
    **more: object,
) -> str:
    """Return the text of a revision file whose upgrade() has the body."""
    head = [f'"""Make {name}."""', "from alembic import op", "import sqlalchemy as sa"]
    names = {"revision": name, "down_revision": down, "branch_labels": None, "depends_on": None}
    lines = [f"{key} = {value!r}" for key, value in {**names, **more}.items()]
    upgrade = textwrap.indent(textwrap.dedent(body).strip() or "pass", "    ")
    return "\n".join([*head, *lines, "", f"def upgrade({arguments}):", upgrade, ""])


def write(root: Path, revisions: dict[str, str], *, env: str = ENV, ini: str = INI) -> Path:
    """Write a project and return the path of its configuration."""
    versions = root / "migrations" / "versions"
    versions.mkdir(parents=True)
    (root / "migrations" / "env.py").write_text(env)
    for name, text in revisions.items():
        (versions / f"{name}.py").write_text(text)
    config = root / ("pyproject.toml" if "[tool" in ini else "alembic.ini")
    config.write_text(ini)
    return config


Event = dict[str, Any]


class Driver:
    """A driver that runs, and what it said."""

    def __init__(self, config: Path, url: str | None, **first: object) -> None:
        requests, self._requests = os.pipe()
        self._replies, replies = os.pipe()
        self.process = drivers.popen(
            [sys.executable, str(alembic_driver.__file__), str(requests), str(replies)],
            cwd=config.parent,
            pass_fds=(requests, replies),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={key: value for key, value in os.environ.items() if not key.startswith("PG")},
        )
        os.close(requests)
        os.close(replies)
        self._lines, self.printed = os.fdopen(self._replies), ""
        redirect = conninfo_to_dict(url) if url else None
        self.send({"config": str(config), "name": None, "x": [], "redirect": redirect, **first})

    def send(self, request: dict[str, object]) -> None:
        os.write(self._requests, json.dumps(request).encode() + b"\n")

    def read(self) -> Event:
        """Return the next event; an empty one where the driver has left."""
        event: Event = json.loads(self._lines.readline() or '{"event": ""}')
        return event

    def until(self, *names: str, go: bool = True) -> list[Event]:
        """Return the events up to one of those names, and let the driver go on at each commit."""
        events = [self.read()]
        while events[-1]["event"] not in (*names, ""):
            if events[-1]["event"] in ("committed", "ran") and not events[-1].get("late"):
                self.send({"go": go})
            events.append(self.read())
        return events

    def discover(self) -> Event:
        self.send({"do": "discover"})
        return self.until("discovered", "error")[-1]

    def upgrade(self, *revisions: str, go: bool = True, **more: object) -> list[Event]:
        self.send({"do": "upgrade", "revisions": list(revisions), **more})
        return self.until("end", "error", go=go)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def close(self) -> tuple[int, str]:
        """Close the pipe, and return the exit code and all that env.py printed."""
        if not self._lines.closed:
            os.close(self._requests)
            self.printed = self.process.communicate(timeout=30)[0].decode()
            self._lines.close()
        return self.process.returncode, self.printed


def named(events: list[Event], name: str) -> list[Event]:
    """Return the events of one name."""
    return [event for event in events if event["event"] == name]


Start = Callable[..., Driver]
