"""What the chat service remembers beside the log: cards, what their buttons stand for, settings, freezes.

Every question names the tenant that it is asked for. What belongs to another tenant is not found.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

from coordination.domain.policy import Person


@dataclass(frozen=True, kw_only=True)
class Post:
    """The message that a card stands on. `shown` is what it shows now, as a fingerprint; empty: that is not known."""

    message: str
    at: datetime
    shown: str = ""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The run is about to begin, or the first post of its card has not been answered. `wake_at`: when to look again."""

    wake_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Live:
    """The card follows the run. `wake_at`: when to look at it although nothing happens."""

    post: Post
    wake_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Reposting:
    """The card was live on a message that won't do any more, and is not known to stand on the next one yet."""

    wake_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Done:
    """The card shows the end of the run."""

    post: Post


@dataclass(frozen=True, kw_only=True)
class Gone:
    """There is nowhere to show the run. `post` is where the card stood last, if it did."""

    post: Post | None = None


CardState: TypeAlias = Asked | Live | Reposting | Done | Gone
"""Card sync looks after the first three, and is finished with the others."""


Reminder: TypeAlias = Literal["new", "half", "last"]
"""A word to those who may decide: there is a plan, half of its time is over, its end is near. In this order."""


@dataclass(frozen=True, kw_only=True)
class PlanReminder:
    """A reminder of a plan, by its short digest. Those before it are not sent any more."""

    plan: str
    last: Reminder


@dataclass(frozen=True, kw_only=True)
class OutcomeReminder:
    """A word that a call of a plan is of unknown outcome. `attempt` is the execution that ended so."""

    plan: str
    attempt: int


Reminded: TypeAlias = PlanReminder | OutcomeReminder


@dataclass(frozen=True, kw_only=True)
class CardRecord:
    """The card of one run, and how far it has come. One run has one card, on one message at a time.

    Attributes:
        thread: the thread that the run was asked for in; the card is posted there.
        attempt: counts the messages; a button of an older one is out of date, whatever message it claims to be on.
        story: the thread that tells the story, once it is open.
        story_message: the message in it that tells the story now, and is edited; empty: the next one is not known to
            stand.
        story_from: the number of the last event before those that this message tells.
        announced: the number of the last event that was told by a message of its own because somebody used break-glass.
        told: the number of the last event that the story has told.
        reminded: the reminder that was sent last; None: none was.
        stale: messages that should say that they are superseded.
        language: the locale that the place had when the run was asked for; empty: the chat tells none of places.
    """

    run: str
    platform: str
    tenant: str
    channel: str
    thread: str
    requester: str
    requester_name: str
    asked_at: datetime
    state: CardState = Asked()
    attempt: int = 1
    story: str = ""
    told: int = 0
    reminded: Reminded | None = None
    is_outcome_told: bool = False
    is_trouble_told: bool = False
    stale: tuple[str, ...] = ()
    language: str = ""
    story_message: str = ""
    story_from: int = 0
    announced: int = 0

    @property
    def story_start(self) -> int:
        """The last event's number that neither the story's message tells nor the next one, if there is none now."""
        return self.story_from if self.story_message else self.told

    @property
    def copy(self) -> str:
        """No name of a copy: buttons without one are the card's own."""
        return ""

    @property
    def post(self) -> Post | None:
        """The message of this attempt; None until it is known to stand."""
        return None if isinstance(self.state, Asked | Reposting) else self.state.post

    @property
    def message(self) -> str:
        """The id of that message; empty until it is known to stand."""
        return "" if self.post is None else self.post.message

    @property
    def wake_at(self) -> datetime | None:
        """When card sync looks at it next although nothing happens."""
        return None if isinstance(self.state, Done | Gone) else self.state.wake_at

    def with_fingerprint(self, fingerprint: str) -> "CardRecord":
        """The card, when its message shows something else; a card without one as it is."""
        if isinstance(self.state, Asked | Reposting) or self.state.post is None:
            return self
        return replace(self, state=replace(self.state, post=replace(self.state.post, shown=fingerprint)))

    def waking(self, at: datetime | None) -> "CardRecord":
        """The card, when it is to be looked at then; one that card sync is finished with as it is."""
        if isinstance(self.state, Done | Gone):
            return self
        return replace(self, state=replace(self.state, wake_at=at))


