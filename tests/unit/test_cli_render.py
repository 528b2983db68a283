"""A card on a terminal: everything on it, within its width, without a control character."""

import io
import re
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from bot.cards.run_card import card_for
from bot.cards.run_view import next_view, view_of
from bot.cards.text import FOLD, arguments_of, shown
from bot.message import Argument, CallItem, CallList, Card, Paragraph, Severity, StyledText, Timestamp
from bot.terminal.output import Renderer, folded, timestamp_text
from bot.terminal.prompts import Choice, KeyQuestion, question_for
from bot.terminal.screen import LineScreen, prompt_of
from coordination.domain.canonical_json import canonical
from tests.builders import START
from tests.sample_logs import REMOVE, argued, recorded, waiting


def console(width: int = 80) -> Console:
    return Console(width=width, file=io.StringIO(), highlight=False, markup=False, emoji=False)


def rendered(card: Card, width: int = 80) -> str:
    return Renderer(console(width), START).card(card).plain


def plan_card() -> Card:
    view = view_of(waiting())
    assert view is not None
    return card_for(view, START)


def one_call(arguments: tuple[Argument, ...]) -> Card:
    call = CallItem(number=1, server="board", tool="post", arguments=arguments, notes=("writes",))
    return Card(
        severity=Severity.DECIDE,
        status="Waiting for approval",
        title=(),
        reference=(),
        sections=(CallList(calls=(call,)),),
    )


def test_a_plan_reads_from_top_to_bottom() -> None:
    text = re.sub(r"until .*\)", "until tomorrow", rendered(plan_card()))
    digest = re.search(r"digest\s+(\w{64})", text)
    assert digest is not None
    short = f"{digest[1][:4]}-{digest[1][4:8]}"
    assert (
        text
        == f"""\
◆ Waiting for approval  “Tell everyone about the power cut on Friday”
  requested by rita

  1  board · post_notice                                                   sends
       body   From 14:00 to 16:00.↵
              Save your work.
       title  Power off on Friday

  2  board · remove_notice                                  deletes, may destroy
       title  Old notice

  ! The server says that a call in this plan may destroy something.

  agent2's plan won 2 of 2 votes.

  │ Post it, and take the old one down.

  Needs 1 of ops · not by the requester · until tomorrow

  1.5k tokens · $0.02 · run 7Q4K · plan {short} · configuration demo · digest
  {digest[1]}"""
    )


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    for log in (recorded(argued())[:9], waiting()):
        view = view_of(log)
        assert view is not None
        for line in rendered(card_for(view, START), width).split("\n"):
            assert cell_len(line) <= max(width, 71), line


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=300))
def test_an_argument_is_shown_whole_whatever_is_in_it(text: str) -> None:
    card = one_call(arguments_of(canonical({"text": text})))
    told = re.sub(rf"{FOLD}|⟨U\\+0020x\\d+⟩", "", rendered(card))
    body = "".join(told.split("\n", 1)[1].split())
    assert "".join(shown(text).split()) in body


@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_markup_and_control_characters_of_others_do_nothing(text: str) -> None:
    file = io.StringIO()
    terminal = Console(width=80, file=file, force_terminal=True, highlight=False, markup=False, emoji=False)
    card = one_call(arguments_of(canonical({"text": f"[bold]{text}:smile:"})))
    terminal.print(Renderer(terminal, START).card(card), soft_wrap=True)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue())
    assert "\x1b" not in plain
    assert "[bold]" in plain
    assert all(line.isprintable() or not set(line) & {"\r", "\x07", "\x08"} for line in plain.split("\n"))


def test_a_long_name_of_an_argument_gets_a_line_of_its_own() -> None:
    text = rendered(one_call((Argument(name="a_name_that_is_rather_long", text="value"), Argument(name="b", text="x"))))
    assert text.endswith("       a_name_that_is_rather_long\n          value\n       b  x")


