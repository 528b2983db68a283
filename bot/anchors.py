"""The daily anchor: written to a folder, stamped by a time stamp server, and its digest posted in a channel.

Each of the three is tried again by itself, every ten minutes until the day is over; none keeps another from its work.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bot.chat.approvals_channel import note_of
from bot.chat.platform import (
    CardTooLarge,
    ChannelRef,
    ChatPlatform,
    FindsText,
    MessageNotFound,
    MissingPermission,
    RateLimited,
)
from bot.i18n import Catalog, catalog, catalog_for, speaking
from bot.machine import expanded
from bot.message import Card, Paragraph, Severity, StyledText
from bot.variables import Environment
from coordination.errors import ConfigError, CoordinationError
from coordination.ports import Clock
from coordination.storage.anchor import AnchorHead, anchor_of_day, file_of_day, head_of
from coordination.storage.daily_posts import Claim, claim, finish, release
from coordination.text import Text

AGAIN_SECONDS = 600.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class AnchorSettings:
    """Where anchors go; without a folder, nowhere.

    Attributes:
        folder: the folder of the files.
        server: the address of the time stamp server; empty: none.
        channels: where digests are posted.
        language: what a post is written in.
    """

    folder: Path | None
    server: str
    channels: tuple[ChannelRef, ...]
    language: Catalog

    @classmethod
    def of(cls, environment: Environment) -> "AnchorSettings":
        """As the operator set it.

        Raises:
            ConfigError: the folder is none, or one of the others makes no sense.
        """
        server, channels = _server(environment.anchor_server), _channels(environment.anchor_channels)
        folder = expanded(environment.anchors).absolute() if environment.anchors else None
        if folder is not None and not folder.is_dir():
            raise ConfigError(
                [Text("MASSGEN_BOT_ANCHOR_FOLDER must name an existing folder, not {folder}.", folder=folder)]
            )
        if folder is None and (server or channels):
            variable = "MASSGEN_BOT_ANCHOR_TSA" if server else "MASSGEN_BOT_ANCHOR_CHANNEL"
            text = Text(
                "{variable} has no effect without MASSGEN_BOT_ANCHOR_FOLDER: set it to the folder for the anchors.",
                variable=variable,
            )
            raise ConfigError([text])
        return cls(folder=folder, server=server, channels=channels, language=catalog_for(environment.language))


def _server(text: str) -> str:
    server = text.strip()
    if server and not server.startswith(("http://", "https://")):
        raise ConfigError([Text("MASSGEN_BOT_ANCHOR_TSA must be an address that begins with http:// or https://.")])
    return server


def _channels(text: str) -> tuple[ChannelRef, ...]:
    channels: list[ChannelRef] = []
    for each in text.replace(",", " ").split():
        tenant, _, channel = each.rpartition("/")
        platform, colon, rest = tenant.partition(":")
        if platform not in ("discord", "slack") or not colon or not rest or not channel:
            raise ConfigError(
                [
                    Text(
                        "MASSGEN_BOT_ANCHOR_CHANNEL must be a tenant and a channel, such as discord:123/456 or "
                        "slack:-:T1/C1."
                    )
                ]
            )
        channels.append(ChannelRef(platform=platform, tenant=tenant, channel=channel))
    return tuple(channels)


async def keep_anchors(url: str, settings: AnchorSettings, clock: Clock) -> None:
    """The first process that comes to it writes the day's anchor, and has it stamped; the others find it there."""
    folder, server = settings.folder, settings.server
    if folder is None:
        return
    while True:
        await _tried("write an anchor", lambda: asyncio.to_thread(anchor_of_day, url, folder, clock.now()))
        if server:
            await _tried("have the anchor time-stamped", lambda: _stamp(file_of_day(folder, clock.now()), server))
        await clock.sleep(AGAIN_SECONDS)


async def _stamp(file: Path, server: str) -> None:
    from coordination.storage.time_stamps import stamp  # noqa: PLC0415  # its library is loaded where a server is set

    if await asyncio.to_thread(file.exists):  # Else the anchor could not be written, and somebody was told.
        await stamp(file, server)


