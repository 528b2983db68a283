"""Clicks: whoever may, acts once; everybody else hears why not in private, and nothing changes but the audit."""

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from bot.cards.error_messages import refusal_line
from bot.chat.platform import Place, Said
from bot.i18n import GERMAN
from bot.message import Verb
from coordination.domain import states as s
from coordination.domain.policy import Person
from coordination.errors import RefusedError
from coordination.ports import CallOutcomeUnknownError, ToolOutput
from tests.builders import ALICE, BOB, MALLORY, REQUESTER, STRANGER
from tests.service.desking import ADMIN, ELSEWHERE, GENERAL, NAMED_ADMIN, RANDOM, TEAM, FrontOffice, texts
from tests.stories import approved, plan_in

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
def office(tmp_path: Path) -> FrontOffice:
    return FrontOffice(tmp_path)


async def waiting(office: FrontOffice) -> tuple[str, dict[Verb, str]]:
    """A plan on a card, and the ids of its buttons."""
    run = await office.ask()
    return run, await office.shown(run)


async def is_refused(office: FrontOffice, said: Said, before: object, sentence: str) -> None:
    """One private sentence, and nothing changed."""
    lines = [line for line in texts(said).splitlines() if line]
    assert len(lines) == 1, lines
    assert sentence in lines[0]
    assert office.snapshot() == before


async def test_what_an_approver_clicks_is_done_once(office: FrontOffice) -> None:
    run, ids = await waiting(office)
    assert (await office.press(ALICE, ids[Verb.APPROVE], once="i-1")) == Said(run=run)
    assert (await office.press(ALICE, ids[Verb.APPROVE], once="i-1")) == Said()
    await office.work()
    assert [call.arguments for call in office.world.done] == ['{"title":"Post hello."}']
    state = await office.people.state(run)
    assert isinstance(state, s.Finished)
    assert state.approvals == (ALICE,)
    assert office.nudges == 2


async def test_a_replayed_click_is_no_second_approval(office: FrontOffice) -> None:
    office.write("team", ANYONE)
    run, ids = await waiting(office)
    await office.press(ALICE, ids[Verb.APPROVE], once="i-1")
    before = office.snapshot()
    assert await office.press(BOB, ids[Verb.APPROVE], once="i-1") == Said()
    assert office.snapshot() == before
    said = await office.press(ALICE, ids[Verb.APPROVE], once="i-2")
    await is_refused(office, said, before, "You have approved already; 2 different people must.")
    said = await office.press(REQUESTER, ids[Verb.APPROVE])
    await is_refused(office, said, before, "You asked for this run, so somebody else must decide: anyone here.")
    assert office.refusals(run) == ["already_approved", "own_request"]


@pytest.mark.parametrize("verb", [Verb.APPROVE, Verb.REJECT, Verb.CHANGE])
async def test_who_may_not_decide_hears_who_may_and_the_attempt_is_on_record(office: FrontOffice, verb: Verb) -> None:
    run, ids = await waiting(office)
    before = office.snapshot()
    said = await office.press(MALLORY, ids[verb], text="because")
    await is_refused(office, said, before, "Only ops can decide on this plan.")
    assert office.refusals(run) == ["not_an_approver"]
    assert office.nudges == 2


@pytest.mark.parametrize("by", [MALLORY, NAMED_ADMIN, ADMIN])
async def test_an_administrator_is_no_approver_but_may_cancel(office: FrontOffice, by: Person) -> None:
    run, ids = await waiting(office)
    before = office.snapshot()
    await is_refused(office, await office.press(by, ids[Verb.APPROVE]), before, "Only ops can decide")
    said = (
        await office.press(by, ids[Verb.CANCEL]) if Verb.CANCEL in ids else await office.desk.cancel(by, GENERAL, run)
    )
    if by is MALLORY:
        await is_refused(office, said, before, "Only rita, an approver or an administrator can cancel this run.")
        assert office.refusals(run) == ["not_an_approver", "not_yours"]
    else:
        assert isinstance(await office.people.state(run), s.Cancelled)


async def test_a_click_from_another_tenant_finds_nothing_though_all_ids_are_equal(office: FrontOffice) -> None:
    _, ids = await waiting(office)
    before = office.snapshot()
    for by, place in ((STRANGER, ELSEWHERE), (STRANGER, GENERAL), (ALICE, ELSEWHERE)):
        said = await office.press(by, ids[Verb.APPROVE], place=place)
        await is_refused(office, said, before, "There is no such button here. Nothing was done.")
    assert [(each.tenant, each.by, each.what) for each in office.store.audit] == [
        ("elsewhere", "u-alice", "refused no_button"),
        ("elsewhere", "u-alice", "refused no_button"),
        ("here", "u-alice", "refused no_button"),
    ]
    assert office.store.audit[0].detail == f"{ids[Verb.APPROVE]} on m-1"


