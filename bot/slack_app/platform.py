"""Cards in Slack: posted once, changed in place, with a plan's files in the thread below where blocks can't hold it.

Slack has no key that would make posting safe to repeat. So a post that got no answer is never sent again from here. Its
message carries a mark by which it can be found, where the bot may read; elsewhere the caller may post again, and the older
message is one whose buttons nobody knows.

Anybody may see a mark, and any app may post one; so it counts on the bot's own messages only.
"""

import asyncio
import hashlib
import logging
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

import aiohttp
from slack_sdk.errors import SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.chat.platform import ButtonIds, CardTooLarge, Kind, MessageGone, Place, PlaceForbidden, Posted, SlowDown
from bot.i18n import ENGLISH, Words
from bot.message import Card, Tone
from bot.slack_app.errors import translated
from bot.slack_app.identity import People
from bot.slack_app.installations import AGENT_SCOPE, Clients, Workspace, Workspaces, in_tenant
from bot.slack_app.render import Attached, FileLink, NotAttached, Rendered, rendered
from coordination.domain.policy import Person

_KIND = "massgen_card"
_BEFORE = timedelta(minutes=1)
_AFTER = timedelta(minutes=5)
"""How far Slack's clock may be from ours, and how long a post may take besides."""

_HISTORY_PAGE = 100
_MOST_HISTORY_PAGES = 5


def mark_of(once: str) -> dict[str, object]:
    """What a message carries that was posted as `once`.

    https://docs.slack.dev/messaging/message-metadata
    """
    return {"event_type": _KIND, "event_payload": {"card": hashlib.sha256(once.encode()).hexdigest()}}


@dataclass(frozen=True, kw_only=True)
class Search:
    """For the message of one post, made at about a time, in one place."""

    client: AsyncWebClient
    workspace: Workspace
    place: Place
    once: str
    at: datetime

    async def found(self) -> str | None:
        """Slack's id of the message, if it is among the first few pages.

        Raises:
            SlackApiError: Slack does not let the bot look; its `*:history` scopes are no part of a usual installation.
        """
        cursor = ""
        for _ in range(_MOST_HISTORY_PAGES):
            page = await self._page(cursor)
            messages: object = page.get("messages")
            for message in messages if isinstance(messages, list) else []:
                if self._is_it(message):
                    return str(message["ts"])
            metadata: object = page.get("response_metadata")
            cursor = str(metadata.get("next_cursor") or "") if isinstance(metadata, Mapping) else ""
            if not cursor:
                break
        return None

    async def _page(self, cursor: str) -> AsyncSlackResponse:
        ask: Callable[..., Awaitable[AsyncSlackResponse]] = (
            partial(self.client.conversations_replies, ts=self.place.thread)
            if self.place.thread
            else self.client.conversations_history
        )
        return await ask(
            channel=self.place.channel,
            oldest=f"{(self.at - _BEFORE).timestamp():.6f}",
            latest=f"{(self.at + _AFTER).timestamp():.6f}",
            limit=_HISTORY_PAGE,
            cursor=cursor or None,
            include_all_metadata=True,
        )

    def _is_it(self, message: Mapping[str, object]) -> bool:
        author = ("bot_id", self.workspace.bot) if self.workspace.bot else ("user", self.workspace.bot_user)
        is_ours = bool(author[1]) and message.get(author[0]) == author[1]
        metadata: object = message.get("metadata")
        return is_ours and isinstance(metadata, Mapping) and mark_of(self.once).items() <= metadata.items()


_log = logging.getLogger(__name__)

_REMEMBERED = 2_000
_PAGE = 200
_MOST_PAGES = 50
_GROUP_ID = re.compile(r"S(?=[A-Z0-9]*\d)[A-Z0-9]{8,24}")
_USER_ID = re.compile(r"[UW](?=[A-Z0-9]*\d)[A-Z0-9]{8,24}")
_UPLOAD_TRIES = 3
_LONGEST_PAUSE = 10.0


