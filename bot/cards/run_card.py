"""The card of a run, whatever its state: while agents plan, as calls run, and after every ending."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import assert_never

from bot.cards.break_glass import broken_glass
from bot.cards.grants import grant_menus, on_grants
from bot.cards.known_ids import known_of
from bot.cards.linked_runs import link_buttons, link_lines
from bot.cards.parts import (
    asked_by,
    author,
    call_item,
    frozen,
    identified,
    mention,
    people,
    plain,
    quoted,
    spending,
    target,
    title,
)
from bot.cards.plan_card import attachments, decision_card, outcome_of
from bot.cards.results import in_words, link_of, told_result
from bot.cards.run_view import AgentView, AnsweredNow, DroppedOut, Idle, Retrying, RunView, Thinking, Using, VotedFor
from bot.cards.text import duration, one_line, visible
from bot.i18n import catalog, joined
from bot.message import (
    Action,
    Alert,
    Button,
    CallItem,
    CallList,
    Card,
    Paragraph,
    RichText,
    Section,
    Severity,
    Status,
    StatusList,
    StatusRow,
    StyledText,
    Timestamp,
)
from coordination.domain import states as s
from coordination.domain.ballot import Ballot
from coordination.domain.events import Verdict
from coordination.domain.plan import Failed, OutcomeUnknown, Receipt, Skipped, Succeeded
from coordination.domain.policy import Person

_SHORT_REASON = 120
_QUESTION = 1_000


def planning_card(view: RunView, now: datetime) -> Card:
    """A run that is queued, or being worked on."""
    is_queued = isinstance(view.state, s.Queued | s.ChangesWanted)
    asked = open_questions(view, now)
    return Card(
        severity=Severity.ATTENTION if asked else Severity.WORKING,
        status=catalog.text("status.queued" if is_queued else "status.planning"),
        title=title(view),
        reference=asked_by(view),
        sections=(
            *_feedback(view),
            *(Alert(line=_question(view, each)) for each in asked[:1]),
            StatusList(rows=tuple(agent_row(agent) for agent in view.agents)),
        ),
        buttons=(
            *(_answer_button(view, each) for each in asked[:1]),
            Button(action=Action.CANCEL, label=catalog.text("button.cancel"), target=target(view)),
        ),
        footer=identified(view, None, progress(view, now)),
    )


def open_questions(view: RunView, now: datetime) -> list[s.Question]:
    """What agents wait for an answer to, oldest first. A card has room for one, and shows the next after its answer."""
    state = view.state
    return [each for each in state.questions if each.is_open(now)] if isinstance(state, s.Deliberating) else []


def _question(view: RunView, question: s.Question) -> RichText:
    return catalog.rich(
        "planning.question",
        agent=f"agent{question.agent}",
        who=mention(view.request.requester),
        text=one_line(question.text, _QUESTION),
        until=Timestamp(question.until),
    )


def _answer_button(view: RunView, question: s.Question) -> Button:
    here = target(view, None, question.number)
    return Button(action=Action.ANSWER, label=catalog.text("button.answer"), target=here, weight="main")


def progress(view: RunView, now: datetime) -> RichText:
    """Place in line, round, votes, time, tokens and cost so far."""
    parts: list[RichText] = []
    if isinstance(view.state, s.Queued) and view.place > 1:
        parts.append(catalog.rich("progress.place", number=view.place))
    if view.round:
        parts.append(catalog.rich("progress.round", number=view.round))
    if isinstance(view.state, s.Deliberating) and view.ballot.answers:
        parts.append(_votes(view.ballot))
    parts.append((StyledText(duration(view.elapsed(now))),))
    return joined([*parts, *spending(view)], " · ")


def _votes(ballot: Ballot) -> RichText:
    leading = max(ballot.tally().values(), default=0)
    return catalog.rich("progress.votes", votes=leading, voters=len(ballot.living))


def _feedback(view: RunView) -> tuple[Section, ...]:
    state = view.state
    if not isinstance(state, s.Deliberating | s.ChangesWanted) or not state.feedback:
        return ()
    latest = state.feedback[-1]
    line = catalog.rich("planning.feedback", who=mention(latest.by), text=one_line(latest.text, 300))
    return (Paragraph(lines=(line,)),)


def agent_row(agent: AgentView) -> StatusRow:
    """One agent: its newest answer, and what it does now."""
    doing, status = _doing(agent)
    has_label = agent.answered is not None and not isinstance(agent.doing, AnsweredNow | DroppedOut)
    answered = catalog.rich("agent.answered", label=StyledText(agent.answered or "", "bold")) if has_label else ()
    return StatusRow(label=f"agent{agent.number}", status=status, line=joined([answered, doing], " · "))


def _doing(agent: AgentView) -> tuple[RichText, Status]:
    match agent.doing:
        case Idle():
            return catalog.rich("agent.idle"), Status.WAITING
        case Thinking(why=why):
            return catalog.rich(f"agent.thinking_{why}" if why else "agent.thinking"), Status.WORKING
        case Using(server=server, tool=tool, is_action=is_action):
            key = "agent.recording" if is_action else "agent.reading"
            return catalog.rich(key, tool=StyledText(visible(f"{server}.{tool}"), "code")), Status.WORKING
        case Retrying(reason=reason, wait=wait):
            pause = duration(wait)
            return catalog.rich("agent.retrying", reason=one_line(reason, _SHORT_REASON), wait=pause), Status.WAITING
        case AnsweredNow():
            return catalog.rich("agent.answered", label=StyledText(agent.answered or "", "bold")), Status.DONE
        case VotedFor(choice=choice, is_void=is_void):
            key = "agent.vote_void" if is_void else "agent.voted"
            return catalog.rich(key, choice=f"agent{choice}"), Status.WAITING if is_void else Status.DONE
        case DroppedOut(reason=reason):
            return catalog.rich("agent.out", reason=one_line(reason, _SHORT_REASON)), Status.FAILED
        case _:
            assert_never(agent.doing)


_RESULT = 300
_REASON = 600
_WORTH_TELLING = 0.1
_MOST_TOLD = 3
"""Of each kind of warning; the timeline has all."""
_GOING_ON: tuple[Verdict, ...] = ("run_it", "happened")


def executing_card(view: RunView, state: s.Executing | s.Reporting, now: datetime) -> Card:
    """The approved calls while they run, and while the report is written."""
    is_stopping = isinstance(state, s.Executing) and state.stopped_by is None
    buttons = (Button(action=Action.CANCEL, label=catalog.text("button.cancel"), target=target(view)),)
    return Card(
        severity=Severity.WORKING,
        status=catalog.text("status.executing" if isinstance(state, s.Executing) else "status.reporting"),
        title=title(view),
        reference=asked_by(view, is_linked=True),
        sections=(*_waiting(state), _decided(view, state.approvals), _calls(view, state)),
        buttons=buttons if is_stopping else (),
        footer=identified(view, state.plan, _count(state), (StyledText(duration(view.elapsed(now))),)),
    )


def needs_human_card(view: RunView, state: s.NeedsHuman, now: datetime) -> Card:
    """One call may or may not have happened: the three things that a person can say."""
    index = state.unknown.index
    doubt = catalog.rich(
        "unknown.doubt",
        number=index + 1,
        total=len(state.plan.calls),
        reason=one_line(state.unknown.reason, _REASON).rstrip("."),
    )
    here = target(view, state.plan, index)
    can_be_again = state.stopped_by is None and not state.may_still_happen(now)
    again = (Button(action=Action.RUN_IT, label=catalog.text("button.run_it"), target=here, weight="danger"),)
    return Card(
        severity=Severity.ATTENTION,
        status=catalog.text("status.needs_human"),
        title=title(view),
        reference=asked_by(view, is_linked=True),
        sections=(
            Alert(line=doubt),
            *_waiting(state),
            plain(
                _late(state),
                _away(state),
                _still(state, now),
                _what_runs(state),
                *_resolutions_needed(state),
            ),
            _whole_call(state),
            *_other_calls(view, state),
        ),
        buttons=(
            Button(action=Action.HAPPENED, label=catalog.text("button.happened"), target=here, weight="main"),
            *(again if can_be_again else ()),
            Button(action=Action.ABANDON, label=catalog.text("button.abandon"), target=here),
        ),
        footer=identified(view, state.plan),
        attachments=attachments(view, state.plan),
    )


def _late(state: s.NeedsHuman) -> RichText:
    if not state.late_result:
        return ()
    return catalog.rich("unknown.late", result=one_line(told_result(state.late_result), _RESULT))


def finished_card(view: RunView, state: s.Finished) -> Card:
    """What became of every call, and the winner's report."""
    done = sum(isinstance(receipt, Succeeded) for receipt in state.receipts)
    is_done = done == len(state.plan.calls)
    key = "status.done" if is_done else "status.stopped" if state.stopped_by else "status.incomplete"
    decided = plain(_approved(view, state.approvals), *link_lines(view))
    sections: list[Section] = [decided, replace(_calls(view, state), is_compact=False)]
    if state.report:
        sections += [plain(catalog.rich("report.by", author=author(state.plan.author))), quoted(state.report)]
    return Card(
        severity=Severity.DONE if is_done else Severity.FAILED,
        status=catalog.text(key),
        title=title(view),
        reference=asked_by(view, is_linked=True),
        sections=tuple(sections),
        buttons=(
            *link_buttons(view),
            *_plan_anew(view, state),
            Button(action=Action.DETAILS, label=catalog.text("button.details"), target=target(view, state.plan)),
        ),
        menus=grant_menus(view, state.plan),
        footer=identified(view, state.plan, _count(state), *_totals(view)),
        attachments=attachments(view, state.plan),
    )


