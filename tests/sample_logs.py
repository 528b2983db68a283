"""Logs of whole runs, for whatever turns a log into something that people see."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from coordination.domain import events as e
from coordination.domain.ballot import Answer, Election, Ending
from coordination.domain.events import RunEvent
from coordination.domain.plan import Plan, PlannedCall
from coordination.domain.policy import Policy
from coordination.domain.transitions import Recorded
from tests.builders import ALICE, REQUESTER, START, a_call

RUN = "7Q4K"
POST = a_call("post_notice", title="Power off on Friday", body="From 14:00 to 16:00.\nSave your work.")
REMOVE = replace(a_call("remove_notice", title="Old notice"), is_destructive=True)
LATER = START + timedelta(days=1)


def recorded(
    events: Sequence[RunEvent], *, run: str = RUN, start: datetime = START, step: float = 1.0
) -> list[Recorded]:
    """The events as a log, one each `step` seconds."""
    return [
        Recorded(run=run, seq=number, at=start + timedelta(seconds=step * (number - 1)), event=event)
        for number, event in enumerate(events, 1)
    ]


def asked(prompt: str = "Tell everyone about the power cut on Friday", agents: int = 2) -> e.RunRequested:
    """A request by rita, as programs wrote it before lineages were kept: such logs must be told for ever."""
    names = tuple(f"agent-{number}" for number in range(1, agents + 1))
    return e.RunRequested(
        tenant="here", prompt=prompt, requester=REQUESTER, config="demo", config_digest="c" * 64, agents=names
    )


def argued(*calls: PlannedCall) -> list[RunEvent]:
    """Two agents read, answer, and vote; agent 2's second answer voids a vote, and wins."""
    return [
        asked(),
        e.DeliberationStarted(revision=1),
        e.TurnStarted(agent=1, turn=1, epoch=0),
        e.TurnStarted(agent=2, turn=1, epoch=0),
        e.ToolRead(agent=1, server="board", tool="list_notices", arguments="{}", excerpt="Power cut"),
        e.ModelUsed(agent=1, model="scripted", input_tokens=1200, cached_tokens=0, output_tokens=300, cost=0.02),
        e.ActionRecorded(agent=1, call=POST),
        e.AnswerAccepted(agent=1, number=1, epoch=1, text="Post it with the times.", calls=(POST,)),
        e.AnswerAccepted(agent=2, number=1, epoch=2, text="Post it.", calls=(POST,)),
        e.TurnStarted(agent=1, turn=2, epoch=2),
        e.VoteCast(agent=1, choice=1, epoch=2, reason="it has the times"),
        e.TurnStarted(agent=2, turn=2, epoch=2),
        e.AnswerAccepted(agent=2, number=2, epoch=3, text="Post it, and take the old one down.", calls=calls),
        e.VoteVoided(agent=1, choice=1, epoch=2, by_epoch=3),
        e.TurnStarted(agent=1, turn=3, epoch=3),
        e.VoteCast(agent=1, choice=2, epoch=3, reason="it takes the old one down"),
        e.TurnStarted(agent=2, turn=3, epoch=3),
        e.VoteCast(agent=2, choice=2, epoch=3, reason="complete"),
    ]


def proposed(
    *calls: PlannedCall,
    policy: Policy | None = None,
    run: str = RUN,
    text: str = "Post it, and take the old one down.",
) -> e.PlanProposed:
    """Agent 2's plan."""
    plan = Plan(
        tenant="here",
        run=run,
        revision=1,
        author="agent2.final",
        text=text,
        calls=calls,
        policy=policy or Policy(roles=("ops",)),
        expires_at=LATER,
    )
    winner = Answer(agent=2, number=2, epoch=3, text=text, calls=calls)
    election = Election(winner=winner, votes=2, voters=2, ending=Ending.CONSENSUS)
    return e.PlanProposed(plan=plan, digest=plan.digest, election=election)


def waiting(*calls: PlannedCall) -> list[Recorded]:
    """A log that ends with a plan that waits."""
    made = calls or (POST, REMOVE)
    return recorded([*argued(*made), proposed(*made)])


def half_approved(*calls: PlannedCall) -> list[Recorded]:
    """A plan that waits for a second approval, after alice's."""
    made = calls or (POST, REMOVE)
    proposal = proposed(*made, policy=Policy(roles=("ops",), required=2))
    return recorded([*argued(*made), proposal, e.ApprovalGiven(by=ALICE, digest=proposal.digest)])


def approved(*calls: PlannedCall, run: str = RUN) -> list[Recorded]:
    """The same, approved by alice."""
    made = calls or (POST, REMOVE)
    proposal = proposed(*made, run=run)
    return recorded([*argued(*made), proposal, e.ApprovalGiven(by=ALICE, digest=proposal.digest)], run=run)


def then(log: Sequence[Recorded], *events: RunEvent) -> list[Recorded]:
    """A log with more events."""
    start = log[-1].at + timedelta(seconds=1)
    more = recorded(events, run=log[-1].run, start=start)
    return [*log, *(replace(each, seq=log[-1].seq + each.seq) for each in more)]


def started(plan: Plan, index: int) -> e.CallStarted:
    """A call of a plan begins."""
    call = plan.calls[index]
    return e.CallStarted(
        index=index, server=call.server, tool=call.tool, arguments=call.arguments, digest=plan.digest, hand="hand"
    )


def succeeded(plan: Plan, index: int, result: str = "posted") -> e.CallSucceeded:
    """A call of a plan was done."""
    call = plan.calls[index]
    return e.CallSucceeded(index=index, server=call.server, tool=call.tool, arguments=call.arguments, result=result)


def unknown(plan: Plan, index: int) -> e.CallOutcomeUnknown:
    """A call of a plan left, and no answer came."""
    call = plan.calls[index]
    reason = "the server stopped answering after it was asked"
    return e.CallOutcomeUnknown(
        index=index, server=call.server, tool=call.tool, arguments=call.arguments, reason=reason
    )


def plan_in(log: Sequence[Recorded]) -> Plan:
    """The plan that a log proposes last."""
    return next(each.event.plan for each in reversed(log) if isinstance(each.event, e.PlanProposed))
