"""Write the pages of docs/ that are made from the code; with --check, only say which are stale."""

import sys
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
import messages
import msgspec
from click_man.core import generate_man_page
from msgspec import structs

from migsafe import __version__, catalog, config, findings, hazards
from migsafe.cli.commands import cli
from migsafe.errors import ExitCode
from migsafe.findings import Severity
from migsafe.histories import sql, tables

DOCS = Path(__file__).parent
FIRST_LINE = "<!-- Made by docs/generate.py. Change the code, then run: make docs -->"

#: Fixed, so that a page is the same whatever terminal it is made on.
WIDTH = 80


def main(arguments: Sequence[str]) -> int:
    """Write every page, or name the stale ones; return the exit code."""
    pages = {DOCS / name: _page(build) for name, build in PAGES.items()}
    pages |= {DOCS / "man" / name: text for name, text in _manual(cli, None, "migsafe")}
    stale = [path for path, text in pages.items() if _written(path) != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(DOCS.parent)} is stale; run: make docs", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(pages[path], "utf-8")
        print(f"wrote {path.relative_to(DOCS.parent)}")
    return 0


def _page(build: Callable[[], Iterable[str]]) -> str:
    return "\n\n".join([FIRST_LINE, *build()]) + "\n"


def _written(path: Path) -> str | None:
    return path.read_text("utf-8") if path.is_file() else None


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )


def _code(text: str) -> str:
    return f"`{text}`"


# ---------------------------------------------------------------- cli.md


def _cli() -> Iterator[str]:
    yield "# Commands"
    yield (
        "What `--help` says of every command. The report goes to stdout and nothing else does; "
        "progress and errors go to stderr. [Exit codes](exit-codes.md) and "
        "[finding codes](findings.md) have pages of their own. Where a target comes from when "
        "nothing is said is on the page of [the config file](config.md)."
    )
    with _context(cli, "migsafe") as ctx:
        yield _help(cli, ctx)
        yield from _commands(cli, ctx)


def _commands(group: click.Group, ctx: click.Context) -> Iterator[str]:
    for name in group.list_commands(ctx):
        command = group.commands[name]
        with _context(command, name, ctx) as inner:
            yield f"## {inner.command_path}"
            yield _help(command, inner)
            if isinstance(command, click.Group):
                yield from _commands(command, inner)


def _context(
    command: click.Command, name: str, parent: click.Context | None = None
) -> click.Context:
    return click.Context(
        command,
        info_name=name,
        parent=parent,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        help_option_names=cli.context_settings["help_option_names"],
    )


def _help(command: click.Command, ctx: click.Context) -> str:
    return f"```text\n{command.get_help(ctx).strip()}\n```"


# ---------------------------------------------------------------- exit-codes.md

#: What a run leaves in the target, by its exit code.
_CHANGED = {
    ExitCode.OK: "as planned",
    ExitCode.FINDINGS: "nothing; after an apply that ran, as its report says",
    ExitCode.USAGE: "nothing",
    ExitCode.UNREACHABLE: "nothing",
    ExitCode.BUSY: "whole migrations only",
    ExitCode.FAILED: "whole migrations only",
    ExitCode.DIRTY: "part of a migration",
    ExitCode.UNMANAGED: "nothing",
    ExitCode.BUG: "unknown",
    ExitCode.INTERRUPTED: "whole migrations only",
}


def _exit_codes() -> Iterator[str]:
    yield "# Exit codes"
    yield (
        "A code keeps its meaning in every later version. A script should treat a code that it "
        "does not know as a failure."
    )
    rows = [(str(int(code)), code.name, code.meaning, _CHANGED[code]) for code in ExitCode]
    yield _table(("code", "name", "meaning", "what changed in the target"), rows)
    yield (
        "Code 7 is Prisma's P3005 (no record) and P3009 (a failed record): read "
        "[after P3005](howto/after-p3005.md). After 6 read [half-applied](howto/half-applied.md). "
        "After 4 run the same command again. After 70 report the bug with the traceback whose "
        "path was printed, once you have read it ([what may be in it](../SECURITY.md))."
    )


# ---------------------------------------------------------------- findings.md

