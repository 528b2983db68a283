"""The card of a run whose agents are at work: one line per agent, the newest fact only."""

from datetime import datetime
from typing import assert_never

from bot.cards.amounts import duration, money, tokens
from bot.cards.parts import reference, target, title
from bot.cards.people import who
from bot.cards.run_view import AgentView, AnsweredNow, Idle, Out, Retrying, RunView, Thinking, Using, VotedFor
from bot.cards.text import one_line, visible
from bot.i18n import Words, joined
from bot.message import Button, Card, Line, Mark, Paragraph, Section, Span, StatusList, StatusRow, Tone, Verb
from coordination.domain import states as s
from coordination.domain.ballot import Ballot

_SHORT_REASON = 120


def planning_card(view: RunView, now: datetime, words: Words) -> Card:
    """A run that is queued, or being worked on."""
    is_queued = isinstance(view.state, s.Queued | s.ChangesWanted)
    return Card(
        tone=Tone.WORKING,
        status=words.say("status.queued" if is_queued else "status.planning"),
        title=title(view, words),
        reference=reference(view, words),
        sections=(*_feedback(view, words), StatusList(rows=tuple(agent_row(agent, words) for agent in view.agents))),
        buttons=(Button(verb=Verb.CANCEL, label=words.say("button.cancel"), target=target(view)),),
        footer=progress(view, now, words),
    )


def progress(view: RunView, now: datetime, words: Words) -> Line:
    """Round, votes, time, tokens and cost so far."""
    parts: list[Line] = []
    if view.round:
        parts.append(words.line("progress.round", number=view.round))
    if isinstance(view.state, s.Deliberating) and view.ballot.answers:
        parts.append(_votes(view.ballot, words))
    parts.append((Span(duration(view.elapsed(now), words)),))
    return joined([*parts, *spending(view, words)], " · ")


def spending(view: RunView, words: Words) -> list[Line]:
    """Tokens and cost, as far as they are known and there are any."""
    if not view.spent.tokens:
        return []
    parts: list[Line] = [(Span(tokens(view.spent.tokens, words)),)]
    if view.spent.cost:
        parts.append((Span(money(view.spent.cost, words)),))
    return parts


def _votes(ballot: Ballot, words: Words) -> Line:
    leading = max(ballot.tally().values(), default=0)
    return words.line("progress.votes", votes=leading, voters=len(ballot.living))


def _feedback(view: RunView, words: Words) -> tuple[Section, ...]:
    state = view.state
    if not isinstance(state, s.Deliberating | s.ChangesWanted) or not state.feedback:
        return ()
    latest = state.feedback[-1]
    line = words.line("planning.feedback", who=who(latest.by), text=one_line(latest.text, 300))
    return (Paragraph(lines=(line,)),)


def agent_row(agent: AgentView, words: Words) -> StatusRow:
    """One agent: its newest answer, and what it does now."""
    doing, mark = _doing(agent, words)
    has_label = agent.answered is not None and not isinstance(agent.doing, AnsweredNow | Out)
    answered = words.line("agent.answered", label=Span(agent.answered or "", "bold")) if has_label else ()
    return StatusRow(label=f"agent{agent.number}", mark=mark, line=joined([answered, doing], " · "))


def _doing(agent: AgentView, words: Words) -> tuple[Line, Mark]:
    match agent.doing:
        case Idle():
            return words.line("agent.idle"), Mark.WAITING
        case Thinking(why=why):
            return words.line(f"agent.thinking_{why}" if why else "agent.thinking"), Mark.WORKING
        case Using(server=server, tool=tool, is_action=is_action):
            key = "agent.recording" if is_action else "agent.reading"
            return words.line(key, tool=Span(visible(f"{server}.{tool}"), "code")), Mark.WORKING
        case Retrying(reason=reason, wait=wait):
            pause = duration(wait, words)
            return words.line("agent.retrying", reason=one_line(reason, _SHORT_REASON), wait=pause), Mark.WAITING
        case AnsweredNow():
            return words.line("agent.answered", label=Span(agent.answered or "", "bold")), Mark.DONE
        case VotedFor(choice=choice, is_void=is_void):
            key = "agent.vote_void" if is_void else "agent.voted"
            return words.line(key, choice=f"agent{choice}"), Mark.WAITING if is_void else Mark.DONE
        case Out(reason=reason):
            return words.line("agent.out", reason=one_line(reason, _SHORT_REASON)), Mark.FAILED
        case _:
            assert_never(agent.doing)