def _plan_anew(view: RunView, state: s.Finished) -> tuple[Button, ...]:
    """Where nothing was sent of a plan that was read for: the agents may look at what is there now."""
    if not state.plan.readings or not all(isinstance(receipt, Skipped) for receipt in state.receipts):
        return ()
    return (Button(action=Action.ASK_AGAIN, label=catalog.text("button.ask_again"), target=target(view)),)


def answered_card(view: RunView, state: s.Answered) -> Card:
    """An answer that needs no action."""
    return Card(
        severity=Severity.DONE,
        status=catalog.text("status.answered"),
        title=title(view),
        reference=asked_by(view, is_linked=True),
        sections=(plain(outcome_of(state.election, "answer")), quoted(state.text)),
        footer=identified(view, None, *_totals(view)),
    )


def ended_card(view: RunView, state: s.Rejected | s.Expired | s.Cancelled | s.RunBroken) -> Card:
    """A run that ended without doing anything: who, when, why, and what to do next."""
    plan = state.plan if isinstance(state, s.Rejected | s.Expired) else None
    return Card(
        severity=Severity.FAILED if isinstance(state, s.RunBroken) else Severity.STOPPED,
        status=catalog.text(f"status.{state.kind}"),
        title=title(view),
        reference=asked_by(view, is_linked=True),
        sections=(plain(_ending(view, state), catalog.rich("ended.nothing_ran"), *link_lines(view)),),
        buttons=_once_more(view),
        footer=identified(view, plan, *_totals(view)),
    )


