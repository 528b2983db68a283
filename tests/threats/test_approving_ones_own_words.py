"""Whoever wrote a prompt or shaped a plan gives it no yes of theirs, whatever way their words took into it."""

from pathlib import Path

import pytest

from bot.message import Action
from coordination.domain import states as s
from coordination.domain.policy import Person
from tests.builders import ALICE, BOB, MALLORY
from tests.service.chat_service_harness import GENERAL, TEAM, Answer, ChatServiceHarness, texts

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
def harness(tmp_path: Path) -> ChatServiceHarness:
    return ChatServiceHarness(tmp_path)


async def planned(harness: ChatServiceHarness, reply: Answer) -> str:
    """The agents come to a plan for what was asked."""
    assert reply.run, texts(reply)
    await harness.work()
    assert isinstance(await harness.people.state(reply.run), s.AwaitingDecision)
    return reply.run


async def test_asking_again_for_another_does_not_make_their_request_ones_own(harness: ChatServiceHarness) -> None:
    """Rita may not approve what she asked for; mallory presses *Ask again*; it still is what rita asked for."""
    first = await harness.ask("Wire the money.", by=RITA)
    ids = await harness.shown(first)
    await harness.press(ALICE, ids[Action.REJECT])
    ids = await harness.shown(first)
    again = await planned(harness, await harness.press(MALLORY, ids[Action.ASK_AGAIN]))
    new = await harness.shown(again)
    assert "made this request" in texts(await harness.press(RITA, new[Action.APPROVE]))
    await harness.press(BOB, new[Action.APPROVE])
    assert isinstance(await harness.people.state(again), s.Executing)


async def test_a_follow_up_by_a_bystander_does_not_launder_the_first_request(harness: ChatServiceHarness) -> None:
    """However many follow-ups lie in between."""
    run = await harness.ask("Wire the money.", by=RITA)
    for by, prompt in ((MALLORY, "And?"), (CAROL, "Go on."), (MALLORY, "Now.")):
        run = await planned(harness, await harness.start_run(by, GENERAL, prompt, thread_of=run))
    ids = await harness.shown(run)
    for by in (RITA, CAROL):
        assert "made this request" in texts(await harness.press(by, ids[Action.APPROVE]))
    await harness.press(BOB, ids[Action.APPROVE])
    assert isinstance(await harness.people.state(run), s.Executing)


async def test_who_asked_for_the_change_does_not_approve_it(harness: ChatServiceHarness) -> None:
    """Nor does whoever asked for one before, for both are in the plan."""
    run = await harness.ask()
    for by in (ALICE, CAROL):
        ids = await harness.shown(run)
        await harness.press(by, ids[Action.CHANGE], text="Shorter.")
        await harness.work()
    ids = await harness.shown(run)
    for by in (ALICE, CAROL):
        assert "follows what you said" in texts(await harness.press(by, ids[Action.APPROVE]))
    assert harness.refusals(run) == ["own_words", "own_words"]
    await harness.press(BOB, ids[Action.APPROVE])
    assert isinstance(await harness.people.state(run), s.Executing)


async def test_who_chose_another_agents_plan_does_not_approve_it(harness: ChatServiceHarness) -> None:
    """It is their choice, not the agents'. And it stays so in what is asked for in that thread later."""
    harness.write("team", PAIR)
    run = await harness.ask()
    ids = await harness.shown(run)
    await harness.press(ALICE, ids[Action.CHOOSE], text="2")
    ids = await harness.shown(run)
    assert "follows what you said" in texts(await harness.press(ALICE, ids[Action.APPROVE]))
    await harness.press(BOB, ids[Action.REJECT])
    later = await planned(harness, await harness.start_run(MALLORY, GENERAL, "Again.", thread_of=run))
    ids = await harness.shown(later)
    assert "follows what you said" in texts(await harness.press(ALICE, ids[Action.APPROVE]))
    await harness.press(BOB, ids[Action.APPROVE])
    assert isinstance(await harness.people.state(later), s.Executing)


async def test_the_card_says_whose_yes_does_not_count(harness: ChatServiceHarness) -> None:
    """So nobody presses in vain."""
    run = await harness.ask()
    ids = await harness.shown(run)
    await harness.press(ALICE, ids[Action.CHANGE], text="Shorter.")
    await harness.work()
    reply = await harness.show(BOB, GENERAL, run)
    assert "Not by alice: this plan follows what they said" in texts(reply)


async def test_the_operator_may_let_authors_approve(harness: ChatServiceHarness) -> None:
    """`approval.allow_author` is for small teams; it says nothing of the requester."""
    harness.write("team", TEAM.replace("{roles: [ops]}}", "{roles: [ops]}, allow_author: true}"))
    run = await harness.ask(by=RITA)
    ids = await harness.shown(run)
    await harness.press(ALICE, ids[Action.CHANGE], text="Shorter.")
    await harness.work()
    ids = await harness.shown(run)
    assert "made this request" in texts(await harness.press(RITA, ids[Action.APPROVE]))
    await harness.press(ALICE, ids[Action.APPROVE])
    assert isinstance(await harness.people.state(run), s.Executing)


async def test_where_nobody_else_could_approve_a_change_is_refused_before_it_is_taken(
    harness: ChatServiceHarness,
) -> None:
    """The only approver may reject, and not talk themselves into a plan that nobody can ever approve."""
    harness.write("team", PAIR.replace("{roles: [ops]}", "{users: [u-alice]}"))
    run = await harness.ask()
    ids = await harness.shown(run)
    before = await harness.people.state(run)
    for action, text in ((Action.CHANGE, "Shorter."), (Action.CHOOSE, "2")):
        said = texts(await harness.press(ALICE, ids[action], text=text))
        assert "Nobody could approve a plan that follows your words" in said
        assert "approval.allow_author" in said
    assert await harness.people.state(run) == before
    await harness.press(ALICE, ids[Action.APPROVE])
    assert isinstance(await harness.people.state(run), s.Executing)


async def test_who_goes_on_from_the_only_approvers_request_is_told_that_nobody_can_approve(
    harness: ChatServiceHarness,
) -> None:
    """In private, and at once; a question may still be asked."""
    harness.write("team", TEAM.replace("{roles: [ops]}", "{users: [u-rita]}"))
    run = await harness.ask(by=MALLORY)
    assert (await harness.start_run(MALLORY, GENERAL, "Post this.")).private is None
    first = (await harness.start_run(RITA, GENERAL, "Post that.")).run
    assert run != first
    reply = await harness.start_run(MALLORY, GENERAL, "And now?", thread_of=first)
    assert reply.run
    assert "nobody can approve the result" in texts(reply)
    assert "approval.allow_author" in texts(reply)
