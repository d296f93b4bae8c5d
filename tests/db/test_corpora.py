"""Real histories of public projects, from empty to head; the real Prisma CLI judges Prisma's.

They are not part of the repository: MIGSAFE_SHARED names the directory that holds `corpora/`.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migsafe.config import HistoryConfig
from migsafe.histories import load
from tests.conftest import Called

SHARED = os.environ.get("MIGSAFE_SHARED")
RIG = os.environ.get("MIGSAFE_PRISMA_RIG")
ROOT = Path(SHARED or "/nonexistent") / "corpora"

pytestmark = [
    pytest.mark.corpora,
    pytest.mark.skipif(not SHARED, reason="MIGSAFE_SHARED names no directory of real histories"),
]

#: Formats that a tool reads by looking; the others are laid out as numbered files first.
SERVED = {"prisma", "flyway", "golang-migrate", "sqlx", "diesel", "goose", "supabase", "drizzle"}
SERVED |= {"sql-migrate", "numbered"}


def projects() -> list[dict[str, Any]]:
    manifest = ROOT / "MANIFEST.json"
    return json.loads(manifest.read_text())["corpora"] if manifest.is_file() else []


@pytest.mark.parametrize("project", projects(), ids=lambda project: str(project["name"]))
def test_a_real_history_applies_from_empty_to_head(
    project: dict[str, Any],
    database: str,
    server_major: int,
    conn: psycopg.Connection[Any],
    migsafe: Callable[..., Called],
    workdir: Path,
) -> None:
    _skip_without_extensions(project, conn)
    path = _migrations(project, workdir)
    setup = _setup(project)
    if setup.get("search_path"):
        quoted = psycopg.sql.SQL(setup["search_path"])
        name = psycopg.sql.Identifier(conn.info.dbname)
        conn.execute(psycopg.sql.SQL("ALTER DATABASE {} SET search_path = {}").format(name, quoted))
    arguments = ("--url", database, "--migrations", path, "--format", "json")

    last = _last_good(project, server_major)
    if last:
        applied = migsafe("apply", "--to", last, *arguments)
        assert applied.code == 0
        assert applied.report.steps[-1].migration == last
        assert all(step.outcome == "done" for step in applied.report.steps)
        return

    applied = migsafe("apply", *arguments)

    assert applied.code == 0
    status = migsafe("status", *arguments).report
    assert status.history is not None
    assert status.history.state == "managed"
    assert status.history.pending == ()
    assert status.history.edited == ()
    if project["kind"] == "prisma" and RIG:
        _ask_prisma(database, path)
    again = migsafe("apply", *arguments)
    assert again.code == 0
    assert again.report.steps == ()


@pytest.mark.parametrize("project", projects(), ids=lambda project: str(project["name"]))
def test_the_order_is_that_of_the_projects_own_runner(project: dict[str, Any]) -> None:
    if project["format"] not in SERVED:
        pytest.skip(f"the layout of {project['format']} is not served")
    path = ROOT / project["kind"] / project["name"]
    directory = load(path, _config(project))
    names = [re.sub(r"^.*/", "", name) for name in _order(project)]
    found = [m.name for m in directory.migrations if not m.name.startswith("_")]
    if any(finding.code == "MH108" for finding in directory.findings):
        assert sorted(found) == sorted(names)
    else:
        assert found == names


def _config(project: dict[str, Any]) -> HistoryConfig:
    """Settle the one directory that two tools read differently."""
    mixed = project["name"] == "zksync-era"
    return HistoryConfig(layout="sqlx" if mixed else None)


def _order(project: dict[str, Any]) -> list[str]:
    return (ROOT / "_order" / f"{project['name']}.txt").read_text().split("\n")[:-1]


def _setup(project: dict[str, Any]) -> dict[str, Any]:
    file = ROOT / project["kind"] / project["name"] / "_setup.json"
    return dict(json.loads(file.read_text())) if file.is_file() else {}


def _migrations(project: dict[str, Any], workdir: Path) -> Path:
    """Return the project's own directory, or numbered copies after its set-up and substitutions."""
    source = ROOT / project["kind"] / project["name"]
    setup = _setup(project)
    folder = workdir / "migrations"
    if project["format"] in SERVED and not setup:
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns("_dumps"))
        if layout := _config(project).layout:
            (workdir / "migsafe.toml").write_text(f'[history]\nlayout = "{layout}"\n')
        return folder
    folder.mkdir()
    if "prelude" in setup:
        (folder / "00000_prelude.sql").write_text((source / setup["prelude"]).read_text())
    for number, name in enumerate(_order(project), start=1):
        text = _find(source, name).read_text()
        for pattern, replacement in setup.get("subst", ()):
            text = re.sub(pattern, replacement, text, flags=re.IGNORECASE)
        text = text.replace(":GRAPHILE_WORKER_SCHEMA", "graphile_worker")
        text = re.sub(r"\{\{\s*index \.Options \"Namespace\"\s*\}\}", "auth", text)
        (folder / f"{number:05d}_{re.sub(r'[^a-zA-Z0-9]+', '_', name)}.sql").write_text(text)
    return folder


def _find(source: Path, name: str) -> Path:
    endings = ("", ".sql", ".up.sql", "/up.sql", "/migration.sql")
    for ending in endings:
        for folder in (source, *(child for child in source.iterdir() if child.is_dir())):
            file = folder / f"{name}{ending}"
            if file.is_file():
                return file
    raise FileNotFoundError(name)


def _skip_without_extensions(project: dict[str, Any], conn: psycopg.Connection[Any]) -> None:
    there = {name for (name,) in conn.execute("SELECT name FROM pg_available_extensions")}
    wanted = set(project["measured"]["extensions"]) - _left_out(project)
    if missing := sorted(wanted - there):
        pytest.skip(f"this server has no extension {', '.join(missing)}")


def _left_out(project: dict[str, Any]) -> set[str]:
    """Return the extensions whose statements the project's set-up takes out."""
    text = json.dumps(_setup(project).get("subst", ()))
    return {name for name in project["measured"]["extensions"] if name in text}


#: Histories that do not replay whole: civitai keeps its production database partly by hand, hatchet
#: has steps in Go. Each is applied as far as its own files lead.
LAST_GOOD = {
    "civitai": "20251113214404_ingestion_rescan_status",
    "hatchet": "20260421184231_v1_0_98",
}


def _last_good(project: dict[str, Any], major: int) -> str | None:
    if project["name"] == "darts-api" and major < 16:  # its 404th file writes 100_000
        return "00403_V1_511__update_tasks_cron_expressions".replace("__", "_")
    return LAST_GOOD.get(project["name"])


def _ask_prisma(database: str, path: Path) -> None:
    """Let the real CLI say whether the schema is up to date."""
    env = os.environ | {"DATABASE_URL": database.replace(":@/", "@localhost/")}
    done = subprocess.run(
        [f"{RIG}/prisma.sh", str(path), "migrate", "status"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Database schema is up to date!" in done.stdout