@dataclass(frozen=True, kw_only=True)
class AnchorPosts:
    """Posts the digest of the day's anchor in each of the channels that a served chat has, once for all processes."""

    url: str
    settings: AnchorSettings
    platforms: Mapping[str, ChatPlatform]
    clock: Clock

    @classmethod
    def of(cls, environment: Environment, platforms: Sequence[ChatPlatform], clock: Clock) -> "AnchorPosts":
        """The posts of a process that serves these chats.

        Raises:
            ConfigError: what the operator set makes no sense.
            StorageError: there is no address of a database.
        """
        settings, named = AnchorSettings.of(environment), {each.name: each for each in platforms}
        return cls(url=environment.database_url(), settings=settings, platforms=named, clock=clock)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Post each day while the context is open."""
        async with asyncio.TaskGroup() as group:
            work = group.create_task(self._keep(), name="anchor-posts")
            try:
                yield
            finally:
                work.cancel()

    async def _keep(self) -> None:
        channels = [each for each in self.settings.channels if each.platform in self.platforms]
        while channels:
            for each in channels:
                await _tried("post the digest of the anchor", partial(self.post, each))
            await self.clock.sleep(AGAIN_SECONDS)

    async def post(self, place: ChannelRef) -> None:
        """Post in one channel, unless that was done today, or another process is about to.

        What may stand there already, since its process ended in between, is looked for first. Where the chat can't
        tell, it is posted again: rather twice than never.

        Raises:
            StorageError: the anchor can't be read, or the database not be used.
            MessageNotFound, MissingPermission, CardTooLarge: the chat would not.
            RateLimited: the chat asks for patience; the claim stays, for the post may stand.
        """
        folder, now = self.settings.folder, self.clock.now()
        claimed = await asyncio.to_thread(claim, self.url, f"anchor {place.tenant}/{place.channel}", now)
        if claimed is None or folder is None:
            return
        try:
            await asyncio.to_thread(anchor_of_day, self.url, folder, now)
            head = await asyncio.to_thread(head_of, file_of_day(folder, now))
            message = await self._posted(place, claimed, head)
        except (CoordinationError, MessageNotFound, MissingPermission, CardTooLarge):
            if not claimed.may_stand:
                await asyncio.to_thread(release, self.url, claimed)
            raise
        await asyncio.to_thread(finish, self.url, claimed, message)

    async def _posted(self, place: ChannelRef, claimed: Claim, head: AnchorHead) -> str:
        platform, idempotency_key = self.platforms[place.platform], f"{claimed.name} {claimed.day}"
        if claimed.may_stand:
            with suppress(MessageNotFound, MissingPermission, CardTooLarge):  # Whoever may not look does not find it.
                stands = await platform.find(place, idempotency_key=idempotency_key, at=claimed.since)
                if stands is None and isinstance(platform, FindsText):
                    stands = await platform.find_text(place, (head.digest,), at=claimed.since)
                if stands is not None:
                    return stands.message
        with speaking(self.settings.language):
            card = card_of(claimed.day, head)
        return (await platform.post_text(place, card, idempotency_key=idempotency_key)).message


def card_of(day: str, head: AnchorHead) -> Card:
    """The message for the anchor of a day."""
    lines = (
        catalog.rich("anchor_post.digest", digest=StyledText(head.digest, "code")),
        catalog.rich("anchor_post.what", file=StyledText(head.file, "code")),
    )
    title = catalog.rich("anchor_post.title", count=head.lines, day=day)
    return Card(
        severity=Severity.DONE,
        status=catalog.text("anchor_post.status"),
        title=title,
        reference=(),
        sections=(Paragraph(lines=lines),),
    )


async def _tried(what: str, chore: Callable[[], Awaitable[object]]) -> None:
    """Do a chore; one that fails is done the next time, and must end nothing else."""
    try:
        await chore()
    except CoordinationError as error:
        _log.warning("could not %s; it is tried again in ten minutes: %s", what, error)
    except (MessageNotFound, MissingPermission, CardTooLarge) as error:
        _log.warning("could not %s; it is tried again in ten minutes: %s", what, note_of(error))
    except RateLimited:
        _log.warning("could not %s now; it is tried again in ten minutes: the chat asks for patience", what)
    except Exception:  # noqa: BLE001 - the anchor is not worth the program
        _log.warning("could not %s; it is tried again in ten minutes", what, exc_info=True)