CopyState: TypeAlias = Literal["wanted", "live", "done", "gone"]


@dataclass(frozen=True, kw_only=True)
class CardCopy:
    """The card of a run once more, with ids of its own.

    It is in the direct messages of somebody who may decide, or in a channel.

    Attributes:
        copy: tells it from the other copies of the run.
        person: the account whose direct messages they are; nobody else's clicks count there. Empty: it is in a channel.
        channel: the product's id of those, or of the channel; empty until it is known to be open for it.
        plan: the short digest of the plan that it was posted for.
        attempt: counts the messages, as a card's does.
        state: `wanted` until it is known to stand; `done` when it shows the end; `gone`: it can't be shown there.
        message: the one that it stands on; empty until that is known.
        shown: what that shows, as a fingerprint; empty: that is not known.
        note: why it does not stand in its channel, for the card to say; empty: it does, or that is not known yet.
    """

    run: str
    copy: str
    platform: str
    tenant: str
    person: str
    plan: str
    made_at: datetime
    channel: str = ""
    state: CopyState = "wanted"
    attempt: int = 1
    message: str = ""
    shown: str = ""
    note: str = ""

    def is_before(self, person: Person, channel: str) -> bool:
        """Whether this is one for a person in a channel, or in their direct messages: nobody has another one's."""
        return self.channel == channel and self.person in ("", person.id)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do about it."""
        return self.state in ("done", "gone")


@dataclass(frozen=True, kw_only=True)
class ButtonRecord:
    """What an opaque id stands for.

    `attempt` is that of the card, or of the copy that is named, when the id was issued.
    """

    id: str
    run: str
    tenant: str
    attempt: int
    action: str
    digest: str
    index: int | None
    value: str
    issued_at: datetime
    copy: str = ""


@dataclass(frozen=True, kw_only=True)
class OpenQuestion:
    """A question that is on disk, of which nobody knows whether it is shown. `event` names it: what somebody said."""

    event: str
    buttons: tuple[ButtonRecord, ...]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much may be asked for in one tenant at once; and by one person in an hour.

    Attributes:
        each: runs of one person under way at once; None: half of `at_once`, so that one leaves room for others.
    """

    at_once: int
    waiting: int
    hourly: int
    each: int | None = None

    @property
    def share(self) -> int:
        """How many runs of one person may be under way at once."""
        return (self.at_once + 1) // 2 if self.each is None else self.each


@dataclass(frozen=True)
class Admitted:
    """The card is kept; the run may begin."""


@dataclass(frozen=True)
class Repeated:
    """This event was seen before; `run` is what it led to, if anything."""

    run: str


@dataclass(frozen=True)
class OverLimit:
    """Too much was asked for already."""

    limit: Literal["at_once", "waiting", "hourly", "each"]
    most: int


Admission: TypeAlias = Admitted | Repeated | OverLimit


@dataclass(frozen=True, kw_only=True)
class ChatSetting:
    """What an administrator set: for one channel, or for the whole tenant where `channel` is empty."""

    tenant: str
    channel: str
    key: str
    value: str
    by: str
    by_name: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """One line of the chat service's own audit: a setting that was changed, or a click that was no good."""

    tenant: str
    channel: str
    by: str
    by_name: str
    at: datetime
    what: str
    detail: str

    @classmethod
    def about(cls, setting: ChatSetting, what: Literal["set", "reset"]) -> "AuditEntry":
        """That a setting was set, or reset."""
        return cls(
            tenant=setting.tenant,
            channel=setting.channel,
            by=setting.by,
            by_name=setting.by_name,
            at=setting.at,
            what=f"{what} {setting.key}",
            detail=setting.value,
        )


