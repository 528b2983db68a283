"""The card of a run, whatever its state: while agents plan, as calls run, and after every ending."""

from datetime import UTC, datetime
from typing import assert_never

from bot.cards.parts import author, call_item, frozen, people, plain, quoted, reference, target, title, who
from bot.cards.plan_card import attachments, decision_card, outcome_of
from bot.cards.run_view import AgentView, AnsweredNow, Idle, Out, Retrying, RunView, Thinking, Using, VotedFor
from bot.cards.text import duration, money, one_line, tokens, visible
from bot.i18n import ENGLISH, Words, joined
from bot.message import (
    Alert,
    Button,
    CallItem,
    CallList,
    Card,
    Line,
    Mark,
    Moment,
    Paragraph,
    Section,
    Span,
    StatusList,
    StatusRow,
    Tone,
    Verb,
)
from coordination.domain import states as s
from coordination.domain.ballot import Ballot
from coordination.domain.events import Verdict
from coordination.domain.plan import Failed, OutcomeUnknown, Receipt, Skipped, Succeeded
from coordination.domain.policy import Person

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


_RESULT = 300
_REASON = 600
_WORTH_TELLING = 0.1
_GOING_ON: tuple[Verdict, ...] = ("run_it", "happened")


def executing_card(view: RunView, state: s.Executing | s.Reporting, now: datetime, words: Words) -> Card:
    """The approved calls while they run, and while the report is written."""
    is_stopping = isinstance(state, s.Executing) and state.stopped_by is None
    buttons = (Button(verb=Verb.CANCEL, label=words.say("button.cancel"), target=target(view)),)
    return Card(
        tone=Tone.WORKING,
        status=words.say("status.executing" if isinstance(state, s.Executing) else "status.reporting"),
        title=title(view, words),
        reference=reference(view, words, state.plan),
        sections=(*_frozen(state, words), _decided(view, state.approvals, words), _calls(view, state, words)),
        buttons=buttons if is_stopping else (),
        footer=joined([_count(state, words), (Span(duration(view.elapsed(now), words)),)], " · "),
    )


def needs_human_card(view: RunView, state: s.NeedsHuman, now: datetime, words: Words) -> Card:
    """One call may or may not have happened: the three things that a person can say."""
    index = state.unknown.index
    doubt = words.line(
        "unknown.doubt",
        number=index + 1,
        total=len(state.plan.calls),
        reason=one_line(state.unknown.reason, _REASON).rstrip("."),
    )
    late = words.line("unknown.late", result=one_line(state.late_result, _RESULT)) if state.late_result else ()
    here = target(view, state.plan, index)
    can_be_again = state.stopped_by is None and not state.may_still_happen(now)
    again = (Button(verb=Verb.RUN_IT, label=words.say("button.run_it"), target=here, weight="danger"),)
    return Card(
        tone=Tone.ATTENTION,
        status=words.say("status.needs_human"),
        title=title(view, words),
        reference=reference(view, words, state.plan),
        sections=(
            Alert(line=doubt),
            *_frozen(state, words),
            plain(
                late,
                _away(state, words),
                _still(state, now, words),
                _what_runs(state, words),
                *_words_needed(state, words),
            ),
            _whole_call(state, words),
            _calls(view, state, words),
        ),
        buttons=(
            Button(verb=Verb.HAPPENED, label=words.say("button.happened"), target=here, weight="main"),
            *(again if can_be_again else ()),
            Button(verb=Verb.ABANDON, label=words.say("button.abandon"), target=here),
        ),
        attachments=attachments(view, state.plan, words),
    )


def finished_card(view: RunView, state: s.Finished, words: Words) -> Card:
    """What became of every call, and the winner's report."""
    done = sum(isinstance(receipt, Succeeded) for receipt in state.receipts)
    is_done = done == len(state.plan.calls)
    key = "status.done" if is_done else "status.stopped" if state.stopped_by else "status.incomplete"
    sections: list[Section] = [_decided(view, state.approvals, words), _calls(view, state, words)]
    if state.report:
        sections += [plain(words.line("report.by", author=author(state.plan.author))), quoted(state.report)]
    return Card(
        tone=Tone.DONE if is_done else Tone.FAILED,
        status=words.say(key),
        title=title(view, words),
        reference=reference(view, words, state.plan),
        sections=tuple(sections),
        footer=joined([_count(state, words), *_totals(view, words)], " · "),
    )


def answered_card(view: RunView, state: s.Answered, words: Words) -> Card:
    """An answer that needs no action."""
    return Card(
        tone=Tone.DONE,
        status=words.say("status.answered"),
        title=title(view, words),
        reference=reference(view, words),
        sections=(plain(outcome_of(state.election, words, "answer")), quoted(state.text)),
        footer=joined(_totals(view, words), " · "),
    )


def ended_card(view: RunView, state: s.Rejected | s.Expired | s.Cancelled | s.RunBroken, words: Words) -> Card:
    """A run that ended without doing anything: who, when, why, and what to do next."""
    plan = state.plan if isinstance(state, s.Rejected | s.Expired) else None
    return Card(
        tone=Tone.FAILED if isinstance(state, s.RunBroken) else Tone.STOPPED,
        status=words.say(f"status.{state.kind}"),
        title=title(view, words),
        reference=reference(view, words, plan),
        sections=(plain(_ending(view, state, words), words.line("ended.nothing_ran")),),
        buttons=(Button(verb=Verb.ASK_AGAIN, label=words.say("button.ask_again"), target=target(view)),),
        footer=joined(_totals(view, words), " · "),
    )


