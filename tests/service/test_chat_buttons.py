"""Clicks: whoever may, acts once; everybody else hears why not in private, and nothing changes but the audit."""

import asyncio
import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.cards.error_messages import refusal_line
from bot.chat.platform import ChannelRef
from bot.chat.service_port import AskForText, AskToConfirm, Nothing, PressButton, Private
from bot.chat.store import Reposting
from bot.i18n import GERMAN, speaking
from bot.message import Action, TextForm
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
    ChatServiceStage,
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
def office(tmp_path: Path) -> ChatServiceStage:
    return ChatServiceStage(tmp_path)


async def waiting(office: ChatServiceStage) -> tuple[str, dict[Action, str]]:
    """A plan on a card, and the ids of its buttons."""
    run = await office.ask()
    return run, await office.shown(run)


async def is_refused(office: ChatServiceStage, reply: Answer, before: object, sentence: str) -> None:
    """One private sentence, and nothing changed."""
    lines = [line for line in texts(reply).splitlines() if line]
    assert len(lines) == 1, lines
    assert sentence in lines[0]
    assert office.snapshot() == before


async def test_what_an_approver_clicks_is_done_once(office: ChatServiceStage) -> None:
    run, ids = await waiting(office)
    assert (await office.press(ALICE, ids[Action.APPROVE], once="i-1")) == Answer(Nothing())
    assert (await office.press(ALICE, ids[Action.APPROVE], once="i-1")) == Answer(Nothing())
    await office.work()
    assert [call.arguments for call in office.world.done] == ['{"title":"Post hello."}']
    state = await office.people.state(run)
    assert isinstance(state, s.Finished)
    assert state.approvals == (ALICE,)
    assert office.wakes == 2


async def test_a_replayed_click_is_no_second_approval(office: ChatServiceStage) -> None:
    office.write("team", ANYONE)
    run, ids = await waiting(office)
    await office.press(ALICE, ids[Action.APPROVE], once="i-1")
    before = office.snapshot()
    assert await office.press(BOB, ids[Action.APPROVE], once="i-1") == Answer(Nothing())
    assert office.snapshot() == before
    reply = await office.press(ALICE, ids[Action.APPROVE], once="i-2")
    await is_refused(office, reply, before, "You have approved already; 2 different people must.")
    reply = await office.press(REQUESTER, ids[Action.APPROVE])
    await is_refused(office, reply, before, "You asked for this run, so somebody else must decide: anyone here.")
    assert office.refusals(run) == ["already_approved", "own_request"]


@pytest.mark.parametrize("action", [Action.APPROVE, Action.REJECT, Action.CHANGE])
async def test_who_may_not_decide_hears_who_may_and_the_attempt_is_on_record(
    office: ChatServiceStage, action: Action
) -> None:
    run, ids = await waiting(office)
    before = office.snapshot()
    reply = await office.press(MALLORY, ids[action], text="because")
    await is_refused(office, reply, before, "Only ops can decide on this plan.")
    assert office.refusals(run) == ["not_an_approver"]
    assert office.wakes == 2


@pytest.mark.parametrize("by", [MALLORY, NAMED_ADMIN, ADMIN])
async def test_an_administrator_is_no_approver_but_may_cancel(office: ChatServiceStage, by: Person) -> None:
    run, ids = await waiting(office)
    before = office.snapshot()
    await is_refused(office, await office.press(by, ids[Action.APPROVE]), before, "Only ops can decide")
    reply = (
        await office.press(by, ids[Action.CANCEL]) if Action.CANCEL in ids else await office.cancel(by, GENERAL, run)
    )
    if by is MALLORY:
        await is_refused(office, reply, before, "Only rita, an approver or an administrator can cancel this run.")
        assert office.refusals(run) == ["not_an_approver", "not_yours"]
    else:
        assert isinstance(await office.people.state(run), s.Cancelled)


async def test_a_click_from_another_tenant_finds_nothing_though_all_ids_are_equal(office: ChatServiceStage) -> None:
    _, ids = await waiting(office)
    before = office.snapshot()
    for by, place in ((STRANGER, ELSEWHERE), (STRANGER, GENERAL), (ALICE, ELSEWHERE)):
        reply = await office.press(by, ids[Action.APPROVE], place=place)
        await is_refused(office, reply, before, "There is no such button here. Nothing was done.")
    assert [(each.tenant, each.by, each.what) for each in office.store.audit] == [
        ("elsewhere", "u-alice", "refused no_button"),
        ("elsewhere", "u-alice", "refused no_button"),
        ("here", "u-alice", "refused no_button"),
    ]
    assert office.store.audit[0].detail == f"{ids[Action.APPROVE]} on m-1"


