"""`python -m bot.tool_servers.slack_server`: an MCP server on stdio whose tools read and write one Slack workspace.

SLACK_BOT_TOKEN says which one. If MASSGEN_BOT_TENANT, which names the workspace of a run, or SLACK_TEAM_ID says another
one, the token is refused at the start. Each call acts for the people behind the run, who are told to the server with
it: nothing is read that the one who asked could not read. `--scope visible` lets a run read more than the channel that
it was asked for in, as far as everybody in that channel can read it too.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, ToolAnnotations

from bot.tool_servers.callers import (
    Callers,
    Scope,
    SentResult,
    callers_of,
    done,
    known,
    known_message,
    may_read,
    scope_in,
)
from bot.tool_servers.refusals import writes
from bot.tool_servers.slack_api import Json, Sight, SlackApi, escaped
from bot.variables import Environment

READS = ToolAnnotations(read_only_hint=True, open_world_hint=True)
ADDS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True)
MARKS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True)
DESTROYS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=True)

_LONGEST_TEXT = 4_000
_MOST_MESSAGES = 100
_MOST_PAGES = 10
_FEW = 10
_LONGEST_SNIPPET = 1_000_000
_FOR_ADDRESS = 3.0


@dataclass(frozen=True)
class SlackTools:
    """The tools' work. Texts are sent as they are read: no mention pings, no link unfurls."""

    api: SlackApi
    callers: Callers = field(default_factory=Callers)
    sight: Sight | None = None

    def _sight(self) -> Sight:
        return self.sight or Sight(self.api, "")

    async def list_channels(self, context: Context) -> str:
        """The channels that the one who asked can read, one a line: id, name, whether the bot is in it, topic."""
        caller = self.callers.of(context, "list_channels")
        rows: list[Mapping[str, Json]] = []
        cursor = ""
        for _ in range(_MOST_PAGES):
            page = await self.api.read("conversations.list", exclude_archived=True, limit=200, cursor=cursor)
            rows += [each for each in _list(page.get("channels")) if isinstance(each, dict)]
            cursor = _text(page.get("response_metadata"), "next_cursor")
            if not cursor:
                break
        lines = [_channel(dict(each)) for each in await self._sight().listed(caller, rows)]
        return "\n".join(lines) or "There is no channel that may be named here."

    async def read_messages(self, context: Context, channel: str = "", limit: int = 20, thread: str = "") -> str:
        """The newest messages of a channel, or of a thread in it, oldest first: timestamp, author, text.

        Without a channel, of the one that the run was asked for in.
        """
        channel = await self._sight().readable(self.callers.of(context, "read_messages"), channel)
        most = max(1, min(limit, _MOST_MESSAGES))
        if thread:
            page = await self.api.read("conversations.replies", channel=channel, ts=thread, limit=most)
            found = _list(page.get("messages"))
        else:
            page = await self.api.read("conversations.history", channel=channel, limit=most)
            found = _list(page.get("messages"))[::-1]
        return "\n".join(_message(each) for each in found) or "There is no message."

    async def look_up(self, context: Context, channel: str = "", message: str = "") -> str:
        """Say what ids are: a channel, and a message in it, which is named by its timestamp."""
        caller, sight = self.callers.of(context, "look_up"), self._sight()
        # A name is told wherever it may be listed; what stands in a channel only where the run may read.
        place = await replace(sight, scope="visible").readable(caller, channel)
        found: dict[str, object] = {"channel": await self._name_of(place)}
        if message:
            is_shown = await may_read(sight.readable(caller, place))
            found["message"] = await self._known_message(place, message, is_shown=is_shown)
        return known(found)

    async def _name_of(self, channel: str) -> str:
        info = (await self.api.read("conversations.info", channel=channel)).get("channel")
        name, person = _text(info, "name"), _text(info, "user")
        return f"#{name}" if name or not person else await self._user(person)

    async def _known_message(self, channel: str, message: str, *, is_shown: bool) -> dict[str, str]:
        page = await self.api.read(
            "conversations.replies",
            channel=channel,
            ts=message,
            oldest=message,
            latest=message,
            inclusive=True,
            limit=_FEW,
        )
        found = next((each for each in _list(page.get("messages")) if _text(each, "ts") == message), None)
        if not isinstance(found, dict):
            raise ToolError("There is no such message.")
        person, bot = _text(found, "user"), _text(found, "username") or _text(found, "bot_id")
        return known_message(
            await self._user(person) if person else f"@{bot}",
            _text(found, "text"),
            edited=_text(found.get("edited"), "ts"),
            files=[_text(each, "id") for each in _list(found.get("files"))],
            is_shown=is_shown,
        )

    async def _user(self, user: str) -> str:
        found = (await self.api.read("users.info", user=user)).get("user")
        profile = found.get("profile") if isinstance(found, dict) else None
        return f"@{_text(profile, 'display_name') or _text(profile, 'real_name') or _text(found, 'name') or user}"

    async def post_message(self, context: Context, channel: str, text: str) -> SentResult:
        """Post a message in a channel that the bot is in. Mentions in the text do not notify anybody."""
        _check_text(text)
        channel = await self._may(context, "post_message", channel)
        return await self._post(channel, text, "")

    async def reply_in_thread(self, context: Context, channel: str, thread: str, text: str) -> SentResult:
        """Reply below a message, which `thread` names by its timestamp. Mentions do not notify anybody."""
        if not thread:
            raise ToolError("Name the message by its timestamp; nothing was posted.")
        _check_text(text)
        channel = await self._may(context, "reply_in_thread", channel)
        return await self._post(channel, text, thread)

    async def add_reaction(self, context: Context, channel: str, message: str, emoji: str) -> CallToolResult:
        """React to a message, which is named by its timestamp, with an emoji's name, such as thumbsup."""
        channel = await self._may(context, "add_reaction", channel)
        await self.api.write("reactions.add", channel=channel, timestamp=message, name=emoji.strip(":"))
        return done(f"Reacted to {message} in {channel} with :{emoji.strip(':')}:.", await self._url(channel, message))

    async def pin_message(self, context: Context, channel: str, message: str) -> CallToolResult:
        """Pin a message, which is named by its timestamp, to its channel."""
        channel = await self._may(context, "pin_message", channel)
        await self.api.write("pins.add", channel=channel, timestamp=message)
        return done(f"Pinned {message} in {channel}.", await self._url(channel, message))

    async def delete_message(self, context: Context, channel: str, message: str) -> CallToolResult:
        """Delete a message that this bot has posted, which is named by its timestamp, for good.

        Slack refuses any other.
        """
        channel = await self._may(context, "delete_message", channel)
        await self.api.write("chat.delete", channel=channel, ts=message)
        return done(f"Deleted {message} in {channel}.")

    async def upload_snippet(
        self, context: Context, channel: str, name: str, content: str, title: str = "", thread: str = ""
    ) -> CallToolResult:
        """Share a text file in a channel that the bot is in, or in a thread there."""
        data = content.encode("utf-8", "replace")
        if not data or len(data) > _LONGEST_SNIPPET:
            raise ToolError(f"A snippet has between 1 and {_LONGEST_SNIPPET:,} bytes; nothing was shared.")
        channel = await self._may(context, "upload_snippet", channel)
        ticket = await self.api.read("files.getUploadURLExternal", filename=name, length=len(data))
        file, address = _text(ticket, "file_id"), _text(ticket, "upload_url")
        await self.api.put(address, data)
        shared = await self.api.write(
            "files.completeUploadExternal",
            files=json.dumps([{"id": file, "title": title or name}]),
            channel_id=channel,
            thread_ts=thread,
        )
        files = _list(shared.get("files"))
        return done(f"Shared {name} in {channel} as file {file}.", _text(files[0], "permalink") if files else "")

    async def _may(self, context: Context, tool: str, channel: str) -> str:
        """The channel, if the people behind the call can read there."""
        return await self._sight().writable(self.callers.of(context, tool), channel)

    async def _post(self, channel: str, text: str, thread: str) -> CallToolResult:
        sent = await self.api.write(
            "chat.postMessage",
            channel=channel,
            text=escaped(text),
            thread_ts=thread,
            parse="none",
            link_names=False,
            unfurl_links=False,
            unfurl_media=False,
        )
        message = _text(sent, "ts")
        url = await self._url(channel, message)
        return done(f"Posted message {message} in {channel}.", url, channel=channel, message=message)

    async def _url(self, channel: str, message: str) -> str:
        """The address of a message, if Slack tells it soon: what was done is done, and its answer must not wait."""
        try:
            async with asyncio.timeout(_FOR_ADDRESS):
                found = await self.api.read("chat.getPermalink", channel=channel, message_ts=message)
        except (ToolError, TimeoutError):
            return ""
        return _text(found, "permalink")


