"""Approved calls, one after the other, each at most once. The only user of an Executor; no model comes near it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import TypeAlias

from coordination.domain.canonical_json import parse
from coordination.domain.day_caps import Caps, lowest
from coordination.domain.events import (
    CallFailed,
    CallOutcomeUnknown,
    CallsSkipped,
    CallStarted,
    CallSucceeded,
    LateResult,
    RunEvent,
)
from coordination.domain.plan import Outage, PlannedCall, Succeeded, arguments_to_send, paths_wanted
from coordination.domain.references import MAX_VALUE, returned
from coordination.domain.states import Executing, RunState
from coordination.errors import DayCapError, GrantVoidError, ToolServerError
from coordination.json_schema import verdict
from coordination.ports import CallNotSentError, CallOutcomeUnknownError, Clock, Executor, ToolOutput
from coordination.ports.tools import left_out, remark
from coordination.run_writer import RunMoved, RunWriter, told
from coordination.text import Text

MAX_RESULT = 20_000
"""Characters of a call's result that the log keeps."""

GRACE = 8.0
"""Seconds that a call under way has left where a person waits for the program to end: its answer saves a question."""

FROZEN_LOOK = 2.0
"""Seconds between looks whether what is frozen may go on."""

APPROVERS_LOOK = 1.0
"""Seconds between looks whether somebody has asked the chat about those who approved."""

UNBOUND = Text(
    "the plan was made by an earlier version of this program, which did not record its servers' settings: "
    "what did not run needs a new plan"
)

INTERRUPTED = Text("the worker that started the call stopped before it could record the result")


def settings_changed(call: PlannedCall) -> Text:
    """What people are told of a plan whose server is another one by now."""
    return Text(
        "the settings of the MCP server {server} have changed since the plan was made "
        "(its address, account, command or program): what did not run needs a new plan",
        server=call.server,
    )


Guard: TypeAlias = Callable[[Executing], Awaitable[RunEvent | Caps | None]]
"""Looks, before a call, at what holds now; gives what happens in place of the call, or the caps that it counts for."""


async def unguarded(state: Executing) -> None:
    """A guard that lets every call run."""
    del state


AwayAfter: TypeAlias = Callable[[datetime], Awaitable[Outage | None]]
"""The newest time that the database was away and back again since a moment, if it was."""


async def never_away(moment: datetime) -> None:
    """For a log that is never away."""
    del moment


_UNLIMITED: Mapping[str, float] = MappingProxyType({})


async def execute(
    writer: RunWriter,
    executor: Executor,
    clock: Clock,
    hand: str,
    *,
    guard: Guard = unguarded,
    limits: Mapping[str, float] = _UNLIMITED,
    away_after: AwayAfter = never_away,
    grace: float = GRACE,
) -> None:
    """Run what is left of an approved plan. `hand` is this attempt's own name, never used before.

    `limits` has, by server, the seconds after which a call is given up; `grace`: what a call under way has left when we
    are told to stop.

    Returns when there is nothing more to run without a person.
    """
    while isinstance(state := writer.state, Executing):
        try:
            if state.in_flight is None:
                await _advance(writer, state, executor, clock, hand, guard=guard, limits=limits, grace=grace)
            else:
                # Not our call, for ours have ended when we come here. Whoever started it is gone, or is taken for
                # gone; either way nobody can know how far it got, nor whether it goes on.
                outage = None if state.started_at is None else await away_after(state.started_at)
                lost = unknown(state, INTERRUPTED)
                await writer.commit(replace(lost, answer_until=state.answer_until, outage=outage))
        except RunMoved:
            if writer.state is state:  # Nobody moved it: this would go on for ever.
                raise


async def _advance(
    writer: RunWriter,
    state: Executing,
    executor: Executor,
    clock: Clock,
    hand: str,
    *,
    guard: Guard = unguarded,
    limits: Mapping[str, float] = _UNLIMITED,
    grace: float = GRACE,
) -> None:
    reason = _reason_to_stop(state, clock) or await _changed(executor, state.plan.calls[state.next_index :])
    if reason is not None:
        await _skip_rest(writer, state, reason)
        return
    found = await guard(state)
    if found is not None and not isinstance(found, tuple):
        await writer.commit(found)
        return
    if state.frozen_by is not None or state.waits_for_approvers:
        await clock.sleep(FROZEN_LOOK if state.frozen_by is not None else APPROVERS_LOOK)
        await writer.refresh()
        return
    call = state.plan.calls[state.next_index]
    objection = await _objection(executor, call)
    objection = objection or await _unfit(executor, state)
    if objection is not None:
        await writer.commit(_failed(state, objection, nothing_happened=True))
        return
    started = await _begun(writer, state, _started(state, hand, limits.get(call.server, 0.0), found or ()), guard)
    if started is None:
        return
    late = _too_late(started, clock)
    if late is not None:
        await writer.commit(_failed(state, late, nothing_happened=True))
        return
    await _call(writer, state, executor, hand, left=_left(started, clock), grace=grace)


