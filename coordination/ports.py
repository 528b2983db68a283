"""What coordination needs of the outside world, as shapes. Adapters fit them; `bot.wiring` joins both once.

Powers are kept apart on purpose. Deliberation gets ToolCatalogue and ReadTools, which cannot execute a deferred call.
Execution gets an Executor, and no model.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

from coordination.domain.canonical import JsonObject
from coordination.domain.events import RunEvent
from coordination.domain.plan import PlannedCall
from coordination.domain.run import Recorded
from coordination.domain.states import RunState

# --- models -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ToolSpec:
    """A tool as it is offered to a model: `name` fits every provider (64 of `[A-Za-z0-9_-]`).

    `is_strict` asks the provider to enforce the schema; only our own workflow tools qualify.
    """

    name: str
    description: str
    input_schema: JsonObject
    is_strict: bool = False


@dataclass(frozen=True, kw_only=True)
class Told:
    """Something said to the model by us: the request, the others' answers, a correction."""

    text: str


@dataclass(frozen=True, kw_only=True)
class ToolResult:
    """What a tool call came to. Every call of a reply gets one, in the order of the calls."""

    call_id: str
    text: str
    is_error: bool = False


Said: TypeAlias = Told | ToolResult


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """A model's call: `arguments` is the raw text that it wrote, which may not be JSON at all."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens of one model call. `input_tokens` includes `cached_tokens`, whatever the provider's own convention."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One complete answer of a model: all text, all calls. A reply that broke off is an error, never half a Reply."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, kw_only=True)
class Occasion:
    """What a conversation is for. It is the same after a crash, so that scripted models find their place.

    Attributes:
        turn: counts an agent's turns from 1 within a revision.
    """

    purpose: Literal["turn", "presentation", "report"]
    revision: int
    turn: int
    agent: int


class Conversation(Protocol):
    """One growing exchange with a model. The provider's own form of the history stays in here."""

    async def send(self, said: Sequence[Said], tools: Sequence[ToolSpec]) -> Reply:
        """Say something and wait for the whole reply. The tools on offer may differ from call to call.

        On an error the history is as before, so the same words can be sent again.

        Raises:
            ModelError: the call failed; `is_retryable` says whether the same words may be sent again.
        """
        ...

    async def close(self) -> None:
        """Free what the conversation holds. A scripted model complains here of steps left over."""
        ...


class Model(Protocol):
    """One configured model of one agent."""

    @property
    def name(self) -> str:
        """The provider's name of the model, for operators and prices."""
        ...

    def converse(self, system: str, occasion: Occasion) -> Conversation:
        """Begin a fresh conversation."""
        ...


# --- tools ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ServerSpec:
    """How to reach one MCP server. Values are expanded, so this may hold secrets: it is never logged or stored.

    Attributes:
        identity: what the operator wrote, unexpanded: enters the digest of every definition, holds no secret.
        start_timeout: seconds for start and handshake together.
        call_timeout: seconds for one call.
        trusts_hints: the operator trusts this server's readOnlyHint.
    """

    name: str
    transport: Literal["stdio", "http"]
    identity: str
    command: str = ""
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    cwd: str | None = None
    url: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    start_timeout: float = 30.0
    call_timeout: float = 60.0
    trusts_hints: bool = False


@dataclass(frozen=True, kw_only=True)
class ToolDefinition:
    """One tool of one server. `digest` covers the server's identity, name, description, schemas and annotations."""

    server: str
    tool: str
    description: str
    input_schema: JsonObject
    digest: str
    says_read_only: bool = False
    says_destructive: bool = False


@dataclass(frozen=True, kw_only=True)
class ToolOutput:
    """What a tool answered, as text. `is_error`: the server says that the call failed."""

    text: str
    is_error: bool = False


class CallNotSentError(Exception):
    """The call certainly did not reach the server: it may be reported as failed."""


class CallOutcomeUnknownError(Exception):
    """The call may have reached the server, and no answer came: only a person can settle it."""


class ToolCatalogue(Protocol):
    """Lists tools; can't call them."""

    async def definitions(self, servers: Sequence[ServerSpec]) -> Sequence[ToolDefinition]:
        """Every tool of these servers, in the servers' order; starts those that are not running.

        Raises:
            ToolServerError: a server can't start or breaks the protocol; the text names it and says what to do.
        """
        ...


class ReadTools(Protocol):
    """Runs the tools that may run at once, and refuses every other, whatever it is asked."""

    async def read(self, server: str, tool: str, arguments: JsonObject) -> ToolOutput:
        """Call a tool that the operator listed.

        Raises:
            ToolServerError: the server died or did not answer; or the tool is not one that may run at once.
        """
        ...


