"""Words in the thread of a plan that waits: do they change it, or begin a new run? Whoever said them is asked.

The question is two buttons, on disk before anybody sees them, which carry the words, and that nobody knows yet whether
it is shown (`card_sync/open_questions.py`). If nobody answers nothing happens. They count for that person alone, and
for an hour.
"""

import secrets
from datetime import datetime

from bot.chat.card_sync.open_questions import OPEN, PREFIX, card_of, ids_of, packed, words_of
from bot.chat.platform import ChannelRef
from bot.chat.private_cards import refused
from bot.chat.service_port import FollowUp, Nothing, Private, Reply, StartRun
from bot.chat.start_run import RunStarter
from bot.chat.store import ButtonRecord, CardRecord, OpenQuestion
from bot.message import Action, Target
from coordination.domain.policy import Person
from coordination.domain.states import AwaitingDecision

_BYTES = 16


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
    now, event = starter.clock.now(), f"{PREFIX}{request.event_id or secrets.token_urlsafe(_BYTES)}"
    target = Target(run=card.run, digest=state.plan.digest)
    buttons = {
        action: _button(card, action, target, by, words=packed(request.prompt, by, place, event), at=now)
        for action in (Action.CHANGE_THIS, Action.START_NEW)
    }
    if not await starter.store.ask(OpenQuestion(event=event, buttons=tuple(buttons.values()))):
        return Nothing()
    return Private(card_of(buttons), ids=ids_of(buttons), question=event)


def is_question(known: ButtonRecord) -> bool:
    """Whether a button is one of such a question's."""
    return known.copy.startswith(PREFIX)


def check_answer(known: ButtonRecord, by: Person, place: ChannelRef, now: datetime) -> None:
    """An answer counts for the one who was asked, where they were asked, for as long as the question is open.

    Raises:
        RefusedError: it was somebody else, or too late.
    """
    _, asked_in = words_of(known)
    if by.tenant != place.tenant or place.channel != asked_in.channel:
        raise refused("no_button")
    if known.copy != f"{PREFIX}{by.id}":
        raise refused("not_your_question")
    if now - known.issued_at >= OPEN:
        raise refused("question_expired")


def as_new_run(known: ButtonRecord) -> StartRun:
    """What was said as a run of its own, which goes on with the conversation.

    However often it is pressed, that is one.
    """
    words, _ = words_of(known)
    return StartRun(prompt=words, follows_thread=True, event_id=f"answer:{known.id}")


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
        copy=f"{PREFIX}{by.id}",
    )
