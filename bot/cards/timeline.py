"""The timeline of a run: one line for each event that is worth telling."""

from dataclasses import dataclass
from typing import TypeAlias, assert_never

from bot.cards.grants import on_grants
from bot.cards.parts import mention, people
from bot.cards.results import in_words, link_in, told_result
from bot.cards.run_view import RunView
from bot.cards.text import duration, one_line, visible
from bot.i18n import catalog, joined
from bot.message import Mention, RichText, Status, StyledText, Timestamp
from coordination.domain import events as e
from coordination.domain.ballot import Ballot
from coordination.domain.plan import short

_OfAgent: TypeAlias = (
    e.ToolRead
    | e.ActionRecorded
    | e.ActionWithdrawn
    | e.ToolUnavailable
    | e.AgentCorrected
    | e.ModelRetried
    | e.AnswerAccepted
    | e.VoteCast
    | e.VoteVoided
    | e.AgentFailed
)
_OfCall: TypeAlias = (
    e.CallStarted
    | e.CallSucceeded
    | e.CallFailed
    | e.CallOutcomeUnknown
    | e.LateResult
    | e.ResolutionApproved
    | e.WordsVoided
    | e.CallResolved
)
_OfRun: TypeAlias = (
    e.RunRequested
    | e.DeliberationStarted
    | e.ServerUnavailable
    | e.PlanProposed
    | e.RunAnswered
    | e.ApprovalGiven
    | e.ApprovalWithdrawn
    | e.PlanRejected
    | e.ChangesRequested
    | e.PlanExpired
    | e.ActionRefused
    | e.RulesChanged
    | e.ExecutionFrozen
    | e.ExecutionThawed
    | e.ApproversAsked
    | e.ApproversRead
    | e.GrantGiven
    | e.GrantRevoked
    | e.RunCancelled
    | e.CallsSkipped
    | e.RunFinished
    | e.RunFailed
    | e.RunLinked
)

_Circumstance: TypeAlias = (
    e.ServerUnavailable
    | e.PlanExpired
    | e.RulesChanged
    | e.ExecutionFrozen
    | e.ExecutionThawed
    | e.ApproversAsked
    | e.ApproversRead
)

_REASON = 300
_WHY = 1_000
_RESULT = 160
_ANSWER = 110


@dataclass(frozen=True, kw_only=True)
class TimelineEntry:
    """One line of the story: who it is about (an agent, a call, or nobody), and what happened."""

    about: str
    status: Status
    line: RichText


def timeline_entry(event: e.RunEvent, view: RunView) -> TimelineEntry | None:
    """The line for an event; `view` is the run after it. None where the event is not worth a line."""
    match event:
        case e.TurnStarted() | e.ModelUsed() | e.AgentTold():
            return None
        case e.QuestionAsked() | e.QuestionAnswered() | e.QuestionExpired():
            return _question_entry(event, view)
        case (
            e.ToolRead()
            | e.ActionRecorded()
            | e.ActionWithdrawn()
            | e.ToolUnavailable()
            | e.AgentCorrected()
            | e.ModelRetried()
            | e.AnswerAccepted()
            | e.VoteCast()
            | e.VoteVoided()
            | e.AgentFailed()
        ):
            line, status = _agent_line(event, view)
            return TimelineEntry(about=f"agent{event.agent}", status=status, line=line)
        case (
            e.CallStarted()
            | e.CallSucceeded()
            | e.CallFailed()
            | e.CallOutcomeUnknown()
            | e.LateResult()
            | e.ResolutionApproved()
            | e.WordsVoided()
            | e.CallResolved()
        ):
            line, status = _call_line(event)
            about = catalog.text("timeline.call", number=event.index + 1, total=len(view.calls))
            return TimelineEntry(about=about, status=status, line=line)
        case _:
            line, status = _run_line(event, view)
            return TimelineEntry(about="", status=status, line=line)


