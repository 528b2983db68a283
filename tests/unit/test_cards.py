"""Each state of a run has its card: whole, calm, and the same for everybody."""

import json
import unicodedata
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import timedelta
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cards.error_messages import notice_for, plain_text, refusal_text
from bot.cards.run_card import card_for
from bot.cards.run_view import view_of
from bot.i18n import ENGLISH, GERMAN, Catalog, speaking
from bot.message import (
    Action,
    Alert,
    CallList,
    Card,
    Mention,
    Paragraph,
    Severity,
    Status,
    StatusList,
    StyledText,
    TextForm,
)
from coordination.domain import events as e
from coordination.domain.ballot import Ending
from coordination.domain.canonical_json import canonical
from coordination.domain.plan import short
from coordination.domain.policy import Policy, Refusal
from coordination.domain.quorums import Needs, Quorum
from coordination.domain.transitions import Recorded, replay
from coordination.errors import ConfigError, RefusedError
from coordination.text import Text
from tests.builders import ALICE, BOB, REQUESTER, START, a_call, an_election
from tests.sample_logs import (
    LATER,
    POST,
    REMOVE,
    approved,
    argued,
    asked,
    plan_in,
    proposed,
    recorded,
    started,
    succeeded,
    then,
    unknown,
    waiting,
)


def card_of(log: list[Recorded]) -> Card:
    view = view_of(log)
    assert view is not None
    return card_for(view, log[-1].at)


