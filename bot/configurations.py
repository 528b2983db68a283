"""From a configuration's text to what a run needs of it, models included."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.chat.approvers import approvers_in, narrowed, satisfiable
from bot.environment import TENANT_VARIABLE
from bot.people import CONSOLE, account_named
from coordination.config import Settings, parse, unmatched_rules
from coordination.llm.rate_limiter import Throttle
from coordination.llm.registry import Models
from coordination.ports import Model, ToolDefinition
from coordination.run_options import RunProfile


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """One configuration that was read and found good. Fits `coordination.preparation.Prepared`."""

    settings: Settings
    profile: RunProfile
    build: Models
    adapt: Callable[[Sequence[Model]], Sequence[Model]]

    async def load(self) -> None:
        """Load the libraries of the agents' backends, and of those behind them."""
        await self.build.load(self.settings.agents)

    def models(self) -> Sequence[Model]:
        """One model per agent."""
        limits = self.settings.limits
        throttle = Throttle(at_once=limits.requests_at_once, per_minute=limits.requests_per_minute)
        return self.adapt([self.build.model(agent, throttle) for agent in self.settings.agents])

    def complaints(
        self, definitions: Sequence[ToolDefinition], asking: frozenset[tuple[str, str]] = frozenset()
    ) -> Sequence[str]:
        """The rules that name tools which no server has."""
        return unmatched_rules(self.settings, definitions, asking)


@dataclass(frozen=True, kw_only=True)
class Configurations:
    """Reads configurations for tenants. Fits `coordination.preparation.Configure`."""

    environ: Mapping[str, str]
    build: Models
    adapt: Callable[[Sequence[Model]], Sequence[Model]]

    def __call__(self, text: str, origin: str, tenant: str) -> Configuration:
        """The configuration, checked. Who sits at a terminal alone may approve what they asked for, unless it says no."""
        settings = parse(text, origin=origin, environ={**self.environ, TENANT_VARIABLE: tenant})
        self.build.check(settings.agents, needs_prices=settings.limits_money)
        profile = settings.profile(allow_requester_default=tenant == CONSOLE)
        approvers = approvers_in(text)
        if approvers is not None:
            profile = replace(profile, policy=satisfiable(narrowed(profile.policy, approvers)))
        if tenant == CONSOLE:
            users = tuple(account_named(each) for each in profile.policy.users)
            profile = replace(profile, policy=replace(profile.policy, users=users))
        return Configuration(settings=settings, profile=profile, build=self.build, adapt=self.adapt)