def _question_entry(event: e.QuestionAsked | e.QuestionAnswered | e.QuestionExpired, view: RunView) -> TimelineEntry:
    match event:
        case e.QuestionAsked(agent=agent, text=text):
            who = mention(view.request.requester)
            line = catalog.rich("timeline.question", who=who, text=one_line(text, _REASON))
            return TimelineEntry(about=f"agent{agent}", status=Status.WAITING, line=line)
        case e.QuestionAnswered(by=by, text=text):
            line = catalog.rich("timeline.question_answered", who=mention(by), text=one_line(text, _REASON))
            return TimelineEntry(about="", status=Status.DONE, line=line)
        case e.QuestionExpired():
            return TimelineEntry(about="", status=Status.SKIPPED, line=catalog.rich("timeline.question_expired"))
        case _:
            assert_never(event)


def _agent_line(event: _OfAgent, view: RunView) -> tuple[RichText, Status]:
    match event:
        case e.ToolRead() | e.ToolUnavailable():
            return _read_line(event)
        case e.ActionRecorded(call=call) | e.ActionWithdrawn(call=call):
            tool = StyledText(visible(f"{call.server}.{call.tool}"), "code")
            is_withdrawn = isinstance(event, e.ActionWithdrawn)
            key, status = ("withdrawn_action", Status.SKIPPED) if is_withdrawn else ("recorded", Status.WORKING)
            return catalog.rich(f"timeline.{key}", tool=tool), status
        case e.AgentCorrected(reason=reason):
            return catalog.rich("timeline.corrected", reason=one_line(reason, _REASON)), Status.WORKING
        case e.ModelRetried(reason=reason, wait=wait):
            pause = duration(wait)
            return catalog.rich("timeline.retried", reason=one_line(reason, _REASON), wait=pause), Status.WAITING
        case e.AnswerAccepted():
            return _answer_line(event), Status.DONE
        case e.VoteCast():
            choice = StyledText(f"agent{event.choice}", "bold")
            return catalog.rich("timeline.voted", choice=choice, reason=one_line(event.reason, _REASON)), Status.DONE
        case e.VoteVoided():
            newer = _label(view.ballot, event.by_epoch)
            return catalog.rich("timeline.vote_void", choice=f"agent{event.choice}", newer=newer), Status.WAITING
        case e.AgentFailed(reason=reason):
            return catalog.rich("timeline.out", reason=one_line(reason, _REASON)), Status.FAILED
        case _:
            assert_never(event)


def _read_line(event: e.ToolRead | e.ToolUnavailable) -> tuple[RichText, Status]:
    tool = StyledText(visible(f"{event.server}.{event.tool}"), "code")
    if isinstance(event, e.ToolUnavailable):
        reason = one_line(event.reason, _REASON)
        return catalog.rich("timeline.tool_unavailable", tool=tool, reason=reason), Status.FAILED
    if event.doubtful_rule:
        rule = one_line(event.doubtful_rule, _REASON)
        return catalog.rich("timeline.read_doubtful", tool=tool, rule=rule), Status.UNKNOWN
    return catalog.rich("timeline.read_failed" if event.is_error else "timeline.read", tool=tool), Status.WORKING


def _answer_line(event: e.AnswerAccepted) -> RichText:
    label = StyledText(f"agent{event.agent}.{event.number}", "bold")
    text = one_line(event.text, _ANSWER)
    if not event.calls:
        return catalog.rich("timeline.answered", label=label, text=text)
    calls = catalog.text("calls", count=len(event.calls))
    return catalog.rich("timeline.answered_with_plan", label=label, calls=calls, text=text)


def _label(ballot: Ballot, epoch: int) -> str:
    """The label of the answer that opened an epoch."""
    return next(
        (answer.label for answer in ballot.answers if answer.epoch == epoch),
        catalog.text("timeline.answer", number=epoch),
    )


