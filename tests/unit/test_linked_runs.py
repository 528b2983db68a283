"""What may follow from a run that has ended, judged again from the log alone, and what its card says of it."""

from dataclasses import replace

import pytest

from bot.cards.error_messages import plain_text
from bot.cards.linked_runs import how_to_link
from bot.cards.run_card import card_for
from bot.cards.run_view import RunView, view_of
from bot.cards.timeline import timeline_entry
from bot.i18n import GERMAN, speaking
from bot.message import Action, Alert, Card, Paragraph
from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.ballot import Answer, Election, Ending
from coordination.domain.linked_runs import link_of, offered, preset_after, request_after
from coordination.domain.plan import Failed, OutcomeUnknown, Plan, Receipt, Skipped, Succeeded
from coordination.domain.policy import Authors, Policy
from coordination.domain.preset_plan import PresetCall, PresetPlan
from coordination.domain.transitions import Recorded, evolve
from coordination.domain.undo import Undo
from coordination.errors import IllegalTransition
from tests.builders import ALICE, BOB, REQUESTER, START, STRANGER, a_call, a_plan, a_request
from tests.sample_logs import recorded, started, succeeded

CALLS = (a_call(title="a"), a_call(title="b"), a_call(title="c"))
PLAN = a_plan(*CALLS, run="7Q4K")
LEFT: tuple[Receipt, ...] = (
    Succeeded(index=0, result="posted"),
    Failed(index=1, reason="not sent: refused", nothing_happened=True),
    Skipped(index=2, reason="an earlier call failed"),
)
PRESET = PresetPlan(
    purpose="rest",
    run="7Q4K",
    digest=PLAN.digest,
    agent=1,
    calls=tuple(
        PresetCall(server="board", tool="post", arguments=call.arguments, of=index)
        for index, call in enumerate(CALLS)
        if index
    ),
)
LINK = e.RunLinked(run="NEXT", purpose="rest", by=BOB)
UNDO = Undo(server="", tool="delete", arguments='{"channel":"$.channel","message":"$result.id"}')


def finished(receipts: tuple[Receipt, ...] = LEFT) -> s.Finished:
    return s.Finished(request=a_request(), plan=PLAN, approvals=(ALICE,), receipts=receipts, report=None)


def begun(request: e.RunRequested | None = None) -> s.RunState:
    """The run that begins with the rest, at work."""
    state = evolve(None, request or replace(a_request(), preset=PRESET), START)
    state = evolve(state, e.DeliberationStarted(revision=1), START)
    for call in CALLS[1:]:
        state = evolve(state, e.ActionRecorded(agent=1, call=call), START)
    return state


def proposal(plan: Plan) -> e.PlanProposed:
    winner = Answer(agent=1, number=1, epoch=1, text="", calls=plan.calls)
    election = Election(winner=winner, votes=0, voters=0, ending=Ending.UNVOTED)
    return e.PlanProposed(plan=plan, digest=plan.digest, election=election)


REST = replace(a_plan(*CALLS[1:], run="NEXT"), text="")


def test_what_certainly_did_not_run_is_left_to_the_byte() -> None:
    assert preset_after(finished(), "rest") == PRESET
    assert offered(finished()) == ("rest",)


@pytest.mark.parametrize(
    "state",
    [
        finished((Succeeded(index=0, result=""), Succeeded(index=1, result=""), Succeeded(index=2, result=""))),
        finished((LEFT[0], Failed(index=1, reason="no such channel"), LEFT[2])),
        replace(finished(), stopped_by=REQUESTER),
        s.Rejected(request=a_request(), plan=PLAN, by=ALICE, reason=""),
        begun(),
    ],
    ids=["all done", "an error that a tool answered", "stopped", "never began", "not over"],
)
def test_otherwise_nothing_is_left(state: s.RunState) -> None:
    assert offered(state) == ()
    with pytest.raises(IllegalTransition):
        evolve(state, LINK, START)


def test_a_run_has_one_link_of_each_purpose_and_nobody_elses() -> None:
    with pytest.raises(IllegalTransition, match="another tenant"):
        evolve(finished(), replace(LINK, by=STRANGER), START)
    after = evolve(finished(), LINK, START)
    assert (link_of(after, "rest"), link_of(finished(), "rest"), link_of(begun(), "rest")) == (LINK, None, None)
    with pytest.raises(IllegalTransition, match="nothing is left"):
        evolve(after, replace(LINK, run="OTHER"), START)


