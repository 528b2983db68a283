"""Card sync at work on a product that only remembers, for tests: what stands where, who was told what, and every fault."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from bot.chat.card_sync.context import SyncContext
from bot.chat.card_sync.leader import CardSync
from bot.chat.platform import ButtonIds, ChannelRef, MessageNotFound, MessageRef, RateLimited, SyncIntervals
from bot.chat.store import CardRecord, CardState
from bot.i18n import Catalog
from bot.message import Action, Alert, Card, RichText
from coordination.domain.events import RunEvent
from coordination.domain.policy import Person
from coordination.domain.transitions import Recorded, replay
from tests.builders import REQUESTER, START
from tests.fake_log import MemoryLog
from tests.memory_chat_store import MemoryChatStore
from tests.sample_logs import RUN

QUICK = SyncIntervals(edit=0.05, timeline=0.05, refresh=30.0, look=0.01, patience=60.0, renew=timedelta(hours=1))
_SECONDS = 30.0


class MovedClock:
    """Goes on by itself from a fixed moment, and is moved ahead by as much as a test says."""

    def __init__(self) -> None:
        self.ahead = timedelta()
        self._started = time.monotonic()

    def now(self) -> datetime:
        return START + timedelta(seconds=time.monotonic() - self._started) + self.ahead

    def monotonic(self) -> float:
        return self.now().timestamp()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(frozen=True, kw_only=True)
class Message:
    """What stands in the product."""

    place: ChannelRef
    card: Card
    ids: dict[Action, str]
    edits: tuple[float, ...] = ()


Fault = Exception | Literal["lost"]
"""What a request comes to; `lost`: it is carried out, and its answer never comes, which a platform calls slow."""


@dataclass
class FakePlatform:
    """Fits `bot.chat.platform.ChatPlatform`. `faults` are used up, one a request of that kind; `always` is what each comes to."""

    name: str = "discord"
    intervals: SyncIntervals = QUICK
    messages: dict[str, Message] = field(default_factory=dict[str, Message])
    said: list[tuple[ChannelRef, Card]] = field(default_factory=list[tuple[ChannelRef, Card]])
    unsaid: set[str] = field(default_factory=set[str])
    private_messages: list[tuple[Person, Card]] = field(default_factory=list[tuple[Person, Card]])
    unreachable: frozenset[str] = frozenset()
    called: list[tuple[ChannelRef, RichText]] = field(default_factory=list[tuple[ChannelRef, RichText]])
    threads: list[str] = field(default_factory=list[str])
    calls: list[str] = field(default_factory=list[str])
    faults: dict[str, list[Fault | None]] = field(default_factory=dict[str, list[Fault | None]])
    always: Callable[[str, Card], Exception | None] = lambda kind, card: None
    hold: asyncio.Event | None = None
    posts: int = 0
    has_idempotent_posts: bool = False
    finds: bool = False
    sought: list[datetime] = field(default_factory=list[datetime])
    by_name: dict[str, str] = field(default_factory=dict[str, str])
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def post(self, place: ChannelRef, card: Card, ids: ButtonIds, *, idempotency_key: str = "") -> MessageRef:
        fault = await self._begin("post", card)
        if self.has_idempotent_posts and idempotency_key in self.by_name:
            return MessageRef(place=place, message=self.by_name[idempotency_key])
        self.posts += 1
        name = self.by_name[idempotency_key] = f"m{self.posts}"
        self.messages[name] = Message(place=place, card=card, ids=_issued(card, ids))
        await self._end(fault)
        return MessageRef(place=place, message=name)

    async def find(self, place: ChannelRef, *, idempotency_key: str, at: datetime) -> MessageRef | None:
        await self._end(await self._begin("find", None))
        self.sought.append(at)
        name = self.by_name.get(idempotency_key, "") if self.finds else ""
        is_said = name.startswith("s") and self.said[int(name[1:]) - 1][0] == place
        is_there = is_said or (name in self.messages and self.messages[name].place == place)
        return MessageRef(place=place, message=name) if is_there else None

    async def edit(self, message_ref: MessageRef, card: Card, ids: ButtonIds) -> None:
        fault = await self._begin("edit", card)
        if message_ref.message not in self.messages:
            raise MessageNotFound(message_ref.message)
        before = self.messages[message_ref.message]
        edits = (*before.edits, asyncio.get_running_loop().time())
        self.messages[message_ref.message] = replace(before, card=card, ids=_issued(card, ids), edits=edits)
        await self._end(fault)

    async def verify(self, message_ref: MessageRef, card: Card, ids: ButtonIds) -> None:
        fault = await self._begin("verify", None)
        if message_ref.message not in self.messages:
            raise MessageNotFound(message_ref.message)
        await self._end(fault)

    async def open_thread(self, message_ref: MessageRef, title: str) -> ChannelRef:
        fault = await self._begin("thread", None)
        if message_ref.message not in self.messages:
            raise MessageNotFound(message_ref.message)
        self.threads.append(title)
        await self._end(fault)
        return replace(message_ref.place, thread=message_ref.place.thread or message_ref.message)

    async def post_text(self, place: ChannelRef, card: Card, *, idempotency_key: str = "") -> MessageRef:
        fault = await self._begin("say", card)
        if self.has_idempotent_posts and idempotency_key in self.by_name:
            return MessageRef(place=place, message=self.by_name[idempotency_key])
        self.said.append((place, card))
        name = f"s{len(self.said)}"
        if idempotency_key:
            self.by_name[idempotency_key] = name
        await self._end(fault)
        return MessageRef(place=place, message=name)

    async def edit_text(self, message_ref: MessageRef, card: Card) -> None:
        fault = await self._begin("edit_text", card)
        if message_ref.message in self.unsaid:
            raise MessageNotFound(message_ref.message)
        self.said[int(message_ref.message[1:]) - 1] = (message_ref.place, card)
        await self._end(fault)

    async def notify_roles(self, place: ChannelRef, line: RichText, *, idempotency_key: str) -> None:
        fault = await self._begin("notify_roles", None)
        self.called.append((place, line))
        await self._end(fault)

    async def notify_user(self, person: Person, place: ChannelRef, card: Card) -> bool:
        fault = await self._begin("notify_user", card)
        is_told = person.id not in self.unreachable
        if is_told:
            self.private_messages.append((person, card))
        await self._end(fault)
        return is_told

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for something that a request brings about."""
        async with asyncio.timeout(_SECONDS), self.changed:
            await self.changed.wait_for(is_so)

    @property
    def newest(self) -> Message:
        """The message that was posted last."""
        return list(self.messages.values())[-1]

    async def _begin(self, kind: str, card: Card | None) -> Fault | None:
        if self.hold is not None:
            await self.hold.wait()
        self.calls.append(kind)
        fault = queue.pop(0) if (queue := self.faults.get(kind)) else None
        error = fault if isinstance(fault, Exception) else self.always(kind, card) if card is not None else None
        if error is not None:
            await self._tell()
            raise error
        return fault

    async def _end(self, fault: Fault | None) -> None:
        await self._tell()
        if fault == "lost":
            raise RateLimited(0.01)

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()