class SlackSurface:
    """Slack's side, for the keeper."""

    name: Literal["discord", "slack"] = "slack"
    posts_once = False

    def __init__(
        self, workspaces: Workspaces, clients: Clients, words: Words = ENGLISH, people: People | None = None
    ) -> None:
        """`people` are asked about those who approved. Tokens come from the installations; files that were attached are remembered, as far back as is useful."""
        self._workspaces = workspaces
        self._clients = clients
        self._words = words
        self._people = people
        self._attached: OrderedDict[str, Attached] = OrderedDict()
        self._sessions: OrderedDict[str, str] = OrderedDict()

    async def post(self, place: Place, card: Card, ids: ButtonIds, *, once: str = "") -> Posted:
        """Post a card; where it needs files, nobody can approve it before they are below it."""
        message = rendered(card, ids, words=self._words)
        posted = await self._post(place, message, once)
        if message.needs_files:
            await self._complete(posted, card, ids)
        else:
            await self._show_session(posted, card)
        return posted

    async def person_now(self, person: Person) -> Person | None:
        """Somebody of a workspace with their groups of this moment; None: their account is closed.

        Raises:
            MessageGone, PlaceForbidden, SlowDown: Slack does not tell.
        """
        workspace = await in_tenant(self._workspaces, person.tenant)
        if self._people is None or workspace is None:
            raise PlaceForbidden(self._words.say("slack.refused.token", code="not_installed"))
        return await self._people.read_anew(workspace, person.id)

    async def find(self, place: Place, *, once: str, at: datetime) -> Posted | None:
        """Look for the mark where it would be, if the bot may read there."""
        workspace = await self._workspace(place)
        client = self._clients.steady(workspace.token)
        with translated(self._words):
            found = await Search(client=client, workspace=workspace, place=place, once=once, at=at).found()
        return Posted(place=place, message=found) if found else None

    async def _complete(self, posted: Posted, card: Card, ids: ButtonIds) -> None:
        """Attach the files of a card that was just posted. If that takes long, it is as if nothing had been posted."""
        try:
            await self.edit(posted, card, ids)
        except PlaceForbidden as error:
            _log.warning("a card can't be completed: %s", error)
        except SlowDown:
            client = self._clients.steady(await self._token(posted.place))
            with translated(self._words):
                await client.chat_delete(channel=posted.place.channel, ts=posted.message)
            raise

    async def edit(self, posted: Posted, card: Card, ids: ButtonIds) -> None:
        """Make a message show this card."""
        message = rendered(card, ids, self._files_below(posted, card), self._words)
        if message.needs_files:
            message = rendered(card, ids, await self._attach(posted, card), self._words)
        client = self._clients.steady(await self._token(posted.place))
        with translated(self._words):
            await client.chat_update(
                channel=posted.place.channel,
                ts=posted.message,
                text=message.text,
                blocks=message.blocks,
                parse="none",
                link_names=False,
            )
        await self._show_session(posted, card)

    async def open_thread(self, posted: Posted, title: str) -> Place:
        """The thread under a message: in Slack every message has one, except one that is in a thread itself."""
        del title
        place = posted.place
        thread = place.thread or posted.message
        return Place(surface="slack", tenant=place.tenant, channel=place.channel, thread=thread)

    async def say(self, place: Place, card: Card) -> Posted:
        """Post a card without buttons."""
        message = rendered(card, words=self._words)
        posted = await self._post(place, message)
        if message.needs_files:
            await self._attach(posted, card)
        return posted

    def is_id(self, kind: Kind, text: str) -> bool:
        """Ids are long and have digits; a group that is called SRE is none."""
        form = _GROUP_ID if kind == "role" else _USER_ID
        return form.fullmatch(text) is not None

    async def ids_of(self, tenant: str, kind: Kind, name: str) -> Sequence[str]:
        """The groups of that handle, or the members who are called so in any way: a display name may be several people's."""
        workspace = await self._workspace(Place(surface="slack", tenant=tenant, channel=""))
        client, wanted = self._clients.steady(workspace.token), name.removeprefix("@")
        with translated(self._words):
            if kind == "role":
                groups = (await client.usergroups_list()).get("usergroups") or []
                return [str(each["id"]) for each in groups if wanted in (each.get("handle"), each["id"])]
            return await _called(client, wanted)

    async def whisper(self, person: Person, place: Place, card: Card) -> None:
        """Tell one person by direct message; where that can't be, in the channel for their eyes, or not at all.

        What Slack shows for one pair of eyes is gone when they come back: it is for people who just did something.
        """
        message = rendered(card, words=self._words)
        client = self._clients.once(await self._token(place))
        try:
            with translated(self._words):
                await self._direct(client, person, place, message)
        except (MessageGone, PlaceForbidden):
            await self._beside(client, person, place, message)

    async def _direct(self, client: AsyncWebClient, person: Person, place: Place, message: Rendered) -> None:
        opened = await client.conversations_open(users=[person.id])
        channel = str((opened.get("channel") or {}).get("id"))
        await _send(client, channel, place.thread if channel == place.channel else "", message)

    async def _beside(self, client: AsyncWebClient, person: Person, place: Place, message: Rendered) -> None:
        try:
            with translated(self._words):
                await client.chat_postEphemeral(
                    channel=place.channel,
                    user=person.id,
                    thread_ts=place.thread or None,
                    text=message.text,
                    blocks=message.blocks,
                    parse="none",
                    link_names=False,
                )
        except (MessageGone, PlaceForbidden):
            _log.info("a person can't be reached in private")

    async def _post(self, place: Place, message: Rendered, once: str = "") -> Posted:
        client = self._clients.once(await self._token(place))
        with translated(self._words):
            sent = await _send(client, place.channel, place.thread, message, once)
        return Posted(place=place, message=sent)

    async def _token(self, place: Place) -> str:
        return (await self._workspace(place)).token

    async def _workspace(self, place: Place) -> Workspace:
        workspace = await in_tenant(self._workspaces, place.tenant)
        if workspace is None:
            raise PlaceForbidden(self._words.say("slack.refused.token", code="not_installed"))
        return workspace

    async def _show_session(self, posted: Posted, card: Card) -> None:
        """Give Slack's own Stop button to a run that works, where the app is an agent; it is a bonus, so it may fail."""
        workspace = await in_tenant(self._workspaces, posted.place.tenant)
        if workspace is None or AGENT_SCOPE not in workspace.scopes:
            return
        key = f"{posted.place.tenant}\0{posted.place.channel}\0{posted.message}"
        status = "processing" if card.tone is Tone.WORKING else "active"
        if self._sessions.get(key) == status:
            return
        try:
            await self._clients.steady(workspace.token).agents_sessions_setStatus(
                channel_id=posted.place.channel, thread_ts=posted.place.thread or posted.message, status=status
            )
        except (SlackClientError, aiohttp.ClientError, TimeoutError, OSError) as error:
            _log.info("Slack shows no Stop button: %s", type(error).__name__)
        self._sessions[key] = status
        while len(self._sessions) > _REMEMBERED:
            self._sessions.popitem(last=False)

    def _files_below(self, posted: Posted, card: Card) -> Attached | NotAttached:
        return self._attached.get(_files_key(posted, card), NotAttached())

    async def _attach(self, posted: Posted, card: Card) -> Attached | NotAttached:
        """Put the plan's files into the thread. What only takes time raises SlowDown; the rest is a reason to show."""
        client = self._clients.once(await self._token(posted.place))
        pause = 0.0
        for _ in range(_UPLOAD_TRIES):
            await asyncio.sleep(pause)
            try:
                with translated(self._words):
                    links = await _upload(client, posted, card)
            except SlowDown as error:
                pause = error.seconds
                if pause > _LONGEST_PAUSE:
                    raise
                continue
            except (MessageGone, PlaceForbidden, CardTooLarge) as error:
                return NotAttached(str(error))
            self._remember(_files_key(posted, card), Attached(links))
            return Attached(links)
        raise SlowDown(pause)

    def _remember(self, key: str, files: Attached) -> None:
        self._attached[key] = files
        while len(self._attached) > _REMEMBERED:
            self._attached.popitem(last=False)


