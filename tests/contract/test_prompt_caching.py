"""What a run says again and again it says in the same order, so that providers read it from their caches."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from coordination.domain import events as e
from coordination.domain.states import Answered
from tests.contract.test_models import Act
from tests.contract.vendor_harness import skips, vendor_harness
from tests.contract.vendor_mix import VENDORS

LOOK = "mcp__world__look"
MORE_TOOLS = 20
"""Beside the two of the world: as many in all as the Discord server has that the case study uses."""


def answers(text: str) -> Sequence[Act]:
    return Act(calls=((LOOK, "{}"),)), Act(calls=(("new_answer", f'{{"content": "{text}"}}'),))


VOTES = Act(calls=(("vote", '{"agent_id": "agent1", "reason": "It is best."}'),))
MEASURED = (*answers("One."), *answers("One, and better."), VOTES)
OTHER = (*answers("Two."), VOTES, VOTES)
"""Three rounds: both answer; the first answers again, which voids the other's vote; both vote."""

TURNS = ((0, 1), (2, 3), (4,))
"""Which requests of the first agent belong to one turn."""

LEAST_SHARE = 0.75
"""Of the first agent's input; its first request can find nothing, and is one of five."""


@pytest.mark.parametrize("vendor", [pytest.param(vendor, marks=skips(vendor)) for vendor in VENDORS])
async def test_most_of_the_input_of_a_run_of_three_rounds_comes_from_the_cache(vendor: str, tmp_path: Path) -> None:
    async with vendor_harness(
        vendor, "chatcompletion", tmp_path, scripts=(MEASURED, OTHER), more_tools=MORE_TOOLS
    ) as at:
        run = await at.asked()
        assert isinstance(await at.people.state(run), Answered)
        sent = [at.backends[0].prefix(request) for request in at.backends[0].requests]
        events = [recorded.event for recorded in at.log.events[run]]
    for before, after in (pair for turn in TURNS for pair in pairwise(turn)):
        assert sent[after][: len(sent[before])] == sent[before]
    first, *later = [event for event in events if isinstance(event, e.ModelUsed) and event.agent == 1]
    assert first.cached_tokens == 0
    assert all(each.cached_tokens for each in later)
    share = sum(each.cached_tokens for each in later) / sum(each.input_tokens for each in (first, *later))
    assert share >= LEAST_SHARE, f"{share:.3f}"
