"""A model that follows a script: for the demo, for tests, and for anyone without a key.

It is strict, because a script that is not followed to the letter proves nothing: a call that the script does not know
fails, and so does a conversation that ends with steps left over.
"""

import json
import re
from collections.abc import Mapping, Sequence

import yaml

from coordination.clock import PacedClock
from coordination.config import BackendSettings
from coordination.domain.canonical_json import Json
from coordination.errors import ConfigError, ModelError, ModelFault
from coordination.llm.provider import Shared
from coordination.llm.script_file import Heard, Script, ScriptedCall, Shape, Step, Template, parse_script, request_in
from coordination.ports import (
    Clock,
    Conversation,
    InputMessage,
    Model,
    Reply,
    ToolCall,
    ToolResult,
    ToolSpec,
    TurnContext,
    UserMessage,
)
from coordination.text import Text

_FOREIGN = re.compile(r"[^A-Za-z0-9_-]")
_PASSING = frozenset({ModelFault.RATE_LIMITED, ModelFault.OVERLOADED, ModelFault.TIMED_OUT, ModelFault.CUT_OFF})


class ScriptedModel:
    """One agent's scripted model. The same occasion gives the same steps, also after a crash."""

    def __init__(self, script: Script, *, clock: Clock, name: str = "scripted") -> None:
        self._script = script
        self._clock = clock
        self._name = name

    @property
    def name(self) -> str:
        """`scripted`, unless it plays under another name."""
        return self._name

    def converse(self, system: str, turn_context: TurnContext) -> Conversation:
        """Begin the part of the script that is meant for this occasion."""
        del system
        return _ScriptedConversation(self._steps(turn_context), turn_context=turn_context, clock=self._clock)

    def _steps(self, turn_context: TurnContext) -> Sequence[Step]:
        act = self._script.act(turn_context.revision)
        match turn_context.purpose:
            case "turn":
                turns = act.turns if act else ()
                return turns[turn_context.turn - 1] if turn_context.turn <= len(turns) else ()
            case "presentation":
                return (act.presentation if act else None) or self._script.first.presentation or ()
            case "report":
                return (act.report if act else None) or self._script.first.report or ()


class _ScriptedConversation:
    def __init__(self, steps: Sequence[Step], *, turn_context: TurnContext, clock: Clock) -> None:
        self._steps = steps
        self._turn_context = turn_context
        self._clock = clock
        self._played = 0
        self._has_failed = False
        self._prompt: str | None = None
        self._results: dict[str, str] = {}
        self._tool_of_call: dict[str, str] = {}

    async def send(self, inputs: Sequence[InputMessage], tools: Sequence[ToolSpec]) -> Reply:
        self._has_failed = True
        if self._played == len(self._steps):
            raise self._misplayed(Text("was called more often than it has steps ({count})", count=len(self._steps)))
        step = self._steps[self._played]
        self._hear(inputs)
        await self._clock.sleep(step.after)
        self._check(step, inputs)
        if step.fault is not None:
            self._played += 1
            raise _failure(step.fault, step.retry_after)
        reply = self._reply(step, tools)
        self._played += 1
        self._has_failed = False
        return reply

    async def close(self) -> None:
        left = len(self._steps) - self._played
        # After a failure the conversation may be given up, and no step of the rest is missed.
        if left and not self._has_failed:
            raise self._misplayed(
                Text("ended with {left} of {count} steps left over", left=left, count=len(self._steps))
            )

    def _hear(self, inputs: Sequence[InputMessage]) -> None:
        for each in inputs:
            match each:
                case UserMessage(text=text):
                    self._prompt = request_in(text) if self._prompt is None else self._prompt
                case ToolResult(call_id=call_id, text=text):
                    self._results[self._tool_of_call.get(call_id, call_id)] = text

    def _check(self, step: Step, inputs: Sequence[InputMessage]) -> None:
        heard = "\n".join(each.text for each in inputs)
        for expected in step.expects:
            if expected not in heard:
                raise self._misplayed(
                    Text("was not told {expected}, which it expects", expected=json.dumps(expected, ensure_ascii=False))
                )

    def _reply(self, step: Step, tools: Sequence[ToolSpec]) -> Reply:
        heard = Heard(prompt=self._prompt, results=self._results)
        try:
            calls = [self._call(call, heard, tools, position) for position, call in enumerate(step.calls, start=1)]
            text = step.say.fill(heard)
        except LookupError as error:
            raise self._misplayed(Text.verbatim(error.args[0])) from None
        for call, scripted in zip(calls, step.calls, strict=True):
            self._tool_of_call[call.id] = scripted.tool
        return Reply(text=text, calls=tuple(calls))

    def _call(self, call: ScriptedCall, heard: Heard, tools: Sequence[ToolSpec], position: int) -> ToolCall:
        arguments = _filled(call.arguments, heard)
        return ToolCall(
            id=f"call_{self._played + 1}_{position}",
            name=_offered_name(call.tool, tools),
            arguments=arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False),
        )

    def _misplayed(self, what: Text) -> ModelError:
        turn_context = self._turn_context
        is_turn = turn_context.purpose == "turn"
        part = Text("turn {number}", number=turn_context.turn) if is_turn else turn_context.purpose
        return ModelError(
            ModelFault.MISCONFIGURED,
            Text(
                "The script of agent{agent} {what} (revision {revision}, {part}, step {played}); the operator must "
                "correct the script.",
                agent=turn_context.agent,
                what=what,
                revision=turn_context.revision,
                part=part,
                played=self._played + 1,
            ),
        )


def _offered_name(tool: str, tools: Sequence[ToolSpec]) -> str:
    """The name under which `server.tool` is on offer. Names without a dot pass as they are, offered or not."""
    server, dot, rest = tool.partition(".")
    if not dot:
        return tool
    name = _FOREIGN.sub("_", f"mcp__{server}__{rest}")
    if all(offered.name != name for offered in tools):
        known = ", ".join(offered.name for offered in tools) or "none"
        raise LookupError(Text("calls {tool}, which is not available; available are {known}", tool=tool, known=known))
    return name


def _filled(value: Shape, heard: Heard) -> Json:
    if isinstance(value, Template):
        return value.fill(heard)
    if isinstance(value, Mapping):
        return {key: _filled(each, heard) for key, each in value.items()}
    if isinstance(value, Sequence):
        return [_filled(each, heard) for each in value]
    return value


def _failure(fault: ModelFault, retry_after: float | None) -> ModelError:
    return ModelError(
        fault,
        Text("The script has this call fail: {fault}.", fault=fault.replace("_", " ")),
        is_retryable=fault in _PASSING,
        retry_after=retry_after,
    )


def build(agent: str, backend: BackendSettings, shared: Shared) -> Model:
    """The model that plays an agent's script, at the pace of the process."""
    return ScriptedModel(_script(agent, backend), clock=PacedClock(shared.clock, shared.pace))


def _script(agent: str, backend: BackendSettings) -> Script:
    where = Text("the script of agent {agent}", agent=agent)
    if backend.script_file is not None:
        return parse_script(_in_file(agent, backend), where=where)
    return parse_script(backend.script, where=where)


def _in_file(agent: str, backend: BackendSettings) -> object:
    path = backend.script_file
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) if path is not None else None
    except OSError:
        raise ConfigError(
            [Text("the script of agent {agent}: {path} can't be read", agent=agent, path=path or "")]
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ConfigError(
            [Text("the script of agent {agent}: {path} is not YAML", agent=agent, path=path or "")]
        ) from None
