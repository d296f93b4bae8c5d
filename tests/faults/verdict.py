"""What a campaign must have come to."""

from tests.faults.campaigns import Tally


def check(tally: Tally) -> None:
    """Assert that nothing hung, nothing untrue was said, and all is right in the end."""
    assert tally.sprung
    assert tally.hung == 0
    assert tally.wrong == []
    assert tally.lost == []
    assert tally.invalid == 0
