"""No order of events executes an unapproved call, executes one twice, or loses a decision."""

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.service.next_run_machine import NextRunMachine

EVERY_DAY = 200
"""Examples, at most, where nobody looks for a seeded mistake: those that do may take their time."""


@pytest.mark.unmeasured
def test_no_order_of_events_breaks_the_promise() -> None:
    """Clickers, expiry, cancel, revisions, crashes and late results, in every order that the search finds."""
    is_hunt = settings().max_examples > EVERY_DAY
    run_state_machine_as_test(
        NextRunMachine, settings=settings(deadline=None, stateful_step_count=30 if is_hunt else 15)
    )
