"""Discord as card sync sees it. Nothing but ids is remembered, so that a restarted bot can edit its old messages."""

import asyncio
import hashlib
import io
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final, TypeVar

import discord
from discord.http import Route
from discord.types.member import MemberWithUser
from discord.utils import snowflake_time, utcnow

from bot.cards.text import head_of
from bot.chat.platform import (
    ButtonIds,
    ChannelRef,
    EditRefused,
    Kind,
    MessageNotFound,
    MessageRef,
    MissingPermission,
    RateLimited,
    SyncIntervals,
)
from bot.discord_app import markup
from bot.discord_app.errors import (
    LATER,
    ConnectionLost,
    can_not_be_told,
    is_page,
    is_there_already,
    missing,
    missing_in,
    translated,
)
from bot.discord_app.identity import PLATFORM, member_of
from bot.discord_app.render import Rendered, first_line, render
from bot.i18n import catalog
from bot.message import Attachment, Card, Mention, RichText
from coordination.domain.policy import Person

_log = logging.getLogger(__name__)

_Result = TypeVar("_Result")

# Discord edits messages that are older than an hour far more slowly: five a channel in some minutes.
INTERVALS = SyncIntervals(edit=2.0, timeline=4.0, renew=timedelta(hours=1))

_TRIES = 4
_MOST_FOUND = 1000
_MOST_PAGES = 20
_MOST_ASKED_ABOUT = 10
_MOST_READ = 300
_CLOCKS_DIFFER = timedelta(minutes=1)
_ARCHIVE_MINUTES: Final = 1440
_NOBODY = discord.AllowedMentions.none()


