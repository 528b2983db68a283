"""Words in the thread of a plan that waits: do they change it, or begin a new run? Whoever said them is asked.

The question is two buttons, on disk before anybody sees them, which carry the words: nothing else is remembered of it, and
if nobody answers nothing happens. They count for that person alone, and for an hour.
"""

import json
import secrets
from dataclasses import asdict
from datetime import datetime, timedelta

from bot.cards.parts import mention
from bot.cards.text import one_line
from bot.chat.card_sync.snapshot import IssuedIds
from bot.chat.platform import ChannelRef
from bot.chat.private_cards import refused
from bot.chat.service_port import FollowUp, Nothing, Private, Reply, StartRun
from bot.chat.start_run import RunStarter
from bot.chat.store import ButtonRecord, CardRecord
from bot.i18n import catalog
from bot.message import Action, Button, Card, Paragraph, Severity, StyledText, Target, Timestamp
from coordination.domain.policy import Person
from coordination.domain.states import AwaitingDecision

_OPEN = timedelta(hours=1)
_PREFIX = "ask:"
_BYTES = 16
_SHOWN = 160


async def question_of(starter: RunStarter, request: StartRun | FollowUp, by: Person, place: ChannelRef) -> Reply | None:
    """What somebody is asked who said something in a thread; None: nothing waits there, or the words say it themselves.

    An event that was delivered before asks nothing again.
    """
    may_change = isinstance(request, FollowUp) or (request.asks_which and not request.config)
    card = await starter.card_of_thread(by, place) if may_change and request.prompt.strip() else None
    if card is None:
        return None
    state = await starter.coordinator.state(card.run, by.tenant)
    if not isinstance(state, AwaitingDecision):
        return None
    now = starter.clock.now()
    if request.once and not await starter.store.is_new(f"ask:{request.once}", by.tenant, now):
        return Nothing()
    target = Target(run=card.run, digest=state.plan.digest)
    buttons = {
        action: _button(card, action, target, by, words=_packed(request.prompt, place), at=now)
        for action in (Action.CHANGE_THIS, Action.START_NEW)
    }
    await starter.store.issue(list(buttons.values()))
    ids = IssuedIds({action: button.id for action, button in buttons.items()})
    return Private(question_card(request.prompt, target, by, until=now + _OPEN), ids=ids)


def is_question(known: ButtonRecord) -> bool:
    """Whether a button is one of such a question's."""
    return known.copy.startswith(_PREFIX)


def check_answer(known: ButtonRecord, by: Person, place: ChannelRef, now: datetime) -> None:
    """An answer counts for the one who was asked, where they were asked, for as long as the question is open.

    Raises:
        RefusedError: it was somebody else, or too late.
    """
    _, asked_in = words_of(known)
    if by.tenant != place.tenant or place.channel != asked_in.channel:
        raise refused("no_button")
    if known.copy != f"{_PREFIX}{by.id}":
        raise refused("not_your_question")
    if now - known.issued_at >= _OPEN:
        raise refused("question_expired")


def words_of(known: ButtonRecord) -> tuple[str, ChannelRef]:
    """What was said, and where."""
    words: dict[str, str] = json.loads(known.value)
    return words.pop("words"), ChannelRef(**words)


def as_new_run(known: ButtonRecord) -> StartRun:
    """What was said as a run of its own, which goes on with the conversation. However often it is pressed, that is one."""
    words, _ = words_of(known)
    return StartRun(prompt=words, follows_thread=True, once=f"answer:{known.id}")


def _packed(words: str, place: ChannelRef) -> str:
    return json.dumps({"words": words, **asdict(place)})


def _button(card: CardRecord, action: Action, target: Target, by: Person, *, words: str, at: datetime) -> ButtonRecord:
    return ButtonRecord(
        id=secrets.token_urlsafe(_BYTES),
        run=card.run,
        tenant=card.tenant,
        attempt=card.attempt,
        action=action.value,
        digest=target.digest,
        index=None,
        value=words,
        issued_at=at,
        copy=f"{_PREFIX}{by.id}",
    )


def question_card(words: str, target: Target, by: Person, *, until: datetime) -> Card:
    """Which of the two is meant."""
    lines = (
        catalog.rich("thread.which_line", run=StyledText(target.run, "bold")),
        catalog.rich("thread.which_until", until=Timestamp(until, is_countdown=True)),
    )
    return Card(
        severity=Severity.DECIDE,
        status=catalog.text("thread.which"),
        title=catalog.rich("card.title", prompt=one_line(words, _SHOWN)),
        reference=catalog.rich("card.asked_by", who=mention(by)),
        sections=(Paragraph(lines=lines),),
        buttons=(
            Button(action=Action.CHANGE_THIS, label=catalog.text("button.change_this"), target=target, weight="main"),
            Button(action=Action.START_NEW, label=catalog.text("button.start_new"), target=target),
        ),
    )
