"""What people ask of us in a chat, and what they get: one request, one reply, with no product in mind.

A front end turns each event of its product into a request, and shows the reply; it holds no rule. Whatever fails is
raised, and becomes words by `bot.chat.private_cards.error_card` in the front end's outermost handler.
"""

from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from bot.chat.platform import ButtonIds, ChannelRef
from bot.message import Card, Confirmation, TextForm
from coordination.domain.policy import Person


@dataclass(frozen=True, kw_only=True)
class StartRun:
    """Start a run whose card will be kept at the place.

    Attributes:
        config: the name of a configuration; empty for the one that holds there.
        follows_thread: whether it goes on with the run of the thread that it is said in, if there is one.
        asks_which: whether it is plain words, so that in the thread of a plan that waits they may be meant to change
            it: then a question comes back.
        event_id: the product's id of the event, the same if it is delivered again; the same again does nothing.
    """

    prompt: str
    config: str = ""
    follows_thread: bool = False
    asks_which: bool = False
    event_id: str = ""


@dataclass(frozen=True, kw_only=True)
class FollowUp:
    """Go on with the run of a thread; of one whose plan waits, a question comes back.

    Elsewhere it is nobody's business.
    """

    prompt: str
    event_id: str = ""


@dataclass(frozen=True, kw_only=True)
class RetryRun:
    """Ask the same again, as a new run."""

    run: str
    event_id: str = ""


@dataclass(frozen=True, kw_only=True)
class CancelRun:
    """Stop a run."""

    run: str


@dataclass(frozen=True, kw_only=True)
class CancelThread:
    """Stop the run whose thread this is, if it is one."""


@dataclass(frozen=True, kw_only=True)
class PressButton:
    """A click on a button or a menu, whose id must have been issued for this message of this place and tenant.

    Attributes:
        choice: what was chosen, of a menu.
        is_confirmed: whether the button's `Confirmation`, if it has one, was answered with yes.
    """

    button: str
    message: str
    choice: str = ""
    is_confirmed: bool = False
    event_id: str = ""


@dataclass(frozen=True, kw_only=True)
class SubmitText:
    """The words that a button's `TextForm` asked for, and the message that the button is on.

    Attributes:
        choice: what was chosen in the menu that asked for them.
        fields: what was filled into each field of a form of several, by its name; values that were ticked have commas.
    """

    button: str
    message: str
    text: str = ""
    choice: str = ""
    fields: Mapping[str, str] = field(default_factory=dict[str, str])
    event_id: str = ""


@dataclass(frozen=True, kw_only=True)
class ListRuns:
    """The newest runs here, or this person's, or all those whose plan they may approve alone in an emergency."""

    is_mine: bool = False
    is_waiting: bool = False
    is_break_glass: bool = False


@dataclass(frozen=True, kw_only=True)
class ListGrants:
    """The standing grants that a person has given here.

    Or `revoke` the one that is called so, if it is for them to do that.
    """

    revoke: str = ""


@dataclass(frozen=True, kw_only=True)
class ShowRun:
    """One run with its coordination table."""

    run: str


@dataclass(frozen=True, kw_only=True)
class ShowPlan:
    """Everything about a run's plan, in pages."""

    run: str


@dataclass(frozen=True, kw_only=True)
class ShowHelp:
    """What this is in two sentences, one example, and who may approve here."""


@dataclass(frozen=True, kw_only=True)
class ShowHome:
    """Runs waiting for this person, their runs, the configuration and where it comes from, usage this month."""


MOST_REQUIRED = 20
"""How many approvals a rule may want."""


@dataclass(frozen=True, kw_only=True)
class AdminCommand:
    """An administrator's command.

    Attributes:
        action: `config-list|config-show|config-use|config-reset|config-check|config-allow`, or
            `approvers|limits|prompts|freeze|thaw|grants|audit`.
        scope: `channel` or `server`.
    """

    action: str
    name: str = ""
    scope: str = ""
    value: str = ""


Request: TypeAlias = (
    StartRun
    | FollowUp
    | RetryRun
    | CancelRun
    | CancelThread
    | PressButton
    | SubmitText
    | ListRuns
    | ListGrants
    | ShowRun
    | ShowPlan
    | ShowHelp
    | ShowHome
    | AdminCommand
)


@dataclass(frozen=True)
class Private:
    """A card for this person alone.

    `runs` are on it, and can be opened with `ShowPlan`; `ids` are those of its buttons.

    `question` names one that is asked again until `ChatService.question_shown` is told that it is shown; empty: it is
    none.
    """

    card: Card
    runs: tuple[str, ...] = ()
    ids: ButtonIds | None = None
    question: str = ""


@dataclass(frozen=True)
class Pages:
    """Something long for this person alone; `ShowPlan` brings it again.

    `decision` is the card with the buttons that they may use where they asked: only where all of it can be shown at
    once.
    """

    run: str
    cards: Sequence[Card]
    decision: Private | None = None


@dataclass(frozen=True)
class AskForText:
    """Ask this person to write something about a run, then send it as `SubmitText`."""

    form: TextForm
    run: str = ""


@dataclass(frozen=True)
class AskToConfirm:
    """Ask this person once more; after a yes press again, with `is_confirmed`."""

    question: Confirmation


@dataclass(frozen=True)
class Started:
    """A run began, whose card everybody will see; `note` is for the one who asked alone.

    Attributes:
        is_repeated: it began before, by an earlier delivery of the same request.
    """

    run: str
    note: Card | None = None
    is_repeated: bool = False


@dataclass(frozen=True)
class Nothing:
    """The public card says it all."""


Reply: TypeAlias = Private | Pages | AskForText | AskToConfirm | Started | Nothing


class ChatService(Protocol):
    """Answers the people of every chat. Nothing vendor-specific goes in or out."""

    def handle(self, request: Request, actor: Person, place: ChannelRef) -> Coroutine[Any, Any, Reply]:
        """Do what somebody asks for in a place.

        Raises:
            Exception: it was not done; `error_card` has the words for whatever it is.
        """
        ...

    async def config_names(self, place: ChannelRef, beginning: str, *, by: Person | None = None) -> Sequence[str]:
        """The configurations that a person, or else any member, may name here, for completion; at most 25."""
        ...

    async def suggested_prompts(self, place: ChannelRef) -> Sequence[str]:
        """What administrators would have people ask in a place, at most 4; nothing where they set nothing."""
        ...

    async def tenant_of_button(self, button: str, platform: str) -> str:
        """The tenant that a button belongs to, where a product does not tell it of a click in direct messages.

        Raises:
            RefusedError: there is no such button.
        """
        ...

    async def messages_deleted(self, place: ChannelRef, messages: Sequence[str]) -> None:
        """Messages of a channel, a thread or direct messages are gone: cards and copies among them come back.

        The place has no tenant where a product does not tell it of direct messages.
        """
        ...

    async def question_shown(self, question: str, place: ChannelRef) -> None:
        """The question of a reply stands where its person can see it."""
        ...
