"""What each call of a plan would change, as people see it: the difference between what is there and what would be."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bot.cards.text import ATOM, concealed, head_of, one_line, visible, visible_part
from bot.i18n import catalog
from bot.message import Paragraph, RichText, Section, StyledText
from coordination.domain.canonical_json import Json, canonical, digest, parse
from coordination.domain.plan import Plan, PlannedCall
from coordination.domain.preview import Preview, Question, Reading, by_path
from coordination.domain.text_diff import Gap, Line, compared, differing, lines_of, with_context

NO_LINE_FEED = "⟨…⟩"
"""After a last line that no line feed ends; `visible` would write these characters of a text in another way."""

_CONTEXT_SIGN = "·"
_SHORT = 240
_SHORT_LINES = 3
_SHORT_WIDTH = 300
_WORDS = re.compile(rf"{ATOM}|\w+|\s+|.", re.DOTALL)
_MOST_LINES = 14
_MOST_CALLS = 6
_WIDTH = 160
_WHY = 200
_APART = 120
_HASH = 32


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What is known of one preview: a headline, and the lines below it.

    Attributes:
        marked: the same lines with the words that differ marked, where the texts are short.
    """

    headline: RichText
    lines: tuple[str, ...] = ()
    marked: tuple[RichText, ...] = ()
    is_problem: bool = False


def previews_of(plan: Plan) -> Iterator[Shown]:
    """What is shown of each preview of each call, in order."""
    for number, call in enumerate(plan.calls, 1):
        due = call.questions()
        for preview, asked in due:
            reading = plan.reading_of(asked) if asked is not None else None
            tool = StyledText(_read_named(call, preview, asked, [each for _, each in due if each is not None]), "code")
            if not preview.describes:
                yield _shown(number, call, preview, reading, tool)
            elif not _is_beside(preview, reading):
                yield _undescribed(number, call, preview, reading, tool)


def _read_named(call: PlannedCall, preview: Preview, asked: Question | None, due: Sequence[Question]) -> str:
    """The tool that reads; where a call has several reads of it, with what sets this one apart."""
    tool = visible(f"{preview.server or call.server}.{preview.tool}")
    alike = [each for each in due if asked is not None and (each.server, each.tool) == (asked.server, asked.tool)]
    if asked is None or len(alike) < 2:  # one is enough by its name
        return tool
    given = [parse(each.arguments) for each in alike]
    own = parse(asked.arguments)
    apart = [
        f"{name} {value if isinstance(value, str) else canonical(value)}"
        for name, value in (own.items() if isinstance(own, Mapping) else ())
        if any(not isinstance(each, Mapping) or each.get(name) != value for each in given)
    ]
    if asked.shows.startswith("$") and any(each.shows != asked.shows for each in alike):
        apart.append(asked.shows)
    said = [visible(each) for each in apart]
    short = [each if len(each) <= _APART else f"{head_of(each, _APART - 1)}…" for each in said]
    return f"{tool} ({', '.join(short)})" if short else tool


def preview_sections(plan: Plan) -> list[Section]:
    """The same on a card, as far as there is room; what is left out is said, and stands in the plan's files."""
    found = list(previews_of(plan))
    sections: list[Section] = []
    for each in found[:_MOST_CALLS]:
        sections.append(Paragraph(lines=(each.headline,)))
        if each.marked:
            sections.append(Paragraph(lines=each.marked, is_quoted=True))
        elif each.lines:
            sections.append(Paragraph(lines=tuple(_on_card(each.lines)), is_quoted=True))
    if len(found) > _MOST_CALLS:
        sections.append(Paragraph(lines=(catalog.rich("preview.more_calls", count=len(found) - _MOST_CALLS),)))
    return sections


def _on_card(lines: Sequence[str]) -> Iterator[RichText]:
    kept = lines if len(lines) <= _MOST_LINES else lines[: _MOST_LINES - 1]
    for each in kept:
        short = each if len(each) <= _WIDTH else f"{head_of(each, _WIDTH - 1)}…"
        yield (StyledText(short, "code"),)
    if len(kept) < len(lines):
        yield catalog.rich("preview.more_lines", count=len(lines) - len(kept))


def _is_beside(preview: Preview, reading: Reading | None) -> bool:
    """Whether what was read stands beside the arguments; where the rules deny what nobody wrote, nobody misses it."""
    return reading is not None and (reading.is_whole or (reading.problem == "no_tool" and not preview.beside))


def _undescribed(number: int, call: PlannedCall, preview: Preview, reading: Reading | None, tool: StyledText) -> Shown:
    if reading is not None and reading.is_known:
        digest_ = StyledText(reading.digest[:_HASH], "code")
        return Shown(headline=catalog.rich("preview.condition", number=number, tool=(tool,), digest=(digest_,)))
    key = "preview.unread_required" if preview.required else "preview.undescribed"
    return Shown(headline=catalog.rich(key, number=number, tool=(tool,), why=_why(call, reading)), is_problem=True)


def _why(call: PlannedCall, reading: Reading | None) -> RichText:
    problem = ("reference" if call.references else "unasked") if reading is None else reading.problem
    return catalog.rich(f"preview.problem.{problem}", detail=one_line(reading.detail if reading else "", _WHY))


