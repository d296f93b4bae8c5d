"""What a hazard's rule claims is what a real server does on its cases."""

import pytest

from migsafe.hazards import Rule, rules
from tests.db import claims
from tests.db.claims import Played
from tests.db.measuring import Clinics

RULES = rules()

#: Good cases that cannot be run to their end.
ELSEWHERE = {"MS401": "names a role and a database of another cluster"}


@pytest.fixture(scope="module", params=RULES, ids=[rule.name for rule in RULES])
def played(request: pytest.FixtureRequest, clinics: Clinics, server_major: int) -> Played:
    rule: Rule = request.param
    if not claims.has(rule, server_major):
        pytest.skip(f"PostgreSQL {server_major} does not have {rule.name}")
    return Played(rule, clinics)


def test_the_first_marked_statement_does_what_the_rule_claims(
    played: Played, server_major: int
) -> None:
    first = next((outcome for outcome in played.bad if outcome.marked), None)
    is_lacking = first and claims.lacks(first) and first.effect.sqlstate != played.rule.fails
    if is_lacking and server_major < claims.NEWEST:
        pytest.skip(f"PostgreSQL {server_major} lacks what the bad case uses")
    assert claims.unconfirmed(played) == []


def test_what_a_finding_says_of_its_statement_is_what_the_server_does(
    played: Played, server_major: int
) -> None:
    untried = set(claims.untried(played)) if server_major < claims.NEWEST else set()
    assert claims.misstated(played, without=untried) == []


@pytest.fixture
def whole(played: Played, server_major: int) -> Played:
    """A rule of whose good case the server knows every statement."""
    if server_major < claims.NEWEST and any(map(claims.lacks, played.good)):
        pytest.skip(f"PostgreSQL {server_major} lacks what the good case uses")
    return played


def test_the_good_case_runs_from_top_to_bottom(whole: Played) -> None:
    failed = whole.failed
    assert bool(failed) == (whole.rule.code in ELSEWHERE), failed


def test_the_good_case_spares_the_clinic_what_the_bad_one_does(whole: Played) -> None:
    assert claims.shared(whole) == []


@pytest.mark.parametrize("which", ["bad", "good"])
def test_the_lock_model_foresees_every_statement_of_a_case(
    played: Played, which: str, server_major: int
) -> None:
    assert claims.unforeseen(played, which, server_major) == []