async def _begun(writer: RunWriter, state: Executing, start: CallStarted, guard: Guard) -> RunState | None:
    """The state with a call's start on record; None: others were first, and what follows from that is on record."""
    try:
        return await writer.commit(start)
    except DayCapError as error:  # Another run has started one meanwhile.
        await _skip_rest(writer, state, error.text)
    except GrantVoidError as error:  # It was revoked, or used elsewhere, meanwhile: the guard says what follows.
        instead = await guard(state)
        if instead is None or isinstance(instead, tuple):
            await _skip_rest(writer, state, error.text)
        else:
            await writer.commit(instead)
    return None


async def _skip_rest(writer: RunWriter, state: Executing, reason: Text) -> None:
    rest = tuple(range(state.next_index, len(state.plan.calls)))
    await writer.commit(CallsSkipped(indexes=rest, reason=reason))


def _too_late(started: RunState, clock: Clock) -> Text | None:
    """Why a call whose start is on record must not be sent: the database kept us waiting, or we were frozen."""
    if not isinstance(started, Executing):
        return None
    if started.answer_until is not None and started.answer_until <= clock.now():  # Others may have had it made since.
        return Text("not sent: the call's time limit passed before it could be sent")
    if started.valid_until <= clock.now():
        return Text("not sent: the approval expired before the call could start")
    return None


def _left(started: RunState, clock: Clock) -> float | None:
    """Seconds until people may have a call made again whose start is on record; None: there is no such moment."""
    until = started.answer_until if isinstance(started, Executing) else None
    return None if until is None else (until - clock.now()).total_seconds()


def _started(state: Executing, hand: str, limit: float, caps: Caps) -> CallStarted:
    call = state.plan.calls[state.next_index]
    return CallStarted(
        index=state.next_index,
        server=call.server,
        tool=call.tool,
        arguments=_arguments(state),
        digest=state.plan.digest,
        hand=hand,
        limit=limit,
        per_day=lowest(call.needs.per_day, caps),
        grants=state.next_grants,
    )


def _reason_to_stop(state: Executing, clock: Clock) -> Text | None:
    if state.stopped_by is not None:
        return Text("{person} cancelled the run", person=state.stopped_by.name)
    if any(not isinstance(receipt, Succeeded) for receipt in state.receipts):
        return Text("an earlier call failed")
    if clock.now() >= state.valid_until:
        return Text("the approval had expired before this call could start")
    return None


async def _changed(executor: Executor, calls: Sequence[PlannedCall]) -> Text | None:
    """Why none of these calls may start: one of their servers is not as it was when the plan was made."""
    for call in calls:
        with contextlib.suppress(ToolServerError):  # It is said of the call itself when its turn comes.
            if await executor.settings_digest(call.server) != call.settings:
                return settings_changed(call) if call.settings else UNBOUND
    return None


async def _objection(executor: Executor, call: PlannedCall) -> Text | None:
    """Why this call must not start: the tool is not what people approved, or can't be asked."""
    try:
        definition = await executor.definition_digest(call.server, call.tool, call.definition)
    except ToolServerError as error:
        return Text("not sent: {why}", why=error.text)
    if definition is None:
        return Text("not sent: {server} no longer has a tool {tool}", server=call.server, tool=call.tool)
    if definition != call.definition:
        return Text(
            "not sent: the definition of {server}.{tool} has changed since the call was planned",
            server=call.server,
            tool=call.tool,
        )
    return None


