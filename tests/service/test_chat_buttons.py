"""Clicks: whoever may, acts once; everybody else hears why not in private, and nothing changes but the audit."""

import asyncio
import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.cards.error_messages import refusal_line
from bot.cards.run_card import card_for
from bot.cards.run_view import view_of
from bot.chat.card_sync.snapshot import issue_ids
from bot.chat.platform import ChannelRef, MessageRef
from bot.chat.service_port import AskForText, AskToConfirm, Nothing, PressButton, Private, SubmitText
from bot.chat.store import CardCopy, Reposting
from bot.i18n import GERMAN, speaking
from bot.message import Action, Link, TextForm
from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.policy import Person
from coordination.errors import RefusedError
from coordination.ports import CallOutcomeUnknownError, ToolOutput
from coordination.text import Text
from tests.builders import ALICE, BOB, MALLORY, REQUESTER, STRANGER
from tests.sample_logs import approved, plan_in
from tests.service.chat_service_harness import (
    ADMIN,
    ELSEWHERE,
    GENERAL,
    NAMED_ADMIN,
    RANDOM,
    TEAM,
    Answer,
    ChatServiceHarness,
    texts,
)

ANYONE = TEAM.replace("approval: {approvers: {roles: [ops]}}", "approval: {required: 2}")
PAIR = TEAM.replace(
    "mcp_servers:",
    """  - id: two
    backend:
      type: scripted
      script:
        turns:
          - - calls: [{tool: board.post, arguments: {title: from two}}]
              answer: Post another.
          - [{vote: agent1, reason: better}]
          - [{vote: agent1, reason: better}]
mcp_servers:""",
).replace(
    "              answer: Post it.\n",
    "              answer: Post it.\n" + 2 * "          - [{vote: agent1, reason: mine}]\n",
)


@pytest.fixture
def harness(tmp_path: Path) -> ChatServiceHarness:
    return ChatServiceHarness(tmp_path)


async def waiting(harness: ChatServiceHarness) -> tuple[str, dict[Action, str]]:
    """A plan on a card, and the ids of its buttons."""
    run = await harness.ask()
    return run, await harness.shown(run)


async def is_refused(harness: ChatServiceHarness, reply: Answer, before: object, sentence: str) -> None:
    """One private sentence, and nothing changed."""
    lines = [line for line in texts(reply).splitlines() if line]
    assert len(lines) == 1, lines
    assert sentence in lines[0]
    assert harness.snapshot() == before


async def test_what_an_approver_clicks_is_done_once(harness: ChatServiceHarness) -> None:
    run, ids = await waiting(harness)
    assert (await harness.press(ALICE, ids[Action.APPROVE], event_id="i-1")) == Answer(Nothing())
    assert (await harness.press(ALICE, ids[Action.APPROVE], event_id="i-1")) == Answer(Nothing())
    await harness.work()
    assert [call.arguments for call in harness.world.done] == ['{"title":"Post hello."}']
    state = await harness.people.state(run)
    assert isinstance(state, s.Finished)
    assert state.approvals == (ALICE,)
    assert harness.wakes == 2


async def test_a_replayed_click_is_no_second_approval(harness: ChatServiceHarness) -> None:
    harness.write("team", ANYONE)
    run, ids = await waiting(harness)
    await harness.press(ALICE, ids[Action.APPROVE], event_id="i-1")
    before = harness.snapshot()
    assert await harness.press(BOB, ids[Action.APPROVE], event_id="i-1") == Answer(Nothing())
    assert harness.snapshot() == before
    reply = await harness.press(ALICE, ids[Action.APPROVE], event_id="i-2")
    await is_refused(harness, reply, before, "You have already approved; 2 different people must.")
    reply = await harness.press(REQUESTER, ids[Action.APPROVE])
    await is_refused(harness, reply, before, "You made this request, so someone else must decide: anyone here.")
    assert harness.refusals(run) == ["already_approved", "own_request"]


@pytest.mark.parametrize("action", [Action.APPROVE, Action.REJECT, Action.CHANGE])
async def test_who_may_not_decide_hears_who_may_and_the_attempt_is_on_record(
    harness: ChatServiceHarness, action: Action
) -> None:
    run, ids = await waiting(harness)
    before = harness.snapshot()
    reply = await harness.press(MALLORY, ids[action], text="because")
    await is_refused(harness, reply, before, "Only ops can decide on this plan.")
    assert harness.refusals(run) == ["not_an_approver"]
    assert harness.wakes == 2


