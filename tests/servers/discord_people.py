"""People who use Discord: they type commands, click, fill in windows and write."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from tests.servers.discord_server import DiscordServer
from tests.servers.discord_world import (
    APPLICATION,
    EVERYTHING,
    MANAGE_GUILD,
    TALK,
    Guild,
    Interaction,
    Message,
    Payload,
)

COMMAND, CLICK, COMPLETION, WINDOW = 2, 3, 4, 5
BUTTON, MENU, TEXT_INPUT = 2, 3, 4


@dataclass(frozen=True)
class Role:
    """A role that somebody picks from a list."""

    id: str


Option: TypeAlias = "str | bool | int | Someone | Role"


@dataclass
class Someone:
    """A member of one server."""

    server: DiscordServer
    name: str
    guild: Guild
    roles: tuple[str, ...] = ()
    manages: bool = False
    id: str = ""
    app_permissions: int = EVERYTHING
    is_bot: bool = False
    is_pending: bool = False
    timed_out_until: str | None = None
    flags: int = 0
    locale: str = "en-US"
    role_ids: tuple[str, ...] = ()
    used: list[Interaction] = field(default_factory=list[Interaction])

    def __post_init__(self) -> None:
        """A number of their own, unless it is given."""
        self.id = self.id or self.server.number()
        self.guild.members[self.id] = self._member()

    def leaves(self) -> None:
        """They leave the server."""
        del self.guild.members[self.id]

    def loses(self, role: str) -> None:
        """Somebody took a role from them."""
        self.roles = tuple(each for each in self.roles if each != role)
        self.guild.members[self.id] = self._member()

    @property
    def home(self) -> str:
        """The first channel of their server."""
        return next(iter(self.guild.channels))

    async def types(self, command: str, *, where: str = "", **options: Option) -> Interaction:
        """`/command`, or `/command sub`, or `/command group sub`."""
        name, *subs = command.split()
        values: list[Payload] = [_option(each, value) for each, value in options.items()]
        for depth, sub in enumerate(reversed(subs)):
            values = [{"name": sub, "type": 1 if depth == 0 else 2, "options": values}]
        data = {"id": "1", "name": name, "type": 1, "options": values}
        resolved = self._resolved([value for value in options.values() if isinstance(value, Someone | Role)])
        return await self._interact(COMMAND, {**data, "resolved": resolved} if resolved else data, where)

    def _resolved(self, picked: "list[Someone | Role]") -> Payload:
        """What Discord tells of the people and roles that were picked from its lists."""
        people = [each for each in picked if isinstance(each, Someone)]
        known = self.server.guild_json(self.guild)["roles"]
        roles = [role for role in known if any(isinstance(each, Role) and each.id == role["id"] for each in picked)]
        members = {each.id: {**each._member(), "user": None} for each in people}
        for member in members.values():
            del member["user"]
        parts: Payload = {
            "users": {each.id: each._user() for each in people},
            "members": members,
            "roles": {role["id"]: role for role in roles},
        }
        return {name: part for name, part in parts.items() if part}

    async def completes(self, command: str, option: str, beginning: str) -> list[str]:
        """What Discord offers while they type."""
        name, *subs = command.split()
        values: list[Payload] = [{"name": option, "type": 3, "value": beginning, "focused": True}]
        for depth, sub in enumerate(reversed(subs)):
            values = [{"name": sub, "type": 1 if depth == 0 else 2, "options": values}]
        used = await self._interact(COMPLETION, {"id": "1", "name": name, "type": 1, "options": values}, "")
        await self.server.until(lambda: used.kind)
        return [choice["value"] for choice in (used.response or {})["data"]["choices"]]

    async def uses_on(self, message: Message, command: str) -> Interaction:
        """A command of a message's menu."""
        data = {
            "id": "1", "name": command, "type": 3, "target_id": message.id,
            "resolved": {"messages": {message.id: self.server.as_json(message)}},
        }  # fmt: skip
        return await self._interact(COMMAND, data, message.channel)

    async def clicks(self, message: Message, label: str, *, custom_id: str = "") -> Interaction:
        """A button, by the beginning of its words; or any custom id at all, as if it were on the message."""
        name = custom_id or message.button(label)
        return await self._interact(CLICK, {"custom_id": name, "component_type": BUTTON}, message.channel, message)

    async def chooses(self, message: Message, value: str, *, menu: int = 0) -> Interaction:
        """An entry of one of the message's menus."""
        name = [each["custom_id"] for each in message.controls if "options" in each][menu]
        data = {"custom_id": name, "component_type": MENU, "values": [value]}
        return await self._interact(CLICK, data, message.channel, message)

    async def submits(self, window: Interaction, text: str, *, ticked: Sequence[str] = ()) -> Interaction:
        """The window that an interaction opened, with words, or with what was `ticked`."""
        opened = (window.response or {})["data"]
        inner: Payload = {"type": 4, "id": 2, "custom_id": "words", "value": text}
        if ticked:
            field = opened["components"][0]["component"]
            inner = {"type": field["type"], "id": 2, "custom_id": "words", "values": [*ticked]}
        data = {"custom_id": opened["custom_id"], "components": [{"type": 18, "id": 1, "component": inner}]}
        return await self._interact(WINDOW, data, window.channel, window.message)

    async def fills_in(self, window: Interaction, **values: str | Sequence[str]) -> Interaction:
        """The fields of a window that has several, by their names; those that are not given stay as they were."""
        opened = (window.response or {})["data"]
        labels: list[Payload] = []
        for label in opened["components"]:
            field: Payload = label["component"]
            value = values.get(field["custom_id"], _as_opened(field))
            chosen = [value] if isinstance(value, str) else [*value]
            given = {"value": value} if field["type"] == TEXT_INPUT else {"values": chosen}
            labels.append({"type": 18, "id": 1, "component": {**_identity(field), **given}})
        assert values.keys() <= {label["component"]["custom_id"] for label in labels}
        data = {"custom_id": opened["custom_id"], "components": labels}
        return await self._interact(WINDOW, data, window.channel, window.message)

    async def writes(
        self,
        text: str,
        channel: str = "",
        *,
        mentions_bot: bool = False,
        embeds: list[Payload] | None = None,
        files: dict[str, str] | None = None,
    ) -> Message:
        """A message; its text travels to the bot only if it mentions it."""
        content = f"<@{APPLICATION}> {text}" if mentions_bot else text
        payload = {"content": content, "embeds": embeds or []}
        message = self.server.add_message(channel or self.home, payload, self._user(), files or {})
        seen = {**self.server.as_json(message), "guild_id": self.guild.id, "member": self._member()}
        if mentions_bot:
            seen["mentions"] = [{"id": APPLICATION, "username": "massgen", "discriminator": "0", "avatar": None}]
        else:
            seen["content"] = ""
        await self.server.dispatch("MESSAGE_CREATE", seen)
        return message

    def _on_the_server(self, channel: str) -> Payload:
        return {
            "guild_id": self.guild.id, "guild": {"id": self.guild.id, "locale": self.guild.locale, "features": []},
            "channel": self.server.channel_json(self.guild, channel), "member": self._member(),
            "guild_locale": self.guild.locale, "authorizing_integration_owners": {"0": self.guild.id}, "context": 0,
        }  # fmt: skip

    def _in_private(self, channel: str) -> Payload:
        """Of direct messages with a bot Discord names no server, nor what anybody is there."""
        return {
            "channel": {"id": channel, "type": 1, "last_message_id": None, "flags": 0}, "user": self._user(),
            "authorizing_integration_owners": {"0": "0"}, "context": 1,
        }  # fmt: skip

    async def _interact(self, kind: int, data: Payload, channel: str, message: Message | None = None) -> Interaction:
        server = self.server
        where = channel or self.home
        used = Interaction(server.number(), f"token-{server.number()}", where, server.now(), kind, message)
        server.interactions[used.token] = used
        self.used.append(used)
        payload: Payload = {
            "id": used.id, "application_id": APPLICATION, "type": kind, "data": data, "token": used.token, "version": 1,
            "channel_id": where, "app_permissions": str(self.app_permissions), "locale": self.locale, "entitlements": [],
            "attachment_size_limit": 10 * 1024 * 1024,
            **(self._in_private(where) if where in server.private_channels.values() else self._on_the_server(where)),
        }  # fmt: skip
        if message is not None:
            payload["message"] = _with(server.as_json(message), data)
        await server.dispatch("INTERACTION_CREATE", payload)
        return used

    def _user(self) -> Payload:
        return {
            "id": self.id,
            "username": self.name,
            "discriminator": "0",
            "avatar": None,
            "global_name": "Root",
            "bot": self.is_bot,
        }

    def _member(self) -> Payload:
        by_name = [number for number, name in self.guild.roles.items() if name in self.roles]
        ids = list(self.role_ids) or by_name
        return {
            "user": self._user(), "roles": ids, "joined_at": "2026-01-01T00:00:00+00:00", "deaf": False, "mute": False,
            "flags": self.flags, "pending": self.is_pending, "communication_disabled_until": self.timed_out_until,
            "permissions": str(TALK | (MANAGE_GUILD if self.manages else 0)), "nick": "administrator",
        }  # fmt: skip