def _shown(number: int, call: PlannedCall, preview: Preview, reading: Reading | None, tool: StyledText) -> Shown:
    known: dict[str, int | RichText] = {"number": number, "tool": (tool,)}
    if reading is None or not reading.is_known:
        key = "preview.unread_required" if preview.required else "preview.unread"
        return Shown(headline=catalog.rich(key, **known, why=_why(call, reading)), is_problem=True)
    after = preview.replacement(call.arguments, _before(reading))
    pair = StyledText(_pair(reading, after), "code")
    if preview.is_condition:
        return Shown(headline=catalog.rich("preview.condition", **known, digest=(pair,)))
    if not reading.is_whole:
        known |= {"count": reading.length, "length": (StyledText(catalog.number(reading.length)),), "digest": (pair,)}
        return Shown(headline=catalog.rich("preview.large", **known))
    return _compared(reading, after, known | {"digest": (pair,)})


def _before(reading: Reading) -> str | None:
    """What was there, if all of it is known."""
    return reading.text if reading.is_whole and not reading.is_missing else None


def _compared(reading: Reading, after: str | None, known: dict[str, "int | RichText"]) -> Shown:
    before = reading.text
    if after is None:
        key = "preview.nothing" if reading.is_missing else "preview.now"
        lines = [] if reading.is_missing else [Line(" ", each) for each in lines_of(concealed(before))]
        return Shown(headline=catalog.rich(key, **known), lines=tuple(map(_line, lines)))
    if before == after and not reading.is_missing:
        return Shown(headline=catalog.rich("preview.same", **known))
    paths = (by_path(before), by_path(after))
    old, new = (before, after) if paths[0] is None or paths[1] is None else (paths[0], paths[1])
    key = "preview.creates" if reading.is_missing else "preview.changes"
    old, new = concealed(old), concealed(new)
    near = tuple(with_context(compared(old, new)))
    lines_ = tuple(map(_line, near))
    is_short = not reading.is_missing and all(
        len(each) <= _SHORT and len(lines_of(each)) <= _SHORT_LINES for each in (old, new)
    )
    is_short = is_short and all(len(each) <= _SHORT_WIDTH for each in lines_)
    return Shown(headline=catalog.rich(key, **known), lines=lines_, marked=tuple(_marked(near)) if is_short else ())


def _marked(lines: Sequence[Line | Gap]) -> Iterator[RichText]:
    """The lines with the words marked that only one side has; a line that has no counterpart has none."""
    texts = [_line(each) for each in lines]
    signs = [" " if isinstance(each, Gap) else each.sign for each in lines]
    done = 0
    while done < len(lines):
        taken = _run(signs, done, "-")
        put = _run(signs, taken, "+")
        if put == done:
            yield (StyledText(texts[done], "code"),)
            done += 1
            continue
        old, new = (list(map(_words, some)) for some in (texts[done:taken], texts[taken:put]))
        gone, come = differing(*([word for line in some for word in line[1:]] for some in (old, new)))
        yield from _with_marks(old, iter(gone), "removed")
        yield from _with_marks(new, iter(come), "added")
        done = put


def _words(line: str) -> list[str]:
    """The sign of a line and its words: the names of characters are whole, and accents stay with their letters."""
    words = [line[:2]]
    for each in _WORDS.findall(line[2:]):
        if len(words) > 1 and unicodedata.combining(each[0]):
            words[-1] += each
        else:
            words.append(each)
    return words


def _with_marks(
    lines: Sequence[Sequence[str]], marks: Iterator[bool], style: Literal["removed", "added"]
) -> Iterator[RichText]:
    for sign, *words in lines:
        runs: list[StyledText] = [StyledText(sign, "code")]
        for word in words:
            of = style if next(marks) else "code"
            if runs[-1].style == of:
                runs[-1] = StyledText(runs[-1].text + word, of)
            else:
                runs.append(StyledText(word, of))
        yield tuple(runs)


def _run(signs: Sequence[str], start: int, sign: str) -> int:
    """Where the lines with this sign end that begin here."""
    end = start
    while end < len(signs) and signs[end] == sign:
        end += 1
    return end


def _pair(reading: Reading, after: str | None) -> str:
    """What stands for this before and this after, where lines that both have, or too many, are left out."""
    then = "" if after is None else digest("after", after)
    return digest("change", f"{reading.digest} {then}")[:_HASH]


def _line(line: Line | Gap) -> str:
    if isinstance(line, Gap):
        return catalog.text("preview.gap", count=line.count)
    sign = _CONTEXT_SIGN if line.sign == " " else line.sign
    text = line.text.removesuffix("\n")
    return f"{sign} {visible_part(text)}{'' if line.text.endswith(chr(10)) else NO_LINE_FEED}"


def previews_json(plan: Plan, call: PlannedCall) -> list[Json]:
    """What was read for a call, and what would take its place, for programs."""
    found: list[Json] = []
    for preview in call.previews:
        for each in tuple(preview.of_call(call.arguments, call.unknown)) or (preview,):
            reading = plan.reading_of(each.question(call.server, call.arguments))
            found.append(
                {
                    "preview": preview.as_json(),
                    "reading": None if reading is None else reading.as_json(),
                    "after": preview.replacement(call.arguments, None if reading is None else _before(reading)),
                }
            )
    return found
