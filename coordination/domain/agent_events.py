"""What agents do while they coordinate. Agents are numbers from 1."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from coordination.domain.plan import PlannedCall


@dataclass(frozen=True, kw_only=True)
class TurnStarted:
    """An agent began a turn, having seen everything up to `epoch`."""

    agent: int
    turn: int
    epoch: int
    kind: Literal["turn_started"] = "turn_started"


@dataclass(frozen=True, kw_only=True)
class ToolRead:
    """An agent used a tool that runs at once; `excerpt` is the beginning of what came back."""

    agent: int
    server: str
    tool: str
    arguments: str
    excerpt: str
    is_error: bool = False
    kind: Literal["tool_read"] = "tool_read"


@dataclass(frozen=True, kw_only=True)
class ActionRecorded:
    """An agent called a deferred tool: nothing ran, the call is on record."""

    agent: int
    call: PlannedCall
    kind: Literal["action_recorded"] = "action_recorded"


@dataclass(frozen=True, kw_only=True)
class AgentTold:
    """A running turn was told of the answers up to `epoch`."""

    agent: int
    epoch: int
    kind: Literal["agent_told"] = "agent_told"


@dataclass(frozen=True, kw_only=True)
class AgentCorrected:
    """An agent broke the protocol and was told so."""

    agent: int
    reason: str
    kind: Literal["agent_corrected"] = "agent_corrected"


@dataclass(frozen=True, kw_only=True)
class ModelUsed:
    """One model call's tokens; `input_tokens` includes `cached_tokens`, `cost` is in US dollars where known.

    `is_estimated`: the provider did not say how many, or the call broke off before it could.
    """

    agent: int
    model: str
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost: float | None = None
    is_estimated: bool = False
    kind: Literal["model_used"] = "model_used"


@dataclass(frozen=True, kw_only=True)
class ModelRetried:
    """A model call failed in passing and is made again after `wait` seconds."""

    agent: int
    reason: str
    wait: float
    kind: Literal["model_retried"] = "model_retried"


@dataclass(frozen=True, kw_only=True)
class AnswerAccepted:
    """An answer opened the epoch `epoch` and voided every vote before it."""

    agent: int
    number: int
    epoch: int
    text: str
    calls: tuple[PlannedCall, ...] = ()
    kind: Literal["answer_accepted"] = "answer_accepted"


@dataclass(frozen=True, kw_only=True)
class VoteCast:
    """A vote, with the epoch that its voter had seen. It counts only if that is the newest."""

    agent: int
    choice: int
    epoch: int
    reason: str
    kind: Literal["vote_cast"] = "vote_cast"


@dataclass(frozen=True, kw_only=True)
class VoteVoided:
    """A vote stopped counting, or never did, because the answer of epoch `by_epoch` came."""

    agent: int
    choice: int
    epoch: int
    by_epoch: int
    kind: Literal["vote_voided"] = "vote_voided"


@dataclass(frozen=True, kw_only=True)
class AgentFailed:
    """An agent is out for the run."""

    agent: int
    reason: str
    kind: Literal["agent_failed"] = "agent_failed"


Narration: TypeAlias = (
    TurnStarted | ToolRead | ActionRecorded | AgentTold | AgentCorrected | ModelUsed | ModelRetried | VoteVoided
)
"""Events that tell the story and move no state."""
