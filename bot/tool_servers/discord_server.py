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
from mcp.types import CallToolResult, ToolAnnotations

from bot.tool_servers.callers import (
    Callers,
    OpenedResult,
    Scope,
    SentResult,
    callers_of,
    done,
    known,
    known_message,
    may_read,
    scope_in,
)
from bot.tool_servers.discord_api import (
    ADD_REACTIONS,
    ANNOUNCEMENTS,
    CREATE_THREADS,
    FORUM,
    MANAGE_MESSAGES,
    MEDIA,
    PIN,
    SEND,
    SEND_IN_THREADS,
    TEXT,
    DiscordApi,
    Fields,
    Json,
    Sight,
    snowflake,
)
from bot.tool_servers.refusals import writes
from bot.variables import Environment
from coordination.domain.caller import Caller
from coordination.ports.tools import IDEMPOTENCY_KEY

READS = ToolAnnotations(read_only_hint=True, open_world_hint=True)
ADDS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True)
MARKS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True)
DESTROYS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=True)

REAL_API = "https://discord.com/api/v10"
_WEB = "https://discord.com/channels"

# https://discord.com/developers/docs/resources/message#create-message
_LONGEST_MESSAGE = 2000
_MOST_MESSAGES = 100
_LONGEST_NAME = 100
_TEXT_CHANNELS = {TEXT: "text", ANNOUNCEMENTS: "announcements", FORUM: "forum", MEDIA: "media"}
_POSTS_ONLY = frozenset({FORUM, MEDIA})
_PUBLIC_THREAD, _ANNOUNCEMENT_THREAD = 11, 10
_THREADS = frozenset({10, 11, 12})
_MOST_TAGS = 5


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

        Of a forum, its newest posts: the id of each, which is a thread to read, and its title. Discord leaves out the
        texts of other people's messages unless the bot has the Message Content intent.
        """
        most = max(1, min(limit, _MOST_MESSAGES))
        place = await self._sight.readable(self.callers.of(context, "read_messages"), channel)
        if (await self.api.channel(place)).get("type") in _POSTS_ONLY:
            return await self._posts(place, most)
        found = await self.api.read(f"/channels/{place}/messages?limit={most}")
        return "\n".join(_message(each) for each in _list(found)[::-1]) or "There is no message."

    async def look_up(
        self,
        context: Context,
        channel: str = "",
        message: str = "",
        users: list[str] | None = None,
        roles: list[str] | None = None,
    ) -> str:
        """Say what ids are: a channel or thread, a message in it, users and roles of the server."""
        caller = self.callers.of(context, "look_up")
        # A name is told wherever it may be listed; what stands in a channel only where the run may read.
        place = await Sight(self.api, "visible").readable(caller, channel)
        found: dict[str, object] = {"channel": await self._name_of(place)}
        if message:
            found["message"] = await self._known_message(caller, place, snowflake(message))
        found["users"] = [await self._user(snowflake(each)) for each in users or ()]
        if roles:
            names = {_text(each, "id"): _text(each, "name") for each in _list(await self._roles())}
            if unknown := [each for each in roles if each not in names]:
                raise ToolError(f"There is no role {unknown[0][:40]!r} on this server.")
            found["roles"] = [f"@{names[each].removeprefix('@')}" for each in roles]
        return known(found)

    async def _name_of(self, place: str) -> str:
        channel = await self.api.channel(place)
        name = f"#{_text(dict(channel), 'name')}"
        if channel.get("type") not in _THREADS:
            return name
        parent = await self.api.channel(await self.api.confine(_text(dict(channel), "parent_id")))
        return f"#{_text(dict(parent), 'name')} / {name.removeprefix('#')}"

    async def _known_message(self, caller: Caller | None, place: str, message: str) -> dict[str, str]:
        found = await self.api.read(f"/channels/{place}/messages/{message}")
        author = found.get("author") if isinstance(found, dict) else None
        files = found.get("attachments") if isinstance(found, dict) else None
        return known_message(
            f"@{_text(author, 'username')}",
            _text(found, "content"),
            edited=_text(found, "edited_timestamp"),
            files=[_text(each, "id") for each in _list(files)],
            is_shown=await may_read(self._sight.readable(caller, place)),
        )

    async def _user(self, user: str) -> str:
        found = await self.api.read(f"/guilds/{self.api.guild}/members/{user}")
        account = found.get("user") if isinstance(found, dict) else None
        nick = _text(found, "nick")
        return f"@{_text(account, 'username')}" + (f" ({nick})" if nick else "")

    async def _roles(self) -> Json:
        return await self.api.read(f"/guilds/{self.api.guild}/roles")

    async def send_message(
        self,
        context: Context,
        channel: str,
        content: str,
        mention_users: list[str] | None = None,
        mention_roles: list[str] | None = None,
    ) -> SentResult:
        """Send a message to a channel or thread, of up to 2000 characters. Mentions in it notify nobody.

        Unless they are of users or roles whose ids are listed as well. Everyone at once can't be notified.
        """
        if not content.strip() or _units(content) > _LONGEST_MESSAGE:
            raise ToolError(f"A message has between 1 and {_LONGEST_MESSAGE} characters; nothing was sent.")
        users, roles = _ids(mention_users), _ids(mention_roles)
        place = await self._may(context, "send_message", channel, SEND, SEND_IN_THREADS)
        await self._no_forum(place)
        body: dict[str, Json] = {
            "content": content,
            "allowed_mentions": {"parse": [], "users": users, "roles": roles},
            "nonce": _nonce(context),
            "enforce_nonce": True,
        }
        sent = await self.api.write("POST", f"/channels/{place}/messages", body, repeats=True)
        number = _text(sent, "id")
        return done(f"Sent message {number} to {place}.", self._url(place, number), channel=place, message=number)

    async def create_thread(self, context: Context, channel: str, name: str, message: str = "") -> OpenedResult:
        """Open a public thread in a channel, or under a message of it. In a forum, use create_post instead."""
        if not name.strip() or _units(name) > _LONGEST_NAME:
            raise ToolError(f"A thread's name has between 1 and {_LONGEST_NAME} characters; nothing was opened.")
        place = await self._may(context, "create_thread", channel, CREATE_THREADS)
        is_for_announcements = await self._no_forum(place) == ANNOUNCEMENTS
        body: dict[str, Json] = {"name": name}
        if message:
            path = f"/channels/{place}/messages/{snowflake(message)}/threads"
        else:
            kind = _ANNOUNCEMENT_THREAD if is_for_announcements else _PUBLIC_THREAD
            path, body = f"/channels/{place}/threads", {**body, "type": kind}
        opened = await self.api.write("POST", path, body)
        number = _text(opened, "id")
        return done(f"Opened thread {number} in {place}.", self._url(number), thread=number)

    async def create_post(
        self, context: Context, channel: str, title: str, content: str, tags: list[str] | None = None
    ) -> OpenedResult:
        """Open a post in a forum: a thread with a title and a first message. `tags` are names of the forum's own tags.

        Mentions notify nobody.
        """
        if not title.strip() or _units(title) > _LONGEST_NAME:
            raise ToolError(f"A title has between 1 and {_LONGEST_NAME} characters; nothing was posted.")
        if not content.strip() or _units(content) > _LONGEST_MESSAGE:
            raise ToolError(f"A post has between 1 and {_LONGEST_MESSAGE} characters; nothing was posted.")
        # Discord asks for Send Messages here, and not for Create Public Threads.
        place = await self._may(context, "create_post", channel, SEND)
        forum = await self.api.channel(place)
        if forum.get("type") == MEDIA:
            raise ToolError("A media channel takes posts with pictures only, which this tool can't send.")
        if forum.get("type") != FORUM:
            raise ToolError("This channel is no forum: use send_message or create_thread; nothing was posted.")
        message: dict[str, Json] = {"content": content, "allowed_mentions": {"parse": []}}
        body: dict[str, Json] = {"name": title, "message": message, "applied_tags": _tags(forum, tags or [])}
        opened = await self.api.write("POST", f"/channels/{place}/threads", body)
        number = _text(opened, "id")
        return done(f"Opened post {number} in {place}.", self._url(number), thread=number)

    async def _no_forum(self, place: str) -> int:
        """The type of a channel in which messages stand by themselves.

        Raises:
            ToolError: there are only posts in it.
        """
        kind = _number(dict(await self.api.channel(place)), "type")
        if kind in _POSTS_ONLY:
            raise ToolError("This channel takes posts only: use create_post; nothing was done.")
        return kind

    async def _posts(self, place: str, most: int) -> str:
        """The newest posts of a forum, the newest last; closed ones too."""
        active = await self.api.read(f"/guilds/{self.api.guild}/threads/active")
        closed = await self.api.read(f"/channels/{place}/threads/archived/public?limit={max(2, most)}")
        found = [
            each
            for threads in (active, closed)
            for each in _list(threads.get("threads") if isinstance(threads, dict) else None)
            if _text(each, "parent_id") == place
        ]
        newest = sorted(found, key=lambda each: int(_text(each, "id") or 0))[-most:]
        return "\n".join(f"{_text(each, 'id')}  {_text(each, 'name')}" for each in newest) or "There is no post."

    async def add_reaction(self, context: Context, channel: str, message: str, emoji: str) -> CallToolResult:
        """React to a message with an emoji, such as 👍; one of the server's own is name:id."""
        number, place = snowflake(message), await self._may(context, "add_reaction", channel, ADD_REACTIONS)
        path = f"/channels/{place}/messages/{number}/reactions/{quote(emoji, safe='')}/@me"
        await self.api.write("PUT", path, repeats=True)
        return done(f"Reacted to {number} with {emoji}.", self._url(place, number))

    async def pin_message(self, context: Context, channel: str, message: str) -> CallToolResult:
        """Pin a message to its channel."""
        number, place = snowflake(message), await self._may(context, "pin_message", channel, PIN)
        await self.api.write("PUT", f"/channels/{place}/messages/pins/{number}", repeats=True)
        return done(f"Pinned {number} in {place}.", self._url(place, number))

    async def delete_message(self, context: Context, channel: str, message: str) -> CallToolResult:
        """Delete a message for good."""
        number, place = snowflake(message), await self._may(context, "delete_message", channel, MANAGE_MESSAGES)
        await self.api.write("DELETE", f"/channels/{place}/messages/{number}")
        return done(f"Deleted {number} in {place}.")

    def _url(self, *numbers: str) -> str:
        """The address of a channel, a thread or a message."""
        return "/".join((_WEB, self.api.guild, *numbers)) if all(numbers) else ""

    async def _may(self, context: Context, tool: str, channel: str, needed: int, in_thread: int = 0) -> str:
        """The channel's id, if the people behind the call may do this there."""
        return await self._sight.writable(self.callers.of(context, tool), channel, needed, in_thread)