async def _unfit(executor: Executor, state: Executing) -> Text | None:
    """Why what earlier calls returned can't be sent where the next call refers to it."""
    call = state.plan.calls[state.next_index]
    if not call.references:
        return None
    arguments = arguments_to_send(call, state.receipts)
    if arguments is None:
        sources = sorted({f"{each.call + 1} {each.path}" for each in call.references})
        return Text(
            "not sent: an earlier call did not return what this one takes from it ({sources}), or not as a number, a "
            "boolean or at most {limit} ASCII characters without spaces",
            sources=", ".join(sources),
            limit=MAX_VALUE,
        )
    try:
        schema, given = await executor.input_schema(call.server, call.tool), parse(arguments)
    except ToolServerError as error:
        return Text("not sent: {why}", why=error.text)
    found = await verdict(schema, given) if schema is not None and isinstance(given, Mapping) else None
    if found is None or not found.is_checked:
        return Text(
            "not sent: it can't be checked whether {tool} accepts what an earlier call returned", tool=call.tool
        )
    if found.fault is not None:
        return Text("not sent: what an earlier call returned does not fit the tool: {fault}", fault=found.fault)
    return None


async def _call(
    writer: RunWriter, state: Executing, executor: Executor, hand: str, *, left: float | None, grace: float
) -> None:
    index = state.next_index
    call = state.plan.calls[index]
    key = f"{state.plan.digest[:32]}-{index}-{state.attempt}"
    sent = replace(call, arguments=_arguments(state), references=())
    until = writer.state.answer_until if isinstance(writer.state, Executing) else None
    calling = asyncio.ensure_future(executor.call(sent, key, left))
    was_cancelled = await _answered(calling, grace)
    end: CallSucceeded | CallFailed | CallOutcomeUnknown
    try:
        output = calling.result()
    except CallNotSentError as error:
        end = _failed(state, Text("not sent: {why}", why=error.text), nothing_happened=True)
    except CallOutcomeUnknownError as error:
        end = replace(unknown(state, error.text), answer_until=until if error.may_go_on else None)
    except Exception as error:  # noqa: BLE001 - whatever it was, it may have come after the call had left
        end = unknown(state, told(Text("the call"), error))
    else:
        end = _succeeded(state, output)
        if output.is_error:
            end = _failed(state, _fit(output.text), nothing_happened=output.nothing_happened)
    try:
        # Only as the end of the call that this hand started: people may have let another start in the meantime.
        await writer.commit(end, only_if=lambda now: isinstance(now, Executing) and now.in_flight == hand)
    except RunMoved:
        # Another worker took us for dead and declared the outcome unknown. The truth is kept beside that.
        if not isinstance(end, CallOutcomeUnknown):
            result = end.result if isinstance(end, CallSucceeded) else end.reason
            succeeded = isinstance(end, CallSucceeded)
            await writer.commit(LateResult(index=index, succeeded=succeeded, result=result))
    if was_cancelled:
        raise asyncio.CancelledError


async def _answered(calling: "asyncio.Future[ToolOutput]", grace: float) -> bool:
    """Wait for a call's answer. Returns whether we were told to stop meanwhile; then it has `grace` left to end well.

    Raises:
        asyncio.CancelledError: we were told to stop, and no answer came; the next worker will have to ask a person.
    """
    try:
        await asyncio.wait({calling})
    except asyncio.CancelledError:
        await asyncio.wait({calling}, timeout=grace)
        if not calling.done():
            calling.cancel()
            raise
        return True
    return False


def _arguments(state: Executing) -> str:
    """The arguments that leave with the next call; those that it has for itself where something is missing."""
    call = state.plan.calls[state.next_index]
    return arguments_to_send(call, state.receipts) or call.arguments


def _succeeded(state: Executing, output: ToolOutput) -> CallSucceeded:
    index = state.next_index
    call = state.plan.calls[index]
    return CallSucceeded(
        index=index,
        server=call.server,
        tool=call.tool,
        arguments=_arguments(state),
        result=_fit(output.text),
        returned=returned(output.structured, paths_wanted(state.plan.calls, index)),
    )


def _failed(state: Executing, reason: str, *, nothing_happened: bool = False) -> CallFailed:
    index = state.next_index
    call = state.plan.calls[index]
    return CallFailed(
        index=index,
        server=call.server,
        tool=call.tool,
        arguments=_arguments(state),
        reason=reason,
        nothing_happened=nothing_happened,
    )


def unknown(state: Executing, reason: str) -> CallOutcomeUnknown:
    """Nobody knows whether the call that is under way has happened."""
    index = state.next_index
    call = state.plan.calls[index]
    return CallOutcomeUnknown(
        index=index, server=call.server, tool=call.tool, arguments=_arguments(state), reason=reason
    )


def _fit(text: str) -> str:
    if len(text) <= MAX_RESULT:
        return text
    return Text.joined(" ", [text[:MAX_RESULT], remark(left_out(len(text) - MAX_RESULT))])