def _once_more(view: RunView) -> tuple[Button, ...]:
    """Of a run that began with a plan nobody asks for the whole request again: its calls are what is left."""
    if view.request.preset is not None:
        return link_buttons(view)
    return (Button(action=Action.ASK_AGAIN, label=catalog.text("button.ask_again"), target=target(view)),)


def _ending(view: RunView, state: s.Rejected | s.Expired | s.Cancelled | s.RunBroken) -> RichText:
    at = Timestamp(view.ended_at or view.updated_at)
    match state:
        case s.Rejected(by=by, reason=reason):
            return catalog.rich("ended.rejected", who=mention(by), at=at, because=_because(reason))
        case s.Cancelled(by=by, reason=reason):
            return catalog.rich("ended.cancelled", who=mention(by), at=at, because=_because(reason))
        case s.Expired(plan=plan):
            return catalog.rich("ended.expired", at=Timestamp(plan.expires_at))
        case s.RunBroken(reason=reason):
            return catalog.rich("ended.failed", reason=one_line(reason, _REASON))
        case _:
            assert_never(state)


def _because(reason: str) -> str:
    return catalog.text("because", reason=one_line(reason, _REASON)) if reason.strip() else ""


def _waiting(state: s.Executing | s.Reporting | s.NeedsHuman) -> tuple[Section, ...]:
    by = None if isinstance(state, s.Reporting) else state.frozen_by
    lines = frozen(by)
    if isinstance(state, s.Executing) and state.waits_for_approvers:
        lines.append(catalog.rich("now.approvers_asked", who=people(state.vouching)))
    if isinstance(state, s.Executing) and state.stopped_by is not None:
        key = "now.cancelled" if state.in_flight is None else "now.cancelled_in_call"
        lines.append(catalog.rich(key, who=mention(state.stopped_by)))
    return tuple(Alert(line=line) for line in lines)


