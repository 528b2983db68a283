"""Whatever a text holds, a person sees it, and sees a difference wherever there is one."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.cards.text import LINE_END, one_line, original, original_of_lines, visible, visible_lines

# Hypothesis leaves out surrogates unless it is asked; models don't.
ANY_TEXT = st.text(
    st.characters(codec=None) | st.sampled_from("⟨⟩U+202E↵ \n\r\t\u202e\u200b\u00a0\ufe0f\u0301\u3164\ud800\U000e0041")
)


@given(ANY_TEXT)
@example("⟨U+202E⟩")
@example("⟨⟨U+27E8⟩U+202E⟩")
@example("e\u0301\u0301\u0301\u0301\u0301")
def test_no_two_texts_look_the_same(text: str) -> None:
    assert original(visible(text)) == text


@given(ANY_TEXT)
@example("one↵\ntwo")
@example("↵\n")
@example("a\r\n\n")
def test_no_two_texts_of_several_lines_look_the_same(text: str) -> None:
    assert original_of_lines(visible_lines(text)) == text


@given(ANY_TEXT)
def test_nothing_shown_is_invisible_or_moves_what_is_around_it(text: str) -> None:
    for character in visible(text).replace(" ", ""):
        assert character.isprintable() or unicodedata.category(character) == "Mn", ascii(character)
        assert unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, with “quotes” and ü", "plain text, with “quotes” and ü"),
        ("pay \u202e001$", "pay ⟨U+202E⟩001$"),
        ("a\u200bb", "a⟨U+200B⟩b"),
        ("a\u00a0b\u2003c", "a⟨U+00A0⟩b⟨U+2003⟩c"),
        ("tag\U000e0041", "tag⟨U+E0041⟩"),
        ("heart\ufe0f", "heart⟨U+FE0F⟩"),
        ("\u3164", "⟨U+3164⟩"),
        ("\x1b[31mred", "⟨U+001B⟩[31mred"),
        ("\ue000\udfff", "⟨U+E000⟩⟨U+DFFF⟩"),
        ("\u2028", "⟨U+2028⟩"),
        ("\u0301first", "⟨U+0301⟩first"),
        ("p\u0430ypal.com", "p⟨U+0430⟩ypal.com"),
        ("\u0440\u0430yp", "⟨U+0440⟩⟨U+0430⟩yp"),
        ("\u043f\u0440\u0438\u0432e\u0442", "\u043f\u0440\u0438\u0432⟨U+0065⟩\u0442"),
        ("\u0444\u0430\u0439\u043b.txt", "\u0444\u0430\u0439\u043b.txt"),
        ("T\u30b7\u30e3\u30c4", "T\u30b7\u30e3\u30c4"),
        ("\uff50aypal", "⟨U+FF50⟩aypal"),
        ("cafe\u0301", "cafe⟨U+0301⟩"),
        ("\u212bngstr\u00f6m", "⟨U+212B⟩ngstr\u00f6m"),
        ("a ↪", "a ⟨U+21AA⟩"),
    ],
)
def test_hidden_characters_are_named(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_line_break_is_told_from_a_wrapped_line() -> None:
    assert visible_lines("one\n\ntwo") == f"one{LINE_END}\n{LINE_END}\ntwo"


@given(ANY_TEXT, st.integers(min_value=2, max_value=40))
def test_a_status_line_is_one_line_and_not_much_longer_than_its_limit(text: str, limit: int) -> None:
    shown = one_line(text, limit)
    assert "\n" not in shown
    assert len(original(shown)) <= limit


def test_a_cut_is_marked() -> None:
    assert one_line("one two\nthree four", 10) == "one two t…"
    assert one_line("short", 10) == "short"