class DiscordPlatform:
    """Fits `bot.chat.platform.ChatPlatform`."""

    name: str = PLATFORM
    intervals = INTERVALS
    has_idempotent_posts = True

    def __init__(
        self, client: discord.Client, *, lists_members: bool = False, now: Callable[[], datetime] = utcnow
    ) -> None:
        """The client must be logged in before the first message; it need not be connected."""
        self._client = client
        self.now = now
        self.lists_members = lists_members

    async def post(self, place: ChannelRef, card: Card, ids: ButtonIds, *, idempotency_key: str = "") -> MessageRef:
        """Post a card. The same request sent again, because no answer came, makes no second message."""
        return await self._send(place, render(card, ids), _nonce(idempotency_key))

    async def find(self, place: ChannelRef, *, idempotency_key: str, at: datetime) -> None:
        """Not here: Discord itself finds what was just posted, and later tells nobody what was posted as what."""
        del place, idempotency_key, at

    async def find_text(self, place: ChannelRef, words: Sequence[str], *, at: datetime) -> MessageRef | None:
        """Read what was posted after that. Discord's clock and ours may differ a little."""
        channel, after = self._channel(place), at - _CLOCKS_DIFFER

        async def read() -> str | None:
            number = self._client.user.id if self._client.user else 0
            async for message in channel.history(limit=_MOST_READ, after=after, oldest_first=True):
                text = "\n".join(f"{each.title or ''}\n{each.description or ''}" for each in message.embeds)
                if message.author.id == number and all(each in text for each in words):
                    return str(message.id)
            return None

        found = await self._try(place, read, tries=1)
        return MessageRef(place=place, message=found) if found else None

    async def post_text(self, place: ChannelRef, card: Card, *, idempotency_key: str = "") -> MessageRef:
        """Post a card without buttons."""
        return await self._send(place, render(card, None), _nonce(idempotency_key))

    async def edit_text(self, message_ref: MessageRef, card: Card) -> None:
        """As a card is edited."""
        await self._edit(message_ref, render(card, None))

    async def edit(self, message_ref: MessageRef, card: Card, ids: ButtonIds) -> None:
        """Edit by ids alone: an interaction's token would be dead after a quarter of an hour."""
        await self._edit(message_ref, render(card, ids))

    async def _edit(self, message_ref: MessageRef, rendered: Rendered) -> None:
        message = self._channel(message_ref.place).get_partial_message(int(message_ref.message))

        async def edit() -> None:
            await message.edit(
                content=None,
                embeds=rendered.embeds,
                view=rendered.view,
                attachments=files_of(rendered.files),
                allowed_mentions=_NOBODY,
            )

        # No second edit at once: how often a card is edited is for card sync to say.
        try:
            await self._try(message_ref.place, edit, tries=1)
        except RateLimited as error:
            # For an old message that is the limit of its age, for which discord.py has no error of its own.
            if INTERVALS.renew and self.now() - snowflake_time(int(message_ref.message)) >= INTERVALS.renew:
                raise EditRefused(catalog.text("discord.too_old")) from error
            raise

    async def verify(self, message_ref: MessageRef, card: Card, ids: ButtonIds) -> None:
        """Read it: an edit would count among the few of old messages."""
        del card, ids
        message = self._channel(message_ref.place).get_partial_message(int(message_ref.message))
        await self._try(message_ref.place, message.fetch, tries=1)

    async def open_thread(self, message_ref: MessageRef, title: str) -> ChannelRef:
        """A thread has the id of the message that it hangs under. In a thread there are no further ones."""
        if message_ref.place.thread:
            return message_ref.place
        channel, message = int(message_ref.place.channel), int(message_ref.message)

        async def start() -> None:
            try:
                await self._client.http.start_thread_with_message(
                    channel,
                    message,
                    name=head_of(title, markup.THREAD_NAME // 2) or PLATFORM,
                    auto_archive_duration=_ARCHIVE_MINUTES,
                )
            except discord.HTTPException as error:
                if not is_there_already(error):
                    raise

        await self._try(message_ref.place, start)
        return replace(message_ref.place, thread=message_ref.message)

    def is_id(self, kind: Kind, text: str) -> bool:
        """Roles and accounts have numbers; who is called by a number can only be meant by their own."""
        del kind
        return text.isascii() and text.isdecimal()

    async def ids_of(self, tenant: str, kind: Kind, name: str) -> Sequence[str]:
        """The roles, or the members, of that name. A nickname is none: it could be anybody's."""
        guild, place = int(guild_of(tenant) or 0), ChannelRef(platform=PLATFORM, tenant=tenant, channel="")
        if kind == "role":
            roles = await self._try(place, lambda: self._client.http.get_roles(guild))
            return [str(role["id"]) for role in roles if role["name"] == name]
        route = Route("GET", "/guilds/{guild_id}/members/search", guild_id=guild)
        wanted = name.removeprefix("@")
        given = {"query": wanted, "limit": _MOST_FOUND}
        members = await self._try(place, lambda: self._client.http.request(route, params=given))
        return [str(each["user"]["id"]) for each in members if each["user"]["username"] == wanted]

    async def name_of(self, tenant: str, kind: Kind, number: str) -> str | None:
        """The name of a role, or of a member's account; None: it is no id of this server."""
        guild, place = int(guild_of(tenant) or 0), ChannelRef(platform=PLATFORM, tenant=tenant, channel="")
        if kind == "role":
            roles = await self._try(place, lambda: self._client.http.get_roles(guild))
            return next((role["name"] for role in roles if str(role["id"]) == number), None)
        member = await self._member(place, guild, number)
        return None if member is None else member["user"]["username"]

    async def is_bot(self, tenant: str, number: str) -> bool:
        """Whether an account is a bot's."""
        place = ChannelRef(platform=PLATFORM, tenant=tenant, channel="")
        member = await self._member(place, int(guild_of(tenant) or 0), number)
        return member is not None and bool(member["user"].get("bot"))

    async def others_in(self, tenant: str, roles: Sequence[str], besides: Sequence[str]) -> int | None:
        """The members of all these roles, one who has two of them counted twice, and nobody of a role that is gone.

        Discord lists no members to this bot.

        https://discord.com/developers/docs/resources/guild#get-guild-role-member-counts
        """
        guild, place = int(guild_of(tenant) or 0), ChannelRef(platform=PLATFORM, tenant=tenant, channel="")
        if len(besides) > _MOST_ASKED_ABOUT or str(guild) in roles:  # Everybody's role is not counted.
            return None
        route = Route("GET", "/guilds/{guild_id}/roles/member-counts", guild_id=guild)
        counts = await self._try(place, lambda: self._client.http.request(route), tries=1)
        most = sum(int(counts.get(role, 0)) for role in roles)
        for number in besides:
            member = await self._member(place, guild, number)
            most -= member is not None and not set(roles).isdisjoint(str(role) for role in member["roles"])
        return most

    async def notify_roles(self, place: ChannelRef, line: RichText, *, idempotency_key: str) -> None:
        """A message by words alone: mentions in embeds notify nobody. The role of everybody is not called."""
        numbers = {
            each.id for each in line if isinstance(each, Mention) and each.sort == "role" and each.id.isdecimal()
        }
        roles = [discord.Object(int(each)) for each in numbers - {guild_of(place.tenant)}]
        if not roles:
            return
        channel, nonce = self._channel(place), _nonce(idempotency_key)
        words, _ = markup.line_text(line, markup.CONTENT)
        allowed = discord.AllowedMentions(everyone=False, users=False, roles=roles, replied_user=False)
        await self._try(place, lambda: channel.send(content=words, allowed_mentions=allowed, nonce=nonce))

    async def notify_user(self, person: Person, place: ChannelRef, card: Card) -> bool:
        """A direct message; people who take none are not told."""
        rendered = render(card, None)
        nonce = _nonce()

        async def tell() -> bool:
            try:
                channel = await self._client.create_dm(discord.Object(int(person.id)))
                await channel.send(
                    content=first_line(card),  # A notification shows nothing of embeds.
                    embeds=rendered.embeds,
                    files=files_of(rendered.files),
                    allowed_mentions=_NOBODY,
                    nonce=nonce,
                )
            except discord.HTTPException as error:
                if not can_not_be_told(error):
                    raise
                return False
            return True

        return await self._try(place, tell)

    async def link_to(self, message_ref: MessageRef) -> str:
        """What Discord itself copies as the link of a message. In a thread, the thread is its channel."""
        place = message_ref.place
        channel = place.thread or place.channel
        return f"https://discord.com/channels/{guild_of(place.tenant)}/{channel}/{message_ref.message}"

    async def direct_channel(self, person: Person) -> ChannelRef:
        """Discord opens it for everybody; whether they take messages only a message tells."""
        place = ChannelRef(platform=PLATFORM, tenant=person.tenant, channel="")
        if not self.is_id("user", person.id):
            raise MessageNotFound(person.id)
        channel = await self._try(place, lambda: self._client.create_dm(discord.Object(int(person.id))))
        return replace(place, channel=str(channel.id))

    async def members_of(self, tenant: str, role: str, most: int) -> Sequence[str]:
        """Discord lists members only to bots with a privileged intent, which operators may give to this one.

        Nobody of a role is listed whose members can't all be found among the first of a server.
        """
        guild, place = int(guild_of(tenant) or 0), ChannelRef(platform=PLATFORM, tenant=tenant, channel="")
        if not self.lists_members:
            return ()
        route = Route("GET", "/guilds/{guild_id}/roles/member-counts", guild_id=guild)
        counts = await self._try(place, lambda: self._client.http.request(route), tries=1)
        count = int(counts.get(role, 0))
        try:
            return await self._listed(place, role, count) if 0 < count <= most else ()
        except MissingPermission:
            _log.warning("Discord lists no members: the application lacks the Server Members Intent")
            return ()

    async def _listed(self, place: ChannelRef, role: str, count: int) -> Sequence[str]:
        """The people among so many who have a role, if all of them are found.

        https://discord.com/developers/docs/resources/guild#list-guild-members
        """
        guild, after, found = int(guild_of(place.tenant)), 0, list[MemberWithUser]()
        for _ in range(_MOST_PAGES):
            read = partial(self._client.http.get_members, guild, _MOST_FOUND, after)
            page = await self._try(place, read, tries=1)
            found += [each for each in page if role in each["roles"]]
            if len(found) >= count or len(page) < _MOST_FOUND:
                return [str(each["user"]["id"]) for each in found if not each["user"].get("bot")]
            after = int(page[-1]["user"]["id"])
        return ()

    async def owners_of(self, tenant: str) -> Sequence[str]:
        """Every server has one owner, whom every bot in it is told of: it takes no intent and no permission."""
        place, number = ChannelRef(platform=PLATFORM, tenant=tenant, channel=""), int(guild_of(tenant) or 0)
        guild = await self._try(place, lambda: self._client.fetch_guild(number, with_counts=False), tries=1)
        return (str(guild.owner_id),) if guild.owner_id else ()

    async def check_channel(self, tenant: str, channel: str) -> None:
        """Whether the bot can post cards in a channel of this server, by what Discord tells now.

        Nobody from outside is in it.
        """
        guild, found = await self._seen_channel(tenant, channel)
        if not isinstance(found, discord.TextChannel):
            raise MissingPermission(catalog.text("approvals_channel.no_text"))
        place = ChannelRef(platform=PLATFORM, tenant=tenant, channel=channel)
        number = self._client.user.id if self._client.user else 0
        me = await self._try(place, lambda: guild.fetch_member(number), tries=1)
        if lacking := missing(found.permissions_for(me)):
            raise MissingPermission(catalog.text("discord.forbidden", permissions=", ".join(lacking)))

    async def is_public(self, tenant: str, channel: str) -> bool:
        """Whether everybody may view a channel, and no role nor member is kept out of it."""
        try:
            guild, found = await self._seen_channel(tenant, channel)
        except MessageNotFound:
            return False
        if not isinstance(found, discord.TextChannel | discord.ForumChannel):  # Voice wants more than a view.
            return False
        others = [rights for whom, rights in found.overwrites.items() if whom.id != guild.id]
        needed = discord.Permissions(view_channel=True, read_message_history=True)
        may = found.permissions_for(guild.default_role)
        return needed <= may and not any(rights.pair()[1].value & needed.value for rights in others)

    async def _seen_channel(
        self, tenant: str, channel: str
    ) -> tuple[discord.Guild, discord.abc.GuildChannel | discord.Thread]:
        """A channel of a server, as Discord shows it now: of another server it is none."""
        place, number = ChannelRef(platform=PLATFORM, tenant=tenant, channel=""), int(guild_of(tenant) or 0)
        if not self.is_id("user", channel):
            raise MessageNotFound(channel)

        async def read() -> tuple[discord.Guild, discord.abc.GuildChannel | discord.Thread]:
            guild = await self._client.fetch_guild(number, with_counts=False)
            return guild, await guild.fetch_channel(int(channel))

        try:
            return await self._try(place, read, tries=1)
        except discord.InvalidData:
            raise MessageNotFound(channel) from None

    async def person_now(self, person: Person) -> Person | None:
        """Somebody of a server with their roles of this moment; None: they left it."""
        number = int(guild_of(person.tenant))

        async def read() -> discord.Member | None:
            try:
                guild = await self._client.fetch_guild(number, with_counts=False)
                return await guild.fetch_member(int(person.id))
            except discord.NotFound as error:
                if is_page(error):
                    raise
                return None

        place = ChannelRef(platform=PLATFORM, tenant=person.tenant, channel="")
        member = await self._try(place, read, tries=1)
        return None if member is None else member_of(member, number)

    async def _member(self, place: ChannelRef, guild: int, number: str) -> MemberWithUser | None:
        """A member as Discord lists them now; None: there is none of this number."""
        if not self.is_id("user", number):
            return None
        try:
            return await self._try(place, lambda: self._client.http.get_member(guild, number), tries=1)
        except MessageNotFound:
            return None

    async def _send(self, place: ChannelRef, rendered: Rendered, nonce: str) -> MessageRef:
        channel = self._channel(place)

        async def send() -> discord.Message:
            files = files_of(rendered.files)
            if rendered.view is None:
                return await channel.send(embeds=rendered.embeds, files=files, allowed_mentions=_NOBODY, nonce=nonce)
            return await channel.send(
                embeds=rendered.embeds, files=files, view=rendered.view, allowed_mentions=_NOBODY, nonce=nonce
            )

        message = await self._try(place, send)
        return MessageRef(place=place, message=str(message.id))

    def _channel(self, place: ChannelRef) -> discord.PartialMessageable:
        guild = int(guild_of(place.tenant) or 0) or None
        try:
            number = int(place.thread or place.channel)
        except ValueError:
            raise MessageNotFound(place.channel) from None
        return self._client.get_partial_messageable(number, guild_id=guild)

    async def _try(self, place: ChannelRef, send: Callable[[], Awaitable[_Result]], tries: int = _TRIES) -> _Result:
        """Send until there is an answer, a few times. What is sent must do no harm twice.

        What may stand there already is not given up for a moment of trouble: Discord knows a request only for minutes.
        """
        may_stand = False
        for _ in range(tries):
            try:
                with translated(missing_in(self._client, place)):
                    return await send()
            except ConnectionLost:
                may_stand = True
            except RateLimited as error:
                if not may_stand:
                    raise
                await asyncio.sleep(min(error.seconds, LATER))
        raise RateLimited(LATER)


def files_of(files: tuple[Attachment, ...]) -> list[discord.File]:
    """The files as discord.py wants them; they are used up by one message."""
    return [
        discord.File(
            io.BytesIO(file.text.encode("utf-8", "backslashreplace")),
            filename=file.name,
            description=file.description[: markup.FILE_DESCRIPTION],
        )
        for file in files
    ]


def guild_of(tenant: str) -> str:
    """The server's id in `discord:<id>`."""
    platform, _, guild = tenant.partition(":")
    return guild if platform == PLATFORM else ""


def _nonce(idempotency_key: str = "") -> str:
    """The same for the same; without anything, one that never was."""
    return (
        hashlib.sha256(idempotency_key.encode()).hexdigest()[: markup.NONCE]
        if idempotency_key
        else secrets.token_hex(markup.NONCE // 2)
    )
