"""The SQL of Alembic's revisions: what they send when they run on the shadow.

Kept beside the replays, named by every file that it depends on.
"""

import ast
import hashlib
import os
import re
import sys
from dataclasses import replace

import msgspec
from msgspec import Struct, field

from migsafe import __version__, shadow, sql, target
from migsafe.errors import redacted
from migsafe.histories import Migration, alembic, driver
from migsafe.histories.alembic import AlembicDirectory
from migsafe.histories.driver import Event
from migsafe.replay import Notify, Stage, cache


class _Script(Struct):
    """What one revision has sent so far: a line and the driver's number for each statement."""

    texts: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    #: Whether it may look at what a statement returns.
    returns: bool = False
    alone: bool = False
    reads: bool = False
    problem: str | None = None
    #: What env.py sets before the revision, which decides where it makes things.
    search_path: str | None = None

    def add(self, event: Event) -> None:
        """Take a statement in; what only asks is left out, and makes the rest depend on answers."""
        line = int(event.get("line") or 1)
        text = event["sql"]
        if event.get("parameters"):
            text = _PLACEHOLDER.sub("NULL", text)
        try:
            parsed = sql.parse(text)
        except sql.SqlError as error:
            self.problem = f"line {line} sends what does not parse: {error}"
            return
        if all(sql.is_question(statement) for statement in parsed):
            self.reads = True
            return
        if event.get("parameters"):
            self.problem = f"line {line} sends values that cannot be written as SQL"
            return
        self.alone = self.alone or bool(event["autocommit"])
        self.texts += [statement.text for statement in parsed]
        self.lines += [line] * len(parsed)
        self.sent += [int(event["index"])] * len(parsed)
        self.returns = self.returns or bool(event.get("reads"))

    def finish(self) -> None:
        """Set the search_path that env.py has chosen around the statements."""
        if not (self.search_path and self.texts):
            return
        chosen = f"search_path = {self.search_path}"
        self.texts.insert(0, f"SET {chosen}" if self.alone else f"SET LOCAL {chosen}")
        self.lines.insert(0, self.lines[0])
        self.sent.insert(0, 0)
        if self.alone:
            self.texts.append("RESET search_path")
            self.lines.append(self.lines[-1])
            self.sent.append(self.sent[-1])


#: How drivers write a value that is sent apart.
_PLACEHOLDER = re.compile(r"%\(\w+\)s|%s|\$\d+|(?<!:):\w+\b")


class _Kept(msgspec.Struct):
    """One revision as it is kept."""

    name: str
    text: str
    lines: tuple[int, ...]
    sent: tuple[int, ...]
    transaction: bool
    reads: bool
    problem: str | None


def recorded(
    directory: AlembicDirectory, stage: Stage, notify: Notify = lambda _: None
) -> AlembicDirectory:
    """Return the directory with the SQL of its revisions; run them on the shadow unless kept.

    Where a revision does not run there, it and those after it have that as their `problem`.
    """
    digest = _digest(directory, stage)
    body = cache.read(stage.cache, digest)
    kept = msgspec.json.decode(body, type=list[_Kept]) if body else None
    if kept is None:
        notify(f"running {len(directory.migrations)} revisions in the shadow for their SQL")
        kept = _record(directory, stage)
        if _is_all(directory) and not any(one.problem for one in kept):
            cache.write(stage.cache, digest, msgspec.json.encode(kept))
    by_name = {one.name: one for one in kept}
    migrations = [_filled(migration, by_name[migration.name]) for migration in directory.migrations]
    return replace(directory, migrations=migrations)


def _filled(migration: Migration, kept: _Kept) -> Migration:
    return replace(
        migration,
        text=kept.text,
        lines=kept.lines,
        sent=kept.sent,
        transaction=kept.transaction,
        reads=kept.reads,
        problem=kept.problem,
    )


def _record(directory: AlembicDirectory, stage: Stage) -> list[_Kept]:
    scripts = {migration.name: _Script() for migration in directory.migrations}
    stopped: str | None = None
    with (
        driver.running(directory.project) as running,  # its imports take as long as the server
        shadow.opened(stage.config, major=stage.major, root=stage.root) as opened,
    ):
        shadow.prepare(opened, stage.config, stage.root, schema=stage.schema)
        running.lead(target.parse(opened.url, name="shadow"), session=())
        for event in running.events(do="upgrade", revisions=list(scripts), record=True):
            if event["event"] == "began":
                scripts[event["revision"]].search_path = event.get("search_path")
            elif event["event"] == "statement":
                scripts[event["revision"]].add(event)
            elif event["event"] in ("committed", "ran") and not event.get("late"):
                running.say(go=True)
            elif event["event"] == "failed":
                said = f"{event.get('sqlstate') or 'error'}: {event['message']}"
                stopped = redacted(f"fails on the shadow: {said}")
                scripts[event["revision"]].problem = stopped
    return _kept(scripts, after=stopped)


def _kept(scripts: dict[str, _Script], after: str | None) -> list[_Kept]:
    found: list[_Kept] = []
    behind = None
    for name, script in scripts.items():
        script.finish()
        found.append(
            _Kept(
                name=name,
                text=";\n".join(script.texts),
                lines=tuple(script.lines),
                sent=() if script.returns else tuple(script.sent),
                transaction=not script.alone,
                reads=script.reads,
                problem=script.problem or behind,
            )
        )
        if after and script.problem == after:
            behind = f"{name} before it does not run on the shadow"
    return found


def _is_all(directory: AlembicDirectory) -> bool:
    """Tell whether the files use nothing else of the project, which could change beside them."""
    known = {*sys.stdlib_module_names, "alembic", "sqlalchemy"}
    files = {*directory.path.rglob("*.py"), *(one.path for one in directory.migrations)}
    for file in files:
        tree = ast.parse(file.read_bytes())
        if alembic.reaching_out(tree):
            return False
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""] if not node.level else ["."]
            else:
                continue
            if any(name.partition(".")[0] not in known for name in names):
                return False
    return True


def _digest(directory: AlembicDirectory, stage: Stage) -> str:
    """Return the SHA-256 of what the revisions depend on, as far as it lies in their directory."""
    folder = directory.path
    about = [__version__, stage.server, stage.schema, stage.config, str(directory.project)]
    chain = hashlib.sha256(msgspec.json.encode([*about, directory.releases]))
    files = {migration.path for migration in directory.migrations} | set(folder.rglob("*.py"))
    texts = [file.read_bytes() for file in sorted({*files, directory.project.config})]
    texts += [(stage.root / file).read_bytes() for file in stage.config.prelude]
    for text in texts:
        chain.update(hashlib.sha256(text).digest())
    # A variable is asked for by its name, which stands in one of the texts; `_` is the shell's.
    words = {word.decode() for text in texts for word in re.findall(rb"\w+", text)} - {"_"}
    named = {name: os.environ[name] for name in sorted(words & os.environ.keys())}
    chain.update(msgspec.json.encode([named, [one.name for one in directory.migrations]]))
    return chain.hexdigest()
