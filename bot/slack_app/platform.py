"""Cards in Slack: posted once, changed in place, with a plan's files in the thread below where blocks can't hold it.

Slack has no key that would make posting safe to repeat. So a post that got no answer is never sent again from here. Its
message carries a mark by which it can be found, where the bot may read; elsewhere the caller may post again, and the
older message is one whose buttons nobody knows.

Anybody may see a mark, and any app may post one; so it counts on the bot's own messages only.
"""

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.cards.error_messages import plain_text
from bot.chat.platform import (
    ButtonIds,
    CardTooLarge,
    ChannelRef,
    ChannelUnseen,
    Kind,
    MessageNotFound,
    MessageRef,
    MissingPermission,
    RateLimited,
    SharedChannel,
    SyncIntervals,
)
from bot.i18n import catalog
from bot.message import Card, Mention, RichText, Severity
from bot.slack_app.errors import FAULTS, MissingScope, NotInChannel, code_of, translated
from bot.slack_app.identity import NOBODY_THERE, People, is_bot_account, members_in
from bot.slack_app.installations import AGENT_SCOPE, Clients, Workspace, Workspaces, in_tenant
from bot.slack_app.markup import GROUP_ID, USER_ID, escaped, prose, unlinked, within
from bot.slack_app.render import Attached, FileLink, NotAttached, Rendered, rendered
from coordination.domain.policy import Person

# Slack wants at most one `chat.update` in three seconds for a message, and some fifty a minute in a whole workspace,
# which stories leave to cards; it doesn't mind how old messages are.
INTERVALS = SyncIntervals(edit=3.0, timeline=10.0, between_checks=3.0)

_Sent = TypeVar("_Sent")

_KIND = "massgen_card"
_BEFORE = timedelta(minutes=1)
_AFTER = timedelta(minutes=5)
"""How far Slack's clock may be from ours, and how long a post may take besides."""

_HISTORY_PAGE = 100
_MOST_HISTORY_PAGES = 5


def mark_of(idempotency_key: str) -> dict[str, object]:
    """What a message carries that was posted with an idempotency key.

    https://docs.slack.dev/messaging/message-metadata
    """
    return {"event_type": _KIND, "event_payload": {"card": hashlib.sha256(idempotency_key.encode()).hexdigest()}}


@dataclass(frozen=True, kw_only=True)
class Search:
    """For the message of one post, made at about a time, in one place."""

    client: AsyncWebClient
    workspace: Workspace
    place: ChannelRef
    idempotency_key: str
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
        return is_ours and isinstance(metadata, Mapping) and mark_of(self.idempotency_key).items() <= metadata.items()


_log = logging.getLogger(__name__)

_CHANNEL = "C"
"""How the ids of channels begin; those of direct messages, and of old private channels, begin otherwise."""
_REMEMBERED = 2_000
_PAGE = 200
_MOST_PAGES = 50
_SESSION_TITLE = 75
_UPLOAD_TRIES = 3
_LONGEST_PAUSE = 10.0


