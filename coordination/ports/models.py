"""Models: what an agent thinks with."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from coordination.domain.canonical_json import JsonObject


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
class UserMessage:
    """Something said to the model by us: the request, the others' answers, a correction."""

    text: str


@dataclass(frozen=True, kw_only=True)
class ToolResult:
    """What a tool call came to. Every call of a reply gets one, in the order of the calls."""

    call_id: str
    text: str
    is_error: bool = False


InputMessage: TypeAlias = UserMessage | ToolResult


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """A model's call: `arguments` is the raw text that it wrote, which may not be JSON at all."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens of one model call, and US dollars where the price is known.

    `input_tokens` includes `cached_tokens` (read from a cache) and `stored_tokens` (written into one), whatever the
    provider's own convention. `is_estimated`: the provider did not say, so they are reckoned from the length of the
    text.
    """

    input_tokens: int = 0
    cached_tokens: int = 0
    stored_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    is_estimated: bool = False


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One complete answer of a model: all text, all calls. A reply that broke off is an error, never half a Reply.

    `model` names the model that gave it, where that is another than was asked.
    """

    text: str
    calls: tuple[ToolCall, ...] = ()
    usage: Usage = field(default_factory=Usage)
    model: str = ""


@dataclass(frozen=True, kw_only=True)
class TurnContext:
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

    async def send(self, inputs: Sequence[InputMessage], tools: Sequence[ToolSpec]) -> Reply:
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

    def converse(self, system: str, turn_context: TurnContext) -> Conversation:
        """Begin a fresh conversation."""
        ...