def server_of(tools: SlackTools) -> MCPServer:
    """The server with every tool, and the truth about each."""
    server = MCPServer("slack")
    for read in (tools.list_channels, tools.read_messages, tools.look_up):
        server.tool(annotations=READS, structured_output=False)(read)
    for add in (tools.post_message, tools.reply_in_thread):
        server.tool(annotations=ADDS)(writes(add))
    server.tool(annotations=ADDS, structured_output=False)(writes(tools.upload_snippet))
    for mark in (tools.add_reaction, tools.pin_message):
        server.tool(annotations=MARKS, structured_output=False)(writes(mark))
    server.tool(annotations=DESTROYS, structured_output=False)(writes(tools.delete_message))
    return server


async def serve(environment: Environment, scope: Scope = "own") -> int:
    """Serve until standard input ends; the exit status. Ends at once if the token is not good for the workspace."""
    address = environment.slack_api_url or "https://slack.com/api/"
    api = SlackApi(environment.slack_bot_token.get_secret_value(), address if address.endswith("/") else f"{address}/")
    if not api.token.startswith("xoxb-"):
        return _refuse("Put the bot token of your Slack app (xoxb-…) into SLACK_BOT_TOKEN.")
    try:
        known = await api.read("auth.test")
    except ToolError as error:
        return _refuse(f"The token in SLACK_BOT_TOKEN is not good: {error}")
    team, enterprise = _text(known, "team_id"), _text(known, "enterprise_id")
    for name, wanted in _workspaces_named(environment):
        if team != wanted:
            return _refuse(f"The token in SLACK_BOT_TOKEN is of workspace {team}, and {name} says {wanted}.")
    callers = callers_of(environment, f"slack:{enterprise or '-'}:{team}")
    await server_of(SlackTools(api, callers, Sight(api, team, enterprise, scope))).run_stdio_async()
    return 0


