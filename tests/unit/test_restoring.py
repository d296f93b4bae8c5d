"""The machine of restores, on steps that change files."""

import errno
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from migsafe import errors, restore
from migsafe.errors import BusyError, UnreachableError, UsageError
from migsafe.restore import dumps
from migsafe.restore import journal as journals
from migsafe.restore.journal import Journal


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Makes:
    """A step that makes a file; it is killed or fails where the test says so."""

    folder: Path
    name: str
    at: dict[str, BaseException] = field(default_factory=dict)

    def _passes(self, moment: str) -> None:
        if moment in self.at:
            raise self.at.pop(moment)

    @property
    def file(self) -> Path:
        return self.folder / self.name

    def done(self) -> bool:
        return self.file.exists()

    def act(self) -> None:
        self._passes("before")
        self.file.touch(exist_ok=False)
        self._passes("after")

    def undo(self) -> None:
        self._passes("undo")
        self.file.unlink(missing_ok=True)
        self._passes("undone")


def silent(_: str) -> None:
    pass


def begun(folder: Path) -> Journal:
    return journals.begin(folder, run="RUN", provider="pg_dump", key="k", place="db:5432/records")


def events(journal: Journal) -> list[tuple[str, str]]:
    return [(entry.step, entry.event) for entry in journals.load(journal.path).record.entries]


@pytest.fixture
def world(tmp_path: Path) -> Path:
    folder = tmp_path / "world"
    folder.mkdir()
    return folder


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return begun(tmp_path / ".migsafe" / "restores")


def steps_of(world: Path) -> list[Makes]:
    return [Makes(world, name) for name in ("one", "two", "three")]


def files(world: Path) -> list[str]:
    return sorted(path.name for path in world.iterdir())


def test_each_step_is_on_the_disk_before_it_is_taken(world: Path, journal: Journal) -> None:
    seen: list[list[tuple[str, str]]] = []

    class Looks(Makes):
        def act(self) -> None:
            seen.append(events(journal))
            super().act()

    restore.run(journal, [Looks(world, "one"), Looks(world, "two")], silent)
    assert seen == [
        [("one", "begun")],
        [("one", "begun"), ("one", "done"), ("two", "begun")],
    ]
    assert files(world) == ["one", "two"]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("way", [restore.run, restore.undo])
def test_a_restore_that_was_killed_at_any_step_goes_on_or_back(
    world: Path,
    journal: Journal,
    number: int,
    moment: str,
    way: Callable[[Journal, Sequence[Makes], Callable[[str], None]], None],
) -> None:
    steps = steps_of(world)
    steps[number].at[moment] = Killed()
    with pytest.raises(Killed):
        restore.run(journal, steps, silent)
    again = journals.load(journal.path)
    assert again.midway
    way(again, steps, silent)
    assert files(world) == ([] if way is restore.undo else ["one", "three", "two"])
    assert again.record.outcome == ("undone" if way is restore.undo else None)


@pytest.mark.parametrize("moment", ["undo", "undone"])
@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("way", [restore.run, restore.undo])
def test_an_undo_that_was_killed_goes_on_or_forward_again(
    world: Path,
    journal: Journal,
    number: int,
    moment: str,
    way: Callable[[Journal, Sequence[Makes], Callable[[str], None]], None],
) -> None:
    steps = steps_of(world)
    restore.run(journal, steps, silent)
    steps[number].at[moment] = Killed()
    with pytest.raises(Killed):
        restore.undo(journal, steps, silent)
    way(journals.load(journal.path), steps, silent)
    assert files(world) == ([] if way is restore.undo else ["one", "three", "two"])


def test_what_was_there_before_is_never_undone(world: Path, journal: Journal) -> None:
    (world / "two").touch()
    steps = steps_of(world)
    restore.run(journal, steps, silent)
    assert ("two", "found") in events(journal)
    restore.undo(journal, steps, silent)
    assert files(world) == ["two"]


def test_a_finished_step_is_not_taken_again(world: Path, journal: Journal) -> None:
    steps = steps_of(world)
    restore.run(journal, steps[:2], silent)
    (world / "one").unlink()
    restore.run(journals.load(journal.path), steps, silent)
    assert files(world) == ["three", "two"]