@pytest.mark.parametrize(
    "end",
    [
        s.Rejected(request=replace(a_request(), preset=PRESET), plan=REST, by=ALICE, reason=""),
        s.Expired(request=replace(a_request(), preset=PRESET), plan=REST),
        s.Cancelled(request=replace(a_request(), preset=PRESET), by=REQUESTER, reason=""),
        s.RunBroken(request=replace(a_request(), preset=PRESET), reason="no server"),
    ],
)
def test_a_rest_of_which_nothing_began_is_left_for_another_run(end: s.RunState) -> None:
    assert preset_after(end, "rest") == PRESET
    assert link_of(evolve(end, LINK, START), "rest") == LINK


def test_what_ran_is_taken_back_the_last_call_first_and_what_can_not_be_is_named() -> None:
    undoable = [replace(a_call(channel=name), undo=UNDO) for name in ("a", "b", "c")]
    plan = replace(a_plan(*undoable, a_call(title="no rule"), undoable[0], undoable[1], run="7Q4K"))
    receipts: tuple[Receipt, ...] = (
        Succeeded(index=0, result='{"id":"1"}'),
        Succeeded(index=1, result='Posted.\n{"id":2}'),
        Succeeded(index=2, result="confirmed by a person", vouched_by=ALICE),
        Succeeded(index=3, result='{"id":"4"}'),
        OutcomeUnknown(index=4, reason="no answer"),
        Skipped(index=5, reason="stopped"),
    )
    state = replace(finished(receipts), plan=plan, stopped_by=ALICE)
    preset = preset_after(state, "undo")
    assert preset is not None
    assert [(each.of, each.server, each.tool, each.arguments) for each in preset.calls] == [
        (1, "board", "delete", '{"channel":"b","message":2}'),
        (0, "board", "delete", '{"channel":"a","message":"1"}'),
    ]
    assert preset.left_out == (2, 3, 4)
    assert offered(state) == ("undo",)
    after = evolve(state, replace(LINK, purpose="undo"), START)
    assert offered(after) == ()
    assert preset_after(finished(), "undo") is None


def test_the_card_of_an_undo_names_what_stays_as_it_is() -> None:
    delete = a_call("delete", message="1")
    call = PresetCall(server="board", tool="delete", arguments=delete.arguments, of=0)
    preset = replace(PRESET, purpose="undo", calls=(call,), left_out=(1, 2))
    plan = replace(a_plan(delete, run="NEXT"), text="")
    log = recorded(
        [
            replace(a_request(prompt="Post three."), preset=preset),
            e.DeliberationStarted(revision=1),
            e.ActionRecorded(agent=1, call=delete),
            proposal(plan),
        ],
        run="NEXT",
    )
    said = words(card_for(seen(log), START))
    assert "Undo “Post three.”" in said
    assert "These calls undo what run 7Q4K did, the last call first." in said
    assert "Calls 2, 3 of run 7Q4K can't be undone" in said
    done = [replace(each, undo=UNDO) for each in CALLS]
    view = seen(log_of_failed_run())
    state = finished((Succeeded(index=0, result='{"id":"1"}'), *LEFT[1:]))
    state = replace(state, plan=replace(a_plan(*done, run="7Q4K")))
    assert how_to_link(replace(view, state=state)) == how_to_link(view)
    state = replace(state, plan=a_plan(*(replace(each, undo=replace(UNDO, arguments="{}")) for each in CALLS)))
    assert [button.action for button in card_for(replace(view, state=state), START).buttons] == [
        Action.TRY_REST,
        Action.PLAN_UNDO,
        Action.DETAILS,
    ]
    assert (how_to_link(replace(view, state=state)) or "").endswith("massgen-bot undo 7Q4K")


def test_the_run_that_begins_is_asked_for_by_whoever_pressed_and_keeps_everybody_elses_words() -> None:
    authors = Authors(requester=BOB, earlier=(REQUESTER,), shapers=(ALICE,))
    request = request_after(replace(finished(), request=replace(a_request(), asked_in="general")), LINK, authors)
    assert (request.requester, request.earlier_requesters, request.earlier_shapers) == (BOB, (REQUESTER,), (ALICE,))
    assert (request.preset, request.asked_in, request.config_digest) == (PRESET, "general", "c" * 64)


def test_the_plan_of_its_calls_waits_for_people() -> None:
    assert isinstance(evolve(begun(), proposal(REST), START), s.AwaitingDecision)


