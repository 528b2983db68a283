"""The timeline of a run: one line for each event that is worth telling."""

from dataclasses import dataclass
from typing import TypeAlias, assert_never

from bot.cards.parts import people, who
from bot.cards.run_view import RunView
from bot.cards.text import duration, one_line, visible
from bot.i18n import ENGLISH, Words
from bot.message import Line, Mark, Span, Who
from coordination.domain import events as e
from coordination.domain.ballot import Ballot
from coordination.domain.plan import short

_OfAgent: TypeAlias = (
    e.ToolRead
    | e.ActionRecorded
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
    | e.PlanProposed
    | e.RunAnswered
    | e.ApprovalGiven
    | e.PlanRejected
    | e.ChangesRequested
    | e.PlanExpired
    | e.ActionRefused
    | e.RulesChanged
    | e.ExecutionFrozen
    | e.ExecutionThawed
    | e.RunCancelled
    | e.CallsSkipped
    | e.RunFinished
    | e.RunFailed
)

_REASON = 300
_RESULT = 160
_ANSWER = 110


@dataclass(frozen=True, kw_only=True)
class Told:
    """One line of the story: who it is about (an agent, a call, or nobody), and what happened."""

    about: str
    mark: Mark
    line: Line


def story_of(event: e.RunEvent, view: RunView, words: Words = ENGLISH) -> Told | None:
    """The line for an event; `view` is the run after it. None where the event is not worth a line."""
    match event:
        case e.TurnStarted() | e.ModelUsed() | e.AgentTold():
            return None
        case (
            e.ToolRead()
            | e.ActionRecorded()
            | e.AgentCorrected()
            | e.ModelRetried()
            | e.AnswerAccepted()
            | e.VoteCast()
            | e.VoteVoided()
            | e.AgentFailed()
        ):
            line, mark = _agent_line(event, view, words)
            return Told(about=f"agent{event.agent}", mark=mark, line=line)
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
            line, mark = _call_line(event, words)
            about = words.say("story.call", number=event.index + 1, total=len(view.calls))
            return Told(about=about, mark=mark, line=line)
        case _:
            line, mark = _run_line(event, view, words)
            return Told(about="", mark=mark, line=line)


def _agent_line(event: _OfAgent, view: RunView, words: Words) -> tuple[Line, Mark]:
    match event:
        case e.ToolRead():
            key = "story.read_failed" if event.is_error else "story.read"
            tool = Span(visible(f"{event.server}.{event.tool}"), "code")
            return words.line(key, tool=tool), Mark.WORKING
        case e.ActionRecorded(call=call):
            tool = Span(visible(f"{call.server}.{call.tool}"), "code")
            return words.line("story.recorded", tool=tool), Mark.WORKING
        case e.AgentCorrected(reason=reason):
            return words.line("story.corrected", reason=one_line(reason, _REASON)), Mark.WORKING
        case e.ModelRetried(reason=reason, wait=wait):
            pause = duration(wait, words)
            return words.line("story.retried", reason=one_line(reason, _REASON), wait=pause), Mark.WAITING
        case e.AnswerAccepted():
            return _answer_line(event, words), Mark.DONE
        case e.VoteCast():
            choice = Span(f"agent{event.choice}", "bold")
            return words.line("story.voted", choice=choice, reason=one_line(event.reason, _REASON)), Mark.DONE
        case e.VoteVoided():
            newer = _label(view.ballot, event.by_epoch, words)
            return words.line("story.vote_void", choice=f"agent{event.choice}", newer=newer), Mark.WAITING
        case e.AgentFailed(reason=reason):
            return words.line("story.out", reason=one_line(reason, _REASON)), Mark.FAILED
        case _:
            assert_never(event)


def _answer_line(event: e.AnswerAccepted, words: Words) -> Line:
    label = Span(f"agent{event.agent}.{event.number}", "bold")
    text = one_line(event.text, _ANSWER)
    if not event.calls:
        return words.line("story.answered", label=label, text=text)
    calls = words.say("calls", count=len(event.calls))
    return words.line("story.answered_with_plan", label=label, calls=calls, text=text)


def _label(ballot: Ballot, epoch: int, words: Words) -> str:
    """The label of the answer that opened an epoch."""
    return next(
        (answer.label for answer in ballot.answers if answer.epoch == epoch), words.say("story.answer", number=epoch)
    )


