"""Slack's Web API for tools: each call is sent once, within what a person can see.

https://docs.slack.dev/reference/objects/conversation-object says what kinds of conversations there are.
"""

import os
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias, TypeVar, cast

import aiohttp
from mcp.server.mcpserver.exceptions import ToolError

from bot.tool_servers.callers import Scope
from bot.tool_servers.rate_limits import Patience, RateLimited, seconds_in
from bot.tool_servers.refusals import ChatBusyError, ChatRefusedError, effect
from coordination.domain.caller import Caller
from coordination.domain.policy import POLICY_ACTOR

Json: TypeAlias = "None | bool | int | float | str | list[Json] | dict[str, Json]"

_Answer = TypeVar("_Answer")

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

_REFUSALS = frozenset(
    {
        *_SENTENCES,
        "access_denied",
        "accesslimited",
        "account_inactive",
        "bad_timestamp",
        "cant_delete_message",
        "compliance_exports_prevent_deletion",
        "ekm_access_denied",
        "invalid_arguments",
        "invalid_auth",
        "missing_scope",
        "no_item_specified",
        "no_permission",
        "no_text",
        "not_authed",
        "not_allowed_token_type",
        "not_pinnable",
        "org_login_required",
        "permission_denied",
        "rate_limited",
        "ratelimited",
        "restricted_action",
        "restricted_action_non_threadable_channel",
        "restricted_action_read_only_channel",
        "restricted_action_thread_locked",
        "restricted_action_thread_only_channel",
        "token_expired",
        "token_revoked",
        "too_many_emoji",
        "too_many_reactions",
    }
)
"""Codes by which Slack turns a call away before it does anything: https://docs.slack.dev/reference/methods has them by
method."""


