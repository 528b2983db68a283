"""`python -m bot.tool_servers.discord_server`: an MCP server on stdio whose tools read and write one Discord server.

DISCORD_BOT_TOKEN is the bot's token. The server is the one of `--guild`, or of the run: MASSGEN_BOT_TENANT names it.
Each call acts for the people behind the run, who are told to the server with it: nothing is read that the one who asked
could not read, and nothing is done that none of them could do. `--scope visible` lets a run read more than the channel
that it was asked for in, as far as everybody in that channel can read it too.
"""

import asyncio
import hashlib
import os
import secrets
import sys
from dataclasses import dataclass, field
from urllib.parse import quote

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

from bot.tool_servers.callers import Callers, Scope, callers_of, scope_in
from bot.tool_servers.discord_api import (
    ADD_REACTIONS,
    CREATE_THREADS,
    MANAGE_MESSAGES,
    PIN,
    SEND,
    SEND_IN_THREADS,
    DiscordApi,
    Json,
    Sight,
    snowflake,
)
from bot.variables import Environment

READS = ToolAnnotations(read_only_hint=True, open_world_hint=True)
ADDS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True)
MARKS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True)
DESTROYS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=True)

REAL_API = "https://discord.com/api/v10"
IDEMPOTENCY_KEY = "massgen-bot/idempotency-key"

# https://discord.com/developers/docs/resources/message#create-message
_LONGEST_MESSAGE = 2000
_MOST_MESSAGES = 100
_LONGEST_NAME = 100
_TEXT_CHANNELS = {0: "text", 5: "announcements", 15: "forum", 16: "media"}
_PUBLIC_THREAD = 11


@dataclass(frozen=True)
class DiscordTools:
    """The tools' work. Nobody is notified by a message unless its arguments name them."""

    api: DiscordApi
    callers: Callers = field(default_factory=Callers)
    scope: Scope = "own"

    @property
    def _sight(self) -> Sight:
        return Sight(self.api, self.scope)

    async def list_channels(self, context: Context) -> str:
        """The text channels of the server that the one who asked can read, one a line: id, name, kind, topic."""
        caller = self.callers.of(context, "list_channels")
        found = await self.api.read(f"/guilds/{self.api.guild}/channels")
        rows = [each for each in _list(found) if isinstance(each, dict) and each.get("type") in _TEXT_CHANNELS]
        seen = await self._sight.listed(caller, rows)
        lines = [
            f"{_text(row, 'id')}  #{_text(row, 'name')}  {_TEXT_CHANNELS[_number(row, 'type')]}  {_text(row, 'topic')}"
            for row in seen
        ]
        return "\n".join(line.rstrip() for line in lines) or "There is no text channel that may be named here."

    async def read_messages(self, context: Context, channel: str = "", limit: int = 20) -> str:
        """The newest messages of a channel or thread, oldest first: id, author, text. Without one, of the run's own.

        Discord leaves out the texts of other people's messages unless the bot has the Message Content intent.
        """
        most = max(1, min(limit, _MOST_MESSAGES))
        place = await self._sight.readable(self.callers.of(context, "read_messages"), channel)
        found = await self.api.read(f"/channels/{place}/messages?limit={most}")
        return "\n".join(_message(each) for each in _list(found)[::-1]) or "There is no message."

    async def send_message(
        self,
        context: Context,
        channel: str,
        content: str,
        mention_users: list[str] | None = None,
        mention_roles: list[str] | None = None,
    ) -> str:
        """Send a message to a channel or thread, of up to 2000 characters. Mentions in it notify nobody.

        Unless they are of users or roles whose ids are listed as well. Everyone at once can't be notified.
        """
        if not content.strip() or _units(content) > _LONGEST_MESSAGE:
            raise ToolError(f"A message has between 1 and {_LONGEST_MESSAGE} characters; nothing was sent.")
        users, roles = _ids(mention_users), _ids(mention_roles)
        place = await self._may(context, "send_message", channel, SEND, SEND_IN_THREADS)
        body: dict[str, Json] = {
            "content": content,
            "allowed_mentions": {"parse": [], "users": users, "roles": roles},
            "nonce": _nonce(context),
            "enforce_nonce": True,
        }
        sent = await self.api.write("POST", f"/channels/{place}/messages", body, repeats=True)
        return f"Sent message {_text(sent, 'id')} to {place}."

    async def create_thread(self, context: Context, channel: str, name: str, message: str = "") -> str:
        """Open a public thread in a channel, or under a message of it."""
        if not name.strip() or _units(name) > _LONGEST_NAME:
            raise ToolError(f"A thread's name has between 1 and {_LONGEST_NAME} characters; nothing was opened.")
        place = await self._may(context, "create_thread", channel, CREATE_THREADS)
        body: dict[str, Json] = {"name": name}
        if message:
            path = f"/channels/{place}/messages/{snowflake(message)}/threads"
        else:
            path, body = f"/channels/{place}/threads", {**body, "type": _PUBLIC_THREAD}
        made = await self.api.write("POST", path, body)
        return f"Opened thread {_text(made, 'id')} in {place}."

    async def add_reaction(self, context: Context, channel: str, message: str, emoji: str) -> str:
        """React to a message with an emoji, such as 👍; one of the server's own is name:id."""
        number, place = snowflake(message), await self._may(context, "add_reaction", channel, ADD_REACTIONS)
        path = f"/channels/{place}/messages/{number}/reactions/{quote(emoji, safe='')}/@me"
        await self.api.write("PUT", path, repeats=True)
        return f"Reacted to {number} with {emoji}."

    async def pin_message(self, context: Context, channel: str, message: str) -> str:
        """Pin a message to its channel."""
        number, place = snowflake(message), await self._may(context, "pin_message", channel, PIN)
        await self.api.write("PUT", f"/channels/{place}/messages/pins/{number}", repeats=True)
        return f"Pinned {number} in {place}."

    async def delete_message(self, context: Context, channel: str, message: str) -> str:
        """Delete a message for good."""
        number, place = snowflake(message), await self._may(context, "delete_message", channel, MANAGE_MESSAGES)
        await self.api.write("DELETE", f"/channels/{place}/messages/{number}")
        return f"Deleted {number} in {place}."

    async def _may(self, context: Context, tool: str, channel: str, needed: int, in_thread: int = 0) -> str:
        """The channel's id, if the people behind the call may do this there."""
        return await self._sight.writable(self.callers.of(context, tool), channel, needed, in_thread)


