"""No order of events executes an unapproved call, executes one twice, or loses a decision."""

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.service.next_run_machine import NextRunMachine
from tests.service.run_machine import RunMachine


@pytest.mark.unmeasured
def test_no_order_of_events_breaks_the_promise_in_one_run() -> None:
    """One run by itself is searched more closely than among others."""
    run_state_machine_as_test(RunMachine, settings=settings(deadline=None, stateful_step_count=30))


@pytest.mark.unmeasured
def test_no_order_of_events_breaks_the_promise() -> None:
    """Clickers, expiry, cancel, revisions, crashes and late results, in every order that the search finds."""
    run_state_machine_as_test(NextRunMachine, settings=settings(deadline=None, stateful_step_count=15))