def _with(message: Payload, data: Payload) -> Payload:
    """The message with the component that was clicked, which Discord would never let be another one."""
    name = data.get("custom_id", "")
    known = [each["custom_id"] for row in message["components"] for each in row["components"]]
    if data.get("component_type") != BUTTON or name in known:
        return message
    forged = {"type": 2, "style": 2, "label": "forged", "custom_id": name}
    return {**message, "components": [*message["components"], {"type": 1, "components": [forged]}]}


def _as_opened(field: Payload) -> str | list[str]:
    """What stands in a field of a window where nobody touches it."""
    if field["type"] == TEXT_INPUT:
        return str(field.get("value", ""))
    return [each["value"] for each in field["options"] if each.get("default")]


def _identity(field: Payload) -> Payload:
    return {"type": field["type"], "id": 2, "custom_id": field["custom_id"]}


def _option(name: str, value: Option) -> Payload:
    """One option, as Discord sends it."""
    if isinstance(value, Someone | Role):
        return {"name": name, "type": 9, "value": value.id}
    kind = 5 if isinstance(value, bool) else 4 if isinstance(value, int) else 3
    return {"name": name, "type": kind, "value": value}


async def told(server: DiscordServer, used: Interaction) -> str:
    """What the person was told in private, once they were told something."""
    await server.until(lambda: any(each.text for each in used.private))
    return "\n".join(each.text for each in used.private)


async def acknowledged(server: DiscordServer, used: Interaction) -> int:
    """The kind of the first answer."""
    await server.until(lambda: used.kind)
    return used.kind
