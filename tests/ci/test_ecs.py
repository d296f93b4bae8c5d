"""The release script of the ECS example, with an `aws` that answers as ECS does."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.ci.action import ROOT

PAGE = (ROOT / "docs" / "howto" / "ecs.md").read_text("utf-8")
[SCRIPT] = re.findall(r'```sh title="release.sh"\n(.*?)```', PAGE, re.DOTALL)

#: Answers `None` where a field is absent, as `--output text` does, and STOPPED at the second call.
AWS = """#!/bin/sh
case "$*" in
*run-task*) echo "$TASK" ;;
*lastStatus*) if [ -f seen ]; then echo STOPPED; else touch seen; echo RUNNING; fi ;;
*exitCode*) echo "$EXIT" ;;
*stoppedReason*) echo "CannotPullContainerError" ;;
*) echo "not asked by the script: $*" >&2; exit 99 ;;
esac
"""


def release(
    folder: Path, *, task: str = "arn:task", code: str
) -> "subprocess.CompletedProcess[str]":
    """Run the script as it stands on the page."""
    (folder / "aws").write_text(AWS)
    (folder / "aws").chmod(0o755)
    return subprocess.run(
        ["bash", "-c", SCRIPT],
        cwd=folder,
        env={
            "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
            "PAUSE": "0",
            "TASK": task,
            "EXIT": code,
            **dict.fromkeys(("CLUSTER", "MIGRATIONS", "NETWORK"), "x"),
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("code", ["0", "1", "6"])
def test_the_job_ends_as_migsafe_did(tmp_path: Path, code: str) -> None:
    assert release(tmp_path, code=code).returncode == int(code)


@pytest.mark.parametrize("code", ["None", ""])
def test_a_task_without_an_exit_code_never_counts_as_done(tmp_path: Path, code: str) -> None:
    done = release(tmp_path, code=code)

    assert done.returncode == 3
    assert "CannotPullContainerError" in done.stderr


def test_a_task_that_was_not_started_is_no_release(tmp_path: Path) -> None:
    assert release(tmp_path, task="None", code="0").returncode == 3


def test_the_workflow_runs_the_script_before_the_service_is_updated() -> None:
    [workflow] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    steps = yaml.safe_load(workflow)["jobs"]["release"]["steps"]

    names = [step.get("name") for step in steps if "run" in step]

    assert names == ["Migrate", "Start the new code"]