@dataclass(frozen=True, kw_only=True)
class RunListItem:
    """A run in a list, with the place of its card."""

    run: str
    state: str
    prompt: str
    requester: str
    requester_name: str
    config: str
    channel: str
    asked_at: datetime
    expires_at: datetime | None
    platform: str = ""
    tenant: str = ""
    thread: str = ""
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class ChangedCard:
    """A live card whose run has moved, or that is to be looked at."""

    run: str
    tenant: str
    seq: int
    updated_at: datetime


class CardStore(Protocol):
    """The cards, for card sync. A method that finds no such card does nothing."""

    async def card(self, run: str, tenant: str | None = None) -> CardRecord | None:
        """The card of a run."""
        ...

    async def save(self, before: CardRecord, after: CardRecord) -> None:
        """Write what differs; `attempt`, `stale` and where the card stands change by the methods below alone."""
        ...

    async def posted(self, card: CardRecord, message: str, at: datetime) -> bool:
        """Say which message this attempt stands on. False: it stands on another already."""
        ...

    async def superseded(self, card: CardRecord) -> CardRecord:
        """Begin the next attempt; the message until now becomes stale."""
        ...

    async def superseded_marked(self, card: CardRecord, message: str) -> None:
        """A stale message says that it is superseded, or is gone."""
        ...

    async def live(self, platforms: Sequence[str]) -> Sequence[CardRecord]:
        """Every card that is asked for or live."""
        ...

    async def changed_cards(self, platforms: Sequence[str], *, after: datetime, now: datetime) -> Sequence[ChangedCard]:
        """The live cards whose run has an event newer than `after`, and those whose time to look has come."""
        ...

    async def issue(self, buttons: Sequence[ButtonRecord]) -> None:
        """Remember ids before they are shown to anybody."""
        ...

    async def issued(self, card: CardRecord | CardCopy) -> Sequence[ButtonRecord]:
        """The ids of the present attempt of a card, or of a copy."""
        ...

    async def open_questions(self, platform: str, *, after: datetime, before: datetime) -> Sequence[OpenQuestion]:
        """The questions of a product that were asked between these moments, and that nobody has said to be shown."""
        ...

    async def question_shown(self, event: str, tenant: str) -> None:
        """A question stands where it was asked, or never can."""
        ...

    async def copies(self, run: str, tenant: str) -> Sequence[CardCopy]:
        """Every copy of a run's card, in the order of their names."""
        ...

    async def add_copy(self, copy: CardCopy) -> None:
        """Remember a copy, unless there is one of that name."""
        ...

    async def save_copy(self, before: CardCopy, after: CardCopy) -> bool:
        """Write what differs. False: it was on another attempt by then, or stands on another message already."""
        ...

    def leader_lock(self, platform: str) -> AbstractAsyncContextManager["LeaderLock"]:
        """Wait until no other process keeps this platform's cards, and be the one that does."""
        ...


class LeaderLock(Protocol):
    """The right to keep a platform's cards. It ends with the process, whatever way that ends."""

    async def is_leader(self) -> bool:
        """Whether it is still ours."""
        ...