def test_somebodys_words_are_set_apart() -> None:
    quote = Paragraph(lines=((StyledText("one"),), (StyledText(""),), (StyledText("two"),)), is_quoted=True)
    card = Card(severity=Severity.DONE, status="Done", title=(), reference=(), sections=(quote,))
    assert rendered(card).endswith("  │ one\n  │ \n  │ two")


def test_moments_are_in_the_readers_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = START.astimezone()
    assert timestamp_text(Timestamp(START), START) == f"{now:%H:%M}"
    assert timestamp_text(Timestamp(START.replace(day=23)), START) == f"tomorrow {now:%H:%M}"
    assert timestamp_text(Timestamp(START.replace(day=25)), START) == f"2026-11-25 {now:%H:%M}"
    tomorrow = timestamp_text(Timestamp(START.replace(day=23), is_countdown=True), START)
    assert tomorrow == f"tomorrow {now:%H:%M} (in 24 h)"


def test_the_question_names_its_keys_and_fits() -> None:
    question = question_for(plan_card())
    assert question is not None
    prompt = prompt_of(question).plain
    assert prompt == "Approve 2 calls?  [a]pprove  [r]eject  [c]hange  [k]eep  [o]ther  [d]etails  "
    assert cell_len(prompt) < 80


def test_the_second_question_shows_line_breaks_and_marks_for_secrets_as_the_card_does() -> None:
    to = console(200)
    view = view_of(waiting(replace(REMOVE, arguments=canonical({"title": f"a\nb ghp_{'a1B2c3' * 6} ⟨secret:x"}))))
    assert view is not None
    first = question_for(card_for(view, START))
    assert first is not None
    choice = first.answer("a")
    second = choice.answer if isinstance(choice, Choice) else None
    assert isinstance(second, KeyQuestion)
    LineScreen(to, lambda: START).ask(second)
    assert isinstance(to.file, io.StringIO)
    said = to.file.getvalue()
    assert re.search(r"title a↵ b ⟨secret:[0-9a-f-]{19}⟩ ⟨U\+27E8⟩secret:x\n", said), said


def test_a_pipe_gets_one_line_per_event_worth_telling() -> None:
    to = console()
    screen = LineScreen(to, lambda: START)
    view = None
    for each in waiting():
        view = next_view(view, each)
        screen.tell(each, view)
    assert isinstance(to.file, io.StringIO)
    lines = to.file.getvalue().splitlines()
    assert lines[0] == "   0:00 · rita asked: “Tell everyone about the power cut on Friday” · run 7Q4K"
    assert "   0:13 · agent1   vote for agent1 no longer counts: agent2.2 came after it" in lines


def unfolded(lines: list[str]) -> str:
    """What a careful reader takes lines of a terminal for: a break without a mark is one space."""
    text = ""
    for number, line in enumerate(lines):
        is_last = number == len(lines) - 1
        if line.endswith(FOLD):
            text += line.removesuffix(FOLD)
        else:
            text += line if is_last or line.endswith("⟩") else f"{line} "
    return re.sub(r"⟨U\+0020x(\d+)⟩", lambda found: " " * int(found[1]), text)


@given(st.text(st.sampled_from("aaaa/b      "), min_size=1, max_size=200), st.integers(20, 60))
@example("rm -rf /srv/dddddddddddd/tmp", 20)
@example("rm -rf /srv/dddddddddddd /tmp", 20)
def test_no_two_values_look_the_same_however_they_are_folded(text: str, width: int) -> None:
    lines = [line.plain for line in folded(Text(text), width)]
    assert unfolded(lines) == text
    assert all(cell_len(line) <= width for line in lines)


@pytest.mark.parametrize("width", [40, 60, 80, 110])
def test_a_fold_and_a_break_at_a_space_differ_at_every_width(width: int) -> None:
    long = "/srv/" + "d" * 300
    shown_paths = [
        rendered(one_call((Argument(name="c", text=f"rm {long}{end}"),)), width) for end in ("/old", " /old")
    ]
    assert shown_paths[0] != shown_paths[1]
    assert FOLD in shown_paths[0]
