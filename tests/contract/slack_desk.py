"""A desk of a few lines: it knows the ids that it issued, decides once, and remembers what it was asked."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.chat.platform import Place, Posted, Press, Said
from bot.message import Card, Paragraph, Span, Tone, Verb
from coordination.domain.policy import Person
from coordination.errors import StorageError


def note(text: str) -> Card:
    """A card that says one thing."""
    return Card(
        tone=Tone.DONE,
        status="Note",
        title=(),
        reference=(),
        sections=(Paragraph(lines=((Span(text),),)),),
    )


@dataclass
class IssuedIds:
    """Ids for one card; they count once the message is known."""

    desk: "SmallDesk"
    run: str
    issued: dict[str, Verb] = field(default_factory=dict[str, Verb])

    def id_for(self, verb: Verb, value: str = "") -> str:
        button = f"{len(self.desk.buttons) + len(self.issued):x}{verb.value}".ljust(22, "-")
        self.issued[button] = verb
        return button

    def bind(self, posted: Posted) -> None:
        for button, verb in self.issued.items():
            self.desk.buttons[button] = Press(
                run=self.run, verb=verb, digest="d", index=None, place=posted.place, message=posted.message
            )


@dataclass
class SmallDesk:
    """Fits the desk. Everything that it was asked is in `asked`; what changed something is in `done`."""

    buttons: dict[str, Press] = field(default_factory=dict[str, Press])
    asked: list[tuple[str, Person, tuple[object, ...]]] = field(
        default_factory=list[tuple[str, Person, tuple[object, ...]]]
    )
    done: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    threads: dict[str, str] = field(default_factory=dict[str, str])
    seen: set[str] = field(default_factory=set[str])
    is_down: bool = False
    breaks_with: str = ""
    pause: asyncio.Event | None = None
    pages: Sequence[Card] = ()
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def _new(self, once: str) -> bool:
        is_new = once not in self.seen
        self.seen.add(once)
        return is_new

    async def _note(self, verb: str, by: Person, *given: object) -> None:
        if self.is_down:
            raise StorageError("The database is gone.")
        if self.breaks_with:
            raise RuntimeError(self.breaks_with)
        self.asked.append((verb, by, given))
        await self._tell()

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def ask(
        self, by: Person, place: Place, prompt: str, *, config: str = "", thread_of: str = "", once: str = ""
    ) -> Said:
        await self._note("ask", by, place, prompt, config, thread_of)
        if self._new(once):
            self.done.append(("ask", by.id, prompt))
            await self._tell()
        return Said()

    async def press(
        self, by: Person, button: str, *, place: Place, message: str, text: str = "", once: str = ""
    ) -> Said:
        await self._note("press", by, button, place, message, text)
        if self.pause is not None:
            await self.pause.wait()
        press = await self.peek(button, place=place, message=message)
        if press is None:
            return Said(private=note("There is no such button here."))
        if any(verb != "ask" for verb, _, _ in self.done):
            return Said(private=note("It was decided already."))
        if self._new(once):
            self.done.append((press.verb.value, by.id, text))
            await self._tell()
        return Said()

    async def peek(self, button: str, *, place: Place, message: str) -> Press | None:
        press = self.buttons.get(button)
        return press if press is not None and (press.place, press.message) == (place, message) else None

    async def runs(self, by: Person, place: Place, *, mine: bool = False, waiting: bool = False) -> Said:
        await self._note("runs", by, place, mine, waiting)
        return Said(private=note("Your runs." if mine else "All runs."))

    async def show(self, by: Person, place: Place, run: str) -> Said:
        await self._note("show", by, place, run)
        return Said(private=note(f"Run {run}."))

    async def details(self, by: Person, place: Place, run: str) -> Sequence[Card]:
        await self._note("details", by, place, run)
        return self.pages

    async def cancel(self, by: Person, place: Place, run: str) -> Said:
        await self._note("cancel", by, place, run)
        return Said(private=note(f"Cancelled {run}."))

    async def retry(self, by: Person, place: Place, run: str, *, once: str = "") -> Said:
        await self._note("retry", by, place, run)
        return Said()

    async def config_names(self, place: Place, beginning: str, *, by: Person | None = None) -> Sequence[str]:
        return []

    async def admin(
        self, by: Person, place: Place, verb: str, *, name: str = "", scope: str = "", value: str = ""
    ) -> Said:
        await self._note("admin", by, verb, name, scope, value)
        return Said(private=note("Done." if by.is_admin else "Only administrators may."))

    async def help(self, by: Person, place: Place) -> Said:
        await self._note("help", by, place)
        return Said(private=note("This is what I do."))

    async def home(self, by: Person) -> Card:
        await self._note("home", by)
        return note(f"Home of {by.name}")

    async def run_of_thread(self, place: Place) -> str | None:
        return self.threads.get(place.thread)
