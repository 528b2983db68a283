"""The card of a run, whatever its state: a pure function of the view."""

from datetime import datetime
from typing import assert_never

from bot.cards.plan_card import decision_card
from bot.cards.planning import planning_card
from bot.cards.run_card import answered_card, ended_card, executing_card, finished_card, needs_human_card
from bot.cards.run_view import RunView
from bot.i18n import ENGLISH, Words
from bot.message import Card
from coordination.domain import states as s


def card_for(view: RunView, now: datetime, words: Words = ENGLISH) -> Card:
    """What everybody sees of a run now. Two calls with the same arguments give the same card."""
    match view.state:
        case s.Queued() | s.Deliberating() | s.ChangesWanted():
            return planning_card(view, now, words)
        case s.AwaitingDecision() as state:
            return decision_card(view, state, words)
        case s.Executing() | s.Reporting() as state:
            return executing_card(view, state, now, words)
        case s.NeedsHuman() as state:
            return needs_human_card(view, state, now, words)
        case s.Finished() as state:
            return finished_card(view, state, words)
        case s.Answered() as state:
            return answered_card(view, state, words)
        case s.Rejected() | s.Expired() | s.Cancelled() | s.RunBroken() as state:
            return ended_card(view, state, words)
        case _:
            assert_never(view.state)
