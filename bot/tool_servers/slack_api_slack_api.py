"""Slack's Web API for tools: each call is sent once, and an answer that would be a guess is none."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn, TypeAlias, cast

import aiohttp
from mcp.server.mcpserver.exceptions import ToolError

Json: TypeAlias = "None | bool | int | float | str | list[Json] | dict[str, Json]"

NO_ANSWER = 70
_TIMEOUT = aiohttp.ClientTimeout(total=30)
_AMBIGUOUS = frozenset({"internal_error", "fatal_error", "request_timeout", "service_unavailable"})
_SENTENCES = {
    "not_in_channel": "The bot is not in this channel: somebody in it must type /invite @massgen.",
    "channel_not_found": "There is no such channel, or the bot can't see it.",
    "message_not_found": "There is no such message.",
    "thread_not_found": "There is no such thread.",
    "is_archived": "The channel is archived.",
    "already_reacted": "The bot has reacted with this already.",
    "already_pinned": "The message is pinned already.",
    "invalid_name": "There is no such emoji.",
    "msg_too_long": "The text is too long for a message; upload it as a snippet.",
}


def escaped(text: str) -> str:
    """Text in which nothing pings and nothing links."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@dataclass(frozen=True)
class SlackApi:
    """One bot token at one address."""

    token: str = field(repr=False)
    address: str

    async def read(self, method: str, **given: str | int | bool) -> dict[str, Json]:
        """A call that changes nothing.

        Raises:
            ToolError: Slack refused it, or did not answer.
        """
        try:
            return await self._call(method, given)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            raise ToolError("Slack did not answer.") from None

    async def write(self, method: str, **given: str | int | bool) -> dict[str, Json]:
        """A call that has an effect.

        Raises:
            ToolError: it had none, certainly.
        """
        try:
            return await self._call(method, given)
        except aiohttp.ClientConnectorError:
            raise ToolError("Slack can't be reached, so nothing was done.") from None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            leave_open(method)

    async def put(self, address: str, content: bytes) -> None:
        """The bytes of a file, which nobody sees before the upload is completed.

        Raises:
            ToolError: Slack did not take them.
        """
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT) as session,
                session.post(address, data=content) as answer,
            ):
                await answer.read()
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise ToolError("Slack did not take the file; nothing was shared.") from None
        if status != 200:
            raise ToolError("Slack did not take the file; nothing was shared.")

    async def _call(self, method: str, given: Mapping[str, str | int | bool]) -> dict[str, Json]:
        form = {name: _plain(value) for name, value in given.items() if value != ""}
        headers = {"Authorization": f"Bearer {self.token}"}
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT, headers=headers) as session,
            session.post(f"{self.address}{method}", data=form, allow_redirects=False) as answer,
        ):
            if answer.status == 429:
                wait = answer.headers.get("Retry-After", "some")
                raise ToolError(f"Slack asks to wait {wait} seconds; nothing was done.")
            data = cast("Json", await answer.json(content_type=None))
        if not isinstance(data, dict) or data.get("error") in _AMBIGUOUS:
            raise aiohttp.ClientPayloadError
        if data.get("ok") is not True:
            raise ToolError(_sentence(data))
        return data


def leave_open(method: str) -> NoReturn:
    """End the process without an answer: whoever asked must not read a failure where there may have been an effect."""
    sys.stderr.write(f"{method} got no answer: it may or may not have happened\n")
    sys.stderr.flush()
    os._exit(NO_ANSWER)


def _sentence(data: Mapping[str, Json]) -> str:
    code = str(data.get("error", ""))
    if code == "missing_scope":
        return f"The bot lacks the permission {data.get('needed', '')}; an administrator must install it again with it."
    return _SENTENCES.get(code, f"Slack refused this ({code or 'no reason given'}).")


def _plain(value: str | int | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