@pytest.mark.parametrize(
    "event",
    [
        proposal(replace(REST, calls=CALLS[1:2])),
        proposal(replace(REST, calls=(CALLS[2], CALLS[1]))),
        proposal(replace(REST, calls=(CALLS[1], replace(CALLS[2], is_automatic=True)))),
        proposal(replace(REST, calls=(CALLS[1], replace(CALLS[2], definition="nobody recorded this")))),
        proposal(replace(REST, author="agent2.final")),
        proposal(replace(REST, policy=Policy(), tenant="elsewhere")),
        replace(proposal(REST), written_after_vote=True),
    ],
    ids=["fewer", "another order", "automatic", "not recorded", "another agent's", "another tenant's", "written anew"],
)
def test_no_other_plan_is_taken_from_it(event: e.PlanProposed) -> None:
    with pytest.raises(IllegalTransition):
        evolve(begun(), event, START)


def test_an_agents_answer_is_no_plan_that_the_run_begins_with() -> None:
    answered = evolve(begun(), e.AnswerAccepted(agent=1, number=1, epoch=1, text="x", calls=CALLS[1:]), START)
    with pytest.raises(IllegalTransition):
        evolve(answered, proposal(REST), START)


def log_of_failed_run() -> list[Recorded]:
    call_failed = e.CallFailed(
        index=1,
        server="board",
        tool="post",
        arguments=CALLS[1].arguments,
        reason="not sent: refused",
        nothing_happened=True,
    )
    request = replace(a_request(prompt="Post three."), rules_version=1)
    return recorded(
        [
            request,
            e.DeliberationStarted(revision=1),
            e.PlanProposed(plan=PLAN, digest=PLAN.digest, election=proposal(PLAN).election),
            e.ApprovalGiven(by=ALICE, digest=PLAN.digest),
            started(PLAN, 0),
            succeeded(PLAN, 0),
            started(PLAN, 1),
            call_failed,
            e.CallsSkipped(indexes=(2,), reason="an earlier call failed"),
            e.RunFinished(report=None),
        ]
    )


def seen(log: list[Recorded]) -> RunView:
    view = view_of(log)
    assert view is not None
    return view


def words(card: Card) -> str:
    """What a card says, calls aside."""
    lines = [card.title, card.reference]
    for section in card.sections:
        lines += (
            section.lines if isinstance(section, Paragraph) else [section.line] if isinstance(section, Alert) else []
        )
    return "\n".join(plain_text(line) for line in lines)


def test_the_card_of_a_failed_run_offers_the_rest_once_and_then_says_who_has_it() -> None:
    log = log_of_failed_run()
    view = seen(log)
    assert [button.action for button in card_for(view, START).buttons] == [Action.TRY_REST, Action.DETAILS]
    assert how_to_link(view) == ("Some calls of run 7Q4K did not run. Plan them again with:\n  massgen-bot rest 7Q4K")
    view = seen([*log, Recorded(run="7Q4K", seq=11, at=START, event=LINK)])
    card = card_for(view, START)
    assert [button.action for button in card.buttons] == [Action.DETAILS]
    assert "bob started run NEXT to try the calls that did not run." in words(card)
    assert how_to_link(view) is None
    entry = timeline_entry(LINK, view)
    assert entry is not None
    assert "run NEXT" in plain_text(entry.line)


def test_the_card_of_the_rest_says_where_its_calls_come_from_and_that_no_agent_planned_them() -> None:
    log = recorded([replace(a_request(prompt="Post three."), preset=PRESET)], run="NEXT")
    view = seen(log)
    entry = timeline_entry(log[0].event, view)
    assert entry is not None
    assert "rita wants the calls of run 7Q4K that did not run: run NEXT" in plain_text(entry.line)
    log += [
        Recorded(run="NEXT", seq=number, at=START, event=event)
        for number, event in enumerate(
            [
                e.DeliberationStarted(revision=1),
                *(e.ActionRecorded(agent=1, call=call) for call in CALLS[1:]),
                proposal(REST),
            ],
            2,
        )
    ]
    said = words(card_for(seen(log), START))
    assert "The rest of “Post three.”" in said
    assert "These calls of run 7Q4K did not run." in said
    assert "there was no vote" not in said
    picked = replace(REST, calls=CALLS[1:2], revision=2)
    selected = replace(proposal(picked), chosen_by=REQUESTER, revised="selected")
    log.append(Recorded(run="NEXT", seq=6, at=START, event=selected))
    assert "rita left out some of the calls." in words(card_for(seen(log), START))
    log.append(Recorded(run="NEXT", seq=7, at=START, event=e.PlanRejected(by=ALICE, digest=picked.digest)))
    assert [button.action for button in card_for(seen(log), START).buttons] == [Action.TRY_REST]
    with speaking(GERMAN):
        assert "Der Rest von „Post three.“" in words(card_for(seen(log), START))