class SlackPlatform:
    """Slack's side, for card sync."""

    name: str = "slack"
    intervals = INTERVALS
    has_idempotent_posts = False

    def __init__(self, workspaces: Workspaces, clients: Clients, people: People | None = None) -> None:
        """`people` are asked about those who approved.

        Tokens come from the installations; files that were attached are remembered, as far back as is useful.
        """
        self._workspaces = workspaces
        self._clients = clients
        self._people = people
        self._attached: OrderedDict[str, Attached] = OrderedDict()
        self._sessions: OrderedDict[str, str] = OrderedDict()
        self._links: OrderedDict[str, str] = OrderedDict()

    async def post(self, place: ChannelRef, card: Card, ids: ButtonIds, *, idempotency_key: str = "") -> MessageRef:
        """Post a card; where it needs files, nobody can approve it before they are below it."""
        message = rendered(card, ids)
        message_ref = await self._post(place, message, idempotency_key)
        if message.needs_files:
            await self._complete(message_ref, card, ids)
        else:
            await self._show_session(message_ref, card)
        return message_ref

    async def link_to(self, message_ref: MessageRef) -> str:
        """What Slack says it is. Direct messages are their person's alone."""
        place = message_ref.place
        if place.channel.startswith("D"):
            return ""
        key = f"{place.tenant}\0{place.channel}\0{message_ref.message}"
        if key not in self._links:
            try:
                client = self._clients.with_retries(await self._token(place))
                with translated():
                    found = await client.chat_getPermalink(channel=place.channel, message_ts=message_ref.message)
            except (MessageNotFound, MissingPermission, RateLimited, CardTooLarge) as error:
                _log.info("Slack tells no address of a message: %s", error)
                return ""
            self._links[key] = str(found.get("permalink") or "")
            while len(self._links) > _REMEMBERED:
                self._links.popitem(last=False)
        return self._links[key]

    async def direct_channel(self, person: Person) -> ChannelRef:
        """What Slack has opened before is the same again."""
        place = ChannelRef(platform="slack", tenant=person.tenant, channel="")
        client = self._clients.with_retries(await self._token(place))
        with translated():
            opened = await client.conversations_open(users=[person.id])
        return replace(place, channel=str((opened.get("channel") or {}).get("id")))

    async def check_channel(self, tenant: str, channel: str) -> None:
        """Whether the bot is in a channel of this workspace alone, which `channels:read` and `groups:read` tell."""
        try:
            info = await self._told_of(tenant, channel)
        except MissingScope as error:
            raise ChannelUnseen(str(error)) from None
        if info.get("is_archived"):
            raise MissingPermission(catalog.text("slack.refused.archived"))
        if not info.get("is_member"):
            raise NotInChannel(catalog.text("slack.refused.channel"))
        if any(info.get(sign) for sign in ("is_shared", "is_org_shared", "is_ext_shared", "is_pending_ext_shared")):
            raise SharedChannel(catalog.text("approvals_channel.shared"))

    async def is_public(self, tenant: str, channel: str) -> bool:
        """Whether a channel is of those that every member may open; direct messages are of no such."""
        if not channel.startswith(_CHANNEL):
            return False
        try:
            info = await self._told_of(tenant, channel)
        except MessageNotFound:
            return False
        return info.get("is_channel") is True and info.get("is_private") is False

    async def _told_of(self, tenant: str, channel: str) -> Mapping[str, object]:
        client = self._clients.with_retries(await self._token(ChannelRef(platform="slack", tenant=tenant, channel="")))
        with translated():
            found: object = (await client.conversations_info(channel=channel)).get("channel")
        return found if isinstance(found, Mapping) else {}

    async def members_of(self, tenant: str, role: str, most: int) -> Sequence[str]:
        """The members of a group, if they are few."""
        workspace = await self._workspace(ChannelRef(platform="slack", tenant=tenant, channel=""))
        with translated():
            answer = await self._clients.with_retries(workspace.token).usergroups_list(include_users=True)
        members = [user for user, groups in members_in(answer.get("usergroups") or []).items() if role in groups]
        return members if len(members) <= most else ()

    async def person_now(self, person: Person) -> Person | None:
        """Somebody of a workspace with their groups of this moment; None: their account is closed.

        Raises:
            MessageNotFound, MissingPermission, RateLimited: Slack does not tell.
        """
        workspace = await in_tenant(self._workspaces, person.tenant)
        if self._people is None or workspace is None:
            raise MissingPermission(catalog.text("slack.refused.token", code="not_installed"))
        return await self._people.read_anew(workspace, person.id)

    async def find(self, place: ChannelRef, *, idempotency_key: str, at: datetime) -> MessageRef | None:
        """Look for the mark where it would be, if the bot may read there."""
        workspace = await self._workspace(place)
        client = self._clients.with_retries(workspace.token)
        with translated():
            found = await Search(
                client=client, workspace=workspace, place=place, idempotency_key=idempotency_key, at=at
            ).found()
        return MessageRef(place=place, message=found) if found else None

    async def _complete(self, message_ref: MessageRef, card: Card, ids: ButtonIds) -> None:
        """Attach the files of a card that was just posted. If that takes long, it is as if nothing had been posted."""
        try:
            await self.edit(message_ref, card, ids)
        except MissingPermission as error:
            _log.warning("a card can't be completed: %s", error)
        except RateLimited:
            client = self._clients.with_retries(await self._token(message_ref.place))
            with translated():
                await client.chat_delete(channel=message_ref.place.channel, ts=message_ref.message)
            raise

    async def edit(self, message_ref: MessageRef, card: Card, ids: ButtonIds) -> None:
        """Make a message show this card."""
        message = rendered(card, ids, self._files_below(message_ref, card))
        if message.needs_files:
            message = rendered(card, ids, await self._attach(message_ref, card))
        await self._update(message_ref, message)
        await self._show_session(message_ref, card)

    async def _update(self, message_ref: MessageRef, message: Rendered) -> None:
        client = self._clients.with_retries(await self._token(message_ref.place))

        async def update(message: Rendered) -> None:
            with translated():
                await client.chat_update(
                    channel=message_ref.place.channel,
                    ts=message_ref.message,
                    text=message.text,
                    blocks=message.blocks,
                    parse="none",
                    link_names=False,
                )

        await _with_links_or_without(update, message)

    async def verify(self, message_ref: MessageRef, card: Card, ids: ButtonIds) -> None:
        """Show the same again: what was deleted can't be changed, and the bot may not be allowed to read."""
        await self.edit(message_ref, card, ids)

    async def open_thread(self, message_ref: MessageRef, title: str) -> ChannelRef:
        """The thread under a message: in Slack every message has one, except one that is in a thread itself."""
        del title
        place = message_ref.place
        thread = place.thread or message_ref.message
        return ChannelRef(platform="slack", tenant=place.tenant, channel=place.channel, thread=thread)

    async def edit_text(self, message_ref: MessageRef, card: Card) -> None:
        """A message that is no card of a run: it gives no thread a Stop button, and no files."""
        await self._update(message_ref, rendered(card))

    async def post_text(self, place: ChannelRef, card: Card, *, idempotency_key: str = "") -> MessageRef:
        """Post a card without buttons."""
        message = rendered(card)
        message_ref = await self._post(place, message, idempotency_key)
        if message.needs_files:
            await self._attach(message_ref, card)
        return message_ref

    def is_id(self, kind: Kind, text: str) -> bool:
        """Ids are long and have digits; a group that is called SRE is none."""
        form = GROUP_ID if kind == "role" else USER_ID
        return form.fullmatch(text) is not None

    async def ids_of(self, tenant: str, kind: Kind, name: str) -> Sequence[str]:
        """The groups of that handle, or the members with that name: several may have one display name."""
        workspace = await self._workspace(ChannelRef(platform="slack", tenant=tenant, channel=""))
        client, wanted = self._clients.with_retries(workspace.token), name.removeprefix("@")
        with translated():
            if kind == "role":
                groups = (await client.usergroups_list(team_id=workspace.team or None)).get("usergroups") or []
                return [str(each["id"]) for each in groups if wanted in (each.get("handle"), each["id"])]
            return await _called(client, wanted, workspace.team)

    async def name_of(self, tenant: str, kind: Kind, number: str) -> str | None:
        """The handle of a group, or what an open account is called; None: there is no such one here."""
        workspace = await self._workspace(ChannelRef(platform="slack", tenant=tenant, channel=""))
        client = self._clients.with_retries(workspace.token)
        with translated():
            if kind == "role":
                groups = (await client.usergroups_list(team_id=workspace.team or None)).get("usergroups") or []
                return next((str(each.get("handle") or number) for each in groups if each["id"] == number), None)
            try:
                user = (await client.users_info(user=number)).get("user") or {}
            except SlackApiError as error:
                if code_of(error) in NOBODY_THERE:
                    return None
                raise
        names = user.get("profile") or {}
        name = names.get("display_name") or names.get("real_name") or user.get("name") or number
        return None if user.get("deleted") else str(name)

    async def owners_of(self, tenant: str) -> Sequence[str]:
        """Slack says of every account whether it owns or administers the workspace, with `users:read`.

        https://docs.slack.dev/reference/methods/users.list
        """
        workspace = await self._workspace(ChannelRef(platform="slack", tenant=tenant, channel=""))
        with translated():
            return await _owners(self._clients.with_retries(workspace.token), workspace.team)

    async def why_roles_hidden(self, tenant: str, roles: Sequence[str]) -> str:
        """That a scope is missing, that the workspace's plan has no groups, or that one of these is none any more."""
        try:
            workspace = await self._workspace(ChannelRef(platform="slack", tenant=tenant, channel=""))
            with translated():
                answer = await self._clients.with_retries(workspace.token).usergroups_list(
                    team_id=workspace.team or None
                )
        except MissingPermission as error:
            return str(error)
        except (MessageNotFound, RateLimited) as error:
            _log.info("whether Slack shows groups can't be seen now: %s", error)
            return ""
        listed = {str(each.get("id")) for each in answer.get("usergroups") or []}
        gone = [each for each in roles if GROUP_ID.fullmatch(each) and each not in listed]
        return catalog.text("slack.refused.group_gone", groups=", ".join(gone)) if gone else ""

    async def is_bot(self, tenant: str, number: str) -> bool:
        """Whether an account is an app's, a workflow's or Slack's own."""
        workspace = await self._workspace(ChannelRef(platform="slack", tenant=tenant, channel=""))
        with translated():
            user = (await self._clients.with_retries(workspace.token).users_info(user=number)).get("user")
        return is_bot_account(user)

    async def others_in(self, tenant: str, roles: Sequence[str], besides: Sequence[str]) -> int | None:
        """The members of these groups: of one that is gone, or disabled, there are none, and Slack does not list it."""
        workspace = await self._workspace(ChannelRef(platform="slack", tenant=tenant, channel=""))
        with translated():
            answer = await self._clients.with_retries(workspace.token).usergroups_list(
                include_users=True, team_id=workspace.team or None
            )
        of = members_in(answer.get("usergroups") or [])
        return sum(not set(roles).isdisjoint(groups) for user, groups in of.items() if user not in besides)

    async def notify_roles(self, place: ChannelRef, line: RichText, *, idempotency_key: str) -> None:
        """A new message notifies whom its blocks link to; its text links to nobody."""
        block = prose((line,))
        roles = [each for each in line if isinstance(each, Mention) and each.sort == "role"]
        if block is not None and any(GROUP_ID.fullmatch(each.id) for each in roles):
            words = "".join(getattr(each, "text", "") or getattr(each, "name", "") for each in line)
            await self._post(place, Rendered(text=escaped(words.strip()), blocks=[block]), idempotency_key)

    async def notify_user(self, person: Person, place: ChannelRef, card: Card) -> bool:
        """Tell one person by direct message; where that can't be, in the channel for their eyes, or not at all.

        What Slack shows for one pair of eyes is gone when they come back: it is for people who just did something.
        """
        message = rendered(card)
        client = self._clients.without_retries(await self._token(place))
        try:
            with translated():
                await self._direct(client, person, place, message)
        except (MessageNotFound, MissingPermission):
            return await self._beside(client, person, place, message)
        return True

    async def _direct(self, client: AsyncWebClient, person: Person, place: ChannelRef, message: Rendered) -> None:
        opened = await client.conversations_open(users=[person.id])
        channel = str((opened.get("channel") or {}).get("id"))
        await _send(client, channel, place.thread if channel == place.channel else "", message)

    async def _beside(self, client: AsyncWebClient, person: Person, place: ChannelRef, message: Rendered) -> bool:
        try:
            with translated():
                await client.chat_postEphemeral(
                    channel=place.channel,
                    user=person.id,
                    thread_ts=place.thread or None,
                    text=message.text,
                    blocks=message.blocks,
                    parse="none",
                    link_names=False,
                )
        except (MessageNotFound, MissingPermission):
            _log.info("a person can't be reached in private")
            return False
        return True

    async def _post(self, place: ChannelRef, message: Rendered, idempotency_key: str = "") -> MessageRef:
        client = self._clients.without_retries(await self._token(place))

        async def post(message: Rendered) -> str:
            with translated():
                return await _send(client, place.channel, place.thread, message, idempotency_key)

        return MessageRef(place=place, message=await _with_links_or_without(post, message))

    async def _token(self, place: ChannelRef) -> str:
        return (await self._workspace(place)).token

    async def _workspace(self, place: ChannelRef) -> Workspace:
        workspace = await in_tenant(self._workspaces, place.tenant)
        if workspace is None:
            raise MissingPermission(catalog.text("slack.refused.token", code="not_installed"))
        return workspace

    async def _show_session(self, message_ref: MessageRef, card: Card) -> None:
        """Give a working run Slack's own Stop button, where the app is an agent; it may fail, as it is a bonus."""
        workspace = await in_tenant(self._workspaces, message_ref.place.tenant)
        if workspace is None or AGENT_SCOPE not in workspace.scopes:
            return
        key = f"{message_ref.place.tenant}\0{message_ref.place.channel}\0{message_ref.message}"
        status = "processing" if card.severity is Severity.WORKING else "active"
        if self._sessions.get(key) == status:
            return
        try:
            await self._clients.with_retries(workspace.token).agents_sessions_setStatus(
                channel_id=message_ref.place.channel,
                thread_ts=message_ref.place.thread or message_ref.message,
                status=status,
                title=within(plain_text(card.title), _SESSION_TITLE) or None,
            )
        except FAULTS as error:
            _log.info("Slack shows no Stop button: %s", type(error).__name__)
        self._sessions[key] = status
        while len(self._sessions) > _REMEMBERED:
            self._sessions.popitem(last=False)

    def _files_below(self, message_ref: MessageRef, card: Card) -> Attached | NotAttached:
        return self._attached.get(_files_key(message_ref, card), NotAttached())

    async def _attach(self, message_ref: MessageRef, card: Card) -> Attached | NotAttached:
        """Put the plan's files into the thread.

        What only takes time raises RateLimited; the rest is a reason to show.
        """
        client = self._clients.without_retries(await self._token(message_ref.place))
        pause = 0.0
        for _ in range(_UPLOAD_TRIES):
            await asyncio.sleep(pause)
            try:
                with translated():
                    links = await _upload(client, message_ref, card)
            except RateLimited as error:
                pause = error.seconds
                if pause > _LONGEST_PAUSE:
                    raise
                continue
            except (MessageNotFound, MissingPermission, CardTooLarge) as error:
                return NotAttached(str(error))
            self._remember(_files_key(message_ref, card), Attached(links))
            return Attached(links)
        raise RateLimited(pause)

    def _remember(self, key: str, files: Attached) -> None:
        self._attached[key] = files
        while len(self._attached) > _REMEMBERED:
            self._attached.popitem(last=False)