def server_of(tools: DiscordTools) -> MCPServer:
    """The server with every tool, and the truth about each."""
    server = MCPServer("discord")
    for read in (tools.list_channels, tools.read_messages):
        server.tool(annotations=READS, structured_output=False)(read)
    server.tool(annotations=ADDS, structured_output=False)(tools.send_message)
    server.tool(annotations=ADDS, structured_output=False)(tools.create_thread)
    for mark in (tools.add_reaction, tools.pin_message):
        server.tool(annotations=MARKS, structured_output=False)(mark)
    server.tool(annotations=DESTROYS, structured_output=False)(tools.delete_message)
    return server


async def serve(environment: Environment, guild: str = "", scope: Scope = "own") -> int:
    """Serve until standard input ends; the exit status. Without a server to be confined to, nothing is served."""
    token = environment.discord_bot_token.get_secret_value().strip()
    place = guild or guild_of(environment.tenant)
    if not token:
        return _refuse("Put your bot's token into DISCORD_BOT_TOKEN.")
    if not (place.isascii() and place.isdecimal()):
        return _refuse("Say which server: --guild ID, or MASSGEN_BOT_TENANT=discord:ID.")
    address = (environment.discord_api_url or REAL_API).rstrip("/")
    tools = DiscordTools(DiscordApi(token, address, place), callers_of(environment, f"discord:{place}"), scope)
    await server_of(tools).run_stdio_async()
    return 0


def guild_of(tenant: str) -> str:
    """The server's id in `discord:<id>`; a run from elsewhere has none."""
    platform, _, number = tenant.partition(":")
    return number if platform == "discord" else ""


def main() -> None:
    """As a program of its own."""
    options = sys.argv[1:]
    guild = options[options.index("--guild") + 1] if "--guild" in options[:-1] else ""
    sys.exit(asyncio.run(serve(Environment(os.environ), guild, scope_in(options))))


def _refuse(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return 2


def _nonce(context: Context) -> str:
    """Discord keeps messages with one nonce to one for some minutes; the caller's key makes that last over a restart."""
    meta = context.request_context.meta
    key = dict(meta).get(IDEMPOTENCY_KEY) if meta else None
    return hashlib.sha256(key.encode()).hexdigest()[:24] if isinstance(key, str) else secrets.token_hex(12)


def _ids(numbers: list[str] | None) -> list[Json]:
    return [snowflake(each) for each in numbers or ()]


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _message(message: Json) -> str:
    author = message.get("author") if isinstance(message, dict) else None
    return f"{_text(message, 'id')}  {_text(author, 'username') or '-'}  {_text(message, 'content')}"


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _text(value: Json, key: str) -> str:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""


def _number(value: Json, key: str) -> int:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, int) else 0


if __name__ == "__main__":
    main()