@pytest.mark.parametrize("button", ["", "x" * 5000, "b-1\0", "\u202eevorppa", "' OR 1=1 --", "RUN1", "approve"])
async def test_a_forged_id_stands_for_nothing(office: FrontOffice, button: str) -> None:
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
    office: FrontOffice, place: Place, message: str, sentence: str
) -> None:
    run, ids = await waiting(office)
    before = office.snapshot()
    said = await office.press(ALICE, ids[Verb.APPROVE], place=place, message=message)
    await is_refused(office, said, before, sentence)
    assert len(office.audit) == 1
    assert (await office.card(run)).stale == (("m-2",) if message == "m-2" else ())


async def test_an_older_card_says_so_and_is_put_right(office: FrontOffice) -> None:
    run, old = await waiting(office)
    await office.store.superseded(await office.card(run), office.clock.now())
    new = await office.shown(run, message="m-2")
    await office.store.straightened(await office.card(run), "m-1")
    before, nudges = office.snapshot(), office.nudges
    for button, message in ((old, "m-1"), (old, "m-2"), (new, "m-1")):
        said = await office.press(ALICE, button[Verb.APPROVE], message=message)
        await is_refused(office, said, before, f"This card is out of date; run {run} has a newer one.")
    assert (await office.card(run)).stale == ("m-1",)
    assert office.nudges == nudges + 3
    assert office.audit == 3 * [("u-alice", "refused superseded_card")]
    await office.press(ALICE, new[Verb.APPROVE], message="m-2")
    assert isinstance(await office.people.state(run), s.Executing)


async def test_a_click_tells_where_a_card_stands_whose_post_was_never_acknowledged(office: FrontOffice) -> None:
    run, first = await waiting(office)
    await office.store.superseded(await office.card(run), office.clock.now())
    ids = await office.shown(run, message="m-2")
    office.store.cards[run] = replace(await office.card(run), message="")
    before = office.snapshot()
    for button, message, sentence in ((first, "m-1", "This card is out of date"), (ids, "", "no such button here")):
        said = await office.press(ALICE, button[Verb.APPROVE], message=message)
        await is_refused(office, said, before, sentence)
    assert (await office.card(run)).message == ""
    assert (await office.press(ALICE, ids[Verb.APPROVE], message="m-7")).private is None
    assert (await office.card(run)).message == "m-7"
    assert isinstance(await office.people.state(run), s.Executing)


async def test_looking_at_what_a_button_stands_for_changes_nothing(office: FrontOffice) -> None:
    run, ids = await waiting(office)
    before = office.snapshot()
    press = await office.desk.peek(ids[Verb.REJECT], place=GENERAL, message="m-1")
    assert press is not None
    assert (press.run, press.verb, press.message) == (run, Verb.REJECT, "m-1")
    for place, message in ((RANDOM, "m-1"), (ELSEWHERE, "m-1"), (GENERAL, "m-2")):
        assert await office.desk.peek(ids[Verb.REJECT], place=place, message=message) is None
    assert await office.desk.peek("forged", place=GENERAL, message="m-1") is None
    assert office.snapshot() == before
    assert office.audit == []


async def test_of_fifty_clicks_at_once_one_decides(office: FrontOffice) -> None:
    run, ids = await waiting(office)
    people = [Person(tenant="here", id=f"u-{number}", name=f"n{number}", roles=("ops",)) for number in range(50)]

    async def click(number: int) -> Said:
        verb = Verb.APPROVE if number % 2 else Verb.REJECT
        return await office.press(people[number], ids[verb], text="no", once=f"i-{number}")

    async with asyncio.timeout(30):
        answers = await asyncio.gather(*(click(number) for number in range(50)))
    kinds = Counter(office.log.kinds(run))
    assert kinds["approval_given"] + kinds["plan_rejected"] == 1
    told = Counter(texts(each).strip() for each in answers)
    assert told.pop("") == 1
    assert set(told) <= {"Somebody has decided already: running.", "Somebody has decided already: rejected."}
    assert set(office.refusals(run)) == {"already_decided"}
    await office.work()
    assert len(office.world.done) == kinds["approval_given"]


async def test_a_wanted_change_makes_another_plan_and_the_old_buttons_say_so(office: FrontOffice) -> None:
    run, old = await waiting(office)
    before = office.snapshot()
    await is_refused(office, await office.press(ALICE, old[Verb.CHANGE], text=" "), before, "Say what should be")
    old_plan = await office.desk.peek(old[Verb.APPROVE], place=GENERAL, message="m-1")
    await office.press(ALICE, old[Verb.CHANGE], text="Shorter.")
    await office.work()
    new = await office.shown(run)
    new_plan = await office.desk.peek(new[Verb.APPROVE], place=GENERAL, message="m-1")
    assert old_plan is not None
    assert new_plan is not None
    assert new_plan.digest != old_plan.digest
    before = office.snapshot()
    said = await office.press(ALICE, old[Verb.APPROVE])
    await is_refused(office, said, before, "This is not the plan that waits now.")
    await office.press(BOB, new[Verb.APPROVE])
    await office.work()
    assert [call.arguments for call in office.world.done] == ['{"title":"shorter"}']


