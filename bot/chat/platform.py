"""What a chat product must be able to do, and what it is given in return: the whole width between core and vendor.

A platform turns vendor events into verbs of `ChatService`, and cards into vendor messages. It holds no rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from bot.message import FORMS, Action, Card, TextForm
from coordination.domain.policy import Person


@dataclass(frozen=True, kw_only=True)
class ChannelRef:
    """Where a run was asked for, and where its card lives.

    Attributes:
        platform: `discord` or `slack`.
        tenant: the same string as `Person.tenant`: `discord:<guild>` or `slack:<enterprise or ->:<team>`.
        channel: the product's id of the channel. A thread for invited people is a channel of its own, and its own thread:
            what was asked for there is seen and decided there.
        thread: the product's id of the thread under the card, once there is one.
        within: the channel that such a thread is in, whose settings hold in it too; else empty.
    """

    platform: str
    tenant: str
    channel: str
    thread: str = ""
    within: str = ""

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


@dataclass(frozen=True, kw_only=True)
class Checkup:
    """One thing that a product's doctor has looked at, in words for the operator."""

    is_well: bool
    text: str


class MessageNotFound(Exception):
    """The message, its thread or its channel is not there any more."""


class MissingPermission(Exception):
    """The bot may not write there; the text says which permission is missing, and who gives it."""


class RateLimited(Exception):
    """The product asks for patience; `seconds` as it said."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"wait {seconds:g} s")
        self.seconds = seconds


class CardTooLarge(Exception):
    """The card's plan can be shown neither inline nor as a file: it must not be approvable."""


class ChatPlatform(Protocol):
    """The vendor's side, for card sync. Every method may raise the four errors above; nothing else is expected.

    Attributes:
        posts_once: whether posting with the same `once` again, within a minute, leads to the message that stands.
    """

    name: Literal["discord", "slack"]
    posts_once: bool

    async def post(self, place: ChannelRef, card: Card, ids: "ButtonIds", *, once: str = "") -> MessageRef:
        """Post a card as a new message. `ids` gives each button and menu its opaque id; `once` names the message."""
        ...

    async def find(self, place: ChannelRef, *, once: str, at: datetime) -> MessageRef | None:
        """The message that a post named `once` left, made at about this time; None if there is none, or none is seen."""
        ...

    async def edit(self, message_ref: MessageRef, card: Card, ids: "ButtonIds") -> None:
        """Make a message show this card, whatever it showed before."""
        ...

    async def open_thread(self, message_ref: MessageRef, title: str) -> ChannelRef:
        """The place of the thread under a message; the same again if there is one."""
        ...

    async def post_text(self, place: ChannelRef, card: Card) -> MessageRef:
        """Post a card without buttons: the story in a thread, a reminder, a word to the requester."""
        ...

    async def notify_user(self, person: Person, place: ChannelRef, card: Card) -> None:
        """Tell one person, in private where the product can, otherwise not at all."""
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
class CountsRoles(Protocol):
    """A chat that tells how many people have a role."""

    name: str

    async def others_in(self, tenant: str, roles: Sequence[str], besides: Sequence[str]) -> int | None:
        """How many people have one of these roles at most, besides these accounts; None: the chat has no such number.

        Raises:
            MessageNotFound, MissingPermission, RateLimited: the chat does not tell.
        """
        ...


class ButtonIds(Protocol):
    """Opaque ids for the buttons of one card: 22 characters of 128 random bits, kept in the database."""

    def id_for(self, action: Action, value: str = "") -> str:
        """The id of a verb on this card; for a menu without a value."""
        ...


@dataclass(frozen=True, kw_only=True)
class ButtonAction:
    """What an opaque id stands for, as the database remembers it: nothing of it travels through the product."""

    run: str
    action: Action
    digest: str
    index: int | None
    place: ChannelRef
    message: str

    @property
    def form(self) -> TextForm | None:
        """What the clicker is asked to write, if anything."""
        return FORMS.get(self.action)


@dataclass(frozen=True, kw_only=True)
class ChatReply:
    """The chat service's answer to one person: a private card, or nothing where the public card says it all."""

    private: Card | None = None
    run: str = ""


class ChatService(Protocol):
    """The verbs of every surface. Refusals come back as private cards; nothing vendor-specific goes in or out.

    Raises only StorageError (the platform says that it can't work now); every other failure is a private card with a
    reference id, logged with its details.
    """

    async def start_run(
        self, by: Person, place: ChannelRef, prompt: str, *, config: str = "", thread_of: str = "", once: str = ""
    ) -> ChatReply:
        """Start a run whose card will be kept at the place. `thread_of` is the run that this one follows up.

        `once` is the product's id of the event (interaction id, event id): the same again does nothing.
        """
        ...

    async def handle_button(
        self, by: Person, button: str, *, place: ChannelRef, message: str, text: str = "", once: str = ""
    ) -> ChatReply:
        """Act on a button, menu or modal. `text` is a modal's text or a menu's value.

        The id must have been issued for this message of this place and tenant; otherwise: no such thing.
        """
        ...

    async def look_up_button(self, button: str, *, place: ChannelRef, message: str) -> ButtonAction | None:
        """What a button stands for, fast (one read), for deciding whether to open a modal or ask again. None: unknown."""
        ...

    async def runs(self, by: Person, place: ChannelRef, *, mine: bool = False, waiting: bool = False) -> ChatReply:
        """The newest runs here."""
        ...

    async def show(self, by: Person, place: ChannelRef, run: str) -> ChatReply:
        """One run with its coordination table."""
        ...

    async def details(self, by: Person, place: ChannelRef, run: str) -> Sequence[Card]:
        """Everything about a run's plan, in pages."""
        ...

    async def cancel(self, by: Person, place: ChannelRef, run: str) -> ChatReply:
        """Stop a run."""
        ...

    async def retry(self, by: Person, place: ChannelRef, run: str, *, once: str = "") -> ChatReply:
        """Ask the same again, as a new run."""
        ...

    async def config_names(self, place: ChannelRef, beginning: str, *, by: Person | None = None) -> Sequence[str]:
        """The configurations that a person, or else any member, may name here, for completion; at most 25."""
        ...

    async def admin(
        self, by: Person, place: ChannelRef, action: str, *, name: str = "", scope: str = "", value: str = ""
    ) -> ChatReply:
        """`config-list|config-show|config-use|config-reset|config-check|config-allow|approvers|limits|freeze|thaw|audit`; needs an administrator.

        `scope` is `channel` or `server`; a stricter rule has waiting plans asked again when somebody decides.
        """
        ...

    async def help(self, by: Person, place: ChannelRef) -> ChatReply:
        """What this is in two sentences, one example, and who may approve here."""
        ...

    async def home(self, by: Person) -> Card:
        """Runs waiting for this person, their runs, the config and where it comes from, usage this month."""
        ...

    async def run_of_thread(self, place: ChannelRef) -> str | None:
        """The run whose thread this is."""
        ...
