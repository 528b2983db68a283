"""Words in the thread of a plan that waits: whoever said them is asked what they mean, and until then nothing happens."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.chat.card_sync.context import SyncContext
from bot.chat.card_sync.leader import CardSync
from bot.chat.card_sync.open_questions import OpenQuestions
from bot.chat.platform import ChannelRef, MessageNotFound, MissingPermission, RateLimited
from bot.chat.service_port import FollowUp, Nothing, PressButton, Private, Started, StartRun
from bot.message import Action, Card
from coordination.domain import states as s
from coordination.domain.policy import Person
from tests.builders import ALICE, BOB, MALLORY, REQUESTER
from tests.service.card_sync_harness import FakePlatform, Message, eventually
from tests.service.chat_service_harness import GENERAL, RANDOM, Answer, ChatServiceHarness, texts

THREAD = replace(GENERAL, thread="m-1")
WORDS = FollowUp(prompt="Shorter, please.", event_id="e-1")


@pytest.fixture
def harness(tmp_path: Path) -> ChatServiceHarness:
    return ChatServiceHarness(tmp_path)


async def waiting(harness: ChatServiceHarness) -> str:
    run = await harness.ask()
    await harness.shown(run)
    return run


async def asked(
    harness: ChatServiceHarness, by: Person = ALICE, said: FollowUp | StartRun = WORDS
) -> dict[Action, str]:
    """The ids of the two answers of the question that somebody gets."""
    reply = (await harness.say(said, by, THREAD)).reply
    assert isinstance(reply, Private)
    assert reply.ids is not None
    return {button.action: reply.ids.id_for(button.action) for button in reply.card.buttons}


async def press(harness: ChatServiceHarness, button: str, by: Person = ALICE, place: ChannelRef = THREAD) -> Answer:
    """Where the question stands is no business of anybody's: Slack tells the number of no private message."""
    return await harness.say(PressButton(button=button, message="q-1", is_confirmed=True), by, place)


def sentence_of(answer: Answer) -> str:
    assert isinstance(answer.reply, Private), answer
    return texts(answer)


@pytest.mark.parametrize("said", [WORDS, StartRun(prompt="Shorter, please.", follows_thread=True, asks_which=True)])
async def test_a_word_in_the_thread_of_a_waiting_plan_asks_and_changes_nothing(
    harness: ChatServiceHarness, said: FollowUp | StartRun
) -> None:
    run = await waiting(harness)
    log = list(await harness.log.read(run))
    reply = (await harness.say(said, ALICE, THREAD)).reply
    assert isinstance(reply, Private)
    shown: Card = reply.card
    assert [button.label for button in shown.buttons] == ["Change this plan", "Start a new run"]
    assert "Shorter, please." in texts(shown)
    assert f"Run {run} is waiting for approval." in texts(shown)
    assert (list(harness.log.events), list(await harness.log.read(run))) == ([run], log)


async def test_to_change_the_plan_is_to_request_changes_in_those_words_and_makes_an_author(
    harness: ChatServiceHarness,
) -> None:
    run = await waiting(harness)
    ids = await asked(harness)
    assert (await press(harness, ids[Action.CHANGE_THIS])).reply == Nothing()
    state = await harness.people.state(run)
    assert isinstance(state, s.ChangesWanted)
    await harness.work()
    approve = (await harness.shown(run))[Action.APPROVE]
    assert "This plan follows what you said" in sentence_of(await harness.press(ALICE, approve))
    assert "replaced by a newer one" in sentence_of(await press(harness, ids[Action.CHANGE_THIS])), (
        "it was about the plan before"
    )


async def test_a_new_run_goes_on_with_the_conversation_and_is_one_however_often_it_is_pressed(
    harness: ChatServiceHarness,
) -> None:
    run = await waiting(harness)
    new = (await asked(harness))[Action.START_NEW]
    first, again = await press(harness, new), await press(harness, new)
    assert first.run == again.run != run
    request = (await harness.people.state(first.run)).request
    assert (request.prompt, request.requester) == ("Shorter, please.", ALICE)
    assert [each.prompt for each in request.history] == ["Post hello."]
    assert isinstance(await harness.people.state(run), s.AwaitingDecision)
    assert (await harness.card(first.run)).thread == "m-1"


async def test_who_may_not_change_the_plan_may_begin_a_run_of_their_own(harness: ChatServiceHarness) -> None:
    run = await waiting(harness)
    ids = await asked(harness, MALLORY)
    assert "Only" in sentence_of(await press(harness, ids[Action.CHANGE_THIS], MALLORY))
    assert isinstance(await harness.people.state(run), s.AwaitingDecision)
    assert isinstance((await press(harness, ids[Action.START_NEW], MALLORY)).reply, Started)


@pytest.mark.parametrize(
    ("by", "place", "sentence"),
    [
        (BOB, THREAD, "for someone else"),
        (ALICE, replace(RANDOM, thread="m-1"), "no such button"),
        (replace(ALICE, tenant="elsewhere"), THREAD, "no such button"),
    ],
)
async def test_an_answer_counts_for_the_one_who_was_asked_where_they_were_asked(
    harness: ChatServiceHarness, by: Person, place: ChannelRef, sentence: str
) -> None:
    run = await waiting(harness)
    for button in (await asked(harness)).values():
        assert sentence in sentence_of(await press(harness, button, by, place))
    assert list(harness.log.events) == [run]
    assert isinstance(await harness.people.state(run), s.AwaitingDecision)


