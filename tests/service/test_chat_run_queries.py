"""Looking at runs: everybody sees what is their business where they are, whole, and nothing of anybody else's."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.chat.platform import ChannelRef
from bot.chat.service_port import CancelThread, FollowUp, Nothing, Pages, ShowPlan
from bot.message import Action, CallList
from coordination.domain.policy import Person
from coordination.ports import ToolOutput
from tests.builders import ALICE, BOB, MALLORY, REQUESTER
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

LONG = "ä" * 3_000


@pytest.fixture
def harness(tmp_path: Path) -> ChatServiceHarness:
    return ChatServiceHarness(tmp_path)


async def everything_about(
    harness: ChatServiceHarness, by: Person, run: str, *, place: ChannelRef = GENERAL
) -> list[str]:
    """What each way of looking at a run, or acting on it, answers."""
    pages = await harness.details(by, place, run)
    answers: list[Answer] = [
        await harness.show(by, place, run),
        await harness.retry(by, place, run),
        await harness.cancel(by, place, run),
    ]
    return [*(texts(page) for page in pages), *(texts(answer) for answer in answers)]


def run_shown(answer: Answer) -> str:
    """The run that a card names."""
    assert answer.private is not None
    return next(piece.text for piece in answer.private.footer if getattr(piece, "text", "").startswith("RUN"))  # type: ignore[union-attr]  # a text


@pytest.mark.parametrize("run", ["RUN1", "run", "R"])
async def test_a_run_of_another_channel_is_not_there_for_strangers(harness: ChatServiceHarness, run: str) -> None:
    """Neither to look at, nor to stop, nor to ask again; not even as one of several with names that begin so."""
    await harness.ask("The secret plan")
    await harness.ask("Another secret plan")
    before = harness.snapshot()
    for by, place in (
        (MALLORY, RANDOM),
        (ALICE, RANDOM),
        (replace(REQUESTER, tenant="elsewhere"), ELSEWHERE),
        (replace(ADMIN, tenant="elsewhere"), ELSEWHERE),
        (replace(ADMIN, tenant="elsewhere"), GENERAL),
    ):
        for answer in await everything_about(harness, by, run, place=place):
            assert answer.strip() == f"There is no run {run} here."
    assert harness.snapshot() == before


async def test_a_run_is_seen_in_its_channel_by_its_requester_and_by_administrators(harness: ChatServiceHarness) -> None:
    run = await harness.ask()
    for by, place in ((MALLORY, GENERAL), (REQUESTER, RANDOM), (ADMIN, RANDOM), (NAMED_ADMIN, RANDOM)):
        reply = await harness.show(by, place, run)
        assert run_shown(reply) == run
        assert "Post hello." in texts(reply)
        assert reply.private is not None
        assert (reply.private.buttons, reply.private.menus) == ((), ())


async def test_several_runs_that_begin_so_are_named_as_far_as_one_may_see_them(harness: ChatServiceHarness) -> None:
    here = await harness.ask()
    there = await harness.ask(place=RANDOM, by=BOB)
    assert run_shown(await harness.show(MALLORY, GENERAL, "RUN")) == here
    assert run_shown(await harness.show(BOB, RANDOM, "RUN")) == there
    said = texts(await harness.show(ADMIN, GENERAL, "run"))
    assert f"{here}, {there}" in said
    assert run_shown(await harness.show(ADMIN, GENERAL, here.lower())) == here


@pytest.mark.parametrize("run", ["", "   ", "%", "_", "RUN1' --", "\0", "x" * 500, "\u202e1NUR"])
async def test_a_name_that_no_run_has_finds_none(harness: ChatServiceHarness, run: str) -> None:
    await harness.ask()
    said = texts(await harness.show(ADMIN, GENERAL, run))
    assert said.startswith("\nThere is no run ")
    assert len(said) < 100
    assert "\u202e" not in said


async def test_the_table_shows_who_did_what_in_which_round(harness: ChatServiceHarness) -> None:
    run = await harness.ask()
    said = texts(await harness.show(MALLORY, GENERAL, run))
    assert "round 1" in said
    assert "agent1 " in said


async def test_lists_show_the_newest_runs_of_this_channel_or_ones_own(harness: ChatServiceHarness) -> None:
    await harness.ask("First here")
    harness.clock.tick(minutes=1)
    await harness.ask("Elsewhere", place=RANDOM)
    harness.clock.tick(minutes=1)
    run = await harness.ask("Second here", by=BOB)

    async def prompts(by: Person, **wanted: bool) -> list[str]:
        said = texts(await harness.runs(by, GENERAL, **wanted))
        return [line.split("“")[1].split("”")[0] for line in said.splitlines() if "“" in line]

    assert await prompts(MALLORY) == ["Second here", "First here"]
    assert await prompts(REQUESTER, mine=True) == ["Elsewhere", "First here"]
    assert await prompts(MALLORY, mine=True) == []
    await harness.cancel(BOB, GENERAL, run)
    assert await prompts(MALLORY, waiting=True) == ["First here"]
    assert "There are no runs." in texts(await harness.runs(MALLORY, replace(GENERAL, channel="empty")))
    stranger = replace(REQUESTER, tenant="elsewhere")
    assert "There are no runs." in texts(await harness.runs(stranger, ELSEWHERE))
    assert "There are no runs." in texts(await harness.runs(MALLORY, replace(GENERAL, channel="")))


async def test_the_pages_of_a_plan_hold_every_argument_whole(harness: ChatServiceHarness) -> None:
    calls = "".join(
        f"              {{tool: board.post, arguments: {{title: 'n{number}', body: '{LONG} end {number}'}}}},\n"
        for number in range(12)
    )
    text = TEAM.replace('{tool: board.post, arguments: {title: "{prompt}"}}', f"\n{calls}              ", 1)
    harness.hub.tools[1] = replace(
        harness.hub.tools[1],
        input_schema={"type": "object", "properties": {"title": {"type": "string"}, "body": {"type": "string"}}},
    )
    harness.write("team", text)
    run = await harness.ask()
    pages = await harness.details(MALLORY, GENERAL, run)
    assert "Post it." in texts(pages[0])
    assert {each.name for each in pages[0].attachments} == {"plan.md", "plan.json"}
    items = [
        call for page in pages for section in page.sections if isinstance(section, CallList) for call in section.calls
    ]
    assert [call.number for call in items] == list(range(1, 13))
    for number, call in enumerate(items):
        assert {each.name: each.text for each in call.arguments} == {
            "title": f"n{number}",
            "body": f"{LONG} end {number}",
        }
    assert all(not page.buttons and not page.menus for page in pages)


async def test_a_run_without_a_plan_has_one_page(harness: ChatServiceHarness) -> None:
    reply = await harness.start_run(REQUESTER, GENERAL, "Go.")
    assert len(await harness.details(MALLORY, GENERAL, reply.run)) == 1


# --- one's own page ---------------------------------------------------------------------------------------------------


async def test_home_shows_what_waits_for_one_by_name_ones_own_runs_and_the_months_use(
    harness: ChatServiceHarness,
) -> None:
    await harness.ask("For ops")
    harness.write("team", TEAM.replace("approval: {approvers: {roles: [ops]}}", ""))
    await harness.ask("For anyone", by=BOB)
    home = texts(await harness.home(ALICE))
    waiting, _, rest = home.partition("Requested by you")
    assert "For ops" in waiting
    assert "For anyone" not in home
    assert "team applies here: nothing else was set." in rest
    assert "2 runs · 21k tokens · $0.50" in rest
    assert harness.spending.asked == [(harness.clock.now().replace(day=1, hour=0, minute=0), "here")]
    own = texts(await harness.home(BOB)).partition("Requested by you")[2]
    assert "For anyone" in own
    assert "Nothing is waiting for you." in texts(await harness.home(MALLORY))
    stranger = texts(await harness.home(replace(ALICE, tenant="elsewhere")))
    assert "For" not in stranger.replace("Waiting for you", "")
    assert "0 runs" in stranger


async def test_a_plan_that_expired_waits_for_nobody(harness: ChatServiceHarness) -> None:
    await harness.ask("For ops")
    harness.clock.tick(days=2)
    assert "Nothing is waiting for you." in texts(await harness.home(ALICE))


async def test_home_shows_the_servers_configuration_or_that_there_is_none(harness: ChatServiceHarness) -> None:
    await harness.admin("config-use", name="team", scope="server")
    assert "team applies here: it was set for all channels." in texts(await harness.home(MALLORY))
    (harness.folder / "team.yaml").unlink()
    assert "No configuration is set here yet." in texts(await harness.home(MALLORY))


# --- help -------------------------------------------------------------------------------------------------------------


async def test_help_says_what_this_is_with_an_example_and_who_approves_here(harness: ChatServiceHarness) -> None:
    said = texts(await harness.help(MALLORY, GENERAL))
    assert "exactly what people approve is done" in said
    assert "/massgen Post a summary" in said
    assert "team applies here" in said
    assert "ops" in said.splitlines()[-1]
    await harness.admin("approvers", value="@leads")
    assert "leads" in texts(await harness.help(MALLORY, GENERAL))


async def test_help_without_a_configuration_says_who_chooses_one(harness: ChatServiceHarness) -> None:
    (harness.folder / "team.yaml").unlink()
    said = texts(await harness.help(MALLORY, GENERAL))
    assert "An administrator can choose one" in said
    harness.write("team", "agents: [}")
    assert str(harness.folder) not in texts(await harness.help(MALLORY, GENERAL))


async def test_a_thread_stands_for_the_run_that_it_belongs_to(harness: ChatServiceHarness) -> None:
    run = await harness.ask()
    await harness.shown(run)
    stranger, there = replace(REQUESTER, tenant="elsewhere"), replace(ELSEWHERE, thread="m-1")
    for by, place in ((stranger, there), (REQUESTER, there), (REQUESTER, GENERAL)):
        for request in (FollowUp(prompt="And now?"), CancelThread()):
            assert (await harness.say(request, by, place)).reply == Nothing()
    here = replace(GENERAL, thread="m-1")
    assert run in texts(await harness.say(CancelThread(), REQUESTER, here))
    follow_up = (await harness.say(FollowUp(prompt="And now?"), REQUESTER, here)).run
    assert [each.prompt for each in (await harness.people.state(follow_up)).request.history] == ["Post hello."]


# --- a plan that waits for somebody -----------------------------------------------------------------------------------

HOME = replace(GENERAL, channel="")


async def decision(harness: ChatServiceHarness, by: Person, run: str, place: ChannelRef = HOME) -> dict[Action, str]:
    """What somebody may decide on a plan where they opened it, and the ids of those buttons."""
    reply = (await harness.say(ShowPlan(run=run), by, place)).reply
    assert isinstance(reply, Pages)
    if reply.decision is None or reply.decision.ids is None:
        return {}
    return {each.action: reply.decision.ids.id_for(each.action) for each in reply.decision.card.buttons}


async def test_whoever_may_decide_does_so_at_home_and_what_they_may_not_is_not_offered(
    harness: ChatServiceHarness,
) -> None:
    run = await harness.ask()
    await harness.shown(run)
    ids = await decision(harness, ALICE, run)
    assert set(ids) == {Action.APPROVE, Action.REJECT, Action.CHANGE, Action.DETAILS}
    assert await decision(harness, ALICE, run) == ids, "another look issues nothing new"
    assert Action.APPROVE not in await decision(harness, REQUESTER, run)
    assert await decision(harness, ALICE, run, GENERAL) == {}
    before = harness.snapshot()
    elsewhere = replace(ALICE, tenant="elsewhere")
    for by, place in ((BOB, HOME), (ALICE, GENERAL), (elsewhere, replace(HOME, tenant="elsewhere"))):
        said = texts(await harness.press(by, ids[Action.APPROVE], place=place, message=""))
        assert "no such button" in said
    assert harness.snapshot() == before
    said = texts(await harness.press(ALICE, ids[Action.APPROVE], place=HOME, message=""))
    assert f"Your decision is saved. Run {run}: running." in said
    assert (await harness.people.state(run)).kind == "executing"
    assert "decided" in texts(await harness.press(ALICE, ids[Action.REJECT], place=HOME, message=""))
    assert await decision(harness, ALICE, run, replace(HOME, channel=GENERAL.channel)) == {}


async def test_a_decision_at_home_is_on_the_plan_that_was_shown_and_for_whom_it_still_waits(
    harness: ChatServiceHarness,
) -> None:
    run = await harness.ask()
    await harness.shown(run)
    ids = await decision(harness, ALICE, run)
    lost = replace(ALICE, roles=())
    said = texts(await harness.press(lost, ids[Action.APPROVE], place=HOME, message=""))
    assert f"There is no run {run} here" in said
    await harness.press(BOB, (await harness.shown(run))[Action.CHANGE], text="Shorter.")
    await harness.work()
    said = texts(await harness.press(ALICE, ids[Action.APPROVE], place=HOME, message=""))
    assert "was replaced by a newer one" in said
    assert (await harness.people.state(run)).kind == "awaiting_decision"


async def test_what_was_asked_for_in_a_private_thread_is_decided_there_alone(harness: ChatServiceHarness) -> None:
    inside = replace(GENERAL, channel="t-9", thread="t-9", within=GENERAL.channel)
    run = await harness.ask(place=inside)
    assert await decision(harness, REQUESTER, run) == {}


async def test_whom_a_waiting_plan_names_reads_all_of_it_at_home_and_nobody_else_does(
    harness: ChatServiceHarness,
) -> None:
    run = await harness.ask()
    assert len(await harness.details(ALICE, HOME, run)) > 1
    for by, place, name in (
        (MALLORY, HOME, run),
        (ALICE, RANDOM, run),
        (ALICE, replace(HOME, tenant="elsewhere"), run),
        (ALICE, HOME, run[:-1]),
    ):
        (refused,) = await harness.details(by, place, name)
        assert "There is no run" in texts(refused)


async def test_a_plan_of_a_private_thread_is_read_there_alone(harness: ChatServiceHarness) -> None:
    place = replace(GENERAL, channel="secret", thread="secret", within="general")
    run = await harness.ask(place=place)
    (refused,) = await harness.details(ALICE, HOME, run)
    assert "There is no run" in texts(refused)
    assert len(await harness.details(ALICE, place, run)) > 1


async def test_the_rows_of_lists_and_of_the_home_lead_to_what_came_of_a_run(harness: ChatServiceHarness) -> None:
    run, waiting = await harness.ask(), await harness.ask("Wait.")
    harness.world.behaviours.append(lambda _: ToolOutput(text='{"url":"https://board.test/7"}'))
    await harness.press(ALICE, (await harness.shown(run))[Action.APPROVE])
    await harness.work()
    assert (await harness.people.state(run)).kind == "finished"
    for shown in (await harness.runs(BOB, GENERAL), await harness.home(REQUESTER)):
        text = repr(shown.private)
        assert text.count("https://board.test/7") == 1
        assert text.index("https://board.test/7") > text.index(run)
        assert waiting in text
