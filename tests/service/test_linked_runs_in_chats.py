"""*Try the rest* in a chat: whoever may ask here presses, one run follows with a card of its own, and the first card says so."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.chat.service_port import Private, Started
from bot.message import Action
from coordination.domain import states as s
from coordination.domain.linked_runs import link_of
from coordination.errors import StorageError
from coordination.ports import CallNotSentError, ToolOutput
from coordination.text import Text
from tests.builders import ALICE, BOB, MALLORY, REQUESTER
from tests.service.chat_service_harness import ADMIN, ELSEWHERE, GENERAL, TEAM, ChatServiceHarness, texts


def refused_connection(call: object) -> ToolOutput:
    raise CallNotSentError(Text("the connection was refused"))


@pytest.fixture
def harness(tmp_path: Path) -> ChatServiceHarness:
    return ChatServiceHarness(tmp_path)


async def failed(harness: ChatServiceHarness) -> tuple[str, str]:
    """A run whose call was not sent, and its button."""
    harness.world.behaviours.append(refused_connection)
    run = await harness.ask()
    await harness.press(ALICE, (await harness.shown(run))[Action.APPROVE])
    await harness.work()
    return run, (await harness.shown(run))[Action.TRY_REST]


async def test_a_press_begins_one_run_with_a_card_of_its_own_at_the_same_place(harness: ChatServiceHarness) -> None:
    run, button = await failed(harness)
    answer = await harness.press(BOB, button, event_id="i-1")
    assert isinstance(answer.reply, Started)
    await harness.work()
    card = await harness.card(answer.run)
    assert (card.channel, card.requester, card.run != run) == (GENERAL.channel, BOB.id, True)
    waiting = await harness.people.state(answer.run)
    assert isinstance(waiting, s.AwaitingDecision)
    assert [call.arguments for call in waiting.plan.calls] == ['{"title":"Post hello."}']
    await harness.press(ALICE, (await harness.shown(answer.run))[Action.APPROVE])
    await harness.work()
    assert len(harness.world.done) == 1


async def test_a_second_press_is_told_of_the_run_there_is(harness: ChatServiceHarness) -> None:
    _, button = await failed(harness)
    first = await harness.press(BOB, button, event_id="i-1")
    again = await harness.press(ALICE, button, event_id="i-2")
    assert isinstance(again.reply, Private)
    assert f"This is already planned: run {first.run}." in texts(again)
    assert len(harness.store.cards) == 2


async def test_the_first_card_is_looked_after_again_so_that_it_says_so(harness: ChatServiceHarness) -> None:
    run, button = await failed(harness)
    wakes = harness.wakes
    await harness.press(BOB, button)
    assert harness.wakes > wakes
    assert (await harness.card(run)).wake_at is not None
    assert Action.TRY_REST not in await harness.shown(run)


async def test_a_press_whose_answer_was_lost_keeps_its_card_and_one_that_is_gone_comes_back(
    harness: ChatServiceHarness,
) -> None:
    run, button = await failed(harness)
    append = harness.log.append

    async def written_but_unheard(*args: object, **kwargs: object) -> object:
        await append(*args, **kwargs)  # type: ignore[arg-type]  # passed on as it came
        raise StorageError(Text("away"))

    with pytest.MonkeyPatch.context() as outage:
        outage.setattr(harness.log, "append", written_but_unheard)
        with pytest.raises(StorageError):
            await harness.press(BOB, button, event_id="i-1")
    made = link_of(await harness.people.state(run), "rest")
    assert made is not None
    assert (set(harness.store.cards), made.run in harness.log.events) == ({run, made.run}, False)
    del harness.store.cards[made.run]
    await harness.press(ALICE, button, event_id="i-2")
    await harness.work()
    assert set(harness.store.cards) == {run, made.run}
    assert isinstance(await harness.people.state(made.run), s.AwaitingDecision)


async def test_who_may_not_ask_here_has_nothing_planned(harness: ChatServiceHarness) -> None:
    _, button = await failed(harness)
    assert "Only full members" in texts(await harness.press(replace(MALLORY, is_guest=True), button))
    assert len(harness.store.cards) == 1


async def test_a_configuration_that_is_closed_to_a_member_begins_no_run_of_theirs(tmp_path: Path) -> None:
    harness = ChatServiceHarness(tmp_path, members={})
    harness.write("lenient", TEAM)
    harness.world.behaviours.append(refused_connection)
    run = (await harness.start_run(ADMIN, GENERAL, "Post.", config="lenient")).run
    await harness.work()
    await harness.press(ALICE, (await harness.shown(run))[Action.APPROVE])
    await harness.work()
    button = (await harness.shown(run))[Action.TRY_REST]
    assert "can't choose lenient" in texts(await harness.press(MALLORY, button))
    assert isinstance((await harness.press(ADMIN, button)).reply, Started)


async def test_a_button_of_another_tenant_does_nothing(harness: ChatServiceHarness) -> None:
    _, button = await failed(harness)
    answer = await harness.press(replace(REQUESTER, tenant="elsewhere"), button, place=ELSEWHERE)
    assert "no such button" in texts(answer)
    assert len(harness.store.cards) == 1
