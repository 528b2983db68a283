"""What people make of a plan that waits, without agents: another agent's, some of its calls, or one call changed."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from coordination.current_rules import context_of, ruling_now, tightened
from coordination.declared_results import fits
from coordination.domain.canonical_json import Json, JsonObject, canonical, parse, rounded_number
from coordination.domain.events import ActionRecorded, PlanProposed, Revised, RunRequested
from coordination.domain.judgement import keeps_what_was_read
from coordination.domain.plan import Plan, PlannedCall, only, over_cap, without_dependents
from coordination.domain.policy import Person, Policy, Refusal
from coordination.domain.provenance import origins_left
from coordination.domain.references import MARK, Reference, WrongReferenceError, split
from coordination.domain.states import AwaitingDecision
from coordination.domain.tool_rules import Effect, Ruling
from coordination.domain.transitions import Recorded
from coordination.errors import InvalidJsonError, RefusedError
from coordination.run_options import RunProfile
from coordination.text import Text


def plan_chosen(
    state: AwaitingDecision, agent: int, by: Person, rules: RunProfile | None, now: datetime
) -> PlanProposed | Refusal:
    """Another agent's newest plan in place of the waiting one, under the same rule, with what its own calls need.

    `rules` are those of now, where they differ.
    """
    answer = state.ballot.newest().get(agent)
    if answer is None or not answer.calls:
        return Refusal.NOTHING_TO_DECIDE
    plan = replace(state.plan, author=answer.label, text=answer.text, calls=answer.calls)
    plan = _next_revision(state, plan, replace(plan.policy, quorums=()), rules, now)
    election = replace(state.election, winner=answer, votes=state.ballot.tally().get(agent, 0))
    return PlanProposed(plan=plan, digest=plan.digest, election=election, chosen_by=by)


def plan_selected(
    state: AwaitingDecision, indexes: Sequence[int], by: Person, rules: RunProfile | None, now: datetime
) -> PlanProposed:
    """The plan with only these of its calls, unchanged and in order, without those that refer to a dropped one.

    Raises:
        RefusedError: it has no such calls, or they are all, or none that can be had without the others.
    """
    calls = state.plan.calls
    kept = without_dependents(calls, indexes)
    if not kept or len(kept) == len(calls) or any(index not in range(len(calls)) for index in indexes):
        raise RefusedError(
            "no_selection",
            Text("Select some of the plan's {count} calls, but not all of them.", count=len(calls)),
        )
    plan = replace(state.plan, calls=only(calls, kept))
    plan = _next_revision(state, plan, replace(plan.policy, quorums=()), rules, now)
    refers = any(call.references for call in calls)
    return replace(_revised(state, plan, by, "selected"), kept=kept if refers else ())


def plan_edited(
    state: AwaitingDecision, index: int, call: PlannedCall, by: Person, rules: RunProfile | None, now: datetime
) -> PlanProposed:
    """The plan with one call in the place of another; `edited_call` makes it."""
    calls = state.plan.calls
    plan = replace(state.plan, calls=(*calls[:index], call, *calls[index + 1 :]))
    if over_cap(plan.calls) is not None:
        raise RefusedError("denied", Text("The rules allow no more calls of this kind in a plan."))
    return _revised(state, _next_revision(state, plan, plan.policy, rules, now), by, "edited")


def _next_revision(
    state: AwaitingDecision, plan: Plan, policy: Policy, rules: RunProfile | None, now: datetime
) -> Plan:
    """A plan under this rule, with what its calls need, and what they need by the rules of now."""
    plan = replace(plan, revision=state.plan.revision + 1, policy=policy.with_needs(plan.needs))
    if rules is not None:
        plan = replace(plan, policy=tightened(plan, state.request, rules))
    return replace(plan, expires_at=now + timedelta(seconds=plan.policy.expires_after))


def _revised(state: AwaitingDecision, plan: Plan, by: Person, revised: Revised) -> PlanProposed:
    return PlanProposed(
        plan=plan,
        digest=plan.digest,
        election=state.election,
        written_after_vote=state.written_after_vote,
        chosen_by=by,
        revised=revised,
    )


def with_argument(call: PlannedCall, name: str, text: str) -> str:
    """A call's arguments as JSON with another value of one: a text as it is written, anything else as JSON.

    Raises:
        RefusedError: the call has no such argument, or what is no text is no JSON either.
    """
    arguments = call.written()
    if name not in arguments:
        raise RefusedError("no_argument", Text("This call has no argument {name}.", name=name))
    value: Json = text
    if not isinstance(arguments[name], str):
        value = _parsed(text)
    return canonical({**arguments, name: value})


def _parsed(text: str) -> Json:
    try:
        value = parse(text)
    except InvalidJsonError as error:
        raise RefusedError("bad_argument", Text("This is not JSON: {why}.", why=str(error))) from None
    if (number := rounded_number(text)) is not None:
        raise RefusedError(
            "bad_argument",
            Text(
                "The number {number} would be rounded. Use one that a double can represent exactly.",
                number=number[:100],
            ),
        )
    return value


async def edited_call(plan: Plan, index: int, text: str, log: Sequence[Recorded], profile: RunProfile) -> PlannedCall:
    """A call of a plan with these arguments, where its tool takes them and the rules that the run began with allow it.

    It needs people, though the call that the agent planned may have needed none.

    Raises:
        RefusedError: the plan has no such call, nothing would change, or the arguments are not to be had.
    """
    if index not in range(len(plan.calls)):
        raise RefusedError("no_call", Text("This plan has no call {number}.", number=index + 1))
    call = plan.calls[index]
    arguments, references = _split(call, text)
    written = canonical(arguments)
    if (written, references) == (call.arguments, call.references):
        raise RefusedError("nothing_changed", Text("Nothing would change."))
    unknown = frozenset(each.argument for each in references)
    await _check_fit(call, arguments, unknown, log)
    context = context_of(_request_in(log), arguments, unknown)
    agent = profile.agents[int(plan.author.removeprefix("agent").partition(".")[0]) - 1]
    origins = None if call.origins is None else origins_left(call.origins, written)
    told = ruling_now(call.server, call.tool, agent.id, profile, context)
    ruling = told.with_origins(None if references else origins)
    if ruling.effect is Effect.DENY:
        raise RefusedError("denied", Text("The rules forbid this call with these arguments."))
    edited = replace(
        call,
        arguments=written,
        references=references,
        is_automatic=False,
        says=ruling.says,
        needs=call.needs.and_also(ruling.needs),
        origins=origins,
    )
    if not keeps_what_was_read(call, edited) or _is_unseen(plan, edited, ruling):
        raise RefusedError(
            "unread", Text("The rules require an agent to first read what this call changes. Request changes instead.")
        )
    return edited


def _request_in(log: Sequence[Recorded]) -> RunRequested:
    match log[0].event:
        case RunRequested() as request:
            return request
        case _:
            raise RefusedError("no_call", Text("This plan has no call {number}.", number=1))


def _split(call: PlannedCall, text: str) -> tuple[JsonObject, tuple[Reference, ...]]:
    """The arguments that a person wrote, and which of the call's own references are left in them: people add none.

    Raises:
        RefusedError: it is no JSON object, or there is another reference.
    """
    arguments = _parsed(text)
    if not isinstance(arguments, Mapping):
        raise RefusedError("bad_argument", Text("The arguments must be one JSON object."))
    with contextlib.suppress(WrongReferenceError):
        literal, references = split(arguments)
        if set(references) <= set(call.references):
            return literal, references
    raise RefusedError(
        "bad_argument",
        Text(
            "Only an agent can plan a call that takes what another one returns, which is what {mark} means. Request "
            "changes instead.",
            mark=MARK,
        ),
    )


def _is_unseen(plan: Plan, edited: PlannedCall, ruling: Ruling) -> bool:
    """Whether rules want something read for the edited call that the plan has no reading of, or never was to have."""
    if any(each not in edited.previews and (each.required or not each.describes) for each in ruling.previews):
        return True
    readings = [plan.reading_of(asked) for preview, asked in edited.questions() if preview.required]
    return any(each is None or not each.is_known for each in readings)


async def _check_fit(
    call: PlannedCall, arguments: JsonObject, unknown: frozenset[str], log: Sequence[Recorded]
) -> None:
    schema = next(
        (
            recorded.event.input_schema
            for recorded in log
            if isinstance(recorded.event, ActionRecorded)
            and (recorded.event.call.server, recorded.event.call.tool) == (call.server, call.tool)
            and recorded.event.call.definition == call.definition
            and recorded.event.input_schema
        ),
        "",
    )
    parsed = parse(schema) if schema else None
    found = await fits(parsed, arguments, unknown) if isinstance(parsed, dict) else None
    if found is None or not found.is_checked:
        raise RefusedError(
            "unchecked",
            Text(
                "The arguments of {tool} can't be checked here, so they can't be edited. Request changes instead.",
                tool=call.tool,
            ),
        )
    if found.fault is not None:
        raise RefusedError("bad_argument", Text("The arguments do not fit the tool: {fault}.", fault=found.fault))
