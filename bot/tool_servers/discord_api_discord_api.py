"""Discord's REST for tools: confined to one server, each effect at most once, and an answer that would be a guess is none."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn, TypeAlias

import aiohttp
from mcp.server.mcpserver.exceptions import ToolError

Json: TypeAlias = "None | bool | int | float | str | list[Json] | dict[str, Json]"

NO_ANSWER = 70
_TIMEOUT = aiohttp.ClientTimeout(total=30)
_TRIES = 3
_AGENT = "DiscordBot (https://discord.com/developers/docs/reference, 1)"

# https://discord.com/developers/docs/topics/opcodes-and-status-codes#json
_SENTENCES = {
    10003: "There is no such channel on this server.",
    10008: "There is no such message.",
    10014: "There is no such emoji.",
    30003: "The channel has as many pins as it can have.",
    50001: "The bot can't see this channel; a server admin must allow it.",
    50013: "The bot lacks a permission for this; a server admin must allow it.",
    50035: "Discord found something wrong with the arguments.",
    160004: "This message has a thread already.",
}


class NoAnswer(Exception):
    """Discord may or may not have done what it was asked for."""


@dataclass(frozen=True)
class DiscordApi:
    """One bot token at one address, and the one server that may be touched."""

    token: str = field(repr=False)
    address: str
    guild: str
    known: dict[str, bool] = field(default_factory=dict[str, bool])

    async def read(self, path: str) -> Json:
        """A request that changes nothing.

        Raises:
            ToolError: Discord refused it, or did not answer.
        """
        try:
            return await self._request("GET", path, None)
        except NoAnswer:
            raise ToolError("Discord did not answer.") from None

    async def write(
        self, method: str, path: str, body: Mapping[str, Json] | None = None, *, repeats: bool = False
    ) -> Json:
        """A request with an effect. One that does no harm twice is repeated until it is answered.

        Raises:
            ToolError: it had none, certainly.
        """
        may_have_happened = False
        for _ in range(_TRIES if repeats else 1):
            try:
                return await self._request(method, path, body)
            except NoAnswer:
                may_have_happened = True
            except ToolError:
                # What is refused now may have been done by the request before, whose answer was lost.
                if not may_have_happened:
                    raise
                break
        return leave_open(f"{method} {path}")

    async def confine(self, channel: str) -> str:
        """The channel's id, if it is on our server.

        Raises:
            ToolError: it is not; a channel elsewhere is the same as none.
        """
        number = snowflake(channel)
        if number not in self.known:
            found = await self.read(f"/channels/{number}")
            self.known[number] = isinstance(found, dict) and found.get("guild_id") == self.guild
        if not self.known[number]:
            raise ToolError(_SENTENCES[10003])
        return number

    async def _request(self, method: str, path: str, body: Mapping[str, Json] | None) -> Json:
        headers = {"Authorization": f"Bot {self.token}", "User-Agent": _AGENT}
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT, headers=headers) as session,
                session.request(method, f"{self.address}{path}", json=body, allow_redirects=False) as answer,
            ):
                if answer.status >= 500:
                    raise NoAnswer
                if answer.status == 429:
                    wait = answer.headers.get("Retry-After", "some")
                    raise ToolError(f"Discord asks to wait {wait} seconds; nothing was done.")
                if answer.status >= 300:
                    raise ToolError(_sentence(answer.status, await _reason(answer)))
                return None if answer.status == 204 else await answer.json(content_type=None)
        except aiohttp.ClientConnectorError:
            raise ToolError("Discord can't be reached, so nothing was done.") from None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            raise NoAnswer from None


async def _reason(answer: aiohttp.ClientResponse) -> Json:
    """What a refusal says in Discord's own terms; nothing where a gateway before it refused with a page."""
    try:
        reason: Json = await answer.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None
    return reason


def snowflake(text: str) -> str:
    """An id, which becomes part of an address.

    Raises:
        ToolError: it is none.
    """
    if not (text.isascii() and text.isdecimal() and len(text) <= 20):
        raise ToolError(f"{text[:40]!r} is no Discord id: those are numbers of up to 20 digits.")
    return text


def leave_open(what: str) -> NoReturn:
    """End the process without an answer: whoever asked must not read a failure where there may have been an effect."""
    sys.stderr.write(f"{what} got no answer: it may or may not have happened\n")
    sys.stderr.flush()
    os._exit(NO_ANSWER)


def _sentence(status: int, data: Json) -> str:
    code = data.get("code") if isinstance(data, dict) else None
    if status == 401:
        return "Discord refuses the token in DISCORD_BOT_TOKEN."
    return _SENTENCES.get(code if isinstance(code, int) else 0, f"Discord refused this (status {status}, code {code}).")