@pytest.mark.parametrize("by", [MALLORY, NAMED_ADMIN, ADMIN])
async def test_an_administrator_is_no_approver_but_may_cancel(harness: ChatServiceHarness, by: Person) -> None:
    run, ids = await waiting(harness)
    before = harness.snapshot()
    await is_refused(harness, await harness.press(by, ids[Action.APPROVE]), before, "Only ops can decide")
    reply = (
        await harness.press(by, ids[Action.CANCEL]) if Action.CANCEL in ids else await harness.cancel(by, GENERAL, run)
    )
    if by is MALLORY:
        await is_refused(harness, reply, before, "Only rita, an approver or an administrator can cancel this run.")
        assert harness.refusals(run) == ["not_an_approver", "not_yours"]
    else:
        assert isinstance(await harness.people.state(run), s.Cancelled)


async def test_a_click_from_another_tenant_finds_nothing_though_all_ids_are_equal(harness: ChatServiceHarness) -> None:
    _, ids = await waiting(harness)
    before = harness.snapshot()
    for by, place in ((STRANGER, ELSEWHERE), (STRANGER, GENERAL), (ALICE, ELSEWHERE)):
        reply = await harness.press(by, ids[Action.APPROVE], place=place)
        await is_refused(harness, reply, before, "There is no such button here. Nothing was done.")
    assert [(each.tenant, each.by, each.what) for each in harness.store.audit] == [
        ("elsewhere", "u-alice", "refused no_button"),
        ("elsewhere", "u-alice", "refused no_button"),
        ("here", "u-alice", "refused no_button"),
    ]
    assert harness.store.audit[0].detail == f"{ids[Action.APPROVE]} on m-1"


@pytest.mark.parametrize("button", ["", "x" * 5000, "b-1\0", "\u202eevorppa", "' OR 1=1 --", "RUN1", "approve"])
async def test_a_forged_id_stands_for_nothing(harness: ChatServiceHarness, button: str) -> None:
    run, _ = await waiting(harness)
    before = harness.snapshot()
    await is_refused(harness, await harness.press(ALICE, button), before, "There is no such button here.")
    assert harness.audit == [("u-alice", "refused no_button")]
    assert len(harness.store.audit[0].detail) < 100
    assert harness.refusals(run) == []


@pytest.mark.parametrize(
    ("place", "message", "sentence"),
    [
        (RANDOM, "m-1", "There is no such button here."),
        (GENERAL, "m-2", "This card is out of date; run RUN1 has a newer one."),
        (GENERAL, "", "There is no such button here."),
    ],
)
async def test_an_id_counts_on_the_message_that_it_was_issued_for_alone(
    harness: ChatServiceHarness, place: ChannelRef, message: str, sentence: str
) -> None:
    run, ids = await waiting(harness)
    before = harness.snapshot()
    reply = await harness.press(ALICE, ids[Action.APPROVE], place=place, message=message)
    await is_refused(harness, reply, before, sentence)
    assert len(harness.audit) == 1
    assert (await harness.card(run)).stale == (("m-2",) if message == "m-2" else ())


async def test_an_older_card_says_so_and_is_put_right(harness: ChatServiceHarness) -> None:
    run, old = await waiting(harness)
    await harness.store.superseded(await harness.card(run))
    new = await harness.shown(run, message="m-2")
    await harness.store.superseded_marked(await harness.card(run), "m-1")
    before, wakes = harness.snapshot(), harness.wakes
    for button, message in ((old, "m-1"), (old, "m-2"), (new, "m-1")):
        reply = await harness.press(ALICE, button[Action.APPROVE], message=message)
        await is_refused(harness, reply, before, f"This card is out of date; run {run} has a newer one.")
    assert (await harness.card(run)).stale == ("m-1",)
    assert harness.wakes == wakes + 3
    assert harness.audit == 3 * [("u-alice", "refused superseded_card")]
    await harness.press(ALICE, new[Action.APPROVE], message="m-2")
    assert isinstance(await harness.people.state(run), s.Executing)