async def test_another_agents_plan_is_proposed_and_needs_its_own_approval(office: FrontOffice) -> None:
    office.write("team", PAIR)
    run, ids = await waiting(office)
    before = office.snapshot()
    for text in ("", "9", "../2", "²", "2" * 30):
        await is_refused(office, await office.press(ALICE, ids[Verb.CHOOSE], text=text), before, "nothing to decide")
    await is_refused(office, await office.press(MALLORY, ids[Verb.CHOOSE], text="2"), before, "Only ops")
    await office.press(ALICE, ids[Verb.CHOOSE], text="2")
    new = await office.shown(run)
    assert new[Verb.APPROVE] != ids[Verb.APPROVE]
    await office.press(ALICE, ids[Verb.APPROVE])
    assert isinstance(await office.people.state(run), s.AwaitingDecision)
    await is_refused(office, await office.press(ALICE, new[Verb.APPROVE]), office.snapshot(), "follows what you said")
    await office.press(BOB, new[Verb.APPROVE])
    await office.work()
    assert [call.arguments for call in office.world.done] == ['{"title":"from two"}']


async def test_a_plan_past_its_time_expires_whoever_clicks(office: FrontOffice) -> None:
    run, ids = await waiting(office)
    office.clock.tick(days=2)
    assert "This plan has expired" in texts(await office.press(ALICE, ids[Verb.APPROVE]))
    assert isinstance(await office.people.state(run), s.Expired)
    again = await office.press(BOB, (await office.shown(run))[Verb.ASK_AGAIN], once="i-2")
    assert again.run != run
    request = (await office.people.state(again.run)).request
    assert (request.prompt, request.requester) == ("Post hello.", BOB)


async def test_details_are_for_everybody_who_sees_the_card(office: FrontOffice) -> None:
    _, ids = await waiting(office)
    before = office.snapshot()
    assert "Post it." in texts(await office.press(MALLORY, ids[Verb.DETAILS]))
    assert office.snapshot() == before
    assert office.audit == []


# --- doubts -----------------------------------------------------------------------------------------------------------


def unsure(_: object) -> ToolOutput:
    raise CallOutcomeUnknownError("the server stopped answering")


async def in_doubt(office: FrontOffice, *, times: int = 1) -> tuple[str, dict[Verb, str]]:
    office.world.behaviours = [unsure] * times
    run, ids = await waiting(office)
    await office.press(ALICE, ids[Verb.APPROVE])
    await office.work()
    return run, await office.shown(run)


async def test_a_doubt_is_settled_by_an_approver_alone(office: FrontOffice) -> None:
    run, ids = await in_doubt(office)
    before = office.snapshot()
    await is_refused(office, await office.press(MALLORY, ids[Verb.HAPPENED]), before, "Only ops can decide")
    await office.press(ALICE, ids[Verb.HAPPENED])
    await office.work()
    assert isinstance(await office.people.state(run), s.Finished)
    assert office.world.done == []


async def test_a_word_about_one_doubt_says_nothing_about_the_next_one(office: FrontOffice) -> None:
    run, first = await in_doubt(office, times=2)
    await office.press(ALICE, first[Verb.RUN_IT])
    await office.work()
    second = await office.shown(run)
    before = office.snapshot()
    for verb in (Verb.HAPPENED, Verb.RUN_IT, Verb.ABANDON):
        await is_refused(office, await office.press(ALICE, first[verb]), before, "an earlier doubt")
    assert office.audit == 3 * [("u-alice", "refused older_doubt")]
    await office.press(ALICE, second[Verb.RUN_IT])
    await office.work()
    assert len(office.world.done) == 1
    assert "No call of this run waits" in texts(await office.press(ALICE, second[Verb.RUN_IT]))


# --- cancelling by name -----------------------------------------------------------------------------------------------


async def test_a_refused_cancel_names_people_as_the_card_does_in_every_language(tmp_path: Path) -> None:
    office = FrontOffice(tmp_path, words=GERMAN)
    run = await office.ask()
    before, nudges = office.snapshot(), office.nudges
    said = await office.desk.cancel(MALLORY, GENERAL, run)
    await is_refused(office, said, before, "Diesen Lauf abbrechen dürfen nur rita, jemand,")
    assert office.refusals(run) == ["not_yours"]
    assert office.nudges == nudges + 1
    assert run in texts(await office.desk.cancel(REQUESTER, RANDOM, run[:4]))
    assert isinstance(await office.people.state(run), s.Cancelled)
    assert "Es gibt nichts abzubrechen: abgebrochen." in texts(await office.desk.cancel(REQUESTER, GENERAL, run))


async def test_a_refusal_names_the_approvers_though_the_run_has_moved_on_since() -> None:
    """Between the refusal and the look at the run, somebody else may have decided."""
    log = approved()
    plan = plan_in(log)
    request = log[0].event
    assert request.kind == "run_requested"
    error = RefusedError("not_an_approver", "Only ops can decide on this plan.")
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
