"""Which of the databases and version tables that an env.py runs with a target is. Pure.

One run of migsafe is about one version table in one database; docs/decisions/0011 says why.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from migsafe import findings
from migsafe.errors import UsageError, nearest
from migsafe.findings import Finding, Severity
from migsafe.histories.driver import Event, Project


def chosen(contexts: Sequence[Event], project: Project) -> tuple[Project, Event, list[Event]]:
    """Return the project with its choice made, the one context that is meant, and the others.

    Without a choice, the target's own name decides where env.py has it once. Raise UsageError where
    no one context is meant.
    """
    if not contexts:
        raise UsageError(
            str(project.config), "env.py never calls context.run_migrations()", "see what it does"
        )
    project = replace(project, database=project.database or _database(contexts, project))
    in_it = [one for one in contexts if project.database in (None, *one["names"])]
    if not in_it:
        raise _unknown(project.database, "history.database", [one["names"][0] for one in contexts])
    found = [one for one in in_it if project.version_table in (None, one["table"])]
    if not found:
        raise _unknown(
            project.version_table, "history.version_table", [one["table"] for one in in_it]
        )
    if len(found) > 1:
        raise _several(found, project)
    return project, found[0], [one for one in contexts if one is not found[0]]


def _database(contexts: Sequence[Event], project: Project) -> str | None:
    """Return the one of several databases that has the target's name; None for only one."""
    places: list[str] = sorted({one["names"][-1] for one in contexts})
    if len(places) == 1:
        return None
    target = contexts[0]["database"]
    same = [place for place in places if place.rpartition("/")[2] == target]
    if len(same) == 1:
        return same[0]
    raise UsageError(
        str(project.config),
        f"env.py connects to {len(places)} databases, {', '.join(places)}, and the target's name "
        f"is {'that of several' if same else 'none of them'}",
        f'say which one the target is: [history] database = "{places[0]}"',
    )


def _unknown(name: str | None, key: str, names: Sequence[str]) -> UsageError:
    known = ", ".join(dict.fromkeys(names))
    hint = nearest(str(name), names) or "name one of these"
    return UsageError(key, f"env.py does not run with {name}, but with {known}", hint)


def _several(contexts: Sequence[Event], project: Project) -> UsageError:
    tables = sorted({one["table"] for one in contexts})
    if len(tables) == 1:
        problem = f"env.py runs {len(contexts)} times with {tables[0]}"
        return UsageError(str(project.config), problem, "have it run once")
    return UsageError(
        str(project.config),
        f"env.py runs with {len(tables)} version tables, {', '.join(tables)}",
        f'migsafe runs with one at a time: [history] version_table = "{tables[0]}"',
    )


def left_alone(others: Sequence[Event], project: Project) -> tuple[Finding, ...]:
    """Report what env.py runs with besides what is meant; nothing is known of it."""
    if not others:
        return ()
    several = project.database is not None
    names = [f"{one['table']} in {one['names'][-1]}" if several else one["table"] for one in others]
    return (
        findings.history(
            "MH130",
            "left-alone",
            Severity.WARNING,
            f"env.py also runs with {', '.join(names)}, which {_is(names)} left alone: nothing is "
            "asked, applied or checked there",
            remedy="Run migsafe for each: [history] database and version_table say which is meant.",
        ),
    )


def _is(names: Sequence[str]) -> str:
    return "are" if len(names) > 1 else "is"
