"""A chat service of a few lines: it knows the ids that it issued, decides once, and remembers what it was asked."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.chat.platform import ButtonAction, ChannelRef, ChatReply, MessageRef
from bot.message import Action, Card, Paragraph, Severity, StyledText
from coordination.domain.policy import Person
from coordination.errors import StorageError


def note(text: str) -> Card:
    """A card that says one thing."""
    return Card(
        severity=Severity.DONE,
        status="Note",
        title=(),
        reference=(),
        sections=(Paragraph(lines=((StyledText(text),),)),),
    )


@dataclass
class IssuedIds:
    """Ids for one card; they count once the message is known."""

    chat_service: "SmallChatService"
    run: str
    issued: dict[str, Action] = field(default_factory=dict[str, Action])

    def id_for(self, action: Action, value: str = "") -> str:
        button = f"{len(self.chat_service.buttons) + len(self.issued):x}{action.value}".ljust(22, "-")
        self.issued[button] = action
        return button

    def bind(self, message_ref: MessageRef) -> None:
        for button, action in self.issued.items():
            self.chat_service.buttons[button] = ButtonAction(
                run=self.run,
                action=action,
                digest="d",
                index=None,
                place=message_ref.place,
                message=message_ref.message,
            )


@dataclass
class SmallChatService:
    """Fits the desk. Everything that it was asked is in `asked`; what changed something is in `done`."""

    buttons: dict[str, ButtonAction] = field(default_factory=dict[str, ButtonAction])
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

    async def _note(self, action: str, by: Person, *given: object) -> None:
        if self.is_down:
            raise StorageError("The database is gone.")
        if self.breaks_with:
            raise RuntimeError(self.breaks_with)
        self.asked.append((action, by, given))
        await self._tell()

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def start_run(
        self, by: Person, place: ChannelRef, prompt: str, *, config: str = "", thread_of: str = "", once: str = ""
    ) -> ChatReply:
        await self._note("ask", by, place, prompt, config, thread_of)
        if self._new(once):
            self.done.append(("ask", by.id, prompt))
            await self._tell()
        return ChatReply()

    async def handle_button(
        self, by: Person, button: str, *, place: ChannelRef, message: str, text: str = "", once: str = ""
    ) -> ChatReply:
        await self._note("press", by, button, place, message, text)
        if self.pause is not None:
            await self.pause.wait()
        button_action = await self.look_up_button(button, place=place, message=message)
        if button_action is None:
            return ChatReply(private=note("There is no such button here."))
        if any(action != "ask" for action, _, _ in self.done):
            return ChatReply(private=note("It was decided already."))
        if self._new(once):
            self.done.append((button_action.action.value, by.id, text))
            await self._tell()
        return ChatReply()

    async def look_up_button(self, button: str, *, place: ChannelRef, message: str) -> ButtonAction | None:
        button_action = self.buttons.get(button)
        return (
            button_action
            if button_action is not None and (button_action.place, button_action.message) == (place, message)
            else None
        )

    async def runs(self, by: Person, place: ChannelRef, *, mine: bool = False, waiting: bool = False) -> ChatReply:
        await self._note("runs", by, place, mine, waiting)
        return ChatReply(private=note("Your runs." if mine else "All runs."))

    async def show(self, by: Person, place: ChannelRef, run: str) -> ChatReply:
        await self._note("show", by, place, run)
        return ChatReply(private=note(f"Run {run}."))

    async def details(self, by: Person, place: ChannelRef, run: str) -> Sequence[Card]:
        await self._note("details", by, place, run)
        return self.pages

    async def cancel(self, by: Person, place: ChannelRef, run: str) -> ChatReply:
        await self._note("cancel", by, place, run)
        return ChatReply(private=note(f"Cancelled {run}."))

    async def retry(self, by: Person, place: ChannelRef, run: str, *, once: str = "") -> ChatReply:
        await self._note("retry", by, place, run)
        return ChatReply()

    async def config_names(self, place: ChannelRef, beginning: str, *, by: Person | None = None) -> Sequence[str]:
        return []

    async def admin(
        self, by: Person, place: ChannelRef, action: str, *, name: str = "", scope: str = "", value: str = ""
    ) -> ChatReply:
        await self._note("admin", by, action, name, scope, value)
        return ChatReply(private=note("Done." if by.is_admin else "Only administrators may."))

    async def help(self, by: Person, place: ChannelRef) -> ChatReply:
        await self._note("help", by, place)
        return ChatReply(private=note("This is what I do."))

    async def home(self, by: Person) -> Card:
        await self._note("home", by)
        return note(f"Home of {by.name}")

    async def run_of_thread(self, place: ChannelRef) -> str | None:
        return self.threads.get(place.thread)
