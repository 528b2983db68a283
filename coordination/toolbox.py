"""What one agent may touch while it plans: tools that read, and recorders in place of every other tool.

There is no switch in here that lets a deferred call run: a toolbox holds no executor.
"""

import asyncio
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from typing import Protocol

from coordination.current_rules import effects_now, ruling_now
from coordination.declared_results import NOT_OF_ITS_FORM, fits, how_to, objection
from coordination.domain.canonical_json import Json, JsonObject, canonical, parse, rounded_number
from coordination.domain.conditions import CallContext, unread
from coordination.domain.conditions import steps_of as path_steps
from coordination.domain.day_caps import over_day_cap
from coordination.domain.events import ActionRecorded, ActionWithdrawn, RunEvent, ToolRead, ToolUnavailable
from coordination.domain.plan import PlannedCall, is_aimed, over_cap
from coordination.domain.provenance import Origin, ReadIndex, read_through
from coordination.domain.references import Reference, WrongReferenceError, split
from coordination.domain.tool_rules import UNKNOWN_CALL, Effect, Rule, Ruling, both, possible_effects, rule
from coordination.errors import InvalidJsonError, ToolServerError
from coordination.json_schema import Verdict
from coordination.ports import ReadTools, ServerSpec, ToolCall, ToolDefinition, ToolOutput, ToolResult, ToolSpec
from coordination.ports.tools import left_out, remark
from coordination.prompts import WITHDRAW_ACTION, WITHDRAW_ACTION_TOOL, recorded, withdrawn
from coordination.read_lists import Accepted
from coordination.ready_previews import with_ready_made
from coordination.run_options import AgentProfile, RunOptions, RunProfile
from coordination.text import Text

MAX_NAME = 64
"""Characters: the limit of OpenAI, Anthropic and Gemini alike."""

_HASH = 8


def offered_names(definitions: Sequence[ToolDefinition]) -> Mapping[str, ToolDefinition]:
    """Each tool under a name of its own, in the given order: `mcp__server__tool`, as Claude Code names them.

    A name that would be too long, or that two tools would share, gets a hash of the true names instead of its end.
    The names depend on which tools there are, and not on their order.
    """
    tools = {(each.server, each.tool): each for each in definitions}
    names = {true_name: _name(*true_name, salt=0) for true_name in tools}
    # A server may call a tool just as another one's hashed name: each round moves all those that share a name apart.
    for salt in count(1):
        shared = Counter(names.values())
        clashing = [true_name for true_name, name in names.items() if shared[name] > 1]
        if not clashing:
            break
        for true_name in clashing:
            names[true_name] = _name(*true_name, salt=salt)
    return {names[true_name]: each for true_name, each in tools.items()}


def _name(server: str, tool: str, *, salt: int) -> str:
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", f"mcp__{server}__{tool}")
    if salt == 0 and len(plain) <= MAX_NAME:
        return plain
    hashed = hashlib.sha256(f"{server}\n{tool}\n{salt}".encode()).hexdigest()[:_HASH]
    return f"{plain[: MAX_NAME - _HASH - 1]}_{hashed}"


MAX_OFFERED = 128
"""Tools per agent: what OpenAI's API accepts in one request; the other providers accept at least as many."""

MAX_RESULT = 100_000
"""Characters of a tool's output that a model is given."""

MAX_CALLS = 50
"""Calls of one reply that are looked at; the model is told of the others that they were not."""

AT_ONCE = 8
"""Reads of one reply that are under way at any moment."""

_MOST_OF_SCHEMA = 50_000
"""Characters of a tool's schema that the log keeps."""

_SHORT_TEXT = 5_000
"""Characters that are gone through in a few milliseconds."""

_EXCERPT = 2_000
"""Characters of a tool's output that the log keeps."""


class RulesOnCalls(Protocol):
    """What the rules say of the calls of one tool."""

    def __call__(self, arguments: JsonObject, unknown: frozenset[str] = frozenset()) -> Ruling:
        """What they say of a call with these arguments and others, `unknown` so far, and why."""
        ...


