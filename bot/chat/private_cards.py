"""Cards for one person: a sentence, a list, a refusal; and whatever goes wrong, as one of these."""

import logging
import secrets
from collections.abc import Awaitable, Sequence

from bot.cards.error_messages import refusal_line
from bot.cards.text import one_line, visible
from bot.chat.platform import Said
from bot.i18n import ENGLISH, Words
from bot.message import Card, Line, Paragraph, Span, Tone
from coordination.domain.policy import Person
from coordination.errors import (
    ConfigError,
    ConflictError,
    CoordinationError,
    RefusedError,
    RunNotFoundError,
    StorageError,
)


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


class DeskRefusal(RefusedError):
    """What the desk will not do. `values` go into the sentence."""

    def __init__(self, name: str, values: dict[str, str | int]) -> None:
        super().__init__(name, ENGLISH.say(f"refuse.{name}", **values))
        self.values = values

    def sentence(self, words: Words) -> str:
        """The sentence in a language."""
        return words.say(f"refuse.{self.refusal}", **self.values)


def refused(name: str, /, **values: str | int) -> DeskRefusal:
    """A refusal to raise."""
    return DeskRefusal(name, values)


_log = logging.getLogger(__name__)
_MOST_COMPLAINTS = 10


async def answered(work: Awaitable[Said], by: Person, words: Words) -> Said:
    """What came of something that a person asked for.

    Raises:
        StorageError: nothing can be done now.
    """
    try:
        return await work
    except StorageError:
        raise
    except Exception as error:  # noqa: BLE001  # whoever asked gets a sentence, whatever it was
        return Said(private=error_card(error, by, words))


def error_card(error: Exception, by: Person, words: Words) -> Card:
    """The sentence for an error, and a reference into the log where there is more to know."""
    if isinstance(error, DeskRefusal):
        return not_done(words, (Span(visible(error.sentence(words))),))
    if isinstance(error, RefusedError):
        return not_done(words, refusal_line(error, words))
    if isinstance(error, ConflictError):
        return not_done(words, words.line("desk.busy"))
    if isinstance(error, RunNotFoundError):
        return not_done(words, words.line("desk.no_run", run=Span(one_line(error.run, 40), "bold")))
    reference = secrets.token_hex(2)
    if isinstance(error, ConfigError):
        _log.warning("a configuration can't be used, ref %s: %s", reference, error)
        return not_done(words, _config_line(error, by, words), reference)
    _log.error("a request failed, ref %s", reference, exc_info=error)
    if isinstance(error, CoordinationError):
        return not_done(words, (Span(one_line(str(error), 600)),), reference)
    return not_done(words, words.line("error.unexpected"), reference)


def _config_line(error: ConfigError, by: Person, words: Words) -> tuple[Span, ...]:
    """Whoever administers the place hears what is wrong; everybody else, whom to ask."""
    if not by.is_admin:
        return (Span(words.say("desk.config_broken")),)
    shown = error.complaints[:_MOST_COMPLAINTS]
    return (Span(visible(" · ".join(shown))),)