def _call_line(event: _OfCall, words: Words) -> tuple[Line, Mark]:
    match event:
        case e.CallStarted():
            tool = Span(visible(f"{event.server}.{event.tool}"), "code")
            return words.line("story.call_started", tool=tool), Mark.WORKING
        case e.CallSucceeded(result=result):
            return words.line("story.call_succeeded", result=one_line(result, _RESULT)), Mark.DONE
        case e.CallFailed(reason=reason):
            return words.line("story.call_failed", reason=one_line(reason, _REASON)), Mark.FAILED
        case e.CallOutcomeUnknown(reason=reason):
            return words.line("story.call_unknown", reason=one_line(reason, _REASON)), Mark.UNKNOWN
        case e.LateResult(succeeded=succeeded, result=result):
            key = "story.late_success" if succeeded else "story.late_failure"
            return words.line(key, result=one_line(result, _RESULT)), Mark.UNKNOWN
        case e.ResolutionApproved(by=by, verdict=verdict):
            return words.line(f"story.word_{verdict}", who=who(by)), Mark.WAITING
        case e.WordsVoided(people=voided):
            return words.line("story.words_voided", who=people(voided)), Mark.WAITING
        case e.CallResolved(by=by, verdict=verdict):
            return words.line(f"story.resolved_{verdict}", who=who(by)), Mark.DONE
        case _:
            assert_never(event)


def _run_line(event: _OfRun, view: RunView, words: Words) -> tuple[Line, Mark]:
    match event:
        case e.RunRequested(requester=requester, prompt=prompt):
            said = one_line(prompt, _ANSWER)
            return words.line(
                "story.asked", who=who(requester), prompt=said, run=Span(visible(view.run), "bold")
            ), Mark.WAITING
        case e.DeliberationStarted():
            return words.line(_beginning(view)), Mark.WORKING
        case e.PlanProposed() | e.RunAnswered():
            return _conclusion(event, words), Mark.DONE
        case e.ApprovalGiven() | e.PlanRejected() | e.ChangesRequested() | e.RunCancelled() | e.ActionRefused():
            return _decision(event, words), Mark.DONE
        case e.PlanExpired() | e.RulesChanged() | e.ExecutionFrozen() | e.ExecutionThawed():
            return _circumstance(event, words)
        case e.CallsSkipped(indexes=indexes, reason=reason):
            numbers = ", ".join(str(index + 1) for index in indexes)
            said = one_line(reason, _REASON)
            return words.line("story.skipped", count=len(indexes), numbers=numbers, reason=said), Mark.SKIPPED
        case e.RunFinished(report=report):
            return words.line("story.finished" if report else "story.finished_without_report"), Mark.DONE
        case e.RunFailed(reason=reason):
            return words.line("story.failed", reason=one_line(reason, _REASON)), Mark.FAILED
        case _:
            assert_never(event)


def _circumstance(
    event: e.PlanExpired | e.RulesChanged | e.ExecutionFrozen | e.ExecutionThawed, words: Words
) -> tuple[Line, Mark]:
    """What became different around a plan, and nobody said of it."""
    match event:
        case e.PlanExpired(digest=digest):
            return words.line("story.expired", plan=short(digest)), Mark.SKIPPED
        case e.RulesChanged(now=now):
            return words.line(f"story.rules_{now or 'as_before'}"), Mark.WAITING
        case e.ExecutionFrozen(by=by):
            return words.line("story.frozen", who=who(by)), Mark.WAITING
        case e.ExecutionThawed():
            return words.line("story.thawed"), Mark.WORKING
        case _:
            assert_never(event)


def _beginning(view: RunView) -> str:
    if view.restarts:
        return "story.picked_up"
    return "story.begins" if view.revision == 1 else "story.begins_again"


def _conclusion(event: e.PlanProposed | e.RunAnswered, words: Words) -> Line:
    match event:
        case e.PlanProposed(plan=plan, digest=digest):
            calls = words.say("calls", count=len(plan.calls))
            return words.line("story.proposed", author=plan.author, calls=calls, plan=short(digest))
        case e.RunAnswered(author=author):
            return words.line("story.concluded", author=author)
        case _:
            assert_never(event)


def _decision(
    event: e.ApprovalGiven | e.PlanRejected | e.ChangesRequested | e.RunCancelled | e.ActionRefused, words: Words
) -> Line:
    person: Who = who(event.by)
    match event:
        case e.ApprovalGiven(digest=digest):
            return words.line("story.approved", who=person, plan=short(digest))
        case e.PlanRejected(digest=digest):
            reason = _because(event.reason, words)
            return words.line("story.rejected", who=person, plan=short(digest), because=reason)
        case e.ChangesRequested(digest=digest, text=text):
            return words.line("story.changes", who=person, plan=short(digest), text=one_line(text, _REASON))
        case e.RunCancelled(reason=reason):
            return words.line("story.cancelled", who=person, because=_because(reason, words))
        case e.ActionRefused(act=act, refusal=refusal):
            return _refusal(person, act, refusal, words)
        case _:
            assert_never(event)


def _refusal(person: Who, act: str, refusal: str, words: Words) -> Line:
    """What somebody wanted, and why not, as their names in the log say it."""
    return words.line(
        "story.refused",
        who=person,
        act=words.say(f"act.{act}") if f"act.{act}" in words.texts else visible(act),
        refusal=words.say(f"why_not.{refusal}") if f"why_not.{refusal}" in words.texts else visible(refusal),
    )


def _because(reason: str, words: Words) -> str:
    return words.say("because", reason=one_line(reason, _REASON)) if reason.strip() else ""
