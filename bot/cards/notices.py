"""What one person is told in private when something did not go as they wished: one sentence, and a reference."""

from bot.cards.error_messages import refusal_text
from bot.cards.text import visible
from bot.i18n import ENGLISH, Words
from coordination.errors import ConfigError, ConflictError, CoordinationError, RefusedError, RunNotFoundError


def notice_for(error: Exception, reference: str = "", words: Words = ENGLISH) -> str:
    """The sentence for an error. Of one that was not written for people, only that it happened is told."""
    if isinstance(error, ConfigError):
        text = "\n".join(visible(complaint) for complaint in error.complaints)
    elif isinstance(error, RunNotFoundError):
        text = words.say("error.no_run", run=visible(error.run))
    elif isinstance(error, ConflictError):
        text = words.say("error.conflict")
    elif isinstance(error, RefusedError):
        text = refusal_text(error, words)
    elif isinstance(error, CoordinationError):
        text = "\n".join(visible(line) for line in str(error).split("\n"))
    else:
        text = words.say("error.unexpected")
    return f"{text} {words.say('error.reference', reference=reference)}" if reference else text