#: Where to read on about a family of findings.
_READ_ON = {
    "MA": "[Write audits](howto/write-audits.md) has their header and their answers.",
    "MD": "[Derived audits](howto/derived-audits.md) has what an answer means.",
    "MH": "After MH101, MH102, MH115 and MH118 read [after P3005](howto/after-p3005.md), after "
    "MH104 and MH116 [half-applied](howto/half-applied.md), after MH117 "
    "[the shadow](howto/shadow.md). [How it works](how-it-works.md#evidence) says what "
    "evidence is. MH121 to MH125 are about [the proof of past runs](howto/reports.md).",
    "MV": "[Verify the schema](howto/verify-the-schema.md) says what is compared, and how bad a "
    "difference is. MV111, MV112 and MV113 are verdicts of [the gate](howto/gate.md).",
}

_FAMILIES = {
    "MA": "Audits from files",
    "MD": "Audits derived from pending SQL",
    "MH": "History and ledger",
    "MS": "Files and their comments",
    "MV": "Verification",
}


def _findings() -> Iterator[str]:
    yield "# Finding codes"
    yield (
        "Everything that migsafe reports is a finding: its code, a name, a severity "
        f"({', '.join(_code(item) for item in Severity)}), a status and a sentence. Findings at "
        "or above the gate stop a run. A code keeps its meaning and is never given again."
    )
    for prefix in sorted({code[:2] for code in findings.CODES}):
        yield f"## {_FAMILIES[prefix]}"
        rows = [(c, says) for c, says in findings.CODES.items() if c.startswith(prefix)]
        yield _table(("code", "what it says"), rows)
        if prefix in _READ_ON:
            yield _READ_ON[prefix]
    yield "## Hazards of a statement"
    yield (
        "What a statement does to the running system, from its text, the server's version and the "
        "live catalog. Each has [a page](hazards/index.md)."
    )
    rules = [(r.code, f"[{r.name}](hazards/{r.name}.md)", r.summary) for r in hazards.rules()]
    yield _table(("code", "name", "what it says"), rules)


# ---------------------------------------------------------------- hazards/


def _hazard_index() -> Iterator[str]:
    yield "# Hazards"
    yield (
        "What `migsafe lint`, `plan` and `apply` look for in a statement. MS1xx are locks, MS2xx "
        "rewrites and long scans, MS3xx lost data and breaking changes, MS4xx practice. Rules of "
        "style are off until `[lint] on` names them. In the SQL of a page `-- migration:` begins "
        "another migration, and the code behind a line marks what is found. The tests run all of "
        "it on a real server, which has to show the lock, the scan, the rewrite or the failure "
        "that a page claims."
    )
    rows = [
        (
            r.code,
            f"[{r.name}]({r.name}.md)",
            "style, off" if r.style else str(r.severity),
            r.summary,
        )
        for r in hazards.rules()
    ]
    yield _table(("code", "name", "severity", "what it is"), rows)


def _hazard(rule: hazards.Rule) -> Iterator[str]:
    yield f"# {rule.code} {rule.name}"
    yield f"{rule.summary[0].upper()}{rule.summary[1:]}."
    yield _table(("", ""), list(_claims(rule)))
    yield rule.why
    yield f"## What to do\n\n{rule.remedy}"
    yield f"```sql\n{_case(rule, 'good')}\n```"
    yield f"## What it finds\n\n```sql\n{_case(rule, 'bad')}\n```"
    yield f"Source: {rule.source}"


def _claims(rule: hazards.Rule) -> Iterator[tuple[str, str]]:
    yield "severity", f"{rule.severity}{', by the size of the table' if rule.weighed else ''}"
    if rule.style:
        yield "style", "off until `[lint] on` names it"
    if rule.lock:
        yield "lock", rule.lock
    if rule.rewrites or rule.scans:
        yield "under that lock", "rewrites the table" if rule.rewrites else "reads the whole table"
    if rule.fails:
        yield "fails with", f"SQLSTATE {rule.fails}"
    if rule.rows:
        yield "decided by", "the rows: with a target, a derived audit answers"
    if rule.since or rule.until:
        yield "PostgreSQL", f"{rule.since or 'any'} to {rule.until or 'any'}"


def _case(rule: hazards.Rule, which: str) -> str:
    path = DOCS.parent / "tests" / "cases" / rule.code / f"{which}.sql"
    return path.read_text("utf-8").strip()


# ---------------------------------------------------------------- config.md

