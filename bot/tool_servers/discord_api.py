"""Discord's REST for tools: confined to one server, each effect at most once, within what a member may see and do.

https://discord.com/developers/docs/topics/permissions
"""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import NoReturn, TypeAlias

import aiohttp
from mcp.server.mcpserver.exceptions import ToolError

from bot.tool_servers.callers import Scope
from bot.tool_servers.rate_limits import Patience, RateLimited, seconds_in
from bot.tool_servers.refusals import ChatBusyError, ChatRefusedError, effect
from coordination.domain.caller import Caller
from coordination.domain.policy import POLICY_ACTOR

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
    40067: "This forum wants a tag on each post; name one of its tags.",
    50024: "This can't be done in a channel of this kind.",
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
    patience: Patience = field(default_factory=Patience)

    async def read(self, path: str) -> Json:
        """A request that changes nothing.

        Raises:
            ChatBusyError: Discord did not answer, or asks to wait.
            ToolError: it refused.
        """
        try:
            return await self._request("GET", path, None)
        except NoAnswer:
            raise ChatBusyError("Discord did not answer.") from None

    async def write(
        self, method: str, path: str, body: Mapping[str, Json] | None = None, *, repeats: bool = False
    ) -> Json:
        """A request with an effect. One that does no harm twice is repeated until it is answered.

        Raises:
            ChatRefusedError: it had none, certainly.
            ToolError: it was refused, by Discord or by a gateway before it.
        """
        may_have_happened = False
        with effect():
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

    async def channel(self, number: str) -> "Fields":
        """A channel of our server, as Discord describes it.

        Raises:
            ToolError: Discord does not tell.
        """
        found = await self.read(f"/channels/{number}")
        return found if isinstance(found, dict) else {}

    async def _request(self, method: str, path: str, body: Mapping[str, Json] | None) -> Json:
        """One request, sent again after a 429 that asks for a short wait: it says that nothing was done."""
        while True:
            try:
                return await self._once(method, path, body)
            except RateLimited as error:
                if not await self.patience.waits(error.seconds):
                    text = f"Discord asks to wait {error.seconds:g} seconds; nothing was done."
                    raise ChatBusyError(text) from None

    async def _once(self, method: str, path: str, body: Mapping[str, Json] | None) -> Json:
        headers = {"Authorization": f"Bot {self.token}", "User-Agent": _AGENT}
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT, headers=headers) as session,
                session.request(method, f"{self.address}{path}", json=body, allow_redirects=False) as answer,
            ):
                if answer.status >= 500:
                    raise NoAnswer
                if answer.status == 429:
                    raise RateLimited(seconds_in(answer.headers, await _reason(answer)))
                if answer.status >= 300:
                    raise _refusal(answer.status, await _reason(answer))
                return None if answer.status == 204 else await answer.json(content_type=None)
        except aiohttp.ClientConnectorError:
            raise ChatRefusedError("Discord can't be reached, so nothing was done.") from None
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


def _refusal(status: int, data: Json) -> ToolError:
    """What a failing status comes to.

    Where it has no code it may be of a gateway, which does not know what was done.
    """
    code = data.get("code") if isinstance(data, dict) else None
    if not isinstance(code, int):
        kind = ChatRefusedError if status == HTTPStatus.UNAUTHORIZED else ToolError
    else:
        kind = ChatRefusedError if 400 <= status < 500 else ToolError
    if status == HTTPStatus.UNAUTHORIZED:
        return kind("Discord refuses the token in DISCORD_BOT_TOKEN.")
    unknown = f"Discord refused this (status {status}, code {code})."
    return kind(_SENTENCES.get(code if isinstance(code, int) else 0, unknown))


ADMINISTRATOR = 1 << 3
ADD_REACTIONS = 1 << 6
VIEW = 1 << 10
SEND = 1 << 11
MANAGE_MESSAGES = 1 << 13
HISTORY = 1 << 16
CONNECT = 1 << 20
MANAGE_THREADS = 1 << 34
CREATE_THREADS = 1 << 35
SEND_IN_THREADS = 1 << 38
PIN = 1 << 51
ALL = (1 << 64) - 1

_THREADS = frozenset({10, 11, 12})
_PRIVATE_THREAD = 12
_VOICE = frozenset({2, 13})
TEXT, ANNOUNCEMENTS, FORUM, MEDIA = 0, 5, 15, 16
_READ = VIEW | HISTORY
_VOICE_READ = _READ | CONNECT
_ROLE, _MEMBER = 0, 1

