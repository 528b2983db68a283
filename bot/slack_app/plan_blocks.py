"""A plan's calls as blocks: all of every argument if a message holds it, else its beginning and its end."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bot.i18n import Words
from bot.message import Argument, CallItem, CallList, Line, Mark, Span
from bot.slack_app.limits import within
from bot.slack_app.markup import Block, code, escaped, fences, packed, prose, section_block, weight, words_of

MARKS = {
    Mark.WAITING: "○",
    Mark.WORKING: "▸",
    Mark.DONE: "✓",
    Mark.FAILED: "✗",
    Mark.UNKNOWN: "?",
    Mark.SKIPPED: "-",
}
_CAPS = (4_000, 2_000, 1_000, 500, 200, 100)
_RECEIPT_CAPS = (300, 120, 40, 0)
_NAME = 200
_ESCAPE_LENGTH = 10
_MANY = 15


@dataclass(frozen=True, kw_only=True)
class Room:
    """What a message has left for its calls."""

    blocks: int
    weight: int

    def holds(self, blocks: Sequence[Block]) -> bool:
        """Whether blocks fit."""
        return len(blocks) <= self.blocks and weight(blocks) <= self.weight


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """Blocks that fit, and how many characters of the plan are not in them."""

    blocks: tuple[Block, ...]
    hidden: int = 0


Pieces: TypeAlias = tuple[list[str], int]


def fitted_calls(calls: CallList, room: Room, words: Words) -> Fitted:
    """The calls as far as there is room."""
    if calls.is_compact:
        return _receipts(calls.calls, room, words)
    total = sum(_length(call) for call in calls.calls)
    for cap in (None, *_CAPS) if total < room.weight else _CAPS:
        made = [_call(call, cap, words) for call in calls.calls]
        fitted = Fitted(blocks=tuple(_blocks(parts for parts, _ in made)), hidden=sum(count for _, count in made))
        if room.holds(fitted.blocks):
            return fitted
    return _first_calls(calls.calls, room, words)


def _blocks(calls: Iterable[list[str]]) -> list[Block]:
    """Few calls stand apart; many share sections."""
    each = list(calls)
    if len(each) <= _MANY:
        return [block for parts in each for block in packed(parts)]
    return packed(part for parts in each for part in parts)


def _first_calls(calls: Sequence[CallItem], room: Room, words: Words) -> Fitted:
    """As many calls as there is room for, each much shortened; the rest is only counted."""
    made = [_call(call, _CAPS[-1], words) for call in calls]
    for shown in range(len(calls) - 1, -1, -1):
        rest = words.say("slack.cut.calls", count=len(calls) - shown)
        blocks = [*packed(part for parts, _ in made[:shown] for part in parts), section_block(rest)]
        if room.holds(blocks) or not shown:
            hidden = sum(count for _, count in made[:shown]) + sum(_length(call) for call in calls[shown:])
            return Fitted(blocks=tuple(blocks), hidden=hidden)
    return Fitted(blocks=())


def _length(call: CallItem) -> int:
    return len(call.server) + len(call.tool) + sum(len(each.name) + len(each.text) for each in call.arguments)


def _call(call: CallItem, cap: int | None, words: Words) -> Pieces:
    notes = escaped(", ".join(call.notes))
    server, tool = within(call.server, _NAME), within(call.tool, _NAME)
    hidden = len(call.server) - len(server) + len(call.tool) - len(tool)
    parts = [f"*{call.number}*  {code(server)} · {code(tool)}" + (f"  _{notes}_" if notes else "")]
    for argument in call.arguments:
        pieces, count = _argument(argument, cap, words)
        parts += pieces
        hidden += count
    return parts, hidden


def _argument(argument: Argument, cap: int | None, words: Words) -> Pieces:
    name = within(argument.name, _NAME)
    lost = len(argument.name) - len(name)
    label = f"{code(name)}\n" if name else ""
    text = argument.text
    if cap is None or len(text) <= cap:
        first, *rest = fences(text)
        return [label + first, *rest], lost
    head, tail = _ends(text, cap)
    hidden = len(text) - len(head) - len(tail)
    first, *rest = fences(head)
    middle = f"_{words.say('slack.cut.argument', number=words.number(hidden))}_"
    return [label + first, *rest, middle, *fences(tail)], lost + hidden


def _ends(text: str, cap: int) -> tuple[str, str]:
    """The beginning and the end of a text; neither is cut within the sign of a hidden character."""
    head, tail = text[: cap * 2 // 3], text[-(cap // 3) :]
    start = head.rfind("⟨", len(head) - _ESCAPE_LENGTH)
    if start >= 0 and "⟩" not in head[start:]:
        head = head[:start]
    end = tail.find("⟩", 0, _ESCAPE_LENGTH)
    if end >= 0 and "⟨" not in tail[:end]:
        tail = tail[end + 1 :]
    return head, tail


def _receipts(calls: Sequence[CallItem], room: Room, words: Words) -> Fitted:
    """What became of each call, shortened as much as need be."""
    for cap in _RECEIPT_CAPS:
        block = prose([_receipt(call, cap) for call in calls])
        if block is not None and room.holds([block]):
            return Fitted(blocks=(block,))
    for shown in range(len(calls) - 1, -1, -1):
        rest = (Span(words.say("slack.cut.receipts", count=len(calls) - shown)),)
        block = prose([*(_receipt(call, 0) for call in calls[:shown]), rest])
        if block is not None and room.holds([block]):
            return Fitted(blocks=(block,))
    return Fitted(blocks=())


def _receipt(call: CallItem, cap: int) -> Line:
    name = f"{call.number} {MARKS[call.mark]} {within(call.server, 60)} · {within(call.tool, 60)}"
    if not call.outcome or not cap:
        return (Span(name),)
    if len(words_of(call.outcome)) <= cap:
        return (Span(f"{name}  "), *call.outcome)
    return (Span(f"{name}  {within(words_of(call.outcome), cap)}"),)
