"""A harness of agents for tests: played models, a fake hub, and every event that they caused."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from coordination.deliberation import Deliberation, DeliberationInput, Participant
from coordination.domain.ballot import Ballot, Election
from coordination.domain.events import RunEvent
from coordination.domain.tool_rules import Effect, Rule
from coordination.ports import ToolDefinition
from coordination.run_options import RunOptions
from coordination.toolbox import Toolbox, offer
from tests.builders import a_profile
from tests.fakes import FakeClock, FakeHub, PlayedModel, World

LOOKS_READ = Rule(match="board.look", effect=Effect.READ, source="tools[0]")


@dataclass
class DeliberationHarness:
    """Agents around one question. `look` reads, `post` is deferred."""

    models: Sequence[PlayedModel]
    options: RunOptions = field(default_factory=RunOptions)
    rules: tuple[Rule, ...] = (LOOKS_READ,)
    ballot: Ballot | None = None
    world: World = field(default_factory=World)
    events: list[RunEvent] = field(default_factory=list[RunEvent])
    clock: FakeClock = field(default_factory=FakeClock)
    definitions: Sequence[ToolDefinition] = ()

    def __post_init__(self) -> None:
        self._recorded = asyncio.Event()
        hub = FakeHub(self.world, self.definitions)
        participants: list[Participant] = []
        for profile, model in zip(a_profile(len(self.models)).agents, self.models, strict=True):
            agent = type(profile)(
                number=profile.number, id=profile.id, system_message="", servers=profile.servers, rules=self.rules
            )
            tools = offer(agent, hub.tools)
            allowed = frozenset(
                (tool.definition.server, tool.definition.tool) for tool in tools.values() if tool.may_read
            )
            participants.append(
                Participant(profile=agent, model=model, tools=tools, reader=hub.reader(agent.servers, allowed))
            )
        self._participants = participants
        self.deliberation = Deliberation(
            DeliberationInput(prompt="Post hello."),
            participants,
            ballot=self.ballot or Ballot(size=len(self.models)),
            options=self.options,
            clock=self.clock,
            record=self.record,
        )

    def toolboxes(self) -> list[Toolbox]:
        """What each agent may touch in its first turn."""
        return [self.deliberation._toolbox(each, None) for each in self._participants]

    def record(self, event: RunEvent) -> None:
        """Keep an event, and wake whoever waits for it."""
        self.events.append(event)
        self._recorded.set()
        self._recorded = asyncio.Event()

    async def until(self, kind: str, count: int) -> None:
        """Wait for so many events of a kind."""
        while len(self.of(kind)) < count:
            await self._recorded.wait()

    async def run(self) -> Election:
        """Deliberate; afterwards nothing may have been written and no step of a script may be left over."""
        election = await self.deliberation.run()
        assert self.world.done == []
        return election

    def kinds(self, *kinds: str) -> list[str]:
        """The kinds of events, in order; only the given ones, if any are given."""
        return [event.kind for event in self.events if not kinds or event.kind in kinds]

    def of(self, kind: str) -> list[RunEvent]:
        """The events of one kind."""
        return [event for event in self.events if event.kind == kind]

    def is_played_out(self) -> bool:
        """Whether every model has played every step."""
        return not any(model.steps for model in self.models)
