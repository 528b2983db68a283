"""A bot by the real client library, connected to the server of tests, with a chat service that only writes down."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bot.cards.plan_edits import edit_form, edited_argument, selection_form
from bot.chat.platform import ChannelRef, MessageRef
from bot.chat.private_cards import refused
from bot.chat.service_port import (
    AskForText,
    AskToConfirm,
    ChatService,
    FollowUp,
    Nothing,
    Pages,
    PressButton,
    Private,
    Reply,
    Request,
)
from bot.discord_app.client import DiscordClient, log_in, serve
from bot.discord_app.settings import aim
from bot.message import FORMS, Action, Card, Confirmation, RichText, Severity, StyledText
from bot.variables import Environment
from coordination.domain.policy import Person
from tests.sample_logs import plan_in, waiting
from tests.servers.discord_server import TOKEN, DiscordServer


def note(text: str) -> Card:
    """A card of one line."""
    return Card(severity=Severity.DONE, status="Noted", title=(), reference=(StyledText(text),))


@dataclass(frozen=True)
class Issued:
    """A button of a card that was posted."""

    action: Action
    message_ref: MessageRef


@dataclass
class RecordingChatService:
    """Writes down what it was asked to do, and says what it was told to say. Knows the ids of the messages it was given.

    What a button needs first it asks for, as its card says.
    """

    done: list[Request] = field(default_factory=list[Request])
    by: list[Person] = field(default_factory=list[Person])
    places: list[ChannelRef] = field(default_factory=list[ChannelRef])
    known: dict[str, Issued] = field(default_factory=dict[str, Issued])
    question: Confirmation | None = None
    says: Reply = field(default_factory=lambda: Private(note("as you wish")))
    error: Exception | None = None
    threads: dict[str, str] = field(default_factory=dict[str, str])
    slow: asyncio.Event | None = None
    deleted: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    shown: list[str] = field(default_factory=list[str])
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    before: Callable[[], None] = lambda: None
    prompts: tuple[str, ...] = ()

    def know(self, message_ref: MessageRef, ids: "Ids", card: Card | None = None) -> None:
        """Remember what the ids of a card stand for, and what it asks once more."""
        for action, id_ in ids.given.items():
            self.known[id_] = Issued(action, message_ref)
        for button in card.buttons if card is not None else ():
            self.question = button.confirmation or self.question

    async def handle(self, request: Request, actor: Person, place: ChannelRef) -> Reply:
        if isinstance(request, FollowUp) and place.thread not in self.threads:
            return Nothing()
        if isinstance(request, PressButton) and (needed := await self._needed(request, place)):
            return needed
        self.before()
        if self.error is not None:
            raise self.error
        self.by.append(actor)
        self.places.append(place)
        self.done.append(request)
        return self.says

    async def _needed(self, request: PressButton, place: ChannelRef) -> Reply | None:
        if self.slow is not None:
            await self.slow.wait()
        found = self.known.get(request.button)
        if found is None or (found.message_ref.message, found.message_ref.place) != (request.message, place):
            return None
        if form := FORMS.get(found.action):
            plan = plan_in(waiting())
            argument = edited_argument(plan, request.choice)
            filled = {"select": selection_form(plan), "edit": edit_form(argument) if argument else form}
            return AskForText(filled.get(form.asks, form))
        if found.action is Action.DETAILS:
            line: RichText = (StyledText("page two"),)
            return Pages(
                "7Q4K", (note("page one"), Card(severity=Severity.DECIDE, status="Two", title=(), reference=line))
            )
        is_asked = found.action is Action.APPROVE and self.question is not None and not request.is_confirmed
        return AskToConfirm(self.question) if is_asked and self.question is not None else None

    async def tenant_of_button(self, button: str, platform: str) -> str:
        raise refused("no_button")

    async def question_shown(self, question: str, place: ChannelRef) -> None:
        self.shown.append(question)
        self.heard.set()

    async def messages_deleted(self, place: ChannelRef, messages: Sequence[str]) -> None:
        self.deleted += [(place.tenant, place.channel, each) for each in messages]
        self.heard.set()

    async def suggested_prompts(self, place: ChannelRef) -> Sequence[str]:
        return self.prompts

    async def config_names(self, place: ChannelRef, beginning: str, *, by: Person | None = None) -> Sequence[str]:
        return [name for name in ("ops", "ops-default", "demo") if name.startswith(beginning)]


class Ids:
    """Ids of the real length, one per verb."""

    def __init__(self, start: int = 0) -> None:
        self.given: dict[Action, str] = {}
        self._start = start

    def id_for(self, action: Action, value: str = "") -> str:
        del value
        return self.given.setdefault(action, f"{self._start + len(self.given):022d}")


@asynccontextmanager
async def a_bot(server: DiscordServer, chat_service: ChatService) -> AsyncGenerator[DiscordClient]:
    """A bot that is ready."""
    aim(Environment({"DISCORD_API_URL": server.api}))
    client = DiscordClient()
    ending, ready = asyncio.Event(), asyncio.Event()

    # `on_ready` comes two seconds later, when no more servers have appeared.
    async def on_connect() -> None:
        ready.set()

    client.event(on_connect)
    async with client, asyncio.TaskGroup() as group:
        await log_in(client, TOKEN)
        connected = group.create_task(serve(client, chat_service, ending))
        try:
            async with asyncio.timeout(60):
                await ready.wait()
            yield client
        finally:
            ending.set()
            await connected


def here(server: DiscordServer, channel: str = "", thread: str = "") -> ChannelRef:
    """The first channel of the first server."""
    return ChannelRef(
        platform="discord",
        tenant=f"discord:{server.guild.id}",
        channel=channel or server.channel,
        thread=thread,
    )
