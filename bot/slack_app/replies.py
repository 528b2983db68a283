"""Private replies: through the address that came with the click, or beside the card. Whatever fails gets a sentence."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TypeAlias

from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.chat.platform import CardTooLarge, MessageNotFound, MissingPermission, RateLimited
from bot.chat.private_cards import error_card
from bot.chat.service_port import ChatService, Pages, Private, Reply, Started
from bot.i18n import catalog
from bot.message import Card
from bot.slack_app.components import openers
from bot.slack_app.errors import translated
from bot.slack_app.installations import Clients
from bot.slack_app.markup import MESSAGE_TEXT, escaped, within
from bot.slack_app.payloads import EventSource
from bot.slack_app.render import Rendered, rendered

_log = logging.getLogger(__name__)

_REFUSED = (MessageNotFound, MissingPermission, RateLimited, CardTooLarge)

Tell: TypeAlias = Callable[[EventSource, Card], Awaitable[None]]
"""Shows one person a card."""


@dataclass(frozen=True)
class Replies:
    """Answers to the person who did something, which nobody else sees."""

    clients: Clients

    async def reply(self, source: EventSource, reply: Reply, chat_service: ChatService | None = None) -> None:
        """What the person alone is told; nothing where the public card says it all.

        Of a question that has reached them the chat service hears.
        """
        match reply:
            case Private(card=card, ids=ids) if ids is not None:
                has_arrived = await self._send(source, rendered(card, ids))
                if has_arrived and reply.question and chat_service is not None:
                    await chat_service.question_shown(reply.question, source.place)
            case Private(card=card, runs=runs) if runs:
                message = rendered(card)
                await self._send(source, replace(message, blocks=[*message.blocks, *openers(runs)]))
            case Private(card=card) | Pages(cards=[card, *_]) | Started(note=Card() as card):
                await self.reply_card(source, card)
            case _:
                return

    async def withdraw(self, source: EventSource) -> None:
        """Take away the private question whose button was pressed.

        It was answered: that it stays is no error to tell.
        """
        try:
            with translated():
                answer = await AsyncWebhookClient(source.reply_address).send_dict({"delete_original": True})
        except _REFUSED as error:
            _log.warning("a question was not taken away: %s", error)
            return
        if answer.status_code != 200:
            _log.warning("a question was not taken away: status %s", answer.status_code)

    async def reply_card(self, source: EventSource, card: Card) -> None:
        """A card."""
        try:
            await self._send(source, rendered(card))
        except CardTooLarge:
            await self.reply_text(source, catalog.text("slack.refused.unknown", code="card_too_large"))

    async def reply_message(self, source: EventSource, message: Rendered) -> None:
        """A message that is drawn already."""
        await self._send(source, message)

    async def reply_text(self, source: EventSource, text: str) -> None:
        """One sentence."""
        await self._send(source, Rendered(text=within(escaped(text), MESSAGE_TEXT), blocks=[]))

    async def _send(self, source: EventSource, message: Rendered) -> bool:
        """False: it did not reach its person.

        An address takes five answers in half an hour. What it refuses may still be shown beside the card.
        """
        ways = [self._through_address] if source.reply_address else []
        for way in [*ways, *([self.beside] if source.channel else [])]:
            try:
                with translated():
                    if await way(source, message):
                        return True
            except _REFUSED as error:
                _log.warning("an answer did not reach its person: %s", error)
        return False

    async def beside(self, source: EventSource, message: Rendered) -> bool:
        """In the channel or thread, for one person. What keeps it from them is raised."""
        await self.clients.without_retries(source.workspace.token).chat_postEphemeral(
            channel=source.channel,
            user=source.user,
            thread_ts=source.thread or None,
            text=message.text,
            blocks=message.blocks or None,
            parse="none",
            link_names=False,
        )
        return True

    async def _through_address(self, source: EventSource, message: Rendered) -> bool:
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
        return answer.status_code == 200

    @asynccontextmanager
    async def report_errors(self, source: EventSource, tell: Tell | None = None) -> AsyncGenerator[None]:
        """Whatever fails inside becomes a sentence, with a reference into the log where there is more to know."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  # the outermost handler of what people do: everything becomes a sentence
            await (tell or self.reply_card)(source, error_card(error))
