"""What a card offers to make of its plan, and what the windows for it hold."""

from dataclasses import replace

import pytest

from bot.cards.error_messages import plain_text
from bot.cards.plan_edits import MOST_OPTIONS, edit_form, edited_argument, selected_indexes, selection_form
from bot.cards.run_card import card_for
from bot.cards.run_view import view_of
from bot.message import Action, Card, Paragraph
from bot.terminal.edit_commands import edited_in
from coordination.domain import events as e
from coordination.domain.plan import PlannedCall
from coordination.domain.transitions import Recorded
from coordination.errors import RefusedError
from tests.builders import BOB, a_call, an_election
from tests.sample_logs import POST, REMOVE, half_approved, plan_in, then, waiting


def card_of(log: list[Recorded]) -> Card:
    view = view_of(log)
    assert view is not None
    return card_for(view, log[-1].at)


def edits_of(*calls: PlannedCall) -> list[tuple[str, str]]:
    return [
        (option.value, option.label)
        for menu in card_of(waiting(*calls)).menus
        if menu.action is Action.EDIT
        for option in menu.options
    ]


def revised(how: e.Revised, *calls: PlannedCall) -> list[Recorded]:
    log = waiting()
    plan = replace(plan_in(log), revision=2, calls=calls)
    proposed = e.PlanProposed(plan=plan, digest=plan.digest, election=an_election(), chosen_by=BOB, revised=how)
    return then(log, proposed)


def told(card: Card) -> str:
    return "\n".join(
        plain_text(line) for section in card.sections if isinstance(section, Paragraph) for line in section.lines
    )


def test_a_selection_says_whose_it_is_and_what_was_dropped() -> None:
    words = told(card_of(revised("selected", POST)))
    assert "Revision 2, selected by bob" in words
    assert "call 2 was removed" in words
    assert "remove_notice" in words
    assert "The agents' text below still describes all of them" in words


def test_an_edit_shows_the_old_value_and_the_new_one() -> None:
    edited = replace(POST, arguments=POST.arguments.replace("Friday", "Monday"))
    words = told(card_of(revised("edited", edited, REMOVE)))
    assert "Revision 2, edited by bob" in words
    assert "Friday" in words
    assert "Monday" in words


def test_calls_are_selected_where_there_are_several_and_a_window_holds_them() -> None:
    for count, is_offered in ((1, False), (2, True), (MOST_OPTIONS, True), (MOST_OPTIONS + 1, False)):
        calls = [a_call("post_notice", title=str(number)) for number in range(count)]
        buttons = [button.action for button in card_of(waiting(*calls)).buttons]
        assert (Action.SELECT in buttons) is is_offered, count
    form = selection_form(plan_in(waiting()))
    assert [(each.value, each.label) for each in form.options] == [
        ("1", "1. board · post_notice"),
        ("2", "2. board · remove_notice"),
    ]


@pytest.mark.parametrize(
    ("text", "indexes"), [("1,3", (0, 2)), (" 2  1 ", (1, 0)), ("", ()), ("0", (-1,)), ("x", (-1,)), ("9" * 9, (-1,))]
)
def test_numbers_name_calls(text: str, indexes: tuple[int, ...]) -> None:
    assert selected_indexes(text) == indexes


def test_what_a_window_would_not_bring_back_is_not_edited_in_one() -> None:
    """It would change without anybody having touched it."""
    texts = ["x" * 3_001, "a\rb", " a", "a\n", "a\u202eb", "a\x00b", "\U0001f600" * 1_501]
    for text in texts:
        assert edits_of(a_call("post_notice", body=text, title="t")) == [("0.1", "1. post_notice: title")]
    assert edits_of(a_call("post_notice", body="a\nb", count=3)) == [
        ("0.0", "1. post_notice: body"),
        ("0.1", "1. post_notice: count"),
    ]


def test_a_window_begins_with_the_value_text_as_it_is_and_the_rest_as_json() -> None:
    plan = plan_in(waiting(a_call("post_notice", body="a\nb", tags=["x", 1])))
    body, tags = edited_argument(plan, "0.0"), edited_argument(plan, "0.1")
    assert body is not None
    assert tags is not None
    assert (edit_form(body).text, edit_form(body).is_required) == ("a\nb", False)
    assert (edit_form(tags).text, edit_form(tags).is_required) == ('[\n  "x",\n  1\n]', True)
    assert edit_form(tags).label == "tags of call 1"
    assert edited_argument(plan, "1.0") is None


def test_a_menu_has_as_many_arguments_as_it_holds() -> None:
    calls = [a_call("post_notice", title=str(number), body="b") for number in range(20)]
    assert len(edits_of(*calls)) == MOST_OPTIONS


def test_an_approval_is_taken_back_where_there_is_one() -> None:
    assert Action.WITHDRAW not in [button.action for button in card_of(waiting()).buttons]
    assert Action.WITHDRAW in [button.action for button in card_of(half_approved()).buttons]


def test_an_editor_gives_back_what_a_person_left_in_it() -> None:
    """An editor that ends each file with a line feed adds none to the value; one that fails changes nothing."""
    assert edited_in("sed -i s/a/b/g", "banana") == "bbnbnb"
    assert edited_in("sed -i -e $a\\\\", "one line") == "one line"
    assert edited_in("true", "ends in a line feed\n") == "ends in a line feed\n"
    for broken in ("false", "no-such-editor-anywhere"):
        with pytest.raises(RefusedError):
            edited_in(broken, "x")
