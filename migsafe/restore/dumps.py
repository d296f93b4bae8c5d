"""A dump on its way back: that it is whole, pg_restore, and what came of it."""

import hashlib
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from migsafe import catalog, facts
from migsafe.errors import UnreachableError, redacted
from migsafe.facts import Key
from migsafe.findings import Finding, Severity
from migsafe.restore import Restoring
from migsafe.restore.comparing import finding
from migsafe.snapshots import Manifest, fingerprint, pg_dump, programs
from migsafe.snapshots.programs import FailedError
from migsafe.target import Connection

#: Seconds between two messages about how far it is.
_SAID = 10.0

#: How many facts that differ are findings of their own; arbitrary.
_SHOWN = 20

#: What a server says of names, roles and privileges only; any other message may quote a row.
_SAFE = re.compile(
    r"(role|schema|relation|type|function|extension|language|collation|tablespace|database|access "
    r'method|operator class|text search configuration) (".*?"|\S+) (already exists|does not exist)'
    r"|permission denied .*|must be .*|extension \".*?\" is not available|permission denied to .*"
    r"|could not open extension control file .*|unrecognized configuration parameter .*"
    r"|(too many|out of|no space|could not extend|could not write).*|Only roles with .*"
    r"|terminating connection .*|canceling statement due to user request"
)


def whole(folder: Path, known: Manifest) -> None:
    """Hold the files of a snapshot against its checksum; raise UnreachableError unless equal."""
    try:
        sums = "".join(f"{digest}  {name}\n" for name, digest in pg_dump.checksums(folder))
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise UnreachableError(str(error.filename or folder), problem, "mend that") from None
    if hashlib.sha256(sums.encode()).hexdigest() != known.sha256:
        problem = "the dump is not what was written: its checksum differs"
        raise UnreachableError(str(folder), problem, "take another snapshot, or another copy of it")


class _Progress(Struct):
    """Says from time to time how large the copy is."""

    restoring: Restoring
    conn: Connection
    name: str
    said: float = field(default_factory=time.monotonic)

    def __call__(self) -> None:
        if time.monotonic() - self.said >= _SAID:
            self.said = time.monotonic()
            size = catalog.one(self.conn, "SELECT pg_database_size(%s)", [self.name])[0]
            of = self.restoring.manifest.copy["bytes"]
            self.restoring.notify(
                f"restoring: {int(size) / 10**6:,.0f} MB, the database had {of / 10**6:,.0f} MB"
            )


def restore(folder: Path, restoring: Restoring, conn: Connection, name: str) -> None:
    """Have pg_restore fill an empty database of the server that a session is on."""
    known, where = restoring.manifest, restoring.target
    tools = programs.find(int(known.copy["program"]), wanted="pg_restore")
    unknown = tools.major >= 17 and conn.info.server_version < 170000
    command: list[str | Path] = [
        tools.restore,
        "--no-password",
        *([] if unknown else ["--exit-on-error"]),
        f"--jobs={pg_dump.jobs(int(known.copy['bytes']))}",
        f"--dbname={programs.address(where, conn, dbname=name)}",
        folder / pg_dump.DUMP,
    ]
    try:
        watch = _Progress(restoring, conn, name)
        programs.run(command, env=programs.environment(where), watch=watch)
    except FailedError as error:
        messages = [line for line in error.messages if not (unknown and _UNKNOWN.search(line))]
        if _came_to_its_end(messages, ignored=len(error.messages) - len(messages)):
            return
        remedy = "mend that, then go on with --resume"
        raise UnreachableError(name, f"pg_restore failed: {told(messages)}", remedy) from None


#: pg_restore of 17 and later begins with ``SET transaction_timeout`` on an older server, too, and
#: stops there where it is to stop at errors. The server may say it in another language.
_UNKNOWN = re.compile(r"error: could not execute query: .*\btransaction_timeout\b")

#: What pg_restore says last, with how many errors; a session of --jobs does not count its own.
_IGNORED = re.compile(r"errors ignored on restore: (\d+)")


def _came_to_its_end(messages: Sequence[str], *, ignored: int) -> bool:
    """Tell whether nothing failed but `ignored` statements that are not among the messages."""
    last = _IGNORED.search(messages[-1]) if messages else None
    if last is None or int(last[1]) > ignored:
        return False
    return not any("error:" in line for line in messages)


def told(messages: Sequence[str]) -> str:
    """Say what stopped pg_restore, and at which object, without a value of any row."""
    toc = next((m[1] for line in messages if (m := re.search(r"TOC entry (.*)", line))), "")
    line = next((line for line in messages if "error:" in line), (*messages, "no message")[0])
    problem = line.partition("error:")[2].strip() or line
    before, failed, said = problem.partition("ERROR:")
    if failed and not _SAFE.fullmatch(said.strip()):
        problem = f"{before.rstrip(': ')} (the server's log has the reason, which may quote rows)"
    elif failed:
        problem = said.strip()
    return redacted(f"{problem} [{toc}]" if toc else problem)


def differences(folder: Path, known: Manifest, conn: Connection) -> Iterator[Finding]:
    """Yield what differs in what only a dump brings back, and the facts by their names."""
    from migsafe.snapshots import contents

    source = known.source
    counted = contents.counts(conn)
    for table, rows in source["counts"].items():
        if counted.get(table) != rows:
            message = f"{table} has {counted.get(table, 'no')} rows, {rows} in the snapshot"
            yield finding("restored-rows", message)
    if (there := contents.objects(conn)) != source["objects"]:
        message = f"{there} large objects, {source['objects']} in the snapshot"
        yield finding("restored-objects", message)
    yield from _sequences(source["sequences"], contents.sequences(conn))
    yield from _facts(folder, known, conn)


def _sequences(expected: Mapping[str, list[int]], found: Mapping[str, int]) -> Iterator[Finding]:
    for name, bounds in expected.items():
        if name not in found:
            yield finding("restored-sequence", f"the sequence {name} is not there")
        elif not min(bounds) <= found[name] <= max(bounds):
            then = " to ".join(map(str, sorted(set(bounds))))
            message = f"the sequence {name} gives {found[name]} next, {then} in the snapshot"
            yield finding("restored-sequence", message)


def _facts(folder: Path, known: Manifest, conn: Connection) -> Iterator[Finding]:
    """Name the facts in which a schema differs, as far as they were kept."""
    from migsafe.catalog import schema

    found = schema.facts(schema.read(conn))
    if fingerprint.of(found) == known.fingerprint.facts:
        return
    kept = _kept(folder)
    differ = list(facts.differences(fingerprint.firm(found), fingerprint.firm(kept)))
    for one in differ[:_SHOWN]:
        message = facts.compared(str(one.key), one.found, one.expected)
        yield finding("restored-schema", message)
    if len(differ) > _SHOWN:
        yield finding("restored-schema", f"{len(differ) - _SHOWN} more facts", Severity.INFO)


def _kept(folder: Path) -> dict[Key, str]:
    import msgspec

    rows: list[Any] = msgspec.json.decode((folder / pg_dump.FACTS).read_bytes())
    return {Key(*key): str(value) for *key, value in rows}
