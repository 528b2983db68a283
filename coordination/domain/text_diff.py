"""How two texts differ, line by line. Nothing is lost: the first text and the difference give the second."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

MOST_COMPARED = 2_000
"""Lines on either side, beside what both begin and end with: more are shown as taken out and put in as a whole."""


@dataclass(frozen=True)
class Line:
    """One line with its line feed, which both texts have (" "), or only the first ("-") or second ("+")."""

    sign: Literal[" ", "-", "+"]
    text: str


@dataclass(frozen=True)
class Gap:
    """Lines that both texts have and that are left out here."""

    count: int


def lines_of(text: str) -> list[str]:
    """The lines of a text with their line feeds, and no other character ends one."""
    parts = text.split("\n")
    return [f"{each}\n" for each in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def compared(before: str, after: str) -> tuple[Line, ...]:
    """Every line of both."""
    old, new = lines_of(before), lines_of(after)
    head = _same(old, new)
    tail = _same(old[head:][::-1], new[head:][::-1])
    middle = _changed(old[head : len(old) - tail], new[head : len(new) - tail])
    return (
        *(Line(" ", each) for each in old[:head]),
        *middle,
        *(Line(" ", each) for each in old[len(old) - tail :]),
    )


def _same(one: Sequence[str], other: Sequence[str]) -> int:
    """How many lines both begin with."""
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count


def _changed(old: Sequence[str], new: Sequence[str]) -> Iterator[Line]:
    if max(len(old), len(new)) > MOST_COMPARED:
        yield from (Line("-", each) for each in old)
        yield from (Line("+", each) for each in new)
        return
    for tag, start, end, begin, stop in difflib.SequenceMatcher(None, old, new).get_opcodes():
        if tag == "equal":
            yield from (Line(" ", each) for each in old[start:end])
        else:
            yield from (Line("-", each) for each in old[start:end])
            yield from (Line("+", each) for each in new[begin:stop])


def applied(before: str, lines: Sequence[Line]) -> str:
    """The second text, from the first and the difference.

    Raises:
        ValueError: it is not a difference from this text.
    """
    if "".join(each.text for each in lines if each.sign != "+") != before:
        raise ValueError("the difference is from another text")
    return "".join(each.text for each in lines if each.sign != "-")


def with_context(lines: Sequence[Line], context: int = 2) -> Iterator[Line | Gap]:
    """The changed lines, with some of those around them."""
    near = {
        index
        for place, each in enumerate(lines)
        if each.sign != " "
        for index in range(place - context, place + context + 1)
    }
    left_out = 0
    for place, each in enumerate(lines):
        if place not in near:
            left_out += 1
            continue
        if left_out:
            yield Gap(left_out)
            left_out = 0
        yield each
    if left_out:
        yield Gap(left_out)


def differing(old: Sequence[str], new: Sequence[str]) -> tuple[tuple[bool, ...], tuple[bool, ...]]:
    """Of each word of two texts, whether it is part of what differs: without such words both are the same.

    Where they have nothing in common but what is no word, all of each is one difference, and no word stands out.
    """
    old_marks, new_marks = [True] * len(old), [True] * len(new)
    has_words = False
    for one, other, size in difflib.SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks():
        old_marks[one : one + size] = [False] * size
        new_marks[other : other + size] = [False] * size
        has_words = has_words or any(each.isalnum() for each in old[one : one + size])
    if not has_words:
        return (False,) * len(old), (False,) * len(new)
    return tuple(old_marks), tuple(new_marks)
