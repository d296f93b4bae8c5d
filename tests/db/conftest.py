"""The clinic of the hazards' cases as a template, made once a session."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from tests.db import measuring


@pytest.fixture(scope="session")
def clinic_template(server: str) -> Iterator[str]:
    """Name of a database that holds the clinic, to make others from."""
    name = f"clinic_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as admin:
        measuring.fill(admin, name)
        yield name
        measuring.drop(admin, name)


@pytest.fixture(scope="module")
def clinics(server: str, clinic_template: str) -> Iterator[measuring.Clinics]:
    """Databases made from the clinic, to run what may spoil them."""
    with measuring.clinics(server, clinic_template) as made:
        yield made