NOT_SEEN = "There is no such channel, or the person who asked can't read it."
NOT_HERE = "What this run reads is shown where it was asked for, and not everybody there can read that channel."
NOT_OWN = (
    "This run may read only the channel that it was asked for in. The operator can widen that with `--scope visible` "
    "in the tool server's arguments."
)
_NOT_ALLOWED = "Nobody who asked for this or approved it may do that there; nothing was done."

Fields = Mapping[str, Json]


@dataclass(frozen=True)
class Site:
    """A channel with what rules it: for a thread, the channel that it is in."""

    channel: Fields
    parent: Fields

    @property
    def is_private(self) -> bool:
        """Whether it is a thread for invited people."""
        return self.channel.get("type") == _PRIVATE_THREAD

    @property
    def is_thread(self) -> bool:
        """Whether it is in another channel."""
        return self.channel.get("type") in _THREADS

    @property
    def needed(self) -> int:
        """The permissions without which nothing can be read there."""
        return _VOICE_READ if self.parent.get("type") in _VOICE else _READ

    @property
    def number(self) -> str:
        """The channel's id."""
        return str(self.channel.get("id", ""))


@dataclass(frozen=True)
class Sight:
    """Decides what may be read and done for whom. Everything is asked of Discord at the moment of the call."""

    api: DiscordApi
    scope: Scope = "own"
    now: Callable[[], float] = time.time

    async def readable(self, caller: Caller | None, channel: str) -> str:
        """The id of a channel whose messages may be read into the run.

        Raises:
            ToolError: they may not.
        """
        number = await self.api.confine(channel or (caller.channel if caller else ""))
        if caller is None:
            return number
        site = await self._site(number)
        if site is None or not await self._can_read(caller.requester, site):
            raise ToolError(NOT_SEEN)
        own = await self._site(await self.api.confine(caller.channel))
        if own is None:
            raise ToolError(NOT_SEEN)
        if not _is_own(own, site):
            if self.scope == "own":
                raise ToolError(NOT_OWN)
            if not is_wide_enough(own, site, await self._guild()):
                raise ToolError(NOT_HERE)
        return number

    async def listed(self, caller: Caller | None, rows: Sequence[dict[str, Json]]) -> list[dict[str, Json]]:
        """Those of the server's channels that may be named in the run."""
        if caller is None:
            return list(rows)
        guild, member = await self._guild(), await self._member(caller.requester)
        own = await self._site(await self.api.confine(caller.channel))
        if own is None:
            return []
        sites = [(row, Site(row, row)) for row in rows]
        return [
            row
            for row, site in sites
            if self._may(guild, member, site) & site.needed == site.needed
            and (_is_own(own, site) or is_wide_enough(own, site, guild))
        ]

    async def writable(self, caller: Caller | None, channel: str, needed: int, in_thread: int = 0) -> str:
        """The id of a channel where a call may act: all behind it can read there, and one of them may do so themself.

        Raises:
            ToolError: it may not.
        """
        number = await self.api.confine(channel or (caller.channel if caller else ""))
        if caller is None:
            return number
        site = await self._site(number)
        people = [each for each in caller.people if each != POLICY_ACTOR]
        if site is None or not all([await self._can_read(each, site) for each in people]):
            raise ToolError(NOT_SEEN)
        wanted = in_thread if site.is_thread and in_thread else needed
        guild = await self._guild()
        if not any([self._may(guild, await self._member(each), site) & wanted == wanted for each in people]):
            raise ToolError(_NOT_ALLOWED)
        return number

    def _may(self, guild: Fields, member: Fields, site: Site) -> int:
        return permissions(guild, member, site.parent, self.now())

    async def _can_read(self, user: str, site: Site) -> bool:
        may = self._may(await self._guild(), await self._member(user), site)
        if may & site.needed != site.needed:
            return False
        if not site.is_private or may & MANAGE_THREADS:
            return True
        found = await self._found(f"/channels/{site.number}/thread-members/{snowflake(user)}")
        return found.get("user_id") == user

    async def _site(self, number: str) -> Site | None:
        channel = await self._found(f"/channels/{number}")
        if channel.get("type") not in _THREADS:
            return Site(channel, channel) if channel else None
        parent = await self._found(f"/channels/{snowflake(str(channel.get('parent_id')))}")
        return Site(channel, parent) if parent else None

    async def _guild(self) -> Fields:
        return await self._found(f"/guilds/{self.api.guild}")

    async def _member(self, user: str) -> Fields:
        return await self._found(f"/guilds/{self.api.guild}/members/{snowflake(user)}")

    async def _found(self, path: str) -> Fields:
        """What Discord tells; nothing where it says that there is nothing, or not for us.

        Raises:
            ChatBusyError: it does not say now.
        """
        try:
            found = await self.api.read(path)
        except ChatBusyError:
            raise
        except ToolError:
            return {}
        return found if isinstance(found, dict) else {}


