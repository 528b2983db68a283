"""A revision says what differs from the plan before: calls and arguments, not only that there is a new digest."""

from dataclasses import replace

import pytest

from bot.cards.error_messages import plain_text
from bot.cards.plan_diff import differences
from bot.cards.run_card import card_for
from bot.cards.run_view import view_of
from bot.message import CallList, Card, Paragraph
from coordination.domain import events as e
from coordination.domain.plan import Plan, PlannedCall
from coordination.domain.transitions import Recorded
from tests.builders import BOB, a_call, an_election
from tests.sample_logs import POST, REMOVE, plan_in, then, waiting

MINUS = "\N{MINUS SIGN}"
FIRST = a_call("post_notice", channel=5, title="Power off")


def plan_of(*calls: PlannedCall) -> Plan:
    return plan_in(waiting(*calls))


def told(before: tuple[PlannedCall, ...], after: tuple[PlannedCall, ...]) -> list[str]:
    return [plain_text(line) for line in differences(plan_of(*before), plan_of(*after))]


def revised(*calls: PlannedCall, text: str = "shorter, please") -> list[Recorded]:
    """A plan, wanted changes by bob, and the plan that came of them."""
    log = waiting()
    plan = replace(plan_in(log), revision=2, calls=calls)
    return then(
        log,
        e.ChangesRequested(by=BOB, digest=plan_in(log).digest, text=text),
        e.DeliberationStarted(revision=2),
        e.AnswerAccepted(agent=1, number=2, epoch=1, text=plan.text, calls=calls),
        e.PlanProposed(plan=plan, digest=plan.digest, election=an_election()),
    )


def card_of(log: list[Recorded]) -> Card:
    view = view_of(log)
    assert view is not None
    return card_for(view, log[-1].at)


def test_equal_calls_do_not_differ() -> None:
    assert told((POST, REMOVE), (POST, REMOVE)) == []


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ((a_call("post_notice", channel=6, title="Power off"),), ["call 1, channel: 5 → 6"]),
        ((a_call("post_notice", title="Power off"),), ["call 1, channel was removed: 5"]),
        (
            (a_call("post_notice", channel=5, title="Power off", urgent=True),),
            ["call 1, urgent is new: true"],
        ),
        ((REMOVE, FIRST), ["call 1 is new: board.remove_notice"]),
        (
            (REMOVE,),
            [
                "call 1 is new: board.remove_notice",
                "call 1 was removed: board.post_notice channel 5, title Power off",
            ],
        ),
    ],
)
def test_each_difference_is_a_line(after: tuple[PlannedCall, ...], expected: list[str]) -> None:
    assert told((FIRST,), after) == expected


def test_another_order_is_said() -> None:
    assert told((FIRST, REMOVE), (REMOVE, FIRST)) == ["the calls are in a different order"]


def test_of_a_long_text_the_lines_that_changed_are_shown() -> None:
    body = [f"line {number} of a text" for number in range(30)]
    before, after = (a_call("post_notice", body="\n".join(lines)) for lines in (body, [*body[:3], "new", *body[4:]]))
    assert told((before,), (after,)) == [
        f"call 1, body: {MINUS}17 +4 characters",
        "- line 3 of a text↵",
        "+ new↵",
    ]


def test_a_revision_says_who_changed_it_and_what_differs_before_its_calls() -> None:
    card = card_of(revised(replace(POST, arguments=FIRST.arguments)))
    first = card.sections[0]
    assert isinstance(first, Paragraph)
    assert isinstance(card.sections[1], CallList)
    lines = [plain_text(line) for line in first.lines]
    assert lines[:2] == ["Revision 2, changed by bob: “shorter, please”", "Compared with revision 1:"]
    assert "call 1, title: Power off on Friday → Power off" in lines
    assert "call 2 was removed: board.remove_notice title Old notice" in lines
    assert "call 2 was removed" in card.attachments[0].text


def test_a_revision_with_the_same_calls_says_so() -> None:
    first = card_of(revised(POST, REMOVE)).sections[0]
    assert isinstance(first, Paragraph)
    assert plain_text(first.lines[1]) == "Its calls are the same as in revision 1."


def test_a_first_plan_is_no_revision() -> None:
    assert isinstance(card_of(waiting()).sections[0], CallList)