class Addresses:
    """A chat whose messages have addresses."""

    name = GENERAL.platform

    async def link_to(self, message_ref: MessageRef) -> str:
        return f"https://chat.test/{message_ref.place.channel}/{message_ref.message}"


async def test_a_refusal_leads_to_the_card_that_counts_unless_it_was_pressed_there(harness: ChatServiceHarness) -> None:
    links = harness.chat_service.run_queries.links
    assert isinstance(links, dict)
    links[GENERAL.platform] = Addresses()
    run, old = await waiting(harness)
    await harness.store.superseded(await harness.card(run))
    new = await harness.shown(run, message="m-2")
    reply = await harness.press(ALICE, old[Action.APPROVE], message="m-1")
    assert link_in(reply) == "https://chat.test/general/m-2"
    refused = await harness.press(MALLORY, new[Action.APPROVE], message="m-2")
    assert "can decide" in texts(refused)
    assert link_in(refused) == ""
    assert link_in(await harness.cancel(MALLORY, GENERAL, run)) == "https://chat.test/general/m-2"


def link_in(reply: Answer) -> str:
    """Where a private card leads to."""
    assert reply.private is not None
    return next((each.url for each in reply.private.reference if isinstance(each, Link)), "")


_DM = replace(GENERAL, channel="dm-alice")


async def with_a_copy(
    harness: ChatServiceHarness, *, person: str = ALICE.id, channel: str = _DM.channel
) -> tuple[CardCopy, dict[Action, str]]:
    """A plan on a card and on a copy in alice's direct messages; and the ids of the copy's buttons."""
    run, _ = await waiting(harness)
    copy = CardCopy(
        run=run, copy="dm:u-alice", platform="discord", tenant="here", person=person, plan="p",
        made_at=harness.clock.now(), channel=channel, message="d-1", state="live",
    )  # fmt: skip
    await harness.store.add_copy(copy)
    view = view_of(await harness.log.read(run))
    assert view is not None
    now = harness.clock.now()
    issued = await issue_ids(harness.store, copy, card_for(view, now), view.state, now)
    return copy, dict(issued.ids)


async def test_a_copy_is_decided_by_whose_it_is_where_it_stands_and_by_nobody_else(harness: ChatServiceHarness) -> None:
    copy, ids = await with_a_copy(harness)
    before, approve = harness.snapshot(), ids[Action.APPROVE]
    for by, place, message in ((BOB, _DM, "d-1"), (ALICE, GENERAL, "m-1"), (ALICE, GENERAL, "d-1"), (ALICE, _DM, "")):
        reply = await harness.press(by, approve, place=place, message=message)
        await is_refused(harness, reply, before, "There is no such button here.")
    reply = await harness.press(ALICE, approve, place=_DM, message="d-0")
    await is_refused(harness, reply, before, "This card is out of date")
    assert len(await harness.details(ALICE, _DM, copy.run)) > 1
    assert "no run" in texts(await harness.show(BOB, _DM, copy.run))
    assert (await harness.press(ALICE, approve, place=_DM, message="d-1")).private is None
    assert isinstance(await harness.people.state(copy.run), s.Executing)


async def test_in_a_channel_of_approvals_everybody_who_may_decides_and_nobody_else(harness: ChatServiceHarness) -> None:
    routed, elsewhere = replace(GENERAL, channel="approvals"), replace(GENERAL, channel="lobby")
    copy, ids = await with_a_copy(harness, person="", channel=routed.channel)
    before, approve = harness.snapshot(), ids[Action.APPROVE]
    for place, message in ((elsewhere, "d-1"), (GENERAL, "d-1"), (routed, "")):
        reply = await harness.press(ALICE, approve, place=place, message=message)
        await is_refused(harness, reply, before, "There is no such button here.")
    reply = await harness.press(replace(BOB, roles=()), approve, place=routed, message="d-1")
    assert "ops" in texts(reply)
    assert copy.run in texts(await harness.show(BOB, routed, copy.run))
    assert "no run" in texts(await harness.show(BOB, elsewhere, copy.run))
    assert (await harness.press(ALICE, approve, place=routed, message="d-1")).private is None
    assert isinstance(await harness.people.state(copy.run), s.Executing)