async def _called(client: AsyncWebClient, name: str) -> list[str]:
    """The open accounts whose name, display name, full name or id this is.

    Raises:
        SlowDown: there are more people than are looked through.
    """
    found: list[str] = []
    cursor = ""
    for _ in range(_MOST_PAGES):
        page = await client.users_list(limit=_PAGE, cursor=cursor or None)
        for user in page.get("members") or []:
            profile = user.get("profile") or {}
            names = (user["id"], user.get("name"), profile.get("display_name"), profile.get("real_name"))
            if name in names and not user.get("deleted"):
                found.append(str(user["id"]))
        cursor = str((page.get("response_metadata") or {}).get("next_cursor") or "")
        if not cursor:
            return found
    raise SlowDown(0)


async def _send(client: AsyncWebClient, channel: str, thread: str, message: Rendered, once: str = "") -> str:
    sent = await client.chat_postMessage(
        channel=channel,
        thread_ts=thread or None,
        text=message.text,
        blocks=message.blocks,
        parse="none",
        link_names=False,
        unfurl_links=False,
        unfurl_media=False,
        metadata=mark_of(once) if once else None,
    )
    return str(sent["ts"])


async def _upload(client: AsyncWebClient, posted: Posted, card: Card) -> tuple[FileLink, ...]:
    """All files, or none: they appear in the thread only when each is there whole."""
    done = await client.files_upload_v2(
        file_uploads=[
            {
                "filename": file.name,
                "content": file.text.encode("utf-8", "backslashreplace"),
                "title": f"{file.name}: {file.description}",
                "alt_txt": file.description,
            }
            for file in card.attachments
        ],
        channel=posted.place.channel,
        thread_ts=posted.place.thread or posted.message,
    )
    files: object = done.get("files")
    if not isinstance(files, list) or len(files) != len(card.attachments):
        raise SlackClientError
    return tuple(
        FileLink(file.name, str(stored.get("permalink") or ""))
        for file, stored in zip(card.attachments, files, strict=True)
    )


def _files_key(posted: Posted, card: Card) -> str:
    digest = hashlib.sha256(f"{posted.place.tenant}\0{posted.place.channel}\0{posted.message}".encode())
    for file in card.attachments:
        digest.update(file.text.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
