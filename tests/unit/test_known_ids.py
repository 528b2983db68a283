"""What a look-up said of ids, as people read it beside the exact values."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.cards.error_messages import plain_text
from bot.cards.parts import call_items
from bot.cards.plan_card import plan_markdown
from bot.cards.preview_diff import previews_json, previews_of
from bot.cards.run_view import view_of
from bot.cards.text import KNOWN, visible
from coordination.domain.canonical_json import canonical
from coordination.domain.plan import Plan, PlannedCall
from coordination.domain.policy import Policy
from coordination.domain.preview import Preview, Problem, Question, Reading, digest_of
from tests.builders import START
from tests.sample_logs import waiting

LOOK_UP = Preview(
    server="",
    tool="look_up",
    arguments=canonical({"channel": "$.channel", "message": "$.message", "users": "$.mention_users"}),
    describes=True,
)


def a_plan(answer: str | None, *, length: int = 0, **arguments: str | list[str]) -> Plan:
    call = PlannedCall(
        server="chat", tool="send_message", arguments=canonical(dict(arguments)), definition="d", previews=(LOOK_UP,)
    )
    readings: tuple[Reading, ...] = ()
    asked = LOOK_UP.question("chat", call.arguments)
    if answer is not None and asked is not None:
        found = digest_of(answer, is_missing=False)
        readings = (Reading(question=asked, digest=found, text=answer, length=length or len(answer)),)
    return Plan(
        tenant="t", run="r", revision=1, author="agent1.final", text="", calls=(call,), policy=Policy(),
        expires_at=START + timedelta(hours=1), readings=readings,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ('{"author":"@mara","text":"hi\\nthere","sha256":"x"}', '"7" \u21a6 @mara: \u201chi there\u201d'),
        ('{"author":"@mara","sha256":"x"}', '"7" \u21a6 a message by @mara'),
        ("null", '"7"'),
    ],
)
def test_a_message_is_told_by_its_author_and_how_it_begins(message: str, shown: str) -> None:
    (item,) = call_items(a_plan(f'{{"message":{message}}}', message="7"))
    assert [each.text for each in item.arguments] == [shown]


def test_who_is_notified_is_said_of_the_call() -> None:
    (item,) = call_items(a_plan('{"channel":"#ops","users":["@mara","@ben"]}', channel="1", mention_users=["2", "3"]))
    assert "notifies @mara, @ben" in item.notes
    assert {each.name: each.text for each in item.arguments} == {
        "channel": '"1" \u21a6 #ops',
        "mention_users": '["2","3"] \u21a6 @mara, @ben',
    }


def test_of_a_value_on_several_lines_it_stands_below() -> None:
    people = [f"{number:019}" for number in range(3)]
    (item,) = call_items(a_plan('{"users":["@mara"]}', mention_users=people))
    assert item.arguments[0].text.endswith("\n]\n\u21a6 @mara")


def test_no_value_can_pass_for_what_was_looked_up() -> None:
    assert KNOWN not in visible(f"1 {KNOWN} #ops")
    (item,) = call_items(a_plan('{"channel":"#o\u21a6ps"}', channel=f"1 {KNOWN} #ops"))
    assert item.arguments[0].text.count(KNOWN) == 1


def test_what_was_read_but_not_kept_is_compared_and_that_is_said() -> None:
    (told,) = previews_of(a_plan("", length=30_000, channel="1"))
    assert "runs only if" in "".join(getattr(each, "text", "") for each in told.headline)


def test_a_plan_that_a_person_chose_says_that_nobody_looked() -> None:
    (told,) = previews_of(a_plan(None, channel="1"))
    assert told.is_problem
    assert list(previews_of(a_plan(None))) == []


def test_the_plans_file_says_it_too() -> None:
    view = view_of(waiting())
    assert view is not None
    assert '"1" \u21a6 #ops' in plan_markdown(view, a_plan('{"channel":"#ops"}', channel="1"))


TITLE = Preview(
    server="github",
    tool="issue_read",
    arguments=canonical({"number": "$.target.number"}),
    is_condition=True,
    describes=True,
    beside="$.target.number",
)
PERSON = replace(TITLE, tool="get_user", arguments=canonical({"id": "$.people[*]"}), beside="$.people[*]")


def described(*answers: tuple[Preview, str, Reading | str]) -> Plan:
    """A plan of one call with ids, and what was read of them by these previews with these arguments."""
    arguments = canonical({"target": {"number": 7}, "people": ["a", "b"]})
    call = PlannedCall(
        server="hub", tool="t", arguments=arguments, definition="d", previews=tuple({each: 0 for each, _, _ in answers})
    )
    readings: list[Reading] = []
    for preview, sent, answer in answers:
        asked = Question(server=preview.server, tool=preview.tool, arguments=sent)
        found = (
            Reading(question=asked, text=answer, length=len(answer), digest="d") if isinstance(answer, str) else answer
        )
        readings.append(replace(found, question=asked))
    return replace(a_plan(None), calls=(call,), readings=tuple(readings))


NOBODY = Question(server="", tool="", arguments="{}")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("Checkout\nfails", "target.number: Checkout fails"),
        (" ", 'target.number: " "'),
        (Reading(question=NOBODY, is_missing=True, digest="d"), "target.number: not found"),
        (f"a {KNOWN} b", "target.number: a ⟨U+21A6⟩ b"),
    ],
)
def test_what_another_server_says_of_an_id_stands_beside_it(answer: Reading | str, words: str) -> None:
    plan = described((TITLE, '{"number":7}', answer))
    (item,) = call_items(plan)
    (told,) = [each.text for each in item.arguments if each.name == "target"]
    assert told.partition(f"{KNOWN} ")[2] == words
    assert list(previews_of(plan)) == []


def test_of_several_ids_in_one_argument_each_is_told() -> None:
    plan = described((PERSON, '{"id":"a"}', "Ann"), (PERSON, '{"id":"b"}', "Ben"))
    (item,) = call_items(plan)
    assert "\u21a6 people[0]: Ann, people[1]: Ben" in next(
        each.text for each in item.arguments if each.name == "people"
    )


@pytest.mark.parametrize("problem", ["no_tool", "failed"])
@pytest.mark.parametrize("is_required", [False, True])
def test_an_id_of_which_another_server_says_nothing_is_told_of(problem: Problem, is_required: bool) -> None:
    preview = replace(TITLE, required=is_required)
    plan = described((preview, '{"number":7}', Reading(question=NOBODY, problem=problem, detail="away")))
    (told,) = previews_of(plan)
    words = plain_text(told.headline)
    assert told.is_problem
    assert ("won't run" in words) is is_required
    assert "github.issue_read" in words


def test_the_plans_file_for_programs_has_what_was_read_of_each_id_and_what_was_not_asked() -> None:
    plan = described((PERSON, '{"id":"a"}', "Ann"), (PERSON, '{"id":"b"}', "Ben"))
    (call,) = plan.calls
    assert [dict(each)["preview"] for each in previews_json(plan, call) if isinstance(each, dict)] == [
        PERSON.as_json()
    ] * 2
    idle = replace(call, previews=(replace(TITLE, beside="$.other"),))
    assert [each for each in previews_json(plan, idle) if isinstance(each, dict) and each["reading"] is None]
