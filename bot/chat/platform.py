"""What a chat product must be able to do, and what it is given in return: the whole width between core and vendor.

A surface turns vendor events into verbs of `Desk`, and cards into vendor messages. It holds no rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from bot.message import Card, Verb
from coordination.domain.policy import Person


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a run was asked for, and where its card lives.

    Attributes:
        surface: `discord` or `slack`.
        tenant: the same string as `Person.tenant`: `discord:<guild>` or `slack:<enterprise or ->:<team>`.
        channel: the product's id of the channel. A thread for invited people is a channel of its own, and its own thread:
            what was asked for there is seen and decided there.
        thread: the product's id of the thread under the card, once there is one.
        within: the channel that such a thread is in, whose settings hold in it too; else empty.
    """

    surface: str
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
class Posted:
    """A message that stands somewhere. `message` is the product's id (Discord: snowflake; Slack: ts)."""

    place: Place
    message: str


@dataclass(frozen=True, kw_only=True)
class Checkup:
    """One thing that a product's doctor has looked at, in words for the operator."""

    is_well: bool
    text: str


class MessageGone(Exception):
    """The message, its thread or its channel is not there any more."""


class PlaceForbidden(Exception):
    """The bot may not write there; the text says which permission is missing, and who gives it."""


class SlowDown(Exception):
    """The product asks for patience; `seconds` as it said."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"wait {seconds:g} s")
        self.seconds = seconds


class CardTooLarge(Exception):
    """The card's plan can be shown neither inline nor as a file: it must not be approvable."""


class Surface(Protocol):
    """The vendor's side, for the keeper. Every method may raise the four errors above; nothing else is expected.

    Attributes:
        posts_once: whether posting with the same `once` again, within a minute, leads to the message that stands.
    """

    name: Literal["discord", "slack"]
    posts_once: bool

    async def post(self, place: Place, card: Card, ids: "ButtonIds", *, once: str = "") -> Posted:
        """Post a card as a new message. `ids` gives each button and menu its opaque id; `once` names the message."""
        ...

    async def find(self, place: Place, *, once: str, at: datetime) -> Posted | None:
        """The message that a post named `once` left, made at about this time; None if there is none, or none is seen."""
        ...

    async def edit(self, posted: Posted, card: Card, ids: "ButtonIds") -> None:
        """Make a message show this card, whatever it showed before."""
        ...

    async def open_thread(self, posted: Posted, title: str) -> Place:
        """The place of the thread under a message; the same again if there is one."""
        ...

    async def say(self, place: Place, card: Card) -> Posted:
        """Post a card without buttons: the story in a thread, a reminder, a word to the requester."""
        ...

    async def whisper(self, person: Person, place: Place, card: Card) -> None:
        """Tell one person, in private where the product can, otherwise not at all."""
        ...


Kind: TypeAlias = Literal["role", "user"]


@runtime_checkable
class Directory(Protocol):
    """What a chat tells of names. Surfaces have it."""

    def is_id(self, kind: Kind, text: str) -> bool:
        """Whether a text is an id already."""
        ...

    async def ids_of(self, tenant: str, kind: Kind, name: str) -> Sequence[str]:
        """The ids of all roles, or of all members, that have this name.

        Raises:
            MessageGone, PlaceForbidden, SlowDown: the chat does not tell.
        """
        ...


class ButtonIds(Protocol):
    """Opaque ids for the buttons of one card: 22 characters of 128 random bits, kept in the database."""

    def id_for(self, verb: Verb, value: str = "") -> str:
        """The id of a verb on this card; for a menu without a value."""
        ...


@dataclass(frozen=True, kw_only=True)
class Press:
    """What an opaque id stands for, as the database remembers it: nothing of it travels through the product."""

    run: str
    verb: Verb
    digest: str
    index: int | None
    place: Place
    message: str


@dataclass(frozen=True, kw_only=True)
class Said:
    """The desk's answer to one person: a private card, or nothing where the public card says it all."""

    private: Card | None = None
    run: str = ""


class Desk(Protocol):
    """The verbs of every surface. Refusals come back as private cards; nothing vendor-specific goes in or out.

    Raises only StorageError (the surface says that it can't work now); every other failure is a private card with a
    reference id, logged with its details.
    """

    async def ask(
        self, by: Person, place: Place, prompt: str, *, config: str = "", thread_of: str = "", once: str = ""
    ) -> Said:
        """Start a run whose card will be kept at the place. `thread_of` is the run that this one follows up.

        `once` is the product's id of the event (interaction id, event id): the same again does nothing.
        """
        ...

    async def press(
        self, by: Person, button: str, *, place: Place, message: str, text: str = "", once: str = ""
    ) -> Said:
        """Act on a button, menu or modal. `text` is a modal's text or a menu's value.

        The id must have been issued for this message of this place and tenant; otherwise: no such thing.
        """
        ...

    async def peek(self, button: str, *, place: Place, message: str) -> Press | None:
        """What a button stands for, fast (one read), for deciding whether to open a modal or ask again. None: unknown."""
        ...

    async def runs(self, by: Person, place: Place, *, mine: bool = False, waiting: bool = False) -> Said:
        """The newest runs here."""
        ...

    async def show(self, by: Person, place: Place, run: str) -> Said:
        """One run with its coordination table."""
        ...

    async def details(self, by: Person, place: Place, run: str) -> Sequence[Card]:
        """Everything about a run's plan, in pages."""
        ...

    async def cancel(self, by: Person, place: Place, run: str) -> Said:
        """Stop a run."""
        ...

    async def retry(self, by: Person, place: Place, run: str, *, once: str = "") -> Said:
        """Ask the same again, as a new run."""
        ...

    async def config_names(self, place: Place, beginning: str, *, by: Person | None = None) -> Sequence[str]:
        """The configurations that a person, or else any member, may name here, for completion; at most 25."""
        ...

    async def admin(
        self, by: Person, place: Place, verb: str, *, name: str = "", scope: str = "", value: str = ""
    ) -> Said:
        """`config-list|config-show|config-use|config-reset|config-check|config-allow|approvers|limits|freeze|thaw|audit`; needs an administrator.

        `scope` is `channel` or `server`; a stricter rule has waiting plans asked again when somebody decides.
        """
        ...

    async def help(self, by: Person, place: Place) -> Said:
        """What this is in two sentences, one example, and who may approve here."""
        ...

    async def home(self, by: Person) -> Card:
        """Runs waiting for this person, their runs, the config and where it comes from, usage this month."""
        ...

    async def run_of_thread(self, place: Place) -> str | None:
        """The run whose thread this is."""
        ...