#: What each key is for; a key without an entry here stops this script.
_MEANINGS = {
    "history.path": "Directory of the migrations, from the directory of this file on.",
    "history.kind": "What kind of history it is; `auto` looks.",
    "history.config": "Of an Alembic project: its `alembic.ini` or `pyproject.toml`. Without the "
    "key the nearest above the directory. See [Alembic](howto/alembic.md), for the next keys, too.",
    "history.python": "Of an Alembic project: its interpreter. Without the key the one that "
    "migsafe runs in.",
    "history.name": "What `alembic -n` would be given.",
    "history.x": "What `alembic -x` would be given, each as `key=value`.",
    "history.options": "Options that go over those of the Alembic config file.",
    "history.connection": "A URL such as `postgresql+psycopg2://`, for an env.py that takes "
    '`config.attributes["connection"]`; it leads to the target all the same.',
    "history.database": "Of an env.py that connects to several databases: the one that the target "
    "is, as its URL there has it, `clinic` or `db.internal:5432/clinic`. The others are left "
    "alone.",
    "history.version_table": "Of an env.py that runs with several version tables: the one that is "
    "meant, as `schema.name`. The others are left alone.",
    "history.through": "A function that env.py has to run in, `module:function`, such as "
    "`anyio.to_thread:run_sync`; it gets what runs env.py, and may be `async`.",
    "history.models": "Whether `verify` compares the models of an Alembic project with the schema, "
    "as `alembic check` does.",
    "history.layout": "Layout of a plain SQL history where more than one fits: see "
    "[layouts](layouts.md).",
    "history.schemas": "Schemas whose tables belong to the history. For Prisma the default is "
    "`schemas` of its datasource; for plain SQL it is every schema of the application.",
    "audits.path": "Directory of the audits and of `expectations.toml`. Without the key "
    "`audits/` counts when it is there.",
    "audits.budget": "What a question derived from SQL may read, by the planner's estimate, as "
    "`500MB` or `10GB`; over it the answer is unknown. No limit without the key.",
    "audits.show_keys": "Whose primary keys may be shown in reports: `true` for all, `false` for "
    "none, or a list of tables. Without the key, those that are one integer or uuid.",
    "shadow.server": "`auto`, `embedded`, `none`, or the URL of a server, in any form that `url` "
    "of an environment has. `auto` takes a local installation of the target's major version, else "
    "the embedded one. On a URL's server a database is made and dropped, and so are roles that "
    "the history makes; what a history changes of roles that were there before stays changed: see "
    "[the shadow](howto/shadow.md#a-url).",
    "shadow.prelude": "SQL files that run in the shadow, in order, before the first migration, "
    "from the directory of this file on.",
    "shadow.search_path": "The search_path of the shadow's database, written as in SQL.",
    "shadow.placeholders": "Literal text of prelude and migrations, and what stands for it in the "
    "shadow. It changes nothing of what `apply` runs.",
    "gate.severity": "Findings of this severity or worse stop a run; `never` lets all pass.",
    "lint.on": "Rules of [hazards](hazards/index.md) to ask that are off otherwise, by name or "
    "code.",
    "lint.off": "Rules not to ask. A comment above one statement is better: see "
    "[lint](howto/lint.md#allow-one-statement).",
    "lint.pg_version": "Major version of the server, where no target is asked.",
    "lint.transaction": "Whether the runner of a file that belongs to no history puts it into a "
    "transaction; `auto` says so of each file that a transaction does not refuse.",
    "lint.timeouts": "Settings that another runner or the role gives to every migration, such as "
    "`lock_timeout`.",
    "env.NAME.url": "`postgresql://…`, `env:VARIABLE`, or `file:PATH` whose first line is the URL; "
    "and `aws-secret:NAME`, `aws-ssm:/NAME` and `rds-iam://…`, which the page about "
    "[AWS](howto/aws.md#the-login) explains.",
    "env.NAME.snapshot": "The provider that `apply --snapshot` uses. The flag asks for the "
    "snapshot, this key does not. See [snapshots](howto/snapshots.md).",
    "env.NAME.lock_timeout": "How long a statement queues for a lock before its transaction is "
    "rolled back and tried again. A number with `ms`, `s`, `min` or `h`.",
    "env.NAME.statement_timeout": "How long a statement may work, unless it waits for others' "
    "snapshots, as CONCURRENTLY does. `0` is no limit.",
    "env.NAME.attempts": "How often a migration is tried when a lock is not free; 1 or more.",
    "env.NAME.region": "Region of AWS, where neither the host nor an ARN says one. Without the key "
    "what the AWS configuration says.",
    "env.NAME.profile": "Profile of the AWS configuration whose credentials are used.",
    "env.NAME.account": "The account of AWS that this target is in, 12 digits. Where the "
    "credentials are those of another one, nothing is done.",
    "env.NAME.db_instance": "The instance of RDS that the URL leads to, by its identifier, where "
    "the host does not say which.",
    "env.NAME.db_cluster": "The same for a cluster. Only one of the two.",
    "env.NAME.snapshot_timeout": "How long a snapshot may take, and how long a busy instance is "
    "waited for before it. A number with `s`, `min`, `h` or `d`.",
    "env.NAME.snapshot_keep": "After what time `snapshot prune` deletes a snapshot, written on it "
    "when it is taken. A number with `s`, `min`, `h` or `d`.",
    "env.NAME.snapshot_folder": "Where dumps and manifests are kept, from the directory of this "
    "file on. Without the key `.migsafe/snapshots`.",
    "env.NAME.temporary_access": "Let this machine in for as long as a command runs, by a rule in "
    "the database's security group: see [AWS](howto/aws.md#temporary-access).",
    "env.NAME.security_group": "The group that gets the rule, where the database has several.",
    "env.NAME.source_cidr": "The address that the rule is for: one public address, with /32 or "
    "/128. Without the key `address_services` are asked.",
    "env.NAME.address_services": "URLs that answer with the address they see, which has to be the "
    "same for all. The default is `https://checkip.amazonaws.com` and "
    "`https://ipv4.icanhazip.com`.",
}

