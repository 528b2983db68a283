"""The desk's private cards: a sentence, a refusal, a list."""

from collections.abc import Sequence

from bot.i18n import Words
from bot.message import Card, Line, Paragraph, Span, Tone


def noted(words: Words, line: Line, *more: Line) -> Card:
    """Something that was done, or is to be known."""
    return Card(
        tone=Tone.DONE,
        status=words.say("desk.noted"),
        title=(),
        reference=(),
        sections=(Paragraph(lines=(line, *more)),),
    )


def not_done(words: Words, line: Line, reference: str = "") -> Card:
    """One sentence that says why, and who can do what about it."""
    quiet = words.say("error.reference", reference=reference) if reference else ""
    return Card(
        tone=Tone.ATTENTION,
        status=words.say("desk.not_done"),
        title=(),
        reference=(),
        sections=(Paragraph(lines=(line,)),),
        footer=(Span(quiet, "quiet"),) if quiet else (),
    )


def listing(words: Words, heading: Line, lines: Sequence[Line], *, empty: str, footer: Line = ()) -> Card:
    """Lines below a heading; `empty` is what stands there instead of none."""
    body = tuple(lines) or ((Span(empty),),)
    return Card(
        tone=Tone.STOPPED,
        status=words.say("desk.list"),
        title=heading,
        reference=(),
        sections=(Paragraph(lines=body),),
        footer=footer,
    )
