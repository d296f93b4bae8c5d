"""How long the config lets a lock be queued for, in seconds."""

import pytest

from migsafe.runner import courtesy


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("5s", 5), ("100ms", 0.1), ("2min", 120), ("1h", 3600), ("250", 0.25), ("0", 0), ("0s", 0)],
)
def test_a_lock_timeout_is_read_as_the_server_reads_it(written: str, seconds: float) -> None:
    assert courtesy.seconds(written) == pytest.approx(seconds)
