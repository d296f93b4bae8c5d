"""What a release uploads: what is in it, and that it works where the source is not."""

import os
import re
import signal
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from migsafe import __version__
from migsafe.errors import ExitCode
from tests.packaging.conftest import PYTHONS, ROOT, Built, Environment

Install = Callable[[str], Environment]

#: What a caller of the library writes; the type of each expression is in the comment after it.
TYPED = """\
import migsafe
from migsafe import api, findings

report = api.audit(url="postgresql://localhost/app", fast=True)
reveal_type(report)  # migsafe.reports.Report
reveal_type(migsafe.verify(env="production").exit_code)  # builtins.int
"""
MISTYPED = """\
import migsafe

migsafe.audit(ulr="postgresql://localhost/app")
migsafe.plan(url=5)
"""


def _data(files: Path, below: str) -> set[str]:
    """Return the paths of all files in a directory, or of the file, as a wheel names them."""
    found = [files] if files.is_file() else files.rglob("*")
    kept = (f for f in found if f.is_file() and f.suffix != ".pyc")
    return {str(Path(below, f.relative_to(files))) if f != files else below for f in kept}


def test_the_wheel_holds_the_package_its_data_and_the_manual_and_nothing_else(built: Built) -> None:
    said = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    made = said["tool"]["hatch"]["build"]["targets"]["wheel"]
    expected = _data(ROOT / "migsafe", "migsafe")
    for source, place in made["force-include"].items():
        expected |= _data(ROOT / source, place)
    about = f"migsafe-{__version__}"
    expected |= _data(ROOT / "docs" / "man", f"{about}.data/data/share/man/man1")
    names = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    expected |= {f"{about}.dist-info/{name}" for name in names}

    with zipfile.ZipFile(built.wheel) as wheel:
        assert set(wheel.namelist()) == expected
    for needed in (
        "migsafe/py.typed",
        "migsafe/_demo/rows.sql",
        "migsafe/reports/page/report.html",
    ):
        assert needed in expected


def test_the_source_distribution_makes_the_wheel_that_the_tree_makes(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as by_way, zipfile.ZipFile(built.direct) as straight:
        assert {name: by_way.read(name) for name in by_way.namelist()} == {
            name: straight.read(name) for name in straight.namelist()
        }


def test_the_source_distribution_holds_the_tests_and_no_leavings(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {"tests/conftest.py", "Makefile", "docs/quickstart.md", "LICENSE"} <= names
    left = re.compile(r"__pycache__|\.pyc$|^\.(git|ci|venv|migsafe|hypothesis)/|^build/|\.egg-info")
    assert [name for name in names if left.search(name)] == []


@pytest.mark.parametrize("version", PYTHONS)
def test_the_wheel_works_where_the_source_is_not(environment: Install, version: str) -> None:
    installed = environment(version)

    place = installed.prints("python", "-c", "import migsafe.api; print(migsafe.api.__file__)")
    assert place.startswith(f"{installed.folder}/lib/python{version}/site-packages/migsafe/")
    assert installed.prints("migsafe", "--version") == f"migsafe, version {__version__}\n"
    assert installed.prints("python", "-m", "migsafe", "--version").split()[-1] == __version__
    assert "demo" in installed.prints("migsafe", "--help")
    assert "--migsafe-since" in installed.prints("pytest", "--help")
    assert (installed.folder / "share" / "man" / "man1" / "migsafe.1").is_file()
    risky = installed.folder / "risky.sql"
    risky.write_text("CREATE INDEX i ON t (a);\n")
    assert "MS101" in installed.prints("migsafe", "lint", risky)


@pytest.mark.skipif(
    "MIGSAFE_PACKAGING" not in os.environ, reason="a minute, with MIGSAFE_PACKAGING"
)
@pytest.mark.parametrize("version", PYTHONS)
def test_the_demo_plays_from_the_wheel(environment: Install, version: str) -> None:
    """It takes the embedded server, the stories' files, and every command but a few."""
    assert "That was migsafe." in environment(version).prints("migsafe", "demo")


def test_the_demo_begins_from_the_wheel_and_leaves_nothing_when_it_is_interrupted(
    newest: Environment,
) -> None:
    """`tests/db/test_demo.py` plays the whole of it, from the tree."""
    temporary = newest.folder / "temporary"  # where the embedded server's user may enter
    temporary.mkdir()
    playing = newest.begins("migsafe", "demo", TMPDIR=str(temporary))
    assert playing.stdout
    assert any("migsafe status" in line for line in playing.stdout)  # it has applied 29 by then
    assert list(temporary.iterdir())

    os.killpg(playing.pid, signal.SIGINT)  # as a terminal sends it

    assert playing.communicate(timeout=60)[1].endswith("migsafe: INTERRUPTED: interrupted\n")
    assert playing.returncode == ExitCode.INTERRUPTED
    assert list(temporary.iterdir()) == []


def test_a_type_checker_sees_the_types_of_the_wheel(newest: Environment) -> None:
    assert _checked(newest, TYPED) == [
        '5: note: Revealed type is "migsafe.reports.Report"',
        '6: note: Revealed type is "int"',
    ]
    wrong = [line for line in _checked(newest, MISTYPED) if ": error: " in line]
    assert [line.partition(":")[0] for line in wrong] == ["3", "4"]


def _checked(installed: Environment, text: str) -> list[str]:
    """Return what mypy says of a module in an environment that has the wheel, and no source."""
    file = installed.folder / "uses.py"
    file.write_text(text)
    flags = ("--strict", "--no-error-summary", "--hide-error-context", "--no-pretty")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", *flags, "--config-file="),
            *("--python-executable", installed.folder / "bin" / "python"),
            *("--cache-dir", installed.folder / "mypy", file.name),
        ],
        cwd=installed.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return [line.removeprefix("uses.py:") for line in done.stdout.splitlines()]
