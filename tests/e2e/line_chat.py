"""A chat of one channel over TCP, a line a message, and its whole front end: what docs/how-to/add-a-chat.md describes.

A person says `hello NAME`, then one command a line. Everybody reads each card as one line with the ids of its buttons; what
is for one person alone begins with `private`.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never

from bot.cards.error_messages import plain_text
from bot.chat.platform import ButtonIds, ChannelRef, MessageNotFound, MessageRef, SyncIntervals
from bot.chat.private_cards import error_card
from bot.chat.service_port import (
    AskForText,
    AskToConfirm,
    CancelRun,
    ChatService,
    ListRuns,
    Nothing,
    Pages,
    PressButton,
    Private,
    Reply,
    Request,
    ShowHelp,
    Started,
    StartRun,
    SubmitText,
)
from bot.message import Alert, CallList, Card, Paragraph, RichText, StatusList
from coordination.domain.policy import Person

TENANT = "line:home"
CHANNEL = ChannelRef(platform="line", tenant=TENANT, channel="hall")


def rendered(card: Card, ids: ButtonIds | None = None) -> str:
    """A card as one line: there is room for all of it."""
    parts = [card.status, plain_text(card.title), plain_text(card.reference)]
    for section in card.sections:
        match section:
            case Paragraph(lines=lines):
                parts += map(plain_text, lines)
            case Alert(line=line):
                parts.append(plain_text(line))
            case StatusList(rows=rows):
                parts += (f"{row.label} {plain_text(row.line)}" for row in rows)
            case CallList(calls=calls):
                for call in calls:
                    given = ", ".join(f"{each.name}={each.text}" for each in call.arguments)
                    parts.append(f"{call.number}. {call.server}.{call.tool}({given}) {plain_text(call.outcome)}")
            case _:
                assert_never(section)
    buttons = [f"<{button.label}={ids.id_for(button.action)}>" for button in card.buttons] if ids is not None else []
    return " | ".join(" ".join(part.split()) for part in (*parts, plain_text(card.footer), *buttons) if part)


@dataclass
class LinePlatform:
    """Fits `bot.chat.platform.ChatPlatform`, and knows who is there and in which roles."""

    members: Mapping[str, Sequence[str]]
    name: str = "line"
    has_idempotent_posts: bool = True
    intervals: SyncIntervals = SyncIntervals(edit=0.05, timeline=0.05)  # noqa: RUF009 - it is frozen
    _posted: dict[str, str] = field(default_factory=dict[str, str])
    _writers: dict[str, asyncio.StreamWriter] = field(default_factory=dict[str, asyncio.StreamWriter])

    async def post(self, place: ChannelRef, card: Card, ids: ButtonIds, *, idempotency_key: str = "") -> MessageRef:
        number = self._posted.setdefault(idempotency_key, f"m{len(self._posted) + 1}")
        posted = MessageRef(place=place, message=number)
        await self.edit(posted, card, ids)
        return posted

    async def find(self, place: ChannelRef, *, idempotency_key: str, at: datetime) -> MessageRef | None:
        number = self._posted.get(idempotency_key)
        return None if number is None else MessageRef(place=place, message=number)

    async def edit(self, message_ref: MessageRef, card: Card, ids: ButtonIds) -> None:
        await self._tell_all(f"{message_ref.message} {rendered(card, ids)}")

    async def verify(self, message_ref: MessageRef, card: Card, ids: ButtonIds) -> None:
        """What was written here can't be taken away."""

    async def open_thread(self, message_ref: MessageRef, title: str) -> ChannelRef:
        raise MessageNotFound("there are no threads here")

    async def post_text(self, place: ChannelRef, card: Card, *, idempotency_key: str = "") -> MessageRef:
        await self._tell_all(f"note {rendered(card)}")
        return MessageRef(place=place, message="note")

    async def edit_text(self, message_ref: MessageRef, card: Card) -> None:
        await self._tell_all(f"{message_ref.message} {rendered(card)}")

    async def notify_roles(self, place: ChannelRef, line: RichText, *, idempotency_key: str) -> None:
        """Everybody reads every line here."""

    async def notify_user(self, person: Person, place: ChannelRef, card: Card) -> bool:
        await self.tell(person.name, f"private {rendered(card)}")
        return True

    async def person_now(self, person: Person) -> Person | None:
        return self.person(person.id) if person.id in self.members else None

    def person(self, name: str) -> Person:
        return Person(tenant=TENANT, id=name, name=name, roles=tuple(self.members.get(name, ())))

    @asynccontextmanager
    async def joined(self, name: str, writer: asyncio.StreamWriter) -> AsyncGenerator[None]:
        self._writers[name] = writer
        try:
            yield
        finally:
            del self._writers[name]
            writer.close()

    async def tell(self, name: str, line: str) -> None:
        if (writer := self._writers.get(name)) is not None:
            writer.write(f"{line}\n".encode())
            with suppress(ConnectionError):  # Whoever went away reads it on the card.
                await writer.drain()

    async def _tell_all(self, line: str) -> None:
        for name in list(self._writers):
            await self.tell(name, line)


