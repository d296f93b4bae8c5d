"""The formats of code hosts on the command line: whatever a command comes to can be parsed."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import xmlschema
from sarif_kit import validate

from migsafe.errors import ExitCode
from tests.cli.conftest import NOWHERE, TWO, Files, Migsafe

Lay = Callable[[Files], None]

SCHEMA = Path(__file__).parents[1] / "cases/formats/junit.xsd"


def _sarif(text: str) -> list[str]:
    log = json.loads(text)
    assert validate.validation_errors(log) == []
    (run,) = log["runs"]
    notes = run["invocations"][0]["toolExecutionNotifications"]
    return [item["message"]["text"] for item in (*notes, *run["results"])]


def _junit(text: str) -> list[str]:
    xmlschema.XMLSchema(SCHEMA).validate(text)
    cases = ElementTree.fromstring(text).iter("testcase")
    return [f"{case.get('name')}: {outcome.text}" for case in cases for outcome in case]


def _gitlab(text: str) -> list[str]:
    return [str(issue["description"]) for issue in json.loads(text)]


def _github(text: str) -> list[str]:
    *lines, last = text.splitlines()
    assert last.startswith("migsafe ")
    assert all(line.startswith("::") for line in lines)
    return lines


#: How each is read, and what is said in it of what went wrong.
READ: Mapping[str, Callable[[str], list[str]]] = {
    "sarif": _sarif,
    "junit": _junit,
    "gitlab": _gitlab,
    "github": _github,
}


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (ExitCode.USAGE, ["status", "--config", "not-there.toml"]),
        (ExitCode.USAGE, ["status", "--not-a-flag"]),
        (ExitCode.UNREACHABLE, ["status", "--url", NOWHERE, "--migrations", "prisma"]),
    ],
)
def test_a_failure_without_a_report_is_one_thing_that_went_wrong(
    migsafe: Migsafe, lay: Lay, workdir: Path, name: str, code: ExitCode, arguments: list[str]
) -> None:
    lay(TWO)
    called = migsafe(*arguments, "--format", name, "-o", f"{name}:report")
    assert called.code == code
    (said,) = READ[name](called.out)
    reason = called.err.splitlines()[-1].partition(f"{code.name}: ")[2]
    assert reason.split()[-1].rstrip(".") in said
    assert (workdir / "report").read_text("utf-8").split() == called.out.split()


@pytest.mark.parametrize("name", READ)
def test_a_failed_audit_is_told_and_one_that_passed_is_not(
    migsafe: Migsafe, lay: Lay, database: str, name: str
) -> None:
    audits: dict[str, Any] = {
        "audits/broken.sql": "-- remedy: Mend it.\nSELECT 1 AS one;\n",
        "audits/well.sql": "SELECT 1 AS one WHERE false;\n",
    }
    lay({**TWO, **audits})
    called = migsafe("audit", "--url", database, "--migrations", "prisma", "--format", name)
    assert called.code == ExitCode.FINDINGS, called.err
    (said,) = READ[name](called.out)
    assert "broken" in said
    assert "Mend it." in said


def test_a_file_is_named_by_its_ending(migsafe: Migsafe, lay: Lay, workdir: Path) -> None:
    lay(TWO)
    files = ("-o", "a.sarif", "-o", "a.xml")
    assert migsafe("status", "--config", "not-there.toml", *files).code == ExitCode.USAGE
    assert len(_sarif((workdir / "a.sarif").read_text("utf-8"))) == 1
    assert len(_junit((workdir / "a.xml").read_text("utf-8"))) == 1
