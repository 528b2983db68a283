"""A whole service for tests: coordinator and worker over one memory log, one fake hub, and played models."""

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from typing_extensions import override

from coordination.domain.policy import Policy
from coordination.domain.states import AwaitingDecision, RunState
from coordination.domain.tool_rules import Rule
from coordination.ports import Job, ToolDefinition
from coordination.preparation import Prepared
from coordination.run_options import RunOptions
from coordination.run_request import RunRequest
from coordination.service import Coordinator
from coordination.worker import Worker
from tests.builders import REQUESTER, a_profile
from tests.fakes import FakeClock, FakeHub, FakePrepared, IdleEngine, MemoryLog, PlayedModel, ServiceLog, World
from tests.service.deliberation_harness import LOOKS_READ


class LogSource:
    """Where the stories that are told here get their log from: `conftest.py` has those of databases."""

    def __init__(self) -> None:
        self.make: Callable[[], ServiceLog] = MemoryLog

    @contextmanager
    def taking(self, make: Callable[[], ServiceLog]) -> Generator[None]:
        """Make logs in this way while the context is open."""
        before, self.make = self.make, make
        try:
            yield
        finally:
            self.make = before


log_source = LogSource()


class _Heard(logging.Handler):
    """Keeps the errors that are logged."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[BaseException] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.errors.append(record.exc_info[1])


class StrictWorker(Worker):
    """A worker whose tests hear of the errors that nobody foresaw, which it has turned into words."""

    @override
    async def perform(self, job: Job) -> None:
        heard, unforeseen = _Heard(), logging.getLogger("coordination.run_writer")
        unforeseen.addHandler(heard)
        try:
            await super().perform(job)
        finally:
            unforeseen.removeHandler(heard)
        if heard.errors:
            raise heard.errors[0]


class ServiceHarness:
    """Agents who play their steps; the test says when a worker comes by."""

    def __init__(
        self,
        *models: PlayedModel,
        options: RunOptions | None = None,
        policy: Policy | None = None,
        rules: tuple[Rule, ...] = (LOOKS_READ,),
        definitions: Sequence[ToolDefinition] = (),
        log: ServiceLog | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.log: ServiceLog = log or log_source.make()
        self.world = World()
        self.engine = IdleEngine()
        self.hub = FakeHub(self.world, definitions)
        profile = a_profile(len(models), options=options, policy=policy)
        agents = tuple(replace(agent, rules=rules) for agent in profile.agents)
        self.prepared = FakePrepared(replace(profile, agents=agents), models)
        self._names = iter(f"N{number}" for number in range(1000))
        self.people = Coordinator(self.log, self.engine, clock=self.clock, new_id=self._name, configure=self.configure)
        self.worker: Worker = StrictWorker(
            self.log, self.hub, clock=self.clock, new_id=self._name, configure=self.configure
        )

    def _name(self) -> str:
        return next(self._names)

    def configure(self, text: str, origin: str, tenant: str) -> Prepared:
        """Whatever the text: the test's own configuration."""
        return self.prepared

    async def ask(self, prompt: str = "Post hello.") -> str:
        """Rita asks."""
        request = RunRequest(
            prompt=prompt, requester=REQUESTER, config_name="test", config_text="text", origin="test.yaml"
        )
        return await self.people.start(request)

    async def work(self) -> None:
        """Perform every job that was submitted, oldest first."""
        while self.log.jobs:
            await self.worker.perform(self.log.jobs.pop(0))

    async def planned(self) -> tuple[str, AwaitingDecision]:
        """Ask, and let the agents come to a plan."""
        run = await self.ask()
        await self.work()
        state = await self.people.state(run)
        assert isinstance(state, AwaitingDecision), state
        return run, state

    async def state(self, run: str) -> RunState:
        """The state now."""
        return await self.people.state(run)