def server_of(tools: DiscordTools) -> MCPServer:
    """The server with every tool, and the truth about each."""
    server = MCPServer("discord")
    for read in (tools.list_channels, tools.read_messages, tools.look_up):
        server.tool(annotations=READS, structured_output=False)(read)
    server.tool(annotations=ADDS)(writes(tools.send_message))
    server.tool(annotations=ADDS)(writes(tools.create_thread))
    server.tool(annotations=ADDS)(writes(tools.create_post))
    for mark in (tools.add_reaction, tools.pin_message):
        server.tool(annotations=MARKS, structured_output=False)(writes(mark))
    server.tool(annotations=DESTROYS, structured_output=False)(writes(tools.delete_message))
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
    """Discord keeps messages with one nonce to one for some minutes.

    The caller's key makes that last over a restart.
    """
    meta = context.request_context.meta
    key = dict(meta).get(IDEMPOTENCY_KEY) if meta else None
    return hashlib.sha256(key.encode()).hexdigest()[:24] if isinstance(key, str) else secrets.token_hex(12)


def _tags(forum: Fields, names: list[str]) -> list[Json]:
    """The ids of a forum's tags by their names, letter case aside.

    Raises:
        ToolError: it has no such tag, or they are too many.
    """
    known = {_text(each, "name").casefold(): _text(each, "id") for each in _list(forum.get("available_tags"))}
    unknown = [each for each in names if each.casefold() not in known]
    if unknown or len(names) > _MOST_TAGS:
        has = ", ".join(_text(each, "name") for each in _list(forum.get("available_tags"))) or "none"
        raise ToolError(f"A post has up to {_MOST_TAGS} of the forum's own tags ({has}); nothing was posted.")
    return list(dict.fromkeys(known[each.casefold()] for each in names))


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