def _issued(card: Card, ids: ButtonIds) -> dict[Action, str]:
    verbs = [button.action for button in card.buttons] + [menu.action for menu in card.menus]
    return {action: ids.id_for(action) for action in verbs}


@dataclass
class Harness:
    """A log, what is remembered, and a product; card sync on top of them, as often as a test wants."""

    platform: FakePlatform = field(default_factory=FakePlatform)
    log: MemoryLog = field(default_factory=lambda: MemoryLog(lambda job: None))
    clock: MovedClock = field(default_factory=MovedClock)
    intervals: SyncIntervals = QUICK
    has_timelines: bool = True
    chosen: Catalog | None = None
    read_approvers: Callable[[str], Awaitable[None]] | None = None
    tell_administrators: Callable[[], Awaitable[None]] | None = None

    def __post_init__(self) -> None:
        self.store = MemoryChatStore(self.log)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[CardSync]:
        """A process that keeps the cards."""
        context = SyncContext(
            platform=self.platform,
            store=self.store,
            log=self.log,
            clock=self.clock,
            intervals=self.intervals,
            has_timelines=self.has_timelines,
            chosen=self.chosen,
            read_approvers=self.read_approvers,
            tell_administrators=self.tell_administrators,
        )
        card_sync = CardSync(context)
        async with card_sync.running():
            yield card_sync

    async def ask(self, log: Sequence[Recorded], *, run: str = RUN, thread: str = "", language: str = "") -> CardRecord:
        """A card for a run, and the run so far."""
        self.store.cards[run] = CardRecord(
            run=run,
            platform=self.platform.name,
            tenant="here",
            channel="c1",
            thread=thread,
            requester=REQUESTER.id,
            requester_name=REQUESTER.name,
            asked_at=self.clock.now(),
            language=language,
        )
        await self.add(run, *(each.event for each in log))
        return self.store.cards[run]

    async def add(self, run: str, *events: RunEvent) -> None:
        """More of a run, one after the other."""
        for event in events:
            before = list(await self.log.read(run))
            now = self.clock.now()
            recorded = Recorded(run=run, seq=len(before) + 1, at=now, event=event)
            await self.log.append(run, len(before), [event], now, replay([*before, recorded]))

    async def until_told(self, run: str) -> None:
        """Until the card shows the run as it stands, and the story has told all."""
        newest = len(await self.log.read(run))

        def is_told() -> bool:
            card = self.store.cards[run]
            return bool(card.message) and not card.stale and card.told == newest

        await eventually(is_told)

    async def until_state(self, run: str, state: type[CardState]) -> None:
        """Until the card is in a state."""
        await eventually(lambda: isinstance(self.store.cards[run].state, state))


async def eventually(is_so: Callable[[], bool]) -> None:
    """Look until it is so. What card sync remembers wakes nobody."""
    async with asyncio.timeout(_SECONDS):
        while not is_so():  # noqa: ASYNC110  # there is no event to wait for
            await asyncio.sleep(0.005)


def texts(card: Card) -> str:
    """Everything that a card says, roughly."""
    return repr((card.status, card.title, card.sections, card.footer))


def alerts(card: Card) -> list[str]:
    """The lines of a card that must not be overlooked."""
    return [repr(section.line) for section in card.sections if isinstance(section, Alert)]