def _decided(view: RunView, approvals: tuple[Person, ...]) -> Section:
    return plain(_approved(view, approvals))


def _approved(view: RunView, approvals: tuple[Person, ...]) -> RichText:
    at = Timestamp(view.decided_at or view.updated_at)
    if view.on_grants:
        return catalog.rich("decided.on_grants", grants=on_grants(view.on_grants), at=at)
    return catalog.rich("decided.approved", who=people(approvals), at=at)


def _what_runs(state: s.NeedsHuman) -> RichText:
    """What else of the plan may run: nothing before a person's word, and nothing at all after a stop."""
    if state.stopped_by is None:
        return catalog.rich("unknown.nothing_runs")
    return catalog.rich("unknown.stopped", who=mention(state.stopped_by))


def _away(state: s.NeedsHuman) -> RichText:
    """When the database was away while the call was under way: in UTC, for it is what operators look for in logs."""
    outage = state.unknown.outage
    if outage is None:
        return ()
    since, until = (f"{each.astimezone(UTC):%Y-%m-%d %H:%M:%S}" for each in (outage.since, outage.until))
    return catalog.rich("unknown.away", since=since, until=until)


def _still(state: s.NeedsHuman, now: datetime) -> RichText:
    """Until when nobody may have the call made again."""
    if state.answer_until is None or not state.may_still_happen(now):
        return ()
    return catalog.rich("unknown.still", until=Timestamp(state.answer_until))


def _resolutions_needed(state: s.NeedsHuman) -> list[RichText]:
    """Who has said what so far, and what takes more than one person."""
    required = state.approvers_needed
    if required < 2 or state.stopped_by is not None:
        return []
    lines = [catalog.rich("unknown.needs_run_it", required=required)]
    if state.unknown.index + 1 < len(state.plan.calls):
        lines.append(catalog.rich("unknown.needs_happened", required=required, until=Timestamp(state.valid_until)))
    lines.extend(
        catalog.rich(f"unknown.said_{verdict}", given=len(said), required=required, who=people(said))
        for verdict in _GOING_ON
        if (said := state.resolvers(verdict))
    )
    return lines


def _whole_call(state: s.NeedsHuman) -> CallList:
    """The call in doubt with everything that was sent, for whoever goes and looks."""
    index = state.unknown.index
    call = state.plan.calls[index]
    known = known_of(state.plan, call)
    return CallList(calls=(call_item(index + 1, call, Status.UNKNOWN, known=known, receipts=state.receipts),))


def _other_calls(view: RunView, state: s.NeedsHuman) -> tuple[CallList, ...]:
    """What the calls before it did, and what those after it would do."""
    others = tuple(call for call in _calls(view, state).calls if call.number != state.unknown.index + 1)
    return (CallList(calls=others, is_settled=True),) if others else ()


def _calls(view: RunView, state: s.Executing | s.Reporting | s.NeedsHuman | s.Finished) -> CallList:
    receipts: tuple[Receipt, ...] = state.receipts
    if isinstance(state, s.NeedsHuman):
        receipts = (*receipts, state.unknown)
    items: list[CallItem] = []
    for index, call in enumerate(state.plan.calls):
        status, line = _receipt(receipts[index]) if index < len(receipts) else (Status.WAITING, ())
        if isinstance(state, s.Executing) and index == state.next_index and state.in_flight:
            status, line = Status.WORKING, catalog.rich("receipt.running")
        outcome, known = joined([line, _took(view, index)], " · "), known_of(state.plan, call)
        item = call_item(index + 1, call, status, outcome, known=known, receipts=receipts[:index])
        items.append(replace(item, link=link_of(receipts[index])) if index < len(receipts) else item)
    return CallList(calls=tuple(items), is_compact=True, is_settled=True)


