"""`python -m bot.chat_tools.slack`: an MCP server on stdio whose tools read and write one Slack workspace.

SLACK_BOT_TOKEN says which one. If MASSGEN_BOT_TENANT, which names the workspace of a run, or SLACK_TEAM_ID says another
one, the token is refused at the start.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

from bot.chat_tools.slack_api import Json, SlackApi, escaped

READS = ToolAnnotations(read_only_hint=True, open_world_hint=True)
ADDS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True)
MARKS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True)

_LONGEST_TEXT = 4_000
_MOST_MESSAGES = 100
_MOST_PAGES = 10
_LONGEST_SNIPPET = 1_000_000


@dataclass(frozen=True)
class Tools:
    """The tools' work. Texts are sent as they are read: no mention pings, no link unfurls."""

    api: SlackApi

    async def list_channels(self) -> str:
        """The channels that the bot can see, one a line: id, name, whether the bot is in it, topic."""
        lines: list[str] = []
        cursor = ""
        for _ in range(_MOST_PAGES):
            page = await self.api.read("conversations.list", exclude_archived=True, limit=200, cursor=cursor)
            lines += [_channel(each) for each in _list(page.get("channels"))]
            cursor = _text(page.get("response_metadata"), "next_cursor")
            if not cursor:
                break
        return "\n".join(lines) or "The bot sees no channel."

    async def read_messages(self, channel: str, limit: int = 20, thread: str = "") -> str:
        """The newest messages of a channel, or of a thread in it, oldest first: timestamp, author, text."""
        most = max(1, min(limit, _MOST_MESSAGES))
        if thread:
            page = await self.api.read("conversations.replies", channel=channel, ts=thread, limit=most)
            found = _list(page.get("messages"))
        else:
            page = await self.api.read("conversations.history", channel=channel, limit=most)
            found = _list(page.get("messages"))[::-1]
        return "\n".join(_message(each) for each in found) or "There is no message."

    async def post_message(self, channel: str, text: str) -> str:
        """Post a message in a channel that the bot is in. Mentions in the text do not notify anybody."""
        return await self._post(channel, text, "")

    async def reply_in_thread(self, channel: str, thread: str, text: str) -> str:
        """Reply below a message, which `thread` names by its timestamp. Mentions do not notify anybody."""
        if not thread:
            raise ToolError("Name the message by its timestamp; nothing was posted.")
        return await self._post(channel, text, thread)

    async def add_reaction(self, channel: str, message: str, emoji: str) -> str:
        """React to a message, which is named by its timestamp, with an emoji's name, such as thumbsup."""
        await self.api.write("reactions.add", channel=channel, timestamp=message, name=emoji.strip(":"))
        return f"Reacted to {message} in {channel} with :{emoji.strip(':')}:."

    async def pin_message(self, channel: str, message: str) -> str:
        """Pin a message, which is named by its timestamp, to its channel."""
        await self.api.write("pins.add", channel=channel, timestamp=message)
        return f"Pinned {message} in {channel}."

    async def upload_snippet(self, channel: str, name: str, content: str, title: str = "", thread: str = "") -> str:
        """Share a text file in a channel that the bot is in, or in a thread there."""
        data = content.encode("utf-8", "replace")
        if not data or len(data) > _LONGEST_SNIPPET:
            raise ToolError(f"A snippet has between 1 and {_LONGEST_SNIPPET:,} bytes; nothing was shared.")
        ticket = await self.api.read("files.getUploadURLExternal", filename=name, length=len(data))
        file, address = _text(ticket, "file_id"), _text(ticket, "upload_url")
        await self.api.put(address, data)
        await self.api.write(
            "files.completeUploadExternal",
            files=json.dumps([{"id": file, "title": title or name}]),
            channel_id=channel,
            thread_ts=thread,
        )
        return f"Shared {name} in {channel} as file {file}."

    async def _post(self, channel: str, text: str, thread: str) -> str:
        if not text.strip() or len(escaped(text)) > _LONGEST_TEXT:
            raise ToolError(f"A message has between 1 and {_LONGEST_TEXT:,} characters; nothing was posted.")
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
        return f"Posted message {_text(sent, 'ts')} in {channel}."


def server_of(tools: Tools) -> MCPServer:
    """The server with every tool, and the truth about each."""
    server = MCPServer("slack")
    for read in (tools.list_channels, tools.read_messages):
        server.tool(annotations=READS, structured_output=False)(read)
    for add in (tools.post_message, tools.reply_in_thread, tools.upload_snippet):
        server.tool(annotations=ADDS, structured_output=False)(add)
    for mark in (tools.add_reaction, tools.pin_message):
        server.tool(annotations=MARKS, structured_output=False)(mark)
    return server


async def serve(environ: Mapping[str, str]) -> int:
    """Serve until standard input ends; the exit status. Ends at once if the token is not good for the workspace."""
    address = environ.get("SLACK_API_URL") or "https://slack.com/api/"
    api = SlackApi(environ.get("SLACK_BOT_TOKEN", ""), address if address.endswith("/") else f"{address}/")
    if not api.token.startswith("xoxb-"):
        return _refuse("Put the bot token of your Slack app (xoxb-…) into SLACK_BOT_TOKEN.")
    try:
        team = _text(await api.read("auth.test"), "team_id")
    except ToolError as error:
        return _refuse(f"The token in SLACK_BOT_TOKEN is not good: {error}")
    for name, wanted in _workspaces_named(environ):
        if team != wanted:
            return _refuse(f"The token in SLACK_BOT_TOKEN is of workspace {team}, and {name} says {wanted}.")
    await server_of(Tools(api)).run_stdio_async()
    return 0


def _workspaces_named(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """The workspaces that the token must be of, and which variable says so."""
    surface, _, rest = environ.get("MASSGEN_BOT_TENANT", "").partition(":")
    team = rest.rpartition(":")[2] if surface == "slack" else ""
    named = [("SLACK_TEAM_ID", environ.get("SLACK_TEAM_ID", "")), ("MASSGEN_BOT_TENANT", team)]
    return [(name, team) for name, team in named if team]


def main() -> None:
    """As a program of its own."""
    sys.exit(asyncio.run(serve(os.environ)))


def _refuse(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return 2


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
