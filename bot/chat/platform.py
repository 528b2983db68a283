"""What a chat product must be able to do, and what it is given in return: the whole width between core and vendor.

A front end turns vendor events into requests (`bot.chat.service_port`), and cards into vendor messages. It holds no
rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from bot.message import Action, Card, RichText
from coordination.domain.policy import Person
from coordination.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class ChannelRef:
    """Where a run was asked for, and where its card lives.

    Attributes:
        platform: `discord` or `slack`.
        tenant: the same string as `Person.tenant`: `discord:<guild>` or `slack:<enterprise or ->:<team>`.
        channel: the product's id of the channel. A thread for invited people is a channel of its own, and its own
            thread: what was asked for there is seen and decided there.
        thread: the product's id of the thread under the card, once there is one.
        within: the channel that such a thread is in, whose settings hold in it too; else empty.
        language: the locale that the place is set to (`de`, `en-US`), where the product tells it; else empty.
    """

    platform: str
    tenant: str
    channel: str
    thread: str = ""
    within: str = ""
    language: str = field(default="", compare=False)

    @property
    def is_private_thread(self) -> bool:
        """Whether only people who were invited to this thread can read it, though others can read its channel."""
        return bool(self.thread) and self.thread == self.channel

    @property
    def settings_channel(self) -> str:
        """The channel whose settings hold here."""
        return self.within or self.channel


@dataclass(frozen=True, kw_only=True)
class MessageRef:
    """A message that stands somewhere. `message` is the product's id (Discord: snowflake; Slack: ts)."""

    place: ChannelRef
    message: str


class ChatAwayError(ConfigError):
    """The product can't be reached, or fails; it may answer again by itself, so whoever serves it waits."""


@dataclass(frozen=True, kw_only=True)
class Checkup:
    """One thing that a product's doctor has looked at, in words for the operator."""

    is_well: bool
    text: str


class MessageNotFound(Exception):
    """The message, its thread or its channel is not there any more."""


class ChannelNotFound(MessageNotFound):
    """The channel or thread itself is not there, or is hidden from the bot since it was shown the door."""


class MissingPermission(Exception):
    """The bot may not write there; the text says which permission is missing, and who gives it."""


class SharedChannel(MissingPermission):
    """The bot may write there, and people from outside read it."""


class ChannelUnseen(MissingPermission):
    """The bot may not look at the channel, and may be able to write there all the same."""


class EditRefused(MissingPermission):
    """The message stands, but can't be changed now: it was changed too often for its age, or is in an archive."""


class RateLimited(Exception):
    """The product asks for patience; `seconds` as it said."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"wait {seconds:g} s")
        self.seconds = seconds


class CardTooLarge(Exception):
    """The card's plan can be shown neither inline nor as a file: it must not be approvable."""


class CardBlocked(CardTooLarge):
    """The chat's own filter does not let the card's plan be posted, such as for an address in it."""


@dataclass(frozen=True, kw_only=True)
class SyncIntervals:
    """Seconds, unless they say otherwise.

    Attributes:
        edit: between two edits of one card; what happens in between is in the next.
        timeline: between two messages of one story while the run is at work.
        refresh: after which the clock on a card of a run at work moves, although nothing happens.
        look: between two looks at what other processes did.
        patience: until a place where the bot may not write is tried again; each further pause is twice as long.
        recheck: after which a card that stands is looked for again, for somebody may have deleted it.
        between_checks: between two cards that are looked for, however many there are.
        renew: the age at which a card is posted anew rather than edited; None: never.
    """

    edit: float
    timeline: float
    refresh: float = 15.0
    look: float = 0.5
    patience: float = 15.0
    recheck: float = 30.0
    between_checks: float = 1.0
    renew: timedelta | None = None


class ChatPlatform(Protocol):
    """The vendor's side, for card sync. Every method may raise the errors above; nothing else is expected.

    Attributes:
        name: begins every tenant of the product: `discord` or `slack`.
        has_idempotent_posts: whether posting with the same `idempotency_key` again, within a minute, leads to the
            message that stands.
    """

    name: str
    has_idempotent_posts: bool
    intervals: SyncIntervals

    async def post(self, place: ChannelRef, card: Card, ids: "ButtonIds", *, idempotency_key: str = "") -> MessageRef:
        """Post a card as a new message.

        `ids` gives each button and menu its opaque id; by the `idempotency_key` the message is found again.
        """
        ...

    async def find(self, place: ChannelRef, *, idempotency_key: str, at: datetime) -> MessageRef | None:
        """The message that a post with this key left, made at about this time.

        None if there is none, or none is seen.
        """
        ...

    async def edit(self, message_ref: MessageRef, card: Card, ids: "ButtonIds") -> None:
        """Make a message show this card, whatever it showed before."""
        ...

    async def verify(self, message_ref: MessageRef, card: Card, ids: "ButtonIds") -> None:
        """Find out whether a message that shows this card still stands; it may be edited to the same for that.

        Raises:
            MessageNotFound: it does not.
        """
        ...

    async def open_thread(self, message_ref: MessageRef, title: str) -> ChannelRef:
        """The place of the thread under a message; the same again if there is one."""
        ...

    async def post_text(self, place: ChannelRef, card: Card, *, idempotency_key: str = "") -> MessageRef:
        """Post a card without buttons: the story in a thread, a reminder.

        `idempotency_key` is what it is for a post.
        """
        ...

    async def edit_text(self, message_ref: MessageRef, card: Card) -> None:
        """Make a message that `post_text` left show this card."""
        ...

    async def notify_roles(self, place: ChannelRef, line: RichText, *, idempotency_key: str) -> None:
        """Post one line that notifies the roles which it mentions, if the product knows any of them by its id."""
        ...

    async def notify_user(self, person: Person, place: ChannelRef, card: Card) -> bool:
        """Tell one person, in private where the product can, otherwise not at all: whether they were told."""
        ...