async def read_line(reader: asyncio.StreamReader) -> str:
    """The next line of a connection; "" at its end, and where it was reset."""
    try:
        return (await reader.readline()).decode().strip()
    except ConnectionError:
        return ""


def request_in(line: str, event_id: str) -> Request:
    """What a line asks for. Of a button it also names the message that it was seen on."""
    word, _, rest = line.partition(" ")
    button, message, words = [*rest.split(" ", 2), "", "", ""][:3]
    match word:
        case "ask":
            return StartRun(prompt=rest, event_id=event_id)
        case "runs":
            return ListRuns()
        case "cancel":
            return CancelRun(run=rest)
        case "press" | "yes":
            return PressButton(button=button, message=message, is_confirmed=word == "yes", event_id=event_id)
        case "write":
            return SubmitText(button=button, message=message, text=words, event_id=event_id)
        case _:
            return ShowHelp()


def lines_of(reply: Reply, button: str) -> list[str]:
    """What somebody is told in private."""
    match reply:
        case Private(card=card):
            return [rendered(card)]
        case Pages(cards=cards):
            return [rendered(card) for card in cards]
        case AskForText(form=form):
            return [f"write {button} MESSAGE your {form.asks}{'' if form.is_required else ', or nothing'}"]
        case AskToConfirm(question=question):
            return [f"{question.title}: {'; '.join(map(plain_text, question.lines))}. yes {button} MESSAGE"]
        case Started(run=run, note=note):
            return [f"run {run}", *([rendered(note)] if note is not None else [])]
        case Nothing():
            return ["done"]
        case _:
            assert_never(reply)


@dataclass
class LineFrontEnd:
    """Takes what people type to the chat service. Every line is answered."""

    platform: LinePlatform
    chat_service: ChatService
    _count: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until whoever it is goes away, by a word or without one."""
        name = (await read_line(reader)).removeprefix("hello ")
        async with self.platform.joined(name, writer):
            while line := await read_line(reader):
                self._count += 1
                for said in await self._answer(name, line):
                    await self.platform.tell(name, f"private {said}")

    async def _answer(self, name: str, line: str) -> list[str]:
        try:
            request = request_in(line, f"line:{self._count}")
            reply = await self.chat_service.handle(request, self.platform.person(name), CHANNEL)
            return lines_of(reply, line.split()[1] if " " in line else "")
        except Exception as error:  # noqa: BLE001 - the outermost handler: whoever typed gets a sentence, whatever it was
            return [rendered(error_card(error))]


@asynccontextmanager
async def serving(platform: LinePlatform, chat_service: ChatService) -> AsyncGenerator[int]:
    """The chat on a port of this machine."""
    front_end = LineFrontEnd(platform, chat_service)
    async with await asyncio.start_server(front_end.serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
