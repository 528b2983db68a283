"""Small real stand-ins for the outside world: they behave, and they remember."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from coordination.domain.caller import Caller
from coordination.domain.canonical_json import JsonObject, canonical
from coordination.domain.plan import PlannedCall
from coordination.domain.transitions import Recorded
from coordination.ports import (
    Conversation,
    InputMessage,
    Job,
    Model,
    Perform,
    ReadTools,
    Reply,
    RunLog,
    ServerSpec,
    ToolCall,
    ToolDefinition,
    ToolOutput,
    ToolSpec,
    TurnContext,
    Usage,
    UserMessage,
)
from coordination.run_options import RunProfile
from coordination.text import Text
from tests import fake_log
from tests.builders import START, a_definition


class FakeClock:
    """Stands still until it is moved; sleeping takes no time, and is remembered."""

    def __init__(self) -> None:
        self.time = START
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    def tick(self, **span: float) -> None:
        """Move on, by timedelta's words."""
        self.time += timedelta(**span)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


class IdleEngine:
    """Counts wake-ups; the test performs the jobs itself."""

    def __init__(self) -> None:
        self.wakes = 0

    @asynccontextmanager
    async def running(self, perform: Perform) -> AsyncGenerator[None]:
        yield

    def wake(self) -> None:
        self.wakes += 1


class Crash(BaseException):
    """The process is gone: nothing may catch this."""


class Forbidden(BaseException):
    """What must never happen has happened: nothing may catch this, or a test would not hear of it."""


Behaviour = Callable[[PlannedCall], ToolOutput]


def well(call: PlannedCall) -> ToolOutput:
    """A server that does what it is told."""
    return ToolOutput(text=f"did {call.tool}")


@dataclass
class World:
    """What the servers really did, and every read they answered; `says` is what a tool that reads gives."""

    done: list[PlannedCall] = field(default_factory=list[PlannedCall])
    keys: list[str] = field(default_factory=list[str])
    left: list[float | None] = field(default_factory=list["float | None"])
    reads: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    behaviours: list[Behaviour] = field(default_factory=list[Behaviour])
    definitions: dict[tuple[str, str], str | None] = field(default_factory=dict[tuple[str, str], str | None])
    settings: dict[str, str] = field(default_factory=dict[str, str])
    says: dict[str, str] = field(default_factory=dict[str, str])
    schemas: dict[tuple[str, str], JsonObject | None] = field(
        default_factory=dict[tuple[str, str], "JsonObject | None"]
    )

    async def definition_digest(self, server: str, tool: str, expected: str = "") -> str | None:
        """As planned, unless the test changed it."""
        return self.definitions.get((server, tool), f"definition-of-{tool}")

    async def input_schema(self, server: str, tool: str) -> JsonObject | None:
        """What the test says that it takes; anything where it says nothing."""
        return self.schemas.get((server, tool), {})

    async def settings_digest(self, server: str) -> str:
        """As planned, unless the test changed it."""
        return self.settings.get(server, "")

    async def call(self, call: PlannedCall, key: str, seconds: float | None = None) -> ToolOutput:
        """Do it, as the next behaviour says."""
        behaviour = self.behaviours.pop(0) if self.behaviours else well
        self.keys.append(key)
        self.left.append(seconds)
        try:
            output = behaviour(call)
        except AssertionError as wrong:  # Execution takes whatever a call ends in for a doubt, also this.
            raise Forbidden(str(wrong)) from wrong
        self.done.append(call)
        await asyncio.sleep(0)
        return output


class FakeReader:
    """Answers reads of the allowed tools, and refuses all others loudly."""

    def __init__(self, world: World, allowed: frozenset[tuple[str, str]]) -> None:
        self._world = world
        self._allowed = allowed

    async def read(self, server: str, tool: str, arguments: JsonObject) -> ToolOutput:
        if (server, tool) not in self._allowed:
            raise Forbidden(f"{server}.{tool} must not run now")
        self._world.reads.append((server, tool, canonical(arguments)))
        await asyncio.sleep(0)
        return ToolOutput(text=self._world.says.get(tool, f"{tool} says so"))


class FakeHub:
    """Servers with the given tools, over one world."""

    def __init__(self, world: World, definitions: Sequence[ToolDefinition] = ()) -> None:
        self.world = world
        self.tools = list(definitions) or [a_definition("look", title="string"), a_definition("post", title="string")]

    async def definitions(self, servers: Sequence[ServerSpec]) -> Sequence[ToolDefinition]:
        names = {server.name for server in servers}
        return [each for each in self.tools if each.server in names]

    def reader(
        self, servers: Sequence[ServerSpec], allowed: frozenset[tuple[str, str]], caller: Caller | None = None
    ) -> ReadTools:
        return FakeReader(self.world, allowed)

    def executor(self, servers: Sequence[ServerSpec], caller: Caller | None = None) -> World:
        return self.world