Kind: TypeAlias = Literal["role", "user"]


@runtime_checkable
class NameDirectory(Protocol):
    """What a chat tells of names. Platforms have it."""

    def is_id(self, kind: Kind, text: str) -> bool:
        """Whether a text is an id already."""
        ...

    async def ids_of(self, tenant: str, kind: Kind, name: str) -> Sequence[str]:
        """The ids of all roles, or of all members, that have this name.

        Raises:
            MessageNotFound, MissingPermission, RateLimited: the chat does not tell.
        """
        ...

    async def name_of(self, tenant: str, kind: Kind, number: str) -> str | None:
        """What the role, or the member, of this id is called; None: there is no such one.

        Raises:
            MessageNotFound, MissingPermission, RateLimited: the chat does not tell.
        """
        ...


@runtime_checkable
class ReachesPeople(Protocol):
    """A chat that has a channel with each person alone, and knows them by their accounts."""

    async def direct_channel(self, person: Person) -> ChannelRef:
        """The place of direct messages with somebody of a tenant.

        Raises:
            MessageNotFound, MissingPermission: they take none.
            RateLimited: the chat asks for patience.
        """
        ...

    async def person_now(self, person: Person) -> Person | None:
        """Somebody with the roles that they have now; None: they are not there any more.

        Raises:
            MessageNotFound, MissingPermission, RateLimited: the chat does not tell.
        """
        ...

    async def members_of(self, tenant: str, role: str, most: int) -> Sequence[str]:
        """The accounts that have a role, if the chat lists them and they are no more than so many; else none.

        Raises:
            MessageNotFound, MissingPermission, RateLimited: the chat does not tell.
        """
        ...


@runtime_checkable
class KnowsChannels(Protocol):
    """A chat that tells who can read its channels, and whether the bot can post there."""

    async def check_channel(self, tenant: str, channel: str) -> None:
        """Find out whether a card can stand in a channel of this tenant that nobody from outside can read.

        Raises:
            MessageNotFound: the tenant has no such channel, or hides it from the bot.
            MissingPermission: the bot can't post there; the text says what is missing, and who gives it.
            SharedChannel: it can, and so do people from outside.
            ChannelUnseen: the chat does not let the bot find out.
            RateLimited: the chat asks for patience.
        """
        ...

    async def is_public(self, tenant: str, channel: str) -> bool:
        """Whether every full member can read a channel.

        Raises:
            MissingPermission: the chat does not tell; the text says what is missing, and who gives it.
            RateLimited: the chat asks for patience.
        """
        ...


@runtime_checkable
class FindsText(Protocol):
    """A chat in which the bot finds what it posted by words that are in it alone, since nothing else tells it apart."""

    async def find_text(self, place: ChannelRef, words: Sequence[str], *, at: datetime) -> MessageRef | None:
        """The first message of the bot's own with all these words, of about this time or later.

        None: none is among the next few.

        Raises:
            MessageNotFound, MissingPermission, RateLimited: the chat does not tell.
        """
        ...


@runtime_checkable
class LinksMessages(Protocol):
    """A chat whose messages have addresses."""

    name: str

    async def link_to(self, message_ref: MessageRef) -> str:
        """The address of a message; empty where the chat does not tell, or nobody else could follow it."""
        ...


@runtime_checkable
class CountsRoles(Protocol):
    """A chat that tells how many people have a role."""

    name: str

    async def others_in(self, tenant: str, roles: Sequence[str], besides: Sequence[str]) -> int | None:
        """How many people have one of these roles at most, besides these accounts; None: the chat has no such number.

        Raises:
            MessageNotFound, MissingPermission, RateLimited: the chat does not tell.
        """
        ...


@runtime_checkable
class MayHideRoles(Protocol):
    """A chat that may not let the bot see who has a role."""

    async def why_roles_hidden(self, tenant: str, roles: Sequence[str]) -> str:
        """Why nobody can be seen to have one of these roles, and who must do what about it.

        Empty: they can, or will be in a moment.
        """
        ...


@runtime_checkable
class KnowsOwners(Protocol):
    """A chat that tells whose a tenant is."""

    async def owners_of(self, tenant: str) -> Sequence[str]:
        """The accounts that own a tenant, and others who administer it as far as the chat tells.

        Whose it is comes first.

        Raises:
            MessageNotFound, MissingPermission, RateLimited: the chat does not tell.
        """
        ...


@runtime_checkable
class KnowsBots(Protocol):
    """A chat that tells programs from people."""

    async def is_bot(self, tenant: str, number: str) -> bool:
        """Whether the account of this id is a program's.

        Raises:
            MessageNotFound, MissingPermission, RateLimited: the chat does not tell.
        """
        ...


class ButtonIds(Protocol):
    """Opaque ids for the buttons of one card: 22 characters of 128 random bits, kept in the database."""

    def id_for(self, action: Action, value: str = "") -> str:
        """The id of a verb on this card; for a menu without a value."""
        ...