async def _called(client: AsyncWebClient, name: str, team: str) -> list[str]:
    """The open accounts whose name, display name, full name or id this is.

    Raises:
        RateLimited: there are more people than are looked through.
    """
    found: list[str] = []
    async for user in _everybody(client, team):
        profile = user.get("profile") or {}
        names = (user["id"], user.get("name"), profile.get("display_name"), profile.get("real_name"))
        if name in names and not user.get("deleted"):
            found.append(str(user["id"]))
    return found


async def _everybody(client: AsyncWebClient, team: str) -> AsyncIterator[Mapping[str, Any]]:
    """Every account of a workspace, as `users.list` describes it, in no order.

    Raises:
        RateLimited: there are more people than are looked through.
    """
    cursor = ""
    for _ in range(_MOST_PAGES):
        page = await client.users_list(limit=_PAGE, cursor=cursor or None, team_id=team or None)
        for user in page.get("members") or []:
            yield user
        cursor = str((page.get("response_metadata") or {}).get("next_cursor") or "")
        if not cursor:
            return
    raise RateLimited(0)


async def _owners(client: AsyncWebClient, team: str) -> list[str]:
    """The primary owner of a workspace, then those other owners and administrators who were listed before."""
    found: dict[str, list[str]] = {"is_primary_owner": [], "is_owner": [], "is_admin": []}
    try:
        async for user in _everybody(client, team):
            right = next((each for each in found if user.get(each) is True and not user.get("deleted")), None)
            if right is not None:
                found[right].append(str(user["id"]))
            if right == "is_primary_owner":
                break
    except RateLimited:
        if not any(found.values()):
            raise
    return [each for accounts in found.values() for each in accounts]


