"""Outside text made visible, a call's arguments in full, and short amounts: what every card is written with."""

import re
import unicodedata
from collections.abc import Sequence

from bot.cards.lookalikes import has_odd_names, lookalikes
from bot.i18n import catalog
from bot.message import Argument
from coordination.domain.canonical_json import Json, canonical, parse
from coordination.domain.plan import PlannedCall, Receipt, arguments_to_send
from coordination.domain.references import Reference
from coordination.errors import InvalidJsonError
from coordination.secret_marks import MARK, MARK_BEGINS, marked

LINE_END = "↵"
"""Stands before each line break of a text that is shown on several lines; a literal one is escaped."""

REFERENCE = "⇠"
"""Stands before what another call returns, in the place of a value; a literal one is escaped."""

FOLD = "↪"
"""Stands where a line that has no space to break at goes on in the next one; a literal one is escaped."""

KNOWN = "↦"
"""Stands between an exact value and what a look-up said that it is; a literal one is escaped."""

_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_LOOKS_EMPTY = frozenset(
    {
        0x034F,  # combining grapheme joiner
        0x115F,  # Hangul fillers
        0x1160,
        0x3164,
        0xFFA0,
        0x17B4,  # Khmer inherent vowels
        0x17B5,
        0x2800,  # Braille blank
        0x1D159,  # musical null note head
    }
)
_VARIATION_SELECTORS = (range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
_MOST_MARKS = 3
_ESCAPE = re.compile(r"⟨U\+([0-9A-F]{4,6})⟩")

ATOM = rf"⟨U\+[0-9A-F]{{4,6}}⟩|{MARK}"
"""What stands for one character or one secret, and is never cut: a regular expression."""

_ATOM = re.compile(ATOM)
_PARTS = re.compile(rf"{ATOM}|.", re.DOTALL)
_LIKE_ATOM = re.compile(rf"⟨(?=U\+|{MARK_BEGINS[1:]})")


def visible(text: str) -> str:
    """One line: every control, format, unassigned, look-alike space or empty-looking character as `⟨U+202E⟩`.

    So are a letter of another alphabet than the rest of its word, and accents that are not composed. A secret is
    `⟨secret:a1b2-c3d4-e5f6-0718⟩`. No two texts look the same: `original` finds the way back, but for secrets, of which
    two have different marks. A sentence of the core is put into the language of here and now.
    """
    return visible_part(concealed(text))


def concealed(text: str) -> str:
    """A sentence in the language of here and now, or another text, with marks for secrets and none that it had itself.

    Whoever takes a text apart before it is shown does so with this, as a half of a secret is not known for one, and
    shows each part by `visible_part`.
    """
    text = catalog.told(text)
    return marked(text, lambda rest: _LIKE_ATOM.sub(named("⟨"), rest) if "⟨" in rest else rest)


def visible_part(text: str) -> str:
    """What `visible` makes of a part of what `concealed` gave."""
    if text.isascii() and text.isprintable():
        return text
    characters = set(text)
    deceptive = frozenset(filter(_is_deceptive, characters))
    alike = lookalikes(text)
    if not (deceptive or alike or any(map(unicodedata.combining, characters))):
        return text
    shown: list[str] = []
    marks = 0
    for position, character in enumerate(text):
        marks = marks + 1 if unicodedata.combining(character) else 0
        is_hidden = (
            character in deceptive or position in alike or marks > _MOST_MARKS or (marks and marks == position + 1)
        )
        shown.append(named(character) if is_hidden else character)
    return "".join(shown)


def named(character: str) -> str:
    """What stands for a character that people can't see, or would take for another."""
    return f"⟨U+{ord(character):04X}⟩"


def original(shown: str) -> str:
    """The text that `visible` was given."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), shown)


def visible_lines(text: str) -> str:
    """The same on several lines: a line feed keeps its break, and a mark before it tells it from a wrapped line.

    A text that ends in a line feed ends in the mark.
    """
    return f"{LINE_END}\n".join(map(visible_part, concealed(text).split("\n"))).removesuffix("\n")


def original_of_lines(shown: str) -> str:
    """The text that `visible_lines` was given."""
    return original(shown.replace(f"{LINE_END}\n", "\n").replace(LINE_END, "\n"))


def one_line(text: str, limit: int) -> str:
    """The beginning of a text for a status line: white space runs become one space, and a cut is marked."""
    words = " ".join(concealed(text).split())
    return visible_part(words if len(words) <= limit else f"{uncut(words, limit - 1).rstrip()}…")


def uncut(text: str, length: int) -> str:
    """The beginning of a text in which hidden characters are named and secrets have marks, without a part of either."""
    opened = text.rfind("⟨", 0, length)
    found = None if opened < 0 else _ATOM.match(text, opened)
    return text[: opened if found is not None and found.end() > length else length]


_TOKEN_LENGTH = len(MARK_BEGINS) + 20
"""Characters of the longest of what stands for a character or a secret."""


def head_of(text: str, length: int) -> str:
    """The beginning of a text in which hidden characters are named, without half a name or half a character."""
    end = min(length, len(text))
    while 0 < end < len(text) and unicodedata.combining(text[end]):
        end -= 1
    head = text[:end]
    opened = head.rfind("⟨", max(0, end - _TOKEN_LENGTH))
    return head if end == len(text) or opened < 0 or "⟩" in head[opened:] else head[:opened]


def tail_of(text: str, length: int) -> str:
    """The end of a text, likewise."""
    start = max(0, len(text) - length)
    while 0 < start < len(text) and unicodedata.combining(text[start]):
        start += 1
    tail = text[start:]
    closed = tail.find("⟩", 0, _TOKEN_LENGTH)
    return tail if start == 0 or closed < 0 or "⟨" in tail[:closed] else tail[closed + 1 :]


def _is_deceptive(character: str) -> bool:
    code = ord(character)
    if code < 0x7F:
        return code < 0x20
    category = unicodedata.category(character)
    return (
        category in _CATEGORIES
        or category == "Zs"
        or character in (LINE_END, FOLD, KNOWN, REFERENCE)
        or code in _LOOKS_EMPTY
        or any(code in selectors for selectors in _VARIATION_SELECTORS)
    )


def duration(seconds: float) -> str:
    """`0.4 s`, `48 s`, `3 min 05 s`, `23 h`, `2 days`: as exact as anybody cares."""
    if seconds < 10:
        return catalog.text("amount.seconds", value=catalog.number(max(seconds, 0.0), 1))
    if seconds < 60:
        return catalog.text("amount.seconds", value=f"{seconds:.0f}")
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return catalog.text("amount.minutes", minutes=minutes, seconds=f"{rest:02d}")
    hours = round(seconds / 3600)
    if hours < 48:
        return catalog.text("amount.hours", value=hours)
    return catalog.text("amount.days", value=round(seconds / 86_400))


def tokens(number: int) -> str:
    """`840 tokens`, `21k tokens`, `1.2M tokens`."""
    if number < 1_000:
        return catalog.text("amount.tokens", value=number)
    if number < 10_000:
        return catalog.text("amount.tokens", value=f"{catalog.number(number / 1_000, 1)}k")
    if number < 999_500:
        return catalog.text("amount.tokens", value=f"{number / 1_000:.0f}k")
    return catalog.text("amount.tokens", value=f"{catalog.number(number / 1_000_000, 1)}M")


def money(dollars: float) -> str:
    """`$0.04`; below a cent only that."""
    if 0 < dollars < 0.01:
        return catalog.text("amount.below_a_cent")
    return catalog.text("amount.money", value=catalog.number(dollars, 2))


_INDENT = "  "
_SHORT = 40
_LARGEST_EXACT = 2**53


def arguments_of(text: str) -> tuple[Argument, ...]:
    """Every argument of a call, by name, from the canonical JSON that will be sent."""
    try:
        value = parse(text)
    except InvalidJsonError:
        return (Argument(name="", text=visible_lines(text)),)
    if not isinstance(value, dict):
        return (Argument(name="", text=shown(value)),)
    return tuple(Argument(name=shown_name(name), text=shown(item)) for name, item in value.items())


def arguments_in(call: PlannedCall, receipts: Sequence[Receipt] = ()) -> tuple[Argument, ...]:
    """Every argument of a call, and of those that earlier calls return, where they come from.

    Once those are known, what they are.
    """
    sent = arguments_to_send(call, receipts)
    values = parse(sent) if call.references and sent is not None else None
    told = [
        Argument(name=shown_name(each.argument), text=f"{REFERENCE} {_referred(each, values)}")
        for each in call.references
    ]
    return (*arguments_of(call.arguments), *told)


def _referred(reference: Reference, values: Json) -> str:
    path, number = visible(reference.path[1:]), reference.call + 1
    if not isinstance(values, dict):
        return catalog.text("reference.waiting", path=path, number=number)
    return catalog.text("reference.known", value=shown(values[reference.argument]), path=path, number=number)


def rounded_by_others(text: str) -> tuple[str, ...]:
    """The names of the arguments that have a whole number larger than JavaScript can hold."""
    try:
        value = parse(text)
    except InvalidJsonError:
        return ()
    if not isinstance(value, dict):
        return ()
    return tuple(shown_name(name) for name, item in value.items() if _has_large_number(item))


def _has_large_number(value: Json) -> bool:
    if isinstance(value, dict):
        return any(map(_has_large_number, value.values()))
    if isinstance(value, list):
        return any(map(_has_large_number, value))
    return isinstance(value, int) and abs(value) > _LARGEST_EXACT


def shown_name(name: str) -> str:
    """An argument's name; quoted as JSON where the bare word would mislead. Whatever is not ASCII is named."""
    return _ascii(visible(name) if name and re.fullmatch(r"[^\s\"]+", name) else visible(canonical(name)))


def _ascii(shown: str) -> str:
    """A name that is visible already, with nothing in it that passes for a letter of ASCII."""
    return "".join(each if each.isascii() or _ATOM.fullmatch(each) else named(each) for each in _PARTS.findall(shown))


def shown(value: Json) -> str:
    """A value: text as it is, over several lines if it has them; everything else as indented JSON."""
    if isinstance(value, str):
        return visible_lines(value) if _is_plain(value) else visible(canonical(value))
    return "\n".join(_lines(value, ""))


def _is_plain(text: str) -> bool:
    """Whether a text can stand without quotes and not be taken for another value.

    The marks of its lines' ends tell a text of several lines from everything else.
    """
    if "\n" in text:
        return not text.strip("\n").isspace() and text.strip("\n") != "" and not text.endswith((" ", "\t"))
    if not text or text[0].isspace() or text[-1].isspace():
        return False
    try:
        parse(text)
    except InvalidJsonError:
        return True
    return False


def _lines(value: Json, indent: str) -> list[str]:
    if isinstance(value, dict | list) and len(compact := canonical(value)) <= _SHORT and not has_odd_names(value):
        return [visible(compact)]
    match value:
        case dict() if value:
            rows = [(f"{_ascii(visible(canonical(name)))}: ", item) for name, item in value.items()]
            return _block("{}", rows, indent)
        case list() if value:
            return _block("[]", [("", item) for item in value], indent)
        case _:
            return [visible(canonical(value))]


def _block(brackets: str, rows: list[tuple[str, Json]], indent: str) -> list[str]:
    """A bracketed list of named or nameless values, one item a line, indented below its opening."""
    deeper = indent + _INDENT
    lines = [brackets[0]]
    for position, (name, item) in enumerate(rows):
        first, *rest = _lines(item, deeper)
        lines += [f"{deeper}{name}{first}", *rest]
        if position < len(rows) - 1:
            lines[-1] += ","
    return [*lines, f"{indent}{brackets[1]}"]
