"""Every event, and who handles it. Slack gets its acknowledgement first; what is in flight is waited for at the end."""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext

from bot.cards.text import one_line
from bot.chat.platform import CardTooLarge, MessageNotFound, MissingPermission, RateLimited
from bot.chat.service_port import ChatService, Private, ShowHome
from bot.i18n import speaking
from bot.message import Action, Card
from bot.slack_app.commands import ADMIN_COMMAND, COMMAND, CommandHandlers, Said, default_prompts
from bot.slack_app.components import OPEN, USE
from bot.slack_app.errors import translated
from bot.slack_app.identity import People
from bot.slack_app.installations import AGENT_SCOPE, Clients, InstalledWorkspaces, Workspace, authorized_in
from bot.slack_app.interactions import PAGE, PICK, PICKED, SUBMITTED, ApproverPicker, Clicks, home_view, picked_in
from bot.slack_app.message_content import files_of_message, text_of_message
from bot.slack_app.payloads import (
    EventSource,
    click_in,
    command_source,
    event_source,
    inner,
    inputs_in,
    interaction_source,
    text_in,
    unpacked,
    without_mention,
)
from bot.slack_app.replies import Replies, Tell
from coordination.errors import StorageError

_log = logging.getLogger(__name__)

_TITLE = 75

_WRITTEN = frozenset({"", "file_share", "thread_broadcast", "me_message"})
"""The kinds of messages that somebody has just written: alone, with files, to a thread and its channel, by `/me`.

https://docs.slack.dev/reference/events/message
"""


class InFlight:
    """Counts what has begun and not ended."""

    def __init__(self) -> None:
        """Nothing has begun."""
        self._count = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    @contextmanager
    def one(self) -> Generator[None]:
        """Something that begins here and ends here."""
        self._count += 1
        self._is_idle.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._is_idle.set()

    async def ended(self, seconds: float) -> bool:
        """Whether everything ended within so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._is_idle.wait()
        except TimeoutError:
            return False
        return True


@dataclass(frozen=True)
class Revocations:
    """Forgets installations when Slack tells that they ended. Bolt's own listeners take none of whole organisations."""

    installed: InstalledWorkspaces

    def register(self, app: AsyncApp) -> None:
        """Tell the app about both events."""
        app.event("app_uninstalled")(self.on_uninstalled)
        app.event("tokens_revoked")(self.on_revoked)

    async def on_uninstalled(self, context: AsyncBoltContext) -> None:
        """The app is gone from a workspace, or from a whole organisation."""
        await self.installed.forget(*_installed_in(context))

    async def on_revoked(self, body: "Body", context: AsyncBoltContext) -> None:
        """Tokens are good no more. Those of users were never kept."""
        bots = inner(body, "event", "tokens", "bot")
        if isinstance(bots, list) and bots:
            await self.installed.forget(*_installed_in(context), bots=[str(each) for each in bots])


def _installed_in(context: AsyncBoltContext) -> tuple[str, str]:
    """The organisation and the workspace that an event is about.

    Of an organisation's installation there is no workspace.
    """
    team = context.team_id or ""
    is_whole = context.is_enterprise_install is True or team == context.enterprise_id
    return context.enterprise_id or "", "" if is_whole else team


SHORTCUT = "plan_from_message"