def test_why_a_step_failed_is_kept_without_the_secret(world: Path, journal: Journal) -> None:
    errors.conceal("hunter2!")
    steps = steps_of(world)
    steps[1].at["after"] = UnreachableError("AWS", "no hunter2! here", "look")
    with pytest.raises(UnreachableError):
        restore.run(journal, steps, silent)
    last = journals.load(journal.path).record.entries[-1]
    assert (last.step, last.event) == ("two", "failed")
    assert last.error == "AWS: no *** here; look"
    assert "hunter2!" not in journal.path.read_text()


def test_what_a_step_remembers_outlives_the_process(journal: Journal) -> None:
    journal.remember("resource", {"old": "db-1", "roles": ["app"]})
    assert journals.load(journal.path).record.memory == {
        "resource": {"old": "db-1", "roles": ["app"]}
    }


def test_a_restore_that_ended_beside_is_open_again_once_it_goes_on(
    world: Path, journal: Journal
) -> None:
    steps = steps_of(world)
    restore.run(journal, steps[:1], silent)
    journal.end("beside")
    assert not journal.midway
    restore.run(journal, steps[:2], silent)
    assert journals.load(journal.path).record.outcome is None
    assert journal.midway


def test_the_file_is_for_its_owner_alone_and_replaced_whole(journal: Journal) -> None:
    journal.write("one", "begun")
    assert journal.path.stat().st_mode & 0o777 == 0o600
    assert json.loads(journal.path.read_text())["entries"][0]["step"] == "one"
    assert [path.suffix for path in journal.path.parent.iterdir()] == [".json"]
    assert (journal.path.parent.parent / ".gitignore").read_text() == "*\n"


def test_a_step_that_cannot_be_written_down_is_not_taken(
    world: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UnreachableError, match="cannot be written: No space left on device"):
        restore.run(journal, steps_of(world), silent)
    assert files(world) == []
    assert not journal.midway
    with pytest.raises(UnreachableError):
        journal.remember("resource", "db-1")
    with pytest.raises(UnreachableError):
        journal.end("beside")
    assert journal.record == journals.load(journal.path).record

    monkeypatch.undo()
    restore.run(journal, steps_of(world), silent)
    assert files(world) == ["one", "three", "two"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "r").touch()
    with (
        pytest.raises(UnreachableError, match="the journal cannot be written"),
        journals.held(tmp_path / "r", "rds:records"),
    ):
        pass


def test_two_restores_of_one_database_at_once_are_refused(tmp_path: Path) -> None:
    with journals.held(tmp_path / "r", "rds:records"):
        with journals.held(tmp_path / "r", "rds:other"):
            pass
        with (
            pytest.raises(BusyError, match="another process"),
            journals.held(tmp_path / "r", "rds:records"),
        ):
            pass
    with journals.held(tmp_path / "r", "rds:records"):
        pass


def test_journals_are_read_newest_first(tmp_path: Path) -> None:
    first, second = begun(tmp_path / "r"), begun(tmp_path / "r")
    read = [one.record.id for one in journals.journals(tmp_path / "r")]
    assert sorted(read) == sorted([first.record.id, second.record.id])
    assert read == sorted(read, reverse=True)


def test_a_file_that_is_no_journal_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("{")
    with pytest.raises(UsageError, match=r"x\.json"):
        journals.load(path)


SET = "Command was: SET transaction_timeout = 0;"
SAID = "pg_restore: warning: errors ignored on restore:"


@pytest.mark.parametrize(
    ("messages", "is_whole"),
    [
        ([SET, f"{SAID} 1"], True),
        ([SET, f"{SAID} 2"], False),
        ([SET], False),  # it was killed
        ([SET, "pg_restore: error: could not execute query: ERROR:  no", f"{SAID} 1"], False),
        ([], False),
    ],
)
def test_only_a_pg_restore_that_came_to_its_end_may_have_had_an_error(
    messages: list[str], is_whole: bool
) -> None:
    assert dumps._came_to_its_end(messages, ignored=1) is is_whole
