"""Break-glass in a chat: a window for the reason and a box to tick, for those whom the configuration names."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.chat.platform import ChannelRef
from bot.chat.service_port import AskForText, ListRuns, Pages, PressButton, ShowPlan, SubmitText
from bot.message import Action
from coordination.domain import states as s
from coordination.domain.break_glass import LONGEST_REASON
from coordination.domain.policy import Person
from tests.builders import ALICE, MALLORY, REQUESTER
from tests.service.chat_service_harness import GENERAL, TEAM, Answer, ChatServiceHarness, texts

EVE = Person(tenant=REQUESTER.tenant, id="u-eve", name="eve", roles=("on-call",))
ALONE = TEAM.replace("roles: [ops]}}", "roles: [ops]}, required: 2, break_glass: {roles: [on-call]}}")
WHY = "The site is down."
HOME = replace(GENERAL, channel="")


@pytest.fixture
def harness(tmp_path: Path) -> ChatServiceHarness:
    harness = ChatServiceHarness(tmp_path)
    harness.write("team", ALONE)
    return harness


async def broken(
    harness: ChatServiceHarness, button: str, by: Person = EVE, place: ChannelRef = GENERAL, /, **fields: str
) -> Answer:
    """Somebody opens the window and fills it in."""
    message = "m-1" if place.channel else ""
    answer = await harness.say(PressButton(button=button, message=message), by, place)
    if not isinstance(answer.reply, AskForText):
        return answer
    given = {"reason": WHY, "confirm": "alone", **fields}
    return await harness.say(SubmitText(button=button, message=message, fields=given), by, place)


async def test_whom_the_configuration_names_runs_the_plan_alone_and_the_card_says_so_for_good(
    harness: ChatServiceHarness,
) -> None:
    run = await harness.ask()
    assert "In an emergency, on-call can approve alone (break-glass)" in await harness.told(run)
    button = (await harness.shown(run))[Action.BREAK_GLASS]
    assert (await broken(harness, button)).private is None
    assert "eve approved this plan alone" in await harness.told(run)
    await harness.work()
    state = await harness.people.state(run)
    assert isinstance(state, s.Finished)
    assert (state.approvals, len(harness.world.done)) == ((EVE,), 1)
    assert "Break-glass: eve approved this plan alone at" in await harness.told(run)
    assert f"Reason: {WHY}" in await harness.told(run)
    listed = texts(await harness.admin("audit", value=run))
    assert "eve used break-glass: approved plan" in listed
    assert WHY in listed


async def test_the_window_has_a_field_for_the_reason_and_a_box_that_must_be_ticked(harness: ChatServiceHarness) -> None:
    button = (await harness.shown(await harness.ask()))[Action.BREAK_GLASS]
    answer = await harness.say(PressButton(button=button, message="m-1"), EVE)
    assert isinstance(answer.reply, AskForText)
    reason, confirm = answer.reply.form.fields
    assert (reason.sort, reason.most) == ("text", LONGEST_REASON)
    assert (confirm.sort, [each.label for each in confirm.options]) == (
        "confirm",
        ["I approve 1 call alone, without a second person"],
    )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"confirm": ""}, "tick the box"),
        ({"reason": ""}, "needs a reason"),
        ({"reason": " \n "}, "needs a reason"),
        ({"reason": "x" * (LONGEST_REASON + 1)}, "needs a reason of 1 to 1000 characters"),
    ],
)
async def test_without_a_reason_or_the_box_nothing_is_approved(
    harness: ChatServiceHarness, fields: dict[str, str], said: str
) -> None:
    run = await harness.ask()
    button = (await harness.shown(run))[Action.BREAK_GLASS]
    assert said in texts(await broken(harness, button, EVE, **fields))
    state = await harness.people.state(run)
    assert isinstance(state, s.AwaitingDecision)
    assert state.approvals == ()


@pytest.mark.parametrize(
    ("by", "said", "refusal"),
    [
        (ALICE, "Only on-call can use break-glass on this plan.", "not_for_break_glass"),
        (MALLORY, "Only on-call can use break-glass on this plan.", "not_for_break_glass"),
        (replace(REQUESTER, roles=("on-call",)), "someone else must use break-glass", "own_break_glass"),
    ],
)
async def test_the_window_opens_for_nobody_else_and_the_attempt_is_kept(
    harness: ChatServiceHarness, by: Person, said: str, refusal: str
) -> None:
    run = await harness.ask()
    button = (await harness.shown(run))[Action.BREAK_GLASS]
    assert said in texts(await broken(harness, button, by))
    assert harness.refusals(run) == [refusal]


async def test_the_requester_may_where_the_configuration_says_so(harness: ChatServiceHarness) -> None:
    harness.write("team", ALONE.replace("[on-call]}", "[on-call], requester: true}"))
    run = await harness.ask()
    button = (await harness.shown(run))[Action.BREAK_GLASS]
    assert (await broken(harness, button, replace(REQUESTER, roles=("on-call",)))).private is None
    assert isinstance(await harness.people.state(run), s.Executing)


async def test_lists_mark_the_plans_on_which_whoever_asks_may_use_it_and_one_has_nothing_else(
    harness: ChatServiceHarness,
) -> None:
    run = await harness.ask("Restart the site")
    other = await harness.ask("Post the menu")
    await harness.people.reject(other, (await harness.people.state(other)).plan.digest, REQUESTER, "")  # type: ignore[union-attr]  # it waits
    for by, is_marked in ((EVE, True), (ALICE, False), (MALLORY, False), (REQUESTER, False)):
        for mine in (False, True):
            listed = texts(await harness.runs(by, GENERAL, mine=mine))
            assert ("you can use break-glass" in listed) == (is_marked and not mine), (by, mine)
        only = texts(await harness.say(ListRuns(is_break_glass=True), by, GENERAL))
        assert ("Restart the site" in only) == is_marked
        assert "Post the menu" not in only
    elsewhere = replace(GENERAL, channel="random")
    assert run in texts(await harness.say(ListRuns(is_break_glass=True), EVE, elsewhere)), "it is of all channels"
    await harness.people.reject(run, (await harness.people.state(run)).plan.digest, REQUESTER, "")  # type: ignore[union-attr]  # it waits
    assert "There is no plan on which" in texts(await harness.say(ListRuns(is_break_glass=True), EVE, GENERAL))


async def test_what_is_in_a_private_thread_is_listed_only_there(harness: ChatServiceHarness) -> None:
    hidden = replace(GENERAL, channel="t-9", thread="t-9", within=GENERAL.channel)
    run = await harness.ask("Restart the site", place=hidden)
    for place, is_listed in ((GENERAL, False), (HOME, False), (hidden, True)):
        assert (run in texts(await harness.say(ListRuns(is_break_glass=True), EVE, place))) == is_listed


async def decided_at_home(harness: ChatServiceHarness, by: Person, run: str) -> dict[Action, str]:
    """The buttons of a plan on somebody's own page."""
    reply = (await harness.say(ShowPlan(run=run), by, HOME)).reply
    if not isinstance(reply, Pages) or reply.decision is None or reply.decision.ids is None:
        return {}
    return {each.action: reply.decision.ids.id_for(each.action) for each in reply.decision.card.buttons}