async def test_who_is_no_approver_any_more_decides_nothing_on_a_copy(harness: ChatServiceHarness) -> None:
    _, ids = await with_a_copy(harness)
    before = harness.snapshot()
    reply = await harness.press(replace(ALICE, roles=()), ids[Action.APPROVE], place=_DM, message="d-1")
    assert "ops" in texts(reply)
    assert harness.snapshot() == before


async def test_a_click_tells_where_a_copy_stands_and_an_older_ones_buttons_count_no_more(
    harness: ChatServiceHarness,
) -> None:
    copy, ids = await with_a_copy(harness)
    lost = replace(copy, message="", state="wanted")
    harness.store.card_copies[copy.run, copy.copy] = replace(lost, attempt=2)
    before = harness.snapshot()
    reply = await harness.press(ALICE, ids[Action.APPROVE], place=_DM, message="d-1")
    await is_refused(harness, reply, before, "This card is out of date")
    harness.store.card_copies[copy.run, copy.copy] = lost
    assert (await harness.press(ALICE, ids[Action.APPROVE], place=_DM, message="d-7")).private is None
    assert harness.store.card_copies[copy.run, copy.copy].message == "d-7"


async def test_a_click_tells_where_a_card_stands_whose_post_was_never_acknowledged(harness: ChatServiceHarness) -> None:
    run, first = await waiting(harness)
    await harness.store.superseded(await harness.card(run))
    ids = await harness.shown(run, message="m-2")
    harness.store.cards[run] = replace(await harness.card(run), state=Reposting())
    before = harness.snapshot()
    for button, message, sentence in ((first, "m-1", "This card is out of date"), (ids, "", "no such button here")):
        reply = await harness.press(ALICE, button[Action.APPROVE], message=message)
        await is_refused(harness, reply, before, sentence)
    assert (await harness.card(run)).message == ""
    assert (await harness.press(ALICE, ids[Action.APPROVE], message="m-7")).private is None
    assert (await harness.card(run)).message == "m-7"
    assert isinstance(await harness.people.state(run), s.Executing)


async def test_a_click_that_needs_words_or_a_second_yes_is_asked_for_them_and_changes_nothing(
    harness: ChatServiceHarness,
) -> None:
    harness.hub.tools[1] = replace(harness.hub.tools[1], says_destructive=True)
    run, ids = await waiting(harness)
    before = harness.snapshot()
    for action, required in ((Action.REJECT, False), (Action.CHANGE, True)):
        reply = (await harness.say(PressButton(button=ids[action], message="m-1", event_id="i-1"), ALICE)).reply
        assert isinstance(reply, AskForText)
        assert reply.form.is_required is required
    press = PressButton(button=ids[Action.APPROVE], message="m-1", event_id="i-1")
    reply = (await harness.say(press, ALICE)).reply
    assert isinstance(reply, AskToConfirm)
    assert reply.question.title == "1 call may destroy something"
    assert (harness.snapshot(), harness.audit) == (before, [])
    assert (await harness.say(replace(press, is_confirmed=True), ALICE)).reply == Nothing()
    assert isinstance(await harness.people.state(run), s.Executing)


async def test_a_window_for_words_opens_only_for_those_whose_words_would_count(harness: ChatServiceHarness) -> None:
    run, ids = await waiting(harness)
    for action in (Action.REJECT, Action.CHANGE):
        before = harness.snapshot()
        reply = await harness.say(PressButton(button=ids[action], message="m-1"), MALLORY)
        await is_refused(harness, reply, before, "Only ops can decide on this plan.")
    assert harness.refusals(run) == ["not_an_approver"] * 2


TWO = TEAM.replace('{title: "{prompt}"}}]', '{title: "{prompt}"}}, {tool: board.post, arguments: {title: ps}}]')


