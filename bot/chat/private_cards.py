"""Cards for one person: a sentence, a list, a refusal.

Whatever goes wrong becomes one of these, and gets its words nowhere else.
"""

import logging
import secrets
from collections.abc import Sequence

from bot.cards.error_messages import ErrorKeys, error_line, plain_text
from bot.cards.text import one_line, visible
from bot.chat.platform import MessageNotFound, MissingPermission, RateLimited
from bot.i18n import ENGLISH, catalog
from bot.message import Card, Paragraph, RichText, Severity, StyledText
from coordination.domain.states import RunState
from coordination.errors import ConfigError, ConflictError, RefusedError, RunNotFoundError
from coordination.text import Text


def done_card(line: RichText, *more: RichText) -> Card:
    """Something that was done, or is to be known."""
    return Card(
        severity=Severity.DONE,
        status=catalog.text("chat.noted"),
        title=(),
        reference=(),
        sections=(Paragraph(lines=(line, *more)),),
    )


def not_done_card(line: RichText, reference: str = "", *, status: str = "") -> Card:
    """One sentence that says why, and who can do what about it; below another `status` where it may have been done."""
    quiet = catalog.text("error.reference", reference=reference) if reference else ""
    return Card(
        severity=Severity.ATTENTION,
        status=status or catalog.text("chat.not_done"),
        title=(),
        reference=(),
        sections=(Paragraph(lines=(line,)),),
        footer=(StyledText(quiet, "quiet"),) if quiet else (),
    )


def list_card(heading: RichText, lines: Sequence[RichText], *, empty: str, footer: RichText = ()) -> Card:
    """Lines below a heading; `empty` is what stands there instead of none."""
    body = tuple(lines) or ((StyledText(empty),),)
    return Card(
        severity=Severity.STOPPED,
        status=catalog.text("chat.list"),
        title=heading,
        reference=(),
        sections=(Paragraph(lines=body),),
        footer=footer,
    )


class ChatRefusal(RefusedError):
    """What the chat service will not do. `values` go into the sentence."""

    def __init__(self, name: str, values: dict[str, str | int]) -> None:
        super().__init__(name, ENGLISH.text(f"refuse.{name}", **values))
        self.values = values

    def sentence(self) -> str:
        """The sentence in a language."""
        return catalog.text(f"refuse.{self.refusal}", **self.values)


def refused(name: str, /, **values: str | int) -> ChatRefusal:
    """A refusal to raise."""
    return ChatRefusal(name, values)


class ShownConfigError(ConfigError):
    """What is wrong with a configuration, where an administrator asked; everybody else hears only whom to ask."""


_log = logging.getLogger(__name__)
_MOST_COMPLAINTS = 10
_LONGEST = 600


CHAT_ERRORS = ErrorKeys(
    no_run="chat.no_run", conflict="chat.conflict", storage="chat.storage", storage_away="chat.storage_away"
)
"""The sentences of every chat; a product may have some of its own."""


def error_card(error: Exception, keys: ErrorKeys = CHAT_ERRORS, state: RunState | None = None) -> Card:
    """The card for whatever a request ended in, and a reference into the log where there is more to know.

    `state` is the one of the run that was refused something.
    """
    if isinstance(error, MissingPermission):
        _log.warning("the product refused: %s", error)
        return not_done_card((StyledText(str(error)),))
    if isinstance(error, MessageNotFound | RateLimited):  # Their texts are a product's codes and numbers.
        _log.warning("the product refused: %s", error)
        return not_done_card(catalog.rich("chat.busy" if isinstance(error, RateLimited) else "chat.not_there"))
    if isinstance(error, ChatRefusal):
        return not_done_card((StyledText(visible(error.sentence())),))
    if isinstance(error, RefusedError | ConflictError | RunNotFoundError):
        return not_done_card(error_line(error, keys, state))
    reference = secrets.token_hex(2)
    if isinstance(error, ConfigError):
        _log.warning("a configuration can't be used, ref %s: %s", reference, error)
        return not_done_card(_config_line(error), reference)
    _log.error("a request failed, ref %s", reference, exc_info=error)
    line = error_line(error, keys)
    shown = (StyledText(one_line(plain_text(line), _LONGEST)),)
    return not_done_card(shown, reference, status=catalog.text("chat.went_wrong"))


def _config_line(error: ConfigError) -> RichText:
    if not isinstance(error, ShownConfigError):
        return catalog.rich("chat.config_broken")
    return (StyledText(visible(Text.joined(" · ", error.diagnostics[:_MOST_COMPLAINTS]))),)
