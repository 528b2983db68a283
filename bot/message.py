"""A message with no product in mind: what it says and which buttons it has, never how it looks.

Every text in a card is ready to show: hidden characters are visible already. A renderer escapes it once for its
product, cuts what its product can't hold, and says what it cut. No colours, no emoji and no limits live here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, TypeAlias


class Severity(StrEnum):
    """What a card asks of its reader; a renderer has a sign and a colour for each."""

    WORKING = "working"
    DECIDE = "decide"
    DONE = "done"
    ATTENTION = "attention"
    STOPPED = "stopped"
    FAILED = "failed"


class Status(StrEnum):
    """How one agent or one call stands."""

    WAITING = "waiting"
    WORKING = "working"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class StyledText:
    """A run of text in one style; what is `removed` or `added` is code in which it stands out."""

    text: str
    style: Literal["text", "code", "bold", "quiet", "removed", "added"] = "text"


@dataclass(frozen=True)
class Timestamp:
    """A point in time, which each product shows in its reader's own clock; `is_countdown` adds how far it is."""

    at: datetime
    is_countdown: bool = False


@dataclass(frozen=True)
class Mention:
    """A person, a role or a channel. A renderer links it where nothing but its id is known, so that readers see a name.

    One that `is_linked` is a link wherever its product knows the id, however it is called.
    """

    id: str
    name: str
    sort: Literal["person", "role", "channel"] = "person"
    is_linked: bool = False


@dataclass(frozen=True)
class Link:
    """A link to a message of the product itself, or to what came of a call: an address that was found safe to show."""

    text: str
    url: str


Inline: TypeAlias = StyledText | Timestamp | Mention | Link
RichText: TypeAlias = tuple[Inline, ...]


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """Lines of prose. A quoted one is somebody else's words: a renderer sets it apart, and may shorten it."""

    lines: tuple[RichText, ...]
    is_quoted: bool = False


@dataclass(frozen=True, kw_only=True)
class StatusRow:
    """One agent, and the newest that is known of it."""

    label: str
    status: Status
    line: RichText


@dataclass(frozen=True, kw_only=True)
class StatusList:
    """What each agent is doing."""

    rows: tuple[StatusRow, ...]


@dataclass(frozen=True, kw_only=True)
class Argument:
    """One argument, whole; a text may have several lines."""

    name: str
    text: str


@dataclass(frozen=True, kw_only=True)
class CallItem:
    """One call of a plan: `number` counts from 1.

    `outcome` is empty until it was started, `link` leads to what came of it.
    """

    number: int
    server: str
    tool: str
    arguments: tuple[Argument, ...]
    notes: tuple[str, ...] = ()
    is_destructive: bool = False
    status: Status = Status.WAITING
    outcome: RichText = ()
    link: Link | None = None


@dataclass(frozen=True, kw_only=True)
class CallList:
    """The calls of a plan in order.

    Attributes:
        is_compact: what becomes of them matters here, the arguments stand elsewhere.
        is_settled: nobody decides on them any more: what does not fit may be left to the details.
    """

    calls: tuple[CallItem, ...]
    is_compact: bool = False
    is_settled: bool = False


@dataclass(frozen=True, kw_only=True)
class Alert:
    """A line that must not be overlooked."""

    line: RichText


Section: TypeAlias = Paragraph | StatusList | CallList | Alert


class Action(StrEnum):
    """What a button does."""

    APPROVE = "approve"
    REJECT = "reject"
    CHANGE = "change"
    DETAILS = "details"
    CANCEL = "cancel"
    HAPPENED = "happened"
    RUN_IT = "run_it"
    ABANDON = "abandon"
    CHOOSE = "choose"
    ASK_AGAIN = "ask_again"
    TRY_REST = "try_rest"
    PLAN_UNDO = "plan_undo"
    ANSWER = "answer"
    SELECT = "select"
    EDIT = "edit"
    GRANT = "grant"
    BREAK_GLASS = "break_glass"
    WITHDRAW = "withdraw"
    CHANGE_THIS = "change_this"
    START_NEW = "start_new"