async def test_an_approver_ticks_calls_and_edits_one_and_does_not_count(harness: ChatServiceHarness) -> None:
    harness.write("team", TWO)
    run, ids = await waiting(harness)
    reply = (await harness.say(PressButton(button=ids[Action.SELECT], message="m-1"), ALICE)).reply
    assert isinstance(reply, AskForText)
    assert [option.value for option in reply.form.options] == ["1", "2"]
    before = harness.snapshot()
    for text in ("", "1,2", "3", "x", "²"):
        await is_refused(harness, await harness.press(ALICE, ids[Action.SELECT], text=text), before, "not all of them")
    await harness.press(ALICE, ids[Action.SELECT], text="2")
    ids = await harness.shown(run)
    assert Action.SELECT not in ids
    press = PressButton(button=ids[Action.EDIT], message="m-1", choice="0.0")
    reply = (await harness.say(press, ALICE)).reply
    assert isinstance(reply, AskForText)
    assert (reply.form.text, reply.form.is_required) == ("ps", False)
    await harness.say(SubmitText(button=ids[Action.EDIT], message="m-1", text="P.S.", choice="0.0"), ALICE)
    new = await harness.shown(run)
    mine = await harness.press(ALICE, new[Action.APPROVE])
    assert "follows what you said" in texts(mine)
    await harness.press(BOB, new[Action.APPROVE])
    await harness.work()
    assert [call.arguments for call in harness.world.done] == ['{"title":"P.S."}']


async def test_a_window_for_an_argument_that_there_is_not_does_not_open(harness: ChatServiceHarness) -> None:
    _, ids = await waiting(harness)
    for choice in ("", "0.7", "9.0", "x"):
        answer = await harness.say(PressButton(button=ids[Action.EDIT], message="m-1", choice=choice), ALICE)
        assert isinstance(answer.reply, Private), choice
        assert "button" in texts(answer)


async def test_an_approval_is_taken_back_by_a_button(harness: ChatServiceHarness) -> None:
    harness.write("team", ANYONE)
    run, ids = await waiting(harness)
    assert Action.WITHDRAW not in ids
    await harness.press(ALICE, ids[Action.APPROVE])
    ids = await harness.shown(run)
    before = harness.snapshot()
    await is_refused(harness, await harness.press(BOB, ids[Action.WITHDRAW]), before, "nothing to withdraw")
    await harness.press(ALICE, ids[Action.WITHDRAW])
    state = await harness.people.state(run)
    assert isinstance(state, s.AwaitingDecision)
    assert state.approvals == ()


async def test_what_is_neither_destructive_nor_much_is_not_asked_for_once_more(harness: ChatServiceHarness) -> None:
    run, ids = await waiting(harness)
    assert (await harness.say(PressButton(button=ids[Action.APPROVE], message="m-1"), ALICE)).reply == Nothing()
    assert isinstance(await harness.people.state(run), s.Executing)
    told = texts(await harness.say(PressButton(button=ids[Action.APPROVE], message="m-1"), BOB))
    assert told.strip() == f"alice has already decided, {harness.clock.now().isoformat()}: running."


async def test_a_button_of_another_message_is_refused_before_anything_is_asked(harness: ChatServiceHarness) -> None:
    _, ids = await waiting(harness)
    for action in (Action.REJECT, Action.APPROVE, Action.DETAILS):
        for place, message in ((RANDOM, "m-1"), (GENERAL, "m-2")):
            answer = await harness.say(PressButton(button=ids[action], message=message), ALICE, place)
            assert isinstance(answer.reply, Private)
            assert ("no such button here" if place is RANDOM else "out of date") in texts(answer)


async def test_a_refused_click_that_is_delivered_again_is_on_record_once(harness: ChatServiceHarness) -> None:
    _, ids = await waiting(harness)
    for _ in range(2):
        await harness.press(ALICE, ids[Action.APPROVE], place=RANDOM, event_id="i-1")
    assert harness.audit == [("u-alice", "refused no_button")]


async def test_of_fifty_clicks_at_once_one_decides(harness: ChatServiceHarness) -> None:
    run, ids = await waiting(harness)
    people = [Person(tenant="here", id=f"u-{number}", name=f"n{number}", roles=("ops",)) for number in range(50)]

    async def click(number: int) -> Answer:
        action = Action.APPROVE if number % 2 else Action.REJECT
        return await harness.press(people[number], ids[action], text="no", event_id=f"i-{number}")

    async with asyncio.timeout(30):
        answers = await asyncio.gather(*(click(number) for number in range(50)))
    kinds = Counter(harness.log.kinds(run))
    assert kinds["approval_given"] + kinds["plan_rejected"] == 1
    told = Counter(texts(each).strip() for each in answers)
    assert told.pop("") == 1
    (sentence,) = told
    assert re.fullmatch(r"n\d+ has already decided, \S+: (running|rejected)\.", sentence), sentence
    assert set(harness.refusals(run)) == {"already_decided"}
    await harness.work()
    assert len(harness.world.done) == kinds["approval_given"]


