"""Whoever wrote a prompt or shaped a plan gives it no yes of theirs, whatever way their words took into it."""

from pathlib import Path

import pytest

from bot.message import Action
from coordination.domain import states as s
from coordination.domain.policy import Person
from tests.builders import ALICE, BOB, MALLORY
from tests.service.chat_service_harness import GENERAL, TEAM, Answer, ChatServiceStage, texts

RITA = Person(tenant="here", id="u-rita", name="rita", roles=("ops",))
CAROL = Person(tenant="here", id="u-carol", name="carol", roles=("ops",))
PAIR = TEAM.replace(
    "mcp_servers:",
    """  - id: two
    backend:
      type: scripted
      script:
        turns: [[{calls: [{tool: board.post, arguments: {title: from two}}], answer: Mine.}], [{vote: agent1}]]
        report: [{say: It is posted.}]
mcp_servers:""",
).replace("answer: Post it.", "answer: Post it.\n          - - {vote: agent1}")


@pytest.fixture
def office(tmp_path: Path) -> ChatServiceStage:
    return ChatServiceStage(tmp_path)


async def planned(office: ChatServiceStage, reply: Answer) -> str:
    """The agents come to a plan for what was asked."""
    assert reply.run, texts(reply)
    await office.work()
    assert isinstance(await office.people.state(reply.run), s.AwaitingDecision)
    return reply.run


async def test_asking_again_for_another_does_not_make_their_request_ones_own(office: ChatServiceStage) -> None:
    """Rita may not approve what she asked for; mallory presses *Ask again*; it still is what rita asked for."""
    first = await office.ask("Wire the money.", by=RITA)
    ids = await office.shown(first)
    await office.press(ALICE, ids[Action.REJECT])
    ids = await office.shown(first)
    again = await planned(office, await office.press(MALLORY, ids[Action.ASK_AGAIN]))
    new = await office.shown(again)
    assert "asked for this run" in texts(await office.press(RITA, new[Action.APPROVE]))
    await office.press(BOB, new[Action.APPROVE])
    assert isinstance(await office.people.state(again), s.Executing)


async def test_a_follow_up_by_a_bystander_does_not_launder_the_first_request(office: ChatServiceStage) -> None:
    """However many follow-ups lie in between."""
    run = await office.ask("Wire the money.", by=RITA)
    for by, prompt in ((MALLORY, "And?"), (CAROL, "Go on."), (MALLORY, "Now.")):
        run = await planned(office, await office.start_run(by, GENERAL, prompt, thread_of=run))
    ids = await office.shown(run)
    for by in (RITA, CAROL):
        assert "asked for this run" in texts(await office.press(by, ids[Action.APPROVE]))
    await office.press(BOB, ids[Action.APPROVE])
    assert isinstance(await office.people.state(run), s.Executing)


async def test_who_asked_for_the_change_does_not_approve_it(office: ChatServiceStage) -> None:
    """Nor does whoever asked for one before, for both are in the plan."""
    run = await office.ask()
    for by in (ALICE, CAROL):
        ids = await office.shown(run)
        await office.press(by, ids[Action.CHANGE], text="Shorter.")
        await office.work()
    ids = await office.shown(run)
    for by in (ALICE, CAROL):
        assert "follows what you said" in texts(await office.press(by, ids[Action.APPROVE]))
    assert office.refusals(run) == ["own_words", "own_words"]
    await office.press(BOB, ids[Action.APPROVE])
    assert isinstance(await office.people.state(run), s.Executing)


async def test_who_chose_another_agents_plan_does_not_approve_it(office: ChatServiceStage) -> None:
    """It is their choice, not the agents'. And it stays so in what is asked for in that thread later."""
    office.write("team", PAIR)
    run = await office.ask()
    ids = await office.shown(run)
    await office.press(ALICE, ids[Action.CHOOSE], text="2")
    ids = await office.shown(run)
    assert "follows what you said" in texts(await office.press(ALICE, ids[Action.APPROVE]))
    await office.press(BOB, ids[Action.REJECT])
    later = await planned(office, await office.start_run(MALLORY, GENERAL, "Again.", thread_of=run))
    ids = await office.shown(later)
    assert "follows what you said" in texts(await office.press(ALICE, ids[Action.APPROVE]))
    await office.press(BOB, ids[Action.APPROVE])
    assert isinstance(await office.people.state(later), s.Executing)


async def test_the_card_says_whose_yes_does_not_count(office: ChatServiceStage) -> None:
    """So nobody presses in vain."""
    run = await office.ask()
    ids = await office.shown(run)
    await office.press(ALICE, ids[Action.CHANGE], text="Shorter.")
    await office.work()
    reply = await office.show(BOB, GENERAL, run)
    assert "Not by alice: this plan follows what they said" in texts(reply)


async def test_the_operator_may_let_authors_approve(office: ChatServiceStage) -> None:
    """`approval.allow_author` is for small teams; it says nothing of the requester."""
    office.write("team", TEAM.replace("{roles: [ops]}}", "{roles: [ops]}, allow_author: true}"))
    run = await office.ask(by=RITA)
    ids = await office.shown(run)
    await office.press(ALICE, ids[Action.CHANGE], text="Shorter.")
    await office.work()
    ids = await office.shown(run)
    assert "asked for this run" in texts(await office.press(RITA, ids[Action.APPROVE]))
    await office.press(ALICE, ids[Action.APPROVE])
    assert isinstance(await office.people.state(run), s.Executing)


async def test_where_nobody_else_could_approve_a_change_is_refused_before_it_is_taken(office: ChatServiceStage) -> None:
    """The only approver may reject, and not talk themselves into a plan that nobody can ever approve."""
    office.write("team", PAIR.replace("{roles: [ops]}", "{users: [u-alice]}"))
    run = await office.ask()
    ids = await office.shown(run)
    before = await office.people.state(run)
    for action, text in ((Action.CHANGE, "Shorter."), (Action.CHOOSE, "2")):
        said = texts(await office.press(ALICE, ids[action], text=text))
        assert "Nobody could approve a plan that follows your words" in said
        assert "approval.allow_author" in said
    assert await office.people.state(run) == before
    await office.press(ALICE, ids[Action.APPROVE])
    assert isinstance(await office.people.state(run), s.Executing)


async def test_who_goes_on_from_the_only_approvers_request_is_told_that_nobody_can_approve(
    office: ChatServiceStage,
) -> None:
    """In private, and at once; a question may still be asked."""
    office.write("team", TEAM.replace("{roles: [ops]}", "{users: [u-rita]}"))
    run = await office.ask(by=MALLORY)
    assert (await office.start_run(MALLORY, GENERAL, "Post this.")).private is None
    first = (await office.start_run(RITA, GENERAL, "Post that.")).run
    assert run != first
    reply = await office.start_run(MALLORY, GENERAL, "And now?", thread_of=first)
    assert reply.run
    assert "nobody can approve what they plan" in texts(reply)
    assert "approval.allow_author" in texts(reply)