Body = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Listeners:
    """Turns events of Slack into requests to the chat service."""

    chat_service: ChatService
    clients: Clients
    people: People
    replies: Replies
    in_flight: InFlight

    def register(self, app: AsyncApp) -> None:
        """Tell the app about every event that we know."""
        app.command(COMMAND)(self.on_command)
        app.command(ADMIN_COMMAND)(self.on_admin_command)
        app.shortcut(SHORTCUT)(self.on_shortcut)
        app.event("app_mention")(self.on_mention)
        app.event("message")(self.on_message)
        app.event("app_home_opened")(self.on_home)
        app.event("agent_session_stopped")(self.on_stopped)
        app.action(re.compile(rf"^(?:{'|'.join(action.value for action in Action)})\Z"))(self.on_click)
        app.action(re.compile(f"^{PAGE}_"))(self.on_page)
        app.action(re.compile(f"^{OPEN}_"))(self.on_open)
        app.action(PICK)(self.on_pick)
        app.action(USE)(self.on_use)
        app.action(re.compile(".*"))(self.on_unknown_click)
        app.view(SUBMITTED)(self.on_submitted)
        app.view(PICKED)(self.on_picked)

    @property
    def _commands(self) -> CommandHandlers:
        return CommandHandlers(chat_service=self.chat_service, people=self.people, replies=self.replies)

    @property
    def _clicks(self) -> Clicks:
        return Clicks(chat_service=self.chat_service, people=self.people, replies=self.replies, clients=self.clients)

    @property
    def _picker(self) -> ApproverPicker:
        return ApproverPicker(
            chat_service=self.chat_service, people=self.people, replies=self.replies, clients=self.clients
        )

    async def on_command(self, ack: AsyncAck, body: Body, context: AsyncBoltContext) -> None:
        """`/massgen …`."""
        await ack()
        if (workspace := authorized_in(context)) is not None:
            text = text_in(body, "text")
            source = command_source(body, workspace)
            async with self._reported(source):
                await self._commands.slash(source, text)

    async def on_admin_command(self, ack: AsyncAck, body: Body, context: AsyncBoltContext) -> None:
        """`/massgen-admin …`."""
        await ack()
        if (workspace := authorized_in(context)) is not None:
            text = text_in(body, "text")
            source = command_source(body, workspace)
            async with self._reported(source):
                await self._commands.admin(source, text)

    async def on_shortcut(self, ack: AsyncAck, body: Body, context: AsyncBoltContext) -> None:
        """Plan from this message."""
        await ack()
        if (workspace := authorized_in(context)) is not None:
            source = interaction_source(body, workspace)
            async with self._reported(source):
                message = body.get("message")
                await self._commands.shortcut(source, self._said(message, text_of_message(message), workspace))

    async def on_mention(self, body: Body, context: AsyncBoltContext) -> None:
        """The bot's name in a channel or a thread. What a bot wrote is no order."""
        workspace = authorized_in(context)
        if workspace is not None and not text_in(body, "event", "bot_id") and text_in(body, "event", "user"):
            source = event_source(body, workspace)
            async with self._reported(source):
                event = body.get("event")
                words = without_mention(text_in(event, "text"), workspace.bot_user)
                await self._commands.message(source, self._said(event, text_of_message(event, words), workspace))

    def _said(self, message: object, text: str, workspace: Workspace) -> Said:
        return Said(text=text, files=files_of_message(message, workspace.token, self.clients.address))

    async def on_message(self, body: Body, context: AsyncBoltContext) -> None:
        """A direct message: the app's own tab.

        Of changes only a deletion says something new: it may be one of a card.
        """
        workspace = authorized_in(context)
        if workspace is not None and text_in(body, "event", "subtype") == "message_deleted":
            with self.in_flight.one():
                deleted = text_in(body, "event", "deleted_ts")
                await self.chat_service.messages_deleted(event_source(body, workspace).place, [deleted])
            return
        is_direct = text_in(body, "event", "channel_type") == "im" and text_in(body, "event", "subtype") in _WRITTEN
        if is_direct:
            await self.on_mention(body, context)

    async def on_home(self, body: Body, context: AsyncBoltContext) -> None:
        """The App Home is made new each time that somebody opens it."""
        workspace = authorized_in(context)
        if workspace is not None and text_in(body, "event", "tab") == "home":
            source = event_source(body, workspace)
            async with self._reported(source, self._publish):
                by = await self.people.person(source.workspace, source.user)
                reply = await self.chat_service.handle(ShowHome(), by, source.place)
                if isinstance(reply, Private):
                    await self._publish(source, reply.card, reply.runs)

        if workspace is not None and text_in(body, "event", "tab") == "messages" and AGENT_SCOPE in workspace.scopes:
            source = event_source(body, workspace)
            with speaking(await self.people.catalog(workspace, source.user)):
                await self._suggest(source)

    async def _suggest(self, source: EventSource) -> None:
        """Have Slack suggest what administrators set, or what the manifest says; it is a bonus, so it may fail."""
        try:
            written = await self.chat_service.suggested_prompts(source.place)
            prompts = [{"title": one_line(each, _TITLE), "message": each} for each in written]
            with translated():
                await self.clients.with_retries(source.workspace.token).assistant_threads_setSuggestedPrompts(
                    channel_id=source.place.channel, prompts=prompts or default_prompts()
                )
        except (StorageError, MessageNotFound, MissingPermission, RateLimited, CardTooLarge) as error:
            _log.info("Slack takes no prompts: %s", error)

    async def on_stopped(self, body: Body, context: AsyncBoltContext) -> None:
        """Slack's own Stop button."""
        if (workspace := authorized_in(context)) is not None:
            source = event_source(body, workspace)
            async with self._reported(source):
                await self._commands.stopped(source)

    async def on_click(self, ack: AsyncAck, body: Body, context: AsyncBoltContext) -> None:
        """A button or menu of a card."""
        await ack()
        if (workspace := authorized_in(context)) is not None:
            click = click_in(body, workspace)
            async with self._reported(click.source, self._clicks.tell_in_window if click.source.view else None):
                await self._clicks.press(click)

    async def on_page(self, ack: AsyncAck, body: Body, context: AsyncBoltContext) -> None:
        """Next or previous page of the details."""
        await ack()
        if (workspace := authorized_in(context)) is not None:
            opened = unpacked(text_in(body, "view", "private_metadata"))
            source = opened.at(interaction_source(body, workspace))
            async with self._reported(source):
                await self._clicks.turn(source, opened, text_in(body, "view", "id"), _page(body))

    async def on_open(self, ack: AsyncAck, body: Body, context: AsyncBoltContext) -> None:
        """The button of a run in a list, or on the Home."""
        await ack()
        if (workspace := authorized_in(context)) is not None:
            source = interaction_source(body, workspace)
            async with self._reported(source, self._clicks.tell_in_window):
                await self._clicks.open_run(source, _first_action(body, "value"))

    async def on_pick(self, ack: AsyncAck, body: Body, context: AsyncBoltContext) -> None:
        """The button below who approves."""
        await ack()
        if (workspace := authorized_in(context)) is not None:
            source = interaction_source(body, workspace)
            async with self._reported(source):
                await self._picker.open(source)

    async def on_use(self, ack: AsyncAck, body: Body, context: AsyncBoltContext) -> None:
        """The menu below the configurations."""
        await ack()
        if (workspace := authorized_in(context)) is not None:
            source = interaction_source(body, workspace)
            async with self._reported(source):
                await self._commands.use_config(source, _first_action(body, "selected_option", "value"))

    async def on_picked(self, ack: AsyncAck, body: Body, context: AsyncBoltContext) -> None:
        """Who approves from now on."""
        await ack()
        if (workspace := authorized_in(context)) is not None:
            source = unpacked(text_in(body, "view", "private_metadata")).at(interaction_source(body, workspace))
            async with self._reported(source):
                await self._picker.take(source, picked_in(body))

    async def on_unknown_click(self, ack: AsyncAck) -> None:
        """Something that no card of today has."""
        await ack()

    async def on_submitted(self, ack: AsyncAck, body: Body, context: AsyncBoltContext) -> None:
        """The reason of a no, or the wanted changes."""
        await ack()
        if (workspace := authorized_in(context)) is not None:
            opened = unpacked(text_in(body, "view", "private_metadata"))
            source = opened.at(interaction_source(body, workspace))
            async with self._reported(source, self._clicks.tell_in_window if source.view else None):
                fields = inputs_in(body)
                await self._clicks.submit(source, opened, fields.get("text", ""), fields)

    async def _publish(self, source: EventSource, card: Card, runs: Sequence[str] = ()) -> None:
        with translated():
            client = self.clients.with_retries(source.workspace.token)
            await client.views_publish(user_id=source.user, view=home_view(card, runs))

    @asynccontextmanager
    async def _reported(self, source: EventSource, tell: Tell | None = None) -> AsyncGenerator[None]:
        """Something that a person did, which is waited for at the end, with errors told in their language."""
        with self.in_flight.one(), speaking(await self.people.catalog(source.workspace, source.user)):
            async with self.replies.report_errors(source, tell):
                yield


def _first_action(body: Body, *path: str) -> str:
    """A text of the first action of a click."""
    actions = body.get("actions")
    return text_in(actions[0], *path) if isinstance(actions, list) and actions else ""


def _page(body: Body) -> int:
    value = _first_action(body, "value")
    return int(value) if value.isdecimal() and len(value) < 6 else 0