async def test_a_wanted_change_makes_another_plan_and_the_old_buttons_say_so(harness: ChatServiceHarness) -> None:
    run, old = await waiting(harness)
    before = harness.snapshot()
    await is_refused(harness, await harness.press(ALICE, old[Action.CHANGE], text=" "), before, "Say what should be")
    await harness.press(ALICE, old[Action.CHANGE], text="Shorter.")
    await harness.work()
    new = await harness.shown(run)
    assert harness.store.buttons[new[Action.APPROVE]].digest != harness.store.buttons[old[Action.APPROVE]].digest
    before = harness.snapshot()
    reply = await harness.press(ALICE, old[Action.APPROVE])
    await is_refused(harness, reply, before, "This plan was replaced by a newer one.")
    await harness.press(BOB, new[Action.APPROVE])
    await harness.work()
    assert [call.arguments for call in harness.world.done] == ['{"title":"shorter"}']


async def test_another_agents_plan_is_proposed_and_needs_its_own_approval(harness: ChatServiceHarness) -> None:
    harness.write("team", PAIR)
    run, ids = await waiting(harness)
    before = harness.snapshot()
    for text in ("", "9", "../2", "²", "2" * 30):
        await is_refused(
            harness, await harness.press(ALICE, ids[Action.CHOOSE], text=text), before, "nothing to decide"
        )
    await is_refused(harness, await harness.press(MALLORY, ids[Action.CHOOSE], text="2"), before, "Only ops")
    await harness.press(ALICE, ids[Action.CHOOSE], text="2")
    new = await harness.shown(run)
    assert new[Action.APPROVE] != ids[Action.APPROVE]
    await harness.press(ALICE, ids[Action.APPROVE])
    assert isinstance(await harness.people.state(run), s.AwaitingDecision)
    await is_refused(
        harness, await harness.press(ALICE, new[Action.APPROVE]), harness.snapshot(), "follows what you said"
    )
    await harness.press(BOB, new[Action.APPROVE])
    await harness.work()
    assert [call.arguments for call in harness.world.done] == ['{"title":"from two"}']


async def test_a_plan_past_its_time_expires_whoever_clicks(harness: ChatServiceHarness) -> None:
    run, ids = await waiting(harness)
    harness.clock.tick(days=2)
    assert "This plan has expired" in texts(await harness.press(ALICE, ids[Action.APPROVE]))
    assert isinstance(await harness.people.state(run), s.Expired)
    again = await harness.press(BOB, (await harness.shown(run))[Action.ASK_AGAIN], event_id="i-2")
    assert again.run != run
    request = (await harness.people.state(again.run)).request
    assert (request.prompt, request.requester) == ("Post hello.", BOB)


async def test_details_are_for_everybody_who_sees_the_card(harness: ChatServiceHarness) -> None:
    _, ids = await waiting(harness)
    before = harness.snapshot()
    assert "Post it." in texts(await harness.press(MALLORY, ids[Action.DETAILS]))
    assert harness.snapshot() == before
    assert harness.audit == []


# --- doubts -----------------------------------------------------------------------------------------------------------


def unsure(_: object) -> ToolOutput:
    raise CallOutcomeUnknownError(Text("the server stopped answering"))


async def in_doubt(harness: ChatServiceHarness, *, times: int = 1) -> tuple[str, dict[Action, str]]:
    harness.world.behaviours = [unsure] * times
    run, ids = await waiting(harness)
    await harness.press(ALICE, ids[Action.APPROVE])
    await harness.work()
    return run, await harness.shown(run)


async def test_a_doubt_is_settled_by_an_approver_alone(harness: ChatServiceHarness) -> None:
    run, ids = await in_doubt(harness)
    before = harness.snapshot()
    await is_refused(harness, await harness.press(MALLORY, ids[Action.HAPPENED]), before, "Only ops can decide")
    await harness.press(ALICE, ids[Action.HAPPENED])
    await harness.work()
    assert isinstance(await harness.people.state(run), s.Finished)
    assert harness.world.done == []


