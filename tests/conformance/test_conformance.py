"""Our MCP hub against the protocol's own suite for clients, where that is installed (make conformance does that)."""

import os

import pytest

from tests import npm
from tests.conformance import suite
from tests.conformance.scenarios import NOT_APPLICABLE, SCENARIOS

HAS_RUN = pytest.mark.skipif("CONFORMANCE_HAS_RUN" in os.environ, reason="make conformance has run them just now")


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    try:
        npm.node()
    except npm.UnavailableError as error:
        pytest.skip(str(error))
    if not suite.PACKAGES.is_installed:
        pytest.skip("the conformance suite is not installed: make conformance does that")


def test_every_scenario_of_the_suite_is_run_or_has_a_reason_why_not() -> None:
    assert sorted([*SCENARIOS, *NOT_APPLICABLE]) == sorted(suite.listed())


@HAS_RUN
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_hub_passes_a_scenario(scenario: str) -> None:
    outcome = suite.run(scenario)
    assert outcome.is_passed, outcome.log
