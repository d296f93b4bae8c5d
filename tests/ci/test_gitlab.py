"""The GitLab template: the scripts of its jobs as they stand."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ci.action import ROOT
from tests.ci.test_action import SAFE, UNSAFE, checkout, commit, git

__all__ = ["checkout"]

TEMPLATE = yaml.safe_load((ROOT / "ci" / "gitlab.yml").read_text("utf-8"))


def run(job: str, checkout: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a job as GitLab's runner does: one shell for before_script and script, stop at errors."""
    base: dict[str, Any] = TEMPLATE[".migsafe"]
    lines = [*base["before_script"], *TEMPLATE[job]["script"]]
    merge_base = git(checkout, "rev-parse", "HEAD~1").strip()
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", "\n".join(lines)],
        cwd=checkout,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            **TEMPLATE["variables"],
            "MIGSAFE_SOURCE": "pip",
            "CI_PROJECT_DIR": str(checkout),
            "CI_MERGE_REQUEST_DIFF_BASE_SHA": merge_base,
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def merge_request(checkout: Path) -> Path:
    (checkout / "db" / "V2__change.sql").write_text(SAFE)
    commit(checkout)
    return checkout


def test_lint_leaves_its_reports_where_gitlab_looks(merge_request: Path) -> None:
    done = run("migsafe-lint", merge_request)

    assert done.returncode == 0, done.stderr
    for name in TEMPLATE["migsafe-lint"]["artifacts"]["reports"].values():
        assert (merge_request / name).is_file()


def test_replay_plans_what_is_new_and_stops_where_that_fails(
    merge_request: Path, database: str
) -> None:
    # A runner keeps what is beside the checkout: another project, or what an earlier job left.
    (merge_request.parent / "base" / ".git").mkdir(parents=True)

    done = run("migsafe-replay", merge_request, MIGSAFE_URL=database)

    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(merge_request.glob("migsafe-*.xml"))) == 2


def test_a_job_ends_as_its_command_does(checkout: Path) -> None:
    (checkout / "migsafe.toml").write_text('[history]\npath = "db"\n[gate]\nseverity = "warning"\n')
    (checkout / "db" / "V2__change.sql").write_text(UNSAFE)
    commit(checkout)

    assert run("migsafe-lint", checkout).returncode == 1