async def test_a_word_about_one_doubt_says_nothing_about_the_next_one(harness: ChatServiceHarness) -> None:
    run, first = await in_doubt(harness, times=2)
    await harness.press(ALICE, first[Action.RUN_IT])
    await harness.work()
    second = await harness.shown(run)
    before = harness.snapshot()
    for action in (Action.HAPPENED, Action.RUN_IT, Action.ABANDON):
        await is_refused(harness, await harness.press(ALICE, first[action]), before, "an earlier call")
    assert harness.audit == 3 * [("u-alice", "refused older_doubt")]
    await harness.press(ALICE, second[Action.RUN_IT])
    await harness.work()
    assert len(harness.world.done) == 1
    assert "no call with an unknown outcome" in texts(await harness.press(ALICE, second[Action.RUN_IT]))


# --- cancelling by name -----------------------------------------------------------------------------------------------


async def test_a_refused_cancel_names_people_as_the_card_does_in_every_language(tmp_path: Path) -> None:
    harness = ChatServiceHarness(tmp_path)
    run = await harness.ask()
    before, wakes = harness.snapshot(), harness.wakes
    with speaking(GERMAN):
        reply = await harness.cancel(MALLORY, GENERAL, run)
    await is_refused(harness, reply, before, "Diesen Lauf abbrechen dürfen nur rita, jemand,")
    assert harness.refusals(run) == ["not_yours"]
    assert harness.wakes == wakes + 1
    assert run in texts(await harness.cancel(REQUESTER, RANDOM, run[:4]))
    assert isinstance(await harness.people.state(run), s.Cancelled)
    with speaking(GERMAN):
        assert "Es gibt nichts abzubrechen: abgebrochen." in texts(await harness.cancel(REQUESTER, GENERAL, run))


async def test_a_refusal_names_the_approvers_though_the_run_has_moved_on_since() -> None:
    """Between the refusal and the look at the run, somebody else may have decided."""
    log = approved()
    plan = plan_in(log)
    request = log[0].event
    assert request.kind == "run_requested"
    error = RefusedError("not_an_approver", Text("Only ops can decide on this plan."))
    states = [
        s.Rejected(request=request, plan=plan, by=BOB, reason=""),
        s.Expired(request=request, plan=plan),
        s.Reporting(request=request, plan=plan, approvals=(), receipts=()),
        s.Finished(request=request, plan=plan, approvals=(), receipts=(), report=None),
        s.Cancelled(request=request, by=BOB, reason=""),
        s.Queued(request=request),
    ]
    for state in states:
        line = refusal_line(error, state=state)
        said = "".join(getattr(piece, "text", "") or getattr(piece, "name", "") for piece in line)
        assert said == "Only ops can decide on this plan."


async def test_an_agents_question_is_answered_by_a_button_and_a_window_by_the_requester_alone(
    harness: ChatServiceHarness,
) -> None:
    started = await harness.start_run(REQUESTER, GENERAL, "Post hello.")
    run = started.run
    asked = e.QuestionAsked(agent=1, number=1, text="Which channel?", until=harness.clock.now() + timedelta(minutes=5))
    state = await harness.people.state(run)
    for seq, event in enumerate((e.DeliberationStarted(revision=1), asked), 1):
        await harness.log.append(run, seq, [event], harness.clock.now(), state)
    ids = await harness.shown(run)
    asks = await harness.say(PressButton(button=ids[Action.ANSWER], message="m-1"), REQUESTER, GENERAL)
    assert asks.reply == AskForText(TextForm(asks="answer", is_required=True), run)
    for say in (
        harness.say(PressButton(button=ids[Action.ANSWER], message="m-1"), ALICE),
        harness.press(ALICE, ids[Action.ANSWER], text="The first."),
    ):
        assert "only they can answer" in texts(await say)
    assert (await harness.press(REQUESTER, ids[Action.ANSWER], text="The second.")).reply == Nothing()
    after = await harness.people.state(run)
    assert isinstance(after, s.Deliberating)
    assert after.questions[0].answer == "The second."
    assert "No agent is waiting" in texts(await harness.press(REQUESTER, ids[Action.ANSWER], text="Or the first."))
    assert Action.ANSWER not in await harness.shown(run)