class Executor(Protocol):
    """Runs approved calls. Held by execution alone."""

    async def definition_digest(self, server: str, tool: str) -> str | None:
        """The digest of a tool's definition as the server gives it at this moment; None: there is no such tool.

        Raises:
            ToolServerError: the server can't be asked.
        """
        ...

    async def call(self, call: PlannedCall, key: str) -> ToolOutput:
        """Send exactly this call, once. `key` is an idempotency key, sent as metadata.

        Raises:
            CallNotSentError: it certainly did not reach the server.
            CallOutcomeUnknownError: it may have.
        """
        ...


class ToolHub(ToolCatalogue, Protocol):
    """Every MCP connection of the process, shared by all agents and runs. Hands out one power at a time."""

    def reader(self, servers: Sequence[ServerSpec], allowed: frozenset[tuple[str, str]]) -> ReadTools:
        """The power to call exactly the `allowed` (server, tool) pairs."""
        ...

    def executor(self, servers: Sequence[ServerSpec]) -> Executor:
        """The power to run approved calls on these servers."""
        ...


# --- the log and the engine -------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Job:
    """Durable work on one run: what a worker picks up, once, and again after a crash.

    `name` is unique for ever: the same job submitted twice is one job.
    """

    task: Literal["deliberate", "execute"]
    run: str
    tenant: str
    revision: int
    attempt: int = 1

    @property
    def name(self) -> str:
        """`run-<id>-<revision>` or `exec-<id>-<revision>-<attempt>`."""
        if self.task == "deliberate":
            return f"run-{self.run}-{self.revision}"
        return f"exec-{self.run}-{self.revision}-{self.attempt}"


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """One row per run, kept in step with its log: for lists, deadlines and the tail's anchor."""

    run: str
    tenant: str
    state: str
    prompt: str
    requester: str
    config: str
    started_at: datetime
    updated_at: datetime
    expires_at: datetime | None
    seq: int


class RunLog(Protocol):
    """The append-only log of every run: the truth."""

    async def append(
        self,
        run: str,
        expected: int,
        events: Sequence[RunEvent],
        at: datetime,
        state: RunState,
        job: Job | None = None,
    ) -> Sequence[Recorded]:
        """Add events after number `expected`, all or none, and submit the job in the same transaction.

        `state` is the run's state after them, for the summary row. Returns once the events are on disk. The events get the numbers `expected + 1` and on.

        Raises:
            ConflictError: the run has moved past `expected`: somebody else was first.
            StorageError: the database refuses.
        """
        ...

    async def read(self, run: str, after: int = 0) -> Sequence[Recorded]:
        """The events with a number above `after`, oldest first; none if there is no such run."""
        ...

    def follow(self, run: str, after: int = 0) -> AsyncIterator[Recorded]:
        """The events above `after` and all that follow, also those of other processes. Never ends by itself."""
        ...

    async def runs(self, *, tenant: str | None = None, limit: int = 50) -> Sequence[RunSummary]:
        """The newest runs, newest first."""
        ...

    async def find(self, prefix: str, tenant: str | None = None) -> Sequence[str]:
        """The names of the runs that begin so, at most 10, letter case aside."""
        ...

    async def due(self, at: datetime) -> Sequence[str]:
        """The runs whose plan has expired by `at` and still waits."""
        ...

    async def save_config(self, digest: str, text: str, origin: str) -> None:
        """Keep a configuration's text, unexpanded, under its digest; the same again changes nothing."""
        ...

    async def load_config(self, digest: str) -> tuple[str, str]:
        """The text and origin of a stored configuration.

        Raises:
            StorageError: there is none of this digest.
        """
        ...


class Engine(Protocol):
    """Durable hands: calls `perform(job)` for each submitted job, once at a time, again after a crash."""

    def running(self, perform: "Perform") -> AbstractAsyncContextManager[None]:
        """Take part in the work while the context is open; recovers what dead processes left."""
        ...

    def nudge(self) -> None:
        """A job was just submitted here: look at once rather than at the next poll. Never needed for correctness."""
        ...


class Perform(Protocol):
    """The service's side of the engine. Returns when the job is done for good; raises to be called again."""

    async def __call__(self, job: Job) -> None:
        """Do the job, or find that it is done."""
        ...


class Clock(Protocol):
    """Time, from outside."""

    def now(self) -> datetime:
        """The time in UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


NewId: TypeAlias = Callable[[], str]
"""Makes a run's name: short, for people to type, unique."""