@pytest.mark.parametrize("button", ["", "x" * 5000, "b-1\0", "\u202eevorppa", "' OR 1=1 --", "RUN1", "approve"])
async def test_a_forged_id_stands_for_nothing(office: ChatServiceStage, button: str) -> None:
    run, _ = await waiting(office)
    before = office.snapshot()
    await is_refused(office, await office.press(ALICE, button), before, "There is no such button here.")
    assert office.audit == [("u-alice", "refused no_button")]
    assert len(office.store.audit[0].detail) < 100
    assert office.refusals(run) == []


@pytest.mark.parametrize(
    ("place", "message", "sentence"),
    [
        (RANDOM, "m-1", "There is no such button here."),
        (GENERAL, "m-2", "This card is out of date; run RUN1 has a newer one."),
        (GENERAL, "", "There is no such button here."),
    ],
)
async def test_an_id_counts_on_the_message_that_it_was_issued_for_alone(
    office: ChatServiceStage, place: ChannelRef, message: str, sentence: str
) -> None:
    run, ids = await waiting(office)
    before = office.snapshot()
    reply = await office.press(ALICE, ids[Action.APPROVE], place=place, message=message)
    await is_refused(office, reply, before, sentence)
    assert len(office.audit) == 1
    assert (await office.card(run)).stale == (("m-2",) if message == "m-2" else ())


async def test_an_older_card_says_so_and_is_put_right(office: ChatServiceStage) -> None:
    run, old = await waiting(office)
    await office.store.superseded(await office.card(run))
    new = await office.shown(run, message="m-2")
    await office.store.superseded_marked(await office.card(run), "m-1")
    before, wakes = office.snapshot(), office.wakes
    for button, message in ((old, "m-1"), (old, "m-2"), (new, "m-1")):
        reply = await office.press(ALICE, button[Action.APPROVE], message=message)
        await is_refused(office, reply, before, f"This card is out of date; run {run} has a newer one.")
    assert (await office.card(run)).stale == ("m-1",)
    assert office.wakes == wakes + 3
    assert office.audit == 3 * [("u-alice", "refused superseded_card")]
    await office.press(ALICE, new[Action.APPROVE], message="m-2")
    assert isinstance(await office.people.state(run), s.Executing)


async def test_a_click_tells_where_a_card_stands_whose_post_was_never_acknowledged(office: ChatServiceStage) -> None:
    run, first = await waiting(office)
    await office.store.superseded(await office.card(run))
    ids = await office.shown(run, message="m-2")
    office.store.cards[run] = replace(await office.card(run), state=Reposting())
    before = office.snapshot()
    for button, message, sentence in ((first, "m-1", "This card is out of date"), (ids, "", "no such button here")):
        reply = await office.press(ALICE, button[Action.APPROVE], message=message)
        await is_refused(office, reply, before, sentence)
    assert (await office.card(run)).message == ""
    assert (await office.press(ALICE, ids[Action.APPROVE], message="m-7")).private is None
    assert (await office.card(run)).message == "m-7"
    assert isinstance(await office.people.state(run), s.Executing)


async def test_a_click_that_needs_words_or_a_second_yes_is_asked_for_them_and_changes_nothing(
    office: ChatServiceStage,
) -> None:
    office.hub.tools[1] = replace(office.hub.tools[1], says_destructive=True)
    run, ids = await waiting(office)
    before = office.snapshot()
    for action, required in ((Action.REJECT, False), (Action.CHANGE, True)):
        reply = (await office.say(PressButton(button=ids[action], message="m-1", once="i-1"), ALICE)).reply
        assert isinstance(reply, AskForText)
        assert reply.form.is_required is required
    press = PressButton(button=ids[Action.APPROVE], message="m-1", once="i-1")
    reply = (await office.say(press, ALICE)).reply
    assert isinstance(reply, AskToConfirm)
    assert reply.question.title == "1 call may destroy something"
    assert (office.snapshot(), office.audit) == (before, [])
    assert (await office.say(replace(press, is_confirmed=True), ALICE)).reply == Nothing()
    assert isinstance(await office.people.state(run), s.Executing)


async def test_a_window_for_words_opens_only_for_those_whose_words_would_count(office: ChatServiceStage) -> None:
    run, ids = await waiting(office)
    for action in (Action.REJECT, Action.CHANGE):
        before = office.snapshot()
        reply = await office.say(PressButton(button=ids[action], message="m-1"), MALLORY)
        await is_refused(office, reply, before, "Only ops can decide on this plan.")
    assert office.refusals(run) == ["not_an_approver"] * 2


