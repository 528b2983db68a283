"""Canonical JSON: one text for one value, and no text for what has none."""

import json
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordination.domain.canonical_json import MAX_DEPTH, Json, canonical, parse, rounded_number
from coordination.errors import InvalidJsonError

texts = st.text(st.characters(exclude_categories=["Cs"]))
values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_a_canonical_text_reads_back_as_the_same_text(value: Json) -> None:
    """Parsing and writing again changes nothing: the form is a fixed point."""
    text = canonical(value)
    assert canonical(parse(text)) == text


@given(values)
def test_a_canonical_text_is_the_same_value_to_any_reader_of_doubles(value: Json) -> None:
    """A reader that takes every number for a double, as JavaScript does, gets the doubles that were written."""
    assert json.loads(canonical(value), parse_int=_double) == json.loads(json.dumps(value), parse_int=_double)


def _double(digits: str) -> float | str:
    return float(digits) if abs(int(digits)) < 10**300 else digits


@given(st.dictionaries(texts, st.integers(), max_size=6))
def test_the_order_of_keys_does_not_matter(members: dict[str, int]) -> None:
    """Members are sorted, so two writers of one object write one text."""
    assert canonical(members) == canonical(dict(reversed(members.items())))


@given(st.integers(min_value=-(10**40), max_value=10**40))
def test_integers_keep_every_digit(number: int) -> None:
    """Ids beyond 2**53 are not rounded."""
    assert parse(canonical(number)) == number
    assert canonical(number) == str(number)


@pytest.mark.parametrize(
    ("bits", "text"),
    [
        ("0000000000000001", "5e-324"),
        ("7fefffffffffffff", "1.7976931348623157e+308"),
        ("4340000000000000", "9007199254740992"),
        ("4430000000000000", "295147905179352830000"),
        ("44b52d02c7e14af5", "9.999999999999997e+22"),
        ("44b52d02c7e14af6", "1e+23"),
        ("444b1ae4d6e2ef4e", "999999999999999700000"),
        ("444b1ae4d6e2ef50", "1e+21"),
        ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
        ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("41b3de4355555553", "333333333.3333332"),
        ("becbf647612f3696", "-0.0000033333333333333333"),
        ("8000000000000000", "0"),
    ],
)
def test_doubles_are_written_as_the_rfc_lists_them(bits: str, text: str) -> None:
    """The samples of RFC 8785, appendix B."""
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical(number) == text


def test_keys_are_sorted_by_utf16_units_as_the_rfc_asks() -> None:
    """RFC 8785, section 3.2.3: a pair of surrogates sorts before U+FB33."""
    members = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    assert list(json.loads(canonical(members)).values()) == [2, 4, 6, 7, 1, 5, 3]


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "[Infinity]",
        "-Infinity",
        "1e999",
        '{"a":1,"a":2}',
        '{"a":{"b":1,"b":1}}',
        '"\\ud800"',
        '{"\\udfff":1}',
        "",
        "{",
        "01",
        "'a'",
        "1" * 5_000,
        "[" * 100_000,
        "[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2),
    ],
)
def test_what_has_no_canonical_form_is_refused(text: str) -> None:
    """NaN, infinities, duplicate keys, lone surrogates, endless nesting and plain nonsense are one kind of error."""
    with pytest.raises(InvalidJsonError):
        parse(text)


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, "\ud800", {"a": "\udc00"}, b"bytes", {1: "a key"}, {"a set"}, [object()]]
)
def test_a_value_without_canonical_form_is_refused(value: Json) -> None:
    """Also where it does not come from a text."""
    with pytest.raises(InvalidJsonError):
        canonical(value)


@pytest.mark.parametrize(
    "text", ["{}", "", "0.1", "[1.50, 2e3, -0.0]", str(2**70), '"100.00000000000000000001"', "1e999", "no"]
)
def test_a_number_that_stays_what_it_is_is_not_named(text: str) -> None:
    assert rounded_number(text) is None


@pytest.mark.parametrize("number", ["100.00000000000000000001", "0.1000000000000000055", "9007199254740993.5"])
def test_the_first_number_that_would_be_rounded_is_named(number: str) -> None:
    assert rounded_number(f'{{"a": [1.5, {{"b": {number}}}]}}') == number
