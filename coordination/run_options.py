"""The options of one run, as deliberation needs them: plain values, checked by `coordination.config`."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from coordination.domain.policy import Policy
from coordination.domain.tool_rules import Rule
from coordination.ports import ServerSpec

MAX_PROMPT = 20_000
"""Characters of a request."""

Strictness = Literal["lenient", "balanced", "strict"]


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a coordination runs. The names are MassGen's where it has one; times are in seconds.

    Attributes:
        defer_voting: an agent that has answered waits for every living agent's first answer before it votes.
        questions_per_agent: how often an agent may ask the requester something in one run; 0: never.
        question_timeout_seconds: how long it waits for an answer; that time counts for no other limit.
        question_sensitivity: how readily it should ask.
    """

    max_new_answers_per_agent: int = 3
    max_new_answers_global: int | None = None
    voting_sensitivity: Strictness = "balanced"
    answer_novelty_requirement: Strictness = "lenient"
    orchestrator_timeout_seconds: float = 1800
    initial_round_timeout_seconds: float = 600
    subsequent_round_timeout_seconds: float = 300
    max_tool_rounds: int = 25
    max_midstream_updates: int = 2
    max_corrections: int = 3
    max_calls: int = 50
    max_answer_characters: int = 100_000
    defer_voting: bool = True
    consensus: Literal["all", "majority"] = "all"
    final_presentation: Literal["adopt", "present"] = "adopt"
    planning_instruction: str = ""
    questions_per_agent: int = 0
    question_timeout_seconds: float = 300
    question_sensitivity: Literal["low", "medium", "high"] = "medium"
    budget_tokens: int | None = None
    budget_money: float | None = None


@dataclass(frozen=True, kw_only=True)
class AgentProfile:
    """One agent of a run: what it is told, and which tools it may see, under which rules."""

    number: int
    id: str
    system_message: str = field(repr=False)
    servers: tuple[ServerSpec, ...] = field(repr=False)
    rules: tuple[Rule, ...]


@dataclass(frozen=True, kw_only=True)
class DailyLimits:
    """What may be used between two midnights of UTC, in tokens and in US dollars. None: without end."""

    user_tokens: int | None = None
    user_money: float | None = None
    place_tokens: int | None = None
    place_money: float | None = None
    tenant_tokens: int | None = None
    tenant_money: float | None = None


@dataclass(frozen=True, kw_only=True)
class RunProfile:
    """A whole configuration as a run needs it, models aside.

    Attributes:
        servers: every server of any agent, once.
        origin: the file that it came from.
        asks_external: whether guests, bots and people of other organizations may ask.
        at: the moment at which its rules are asked; None where nobody has said.
        is_same: it is what the run began with, asked again because its rules look at the clock.
    """

    agents: tuple[AgentProfile, ...]
    servers: tuple[ServerSpec, ...]
    options: RunOptions = field(default_factory=RunOptions)
    policy: Policy = field(default_factory=Policy)
    daily: DailyLimits = field(default_factory=DailyLimits)
    asks_external: bool = False
    origin: str = ""
    at: datetime | None = None
    is_same: bool = False

    @property
    def looks_at_the_clock(self) -> bool:
        """Whether a rule says other things at other hours."""
        return any(each.about == "time" for agent in self.agents for rule in agent.rules for each in rule.when)

    @property
    def has_day_caps(self) -> bool:
        """Whether a rule lets a day have so many of its calls and no more."""
        return any(rule.needs.per_day for agent in self.agents for rule in agent.rules)
