"""The GitHub Action: its steps as they stand, in a checkout of a pull request."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.ci.action import ACTION, GitHub, Job, github

CONFIG = '[history]\npath = "db"\n'
TABLE = "CREATE TABLE notes (id int PRIMARY KEY, body text);\n"
SAFE = "ALTER TABLE notes ADD COLUMN seen timestamptz;\n"
UNSAFE = "ALTER TABLE notes DROP COLUMN body;\n"


def git(folder: Path, *arguments: str) -> str:
    call = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    return subprocess.run([*call, *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository whose only commit has one migration."""
    folder = tmp_path / "checkout"
    (folder / "db").mkdir(parents=True)
    (folder / "migsafe.toml").write_text(CONFIG)
    (folder / "db" / "V1__notes.sql").write_text(TABLE)
    git(tmp_path, "init", "-q", str(folder))
    commit(folder)
    return folder


def commit(folder: Path) -> None:
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "a change")


@pytest.fixture
def hub() -> Iterator[GitHub]:
    with github() as running:
        yield running


@pytest.fixture
def pull(checkout: Path, tmp_path: Path, hub: GitHub) -> Callable[..., Job]:
    """Run the action on a pull request that adds one migration to the base."""
    base = git(checkout, "rev-parse", "HEAD").strip()

    def run(text: str, *, token: str = "may-write", **inputs: str) -> Job:
        (checkout / "db" / "V2__change.sql").write_text(text)
        commit(checkout)
        job = Job(
            checkout=checkout,
            temp=tmp_path / f"temp{len(list(tmp_path.iterdir()))}",
            inputs={"token": token, "source": "pip", **inputs},
            context={
                "github.event.pull_request.number": "7",
                "github.event.pull_request.base.sha": base,
            },
            environment={"GITHUB_API_URL": hub.url, "GITHUB_REPOSITORY": "clinic/app"},
        )
        return job.run()

    return run


def test_what_a_change_adds_is_linted_and_shown(pull: Callable[..., Job], hub: GitHub) -> None:
    job = pull(UNSAFE, gate="warning")

    assert job.code == "1"
    assert job.ran["Verdict"] == 1
    assert "::warning file=db/V2__change.sql" in job.log
    assert "drop-column" in job.summary
    [comment] = hub.comments
    assert "drop-column" in comment["body"]


def test_a_later_run_updates_the_comment(pull: Callable[..., Job], hub: GitHub) -> None:
    hub.comments += [{"id": number, "body": "somebody's"} for number in range(120)]
    pull(UNSAFE)
    pull(SAFE)

    [*others, comment] = hub.comments
    assert len(others) == 120
    assert "drop-column" not in comment["body"]


def test_a_fork_that_may_not_comment_is_no_failure(pull: Callable[..., Job], hub: GitHub) -> None:
    job = pull(SAFE, token="of-a-fork")

    assert job.code == "0"
    assert not any(job.ran.values()), job.log
    assert hub.comments == []
    assert "::notice::" in job.log


def test_the_new_migrations_are_planned_applied_and_verified_after_the_old_ones(
    pull: Callable[..., Job], database: str
) -> None:
    job = pull(SAFE, database=database, comment="false")

    assert job.code == "0", job.log
    plan, apply, verify = (
        (job.temp / "migsafe" / name).read_text()
        for name in ("2-plan.md", "3-apply.md", "4-verify.md")
    )
    assert "V2__change" in plan
    assert "V1__notes" not in plan
    assert "V2__change" in apply
    assert verify


def again(job: Job, **inputs: str) -> Job:
    """Run the action once more where it ran before."""
    return replace(job, inputs={**job.inputs, **inputs}, ran={}, outputs={}, log="").run()


def test_a_job_may_use_the_action_twice(
    pull: Callable[..., Job], hub: GitHub, make_database: Callable[[], str]
) -> None:
    job = pull(UNSAFE)
    (job.temp / "migsafe" / "4-verify.md").write_text("# migsafe verify: OK")

    second = again(job, directory="./")

    assert len(hub.comments) == 2
    assert "migsafe verify" not in str(hub.comments[1]["body"]), "that is the first one's"
    (base,) = (step for step in ACTION["runs"]["steps"] if step.get("id") == "base")
    for _ in range(2):
        second.inputs = {**second.inputs, "database": make_database()}
        assert second._call(base) == 0
        assert second.outputs["steps.base.outputs.code"] == "0"
        assert "counts as new" not in second.log


def test_a_migration_that_fails_fails_the_job_with_its_code(
    pull: Callable[..., Job], database: str
) -> None:
    job = pull("CREATE TABLE notes (id int);\n", database=database, comment="false")

    assert job.code in ("1", "5")
    assert job.ran["Verdict"] == int(job.code)


def test_a_base_that_is_not_fetched_is_said(pull: Callable[..., Job], database: str) -> None:
    job = pull(SAFE, database=database, comment="false", since="0" * 40)

    assert "fetch-depth" in job.log
    assert job.code == "2"


def test_no_step_puts_an_expression_into_a_script() -> None:
    scripts = [step["run"] for step in ACTION["runs"]["steps"] if "run" in step]

    assert scripts
    assert not any("${{" in script for script in scripts)