def _workspaces_named(environment: Environment) -> list[tuple[str, str]]:
    """The workspaces that the token must be of, and which variable says so."""
    platform, _, rest = environment.tenant.partition(":")
    team = rest.rpartition(":")[2] if platform == "slack" else ""
    named = [("SLACK_TEAM_ID", environment.slack_team_id), ("MASSGEN_BOT_TENANT", team)]
    return [(name, team) for name, team in named if team]


def main() -> None:
    """As a program of its own."""
    sys.exit(asyncio.run(serve(Environment(os.environ), scope_in(sys.argv[1:]))))


def _refuse(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return 2


def _check_text(text: str) -> None:
    if not text.strip() or len(escaped(text)) > _LONGEST_TEXT:
        raise ToolError(f"A message has between 1 and {_LONGEST_TEXT:,} characters; nothing was posted.")


def _channel(channel: Json) -> str:
    is_in = isinstance(channel, dict) and channel.get("is_member") is True
    topic = _text(channel.get("topic"), "value") if isinstance(channel, dict) else ""
    here = "in it" if is_in else "not in it"
    return f"{_text(channel, 'id')}  #{_text(channel, 'name')}  {here}  {topic}".rstrip()


def _message(message: Json) -> str:
    author = _text(message, "user") or _text(message, "bot_id") or "-"
    return f"{_text(message, 'ts')}  {author}  {_text(message, 'text')}"


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _text(value: Json, key: str) -> str:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""


if __name__ == "__main__":
    main()
