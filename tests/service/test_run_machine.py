"""No order of events executes an unapproved call, executes one twice, or loses a decision."""

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.service.next_run_machine import NextRunMachine
from tests.service.run_machine import RunMachine

EVERY_DAY = 200
"""Examples, at most, where nobody looks for a seeded mistake: those that do may take their time."""


@pytest.mark.unmeasured
def test_no_order_of_events_breaks_the_promise() -> None:
    """Clickers, expiry, cancel, revisions, crashes and late results, in every order that the search finds."""
    if settings().max_examples > EVERY_DAY:  # One run by itself is searched more closely than among others.
        run_state_machine_as_test(RunMachine, settings=settings(deadline=None, stateful_step_count=30))
    run_state_machine_as_test(NextRunMachine, settings=settings(deadline=None, stateful_step_count=15))