def escaped(text: str) -> str:
    """Text in which nothing pings and nothing links."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@dataclass(frozen=True)
class SlackApi:
    """One bot token at one address."""

    token: str = field(repr=False)
    address: str
    patience: Patience = field(default_factory=Patience)

    async def read(self, method: str, **given: str | int | bool) -> dict[str, Json]:
        """A call that changes nothing.

        Raises:
            ChatBusyError: Slack did not answer, or asks to wait.
            ToolError: it refused.
        """
        try:
            return await self._call(method, given)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            raise ChatBusyError("Slack did not answer.") from None

    async def write(self, method: str, **given: str | int | bool) -> dict[str, Json]:
        """A call that has an effect.

        Raises:
            ChatRefusedError: it had none, certainly.
            ToolError: Slack refused it with a code that is not known here.
        """
        try:
            with effect():
                return await self._write(method, given)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            leave_open(method)

    async def _write(self, method: str, given: Mapping[str, str | int | bool]) -> dict[str, Json]:
        try:
            return await self._call(method, given)
        except aiohttp.ClientConnectorError:
            raise ChatRefusedError("Slack can't be reached, so nothing was done.") from None

    async def put(self, address: str, content: bytes) -> None:
        """The bytes of a file, which nobody sees before the upload is completed.

        Raises:
            ToolError: Slack did not take them.
        """
        try:
            status = await self._patiently(lambda: self._put_once(address, content))
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise ToolError("Slack did not take the file; nothing was shared.") from None
        if status != 200:
            raise ToolError("Slack did not take the file; nothing was shared.")

    async def _put_once(self, address: str, content: bytes) -> int:
        """The status that comes of it."""
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as session,
            session.post(address, data=content) as answer,
        ):
            await answer.read()
            if answer.status == 429:
                raise RateLimited(seconds_in(answer.headers))
            return answer.status

    def _call(self, method: str, given: Mapping[str, str | int | bool]) -> Coroutine[Any, Any, dict[str, Json]]:
        return self._patiently(lambda: self._once(method, given))

    async def _patiently(self, send: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """One call, sent again after a 429 that asks for a short wait: it says that nothing was done."""
        while True:
            try:
                return await send()
            except RateLimited as error:
                if not await self.patience.waits(error.seconds):
                    text = f"Slack asks to wait {error.seconds:g} seconds; nothing was done."
                    raise ChatBusyError(text) from None

    async def _once(self, method: str, given: Mapping[str, str | int | bool]) -> dict[str, Json]:
        form = {name: _plain(value) for name, value in given.items() if value != ""}
        headers = {"Authorization": f"Bearer {self.token}"}
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT, headers=headers) as session,
            session.post(f"{self.address}{method}", data=form, allow_redirects=False) as answer,
        ):
            if answer.status == 429:
                raise RateLimited(seconds_in(answer.headers))
            data = cast("Json", await answer.json(content_type=None))
        if not isinstance(data, dict) or data.get("error") in _AMBIGUOUS:
            raise aiohttp.ClientPayloadError
        if data.get("ok") is not True:
            is_known = data.get("error") in _REFUSALS
            raise (ChatRefusedError if is_known else ToolError)(_sentence(data))
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


NOT_SEEN = "There is no such channel, or the person who asked can't read it."
NOT_HERE = "What this run reads is shown where it was asked for, and not everybody there can read that channel."
NOT_OWN = (
    "This run may read only the channel that it was asked for in. The operator can widen that with `--scope visible` "
    "in the tool server's arguments."
)

_MOST_PAGES = 20
_PAGE = 200
_MOST_ASKED_ABOUT = 50
"""People of a channel who are looked up one by one; where more would have to be, nothing is read."""

Fields = Mapping[str, Json]


@dataclass(frozen=True)
class Sight:
    """Decides what may be read and written for whom.

    `team` is the workspace, `enterprise` its organization or nothing.
    """

    api: SlackApi
    team: str
    enterprise: str = ""
    scope: Scope = "own"

    async def readable(self, caller: Caller | None, channel: str) -> str:
        """A channel whose messages may be read into the run.

        Raises:
            ToolError: they may not.
        """
        wanted = channel or (caller.channel if caller else "")
        if not wanted:
            raise ToolError("Name a channel.")
        if caller is None:
            return wanted
        # A direct message with the app has one person in it, and it was they who asked there.
        is_own_direct = wanted == caller.channel and wanted.startswith("D")
        if not is_own_direct and not await self._sees(caller.requester, wanted):
            raise ToolError(NOT_SEEN)
        if wanted != caller.channel:
            if self.scope == "own":
                raise ToolError(NOT_OWN)
            if not await self._is_wide_enough(caller.channel, wanted):
                raise ToolError(NOT_HERE)
        return wanted

    async def listed(self, caller: Caller | None, rows: list[Fields]) -> list[Fields]:
        """Those of the channels that may be named in the run.

        They are its own, and public ones where only members can read it.
        """
        if caller is None:
            return rows
        own = await self._members(caller.channel)
        is_public_fine = await self._is_member(caller.requester) and await self._all_are_members(own)
        return [
            row
            for row in rows
            if row.get("id") == caller.channel or (is_public_fine and row.get("is_private") is False)
        ]

    async def writable(self, caller: Caller | None, channel: str) -> str:
        """A channel where a call may act: everybody behind it can read there.

        Raises:
            ToolError: it may not.
        """
        wanted = channel or (caller.channel if caller else "")
        if not wanted:
            raise ToolError("Name a channel.")
        people = [each for each in caller.people if each != POLICY_ACTOR] if caller else []
        if not all([await self._sees(each, wanted) for each in people]):
            raise ToolError(NOT_SEEN)
        return wanted

    async def _sees(self, user: str, channel: str) -> bool:
        info = await self._found("conversations.info", "channel", channel=channel)
        if not info:
            return False
        if info.get("is_im") is True:
            return info.get("user") == user
        if _is_public(info) and await self._is_member(user):
            return True
        return user in (await self._members(channel) or ())

    async def _is_wide_enough(self, own: str, channel: str) -> bool:
        """Whether everybody who can read the run's own channel can read the other one as well."""
        mine, theirs = await self._found("conversations.info", "channel", channel=own), await self._members(channel)
        info = await self._found("conversations.info", "channel", channel=channel)
        if not mine or not info or theirs is None:
            return False
        if _is_public(mine) and not _is_public(info):
            return False
        members = {str(mine.get("user"))} if mine.get("is_im") is True else await self._members(own)
        if members is None:
            return False
        outside = members - theirs
        return not outside or (_is_public(info) and await self._all_are_members(outside))

    async def _all_are_members(self, people: set[str] | None) -> bool:
        if people is None or len(people) > _MOST_ASKED_ABOUT:
            return False
        return all([await self._is_member(each) for each in people])

    async def _is_member(self, user: str) -> bool:
        """Whether somebody is a full member of this workspace, or a bot in it."""
        found = await self._found("users.info", "user", user=user)
        if not found or found.get("deleted") or found.get("is_restricted") or found.get("is_ultra_restricted"):
            return False
        if found.get("is_stranger"):
            return False
        home, grid = found.get("team_id"), found.get("enterprise_user")
        if home == self.team:
            return True
        is_colleague = isinstance(grid, dict) and bool(self.enterprise) and grid.get("enterprise_id") == self.enterprise
        teams = grid.get("teams") if isinstance(grid, dict) else None
        return is_colleague and isinstance(teams, list) and self.team in teams

    async def _members(self, channel: str) -> set[str] | None:
        """Who is in a channel; None if that can't be told in full."""
        found: set[str] = set()
        cursor = ""
        for _ in range(_MOST_PAGES):
            try:
                page = await self.api.read("conversations.members", channel=channel, limit=_PAGE, cursor=cursor)
            except ChatBusyError:
                raise
            except ToolError:
                return None
            members, meta = page.get("members"), page.get("response_metadata")
            found |= {str(each) for each in members} if isinstance(members, list) else set()
            following = meta.get("next_cursor") if isinstance(meta, dict) else ""
            cursor = following if isinstance(following, str) else ""
            if not cursor:
                return found
        return None

    async def _found(self, method: str, part: str, **given: str) -> Fields:
        """What Slack tells; nothing where it says that there is nothing, or not for us.

        Raises:
            ChatBusyError: it does not say now.
        """
        try:
            found = (await self.api.read(method, **given)).get(part)
        except ChatBusyError:
            raise
        except ToolError:
            return {}
        return found if isinstance(found, dict) else {}


def _is_public(info: Fields) -> bool:
    """Whether every full member may open it, whoever is in it."""
    return info.get("is_channel") is True and info.get("is_private") is False and info.get("is_mpim") is not True