async def _with_links_or_without(send: Callable[[Rendered], Awaitable[_Sent]], message: Rendered) -> _Sent:
    """Send a message, and once more without links to people: one account that is gone may spoil the whole of it."""
    try:
        return await send(message)
    except CardTooLarge:
        plain = replace(message, blocks=[unlinked(block) for block in message.blocks])
        if plain == message:
            raise
        return await send(plain)


async def _send(client: AsyncWebClient, channel: str, thread: str, message: Rendered, idempotency_key: str = "") -> str:
    sent = await client.chat_postMessage(
        channel=channel,
        thread_ts=thread or None,
        text=message.text,
        blocks=message.blocks,
        parse="none",
        link_names=False,
        unfurl_links=False,
        unfurl_media=False,
        metadata=mark_of(idempotency_key) if idempotency_key else None,
    )
    return str(sent["ts"])


async def _upload(client: AsyncWebClient, message_ref: MessageRef, card: Card) -> tuple[FileLink, ...]:
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
        channel=message_ref.place.channel,
        thread_ts=message_ref.place.thread or message_ref.message,
    )
    files: object = done.get("files")
    if not isinstance(files, list) or len(files) != len(card.attachments):
        raise SlackClientError
    return tuple(
        FileLink(file.name, str(stored.get("permalink") or ""))
        for file, stored in zip(card.attachments, files, strict=True)
    )


def _files_key(message_ref: MessageRef, card: Card) -> str:
    digest = hashlib.sha256(f"{message_ref.place.tenant}\0{message_ref.place.channel}\0{message_ref.message}".encode())
    for file in card.attachments:
        digest.update(file.text.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
