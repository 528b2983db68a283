"""A chat service of a few lines: it knows the ids that it issued, decides once, and remembers what it was asked."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.cards.plan_edits import edit_form, edited_argument, selection_form
from bot.chat.platform import ChannelRef, MessageRef
from bot.chat.private_cards import refused
from bot.chat.service_port import (
    AdminCommand,
    AskForText,
    CancelThread,
    Nothing,
    Pages,
    PressButton,
    Private,
    Reply,
    Request,
    RetryRun,
    ShowHelp,
    ShowHome,
    ShowPlan,
    Started,
    StartRun,
    SubmitText,
)
from bot.message import FORMS, Action, Card, Paragraph, Severity, StyledText
from coordination.domain.policy import Person
from coordination.errors import StorageError
from coordination.text import Text
from tests.sample_logs import plan_in, waiting


def note(text: str) -> Card:
    """A card that says one thing."""
    return Card(
        severity=Severity.DONE,
        status="Note",
        title=(),
        reference=(),
        sections=(Paragraph(lines=((StyledText(text),),)),),
    )


@dataclass(frozen=True)
class Issued:
    """What an id stands for."""

    run: str
    action: Action
    place: ChannelRef
    message: str


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
            self.chat_service.buttons[button] = Issued(self.run, action, message_ref.place, message_ref.message)


@dataclass
class SmallChatService:
    """Fits the port. Everything that it was asked is in `asked`; what changed something is in `done`."""

    buttons: dict[str, Issued] = field(default_factory=dict[str, Issued])
    asked: list[tuple[Request, Person, ChannelRef]] = field(default_factory=list[tuple[Request, Person, ChannelRef]])
    done: list[Request] = field(default_factory=list[Request])
    threads: dict[str, str] = field(default_factory=dict[str, str])
    seen: set[str] = field(default_factory=set[str])
    deleted: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    shown: list[str] = field(default_factory=list[str])
    question: Private | None = None
    is_down: bool = False
    breaks_with: str = ""
    pause: asyncio.Event | None = None
    pages: Sequence[Card] = ()
    prompts: tuple[str, ...] = ()
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, request: Request, actor: Person, place: ChannelRef) -> Reply:
        if isinstance(request, CancelThread) and place.thread not in self.threads:
            return Nothing()
        self._break()
        self.asked.append((request, actor, place))
        await self._tell()
        if self.question is not None and isinstance(request, StartRun):
            return self.question
        return await self._answered(request, actor, place)

    def _break(self) -> None:
        if self.is_down:
            raise StorageError(Text("The database is gone."))
        if self.breaks_with:
            raise RuntimeError(self.breaks_with)

    async def _answered(self, request: Request, actor: Person, place: ChannelRef) -> Reply:
        match request:
            case PressButton() | SubmitText():
                return await self._pressed(request, actor, place)
            case StartRun(event_id=event_id) | RetryRun(event_id=event_id):
                is_repeated = event_id in self.seen
                await self._do(request, actor, event_id)
                return Started("7Q4K", is_repeated=is_repeated)
            case ShowPlan():
                return Pages("7Q4K", self.pages)
            case ShowHome():
                return Private(note(f"Home of {actor.name}"))
            case AdminCommand():
                return Private(note("Done." if actor.is_admin else "Only administrators may."))
            case ShowHelp():
                return Private(note("This is what I do."))
            case _:
                return Private(note(f"{request}"))

    async def _pressed(self, request: PressButton | SubmitText, actor: Person, place: ChannelRef) -> Reply:
        if self.pause is not None:
            await self.pause.wait()
        issued = self.buttons.get(request.button)
        if issued is None or (issued.place, issued.message) != (place, request.message):
            return Private(note("There is no such button here."))
        action = issued.action
        if isinstance(request, PressButton):
            if form := FORMS.get(action):
                plan = plan_in(waiting())
                argument = edited_argument(plan, request.choice)
                filled = {"select": selection_form(plan), "edit": edit_form(argument) if argument else form}
                return AskForText(filled.get(form.asks, form))
            if action is Action.DETAILS:
                return Pages(issued.run, self.pages)
        if any(isinstance(each, PressButton | SubmitText) for each in self.done):
            return Private(note("It was decided already."))
        await self._do(request, actor, request.event_id)
        return Nothing()

    async def _do(self, request: Request, actor: Person, event_id: str) -> None:
        if event_id not in self.seen:
            self.seen.add(event_id)
            self.done.append(request)
            await self._tell()

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    def decided(self) -> list[tuple[str, str]]:
        """Every action that was taken, with its words."""
        taken = (each for each in self.done if isinstance(each, PressButton | SubmitText))
        return [
            (self.buttons[each.button].action.value, each.text if isinstance(each, SubmitText) else each.choice)
            for each in taken
        ]

    async def tenant_of_button(self, button: str, platform: str) -> str:
        raise refused("no_button")

    async def question_shown(self, question: str, place: ChannelRef) -> None:
        self.shown.append(question)
        await self._tell()

    async def messages_deleted(self, place: ChannelRef, messages: Sequence[str]) -> None:
        self.deleted += [(place.tenant, place.channel, each) for each in messages]
        await self._tell()

    async def suggested_prompts(self, place: ChannelRef) -> Sequence[str]:
        return self.prompts

    async def config_names(self, place: ChannelRef, beginning: str, *, by: Person | None = None) -> Sequence[str]:
        return []
