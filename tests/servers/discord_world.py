"""What a Discord server remembers: servers, people, channels, messages, and interactions with their deadlines."""

import asyncio
import itertools
import json
import time
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Payload: TypeAlias = dict[str, Any]

APPLICATION = "900000000000000001"
BOT: Payload = {"id": APPLICATION, "username": "massgen", "discriminator": "0", "avatar": None, "bot": True}
EVERYTHING = 0x7FFFFFFFFFFFF
MANAGE_GUILD = 1 << 5
TALK = (1 << 10) | (1 << 11) | (1 << 14) | (1 << 15) | (1 << 16) | (1 << 35) | (1 << 38)
EPHEMERAL = 64

FIRST_ANSWER = 3.0
TOKEN_LIFE = 900.0
HOUR = 3600.0
EPOCH = 1_420_070_400_000
"""Milliseconds, where Discord begins to count."""


class Refused(Exception):
    """An error in Discord's own form."""

    def __init__(self, status: int, code: int, message: str, *, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.retry_after = status, code, message, retry_after


@dataclass
class Guild:
    """One server.

    Attributes:
        denied: the permissions that the bot lacks in a channel, and everyone with it.
        overwrites: what a channel allows and denies besides, as Discord has it.
        granted: the permissions of a role beyond talking.
        members: the members by account, as Discord shows them; who is not among them is none.
        kinds: the types of channels that are no plain text channels.
        withheld: what of talking no role has.
        tags: the tags that a forum offers.
        needs_tag: the forums that take no post without one.
    """

    id: str
    name: str
    roles: dict[str, str]
    channels: dict[str, str]
    denied: dict[str, int] = field(default_factory=dict[str, int])
    overwrites: dict[str, list[Payload]] = field(default_factory=dict[str, list[Payload]])
    granted: dict[str, int] = field(default_factory=dict[str, int])
    members: dict[str, Payload] = field(default_factory=dict[str, Payload])
    kinds: dict[str, int] = field(default_factory=dict[str, int])
    withheld: int = 0
    tags: dict[str, list[Payload]] = field(default_factory=dict[str, list[Payload]])
    needs_tag: set[str] = field(default_factory=set[str])
    locale: str = "en-US"

    def role(self, name: str) -> str:
        """The id of a role."""
        return next(number for number, each in self.roles.items() if each == name)

    def hide(self, channel: str, *seers: str) -> None:
        """Let only these roles see a channel."""
        shown = [{"id": self.role(each), "type": 0, "allow": str(1 << 10), "deny": "0"} for each in seers]
        self.overwrites[channel] = [{"id": self.id, "type": 0, "allow": "0", "deny": str(1 << 10)}, *shown]


@dataclass
class Message:
    """A message as it stands now."""

    id: str
    channel: str
    author: Payload
    payload: Payload
    at: float
    files: dict[str, str] = field(default_factory=dict[str, str])
    edits: int = 0
    is_private: bool = False
    is_dismissed: bool = False

    @property
    def text(self) -> str:
        """Everything that is to be read on it."""
        parts = [self.payload.get("content") or ""]
        for embed in self.payload.get("embeds") or []:
            parts += [embed.get("title", ""), embed.get("description", ""), (embed.get("footer") or {}).get("text", "")]
        return "\n".join(part for part in parts if part)

    @property
    def controls(self) -> list[Payload]:
        """Its buttons and menus."""
        return [each for row in self.payload.get("components") or [] for each in row["components"]]

    def button(self, label: str) -> str:
        """The custom id of the button that begins so."""
        return next(each["custom_id"] for each in self.controls if str(each.get("label", "")).startswith(label))

    @property
    def labels(self) -> list[str]:
        """What its buttons say."""
        return [each["label"] for each in self.controls if "label" in each]


@dataclass
class Interaction:
    """A command, a click or a submitted window, and what came of it."""

    id: str
    token: str
    channel: str
    born: float
    sort: int = 2
    message: Message | None = None
    response: Payload | None = None
    private: list[Message] = field(default_factory=list[Message])
    original: Message | None = None

    @property
    def kind(self) -> int:
        """The type of the first answer; 0: none yet."""
        return int(self.response["type"]) if self.response else 0


class World:
    """The state behind the server. Time runs as fast as a test wants."""

    def __init__(self) -> None:
        """One server with one channel, to begin with."""
        # A snowflake says when it was made: https://discord.com/developers/docs/reference#snowflakes
        self._numbers = itertools.count(int(time.time() * 1000 - EPOCH) << 22)
        self._skipped = 0.0
        self.url = ""
        self.changed = asyncio.Condition()
        self.guilds: dict[str, Guild] = {}
        self.messages: dict[str, Message] = {}
        self.threads: dict[str, str] = {}
        self.thread_names: dict[str, str] = {}
        self.thread_tags: dict[str, list[str]] = {}
        self.archived: set[str] = set()
        self.invited: dict[str, set[str]] = {}
        self.private_channels: dict[str, str] = {}
        self.closed_doors: set[str] = set()
        self.interactions: dict[str, Interaction] = {}
        self.commands: dict[str, list[Payload]] = {}
        self.nonces: dict[tuple[str, str], str] = {}
        self.edited: list[tuple[float, str]] = []
        self.reactions: list[tuple[str, str]] = []
        self.pinned: list[str] = []
        self.diagnostics: list[str] = []
        self.guild = self.add_guild("home")
        self.channel = next(iter(self.guild.channels))

    def now(self) -> float:
        """Seconds, of the machine's clock and what was skipped."""
        return time.monotonic() + self._skipped

    def skip(self, seconds: float) -> None:
        """Let time pass."""
        self._skipped += seconds

    def number(self) -> str:
        """A new snowflake."""
        return str(next(self._numbers) + (int(self._skipped * 1000) << 22))

    def add_guild(self, name: str) -> Guild:
        """A server with the roles ops and leads and the channel general."""
        number = self.number()
        roles = {number: "@everyone", self.number(): "ops", self.number(): "leads"}
        guild = Guild(id=number, name=name, roles=roles, channels={self.number(): "general"})
        self.guilds[number] = guild
        return guild

    def add_private_thread(self, parent: str, *people: str) -> str:
        """A thread for these accounts and the bot."""
        number = self.number()
        self.threads[number], self.invited[number] = parent, {*people, APPLICATION}
        return number

    def guild_of(self, channel: str) -> Guild:
        """The server of a channel or thread."""
        parent = self.threads.get(channel, channel)
        for guild in self.guilds.values():
            if parent in guild.channels:
                return guild
        raise Refused(404, 10003, "Unknown Channel")

    def add_message(
        self, channel: str, payload: Payload, author: Payload, files: dict[str, str], number: str = ""
    ) -> Message:
        """A new message; the same nonce again is the same message."""
        nonce = str(payload.get("nonce", ""))
        known = self.nonces.get((channel, nonce)) if nonce and payload.get("enforce_nonce") else None
        if known and known in self.messages:
            return self.messages[known]
        message = Message(number or self.number(), channel, author, payload, self.now(), files)
        self.messages[message.id] = message
        self.nonces[(channel, nonce)] = message.id
        return message

    def edit(self, message: Message, payload: Payload, files: dict[str, str]) -> None:
        """Change what was sent, and nothing else."""
        message.payload = {**message.payload, **payload}
        if "attachments" in payload:
            message.files = files
        message.edits += 1

    def message(self, channel: str, number: str) -> Message:
        """A message of a channel."""
        found = self.messages.get(number)
        if found is None or found.channel != channel:
            raise Refused(404, 10008, "Unknown Message")
        return found

    def in_channel(self, channel: str | None = None) -> list[Message]:
        """The public messages of a channel, oldest first."""
        return [each for each in self.messages.values() if each.channel == (channel or self.channel)]

    def interaction(self, token: str) -> Interaction:
        """An interaction whose token lives, and that was answered once."""
        found = self.interactions.get(token)
        if found is None or self.now() - found.born > TOKEN_LIFE:
            raise Refused(401, 50027, "Invalid Webhook Token")
        if found.response is None:
            raise Refused(404, 10015, "Unknown Webhook")
        return found

    def answer(self, token: str, response: Payload) -> Interaction:
        """The first answer to an interaction: once, and within three seconds."""
        found = self.interactions.get(token)
        if found is None or (found.response is None and self.now() - found.born > FIRST_ANSWER):
            raise Refused(404, 10062, "Unknown interaction")
        if found.response is not None:
            raise Refused(400, 40060, "Interaction has already been acknowledged.")
        found.response = response
        return found

    def as_json(self, message: Message) -> Payload:
        """A message as Discord sends it."""
        return {
            "id": message.id,
            "channel_id": message.channel,
            "author": message.author,
            "content": message.payload.get("content") or "",
            "timestamp": "2026-11-22T12:00:00+00:00",
            "edited_timestamp": None,
            "tts": False,
            "mention_everyone": False,
            "mentions": [],
            "mention_roles": [],
            "attachments": [
                {
                    "id": str(n),
                    "filename": name,
                    "size": len(text),
                    "url": f"{self.url}/cdn/{message.id}/{name}",
                    "proxy_url": f"{self.url}/cdn/{message.id}/{name}",
                    "content_type": "image/png" if name.endswith(".png") else "text/plain; charset=utf-8",
                }
                for n, (name, text) in enumerate(message.files.items(), 1)
            ],
            "embeds": message.payload.get("embeds") or [],
            "components": message.payload.get("components") or [],
            "pinned": message.id in self.pinned,
            "type": 0,
            "flags": EPHEMERAL if message.is_private else 0,
        }

    def guild_json(self, guild: Guild) -> Payload:
        """A server as it arrives over the gateway."""
        return {
            "id": guild.id,
            "name": guild.name,
            "owner_id": "1",
            "roles": [
                {"id": n, "name": name, "permissions": str(TALK & ~guild.withheld | guild.granted.get(n, 0)), "position": 0, "color": 0, "hoist": False,
                 "managed": False, "mentionable": False, "flags": 0,
                 "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None}}
                for n, name in guild.roles.items()
            ],
            "channels": [self.channel_json(guild, channel) for channel in guild.channels],
            "members": [{"user": BOT, "roles": [], "joined_at": "2026-01-01T00:00:00+00:00", "deaf": False, "mute": False, "flags": 0}],
            "threads": [], "emojis": [], "stickers": [], "features": [], "voice_states": [], "presences": [],
            "stage_instances": [], "guild_scheduled_events": [], "member_count": 1, "large": False,
            "afk_channel_id": None, "afk_timeout": 300, "verification_level": 0, "default_message_notifications": 0,
            "explicit_content_filter": 0, "mfa_level": 0, "system_channel_flags": 0, "premium_tier": 0,
            "premium_progress_bar_enabled": False, "preferred_locale": guild.locale, "nsfw_level": 0, "nsfw": False,
        }  # fmt: skip

    def channel_json(self, guild: Guild, channel: str) -> Payload:
        """A text channel or a thread."""
        if channel in self.threads:
            parent = self.threads[channel]
            kind = 10 if guild.kinds.get(parent) == 5 else 11
            return {
                "id": channel, "type": 12 if channel in self.invited else kind, "guild_id": guild.id, "parent_id": parent,
                "name": self.thread_names.get(channel, "thread"), "applied_tags": self.thread_tags.get(channel, []),
                "owner_id": APPLICATION, "message_count": 0, "member_count": 1, "flags": 0,
                "thread_metadata": {"archived": channel in self.archived, "auto_archive_duration": 1440, "locked": False,
                                    "archive_timestamp": "2026-11-22T12:00:00+00:00"},
            }  # fmt: skip
        own = [{"id": guild.id, "type": 0, "allow": "0", "deny": str(guild.denied.get(channel, 0))}]
        overwrites = guild.overwrites.get(channel, own)
        return {
            "id": channel, "type": guild.kinds.get(channel, 0), "guild_id": guild.id, "name": guild.channels[channel], "position": 0,
            "permission_overwrites": overwrites, "nsfw": False, "parent_id": None, "topic": None,
            "available_tags": guild.tags.get(channel, []), "flags": 1 << 4 if channel in guild.needs_tag else 0,
            **({"bitrate": 64_000, "user_limit": 0, "rtc_region": None} if guild.kinds.get(channel) in {2, 13} else {}),
        }  # fmt: skip


def words_in(payload: Payload) -> str:
    """A payload as one text, to look for what should not be there."""
    return json.dumps(payload, ensure_ascii=False)