async def test_what_is_neither_destructive_nor_much_is_not_asked_for_once_more(office: ChatServiceStage) -> None:
    run, ids = await waiting(office)
    assert (await office.say(PressButton(button=ids[Action.APPROVE], message="m-1"), ALICE)).reply == Nothing()
    assert isinstance(await office.people.state(run), s.Executing)
    told = texts(await office.say(PressButton(button=ids[Action.APPROVE], message="m-1"), BOB))
    assert told.strip() == f"alice has decided already, {office.clock.now().isoformat()}: running."


async def test_a_button_of_another_message_is_refused_before_anything_is_asked(office: ChatServiceStage) -> None:
    _, ids = await waiting(office)
    for action in (Action.REJECT, Action.APPROVE, Action.DETAILS):
        for place, message in ((RANDOM, "m-1"), (GENERAL, "m-2")):
            answer = await office.say(PressButton(button=ids[action], message=message), ALICE, place)
            assert isinstance(answer.reply, Private)
            assert ("no such button here" if place is RANDOM else "out of date") in texts(answer)


async def test_a_refused_click_that_is_delivered_again_is_on_record_once(office: ChatServiceStage) -> None:
    _, ids = await waiting(office)
    for _ in range(2):
        await office.press(ALICE, ids[Action.APPROVE], place=RANDOM, once="i-1")
    assert office.audit == [("u-alice", "refused no_button")]


async def test_of_fifty_clicks_at_once_one_decides(office: ChatServiceStage) -> None:
    run, ids = await waiting(office)
    people = [Person(tenant="here", id=f"u-{number}", name=f"n{number}", roles=("ops",)) for number in range(50)]

    async def click(number: int) -> Answer:
        action = Action.APPROVE if number % 2 else Action.REJECT
        return await office.press(people[number], ids[action], text="no", once=f"i-{number}")

    async with asyncio.timeout(30):
        answers = await asyncio.gather(*(click(number) for number in range(50)))
    kinds = Counter(office.log.kinds(run))
    assert kinds["approval_given"] + kinds["plan_rejected"] == 1
    told = Counter(texts(each).strip() for each in answers)
    assert told.pop("") == 1
    (sentence,) = told
    assert re.fullmatch(r"n\d+ has decided already, \S+: (running|rejected)\.", sentence), sentence
    assert set(office.refusals(run)) == {"already_decided"}
    await office.work()
    assert len(office.world.done) == kinds["approval_given"]


async def test_a_wanted_change_makes_another_plan_and_the_old_buttons_say_so(office: ChatServiceStage) -> None:
    run, old = await waiting(office)
    before = office.snapshot()
    await is_refused(office, await office.press(ALICE, old[Action.CHANGE], text=" "), before, "Say what should be")
    await office.press(ALICE, old[Action.CHANGE], text="Shorter.")
    await office.work()
    new = await office.shown(run)
    assert office.store.buttons[new[Action.APPROVE]].digest != office.store.buttons[old[Action.APPROVE]].digest
    before = office.snapshot()
    reply = await office.press(ALICE, old[Action.APPROVE])
    await is_refused(office, reply, before, "This is not the plan that waits now.")
    await office.press(BOB, new[Action.APPROVE])
    await office.work()
    assert [call.arguments for call in office.world.done] == ['{"title":"shorter"}']


async def test_another_agents_plan_is_proposed_and_needs_its_own_approval(office: ChatServiceStage) -> None:
    office.write("team", PAIR)
    run, ids = await waiting(office)
    before = office.snapshot()
    for text in ("", "9", "../2", "²", "2" * 30):
        await is_refused(office, await office.press(ALICE, ids[Action.CHOOSE], text=text), before, "nothing to decide")
    await is_refused(office, await office.press(MALLORY, ids[Action.CHOOSE], text="2"), before, "Only ops")
    await office.press(ALICE, ids[Action.CHOOSE], text="2")
    new = await office.shown(run)
    assert new[Action.APPROVE] != ids[Action.APPROVE]
    await office.press(ALICE, ids[Action.APPROVE])
    assert isinstance(await office.people.state(run), s.AwaitingDecision)
    await is_refused(office, await office.press(ALICE, new[Action.APPROVE]), office.snapshot(), "follows what you said")
    await office.press(BOB, new[Action.APPROVE])
    await office.work()
    assert [call.arguments for call in office.world.done] == ['{"title":"from two"}']


