"""docker-compose.test.yml, as far as it can be held without Docker."""

import re

import pytest
import yaml

from tests.ci.action import ACTION, ROOT

SERVICES = yaml.safe_load((ROOT / "docker-compose.test.yml").read_text("utf-8"))["services"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_healthy_before_it_counts_and_listens_here_only(name: str) -> None:
    service = SERVICES[name]

    assert service["healthcheck"]["test"]
    [port] = service["ports"]
    assert re.fullmatch(r"127\.0\.0\.1:\$\{MIGSAFE_\w+_PORT:-\d+\}:\d+", port)


def test_every_served_major_of_postgresql_is_there_at_a_port_of_its_own() -> None:
    assert set(SERVICES) == {"postgres15", "postgres16", "postgres17", "postgres18", "moto"}
    assert len({service["ports"][0] for service in SERVICES.values()}) == len(SERVICES)
    for name, service in SERVICES.items():
        if name != "moto":
            assert service["image"] == f"postgres:{name.removeprefix('postgres')}-alpine"


def test_the_page_names_every_input_of_the_action() -> None:
    page = (ROOT / "docs" / "howto" / "ci.md").read_text("utf-8")

    assert [name for name in ACTION["inputs"] if f"`{name}`" not in page] == ["token"]
