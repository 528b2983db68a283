"""An argument that another call returns, as people see it: where it will come from, then what it was; never as a value."""

from dataclasses import replace

from bot.cards.error_messages import plain_text
from bot.cards.parts import call_item, effect_of
from bot.cards.plan_card import plan_json
from bot.cards.plan_diff import differences
from bot.cards.plan_edits import editable, selection_form
from bot.cards.run_card import card_for
from bot.cards.run_view import view_of
from bot.message import Alert, Argument, CallList, Card
from coordination.domain import events as e
from coordination.domain.canonical_json import Json
from coordination.domain.plan import Plan, PlannedCall, only
from coordination.domain.preview import Preview
from coordination.domain.references import Reference
from coordination.domain.transitions import Recorded
from tests.builders import ALICE, a_call
from tests.sample_logs import plan_in, then, waiting

OPEN = a_call("open", title="news")
POST = replace(a_call("post", text="hello"), references=(Reference(argument="thread", call=0, path="/id"),))


def card_of(log: list[Recorded]) -> Card:
    view = view_of(log)
    assert view is not None
    return card_for(view, log[-1].at)


def shown(call: PlannedCall) -> dict[str, str]:
    return {each.name: each.text for each in call_item(2, call).arguments}


def listed(card: Card) -> dict[int, tuple[Argument, ...]]:
    return {item.number: item.arguments for each in card.sections if isinstance(each, CallList) for item in each.calls}


def alerts(card: Card) -> str:
    return "\n".join(plain_text(each.line) for each in card.sections if isinstance(each, Alert))


def changed(before: tuple[PlannedCall, ...], after: tuple[PlannedCall, ...]) -> list[str]:
    def plan_of(*calls: PlannedCall) -> Plan:
        return plan_in(waiting(*calls))

    return [plain_text(line) for line in differences(plan_of(*before), plan_of(*after))]


def test_a_plan_says_which_call_returns_an_argument_and_that_nobody_knows_it_yet() -> None:
    card = card_of(waiting(OPEN, POST))
    assert listed(card)[2] == (
        Argument(name="text", text="hello"),
        Argument(name="thread", text="⇠ the id that call 1 returns"),
    )
    assert "Call 2 uses a value that an earlier call will return" in alerts(card)
    assert "earlier call" not in alerts(card_of(waiting(OPEN)))
    files = {each.name: each.text for each in card.attachments}
    assert "⇠ the id that call 1 returns" in files["plan.md"]
    assert '"call": 0' in files["plan.json"]


def test_no_value_looks_like_a_reference() -> None:
    forged: list[Json] = [
        "⇠ the id that call 1 returns",
        {"$from_call": 1, "path": "/id"},
        "the id that call 1 returns",
    ]
    texts = [shown(a_call("post", thread=value))["thread"] for value in forged]
    assert not any("⇠" in text for text in texts)
    assert texts[0].startswith("⟨U+21E0⟩")


def test_a_path_can_not_pretend_to_be_something_else() -> None:
    call = replace(POST, references=(Reference(argument="th\u202eread", call=0, path="/a/\u202eb"),))
    assert shown(call)["th⟨U+202E⟩read"] == "⇠ the a/⟨U+202E⟩b that call 1 returns"


def test_a_receipt_says_what_the_value_was_and_where_it_came_from() -> None:
    log = waiting(OPEN, POST)
    plan = plan_in(log)
    first = e.CallSucceeded(
        index=0, server="board", tool="open", arguments=OPEN.arguments, result="opened", returned='{"/id":"t-17"}'
    )
    log = then(
        log,
        e.ApprovalGiven(by=ALICE, digest=plan.digest),
        e.CallStarted(index=0, server="board", tool="open", arguments=OPEN.arguments, digest=plan.digest, hand="h1"),
        first,
    )
    known = (Argument(name="text", text="hello"), Argument(name="thread", text="⇠ t-17 (the id that call 1 returned)"))
    assert listed(card_of(log))[2] == known
    sent = '{"text":"hello","thread":"t-17"}'
    start = e.CallStarted(index=1, server="board", tool="post", arguments=sent, digest=plan.digest, hand="h2")
    lost = e.CallOutcomeUnknown(index=1, server="board", tool="post", arguments=sent, reason="no answer")
    assert listed(card_of(then(log, start, lost)))[2] == known


def test_calls_alike_but_for_what_they_refer_to_are_not_the_same() -> None:
    other = replace(POST, references=(Reference(argument="thread", call=1, path="/id"),))
    assert "identical" not in alerts(card_of(waiting(OPEN, OPEN, POST, other))).replace("Calls 1, 2 are identical", "")
    assert changed((OPEN, OPEN, POST), (OPEN, OPEN, other)) == [
        "call 3, thread: ⇠ the id that call 1 returns → ⇠ the id that call 2 returns"
    ]


def test_a_call_that_went_with_the_one_it_refers_to_says_so() -> None:
    lone = a_call("send", text="x")
    calls = (OPEN, lone, POST)
    lines = changed(calls, only(calls, (1,)))
    assert lines[-1].startswith("call 3 takes what call 1 returns, and can")
    assert not any("takes what" in line for line in changed(calls, only(calls, (0, 1))))


def test_what_nobody_knows_yet_is_in_no_window_and_in_the_list_to_tick() -> None:
    plan = plan_in(waiting(OPEN, POST))
    assert [(each.index, each.name) for each in editable(plan)] == [(0, "title"), (1, "text")]
    assert selection_form(plan).options[1].description == "hello, ⇠ the id that call 1 returns"
    calls = plan_json(plan)
    assert isinstance(calls, dict)
    assert str(calls["calls"]).count("references") == 1


def test_the_operators_words_have_the_reference_in_the_place_of_the_value() -> None:
    assert effect_of(replace(POST, says="posts in {thread}")) == "posts in ⇠ the id that call 1 returns"


def test_a_preview_that_needs_the_value_says_why_there_is_none() -> None:
    look = Preview(server="", tool="look", arguments='{"thread":"$.thread"}')
    card = card_of(waiting(OPEN, replace(POST, previews=(look,))))
    files = {each.name: each.text for each in card.attachments}
    assert "be read before an earlier call has run" in files["plan.md"]
