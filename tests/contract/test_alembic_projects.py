"""Two real Alembic projects from the registry (one in a quick run) against their own upgrade.

`make alembic-projects` runs more of them, with baselines.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from migsafe import shadow
from migsafe.config import ShadowConfig
from tests import real_alembic
from tests.faults import enough

pytestmark = pytest.mark.skipif(
    "MIGSAFE_TEST_URL" in os.environ, reason="it starts a server of its own, with stand-ins"
)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with shadow.opened(ShadowConfig(server="embedded"), major=18, root=Path()) as opened:
        yield opened.url


@pytest.mark.parametrize("name", enough(real_alembic.SMALL))
def test_a_project_of_the_registry_is_migrated_as_by_itself(
    server: str, tmp_path: Path, name: str
) -> None:
    try:
        trial = real_alembic.Trial(real_alembic.PROJECTS[name], server, tmp_path)
    except real_alembic.Unavailable as error:
        pytest.skip(f"the registry does not give it: {error}")

    found = real_alembic.judged(trial, cuts=0)

    assert found.codes == [0, 0, 0, 0, 0], found
    assert found.different == []
    assert found.revisions > 5
