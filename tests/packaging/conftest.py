"""The wheel and the source distribution, built once, and environments that hold nothing else."""

import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from uv import find_uv_bin

ROOT = Path(__file__).resolve().parents[2]

#: The versions that pyproject.toml promises, and two that may be on the machine before it does.
PYTHONS = (
    *re.findall(
        r"Python :: (3\.\d+)$",
        "\n".join(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]),
        re.MULTILINE,
    ),
    "3.14",
    "3.15",
)

#: What uv says where the registry cannot be asked, which says nothing about migsafe.
_OFFLINE = re.compile(
    r"error sending request|dns error|failed to fetch|connection refused|network was disabled",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Built:
    """A wheel by way of the source distribution, and one straight from the tree."""

    sdist: Path
    wheel: Path
    direct: Path


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment outside the tree, whose programs do not see the tree."""

    folder: Path

    def run(self, program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run a program of it in an empty directory."""
        return subprocess.run(
            [self.folder / "bin" / program, *map(str, arguments)],
            cwd=self._empty(),
            env=_outside(),
            capture_output=True,
            text=True,
            check=False,
        )

    def begins(self, program: str, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start a program of it there, in a process group of its own."""
        return subprocess.Popen(
            [self.folder / "bin" / program, *arguments],
            cwd=self._empty(),
            env=_outside() | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def _empty(self) -> Path:
        folder = self.folder / "empty"
        folder.mkdir(exist_ok=True)
        return folder

    def prints(self, program: str, *arguments: object) -> str:
        """Run a program that has to succeed, and return its stdout."""
        done = self.run(program, *arguments)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout


def _outside() -> dict[str, str]:
    """Return the environment without what would lead back to the tree."""
    return {n: v for n, v in os.environ.items() if not n.startswith(("PYTHON", "VIRTUAL_ENV"))}


def uv(*arguments: object) -> None:
    """Run uv; skip the test where the registry cannot be reached."""
    done = subprocess.run(
        [find_uv_bin(), "--quiet", *map(str, arguments)],
        env=_outside(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and _OFFLINE.search(done.stderr):
        pytest.skip(f"the package registry cannot be reached: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def outside() -> Iterator[Path]:
    """Make a directory that other users can look into: the embedded server may run as one.

    It is on the disk, where uv can link files instead of copying half a gigabyte.
    """
    disk = os.environ.get("PYTEST_DEBUG_TEMPROOT")
    with tempfile.TemporaryDirectory(prefix="wheel-", dir=disk) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture(scope="session")
def built(outside: Path) -> Built:
    """Build what a release uploads."""
    uv("build", "--out-dir", outside / "dist", ROOT)
    uv("build", "--wheel", "--out-dir", outside / "direct", ROOT)
    [sdist] = (outside / "dist").glob("*.tar.gz")
    [wheel] = (outside / "dist").glob("*.whl")
    [direct] = (outside / "direct").glob("*.whl")
    return Built(sdist, wheel, direct)


@pytest.fixture(scope="session")
def environment(outside: Path, built: Built) -> Callable[[str], Environment]:
    """Return a function that installs the wheel, the server and pytest on a version of Python."""
    made: dict[str, Environment] = {}

    def install(version: str) -> Environment:
        if version not in made:
            folder = outside / f"on-{version}"
            uv("venv", "--python", _interpreter(version), folder)
            wheel = f"{built.wheel}[embedded]"
            uv("pip", "install", "--python", folder / "bin" / "python", wheel, "pytest")
            made[version] = Environment(folder)
        return made[version]

    return install


def _interpreter(version: str) -> Path:
    """Return a Python of this version; skip the test where the machine has none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    found = [*pyenv.glob(f"{version}.*/bin/python{version}")]
    if on_path := shutil.which(f"python{version}"):
        found.append(Path(on_path))
    for python in found:  # pyenv puts programs into PATH that only say what is not chosen
        if not subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode:
            return python
    pytest.skip(f"no Python {version} on this machine")


@pytest.fixture(scope="session")
def newest(environment: Callable[[str], Environment]) -> Environment:
    """The wheel on the newest Python of the machine."""
    for version in reversed(PYTHONS):
        try:
            return environment(version)
        except pytest.skip.Exception as absent:
            reason = absent
    raise reason
