"""Agents of any mix of vendors come to the same events and the same plan, write nothing before people say so, and lose no key."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bot.cards.run_card import card_for
from bot.cards.run_view import next_view
from coordination.domain import events as e
from coordination.domain.canonical_json import canonical
from coordination.domain.plan import Plan, PlannedCall
from coordination.domain.states import AwaitingDecision, Finished, RunBroken
from coordination.domain.transitions import Recorded
from coordination.errors import ModelFault
from tests.builders import ALICE, START
from tests.contract.test_models import Act
from tests.contract.vendor_harness import KEYS, skips, vendor_harness
from tests.contract.vendor_mix import HALF, MIXES, VENDORS, canary, variable
from tests.servers.mcp_programs import writer

LOOK, WRITE = "mcp__world__look", "mcp__world__write"
FIRST = '{"text": "Grüße ☃", "channel": "a"}'
AGAIN = '{"channel": "a", "text": "Grüße ☃"}'
TOO_LATE = '{"text": "too late", "channel": "c"}'
VOTE = '{"agent_id": "agent1", "reason": "It is complete."}'

# In parallel, twice, beside a vote that is none, with arguments that are none, beside the answer, and beside a true vote.
CARELESS = (
    Act(
        text="I write at once.",
        calls=((WRITE, FIRST), (LOOK, "{}"), (WRITE, AGAIN), ("vote", '{"agent_id": "me", "reason": "mine"}')),
    ),
    Act(calls=((WRITE, HALF), (LOOK, '{"what": "all"}'))),
    Act(calls=((WRITE, '{"text": "last", "channel": "b"}'), ("new_answer", '{"content": "Three lines."}'))),
    Act(calls=((WRITE, TOO_LATE), ("vote", VOTE))),
    Act(text="Three lines are written."),
)
CALM = (
    Act(calls=((LOOK, "{}"),)),
    Act(calls=(("new_answer", '{"content": "No line at all."}'),)),
    Act(calls=(("vote", '{"agent_id": "agent1", "reason": "It does something."}'),)),
)
PLANNED = [canonical({"text": text, "channel": at}) for text, at in (("Grüße ☃", "a"), ("Grüße ☃", "a"), ("last", "b"))]


@dataclass(frozen=True, kw_only=True)
class Told:
    """What came of a run: each agent's own events, without what differs from run to run, and the plan."""

    by_agent: Mapping[int, Sequence[object]]
    others: Sequence[str]
    plan: Sequence[object]


def told(events: Sequence[e.RunEvent], plan: Plan) -> Told:
    """Which agent answers first is a matter of milliseconds, and so are epochs; all else must be the same."""
    by_agent: dict[int, list[object]] = defaultdict(list)
    others: list[str] = []
    for event in events:
        agent: int | None = getattr(event, "agent", None)
        if agent is None:
            others.append(event.kind)
        elif isinstance(event, e.ModelUsed):
            by_agent[agent].append(event.kind)
        else:
            timeless: dict[str, Any] = {"epoch": 0} if hasattr(event, "epoch") else {}
            if isinstance(event, e.ActionRecorded):
                timeless["call"] = _of_no_installation(event.call)
            if isinstance(event, e.AnswerAccepted):
                timeless["calls"] = tuple(_of_no_installation(call) for call in event.calls)
            by_agent[agent].append(replace(event, **timeless))
    calls = tuple(_of_no_installation(call) for call in plan.calls)
    return Told(by_agent=by_agent, others=others, plan=(plan.author, plan.text, calls, plan.policy))


def _of_no_run(plan: Plan) -> Plan:
    calls = tuple(_of_no_installation(call) for call in plan.calls)
    return replace(plan, run="", expires_at=START, calls=calls)


def _of_no_installation(call: PlannedCall) -> PlannedCall:
    """The call without what a key of the installation was used for: each run here has a database of its own."""
    return replace(call, settings="", target="")


async def whole_run(careless: str, calm: str, folder: Path) -> tuple[Sequence[Recorded], Plan]:
    """A run to its end: nothing is written before the approval, and exactly the plan after it."""
    async with vendor_harness(careless, calm, folder, scripts=(CARELESS, CALM)) as at:
        run = await at.asked()
        state = await at.people.state(run)
        assert isinstance(state, AwaitingDecision), state
        assert [(call.tool, call.arguments) for call in state.plan.calls] == [("write", each) for each in PLANNED]
        assert writer(at.file) == []
        await at.people.approve(run, state.plan.digest, ALICE)
        await at.work()
        assert isinstance(await at.people.state(run), Finished)
        assert [canonical(line["arguments"]) for line in writer(at.file)] == PLANNED
        for vendor, backend in zip((careless, calm), at.backends, strict=True):
            assert all(canary(vendor) in str(caller) for caller in backend.callers)
        # A server is the same one only with the same words in the configuration, so the next run needs this path too.
        at.file.unlink()
        return at.log.events[run], state.plan


def sinks(log: Sequence[Recorded], records: Sequence[logging.LogRecord]) -> str:
    """All that a run leaves behind: its events, its card at every moment, and what the program logged, however finely."""
    view, cards = None, list[str]()
    for recorded in log:
        view = next_view(view, recorded)
        cards.append(repr(card_for(view, recorded.at)))
    assert view is not None
    return "\n".join([repr(log), *cards, *(f"{each.getMessage()} {each.__dict__!r}" for each in records)])


def lost_keys(text: str) -> list[str]:
    return [name for name, key in KEYS.items() if key in text]


@pytest.mark.parametrize(
    ("careless", "calm"), [pytest.param(*mix, marks=skips(*mix), id="-".join(mix)) for mix in MIXES]
)
async def test_any_mix_of_vendors_comes_to_the_same_events_and_the_same_plan(
    careless: str, calm: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    reference, expected = await whole_run("chatcompletion", "chatcompletion", tmp_path)
    with caplog.at_level(logging.DEBUG):
        log, plan = await whole_run(careless, calm, tmp_path)
    events = [recorded.event for recorded in log]
    assert told(events, plan) == told([recorded.event for recorded in reference], expected)
    # The digest is of everything that was approved: with the same run and the same hour, it is the same.
    assert _of_no_run(plan).digest == _of_no_run(expected).digest
    assert lost_keys(sinks(log, caplog.records) + "".join(capfd.readouterr())) == []


@pytest.mark.parametrize("vendor", [pytest.param(vendor, marks=skips(vendor)) for vendor in VENDORS])
async def test_a_key_that_its_own_provider_repeats_is_shown_to_nobody(
    vendor: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with vendor_harness(vendor, vendor, tmp_path, scripts=[[Act(fails=ModelFault.AUTH)]] * 2) as at:
            run = await at.asked()
            state = await at.people.state(run)
            assert all(canary(vendor) in str(caller) for backend in at.backends for caller in backend.callers)
    assert isinstance(state, RunBroken)
    assert variable(vendor) in state.reason
    assert lost_keys(sinks(at.log.events[run], caplog.records) + "".join(capfd.readouterr())) == []
