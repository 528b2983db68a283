"""A bot by the real client library, connected to the server of tests, with a desk that only writes down."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bot.chat.platform import Desk, Place, Posted, Press, Said
from bot.discord_app.client import DiscordClient, log_in, serve
from bot.discord_app.settings import aim
from bot.message import CallItem, CallList, Card, Line, Span, Tone, Verb
from coordination.domain.policy import Person
from tests.servers.discord_server import TOKEN, DiscordServer


def note(text: str) -> Card:
    """A card of one line."""
    return Card(tone=Tone.DONE, status="Noted", title=(), reference=(Span(text),))


@dataclass
class NoteDesk:
    """Writes down what it was asked, and says what it was told to say. Knows the ids of the messages it was given."""

    done: list[tuple[str, str, dict[str, object]]] = field(default_factory=list[tuple[str, str, dict[str, object]]])
    by: list[Person] = field(default_factory=list[Person])
    places: list[Place] = field(default_factory=list[Place])
    known: dict[str, Press] = field(default_factory=dict[str, Press])
    says: Said = field(default_factory=lambda: Said(private=note("as you wish")))
    error: Exception | None = None
    threads: dict[str, str] = field(default_factory=dict[str, str])
    slow: asyncio.Event | None = None
    before: Callable[[], None] = lambda: None

    def know(self, posted: Posted, ids: "Ids", digest: str = "d" * 64) -> None:
        """Remember what the ids of a card stand for."""
        for verb, id_ in ids.given.items():
            self.known[id_] = Press(
                run="7Q4K", verb=verb, digest=digest, index=None, place=posted.place, message=posted.message
            )

    async def _note(self, by: Person | None, place: Place | None, verb: str, what: str = "", **more: object) -> Said:
        self.before()
        if self.error is not None:
            raise self.error
        if by is not None:
            self.by.append(by)
        if place is not None:
            self.places.append(place)
        self.done.append((verb, what, more))
        return self.says

    async def ask(
        self, by: Person, place: Place, prompt: str, *, config: str = "", thread_of: str = "", once: str = ""
    ) -> Said:
        return await self._note(by, place, "ask", prompt, config=config, thread_of=thread_of, once=once)

    async def press(
        self, by: Person, button: str, *, place: Place, message: str, text: str = "", once: str = ""
    ) -> Said:
        return await self._note(by, place, "press", button, message=message, text=text, once=once)

    async def peek(self, button: str, *, place: Place, message: str) -> Press | None:
        if self.slow is not None:
            await self.slow.wait()
        found = self.known.get(button)
        return found if found is not None and (found.message, found.place) == (message, place) else None

    async def runs(self, by: Person, place: Place, *, mine: bool = False, waiting: bool = False) -> Said:
        return await self._note(by, place, "runs", mine=mine, waiting=waiting)

    async def show(self, by: Person, place: Place, run: str) -> Said:
        return await self._note(by, place, "show", run)

    async def details(self, by: Person, place: Place, run: str) -> Sequence[Card]:
        await self._note(by, place, "details", run)
        call = CallItem(number=1, server="board", tool="remove_notice", arguments=(), is_destructive=True)
        line: Line = (Span("page two"),)
        return (
            Card(tone=Tone.DECIDE, status="One", title=(), reference=(), sections=(CallList(calls=(call,)),)),
            Card(tone=Tone.DECIDE, status="Two", title=(), reference=line),
        )

    async def cancel(self, by: Person, place: Place, run: str) -> Said:
        return await self._note(by, place, "cancel", run)

    async def retry(self, by: Person, place: Place, run: str, *, once: str = "") -> Said:
        return await self._note(by, place, "retry", run, once=once)

    async def config_names(self, place: Place, beginning: str, *, by: Person | None = None) -> Sequence[str]:
        return [name for name in ("ops", "ops-default", "demo") if name.startswith(beginning)]

    async def admin(
        self, by: Person, place: Place, verb: str, *, name: str = "", scope: str = "", value: str = ""
    ) -> Said:
        return await self._note(by, place, verb, name, scope=scope, value=value)

    async def help(self, by: Person, place: Place) -> Said:
        return await self._note(by, place, "help")

    async def home(self, by: Person) -> Card:
        await self._note(by, None, "home")
        return note("home")

    async def run_of_thread(self, place: Place) -> str | None:
        return self.threads.get(place.thread)


class Ids:
    """Ids of the real length, one per verb."""

    def __init__(self, start: int = 0) -> None:
        self.given: dict[Verb, str] = {}
        self._start = start

    def id_for(self, verb: Verb, value: str = "") -> str:
        del value
        return self.given.setdefault(verb, f"{self._start + len(self.given):022d}")


@asynccontextmanager
async def a_bot(server: DiscordServer, desk: Desk) -> AsyncGenerator[DiscordClient]:
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
        connected = group.create_task(serve(client, desk, ending))
        try:
            async with asyncio.timeout(10):
                await ready.wait()
            yield client
        finally:
            ending.set()
            await connected


def here(server: DiscordServer, channel: str = "", thread: str = "") -> Place:
    """The first channel of the first server."""
    return Place(
        surface="discord",
        tenant=f"discord:{server.guild.id}",
        channel=channel or server.channel,
        thread=thread,
    )
