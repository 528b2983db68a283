"""What differs between two revisions of a plan: calls that came, went or moved, and what changed in their arguments."""

import difflib
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from bot.cards.text import arguments_in, head_of, visible
from bot.i18n import catalog
from bot.message import Argument, RichText, StyledText
from coordination.domain.plan import Plan, PlannedCall

_MOST_LINES = 40
_MOST_OF_ARGUMENT = 12
_SHORT = 60
_LINE = 160
_GIST = 200


def differences(before: Plan, after: Plan) -> tuple[RichText, ...]:
    """One line for each difference, in the order of the newer plan's calls; none where the calls are the same."""
    pairs = _pairs(before.calls, after.calls)
    gone = frozenset(old for old, new in pairs if old is not None and new is None)
    lines = [line for old, new in pairs for line in _difference(before, after, old, new, gone)]
    if _is_another_order(before, after):
        lines.insert(0, catalog.rich("diff.order"))
    rest = len(lines) - _MOST_LINES
    return tuple(lines if rest <= 1 else [*lines[:_MOST_LINES], catalog.rich("diff.more", count=rest)])


def _key(call: PlannedCall) -> tuple[str, str, str]:
    return call.server, call.tool, call.arguments


def _pairs(before: Sequence[PlannedCall], after: Sequence[PlannedCall]) -> list[tuple[int | None, int | None]]:
    """Which call of the one became which of the other, by position; None: it is in one of them only."""
    olds, became = list(range(len(before))), dict[int, int]()
    matcher = difflib.SequenceMatcher(None, [*map(_key, before)], [*map(_key, after)], autojunk=False)
    for block in matcher.get_matching_blocks():
        became |= {block.b + step: block.a + step for step in range(block.size)}
    # First the calls that only moved, and then those of the same tool, which changed.
    for parts in (3, 2):
        for new in (each for each in range(len(after)) if each not in became):
            free = (
                old
                for old in olds
                if old not in became.values() and _key(before[old])[:parts] == _key(after[new])[:parts]
            )
            if (old := next(free, None)) is not None:
                became[new] = old
    pairs: list[tuple[int | None, int | None]] = [(became.get(new), new) for new in range(len(after))]
    return [*pairs, *((old, None) for old in olds if old not in became.values())]


def _difference(
    before: Plan, after: Plan, old: int | None, new: int | None, gone: frozenset[int]
) -> Iterator[RichText]:
    if new is None:
        if old is not None:
            call = before.calls[old]
            yield catalog.rich("diff.removed", number=old + 1, tool=_name(call), arguments=_gist(call))
            if sources := sorted({each.call + 1 for each in call.references if each.call in gone}):
                numbers = ", ".join(map(str, sources))
                yield catalog.rich("diff.removed_with", number=old + 1, sources=numbers)
    elif old is None:
        yield catalog.rich("diff.added", number=new + 1, tool=_name(after.calls[new]))
    else:
        yield from _changes(new + 1, before.calls[old], after.calls[new])


def _is_another_order(before: Plan, after: Plan) -> bool:
    """Whether calls that are in both stand in another order: what runs first may matter."""
    order = [old for old, new in _pairs(before.calls, after.calls) if old is not None and new is not None]
    return order != sorted(order)


def _name(call: PlannedCall) -> StyledText:
    return StyledText(visible(f"{call.server}.{call.tool}"), "code")


def _gist(call: PlannedCall) -> str:
    """What a call that is gone would have done, shortened: nobody approves it."""
    text = " ".join(", ".join(f"{each.name} {each.text}" for each in arguments_in(call)).split())
    return _cut(text, _GIST)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{head_of(text, most - 1)}…"


def _changes(number: int, old: PlannedCall, new: PlannedCall) -> Iterator[RichText]:
    before = {each.name: each for each in arguments_in(old)}
    after = {each.name: each for each in arguments_in(new)}
    if before == after:
        return
    for name in dict.fromkeys((*after, *before)):
        is_short = all(
            len(each[name].text) <= _SHORT and "\n" not in each[name].text for each in (before, after) if name in each
        )
        if name not in before:
            yield catalog.rich("diff.argument_added", number=number, name=name, value=_cut(_flat(after[name]), _LINE))
        elif name not in after:
            yield catalog.rich(
                "diff.argument_removed", number=number, name=name, value=_cut(_flat(before[name]), _LINE)
            )
        elif before[name] == after[name]:
            continue
        elif is_short:
            yield catalog.rich(
                "diff.argument_changed",
                number=number,
                name=name,
                before=StyledText(before[name].text, "code"),
                after=StyledText(after[name].text, "code"),
            )
        else:
            yield from _text_changes(number, before[name], after[name])


def _flat(argument: Argument) -> str:
    return " ".join(argument.text.split())


def _text_changes(number: int, old: Argument, new: Argument) -> Iterator[RichText]:
    """The lines that went and came, and how many characters."""
    olds, news = old.text.split("\n"), new.text.split("\n")
    if len(olds) == len(news) == 1:
        olds, news = _sentences(old.text), _sentences(new.text)
    changed = [
        (sign, text)
        for kind, start, end, to, until in difflib.SequenceMatcher(None, olds, news, autojunk=False).get_opcodes()
        if kind != "equal"
        for pair in zip_longest(((("-", each) for each in olds[start:end])), (("+", each) for each in news[to:until]))
        for sign, text in filter(None, pair)
    ]
    gone, come = (sum(len(text) for sign, text in changed if sign == of) for of in "-+")
    yield catalog.rich(
        "diff.text_changed", number=number, name=new.name, gone=catalog.number(gone), come=catalog.number(come)
    )
    for sign, text in changed[:_MOST_OF_ARGUMENT]:
        yield (StyledText(f"{sign} {_cut(text, _LINE)}", "code"),)
    if len(changed) > _MOST_OF_ARGUMENT:
        yield catalog.rich("diff.more", count=len(changed) - _MOST_OF_ARGUMENT)


def _sentences(text: str) -> list[str]:
    """A long line in parts that can be compared: what changed in it would be all of it otherwise."""
    parts = [""]
    for word in text.split(" "):
        if len(parts[-1]) + len(word) > _SHORT or parts[-1].endswith((".", "!", "?")):
            parts.append("")
        parts[-1] += f" {word}" if parts[-1] else word
    return parts
