"""Arguments as people read them: all there, in full, and unambiguous."""

from hypothesis import example, given
from hypothesis import strategies as st

from bot.cards.lookalikes import lookalikes_in
from bot.cards.text import LINE_END, arguments_of, original, original_of_lines, rounded_by_others, shown
from bot.message import Argument
from coordination.domain.canonical_json import Json, canonical, parse
from coordination.errors import InvalidJsonError

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES: st.SearchStrategy[Json] = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10
)


def read_back(text: str) -> Json:
    """What a careful reader takes a shown value for."""
    is_text_of_lines = LINE_END in text
    if not is_text_of_lines:
        try:
            return parse(original(text.replace("\n", " ")))
        except InvalidJsonError:
            return original(text)
    return original_of_lines(text)


@given(VALUES)
@example("5")
@example("null")
@example("")
@example(" ")
@example('"quoted"')
@example("{}")
@example("[1,\n2]")
@example("NaN")
@example("one\ntwo\n")
@example("one\n")
@example("\n\n")
@example(" one\n")
@example("\none\n \n")
@example("↵")
@example({"a": {"b": ["\u202e", "↵\n", "⟨U+202E⟩", 12345678901234567890123]}})
def test_every_value_can_be_read_back_from_what_is_shown(value: Json) -> None:
    assert canonical(read_back(shown(value))) == canonical(value)


@given(st.dictionaries(st.text(), VALUES))
def test_every_argument_has_its_place(arguments: dict[str, Json]) -> None:
    assert len(arguments_of(canonical(arguments))) == len(arguments)


def test_names_and_values_stand_apart() -> None:
    text = canonical(
        {"title": "Power off", "count": 12345678901234567890, "when": {"day": "Friday", "hours": [14, 16]}}
    )
    assert arguments_of(text) == (
        Argument(name="count", text="12345678901234567890"),
        Argument(name="title", text="Power off"),
        Argument(name="when", text='{"day":"Friday","hours":[14,16]}'),
    )


def test_numbers_that_javascript_rounds_are_named_wherever_they_stand() -> None:
    arguments: dict[str, Json] = {
        "exact": 2**53,
        "large": 2**53 + 1,
        "low": -(2**53) - 1,
        "deep": [{"id": 1417773298837880907}],
        "text": str(2**60),
        "float": 1e300,
        "yes": True,
    }
    assert rounded_by_others(canonical(arguments)) == ("deep", "large", "low")
    assert rounded_by_others(canonical([2**60])) == rounded_by_others("no JSON") == ()


def test_nested_values_are_indented() -> None:
    nested = {"long": "a text that does not fit into one short line", "list": [{"deep": True}]}
    assert shown(nested) == '{\n  "long": "a text that does not fit into one short line",\n  "list": [{"deep":true}]\n}'


def test_a_text_that_could_be_taken_for_something_else_is_quoted() -> None:
    assert shown("true") == '"true"'
    assert shown(" padded ") == '" padded "'
    assert shown("14:00") == "14:00"


def test_a_text_that_ends_in_a_newline_keeps_its_lines() -> None:
    assert shown("# To do\n- tea\n") == "# To do↵\n- tea↵"
    assert shown('{"a": 1}\n') == '{"a": 1}↵'
    assert shown("  if it:\n    go()\n") == "  if it:↵\n    go()↵"


def test_a_name_with_spaces_or_hidden_characters_is_quoted_or_named() -> None:
    assert [each.name for each in arguments_of('{"":1,"two words":2,"x\\u202e":3}')] == [
        '""',
        '"two words"',
        "x⟨U+202E⟩",
    ]


def test_what_is_no_object_is_still_shown() -> None:
    assert arguments_of("[1,2]") == (Argument(name="", text="[1,2]"),)
    assert arguments_of("not json\u202e") == (Argument(name="", text="not json⟨U+202E⟩"),)


def test_two_names_that_look_alike_do_not_on_a_card() -> None:
    """`to` in Latin, and with a Cyrillic letter: a server reads one of them, and people would see twice the same."""
    first, second = arguments_of('{"to":"mara","t\u043e":"mallory"}')
    assert (first.name, second.name) == ("to", "t⟨U+043E⟩")
    assert "⟨U+043E⟩" in shown({"t\u043e": 1})
    assert lookalikes_in('{"to":"mara","t\\u043e":{"\u0430":["\u0430bc","gr\u00f6\u00dfe"]}}') == {
        "t\u043e": ("\u043e", "\u0430")
    }
    assert lookalikes_in('{"to":"gr\u00f6\u00dfe"}') == lookalikes_in("[1]") == lookalikes_in("no json") == {}