def _call_line(event: _OfCall) -> tuple[RichText, Status]:
    match event:
        case e.CallStarted():
            tool = StyledText(visible(f"{event.server}.{event.tool}"), "code")
            return catalog.rich("timeline.call_started", tool=tool), Status.WORKING
        case e.CallSucceeded(result=result):
            line = catalog.rich("timeline.call_succeeded", result=one_line(in_words(result), _RESULT))
            link = link_in(result)
            return (line if link is None else joined([line, (link,)], " · ")), Status.DONE
        case e.CallFailed(reason=reason):
            return catalog.rich("timeline.call_failed", reason=one_line(reason, _REASON)), Status.FAILED
        case e.CallOutcomeUnknown(reason=reason):
            return catalog.rich("timeline.call_unknown", reason=one_line(reason, _REASON)), Status.UNKNOWN
        case e.LateResult(succeeded=succeeded, result=result):
            key = "timeline.late_success" if succeeded else "timeline.late_failure"
            return catalog.rich(key, result=one_line(told_result(result), _RESULT)), Status.UNKNOWN
        case e.ResolutionApproved(by=by, verdict=verdict):
            return catalog.rich(f"timeline.word_{verdict}", who=mention(by)), Status.WAITING
        case e.WordsVoided(people=voided):
            return catalog.rich("timeline.words_voided", who=people(voided)), Status.WAITING
        case e.CallResolved(by=by, verdict=verdict):
            return catalog.rich(f"timeline.resolved_{verdict}", who=mention(by)), Status.DONE
        case _:
            assert_never(event)


def _run_line(event: _OfRun, view: RunView) -> tuple[RichText, Status]:
    match event:
        case e.RunRequested() | e.RunLinked():
            return _request(event, view), Status.WAITING
        case e.DeliberationStarted():
            return catalog.rich(_beginning(view)), Status.WORKING
        case e.PlanProposed() | e.RunAnswered():
            return _conclusion(event), Status.DONE
        case (
            e.ApprovalGiven()
            | e.GrantGiven()
            | e.GrantRevoked()
            | e.ApprovalWithdrawn()
            | e.PlanRejected()
            | e.ChangesRequested()
            | e.RunCancelled()
            | e.ActionRefused()
        ):
            return _decision(event), Status.DONE
        case (
            e.ServerUnavailable()
            | e.PlanExpired()
            | e.RulesChanged()
            | e.ExecutionFrozen()
            | e.ExecutionThawed()
            | e.ApproversAsked()
            | e.ApproversRead()
        ):
            return _circumstance(event)
        case e.CallsSkipped(indexes=indexes, reason=reason):
            numbers = ", ".join(str(index + 1) for index in indexes)
            said = one_line(reason, _REASON)
            return catalog.rich("timeline.skipped", count=len(indexes), numbers=numbers, reason=said), Status.SKIPPED
        case e.RunFinished(report=report):
            return catalog.rich("timeline.finished" if report else "timeline.finished_without_report"), Status.DONE
        case e.RunFailed(reason=reason):
            return catalog.rich("timeline.failed", reason=one_line(reason, _REASON)), Status.FAILED
        case _:
            assert_never(event)


def _request(event: e.RunRequested | e.RunLinked, view: RunView) -> RichText:
    """Who asked for this run, or for one that follows from it."""
    if isinstance(event, e.RunLinked):
        run = StyledText(visible(event.run), "bold")
        return catalog.rich(f"linked.{event.purpose}", who=mention(event.by), run=run)
    who, run = mention(event.requester), StyledText(visible(view.run), "bold")
    if event.preset is not None:
        before = StyledText(visible(event.preset.run), "bold")
        return catalog.rich(f"timeline.asked_{event.preset.purpose}", who=who, run=run, before=before)
    return catalog.rich("timeline.asked", who=who, prompt=one_line(event.prompt, _ANSWER), run=run)


def _circumstance(event: _Circumstance) -> tuple[RichText, Status]:
    """What is, or became, different around a plan, and nobody said of it."""
    match event:
        case e.ServerUnavailable(server=server, reason=reason):
            name, why = StyledText(visible(server), "code"), one_line(reason, _REASON)
            return catalog.rich("timeline.server_unavailable", server=name, reason=why), Status.FAILED
        case e.PlanExpired(digest=digest):
            return catalog.rich("timeline.expired", plan=short(digest)), Status.SKIPPED
        case e.RulesChanged(now=now):
            return catalog.rich(f"timeline.rules_{now or 'as_before'}"), Status.WAITING
        case e.ExecutionFrozen(by=by):
            return catalog.rich("timeline.frozen", who=mention(by)), Status.WAITING
        case e.ExecutionThawed():
            return catalog.rich("timeline.thawed"), Status.WORKING
        case e.ApproversAsked():
            return catalog.rich("timeline.approvers_asked"), Status.WAITING
        case e.ApproversRead(lost=lost):
            key = "timeline.approvers_lost" if lost else "timeline.approvers_read"
            return catalog.rich(key, who=people(lost)), Status.WAITING
        case _:
            assert_never(event)