_EXAMPLE = """\
[history]
path = "packages/database/prisma/migrations"
kind = "prisma"

[audits]
path = "audits"

[shadow]
prelude = ["db/roles.sql"]

[gate]
severity = "error"

[env.staging]
url = "env:STAGING_URL"

[env.production]
url = "file:secrets/production-url"
snapshot = "pg_dump"
lock_timeout = "3s"
attempts = 20
"""


def _config() -> Iterator[str]:
    config.parse_text(_EXAMPLE, Path(config.FILE))
    yield "# The config file"
    yield (
        f"`{config.FILE}` lies at the root of a repository; `migsafe init` writes it. Every key is "
        "optional but `url` of an environment, and so is the whole file: `--url` and "
        "`--migrations` say the rest. An unknown key, a bad type or a value that is not served "
        "ends with exit code 2 and names the file, the key and the nearest valid key."
    )
    yield f"```toml\n{_EXAMPLE}```"
    for section in structs.fields(config.Config):
        single = isinstance(section.type, type)  # what is none has many, by name
        kind = section.type if single else config.EnvConfig
        name = section.name if single else f"{section.name}.NAME"
        yield f"## [{name}]"
        yield str(kind.__doc__)
        rows = [
            (_code(f.name), _kind(f.type), _default(f), _MEANINGS[f"{name}.{f.name}"])
            for f in structs.fields(typing.cast(Any, kind))
        ]
        yield _table(("key", "value", "default", "meaning"), rows)
    yield from _target_order()


def _target_order() -> Iterator[str]:
    yield "## Which database"
    yield "The first of these that is there decides:"
    yield "\n".join(
        (
            "1. `--url`.",
            "2. `url` of the environment that `-e` names.",
            "3. `MIGSAFE_URL`, then `DATABASE_URL`, from the process environment.",
            "4. `url` of the only environment in the file, if there is exactly one.",
            "5. `MIGSAFE_URL`, then `DATABASE_URL`, from a `.env` file beside the config file, or "
            "from `prisma/.env`.",
        )
    )
    yield (
        "Note the third line: where `DATABASE_URL` is set, a command without `-e` goes there, even "
        "when the file has one environment. Its report then calls the target `url`. "
        "Name the environment in scripts."
    )
    yield (
        "A URL is libpq's, and Prisma's parameters are understood: `?schema=` sets the "
        "search_path, `sslaccept=strict` becomes `sslmode=verify-full`, and the parameters of "
        "Prisma's client pool are left out. `pgbouncer=true` is refused, because a transaction "
        "pooler loses locks and settings between statements: give the direct address. "
        "The libpq variables (`PGPASSWORD`, `PGSERVICE` and so on) fill in what a URL leaves out."
    )


def _kind(kind: Any) -> str:
    """Say in words what TOML value a field takes."""
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        return ", ".join(_kind(part) for part in typing.get_args(kind) if part is not type(None))
    if typing.get_origin(kind) is typing.Literal:
        return ", ".join(_code(f'"{value}"') for value in typing.get_args(kind))
    if typing.get_origin(kind) is tuple:
        return "list of strings"
    if typing.get_origin(kind) is dict:
        return "table of strings"
    return {str: "string", int: "whole number", bool: "true or false"}[kind]