def texts(part: object) -> Iterator[str]:
    """Every text in a card, however deep."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, tuple):
        for item in cast("tuple[object, ...]", part):
            yield from texts(item)
    elif is_dataclass(part):
        for field in fields(part):
            yield from texts(getattr(part, field.name))


def said(card: Card) -> str:
    return "\n".join(texts(card))


def verbs(card: Card) -> list[Action]:
    return [button.action for button in card.buttons]


def calls_of(card: Card) -> CallList:
    return next(section for section in reversed(card.sections) if isinstance(section, CallList))


def test_a_run_that_waits_for_a_worker_can_be_cancelled() -> None:
    card = card_of(recorded([asked()]))
    assert (card.severity, card.status, verbs(card)) == (Severity.WORKING, "Waiting to start", [Action.CANCEL])


def test_a_running_coordination_has_one_line_per_agent() -> None:
    card = card_of(recorded(argued(POST)[:14]))
    assert card.status == "Planning"
    (section,) = card.sections
    assert isinstance(section, StatusList)
    lines = ["".join(piece.text for piece in row.line if isinstance(piece, StyledText)) for row in section.rows]
    assert lines == [
        "answered agent1.1 · vote for agent1 no longer counts: a newer answer arrived",
        "answered agent2.2",
    ]
    footer = "".join(piece.text for piece in card.footer if isinstance(piece, StyledText))
    assert footer == "round 2 · 0 of 2 votes · 13 s · 1.5k tokens · $0.02 · run 7Q4K · configuration demo"


def test_a_plan_that_waits_shows_every_call_with_every_argument() -> None:
    card = card_of(waiting())
    assert (card.severity, card.status) == (Severity.DECIDE, "Waiting for approval")
    assert [(call.number, call.server, call.tool) for call in calls_of(card).calls] == [
        (1, "board", "post_notice"),
        (2, "board", "remove_notice"),
    ]
    assert [(each.name, each.text) for each in calls_of(card).calls[0].arguments] == [
        ("body", "From 14:00 to 16:00.↵\nSave your work."),
        ("title", "Power off on Friday"),
    ]
    assert plan_in(waiting()).digest in said(card)
    assert verbs(card) == [Action.APPROVE, Action.REJECT, Action.CHANGE, Action.SELECT, Action.DETAILS]
    assert card.buttons[0].label == "Approve 2 calls"


def test_the_calls_come_first_and_what_machines_need_comes_last() -> None:
    card = card_of(waiting())
    assert isinstance(card.sections[0], CallList)
    assert plain_text(card.reference) == "requested by rita"
    plan = plan_in(waiting())
    assert plain_text(card.footer) == (
        f"1.5k tokens · $0.02 · run 7Q4K · plan {short(plan.digest)} · configuration demo · digest {plan.digest}"
    )


@pytest.mark.parametrize(
    ("tool", "effect"),
    [
        ("send_message", "sends"),
        ("chat.postMessage", "sends"),
        ("transfer", "pays"),
        ("delete_issue", "deletes"),
        ("createIssue", "creates"),
        ("get_and_set", "changes"),
        ("frobnicate", "writes"),
    ],
)
def test_what_a_call_does_is_said_in_a_persons_word(tool: str, effect: str) -> None:
    assert calls_of(card_of(waiting(a_call(tool)))).calls[0].notes == (effect,)


def test_the_operators_own_words_for_a_call_stand_before_its_arguments() -> None:
    call = replace(
        a_call("transfer", amount=120.5, to="acme", note="x" * 90), says="pays {amount} to {to}: {note} {nothing}"
    )
    card = card_of(waiting(call))
    assert calls_of(card).calls[0].notes == (f"pays 120.5 to acme: {'x' * 59}… …",)
    assert call.as_json() != replace(call, says="").as_json()
    assert "says" in json.loads(card.attachments[1].text)["calls"][0]


def test_a_call_that_a_rule_allows_says_what_it_does_all_the_same() -> None:
    call = replace(a_call("send_message"), is_automatic=True, is_destructive=True)
    assert calls_of(card_of(waiting(POST, call))).calls[1].notes == ("sends", "allowed by a rule", "may destroy")


def test_a_yes_is_only_offered_where_the_whole_plan_can_be_read() -> None:
    card = card_of(waiting())
    assert [button.action for button in card.buttons if button.needs_whole_plan] == [Action.APPROVE]
    assert [file.name for file in card.attachments] == ["plan.md", "plan.json"]


def test_every_button_is_about_the_plan_on_the_card() -> None:
    log = waiting()
    digest = plan_in(log).digest
    assert {button.target.digest for button in card_of(log).buttons} == {digest}
    assert {button.target.run for button in card_of(log).buttons} == {"7Q4K"}


def test_a_number_that_some_servers_round_is_warned_of_and_shown_whole() -> None:
    large = replace(POST, arguments=canonical({"channel": 1417773298837880907, "title": "a"}))
    told = said(card_of(waiting(POST, large)))
    assert "1417773298837880907" in told
    assert "a whole number above 9,007,199,254,740,992" in told
    assert "JavaScript" not in said(card_of(waiting(POST)))


def test_a_plan_that_was_cut_at_its_limit_says_so() -> None:
    proposal = proposed(POST)
    cut = replace(proposal, election=replace(proposal.election, winner=replace(proposal.election.winner, left_out=2)))
    alerts = [
        plain_text(each.line) for each in card_of(recorded([*argued(POST), cut])).sections if isinstance(each, Alert)
    ]
    assert alerts == [
        "This plan is incomplete: agent2 wanted 2 more calls than a plan may have here (limits.max_calls)."
    ]


def test_calls_that_are_the_same_to_the_letter_are_warned_of() -> None:
    assert "Calls 1, 3 are identical: each of them would run." in [
        plain_text(each.line) for each in card_of(waiting(POST, REMOVE, POST)).sections if isinstance(each, Alert)
    ]
    assert "identical" not in said(card_of(waiting(POST, replace(POST, tool="post"))))


def test_a_letter_of_another_alphabet_is_named_and_warned_of() -> None:
    card = card_of(waiting(POST, a_call("post_notice", link="p\u0430ypal.com")))
    alerts = [plain_text(each.line) for each in card.sections if isinstance(each, Alert)]
    assert alerts == [
        "Call 2: link has characters that look like others (U+0430 CYRILLIC SMALL LETTER A); they are shown as ⟨U+…⟩."
    ]
    assert "p⟨U+0430⟩ypal.com" in said(card)


@pytest.mark.parametrize(
    ("catalog", "expected"),
    [
        (
            ENGLISH,
            (
                "Planned without the tool server files.",
                "agent2 wanted board.move, which can't be used: it has no name.",
            ),
        ),
        (
            GERMAN,
            (
                "Ohne den Werkzeugserver files geplant.",
                "agent2 wollte board.move nutzen, das nicht verfügbar ist: it has no name.",
            ),
        ),
    ],
    ids=["en", "de"],
)
def test_a_plan_says_what_the_agents_did_without(catalog: Catalog, expected: tuple[str, str]) -> None:
    requested, began, *argument = argued(POST)
    away = e.ServerUnavailable(revision=1, server="files", reason="The MCP server files can't start: install it.")
    odd = e.ToolUnavailable(agent=2, server="board", tool="move", reason="it has no name")
    log = recorded([requested, began, away, odd, *argument, proposed(POST)])
    view = view_of(log)
    assert view is not None
    with speaking(catalog):
        alerts = [each.line for each in card_for(view, log[-1].at).sections if isinstance(each, Alert)]
    server, tool, *_ = ["".join(each.text for each in line if isinstance(each, StyledText)) for line in alerts]
    assert server == f"{expected[0]} The MCP server files can't start: install it."
    assert tool == expected[1]


def test_destructive_calls_are_named_and_asked_for_twice() -> None:
    card = card_of(waiting(POST, REMOVE))
    assert any(isinstance(section, Alert) for section in card.sections)
    confirmation = card.buttons[0].confirmation
    assert confirmation is not None
    assert confirmation.title == "1 call may destroy something"
    assert len(confirmation.lines) == 2
    assert card_of(waiting(POST)).buttons[0].confirmation is None


def test_many_calls_are_asked_for_twice() -> None:
    many = tuple(a_call("post_notice", title=f"notice {number}") for number in range(6))
    confirmation = card_of(waiting(*many)).buttons[0].confirmation
    assert confirmation is not None
    assert confirmation.title == "6 calls will run"


def test_the_other_agents_plans_can_be_chosen() -> None:
    menu = next(each for each in card_of(waiting()).menus if each.action is Action.CHOOSE)
    assert [(option.value, option.label) for option in menu.options] == [("1", "agent1: 1 call")]


def test_a_plan_that_a_person_chose_says_so_and_leaves_out_its_author() -> None:
    log = waiting()
    plan = replace(plan_in(log), revision=2, author="agent1.1", text="Post it with the times.", calls=(POST,))
    chosen = e.PlanProposed(plan=plan, digest=plan.digest, election=an_election(), chosen_by=BOB)
    card = card_of(then(log, chosen))
    prose = [section for section in card.sections if isinstance(section, Paragraph)]
    assert "bob" in [piece.name for piece in prose[0].lines[0] if isinstance(piece, Mention)]
    menu = next(each for each in card.menus if each.action is Action.CHOOSE)
    assert [option.value for option in menu.options] == ["2"]


def test_an_approval_that_is_not_enough_is_counted() -> None:
    policy = Policy(roles=("ops",), required=2)
    proposal = proposed(POST, policy=policy)
    log = recorded([*argued(POST), proposal, e.ApprovalGiven(by=ALICE, digest=proposal.digest)])
    needs = card_of(log).sections[-1]
    assert isinstance(needs, Paragraph)
    assert needs.lines[1] == (
        *[StyledText(text) for text in ("1", " of ", "2", " given: ")],
        Mention("u-alice", "alice"),
    )


@pytest.mark.parametrize("ending", list(Ending))
def test_how_the_vote_went_is_said_and_a_missing_agreement_is_an_alert(ending: Ending) -> None:
    proposal = proposed(POST)
    proposal = replace(proposal, election=replace(proposal.election, ending=ending))
    card = card_of(recorded([*argued(POST), proposal]))
    alerts = [section for section in card.sections if isinstance(section, Alert)]
    assert bool(alerts) == (ending in {Ending.DEADLINE, Ending.CAPS, Ending.UNVOTED})


def test_a_plan_that_was_written_after_the_vote_is_an_alert() -> None:
    card = card_of(recorded([*argued(POST), replace(proposed(POST), written_after_vote=True)]))
    assert any(isinstance(section, Alert) for section in card.sections)


def test_running_calls_are_marked_one_by_one() -> None:
    log = approved()
    plan = plan_in(log)
    card = card_of(then(log, started(plan, 0), succeeded(plan, 0), started(plan, 1)))
    assert (card.status, verbs(card)) == ("Running", [Action.CANCEL])
    assert [call.status for call in calls_of(card).calls] == [Status.DONE, Status.WORKING]
    stopped = then(log, started(plan, 0), e.RunCancelled(by=BOB))
    assert verbs(card_of(stopped)) == []


def test_a_doubt_shows_the_whole_call_and_three_ways_out() -> None:
    log = approved()
    plan = plan_in(log)
    card = card_of(then(log, started(plan, 0), unknown(plan, 0)))
    assert (card.severity, verbs(card)) == (Severity.ATTENTION, [Action.HAPPENED, Action.RUN_IT, Action.ABANDON])
    assert {button.target.index for button in card.buttons} == {0}
    assert "Save your work." in said(card)
    late = then(log, started(plan, 0), unknown(plan, 0), e.LateResult(index=0, succeeded=True, result="it did work"))
    assert "it did work" in said(card_of(late))


def test_a_finished_run_has_a_receipt_per_call_and_the_report() -> None:
    log = approved(POST)
    plan = plan_in(log)
    done = then(log, started(plan, 0), succeeded(plan, 0), e.RunFinished(report="All is well."))
    card = card_of(done)
    assert (card.severity, card.status, verbs(card)) == (Severity.DONE, "Done", [Action.DETAILS])
    assert "All is well." in said(card)


def test_a_finished_card_still_says_what_was_done_and_its_receipts_are_words() -> None:
    log = approved(POST, REMOVE)
    plan = plan_in(log)
    result = '{"id":123,"notice":{"link":"https://board.test/5","pinned":false,"by":null},"tags":["a","b"]}'
    done = then(
        log,
        started(plan, 0),
        succeeded(plan, 0, result),
        started(plan, 1),
        succeeded(plan, 1),
        e.RunFinished(report=None),
    )
    calls = calls_of(card_of(done))
    assert (calls.is_compact, calls.is_settled) == (False, True)
    assert [each.arguments for each in calls.calls] == [
        each.arguments for each in calls_of(card_of(waiting(POST, REMOVE))).calls
    ]
    assert plain_text(calls.calls[0].outcome) == (
        "id 123, link https://board.test/5, pinned false, tags a, tags b · 1.0 s"
    )
    assert [file.name for file in card_of(done).attachments] == ["plan.md", "plan.json"]


def test_whoever_settles_a_doubt_sees_what_the_calls_before_it_did() -> None:
    log = approved(POST, REMOVE)
    plan = plan_in(log)
    doubt = card_of(then(log, started(plan, 0), succeeded(plan, 0), started(plan, 1), unknown(plan, 1)))
    whole, others = [section for section in doubt.sections if isinstance(section, CallList)]
    assert [call.number for call in whole.calls] == [2]
    assert [(call.number, call.arguments[1].text) for call in others.calls] == [(1, "Power off on Friday")]


def test_a_second_question_has_the_arguments_of_each_call() -> None:
    confirmation = card_of(waiting(POST, REMOVE)).buttons[0].confirmation
    assert confirmation is not None
    assert plain_text(confirmation.lines[1]) == "2  board · remove_notice  title Old notice"


def test_a_run_with_a_failed_call_does_not_look_done() -> None:
    log = approved()
    plan = plan_in(log)
    call = plan.calls[0]
    failed = e.CallFailed(index=0, server="board", tool="post_notice", arguments=call.arguments, reason="hangs already")
    skipped = e.CallsSkipped(indexes=(1,), reason="an earlier call failed")
    card = card_of(then(log, started(plan, 0), failed, skipped, e.RunFinished(report=None)))
    assert (card.severity, card.status) == (Severity.FAILED, "Partly done")
    assert [call.status for call in calls_of(card).calls] == [Status.FAILED, Status.SKIPPED]


def test_an_answer_without_a_plan_is_the_outcome() -> None:
    answered = e.RunAnswered(text="It is noon.\nStill.", author="agent2.final", election=an_election())
    card = card_of(recorded([*argued(), answered]))
    assert (card.severity, card.status) == (Severity.DONE, "Answered")
    assert [section.is_quoted for section in card.sections if isinstance(section, Paragraph)] == [False, True]


def test_every_end_without_a_deed_says_that_nothing_was_done() -> None:
    log = waiting(POST)
    digest = plan_in(log).digest
    expired = [*log, Recorded(run="7Q4K", seq=log[-1].seq + 1, at=LATER, event=e.PlanExpired(digest=digest))]
    ends = {
        "Rejected": then(log, e.PlanRejected(by=BOB, digest=digest, reason="no")),
        "Expired": expired,
        "Cancelled": then(log, e.RunCancelled(by=BOB)),
        "Failed": recorded([*argued(), e.RunFailed(reason="agent1: bad key")]),
    }
    for status, log_of_end in ends.items():
        card = card_of(log_of_end)
        assert card.status == status
        assert "Nothing was done." in said(card)
        assert verbs(card) == [Action.ASK_AGAIN]


HIDING = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
NASTY = st.text(st.characters(codec="utf-8") | st.sampled_from("\u202e\u200b\x1b\n\r\t⟨@"), max_size=40)


@given(NASTY, NASTY, NASTY)
def test_no_card_holds_a_character_that_hides(prompt: str, text: str, reason: str) -> None:
    call = replace(
        POST, tool=f"tool{text}", server=f"server{prompt}", arguments=canonical({text: text, "n": {text: 1}})
    )
    events = [replace(asked(), prompt=prompt, config=text), *argued(call)[1:], e.AgentFailed(agent=1, reason=reason)]
    proposal = proposed(call, text=text)
    rejected = e.PlanRejected(by=replace(BOB, name=reason), digest=proposal.digest, reason=reason)
    for log in ([*events], [*events, proposal], [*events, proposal, rejected], [*events, e.RunFailed(reason=reason)]):
        for shown in texts(card_of(recorded(log))):
            hidden = [char for char in shown if char != "\n" and unicodedata.category(char) in HIDING]
            assert hidden == []


def test_the_same_log_gives_the_same_card() -> None:
    log = waiting()
    assert card_of(log) == card_of(list(log))
    view = view_of(log)
    assert view is not None
    assert card_for(view, START) == card_for(view, START + timedelta(days=2))


def test_a_notice_is_for_people() -> None:
    assert notice_for(RefusedError("own_request", Text("Somebody else must decide.\u202e")), "8c1f") == (
        "Somebody else must decide.⟨U+202E⟩ (ref 8c1f)"
    )
    assert notice_for(ConfigError([Text("one"), Text("two")])) == "one\ntwo"
    assert "secret" not in notice_for(ValueError("secret"), "8c1f")


def test_a_button_says_what_its_clicker_must_write_and_what_is_asked_once_more() -> None:
    """So that no chat needs to know what an action is."""
    buttons = {button.action: button for button in card_of(waiting(POST, REMOVE)).buttons}
    forms = {action: button.form for action, button in buttons.items() if button.form is not None}
    assert forms == {
        Action.REJECT: TextForm(asks="reason", is_required=False),
        Action.CHANGE: TextForm(asks="change", is_required=True),
        Action.SELECT: TextForm(asks="select", is_required=True),
    }
    confirmation = buttons[Action.APPROVE].confirmation
    assert confirmation is not None
    assert confirmation.notes == ("sends", "deletes, may destroy")
    assert len(confirmation.lines) == len(confirmation.notes)


def test_a_question_of_an_agent_stands_on_the_card_with_a_button_until_its_time_is_over() -> None:
    until = START + timedelta(minutes=5)
    question = e.QuestionAsked(agent=2, number=1, text="Which channel?", until=until)
    log = recorded([asked(), e.DeliberationStarted(revision=1), question])
    view = view_of(log)
    assert view is not None
    card = card_for(view, START)
    assert (card.buttons[0].action, card.buttons[0].target.index) == (Action.ANSWER, 1)
    assert isinstance(card.sections[0], Alert)
    assert "Which channel?" in said(card)
    assert [each.action for each in card_for(view, until).buttons] == [Action.CANCEL]
    answered = view_of(then(log, e.QuestionAnswered(number=1, by=REQUESTER, text="The second.")))
    assert answered is not None
    assert [each.action for each in card_for(answered, START).buttons] == [Action.CANCEL]


def test_a_plan_says_whom_each_call_needs_and_who_has_approved_for_whom() -> None:
    finance, ops = Quorum(roles=("finance",)), Quorum(roles=("ops",))
    calls = (replace(POST, needs=Needs(quorums=(finance, ops))), REMOVE)
    policy = Policy(quorums=(finance, ops))
    proposal = proposed(*calls, policy=policy)
    log = recorded([*argued(*calls), proposal, e.ApprovalGiven(by=ALICE, digest=proposal.digest)])
    needs = card_of(log).sections[-1]
    assert isinstance(needs, Paragraph)
    first, *rest = [plain_text(line) for line in needs.lines]
    assert first.startswith("Needs 1 of finance and 1 of ops · not by the requester · until")
    assert rest == ["1 of 2 given: ops: ✓ alice", "Call 1 needs 1 of finance and 1 of ops"]
    with speaking(GERMAN):
        again = card_of(log).sections[-1]
    assert isinstance(again, Paragraph)
    assert plain_text(again.lines[-1]) == "Aufruf 1 braucht 1 von finance und 1 von ops"


def test_a_plan_says_how_many_of_the_calls_of_a_day_it_would_make_it() -> None:
    needs = Needs(per_day=(("board.* 0123456789ab", 3),))
    calls = (replace(POST, needs=needs), REMOVE)
    log = recorded([*argued(*calls), replace(proposed(*calls), started_today=(("board.* 0123456789ab", 1),))])
    section = card_of(log).sections[-1]
    assert isinstance(section, Paragraph)
    assert plain_text(section.lines[-1]) == "board.*: 2 of 3 today with this plan"


def test_who_is_not_needed_hears_whose_approval_is_still_missing() -> None:
    policy = Policy(quorums=(Quorum(roles=("board",)), Quorum(roles=("ops",), required=2)))
    proposal = proposed(POST, policy=policy)
    state = replay(recorded([*argued(POST), proposal, e.ApprovalGiven(by=ALICE, digest=proposal.digest)]))
    error = RefusedError(Refusal.NOT_NEEDED, Text("nothing"))
    assert refusal_text(error, state).endswith("Still needed: 1 of board and 1 of ops.")
    assert refusal_text(RefusedError(Refusal.NOT_AN_APPROVER, Text("no")), state) == (
        "Only board, ops can decide on this plan."
    )