async def test_the_own_page_of_whoever_may_lists_the_plan_and_has_the_button(harness: ChatServiceHarness) -> None:
    run = await harness.ask("Restart the site")
    await harness.shown(run)
    assert "You can use break-glass" in (listed := texts(await harness.home(EVE)))
    assert "Restart the site" in listed
    for nobody in (MALLORY, ALICE, REQUESTER):
        assert "break-glass" not in texts(await harness.home(nobody))
    ids = await decided_at_home(harness, EVE, run)
    assert set(ids) == {Action.BREAK_GLASS, Action.DETAILS}
    assert Action.BREAK_GLASS not in await decided_at_home(harness, ALICE, run)
    assert await decided_at_home(harness, MALLORY, run) == {}
    refused = texts(await broken(harness, ids[Action.BREAK_GLASS], ALICE, HOME))
    assert "no such button" in refused
    assert isinstance(await harness.people.state(run), s.AwaitingDecision)
    await broken(harness, ids[Action.BREAK_GLASS], EVE, HOME)
    state = await harness.people.state(run)
    assert isinstance(state, s.Executing)
    assert state.break_glass_by == EVE
    assert "break-glass" not in texts(await harness.home(EVE)).partition("Requested by you")[0]


async def test_administrators_are_shown_who_may(harness: ChatServiceHarness) -> None:
    assert "In an emergency, on-call can approve alone" in texts(await harness.admin("config-show"))


async def test_cards_offer_it_only_where_the_configuration_has_it(tmp_path: Path) -> None:
    harness = ChatServiceHarness(tmp_path)
    run = await harness.ask()
    assert Action.BREAK_GLASS not in await harness.shown(run)
    assert "break-glass" not in await harness.told(run)
