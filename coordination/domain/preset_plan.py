"""A plan that a run begins with, where no agent is asked for one: calls that follow from those of a run that has ended.

It is decided on like any other. No call of it may have happened already, and none runs without people.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from coordination.domain.plan import Failed, OutcomeUnknown, Plan, PlannedCall, Receipt, Skipped, Succeeded
from coordination.domain.provenance import Origin

Purpose: TypeAlias = Literal["rest", "undo"]
"""What the calls are for: those of a plan that did not run, or those that take back what ran."""


@dataclass(frozen=True, kw_only=True)
class PresetCall:
    """One call that is to be planned: exactly these arguments, a JSON object in canonical form.

    `of` is the index of the call that it follows from.

    `origins` is what the first run's agents had read of it.
    """

    server: str
    tool: str
    arguments: str
    of: int
    origins: tuple[Origin, ...] | None = field(default=None, compare=False)


@dataclass(frozen=True, kw_only=True)
class PresetPlan:
    """What a run begins with; the request's words are those of the run that it follows.

    Attributes:
        run: the run that was carried out, whole or in part.
        digest: that of its plan.
        agent: whose plan that was: its tools and rules hold for these calls, and it writes the report.
        left_out: the indexes of the calls of that run for which nobody knows how to take them back.
    """

    purpose: Purpose
    run: str
    digest: str
    agent: int
    calls: tuple[PresetCall, ...]
    left_out: tuple[int, ...] = ()

    def is_made_of(self, calls: Sequence[PlannedCall]) -> bool:
        """Whether a plan has exactly these calls, in this order, and each of them waits for people."""
        planned = [(call.server, call.tool, call.arguments, call.is_automatic) for call in calls]
        return not any(call.references for call in calls) and planned == [
            (call.server, call.tool, call.arguments, False) for call in self.calls
        ]


def preset_plan(purpose: Purpose, plan: Plan, receipts: Sequence[Receipt], *, is_stopped: bool) -> PresetPlan | None:
    """What may be planned after a plan was carried out, to this end; None: nothing. `is_stopped`: a person ended it."""
    if purpose == "undo":
        calls, left_out = _undo(plan, receipts)
    else:
        calls, left_out = () if is_stopped else _rest(plan, receipts), ()
    if not calls:
        return None
    agent = int(plan.author.removeprefix("agent").partition(".")[0])
    return PresetPlan(purpose=purpose, run=plan.run, digest=plan.digest, agent=agent, calls=calls, left_out=left_out)


def _rest(plan: Plan, receipts: Sequence[Receipt]) -> tuple[PresetCall, ...]:
    """The calls that certainly did not run; none as long as it is not known of one whether it did.

    Nor are there any where one takes what another call returns: nobody knows of that value what rules for what was read
    ask.
    """
    left = [each for each in receipts if not isinstance(each, Succeeded)]
    if not all(isinstance(each, Skipped) or (isinstance(each, Failed) and each.nothing_happened) for each in left):
        return ()
    found = [(each.index, plan.calls[each.index]) for each in left]
    if any(call.references for _, call in found):
        return ()
    return tuple(
        PresetCall(server=call.server, tool=call.tool, arguments=call.arguments, of=index, origins=call.origins)
        for index, call in found
    )


def _undo(plan: Plan, receipts: Sequence[Receipt]) -> tuple[tuple[PresetCall, ...], tuple[int, ...]]:
    """The calls that take back those that ran, the last first.

    With them come the indexes of calls that ran, or may have run, and have none.
    """
    calls: list[PresetCall] = []
    left_out: list[int] = []
    for each in reversed(receipts):
        undone = _undone(plan.calls[each.index], each) if isinstance(each, Succeeded) else None
        if undone is not None:
            calls.append(undone)
        elif isinstance(each, Succeeded | OutcomeUnknown):
            left_out.append(each.index)
    return tuple(calls), tuple(sorted(left_out))


def _undone(call: PlannedCall, receipt: Succeeded) -> PresetCall | None:
    arguments = None if call.undo is None else call.undo.filled(call.arguments, receipt.result)
    if call.undo is None or arguments is None:
        return None
    server = call.undo.server or call.server
    return PresetCall(server=server, tool=call.undo.tool, arguments=arguments, of=receipt.index, origins=call.origins)