ANSWERS = frozenset({Action.CHANGE_THIS, Action.START_NEW})
"""The answers to a question about somebody's own words, whose message goes once one of them was taken."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a click is about: the run, the plan that was on the card, and the call where there is one in question."""

    run: str
    digest: str = ""
    index: int | None = None


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """A second question, asked of the clicker alone before the click counts.

    `notes` has a remark for each of the lines.
    """

    title: str
    lines: tuple[RichText, ...]
    notes: tuple[str, ...]
    yes: str


@dataclass(frozen=True, kw_only=True)
class Option:
    """One entry of a menu, or of a form."""

    value: str
    label: str
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class FormField:
    """One field of a form that has several; what is filled in goes by its name.

    Attributes:
        sort: one of the options is chosen, a number from 1 to `most` or a text of so many characters is written, any of
            the options are ticked, or the only one must be.
        text: the value of the option that is chosen at first, or the number that is written there.
    """

    name: str
    sort: Literal["choice", "number", "text", "ticks", "confirm"]
    label: str
    options: tuple[Option, ...] = ()
    text: str = ""
    most: int = 0


@dataclass(frozen=True, kw_only=True)
class TextForm:
    """What the clicker writes before the click counts; every product has sentences of its own for either.

    Attributes:
        options: what is ticked in the place of being written: the values of those that are, with commas. All are at
            first.
        text: what stands in the field at first.
        label: names what is written, where the product's own sentence does not.
        fields: what is filled in, in the place of one text.
    """

    asks: Literal["reason", "change", "answer", "select", "edit", "grant", "break_glass"]
    is_required: bool
    options: tuple[Option, ...] = ()
    text: str = ""
    label: str = ""
    fields: tuple[FormField, ...] = ()


FORMS: Mapping[Action, TextForm] = {
    Action.REJECT: TextForm(asks="reason", is_required=False),
    Action.CHANGE: TextForm(asks="change", is_required=True),
    Action.ANSWER: TextForm(asks="answer", is_required=True),
    Action.SELECT: TextForm(asks="select", is_required=True),
    Action.EDIT: TextForm(asks="edit", is_required=False),
    Action.GRANT: TextForm(asks="grant", is_required=True),
    Action.BREAK_GLASS: TextForm(asks="break_glass", is_required=True),
}
"""The actions that nobody takes without being asked for words; what a form offers depends on the plan."""


@dataclass(frozen=True, kw_only=True)
class Button:
    """A verb with its words. One that `needs_whole_plan` may be shown only where the whole plan can be read."""

    action: Action
    label: str
    target: Target
    weight: Literal["main", "danger", "plain"] = "plain"
    confirmation: Confirmation | None = None
    needs_whole_plan: bool = False

    @property
    def form(self) -> TextForm | None:
        """What the clicker is asked to write, if anything."""
        return FORMS.get(self.action)


@dataclass(frozen=True, kw_only=True)
class Menu:
    """A choice of one among several, such as another agent's plan."""

    action: Action
    label: str
    target: Target
    options: tuple[Option, ...]

    @property
    def form(self) -> TextForm | None:
        """What the clicker is asked to write once an entry is chosen, if anything."""
        return FORMS.get(self.action)


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A file with everything, for a message that can't hold it. `description` is its alternative text."""

    name: str
    media_type: str
    text: str
    description: str


@dataclass(frozen=True, kw_only=True)
class Card:
    """One message about one run.

    Attributes:
        status: the word that says how the run stands: Planning, Waiting for approval, Done.
        title: what was asked.
        reference: who asked.
        has_files: whether its attachments go with it even where it says everything itself.
        footer: progress, cost, time; and run, plan and configuration, so that people can name them.
    """

    severity: Severity
    status: str
    title: RichText
    reference: RichText
    sections: tuple[Section, ...] = ()
    buttons: tuple[Button, ...] = ()
    menus: tuple[Menu, ...] = ()
    footer: RichText = ()
    attachments: tuple[Attachment, ...] = ()
    has_files: bool = False
