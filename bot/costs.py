"""What a run may cost at most: how often each agent may ask its model, how much each time, and at which price."""

from collections.abc import Sequence
from dataclasses import dataclass

from coordination.config import AgentSettings, BackendSettings, Settings
from coordination.llm.pricing import cost_of, longest_request
from coordination.ports import Usage

LONGEST_REPLY = {"anthropic": 32_000}
"""What a reply may have where the configuration does not say, in the APIs that must be told."""


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """One agent's share at the very most. `dollars` is None where it can't be known."""

    agent: str
    calls: int
    dollars: float | None


def ceilings(settings: Settings) -> tuple[Ceiling, ...]:
    """The most that each agent could use if it did everything that it may, with requests as long as its model takes."""
    return tuple(_ceiling(settings, agent) for agent in settings.agents if agent.backend.provider.family != "scripted")


def run_ceiling(settings: Settings, agents: Sequence[Ceiling]) -> float | None:
    """The most that a run could cost; None: unknown. The calls under way when a limit is passed come on top of it."""
    money = settings.limits.money_per_run
    shares = [agent.dollars for agent in agents if agent.dollars is not None]
    whole = sum(shares) if len(shares) == len(agents) else None
    by_tokens = _by_tokens(settings)
    known = [each for each in (money, whole, by_tokens) if each is not None]
    return min(known) if known else None


def _ceiling(settings: Settings, agent: AgentSettings) -> Ceiling:
    knobs = settings.knobs
    everyone = knobs.max_new_answers_per_agent * len(settings.agents)
    answers = min(everyone, knobs.max_new_answers_global or everyone)
    # Its own answers, a vote after each answer of anybody, a last vote; then the presentation and the report.
    turns = knobs.max_new_answers_per_agent + answers + 1 + (knobs.final_presentation == "present")
    calls = turns * (knobs.max_tool_rounds + knobs.max_corrections) + 1
    each = [_dearest(backend) for backend in (agent.backend, agent.backend.fallback) if backend is not None]
    known = [dollars for dollars in each if dollars is not None]
    return Ceiling(agent=agent.id, calls=calls, dollars=calls * max(known) if len(known) == len(each) else None)


def _dearest(backend: BackendSettings) -> float | None:
    longest = longest_request(backend)
    if longest is None:
        return None
    reply = backend.options.output_tokens or LONGEST_REPLY.get(backend.provider.family, longest)
    return cost_of(backend, Usage(input_tokens=longest, output_tokens=reply))


def _by_tokens(settings: Settings) -> float | None:
    """All tokens of the run at the price of the dearest model's dearest token."""
    tokens = settings.limits.tokens_per_run
    if tokens is None:
        return None
    rates: list[float] = []
    for agent in settings.agents:
        for backend in (agent.backend, agent.backend.fallback):
            if backend is None or backend.provider.family == "scripted":
                continue
            rate = _dearest_token(backend)
            if rate is None:
                return None
            rates.append(rate)
    return tokens * max(rates) if rates else 0.0


def _dearest_token(backend: BackendSettings) -> float | None:
    longest = longest_request(backend) or 1
    long = cost_of(backend, Usage(input_tokens=longest))
    both = cost_of(backend, Usage(input_tokens=longest, output_tokens=1_000))
    if long is None or both is None:
        return None
    return max(long / longest, (both - long) / 1_000)
