"""A bot by the real client library, connected to the server of tests, with a chat service that only writes down."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bot.chat.platform import ButtonAction, ChannelRef, ChatReply, ChatService, MessageRef
from bot.discord_app.client import DiscordClient, log_in, serve
from bot.discord_app.settings import aim
from bot.message import Action, CallItem, CallList, Card, RichText, Severity, StyledText
from coordination.domain.policy import Person
from tests.servers.discord_server import TOKEN, DiscordServer


def note(text: str) -> Card:
    """A card of one line."""
    return Card(severity=Severity.DONE, status="Noted", title=(), reference=(StyledText(text),))


@dataclass
class RecordingChatService:
    """Writes down what it was asked, and says what it was told to say. Knows the ids of the messages it was given."""

    done: list[tuple[str, str, dict[str, object]]] = field(default_factory=list[tuple[str, str, dict[str, object]]])
    by: list[Person] = field(default_factory=list[Person])
    places: list[ChannelRef] = field(default_factory=list[ChannelRef])
    known: dict[str, ButtonAction] = field(default_factory=dict[str, ButtonAction])
    says: ChatReply = field(default_factory=lambda: ChatReply(private=note("as you wish")))
    error: Exception | None = None
    threads: dict[str, str] = field(default_factory=dict[str, str])
    slow: asyncio.Event | None = None
    before: Callable[[], None] = lambda: None

    def know(self, message_ref: MessageRef, ids: "Ids", digest: str = "d" * 64) -> None:
        """Remember what the ids of a card stand for."""
        for action, id_ in ids.given.items():
            self.known[id_] = ButtonAction(
                run="7Q4K",
                action=action,
                digest=digest,
                index=None,
                place=message_ref.place,
                message=message_ref.message,
            )

    async def _note(
        self, by: Person | None, place: ChannelRef | None, action: str, what: str = "", **more: object
    ) -> ChatReply:
        self.before()
        if self.error is not None:
            raise self.error
        if by is not None:
            self.by.append(by)
        if place is not None:
            self.places.append(place)
        self.done.append((action, what, more))
        return self.says

    async def start_run(
        self, by: Person, place: ChannelRef, prompt: str, *, config: str = "", thread_of: str = "", once: str = ""
    ) -> ChatReply:
        return await self._note(by, place, "ask", prompt, config=config, thread_of=thread_of, once=once)

    async def handle_button(
        self, by: Person, button: str, *, place: ChannelRef, message: str, text: str = "", once: str = ""
    ) -> ChatReply:
        return await self._note(by, place, "press", button, message=message, text=text, once=once)

    async def look_up_button(self, button: str, *, place: ChannelRef, message: str) -> ButtonAction | None:
        if self.slow is not None:
            await self.slow.wait()
        found = self.known.get(button)
        return found if found is not None and (found.message, found.place) == (message, place) else None

    async def runs(self, by: Person, place: ChannelRef, *, mine: bool = False, waiting: bool = False) -> ChatReply:
        return await self._note(by, place, "runs", mine=mine, waiting=waiting)

    async def show(self, by: Person, place: ChannelRef, run: str) -> ChatReply:
        return await self._note(by, place, "show", run)

    async def details(self, by: Person, place: ChannelRef, run: str) -> Sequence[Card]:
        await self._note(by, place, "details", run)
        call = CallItem(number=1, server="board", tool="remove_notice", arguments=(), is_destructive=True)
        line: RichText = (StyledText("page two"),)
        return (
            Card(severity=Severity.DECIDE, status="One", title=(), reference=(), sections=(CallList(calls=(call,)),)),
            Card(severity=Severity.DECIDE, status="Two", title=(), reference=line),
        )

    async def cancel(self, by: Person, place: ChannelRef, run: str) -> ChatReply:
        return await self._note(by, place, "cancel", run)

    async def retry(self, by: Person, place: ChannelRef, run: str, *, once: str = "") -> ChatReply:
        return await self._note(by, place, "retry", run, once=once)

    async def config_names(self, place: ChannelRef, beginning: str, *, by: Person | None = None) -> Sequence[str]:
        return [name for name in ("ops", "ops-default", "demo") if name.startswith(beginning)]

    async def admin(
        self, by: Person, place: ChannelRef, action: str, *, name: str = "", scope: str = "", value: str = ""
    ) -> ChatReply:
        return await self._note(by, place, action, name, scope=scope, value=value)

    async def help(self, by: Person, place: ChannelRef) -> ChatReply:
        return await self._note(by, place, "help")

    async def home(self, by: Person) -> Card:
        await self._note(by, None, "home")
        return note("home")

    async def run_of_thread(self, place: ChannelRef) -> str | None:
        return self.threads.get(place.thread)


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
    aim({"DISCORD_API_URL": server.api})
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
            async with asyncio.timeout(10):
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