async def test_a_question_that_nobody_answered_expires_in_a_sentence(harness: ChatServiceHarness) -> None:
    run = await waiting(harness)
    ids = await asked(harness)
    harness.clock.tick(hours=1)
    for button in ids.values():
        assert "has expired" in sentence_of(await press(harness, button))
    assert list(harness.log.events) == [run]


async def test_nobody_is_asked_where_there_is_no_doubt(harness: ChatServiceHarness) -> None:
    run = await waiting(harness)
    named = StartRun(prompt="Go on.", config="team", follows_thread=True, asks_which=True)
    ordered = StartRun(prompt="Go on.", follows_thread=True)
    for each in (named, ordered):
        assert isinstance((await harness.say(each, REQUESTER, THREAD)).reply, Started)
    elsewhere = StartRun(prompt="Go on.", follows_thread=True, asks_which=True)
    assert isinstance((await harness.say(elsewhere, REQUESTER, GENERAL)).reply, Started)
    assert run in harness.log.events


async def test_the_same_words_delivered_again_ask_nothing_again(harness: ChatServiceHarness) -> None:
    await waiting(harness)
    await asked(harness)
    assert (await harness.say(WORDS, ALICE, THREAD)).reply == Nothing()


async def test_once_the_plan_is_decided_words_go_on_with_the_conversation_at_once(harness: ChatServiceHarness) -> None:
    run = await waiting(harness)
    ids = await asked(harness)
    state = await harness.people.state(run)
    assert isinstance(state, s.AwaitingDecision)
    await harness.people.reject(run, state.plan.digest, ALICE, "no")
    assert isinstance((await press(harness, ids[Action.START_NEW])).reply, Started)
    assert isinstance(
        (await harness.say(replace(WORDS, event_id="e-2"), BOB, replace(THREAD, thread="m-1"))).reply, Started
    )


# --- a process that dies between the words and the question -----------------------------------------------------------


def sync_of(harness: ChatServiceHarness, platform: FakePlatform) -> OpenQuestions:
    """What a process does about open questions that keeps the cards, over what the dead one has left."""
    context = SyncContext(
        platform=platform, store=harness.store, log=harness.log, clock=harness.clock, intervals=platform.intervals
    )
    return OpenQuestions(context)


async def look(harness: ChatServiceHarness, platform: FakePlatform) -> list[Message]:
    """What stands in the chat after the next process has looked."""
    harness.clock.tick(seconds=21)
    await sync_of(harness, platform).ask_again(harness.clock.now())
    return list(platform.messages.values())


async def test_a_question_that_died_with_its_process_is_asked_by_the_next_one_once_and_its_answers_count(
    harness: ChatServiceHarness,
) -> None:
    run = await waiting(harness)
    ids = await asked(harness)
    platform = FakePlatform()
    await sync_of(harness, platform).ask_again(harness.clock.now())
    assert platform.messages == {}, "whoever heard the words is about to ask"
    await look(harness, platform)
    (question,) = await look(harness, platform)
    assert (question.place, question.ids) == (THREAD, ids)
    assert "Shorter, please." in repr(question.card.title)
    assert ALICE.name in repr(question.card.reference)
    await press(harness, ids[Action.CHANGE_THIS])
    assert isinstance(await harness.people.state(run), s.ChangesWanted)


async def test_whoever_leads_for_a_product_asks_what_was_lost_before(harness: ChatServiceHarness) -> None:
    await waiting(harness)
    ids = await asked(harness)
    harness.clock.tick(seconds=21)
    platform = FakePlatform()
    async with CardSync(sync_of(harness, platform).context).running():
        await eventually(lambda: any(each.ids == ids for each in platform.messages.values()))


async def test_a_question_that_is_shown_or_answered_or_too_old_is_asked_no_more(harness: ChatServiceHarness) -> None:
    await waiting(harness)
    reply = (await harness.say(WORDS, ALICE, THREAD)).reply
    assert isinstance(reply, Private)
    await harness.chat_service.question_shown(reply.question, THREAD)
    again = await asked(harness, BOB, replace(WORDS, event_id="e-2"))
    await press(harness, again[Action.START_NEW], BOB)
    await asked(harness, MALLORY, replace(WORDS, event_id=""))
    harness.clock.tick(hours=1)
    assert await look(harness, FakePlatform()) == []


async def test_a_product_that_does_not_take_the_question_now_is_asked_again_and_holds_up_no_other(
    harness: ChatServiceHarness,
) -> None:
    await waiting(harness)
    for number in range(5):
        await asked(harness, BOB, replace(WORDS, event_id=f"e-{number}"))
    platform = FakePlatform()
    faults = [RateLimited(1), MissingPermission("for a moment"), OSError("gone"), MessageNotFound("the thread")]
    platform.faults = {"find": [MissingPermission("no history")], "post": [*faults]}
    assert len(await look(harness, platform)) == 1
    assert len(await look(harness, platform)) == 4, "the thread of one is not there any more"
    assert len(await look(harness, platform)) == 4
