"""Cards for one person: a sentence, a list, a refusal; and whatever goes wrong, as one of these."""

import logging
import secrets
from collections.abc import Awaitable, Sequence

from bot.cards.error_messages import refusal_line
from bot.cards.text import one_line, visible
from bot.chat.platform import ChatReply
from bot.i18n import ENGLISH, Catalog
from bot.message import Card, Paragraph, RichText, Severity, StyledText
from coordination.domain.policy import Person
from coordination.errors import (
    ConfigError,
    ConflictError,
    CoordinationError,
    RefusedError,
    RunNotFoundError,
    StorageError,
)


def done_card(catalog: Catalog, line: RichText, *more: RichText) -> Card:
    """Something that was done, or is to be known."""
    return Card(
        severity=Severity.DONE,
        status=catalog.text("chat.noted"),
        title=(),
        reference=(),
        sections=(Paragraph(lines=(line, *more)),),
    )


def not_done_card(catalog: Catalog, line: RichText, reference: str = "") -> Card:
    """One sentence that says why, and who can do what about it."""
    quiet = catalog.text("error.reference", reference=reference) if reference else ""
    return Card(
        severity=Severity.ATTENTION,
        status=catalog.text("chat.not_done"),
        title=(),
        reference=(),
        sections=(Paragraph(lines=(line,)),),
        footer=(StyledText(quiet, "quiet"),) if quiet else (),
    )


def list_card(
    catalog: Catalog, heading: RichText, lines: Sequence[RichText], *, empty: str, footer: RichText = ()
) -> Card:
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

    def sentence(self, catalog: Catalog) -> str:
        """The sentence in a language."""
        return catalog.text(f"refuse.{self.refusal}", **self.values)


def refused(name: str, /, **values: str | int) -> ChatRefusal:
    """A refusal to raise."""
    return ChatRefusal(name, values)


_log = logging.getLogger(__name__)
_MOST_COMPLAINTS = 10


async def reply_or_error_card(work: Awaitable[ChatReply], by: Person, catalog: Catalog) -> ChatReply:
    """What came of something that a person asked for.

    Raises:
        StorageError: nothing can be done now.
    """
    try:
        return await work
    except StorageError:
        raise
    except Exception as error:  # noqa: BLE001  # whoever asked gets a sentence, whatever it was
        return ChatReply(private=error_card(error, by, catalog))


def error_card(error: Exception, by: Person, catalog: Catalog) -> Card:
    """The sentence for an error, and a reference into the log where there is more to know."""
    if isinstance(error, ChatRefusal):
        return not_done_card(catalog, (StyledText(visible(error.sentence(catalog))),))
    if isinstance(error, RefusedError):
        return not_done_card(catalog, refusal_line(error, catalog))
    if isinstance(error, ConflictError):
        return not_done_card(catalog, catalog.rich("chat.busy"))
    if isinstance(error, RunNotFoundError):
        return not_done_card(catalog, catalog.rich("chat.no_run", run=StyledText(one_line(error.run, 40), "bold")))
    reference = secrets.token_hex(2)
    if isinstance(error, ConfigError):
        _log.warning("a configuration can't be used, ref %s: %s", reference, error)
        return not_done_card(catalog, _config_line(error, by, catalog), reference)
    _log.error("a request failed, ref %s", reference, exc_info=error)
    if isinstance(error, CoordinationError):
        return not_done_card(catalog, (StyledText(one_line(str(error), 600)),), reference)
    return not_done_card(catalog, catalog.rich("error.unexpected"), reference)


def _config_line(error: ConfigError, by: Person, catalog: Catalog) -> tuple[StyledText, ...]:
    """Whoever administers the place hears what is wrong; everybody else, whom to ask."""
    if not by.is_admin:
        return (StyledText(catalog.text("chat.config_broken")),)
    shown = error.diagnostics[:_MOST_COMPLAINTS]
    return (StyledText(visible(" · ".join(shown))),)