def _default(item: structs.FieldInfo) -> str:
    value = item.default
    if item.default_factory is not msgspec.NODEFAULT:
        return _code(str(item.default_factory()))
    if value is msgspec.NODEFAULT:
        return "required"
    if value is None:
        return ""
    if isinstance(value, tuple):
        return "`[]`"
    return _code(str(value).lower() if isinstance(value, bool | int) else f'"{value}"')


# ---------------------------------------------------------------- man/


def _manual(
    command: click.Command, parent: click.Context | None, name: str
) -> Iterator[tuple[str, str]]:
    """Yield a manual page, and those of the commands below it."""
    ctx = click.Context(command, info_name=name, parent=parent)
    text = generate_man_page(ctx, version=__version__, date=" ")  # a date would make it stale
    yield f"{ctx.command_path.replace(' ', '-')}.1", text
    for below, inner in getattr(command, "commands", {}).items():
        yield from _manual(inner, ctx, below)


# ---------------------------------------------------------------- errors.md


def _errors() -> Iterator[str]:
    yield "# Errors"
    yield (
        "Every failure is one line on stderr, `migsafe: CODE: where: what; what to do`, and the "
        "`error` of the JSON report. These are all of them, by [exit code](exit-codes.md), with … "
        "for what is filled in. What is *found* is no error: see [finding codes](findings.md)."
    )
    raised = sorted(set(messages.found(Path(config.__file__).parent)))
    for code in ExitCode:
        rows = [(r.place, r.problem, r.remedy) for r in raised if r.code is code]
        if rows:
            yield f"## {int(code)} {code.name}"
            yield _table(("where", "what", "what to do"), sorted(set(rows)))


# ---------------------------------------------------------------- layouts.md


def _layouts() -> Iterator[str]:
    yield "# Layouts of migrations"
    yield (
        "migsafe finds out by looking how a directory is laid out. Where two readings fit, that is "
        "an error that names both, and `--history prisma` or `layout` under `[history]` decides. "
        "Down parts and down files are never run."
    )
    yield "## Prisma"
    yield (
        "A directory with `migration_lock.toml`, or with folders that hold a `migration.sql`. "
        "[How it works](how-it-works.md#prisma) has the order and the checksums."
    )
    yield "## Plain SQL"
    rows = [(_code(layout.name), layout.tools) for layout in sql.LAYOUTS.values()]
    yield _table(("layout", "what fits"), rows)
    yield "## Ledgers of other tools"
    yield (
        "A ledger is the table in which a tool records what has run. migsafe looks for these in "
        "the target before it writes a record, so that no second truth is made beside one. "
        "*Written* means that migsafe reads and writes it as its own tool does. *Refused* means "
        "exit code 2 for a plain SQL history, with the tool's name. *Recognised* means that the "
        "table counts as any other: the target is not empty, which is exit code 7. "
        "Where there is no ledger, plain SQL is recorded in `migsafe.migrations`."
    )
    shaped = [
        ("schema_migrations", tool)
        for tool in tables.SERVED
        if tool not in catalog.LEDGERS.values()
    ]
    ledgers = sorted(
        [*catalog.LEDGERS.items(), *shaped], key=lambda item: (item[1].lower(), item[0])
    )
    yield _table(("tool", "ledger", "migsafe"), [(t, _code(n), _service(t)) for n, t in ledgers])
    yield "`schema_migrations` is told apart by its columns; Rails' own is left out."


def _service(tool: str) -> str:
    if tool == "Prisma":
        return "written, for a Prisma history"
    if tool == "Alembic":
        return "written by the project's own Alembic, for its history; recognised for any other"
    if tool in tables.SERVED:
        return f"written, for layout `{tables.SERVED[tool]}`; refused for any other"
    if tool == "Prisma 8":
        return "refused, for a Prisma history"
    return "refused" if tool in tables.REFUSED else "recognised"


PAGES: dict[str, Callable[[], Iterable[str]]] = {
    "cli.md": _cli,
    "exit-codes.md": _exit_codes,
    "findings.md": _findings,
    "errors.md": _errors,
    "config.md": _config,
    "layouts.md": _layouts,
    "hazards/index.md": _hazard_index,
    **{f"hazards/{rule.name}.md": partial(_hazard, rule) for rule in hazards.rules()},
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
