"""Which addresses are a pooler's by their name."""

import pytest

from migsafe import poolers
from migsafe.errors import UsageError


@pytest.mark.parametrize(
    "place",
    [
        "app.proxy-abc123.eu-west-1.rds.amazonaws.com:5432/app",
        "reader.endpoint.proxy-abc123.us-gov-west-1.rds.amazonaws.com/app",
        "APP.PROXY-ABC123.CN-NORTH-1.RDS.AMAZONAWS.COM.CN/app",
        "first.example,app.proxy-abc123.eu-west-1.rds.amazonaws.com/app",
    ],
)
def test_rds_proxy_is_known_by_its_name(place: str) -> None:
    with pytest.raises(UsageError) as raised:
        poolers.refuse_by_name(place)

    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith(place)
    assert "direct address" in str(raised.value)


@pytest.mark.parametrize(
    "place",
    [
        "app.abc123.eu-west-1.rds.amazonaws.com:5432/app",
        "app.cluster-ro-abc123.eu-west-1.rds.amazonaws.com/app",
        "proxy-abc123.example.org/app",
        "local socket/app",
    ],
)
def test_other_addresses_are_not_refused_by_name(place: str) -> None:
    poolers.refuse_by_name(place)
