"""The outermost handler of the desk: whatever goes wrong becomes one private sentence; the details go to the log."""

import logging
import secrets
from collections.abc import Awaitable

from bot.cards.error_messages import refusal_line
from bot.cards.text import one_line, visible
from bot.chat.platform import Said
from bot.chat.refusing import DeskRefusal
from bot.chat.sayings import not_done
from bot.i18n import Words
from bot.message import Card, Span
from coordination.domain.person import Person
from coordination.errors import (
    ConfigError,
    ConflictError,
    CoordinationError,
    RefusedError,
    RunNotFoundError,
    StorageError,
)

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