def permissions(guild: Fields, member: Fields, channel: Fields, now: float) -> int:
    """What a member may do in a channel, as a number of bits; nothing for who has left or not passed the screening.

    `now` is in seconds of the epoch: a time-out leaves only reading.
    """
    user = member.get("user")
    account = str(user.get("id", "")) if isinstance(user, dict) else ""
    if not account or not guild.get("id") or not channel.get("id") or member.get("pending") is True:
        return 0
    if guild.get("owner_id") == account:
        return ALL
    mine = _roles_of(guild, member)
    base = 0
    for role in _rows(guild, "roles"):
        if role.get("id") in mine:
            base |= _bits(role, "permissions")
    if base & ADMINISTRATOR:
        return ALL
    may = _overwritten(base, channel, everyone=str(guild.get("id")), roles=mine, account=account)
    if not may & VIEW:
        return 0
    return may & _READ if _is_timed_out(member, now) else may


def _roles_of(guild: Fields, member: Fields) -> frozenset[str]:
    own = member.get("roles")
    return frozenset({str(guild.get("id")), *(str(each) for each in (own if isinstance(own, list) else ()))})


def _overwritten(base: int, channel: Fields, *, everyone: str, roles: frozenset[str], account: str) -> int:
    """The overwrites of a channel, in Discord's order: everyone's, those of all roles together, the member's own."""
    overwrites = _rows(channel, "permission_overwrites")
    for each in overwrites:
        if each.get("id") == everyone:
            base = base & ~_bits(each, "deny") | _bits(each, "allow")
    mine = [each for each in overwrites if each.get("id") in roles - {everyone} and each.get("type") == _ROLE]
    deny, allow = 0, 0
    for each in mine:
        deny, allow = deny | _bits(each, "deny"), allow | _bits(each, "allow")
    base = base & ~deny | allow
    for each in overwrites:
        if each.get("id") == account and each.get("type") == _MEMBER:
            base = base & ~_bits(each, "deny") | _bits(each, "allow")
    return base


def is_wide_enough(own: Site, site: Site, guild: Fields) -> bool:
    """Whether everybody who can read the run's own channel can surely read the other one as well."""
    if site.is_private:
        return False
    if own.is_private and own.parent.get("id") == site.parent.get("id"):
        return True
    same_kind = own.parent.get("type") in _VOICE or site.parent.get("type") not in _VOICE
    return (same_kind and _audience(own.parent) == _audience(site.parent)) or _is_open(site, guild)


def _is_open(site: Site, guild: Fields) -> bool:
    """Whether every member can read there: everyone may, and nobody is kept out."""
    everyone = str(guild.get("id"))
    roles = [role for role in _rows(guild, "roles") if role.get("id") == everyone]
    base = _bits(roles[0], "permissions") if roles else 0
    may = _overwritten(base, site.parent, everyone=everyone, roles=frozenset({everyone}), account="")
    others = [each for each in _rows(site.parent, "permission_overwrites") if each.get("id") != everyone]
    return may & site.needed == site.needed and not any(_bits(each, "deny") & site.needed for each in others)


def _audience(channel: Fields) -> frozenset[tuple[str, int, int]]:
    """Who is let in and kept out, apart from everything else that overwrites say."""
    rows = _rows(channel, "permission_overwrites")
    found = {
        (str(each.get("id")), _bits(each, "allow") & _VOICE_READ, _bits(each, "deny") & _VOICE_READ) for each in rows
    }
    return frozenset(each for each in found if each[1] or each[2])


def _is_own(own: Site, site: Site) -> bool:
    """Whether a channel is the run's own, or a public thread of it."""
    return site.number == own.number or (
        not site.is_private and not own.is_private and site.parent.get("id") == own.parent.get("id")
    )


def _is_timed_out(member: Fields, now: float) -> bool:
    until = member.get("communication_disabled_until")
    if not isinstance(until, str):
        return False
    try:
        return datetime.fromisoformat(until).timestamp() > now
    except ValueError:
        return True


def _bits(fields: Fields, name: str) -> int:
    value = fields.get(name)
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() else 0


def _rows(fields: Fields, name: str) -> list[Fields]:
    found = fields.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