# --- models -----------------------------------------------------------------------------------------------------------

Step = Callable[["PlayedConversation"], Reply]


def answers(text: str, *calls: tuple[str, Mapping[str, object]]) -> Step:
    """A reply that makes these calls and then answers."""
    return lambda _: reply(*calls, ("new_answer", {"content": text}))


def votes(agent: int, reason: str = "best") -> Step:
    """A reply that votes."""
    return lambda _: reply(("vote", {"agent_id": f"agent{agent}", "reason": reason}))


def calls(*made: tuple[str, Mapping[str, object] | str]) -> Step:
    """A reply that only makes these calls."""
    return lambda _: reply(*made)


def says(text: str) -> Step:
    """A reply without a call."""
    return lambda _: Reply(text=text)


def raises(error: Exception) -> Step:
    """A model call that fails."""

    def step(_: "PlayedConversation") -> Reply:
        raise error

    return step


def reply(*made: tuple[str, Mapping[str, object] | str]) -> Reply:
    """A reply of these calls; arguments given as text go out as they are."""
    return Reply(
        text="",
        calls=tuple(
            ToolCall(
                id=f"call-{number}",
                name=name,
                arguments=given if isinstance(given, str) else canonical(given),  # type: ignore[arg-type]  # test data
            )
            for number, (name, given) in enumerate(made)
        ),
        usage=Usage(input_tokens=10, output_tokens=1),
    )


class PlayedConversation:
    """One conversation of a PlayedModel: takes the model's next steps, remembers what it was told and offered."""

    def __init__(self, model: "PlayedModel", system: str, turn_context: TurnContext) -> None:
        self.model = model
        self.system = system
        self.turn_context = turn_context
        self.said: list[InputMessage] = []
        self.offered: list[str] = []
        self.tools: Sequence[ToolSpec] = ()
        self.is_closed = False

    @property
    def told(self) -> str:
        """Everything it was told, results aside."""
        return "\n".join(each.text for each in self.said if isinstance(each, UserMessage))

    async def send(self, inputs: Sequence[InputMessage], tools: Sequence[ToolSpec]) -> Reply:
        gate = self.model.gates.get(len(self.model.played))
        if gate is not None:
            await gate.wait()
        if not self.model.steps:
            raise Forbidden(f"nobody expected agent {self.turn_context.agent} to be asked again: {inputs}")
        step = self.model.steps.pop(0)
        self.said.extend(inputs)
        self.tools = tools
        self.offered = [tool.name for tool in tools]
        self.model.played.append(step)
        await asyncio.sleep(0)
        return step(self)

    async def close(self) -> None:
        self.is_closed = True


class PlayedModel:
    """A model that plays its steps in order, whatever the conversation; a gate holds the step of that number back."""

    def __init__(self, *steps: Step, gates: Mapping[int, asyncio.Event] | None = None) -> None:
        self.name = "played"
        self.steps = list(steps)
        self.played: list[Step] = []
        self.gates = dict(gates or {})
        self.conversations: list[PlayedConversation] = []

    def converse(self, system: str, turn_context: TurnContext) -> Conversation:
        conversation = PlayedConversation(self, system, turn_context)
        self.conversations.append(conversation)
        return conversation


@dataclass
class FakePrepared:
    """A configuration that was read and found good."""

    profile: RunProfile
    given: Sequence[Model]
    is_loaded: bool = False

    async def load(self) -> None:
        self.is_loaded = True

    def models(self) -> Sequence[Model]:
        assert self.is_loaded
        return self.given

    def diagnostics(
        self,
        definitions: Sequence[ToolDefinition],
        asking: frozenset[tuple[str, str]] = frozenset(),
        absent: Collection[str] = (),
    ) -> Sequence[Text]:
        return ()


class ServiceLog(RunLog, Protocol):
    """A log whose jobs a test hands out itself, and that it may look into."""

    @property
    def jobs(self) -> list[Job]:
        """Those that were submitted and not taken from here yet, oldest first."""
        ...

    @property
    def events(self) -> dict[str, list[Recorded]]:
        """What was appended, by run."""
        ...

    @property
    def configs(self) -> dict[str, tuple[str, str]]:
        """Text and origin of each configuration, by digest."""
        ...

    def kinds(self, run: str) -> list[str]:
        """The kinds of a run's events, in order."""
        ...


class MemoryLog(fake_log.MemoryLog):
    """The memory log of the contract suite, with its jobs at hand, and its shelves open to a test that looks inside."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        super().__init__(self.jobs.append)

    @property
    def events(self) -> dict[str, list[Recorded]]:
        return self._events

    @property
    def configs(self) -> dict[str, tuple[str, str]]:
        return self._configs

    def kinds(self, run: str) -> list[str]:
        """The kinds of a run's events, in order."""
        return [recorded.event.kind for recorded in self.events[run]]