async def test_a_plan_past_its_time_expires_whoever_clicks(office: ChatServiceStage) -> None:
    run, ids = await waiting(office)
    office.clock.tick(days=2)
    assert "This plan has expired" in texts(await office.press(ALICE, ids[Action.APPROVE]))
    assert isinstance(await office.people.state(run), s.Expired)
    again = await office.press(BOB, (await office.shown(run))[Action.ASK_AGAIN], once="i-2")
    assert again.run != run
    request = (await office.people.state(again.run)).request
    assert (request.prompt, request.requester) == ("Post hello.", BOB)


async def test_details_are_for_everybody_who_sees_the_card(office: ChatServiceStage) -> None:
    _, ids = await waiting(office)
    before = office.snapshot()
    assert "Post it." in texts(await office.press(MALLORY, ids[Action.DETAILS]))
    assert office.snapshot() == before
    assert office.audit == []


# --- doubts -----------------------------------------------------------------------------------------------------------


def unsure(_: object) -> ToolOutput:
    raise CallOutcomeUnknownError(Text("the server stopped answering"))


async def in_doubt(office: ChatServiceStage, *, times: int = 1) -> tuple[str, dict[Action, str]]:
    office.world.behaviours = [unsure] * times
    run, ids = await waiting(office)
    await office.press(ALICE, ids[Action.APPROVE])
    await office.work()
    return run, await office.shown(run)


async def test_a_doubt_is_settled_by_an_approver_alone(office: ChatServiceStage) -> None:
    run, ids = await in_doubt(office)
    before = office.snapshot()
    await is_refused(office, await office.press(MALLORY, ids[Action.HAPPENED]), before, "Only ops can decide")
    await office.press(ALICE, ids[Action.HAPPENED])
    await office.work()
    assert isinstance(await office.people.state(run), s.Finished)
    assert office.world.done == []


async def test_a_word_about_one_doubt_says_nothing_about_the_next_one(office: ChatServiceStage) -> None:
    run, first = await in_doubt(office, times=2)
    await office.press(ALICE, first[Action.RUN_IT])
    await office.work()
    second = await office.shown(run)
    before = office.snapshot()
    for action in (Action.HAPPENED, Action.RUN_IT, Action.ABANDON):
        await is_refused(office, await office.press(ALICE, first[action]), before, "an earlier doubt")
    assert office.audit == 3 * [("u-alice", "refused older_doubt")]
    await office.press(ALICE, second[Action.RUN_IT])
    await office.work()
    assert len(office.world.done) == 1
    assert "No call of this run waits" in texts(await office.press(ALICE, second[Action.RUN_IT]))


# --- cancelling by name -----------------------------------------------------------------------------------------------


async def test_a_refused_cancel_names_people_as_the_card_does_in_every_language(tmp_path: Path) -> None:
    office = ChatServiceStage(tmp_path)
    run = await office.ask()
    before, wakes = office.snapshot(), office.wakes
    with speaking(GERMAN):
        reply = await office.cancel(MALLORY, GENERAL, run)
    await is_refused(office, reply, before, "Diesen Lauf abbrechen dürfen nur rita, jemand,")
    assert office.refusals(run) == ["not_yours"]
    assert office.wakes == wakes + 1
    assert run in texts(await office.cancel(REQUESTER, RANDOM, run[:4]))
    assert isinstance(await office.people.state(run), s.Cancelled)
    with speaking(GERMAN):
        assert "Es gibt nichts abzubrechen: abgebrochen." in texts(await office.cancel(REQUESTER, GENERAL, run))


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
    office: ChatServiceStage,
) -> None:
    started = await office.start_run(REQUESTER, GENERAL, "Post hello.")
    run = started.run
    asked = e.QuestionAsked(agent=1, number=1, text="Which channel?", until=office.clock.now() + timedelta(minutes=5))
    state = await office.people.state(run)
    for seq, event in enumerate((e.DeliberationStarted(revision=1), asked), 1):
        await office.log.append(run, seq, [event], office.clock.now(), state)
    ids = await office.shown(run)
    asks = await office.say(PressButton(button=ids[Action.ANSWER], message="m-1"), REQUESTER, GENERAL)
    assert asks.reply == AskForText(TextForm(asks="answer", is_required=True), run)
    for say in (
        office.say(PressButton(button=ids[Action.ANSWER], message="m-1"), ALICE),
        office.press(ALICE, ids[Action.ANSWER], text="The first."),
    ):
        assert "only they can answer" in texts(await say)
    assert (await office.press(REQUESTER, ids[Action.ANSWER], text="The second.")).reply == Nothing()
    after = await office.people.state(run)
    assert isinstance(after, s.Deliberating)
    assert after.questions[0].answer == "The second."
    assert "No agent waits" in texts(await office.press(REQUESTER, ids[Action.ANSWER], text="Or the first."))
    assert Action.ANSWER not in await office.shown(run)