def _ending(view: RunView, state: s.Rejected | s.Expired | s.Cancelled | s.RunBroken, words: Words) -> Line:
    at = Moment(view.ended_at or view.updated_at)
    match state:
        case s.Rejected(by=by, reason=reason):
            return words.line("ended.rejected", who=who(by), at=at, because=_because(reason, words))
        case s.Cancelled(by=by, reason=reason):
            return words.line("ended.cancelled", who=who(by), at=at, because=_because(reason, words))
        case s.Expired(plan=plan):
            return words.line("ended.expired", at=Moment(plan.expires_at))
        case s.RunBroken(reason=reason):
            return words.line("ended.failed", reason=one_line(reason, _REASON))
        case _:
            assert_never(state)


def _because(reason: str, words: Words) -> str:
    return words.say("because", reason=one_line(reason, _REASON)) if reason.strip() else ""


def _frozen(state: s.Executing | s.Reporting | s.NeedsHuman, words: Words) -> tuple[Section, ...]:
    by = None if isinstance(state, s.Reporting) else state.frozen_by
    return tuple(Alert(line=line) for line in frozen(by, words))


def _decided(view: RunView, approvals: tuple[Person, ...], words: Words) -> Section:
    at = Moment(view.decided_at or view.updated_at)
    return plain(words.line("decided.approved", who=people(approvals), at=at))


def _what_runs(state: s.NeedsHuman, words: Words) -> Line:
    """What else of the plan may run: nothing before a person's word, and nothing at all after a stop."""
    if state.stopped_by is None:
        return words.line("unknown.nothing_runs")
    return words.line("unknown.stopped", who=who(state.stopped_by))


def _away(state: s.NeedsHuman, words: Words) -> Line:
    """When the database was away while the call was under way: in UTC, for it is what operators look for in logs."""
    outage = state.unknown.outage
    if outage is None:
        return ()
    since, until = (f"{each.astimezone(UTC):%Y-%m-%d %H:%M:%S}" for each in (outage.since, outage.until))
    return words.line("unknown.away", since=since, until=until)


def _still(state: s.NeedsHuman, now: datetime, words: Words) -> Line:
    """Until when nobody may have the call made again."""
    if state.answer_until is None or not state.may_still_happen(now):
        return ()
    return words.line("unknown.still", until=Moment(state.answer_until))


def _words_needed(state: s.NeedsHuman, words: Words) -> list[Line]:
    """Who has said what so far, and what takes more than one person."""
    required = state.approvers_needed
    if required < 2 or state.stopped_by is not None:
        return []
    lines = [words.line("unknown.needs_run_it", required=required)]
    if state.unknown.index + 1 < len(state.plan.calls):
        lines.append(words.line("unknown.needs_happened", required=required, until=Moment(state.valid_until)))
    lines.extend(
        words.line(f"unknown.said_{verdict}", given=len(said), required=required, who=people(said))
        for verdict in _GOING_ON
        if (said := state.who_said(verdict))
    )
    return lines


def _whole_call(state: s.NeedsHuman, words: Words) -> CallList:
    """The call in doubt with everything that was sent, for whoever goes and looks."""
    index = state.unknown.index
    return CallList(calls=(call_item(index + 1, state.plan.calls[index], words, Mark.UNKNOWN),))


def _calls(view: RunView, state: s.Executing | s.Reporting | s.NeedsHuman | s.Finished, words: Words) -> CallList:
    receipts: tuple[Receipt, ...] = state.receipts
    if isinstance(state, s.NeedsHuman):
        receipts = (*receipts, state.unknown)
    items: list[CallItem] = []
    for index, call in enumerate(state.plan.calls):
        mark, line = _receipt(receipts[index], words) if index < len(receipts) else (Mark.WAITING, ())
        if isinstance(state, s.Executing) and index == state.next_index and state.in_flight:
            mark, line = Mark.WORKING, words.line("receipt.running")
        items.append(call_item(index + 1, call, words, mark, joined([line, _took(view, index, words)], " · ")))
    return CallList(calls=tuple(items), is_compact=True)


def _receipt(receipt: Receipt, words: Words) -> tuple[Mark, Line]:
    match receipt:
        case Succeeded(vouched_by=by) if by is not None:
            return Mark.DONE, words.line("receipt.vouched", who=who(by))
        case Succeeded(result=result):
            return Mark.DONE, words.line("receipt.succeeded", result=one_line(result, _RESULT))
        case Failed(reason=reason):
            return Mark.FAILED, words.line("receipt.failed", reason=one_line(reason, _REASON))
        case OutcomeUnknown(reason=reason):
            return Mark.UNKNOWN, words.line("receipt.unknown", reason=one_line(reason, _REASON))
        case Skipped(reason=reason):
            return Mark.SKIPPED, words.line("receipt.skipped", reason=one_line(reason, _REASON))
        case _:
            assert_never(receipt)


def _took(view: RunView, index: int, words: Words) -> Line:
    times = view.calls[index]
    if times.started is None or times.ended is None:
        return ()
    seconds = (times.ended - times.started).total_seconds()
    return (Span(duration(seconds, words), "quiet"),) if seconds >= _WORTH_TELLING else ()


def _count(state: s.Executing | s.Reporting | s.Finished, words: Words) -> Line:
    done = sum(isinstance(receipt, Succeeded) for receipt in state.receipts)
    return words.line("progress.calls", done=done, count=len(state.plan.calls))


def _totals(view: RunView, words: Words) -> list[Line]:
    took = duration(view.elapsed(view.updated_at), words)
    return [words.line("progress.took", duration=took), *spending(view, words)]


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
