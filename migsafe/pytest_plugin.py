"""A pytest plugin: a migrated database for each test, and a test that unsafe migrations fail.

Does nothing until a fixture or a flag asks for it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

if TYPE_CHECKING:  # a suite that asks for nothing of it pays for nothing
    from migsafe.config import Settings
    from migsafe.reports import Report
    from migsafe.target import Target


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the flags and the settings."""
    group = parser.getgroup("migsafe", "PostgreSQL migrations")
    group.addoption(
        "--migsafe-since",
        metavar="REVISION",
        help="Fail on hazards of the migrations that differ from this git revision.",
    )
    group.addoption(
        "--migsafe-env",
        metavar="NAME",
        help="Fail where migsafe plan refuses what is pending on this environment; read-only.",
    )
    parser.addini("migsafe_config", "The config file.  [default: migsafe.toml]")
    parser.addini(
        "migsafe_server",
        "Where migrated databases are made: embedded, auto, or a URL as in [shadow].",
    )


class UnsafeMigrations(Exception):
    """A report whose gate refuses."""


class MigrationsItem(pytest.Item):
    """A test that holds the migrations of the project against the gate."""

    ask: Callable[[], Report]

    def runtest(self) -> None:
        """Ask, and fail with the report as text."""
        report = self.ask()
        if not report.ok:
            raise UnsafeMigrations(_text(report))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show what migsafe says, without our own frames."""
        from migsafe.errors import MigsafeError

        if isinstance(excinfo.value, UnsafeMigrations | MigsafeError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Name the test after what it asks."""
        return self.path, None, self.name


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Add a test for each flag that is given, after -k and -m have chosen among the others."""
    options, settings = session.config.option, _where(session.config)

    def lint() -> Report:
        from migsafe import api

        return api.lint(changed_since=options.migsafe_since, **settings)

    def plan() -> Report:
        from migsafe import api

        return api.plan(env=options.migsafe_env, **settings)

    for name, given, ask in (
        ("migrations-since", options.migsafe_since, lint),
        ("migrations-pending-on", options.migsafe_env, plan),
    ):
        if given == "":
            raise pytest.UsageError(f"migsafe: the flag for {name} is empty; give it a value")
        if given is not None:
            item = MigrationsItem.from_parent(session, name=f"{name}[{given}]")
            item.ask = ask
            items.append(item)


def _where(config: pytest.Config) -> dict[str, Any]:
    named = config.getini("migsafe_config")
    return {"config": config.rootpath / (named or "migsafe.toml")}


def _text(report: Report) -> str:
    import click

    from migsafe.reports import RENDERERS

    return click.unstyle(RENDERERS["text"](report))


@pytest.fixture(scope="session")
def migsafe_template(pytestconfig: pytest.Config) -> Iterator[Target]:
    """Yield a database with every migration applied, which tests copy and leave as it is."""
    from migsafe import config, shadow, target
    from migsafe.errors import MigsafeError

    try:
        settings = config.load(config.Options(**_where(pytestconfig)))
        if server := pytestconfig.getini("migsafe_server"):
            settings = structs.replace(
                settings, shadow=structs.replace(settings.shadow, server=server)
            )
        major = settings.lint.pg_version or _MAJOR
        with shadow.opened(settings.shadow, major=major, root=settings.root) as opened:
            shadow.prepare(opened, settings.shadow, settings.root)
            _migrate(structs.replace(settings, url=opened.url, name="pytest"))
            yield target.parse(opened.url, name="pytest")
    except MigsafeError as error:  # --showlocals would show the login in our frames
        pytest.fail(str(error), pytrace=False)


#: The version of the embedded server, for `auto` where the config does not say which.
_MAJOR = 18


def _migrate(settings: Settings) -> None:
    """Apply all, whatever the gate says of it: there are no rows and nobody waits.

    Of a database that will be gone no report is left among those that prove the runs of others.
    """
    from migsafe import pipeline
    from migsafe.config import Asking
    from migsafe.pipeline.session import KEPT

    report = pipeline.apply(structs.replace(settings, gate="never"), asking=Asking(derived=False))
    if not report.ok:
        pytest.fail(_text(report), pytrace=False)
    (settings.root / KEPT / "reports" / f"{report.run}.json").unlink(missing_ok=True)


@pytest.fixture
def migsafe_database(migsafe_template: Target) -> Iterator[str]:
    """URL of a database of this test's own, with every migration applied."""
    from migsafe.shadow import databases

    params = migsafe_template.params
    server = dataclasses.replace(migsafe_template, params={**params, "dbname": "postgres"})
    with databases.created(server, template=params["dbname"]) as made:
        yield databases.url(made)