class ChatStore(CardStore, Protocol):
    """Everything that is remembered beside the log."""

    async def admit(self, card: CardRecord, *, event: str, limits: Limits) -> Admission:
        """Keep the card of a run that is about to begin, unless the event was seen or there is too much already.

        Raises:
            ConflictError: there is a run of this name.
        """
        ...

    async def withdraw(self, run: str, tenant: str) -> None:
        """Forget a card whose run did not begin."""
        ...

    async def find_button(self, button: str, tenant: str) -> tuple[ButtonRecord, CardRecord] | None:
        """What an id stands for, and the card that it was issued for."""
        ...

    async def tenant_of_button(self, button: str, platform: str) -> str | None:
        """The tenant of a product that an id was issued in, for products where not every click tells."""
        ...

    async def mark_unexpected(self, card: CardRecord, message: str) -> None:
        """A message turned up that shows this card and should not: have it say so, unless another card is on it."""
        ...

    async def is_new(self, event: str, tenant: str, at: datetime) -> bool:
        """Whether an event is seen for the first time."""
        ...

    async def ask(self, question: OpenQuestion) -> bool:
        """Remember a question with its buttons before it is shown; False: its event was seen."""
        ...

    async def cards_on(self, tenant: str, channel: str, messages: Sequence[str]) -> Sequence[CardRecord]:
        """The cards that are asked for, live or given up, and stand on these messages of a channel or thread."""
        ...

    async def copies_on(self, platform: str, channel: str, messages: Sequence[str]) -> Sequence[CardCopy]:
        """The copies, of any tenant, that are not over and stand on these messages of somebody's direct messages."""
        ...

    async def run_of_thread(self, tenant: str, channel: str, thread: str) -> str | None:
        """The newest run whose card or story is in a thread."""
        ...

    async def settings(self, tenant: str, channel: str) -> Mapping[tuple[str, str], ChatSetting]:
        """What was set for a channel and for its tenant, by channel (or nothing) and key."""
        ...

    async def all_settings(self, tenant: str) -> Sequence[ChatSetting]:
        """What was set for a tenant and for every channel of it."""
        ...

    async def card_and_settings(
        self, run: str, tenant: str
    ) -> tuple[CardRecord, Mapping[tuple[str, str], ChatSetting]] | None:
        """The card of a run, and what is set for its channel, as `settings` has it; at one moment."""
        ...

    async def set_for_tenants(self, key: str, tenants: Sequence[str]) -> Sequence[ChatSetting]:
        """What was set under a key for each of these tenants as a whole, in their order."""
        ...

    async def set(self, setting: ChatSetting) -> None:
        """Set something, and keep that in the audit."""
        ...

    async def reset(self, setting: ChatSetting) -> bool:
        """Forget what was set, and keep that in the audit. False: nothing was."""
        ...

    async def add_audit_entry(self, entry: AuditEntry) -> None:
        """Keep a line of audit."""
        ...

    async def audit_entries(self, tenant: str, limit: int) -> Sequence[AuditEntry]:
        """The newest lines of audit, newest first."""
        ...

    async def changed_by(self, tenant: str, most: int) -> Sequence[str]:
        """The accounts that have set or reset something as administrators, however long ago.

        Whoever did so last comes first.
        """
        ...

    async def list_runs(
        self,
        tenant: str,
        *,
        channel: str = "",
        requester: str = "",
        states: Sequence[str] = (),
        limit: int = 20,
    ) -> Sequence[RunListItem]:
        """The newest runs, newest first; of a channel or of a requester, where one is named, either of them will do."""
        ...

    async def begun(self, tenant: str, since: datetime) -> int:
        """How many runs were asked for since then."""
        ...

    async def prune(self, before: datetime) -> None:
        """Forget events seen before then, and the buttons of cards that were done by then."""
        ...


FREEZE_KEY = "freeze"
EVERYWHERE = "*"
"""Stands for every tenant, terminals too. Only the operator can freeze it."""

_ON = "on"


@dataclass(frozen=True, kw_only=True)
class Freezing:
    """Fits `coordination.current_rules.Freezes`.

    `opened` gives the settings, and opens them when they are first needed.
    """

    opened: Callable[[], Awaitable[ChatStore]]

    async def frozen_by(self, tenant: str) -> Person | None:
        """Who froze everything, or this tenant; None: calls may start."""
        return await frozen_by(await self.opened(), EVERYWHERE, tenant)


async def frozen_by(store: ChatStore, *tenants: str) -> Person | None:
    """Who froze the first of these that is frozen: a tenant, or `EVERYWHERE`."""
    for found in await store.set_for_tenants(FREEZE_KEY, tenants):
        return Person(tenant=found.tenant, id=found.by, name=found.by_name)
    return None


def freeze_setting(tenant: str, by: Person, at: datetime) -> ChatSetting:
    """The setting that freezes a tenant, or `EVERYWHERE`; set and reset, each with who did it."""
    return ChatSetting(tenant=tenant, channel="", key=FREEZE_KEY, value=_ON, by=by.id, by_name=by.name, at=at)