def _beginning(view: RunView) -> str:
    if view.restarts:
        return "timeline.picked_up"
    return "timeline.begins" if view.revision == 1 else "timeline.begins_again"


def _conclusion(event: e.PlanProposed | e.RunAnswered) -> RichText:
    match event:
        case e.PlanProposed(plan=plan, digest=digest, chosen_by=by, revised=revised):
            calls = catalog.text("calls", count=len(plan.calls))
            if revised and by is not None:
                return catalog.rich(f"timeline.{revised}", who=mention(by), calls=calls, plan=short(digest))
            return catalog.rich("timeline.proposed", author=visible(plan.author), calls=calls, plan=short(digest))
        case e.RunAnswered(author=author):
            return catalog.rich("timeline.concluded", author=visible(author))
        case _:
            assert_never(event)


def _decision(
    event: e.ApprovalGiven
    | e.GrantGiven
    | e.GrantRevoked
    | e.ApprovalWithdrawn
    | e.PlanRejected
    | e.ChangesRequested
    | e.RunCancelled
    | e.ActionRefused,
) -> RichText:
    person: Mention = mention(event.grant.by if isinstance(event, e.GrantGiven) else event.by)
    match event:
        case e.GrantGiven() | e.GrantRevoked():
            return _grant(event, person)
        case e.ApprovalGiven():
            return _approval(event, person)
        case e.ApprovalWithdrawn(digest=digest):
            return catalog.rich("timeline.withdrawn", who=person, plan=short(digest))
        case e.PlanRejected(digest=digest):
            reason = _because(event.reason)
            return catalog.rich("timeline.rejected", who=person, plan=short(digest), because=reason)
        case e.ChangesRequested(digest=digest, text=text):
            return catalog.rich("timeline.changes", who=person, plan=short(digest), text=one_line(text, _REASON))
        case e.RunCancelled(reason=reason):
            return catalog.rich("timeline.cancelled", who=person, because=_because(reason))
        case e.ActionRefused(act=act, refusal=refusal):
            return _refusal(person, act, refusal)
        case _:
            assert_never(event)


def _approval(event: e.ApprovalGiven, person: Mention) -> RichText:
    plan, reason = short(event.digest), event.break_glass
    if event.grants:
        return catalog.rich("timeline.on_grants", grants=on_grants(event.grants), plan=plan)
    if reason is not None:
        return catalog.rich("timeline.break_glass", who=person, plan=plan, reason=one_line(reason, _WHY))
    return catalog.rich("timeline.approved", who=person, plan=plan)


def _grant(event: e.GrantGiven | e.GrantRevoked, person: Mention) -> RichText:
    if isinstance(event, e.GrantRevoked):
        return catalog.rich("timeline.grant_revoked", who=person, grant=visible(event.grant))
    grant, number = event.grant, event.index + 1
    return catalog.rich(
        "timeline.granted",
        who=person,
        number=number,
        grant=visible(grant.id),
        most=grant.most,
        until=Timestamp(grant.until),
    )


def _refusal(person: Mention, act: str, refusal: str) -> RichText:
    """What somebody wanted, and why not, as their names in the log say it."""
    return catalog.rich(
        "timeline.refused",
        who=person,
        act=catalog.text(f"act.{act}") if catalog.has(f"act.{act}") else visible(act),
        refusal=catalog.text(f"why_not.{refusal}") if catalog.has(f"why_not.{refusal}") else visible(refusal),
    )


def _because(reason: str) -> str:
    return catalog.text("because", reason=one_line(reason, _REASON)) if reason.strip() else ""
