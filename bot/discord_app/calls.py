"""The calls of a plan in Discord's markdown: every argument in full, or with the number of characters that are not here."""

from dataclasses import dataclass, field

from bot.discord_app.limits import units
from bot.discord_app.lines import line_text
from bot.discord_app.markup import code_block, escaped, fitted, head_of, inline_code, tail_of
from bot.i18n import Words
from bot.message import Argument, CallItem, CallList, Mark

MARKS = {
    Mark.WAITING: "▫️",
    Mark.WORKING: "▶️",
    Mark.DONE: "✅",
    Mark.FAILED: "❌",
    Mark.UNKNOWN: "❓",
    Mark.SKIPPED: "⏭️",
}
_LEVELS = (None, 1200, 600, 300, 120, 40, 0)
_ONE_LINE = 120
_NAME = 80
_OUTCOME = 300
_MORE_ROOM = 120


@dataclass
class Text:
    """Markdown that grows, and how much of what it should say is missing from it."""

    file: str
    words: Words
    parts: list[str] = field(default_factory=list[str])
    missing: int = 0

    def add(self, part: str, missing: int = 0) -> None:
        """One more line or block."""
        self.parts.append(part)
        self.missing += missing

    def whole(self) -> str:
        """Everything so far."""
        return "\n".join(self.parts)


def calls_text(calls: CallList, room: int, *, file: str, words: Words) -> Text:
    """Calls with as much of their arguments as there is room for; long values lose their middle first."""
    if calls.is_compact:
        return _cut(calls.calls, room, file=file, words=words, limit=None, is_compact=True)
    size = sum(len(argument.text) for call in calls.calls for argument in call.arguments)
    for limit in _LEVELS:
        if limit is None and size > room:
            continue
        text = Text(file, words)
        for call in calls.calls:
            if text.parts:
                text.add("")
            _add_call(text, call, limit)
        if units(text.whole()) <= room:
            return text
    return _cut(calls.calls, room, file=file, words=words, limit=0, is_compact=False)


def _cut(
    calls: tuple[CallItem, ...], room: int, *, file: str, words: Words, limit: int | None, is_compact: bool
) -> Text:
    """As many whole calls as there is room for, and the number of the others."""
    text = Text(file, words)
    for position, call in enumerate(calls):
        one = Text(file, words)
        if is_compact:
            one.add(*_receipt(call))
        else:
            _add_call(one, call, limit)
        is_last = position == len(calls) - 1
        if units(text.whole()) + units(one.whole()) + 1 + (0 if is_last else _MORE_ROOM) > room:
            rest = calls[position:]
            size = sum(len(each.name) + len(each.text) for left in rest for each in left.arguments)
            text.add(words.say("discord.more_calls", count=len(rest), file=file), max(size, len(rest)))
            break
        text.add(one.whole(), one.missing)
    return text


def _add_call(text: Text, call: CallItem, limit: int | None) -> None:
    server, cut_server = fitted(call.server, _NAME)
    tool, cut_tool = fitted(call.tool, _NAME)
    notes = escaped(", ".join(call.notes))
    sign = "⚠️ " if call.is_destructive else ""
    text.add(f"**{call.number}  {server} · {tool}**  {sign}{notes}", cut_server + cut_tool)
    if call.outcome:
        outcome, cut = line_text(call.outcome, _OUTCOME)
        text.add(f"{MARKS[call.mark]} {outcome}", cut)
    for argument in call.arguments:
        _add_argument(text, argument, limit)


def _add_argument(text: Text, argument: Argument, limit: int | None) -> None:
    """The name stands outside of the code that holds the value, so that no value can pass for another argument."""
    name, cut_name = fitted(argument.name, _NAME)
    title = f"**{name or escaped(text.words.say('discord.empty'))}**"
    value = argument.text
    if limit is None or len(value) <= limit:
        is_short = len(value) <= _ONE_LINE and "\n" not in value and "`" not in value
        text.add(f"{title} {inline_code(value)}" if is_short else f"{title}\n{code_block(value)}", cut_name)
        return
    head, tail = head_of(value, limit * 2 // 3), tail_of(value, limit // 3)
    hidden = len(value) - len(head) - len(tail)
    told = escaped(text.words.say("discord.only_in", number=text.words.number(hidden), file=text.file))
    blocks = [code_block(head)] if head else []
    blocks += [told, code_block(tail)] if tail else [told]
    text.add("\n".join([title, *blocks]), hidden + cut_name)


def _receipt(call: CallItem) -> tuple[str, int]:
    server, cut_server = fitted(call.server, _NAME)
    tool, cut_tool = fitted(call.tool, _NAME)
    outcome, cut = line_text(call.outcome, _OUTCOME)
    shown = f"{call.number} {MARKS[call.mark]} {server} · {tool}" + (f"  {outcome}" if outcome else "")
    return shown, cut + cut_server + cut_tool