@dataclass(frozen=True, kw_only=True)
class OfferedTool:
    """A tool under the name that the model sees, and what becomes of each call of it.

    Attributes:
        may_read: whether some calls of it run while agents plan.
        may_record: whether some are recorded.
        ruling: what the rules say of a call with these arguments, and why.
    """

    definition: ToolDefinition
    may_read: bool
    ruling: RulesOnCalls
    may_record: bool = True

    @property
    def output_schema(self) -> JsonObject | None:
        """What later calls may refer to; of a tool that may run at once nothing, for its results are known."""
        return None if self.may_read else self.definition.output_schema


def runs_at_once(effect: Effect) -> bool:
    """Whether a call runs while the agents coordinate. Nothing but reads does, whatever a configuration switches."""
    return effect is Effect.READ


class AsksPeople(Protocol):
    """What puts an agent's questions to people."""

    def specs(self) -> tuple[ToolSpec, ...]:
        """The tools for it; none where agents may not ask."""
        ...

    async def use(self, agent: int, call: ToolCall) -> ToolResult:
        """Ask, and wait for the answer or for the end of its time."""
        ...


class HasTools(Protocol):
    """An agent as far as its tools are concerned."""

    @property
    def servers(self) -> Sequence[ServerSpec]:
        """The servers that it may use."""
        ...

    @property
    def rules(self) -> Sequence[Rule]:
        """What may be done with their tools."""
        ...


def ruled(
    agent: HasTools, definitions: Sequence[ToolDefinition], accepted: Accepted | None = None
) -> Iterator[tuple[ToolDefinition, Ruling]]:
    """The tools of an agent's servers, each with the strictest effect that rules and `accepted` lists give it."""
    names = {server.name for server in agent.servers}
    for each in definitions:
        if each.server in names:
            yield each, ruling_of(agent.rules, each, UNKNOWN_CALL, accepted)


def ruling_of(
    rules: Sequence[Rule], tool: ToolDefinition, context: CallContext, accepted: Accepted | None = None
) -> Ruling:
    """What rules and the `accepted` lists say of one call."""
    if accepted is None:
        return rule(rules, tool.server, tool.tool, context)
    return accepted.ruling(rules, tool, context)


def offer(
    agent: AgentProfile,
    definitions: Sequence[ToolDefinition],
    accepted: Accepted | None = None,
    now: RunProfile | None = None,
    asked: CallContext = UNKNOWN_CALL,
    time: Callable[[], datetime] | None = None,
) -> Mapping[str, OfferedTool]:
    """The usable tools of an agent's servers that its rules do not deny, by the name offered to the model.

    `now` has the rules that hold by now, where they differ: the stricter of both decides about each call. `asked` says
    who asked for the run, and where; `time` when a call is made.

    Raises:
        ToolServerError: more tools than providers accept.
    """
    names = {server.name for server in agent.servers}
    usable = [each for each in definitions if each.server in names and not each.unusable]
    allowed = {(each.server, each.tool): each for each in usable if _is_allowed(agent, each, now)}
    found = [_offered(agent, each, accepted, now, asked, time, tools=allowed) for each in allowed.values()]
    if len(found) > MAX_OFFERED:
        raise ToolServerError(
            Text(
                "Agent {agent} would have {count} tools, but models accept {limit}: the operator "
                "must deny some in the configuration (`tools:` or `exclude_tools`).",
                agent=agent.id,
                count=len(found),
                limit=MAX_OFFERED,
            )
        )
    tools = {(each.definition.server, each.definition.tool): each for each in found}
    offered = offered_names([each.definition for each in found])
    return {name: tools[definition.server, definition.tool] for name, definition in offered.items()}


def _is_allowed(agent: AgentProfile, tool: ToolDefinition, now: RunProfile | None) -> bool:
    """Whether some calls of a tool are not denied."""
    if not possible_effects(agent.rules, tool.server, tool.tool) - {Effect.DENY}:
        return False
    return now is None or bool(effects_now(tool.server, tool.tool, agent.id, now) - {Effect.DENY})


