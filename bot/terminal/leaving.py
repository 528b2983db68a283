"""What to type next, when a command ends before its run does."""

from bot.cards.run_view import RunView
from bot.cards.text import visible
from bot.i18n import ENGLISH, Words
from coordination.domain import states as s
from coordination.domain.plan import short


def how_to_go_on(view: RunView, words: Words = ENGLISH) -> str | None:
    """The commands that go on with a run; None where there is nothing left to do."""
    run = visible(view.run)
    match view.state:
        case s.AwaitingDecision(plan=plan):
            until = f"{plan.expires_at.astimezone():%Y-%m-%d %H:%M}"
            return words.say("next.decide", run=run, plan=short(plan.digest), until=until)
        case s.NeedsHuman(unknown=unknown):
            return words.say("next.resolve", run=run, number=unknown.index + 1)
        case s.Queued() | s.Deliberating() | s.ChangesWanted() | s.Executing() | s.Reporting():
            return words.say("next.resume", run=run)
        case _:
            return None