def _receipt(receipt: Receipt) -> tuple[Status, RichText]:
    match receipt:
        case Succeeded(vouched_by=by) if by is not None:
            return Status.DONE, catalog.rich("receipt.vouched", who=mention(by))
        case Succeeded(result=result):
            return Status.DONE, catalog.rich("receipt.succeeded", result=one_line(in_words(result), _RESULT))
        case Failed(reason=reason):
            return Status.FAILED, catalog.rich("receipt.failed", reason=one_line(reason, _REASON))
        case OutcomeUnknown(reason=reason):
            return Status.UNKNOWN, catalog.rich("receipt.unknown", reason=one_line(reason, _REASON))
        case Skipped(reason=reason):
            return Status.SKIPPED, catalog.rich("receipt.skipped", reason=one_line(reason, _REASON))
        case _:
            assert_never(receipt)


def _took(view: RunView, index: int) -> RichText:
    times = view.calls[index]
    if times.started is None or times.ended is None:
        return ()
    seconds = (times.ended - times.started).total_seconds()
    return (StyledText(duration(seconds), "quiet"),) if seconds >= _WORTH_TELLING else ()


def _count(state: s.Executing | s.Reporting | s.Finished) -> RichText:
    done = sum(isinstance(receipt, Succeeded) for receipt in state.receipts)
    return catalog.rich("progress.calls", done=done, count=len(state.plan.calls))


def _totals(view: RunView) -> list[RichText]:
    took = duration(view.elapsed(view.updated_at))
    return [catalog.rich("progress.took", duration=took), *spending(view)]


def card_for(view: RunView, now: datetime) -> Card:
    """What everybody sees of a run now. Two calls with the same arguments give the same card."""
    card = _card_for(view, now)
    alerts = [] if view.plan is None else [*broken_glass(view, view.plan)]
    alerts += [Alert(line=line) for line in (*_doubtful(view), *_unavailable(view))]
    return replace(card, sections=(*alerts, *card.sections)) if alerts else card


def _doubtful(view: RunView) -> list[RichText]:
    """What ran while agents planned, though its server says that it writes."""
    return [
        catalog.rich("warn.doubtful_read", tool=StyledText(visible(tool), "code"), rule=one_line(rule, _REASON))
        for tool, rule in view.doubtful_reads[:_MOST_TOLD]
    ]


def _unavailable(view: RunView) -> list[RichText]:
    """What agents plan without: optional servers, and tools that they asked for."""
    servers = [
        catalog.rich(
            "warn.server_unavailable",
            server=StyledText(visible(each.server), "code"),
            reason=one_line(each.reason, _REASON),
        )
        for each in view.absent[:_MOST_TOLD]
    ]
    tools = [
        catalog.rich(
            "warn.tool_unavailable",
            agent=f"agent{each.agent}",
            tool=StyledText(visible(f"{each.server}.{each.tool}"), "code"),
            reason=one_line(each.reason, _SHORT_REASON),
        )
        for each in view.unusable[:_MOST_TOLD]
    ]
    return [*servers, *tools]


def _card_for(view: RunView, now: datetime) -> Card:
    match view.state:
        case s.Queued() | s.Deliberating() | s.ChangesWanted():
            return planning_card(view, now)
        case s.AwaitingDecision() as state:
            return decision_card(view, state)
        case s.Executing() | s.Reporting() as state:
            return executing_card(view, state, now)
        case s.NeedsHuman() as state:
            return needs_human_card(view, state, now)
        case s.Finished() as state:
            return finished_card(view, state)
        case s.Answered() as state:
            return answered_card(view, state)
        case s.Rejected() | s.Expired() | s.Cancelled() | s.RunBroken() as state:
            return ended_card(view, state)
        case _:
            assert_never(view.state)
