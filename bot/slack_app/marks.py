"""Finds a card whose post got no answer, by a mark in its metadata that says nothing to anybody else.

Anybody may see a mark, and any app may post one; so it counts on the bot's own messages only.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.chat.platform import Place
from bot.slack_app.workspaces import Workspace

_KIND = "massgen_card"
_BEFORE = timedelta(minutes=1)
_AFTER = timedelta(minutes=5)
"""How far Slack's clock may be from ours, and how long a post may take besides."""

_PAGE = 100
_MOST_PAGES = 5


def mark_of(once: str) -> dict[str, object]:
    """What a message carries that was posted as `once`.

    https://docs.slack.dev/messaging/message-metadata
    """
    return {"event_type": _KIND, "event_payload": {"card": hashlib.sha256(once.encode()).hexdigest()}}


@dataclass(frozen=True, kw_only=True)
class Search:
    """For the message of one post, made at about a time, in one place."""

    client: AsyncWebClient
    workspace: Workspace
    place: Place
    once: str
    at: datetime

    async def found(self) -> str | None:
        """Slack's id of the message, if it is among the first few pages.

        Raises:
            SlackApiError: Slack does not let the bot look; its `*:history` scopes are no part of a usual installation.
        """
        cursor = ""
        for _ in range(_MOST_PAGES):
            page = await self._page(cursor)
            messages: object = page.get("messages")
            for message in messages if isinstance(messages, list) else []:
                if self._is_it(message):
                    return str(message["ts"])
            metadata: object = page.get("response_metadata")
            cursor = str(metadata.get("next_cursor") or "") if isinstance(metadata, Mapping) else ""
            if not cursor:
                break
        return None

    async def _page(self, cursor: str) -> AsyncSlackResponse:
        ask: Callable[..., Awaitable[AsyncSlackResponse]] = (
            partial(self.client.conversations_replies, ts=self.place.thread)
            if self.place.thread
            else self.client.conversations_history
        )
        return await ask(
            channel=self.place.channel,
            oldest=f"{(self.at - _BEFORE).timestamp():.6f}",
            latest=f"{(self.at + _AFTER).timestamp():.6f}",
            limit=_PAGE,
            cursor=cursor or None,
            include_all_metadata=True,
        )

    def _is_it(self, message: Mapping[str, object]) -> bool:
        author = ("bot_id", self.workspace.bot) if self.workspace.bot else ("user", self.workspace.bot_user)
        is_ours = bool(author[1]) and message.get(author[0]) == author[1]
        metadata: object = message.get("metadata")
        return is_ours and isinstance(metadata, Mapping) and mark_of(self.once).items() <= metadata.items()