def _offered(
    agent: AgentProfile,
    tool: ToolDefinition,
    accepted: Accepted | None,
    now: RunProfile | None,
    asked: CallContext,
    time: Callable[[], datetime] | None,
    *,
    tools: Mapping[tuple[str, str], ToolDefinition],
) -> OfferedTool:
    def by_rules(one: ToolDefinition, arguments: JsonObject, unknown: frozenset[str] = frozenset()) -> Ruling:
        context = replace(asked, arguments=arguments, unknown=unknown, at=None if time is None else time())
        then = ruling_of(agent.rules, one, context, accepted)
        if now is None:
            return then
        return both(then, ruling_now(one.server, one.tool, agent.id, now, context))

    def ruling(arguments: JsonObject, unknown: frozenset[str] = frozenset()) -> Ruling:
        found = by_rules(tool, arguments, unknown)
        return with_ready_made(
            found, tool, arguments, tools, lambda one, given: runs_at_once(by_rules(one, given).effect)
        )

    possible = possible_effects(agent.rules, tool.server, tool.tool)
    return OfferedTool(
        definition=tool,
        may_read=Effect.READ in possible,
        ruling=ruling,
        may_record=bool(possible & {Effect.ASK, Effect.AUTO}),
    )


def unusable_tools(
    agent: AgentProfile, definitions: Sequence[ToolDefinition], offered: Mapping[str, OfferedTool]
) -> Mapping[str, ToolDefinition]:
    """The tools that the agent's rules leave it and nobody can use, by the name that each would be offered under."""
    names = {server.name for server in agent.servers}
    found = [
        each for each in definitions if each.unusable and each.server in names and _is_allowed(agent, each, now=None)
    ]
    return {name: each for name, each in offered_names(found).items() if name not in offered}


