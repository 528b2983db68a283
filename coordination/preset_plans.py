"""Plans the calls that a run begins with as if an agent had recorded them just now: the same checks, and nothing runs.

The tools are listed anew, so that their definitions and the settings of their servers are those of now; arguments are
held against the tools' schemas, and calls against the rules then and now.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from coordination.domain.ballot import Answer, Election, Ending
from coordination.domain.canonical_json import parse
from coordination.domain.events import ActionRecorded, RunEvent
from coordination.domain.plan import PlannedCall
from coordination.domain.preset_plan import PresetCall, PresetPlan
from coordination.domain.provenance import ReadIndex
from coordination.domain.tool_rules import Effect, Ruling
from coordination.errors import ToolServerError
from coordination.ports import ToolCall, ToolDefinition
from coordination.preparation import AgentTools
from coordination.run_options import RunOptions
from coordination.text import Text
from coordination.toolbox import Toolbox


async def planned(
    preset: PresetPlan,
    agent: AgentTools,
    options: RunOptions,
    record: Callable[[RunEvent], None],
    started_today: Mapping[str, int],
) -> tuple[PlannedCall, ...]:
    """The calls of a preset plan as they would be carried out now.

    All of them wait for people, whatever the rules let run.

    `started_today` has the calls that count for caps of the day.

    Raises:
        ToolServerError: one of them can't be planned now, and why.
    """

    def kept(event: RunEvent) -> None:
        record(replace(event, call=for_people(event.call)) if isinstance(event, ActionRecorded) else event)

    def for_people(call: PlannedCall) -> PlannedCall:
        needs = call.needs
        if preset.purpose == "undo" and (ruling := _ruling(call, agent)) is not None:
            needs = needs.and_also(ruling.of_what_was_read().needs)  # Some of it may be what a server answered.
        return replace(call, is_automatic=False, needs=needs)

    sources = ReadIndex()
    for origin in (origin for call in preset.calls for origin in call.origins or ()):
        sources.restore(origin)
    toolbox = Toolbox(
        preset.agent, agent.tools, agent.reader, options, kept, started_today=started_today, sources=sources
    )
    for call in preset.calls:
        await _record(call, agent, toolbox, is_undo=preset.purpose == "undo")
    calls = tuple(map(for_people, toolbox.actions))
    if not preset.is_made_of(calls):
        raise ToolServerError(Text("The calls could not be planned unchanged, so there is no plan."))
    return calls


def election_of(preset: PresetPlan, calls: tuple[PlannedCall, ...]) -> Election:
    """What stands in the place of a vote: nobody voted."""
    winner = Answer(agent=preset.agent, number=1, epoch=1, text="", calls=calls)
    return Election(winner=winner, votes=0, voters=0, ending=Ending.UNVOTED)


async def _record(call: PresetCall, agent: AgentTools, toolbox: Toolbox, *, is_undo: bool) -> None:
    where: dict[str, str | float] = {"server": call.server, "tool": call.tool, "number": call.of + 1}
    found = [(name, each) for name, each in agent.tools.items() if _names(each.definition) == (call.server, call.tool)]
    if not found:
        raise ToolServerError(
            Text(
                "Call {number} can't be planned: {server}.{tool} is not available now, or the current rules forbid it.",
                **where,
            )
        )
    name, _ = found[0]
    ruling = _ruling(call, agent)
    if ruling is None or ruling.effect is Effect.READ:
        raise ToolServerError(
            Text("Call {number} can't be planned: the rules let {server}.{tool} run as a read.", **where)
        )
    if is_undo and ruling.of_what_was_read().effect is Effect.DENY:
        raise ToolServerError(
            Text(
                "Call {number} can't be planned: the rules forbid {server}.{tool} with values that a tool returned.",
                **where,
            )
        )
    result = (await toolbox.use([ToolCall(id="1", name=name, arguments=call.arguments)]))[0]
    if result.is_error:
        why = Text.verbatim(result.text)
        raise ToolServerError(Text("Call {number} ({server}.{tool}) can't be planned: {why}", **where, why=why))


def _names(definition: ToolDefinition) -> tuple[str, str]:
    return definition.server, definition.tool


def _ruling(call: PresetCall | PlannedCall, agent: AgentTools) -> Ruling | None:
    """What the rules then and now say of a call; None: there is no such tool, or these are no arguments."""
    arguments = parse(call.arguments)
    tools = (each for each in agent.tools.values() if _names(each.definition) == (call.server, call.tool))
    tool = next(tools, None)
    return None if tool is None or not isinstance(arguments, dict) else tool.ruling(arguments)
