"""Private replies: through the address that came with the click, or beside the card. Whatever fails gets a sentence."""

import logging
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.chat.platform import CardTooLarge, MessageNotFound, MissingPermission, RateLimited
from bot.i18n import ENGLISH, Catalog
from bot.message import Card
from bot.slack_app.errors import translated
from bot.slack_app.installations import Clients
from bot.slack_app.markup import MESSAGE_TEXT, escaped, within
from bot.slack_app.payloads import EventSource
from bot.slack_app.render import Rendered, rendered
from coordination.errors import StorageError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Replies:
    """Answers to the person who did something, which nobody else sees."""

    clients: Clients
    catalog: Catalog = ENGLISH

    async def reply_card(self, source: EventSource, card: Card | None) -> None:
        """A card; nothing where there is none."""
        if card is None:
            return
        try:
            await self._send(source, rendered(card, catalog=self.catalog))
        except CardTooLarge:
            await self.reply_text(source, self.catalog.text("slack.refused.unknown", code="card_too_large"))

    async def reply_text(self, source: EventSource, text: str) -> None:
        """One sentence."""
        await self._send(source, Rendered(text=within(escaped(text), MESSAGE_TEXT), blocks=[]))

    async def _send(self, source: EventSource, message: Rendered) -> None:
        try:
            with translated(self.catalog):
                if source.reply_address:
                    await self._through_address(source, message)
                else:
                    await self.beside(source, message)
        except (MessageNotFound, MissingPermission, RateLimited, CardTooLarge) as error:
            _log.warning("an answer did not reach its person: %s", error)

    async def beside(self, source: EventSource, message: Rendered) -> None:
        """In the channel or thread, for one person."""
        await self.clients.once(source.workspace.token).chat_postEphemeral(
            channel=source.channel,
            user=source.user,
            thread_ts=source.thread or None,
            text=message.text,
            blocks=message.blocks or None,
            parse="none",
            link_names=False,
        )

    async def _through_address(self, source: EventSource, message: Rendered) -> None:
        body: dict[str, object] = {
            "text": message.text,
            "response_type": "ephemeral",
            "replace_original": False,
            "unfurl_links": False,
            "unfurl_media": False,
        }
        if message.blocks:
            body["blocks"] = message.blocks
        if source.thread:
            body["thread_ts"] = source.thread
        answer = await AsyncWebhookClient(source.reply_address).send_dict(body)
        if answer.status_code != 200:
            _log.warning("an answer was refused with status %s", answer.status_code)

    @asynccontextmanager
    async def report_errors(self, source: EventSource) -> AsyncGenerator[None]:
        """Whatever fails inside becomes a sentence with a reference into the log."""
        reference = secrets.token_hex(2)
        try:
            yield
        except StorageError:
            _log.exception("the database failed, ref %s", reference)
            await self.reply_text(source, self.catalog.text("slack.storage.down", reference=reference))
        except (MessageNotFound, MissingPermission, RateLimited) as error:
            _log.warning("Slack refused, ref %s: %s", reference, error)
            await self.reply_text(source, str(error))
        except Exception:  # noqa: BLE001  # the outermost handler of what people do: everything becomes a sentence
            _log.exception("unexpected error, ref %s", reference)
            await self.reply_text(source, self.catalog.text("slack.unexpected", reference=reference))