class Toolbox:
    """The tools of one agent in one turn, and the actions it has recorded in it."""

    def __init__(
        self,
        agent: int,
        tools: Mapping[str, OfferedTool],
        reader: ReadTools,
        options: RunOptions,
        record: Callable[[RunEvent], None],
        unusable: Mapping[str, ToolDefinition] | None = None,
        *,
        people: AsksPeople | None = None,
        read: list[tuple[str, Json]] | None = None,
        started_today: Mapping[str, int] | None = None,
        sources: ReadIndex | None = None,
    ) -> None:
        """`record` tells the log what the agent does; who calls an `unusable` tool hears why nobody can use it.

        `people` puts its questions to the requester, where the configuration wants that. `read` is what the agent has
        read in its turns so far, by server and arguments. `started_today` has the calls that count for caps of the day,
        and `sources` is what all agents were given to read.
        """
        self._agent = agent
        self._tools = tools
        self._reader = reader
        self._options = options
        self._record = record
        self._unusable = unusable or {}
        self._people = people
        self._read_so_far = [] if read is None else read
        self._started_today = started_today or {}
        self._sources = ReadIndex() if sources is None else sources
        self.actions: list[PlannedCall] = []
        self.left_out = 0
        self._known: set[str] = set()

    def clear(self) -> None:
        """Forget what was recorded."""
        self.actions.clear()
        self.left_out = 0

    def specs(self) -> tuple[ToolSpec, ...]:
        """The tools as a model is offered them; the order never changes, so that prompts stay cacheable."""
        tools = (
            ToolSpec(
                name=name,
                description=_described(tool),
                input_schema=tool.definition.input_schema,
            )
            for name, tool in self._tools.items()
        )
        withdraws = (WITHDRAW_ACTION_TOOL,) if any(each.may_record for each in self._tools.values()) else ()
        return (*tools, *withdraws, *(self._people.specs() if self._people is not None else ()))

    async def use(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """Record or run the calls of one reply; some reads run side by side, records keep their order."""
        is_alone = len(calls) == 1
        prepared = [
            await self._asked(call) or self._withdrawn(call, is_alone=is_alone) or await self._prepare(call)
            for call in calls[:MAX_CALLS]
        ]
        prepared += [_refuse(call, _one_of_too_many(len(calls))) for call in calls[MAX_CALLS:]]
        slots = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            running = [
                prepare if isinstance(prepare, ToolResult) else group.create_task(self._read_in_turn(slots, *prepare))
                for prepare in prepared
            ]
        return [each if isinstance(each, ToolResult) else each.result() for each in running]

    async def _asked(self, call: ToolCall) -> ToolResult | None:
        """What people answer; None: it is no question to them."""
        if self._people is None or call.name not in {each.name for each in self._people.specs()}:
            return None
        return await self._people.use(self._agent, call)

    def _withdrawn(self, call: ToolCall, *, is_alone: bool) -> ToolResult | None:
        """Drop a call from the records; None: that is not what is wanted.

        Its number must mean what the agent was told: so it comes alone, and nothing may refer to calls that would move.
        """
        if call.name != WITHDRAW_ACTION or call.name in self._tools:
            return None
        number = taken_number(call)
        if number is None:
            return _refuse(
                call,
                f"{WITHDRAW_ACTION} takes exactly one argument, `action`: the number of a call, as a whole number.",
            )
        if not is_alone:
            return _refuse(
                call, f"Call {WITHDRAW_ACTION} in a reply without other tools: it changes the numbers of actions."
            )
        if not 1 <= number <= len(self.actions):
            return _refuse(call, f"You have no action {number} on record in this turn: only your own can be withdrawn.")
        later = [
            str(each)
            for each, action in enumerate(self.actions, 1)
            for of in action.references
            if of.call >= number - 1
        ]
        if later:
            return _refuse(
                call, f"Action {later[-1]} takes what action {number} or a later one returns: withdraw it first."
            )
        action = self.actions.pop(number - 1)
        self._record(ActionWithdrawn(agent=self._agent, number=number, call=action))
        return ToolResult(call_id=call.id, text=withdrawn(number, self.actions))

    async def _prepare(self, call: ToolCall) -> "ToolResult | tuple[ToolCall, OfferedTool, JsonObject, Ruling]":
        tool = self._tools.get(call.name)
        if tool is None:
            return self._refuse_unknown(call)
        asked = _asked_for(call)
        if isinstance(asked, ToolResult):
            return asked
        arguments, references = asked
        unknown = frozenset(each.argument for each in references)
        found = await fits(tool.definition.input_schema, arguments, unknown)
        if found.fault is not None:
            return _refuse(call, f"The arguments do not fit the tool: {found.fault}. Nothing was done.")
        ruling = tool.ruling(arguments, unknown)
        if ruling.effect is Effect.DENY:
            return _refuse(call, f"The operator's rules forbid this call ({ruling.reason}). Nothing was done.")
        if runs_at_once(ruling.effect):
            return _refuse(call, _READS_NOW) if references else (call, tool, arguments, ruling)
        return self._record_action(call, tool, arguments, references, found, ruling)

    def _refuse_unknown(self, call: ToolCall) -> ToolResult:
        wanted = self._unusable.get(call.name)
        if wanted is None:
            return _refuse(call, f"There is no tool {call.name[:100]!r}. Use only the tools on offer.")
        reason = Text("it {problem}", problem=wanted.unusable)
        self._record(ToolUnavailable(agent=self._agent, server=wanted.server, tool=wanted.tool, reason=reason))
        return _refuse(call, f"{wanted.server}.{wanted.tool} can't be used: {reason}. Use only the tools on offer.")

    def _record_action(
        self,
        call: ToolCall,
        tool: OfferedTool,
        arguments: JsonObject,
        references: tuple[Reference, ...],
        found: Verdict,
        ruling: Ruling,
    ) -> ToolResult:
        if len(self.actions) >= self._options.max_calls:
            self.left_out += 1
            return _refuse(call, f"A plan holds at most {self._options.max_calls} calls. This one is not recorded.")
        definition, written = tool.definition, canonical(arguments)
        origins = self._sources.origins(written)
        ruling = ruling.with_origins(None if references else origins)
        if ruling.effect is Effect.DENY:
            return _refuse(call, _repeats(origins, ruling))
        action = PlannedCall(
            server=definition.server,
            tool=definition.tool,
            arguments=written,
            definition=definition.digest,
            is_automatic=ruling.effect is Effect.AUTO,
            is_destructive=definition.says_destructive,
            settings=definition.settings,
            target=definition.target,
            says=ruling.says,
            needs=ruling.needs,
            previews=ruling.previews,
            origins=origins,
            references=references,
            undo=ruling.undo,
        )
        wrong = self._wrong_reference(action, tool, found) or self._objection(action, ruling, arguments)
        if wrong is not None:
            return _refuse(call, f"{wrong} Nothing was done.")
        self.actions.append(action)
        self.left_out = max(0, self.left_out - 1)  # There is room again only after one was withdrawn.
        self._record(ActionRecorded(agent=self._agent, call=action, input_schema=self._schema(definition)))
        return self._on_record(call, tool, found)

    def _on_record(self, call: ToolCall, tool: OfferedTool, found: Verdict) -> ToolResult:
        """What an agent is told of the action that it has recorded last."""
        number = len(self.actions)
        text = " ".join(filter(None, [recorded(number), how_to(str(number), tool.output_schema)]))
        return ToolResult(call_id=call.id, text=text if found.is_checked else f"{text} {_UNCHECKED}")

    def _wrong_reference(self, action: PlannedCall, tool: OfferedTool, found: Verdict) -> str | None:
        """Why an action can't refer to others as it does, as its agent is told; None: it can, or does not."""
        outputs = {(each.definition.server, each.definition.tool): each.output_schema for each in self._tools.values()}
        for each in action.references:
            source = self.actions[each.call] if each.call < len(self.actions) else None
            output = outputs.get((source.server, source.tool)) if source is not None else None
            wrong = objection(each, output, tool.definition.input_schema, len(self.actions) + 1)
            if wrong is not None:
                return wrong
            if source is not None and is_aimed(action, source):
                return f"What {action.server}.{action.tool} destroys can't be left to what another server returns."
        if action.references and not found.is_checked:
            return "The tool's schema can't be followed, so no argument of its calls can be a reference."
        if any(steps and steps[0] in action.unknown for steps in map(path_steps, action.needs.read_first)):
            return "The operator's rules want you to read first what this call changes, so write what it is."
        if action.references and any(preview.required and asked is None for preview, asked in action.questions()):
            return (
                "The operator's rules require that what this call changes is read before people decide, so it can't "
                "depend on what another call returns."
            )
        return None

    def _objection(self, action: PlannedCall, ruling: Ruling, arguments: JsonObject) -> str | None:
        """What the operator's rules have against recording a call now, as its agent is told; None: nothing."""
        if over_cap([*self.actions, action]) is not None:
            return f"The operator's rules let a plan have no more calls of this kind ({ruling.reason})."
        if over_day_cap([each.needs.per_day for each in (*self.actions, action)], self._started_today) is not None:
            return f"The operator's rules let no more calls of this kind be made today ({ruling.reason})."
        read = [each for server, each in self._read_so_far if server == action.server]
        path = unread(action.needs.read_first, arguments, read)
        if path is None:
            return None
        return (
            f"The operator's rules want you to read first what this call changes ({ruling.reason}): use a tool of "
            f"{action.server} that reads with the same value as at {path}, and then make this call again."
        )

    def _schema(self, definition: ToolDefinition) -> str:
        """What people's changes of a call are checked against; the log has it once a turn."""
        if definition.digest in self._known:
            return ""
        self._known.add(definition.digest)
        try:
            text = canonical(definition.input_schema)
        except InvalidJsonError:
            return ""
        return text if len(text) <= _MOST_OF_SCHEMA else ""

    async def _read_in_turn(
        self, slots: asyncio.Semaphore, call: ToolCall, tool: OfferedTool, arguments: JsonObject, ruling: Ruling
    ) -> ToolResult:
        async with slots:
            return await self._read(call, tool, arguments, ruling)

    async def _read(self, call: ToolCall, tool: OfferedTool, arguments: JsonObject, ruling: Ruling) -> ToolResult:
        definition = tool.definition
        try:
            output = await self._reader.read(definition.server, definition.tool, arguments)
        except ToolServerError as error:
            output = ToolOutput(text=str(error), is_error=True)
        text, is_error = output.text, output.is_error
        await self._take_in(f"{definition.server}.{definition.tool}", text[:MAX_RESULT])
        if not is_error:
            self._read_so_far.append((definition.server, arguments))
        self._record(
            ToolRead(
                agent=self._agent,
                server=definition.server,
                tool=definition.tool,
                arguments=canonical(arguments),
                excerpt=text[:_EXCERPT],
                is_error=is_error,
                doubtful_rule=ruling.reason if output.says_writing else "",
            )
        )
        return ToolResult(call_id=call.id, text=_fit(text), is_error=is_error)

    async def _take_in(self, tool: str, text: str) -> None:
        """Remember what is specific in a text, before any model is given it. A long one does not hold up the others."""
        found = read_through(text) if len(text) <= _SHORT_TEXT else await asyncio.to_thread(read_through, text)
        self._sources.add(tool, found)


def _asked_for(call: ToolCall) -> "ToolResult | tuple[JsonObject, tuple[Reference, ...]]":
    """What a model wants to be sent, and what of it earlier calls are to return; or what is wrong with it."""
    try:
        arguments = parse(call.arguments or "{}")
    except InvalidJsonError as error:
        return _refuse(call, f"The arguments are {error}. Nothing was done; call again with a JSON object.")
    if (number := rounded_number(call.arguments)) is not None:
        return _refuse(call, f"The number {number[:100]} would be rounded. {_HOW_TO_WRITE_IT}")
    if not isinstance(arguments, Mapping):
        return _refuse(call, "The arguments must be one JSON object. Nothing was done.")
    try:
        return split(arguments)
    except WrongReferenceError as error:
        return _refuse(call, f"The argument {error.argument[:100]!r} {NOT_OF_ITS_FORM} Nothing was done.")


def taken_number(call: ToolCall) -> int | None:
    """The number of the call that an agent withdraws; None: it gives none."""
    try:
        given = parse(call.arguments or "{}")
    except InvalidJsonError:
        return None
    number = given.get("action") if isinstance(given, Mapping) and len(given) == 1 else None
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def _described(tool: OfferedTool) -> str:
    """What its server says of a tool; and how later calls refer to what it returns, if they can."""
    ours = how_to("its number", tool.output_schema)
    return f"{tool.definition.description}\n\n{ours}" if ours else tool.definition.description


_READS_NOW = (
    "A tool that reads runs at once, so none of its arguments can be what a recorded call returns. Nothing was done."
)
_HOW_TO_WRITE_IT = "Nothing was done; write one that a double holds exactly, or text where the tool takes that."
_UNCHECKED = "Nobody could check its arguments: the tool's schema can't be followed. Make sure of them yourself."


def _one_of_too_many(count: int) -> str:
    return (
        f"One reply may make {MAX_CALLS} calls, and yours made {count:,}: only the first {MAX_CALLS} were looked at. "
        "Nothing was done for this one; make it again in your next reply if you still need it."
    )


def _repeats(origins: Sequence[Origin], ruling: Ruling) -> str:
    """Why a call is refused whose arguments were read, as its agent is told."""
    told = ", ".join(f"{each.argument} from {each.tool}" for each in origins if each.is_foreign)
    told = told or "what another call returns"
    return (
        f"The operator's rules forbid this call with what was read and not asked for ({told}; {ruling.reason}). "
        "Nothing was done."
    )


def _refuse(call: ToolCall, text: str) -> ToolResult:
    return ToolResult(call_id=call.id, text=text, is_error=True)


def _fit(text: str) -> str:
    if len(text) <= MAX_RESULT:
        return text
    return f"{text[:MAX_RESULT]}\n{remark(left_out(len(text) - MAX_RESULT))}"
